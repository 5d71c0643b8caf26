"""What alert rules cost as a stage of the stream, an instant, by number of rules and of series: one process, without Beam or Flink.

``python -m benchmarks.stage`` scrapes hosts every 15 s for as long as the longest range, and then evaluates all rules at every further scrape: the
shards take up the samples and evaluate fragments, which travel in their wire form and are united, and the rules go on from there. Times are processor
time an instant, all shards together, once the state is full. The rules are alerts and recording rules of six kinds over one metric each, of
which a host has 100: with 10 rules a tenth of all series is selected, with 100 or more every one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.files.load import load_rules
from schemas.batch import SampleBatch
from schemas.series import labels_text, shard_of
from transforms.alerts.fragments.fragments import cut
from transforms.alerts.fragments.partials_wire import decode, encode
from transforms.alerts.fragments.tasks import Task, due
from transforms.alerts.groups.partial_store import PartialStore
from transforms.alerts.shards.chunks import to_chunk
from transforms.alerts.shards.state import ShardState

OUT = Path(__file__).with_name("out")
STEP_MS = 15_000
WARM_MS = 300_000
BASE_MS = 1_767_571_200_000
METRICS = 100
KINDS = (
    "{{record: 'pool:m{n}:rate5m', expr: 'sum by (pool) (rate(m{n}[5m]))'}}",
    "{{alert: High{i}, expr: 'rate(m{n}[5m]) > 1e6', for: 1m}}",
    "{{alert: Level{i}, expr: 'm{n} < 0', for: 5m}}",
    "{{alert: Share{i}, expr: 'm{n} / on (instance) m{m} > 1e9', for: 5m}}",
    "{{alert: Mean{i}, expr: 'avg by (pool) (avg_over_time(m{n}[2m])) < 0'}}",
    "{{alert: Count{i}, expr: 'count(m{n} < 0) > 10'}}",
)

T = TypeVar("T")
Row = dict[str, float]


def rule_text(rules: int) -> str:
    """A rule file: groups of ten rules, the kinds in turn, a metric after the other."""
    lines = ["groups:"]
    for i in range(rules):
        if i % 10 == 0:
            lines.append(f"- name: g{i // 10}\n  interval: 15s\n  rules:")
        kind = KINDS[(i + i // METRICS) % len(KINDS)]
        lines.append("  - " + kind.format(i=i, n=i % METRICS, m=(i + 1) % METRICS))
    return "\n".join(lines)


def program_of(rules: int) -> Program:
    """The rules of :func:`rule_text`.

    Raises:
        RuntimeError: they are not in order.
    """
    loaded = load_rules(rule_text(rules), "benchmark.yml")
    if loaded.file is None:
        raise RuntimeError(f"the rules are not in order: {loaded.diagnostics}")
    return Program(loaded.file.groups)


class Fleet:
    """Hosts with a counter a metric, each scraped every 15 s at an offset of its own; the batches of one scrape, a shard each."""

    def __init__(self, series: int, shards: int, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        hosts = series // METRICS
        texts = [
            labels_text({"job": "node", "instance": f"host-{host:05d}", "pool": f"pool-{host % 20:02d}"}.items())
            for host in range(hosts)
        ]
        self._metrics = [f"m{metric}" for metric in range(METRICS)]
        placed = [shard_of(text, shards) for text in texts]
        self._texts = [[text for text, of in zip(texts, placed, strict=True) if of == shard] for shard in range(shards)]
        self._offsets = [self._rng.integers(1, STEP_MS, len(each)) for each in self._texts]
        self._values = [np.zeros(len(each) * METRICS) for each in self._texts]

    def scrape(self, end_ms: int) -> Iterator[tuple[int, SampleBatch]]:
        """The scrapes of the 15 s up to an instant."""
        for shard, texts in enumerate(self._texts):
            if not texts:
                continue
            values = self._values[shard]
            values += self._rng.integers(0, 100, len(values))
            stamps = end_ms - self._offsets[shard]
            yield (
                shard,
                SampleBatch(
                    targets=texts,
                    metrics=self._metrics,
                    target=np.repeat(np.arange(len(texts), dtype=np.int32), METRICS),
                    metric=np.tile(np.arange(METRICS, dtype=np.int32), len(texts)),
                    ts=np.repeat(stamps, METRICS),
                    value=values.copy(),
                    seq=np.full(len(values), end_ms),
                ),
            )


class Clock:
    """Processor time of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def __call__(self, step: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        self.seconds[step] += time.process_time() - start
        return result


def measure(rules: int, series: int, shards: int, instants: int) -> Row:
    """The costs of one instant, in ms, and sizes in bytes."""
    made = cut(program_of(rules))
    tasks = [Task.of(spec) for spec in made.fragments]
    states = [ShardState(shard, made.state()) for shard in range(shards)]
    store = PartialStore(tasks)
    evaluator = Evaluator(made.program, store)
    fleet = Fleet(series, shards)
    clock, sent, chunks = Clock(), 0, 0
    for now in range(BASE_MS + STEP_MS, BASE_MS + WARM_MS + (instants + 1) * STEP_MS, STEP_MS):
        if now == BASE_MS + WARM_MS + STEP_MS:
            clock, sent, chunks = Clock(), 0, 0
        for shard, batch in fleet.scrape(now):
            arrival = clock("add", partial(states[shard].add, batch))
            if arrival.samples is not None:
                chunks += len(clock("chunk", partial(to_chunk, arrival.samples)))
        if now <= BASE_MS + WARM_MS - 2 * STEP_MS:
            continue
        for state in states:
            for run in due(tasks, now - STEP_MS, now):
                evaluate = partial(state.evaluate, run.tasks, run.times, since_ms=now - STEP_MS)
                data = clock("encode", partial(encode, clock("evaluate", evaluate)))
                sent += len(data)
                store.add(clock("decode", partial(decode, data)))
            clock("prune", partial(state.prune, now))
        clock("groups", partial(evaluator.evaluate, np.array([now], np.int64)))
        store.prune(now)
        evaluator.prune(now - WARM_MS)
    kept, samples = sum(state.series for state in states), sum(state.samples for state in states)
    stored = sum(len(chunk) for state in states for chunk in state.to_chunks())
    return {
        "rules": rules,
        "series": series,
        "fragments": len(tasks),
        **{step: 1e3 * seconds / instants for step, seconds in clock.seconds.items()},
        "all": 1e3 * sum(clock.seconds.values()) / instants,
        "sent": sent / instants,
        "memory a series": sum(state.nbytes for state in states) / kept,
        "memory a sample": sum(state.nbytes for state in states) / samples,
        "stored a sample": stored / samples,
        "chunk a sample": chunks / instants / kept,
    }


def main(argv: list[str] | None = None) -> int:
    """Print the table, and keep the figures in ``benchmarks/out/stage.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stage", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--rules", type=int, nargs="+", default=[10, 100, 1_000], help="%(default)s")
    parser.add_argument("--series", type=int, nargs="+", default=[10_000, 100_000], help="%(default)s")
    parser.add_argument("--shards", type=int, default=8, help="%(default)s")
    parser.add_argument("--instants", type=int, default=20, help="measured, once the state is full (%(default)s)")
    args = parser.parse_args(argv)
    rows = [measure(rules, series, args.shards, args.instants) for series in args.series for rules in args.rules]
    names = list(rows[0])
    table = Table(*names, title=f"ms and bytes an instant of 15 s, {args.shards} shards")
    for row in rows:
        table.add_row(*(f"{row.get(name, 0):,.1f}".removesuffix(".0") for name in names))
    Console(width=200).print(table)
    OUT.mkdir(exist_ok=True)
    (OUT / "stage.json").write_text(json.dumps({"shards": args.shards, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
