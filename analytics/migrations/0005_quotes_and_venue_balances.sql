-- What venues showed of themselves: their best prices, and what they say they hold for us.
--
-- Both are observations, sampled by the gateways: what happened between two of them isn't here. As in all raw tables a
-- row's identity is where its record stood. Quotes are many and soon of no use: their parts are weeks, for whole parts
-- are dropped once all in them is five weeks old.

CREATE TABLE IF NOT EXISTS quotes
(
    venue LowCardinality(String),
    symbol LowCardinality(String),
    bid Decimal(38, 18) CODEC(ZSTD(1)) COMMENT 'the best price that somebody would pay; 0 if nobody would',
    bid_quantity Decimal(38, 18) CODEC(ZSTD(1)),
    ask Decimal(38, 18) CODEC(ZSTD(1)) COMMENT 'the best price that somebody would sell at; 0 if nobody would',
    ask_quantity Decimal(38, 18) CODEC(ZSTD(1)),
    observed_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(_timestamp)
ORDER BY (venue, symbol, observed_at, _partition, _offset)
TTL toDateTime(_timestamp) + INTERVAL 35 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a look at the best prices of a symbol. Sorted for the last look before an instant.';

CREATE TABLE IF NOT EXISTS venue_balances
(
    venue LowCardinality(String) COMMENT 'as in orders; clearing:<venue> and fees:<venue> are its accounts in the ledger',
    account LowCardinality(String),
    asset LowCardinality(String),
    free Decimal(38, 18) CODEC(ZSTD(1)),
    locked Decimal(38, 18) CODEC(ZSTD(1)) COMMENT 'held by the venue for open orders',
    observed_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (venue, account, asset, observed_at, _partition, _offset)
TTL toDateTime(_timestamp) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row an asset of an account in one look at a venue. Sorted for the history of an account.';

CREATE OR REPLACE VIEW stored_records AS
SELECT 'order_commands' AS table, _topic, _partition, _offset, toUInt32(0) AS line FROM order_commands
UNION ALL SELECT 'transfers', _topic, _partition, _offset, 0 FROM transfers
UNION ALL SELECT 'venue_requests', _topic, _partition, _offset, 0 FROM venue_requests
UNION ALL SELECT 'venue_reports', _topic, _partition, _offset, 0 FROM venue_reports
UNION ALL SELECT 'order_events', _topic, _partition, _offset, 0 FROM order_events
UNION ALL SELECT 'ledger_entries', _topic, _partition, _offset, line FROM ledger_entries
UNION ALL SELECT 'dead_letters', _topic, _partition, _offset, 0 FROM dead_letters
UNION ALL SELECT 'quotes', _topic, _partition, _offset, 0 FROM quotes
UNION ALL SELECT 'venue_balances', _topic, _partition, _offset, 0 FROM venue_balances
COMMENT 'Grain: one row a stored row of any raw table, by the coordinates of its record: no two are equal.';
