"""The tradable symbols, read from a TOML file at start."""

import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Final

from domain import money
from domain.instruments import Instrument, Rulebook
from runtime.settings import SettingsError

#: The venue of the built-in symbols, which is nobody's.
SIMULATED: Final = "simulated"

_AMOUNTS: Final = ("tick_size", "lot_size", "quantity_min", "quantity_max", "price_max", "notional_min", "fee_rate_max")


def load(path: Path | None = None) -> Rulebook:
    """The rulebook in the file at *path*, or the built-in one. Raises SettingsError naming the symbol at fault."""
    try:
        text = path.read_text() if path else built_in()
        rows = tomllib.loads(text).get("instrument", [])
    except (OSError, ValueError) as error:
        raise SettingsError(f"instruments can't be read: {error}") from error
    instruments = [_instrument(row) for row in rows]
    try:
        return Rulebook(instruments)
    except ValueError as error:
        raise SettingsError(f"instruments: {error}") from error


def built_in(venues: Iterable[str] = (SIMULATED,)) -> str:
    """The built-in file, with the same symbols for each of *venues*."""
    text = resources.files("runtime").joinpath("instruments.toml").read_text()
    return "\n".join(text.replace(f'venue = "{SIMULATED}"', f'venue = "{venue}"') for venue in venues)


def _instrument(row: dict[str, str]) -> Instrument:
    try:
        base, _, quote = row["symbol"].partition("-")
        amounts = {name: money.parse(row[name]) for name in _AMOUNTS}
        return Instrument(venue=row["venue"], symbol=row["symbol"], base=base, quote=quote, **amounts)
    except KeyError as error:
        raise SettingsError(f"instrument {row.get('symbol', row)!r} lacks {error}") from error
    except ValueError as error:
        raise SettingsError(f"instrument {row.get('symbol', row)!r}: {error}") from error
