"""On a real broker with TLS, SCRAM and ACLs, each role does its work and is refused all other."""

import subprocess
import sys
from functools import partial

import pytest
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
)
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from runtime import access, acls, kafka
from runtime.access import DESCRIBE, READ, WRITE, Kind
from runtime.exits import Exit, Unavailable
from runtime.settings import SettingsError
from schemas import topics
from tests.security.guarded import MARK, ROLES, VENUE, password
from tests.security.installation import until
from tests.venue_gateways.harness import environment

TOPICS = [topic.name for topic in topics.every((VENUE,))]
GATEWAY = access.gateway(VENUE)
#: What includes to describe.
IMPLIED = {READ, WRITE}


# ── what each does ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_goes_from_upstream_through_worker_and_gateway_to_its_fill(trade):
    assert (trade.filled.user_id, trade.filled.order_id) == ("alice", "o-1")


def test_the_sink_stores_what_the_others_wrote(trade):
    assert trade.rows == 1


def test_every_group_commits_and_an_operator_sees_how_far(trade):
    assert all(trade.committed.values())


# ── and what it may not ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ROLES)
def test_the_broker_allows_each_role_what_the_table_does_and_nothing_else(guarded, role):
    granted = {name: set() for name in TOPICS}
    for grant in ROLES[role]:
        if grant.kind is Kind.TOPIC:
            for name in TOPICS:
                if name in grant.names or (grant.prefixed and name.startswith(grant.names)):
                    granted[name] |= {*grant.operations, *({DESCRIBE} if IMPLIED & {*grant.operations} else ())}
    asked = guarded.admin(role).describe_topics(TopicCollection(TOPICS), include_authorized_operations=True)
    assert {name: allowed(answer) for name, answer in asked.items()} == granted


def allowed(answer):
    try:
        return set(answer.result(20).authorized_operations)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise
        return set()


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("worker", topics.ORDER_COMMANDS),
        ("worker", topics.VENUE_REPORTS),
        (GATEWAY, topics.ORDER_EVENTS),
        (GATEWAY, topics.ORDER_COMMANDS),
        ("sink", topics.ORDER_EVENTS),
        ("sink", topics.DEAD_LETTERS),
        ("upstream", topics.TRANSFERS),
        ("upstream", topics.LEDGER_ENTRIES),
        ("operator", topics.LEDGER_ENTRIES),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_record_from_who_may_not_write_it_is_refused(guarded, role, topic):
    told = []
    producer = Producer(kafka.client(guarded.settings(role)) | {"log_level": 0})
    producer.produce(topic.name, b"", b"", 0, on_delivery=lambda error, _message: told.append(error.code()))
    assert producer.flush(20) == 0
    assert told == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


@pytest.mark.parametrize("role", sorted(ROLES.keys() - {"operator"}))
def test_nobody_creates_topics(guarded, role):
    made = guarded.admin(role).create_topics([NewTopic("more", 1, 1), NewTopic("fillstream-more", 1, 1)])
    for done in made.values():
        with pytest.raises(KafkaException) as refusal:
            done.result(20)
        assert refusal.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.parametrize("role", sorted(ROLES.keys() - {"worker"}))
def test_nobody_else_fences_a_worker_or_joins_its_group(guarded, role):
    producer = Producer(kafka.producer(guarded.settings(role), transactional_id="fillstream-0") | {"log_level": 0})
    with pytest.raises(KafkaException) as refusal:
        producer.init_transactions(20)
    assert refusal.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert code_of_joining(guarded.settings(role), "fillstream") == KafkaError.GROUP_AUTHORIZATION_FAILED


def code_of_joining(settings, group):
    """What the broker says to who would read, and commit, as one of the group: one right is needed for both."""
    outsider = Consumer(kafka.consumer(settings, group) | {"log_level": 0})
    outsider.subscribe([topics.ORDER_COMMANDS.name])
    try:
        return until(partial(outsider.poll, 0.1), lambda: "no answer").error().code()
    finally:
        outsider.close()


# ── and how it is said ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ROLES)
def test_who_has_the_rights_of_a_role_is_let_in(guarded, role):
    access.ensure(guarded.settings(role), role)


def test_what_an_account_lacks_is_named_with_the_command_that_grants_it(guarded):
    with pytest.raises(Unavailable) as refusal:
        access.ensure(guarded.settings("sink"), GATEWAY)
    said = str(refusal.value)
    assert "the account fillstream-sink" in said
    assert "WRITE on topic venue-reports, dead-letters" in said
    assert f"READ on group fillstream-gateway-{VENUE}" in said
    assert "READ on topic" not in said  # that one it has
    assert "`fillstream acls`" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sasl_password": "wrong"}, "Kafka refuses the account fillstream-sink: set sasl_mechanism"),
        ({"sasl_username": "stranger"}, "Kafka refuses the account stranger"),
        ({"ssl_ca_location": None}, "does ssl_ca_location name the brokers' authority"),
    ],
)
def test_credentials_that_are_not_taken_are_said_to_be_at_once(guarded, change, said):
    with pytest.raises(SettingsError, match=said):
        access.ensure(guarded.settings("sink", **change), "sink")


def test_an_administrator_grants_what_is_shown_and_an_operator_may_not(guarded):
    root = guarded.settings(
        "worker", sasl_mechanism="PLAIN", sasl_username=guarded.guard.super_user, sasl_password=guarded.guard.password
    )
    assert acls.main(root, "User:other-{role}", apply=True) == Exit.OK
    admin = AdminClient(kafka.client(root) | {"log_level": 0})
    anything = AclBindingFilter(
        *(ResourceType.ANY, None, ResourcePatternType.ANY, "User:other-sink", None),
        *(AclOperation.ANY, AclPermissionType.ANY),
    )
    wanted = {(name, operation) for grant in ROLES["sink"] for name in grant.names for operation in grant.operations}

    def granted():
        return {(found.name, found.operation) for found in admin.describe_acls(anything).result(20)}

    until(lambda: len(granted()) >= len(wanted), lambda: str(granted()))  # made by the controller, told by the broker
    assert granted() == wanted
    with pytest.raises(Unavailable, match=r"the broker won't make ACLs: .*an account that may alter the cluster"):
        acls.main(guarded.settings("operator"), "User:other-{role}", apply=True)


def test_a_process_that_is_not_let_in_ends_with_the_cause(guarded, tmp_path):
    wrong = {**guarded.fields("sink"), "sasl_password": f"{MARK}-wrong"}
    nobody = {**guarded.fields("nobody"), "sasl_password": password("nobody")}
    cases = [
        (("sink",), wrong, Exit.USAGE, "fillstream: settings: Kafka refuses the account fillstream-sink"),
        (("topics",), wrong, Exit.USAGE, "fillstream: settings: Kafka refuses the account fillstream-sink"),
        (("worker",), nobody, Exit.TEMPORARY, "the account fillstream-nobody do what a worker needs: READ on topic"),
        (("gateway", VENUE), nobody, Exit.TEMPORARY, f"do what a {GATEWAY} needs: READ on topic venue-requests"),
    ]
    running = [(start(tmp_path, words, fields), code, said) for words, fields, code, said in cases]
    for process, code, said in running:
        _, output = process.communicate(timeout=40)
        assert process.returncode == code, output
        assert said in output
        assert "Traceback" not in output
        assert MARK not in output


def start(var, words, fields):
    env = environment(**{name: str(value) for name, value in {**fields, "var": var, "log_level": "debug"}.items()})
    command = [sys.executable, "-m", "runtime", *words]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
