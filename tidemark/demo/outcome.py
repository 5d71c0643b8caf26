"""The result of a demo run: the sources of its report, and whether job and input agree on every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from schemas.tiers import Tiers
from schemas.times import format_duration
from services.agent.readings import COUNTERS
from tidemark.demo.inputs import DAY_START_MS, HOSTS, HOUR_MS, INTERVAL_MS, METRICS, FleetDay, Sampling
from tidemark.demo.job import Folder
from tidemark.generate.catalog import Kind
from tidemark.report.alerts import read_alerts, read_rules
from tidemark.report.build import read_refusals, read_source
from tidemark.report.payload import Report, Source
from transforms.accounting import DEAD_LETTERS, MEANINGS, RECORDS_READ, SAMPLES_READ, Balance

DELAY_MS = 10_000
"""How far the jobs' watermark stays behind the newest event time."""

_TEN_SECONDS = {"name": "10s", "window": "10s", "retention": "7d"}
_MINUTE = {"name": "1m", "window": "1m", "retention": "30d"}
_HOUR = {"name": "1h", "window": "1h", "retention": "365d"}


def _config(*rollups: Mapping[str, str]) -> dict[str, Any]:
    # One shard: the local runner takes its time by shards and windows, and runs them one after another.
    tiers = {"lateness": "5m", "late_pane_delay": "10s", "rollups": list(rollups)}
    return {"tiers": tiers, "watermark_delay": format_duration(DELAY_MS), "shards": 1}


CONFIGS: Mapping[str, dict[str, Any]] = {
    "fleet": _config(_MINUTE, _HOUR),
    "computer": _config(_TEN_SECONDS, _MINUTE, _HOUR),
}
"""Configuration of each of the two jobs, by name."""


def _tiers(name: str) -> Tiers:
    return Tiers.from_config(CONFIGS[name]["tiers"])


def computer_source(folder: Folder, sampling: Sampling, balance: Balance) -> Source:
    """This computer's source, read from the store."""
    note = (
        f"{sampling.seconds} seconds of this computer, a reading each second. The dots are samples; a band is a 10-second window from its "
        "least to its greatest sample, the bar across it their average. Counters are drawn as rates."
    )
    first, last = sampling.readings[0][0], sampling.readings[-1][0]
    source = read_source(
        folder.store,
        "computer",
        "This computer",
        note,
        _tiers("computer"),
        (first, last + 1),
        COUNTERS,
        balance.counts,
        DELAY_MS,
        draw_samples=True,
    )
    return with_alerts(source, folder, (first, last))


def fleet_source(folder: Folder, day: FleetDay, balance: Balance) -> Source:
    """The fleet's source, read from the store."""
    note = (
        f"{HOSTS} hosts with {METRICS} metrics each, scraped every {format_duration(INTERVAL_MS)} through a seeded 12 January 2026: incidents "
        "that make latency and load spike, a host that falls silent, late and repeated samples, and a few broken records. "
        "Counters are drawn as rates."
    )
    counters = frozenset(metric.name for metric in day.fleet.metrics if metric.kind is Kind.COUNTER)
    span = (DAY_START_MS, DAY_START_MS + day.hours * HOUR_MS)
    source = read_source(
        folder.store, "fleet", "A fleet's day", note, _tiers("fleet"), span, counters, balance.counts, DELAY_MS
    )
    return with_alerts(source, folder, span)


def with_alerts(source: Source, folder: Folder, span: tuple[int, int]) -> Source:
    """The source with what the rules of its name made of it.

    Args:
        span: the first and the last event time of its samples, ms.

    Raises:
        AlertsError: what the job wrote are no alert events.
    """
    path = folder.rules / f"{source.id}.yml"
    rules = read_rules(path.read_text(encoding="utf-8"), str(path))
    return replace(source, alerts=read_alerts(folder.alerts / source.id, rules, span))


def differences(day: FleetDay, sampling: Sampling, fleet: Balance, computer: Balance) -> dict[str, tuple[int, int]]:
    """Numbers that must all be 0, for this computer and the fleet: what the job cannot account for, and where it and its input disagree."""
    read = sum(len(samples) for _, samples in sampling.readings)
    return {
        "records unaccounted for": (computer.records_missing, fleet.records_missing),
        "samples unaccounted for": (computer.samples_missing, fleet.samples_missing),
        "records of the input not read": (
            len(sampling.readings) - computer[RECORDS_READ],
            day.lines - fleet[RECORDS_READ],
        ),
        "samples of the input not read": (read - computer[SAMPLES_READ], day.samples - fleet[SAMPLES_READ]),
        "broken records not refused": (-computer[DEAD_LETTERS], day.counts.malformed.total() - fleet[DEAD_LETTERS]),
    }


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def sample_fates() -> dict[str, str]:
    """The fates of samples and what was read, with their meanings."""
    return {name: meaning for name, meaning in MEANINGS.items() if name.startswith("samples.")}


def build_report(folder: Folder, sources: Sequence[Source], day: FleetDay, now: datetime) -> Report:
    """The report of a run that ended at ``now``."""
    root = folder.root
    return Report(
        sources=sources,
        meanings=sample_fates(),
        refusals=read_refusals(folder.dead_letters),
        made=f"A demo run of {now.day} {now:%B %Y, %H:%M} UTC",
        files=(
            (
                str(folder.store),
                "rollups and raw samples as Parquet, a folder each tier; any Parquet reader opens them",
            ),
            (str(folder.inputs), "what went in: JSON scrape documents and line protocol"),
            (str(folder.dead_letters), "what could not be read, whole, with place and reason"),
            (str(folder.late), "samples that came after the allowed lateness"),
            (str(folder.rules), "the alert rules, in Prometheus' own format"),
            (str(folder.alerts), "what became of them: an event for each change of each alert, as JSON"),
        ),
        next_steps=(
            (
                f"tidemark run metrics --plan --input=file:{folder.inputs / 'fleet.*'} "
                f"--output=parquet:{root / 'again'} --config={root / 'fleet.yaml'}",
                "what the job does, step by step; without --plan it runs again",
            ),
            (
                f"tidemark rules backtest {folder.rules / 'fleet.yml'} --data=parquet:{folder.store} "
                f"--start={_time(DAY_START_MS)} --end={_time(DAY_START_MS + day.hours * HOUR_MS)} "
                f"--html={root / 'backtest.html'}",
                "the same rules over the stored samples; edit them and look again, it takes a second",
            ),
            (
                f"tidemark demo --rules={folder.rules / 'fleet.yml'}",
                "all of this again with the rules as you have edited them",
            ),
            (
                "tidemark generate metrics --hosts=3 --metrics=5 --duration=1m --output=-",
                "a load of your own, with as much lateness and damage as you like; see --help",
            ),
            ("make up && make submit", "the same job on Kafka, Flink and InfluxDB, running until you stop it"),
        ),
    )
