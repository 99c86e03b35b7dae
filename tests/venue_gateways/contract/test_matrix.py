"""What the page on venues says of each, compared with what its adapter says."""

from pathlib import Path

import pytest

from tests.venue_gateways.contract.dialects import DIALECTS
from venue_gateways.venue import Traits
from venue_gateways.venues import VENUES

PAGE = Path(__file__).parents[3] / "docs" / "venues.md"
#: Each row's name, and what a venue's traits say there.
ROWS = {
    "a placement sent again under its client order ID": lambda traits: f"`{traits.repeat}`",
    "that it can't be found proves nothing for (s)": lambda traits: f"{traits.late_us / 1_000_000:g}",
    "cancels and amends by": lambda traits: (
        "its own order ID" if traits.changes_by_venue_order_id else "client order ID"
    ),
    "calls in the order of their signatures": lambda traits: _yes(traits.ordered_calls),
    "token for the stream": lambda traits: _yes(traits.stream_token),
    "a silent stream is dead after (s)": lambda traits: (
        "never" if traits.silence_max_s is None else f"{traits.silence_max_s:g}"
    ),
}


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def matrix() -> dict[str, dict[str, str]]:
    """The page's table: venue, row, cell."""
    lines = [line.strip("| \n").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    heads = next(cells for cells in lines if len(cells) == 3 and all(" " in cell for cell in cells))
    names = [head.split()[0].lower() for head in heads]
    return {
        name: {cells[0]: cells[1 + place] for cells in lines if len(cells) == 4} for place, name in enumerate(names)
    }


@pytest.mark.parametrize("name", DIALECTS)
def test_the_page_says_of_each_venue_what_its_adapter_does(name):
    traits: Traits = DIALECTS[name].adapter().traits
    assert {row: matrix()[name][row] for row in ROWS} == {row: say(traits) for row, say in ROWS.items()}


def test_every_venue_is_on_the_page_and_in_the_contract():
    real = set(VENUES) - {"simulated"}
    assert set(matrix()) == set(DIALECTS) == real
