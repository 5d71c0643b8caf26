"""The fates of records, samples and rows, as Beam counters of the namespace ``tidemark``, and the balance that they must keep.

These identities hold at the end of a bounded run, and over any stretch of a streaming one that ends with all windows expired::

    records.read  = records.decoded + records.dead_lettered
    samples.read  = samples.written + samples.merged_late + samples.duplicate + samples.collided + samples.too_late
                   + samples.unwritable + samples.early
    rows of all tiers + raw samples + samples that rules wrote, for each output
                  = rows written + rows refused + rows without a finite value, of its store
    dead_letters + rows refused = dead letters delivered
    events of alerts = events delivered

A job without rollups keeps all of them but the second. What rules write is counted apart from samples: it was not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from transforms.io.outputs import STORES, Store
from transforms.ledger import Identity, Ledger, Side, count_lines, each_once, total

NAMESPACE = "tidemark"

RECORDS_READ = "records.read"
RECORDS_DECODED = "records.decoded"
RECORDS_DEAD_LETTERED = "records.dead_lettered"
DEAD_LETTERS = "dead_letters"
VALUES_SKIPPED = "values.skipped"
OFFSETS_LOST = "offsets.lost"
UNREADABLE = "inputs.unreadable"
NAMES_SHARED = "names.shared"
SAMPLES_READ = "samples.read"
WRITTEN = "samples.written"
MERGED_LATE = "samples.merged_late"
DUPLICATE = "samples.duplicate"
COLLIDED = "samples.collided"
TOO_LATE = "samples.too_late"
UNWRITABLE = "samples.unwritable"
EARLY = "samples.early"

OFFSETS_UNREAD = "offsets.unread"
RULE_SAMPLES = "rules.samples_written"

MEANINGS: dict[str, str] = {
    RECORDS_READ: "records taken from the source",
    RECORDS_DECODED: "records read without an objection",
    RECORDS_DEAD_LETTERED: "records of which all or some lines are dead letters",
    DEAD_LETTERS: "dead letters written: whole records, or single lines of one",
    VALUES_SKIPPED: "values that are no numbers (string fields): no samples",
    OFFSETS_LOST: "offsets that retention had deleted before they were read",
    OFFSETS_UNREAD: "offsets between the end of a bounded read and the end of the topic",
    UNREADABLE: "files that could not be read, or not to their end: of each, one dead letter",
    NAMES_SHARED: "metric names (with labels) that several measurements of line protocol make, each reader's",
    SAMPLES_READ: "samples decoded",
    WRITTEN: "in an on-time pane",
    MERGED_LATE: "behind the watermark, merged into a correction",
    DUPLICATE: "of a series and event time that was there already",
    COLLIDED: "of another series, or another time, that became one with what was there",
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
    "rules.instants_skipped": "instants at which no sample is near: only rules that need none are evaluated",
    "rules.instants_again": "instants evaluated again after late data",
    "rules.rules_again": "evaluations of single rules among them: of those that late data touch",
    "rules.shard_instants": "instants evaluated by shards, each once a shard",
    "rules.instants_early": "of those: known to be complete from the watermarks of sources, before the runner's watermark passed",
    "rules.evaluations": "evaluations of single rules",
    "rules.failures": "evaluations of single rules that failed: their alerts stayed as they were",
    "rules.changes": "changes of rule files that came into force",
    "rules.samples_kept": "samples that some rule selects",
    "rules.late_samples": "of those: overtaken by their partition's watermark",
    "rules.series_refused": "samples of series for which a shard had no more room",
    "rules.fragment_failures": "failures of what shards evaluate of rules",
    "rules.samples_written": "samples that rules wrote: recorded series, ALERTS and ALERTS_FOR_STATE",
}
"""What the counters of rule evaluation count; :mod:`transforms.alerts` has them by these names."""

COUNTED_AT_INTAKE = (
    RECORDS_READ,
    RECORDS_DECODED,
    RECORDS_DEAD_LETTERED,
    DEAD_LETTERS,
    VALUES_SKIPPED,
    OFFSETS_LOST,
    OFFSETS_UNREAD,
    UNREADABLE,
    NAMES_SHARED,
    SAMPLES_READ,
    TOO_LATE,
    EARLY,
)


_EVENTS = each_once("alerts.pending", "alerts.firing", "alerts.resolved", "alerts.inactive", "alerts.corrections")
_KEPT = {SAMPLES_READ: 1, TOO_LATE: -1, EARLY: -1}

RECORDS = Identity("records", each_once(RECORDS_READ), each_once(RECORDS_DECODED, RECORDS_DEAD_LETTERED))
SAMPLES = Identity(
    "samples",
    each_once(SAMPLES_READ),
    each_once(WRITTEN, MERGED_LATE, DUPLICATE, COLLIDED, TOO_LATE, UNWRITABLE, EARLY),
)
EVENTS = Identity("events", _EVENTS, each_once("alerts.written", "alerts.forgotten"))


def rows_handed_over(*, rollups: bool, rules: bool, raw: bool) -> Side:
    """The rows that go to each output: of all tiers, raw samples, and samples that rules wrote."""
    tiers = {"rows.*": 1} if rollups else {}
    samples = {**(_KEPT if rollups else {}), **({RULE_SAMPLES: 1} if rules else {})}
    return {**tiers, **(samples if raw else {})}


def identities(
    rows: Side, outputs: Mapping[str, int], *, rollups: bool, rules: bool, delivered: bool
) -> Iterator[Identity]:
    """The identities of a job on metrics, in the order in which they are reported; see :class:`Balance`."""
    yield RECORDS
    if rollups:
        yield SAMPLES
    for kind, number in outputs.items():
        handed_over = {name: number * factor for name, factor in rows.items()}
        yield Identity(f"{kind} rows", handed_over, each_once(*STORES[kind].fates))
    if delivered:
        refused = (STORES[kind].refused for kind in outputs)
        yield Identity(
            "dead letters",
            each_once(DEAD_LETTERS, *(name for name in refused if name)),
            each_once("dead_letters.written", "dead_letters.forgotten"),
        )
        if rules:
            yield EVENTS


@dataclass(frozen=True)
class Balance:
    """Counters by name, a missing one being 0, and whether they add up.

    Attributes:
        rollups: whether samples were rolled up, and so have all their fates.
        rules: whether rules were evaluated.
        raw: whether raw samples were handed to the outputs, if samples were rolled up, and the samples that rules wrote.
        outputs: how many outputs of rows there were of each kind, a key of :data:`transforms.io.outputs.STORES`.
        delivered: whether the outputs of dead letters and of events count what they deliver.
    """

    counts: Mapping[str, int]
    rollups: bool = True
    rules: bool = False
    raw: bool = True
    outputs: Mapping[str, int] = field(default_factory=dict)
    delivered: bool = False

    def __getitem__(self, name: str) -> int:
        return self.counts.get(name, 0)

    @property
    def records_missing(self) -> int:
        """Records read less records accounted for; 0 when all is well."""
        return RECORDS.difference(self.counts)

    @property
    def samples_missing(self) -> int:
        """Samples read less samples accounted for; 0 when all is well, and without rollups."""
        return SAMPLES.difference(self.counts) if self.rollups else 0

    @property
    def samples_kept(self) -> int:
        """Samples that went beyond the intake, to windows, rules and outputs."""
        return total(_KEPT, self.counts)

    @property
    def rows(self) -> int:
        """Rows handed to each output: of all tiers, and raw."""
        return total(self._rows, self.counts)

    @property
    def rows_refused(self) -> int:
        """Rows that stores did not take."""
        return sum(self[store.refused] for store in self._stores.values() if store.refused)

    @property
    def rows_stored(self) -> int:
        """Rows that stores took."""
        return sum(self[next(iter(store.fates))] for store in self._stores.values())

    @property
    def events(self) -> int:
        """Events that alerts made."""
        return total(_EVENTS, self.counts) if self.rules else 0

    @property
    def ledger(self) -> Ledger:
        """The identities that this job keeps."""
        return Ledger(
            identities(self._rows, self.outputs, rollups=self.rollups, rules=self.rules, delivered=self.delivered)
        )

    @property
    def differences(self) -> dict[str, int]:
        """What came less what is accounted for, of each identity that this job keeps, by what it is about; all 0 when all is well."""
        return self.ledger.differences(self.counts)

    @property
    def adds_up(self) -> bool:
        """Whether all differences are 0."""
        return not any(self.differences.values())

    def every_count(self) -> dict[str, int]:
        """All counters, those too that this job could have counted and did not."""
        fates = [name for store in self._stores.values() for name in (*store.fates, *store.others)]
        names = [*MEANINGS, *fates, *(RULE_MEANINGS if self.rules else ())]
        return {**dict.fromkeys(names, 0), **self.counts}

    @property
    def _rows(self) -> Side:
        return rows_handed_over(rollups=self.rollups, rules=self.rules, raw=self.raw)

    @property
    def _stores(self) -> dict[str, Store]:
        return {kind: STORES[kind] for kind in self.outputs}

    def lines(self) -> list[str]:
        """The balance as text, a line each."""
        names = MEANINGS if self.rollups else {name: MEANINGS[name] for name in COUNTED_AT_INTAKE}
        left = self.ledger.difference_lines(self.counts)
        lines = [*count_lines(self.counts, names), *(left.pop(what) for what in ("records", "samples") if what in left)]
        for kind, store in self._stores.items():
            number = self.outputs[kind]
            lines.append(
                f"{kind}, {self.rows:,} rows handed over{f' to each of {number} outputs' if number > 1 else ''}:"
            )
            lines += [*count_lines(self.counts, {**store.fates, **store.others}), left.pop(f"{kind} rows")]
        if self.rules:
            lines += ["rules:", *count_lines(self.counts, RULE_MEANINGS)]
        return [*lines, *left.values()]
