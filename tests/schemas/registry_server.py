"""A small Schema Registry over HTTP on loopback: the part of Confluent's REST API that clients use, kept in memory."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from schemas import evolution

SUBJECT_UNKNOWN, SCHEMA_UNKNOWN, INCOMPATIBLE = 40401, 40403, 409


class Registry:
    """What the server knows. *failing* makes it answer 500, *read_only* refuses registration with 403."""

    def __init__(self, first_id: int = 100) -> None:
        self.ids: dict[str, int] = {}  # one id for one text, as Confluent's
        self.texts: dict[int, dict[str, str]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.requests: list[str] = []
        self.failing = False
        self.read_only = False
        self.url = ""
        self._next_id = first_id

    def add(self, text: str, kind: str = "AVRO") -> int:
        if text not in self.ids:
            self.ids[text] = self._next_id
            self.texts[self._next_id] = {"schema": text} if kind == "AVRO" else {"schema": text, "schemaType": kind}
            self._next_id += 1
        return self.ids[text]

    def register(self, subject: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        if self.read_only:
            return 403, {"error_code": 40301, "message": "read only"}
        versions = self.subjects.setdefault(subject, [])
        if versions and self.ids.get(body["schema"]) not in versions:
            latest = json.loads(self.texts[versions[-1]]["schema"])
            if broken := evolution.breaks(latest, json.loads(body["schema"])):
                return 409, {"error_code": INCOMPATIBLE, "message": "; ".join(broken)}
        schema_id = self.add(body["schema"])
        if schema_id not in versions:
            versions.append(schema_id)
        return 200, {"id": schema_id}

    def lookup(self, subject: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        if subject not in self.subjects:
            return 404, {"error_code": SUBJECT_UNKNOWN, "message": "Subject not found"}
        versions, schema_id = self.subjects[subject], self.ids.get(body["schema"])
        if schema_id not in versions:
            return 404, {"error_code": SCHEMA_UNKNOWN, "message": "Schema not found"}
        return 200, {"subject": subject, "id": schema_id, "version": versions.index(schema_id) + 1, **body}

    def answer(self, method: str, path: str, body: dict[str, str]) -> tuple[int, object]:
        self.requests.append(f"{method} {path}")
        if self.failing:
            return 500, {"error_code": 50001, "message": "out of order"}
        if found := re.fullmatch(r"/subjects/([^/]+)(/versions)?", path):
            return (self.register if found[2] else self.lookup)(unquote(found[1]), body)
        if found := re.fullmatch(r"/schemas/ids/(\d+)", path):
            text = self.texts.get(int(found[1]))
            return (200, text) if text else (404, {"error_code": SCHEMA_UNKNOWN, "message": "Schema not found"})
        return 404, {"error_code": 404, "message": f"HTTP 404 Not Found: {path}"}


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """Serves *registry* on a free port while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET", {})

        def do_POST(self) -> None:
            self._answer("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, method: str, body: dict[str, str]) -> None:
            status, answer = registry.answer(method, urlsplit(self.path).path, body)
            encoded = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_: object) -> None:
            """Keeps the test's output its own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
