-- Where does time go on the way of an order, from its command to its first fill here?
--
-- Grain: one row a venue and stage, and one for the total, of orders accepted from since until before until that have a
-- fill and whose placement was answered. The stages of an order have neither gaps nor overlaps, so spent_ms and mean_ms
-- of the stages add up to those of the total (percentiles don't: the slowest in one stage are others than in the next).
-- accept: from the command in Kafka to its answer in Kafka. queue: from there to the call, without the wait for the
-- venue's limits, which is throttle_wait. venue: the call. fill: from the venue's answer to the first fill's event in
-- Kafka, so also the time that an order waits on the book. sink: from there to its row here. One row an order: the view
-- order_stages.
SELECT
    venue,
    stage.1 AS name,
    count() AS orders,
    sum(stage.3) / 1000 AS spent_ms,
    round(spent_ms / orders, 3) AS mean_ms,
    round(100 * sum(stage.3) / sum(total_us), 2) AS percent,
    quantileExact(0.5)(stage.3) / 1000 AS p50_ms,
    quantileExact(0.9)(stage.3) / 1000 AS p90_ms,
    quantileExact(0.99)(stage.3) / 1000 AS p99_ms,
    max(stage.3) / 1000 AS slowest_ms
FROM
(
    SELECT
        venue,
        total_us,
        arrayJoin([
            ('accept', 1, accept_us),
            ('queue', 2, queue_us),
            ('throttle_wait', 3, throttle_wait_us),
            ('venue', 4, venue_us),
            ('fill', 5, fill_us),
            ('sink', 6, sink_us),
            ('total', 7, total_us)]) AS stage
    FROM order_stages(since = {since:DateTime64(6, 'UTC')}, until = {until:DateTime64(6, 'UTC')})
)
GROUP BY venue, stage.1, stage.2
ORDER BY venue, stage.2;
