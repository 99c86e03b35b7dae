"""Who may do what on Kafka: each role and the least it needs, as one table, and a look whether the broker agrees.

Every process has an account of its own, so that a stolen password opens no more than that process could do. Nobody may
create a topic but the operator, and nobody but workers may write what the ledger is made of.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from runtime import instruments, kafka
from runtime.exits import Unavailable
from runtime.settings import Settings, SettingsError
from schemas import topics
from schemas.topics import Topic

_TIMEOUT_S: Final = 20.0
_ROUND_S: Final = 1.0

READ: Final = AclOperation.READ
WRITE: Final = AclOperation.WRITE
CREATE: Final = AclOperation.CREATE
DESCRIBE: Final = AclOperation.DESCRIBE
DESCRIBE_CONFIGS: Final = AclOperation.DESCRIBE_CONFIGS
ALTER_CONFIGS: Final = AclOperation.ALTER_CONFIGS


class Kind(StrEnum):
    """What an ACL can be about, by the names of Kafka's own tools."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


class Grant(msgspec.Struct, frozen=True):
    """Leave to do *operations* with everything of one *kind* that has one of *names*, or begins so if *prefixed*.

    To read or to write something includes to describe it.
    """

    kind: Kind
    names: tuple[str, ...]
    operations: tuple[AclOperation, ...]
    prefixed: bool = False


def table(venues: Iterable[str], database: str = "fillstream") -> Mapping[str, tuple[Grant, ...]]:
    """The grants of each role in an installation that trades on *venues* and keeps its analytics in *database*."""
    venues = tuple(sorted(venues))
    requests = tuple(map(topics.venue_requests, venues))
    everything = tuple(topics.every(venues))
    told = (topics.ORDER_COMMANDS, topics.TRANSFERS, topics.VENUE_REPORTS, *topics.OUTPUTS, *topics.OBSERVATIONS)
    answers = (topics.ORDER_EVENTS,)
    roles = {
        "worker": (
            _on((*topics.INPUTS, *topics.CHANGELOGS), READ),
            _on((topics.TICKS, *topics.CHANGELOGS, *topics.OUTPUTS, *requests), WRITE),
            _on(everything, DESCRIBE, DESCRIBE_CONFIGS),  # it starts only if all are kept as they must be
            _group(topics.APPLICATION),
            Grant(Kind.TRANSACTIONAL_ID, (f"{topics.APPLICATION}-",), (WRITE, DESCRIBE), prefixed=True),
        ),
        "sink": (
            _on(told, READ),
            Grant(Kind.TOPIC, (topics.venue_requests("").name,), (READ,), prefixed=True),  # also of a new venue
            _group(f"{database}-sink"),
        ),
        "probe": (
            _on((topics.TICKS, *told), READ, DESCRIBE_CONFIGS),
            Grant(Kind.TOPIC, (topics.venue_requests("").name,), (READ, DESCRIBE_CONFIGS), prefixed=True),
            _on((topics.ORDER_COMMANDS,), WRITE),  # canaries
            Grant(Kind.GROUP, (topics.APPLICATION, f"{database}-sink"), (DESCRIBE,), prefixed=True),
        ),
        "upstream": (_on((topics.ORDER_COMMANDS,), WRITE), _on(answers, READ), _group("upstream-", prefixed=True)),
        "treasury": (_on((topics.TRANSFERS,), WRITE), _on(answers, READ), _group("treasury-", prefixed=True)),
        "operator": (
            _on(everything, CREATE, READ, DESCRIBE_CONFIGS, ALTER_CONFIGS),
            _on((topics.ORDER_COMMANDS, topics.TRANSFERS, *topics.OPERATIONS), WRITE),  # to replay dead letters
            _on(requests, WRITE),  # to have a gateway look again
            _group("operator-", prefixed=True),
            Grant(Kind.TRANSACTIONAL_ID, ("operator-",), (WRITE, DESCRIBE), prefixed=True),
            Grant(Kind.GROUP, (topics.APPLICATION, f"{database}-sink"), (DESCRIBE,), prefixed=True),  # for lag tools
        ),
    }
    return roles | {gateway(venue): _of_gateway(venue) for venue in venues}


def gateway(venue: str) -> str:
    """The role of the gateways to *venue*: one venue's can't read the requests to another."""
    return f"gateway-{venue}"


def _of_gateway(venue: str) -> tuple[Grant, ...]:
    return (
        _on((topics.venue_requests(venue),), READ),
        _on((topics.VENUE_REPORTS, topics.DEAD_LETTERS, *topics.OBSERVATIONS), WRITE),
        _group(f"{topics.APPLICATION}-gateway-{venue}"),
    )


