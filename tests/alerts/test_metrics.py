"""The rules and the runbooks name metrics that processes export, with labels that these have."""

import importlib
import re
from collections.abc import Iterator

import yaml
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from tests.alerts import promtool
from tests.alerts.prometheus import ROOT, RULES

#: Of each type of metric, what its samples are called.
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
#: What Prometheus adds: labels, and a metric of its own.
ADDED = {"job", "instance"}
UP = {"up": ADDED}
SELECTOR = re.compile(r"\b(fillstream_\w+|up|process_\w+)\b(?:\{([^}]*)\})?")
FENCED = re.compile(r"^```promql\n(.+?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]*\b(?:fillstream|process)_\w[^`\n]*|up(?:\{[^`]*\})?)`")


class _Any(set[str]):
    """Of a collector of our own: which labels it gives shows only once it has something to tell."""

    def __contains__(self, label: object) -> bool:
        return True


def exported() -> dict[str, set[str]]:
    """The labels of every sample that our processes export, by its name."""
    for module in ("agents.metrics", "streaming.metrics", "venue_gateways.metrics", "runtime.supervisor"):
        importlib.import_module(module)  # they register themselves
    from analytics.embedded.metrics import ServiceMetrics
    from analytics.metrics import SinkMetrics
    from observation.metrics import ProbeMetrics

    found = dict(UP)
    for metrics in (None, ServiceMetrics, SinkMetrics, ProbeMetrics):
        registry = REGISTRY if metrics is None else CollectorRegistry()
        if metrics is not None:
            metrics(registry)
        for collector in list(registry._collector_to_names):
            ours = isinstance(collector, MetricWrapperBase)
            labels = {*collector._labelnames, "le"} if ours else _Any()
            for family in collector.describe() if ours else collector.collect():
                found |= {family.name + suffix: labels for suffix in SUFFIXES.get(family.type, ())}
    return found


def runbooks() -> Iterator[tuple[str, str]]:
    """The name of each runbook and each expression in it."""
    for path in sorted((ROOT / "docs" / "runbooks").glob("*.md")):
        text = path.read_text()
        for block in FENCED.findall(text):
            yield from ((path.stem, line) for line in block.splitlines())
        yield from ((path.stem, expression) for expression in INLINE.findall(FENCED.sub("", text)))


def expressions() -> Iterator[tuple[str, str]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from ((path.name, rule["expr"]) for rule in group["rules"])
    yield from runbooks()


def test_what_is_asked_for_is_exported():
    known = exported()
    asked = {
        (place, name, label)
        for place, expression in expressions()
        for name, matchers in SELECTOR.findall(expression)
        for label in ["", *re.findall(r"(\w+)\s*[=!]", matchers)]
    }

    assert [
        (place, name, label)
        for place, name, label in sorted(asked)
        if name not in known or (label and label not in known[name] and label not in ADDED)
    ] == []


def test_the_expressions_of_the_runbooks_can_be_evaluated(tmp_path):
    rules = [{"record": "runbook:expression", "expr": text.replace("VENUE", "kraken")} for _, text in runbooks()]
    path = tmp_path / "runbooks.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))

    promtool.run("check", "rules", "--lint=none", str(path))
