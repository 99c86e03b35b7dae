"""The embedded ClickHouse engine: one folder, opened by this process alone, and a fresh session for every query.

chDB has one user, who may do everything. What a reader must not do is therefore refused here, before the query runs:
a session set to ``readonly=1`` can't write, create, or change a setting, but it could still read files of this machine
(``file()``), write one (``INTO OUTFILE``), call addresses (``DESCRIBE TABLE url(…)``) and end other people's queries.
"""

import os
import re
import tempfile
import threading
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from analytics.embedded.errors import ClickHouseError, canceled, readonly
from analytics.embedded.requests import Insert
from runtime.exits import Unavailable

#: Table functions that only compute. Every other one reaches outside the database, or may in a later version.
_HARMLESS_TABLE_FUNCTIONS: Final = frozenset(
    {
        *("format", "generateRandom", "generateSeries", "generate_series", "loop", "merge", "null", "numbers"),
        *("numbers_mt", "primes", "SQLStandardValues", "values", "view", "viewExplain", "viewIfPermitted"),
        *("mergeTreeAnalyzeIndexes", "mergeTreeCodecBlockCounts", "mergeTreeIndex", "mergeTreeProjection"),
        *("mergeTreeTextIndex", "zeros", "zeros_mt", "dictionary"),
    }
)
_FORBIDDEN_FUNCTIONS: Final = frozenset({"file", "catboostEvaluate", "eval"})
_NEURAL_FUNCTION: Final = re.compile(r"ai[A-Z]\w*")

