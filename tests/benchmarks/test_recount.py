"""The recount of a peer's rows."""

import pyarrow.parquet as pq
import pytest

from benchmarks.recount import Right, Row, named, names, score
from schemas.series import series_text
from tests.e2e import recount
from tidemark.generate import cli as generate

MINUTE = 60_000


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    words = ["--hosts=20", "--metrics=2", "--interval=15s", "--duration=6m", "--start=2026-01-05T00:00:00Z"]
    faults = ["--lateness=5%:30s:2m", "--duplicates=5%:50%", "--quiet"]
    files = [f"--output=file:{folder / 'load.jsonl'}", f"--truth={folder / 'truth.parquet'}"]
    assert generate.main(["metrics", *words, *faults, *files]) == 0
    return folder / "truth.parquet"


@pytest.fixture(scope="module")
def right_rows(truth):
    return _rollups(recount.truth_samples(truth))


def test_all_rows_that_are_right_are(truth, right_rows):
    # Of six minutes the first and the last are left out.
    assert score(truth, right_rows) == Right(rows=20 * 2 * 4, untouched=1.0, late=1.0, twice=1.0)


def test_no_rows_are_not_right(truth):
    assert score(truth, []) == Right(rows=160, untouched=0.0, late=0.0, twice=0.0)


def test_of_equal_keys_the_last_row_counts(truth, right_rows):
    wrong = [row._replace(number=row.number + 1) for row in right_rows]
    assert score(truth, wrong + right_rows).untouched == 1.0
    assert score(truth, right_rows + wrong).untouched == 0.0


@pytest.mark.parametrize("column", ["number", "total", "low", "high"])
def test_a_row_with_one_wrong_value_is_wrong(truth, right_rows, column):
    wrong = [row._replace(**{column: getattr(row, column) + 1}) for row in right_rows]
    assert score(truth, wrong) == Right(160, 0.0, 0.0, 0.0)


def test_a_sum_may_differ_in_its_last_bits(truth, right_rows):
    assert score(truth, [row._replace(total=row.total * (1 + 1e-12)) for row in right_rows]).untouched == 1.0


def test_faults_are_where_they_show(truth, right_rows):
    """A peer that takes every delivery into account is wrong only where one came twice."""
    series = names(truth)
    assert set(series.values()) == {row.series for row in right_rows}
    by_key = {text: key for key, text in series.items()}
    assert named([(*by_key[row.series], *row[1:]) for row in right_rows], series) == right_rows
    found = score(truth, _rollups(_every_delivery(truth)))
    assert (found.untouched, found.late, found.twice) == (1.0, 1.0, 0.0)


def test_a_peer_that_drops_what_is_late_is_wrong_there(truth, right_rows):
    found = score(truth, _rollups(_on_time(truth)))
    assert (found.untouched, found.late) == (1.0, 0.0)


def _rollups(samples):
    rows = recount.rollups(samples, MINUTE).to_pylist()
    return [Row(row["series"], row["time"], row["count"], row["sum"], row["min"], row["max"]) for row in rows]


def _every_delivery(truth):
    return _samples(truth, lambda row: [row] * row["copies"])


def _on_time(truth):
    return _samples(truth, lambda row: [row] if row["delay_ms"] == 0 else [])


def _samples(truth, deliveries):
    series = {}
    rows = []
    for row in pq.read_table(truth).to_pylist():
        key = row["target"], row["metric"]
        series.setdefault(key, series_text(*key))
        rows += [(series[key], each["ts"], each["value"]) for each in deliveries(row)]
    return recount.sample_table(rows)
