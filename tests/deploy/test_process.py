"""Detached processes, against real ones."""

import os
import platform
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deploy.process import MARK, Identity, send, spawn, stop
from tests.deploy.waiting import wait_for

SLEEP = ["sleep", "600"]
# Ignores TERM, has a child, and says so once both are in place.
STUBBORN = "trap '' TERM; sleep 600 & echo ready; while :; do wait; done"


@pytest.fixture
def start(tmp_path):
    """Starts processes, and ends them after the test."""
    started = []

    def run(argv, **env):
        identity = spawn(argv, log=tmp_path / "log", cwd=tmp_path, env=env)
        started.append(identity)
        return identity

    yield run
    for identity in started:
        stop(identity, term_seconds=0)


def log_has(tmp_path: Path, text: str) -> bool:
    return text in (tmp_path / "log").read_text()


def test_a_process_runs_in_a_session_of_its_own_with_its_output_in_the_log(start, tmp_path):
    identity = start(["sh", "-c", "echo out $WORD; echo err >&2; pwd; exec sleep 600"], WORD="word")
    wait_for(lambda: log_has(tmp_path, str(tmp_path)))
    assert (tmp_path / "log").read_text().splitlines() == ["out word", "err", str(tmp_path)]
    assert os.getsid(identity.pid) == identity.pid
    assert identity.alive()


def test_output_is_appended_to_what_an_earlier_start_wrote(start, tmp_path):
    (tmp_path / "log").write_text("earlier\n")
    start(["echo", "later"])
    wait_for(lambda: log_has(tmp_path, "later"))
    assert (tmp_path / "log").read_text() == "earlier\nlater\n"


def test_a_program_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        spawn(["no-such-program"], log=tmp_path / "log", cwd=tmp_path)


def test_stop_ends_the_process_and_its_children(start, tmp_path):
    identity = start(["sh", "-c", "sleep 600 & sleep 600 & echo ready; wait"])
    wait_for(lambda: log_has(tmp_path, "ready") and len(identity.members()) == 3)
    pids = [process.pid for process in identity.members()]
    stop(identity)
    assert not identity.alive()
    assert [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"] == []


def test_stop_kills_what_ignores_term(start, tmp_path):
    identity = start(["sh", "-c", STUBBORN])
    wait_for(lambda: log_has(tmp_path, "ready"))
    members = identity.members()
    stop(identity, term_seconds=0.1)
    assert len(members) == 2
    assert not any(process.is_running() and process.status() != "zombie" for process in members)


def test_stopping_twice_is_harmless(start):
    identity = start(SLEEP)
    stop(identity)
    stop(identity)
    assert identity.members() == []


def test_children_outlive_a_killed_leader_and_are_still_found(start, tmp_path):
    identity = start(["sh", "-c", "sleep 600 & echo ready; wait"])
    wait_for(lambda: log_has(tmp_path, "ready") and len(identity.members()) == 2)
    psutil.Process(identity.pid).kill()
    wait_for(lambda: not identity.alive())
    [orphan] = identity.members()
    stop(identity)
    assert not orphan.is_running() or orphan.status() == "zombie"


def test_a_recycled_pid_is_not_the_process_and_is_not_stopped(start):
    other = start(SLEEP)
    recycled = replace(other, started=other.started - 3600, mark="0" * 32)
    assert not recycled.alive()
    assert recycled.members() == []
    stop(recycled)
    assert other.alive()


def test_a_process_without_a_mark_is_reported_by_its_start_time():
    own = psutil.Process()
    assert MARK not in own.environ()
    assert Identity(own.pid, own.create_time(), "x").alive()
    assert not Identity(own.pid, own.create_time() - 1, "x").alive()


def test_a_clock_that_was_set_does_not_change_identity(start):
    identity = start(SLEEP)
    # The kernel shows a program's environment a moment after it runs.
    wait_for(replace(identity, started=identity.started - 3600).alive)


def test_a_process_that_ended_by_itself_is_not_alive(start):
    identity = start(["true"])
    wait_for(lambda: not identity.alive())
    assert identity.members() == []


def test_kill_reaches_children_and_returns_when_they_are_gone(start, tmp_path):
    identity = start(["sh", "-c", "sleep 600 & echo ready; wait"])
    wait_for(lambda: log_has(tmp_path, "ready") and len(identity.members()) == 2)
    send(identity, signal.SIGKILL)
    assert identity.members() == []


def test_other_signals_are_delivered(start, tmp_path):
    code = "import signal, time\nsignal.signal(signal.SIGUSR1, lambda *_: print('got it', flush=True))\n"
    code += "print('ready', flush=True)\nwhile True: time.sleep(0.05)"
    identity = start([sys.executable, "-c", code])
    wait_for(lambda: log_has(tmp_path, "ready"))
    send(identity, signal.SIGUSR1)
    wait_for(lambda: log_has(tmp_path, "got it"))
    assert identity.alive()


# On TERM, the first thread ends alone; another ends the process a little later, as those of Go and gRPC do.
LINGERING = """
import ctypes, os, signal, sys, threading, time
asked = threading.Event()
threading.Thread(target=lambda: (asked.wait(), time.sleep(0.5), os._exit(0))).start()
signal.signal(signal.SIGTERM, lambda *_: (asked.set(), ctypes.CDLL(None).syscall(int(sys.argv[1]), 0)))
print("ready", flush=True)
signal.pause()
"""
EXIT_THREAD = {"x86_64": "60", "aarch64": "93"}


@pytest.mark.skipif(platform.machine() not in EXIT_THREAD, reason="the number of Linux's exit call is not known here")
@pytest.mark.skipif(sys.platform != "linux", reason="threads outlive the first one on Linux only")
def test_a_process_is_stopped_when_its_last_thread_is(start, tmp_path):
    identity = start([sys.executable, "-c", LINGERING, EXIT_THREAD[platform.machine()]])
    wait_for(lambda: log_has(tmp_path, "ready"))
    stop(identity)
    assert not psutil.pid_exists(identity.pid)
