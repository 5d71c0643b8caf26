from __future__ import annotations

import pytest

from schemas.records import reason_kind
from transforms.accounting import Balance
from transforms.losses.examples import DEAD_LETTER, EMPTY, REFUSED, TOO_LATE, UNREAD, UNREADABLE, Example
from transforms.losses.finding import Finding, Setup, Severity
from transforms.losses.findings import findings

FILES = Setup("files dead", "files late", files=True)
TOPICS = Setup("topic dead", "topic late", topics=True, lateness_ms=300_000)
READ = {"records.read": 1_000, "records.decoded": 1_000, "samples.read": 1_000, "samples.written": 1_000}


def found(counts: dict[str, int], *examples: Example, setup: Setup = FILES, rules: bool = False) -> list[Finding]:
    outputs = {kind: 1 for kind in ("influxdb", "parquet") if any(name.startswith(kind) for name in counts)}
    return findings(Balance({**READ, **counts}, rules=rules, outputs=outputs), examples, setup)


def test_a_run_that_went_well_has_no_findings() -> None:
    assert found({}) == []


@pytest.mark.parametrize(
    ("counts", "code", "severity", "text"),
    [
        ({"records.read": 0}, "nothing-read", Severity.LOSS, "nothing was read"),
        (
            {"samples.read": 0},
            "nothing-written",
            Severity.LOSS,
            "1,000 records were read, and what came of them is no samples",
        ),
        (
            {"samples.read": 0, "values.skipped": 7},
            "nothing-written",
            Severity.LOSS,
            "what came of them is 7 values that are no numbers",
        ),
        (
            {"samples.too_late": 600, "samples.early": 400, "samples.written": 0},
            "nothing-written",
            Severity.LOSS,
            "what came of them is 600 samples too late, 400 samples before --since",
        ),
        ({"inputs.unreadable": 2}, "files-unreadable", Severity.LOSS, "2 of the files could not be read"),
        ({"influxdb.refused": 1, "rows.1m": 20}, "rows-refused", Severity.LOSS, "1 of 1,020 rows were refused"),
        (
            {"influxdb.values_unwritable": 2, "influxdb.rows_written": 9},
            "values-left-out",
            Severity.WARNING,
            "2 values of rows are not finite",
        ),
        ({"records.dead_lettered": 11}, "dead-letters", Severity.WARNING, "11 of 1,000 records could not be read"),
        ({"samples.too_late": 11}, "too-late", Severity.WARNING, "11 of 1,000 samples came later than the allowed"),
        ({"samples.duplicate": 101}, "duplicates", Severity.WARNING, "101 of 1,000 samples are of a series"),
        ({"samples.unwritable": 101}, "unwritable", Severity.WARNING, "101 of 1,000 samples are NaN"),
        ({"offsets.lost": 1}, "offsets-lost", Severity.WARNING, "1 offsets were deleted"),
        ({"offsets.unread": 1}, "read-stopped", Severity.WARNING, "the read ended 1 offsets before the end"),
        ({"dead_letters.cut": 1}, "records-cut", Severity.WARNING, "1 dead letters were too large"),
        ({"alerts.cut": 1}, "records-cut", Severity.WARNING, "1 events of alerts were too large"),
    ],
)
def test_a_loss_is_found(counts: dict[str, int], code: str, severity: Severity, text: str) -> None:
    first = found(counts)[0]
    assert (first.code, first.severity) == (code, severity)
    assert text in first.text


def test_nothing_but_values_that_a_store_cannot_hold_is_nothing_written() -> None:
    counts = {"samples.written": 0, "samples.unwritable": 1_000, "influxdb.unwritable": 1_000}
    first = found(counts)[0]
    assert (first.code, first.severity) == ("nothing-written", Severity.LOSS)
    assert "1,000 samples that are not finite" in first.text
    codes = [each.code for each in found({**counts, "parquet.rows_written": 1_000})]
    assert codes == ["unwritable"]


@pytest.mark.parametrize("name", ["records.dead_lettered", "samples.too_late"])
def test_up_to_one_in_a_hundred_is_counted_and_no_more_said(name: str) -> None:
    assert found({name: 10}) == []


@pytest.mark.parametrize("name", ["samples.duplicate", "samples.unwritable"])
def test_up_to_one_in_ten_is_the_rule(name: str) -> None:
    assert found({name: 100}) == []


@pytest.mark.parametrize(
    ("counts", "code", "option"),
    [
        ({}, "nothing-selected", "tidemark rules explain"),
        ({"rules.series_refused": 1, "rules.samples_kept": 1}, "series-refused", "max_series"),
        ({"rules.failures": 1, "rules.samples_kept": 1}, "rules-failed", "tidemark rules backtest"),
        ({"rules.fragment_failures": 1, "rules.samples_kept": 1}, "rules-failed", "tidemark rules backtest"),
    ],
)
def test_what_rules_lose_is_found_where_there_are_rules(counts: dict[str, int], code: str, option: str) -> None:
    (one,) = found(counts, rules=True)
    assert (one.code, one.severity) == (code, Severity.WARNING)
    assert option in one.advice[0]
    assert found(counts) == []


