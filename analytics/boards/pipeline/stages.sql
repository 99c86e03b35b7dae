-- Where does an order's time go on its way to its first fill's row here, on average? Stages add up to the whole.
SELECT stage.1 AS name, stage.2 / 1000 AS value
FROM
(
    SELECT
        [
            ('accepted', avg(accept_us)),
            ('queued', avg(queue_us)),
            ('waiting for limits', avg(throttle_wait_us)),
            ('at the venue', avg(venue_us)),
            ('filled and booked', avg(fill_us)),
            ('stored', avg(sink_us))
        ] AS stages
    FROM order_stages(since = $__fromTime, until = $__toTime)
    HAVING count() > 0
)
ARRAY JOIN stages AS stage;
