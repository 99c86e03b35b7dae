"""What a partition's next owner learns from the last commit."""

from hypothesis import given, settings
from hypothesis import strategies as st

from venue_gateways.progress import RUNS_BYTES_MAX, Inherited, Progress, Run, Step, inherit


def fresh(first: int = 0) -> Progress:
    return Progress(first, Inherited())


def handed_over(progress: Progress) -> tuple[int, Inherited]:
    first, metadata = progress.encode()
    return first, inherit(first, metadata, 1 << 40)


def test_the_committed_offset_is_the_first_that_is_not_done():
    progress = fresh(10)
    assert progress.encode()[0] == 10
    for offset in (10, 12, 13):  # 11 is a transaction's marker
        assert progress.receive(offset) is Step.UNTOUCHED
    progress.mark(12, Step.DONE)
    assert progress.encode()[0] == 10
    progress.mark(10, Step.DONE)
    assert progress.encode()[0] == 13
    progress.mark(13, Step.DONE)
    assert progress.encode()[0] == 14
    assert progress.pending == 0


def test_the_metadata_is_readable_by_people():
    progress = fresh(100)
    for offset in range(100, 108):
        progress.receive(offset)
    for offset in (100, 101, 104):
        progress.mark(offset, Step.ATTEMPTED)
    progress.mark(106, Step.WITHHELD)
    progress.mark(102, Step.DONE)
    progress.through = 1_700_000_000_000
    assert progress.encode() == (100, '{"version":1,"first":100,"runs":"a2d1u1a1u1w1","through":1700000000000}')


def test_done_is_final():
    progress = fresh()
    progress.receive(0)
    progress.receive(1)
    progress.mark(1, Step.DONE)
    progress.mark(1, Step.UNTOUCHED)
    progress.mark(7, Step.ATTEMPTED)
    assert progress.step(1) is Step.DONE
    progress.mark(0, Step.DONE)
    assert progress.step(1) is None


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 3), max_size=40),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(list(Step))), max_size=60),
    st.integers(0, 1_000),
)
def test_a_next_owner_learns_every_step_exactly(gaps, marks, first):
    progress, offsets, offset = fresh(first), [], first
    for gap in gaps:
        offsets.append(offset)
        progress.receive(offset)
        offset += gap
    noted = dict.fromkeys(offsets, Step.UNTOUCHED)
    for index, step in marks:
        if index < len(offsets):
            progress.mark(offsets[index], step)
            if noted[offsets[index]] is not Step.DONE:
                noted[offsets[index]] = step
    committed, inherited = handed_over(progress)
    open_ = [offset for offset in offsets if noted[offset] is not Step.DONE]
    assert committed == (open_[0] if open_ else offsets[-1] + 1 if offsets else first)
    assert {o: inherited.step(o) for o in offsets if o >= committed} == {o: noted[o] for o in offsets if o >= committed}
    assert inherited.step(offset + 5) is Step.UNTOUCHED


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(list(Step)), min_size=1, max_size=30), st.integers(0, 30))
def test_what_was_inherited_is_handed_on_until_it_is_read_again(steps, reread):
    progress = fresh()
    for offset, step in enumerate(steps):
        progress.receive(offset)
        progress.mark(offset, step)
    first, inherited = handed_over(progress)
    successor = Progress(first, inherited)
    for offset in range(first, min(reread, len(steps))):
        assert successor.receive(offset) is steps[offset]
    second, again = handed_over(successor)
    assert second == first
    assert [again.step(o) for o in range(first, len(steps) + 3)] == [
        inherited.step(o) for o in range(first, len(steps) + 3)
    ]


def test_what_does_not_fit_the_metadata_counts_as_attempted():
    progress = fresh()
    for offset in range(10_000):
        progress.receive(offset)
    for offset in range(0, 9_000, 2):
        progress.mark(offset, Step.WITHHELD)
    _, metadata = progress.encode()
    assert len(metadata) <= RUNS_BYTES_MAX + 200 < 4_096
    inherited = inherit(0, metadata, 1 << 40)
    steps = [inherited.step(offset) for offset in range(10_000)]
    cut = steps.index(Step.ATTEMPTED)
    assert cut > 1_000
    assert steps[:cut] == [Step.WITHHELD, Step.UNTOUCHED] * (cut // 2)
    assert set(steps[cut:8_999]) == {Step.ATTEMPTED}
    assert set(steps[9_000:]) == {Step.UNTOUCHED}


def test_a_commit_that_is_not_ours_proves_nothing():
    for metadata in (
        "",
        None,
        "not json",
        '{"version":2,"first":5}',
        '{"version":1,"first":4}',
        '{"version":1,"first":5,"runs":"5a"}',
    ):
        inherited = inherit(5, metadata, 9)
        assert [inherited.step(offset) for offset in (5, 8, 9)] == [Step.ATTEMPTED, Step.ATTEMPTED, Step.UNTOUCHED]
    behind = inherit(5, "", 3)
    assert behind.step(5) is Step.UNTOUCHED


def test_a_group_that_never_committed_begins_untouched():
    assert inherit(None, None, 100) == Inherited()


def test_requests_that_only_wait_cost_a_commit_nothing():
    progress = fresh()
    for offset in range(200_000):
        progress.receive(offset)
    progress.mark(0, Step.ATTEMPTED)
    assert progress._runs() == [Run(0, Step.ATTEMPTED), Run(1, Step.UNTOUCHED)]
