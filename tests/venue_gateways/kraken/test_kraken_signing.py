"""Kraken's signature, as its documents compute it, and nonces."""

import base64

import pytest
from pydantic import SecretStr

from runtime.settings import SettingsError
from tests.venue_gateways.kraken.examples import NOON
from venue_gateways.credentials import Credentials
from venue_gateways.kraken import Kraken
from venue_gateways.kraken.signing import KrakenSigner, Nonces, form
from venue_gateways.venue import ListOpenOrders

#: The example of the documents ("Spot REST Authentication").
SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="  # gitleaks:allow
SIGNATURE = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="  # gitleaks:allow


def test_the_published_example_is_reproduced_bit_for_bit():
    body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    signer = KrakenSigner(base64.b64decode(SECRET))
    assert signer.sign("/0/private/AddOrder", 1616492376594, body) == SIGNATURE
    assert signer.sign("/0/private/AddOrder", 1616492376595, body) != SIGNATURE
    assert signer.sign("/0/private/CancelOrder", 1616492376594, body) != SIGNATURE


def test_a_request_is_signed_as_it_goes_out():
    adapter = Kraken("kraken", "the key", KrakenSigner(base64.b64decode(SECRET)))
    request = adapter.build(ListOpenOrders("account"), NOON)
    assert (request.method, request.target) == ("POST", "/0/private/OpenOrders")
    assert request.body == b"nonce=1616492376594000"
    headers = dict(request.headers)
    assert headers["API-Key"] == "the key"
    expected = KrakenSigner(base64.b64decode(SECRET)).sign(request.target, NOON, request.body)
    assert headers["API-Sign"] == expected
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["User-Agent"]


def test_a_form_is_quoted_as_it_is_signed():
    assert form([("a", "1.5"), ("b", "post,fciq"), ("c", "ü &=")]) == b"a=1.5&b=post%2Cfciq&c=%C3%BC%20%26%3D"


def test_nonces_rise_whatever_the_clock_does():
    nonces = Nonces()
    assert [nonces.take(now) for now in (1_000, 1_000, 999, 1_500, 1_499)] == [1_000, 1_001, 1_002, 1_500, 1_501]


def test_nonces_go_on_after_a_restart_because_time_does():
    before, after = Nonces(), Nonces()
    assert before.take(NOON) < before.take(NOON) < after.take(NOON + 1_000)


def test_a_new_key_signs_from_then_on_and_a_useless_one_changes_nothing():
    adapter = Kraken("kraken", "old", KrakenSigner(b"old"))
    with pytest.raises(SettingsError):
        adapter.rekey(Credentials(SecretStr("useless"), SecretStr("no base64!")))
    assert dict(adapter.build(ListOpenOrders("account"), 1).headers)["API-Key"] == "old"
    adapter.rekey(Credentials(SecretStr("new"), SecretStr(base64.b64encode(b"new").decode())))
    request = adapter.build(ListOpenOrders("account"), 1)
    headers = dict(request.headers)
    assert headers["API-Key"] == "new"
    assert headers["API-Sign"] == KrakenSigner(b"new").sign(request.target, 2, request.body)


@pytest.mark.parametrize("window_ms", [2_999, 60_001])
def test_a_receive_window_that_can_be_no_deadline_is_refused(window_ms):
    with pytest.raises(SettingsError, match="from 3000 to 60000"):
        Kraken("kraken", "key", KrakenSigner(b"secret"), receive_window_ms=window_ms)
