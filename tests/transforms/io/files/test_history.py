"""Archived data in files."""

from __future__ import annotations

import gzip
import re
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.planning.reach import Reach
from tests.transforms.io.history.given import options, read, selectors, series_of
from transforms.io.files.csv_history import csv_labels
from transforms.io.history.read import HistoryError, read_reach

START = 1_393_632_000_000  # 2014-03-01T00:00:00Z


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("ec2_cpu_utilization_5f5533.csv", ("ec2_cpu_utilization", "5f5533")),
        ("ec2_cpu_utilization_5f5533.csv.gz", ("ec2_cpu_utilization", "5f5533")),
        ("grok_asg_anomaly.csv", ("grok_asg_anomaly", "grok_asg_anomaly")),
        ("load.csv", ("load", "load")),
        (
            "iio_us-east-1_i-a2eb1cd9_NetworkIn.csv",
            ("iio_us_east_1_i_a2eb1cd9_NetworkIn", "iio_us-east-1_i-a2eb1cd9_NetworkIn"),
        ),
        ("1min_a1.csv", ("_1min", "a1")),
    ],
)
def test_the_name_of_a_csv_file_names_its_series(name: str, labels: tuple[str, str]) -> None:
    assert csv_labels(Path("d", name)) == {"__name__": labels[0], "instance": labels[1]}


def test_a_given_name_leaves_the_whole_file_name_to_the_instance() -> None:
    assert csv_labels(Path("web_1.csv"), "load1") == {"__name__": "load1", "instance": "web_1"}


@pytest.mark.parametrize("name", ["cpu_a1.csv", "cpu_a1.csv.gz"])
@pytest.mark.parametrize(
    "text",
    [
        "timestamp,value\n2014-03-01 00:00:00,1.5\n2014-03-01 00:05:00,2\n",
        "2014-03-01 00:00:00,1.5\r\n2014-03-01 00:05:00,2\r\n",
        "Timestamp,value\n2014-03-01T00:00:00Z,1.5\n2014-03-01T01:05:00+01:00,2\n",
        "\ufefftime,value\n1393632000,1.5\n1393632300,2\n",
        "1393632000000,1.5\n\n1393632300000,2\n",
        '"2014-03-01 00:00:00", "1.5"\n"2014-03-01 00:05:00",2\n',
        "2014-03-01,1.5,\n2014-03-01 00:05:00.000,2,,\n",
        "ts,cpu\n2014-03-01,1.5e0\n2014-03-01 00:05:00.000,+2\n",
        '"time of\nthe sample","value,\r\nin %"\r\n2014-03-01,"1.5"\r\n"2014-03-01 00:05:00" , "2"',
        "timestamp,value\r2014-03-01,1.5\r2014-03-01 00:05:00,2",
        '2014-03-01,"1.5\n2014-03-01 00:05:00,2\n',
    ],
)
def test_csv(name: str, text: str, tmp_path: Path) -> None:
    history = read(["--data", write(tmp_path / name, text)])
    assert series_of(history.storage) == {"__name__=cpu,instance=a1": [(START, 1.5), (START + 300_000, 2.0)]}
    assert (history.start_ms, history.end_ms, history.bad) == (START, START + 300_000, 0)
    assert history.files == (tmp_path / name,)


@pytest.mark.parametrize("zone", ["", "Z"])
def test_times_are_rounded_to_milliseconds(zone: str, tmp_path: Path) -> None:
    path = write(tmp_path / "cpu_a1.csv", f"2014-03-01 00:00:00.000400{zone},1\n2014-03-01 00:00:01.000600{zone},2\n")
    assert series_of(read(["--data", path]).storage) == {
        "__name__=cpu,instance=a1": [(START, 1.0), (START + 1001, 2.0)]
    }


