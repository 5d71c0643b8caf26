"""What every aggregate has to do, whatever it is; tests/transforms/naive.py says what each of them is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.aggregates import AGGREGATES
from transforms.rollups.aggregates import REDUCTIONS, of_panes, of_samples

runs = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), min_size=1, max_size=24)
"""The values of some series."""


def starts_of(lengths: list[int]) -> np.ndarray:
    return np.cumsum([0, *lengths[:-1]])


def test_every_aggregate_is_made_and_no_other() -> None:
    assert list(REDUCTIONS) == [each.name for each in AGGREGATES]


@given(runs)
def test_columns_have_a_row_a_series_and_the_type_of_their_kind(series: list[list[float]]) -> None:
    value = np.concatenate([np.array(each) for each in series])
    starts = starts_of([len(each) for each in series])
    fine = of_samples(value, np.arange(len(value)), starts)
    coarse = of_panes(fine, np.zeros(1, np.intp))
    for each in AGGREGATES:
        wanted = np.dtype(np.int64 if each.kind.is_integer else np.float64)
        assert (fine[each.name].dtype, len(fine[each.name])) == (wanted, len(series))
        assert (coarse[each.name].dtype, len(coarse[each.name])) == (wanted, 1)


@given(runs)
def test_of_one_pane_each_aggregate_is_what_it_was(series: list[list[float]]) -> None:
    value = np.concatenate([np.array(each) for each in series])
    fine = of_samples(value, np.arange(len(value)), starts_of([len(each) for each in series]))
    same = of_panes(fine, np.arange(len(series)))
    assert {name: column.tolist() for name, column in same.items()} == {
        name: column.tolist() for name, column in fine.items()
    }


@given(runs, st.data())
def test_folding_a_prefix_first_changes_no_bit_of_any_aggregate(series: list[list[float]], data: st.DataObject) -> None:
    """The panes of one series: those of a prefix are folded before the others have come."""
    value = np.concatenate([np.array(each) for each in series])
    fine = of_samples(value, np.arange(len(value)), starts_of([len(each) for each in series]))
    prefix = data.draw(st.integers(1, len(series)))
    begin = np.zeros(1, np.intp)
    folded = of_panes({name: column[:prefix] for name, column in fine.items()}, begin)
    rest = {name: np.concatenate([folded[name], column[prefix:]]) for name, column in fine.items()}
    at_once, later = of_panes(fine, begin), of_panes(rest, begin)
    assert {name: column.tobytes() for name, column in later.items()} == {
        name: column.tobytes() for name, column in at_once.items()
    }
