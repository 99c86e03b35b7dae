-- Is every fill booked once, with its quantity, cost and fee, and is nothing booked without a fill? No rows when all is
-- well.
--
-- What events and postings say is subtracted in some thousands of heaps first, each fill times a number drawn from its
-- name, so that errors can't make up for each other; only heaps of which something is left are looked at fill by fill.
WITH
    told AS
    (
        SELECT
            cityHash64(user_id, order_id, trade_id) AS fill,
            fill % 16384 AS heap,
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
            cityHash64(user_id, order_id, reference) AS fill,
            fill % 16384,
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
        WITH if(event = 1, 1, -1) * toInt64(bitShiftRight(fill, 32)) AS weight
        SELECT heap
        FROM told
        GROUP BY heap
        HAVING sum(event) != uniqExact(fill) OR sum(entry) != uniqExact(fill)
            OR sum(quantity * weight) != 0 OR sum(cost * weight) != 0 OR sum(fee_paid * weight) != 0
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
WHERE heap IN wrong
GROUP BY user_id, order_id, trade_id
HAVING events != 1 OR entries != 1 OR quantity != quantity_booked OR cost != cost_booked OR fee != fee_booked
ORDER BY user_id, order_id, trade_id
LIMIT 1000;
