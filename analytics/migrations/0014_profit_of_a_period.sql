-- What trades realised in a period, from one reading of the fills; and what was in motion at a look, net again.

-- Realised profit: what a user received for what is sold, less what was paid for it, fees in both (base_moved,
-- quote_moved). Sold before it was bought is a short position, closed by later purchases; what came by a transfer
-- counts as that, for nobody knows what it cost. What the period realised is what is realised by its end, less what
-- was by its beginning.
--
-- FIFO: the n-th unit sold is the n-th unit bought, whichever came first. So all up to the lesser of the two totals is
-- realised; a lot that is realised in part counts in proportion, rounded towards zero.
--
-- Average cost: a trade that adds to the position adds its amount to its cost; one that reduces it realises the same
-- share of the cost as of the position, rounded towards zero. What is left over after crossing zero opens anew.
--
-- In units of the 18th decimal, for whole numbers are divided in a tenth of the time that Decimals take, and exactly:
-- what is stored has 38 digits, and a product of two of those fits. A trade is (occurred_at, _partition, _offset, what
-- it added to the position, what was given for that). The grouping at the end groups nothing: without it a query that
-- sorts would do that first and all arithmetic later, with everybody's trades in the rows that it sorts.
CREATE VIEW IF NOT EXISTS realised_pnl AS
SELECT
    user_id,
    symbol,
    reinterpret(any(p.held), 'Decimal256(18)') AS position,
    reinterpret(any(p.closed - p.closed_before), 'Decimal256(18)') AS closed,
    reinterpret(any(p.of_bought.2 - p.of_bought.3), 'Decimal256(18)') AS cost,
    reinterpret(any(p.of_sold.2 - p.of_sold.3), 'Decimal256(18)') AS proceeds,
    proceeds - cost AS realised_fifo,
    reinterpret(any(p.given - p.of_bought.2 + p.of_sold.2), 'Decimal256(18)') AS open_cost_fifo,
    reinterpret(any(p.book.3), 'Decimal256(18)') AS realised_average,
    reinterpret(any(p.book.2), 'Decimal256(18)') AS open_cost_average
FROM
(
    SELECT
        user_id,
        symbol,
        held,
        arraySum(trades.5) AS given,
        arrayFilter(trade -> trade.4 > 0, trades) AS bought,
        arrayMap(
            trade -> (trade.1, trade.2, trade.3, -trade.4, -trade.5),
            arrayFilter(trade -> trade.4 < 0, trades)) AS sold,
        least(arraySum(bought.4), arraySum(sold.4)) AS closed,
        least(
            arraySum(trade -> if(trade.1 < {since:DateTime64(6, 'UTC')}, trade.4, 0), bought),
            arraySum(trade -> if(trade.1 < {since:DateTime64(6, 'UTC')}, trade.4, 0), sold)) AS closed_before,
        -- How much there was, and for how much of the quote asset what is closed of it by the end, and by the beginning.
        arrayFold(
            (sums, lot) -> (
                toInt256(sums.1 + lot.4),
                toInt256(sums.2 + intDiv(lot.5 * greatest(0, least(lot.4, closed - sums.1)), lot.4)),
                toInt256(sums.3 + intDiv(lot.5 * greatest(0, least(lot.4, closed_before - sums.1)), lot.4))),
            bought,
            (toInt256(0), toInt256(0), toInt256(0))) AS of_bought,
        arrayFold(
            (sums, lot) -> (
                toInt256(sums.1 + lot.4),
                toInt256(sums.2 + intDiv(lot.5 * greatest(0, least(lot.4, closed - sums.1)), lot.4)),
                toInt256(sums.3 + intDiv(lot.5 * greatest(0, least(lot.4, closed_before - sums.1)), lot.4))),
            sold,
            (toInt256(0), toInt256(0), toInt256(0))) AS of_sold,
        -- The position, its cost, and what the period realised. closing: what of a trade closes, with the trade's sign.
        arrayFold(
            (book, trade) -> (
                toInt256(book.1 + trade.4),
                toInt256(
                    book.2 + trade.5 - (
                        intDiv(
                            trade.5 * (multiIf(
                                book.1 < 0 AND trade.4 > 0, least(trade.4, -book.1),
                                book.1 > 0 AND trade.4 < 0, greatest(trade.4, -book.1),
                                0) AS closing),
                            trade.4)
                        + intDiv(book.2 * closing, if(book.1 = 0, 1, -book.1)) AS relieved)),
                toInt256(book.3 - if(trade.1 >= {since:DateTime64(6, 'UTC')}, relieved, 0))),
            trades,
            (toInt256(0), toInt256(0), toInt256(0))) AS book
    FROM
    (
        SELECT
            user_id,
            symbol,
            sum(reinterpret(f.base_moved, 'Int256') * if(f.side = 'BUY', 1, -1)) AS held,
            arraySort(groupArrayIf(
                (
                    f.occurred_at,
                    f._partition,
                    f._offset,
                    reinterpret(f.base_moved, 'Int256') * if(f.side = 'BUY', 1, -1),
                    reinterpret(f.quote_moved, 'Int256') * if(f.side = 'BUY', 1, -1)
                ),
                f.base_moved > 0)) AS trades
        FROM fills AS f
        WHERE f.occurred_at < {until:DateTime64(6, 'UTC')}
        GROUP BY user_id, symbol
    )
) AS p
GROUP BY user_id, symbol
COMMENT 'Grain: one row a user and symbol with fills before until. In the quote asset, fees included; open_…: by until.';

