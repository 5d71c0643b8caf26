"""Forms of a newer release are refused, wherever they are: what a job keeps fails it, and the error names the form and says what to do."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator

import pytest

from schemas.batch import read_ipc, write_ipc
from schemas.forms import table
from schemas.forms.model import VERSION_ATTRIBUTE, Form, Mark, Topic, VersionError
from tests.golden import __main__ as writer
from tests.golden import release
from tests.golden.forms import forms
from tests.golden.plain import Plain, bytes_of, text_of
from tests.golden.release import NEWEST, examples, halves

_SIZE_BYTES = 8


def newer(form: Form, data: bytes) -> bytes:
    """The bytes as if a newer release had written them."""
    version = form.version + 1
    if form.mark is Mark.BYTE:
        at = 1 if form is table.CONTRIBUTION else 0
        return data[:at] + bytes([version]) + data[at + 1 :]
    if form.mark is Mark.ATTRIBUTE:
        batch = read_ipc(data)
        metadata = {**(batch.schema.metadata or {}), VERSION_ATTRIBUTE: str(version)}
        return write_ipc(batch.replace_schema_metadata(metadata))
    if form.mark is Mark.KEY:
        begin, key = data.index(b"{") + 1, b'"version":%d,' % version
        head = data[:begin]
        if form is table.BASE:
            size = int.from_bytes(data[:_SIZE_BYTES], "big") + len(key)
            head = size.to_bytes(_SIZE_BYTES, "big") + data[_SIZE_BYTES:begin]
        return head + key + data[begin:]
    assert form.mark is Mark.LENGTH
    return data + b"\0"


def refused(form: Form, text: str = "") -> str:
    found = f"of version {form.version + 1}" if form.mark is not Mark.LENGTH else r"of \d+ bytes"
    return f"{re.escape(form.name)} {found}; this release reads .*{text}"


READ = {form.name: form.again for form in forms() if form.again}
MARKED = [
    form
    for name, form in table.FORMS.items()
    if name in READ and form.mark in (Mark.ATTRIBUTE, Mark.KEY, Mark.BYTE, Mark.LENGTH) and form.name not in
    # Elements between two steps, which runs of two releases never share.
    (table.SAMPLES_ELEMENT.name, table.EXTENT.name)
]  # fmt: skip


@pytest.mark.parametrize("form", MARKED, ids=lambda form: form.name)
def test_a_newer_version_is_refused(form: Form) -> None:
    again = READ[form.name]
    data = examples(NEWEST)[form.name]
    again(data)
    with pytest.raises(VersionError, match=refused(form)):
        again(newer(form, data))


def _cell(stage: str, cell: str, form: Form) -> Callable[[Plain], None]:
    def change(state: Plain) -> None:
        for key in state[stage].values():
            if cell in key["cells"]:
                key["cells"][cell] = text_of(newer(form, bytes_of(key["cells"][cell])))

    return change


def _bag(stage: str, bag: str, form: Form) -> Callable[[Plain], None]:
    def change(state: Plain) -> None:
        for key in state[stage].values():
            key["bags"][bag] = [text_of(newer(form, bytes_of(data))) for data in key["bags"].get(bag, [])]

    return change


def _windows(tier: str, cell: str, form: Form) -> Callable[[Plain], None]:
    def changed(kept: Plain) -> Plain:
        if isinstance(kept, str):
            return text_of(newer(form, bytes_of(kept)))
        return (
            [changed(each) for each in kept]
            if isinstance(kept, list)
            else {key: changed(each) for key, each in kept.items()}
        )

    def change(state: Plain) -> None:
        for window in state["tiers"][tier].values():
            window[cell] = changed(window[cell]) if window[cell] else window[cell]

    return change


RULES = {
    "shards": [("meta", table.SHARD_META), ("rules", table.SHARD_RULES), ("told", table.WATERMARKS)],
    "groups": [("meta", table.GROUP_META), ("base", table.BASE)],
}
BAGS = [
    ("shards", "chunks", table.CHUNK),
    ("groups", "contributions", table.CONTRIBUTION),
    ("groups", "announced", table.RULES_ELEMENT),
]
WINDOWS = [
    ("1m", "pending", table.SAMPLES),
    ("1m", "late", table.SAMPLES),
    ("1m", "buckets", table.SAMPLES),
    ("1m", "meta", table.WINDOW_META),
    ("1h", "pending", table.ROLLUPS),
    ("1h", "late", table.ROLLUPS),
    ("1h", "buckets", table.PANES),
    ("1h", "meta", table.WINDOW_META),
]


def states() -> Iterator[tuple[str, str, Form, Callable[[Plain], None], Callable[[Plain], Plain]]]:
    for stage, cells in RULES.items():
        yield from (
            ("alerts", f"{stage} {cell}", form, _cell(stage, cell, form), release.alerts_from) for cell, form in cells
        )
    for stage, bag, form in BAGS:
        yield "alerts", f"{stage} {bag}", form, _bag(stage, bag, form), release.alerts_from
    for tier, cell, form in WINDOWS:
        yield "rollups", f"{tier} {cell}", form, _windows(tier, cell, form), release.rollups_from


@pytest.mark.parametrize(
    ("run", "form", "change", "go_on"),
    [(run, *rest) for run, _, *rest in states()],
    ids=[name for _, name, *_ in states()],
)
def test_a_job_does_not_go_on_from_the_state_of_a_newer_release(
    run: str, form: Form, change: Callable[[Plain], None], go_on: Callable[[Plain], Plain]
) -> None:
    state = copy.deepcopy(halves(NEWEST, run).state)
    change(state)
    with pytest.raises(VersionError, match=refused(form, "start the job without its savepoint")):
        go_on(state)


@pytest.mark.parametrize(
    "form", [form for form in table.FORMS.values() if isinstance(form.places[0], Topic)], ids=lambda form: form.name
)
def test_records_of_topics_have_the_key_and_the_headers_of_the_table(form: Form) -> None:
    head, _, _ = examples(NEWEST)[form.name].partition(b"\n\n")
    key, *headers = head.decode().split("\n")
    place = form.places[0]
    assert isinstance(place, Topic)
    assert (place.key == "none") == (key == "key: (none)")
    assert [
        each if ": " in wanted else each.partition(": ")[0] for each, wanted in zip(headers, place.headers, strict=True)
    ] == [*place.headers]


OTHER = f"chunk has version {table.CHUNK.version}, there 99: count NEWEST in tests/golden/release.py up"


@pytest.mark.parametrize(
    ("version", "data", "message"),
    [
        (table.CHUNK.version, "same", []),
        (99, "same", [OTHER]),
        (99, "other", [OTHER]),
        (
            table.CHUNK.version,
            "other",
            ["chunk has other bytes than there under the same version: raise it in schemas/forms/table.py"],
        ),
    ],
)
def test_golden_files_are_not_written_over_those_of_other_versions(version: int, data: str, message: list[str]) -> None:
    before = {"versions.json": {"chunk": version}, "forms.json": {"chunk": "same"}}
    assert [*writer.changes(before, {"forms.json": f'{{"chunk": "{data}"}}'})] == message
