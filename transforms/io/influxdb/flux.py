"""Questions to InfluxDB in Flux: selectors and a range of time as filters that its storage evaluates. Pure.

Only what Flux evaluates as PromQL does becomes a filter; a reader filters the rest. What differs: an absent tag equals nothing in Flux, and is
the empty value in PromQL; patterns are Go's RE2 in both, but not anchored in Flux, and a dot matches no line feed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rules.promql.labels import METRIC_NAME
from rules.promql.matchers import predicate
from rules.promql.syntax.ast import Matcher, MatchOp

NO_LABELS = ("", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement")
"""Columns of Flux' answers that are no tags."""

_ALTERNATIVES = re.compile(r"[\w|:-]+", re.ASCII)
# Written in a literal of Flux as they are: no slash, which ends one, and no escape but those that every RE2 has.
_PLAIN_PATTERN = re.compile(r"(?:[\w.*+?|()\[\]^$:,@#%&=~ {}-]|\\[.dws+*?|()\[\]])+", re.ASCII)


def flux(
    bucket: str,
    selectors: Sequence[Sequence[Matcher]] | None,
    start_ms: int,
    end_ms: int,
    value: str | None,
    pick: str | None = None,
) -> str:
    """The query for samples in ``[start_ms, end_ms]``, of series that fit all matchers of a selector, and of others perhaps.

    Args:
        selectors: None for all series.
        value: of rollups of a job, which of their values; the bucket holds fields of line protocol if None.
        pick: ``first`` or ``last``, for one sample of each series.

    Raises:
        PromQLSyntaxError: a matcher's pattern is none.
    """
    lines = [f"from(bucket: {text(bucket)})", f"|> range(start: {_moment(start_ms)}, stop: {_moment(end_ms + 1)})"]
    if selectors is not None:
        conditions = list(dict.fromkeys(" and ".join(_conditions(each, value)) for each in selectors))
        if "" not in conditions:
            lines.append(f"|> filter(fn: (r) => {' or '.join(conditions) or 'false'})")
    if value is not None:
        of_value = () if pick else ("sum", "count") if value == "avg" else (value,)
        needed = (*of_value, "last_ts")
        lines.append(f"|> filter(fn: (r) => {' or '.join(f'r._field == {text(each)}' for each in needed)})")
    if pick:
        lines.append(f"|> {pick}()")
    return "\n  ".join(lines) + "\n"


def text(value: str) -> str:
    """A string literal of Flux."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{quoted}"'


def _conditions(matchers: Sequence[Matcher], value: str | None) -> Iterator[str]:
    """What a series must meet to fit the matchers, as far as Flux can say it."""
    for matcher in matchers:
        fits_absent = predicate(matcher)("")
        if matcher.name == METRIC_NAME:
            values = _values(matcher)
            if values is not None and all(values):
                places = [place for each in values for place in _places(each, value)]
                joined = " or ".join(places)
                yield joined if 1 in (len(matchers), len(places)) else f"({joined})"
        elif matcher.name not in NO_LABELS and matcher.name.isprintable():
            condition = _tag(matcher, f"r[{text(matcher.name)}]", fits_absent)
            if condition:
                yield condition


def _tag(matcher: Matcher, tag: str, fits_absent: bool) -> str | None:
    """The condition on a tag; None where Flux has none that means the same."""
    if matcher.op is MatchOp.NOT_EQUAL:
        if not matcher.value:
            return f"exists {tag}"
        return f"(not exists {tag} or {tag} != {text(matcher.value)})" if matcher.value.isprintable() else None
    if fits_absent or matcher.op is MatchOp.NOT_REGEX:
        return None
    values = _values(matcher)
    if values is not None:
        equal = [f"{tag} == {text(each)}" for each in values if each]
        return equal[0] if len(equal) == 1 else f"({' or '.join(equal)})"
    if matcher.op is MatchOp.REGEX and _PLAIN_PATTERN.fullmatch(matcher.value):
        return f"{tag} =~ /^(?s:{matcher.value})$/"
    return None


def _values(matcher: Matcher) -> list[str] | None:
    """The only values that fit, where the matcher names them."""
    if matcher.op is MatchOp.EQUAL:
        return [matcher.value] if matcher.value.isprintable() else None
    if matcher.op is MatchOp.REGEX and _ALTERNATIVES.fullmatch(matcher.value):
        return list(dict.fromkeys(matcher.value.split("|")))
    return None


def _places(name: str, value: str | None) -> Iterator[str]:
    """Where a metric may be: each measurement, and field of it, that makes up its name."""
    if value is not None:
        yield f"r._measurement == {text(name)}"
        return
    yield f'(r._measurement == {text(name)} and r._field == "value")'
    for at, letter in enumerate(name):
        if letter == "_" and 0 < at < len(name) - 1:
            yield f"(r._measurement == {text(name[:at])} and r._field == {text(name[at + 1 :])})"


def _moment(ms: int) -> str:
    return f"time(v: {ms * 1_000_000})"
