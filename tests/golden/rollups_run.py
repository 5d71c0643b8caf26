"""Samples rolled up over two hours, in two halves: what windows keep between them, and the panes that go out. The same bytes each time."""

from __future__ import annotations

from schemas import rollup as rollups
from schemas.rollup import RollupBatch
from schemas.series import labels_text, metric_text
from schemas.tiers import Tiers
from tests.golden.plain import Plain, bytes_of, text_of
from tests.transforms.naive import MINUTE, NOON, Sample
from tests.transforms.windows.core import END_OF_TIME, Core
from transforms.windows.content import Key

HALF = 64
"""Minutes of the first half: it ends within an hour, with late samples of which none has gone out yet."""


def first(core: Core) -> list[RollupBatch]:
    """Up to the half."""
    panes = _play(core, range(HALF))
    # A pane that comes late to the hour before: it has not gone on yet.
    core.feed([_scrape(HALF - 5, late=True)])
    panes += core.advance(NOON + (HALF - 1) * MINUTE)
    # Late for a window whose samples stayed as they came, and once more for one that has buckets.
    core.feed([_scrape(HALF - 3, late=True), _scrape(HALF - 5, late=True)])
    return panes


def second(core: Core) -> list[RollupBatch]:
    """The rest, up to the end of time."""
    return [*_play(core, range(HALF, 74)), *core.advance(END_OF_TIME)]


def make() -> Core:
    """A job without a runner."""
    return Core(Tiers(), shards=2, delay_ms=10_000)


def _play(core: Core, minutes: range) -> list[RollupBatch]:
    panes: list[RollupBatch] = []
    for minute in minutes:
        records = [_scrape(minute)]
        if minute % 17 == 3:
            records.append(_scrape(minute - 2, late=True))
        core.feed(records)
        panes += core.advance(core.watermark)
    return panes


def _scrape(minute: int, late: bool = False) -> list[Sample]:
    time_ms = NOON + minute * MINUTE + (12_000 if late else 5_000)
    hosts = range(0, 3, 2 if late else 1)
    return [
        Sample(
            (labels_text([("host", f"h{host}")]), metric),
            time_ms,
            (minute * (host + 3)) % 7 + 0.25 * late,
            minute * 100 + host * 10 + at + 5 * late,
        )
        for host in hosts
        for at, metric in enumerate(("cpu_usage", metric_text("disk_free", [("device", "sda")])))
    ]


def plain_panes(panes: list[RollupBatch]) -> Plain:
    """Panes as a file holds them."""
    return [text_of(rollups.encode(pane)) for pane in panes]


def plain_state(core: Core) -> Plain:
    """The state of each tier by the key of the window, and how far the partition is."""
    return {
        "watermark": core.watermark,
        "tiers": {
            level.tier.name: {
                key.encode().hex(): {
                    "meta": text_of(window.cells["meta"]) if window.cells else None,
                    "pending": [text_of(data) for data in window.pending],
                    "late": [text_of(data) for data in window.late],
                    "buckets": {str(bucket): text_of(data) for bucket, data in window.buckets.items()},
                    "timers": dict(sorted(window.timers.items())),
                }
                for key, window in sorted(level.windows.items(), key=lambda entry: entry[0].encode())
                if not window.is_empty or window.timers
            }
            for level in core.levels
        },
    }


def restored(state: Plain) -> Core:
    """A job that goes on from a state."""
    core = make()
    core.go_on(state["watermark"])
    for level in core.levels:
        for name, plain in state["tiers"][level.tier.name].items():
            window = level.windows[Key.decode(bytes.fromhex(name))]
            if plain["meta"] is not None:
                window.write("meta", bytes_of(plain["meta"]))
            window.replace("pending", map(bytes_of, plain["pending"]))
            # Releases up to 1 had no bag of its own for what came late.
            window.replace("late", map(bytes_of, plain.get("late", ())))
            for bucket, data in plain["buckets"].items():
                window.replace(f"bucket{int(bucket):02d}", [bytes_of(data)])
            for tag, time_ms in plain["timers"].items():
                window.at(time_ms, tag)
    return core
