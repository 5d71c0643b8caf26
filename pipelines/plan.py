"""What a job would do, in words: steps, topics, windows, tiers, state."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.options import FileInput, MetricsOptions
from schemas.times import format_duration
from transforms.io import outputs


def plan(options: MetricsOptions, beam_args: Sequence[str]) -> str:
    """The plan of ``--plan``; nothing is contacted."""
    tiers, intake = options.tiers, options.intake
    lines = [f"metrics, {'bounded' if options.bounded else 'unbounded'}", "", "reads"]
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
    lines += [
        f"  records without a content-type header are {intake.default_content_type}",
        f"  watermark of a partition: its newest event time less {format_duration(intake.delay_ms)}",
        f"  target labels: {', '.join(sorted(intake.target_labels))}; {intake.shards} shards",
        "",
        "rolls up",
    ]
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
    lines += [
        f"  late data corrects its windows for {format_duration(tiers.lateness_ms)}, "
        f"gathered for {format_duration(tiers.late_pane_delay_ms)} of event time a pane",
        "",
        "writes",
    ]
    lines += [f"  {outputs.parse(uri, tiers).describe(options.raw)}" for uri in options.outputs]
    lines += [
        f"  raw samples: {'to the same, kept ' + _kept(tiers.raw_retention_ms) if options.raw else 'not written'}",
        f"  what cannot be read: {options.dead_letter}",
        f"  what comes too late: {options.late}",
        "",
        f"runner options: {' '.join(beam_args) or '(the local runner)'}",
    ]
    return "\n".join(lines)


def _kept(retention_ms: int) -> str:
    return format_duration(retention_ms) if retention_ms else "for ever"
