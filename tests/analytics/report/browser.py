"""A headless Chromium, spoken to by its DevTools protocol: what a page really shows, and what it complains about."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from runtime import process

#: Under which names it is installed; tests that need one are left out where there is none.
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
START_WITHIN_S = 60.0
ANSWER_WITHIN_S = 60.0
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking", "--remote-debugging-port=0"),
)


class Tab:
    """One page of the browser. *complaints* are what its console and its network said that is worse than a remark."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := self._next()).get("id") != number:
            pass
        assert "error" not in message, (method, message)
        return message["result"]

    def open(self, page: Path) -> None:
        """Returns when it has loaded."""
        self._events.clear()
        self.complaints.clear()
        self.requests.clear()  # those of the page that the browser begins with
        self.ask("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._next()

    def value(self, expression: str) -> Any:
        """Of a JavaScript *expression*."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def size(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def scheme(self, name: str) -> None:
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self) -> bytes:
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])

    def _next(self) -> dict[str, Any]:
        message = json.loads(self._socket.recv(timeout=ANSWER_WITHIN_S))
        parameters = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(parameters["exceptionDetails"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(parameters["entry"]["text"])
            case "Runtime.consoleAPICalled" if parameters["type"] in {"error", "warning", "assert"}:
                self.complaints.append(str(parameters["args"]))
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
        if "method" in message:
            self._events.append(message)
        return message


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Tab]:
    """A browser of one's own, with its profile in *folder*."""
    assert PROGRAM is not None
    with (folder / "chromium.log").open("wb") as log:
        running = subprocess.Popen(
            [PROGRAM, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"], stdout=log, stderr=log
        )
    try:
        address = _address(folder / "DevToolsActivePort", running)
        with connect(address, max_size=1 << 26) as socket:
            yield Tab(socket)
    finally:
        process.stop(running, grace_s=10)


def _address(file: Path, running: subprocess.Popen[bytes]) -> str:
    """Of its first page, once it has one."""
    deadline_s = time.monotonic() + START_WITHIN_S
    while True:
        assert running.poll() is None, file.with_name("chromium.log").read_text()
        assert time.monotonic() < deadline_s, file.with_name("chromium.log").read_text()
        with contextlib.suppress(OSError, IndexError, httpx.HTTPError):
            port = file.read_text().split()[0]
            pages = [one for one in httpx.get(f"http://127.0.0.1:{port}/json").json() if one["type"] == "page"]
            return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
