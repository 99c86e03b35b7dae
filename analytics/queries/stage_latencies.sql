-- Where did time go on the way of orders in the last hour, stage by stage?
--
-- accept: command in Kafka to its answer in Kafka. queue and throttle: decision to call, without and with the wait for
-- the venue's limits. venue: the call. report: the venue's answer to Kafka. book: from there to the event. sink: the
-- event in Kafka to its row here.
WITH stages AS
(
    SELECT 'accept' AS stage, 1 AS position, dateDiff('microsecond', c._timestamp, e._timestamp) AS us
    FROM order_events AS e
    INNER JOIN order_commands AS c ON e.source_partition = c._partition AND e.source_offset = c._offset
    WHERE e.answer != '' AND e.source_topic = 'order-commands'
        AND e._timestamp >= now() - INTERVAL 1 HOUR AND c._timestamp >= now() - INTERVAL 1 HOUR
    UNION ALL
    SELECT 'queue', 2, dateDiff('microsecond', requested_at, sent_at) - ifNull(throttle_wait_us, 0)
    FROM venue_reports
    WHERE kind != 'FILL' AND requested_at IS NOT NULL AND sent_at IS NOT NULL
        AND _timestamp >= now() - INTERVAL 1 HOUR
    UNION ALL
    SELECT 'throttle', 3, throttle_wait_us
    FROM venue_reports
    WHERE kind != 'FILL' AND throttle_wait_us IS NOT NULL AND _timestamp >= now() - INTERVAL 1 HOUR
    UNION ALL
    SELECT 'venue', 4, dateDiff('microsecond', sent_at, received_at)
    FROM venue_reports
    WHERE kind != 'FILL' AND sent_at IS NOT NULL AND received_at IS NOT NULL
        AND _timestamp >= now() - INTERVAL 1 HOUR
    UNION ALL
    SELECT 'report', 5, dateDiff('microsecond', received_at, _timestamp)
    FROM venue_reports
    WHERE received_at IS NOT NULL AND _timestamp >= now() - INTERVAL 1 HOUR
    UNION ALL
    SELECT 'book', 6, dateDiff('microsecond', r._timestamp, e._timestamp)
    FROM order_events AS e
    INNER JOIN venue_reports AS r ON e.source_partition = r._partition AND e.source_offset = r._offset
    WHERE e.source_topic = 'venue-reports'
        AND e._timestamp >= now() - INTERVAL 1 HOUR AND r._timestamp >= now() - INTERVAL 1 HOUR
    UNION ALL
    SELECT 'sink', 7, dateDiff('microsecond', _timestamp, _ingested_at)
    FROM order_events
    WHERE _timestamp >= now() - INTERVAL 1 HOUR
)
SELECT
    stage,
    count() AS samples,
    round(quantile(0.5)(us) / 1000, 2) AS p50_ms,
    round(quantile(0.9)(us) / 1000, 2) AS p90_ms,
    round(quantile(0.99)(us) / 1000, 2) AS p99_ms,
    round(max(us) / 1000, 2) AS slowest_ms
FROM stages
GROUP BY stage
ORDER BY any(position);
