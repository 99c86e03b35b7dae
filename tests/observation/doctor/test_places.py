"""Which installation the doctor looks at: the one that runs here, unless the settings name another."""

import msgspec
import pytest

from observation.doctor import places
from runtime.services import Endpoints, VenueEndpoints
from runtime.settings import Settings, SettingsError

HERE = "127.0.0.1:20001"


@pytest.fixture
def var(tmp_path):
    """The folder of an installation that runs."""
    venue = VenueEndpoints(
        url="http://127.0.0.1:3", stream_url="ws://127.0.0.1:3", journal=str(tmp_path / "simulator" / "journal.jsonl")
    )
    running = Endpoints(
        bootstrap=HERE, clickhouse="http://127.0.0.1:2", venues={"simulated": venue}, metrics={"sink": "http://s"}
    )
    (tmp_path / "endpoints.json").write_bytes(msgspec.json.encode(running))
    return tmp_path


def test_what_runs_here_is_found_without_a_setting(var):
    found = places.find(Settings(var=var))
    assert (found.settings.bootstrap_servers, found.settings.clickhouse_url) == (HERE, "http://127.0.0.1:2")
    assert found.metrics == {"sink": "http://s"}
    venue = found.venues["simulated"]
    assert venue.venue_url == "http://127.0.0.1:3"
    assert venue.credentials == var / "simulator" / "credentials.toml"


def test_whoever_names_the_same_broker_means_the_same_installation(var):
    assert places.find(Settings(var=var, bootstrap_servers=HERE)).metrics == {"sink": "http://s"}


def test_another_broker_is_another_installation(var):
    settings = Settings(var=var, bootstrap_servers="kafka:9092", metrics_endpoints={"worker-0": "http://w"})
    found = places.find(settings)
    assert found.settings.bootstrap_servers == "kafka:9092"
    assert found.metrics == {"worker-0": "http://w"}
    assert found.venues["simulated"].venue_url is None


def test_a_venue_that_nobody_knows_the_way_to_has_no_address(tmp_path):
    found = places.find(Settings(var=tmp_path))
    assert places.url_of("simulated", found.venues["simulated"]) is None
    assert places.url_of("binance", found.venues["simulated"]) == "https://api.binance.com"


def test_a_file_of_another_version_is_said_to_be_one(tmp_path):
    (tmp_path / "endpoints.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"endpoints\.json can't be read"):
        places.find(Settings(var=tmp_path))
