"""What a run has sent, in numbers that a test can compare and a person can read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from rich.table import Table

from schemas.times import format_duration
from tidemark.generate.load import Counts
from tidemark.generate.options import Options
from tidemark.generate.outputs import Output


@dataclass(frozen=True)
class Summary:
    """One run: its options, counts and cost.

    Attributes:
        options, counts: as run.
        start_ms: event time of the first scrape.
        records, bytes: as the output counted them; in files every line is a record.
        elapsed_s, cpu_s: wall clock and processor time.
    """

    options: Options
    counts: Counts
    start_ms: int
    records: int
    bytes: int
    elapsed_s: float
    cpu_s: float

    @classmethod
    def of(
        cls, options: Options, counts: Counts, start_ms: int, output: Output, elapsed_s: float, cpu_s: float
    ) -> Summary:
        """The summary of a run whose output is closed."""
        return cls(options, counts, start_ms, output.records, output.bytes, elapsed_s, cpu_s)

    @property
    def samples(self) -> int:
        """Samples in good records, duplicates included."""
        return self.counts.deliveries * self.options.metrics

    @property
    def samples_per_s(self) -> float:
        return self.samples / self.elapsed_s if self.elapsed_s else 0.0

    def to_json(self) -> dict[str, Any]:
        """The summary as plain values; samples are what a job should find."""
        counts, metrics = self.counts, self.options.metrics
        return {
            "seed": self.options.seed,
            "format": self.options.format,
            "hosts": self.options.hosts,
            "metrics_per_host": metrics,
            "interval_ms": self.options.interval_ms,
            "start_ms": self.start_ms,
            "records": self.records,
            "bytes": self.bytes,
            "scrapes": {
                "distinct": counts.scrapes,
                "late": counts.late,
                "duplicate": counts.duplicates,
                "differing": counts.differing,
            },
            "samples": {
                "sent": self.samples,
                "distinct": counts.scrapes * metrics,
                "late": counts.late * metrics,
                "duplicate": counts.duplicates * metrics,
                "differing": counts.differing * metrics,
            },
            "malformed": {
                "total": counts.malformed.total(),
                **{
                    kind.value: number
                    for kind, number in sorted(counts.malformed.items(), key=lambda item: item[0].value)
                },
            },
            "elapsed_s": round(self.elapsed_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "samples_per_s": round(self.samples_per_s),
        }

    def table(self) -> Table:
        """The summary to look at."""
        counts, metrics = self.counts, self.options.metrics
        options = self.options
        first = datetime.fromtimestamp(self.start_ms / 1000, timezone.utc).isoformat(timespec="seconds")
        title = (
            f"{options.hosts:,} hosts x {metrics:,} metrics every {format_duration(options.interval_ms)} from {first}"
        )
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(style="dim")
        table.add_column(justify="right")
        table.add_column(style="dim")

        def row(name: str, number: float, note: str = "") -> None:
            table.add_row(name, f"{number:,.0f}", note)

        row("records sent", self.records, f"{self.bytes / 1e6:,.1f} MB, {options.format}")
        row("samples sent", self.samples, f"{counts.scrapes * metrics:,} distinct")
        row("  late", counts.late * metrics, f"{counts.late:,} scrapes")
        row("  duplicate, same values", counts.duplicates * metrics, f"{counts.duplicates:,} scrapes")
        row("  duplicate, other values", counts.differing * metrics, f"{counts.differing:,} scrapes")
        kinds = ", ".join(f"{kind.value} {number}" for kind, number in counts.malformed.items())
        row("malformed records", counts.malformed.total(), kinds)
        cost = f"in {self.elapsed_s:.1f} s, {self.cpu_s:.1f} s of processor time"
        row("samples a second", self.samples_per_s, cost)
        return table
