"""The rollup in Pathway: ``windowby`` with an instance a host, whose scrapes are folded when their window closes, with persistence.

With a row a sample (``flatten``), an instance a series and the engine's own reducers, a million samples took 50 s of processor time and more.
"""

from __future__ import annotations

from typing import Any

import pathway as pw
from rollup import CHECKPOINT_S, WAIT_MS, WINDOW_MS, Rows, Stats, arguments, fold


class Scrape(pw.Schema):
    """A scrape document."""

    labels: pw.Json
    timestamp: int
    samples: pw.Json


def main() -> None:
    """Read the topic to the end that it has now; at the end all windows close."""
    args = arguments()
    rows = Rows(args.rows)
    settings = {
        "bootstrap.servers": args.brokers,
        "group.id": f"rollup-{args.topic}",
        "auto.offset.reset": "earliest",
        "session.timeout.ms": "6000",
    }
    scrapes = pw.io.kafka.read(
        settings,
        args.topic,
        schema=Scrape,
        format="json",
        mode="static",
        autocommit_duration_ms=1_000,
        name="scrapes",
    )
    hosts = scrapes.select(pw.this.timestamp, pw.this.samples, host=scrapes.labels["host"].as_str(unwrap=True))
    minutes = hosts.windowby(
        hosts.timestamp,
        window=pw.temporal.tumbling(duration=WINDOW_MS, origin=0),
        instance=hosts.host,
        behavior=pw.temporal.exactly_once_behavior(shift=WAIT_MS),
    ).reduce(
        host=pw.this._pw_instance,
        start=pw.this._pw_window_start,
        scrapes=pw.reducers.tuple(pw.this.samples),
    )

    def changed(key: object, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if is_addition:
            stats: Stats = {}
            for samples in row["scrapes"]:
                fold(stats, samples.value)
            rows.add_all(row["host"], row["start"], stats)

    pw.io.subscribe(minutes, changed)
    pw.run(
        monitoring_level=pw.MonitoringLevel.NONE,
        persistence_config=pw.persistence.Config(
            pw.persistence.Backend.filesystem(args.state),
            # The default persists the input, and computes all again after a restart. To persist operators needs a licence key.
            snapshot_interval_ms=CHECKPOINT_S * 1000,
        ),
    )
    rows.close()


if __name__ == "__main__":
    main()
