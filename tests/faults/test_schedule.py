"""The schedule is the seed's, fits its run, and holds in twenty minutes what is promised of them."""

from itertools import pairwise

import pytest

from runtime.chaos.deeds import Lie
from runtime.chaos.faults import BY_NAME, FAULTS
from runtime.chaos.report import INVARIANTS
from runtime.chaos.schedule import FROM_SHARE, FULL_S, TO_SHARE, Terms, Track, schedule
from runtime.trial import oracle
from venue_gateways.simulator import faults as lies

TERMS = [fault.terms for fault in FAULTS]


def names(acts):
    return [act.fault for track in acts.values() for act in track]


def test_a_seed_is_a_schedule():
    assert schedule(TERMS, 5, FULL_S, 10.0) == schedule(TERMS, 5, FULL_S, 10.0)
    assert schedule(TERMS, 5, FULL_S, 10.0) != schedule(TERMS, 6, FULL_S, 10.0)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("duration_s", [30.0, 300.0, FULL_S])
def test_faults_of_a_track_never_overlap_and_all_end_in_time(seed, duration_s):
    for track, acts in schedule(TERMS, seed, duration_s, 7.0).items():
        for act, following in pairwise(acts):
            assert act.at_s + act.length_s <= following.at_s + 0.02
        assert all(BY_NAME[act.fault].terms.track is track for act in acts)
        assert acts[0].at_s >= duration_s * FROM_SHARE
        assert acts[-1].at_s + acts[-1].length_s <= duration_s * TO_SHARE + 0.02


@pytest.mark.parametrize("seed", range(10))
def test_twenty_minutes_hold_every_fault_and_sixty_kills_and_stalls(seed):
    found = names(schedule(TERMS, seed, FULL_S, 10.0))
    assert set(found) == set(BY_NAME)
    assert sum("killed" in name or "stopped" in name for name in found) >= 60
    assert {name: found.count(name) for name in BY_NAME} == {terms.name: terms.times for terms in TERMS}


def test_a_fault_that_lasts_past_the_session_does():
    lane = schedule(TERMS, 1, FULL_S, 10.0)[Track.LANE]
    assert all(act.length_s >= 14 for act in lane if act.fault == "worker_stopped_past_session")
    assert all(act.length_s <= 4.5 for act in lane if act.fault == "worker_stopped_briefly")


def test_what_does_not_fit_is_left_out():
    long = Terms(name="long", track=Track.VENUE, times=1, length_s=(100, 100))
    short = Terms(name="short", track=Track.VENUE, times=1, length_s=(1, 1))
    assert names(schedule([long, short], 1, 30.0, 10.0)) == ["short"]


def test_every_lie_that_the_venue_knows_is_told_but_one():
    told = {name for fault in FAULTS if isinstance(fault.deed, Lie) for name in fault.deed.plan}
    assert set(lies.NAMES) - told == {"forbidden"}  # after a 403, a gateway holds off for a minute: most of a short run


def test_every_check_stands_for_an_invariant():
    checks = {check.__name__ for check in oracle.CHECKS} | {"users_records_are_in_their_partition"}
    assert checks <= set(INVARIANTS)
    assert {f"I{number}" for number in range(1, 9)} <= set(INVARIANTS.values())
