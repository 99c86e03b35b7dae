"""Who may do what."""

import pytest

from analytics.account import Account, kept, made
from analytics.embedded.access import LIMITS, Role, reader_settings, role_of
from analytics.embedded.errors import ClickHouseError
from runtime.settings import Settings

WRITER = Account("fillstream", "secret")


def test_only_the_right_password_makes_a_writer():
    assert role_of("fillstream", "secret", WRITER) is Role.WRITER
    assert role_of("default", "", WRITER) is Role.READER
    for user, password in (("fillstream", ""), ("fillstream", "x"), ("default", "secret"), ("x", ""), ("", "")):
        with pytest.raises(ClickHouseError, match="Authentication failed"):
            role_of(user, password, WRITER)


def test_a_writer_without_a_password_would_be_everybody():
    assert role_of("default", "", Account("default", "")) is Role.READER


def test_default_may_be_the_writers_name():
    assert role_of("default", "secret", Account("default", "secret")) is Role.WRITER
    assert role_of("default", "", Account("default", "secret")) is Role.READER


def test_a_reader_gets_limits_and_may_ask_for_less_but_not_for_none():
    assert reader_settings({})["max_execution_time"] == "10"
    assert reader_settings({"max_execution_time": "0.5"})["max_execution_time"] == "0.5"
    assert reader_settings({"max_execution_time": "60"})["max_execution_time"] == "60"
    for value in ("0", "61", "-1", "nan", "inf"):
        with pytest.raises(ClickHouseError, match="between 1 and 60"):
            reader_settings({"max_execution_time": value})
    with pytest.raises(ClickHouseError, match="must be a number"):
        reader_settings({"max_execution_time": "x"})


def test_every_limit_is_in_every_readers_session():
    assert reader_settings({}).keys() >= LIMITS.keys()


@pytest.mark.parametrize("name", ["max_result_rowz", "allow_ddl", "async_insert", "max_sessions_for_user", "s3_max"])
def test_a_setting_that_is_not_known_to_be_harmless_is_refused(name):
    with pytest.raises(ClickHouseError, match=f"Cannot modify '{name}' setting in readonly mode"):
        reader_settings({name: "1"})


def test_a_reader_stays_read_only_whatever_it_asks_for():
    assert "readonly" not in reader_settings({"readonly": "0"})


def test_settings_of_formats_pass():
    assert reader_settings({"output_format_json_quote_decimals": "1", "join_use_nulls": "1"}).items() >= {
        ("output_format_json_quote_decimals", "1"),
        ("join_use_nulls", "1"),
    }


def test_a_password_is_made_once_and_kept_for_this_machine(tmp_path):
    settings = Settings(var=tmp_path)
    assert kept(settings).password == ""
    account = made(settings)
    assert len(account.password) >= 24
    assert made(settings) == kept(settings) == account
    assert (tmp_path / "clickhouse.password").stat().st_mode & 0o777 == 0o400


def test_the_kept_password_is_not_told_to_other_machines(tmp_path):
    made(Settings(var=tmp_path))
    assert kept(Settings(var=tmp_path, clickhouse_url="http://clickhouse.example:8123")).password == ""


def test_a_password_in_the_settings_wins(tmp_path):
    settings = Settings(var=tmp_path, clickhouse_username="sink", clickhouse_password="p")
    assert made(settings) == kept(settings) == Account("sink", "p")
    assert not (tmp_path / "clickhouse.password").exists()
