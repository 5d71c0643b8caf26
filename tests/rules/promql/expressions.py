"""Expressions to test with: those of the corpora, and random ones."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import strategies as st

from rules.promql.syntax.ast import Expr
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse

CORPORA = Path(__file__).parents[3].parent / "shared" / "corpora"
_EVAL = re.compile(r"^eval\w*\s+(?:instant at \S+|range from \S+ to \S+ step \S+)\s+(.*)$", re.MULTILINE)


@cache
def corpus() -> tuple[str, ...]:
    """Every expression of Prometheus' own test scripts and of the collected alert rules; skips the test without them."""
    if not CORPORA.exists():
        pytest.skip(f"{CORPORA} is absent")
    found: dict[str, None] = {}
    for path in sorted((CORPORA / "prometheus").rglob("*.test")):
        found.update(dict.fromkeys(_EVAL.findall(path.read_text())))
    for path in sorted((CORPORA / "awesome-prometheus-alerts" / "dist" / "rules").rglob("*.yml")):
        for group in (yaml.safe_load(path.read_text()) or {}).get("groups") or ():
            found.update(dict.fromkeys(rule["expr"] for rule in group["rules"] or ()))
    return tuple(found)


@cache
def corpus_trees() -> tuple[tuple[str, Expr], ...]:
    """The expressions of the corpora that are supported, and their trees."""
    trees = []
    for text in corpus():
        try:
            trees.append((text, parse(text)))
        except PromQLError:
            continue
    return tuple(trees)


_label = st.sampled_from(["job", "le", "by", "instance"])
_value = st.text(max_size=5).map(lambda text: text.replace("\ufffd", "")).filter(lambda text: text.isprintable())
_duration = st.sampled_from(["5m", "1h30m", "30", "1d", "500ms", "1_000"])


@st.composite
def _selectors(draw: st.DrawFn) -> str:
    matchers = [
        f"{draw(_label)}{draw(st.sampled_from(['=', '!=', '=~', '!~']))}{_quoted(draw(_value))}"
        for _ in range(draw(st.integers(0, 3)))
    ]
    name = draw(st.sampled_from(["x", "job:y:rate5m", "sum", "offset", "Ünicode.name"]))
    if not name.isascii():
        return "{" + ", ".join([f'"{name}"', *matchers]) + "}"
    return name + (f"{{{', '.join(matchers)}}}" if matchers else draw(st.sampled_from(["", "{}"])))


def _quoted(value: str) -> str:
    escaped = re.sub(r"[^\w ]", "", value)
    return f'"{escaped}"'


@st.composite
def _times(draw: st.DrawFn) -> str:
    at = draw(st.sampled_from(["", " @ 1.5", " @ -3", " @ start()", " @ end()"]))
    offset = draw(st.sampled_from(["", " offset 5m", " offset -1h", " offset 0.25"]))
    return draw(st.sampled_from([at + offset, offset + at]))


@st.composite
def _ranges(draw: st.DrawFn) -> str:
    return f"{draw(_selectors())}[{draw(_duration)}]{draw(_times())}"


_scalars = st.one_of(
    st.floats(allow_nan=False).map(lambda value: f"{value:.17g}"),
    st.sampled_from(["5m", "time()", "-1", "+Inf", "0x1f", "(2)", "pi()", "- -3s"]),
)
_leaves = st.tuples(_selectors(), _times()).map("".join)


def _grow(vectors: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    scalars = st.one_of(_scalars, st.tuples(vectors, st.just("")).map(lambda parts: f"scalar({parts[0]})"))
    clause = st.sampled_from(["", " by (job)", " without (le, instance)", " by ()", ' by ("a b")'])
    matching = st.sampled_from(["", " on (job)", " ignoring (le)", " on ()", " on (job) group_left (le)"])
    subqueries = st.tuples(vectors, _duration, st.sampled_from(["", "1m"]), _times()).map(
        lambda parts: f"({parts[0]})[{parts[1]}:{parts[2]}]{parts[3]}"
    )
    ranges = st.one_of(_ranges(), subqueries)
    return st.one_of(
        st.tuples(st.sampled_from(["rate", "increase", "max_over_time"]), ranges).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(scalars, ranges).map(lambda p: f"quantile_over_time({p[0]}, {p[1]})"),
        st.tuples(st.sampled_from(["sum", "avg"]), clause, vectors).map(lambda p: f"{p[0]}{p[1]}({p[2]})"),
        st.tuples(st.sampled_from(["topk", "quantile"]), scalars, vectors, clause).map(
            lambda p: f"{p[0]}({p[1]}, {p[2]}){p[3]}"
        ),
        # In parentheses, or a number that ends the left side could become the operand of `on`.
        st.tuples(vectors, st.sampled_from(["+", "-", "*", "/", "^", "==", "> bool"]), matching, vectors).map(
            lambda p: f"({p[0]}) {p[1]}{p[2]} {p[3]}"
        ),
        st.tuples(vectors, st.sampled_from(["and", "or", "unless on (job)"]), vectors).map(" ".join),
        st.tuples(vectors, st.sampled_from(["+", "%", "^", "<", "!= bool"]), scalars).map(" ".join),
        st.tuples(st.sampled_from(["-", "+"]), vectors).map("".join),
        vectors.map(lambda text: f"({text})"),
        vectors.map(lambda text: f'label_replace({text}, "a", "$1", "b", `(.*)`)'),
    )


random_expressions = st.recursive(_leaves, _grow, max_leaves=8)
"""The texts of valid expressions of any shape; without NaN, which equals nothing, itself included."""
