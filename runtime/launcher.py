"""How the supervisor's services become processes: forked from one with their code loaded, or begun anew."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, TypeAlias

import structlog

from runtime import process
from runtime.forking import ForkServer, Gone, Job
from runtime.process import Child
from runtime.services import Service

#: Starts a service, with both its streams in a file.
Launch: TypeAlias = Callable[[Service, IO[bytes]], Child]

_SUBCOMMAND: Final = len(process.FILLSTREAM)

log = structlog.get_logger()


def spawned(service: Service, output: IO[bytes]) -> Child:
    """A new process, by its command line."""
    return process.spawn(service.command, output=output, environment=service.environment)


class Launcher:
    """Forks the services that may be forked, and spawns the others, and those if there is nobody to fork them."""

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file
        self._server: ForkServer | None = None

    def prepare(self) -> ForkServer:
        """Have the code of what is to be forked loaded; doesn't wait for it."""
        if self._server is None:
            self._server = ForkServer(self._log_file)
        return self._server

    def __call__(self, service: Service, output: IO[bytes]) -> Child:
        if not service.forked:
            return spawned(service, output)
        job = Job(words=service.command[_SUBCOMMAND:], environment=dict(service.environment), name=service.name)
        try:
            return self.prepare().fork(job, output)
        except Gone:
            log.warning("fork_server_gone", service=service.name, log_file=str(self._log_file))
            self.close()  # the next one that is asked for has another try
            return spawned(service, output)

    def close(self) -> None:
        """What it has forked has to have ended, or dies of it."""
        if self._server is not None:
            self._server.close()
            self._server = None
