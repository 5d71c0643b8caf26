"""A part of the stack: ports, a command line, and a check that it serves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.install.cache import Recipe
from deploy.ports import LOOPBACK
from deploy.settings import Settings
from services.kit.http import ask

HTTP_SECONDS = 5


@dataclass(frozen=True)
class Instance:
    """Where one instance of the stack lives, as a part sees it."""

    directory: Path
    ports: Mapping[str, int]
    settings: Settings

    def conf(self, part: str) -> Path:
        """The directory of a part's configuration; made if absent."""
        return self._made("conf", part)

    def data(self, part: str) -> Path:
        """The directory of what a part must keep across restarts; made if absent."""
        return self._made("data", part)

    def log(self, part: str) -> Path:
        """The file that takes a part's output."""
        return self._made("logs") / f"{part}.log"

    def secret(self, name: str) -> Path:
        """The file of a secret, in a directory that only its owner can enter."""
        directory = self._made("secrets")
        directory.chmod(0o700)
        return directory / name

    def address(self, port: str) -> str:
        """``host:port`` of a named port."""
        return f"{LOOPBACK}:{self.ports[port]}"

    def _made(self, *names: str) -> Path:
        path = self.directory.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True)
class Command:
    """One process to start."""

    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One server.

    Attributes:
        name: as on the command line.
        ports: its port names with the standard numbers; the first is the part's address.
        version: of what it runs, for people.
        recipes: what must be installed.
        tools: programs it needs on PATH when it runs.
        needs: parts without which it is of no use; starting it starts them.
        command: writes the configuration and gives the command line. Called at each start.
        ready: whether it serves; called until it says so. May raise `OSError` to say not yet.
        furnish: makes what belongs into a fresh server (topics, buckets); repeating it is harmless.
        term_seconds: how long it may take to stop before it is killed.
    """

    name: str
    ports: Mapping[str, int]
    version: str
    recipes: tuple[Recipe, ...]
    tools: tuple[str, ...]
    command: Callable[[Instance], Command]
    ready: Callable[[Instance], bool]
    needs: tuple[str, ...] = ()
    furnish: Callable[[Instance], None] | None = None
    start_seconds: float = 120.0
    term_seconds: float = 20.0


def get_json(url: str, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON document at a URL.

    Raises:
        OSError: when the server cannot be reached, answers with an error, or does not answer in JSON.
    """
    return _json_answer("GET", url, None, headers or {})


def post_json(url: str, document: object, headers: Mapping[str, str] | None = None) -> Any:
    """Post a JSON document and read the JSON answer.

    Raises:
        OSError: as `get_json` does.
    """
    headers = {"Content-Type": "application/json", **(headers or {})}
    return _json_answer("POST", url, json.dumps(document).encode(), headers)


def _json_answer(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
    answer = ask(method, url, timeout_s=HTTP_SECONDS, body=body, headers=headers)
    if not answer.success:
        raise HTTPStatus(answer.status, f"{url} answered {answer.status}: {answer.text()}")
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise OSError(f"{url} did not answer as expected: {error}") from error


class HTTPStatus(OSError):
    """An answer with an error status, and the server's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
