"""Where a variant works: what the launcher tells its process by environment variables, and what these are called."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

PREFIX: Final = "W1_"
#: What a variant without a consumer group prints once it may be given work.
READY: Final = "ready"
TABLES: Final = ("seen", "balances", "orders")


class Place(NamedTuple):
    """The broker, the topics, a folder for state, and which of how many workers this is.

    A tuple of plain values, for it is read by programs in environments of their own.
    """

    bootstrap: str
    application: str
    commands: str
    events: str
    requests: str
    state: str
    session_timeout_ms: int
    threads: int = 1
    worker: int = 0

    def changelog(self, table: str) -> str:
        """The changelog topic of *table*, as Kafka Streams and Faust name it."""
        return f"{self.application}-{table}-changelog"

    def environment(self) -> dict[str, str]:
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in self._asdict().items()}

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "Place":
        """Raises KeyError for a variable that is missing: the launcher sets all."""
        return cls(*(kind(variables[f"{PREFIX}{name.upper()}"]) for name, kind in cls.__annotations__.items()))


def of(application: str, bootstrap: str, folder: Path, *, session_timeout_ms: int) -> Place:
    """The place of the first worker of *application*, with topics named after it."""
    return Place(
        bootstrap=bootstrap,
        application=application,
        commands=f"{application}-commands",
        events=f"{application}-events",
        requests=f"{application}-requests",
        state=str(folder / application),
        session_timeout_ms=session_timeout_ms,
    )