DROP VIEW IF EXISTS realised_pnl_fifo;

DROP VIEW IF EXISTS realised_pnl_average;

-- From one look at a venue's balances to the next, what came in there must be what the ledger says came in. A trade is
-- done a little before it is booked, so what was booked within ten seconds of either look may be on either side. An
-- asset that a look doesn't name was not there. Of the looks in each stretch of every_us microseconds the last one
-- counts: 1 for all of them.
--
-- What is booked at one instant counts net, as a cost and its fee, or the two sides of one user's trade with another:
-- the venue's balance moves by no more than that.
--
-- Each posting is added to the first instant of interest that isn't before it (a look, and ten seconds before and after
-- one), and the sums are added up from instant to instant: postings, which are many, are read once and never sorted.
-- Those of one instant are brought together where that matters, near a look; near: between it and the instant before.
CREATE OR REPLACE VIEW venue_balance_moves AS
WITH
    instants AS
    (
        SELECT venue, account, observed_at, instant.1 AS place, instant.2 AS at
        FROM
        (
            SELECT venue, account, max(b.observed_at) AS observed_at
            FROM venue_balances AS b
            WHERE b.observed_at >= {since:DateTime64(6, 'UTC')} AND b.observed_at < {until:DateTime64(6, 'UTC')}
            GROUP BY venue, account, intDiv(toUnixTimestamp64Micro(b.observed_at), {every_us:UInt64})
        )
        ARRAY JOIN [
            ('before', observed_at - toIntervalMicrosecond(10000001)),
            ('by', observed_at),
            ('after', observed_at + INTERVAL 10 SECOND)] AS instant
    )
SELECT
    venue,
    account,
    asset,
    previous_at,
    observed_at,
    total,
    total - previous_total AS venue_moved,
    booked_until - previous_booked AS ledger_moved,
    venue_moved - ledger_moved AS difference,
    previous_motion AS motion_before,
    motion AS motion_now,
    motion_before + motion_now AS in_motion
