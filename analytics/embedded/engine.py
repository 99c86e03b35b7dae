"""The embedded ClickHouse engine: one folder, opened by this process alone, and a fresh session for every query.

chDB has one user, who may do everything. What a reader must not do is therefore refused here, before the query runs:
a session set to ``readonly=1`` can't write, create, or change a setting, but it could still read files of this machine
(``file()``), write one (``INTO OUTFILE``), call addresses (``DESCRIBE TABLE url(…)``) and end other people's queries.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from analytics.embedded.errors import ClickHouseError, readonly
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
_STRING: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_WORD: Final = re.compile(r"\w+")
_FORMAT: Final = re.compile(r"\bFORMAT (\w+)(?: SETTINGS .*)?$", re.DOTALL)
_OUTFILE: Final = re.compile(r"\bINTO OUTFILE\b")
_FORMATTER: Final = re.compile(r":? ?In scope SELECT formatQuerySingleLine\(.*", re.DOTALL)
_SETTING_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class Result(msgspec.Struct, frozen=True):
    """What a query gave, and what it cost."""

    body: bytes
    format: str
    rows_read: int = 0
    bytes_read: int = 0
    rows_written: int = 0
    bytes_written: int = 0
    elapsed_ns: int = 0


class Session(msgspec.Struct, frozen=True):
    """What a query runs under. *settings* hold for this query alone."""

    settings: Mapping[str, str]
    database: str | None = None
    default_format: str = "TabSeparated"


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

    def read(self, sql: str, parameters: Mapping[str, str], session: Session) -> Result:
        """Run one reading statement that can change nothing. Raises ClickHouseError."""
        plain = self._canonical(sql)
        self._refuse_unsafe(plain)
        return self._query(sql, parameters, session, _format_of(plain, session), read_only=True)

    def execute(self, sql: str, parameters: Mapping[str, str], session: Session) -> Result:
        """Run any one statement. Raises ClickHouseError."""
        plain = self._canonical(sql)
        format_name = _format_of(plain, session) if _verb(plain) in _READING else ""  # what gives no rows has no format
        return self._query(sql, parameters, session, format_name, read_only=False)

    def insert(self, insert: Insert, session: Session) -> Result:
        """Run an INSERT whose rows come with it. Raises ClickHouseError.

        The rows go through a file. chDB has two other ways: its inserter of streams keeps silent about a materialized
        view that failed (4.4.0), and rows in the text of a query end where its parser finds a semicolon.
        """
        with _file_of(insert.data, self._path) as name:
            source = f"FROM INFILE {_quoted(name, chr(39))} COMPRESSION 'none'"
            sql = f"{insert.statement} {source} {insert.settings} FORMAT {insert.format}"
            return self._query(sql, {}, session, "", read_only=False)

    def _query(
        self, sql: str, parameters: Mapping[str, str], session: Session, format_name: str, *, read_only: bool
    ) -> Result:
        handle = self._open(session, read_only=read_only)
        try:
            answer = handle.query(sql, session.default_format, params=dict(parameters))
        except RuntimeError as error:
            raise ClickHouseError.from_engine(error) from error
        finally:
            handle.close()
        return Result(
            answer.bytes() or b"",
            format_name,
            rows_read=answer.storage_rows_read(),
            bytes_read=answer.storage_bytes_read(),
            rows_written=answer.rows_written(),
            bytes_written=answer.bytes_written(),
            elapsed_ns=int(answer.elapsed() * 1e9),
        )

    def _open(self, session: Session, *, read_only: bool) -> Any:
        """A handle with a state of its own. Opening one takes a tenth of a millisecond."""
        handle = self._chdb.connect(self._path)
        settings = {**session.settings, **({"readonly": "1"} if read_only else {})}  # the last: it locks the others
        try:
            if session.database:
                handle.query(f"USE {_quoted(session.database, '`')}", "Null")
            if settings:
                handle.query("SET " + ", ".join(_assignment(name, settings[name]) for name in settings), "Null")
        except RuntimeError as error:
            handle.close()
            raise ClickHouseError.from_engine(error) from error
        return handle

    def _canonical(self, sql: str) -> str:
        """*sql* as the engine's own parser understood it: one statement, without comments or escapes in names.

        Strings are left out. Raises ClickHouseError for anything that is not exactly one statement.
        """
        handle = self._chdb.connect(self._path)
        try:
            text = _escaped_parameter(sql)
            plain = handle.query("SELECT formatQuerySingleLine({q:String})", "TSVRaw", params={"q": text}).bytes()
        except RuntimeError as error:
            known = ClickHouseError.from_engine(error)
            raise ClickHouseError(known.code, _FORMATTER.sub("(SYNTAX_ERROR)", known.message)) from error
        finally:
            handle.close()
        return _STRING.sub("''", plain.decode(errors="replace")).strip()

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
