"""The part of ``--plan`` about rules: files, groups, what shards evaluate and keep, when, and for how long."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipelines.options.rules import RuleOptions
from rules.evaluation.program import Program
from rules.planning.explain import retention
from rules.planning.plan import State
from rules.planning.reach import reaches, written_names
from rules.promql.labels import METRIC_NAME
from rules.promql.syntax.ast import MatchOp
from rules.promql.syntax.printer import to_text
from schemas.times import format_duration
from transforms.alerts.fragments.fragments import FragmentSpec, SplitProgram
from transforms.alerts.fragments.long_ranges import Packing
from transforms.alerts.live.live import LiveRules

MAX_SHOWN = 10
_SHOWN_TEXT = 100


def rule_lines(rules: RuleOptions) -> list[str]:
    """The lines of a plan about rules."""
    settings = rules.settings
    ready = LiveRules(settings).current
    program = ready.program
    alerting = len(program.alerts)
    intervals = " or ".join(format_duration(each) for each in program.times.intervals_ms)
    offset_ms = max((rule.turn.query_offset_ms for rule in program.rules), default=0)
    lines = [
        f"  {_count(len(settings.files), 'rule file')}: {_few(sorted(settings.files), 3)}",
        f"  {_count(len(program.groups), 'group')}{f', evaluated every {intervals}' if intervals else ''}; "
        f"{_count(len(program.rules), 'rule')}: {alerting} alerting, {len(program.rules) - alerting} recording",
        *_read(ready.rules.program(settings.program)),
        f"  in {_count(settings.shards, 'shard')}: {_fragments(ready.cut.fragments)}; in one place: the rest",
        *_kept(ready.cut, settings.late_ms + settings.grace_ms + offset_ms),
        f"  an instant is evaluated {_after(settings.grace_ms)} the watermark has passed it; "
        f"samples up to {format_duration(settings.late_ms)} behind the watermark correct it",
    ]
    if rules.poll_ms:
        lines.append(f"  the files are looked at every {format_duration(rules.poll_ms)}; changes count from then on")
    else:
        lines.append("  the files are as they are now until the job ends")
    return lines


def _read(program: Program) -> list[str]:
    """The metrics that the job must receive. A rule with a misspelt one never fires."""
    written = written_names(program)
    matchers = [each for reach in reaches(program) for selector in reach.selectors for each in selector]
    names = {each.value for each in matchers if each.name == METRIC_NAME and each.op is MatchOp.EQUAL} - written
    if not names:
        return []
    return [f"  they read {_count(len(names), 'metric')} that no rule writes: {_few(sorted(names), MAX_SHOWN)}"]


def _fragments(fragments: Iterable[FragmentSpec]) -> str:
    found = list(fragments)
    gathered = sum(spec.kind == "samples" for spec in found)
    partial = sum(spec.shard_label for spec in found)
    stepped = sum(spec.step_ms is not None for spec in found)
    kinds = [f"{number} {kind}" for number, kind in ((partial, "partial aggregates"), (stepped, "at steps")) if number]
    details = f" ({', '.join(kinds)})" if kinds else ""
    return (
        f"{_count(len(found) - gathered, 'part')} of expressions{details}, "
        f"{_count(gathered, 'selection')} of raw samples gathered"
    )


def _kept(cut: SplitProgram, late_ms: int) -> list[str]:
    states = [(state.retention_ms, to_text(state.selector), state) for state in cut.state()]
    states.sort(key=lambda each: (-each[0], each[1]))
    shown = [
        f"      {text if len(text) <= _SHOWN_TEXT else text[: _SHOWN_TEXT - 4] + ' ...'}: {retention(state)}{_packed(state)}"
        for _, text, state in states[:MAX_SHOWN]
    ]
    more = len(states) - len(shown)
    shown += [f"      ... and {more} more"] * (more > 0)
    if not shown:
        return ["      state of a shard: none"]
    return [f"      state of a shard, {format_duration(late_ms)} more of each for late data:", *shown]


def _packed(state: State) -> str:
    if Packing().fits(np.array(state.retention_ms), np.array(state.gone_through_ms)):
        return ", packed when they are old"
    return ", gone through one by one" if state.retention_ms >= Packing().long_ms else ""


def _after(grace_ms: int) -> str:
    return f"{format_duration(grace_ms)} after" if grace_ms else "when"


def _few(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
