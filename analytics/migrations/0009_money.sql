-- Money at an instant: positions, balances, profit, and whether the venues agree.
--
-- Sums are Decimal(76, 18), and nothing here is a Float. Views with parameters are read like a table with arguments:
-- SELECT … FROM balances_at(instant = '2026-01-31 12:00:00').

CREATE VIEW IF NOT EXISTS balances_at AS
SELECT
    owner,
    asset,
    sumIf(toDecimal256(amount, 18), account = 'AVAILABLE') AS available,
    sumIf(toDecimal256(amount, 18), account = 'RESERVED') AS reserved,
    available + reserved AS total
FROM ledger_entries FINAL
WHERE occurred_at <= {instant:DateTime64(6, 'UTC')}
GROUP BY owner, asset
COMMENT 'Grain: one row an owner and asset that had a posting by then. What was booked by the instant, itself included.';

CREATE VIEW IF NOT EXISTS positions_at AS
SELECT
    user_id,
    symbol,
    sumIf(f.base_moved, f.side = 'BUY') AS bought,
    sumIf(f.base_moved, f.side = 'SELL') AS sold,
    bought - sold AS position,
    sumIf(f.quote_moved, f.side = 'BUY') AS paid,
    sumIf(f.quote_moved, f.side = 'SELL') AS received,
    count() AS fills
FROM fills AS f
WHERE f.occurred_at <= {instant:DateTime64(6, 'UTC')}
GROUP BY user_id, symbol
COMMENT 'Grain: one row a user and symbol with fills by the instant. By trades alone: transfers are no part of it.';

-- Realised profit: what a user received for what is sold, less what was paid for it, fees in both (base_moved,
-- quote_moved). Sold before it was bought is a short position, closed by later purchases; what came by a transfer
-- counts as that, for nobody knows what it cost.
--
-- FIFO: the n-th unit sold is the n-th unit bought, whichever came first. So all up to the lesser of the two totals is
-- realised; a lot that is realised in part counts in proportion, rounded towards zero.
--
-- Average cost: a trade that adds to the position adds its amount to its cost; one that reduces it realises the same
-- share of the cost as of the position, rounded towards zero. What is left over after crossing zero opens anew.
CREATE VIEW IF NOT EXISTS realised_pnl_fifo AS
SELECT
    user_id,
    symbol,
    max(l.matched) AS closed,
    sumIf(l.realised, l.side = 'SELL') AS proceeds,
    sumIf(l.realised, l.side = 'BUY') AS cost,
    proceeds - cost AS realised,
    sumIf(l.amount - l.realised, l.side = 'BUY') - sumIf(l.amount - l.realised, l.side = 'SELL') AS open_cost
