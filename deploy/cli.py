"""``tidemark stack``: the local stack of real servers."""

from __future__ import annotations

import argparse
import json
import os
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
from deploy.errors import StackError
from deploy.install.cache import cache_dir, install
from deploy.install.recipes import RECIPES
from deploy.install.tools import require
from deploy.parts import CATALOGUE, influxdb
from deploy.progress import for_stderr
from deploy.settings import TOPICS, Settings
from deploy.stack import Stack
from schemas.errors import FAILURE
from services.kit.arguments import Parser
from services.kit.commands import refusing

EPILOG = f"""\
parts:     {", ".join(CATALOGUE.names)}
groups:    {", ".join(f"{name} = {' + '.join(parts)}" for name, parts in CATALOGUE.groups.items())}
installs:  {", ".join(RECIPES)}

An instance of the stack is a directory: --dir, else $TIDEMARK_STACK_DIR, else .tidemark/stack here. Downloads and builds are
kept for all instances in $TIDEMARK_CACHE, else ~/.cache/tidemark.

examples:
  tidemark stack up                           everything, on the standard ports; what runs already is left alone
  tidemark stack up kafka influxdb            these two
  tidemark stack up --free-ports              on ports nobody uses; `status` and `env` show which
  tidemark stack up --flink state.backend.type=rocksdb
  eval "$(tidemark stack env)"                KAFKA_BOOTSTRAP, INFLUX_URL, ... for the shell
  tidemark stack status                       what runs, and where
  tidemark stack install prometheus3          what the tests compare with; nothing is started
  tidemark stack logs flink-taskmanager -f    what it says, as it says it
  tidemark stack down                         stop; the data stays
  tidemark stack down --wipe                  stop, and remove the instance with its data
"""

STATE_STYLE = {"running": "green", "dead": "bold red", "stopped": "dim"}


def main(argv: list[str]) -> int:
    """Run one ``tidemark stack`` command; returns the exit status.

    Raises:
        UserError: a failure that the message explains.
    """
    options = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.run
    with refusing(OSError, status=FAILURE):
        return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="tidemark stack",
        description="Kafka, Flink, Beam's job server and worker pool, and InfluxDB, as ordinary processes on this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], int], meaning: str, parts: str = ""
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=meaning,
            description=meaning,
            epilog=f"examples:\n{_examples(name)}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=run)
        if parts:
            added.add_argument("parts", nargs="*", metavar="PART", help=parts)
        added.add_argument(
            "--dir",
            type=Path,
            default=Path(os.environ.get("TIDEMARK_STACK_DIR") or ".tidemark/stack"),
            help="the instance's directory (default: $TIDEMARK_STACK_DIR, else .tidemark/stack)",
        )
        return added

    up = command(
        "up", _up, "start parts, installing what is missing, and wait until they serve", "all, if none is named"
    )
    up.add_argument(
        "--free-ports", action="store_true", help="choose free ports for a new instance, not the standard ones"
    )
    up.add_argument("--slots", type=int, help="task slots of the TaskManager (default 4)")
    up.add_argument("--taskmanager-memory", metavar="SIZE", help="the TaskManager's process memory (default 4608m)")
    up.add_argument(
        "--flink",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="one entry of Flink's configuration, kept for the instance; may be repeated",
    )
    down = command("down", _down, "stop parts; data and ports stay", "all, if none is named")
    down.add_argument(
        "--wipe", action="store_true", help="then remove the instance: data, logs, ports, the InfluxDB token"
    )
    status = command("status", _status, "show what runs; exit status 3 when a part that was started is dead")
    status.add_argument("--json", action="store_true", help="as a JSON array, one object a part")
    show = command("logs", _logs, "show what parts wrote", "all that have a log, if none is named")
    show.add_argument("-f", "--follow", action="store_true", help="go on showing what is written, until interrupted")
    show.add_argument("-n", "--lines", type=int, default=40, help="how many of the last lines of each (default 40)")
    command(
        "install", _install, "download and build only", f"of {', '.join(RECIPES)}; what `up` needs, if none is named"
    )
    command("env", _env, "print the addresses as shell exports, and the path of the InfluxDB token's file")
    return parser


def _examples(name: str) -> str:
    """The examples that are of one command."""
    return "\n".join(line for line in EPILOG.splitlines() if f"tidemark stack {name}" in line)


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
