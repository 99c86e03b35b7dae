"""The demo's traffic: repeatable, of the promised size and mix, with every kind of bad input in it."""

from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from runtime.trial import mischief, wire, workload
from runtime.trial.plan import Expect, Market, Shape

MARKETS = [
    Market("BTC-USD", Decimal(65_000), Decimal("0.01"), Decimal("0.00001")),
    Market("ETH-USD", Decimal(3_200), Decimal("0.01"), Decimal("0.0001")),
    Market("ETH-BTC", Decimal("0.0492"), Decimal("0.00001"), Decimal("0.0001")),
]
SHAPE = Shape(commands=3_000, users=200, rate=1_000.0, seed=7, start_us=1_700_000_000_000_000)


@pytest.fixture(scope="module")
def made():
    return workload.make(SHAPE, MARKETS)


def orders(made):
    """The PlaceOrder fields of the sound orders."""
    for planned in made.commands:
        if planned.kind.startswith("place_"):
            yield planned, wire.decode(planned.value)[1]["command"]


def test_the_same_seed_gives_the_same_bytes(made):
    assert workload.make(SHAPE, MARKETS) == made


def test_another_seed_gives_other_bytes(made):
    assert workload.make(Shape(commands=3_000, users=200, seed=8), MARKETS).commands != made.commands


def test_there_are_as_many_commands_as_asked_for_in_order_of_time(made):
    times = [planned.at_ms for planned in made.commands]
    assert len(times) == 3_000
    assert times == sorted(times)
    assert 2_500 < times[-1] <= 3_300


