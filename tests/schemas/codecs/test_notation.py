from __future__ import annotations

import pytest
from hypothesis import given

from schemas.codecs.notation import parse_series
from schemas.series import metric_text
from tests.schemas.rows import labels, names


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("up", "up", {}),
        (" up ", "up", {}),
        ("up{}", "up", {}),
        ("job:up:sum5m", "job:up:sum5m", {}),
        ("node.cpu-load/1", "node.cpu-load/1", {}),
        ('cpu{mode="idle",cpu="0"}', "cpu", {"mode": "idle", "cpu": "0"}),
        ('cpu { mode = "idle" , cpu="0", } ', "cpu", {"mode": "idle", "cpu": "0"}),
        ('{"a name", mode="idle"}', "a name", {"mode": "idle"}),
        ('{mode="idle","a name"}', "a name", {"mode": "idle"}),
        ('"a name"{mode="idle"}', "a name", {"mode": "idle"}),
        ('{__name__="up",a="b"}', "up", {"a": "b"}),
        ('up{"a label"="b"}', "up", {"a label": "b"}),
        ('up{a="x\\"y\\\\z\\n"}', "up", {"a": 'x"y\\z\n'}),
        ('up{a=""}', "up", {"a": ""}),
    ],
)
def test_parse(text: str, name: str, found: dict[str, str]) -> None:
    assert parse_series(text) == (name, found)


@given(names, labels)
def test_reads_canonical_text(name: str, found: dict[str, str]) -> None:
    kept = {label: value for label, value in found.items() if value}
    assert parse_series(metric_text(name, found.items())) == (name, kept)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "one metric name"),
        ("{}", "one metric name"),
        ('""', "one metric name"),
        ('{a="b"}', "one metric name"),
        ('up{"down"}', "one metric name, not up and down"),
        ('up{__name__="down"}', "one metric name, not up and down"),
        ("a b", 'column 3: the series should end here; .*, {"a name"}'),
        ("1up", "column 1: the series should end here"),
        ('up{a="b"} 1', "column 10: the series should end here"),
        ("up{", "column 4: a label"),
        ("up{a}", 'column 4: label a has no value; write a="..."'),
        ("up{a=1}", "column 4: a label"),
        ('up{a="b"', "column 4: a label"),
        ('up{a="b",,}', "column 10: a label"),
        ('up{a="b" c="d"}', "column 4: a label"),
        ('up{a="\\x"}', "column 4: a label"),
        ('up{a="b",a="b"}', "column 10: label a is given twice"),
        ('up{""="b"}', "column 4: a label needs a name"),
    ],
)
def test_refuses_with_the_column(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_series(text)
