"""New credentials while a gateway runs: the next call is signed with them, and unusable ones change nothing."""

import asyncio

import pytest
from structlog.testing import capture_logs

from runtime.settings import Settings
from venue_gateways import metrics, rotation, venues
from venue_gateways.binance import signing
from venue_gateways.rotation import Rotation
from venue_gateways.venue import ReadUsage


class Desk:
    """An adapter, and the file with its credentials."""

    def __init__(self, path) -> None:
        self.path = path
        self.write("first", "hush-hush-one")
        settings = Settings(credentials=path)
        keys = venues.keys("binance", settings)
        self.adapter = venues.find("binance").make("binance", keys, settings)
        self.rotation = Rotation(self.adapter, lambda: venues.keys("binance", settings), keys)

    def write(self, key: str, secret: str, mode: int = 0o400) -> None:
        """As people should: the new file takes the old one's place at once."""
        new = self.path.with_suffix(".new")
        new.write_text(f'key = "{key}"\nsecret = "{secret}"\n')
        new.chmod(mode)
        new.replace(self.path)

    def signs_with(self, key: str, secret: str) -> bool:
        request = self.adapter.build(ReadUsage(), 1_700_000_000_000_000)
        payload, _, signature = request.target.partition("?")[2].partition("&signature=")
        expected = signing.HmacSigner(secret).sign(payload.encode())
        return dict(request.headers)["X-MBX-APIKEY"] == key and signature == expected

    @property
    def stale(self) -> float:
        return metrics.CREDENTIALS_STALE.labels("binance")._value.get()


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path / "c.toml")


async def test_the_call_after_a_change_is_signed_with_the_new_key(desk):
    await desk.rotation.look()
    assert desk.signs_with("first", "hush-hush-one")
    desk.write("second", "hush-hush-two")
    with capture_logs() as logs:
        await desk.rotation.look()
        await desk.rotation.look()
    assert desk.signs_with("second", "hush-hush-two")
    assert [line["event"] for line in logs] == ["credentials_renewed"]
    assert "hush" not in str(logs)


@pytest.mark.parametrize("wrong", ["mode", "text", "gone"])
async def test_what_can_t_be_used_leaves_the_former_key_and_says_so_once(desk, wrong):
    if wrong == "mode":
        desk.write("second", "hush-hush-two", 0o644)
    elif wrong == "text":
        desk.write("second", 'hush-hush-two"')
    else:
        desk.path.unlink()
    with capture_logs() as logs:
        await desk.rotation.look()
        await desk.rotation.look()
    assert desk.signs_with("first", "hush-hush-one")
    assert [line["event"] for line in logs] == ["credentials_unusable"]
    assert "hush" not in str(logs)
    assert desk.stale == 1
    desk.write("third", "hush-hush-three")
    await desk.rotation.look()
    assert desk.signs_with("third", "hush-hush-three")
    assert desk.stale == 0


async def test_a_key_file_that_comes_after_what_names_it_is_found(desk, tmp_path):
    desk.path.unlink()
    desk.path.write_text('key = "k"\nprivate_key = "later.pem"')
    desk.path.chmod(0o400)
    await desk.rotation.look()
    assert desk.stale == 1
    (tmp_path / "later.pem").write_text("no key")
    (tmp_path / "later.pem").chmod(0o400)
    with capture_logs() as logs:
        await desk.rotation.look()
    assert "no unencrypted private key" in logs[0]["error"]


async def test_it_looks_by_itself(desk, monkeypatch):
    monkeypatch.setattr(rotation, "_LOOK_S", 0.005)
    renewed = asyncio.Event()
    running = asyncio.create_task(desk.rotation.run(renewed.set))
    desk.write("second", "hush-hush-two")
    async with asyncio.timeout(60):
        await renewed.wait()
    running.cancel()
    assert desk.signs_with("second", "hush-hush-two")
