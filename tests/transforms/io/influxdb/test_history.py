"""Archived data in InfluxDB, played by a server that answers what a test gives; tests/e2e asks a real one."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.transforms.io.history.given import read, series_of
from tests.transforms.io.history.serving import serving
from transforms.io.history.read import HistoryError
from transforms.io.influxdb.history import read_tables

START = 1_767_225_600_000

ANSWER = """\
#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string
#group,false,false,true,true,false,false,true,true,true
#default,_result,,,,,,,,
,result,table,_start,_stop,_time,_value,_field,_measurement,host
,,0,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,1.5,value,cpu,a
,,0,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,2026-01-01T00:01:00.25Z,2.5,value,cpu,a
,,1,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,7,idle,cpu,"b,c"

#datatype,string,long,dateTime:RFC3339,boolean,string,string
#group,false,false,false,false,true,true
#default,_result,,,,,
,result,table,_time,_value,_field,_measurement
,,2,2026-01-01T00:00:00Z,true,up,cpu

#datatype,string,long,dateTime:RFC3339,string,string,string
#group,false,false,false,false,true,true
#default,_result,,,,,
,result,table,_time,_value,_field,_measurement
,,3,2026-01-01T00:00:00Z,five,word,cpu
""".replace("\n", "\r\n")

ROLLUPS = """\
#datatype,string,long,dateTime:RFC3339,double,string,string
#group,false,false,false,false,true,true
#default,_result,,,,,
,result,table,_time,_value,_field,_measurement
,,0,2026-01-01T00:00:00Z,6,sum,cpu
,,0,2026-01-01T00:01:00Z,8,sum,cpu

#datatype,string,long,dateTime:RFC3339,long,string,string
#group,false,false,false,false,true,true
#default,_result,,,,,
,result,table,_time,_value,_field,_measurement
,,1,2026-01-01T00:00:00Z,3,count,cpu
,,1,2026-01-01T00:01:00Z,4,count,cpu
,,2,2026-01-01T00:00:00Z,1767225650000,last_ts,cpu
,,2,2026-01-01T00:01:00Z,1767225710000,last_ts,cpu
,,3,2026-01-01T00:01:00Z,9,sum,of_another_writer
"""


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "secret")


def test_fields_are_series_as_in_line_protocol() -> None:
    with serving(lambda _: (200, ANSWER.encode())) as server:
        history = read(["--data", f"influxdb://{server.address}?org=ops&bucket=raw"], '{__name__=~"cpu.*"}')
        request = server.requests[0]
    assert request.path == "/api/v2/query?org=ops"
    assert request.headers["authorization"] == "Token secret"
    assert series_of(history.storage) == {
        "__name__=cpu,host=a": [(START, 1.5), (START + 60_250, 2.5)],
        "__name__=cpu_idle,host=b,c": [(START, 7.0)],
        "__name__=cpu_up": [(START, 1.0)],
    }


def test_rollups_are_put_together_of_their_fields() -> None:
    with serving(lambda _: (200, ROLLUPS.encode())) as server:
        history = read(["--data", f"influxdb://{server.address}?bucket=rollup_1m&value=avg"], '{__name__!=""}')
    assert series_of(history.storage) == {"__name__=cpu": [(START + 50_000, 2.0), (START + 110_000, 2.0)]}


def test_long_ranges_are_asked_for_week_by_week() -> None:
    with serving(lambda _: (200, ANSWER.encode())) as server:
        words = ["--start", str(START), "--end", str(START + 20 * 86_400_000)]
        read(["--data", f"influxdb://{server.address}?bucket=raw", *words], "cpu")
        assert len(server.requests) == 3
        asked = [_range(request.body.decode()) for request in server.requests]
    assert asked[-1][1] == START + 20 * 86_400_000 + 1
    assert [end for _, end in asked[:-1]] == [start for start, _ in asked[1:]]


def test_windows_of_up_to_a_day_that_began_before_are_asked_for() -> None:
    words = ["--start", str(START), "--end", str(START + 60_000)]
    starts = []
    for value in ("", "&value=avg"):
        with serving(lambda _: (200, ANSWER.encode())) as server:
            with suppress(HistoryError):
                read(["--data", f"influxdb://{server.address}?bucket=raw{value}", *words], "cpu")
            starts.append(_range(server.requests[0].body.decode())[0])
    assert starts[0] - starts[1] == 86_400_000


def _range(query: str) -> tuple[int, int]:
    found = re.search(r"start: time\(v: (\d+)\), stop: time\(v: (\d+)\)", query)
    assert found is not None
    return int(found[1]) // 1_000_000, int(found[2]) // 1_000_000


def test_an_error_after_the_first_rows_is_an_error() -> None:
    text = (
        ANSWER
        + "\r\n#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,out of memory,897\r\n"
    )
    with pytest.raises(HistoryError, match="out of memory"):
        list(read_tables(text, "influxdb://host"))


@pytest.mark.parametrize(
    "answer", [b"\xff", b"#datatype,long\r\n,table,_time,_value\r\n,1\r\n", b"<html>\r\n<body>\r\n"]
)
def test_an_answer_that_is_none(answer: bytes) -> None:
    with serving(lambda _: (200, answer)) as server, pytest.raises(HistoryError, match=r"no answer|no sample"):
        read(["--data", f"influxdb://{server.address}?bucket=raw"], "cpu")


@pytest.mark.parametrize(("status", "message"), [(401, "INFLUX_TOKEN"), (404, "bucket=NAME"), (500, "answers 500")])
def test_a_refusal_says_what_to_do(status: int, message: str) -> None:
    with serving(lambda _: (status, b'{"message": "no"}')) as server, pytest.raises(HistoryError, match=message):
        read(["--data", f"influxdb://{server.address}?bucket=raw"], "cpu")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("influxdb://127.0.0.1:8086", "name the bucket"),
        ("influxdb://127.0.0.1:8086?bucket=raw&value=p99", "no 'p99'; it has last"),
        ("influxdb://127.0.0.1:8086?bucket=raw&size=5", "no option 'size'"),
        ("influxdb://127.0.0.1:8086?bucket=raw&token=word", "does not belong into a URL"),
        ("influxdb://me:word@127.0.0.1:8086?bucket=raw", "does not belong into a URL"),
    ],
)
def test_what_is_wrong_with_a_source(source: str, message: str) -> None:
    with pytest.raises(HistoryError, match=message) as caught:
        read(["--data", source], "cpu")
    assert "word@" not in str(caught.value)
    assert "token=word" not in str(caught.value)


def test_without_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INFLUX_TOKEN")
    with pytest.raises(HistoryError, match="no token"):
        read(["--data", "influxdb://127.0.0.1:8086?bucket=raw"], "cpu")
