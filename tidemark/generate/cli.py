"""``tidemark generate``: a seeded load of metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from kafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from schemas.errors import FAILURE, MISTAKE
from services.kit.commands import refusing
from services.kit.interrupts import INTERRUPTED
from services.kit.outputs import check_files
from tidemark.generate.arguments import FORMATS, parser
from tidemark.generate.fleet import Fleet
from tidemark.generate.load import Load
from tidemark.generate.options import Options, checked
from tidemark.generate.outputs import FileOutput, KafkaOutput, Output
from tidemark.generate.pacing import Pace, instants, live_instants
from tidemark.generate.plan import scrapes
from tidemark.generate.summary import Summary
from tidemark.generate.truth import TruthFile
from transforms.io.kafka.admin import connect, create_topic, read_config, topic_exists, unavailable
from transforms.io.kafka.topic import KafkaTopic


def main(argv: list[str]) -> int:
    """Run ``tidemark generate``; returns the exit status: 0 sent, 130 interrupted before the end.

    Raises:
        UserError: with status 1 if not all could be sent, with 2 for a mistake in the options.
    """
    args = parser().parse_args(argv)
    with refusing(ValueError, OSError, status=MISTAKE):
        options = checked(args)
        fleet = Fleet(options.seed, options.hosts, options.metrics)
        _check_files(options)
        output = open_output(options)
    with refusing(OSError, status=FAILURE):
        return run(options, fleet, output)


def _check_files(options: Options) -> None:
    """Check that all files can be written.

    Raises:
        OutputError: one cannot.
    """
    to = None if options.output == "-" or isinstance(options.output, KafkaTopic) else options.output
    files = {"--output": to, "--truth": options.truth, "--summary-json": options.summary_json}
    check_files(files, [options.kafka_config] if options.kafka_config else [])


def open_output(options: Options) -> Output:
    """The output, its topic checked or created.

    Raises:
        ValueError: the topic is not there, or the configuration file is wrong; the message says what to do.
        KafkaUnavailable: the broker does not answer.
        OSError: the file cannot be written.
    """
    if not isinstance(options.output, KafkaTopic):
        return FileOutput(options.output)
    topic = replace(options.output, config=read_config(options.kafka_config))
    admin = connect(topic)
    try:
        if options.create_topic:
            create_topic(admin, topic.topic, options.create_topic)
        elif not topic_exists(admin, topic.topic):
            raise ValueError(
                f"{topic.bootstrap} has no topic {topic.topic}; create it with --create-topic=4, "
                f"or: tidemark topics create {topic.topic} --brokers={topic.bootstrap} --partitions=4"
            )
    except KafkaError as error:
        raise unavailable(topic, error) from None
    finally:
        admin.close()
    return KafkaOutput(topic)


def run(options: Options, fleet: Fleet, output: Output) -> int:
    """Send the whole load and print its summary on standard error."""
    console = Console(stderr=True)
    load = Load(fleet, FORMATS[options.format], headers=isinstance(options.output, KafkaTopic))
    began, cpu_began = time.monotonic(), time.process_time()
    interrupted = False
    with ExitStack() as stack:
        truth = stack.enter_context(TruthFile(options.truth, fleet)) if options.truth else None
        stack.enter_context(output)
        start_ms, times = _times(options)
        pace = Pace(options.rate)
        try:
            for ts in _shown(times, load, options, console):
                planned = scrapes(fleet, ts, options.interval_ms, options.faults)
                if truth:
                    truth.add(planned)
                for record in load.step(ts, planned):
                    output.send(record)
                pace.after(load.counts.deliveries * options.metrics)
        except KeyboardInterrupt:
            interrupted = True
        for record in load.rest():
            output.send(record)
    summary = Summary.of(
        options, load.counts, start_ms, output, time.monotonic() - began, time.process_time() - cpu_began
    )
    console.print(summary.table())
    if options.summary_json:
        options.summary_json.write_text(json.dumps(summary.to_json(), indent=2) + "\n")
    return INTERRUPTED if interrupted and options.duration_ms is not None else 0


def _times(options: Options) -> tuple[int, Iterator[int]]:
    """The first event time (ms), and all of them."""
    now = int(time.time() * 1000)
    interval = options.interval_ms
    if options.realtime:
        return now - now % interval + interval, live_instants(interval, options.duration_ms)
    duration = options.duration_ms or 0
    start = options.start_ms if options.start_ms is not None else (now - duration) // interval * interval
    return start, iter(instants(start, duration, interval))


def _shown(times: Iterator[int], load: Load, options: Options, console: Console) -> Iterator[int]:
    """The event times, with progress on standard error when that is a terminal."""
    if options.quiet or not console.is_terminal:
        yield from times
        return
    total = None if options.duration_ms is None else -(-options.duration_ms // options.interval_ms)
    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.fields[samples]:,} samples, {task.fields[speed]:,.0f}/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total, samples=0, speed=0.0)
        began = time.monotonic()
        for ts in times:
            yield ts
            samples = load.counts.deliveries * options.metrics
            elapsed = max(time.monotonic() - began, 1e-3)
            progress.update(task, advance=1, samples=samples, speed=samples / elapsed)
