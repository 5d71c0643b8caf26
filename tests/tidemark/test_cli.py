from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tidemark import cli, run
from tidemark.rules import cli as authoring


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


@pytest.mark.parametrize(("words", "status"), [([], 2), (["--help"], 0), (["help"], 0)])
def test_run_lists_its_jobs(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(words) == status
    said = capsys.readouterr().out
    assert [f"  {job} " in said for job in run.JOBS] == [True, True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stak"], "tidemark: no command 'stak'; did you mean `tidemark stack`?"),
        (["run", "metric"], "tidemark run: no command 'metric'; did you mean `tidemark run metrics`?"),
        (["run", "clocks"], "tidemark run: no command 'clocks'; there are metrics, alerts"),
        (["rules", "bcaktest"], "tidemark rules: no command 'bcaktest'; did you mean `tidemark rules backtest`?"),
        # A command of a command.
        (["metrics"], "tidemark: no command 'metrics'; did you mean `tidemark run metrics`?"),
        (["chekc"], "tidemark: no command 'chekc'; did you mean `tidemark rules check`?"),
        (["dead-letters"], "tidemark: no command 'dead-letters'; did you mean `tidemark topics dead-letters`?"),
        (["--versoin"], "tidemark: no such option: --versoin; did you mean --version?"),
        (
            ["topics", "list"],
            "tidemark topics: COMMAND: no command 'list' among ls, create, lag, dead-letters; did you mean ls?",
        ),
        (["stack", "stauts"], "did you mean status?"),
        (["store", "compct", "x"], "did you mean compact?"),
        (["generate", "metric"], "did you mean metrics?"),
        (["promql", "pars", "1"], "did you mean parse?"),
        (["submit", "metric"], "did you mean metrics?"),
    ],
)
def test_a_misspelt_command_is_named_with_the_one_that_may_be_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _status(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) <= 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rules", "check", "--fromat=json", "a.yml"], "no such option: --fromat; did you mean --format?"),
        (["rules", "test", "a.yml", "--juint=x"], "no such option: --juint; did you mean --junit?"),
        (["store", "ls", "a", "b"], "tidemark store ls: not expected: 'b'"),
        (
            ["topics", "ls", "--broker-list=a"],
            "tidemark topics ls: no such option: --broker-list; did you mean --brokers?",
        ),
        (["generate", "metrics", "--outptu=file:a"], "no such option: --outptu; did you mean --output?"),
        (["generate", "metrics", "--output=-", "--rate=nan"], "--rate: a number is wanted, not 'nan'"),
        (["rules", "test", "a", "--coverage-threshold=nan"], "--coverage-threshold: a number is wanted, not 'nan'"),
        (["demo", "--sed=3"], "no such option: --sed; did you mean --seed?"),
    ],
)
def test_a_misspelt_option_is_named_by_every_command(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _status(words) == 2
    assert said in capsys.readouterr().err


def _status(words: list[str]) -> int:
    try:
        return cli.main(words)
    except SystemExit as left:
        return int(left.code or 0)


def _helps() -> list[list[str]]:
    """The words of every command and command of a command that the tables name."""
    return [
        [name, *below]
        for name, command in cli.COMMANDS.items()
        for below in ([], *([each] for each in command.commands))
    ]


def test_the_tables_name_all_commands_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in cli.COMMANDS.items():
        _status([name, "no-such-command"])
        said = capsys.readouterr().err.partition("among ")[2].partition(";")[0].partition("\n")[0]
        if said and name != "submit":
            assert said.split(", ") == list(command.commands)
    assert list(cli.COMMANDS["run"].commands) == list(run.JOBS)
    assert list(cli.COMMANDS["rules"].commands) == list(authoring.COMMANDS)


@pytest.mark.parametrize("words", _helps(), ids=" ".join)
def test_every_help_teaches_with_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _status([*words, "--help"]) == 0
    said = capsys.readouterr().out
    assert f"usage: tidemark {' '.join(words)}" in said
    assert "example" in said
    assert f"tidemark {' '.join(words)}" in said.partition("example")[2]


def test_the_version_is_said_without_importing_what_it_is_of() -> None:
    code = "import sys; from tidemark import cli; cli.main(['--version']); print('apache_beam' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    said, imported = done.stdout.splitlines()
    assert re.fullmatch(r"tidemark \d+\.\d+\.\d+ \(Apache Beam 2\.\S+, Python 3\.\d+\.\d+\)", said)
    assert imported == "False"


PROGRAM = "import sys; from tidemark.cli import main; sys.exit(main())"


def _run(words: str, shell: str) -> subprocess.CompletedProcess[str]:
    """What a shell says of a command in the place of ``CMD``."""
    line = shell.replace("CMD", f"{sys.executable} -c '{PROGRAM}' {words}")
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", ["rules library hosts", "rules check --help"])
@pytest.mark.parametrize(
    ("shell", "status", "error"),
    [
        ("CMD >&-", 0, ""),
        ("CMD <&- >&- 2>&-", 0, ""),
        ("CMD >/dev/full", 1, "tidemark: standard output cannot be written: No space left on device\n"),
    ],
)
def test_nobody_need_read_what_a_command_prints(words: str, shell: str, status: int, error: str) -> None:
    done = _run(words, shell)
    assert (done.returncode, done.stderr) == (status, error)


@pytest.mark.parametrize(("words", "status"), [("rules check --help", 141), ("rules library", 141), ("run metric", 2)])
def test_a_pipe_that_nobody_reads_ends_a_command_quietly(words: str, status: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", PROGRAM, *words.split()]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    assert done.returncode == status
    assert done.stderr == (
        "" if status == 141 else "tidemark run: no command 'metric'; did you mean `tidemark run metrics`?\n"
    )


def test_a_pipe_that_does_not_wait_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    words = "generate metrics --quiet --hosts=2 --metrics=20 --duration=1h --interval=10s --output=-"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words.split()], stdout=writer, stderr=subprocess.DEVNULL
    ) as done:
        os.close(writer)
        with open(reader, "rb") as output:
            lines = output.read().splitlines()
    assert (done.returncode, len(lines)) == (0, 720)
    assert len(b"".join(lines)) > 1 << 16


def test_a_closed_pipe_ends_a_command_that_would_go_on_writing(tmp_path: Path) -> None:
    words = "generate metrics --quiet --hosts=2 --metrics=20 --duration=300d --output=-"
    done = _run(words, "CMD | head -n 1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (141, "")


HEAVY = (
    "apache_beam",
    "confluent_kafka",
    "grpc",
    "kafka",
    "numpy",
    "pandas",
    "pyarrow",
    "re2",
    "requests",
    "rich",
    "yaml",
)
"""Packages whose import takes longer than somebody who asks for help should wait."""


def test_help_imports_nothing_that_takes_long() -> None:
    # `tidemark stack` must work, and fast, where the job's own packages are broken or absent.
    code = f"""
import sys
from tidemark import cli
for words in {[[], *_helps()]!r}:
    try:
        cli.main([*words, "--help"])
    except SystemExit as left:
        assert not left.code
    for name in {HEAVY!r}:
        if sys.modules.pop(name, None):
            print(*words, "imports", name, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert done.stdout.count("usage: tidemark") == 1 + len(_helps())
