"""Counts rows (``blackhole.rows``) and records (``NAME.forgotten``), and forgets them: for benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized

import apache_beam as beam
from apache_beam.metrics import Metrics

from schemas import batch, rollup
from transforms.io.kinds import RecordKind, RowKind
from transforms.io.sink import Output


class Blackhole(Output[RowKind | RecordKind]):
    """See :class:`transforms.io.sink.Output`."""

    @classmethod
    def parse(cls, uri: str, kafka_config: Mapping[str, str] | None = None) -> Blackhole:
        """The output of ``blackhole:``."""
        return cls()

    def validate(self, kinds: Sequence[RowKind | RecordKind]) -> None:
        """Nothing can be wrong."""

    def write(self, kind: RowKind | RecordKind) -> beam.PTransform:
        if isinstance(kind, RecordKind):
            return beam.ParDo(CountElements(kind.name))
        return beam.ParDo(CountRows(batch.decode if kind.raw else rollup.decode)).with_output_types(bytes)

    def describe(self, kinds: Sequence[RowKind | RecordKind]) -> str:
        what = "rows" if all(isinstance(kind, RowKind) for kind in kinds) else "elements"
        return f"nowhere: {what} are counted and forgotten"


class CountRows(beam.DoFn):
    """Counts the rows of encoded batches, given their decoder; yields nothing."""

    def __init__(self, decode: Callable[[bytes], Sized]) -> None:
        self._decode = decode
        self._rows = Metrics.counter("tidemark", "blackhole.rows")

    def process(self, element: bytes) -> Iterator[bytes]:
        self._rows.inc(len(self._decode(element)))
        return iter(())


class CountElements(beam.DoFn):
    """Counts elements; yields nothing."""

    def __init__(self, name: str) -> None:
        self._elements = Metrics.counter("tidemark", f"{name}.forgotten")

    def process(self, element: bytes) -> Iterator[None]:
        self._elements.inc()
        return iter(())
