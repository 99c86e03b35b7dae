import pytest
from hypothesis import given
from hypothesis import strategies as st

from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.limits import AccountMeter, AddressMeter, Ban, Limit, LimitType

SECOND = 1_000_000
NOON = 1_800_000_000 * SECOND
WEIGHT = Limit(LimitType.REQUEST_WEIGHT, "MINUTE", 1, 100)
RAW = Limit(LimitType.RAW_REQUESTS, "MINUTE", 5, 30)
ORDERS = Limit(LimitType.ORDERS, "SECOND", 10, 5)


def refused(meter, weight, now):
    """Status and end of the refusal, or None."""
    try:
        meter.charge(weight, now)
    except ApiError as error:
        return error.status, error.retry_at
    return None


@given(st.lists(st.tuples(st.integers(0, 90 * SECOND), st.integers(1, 60)), max_size=60))
def test_no_window_ever_lets_more_through_than_is_published(requests):
    meter, now, granted = AddressMeter([WEIGHT, RAW], Ban(tolerated=10**9)), NOON, []
    for wait, weight in requests:
        now += wait
        if refused(meter, weight, now) is None:
            granted.append((now, weight))
    for limit, cost in ((WEIGHT, lambda weight: weight), (RAW, lambda _: 1)):
        used: dict[int, int] = {}
        for at, weight in granted:
            used[at // limit.interval_us] = used.get(at // limit.interval_us, 0) + cost(weight)
        assert all(count <= limit.limit for count in used.values())


def test_a_window_is_aligned_to_the_clock_and_ends_when_it_says():
    meter, start = AddressMeter([WEIGHT], Ban()), NOON // WEIGHT.interval_us * WEIGHT.interval_us
    assert refused(meter, 100, start + 59 * SECOND) is None
    assert refused(meter, 1, start + 59 * SECOND + 1) == (429, start + 60 * SECOND)
    assert refused(meter, 100, start + 60 * SECOND) is None


def test_who_goes_on_after_a_429_is_banned_for_ever_longer():
    ban = Ban(tolerated=3, grace_us=SECOND, first_s=120, longest_s=300)
    meter, now = AddressMeter([WEIGHT], ban), NOON // WEIGHT.interval_us * WEIGHT.interval_us
    for lasts in (120, 240, 300, 300):
        assert refused(meter, 101, now)[0] == 429
        for _ in range(100):
            assert refused(meter, 1, now + SECOND)[0] == 429, "what was on its way already is no offence"
        for _ in range(3):
            assert refused(meter, 1, now + SECOND + 1)[0] == 429
        now += SECOND + 1
        until = now + lasts * SECOND
        assert refused(meter, 1, now) == (418, until)
        assert refused(meter, 1, until - 1) == (418, until)
        now = -(-until // WEIGHT.interval_us) * WEIGHT.interval_us
        assert refused(meter, 1, now) is None
        now += WEIGHT.interval_us


def test_who_waits_is_never_banned():
    meter, now = AddressMeter([WEIGHT], Ban(tolerated=0)), NOON
    for _ in range(50):
        answer = refused(meter, 60, now)
        assert answer is None or answer[0] == 429
        now = answer[1] if answer else now + SECOND


def test_connections_cost_weight_and_are_counted():
    meter = AddressMeter([WEIGHT], Ban())
    meter.connect(NOON)
    assert meter.windows[0].count == 2
    generous = AddressMeter([], Ban())
    for _ in range(300):
        generous.connect(NOON)
    with pytest.raises(ApiError) as raised:
        generous.connect(NOON)
    assert (raised.value.status, raised.value.code) == (429, -1034)
    generous.connect(NOON + 300 * SECOND)


def test_unfilled_orders_are_counted_until_they_trade():
    meter, now = AccountMeter([ORDERS]), NOON // ORDERS.interval_us * ORDERS.interval_us
    for _ in range(5):
        assert meter.full(now) is None
        meter.add(now)
    assert meter.full(now).ends_at() == now + 10 * SECOND
    meter.filled(now, maker=False)
    assert meter.windows[0].count == 4
    meter.filled(now, maker=True)
    assert meter.windows[0].count == 0, "no credit for more than there is"
    for _ in range(5):
        meter.add(now)
    assert meter.full(now) is not None
    assert meter.full(now + 10 * SECOND) is None


def test_the_window_that_stays_full_the_longest_counts():
    day = Limit(LimitType.ORDERS, "DAY", 1, 5)
    meter = AccountMeter([ORDERS, day])
    for _ in range(5):
        meter.add(NOON)
    assert meter.full(NOON).limit is day


def test_headers_name_the_interval():
    assert [limit.suffix for limit in (WEIGHT, RAW, ORDERS)] == ["1M", "5M", "10S"]
