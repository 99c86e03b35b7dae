-- Views that dashboards ask: the same answers from fewer rows, or from rows read fewer times.

-- Two looks at one instant: the later record counts. Where nobody would buy or nobody would sell there is no middle.
-- What a join doesn't find of this view is NULL, not 0.
CREATE OR REPLACE VIEW quotes_seen AS
SELECT
    venue,
    symbol,
    observed_at,
    toNullable(observed_at) AS quoted_at,
    toNullable(q.bid) AS bid,
    toNullable(q.ask) AS ask,
    toDecimal256(bid, 18) + toDecimal256(ask, 18) AS twice_the_middle
FROM
(
    SELECT venue, symbol, observed_at, bid, ask
    FROM quotes
    ORDER BY venue, symbol, observed_at, _partition DESC, _offset DESC
    LIMIT 1 BY venue, symbol, observed_at
) AS q
WHERE q.bid > 0 AND q.ask > 0
COMMENT 'Grain: one row an instant at which both sides of a symbol were seen.';

-- Postings are sorted by owner, so ask for one (user:<user_id>), and little is read.
CREATE VIEW IF NOT EXISTS reservations AS
SELECT owner, user_id, order_id, asset, sum(toDecimal256(amount, 18)) AS reserved
FROM ledger_entries FINAL
WHERE account = 'RESERVED'
GROUP BY owner, user_id, order_id, asset
HAVING reserved != 0
COMMENT 'Grain: one row an order and asset of which something is reserved for it.';

-- What the worst end of an order could cost is what is still reserved for it.
CREATE OR REPLACE VIEW unsettled_orders AS
SELECT
    o.user_id AS user_id,
    o.order_id AS order_id,
    o.venue AS venue,
    o.symbol AS symbol,
    o.side AS side,
    o.status AS status,
    o.reason AS reason,
    o.accepted_at AS accepted_at,
    o.updated_at AS updated_at,
    o.leaves_quantity AS leaves_quantity,
    o.price AS price,
    r.reserved AS exposure,
    r.asset AS exposure_asset
FROM
(
    SELECT * FROM orders_current WHERE status IN ('NEW', 'PENDING_SUBMISSION', 'PENDING_CANCEL', 'UNKNOWN')
) AS o
LEFT JOIN reservations AS r ON r.user_id = o.user_id AND r.order_id = o.order_id
COMMENT 'Grain: one row an order with an unknown outcome or an unanswered request, and what is reserved for it.';

-- From one look at a venue's balances to the next, what came in there must be what the ledger says came in. A trade is
-- done a little before it is booked, so what was booked within ten seconds of either look may be on either side. An
-- asset that a look doesn't name was not there. Of the looks in each stretch of every_us microseconds the last one
-- counts: 1 for all of them.
--
-- Each posting is added to the first instant of interest that isn't before it (a look, and ten seconds before and after
-- one), and the sums are added up from instant to instant: postings, which are many, are read once and never sorted.
CREATE OR REPLACE VIEW venue_balance_moves AS
WITH
    instants AS
    (
        SELECT venue, account, observed_at, instant.1 AS place, instant.2 AS at
        FROM
        (
            SELECT venue, account, max(b.observed_at) AS observed_at
            FROM venue_balances AS b
            WHERE b.observed_at >= {since:DateTime64(6, 'UTC')} AND b.observed_at < {until:DateTime64(6, 'UTC')}
            GROUP BY venue, account, intDiv(toUnixTimestamp64Micro(b.observed_at), {every_us:UInt64})
        )
        ARRAY JOIN [
            ('before', observed_at - toIntervalMicrosecond(10000001)),
            ('by', observed_at),
            ('after', observed_at + INTERVAL 10 SECOND)] AS instant
    )
SELECT
    venue,
    account,
    asset,
    previous_at,
    observed_at,
    total,
    total - previous_total AS venue_moved,
    booked_until - previous_booked AS ledger_moved,
    venue_moved - ledger_moved AS difference,
    previous_motion AS motion_before,
    motion AS motion_now,
    motion_before + motion_now AS in_motion
