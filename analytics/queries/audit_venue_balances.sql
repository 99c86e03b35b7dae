-- Did anything move at a venue in the last day that the ledger knows nothing of? No rows when all is well.
--
-- Grain: one row an asset of an account and pair of looks whose difference is more than the finest step in which venues
-- show balances and all that was booked within ten seconds of the looks. A positive difference came in there: a deposit,
-- or a purchase that isn't booked. The time is between previous_at and observed_at.
SELECT *
FROM venue_balance_moves(
    since = now64(6, 'UTC') - INTERVAL 1 DAY,
    until = now64(6, 'UTC'))
WHERE abs(difference) > in_motion + toDecimal256('0.00000001', 18)
ORDER BY observed_at, venue, account, asset;
