"""``tidemark rules test``: files found and run, what is printed, reports and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rules.unit_tests.file import CODES as FAULTS
from rules.unit_tests.run import CODES as FAILURES
from tests.tidemark.command import command
from tidemark.rules.test import FILES_PER_PROCESS, run_files
from tidemark.rules.unit_tests import Options

main = command("rules", "test")

RULES = """
groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    for: 1m
    annotations: {summary: "{{ $labels.job }} <down>"}
"""
PASSING = """
rule_files: [rules.yml]
tests:
- name: goes down
  input_series:
  - {series: 'up{job="a"}', values: "1 0 0 0 1"}
  alert_rule_test:
  - {eval_time: 0, alertname: Down}
  - {eval_time: 2m, alertname: Down, exp_alerts: [{exp_labels: {job: a}, exp_annotations: {summary: a <down>}}]}
  - {eval_time: 4m, alertname: Down}
- name: stays up
  input_series:
  - {series: 'up{job="a"}', values: "1x5"}
  alert_rule_test:
  - {eval_time: 5m, alertname: Down}
"""
FAILING = PASSING.replace("- {eval_time: 5m, alertname: Down}", "- {eval_time: 5m, alertname: Down, exp_alerts: [{}]}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "good.yml").write_text(PASSING)
    (tmp_path / "bad.yml").write_text(FAILING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def test_what_passes_is_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["good.yml"]) == 0
    assert capsys.readouterr().out == "good.yml: 2 tests passed\n"


def test_what_fails_is_shown_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["good.yml", "bad.yml"]) == 1
    out = capsys.readouterr().out
    assert "bad.yml:15:6: error: alert Down at 5m: expected 1 firing alert, got 0 [alert-mismatch]" in out
    assert "test: stays up" in out
    assert out.endswith("bad.yml: 1 of 2 tests failed\n2 files, 4 tests: 1 failed\n")


def test_directories_hold_tests_and_other_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["."]) == 1
    assert main(["g*.yml"]) == 0
    assert "rules.yml" not in capsys.readouterr().out


def test_only_some_tests(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--run", "goes", "--run", "none", "bad.yml"]) == 0
    assert "1 test passed" in capsys.readouterr().out


def test_the_course_of_alerts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "good.yml"]) == 0
    out = capsys.readouterr().out
    assert 'goes down:       1m  inactive -> pending: {alertname="Down", job="a"} (the condition holds)' in out
    assert 'ALERTS{alertname="Down", alertstate="firing", job="a"} 1@2m 1@3m stale@4m' in out


def test_a_unified_diff(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--diff", "bad.yml"]) == 1
    assert "      --- expected\n      +++ got\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests: [", "yaml-syntax"),
        ("tests: [{}]\nrule_files: [broken.yml]", "broken.yml:1:1: error: a rule file has no key 'x'"),
        ("tests: [{}]\nrule_files: [folder]", "folder:1:1: error: is a directory"),
    ],
)
def test_files_that_cannot_be_run(folder: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.yml").write_text("x: 1\n")
    (folder / "folder").mkdir()
    (folder / "t.yml").write_text(text)
    assert main(["t.yml", "good.yml"]) == 1
    out = capsys.readouterr().out
    assert message in out
    assert "t.yml: cannot be run\ngood.yml: 2 tests passed" in out


def test_rules_that_are_not_supported_refuse_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yml").write_text("groups: [{name: g, rules: [{record: r, expr: 'rate(x[5m * 2])'}]}]")
    assert main(["good.yml"]) == 1
    out = capsys.readouterr().out
    assert "[unsupported]" in out
    assert "good.yml: cannot be run" in out


def test_a_file_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["none.yml"]) == 1
    assert "none.yml:1:1: error: No such file or directory [unreadable]" in capsys.readouterr().out


def test_a_pattern_that_fits_nothing_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.yml").write_text('rule_files: ["no/*.yml"]\ntests: [{}]')
    assert main(["t.yml"]) == 0
    assert "t.yml:1:14: warning: no file fits 'no/*.yml' [no-such-file]" in capsys.readouterr().out


def test_unknown_fields_of_rule_files(folder: Path) -> None:
    (folder / "rules.yml").write_text(RULES + "    owner: me\n")
    assert main(["good.yml"]) == 1
    assert main(["--ignore-unknown-fields", "good.yml"]) == 0


def test_junit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.yml").write_text("tests: [")
    assert main(["--junit", "out.xml", "good.yml", "bad.yml", "t.yml"]) == 1
    suites = ElementTree.parse(folder / "out.xml").getroot()
    reported = [(suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in suites]
    assert reported == [("good.yml", "2", "0", "0"), ("bad.yml", "2", "1", "0"), ("t.yml", "1", "0", "1")]
    (failure,) = suites.iter("failure")
    assert failure.get("message") == "alert Down at 5m: expected 1 firing alert, got 0"
    assert failure.get("type") == "alert-mismatch"
    assert "bad.yml:15:6" in (failure.text or "")


def test_a_report_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--junit", "good.yml/out.xml", "good.yml"])
    reported = capsys.readouterr()
    assert "--junit=good.yml/out.xml: cannot be written: " in reported.err
    assert reported.out == ""


def test_coverage_and_its_threshold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--coverage", "good.yml"]) == 0
    assert "rules.yml      1       6  100.0 %" in capsys.readouterr().out
    assert main(["--coverage-threshold", "90", "--run", "up", "good.yml"]) == 1
    captured = capsys.readouterr()
    assert "      resolves" in captured.out
    assert "below 90 %" in captured.err


def test_coverage_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--coverage", "--coverage-format", "json", "good.yml"]) == 0
    out = capsys.readouterr().out
    document = json.loads(out[out.index("{") :])
    assert document["percent"] == 100


@pytest.mark.parametrize(
    "words", [[], ["--run", "(", "good.yml"], ["nothing*.yml"], ["--coverage-format", "xml", "good.yml"]]
)
def test_wrong_usage(folder: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2


def test_a_folder_without_tests(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    assert main(["empty"]) == 1
    assert "no test files in empty" in capsys.readouterr().err


def test_processes_give_what_one_gives(folder: Path) -> None:
    names = []
    for number in range(2 * FILES_PER_PROCESS):
        names.append(f"test{number}.yml")
        (folder / names[-1]).write_text(FAILING if number % 5 == 0 else PASSING)

    def reported(jobs: int) -> list[tuple[str, list[tuple[str, int]], float]]:
        reports = run_files(names, Options(coverage=True), jobs)
        return [
            (
                each.name,
                [(test.name, len(test.failures)) for test in each.tests],
                each.coverage.percent() if each.coverage else 0,
            )
            for each in reports
        ]

    assert reported(2) == reported(1)
    assert [name for name, _, _ in reported(2)] == names


# Engines.

PINNED = """
groups:
- name: g
  rules:
  - {alert: Down, expr: up @ 60 == 0}
