"""Money as integers on a grid of 10⁻¹⁸: every amount, price and quantity is a count of *units*.

A float can't hold 0.1; an integer of 10⁻¹⁸ can hold every price and quantity a venue quotes, and adding integers loses
nothing. On the wire the same number is an Avro ``decimal(38, 18)``, whose unscaled value is exactly this integer.
"""

import re
from typing import Final

SCALE: Final = 18
ONE: Final = 10**SCALE
#: The largest amount that a ``decimal(38, 18)`` can hold; beyond it a value can be read but never written.
AMOUNT_MAX: Final = 10**38 - 1

#: Numerals that are longer, or stand for more digits than the widest decimal of any database, are refused unread: a
#: venue's reply must not be able to ask for a gigabyte of zeros.
LENGTH_MAX: Final = 128
DIGITS_MAX: Final = 76

_NUMERAL: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,6}))?")


def parse(text: str) -> int:
    """Units of a decimal numeral such as ``"0.00001"`` or ``"1E-5"``.

    Exact or not at all: raises ``ValueError`` for a 19th decimal, for NaN, infinities and anything that is no number.
    """
    if not isinstance(text, str):  # JSON from elsewhere may have a number, hence a float, where a numeral belongs
        raise ValueError(f"{text!r} is not a decimal numeral in a string")  # noqa: TRY004  # refused like any other
    if len(text) > LENGTH_MAX:
        raise ValueError(f"a numeral of {len(text)} characters is too long")
    found = _NUMERAL.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        raise ValueError(f"{text!r} is not a decimal number")
    sign, whole, fraction, exponent = found.groups(default="")
    digits = int(whole + fraction)
    shift = SCALE - len(fraction) + int(exponent or "0")
    magnitude = _shifted(digits, shift, text) if digits else 0
    return -magnitude if sign == "-" else magnitude


def _shifted(digits: int, shift: int, text: str) -> int:
    """*digits* × 10 to the power of *shift*, a positive integer; raises ``ValueError`` where it is none."""
    if shift > DIGITS_MAX:
        raise ValueError(f"{text!r} is too large")
    if shift < -LENGTH_MAX:
        raise ValueError(f"{text!r} has more than {SCALE} decimals")
    if shift >= 0:
        magnitude = digits * 10**shift
    else:
        magnitude, lost = divmod(digits, 10**-shift)
        if lost:
            raise ValueError(f"{text!r} has more than {SCALE} decimals")
    if magnitude >= 10**DIGITS_MAX:
        raise ValueError(f"{text!r} is too large")
    return int(magnitude)


def text(units: int) -> str:
    """The shortest decimal numeral of *units*: ``1500000000000000000`` is ``"1.5"``. Never an exponent."""
    whole, fraction = divmod(abs(units), ONE)
    sign = "-" if units < 0 else ""
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:018d}".rstrip("0")


def multiply(left: int, right: int) -> int:
    """The product of two amounts, rounded half away from zero; exact while their decimals add up to 18 or fewer."""
    product = left * right
    if product >= 0:
        return (product + ONE // 2) // ONE
    return -((-product + ONE // 2) // ONE)


def multiply_up(left: int, right: int) -> int:
    """The product of two amounts, rounded towards positive infinity: what a reserve must cover."""
    return -((-left * right) // ONE)


def divide_down(dividend: int, divisor: int) -> int:
    """The quotient of two amounts, rounded towards negative infinity. *divisor* must not be zero."""
    return dividend * ONE // divisor
