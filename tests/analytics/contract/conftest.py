"""The ClickHouse under contract: the embedded service, or, with TEST_CLICKHOUSE_URL, the server at that address.

The URL is like ``http://user:password@host:8123``; the user must be allowed to create databases. Whoever reads is the
same user under ``readonly = 1``, or, at the embedded service, the one whom it lets in without a name.
"""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import pytest

from tests.analytics.stage import unique_database

URL = os.environ.get("TEST_CLICKHOUSE_URL")


class Server:
    """Clients of it."""

    def __init__(self, url: str, reader: dict[str, Any]) -> None:
        parts = urlsplit(url)
        self._where = {"interface": parts.scheme, "host": parts.hostname, "port": parts.port}
        self._writer = {"username": unquote(parts.username or "default"), "password": unquote(parts.password or "")}
        self._reader = reader

    def client(self, database: str = "__default__") -> Any:
        return self._connect(database, **self._writer)

    def reader(self, database: str = "__default__") -> Any:
        return self._connect(database, **{**self._writer, **self._reader})

    def _connect(self, database: str, **more: Any) -> Any:
        return clickhouse_connect.get_client(database=database, autogenerate_session_id=False, **self._where, **more)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    if URL is not None:
        return Server(URL, {"settings": {"readonly": 1}})
    service = request.getfixturevalue("service")
    password = service.settings.clickhouse_password.get_secret_value().replace(" ", "%20")
    return Server(f"http://fillstream:{password}@127.0.0.1:{service.port}", {"username": "default", "password": ""})


@pytest.fixture(scope="session")
def database(server: Server) -> Iterator[str]:
    """An Atomic database for all tests of the contract."""
    name = unique_database()
    client = server.client()
    client.command(f"CREATE DATABASE {name} ENGINE = Atomic")
    yield name
    client.command(f"DROP DATABASE {name} SYNC")
    client.close()


@pytest.fixture
def client(server: Server, database: str) -> Iterator[Any]:
    """A client that writes."""
    connected = server.client(database)
    yield connected
    connected.close()


@pytest.fixture
def reader(server: Server, database: str) -> Iterator[Any]:
    connected = server.reader(database)
    yield connected
    connected.close()
