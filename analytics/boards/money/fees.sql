-- What did trading cost, by venue and asset of the fee, and which share of the volume was maker?
SELECT
    venue,
    substringIndex(symbol, '-', -1) AS quote,
    fee_asset,
    sum(f.fills) AS fills,
    sum(f.cost) AS volume,
    sum(f.fee) AS fees,
    if(fee_asset = quote, round(toFloat64(fees) / toFloat64(volume) * 10000, 2), NULL) AS fee_basis_points,
    round(100 * toFloat64(sumIf(f.cost, f.liquidity = 'MAKER')) / toFloat64(volume), 1) AS maker_percent
FROM fills_1m AS f
WHERE $__timeFilter(minute)
GROUP BY venue, quote, fee_asset
ORDER BY volume DESC, venue, quote, fee_asset
LIMIT 50;
