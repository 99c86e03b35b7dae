"""What signing adds to any request, and how a symbol is usually called, venue by venue."""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from pydantic import SecretStr

from runtime.settings import SettingsError
from venue_gateways.binance import signing as binance
from venue_gateways.coinbase import signing as coinbase
from venue_gateways.credentials import Credentials
from venue_gateways.kraken import signing as kraken


class Unsigned(msgspec.Struct, frozen=True, kw_only=True):
    """A request before it is signed, as text. Without *time_us* it is made now; without *nonce*, any will do."""

    method: str
    host: str
    path: str
    query: str = ""
    body: str = ""
    time_us: int | None = None
    nonce: str | None = None


#: What is added: where to ("query", "body", "header"), and the text.
Additions = tuple[tuple[str, str], ...]


class Dialect(msgspec.Struct, frozen=True):
    """*symbol* is a guess at the venue's name for ours; *example* makes credentials that open nothing."""

    sign: Callable[[Credentials, Unsigned, int], Additions]
    symbol: Callable[[str], str]
    example: Callable[[], Credentials]


def _sign_binance(credentials: Credentials, request: Unsigned, now_us: int) -> Additions:  # noqa: ARG001  # time is a parameter
    """Documented: query and body are signed as one text, with nothing between them, and the signature comes last."""
    where, text = ("body", request.body) if request.body else ("query", request.query)
    added = "" if request.time_us is None else f"timestamp={request.time_us // 1_000}"
    added = f"&{added}" if added and text else added
    payload = (request.query + request.body + added).encode()
    signature = quote(binance.signer(credentials).sign(payload), safe="")
    joint = "&" if text or added else ""
    return (where, f"{added}{joint}signature={signature}"), ("header", f"X-MBX-APIKEY: {_shown(credentials.key)}")


def _sign_kraken(credentials: Credentials, request: Unsigned, now_us: int) -> Additions:
    """Documented: the nonce is part of the body, and signed with it."""
    found = _nonce_in(request.body)
    nonce = found or request.nonce or str(request.time_us or now_us)
    if not nonce.isdecimal():
        raise SettingsError("Kraken's nonce is a whole number")
    added = "" if found else f"nonce={nonce}"
    if added and request.body.startswith("{"):
        raise SettingsError(f'a JSON body must have its nonce: put "nonce": {nonce} into it')
    body = request.body + ("&" if added and request.body else "") + added
    signature = kraken.KrakenSigner(credentials.secret_bytes()).sign(request.path, int(nonce), body.encode())
    headers = ("header", f"API-Key: {_shown(credentials.key)}"), ("header", f"API-Sign: {signature}")
    return (("body", body.removeprefix(request.body)), *headers) if added else headers


def _nonce_in(body: str) -> str | None:
    if body.startswith("{"):
        try:
            found = json.loads(body).get("nonce")
        except ValueError as error:
            raise SettingsError(f"the body is no JSON: {error}") from error
        return None if found is None else str(found)
    return dict(parse_qsl(body)).get("nonce")


def _sign_coinbase(credentials: Credentials, request: Unsigned, now_us: int) -> Additions:
    """Documented: a token names method, host and path, and neither query nor body."""
    if credentials.private_key is None:
        raise SettingsError("Coinbase takes a key on the curve P-256, or an Ed25519 key")
    tokens = coinbase.Tokens(_shown(credentials.key), credentials.private_key)
    issued_at_s = (now_us if request.time_us is None else request.time_us) // 1_000_000
    uri = f"{request.method} {request.host}{request.path}"
    token = tokens.token(issued_at_s, request.nonce or secrets.token_hex(), uri=uri)
    return (("header", f"Authorization: Bearer {token}"),)


def _shown(key: SecretStr) -> str:
    return key.get_secret_value()


def _example(secret: str) -> Credentials:
    return Credentials(SecretStr("key"), secret=SecretStr(secret))


_BINANCE: Final = Dialect(_sign_binance, lambda symbol: symbol.replace("-", ""), lambda: _example("secret"))
#: By the names in :mod:`venue_gateways.venues`.
DIALECTS: Final[Mapping[str, Dialect]] = {
    "simulated": _BINANCE,
    "binance": _BINANCE,
    "coinbase": Dialect(
        _sign_coinbase,
        lambda symbol: symbol,
        lambda: Credentials(SecretStr("organizations/o/apiKeys/k"), private_key=generate_private_key(SECP256R1())),
    ),
    "kraken": Dialect(
        _sign_kraken,
        lambda symbol: symbol.replace("BTC", "XBT").replace("-", ""),
        lambda: _example(base64.b64encode(b"secret").decode()),
    ),
}


def dialect(venue: str) -> Dialect:
    """That of a venue that there is, or of one of its accounts."""
    return DIALECTS[venue.partition(".")[0]]
