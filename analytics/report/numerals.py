"""Numbers and times as people read them."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from analytics.boards.panels import Unit

#: Figures that mean something in a measurement, and in an amount of an asset.
_SIGNIFICANT: Final = 4
_OF_AN_AMOUNT: Final = 8
_SECOND_S: Final = 1.0
_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_THOUSANDS: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_KIBI: Final = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def number(value: float | Decimal) -> str:
    """With separators, and no more figures than mean something: ``1,234,567``, ``12.35``, ``0.00001235``."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞"
    if value == 0:
        return "0"
    exact = Decimal(value) if isinstance(value, int) else Decimal(str(value))
    if exact == exact.to_integral_value():
        return f"{exact:,.0f}"
    places = max(_SIGNIFICANT - 1 - exact.adjusted(), 2 if abs(exact) >= 1 else 0)
    return _without_idle_zeros(f"{exact:,.{min(places, 18) if abs(exact) < 1_000 else 2}f}")


def amount(value: Decimal) -> str:
    """An amount of an asset to its first eight figures, and to the hundredth at least: ``1,234.5``, ``0.024425697``."""
    if not value:
        return "0"
    places = max(_OF_AN_AMOUNT - 1 - value.adjusted(), 2)
    return _without_idle_zeros(f"{value:,.{min(places, 18)}f}")


def short(value: float) -> str:
    """As an axis shows it: ``12 k``."""
    for bound, letter in _THOUSANDS:
        if abs(value) >= bound * 10 or (abs(value) >= bound > 1e3):
            return f"{number(round(value / bound, 3))} {letter}"
    return number(value)


def milliseconds(value: float) -> str:
    return seconds(value / 1_000)


def seconds(value: float) -> str:
    """In the unit that keeps it short: ``850 µs``, ``12.3 ms``, ``4.2 s``, ``3 min``, ``1.5 h``."""
    size = abs(value)
    if size == 0 or not math.isfinite(size):
        return number(value)
    if size < _SECOND_S / 1_000:
        return f"{value * 1e6:,.0f} µs"
    if size < _SECOND_S:
        return f"{_rounded(value * 1_000)} ms"
    for bound_s, per_s, name in ((_MINUTE_S * 2, 1, "s"), (_HOUR_S * 2, _MINUTE_S, "min"), (_DAY_S * 2, _HOUR_S, "h")):
        if size < bound_s:
            return f"{_rounded(value / per_s)} {name}"
    return f"{_rounded(value / _DAY_S)} days"


def size(value: float) -> str:
    for bound, name in _KIBI:
        if abs(value) >= bound:
            return f"{_rounded(value / bound)} {name}"
    return f"{value:,.0f} B"


FORMATS: Final[Mapping[Unit, Callable[[float], str]]] = {
    Unit.COUNT: number,
    Unit.MILLISECONDS: milliseconds,
    Unit.SECONDS: seconds,
    Unit.PERCENT: lambda value: f"{number(round(value, 2))} %",
    Unit.BASIS_POINTS: lambda value: f"{number(round(value, 2))} bp",
    Unit.PER_SECOND: lambda value: f"{number(round(value, 2))}/s",
    Unit.BYTES: size,
    Unit.AMOUNT: number,
}


def cell(value: Any, unit: Unit = Unit.COUNT) -> str:
    """What ClickHouse gave, in *unit* if it is a number."""
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, Decimal) and unit is Unit.COUNT:
        return amount(value)
    if isinstance(value, int | float | Decimal):
        return FORMATS[unit](float(value) if isinstance(value, Decimal) else value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, list | tuple):
        return ", ".join(cell(part, unit) for part in value)
    return str(value)


def plain(value: Any, unit: Unit = Unit.COUNT) -> str:
    """As :func:`cell`, for a table that has the unit in its head: the bare number."""
    if unit is Unit.COUNT or not isinstance(value, int | float | Decimal):
        return cell(value)
    return cell(float(value))


def instant(at: datetime) -> str:
    """To the second, in UTC."""
    return f"{in_utc(at):%Y-%m-%d %H:%M:%S}"


def in_utc(at: datetime) -> datetime:
    """ClickHouse's client gives instants in UTC without saying so."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _rounded(value: float) -> str:
    """Three figures or so: ``0.85``, ``12.3``, ``482``."""
    places = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return _without_idle_zeros(f"{value:,.{places}f}")


def _without_idle_zeros(numeral: str) -> str:
    return numeral.rstrip("0").rstrip(".") if "." in numeral else numeral
