"""The doctor's judgement, without a system: which hop is blamed for what, and what it says to do."""

import math
from typing import Final

import msgspec
import pytest

from observation.burrow import State
from observation.doctor import rules
from observation.doctor.command import document
from observation.doctor.facts import Broker, ClickHouse, Facts, Process, TopicFault, Trouble, Venue
from observation.doctor.finding import Hop, Verdict
from observation.doctor.words import age
from observation.groups import Group
from observation.lag import Place
from observation.lags import GroupLag, PartitionLag

VENUE: Final = "binance"
PROCESSES: Final = ("worker-0", "worker-1", f"gateway-{VENUE}", "sink", "probe")
READS: Final = {
    "workers": Group("fillstream", "workers", ("order-commands",)),
    "gateway": Group(f"fillstream-gateway-{VENUE}", "gateway", (f"venue-requests.{VENUE}",), VENUE),
    "sink": Group("fillstream-sink", "sink", ("order-events",)),
}


def process(name, *, answers=True, **values):
    return Process(name=name, url=f"http://{name}", answers=answers, values=values)


def partition(topic, number=0, *, records=0, seconds=0.0, state=State.OK, owner="somebody"):
    return PartitionLag(
        place=Place(topic, number), committed=7, records=records, seconds=seconds, state=state, owner=owner
    )


def standing(readers, *partitions, members=("somebody",), drain_s=None):
    group = READS[readers]
    return GroupLag(
        group=group,
        at_s=0.0,
        members=members,
        partitions=partitions or (partition(group.topics[0]),),
        drain_s=drain_s or {},
    )


WELL = Facts(
    broker=Broker(address="kafka:9092", answers=True, version="4.1"),
    topics=(),
    groups=tuple(map(standing, READS)),
    processes=tuple(map(process, PROCESSES)),
    venues=(Venue(name=VENUE, url="https://v", answers=True, clock_offset_s=0.02),),
    clickhouse=ClickHouse(address="http://c", answers=True, version="26.9", newest_s={"order_events": 1.0}),
)


def without(facts, *names):
    """The same with these processes silent."""
    processes = tuple(process(each.name, answers=False) if each.name in names else each for each in facts.processes)
    return msgspec.structs.replace(facts, processes=processes)


def with_values(facts, name, **values):
    processes = tuple(process(name, **values) if each.name == name else each for each in facts.processes)
    return msgspec.structs.replace(facts, processes=processes)


def with_group(facts, readers, *partitions, **more):
    groups = tuple(
        standing(readers, *partitions, **more) if each.group.readers == readers else each for each in facts.groups
    )
    return msgspec.structs.replace(facts, groups=groups)


def with_venue(facts, **values):
    (venue,) = facts.venues
    return msgspec.structs.replace(facts, venues=(msgspec.structs.replace(venue, **values),))


def with_clickhouse(facts, **values):
    return msgspec.structs.replace(facts, clickhouse=msgspec.structs.replace(facts.clickhouse, **values))


NO_BROKER = msgspec.structs.replace(
    WELL, broker=Broker(address="kafka:9092", answers=False, detail="refused"), topics=None, groups=None
)
MISSING = TopicFault(topic="transfers", missing=True, what="doesn't exist", mend="fillstream topics")
STALLED = partition("order-events", records=9, seconds=40.0, state=State.STALL)
WAITING_REQUEST = partition(f"venue-requests.{VENUE}", records=3, seconds=61.0, state=State.STALL)


def blamed(facts):
    return [finding.name for finding in rules.diagnose(facts) if finding.verdict is Verdict.BROKEN]


def warned(facts):
    return [finding.name for finding in rules.diagnose(facts) if finding.verdict is Verdict.WARN]


def said(facts):
    return rules.sentence(rules.diagnose(facts))


def test_where_all_is_well_every_hop_says_so():
    findings = rules.diagnose(WELL)
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert [finding.hop for finding in findings] == list(Hop)
    assert said(WELL) == "Records go through: every hop does its work, and nobody is behind."


