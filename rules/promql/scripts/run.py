"""Runs the test scripts of PromQL engines against this one, as Prometheus runs them against its own.

Every instant query is also run with its time pinned (``@``) at other times, and as the middle step of a range query: the answers must
be the same. Options are those of Prometheus' test engine: names are dropped at the end, subqueries default to a minute.

What this engine does not do is refused, with its reason, never passed over: expressions it refuses itself, expectations of native
histograms, and selectors that match a loaded series which has start timestamps or native histogram samples. Of the latter the numbers
are seen all the same by the functions that only look at numbers (``clamp``, ``hour``, ``sort``, ...).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from rules.promql.context import Options
from rules.promql.engine import Result, instant, query_range
from rules.promql.functions import calendar, elementwise
from rules.promql.labels import METRIC_NAME
from rules.promql.matchers import predicate
from rules.promql.scripts.commands import Clear, Eval, Labels, Load
from rules.promql.scripts.compare import (
    Mismatch,
    check_annotations,
    check_failure,
    check_result,
    check_scalar,
    check_vector,
)
from rules.promql.scripts.read import parse_script
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError, UnsupportedFeature
from rules.promql.syntax.parser import parse
from rules.promql.values import STALE, Scalar

T = TypeVar("T")

OPTIONS = Options(delayed_name_removal=True)

_NATIVE = "needs native histograms"
_MINUTE_MS = 60_000
_OF_THE_QUERY = re.compile(r"(start|end|range|step)\(\)")
_VARIES_WITH_TIME = frozenset((*calendar.FUNCTIONS, "predict_linear", "start", "end", "range", "step"))
# What passes over native histograms without a word.
_OF_NUMBERS = frozenset((*calendar.FUNCTIONS, *elementwise.FUNCTIONS, "scalar", "sort", "sort_desc")) - {"timestamp"}


class Verdict(str, Enum):
    """How an eval went."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One eval of a script.

    Attributes:
        line: from 1.
        reason: why it failed or was refused.
        diff: expected and actual lines of a failure.
    """

    line: int
    expr: str
    verdict: Verdict
    reason: str = ""
    diff: tuple[str, ...] = ()


def run_script(text: str) -> Iterator[Outcome]:
    """Runs a script; an outcome per eval, in order.

    Raises:
        ScriptError: the script cannot be read; nothing has been run then.
    """
    return _run(parse_script(text))


def _run(commands: Iterable[Load | Clear | Eval]) -> Iterator[Outcome]:
    data = _Data()
    for command in commands:
        match command:
            case Load():
                data.load(command)
            case Clear():
                data = _Data()
            case Eval():
                yield _outcome(command, data)


class _Data:
    """What has been loaded: samples, and the series whose samples this engine cannot hold, with the reason."""

    def __init__(self) -> None:
        self._samples: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
        self._storage: MemoryStorage | None = None
        self._refused: list[tuple[Labels, str]] = []

    def load(self, command: Load) -> None:
        self._storage = None
        for series in command.series:
            if series.native.any():
                self._refused.append((series.labels, _NATIVE))
            samples = self._samples.setdefault(tuple(sorted(series.labels.items())), {})
            for place in series.present.nonzero()[0].tolist():
                samples[place * command.step_ms] = float(series.values[place])
            for place in series.native.nonzero()[0].tolist():
                # To who looks for numbers, a histogram ends the one before it.
                samples[place * command.step_ms] = float(STALE)
            if command.native:
                self._refused += [(labels, _NATIVE) for labels in _native_twin(series.labels)]
        self._refused += [(labels, "needs start timestamps of samples") for labels in command.started]

    @property
    def storage(self) -> MemoryStorage:
        if self._storage is None:
            self._storage = MemoryStorage.from_series(
                (dict(labels), sorted(samples), [samples[time] for time in sorted(samples)])
                for labels, samples in self._samples.items()
            )
        return self._storage

    def refusal(self, expr: ast.Expr, *, numbers: bool = False) -> str:
        """Why the data that an expression selects cannot be had, or nothing; ``numbers`` if only numbers are looked at."""
        if isinstance(expr, ast.VectorSelector):
            tests = [(matcher.name, predicate(matcher)) for matcher in expr.matchers]
            for labels, reason in self._refused:
                if not (numbers and reason == _NATIVE) and all(fits(labels.get(name, "")) for name, fits in tests):
                    return reason
        below = isinstance(expr, ast.Call) and expr.func in _OF_NUMBERS
        below = below or (isinstance(expr, ast.Paren) and numbers)
        reasons = (self.refusal(child, numbers=below) for child in ast.children(expr))
        return next(filter(None, reasons), "")


def _native_twin(labels: Labels) -> Iterator[Mapping[str, str]]:
    """The native histogram that ``load_with_nhcb`` makes of a classic one's series."""
    name = labels.get(METRIC_NAME, "")
    for suffix in ("_bucket", "_count", "_sum"):
        if name.endswith(suffix):
            rest = {label: value for label, value in labels.items() if label != "le"}
            yield {**rest, METRIC_NAME: name.removesuffix(suffix)}


