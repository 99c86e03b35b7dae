-- Is every fill booked once, with its quantity, cost and fee, and is nothing booked without a fill? No rows when all is
-- well.
WITH
    fills AS
    (
        SELECT
            user_id,
            order_id,
            trade_id,
            if(any(side) = 'BUY', -1, 1) AS direction,
            direction * sum(toDecimal256(assumeNotNull(fill_quantity), 18)) AS quantity,
            -direction * sum(toDecimal256(round(
                toDecimal256(assumeNotNull(fill_price), 18) * toDecimal256(assumeNotNull(fill_quantity), 18), 18), 18))
                AS cost,
            sum(toDecimal256(ifNull(fee, 0), 18)) AS fee,
            count() AS events
        FROM order_events FINAL
        WHERE kind = 'ORDER_FILLED'
        GROUP BY user_id, order_id, trade_id
    ),
    booked AS
    (
        SELECT
            user_id,
            order_id,
            reference AS trade_id,
            sumIf(toDecimal256(amount, 18),
                owner LIKE 'clearing:%' AND asset = substringIndex(symbol, '-', 1)) AS quantity,
            sumIf(toDecimal256(amount, 18),
                owner LIKE 'clearing:%' AND asset = substringIndex(symbol, '-', -1)) AS cost,
            sumIf(toDecimal256(amount, 18), owner LIKE 'fees:%') AS fee,
            uniqExact(_partition, _offset) AS entries
        FROM ledger_entries FINAL
        WHERE kind = 'SETTLE'
        GROUP BY user_id, order_id, trade_id
    )
SELECT
    user_id,
    order_id,
    trade_id,
    fills.events AS events,
    booked.entries AS entries,
    fills.quantity AS quantity,
    booked.quantity AS quantity_booked,
    fills.cost AS cost,
    booked.cost AS cost_booked,
    fills.fee AS fee,
    booked.fee AS fee_booked
FROM fills
FULL OUTER JOIN booked USING (user_id, order_id, trade_id)
WHERE events != 1 OR entries != 1 OR quantity != quantity_booked OR cost != cost_booked OR fee != fee_booked
ORDER BY user_id, order_id, trade_id;
