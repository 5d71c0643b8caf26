"""The demo from start to end: this computer for half a minute in 10-second windows, beside a seeded day of a fleet."""

from __future__ import annotations

import argparse
import os
import sys
import time
import webbrowser
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import yaml
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from services.kit import interrupts
from services.kit.arguments import Parser
from tidemark.demo import terminal
from tidemark.demo.alert_table import alert_table
from tidemark.demo.inputs import HOSTS, METRICS, FleetDay, Sampling, write_fleet_day
from tidemark.demo.job import DemoFailed, Folder, Job
from tidemark.demo.outcome import CONFIGS, build_report, computer_source, differences, fleet_source
from tidemark.demo.rule_files import texts
from tidemark.report.alerts import AlertsError
from tidemark.report.build import changed_late
from tidemark.report.html import render
from tidemark.report.payload import Report
from transforms.accounting import MEANINGS


def main(argv: Sequence[str]) -> int:
    """Run the demo; 0 when every record is accounted for, 1 if not or if something failed, 2 for a mistake in the options, 130 on Ctrl-C."""
    args = _parser().parse_args(argv)
    folder = Folder(args.output)
    try:
        # Read before the folder that may hold them is replaced.
        rules = texts(args.rules)
        folder.prepare()
        for name, text in rules.items():
            (folder.rules / f"{name}.yml").write_text(text, encoding="utf-8")
        with interrupts.explained(f"what there is by now is in {folder.root}, which the next demo replaces"):
            return _run(args, folder, Console())
    except (DemoFailed, AlertsError, OSError) as error:
        print(f"tidemark demo: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="tidemark demo",
        description="Run the metrics job with no servers, on this computer's own metrics and on a seeded day of a fleet, with alert rules\n"
        "over both; show what came out.",
        epilog="The output folder then holds the input as files, the store as Parquet, what was refused or too late, the rules and\n"
        "the events of their alerts, and report.html.\n\n"
        "examples:\n"
        "  tidemark demo\n"
        "  tidemark demo --hours=2 --seconds=5 --no-open --output=demo-short    a few seconds\n"
        "  tidemark demo --rules=mine.yml                                       your rules on the fleet's day",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--seconds",
        type=_positive,
        default=30,
        metavar="N",
        help="how long to sample this computer, once a second (30)",
    )
    add("--hours", type=_positive, default=24, metavar="N", help="how much of the fleet's day to run (24)")
    add("--seed", type=int, default=7, metavar="N", help="of the fleet; equal seeds give an equal day (7)")
    rules = "alert rules for the fleet in place of the demo's own, which a run leaves in DIR/rules/fleet.yml"
    add("--rules", type=Path, metavar="FILE", help=rules)
    where = "where everything goes; an earlier demo there is replaced (demo-out)"
    add("--output", type=Path, default=Path("demo-out"), metavar="DIR", help=where)
    add("--open", action=argparse.BooleanOptionalAction, default=True, help="show the report in a browser at the end")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"a number above zero is wanted, not {text!r}")
    return int(text)


def _run(args: argparse.Namespace, folder: Folder, console: Console) -> int:
    began = time.monotonic()
    about = f"{args.seconds} s of this computer, and {args.hours} h of {HOSTS} hosts with {METRICS} metrics each"
    console.print(f"[bold]Tidemark[/] {about}\n")
    for name, config in CONFIGS.items():
        (folder.root / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    sampling = Sampling(folder.inputs / "this-computer.jsonl", args.seconds)
    sampling.start()
    try:
        day = write_fleet_day(folder.inputs, args.seed, args.hours)
    except ValueError as error:
        raise DemoFailed(str(error)) from None
    jobs = [Job(folder, "fleet", "fleet.*")]
    try:
        _watch(sampling, jobs[0], day, console)
        jobs.append(Job(folder, "computer", sampling.path.name))
        with console.status("this computer's samples through the metrics job"):
            fleet, computer = (job.balance() for job in jobs)
    finally:
        for job in jobs:
            job.stop()
    sources = (computer_source(folder, sampling, computer), fleet_source(folder, day, fleet))
    report = build_report(folder, sources, day, datetime.now(timezone.utc))
    folder.report.write_text(render(report), encoding="utf-8")
    wrong = differences(day, sampling, fleet, computer)
    _show(report, wrong, folder, console)
    console.print(f"[dim]{time.monotonic() - began:.0f} s in all[/]")
    if args.open and _has_screen():
        webbrowser.open(folder.report.resolve().as_uri())
    return 1 if any(any(numbers) for numbers in wrong.values()) else 0


def _watch(sampling: Sampling, job: Job, day: FleetDay, console: Console) -> None:
    """Show progress until this computer is sampled.

    Raises:
        DemoFailed: the job failed meanwhile.
    """
    running = Spinner("dots", Text(f"{day.samples:,} samples through the metrics job"))
    done = Text(f"{day.samples:,} samples through the metrics job: done", style="green")
    with Live(console=console, refresh_per_second=8, transient=True) as display:
        while sampling.running:
            if not job.running:
                # Report a failed job at once, not half a minute later.
                job.balance()
            display.update(terminal.live(sampling.readings, sampling.seconds, running if job.running else done))
            sampling.wait(0.25)
    sampling.wait()


def _show(report: Report, wrong: Mapping[str, Sequence[int]], folder: Folder, console: Console) -> None:
    for shown, tier in zip(report.sources, ("10s", "1m"), strict=True):
        console.print(terminal.source_table(shown, tier), "")
    for shown in report.sources:
        console.print(alert_table(shown, console.width), "")
    console.print(terminal.balance_table(report.sources, MEANINGS, wrong), "")
    for source, tier, rows in changed_late(report.sources):
        console.print(
            f"{source}: samples that came after their window had ended changed {rows:,} rows of the {tier} tier"
        )
    console.print("", terminal.refusal_table(report.refusals), "")
    console.print(terminal.steps_table("Files", [(str(folder.report), "all of this, with charts"), *report.files]), "")
    console.print(terminal.steps_table("Next", report.next_steps), "")


def _has_screen() -> bool:
    """Whether somebody is there to look at a browser."""
    return sys.stdout.isatty() and (sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ)
