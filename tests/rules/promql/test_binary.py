"""Binary operators and vector matching, against straightforward loops over one instant at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.promql.binary import binary
from rules.promql.context import Options
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError, LimitExceeded
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector, Scalar, Value
from tests.rules.promql.vectors import Labels, Sample, assert_same, context, labels, samples, vector, vectors

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def run(text: str, lhs: Value, rhs: Value, **options: bool) -> Value:
    expr = parse(text)
    assert isinstance(expr, ast.Binary)
    instants = (lhs if isinstance(lhs, InstantVector | Scalar) else rhs).values.shape[-1]  # type: ignore[union-attr]
    return binary(expr, lhs, rhs, context(instants, **options))


def power(one: float, other: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.power(one, other))


def remainder(one: float, other: float) -> float:
    return math.nan if math.isinf(one) or other == 0 else math.fmod(one, other)


def quotient(one: float, other: float) -> float:
    return float(np.divide(one, other))


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": quotient,
    "%": remainder,
    "^": power,
    "atan2": math.atan2,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
}
MATCHINGS = {
    "": lambda name: name != "__name__",
    "on (a)": lambda name: name == "a",
    "on ()": lambda name: False,
    "on (__name__, b)": lambda name: name in ("__name__", "b"),
    "ignoring (c)": lambda name: name not in ("__name__", "c"),
    "ignoring (a, b)": lambda name: name == "c",
}


class Refused(Exception):
    """What the loop below does where the engine raises."""


def nameless(key: Labels) -> Labels:
    return tuple(pair for pair in key if pair[0] != "__name__")


def joined(op: str, matching: str, grouping: str, boolean: bool, lhs: Sample, rhs: Sample) -> Sample:
    """One instant of ``lhs op matching grouping rhs``, as the documentation describes it."""
    if not lhs or not rhs:
        return {}
    swapped = grouping.startswith("group_right")
    many, one = (rhs, lhs) if swapped else (lhs, rhs)

    def signature(key: Labels) -> Labels:
        return tuple(pair for pair in key if MATCHINGS[matching](pair[0]))

    partners: dict[Labels, Labels] = {}
    for key in one:
        if signature(key) in partners:
            raise Refused
        partners[signature(key)] = key
    result: Sample = {}
    matched: set[tuple[Labels, Labels]] = set()
    for key, value in many.items():
        partner = partners.get(signature(key))
        if partner is None:
            continue
        left, right = (one[partner], value) if swapped else (value, one[partner])
        named = dict(key if op in COMPARISONS and not boolean else nameless(key))
        if not grouping:
            named = {name: text for name, text in named.items() if (name == "__name__" or MATCHINGS[matching](name))}
            if matching.startswith("on") and not MATCHINGS[matching]("__name__"):
                named.pop("__name__", None)
        if "(c)" in grouping:
            named.pop("c", None)
            named.update({name: text for name, text in partner if name == "c"})
        name = tuple(sorted(named.items()))
        place = (signature(key), name if grouping else ())
        if place in matched:
            raise Refused
        matched.add(place)
        if op in ARITHMETIC:
            number: float | None = ARITHMETIC[op](left, right)
        else:
            holds = COMPARISONS[op](left, right)
            number = float(holds) if boolean else left if holds else None
        if number is not None:
            if name in result:
                raise Refused
            result[name] = number
    return result


@settings(max_examples=400)
@given(
    op=st.sampled_from([*ARITHMETIC, *COMPARISONS]),
    matching=st.sampled_from(list(MATCHINGS)),
    grouping=st.sampled_from(["", "group_left", "group_right", "group_left (c)", "group_right (c)"]),
    boolean=st.booleans(),
    lhs=vectors(instants=2, most=4),
    rhs=vectors(instants=2, most=3),
)
def test_vector_matching_equals_its_loop(
    op: str, matching: str, grouping: str, boolean: bool, lhs: InstantVector, rhs: InstantVector
) -> None:
    if (grouping and not matching) or (matching == "on (a)" and "(c)" not in grouping and grouping):
        matching = "ignoring (c)"
    grouping = grouping.replace(" (c)", "") if matching == "ignoring (a, b)" else grouping
    boolean = boolean and op in COMPARISONS
    text = f"x {op} {'bool' if boolean else ''} {matching} {grouping} y"
    try:
        wanted = [
            joined(op, matching, grouping, boolean, left, right)
            for left, right in zip(samples(lhs), samples(rhs), strict=True)
        ]
    except Refused:
        with pytest.raises(EvaluationError):
            run(text, lhs, rhs)
        return
    found = samples(run(text, lhs, rhs))
    assert_same(found or [{}] * 2, wanted)


@settings(max_examples=200)
@given(
    op=st.sampled_from(["and", "or", "unless"]),
    matching=st.sampled_from(list(MATCHINGS)),
    lhs=vectors(instants=2),
    rhs=vectors(instants=2),
)
def test_set_operators_equal_their_loops(op: str, matching: str, lhs: InstantVector, rhs: InstantVector) -> None:
    wanted: list[Sample] = []
    clash = False
    for left, right in zip(samples(lhs), samples(rhs), strict=True):
        signed = [
            {tuple(pair for pair in key if MATCHINGS[matching](pair[0])) for key in side} for side in (left, right)
        ]

        def on_the_other(key: Labels, side: int, signed: list[set[Labels]] = signed) -> bool:
            return tuple(pair for pair in key if MATCHINGS[matching](pair[0])) in signed[side]

        if op == "or":
            rest = {key: value for key, value in right.items() if not on_the_other(key, 0)}
            clash = clash or bool(rest.keys() & left.keys())
            wanted.append({**rest, **left})
        else:
            wanted.append({key: value for key, value in left.items() if on_the_other(key, 1) == (op == "and")})
    if clash:
        with pytest.raises(EvaluationError, match="same labelset"):
            run(f"x {op} {matching} y", lhs, rhs)
        return
    assert_same(samples(run(f"x {op} {matching} y", lhs, rhs)), wanted)


@given(
    op=st.sampled_from([*ARITHMETIC, *COMPARISONS]),
    given_vector=vectors(instants=2, most=4, distinct_names=False),
    number=st.sampled_from([0.0, -2.0, 2.5, math.inf, math.nan]),
)
def test_a_scalar_on_either_side(op: str, given_vector: InstantVector, number: float) -> None:
    scalar = Scalar(np.array([number, 1.0]))
    for swapped in (False, True):
        sides = (scalar, given_vector) if swapped else (given_vector, scalar)
        text = f"1 {op} x" if swapped else f"x {op} 1"
        wanted: list[Sample] = []
        for at, sample in zip(scalar.values.tolist(), samples(given_vector), strict=True):
            pairs = {key: (at, value) if swapped else (value, at) for key, value in sample.items()}
            if op in ARITHMETIC:
                wanted.append({nameless(key): ARITHMETIC[op](*pair) for key, pair in pairs.items()})
            else:
                # The vector's own value stays, whichever side it is on.
                wanted.append({key: sample[key] for key, pair in pairs.items() if COMPARISONS[op](*pair)})
        assert_same(samples(run(text, *sides)), wanted)


@pytest.mark.parametrize(
    ("text", "one", "other", "result"),
    [
        ("1 % 1", -5.0, 3.0, -2.0),
        ("1 % 1", 5.0, -3.0, 2.0),
        ("1 % 1", 5.0, math.inf, 5.0),
        ("1 % 1", 5.0, 0.0, math.nan),
        ("1 ^ 1", -8.0, 1 / 3, math.nan),
        ("1 ^ 1", -1.0, math.inf, 1.0),
        ("1 ^ 1", 0.0, -1.0, math.inf),
        ("1 / 1", -1.0, 0.0, -math.inf),
        ("1 / 1", 0.0, 0.0, math.nan),
        ("1 atan2 1", -0.0, -1.0, -math.pi),
        ("1 == bool 1", math.nan, math.nan, 0.0),
        ("1 != bool 1", math.nan, math.nan, 1.0),
        ("1 >= bool 1", 2.0, 2.0, 1.0),
    ],
)
def test_scalars_as_in_go(text: str, one: float, other: float, result: float) -> None:
    assert_same(samples(run(text, Scalar(np.array([one])), Scalar(np.array([other])))), [{(): result}])


def test_series_that_are_never_present_together_do_not_conflict() -> None:
    lhs = vector([({"a": "1"}, [1.0, 2.0])], 2)
    rhs = vector([({"a": "1", "b": "1"}, [10.0, None]), ({"a": "1", "b": "2"}, [None, 20.0])], 2)
    assert samples(run("x + on (a) y", lhs, rhs)) == [{labels(a="1"): 11.0}, {labels(a="1"): 22.0}]
    assert samples(run("y + on (a) x", rhs, lhs)) == [{labels(a="1"): 11.0}, {labels(a="1"): 22.0}]


def test_a_duplicate_matters_only_while_the_other_side_is_there() -> None:
    lhs = vector([({"a": "1"}, [None, 2.0])], 2)
    rhs = vector([({"a": "1", "b": "1"}, [1.0, 1.0]), ({"a": "1", "b": "2"}, [1.0, None])], 2)
    assert samples(run("x + on (a) y", lhs, rhs)) == [{}, {labels(a="1"): 3.0}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x > on (a) y",
            'found duplicate series for the match group {a="1"} on the right hand-side of the operation: [{__name__="y", a="1", '
            'b="1"}, {__name__="y", a="1", b="2"}];many-to-many matching not allowed: matching labels must be unique on one side',
        ),
        (
            "x > ignoring (b) group_right y",
            'found duplicate series for the match group {a="1"} on the left hand-side of the operation: [{__name__="x", a="1", '
            'b="1"}, {__name__="x", a="1", b="2"}];many-to-many matching not allowed: matching labels must be unique on one side',
        ),
    ],
)
def test_many_to_many_is_refused_in_prometheus_words(text: str, message: str) -> None:
    rows = {
        name: vector([({"__name__": name, "a": "1", "b": b}, [float(b)]) for b in ("2", "1")], 1) for name in ("x", "y")
    }
    with pytest.raises(EvaluationError) as refusal:
        run(text, rows["x"], rows["y"])
    assert str(refusal.value) == message


def test_a_join_too_large_is_refused_before_it_is_made() -> None:
    x = vector([({"i": str(row)}, [1.0] * 4) for row in range(4)], 4)
    y = vector([({"i": str(row)}, [1.0 if row == at else None for at in range(4)]) for row in range(4)], 4)
    expr = parse("x * on () group_left y")
    assert isinstance(expr, ast.Binary)
    with pytest.raises(LimitExceeded, match="16 series at 4 instants"):
        binary(expr, x, y, replace(context(4), options=Options(max_cells=63)))
    assert samples(binary(expr, x, y, context(4))) == [{labels(i=str(row)): 1.0 for row in range(4)}] * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x == on (a) y", "many-to-one matching must be explicit"),
        ("x == on (a) group_left (b) y", "grouping labels must ensure unique matches"),
    ],
)
def test_ambiguous_results_are_refused_even_if_filtered_away(text: str, message: str) -> None:
    lhs = vector([({"a": "1", "b": b}, [7.0]) for b in ("1", "2")], 1)
    rhs = vector([({"a": "1"}, [8.0])], 1)
    with pytest.raises(EvaluationError, match=message):
        run(text, lhs, rhs)


@pytest.mark.parametrize(
    ("text", "delayed", "wanted"),
    [
        ("x + y", False, {labels(a="1"): 4.0}),
        ("x + y", True, {labels(a="1"): 4.0}),
        ("x <= bool y", False, {labels(a="1"): 1.0}),
        ("x <= bool y", True, {labels(a="1"): 1.0}),
        ("x <= y", False, {labels(name="x", a="1"): 1.0}),
        ("x <= on (a) y", False, {labels(a="1"): 1.0}),
        ("x <= on (a, __name__) group_right x", False, {labels(name="x", a="1"): 1.0}),
    ],
)
def test_names(text: str, delayed: bool, wanted: Sample) -> None:
    x = vector([({"__name__": "x", "a": "1"}, [1.0])], 1)
    y = vector([({"__name__": "y", "a": "1"}, [3.0])], 1)
    rhs = x if text.endswith("x") else y
    assert samples(run(text, x, rhs, delayed_name_removal=delayed)) == [wanted]


def test_what_a_metric_is_goes_with_its_name() -> None:
    x = vector([({"__name__": "x", "__type__": "counter", "__unit__": "bytes", "a": "1"}, [1.0])], 1)
    assert samples(run("x * x", x, x)) == [{labels(a="1"): 1.0}]
