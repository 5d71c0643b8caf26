"""The fates of records and samples, as Beam counters of the namespace ``tidemark``, and the balance that they must keep; what rules came to.

Two identities hold at the end of a bounded run, and over any stretch of a streaming one that ends with all windows expired::

    records.read  = records.decoded + records.dead_lettered
    samples.read  = samples.written + samples.merged_late + samples.duplicate + samples.too_late + samples.unwritable
                   + samples.early

A job without rollups keeps the first of them. What rules write is counted apart: it was not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAMESPACE = "tidemark"

RECORDS_READ = "records.read"
RECORDS_DECODED = "records.decoded"
RECORDS_DEAD_LETTERED = "records.dead_lettered"
DEAD_LETTERS = "dead_letters"
VALUES_SKIPPED = "values.skipped"
OFFSETS_LOST = "offsets.lost"
SAMPLES_READ = "samples.read"
WRITTEN = "samples.written"
MERGED_LATE = "samples.merged_late"
DUPLICATE = "samples.duplicate"
TOO_LATE = "samples.too_late"
UNWRITABLE = "samples.unwritable"
EARLY = "samples.early"

MEANINGS: dict[str, str] = {
    RECORDS_READ: "records taken from the source",
    RECORDS_DECODED: "records read without an objection",
    RECORDS_DEAD_LETTERED: "records of which all or some lines are dead letters",
    DEAD_LETTERS: "dead letters written: whole records, or single lines of one",
    VALUES_SKIPPED: "values that are no numbers (string fields): no samples",
    OFFSETS_LOST: "offsets that retention had deleted before they were read",
    SAMPLES_READ: "samples decoded",
    WRITTEN: "in an on-time pane",
    MERGED_LATE: "behind the watermark, merged into a correction",
    DUPLICATE: "of a series and event time that was there already",
    TOO_LATE: "behind the watermark by more than the lateness: in the late output",
    UNWRITABLE: "NaN, staleness marker or infinity: no part of a rollup",
    EARLY: "before the time of --since",
}
"""What each counter counts."""

RULE_MEANINGS: dict[str, str] = {
    "alerts.pending": "events of alerts that became pending",
    "alerts.firing": "events of alerts that fired",
    "alerts.resolved": "events of alerts that had fired and are resolved",
    "alerts.inactive": "events of alerts that were pending and never fired",
    "alerts.corrections": "events that late data made: in the place of others, or to take them back",
    "rules.instants": "instants evaluated, each once",
    "rules.instants_again": "instants evaluated again after late data",
    "rules.rules_again": "evaluations of single rules among them: of those that late data touch",
    "rules.shard_instants": "instants evaluated by shards, each once a shard",
    "rules.instants_early": "of those: known to be complete from what sources told, before the runner's watermark passed",
    "rules.evaluations": "evaluations of single rules",
    "rules.failures": "evaluations of single rules that failed: their alerts stayed as they were",
    "rules.changes": "changes of rule files that came into force",
    "rules.samples_kept": "samples that some rule selects",
    "rules.late_samples": "of those: overtaken by their partition's watermark",
    "rules.series_refused": "samples of series for which a shard had no more room",
    "rules.fragment_failures": "failures of what shards evaluate of rules",
    "rules.samples_written": "samples that rules wrote: recorded series, ALERTS and ALERTS_FOR_STATE",
}
"""What the counters of rule evaluation count; :mod:`rules.stream` has them by these names."""

COUNTED_AT_INTAKE = (
    RECORDS_READ,
    RECORDS_DECODED,
    RECORDS_DEAD_LETTERED,
    DEAD_LETTERS,
    VALUES_SKIPPED,
    OFFSETS_LOST,
    SAMPLES_READ,
    TOO_LATE,
    EARLY,
)
_SAMPLE_FATES = (WRITTEN, MERGED_LATE, DUPLICATE, TOO_LATE, UNWRITABLE, EARLY)


@dataclass(frozen=True)
class Balance:
    """Counters by name, a missing one being 0, and whether they add up.

    Attributes:
        rollups: whether samples were rolled up, and so have all their fates.
        rules: whether rules were evaluated.
    """

    counts: Mapping[str, int]
    rollups: bool = True
    rules: bool = False

    def __getitem__(self, name: str) -> int:
        return self.counts.get(name, 0)

    @property
    def records_missing(self) -> int:
        """Records read less records accounted for; 0 when all is well."""
        return self[RECORDS_READ] - self[RECORDS_DECODED] - self[RECORDS_DEAD_LETTERED]

    @property
    def samples_missing(self) -> int:
        """Samples read less samples accounted for; 0 when all is well, and without rollups."""
        return 0 if not self.rollups else self[SAMPLES_READ] - sum(self[name] for name in _SAMPLE_FATES)

    def lines(self) -> list[str]:
        """The balance as text, a line each."""
        told = MEANINGS if self.rollups else {name: MEANINGS[name] for name in COUNTED_AT_INTAKE}
        lines = self._counted(told)
        differences = {"records": self.records_missing, **({"samples": self.samples_missing} if self.rollups else {})}
        for what, missing in differences.items():
            lines.append(f"  {what}: difference {missing:,}" + ("" if not missing else "  <-- does not add up"))
        return [*lines, "rules:", *self._counted(RULE_MEANINGS)] if self.rules else lines

    def _counted(self, meanings: Mapping[str, str]) -> list[str]:
        width = max(len(f"{self[name]:,}") for name in meanings)
        longest = max(map(len, meanings))
        return [f"  {name:<{longest}} {self[name]:>{width},}  {meaning}" for name, meaning in meanings.items()]
