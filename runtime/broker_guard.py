"""The embedded broker with its doors shut: TLS, SCRAM accounts, and nothing allowed that no ACL allows."""

from pathlib import Path
from typing import Final

import msgspec
from pydantic import SecretStr

_SCRAM: Final = "SCRAM-SHA-512"
_PLAIN: Final = "PLAIN"
_LOGIN_MODULE: Final = "org.apache.kafka.common.security"


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """How clients must prove who they are to a guarded broker.

    They speak SASL_SSL. *pem* is a file with the broker's unencrypted private key and certificate, which is its own
    authority. One account is there from the start: *super_user*, by the mechanism PLAIN, with *password*. It may do
    everything, which is to give others their SCRAM-SHA-512 credentials and ACLs; the broker speaks to itself as it.
    With *client_certificates*, clients must have one as well, and *pem* is an authority of theirs, too.
    """

    pem: Path
    super_user: str
    password: SecretStr
    client_certificates: bool = False

    def properties(self) -> dict[str, str]:
        """The broker's settings. They hold the password: the file they are written to is nobody else's to read."""
        account = f'username="{self.super_user}" password="{self.password.get_secret_value()}"'
        plain = (
            f"{_LOGIN_MODULE}.plain.PlainLoginModule required {account} "
            f'user_{self.super_user}="{self.password.get_secret_value()}";'
        )
        return {
            "listener.security.protocol.map": "CONTROLLER:SASL_PLAINTEXT,CLIENT:SASL_SSL",
            "sasl.mechanism.controller.protocol": _PLAIN,
            "sasl.mechanism.inter.broker.protocol": _PLAIN,
            "listener.name.controller.sasl.enabled.mechanisms": _PLAIN,
            "listener.name.controller.plain.sasl.jaas.config": plain,
            "listener.name.client.sasl.enabled.mechanisms": f"{_SCRAM},{_PLAIN}",
            "listener.name.client.plain.sasl.jaas.config": plain,
            "listener.name.client.scram-sha-512.sasl.jaas.config": f"{_LOGIN_MODULE}.scram.ScramLoginModule required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.pem),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.pem),
            "listener.name.client.ssl.client.auth": "required" if self.client_certificates else "none",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{self.super_user}",
            "allow.everyone.if.no.acl.found": "false",
        }

    def client(self) -> dict[str, str]:
        """What a librdkafka client needs to be the super user."""
        proof = {"ssl.certificate.location": str(self.pem), "ssl.key.location": str(self.pem)}
        return (proof if self.client_certificates else {}) | {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": _PLAIN,
            "sasl.username": self.super_user,
            "sasl.password": self.password.get_secret_value(),
            "ssl.ca.location": str(self.pem),
        }
