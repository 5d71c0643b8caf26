"""The rollup in Quix Streams: a reduce over tumbling windows of the records' key, the host, with state in RocksDB and a changelog topic.

A scrape is one message: a window of a host holds all its metrics. Keyed by series, every sample would go through a topic of its own
once more (``group_by``).
"""

from __future__ import annotations

from typing import Any

from quixstreams import Application
from rollup import CHECKPOINT_S, WAIT_MS, WINDOW_MS, Rows, arguments, fold


def main() -> None:
    """Read the topic until every scrape was seen. A window closes when its host has a later scrape: the last ones stay open."""
    args = arguments()
    rows = Rows(args.rows)
    seen = 0

    def counted(topic: str, partition: int, offset: int) -> None:
        nonlocal seen
        seen += 1
        if seen == args.documents:
            app.stop()

    app = Application(
        broker_address=args.brokers,
        consumer_group=f"rollup-{args.topic}",
        auto_offset_reset="earliest",
        commit_interval=CHECKPOINT_S,
        state_dir=args.state,
        on_message_processed=counted,
        loglevel="WARNING",
    )
    topic = app.topic(
        args.topic,
        value_deserializer="json",
        timestamp_extractor=lambda value, headers, timestamp, kind: value["timestamp"],
    )

    def window_closed(value: dict[str, Any]) -> None:
        rows.add_all(value["value"]["host"], value["start"], value["value"]["stats"])

    frame = app.dataframe(topic)
    frame = (
        frame.tumbling_window(WINDOW_MS, grace_ms=WAIT_MS, on_late=lambda *_: False)
        .reduce(
            reducer=lambda window, document: {**window, "stats": fold(window["stats"], document["samples"])},
            initializer=lambda document: {
                "host": document["labels"]["host"],
                "stats": fold({}, document["samples"]),
            },
        )
        .final()
    )
    frame.update(window_closed)
    app.run()
    rows.close()


if __name__ == "__main__":
    main()
