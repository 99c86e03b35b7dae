"""The receiver over HTTP: what a sender is answered, and that nothing a sender does ends it."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from runtime.settings import Settings, SettingsError
from tests.venue_gateways.webhook.events import OURS, SECRET, body, headers
from venue_gateways import metrics
from venue_gateways.clock import wall_us
from venue_gateways.facts import Facts
from venue_gateways.webhook import server
from venue_gateways.webhook.keys import Secrets
from venue_gateways.webhook.receiver import NotWritten, Receiver
from venue_gateways.webhook.server import BODY_BYTES_MAX, WebhookServer

DOCUMENT = Path(__file__).parents[3] / "docs" / "webhook.md"


class Site:
    """A receiver, its address, and what it has written."""

    def __init__(self, file) -> None:
        file.write_text(SECRET)
        file.chmod(0o600)
        self.told = []
        self.failure = None
        facts = Facts("binance", lambda partition: partition == 3, self.told.extend)
        self.settings = Settings(webhook_secrets=file)
        self.server = WebhookServer(self.settings, "binance", Receiver("binance", 8, Secrets(file), facts, self.write))

    async def write(self, told) -> None:
        if self.failure is not None:
            raise self.failure
        self.told.extend(told)

    async def post(self, content, **changes) -> httpx.Response:
        signed = headers(content, at_us=wall_us()) | changes
        async with httpx.AsyncClient() as client:
            return await client.post(self.server.url, content=content, headers=signed)


@pytest.fixture
async def site(tmp_path):
    made = Site(tmp_path / "secrets")
    running = asyncio.create_task(made.server.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(httpx.ConnectError):
        await made.post(b"")


async def test_each_answer_tells_the_sender_what_to_do(site):
    counted = metrics.WEBHOOK_EVENTS.labels("binance", "TAKEN")._value.get()
    old = headers(body(), at_us=wall_us() - 400_000_000)
    answers = {
        "taken": await site.post(body()),
        "repeated": await site.post(body()),
        "foreign": await site.post(body(client_order_id="web_1")),
        "unparsable": await site.post(b"<html>"),
        "unsigned": await site.post(body(), **{"fillstream-signature": ""}),
        "forged": await site.post(body(), **{"fillstream-signature": "0" * 64}),
        "stale": await site.post(body(), **old),
        "too large": await site.post(b" " * (BODY_BYTES_MAX + 1)),
    }
    site.failure = NotWritten()
    answers["not written"] = await site.post(body(event_id="e-2"))
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "taken": 204,
        "repeated": 204,
        "foreign": 204,
        "unparsable": 400,
        "unsigned": 401,
        "forged": 401,
        "stale": 401,
        "too large": 413,
        "not written": 503,
    }
    assert "sign anew" in answers["stale"].text
    assert int(answers["not written"].headers["retry-after"]) > 0
    assert {report.client_order_id for _, report in site.told} == {OURS}
    assert metrics.WEBHOOK_EVENTS.labels("binance", "TAKEN")._value.get() == counted + 1


async def test_a_sender_that_dawdles_or_goes_away_keeps_nobody_waiting(site, monkeypatch):
    monkeypatch.setattr(server, "BODY_S", 0.1)
    url = httpx.URL(site.server.url)
    head = b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(head)
    assert b" 408 " in await reader.readline()
    writer.close()
    _, gone = await asyncio.open_connection(url.host, url.port)
    gone.write(head)
    gone.close()
    assert (await site.post(body())).status_code == 204


async def test_there_is_nothing_else_to_be_had(site):
    async with httpx.AsyncClient() as client:
        assert (await client.get(site.server.url)).status_code == 405
        assert (await client.post(site.server.url + "s")).status_code == 404


async def test_an_address_that_can_t_be_had_is_a_setting_to_be_changed(site):
    port = httpx.URL(site.server.url).port
    taken = Settings(webhook_port=port)
    with pytest.raises(SettingsError, match="set webhook_host and webhook_port"):
        WebhookServer(taken, "binance", site.server._receiver)


async def test_the_document_s_example_works_as_it_stands(site, tmp_path):
    document = DOCUMENT.read_text()
    example, command = (re.search(rf"```{kind}\n(.*?)```", document, re.DOTALL)[1] for kind in ("json", "sh"))
    (tmp_path / "event.json").write_text(example)
    (tmp_path / "webhook.secrets").write_text(f"{SECRET}\n{SECRET[::-1]}\n")
    command = command.replace("http://127.0.0.1:8300/webhook", site.server.url)
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert output == b"204\n"
    assert [(report.kind, report.trade_id) for _, report in site.told] == [("FILL", "56127"), ("ACKNOWLEDGED", None)]
