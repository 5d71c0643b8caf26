"""Which rules are in force when, what is known of their evaluation times, and how far back they read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.files.load import load_rules
from transforms.alerts.live.live import NOT_STREAMABLE, CompiledRules, LiveRules, streamable
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EvaluationSettings

MINUTE = 60_000
LOOKBACK = 5 * MINUTE
ONE, TWO, THREE = (f"groups: [{{name: g, rules: [{{alert: A{number}, expr: x > {number}}}]}}]" for number in (1, 2, 3))
BROKEN = "groups: [{name: g, rules: [{alert: A, expr: x >}]}]"


def ready_of(text: str) -> CompiledRules:
    return LiveRules(EvaluationSettings({"r.yml": text})).current


def intervals(*seconds: int) -> CompiledRules:
    groups = ", ".join(
        f"{{name: g{number}, interval: {each}s, rules: [{{record: r, expr: x}}]}}"
        for number, each in enumerate(seconds)
    )
    return ready_of(f"groups: [{groups}]")


def names(ready: CompiledRules) -> list[str]:
    return [rule.rule.name for rule in ready.program.rules]


def files(effective_ms: int, text: str) -> RuleFiles:
    return RuleFiles(effective_ms, {"r.yml": text})


# Instants.


def test_evaluation_times_are_those_of_all_groups() -> None:
    ready = intervals(20, 30, 60, 30)
    assert ready.times.intervals_ms == (20_000, 30_000, 60_000)
    assert ready.times.times(0, 60_000).tolist() == [20_000, 30_000, 40_000, 60_000]
    assert ready.times.count(0, 60_000) == 4
    # After the first time, and up to the second one.
    assert ready.times.times(19_999, 30_000).tolist() == [20_000, 30_000]
    assert ready.times.times(20_000, 29_999).tolist() == []
    assert (ready.times.count(19_999, 30_000), ready.times.count(20_000, 29_999)) == (2, 0)


@pytest.mark.parametrize(
    ("time_ms", "latest", "following"),
    [(0, 0, 20_000), (19_999, 0, 20_000), (20_000, 20_000, 30_000), (50_000, 40_000, 60_000), (-1, -20_000, 0)],
)
def test_the_evaluation_times_beside_a_time(time_ms: int, latest: int, following: int) -> None:
    ready = intervals(20, 30)
    assert (ready.times.latest(time_ms), ready.times.following(time_ms)) == (latest, following)


def test_without_groups_there_are_no_evaluation_times() -> None:
    ready = LiveRules(EvaluationSettings({})).current
    assert (ready.times.latest(0), ready.times.following(0), ready.times.count(0, MINUTE)) == (None, None, 0)
    assert ready.times.times(0, MINUTE).tolist() == []


# How far back.


@pytest.mark.parametrize(
    ("expr", "minutes"),
    [
        ("r > 1", 0),
        ("rate(r[4m]) > 1", 4),
        ("rate(r[4m] offset 2m) > 1", 6),
        ("r offset 3m > 1", 3),
        ("max_over_time(rate(r[4m] offset 2m)[10m:1m] offset 1m) > 1", 17),
        # Each as if it stood in the other.
        ("rate(r[4m]) + rate(s[3m]) > 1", 7),
        # What shards read is no matter of what rules wrote.
        ("rate(x[9m]) > 1", 0),
    ],
)
def test_rules_read_as_far_back_as_their_ranges_and_offsets_and_a_lookback(expr: str, minutes: int) -> None:
    rules = f"{{alert: A, expr: {expr!r}}}, {{record: r, expr: x}}, {{record: s, expr: x}}"
    text = f"groups: [{{name: g, rules: [{rules}]}}]"
    assert ready_of(text).reach_ms == LOOKBACK + minutes * MINUTE


def test_queries_of_templates_are_asked_as_long_as_an_alert_is_remembered() -> None:
    text = """
groups:
- name: g
  rules:
  - {record: r, expr: x}
  - {alert: A, expr: r > 1, keep_firing_for: 7m, annotations: {n: '{{ query "max_over_time(r[4m])" | first | value }}'}}
  - {alert: B, expr: 'rate(r[20m]) > 1'}
- {name: h, interval: 2m, rules: [{record: s, expr: x}]}
"""
    # The range, the time that it is kept firing, and resolved, and two evaluation times.
    assert ready_of(text).reach_ms == LOOKBACK + (4 + 7 + 15 + 2 * 2) * MINUTE
    longer = text.replace("20m", "40m")
    assert ready_of(longer).reach_ms == LOOKBACK + 40 * MINUTE


def test_rules_that_need_no_samples_prompt_those_that_read_them() -> None:
    text = """
groups:
- name: g
  rules:
  - {record: none, expr: absent(x)}
  - {alert: Reading, expr: none == 1}
  - {alert: High, expr: x > 1}
