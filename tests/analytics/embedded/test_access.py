"""Who may do what."""

import hashlib

import pytest

from analytics.account import Account, kept, made
from analytics.embedded import users
from analytics.embedded.access import ANYBODY, LIMITS, Limit, Role, User, Users, reader_settings
from analytics.embedded.errors import ClickHouseError
from runtime.settings import Settings, SettingsError

WRITER = Account("fillstream", "secret")
DIGEST = hashlib.sha256(b"pw").hexdigest()


def role_of(name: str, password: str, writer: Account) -> Role:
    return Users(writer).authenticated(name, password).role


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


def test_where_users_are_listed_nobody_else_comes_in():
    listed = Users(WRITER, [User("ann", password_sha256_hex=DIGEST.upper())])
    assert listed.authenticated("ann", "pw").name == "ann"
    assert listed.authenticated("fillstream", "secret").role is Role.WRITER
    for user, password in (("ann", ""), ("ann", "PW"), ("default", "")):
        with pytest.raises(ClickHouseError, match="Authentication failed"):
            listed.authenticated(user, password)


def test_a_reader_gets_limits_and_may_ask_for_less_but_not_for_more():
    assert reader_settings({})["max_execution_time"] == "10"
    for asked, given in (("0.5", "0.5"), ("60", "60"), ("65", "60"), ("0", "60"), ("inf", "60")):
        assert reader_settings({"max_execution_time": asked})["max_execution_time"] == given
    for value in ("-1", "nan", "x"):
        with pytest.raises(ClickHouseError, match="must be a number"):
            reader_settings({"max_execution_time": value})


def test_a_user_has_limits_and_settings_of_its_own():
    ann = User("ann", limits={**LIMITS, "max_result_rows": Limit(5, 5)}, settings=frozenset({"join_algorithm"}))
    assert reader_settings({"max_result_rows": "9"}, ann)["max_result_rows"] == "5"
    assert reader_settings({}, ann)["max_result_rows"] == "5"
    assert reader_settings({"join_algorithm": "hash"}, ann)["join_algorithm"] == "hash"
    with pytest.raises(ClickHouseError, match="readonly mode"):
        reader_settings({"join_algorithm": "hash"}, ANYBODY)


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


# ── the file of users ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "users.toml"
    path.touch(mode=0o600)
    return path


def test_users_are_read_from_a_file(file):
    file.write_text(
        f"""
        [default]
        [grafana]
        password_sha256_hex = "{DIGEST}"
        settings = ["join_algorithm"]
        limits = {{max_execution_time = 30, max_result_rows = 10_000}}
        [loader]
        password_sha256_hex = "{DIGEST}"
        readonly = false
        """
    )
    anybody, grafana, loader = users.read(file)
    assert anybody == ANYBODY
    assert (grafana.role, grafana.settings) == (Role.READER, {"join_algorithm"})
    assert grafana.limits == {**LIMITS, "max_execution_time": Limit(30, 30), "max_result_rows": Limit(10_000, 10_000)}
    assert loader == User("loader", Role.WRITER, DIGEST)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a", "is no TOML"),
        ("[a]\npassword = 'x'", "unknown field `password`"),
        ("[a]\npassword_sha256_hex = 'x'", r"\[a\]: password_sha256_hex has 64 hexadecimal digits"),
        ("[a.limits]\nmax_rows = 1", "no such limit: max_rows; there are max_execution_time, "),
        ("[a.limits]\nmax_threads = 0", "`int` >= 1|> 0"),
        ("[a]\nsettings = ['max_threads']", r"give it under \[a.limits\]"),
        ("[a]\nreadonly = false", "who may write needs a password"),
    ],
)
def test_a_file_that_can_not_be_meant_is_refused(file, text, complaint):
    file.write_text(text)
    with pytest.raises(SettingsError, match=complaint):
        users.read(file)


def test_a_file_that_others_may_write_or_nobody_may_read_is_refused(file):
    file.chmod(0o666)
    with pytest.raises(SettingsError, match="chmod 0600"):
        users.read(file)
    with pytest.raises(SettingsError, match="can't be read"):
        users.read(file.with_name("nowhere"))
