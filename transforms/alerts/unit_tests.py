"""The engine that evaluates unit tests as a stream: through both stages, in order of event time.

The rules go in as rule files, the input series as batches of samples, each to the shard of its target. A bundle ends at each time that the test
checks. The verdict uses the output of the stages: alerts have the states of their events, and expressions read the samples that were written. Only
annotations are read from the state: an event holds those of its transition, and promtool compares those of the time checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rules.evaluation.alerts import Phase
from rules.evaluation.dependencies import Writes, readers
from rules.evaluation.outcome import ActiveAlert, RuleError
from rules.evaluation.program import Prepared, Program
from rules.evaluation.schedule import Schedule
from rules.events.identity import alert_id, rule_keys
from rules.golang.durations import format_duration
from rules.golang.quoting import is_text
from rules.model import AlertingRule, Rule, RuleGroup
from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.unit_tests.engine import Input, Looked, NotRun, Ran, Trial, looked
from schemas import batch as batches
from schemas.alert_event import State, decode
from schemas.batch import MIN_WATERMARK, SampleBatch
from schemas.builder import Interner
from schemas.series import metric_text, parse_labels, parse_metric, split_labels
from schemas.strict_json import format_time
from transforms.alerts.fragments.fragments import refusals
from transforms.alerts.live.live import LiveRules
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import EVENTS, SAMPLES, EvaluationSettings
from transforms.machines.machine import Out

SHARDS = 4

_NO_TIMES, _NO_VALUES = np.empty(0, np.int64), np.empty(0)
_PHASES = {State.PENDING: Phase.PENDING, State.FIRING: Phase.FIRING}
_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]")


def stream(trial: Trial, left_out: Callable[[str], None] = lambda _: None) -> Ran:
    """Evaluate a test; see :data:`rules.unit_tests.engine.Engine`.

    Args:
        trial: the test. Rules of it that a stream cannot evaluate, and those that read what these write, are left out.
        left_out: called with each of them, and why.

    Raises:
        NotRun: its cases ask for what was left out, or a stream cannot evaluate at its evaluation times, or take its samples.
    """
    trial = _streamable(trial, left_out)
    settings = EvaluationSettings(
        rule_files(trial.program.groups, trial.step_ms), trial.program.settings, shards=SHARDS
    )
    _check(trial, settings)
    return _run(trial, settings)


def _run(trial: Trial, settings: EvaluationSettings) -> Ran:
    course = _Course(trial, settings)
    alerts: dict[int, Sequence[Looked]] = {}
    for when in sorted({*trial.looks, int(trial.times[-1])}):
        course.advance(when)
        alerts[when] = course.looked(trial.looks.get(when, frozenset()))
    errors = _first_errors(trial, settings) if course.failures else []
    return Ran(errors, alerts, course.storage())


def _streamable(trial: Trial, left_out: Callable[[str], None]) -> Trial:
    """The test without the rules that a stream cannot evaluate.

    Raises:
        NotRun: a case asks for one of these, or no rule is left.
    """
    program = trial.program
    reasons = {each.rule.position: f"{each.rule.rule.name}: {each.reason}" for each in refusals(program)}
    if not reasons:
        return trial
    reading = readers([rule.turn for rule in program.rules])
    waiting = list(reasons)
    while waiting:
        position = waiting.pop()
        for reader in reading[position] - reasons.keys():
            rule, read = program.rules[reader], program.rules[position]
            reasons[reader] = f"{rule.rule.name}: it reads what {read.rule.name} writes, which is left out"
            waiting.append(reader)
    out = [program.rules[position] for position in sorted(reasons)]
    if len(out) == len(program.rules) or _asks_for(trial, out):
        raise NotRun("; ".join(reasons[rule.position] for rule in out))
    for rule in out:
        left_out(reasons[rule.position])
    kept: list[list[Rule]] = [[] for _ in program.groups]
    for rule in program.rules:
        if rule.position not in reasons:
            kept[rule.group_number].append(rule.rule)
    groups = [replace(group, rules=tuple(rules)) for group, rules in zip(program.groups, kept, strict=True)]
    return replace(trial, program=Program(groups, program.settings))


def _asks_for(trial: Trial, rules: Sequence[Prepared]) -> bool:
    """Whether a case looks at an alert of these rules, or selects what they write."""
    alerts = {rule.rule.name for rule in trial.program.alerts if rule in rules}
    if any(names & alerts for names in trial.looks.values()):
        return True
    writes = Writes([rule.turn for rule in rules])
    for case in trial.test.expr_cases:
        try:
            nodes = ast.walk(parse(case.expr))
        except PromQLError:
            continue
        if any(isinstance(node, ast.VectorSelector) and writes.may_fit(node.matchers) for node in nodes):
            return True
    return False


def rule_files(groups: Iterable[RuleGroup], step_ms: int) -> dict[str, str]:
    """Texts of rule files: one a group, in the order of their names, all with one interval.

    Groups of several files may go by one name, and those of a file may be evaluated before and after those of another.
    """
    return {f"{number:06d}": _rule_file(group, step_ms) for number, group in enumerate(groups)}


def _rule_file(group: RuleGroup, step_ms: int) -> str:
    fields = {
        "name": _quoted(group.name),
        "interval": format_duration(step_ms),
        "query_offset": None if group.query_offset_ms is None else format_duration(group.query_offset_ms),
        "limit": str(group.limit),
        "labels": _mapping(group.labels),
        "rules": f"[{', '.join(map(_rule, group.rules))}]",
    }
    return f"groups: [{_flow(fields)}]\n"


def _rule(rule: Rule) -> str:
    if not isinstance(rule, AlertingRule):
        return _flow({"record": _quoted(rule.record), "expr": _quoted(rule.expr), "labels": _mapping(rule.labels)})
    return _flow(
        {
            "alert": _quoted(rule.alert),
            "expr": _quoted(rule.expr),
            "for": format_duration(rule.for_ms),
            "keep_firing_for": format_duration(rule.keep_firing_for_ms),
            "labels": _mapping(rule.labels),
            "annotations": _mapping(rule.annotations),
        }
    )


def _mapping(texts: Mapping[str, str]) -> str:
    return _flow({_quoted(name): _quoted(text) for name, text in texts.items()})


def _flow(fields: Mapping[str, str | None]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in fields.items() if value is not None) + "}"


def _quoted(text: str) -> str:
    """A text as a scalar of YAML on one line, whatever its characters."""
    return '"' + _NOT_PLAIN.sub(lambda found: f"\\U{ord(found[0]):08X}", text) + '"'


def _check(trial: Trial, settings: EvaluationSettings) -> None:
    problems = LiveRules(settings).current.rules.problems
    faults = [fault for problem in problems.values() for fault in problem.diagnostics]
    if faults:
        raise NotRun("; ".join(f"{fault.rule}: {fault.message}" if fault.rule else fault.message for fault in faults))
    test = trial.test
    if trial.program.rules and test.start_ms % trial.step_ms:
        step = format_duration(trial.step_ms)
        raise NotRun(f"it starts at no multiple of its `evaluation_interval`, {step}, and a stream evaluates at these")
    try:
        format_time(int(trial.times[0])), format_time(int(trial.times[-1]))
    except ValueError as error:
        raise NotRun(f"events have no such times: {error}") from None
    for each in trial.series:
        if METRIC_NAME not in dict(each.labels):
            raise NotRun("an input series has no name, and the series of a stream have one")
        if not all(map(is_text, (part for pair in each.labels for part in pair))):
            raise NotRun("a label of an input series is no text in UTF-8, and those of a stream are")


def _first_errors(trial: Trial, settings: EvaluationSettings) -> list[RuleError]:
    """The failures of the first evaluation time that has any. Each evaluation time is a bundle of its own, so that its failures are known."""
    course = _Course(trial, settings)
    for when in trial.times.tolist():
        course.advance(when)
        if course.failures:
            rules = trial.program.rules
            failed = course.stage.groups_state().failed
            return [RuleError(when, rules[each.rule.position], each.message) for each in failed]
    return []


class _Course:
    """A stage on its way through a test."""

    def __init__(self, trial: Trial, settings: EvaluationSettings) -> None:
        self.stage = LocalPipeline(settings)
        self._trial = trial
        self._samples = _in_order(trial.series, settings.target_labels)
        self._added = 0
        self._states: dict[str, State] = {}
        self._written: list[SampleBatch] = []
        # Event time begins even without samples: at the evaluation time of shards that the largest query offset reads.
        offset = max((rule.turn.query_offset_ms for rule in trial.program.rules), default=0)
        self.stage.extent(Schedule(trial.step_ms).latest(trial.test.start_ms - offset))
        self._take(self.stage.advance(MIN_WATERMARK))

    @property
    def failures(self) -> int:
        """How many evaluations of rules have failed."""
        return self.stage.groups.machine.counted.get("rules.failures", 0)

    def advance(self, time_ms: int) -> None:
        """Evaluate up to an evaluation time."""
        watermark = time_ms + 1
        last = int(np.searchsorted(self._samples.ts, watermark, side="right"))
        self.stage.add(self._samples.take(slice(self._added, last)).compact())
        self._added = last
        self._take(self.stage.advance(watermark))

    def looked(self, names: frozenset[str]) -> list[Looked]:
        """The alerts of some names that are active now, by their events."""
        state = self.stage.groups_state()
        evaluator = state.evaluator
        keys = rule_keys(evaluator.program)
        found = [
            ActiveAlert(rule, replace(alert, phase=_PHASES[status]))
            for rule in evaluator.program.rules
            if rule.rule.name in names
            for alert in sorted(evaluator.states[rule.position].alerts.active(), key=lambda each: each.labels)
            if (status := self._states.get(alert_id(keys[rule.position], alert.labels), State.INACTIVE)) in _PHASES
        ]
        return looked(evaluator, found, names)

    def storage(self) -> MemoryStorage:
        """The samples that came in, and those that the stage handed on."""
        series = [(dict(each.labels), each.times, each.values) for each in self._trial.series]
        owners = [np.repeat(np.arange(len(series)), [len(times) for _, times, _ in series])]
        rows = [labels for labels, _, _ in series]
        for batch in self._written:
            pairs, owner = np.unique(np.stack((batch.target, batch.metric)), axis=1, return_inverse=True)
            owners.append(owner.reshape(-1) + len(rows))
            rows += [_labels(batch.targets[target], batch.metrics[metric]) for target, metric in pairs.T.tolist()]
        return MemoryStorage.from_columns(
            LabelFrame.of(rows),
            np.concatenate(owners),
            np.concatenate([*(times for _, times, _ in series), *(batch.ts for batch in self._written)] or [_NO_TIMES]),
            np.concatenate(
                [*(values for _, _, values in series), *(batch.value for batch in self._written)] or [_NO_VALUES]
            ),
        )

    def _take(self, outs: Iterable[Out]) -> None:
        for out in outs:
            if out.tag == EVENTS:
                event = decode(out.data)
                self._states[event.alert] = event.state
            elif out.tag == SAMPLES:
                self._written.append(batches.decode(out.data))


def _in_order(series: Sequence[Input], target_labels: frozenset[str]) -> SampleBatch:
    """All samples in order of event time, each with its place in it."""
    targets, metrics = Interner(), Interner()
    places = np.empty((2, len(series)), np.int32)
    for number, each in enumerate(series):
        rest = dict(each.labels)
        name = rest.pop(METRIC_NAME)
        target, metric = split_labels(rest, target_labels)
        places[:, number] = targets.id(target), metrics.id(metric_text(name, metric))
    counts = [len(each.times) for each in series]
    ts = np.concatenate([each.times for each in series] or [_NO_TIMES])
    value = np.concatenate([each.values for each in series] or [_NO_VALUES])
    order = np.argsort(ts, kind="stable")
    target, metric = np.repeat(places, counts, axis=1)[:, order]
    return SampleBatch(targets.texts, metrics.texts, target, metric, ts[order], value[order], np.arange(len(ts)))


def _labels(target: str, metric: str) -> dict[str, str]:
    name, labels = parse_metric(metric)
    return {**labels, **parse_labels(target), METRIC_NAME: name}
