"""Binance's WebSocket API: one session's requests, and the user data stream (web-socket-api.md, user-data-stream.md).

There is no sequence number in the stream and no way to ask for what was missed. No I/O here: a session gets texts and
gives texts.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson
from typing_extensions import override

from venue_gateways.simulator import dialect
from venue_gateways.simulator.binance import payloads, security
from venue_gateways.simulator.binance.endpoints import BY_METHOD, Endpoint
from venue_gateways.simulator.binance.errors import ApiError
from venue_gateways.simulator.binance.exchange import Call, Exchange
from venue_gateways.simulator.binance.limits import LimitType
from venue_gateways.simulator.binance.parameters import Parameters
from venue_gateways.simulator.binance.security import Credential
from venue_gateways.simulator.dialect import HONEST, Deliver, Lies
from venue_gateways.simulator.faults import Outcome

_SESSION_WEIGHT: Final = 2
_SECURITY: Final = frozenset({"apiKey", "timestamp", "recvWindow", "signature", "returnRateLimits"})

#: What is said in place of an answer; any other outcome cuts the connection.
_INSTEAD: Final = {
    Outcome.ERROR_BEFORE: (504, -1007, "Timeout waiting for response from backend server."),
    Outcome.ERROR_AFTER: (504, -1007, "Timeout waiting for response from backend server."),
    Outcome.TOO_MANY_REQUESTS: (429, -1003, "Too many requests queued."),
    Outcome.FORBIDDEN: (403, -1002, "You are not authorized to execute this request."),
    Outcome.BANNED: (418, -1003, "Way too much request weight used; IP banned."),
}


class Question(msgspec.Struct, frozen=True):
    """One request as it came."""

    method: str
    id: int | str | None = None
    params: dict[str, Any] = {}


class Session(dialect.Session):
    """One connection. *deliver* takes each event of the streams it has subscribed to."""

    def __init__(self, exchange: Exchange, address: str, deliver: Deliver, now: int, query: str = "") -> None:
        self.exchange = exchange
        self.address = address
        self.deliver = deliver
        self.unit = payloads.MICROSECOND if "timeunit=microsecond" in query.lower() else payloads.MILLISECOND
        self.subscriptions: dict[int, str] = {}
        self._subscribed = 0
        self._show_limits = "returnratelimits=false" not in query.lower()
        self._connected_at = now
        self._credential: Credential | None = None
        self._authorized_at: int | None = None
        self._logon_subscription: int | None = None
        self._methods: Final = {
            "session.logon": self._logon,
            "session.status": self._status,
            "session.logout": self._logout,
            "session.subscriptions": self._list_subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    @override
    def operation(self, text: str | bytes) -> str:
        return operation(text)

    @override
    def instead(self, text: str | bytes, outcome: Outcome) -> bytes | None:
        said = _INSTEAD.get(outcome)
        return instead(text, *said) if said else None

    @override
    def goodbye(self, now: int) -> None:
        self.deliver(orjson.dumps({"event": {"e": "serverShutdown", "E": now // self.unit}}))

    @override
    def answer(self, text: str | bytes, arrived: int, now: int, lies: Lies = HONEST) -> tuple[bytes, ...]:
        meter = self.exchange.address(self.address)
        question = Question("")
        key: str | None = None
        show_limits, counted = self._show_limits, False
        try:
            question = parse(text)
            values = {name: _text(value) for name, value in question.params.items()}
            key = values.get("apiKey")
            show_limits = values.get("returnRateLimits", str(show_limits)).lower() == "true"
            endpoint = BY_METHOD.get(question.method)
            weight = endpoint.weight_of(Parameters(values)) if endpoint else _SESSION_WEIGHT
            meter.charge(weight, now)
            result = self._perform(question.method, endpoint, values, arrived, now, lies)
            counted = endpoint is not None and endpoint.places
            body: dict[str, Any] = {"id": question.id, "status": 200, "result": result}
        except ApiError as refusal:
            error = self.exchange.note_refusal(refusal, self.address, key, now)
            body = {"id": question.id, "status": error.status, "error": _error(error, now)}
        if show_limits:
            body["rateLimits"] = self._limits(key, counted=counted)
        return (orjson.dumps(body),)

    # ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _perform(
        self, method: str, endpoint: Endpoint | None, values: dict[str, str], arrived: int, now: int, lies: Lies
    ) -> Any:
        if endpoint is None:
            perform = self._methods.get(method)
            if perform is None:
                raise ApiError(-1020, "This operation is not supported.")  # assumed
            return perform(Parameters(values), arrived, now)
        parameters = Parameters(values)
        parameters.allow(endpoint.names | _SECURITY)
        account = ""
        if endpoint.signed:
            account = self._authenticate(parameters, arrived, now).account
        return endpoint.run(
            self.exchange, Call(parameters=parameters, account=account, now=now, unit=self.unit, lies=lies)
        )

    def _authenticate(self, parameters: Parameters, arrived: int, now: int) -> Credential:
        """By the request's own key and signature, or by the session's if it has neither."""
        credential = self._credential
        if credential is None or parameters.has("apiKey") or parameters.has("signature"):
            credential = security.authenticate(
                self.exchange.credentials,
                parameters.values.get("apiKey"),
                signed(parameters.values),
                parameters.text("signature"),
            )
        security.check_age(parameters, arrived, now)
        return credential

    def _logon(self, parameters: Parameters, arrived: int, now: int) -> payloads.Payload:
        credential = self._authenticate(parameters, arrived, now)
        if credential.public_key is None:
            raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")  # the code is assumed
        self._credential, self._authorized_at = credential, now
        return self._status(parameters, arrived, now)

    def _status(self, _parameters: Parameters, _arrived: int, now: int) -> payloads.Payload:
        return {
            "apiKey": self._credential.key if self._credential else None,
            "authorizedSince": self._authorized_at // self.unit if self._authorized_at is not None else None,
            "connectedSince": self._connected_at // self.unit,
            "returnRateLimits": self._show_limits,
            "serverTime": now // self.unit,
            "userDataStream": bool(self.subscriptions),
        }

    def _logout(self, parameters: Parameters, arrived: int, now: int) -> payloads.Payload:
        self._credential = self._authorized_at = None
        if self._logon_subscription is not None:
            self._end(self._logon_subscription, now)
        return self._status(parameters, arrived, now)

    def _subscribe(self, _parameters: Parameters, _arrived: int, _now: int) -> payloads.Payload:
        if self._credential is None:
            raise ApiError(-2014, "API-key format invalid.", 401)  # assumed: what a request without a key gets
        body = self._start(self._credential.account)
        self._logon_subscription = body["subscriptionId"]
        return body

    def _subscribe_signed(self, parameters: Parameters, arrived: int, now: int) -> payloads.Payload:
        parameters.allow(_SECURITY)
        return self._start(self._authenticate(parameters, arrived, now).account)

    def _unsubscribe(self, parameters: Parameters, _arrived: int, now: int) -> payloads.Payload:
        number = parameters.optional_integer("subscriptionId")
        if number is not None and number not in self.subscriptions:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        for ended in [number] if number is not None else list(self.subscriptions):
            self._end(ended, now)
        return {}

    def _list_subscriptions(self, _parameters: Parameters, _arrived: int, _now: int) -> list[payloads.Payload]:
        return [{"subscriptionId": number} for number in self.subscriptions]

    def _start(self, account: str) -> payloads.Payload:
        if account in self.subscriptions.values():
            raise ApiError(-2035, "User Data Stream subscription already active.")
        number = self._subscribed
        self._subscribed += 1
        self.subscriptions[number] = account
        return {"subscriptionId": number}

    def _end(self, number: int, now: int) -> None:
        if self.subscriptions.pop(number, None) is not None:
            self.deliver(wrap(number, orjson.dumps({"e": "eventStreamTerminated", "E": now // self.unit})))
        if number == self._logon_subscription:
            self._logon_subscription = None

    def _limits(self, key: str | None, *, counted: bool) -> list[dict[str, str | int]]:
        windows = [w for w in self.exchange.address(self.address).windows if w.limit.type is LimitType.REQUEST_WEIGHT]
        credential = self.exchange.credentials.get(key or "") or self._credential
        if counted and credential is not None:
            windows = [*self.exchange.account_meter(credential.account).windows, *windows]
        return [window.limit.payload(window.count) for window in windows]


def operation(text: str | bytes) -> str:
    """The name of what a request asks for: an endpoint's, or ``session`` for all that is about the session itself."""
    try:
        endpoint = BY_METHOD.get(parse(text).method)
    except ApiError:
        return "unknown"
    return endpoint.operation if endpoint else "session"


def instead(text: str | bytes, status: int, code: int, message: str) -> bytes:
    """An answer that says nothing of what became of the request."""
    try:
        number = parse(text).id
    except ApiError:
        number = None
    return orjson.dumps({"id": number, "status": status, "error": {"code": code, "msg": message}})


def parse(text: str | bytes) -> Question:
    try:
        return msgspec.json.decode(text, type=Question)
    except msgspec.MsgspecError as error:
        raise ApiError(-1135, "Invalid JSON Request") from error


def signed(values: Mapping[str, str]) -> bytes:
    """What a signature is about: the parameters sorted by name, in UTF-8, not percent-encoded."""
    return "&".join(f"{name}={values[name]}" for name in sorted(values) if name != "signature").encode()


def _text(value: Any) -> str:
    """A JSON value as the signature has it."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def wrap(number: int, event: bytes) -> bytes:
    return b'{"subscriptionId":%d,"event":%b}' % (number, event)


def _error(error: ApiError, now: int) -> dict[str, Any]:
    body = error.payload()
    if error.retry_at is not None:
        body["data"] = {"serverTime": now // payloads.MILLISECOND, "retryAfter": error.retry_at // payloads.MILLISECOND}
    return body
