"""The sink's protocol in a model: a broker, a table and owners that die at any step."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import intents
from analytics.intents import Intent, digest_of, intent_of, metadata_of, token_of
from analytics.lanes import RECORD_BYTES, Batch, Gap, Lane, Limits, Phase, Stop
from analytics.mapping import VERSION, Record

LIMITS = Limits(records_max=4, bytes_max=10_000, wait_s=1.0, idle_s=1.0)


def a_record(offset: int, value: bytes = b"v") -> Record:
    return Record(offset, 1_000 + offset, b"k", value + str(offset).encode())


def a_lane(start: int | None = 0, intent: Intent | None = None) -> Lane:
    return Lane("order-events", 2, start, intent, now_s=0.0)


def filled(lane: Lane, *offsets: int, now_s: float = 0.0) -> Lane:
    for offset in offsets:
        lane.take(a_record(offset), now_s)
    return lane


def written(lane: Lane, now_s: float) -> Batch:
    batch = lane.next_batch(LIMITS, now_s)
    assert batch is not None
    lane.intent_committed()
    lane.stored(now_s)
    return batch


def test_a_full_batch_does_not_wait():
    batch = filled(a_lane(), 0, 1, 3, 4, 7).next_batch(LIMITS, 0.0)
    assert batch is not None
    assert (batch.intent.first, batch.intent.last, batch.intent.records) == (0, 4, 4)
    assert batch.intent.version == VERSION


def test_a_small_batch_waits_its_time_and_no_longer():
    lane = filled(a_lane(), 0, 1)
    assert lane.next_batch(LIMITS, 0.99) is None
    assert lane.next_batch(LIMITS, 1.0) is not None


def test_a_batch_is_bounded_in_bytes_but_takes_one_record_however_large():
    lane = a_lane()
    for offset in range(3):
        lane.take(Record(offset, 0, None, bytes(8_000)), 0.0)
    sizes = [len(written(lane, now_s).records) for now_s in (1.0, 2.0, 3.0)]
    assert sizes == [1, 1, 1]


def test_one_batch_at_a_time():
    lane = filled(a_lane(), *range(8))
    assert lane.next_batch(LIMITS, 0.0) is not None
    assert lane.next_batch(LIMITS, 5.0) is None
    lane.intent_committed()
    assert lane.next_batch(LIMITS, 5.0) is None
    lane.stored(5.0)
    assert lane.next_batch(LIMITS, 5.0) is not None


def test_what_is_written_counts_as_buffered_until_it_is_stored():
    lane = filled(a_lane(), *range(5))
    before = lane.size_bytes
    assert before == sum(RECORD_BYTES + 1 + 2 for _ in range(5))
    lane.next_batch(LIMITS, 0.0)
    assert lane.size_bytes == before
    assert lane.head_ms == 1_000
    lane.intent_committed()
    lane.stored(0.0)
    assert lane.size_bytes == before // 5
    assert lane.head_ms == 1_004


def test_records_seen_before_are_ignored():
    lane = filled(a_lane(10), 9, 10, 10, 11, 5)
    assert lane.buffered == 2


def test_an_idle_lane_commits_behind_the_markers_of_transactions():
    lane = filled(a_lane(), 0, 1, 2)
    written(lane, 1.0)
    lane.reached_end(5)
    assert lane.idle_offset(LIMITS, 1.5) is None
    assert lane.idle_offset(LIMITS, 2.0) == 5


def test_an_idle_commit_is_asked_for_once():
    lane = a_lane()
    lane.reached_end(7)
    assert lane.idle_offset(LIMITS, 2.0) == 7
    lane.idle_commit = 7
    assert lane.idle_offset(LIMITS, 9.0) is None
    lane.idle_committed(7)
    assert lane.idle_offset(LIMITS, 9.0) is None
    assert lane.stored_to == 7


def test_nothing_is_committed_past_records_that_wait():
    lane = filled(a_lane(), 0, 1, 2)
    written(lane, 1.0)
    filled(lane, 3, now_s=1.0)
    lane.reached_end(5)
    assert lane.idle_offset(LIMITS, 99.0) is None
    assert lane.clean_offset == 3


def test_nothing_is_clean_while_a_batch_is_written():
    lane = filled(a_lane(), 0, 1, 2, 3)
    lane.next_batch(LIMITS, 0.0)
    assert lane.clean_offset is None
    lane.intent_committed()
    assert lane.clean_offset is None


def test_who_leaves_commits_nothing_behind_what_is_left_to_the_next_owner():
    lane = filled(a_lane(), 0, 1, 2)
    lane.reached_end(3)
    lane.leave()
    assert lane.clean_offset == 0
    lane.reached_end(3)
    assert lane.clean_offset == 0
    filled(lane, 3)
    assert (lane.clean_offset, lane.buffered) == (0, 0)


def test_a_replay_takes_the_batch_of_its_intent_and_no_record_more():
    first = filled(a_lane(), 0, 2, 3).next_batch(LIMITS, 1.0)
    assert first is not None
    lane = a_lane(0, intent_of(0, first.metadata))
    filled(lane, 0, 2)
    assert lane.next_batch(LIMITS, 99.0) is None
    filled(lane, 3, 4, 5)
    again = lane.next_batch(LIMITS, 0.0)
    assert again is not None
    assert again.token == first.token
    assert [record.offset for record in again.records] == [0, 2, 3]
    assert again.replayed
    assert not first.replayed


def test_a_replay_is_not_cut_by_todays_limits():
    records = [a_record(offset) for offset in range(9)]
    lane = a_lane(0, Intent(0, 8, 9, digest_of(records), VERSION))
    filled(lane, *range(9))
    batch = lane.next_batch(LIMITS, 0.0)
    assert batch is not None
    assert len(batch.records) == 9


@pytest.mark.parametrize(
    ("found", "end"),
    [
        ([2, 3, 4], None),  # its head is gone
        ([0, 3, 4], None),  # its middle is gone
        ([], 9),  # all of it is gone, and nothing came after
        ([0, 1, 2], 9),  # its tail is gone
    ],
)
def test_a_gap_in_an_unfinished_batch_is_never_guessed_over(found, end):
    records = [a_record(offset) for offset in range(4)]
    lane = filled(a_lane(0, Intent(0, 3, 4, digest_of(records), VERSION)), *found)
    if end is not None:
        lane.reached_end(end)
    with pytest.raises(Gap, match="offsets 0 to 3 had 4 records"):
        lane.next_batch(LIMITS, 0.0)


def test_a_lost_record_without_key_and_value_is_a_gap_too():
    empty = [Record(offset, 0, None, None) for offset in range(3)]
    lane = a_lane(0, Intent(0, 2, 3, digest_of(empty), VERSION))
    for record in empty[1:]:
        lane.take(record, 0.0)
    with pytest.raises(Gap):
        lane.next_batch(LIMITS, 0.0)


def test_a_lane_that_still_reads_its_unfinished_batch_commits_nothing_over_the_intent():
    records = [a_record(offset) for offset in range(4)]
    lane = filled(a_lane(0, Intent(0, 3, 4, digest_of(records), VERSION)), 0, 1)
    assert lane.clean_offset is None
    assert lane.idle_offset(LIMITS, 99.0) is None


def test_other_bytes_at_the_same_offsets_are_a_gap():
    records = [a_record(offset) for offset in range(2)]
    lane = a_lane(0, Intent(0, 1, 2, digest_of(records), VERSION))
    for offset in range(2):
        lane.take(a_record(offset, b"other"), 0.0)
    with pytest.raises(Gap):
        lane.next_batch(LIMITS, 0.0)


def test_a_stopped_or_refused_lane_takes_and_gives_nothing():
    for drop in (lambda lane: lane.stop(Stop.GAP), lambda lane: lane.refused(9.0)):
        lane = filled(a_lane(), *range(8))
        drop(lane)
        filled(lane, 8, 9)
        assert (lane.buffered, lane.size_bytes, lane.clean_offset) == (0, 0, None)
        assert lane.next_batch(LIMITS, 99.0) is None
        assert lane.idle_offset(LIMITS, 99.0) is None


# ── intents ─────────────────────────────────────────────────────────────────────────────────────────────────────────

an_intent = st.builds(
    Intent,
    first=st.integers(0, 2**63 - 1),
    last=st.integers(0, 2**63 - 1),
    records=st.integers(1, 10**6),
    digest=st.integers(0, 2**32 - 1),
    version=st.integers(1, 99),
)


@given(an_intent)
def test_an_intent_comes_back_from_its_commit(intent):
    metadata = metadata_of(intent)
    assert intent_of(intent.first, metadata) == intent
    assert len(metadata.encode()) < intents.METADATA_BYTES_MAX


@pytest.mark.parametrize("metadata", ["", None, "x", "{}", '{"to":1}', '{"to":1,"n":1,"h":1,"v":1,"more":1}', "[]"])
def test_metadata_of_others_is_no_intent(metadata):
    assert intent_of(5, metadata) is None


def test_a_token_tells_apart_all_that_may_differ():
    base = Intent(0, 9, 10, 1, VERSION)
    tokens = {
        token_of(*case)
        for case in (
            ("t", 0, base),
            ("u", 0, base),
            ("t", 1, base),
            ("t", 0, Intent(1, 9, 10, 1, VERSION)),
            ("t", 0, Intent(0, 8, 10, 1, VERSION)),
            ("t", 0, Intent(0, 9, 10, 2, VERSION)),
        )
    }
    assert len(tokens) == 6


# ── the whole protocol, with owners that die ────────────────────────────────────────────────────────────────────────


class World:
    """One partition: its log, the last commit, and a table that drops an insert whose token it has."""

    def __init__(self, log: list[Record], *, deduplicates: bool = True) -> None:
        self.log = log
        self.commit: tuple[int | None, str] = (None, "")
        self.generation = 0
        self.tokens: set[str] = set()
        self.table: list[int] = []
        self.deduplicates = deduplicates

    def insert(self, batch: Batch) -> None:
        if self.deduplicates and batch.token in self.tokens:
            return
        self.tokens.add(batch.token)
        self.table += [record.offset for record in batch.records]


class Owner:
    """A sink that owns the partition, one step at a time."""

    def __init__(self, world: World) -> None:
        world.generation += 1
        self.world = world
        self.generation = world.generation
        start, metadata = world.commit
        self.lane = Lane("t", 0, start, None if start is None else intent_of(start, metadata), 0.0)
        self.read = start or 0
        self.now_s = 0.0

    def step(self, poll: int) -> None:
        """Poll so many records, then do what is due."""
        self.now_s += 2.0
        for record in self.world.log[self.read : self.read + poll]:
            self.lane.take(record, self.now_s)
        self.read = min(self.read + poll, len(self.world.log))
        if self.read == len(self.world.log):
            self.lane.reached_end(self.read)
        if self.lane.phase is Phase.WRITING:
            assert self.lane.batch is not None
            self.world.insert(self.lane.batch)
            self.lane.stored(self.now_s)
        elif self.lane.phase is Phase.INTENT:
            assert self.lane.batch is not None
            if self._commit(self.lane.batch.intent.first, self.lane.batch.metadata):
                self.lane.intent_committed()
        elif self.lane.next_batch(LIMITS, self.now_s) is None:
            idle = self.lane.idle_offset(LIMITS, self.now_s)
            if idle is not None and self._commit(idle, ""):
                self.lane.idle_committed(idle)

    def _commit(self, offset: int, metadata: str) -> bool:
        if self.generation != self.world.generation:
            self.lane.refused(self.now_s)
            return False
        self.world.commit = (offset, metadata)
        return True


def play(world: World, moves: list[Any]) -> None:
    """Owners take turns: each takes steps, loses the partition, and may take more without knowing it."""
    for steps, polls, zombie_steps in moves:
        owner = Owner(world)
        for number in range(steps):
            owner.step(polls[number % len(polls)])
        heir = Owner(world)
        heir.step(3)
        for _ in range(zombie_steps):
            owner.step(2)
    last = Owner(world)
    for _ in range(4 * len(world.log) + 20):
        last.step(5)


moves = st.lists(
    st.tuples(st.integers(0, 12), st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(0, 3)), max_size=8
)


@settings(deadline=None, max_examples=300)
@given(count=st.integers(0, 40), moves=moves)
def test_every_record_is_stored_once_whoever_dies_when(count, moves):
    world = World([a_record(offset) for offset in range(count)])
    play(world, moves)
    assert sorted(world.table) == list(range(count))
    assert world.commit == (count, "")


def test_the_same_play_without_tokens_stores_twice():
    """The control: the model can fail."""
    world = World([a_record(offset) for offset in range(20)], deduplicates=False)
    play(world, [(3, [4], 1), (4, [4], 0), (3, [4], 2)])
    assert len(world.table) > 20
    assert set(world.table) == set(range(20))
