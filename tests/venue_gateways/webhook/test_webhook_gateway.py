"""A gateway that is pushed to, on real Kafka against a venue over HTTP and WebSocket."""

import asyncio
import re

import httpx
import msgspec
import pytest

from domain import money
from domain.messages import OrderType, ReportKind
from runtime.settings import Settings
from tests.venue_gateways.harness import now_us
from tests.venue_gateways.scripted import ScriptedTransport
from tests.venue_gateways.webhook.events import EVENT, SECRET, TRADE, headers
from venue_gateways.binance.adapter import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.clock import wall_us
from venue_gateways.gateway import Gateway
from venue_gateways.webhook.receiver import NotWritten

ACKNOWLEDGED, FILL = ReportKind.ACKNOWLEDGED, ReportKind.FILL


def trade(fill):
    """*fill* as somebody else tells of it."""
    return TRADE | {
        "trade_id": fill.trade_id,
        "quantity": money.text(fill.fill_quantity),
        "price": money.text(fill.fill_price),
        "fee": money.text(fill.fee),
        "fee_asset": fill.fee_asset,
        "liquidity": fill.liquidity,
        "traded_at": fill.transacted_at,
    }


def push(rig, url, order, trades, **changes) -> int:
    known = {"event_id": order, "venue": rig.name, "client_order_id": rig.order_id(order), "updated_at": now_us()}
    content = msgspec.json.encode(EVENT | known | {"trades": trades} | changes)
    return httpx.post(url, content=content, headers=headers(content, at_us=wall_us())).status_code


def test_a_fill_is_reported_once_whichever_way_it_comes(rig, tmp_path):
    made = rig()
    secrets = tmp_path / "webhook.secrets"
    secrets.write_text(SECRET)
    secrets.chmod(0o400)
    made.start_gateway(webhook_secrets=str(secrets))
    made.wait_for_log("venue_ready")
    url = re.search(r"http://127\.0\.0\.1:\d+/webhook", made.log())[0]
    made.send(made.place("told", price=None, order_type=OrderType.MARKET))
    fills = [report for report in made.expect("told", ACKNOWLEDGED, FILL) if report.kind is FILL]
    quantity = money.text(sum(fill.fill_quantity for fill in fills))
    told = [trade(fill) for fill in fills]
    assert push(made, url, "told", told, venue_order_id=fills[0].venue_order_id, filled_quantity=quantity) == 204
    assert push(made, url, "pushed", [TRADE]) == 204
    made.expect("pushed", ACKNOWLEDGED, FILL)
    made.read(0.3)
    assert [report.trade_id for report in made.of("told") if report.kind is FILL] == [one["trade_id"] for one in told]
    assert made.kinds("pushed") == [FILL, ACKNOWLEDGED]
    assert SECRET[:8] not in made.log()


async def test_what_the_stream_has_told_is_answered_for_once_it_is_in_the_log_too():
    gateway = Gateway(Settings(), Binance("binance", "key", HmacSigner("secret")), ScriptedTransport(), "ws://")
    written = asyncio.Event()
    gateway._spawn(written.wait())
    answering = asyncio.create_task(gateway._write([]))
    await asyncio.sleep(0.01)
    assert not answering.done()
    written.set()
    await answering
    gateway.failed(OSError("Kafka has refused a report"))
    with pytest.raises(NotWritten):
        await gateway._write([])
