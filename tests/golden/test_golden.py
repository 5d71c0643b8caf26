"""Forms that are kept in state or published: the code of the day writes those of the newest release, and reads those of every release.

Where a form changes on purpose, its version in :mod:`schemas.forms.table` changes, ``NEWEST`` is counted up, and ``python -m tests.golden`` writes
the new files beside the old ones.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.forms.model import VersionError
from schemas.forms.table import FORMS, PARQUET
from tests.golden import alerts_run, earlier, release
from tests.golden.forms import Form, forms
from tests.golden.labels import labels
from tests.golden.release import FOLDER, NEWEST, RELEASES, RUN, WHOLE, examples, golden, halves, is_read, tables
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.shards.machine import ShardMachine
from transforms.io.parquet.layout import RAW, FileName
from transforms.io.parquet.store import read_raw, read_rollups

STORE = PARQUET.name


def test_the_newest_release_is_the_last() -> None:
    assert RELEASES[-1] == NEWEST


@pytest.mark.parametrize("form", forms(), ids=lambda form: form.name)
def test_a_form_is_written_as_ever(form: Form) -> None:
    assert form.data == examples(NEWEST)[form.name]


def test_every_form_is_known() -> None:
    assert [form.name for form in forms()] == [*golden(NEWEST, "forms")]
    assert {*examples(NEWEST), STORE} == FORMS.keys()


@pytest.mark.parametrize("name", FORMS)
def test_the_newest_release_has_every_form_in_its_version(name: str) -> None:
    version, there = FORMS[name].version, golden(NEWEST, "versions").get(name)
    assert there == version, (
        f"{name} has version {version}, in tests/golden/v{NEWEST} {there}: "
        "count NEWEST in tests/golden/release.py up, then run `python -m tests.golden`"
    )


@pytest.mark.parametrize(("name", "version"), [(name, each) for name, form in FORMS.items() for each in form.reads])
def test_every_version_that_is_read_has_a_golden_file(name: str, version: int) -> None:
    found = [each for each in RELEASES if golden(each, "versions").get(name) == version]
    assert found, (
        f"no golden file has {name} of version {version}: "
        "keep those of older releases, write new ones with `python -m tests.golden`"
    )
    for each in found:
        there = (FOLDER / f"v{each}" / "store").is_dir() if name == STORE else name in examples(each)
        assert there, f"tests/golden/v{each} has no {name}"


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("form", [form for form in forms() if form.again], ids=lambda form: form.name)
def test_a_form_of_any_release_is_read_whole(form: Form, version: str) -> None:
    assert form.again is not None
    if form.name not in examples(version):
        assert version not in WHOLE
        return
    data = examples(version)[form.name]
    if golden(version, "versions")[form.name] not in FORMS[form.name].reads:
        with pytest.raises(VersionError, match=f"{form.name} of version"):
            form.again(data)
        return
    wanted = earlier.FORMS[version, form.name]() if version not in WHOLE else form.data
    assert form.again(data) == wanted


@pytest.mark.parametrize(("name", "run"), [("alerts", release.alerts), ("rollups", release.rollups)])
def test_a_job_keeps_and_sends_the_same_bytes_as_ever(name: str, run: object) -> None:
    assert callable(run)
    made, wanted = run(), halves(NEWEST, name)
    assert made.first == wanted.first
    assert made.state == wanted.state
    assert made.second == wanted.second


@pytest.mark.parametrize("version", [each for each in WHOLE if is_read(each)])
def test_rollups_go_on_from_the_state_of_any_release(version: str) -> None:
    wanted = halves(version, "rollups")
    assert release.rollups_from(wanted.state) == wanted.second


@pytest.mark.parametrize("version", [each for each in WHOLE if is_read(each)])
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
        for cell in ("meta", "pending", "late", "buckets"):
            assert any(window[cell] for window in windows.values()), (tier, cell)


def test_steps_and_their_states_have_the_names_of_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert labels(tmp_path) == (FOLDER / f"v{NEWEST}" / "labels.txt").read_text()


@pytest.mark.parametrize("version", RELEASES)
def test_a_parquet_store_of_any_release_is_read(version: str) -> None:
    store = FOLDER / f"v{version}" / "store"
    if version in earlier.STORE_RUNS:
        assert read_rollups(store, "1m").select(["max", "pane", "run"]).to_pylist() == [
            {"max": 9999.0, "pane": 1, "run": earlier.STORE_RUNS[version]}
        ]
        assert read_raw(store).select(["value", "run"]).to_pylist() == [
            {"value": value, "run": earlier.STORE_RUNS[version]} for value in (1.0, 9999.0)
        ]
        return
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
