-- Is every fill booked once, with its quantity, cost and fee, and is nothing booked without a fill? No rows when all is
-- well.
--
-- What events and postings say is subtracted fill by fill first; only fills of which something is left are looked at.
WITH
    told AS
    (
        SELECT
            sipHash128(user_id, order_id, trade_id) AS fill,
            user_id,
            order_id,
            trade_id,
            1 AS event,
            0 AS entry,
            if(side = 'BUY', -1, 1) AS direction,
            direction * toDecimal256(assumeNotNull(fill_quantity), 18) AS quantity,
            -direction * toDecimal256(round(
                toDecimal256(assumeNotNull(fill_price), 18) * toDecimal256(assumeNotNull(fill_quantity), 18), 18), 18)
                AS cost,
            toDecimal256(ifNull(fee, 0), 18) AS fee_paid
        FROM order_events FINAL
        WHERE kind = 'ORDER_FILLED'
        UNION ALL
        SELECT
            sipHash128(user_id, order_id, reference),
            user_id,
            order_id,
            reference,
            0,
            line = 0,
            0,
            toDecimal256(if(startsWith(owner, 'clearing:') AND asset = substringIndex(symbol, '-', 1), amount, 0), 18),
            toDecimal256(if(startsWith(owner, 'clearing:') AND asset = substringIndex(symbol, '-', -1), amount, 0), 18),
            toDecimal256(if(startsWith(owner, 'fees:'), amount, 0), 18)
        FROM ledger_entries FINAL
        WHERE kind = 'SETTLE'
    ),
    wrong AS
    (
        SELECT fill
        FROM told
        GROUP BY fill
        HAVING sum(event) != 1 OR sum(entry) != 1 OR sum(if(event = 1, quantity, -quantity)) != 0
            OR sum(if(event = 1, cost, -cost)) != 0 OR sum(if(event = 1, fee_paid, -fee_paid)) != 0
    )
SELECT
    user_id,
    order_id,
    trade_id,
    sum(event) AS events,
    sum(entry) AS entries,
    sumIf(t.quantity, event = 1) AS quantity,
    sumIf(t.quantity, event = 0) AS quantity_booked,
    sumIf(t.cost, event = 1) AS cost,
    sumIf(t.cost, event = 0) AS cost_booked,
    sumIf(t.fee_paid, event = 1) AS fee,
    sumIf(t.fee_paid, event = 0) AS fee_booked
FROM told AS t
WHERE fill IN wrong
GROUP BY user_id, order_id, trade_id
ORDER BY user_id, order_id, trade_id
LIMIT 1000;
