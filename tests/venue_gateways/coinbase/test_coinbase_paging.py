"""Looks at the trade history, one after the other: whatever the venue lists within the overlap is seen."""

from urllib.parse import parse_qs, urlsplit

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venue_gateways.coinbase.examples import FILL, adapter, answer
from venue_gateways.coinbase import Coinbase
from venue_gateways.coinbase.paging import OVERLAP_US
from venue_gateways.coinbase.payloads import instant_text, instant_us
from venue_gateways.venue import HttpResponse, ListTrades

SECOND_US = 1_000_000
BEGAN_US = 1_705_314_600 * SECOND_US
LATE_MAX_S = OVERLAP_US // SECOND_US


class Fill(msgspec.Struct, frozen=True, order=True):
    """A fill that is listed only some time after it was posted."""

    posted_us: int
    number: int
    listed_us: int


class History:
    """The venue's list: newest first, in small pages, with a cursor that is a place in it."""

    def __init__(self, fills: list[Fill], rows: int) -> None:
        self.fills, self.rows = sorted(fills, reverse=True), rows

    def page(self, target: str, now_us: int) -> HttpResponse:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        since_us = instant_us(asked["start_sequence_timestamp"])
        below = msgspec.json.decode(asked.get("cursor", f"[{1 << 62}, 0]"), type=tuple[int, int])
        found = [
            fill
            for fill in self.fills
            if since_us <= fill.posted_us and fill.listed_us <= now_us and (fill.posted_us, fill.number) < below
        ]
        page = found[: self.rows]
        last = page[-1] if len(found) > self.rows else None
        cursor = msgspec.json.encode((last.posted_us, last.number)).decode() if last else ""
        rows = [
            FILL | {"entry_id": str(fill.number), "sequence_timestamp": instant_text(fill.posted_us)} for fill in page
        ]
        return answer(200, {"fills": rows, "cursor": cursor})


def look(made: Coinbase, history: History, call: ListTrades, now_us: int) -> tuple[set[str], str | None, int]:
    """One whole look that begins at *now_us*, a second a page: what it sees, where the next one starts, and its end."""
    seen: set[str] = set()
    while True:
        page = made.parse(call, history.page(made.build(call, now_us).target, now_us))
        seen |= {trade.trade_id for trade in page.trades}
        if not page.more:
            return seen, page.position, now_us
        call, now_us = ListTrades("account", position=page.position), now_us + SECOND_US


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, LATE_MAX_S)), max_size=30),
    st.lists(st.integers(0, 40), max_size=6),
    st.integers(1, 4),
)
def test_no_trade_is_lost_that_is_listed_within_the_overlap(rows, pauses, page_rows):
    fills = [
        Fill(BEGAN_US + posted_s * SECOND_US, number, BEGAN_US + (posted_s + late_s) * SECOND_US)
        for number, (posted_s, late_s) in enumerate(rows)
    ]
    made, history, now_us = adapter(), History(fills, page_rows), BEGAN_US
    seen, position, now_us = look(made, history, ListTrades("account", since_us=BEGAN_US), now_us)
    for pause_s in (*pauses, 200):
        now_us += pause_s * SECOND_US
        more, position, now_us = look(made, history, ListTrades("account", position=position), now_us)
        seen |= more
    assert seen == {str(fill.number) for fill in fills}
