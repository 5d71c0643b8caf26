"""The rollup in Bytewax: a fold over tumbling windows, keyed by host, with recovery.

A scrape is one item: a window of a host holds all its metrics. Keyed by series, every sample would be an item of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main
from rollup import CHECKPOINT_S, WAIT_MS, WINDOW_MS, Rows, Stats, arguments, fold

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Window(Stats):
    """The state of a host's window. Bytewax copies all windows deeply at each checkpoint, which takes nine times as long without this."""

    def __deepcopy__(self, memo: object) -> Window:
        return Window({metric: values.copy() for metric, values in self.items()})


class _Partition(StatelessSinkPartition):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def write_batch(self, items: list[Any]) -> None:
        for host, (window, stats) in items:
            self._rows.add_all(host, window * WINDOW_MS, stats)

    def close(self) -> None:
        self._rows.close()


class RowSink(DynamicSink):
    """Rows of windows that have closed."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Partition:
        return _Partition(self._rows)


def main() -> None:
    """Read the topic to its end; at the end all windows close."""
    args = arguments()
    flow = Dataflow("rollup")
    source = KafkaSource([args.brokers], [args.topic], tail=False)
    messages = op.input("scrapes", flow, source)

    def parsed(message: Any) -> tuple[str, dict[str, Any]]:
        document = orjson.loads(message.value)
        return document["labels"]["host"], document

    clock = win.EventClock(
        lambda document: datetime.fromtimestamp(document["timestamp"] / 1000, timezone.utc),
        wait_for_system_duration=timedelta(milliseconds=WAIT_MS),
        # Windows close by items, not by the clock: for old data it would be time to wake every host at every turn.
        to_system_utc=lambda timestamp: None,
    )
    # Windows that align to the epoch: a window's number times its length is its start.
    windower = win.TumblingWindower(length=timedelta(milliseconds=WINDOW_MS), align_to=EPOCH)
    windows = win.fold_window(
        "minute",
        op.map("parse", messages, parsed),
        clock,
        windower,
        Window,
        lambda stats, document: fold(stats, document["samples"]),
        lambda one, other: one | other,
        ordered=False,
    )
    op.output("rows", windows.down, RowSink(Rows(args.rows)))
    init_db_dir(args.state, 1)
    # `python -m bytewax.run` does the same, but imports the flow, which has no command line then.
    run_main(flow, epoch_interval=timedelta(seconds=CHECKPOINT_S), recovery_config=RecoveryConfig(str(args.state)))


if __name__ == "__main__":
    main()
