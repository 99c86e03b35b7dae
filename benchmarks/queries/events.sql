-- Invented traffic, computed inside ClickHouse: the number of an order decides on all that it is and becomes.
--
-- Orders come at an even pace, {step_ns} apart from {start_us} on, at three venues in three symbols. Of a hundred, five
-- are rejected, 65 filled by two trades, 22 filled by one and then canceled, two end UNKNOWN, and six stay open. Rows
-- go through the same tables and materialized views as the sink's.

CREATE OR REPLACE VIEW invented_orders AS
SELECT
    number AS n,
    cityHash64(number) AS h,
    concat('user-', leftPad(toString(h % 10000), 5, '0')) AS user_id,
    toUInt32(cityHash64(user_id) % 8) AS place,
    concat('order-', toString(number)) AS order_id,
    concat('command-', toString(number)) AS command_id,
    toString(reinterpretAsUUID(unhex(concat(hex(number), hex(h))))) AS client_order_id,
    ['binance', 'coinbase', 'kraken'][1 + intDiv(h, 10000) % 3] AS venue,
    ['BTC-USD', 'ETH-USD', 'SOL-USD'][1 + intDiv(h, 30000) % 3] AS symbol,
    if(intDiv(h, 90000) % 2 = 0, 'BUY', 'SELL') AS side,
    if(intDiv(h, 180000) % 4 = 0, 'MARKET', 'LIMIT') AS order_type,
    intDiv(h, 720000) % 100 AS fate,
    multiplyDecimal(toDecimal128(2 + 2 * (intDiv(h, 72000000) % 50), 18), toDecimal128('0.001', 18), 18) AS quantity,
    toDecimal128(20000 + intDiv(h, 72000000) % 20000, 18) AS price,
    20000 + intDiv(h, 144000000) % 40000 + if(intDiv(h, 144000000) % 100 = 0, 400000, 0) AS call_us,
    intDiv(h, 144000000) % 3000 AS wait_us,
    {start_us:Int64} + intDiv(toInt64(number) * {step_ns:Int64}, 1000) AS us
FROM numbers({first:UInt64}, {count:UInt64});

CREATE OR REPLACE VIEW invented_events AS
SELECT
    *,
    arrayJoin(if(fate < 5, [1], if(fate < 92, [1, 2, 3, 4], if(fate < 94, [1, 2, 3], [1, 2])))) AS step,
    multiIf(
        fate < 5, 'COMMAND_REJECTED',
        step = 1, 'ORDER_ACCEPTED',
        step = 2, 'ORDER_OPENED',
        step = 3, if(fate < 92, 'ORDER_FILLED', 'OUTCOME_UNKNOWN'),
        fate < 70, 'ORDER_FILLED',
        'ORDER_CANCELED') AS kind,
    multiIf(
        fate < 5, '',
        step = 1, 'PENDING_SUBMISSION',
        step = 2, 'OPEN',
        step = 3, if(fate < 92, 'PARTIALLY_FILLED', 'UNKNOWN'),
        fate < 70, 'FILLED',
        'CANCELED') AS status,
    kind = 'ORDER_FILLED' AS is_fill,
    divideDecimal(quantity, toDecimal128(2, 18), 18) AS half,
    multiplyDecimal(half, toDecimal128(if(fate < 92 AND step > 2, if(fate < 70, step - 2, 1), 0), 18), 18) AS filled,
    multiplyDecimal(half, price, 18) AS fill_cost,
    multiplyDecimal(fill_cost, toDecimal128('0.001', 18), 18) AS fill_fee,
    concat(toString(n), '-', toString(step)) AS trade,
    us + [5000, 5000 + call_us, 900000, 2000000][step] AS event_us
FROM invented_orders(
    first = {first:UInt64}, count = {count:UInt64}, start_us = {start_us:Int64}, step_ns = {step_ns:Int64});

INSERT INTO order_commands
(
    command_id, user_id, issued_at, command, order_id, venue, symbol, side, order_type, quantity, price, time_in_force,
    _topic, _partition, _offset, _timestamp, _ingested_at
)
SELECT
    command_id, user_id, fromUnixTimestamp64Micro(us - 1500, 'UTC'), 'PlaceOrder', order_id, venue, symbol, side,
    order_type, quantity, price, 'GTC', 'order-commands', place, n, fromUnixTimestamp64Milli(intDiv(us, 1000), 'UTC'),
    fromUnixTimestamp64Micro(us + 1200000, 'UTC')
FROM invented_orders(
    first = {first:UInt64}, count = {count:UInt64}, start_us = {start_us:Int64}, step_ns = {step_ns:Int64});

