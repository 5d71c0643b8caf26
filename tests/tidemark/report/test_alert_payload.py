"""What the page is given of alerts: all that reports why, and never too much."""

from __future__ import annotations

import json

from schemas.alert_event import Trace, TracedSeries
from tests.tidemark.report.alert_events import events_of, minutes
from tidemark.report.alert_payload import MAX_EPISODES, MAX_TEXT, describe
from tidemark.report.alerts import AlertRule, Alerts, Episode, alerts_of, read_rules

MINUTE = 60_000
RULES = """
groups:
- name: g
  interval: 1m
  rules:
  - {record: "pool:x:sum", expr: sum by (pool) (x)}
  - alert: High
    expr: pool:x:sum > 2
    for: 1m
    keep_firing_for: 1m
    annotations: {summary: "{{ $labels.pool }} is high"}
  - {alert: Never, expr: y > 1}
"""


def test_what_is_reported():
    series = [
        ({"__name__": "x", "pool": "a", "host": "1"}, *minutes(1, 2, 2, 0, 0)),
        ({"__name__": "x", "pool": "a", "host": "2"}, *minutes(1, 2, 2, 0, 0)),
    ]
    events = events_of(RULES, series, 0, 4 * MINUTE)
    found = describe(alerts_of(events, read_rules(RULES, "r.yml"), (0, 4 * MINUTE)), ["x", "y", "z"])
    assert [(rule["name"], rule["metrics"]) for rule in found["rules"]] == [("High", ["x"]), ("Never", ["y"])]
    assert (found["rules"][0]["for"], found["rules"][0]["keep"]) == (MINUTE, MINUTE)
    (lane,) = found["lanes"]
    assert (lane["rule"], lane["name"], lane["labels"], lane["about"]) == (0, "pool=a", '{pool="a"}', {"pool": "a"})
    assert lane["episodes"] == [
        {
            "pending": MINUTE,
            "firing": 2 * MINUTE,
            "ended": 4 * MINUTE,
            "until": 4 * MINUTE,
            "value": "4",
            "last": "4",
            "reason": "`keep_firing_for` has passed since the condition held",
            "annotations": {"summary": "a is high"},
            "corrected": False,
            "trace": [
                {
                    "selector": "pool:x:sum",
                    "series": [
                        {"labels": 'pool:x:sum{pool="a"}', "value": "4", "time": 2 * MINUTE, "samples": 1},
                    ],
                    "omitted": 0,
                }
            ],
        }
    ]
    assert (found["fired"], found["pending_only"], found["left_out"]) == (1, 0, 0)


def episode(number, fired):
    """One of many, each of them a minute longer than the one before and full of text."""
    text = "x" * 1_000
    trace = Trace(text, tuple(TracedSeries({"__name__": text, text: text}, 0, float("nan"), 1) for _ in range(5)), 3)
    return Episode(
        rule=("g", "Many"),
        labels=(("host", f"h{number}"), ("text", text)),
        pending_ms=0,
        firing_ms=1 if fired else None,
        ended_ms=(number + 1) * MINUTE,
        value=float("inf"),
        last=float("nan"),
        annotations={f"{i}{text}": text for i in range(30)},
        trace=[trace] * 8,
    )


def test_its_size_is_bounded():
    many = 3 * MAX_EPISODES
    episodes = [episode(number, fired=number % 3 == 0) for number in range(many)]
    found = describe(Alerts(0, many * MINUTE, [AlertRule("g", "Many", "x" * 1_000)], episodes), [])
    assert len(found["lanes"]) == MAX_EPISODES
    assert found["left_out"] == many - MAX_EPISODES
    assert (found["fired"], found["pending_only"]) == (MAX_EPISODES, many - MAX_EPISODES)
    assert all(lane["episodes"][0]["firing"] == 1 for lane in found["lanes"]), "those that fired come first"
    data = json.dumps(found, allow_nan=False)
    assert len(data) < MAX_EPISODES * MAX_TEXT * 100
    assert "x" * (MAX_TEXT + 1) not in data


def test_the_longest_are_kept_in_the_order_of_time():
    episodes = [episode(number, fired=False) for number in reversed(range(MAX_EPISODES + 2))]
    found = describe(Alerts(0, 1, [AlertRule("g", "Many")], episodes), [])
    kept = [lane["episodes"][0]["ended"] // MINUTE for lane in found["lanes"]]
    assert kept == list(range(MAX_EPISODES + 2, 2, -1))
