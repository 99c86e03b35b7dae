-- Balances: the sums of postings.
--
-- A sum, unlike a maximum, counts a repeated row twice. The view below therefore adds up the postings themselves, each
-- once (FINAL); the totals are kept by a materialized view, exact while inserts carry their tokens, and an audit
-- compares the two. Sums are Decimal(76, 18): 38 digits can overflow, 76 can't.

CREATE TABLE IF NOT EXISTS ledger_totals
(
    owner String CODEC(ZSTD(1)),
    asset LowCardinality(String),
    account LowCardinality(String),
    amount Decimal(76, 18) CODEC(ZSTD(1)),
    postings UInt64
)
ENGINE = SummingMergeTree
ORDER BY (owner, asset, account)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Grain: one row an account, after merges; sum(amount), sum(postings). Exact while inserts carry their tokens.';

CREATE MATERIALIZED VIEW IF NOT EXISTS ledger_totals_mv_v1 TO ledger_totals AS
SELECT owner, asset, account, sum(toDecimal256(l.amount, 18)) AS amount, count() AS postings
FROM ledger_entries AS l
GROUP BY owner, asset, account;

CREATE VIEW IF NOT EXISTS balances AS
SELECT
    owner,
    asset,
    sumIf(toDecimal256(amount, 18), account = 'AVAILABLE') AS available,
    sumIf(toDecimal256(amount, 18), account = 'RESERVED') AS reserved,
    available + reserved AS total,
    count() AS postings,
    max(occurred_at) AS updated_at
FROM ledger_entries FINAL
GROUP BY owner, asset
COMMENT 'Grain: one row an owner and asset; exact, and the same however often a posting was stored.';
