"""The four boards: pipeline health, venue health, execution quality, money."""

from typing import Final

from analytics.boards.panels import Board, Kind, LivePanel, StoredPanel, Unit

PIPELINE: Final = Board(
    "pipeline",
    "Pipeline health",
    "Are commands answered, is everything stored, and how late?",
    (
        StoredPanel(
            title="At a glance",
            file="pipeline/figures.sql",
            kind=Kind.FIGURES,
            harmless_to={"dead_letters": 0, "answered_within_p99_ms": 1_000, "stored_after_p99_s": 5},
        ),
        StoredPanel(title="Commands answered", file="pipeline/answers.sql", kind=Kind.COLUMNS),
        StoredPanel(
            title="Time to an answer", file="pipeline/answer_latency.sql", kind=Kind.LINES, unit=Unit.MILLISECONDS
        ),
        StoredPanel(title="Freshness", file="pipeline/freshness.sql", kind=Kind.LINES, unit=Unit.SECONDS),
        StoredPanel(
            title="Where time goes",
            file="pipeline/stages.sql",
            kind=Kind.BARS,
            unit=Unit.MILLISECONDS,
            last_hours=24,
        ),
        StoredPanel(title="Stored", file="pipeline/stored.sql", kind=Kind.TABLE),
        StoredPanel(title="Dead letters", file="pipeline/dead_letters.sql", kind=Kind.TABLE),
        LivePanel(
            title="Error budgets",
            question="How many times as fast as allowed is a month's budget of errors used, in the last hour?",
            kind=Kind.LINES,
            expressions={"{{slo}}": "max by (slo) (slo:burn_rate:1h)"},
        ),
        LivePanel(
            title="Lag, in seconds",
            question="How old is the first record that a group has not taken?",
            kind=Kind.LINES,
            unit=Unit.SECONDS,
            expressions={"{{group}} {{topic}}": "max by (group, topic) (fillstream_lag_seconds)"},
        ),
        LivePanel(
            title="Lag, in records",
            question="How many records has a group yet to take?",
            kind=Kind.LINES,
            expressions={"{{group}} {{topic}}": "sum by (group, topic) (fillstream_lag_records)"},
        ),
        LivePanel(
            title="Partitions by state",
            question="Which partitions are not read as they should be?",
            kind=Kind.COLUMNS,
            expressions={"{{group}} {{state}}": 'sum by (group, state) (fillstream_lag_state{state!="OK"})'},
        ),
        LivePanel(
            title="Until drained",
            question="How long until the backlog is gone, at what the throttle allows?",
            kind=Kind.LINES,
            unit=Unit.SECONDS,
            expressions={"{{group}} {{topic}}": "max by (group, topic) (fillstream_drain_seconds)"},
        ),
        LivePanel(
            title="Canaries",
            question="How long does a command that the probe sends take to its answer, and to its row?",
            kind=Kind.LINES,
            unit=Unit.SECONDS,
            expressions={
                "answered, p99": "histogram_quantile(0.99, sum by (le) "
                "(rate(fillstream_canary_answer_seconds_bucket[$__rate_interval])))",
                "stored, p99": "histogram_quantile(0.99, sum by (le) "
                "(rate(fillstream_canary_stored_seconds_bucket[$__rate_interval])))",
                "the oldest": "max(fillstream_canary_age_seconds)",
            },
        ),
        LivePanel(
            title="Decided",
            question="How many records a second do workers take, by topic?",
            kind=Kind.LINES,
            unit=Unit.PER_SECOND,
            expressions={"{{topic}}": "sum by (topic) (rate(fillstream_lane_records_total[$__rate_interval]))"},
        ),
        LivePanel(
            title="Transactions",
            question="How long does a chunk take to decide, and to commit (99 % of them at most)?",
            kind=Kind.LINES,
            unit=Unit.SECONDS,
            expressions={
                "decide": "histogram_quantile(0.99, sum by (le) "
                "(rate(fillstream_lane_process_seconds_bucket[$__rate_interval])))",
                "commit": "histogram_quantile(0.99, sum by (le) "
                "(rate(fillstream_lane_commit_seconds_bucket[$__rate_interval])))",
            },
        ),
        LivePanel(
            title="The sink's inserts",
            question="How long does an insert into ClickHouse take (99 % of them at most)?",
            kind=Kind.LINES,
            unit=Unit.SECONDS,
            expressions={
                "{{table}}": "histogram_quantile(0.99, sum by (le, table) "
                "(rate(fillstream_sink_insert_seconds_bucket[$__rate_interval])))"
            },
        ),
        LivePanel(
            title="Dead letters a minute",
            question="Which step buries records, and why?",
            kind=Kind.COLUMNS,
            expressions={
                "{{topic}} {{reason}}": "60 * sum by (topic, reason) "
                "(rate(fillstream_dead_letters_total[$__rate_interval]))",
                "gateway {{reason}}": "60 * sum by (reason) "
                "(rate(fillstream_gateway_dead_letters_total[$__rate_interval]))",
            },
        ),
        LivePanel(
            title="Buffered by the sink",
            question="How much memory do records take that the sink has read and not yet stored?",
            kind=Kind.LINES,
            unit=Unit.BYTES,
            expressions={"{{instance}}": "fillstream_sink_buffer_bytes"},
        ),
    ),
)