INSERT INTO order_events
(
    user_id, source_topic, source_partition, source_offset, occurred_at, kind, answer, command_id, reason, order_id,
    client_order_id, sequence, status, evidence, venue, symbol, side, order_type, quantity, price, filled_quantity,
    leaves_quantity, filled_cost, trade_id, fill_quantity, fill_price, fee, fee_asset, liquidity,
    _topic, _partition, _offset, _timestamp, _ingested_at
)
SELECT
    user_id, if(step = 1, 'order-commands', 'venue-reports'), place, if(step = 1, n, 4 * n + step),
    fromUnixTimestamp64Micro(event_us, 'UTC'), kind, multiIf(step > 1, '', fate < 5, 'REJECTED', 'ACCEPTED'),
    if(step = 1, command_id, ''), multiIf(fate < 3, 'INSUFFICIENT_FUNDS', fate < 5, 'QUANTITY_OFF_LOT', ''), order_id,
    client_order_id, if(fate < 5, 0, step), status, if(step = 1, '', 'STREAM'), venue, symbol, side, order_type,
    quantity, price, filled, quantity - filled, multiplyDecimal(filled, price, 18), if(is_fill, trade, ''),
    if(is_fill, half, NULL), if(is_fill, price, NULL), if(is_fill, fill_fee, NULL), if(is_fill, 'USD', ''),
    multiIf(NOT is_fill, '', n % 3 = 0, 'MAKER', 'TAKER'),
    'order-events', place, 4 * n + step, fromUnixTimestamp64Milli(intDiv(event_us, 1000) + 20, 'UTC'),
    fromUnixTimestamp64Micro(event_us + 1200000, 'UTC')
FROM invented_events(
    first = {first:UInt64}, count = {count:UInt64}, start_us = {start_us:Int64}, step_ns = {step_ns:Int64});

INSERT INTO venue_requests
(
    request_id, client_order_id, user_id, order_id, venue, symbol, operation, sequence, side, order_type, quantity,
    requested_at, price, time_in_force, _topic, _partition, _offset, _timestamp, _ingested_at
)
SELECT
    concat('request-', toString(n)), client_order_id, user_id, order_id, venue, symbol, 'PLACE', 1, side, order_type,
    quantity, fromUnixTimestamp64Micro(us + 5000, 'UTC'), price, 'GTC', concat('venue-requests.', venue), place, n,
    fromUnixTimestamp64Milli(intDiv(us, 1000) + 25, 'UTC'), fromUnixTimestamp64Micro(us + 1200000, 'UTC')
FROM invented_orders(
    first = {first:UInt64}, count = {count:UInt64}, start_us = {start_us:Int64}, step_ns = {step_ns:Int64})
WHERE fate >= 5;

INSERT INTO venue_reports
(
    client_order_id, venue, symbol, kind, evidence, reported_at, request_id, operation, venue_order_id,
    cumulative_quantity, trade_id, fill_quantity, fill_price, fee, fee_asset, liquidity, transacted_at, requested_at,
    sent_at, received_at, throttle_wait_us, _topic, _partition, _offset, _timestamp, _ingested_at
)
SELECT
    client_order_id, venue, symbol,
    multiIf(is_fill, 'FILL', step = 2, 'ACKNOWLEDGED', step = 3, 'UNKNOWN', 'CANCELED'),
    if(step = 2, 'RESPONSE', 'STREAM'), fromUnixTimestamp64Micro(event_us - 1000, 'UTC'),
    if(step = 2, concat('request-', toString(n)), ''), if(step = 2, 'PLACE', ''), toString(h),
    if(is_fill, NULL, filled), if(is_fill, trade, ''), if(is_fill, half, NULL), if(is_fill, price, NULL),
    if(is_fill, fill_fee, NULL), if(is_fill, 'USD', ''), multiIf(NOT is_fill, '', n % 3 = 0, 'MAKER', 'TAKER'),
    fromUnixTimestamp64Micro(event_us - 9000, 'UTC'),
    if(step = 2, fromUnixTimestamp64Micro(us + 5000, 'UTC'), NULL),
    if(step = 2, fromUnixTimestamp64Micro(us + 6000 + wait_us, 'UTC'), NULL),
    if(step = 2, fromUnixTimestamp64Micro(us + 6000 + wait_us + call_us, 'UTC'), NULL),
    if(step = 2, toInt64(wait_us), NULL),
    'venue-reports', place, 4 * n + step, fromUnixTimestamp64Milli(intDiv(event_us, 1000), 'UTC'),
    fromUnixTimestamp64Micro(event_us + 1200000, 'UTC')