@pytest.mark.parametrize(
    ("facts", "names", "begins"),
    [
        pytest.param(
            NO_BROKER,
            ["broker"],
            "Records stop at the broker: Kafka doesn't answer at kafka:9092 (refused); start it again",
            id="no broker",
        ),
        pytest.param(
            without(NO_BROKER, "worker-0", "worker-1"),
            ["broker", "workers"],
            "Records stop at the broker: ",
            id="no broker, and workers that end for it",
        ),
        pytest.param(
            msgspec.structs.replace(WELL, topics=(MISSING,)),
            ["topics transfers"],
            "Records stop at topic transfers: transfers is missing; mend it by `fillstream topics`.",
            id="a topic is missing",
        ),
        pytest.param(
            without(WELL, "worker-0", "worker-1"),
            ["workers"],
            "Records stop at the workers: worker-0 and worker-1 don't answer; start workers (`fillstream worker`)",
            id="no worker answers",
        ),
        pytest.param(
            with_group(msgspec.structs.replace(WELL, processes=()), "workers", members=()),
            ["workers"],
            "Records stop at the workers: nobody is in the group fillstream; start workers",
            id="nobody in a group whose processes nobody knows",
        ),
        pytest.param(
            with_values(WELL, "worker-1", imbalance=2.0),
            ["workers"],
            "Records stop at the workers: worker-1 has a ledger that is off by 2; take the gateways away",
            id="a ledger that is off",
        ),
        pytest.param(
            with_venue(WELL, answers=False, detail="nothing for 4 s"),
            [f"venue {VENUE}"],
            "Records stop at the venue binance: it doesn't answer at https://v (nothing for 4 s); look at its status",
            id="a venue that doesn't answer",
        ),
        pytest.param(
            with_group(with_venue(WELL, answers=False), "gateway", WAITING_REQUEST),
            [f"venue {VENUE}"],
            "Records stop at the venue binance: ",
            id="requests that wait for a venue are the venue's",
        ),
        pytest.param(
            with_values(WELL, f"gateway-{VENUE}", breaker=1.0),
            [f"venue {VENUE}"],
            "Records stop at the venue binance: its gateway has ceased to place orders",
            id="an open breaker",
        ),
        pytest.param(
            with_venue(WELL, credentials="credentials x.toml has mode 0644"),
            [f"venue {VENUE}"],
            "Records stop at the venue binance: credentials x.toml has mode 0644; mend that",
            id="credentials that others may read",
        ),
        pytest.param(
            without(WELL, f"gateway-{VENUE}"),
            [f"gateway {VENUE}"],
            "Records stop at the gateway to binance: gateway-binance doesn't answer; start a gateway "
            "(`fillstream gateway binance`)",
            id="no gateway",
        ),
        pytest.param(
            with_group(WELL, "gateway", WAITING_REQUEST),
            [f"gateway {VENUE}"],
            "Records stop at the gateway to binance: nothing is taken from venue-requests.binance (1 partition), "
            "where 3 records wait, the first for 61 s",
            id="a gateway that is there and does nothing",
        ),
        pytest.param(
            with_clickhouse(WELL, answers=False, detail="Connection refused"),
            ["ClickHouse"],
            "Records stop at ClickHouse: it doesn't answer at http://c (Connection refused); start it again",
            id="no ClickHouse",
        ),
        pytest.param(
            with_group(with_clickhouse(WELL, answers=False), "sink", STALLED),
            ["ClickHouse"],
            "Records stop at ClickHouse: ",
            id="a sink that waits for ClickHouse isn't to blame",
        ),
        pytest.param(
            with_clickhouse(WELL, refused="migration 3 has changed"),
            ["ClickHouse"],
            "Records stop at ClickHouse: migration 3 has changed; ",
            id="a database of another program",
        ),
        pytest.param(
            without(WELL, "sink"),
            ["sink"],
            "Records stop at the sink: sink doesn't answer; start a sink (`fillstream sink`)",
            id="no sink",
        ),
        pytest.param(
            with_group(WELL, "sink", STALLED),
            ["sink"],
            "Records stop at the sink: nothing is taken from order-events (1 partition), where 9 records wait, the "
            "first for 40 s; ",
            id="a sink that is there and does nothing",
        ),
        pytest.param(
            with_values(WELL, "sink", stopped=2.0),
            ["sink"],
            "Records stop at the sink: 2 of its partitions are stopped until somebody looks; ",
            id="partitions that the sink has stopped",
        ),
    ],
)
def test_the_hop_where_records_stop_is_named_with_what_to_do(facts, names, begins):
    assert blamed(facts) == names
    sentence = said(facts)
    assert sentence.startswith(begins)
    assert sentence.endswith(".")
    assert all(finding.remedy for finding in rules.diagnose(facts) if finding.verdict > Verdict.UNTOLD)


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        pytest.param(without(WELL, "worker-1"), ["workers"], id="one of two workers"),
        pytest.param(
            msgspec.structs.replace(
                WELL, broker=Broker(address="kafka:9092", answers=True, detail="timed out"), groups=None
            ),
            ["broker"],
            id="a broker that tells its topics and no groups",
        ),
        pytest.param(without(WELL, "probe"), ["probe"], id="nobody measures"),
        pytest.param(
            with_group(WELL, "workers", partition("order-commands", owner=None)), ["workers"], id="a rebalance"
        ),
        pytest.param(
            with_group(WELL, "sink", partition("order-events", records=9, seconds=31.0, state=State.WARN)),
            ["sink"],
            id="late",
        ),
        pytest.param(
            with_values(with_venue(WELL, answers=False), f"gateway-{VENUE}", calls_answered=5.0),
            [f"venue {VENUE}"],
            id="a venue that answers its gateway",
        ),
        pytest.param(with_venue(WELL, clock_offset_s=-0.6), [f"venue {VENUE}"], id="a clock that is off"),
        pytest.param(with_clickhouse(WELL, migrations_missing=("0005 questions",)), ["ClickHouse"], id="migrations"),
        pytest.param(
            with_clickhouse(WELL, dead_letters=(Trouble(what="NULL_KEY of transfers", count=3),)),
            ["dead letters"],
            id="dead letters",
        ),
        pytest.param(
            with_clickhouse(WELL, unknown_orders=(Trouble(what="at binance", count=1),)), ["orders"], id="unknown"
        ),
        pytest.param(
            msgspec.structs.replace(WELL, topics=(msgspec.structs.replace(MISSING, missing=False),)),
            ["topics transfers"],
            id="a topic that is kept otherwise",
        ),
    ],
)
def test_what_somebody_should_look_at_stops_nothing(facts, names):
    assert blamed(facts) == []
    assert warned(facts) == names
    assert said(facts).startswith("Records go through, but look at ")


