"""Rollups of all tiers: Beam's state and timers around :mod:`transforms.windows.machine`.

Everything runs in the global window, keyed by (shard, window start): the runner then never drops an element on its own, and the window's
life, lateness included, is the state machine's. The source has already separated late data from too late data (:mod:`transforms.windows.cut`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas import rollup as rollups
from schemas.tiers import Tiers
from transforms.accounting import COLLIDED, DUPLICATE, MERGED_LATE, NAMESPACE, UNWRITABLE, WRITTEN
from transforms.losses.beam import Recorder
from transforms.losses.examples import collided
from transforms.rollups.contents import content_of
from transforms.windows.content import Key
from transforms.windows.machine import MAX_BUCKETS, Firing, WindowMachine

_PENDING = BagStateSpec("pending", BytesCoder())
_META = ReadModifyWriteStateSpec("meta", BytesCoder())
_BUCKETS = [BagStateSpec(f"bucket{index:02d}", BytesCoder()) for index in range(MAX_BUCKETS)]


class _StateCells:
    """Beam's state cells as the machine's."""

    def __init__(self, pending: Any, meta: Any, buckets: list[Any]) -> None:
        self._pending, self._meta, self._buckets = pending, meta, buckets

    def read_meta(self) -> bytes | None:
        found: bytes | None = self._meta.read()
        return found

    def write_meta(self, data: bytes) -> None:
        self._meta.write(data)

    def add_pending(self, data: bytes) -> None:
        self._pending.add(data)

    def read_pending(self) -> list[bytes]:
        return list(self._pending.read())

    def clear_pending(self) -> None:
        self._pending.clear()

    def read_bucket(self, index: int) -> bytes | None:
        return next(iter(self._buckets[index].read()), None)

    def write_bucket(self, index: int, data: bytes) -> None:
        self._buckets[index].clear()
        self._buckets[index].add(data)

    def clear_meta(self) -> None:
        self._meta.clear()

    def clear_bucket(self, index: int) -> None:
        self._buckets[index].clear()


class _BeamTimers:
    """Beam's event-time timers as the machine's."""

    def __init__(self, timer: Any) -> None:
        self._timer = timer

    def on_time(self, ts: int) -> None:
        self._timer.set(_timestamp(ts), dynamic_timer_tag="on_time")

    def late(self, ts: int) -> None:
        self._timer.set(_timestamp(ts), dynamic_timer_tag=f"late{ts}")

    def fold(self, ts: int) -> None:
        self._timer.set(_timestamp(ts), dynamic_timer_tag=f"fold{ts}")

    def expire(self, ts: int) -> None:
        self._timer.set(_timestamp(ts), dynamic_timer_tag="expire")


def _timestamp(ms: int) -> Timestamp:
    return Timestamp(micros=ms * 1000)


def _with_cells(method: Callable[..., Any]) -> Callable[..., Any]:
    """A timer callback ``(self, tag, key, ts, cells)`` as Beam wants one: a parameter for each of its state cells."""
    parameters = {
        "tag": beam.DoFn.DynamicTimerTagParam,
        "key": beam.DoFn.KeyParam,
        "timestamp": beam.DoFn.TimestampParam,
        "pending": beam.DoFn.StateParam(_PENDING),
        "meta": beam.DoFn.StateParam(_META),
        **{f"bucket{index}": beam.DoFn.StateParam(spec) for index, spec in enumerate(_BUCKETS)},
    }

    def callback(self: Any, **given: Any) -> Any:
        buckets = [given[f"bucket{index}"] for index in range(MAX_BUCKETS)]
        cells = _StateCells(given["pending"], given["meta"], buckets)
        return method(self, given["tag"], Key.decode(given["key"]), given["timestamp"].micros // 1000, cells)

    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    callback.__name__ = method.__name__
    callback.__doc__ = method.__doc__
    callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("self", keyword)]
        + [inspect.Parameter(name, keyword, default=default) for name, default in parameters.items()]
    )
    return callback


class _Window(beam.DoFn):
    """One tier. Input ``(key, wire form)``, output rollup rows in wire form; state as :mod:`transforms.windows.machine` bounds it."""

    def __init__(self, tiers: Tiers, level: int) -> None:
        self._machine = WindowMachine(tiers, level, content_of(tiers, level))
        tier = tiers.rollups[level].name
        self._counters = [
            Metrics.counter(NAMESPACE, name) for name in (WRITTEN, MERGED_LATE, DUPLICATE, UNWRITABLE, COLLIDED)
        ]
        self._recorder = Recorder()
        self._panes = Metrics.counter(NAMESPACE, f"panes.{tier}")
        self._corrections = Metrics.counter(NAMESPACE, f"corrections.{tier}")
        self._rows = Metrics.counter(NAMESPACE, f"rows.{tier}")

    def arrive(self, element: tuple[bytes, bytes], pending: Any, timer: Any) -> None:
        """Keep an element."""
        key, data = element
        self._machine.arrive(_StateCells(pending, None, []), _BeamTimers(timer), Key.decode(key), data)

    def fired(self, tag: str, key: Key, ts: int, cells: _StateCells) -> Iterable[bytes]:
        """Any of the machine's timers has come."""
        if tag.startswith("fold"):
            self._machine.fold(cells, key, ts)
            return ()
        if tag == "expire":
            return self._emit(self._machine.expire(cells, key, ts))
        return self._emit(self._machine.fire(cells, key, ts))

    def _emit(self, firing: Firing) -> Iterator[bytes]:
        fates = firing.fates
        counts = (fates.written, fates.merged_late, fates.duplicate, fates.unwritable, fates.collided)
        for counter, count in zip(self._counters, counts, strict=True):
            if count:
                counter.inc(count)
        for collision in fates.collisions:
            self._recorder.add(collided(collision))
        if firing.pane is not None:
            (self._corrections if firing.pane.pane else self._panes).inc()
            self._rows.inc(len(firing.pane))
            yield rollups.encode(firing.pane)


