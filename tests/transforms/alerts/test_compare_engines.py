"""A part of what :mod:`tests.transforms.alerts.compare_engines` compares by hand, and that it sees a difference where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from rules.promql.search import bisect_right
from rules.promql.values import Index, RangeVector
from tests.transforms.alerts.compare_engines import differences, main


@pytest.mark.parametrize("seed", range(1, 25))
def test_the_stream_has_it_as_the_batch_engine(seed: int) -> None:
    assert differences(seed) == []


def as_wide_as_the_first(ranged: RangeVector, begin: Index, end: Index) -> tuple[Index, Index]:
    """Where windows begin and end in their series, if none is wider than the first."""
    ends = bisect_right(ranged.series.timestamps, begin, end, ranged.ends)
    starts = np.maximum(ranged.starts, ranged.ends - (ranged.ends[0] - ranged.starts[0]))
    return bisect_right(ranged.series.timestamps, begin, end, starts), ends


def test_a_fault_of_one_engine_is_seen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(RangeVector, "_bounds", as_wide_as_the_first)
    assert main(["--cases", "5", "--seed", "1"]) == 1
    assert "5 cases from seed 1, " in capsys.readouterr().out