"""
    ready = ready_of(text)
    assert {ready.program.rules[position].rule.name for position in ready.unprompted} == {"none", "Reading"}


# Changes.


def test_changes_count_one_after_the_other_in_the_order_in_which_they_were_found() -> None:
    live = LiveRules(EvaluationSettings({"r.yml": ONE}))
    assert (live.change_ms, live.coming()) == (None, [])
    assert live.announce(files(2 * MINUTE, TWO))
    # The clock was set back.
    assert live.announce(files(MINUTE, THREE))
    assert names(live.current) == ["A1"]
    for expected in (["A2", "A3"], ["A3"]):
        assert live.change_ms == 2 * MINUTE
        coming = live.coming()
        assert [(since_ms, names(ready)) for since_ms, ready in coming] == [(2 * MINUTE, [each]) for each in expected]
        assert live.coming()[0][1] is coming[0][1]
        assert live.change() is live.current is coming[0][1]
    assert (live.change_ms, live.coming()) == (None, [])


def test_files_as_they_are_known_are_no_change() -> None:
    live = LiveRules(EvaluationSettings({"r.yml": ONE}))
    assert not live.announce(files(0, ONE))
    assert live.announce(files(0, TWO))
    assert not live.announce(files(MINUTE, TWO))
    # What is in force now comes back after what is to come.
    assert live.announce(files(MINUTE, ONE))
    assert live.change_ms == 0


def test_a_refused_version_is_known_too() -> None:
    live = LiveRules(EvaluationSettings({"r.yml": ONE}))
    assert live.announce(files(0, BROKEN))
    live.change()
    assert names(live.current) == ["A1", "TidemarkRulesBroken"]
    assert not live.announce(files(MINUTE, BROKEN))
    assert live.announce(files(MINUTE, ONE))


def test_what_a_stream_cannot_evaluate_is_refused_as_what_is_broken_whenever_it_comes() -> None:
    ahead = "groups: [{name: g, rules: [{alert: Ahead, expr: x offset -1m > 1}]}]"
    config = EvaluationSettings({"r.yml": ahead})
    assert names(LiveRules(config).current) == ["TidemarkRulesBroken"]
    live = LiveRules(replace(config, files={"r.yml": ONE}))
    live.announce(files(0, ahead))
    assert names(live.change()) == ["A1", "TidemarkRulesBroken"]
    assert names(LiveRules(config, live.to_bytes()).current) == ["A1", "TidemarkRulesBroken"]


def test_what_is_in_force_and_what_is_to_come_outlive_a_restart() -> None:
    config = EvaluationSettings({"r.yml": ONE})
    live = LiveRules(config)
    live.announce(files(0, BROKEN))
    live.change()
    live.announce(files(MINUTE, TWO))
    live.announce(files(2 * MINUTE, THREE))
    # Whatever the files are that the job is started with.
    again = LiveRules(replace(config, files={"s.yml": THREE}), live.to_bytes())
    assert names(again.current) == ["A1", "TidemarkRulesBroken"]
    assert again.change_ms == MINUTE
    assert names(again.change()) == ["A2"]
    assert again.change_ms == 2 * MINUTE
    assert names(again.change()) == ["A3"]
    assert again.change_ms is None


def test_the_evaluation_times_of_what_is_to_come_are_among_those_that_may_be() -> None:
    live = LiveRules(EvaluationSettings({"r.yml": ONE.replace("name: g", "name: g, interval: 20s")}))
    assert live.possible(0, 40_000) == [20_000, 40_000]
    live.announce(files(MINUTE, ONE.replace("name: g", "name: g, interval: 15s")))
    assert live.possible(0, 40_000) == [15_000, 20_000, 30_000, 40_000]


def test_rules_that_differ_in_what_settings_say_are_made_ready_apart() -> None:
    config = EvaluationSettings({"r.yml": ONE})
    other = replace(config, target_labels=frozenset({"pool"}))
    first = LiveRules(config).current
    assert LiveRules(config).current is first
    assert LiveRules(other).current is not first
    assert LiveRules(other).current.cut.target_labels == {"pool"}


def test_what_a_stream_cannot_evaluate_is_reported_with_its_place() -> None:
    text = "groups:\n- name: g\n  rules:\n  - {record: r, expr: x}\n  - alert: Ahead\n    expr: y > x offset -1m\n"
    loaded = load_rules(text, "r.yml")
    assert loaded.file is not None
    (fault,) = streamable(loaded.file)
    assert (fault.code, fault.severity.name, fault.file, fault.rule) == (NOT_STREAMABLE, "ERROR", "r.yml", "Ahead")
    assert (fault.span.line, fault.span.column) == (6, 15)
    good = load_rules(ONE, "r.yml").file
    assert good is not None
    assert list(streamable(good)) == []


def test_queries_that_are_put_together_from_data_are_reported_at_their_rule() -> None:
    text = "groups:\n- name: g\n  rules:\n  - alert: Data\n    annotations: {n: '{{ query $labels.q }}'}\n    expr: y > 1\n"
    file = load_rules(text, "r.yml").file
    assert file is not None
    (fault,) = streamable(file)
    # Not where its expression stands.
    assert (fault.rule, fault.span.line) == ("Data", 4)
