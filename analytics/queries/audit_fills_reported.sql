-- Is every trade that a venue reported in an event? No rows when all is well. (One of the last seconds may be on its
-- way.)
SELECT DISTINCT
    r.venue AS venue,
    r.symbol AS symbol,
    r.trade_id AS trade_id,
    r.client_order_id AS client_order_id,
    r._partition AS report_partition,
    r._offset AS report_offset
FROM venue_reports AS r
LEFT ANTI JOIN
(
    SELECT venue, symbol, trade_id
    FROM order_events
    WHERE kind = 'ORDER_FILLED'
) AS e ON r.venue = e.venue AND r.symbol = e.symbol AND r.trade_id = e.trade_id
WHERE r.kind = 'FILL'
ORDER BY report_partition, report_offset;
