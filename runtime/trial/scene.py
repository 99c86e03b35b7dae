"""Where a trial takes place: a folder that is its own meanwhile, a terminal, and somebody who may end it."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog
from rich.console import Console

from runtime import process, telemetry
from runtime.exits import Exit
from runtime.process import StopRequest
from runtime.settings import Settings
from runtime.supervisor import Cancelled, Supervisor
from runtime.trial.oracle.evidence import Check
from runtime.trial.progress import Counts, More, Progress, starting
from runtime.trial.run import Run, Stopped

#: What a shell expects of a program that Ctrl-C has ended.
INTERRUPTED: Final = 130

log = structlog.get_logger()


class Scene:
    """What a trial has while it is played. *seconds* are what its parts took, by name."""

    def __init__(self, folder: Path, console: Console, stop: StopRequest) -> None:
        self.folder = folder
        self.console = console
        self.seconds: dict[str, float] = {}
        self._stop = stop

    def start(self, running: Supervisor) -> None:
        """Starts everything. Raises Cancelled if somebody asks for the end meanwhile."""
        with self.timed("start"), Progress(self.console, lambda: starting(running.states())) as progress:
            running.start(cancelled=lambda: self._cancelled(progress))

    @contextlib.contextmanager
    def following(self, run: Run, more: Callable[[], More] = dict) -> Iterator[None]:
        """Shows how far *run* is, which raises Stopped from now on when somebody asks for the end."""
        with self.showing(run.counts, more) as run.look:
            yield

    @contextlib.contextmanager
    def showing(self, now: Callable[[], Counts | str], more: Callable[[], More] = dict) -> Iterator[Callable[[], None]]:
        """Gives what shows how things stand *now*, and raises Stopped when somebody asks for the end."""
        with Progress(self.console, now, more) as progress:
            yield lambda: self._look(progress)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began_s = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began_s
        log.info("part_done", part=name, seconds=round(self.seconds[name], 1))

    def stay(self, running: Supervisor) -> None:
        """Leaves everything running until somebody asks for the end."""
        file = running.endpoints_file
        self.console.print(f"everything goes on until Ctrl-C: {file}")
        self.console.print(f"report and doctor look there: FILLSTREAM_VAR={file.parent} fillstream report")
        while not self._stop.wait(3_600):
            pass

    def _cancelled(self, progress: Progress) -> bool:
        progress.look()
        return self._stop.requested

    def _look(self, progress: Progress) -> None:
        if self._cancelled(progress):
            raise Stopped


def played(settings: Settings, name: str, made: Sequence[str], play: Callable[[Scene], Sequence[Check]]) -> int:
    """Has *play* do the trial *name* in ``var/<name>``; 0 if every check holds, 1 if one doesn't.

    What an earlier one *made* there is removed before, so that nothing of it can be taken for this one's. Raises
    Unavailable if something needed is missing, or if another one runs in the same place.
    """
    console = Console()
    folder = settings.var.absolute() / name
    with contextlib.ExitStack() as cleanup:
        taken = f"another {name} runs in {folder}: stop it first, or set FILLSTREAM_VAR"
        cleanup.enter_context(process.locked(folder / "lock", taken))
        shutil.rmtree(folder / "state", ignore_errors=True)
        for file in made:
            (folder / file).unlink(missing_ok=True)
        output = cleanup.enter_context((folder / f"{name}.log").open("w"))
        telemetry.configure_logging(settings, name, output)
        cleanup.callback(telemetry.configure_logging, settings, name)  # what is said later is said aloud
        stop = cleanup.enter_context(StopRequest())
        try:
            checks = play(Scene(folder, console, stop))
        except (Stopped, Cancelled):
            console.print("stopped")
            return INTERRUPTED
    return Exit.OK if all(check.holds for check in checks) else Exit.CHECK_FAILED
