"""One instance of the stack: a directory, its ports, its processes."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from deploy import state as state_file
from deploy.errors import PartFailed, StackError
from deploy.install.cache import cache_dir, install
from deploy.install.tools import require
from deploy.logs import tail
from deploy.parts import CATALOGUE, Catalogue, influxdb
from deploy.parts.base import Instance, Part
from deploy.ports import assign, require_free
from deploy.process import Identity, send, spawn, stop
from deploy.progress import SILENT, Reporter
from deploy.settings import Settings
from deploy.status import Status, status

POLL_SECONDS = 0.2
LOG_LINES = 20

_NO_DIRECTORY = frozenset(',:;%#?\\"')
"""Characters at which one of the parts ends a path, begins another, or reads something else."""


class Stack:
    """The stack in one directory; as a context manager it is stopped, and its data kept, at the end.

    Args:
        directory: holds ``state.json``, ``conf``, ``data``, ``logs`` and ``secrets``; made when something starts.
        ports: ``"default"`` for the standard ports, ``"free"`` for free ones, chosen once for each directory. A directory
            that has its ports already keeps them.
        settings: choices; by default those the directory was started with, else the standard ones.
        catalogue: which parts there are.

    Raises:
        StackError: when the directory's state file is not one of ours.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        ports: Literal["default", "free"] = "default",
        settings: Settings | None = None,
        catalogue: Catalogue = CATALOGUE,
    ) -> None:
        if ports not in ("default", "free"):
            raise ValueError(f"ports must be 'default' or 'free', not {ports!r}")
        self.directory = Path(directory).absolute()
        self._free = ports == "free"
        self._settings = settings
        self._catalogue = catalogue
        self._load()

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *exc: object) -> None:
        self.down()

    @property
    def settings(self) -> Settings:
        """The instance's choices."""
        return self.instance.settings

    def configure(self, settings: Settings) -> None:
        """Replace the choices; parts that run have them from their next start on."""
        self._settings = settings
        self._load()

    def up(self, parts: Iterable[str] = (), progress: Reporter = SILENT) -> list[str]:
        """Install what is missing, start the parts and what they need, and wait until they serve.

        A part that runs is left alone; one that died is started again. When a part fails, it is stopped; the others stay
        as they are, recorded, and the message names them.

        Returns:
            the names of the parts that were started.

        Raises:
            StackError: the path of the directory, or of the cache, has characters that a part would read as something else.
            MissingTools, InstallFailed, PortInUse: before anything is started.
            PartFailed: when a part ends or does not serve before its deadline.
        """
        _check_directory("the stack's directory", self.directory, "--dir or $TIDEMARK_STACK_DIR")
        chosen = self._catalogue.resolve(parts, with_needs=True)
        if any(part.recipes for part in chosen):
            _check_directory("the cache", cache_dir(), "$TIDEMARK_CACHE")
        require([tool for part in chosen for tool in part.tools], "running the stack")
        recipes = {recipe.name: recipe for part in chosen for recipe in part.recipes}.values()
        require([tool for each in recipes if not each.installed() for tool in each.tools], "installing the stack")
        for recipe in recipes:
            install(recipe, progress)
        self.directory.mkdir(parents=True, exist_ok=True)
        with state_file.locked(self.directory):
            self._load()
            running = [part for part in chosen if self._alive(part.name)]
            for part in running:
                progress.note(f"{part.name} runs already (pid {self._state.processes[part.name].pid})")
            starting = [part for part in chosen if part not in running]
            self._claim_ports(starting)
            self._start(starting, progress)
        return [part.name for part in starting]

    def down(self, parts: Iterable[str] = (), *, wipe: bool = False, progress: Reporter = SILENT) -> list[str]:
        """Stop the parts, the last started first; data stays unless `wipe`, which forgets the ports too.

        Returns:
            the names of the parts that were stopped.

        Raises:
            StackError: for `wipe` together with parts.
        """
        names = tuple(parts)
        if wipe and names:
            raise StackError("--wipe removes the data of the whole instance: name no parts with it")
        if not self.directory.exists():
            return []
        with state_file.locked(self.directory):
            self._load()
            stopped = [part for part in reversed(self._catalogue.resolve(names)) if part.name in self._state.processes]
            for part in stopped:
                with progress.step(f"stopping {part.name}"):
                    self._end(part)
        if wipe:
            shutil.rmtree(self.directory)
            self._load()
        return [part.name for part in stopped]

    def restart(self, part: str, progress: Reporter = SILENT) -> None:
        """Stop one part (or group) and start it again on its ports."""
        names = [each.name for each in self._catalogue.resolve([part])]
        self.down(names, progress=progress)
        self.up(names, progress=progress)

    def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a part's process and all its children; it stays recorded, so `up` starts it again.

        Raises:
            StackError: when the part does not run.
        """
        for each in self._catalogue.resolve([part]):
            send(self._identity(each.name), number)

    def status(self) -> list[Status]:
        """The state of every part, from its process: nothing is asked over the network."""
        self._load()
        return [status(part, self._state, self.instance) for part in self._catalogue.members]

    def running(self, part: str) -> bool:
        """Whether a part's process (all processes of a group) runs."""
        self._load()
        return all(self._alive(each.name) for each in self._catalogue.resolve([part]))

    def address(self, part: str) -> str:
        """``host:port`` of a part, or of a named port such as ``jobserver-artifact``.

        Raises:
            StackError: when the part has no port, or ports were not chosen yet.
        """
        first = [next(iter(each.ports), part) for each in self._catalogue.members if each.name == part]
        for name in (part, *first):
            if name in self.instance.ports:
                return self.instance.address(name)
        raise StackError(f"{part} has no address; there are {', '.join(self.instance.ports) or 'none before `up`'}")

    def pid(self, part: str) -> int:
        """The process id of a part.

        Raises:
            StackError: when it does not run.
        """
        return self._identity(part).pid

    def log(self, part: str) -> Path:
        """The file that has a part's output."""
        return self.instance.log(part)

    @property
    def influx_token(self) -> str:
        """InfluxDB's operator token: never print it, never put it on a command line.

        Raises:
            StackError: when InfluxDB of this instance was never started.
        """
        return influxdb.token(self.instance)

    def ensure_bucket(self, name: str, retention: int = 0) -> None:
        """Create an InfluxDB bucket if it is missing; retention in seconds, 0 keeps for ever."""
        influxdb.ensure_bucket(self.instance, name, retention)

    def _load(self) -> None:
        self._state = state_file.load(self.directory / "state.json")
        known = self._state.settings
        settings = self._settings or (Settings(**known) if known else Settings())  # type: ignore[arg-type]
        ports = self._state.ports or ({} if self._free else dict(self._catalogue.standard_ports))
        self.instance = Instance(self.directory, ports, settings)

    def _save(self) -> None:
        state_file.save(self.directory / "state.json", self._state)

    def _claim_ports(self, starting: Sequence[Part]) -> None:
        standard = self._catalogue.standard_ports
        unset = {name: number for name, number in standard.items() if name not in self._state.ports}
        self._state.ports.update(assign(unset) if self._free else unset)
        self._state.settings = self.instance.settings.to_json()
        self.instance = Instance(self.directory, self._state.ports, self.instance.settings)
        for part in starting:  # what a killed part left behind may hold its ports still
            if left := self._state.processes.get(part.name):
                stop(left)
        require_free({port: self._state.ports[port] for part in starting for port in part.ports})
        self._save()

    def _start(self, starting: Sequence[Part], progress: Reporter) -> None:
        pending = list(starting)
        try:
            for part in starting:
                command = part.command(self.instance)
                log = self.instance.log(part.name)
                self._state.processes[part.name] = spawn(command.argv, log=log, cwd=self.directory, env=command.env)
                self._state.versions[part.name] = part.version
                self._save()
            for part in starting:
                with progress.step(f"starting {part.name}"):
                    self._wait(part)
                pending.remove(part)
        except PartFailed as failure:
            self._end_all(pending)
            up = [name for name in self._catalogue.names if self._alive(name)]
            raise PartFailed(f"{failure}\nUp: {', '.join(up) or 'nothing'}.") from failure.__cause__
        except BaseException:
            self._end_all(pending)
            raise

    def _wait(self, part: Part) -> None:
        identity = self._state.processes[part.name]
        deadline = time.monotonic() + part.start_seconds
        while not self._serves(part):
            if not identity.alive():
                raise self._failure(part, "ended while it started")
            if time.monotonic() > deadline:
                raise self._failure(part, f"does not serve after {part.start_seconds:.0f} s")
            time.sleep(POLL_SECONDS)
        if part.furnish:
            try:
                part.furnish(self.instance)
            except (OSError, StackError) as error:
                raise self._failure(part, f"could not be set up: {error}") from error

    def _serves(self, part: Part) -> bool:
        try:
            return part.ready(self.instance)
        except OSError:
            return False

    def _failure(self, part: Part, what: str) -> PartFailed:
        log = self.instance.log(part.name)
        ending = "\n".join(f"  {line}" for line in tail(log, LOG_LINES))
        return PartFailed(f"{part.name} {what}. Its log is {log}, and ends with\n{ending}")

    def _end(self, part: Part) -> None:
        identity = self._state.processes.pop(part.name, None)
        if identity:
            stop(identity, term_seconds=part.term_seconds)
            self._save()

    def _end_all(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self._end(part)

    def _alive(self, part: str) -> bool:
        identity = self._state.processes.get(part)
        return identity is not None and identity.alive()

    def _identity(self, part: str) -> Identity:
        self._load()
        if not self._alive(part):
            raise StackError(f"{part} does not run in {self.directory}: `tidemark stack up {part}`")
        return self._state.processes[part]


def _check_directory(what: str, directory: Path, option: str) -> None:
    text = str(directory)
    wrong = "".join(sorted({each for each in text if each in _NO_DIRECTORY or not each.isprintable()}))
    if wrong:
        raise StackError(
            f"{what}, {text!r}, has {wrong!r} in its path, where Kafka, Flink or Java would take it for the end of a path: "
            f"name another with {option}"
        )
