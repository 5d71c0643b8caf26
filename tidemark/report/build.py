"""Build the report from the files of a run: rows of the store and dead letters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import DeadLetter
from schemas.tiers import Tiers
from tidemark.report.payload import Refusal, Source
from tidemark.report.series import MAX_WINDOWS, late_samples, raw_lines, rollup_lines
from transforms.io.files.atomic import in_order_written
from transforms.io.parquet.store import read_raw, read_rollups

_SHOWN_BYTES = 160


def read_source(
    store: Path,
    identity: str,
    title: str,
    note: str,
    tiers: Tiers,
    span: tuple[int, int],
    counters: Collection[str],
    balance: Mapping[str, int],
    delay_ms: int,
    draw_samples: bool = False,
) -> Source:
    """A source of the report, its rows read from the store. Samples that no tier rolls up, those that rules wrote, are left out.

    Args:
        span: event times in ms, the end not included; rows of windows that overlap it are read.
        delay_ms: how far the job's watermark stayed behind the newest event time: by it samples were late.
        draw_samples: the report draws the samples themselves too.

    Raises:
        OSError, pyarrow.ArrowInvalid: a file cannot be read.
    """
    begin, end = span
    rolled = {tier: read_rollups(store, tier.name, tier.window_of(begin), end) for tier in tiers.rollups}
    raw = read_raw(store, begin, end)
    raw = raw.filter(pc.is_in(raw.column("metric").cast(pa.utf8()), _metrics(rolled.values())))
    lines = {}
    for tier, rows in rolled.items():
        came_late = late_samples(raw, tier.window_ms, delay_ms)
        lines[tier.name] = rollup_lines(rows, tier.window_ms, counters, came_late)
    undrawn = sum(each.undrawn for each in lines.values())
    if undrawn:
        note += f" {undrawn:,} rows are not drawn: they lie more than {MAX_WINDOWS:,} windows before the newest."
    samples = raw_lines(raw, counters) if draw_samples else ()
    return Source(identity, title, note, lines, counters, balance, samples)


def _metrics(tables: Iterable[pa.Table]) -> pa.Array:
    """The metrics that any of the tables has rows of."""
    columns = [table.column("metric").cast(pa.utf8()) for table in tables]
    return pc.unique(pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.utf8()))


def read_refusals(directory: Path) -> list[Refusal]:
    """The dead letters in a directory's files of newline-delimited JSON, by source and place: of each the one written last.

    Raises:
        OSError: a file cannot be read.
        ValueError, KeyError, TypeError: a line is no dead letter.
    """
    letters: dict[tuple[object, ...], DeadLetter] = {}
    for path in in_order_written(directory.glob("*.ndjson")):
        for line in path.read_bytes().splitlines():
            letter = DeadLetter.decode(line)
            letters[letter.topic, letter.partition, letter.offset, letter.line] = letter
    ordered = sorted(letters.values(), key=lambda each: (each.topic, each.offset, each.line or 0))
    return [_refusal(letter) for letter in ordered]


def _refusal(letter: DeadLetter) -> Refusal:
    file = Path(letter.topic).name
    text = letter.payload[:_SHOWN_BYTES].decode(errors="replace")
    if len(letter.payload) > _SHOWN_BYTES:
        text += " ..."
    return Refusal(file, f"{file}, line {letter.offset + 1:,}", letter.reason, text)


def changed_late(sources: Sequence[Source]) -> list[tuple[str, str, int]]:
    """Source, tier, and how many of its rows late samples changed, where there are any."""
    found = [
        (source.title, tier, sum(len(line.late) for line in lines.lines))
        for source in sources
        for tier, lines in source.tiers.items()
    ]
    return [entry for entry in found if entry[2]]
