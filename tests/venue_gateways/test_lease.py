import pytest

from venue_gateways.lease import LeaseTooShort, lease

SECOND = 1_000_000


def test_no_order_is_signed_later_than_the_venue_would_refuse_it_before_somebody_else_may_own_the_partition():
    session_s, window_s = 10, 5
    held = lease(session_s * 1000, window_s * 1000)
    held.renew(100 * SECOND)
    last_signed = max(now for now in range(100 * SECOND, 120 * SECOND, 1000) if held.holds(now))
    somebody_else = (100 + session_s) * SECOND
    assert last_signed + window_s * SECOND < somebody_else - SECOND // 2
    assert last_signed > 103 * SECOND


def test_an_unproven_or_ended_lease_does_not_hold():
    held = lease(10_000, 5_000)
    assert not held.holds(1)
    held.renew(SECOND)
    assert held.holds(SECOND)
    held.end()
    assert not held.holds(SECOND)


def test_an_older_proof_does_not_shorten_it():
    held = lease(10_000, 5_000)
    held.renew(5 * SECOND)
    held.renew(2 * SECOND)
    assert held.holds(8 * SECOND)


def test_a_session_that_leaves_no_time_for_orders_is_refused():
    lease(7_000, 5_000)
    with pytest.raises(LeaseTooShort, match="raise the one or lower the other"):
        lease(6_999, 5_000)
