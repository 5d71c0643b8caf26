"""What shards contribute may come to the groups in any order: what they report is the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.batch import MIN_WATERMARK
from tests.transforms.alerts.logs import log_of
from tests.transforms.alerts.streams import batch_of
from tests.transforms.alerts.test_local import BEGIN, LENGTH, MINUTE, RULES, SERIES, rows, settings_of, x
from transforms.alerts import messages
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.groups.state import GroupState
from transforms.alerts.local import END_MS, GROUPS_KEY, LocalPipeline
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EVENTS, SAMPLES, EvaluationSettings
from transforms.machines.local import LocalMachine
from transforms.machines.machine import Memory, Out

CHANGE = RuleFiles(BEGIN + 5 * MINUTE, {"r.yml": RULES.replace("interval: 40s", "interval: 30s")})


def contributions_of(settings_: EvaluationSettings, seed: int) -> tuple[list[bytes], list[Out]]:
    """What the shards of a run say to the groups, and what these report."""
    stage, contributed = LocalPipeline(settings_), list[bytes]()
    to_groups = stage.groups.run

    def run(elements: Sequence[tuple[bytes, bytes]], watermark_ms: int) -> list[Out]:
        contributed.extend(element for _, element in elements)
        return to_groups(elements, watermark_ms)

    stage.groups.run = run  # type: ignore[method-assign,assignment]
    stage.rules(CHANGE)
    outs = []
    for step in log_of(seed, SERIES, LENGTH, BEGIN).read(seed):
        for batch in step.batches:
            stage.add(batch)
        outs += stage.advance(step.watermark)
    return contributed, outs + stage.advance(END_MS if settings_.bounded else BEGIN + LENGTH + 10 * MINUTE)


def out_of_order(settings_: EvaluationSettings, contributed: Sequence[bytes], rng: random.Random) -> list[Out]:
    """What the groups report if they receive all of it in some order, with restarts, and with as much of a watermark as that order allows."""

    def make() -> GroupMachine:
        return GroupMachine(settings_, Memory[GroupState]())

    groups, outs, watermark = LocalMachine(make), list[Out](), MIN_WATERMARK
    files = [each for each in contributed if messages.kind(each) == messages.RULES]
    left = [each for each in contributed if messages.kind(each) != messages.RULES]
    spread = rng.choice((0.05, 1.0))
    late = {place: place / len(left) + spread * rng.random() for place in range(len(left))}
    left = [left[place] for place in sorted(late, key=late.__getitem__)]
    outs += groups.run([(GROUPS_KEY, each) for each in files])
    while left:
        size = rng.choice((1, 1, 3, 20))
        some, left = left[:size], left[size:]
        if rng.random() < 0.2:
            groups.restart()
        if left and rng.random() < 0.3:
            # It passes no evaluation time that a shard has yet to report of.
            reported_ms = min(messages.contribution(each).after_ms for each in left)
            watermark = max(watermark, reported_ms + settings_.grace_ms + 1)
        outs += groups.run([(GROUPS_KEY, each) for each in some], watermark)
    end = END_MS if settings_.bounded else BEGIN + LENGTH + 10 * MINUTE
    return outs + groups.run([], end)


def plain(outs: Sequence[Out]) -> tuple[list[bytes], list[tuple[str, str, int, str]]]:
    """Events in their order, and what was written."""
    written = {sample for out in outs if out.tag == SAMPLES for sample in rows(out.data)}
    return [out.data for out in outs if out.tag == EVENTS], sorted(written)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.booleans())
@example(3, 3, True)
# A late sample from before the first evaluation time, after a change of rules.
@example(3280, 1, False)
def test_the_order_of_contributions_changes_nothing(log_seed: int, seed: int, bounded: bool) -> None:
    settings_ = settings_of(RULES, bounded=bounded)
    contributed, outs = contributions_of(settings_, log_seed)
    assert plain(out_of_order(settings_, contributed, random.Random(seed))) == plain(outs)


@pytest.mark.parametrize("bounded", [False, True])
def test_nothing_is_waited_for_but_what_is_missing(bounded: bool) -> None:
    settings_ = settings_of(RULES, bounded=bounded)
    contributed, outs = contributions_of(settings_, 3)
    groups = LocalMachine(lambda: GroupMachine(settings_, Memory[GroupState]()))
    files, *contributions = contributed
    missing = min(contributions, key=messages.until)
    rest = [each for each in contributions if each is not missing]
    assert groups.run([(GROUPS_KEY, each) for each in (files, *reversed(rest))]) == []
    sent = groups.run([(GROUPS_KEY, missing)])
    # What is known only when the input ends waits for its end.
    assert plain(sent)[0] == plain(outs)[0][: len(plain(sent)[0])]
    assert bounded or plain(sent) == plain(outs)


def test_what_was_unknown_when_the_input_ended_may_come_before_what_was_known() -> None:
    settings_ = settings_of("groups: [{name: g, rules: [{alert: High, expr: x > 1}]}]", shards=1, bounded=True)
    stage = LocalPipeline(settings_)
    stage.add(batch_of([x(50_000, 2.0), x(110_000, 2.0)]))
    stage.add(replace(batch_of([x(59_000, 0.0)]), overtaken=170_000))
    contributed = [out.data for out in stage.shards.run(stage._to_shards, END_MS)]
    assert [messages.contribution(each).is_amendment for each in contributed] == [False, True]
    found = []
    for order in (contributed, contributed[::-1]):
        groups = LocalMachine(lambda: GroupMachine(settings_, Memory[GroupState]()))
        outs = [out for each in order for out in groups.run([(GROUPS_KEY, each)])]
        found.append(plain(outs + groups.run([], END_MS)))
    assert found[0] == found[1]
    assert len(found[0][0]) == 2