VENUES: Final = Board(
    "venues",
    "Venue health",
    "Do the venues answer, how fast, and do we stay within what they allow?",
    (
        StoredPanel(
            title="At a glance", file="venues/figures.sql", kind=Kind.FIGURES, harmless_to={"outcomes_unknown": 0}
        ),
        StoredPanel(title="Calls answered", file="venues/calls.sql", kind=Kind.COLUMNS),
        StoredPanel(
            title="Time to the venue's answer", file="venues/latency.sql", kind=Kind.LINES, unit=Unit.MILLISECONDS
        ),
        StoredPanel(title="Wait for limits", file="venues/limits.sql", kind=Kind.LINES, unit=Unit.MILLISECONDS),
        StoredPanel(title="Unknown and refused", file="venues/trouble.sql", kind=Kind.COLUMNS),
        StoredPanel(title="Answers", file="venues/outcomes.sql", kind=Kind.TABLE),
        LivePanel(
            title="Calls a second",
            question="What comes of the calls to venues?",
            kind=Kind.LINES,
            unit=Unit.PER_SECOND,
            expressions={
                "{{venue}} {{outcome}}": "sum by (venue, outcome) "
                "(rate(fillstream_venue_calls_total[$__rate_interval]))"
            },
        ),
        LivePanel(
            title="Tokens in hand",
            question="How much of each published limit is left?",
            kind=Kind.LINES,
            expressions={"{{venue}} {{limit}}": "min by (venue, limit) (fillstream_venue_tokens)"},
        ),
        LivePanel(
            title="Waiting and in flight",
            question="How many requests wait to begin, and how many calls for an answer?",
            kind=Kind.LINES,
            expressions={
                "{{venue}} queued": "sum by (venue) (fillstream_gateway_requests_queued)",
                "{{venue}} in flight": "sum by (venue) (fillstream_venue_calls_in_flight)",
            },
        ),
        LivePanel(
            title="Breakers and streams",
            question="Is a breaker open (1) or a private stream down (0)?",
            kind=Kind.LINES,
            expressions={
                "{{venue}} breaker open": "max by (venue) (fillstream_venue_breaker_open)",
                "{{venue}} stream connected": "min by (venue) (fillstream_venue_stream_connected)",
            },
        ),
        LivePanel(
            title="Clocks and leases",
            question="How far is a venue's clock from ours, and how old is the last proof that we own our partitions?",
            kind=Kind.LINES,
            unit=Unit.SECONDS,
            expressions={
                "{{venue}} clock": "max by (venue) (fillstream_venue_clock_offset_seconds)",
                "{{venue}} lease": "max by (venue) (fillstream_gateway_lease_age_seconds)",
            },
        ),
        LivePanel(
            title="Held back",
            question="Of how many orders does a venue say what is not believed?",
            kind=Kind.COLUMNS,
            expressions={"{{venue}} {{kind}}": "sum by (venue, kind) (fillstream_venue_held_back_orders)"},
        ),
    ),
)

