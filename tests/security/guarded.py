"""A guarded broker with an account for every role, set up as an operator would, and clients that are one of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from runtime import access, acls, kafka, topics
from runtime.broker import EmbeddedBroker
from runtime.broker_guard import Guard
from runtime.settings import Settings
from tests.conftest import JAR_CACHE
from tests.security import certificate

VENUE = "simulated"
PARTITIONS = 2
ROLES = access.table([VENUE])
#: How every secret here begins. Nothing else does: wherever these bytes are found, a secret has got out.
MARK = "c4n4ry-7"


def account(role: str) -> str:
    return f"fillstream-{role}"


def password(role: str) -> str:
    return f"{MARK}-{role}"


class Guarded:
    """The broker, between ``with`` and its end."""

    def __init__(self, folder: Path, *, client_certificates: bool = False) -> None:
        pem = certificate.write(folder / "broker.pem")
        self._admins: dict[str, AdminClient] = {}
        self.folder = folder / "kafka"
        self.guard = Guard(
            pem=pem, super_user="root", password=SecretStr(f"{MARK}-root"), client_certificates=client_certificates
        )
        self.broker = EmbeddedBroker(self.folder, jar_cache=JAR_CACHE, guard=self.guard)

    def __enter__(self) -> Self:
        self.broker.start()
        try:
            self._make_accounts()
            topics.ensure(self.settings("operator"), [VENUE])
        except BaseException:
            self.broker.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.broker.stop()

    def _make_accounts(self) -> None:
        """What an administrator does before anything else: accounts and ACLs."""
        admin = AdminClient(self.guard.client() | {"bootstrap.servers": self.broker.bootstrap})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        accounts = [UserScramCredentialUpsertion(account(role), info, password(role).encode()) for role in ROLES]
        accounts.append(UserScramCredentialUpsertion(account("nobody"), info, password("nobody").encode()))
        for done in admin.alter_user_scram_credentials(accounts).values():
            done.result(20)
        acls.grant(admin, {f"User:{account(role)}": grants for role, grants in ROLES.items()})

    def fields(self, role: str) -> Mapping[str, Any]:
        """The settings that make a process an account of this broker."""
        own = {"ssl_certificate_location": str(self.guard.pem), "ssl_key_location": str(self.guard.pem)}
        return (own if self.guard.client_certificates else {}) | {
            "bootstrap_servers": self.broker.bootstrap,
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": account(role),
            "sasl_password": password(role),
            "ssl_ca_location": str(self.guard.pem),
            "partitions": PARTITIONS,
        }

    def settings(self, role: str, **more: Any) -> Settings:
        return Settings(**(self.fields(role) | more))

    def admin(self, role: str) -> AdminClient:
        """Kept, because what was asked of a client ends with it."""
        if role not in self._admins:
            self._admins[role] = AdminClient(kafka.client(self.settings(role)) | {"log_level": 0})
        return self._admins[role]
