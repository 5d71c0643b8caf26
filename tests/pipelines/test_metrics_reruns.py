"""The job over corrected input, into a store that has the rows of a first run: every reader sees the second run's values, in every tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import metrics
from tests.tidemark.command import command
from tests.transforms.io.history.given import read, series_of
from tests.transforms.naive import NOON
from transforms.io.parquet.store import read_raw, read_rollups

FIRST = [0, 1, 2, 9999, 4, 5]
CORRECTED = [0, 1, 2, 3, 4, 5]
SERIES = "__name__=cpu_usage,host=web-1"


def run(directory: Path, values: list[float | None]) -> None:
    """The job over a sample every 5 s; None is one that is not there."""
    lines = [
        f"cpu,host=web-1 usage={value} {(NOON + number * 5_000) * 1_000_000}"
        for number, value in enumerate(values)
        if value is not None
    ]
    (directory / "in.lp").write_text("\n".join(lines) + "\n")
    words = (f"--{name}=file:{directory / name}" for name in ("dead_letter", "late"))
    inputs = f"--input=file:{directory}/in.lp", f"--output=parquet:{directory / 'store'}"
    assert metrics.main([*inputs, *words]) == 0


def greatest(directory: Path) -> dict[str, float]:
    """The greatest value of the series by each reader and tier."""
    store = directory / "store"
    found = {tier: max(read_rollups(store, tier).column("max").to_pylist()) for tier in ("1m", "1h")}
    found["raw"] = max(read_raw(store).column("value").to_pylist())
    for tier in ("raw", "1m", "1h"):
        history = read(["--data", f"parquet:{store}?tier={tier}{'&value=max' if tier != 'raw' else ''}"], "cpu_usage")
        found[f"backtest {tier}"] = max(value for _, value in series_of(history.storage)[SERIES])
    return found


def test_of_two_files_in_one_run_the_one_named_last_counts(tmp_path: Path) -> None:
    early, late = (f"cpu,host=web-1 usage={value} {NOON * 1_000_000}\n" for value in (9999, 5))
    other = f"cpu,host=web-1 usage=1 {(NOON + 5_000) * 1_000_000}\n"
    first, second = tmp_path / "first.lp", tmp_path / "second.lp"
    # In the file that counts, the line stands further up.
    first.write_text(other + other + early)
    second.write_text(late + other)
    words = (f"--{name}=file:{tmp_path / name}" for name in ("dead_letter", "late"))
    inputs = f"--input=file:{first}", f"--input=file:{second}", f"--output=parquet:{tmp_path / 'store'}"
    assert metrics.main([*inputs, *words]) == 0
    assert greatest(tmp_path) == dict.fromkeys(READERS, 5)
    backtest = series_of(read(["--data", str(first), "--data", str(second)], "cpu_usage").storage)
    assert backtest == {SERIES: [(NOON, 5.0), (NOON + 5_000, 1.0)]}


READERS = ("1m", "1h", "raw", "backtest raw", "backtest 1m", "backtest 1h")


@pytest.mark.parametrize("fewer", [False, True], ids=["as many samples", "fewer samples"])
def test_a_second_run_over_corrected_input_replaces_what_the_first_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fewer: bool
) -> None:
    run(tmp_path, FIRST)
    assert greatest(tmp_path) == dict.fromkeys(READERS, 9999)
    run(tmp_path, [None, *CORRECTED[1:]] if fewer else CORRECTED)
    assert greatest(tmp_path) == dict.fromkeys(READERS, 5)
    counts = [read_rollups(tmp_path / "store", tier).column("count").to_pylist() for tier in ("1m", "1h")]
    assert counts == [[5], [5]] if fewer else [[6], [6]]

    capsys.readouterr()
    assert command("store")(["compact", str(tmp_path / "store"), "--older=0s"]) == 0
    assert capsys.readouterr().out.count("2 files became 1") == 3
    assert greatest(tmp_path) == dict.fromkeys(READERS, 5)
