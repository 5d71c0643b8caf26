"""``tidemark rules backtest``: tables, JSON, the page, and what it says when something is wrong."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.tidemark.command import command
from tidemark.rules.backtest_text import instant, table

main = command("rules", "backtest")

START = 1_767_225_600_000
MINUTE = 60_000

RULES = """
groups:
  - name: hosts
    interval: 1m
    rules:
      - {record: "cpu:avg3m", expr: "avg_over_time(cpu[3m])"}
      - alert: High
        expr: cpu:avg3m > 5
        for: 2m
        labels: {severity: page}
        annotations: {summary: "</script><b>{{ $labels.instance }}"}
      - {alert: Never, expr: cpu > 1000}
      - {alert: Short, expr: cpu > 8, for: 30m}
"""
LABELS = "cpu_a1.csv: [[2026-01-01 00:10, 2026-01-01 00:15]]\ncpu_b2.csv: [[2026-01-01 00:00, 2026-01-01 00:05]]\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rules, labels and half an hour of two series, one of which is high from minute 10 to 19."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "labels.yml").write_text(LABELS)
    (tmp_path / "data").mkdir()
    for name, high in (("cpu_a1.csv", range(10, 20)), ("cpu_b2.csv", range(0))):
        rows = [f"{START + minute * MINUTE},{9 if minute in high else 1}\n" for minute in range(30)]
        (tmp_path / "data" / name).write_text("".join(rows))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["rules.yml", "--data", "data", *words])
    return (status, *capsys.readouterr())


def test_the_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "2026-01-01 00:00 to 2026-01-01 00:29 UTC, 120 evaluations"
    assert lines[2].split() == ["ALERT", "PENDING", "FIRING", "RESOLVED", "FIRED", "FOR", "PEAK", "LABELS"]
    assert " ".join(lines[3].split()) == (
        'High 2026-01-01 00:11 2026-01-01 00:13 2026-01-01 00:21 8m 9 {instance="a1",severity="page"}'
    )
    assert [line.split()[:2] for line in lines[6:]] == [["High", "1"], ["Never", "never"], ["Short", "never"]]


def test_a_damaged_file_is_named_and_the_others_are_read(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = run(capsys)
    (place / "data" / "cpu_c3.csv.gz").write_bytes(gzip.compress(b"2026-01-01,1\n")[:-1])
    (place / "data" / "odd.lp.gz").write_text("cpu value=1")
    status, out, err = run(capsys)
    assert (whole[0], status) == (0, 3)
    assert out == whole[1]
    assert [line.partition(": ")[2].partition(": ")[0] for line in err.splitlines()] == [
        str(place / "data" / name) for name in ("cpu_c3.csv.gz", "odd.lp.gz")
    ]


def test_pending_episodes_are_listed_when_asked_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--pending")
    (short,) = [line for line in out.splitlines() if line.startswith("Short  2026")]
    assert short.split()[1:6] == ["2026-01-01", "00:10", "-", "2026-01-01", "00:20"]
    assert "Short  2026" not in run(capsys)[1]


def test_labelled_windows(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--labels", "labels.yml", "--summary")
    assert status == 0
    assert "recall        50%  (1 of 2 labelled windows found)" in out
    assert "false alarms  0  (of 1 firing episodes on labelled series)" in out
    assert "delay         3m median, 3m at most" in out
    assert "PENDING  " not in out


def test_json_lines(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--format=json", "--labels=labels.yml")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["kind"] for line in lines] == ["episode", "episode", "rule", "rule", "rule", "score"]
    short, high = lines[:2]
    assert (short["rule"], short["firing_since"], short["ended_at"]) == ("Short", None, START + 20 * MINUTE)
    assert high == {
        "kind": "episode",
        "rule": "High",
        "group": "hosts",
        "file": "rules.yml",
        "labels": {"alertname": "High", "instance": "a1", "severity": "page"},
        "pending_since": START + 11 * MINUTE,
        "firing_since": START + 13 * MINUTE,
        "ended_at": START + 21 * MINUTE,
        "firing_ms": 8 * MINUTE,
        "peak": 9.0,
        "ended_because": "the condition no longer holds",
        "annotations": {"summary": "</script><b>a1"},
    }
    assert lines[2]["score"]["recall"] == 0.5
    assert lines[-1]["recall"] == 0.5


def test_options_of_evaluation(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--interval=5m", "--start=2026-01-01T00:10:00Z", "--end=2026-01-01T00:20:00Z", "--pending")
    assert out.startswith("2026-01-01 00:10 to 2026-01-01 00:20 UTC")
    (high,) = [line.split() for line in out.splitlines() if line.split()[:2] == ["High", "2026-01-01"]]
    assert [high[2], high[4], *high[5:7]] == ["00:15", "00:20", "still", "firing"]


class Page(HTMLParser):
    """Collects scripts by id, and every address."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: dict[str | None, str] = {}
        self.addresses: list[str] = []
        self._open: tuple[str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [given[name] or "" for name in ("src", "href", "action") if name in given]
        self._open = (given.get("id"),) if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.scripts[self._open[0]] = self.scripts.get(self._open[0], "") + data

    def handle_endtag(self, tag: str) -> None:
        self._open = None


def test_the_page_holds_all_it_shows_and_asks_nothing_of_a_network(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, "--labels=labels.yml", "--html=page.html")
    assert (status, err) == (0, "wrote page.html\n")
    page = Page((place / "page.html").read_text())
    assert all(address.startswith("#") for address in page.addresses)
    data = json.loads(page.scripts["data"])
    assert (data["start"], data["end"]) == (START, START + 29 * MINUTE)
    assert [rule["name"] for rule in data["rules"]] == ["High", "Never", "Short"]
    high = next(lane for lane in data["lanes"] if lane["rule"] == 0)
    assert high["episodes"][0]["summary"] == "</script><b>a1"
    assert [each["span"] for each in high["windows"]] == [[START + 10 * MINUTE, START + 15 * MINUTE]]
    assert [each["name"] for each in data["missed"]] == ["cpu_b2.csv"]
    assert data["score"]["found"] == 1


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium")
@pytest.mark.timeout(180)
def test_the_page_draws_itself(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "--labels=labels.yml", "--html=page.html")
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    words += [
        f"--user-data-dir={place / 'profile'}",
        "--virtual-time-budget=5000",
        "--dump-dom",
        (place / "page.html").as_uri(),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=150)
    assert 'data-ready="true"' in done.stdout
    assert done.stdout.count('class="bar"') == 1
    assert done.stdout.count('class="window"') == 2
    assert "<canvas" in done.stdout
    assert "50 %" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["rules.yml"], 2, "name the data"),
        (["rules.yml", "--data=data", "--interval=soon"], 2, "not a duration"),
        (["rules.yml", "--data=data", "--flap=0s"], 2, "longer than nothing"),
        (["rules.yml", "--data=nowhere"], 1, "nowhere: no such file"),
        (["none.yml", "--data=data"], 1, "none.yml: No such file"),
        (["bad.yml", "--data=data"], 1, "bad.yml:1:"),
        (["records.yml", "--data=data"], 1, "no alerting rule in records.yml"),
        (["rules.yml", "--data=data", "--start=soon"], 1, "'soon' is no time"),
        (["rules.yml", "--data=data", "--labels=far.yml"], 1, "none of its 1 series is in the data"),
        (["rules.yml", "--data=data", "--html=data/cpu_a1.csv/x"], 1, "--html=data/cpu_a1.csv/x: cannot be written"),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str], status: int, message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "bad.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'x >'}]}]")
    (place / "records.yml").write_text("groups: [{name: g, rules: [{record: r, expr: x}]}]")
    (place / "far.yml").write_text("zz: []")
    try:
        found = main(words)
    except SystemExit as stop:
        found = stop.code if isinstance(stop.code, int) else 1
    assert found == status
    assert message in capsys.readouterr().err


