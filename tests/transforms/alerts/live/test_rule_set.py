"""A set of rule files: which of them are in force, and the alert about a broken one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.diagnostics.model import Diagnostic, Severity
from rules.evaluation.groups import Evaluator
from rules.events.events import EventMaker
from rules.model import RuleFile
from schemas.alert_event import decode, encode
from tests.rules.evaluation.stepping import minutes, storage_of
from transforms.alerts.live.rule_set import BROKEN_ALERT, OWN_GROUP, RuleSet

GOOD = "groups: [{name: g, rules: [{alert: A, expr: x > 1}]}]"
BETTER = "groups: [{name: g, rules: [{alert: A, expr: x > 2}]}]"
BROKEN = "groups: [{name: g, rules: [{alert: A, expr: x >}, {alert: B}]}]"
OTHER = "groups: [{name: o, rules: [{record: r, expr: x}]}]"


def names(rules: RuleSet) -> list[str]:
    return [rule.name for group in rules.groups for rule in group.rules]


def expressions(rules: RuleSet) -> list[str]:
    return [rule.expr for group in rules.groups if group.name != OWN_GROUP for rule in group.rules]


def test_files_are_in_the_order_of_their_names() -> None:
    rules = RuleSet.load({"b.yml": OTHER, "a.yml": GOOD})
    assert [(group.file, group.name) for group in rules.groups] == [("a.yml", "g"), ("b.yml", "o")]
    assert rules == RuleSet.load({"a.yml": GOOD, "b.yml": OTHER})
    assert not rules.problems


def test_the_last_good_version_of_a_broken_file_stays() -> None:
    rules = RuleSet.load({"a.yml": BROKEN, "b.yml": OTHER}, RuleSet.load({"a.yml": GOOD}))
    assert expressions(rules) == ["x > 1", "x"]
    problem = rules.problems["a.yml"]
    assert problem.kept
    assert [each.code for each in problem.diagnostics] == ["promql-syntax", "no-expr"]
    still = RuleSet.load({"a.yml": BROKEN + "\n", "b.yml": OTHER}, rules)
    assert expressions(still) == ["x > 1", "x"]
    mended = RuleSet.load({"a.yml": BETTER, "b.yml": OTHER}, still)
    assert expressions(mended) == ["x > 2", "x"]
    assert not mended.problems


def test_a_file_that_was_never_good_has_no_rules() -> None:
    rules = RuleSet.load({"a.yml": BROKEN, "b.yml": OTHER})
    assert expressions(rules) == ["x"]
    assert not rules.problems["a.yml"].kept


def test_a_file_that_is_gone_takes_its_rules_along() -> None:
    before = RuleSet.load({"a.yml": BROKEN, "b.yml": OTHER}, RuleSet.load({"a.yml": GOOD}))
    rules = RuleSet.load({"b.yml": OTHER}, before)
    assert names(rules) == ["r"]
    assert not rules.problems


def test_what_else_is_asked_of_a_file_can_refuse_it() -> None:
    def check(file: RuleFile) -> list[Diagnostic]:
        return [
            Diagnostic("unsupported", Severity.ERROR if "> 2" in rule.expr else Severity.WARNING, "no", file.name)
            for _, rule in file.rules()
        ]

    rules = RuleSet.load({"a.yml": BETTER}, RuleSet.load({"a.yml": GOOD}, check=check), check)
    assert expressions(rules) == ["x > 1"]
    assert [each.message for each in rules.problems["a.yml"].diagnostics] == ["no"]


def test_the_version_is_that_of_the_texts() -> None:
    good = RuleSet.load({"a.yml": GOOD, "b.yml": OTHER})
    assert good.version == RuleSet.load({"b.yml": OTHER, "a.yml": GOOD}).version == "6e0ceb5184717e62"
    broken = RuleSet.load({"a.yml": BROKEN, "b.yml": OTHER}, good)
    others = [
        RuleSet.load({}),
        RuleSet.load({"a.yml": GOOD}),
        RuleSet.load({"a.yml": OTHER, "b.yml": GOOD}),
        RuleSet.load({"a.yml": BETTER, "b.yml": OTHER}),
        RuleSet.load({"a.yml": BROKEN, "b.yml": OTHER}),
        broken,
        RuleSet.load({"a.yml": BROKEN + "\n", "b.yml": OTHER}, broken),
    ]
    assert len({good.version, *(each.version for each in others)}) == len(others) + 1


def test_a_rule_set_survives_a_restart() -> None:
    for rules in (
        RuleSet(),
        RuleSet.load({"a.yml": GOOD}),
        RuleSet.load({"a.yml": BROKEN, "b.yml": BROKEN, "c.yml": OTHER}, RuleSet.load({"a.yml": GOOD})),
    ):
        again = RuleSet.from_plain(rules.as_plain())
        assert again.files == rules.files
        assert again.problems == rules.problems
        assert again.version == rules.version


@pytest.mark.parametrize("plain", [{}, {"files": 5, "refused": {}}, {"files": {"a": 5}, "refused": {}}, {"files": {}}])
def test_what_is_no_rule_set_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a rule set"):
        RuleSet.from_plain(plain)


def test_a_file_needs_a_name() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        RuleSet.load({"": GOOD})


def broken_alerts(rules: RuleSet) -> list[dict[str, str]]:
    """Labels and annotations of the alerts about the rules themselves."""
    program = rules.program()
    evaluator = Evaluator(program, storage_of())
    made = EventMaker(program).make(evaluator, evaluator.evaluate(minutes(0, 0)).events)
    assert all(decode(encode(each)) == each for each in made)
    return [{**each.labels, **each.annotations} for each in made if each.rule == BROKEN_ALERT]


def test_a_broken_file_raises_an_alert_about_itself() -> None:
    rules = RuleSet.load({"a.yml": BROKEN, "b.yml": "["}, RuleSet.load({"a.yml": GOOD}))
    first, second = broken_alerts(rules)
    assert first == {
        "alertname": BROKEN_ALERT,
        "file": "a.yml",
        "severity": "warning",
        "summary": "the rule file a.yml is broken: its last good version stays in force",
        "description": "1:47: unexpected end of input, expected an expression [promql-syntax]\n1:52: a rule needs an expression [no-expr]",
    }
    assert second["summary"] == "the rule file b.yml is broken: none of its rules is in force"
    assert broken_alerts(RuleSet.load({"a.yml": GOOD})) == []


def test_the_rule_about_a_file_names_it_as_it_is_where_no_template_begins() -> None:
    """The ids of its alerts follow from its labels as they are written."""
    (own,) = RuleSet.load({"a.yml": "["}).groups
    assert own.rules[0].labels == {"file": "a.yml", "severity": "warning"}


HOSTILE = ('{{ "', "{{", "}}", "{{ $value }}", "a\\b", '"', "`", "\n", "\x00", "é", "\udc80", "{{ end }}")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from((*HOSTILE, "a", " ")), min_size=1, max_size=5).map("".join))
def test_names_and_messages_are_reported_as_they_are(name: str) -> None:
    text = f"groups: [{{name: g, rules: [{{alert: A, expr: {name!r}}}], {name!r}: 1}}]"
    found = broken_alerts(RuleSet.load({name: text}))
    sound = name.replace("\udc80", "?")
    assert [each["file"] for each in found] == [sound]
    assert found[0]["summary"] == f"the rule file {sound} is broken: none of its rules is in force"


def test_many_faults_are_reported_in_short() -> None:
    rules = ", ".join("{alert: A}" for _ in range(9))
    (found,) = broken_alerts(RuleSet.load({"a.yml": f"groups: [{{name: g, rules: [{rules}]}}]"}))
    assert found["description"].splitlines()[5:] == ["... and 4 more"]
