import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from venue_gateways.simulator import credentials
from venue_gateways.simulator.binance import security
from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.parameters import Parameters, split
from venue_gateways.simulator.binance.security import Credential
from venue_gateways.simulator.binance.stream import signed
from venue_gateways.simulator.credentials import CredentialsError

#: rest-api.md and web-socket-api.md, SIGNED request examples (HMAC).
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
DOCUMENTED = Credential("main", KEY, SECRET)
NON_ASCII = "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"
REST = "symbol={}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
REST_EXAMPLES = [
    (REST.format("LTCBTC"), "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (REST.format(NON_ASCII), "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
]
SOCKET = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "timestamp": "1645423376532", "apiKey": KEY}
SOCKET_EXAMPLES = [
    (
        SOCKET | {"symbol": "BTCUSDT", "quantity": "0.01000000", "price": "52000.00", "recvWindow": "100"},
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        SOCKET
        | {
            "symbol": "１２３４５６",
            "side": "BUY",
            "quantity": "1.00000000",
            "price": "0.10000000",
            "recvWindow": "5000",
        },
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
]


@pytest.mark.parametrize(("payload", "signature"), REST_EXAMPLES)
def test_the_documented_rest_signatures_are_right(payload, signature):
    _, payload_bytes = split(f"{payload}&signature={signature}".encode(), b"")
    assert payload_bytes == payload.encode()
    assert DOCUMENTED.verify(payload_bytes, signature)
    assert DOCUMENTED.verify(payload_bytes, signature.upper())
    assert not DOCUMENTED.verify(payload_bytes + b"0", signature)


@pytest.mark.parametrize(("parameters", "signature"), SOCKET_EXAMPLES)
def test_the_documented_websocket_signatures_are_right(parameters, signature):
    assert DOCUMENTED.verify(signed(parameters | {"signature": signature}), signature)
    assert not DOCUMENTED.verify(signed(parameters | {"side": "NONE"}), signature)


@pytest.mark.parametrize(
    ("query", "body", "payload"),
    [
        (b"a=1&b=2&signature=x", b"", b"a=1&b=2"),
        (b"", b"a=1&b=2&signature=x", b"a=1&b=2"),
        (b"a=1", b"b=2&signature=x", b"a=1b=2"),
        (b"a=1&signature=x", b"b=2", b"a=1b=2"),
        (b"signature=x&a=1&b=2", b"", b"a=1&b=2"),
        (b"a=1&signature=x&b=2", b"", b"a=1&b=2"),
        (b"presignature=1&signature=x", b"", b"presignature=1"),
    ],
)
def test_a_signature_is_about_query_and_body_without_anything_between_them(query, body, payload):
    values, signed_bytes = split(query, body)
    assert signed_bytes == payload
    assert values["signature"] == "x"


def test_the_query_string_counts_where_the_body_disagrees():
    assert split(b"a=1", b"a=2&b=3")[0] == {"a": "1", "b": "3"}


def test_a_parameter_that_is_twice_is_an_error():
    with pytest.raises(ApiError, match="Duplicate"):
        split(b"a=1&a=2", b"")


def test_an_ed25519_signature_is_base64_and_its_case_matters():
    private = Ed25519PrivateKey.generate()
    known = Credential("main", "k", public_key=private.public_key())
    good = base64.b64encode(private.sign(b"payload")).decode()
    assert known.verify(b"payload", good)
    for bad in (good.swapcase(), "", "no base64!", base64.b64encode(b"x" * 64).decode()):
        assert not known.verify(b"payload", bad)
    assert not known.verify(b"another", good)


def pem(private):
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def read(path):
    return credentials.read(path, security.credential)


def test_credentials_are_read_from_a_file(tmp_path):
    path, private = tmp_path / "credentials.toml", Ed25519PrivateKey.generate()
    path.write_text(f'key = "{KEY}"\nsecret = "{SECRET.decode()}"\n')
    assert read(path) == {KEY: DOCUMENTED}
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    path.write_text(
        '[[account]]\naccount = "one"\nkey = "a"\nsecret = "s"\n'
        f'[[account]]\naccount = "two"\nkey = "b"\nsecret = """{pem(private)}"""\n'
        f'[[account]]\naccount = "two"\nkey = "c"\nsecret = """{public}"""\n'
    )
    known = read(path)
    assert {key: found.account for key, found in known.items()} == {"a": "one", "b": "two", "c": "two"}
    signature = base64.b64encode(private.sign(b"x")).decode()
    assert known["b"].verify(b"x", signature)
    assert known["c"].verify(b"x", signature)


@pytest.mark.parametrize(
    "content",
    ['key = "k"', 'secret = "s"', "no toml", 'key = "k"\nsecret = "-----BEGIN PRIVATE KEY-----"', "rsa"],
)
def test_a_credentials_file_that_cannot_be_used_says_so(tmp_path, content):
    path = tmp_path / "credentials.toml"
    if content == "rsa":
        content = f'key = "k"\nsecret = """{pem(generate_private_key(65_537, 2_048))}"""'
    path.write_text(content)
    with pytest.raises(CredentialsError, match=r"credentials\.toml"):
        read(path)
    with pytest.raises(CredentialsError):
        read(tmp_path / "missing.toml")


def test_made_credentials_are_their_owners_alone(tmp_path):
    path = tmp_path / "deep" / "credentials.toml"
    key, secret = security.new_key()
    credentials.create(path, key, secret)
    assert read(path) == {key: Credential("main", key, secret.encode())}
    assert path.stat().st_mode & 0o777 == 0o400
    with pytest.raises(FileExistsError):
        credentials.create(path, key, secret)


NOW = 1_800_000_000_000_000


def age(timestamp, *, arrived=NOW, now=NOW, **more):
    security.check_age(Parameters({"timestamp": str(timestamp), **more}), arrived, now)


@pytest.mark.parametrize(
    ("timestamp", "window", "fits"),
    [
        (NOW // 1_000, None, True),
        (NOW // 1_000 - 5_000, None, True),
        (NOW // 1_000 - 5_001, None, False),
        (NOW // 1_000 + 999, None, True),
        (NOW // 1_000 + 1_000, None, False),
        (NOW - 5_000_000, None, True),
        (NOW - 5_000_001, None, False),
        (NOW - 60_000_000, "60000", True),
        (NOW - 100_346, "100.346", True),
        (NOW - 100_347, "100.346", False),
    ],
)
def test_a_request_is_neither_too_old_nor_from_the_future(timestamp, window, fits):
    more = {} if window is None else {"recvWindow": window}
    if fits:
        age(timestamp, **more)
    else:
        with pytest.raises(ApiError) as raised:
            age(timestamp, **more)
        assert raised.value.code == -1021


def test_the_age_is_looked_at_again_before_the_engine():
    age(NOW // 1_000, arrived=NOW, now=NOW + 5_000_000)
    with pytest.raises(ApiError, match="outside of the recvWindow"):
        age(NOW // 1_000, arrived=NOW, now=NOW + 5_001_000)


def test_a_window_has_a_bound():
    with pytest.raises(ApiError, match="greater than 60000"):
        age(NOW // 1_000, recvWindow="60000.001")
