-- What every topic held, record for record: one table a message, columns field for field as in domain/messages.py.
--
-- All raw tables have in common:
-- · A row's identity is where its record stood: _topic, _partition, _offset (and line, for postings). It ends every
--   sort key, so that ReplacingMergeTree drops what was stored twice, and nothing else.
-- · _timestamp is the time of the record in Kafka: the broker's own for inputs. Months and TTLs follow from it, not
--   from a time that a stranger wrote into a message, so a row always meets its repetition in the same month.
-- · Amounts are exact, and NULL where the message has none; texts are '' and flags 0 where it has none.
-- · The window remembers the tokens of the last 10,000 inserts: a repeated insert is dropped as a whole.
-- · Timestamps rise, so their differences compress; 128-bit decimals take ZSTD alone (Delta knows at most 8 bytes).

CREATE TABLE IF NOT EXISTS order_commands
(
    command_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    issued_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'as the sender says',
    expires_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    command LowCardinality(String) COMMENT 'PlaceOrder, CancelOrder, CancelAllOrders, PauseOrder …',
    order_id String CODEC(ZSTD(1)),
    venue LowCardinality(String),
    symbol LowCardinality(String),
    side LowCardinality(String),
    order_type LowCardinality(String),
    quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    stop_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    max_cost Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    time_in_force LowCardinality(String),
    good_till Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    post_only Bool,
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_order_id order_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (user_id, _timestamp, _partition, _offset)
TTL toDateTime(_timestamp) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a command that upstream sent, valid or not. Sorted for the history of a user.';

CREATE TABLE IF NOT EXISTS transfers
(
    transfer_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    asset LowCardinality(String),
    direction LowCardinality(String) COMMENT 'CREDIT or DEBIT',
    amount Decimal(38, 18) CODEC(ZSTD(1)),
    issued_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (user_id, asset, _timestamp, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Grain: one row a transfer that the treasury ordered, booked or not. Kept for ever.';

CREATE TABLE IF NOT EXISTS venue_requests
(
    request_id String CODEC(ZSTD(1)),
    client_order_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    venue LowCardinality(String),
    symbol LowCardinality(String),
    operation LowCardinality(String) COMMENT 'PLACE, CANCEL, QUERY',
    sequence Int32 CODEC(T64, ZSTD(1)),
    side LowCardinality(String),
    order_type LowCardinality(String),
    quantity Decimal(38, 18) CODEC(ZSTD(1)),
    requested_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    stop_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    time_in_force LowCardinality(String),
    post_only Bool,
    expires_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_order_id order_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_client_order_id client_order_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (venue, _timestamp, _topic, _partition, _offset)
TTL toDateTime(_timestamp) + INTERVAL 180 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a request to a venue. Sorted for stretches of time at a venue.';

CREATE TABLE IF NOT EXISTS venue_reports
(
    client_order_id String CODEC(ZSTD(1)),
    venue LowCardinality(String),
    symbol LowCardinality(String),
    kind LowCardinality(String),
    evidence LowCardinality(String) COMMENT 'RESPONSE, STREAM, QUERY, POLL, GATEWAY',
    reported_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    request_id String CODEC(ZSTD(1)) COMMENT 'of the request it answers',
    operation LowCardinality(String),
    venue_order_id String CODEC(ZSTD(1)),
    cumulative_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    trade_id String CODEC(ZSTD(1)),
    fill_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    fill_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    fee Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    fee_asset LowCardinality(String),
    liquidity LowCardinality(String),
    reason LowCardinality(String),
    transacted_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)) COMMENT 'by the clock of the venue',
    requested_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    sent_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    received_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    throttle_wait_us Nullable(Int64) CODEC(ZSTD(1)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_client_order_id client_order_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_trade_id trade_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (venue, _timestamp, _partition, _offset)
TTL toDateTime(_timestamp) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a report of a gateway, repeated reports of the same fact included.';

CREATE TABLE IF NOT EXISTS order_events
(
    user_id String CODEC(ZSTD(1)),
    source_topic LowCardinality(String),
    source_partition Int32,
    source_offset Int64 CODEC(ZSTD(1)),
    `index` Int32 CODEC(ZSTD(1)),
    occurred_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String),
    answer LowCardinality(String) COMMENT 'ACCEPTED, REJECTED, DUPLICATE in the one event that answers a command',
    command_id String CODEC(ZSTD(1)),
    reason LowCardinality(String),
    first_answer LowCardinality(String),
    first_reason LowCardinality(String),
    first_offset Nullable(Int64) CODEC(ZSTD(1)),
    affected Nullable(Int32) CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    client_order_id String CODEC(ZSTD(1)),
    sequence Int32 CODEC(T64, ZSTD(1)) COMMENT 'counts the events of an order from 1; 0 where there is no order',
    status LowCardinality(String),
    evidence LowCardinality(String),
    venue LowCardinality(String),
    venue_order_id String CODEC(ZSTD(1)),
    symbol LowCardinality(String),
    side LowCardinality(String),
    order_type LowCardinality(String),
    quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    filled_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    leaves_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    filled_cost Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    trade_id String CODEC(ZSTD(1)),
    fill_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    fill_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    fee Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    fee_asset LowCardinality(String),
    liquidity LowCardinality(String),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_order_id order_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_time _timestamp TYPE minmax GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (user_id, order_id, sequence, _partition, _offset)
TTL toDateTime(_timestamp) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a decision. Sorted for the life of an order.';

CREATE TABLE IF NOT EXISTS ledger_entries
(
    user_id String CODEC(ZSTD(1)) COMMENT 'whose order or transfer caused the entry',
    source_topic LowCardinality(String),
    source_partition Int32,
    source_offset Int64 CODEC(ZSTD(1)),
    `index` Int32 CODEC(ZSTD(1)),
    occurred_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'CREDIT, DEBIT, RESERVE, SETTLE, RELEASE',
    reference String CODEC(ZSTD(1)) COMMENT 'the transfer, command or trade behind it',
    line UInt32 CODEC(ZSTD(1)) COMMENT 'counts the postings of an entry from 0',
    owner String CODEC(ZSTD(1)) COMMENT 'user:<user_id>, clearing:<venue>, fees:<venue>, treasury',
    account LowCardinality(String) COMMENT 'AVAILABLE or RESERVED',
    asset LowCardinality(String),
    amount Decimal(38, 18) CODEC(ZSTD(1)) COMMENT 'into the account, or (negative) out of it',
    order_id String CODEC(ZSTD(1)),
    venue LowCardinality(String),
    symbol LowCardinality(String),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_order_id order_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_reference reference TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (owner, asset, account, _partition, _offset, line)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Grain: one row a posting; those of one _partition and _offset are one entry. Kept for ever.';

CREATE TABLE IF NOT EXISTS dead_letters
(
    source_topic LowCardinality(String),
    source_partition Int32,
    source_offset Int64,
    source_timestamp DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    stage LowCardinality(String) COMMENT 'who could not take it; sink: it is in no other table',
    reason LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    occurred_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    key Nullable(String) CODEC(ZSTD(1)),
    value Nullable(String) CODEC(ZSTD(3)) COMMENT 'the bytes as they came',
    _topic LowCardinality(String) COMMENT 'dead-letters, or, of the stage sink, the topic of the record itself',
    _partition UInt32,
    _offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (source_topic, source_partition, source_offset, _topic, _partition, _offset)
TTL toDateTime(_timestamp) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a record that somebody could not take.';

CREATE VIEW IF NOT EXISTS stored_records AS
SELECT 'order_commands' AS table, _topic, _partition, _offset, toUInt32(0) AS line FROM order_commands
UNION ALL SELECT 'transfers', _topic, _partition, _offset, 0 FROM transfers
UNION ALL SELECT 'venue_requests', _topic, _partition, _offset, 0 FROM venue_requests
UNION ALL SELECT 'venue_reports', _topic, _partition, _offset, 0 FROM venue_reports
UNION ALL SELECT 'order_events', _topic, _partition, _offset, 0 FROM order_events
UNION ALL SELECT 'ledger_entries', _topic, _partition, _offset, line FROM ledger_entries
UNION ALL SELECT 'dead_letters', _topic, _partition, _offset, 0 FROM dead_letters
COMMENT 'Grain: one row a stored row of any raw table, by the coordinates of its record: no two are equal.';
