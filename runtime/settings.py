"""Settings of every process, read once at the edge: from the environment, a file, and defaults that suit one machine.

Precedence: ``FILLSTREAM_*`` variables, then the TOML file that ``FILLSTREAM_SETTINGS`` names (``fillstream.toml`` in
the working directory unless set), then the defaults below. A name that no setting has is refused, with the nearest one
that exists; a secret shows as ``**********`` wherever settings are printed.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from typing_extensions import override

from schemas.native import PURE_VARIABLE

PREFIX: Final = "FILLSTREAM_"
FILE_VARIABLE: Final = "FILLSTREAM_SETTINGS"
DEFAULT_FILE: Final = "fillstream.toml"

Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(Exception):
    """Settings that can't be used; the message says which and what to do."""


class Settings(BaseSettings):
    """All settings. ``FILLSTREAM_<NAME>`` sets one by environment; the field names are the keys of the file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", toml_file=DEFAULT_FILE)

    # where things are
    var: Path = Field(Path("var"), description="folder for state, logs and reports of this machine")
    jar_cache: Path | None = Field(None, description="folder of the embedded broker's jars; var/kafka unless set")
    instruments: Path | None = Field(None, description="TOML file of tradable symbols; the built-in ones unless set")
    process_name: str | None = Field(None, description="name in logs and var/run; the kind of process unless set")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "json"
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = Field(0, description="Prometheus port of this process; 0: any free one")

    metrics_endpoints: dict[str, str] = Field(
        {}, description="of other processes, for the doctor: name, such as worker-0 or gateway-binance, to address"
    )

    # Kafka
    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: Path | None = None
    ssl_certificate_location: Path | None = Field(
        None, description="PEM file of this process's own certificate, where the brokers want one"
    )
    ssl_key_location: Path | None = Field(None, description="PEM file of its private key; may be the same file")
    ssl_key_password: SecretStr | None = None
    partitions: int = Field(8, ge=1, le=4096, description="partitions of every partitioned topic")
    replication_factor: int = Field(1, ge=1)
    schema_registry_url: str | None = Field(
        None, description="schema ids from this registry; from schemas/ids.json unless set"
    )

    # workers
    worker_id: str = Field(
        "worker-0", description="static member of the workers' group: unique, the same after a restart"
    )
    session_timeout_ms: int = Field(10_000, ge=1_000)
    chunk_records_max: int = Field(5_000, ge=1)
    chunk_bytes_max: int = Field(4_000_000, ge=1_000)
    tick_interval_ms: int = Field(1_000, ge=10)
    order_retention_s: int = Field(600, ge=1, description="how long an ended order stays in the table")
    answer_retention_s: int = Field(3_600, ge=1, description="how long a repeated command is recognised")
    unknown_bound_s: float = Field(
        16.0,
        ge=0,
        description="after this long the venue can no longer execute what it was sent (recvWindow + 10 s + margin)",
    )
    unknown_bounds_s: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {"coinbase": 36.0}, description="the same, of venues that may take longer"
    )

    # gateways
    venue_url: str | None = Field(None, description="REST address of the gateway's venue; the venue's own unless set")
    venue_stream_url: str | None = Field(None, description="WebSocket address of the gateway's venue")
    gateway_id: str = Field("gateway-0", description="static member of the gateways' group")
    credentials: Path | None = Field(
        None, description="TOML file (mode 0400) with key and secret of the venue account, or a keystore of it"
    )
    credentials_passphrase: Path | None = Field(None, description="file (mode 0400) with the keystore's passphrase")
    receive_window_ms: int = Field(5_000, ge=1, le=60_000)
    concurrent_calls_max: int = Field(64, ge=1)
    kraken_tier: Literal["starter", "intermediate", "pro"] = Field(
        "starter", description="of the account at Kraken, which decides on its limits and is told by no call"
    )
    coinbase_requests_per_s: int = Field(
        20,
        ge=1,
        le=1_000,
        description="of the account at Coinbase; the venue publishes none, others tell of 30",
    )
    cancel_share: float = Field(0.2, ge=0, lt=1, description="share of each limit kept back for cancels and queries")
    webhook_secrets: Path | None = Field(
        None, description="file (mode 0400) with the secrets of who pushes events here; nobody may unless set"
    )
    webhook_host: str = "127.0.0.1"
    webhook_port: Port = Field(0, description="port of this gateway's webhook receiver; 0: any free one")
    facts_remembered_max: int = Field(
        200_000, ge=1, description="trades and states of orders that a gateway knows to have told; and as many orders"
    )
    quotes_every_s: float = Field(
        1.0, ge=0, description="how often a venue's best prices are asked for, if limits leave room; 0: never"
    )
    balances_every_s: float = Field(
        60.0, ge=0, description="how often an account's balances are read and compared with its trades; 0: never"
    )
    reconcile_share_max: float = Field(
        0.2, ge=0, le=1, description="a look that would change more than this share of the open orders is held back"
    )
    reconcile_orders_min: int = Field(10, ge=1, description="… if it would change as many orders as this, or more")

    # analytics
    clickhouse_url: str = "http://127.0.0.1:8123"
    clickhouse_database: str = "fillstream"
    clickhouse_username: str = "default"
    clickhouse_password: SecretStr | None = None
    clickhouse_users: Path | None = Field(
        None, description="TOML file of who may read the embedded ClickHouse, and how much; anybody unless set"
    )
    clickhouse_replicated: bool = Field(
        False, description="make database and tables Replicated ones, for a cluster; before the first migration"
    )
    sink_id: str = Field("sink-0", description="static member of the sink's group")
    sink_batch_rows_max: int = Field(10_000, ge=1)
    sink_batch_wait_ms: int = Field(1_000, ge=1)

    # probe
    probe_lag_interval_s: float = Field(5.0, gt=0, description="seconds between looks at how far groups are behind")
    probe_canary_interval_s: float = Field(
        10.0, ge=0, description="seconds between canaries, one to each partition; 0: none are sent"
    )
    probe_audit_interval_s: float = Field(
        300.0, ge=0, description="seconds between runs of the audits in ClickHouse; 0: none are run"
    )
    probe_audit_timeout_s: int = Field(60, ge=1, description="for one query of an audit")

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.ssl_certificate_location is None) != (self.ssl_key_location is None):
            raise ValueError("ssl_certificate_location and ssl_key_location are of use together only")
        return self

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raises SettingsError for a ``FILLSTREAM_*`` variable that sets nothing: a typo must not mean a default."""
    known = {variable(name) for name in Settings.model_fields} | {FILE_VARIABLE, PURE_VARIABLE}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = _nearest(name.removeprefix(PREFIX), {other.removeprefix(PREFIX) for other in known})
            raise SettingsError(f"{name} sets nothing" + (f"; did you mean {PREFIX}{near}?" if near else ""))


