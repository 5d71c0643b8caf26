"""Rules that find no data: reported from rules that are quiet, and why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.evaluation.program import Program
from rules.planning.catalogue import MAX_VALUES, MAX_WRITTEN, Catalogue
from rules.planning.no_data import Looked, Unfed, selectors, unfed, unfed_of, yields_nothing
from rules.promql.engine import instant
from rules.promql.labels import LabelFrame
from rules.promql.storage import MemoryStorage, matching_rows
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector, Scalar
from tests.rules.evaluation.stepping import MINUTE, groups_of, storage_of

DATA = (
    'cpu_usage{host="web-1",mode="idle"} 1 2 3',
    'cpu_usage{host="web-2",mode="user"} 1 2 3',
    'requests_total{job="api"} 1 2 3',
    "up 1 1 1",
)


def catalogue_of(storage: MemoryStorage) -> Catalogue:
    found = Catalogue()
    found.add(storage.labels)
    return found


def look(*rules: str, lines: tuple[str, ...] = DATA) -> dict[str, Unfed]:
    program = Program(groups_of(f"groups: [{{name: g, rules: [{', '.join(rules)}]}}]"))
    storage = storage_of(*lines)
    found = unfed(program, lambda matchers: bool(matching_rows(storage.labels, matchers).any()), catalogue_of(storage))
    return {program.rules[position].rule.name: each for position, each in found.items()}


@pytest.mark.parametrize(
    ("expr", "silent", "reported"),
    [
        ("cpu_usage > 1", None, []),
        ("cpu_usge > 1", True, ["no data for cpu_usge: the data hold no metric cpu_usge; did you mean cpu_usage?"]),
        ("upp == 0", True, ["no data for upp: the data hold no metric upp; did you mean up?"]),
        (
            "zebra > 1",
            True,
            ["no data for zebra: the data hold no metric zebra; they hold cpu_usage, requests_total, up"],
        ),
        (
            'cpu_usage{host="web1"} > 1',
            True,
            [
                'no data for cpu_usage{host="web1"}: cpu_usage is there, but never with host="web1"; did you mean "web-1"?'
            ],
        ),
        (
            'cpu_usage{hots="web-1"} > 1',
            True,
            [
                'no data for cpu_usage{hots="web-1"}: cpu_usage is there, but never with hots="web-1"; '
                "did you mean the label host?"
            ],
        ),
        (
            'cpu_usage{zone="a"} > 1',
            True,
            ['no data for cpu_usage{zone="a"}: cpu_usage is there, but never with zone="a"; its labels are host, mode'],
        ),
        ('up{job="a"} > 1', True, ['no data for up{job="a"}: up is there, but never with job="a"; it has no labels']),
        (
            'cpu_usage{host=~"db.*"} > 1',
            True,
            [
                'no data for cpu_usage{host=~"db.*"}: cpu_usage is there, but never with host=~"db.*"; '
                'its host is "web-1", "web-2"'
            ],
        ),
        (
            'cpu_usage{host="web-1",mode="user"} > 1',
            True,
            [
                'no data for cpu_usage{host="web-1",mode="user"}: cpu_usage is there, '
                "but no sample with all of these labels at these times"
            ],
        ),
        ('{__name__=~"disk.*"} > 1', True, ['no data for {__name__=~"disk.*"}: no series of the data fits']),
        # Either side of an operator, but not of `or`.
        ("rate(erors[5m]) / rate(requests_total[5m]) > 1", True, ["no data for erors: the data hold no metric erors"]),
        ("cpu_usage > 1 or zebra > 1", False, ["no data for zebra: the data hold no metric zebra"]),
        ("cpu_usage unless on () zebra", False, ["no data for zebra: the data hold no metric zebra"]),
        ("zebra unless on () cpu_usage", True, ["no data for zebra: the data hold no metric zebra"]),
        ("sum by (host) (rate(zebra[5m] offset 1h)) > 1", True, ["no data for zebra: the data hold no metric zebra"]),
        # What asks for what is absent is there for that.
        ("absent(zebra)", None, []),
        ("absent_over_time(zebra[5m])", None, []),
        ("vector(1) + on () sum(zebra)", True, ["no data for zebra: the data hold no metric zebra"]),
        ("cpu_usage > scalar(zebra)", False, ["no data for zebra: the data hold no metric zebra"]),
    ],
)
def test_what_a_rule_lacks(expr: str, silent: bool | None, reported: list[str]) -> None:
    found = look(f"{{alert: A, expr: '{expr}'}}")
    if silent is None:
        assert found == {}
        return
    assert found["A"].silent is silent
    texts = list(map(str, found["A"].selectors))
    assert [text[: len(start)] for text, start in zip(texts, reported, strict=True)] == reported


def test_a_rule_lacks_what_another_records_of_nothing() -> None:
    found = look(
        "{record: 'a:b', expr: 'sum(cpu_usge)'}",
        "{record: 'c:d', expr: 'a:b * 2'}",
        "{alert: Through, expr: 'c:d > 1'}",
        "{record: 'e:f', expr: 'sum(cpu_usage)'}",
        "{alert: Fed, expr: 'e:f > 1'}",
        "{alert: Itself, expr: 'ALERTS{alertname=\"Through\"}'}",
    )
    assert {name: each.silent for name, each in found.items()} == {"a:b": True, "c:d": True, "Through": True}
    assert [str(each) for each in found["Through"].selectors] == [
        "no data for c:d: rule c:d writes it, and has no data itself"
    ]


def test_rules_that_record_for_each_other_have_nothing_to_begin_with() -> None:
    assert {name: each.silent for name, each in look("{record: r, expr: s}", "{record: s, expr: r}").items()} == {
        "r": True,
        "s": True,
    }
    assert look("{record: r, expr: 'r or cpu_usage'}") == {}
    # One of them has something else, wherever it stands.
    for rules in (
        ("{record: r, expr: s or cpu_usage}", "{record: s, expr: r}"),
        ("{record: s, expr: r}", "{record: r, expr: s or cpu_usage}"),
    ):
        assert look(*rules) == {}


def test_a_selector_is_reported_once() -> None:
    assert len(look("{alert: A, expr: 'rate(zebra[5m]) > 2 * rate(zebra[1h] offset 1d)'}")["A"].selectors) == 1


def test_an_expression_by_itself() -> None:
    storage = storage_of(*DATA)
    looked = Looked(Program(()), lambda matchers: bool(matching_rows(storage.labels, matchers).any()))
    (found,) = unfed_of(parse("upp + up"), looked, catalogue_of(storage))
    assert str(found) == "no data for upp: the data hold no metric upp; did you mean up?"


def test_of_a_label_with_very_many_values_none_is_said_to_be_missing() -> None:
    matchers = (ast.Matcher("__name__", ast.MatchOp.EQUAL, "m"), ast.Matcher("id", ast.MatchOp.EQUAL, "none"))
    for values, reason in ((MAX_VALUES, "never with"), (MAX_VALUES + 1, "no sample with all of these labels")):
        found = Catalogue()
        for number in range(values):
            found.add(LabelFrame.of([{"__name__": "m", "id": str(number)}]))
        assert reason in found.why_nothing(matchers)[0]


def test_a_catalogue_travels_as_texts() -> None:
    storage = storage_of(*DATA, *(f'many{{id="{number}"}} 1' for number in range(MAX_WRITTEN + 1)))
    whole = catalogue_of(storage)
    found = Catalogue()
    # In parts, as shards have them, and some of them twice.
    for rows in ([0, 1, 2], [2, 3, *range(4, storage.labels.size)]):
        part = Catalogue()
        part.add(storage.labels.take(np.array(rows, np.int64)))
        found.add_texts([*part.texts(), *part.texts()])
    assert found.names == whole.names
    for text in (
        'cpu_usage{host="web1"}',
        'cpu_usage{hots="a"}',
        'up{job="a"}',
        "upp",
        'cpu_usage{mode="idle",host="web-2"}',
    ):
        (selector,) = selectors(parse(text))
        assert found.why_nothing(selector.matchers) == whole.why_nothing(selector.matchers)
    # Of more values than a text holds, none is said to be missing.
    (selector,) = selectors(parse('many{id="none"}'))
    assert (
        found.why_nothing(selector.matchers)[0]
        == "many is there, but no sample with all of these labels at these times"
    )


def test_of_metrics_known_by_name_alone_no_label_is_said_to_be_missing() -> None:
    found = Catalogue()
    found.add_names(["m"])
    matchers = (ast.Matcher("__name__", ast.MatchOp.EQUAL, "m"), ast.Matcher("id", ast.MatchOp.EQUAL, "none"))
    assert found.why_nothing(matchers) == ("m is there, but no sample with all of these labels at these times", "")
    assert found.why_nothing(matchers[:1]) == ("m is there, but no sample of it at these times", "")


vectors = st.recursive(
    st.sampled_from(["there", "here", "nothing", "naught", "vector(1)"]),
    lambda parts: st.one_of(
        st.tuples(parts, st.sampled_from(["+", ">", "> bool", "and", "or", "unless"]), parts).map(
            lambda each: f"({each[0]} {each[1]} {each[2]})"
        ),
        st.tuples(
            st.sampled_from(["sum({})", "abs({})", "-{}", "absent({})", "{} * 2", "vector(scalar({}))"]), parts
        ).map(lambda each: each[0].format(f"({each[1]})")),
        parts.map(lambda part: f"max_over_time(({part})[2m:1m])"),
        parts.map(lambda part: f'label_replace(({part}), "a", "$1", "b", "(.*)")'),
    ),
    max_leaves=6,
)


@given(vectors, st.sets(st.sampled_from(["there", "here", "nothing", "naught"])))
def test_what_is_said_to_yield_nothing_yields_nothing(text: str, empty: set[str]) -> None:
    """Whatever the values of the series that are there."""
    expr = parse(text)
    assume(yields_nothing(expr, lambda selector: selector.name in empty))
    storage = storage_of(*(f"{name} 1 2 3" for name in ("there", "here", "nothing", "naught") if name not in empty))
    try:
        value = instant(expr, storage, 2 * MINUTE).value
    except PromQLError:
        return
    assert not isinstance(value, Scalar)
    assert isinstance(value, InstantVector)
    assert value.labels.size == 0
