"""What no linter checks: sizes, first sentences, reasons, names that must agree, and nothing of one machine."""

import ast
import functools
import importlib
import json
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 50
MODULE_LINES_MAX = 500

#: Registries that lock files or configuration might name; written so that this file doesn't.
HOSTS = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "repo.maven." + "apache.org",
    "repo1." + "maven.org",
    "registry." + "npmjs",
)
MACHINE_PATH = re.compile(r"(?:^|[^A-Za-z0-9_.$~/-])/(?:work|root|home|farm|Users|tmp)/[A-Za-z0-9_.]")
#: What this file looks for in others, and not a reminder itself: work put off has to say for whom and why.
REMINDER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
REMINDER_WITH_REASON = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\([^)]+\): \S.{10,}")


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Every file under version control that is still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


@functools.cache
def texts() -> dict[Path, str]:
    found = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            found[path.relative_to(ROOT)] = content.decode()
    return found


@functools.cache
def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(text) for path, text in texts().items() if path.suffix == ".py"}


def packages() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_a_function_fits_on_a_screen():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{path}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_no_admin_client_is_asked_for_the_offsets_of_a_group():
    """The answer can kill the process: see runtime.kafka.committed."""
    asking = "list_consumer_group" + "_offsets"
    assert [str(path) for path, text in texts().items() if asking in text] == []


def test_a_module_has_one_subject_and_so_many_lines_at_most():
    assert [str(path) for path in modules() if len(texts()[path].splitlines()) > MODULE_LINES_MAX] == []


def test_a_module_says_its_subject_in_its_first_sentence():
    """But for tests, which their names and the module they mirror explain."""
    ours = {path: tree for path, tree in modules().items() if path.parts[0] != "tests"}
    silent = [str(path) for path, tree in ours.items() if tree.body and not (ast.get_docstring(tree) or "").strip()]
    assert silent == []


def test_a_reminder_says_who_asks_and_why():
    bare = [
        f"{path}:{number} {line.strip()}"
        for path, text in texts().items()
        if path != Path("tests/test_tidy.py") and not path.name.endswith(".lock") and path.name != "LICENSE"
        for number, line in enumerate(text.splitlines(), 1)
        if REMINDER.search(line) and not REMINDER_WITH_REASON.search(line)
    ]
    assert bare == []


def test_every_schema_has_an_id_on_the_wire_and_every_id_a_schema():
    ids = json.loads((ROOT / "schemas" / "ids.json").read_text())
    assert {path.stem for path in (ROOT / "schemas").glob("*.avsc")} == set(ids)
    assert len(set(ids.values())) == len(ids)


def test_every_topics_value_has_a_schema():
    from schemas import topics

    for topic in topics.every(("simulated",)):
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", topic.value.__name__).lower()
        assert (ROOT / "schemas" / f"{snake}.avsc").exists(), snake


@pytest.mark.parametrize("name", packages())
def test_a_package_is_ours_and_nobody_elses(name):
    """The names are plain words: a distribution that installs one of them would be imported instead, or mixed in."""
    claimed = set(metadata.packages_distributions().get(name, [])) - {"fillstream"}
    assert claimed == set()
    found = importlib.import_module(name)
    assert [Path(folder).resolve() for folder in found.__path__] == [ROOT / name]


def test_the_packages_that_are_built_are_the_packages_that_exist():
    there = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert set(packages()) == there


def test_nothing_names_a_machines_folders_or_a_registrys_host():
    findings = [
        f"{path}:{number} {line.strip()[:100]}"
        for path, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if any(host in line for host in HOSTS) or MACHINE_PATH.search(line)
    ]
    assert findings == []


def test_what_a_run_leaves_behind_is_not_tracked():
    suffixes = {".pyc", ".so", ".log", ".jar", ".class"}
    assert [
        str(path) for path in tracked() if path.suffix in suffixes or "var" == path.relative_to(ROOT).parts[0]
    ] == []


def test_dependencies_are_declared_once_and_locked():
    """requirements.in, pyproject.toml and the locks can't drift apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {line.strip() for line in (ROOT / "requirements.in").read_text().splitlines() if line.strip()}
    assert wanted == set(project["dependencies"])
    for lock in ("requirements.lock", "requirements-dev.lock"):
        pinned = {
            name.lower()
            for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", (ROOT / lock).read_text(), re.MULTILINE)
        }
        for requirement in wanted:
            assert re.split(r"[\[=<>~!]", requirement)[0].lower() in pinned, (lock, requirement)
