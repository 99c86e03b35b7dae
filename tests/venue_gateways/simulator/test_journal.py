import json
import os

import pytest

from tests.venue_gateways.simulator.client import make_venue, ticket, units
from venue_gateways.simulator.journal import Journal, JournalDamaged, LastIds, entries, refused
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import SelfTrade


def line(event, at_us, account, order_id, client_order_id, **more):
    heading = {"event": event, "at_us": at_us, "account": account, "order_id": order_id}
    return heading | {"client_order_id": client_order_id, "symbol": "BTC-USD"} | more


def test_a_line_says_all_that_happened_to_clients_orders(venue):
    venue.place("other", ticket("SELL", "100.5", "0.3", client_order_id="ask"), 1)
    bid = venue.place("main", ticket("BUY", 101, "0.4", client_order_id="bid"), 2)
    venue.cancel(bid, 3)
    venue.place("main", ticket("BUY", quantity="0.1", client_order_id="market"), 4)
    trade = {"trade_id": "1", "price": "100.5", "quantity": "0.3"}
    market = {"side": "BUY", "type": "MARKET", "price": None, "quantity": "0.1"}
    assert list(entries(venue.drain(), Names())) == [
        line("order_accepted", 1, "other", "1", "ask", side="SELL", type="LIMIT", price="100.5", quantity="0.3"),
        line("order_accepted", 2, "main", "2", "bid", side="BUY", type="LIMIT", price="101", quantity="0.4"),
        line("fill", 2, "main", "2", "bid", side="BUY", fee="0.0003", fee_asset="BTC", maker=False, **trade),
        line("fill", 2, "other", "1", "ask", side="SELL", fee="0.03015", fee_asset="USD", maker=True, **trade),
        line("order_canceled", 3, "main", "2", "bid", executed_quantity="0.3"),
        line("order_accepted", 4, "main", "3", "market", **market),
        line("order_expired", 4, "main", "3", "market", executed_quantity="0"),
    ]


@pytest.mark.parametrize("mode", [mode for mode in SelfTrade if mode is not SelfTrade.NONE])
def test_an_order_ends_in_the_journal_exactly_once_if_it_ends(mode):
    venue = make_venue()
    for quantity in ("0.1", "0.2", "0.1"):
        venue.place("main", ticket("SELL", 100, quantity), 0)
        venue.place("other", ticket("SELL", 100, "0.1"), 0)
    venue.place("main", ticket("BUY", 100, "0.5", self_trade=mode), 0)
    lines = list(entries(venue.drain(), Names()))
    for order in venue.orders("main", "BTC-USD"):
        endings = [row for row in lines if row["order_id"] == str(order.order_id) and "executed" in str(row)]
        fills = [row for row in lines if row["order_id"] == str(order.order_id) and row["event"] == "fill"]
        assert sum(units(row["quantity"]) for row in fills) == order.executed
        assert len(endings) == (0 if order.open or order.executed == order.quantity else 1)


def test_a_reduction_is_told(venue):
    order = venue.place("main", ticket("BUY", 100, "0.3"), 0)
    venue.reduce(order, units("0.2"), 5, "smaller")
    last = list(entries(venue.drain(), Names()))[-1]
    assert (last["event"], last["client_order_id"], last["quantity"]) == ("order_reduced", "smaller", "0.2")


def test_it_is_only_ever_appended_to_and_ids_go_on_from_its_end(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    journal = Journal(path)
    assert journal.last_ids == LastIds(0, {})
    venue = make_venue()
    for _ in range(2):
        venue.place("other", ticket("SELL", 100), 0)
        venue.place("main", ticket("BUY", 100), 0)
    venue.place("main", ticket("BUY", 100, "1", symbol="ETH-USD"), 0)
    journal.append(entries(venue.drain(), Names()))
    journal.close()
    before = path.read_bytes()
    again = Journal(path)
    assert again.last_ids == LastIds(5, {"BTC-USD": 2})
    again.append([refused(9, "main", 429, -1003)])
    again.close()
    again.close()
    after = path.read_bytes()
    assert after.startswith(before)
    assert json.loads(after.splitlines()[-1]) == {
        "event": "request_refused",
        "at_us": 9,
        "account": "main",
        "status": 429,
        "code": -1003,
    }


def test_a_torn_last_line_is_cut(tmp_path):
    path = tmp_path / "journal.jsonl"
    whole = b'{"event":"order_accepted","order_id":"7"}\n'
    path.write_bytes(whole + b'{"event":"fill","order_id":"9","symb')
    journal = Journal(path)
    assert journal.last_ids == LastIds(7, {})
    journal.append([{"event": "x"}])
    journal.close()
    assert path.read_bytes() == whole + b'{"event":"x"}\n'


@pytest.mark.parametrize("damaged", [b"nothing", b"[]", b"{}", b'{"event":"fill"}', b'{"event":"x","order_id":"y"}'])
def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path, damaged):
    path = tmp_path / "journal.jsonl"
    content = b'{"event":"order_accepted","order_id":"7"}\n' + damaged + b"\ntorn"
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="line 2"):
        Journal(path)
    assert path.read_bytes() == content


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal.jsonl")
    monkeypatch.setattr(os, "write", lambda _descriptor, data: len(data) - 1)
    with pytest.raises(OSError, match="full"):
        journal.append([{"event": "x"}])
    journal.close()
