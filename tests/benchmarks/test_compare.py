"""Old and new in turn, on a repository made for the test and a benchmark that says what the product tells it to."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.compare import Comparison, Side

ROOT = Path(__file__).parent.parent.parent
STUB = """
import json, product
with open("TURNS", "a") as turns:
    turns.write(product.NAME + " ")
print("so much for the log")
print(json.dumps({"orders/s": product.RATE, "driver": 2.0, **product.MORE}))
"""
OLD_STUB = 'import json; print(json.dumps({"orders/s": 1.0, "driver": 1.0}))'
COMMAND = "stub=python -m benchmarks.stub"


def git(repository, *arguments):
    own = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *own, *arguments], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Two versions of a product: 100 orders/s in the commit ``old``, 150 in the tree, which isn't committed."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    made = tmp_path / "repository"
    (made / "benchmarks").mkdir(parents=True)
    (made / "benchmarks" / "__init__.py").write_text("")
    (made / "benchmarks" / "stub.py").write_text(OLD_STUB)
    (made / "product.py").write_text("NAME, RATE, MORE = 'old', 100, {'only old': 1}")
    git(made, "init", "-q")
    git(made, "add", ".")
    git(made, "commit", "-q", "-m", "old")
    git(made, "tag", "old")
    (made / "product.py").write_text("NAME, RATE, MORE = 'new', 150, {'only new': 1}")
    (made / "benchmarks" / "stub.py").write_text(STUB.replace("TURNS", str(tmp_path / "turns")))
    return made


def worktrees(repository):
    return git(repository, "worktree", "list").splitlines()


def test_the_new_driver_runs_against_both_products_in_turn_and_the_worktree_is_gone_afterwards(repository, capsys):
    assert compare.main(["old", "--repository", str(repository), "--command", COMMAND, "--rounds", "3"]) == 0
    shown = capsys.readouterr().out
    (rate,) = [line.split() for line in shown.splitlines() if "orders/s" in line]
    assert [cell for cell in rate if cell[0].isdigit()] == ["100", "150", "1.500", "1.500", "1.500"]
    assert "differs" in rate
    (driver,) = [line for line in shown.splitlines() if "driver" in line]
    assert "within noise" in driver
    assert "only" not in shown
    assert (repository.parent / "turns").read_text().split() == ["old", "new", "new", "old", "old", "new"]
    assert len(worktrees(repository)) == 1
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


def test_one_round_tells_no_difference_from_noise():
    assert not compare.Comparison(figure="orders/s", old=[100.0], new=[150.0]).beyond_noise
    assert compare.Comparison(figure="orders/s", old=[100.0, 101.0], new=[150.0, 151.0]).beyond_noise


def test_a_commit_that_isn_t_there_is_named(repository, capsys):
    assert compare.main(["nowhere", "--repository", str(repository), "--command", COMMAND]) == 2
    assert "'nowhere' is no commit of this repository" in capsys.readouterr().err
    assert compare.main(["--repository", str(repository), "--command", COMMAND, "--", "--all"]) == 2


def test_a_benchmark_that_needs_more_than_the_old_commit_has_is_left_out_and_the_others_go_on(repository, capsys):
    lacking = f"{sys.executable} -c 'import product; assert product.RATE > 100, \"too old\"; print({{}})'"
    commands = ["--command", f"lacking={lacking}", "--command", COMMAND]
    assert compare.main(["old", "--repository", str(repository), *commands, "--rounds", "1"]) == 1
    shown = capsys.readouterr().out
    assert "lacking: not compared, it fails on old: AssertionError: too old" in shown
    assert "1.500" in shown
    assert len(worktrees(repository)) == 1


@pytest.mark.parametrize("last_line", ["well", "[1]", '{"a": "b"}', ""])
def test_figures_are_a_json_object_of_numbers(repository, last_line):
    side = Side("new", repository, Path(sys.executable))
    with pytest.raises(compare.BenchmarkError, match="its last line is no JSON object of numbers"):
        side.run(
            f"{sys.executable} -c 'print({json.dumps(last_line)})'" if '"' not in last_line else "echo '{\"a\": []}'"
        )


def test_a_side_whose_lock_differs_gets_a_python_of_its_own_or_it_ends_there(repository):
    (repository / "requirements-dev.lock").write_text("")
    with compare.checked_out(repository, "old") as root:
        assert compare.equip(repository, root) == Path(sys.executable)
        (root / "requirements-dev.lock").write_text("# other things")
        python = compare.equip(repository, root)
        assert python == root / ".venv" / "bin" / "python"
        assert python.exists()
        (root / "requirements-dev.lock").write_text("./nothing-here --hash=sha256:00")
        with pytest.raises(compare.CompareError, match="can't be installed"):
            compare.equip(repository, root)
    assert not root.exists()


def test_the_old_side_finds_the_jars_of_the_tree(repository):
    (repository / "var" / "kafka").mkdir(parents=True)
    (repository / "var" / "kafka" / "jar").write_text("")
    with compare.checked_out(repository, "old") as root:
        compare.equip(repository, root)
        assert (root / "var" / "kafka" / "jar").exists()
    assert (repository / "var" / "kafka" / "jar").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_takes_the_worktree_along(repository, number):
    slow = f"slow={sys.executable} -c 'import time; time.sleep(60)'"
    running = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.compare", "old", "--repository", str(repository), "--command", slow],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": tempfile.gettempdir()},
        stdout=subprocess.PIPE,
    )
    give_up = time.monotonic() + 60
    while len(worktrees(repository)) == 1:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(20) == 128 + number
    assert running.stdout is not None
    running.stdout.close()
    assert len(worktrees(repository)) == 1
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


def test_ratios_are_of_rounds_side_by_side_and_a_difference_is_one_that_no_round_contradicts():
    clear = Comparison("µs", (10.0, 20.0), (5.0, 9.0))
    assert clear.ratios == [0.45, 0.5]
    assert clear.beyond_noise
    assert not Comparison("µs", (10.0, 20.0), (5.0, 10.0)).beyond_noise
    assert Comparison("µs", (10.0, 20.0), (21.0, 30.0)).beyond_noise
    assert Comparison("µs", (0.0,), (1.0,)).ratios == []
