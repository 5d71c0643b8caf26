"""``tidemark rules explain`` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tidemark.command import command

main = command("rules", "explain")

RULES = """
groups:
  - name: g
    rules:
      - record: host:x:max
        expr: max by (instance) (x)
      - alert: High
        expr: host:x:max > 2
        for: 5m
        keep_firing_for: 1h
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "x_h1.csv"
    path.write_text("timestamp,value\n" + "".join(f"2026-01-01 00:{minute:02}:00,{minute}\n" for minute in range(10)))
    return str(path)


def test_a_rule(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([rules, "High"]) == 0
    out = capsys.readouterr().out
    assert "firing once it has been there for 5m, and for 1h after it has gone" in out
    assert "host:x:max > 2" in out
    assert "max by" not in out


def test_all_rules_of_a_file(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([rules]) == 0
    assert "max by (instance) (x)" in capsys.readouterr().out


def test_values_see_what_the_files_own_rules_record(rules: str, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([rules, "High", f"--data={data}", "--time=2026-01-01T00:08:00Z"]) == 0
    assert '= host:x:max{instance="h1"}  8' in capsys.readouterr().out


def test_values_at_the_newest_time_by_default(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--expr", "x", f"--data={data}"]) == 0
    assert '= x{instance="h1"}  9' in capsys.readouterr().out


def test_a_range_without_a_series_is_nothing(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--expr", "x or rate(y[5m])", f"--data={data}"]) == 0
    assert "samples of the last 5m\n            = nothing\n" in capsys.readouterr().out


CHAIN = """
groups:
  - name: g
    rules:
      - {record: a, expr: 'max_over_time(x[4m])'}
      - {record: b, expr: 'max_over_time(a[4m])'}
      - {record: c, expr: 'max_over_time(b[4m])'}
"""


def test_records_of_records_reach_back_through_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules, data = tmp_path / "chain.yml", tmp_path / "x_h1.csv"
    rules.write_text(CHAIN)
    data.write_text("timestamp,value\n" + "".join(f"2026-01-01 00:{m:02}:00,{30 - m}\n" for m in range(30)))
    assert main([str(rules), "c", f"--data={data}"]) == 0
    # 3 minutes back for each of the three: the value of 00:20.
    assert '= {instance="h1"}  10' in capsys.readouterr().out


def test_what_others_recorded_before_is_left_out(
    rules: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "recorded.jsonl"
    earlier.write_text('{"ts": 1767225900000, "labels": {"instance": "h1"}, "metrics": {"host:x:max": 70}}\n')
    assert main([rules, "High", f"--data={data}", f"--data={earlier}"]) == 0
    assert '= host:x:max{instance="h1"}  9' in capsys.readouterr().out


def test_a_file_that_is_refused_names_what_refuses_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("groups:\n  - name: g\n    rules:\n      - ~\n      - {record: r, expr: info(x)}\n")
    assert main([str(path)]) == 1
    err = capsys.readouterr().err
    assert f"{path}:5:" in err
    assert "info" in err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--expr", "sum(x)", "--format=json", "--target-labels=host"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["rule"] is None
    assert found["tree"]["placement"] == "split"
    assert [part["text"] for part in found["tree"]["inputs"]] == ["x"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{rules}", "Hihg"], "did you mean High?"),
        (["{rules}", "Nothing like it"], "it has host:x:max, High"),
        (["missing.yml"], "No such file"),
        (["--expr", "sum(x"], "tidemark rules explain: 1:4: unclosed left parenthesis\n  sum(x\n     ^"),
        (["--expr", "x", "--data=nowhere"], "no such file or directory"),
        (["--expr", "unknown", "--data={data}"], "no sample that the rules can see"),
    ],
)
def test_what_cannot_be_read(
    words: list[str], message: str, rules: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(rules=rules, data=data) for word in words]) == 1
    assert message in capsys.readouterr().err


def test_a_rule_file_with_a_fault_names_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: sum(\n")
    assert main([str(path)]) == 1
    assert f"{path}:5:" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["a.yml", "--expr", "x"], ["--expr", "x", "--time=0"]])
def test_options_that_do_not_fit(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2


def test_a_selector_that_finds_nothing_is_reported_with_what_may_be_meant(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--expr", "xx + x", f"--data={data}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == ("no data for xx: the data hold no metric xx; did you mean x?")
    assert main(["--expr", "xx + x", f"--data={data}", "--format=json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["no_data"] == [{"selector": "xx", "reason": "the data hold no metric xx", "hint": "did you mean x?"}]


def test_a_rule_that_reads_what_is_recorded_of_nothing_is_reported(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chain.yml"
    path.write_text("groups: [{name: g, rules: [{record: a, expr: xx}, {alert: B, expr: a > x}]}]")
    assert main([str(path), "B", f"--data={data}"]) == 0
    assert "no data for a: rule a writes it, and has no data itself" in capsys.readouterr().out
