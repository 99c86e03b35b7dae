-- Is every fill booked once, with its quantity, cost and fee, and is nothing booked without a fill? No rows when all is
-- well.
SELECT
    user_id,
    order_id,
    trade_id,
    sum(event) AS events,
    sum(entry) AS entries,
    sum(moved_in_event.1) AS quantity,
    sum(moved_in_ledger.1) AS quantity_booked,
    sum(moved_in_event.2) AS cost,
    sum(moved_in_ledger.2) AS cost_booked,
    sum(moved_in_event.3) AS fee,
    sum(moved_in_ledger.3) AS fee_booked
FROM
(
    SELECT
        user_id,
        order_id,
        trade_id,
        1 AS event,
        0 AS entry,
        if(side = 'BUY', -1, 1) AS direction,
        toDecimal256(assumeNotNull(fill_quantity), 18) AS filled,
        (
            direction * filled,
            -direction * toDecimal256(round(toDecimal256(assumeNotNull(fill_price), 18) * filled, 18), 18),
            toDecimal256(ifNull(fee, 0), 18)
        ) AS moved_in_event,
        (toDecimal256(0, 18), toDecimal256(0, 18), toDecimal256(0, 18)) AS moved_in_ledger
    FROM order_events FINAL
    WHERE kind = 'ORDER_FILLED'
    UNION ALL
    SELECT
        user_id,
        order_id,
        reference,
        0,
        line = 0,
        0,
        toDecimal256(amount, 18) AS moved,
        (toDecimal256(0, 18), toDecimal256(0, 18), toDecimal256(0, 18)),
        (
            if(startsWith(owner, 'clearing:') AND asset = substringIndex(symbol, '-', 1), moved, toDecimal256(0, 18)),
            if(startsWith(owner, 'clearing:') AND asset = substringIndex(symbol, '-', -1), moved, toDecimal256(0, 18)),
            if(startsWith(owner, 'fees:'), moved, toDecimal256(0, 18))
        )
    FROM ledger_entries FINAL
    WHERE kind = 'SETTLE'
)
GROUP BY user_id, order_id, trade_id
HAVING events != 1 OR entries != 1 OR quantity != quantity_booked OR cost != cost_booked OR fee != fee_booked
ORDER BY user_id, order_id, trade_id
LIMIT 1000;
