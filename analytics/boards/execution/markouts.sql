-- Did prices go our way after the fills, by so many seconds (by volume; a gain is positive)?
SELECT
    venue,
    symbol,
    count() / 3 AS fills,
    sumIf(toFloat64(m.markout), m.horizon_s = 1) / sumIf(toFloat64(m.cost), m.known AND m.horizon_s = 1) * 10000
        AS after_1_second_basis_points,
    sumIf(toFloat64(m.markout), m.horizon_s = 10) / sumIf(toFloat64(m.cost), m.known AND m.horizon_s = 10) * 10000
        AS after_10_seconds_basis_points,
    sumIf(toFloat64(m.markout), m.horizon_s = 60) / sumIf(toFloat64(m.cost), m.known AND m.horizon_s = 60) * 10000
        AS after_a_minute_basis_points
FROM markouts(since = $__fromTime, until = $__toTime, quote_age_s_max = 60) AS m
GROUP BY venue, symbol
ORDER BY fills DESC, venue, symbol
LIMIT 50;