def test_a_topic_may_be_empty() -> None:
    (one,) = found({"records.read": 0}, setup=TOPICS)
    assert (one.code, one.severity) == ("nothing-read", Severity.WARNING)
    assert "--start" in one.advice[0]


def test_losses_come_before_warnings() -> None:
    codes = [each.code for each in found({"records.dead_lettered": 500, "influxdb.refused": 1})]
    assert codes == ["rows-refused", "dead-letters"]


def test_a_finding_shows_an_example_of_each_reason_and_says_where_all_are() -> None:
    same = [Example(DEAD_LETTER, f"/a.lp, line {n}", f"column {n}: 'x{n}' is no value", "cpu usage=x") for n in (2, 1)]
    other = Example(DEAD_LETTER, "/b.lp, line 1", "not JSON: unexpected character", "cpu usage=1")
    setup = Setup("files dead", "files late", files=True, default_content_type="application/json")
    (one,) = found({"records.dead_lettered": 500}, *same, other, Example(TOO_LATE, "elsewhere", "no"), setup=setup)
    assert one.details() == [
        "  e.g. /a.lp, line 1: column 1: 'x1' is no value",
        "       cpu usage=x",
        "  and /b.lp, line 1: not JSON: unexpected character",
        "       cpu usage=1",
        "  all of them are in files dead",
        "  --default-content-type=application/json takes all records that do not say their format for that: "
        "without it, each is recognised by its content",
    ]


def test_every_unreadable_file_is_named() -> None:
    files = [Example(UNREADABLE, f"/{number:02}.lp.gz", "line 9: the file is damaged") for number in range(25)]
    (one,) = found({"inputs.unreadable": 2}, *files[:2])
    assert one.details() == [
        "  e.g. /00.lp.gz: line 9: the file is damaged",
        "  and /01.lp.gz: line 9: the file is damaged",
        "  of each, a dead letter says where it breaks off: files dead",
    ]
    (many,) = found({"inputs.unreadable": 25}, *files)
    assert (len(many.examples), many.advice[0]) == (20, "... and 5 more")


def test_files_without_records_are_named() -> None:
    files = [Example(EMPTY, f"/{number:02}.lp", "no records") for number in range(21)]
    (one,) = found({}, *files[:1])
    assert (one.severity, one.text, one.details()) == (
        Severity.WARNING,
        "1 of the files hold no records",
        ["  e.g. /00.lp: no records"],
    )
    (many,) = found({}, *files)
    assert (len(many.examples), many.advice) == (20, ("... and 1 more",))


def test_what_a_record_was_taken_for_leads_to_the_option() -> None:
    letter = Example(
        DEAD_LETTER, "topic t, partition 0, offset 1", "column 1: x (without a content type, taken for line protocol)"
    )
    (one,) = found({"records.dead_lettered": 500}, letter)
    assert "--default-content-type=TYPE" in one.advice[1]


@pytest.mark.parametrize(
    ("setup", "option"),
    [(FILES, None), (TOPICS, "lateness"), (Setup("d", "l", files=True, file_events=True), "--file-watermark")],
)
def test_the_advice_names_the_option_that_helps_here(setup: Setup, option: str | None) -> None:
    (one,) = found({"samples.too_late": 500}, setup=setup)
    assert [option in line for line in one.advice[1:]] == ([True] if option else [])


@pytest.mark.parametrize(
    ("reason", "option"),
    [
        ("InfluxDB answered 422: partial write: points beyond retention policy dropped=30", "--output=parquet:DIR"),
        ('InfluxDB answered 422: partial write: field type conflict: input field "value"', "name another bucket"),
    ],
)
def test_what_a_store_answers_says_what_helps(reason: str, option: str) -> None:
    example = Example(REFUSED, "InfluxDB, bucket raw", reason, "up value=1 0", 1_700_000_000_123)
    (one,) = found({"influxdb.refused": 30}, example)
    assert option in one.advice[1]
    assert one.details()[1] == "       up value=1 0  (2023-11-14T22:13:20.123Z)"


def test_every_partition_that_was_not_read_to_its_end_is_reported() -> None:
    examples = [Example(UNREAD, f"topic t, partition {n}", "read up to offset 5 of 9") for n in range(5)]
    (one,) = found({"offsets.unread": 20}, *examples, setup=TOPICS)
    assert len(one.examples) == 5


@pytest.mark.parametrize(
    ("reason", "same"),
    [
        ("column 4: 'a b' is no value", "column 11: 'c\\'d' is no value"),
        ('samples["load"]: a number is wanted, not "x"', 'samples["up"]: a number is wanted, not "y"'),
        ("event time 2023-11-14T22:13:20Z", "event time 1970-01-01T00:00:00.001Z"),
    ],
)
def test_reasons_are_the_same_up_to_quoted_texts_and_numbers(reason: str, same: str) -> None:
    assert reason_kind(reason) == reason_kind(same) != reason_kind("another")