def test_bad_rows_are_reported_with_their_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        tmp_path / "cpu_a1.csv",
        "timestamp,value\nnow,1\n2014-03-01 00:00:00,x\n2014-03-01 00:00:00\n2014-03-01 00:00:00,4\n",
    )
    history = read(["--data", path])
    assert series_of(history.storage) == {"__name__=cpu,instance=a1": [(START, 4.0)]}
    assert history.bad == 3
    assert [problem.partition(": ")[0] for problem in history.problems] == [f"{path}:{line}" for line in (2, 3, 4)]
    assert f"{path}:3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2014-03-01,1e400", "'1e400' is out of the range of a 64-bit float"),
        ("2014-03-01,-1e400", "'-1e400' is out of the range of a 64-bit float"),
        ("2014-03-01,1_000", "a number is wanted, not '1_000'"),
        ("2014-03-01,0x10", "a number is wanted, not '0x10'"),
        ("2014-03-01,infinity", "a number is wanted, not 'infinity'"),
        ("2014-03-01,\u0663", "a number is wanted, not '\u0663'"),
        ("2014-03-01,", "a number is wanted, not ''"),
        ("2014-03-01", "a row is a timestamp and a value with a comma between them, not one cell"),
        ("2014-03-01,1,host", "a row is a timestamp and a value with a comma between them, not 3 cells"),
        ("yesterday,1", "'yesterday' is no time; write 2026-01-12T00:00:00Z"),
        ("\u0661\u0662,1", "is no time"),
        ("\u00b2,1", "is no time"),
        (f"{'9' * 5000},1", "is no time: it is neither in seconds nor in milliseconds"),
    ],
)
def test_a_row_that_cannot_be_held_is_reported_with_its_place(row: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / "cpu_a1.csv", f"2014-03-01 00:00:00,4\n2014-03-01 00:05:00,5\n{row}\n")
    history = read(["--data", path])
    assert series_of(history.storage) == {"__name__=cpu,instance=a1": [(START, 4.0), (START + 300_000, 5.0)]}
    (problem,) = history.problems
    assert problem.startswith(f"{path}:3: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("text", "value"), [("NaN", "nan"), ("nan", "nan"), ("+Inf", "inf"), ("-inf", "-inf"), ("INF", "inf")]
)
def test_values_that_are_not_finite_are_values_as_others_write_them(text: str, value: str, tmp_path: Path) -> None:
    path = write(tmp_path / "cpu_a1.csv", f"2014-03-01 00:00:00,{text}\n")
    assert str(series_of(read(["--data", path]).storage)["__name__=cpu,instance=a1"]) == f"[({START}, {value})]"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("timestamp,value,host\n2014-03-01,1,a\n", "3 columns (timestamp, value, host)"),
        ("timestamp,cpu,mem,disk\n2014-03-01,1,2,3\n", "4 columns (timestamp, cpu, mem, disk)"),
        ("2014-03-01,1,a\n2014-03-02,2,b\n", "3 columns (2014-03-01, 1, a)"),
    ],
)
def test_a_file_of_more_columns_is_refused(text: str, columns: str, tmp_path: Path) -> None:
    path = write(tmp_path / "cpu_a1.csv", text)
    with pytest.raises(HistoryError, match=re.escape(f"{path}:1: {columns}: a CSV file holds one series")):
        read(["--data", path])


@given(st.binary(max_size=200) | st.text('0123456789-:TZ .,+e"\n\0', max_size=80).map(str.encode))
def test_any_bytes_are_samples_or_counted(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cpu_a1.csv")
        path.write_bytes(b"2014-03-01 00:00:00,1\n" + data)
        try:
            history = read(["--data", path])
        except HistoryError:
            # Most of its rows have a third column.
            assume(False)
    lines = [line for line in re.split(r"\r\n?|\n", data.decode("utf-8", "replace")) if line.strip()]
    assert history.bad + len(history.storage.timestamps) <= len(lines) + 1


times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(
    lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000)
)


