-- Fills by themselves: the part of the events that questions about trading and profit read, sorted for them.
--
-- Copied from the events as they are stored; a fill is booked once, so the identity of its event is its own. Of a row
-- that is stored again the first copy stays (_version), so that no answer changes with a repetition, not even how long
-- storing took. Unlike events, fills are kept for ever: today's profit depends on the first purchase.

CREATE TABLE IF NOT EXISTS fills_booked
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    occurred_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'when its report stood in Kafka, by the broker',
    user_id String CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    sequence Int32 CODEC(T64, ZSTD(1)) COMMENT 'of the event, among those of the order',
    trade_id String CODEC(ZSTD(1)) COMMENT 'unique within venue and symbol',
    side LowCardinality(String),
    order_type LowCardinality(String),
    price Decimal(38, 18) CODEC(ZSTD(1)),
    quantity Decimal(38, 18) CODEC(ZSTD(1)),
    fee Decimal(38, 18) CODEC(ZSTD(1)) COMMENT 'negative if it is a rebate',
    fee_asset LowCardinality(String),
    liquidity LowCardinality(String) COMMENT 'MAKER, TAKER, or empty where the venue does not say',
    report_partition Int32 COMMENT 'where its report stands in venue-reports',
    report_offset Int64 CODEC(ZSTD(1)),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    _version Int64 DEFAULT -toUnixTimestamp64Micro(_ingested_at) CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(_version)
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (venue, symbol, occurred_at, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Grain: one row a fill, after merges; read it through fills. Sorted for stretches of time of a symbol.';

CREATE MATERIALIZED VIEW IF NOT EXISTS fills_booked_mv_v1 TO fills_booked AS
SELECT
    venue,
    symbol,
    occurred_at,
    user_id,
    order_id,
    sequence,
    trade_id,
    side,
    order_type,
    assumeNotNull(fill_price) AS price,
    assumeNotNull(fill_quantity) AS quantity,
    ifNull(e.fee, 0) AS fee,
    fee_asset,
    liquidity,
    source_partition AS report_partition,
    source_offset AS report_offset,
    _partition,
    _offset,
    _timestamp,
    _ingested_at
FROM order_events AS e
WHERE kind = 'ORDER_FILLED';

INSERT INTO fills_booked
(
    venue, symbol, occurred_at, user_id, order_id, sequence, trade_id, side, order_type, price, quantity, fee,
    fee_asset, liquidity, report_partition, report_offset, _partition, _offset, _timestamp, _ingested_at
)
SELECT
    venue, symbol, occurred_at, user_id, order_id, sequence, trade_id, side, order_type, assumeNotNull(fill_price),
    assumeNotNull(fill_quantity), ifNull(fee, 0), fee_asset, liquidity, source_partition, source_offset, _partition,
    _offset, _timestamp, _ingested_at
FROM order_events
WHERE kind = 'ORDER_FILLED';

-- The cost is rounded as the ledger does it: half away from zero, to 18 decimals. What a user's account gained and gave
-- follows the ledger, too: a fee in either asset of the symbol is the user's, one in a third asset is the house's.
CREATE VIEW IF NOT EXISTS fills AS
SELECT
    * EXCEPT (_version),
    substringIndex(symbol, '-', 1) AS base,
    substringIndex(symbol, '-', -1) AS quote,
    toDecimal256(round(toDecimal256(price, 18) * toDecimal256(quantity, 18), 18), 18) AS cost,
    toDecimal256(quantity, 18) - if(fee_asset = base, toDecimal256(fee, 18) * if(side = 'BUY', 1, -1), 0)
        AS base_moved,
    cost + if(fee_asset = quote, toDecimal256(fee, 18) * if(side = 'BUY', 1, -1), 0) AS quote_moved
FROM fills_booked FINAL
COMMENT 'Grain: one row a fill. base_moved, quote_moved: what the user got and gave (or gave and got), fees included.';
