from domain.breaker import Breaker, BreakerState

SECOND = 1_000_000


def opened(at: int = 0) -> Breaker:
    breaker = Breaker(failures_max=3)
    for _ in range(3):
        breaker.failed(at)
    return breaker


def test_only_failures_in_a_row_open_it():
    breaker = Breaker(failures_max=3)
    for _ in range(10):
        breaker.failed(0)
        breaker.failed(0)
        breaker.succeeded(0)
    assert breaker.closed()
    assert breaker.state(0) is BreakerState.CLOSED
    assert not opened().closed()


def test_an_open_breaker_lets_nobody_probe_before_its_pause_is_over():
    breaker = opened()
    assert breaker.state(SECOND - 1) is BreakerState.OPEN
    assert breaker.probe(SECOND - 1) == SECOND
    assert breaker.state(SECOND) is BreakerState.HALF_OPEN
    assert breaker.probe(SECOND) is None


def test_one_probe_at_a_time_and_a_lost_one_is_given_up():
    breaker = opened()
    assert breaker.probe(SECOND) is None
    assert breaker.probe(SECOND) == 31 * SECOND
    assert breaker.probe(31 * SECOND) is None


def test_a_probe_that_succeeds_closes_it_and_forgets_the_past():
    breaker = opened()
    breaker.probe(SECOND)
    breaker.succeeded(SECOND)
    assert breaker == Breaker(failures_max=3)


def test_each_failed_probe_doubles_the_pause_up_to_the_longest():
    breaker, now, pauses = opened(), 0, []
    for _ in range(40):
        pauses.append(breaker.open_until_us - now)
        now = breaker.open_until_us
        assert breaker.probe(now) is None
        breaker.failed(now)
    assert pauses[:6] == [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND, 30 * SECOND]
    assert set(pauses[6:]) == {30 * SECOND}


def test_failures_of_calls_that_were_under_way_do_not_lengthen_the_pause():
    breaker = opened()
    breaker.failed(SECOND // 2)
    assert breaker.open_until_us == SECOND


def test_a_ban_holds_until_its_end_whatever_older_calls_answer():
    breaker = Breaker()
    breaker.open_for(120 * SECOND, 0)
    breaker.succeeded(SECOND)
    assert breaker.state(119 * SECOND) is BreakerState.OPEN
    breaker.open_for(SECOND, 0)
    assert breaker.open_until_us == 120 * SECOND
    breaker.succeeded(120 * SECOND)
    assert breaker.closed()
