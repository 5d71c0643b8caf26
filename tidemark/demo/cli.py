"""The demo from start to end: this computer for half a minute in 10-second windows, beside a seeded day of a fleet."""

from __future__ import annotations

import argparse
import os
import sys
import time
import webbrowser
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import yaml
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from schemas.errors import FAILURE
from services.kit import interrupts
from services.kit.commands import refusing
from tidemark.demo import terminal
from tidemark.demo.alert_table import alert_table
from tidemark.demo.inputs import HOSTS, METRICS, FleetDay, Sampling, write_fleet_day
from tidemark.demo.job import DemoFailed, Folder, Job
from tidemark.demo.outcome import CONFIGS, build_report, computer_source, differences, fleet_source
from tidemark.demo.rule_files import texts
from tidemark.report.build import changed_late
from tidemark.report.html import render
from tidemark.report.payload import Report
from transforms.accounting import MEANINGS


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 when every record is accounted for, 1 if not, 130 on Ctrl-C.

    Raises:
        UserError: something failed, or the rules have errors.
    """
    folder = Folder(args.output)
    with refusing(OSError, status=FAILURE):
        # Read before the folder that may hold them is replaced.
        rules = texts(args.rules)
        folder.prepare()
        for name, text in rules.items():
            (folder.rules / f"{name}.yml").write_text(text, encoding="utf-8")
        with interrupts.explained(f"what there is by now is in {folder.root}, which the next demo replaces"):
            return _run(args, folder, Console())


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