_READING: Final = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "EXPLAIN", "EXISTS", "VALUES", "CHECK"})
_QUERY: Final = frozenset({"SELECT", "WITH"})
_STRING: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_WORD: Final = re.compile(r"\w+")
_FORMAT: Final = re.compile(r"\bFORMAT (\w+)(?: SETTINGS .*)?$", re.DOTALL)
_OUTFILE: Final = re.compile(r"\bINTO OUTFILE\b")
_FORMATTER: Final = re.compile(r":? ?In scope SELECT formatQuerySingleLine\(.*", re.DOTALL)
#: Formats of which two answers, one after the other, are one answer: the engine gives out a block at a time.
_STREAMED: Final = frozenset(
    {
        *("Native", "RowBinary", "JSONEachRow", "JSONLines", "NDJSON", "JSONCompactEachRow", "CSV", "LineAsString"),
        *("TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "Vertical"),
    }
)
_ONLY_ONCE: Final = re.compile(r"\b(?:WITH TOTALS|extremes|output_format_json_array_of_rows)\b")
_LOOK_EVERY_S: Final = 0.1
_LOOKS_MAX: Final = 100
_SETTING_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class Cost(msgspec.Struct):
    """What a query has cost so far."""

    rows_read: int = 0
    bytes_read: int = 0
    rows_written: int = 0
    bytes_written: int = 0
    elapsed_ns: int = 0

    def add(self, answer: Any) -> None:
        """Count what the engine says of a block, or of a whole answer."""
        self.rows_read += answer.storage_rows_read()
        self.bytes_read += answer.storage_bytes_read()
        self.rows_written += answer.rows_written()
        self.bytes_written += answer.bytes_written()
        self.elapsed_ns = max(self.elapsed_ns, int(answer.elapsed() * 1e9))


class Answer(msgspec.Struct, frozen=True):
    """What a query gives: *blocks* runs it, and raises ClickHouseError; *cost* grows with them."""

    format: str
    blocks: Iterator[bytes]
    cost: Cost


class Ticket:
    """A query that another thread may end, whether it has begun or not. Statements that write are never ended."""

    def __init__(self) -> None:
        self.name = f"fillstream-{uuid.uuid4().hex}"
        self.canceled = threading.Event()
        self.ended = threading.Event()


class Session(msgspec.Struct, frozen=True):
    """What a query runs under. *settings* hold for this query alone."""

    settings: Mapping[str, str]
    database: str | None = None
    default_format: str = "TabSeparated"


class _Statement(msgspec.Struct, frozen=True):
    """One statement, as it came and as the engine's parser wrote it down again, and what it runs under."""

    sql: str
    formatted: str
    parameters: Mapping[str, str]
    session: Session
    ticket: Ticket
    read_only: bool = False

    @property
    def format(self) -> str:
        """Of the rows that it gives; empty if it gives none."""
        plain = _without_strings(self.formatted)
        return _format_of(plain, self.session) if _verb(plain) in _READING else ""

    @property
    def can_be_streamed(self) -> bool:
        """Whether the engine gives its answer out in pieces, which put together make the whole."""
        plain = _without_strings(self.formatted)
        said = f"{plain} {' '.join(self.session.settings)}"
        return _verb(plain) in _QUERY and self.format in _STREAMED and not _ONLY_ONCE.search(said)


class Engine:
    """The engine on *folder*. All methods may be called from several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._chdb = _module()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = str(folder.resolve())
        try:
            self._keeper = self._chdb.connect(self._path)  # as long as one handle is open, the engine stays
        except RuntimeError as error:
            raise Unavailable(
                f"ClickHouse can't open {folder} ({error}): another process may have it open; one process at a time may"
            ) from error
        self.version = self._ask("SELECT version()")
        self.timezone = self._ask("SELECT timezone()")
        names = self._ask("SELECT arrayStringConcat(groupArray(name), ',') FROM system.table_functions").split(",")
        self._forbidden = (frozenset(names) - _HARMLESS_TABLE_FUNCTIONS) | _FORBIDDEN_FUNCTIONS

    def close(self) -> None:
        """Close the folder; parts that are being merged are finished or dropped, rows never."""
        self._keeper.close()

    def read(self, sql: str, parameters: Mapping[str, str], session: Session, ticket: Ticket) -> Answer:
        """Run one reading statement that can change nothing. Raises ClickHouseError."""
        formatted = self._formatted(sql)
        self._refuse_unsafe(_without_strings(formatted))
        return self._answer(_Statement(sql, formatted, parameters, session, ticket, read_only=True))

    def execute(self, sql: str, parameters: Mapping[str, str], session: Session, ticket: Ticket) -> Answer:
        """Run any one statement. Raises ClickHouseError."""
        return self._answer(_Statement(sql, self._formatted(sql), parameters, session, ticket))

    def insert(self, insert: Insert, session: Session) -> Answer:
        """Run an INSERT whose rows come with it. Raises ClickHouseError.

        The rows go through a file. chDB has two other ways: its inserter of streams keeps silent about a materialized
        view that failed (4.4.0), and rows in the text of a query end where its parser finds a semicolon.
        """
        with _file_of(insert.data, self._path) as name:
            source = f"FROM INFILE {_quoted(name, chr(39))} COMPRESSION 'none'"
            sql = f"{insert.statement} {source} {insert.settings} FORMAT {insert.format}"
            cost = Cost()
            blocks = list(self._whole(_Statement(sql, sql, {}, session, Ticket()), cost))
            return Answer("", iter(blocks), cost)

    def end(self, ticket: Ticket) -> None:
        """End the query of *ticket*, begun or not. Returns when it has ended, or after some seconds."""
        ticket.canceled.set()
        handle = self._chdb.connect(self._path)
        try:
            for _ in range(_LOOKS_MAX):
                handle.query(f"KILL QUERY WHERE Settings['log_comment'] = '{ticket.name}' ASYNC", "Null")
                if ticket.ended.wait(_LOOK_EVERY_S):
                    return
        finally:
            handle.close()

    def _answer(self, statement: _Statement) -> Answer:
        cost = Cost()
        run = self._streamed if statement.can_be_streamed else self._whole
        return Answer(statement.format, _until_canceled(run(statement, cost), statement.ticket), cost)

    def _whole(self, statement: _Statement, cost: Cost) -> Generator[bytes, None, None]:
        """The answer in one piece."""
        handle = self._open(statement)
        try:
            answer = handle.query(statement.sql, statement.session.default_format, params=dict(statement.parameters))
            cost.add(answer)
            yield answer.bytes() or b""
        except RuntimeError as error:
            raise ClickHouseError.from_engine(error) from error
        finally:
            handle.close()

    def _streamed(self, statement: _Statement, cost: Cost) -> Generator[bytes, None, None]:
        """The answer block by block, each as soon as it is there. Whoever stops taking them ends the query."""
        handle = self._open(statement)
        try:
            stream = handle.send_query(
                statement.sql, statement.session.default_format, params=dict(statement.parameters)
            )
            while (block := handle.streaming_fetch_result(stream)) is not None and block.rows_read():
                cost.add(block)
                yield block.bytes()
        except RuntimeError as error:
            raise ClickHouseError.from_engine(error) from error
        finally:
            handle.close()

    def _open(self, statement: _Statement) -> Any:
        """A handle with a state of its own. Opening one takes a tenth of a millisecond."""
        handle = self._chdb.connect(self._path)
        session = statement.session
        settings = dict(session.settings)
        if statement.format:
            settings["log_comment"] = statement.ticket.name
        if statement.read_only:
            settings["readonly"] = "1"  # the last: it locks the others
        try:
            if session.database:
                handle.query(f"USE {_quoted(session.database, '`')}", "Null")
            if settings:
                handle.query("SET " + ", ".join(_assignment(name, settings[name]) for name in settings), "Null")
        except RuntimeError as error:
            handle.close()
            raise ClickHouseError.from_engine(error) from error
        return handle

    def _formatted(self, sql: str) -> str:
        """*sql* as the engine's own parser understood it: one statement, without comments or escapes in names.

        Raises ClickHouseError for anything that is not exactly one statement.
        """
        handle = self._chdb.connect(self._path)
        try:
            text = _escaped_parameter(sql)
            formatted = handle.query("SELECT formatQuerySingleLine({q:String})", "TSVRaw", params={"q": text}).bytes()
        except RuntimeError as error:
            known = ClickHouseError.from_engine(error)
            raise ClickHouseError(known.code, _FORMATTER.sub("(SYNTAX_ERROR)", known.message)) from error
        finally:
            handle.close()
        plain: str = formatted.decode(errors="replace")
        return plain.strip()

    def _refuse_unsafe(self, plain: str) -> None:
        if _verb(plain) not in _READING or _OUTFILE.search(plain):
            raise readonly("default: Cannot execute query in readonly mode.")
        for word in _WORD.findall(plain):  # wherever it stands: arrayMap(file, …) and APPLY(file) call it as well
            if word in self._forbidden or _NEURAL_FUNCTION.fullmatch(word):
                raise readonly(f"default: {word} reaches outside the database, and must not be named in a query.")

    def _ask(self, sql: str) -> str:
        answer: bytes = self._keeper.query(sql, "TSVRaw").bytes()
        return answer.decode().strip()


@contextmanager
def _file_of(data: bytes, folder: str) -> Iterator[str]:
    """The name of a file that holds *data*: in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("insert"), "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="insert-") as file:
            file.write(data)
            file.flush()
            yield file.name


def _module() -> Any:
    """chDB, imported at the first use: it takes half a second and a quarter of a gigabyte."""
    from chdb import _chdb  # noqa: PLC0415  # see above

    return _chdb


def _until_canceled(blocks: Generator[bytes, None, None], ticket: Ticket) -> Iterator[bytes]:
    """*blocks* unless *ticket* is canceled, before the first of them as well."""
    try:
        while not ticket.canceled.is_set():
            block = next(blocks, None)
            if block is None:
                return
            yield block
        raise canceled()
    finally:
        blocks.close()
        ticket.ended.set()


def _without_strings(formatted: str) -> str:
    return _STRING.sub("''", formatted)


def _verb(plain: str) -> str:
    found = _WORD.search(plain)
    return found[0] if found else ""


def _format_of(plain: str, session: Session) -> str:
    found = _FORMAT.search(plain)
    return found[1] if found else session.default_format


def _assignment(name: str, value: str) -> str:
    if not _SETTING_NAME.fullmatch(name):
        raise ClickHouseError.of(115, "UNKNOWN_SETTING", f"Unknown setting {name!r}")
    return f"{name} = {_quoted(value, chr(39))}"


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def _escaped_parameter(text: str) -> str:
    """*text* as the value of a query parameter: a field of a TSV file."""
    return (
        text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
    )
