"""Amounts are exact: a numeral becomes its units or is refused, and each rounding goes the way it says."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain import money

UNITS = st.integers(-money.AMOUNT_MAX, money.AMOUNT_MAX)
FEW = st.integers(-(10**24), 10**24)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0", 0),
        ("-0", 0),
        ("1", 10**18),
        ("+1", 10**18),
        ("0.00001", 10**13),
        ("1E-5", 10**13),
        ("1e+2", 10**20),
        ("-1.5", -15 * 10**17),
        (".5", 5 * 10**17),
        ("5.", 5 * 10**18),
        ("000.10", 10**17),
        ("0.000000000000000001", 1),
        ("0.0000000000000000010", 1),
        ("1" + "0" * 40, 10**58),
        ("0e999999", 0),
        ("0e-999999", 0),
        ("0." + "0" * 100, 0),
        ("10e-19", 1),
    ],
)
def test_a_numeral_is_its_units(text, units):
    assert money.parse(text) == units


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "-", "+", "e5", ".e5", "-.", "1e", "1e+", "1.2.3", "--1", "1-"),
        *("NaN", "sNaN", "Infinity", "-inf", "abc", "0x10", "1,5", "1_000", " 1", "1 ", "1\n", "１", "٣", "½", "1e１"),
    ],
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="not a decimal number"):
        money.parse(text)


@pytest.mark.parametrize("other", [None, 1, 1.5, Decimal(1), b"1", ["1"]])
def test_what_is_no_text_is_refused_like_any_other_bad_numeral(other):
    with pytest.raises(ValueError, match="not a decimal numeral in a string"):
        money.parse(other)


@pytest.mark.parametrize("text", ["0.0000000000000000001", "1e-19", "1.0000000000000000001", "-15e-19", "1e-999999"])
def test_a_19th_decimal_is_refused(text):
    with pytest.raises(ValueError, match="more than 18 decimals"):
        money.parse(text)


@pytest.mark.parametrize("text", ["1e58", "1e999999", "9" * 59, "-1e58", "1" + "0" * 127])
def test_what_no_decimal_could_hold_is_refused(text):
    with pytest.raises(ValueError, match="too large"):
        money.parse(text)


def test_the_largest_numeral_has_76_digits():
    assert money.parse("9" * 58 + "." + "9" * 18) == 10**76 - 1
    assert money.parse("1e57") == 10**75


@pytest.mark.parametrize("text", ["1" * 10**6, "0." + "0" * 10**6, "1" * 129])
def test_a_numeral_without_end_is_refused_unread(text):
    with pytest.raises(ValueError, match=f"{len(text)} characters is too long"):
        money.parse(text)


@pytest.mark.timeout(20)  # to work each of these powers out takes minutes
@pytest.mark.parametrize("text", ["1e999999", "1e-999999", "9" * 100 + "e-999999"])
def test_an_exponent_costs_nothing(text):
    for _ in range(5_000):
        with pytest.raises(ValueError, match=r"too large|decimals"):
            money.parse(text)


@given(UNITS)
@example(0)
@example(-1)
@example(money.AMOUNT_MAX)
def test_units_survive_their_numeral(units):
    text = money.text(units)
    assert money.parse(text) == units
    assert Decimal(text).scaleb(18, money_context()) == units


def money_context():
    from decimal import Context

    return Context(prec=100)


@given(UNITS)
def test_a_numeral_is_the_shortest_and_has_no_exponent(units):
    text = money.text(units)
    assert set(text) <= set("-.0123456789")
    assert not ("." in text and text.endswith(("0", ".")))
    assert not text.lstrip("-").startswith("00")
    assert text != "-0"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20), max_value=10**20))
def test_every_way_of_writing_a_number_means_the_same(number):
    units = int(number.scaleb(18, money_context()))
    assert money.parse(str(number)) == units
    assert money.parse(f"{number:f}") == units
    assert money.parse(f"{number:E}") == units


@given(st.text(max_size=40))
def test_any_text_is_units_or_a_value_error(text):
    try:
        units = money.parse(text)
    except ValueError:
        return
    assert Decimal(text).scaleb(18, money_context()) == units


@given(FEW, FEW)
def test_multiplying_rounds_half_away_from_zero(left, right):
    exact = Fraction(left * right, money.ONE)
    product = money.multiply(left, right)
    assert abs(product - exact) <= Fraction(1, 2)
    if abs(product - exact) == Fraction(1, 2):
        assert abs(product) > abs(exact)
    assert money.multiply(-left, right) == -product
    assert money.multiply(right, left) == product


@pytest.mark.parametrize(
    ("left", "right", "product"), [(1, 5 * 10**17, 1), (-1, 5 * 10**17, -1), (1, 5 * 10**17 - 1, 0)]
)
def test_a_half_unit_is_rounded_away_from_zero(left, right, product):
    assert money.multiply(left, right) == product


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 18))
def test_a_product_whose_decimals_add_up_to_18_is_exact(left, right, decimals):
    price, quantity = left * 10**decimals, right * 10 ** (18 - decimals)
    assert money.multiply(price, quantity) * money.ONE == price * quantity
    assert money.multiply_up(price, quantity) == money.multiply(price, quantity)


@given(FEW, FEW)
def test_multiplying_up_is_never_too_little_and_less_than_a_unit_too_much(left, right):
    exact = Fraction(left * right, money.ONE)
    assert exact <= money.multiply_up(left, right) < exact + 1


@given(FEW, FEW.filter(bool))
def test_dividing_down_is_never_too_much(dividend, divisor):
    exact = Fraction(dividend * money.ONE, divisor)
    assert exact - 1 < money.divide_down(dividend, divisor) <= exact


@given(st.integers(0, 10**24), st.integers(1, 10**24))
def test_what_a_budget_buys_costs_no_more_than_the_budget(budget, price):
    assert money.multiply_up(money.divide_down(budget, price), price) <= budget


def test_dividing_by_nothing_is_an_error():
    with pytest.raises(ZeroDivisionError):
        money.divide_down(1, 0)
