"""How the oracle's client encodes what it stores."""

from __future__ import annotations

import numpy as np

from rules.promql.values import STALE
from schemas.codecs.remote_write_pb2 import TimeSeries
from tests.oracle.prometheus import encode_samples


def test_samples_are_those_of_a_time_series_message_to_the_bit() -> None:
    times = np.array([1 << 40, 1_700_000_000_000, (1 << 42) - 1])
    values = np.array([0.0, STALE, -1.5])
    read = TimeSeries.FromString(encode_samples(times, values)).samples
    assert [sample.timestamp for sample in read] == times.tolist()
    assert np.array([sample.value for sample in read]).tobytes() == values.tobytes()
