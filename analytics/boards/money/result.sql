-- What did the trades of this time bring, with what they left valued at the last price (the middle, in the quote asset)?
--
-- From the roll-up by minute: fees in either asset of the symbol are part of it, those in a third one aren't. Of a symbol
-- without a price in the last hour nobody knows.
SELECT
    f.venue AS venue,
    f.symbol AS symbol,
    sumIf(f.quantity, f.side = 'BUY') AS bought,
    sumIf(f.quantity, f.side = 'SELL') AS sold,
    bought - sold - sumIf(f.fee, f.fee_asset = substringIndex(f.symbol, '-', 1)) AS left,
    sumIf(f.cost, f.side = 'SELL') - sumIf(f.cost, f.side = 'BUY')
        - sumIf(f.fee, f.fee_asset = substringIndex(f.symbol, '-', -1)) AS earned,
    any(q.twice_the_price) / 2 AS last_price,
    toDecimal256(round(left * any(q.twice_the_price) / 2, 18), 18) AS left_is_worth,
    earned + left_is_worth AS result
FROM fills_1m AS f
LEFT ANY JOIN
(
    SELECT venue, symbol, argMax(twice_the_middle, observed_at) AS twice_the_price
    FROM quotes_seen
    WHERE observed_at > $__toTime - INTERVAL 1 HOUR AND observed_at <= $__toTime
    GROUP BY venue, symbol
) AS q ON q.venue = f.venue AND q.symbol = f.symbol
WHERE $__timeFilter(minute)
GROUP BY venue, symbol
ORDER BY venue, symbol
LIMIT 50;
