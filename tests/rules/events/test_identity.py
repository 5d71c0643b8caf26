"""What reports rules, alerts and transitions apart, and what does not."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from rules.evaluation.alerts import Alert, Phase, Reason, Transition
from rules.evaluation.program import Program
from rules.events.identity import RuleKey, alert_id, correction_id, event_id, retraction_id, rule_keys
from tests.rules.evaluation.stepping import groups_of

KEY = RuleKey("r.yml", "g", "alert", "High", (("team", "a"),))
LABELS = (("alertname", "High"), ("i", "1"))
ALERT = Alert(LABELS, (("i", "1"),), Phase.PENDING, 3.0, active_at=60_000, seen_at=120_000)
BECAME_PENDING = Transition(60_000, Phase.INACTIVE, Phase.PENDING, Reason.CONDITION_MET, ALERT)


def test_rules_are_reported_by_where_they_stand_what_they_are_and_their_number_among_equals() -> None:
    rules = """
groups:
- name: g
  labels: {team: a}
  rules:
  - {record: up, expr: x}
  - {alert: up, expr: x > 1, labels: {severity: page}}
  - {alert: up, expr: x > 2, labels: {severity: page}, for: 1m}
  - {alert: up, expr: x > 3}
  - {alert: up, expr: x > 4, labels: {severity: page}}
- name: h
  rules:
  - {record: up, expr: x}
"""
    page, team = (("severity", "page"), ("team", "a")), (("team", "a"),)
    assert rule_keys(Program(groups_of(rules, "r.yml"))) == [
        RuleKey("r.yml", "g", "record", "up", team, 0),
        RuleKey("r.yml", "g", "alert", "up", page, 0),
        RuleKey("r.yml", "g", "alert", "up", page, 1),
        RuleKey("r.yml", "g", "alert", "up", team, 0),
        RuleKey("r.yml", "g", "alert", "up", page, 2),
        RuleKey("r.yml", "h", "record", "up", (), 0),
    ]


def test_all_that_reports_an_alert_is_in_its_id_and_the_kind_of_its_rule_is_not() -> None:
    others = [
        replace(KEY, file="s.yml"),
        replace(KEY, group="h"),
        replace(KEY, name="Low"),
        replace(KEY, labels=()),
        replace(KEY, occurrence=1),
    ]
    ids = [alert_id(key, LABELS) for key in (KEY, *others)] + [alert_id(KEY, LABELS[:1])]
    assert all(one != other for one, other in combinations(ids, 2))
    assert alert_id(replace(KEY, kind="record"), LABELS) == ids[0]


def test_a_transition_is_reported_by_its_episode_and_the_change_in_it_and_by_nothing_else() -> None:
    others = [
        replace(BECAME_PENDING, time_ms=120_000),
        replace(BECAME_PENDING, before=Phase.FIRING),
        replace(BECAME_PENDING, after=Phase.FIRING),
        replace(BECAME_PENDING, alert=replace(ALERT, active_at=0)),
    ]
    ids = [event_id("a", each) for each in (BECAME_PENDING, *others)] + [event_id("b", BECAME_PENDING)]
    assert all(one != other for one, other in combinations(ids, 2))
    alike = replace(BECAME_PENDING, reason=Reason.HELD, alert=replace(ALERT, value=5.0, seen_at=180_000))
    assert event_id("a", alike) == ids[0]


def test_corrections_are_reported_by_what_they_say_what_they_replace_and_since_when_it_is_known() -> None:
    ids = [
        correction_id("a", None, 0),
        correction_id("b", None, 0),
        correction_id("a", "b", 0),
        correction_id("a", None, 1),
        retraction_id("a"),
        retraction_id("b"),
    ]
    assert all(one != other for one, other in combinations(ids, 2))


def test_ids_of_corrections_are_what_they_have_always_been() -> None:
    """Ids are kept in stores: a change of how they are made is a change of format."""
    assert correction_id("a" * 32, "b" * 32, 60_000) == "b305e934887a8d2480b839391e4be9b0"
    assert correction_id("a" * 32, None, 60_000) == "859156c7bb939857cb6aaf7a2fa432e9"
    assert retraction_id("a" * 32) == "3a948976642897b06e801d3a0c26fcc9"
