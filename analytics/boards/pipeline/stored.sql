-- What is stored of each topic in all, and when did the latest of it stand in Kafka?
SELECT *
FROM
(
    SELECT 'order-commands' AS topic, 'order_commands' AS table, count() AS rows, max(_timestamp) AS latest
    FROM order_commands
    UNION ALL SELECT 'transfers', 'transfers', count(), max(_timestamp) FROM transfers
    UNION ALL SELECT 'venue-requests', 'venue_requests', count(), max(_timestamp) FROM venue_requests
    UNION ALL SELECT 'venue-reports', 'venue_reports', count(), max(_timestamp) FROM venue_reports
    UNION ALL SELECT 'order-events', 'order_events', count(), max(_timestamp) FROM order_events
    UNION ALL SELECT 'ledger-entries', 'ledger_entries', count(), max(_timestamp) FROM ledger_entries
    UNION ALL SELECT 'dead-letters', 'dead_letters', count(), max(_timestamp) FROM dead_letters
    UNION ALL SELECT 'quotes', 'quotes', count(), max(_timestamp) FROM quotes
    UNION ALL SELECT 'venue-balances', 'venue_balances', count(), max(_timestamp) FROM venue_balances
)
WHERE rows > 0
ORDER BY rows DESC, topic;
