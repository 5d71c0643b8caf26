"""The result of a run: balance and findings of a bounded run, and the exit status. All jobs report with it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.options.job import FileInput, JobOptions
from rules.planning.catalogue import Catalogue
from rules.planning.no_data import selector_key, unfed, unfed_lines
from schemas.times import format_time
from transforms import accounting
from transforms.accounting import Balance
from transforms.alerts.live.live import LiveRules
from transforms.alerts.settings import MAX_METRICS
from transforms.io.files.paths import name_of
from transforms.io.kinds import ALERT_EVENTS, DEAD_LETTERS, LATE_SAMPLES, RecordKind
from transforms.io.outputs import output_type
from transforms.losses.beam import Evidence
from transforms.losses.examples import in_files
from transforms.losses.finding import Finding, Setup, Severity
from transforms.losses.findings import NOTHING_SELECTED, findings

UNBALANCED = 1
"""Exit status of a run whose balance does not add up: a defect."""
LOSS = 3
"""Exit status of a run that wrote nothing, or of which an output lacks rows."""


_BESIDE = ("differences", "event_time", "findings", "status")


@dataclass(frozen=True)
class Result:
    """The result of a run. All fields are empty for ``--plan``.

    Attributes:
        balance: the counters of a bounded run that has ended.
        detached: the name of a job that was left to its job server.
        findings: of a bounded run, the gravest first.
        places: pairs of a kind, such as dead letters or late samples, and where they are. Kinds without any are left out.
        span: the first and the last event time, whole seconds since 1970; None if unknown.
    """

    balance: Balance | None = None
    detached: str | None = None
    findings: tuple[Finding, ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    span: tuple[int, int] | None = None

    @property
    def status(self) -> int:
        """The exit status: 0 for success, else :data:`UNBALANCED` or :data:`LOSS`."""
        if self.balance is not None and not self.balance.adds_up:
            return UNBALANCED
        return LOSS if any(each.severity is Severity.LOSS for each in self.findings) else 0

    def report(self, name: str) -> int:
        """Print the balance of a bounded run, and its findings on standard error. Returns the exit status."""
        if self.balance is not None:
            print("\n".join([f"{name}: {self._headline(self.balance)}:", *self._lines(self.balance)]), flush=True)
        for finding in self.findings:
            print("\n".join([f"{name}: {finding.severity.value}: {finding.text}", *finding.details()]), file=sys.stderr)
        return self.status

    def to_json(self) -> dict[str, Any]:
        """The counters of a bounded run by name, with ``differences``, ``findings``, ``event_time`` (seconds) and ``status``.

        Raises:
            ValueError: the run has no balance.
        """
        if self.balance is None:
            raise ValueError("only a bounded run that has ended has a balance")
        found = [
            {
                "code": each.code,
                "severity": each.severity.value,
                "text": each.text,
                "examples": [example._asdict() for example in each.examples],
                "advice": list(each.advice),
            }
            for each in self.findings
        ]
        beside = (self.balance.differences, self.span, found, self.status)
        return {**self.balance.every_count(), **dict(zip(_BESIDE, beside, strict=True))}

    def _headline(self, balance: Balance) -> str:
        if not balance.adds_up:
            return "not every record is accounted for"
        return "every record accounted for" + (", but not every row is stored" if balance.rows_refused else "")

    def _lines(self, balance: Balance) -> list[str]:
        lines = balance.lines()
        if self.span is not None:
            first, last = (format_time(second * 1000) for second in self.span)
            lines.append(f"event times: {first} to {last}")
        return [*lines, *(f"{what}: {place}" for what, place in self.places)]


def conclude(options: JobOptions, evidence: Evidence) -> Result:
    """The result of a bounded run.

    Args:
        options: of the job.
        evidence: from the metrics of the run.
    """
    balance = Balance(
        evidence.counters,
        rollups=options.rollups,
        rules=options.rules is not None,
        raw=options.raw,
        outputs=Counter(each.name for each in map(output_type, options.outputs) if each is not None),
        delivered=True,
    )
    setup = setup_of(options)
    counts = {
        "dead letters": (balance[accounting.DEAD_LETTERS] + balance.rows_refused, setup.dead_letters),
        "late samples": (balance[accounting.TOO_LATE], setup.late),
    }
    if options.rules is not None:
        counts["events of alerts"] = (balance.events, _place(options, ALERT_EVENTS))
    places = tuple((f"{what} ({number:,})", place) for what, (number, place) in counts.items() if number)
    unfed_rules = tuple(_unfed(options, evidence))
    files = [name_of(path) for path in options.files]
    examples = evidence.examples if setup.topics else [in_files(each, files) for each in evidence.examples]
    found = findings(balance, examples, setup)
    if unfed_rules:
        # The finding about rules says the same, and names the rules.
        found = [each for each in found if each.code != NOTHING_SELECTED]
    return Result(balance, findings=(*found, *unfed_rules), places=places, span=evidence.span)


def _unfed(options: JobOptions, evidence: Evidence) -> Iterator[Finding]:
    """The finding about rules that could not fire or record for lack of data. Needs a runner that reports the metrics it read."""
    if options.rules is None or not evidence.metrics:
        return
    catalogue = Catalogue()
    if len(evidence.metrics) < MAX_METRICS:
        catalogue.add_names(evidence.metrics)
        catalogue.add_texts(evidence.labels)
    settings = options.rules.settings
    program = LiveRules(settings).current.rules.program(settings.program)
    lacking = unfed(program, lambda matchers: selector_key(matchers) in evidence.selectors, catalogue)
    if not lacking:
        return
    silent = sum(each.silent for each in lacking.values())
    text = (
        f"{silent:,} of {len(program.rules):,} rules found no data"
        if silent
        else "selectors of rules found no data, though other parts of these rules did"
    )
    yield Finding("rules-without-data", Severity.WARNING, text, (), tuple(unfed_lines(program, lacking)))


def setup_of(options: JobOptions) -> Setup:
    """The parts of a job's options on which advice depends."""
    files = any(isinstance(entry, FileInput) for entry in options.inputs)
    return Setup(
        dead_letters=_place(options, DEAD_LETTERS),
        late=_place(options, LATE_SAMPLES),
        files=files,
        file_events=options.intake.file_watermark == "events",
        topics=not all(isinstance(entry, FileInput) for entry in options.inputs),
        lateness_ms=options.tiers.lateness_ms,
        since_ms=options.intake.since_ms,
        default_content_type=options.intake.default_content_type,
    )


def _place(options: JobOptions, kind: RecordKind) -> str:
    return options.sinks.records[kind].describe([kind])


def counts_of(summary: Mapping[str, Any]) -> dict[str, int]:
    """The counters of :meth:`Result.to_json`."""
    return {name: count for name, count in summary.items() if name not in _BESIDE}
