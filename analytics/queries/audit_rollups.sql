-- Do the roll-ups say what the raw tables say? No rows when all is well. (Rows that their TTL has dropped on one side
-- only show up here.)
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
)
WHERE stored != totalled
ORDER BY rollup, entry;
