"""An expression explained: its tree, what each part does, where it is evaluated, which state it keeps, and its values at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules.planning.meanings import meaning
from rules.planning.plan import Placement, State, Step, plan
from rules.promql.engine import instant
from rules.promql.storage import Storage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.printer import to_text
from rules.promql.values import InstantVector, RangeVector, Scalar, String
from schemas.series import METRIC_NAME, labels_text, metric_text
from schemas.times import format_duration


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression.

    Attributes:
        text: the part, as it would be written.
        type: scalar, instant vector, range vector or string.
        meaning: what it does with its inputs, in a sentence.
        placement: where a job that spreads targets over shards evaluates it.
        reason: why there, if that is not plain.
        state: what it keeps between evaluations, for selectors.
        values: its value at the asked time, a line a series; None if no data were given.
        inputs: its parts.
    """

    text: str
    type: str
    meaning: str
    placement: Placement
    reason: str
    state: State | None
    values: tuple[str, ...] | None
    inputs: tuple[Node, ...]


def explain(expr: ast.Expr, target_labels: frozenset[str], storage: Storage | None = None, time_ms: int = 0) -> Node:
    """The explanation of an expression.

    Args:
        expr: the expression.
        target_labels: labels of the target part, which place a series in a shard.
        storage: samples to evaluate each part on, if values are wanted.
        time_ms: the evaluation time for these values.
    """
    return _node(plan(expr, target_labels), storage, time_ms)


def _node(step: Step, storage: Storage | None, time_ms: int) -> Node:
    # Parentheses group, they do nothing: the tree shows what is inside.
    while isinstance(step.expr, ast.Paren):
        (step,) = step.inputs
    return Node(
        text=to_text(step.expr),
        type=step.expr.type.value,
        meaning=meaning(step.expr),
        placement=step.placement,
        reason=step.reason,
        state=step.state,
        values=None if storage is None else tuple(_values(step.expr, storage, time_ms)),
        inputs=tuple(_node(part, storage, time_ms) for part in step.inputs),
    )


def _values(expr: ast.Expr, storage: Storage, time_ms: int) -> Iterator[str]:
    try:
        value = instant(expr, storage, time_ms).value
    except PromQLError as error:
        yield f"error: {error.message}"
        return
    match value:
        case Scalar():
            yield f"{value.values[0]:g}"
        case String():
            yield value.value
        case InstantVector():
            rows = zip(value.labels.rows(), value.values[:, 0].tolist(), strict=True)
            yield from (f"{series_name(labels)}  {number:g}" for labels, number in rows)
        case RangeVector():
            windows = value.windows()
            for row, labels in enumerate(value.series.labels.rows()):
                samples = windows.values[windows.low[row, 0] : windows.high[row, 0]]
                if len(samples):
                    shown = (
                        f"{samples[0]:g} ... {samples[-1]:g}"
                        if len(samples) > 2
                        else ", ".join(f"{it:g}" for it in samples)
                    )
                    yield f"{series_name(labels)}  {len(samples)} sample{'s' * (len(samples) > 1)}: {shown}"


def series_name(labels: dict[str, str]) -> str:
    """A series as people write it, ``name{a="1"}``."""
    rest = [(name, value) for name, value in labels.items() if name != METRIC_NAME]
    return metric_text(labels[METRIC_NAME], rest) if METRIC_NAME in labels else labels_text(rest)


def retention(state: State) -> str:
    """What a selector keeps, in words."""
    kept = format_duration(state.retention_ms)
    return f"samples of {kept} before the fixed instant" if state.fixed else f"samples of the last {kept}"


_SHOWN_VALUES = 5
_SHOWN_TEXT = 100


def render(node: Node) -> str:
    """The explanation as a tree of text, each part with its inputs below it."""
    return "\n".join(_lines(node, "", ""))


def _lines(node: Node, first: str, rest: str) -> Iterator[str]:
    text = node.text if len(node.text) <= _SHOWN_TEXT else node.text[: _SHOWN_TEXT - 4] + " ..."
    yield first + text
    bar = rest + ("│   " if node.inputs else "    ")
    if node.placement is not Placement.CONSTANT:
        yield f"{bar}{node.meaning}"
        yield bar + "; ".join(_facts(node))
    for line in _shown(node.values or ()):
        yield f"{bar}= {line}"
    if node.values == ():
        yield f"{bar}= nothing"
    last = len(node.inputs) - 1
    for number, part in enumerate(node.inputs):
        branch, below = ("└── ", "    ") if number == last else ("├── ", "│   ")
        yield from _lines(part, rest + branch, rest + below)


def _facts(node: Node) -> Iterator[str]:
    yield f"[{node.placement.value}] {node.reason}".rstrip()
    if node.state is not None:
        yield f"keeps {retention(node.state)}"


def _shown(values: tuple[str, ...]) -> Iterator[str]:
    yield from values[:_SHOWN_VALUES]
    if len(values) > _SHOWN_VALUES:
        yield f"... and {len(values) - _SHOWN_VALUES} more series"


def document(node: Node) -> dict[str, object]:
    """The explanation as a document for JSON."""
    state = None
    if node.state is not None:
        state = {"retention_ms": node.state.retention_ms, "fixed": node.state.fixed}
    return {
        "text": node.text,
        "type": node.type,
        "meaning": node.meaning,
        "placement": node.placement.name.lower(),
        "reason": node.reason,
        "state": state,
        **({} if node.values is None else {"values": list(node.values)}),
        "inputs": [document(part) for part in node.inputs],
    }
