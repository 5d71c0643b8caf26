"""What lies in the folders of releases from before golden files were written for every form: other values than those of today."""

from __future__ import annotations

import numpy as np

from schemas import batch
from schemas.batch import SampleBatch

FORMS = {
    ("0.1", "samples"): lambda: batch.encode(_plain()),
    ("0.2", "samples"): lambda: batch.encode(_with_remainders()),
}
"""By release and form: how the code of the day writes what it reads."""

STORE_RUNS = {"0.1": 0, "0.2": 1_768_176_000_000}
"""The run of all rows of a Parquet store, by release; tests/transforms/io/parquet/test_runs.py has the rows."""


def _plain() -> SampleBatch:
    """Samples of a release without overtaken samples, origins and nanoseconds."""
    return SampleBatch(
        targets=['{host="a"}'],
        metrics=["up", 'load{x="1"}'],
        target=np.zeros(3, np.int32),
        metric=np.array([0, 1, 1], np.int32),
        ts=np.array([5, 5, 7], np.int64),
        value=np.array([1.0, 2.0, 3.0]),
        seq=np.array([4096, 4096, 8192], np.int64),
        watermark=9,
        late=True,
    )


def _with_remainders() -> SampleBatch:
    """Samples of one metric from two measurements, and of three times in one millisecond."""
    return SampleBatch(
        targets=["{}"],
        metrics=["unused", "a_b_c", "a_b_c", "up"],
        target=np.zeros(3, np.int32),
        metric=np.array([1, 2, 3], np.int32),
        ts=np.ones(3, np.int64),
        value=np.array([1.0, 2.0, 3.0]),
        seq=np.arange(3, dtype=np.int64),
        origins=["measurement z", "measurement a", "measurement a_b", ""],
        fine=np.array([0, 7, 999_999], np.int32),
    )
