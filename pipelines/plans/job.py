"""The text of ``--plan``: steps, topics, windows, tiers, rules and state of a job."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.options.job import FileInput, JobOptions
from pipelines.plans.rules import rule_lines
from schemas.tiers import Tiers
from schemas.times import format_duration
from transforms.io.kinds import ALERT_EVENTS


def plan(name: str, options: JobOptions, beam_args: Sequence[str]) -> str:
    """The text of ``--plan``. Contacts no server."""
    sections = [
        [f"{name}, {'bounded' if options.bounded else 'unbounded'}"],
        ["reads", *_reads(options)],
        ["rolls up", *_rolls_up(options.tiers)] if options.rollups else [],
        ["evaluates", *rule_lines(options.rules)] if options.rules else [],
        ["writes", *_writes(options)],
        [f"runner options: {' '.join(beam_args) or '(the local runner)'}"],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _reads(options: JobOptions) -> list[str]:
    intake, lines = options.intake, []
    for entry in options.inputs:
        if isinstance(entry, FileInput):
            lines.append(
                f"  {len(entry.paths)} files: {', '.join(entry.paths[:3])}{', ...' if len(entry.paths) > 3 else ''}"
            )
        else:
            lines.append(
                f"  topic {entry.topic.topic} at {entry.topic.bootstrap}, from {entry.start}, "
                f"idle after {format_duration(entry.idle_ms)}, new partitions every {format_duration(entry.discovery_ms)}"
            )
    return [
        *lines,
        f"  records without a content-type header are {intake.default_content_type or 'recognised by their content'}",
        *_watermarks(options),
        f"  target labels: {', '.join(sorted(intake.target_labels))}; {intake.shards} shards",
    ]


def _watermarks(options: JobOptions) -> list[str]:
    intake = options.intake
    follows = f"its newest event time less {format_duration(intake.delay_ms)}"
    of_files = f"  watermark of a file: {follows if intake.file_watermark == 'events' else 'stands until its end, nothing in it is late'}"
    kinds = {isinstance(entry, FileInput): None for entry in options.inputs}
    return [of_files if is_file else f"  watermark of a partition: {follows}" for is_file in kinds]


def _rolls_up(tiers: Tiers) -> list[str]:
    lines = []
    for level, tier in enumerate(tiers.rollups):
        source = "samples" if not level else f"panes of {tiers.rollups[level - 1].name}"
        held = (
            f"each sample once, {format_duration(tier.window_ms + tiers.lateness_ms)} long"
            if not level
            else f"newest pane of each {tiers.rollups[level - 1].name} window that can still change, and one folded row a series"
        )
        lines += [
            f"  {tier.name}: windows of {format_duration(tier.window_ms)} from {source}, kept {_kept(tier.retention_ms)}",
            f"      state a shard and window: {held}",
        ]
    return [
        *lines,
        f"  late data corrects its windows for {format_duration(tiers.lateness_ms)}, "
        f"gathered for {format_duration(tiers.late_pane_delay_ms)} of event time a pane",
    ]


def _writes(options: JobOptions) -> list[str]:
    tiers = options.tiers
    lines = [f"  {output.describe(options.row_kinds)}" for output in options.sinks.rows]
    kept = f"to the same, kept {_kept(tiers.raw_retention_ms)}" if options.raw and lines else "not written"
    if options.rollups:
        lines.append(f"  raw samples: {kept}")
    if options.rules:
        events = options.sinks.records[ALERT_EVENTS].describe([ALERT_EVENTS])
        lines += [f"  series that rules write: {kept}", f"  events of alerts: {events}"]
    return [
        *lines,
        f"  what cannot be read: {options.dead_letter}",
        f"  what comes too late: {options.late}",
    ]


def _kept(retention_ms: int) -> str:
    return format_duration(retention_ms) if retention_ms else "for ever"
