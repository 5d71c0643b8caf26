"""Which rules apply at which evaluation time, while their files change.

The files of a change apply to evaluation times from its time on. Both stages follow this alone, and shards evaluate the fragments of the rules before
a change for a while longer. So it does not matter which stage or shard receives the change first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import orjson

from rules.diagnostics.model import Diagnostic, Severity
from rules.evaluation.alerts import RESOLVED_RETENTION_MS
from rules.evaluation.known_empty import needs_samples
from rules.evaluation.program import Program
from rules.evaluation.schedule import EvaluationTimes, Span, SpannedTimes, union
from rules.events.events import EventMaker
from rules.model import RuleFile
from rules.promql.syntax import ast
from schemas.forms import table as forms
from transforms.alerts.fragments.fragments import SplitProgram, cut, refusals
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.live.affected import Affected
from transforms.alerts.live.rule_set import RuleSet
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EvaluationSettings

NOT_STREAMABLE = "not-streamable"
"""The code of the one fault of rules that no check of the files alone finds."""

_KEPT = 12

T = TypeVar("T")


class CompiledRules:
    """A rule set made ready for both stages; it holds no state and may be shared."""

    def __init__(self, rules: RuleSet, settings: EvaluationSettings) -> None:
        self.rules = rules
        self.cut: SplitProgram = cut(rules.program(settings.program), settings.target_labels)
        self.tasks = tuple(Task.of(spec) for spec in self.cut.fragments)

    @property
    def program(self) -> Program:
        """The rules with remainders in the place of their expressions."""
        return self.cut.program

    @property
    def times(self) -> EvaluationTimes:
        """The evaluation times of all groups."""
        return self.program.times

    @cached_property
    def events(self) -> EventMaker:
        """Makes their events."""
        return EventMaker(self.program)

    @cached_property
    def affected(self) -> Affected:
        """Which of them late samples touch."""
        return Affected(self.program, self.tasks)

    @cached_property
    def unprompted(self) -> frozenset[int]:
        """The positions of the rules of which something may come although no sample is near; those that read what these write among them."""
        options = self.program.settings.options
        return self.affected.with_readers(
            rule.position for rule in self.program.rules if not needs_samples(rule.rule.ast, options)
        )

    @cached_property
    def reach_ms(self) -> int:
        """The most that rules look back from an evaluation time for what they wrote, ms."""
        program = self.program
        rules = max((_back(rule.rule.ast) for rule in program.rules), default=0)
        queries = max((_back(expr) for expr in program.queries.values()), default=0)
        if program.queries:
            # The annotations of an alert are asked for again as long as it is remembered.
            keeping = max((rule.policy.keep_firing_for_ms for rule in program.rules), default=0)
            queries += keeping + RESOLVED_RETENTION_MS + 2 * max(self.times.intervals_ms, default=0)
        return program.settings.options.lookback_ms + max(rules, queries)


def _back(expr: ast.Expr) -> int:
    """All ranges and offsets of an expression, ms, as if each stood in the other."""
    total = 0
    for node in ast.walk(expr):
        if isinstance(node, ast.MatrixSelector | ast.Subquery):
            total += node.range_ms
        if isinstance(node, ast.VectorSelector | ast.Subquery):
            total += max(0, node.offset_ms)
    return total


class LiveRules:
    """The rules in force, and the changes that are to come."""

    def __init__(self, settings: EvaluationSettings, stored: bytes | None = None) -> None:
        """Begin with the settings' files, or go on from what :meth:`to_bytes` gave.

        Raises:
            ValueError: what was stored is no such thing; :class:`schemas.forms.model.VersionError` if another release wrote it.
        """
        self._settings = settings
        self._ahead: list[CompiledRules] = []
        plain: Mapping[str, Any] | None = orjson.loads(stored) if stored is not None else None
        if plain is None:
            self.current = self._ready(_cached(settings, (settings.files,), self._begun))
            self._coming: list[RuleFiles] = []
        else:
            forms.LIVE_RULES.check_key(plain)
            self.current = self._ready(_cached(settings, (plain["current"],), self._restored))
            self._coming = [RuleFiles(each["effective_ms"], each["files"]) for each in plain["coming"]]

    def to_bytes(self) -> bytes:
        """Everything, for a checkpoint."""
        coming = [{"effective_ms": each.effective_ms, "files": dict(each.files)} for each in self._coming]
        return orjson.dumps({"current": self.current.rules.as_plain(), "coming": coming})

    def announce(self, found: RuleFiles) -> bool:
        """Take up how the files are from a time on; gives whether that is a change."""
        last = self._coming[-1].files if self._coming else _texts(self.current.rules)
        if dict(last) == dict(found.files):
            return False
        # Files are found one after the other, so a time before the last one's would be a clock set back.
        effective = max(found.effective_ms, self._coming[-1].effective_ms if self._coming else found.effective_ms)
        self._coming.append(RuleFiles(effective, found.files))
        return True

    @property
    def change_ms(self) -> int | None:
        """From when on the next change counts; None if none is known."""
        return self._coming[0].effective_ms if self._coming else None

    def coming(self) -> list[tuple[int, CompiledRules]]:
        """The rules after each change that is known, made ready, and from when on they count."""
        # Asked for with every element while a change is coming, which takes an hour where a job lags as much.
        for found in self._coming[len(self._ahead) :]:
            before = self._ahead[-1] if self._ahead else self.current
            self._ahead.append(self._ready(self._next(found, before.rules)))
        return [(found.effective_ms, ready) for found, ready in zip(self._coming, self._ahead, strict=True)]

    def change(self) -> CompiledRules:
        """Go on with the rules after the next change; there must be one."""
        self.current = self.coming()[0][1]
        self._coming.pop(0)
        self._ahead.pop(0)
        return self.current

    @property
    def ahead(self) -> SpannedTimes:
        """The evaluation times of the rules in force, and of those after each change from when it counts."""
        return SpannedTimes(
            [Span(self.current.times), *(Span(ready.times, change_ms) for change_ms, ready in self.coming())]
        )

    def possible(self, after_ms: int, until_ms: int) -> list[int]:
        """The evaluation times in ``(after, until]``, ascending, whenever changes count: their rules' are among them from the beginning."""
        every = [self.current.times, *(ready.times for _, ready in self.coming())]
        return list(map(int, union([each.times(after_ms, until_ms) for each in every])))

    def _next(self, found: RuleFiles, before: RuleSet) -> RuleSet:
        def load(files: Mapping[str, str], _: object) -> RuleSet:
            return RuleSet.load(files, before, streamable)

        return _cached(self._settings, (found.files, before.as_plain()), load)

    def _begun(self, files: Mapping[str, str]) -> RuleSet:
        return RuleSet.load(files, check=streamable)

    def _restored(self, plain: Mapping[str, Any]) -> RuleSet:
        return RuleSet.from_plain(plain, streamable)

    def _ready(self, rules: RuleSet) -> CompiledRules:
        return _cached(self._settings, (rules.as_plain(),), lambda _: CompiledRules(rules, self._settings))


