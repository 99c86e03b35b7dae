"""What Coinbase sends and is sent, as its official client's types and other clients' recordings show it."""

import base64

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain import money
from domain.messages import Operation, OrderType, Side, VenueRequest
from venue_gateways.coinbase import Coinbase
from venue_gateways.venue import HttpRequest, HttpResponse, ReadRules

KEY_NAME = "organizations/0a1b/apiKeys/2c3d"
EC_KEY = derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), SECP256R1())
ED_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NONCE = "f0e1d2c3"

NOW_US = 1_705_314_600_123_456  # 2024-01-15T10:30:00.123456Z
OURS = "00000000-0000-8000-8000-000000000001"
THEIRS = "11111111-000000-000001"
V3 = "/api/v3/brokerage"

PRODUCT = {
    "product_id": "BTC-USD",
    "price": "68923.67",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "price_increment": "0.01",
    "quote_min_size": "1",
    "quote_max_size": "150000000",
    "base_min_size": "0.00000001",
    "base_max_size": "3400",
    "is_disabled": False,
    "status": "online",
    "cancel_only": False,
    "limit_only": False,
    "post_only": False,
    "trading_disabled": False,
    "product_type": "SPOT",
    "quote_currency_id": "USD",
    "base_currency_id": "BTC",
    "alias": "",
    "alias_to": ["BTC-USDC"],
    "view_only": False,
}
RULES = {
    "products": [
        PRODUCT,
        PRODUCT | {"product_id": "ETH-USD", "base_currency_id": "ETH"},
        PRODUCT | {"product_id": "SOL-USD", "base_currency_id": "SOL", "cancel_only": True},
        PRODUCT | {"product_id": "XBT-EUR", "quote_currency_id": "EUR"},
        PRODUCT | {"product_id": "BTC-USDC", "quote_currency_id": "USDC", "alias": "BTC-USD", "alias_to": []},
    ],
    "num_products": 5,
}
PLACED = {
    "success": True,
    "failure_reason": "UNKNOWN_FAILURE_REASON",
    "order_id": THEIRS,
    "success_response": {"order_id": THEIRS, "product_id": "BTC-USD", "side": "SELL", "client_order_id": OURS},
    "order_configuration": {
        "limit_limit_gtc": {"base_size": "0.00001000", "limit_price": "60000.50", "post_only": False}
    },
}
ORDER = {
    "order_id": THEIRS,
    "product_id": "BTC-USD",
    "user_id": "2222-000000-000000",
    "order_configuration": {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "45000.00", "post_only": False}},
    "side": "BUY",
    "client_order_id": OURS,
    "status": "OPEN",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
    "created_time": "2024-01-15T10:00:00Z",
    "completion_percentage": "0",
    "filled_size": "0",
    "average_filled_price": "0",
    "number_of_fills": "0",
    "pending_cancel": False,
    "size_in_quote": False,
    "reject_reason": "",
    "settled": False,
    "cancel_message": "",
    "last_fill_time": None,
}
FILL = {
    "entry_id": "22222-2222222-22222222",
    "trade_id": "1111-11111-111111",
    "order_id": THEIRS,
    "trade_time": "2024-01-15T10:30:00Z",
    "trade_type": "FILL",
    "price": "45123.45",
    "size": "0.005",
    "commission": "1.14",
    "product_id": "BTC-USD",
    "sequence_timestamp": "2024-01-15T10:30:00.123456Z",
    "liquidity_indicator": "MAKER",
    "size_in_quote": False,
    "user_id": "3333-333333-3333333",
    "side": "BUY",
}


ACCOUNT = {
    "uuid": "8bfc20d7-f7c6-4422-bf07-8243ca4169fe",
    "name": "BTC Wallet",
    "currency": "BTC",
    "available_balance": {"value": "1.23", "currency": "BTC"},
    "default": False,
    "active": True,
    "type": "ACCOUNT_TYPE_CRYPTO",
    "ready": True,
    "hold": {"value": "0.01", "currency": "BTC"},
}
DOLLARS = {"available_balance": {"value": "10000.50", "currency": "USD"}, "hold": {"value": "450", "currency": "USD"}}
ACCOUNTS = {
    "accounts": [ACCOUNT, ACCOUNT | DOLLARS | {"currency": "USD"}],
    "has_next": False,
    "cursor": "",
    "size": 2,
}


def listed(*orders: object, cursor: str = "") -> HttpResponse:
    return answer(200, {"orders": list(orders), "sequence": "0", "has_next": bool(cursor), "cursor": cursor})


def fills(*rows: object, cursor: str = "") -> HttpResponse:
    return answer(200, {"fills": list(rows), "cursor": cursor})


def at(second: int) -> dict[str, object]:
    """A fill that was listed at that second of a minute."""
    return FILL | {"entry_id": f"e{second}", "sequence_timestamp": f"2024-01-15T10:30:{second:02}Z"}


def answer(status: int, body: object, **headers: str) -> HttpResponse:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def refused(new_order: str = "UNKNOWN_FAILURE_REASON", **reasons: str) -> HttpResponse:
    reason = {"error": "UNKNOWN_FAILURE_REASON", "message": "", "new_order_failure_reason": new_order} | reasons
    return answer(200, {"success": False, "error_response": reason, "order_configuration": None})


def canceled(*, success: bool, reason: str = "UNKNOWN_CANCEL_FAILURE_REASON", order_id: str = THEIRS) -> HttpResponse:
    return answer(200, {"results": [{"success": success, "failure_reason": reason, "order_id": order_id}]})


def edited(
    *, success: bool, edit: str = "UNKNOWN_EDIT_ORDER_FAILURE_REASON", preview: str = "UNKNOWN_PREVIEW_FAILURE_REASON"
) -> HttpResponse:
    reasons = {"edit_failure_reason": edit, "preview_failure_reason": preview}
    return answer(200, {"success": success, "errors": [reasons]})


def order(operation: Operation = Operation.PLACE, **fields: object) -> VenueRequest:
    made = {
        "request_id": "r",
        "client_order_id": OURS,
        "user_id": "u",
        "order_id": "o",
        "venue": "coinbase",
        "symbol": "BTC-USD",
        "operation": operation,
        "sequence": 1,
        "side": Side.SELL,
        "order_type": OrderType.LIMIT,
        "quantity": money.parse("0.00001"),
        "price": money.parse("60000.5"),
        "requested_at": 0,
    }
    return VenueRequest(**(made | fields))


def adapter(**options: object) -> Coinbase:
    """One that has read the rules."""
    made = Coinbase("coinbase", KEY_NAME, ED_KEY, nonce=lambda: NONCE, **options)
    rules = made.parse(ReadRules(), answer(200, RULES)).rules
    assert rules is not None
    made.learn(rules)
    return made


def token_parts(token: str) -> tuple[dict[str, object], dict[str, object], bytes, bytes]:
    """Header, claims, what is signed, and the signature."""
    header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    return msgspec.json.decode(header), msgspec.json.decode(claims), token.rpartition(".")[0].encode(), signature


def bearer(request: HttpRequest) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of the token that a request carries."""
    scheme, _, token = dict(request.headers)["Authorization"].partition(" ")
    assert scheme == "Bearer"
    return token_parts(token)[:2]
