"""A venue of Coinbase's for tests: by hand without a clock, and a client that signs."""

import base64
import json

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.venue_gateways.simulator.client import NOON, ticket
from venue_gateways.simulator.coinbase.security import Credential
from venue_gateways.simulator.dialect import HONEST, Request
from venue_gateways.simulator.journal import entries

KEY = "organizations/o/apiKeys/k"
PRIVATE = generate_private_key(SECP256R1())
CREDENTIAL = Credential("main", KEY, PRIVATE.public_key())
EDWARDS = Ed25519PrivateKey.generate()
OTHER = Credential("other", "organizations/o/apiKeys/other", EDWARDS.public_key())
KNOWN = {found.key: found for found in (CREDENTIAL, OTHER)}

#: An order that rests below the market.
REST = {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "50000"}}
#: And one that trades at once.
MARKET = {"market_market_ioc": {"base_size": "0.01"}}


def packed(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(now, uri=None, *, private=PRIVATE, header=None, **claims):
    """A JSON web token as the venue's own library makes it, but for what is given."""
    key = OTHER.key if private is EDWARDS else KEY
    at = int(now // 1_000_000)
    head = {"alg": "EdDSA" if private is EDWARDS else "ES256", "typ": "JWT", "kid": key, "nonce": "n"} | (header or {})
    body = {"sub": key, "iss": "cdp", "nbf": at, "exp": at + 120} | ({"uri": uri} if uri else {}) | claims
    signed = packed(json.dumps(head).encode()) + b"." + packed(json.dumps(body).encode())
    if private is EDWARDS:
        signature = private.sign(signed)
    else:
        r, s = decode_dss_signature(private.sign(signed, ECDSA(SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return (signed + b"." + packed(signature)).decode()


class Desk:
    """Coinbase's front without a web: requests in, (status, JSON, headers) out, at any time one likes."""

    def __init__(self, front):
        self.front = front
        self.exchange = front.exchange
        self.venue = front.exchange.venue
        self.now = NOON
        self.journal = []
        self.placed = 0

    def send(self, verb, path, body=None, *, bearer=None, lies=HONEST, query="", private=PRIVATE):
        full = f"/api/v3/brokerage/{path}"
        bearer = bearer or token(self.now, f"{verb} api.coinbase.com{full}", private=private)
        request = Request(
            verb=verb,
            path=full,
            query=query.encode(),
            body=b"" if body is None else orjson.dumps(body),
            address="1.2.3.4",
            arrived=self.now,
            headers={b"host": b"api.coinbase.com", b"authorization": f"Bearer {bearer}".encode()},
        )
        reply = self.front.admit(request) or self.front.answer(request, self.now, lies)
        happened = self.venue.drain()
        self.journal += [*entries(happened, self.exchange.names), *self.exchange.drain_refusals()]
        self.front.publish(happened, self.now)
        return reply.status, orjson.loads(reply.body), dict(reply.headers)

    def ask(self, verb, path, body=None, *, after_s=1, **more):
        """The body of an answer with status 200, by itself in its second unless told otherwise."""
        self.later(after_s)
        status, said, _ = self.send(verb, path, body, **more)
        assert status == 200, said
        return said

    def create(self, configuration=None, *, lies=HONEST, **changes):
        self.placed += 1
        order = {"client_order_id": f"id-{self.placed}", "product_id": "BTC-USD", "side": "BUY"}
        body = order | {"order_configuration": configuration or REST} | changes
        return self.ask("POST", "orders", body, lies=lies)

    def place(self, configuration=None, **changes):
        """The ID of the order."""
        return self.create(configuration, **changes)["success_response"]["order_id"]

    def cancel(self, *ids, **more):
        results = self.ask("POST", "orders/batch_cancel", {"order_ids": ids}, **more)["results"]
        return [(result["success"], result["failure_reason"]) for result in results]

    def edit(self, order_id, size, price="50000", **more):
        """Whether an edit was placed, and why not. The price is that of :data:`REST`."""
        said = self.ask("POST", "orders/edit", {"order_id": order_id, "price": price, "size": size}, **more)
        return said["success"], [error["edit_failure_reason"] for error in said["errors"]]

    def order(self, order_id, **more):
        return self.ask("GET", f"orders/historical/{order_id}", **more)["order"]

    def orders(self, query="", **more):
        return self.ask("GET", "orders/historical/batch", query=query, **more)

    def fills(self, query=""):
        return self.ask("GET", "orders/historical/fills", query=query)

    def quote(self, side, price, quantity="1", symbol="BTC-USD"):
        """Somebody else's order on the book."""
        order = self.venue.place("house", ticket(side, price, quantity, symbol=symbol), self.now)
        self.venue.drain()
        return order

    def later(self, seconds):
        self.now += int(seconds * 1_000_000)