@given(
    st.lists(st.tuples(times, st.floats(allow_nan=False)), min_size=1, max_size=20, unique_by=lambda row: row[0]),
    st.booleans(),
)
def test_rows_at_once_and_one_by_one_agree(rows: list[tuple[datetime, float]], spoiled: bool) -> None:
    """A row that cannot be read sends all rows the slow way."""
    with tempfile.TemporaryDirectory() as folder:
        text = "".join(f"{when.isoformat(' ')},{value!r}\n" for when, value in rows)
        path = write(Path(folder, "cpu_a1.csv"), text + ("odd,row\n" if spoiled else ""))
        (points,) = series_of(read(["--data", path]).storage).values()
    wanted = {round(when.replace(tzinfo=timezone.utc).timestamp() * 1000): value for when, value in rows}
    assert dict(points) == wanted


def test_line_protocol_and_json(tmp_path: Path) -> None:
    write(tmp_path / "a.lp", f"cpu,host=a value=1,idle=2i {START}\nodd line here\n")
    write(tmp_path / "b.jsonl.gz", f'{{"labels": {{"host": "b"}}, "timestamp": {START}, "samples": {{"cpu": 3}}}}\n')
    history = read(["--data", tmp_path, "--precision", "ms"])
    assert series_of(history.storage) == {
        "__name__=cpu,host=a": [(START, 1.0)],
        "__name__=cpu_idle,host=a": [(START, 2.0)],
        "__name__=cpu,host=b": [(START, 3.0)],
    }
    assert history.bad == 1
    assert history.problems[0].startswith(f"{tmp_path / 'a.lp'}:2: ")


def test_a_pattern_names_files(tmp_path: Path) -> None:
    for name in ("cpu_a1.csv", "cpu_a2.csv", "mem_a1.csv"):
        write(tmp_path / name, "2014-03-01 00:00:00,1\n")
    assert set(series_of(read(["--data", tmp_path / "cpu_*.csv"]).storage)) == {
        "__name__=cpu,instance=a1",
        "__name__=cpu,instance=a2",
    }


def test_only_what_the_rules_see_is_kept_and_as_far_back_as_they_reach(tmp_path: Path) -> None:
    rows = "".join(f"{START + minute * 60_000},{minute}\n" for minute in range(10))
    for name in ("cpu_a1.csv", "mem_a1.csv"):
        write(tmp_path / name, rows)
    words = ["--data", tmp_path, "--start", str(START + 300_000), "--end", str(START + 420_000)]
    history = read(words, "cpu", back_ms=120_000)
    minutes = [value for _, value in series_of(history.storage)["__name__=cpu,instance=a1"]]
    assert minutes == [3, 4, 5, 6, 7]
    assert len(history.storage.labels.rows()) == 1
    assert (history.start_ms, history.end_ms) == (START + 300_000, START + 420_000)
    assert len(history.files) == 2


def test_rules_whose_reach_has_no_bound_see_all_of_the_data(tmp_path: Path) -> None:
    write(tmp_path / "cpu_a1.csv", "".join(f"{START + minute * 60_000},{minute}\n" for minute in range(10)))
    words = options("--data", tmp_path, "--start", str(START + 300_000), "--end", str(START + 420_000))
    history = read_reach(words, Reach(selectors("cpu"), 0, bounded=False), ())
    assert [value for _, value in series_of(history.storage)["__name__=cpu,instance=a1"]] == list(range(10))


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("9999999999", 9_999_999_999_000),
        ("99999999999", 99_999_999_999_000),
        ("100000000000", 100_000_000_000),
        ("-86400", -86_400_000),
    ],
)
def test_numbers_of_up_to_eleven_digits_are_seconds(text: str, when: int, tmp_path: Path) -> None:
    path = write(tmp_path / "cpu_a1.csv", f"{text},1\n")
    assert series_of(read(["--data", path]).storage) == {"__name__=cpu,instance=a1": [(when, 1.0)]}


