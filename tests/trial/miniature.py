"""A run in miniature: records, journal lines and rows as plain lists, and how a test spoils one of them."""

import copy
from decimal import Decimal

import msgspec

from runtime.trial import oracle, wire
from runtime.trial.oracle.evidence import NO_ROWS, Evidence, Record, Rows, Tables
from runtime.trial.plan import Sent
from runtime.trial.publish import digest

PARTITIONS = 8
USER = "user-00001"
KEY = USER.encode()
HOME = wire.murmur2(USER.encode()) % PARTITIONS
REQUESTS = "venue-requests.simulated"


class Run:
    """A run in miniature, as plain lists that a test may spoil before asking the oracle."""

    def __init__(self):
        self.sent, self.journal = [], []
        self.records = {
            topic: []
            for topic in (
                "order-commands",
                "transfers",
                REQUESTS,
                "venue-reports",
                "order-events",
                "ledger-entries",
                "dead-letters",
            )
        }
        self.tables, self.balances, self.totals, self.orders, self.extra_offsets = {}, {}, {}, {}, {}
        self.order_rows, self.positions, self.committed = {}, {}, {}

    def put(self, topic, fields, *, value=b"v", key=KEY):
        records = self.records[topic]
        records.append(Record(topic, HOME, 2 * len(records), 1_000, key, value, fields))
        return records[-1]

    def send(self, topic, kind, expect, command_id, *, fields, value=b"v"):
        record = self.put(topic, fields, value=value)
        fingerprint = digest(record.key, record.value)
        self.sent.append(Sent(topic, HOME, record.offset, 0, kind, expect, USER, command_id, None, fingerprint))
        return record

    def event(self, source, index=0, **fields):
        own = {"user_id": USER, "source_topic": source.topic, "source_partition": HOME, "source_offset": source.offset}
        return self.put("order-events", own | {"index": index, "kind": "COMMAND_REJECTED"} | fields)

    def entry(self, kind, reference, *postings, **fields):
        listed = [{"owner": o, "account": a, "asset": s, "amount": wire.amount(n)} for o, a, s, n in postings]
        return self.put(
            "ledger-entries", {"user_id": USER, "kind": kind, "reference": reference, "postings": listed} | fields
        )

    def evidence(self):
        nothing = Tables({}, {}, {}, {})
        evidence = Evidence(sent=self.sent, records=self.records, journal=self.journal, tables=nothing, rows=NO_ROWS)
        offsets = {}
        for topic, records in self.records.items():
            for record in records:
                rows = len(record.fields["postings"]) if topic == "ledger-entries" else 1
                offsets.setdefault((topic, record.partition), []).extend([record.offset] * rows)
        for at, more in self.extra_offsets.items():
            offsets[at] += more
        table, balances, totals = (evidence.replayed | own for own in (self.tables, self.balances, self.totals))
        order_rows = {
            name: (events[-1]["status"], wire.units(events[-1]["filled_quantity"]))
            for name, events in evidence.orders.items()
        }
        ends = {
            (topic, HOME): self.records[topic][-1].offset + 1
            for topic in ("order-commands", "transfers", "venue-reports")
            if self.records[topic]
        }
        tables = Tables(table, order_rows | self.order_rows, ends | self.positions, self.committed)
        orders = {} | self.orders
        if not orders:
            for events in evidence.orders.values():
                orders[events[-1]["status"]] = orders.get(events[-1]["status"], 0) + 1
        rows = Rows(offsets, balances, totals, orders)
        return Evidence(sent=self.sent, records=self.records, journal=self.journal, tables=tables, rows=rows)

    def failing(self):
        return {check.name for check in oracle.judge(self.evidence(), PARTITIONS) if not check.holds}


def order_event(run, source, kind, sequence, status, filled=0, order_id="o-1", cid="cid-1", **more):
    return run.event(
        source, kind=kind, order_id=order_id, client_order_id=cid, sequence=sequence, status=status,
        quantity=wire.amount(2), filled_quantity=wire.amount(filled),
        leaves_quantity=wire.amount(Decimal(2) - Decimal(filled)), **more,
    )  # fmt: skip


def request(run, operation="PLACE", cid="cid-1", order_id="o-1"):
    return run.put(
        REQUESTS,
        {"client_order_id": cid, "user_id": USER, "order_id": order_id, "operation": operation, "symbol": "BTC-USD"}
        | {"venue": "simulated", "side": "BUY", "quantity": wire.amount(2), "price": wire.amount(100)},
    )


def line(event, cid="cid-1", **more):
    heading = {"venue": "simulated", "event": event, "at_us": 5}
    return heading | {"order_id": f"v-{cid}", "client_order_id": cid, "symbol": "BTC-USD"} | more


def fill_line(trade_id, quantity, cid="cid-1"):
    terms = {"side": "BUY", "price": "99.5", "quantity": quantity, "fee": "0.1", "fee_asset": "USD", "maker": False}
    return line("fill", cid, trade_id=trade_id, **terms)


def settle(run, trade_id, quantity, cost, order_id="o-1"):
    user = f"user:{USER}"
    run.entry(
        "SETTLE",
        trade_id,
        (user, "RESERVED", "USD", f"-{cost + 0.1}"),
        ("clearing:simulated", "AVAILABLE", "USD", str(cost)),
        ("fees:simulated", "AVAILABLE", "USD", "0.1"),
        ("clearing:simulated", "AVAILABLE", "BTC", f"-{quantity}"),
        (user, "AVAILABLE", "BTC", quantity),
        order_id=order_id,
        symbol="BTC-USD",
    )


def spoil(run, topic, number, **changes):
    """Changes (or, by None, removes) fields of a record."""
    record = run.records[topic][number]
    fields = {name: value for name, value in (copy.deepcopy(record.fields) | changes).items() if value is not None}
    run.records[topic][number] = msgspec.structs.replace(record, fields=fields)


def find(run, topic, **wanted):
    return next(
        number
        for number, record in enumerate(run.records[topic])
        if record.fields and all(record.fields.get(name) == value for name, value in wanted.items())
    )


def drop(run, topic, **wanted):
    del run.records[topic][find(run, topic, **wanted)]
