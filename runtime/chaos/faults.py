"""The table of faults: what it is called, what it does to whom, how often in twenty minutes, for how long."""

from typing import Final

import msgspec

from runtime.chaos import deeds
from runtime.chaos.deeds import GATEWAYS, WORKERS, Deed
from runtime.chaos.proxy import Ill
from runtime.chaos.schedule import Terms, Track
from runtime.chaos.stage import BROKER

VENUE: Final = "venue"


class Fault(msgspec.Struct, frozen=True):
    """A kind of fault: what it does in words, how it is done, and its terms."""

    does: str
    deed: Deed
    terms: Terms


def _fault(track: Track, name: str, times: int, does: str, deed: Deed, **terms: object) -> Fault:
    return Fault(does, deed, msgspec.convert({"name": name, "track": track, "times": times, **terms}, Terms))


LANE, EDGE, STORE = Track.LANE, Track.VENUE, Track.ANALYTICS

FAULTS: Final = (
    # workers and broker, one after the other
    _fault(LANE, "worker_killed", 14, "kill -9 of a worker", deeds.kill(*WORKERS), rest_s=9),
    _fault(
        LANE,
        "worker_killed_in_recovery",
        4,
        "kill -9 of a worker, and twice more while it comes back",
        deeds.kill_recovering(*WORKERS),
        length_s=(5, 5),
        rest_s=12,
    ),
    _fault(
        LANE,
        "worker_stopped_briefly",
        6,
        "SIGSTOP of a worker for less than its session",
        deeds.stop(*WORKERS),
        length_s=(1.5, 4.5),
        rest_s=3,
    ),
    _fault(
        LANE,
        "worker_stopped_past_session",
        4,
        "SIGSTOP of a worker until others own its partitions: the zombie must be fenced and end",
        deeds.stop_past_session,
        length_s=(4, 8),
        sessions=1,
        rest_s=12,
        scaled=True,
    ),
    _fault(
        LANE,
        "third_worker",
        4,
        "another worker joins, stays a while, and leaves: two rebalances",
        deeds.join_and_leave,
        length_s=(10, 18),
        rest_s=8,
        scaled=True,
    ),
    _fault(LANE, "broker_killed", 4, "kill -9 of the broker, restarted on its data", deeds.kill(BROKER), rest_s=25),
    _fault(
        LANE,
        "broker_stopped_5_s",
        5,
        "SIGSTOP of the broker",
        deeds.stop(BROKER),
        length_s=(5, 5),
        rest_s=8,
        scaled=True,
    ),
    _fault(
        LANE,
        "broker_stopped_30_s",
        2,
        "SIGSTOP of the broker, longer than any session",
        deeds.stop(BROKER),
        length_s=(30, 30),
        rest_s=20,
        scaled=True,
    ),
    _fault(
        LANE,
        "broker_delayed",
        4,
        "everything to and from the broker is 0.2 s late",
        deeds.path(BROKER, Ill.DELAYED, 0.2),
        length_s=(8, 12),
        rest_s=4,
        scaled=True,
    ),
    _fault(LANE, "broker_cut", 5, "all connections to the broker are reset", deeds.path(BROKER, Ill.CUT), rest_s=8),
    _fault(
        LANE,
        "broker_half_open",
        3,
        "the broker hears everybody, and nobody hears the broker",
        deeds.path(BROKER, Ill.MUTE),
        length_s=(4, 8),
        rest_s=12,
    ),
    # gateway, venue, and what lies between
    _fault(EDGE, "gateway_killed", 9, "kill -9 of a gateway", deeds.kill(*GATEWAYS), rest_s=10),
    _fault(
        EDGE,
        "gateway_away",
        2,
        "kill -9 of a gateway, which stays away until the other has its partitions; then it comes back for them",
        deeds.take_down(*GATEWAYS),
        length_s=(3, 8),
        sessions=1,
        rest_s=10,
        scaled=True,
    ),
    _fault(
        EDGE,
        "gateway_killed_in_recovery",
        2,
        "kill -9 of a gateway, and twice more while it comes back",
        deeds.kill_recovering(*GATEWAYS),
        length_s=(5, 5),
        rest_s=10,
    ),
    _fault(
        EDGE,
        "gateway_stopped_past_session",
        4,
        "SIGSTOP of a gateway for longer than its lease",
        deeds.stop(*GATEWAYS),
        length_s=(1, 5),
        sessions=1,
        rest_s=10,
        scaled=True,
    ),
    _fault(
        EDGE,
        "venue_delayed",
        4,
        "everything to and from the venue is 0.3 s late",
        deeds.path(VENUE, Ill.DELAYED, 0.3),
        length_s=(6, 14),
        rest_s=4,
        scaled=True,
    ),
    _fault(EDGE, "venue_cut", 6, "all connections to the venue are reset", deeds.path(VENUE, Ill.CUT), rest_s=5),
    _fault(
        EDGE,
        "venue_half_open",
        4,
        "the venue hears the gateway, and its answers never arrive",
        deeds.path(VENUE, Ill.MUTE),
        length_s=(3, 8),
        rest_s=8,
    ),
    _fault(
        EDGE,
        "venue_unreachable",
        2,
        "connections to the venue stand, and nothing arrives either way",
        deeds.path(VENUE, Ill.DEAF),
        length_s=(3, 8),
        rest_s=8,
    ),
    _fault(
        EDGE,
        "venue_loses_answers",
        4,
        "requests get lost before they are performed, or their answers afterwards",
        deeds.lie(request_lost=0.05, response_lost=0.1, error_after=0.05, error_before=0.05, truncated=0.02, html=0.02),
        length_s=(8, 20),
        rest_s=4,
        scaled=True,
    ),
    _fault(
        EDGE,
        "venue_stalls",
        3,
        "requests are performed late, or answered late, some by ten seconds",
        deeds.lie(stall_before=0.02, stall_after=0.02, delay=0.3, delay_ms=300, hold=0.2),
        length_s=(8, 20),
        rest_s=4,
        scaled=True,
    ),
    _fault(
        EDGE,
        "venue_refuses",
        3,
        "429 and 418 with Retry-After",
        deeds.lie(too_many_requests=0.05, banned=0.002, retry_after_s=1, ban_s=3),
        length_s=(6, 12),
        rest_s=6,
        scaled=True,
    ),
    _fault(
        EDGE,
        "venue_hides",
        3,
        "new orders can't be found for two seconds, lists of open orders are empty",
        deeds.lie(hide=0.3, empty_open_orders=0.5, response_lost=0.05),
        length_s=(8, 20),
        rest_s=4,
        scaled=True,
    ),
    _fault(
        EDGE,
        "venue_denies",
        3,
        "answers get lost, and who asks is told that there is no such order",
        deeds.lie(deny=1.0, response_lost=0.1),
        length_s=(8, 14),
        rest_s=4,
        scaled=True,
    ),
    _fault(
        EDGE,
        "venue_fills_first",
        3,
        "orders are filled just before they would be canceled",
        deeds.lie(fill_first=0.5),
        length_s=(6, 12),
        rest_s=4,
        scaled=True,
    ),
    _fault(
        EDGE,
        "stream_lies",
        5,
        "events of the venue's stream are lost, doubled, late and out of order",
        deeds.lie(stream_loss=0.1, stream_duplicate=0.1, stream_reorder=0.1, stream_delay=0.1, stream_reset=0.01),
        length_s=(8, 20),
        rest_s=4,
        scaled=True,
    ),
    # sink and ClickHouse
    _fault(STORE, "sink_killed", 8, "kill -9 of the sink", deeds.kill("sink"), rest_s=10),
    _fault(STORE, "clickhouse_killed", 4, "kill -9 of ClickHouse", deeds.kill("clickhouse"), rest_s=15),
    _fault(
        STORE,
        "clickhouse_away",
        2,
        "ClickHouse is killed and stays away for minutes",
        deeds.take_down("clickhouse"),
        length_s=(90, 150),
        rest_s=20,
        scaled=True,
    ),
    _fault(
        STORE,
        "sink_stopped_past_session",
        2,
        "SIGSTOP of the sink",
        deeds.stop("sink"),
        length_s=(2, 5),
        sessions=1,
        rest_s=10,
    ),
)

BY_NAME: Final = {fault.terms.name: fault for fault in FAULTS}
