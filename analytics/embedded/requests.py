"""A request of ClickHouse's HTTP protocol, taken apart: who asks, what for, under which settings. Pure.

https://clickhouse.com/docs/interfaces/http: the query is the URL parameter ``query`` followed by the body; parameters
with the prefix ``param_`` fill ``{name:Type}``; what has no meaning to the protocol itself is a setting.
"""

import base64
import re
from collections.abc import Mapping
from email import policy
from email.parser import BytesParser
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from analytics.embedded.access import READER
from analytics.embedded.errors import bad_argument, not_implemented

#: Parameters of the protocol itself. Sessions are not kept: a statement's settings and temporary tables end with it.
_TRANSPORT: Final = frozenset(
    {
        *("buffer_size", "client_protocol_version", "close_session", "compress", "database", "decompress"),
        *("default_format", "password", "query", "query_id", "quota_key", "role", "session_check", "session_id"),
        *("session_timeout", "stacktrace", "user", "wait_end_of_query"),
    }
)
_PARAMETER: Final = "param_"

_TOKEN: Final = re.compile(
    rb"""--[^\n]*|/\*.*?\*/|\s+|'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|\w+|.""", re.DOTALL
)
_SKIPPED: Final = (b"--", b"/*")
_STATEMENT_BYTES_MAX: Final = 64 << 10


class Request(msgspec.Struct, frozen=True):
    """What the URL and the headers say."""

    user: str
    password: str
    query: str
    query_id: str | None
    database: str | None
    default_format: str
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    accept_encoding: str
    content_encoding: str
    content_type: str
    revision: int = 0
    wait_end_of_query: bool = False


class Insert(msgspec.Struct, frozen=True):
    """An INSERT whose rows come with it: ``INSERT INTO … (…)``, its SETTINGS clause if any, its format, its rows."""

    statement: str
    settings: str
    format: str
    data: bytes


def parse(query_string: bytes, headers: Mapping[str, str]) -> Request:
    """The request with this URL query and these headers (lower-case names). Raises ClickHouseError."""
    url = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    if url.get("compress", "0") != "0" or url.get("decompress", "0") != "0":
        raise not_implemented("ClickHouse's own block compression; use Accept-Encoding and Content-Encoding.")
    user, password = _credentials(url, headers)
    return Request(
        user=user,
        password=password,
        query=url.get("query", ""),
        query_id=url.get("query_id") or None,
        database=url.get("database") or headers.get("x-clickhouse-database") or None,
        default_format=url.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
        parameters=_parameters(url),
        settings={n: v for n, v in url.items() if n not in _TRANSPORT and not n.startswith(_PARAMETER)},
        accept_encoding=headers.get("accept-encoding", ""),
        content_encoding=headers.get("content-encoding", ""),
        content_type=headers.get("content-type", ""),
        revision=_revision(url.get("client_protocol_version") or "0"),
        wait_end_of_query=url.get("wait_end_of_query", "0") not in {"", "0", "false"},
    )


def with_form(request: Request, body: bytes) -> tuple[Request, bytes]:
    """The request and the rest of its body, once a multipart form's fields are taken as if they stood in the URL."""
    if not request.content_type.startswith("multipart/form-data"):
        return request, body
    head = f"Content-Type: {request.content_type}\r\n\r\n".encode()
    fields: dict[str, str] = {}
    for part in BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() or not isinstance(name, str):
            raise not_implemented("External tables; put the rows into a table or a parameter.")
        content = part.get_payload(decode=True)
        fields[name] = content.decode(errors="replace") if isinstance(content, bytes) else ""
    parameters = {**request.parameters, **_parameters(fields)}
    return msgspec.structs.replace(request, query=request.query + fields.get("query", ""), parameters=parameters), b""


def insert_of(query: str, body: bytes) -> Insert | None:
    """The INSERT with rows that *query* and *body* make, or None if they are any other statement."""
    text = query.encode() + b"\n" + body if query else body
    position, depth = 0, 0
    words: list[bytes] = []
    settings: int | None = None
    while position < min(len(text), _STATEMENT_BYTES_MAX):
        found = _TOKEN.match(text, position)
        assert found is not None, "the last alternative takes any byte"
        token, position = found[0], found.end()
        depth += (token == b"(") - (token == b")")
        if depth or token == b")" or token.isspace() or token.startswith(_SKIPPED):
            continue
        words.append(token.upper())
        if words[0] != b"INSERT" or words[-1] in {b"SELECT", b"WITH"}:
            return None
        if words[-1] == b"SETTINGS":
            settings = found.start()
        if words[-1] == b"VALUES":
            return _insert(text[: found.start()], settings, "Values", text[position:])
        if words[-2:-1] == [b"FORMAT"]:
            head = text[: found.start()].rstrip()[: -len(b"FORMAT")]
            return _insert(head, settings, token.decode(), _rows(text[position:]))
    if words[:1] == [b"INSERT"] and query and body:
        return _insert(query.encode(), settings, "Values", body)
    return None


def _insert(head: bytes, settings: int | None, format_name: str, data: bytes) -> Insert:
    statement = head[:settings].decode(errors="replace")
    return Insert(statement, "" if settings is None else head[settings:].decode(errors="replace"), format_name, data)


def _rows(rest: bytes) -> bytes:
    """What follows the format's name: spaces and one line's end belong to the statement, all else to the rows."""
    rest = rest.lstrip(b" \t\r")
    return rest[1:] if rest[:1] == b"\n" else rest


def _revision(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise bad_argument(f"client_protocol_version must be a whole number, not {text!r}.") from None


def _credentials(url: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError as error:
            raise bad_argument("The Authorization header is not valid.") from error
        return user or READER, password
    if "x-clickhouse-user" in headers:
        return headers["x-clickhouse-user"], headers.get("x-clickhouse-key", "")
    return url.get("user") or READER, url.get("password", "")


def _parameters(source: Mapping[str, str]) -> dict[str, str]:
    return {n.removeprefix(_PARAMETER): v for n, v in source.items() if n.startswith(_PARAMETER)}
