"""Is it faster than before? The working tree and an older commit take turns on the same benchmarks.

    python -m benchmarks.compare BASE [--rounds 4] [--only decide …] [--command NAME='python -m …']

BASE is checked out into a temporary worktree, which is removed afterwards. The driver is the same on both sides: the
worktree gets the *new* ``benchmarks/`` in place of its own, so that nothing but the product differs; a benchmark that
needs more than BASE has is named and left out. Sides take turns (old new, new old, …), so that neither gets the
quieter half of the hour. What is printed are ratios, new to old, of the rounds that ran side by side.

A command is any that prints a JSON object of figures, name to number, as its last line; it runs at the root of its
side, with that side's Python.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.one_round import BENCHMARKS
from benchmarks.results import ROOT

ROUNDS: Final = 4
_DRIVER: Final = "benchmarks"
_LOCK: Final = "requirements-dev.lock"
_ROUND_S_MAX: Final = 900
_WIDTH: Final = 140

Figures = dict[str, float]


class CompareError(Exception):
    """Nothing can be compared; the message says why and what to do."""


class BenchmarkError(Exception):
    """A benchmark's command failed on one side; the message is the end of what it wrote."""


class Side(msgspec.Struct, frozen=True):
    """A tree with its Python."""

    name: str
    root: Path
    python: Path

    def run(self, command: str) -> Figures:
        """The figures of one round. Raises BenchmarkError."""
        environment = os.environ | {
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(self.root),
        }
        done = subprocess.run(  # noqa: S603  # whoever starts a benchmark says what it runs
            shlex.split(command),
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_ROUND_S_MAX,
            check=False,
        )
        try:
            if done.returncode == 0:
                return msgspec.json.decode(done.stdout.strip().rpartition("\n")[2], type=Figures)
        except msgspec.DecodeError as error:
            raise BenchmarkError(f"its last line is no JSON object of numbers ({error})") from error
        written = (done.stderr or done.stdout).strip().splitlines()
        raise BenchmarkError(written[-1] if written else f"exit code {done.returncode}, and not a word")


class Comparison(msgspec.Struct, frozen=True):
    """One figure on both sides, round by round."""

    figure: str
    old: tuple[float, ...]
    new: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """New to old, of each round, in order of size."""
        return sorted(new / old for old, new in zip(self.old, self.new, strict=True) if old)

    @property
    def beyond_noise(self) -> bool:
        """Whether no round of one side lies among those of the other. By chance, so do four and four 1 time in 35."""
        return len(self.old) > 1 and (max(self.old) < min(self.new) or max(self.new) < min(self.old))


def take_turns(old: Side, new: Side, command: str, rounds: int) -> list[Comparison]:
    """Runs *command* on both, A B B A …; figures that both have. Raises BenchmarkError."""
    found: dict[str, list[Figures]] = {old.name: [], new.name: []}
    for number in range(rounds):
        for side in (old, new) if number % 2 == 0 else (new, old):
            try:
                found[side.name].append(side.run(command))
            except BenchmarkError as error:
                raise BenchmarkError(f"fails on {side.name}: {error}") from error
    before, after = found[old.name], found[new.name]
    return [
        Comparison(figure, tuple(one[figure] for one in before), tuple(one[figure] for one in after))
        for figure in after[0]
        if all(figure in one for one in (*before, *after))
    ]


# ── the older side ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def checked_out(repository: Path, base: str) -> Iterator[Path]:
    """*base* in a worktree of its own, which is gone afterwards. Raises CompareError if there is no such commit."""
    commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if not commit:
        raise CompareError(f"{base!r} is no commit of this repository: name one that git log shows, or a tag or branch")
    folder = Path(tempfile.mkdtemp(prefix="bench-compare-"))
    root = folder / "base"
    try:
        if _git(repository, "worktree", "add", "--detach", str(root), commit) is None:
            raise CompareError(f"git can't check {base!r} out: git worktree add {root} {commit} says why")
        yield root
    finally:
        _git(repository, "worktree", "remove", "--force", "--force", str(root))  # twice: also one that git still locks
        shutil.rmtree(folder, ignore_errors=True)
        _git(repository, "worktree", "prune")