def test_some_of_the_traffic_comes_in_bursts(made):
    per_quarter_second = Counter(planned.at_ms // 250 for planned in made.commands)
    assert max(per_quarter_second.values()) > 1.5 * 3_000 / len(per_quarter_second)


@pytest.mark.parametrize("commands", [100, 3_000])
def test_every_kind_of_bad_input_is_there_however_short_the_run(commands):
    made = workload.make(Shape(commands=commands, users=50, seed=3), MARKETS)
    assert mischief.COMMAND_KINDS.keys() <= {planned.kind for planned in made.commands}
    assert mischief.TRANSFER_KINDS.keys() <= {planned.kind for planned in made.transfers}


def test_every_action_and_every_style_of_order_is_there(made):
    kinds = {planned.kind for planned in made.commands}
    assert set(workload.ACTIONS) - {"place", "late_soon"} <= kinds
    assert {f"place_{style}" for style in workload.terms.STYLES} | {"place_deadline_near"} <= kinds


def test_activity_is_zipfian(made):
    counts = [count for _, count in Counter(planned.user_id for planned in made.commands).most_common()]
    assert 0.1 < counts[0] / 3_000 < 0.25
    assert 1.5 < counts[0] / counts[1] < 2.7


def test_every_user_has_money_before_they_trade(made):
    paid = {planned.user_id for planned in made.transfers if planned.kind == "transfer"}
    assert paid >= {planned.user_id for planned in made.commands}
    assert len(paid) == 200


def test_sound_orders_are_on_the_grid(made):
    grids = {market.symbol: market for market in MARKETS}
    for _, fields in orders(made):
        market = grids[fields["symbol"]]
        for name, step in (("quantity", market.lot), ("price", market.tick), ("stop_price", market.tick)):
            if fields[name] is not None:
                assert wire.units(fields[name]) > 0
                assert wire.units(fields[name]) % wire.units(wire.amount(step)) == 0


def test_a_market_buy_says_what_it_may_cost_and_nothing_else_does(made):
    for _, fields in orders(made):
        buys_at_market = fields["side"] == "BUY" and fields["order_type"] == "MARKET"
        assert (fields["max_cost"] is not None) == buys_at_market


def test_a_duplicate_is_an_earlier_record_byte_for_byte(made):
    seen = set()
    for planned in made.commands:
        assert (planned.expect is Expect.DUPLICATE) == (planned.kind == "duplicate")
        if planned.kind == "duplicate":
            assert (planned.key, planned.value) in seen
        seen.add((planned.key, planned.value))


def test_command_ids_are_used_again_by_duplicates_alone(made):
    first = [planned.command_id for planned in made.commands if planned.command_id and planned.kind != "duplicate"]
    assert len(first) == len(set(first))


def test_cancels_are_of_ones_own_earlier_orders(made):
    placed = set()
    for planned in made.commands:
        if planned.kind == "cancel":
            assert (planned.user_id, planned.order_id) in placed
        elif planned.kind.startswith("place_"):
            placed.add((planned.user_id, planned.order_id))


def test_an_order_id_used_again_is_one_of_the_users_own(made):
    placed = {(planned.user_id, planned.order_id) for planned in made.commands if planned.kind.startswith("place_")}
    again = {(planned.user_id, planned.order_id) for planned in made.commands if planned.kind == "order_id_again"}
    assert again
    assert again <= placed


def test_a_stranger_cancels_what_is_not_theirs(made):
    owners = {planned.order_id: planned.user_id for planned in made.commands if planned.kind.startswith("place_")}
    aims = [planned for planned in made.commands if planned.kind == "bad_cancel_of_a_stranger"]
    assert aims
    assert all(owners.get(planned.order_id) not in {None, planned.user_id} for planned in aims)


def test_only_misrouted_records_name_a_partition(made):
    for planned in (*made.transfers, *made.commands):
        if planned.kind == "bad_wrong_partition":
            assert planned.partition != wire.murmur2(planned.key) % SHAPE.partitions
        elif planned.kind == "bad_null_key":
            assert planned.key is None
        else:
            assert planned.partition is None
        assert (planned.kind == "bad_key_of_another") == (planned.key not in {None, planned.user_id.encode()})


def test_what_must_become_a_dead_letter_can_not_be_read_as_its_topics_message(made):
    names = {"order-commands": "order_command", "transfers": "transfer"}
    for planned in (*made.transfers, *made.commands):
        try:
            name = wire.decode(planned.value or b"")[0]
        except wire.MalformedError:
            name = None
        assert (name != names[planned.topic]) == (planned.expect is Expect.DEAD_LETTER)


def test_deadlines_that_have_passed_and_deadlines_that_are_near_are_there(made):
    kinds = {"bad_expired": [], "place_deadline_near": []}
    for planned in made.commands:
        if planned.kind in kinds:
            record = wire.decode(planned.value)[1]
            kinds[planned.kind].append(record["expires_at"] - record["issued_at"])
    assert all(left < 0 for left in kinds["bad_expired"])
    assert all(0 < left <= 500_000 for left in kinds["place_deadline_near"])
    assert all(kinds.values())


def test_no_order_that_ends_by_the_clock_outlives_the_run_for_long(made):
    times = [(planned, fields["good_till"]) for planned, fields in orders(made) if fields["time_in_force"] == "GTD"]
    assert times
    for planned, good_till in times:
        sent_us = SHAPE.start_us + planned.at_ms * 1_000
        assert sent_us + 1_000_000 < good_till <= SHAPE.good_till_max_us
    assert SHAPE.good_till_max_us == SHAPE.start_us + 5_000_000


@pytest.mark.parametrize(("commands", "users"), [(10, 5), (1, 1), (40, 1)])
def test_a_tiny_plan_is_as_long_as_asked_for_too(commands, users):
    made = workload.make(Shape(commands=commands, users=users, seed=3), MARKETS)
    assert len(made.commands) == commands
    assert all(planned.key != planned.user_id.encode() for planned in made.commands if "of_another" in planned.kind)


def test_several_venues_get_a_like_share_of_the_orders_and_nobody_has_an_asset_twice():
    markets = [msgspec.structs.replace(market, venue=venue) for venue in ("binance", "kraken") for market in MARKETS]
    made = workload.make(SHAPE, markets)
    counts = Counter(fields["venue"] for _, fields in orders(made))
    assert counts.keys() == {"binance", "kraken"}
    assert 0.8 < counts["binance"] / counts["kraken"] < 1.25
    gifts = [planned for planned in made.transfers if planned.kind == "transfer"]
    held = [(planned.user_id, wire.decode(planned.value)[1]["asset"]) for planned in gifts]
    assert len(set(held)) == len(held)
