"""Credentials and addresses: what can't be used is refused, with what to do, and without showing it."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runtime.settings import Settings, SettingsError
from venue_gateways import credentials, venues


def write(path, text, mode=0o400):
    path.write_text(text)
    path.chmod(mode)
    return path


def pem(key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_shared_secret_is_read_and_shows_nowhere(tmp_path):
    found = credentials.load(write(tmp_path / "c.toml", 'account = "main"\nkey = "k"\nsecret = "hush-hush"\n'))
    assert found.secret.get_secret_value() == "hush-hush"
    assert "hush" not in repr(found)


@pytest.mark.parametrize("where", ["beside", "inside"])
def test_a_private_key_may_be_a_file_or_in_the_file(tmp_path, where):
    key = Ed25519PrivateKey.generate()
    if where == "beside":
        write(tmp_path / "key.pem", pem(key), 0o600)
        text = 'key = "k"\nprivate_key = "key.pem"\n'
    else:
        text = f'key = "k"\nsecret = """\n{pem(key)}"""\n'
    found = credentials.load(write(tmp_path / "c.toml", text))
    assert found.private_key.public_key() == key.public_key()
    adapter = venues.find("binance").make("binance", found, Settings())
    assert adapter.stream_session(None).subscriptions(0)


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ('key = "k"\nsecret = "hush"', 0o644, "has mode 0644, so others may read it: chmod 0400"),
        ('key = "k"\nsecret = "hush"', 0o440, "mode 0440"),
        ('key = "k"', 0o400, "must have key, and either secret or private_key"),
        ('key = "k"\nsecret = ""', 0o400, "must have key"),
        ('key = "k"\nsecret = "hush"\nprivate_key = "x"', 0o400, "must have key"),
        ('key = "k"\nsecret = 1', 0o400, "must have key"),
        ("hush = = hush", 0o400, "is no TOML"),
        ('key = "k"\nprivate_key = "nowhere.pem"', 0o400, "can't be read"),
        ('key = "k"\nprivate_key = "c.toml"', 0o400, "no unencrypted private key"),
    ],
)
def test_credentials_that_can_t_be_used_are_refused_without_quoting_them(tmp_path, text, mode, message):
    with pytest.raises(SettingsError, match=message) as refused:
        credentials.load(write(tmp_path / "c.toml", text, mode))
    assert "hush" not in str(refused.value)


def test_another_kind_of_key_is_refused(tmp_path):
    write(tmp_path / "key.pem", pem(generate_private_key(SECP256R1())))
    with pytest.raises(SettingsError, match="not an Ed25519 key"):
        credentials.load(write(tmp_path / "c.toml", 'key = "k"\nprivate_key = "key.pem"'))


def test_credentials_must_be_named_and_there(tmp_path):
    with pytest.raises(SettingsError, match="credentials is not set"):
        credentials.load(None)
    with pytest.raises(SettingsError, match="can't be read: No such file"):
        credentials.load(tmp_path / "nowhere.toml")


def test_an_unknown_venue_is_refused_with_those_there_are():
    with pytest.raises(SettingsError, match="there are: binance, simulated"):
        venues.find("nowhere")


def test_a_venue_without_an_address_of_its_own_needs_one():
    with pytest.raises(SettingsError, match="set venue_url and venue_stream_url"):
        venues.addresses("simulated", Settings(venue_url="http://127.0.0.1:1"))
    named = Settings(venue_url="http://127.0.0.1:1", venue_stream_url="ws://127.0.0.1:1")
    assert venues.addresses("simulated", named) == ("http://127.0.0.1:1", "ws://127.0.0.1:1")
    assert venues.addresses("binance", Settings())[0] == "https://api.binance.com"
