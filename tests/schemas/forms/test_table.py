"""The table of persisted forms is whole: every state, topic and module that it names is there, and none is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.forms import table
from schemas.forms.model import Flow, Form, Inside, State, Topic, place_text
from schemas.records import TOPIC_ALERT_EVENTS, TOPIC_DEAD_LETTER, TOPIC_LATE, TOPIC_RAW
from tests.golden.release import FOLDER, NEWEST

ROOT = Path(__file__).parents[3]
STEPS = {
    "Rollups/Roll up 1m": table.FINEST,
    "Rollups/Roll up 1h": table.COARSER,
    "Rules/Shards": table.SHARDS,
    "Rules/Groups/ParDo(StageDoFn)": table.GROUPS,
    "CutRecords/Read and decode/ParDo(_CutPartition)": table.CUT,
}
"""Steps with state cells, by their labels in the golden file of labels."""

EVERY = pytest.mark.parametrize("form", table.FORMS.values(), ids=lambda form: form.name)


def states() -> Iterator[tuple[str, str]]:
    """The cells of all steps."""
    for form in table.FORMS.values():
        for place in form.places:
            if isinstance(place, State):
                yield from ((place.step, cell) for cell in place.cells)


def documented(form: Form) -> str:
    """The row of a form in docs/operations.md."""
    older = ", ".join(map(str, form.older)) or "-"
    return f"| {form.name} | {form.version} | {older} | {'; '.join(map(place_text, form.places))} |"


def test_the_docs_have_the_table() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    _, _, table_and_rest = page.partition("| form | version | also read | where |\n|---|---|---|---|\n")
    rows = table_and_rest.partition("\n\n")[0].splitlines()
    assert rows == [
        documented(form) for form in table.FORMS.values() if not all(isinstance(place, Flow) for place in form.places)
    ]


def test_the_docs_show_a_refusal() -> None:
    assert f"\n{table.GROUP_META.refusal(4)}\n" in (ROOT / "docs" / "operations.md").read_text()


def test_each_form_has_a_name_of_its_own() -> None:
    assert len(table.FORMS) == sum(isinstance(each, Form) for each in vars(table).values())


@EVERY
def test_older_versions_are_older(form: Form) -> None:
    assert min(form.reads) > 0
    assert list(form.reads) == sorted(set(form.reads))


@EVERY
def test_what_holds_a_form_is_one(form: Form) -> None:
    assert form.places
    assert {place.form for place in form.places if isinstance(place, Inside)} <= table.FORMS.keys() - {form.name}


@EVERY
def test_writers_and_readers_are_there(form: Form) -> None:
    assert [name for name in (form.writer, *form.readers) if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def test_every_cell_of_every_step_is_in_the_table() -> None:
    cells = set()
    for line in (FOLDER / f"v{NEWEST}" / "labels.txt").read_text().splitlines():
        label, *kept = line.split("; ")
        for names in kept:
            kind, _, texts = names.partition(": ")
            if kind == "states":
                cells |= {(STEPS[label], re.sub(r"^bucket\d\d$", "bucket*", cell)) for cell in texts.split(", ")}
    kept_besides = {"key", "element", "restriction"}
    assert {each for each in states() if each[1] not in kept_besides} == cells


def test_every_step_with_cells_has_a_key() -> None:
    steps = {step for step, cell in states() if cell == "key"}
    assert steps == set(STEPS.values())


def test_every_topic_that_a_job_writes_is_in_the_table() -> None:
    topics = {place.name for form in table.FORMS.values() for place in form.places if isinstance(place, Topic)}
    assert topics == {TOPIC_ALERT_EVENTS, TOPIC_DEAD_LETTER, TOPIC_LATE}
    assert TOPIC_RAW not in topics
