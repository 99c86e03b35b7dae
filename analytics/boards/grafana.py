"""Grafana's dashboards from the table of panels: ``python -m analytics.boards.grafana docker/grafana/dashboards``.

Whoever edits a board in Grafana changes nothing for good: boards.py and the SQL files beside it are what is kept, and a
test compares the committed files with what comes of them.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from analytics.boards.boards import BOARDS
from analytics.boards.panels import UNITS_BY_SUFFIX, Board, Kind, LivePanel, Panel, StoredPanel, Unit

#: As docker/grafana/provisioning names them.
PROMETHEUS: Final = {"type": "prometheus", "uid": "prometheus"}
CLICKHOUSE: Final = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}

#: Grafana's names of units.
_UNITS: Final[Mapping[Unit, str]] = {
    Unit.COUNT: "short",
    Unit.MILLISECONDS: "ms",
    Unit.SECONDS: "s",
    Unit.PERCENT: "percent",
    Unit.BASIS_POINTS: "suffix: bp",
    Unit.PER_SECOND: "ops",
    Unit.BYTES: "bytes",
    Unit.AMOUNT: "locale",
}
_TYPES: Final[Mapping[Kind, str]] = {
    Kind.LINES: "timeseries",
    Kind.COLUMNS: "timeseries",
    Kind.BARS: "bargauge",
    Kind.FIGURES: "stat",
    Kind.TABLE: "table",
}
#: A board is 24 units wide.
_BOARD_WIDTH: Final = 24
_WIDTHS: Final[Mapping[Kind, int]] = {
    Kind.LINES: 12,
    Kind.COLUMNS: 12,
    Kind.BARS: 12,
    Kind.FIGURES: 24,
    Kind.TABLE: 24,
}
_HEIGHTS: Final[Mapping[Kind, int]] = {
    Kind.LINES: 8,
    Kind.COLUMNS: 8,
    Kind.BARS: 8,
    Kind.FIGURES: 4,
    Kind.TABLE: 8,
}
_TABLE_FORMAT: Final = 1
_SERIES_FORMAT: Final = 0

Json = dict[str, Any]


def dashboard(board: Board) -> Json:
    """The dashboard in the form in which Grafana is provisioned with it."""
    return {
        "uid": f"fillstream-{board.name}",
        "title": f"fillstream · {board.title}",
        "description": board.about,
        "tags": ["fillstream"],
        "timezone": "utc",
        "editable": False,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "30s",
        "schemaVersion": 41,
        "version": 1,
        "time": {"from": "now-6h", "to": "now"},
        "annotations": {"list": []},
        "templating": {"list": []},
        "links": [{"type": "dashboards", "title": "fillstream", "tags": ["fillstream"], "keepTime": True}],
        "panels": list(_placed([panel for panel in board.panels if not _report_only(panel)])),
    }


def _report_only(panel: Panel) -> bool:
    return isinstance(panel, StoredPanel) and panel.report_only


def _placed(panels: Sequence[Panel]) -> Iterator[Json]:
    """Side by side where there is room, otherwise below."""
    left = top = row_height = 0
    for number, panel in enumerate(panels, 1):
        width, height = _WIDTHS[panel.kind], _HEIGHTS[panel.kind]
        if left + width > _BOARD_WIDTH:
            left, top, row_height = 0, top + row_height, 0
        yield {"id": number, **_panel(panel), "gridPos": {"x": left, "y": top, "w": width, "h": height}}
        left, row_height = left + width, max(row_height, height)


def _panel(panel: Panel) -> Json:
    source, targets = _asked(panel)
    return {
        "type": _TYPES[panel.kind],
        "title": panel.title,
        "description": panel.question,
        "datasource": source,
        "interval": "10s",  # no closer, however narrow the time
        **_time(panel),
        "targets": targets,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel.kind),
    }


def _time(panel: Panel) -> Json:
    """Grafana's "relative time", which takes the place of the board's as long as that is relative to now, too."""
    return {"timeFrom": f"{panel.last_hours}h"} if isinstance(panel, StoredPanel) and panel.last_hours else {}


def _asked(panel: Panel) -> tuple[Json, list[Json]]:
    match panel:
        case StoredPanel():
            over_time = panel.kind in {Kind.LINES, Kind.COLUMNS}
            target = {
                "refId": "A",
                "datasource": CLICKHOUSE,
                "editorType": "sql",
                "queryType": "timeseries" if over_time else "table",
                "format": _SERIES_FORMAT if over_time else _TABLE_FORMAT,
                "rawSql": panel.text.removesuffix(";"),
            }
            return CLICKHOUSE, [target]
        case LivePanel():
            targets = [
                {"refId": chr(ord("A") + place), "datasource": PROMETHEUS, "expr": expression, "legendFormat": legend}
                for place, (legend, expression) in enumerate(panel.expressions.items())
            ]
            return PROMETHEUS, targets


def _defaults(panel: Panel) -> Json:
    defaults: Json = {"unit": _UNITS[panel.unit]}
    if panel.kind is Kind.LINES:
        defaults["custom"] = {"lineWidth": 2, "fillOpacity": 6, "showPoints": "never", "spanNulls": False}
    elif panel.kind is Kind.COLUMNS:
        stacked = {"mode": "normal", "group": "A"}
        defaults["custom"] = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "stacking": stacked}
    else:
        defaults["color"] = {"mode": "fixed", "fixedColor": "text" if panel.kind is Kind.FIGURES else "blue"}
    return defaults


def _overrides(panel: Panel) -> list[Json]:
    """Units by the ends of columns' names, and bounds above which a figure turns red."""
    if panel.kind not in {Kind.FIGURES, Kind.TABLE} or not isinstance(panel, StoredPanel):
        return []
    units = [_override("byRegexp", f".*{suffix}$", {"unit": _UNITS[unit]}) for suffix, unit in UNITS_BY_SUFFIX.items()]
    bounds = [
        _override(
            "byName",
            column,
            {
                "color": {"mode": "thresholds"},
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"color": "green", "value": None}, {"color": "red", "value": _above(most)}],
                },
            },
        )
        for column, most in panel.harmless_to.items()
    ]
    return [*units, *bounds]


def _above(most: float) -> float:
    """The least that is more than *most*: Grafana's steps begin with their value, and what begins at 0 is counted."""
    return 1 if most == 0 else most


def _override(matcher: str, what: str, properties: Json) -> Json:
    listed = [{"id": name, "value": value} for name, value in properties.items()]
    return {"matcher": {"id": matcher, "options": what}, "properties": listed}


def _options(kind: Kind) -> Json:
    every_value = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match kind:
        case Kind.LINES | Kind.COLUMNS:
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        case Kind.BARS:
            return {
                "orientation": "horizontal",
                "displayMode": "basic",
                "reduceOptions": every_value | {"values": True},
            }
        case Kind.FIGURES:
            return {
                "colorMode": "value",
                "graphMode": "none",
                "textMode": "value_and_name",
                "reduceOptions": every_value,
            }
        case Kind.TABLE:
            return {"cellHeight": "sm", "showHeader": True}


def files() -> dict[str, str]:
    """The dashboards' files, by name."""
    return {
        f"{board.name}.json": msgspec.json.format(msgspec.json.encode(dashboard(board)), indent=2).decode() + "\n"
        for board in BOARDS
    }


def main(arguments: Sequence[str]) -> None:
    """Write the files into the folder that is the one argument."""
    (folder,) = arguments
    for name, text in files().items():
        (Path(folder) / name).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
