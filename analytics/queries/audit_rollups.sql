-- Do the roll-ups say what the raw tables say? No rows when all is well. (Rows that their TTL has dropped on one side
-- only show up here.)
--
-- Copied fills are compared by the minute: how many, their quantity, and the sum of hashes of trade and quantity, so that
-- two that are wrong don't make up for each other.
SELECT *
FROM
(
    SELECT
        'ledger_totals' AS rollup,
        concat(owner, ' ', account, ' ', asset) AS entry,
        toString(raw) AS stored,
        toString(rolled) AS totalled
    FROM
    (
        SELECT owner, account, asset, sumIf(value, source = 'raw') AS raw, sumIf(value, source = 'rollup') AS rolled
        FROM
        (
            SELECT owner, account, asset, toDecimal256(amount, 18) AS value, 'raw' AS source FROM ledger_entries FINAL
            UNION ALL
            SELECT owner, account, asset, amount, 'rollup' FROM ledger_totals
        )
        GROUP BY owner, account, asset
    )
    UNION ALL
    SELECT 'order_events_1m', concat(kind, ' ', toString(minute)), toString(raw), toString(rolled)
    FROM
    (
        SELECT kind, minute, sumIf(value, source = 'raw') AS raw, sumIf(value, source = 'rollup') AS rolled
        FROM
        (
            SELECT kind, toStartOfMinute(occurred_at) AS minute, toUInt64(1) AS value, 'raw' AS source
            FROM order_events FINAL
            WHERE NOT startsWith(user_id, 'canary:')
            UNION ALL
            SELECT kind, minute, events, 'rollup' FROM order_events_1m
        )
        GROUP BY kind, minute
    )
    UNION ALL
    SELECT 'venue_latency_1m', concat(venue, ' ', operation, ' ', toString(minute)), toString(raw), toString(rolled)
    FROM
    (
        SELECT venue, operation, minute, sumIf(value, source = 'raw') AS raw, sumIf(value, source = 'rollup') AS rolled
        FROM
        (
            SELECT venue, operation, toStartOfMinute(reported_at) AS minute, toUInt64(1) AS value, 'raw' AS source
            FROM venue_reports FINAL
            WHERE kind != 'FILL' AND sent_at IS NOT NULL AND received_at IS NOT NULL
            UNION ALL
            SELECT venue, operation, minute, calls, 'rollup' FROM venue_latency_1m
        )
        GROUP BY venue, operation, minute
    )
    UNION ALL
    SELECT 'fills_booked', concat(venue, ' ', symbol, ' ', toString(minute)), toString(raw), toString(rolled)
    FROM
    (
        SELECT
            venue,
            symbol,
            minute,
            (countIf(source = 'raw'), sumIf(value, source = 'raw'), sumIf(print, source = 'raw')) AS raw,
            (countIf(source = 'rollup'), sumIf(value, source = 'rollup'), sumIf(print, source = 'rollup')) AS rolled
        FROM
        (
            SELECT
                venue,
                symbol,
                toStartOfMinute(occurred_at) AS minute,
                toDecimal256(assumeNotNull(fill_quantity), 18) AS value,
                cityHash64(trade_id, value) AS print,
                'raw' AS source
            FROM order_events FINAL
            WHERE kind = 'ORDER_FILLED'
            UNION ALL
            SELECT
                venue,
                symbol,
                toStartOfMinute(occurred_at),
                toDecimal256(quantity, 18) AS value,
                cityHash64(trade_id, value),
                'rollup'
            FROM fills
        )
        GROUP BY venue, symbol, minute
    )
    UNION ALL
    SELECT 'fills_1m', concat(venue, ' ', symbol, ' ', fee_asset, ' ', toString(minute)), toString(raw), toString(rolled)
    FROM
    (
        SELECT
            venue,
            symbol,
            fee_asset,
            minute,
            (sumIf(cost, source = 'raw'), sumIf(fee, source = 'raw')) AS raw,
            (sumIf(cost, source = 'rollup'), sumIf(fee, source = 'rollup')) AS rolled
        FROM
        (
            SELECT
                venue,
                symbol,
                fee_asset,
                toStartOfMinute(occurred_at) AS minute,
                cost,
                toDecimal256(fee, 18) AS fee,
                'raw' AS source
            FROM fills
            UNION ALL
            SELECT venue, symbol, fee_asset, minute, cost, fee, 'rollup' FROM fills_1m
        )
        GROUP BY venue, symbol, fee_asset, minute
    )
    UNION ALL
    SELECT 'pipeline_latency_1m', concat(answer, ' ', toString(minute)), toString(raw), toString(rolled)
    FROM
    (
        SELECT answer, minute, sumIf(value, source = 'raw') AS raw, sumIf(value, source = 'rollup') AS rolled
        FROM
        (
            SELECT answer, toStartOfMinute(occurred_at) AS minute, toUInt64(1) AS value, 'raw' AS source
            FROM order_events FINAL
            WHERE NOT startsWith(user_id, 'canary:')
            UNION ALL
            SELECT answer, minute, events, 'rollup' FROM pipeline_latency_1m
        )
        GROUP BY answer, minute
    )
)
WHERE stored != totalled
ORDER BY rollup, entry;
