"""The table of rights, without a broker: who may write what, and what becomes of it in Kafka's own tool."""

import shlex

import pytest
from typer.testing import CliRunner

from runtime import __main__ as command
from runtime import access, acls
from runtime.access import CREATE, READ, WRITE, Kind
from runtime.commands import running
from runtime.exits import Exit
from schemas import topics

ROLES = access.table(["binance", "simulated"])


def who_may(operation):
    """The roles that may do it, by topic. A prefix stands for all topics that begin so."""
    names = [topic.name for topic in topics.every(("binance", "simulated"))]
    allowed = {name: set() for name in names}
    for role, grants in ROLES.items():
        for grant in grants:
            if grant.kind is Kind.TOPIC and operation in grant.operations:
                for name in names:
                    if name in grant.names or (grant.prefixed and name.startswith(grant.names)):
                        allowed[name].add(role)
    return {name: roles for name, roles in allowed.items() if roles}


def test_each_topic_has_the_writers_that_the_architecture_names_and_no_other():
    gateways = {"gateway-binance", "gateway-simulated"}
    assert who_may(WRITE) == {
        "order-commands": {"upstream", "operator", "probe"},
        "transfers": {"treasury", "operator"},
        "venue-reports": gateways,
        "ticks": {"worker"},
        "order-events": {"worker"},
        "ledger-entries": {"worker"},
        "dead-letters": {"worker"} | gateways,
        "quotes": gateways,
        "venue-balances": gateways,
        "replays": {"operator"},
        "venue-requests.binance": {"worker", "operator"},
        "venue-requests.simulated": {"worker", "operator"},
        **{topic.name: {"worker"} for topic in topics.CHANGELOGS},
    }


def test_requests_to_a_venue_are_read_by_its_own_gateways_alone():
    readers = who_may(READ)
    assert readers["venue-requests.binance"] == {"gateway-binance", "sink", "operator", "probe"}
    assert readers["order-events"] == {"sink", "upstream", "treasury", "operator", "probe"}


def test_nobody_but_the_operator_makes_topics():
    assert set.union(*who_may(CREATE).values()) == {"operator"}


def test_the_sink_writes_nothing():
    assert not [grant for grant in ROLES["sink"] if WRITE in grant.operations]


def test_groups_and_transactions_of_one_role_are_nobody_elses():
    owned = [
        (grant.kind, name, role)
        for role, grants in ROLES.items()
        for grant in grants
        for name in grant.names
        if (grant.kind is Kind.GROUP and READ in grant.operations) or grant.kind is Kind.TRANSACTIONAL_ID
    ]
    assert len({(kind, name) for kind, name, _ in owned}) == len(owned)


def test_a_grant_is_one_line_for_kafkas_own_tool():
    granted = {"User:CN=sink,O=A B": ROLES["sink"]}
    first, second, third = (shlex.split(line) for line in acls.lines(granted, "kafka:9092"))
    assert first[:7] == [
        *("kafka-acls.sh", "--bootstrap-server", "kafka:9092", "--command-config", "admin.properties"),
        *("--add", "--allow-principal"),
    ]
    assert first[7:12] == ["User:CN=sink,O=A B", "--operation", "Read", "--topic", "order-commands"]
    assert second[8:] == ["--operation", "Read", "--topic", "venue-requests.", "--resource-pattern-type", "prefixed"]
    assert third[8:] == ["--operation", "Read", "--group", "fillstream-sink"]


@pytest.fixture
def invoke(monkeypatch):
    """Runs ``fillstream`` here; its log would go to a stream that ends with the call."""
    monkeypatch.setattr(running.telemetry, "configure_logging", lambda *_: None)
    return lambda *words: CliRunner().invoke(command.app, list(words))


def test_the_command_shows_every_role_under_its_own_name(invoke):
    shown = invoke("acls", "--principal", "User:CN={role}").stdout
    assert {f"User:CN={role}" for role in access.table(["simulated"])} == {
        shlex.split(line)[7] for line in shown.splitlines()
    }
    assert "--operation DescribeConfigs" in shown


def test_one_account_for_all_roles_is_refused(invoke):
    result = invoke("acls", "--principal", "User:fillstream")
    assert result.exit_code == Exit.USAGE
    assert "write {role} into it" in result.stderr


@pytest.mark.parametrize("name", sorted(running.ROLES))
def test_every_command_that_talks_to_kafka_names_a_role_of_the_table(name):
    role = running.ROLES[name].format(venue="simulated")
    assert role in {"", *ROLES}
