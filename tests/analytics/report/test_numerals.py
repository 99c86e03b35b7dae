"""Numbers and times as people read them."""

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from analytics.boards.panels import Unit
from analytics.report import numerals


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1_234_567, "1,234,567"),
        (1234.5678, "1,234.57"),
        (12.3456, "12.35"),
        (-0.5, "-0.5"),
        (0.0000123456, "0.00001235"),
        (1e-30, "0"),
        (math.nan, "–"),
        (math.inf, "∞"),
    ],
)
def test_a_number_has_no_more_figures_than_mean_something(value, told):
    assert numerals.number(value) == told


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("75366172.385180624708493052", "75,366,172.39"),
        ("1234.500000000000000001", "1,234.5"),
        ("0.024425696974684612", "0.024425697"),
        ("-100.000000000000000000", "-100"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("-0E-18", "0"),
    ],
)
def test_an_amount_keeps_the_figures_that_matter_and_is_never_rounded_to_nothing(amount, told):
    assert numerals.cell(Decimal(amount)) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0"),
        (0.00085, "850 µs"),
        (0.0123, "12.3 ms"),
        (4.25, "4.25 s"),
        (119, "119 s"),
        (180, "3 min"),
        (5_400, "90 min"),
        (36_000, "10 h"),
        (259_200, "3 days"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_keeps_it_short(seconds, told):
    assert numerals.seconds(seconds) == told
    assert numerals.milliseconds(seconds * 1_000) == told


def test_an_axis_shortens_what_is_large():
    assert [numerals.short(n) for n in (0, 250, 1_500, 20_000, 2_500_000)] == ["0", "250", "1,500", "20 k", "2.5 M"]


def test_bytes_are_told_in_binary_units():
    assert [numerals.size(n) for n in (12, 2_048, 5 << 20, 3 << 30)] == ["12 B", "2 KiB", "5 MiB", "3 GiB"]


def test_cells_of_every_kind_are_told():
    at = datetime(2026, 1, 31, 12, 0, 5)  # noqa: DTZ001  # as the client gives it
    assert [numerals.cell(cell) for cell in (None, True, False, "text", at, ["a", 2])] == [
        *("–", "yes", "no", "text", "2026-01-31 12:00:05", "a, 2")
    ]
    assert numerals.cell(at.replace(tzinfo=UTC)) == "2026-01-31 12:00:05"
    assert numerals.cell(99.5, Unit.PERCENT) == "99.5 %"
    assert numerals.cell(Decimal("1.25"), Unit.BASIS_POINTS) == "1.25 bp"


def test_a_number_in_a_table_leaves_its_unit_to_the_head():
    assert numerals.plain(12.346, Unit.MILLISECONDS) == "12.35"
    assert numerals.plain(None, Unit.MILLISECONDS) == "–"
    assert numerals.plain(1_234, Unit.COUNT) == "1,234"
