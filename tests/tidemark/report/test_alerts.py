"""Episodes from alert events: what they say, in whatever order and however often the events are read."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.events.corrections import History, diff
from schemas.alert_event import encode
from tests.tidemark.report.alert_events import events_of, minutes
from tidemark.report.alerts import AlertRule, AlertsError, alerts_of, read_alerts, read_rules

MINUTE = 60_000
NAN = float("nan")
RULES = """
groups:
- name: g
  interval: 1m
  rules:
  - {record: "host:x:max2m", expr: "max by (host) (max_over_time(x[2m]))"}
  - alert: High
    expr: x > 2
    for: 2m
    labels: {severity: page}
    annotations: {summary: '{{ $labels.host }} is at {{ $value }}'}
  - {alert: Recorded, expr: "host:x:max2m > 8"}
- name: other
  interval: 1m
  rules:
  - {alert: Twice, expr: y > 1, labels: {severity: page}}
  - {alert: Twice, expr: z > 2, labels: {severity: warning}}
"""
#        minute  0  1  2  3  4  5  6  7  8  9
VALUES = minutes(1, 3, 5, 4, 6, 1, 3, 1, 1, 9)
END = 9 * MINUTE


def series(values=VALUES):
    return [({"__name__": "x", "host": "a"}, *values)]


def in_short(alerts):
    return [
        (
            each.rule[1],
            each.pending_ms // MINUTE,
            None if each.firing_ms is None else each.firing_ms // MINUTE,
            None if each.ended_ms is None else each.ended_ms // MINUTE,
        )
        for each in alerts.episodes
    ]


def test_episodes_of_a_course():
    alerts = alerts_of(events_of(RULES, series(), 0, END), read_rules(RULES, "rules.yml"), (0, END))
    assert in_short(alerts) == [
        ("High", 1, 3, 5),
        ("High", 6, None, 7),
        ("High", 9, None, None),
        ("Recorded", 9, 9, None),
    ]
    high, short, _, recorded = alerts.episodes
    assert high.labels == (("host", "a"), ("severity", "page"))
    assert (high.value, high.last) == (4, 6)
    assert high.annotations == {"summary": "a is at 4"}
    assert high.reason == "the condition no longer holds"
    assert [(trace.selector, trace.series[0].value) for trace in high.trace] == [("x", 4)]
    assert (high.firing_for(END), short.firing_for(END), recorded.firing_for(END + 1)) == (2 * MINUTE, 0, 1)
    assert (alerts.fired, alerts.pending_only) == ([high, recorded], [short, alerts.episodes[2]])
    assert (alerts.events, alerts.corrections) == (7, 0)


def test_rules_are_known_by_what_they_read():
    high, recorded, twice = read_rules(RULES, "rules.yml")
    assert (high.key, high.expr, high.for_ms) == (("g", "High"), "x > 2", 2 * MINUTE)
    assert [name for name in ("x", "y", "z") if recorded.reads(name)] == ["x"]
    assert twice.expr == "y > 1\nz > 2"
    assert [name for name in ("x", "y", "z") if twice.reads(name)] == ["y", "z"]


def test_a_rule_of_no_file_is_reported_too():
    alerts = alerts_of(events_of(RULES, series(), 0, END), read_rules(RULES, "rules.yml")[:1], (0, END))
    assert alerts.rules[1:] == [AlertRule("g", "Recorded")]
    assert not alerts.rules[1].reads("x")


def test_a_rule_file_that_is_refused_is_reported_with_its_place():
    with pytest.raises(AlertsError, match=r"f\.yml:1:\d+: "):
        read_rules("groups: [{name: g, rules: [{alert: A, expr: 'x >'}]}]", "f.yml")


_LEVELS = st.lists(st.sampled_from([NAN, 1.0, 3.0]), min_size=10, max_size=10)


@given(_LEVELS, _LEVELS, _LEVELS, st.randoms(use_true_random=False))
def test_after_late_data_it_is_what_the_last_word_says_in_any_order(first, second, third, random):
    reported = events_of(RULES, series(minutes(*first)), 0, END)
    sent = list(reported)
    for course in (second, third):
        due = events_of(RULES, series(minutes(*course)), 0, END)
        corrections = diff(reported, due)
        sent += corrections
        reported = History(sent).standing()
    wanted = alerts_of(due, (), (0, END))
    sent += random.sample(sent, len(sent) // 2)
    random.shuffle(sent)
    found = alerts_of(sent, (), (0, END))
    assert [replace(each, corrected=False, trace=()) for each in found.episodes] == [
        replace(each, trace=()) for each in wanted.episodes
    ]
    assert found.corrections == sum(event.correction for event in {event.id: event for event in sent}.values())


def test_what_late_data_changed_is_marked():
    reported = events_of(RULES, series(), 0, END)
    times, values = VALUES
    due = events_of(RULES, series((times, [*values[:2], 7, *values[3:]])), 0, END)
    late = events_of(RULES, series((times, [3, *values[1:]])), 0, END)
    assert not diff(reported, due)
    alerts = alerts_of([*reported, *diff(reported, late)], (), (0, END))
    assert [(each.rule[1], each.pending_ms, each.corrected) for each in alerts.episodes[:2]] == [
        ("High", 0, True),
        ("High", 6 * MINUTE, False),
    ]
    assert alerts.corrections == 3


def test_events_that_replace_each_other_in_a_circle_do_not_hang_it():
    one, other = events_of(RULES, series(), 0, END)[:2]
    circle = [replace(one, correction=True, replaces=other.id), replace(other, correction=True, replaces=one.id)]
    assert alerts_of(circle, (), (0, END)).events == 2


def test_files_of_events(tmp_path):
    events = events_of(RULES, series(), 0, END)
    for number, part in enumerate((events[4:], events[:4])):
        (tmp_path / f"alerts-{number}.ndjson").write_bytes(b"".join(encode(event) + b"\n" for event in part))
    (tmp_path / "notes.ndjson").write_text("no event\n")
    found = read_alerts(tmp_path, (), (0, END))
    assert found == alerts_of(events, (), (0, END))
    assert found.events == 7
    with (tmp_path / "alerts-1.ndjson").open("ab") as file:
        file.write(b'{"id": 1}\n')
    with pytest.raises(AlertsError, match=r"alerts-1\.ndjson:5: id: "):
        read_alerts(tmp_path, (), (0, END))


def test_no_files_are_no_alerts(tmp_path):
    assert read_alerts(tmp_path / "none", (), (0, END)).episodes == []


def test_of_an_event_that_two_runs_reported_that_of_the_file_written_last_counts(tmp_path):
    (first, *_) = events_of(RULES, series(), 0, END)
    values = {"alerts-0.ndjson": 5.0, "alerts-5.ndjson": 9999.0, "alerts-f.ndjson": 7777.0}
    for name, value in values.items():
        (tmp_path / name).write_bytes(encode(replace(first, value=value)) + b"\n")
    for name, written in (("alerts-f.ndjson", 1), ("alerts-5.ndjson", 2), ("alerts-0.ndjson", 3)):
        os.utime(tmp_path / name, ns=(0, written))
    found = read_alerts(tmp_path, (), (0, END))
    assert (found.events, [episode.value for episode in found.episodes]) == (1, [5.0])
