-- What did trading cost, by venue and asset of the fee, and which share of the volume was maker?
--
-- Grain: one row a venue, quote asset and asset of the fee, of fills booked from since until before until. Volume is in
-- the quote asset, fees are in their own (negative: a rebate); basis points of the volume only where the two are one. A
-- fill of which the venue doesn't say whether it was maker counts as not.
SELECT
    venue,
    quote,
    fee_asset,
    count() AS fills,
    sum(f.cost) AS volume,
    sum(toDecimal256(f.fee, 18)) AS fees,
    if(fee_asset = quote, divideDecimal(fees * 10000, volume, 3), NULL) AS fee_basis_points,
    divideDecimal(sumIf(f.cost, liquidity = 'MAKER'), volume, 3) AS maker_share
FROM fills AS f
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
GROUP BY venue, quote, fee_asset
ORDER BY volume DESC, venue, quote, fee_asset;
