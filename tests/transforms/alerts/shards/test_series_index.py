"""What came of a metric, whether or not a selector found it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rules.planning.plan import plan
from rules.promql.shapes import Selectors
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.shards.selection import Selection
from transforms.alerts.shards.series_index import SeriesIndex


def sent(*texts: str) -> list[Sent]:
    """A sample of each ``NAME HOST MODE``."""
    found = []
    for number, text in enumerate(texts):
        name, host, mode = text.split()
        labels = (("__name__", name), ("host", host), ("mode", mode))
        found.append(Sent(labels, number, 1.0, number))
    return found


def test_the_labels_of_a_metric_are_those_of_all_its_series() -> None:
    states = [state for text in ('cpu{host="z"}', 'cpu{mode="idle"}', "disk") for state in plan(parse(text)).states]
    index = SeriesIndex(Selection(states), room=10)
    assert (index.names, index.found, len(index.unfound)) == (set(), [], 3)
    assert index.labels_of("cpu").rows() == []
    index.rows_of(batch_of(sent("cpu a user", "cpu b user", "other c x")))
    assert (index.names, len(index.unfound)) == ({"cpu", "other"}, 3)
    assert [row["host"] for row in index.labels_of("cpu").rows()] == ["a", "b"]
    # Nobody wants these, so their labels are not kept.
    assert index.labels_of("other").rows() == []
    # What comes later counts too, found or not.
    index.rows_of(batch_of(sent("cpu a user", "cpu d idle", "disk e x")))
    assert [row["host"] for row in index.labels_of("cpu").rows()] == ["a", "b", "d"]
    assert [[each.value for each in matchers if each.name != "__name__"] for matchers in index.unfound] == [["z"]]
    assert len(index.found) == 2


def index_of(*selectors: str, room: int = 99) -> SeriesIndex:
    return SeriesIndex(Selection([state for text in selectors for state in plan(parse(text)).states]), room)


def test_rows_are_given_once_to_what_is_wanted_and_never_again() -> None:
    index = index_of("rate(cpu[7m])", 'disk{host="a"}')
    assert index.rows_of(batch_of(sent("other a x"))).tolist() == [-1]
    first = index.rows_of(batch_of(sent("cpu b x", "disk b x", "disk a x", "other a x", "cpu b x")))
    # By the number of target and metric: cpu of b, then disk of a.
    assert first.tolist() == [0, -1, 1, -1, 0]
    again = index.rows_of(batch_of(sent("disk a x", "cpu a x", "cpu b x", "disk b x", "cpu a y")))
    assert again.tolist() == [1, 2, 0, -1, 3]
    assert index.rows_of(batch_of(sent("cpu a y", "cpu a x"))).tolist() == [3, 2]
    assert index.keep_ms.tolist() == [420_000, 300_000, 420_000, 420_000]
    assert index.single_ms.tolist() == [420_000, 300_000, 420_000, 420_000]
    assert index.members(0).tolist() == [0, 2, 3]
    assert index.members(1).tolist() == [1]
    assert index.rows_of(batch_of([])).tolist() == []


def test_rows_report_their_target_and_their_metric() -> None:
    index = index_of("cpu", "disk")
    index.rows_of(batch_of(sent("cpu b x", "other c x", "disk b x", "disk a x")))
    targets, metrics = index.texts()
    target, metric = index.split(np.array([2, 0, 1]))
    pairs = [(targets[one], metrics[other]) for one, other in zip(target.tolist(), metric.tolist(), strict=True)]
    assert pairs == [
        ('{host="a"}', 'disk{mode="x"}'),
        ('{host="b"}', 'cpu{mode="x"}'),
        ('{host="b"}', 'disk{mode="x"}'),
    ]
    # What is remembered: the targets of wanted metrics, all metrics, and the pairs of both.
    assert index.known == len(targets) + len(metrics) + 3


def test_series_without_room_are_refused_and_stay_so() -> None:
    index = index_of("cpu", room=2)
    assert index.rows_of(batch_of(sent("cpu a x", "cpu b x", "cpu c x", "other a x"))).tolist() == [0, 1, -1, -1]
    assert index.refused == 1
    # It was counted, and is known to have no row.
    assert index.rows_of(batch_of(sent("cpu c x", "cpu a x"))).tolist() == [-1, 0]
    assert index.refused == 1
    assert index.rows_of(batch_of(sent("cpu d x", "cpu e x"))).tolist() == [-1, -1]
    assert index.refused == 3
    index.room = 1
    assert index.rows_of(batch_of(sent("cpu f x"))).tolist() == [-1]
    index.room = 3
    assert index.rows_of(batch_of(sent("cpu g x", "cpu h x"))).tolist() == [2, -1]
    assert index.refused == 5
    assert index.members(0).tolist() == [0, 1, 2]
    assert [row["host"] for row in index.labels(0).rows()] == ["a", "b", "g"]


def test_labels_of_a_selector_have_the_columns_and_values_of_its_rows_alone() -> None:
    index = index_of("cpu", "disk", "idle")
    index.rows_of(batch_of(sent(*(f"cpu h{number} m{number}" for number in range(9)))))
    assert index.labels(2).rows() == []
    index.rows_of(batch_of(sent("disk h7 m3")))
    labels = index.labels(1)
    assert labels.rows() == [{"__name__": "disk", "host": "h7", "mode": "m3"}]
    assert index.labels(1) is labels
    # Matchers go through the values of a column, which are not those of all series.
    assert (labels.columns["host"].values, labels.columns["mode"].values) == (("h7",), ("m3",))
    index.rows_of(batch_of([Sent((("__name__", "idle"), ("dev", "sda")), 0, 1.0, 0)]))
    assert index.labels(2).columns.keys() == {"__name__", "dev"}
    # What comes later is among them.
    index.rows_of(batch_of(sent("disk a x", "cpu h9 m9")))
    assert [row["host"] for row in index.labels(1).rows()] == ["h7", "a"]
    assert [row["mode"] for row in index.labels(0).rows()] == [f"m{number}" for number in range(10)]


def test_the_labels_of_all_series_of_a_metric_are_kept_until_more_come() -> None:
    index = index_of('cpu{host="z"}', 'cpux{host="z"}')
    index.rows_of(batch_of(sent("cpu a x", "cpux b x")))
    first = index.labels_of("cpu")
    assert first.rows() == [{"__name__": "cpu", "host": "a", "mode": "x"}]
    assert index.labels_of("cpu") is first
    assert [row["host"] for row in index.labels_of("cpux").rows()] == ["b"]
    index.rows_of(batch_of(sent("cpu c x")))
    assert [row["host"] for row in index.labels_of("cpu").rows()] == ["a", "c"]
    assert index.labels_of("never").rows() == []


def test_many_selectors_find_what_each_finds() -> None:
    texts = ("cpu", 'cpu{host="a"}', "disk", 'disk{host="z"}')
    index = index_of(*texts)
    asked = Selectors(tuple(parsed.matchers for text in texts if isinstance(parsed := parse(text), ast.VectorSelector)))
    for samples in (sent("cpu a x", "disk b y", "other a x"), sent("cpu b x", "cpu a y", "disk z x")):
        index.rows_of(batch_of(samples))
        found = index.many(asked)
        assert found is not None
        rows, owners, labels = found
        for number in range(len(texts)):
            assert rows[owners == number].tolist() == index.members(number).tolist()
        every = [row for number in range(len(texts)) for row in index.labels(number).rows()]
        assert labels.rows() == every
        # The same until there are other series; what is asked for once is not kept.
        assert index.many(asked) is found
        assert index.many(replace(asked, once=True)) is not index.many(replace(asked, once=True))
    assert index.many(Selectors((*asked.matchers, ()))) is None
