"""Grafana's boards: what the table of panels makes, about metrics that exist, in places of their own."""

import json
import re
from itertools import combinations

import pytest
import yaml

from analytics.boards import grafana
from analytics.boards.boards import BOARDS
from analytics.boards.panels import LivePanel
from tests.alerts import promtool
from tests.alerts.prometheus import RULES
from tests.alerts.test_metrics import ADDED, SELECTOR, exported
from tests.docker.images import DOCKER, SERVICES

FOLDER = DOCKER / "grafana"
MADE = {name: json.loads(text) for name, text in grafana.files().items()}
LIVE = [(board.name, panel) for board in BOARDS for panel in board.panels if isinstance(panel, LivePanel)]
EXPRESSIONS = [(board, expression) for board, panel in LIVE for expression in panel.expressions.values()]
GROUPED = re.compile(r"\bby \(([^)]*)\)")
NAMED = re.compile(r"\{\{(\w+)\}\}")


def test_the_committed_boards_are_what_the_table_of_panels_makes():
    """Made by `python -m analytics.boards.grafana docker/grafana/dashboards`."""
    assert {path.name: path.read_text() for path in (FOLDER / "dashboards").iterdir()} == grafana.files()


def test_the_four_boards_are_there():
    assert {board.name for board in BOARDS} == {"pipeline", "venues", "execution", "money"}


def recorded():
    """What the alerting rules record."""
    rules = [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    return {rule["record"] for rule in rules if "record" in rule}


def test_every_metric_is_exported_with_the_labels_that_are_asked_for():
    known, rules = exported(), recorded()
    for board, expression in EXPRESSIONS:
        names = SELECTOR.findall(expression)
        asked = {name for name, _ in names} or set(re.findall(r"slo:[\w:]+", expression))
        assert asked, (board, expression)
        for name in asked:
            assert name in known or name in rules, (board, name)
        matched = {label for _, matchers in names for label in re.findall(r"(\w+)\s*[=!]", matchers)}
        grouped = {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")}
        for name in asked & set(known):
            assert [label for label in matched | grouped if label not in known[name] and label not in ADDED] == []


def test_legends_name_labels_that_are_left():
    for board, panel in LIVE:
        for legend, expression in panel.expressions.items():
            left = {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")}
            assert set(NAMED.findall(legend)) <= (left or ADDED), (board, panel.title)


def test_prometheus_understands_every_expression(tmp_path):
    rules = [
        {"record": "board:expression", "expr": expression.replace("$__rate_interval", "5m")}
        for _, expression in EXPRESSIONS
    ]
    path = tmp_path / "boards.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))
    promtool.run("check", "rules", "--lint=none", str(path))


@pytest.mark.parametrize("name", sorted(MADE))
def test_panels_don_t_overlap_and_stay_on_the_board(name):
    places = [panel["gridPos"] for panel in MADE[name]["panels"]]
    assert all(0 <= place["x"] and place["x"] + place["w"] <= 24 for place in places)
    assert [
        (one, other)
        for one, other in combinations(places, 2)
        if one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    ] == []
    assert len({panel["id"] for panel in MADE[name]["panels"]}) == len(places)


def test_every_panel_says_its_question():
    for board in BOARDS:
        for panel in board.panels:
            assert "?" in panel.question, panel.title


def test_boards_ask_the_sources_that_are_provisioned():
    sources = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "datasources.yaml").read_text())["datasources"]
    provisioned = {(source["type"], source["uid"]) for source in sources}
    asked = {
        (target["datasource"]["type"], target["datasource"]["uid"])
        for board in MADE.values()
        for panel in board["panels"]
        for target in panel["targets"]
    }
    assert asked == provisioned
    environment = SERVICES["grafana"]["environment"]
    for source in sources:
        for secret in source.get("secureJsonData", {}).values():
            assert secret.removeprefix("$") in environment
    assert {source["type"] for source in sources} - {"prometheus"} == {environment["GF_PLUGINS_PREINSTALL"]}


def test_what_reads_every_order_is_asked_for_a_day_and_what_reads_all_there_was_not_at_all():
    shown = {panel["title"]: panel for board in MADE.values() for panel in board["panels"]}
    stored = [panel for board in BOARDS for panel in board.stored]
    assert {shown[panel.title].get("timeFrom") for panel in stored if panel.last_hours} == {"24h"}
    assert not {panel.title for panel in stored if panel.report_only} & shown.keys()
    views = ("fill_times(", "markouts(", "order_stages(", "realised_pnl(", "slippage(", "venue_balance_moves(")
    for panel in stored:
        reads_rows = any(f"FROM {view}" in panel.statement for view in views)
        assert reads_rows == bool(panel.last_hours or panel.report_only), panel.title


def test_boards_are_where_the_provider_looks():
    (provider,) = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "dashboards.yaml").read_text())["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
