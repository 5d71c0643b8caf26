"""Label sets as columns mean what lists of mappings mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.promql.labels import Column, LabelFrame, dense, match_keys

NAMES = ("__name__", "a", "b", "c")
LABELS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("", "x", "y", "z")), max_size=4)
ROWS = st.lists(LABELS, max_size=8)


def bare(labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if value}


@given(ROWS)
def test_rows_come_back_without_empty_labels(rows: list[dict[str, str]]) -> None:
    frame = LabelFrame.of(rows)
    assert frame.rows() == [bare(row) for row in rows] == [frame.row(row) for row in range(frame.size)]


@given(ROWS, ROWS)
def test_concat_keeps_order_and_unifies_dictionaries(one: list[dict[str, str]], other: list[dict[str, str]]) -> None:
    joined = LabelFrame.concat([LabelFrame.of(one), LabelFrame.of(other)])
    assert joined.rows() == [bare(row) for row in one + other]
    assert all(len(set(column.values)) == len(column.values) for column in joined.columns.values())


@given(ROWS, ROWS, st.sets(st.sampled_from(NAMES)))
def test_keys_are_equal_exactly_where_labels_are(
    one: list[dict[str, str]], other: list[dict[str, str]], names: set[str]
) -> None:
    left, right = match_keys(LabelFrame.of(one), LabelFrame.of(other), names)
    for row, key in zip(one, left.tolist(), strict=True):
        for candidate, its in zip(other, right.tolist(), strict=True):
            assert (key == its) == all(row.get(name, "") == candidate.get(name, "") for name in names)


@given(ROWS, st.one_of(st.none(), st.sets(st.sampled_from(NAMES))))
def test_groups_are_numbered_by_first_appearance(rows: list[dict[str, str]], names: set[str] | None) -> None:
    group, first = LabelFrame.of(rows).groups(names)
    seen: dict[tuple[str, ...], int] = {}
    wanted = [seen.setdefault(tuple(row.get(n, "") for n in sorted(names or NAMES)), len(seen)) for row in rows]
    if names != set():
        assert group.tolist() == wanted
    assert [int(group[row]) for row in first] == list(range(len(first)))


def test_keys_stay_apart_when_the_product_of_values_passes_64_bits() -> None:
    # 12 labels of 64 values each: the first label's part of a number would be a multiple of 2**66, and lost.
    names = [f"l{label:02}" for label in range(12)]
    rows = [dict.fromkeys(names, str(value)) for value in range(64)]
    rows += [{**rows[0], names[0]: str(value)} for value in range(1, 64)]
    keys = LabelFrame.of([*rows, *rows[:3]]).keys().tolist()
    assert len(set(keys)) == len(rows)
    assert keys[:3] == keys[-3:]


@pytest.mark.parametrize(
    ("rows", "duplicates"),
    [
        ([], False),
        ([{}], False),
        ([{}, {"a": ""}], True),
        ([{"a": "1"}, {"a": "2"}], False),
        ([{"a": "1"}, {"b": "1"}, {"a": "1"}], True),
    ],
)
def test_has_duplicates(rows: list[dict[str, str]], duplicates: bool) -> None:
    assert LabelFrame.of(rows).has_duplicates() is duplicates


def test_mapping_a_column_makes_equal_texts_one_value() -> None:
    column = Column.of(["a1", "b1", "a2", "a1"]).map(lambda text: text[0])
    assert column.texts() == ["a", "b", "a", "a"]
    assert column.values == ("a", "b")


def test_a_missing_column_is_empty_on_every_row() -> None:
    assert LabelFrame.of([{"a": "1"}, {"a": "2"}]).column("b").texts() == ["", ""]


def test_keep_drop_take_and_replace() -> None:
    frame = LabelFrame.of([{"a": "1", "b": "2"}, {"a": "3"}])
    assert frame.keep(["b"]).rows() == [{"b": "2"}, {}]
    assert frame.drop(["b"]).rows() == [{"a": "1"}, {"a": "3"}]
    assert frame.take(np.array([1, 1, 0])).rows() == [{"a": "3"}, {"a": "3"}, {"a": "1", "b": "2"}]
    assert frame.with_column("b", Column.constant("9", 2)).rows() == [{"a": "1", "b": "9"}, {"a": "3", "b": "9"}]


def test_dense_of_nothing() -> None:
    group, first = dense(np.empty(0, np.int64))
    assert len(group) == len(first) == 0
