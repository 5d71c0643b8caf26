"""A release of golden files: what the code of the day gives, and what is in a folder.

A folder has ``versions.json``, the version of each form in it; ``forms.json``, an example of each; ``alerts.json`` and ``rollups.json``, the state of
jobs and what they send; ``labels.txt``; and ``store``, a Parquet store. A folder of a release before the first has only some of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from schemas import batch, rollup
from schemas.forms.table import FORMS
from tests.golden import alerts_run, rollups_run
from tests.golden.forms import forms, pane, samples
from tests.golden.labels import labels
from tests.golden.plain import Plain, bytes_of, text_of
from transforms.alerts.local import LocalPipeline
from transforms.io.parquet.layout import RAW
from transforms.io.parquet.rows import rollup_table, sample_table
from transforms.io.parquet.runs import start
from transforms.io.parquet.store import write

FOLDER = Path(__file__).parent
RELEASES = sorted(
    (path.name.removeprefix("v") for path in FOLDER.glob("v*")),
    key=lambda name: [int(part) for part in name.split(".")],
)
"""All releases, the oldest first."""
NEWEST = "2"
"""The release that the code of the day writes."""

WHOLE = [release for release in RELEASES if (FOLDER / f"v{release}" / "labels.txt").exists()]
"""The releases that have every form."""

_CELLS = {
    "meta of the groups": ("groups", "meta"),
    "base of the groups": ("groups", "base"),
    "rules of a rule shard": ("shards", "rules"),
}
"""Forms whose example is a cell of a job's state."""

RUN = 1_700_049_600_000


class Halves(NamedTuple):
    """A run in two halves: what came of the first, the state between them, and what came of the second."""

    first: Plain
    state: Plain
    second: Plain


@cache
def golden(release: str, name: str) -> Plain:
    """A file of a release, without its suffix."""
    return json.loads((FOLDER / f"v{release}" / f"{name}.json").read_text())


def halves(release: str, name: str) -> Halves:
    """A run of a release."""
    return Halves(**golden(release, name))


@cache
def examples(release: str) -> Mapping[str, bytes]:
    """An example of each form of a release but the Parquet store."""
    found = {name: bytes_of(text) for name, text in golden(release, "forms").items()}
    if release in WHOLE:
        state = halves(release, "alerts").state
        (found["key of the groups"],) = map(bytes.fromhex, state["groups"])
        for name, (stage, cell) in _CELLS.items():
            found[name] = next(bytes_of(key["cells"][cell]) for key in state[stage].values() if cell in key["cells"])
        windows = halves(release, "rollups").state["tiers"]["1m"].values()
        found["meta of a window"] = next(bytes_of(window["meta"]) for window in windows if window["meta"])
    return found


def is_read(release: str) -> bool:
    """Whether the code of the day reads every form of a release."""
    return all(version in FORMS[name].reads for name, version in golden(release, "versions").items())


def alerts() -> Halves:
    """Both stages of rules, begun anew."""
    with alerts_run.repeatable():
        stage = LocalPipeline(alerts_run.SETTINGS)
        outs = alerts_run.plain_outs(alerts_run.first(stage))
        state = alerts_run.plain_state(stage)
        return Halves(outs, state, alerts_run.plain_outs(alerts_run.second(stage)))


def alerts_from(state: Plain) -> Plain:
    """The second half of it from a state."""
    with alerts_run.repeatable(1_000):
        return alerts_run.plain_outs(alerts_run.second(alerts_run.restored(state)))


def rollups() -> Halves:
    """All tiers, begun anew."""
    core = rollups_run.make()
    panes = rollups_run.plain_panes(rollups_run.first(core))
    state = rollups_run.plain_state(core)
    return Halves(panes, state, rollups_run.plain_panes(rollups_run.second(core)))


def rollups_from(state: Plain) -> Plain:
    """The second half of it from a state."""
    return rollups_run.plain_panes(rollups_run.second(rollups_run.restored(state)))


def tables() -> dict[str, pa.Table]:
    """The rows of a Parquet store by its folders."""
    return {"1m": rollup_table([rollup.encode(pane())], RUN), RAW: sample_table([batch.encode(samples())], RUN)}


def write_store(folder: Path) -> list[Path]:
    """A store of one run with those rows; its files."""
    start(folder, RUN)
    for name, table in tables().items():
        write(folder, name, table)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def texts(scratch: Path) -> dict[str, str]:
    """The files of a release, by name; the Parquet store besides."""
    found: dict[str, Any] = {
        "versions.json": {name: form.version for name, form in FORMS.items()},
        "forms.json": {form.name: text_of(form.data) for form in forms()},
        "alerts.json": alerts()._asdict(),
        "rollups.json": rollups()._asdict(),
    }
    return {
        "labels.txt": labels(scratch),
        **{name: json.dumps(value, indent=1) + "\n" for name, value in found.items()},
    }
