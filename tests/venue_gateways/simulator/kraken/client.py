"""A venue of Kraken's for tests: by hand without a clock, and a client that signs."""

import base64
from urllib.parse import urlencode

import orjson

from tests.venue_gateways.simulator.client import NOON, ticket
from venue_gateways.simulator.dialect import HONEST, Request
from venue_gateways.simulator.journal import entries
from venue_gateways.simulator.kraken.security import Credential

CREDENTIAL = Credential("main", "key-of-main", base64.b64decode("c2VjcmV0IG9mIG1haW4="))
OTHER = Credential("other", "key-of-other", b"secret of other")
KNOWN = {found.key: found for found in (CREDENTIAL, OTHER)}

#: An order that rests below the market.
REST = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "50000", "volume": "0.01"}
#: And one that trades at once.
MARKET = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.01"}


def signed(name, nonce, credential=CREDENTIAL, **parameters):
    """Path, headers and body of a private request."""
    path, body = f"/0/private/{name}", urlencode({"nonce": nonce, **parameters}).encode()
    headers = {
        "API-Key": credential.key,
        "API-Sign": credential.sign(path, str(nonce), body),
        "User-Agent": "tests",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return path, headers, body


class Desk:
    """Kraken's front without a web: requests in, what is in the envelope out, at any time one likes."""

    def __init__(self, front):
        self.front = front
        self.exchange = front.exchange
        self.venue = front.exchange.venue
        self.now = NOON
        self.nonce = 1
        self.journal = []

    def send(self, path, headers, body, *, now=None, lies=HONEST):
        sent = {name.lower().encode(): value.encode() for name, value in headers.items()}
        request = Request(verb="POST", path=path, body=body, address="1.2.3.4", arrived=self.now, headers=sent)
        reply = self.front.admit(request) or self.front.answer(request, now or self.now, lies)
        happened = self.venue.drain()
        self.journal += [*entries(happened, self.exchange.names), *self.exchange.drain_refusals()]
        self.exchange.observe(happened)
        self.front.publish(happened, self.now)
        return reply.status, orjson.loads(reply.body)

    def ask(self, name, *, credential=CREDENTIAL, now=None, lies=HONEST, **parameters):
        """The result, or the text of the error."""
        self.nonce += 1
        status, envelope = self.send(*signed(name, self.nonce, credential, **parameters), now=now, lies=lies)
        assert status == 200
        return envelope["error"][0] if envelope["error"] else envelope["result"]

    def look_up(self, name, **parameters):
        """The result of a public request."""
        query, path = urlencode(parameters).encode(), f"/0/public/{name}"
        headers = {b"user-agent": b"tests"}
        request = Request(verb="GET", path=path, query=query, address="a", arrived=self.now, headers=headers)
        return orjson.loads(self.front.answer(request, self.now).body)["result"]

    def place(self, **changes):
        """The transaction ID of a resting order, unless told otherwise; or the text of the error."""
        result = self.ask("AddOrder", **(REST | changes))
        return result if isinstance(result, str) else result["txid"][0]

    def quote(self, side, price, quantity="1", symbol="BTC-USD"):
        """Somebody else's order on the book."""
        order = self.venue.place("house", ticket(side, price, quantity, symbol=symbol), self.now)
        self.venue.drain()
        return order

    def later(self, seconds):
        self.now += int(seconds * 1_000_000)
