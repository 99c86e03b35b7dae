-- Where did the price go in the 1, 10 and 60 seconds after fills?
--
-- Grain: one row a venue, symbol, liquidity and horizon. Of fills booked from since until before until: how much more
-- (bought) or less (sold) what was traded is worth at the middle of the last quote at or before the horizon. Positive is
-- a gain, in the quote asset; steadily negative: the price runs away from us, or others know more. Unknown where that
-- quote is older than quote_age_s_max (5, say), or quotes don't reach so far yet. One row a fill: the view markouts.
SELECT
    venue,
    symbol,
    liquidity,
    horizon_s,
    count() AS fills,
    countIf(NOT known) AS unknown,
    sumIf(m.cost, known) AS cost,
    sumIf(m.markout, known) AS markout,
    if(cost > 0, divideDecimal(markout * 10000, greatest(cost, toDecimal256('1e-18', 18)), 3), NULL)
        AS markout_basis_points
FROM markouts(since = {since:DateTime64(6, 'UTC')}, until = {until:DateTime64(6, 'UTC')}, quote_age_s_max = {quote_age_s_max:UInt32}) AS m
GROUP BY venue, symbol, liquidity, horizon_s
ORDER BY venue, symbol, liquidity, horizon_s;