def streamable(file: RuleFile) -> list[Diagnostic]:
    """Which rules of a file a stream cannot evaluate, a check for :class:`RuleSet`."""
    return [
        Diagnostic(
            NOT_STREAMABLE,
            Severity.ERROR,
            refusal.reason,
            file.name,
            refusal.rule.rule.place.within("expr", refusal.span)
            if refusal.field == "expr"
            else refusal.rule.rule.place.span,
            rule=refusal.rule.rule.name,
        )
        for refusal in refusals(Program(file.groups))
    ]


_cache: OrderedDict[tuple[str, str], Any] = OrderedDict()


def _cached(settings: EvaluationSettings, parts: tuple[Mapping[str, Any], ...], make: Callable[..., T]) -> T:
    """What is made of the parts. Every shard of a process needs the same, and reading thousands of rules takes seconds."""
    content = orjson.dumps(
        [*parts, repr(settings.program), sorted(settings.target_labels)], option=orjson.OPT_SORT_KEYS
    )
    key = make.__qualname__, hashlib.blake2b(content, digest_size=16).hexdigest()
    found: T | None = _cache.get(key)
    if found is None:
        found = make(*parts)
        while len(_cache) >= _KEPT:
            _cache.pop(next(iter(_cache)), None)
    _cache.pop(key, None)
    _cache[key] = found
    return found


def _texts(rules: RuleSet) -> dict[str, str]:
    """The files as they are found, whether in force or refused."""
    plain = rules.as_plain()
    return {**plain["files"], **plain["refused"]}