FROM
(
    SELECT
        l.venue AS venue,
        l.account AS account,
        l.asset AS asset,
        l.observed_at AS observed_at,
        l.booked_until AS booked_until,
        l.motion AS motion,
        h.total AS total,
        lagInFrame(observed_at) OVER in_turn AS previous_at,
        lagInFrame(total) OVER in_turn AS previous_total,
        lagInFrame(booked_until) OVER in_turn AS previous_booked,
        lagInFrame(motion) OVER in_turn AS previous_motion,
        row_number() OVER in_turn AS number,
        max(l.volume OR h.named) OVER (PARTITION BY l.venue, l.account, l.asset) AS there
    FROM
    (
        SELECT
            venue,
            account,
            asset,
            look.2 AS observed_at,
            sumIf(r.amount_until, look.1 = 'by') AS booked_until,
            sumIf(r.volume_until, look.1 = 'after') - sumIf(r.volume_until, look.1 = 'before') AS motion,
            max(r.volume_until) > 0 AS volume
        FROM
        (
            SELECT
                i.venue AS venue,
                i.account AS account,
                i.asset AS asset,
                i.looks AS looks,
                sum(b.amount) OVER by_time AS amount_until,
                sum(b.volume) OVER by_time AS volume_until
            FROM
            (
                SELECT venue, account, asset, at, groupArray((place, observed_at)) AS looks
                FROM instants
                INNER JOIN
                (
                    SELECT substring(owner, position(owner, ':') + 1) AS venue, asset
                    FROM ledger_totals
                    WHERE startsWith(owner, 'clearing:') OR startsWith(owner, 'fees:')
                    UNION DISTINCT
                    SELECT venue, asset
                    FROM venue_balances
                    WHERE observed_at >= {since:DateTime64(6, 'UTC')} AND observed_at < {until:DateTime64(6, 'UTC')}
                ) AS a USING (venue)
                GROUP BY venue, account, asset, at
            ) AS i
            LEFT JOIN
            (
                SELECT venue, asset, at, -sum(moved) AS amount, sum(volume) AS volume
                FROM
                (
                    SELECT
                        p.venue AS venue,
                        p.asset AS asset,
                        n.at AS at,
                        sum(p.amount) AS moved,
                        if(n.near, abs(moved), sum(abs(p.amount))) AS volume
                    FROM
                    (
                        SELECT
                            substring(owner, position(owner, ':') + 1) AS venue,
                            asset,
                            occurred_at,
                            toDecimal256(l.amount, 18) AS amount
                        FROM ledger_entries AS l FINAL
                        WHERE (startsWith(owner, 'clearing:') OR startsWith(owner, 'fees:'))
                            AND occurred_at >= {since:DateTime64(6, 'UTC')} - INTERVAL 10 SECOND
                            AND occurred_at <= {until:DateTime64(6, 'UTC')} + INTERVAL 10 SECOND
                    ) AS p
                    ASOF INNER JOIN
                    (
                        SELECT venue, at, sum(opened) OVER earlier > 0 AS near
                        FROM
                        (
                            SELECT venue, at, countIf(place = 'before') - countIf(place = 'after') AS opened
                            FROM instants
                            GROUP BY venue, at
                        )
                        WINDOW earlier AS (
                            PARTITION BY venue ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                    ) AS n ON n.venue = p.venue AND p.occurred_at <= n.at
                    GROUP BY venue, asset, at, n.near, if(n.near, p.occurred_at, NULL)
                )
                GROUP BY venue, asset, at
            ) AS b ON b.venue = i.venue AND b.asset = i.asset AND b.at = i.at
            WINDOW by_time AS (
                PARTITION BY i.venue, i.account, i.asset ORDER BY i.at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        ) AS r
        ARRAY JOIN looks AS look
        GROUP BY venue, account, asset, observed_at
    ) AS l
    LEFT JOIN
    (
        SELECT
            venue,
            account,
            asset,
            observed_at,
            toDecimal256(free, 18) + toDecimal256(locked, 18) AS total,
            1 AS named
        FROM venue_balances
        WHERE observed_at >= {since:DateTime64(6, 'UTC')} AND observed_at < {until:DateTime64(6, 'UTC')}
        ORDER BY venue, account, asset, observed_at, _partition DESC, _offset DESC
        LIMIT 1 BY venue, account, asset, observed_at
    ) AS h ON h.venue = l.venue AND h.account = l.account AND h.asset = l.asset AND h.observed_at = l.observed_at
    WINDOW in_turn AS (
        PARTITION BY l.venue, l.account, l.asset ORDER BY l.observed_at
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE number > 1 AND there
COMMENT 'Grain: one row an asset of an account and look in the period, but the first look: what moved since the last one.';
