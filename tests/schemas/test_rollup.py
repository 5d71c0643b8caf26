from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest

from schemas.aggregates import AGGREGATES, Aggregate, ValueKind
from schemas.rollup import COLUMNS, RollupBatch, decode, encode, read_columns, to_arrow


def some_rows() -> RollupBatch:
    columns = {
        each.name: np.array([i + 3, 1, 60]) if each.kind.is_integer else np.array([i + 0.5, -i, np.inf])
        for i, each in enumerate(AGGREGATES)
    }
    return RollupBatch(
        targets=['{host="a"}', '{host="b"}'],
        metrics=["up", "load1", 'é{x="1"}'],
        target=np.array([0, 1, 1], np.int32),
        metric=np.array([0, 2, 0], np.int32),
        columns=columns,
        tier="1m",
        window=60_000,
        window_ms=60_000,
        shard=5,
        pane=2,
        watermark=130_000,
    )


def plain(batch: RollupBatch) -> dict[str, object]:
    fields = asdict(batch)
    columns = fields.pop("columns")
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in (fields | columns).items()
    }


def test_wire_form_reads_back() -> None:
    assert plain(decode(encode(some_rows()))) == plain(some_rows())


def test_wire_form_of_no_rows_keeps_the_attributes() -> None:
    empty = some_rows().take(np.empty(0, np.intp))
    after = decode(encode(empty))
    assert len(after) == 0
    assert (after.tier, after.window, after.shard, after.pane, after.watermark) == ("1m", 60_000, 5, 2, 130_000)


@pytest.mark.parametrize("chosen", [np.array([2, 0]), np.array([True, False, True]), slice(1, 3)])
def test_take_and_compact_keep_rows(chosen: np.ndarray | slice) -> None:
    part = some_rows().take(chosen)
    compact = part.compact()
    series = [
        (batch.targets[t], batch.metrics[m])
        for batch in (part, compact)
        for t, m in zip(batch.target, batch.metric, strict=True)
    ]
    assert series[: len(part)] == series[len(part) :]
    assert set(compact.metrics) == {metric for _, metric in series}
    for name in COLUMNS:
        assert compact.columns[name].tolist() == some_rows().columns[name][chosen].tolist()


def test_an_aggregate_that_older_rows_do_not_have_is_unknown_in_them() -> None:
    added = Aggregate("sum_of_squares", ValueKind.FLOAT, "sum of the squared values", np.nan)
    columns = read_columns(to_arrow(some_rows()), [*AGGREGATES, added])
    np.testing.assert_array_equal(columns.pop("sum_of_squares"), [np.nan] * 3)
    assert {name: column.tolist() for name, column in columns.items()} == {
        name: column.tolist() for name, column in some_rows().columns.items()
    }


def test_an_added_aggregate_is_read_of_rows_that_have_it() -> None:
    added = [replace(each, missing=np.nan) for each in AGGREGATES]
    columns = read_columns(to_arrow(some_rows()), added)
    assert columns["sum"].tolist() == some_rows().columns["sum"].tolist()


def test_a_column_that_every_release_writes_must_be_there() -> None:
    arrow = to_arrow(some_rows()).drop_columns(["sum"])
    with pytest.raises(KeyError, match="sum"):
        read_columns(arrow)


def test_decode_refuses_what_is_no_rollup() -> None:
    with pytest.raises(pa.ArrowInvalid):
        decode(b"no arrow")
