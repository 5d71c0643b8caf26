"""The metrics job with a step more: how many distinct values each series has in each minute.

    python examples/distinct.py --input=file:cpu.lp --output=parquet:store --distinct=file:counts

All options of `tidemark run metrics` work, so it runs on Flink too, and goes on from a savepoint. Late samples correct a minute until it
expires; of several lines for one minute and series, the one with the latest `as_of` counts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter

from pipelines import job, metrics
from pipelines.options import job as job_options
from schemas import batch
from schemas.series import series_text
from tidemark import Cells, Machine, Out, RunMachine, Timer, Timers, WriteRecords
from transforms.windows.content import Key

MINUTE = 60_000


class DistinctValues(Machine):
    """Distinct values in one minute of one shard. ``settings`` is how long after its end a minute takes late samples, ms."""

    CELLS = ("sent",)
    BAGS = ("values",)

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> list[Out]:
        samples = batch.decode(element)
        places = zip(samples.target.tolist(), samples.metric.tolist(), samples.value.tolist(), strict=True)
        found = {
            (series_text(samples.targets[target], samples.metrics[metric]), value) for target, metric, value in places
        }
        cells.append("values", json.dumps(sorted(found)).encode())
        end = Key.decode(key).window + MINUTE
        timers.at(end + self.settings, "expire")
        # Late samples wait for others until the next full 10 s.
        timers.at(max(end, samples.watermark // 10_000 * 10_000 + 10_000) if samples.late else end)
        return []

    def fire(self, key: bytes, timer: Timer, cells: Cells, timers: Timers) -> list[Out]:
        values = {(series, value) for part in cells.read_bag("values") for series, value in json.loads(part)}
        sent = json.loads(cells.read("sent") or b"{}")
        counts = Counter(series for series, _ in values)
        if timer.tag == "expire":
            cells.clear("sent")
            cells.replace("values", [])
        else:
            cells.write("sent", json.dumps(counts).encode())
            cells.replace("values", [json.dumps(sorted(values)).encode()])
        place = {"window": Key.decode(key).window, "as_of": timer.time_ms}
        changed = [
            {**place, "series": each, "distinct": counts[each]} for each in counts if counts[each] != sent.get(each)
        ]
        return [Out(timer.time_ms, "counts", json.dumps(line).encode()) for line in changed]


def main(argv: list[str]) -> int:
    """Run the job of a command line. Returns its exit status."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--distinct", default="file:counts")
    own, words = parser.parse_known_args(argv)

    def build(pipeline, options):
        samples = metrics.build(pipeline, options).samples
        counts = samples | "Distinct" >> RunMachine(DistinctValues, options.tiers.lateness_ms, "distinct", "counts")
        counts | "Write counts" >> WriteRecords(own.distinct, "lines")

    distinct = job.Job("distinct", job_options.parse, build)
    return job.main("distinct", lambda args: job.run(distinct, args), words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
