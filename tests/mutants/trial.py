"""One mutant's trial: a copy of the tree without the guard, its test run there, and what came of it."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from enum import StrEnum
from pathlib import Path

import msgspec

from runtime import process
from tests.mutants.table import ROOT, Mutant

_TIMEOUT_S = 120
#: Not copied: what no test reads, and what is linked instead.
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "build", ".*_cache", "*.egg-info")
#: Shared with the tree: the compiled codec, and the broker's jars. Tests only read them.
_LINKED = ("build", "var/kafka")
#: Python imports first from where it runs, and so do the processes that tests start.
_IN_FOLDER = "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"


class Verdict(StrEnum):
    CAUGHT = "caught"
    SURVIVED = "survived"
    BROKEN = "broken"  # the test could not be run: that proves nothing


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """*detail* is the line of the test that failed, or the end of what pytest said."""

    mutant: Mutant
    verdict: Verdict
    detail: str
    seconds: float


async def judge(mutant: Mutant) -> Outcome:
    """Has the mutant's test run without the guard. Raises ValueError if the guard isn't where the table says."""
    source = mutant.applied((ROOT / mutant.file).read_text())
    began = time.monotonic()
    async with _copy() as folder:
        (folder / mutant.file).write_text(source)
        code, output = await _pytest(folder, [f"{mutant.suite}::{mutant.test}"])
    seconds = time.monotonic() - began
    failed = re.search(r"^FAILED (\S+)", output, re.MULTILINE)
    verdict = Verdict.SURVIVED if code == 0 else Verdict.CAUGHT if code == 1 and failed else Verdict.BROKEN
    detail = failed[1].rpartition("::")[2] if failed else output[-2_000:]
    return Outcome(mutant=mutant, verdict=verdict, detail=detail, seconds=seconds)


async def rehearse(mutants: Iterable[Mutant]) -> str | None:
    """Has the tests of *mutants* run with every guard in its place: what pytest said, or None if all passed."""
    tests = sorted({f"{mutant.suite}::{mutant.test}" for mutant in mutants})
    async with _copy() as folder:
        code, output = await _pytest(folder, tests)
    return None if code == 0 else output[-4_000:]


@contextlib.asynccontextmanager
async def _copy() -> AsyncIterator[Path]:
    """A copy of the tree as it lies here, with what isn't committed, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="fillstream-mutant-") as place:
        folder = Path(place) / "tree"
        await asyncio.to_thread(shutil.copytree, ROOT, folder, ignore=_LEFT_OUT)
        for name in _LINKED:
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).symlink_to(ROOT / name)
        yield folder


async def _pytest(folder: Path, tests: Iterable[str]) -> tuple[int | None, str]:
    """The exit code of pytest on *tests* in *folder*, or None if it took too long, and all that it said."""
    command = [sys.executable, "-c", _IN_FOLDER, str(folder)]
    command += ["-m", "pytest", "-x", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", *tests]
    log = folder.parent / "pytest.log"
    with log.open("wb") as output:
        running = process.spawn(command, output=output, environment=os.environ | {"PYTHONPATH": str(folder)})
    try:
        code: int | None = await asyncio.wait_for(asyncio.to_thread(running.wait), _TIMEOUT_S)
    except TimeoutError:
        code = None
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    return code, log.read_text(errors="replace")
