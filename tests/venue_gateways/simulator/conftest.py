"""A venue for tests: by hand without a clock, or on loopback."""

import contextlib

import httpx
import pytest

from runtime.settings import Settings
from tests.venue_gateways.simulator.client import CREDENTIAL, Client, Desk, make_venue
from venue_gateways.simulator.binance.exchange import Exchange
from venue_gateways.simulator.binance.front import Binance
from venue_gateways.simulator.server import Options, serve


@pytest.fixture
def venue():
    return make_venue()


@pytest.fixture
def desk(venue):
    return Desk(Exchange(venue, {CREDENTIAL.key: CREDENTIAL}))


@pytest.fixture
def serving(tmp_path):
    """A context manager: a venue on loopback with *options* (*limits* are Binance's), and a client of it."""

    @contextlib.asynccontextmanager
    async def open_venue(**options):
        dialect = {"dialect": Binance(limits=options.pop("limits"))} if "limits" in options else {}
        journal = tmp_path / "journal.jsonl"
        settings = Settings(var=tmp_path)
        known = {CREDENTIAL.key: CREDENTIAL}
        async with (
            serve(settings, known, journal, Options(**dialect, **options)) as running,
            httpx.AsyncClient(base_url=running.url, timeout=30) as http,
        ):
            yield Client(running, http, journal)

    return open_venue
