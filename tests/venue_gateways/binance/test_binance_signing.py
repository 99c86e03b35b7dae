"""The venue's published examples, bit for bit (rest-api.md and web-socket-api.md, "SIGNED request example")."""

import base64
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain import money
from domain.messages import Operation, OrderType, Side, VenueRequest
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import Ed25519Signer, HmacSigner, signed_parameters, signed_query
from venue_gateways.venue import Place

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"

ORDER = [
    ("symbol", "LTCBTC"),
    ("side", "BUY"),
    ("type", "LIMIT"),
    ("timeInForce", "GTC"),
    ("quantity", "1"),
    ("price", "0.1"),
    ("recvWindow", "5000"),
    ("timestamp", "1499827319559"),
]


@pytest.mark.parametrize(
    ("symbol", "encoded", "signature"),
    [
        ("LTCBTC", "LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            "１２３４５６",  # full-width digits: not ASCII
            "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
def test_the_published_rest_examples_come_out(symbol, encoded, signature):
    query = signed_query([("symbol", symbol), *ORDER[1:]], HmacSigner(SECRET))
    assert query == (
        f"symbol={encoded}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        f"&timestamp=1499827319559&signature={signature}"
    )


@pytest.mark.parametrize(
    ("changes", "signature"),
    [
        (
            {"symbol": "BTCUSDT", "side": "SELL", "price": "52000.00", "quantity": "0.01000000", "recvWindow": 100},
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            {
                "symbol": "１２３４５６",
                "side": "BUY",
                "price": "0.10000000",
                "quantity": "1.00000000",
                "recvWindow": 5000,
            },
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)
def test_the_published_websocket_examples_come_out(changes, signature):
    parameters = {"type": "LIMIT", "timeInForce": "GTC", "timestamp": 1645423376532, "apiKey": KEY}
    signed = signed_parameters(parameters | changes, HmacSigner(SECRET))
    assert signed == {**parameters, **changes, "signature": signature}


def test_an_ed25519_signature_is_percent_encoded_base64_that_the_public_key_verifies():
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    payload, _, signature = signed_query(ORDER, Ed25519Signer(key)).partition("&signature=")
    assert not set("+/=") & set(signature)
    key.public_key().verify(base64.b64decode(unquote(signature)), payload.encode())


def test_an_order_is_signed_over_exactly_what_is_sent():
    adapter = Binance("binance", KEY, HmacSigner(SECRET))
    order = VenueRequest(
        request_id="r",
        client_order_id="00000000-0000-8000-8000-000000000000",
        user_id="u",
        order_id="o",
        venue="binance",
        symbol="LTC-BTC",
        operation=Operation.PLACE,
        sequence=1,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=money.ONE,
        price=money.parse("0.1"),
        requested_at=0,
    )
    request = adapter.build(Place(order), 1_499_827_319_559_000)
    assert request.method == "POST"
    assert request.headers == (("X-MBX-APIKEY", KEY),)
    path, _, query = request.target.partition("?")
    payload, _, signature = query.partition("&signature=")
    assert path == "/api/v3/order"
    assert payload == (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&newClientOrderId=00000000-0000-8000-8000-000000000000&newOrderRespType=FULL"
        "&selfTradePreventionMode=EXPIRE_TAKER&recvWindow=5000&timestamp=1499827319559"
    )
    assert signature == HmacSigner(SECRET).sign(payload.encode())