def test_failed_evaluations_are_reported(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: cpu + on () group_left cpu}]}]")
    status, _, err = run(capsys)
    assert status == 3
    assert "rules.yml: A: 30 evaluations failed, first at 2026-01-01 00:00: " in err


def test_instants() -> None:
    assert instant(None) == ""
    assert instant(START) == "2026-01-01 00:00"
    assert instant(START + 1_000) == "2026-01-01 00:00:01"
    assert instant(START + 1_005) == "2026-01-01 00:00:01.005"


def test_columns_are_as_wide_as_they_must_be() -> None:
    assert list(table(("A", "N"), [("long", "1"), ("x", "22")], right=(1,))) == ["A      N", "long   1", "x     22"]


UNFED = """
groups:
  - name: g
    rules:
      - {alert: Quiet, expr: cpu > 1000}
      - {alert: Typo, expr: cpuu > 5}
      - {alert: Label, expr: 'cpu{instance="a2"} > 5'}
      - {alert: Partly, expr: 'cpu > 1000 or cpuu > 5'}
      - {alert: Meant, expr: 'absent(cpu) or absent(other)'}
      - {record: 'r:x', expr: 'max(cpuu)'}
      - {alert: Through, expr: 'r:x > 5'}
"""


def test_data_between_two_evaluation_times_are_not_green(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "--start=2026-01-01T00:10:20Z", "--end=2026-01-01T00:10:40Z")
    assert (status, out) == (1, "")
    assert "nothing was evaluated: no multiple of a group's interval lies between 2026-01-01 00:10:20 and" in err


def test_a_rule_without_data_is_reported_from_one_that_is_quiet(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "rules.yml").write_text(UNFED)
    status, out, err = run(capsys, "--summary")
    fired = {line.split()[0]: " ".join(line.split()[1:3]) for line in out.splitlines()[3:]}
    assert fired == {
        "Quiet": "never 0",
        "Typo": "no data",
        "Label": "no data",
        "Partly": "never 0",
        "Meant": "1 1",
        "Through": "no data",
    }
    assert status == 3
    assert err.splitlines() == [
        "Typo, Partly, r:x: no data for cpuu: the data hold no metric cpuu; did you mean cpu?",
        'Label: no data for cpu{instance="a2"}: cpu is there, but never with instance="a2"; its instance is "a1", "b2"',
        "Through: no data for r:x: rule r:x writes it, and has no data itself",
    ]


def test_programs_are_reported_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "rules.yml").write_text(UNFED)
    _, out, _ = run(capsys, "--format=json", "--html=page.html")
    rules = {each["rule"]: each for each in map(json.loads, out.splitlines()) if each["kind"] == "rule"}
    assert {name: each["silent"] for name, each in rules.items() if each["no_data"]} == {
        "Typo": True,
        "Label": True,
        "Partly": False,
        "Through": True,
    }
    assert rules["Typo"]["no_data"] == [
        {"selector": "cpuu", "reason": "the data hold no metric cpuu", "hint": "did you mean cpu?"}
    ]
    assert '"silent": true' in (place / "page.html").read_text()


def test_rules_of_which_some_lack_data_without_being_silent_are_no_failure(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'cpu > 9 or cpuu > 5'}]}]")
    status, _, err = run(capsys)
    assert status == 0
    assert err == "A: no data for cpuu: the data hold no metric cpuu; did you mean cpu?\n"
