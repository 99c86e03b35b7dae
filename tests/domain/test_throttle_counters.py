"""Counters that fall with time: in no scope, over no sequence of events, does one pass its cap."""

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.throttle import NEVER_US, Charge, Limit, Priority, Throttle, counter
from tests.domain.test_throttle import CANCEL, OWNERS, PLACE, SECOND, Fleet, drain, full

COUNTERS = st.one_of(
    st.just(counter("x", 175, 375, 100 * SECOND, heaviest=8, kept_back=True)),
    st.just(counter("x", 58, 1, SECOND, heaviest=8, kept_back=True)),
    st.builds(counter, st.just("x"), st.integers(1, 40), st.integers(1, 9), st.integers(1, 5 * SECOND)),
    st.just(counter("x", 14, 33, 100 * SECOND, heaviest=2, kept_back=True, per_key=True)),
)
COUNTED = st.lists(
    st.one_of(
        st.tuples(st.just("drain"), st.integers(0, 7), st.tuples(st.integers(1, 8), st.integers(0, 2))),
        st.tuples(st.just("wait"), st.integers(0, 30 * SECOND), st.just((0, 0))),
        st.tuples(st.just("move"), st.integers(0, 7), st.tuples(st.integers(0, 7), st.just(0))),
        st.tuples(st.just("merge"), st.integers(0, 7), st.just((0, 0))),
        st.tuples(st.just("restart"), st.integers(0, 7), st.just((0, 0))),
        st.tuples(st.just("count"), st.integers(0, 7), st.tuples(st.integers(0, 3), st.just(0))),
        st.tuples(st.just("freeze"), st.integers(0, 7), st.tuples(st.integers(0, 3), st.just(0))),
    ),
    min_size=8,
    max_size=60,
)


class CounterFleet(Fleet):
    """A fleet whose limit is a counter for each of two scopes; *stands* is what the venue counts, in token × per_us."""

    def __init__(self, limit: Limit, owner: tuple[int, ...]) -> None:
        super().__init__(limit, owner)
        self.stands: dict[tuple[int, str], tuple[int, int]] = {}

    def count(self, index: int, scope: str, tokens: int = 0) -> int:
        """What the counter stands at that gateway *index* is counted in, with *tokens* more."""
        counted_in = index if self.limit.per_key else 0, scope
        units, at = self.stands.get(counted_in, (0, 0))
        units = max(0, units - self.limit.refill * (self.now - at)) + tokens * self.limit.per_us
        self.stands[counted_in] = units, self.now
        return units

    def draw(self, index: int, cost: int, priority: Priority) -> None:
        scope = "ab"[cost % 2]
        while self.gateways[index].take((Charge("x", cost, scope),), priority, self.now) is None:
            assert self.count(index, scope, cost) <= self.limit.burst * self.limit.per_us

    def step(self, event: tuple[str, int, tuple[int, int]]) -> None:
        match event:
            case ("drain", index, (cost, priority)):
                self.draw(index, cost, Priority(priority))
            case ("wait", span, _):
                self.now += span
            case ("count", index, (number, _)):
                scope = "ab"[number % 2]
                self.gateways[index].correct("x", self.count(index, scope) // self.limit.per_us, self.now, scope)
            case ("freeze", index, (number, _)):
                self.gateways[index].freeze(self.now + SECOND, "x", ("a", "b", "", "")[number])
            case (name, index, (to, _)):
                self.apply((name, index, to))


@settings(max_examples=200, deadline=None)
@given(COUNTERS, OWNERS, COUNTED)
def test_no_counter_passes_its_cap_whatever_is_granted_corrected_moved_or_restarted(limit, owner, events):
    fleet = CounterFleet(limit, owner)
    for event in events:
        fleet.step(event)
        fleet.now += 1


def test_a_venue_s_count_leaves_each_gateway_its_share_of_what_is_left():
    limit = counter("x", 80, 1, 1_000 * SECOND)
    gateways = [full(limit, owned=owned, partitions=8) for owned in (6, 2)]
    now = 1_000 * limit.per_us
    for gateway in gateways:
        gateway.correct("x", 40, now, "pair")
    assert [drain(gateway, (Charge("x", 1, "pair"),), PLACE, now) for gateway in gateways] == [30, 10]
    assert [drain(gateway, (Charge("x", 1, "other"),), PLACE, now) for gateway in gateways] == [60, 20]


def test_a_count_beyond_the_cap_has_to_fall_before_anything_is_granted():
    limit = counter("x", 10, 1, SECOND)
    throttle, now = full(limit), 1_000 * SECOND
    throttle.correct("x", 13, now)
    assert throttle.take((Charge("x", 1),), CANCEL, now) == now + 4 * SECOND
    throttle.correct("x", 0, now + SECOND)  # an old count gives nothing back
    assert throttle.take((Charge("x", 1),), CANCEL, now + SECOND) == now + 4 * SECOND


def test_a_limit_of_each_key_is_every_gateway_s_own_and_stays_so_whatever_it_owns():
    limit = counter("x", 14, 33, 100 * SECOND, per_key=True)
    throttle = Throttle([limit], 64, 0.2, 0)
    throttle.own(1, 0)
    now = 1_000 * SECOND
    assert drain(throttle, (Charge("x", 1),), PLACE, now) == 14
    throttle.own(40, now)
    assert throttle.take((Charge("x", 1),), PLACE, now) == now + -(-100 * SECOND // 33)
    throttle.own(0, now)
    assert throttle.take((Charge("x", 1),), PLACE, now + 50 * SECOND) == NEVER_US


def test_a_frozen_scope_leaves_the_others_of_its_limit_alone():
    limit = counter("x", 10, 1, SECOND)
    throttle, now = full(limit), 1_000 * SECOND
    throttle.freeze(now + 5 * SECOND, "x", "a")
    assert throttle.take((Charge("x", 1, "a"),), PLACE, now) == now + 5 * SECOND
    assert throttle.take((Charge("x", 1, "b"),), PLACE, now) is None
    throttle.freeze(now + 9 * SECOND, "x")
    for scope in ("a", "b", "one that comes up later"):
        assert throttle.take((Charge("x", 1, scope),), PLACE, now) == now + 9 * SECOND


def test_a_counter_gives_its_cap_at_once_and_then_its_decay():
    limit = counter("calls", 20, 1, 2 * SECOND)
    throttle = full(limit)
    now = 1_000 * limit.per_us
    assert drain(throttle, (Charge("calls", 1),), PLACE, now) == 20
    assert throttle.take((Charge("calls", 1),), PLACE, now) == now + 2 * SECOND


def test_each_scope_of_a_limit_has_its_own_tokens_from_when_the_limit_has_been_there():
    limit = counter("pair", 5, 1, SECOND)
    throttle = Throttle([limit], 1, 0.2, 0)
    throttle.own(1, 0)
    assert throttle.take((Charge("pair", 1, "XBT/USD"),), PLACE, 0) == SECOND
    now = 3 * SECOND
    assert drain(throttle, (Charge("pair", 1, "ETH/USD"),), PLACE, now) == 3
    assert throttle.left(now)["pair"] == 0
    now = 10 * SECOND
    assert drain(throttle, (Charge("pair", 1, "XBT/USD"),), PLACE, now) == 5
    assert drain(throttle, (Charge("pair", 1, "SOL/USD"),), PLACE, now) == 5
    assert throttle.take((Charge("pair", 1, "SOL/USD"),), PLACE, now) == now + SECOND