def _outcome(command: Eval, data: _Data) -> Outcome:
    def outcome(verdict: Verdict, reason: str = "", diff: tuple[str, ...] = ()) -> Outcome:
        return Outcome(command.line, command.expr, verdict, reason, diff)

    if any(series.native.any() for series in command.series):
        return outcome(Verdict.REFUSED, _NATIVE)
    try:
        tree = _expected(command, lambda: parse(command.expr))
        if tree is not None:
            refusal = data.refusal(tree)
            if refusal:
                return outcome(Verdict.REFUSED, refusal)
            _check(command, tree, data.storage)
    except UnsupportedFeature as error:
        return outcome(Verdict.REFUSED, error.message)
    except Mismatch as mismatch:
        return outcome(Verdict.FAILED, mismatch.reason, mismatch.diff)
    return outcome(Verdict.PASSED)


def _expected(command: Eval, attempt: Callable[[], T]) -> T | None:
    """What an attempt yields; None if it fails and should."""
    try:
        return attempt()
    except UnsupportedFeature:
        raise
    except PromQLError as error:
        if not command.fails:
            raise Mismatch(f"fails: {error.message}") from error
        check_failure(command, error.message)
        return None


def _check(command: Eval, tree: ast.Expr, storage: MemoryStorage) -> None:
    if command.is_range:
        _check_whole(
            command, lambda: query_range(tree, storage, command.start_ms, command.end_ms, command.step_ms, OPTIONS)
        )
        return
    _check_instant(command, tree, command.end_ms, storage)
    for time in _other_times(tree, command.end_ms):
        try:
            _check_instant(command, pinned(tree, command.end_ms), time, storage)
        except Mismatch as mismatch:
            where = f"with @ {command.end_ms / 1000:g}, at {time / 1000:g} s: "
            raise Mismatch(where + mismatch.reason, mismatch.diff) from mismatch


def _check_whole(command: Eval, attempt: Callable[[], Result]) -> Result | None:
    result = _expected(command, attempt)
    if result is None:
        return None
    if command.fails:
        raise Mismatch("expected to fail, but yields a result")
    check_annotations(command, result.annotations, command.expr)
    check_result(command, result)
    return result


def _check_instant(command: Eval, tree: ast.Expr, time: int, storage: MemoryStorage) -> None:
    if _check_whole(command, lambda: instant(tree, storage, time, OPTIONS)) is None:
        return
    if command.only_instant or _OF_THE_QUERY.search(command.expr):
        return
    try:
        ranged = query_range(tree, storage, time - _MINUTE_MS, time + _MINUTE_MS, _MINUTE_MS, OPTIONS)
        if isinstance(ranged.value, Scalar):
            check_scalar(command, float(ranged.value.values[1]))
        elif not command.ordered:
            check_vector(command, ranged, time)
    except UnsupportedFeature:
        raise
    except PromQLError as error:
        raise Mismatch(f"fails as a range query: {error.message}") from error
    except Mismatch as mismatch:
        raise Mismatch(f"as a range query, {mismatch.reason}", mismatch.diff) from mismatch


def _other_times(tree: ast.Expr, time: int) -> tuple[int, ...]:
    """When a pinned expression must still yield the same."""
    if any(isinstance(node, ast.Call) and node.func in _VARIES_WITH_TIME for node in ast.walk(tree)):
        return ()
    return (-1000, 0, 1000) if time == 0 else (-10 * time, 0, time // 5, time, 10 * time)


def pinned(expr: ast.Expr, time: int) -> ast.Expr:
    """The expression with ``@ time`` (ms) on every outermost selector and subquery that names no time."""
    match expr:
        case ast.VectorSelector():
            return expr if isinstance(expr.at, int) else replace(expr, at=time)
        case ast.Subquery():
            return expr if isinstance(expr.at, int) else replace(expr, at=time)
        case ast.MatrixSelector():
            selector = expr.selector
            return expr if isinstance(selector.at, int) else replace(expr, selector=replace(selector, at=time))
        case ast.Call():
            return replace(expr, args=tuple(pinned(argument, time) for argument in expr.args))
        case ast.Aggregate():
            param = None if expr.param is None else pinned(expr.param, time)
            return replace(expr, expr=pinned(expr.expr, time), param=param)
        case ast.Binary():
            return replace(expr, lhs=pinned(expr.lhs, time), rhs=pinned(expr.rhs, time))
        case ast.Unary() | ast.Paren():
            return replace(expr, expr=pinned(expr.expr, time))
        case _:
            return expr
