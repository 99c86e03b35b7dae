"""Only what a secret has signed, lately, is believed."""

import hashlib
import hmac

import pytest

from runtime.settings import SettingsError
from tests.venue_gateways.webhook.events import NOW_US, OTHER_SECRET, SECRET, body, headers
from venue_gateways.webhook.keys import Secrets
from venue_gateways.webhook.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, WINDOW_US, Fault, fault, sign

BODY = body()
BOTH = (OTHER_SECRET.encode(), SECRET.encode())


def test_the_signature_is_hmac_sha_256_over_timestamp_full_stop_and_raw_body():
    expected = hmac.new(b"secret", b'1763800000.{"a": 1}', hashlib.sha256).hexdigest()
    assert sign(b"secret", "1763800000", b'{"a": 1}') == expected


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_any_of_several_secrets_will_do(secret):
    assert fault(BOTH, headers(BODY, secret=secret), BODY, NOW_US) is None


def test_capital_digits_are_read_too():
    signed = headers(BODY)
    assert fault(BOTH, signed | {SIGNATURE_HEADER: signed[SIGNATURE_HEADER].upper()}, BODY, NOW_US) is None


@pytest.mark.parametrize(
    ("changes", "content", "expected"),
    [
        ({SIGNATURE_HEADER: ""}, BODY, Fault.UNSIGNED),
        ({SIGNATURE_HEADER: "0" * 63}, BODY, Fault.UNSIGNED),
        ({SIGNATURE_HEADER: "é" * 64}, BODY, Fault.UNSIGNED),
        ({TIMESTAMP_HEADER: ""}, BODY, Fault.UNSIGNED),
        ({TIMESTAMP_HEADER: "-1763800000"}, BODY, Fault.UNSIGNED),
        ({TIMESTAMP_HEADER: "1763800000.0"}, BODY, Fault.UNSIGNED),
        ({TIMESTAMP_HEADER: "9" * 13}, BODY, Fault.UNSIGNED),
        ({SIGNATURE_HEADER: "0" * 64}, BODY, Fault.BAD_SIGNATURE),
        ({TIMESTAMP_HEADER: "1763800001"}, BODY, Fault.BAD_SIGNATURE),
        ({}, BODY + b" ", Fault.BAD_SIGNATURE),
        (headers(BODY, secret="f" * 64), BODY, Fault.BAD_SIGNATURE),
    ],
)
def test_what_is_not_signed_as_it_is_is_not_believed(changes, content, expected):
    assert fault(BOTH, headers(BODY) | changes, content, NOW_US) is expected


@pytest.mark.parametrize(("late_us", "expected"), [(WINDOW_US, None), (WINDOW_US + 1, Fault.STALE)])
def test_the_window_is_five_minutes_either_way(late_us, expected):
    signed = headers(BODY)
    assert fault(BOTH, signed, BODY, NOW_US + late_us) is expected
    assert fault(BOTH, signed, BODY, NOW_US - late_us) is expected


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "webhook.secrets"
    write(path, SECRET)
    return path


def write(path, *secrets, mode=0o400):
    new = path.with_suffix(".new")
    new.write_text("\n".join(secrets))
    new.chmod(mode)
    new.replace(path)


def test_secrets_are_rotated_without_a_restart(file):
    secrets = Secrets(file)
    assert secrets.current() == (SECRET.encode(),)
    write(file, OTHER_SECRET, SECRET)
    assert secrets.current() == BOTH
    write(file, OTHER_SECRET)
    assert secrets.current() == BOTH[:1]


def test_a_file_that_can_t_be_used_changes_nothing_until_it_is_mended(file):
    secrets = Secrets(file)
    write(file, OTHER_SECRET, mode=0o644)
    assert secrets.current() == (SECRET.encode(),)
    file.unlink()
    assert secrets.current() == (SECRET.encode(),)
    write(file, OTHER_SECRET)
    assert secrets.current() == (OTHER_SECRET.encode(),)


@pytest.mark.parametrize("lines", [(), ("short",), (SECRET, "short"), ("é" * 40,), (SECRET,) * 9])
def test_a_gateway_doesn_t_start_with_secrets_that_are_none(file, lines):
    write(file, *lines)
    with pytest.raises(SettingsError, match="webhook_secrets"):
        Secrets(file)


def test_a_gateway_doesn_t_start_with_secrets_that_others_may_read(file):
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 0400"):
        Secrets(file)
