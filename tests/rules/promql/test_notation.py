"""The series notation: values, repetitions, labels, and where a line is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.golang.floats import decimal
from rules.promql.notation import parse_mixed_series, parse_series, parse_series_description, parse_values
from rules.promql.syntax.errors import LimitExceeded, PromQLSyntaxError, Span, UnsupportedFeature
from rules.promql.syntax.literals import quote
from rules.promql.values import is_stale

ABSENT = None


def read(text: str) -> list[float | None]:
    values, present = parse_values(text)
    return [value if there else ABSENT for value, there in zip(values.tolist(), present.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("  ", []),
        ("1", [1]),
        ("1 2.5\t-3e2 +4", [1, 2.5, -300, 4]),
        ("_", [ABSENT]),
        ("_x3 1", [ABSENT] * 3 + [1]),
        ("_x0 1", [1]),
        ("2x3", [2, 2, 2, 2]),
        ("0+10x3", [0, 10, 20, 30]),
        ("10-2x3", [10, 8, 6, 4]),
        ("-1-1x2", [-1, -2, -3]),
        ("1+0x0", [1]),
        ("1+-2x1", None),
        ("Inf -inf +INF", [math.inf, -math.inf, math.inf]),
        ("010 08 0 1_000 .5 5.", [8, 8, 0, 1000, 0.5, 5]),
        # Rounding errors add up, as they do in Prometheus.
        ("0+0.1x3", [0, 0.1, 0.2, 0.30000000000000004]),
    ],
)
def test_values(text: str, values: list[float | None] | None) -> None:
    if values is None:
        with pytest.raises(PromQLSyntaxError):
            read(text)
    else:
        assert read(text) == values


def test_a_staleness_marker_is_not_just_any_nan() -> None:
    values, present = parse_values("stale NaN nan")
    assert present.all()
    assert np.isnan(values).all()
    assert is_stale(values).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("up", {"__name__": "up"}),
        ("job:rate:sum{}", {"__name__": "job:rate:sum"}),
        ('up{job="a",instance="b"}', {"__name__": "up", "job": "a", "instance": "b"}),
        ('up{ job = "a" , }', {"__name__": "up", "job": "a"}),
        ('{job="a"}', {"job": "a"}),
        ("{}", {}),
        ('{"my.metric", "the label"="x"}', {"__name__": "my.metric", "the label": "x"}),
        ("up{a='it\\'s', b=`raw\\n`, c=\"\\u00e9\\n\"}", {"__name__": "up", "a": "it's", "b": "raw\\n", "c": "é\n"}),
        # An empty label is no label.
        ('up{job=""}', {"__name__": "up"}),
    ],
)
def test_labels(line: str, labels: dict[str, str]) -> None:
    assert parse_series(line) == labels
    assert parse_series_description(line + " 1 2")[0] == labels


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("", 0, "a series"),
        ("1", 0, "a series"),
        ("up{job}", 6, "expected ="),
        ("up{job=~'a'}", 7, "quoted label value"),
        ("up{job='a'", 10, ", or }"),
        ("up{job='a',job='b'}", 11, "given twice"),
        ("up{job='\\q'}", 7, "unknown escape"),
        ("up{}1", 4, "a space before the values"),
        ("up {job='a'} 1", 3, "a value"),
        ("up 1 2x", 6, "a space between values"),
        ("up 1+1", 6, "x and a count"),
        ("up 1x1e3", 6, "a space between values"),
        ("up stales", 3, "a value"),
        ("up 0x10x2", 7, "a space between values"),
        ("up 1e999", 3, "out of range"),
    ],
)
def test_faults_name_their_column(line: str, column: int, message: str) -> None:
    with pytest.raises(PromQLSyntaxError, match=message) as fault:
        parse_series_description(line)
    assert fault.value.span is not None
    assert fault.value.span.start == column


def test_text_after_a_series_is_refused() -> None:
    with pytest.raises(PromQLSyntaxError, match="the end of the series"):
        parse_series("up 1")


def test_a_slip_in_a_repetition_does_not_fill_the_memory() -> None:
    with pytest.raises(LimitExceeded, match="1,000,000,000,000"):
        parse_values("0+1x999999999999")


def test_native_histograms_are_refused_by_name_and_passed_over_if_asked() -> None:
    line = 'h{a="b"} 1 {{schema:0 sum:1}}x1 {{sum:1}}+{{sum:2 buckets:[1 2]}}x1 _ 2'
    with pytest.raises(UnsupportedFeature, match="native histogram") as refusal:
        parse_series_description(line)
    assert refusal.value.span is not None
    assert line[refusal.value.span.start :].startswith("{{schema:0")
    labels, values, present, native = parse_mixed_series(line)
    assert labels == {"__name__": "h", "a": "b"}
    assert present.tolist() == [True, False, False, False, False, False, True]
    assert native.tolist() == [False, True, True, True, True, False, False]
    assert values[present].tolist() == [1, 2]


@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 5)),
        max_size=5,
    )
)
def test_repetitions_expand_to_running_sums(items: list[tuple[float, float, int]]) -> None:
    texts, wanted = [], []
    for first, step, times in items:
        texts.append(f"{decimal(first)}{'-' if step < 0 or str(step) == '-0.0' else '+'}{decimal(abs(step))}x{times}")
        value = first
        for _ in range(times + 1):
            wanted.append(value)
            value += step
    found = read(" ".join(texts))
    assert found == pytest.approx(wanted, nan_ok=True, rel=0, abs=0)


LABEL = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True).filter(lambda name: name != "__name__")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(LABEL, TEXT, max_size=4), st.none() | st.from_regex(r"[a-z_:][a-z0-9_:]*", fullmatch=True))
def test_series_read_back(labels: dict[str, str], name: str | None) -> None:
    text = "{" + ",".join(f"{label}={quote(value)}" for label, value in labels.items()) + "}"
    wanted = labels if name is None else {**labels, "__name__": name}
    assert parse_series((name or "") + text) == wanted


@given(st.text(alphabet="ab{}\"'`=,_x0123.+-eE stale\\\t[]") | st.text())
def test_any_text_is_read_or_refused_with_a_place(line: str) -> None:
    span = Span(0, 0)
    try:
        _, values, present = parse_series_description(line)
    except (PromQLSyntaxError, UnsupportedFeature, LimitExceeded) as error:
        span = error.span or Span(-1, -1)
    else:
        assert len(values) == len(present)
    assert 0 <= span.start <= span.end <= len(line)
