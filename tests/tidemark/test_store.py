from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas import rollup
from services.kit.commands import reported
from tests.transforms.io.sink_cases import MINUTE, WINDOW, fleet
from tidemark.store.cli import main
from transforms.io.parquet.rows import rollup_table
from transforms.io.parquet.runs import start
from transforms.io.parquet.store import files, read_rollups, write

HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three files of the tier 1m, of two rows each."""
    for i in range(3):
        write(tmp_path, "1m", rollup_table([rollup.encode(fleet(1, 2, window=WINDOW + i * MINUTE))]))
    return tmp_path


def run(now: int, *words: object) -> int:
    return reported("tidemark store", lambda: main([str(word) for word in words], clock=lambda: now / 1_000))


def test_ls_reports_files_rows_and_times(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run(WINDOW, "ls", store) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "1m" in line]
    assert row.replace("│", " ").split()[:3] == ["1m", "3", "6"]
    assert "2023-11-14T22-14-00Z" in row
    assert "2023-11-14T22-16-00Z" in row


def test_runs_are_reported_in_their_order(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    first, second = start(store, WINDOW), start(store, WINDOW)
    for number in (second, first, second):
        write(store, "1h", rollup_table([rollup.encode(fleet(1, 2, seed=number))], number))
    write(store, "1h", rollup_table([rollup.encode(fleet(1, 2))], second))
    assert run(WINDOW, "runs", store) == 0
    lines = [line.strip("│").split("│") for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [tuple(cell.strip() for cell in line) for line in lines] == [
        ("0", "before runs were numbered", "3"),
        (str(WINDOW), "2023-11-14T22:14:00.000Z", "1"),
        (str(WINDOW + 1), "2023-11-14T22:14:00.000Z", "2"),
    ]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def flip(path: Path) -> None:
    """Spoil the rows and leave the footer sound."""
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(255 - each for each in data[4:200])
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [cut, flip, empty])
def test_a_damaged_file_is_named_left_alone_and_the_others_are_folded(
    spoil: Callable[[Path], None], store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = [file.path for file in files(store, "1m")][1]
    whole = read_rollups(store, "1m").num_rows
    spoil(damaged)
    before = damaged.read_bytes()
    assert run(WINDOW + HOUR, "compact", store, "--older=0s") == 1
    out, err = capsys.readouterr()
    assert out == "1m: 2 files became 1, 4 rows 4\n"
    assert err.startswith(f"tidemark store: cannot be read, and left as it is: {damaged}: ")
    assert err.count("\n") == 1
    assert damaged.read_bytes() == before
    reported: list[Path] = []
    assert read_rollups(store, "1m", unreadable=lambda path, _: reported.append(path)).num_rows == whole - 2
    assert reported == [damaged]


@pytest.mark.parametrize("spoil", [cut, empty])
def test_ls_names_a_damaged_file_and_counts_the_others(
    spoil: Callable[[Path], None], store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    damaged = next(files(store, "1m")).path
    spoil(damaged)
    assert run(WINDOW, "ls", store) == 1
    out, err = capsys.readouterr()
    (row,) = [line for line in out.splitlines() if "1m" in line]
    assert row.replace("│", " ").split()[:3] == ["1m", "3", "4"]
    assert str(damaged) in err


def test_compact_folds_what_is_old_enough(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(WINDOW + 2 * HOUR, "compact", store) == 0
    assert capsys.readouterr().out == "1m: nothing to fold\n"
    assert run(WINDOW + 2 * HOUR + 2 * MINUTE, "compact", store, "1m") == 0
    assert capsys.readouterr().out == "1m: 2 files became 1, 4 rows 4\n"
    assert run(WINDOW + HOUR, "compact", store, "--older=0s") == 0
    assert len(list(files(store, "1m"))) == 1
    assert read_rollups(store, "1m").num_rows == 6


def test_retain_names_then_deletes_what_is_past(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tiers.yaml"
    config.write_text("tiers: {rollups: [{window: 1m, retention: 2d}]}")
    now = WINDOW + 2 * DAY + 2 * MINUTE
    assert run(now, "retain", store, f"--config={config}", "--dry-run") == 0
    assert capsys.readouterr().out.endswith("2 files would be deleted\n")
    assert read_rollups(store, "1m").num_rows == 6
    assert run(now, "retain", store, f"--config={config}") == 0
    assert capsys.readouterr().out.endswith("2 files deleted\n")
    assert read_rollups(store, "1m").num_rows == 2
    assert run(WINDOW + DAY, "retain", store) == 0
    assert capsys.readouterr().out == "0 files deleted\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ls", "{none}"), "is no store, or an empty one"),
        (("compact", "{none}"), "is no store, or an empty one"),
        (("retain", "{none}"), "is no store, or an empty one"),
        (("compact", "{store}", "1h"), "has no tier '1h'; there are 1m"),
        (("compact", "{store}", "--older=2"), "not a duration: '2'"),
        (("retain", "{store}", "--config={none}"), "No such file or directory"),
    ],
)
def test_errors_name_what_to_mend(
    store: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run(WINDOW, *(word.format(none=store / "none", store=store) for word in words)) == 1
    assert message in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "tidemark store compact ./store raw --older=1d" in capsys.readouterr().out