def test_what_rules_record_is_not_taken_from_the_data(tmp_path: Path) -> None:
    for name in ("cpu_a1.csv", "rec_a1.csv"):
        write(tmp_path / name, "2014-03-01 00:00:00,1\n")
    assert set(series_of(read(["--data", tmp_path], "cpu", "rec", recorded=["rec"]).storage)) == {
        "__name__=cpu,instance=a1"
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "{}/none.csv"], "no such file or directory, nor a source"),
        (["--data", "{}/none*.csv"], "no file matches '.*none.*csv', nor a source"),
        (["--data", "{}/notes.txt"], "no sample that the rules can see"),
        (["--data", "{}/empty"], "no files of data there"),
        (["--data", "{}/cpu_a1.csv", "--start", "2014-03-02", "--end", "2014-03-01"], "later than"),
        (
            ["--data", "{}/cpu_a1.csv", "--start", "2015-03-02"],
            "no data for cpu: cpu is there, but no sample of it at these times",
        ),
        (["--data", "parquet:{}/empty"], "no Parquet store"),
        (["--data", "parquet:{}/empty?level=1"], "no option level.*known: tier, value"),
        (["--data", "{}/cpu_a1.csv", "--end", "9" * 30], "after the year 9999"),
        (["--data", "ftp:there"], "nor a source that is known"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], message: str, tmp_path: Path) -> None:
    write(tmp_path / "cpu_a1.csv", "2014-03-01 00:00:00,1\n")
    write(tmp_path / "notes.txt", "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HistoryError, match=message):
        read([word.format(tmp_path) for word in words], "cpu")


def test_a_file_that_cannot_be_read_does_not_end_the_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = gzip.compress(f"cpu,host=a value=1 {START}\ncpu,host=a value=2 {START + 1000}\n".encode())
    (tmp_path / "a.lp.gz").write_bytes(packed[:-8])
    (tmp_path / "b.lp.gz").write_bytes(b"not gzip")
    (tmp_path / "c_1.csv.gz").write_bytes(gzip.compress(b"2014-03-01,1\n2014-03-02,2")[:-8])
    (tmp_path / "gone.lp").symlink_to(tmp_path / "nowhere")
    (tmp_path / "bom_1.csv").write_bytes("time,value\n2014-03-01,5\n".encode("utf-16"))
    write(tmp_path / "good.lp", f"cpu,host=b value=3 {START}\n")
    history = read(["--data", tmp_path, "--precision", "ms"])
    assert series_of(history.storage) == {
        "__name__=cpu,host=a": [(START, 1.0), (START + 1000, 2.0)],
        "__name__=cpu,host=b": [(START, 3.0)],
        # What stands where it breaks off may be half a number.
        "__name__=c,instance=1": [(START, 1.0)],
    }
    reasons = [problem.removeprefix(f"{tmp_path}/") for problem in history.damaged]
    assert [reason.split(":")[0] for reason in reasons] == ["a.lp.gz", "b.lp.gz", "bom_1.csv", "c_1.csv.gz", "gone.lp"]
    assert "behind line 1: the file is cut off" in reasons[3]
    assert "text in UTF-16" in reasons[2]
    assert all(f"cannot be read: {problem}" in capsys.readouterr().err for problem in history.damaged[:1])


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("timestamp,value\n2014-03-01,1\n", "__name__=data.txt,instance=data.txt"),
        (f"cpu value=1 {START}\n", "__name__=cpu"),
        (f'{{"timestamp": {START},\n "samples": {{"cpu": 1}}}}\n', "__name__=cpu"),
    ],
)
def test_a_name_that_says_no_format_leaves_it_to_the_content(text: str, series: str, tmp_path: Path) -> None:
    path = write(tmp_path / "data.txt", text)
    found = series_of(read(["--data", path, "--precision", "ms"]).storage)
    assert found == {series.replace("=data.txt", "=data_txt", 1): [(START, 1.0)]}


def test_what_is_bad_in_an_array_is_reported_with_its_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", f'\n[{{"timestamp": {START}, "samples": {{"cpu": 1}}}},\n{{"samples": {{}}}}]')
    history = read(["--data", path])
    assert (history.bad, history.problems[0].partition(" timestamp")[0]) == (1, f"{path}:2: document 2:")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    path = write(tmp_path / "host[1].lp", f"cpu value=1 {START}\n")
    assert len(series_of(read(["--data", path, "--precision", "ms"]).storage)) == 1
