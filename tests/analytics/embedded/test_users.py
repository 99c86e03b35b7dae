"""Users and their limits, as they meet them."""

import hashlib

import httpx
import pytest

from tests.analytics.stage import Service


def get(service: Service, params: dict[str, str] | None = None, **more) -> httpx.Response:
    return httpx.request("GET", f"http://127.0.0.1:{service.port}/", params=params, **more)


def post(service: Service, body: bytes | str, params: dict[str, str] | None = None, **more) -> httpx.Response:
    return httpx.request("POST", f"http://127.0.0.1:{service.port}/", content=body, params=params, **more)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory):
    """A service with a file of users."""
    folder = tmp_path_factory.mktemp("guarded")
    users = folder / "users.toml"
    users.touch(mode=0o600)
    digest = hashlib.sha256(b"pw").hexdigest()
    users.write_text(
        f"""
        [grafana]
        password_sha256_hex = "{digest}"
        limits = {{max_result_rows = 10, max_execution_time = 1}}
        settings = ["join_algorithm"]
        [loader]
        password_sha256_hex = "{digest}"
        readonly = false
        """
    )
    running = Service(folder)
    running.settings = running.settings.model_copy(update={"clickhouse_users": users})
    running.start()
    yield running
    assert running.child.stop() == 0, running.child.log()


def test_users_come_in_by_their_passwords_and_nobody_else_does(guarded):
    assert get(guarded, {"query": "SELECT 1"}).status_code == 403
    assert get(guarded, {"query": "SELECT 1"}, auth=("grafana", "wrong")).status_code == 403
    assert get(guarded, {"query": "SELECT 1"}, auth=("grafana", "pw")).text == "1\n"
    assert post(guarded, "CREATE DATABASE d ENGINE = Atomic", auth=("grafana", "pw")).status_code == 500
    assert post(guarded, "CREATE DATABASE d ENGINE = Atomic", auth=("loader", "pw")).status_code == 200


def test_a_users_limits_hold_and_can_not_be_raised(guarded):
    me = {"auth": ("grafana", "pw"), "timeout": 30}
    rows = post(guarded, "SELECT number FROM numbers(11)", {"max_result_rows": "0"}, **me)
    assert rows.headers["X-ClickHouse-Exception-Code"] == "396"
    slow = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1"
    late = post(guarded, slow, {"max_execution_time": "99"}, **me)
    assert late.headers["X-ClickHouse-Exception-Code"] == "159"
    within = post(guarded, f"{slow} SETTINGS max_execution_time = 99", **me)
    assert within.headers["X-ClickHouse-Exception-Code"] == "164"


def test_a_user_may_change_the_settings_that_are_its_own(guarded):
    own, other = {"join_algorithm": "hash"}, {"max_memory_usage_for_user": "1"}
    assert post(guarded, "SELECT 1", own, auth=("grafana", "pw")).status_code == 200
    assert post(guarded, "SELECT 1", other, auth=("grafana", "pw")).headers["X-ClickHouse-Exception-Code"] == "164"
