"""The command line of ``tidemark stack``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from deploy.install.recipes import RECIPES
from deploy.parts import CATALOGUE
from services.kit.arguments import Commands, Parser

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


def parser() -> Parser:
    """The command line."""
    parser = Parser(
        prog="tidemark stack",
        description="Kafka, Flink, Beam's job server and worker pool, and InfluxDB, as ordinary processes on this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = Commands(parser, title="commands")

    def command(name: str, meaning: str, parts: str = "") -> Parser:
        added = commands.add(name, meaning)
        if parts:
            added.add_argument("parts", nargs="*", metavar="PART", help=parts)
        added.add_argument(
            "--dir",
            type=Path,
            default=Path(os.environ.get("TIDEMARK_STACK_DIR") or ".tidemark/stack"),
            help="the instance's directory (default: $TIDEMARK_STACK_DIR, else .tidemark/stack)",
        )
        return added

    up = command("up", "start parts, installing what is missing, and wait until they serve", "all, if none is named")
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
    down = command("down", "stop parts; data and ports stay", "all, if none is named")
    down.add_argument(
        "--wipe", action="store_true", help="then remove the instance: data, logs, ports, the InfluxDB token"
    )
    status = command("status", "show what runs; exit status 3 when a part that was started is dead")
    status.add_argument("--json", action="store_true", help="as a JSON array, one object a part")
    show = command("logs", "show what parts wrote", "all that have a log, if none is named")
    show.add_argument("-f", "--follow", action="store_true", help="go on showing what is written, until interrupted")
    show.add_argument("-n", "--lines", type=int, default=40, help="how many of the last lines of each (default 40)")
    command("install", "download and build only", f"of {', '.join(RECIPES)}; what `up` needs, if none is named")
    command("env", "print the addresses as shell exports, and the path of the InfluxDB token's file")
    return parser
