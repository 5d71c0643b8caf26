"""How many evaluation times are evaluated at once, and by which rules, of event time in which nothing can be seen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pytest

from rules.evaluation.rule_state import IDLE, RuleState
from tests.transforms.alerts.shards.test_machine import ready_of, settings_of
from transforms.alerts.groups.stretches import BLOCK, MOST_ALONE, STRIDE, Stretch, next_stretch, no_samples_from
from transforms.alerts.live.live import CompiledRules

MINUTE = 60_000
YEAR = 365 * 24 * 60 * MINUTE
BUSY = RuleState(IDLE.alerts, {"x:sum": frozenset({(("__name__", "x:sum"),)})})
NONE = frozenset[int]()


def ready(*exprs: str, interval: str = "1m", more: str = "") -> CompiledRules:
    rules = "".join(f"\n  - {{record: 'r:{number}', expr: '{expr}'}}" for number, expr in enumerate(exprs))
    return ready_of(settings_of(f"groups:\n- name: g\n  interval: {interval}\n  rules:{rules}\n{more}"))


@dataclass
class Seen:
    """What is asked when anything is seen, and answers the same time each time."""

    at: int | None = None
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def seen(self, *given: Any) -> int | None:
        self.asked.append(given)
        return self.at


@dataclass
class Idle:
    """An evaluator of rules in these states that wrote nothing that is seen, or something at a time."""

    states: list[RuleState]
    recorded: Seen = field(default_factory=Seen)


def stretch(
    rules: CompiledRules,
    after: int,
    until: int,
    *,
    store: int | None = None,
    written: int | None = None,
    busy: Collection[int] = (),
    **given: Any,
) -> Stretch:
    """That of a store and an evaluator from which something is seen at these times, with rules in a state that is not idle."""
    states = [BUSY if rule.position in busy else IDLE for rule in rules.program.rules]
    return next_stretch(rules, Seen(store), Idle(states, Seen(written)), after, until, **given)  # type: ignore[arg-type]


def test_what_is_few_is_evaluated_at_once_whatever_is_seen() -> None:
    rules = ready("x > 1")
    assert stretch(rules, 0, STRIDE * MINUTE) == Stretch(STRIDE * MINUTE, None)
    assert stretch(rules, 0, 3 * MINUTE + 5, most=3) == Stretch(3 * MINUTE + 5, None)
    # Of four evaluation times the first three, if something is seen at once.
    assert stretch(rules, 0, 4 * MINUTE, store=0, most=3) == Stretch(3 * MINUTE, None)
    assert stretch(rules, 5, 4 * MINUTE + 59_999, store=0, most=3) == Stretch(3 * MINUTE, None)
    # A group without rules has evaluation times, at which there is nothing to evaluate; without groups there is none.
    assert stretch(ready_of(settings_of("groups: [{name: g, rules: []}]")), 0, YEAR) == Stretch(YEAR, NONE)
    assert stretch(ready_of(settings_of("groups: []")), 0, YEAR) == Stretch(YEAR, None)


def test_time_before_the_epoch_is_like_any_other() -> None:
    assert stretch(ready("x > 1"), -1, YEAR, store=0) == Stretch((STRIDE - 1) * MINUTE, None)
    assert stretch(ready("x > 1"), -3 * MINUTE, YEAR, store=0) == Stretch((STRIDE - 3) * MINUTE, None)


def test_of_groups_the_shortest_interval_counts() -> None:
    other = "- {name: h, interval: 15s, rules: [{record: 'h:0', expr: x}]}"
    assert stretch(ready("x > 1", more=other), 0, YEAR, store=0) == Stretch(STRIDE * 15_000, None)


@pytest.mark.parametrize("seen", ["store", "written"])
@pytest.mark.parametrize(
    ("at", "found"),
    [
        (0, Stretch(STRIDE * MINUTE)),
        (STRIDE * MINUTE + 1, Stretch(STRIDE * MINUTE)),
        (STRIDE * MINUTE + 2, Stretch(STRIDE * MINUTE + 1, NONE)),
        (YEAR, Stretch(YEAR - 1, NONE)),
        (YEAR + 1, Stretch(YEAR, NONE)),
        (YEAR + MINUTE, Stretch(YEAR, NONE)),
        (None, Stretch(YEAR, NONE)),
    ],
)
def test_evaluation_times_are_skipped_until_something_is_seen(seen: str, at: int | None, found: Stretch) -> None:
    assert stretch(ready("x > 1"), 0, YEAR, **{seen: at}) == found


def test_the_earlier_of_what_shards_said_and_rules_wrote_counts() -> None:
    rules = ready("x > 1")
    for one, other in ((200, 300), (300, 200)):
        assert stretch(rules, 0, YEAR, store=one * MINUTE, written=other * MINUTE) == Stretch(200 * MINUTE - 1, NONE)


def test_it_is_asked_from_the_first_evaluation_time_on_as_far_back_as_any_rule_reads() -> None:
    behind = "- {name: h, query_offset: 45s, rules: [{record: 'h:0', expr: 'rate(r:0[10m])'}]}"
    rules = ready("x > 1", "absent(x)", more=behind)
    store, evaluator = Seen(), Idle([IDLE] * 3)
    next_stretch(rules, store, evaluator, 30_000, YEAR)  # type: ignore[arg-type]
    assert store.asked == [(MINUTE, 45_000)]
    # Ten minutes of what a rule wrote and the lookback of five; what rules write that need no samples keeps nobody from skipping.
    assert evaluator.recorded.asked == [(MINUTE, 15 * MINUTE + 45_000 + 1, frozenset({1}))]


def test_a_rule_that_has_an_alert_or_a_series_keeps_all_from_being_skipped() -> None:
    rules = ready("x > 1", "absent(x)")
    usual = Stretch(STRIDE * MINUTE, None)
    assert stretch(rules, 0, YEAR, busy=[0]) == usual
    # The state of a rule that is evaluated anyway does not matter, nor that of one that is not asked for.
    alone = Stretch(BLOCK * MINUTE, frozenset({1}))
    assert stretch(rules, 0, YEAR, busy=[1]) == alone
    assert stretch(rules, 0, YEAR, busy=[0], only=[1]) == alone
    assert stretch(rules, 0, YEAR, busy=[0], only=[0]) == usual
    assert stretch(rules, 0, YEAR, busy=[1], only=[0]) == Stretch(YEAR, NONE)


def test_rules_that_need_no_samples_are_evaluated_block_by_block() -> None:
    rules = ready("absent(x)", "x > 1")
    unprompted = frozenset({0})
    assert stretch(rules, 0, YEAR) == Stretch(BLOCK * MINUTE, unprompted)
    assert stretch(rules, 0, BLOCK * MINUTE + 1) == Stretch(BLOCK * MINUTE, unprompted)
    assert stretch(rules, 0, (BLOCK - 1) * MINUTE) == Stretch((BLOCK - 1) * MINUTE, unprompted)
    assert stretch(rules, 90_000, YEAR) == Stretch((BLOCK + 1) * MINUTE, unprompted)


def test_of_decades_in_between_only_the_last_million_evaluation_times_are_reported_once_the_first_block_was() -> None:
    rules = ready("absent(x)")
    end = MOST_ALONE * MINUTE
    first_block = Stretch(BLOCK * MINUTE, frozenset({0}))
    assert stretch(rules, 0, end + 30 * YEAR) == first_block
    assert stretch(rules, 0, end + 30 * YEAR, alone=True) == Stretch(30 * YEAR, NONE)
    assert stretch(rules, 0, end + MINUTE, alone=True) == Stretch(MINUTE, NONE)
    assert stretch(rules, 0, end + MINUTE - 1, alone=True) == first_block
    assert stretch(rules, 0, 99 * YEAR, store=end + YEAR + 1, alone=True) == Stretch(YEAR, NONE)
    # Without such rules there is nothing to report of them.
    assert stretch(ready("x > 1"), 0, end + 30 * YEAR, alone=True) == Stretch(end + 30 * YEAR, NONE)


def test_a_long_time_without_samples_is_dated() -> None:
    warning = no_samples_from(0)
    assert "more than 7 days of event time from 1970-01-01T00:00:00" in warning
    assert warning.endswith("leave it out with --since or --max-future")
    assert f"from {1 << 60} ms on" in no_samples_from(1 << 60)
