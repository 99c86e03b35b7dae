-- What did users earn or lose by trading, by FIFO and by average cost?
--
-- Grain: one row a user and symbol with fills before until. realised_…: in the period, from since until before until;
-- position and open_cost_…: at its end. In the symbol's quote asset, exact. Fees in the quote or base asset are part of
-- what was paid and received, as the ledger books them; those in a third asset are the house's. What was sold before it
-- was bought (or came by a transfer) is a short position until it is bought: its open cost is negative, what it brought.
-- What is realised in part counts in proportion, rounded towards zero at the 18th decimal.
SELECT
    user_id,
    symbol,
    position,
    p.realised_fifo,
    p.realised_average,
    p.open_cost_fifo,
    p.open_cost_average
FROM realised_pnl(since = {since:DateTime64(6, 'UTC')}, until = {until:DateTime64(6, 'UTC')}) AS p
ORDER BY user_id, symbol;
