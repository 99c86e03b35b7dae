import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

import tests.simulation.points as points_
import tests.simulation.world as world_
from agents import desk
from domain import reports
from domain.decision import Policy
from streaming import failure
from streaming.chunk import Stretch
from streaming.partition import Partition
from streaming.writer import Writer
from tests.simulation.broker import Broker
from tests.simulation.installed import installed
from tests.simulation.points import InjectedError, Point
from tests.simulation.simulation import never_struck, simulate
from tests.simulation.venue import Venue
from venue_gateways import clock, gateway, requests
from venue_gateways.handling import Handling
from venue_gateways.lease import Lease
from venue_gateways.progress import Inherited
from venue_gateways.venue import ReadClock

ROOT = Path(__file__).parents[2]
WORLDS = 120
#: A world without one of its guards is found out within so many seeds.
FOUND_WITHIN = 150
LEASE_WORLDS = 30


def test_worlds_keep_their_promises_wherever_processes_are_struck():
    with installed():
        outcomes = [simulate(seed) for seed in range(WORLDS)]
    broken = {outcome.seed: outcome.violations for outcome in outcomes if outcome.violations}
    assert broken == {}, f"play one again: python -m tests.simulation --seed {min(broken)} --trace"
    assert never_struck(outcomes) == []
    assert min(outcome.commands for outcome in outcomes) >= 30
    assert sum(outcome.trades for outcome in outcomes) > 10 * WORLDS


def test_a_seed_makes_the_same_world_each_time():
    """Also in another process, which hashes strings differently and has other addresses."""
    story = []
    with installed():
        simulate(7, story.append)
    command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--trace"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[: len(story)] == story
    assert len(story) > 300


def test_a_seed_can_be_played_again_from_the_command_line():
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "2", "--first", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "2 worlds" in done.stdout
    assert done.returncode == 1, "two worlds can't have struck every point"
    assert "never struck" in done.stdout


# ── worlds without a guard ──────────────────────────────────────────────────────────────────────────────────────────


def resend_without_asking(patch):
    """A successor does what its predecessor had begun, as if it had not."""
    patch.setattr(requests, "inherit", lambda _committed, _metadata, _end: Inherited())


def send_without_intent(patch):
    """Nobody is told before a placement is sent."""

    async def intended(_handling, _work):
        return True

    patch.setattr(Handling, "_intended", intended)


def believe_the_first_look(patch):
    """An order that isn't found once is placed again."""
    patch.setattr(desk, "policy", lambda *_: Policy(unknown_bound_us=0, looks_min=1))


def book_fills_again(patch):
    """A trade that is told twice is booked twice."""
    settle = reports._settle

    def forgetful(*arguments, **options):
        return msgspec.structs.replace(settle(*arguments, **options), trade_ids=())

    patch.setattr(reports, "_settle", forgetful)


def take_overlaps_again(patch):
    """What is delivered twice is decided twice."""
    patch.setattr(Stretch, "after", lambda stretch, _offset: stretch)


def pass_over_gaps(patch):
    """What is not delivered is not missed."""
    patch.setattr(
        Partition,
        "_seek_back",
        lambda partition, topic, stretch: partition._next_offsets.update({topic: stretch.start}),
    )


def go_on_after_errors(patch):
    """A chunk that failed half-way is followed by the next, in the same transaction."""
    stop = failure.stop

    def forgiving(event, error=None, **facts):
        if not isinstance(error, InjectedError):
            stop(event, error, **facts)

    patch.setattr(failure, "stop", forgiving)
    patch.setattr(Writer, "abort", lambda _writer: None)


def fence_nobody(patch):
    """Two owners of a partition may commit."""
    patch.setattr(Broker, "fencing", False)


def believe_the_wall_clock(patch):
    """Limits and signatures go by a clock that jumps."""
    patch.setattr(clock.VenueClock, "now_us", lambda _clock: clock.wall_us())


GUARDS = [
    resend_without_asking,
    send_without_intent,
    believe_the_first_look,
    book_fills_again,
    take_overlaps_again,
    pass_over_gaps,
    go_on_after_errors,
    fence_nobody,
    believe_the_wall_clock,
]


@pytest.mark.parametrize("removed", GUARDS, ids=lambda guard: guard.__name__)
def test_a_world_without_a_guard_is_found_out(removed, monkeypatch):
    with installed(), monkeypatch.context() as patch:
        removed(patch)
        assert any(simulate(seed).violations for seed in range(FOUND_WITHIN))


def gateways_that_are_away_for_long(patch):
    """Stopped right after they have said what they are going to send, for longer than the domain waits for proof."""
    patch.setattr(points_, "POINTS", (Point.GATEWAY_INTENDED,))
    patch.setattr(points_, "FREEZES", 1.0)
    patch.setattr(world_, "STRIKES", 1)
    patch.setattr(world_, "FROZEN_S", (45.0,))
    patch.setattr(world_, "FAULTS_UNTIL_S", 85.0)
    patch.setattr(world_, "MISFORTUNE_EVERY_S", 1e9)


@pytest.mark.parametrize("leased", [True, False])
def test_only_the_lease_keeps_a_gateway_that_was_away_from_sending(leased, monkeypatch):
    with installed(), monkeypatch.context() as patch:
        gateways_that_are_away_for_long(patch)
        if not leased:
            patch.setattr(Lease, "holds", lambda _lease, _now_us: True)
        twice = any("was placed 2 times" in str(simulate(seed).violations) for seed in range(LEASE_WORLDS))
    assert twice is not leased


def test_gateways_ask_for_the_venue_s_time_now_and_then(monkeypatch):
    asked: Counter[type] = Counter()
    receive = Venue.receive

    def counted(venue, call, *rest):
        asked[type(call)] += 1
        receive(venue, call, *rest)

    with installed(), monkeypatch.context() as patch:
        patch.setattr(Venue, "receive", counted)
        simulate(1)
        seldom = asked.pop(ReadClock)
        patch.setattr(gateway, "_CLOCK_INTERVAL_S", 5.0)
        simulate(1)
    assert asked[ReadClock] > seldom


def test_every_point_belongs_to_a_worker_or_a_gateway():
    assert {point.value.split(",")[0] for point in Point} == {"worker", "gateway"}
