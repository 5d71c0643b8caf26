"""The series notation of Prometheus' tests: ``name{label="value"} 1 2+3x2 _x3 stale NaN``.

Shared by ``promqltest`` scripts and promtool's unit tests (``input_series``). Semantics: "Series" of "Unit testing rules" in
Prometheus' documentation. ``a+bxn`` is ``n + 1`` values, each the one before it plus ``b``; ``axn`` repeats ``a``; ``_`` is no sample.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from rules.golang.quoting import unquote
from rules.promql.labels import METRIC_NAME
from rules.promql.syntax.errors import LimitExceeded, PromQLSyntaxError, Span, UnsupportedFeature
from rules.promql.syntax.literals import parse_number
from rules.promql.values import STALE, Floats, Mask

MAX_SAMPLES = 11_000_000
"""Samples that one line may stand for, the ten million that people write for very many among them: a typing error must not fill the memory."""

_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`')
_SPACE = re.compile(r"[ \t\r\n]*")
_DIGITS = r"(?:[0-9](?:_?[0-9])*)"
_NUMBER = rf"(?:{_DIGITS}(?:\.{_DIGITS}?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?|(?i:inf|nan)(?![A-Za-z0-9_])"
_ITEM = re.compile(
    rf"(?P<blank>_)(?:x(?P<blanks>[0-9]{{1,19}}))?"
    rf"|(?P<value>stale(?![A-Za-z0-9_])|[+-]?(?:{_NUMBER}))(?P<step>[+-](?:{_NUMBER}))?(?:x(?P<times>[0-9]{{1,19}}))?"
)
_HISTOGRAM = re.compile(r"\{\{.*?\}\}(?P<step>[+-]\{\{.*?\}\})?(?:x(?P<times>[0-9]{1,18}))?")


@dataclass(slots=True)
class _Cursor:
    text: str
    place: int = 0

    def take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.place)
        if found is None:
            return None
        self.place = found.end()
        return found.group()

    def skip(self) -> None:
        self.take(_SPACE)

    def fail(self, expected: str) -> PromQLSyntaxError:
        found = repr(self.text[self.place]) if self.place < len(self.text) else "the end"
        return PromQLSyntaxError(
            f"expected {expected}, found {found}", Span(self.place, min(self.place + 1, len(self.text)))
        )


def parse_series(text: str) -> dict[str, str]:
    """The labels of a series written as ``name{label="value", ...}``; the name is under ``__name__``.

    Raises:
        PromQLSyntaxError: the text is not a series; the span is in ``text``.
    """
    cursor = _Cursor(text)
    cursor.skip()
    labels = _series(cursor)
    cursor.skip()
    if cursor.place < len(text):
        raise cursor.fail("the end of the series")
    return labels


def parse_values(text: str) -> tuple[Floats, Mask]:
    """Values and presence, one a step; what is not present is NaN.

    Raises:
        PromQLSyntaxError: the text is not a sequence of values; the span is in ``text``.
        UnsupportedFeature: a native histogram, ``{{...}}``.
        LimitExceeded: more than :data:`MAX_SAMPLES` values.
    """
    return _values(_Cursor(text))


def parse_series_description(line: str, most: int | None = None) -> tuple[dict[str, str], Floats, Mask]:
    """Labels, values and presence of a whole line.

    Args:
        line: as in a file of tests.
        most: how many values are of use: further ones are read and left out, however many a repetition stands for; None for all.

    Raises:
        PromQLSyntaxError, UnsupportedFeature, LimitExceeded: as :func:`parse_series` and :func:`parse_values`.
    """
    cursor = _Cursor(line)
    labels = _described(cursor)
    values, present = _values(cursor, most)
    return labels, values, present


def parse_mixed_series(line: str) -> tuple[dict[str, str], Floats, Mask, Mask]:
    """As :func:`parse_series_description`, with native histograms passed over: the last mask says where they are."""
    cursor = _Cursor(line)
    labels = _described(cursor)
    return labels, *_samples(cursor, pass_native=True)


def _described(cursor: _Cursor) -> dict[str, str]:
    cursor.skip()
    labels = _series(cursor)
    if cursor.place < len(cursor.text) and not cursor.text[cursor.place].isspace():
        raise cursor.fail("a space before the values")
    return labels


def _series(cursor: _Cursor) -> dict[str, str]:
    name = cursor.take(_NAME)
    braces = cursor.text.startswith("{", cursor.place)
    if name is None and not braces:
        raise cursor.fail('a series, as in name{label="value"}')
    labels = _label_set(cursor) if braces else {}
    if name is not None:
        labels[METRIC_NAME] = name
    return labels


def _label_set(cursor: _Cursor) -> dict[str, str]:
    labels: dict[str, str] = {}
    cursor.place += 1
    cursor.skip()
    while not cursor.text.startswith("}", cursor.place):
        start = cursor.place
        label = cursor.take(_LABEL)
        quoted = label is None
        if label is None:
            label = _string(cursor, "a label name or }")
        cursor.skip()
        if cursor.text.startswith("=", cursor.place):
            cursor.place += 1
            cursor.skip()
            value = _string(cursor, "a quoted label value")
        elif quoted:
            label, value = METRIC_NAME, label
        else:
            raise cursor.fail("=")
        if label in labels:
            raise PromQLSyntaxError(f"label {label!r} is given twice", Span(start, cursor.place))
        labels[label] = value
        cursor.skip()
        if cursor.text.startswith(",", cursor.place):
            cursor.place += 1
            cursor.skip()
        elif not cursor.text.startswith("}", cursor.place):
            raise cursor.fail(", or }")
    cursor.place += 1
    return {label: value for label, value in labels.items() if value != ""}


def _string(cursor: _Cursor, expected: str) -> str:
    start = cursor.place
    text = cursor.take(_STRING)
    if text is None:
        raise cursor.fail(expected)
    try:
        return unquote(text)
    except ValueError as error:
        raise PromQLSyntaxError(f"invalid string: {error}", Span(start, cursor.place)) from error


def _values(cursor: _Cursor, most: int | None = None) -> tuple[Floats, Mask]:
    values, present, _ = _samples(cursor, pass_native=False, most=most)
    return values, present


def _samples(cursor: _Cursor, *, pass_native: bool, most: int | None = None) -> tuple[Floats, Mask, Mask]:
    values: list[Floats] = [np.empty(0)]
    present: list[Mask] = [np.empty(0, np.bool_)]
    native: list[Mask] = [np.empty(0, np.bool_)]
    total = 0
    cursor.skip()
    while cursor.place < len(cursor.text):
        start = cursor.place
        histogram = _HISTOGRAM.match(cursor.text, start)
        item = histogram or _ITEM.match(cursor.text, start)
        if histogram is not None and not pass_native:
            raise UnsupportedFeature("native histogram samples ({{...}}) are not supported", Span(*histogram.span()))
        if item is None:
            raise cursor.fail('a value: a number, "stale", _, or a repetition such as 0+5x10')
        cursor.place = item.end()
        if item["step"] is not None and item["times"] is None:
            raise cursor.fail(f"x and a count after {item.group()}")
        blank = histogram is None and item["blank"] is not None
        count = int(item["blanks"] or 1) if blank else int(item["times"] or 0) + 1
        if most is not None:
            count = max(min(count, most - total), 0)
        total += count
        if total > MAX_SAMPLES:
            raise LimitExceeded(
                f"{total:,} samples are more than the {MAX_SAMPLES:,} that a series may have",
                Span(start, cursor.place),
                "repeat fewer times",
            )
        values.append(np.full(count, math.nan) if blank or histogram else _sequence(item, count))
        present.append(np.full(count, not blank and histogram is None))
        native.append(np.full(count, histogram is not None))
        if cursor.place < len(cursor.text) and cursor.text[cursor.place] not in " \t\r\n":
            raise cursor.fail("a space between values")
        cursor.skip()
    return np.concatenate(values), np.concatenate(present), np.concatenate(native)


def _sequence(item: re.Match[str], count: int) -> Floats:
    first = _number(item["value"], item)
    if item["step"] is None:
        return np.full(count, first)
    # Summed step by step, as Prometheus does: the rounding errors of `0+0.1x10` are part of the data.
    steps = np.full(count, _number(item["step"], item))
    steps[:1] = first
    with np.errstate(over="ignore", invalid="ignore"):
        return np.cumsum(steps)


def _number(text: str, item: re.Match[str]) -> float:
    if text == "stale":
        return float(STALE)
    sign = -1.0 if text[0] == "-" else 1.0
    digits = text.lstrip("+-")
    try:
        return sign * parse_number(digits)
    except ValueError as error:
        raise PromQLSyntaxError(str(error), Span(*item.span())) from error
