from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.alert_event import State
from transforms import accounting, alerts
from transforms.accounting import COUNTED_AT_INTAKE, MEANINGS, RULE_MEANINGS, Balance
from transforms.alerts.settings import LABELS, METRICS, SELECTORS

WHOLE = {
    "records.read": 10,
    "records.decoded": 8,
    "records.dead_lettered": 2,
    "samples.read": 1_238,
    "samples.written": 1_000,
    "samples.merged_late": 200,
    "samples.duplicate": 30,
    "samples.too_late": 3,
    "samples.unwritable": 1,
    "samples.early": 4,
}


def test_a_balance_adds_up() -> None:
    balance = Balance(WHOLE)
    assert (balance.records_missing, balance.samples_missing) == (0, 0)


@pytest.mark.parametrize("name", WHOLE)
def test_one_record_or_sample_less_shows(name: str) -> None:
    balance = Balance({**WHOLE, name: WHOLE[name] - 1})
    missing = balance.records_missing, balance.samples_missing
    change = -1 if name.endswith(".read") else 1
    assert missing == ((change, 0) if name.startswith("records") else (0, change))


def test_a_counter_that_never_counted_is_zero() -> None:
    assert Balance({})[accounting.TOO_LATE] == 0
    assert (Balance({}).records_missing, Balance({}).samples_missing) == (0, 0)


def test_the_lines_name_every_fate_with_its_meaning() -> None:
    lines = Balance(WHOLE).lines()
    for name, meaning in MEANINGS.items():
        assert any(line.split()[0] == name and line.endswith(meaning) for line in lines)
    assert any("1,238" in line for line in lines)
    assert lines[-2:] == ["  records: difference 0", "  samples: difference 0"]


def test_the_lines_say_what_does_not_add_up() -> None:
    lines = Balance({**WHOLE, "samples.written": 0}).lines()
    assert lines[-1] == "  samples: difference 1,000  <-- does not add up"


def test_every_counter_of_the_intake_has_a_meaning() -> None:
    assert set(accounting.COUNTED_AT_INTAKE) <= set(MEANINGS)


def test_without_rollups_the_fates_of_records_are_reported_and_those_of_samples_are_not() -> None:
    balance = Balance({**WHOLE, "samples.written": 0}, rollups=False)
    assert (balance.records_missing, balance.samples_missing) == (0, 0)
    lines = balance.lines()
    assert [line.split()[0] for line in lines[:-1]] == list(COUNTED_AT_INTAKE)
    assert lines[-1] == "  records: difference 0"


def test_what_rules_came_to_is_reported_where_there_are_rules() -> None:
    counts = {**WHOLE, "alerts.firing": 1_234, "rules.samples_written": 5}
    lines = Balance(counts, rules=True).lines()
    assert lines[: len(MEANINGS) + 2] == Balance(counts).lines()
    assert lines[len(MEANINGS) + 2] == "rules:"
    names = [line.split(maxsplit=2) for line in lines[len(MEANINGS) + 3 :]]
    assert {name: meaning for name, _, meaning in names} == RULE_MEANINGS
    assert {name: number for name, number, _ in names if number != "0"} == {
        "alerts.firing": "1,234",
        "rules.samples_written": "5",
    }


def test_what_rules_write_does_not_disturb_the_balance() -> None:
    assert not set(RULE_MEANINGS) & set(MEANINGS)
    balance = Balance({**WHOLE, **dict.fromkeys(RULE_MEANINGS, 7)}, rules=True)
    assert (balance.records_missing, balance.samples_missing) == (0, 0)


def test_every_counter_of_the_rules_has_a_meaning() -> None:
    texts = [module.read_text() for module in Path(alerts.__path__[0]).rglob("*.py")]
    counted = {name for text in texts for name in re.findall(r'"((?:rules|alerts)\.[a-z_]+)"', text)}
    assert "rules.samples_written" in counted
    # Metrics that are sets of texts count nothing.
    assert counted - {SELECTORS, METRICS, LABELS} <= set(RULE_MEANINGS)
    assert {f"alerts.{state.value}" for state in State} - {"alerts.retracted"} <= set(RULE_MEANINGS)


STORED = {
    **WHOLE,
    "rows.1m": 40,
    "rows.1h": 2,
    "rules.samples_written": 5,
    "dead_letters": 3,
    "alerts.pending": 1,
    "alerts.firing": 2,
    "alerts.resolved": 3,
    "alerts.inactive": 4,
    "alerts.corrections": 5,
    # 40 + 2 rows of tiers, 1,231 samples that were not too late or too early, 5 that rules wrote: 1,278, to two outputs.
    "influxdb.rows_written": 2_540,
    "influxdb.refused": 9,
    "influxdb.unwritable": 7,
    "influxdb.values_unwritable": 11,
    "parquet.rows_written": 1_278,
    "dead_letters.written": 8,
    "dead_letters.forgotten": 4,
    "alerts.written": 14,
    "alerts.forgotten": 1,
}
OUTPUTS = {"influxdb": 2, "parquet": 1}


