"""The throttle's one promise: in no window, over no sequence of events, is a published limit passed."""

from bisect import bisect_left
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.throttle import NEVER_US, Charge, Limit, Priority, Throttle, counter, windowed

SECOND = 1_000_000
CANCEL, PLACE, QUERY = Priority.CANCEL, Priority.PLACE, Priority.QUERY
ORDERS = windowed("orders", 50, 10 * SECOND)
WEIGHT = windowed("weight", 6_000, 60 * SECOND, heaviest=40, kept_back=True)


def drain(throttle: Throttle, charges: tuple[Charge, ...], priority: Priority, now: int, most: int = 10_000) -> int:
    taken = 0
    while taken < most and throttle.take(charges, priority, now) is None:
        taken += 1
    return taken


def full(limit: Limit, *, owned: int = 1, partitions: int = 1, cancel_share: float = 0.2) -> Throttle:
    """A throttle that has had time to fill up; the instant is a thousand windows, where one starts."""
    throttle = Throttle([limit], partitions, cancel_share, 0)
    throttle.own(owned, 0)
    throttle.left(1_000 * limit.per_us)
    return throttle


def worst_window(grants: list[tuple[int, int]], window: int) -> int:
    """The most tokens granted within any half-open window."""
    instants = [at for at, _ in grants]
    sums = [0, *accumulate(tokens for _, tokens in grants)]
    ends = (bisect_left(instants, at + window) for at in instants)
    return max((sums[end] - sums[start] for start, end in enumerate(ends)), default=0)


# ── the promise ─────────────────────────────────────────────────────────────────────────────────────────────────────

