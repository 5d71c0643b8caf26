"""Detached processes: started in a session of their own, recognised again, stopped whole.

A process id alone is not an identity, since the kernel reuses ids. So each start puts a mark of its own into the process's
environment, where its children inherit it: what is left of a session whose leader was killed is recognised by it too. Where
an environment cannot be read, the start time decides.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.errors import StackError

MARK = "TIDEMARK_STACK_PROCESS"
TERM_SECONDS = 20.0
KILL_SECONDS = 10.0
POLL_SECONDS = 0.02
# psutil derives start times from clock ticks: the same process may be read a tick apart.
SAME_START_SECONDS = 0.05


@dataclass(frozen=True)
class Identity:
    """Which process: its id, its start time (seconds since the epoch), and the mark of this start."""

    pid: int
    started: float
    mark: str

    def process(self) -> psutil.Process | None:
        """The live process, or None when it is gone, a zombie, or another process has its id now."""
        try:
            process = psutil.Process(self.pid)
            return process if self._same(process) and _running(process) else None
        except psutil.NoSuchProcess:
            return None

    def alive(self) -> bool:
        """Whether the process itself still runs."""
        return self.process() is not None

    def members(self) -> list[psutil.Process]:
        """The process, its descendants, and what is left of its session: all that a stop must end."""
        found: dict[int, psutil.Process] = {}
        if main := self.process():
            found[main.pid] = main
            with suppress(psutil.NoSuchProcess):
                found.update({child.pid: child for child in main.children(recursive=True)})
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if process.pid not in found and os.getsid(process.pid) == self.pid and _mark(process) == self.mark:
                    found[process.pid] = process
        return [process for process in found.values() if _running(process)]

    def _same(self, process: psutil.Process) -> bool:
        # Start times are computed from the boot time, which moves when the clock is set: the mark decides, where it is.
        if mark := _mark(process):
            return bool(mark == self.mark)
        return bool(abs(process.create_time() - self.started) < SAME_START_SECONDS)


def spawn(argv: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None) -> Identity:
    """Start a process that outlives this one, its output appended to `log`.

    Raises:
        OSError: when the program cannot be started.
    """
    mark = uuid.uuid4().hex
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {}), MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:  # it is over already: the caller finds it dead
        started = time.time()
    child.returncode = 0  # detached: without this, subprocess warns that the child still runs
    return Identity(child.pid, started, mark)


def stop(identity: Identity, *, term_seconds: float = TERM_SECONDS) -> None:
    """End a process and its members: TERM to the process, then KILL to what is left after `term_seconds`.

    Raises:
        StackError: when something survives the KILL (a process stuck in the kernel).
    """
    members = identity.members()
    main = identity.process()
    if main:
        with suppress(psutil.NoSuchProcess):
            main.terminate()
        _wait_gone([main], term_seconds)
    members = list({process.pid: process for process in [*members, *identity.members()]}.values())
    for process in members:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if survivors := _wait_gone(members, KILL_SECONDS):
        raise StackError(f"process {survivors[0].pid} does not end, KILL or not: look at it with ps, then try again")


def send(identity: Identity, number: signal.Signals) -> None:
    """Send one signal to the process and all its members, and wait for them to be gone if it is KILL."""
    members = identity.members()
    for process in members:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    if number == signal.SIGKILL:
        _wait_gone(members, KILL_SECONDS)


def _wait_gone(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """The processes that still run after waiting for all of them to end.

    Not `psutil.wait_procs`: that waits for a zombie until its parent, which may be any process by now, collects it.
    """
    deadline = time.monotonic() + seconds
    while (left := [process for process in processes if _running(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left


def _mark(process: psutil.Process) -> str | None:
    try:
        mark: str | None = process.environ().get(MARK)
        return mark
    except psutil.AccessDenied:
        return None


def _running(process: psutil.Process) -> bool:
    try:
        if not process.is_running():
            return False
        # A zombie whose other threads still end holds its ports and files yet.
        if process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1:
            return True
    except psutil.NoSuchProcess:
        return False
    with suppress(ChildProcessError):  # collect it, if it is a child of this process
        os.waitpid(process.pid, os.WNOHANG)
    return False
