-- What did users earn or lose by trading, by FIFO and by average cost?
--
-- Grain: one row a user and symbol with fills before until. realised_…: in the period, from since until before until;
-- position and open_cost_…: at its end. In the symbol's quote asset, exact. Fees in the quote or base asset are part of
-- what was paid and received, as the ledger books them; those in a third asset are the house's. What was sold before it
-- was bought (or came by a transfer) is a short position until it is bought: its open cost is negative, what it brought.
-- What is realised in part counts in proportion, rounded towards zero at the 18th decimal.
WITH
    {since:DateTime64(6, 'UTC')} - INTERVAL 1 MICROSECOND AS before,
    {until:DateTime64(6, 'UTC')} - INTERVAL 1 MICROSECOND AS end
SELECT
    p.user_id AS user_id,
    p.symbol AS symbol,
    p.position AS position,
    fifo.realised - fifo_before.realised AS realised_fifo,
    average.realised - average_before.realised AS realised_average,
    fifo.open_cost AS open_cost_fifo,
    average.open_cost AS open_cost_average
FROM positions_at(instant = end) AS p
LEFT JOIN realised_pnl_fifo(instant = end) AS fifo ON fifo.user_id = p.user_id AND fifo.symbol = p.symbol
LEFT JOIN realised_pnl_average(instant = end) AS average ON average.user_id = p.user_id AND average.symbol = p.symbol
LEFT JOIN realised_pnl_fifo(instant = before) AS fifo_before
    ON fifo_before.user_id = p.user_id AND fifo_before.symbol = p.symbol
LEFT JOIN realised_pnl_average(instant = before) AS average_before
    ON average_before.user_id = p.user_id AND average_before.symbol = p.symbol
ORDER BY user_id, symbol;
