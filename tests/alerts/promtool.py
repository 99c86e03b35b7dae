"""Checks and unit tests of rules by promtool, from tables."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.alerts.prometheus import FOLDER, binary


def run(*arguments: str) -> str:
    """What promtool says; fails with it unless all is well."""
    done = subprocess.run(
        [binary("promtool"), *arguments], capture_output=True, text=True, timeout=120, check=False, cwd=FOLDER
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def play(folder: Path, rules: Sequence[str], groups: list[dict[str, Any]], interval: str) -> None:
    """Let promtool test the files *rules*, evaluated in this order, with these *groups* of series and expectations."""
    content = {
        "rule_files": [str(FOLDER / "rules" / name) for name in rules],
        "evaluation_interval": interval,
        "group_eval_order": [group for name in rules for group in groups_of(name)],
        "tests": [{"interval": interval, **group} for group in groups],
    }
    path = folder / "alerts.test.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=1_000))
    run("test", "rules", str(path))


def groups_of(name: str) -> list[str]:
    return [group["name"] for group in yaml.safe_load((FOLDER / "rules" / name).read_text())["groups"]]


def series(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": each} for name, each in values.items()]


def at(minute: int, alert: str, *firing: Mapping[str, Any]) -> dict[str, Any]:
    """That at this *minute*, of all of the name *alert*, exactly those fire."""
    return {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": list(firing)}


def fires(rule: Mapping[str, Any], labels: Mapping[str, str], summary: str) -> dict[str, Any]:
    """*rule*, firing for *labels*, and saying *summary*."""
    return {
        "exp_labels": {**labels, **rule["labels"]},
        "exp_annotations": {**rule["annotations"], "summary": summary},
    }