def load(**overrides: object) -> Settings:
    """The settings of this process. Raises SettingsError, which names those at fault on one line."""
    refuse_unknown(os.environ)
    named = os.environ.get(FILE_VARIABLE)
    if named is not None and not Path(named).exists():
        raise SettingsError(f"{FILE_VARIABLE} names {named}, which doesn't exist")
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(fault) for fault in error.errors())) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{named or DEFAULT_FILE} is no TOML: {error}") from error


def variable(name: str) -> str:
    """The environment variable that sets *name*."""
    return PREFIX + name.upper()


def environment(settings: Settings) -> dict[str, str]:
    """Variables that give another process these settings, secrets included."""
    return {
        variable(name): _text(value)
        for name in settings.model_fields_set
        if (value := getattr(settings, name)) is not None
    }


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _explain(fault: ErrorDetails) -> str:
    """One fault, without the value: it may be a secret."""
    name = ".".join(str(part) for part in fault["loc"])
    if not name:  # it takes two
        return str(fault["ctx"]["error"])
    if fault["type"] == "extra_forbidden":
        near = _nearest(name, Settings.model_fields)
        return f"{name} is no setting" + (f"; did you mean {near}?" if near else "")
    return f"{variable(name)} (in the file: {name}): {fault['msg']}"


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, 1)), None)
