"""The demo's own rules: the stream takes them, and on the demo's data each does what the demo says of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.program import Program
from rules.files.load import load_rules
from schemas.series import DEFAULT_TARGET_LABELS
from tests.tidemark.report.alert_events import events_of
from tidemark.cli import main
from tidemark.demo.inputs import DAY_START_MS, HOSTS, INTERVAL_MS, METRICS, SILENT_FROM_MS, SILENT_HOST, SILENT_UNTIL_MS
from tidemark.demo.rule_files import NAMES, texts
from tidemark.generate.fleet import DAY_MS, Fleet
from tidemark.report.alerts import alerts_of, read_rules
from transforms.alerts.fragments.fragments import cut

MINUTE = 60_000


@pytest.mark.parametrize("name", NAMES)
def test_the_stream_takes_them_without_a_word(name):
    loaded = load_rules(texts(None)[name], name)
    assert loaded.diagnostics == []
    cut(Program(loaded.file.groups), DEFAULT_TARGET_LABELS)


@pytest.fixture(scope="module")
def day():
    """The alerts of the demo's day, all samples in place."""
    fleet = Fleet(7, HOSTS, METRICS)
    times = np.arange(DAY_START_MS, DAY_START_MS + DAY_MS, INTERVAL_MS)
    values = np.array([fleet.scrape(int(ts)) for ts in times])
    series = []
    for host, labels in enumerate(fleet.labels):
        sent = np.ones(len(times), np.bool_)
        if host == SILENT_HOST:
            sent &= (times < SILENT_FROM_MS) | (times >= SILENT_UNTIL_MS)
        series += [
            ({"__name__": metric.name, **labels}, times[sent], values[sent, host, column])
            for column, metric in enumerate(fleet.metrics)
        ]
    text, span = texts(None)["fleet"], (DAY_START_MS, int(times[-1]))
    return alerts_of(events_of(text, series, *span), read_rules(text, "fleet.yml"), span)


def of(alerts, name):
    return [each for each in alerts.episodes if each.rule[1] == name]


def test_every_rule_fires_on_the_fleets_day_and_few_of_them_much(day):
    assert {rule.name for rule in day.rules} == {each.rule[1] for each in day.fired}
    assert 10 <= len(day.fired) <= 30
    assert day.pending_only


def test_the_silent_host_is_reported(day):
    (silent,) = of(day, "HostSilent")
    (gone,) = of(day, "PoolGone")
    # The newest sample is an interval older than the silence; it is looked for over three minutes, then over five.
    assert silent.firing_ms == SILENT_FROM_MS + 3 * MINUTE
    assert gone.firing_ms == SILENT_FROM_MS + 5 * MINUTE
    assert silent.ended_ms == gone.ended_ms == SILENT_UNTIL_MS
    assert dict(gone.labels)["pool"] == dict(silent.labels)["pool"] == "api"


def test_incidents_raise_latency_and_load_of_the_same_host(day):
    assert {dict(each.labels)["host"] for each in of(day, "LoadHigh")} == {
        dict(each.labels)["host"] for each in of(day, "LatencyHigh")
    }


@settings(deadline=None)
@given(st.integers(0, 4999), st.lists(st.integers(0, 40), min_size=30, max_size=30))
def test_an_alert_on_this_computer_surely_fires_and_resolves(phase, jitter):
    times = DAY_START_MS + phase + 1000 * np.arange(30) + np.array(jitter)
    series = [
        ({"__name__": name, "host": "vm"}, times, np.full(30, value))
        for name, value in (("mem_used_percent", 40.0), ("system_load1", 0.5), ("cpu_usage_percent", 10.0))
    ]
    text, span = texts(None)["computer"], (int(times[0]), int(times[-1]))
    alerts = alerts_of(events_of(text, series, *span), read_rules(text, "computer.yml"), span)
    (episode,) = alerts.episodes
    assert episode.rule[1] == "DemoUnderWay"
    assert episode.firing_for(span[1]) == 10_000
    assert episode.ended_ms <= span[1]


def test_rules_of_ones_own_are_taken_for_the_fleet(tmp_path):
    own = tmp_path / "own.yml"
    own.write_text("groups: [{name: g, rules: [{alert: A, expr: x > 1}]}]")
    assert texts(own) == {**texts(None), "fleet": own.read_text()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"groups: [{name: g, rules: [{alert: A, expr: 'x >'}]}]", "own.yml:1:"),
        (b"\xff", "own.yml: not UTF-8"),
        (None, "No such file"),
    ],
)
def test_rules_that_cannot_be_read_are_reported_before_anything_is_replaced(content, message, tmp_path, capsys):
    own, folder = tmp_path / "own.yml", tmp_path / "out"
    if content is not None:
        own.write_bytes(content)
    assert main(["demo", f"--rules={own}", f"--output={folder}", "--no-open"]) == 1
    assert message in capsys.readouterr().err
    assert not folder.exists()
