-- Why was something refused, how often, and which share is it of all that was refused?
SELECT
    reason,
    kind,
    venue,
    sum(events) AS refused,
    round(100 * refused / sum(refused) OVER (), 2) AS percent
FROM order_events_1m
WHERE answer = 'REJECTED' OR kind IN ('ORDER_REJECTED', 'CANCEL_REJECTED')
GROUP BY reason, kind, venue
ORDER BY refused DESC, reason, kind, venue;