def _window_dofn(tiers: Tiers, level: int) -> beam.DoFn:
    # One family of timers, distinguished by tags, and named after the tier: the local runner puts stateful steps that follow each other
    # into one stage, keeps its timers by the family's name alone, and fires families in no order of time.
    spec = TimerSpec(f"window_{tiers.rollups[level].name}", TimeDomain.WATERMARK)

    class WindowDoFn(_Window):
        def process(
            self,
            element: tuple[bytes, bytes],
            pending: Any = beam.DoFn.StateParam(_PENDING),
            timer: Any = beam.DoFn.TimerParam(spec),
        ) -> None:
            self.arrive(element, pending, timer)

        @on_timer(spec)
        @_with_cells
        def timer_fired(self, tag: str, key: Key, ts: int, cells: _StateCells) -> Iterable[bytes]:
            return self.fired(tag, key, ts, cells)

    return WindowDoFn(tiers, level)


def _itself(element: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return element


def _key_by_coarser(data: bytes, window_ms: int) -> tuple[bytes, bytes]:
    shard, window = rollups.read_place(data)
    return Key(shard, window - window % window_ms).encode(), data


class Rollups(beam.PTransform):
    """Samples to the rows of every tier.

    Input: ``(Key.encode(), schemas.batch.encode(...))``, each element of one shard and one window of the finest tier. Output: a dict from
    tier name to a PCollection of rollup rows in wire form (:mod:`schemas.rollup`); corrected panes follow on-time ones.
    """

    def __init__(self, tiers: Tiers) -> None:
        super().__init__()
        self._tiers = tiers

    def expand(self, keyed: beam.PCollection) -> dict[str, beam.PCollection]:
        """One stateful step a tier; each feeds the next coarser one."""
        outputs: dict[str, beam.PCollection] = {}
        # Flink's runner names a stage, and so its state in a savepoint, after the collection that it reads. Were another step to read this one
        # too, both stages would have that name, and which of them gets a suffix is left to chance: a collection of its own keeps it unique.
        keyed = keyed | "For windows" >> beam.Map(_itself).with_output_types(tuple[bytes, bytes])
        for level, tier in enumerate(self._tiers.rollups):
            if level:
                keyed = outputs[self._tiers.rollups[level - 1].name] | f"Key by {tier.name}" >> beam.Map(
                    _key_by_coarser, tier.window_ms
                ).with_output_types(tuple[bytes, bytes])
            outputs[tier.name] = keyed | f"Roll up {tier.name}" >> beam.ParDo(
                _window_dofn(self._tiers, level)
            ).with_output_types(bytes)
        return outputs
