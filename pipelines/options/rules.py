"""Options of the rules that a job evaluates: their files, how they are evaluated, and where alert events go."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines.options.parsers import DEFAULT_RULE_SHARDS
from pipelines.options.values import OptionError, check_labels, duration, number, refuse_unknown
from rules.diagnostics.model import Severity
from rules.diagnostics.text import text_of
from rules.evaluation.alert_text import Site
from rules.evaluation.program import Settings
from rules.files.other_files import left_out
from rules.promql.context import Options
from transforms.alerts.live.live import NOT_STREAMABLE, LiveRules
from transforms.alerts.rule_files.source import left_out_files, read_files
from transforms.alerts.settings import EvaluationSettings
from transforms.intake.beam import IntakeSettings

DEFAULT_MAX_SERIES = 1_000_000
MAX_SERIES = 100_000_000
MAX_SHOWN = 20
"""How many faults of rule files a message shows. ``tidemark rules check`` shows all."""

_ROUNDING_MS = 1_000
"""The rounding error of watermarks: a sample may lie this much further behind the watermark that overtook it."""


@dataclass(frozen=True)
class RuleOptions:
    """The rules that a job evaluates.

    Attributes:
        paths: files, directories and patterns; absolute, because workers have other working directories.
        settings: of the rule evaluation, with the current texts of the files.
        alerts: the URI for events, see :func:`transforms.io.sink.records`.
        poll_ms: the interval between checks of the files for changes; 0 for never.
    """

    paths: tuple[str, ...]
    settings: EvaluationSettings
    alerts: str
    poll_ms: int


def rule_options(
    args: argparse.Namespace, config: Mapping[str, Any], intake: IntakeSettings, bounded: bool, alerts: str
) -> RuleOptions | None:
    """The rules to evaluate; None without ``--rules``. Reads the rule files.

    Args:
        config: the mapping ``rules`` of the configuration file.
        alerts: the URI for events without ``--alerts``.

    Raises:
        OptionError: an option or a key is invalid, or a rule file cannot be evaluated.
    """
    settings = _settings(args, config, intake, bounded)
    poll_ms = _poll(args.rules_poll)
    if not args.rules:
        for name in ("alerts", "rule_shards"):
            if getattr(args, name) is not None:
                raise OptionError(f"--{name.replace('_', '-')}: there are no rules: name their files with --rules=PATH")
        return None
    paths = tuple(os.path.abspath(path) for path in args.rules)
    settings = replace(settings, files=_read(paths))
    if others := left_out_files(paths):
        print(f"--rules: {left_out(others)}", file=sys.stderr)
    _check(settings, args.rules)
    return RuleOptions(paths, settings, args.alerts or alerts, 0 if bounded else poll_ms)


def late_ms(intake: IntakeSettings) -> int:
    """How far a sample may lie behind the watermark that overtook it for the intake to accept it."""
    return intake.tiers.lateness_ms + intake.tiers.rollups[0].window_ms + _ROUNDING_MS


def _settings(
    args: argparse.Namespace, config: Mapping[str, Any], intake: IntakeSettings, bounded: bool
) -> EvaluationSettings:
    where = f"--config={args.config}: rules"
    if not isinstance(config, dict):
        raise OptionError(f"{where}: a mapping is wanted, not {config!r}")
    known = {"shards", "grace", "external_labels", "external_url", "evaluation_interval", "query_offset", "max_series"}
    refuse_unknown(where, config, known)

    def time_of(key: str, default: str) -> int:
        return duration(f"{where}.{key}", str(config.get(key, default)))

    interval_ms = time_of("evaluation_interval", "1m")
    if not interval_ms:
        raise OptionError(f"{where}.evaluation_interval: it must be longer than zero")
    labels = config.get("external_labels", {})
    if not isinstance(labels, dict) or not all(isinstance(text, str) for pair in labels.items() for text in pair):
        raise OptionError(f"{where}.external_labels: a mapping of names to texts is wanted, not {labels!r}")
    check_labels(f"{where}.external_labels", labels)
    url = config.get("external_url", "")
    if not isinstance(url, str):
        raise OptionError(f"{where}.external_url: a text is wanted, not {url!r}")
    # A rule shard takes whole shards of the intake: with more rule shards, some would be empty.
    shards = min(DEFAULT_RULE_SHARDS, intake.shards)
    if "shards" in config:
        shards = number(f"{where}.shards", config["shards"], intake.shards)
    if args.rule_shards is not None:
        shards = number("--rule-shards", args.rule_shards, intake.shards)
    return EvaluationSettings(
        files={},
        program=Settings(
            options=Options(default_step_ms=interval_ms),
            site=Site(labels, url),
            interval_ms=interval_ms,
            query_offset_ms=time_of("query_offset", "0s"),
        ),
        target_labels=intake.target_labels,
        shards=shards,
        grace_ms=time_of("grace", "0s"),
        late_ms=late_ms(intake),
        bounded=bounded,
        max_series=number(f"{where}.max_series", config.get("max_series", DEFAULT_MAX_SERIES), MAX_SERIES),
    )


def _read(paths: tuple[str, ...]) -> Mapping[str, str]:
    try:
        return read_files(paths)
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.strerror else str(error)
        raise OptionError(f"--rules: {reason}") from None


def _poll(text: str) -> int:
    poll_ms = duration("--rules-poll", text)
    if poll_ms % 1_000:
        raise OptionError(f"--rules-poll={text}: whole seconds are wanted, or 0s for never")
    return poll_ms


def _check(settings: EvaluationSettings, paths: list[str]) -> None:
    """Refuse files that cannot be evaluated: a job that starts has no earlier version to continue with."""
    rules = LiveRules(settings).current.rules
    problems = rules.problems
    if not problems:
        if settings.bounded and not any(group.rules for group in rules.groups):
            raise OptionError(f"--rules: there is no rule in {', '.join(paths)}: nothing would be evaluated")
        return
    faults = [
        (diagnostic, problem.text)
        for problem in problems.values()
        for diagnostic in problem.diagnostics
        if diagnostic.severity is Severity.ERROR
    ]
    lines = [text_of(diagnostic, text) for diagnostic, text in faults[:MAX_SHOWN]]
    lines += [f"... and {len(faults) - MAX_SHOWN} more"] * (len(faults) > MAX_SHOWN)
    checkable = any(diagnostic.code != NOT_STREAMABLE for diagnostic, _ in faults)
    advice = (
        f"mend them; `tidemark rules check {' '.join(paths)}` shows all faults and warnings"
        if checkable
        else "write them in another way, or leave them to a Prometheus"
    )
    files = f"{len(problems)} of {len(settings.files)} files cannot be evaluated"
    raise OptionError("\n".join([f"--rules: {files}, and there is no earlier version to go on with:", *lines, advice]))
