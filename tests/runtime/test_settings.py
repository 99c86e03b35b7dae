"""Settings come from the environment, then a file, then defaults; what they can't mean is refused on one line."""

import pytest
from pydantic import ValidationError

from runtime import settings as module
from runtime.settings import FILE_VARIABLE, Settings, SettingsError, load


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "fillstream.toml"
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    return path


def test_the_environment_beats_the_file_and_the_file_beats_the_default(file, monkeypatch):
    file.write_text('partitions = 3\nworker_id = "from-file"\n')
    monkeypatch.setenv("FILLSTREAM_PARTITIONS", "5")
    settings = load()
    assert (settings.partitions, settings.worker_id, settings.replication_factor) == (5, "from-file", 1)
    assert load(partitions=7).partitions == 7


def test_the_file_in_the_working_directory_is_read_unless_another_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv(FILE_VARIABLE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fillstream.toml").write_text("partitions = 3\n")
    assert load().partitions == 3


def test_a_misspelled_variable_is_refused_with_the_nearest_name(monkeypatch):
    monkeypatch.setenv("FILLSTREAM_PARTITION", "8")
    with pytest.raises(
        SettingsError, match=r"^FILLSTREAM_PARTITION sets nothing; did you mean FILLSTREAM_PARTITIONS\?$"
    ):
        load()


def test_a_misspelled_key_of_the_file_is_refused_with_the_nearest_name(file):
    file.write_text('bootstrap_server = "x:1"\n')
    with pytest.raises(SettingsError, match=r"^bootstrap_server is no setting; did you mean bootstrap_servers\?$"):
        load()


def test_a_value_that_cannot_be_used_is_named_on_one_line_without_the_value(monkeypatch):
    monkeypatch.setenv("FILLSTREAM_PARTITIONS", "many")
    monkeypatch.setenv("FILLSTREAM_CANCEL_SHARE", "2")
    with pytest.raises(SettingsError) as refusal:
        load()
    line = str(refusal.value)
    assert "\n" not in line
    assert "FILLSTREAM_PARTITIONS (in the file: partitions): " in line
    assert "FILLSTREAM_CANCEL_SHARE" in line
    assert "many" not in line


def test_a_named_file_must_exist_and_be_toml(file):
    with pytest.raises(SettingsError, match=r"names .*fillstream\.toml, which doesn't exist"):
        load()
    file.write_text("partitions: 3")
    with pytest.raises(SettingsError, match=r"fillstream\.toml is no TOML"):
        load()


def test_secrets_are_masked_wherever_settings_are_printed(monkeypatch):
    monkeypatch.setenv("FILLSTREAM_CLICKHOUSE_PASSWORD", "hunter2")
    settings = load()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert settings.clickhouse_password.get_secret_value() == "hunter2"


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        Settings().partitions = 3


def test_another_process_gets_the_same_settings_through_its_environment(file, tmp_path, monkeypatch):
    file.write_text("partitions = 3\n")
    settings = load(
        var=tmp_path, clickhouse_password="hunter2", sasl_mechanism=None, cancel_share=0.5, unknown_bounds_s={"x": 7}
    )
    monkeypatch.delenv(FILE_VARIABLE)
    for name, value in module.environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load() == settings
