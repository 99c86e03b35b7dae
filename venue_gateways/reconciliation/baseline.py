"""The baseline of a venue's balances, kept in a file: what the account had besides our trades, when first looked at."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from domain import money
from runtime.settings import Settings, SettingsError
from venue_gateways.reconciliation.balances import Look, Range


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """*rests* by asset, as two numerals each; *looked_at* and *positions* as in a :class:`Look`."""

    venue: str
    looked_at: int
    positions: dict[int, int]
    rests: dict[str, tuple[str, str]]

    def ranges(self) -> dict[str, Range]:
        """Raises ValueError for what is no numeral."""
        return {asset: Range(money.parse(low), money.parse(high)) for asset, (low, high) in self.rests.items()}


def made(venue: str, look: Look, rests: Mapping[str, Range]) -> Baseline:
    """That of *rests*, of which *look* was the last."""
    texts = {asset: (money.text(rest.low), money.text(rest.high)) for asset, rest in rests.items()}
    return Baseline(venue, look.looked_at, dict(look.positions), texts)


def path(settings: Settings, venue: str) -> Path:
    return settings.var / "reconciliation" / f"{venue}.json"


def load(file: Path) -> Baseline | None:
    """None if none has been recorded. Raises SettingsError for a file that is none."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Baseline)
        found.ranges()
    except FileNotFoundError:
        return None
    except (ValueError, UnicodeDecodeError) as error:  # msgspec's errors are ValueErrors
        raise SettingsError(f"{file} is no baseline of balances ({error}): move it away for a new one") from error
    return found


def record(file: Path, baseline: Baseline) -> None:
    """Written whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(baseline), indent=2))
    unfinished.replace(file)
