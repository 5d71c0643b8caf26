"""Random selectors and ranges, and what a store must answer: what the store in memory selects of all samples."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import strategies as st

from rules.promql.storage import MemoryStorage, Storage
from rules.promql.syntax.ast import Matcher, MatchOp

Labels = tuple[tuple[str, str], ...]
"""A label set, sorted by name."""
Samples = Mapping[tuple[Labels, int], float]
"""Values by series and time, ms."""

VALUES = ("", "a", "ab", "b", "A", "web-1", "a|b", 'q"\\', "${x}", "x/y", "é\n")
PATTERNS = (
    *("a", "a|b", "a.*", ".*", ".+", "", "|a", "(?i)A", "web-[0-9]", r"web-\d+", "[^a]+", "b?", "a|", r"\Qa|b\E"),
    *(r"a\|b", "x/y", "x.y", "é.", "^a$", "a$|^b", '(a|q"\\\\)', r".*\n", "(a|b)", "a{1,2}", r"\x61", ".*b", "web.1"),
)


def labels_of(names: Sequence[str], metrics: Sequence[str], values: Sequence[str]) -> st.SearchStrategy[Labels]:
    """Label sets with a metric name and some of the labels."""

    def made(name: str, others: dict[str, str]) -> Labels:
        return tuple(sorted({"__name__": name, **{key: value for key, value in others.items() if value}}.items()))

    return st.builds(
        made, st.sampled_from(metrics), st.fixed_dictionaries({name: st.sampled_from(values) for name in names})
    )


def matchers_of(names: Sequence[str], metrics: Sequence[str], values: Sequence[str]) -> st.SearchStrategy[Matcher]:
    """Matchers of all four kinds on these labels, on the name, and on a label that no series has."""
    literal = st.sampled_from((MatchOp.EQUAL, MatchOp.NOT_EQUAL))
    pattern = st.sampled_from((MatchOp.REGEX, MatchOp.NOT_REGEX))
    of_name = st.builds(Matcher, st.just("__name__"), literal, st.sampled_from((*metrics, "", "none"))) | st.builds(
        Matcher,
        st.just("__name__"),
        pattern,
        st.sampled_from((*metrics, ".+", ".*", "|".join(metrics[:2]), metrics[0][:2] + ".*", f"({metrics[-1]}|none)")),
    )
    label = st.sampled_from((*names, "none"))
    return st.one_of(
        of_name,
        st.builds(Matcher, label, literal, st.sampled_from(values)),
        st.builds(Matcher, label, pattern, st.sampled_from((*PATTERNS, *(each for each in values if each.isalnum())))),
    )


def in_memory(samples: Samples) -> MemoryStorage:
    """All samples as a store."""
    by_series: dict[Labels, list[tuple[int, float]]] = {}
    for (labels, when), value in sorted(samples.items(), key=lambda item: item[0]):
        by_series.setdefault(labels, []).append((when, value))
    return MemoryStorage.from_series(
        (dict(labels), np.array([when for when, _ in pairs]), np.array([value for _, value in pairs]))
        for labels, pairs in by_series.items()
    )


def selected(
    storage: Storage, matchers: Sequence[Matcher], start_ms: int, end_ms: int, stale: bool
) -> dict[Labels, list[tuple[int, bytes]]]:
    """What a store selects, without samples outside ``(start_ms, end_ms]``: by series times and the values' bits.

    Raises:
        AssertionError: a series comes twice, or times do not ascend.
    """
    found = storage.select(matchers, start_ms, end_ms, stale=stale)
    series: dict[Labels, list[tuple[int, bytes]]] = {}
    for row, labels in enumerate(found.labels.rows()):
        place = slice(int(found.begin[row]), int(found.end[row]))
        times, values = found.timestamps[place].tolist(), found.values[place].tolist()
        assert times == sorted(set(times))
        pairs = [
            (when, struct.pack("<d", value))
            for when, value in zip(times, values, strict=True)
            if start_ms < when <= end_ms
        ]
        key = tuple(sorted(labels.items()))
        assert key not in series
        if pairs:
            series[key] = pairs
    return series
