"""``tidemark rules library``: what it lists, prints, copies, and does not overwrite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidemark.command import command
from tidemark.rules.library import RUNBOOKS, library

run_tests = command("rules", "test")

main = command("rules", "library")

LIBRARY = Path(__file__).parents[3] / "rules" / "library"


def test_the_shipped_rules_pass_their_tests_which_leave_nothing_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tests(["--coverage-threshold=100", str(LIBRARY / "tests")]) == 0, capsys.readouterr().out


def test_the_overview_names_every_alert(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "queues.yml: 7 alerts, 6 recording rules" in lines
    assert "  ConsumerStopped" in lines
    assert len([line for line in lines if line.startswith("  ")]) == sum(s.rules.count("- alert:") for s in library())


def test_a_name_prints_the_file_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues"]) == 0
    (queues,) = (each for each in library() if each.name == "queues")
    assert capsys.readouterr().out == queues.rules


def test_an_unknown_name_is_reported_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hots"]) == 2
    assert "no hots; there are hosts, hosts-cloudwatch, queues" in capsys.readouterr().err


def test_copies_lead_to_the_runbooks_that_are_named_and_pass_their_tests(tmp_path: Path) -> None:
    assert main(["--to", str(tmp_path), "queues", "--runbooks", "https://wiki.example.com/"]) == 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.yml")) == [
        "queues.yml",
        "tests/queues.test.yml",
    ]
    text = (tmp_path / "queues.yml").read_text()
    assert "runbook_url: https://wiki.example.com/QueueDeep.md" in text
    assert RUNBOOKS not in text
    assert run_tests([str(tmp_path / "tests" / "queues.test.yml")]) == 0


def test_a_file_that_was_changed_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "queues.yml"
    assert main(["--to", str(tmp_path), "queues"]) == 0
    assert main(["--to", str(tmp_path), "queues"]) == 0
    mine.write_text("groups: []\n")
    assert main(["--to", str(tmp_path)]) == 1
    assert mine.read_text() == "groups: []\n"
    assert not (tmp_path / "hosts.yml").exists()
    assert "there already, and different: " + str(mine) in capsys.readouterr().err
    assert main(["--to", str(tmp_path), "--force"]) == 0
    assert mine.read_text() != "groups: []\n"


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--to", str(tmp_path / "file"), "queues"]) == 1
    assert "tidemark rules library: " in capsys.readouterr().err
