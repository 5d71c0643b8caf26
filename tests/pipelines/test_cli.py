from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from pipelines import cli, run


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"  {name}" in said
        assert command.help in said


def test_no_word_is_a_question_but_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: tidemark COMMAND" in capsys.readouterr().out


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["stak"]) == 2
    assert "no command 'stak'" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = cli.main([name, "--help"])
    except SystemExit as left:
        status = left.code or 0
    assert status == 0
    assert "usage:" in capsys.readouterr().out


def test_an_exit_status_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(cli.COMMANDS["run"].module)
    for given, status in ((3, 3), (None, 0)):
        monkeypatch.setattr(module, "main", lambda argv, given=given: given)
        assert cli.main(["run", "metrics"]) == status


@pytest.mark.parametrize(("words", "status"), [([], 2), (["--help"], 0), (["clocks"], 2)])
def test_run_lists_its_jobs(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(words) == status
    said = capsys.readouterr()
    assert [f"  {job} " in (said.err if status else said.out) for job in run.JOBS] == [True, True]


def test_commands_are_imported_when_they_are_run() -> None:
    # `tidemark stack` must work, and fast, where the job's own packages are broken or absent.
    code = "import sys; from pipelines import cli; cli.main(['--help']); print('apache_beam' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "False"
