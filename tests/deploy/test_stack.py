"""An instance of the stack, with small servers for parts."""

import json
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deploy import ports
from deploy.errors import PartFailed, PortInUse, StackError, UnknownPart
from deploy.parts import Catalogue
from deploy.parts.base import Command, Part
from deploy.progress import Silent
from deploy.settings import Settings
from deploy.stack import Stack
from tests.deploy.waiting import wait_for

SERVER = """
import socket, sys, time
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
print("serving", flush=True)
while True:
    server.accept()[0].close()
"""


def server(name: str, **changes) -> Part:
    """A part that listens on one port."""
    return replace(
        Part(
            name=name,
            ports={name: 0},  # only ever on free ports
            version="1.0",
            recipes=(),
            tools=(),
            command=lambda instance: Command([sys.executable, "-c", SERVER, str(instance.ports[name])]),
            ready=lambda instance: ports.is_open(instance.ports[name]),
            start_seconds=30.0,
        ),
        **changes,
    )


def script(name: str, text: str, **changes) -> Part:
    """A part that is a shell script and, unless changed, never serves."""
    changes = {"ready": lambda _: False, **changes}
    return server(name, command=lambda _: Command(["sh", "-c", text]), **changes)


@pytest.fixture
def make(tmp_path):
    """Makes stacks in one directory; what they started is stopped after the test."""
    made = []

    def stack(*parts: Part, groups=None, **arguments) -> Stack:
        arguments = {"ports": "free", **arguments}
        made.append(Stack(tmp_path / "stack", catalogue=Catalogue(parts, groups or {}), **arguments))
        return made[-1]

    yield stack
    for each in made:
        each.down()


