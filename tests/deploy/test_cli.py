"""The command line, on instances where nothing needs to start."""

import json
import stat

import pytest

from deploy import cli
from deploy.install import recipes
from deploy.parts import CATALOGUE
from deploy.process import spawn, stop
from deploy.settings import TOPICS, Settings
from deploy.stack import Stack
from deploy.state import State, save
from tests.tidemark.command import command


@pytest.fixture
def run(tmp_path, capsys):
    """Runs a command on an instance in a temporary directory; returns status, output and errors."""

    def run(*words):
        status = command("stack")([words[0], "--dir", tmp_path / "stack", *words[1:]])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def started(tmp_path):
    """An instance whose Kafka is a sleeping process and whose workers died."""
    directory = tmp_path / "stack"
    (directory / "logs").mkdir(parents=True)
    (directory / "logs" / "kafka.log").write_text("one\ntwo\n")
    kafka = spawn(["sleep", "600"], log=tmp_path / "log", cwd=tmp_path)
    dead = spawn(["true"], log=tmp_path / "log", cwd=tmp_path)
    ports = CATALOGUE.standard_ports
    save(directory / "state.json", State(ports, {}, {"kafka": kafka, "workers": dead}, {"kafka": "3.9.1"}))
    stop(dead)
    yield kafka
    stop(kafka)


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert exit_.value.code == 0
    for word in ("examples:", "--free-ports", "down --wipe", "TIDEMARK_STACK_DIR", "flink = ", *CATALOGUE.names):
        assert word in shown


@pytest.mark.parametrize("command", ["up", "down", "status", "logs", "install", "env"])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert "--dir" in capsys.readouterr().out


def test_status_of_nothing(run):
    status, out, _ = run("status")
    assert status == 0
    assert out.count("stopped") == len(CATALOGUE.members)


def test_status_shows_what_runs_and_what_died(run, started):
    status, out, _ = run("status")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert status == 3
    assert rows["kafka"][:3] == ["running", str(started.pid), "127.0.0.1:9092"]
    assert rows["kafka"][-1] == "logs/kafka.log"
    assert rows["workers"][0] == "dead"
    assert rows["influxdb"][0] == "stopped"


def test_status_as_json(run, started):
    status, out, _ = run("status", "--json")
    rows = {row["part"]: row for row in json.loads(out)}
    assert status == 3
    assert list(rows) == CATALOGUE.names
    assert (rows["kafka"]["state"], rows["kafka"]["pid"], rows["kafka"]["version"]) == ("running", started.pid, "3.9.1")
    assert rows["workers"]["pid"] is None


def test_logs_show_the_last_lines(run, started):
    assert run("logs", "kafka", "-n", "1")[:2] == (0, "two\n")
    assert run("logs")[1] == "one\ntwo\n"


def test_logs_of_an_instance_that_was_never_started(run):
    status, _, err = run("logs")
    assert status == 1
    assert "nothing was started" in err


def test_env_gives_exports_without_the_token(run, tmp_path, started):
    secret = tmp_path / "stack" / "secrets" / "influx-token"
    secret.parent.mkdir()
    secret.write_text("s3cret")
    status, out, err = run("env")
    exports = dict(line.removeprefix("export ").split("=", 1) for line in out.splitlines())
    assert status == 0
    assert exports["KAFKA_BOOTSTRAP"] == "127.0.0.1:9092"
    assert exports["INFLUX_URL"] == "http://127.0.0.1:8086"
    assert exports["INFLUX_TOKEN_FILE"] == str(secret)
    assert "s3cret" not in out + err


def test_down_stops_what_runs_and_wipe_removes_the_instance(run, started, tmp_path):
    status, out, err = run("down", "--wipe")
    assert status == 0
    assert "stopped: workers, kafka" in out
    assert "stopping kafka: done" in err
    assert not started.alive()
    assert not (tmp_path / "stack").exists()
    assert run("down")[1] == "nothing was running\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("up", "kafak"), "no part 'kafak'; the stack has kafka"),
        (("up", "--flink", "state.backend.type"), "--flink takes KEY=VALUE"),
        (("down", "kafka", "--wipe"), "name no parts"),
        (("install", "kafak"), "nothing to install is called kafak; there are kafka"),
        (("env", "--dir", "/dev/null/x"), "Not a directory"),
    ],
)
def test_mistakes_are_reported_on_one_line_with_status_1(run, words, message, tmp_path):
    (tmp_path / "stack").mkdir()
    status, _, err = run(*words)
    assert status == 1
    assert message in err
    assert "Traceback" not in err


def test_missing_tools_are_named_before_anything_starts(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TIDEMARK_CACHE", str(tmp_path / "cache"))
    status, _, err = run("up")
    assert status == 1
    assert "java" in err
    assert "apt-get install openjdk-17" in err
    assert not (tmp_path / "stack").exists()
    status, _, err = run("install")
    assert status == 1
    assert all(f"\n  {tool} " in err for tool in ("javac", "mvn", "go", "cargo", "cc"))
    assert not (tmp_path / "cache").exists()


def test_install_prints_where_things_are(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEMARK_CACHE", str(tmp_path))
    recipes.PRISM.directory().mkdir()
    status, out, _ = run("install", "prism")
    assert (status, out) == (0, f"{recipes.PRISM.directory()}\n")


def test_choices_are_added_to_those_of_the_instance(run, tmp_path, monkeypatch):
    directory = tmp_path / "stack"
    directory.mkdir()
    known = Settings(slots=2, flink={"a": "1", "b": "1"}, topics={"metrics.raw": 9}, buckets={"x": 0})
    save(directory / "state.json", State(settings=known.to_json()))
    chosen = []
    monkeypatch.setattr(Stack, "up", lambda stack, *_: chosen.append(stack.settings) or [])
    run("up", "--flink", "b=2=3", "--taskmanager-memory", "2g")
    # Topics that are new since the instance was made are made too.
    topics = {**TOPICS, "metrics.raw": 9}
    wanted = Settings(slots=2, taskmanager_memory="2g", flink={"a": "1", "b": "2=3"}, topics=topics, buckets={"x": 0})
    assert chosen == [wanted]


def test_the_token_file_is_readable_by_its_owner_only(tmp_path):
    secret = Stack(tmp_path / "stack").instance.secret("influx-token")
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
