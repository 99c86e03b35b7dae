-- Did anything move at a venue in the last day that the ledger knows nothing of? No rows when all is well.
--
-- Grain: one row an asset of an account. unexplained: by how much more came in there, from the first look to the last,
-- than the ledger says (negative: went out): a deposit, a withdrawal, a trade that isn't booked. Most of it moved in the
-- minute or so before most_of_it_by. What is booked late comes and goes between two looks, and isn't here; nor is less
-- than the finest step in which venues show balances, or than what was booked within ten seconds of the first or last
-- look. One row a look: the view venue_balance_moves.
SELECT
    venue,
    account,
    asset,
    count() AS looks,
    sum(m.difference) AS unexplained,
    argMax(m.observed_at, abs(m.difference)) AS most_of_it_by,
    max(m.observed_at) AS last_look
FROM venue_balance_moves(since = now64(6, 'UTC') - INTERVAL 1 DAY, until = now64(6, 'UTC'), every_us = 1) AS m
GROUP BY venue, account, asset
HAVING abs(unexplained) > argMin(m.motion_before, m.observed_at) + argMax(m.motion_now, m.observed_at)
    + toDecimal256('0.00000001', 18)
ORDER BY venue, account, asset;
