-- What did trading cost in the last day, by venue and asset of the fee, and which share of the volume was maker?
SELECT
    venue,
    substringIndex(symbol, '-', -1) AS quote,
    fee_asset,
    count() AS fills,
    sum(cost) AS volume,
    sum(toDecimal256(ifNull(fee, 0), 18)) AS fees,
    if(fee_asset = quote, round(toFloat64(fees) / toFloat64(volume) * 10000, 3), NULL) AS fee_basis_points,
    round(toFloat64(sumIf(cost, liquidity = 'MAKER')) / toFloat64(volume), 3) AS maker_share
FROM
(
    SELECT
        venue,
        symbol,
        fee,
        fee_asset,
        liquidity,
        toDecimal256(multiplyDecimal(assumeNotNull(fill_price), assumeNotNull(fill_quantity), 18), 18) AS cost
    FROM order_events FINAL
    WHERE kind = 'ORDER_FILLED' AND _timestamp >= now() - INTERVAL 1 DAY
)
GROUP BY venue, quote, fee_asset
ORDER BY volume DESC, venue, quote, fee_asset;