FROM
(
    SELECT
        user_id,
        symbol,
        side,
        amount,
        matched,
        multiIf(
            upto <= matched, amount,
            before >= matched, toDecimal256(0, 18),
            divideDecimal(amount * (matched - before), quantity, 18)) AS realised
    FROM
    (
        SELECT
            user_id,
            symbol,
            side,
            base_moved AS quantity,
            quote_moved AS amount,
            sum(base_moved) OVER lots AS upto,
            upto - quantity AS before,
            least(
                sumIf(base_moved, side = 'BUY') OVER (PARTITION BY user_id, symbol),
                sumIf(base_moved, side = 'SELL') OVER (PARTITION BY user_id, symbol)) AS matched
        FROM fills
        WHERE occurred_at <= {instant:DateTime64(6, 'UTC')} AND base_moved > 0
        WINDOW lots AS (
            PARTITION BY user_id, symbol, side ORDER BY occurred_at, _partition, _offset
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
) AS l
GROUP BY user_id, symbol
COMMENT 'Grain: one row a user and symbol with fills by the instant. In the quote asset, fees included.';

CREATE VIEW IF NOT EXISTS realised_pnl_average AS
SELECT
    user_id,
    symbol,
    arrayFold(
        (book, trade) -> arrayMap(
            closing -> arrayMap(
                (given, relieved) -> (
                    toDecimal256(book.1 + trade.1, 18),
                    toDecimal256(book.2 - relieved + trade.2 - given, 18),
                    toDecimal256(book.3 - given - relieved, 18)),
                [divideDecimal(trade.2 * closing, abs(trade.1), 18)],
                [divideDecimal(book.2 * closing, if(closing = 0, toDecimal256(1, 18), abs(book.1)), 18)])[1],
            [if(book.1 < 0 AND trade.1 > 0 OR book.1 > 0 AND trade.1 < 0,
                least(abs(book.1), abs(trade.1)), toDecimal256(0, 18))])[1],
        arrayMap(
            trade -> (trade.4, trade.5),
            arraySort(groupArray((
                f.occurred_at,
                f._partition,
                f._offset,
                if(f.side = 'BUY', f.base_moved, -f.base_moved),
                if(f.side = 'BUY', f.quote_moved, -f.quote_moved))))),
        (toDecimal256(0, 18), toDecimal256(0, 18), toDecimal256(0, 18))) AS book,
    book.1 AS position,
    book.2 AS open_cost,
    book.3 AS realised
FROM fills AS f
WHERE f.occurred_at <= {instant:DateTime64(6, 'UTC')} AND f.base_moved > 0
GROUP BY user_id, symbol
COMMENT 'Grain: one row a user and symbol with fills by the instant. In the quote asset, fees included.';

-- What the worst end of an order could cost is what is still reserved for it.
CREATE VIEW IF NOT EXISTS unsettled_orders AS
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
    l.reserved AS exposure,
    l.asset AS exposure_asset
FROM
(
    SELECT * FROM orders_current WHERE status IN ('NEW', 'PENDING_SUBMISSION', 'PENDING_CANCEL', 'UNKNOWN')
) AS o
LEFT JOIN
(
    SELECT user_id, order_id, asset, sum(toDecimal256(amount, 18)) AS reserved
    FROM ledger_entries FINAL
    WHERE account = 'RESERVED' AND order_id IN
    (
        SELECT order_id
        FROM orders_current
        WHERE status IN ('NEW', 'PENDING_SUBMISSION', 'PENDING_CANCEL', 'UNKNOWN')
    )
    GROUP BY user_id, order_id, asset
    HAVING reserved != 0
) AS l ON l.user_id = o.user_id AND l.order_id = o.order_id
COMMENT 'Grain: one row an order with an unknown outcome or an unanswered request, and what is reserved for it.';

-- From one look at a venue's balances to the next, what came in there must be what the ledger says came in. A trade is
-- done a little before it is booked, so what was booked within ten seconds of either look may be on either side. An
-- asset that a look doesn't name was not there.
CREATE VIEW IF NOT EXISTS venue_balance_moves AS
WITH
    readings AS
    (
        SELECT DISTINCT venue, account, observed_at
        FROM venue_balances
        WHERE observed_at >= {since:DateTime64(6, 'UTC')} AND observed_at < {until:DateTime64(6, 'UTC')}
    ),
    held AS
    (
        SELECT
            venue,
            account,
            asset,
            observed_at,
            argMax(toDecimal256(b.free, 18) + toDecimal256(b.locked, 18), (b._partition, b._offset)) AS total
        FROM venue_balances AS b
        WHERE observed_at >= {since:DateTime64(6, 'UTC')} AND observed_at < {until:DateTime64(6, 'UTC')}
        GROUP BY venue, account, asset, observed_at
    ),
    booked AS
    (
        SELECT
            splitByChar(':', owner, 2)[2] AS venue,
            asset,
            occurred_at,
            -sum(toDecimal256(amount, 18)) AS amount
        FROM ledger_entries FINAL
        WHERE (startsWith(owner, 'clearing:') OR startsWith(owner, 'fees:'))
            AND occurred_at >= {since:DateTime64(6, 'UTC')} - INTERVAL 10 SECOND
            AND occurred_at <= {until:DateTime64(6, 'UTC')} + INTERVAL 10 SECOND
        GROUP BY venue, asset, occurred_at
    ),
    assets AS
    (
        SELECT DISTINCT venue, account, asset FROM held
        UNION DISTINCT
        SELECT r.venue, r.account, b.asset
        FROM (SELECT DISTINCT venue, account FROM readings) AS r
        INNER JOIN (SELECT DISTINCT venue, asset FROM booked) AS b ON b.venue = r.venue
    ),
    looks AS
    (
        SELECT
            a.venue AS venue,
            a.account AS account,
            a.asset AS asset,
            r.observed_at AS observed_at,
            h.total AS total
        FROM assets AS a
        INNER JOIN readings AS r ON r.venue = a.venue AND r.account = a.account
        LEFT JOIN held AS h
            ON h.venue = a.venue AND h.account = a.account AND h.asset = a.asset AND h.observed_at = r.observed_at
    ),
    running AS
    (
        SELECT
            venue,
            asset,
            occurred_at,
            sum(amount) OVER by_time AS amount_until,
            sum(abs(amount)) OVER by_time AS volume_until
        FROM booked
        WINDOW by_time AS (
            PARTITION BY venue, asset ORDER BY occurred_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
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
        *,
        lagInFrame(observed_at) OVER in_turn AS previous_at,
        lagInFrame(total) OVER in_turn AS previous_total,
        lagInFrame(booked_until) OVER in_turn AS previous_booked,
        lagInFrame(motion) OVER in_turn AS previous_motion,
        row_number() OVER in_turn AS number
    FROM
    (
        SELECT
            l.venue AS venue,
            l.account AS account,
            l.asset AS asset,
            l.observed_at AS observed_at,
            l.total AS total,
            at.amount_until AS booked_until,
            later.volume_until - earlier.volume_until AS motion
        FROM looks AS l
        ASOF LEFT JOIN running AS at
            ON at.venue = l.venue AND at.asset = l.asset AND l.observed_at >= at.occurred_at
        ASOF LEFT JOIN running AS later
            ON later.venue = l.venue AND later.asset = l.asset
                AND l.observed_at + INTERVAL 10 SECOND >= later.occurred_at
        ASOF LEFT JOIN running AS earlier
            ON earlier.venue = l.venue AND earlier.asset = l.asset
                AND l.observed_at - INTERVAL 10 SECOND > earlier.occurred_at
    )
    WINDOW in_turn AS (
        PARTITION BY venue, account, asset ORDER BY observed_at
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE number > 1
COMMENT 'Grain: one row an asset of an account and look in the period, but the first look: what moved since the last one.';
