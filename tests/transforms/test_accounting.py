from __future__ import annotations

import importlib.resources
import re

import pytest

from rules.stream.stage import LABELS, METRICS, SELECTORS
from schemas.alert_event import State
from transforms import accounting
from transforms.accounting import COUNTED_AT_INTAKE, MEANINGS, RULE_MEANINGS, Balance

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


def test_without_rollups_the_fates_of_records_are_told_and_those_of_samples_are_not() -> None:
    balance = Balance({**WHOLE, "samples.written": 0}, rollups=False)
    assert (balance.records_missing, balance.samples_missing) == (0, 0)
    lines = balance.lines()
    assert [line.split()[0] for line in lines[:-1]] == list(COUNTED_AT_INTAKE)
    assert lines[-1] == "  records: difference 0"


def test_what_rules_came_to_is_told_where_there_are_rules() -> None:
    counts = {**WHOLE, "alerts.firing": 1_234, "rules.samples_written": 5}
    lines = Balance(counts, rules=True).lines()
    assert lines[: len(MEANINGS) + 2] == Balance(counts).lines()
    assert lines[len(MEANINGS) + 2] == "rules:"
    told = [line.split(maxsplit=2) for line in lines[len(MEANINGS) + 3 :]]
    assert {name: meaning for name, _, meaning in told} == RULE_MEANINGS
    assert {name: number for name, number, _ in told if number != "0"} == {
        "alerts.firing": "1,234",
        "rules.samples_written": "5",
    }


def test_what_rules_write_does_not_disturb_the_balance() -> None:
    assert not set(RULE_MEANINGS) & set(MEANINGS)
    balance = Balance({**WHOLE, **dict.fromkeys(RULE_MEANINGS, 7)}, rules=True)
    assert (balance.records_missing, balance.samples_missing) == (0, 0)


def test_every_counter_of_the_rules_has_a_meaning() -> None:
    modules = importlib.resources.files("rules.stream").iterdir()
    texts = [module.read_text() for module in modules if module.name.endswith(".py")]
    counted = {name for text in texts for name in re.findall(r'"((?:rules|alerts)\.[a-z_]+)"', text)}
    assert "rules.samples_written" in counted
    # Metrics that are sets of texts count nothing.
    assert counted - {SELECTORS, METRICS, LABELS} <= set(RULE_MEANINGS)
    assert {f"alerts.{state.value}" for state in State} - {"alerts.retracted"} <= set(RULE_MEANINGS)