EXECUTION: Final = Board(
    "execution",
    "Execution quality",
    "What became of orders, and were the prices good?",
    (
        StoredPanel(title="At a glance", file="execution/figures.sql", kind=Kind.FIGURES),
        StoredPanel(title="Fills", file="execution/fills.sql", kind=Kind.COLUMNS),
        StoredPanel(title="Orders by state", file="execution/states.sql", kind=Kind.BARS),
        StoredPanel(title="Refusals by reason", file="execution/refusals.sql", kind=Kind.BARS),
        StoredPanel(
            title="Slippage", file="execution/slippage.sql", kind=Kind.LINES, unit=Unit.BASIS_POINTS, last_hours=24
        ),
        StoredPanel(title="Time to a fill", file="execution/fill_times.sql", kind=Kind.TABLE, last_hours=24),
        StoredPanel(
            title="Slippage by symbol", file="execution/slippage_by_symbol.sql", kind=Kind.TABLE, last_hours=24
        ),
        StoredPanel(title="Markouts", file="execution/markouts.sql", kind=Kind.TABLE, last_hours=24),
        StoredPanel(title="By symbol", file="execution/symbols.sql", kind=Kind.TABLE),
        StoredPanel(title="Waiting for a venue's word", file="execution/unsettled.sql", kind=Kind.TABLE),
        LivePanel(
            title="Outcomes unknown",
            question="How many orders wait for proof of what became of them?",
            kind=Kind.LINES,
            expressions={"{{venue}}": "max by (venue) (fillstream_unknown_orders)"},
        ),
        LivePanel(
            title="Orders in the tables",
            question="How many orders do workers hold, live and lately ended?",
            kind=Kind.LINES,
            expressions={"orders": "sum(fillstream_orders)"},
        ),
        LivePanel(
            title="Refusals a minute",
            question="Why do workers refuse commands?",
            kind=Kind.COLUMNS,
            expressions={"{{reason}}": "60 * sum by (reason) (rate(fillstream_rejections_total[$__rate_interval]))"},
        ),
    ),
)

MONEY: Final = Board(
    "money",
    "Money",
    "What was traded, what it cost, who holds what, and does it add up?",
    (
        StoredPanel(
            title="At a glance",
            file="money/figures.sql",
            kind=Kind.FIGURES,
            harmless_to={"assets_off_balance": 0},
        ),
        StoredPanel(title="Volume", file="money/volume.sql", kind=Kind.COLUMNS, unit=Unit.AMOUNT),
        StoredPanel(title="Transfers", file="money/transfers.sql", kind=Kind.TABLE),
        StoredPanel(title="Fees", file="money/fees.sql", kind=Kind.TABLE),
        StoredPanel(title="The ledger", file="money/ledger.sql", kind=Kind.TABLE),
        StoredPanel(title="At the venues", file="money/venues.sql", kind=Kind.TABLE),
        StoredPanel(title="Venues and ledger", file="money/venue_moves.sql", kind=Kind.TABLE, last_hours=24),
        StoredPanel(title="Result of trades", file="money/result.sql", kind=Kind.TABLE),
        StoredPanel(title="Profit", file="money/profit.sql", kind=Kind.TABLE, report_only=True),
        LivePanel(
            title="Imbalance of the ledger",
            question="Does what workers book add up to nothing? Anything but 0 is an alarm.",
            kind=Kind.LINES,
            unit=Unit.AMOUNT,
            expressions={"{{asset}}": "max by (asset) (abs(fillstream_ledger_imbalance))"},
        ),
        LivePanel(
            title="Venues' balances",
            question="What does an account at a venue have more (or less) than the ledger says?",
            kind=Kind.LINES,
            unit=Unit.AMOUNT,
            expressions={
                "{{venue}} {{account}} {{asset}}": "max by (venue, account, asset) "
                "(fillstream_venue_balance_difference)"
            },
        ),
        LivePanel(
            title="Audits",
            question="What do the audits of stored rows find? Anything but 0 wants looking at.",
            kind=Kind.COLUMNS,
            expressions={"{{check}}": "max by (check) (fillstream_audit_breaks)"},
        ),
    ),
)

BOARDS: Final = (PIPELINE, VENUES, EXECUTION, MONEY)