LIMITS = st.one_of(
    st.builds(windowed, st.just("x"), st.integers(8, 200), st.sampled_from([SECOND, 10 * SECOND])),
    st.builds(
        windowed,
        st.just("x"),
        st.integers(40, 400),
        st.just(10 * SECOND),
        heaviest=st.integers(1, 20),
        kept_back=st.just(True),
    ),
    st.builds(windowed, st.just("x"), st.integers(8, 100), st.just(7_200 * SECOND)),
    st.builds(windowed, st.just("x"), st.integers(8, 60), st.just(SECOND), guard_us=st.integers(0, 50_000)),
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("drain"), st.integers(0, 7), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.integers(0, 100), st.just(0)),
        st.tuples(st.just("saturate"), st.integers(1, 15), st.integers(0, 2)),
        st.tuples(st.just("move"), st.integers(0, 7), st.integers(0, 7)),
        st.tuples(st.just("merge"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("restart"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("same limits"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("set clock"), st.integers(0, 7), st.integers(-300, 300)),
    ),
    min_size=8,
    max_size=30,
)
OWNERS = st.one_of(st.just(tuple(range(8))), st.tuples(*[st.integers(0, 7)] * 8))


class Fleet:
    """Eight gateways, each with its own idea of the time, eight partitions, and every token that was granted."""

    def __init__(self, limit: Limit, owner: tuple[int, ...]) -> None:
        self.limit = limit
        self.now = 0
        self.owner = list(owner)
        self.errors = [0] * 8
        self.grants: list[tuple[int, int]] = []
        self.gateways = [self.start(index) for index in range(8)]

    def start(self, index: int) -> Throttle:
        throttle = Throttle([self.limit], 8, 0.2, self.clock(index))
        throttle.own(self.owner.count(index), self.clock(index))
        return throttle

    def clock(self, index: int) -> int:
        return self.now + self.errors[index]

    def set_clock(self, index: int, error: int) -> None:
        self.gateways[index].shift(error - self.errors[index])
        self.errors[index] = error

    def drain(self, index: int, priority: Priority) -> None:
        cost = 1 if priority is PLACE else self.limit.heaviest
        taken = drain(self.gateways[index], (Charge("x", cost),), priority, self.clock(index))
        self.grants.append((self.now, taken * cost))

    def move(self, partition: int, to: int) -> None:
        former, self.owner[partition] = self.owner[partition], to
        self.gateways[former].own(self.owner.count(former), self.clock(former))
        self.gateways[to].own(self.owner.count(to), self.clock(to))

    def saturate(self, steps: int, priority: Priority) -> None:
        for _ in range(steps):
            for index in range(8):
                self.drain(index, priority)
            self.now += self.limit.window_us // 30

    def apply(self, event: tuple[str, int, int]) -> None:
        match event:
            case ("drain", index, priority):
                self.drain(index, Priority(priority))
            case ("saturate", tenths, priority):
                self.saturate(3 * tenths, Priority(priority))
            case ("wait", share, _):
                self.now += self.limit.window_us * share // 100
            case ("move", partition, to):
                self.move(partition, to)
            case ("merge", to, _):
                for partition in range(8):
                    self.move(partition, to)
            case ("restart", index, _):
                self.gateways[index] = self.start(index)
            case ("set clock", index, share):
                self.set_clock(index, self.limit.window_us * share // 100)
            case (_, index, _):
                self.gateways[index].configure([self.limit], self.clock(index))


@settings(max_examples=200, deadline=None)
@given(LIMITS, OWNERS, EVENTS)
def test_no_window_passes_a_published_limit_whatever_is_granted_moved_restarted_or_set_to_another_time(
    limit, owner, events
):
    fleet = Fleet(limit, owner)
    for event in events:
        fleet.apply(event)
    assert worst_window(fleet.grants, limit.per_us) <= limit.published


@pytest.mark.parametrize(
    ("limit", "in_hand"), [(windowed("x", 50, SECOND), 8), (windowed("x", 200, SECOND, heaviest=5), 40)]
)
def test_eight_gateways_that_become_one_do_not_pass_the_limit_together(limit, in_hand):
    charge = (Charge("x", 1),)
    gateways = [full(limit, owned=1, partitions=8) for _ in range(8)]
    now = 1_000 * limit.per_us
    granted = sum(drain(gateway, charge, PLACE, now) for gateway in gateways)
    assert granted == in_hand
    for owned in range(2, 9):
        gateways[0].own(owned, now)
    for tick in range(1, 10_000):
        granted += drain(gateways[0], charge, PLACE, now + tick * limit.per_us // 10_000)
    assert 0.95 * limit.published <= granted <= limit.published


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(0, 30)), min_size=8, max_size=30))
def test_with_the_venue_s_count_the_use_of_others_is_left_room_for(steps):
    """Someone else uses the same address; every step sees the venue's count, and then takes all it can."""
    limit = windowed("x", 60, 10 * SECOND)
    throttle = full(limit)
    now = 2_000 * limit.window_us + SECOND
    uses: list[tuple[int, int]] = []
    for step_tenths, foreign, want in steps:
        now += step_tenths * SECOND // 10
        window = now // limit.window_us
        before = sum(tokens for at, tokens in uses if at // limit.window_us == window)
        seen = min(before + foreign, limit.published)
        uses.append((now, seen - before))
        throttle.observe("x", seen, sent_us=now, received_us=now)
        uses.append((now, drain(throttle, (Charge("x", 1),), PLACE, now, want)))
    windows = {at // limit.window_us for at, _ in uses}
    for window in windows:
        late = limit.per_us - limit.window_us  # what is granted in the guard still counts for the window before
        inside = [t for at, t in uses if window * limit.window_us + late <= at < (window + 1) * limit.window_us]
        assert sum(inside) <= limit.published


# ── how much of the limit is used ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [ORDERS, windowed("weight", 1_200, 60 * SECOND, heaviest=40, kept_back=False)])
def test_a_saturated_gateway_uses_95_percent_of_the_published_rate(limit):
    throttle, now, taken = full(limit), 1_000 * limit.per_us, 0
    end = now + 20 * limit.window_us
    while now < end:
        again = throttle.take((Charge(limit.name, 1),), PLACE, now)
        taken, now = (taken + 1, now) if again is None else (taken, again)
    assert taken >= 0.95 * limit.published * 20


@pytest.mark.parametrize("late_us", [0, 600, 3_000])
def test_who_asks_late_uses_95_percent_of_few_requests_a_second_too(late_us):
    """With a share kept back, there is room for what comes in until somebody asks."""
    limit = windowed("x", 30, SECOND, kept_back=True, guard_us=5_000)
    throttle, now, taken = full(limit), 1_000 * limit.per_us, 0
    end = now + 20 * SECOND
    while now < end:
        again = throttle.take((Charge("x", 1),), PLACE, now)
        taken, now = (taken + 1, now) if again is None else (taken, again + late_us)
    assert 0.95 * 30 * 20 <= taken <= 30 * 20


@pytest.mark.parametrize("by_us", [3_600 * SECOND, -3_600 * SECOND])
def test_a_clock_that_is_set_gains_nothing_loses_nothing_and_lengthens_no_wait(by_us):
    limit = counter("calls", 20, 1, 2 * SECOND)
    throttle = full(limit)
    now = 1_000 * limit.per_us
    assert drain(throttle, (Charge("calls", 1),), PLACE, now) == 20
    throttle.freeze(now + 5 * SECOND)
    throttle.shift(by_us)
    now += by_us
    assert throttle.take((Charge("calls", 1),), PLACE, now) == now + 5 * SECOND
    assert drain(throttle, (Charge("calls", 1),), PLACE, now + 5 * SECOND) == 2


def test_a_window_s_count_is_kept_when_the_clock_is_set():
    limit = windowed("x", 60, 10 * SECOND)
    throttle = full(limit)
    now = 2_000 * limit.window_us + 5 * SECOND
    throttle.observe("x", 60, sent_us=now, received_us=now)
    throttle.shift(-3_600 * SECOND)
    now -= 3_600 * SECOND
    assert throttle.take((Charge("x", 1),), PLACE, now) > now
    assert throttle.take((Charge("x", 1),), PLACE, now + limit.per_us) is None


def test_where_requests_keep_together_a_short_window_is_used_to_95_percent_too():
    limit = windowed("requests", 30, SECOND, kept_back=True, guard_us=12_500)
    throttle, now, taken = full(limit), 1_000 * limit.per_us, 0
    end = now + 60 * SECOND
    while now < end:
        again = throttle.take((Charge("requests", 1),), PLACE, now)
        taken, now = (taken + 1, now) if again is None else (taken, again)
    assert 0.95 * 30 * 60 <= taken <= 30 * 60


def test_a_long_window_gives_half_at_once():
    assert windowed("day", 160_000, 86_400 * SECOND).burst == 80_000


# ── several limits, priorities ──────────────────────────────────────────────────────────────────────────────────────


def test_all_limits_of_a_call_are_charged_or_none():
    throttle = Throttle([ORDERS, WEIGHT], 1, 0.2, 0)
    throttle.own(1, 0)
    now = 100 * SECOND
    call = (Charge("weight", 1), Charge("orders", 1), Charge("unheard of", 9))
    assert throttle.take(call, PLACE, now) is None
    weight = throttle.left(now)["weight"]
    assert throttle.take(call, PLACE, now) == now + 205_001
    assert throttle.left(now)["weight"] == weight == 149


def test_what_is_refused_is_granted_at_the_instant_named_and_not_before():
    for priority in Priority:
        throttle, now = full(WEIGHT), 1_000 * WEIGHT.per_us
        drain(throttle, (Charge("weight", 1),), priority, now)
        again = throttle.take((Charge("weight", 7),), priority, now)
        assert again is not None
        assert throttle.take((Charge("weight", 7),), priority, again - 1) is not None
        assert throttle.take((Charge("weight", 7),), priority, again) is None


def test_placements_leave_the_kept_back_share_to_cancels():
    throttle, now = full(WEIGHT), 1_000 * WEIGHT.per_us
    assert drain(throttle, (Charge("weight", 1),), PLACE, now) == 110
    assert drain(throttle, (Charge("weight", 1),), CANCEL, now) == 40


def test_placements_get_the_full_rate_while_nobody_cancels():
    throttle, now, taken = full(WEIGHT), 1_000 * WEIGHT.per_us, 0
    drain(throttle, (Charge("weight", 1),), PLACE, now)
    for tick in range(1, 6_001):
        taken += drain(throttle, (Charge("weight", 1),), PLACE, now + tick * 10_000)
    assert taken >= 0.95 * 6_000


def test_cancels_that_nobody_waits_behind_cost_later_placements_no_rate():
    throttle, now, taken = full(WEIGHT), 1_000 * WEIGHT.per_us, 0
    assert drain(throttle, (Charge("weight", 1),), CANCEL, now, 30) == 30
    assert drain(throttle, (Charge("weight", 1),), PLACE, now) == 80  # and 40 are still kept back
    for tick in range(1, 1_001):
        taken += drain(throttle, (Charge("weight", 1),), PLACE, now + tick * 10_000)
    assert taken >= 0.95 * 1_000
    assert drain(throttle, (Charge("weight", 1),), CANCEL, now + 10_000_000) == 40


def test_under_saturation_queries_get_the_kept_back_share_and_no_more():
    throttle, now = full(WEIGHT), 1_000 * WEIGHT.per_us
    places = queries = 0
    for tick in range(6_000):
        instant = now + tick * 10_000
        places += drain(throttle, (Charge("weight", 1),), PLACE, instant)
        queries += 4 * drain(throttle, (Charge("weight", 4),), QUERY, instant)
    assert 0.18 <= queries / (queries + places) <= 0.22
    assert places + queries >= 0.95 * 6_000


def test_queries_use_everything_while_no_placement_waits():
    throttle, now = full(WEIGHT), 1_000 * WEIGHT.per_us
    assert drain(throttle, (Charge("weight", 5),), QUERY, now) == 30


def test_the_heaviest_query_gets_through_under_saturation():
    throttle, now = full(WEIGHT), 1_000 * WEIGHT.per_us
    drain(throttle, (Charge("weight", 1),), PLACE, now)
    drain(throttle, (Charge("weight", 1),), QUERY, now)
    again = throttle.take((Charge("weight", 40),), QUERY, now)
    assert again is not None
    for instant in range(now, again, 10_000):
        drain(throttle, (Charge("weight", 1),), PLACE, instant)
    assert throttle.take((Charge("weight", 40),), QUERY, again) is None


# ── ownership ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_gateway_without_partitions_is_granted_nothing():
    throttle = full(ORDERS, owned=0)
    assert throttle.take((Charge("orders", 1),), PLACE, 1_000 * ORDERS.per_us) == NEVER_US


def test_a_small_share_can_still_make_the_heaviest_call():
    throttle = full(WEIGHT, owned=1, partitions=8)
    assert throttle.take((Charge("weight", 40),), QUERY, 1_000 * WEIGHT.per_us) is None


def test_a_share_below_one_call_waits_for_ever():
    throttle = full(windowed("orders", 4, SECOND), owned=1, partitions=8)
    assert throttle.take((Charge("orders", 1),), PLACE, 1_000 * SECOND) == NEVER_US


def test_what_is_lost_is_lost_at_once_and_what_is_gained_starts_empty():
    throttle, now = full(WEIGHT, owned=8, partitions=8), 1_000 * WEIGHT.per_us
    assert throttle.left(now)["weight"] == 150
    throttle.own(4, now)
    assert throttle.left(now)["weight"] == 80
    throttle.own(8, now)
    assert throttle.left(now)["weight"] <= 80


def test_a_limit_that_changed_starts_empty_and_one_that_went_is_no_limit():
    throttle, now = full(ORDERS), 1_000 * ORDERS.per_us
    throttle.configure([windowed("orders", 100, 10 * SECOND)], now)
    assert throttle.left(now) == {"orders": 0}
    throttle.configure([], now)
    assert throttle.take((Charge("orders", 1),), PLACE, now) is None


# ── what the venue says ─────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_granted_while_frozen():
    throttle, now = full(WEIGHT), 1_000 * WEIGHT.per_us
    throttle.freeze(now + SECOND)
    throttle.freeze(now)
    assert throttle.take((Charge("weight", 1),), CANCEL, now) == now + SECOND
    assert throttle.take((Charge("weight", 1),), CANCEL, now + SECOND) is None


def test_one_limit_can_be_frozen_alone():
    throttle = Throttle([ORDERS, WEIGHT], 1, 0.2, 0)
    throttle.own(1, 0)
    now = 100 * SECOND
    throttle.freeze(now + SECOND, "orders")
    assert throttle.take((Charge("orders", 1),), PLACE, now) == now + SECOND
    assert throttle.take((Charge("weight", 1),), PLACE, now) is None


def test_once_the_venue_counts_its_window_as_used_up_the_next_one_is_awaited():
    throttle, now = full(ORDERS), 2_000 * ORDERS.window_us + SECOND
    throttle.left(now)
    throttle.observe("orders", 50, sent_us=now, received_us=now)
    throttle.observe("orders", 3, sent_us=now, received_us=now)
    throttle.observe("unheard of", 3, sent_us=now, received_us=now)
    again = throttle.take((Charge("orders", 1),), PLACE, now)
    assert again == 2_001 * ORDERS.window_us + 250_001
    assert throttle.take((Charge("orders", 1),), PLACE, again - 1) == again
    assert throttle.take((Charge("orders", 1),), PLACE, again) is None


def test_an_answer_from_the_window_before_corrects_nothing():
    throttle, start = full(ORDERS), 2_000 * ORDERS.window_us
    throttle.observe("orders", 50, sent_us=start - 1, received_us=start + SECOND)
    assert throttle.take((Charge("orders", 1),), PLACE, start + SECOND) is None


def test_a_long_window_may_start_from_the_venue_s_count():
    day = windowed("day", 160_000, 86_400 * SECOND)
    throttle = Throttle([day], 8, 0.2, 0)
    throttle.own(8, 0)
    throttle.seed("day", 10_000, 0)
    throttle.seed("unheard of", 10_000, 0)
    assert throttle.left(0)["day"] == 70_000
    throttle.seed("day", 100_000, 0)
    assert throttle.left(0)["day"] == 70_000
    assert drain(throttle, (Charge("day", 1),), PLACE, 0, 100_000) == 60_000


def test_a_clock_that_goes_back_refills_nothing():
    throttle, now = full(ORDERS), 1_000 * ORDERS.per_us
    drain(throttle, (Charge("orders", 1),), PLACE, now)
    assert throttle.left(now - 5 * SECOND) == {"orders": 0}
    assert throttle.left(now) == {"orders": 0}
