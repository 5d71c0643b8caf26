"""What was expected and what came instead, as lines for people: each expected thing beside the nearest that is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from rules.evaluation.alerts import ALERT_NAME, Labels
from rules.promql.labels import METRIC_NAME

_T = TypeVar("_T")
_WIDTH = 44


class ShownAlert(NamedTuple):
    """An alert as a test sees it, ``alertname`` among the labels."""

    labels: Labels
    annotations: Labels


class ShownSample(NamedTuple):
    """A sample as a test sees it."""

    labels: Labels
    value: float


def quoted(text: str) -> str:
    """A text in double quotes, on one line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def series_text(labels: Labels) -> str:
    """``name{label="value"}``; a lone set of labels is ``{}``."""
    found = dict(labels)
    name = found.pop(METRIC_NAME, "")
    inside = ", ".join(f"{label}={quoted(value)}" for label, value in sorted(found.items()))
    return name if name and not inside else f"{name}{{{inside}}}"


def number_text(value: float) -> str:
    """A number as PromQL writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def difference(what: str, expected: Sequence[_T], got: Sequence[_T]) -> str:
    """How much differs, in a few words: ``expected 2 samples, got 1``, or ``1 of 2 samples differs``."""
    plural = "" if len(expected) == 1 else "s"
    if len(expected) != len(got):
        return f"expected {len(expected)} {what}{plural}, got {len(got)}"
    missing, _ = _unmatched(expected, got)
    return f"{len(missing)} of {len(expected)} {what}{plural} {'differs' if len(missing) == 1 else 'differ'}"


def alert_lines(expected: Sequence[ShownAlert], got: Sequence[ShownAlert]) -> list[str]:
    """The alerts that differ: side by side with the nearest one that fires, and those that only one side has."""
    missing, surplus = _unmatched(expected, got)
    lines = []
    for wanted, near in _paired(missing, surplus, _alert_likeness):
        if near is None:
            lines.append(f"- expected, not firing: {_alert_text(wanted)}")
            continue
        surplus.remove(near)
        lines.append(f"~ differs: {series_text(_without_name(near.labels))}")
        sides = _sides("label", dict(wanted.labels), dict(near.labels))
        sides += _sides("annotation", dict(wanted.annotations), dict(near.annotations))
        lines.extend(_side_lines(sides))
    lines.extend(f"+ firing, not expected: {_alert_text(alert)}" for alert in surplus)
    return lines


def sample_lines(expected: Sequence[ShownSample], got: Sequence[ShownSample]) -> list[str]:
    """The samples that differ: the value beside the one expected, the labels beside the nearest, and those that only one side has."""
    missing, surplus = _unmatched(expected, got)
    lines = []
    for wanted, near in _paired(missing, surplus, _sample_likeness):
        if near is None:
            lines.append(f"- expected, not there: {series_text(wanted.labels)} {number_text(wanted.value)}")
            continue
        surplus.remove(near)
        lines.append(f"~ differs: {series_text(near.labels)}")
        sides = _sides("label", dict(wanted.labels), dict(near.labels))
        if wanted.value != near.value:
            sides.append(_Side("value", number_text(wanted.value), number_text(near.value)))
        lines.extend(_side_lines(sides))
    lines.extend(f"+ there, not expected: {series_text(each.labels)} {number_text(each.value)}" for each in surplus)
    return lines


def alert_listing(alerts: Iterable[ShownAlert]) -> list[str]:
    """Alerts as lines of one label or annotation each, for a line by line comparison."""
    lines: list[str] = []
    for alert in sorted(alerts):
        lines.append("- labels:")
        lines.extend(f"    {name}: {quoted(value)}" for name, value in alert.labels)
        lines.append("  annotations:")
        lines.extend(f"    {name}: {quoted(value)}" for name, value in alert.annotations)
    return lines


def sample_listing(samples: Iterable[ShownSample]) -> list[str]:
    """Samples as lines of one series each, for a line by line comparison."""
    return [f"{series_text(each.labels)} {number_text(each.value)}" for each in sorted(samples, key=lambda s: s.labels)]


def _unmatched(expected: Sequence[_T], got: Sequence[_T]) -> tuple[list[_T], list[_T]]:
    surplus = list(got)
    missing = []
    for wanted in expected:
        if wanted in surplus:
            surplus.remove(wanted)
        else:
            missing.append(wanted)
    return missing, surplus


def _paired(
    missing: Sequence[_T], surplus: list[_T], likeness: Callable[[_T, _T], int]
) -> Iterable[tuple[_T, _T | None]]:
    """Each missing thing with the likest of those not taken yet; the caller takes it."""
    for wanted in missing:
        near = max(surplus, key=lambda each: likeness(wanted, each), default=None)
        yield wanted, near if near is not None and likeness(wanted, near) > 0 else None


def _alert_likeness(one: ShownAlert, other: ShownAlert) -> int:
    labels = len(set(one.labels) & set(other.labels))
    return 2 * labels + len(set(one.annotations) & set(other.annotations))


def _sample_likeness(one: ShownSample, other: ShownSample) -> int:
    if one.labels == other.labels:
        return 1_000_000
    return 2 * len(set(one.labels) & set(other.labels)) + (one.value == other.value)


class _Side(NamedTuple):
    what: str
    wanted: str
    got: str


def _sides(kind: str, wanted: Mapping[str, str], got: Mapping[str, str]) -> list[_Side]:
    sides = []
    for name in sorted({*wanted, *got}):
        if wanted.get(name) != got.get(name):
            one, other = (quoted(side[name]) if name in side else "(none)" for side in (wanted, got))
            sides.append(_Side(f"{kind} {name}", one, other))
    return sides


def _side_lines(sides: Sequence[_Side]) -> list[str]:
    width = max((len(side.what) for side in sides), default=0)
    lines = []
    for what, wanted, got in sides:
        if max(len(wanted), len(got)) <= _WIDTH:
            lines.append(f"    {what:<{width}}  expected {wanted}, got {got}")
        else:
            lines.append(f"    {what}\n        expected {wanted}\n        got      {got}")
    return lines


def _without_name(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != ALERT_NAME)


def _alert_text(alert: ShownAlert) -> str:
    text = series_text(_without_name(alert.labels))
    if not alert.annotations:
        return text
    notes = "".join(f"\n    {name}: {quoted(value)}" for name, value in alert.annotations)
    return text + notes
