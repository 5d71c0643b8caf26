"""Different sources, or times, that become one series, or one time: it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transforms.io.history.given import read, series_of
from tests.transforms.io.history.serving import serving

T = 1_700_000_000_000
NS = T * 1_000_000
FILES: dict[str, tuple[dict[str, str], str, list[float]]] = {
    "files of one name": (
        {"x/web_1.csv": f"{T},1\n", "y/web_1.csv": f"{T},2\n"},
        'D/x/web_1.csv and D/y/web_1.csv are both the series {__name__="web",instance="1"}: '
        "of two samples at one time the later one counts; rename one",
        [2.0],
    ),
    "characters that no metric has": (
        {"a-b_1.csv": f"{T},1\n{T + 9},3\n", "a.b_1.csv": f"{T + 5},2\n"},
        'D/a-b_1.csv and D/a.b_1.csv are both the series {__name__="a_b",instance="1"}: '
        "of two samples at one time the later one counts; rename one",
        [1.0, 2.0, 3.0],
    ),
    "one after the other": ({"x/web_1.csv": f"{T},1\n", "y/web_1.csv": f"{T + 1},2\n"}, "", [1.0, 2.0]),
    "rows within a millisecond": (
        {"web_1.csv": "2023-11-14 22:13:20.000100,1\n2023-11-14 22:13:20.000200,2\n"},
        "D/web_1.csv: 1 sample has one time in milliseconds with another of the series: the last of each counts",
        [2.0],
    ),
    "measurements": (
        {"in.lp": f"disk used_percent=1 {NS}\ndisk_used percent=2 {NS}\n"},
        "D/in.lp: disk_used_percent is of measurement disk, and of measurement disk_used: "
        "where their tags are equal they are one series; rename one",
        [2.0],
    ),
    "nanoseconds": (
        {"in.lp": f"m value=1 {NS + 1}\nm value=2 {NS + 2}\nm,a=b value=3 {NS + 1}\nm value=2 {NS + 2}\n"},
        "D/in.lp: 1 sample has one time in milliseconds with another of the series: the last of each counts",
        [2.0, 3.0],
    ),
}


@pytest.mark.parametrize(("files", "note", "values"), FILES.values(), ids=FILES)
def test_files(
    files: dict[str, str], note: str, values: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    history = read(["--data", tmp_path])
    assert capsys.readouterr().err.replace(str(tmp_path), "D") == (f"note: {note}\n" if note else "")
    assert sorted(value for series in series_of(history.storage).values() for _, value in series) == values


def table(number: int, measurement: str, field: str, *times: str) -> str:
    rows = "".join(f",,{number},{time},{number}.5,{field},{measurement}\r\n" for time in times)
    return (
        "#datatype,string,long,dateTime:RFC3339,double,string,string\r\n#group,false,false,false,false,true,true\r\n"
        f"#default,_result,,,,,\r\n,result,table,_time,_value,_field,_measurement\r\n{rows}\r\n"
    )


def test_measurements_and_nanoseconds_of_influxdb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "secret")
    answer = table(0, "disk", "used_percent", "2026-01-01T00:00:00Z") + table(
        1, "disk_used", "percent", "2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:00.000000002Z"
    )
    with serving(lambda _: (200, answer.encode())) as server:
        history = read(["--data", f"influxdb://{server.address}?org=ops&bucket=raw"])
    assert capsys.readouterr().err.splitlines() == [
        "note: field used_percent of measurement disk and field percent of measurement disk_used are both the series "
        '{__name__="disk_used_percent"}: of two samples at one time the later one counts; rename one',
        "note: bucket raw, disk_used: 1 sample has one time in milliseconds with another of the series: the last of each counts",
    ]
    assert series_of(history.storage) == {"__name__=disk_used_percent": [(1_767_225_600_000, 1.5)]}
