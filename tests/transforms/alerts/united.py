"""Shards in memory, each with a store of its own, and their union: for tests of what is evaluated over shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rules.promql.context import merged
from rules.promql.engine import at_instants
from rules.promql.labels import Column, LabelFrame
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.ast import Matcher
from rules.promql.values import InstantVector, SeriesSet, Times
from schemas.series import shard_of, split_labels
from tests.oracle.prometheus import Series
from transforms.alerts.fragments.fragments import SHARD_LABEL, FragmentSpec, SplitProgram


def since(series: SeriesSet, oldest_ms: int) -> SeriesSet:
    """The samples from a time on."""
    begin = series.positions(np.array([oldest_ms - 1]))[:, 0]
    kept = replace(series, begin=begin, clocks=np.arange(series.size, dtype=np.int64))
    return kept.take(np.flatnonzero(kept.end > kept.begin))


@dataclass
class Shards:
    """What the shards' own stores answer, put together; it refuses what a fragment does not promise.

    Attributes:
        everything: the samples of all shards, for those that are gathered.
        now_ms: the evaluation time, if it is one.
        scheduled: the rules are evaluated at the evaluation times of their groups.
    """

    made: SplitProgram
    stores: Sequence[MemoryStorage]
    everything: MemoryStorage
    now_ms: int | None = None
    scheduled: bool = False

    def fragment(self, number: int, times: Times) -> InstantVector:
        spec = self.made.fragments[number]
        assert spec.kind == "vector"
        if spec.step_ms is not None:
            assert not (times % spec.step_ms).any()
        elif self.scheduled:
            asked = [(times + each.behind_ms) % each.interval_ms == 0 for each in spec.schedules]
            assert np.logical_or.reduce(asked).all()
        if self.now_ms is not None:
            assert self.oldest(spec) <= int(times[0])
            assert int(times[-1]) <= self.now_ms
        options = self.made.program.settings.options
        found = [at_instants(spec.expr, store, times, options).value for store in self.stores]
        vectors = [vector for vector in found if isinstance(vector, InstantVector)]
        assert len(vectors) == len(self.stores)
        frames = [vector.labels for vector in vectors]
        if spec.shard_label:
            frames = [
                frame.with_column(SHARD_LABEL, Column.constant(str(shard), frame.size))
                for shard, frame in enumerate(frames)
            ]
        values = np.concatenate([vector.values for vector in vectors])
        present = np.concatenate([vector.present for vector in vectors])
        return merged(InstantVector(LabelFrame.concat(frames), values, present))

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        for spec in self.made.fragments:
            if spec.kind == "samples" and isinstance(spec.expr, ast.VectorSelector) and spec.expr.matchers == matchers:
                assert spec.expr.offset_ms == 0
                found = self.everything.select(matchers, start_ms, end_ms, stale=stale)
                return found if self.now_ms is None else since(found, self.oldest(spec))
        raise AssertionError(f"nobody gathers {matchers}")

    def oldest(self, spec: FragmentSpec) -> int:
        """How far back what is kept of a fragment reaches."""
        assert self.now_ms is not None
        return self.now_ms - spec.history_ms - max(each.behind_ms for each in spec.schedules)


def sharded(made: SplitProgram, series: Sequence[Series], shards: int, now_ms: int | None = None) -> Shards:
    parts: list[list[Series]] = [[] for _ in range(shards)]
    for each in series:
        target, _ = split_labels(each[0], made.target_labels)
        parts[shard_of(target, shards)].append(each)
    return Shards(made, [MemoryStorage.from_series(part) for part in parts], MemoryStorage.from_series(series), now_ms)
