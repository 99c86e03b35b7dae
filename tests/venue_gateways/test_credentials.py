"""Credentials and addresses: what can't be used is refused, with what to do, and without showing it."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from runtime.settings import Settings, SettingsError
from venue_gateways import credentials, keystore, venues


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


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_on_the_curve_p_256_is_read_in_either_form(tmp_path, form):
    key = generate_private_key(SECP256R1())
    text = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    found = credentials.load(write(tmp_path / "c.toml", f'key = "k"\nsecret = """\n{text}"""\n'))
    assert found.private_key.private_numbers() == key.private_numbers()


def test_another_kind_of_key_is_refused(tmp_path):
    write(tmp_path / "key.pem", pem(generate_private_key(SECP384R1())))
    with pytest.raises(SettingsError, match="neither an Ed25519 key nor one on the curve P-256"):
        credentials.load(write(tmp_path / "c.toml", 'key = "k"\nprivate_key = "key.pem"'))


def test_a_kind_of_key_that_a_venue_has_no_use_for_is_refused(tmp_path):
    write(tmp_path / "key.pem", pem(generate_private_key(SECP256R1())), 0o600)
    path = write(tmp_path / "c.toml", 'key = "k"\nprivate_key = "key.pem"')
    with pytest.raises(SettingsError, match="Binance takes"):
        venues.adapter("binance", Settings(credentials=path))


def test_a_secret_in_base64_gives_its_bytes_or_is_refused_without_quoting_it(tmp_path):
    path = write(tmp_path / "c.toml", 'key = "k"\nsecret = "aHVzaC1odXNo"')
    assert credentials.load(path).secret_bytes() == b"hush-hush"
    path.chmod(0o600)
    for wrong in ("hush!hush", "hushy", "===="):
        write(path, f'key = "k"\nsecret = "{wrong}"', 0o600)
        with pytest.raises(SettingsError, match="not the base64") as refused:
            credentials.load(path).secret_bytes()
        assert "hush" not in str(refused.value)


# ── several accounts, and keystores ─────────────────────────────────────────────────────────────────────────────────

TWO = 'key = "first"\nsecret = "hush-one"\n\n[hedge]\nkey = "second"\nsecret = "hush-two"\n'


def test_one_file_may_hold_several_accounts_of_a_venue(tmp_path):
    settings = Settings(credentials=write(tmp_path / "c.toml", TWO))
    assert venues.keys("binance", settings).key.get_secret_value() == "first"
    assert venues.keys("binance.hedge", settings).key.get_secret_value() == "second"
    assert venues.adapter("binance.hedge", settings).name == "binance.hedge"
    with pytest.raises(SettingsError, match=r"no table \[other\]; there are: hedge"):
        venues.keys("binance.other", settings)


def test_a_keystore_opens_with_its_passphrase_and_shows_nothing_without(tmp_path):
    sealed = keystore.seal(TWO.encode(), b"correct horse battery")
    assert b"hush" not in sealed
    path = tmp_path / "keys"
    path.write_bytes(sealed)
    right = write(tmp_path / "right", "correct horse battery\n")
    assert credentials.load(path, "hedge", right).secret.get_secret_value() == "hush-two"
    with pytest.raises(SettingsError, match="set credentials_passphrase"):
        credentials.load(path)
    with pytest.raises(SettingsError, match="doesn't open: the passphrase is another one, or it is damaged"):
        credentials.load(path, passphrase=write(tmp_path / "wrong", "battery horse correct"))
    right.chmod(0o640)
    with pytest.raises(SettingsError, match="mode 0640"):
        credentials.load(path, passphrase=right)


@pytest.mark.parametrize("damage", [slice(0, -10), slice(0, 30)])
def test_a_damaged_keystore_is_refused(tmp_path, damage):
    path = tmp_path / "keys"
    path.write_bytes(keystore.seal(TWO.encode(), b"correct horse battery")[damage])
    with pytest.raises(SettingsError, match="it is damaged"):
        credentials.load(path, passphrase=write(tmp_path / "right", "correct horse battery"))


def test_a_short_passphrase_seals_nothing():
    with pytest.raises(SettingsError, match="12 characters"):
        keystore.seal(b"x", b"battery    \n")


def test_credentials_must_be_named_and_there(tmp_path):
    with pytest.raises(SettingsError, match="credentials is not set"):
        credentials.load(None)
    with pytest.raises(SettingsError, match="can't be read: No such file"):
        credentials.load(tmp_path / "nowhere.toml")


def test_an_unknown_venue_is_refused_with_those_there_are():
    with pytest.raises(SettingsError, match=f"there are: {', '.join(sorted(venues.VENUES))}"):
        venues.find("nowhere")


def test_a_venue_without_an_address_of_its_own_needs_one():
    with pytest.raises(SettingsError, match="set venue_url and venue_stream_url"):
        venues.addresses("simulated", Settings(venue_url="http://127.0.0.1:1"))
    named = Settings(venue_url="http://127.0.0.1:1", venue_stream_url="ws://127.0.0.1:1")
    assert venues.addresses("simulated", named) == ("http://127.0.0.1:1", "ws://127.0.0.1:1")
    assert venues.addresses("binance", Settings())[0] == "https://api.binance.com"


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("binance", {"unknown_bound_s": 14.9}),
        ("binance.hedge", {"unknown_bounds_s": {"binance": 14.9}}),
        ("binance", {"receive_window_ms": 7_000}),
    ],
)
def test_a_venue_that_may_take_longer_than_is_waited_for_is_not_traded_at(name, bounds):
    found = credentials.Credentials(SecretStr("k"), SecretStr("hush-hush"))
    with pytest.raises(
        SettingsError, match=f"{name} may execute an order up to 1[57] s after .* unknown_bounds_s of binance"
    ):
        venues.adapter(name, Settings(**bounds), found)
    assert venues.adapter(name, Settings(), found).name == name
