"""Submitting the Flink SQL peer to a cluster through its Table API."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from string import Template

from deploy.install.cache import install
from deploy.install.recipes import FLINK, FLINK_SQL

SCRIPT = Path(__file__).with_name("rollup_1m.sql")
BLACKHOLE = "'connector' = 'blackhole'"
FILES = "'connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv'"
_SUBMITTER = Path(__file__).with_name("SubmitSql.java")
_JOB_ID = re.compile(r"Job ID: ([0-9a-f]{32})")
_TIMEOUT_S = 180
# What Flink's own launcher opens of the JDK's modules from Java 17 on, as far as the client needs it.
_OPENS = (
    "java.base/java.lang",
    "java.base/java.util",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.lang.reflect",
    "java.base/java.util.concurrent",
)


def submit(rest: str, bootstrap: str, topic: str, workdir: Path, rows: Path | None = None) -> str:
    """Submit the job to the cluster whose REST address is ``rest``; its id.

    Args:
        rows: a directory to write rows to, as CSV; without it they are discarded.

    Raises:
        RuntimeError: no job was started; the output of the attempt is the message.
    """
    install(FLINK_SQL)
    flink, connectors = FLINK.directory(), FLINK_SQL.directory() / "lib"
    workdir.mkdir(parents=True, exist_ok=True)
    script = workdir / SCRIPT.name
    sink = BLACKHOLE if rows is None else FILES.format(path=rows.as_uri())
    script.write_text(Template(SCRIPT.read_text()).substitute(TOPIC=topic, BOOTSTRAP=bootstrap, SINK=sink))
    host, _, port = rest.rpartition(":")
    class_path = os.pathsep.join(map(str, [*sorted((flink / "lib").glob("*.jar")), *sorted(connectors.glob("*.jar"))]))
    jars = ";".join(jar.as_uri() for jar in sorted(connectors.glob("*.jar")))
    opens = [word for module in _OPENS for word in ("--add-opens", f"{module}=ALL-UNNAMED")]
    done = subprocess.run(
        ["java", *opens, "-cp", class_path, str(_SUBMITTER), str(script), host, port, jars],
        cwd=workdir,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    found = _JOB_ID.search(done.stdout)
    if found is None:
        raise RuntimeError(f"Flink SQL took no job:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return found[1]
