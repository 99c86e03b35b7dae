-- How much worse than the market at their arrival were orders filled?
--
-- Grain: one row a venue, symbol and side. Of orders accepted from since until before until: what their fills cost
-- beyond the middle of the last quote at or before acceptance. Positive slippage is a cost; money is in the quote asset.
-- Orders without a quote that is at most quote_age_s_max (60, say) old are counted as unknown, and are in no other
-- figure. Basis points are weighted by money. One row an order: the view slippage.
SELECT
    venue,
    symbol,
    side,
    count() AS orders,
    countIf(NOT known) AS unknown,
    sumIf(s.cost, known) AS cost,
    sumIf(s.slippage, known) AS slippage,
    if(known_cost > 0, divideDecimal(slippage * 10000, greatest(known_cost, toDecimal256('1e-18', 18)), 3), NULL)
        AS slippage_basis_points,
    quantileExactIf(0.5)(s.slippage_basis_points, known) AS median_basis_points,
    quantileExactIf(0.95)(s.slippage_basis_points, known) AS p95_basis_points,
    sumIf(s.arrival_cost, known) AS known_cost
FROM slippage(since = {since:DateTime64(6, 'UTC')}, until = {until:DateTime64(6, 'UTC')}, quote_age_s_max = {quote_age_s_max:UInt32}) AS s
GROUP BY venue, symbol, side
ORDER BY venue, symbol, side;
