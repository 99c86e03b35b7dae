"""Money as integers on a grid of 10⁻¹⁸: every amount, price and quantity is a count of *units*.

A float can't hold 0.1; an integer of 10⁻¹⁸ can hold every price and quantity a venue quotes, and adding integers loses
nothing. On the wire the same number is an Avro ``decimal(38, 18)``, whose unscaled value is exactly this integer.
"""

from decimal import Decimal
from typing import Final

SCALE: Final = 18
ONE: Final = 10**SCALE
#: The largest amount that a ``decimal(38, 18)`` can hold; beyond it a value can be read but never written.
AMOUNT_MAX: Final = 10**38 - 1


def parse(text: str) -> int:
    """Units of a decimal numeral such as ``"0.00001"``.

    Exact or not at all: raises ``ValueError`` for a 19th decimal, for NaN, infinities and anything that is no number.
    """
    try:
        value = Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is not a decimal number") from error
    if not value.is_finite():
        raise ValueError(f"{text!r} is not finite")
    sign, digits, exponent = value.as_tuple()
    shift = SCALE + int(exponent)
    magnitude: int = int("".join(map(str, digits)))
    if shift < 0:
        magnitude, lost = divmod(magnitude, 10**-shift)
        if lost:
            raise ValueError(f"{text!r} has more than {SCALE} decimals")
    elif shift > 2 * SCALE + 38:
        raise ValueError(f"{text!r} is too large")
    else:
        magnitude *= 10**shift
    return -magnitude if sign else magnitude


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
