"""The compose file: valid, and every service of it bounded, unprivileged, watched, and without a password in it."""

import re

import pytest
import yaml
from jsonschema.validators import validator_for

from tests.docker.images import COMPOSE, DOCKER, OURS, SERVICES, compose_schema

TEXT = (DOCKER / "compose.yaml").read_text()


@pytest.fixture(params=sorted(SERVICES))
def service(request):
    return SERVICES[request.param]


def test_it_is_what_the_compose_specification_allows():
    schema = compose_schema()
    faults = [
        f"{list(error.absolute_path)}: {error.message}" for error in validator_for(schema)(schema).iter_errors(COMPOSE)
    ]
    assert faults == []


def test_a_misspelt_key_would_be_noticed():
    schema = compose_schema()
    wrong = COMPOSE | {"services": {"kafka": SERVICES["kafka"] | {"healthchek": {}}}}
    assert [error.message for error in validator_for(schema)(schema).iter_errors(wrong)] != []


def test_nothing_runs_as_root_or_gains_rights(service):
    assert service in OURS.values() or re.match(r"(?!0\b)\d+:\d+$", service["user"]), "the image's own user is unknown"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


def test_nothing_takes_the_whole_machine_or_fills_its_disk(service):
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["pids_limit"] > 0
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_only_what_configures_itself_at_its_start_may_write_beside_its_volumes():
    writing = {name for name, service in SERVICES.items() if not service.get("read_only")}
    assert writing == {"kafka", "schema-registry"}


def test_everything_that_stays_says_how_it_is(service):
    once = service.get("restart") == "on-failure:5"
    assert once or service in OURS.values() or service["healthcheck"]["test"]


def test_images_are_pinned(service):
    assert service in OURS.values() or re.search(r":v?\d+\.\d+", service["image"])


def test_passwords_come_from_the_environment_and_must_be_there():
    for service in SERVICES.values():
        secrets = {name: value for name, value in service.get("environment", {}).items() if "PASSWORD" in name}
        assert all(re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value) for value in secrets.values()), secrets


def test_every_file_that_is_mounted_exists():
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    paths = [volume.split(":")[0] for volume in mounted if volume.startswith("./")]
    assert paths
    assert [path for path in paths if not (DOCKER / path).exists()] == []
    named = {volume.split(":")[0] for volume in mounted} - set(paths)
    assert named == set(COMPOSE["volumes"])


def test_prometheus_asks_services_that_exist_where_they_answer():
    jobs = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in jobs for group in job.get("static_configs", []) for target in group["targets"]}
    known = {
        f"{service.get('network_mode', name).removeprefix('service:')}:{port(service)}"
        for name, service in OURS.items()
        if not service.get("healthcheck", {}).get("disable")
    }
    assert targets == known


def port(service):
    return service["environment"].get("FILLSTREAM_METRICS_PORT", 9100)


def test_accounts_of_clickhouse_are_those_that_services_use():
    text = (DOCKER / "clickhouse" / "users.xml").read_text()
    for name, password in (("fillstream", "CLICKHOUSE_PASSWORD"), ("analyst", "CLICKHOUSE_ANALYST_PASSWORD")):
        assert re.search(rf'<{name}>\s*<password from_env="{password}"/>', text)
        assert password in SERVICES["clickhouse"]["environment"]
    assert "<default remove=" in text
    assert OURS["sink"]["environment"]["FILLSTREAM_CLICKHOUSE_USERNAME"] == "fillstream"
