"""Following a run while it goes on: the venue's journal, the mirror of events, and when there is rest."""

import json
import time
from types import SimpleNamespace

import pytest

from runtime.trial import collect, publish, settle
from runtime.trial import run as trial
from runtime.trial.journal import Journal
from runtime.trial.oracle import clickhouse
from runtime.trial.oracle.evidence import Record, Rows, Tables
from runtime.trial.plan import Expect, Sent, Shape
from runtime.trial.run import READINGS_MAX, Run
from runtime.trial.settle import Unrest
from runtime.trial.watch import Mirror

NOTHING = {"unanswered": 0, "moving": 0, "unbooked": 0, "untold": 0, "unknown": 0}


def event(offset, **fields):
    source = {"user_id": "u", "source_topic": "order-commands", "source_partition": 0, "source_offset": offset}
    nothing = dict.fromkeys(("answer", "trade_id", "order_id", "status", "client_order_id", "symbol"))
    return nothing | source | {"sequence": 0} | fields


def sent(offset, expect=Expect.ANSWER):
    return Sent("order-commands", 0, offset, 0, "cancel", expect, "u", "c", None, "")


@pytest.fixture
def journal(tmp_path):
    return Journal({"simulated": tmp_path / "journal.jsonl"})


def test_a_journal_that_is_not_there_yet_is_empty(journal):
    journal.read()
    assert journal.lines == []


def test_a_line_still_being_written_is_read_once_it_is_whole(journal, tmp_path):
    names = ["order_accepted", "fill", "order_canceled"]
    lines = [json.dumps({"event": name, "n": n, "client_order_id": "x"}) for n, name in enumerate(names)]
    with (tmp_path / "journal.jsonl").open("w") as file:
        file.write(lines[0] + "\n" + lines[1][:9])
        file.flush()
        journal.read()
        assert (journal.orders, journal.fills) == (1, 0)
        file.write(lines[1][9:] + "\n" + lines[2] + "\n")
    journal.read()
    journal.read()
    assert [line["n"] for line in journal.lines] == [0, 1, 2]
    assert (journal.orders, journal.fills) == (1, 1)


def test_several_venues_journals_are_one_and_each_line_says_whose_it_is(tmp_path):
    journal = Journal({"binance": tmp_path / "b", "kraken": tmp_path / "k"})
    (tmp_path / "b").write_text('{"event":"fill"}\n')
    journal.read()
    (tmp_path / "k").write_text('{"event":"order_accepted"}\n{"event":"fi')
    journal.read()
    assert journal.lines == [
        {"venue": "binance", "event": "fill"},
        {"venue": "kraken", "event": "order_accepted"},
    ]
    assert (journal.orders, journal.fills) == (1, 1)


def test_the_mirror_keeps_the_first_instant_of_each_answer():
    mirror = Mirror()
    mirror.take(event(1, answer="ACCEPTED"), 100)
    mirror.take(event(1, answer="ACCEPTED"), 200)
    assert mirror.answered_us == {("order-commands", 0, 1): 100}
    assert mirror.answers == {"ACCEPTED": 2}


def test_the_mirror_shows_the_status_of_the_highest_sequence():
    mirror = Mirror()
    for sequence, status in [(1, "PENDING_SUBMISSION"), (3, "FILLED"), (2, "OPEN")]:
        mirror.take(event(1, order_id="o", sequence=sequence, status=status), 0)
    assert mirror.statuses() == {"FILLED": 1}


def test_rest_is_when_all_is_answered_nothing_moves_and_all_trades_are_booked(journal, tmp_path):
    mirror = Mirror()
    log = [sent(1), sent(2, Expect.DEAD_LETTER), sent(3, Expect.REFUSED)]
    assert settle.unrest(log, mirror, journal) == Unrest(**(NOTHING | {"unanswered": 1}))
    mirror.take(event(1, answer="ACCEPTED", order_id="o", sequence=1, status="PENDING_SUBMISSION"), 0)
    assert settle.unrest(log, mirror, journal) == Unrest(**(NOTHING | {"moving": 1}))
    (tmp_path / "journal.jsonl").write_text('{"event":"fill"}\n')
    journal.read()
    mirror.take(event(4, order_id="o", sequence=2, status="UNKNOWN"), 0)
    assert settle.unrest(log, mirror, journal) == Unrest(**(NOTHING | {"unbooked": 1, "unknown": 1}))
    assert not any(Unrest(**(NOTHING | {name: 1})).over for name in NOTHING)
    filled = {"trade_id": "1", "client_order_id": "x", "symbol": "BTC-USD"}
    mirror.take(event(5, order_id="o", sequence=3, status="FILLED", **filled), 0)
    assert settle.unrest(log, mirror, journal).over