FROM invented_events(
    first = {first:UInt64}, count = {count:UInt64}, start_us = {start_us:Int64}, step_ns = {step_ns:Int64})
WHERE step > 1;

-- What is reserved stays reserved but for what is traded, so that two postings and five a fill are enough.
INSERT INTO ledger_entries
(
    user_id, source_topic, source_partition, source_offset, occurred_at, kind, reference, line, owner, account, asset,
    amount, order_id, venue, symbol, _topic, _partition, _offset, _timestamp, _ingested_at
)
SELECT
    user_id, if(step = 1, 'order-commands', 'venue-reports'), place, if(step = 1, n, 4 * n + step),
    fromUnixTimestamp64Micro(event_us, 'UTC'), if(step = 1, 'RESERVE', 'SETTLE'), if(step = 1, order_id, trade),
    posting.1, posting.2, posting.3, posting.4, posting.5, order_id, venue, symbol,
    'ledger-entries', place, 4 * n + step, fromUnixTimestamp64Milli(intDiv(event_us, 1000) + 20, 'UTC'),
    fromUnixTimestamp64Micro(event_us + 1200000, 'UTC')
FROM
(
    SELECT
        *,
        substringIndex(symbol, '-', 1) AS base,
        concat('user:', user_id) AS owner,
        if(side = 'BUY', half, -half) AS got,
        if(side = 'BUY', -fill_cost, fill_cost) AS paid,
        arrayJoin(if(
            step = 1,
            [
                (toUInt32(0), owner, 'AVAILABLE', 'USD', -fill_cost),
                (toUInt32(1), owner, 'RESERVED', 'USD', fill_cost)
            ],
            [
                (toUInt32(0), owner, 'AVAILABLE', base, got),
                (toUInt32(1), concat('clearing:', venue), 'AVAILABLE', base, -got),
                (toUInt32(2), owner, 'AVAILABLE', 'USD', paid - fill_fee),
                (toUInt32(3), concat('clearing:', venue), 'AVAILABLE', 'USD', -paid),
                (toUInt32(4), concat('fees:', venue), 'AVAILABLE', 'USD', fill_fee)
            ])) AS posting
    FROM invented_events(
        first = {first:UInt64}, count = {count:UInt64}, start_us = {start_us:Int64}, step_ns = {step_ns:Int64})
    WHERE (step = 1 AND fate >= 5) OR is_fill
);

-- A look at each symbol of each venue with every ninth order.
INSERT INTO quotes
(
    venue, symbol, bid, bid_quantity, ask, ask_quantity, observed_at, _topic, _partition, _offset, _timestamp,
    _ingested_at
)
SELECT
    looked_at.1, looked_at.2, price - 1, quantity, price + 1, quantity, fromUnixTimestamp64Micro(us, 'UTC'), 'quotes',
    0, 9 * n + looked_at.3, fromUnixTimestamp64Milli(intDiv(us, 1000), 'UTC'),
    fromUnixTimestamp64Micro(us + 1200000, 'UTC')
FROM
(
    SELECT
        *,
        arrayJoin(arrayMap(
            i -> (['binance', 'coinbase', 'kraken'][1 + i % 3], ['BTC-USD', 'ETH-USD', 'SOL-USD'][1 + intDiv(i, 3)], i),
            range(9))) AS looked_at
    FROM invented_orders(
        first = {first:UInt64}, count = {count:UInt64}, start_us = {start_us:Int64}, step_ns = {step_ns:Int64})
    WHERE n % 9 = 0
);

-- A look at each account's balances about once a minute; what they show has nothing to do with what is booked.
INSERT INTO venue_balances
(
    venue, account, asset, free, locked, observed_at, _topic, _partition, _offset, _timestamp, _ingested_at
)
SELECT
    looked_at.1, 'main', looked_at.2, 1000000, quantity, fromUnixTimestamp64Micro(us, 'UTC'), 'venue-balances', 0,
    12 * n + looked_at.3, fromUnixTimestamp64Milli(intDiv(us, 1000), 'UTC'),
    fromUnixTimestamp64Micro(us + 1200000, 'UTC')
FROM
(
    SELECT
        *,
        arrayJoin(arrayMap(
            i -> (['binance', 'coinbase', 'kraken'][1 + i % 3], ['USD', 'BTC', 'ETH', 'SOL'][1 + intDiv(i, 3)], i),
            range(12))) AS looked_at
    FROM invented_orders(
        first = {first:UInt64}, count = {count:UInt64}, start_us = {start_us:Int64}, step_ns = {step_ns:Int64})
    WHERE n % 83 = 0
);
