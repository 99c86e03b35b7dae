"""Guards of the product that tests must not let anybody remove: each with the change that removes it."""

from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent.parent


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """*file* with *new* in the place of *old*, which is there exactly once: *test* in *suite* must fail of it.

    The test is the fastest of those that do.
    """

    name: str
    guards: str
    file: str
    old: str
    new: str
    suite: str
    test: str

    def applied(self, source: str) -> str:
        """*source* without the guard. Raises ValueError if the guard isn't there exactly once any more."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(
                f"mutant {self.name}: its text is {found} times in {self.file} instead of once: the code has changed, "
                "and this table (tests/mutants/table.py) must follow it"
            )
        return source.replace(self.old, self.new)


MUTANTS = (
    # ── streaming: every input record once ──────────────────────────────────────────────────────────────────────────
    Mutant(
        name="overlap-skip",
        guards="a record that is delivered twice around a rebalance is taken once",
        file="streaming/partition.py",
        old="            stretch = stretch.after(expected)\n",
        new="            pass\n",
        suite="tests/streaming/test_partition.py",
        test="test_what_was_taken_before_is_skipped",
    ),
    Mutant(
        name="gap-seek",
        guards="a record that Faust drops while it rebalances is read again",
        file="streaming/partition.py",
        old="            self._seek_back(topic, stretch)\n            return None\n",
        new="            pass\n",
        suite="tests/streaming/test_partition.py",
        test="test_a_gap_is_fetched_again_once_and_what_lies_beyond_it_is_not_taken",
    ),
    Mutant(
        name="position-at-once",
        guards="an assigned partition is never read from where the group's offset says",
        file="streaming/transport.py",
        old="                consumer.seek(partition, 0)\n",
        new="                pass\n",
        suite="tests/streaming/test_rebalance.py",
        test="test_an_assigned_partition_has_a_position_before_anyone_asks_the_group_for_one",
    ),
    Mutant(
        name="unused-stretch",
        guards="what a rebalance kept from being taken is fetched again",
        file="streaming/transport.py",
        old="                    self._thread.fetch_again(unused)\n",
        new="                    pass\n",
        suite="tests/streaming/test_transport.py",
        test="test_what_a_rebalance_interrupts_is_fetched_again",
    ),
    Mutant(
        name="position-in-transaction",
        guards="the input position is committed with the effects of the input",
        file="streaming/partition.py",
        old="        self._emit_positions()\n        decided",
        new="        decided",
        suite="tests/streaming/test_partition.py",
        test="test_one_transaction_holds_outputs_changed_rows_and_position",
    ),
    Mutant(
        name="position-as-authority",
        guards="a restarted worker goes on at the position in its changelog",
        file="streaming/restore.py",
        old="    if topic not in found:\n        return low\n",
        new="    if topic not in found or low <= found[topic].next_offset:\n        return low\n",
        suite="tests/mutants/test_guards.py",
        test="test_a_restarted_worker_answers_nothing_twice",
    ),
    Mutant(
        name="digest-check",
        guards="tables that are not what the last chunk left are refused",
        file="streaming/restore.py",
        old="        _check_digest(partition, changelogs[positions], loaded, found)\n",
        new="",
        suite="tests/streaming/test_fail_stop.py",
        test="test_a_changelog_that_was_tampered_with_is_refused",
    ),
    Mutant(
        name="fence",
        guards="a former owner of a partition can't commit any more",
        file="streaming/writer.py",
        old="                transactional_id=transactional_id,\n",
        new='                transactional_id=f"{transactional_id}-{time.time_ns()}",\n',
        suite="tests/streaming/test_fail_stop.py",
        test="test_one_transactional_id_has_one_writer",
    ),
    Mutant(
        name="fenced-is-the-end",
        guards="a worker that was fenced ends, and believes nothing it has in memory",
        file="streaming/partition.py",
        old='            failure.stop(\n                "partition_fenced"',
        new='            log.warning(\n                "partition_fenced"',
        suite="tests/streaming/test_partition.py",
        test="test_a_failed_commit_stops_the_process",
    ),
    Mutant(
        name="abort-on-error",
        guards="a chunk that failed half-way leaves no open transaction",
        file="streaming/partition.py",
        old="            self._writer.abort()\n",
        new="",
        suite="tests/streaming/test_partition.py",
        test="test_an_exception_while_deciding_aborts_the_transaction_and_stops_the_process",
    ),
    Mutant(
        name="stop-on-error",
        guards="nothing goes on with rows that were changed and never committed",
        file="streaming/partition.py",
        old='            failure.stop("chunk_failed", error, ',
        new='            log.error("chunk_failed", ',
        suite="tests/streaming/test_partition.py",
        test="test_an_exception_while_deciding_aborts_the_transaction_and_stops_the_process",
    ),
    # ── agents and domain: every command one answer, every cent accounted for ───────────────────────────────────────
    Mutant(
        name="duplicate-command",
        guards="a repeated command gets the first answer and does nothing",
        file="agents/orders.py",
        old="        desk.repeat(record, command.user_id, command.command_id, first)\n        return\n",
        new="        pass\n",
        suite="tests/agents/test_orders.py",
        test="test_a_repeated_command_gets_the_first_answer_and_changes_nothing",
    ),
    Mutant(
        name="wrong-partition",
        guards="a command in a partition that doesn't own its user is not decided there",
        file="agents/orders.py",
        old="    elif partition_of(record.key, partitions) != desk.chunk.partition:\n",
        new="    elif False:\n",
        suite="tests/agents/test_orders.py",
        test="test_a_record_that_another_partitioner_sent_is_buried_and_told_where_it_belongs",
    ),
    Mutant(
        name="fill-once",
        guards="a trade that is told twice is booked once",
        file="domain/reports.py",
        old="    if trade.trade_id in order.trade_ids:\n        return None\n",
        new="",
        suite="tests/domain/test_fills.py",
        test="test_a_trade_is_booked_once_however_often_it_is_told",
    ),
    Mutant(
        name="cancel-race",
        guards="an order that left the book ends only when every fill that the venue counts is booked",
        file="domain/moves.py",
        old="    return order if owes_fills(order) else off_book(d, order)\n",
        new="    return off_book(d, order)\n",
        suite="tests/domain/test_fills.py",
        test="test_an_order_ends_only_when_every_fill_that_the_venue_counts_is_booked",
    ),
    Mutant(
        name="unknown-keeps-its-reserve",
        guards="money stays held while nobody knows what became of an order",
        file="domain/reports.py",
        old="    order = replace(order, unknown_since=d.cause.now, looks=0)\n    return d.note(",
        new='    order = moves.release(d, replace(order, unknown_since=d.cause.now, looks=0), order.reserved, "")\n'
        "    return d.note(",
        suite="tests/domain/test_outcomes.py",
        test="test_a_timeout_is_not_a_failure_and_the_reserve_stays",
    ),
    Mutant(
        name="look-past-the-bound",
        guards="a look that found nothing is no proof while the venue could still execute the order",
        file="domain/reports.py",
        old="    if asked_at < (order.unknown_since or order.updated_at) + d.policy.unknown_bound(order.venue):\n",
        new="    if False:\n",
        suite="tests/domain/test_outcomes.py",
        test="test_a_look_asked_before_the_bound_proves_nothing_however_late_it_is_told",
    ),
    Mutant(
        name="quorum",
        guards="one look that found nothing doesn't send an order again",
        file="domain/reports.py",
        old="    return order if order.looks < d.policy.looks_min else _never_placed(d, order)\n",
        new="    return _never_placed(d, order)\n",
        suite="tests/domain/test_outcomes.py",
        test="test_a_quorum_of_looks_past_the_bound_proves_that_nothing_arrived",
    ),
    # ── gateways: no order twice ────────────────────────────────────────────────────────────────────────────────────
    Mutant(
        name="query-before-resend",
        guards="a placement that a former owner may have sent is asked about, not sent again",
        file="venue_gateways/intake.py",
        old="        if request.operation is Operation.PLACE and step is not Step.UNTOUCHED:\n",
        new="        if False:\n",
        suite="tests/mutants/test_guards.py",
        test="test_a_placement_that_a_former_owner_may_have_sent_is_not_sent_again",
    ),
    Mutant(
        name="intent-before-sending",
        guards="that a placement is attempted is committed before its first byte is sent",
        file="venue_gateways/handling.py",
        old="        elif await self._intended(work):\n",
        new="        else:\n",
        suite="tests/venue_gateways/test_handling.py",
        test="test_a_placement_is_committed_as_attempted_then_sent_then_reported_then_done",
    ),
    Mutant(
        name="lease",
        guards="a gateway that was stalled signs no placement that somebody else may own",
        file="venue_gateways/calls.py",
        old="            raise LeaseLost\n",
        new="            pass\n",
        suite="tests/venue_gateways/test_calls.py",
        test="test_without_a_lease_nothing_is_placed_but_cancels_go_on",
    ),
    Mutant(
        name="lost-is-unknown",
        guards="a placement whose answer was lost is never taken for one that was not sent",
        file="venue_gateways/calls.py",
        old='            answer = Answer(Outcome.UNKNOWN, f"LOST_{error}")\n',
        new='            answer = Answer(Outcome.RETRY_SAFE, f"LOST_{error}")\n',
        suite="tests/venue_gateways/test_calls.py",
        test="test_a_call_that_fails_on_the_way_is_classed_by_whether_it_was_sent",
    ),
    Mutant(
        name="nonces-rise",
        guards="no nonce is as low as one before it, whatever a clock does",
        file="venue_gateways/kraken/signing.py",
        old="        self._last = max(self._last + 1, now_us)\n",
        new="        self._last = now_us\n",
        suite="tests/venue_gateways/kraken/test_kraken_signing.py",
        test="test_nonces_rise_whatever_the_clock_does",
    ),
    Mutant(
        name="end-without-quantity",
        guards="an end that doesn't say how much was filled releases nothing",
        file="venue_gateways/kraken/stream.py",
        old="        if state is not OrderState.OPEN and payload.cum_qty is None:",
        new="        if False:",
        suite="tests/venue_gateways/kraken/test_kraken_stream.py",
        test="test_an_end_that_does_not_say_how_much_was_filled_is_not_believed",
    ),
    Mutant(
        name="stream-gap",
        guards="a stream with a number missing is given up, and everything read back",
        file="venue_gateways/kraken/stream.py",
        old="        if last is not None and payload.sequence > last + 1:\n",
        new="        if False:\n",
        suite="tests/venue_gateways/kraken/test_kraken_stream.py",
        test="test_a_message_that_is_missing_is_a_gap",
    ),
    Mutant(
        name="webhook-signature",
        guards="a pushed event that nobody with a secret has signed is not believed",
        file="venue_gateways/webhook/signature.py",
        old="    if not any(matches):",
        new="    if False:",
        suite="tests/venue_gateways/webhook/test_signature.py",
        test="test_what_is_not_signed_as_it_is_is_not_believed",
    ),
    # ── analytics: every row once ───────────────────────────────────────────────────────────────────────────────────
    Mutant(
        name="sink-intent",
        guards="a batch is inserted only after the broker has taken its bounds",
        file="analytics/pipeline.py",
        old='            lane.retry_at_s = float("inf")  # until the answer is here\n',
        new="            lane.intent_committed()\n",
        suite="tests/analytics/test_pipeline.py",
        test="test_nothing_is_inserted_before_the_broker_has_taken_the_intent",
    ),
    Mutant(
        name="sink-replay",
        guards="an unfinished batch is written again only if its records are what they were",
        file="analytics/lanes.py",
        old="        if count != intent.records or digest != intent.digest:\n",
        new="        if False:\n",
        suite="tests/analytics/test_lanes.py",
        test="test_other_bytes_at_the_same_offsets_are_a_gap",
    ),
    Mutant(
        name="sink-token",
        guards="the same batch has the same token, so that ClickHouse drops the second",
        file="analytics/intents.py",
        old='    return f"{topic}:{partition}:{intent.first}-{intent.last}:{intent.digest:08x}"\n',
        new='    return f"{topic}:{partition}:{intent.first}:{id(intent)}"\n',
        suite="tests/analytics/test_lanes.py",
        test="test_every_record_is_stored_once_whoever_dies_when",
    ),
    # ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────
    Mutant(
        name="secrets-masked",
        guards="a secret in the middle of a log line shows as asterisks",
        file="runtime/telemetry.py",
        old="        text = text.replace(secret, MASK)\n",
        new="        pass\n",
        suite="tests/runtime/test_telemetry.py",
        test="test_a_secret_never_shows_wherever_it_is",
    ),
    Mutant(
        name="key-for-nobody-else",
        guards="a file with the venue's key that others may read is refused",
        file="venue_gateways/credentials.py",
        old="    if mode not in _MODES:\n",
        new="    if False:\n",
        suite="tests/venue_gateways/test_credentials.py",
        test="test_credentials_that_can_t_be_used_are_refused_without_quoting_them",
    ),
)