def _git(repository: Path, *arguments: str) -> str | None:
    """What git says, or None if it refuses."""
    done = subprocess.run(  # noqa: S603
        ["git", "-C", str(repository), *arguments],  # noqa: S607  # whichever git the user has
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def equip(repository: Path, root: Path) -> Path:
    """Give the tree at *root* the driver of *repository*, its broker's jars, and a Python; which one, is the answer.

    The Python of this process serves both as long as their locks are equal. Raises CompareError.
    """
    shutil.rmtree(root / _DRIVER, ignore_errors=True)
    shutil.copytree(repository / _DRIVER, root / _DRIVER, ignore=shutil.ignore_patterns("__pycache__"))
    jars = repository / "var" / "kafka"
    if jars.exists() and not (root / "var" / "kafka").exists():
        (root / "var").mkdir(exist_ok=True)
        (root / "var" / "kafka").symlink_to(jars)
    if _lock(root) == _lock(repository):
        return Path(sys.executable)
    python = root / ".venv" / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(root / ".venv")],
        [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(root / _LOCK)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            end = (done.stderr or done.stdout).strip()[-500:]
            raise CompareError(f"what BASE depends on can't be installed; is there a network?\n{end}")
    return python


def _lock(root: Path) -> bytes:
    file = root / _LOCK
    return file.read_bytes() if file.exists() else b""


def compile_codec(side: Side) -> None:
    """As ``make setup`` does. Where nothing can be compiled, that side runs in plain Python."""
    if (side.root / "schemas" / "build.py").exists():
        with contextlib.suppress(BenchmarkError):
            side.run("python -m schemas.build")


# ── from end to end ─────────────────────────────────────────────────────────────────────────────────────────────────


def compare(repository: Path, base: str, commands: Mapping[str, str], rounds: int, console: Console) -> int:
    """Runs everything and prints it; how many of *commands* came to nothing. Raises CompareError."""
    failed = 0
    with checked_out(repository, base) as root:
        old, new = Side(base, root, equip(repository, root)), Side("the tree", repository, Path(sys.executable))
        for side in (old, new):
            compile_codec(side)
        for name, command in commands.items():
            try:
                compared = take_turns(old, new, command, rounds)
            except (BenchmarkError, subprocess.TimeoutExpired) as error:
                console.print(f"{name}: not compared, it {error}", markup=False, soft_wrap=True)
                failed += 1
            else:
                console.print(table(f"{name}: {base} and the tree, {rounds} rounds each", compared))
    return failed


def table(title: str, compared: Sequence[Comparison]) -> Table:
    shown = Table("figure", title=title, title_justify="left")
    for heading in ("old", "new", "least", "ratio", "greatest"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    for one in compared:
        ratios = one.ratios
        if not ratios:
            continue
        values = (median(one.old), median(one.new))
        verdict = "differs" if one.beyond_noise else "within noise"
        cells = [*(f"{value:,.4g}" for value in values)]
        cells += [f"{ratio:.3f}" for ratio in (ratios[0], median(ratios), ratios[-1])]
        shown.add_row(one.figure, *cells, verdict)
    return shown


def _commands(only: Sequence[str] | None, own: Sequence[str]) -> dict[str, str]:
    """What to run, by name: *own* if there are any, else our benchmarks, or *only* those."""
    if own:
        return {name: command for name, _, command in (one.partition("=") for one in own)}
    return {name: f"python -m benchmarks.one_round {name}" for name in only or BENCHMARKS}


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if a benchmark couldn't be compared, or 2 if nothing could."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("base", help="the commit to compare with")
    options.add_argument("--rounds", type=int, default=ROUNDS, choices=range(1, 101), metavar="1-100")
    options.add_argument("--only", nargs="+", choices=tuple(BENCHMARKS), help="not all benchmarks")
    options.add_argument("--command", action="append", default=[], metavar="NAME=COMMAND", help="run this instead")
    options.add_argument("--repository", type=Path, default=ROOT, help=argparse.SUPPRESS)
    chosen = options.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the worktree goes, too
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born ignoring it
    try:
        commands = _commands(chosen.only, chosen.command)
        return 1 if compare(chosen.repository.resolve(), chosen.base, commands, chosen.rounds, console) else 0
    except CompareError as error:
        print(error, file=sys.stderr)  # noqa: T201  # it is for the person who typed it
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
