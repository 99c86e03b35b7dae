-- From one look at a venue's balances to the next: did as much come in there as the ledger says?
--
-- The last look of each interval counts.
SELECT
    venue,
    account,
    asset,
    count() AS looks,
    countIf(abs(m.difference) > m.in_motion) AS looks_that_differ,
    sum(m.venue_moved) AS moved_there,
    sum(m.ledger_moved) AS moved_here,
    moved_there - moved_here AS difference
FROM venue_balance_moves(since = $__fromTime, until = $__toTime, every_us = $__interval_s * 1000000) AS m
GROUP BY venue, account, asset
ORDER BY looks_that_differ DESC, venue, account, asset
LIMIT 100;
