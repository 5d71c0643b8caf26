"""Functions of labels and of order: label_replace, label_join, sort and sort_desc.

Semantics: ``evalLabelReplace``, ``evalLabelJoin`` and ``funcSort`` of Prometheus 3.
Labels are worked on once per distinct value, not once per series.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rules.golang.regexp import expand
from rules.promql.context import Context, merged
from rules.promql.functions.arguments import Function, text, vector
from rules.promql.labels import METRIC_NAME, Column
from rules.promql.regex import compile_pattern
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError, LimitExceeded, PromQLSyntaxError
from rules.promql.values import InstantVector, Mask, Value

MAX_CHARACTERS = 100_000_000
"""Of the distinct label values that one call may make: nested calls would multiply them without end."""


def _label_name(expr: ast.Call, args: Sequence[Value], place: int, role: str) -> str:
    name = text(expr, args, place)
    if not name or any("\ud800" <= character < "\ue000" for character in name):
        raise EvaluationError(f"invalid {role} label name in {expr.func}(): {name}", expr.args[place].span)
    return name


def _check_length(expr: ast.Call, characters: int) -> None:
    if characters > MAX_CHARACTERS:
        raise LimitExceeded(
            f"{expr.func}() would make label values of more than {MAX_CHARACTERS:,} characters", expr.span
        )


def _relabelled(values: InstantVector, name: str, column: Column, touched: Mask | None) -> InstantVector:
    drop = values.drop_name
    if name == METRIC_NAME and drop is not None:
        # A name that is given anew stays.
        drop = np.zeros_like(drop) if touched is None else drop & ~touched
    return merged(InstantVector(values.labels.with_column(name, column), values.values, values.present, drop))


def _label_replace(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    values = vector(expr, args)
    replacement, pattern_text = text(expr, args, 2), text(expr, args, 4)
    try:
        pattern = compile_pattern(pattern_text)
    except PromQLSyntaxError as error:
        raise EvaluationError(
            f"invalid regular expression in label_replace(): {pattern_text}", expr.args[4].span, error.hint
        ) from error
    target = _label_name(expr, args, 1, "destination")
    source, before = values.labels.column(text(expr, args, 3)), values.labels.column(target)
    references = replacement.count("$")
    _check_length(expr, sum(len(replacement) + references * len(value) for value in source.values))
    seen = {value: code for code, value in enumerate(before.values)}
    names = pattern.groupindex
    table = np.array(
        [
            -1 if found is None else seen.setdefault(expand(replacement, (found[0], *found.groups()), names), len(seen))
            for found in map(pattern.fullmatch, source.values)
        ],
        np.int32,
    )
    codes = table[source.codes] if len(table) else before.codes
    touched = codes >= 0
    column = Column(np.where(touched, codes, before.codes), tuple(seen))
    return _relabelled(values, target, column, touched)


def _label_join(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    values = vector(expr, args)
    separator = text(expr, args, 2)
    sources = [_label_name(expr, args, place, "source") for place in range(3, len(args))]
    target = _label_name(expr, args, 1, "destination")
    group, first = values.labels.groups(sources)
    columns = [values.labels.column(source).take(first).texts() for source in sources]
    texts_length = sum(len(text) for column in columns for text in column)
    _check_length(expr, texts_length + len(sources) * len(separator) * len(first))
    texts = [separator.join(parts) for parts in zip(*columns, strict=True)] if sources else [""] * len(first)
    column = Column.of(texts)
    return _relabelled(values, target, Column(column.codes[group], column.values), None)


def _sorted(descending: bool) -> Function:
    def call(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
        values = vector(expr, args)
        if context.instants > 1:
            context.annotations.warn(
                "sort is ineffective for range queries since results are always ordered by labels",
                expr.span,
            )
            return values
        values = values.compact()
        keys = values.values[:, 0]
        # NaN is last either way.
        return values.take(np.argsort(-keys if descending else keys, kind="stable"))

    return call


FUNCTIONS: dict[str, Function] = {
    "label_replace": _label_replace,
    "label_join": _label_join,
    "sort": _sorted(descending=False),
    "sort_desc": _sorted(descending=True),
}