def _on(named: Iterable[Topic], *operations: AclOperation) -> Grant:
    return Grant(Kind.TOPIC, tuple(topic.name for topic in named), operations)


def _group(name: str, *, prefixed: bool = False) -> Grant:
    return Grant(Kind.GROUP, (name,), (READ,), prefixed)


# ── a look at the broker ────────────────────────────────────────────────────────────────────────────────────────────


def ensure(settings: Settings, role: str) -> None:
    """Returns if the broker takes this process's credentials, and lets it do what *role* needs of topics and groups.

    Raises SettingsError if it doesn't know the account or can't be trusted, and Unavailable if it doesn't answer, or
    if a topic or an ACL is missing. A role that isn't in the table needs only to be let in.
    """
    errors: list[KafkaError] = []
    admin = AdminClient(kafka.client(settings) | {"log_level": 0, "error_cb": errors.append})
    _await_login(admin, settings, errors)
    roles = table(instruments.load(settings.instruments).venues, settings.clickhouse_database)
    missing = [line for grant in roles.get(role, ()) for line in _missing(admin, grant)]
    if missing:
        raise Unavailable(
            f"Kafka doesn't let the account {_account(settings)} do what a {role} needs: {'; '.join(missing)}. "
            "`fillstream acls` shows what each role needs, and with --apply grants it"
        )


def _await_login(admin: AdminClient, settings: Settings, errors: list[KafkaError]) -> None:
    """Waits for an answer that needs credentials. Whatever the broker says, librdkafka goes on trying.

    What it said comes by the way, as an *error*.
    """
    for _ in range(round(_TIMEOUT_S / _ROUND_S)):
        try:
            admin.list_topics(timeout=_ROUND_S)
        except KafkaException:
            admin.poll(0)
        else:
            return
        for error in errors:
            if (refusal := _refusal(error)) is not None:
                raise SettingsError(refusal.format(account=_account(settings), said=error.str()))
    said = f" ({errors[-1].str()})" if errors else ""
    raise Unavailable(f"no answer from Kafka at {settings.bootstrap_servers} by {settings.security_protocol}{said}")


_REFUSALS: Final = {
    KafkaError._AUTHENTICATION: (  # noqa: SLF001  # librdkafka's own names
        "Kafka refuses the account {account}: set sasl_mechanism, sasl_username and sasl_password as the broker has "
        "them. It said: {said}"
    ),
    KafkaError._SSL: (  # noqa: SLF001
        "Kafka and this process don't trust each other: does ssl_ca_location name the brokers' authority, and if they "
        "want certificates of clients, do ssl_certificate_location and ssl_key_location name one? {said}"
    ),
}


def _refusal(error: KafkaError) -> str | None:
    """What it is that won't get better by trying again; None if it may.

    That the broker wants another certificate is an alert, after which the connection is gone: a fault of transport.
    """
    alerted = error.code() == KafkaError._TRANSPORT and "certificate" in error.str()  # noqa: SLF001
    return _REFUSALS.get(KafkaError._SSL if alerted else error.code())  # noqa: SLF001


def _account(settings: Settings) -> str:
    return settings.sasl_username or "of its certificate"


def _missing(admin: AdminClient, grant: Grant) -> Iterator[str]:
    """A line for each operation that the broker doesn't allow on all of *grant*."""
    if grant.prefixed or grant.kind is Kind.TRANSACTIONAL_ID:
        return  # only things that exist can be asked about, and only topics and groups
    allowed = _allowed(admin, grant.kind, grant.names)
    for operation in grant.operations:
        if lacking := [name for name, operations in allowed.items() if operation not in operations]:
            yield f"{operation.name} on {grant.kind} {', '.join(lacking)}"


def _allowed(admin: AdminClient, kind: Kind, names: Sequence[str]) -> Mapping[str, frozenset[AclOperation]]:
    """What this account may do with each: nothing, if it may not even ask. Without those of which nothing is known."""
    if kind is Kind.TOPIC:
        asked = admin.describe_topics(TopicCollection(list(names)), include_authorized_operations=True)
    else:
        asked = admin.describe_consumer_groups(list(names), include_authorized_operations=True)
    allowed = {}
    for name, answer in asked.items():
        try:
            allowed[name] = frozenset(answer.result(_TIMEOUT_S).authorized_operations or ())
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise Unavailable(f"there is no topic {name}: an operator's `fillstream topics` makes it") from error
            if code in _FORBIDDEN:
                allowed[name] = frozenset()  # else a group that nobody was in yet, or one that is just being loaded
    return allowed


_FORBIDDEN: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})
