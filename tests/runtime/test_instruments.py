"""The file of tradable symbols."""

import pytest

from domain.money import parse
from runtime import instruments
from runtime.settings import SettingsError

GOOD = """
[[instrument]]
venue = "simulated"
symbol = "BTC-USD"
tick_size = "0.01"
lot_size = "0.00001"
quantity_min = "0.00001"
quantity_max = "1000"
price_max = "10000000"
notional_min = "5"
fee_rate_max = "0.002"
"""


def write(tmp_path, text):
    path = tmp_path / "instruments.toml"
    path.write_text(text)
    return path


def test_amounts_are_read_exactly(tmp_path):
    found = instruments.load(write(tmp_path, GOOD)).find("simulated", "BTC-USD")

    assert (parse("0.01"), "BTC", "USD") == (found.tick_size, found.base, found.quote)


def test_the_built_in_file_is_good():
    assert instruments.load().of("simulated")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace('lot_size = "0.00001"\n', ""), "lacks 'lot_size'"),
        (GOOD.replace('"0.01"', "0.01"), "BTC-USD"),
        (GOOD.replace('"0.01"', '"a cent"'), "BTC-USD"),
        (GOOD + GOOD, "BTC-USD"),
        ("[[instrument", "can't be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, complaint):
    with pytest.raises(SettingsError, match=complaint):
        instruments.load(write(tmp_path, text))


def test_a_missing_file_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError, match="can't be read"):
        instruments.load(tmp_path / "nowhere.toml")
