"""Groups of rows, as aggregation and matching fold them."""

from __future__ import annotations

import numpy as np

from rules.promql.folding import Groups, counts


def test_more_groups_than_16_bits_number() -> None:
    ids = np.concatenate([np.arange(70_000), np.arange(70_000)])
    groups = Groups.of(ids, np.arange(70_000))
    assert (groups.order.reshape(-1, 2) == np.arange(70_000)[:, None] + [0, 70_000]).all()
    assert (counts(np.ones((140_000, 1), np.bool_), groups) == 2).all()
