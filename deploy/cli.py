"""``tidemark stack``: the local stack of real servers."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy import logs
from deploy.arguments import parser
from deploy.errors import StackError
from deploy.install.cache import cache_dir, install
from deploy.install.recipes import RECIPES
from deploy.install.tools import require
from deploy.parts import CATALOGUE, influxdb
from deploy.progress import for_stderr
from deploy.settings import TOPICS, Settings
from deploy.stack import Stack
from schemas.errors import FAILURE
from services.kit.commands import refusing

STATE_STYLE = {"running": "green", "dead": "bold red", "stopped": "dim"}


def main(argv: list[str]) -> int:
    """Run one ``tidemark stack`` command; returns the exit status.

    Raises:
        UserError: a failure that the message explains.
    """
    options = parser().parse_args(argv)
    with refusing(OSError, status=FAILURE):
        return _RUN[options.command](options)


def _up(options: argparse.Namespace) -> int:
    stack = Stack(options.dir, ports="free" if options.free_ports else "default")
    stack.configure(_settings(stack.settings, options))
    began = time.monotonic()
    started = stack.up(options.parts, for_stderr())
    console = _console()
    if not started:
        console.print("nothing to do: all of it runs already", style="green")
    else:
        console.print(f"up in {time.monotonic() - began:.0f} s: {', '.join(started)}", style="green", highlight=False)
    _print_table(console, stack)
    return 0


def _settings(known: Settings, options: argparse.Namespace) -> Settings:
    flink = dict(known.flink)
    for entry in options.flink:
        key, separator, value = entry.partition("=")
        if not separator or not key:
            raise StackError(f"--flink takes KEY=VALUE, not {entry!r}")
        flink[key] = value
    return Settings(
        slots=options.slots or known.slots,
        taskmanager_memory=options.taskmanager_memory or known.taskmanager_memory,
        flink=flink,
        # An instance that was made before there was some topic gets it too.
        topics={**TOPICS, **known.topics},
        buckets=known.buckets,
    )


def _down(options: argparse.Namespace) -> int:
    stopped = Stack(options.dir).down(options.parts, wipe=options.wipe, progress=for_stderr())
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    if options.wipe:
        print(f"removed {options.dir}")
    return 0


def _status(options: argparse.Namespace) -> int:
    stack = Stack(options.dir)
    statuses = stack.status()
    if options.json:
        print(json.dumps([asdict(status) for status in statuses], indent=2))
    else:
        _print_table(_console(), stack)
    return 3 if any(status.state == "dead" for status in statuses) else 0


def _print_table(console: Console, stack: Stack) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("part", "state", "pid", "address", "since"):
        table.add_column(name, no_wrap=True)
    table.add_column("log", overflow="fold")
    for status in stack.status():
        log = Path(status.log)
        table.add_row(
            status.part,
            Text(status.state, style=STATE_STYLE[status.state]),
            str(status.pid or ""),
            status.address or "",
            _since(status.since) if status.since else "",
            str(log.relative_to(stack.directory)) if log.exists() else "",
        )
    console.print(table)
    console.print(f"in {stack.directory}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _since(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds)
    today = moment.date() == datetime.now().date()
    return moment.strftime("%H:%M:%S" if today else "%Y-%m-%d")


def _console() -> Console:
    """A terminal has its width; a pipe must not lose columns."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def _logs(options: argparse.Namespace) -> int:
    stack = Stack(options.dir)
    paths = {part.name: stack.log(part.name) for part in CATALOGUE.resolve(options.parts)}
    if not options.parts:
        paths = {name: path for name, path in paths.items() if path.exists()}
    if not paths:
        raise StackError(f"there are no logs in {stack.directory}: nothing was started there yet")
    logs.show(paths, options.lines, follow=options.follow)
    return 0


def _install(options: argparse.Namespace) -> int:
    unknown = [word for word in options.parts if word not in RECIPES]
    if unknown:
        raise StackError(f"nothing to install is called {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    needed = dict.fromkeys(recipe.name for part in CATALOGUE.members for recipe in part.recipes)
    recipes = [RECIPES[name] for name in options.parts or needed]
    require([tool for recipe in recipes if not recipe.installed() for tool in recipe.tools], "installing the stack")
    for recipe in recipes:
        print(install(recipe, for_stderr()))
    print(f"all in {cache_dir()}", file=sys.stderr)
    return 0


def _env(options: argparse.Namespace) -> int:
    stack = Stack(options.dir)
    exports = {
        "KAFKA_BOOTSTRAP": stack.address("kafka"),
        "FLINK_REST": f"http://{stack.address('flink')}",
        "BEAM_JOB_ENDPOINT": stack.address("jobserver"),
        "BEAM_ARTIFACT_ENDPOINT": stack.address("jobserver-artifact"),
        "BEAM_WORKER_POOL": stack.address("workers"),
        "INFLUX_URL": influxdb.url(stack.instance),
        "INFLUX_ORG": influxdb.ORG,
        "INFLUX_TOKEN_FILE": str(influxdb.token_file(stack.instance)),
    }
    for name, value in exports.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


_RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "logs": _logs,
    "install": _install,
    "env": _env,
}
