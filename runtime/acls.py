"""The ``fillstream acls`` command: shows what each role needs as lines for Kafka's own tool, or grants it."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import structlog
import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from runtime import access, instruments, kafka
from runtime.access import Grant, Kind
from runtime.exits import Exit, Unavailable
from runtime.settings import Settings, SettingsError

_TIMEOUT_S: Final = 30
_RESOURCES: Final = {
    Kind.TOPIC: ResourceType.TOPIC,
    Kind.GROUP: ResourceType.GROUP,
    Kind.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
}

log = structlog.get_logger()


def main(settings: Settings, principal: str, *, apply: bool = False) -> int:
    """Print the grants of every role, or with *apply* make them.

    *principal* is a pattern such as ``User:fillstream-{role}``, for accounts and certificates of any naming.
    """
    if "{role}" not in principal:
        raise SettingsError(f"the principal {principal!r} would be the same for every role: write {{role}} into it")
    roles = access.table(instruments.load(settings.instruments).venues, settings.clickhouse_database)
    named = {principal.replace("{role}", role): grants for role, grants in roles.items()}
    if apply:
        grant(AdminClient(kafka.client(settings) | {"log_level": 0}), named)
        log.info("acls_granted", principals=sorted(named))
    else:
        for line in lines(named, settings.bootstrap_servers):
            typer.echo(line)
    return Exit.OK


def lines(grants: Mapping[str, Iterable[Grant]], bootstrap: str) -> Iterator[str]:
    """A call of kafka-acls.sh for each grant of each principal."""
    for principal, granted in grants.items():
        for each in granted:
            words = ["kafka-acls.sh", "--bootstrap-server", bootstrap, "--command-config", "admin.properties", "--add"]
            words += ["--allow-principal", principal]
            words += [word for operation in each.operations for word in ("--operation", _cased(operation))]
            words += [word for name in each.names for word in (f"--{each.kind}", name)]
            yield shlex.join(words + (["--resource-pattern-type", "prefixed"] if each.prefixed else []))


def grant(admin: AdminClient, grants: Mapping[str, Iterable[Grant]]) -> None:
    """Makes the ACLs that aren't there yet; leaves all others alone. Raises Unavailable if the broker won't."""
    wanted = [
        binding for principal, granted in grants.items() for each in granted for binding in _acls(principal, each)
    ]
    try:
        for done in admin.create_acls(wanted, request_timeout=_TIMEOUT_S).values():
            done.result(_TIMEOUT_S)
    except KafkaException as error:
        raise Unavailable(
            f"the broker won't make ACLs: {error.args[0].str()}. It takes an account that may alter the cluster, and a "
            "broker with an authorizer (authorizer.class.name)"
        ) from error


def _acls(principal: str, each: Grant) -> Iterator[AclBinding]:
    pattern = ResourcePatternType.PREFIXED if each.prefixed else ResourcePatternType.LITERAL
    for name in each.names:
        for operation in each.operations:
            yield AclBinding(_RESOURCES[each.kind], name, pattern, principal, "*", operation, AclPermissionType.ALLOW)


def _cased(operation: AclOperation) -> str:
    """``DescribeConfigs`` for DESCRIBE_CONFIGS, as Kafka's tool wants it."""
    return "".join(word.capitalize() for word in operation.name.split("_"))
