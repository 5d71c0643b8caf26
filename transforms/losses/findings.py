"""What a person should know of a run that has ended: what it lost, why, an example of it, and the option that helps. Pure.

Every job reports by :func:`findings`, from the counters, the examples that workers recorded (:mod:`transforms.losses.examples`) and how the job was
set up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from schemas.records import reason_kind
from schemas.times import format_duration, format_time
from transforms import accounting
from transforms.accounting import Balance
from transforms.losses.examples import (
    COLLIDED,
    DEAD_LETTER,
    EMPTY,
    REFUSED,
    SHARED_NAME,
    TOO_LATE,
    UNREAD,
    UNREADABLE,
    Example,
)
from transforms.losses.finding import Finding, Setup, Severity

NOTHING_SELECTED = "nothing-selected"
"""The code of what is found where no rule selects a sample, as far as counters know."""
LITTLE = 0.01
"""The share of what was read up to which dead letters and too late samples are only counted, without a finding."""
NAMED = 20
"""Files that a finding names one by one."""
SHOWN = 3
"""Examples of a finding, each of another reason."""
MANY = 0.1
"""The share above which duplicates and values that no rollup takes are worth a word: some are the rule, where senders repeat themselves."""


def findings(balance: Balance, examples: Iterable[Example], setup: Setup) -> list[Finding]:
    """What there is to know of a run, the gravest first; nothing if all went well."""
    held = _Examples(examples)
    found = [each for rule in _RULES for each in rule(balance, held, setup)]
    return sorted(found, key=lambda each: each.severity is not Severity.LOSS)


class _Examples:
    def __init__(self, examples: Iterable[Example]) -> None:
        self._all = sorted(examples)

    def of(self, kind: str) -> tuple[Example, ...]:
        """A few, each of another reason: several workers record the same."""
        found: dict[str, Example] = {}
        for each in self._all:
            if each.kind == kind:
                found.setdefault(reason_kind(each.reason), each)
        return tuple(found.values())[:SHOWN]

    def every(self, kind: str) -> tuple[Example, ...]:
        """All of a kind."""
        return tuple(each for each in self._all if each.kind == kind)


def _nothing(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    """Nothing read, or nothing of it left."""
    if not balance[accounting.RECORDS_READ]:
        # A topic may well be empty; who names an empty file is mistaken.
        severity = Severity.LOSS if setup.files else Severity.WARNING
        advice = ["look at --input" + (", and at --start" if setup.topics else "")]
        yield Finding("nothing-read", severity, "nothing was read: the input holds no records", (), tuple(advice))
        return
    stored = balance.rows_stored or balance.rows_refused or not (balance.rollups and balance.outputs)
    if balance.samples_kept and stored:
        return
    records, samples = balance[accounting.RECORDS_READ], balance[accounting.SAMPLES_READ]
    fates = {
        "dead letters": balance[accounting.DEAD_LETTERS],
        "samples too late": balance[accounting.TOO_LATE],
        "samples before --since": balance[accounting.EARLY],
        "samples that are not finite": balance[accounting.UNWRITABLE],
        "values that are no numbers": balance[accounting.VALUES_SKIPPED],
    }
    came = ", ".join(f"{number:,} {what}" for what, number in fates.items() if number) or "no samples"
    advice = []
    if balance[accounting.EARLY]:
        advice.append(f"--since={format_time(setup.since_ms)} leaves out what lies before it: take an earlier time")
    if not samples and balance[accounting.VALUES_SKIPPED]:
        advice.append("string fields carry no number: there is nothing to roll up or evaluate in them")
    text = f"nothing was written: {records:,} records were read, and what came of them is {came}"
    yield Finding("nothing-written", Severity.LOSS, text, (), tuple(advice))


def _unreadable(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    number = balance[accounting.UNREADABLE]
    if not number:
        return
    named = examples.every(UNREADABLE)[:NAMED]
    advice = [f"of each, a dead letter says where it breaks off: {setup.dead_letters}"]
    if number > len(named) > 0:
        advice.insert(0, f"... and {number - len(named):,} more")
    text = f"{number:,} of the files could not be read, or not to their end: what they hold from there on is missing"
    yield Finding("files-unreadable", Severity.LOSS, text, named, tuple(advice))


def _empty(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    named = examples.every(EMPTY)
    if named:
        text = f"{len(named):,} of the files hold no records"
        advice = (f"... and {len(named) - NAMED:,} more",) if len(named) > NAMED else ()
        yield Finding("files-empty", Severity.WARNING, text, named[:NAMED], advice)


def _refused(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    if not balance.rows_refused:
        return
    shown = examples.of(REFUSED)
    advice = [f"they are dead letters: {setup.dead_letters}"]
    reasons = " ".join(example.reason for example in shown)
    if "retention" in reasons:
        advice.append(
            "the bucket's retention is shorter than these rows are old: lengthen it (influx bucket update --retention), "
            "or write old data with --output=parquet:DIR"
        )
    if "field type" in reasons:
        advice.append(
            "the bucket holds these fields with another type, from another writer: name another bucket in the tiers of --config"
        )
    text = f"{balance.rows_refused:,} of {balance.rows:,} rows were refused, and are not stored"
    yield Finding("rows-refused", Severity.LOSS, text, shown, tuple(advice))


def _values_left_out(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    number = balance["influxdb.values_unwritable"]
    if number:
        text = (
            f"{number:,} values of rows are not finite (a sum that overflowed, say): InfluxDB cannot hold them, "
            "their rows are written without them"
        )
        yield Finding("values-left-out", Severity.WARNING, text, (), ("--output=parquet:DIR holds infinities and NaN",))


def _dead_letters(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    dead, read = balance[accounting.RECORDS_DEAD_LETTERED], balance[accounting.RECORDS_READ]
    if dead <= LITTLE * read:
        return
    shown = examples.of(DEAD_LETTER)
    advice = [f"all of them are in {setup.dead_letters}"]
    if setup.default_content_type is not None:
        advice.append(
            f"--default-content-type={setup.default_content_type} takes all records that do not say their format for that: "
            "without it, each is recognised by its content"
        )
    elif any("taken for" in example.reason for example in shown):
        advice.append(
            "records that do not say their format are recognised by their content: a content-type header or --default-content-type=TYPE "
            "fixes it, of a file its name does (.lp, .jsonl)"
        )
    text = f"{dead:,} of {read:,} records could not be read, or not all of their lines"
    yield Finding("dead-letters", Severity.WARNING, text, shown, tuple(advice))


def _too_late(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    late, read = balance[accounting.TOO_LATE], balance[accounting.SAMPLES_READ]
    if late <= LITTLE * read:
        return
    advice = [f"all of them are in {setup.late}"]
    if setup.file_events and setup.files:
        advice.append("files at rest need no lateness: leave out --file-watermark=events, and nothing in them is late")
    if setup.topics:
        advice.append("--config with a longer `tiers: {lateness: ...}` waits longer for them")
    text = f"{late:,} of {read:,} samples came later than the allowed {format_duration(setup.lateness_ms)} and are in no window"
    yield Finding("too-late", Severity.WARNING, text, examples.of(TOO_LATE), tuple(advice))


def _duplicates(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    number, read = balance[accounting.DUPLICATE], balance[accounting.SAMPLES_READ]
    if number <= MANY * read:
        return
    advice = (
        "an input that was delivered or named twice is harmless; if it was not, compare the times of its records: "
        "of line protocol, --precision says their unit",
    )
    text = f"{number:,} of {read:,} samples are of a series and an event time that was there already: of each, the last one counts"
    yield Finding("duplicates", Severity.WARNING, text, (), advice)


def _collided(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    number, read = balance[accounting.COLLIDED], balance[accounting.SAMPLES_READ]
    shown = examples.of(COLLIDED)
    if number:
        reasons = " ".join(example.reason for example in shown)
        advice = [text for word, text in _APART.items() if word in reasons]
        text = f"{number:,} of {read:,} samples are left out: they became one with others, of another series or time, that are kept"
        yield Finding("collided", Severity.WARNING, text, shown, tuple(advice))
    elif balance[accounting.NAMES_SHARED]:
        text = "several measurements of line protocol make one metric name: where their tags are equal, they are one series"
        yield Finding("names-shared", Severity.WARNING, text, examples.of(SHARED_NAME), (_APART["measurement"],))


_APART = {
    "measurement": "a metric is named MEASUREMENT_FIELD: rename one of the two where it is sent (name_override in Telegraf, say)",
    " ns": "times are kept to the millisecond: of a series, send one sample in each, or tell its senders apart by a tag",
    "labels": "a label in a key takes the place of the document's: give one of them another name",
}
"""How to distinguish what collided, by a word of the reason."""


def _unwritable(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    number, read = balance[accounting.UNWRITABLE], balance[accounting.SAMPLES_READ]
    if number > MANY * read:
        text = f"{number:,} of {read:,} samples are NaN, infinite or staleness markers, and in no rollup"
        yield Finding("unwritable", Severity.WARNING, text)


def _unread(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    if balance[accounting.OFFSETS_UNREAD]:
        text = f"the read ended {balance[accounting.OFFSETS_UNREAD]:,} offsets before the end of the topic"
        advice = (
            "what lies behind an open transaction can be read once it has ended: run again then, with --start=offset:N or a time; "
            "kafka-transactions.sh find-hanging finds one that never will",
        )
        yield Finding("read-stopped", Severity.WARNING, text, examples.every(UNREAD), advice)


def _lost(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    if balance[accounting.OFFSETS_LOST]:
        text = (
            f"{balance[accounting.OFFSETS_LOST]:,} offsets were deleted by the topic's retention before they were read"
        )
        yield Finding(
            "offsets-lost",
            Severity.WARNING,
            text,
            (),
            ("a longer retention.ms of the topic keeps them until they are read",),
        )


def _rules(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    if not balance.rules:
        return
    refused, kept = balance["rules.series_refused"], balance["rules.samples_kept"]
    if refused:
        text = f"{refused:,} samples were not seen by rules: shards had no room for more series"
        advice = ("`rules: {max_series: N}` in --config makes room; `rules: {shards: N}` shares it among more",)
        yield Finding("series-refused", Severity.WARNING, text, (), advice)
    failures = balance["rules.failures"] + balance["rules.fragment_failures"]
    if failures:
        text = f"{failures:,} evaluations of rules failed: their alerts stayed as they were"
        yield Finding(
            "rules-failed",
            Severity.WARNING,
            text,
            (),
            ("the log names them; `tidemark rules backtest` over the same data shows them",),
        )
    if not kept and not refused and balance.samples_kept:
        text = f"no rule selects any of the {balance.samples_kept:,} samples"
        advice = ("look at the metric names and labels of the rules: `tidemark rules explain` shows what each selects",)
        yield Finding(NOTHING_SELECTED, Severity.WARNING, text, (), advice)


def _cut(balance: Balance, examples: _Examples, setup: Setup) -> Iterator[Finding]:
    for name, what in (("dead_letters.cut", "dead letters"), ("alerts.cut", "events of alerts")):
        if balance[name]:
            text = f"{balance[name]:,} {what} were too large for their topic and were cut"
            yield Finding("records-cut", Severity.WARNING, text, (), ("raise the topic's max.message.bytes",))


_RULES: Sequence[Callable[[Balance, _Examples, Setup], Iterator[Finding]]] = (
    _nothing,
    _unreadable,
    _empty,
    _refused,
    _dead_letters,
    _too_late,
    _unread,
    _lost,
    _duplicates,
    _collided,
    _unwritable,
    _values_left_out,
    _rules,
    _cut,
)
