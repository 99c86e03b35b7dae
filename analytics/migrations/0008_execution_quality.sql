-- How well orders were executed: order by order, fill by fill.
--
-- Views with parameters are read like a table with arguments:
-- SELECT … FROM fill_times(since = '2026-01-31 00:00:00', until = '2026-02-01 00:00:00'). A period has its beginning
-- and not its end. All of them take from the raw rows what a repetition can't change (the first, the last, the least,
-- the greatest), so they are right whatever was stored twice, before merges and after.

CREATE VIEW IF NOT EXISTS orders_placed AS
SELECT
    user_id,
    order_id,
    argMin(e.client_order_id, e.sequence) AS client_order_id,
    max(e.venue) AS venue,
    max(e.symbol) AS symbol,
    max(e.side) AS side,
    max(e.order_type) AS order_type,
    argMax(e.status, e.sequence) AS status,
    assumeNotNull(argMax(e.quantity, e.sequence)) AS quantity,
    assumeNotNull(argMax(e.filled_quantity, e.sequence)) AS filled_quantity,
    assumeNotNull(argMax(e.filled_cost, e.sequence)) AS filled_cost,
    min(e.occurred_at) AS accepted_at,
    argMin(e._timestamp, e.sequence) AS answered_at,
    minOrNullIf(e.occurred_at, e.kind = 'ORDER_FILLED') AS first_fill_at,
    if(status = 'FILLED', maxOrNullIf(e.occurred_at, e.kind = 'ORDER_FILLED'), NULL) AS filled_at
FROM order_events AS e
WHERE e.sequence > 0 AND e._timestamp >= {since:DateTime64(6, 'UTC')} - INTERVAL 1 HOUR
GROUP BY user_id, order_id
HAVING min(e.sequence) = 1
    AND accepted_at >= {since:DateTime64(6, 'UTC')}
    AND accepted_at < {until:DateTime64(6, 'UTC')}
COMMENT 'Grain: one row an order accepted in the period, with what became of it since. By the clock of the broker.';

CREATE VIEW IF NOT EXISTS fill_times AS
SELECT
    *,
    dateDiff('microsecond', accepted_at, first_fill_at) AS first_fill_us,
    dateDiff('microsecond', accepted_at, filled_at) AS filled_us
FROM orders_placed(since = {since:DateTime64(6, 'UTC')}, until = {until:DateTime64(6, 'UTC')})
COMMENT 'Grain: one row an order accepted in the period: how long until its first fill, and until it was filled.';

-- The way of an order in stages without a gap or an overlap, so that they add up to the total, order by order. Clocks
-- of several machines are involved: where they differ a stage may be negative, and its neighbour has what it lacks.
CREATE VIEW IF NOT EXISTS order_stages AS
SELECT
    o.user_id AS user_id,
    o.order_id AS order_id,
    o.venue AS venue,
    o.symbol AS symbol,
    o.order_type AS order_type,
    o.accepted_at AS accepted_at,
    dateDiff('microsecond', o.accepted_at, o.answered_at) AS accept_us,
    dateDiff('microsecond', o.answered_at, calls.sent_at) - calls.wait_us AS queue_us,
    calls.wait_us AS throttle_wait_us,
    dateDiff('microsecond', calls.sent_at, calls.received_at) AS venue_us,
    dateDiff('microsecond', calls.received_at, f.booked_at) AS fill_us,
    dateDiff('microsecond', f.booked_at, f.stored_at) AS sink_us,
    dateDiff('microsecond', o.accepted_at, f.stored_at) AS total_us
FROM orders_placed(since = {since:DateTime64(6, 'UTC')}, until = {until:DateTime64(6, 'UTC')}) AS o
INNER JOIN
(
    SELECT
        client_order_id,
        argMin((assumeNotNull(r.sent_at), assumeNotNull(r.received_at), ifNull(r.throttle_wait_us, 0)),
            (r._partition, r._offset)) AS call,
        call.1 AS sent_at,
        call.2 AS received_at,
        call.3 AS wait_us
    FROM venue_reports AS r
    WHERE r.operation = 'PLACE' AND r.sent_at IS NOT NULL AND r.received_at IS NOT NULL
        AND r._timestamp >= {since:DateTime64(6, 'UTC')}
    GROUP BY client_order_id
) AS calls ON calls.client_order_id = o.client_order_id
INNER JOIN
(
    SELECT
        user_id,
        order_id,
        argMin((fills._timestamp, fills._ingested_at), fills.sequence) AS first_fill,
        first_fill.1 AS booked_at,
        first_fill.2 AS stored_at
    FROM fills
    WHERE fills.occurred_at >= {since:DateTime64(6, 'UTC')}
    GROUP BY user_id, order_id
) AS f ON f.user_id = o.user_id AND f.order_id = o.order_id
COMMENT 'Grain: one row an order accepted in the period whose placement was answered and that has a fill: its first.';

-- Two looks at one instant: the later record counts. Where nobody would buy or nobody would sell there is no middle.
-- What a join doesn't find of this view is NULL, not 0.
CREATE VIEW IF NOT EXISTS quotes_seen AS
SELECT
    venue,
    symbol,
    observed_at,
    argMax((q.bid, q.ask), (q._partition, q._offset)) AS best,
    toNullable(observed_at) AS quoted_at,
    toNullable(best.1) AS bid,
    toNullable(best.2) AS ask,
    toDecimal256(bid, 18) + toDecimal256(ask, 18) AS twice_the_middle
