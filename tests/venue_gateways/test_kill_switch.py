"""All that is open is canceled at the venue itself; the books hear of it from the venue, as of any end that nobody here
has asked for.
"""

import pytest
from typer.testing import CliRunner

from domain.messages import Evidence, OrderStatus, ReportKind
from runtime import __main__ as command
from runtime.commands import running
from runtime.exits import Exit
from runtime.settings import SettingsError
from tests.venue_gateways.closed_loop import Loop
from tests.venue_gateways.harness import Rig, Simulator
from venue_gateways import kill_switch, venues

OPEN, CANCELED = OrderStatus.OPEN, OrderStatus.CANCELED
WINDOWS_MS = {"simulated": "1000", "coinbase": "2000", "kraken": "3000"}
#: The commonest story is told at every commit at one venue; the others, and at others, take half a minute.
LONG = pytest.mark.long
#: What the venue itself has said, unasked or asked.
HEARD = {Evidence.STREAM, Evidence.QUERY, Evidence.POLL}


@pytest.fixture(
    scope="module", params=["simulated", pytest.param("coinbase", marks=LONG), pytest.param("kraken", marks=LONG)]
)
def rig(request, broker, tmp_path_factory):
    """A gateway that trades, and the same venue as the command sees it."""
    simulator = Simulator(tmp_path_factory.mktemp("venue"), venue=request.param)
    made = Rig(broker, tmp_path_factory.mktemp("gateway") / "var", simulator)
    venues.VENUES[made.name] = venues.VENUES[simulator.venue]
    made.start_gateway(hurried=True, receive_window_ms=WINDOWS_MS[request.param], kraken_tier="pro")
    made.wait_for_log("venue_ready")
    yield made
    made.close()
    simulator.stop()
    del venues.VENUES[made.name]


@pytest.fixture
def run(rig, monkeypatch):
    """Runs the command against the rig's venue, looking oftener than usual: its exit code."""
    monkeypatch.setattr(kill_switch, "_LOOK_INTERVAL_S", 0.2)
    settings = rig.settings.model_copy(update={**rig.reach(), "kraken_tier": "pro"})

    def cancel_all(symbol: str | None = None, *, apply: bool = True, within_s: float = 30) -> int:
        return kill_switch.main(settings, rig.name, symbol, apply=apply, within_s=within_s)

    return cancel_all


def placed(rig: Rig, *orders: str) -> Loop:
    """A loop with these orders, open."""
    loop = Loop(rig)
    for order in orders:
        loop.place(order)
    loop.until(lambda: set(loop.statuses().values()) == {OPEN}, 15, "open orders")
    return loop


def test_nothing_is_canceled_without_apply(rig, run, capsys):
    loop = placed(rig, "resting")
    before = rig.journal("order_canceled")
    assert run(apply=False) == Exit.OK
    assert loop.reports("resting")[0].client_order_id[:8] in capsys.readouterr().out
    assert rig.journal("order_canceled") == before


@pytest.mark.parametrize("symbol", [None, pytest.param("BTC-USD", marks=LONG)])
def test_what_is_canceled_there_ends_here_with_evidence_and_frees_its_money(rig, run, symbol):
    loop = placed(rig, "one", "two", "three")
    assert run(symbol) == Exit.OK
    loop.until(lambda: set(loop.statuses().values()) == {CANCELED}, 20, "canceled orders")
    for name in loop.statuses():
        (end,) = (report for report in loop.reports(name) if report.kind is ReportKind.CANCELED)
        assert end.evidence in HEARD
        assert loop.order(name).reserved == 0
    assert run(symbol) == Exit.OK  # there is nothing more to be done


@LONG
def test_what_the_stream_keeps_to_itself_is_found_out(rig, run):
    loop = placed(rig, "one", "two")
    rig.lie(stream_loss=1.0)
    assert run() == Exit.OK
    rig.lie(stream_reset=1.0, times={"stream_reset": 1})
    loop.place("last")  # the event of which ends the connection, after which everything is looked at
    wanted = {"one": CANCELED, "two": CANCELED, "last": OPEN}
    loop.until(lambda: loop.statuses() == wanted, 30, f"{wanted}")
    rig.lie()


@LONG
def test_an_order_that_stays_open_is_said_to_be(rig, run, capsys):
    loop = placed(rig, "stubborn")
    rig.lie(error_before=1.0, operations=["cancel", "cancel_all"])
    assert run(within_s=3) == Exit.CHECK_FAILED
    assert "still open" in capsys.readouterr().out
    rig.lie()
    assert run() == Exit.OK
    loop.until(lambda: loop.order("stubborn").status is CANCELED, 20, "a canceled order")


def test_a_symbol_that_is_not_traded_there_is_refused(run):
    with pytest.raises(SettingsError, match="isn't traded"):
        run("DOGE-USD")


def test_the_command_says_what_it_was_told(monkeypatch):
    calls = []
    monkeypatch.setattr(running, "run", lambda entry, **options: calls.append((entry, options)))
    words = ["venue", "cancel-all", "kraken", "--symbol", "BTC-USD", "--apply"]
    assert CliRunner().invoke(command.app, words).exit_code == 0
    options = {"venue": "kraken", "symbol": "BTC-USD", "apply": True, "credentials": None}
    assert calls == [("venue cancel-all", options)]
