-- What had users bought and sold of each symbol by an instant?
--
-- Grain: one row a user and symbol with fills by then. position is what was bought less what was sold, in the base
-- asset; paid and received are in the quote asset; all of it with the fees in that asset, as in the ledger. Trades
-- alone: for what users own, transfers included, see balances_at.sql.
SELECT *
FROM positions_at(instant = {instant:DateTime64(6, 'UTC')})
ORDER BY user_id, symbol;