@pytest.mark.parametrize(
    ("rollups", "rules", "raw", "rows"),
    [
        (True, False, True, 42 + 1_231),
        (True, True, True, 42 + 1_231 + 5),
        (True, True, False, 42),
        (False, True, True, 5),
        (False, False, True, 0),
    ],
)
def test_outputs_are_handed_the_rows_of_all_tiers_the_raw_samples_and_those_of_rules(
    rollups: bool, rules: bool, raw: bool, rows: int
) -> None:
    assert Balance(STORED, rollups=rollups, rules=rules, raw=raw).rows == rows


def test_what_outputs_took_and_what_alerts_made_is_counted() -> None:
    balance = Balance(STORED, rules=True, outputs=OUTPUTS)
    assert balance.samples_kept == 1_231
    assert (balance.rows_stored, balance.rows_refused) == (2_540 + 1_278, 9)
    assert (balance.events, Balance(STORED).events) == (1 + 2 + 3 + 4 + 5, 0)


NONE = {"records": 0, "samples": 0, "influxdb rows": 0, "parquet rows": 0, "dead letters": 0, "events": 0}


def test_a_run_of_rules_and_outputs_adds_up() -> None:
    balance = Balance(STORED, rules=True, outputs=OUTPUTS, delivered=True)
    assert (balance.differences, balance.adds_up) == (NONE, True)


@pytest.mark.parametrize(
    ("name", "differences"),
    [
        ("records.decoded", {"records": 1}),
        ("samples.written", {"samples": 1}),
        ("rows.1h", {"influxdb rows": -2, "parquet rows": -1}),
        ("rules.samples_written", {"influxdb rows": -2, "parquet rows": -1}),
        ("influxdb.rows_written", {"influxdb rows": 1}),
        ("influxdb.unwritable", {"influxdb rows": 1}),
        # A row that was refused is a dead letter too.
        ("influxdb.refused", {"influxdb rows": 1, "dead letters": -1}),
        ("influxdb.values_unwritable", {}),
        ("parquet.rows_written", {"parquet rows": 1}),
        ("dead_letters", {"dead letters": -1}),
        ("dead_letters.written", {"dead letters": 1}),
        ("dead_letters.forgotten", {"dead letters": 1}),
        ("alerts.corrections", {"events": -1}),
        ("alerts.written", {"events": 1}),
        ("alerts.forgotten", {"events": 1}),
    ],
)
def test_one_less_of_a_counter_shows_where_it_belongs(name: str, differences: dict[str, int]) -> None:
    counts = {**STORED, name: STORED[name] - 1}
    balance = Balance(counts, rules=True, outputs=OUTPUTS, delivered=True)
    assert balance.differences == {**NONE, **differences}
    assert balance.adds_up is not bool(differences)


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({}, ["records", "samples"]),
        ({"rollups": False}, ["records"]),
        ({"rules": True}, ["records", "samples"]),
        ({"delivered": True}, ["records", "samples", "dead letters"]),
        ({"delivered": True, "rules": True}, ["records", "samples", "dead letters", "events"]),
        ({"outputs": {"blackhole": 1}}, ["records", "samples", "blackhole rows"]),
    ],
)
def test_a_job_keeps_the_identities_of_what_it_does(options: Mapping[str, Any], about: list[str]) -> None:
    assert list(Balance(STORED, **options).differences) == about


def test_a_counter_of_what_the_job_does_is_there_without_a_count() -> None:
    plain = Balance({"samples.read": 3, "rows.1m": 2}).every_count()
    assert plain == {**dict.fromkeys(MEANINGS, 0), "samples.read": 3, "rows.1m": 2}
    everything = Balance({}, rules=True, outputs={"influxdb": 1, "blackhole": 2}).every_count()
    assert everything == dict.fromkeys(
        [
            *MEANINGS,
            "influxdb.rows_written",
            "influxdb.refused",
            "influxdb.unwritable",
            "influxdb.values_unwritable",
            "blackhole.rows",
            *RULE_MEANINGS,
        ],
        0,
    )


def test_the_lines_say_of_each_store_what_it_was_handed_and_what_became_of_it() -> None:
    counts = {**STORED, "alerts.written": 13}
    lines = Balance(counts, rules=True, outputs=OUTPUTS, delivered=True).lines()
    rules = lines.index("rules:")
    # After the fates of records and samples, and their two lines.
    assert lines[len(MEANINGS) + 2 : rules] == [
        "influxdb, 1,278 rows handed over to each of 2 outputs:",
        "  influxdb.rows_written      2,540  rows that InfluxDB took",
        "  influxdb.refused               9  rows that InfluxDB refused or cannot hold: dead letters, each with its reason",
        "  influxdb.unwritable            7  rows without a finite value: InfluxDB has no notation for NaN and infinities",
        "  influxdb.values_unwritable    11  values that are not finite, left out of rows written",
        "  influxdb rows: difference 0",
        "parquet, 1,278 rows handed over:",
        "  parquet.rows_written 1,278  rows written; of one series and time the store gives the newest",
        "  parquet rows: difference 0",
    ]
    assert lines[rules + len(RULE_MEANINGS) + 1 :] == [
        "  dead letters: difference 0",
        "  events: difference 1  <-- does not add up",
    ]
