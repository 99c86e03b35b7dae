"""Tokens as the official client makes them: whoever has the public key can tell."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

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
from venue_gateways.coinbase import Coinbase
from venue_gateways.coinbase.signing import Tokens
from venue_gateways.venue import Cancel, FindOrder, ListOpenOrders, Place, ReadClock, ReadRules

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


@pytest.mark.parametrize(
    ("call", "uri"),
    [
        (Place(order()), "POST api.coinbase.com/api/v3/brokerage/orders"),
        (Cancel(order(), THEIRS), "POST api.coinbase.com/api/v3/brokerage/orders/batch_cancel"),
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
