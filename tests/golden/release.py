"""A release of golden files: what the code of the day gives, and what is in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from schemas import batch, rollup
from tests.golden import alerts_run, rollups_run
from tests.golden.forms import forms, pane, samples
from tests.golden.labels import labels
from tests.golden.plain import Plain, text_of
from transforms.alerts.local import LocalPipeline
from transforms.io.parquet.layout import RAW
from transforms.io.parquet.rows import rollup_table, sample_table
from transforms.io.parquet.runs import start
from transforms.io.parquet.store import write

FOLDER = Path(__file__).parent
NEWEST = "1"
"""The release that the code of the day writes."""

RUN = 1_700_049_600_000


class Halves(NamedTuple):
    """A run in two halves: what came of the first, the state between them, and what came of the second."""

    first: Plain
    state: Plain
    second: Plain


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
        "forms.json": {form.name: text_of(form.data) for form in forms()},
        "alerts.json": alerts()._asdict(),
        "rollups.json": rollups()._asdict(),
    }
    return {
        "labels.txt": labels(scratch),
        **{name: json.dumps(value, indent=1) + "\n" for name, value in found.items()},
    }