"""


@pytest.mark.parametrize("engine", ["stream", "both"])
def test_each_engine_has_the_same_to_say(folder: Path, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["good.yml", "bad.yml"]) == 1
    batch = capsys.readouterr().out
    assert main([f"--engine={engine}", "good.yml", "bad.yml"]) == 1
    assert capsys.readouterr().out == batch


def test_a_file_of_which_the_stream_runs_nothing_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yml").write_text(PINNED)
    assert main(["--engine=stream", "--junit=report.xml", "bad.yml"]) == 1
    reason = "Down: @ pins an instant, and a stream does not go back to it"
    assert capsys.readouterr().out == (
        "bad.yml: none of 2 tests was run\n"
        "2 tests not run by the stream engine:\n"
        f"  bad.yml: goes down: {reason}\n"
        f"  bad.yml: stays up: {reason}\n"
    )
    suite = ElementTree.parse(folder / "report.xml").getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("2", "0", "2")
    assert {case[0].tag: case[0].attrib["message"] for case in suite} == {"skipped": reason}


def test_what_only_one_engine_can_run_counts_as_it_has_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yml").write_text(PINNED)
    assert main(["--engine=both", "bad.yml"]) == 1
    out = capsys.readouterr().out
    assert "bad.yml: 2 of 2 tests failed\n2 tests not run by the stream engine:\n" in out


def test_the_summary_counts_what_ran(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pinned.yml").write_text(PINNED)
    (folder / "other.yml").write_text(PASSING.replace("rules.yml", "pinned.yml"))
    assert main(["--engine=stream", "good.yml", "other.yml"]) == 1
    assert capsys.readouterr().out.endswith("2 files, 2 tests: 1 file cannot be run\n")
    assert main(["--engine=stream", "other.yml", "other.yml"]) == 1
    assert capsys.readouterr().out.endswith("2 files, 0 tests: 2 files cannot be run\n")


def test_a_rule_that_no_stream_can_evaluate_is_left_out_and_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rules.yml").write_text(RULES + "  - {alert: Pinned, expr: up @ 60 == 0}\n")
    for engine in ("stream", "both"):
        assert main([f"--engine={engine}", "good.yml"]) == 0
        assert capsys.readouterr().out == (
            "good.yml: 2 tests passed\n"
            "1 rule left out by the stream engine:\n"
            "  good.yml: Pinned: @ pins an instant, and a stream does not go back to it\n"
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.yml"], "nothing was tested: no test in none.yml"),
        (["none.yml", "none.yml"], "nothing was tested: no test in none.yml, none.yml"),
        (["--engine=stream", "none.yml"], "nothing was tested: no test in none.yml"),
        (["--run=nowhere", "good.yml"], "no test has a name in which 'nowhere' is found (--run); there are "),
        (["--coverage-threshold=0", "bare.yml"], "the tests name no rules, so nothing is covered"),
    ],
)
def test_what_tests_nothing_is_not_green(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "none.yml").write_text("rule_files: [rules.yml]\ntests: []\n")
    (folder / "bare.yml").write_text(
        "tests: [{promql_expr_test: [{expr: 1, eval_time: 0m, exp_samples: [{value: 1}]}]}]"
    )
    assert main(words) == 1
    assert message in capsys.readouterr().err


def test_a_test_that_expects_nothing_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.yml").write_text("rule_files: [rules.yml]\ntests: [{interval: 1m}]")
    assert main(["t.yml"]) == 0
    assert "t.yml:2:10: warning: the test expects nothing: it cannot fail [no-cases]" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["--coverage", "--coverage-threshold=5", "--debug"])
def test_what_only_the_batch_engine_reports(folder: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--engine=stream", word, "good.yml"])
    assert left.value.code == 2
    assert "--engine=both" in capsys.readouterr().err
    assert main(["--engine=both", word, "good.yml"]) == 0


def test_the_documentation_names_every_code() -> None:
    text = (Path(__file__).parents[3] / "docs" / "rules-test.md").read_text()
    for code, meaning in {**FAILURES, **FAULTS}.items():
        assert f"| `{code}` | {meaning} |" in text


def test_a_test_that_passes_for_want_of_data_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yml").write_text("groups: [{name: g, rules: [{alert: High, expr: cpuu > 5}]}]")
    (folder / "quiet.yml").write_text(
        "rule_files: [rules.yml]\n"
        "tests:\n"
        "  - interval: 1m\n"
        "    input_series: [{series: cpu, values: 9 9}]\n"
        "    alert_rule_test: [{eval_time: 1m, alertname: High, exp_alerts: []}]\n"
    )
    assert main(["quiet.yml"]) == 0
    out = capsys.readouterr().out
    assert (
        "quiet.yml:5:24: warning: that 'High' does not fire says nothing: no test gives its rule any data [no-data]"
        in out
    )
    assert "hint: no data for cpuu: the data hold no metric cpuu; did you mean cpu?" in out