FROM quotes AS q
GROUP BY venue, symbol, observed_at
HAVING best.1 > 0 AND best.2 > 0
COMMENT 'Grain: one row an instant at which both sides of a symbol were seen.';

-- Arrival is the middle of the last quote at or before acceptance, if it was no older than quote_age_s_max; else what
-- depends on it is NULL: unknown, not nothing. Basis points are rounded towards zero at the sixth decimal.
CREATE VIEW IF NOT EXISTS slippage AS
SELECT
    o.user_id AS user_id,
    o.order_id AS order_id,
    o.venue AS venue,
    o.symbol AS symbol,
    o.side AS side,
    o.order_type AS order_type,
    o.accepted_at AS accepted_at,
    toDecimal256(o.filled_quantity, 18) AS quantity,
    toDecimal256(o.filled_cost, 18) AS cost,
    q.quoted_at AS quoted_at,
    ifNull(dateDiff('microsecond', quoted_at, accepted_at) <= {quote_age_s_max:UInt32} * 1000000, 0) AS known,
    if(known, q.bid, NULL) AS arrival_bid,
    if(known, q.ask, NULL) AS arrival_ask,
    if(known, toDecimal256(round(quantity * q.twice_the_middle / 2, 18), 18), NULL) AS arrival_cost,
    (cost - arrival_cost) * if(side = 'BUY', 1, -1) AS slippage,
    divideDecimal(slippage * 10000, ifNull(nullIf(arrival_cost, 0), toDecimal256(1, 18)), 6) AS slippage_basis_points
FROM
(
    SELECT *
    FROM orders_placed(since = {since:DateTime64(6, 'UTC')}, until = {until:DateTime64(6, 'UTC')})
    WHERE filled_quantity > 0
) AS o
ASOF LEFT JOIN
(
    SELECT *
    FROM quotes_seen
    WHERE observed_at >= {since:DateTime64(6, 'UTC')} - toIntervalSecond({quote_age_s_max:UInt32})
        AND observed_at < {until:DateTime64(6, 'UTC')}
) AS q ON o.venue = q.venue AND o.symbol = q.symbol AND o.accepted_at >= q.observed_at
COMMENT 'Grain: one row an order accepted in the period that has fills. Slippage is a cost where it is positive.';

-- The middle then is that of the last quote at or before the instant, if it was no older than quote_age_s_max, and if
-- quotes have come up to that instant: a look at the last minute must not take an old price for the later one.
CREATE VIEW IF NOT EXISTS markouts AS
SELECT
    f.venue AS venue,
    f.symbol AS symbol,
    f.trade_id AS trade_id,
    f.user_id AS user_id,
    f.order_id AS order_id,
    f.side AS side,
    f.liquidity AS liquidity,
    f.price AS price,
    f.quantity AS quantity,
    f.cost AS cost,
    f.traded_at AS traded_at,
    f.horizon_s AS horizon_s,
    q.quoted_at AS quoted_at,
    ifNull(dateDiff('microsecond', quoted_at, f.instant) <= {quote_age_s_max:UInt32} * 1000000, 0)
        AND newest.observed_at >= f.instant AS known,
    if(known, toDecimal256(round(toDecimal256(quantity, 18) * q.twice_the_middle / 2, 18), 18), NULL) AS value_then,
    (value_then - cost) * if(side = 'BUY', 1, -1) AS markout,
    divideDecimal(markout * 10000, ifNull(nullIf(cost, 0), toDecimal256(1, 18)), 6) AS markout_basis_points
FROM
(
    SELECT
        b.*,
        coalesce(r.transacted_at, b.occurred_at) AS traded_at,
        arrayJoin([1, 10, 60]) AS horizon_s,
        traded_at + toIntervalSecond(horizon_s) AS instant
    FROM
    (
        SELECT *
        FROM fills
        WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
    ) AS b
    LEFT ANY JOIN
    (
        SELECT _partition, _offset, transacted_at
        FROM venue_reports
        WHERE kind = 'FILL'
            AND _timestamp >= {since:DateTime64(6, 'UTC')} AND _timestamp < {until:DateTime64(6, 'UTC')}
    ) AS r ON r._partition = b.report_partition AND r._offset = b.report_offset
) AS f
ASOF LEFT JOIN
(
    SELECT *
    FROM quotes_seen
    WHERE observed_at >= {since:DateTime64(6, 'UTC')} - INTERVAL 1 HOUR - toIntervalSecond({quote_age_s_max:UInt32})
        AND observed_at < {until:DateTime64(6, 'UTC')} + INTERVAL 1 MINUTE
) AS q ON f.venue = q.venue AND f.symbol = q.symbol AND f.instant >= q.observed_at
LEFT ANY JOIN
(
    SELECT venue, symbol, max(quotes.observed_at) AS observed_at
    FROM quotes
    WHERE quotes.observed_at >= {since:DateTime64(6, 'UTC')}
    GROUP BY venue, symbol
) AS newest ON newest.venue = f.venue AND newest.symbol = f.symbol
COMMENT 'Grain: one row a fill booked in the period and horizon. A markout is a gain where it is positive.';