def test_there_is_no_rest_while_an_order_is_open_here_that_has_ended_at_the_venue(journal, tmp_path):
    mirror = Mirror()
    mirror.take(event(1, order_id="o", sequence=2, status="OPEN", client_order_id="x"), 0)
    assert settle.unrest([], mirror, journal).over
    (tmp_path / "journal.jsonl").write_text('{"event":"order_expired","client_order_id":"x"}\n')
    journal.read()
    assert settle.unrest([], mirror, journal) == Unrest(**(NOTHING | {"untold": 1}))
    mirror.take(event(2, order_id="o", sequence=3, status="EXPIRED", client_order_id="x"), 0)
    assert settle.unrest([], mirror, journal).over


def test_the_wait_ends_when_nothing_has_happened_for_a_while(monkeypatch):
    monkeypatch.setattr(settle, "QUIET_S", 0.05)
    rest = Unrest(**NOTHING)
    began_s, last_s = time.monotonic(), []

    def look():
        """Something happens for a while, then no more."""
        time.sleep(0.005)
        if time.monotonic() - began_s < 0.3:
            last_s.append(time.monotonic())
        return rest, len(last_s)

    assert settle.wait(look, within_s=60).over
    assert 0.05 < time.monotonic() - last_s[-1] < 30


def test_the_wait_ends_at_its_bound_and_says_what_is_left():
    unrest = Unrest(**(NOTHING | {"unknown": 2}))
    assert settle.wait(lambda: (unrest, 1), within_s=0.05) == unrest
    assert "2 orders unknown" in str(unrest)


@pytest.mark.parametrize(("moments", "readings"), [([1, 1], 1), ([1, 2, 2], 2), (list(range(50)), READINGS_MAX)])
def test_the_evidence_is_of_one_moment_or_is_read_again_within_a_bound(moments, readings):
    run, left, read = Run.__new__(Run), iter(moments), []
    run._happened = lambda: next(left)
    run._read = lambda: read.append(1) or len(read)
    assert run.evidence() == len(read) == readings


class Stored:
    """A run whose evidence is two records, and what ClickHouse shows of them, one look after the other."""

    def __init__(self, monkeypatch, *looks):
        self.looks, self.asked = [Rows({("order-events", 0): offsets}, {}, {}, {}) for offsets in looks], 0
        records = {"order-events": [Record("order-events", 0, offset, 1, b"k", b"v", {}) for offset in (0, 2)]}
        monkeypatch.setattr(collect, "records", lambda *_: records)
        monkeypatch.setattr(collect, "tables", lambda *_: Tables({}, {}, {}, {}))
        monkeypatch.setattr(collect, "rows", self.rows)
        monkeypatch.setattr(publish, "acknowledged", lambda _log: [])
        monkeypatch.setattr(trial, "SINK_S", 0.05)
        self.run = Run.__new__(Run)
        self.run.shape = Shape(commands=0, users=1, partitions=1, seed=1)
        self.run.clickhouse = self.run._log = None
        self.run._running = SimpleNamespace(endpoints=SimpleNamespace(venues={}, bootstrap=""))
        self.run.journal = SimpleNamespace(lines=[])
        self.run._gauge = SimpleNamespace(rows=9)  # others came later
        self.run._pause = lambda: time.sleep(0.001)

    def rows(self, _clickhouse):
        self.asked += 1
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def test_clickhouse_is_waited_for_until_it_has_each_record_whatever_else_it_counts(monkeypatch):
    stored = Stored(monkeypatch, [0], [0, 4], [0, 2, 4])
    assert clickhouse.missing(stored.run._read()) == 0
    assert stored.asked == 3


def test_what_clickhouse_never_gets_is_missing_after_a_while(monkeypatch):
    assert clickhouse.missing(Stored(monkeypatch, [0]).run._read()) == 1


def test_nothing_is_read_before_clickhouse_counts_enough(monkeypatch):
    stored = Stored(monkeypatch, [0, 2])
    stored.run._gauge.rows = None
    assert clickhouse.missing(stored.run._read()) == 0
    assert stored.asked == 1, "at the end, in any case"
