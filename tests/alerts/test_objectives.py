"""Error budgets: a page while they burn fast, a ticket while they burn slowly, silence at what is sustainable."""

import pytest

from tests.alerts import promtool
from tests.alerts.prometheus import alerts
from tests.alerts.promtool import at, fires, series

RULES = {
    (rule["alert"], rule["labels"]["severity"]): rule for rule in alerts() if rule["alert"].endswith("BudgetBurns")
}
FILES = ["objectives.yml", "budgets.yml"]
STEP_MIN = 2
GOOD_TO, BAD_TO, END = 20, 80, 450


def counter(usual, during):
    """Rises by *usual* each step, and by *during* in the bad hour. Far from 0: that would be one that just begins."""
    first, second, third = (minutes // STEP_MIN for minutes in (GOOD_TO, BAD_TO - GOOD_TO, END - BAD_TO))
    top = 1_000_000 + usual * first
    end = top + during * second
    return f"1000000+{usual}x{first} {top + during}+{during}x{second - 1} {end + usual}+{usual}x{third - 1}"


def outcomes(good, bad):
    """Events that are either: in the bad hour, all are *bad*."""
    return {good: counter(120, 0), bad: counter(0, 120)}


def histogram(name, le, labels):
    """Events that take no longer than *le*, and all longer in the bad hour."""
    return {f'{name}_bucket{{{labels},le="{le}"}}': counter(120, 0), f"{name}_count{{{labels}}}": counter(120, 120)}


CALLS = "fillstream_venue_calls_total"
EVENTS = {
    "Freshness": ({}, histogram("fillstream_sink_freshness_seconds", "5.0", 'topic="transfers"'), 0.005),
    "Delivery": (
        {},
        outcomes(
            'fillstream_sink_records_total{result="stored"}', 'fillstream_sink_records_total{result="dead_letter"}'
        ),
        0.0001,
    ),
    "Correctness": (
        {},
        outcomes('fillstream_audit_runs_total{result="clean"}', 'fillstream_audit_runs_total{result="broken"}'),
        0.001,
    ),
    "Queries": ({}, histogram("fillstream_query_seconds", "2.0", 'query="canary",result="answered"'), 0.005),
    "VenueAvailability": (
        {"venue": "kraken"},
        outcomes(f'{CALLS}{{venue="kraken",outcome="REJECTED"}}', f'{CALLS}{{venue="kraken",outcome="UNKNOWN"}}'),
        0.005,
    ),
    "VenueLatency": (
        {"venue": "kraken", "call": "Place"},
        histogram("fillstream_venue_call_seconds", "0.25", 'venue="kraken",call="Place"'),
        0.01,
    ),
    "Answers": ({}, histogram("fillstream_canary_answer_seconds", "1.0", 'instance="probe"'), 0.001),
}
WORDS = {"VenueAvailability": "venue_availability", "VenueLatency": "venue_latency"}


def burning(name, severity, labels, value):
    """The alert about objective *name*, at so many times the sustainable rate."""
    rule = RULES[f"{name}BudgetBurns", severity]
    summary = rule["annotations"]["summary"]
    for label, text in labels.items():
        summary = summary.replace(f"{{{{ $labels.{label} }}}}", text)
    summary = summary.replace('{{ $value | printf "%.1f" }}', f"{value:.1f}")
    return fires(rule, {"slo": WORDS.get(name, name.lower()), **labels}, summary)


def story(name, labels, fast, slow):
    """After an hour of nothing but failures both fire, the ticket alone for a while, then nothing."""
    alert = f"{name}BudgetBurns"
    page, ticket = burning(name, "page", labels, fast), burning(name, "ticket", labels, slow[0])
    return [
        at(GOOD_TO - 2, alert),
        at(BAD_TO, alert, page, ticket),
        at(BAD_TO + 34, alert, burning(name, "ticket", labels, slow[1])),
        at(END, alert),
    ]


def test_a_budget_that_burns_pages_and_one_that_has_burnt_leaves_a_ticket(tmp_path):
    """A sample every two minutes. Where events are counted over five minutes, the first two samples of a change are
    half of it and all of it; and the first of all sees 0.6 of the events, for there is nothing before it.
    """
    values = {'fillstream_lag_seconds{group="fillstream",partition="3"}': "29+0x10 30+0x29 1+0x185"}
    checks = story("Lag", {"group": "fillstream"}, 30 / 31 / 0.001, (30 / 41 / 0.001, 30 / 58 / 0.001))
    for name, (labels, events, budget) in EVENTS.items():
        bad, before, after = 29.5, 0.6 + 39, 0.6 + 56
        checks += story(name, labels, bad / 31 / budget, (bad / before / budget, 30 / after / budget))
        values |= events

    promtool.play(tmp_path, FILES, [{"input_series": series(values), "alert_rule_test": checks}], "2m")


@pytest.mark.parametrize(
    ("burn", "severities"),
    [(20, ["page", "ticket"]), (8, ["page", "ticket"]), (4, ["ticket"]), (0.9, [])],
    ids=["two percent in an hour", "five percent in six hours", "ten percent in a day", "sustainable"],
)
def test_how_fast_it_burns_decides_who_is_told(burn, severities, tmp_path):
    labels, _, budget = EVENTS["Freshness"]
    always = outcomes_all_along(burn * budget)
    expected = [burning("Freshness", severity, labels, burn) for severity in severities]

    group = {"input_series": series(always), "alert_rule_test": [at(120, "FreshnessBudgetBurns", *expected)]}
    promtool.play(tmp_path, FILES, [group], "2m")


def outcomes_all_along(share):
    """Freshness, of which this *share* is bad from the beginning."""
    name = "fillstream_sink_freshness_seconds"
    return {f"{name}_count": "0+1000x60", f'{name}_bucket{{le="5.0"}}': f"0+{1000 * (1 - share):g}x60"}


def test_a_few_failed_calls_of_a_few_page_nobody(tmp_path):
    calls = {f'{CALLS}{{venue="kraken",outcome="UNKNOWN"}}': "100+3x60"}  # ninety an hour, two thousand a day
    ticket = burning("VenueAvailability", "ticket", {"venue": "kraken"}, 200)

    group = {"input_series": series(calls), "alert_rule_test": [at(120, "VenueAvailabilityBudgetBurns", ticket)]}
    promtool.play(tmp_path, FILES, [group], "2m")


def test_every_objective_is_tried():
    assert {f"{name}BudgetBurns" for name in [*EVENTS, "Lag"]} == {alert for alert, _ in RULES}
