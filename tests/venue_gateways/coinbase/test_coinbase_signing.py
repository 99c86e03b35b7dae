"""Tokens as the official client makes them: whoever has the public key can tell."""

import base64

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr

from domain.messages import Operation
from runtime.settings import Settings, SettingsError
from tests.venue_gateways.coinbase.examples import (
    EC_KEY,
    ED_KEY,
    KEY_NAME,
    NONCE,
    NOW_US,
    THEIRS,
    bearer,
    order,
    token_parts,
)
from tests.venue_gateways.coinbase.examples import adapter as an_adapter
from venue_gateways import venues
from venue_gateways.coinbase import Coinbase
from venue_gateways.coinbase.signing import Tokens, private_key
from venue_gateways.credentials import Credentials
from venue_gateways.venue import Amend, Cancel, FindOrder, ListOpenOrders, Place, ReadClock, ReadRules

URI = "GET api.coinbase.com/api/v3/brokerage/accounts"


def raw(signature: bytes) -> bytes:
    """R and s as they stand in a token, as the DER that the library verifies."""
    assert len(signature) == 64
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def test_an_es256_token_verifies_with_its_public_key():
    for issued in range(1_700_000_000, 1_700_000_300):  # one in 128 has an r or s that begins with a zero byte
        *_, signed, signature = token_parts(Tokens(KEY_NAME, EC_KEY).token(issued, NONCE, uri=URI))
        EC_KEY.public_key().verify(raw(signature), signed, ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        EC_KEY.public_key().verify(raw(signature), signed + b"x", ECDSA(SHA256()))


def test_an_eddsa_token_verifies_with_its_public_key():
    *_, signed, signature = token_parts(Tokens(KEY_NAME, ED_KEY).token(1_700_000_000, NONCE, uri=URI))
    ED_KEY.public_key().verify(signature, signed)


@pytest.mark.parametrize(("key", "algorithm"), [(EC_KEY, "ES256"), (ED_KEY, "EdDSA")])
def test_header_and_claims_are_the_official_client_s(key, algorithm):
    header, claims, *_ = token_parts(Tokens(KEY_NAME, key).token(1_700_000_000, NONCE, uri=URI))
    assert header == {"alg": algorithm, "typ": "JWT", "kid": KEY_NAME, "nonce": NONCE}
    assert claims == {"sub": KEY_NAME, "iss": "cdp", "nbf": 1_700_000_000, "exp": 1_700_000_120, "uri": URI}


def test_a_token_has_no_padding_and_nothing_that_a_header_can_t_carry():
    token = Tokens(KEY_NAME, EC_KEY).token(1_700_000_000, NONCE, uri=URI)
    assert token.count(".") == 2
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_stream_s_token_names_no_request():
    _, claims, *_ = token_parts(Tokens(KEY_NAME, ED_KEY).token(1_700_000_000, NONCE))
    assert claims == {"sub": KEY_NAME, "iss": "cdp", "nbf": 1_700_000_000, "exp": 1_700_000_120}


def test_a_key_on_another_curve_is_refused():
    with pytest.raises(ValueError, match="P-256"):
        Tokens(KEY_NAME, generate_private_key(SECP384R1()))


def credentials(**fields: object) -> Credentials:
    return Credentials(SecretStr("organizations/0a1b/apiKeys/new"), **fields)


def base64_secret(data: bytes) -> Credentials:
    return credentials(secret=SecretStr(base64.b64encode(data).decode()))


@pytest.mark.parametrize("more", [b"", bytes(32)])
def test_an_ed25519_key_is_taken_as_it_is_given_out(more):
    found = private_key(base64_secret(ED_KEY.private_bytes_raw() + more))
    assert found.private_bytes_raw() == ED_KEY.private_bytes_raw()


@pytest.mark.parametrize("given_out", [b"x", bytes(31), bytes(33), bytes(96)])
def test_a_secret_that_is_no_key_is_refused(given_out):
    with pytest.raises(SettingsError, match="Coinbase takes"):
        private_key(base64_secret(given_out))


def test_an_adapter_signs_with_its_newest_key(adapter):
    adapter.rekey(credentials(private_key=EC_KEY))
    header, claims = bearer(adapter.build(Place(order()), NOW_US))
    assert (header["alg"], header["kid"]) == ("ES256", "organizations/0a1b/apiKeys/new")
    assert claims["sub"] == header["kid"]


def test_an_adapter_goes_on_with_its_key_if_the_new_one_is_of_no_use(adapter):
    with pytest.raises(SettingsError):
        adapter.rekey(base64_secret(b"x"))
    assert bearer(adapter.build(Place(order()), NOW_US))[0]["kid"] == KEY_NAME


@pytest.mark.parametrize(
    ("call", "uri"),
    [
        (Place(order()), "POST api.coinbase.com/api/v3/brokerage/orders"),
        (Cancel(order(), THEIRS), "POST api.coinbase.com/api/v3/brokerage/orders/batch_cancel"),
        (Amend(order(Operation.AMEND), THEIRS), "POST api.coinbase.com/api/v3/brokerage/orders/edit"),
        (ListOpenOrders("BTC-USD"), "GET api.coinbase.com/api/v3/brokerage/orders/historical/batch"),
        (
            FindOrder("BTC-USD", venue_order_id=THEIRS),
            f"GET api.coinbase.com/api/v3/brokerage/orders/historical/{THEIRS}",
        ),
    ],
)
def test_a_request_s_token_names_method_host_and_path_without_the_query(adapter, call, uri):
    assert bearer(adapter.build(call, NOW_US))[1]["uri"] == uri


def test_the_host_is_the_one_that_is_called():
    adapter = an_adapter(host="127.0.0.1:8080")
    assert bearer(adapter.build(Place(order()), NOW_US))[1]["uri"] == "POST 127.0.0.1:8080/api/v3/brokerage/orders"


@pytest.mark.parametrize("call", [ReadClock(), ReadRules()])
def test_public_calls_carry_no_token(adapter, call):
    assert adapter.build(call, NOW_US).headers == ()


@pytest.mark.parametrize(
    ("now_us", "expires_at"), [(1_700_000_000_000_000, 1_700_000_005), (1_700_000_000_999_999, 1_700_000_005)]
)
def test_a_placement_s_token_expires_no_later_than_its_receive_window(now_us, expires_at):
    _, claims = bearer(an_adapter(lifetime_ms=5_000).build(Place(order()), now_us))
    assert (claims["nbf"], claims["exp"]) == (1_700_000_000, expires_at)


def test_an_edit_that_is_held_up_is_refused_as_a_placement_is():
    adapter = an_adapter(lifetime_ms=5_000)
    _, claims = bearer(adapter.build(Amend(order(Operation.AMEND), THEIRS), 1_700_000_000_999_999))
    assert (claims["nbf"], claims["exp"]) == (1_700_000_000, 1_700_000_005)


def test_a_query_s_token_lives_as_long_as_documented(adapter):
    _, claims = bearer(adapter.build(ListOpenOrders("BTC-USD"), NOW_US))
    assert claims["exp"] - claims["nbf"] == 120


def test_no_two_tokens_have_the_same_nonce():
    adapter = Coinbase("coinbase", KEY_NAME, ED_KEY)
    nonces = {bearer(adapter.build(Place(order()), NOW_US))[0]["nonce"] for _ in range(3)}
    assert len(nonces) == 3
    assert all(len(nonce) == 64 for nonce in nonces)


def test_a_receive_window_that_tokens_can_t_express_is_refused():
    with pytest.raises(ValueError, match="whole seconds"):
        an_adapter(lifetime_ms=1_999)


def settings(**fields: object) -> Settings:
    return Settings(venue_url="http://127.0.0.1:9", venue_stream_url="ws://127.0.0.1:9", **fields)


def test_a_gateway_s_adapter_signs_for_the_address_it_calls():
    made = venues.find("coinbase.hedge").make("coinbase.hedge", credentials(private_key=EC_KEY), settings())
    request = made.build(Place(order()), NOW_US)
    assert made.name == "coinbase.hedge"
    assert bearer(request)[1]["uri"] == "POST 127.0.0.1:9/api/v3/brokerage/orders"
    assert bearer(request)[1]["exp"] - NOW_US // 1_000_000 == 5


def test_each_account_prevents_its_own_self_trades():
    ids = set()
    for name in ("coinbase", "coinbase", "coinbase.hedge"):
        made = venues.find(name).make(name, credentials(private_key=EC_KEY), settings())
        ids.add(msgspec.json.decode(made.build(Place(order()), NOW_US).body)["self_trade_prevention_id"])
    assert len(ids) == 2


def test_a_gateway_with_too_short_a_receive_window_does_not_start():
    with pytest.raises(SettingsError, match="receive_window_ms must be 2000"):
        venues.find("coinbase").make("coinbase", credentials(private_key=EC_KEY), settings(receive_window_ms=1_000))
