from __future__ import annotations

import pytest
from hypothesis import given

from schemas.series import (
    labels_text,
    metric_text,
    parse_labels,
    parse_metric,
    series_text,
    shard_of,
    split_labels,
    stable_hash,
)
from tests.schemas.rows import labels, names


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([], "{}"),
        ([("b", "2"), ("a", "1")], '{a="1",b="2"}'),
        ([("a", "")], "{}"),
        ([("a", 'x"y\\z\n')], '{a="x\\"y\\\\z\\n"}'),
        ([("a b", "1")], '{"a b"="1"}'),
        ([("a.b-c/d", "1")], '{a.b-c/d="1"}'),
    ],
)
def test_labels_text(pairs: list[tuple[str, str]], text: str) -> None:
    assert labels_text(pairs) == text


@pytest.mark.parametrize(
    ("name", "pairs", "text"),
    [
        ("up", [], "up"),
        ("up", [("a", "")], "up"),
        ("cpu", [("mode", "idle")], 'cpu{mode="idle"}'),
        ("a name", [], '"a name"'),
        ("a{", [("b", "c")], '"a{"{b="c"}'),
    ],
)
def test_metric_text(name: str, pairs: list[tuple[str, str]], text: str) -> None:
    assert metric_text(name, pairs) == text


@given(labels)
def test_labels_read_back(found: dict[str, str]) -> None:
    kept = {name: value for name, value in found.items() if value}
    assert parse_labels(labels_text(found.items())) == kept


@given(names, labels)
def test_metric_reads_back(name: str, found: dict[str, str]) -> None:
    kept = {label: value for label, value in found.items() if value}
    assert parse_metric(metric_text(name, found.items())) == (name, kept)


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ('m{path="/{id}"}', ("m", {"path": "/{id}"})),
        ('"a{b"{path="{"}', ("a{b", {"path": "{"})),
        # An escape that is none stands for itself.
        ('m{a="\\q"}', ("m", {"a": "\\q"})),
    ],
)
def test_braces_and_escapes_inside_quotes(text: str, metric: tuple[str, dict[str, str]]) -> None:
    assert parse_metric(text) == metric


@given(labels)
def test_equal_label_sets_have_equal_text(found: dict[str, str]) -> None:
    assert labels_text(found.items()) == labels_text(reversed(found.items()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a label set"),
        ('a="1"', "not a label set"),
        ('{a="1"', "not a label set"),
        ('{a="1",', "not a label set"),
        ('xa="1"}', "not a label set"),
        ('{a="\\\n"}', "column 2"),
        ("{a=1}", "column 2"),
        ('{a="1",b}', "column 8"),
    ],
)
def test_parse_labels_refuses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_labels(text)


@pytest.mark.parametrize("text", ["", '{a="1"}', '"a\\\n"', '"unclosed', '""'])
def test_parse_metric_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not a metric"):
        parse_metric(text)


def test_split_takes_the_target_labels_out() -> None:
    found = {"mode": "idle", "host": "a", "job": "node"}
    assert split_labels(found) == ('{host="a",job="node"}', [("mode", "idle")])
    assert split_labels(found, frozenset({"mode"})) == ('{mode="idle"}', [("host", "a"), ("job", "node")])


def test_series_text_holds_name_and_both_parts() -> None:
    assert series_text('{host="a"}', 'cpu{mode="idle"}') == '{__name__="cpu",host="a",mode="idle"}'


def test_hash_and_shard_are_the_same_for_ever() -> None:
    assert stable_hash('{host="web-1"}') == 6011046410674107933
    assert shard_of('{host="web-1"}', 64) == stable_hash('{host="web-1"}') % 64
