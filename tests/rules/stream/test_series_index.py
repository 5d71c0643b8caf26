"""What came of a metric, whether or not a selector found it."""

from __future__ import annotations

from rules.plan import plan
from rules.promql.parser import parse
from rules.stream.selection import Selection
from rules.stream.series_index import SeriesIndex
from tests.rules.stream.streams import Sent, batch_of


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