FROM
(
    SELECT
        l.venue AS venue,
        l.account AS account,
        l.asset AS asset,
        l.observed_at AS observed_at,
        l.booked_until AS booked_until,
        l.motion AS motion,
        h.total AS total,
        lagInFrame(observed_at) OVER in_turn AS previous_at,
        lagInFrame(total) OVER in_turn AS previous_total,
        lagInFrame(booked_until) OVER in_turn AS previous_booked,
        lagInFrame(motion) OVER in_turn AS previous_motion,
        row_number() OVER in_turn AS number,
        max(l.volume OR h.named) OVER (PARTITION BY l.venue, l.account, l.asset) AS there
    FROM
    (
        SELECT
            venue,
            account,
            asset,
            look.2 AS observed_at,
            sumIf(r.amount_until, look.1 = 'by') AS booked_until,
            sumIf(r.volume_until, look.1 = 'after') - sumIf(r.volume_until, look.1 = 'before') AS motion,
            max(r.volume_until) > 0 AS volume
        FROM
        (
            SELECT
                i.venue AS venue,
                i.account AS account,
                i.asset AS asset,
                i.looks AS looks,
                sum(b.amount) OVER by_time AS amount_until,
                sum(b.volume) OVER by_time AS volume_until
            FROM
            (
                SELECT venue, account, asset, at, groupArray((place, observed_at)) AS looks
                FROM instants
                INNER JOIN
                (
                    SELECT DISTINCT substring(owner, position(owner, ':') + 1) AS venue, asset
                    FROM ledger_totals
                    WHERE startsWith(owner, 'clearing:') OR startsWith(owner, 'fees:')
                    UNION DISTINCT
                    SELECT DISTINCT venue, asset
                    FROM venue_balances
                    WHERE observed_at >= {since:DateTime64(6, 'UTC')} AND observed_at < {until:DateTime64(6, 'UTC')}
                ) AS a USING (venue)
                GROUP BY venue, account, asset, at
            ) AS i
            LEFT JOIN
            (
                SELECT
                    p.venue AS venue,
                    p.asset AS asset,
                    n.at AS at,
                    -sum(p.amount) AS amount,
                    sum(abs(p.amount)) AS volume
                FROM
                (
                    SELECT
                        substring(owner, position(owner, ':') + 1) AS venue,
                        asset,
                        occurred_at,
                        toDecimal256(l.amount, 18) AS amount
                    FROM ledger_entries AS l FINAL
                    WHERE (startsWith(owner, 'clearing:') OR startsWith(owner, 'fees:'))
                        AND occurred_at >= {since:DateTime64(6, 'UTC')} - INTERVAL 10 SECOND
                        AND occurred_at <= {until:DateTime64(6, 'UTC')} + INTERVAL 10 SECOND
                ) AS p
                ASOF INNER JOIN (SELECT DISTINCT venue, at FROM instants) AS n
                    ON n.venue = p.venue AND p.occurred_at <= n.at
                GROUP BY venue, asset, at
            ) AS b ON b.venue = i.venue AND b.asset = i.asset AND b.at = i.at
            WINDOW by_time AS (
                PARTITION BY i.venue, i.account, i.asset ORDER BY i.at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        ) AS r
        ARRAY JOIN looks AS look
        GROUP BY venue, account, asset, observed_at
    ) AS l
    LEFT JOIN
    (
        SELECT
            venue,
            account,
            asset,
            observed_at,
            toDecimal256(free, 18) + toDecimal256(locked, 18) AS total,
            1 AS named
        FROM venue_balances
        WHERE observed_at >= {since:DateTime64(6, 'UTC')} AND observed_at < {until:DateTime64(6, 'UTC')}
        ORDER BY venue, account, asset, observed_at, _partition DESC, _offset DESC
        LIMIT 1 BY venue, account, asset, observed_at
    ) AS h ON h.venue = l.venue AND h.account = l.account AND h.asset = l.asset AND h.observed_at = l.observed_at
    WINDOW in_turn AS (
        PARTITION BY l.venue, l.account, l.asset ORDER BY l.observed_at
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE number > 1 AND there
COMMENT 'Grain: one row an asset of an account and look in the period, but the first look: what moved since the last one.';

-- The way of an order in stages without a gap or an overlap, so that they add up to the total, order by order. Clocks
-- of several machines are involved: where they differ a stage may be negative, and its neighbour has what it lacks.
-- Calls of a client order ID are reported in one partition, that of its user, so the lowest offset is the first call.
CREATE OR REPLACE VIEW order_stages AS
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
        argMin(assumeNotNull(r.sent_at), r._offset) AS sent_at,
        argMin(assumeNotNull(r.received_at), r._offset) AS received_at,
        argMin(ifNull(r.throttle_wait_us, 0), r._offset) AS wait_us
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
        argMin(fills._timestamp, fills.sequence) AS booked_at,
        argMin(fills._ingested_at, fills.sequence) AS stored_at
    FROM fills
    WHERE fills.occurred_at >= {since:DateTime64(6, 'UTC')}
    GROUP BY user_id, order_id
) AS f ON f.user_id = o.user_id AND f.order_id = o.order_id
COMMENT 'Grain: one row an order accepted in the period whose placement was answered and that has a fill: its first.';
