"""Files of labelled windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transforms.io.history.given import read
from tidemark.rules.labelled import LabelsError, read_labelled

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z
MINUTE = 60_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two series, of which the rules read one."""
    folder = tmp_path / "cloud"
    folder.mkdir()
    for name in ("cpu_a1.csv", "other_b2.csv"):
        (folder / name).write_text("2026-01-01 12:00:00,1\n")
    return folder


def found(path: Path, data: Path, text: str) -> tuple[list[tuple[str, tuple[tuple[int, int], ...]]], list[str]]:
    path.write_text(text)
    there, absent = read_labelled(path, read(["--data", data], "cpu"))
    return [(each.title, each.windows) for each in there], absent


def test_the_labels_of_the_benchmark(data: Path, tmp_path: Path) -> None:
    text = """{
      "cloud/cpu_a1.csv": [["2026-01-01 12:00:00.000000", "2026-01-01 12:01:00.000000"]],
      "cloud/other_b2.csv": [],
      "elsewhere/cpu_a1.csv.gz": [], "cloud/cpu_a3.csv": []
    }"""
    there, absent = found(tmp_path / "labels.json", data, text)
    # The rules see nothing of the second; its windows are missed all the same.
    assert there == [
        ("cloud/cpu_a1.csv", ((NOON, NOON + MINUTE),)),
        ("cloud/other_b2.csv", ()),
        ("elsewhere/cpu_a1.csv.gz", ()),
    ]
    assert absent == ["cloud/cpu_a3.csv"]


@pytest.mark.parametrize(
    "window",
    [
        "[2026-01-01T12:00:00Z, 2026-01-01T12:01:00Z]",
        "[2026-01-01T13:00:00+01:00, 2026-01-01 12:01:00]",
        '["2026-01-01T12:00:00Z", "2026-01-01 12:01"]',
        f"[{NOON}, {NOON + MINUTE}]",
    ],
)
def test_times_of_any_notation(window: str, data: Path, tmp_path: Path) -> None:
    there, absent = found(
        tmp_path / "l.yml", data, f"'cpu{{instance=\"a1\"}}': [{window}]\n'{{instance=\"zz\"}}': []\n"
    )
    assert there == [('cpu{instance="a1"}', ((NOON, NOON + MINUTE),))]
    assert absent == ['{instance="zz"}']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "no mapping; write series"),
        ("a: [", "neither YAML nor JSON"),
        ("'rate(x[5m])': []", "no plain selector"),
        ("'x{': []", "no selector"),
        ("'x offset 5m': []", "no plain selector"),
        ("x: 5", "no list of windows"),
        ("x: [[1]]", "is no window"),
        ("x: [[now, then]]", "'now' is no time"),
        ("x: [[5, 4]]", "ends before it begins"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=message):
        found(tmp_path / "l.yml", data, text)
