from __future__ import annotations

import pytest

from schemas.series import labels_text, metric_text
from transforms.io.influxdb.tags import KEY_LIMIT, metric_part, target_part


@pytest.mark.parametrize(
    ("labels", "tags"),
    [
        ({}, ()),
        ({"job": "node", "host": "a"}, (",host=a", ",job=node")),
        ({"path": "/a b"}, (r",path=/a\ b",)),
        ({"query": "x=1,y=2"}, (r",query=x\=1\,y\=2",)),
        ({"a,b=c d": "1"}, (r",a\,b\=c\ d=1",)),
        ({"path": r"C:\temp"}, (r",path=C:\temp",)),
        ({"path": '"hi"'}, (',path="hi"',)),
        ({"name": "Zürich"}, (",name=Zürich",)),
    ],
)
def test_tags_of_a_target_part(labels: dict[str, str], tags: tuple[str, ...]) -> None:
    part = target_part(labels_text(labels.items()))
    assert (part.measurement, part.tags, part.unholdable) == ("", tags, None)
    assert part.keys == tuple(sorted(labels))


@pytest.mark.parametrize(
    ("name", "measurement"),
    [
        ("up", "up"),
        ("disk used", r"disk\ used"),
        ("a,b", r"a\,b"),
        ("a=b", "a=b"),
        ("_hidden", "_hidden"),
        ("x#", "x#"),
    ],
)
def test_measurement_of_a_metric_part(name: str, measurement: str) -> None:
    part = metric_part(metric_text(name, [("mode", "idle")]))
    assert (part.measurement, part.tags, part.unholdable) == (measurement, (",mode=idle",), None)


@pytest.mark.parametrize(
    ("name", "labels", "reason"),
    [
        ("#up", {}, "metric name '#up' begins with '#'"),
        ("\tup", {}, "metric name '\\tup' begins with a tab or NUL"),
        ("\0up", {}, "metric name '\\x00up' begins with a tab or NUL"),
        ('a\\"b', {}, "metric name 'a\\\\\"b' holds a backslash before"),
        ("a\\=b", {}, "metric name 'a\\\\=b' holds a backslash before"),
        ("up\\", {}, "metric name ends with a backslash"),
        ("a\nb", {}, "metric name holds a line feed"),
        ("up", {"path": "C:\\"}, "value of label 'path' ends with a backslash"),
        ("up", {"path\\": "C"}, "label name ends with a backslash"),
        ("up", {"text": "a\nb"}, "value of label 'text' holds a line feed"),
        ("up", {"time": "now"}, "label name 'time' is reserved by InfluxDB"),
        ("up", {"_field": "x"}, "label name '_field' is reserved by InfluxDB"),
        ("up", {"_measurement": "x"}, "label name '_measurement' is reserved by InfluxDB"),
        ("up", {"_value": "x"}, "label name '_value' is a column of every Flux table"),
        ("up", {"x": "y" * KEY_LIMIT}, "name and labels are longer than 32767 bytes"),
    ],
)
def test_series_without_notation_are_named(name: str, labels: dict[str, str], reason: str) -> None:
    part = metric_part(metric_text(name, labels.items()))
    assert part.unholdable is not None
    assert part.unholdable.startswith(reason)


@pytest.mark.parametrize(("size", "holdable"), [(KEY_LIMIT // 2, True), (KEY_LIMIT // 2 + 1, False)])
@pytest.mark.parametrize("letter", ["y", "ü"])
def test_half_a_key_is_allowed_to_name_and_labels_as_they_are_written(letter: str, size: int, holdable: bool) -> None:
    # Bytes, not characters, with what escapes take: "a\\ b,x=" is seven.
    width = len(letter.encode())
    value = letter * ((size - 7) // width) + "z" * ((size - 7) % width)
    assert (metric_part(metric_text("a b", [("x", value)])).unholdable is None) is holdable
    assert (target_part(labels_text([("abcd", "z" * (size - 6))])).unholdable is None) is holdable


def test_all_names_and_values_are_looked_at() -> None:
    labels = {"a": "1", "b": "2", "_stop": "x", "time": "y"}
    part = target_part(labels_text(labels.items()))
    assert part.unholdable == "label name '_stop' is a column of every Flux table: no query could read it"
    # A name that cannot be written is reported before its labels.
    part = metric_part(metric_text("#up", [("time", "now")]))
    assert part.unholdable == "metric name '#up' begins with '#': a comment in line protocol"


@pytest.mark.parametrize("character", ["\ud7ff", "\ue000", "\U0001f30a"])
def test_what_is_next_to_surrogates_is_text(character: str) -> None:
    assert target_part(labels_text([("x", character)])).unholdable is None
