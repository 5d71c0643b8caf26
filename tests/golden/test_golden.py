"""Forms that are kept in state or published: the code of the day writes those of the newest release, and reads those of every release.

Where a form changes on purpose, its version changes, ``NEWEST`` is counted up, and ``python -m tests.golden`` writes the new files beside
the old ones.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.golden import alerts_run, release
from tests.golden.forms import Form, forms
from tests.golden.labels import labels
from tests.golden.plain import Plain, bytes_of
from tests.golden.release import FOLDER, NEWEST, RUN, Halves, tables
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.shards.machine import ShardMachine
from transforms.io.parquet.layout import RAW, FileName
from transforms.io.parquet.store import read_raw, read_rollups

RELEASES = sorted(path.name.removeprefix("v") for path in FOLDER.glob("v*"))


@cache
def golden(version: str, name: str) -> Plain:
    return json.loads((FOLDER / f"v{version}" / f"{name}.json").read_text())


def halves(version: str, name: str) -> Halves:
    return Halves(**golden(version, name))


def test_the_newest_release_is_the_last() -> None:
    assert RELEASES[-1] == NEWEST


@pytest.mark.parametrize("form", forms(), ids=lambda form: form.name)
def test_a_form_is_written_as_ever(form: Form) -> None:
    assert form.data == bytes_of(golden(NEWEST, "forms")[form.name])


def test_every_form_is_known() -> None:
    assert [form.name for form in forms()] == [*golden(NEWEST, "forms")]


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("form", [form for form in forms() if form.again], ids=lambda form: form.name)
def test_a_form_of_any_release_is_read_whole(form: Form, version: str) -> None:
    assert form.again is not None
    assert form.again(bytes_of(golden(version, "forms")[form.name])) == form.data


@pytest.mark.parametrize(("name", "run"), [("alerts", release.alerts), ("rollups", release.rollups)])
def test_a_job_keeps_and_sends_the_same_bytes_as_ever(name: str, run: object) -> None:
    assert callable(run)
    made, wanted = run(), halves(NEWEST, name)
    assert made.first == wanted.first
    assert made.state == wanted.state
    assert made.second == wanted.second


@pytest.mark.parametrize("version", RELEASES)
def test_rollups_go_on_from_the_state_of_any_release(version: str) -> None:
    wanted = halves(version, "rollups")
    assert release.rollups_from(wanted.state) == wanted.second


@pytest.mark.parametrize("version", RELEASES)
def test_rules_go_on_from_the_state_of_any_release(version: str) -> None:
    wanted = halves(version, "alerts")
    assert alerts_run.contents(release.alerts_from(wanted.state)) == alerts_run.contents(wanted.second)


def test_every_cell_and_bag_is_in_a_state() -> None:
    state = halves(NEWEST, "alerts").state
    for stage, machine in (("shards", ShardMachine), ("groups", GroupMachine)):
        for kind, names in (("cells", machine.CELLS), ("bags", machine.BAGS)):
            filled = {name for key in state[stage].values() for name, data in key[kind].items() if data}
            assert filled == set(names), stage
    for tier, windows in halves(NEWEST, "rollups").state["tiers"].items():
        for cell in ("meta", "pending", "buckets"):
            assert any(window[cell] for window in windows.values()), (tier, cell)


def test_steps_and_their_states_have_the_names_of_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert labels(tmp_path) == (FOLDER / f"v{NEWEST}" / "labels.txt").read_text()


@pytest.mark.parametrize("version", RELEASES)
def test_a_parquet_store_of_any_release_is_read(version: str) -> None:
    store = FOLDER / f"v{version}" / "store"
    wanted = tables()
    assert read_rollups(store, "1m").to_pylist() == wanted["1m"].to_pylist()
    assert repr(read_raw(store).to_pylist()) == repr(wanted[RAW].to_pylist())


def test_a_parquet_store_is_written_as_ever(tmp_path: Path) -> None:
    """Its names, schemas and rows; the bytes of a file are those of the Parquet library."""
    made, wanted = tmp_path / "store", FOLDER / f"v{NEWEST}" / "store"
    release.write_store(made)

    def shape(folder: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for path in (path for path in folder.rglob("*") if path.is_file()):
            name, place = FileName.parse(path.name), path.parent.relative_to(folder)
            if name is None:
                found[str(path.relative_to(folder))] = path.read_bytes()
                continue
            table = pq.read_table(path, partitioning=None)
            kept = str(name._replace(rest=name.rest.rpartition("_")[0]))
            found[f"{place}/{kept}"] = (str(table.schema), repr(table.to_pylist()))
        return found

    assert shape(made) == shape(wanted)
    assert f"_runs/{RUN}.json" in shape(made)