class Noted(Silent):
    """Keeps what it is reported."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def states(stack: Stack) -> dict[str, str]:
    return {status.part: status.state for status in stack.status()}


def test_up_starts_all_parts_and_down_stops_them(make):
    stack = make(server("a"), server("b"))
    assert states(stack) == {"a": "stopped", "b": "stopped"}
    assert stack.up() == ["a", "b"]
    assert states(stack) == {"a": "running", "b": "running"}
    port = int(stack.address("a").removeprefix("127.0.0.1:"))
    assert ports.is_open(port)
    pids = [stack.pid("a"), stack.pid("b")]
    assert stack.down() == ["b", "a"]
    assert states(stack) == {"a": "stopped", "b": "stopped"}
    assert not ports.is_open(port)
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert stack.down() == []


def test_status_reports_pid_address_since_version_and_log(make):
    stack = make(server("a"), script("quiet", "exec sleep 600", ports={}, ready=lambda _: True))
    stack.up()
    a, quiet = stack.status()
    assert (a.pid, a.address, a.version) == (stack.pid("a"), stack.address("a"), "1.0")
    assert a.since == psutil.Process(a.pid).create_time()
    assert a.log == str(stack.directory / "logs" / "a.log")
    assert quiet.address is None


def test_a_second_up_is_a_no_op_that_says_so(make):
    stack = make(server("a"))
    stack.up()
    pid, noted = stack.pid("a"), Noted()
    assert stack.up(progress=noted) == []
    assert noted.notes == [f"a runs already (pid {pid})"]
    assert stack.pid("a") == pid


def test_another_process_sees_the_same_instance(make):
    make(server("a")).up()
    other = make(server("a"), ports="default")
    assert states(other) == {"a": "running"}
    assert other.up() == []


def test_parts_bring_what_they_need(make):
    stack = make(server("base"), server("top", needs=("base",)), server("other"))
    assert stack.up(["top"]) == ["base", "top"]
    assert states(stack)["other"] == "stopped"


def test_groups_name_several_parts(make):
    stack = make(server("a"), server("b"), server("c"), groups={"both": ("a", "b")})
    assert stack.up(["both"]) == ["a", "b"]
    assert stack.running("both")
    assert stack.down(["both"]) == ["b", "a"]


@pytest.mark.parametrize("action", ["up", "down"])
def test_an_unknown_part_is_named_with_those_there_are(make, action, tmp_path):
    (tmp_path / "stack").mkdir()
    with pytest.raises(UnknownPart, match=re.escape("no part 'x'; the stack has a, g")):
        getattr(make(server("a"), groups={"g": ("a",)}), action)(["x"])


def test_up_starts_again_what_died_on_the_same_port(make):
    stack = make(server("a"), server("b"))
    stack.up()
    address, b = stack.address("a"), stack.pid("b")
    stack.kill("a")
    assert states(stack) == {"a": "dead", "b": "running"}
    assert stack.up() == ["a"]
    assert stack.address("a") == address
    assert stack.pid("b") == b


def test_up_ends_what_a_killed_part_left_behind(make):
    orphaning = f"{sys.executable} -c '{SERVER}' $0 & wait"
    stack = make(server("a", command=lambda instance: Command(["sh", "-c", orphaning, str(instance.ports["a"])])))
    stack.up()
    psutil.Process(stack.pid("a")).kill()
    wait_for(lambda: not stack.running("a"))
    assert ports.is_open(int(stack.address("a").split(":")[1]))
    assert stack.up() == ["a"]


def test_restart_gives_a_new_process_on_the_same_port(make):
    stack = make(server("a"))
    stack.up()
    pid, address = stack.pid("a"), stack.address("a")
    stack.restart("a")
    assert stack.pid("a") != pid
    assert stack.address("a") == address


def test_a_state_file_whose_pid_is_another_process_heals(make):
    stack = make(server("a"))
    stack.up()
    stack.down()
    path = stack.directory / "state.json"
    document = json.loads(path.read_text())
    own = psutil.Process()
    document["processes"]["a"] = {"pid": own.pid, "started": own.create_time() - 3600, "mark": "another"}
    path.write_text(json.dumps(document))
    assert states(stack) == {"a": "dead"}
    assert stack.up() == ["a"]
    assert stack.pid("a") != own.pid


def test_down_of_a_stale_state_leaves_the_other_process_alone(make):
    stack = make(server("a"))
    stack.up()
    other = psutil.Process(stack.pid("a"))
    path = stack.directory / "state.json"
    document = json.loads(path.read_text())
    document["processes"]["a"]["mark"] = "another"
    stale = path.with_name("stale")
    stale.mkdir()
    (stale / "state.json").write_text(json.dumps(document))
    assert Stack(stale, catalogue=Catalogue((server("a"),))).down() == ["a"]
    assert other.is_running()


def test_ports_are_kept_over_down_and_chosen_anew_after_a_wipe(make):
    stack = make(server("a"))
    stack.up()
    address = stack.address("a")
    (stack.directory / "data").mkdir()
    stack.down()
    assert stack.address("a") == address
    assert (stack.directory / "data").exists()
    stack.down(wipe=True)
    assert not stack.directory.exists()


def test_wipe_takes_no_parts(make):
    with pytest.raises(StackError, match="name no parts"):
        make(server("a")).down(["a"], wipe=True)


def test_standard_ports_are_those_of_the_parts(make):
    [free] = ports.free_ports(1)
    stack = make(server("a", ports={"a": free}), ports="default")
    assert stack.address("a") == f"127.0.0.1:{free}"
    stack.up()
    assert ports.is_open(free)


def test_a_clash_is_named_before_anything_starts(make):
    holder = make(server("a"))
    holder.up()
    taken = int(holder.address("a").split(":")[1])
    [free] = ports.free_ports(1)
    other = Stack(
        holder.directory / "other",
        catalogue=Catalogue((server("b", ports={"b": free}), server("c", ports={"c": taken}))),
    )
    with pytest.raises(PortInUse, match=rf"{taken} \(wanted by c\) is held by .*pid {holder.pid('a')}"):
        other.up()
    assert {status.state for status in other.status()} == {"stopped"}


def test_a_part_that_ends_is_reported_with_its_last_lines_and_what_is_up(make):
    stack = make(server("a"), script("broken", "echo the reason; exit 1"))
    with pytest.raises(PartFailed) as raised:
        stack.up()
    message = str(raised.value)
    assert message.startswith("broken ended while it started")
    assert "the reason" in message
    assert str(stack.log("broken")) in message
    assert message.endswith("\nUp: a.")
    assert states(stack) == {"a": "running", "broken": "stopped"}


def test_a_part_that_never_serves_is_stopped_at_its_deadline(make):
    stack = make(script("slow", "echo $$; exec sleep 600", start_seconds=0.3))
    with pytest.raises(PartFailed, match="slow does not serve after"):
        stack.up()
    assert states(stack) == {"slow": "stopped"}
    pid = int(stack.log("slow").read_text())
    assert not psutil.pid_exists(pid)


def test_parts_still_starting_when_one_fails_are_stopped(make):
    stack = make(script("broken", "exit 1"), script("slow", "echo $$; exec sleep 600"))
    with pytest.raises(PartFailed, match="Up: nothing"):
        stack.up()
    assert states(stack) == {"broken": "stopped", "slow": "stopped"}


def test_a_part_that_cannot_be_furnished_is_stopped(make):
    def fail(_):
        raise OSError("no disk")

    stack = make(server("a", furnish=fail))
    with pytest.raises(PartFailed, match="a could not be set up: no disk"):
        stack.up()
    assert states(stack) == {"a": "stopped"}


def test_a_program_that_cannot_be_started_leaves_nothing_running(make):
    stack = make(server("a"), server("b", command=lambda _: Command(["no-such-program"])))
    with pytest.raises(FileNotFoundError):
        stack.up()
    assert states(stack) == {"a": "stopped", "b": "stopped"}


def test_settings_are_kept_with_the_instance(make):
    chosen = Settings(slots=2, flink={"a": "b"}, buckets={"x": 0})
    make(server("a"), settings=chosen).up()
    assert make(server("a")).settings == chosen


def test_a_port_added_by_a_newer_version_is_chosen_for_an_old_instance(make):
    old = make(server("a"))
    old.up()
    address = old.address("a")
    new = make(server("a"), server("b"))
    assert new.up() == ["b"]
    assert new.address("a") == address
    assert new.address("b") != address


def test_a_signal_reaches_the_part(make):
    stack = make(server("a"))
    stack.up()
    stack.kill("a", signal.SIGTERM)
    wait_for(lambda: not stack.running("a"))


@pytest.mark.parametrize("ask", [lambda stack: stack.pid("a"), lambda stack: stack.kill("a")])
def test_asking_for_a_process_that_does_not_run_says_how_to_start_it(make, ask):
    with pytest.raises(StackError, match="tidemark stack up a"):
        ask(make(server("a")))


def test_a_part_without_a_port_has_no_address(make):
    stack = make(script("quiet", "exit 1", ports={}))
    with pytest.raises(StackError, match="none before `up`"):
        stack.address("quiet")


def test_a_context_stops_what_it_started(make):
    with make(server("a")) as stack:
        stack.up()
        pid = stack.pid("a")
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("name", ["a,b", "a:b", "a%20b", "a#b", "a?b", "a\nb", 'a"b', "a\\b"])
def test_a_directory_that_a_part_would_read_as_another_is_refused_before_anything_is_made(
    tmp_path: Path, name: str
) -> None:
    stack = Stack(tmp_path / name, catalogue=Catalogue((server("a"),)))
    with pytest.raises(StackError, match="in its path, where Kafka, Flink or Java"):
        stack.up()
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_java_would_read_as_two_is_refused_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_CACHE", str(tmp_path / "a:b"))
    with pytest.raises(StackError, match=r"the cache, .* name another with \$TIDEMARK_CACHE"):
        Stack(tmp_path / "stack").up(["kafka"])
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_blanks_and_other_letters_will_do(make, tmp_path: Path) -> None:
    stack = Stack(tmp_path / "Täglich neu 日", ports="free", catalogue=Catalogue((server("a"),)))
    try:
        assert stack.up() == ["a"]
    finally:
        stack.down()


def test_ports_are_free_or_default():
    with pytest.raises(ValueError, match="not 'any'"):
        Stack("anywhere", ports="any")