@pytest.mark.parametrize(
    "lag",
    [
        pytest.param(partition("order-events", records=9, seconds=9.0, state=State.STALL), id="for a moment only"),
        pytest.param(partition("order-events", records=9, seconds=25.0, state=State.WARN), id="moving"),
        pytest.param(partition("order-events", records=9, seconds=None, state=State.STALL), id="of unknown age"),
    ],
)
def test_a_lag_is_no_fault_while_it_is_young_or_moving(lag):
    assert blamed(with_group(WELL, "sink", lag)) == []


def test_a_request_may_wait_a_minute_for_its_venues_limits():
    young = msgspec.structs.replace(WAITING_REQUEST, seconds=25.0)
    assert blamed(with_group(WELL, "gateway", young)) == []


def test_what_is_behind_a_broken_hop_is_left_untold():
    untold = [finding.hop for finding in rules.diagnose(NO_BROKER) if finding.verdict is Verdict.UNTOLD]
    assert untold == [Hop.TOPICS, Hop.WORKERS, Hop.GATEWAY, Hop.SINK]
    none = with_clickhouse(WELL, answers=False)
    untold = [finding.hop for finding in rules.diagnose(none) if finding.verdict is Verdict.UNTOLD]
    assert untold == [Hop.DEAD_LETTERS, Hop.ORDERS]


def test_of_several_broken_hops_the_first_is_blamed_and_the_others_are_named():
    both = without(WELL, "worker-0", "worker-1", "sink")
    assert said(both).startswith("Records stop at the workers: ")
    assert said(both).endswith("; then look at the sink.")


def test_programs_get_the_same():
    told = document(rules.diagnose(without(WELL, "sink")))
    assert told["verdict"] == "broken"
    assert told["sentence"].startswith("Records stop at the sink")
    assert [each["hop"] for each in told["findings"] if each["verdict"] == "broken"] == ["sink"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7_200.0, "2 h"), (math.inf, "for ever")]
)
def test_ages_are_put_in_the_largest_unit_of_which_there_are_two(seconds, words):
    assert age(seconds) == words
