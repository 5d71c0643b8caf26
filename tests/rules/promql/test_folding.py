"""Groups of rows, as aggregation and matching fold them."""

from __future__ import annotations

import numpy as np
import pytest

from rules.promql.folding import Groups, compensated_sums, counts, variances
from rules.promql.labels import dense


def test_more_groups_than_16_bits_number() -> None:
    ids = np.concatenate([np.arange(70_000), np.arange(70_000)])
    groups = Groups.of(ids, np.arange(70_000))
    assert (groups.order.reshape(-1, 2) == np.arange(70_000)[:, None] + [0, 70_000]).all()
    assert (counts(np.ones((140_000, 1), np.bool_), groups) == 2).all()


@pytest.mark.parametrize("size", [1, 7])
def test_a_column_does_not_depend_on_those_beside_it(size: int) -> None:
    random = np.random.default_rng(size)
    values, present = random.normal(size=(40_000, 64)), random.random((40_000, 64)) < 0.9
    groups = Groups.of(*dense(random.integers(0, size, len(values))))

    def folded(some: slice) -> list[np.ndarray]:
        return [
            *compensated_sums(values[:, some], present[:, some], groups),
            variances(values[:, some], present[:, some], groups),
        ]

    together = folded(slice(None))
    for column in (0, 63):
        alone = folded(slice(column, column + 1))
        assert [each[:, column].tobytes() for each in together] == [each[:, 0].tobytes() for each in alone]
