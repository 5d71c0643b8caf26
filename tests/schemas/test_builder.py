from __future__ import annotations

import numpy as np
import pytest

import schemas.builder
from schemas.builder import BatchBuilder, Interner
from tests.schemas.rows import row, rows


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


def test_interner_numbers_texts_in_order_of_first_sight() -> None:
    interner = Interner()
    assert [interner.id(text) for text in ("b", "a", "b")] == [0, 1, 0]
    assert interner.texts == ["b", "a"]
    interner.clear()
    assert interner.id("a") == 0


def test_runs_and_columns_become_one_batch_in_order() -> None:
    builder = BatchBuilder()
    a, b = builder.targets.id('{host="a"}'), builder.targets.id('{host="b"}')
    up, load = builder.metrics.id("up"), builder.metrics.id("load1")
    builder.begin_record(0)
    builder.add_run(a, 10, ids(up, load), [1, 0.5])
    builder.begin_record(2)
    builder.add_samples(np.array([b, a]), np.array([11, 12]), ids(up, load), np.array([0.0, 0.25]))
    builder.add_run(b, 13, ids(load), {"x": True}.values())
    assert len(builder) == 5
    batch, record = builder.build()
    assert rows(batch) == [
        row('{host="a"}', "up", 10, 1.0),
        row('{host="a"}', "load1", 10, 0.5),
        row('{host="b"}', "up", 11, 0.0),
        row('{host="a"}', "load1", 12, 0.25),
        row('{host="b"}', "load1", 13, 1.0),
    ]
    assert record.tolist() == [0, 0, 2, 2, 2]
    assert batch.seq.tolist() == [0] * 5
    assert [batch.target.dtype, batch.metric.dtype, batch.ts.dtype] == [np.int32, np.int32, np.int64]


def test_build_begins_a_new_batch_over_the_same_ids() -> None:
    builder = BatchBuilder()
    target, metric = builder.targets.id("{}"), builder.metrics.id("up")
    builder.begin_record(7)
    builder.add_run(target, 1, ids(metric), [1.0])
    builder.skip(3)
    assert builder.skipped == 3
    builder.build()
    assert (len(builder), builder.skipped) == (0, 0)
    empty, record = builder.build()
    assert (len(empty), len(record)) == (0, 0)
    builder.add_run(target, 2, ids(metric), [2.0])
    batch, record = builder.build()
    assert rows(batch) == [row("{}", "up", 2, 2.0)]
    assert record.tolist() == [0]


def test_a_staleness_marker_keeps_its_bits() -> None:
    stale = np.array([0x7FF0000000000002], np.uint64).view(np.float64)
    builder = BatchBuilder()
    builder.add_run(builder.targets.id("{}"), 1, ids(builder.metrics.id("up")), stale.tolist())
    assert builder.build()[0].value.view(np.uint64).tolist() == [0x7FF0000000000002]


def test_tables_and_caches_begin_anew_past_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas.builder, "INTERNED_PARTS_LIMIT", 2)
    builder = BatchBuilder()
    cache = builder.cache()
    cache["key"] = 1
    for number in range(2):
        builder.add_run(builder.targets.id(str(number)), 1, ids(builder.metrics.id("up")), [1.0])
    builder.build()
    assert cache == {"key": 1}
    builder.add_run(builder.targets.id("2"), 1, ids(builder.metrics.id("up")), [1.0])
    batch, _ = builder.build()
    assert rows(batch) == [row("2", "up", 1, 1.0)]
    assert cache == {}
    assert builder.targets.id("new") == 0
