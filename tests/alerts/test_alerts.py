"""Each alert fires when it must, says what is wrong, ends when it is over, and has a page that says what to do."""

import re

import pytest

from tests.alerts import promtool
from tests.alerts.cases import BAD_FROM, CASES, END, samples
from tests.alerts.prometheus import FOLDER, ROOT, RULES, alerts, shortened
from tests.alerts.promtool import at, fires, series

ALERTS = list(alerts())
NAMES = sorted({rule["alert"] for rule in ALERTS})
RUNBOOKS = ROOT / "docs" / "runbooks"


def rule_of(alert):
    (rule,) = (rule for rule in ALERTS if rule["alert"] == alert)
    return rule


def test_the_rules_and_the_configuration_are_valid():
    promtool.run("check", "rules", "--lint-fatal", *map(str, RULES))
    promtool.run("check", "config", str(FOLDER / "prometheus.yml"))


@pytest.mark.parametrize("file", CASES)
def test_an_alert_fires_while_something_is_wrong_and_neither_before_nor_after(file, tmp_path):
    groups = []
    for case in CASES[file]:
        rule = rule_of(case.alert)
        checks = [
            at(BAD_FROM - 1, case.alert),
            at(case.at, case.alert, fires(rule, case.labels, case.summary)),
            at(END - 1, case.alert),
        ]
        if "for" in rule:
            checks.insert(1, at(BAD_FROM, case.alert))
        values = {name: samples(phases) for name, phases in case.series.items()}
        groups.append({"input_series": series(values), "alert_rule_test": checks})

    promtool.play(tmp_path, [file], groups, "1m")


def test_an_audit_pages_nobody_while_the_sink_is_behind_and_its_tables_are_not_of_one_moment(tmp_path):
    values = {
        'fillstream_audit_breaks{check="fills_against_ledger"}': "2x60",
        'fillstream_lag_seconds{group="fillstream-sink",partition="0"}': "60x20 0x40",
    }
    labels, summary = {"check": "fills_against_ledger"}, "The audit fills_against_ledger finds 2 rows that must not be."
    checks = [
        at(30, "AuditBreak"),
        at(50, "AuditBreak", fires(rule_of("AuditBreak"), labels, summary)),
    ]

    group = {"input_series": series(values), "alert_rule_test": checks}
    promtool.play(tmp_path, ["money.yml"], [group], "1m")


def test_every_alert_has_a_case():
    tried = {case.alert for cases in CASES.values() for case in cases}
    budgets = {name for name in NAMES if name.endswith("BudgetBurns")}  # theirs are in test_objectives.py

    assert tried | budgets == set(NAMES)
    assert {(rule_of(case.alert)["file"], case.alert) for case in sum(CASES.values(), ())} == {
        (file, case.alert) for file, cases in CASES.items() for case in cases
    }


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(NAMES)


@pytest.mark.parametrize("alert", NAMES)
def test_a_runbook_is_the_alerts_own_and_says_what_to_do(alert):
    text = (RUNBOOKS / f"{alert}.md").read_text()

    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) == ["Means", "Hurts", "See", "Do", "Ends"]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_do_first(rule):
    said = rule["annotations"]

    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert said["summary"].endswith(".")
    assert said["description"].endswith(".")
    assert "{{" not in said["description"], "it is the same whatever the values are"
    assert said["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15s", "250ms"),
        ("rate(x[5m]) > 30", "rate(x[5000ms]) > 30"),
        ("x unless x offset 15m\n or y", "x unless x offset 15000ms\n or y"),
        ("slo:burn_rate:1h > 14.4", "slo:burn_rate:1h > 14.4"),
        ("increase(x[1d])", "increase(x[1440000ms])"),
    ],
)
def test_a_shortened_rule_has_shorter_times_and_the_same_names_and_thresholds(text, expected):
    assert shortened(text, 60) == expected
