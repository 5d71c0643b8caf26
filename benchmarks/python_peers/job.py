"""Running a Python peer over a topic, in an environment of its own."""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.metering import Figures, Meter
from benchmarks.python_peers.environments import HERE, python
from deploy.errors import StackError
from deploy.logs import tail
from deploy.progress import Plain


def run(name: str, brokers: str, topic: str, documents: int, samples: int, rows: Path | None = None) -> Figures:
    """Send a topic of so many documents through a peer, from the start of its process to the end; rows are discarded unless a file is named.

    Raises:
        StackError: the job failed; the message has the end of its output.
    """
    interpreter = python(name, Plain())
    with tempfile.TemporaryDirectory(prefix=f"tidemark-bench-{name}-") as folder:
        state, log = Path(folder) / "state", Path(folder) / "log"
        state.mkdir()
        argv = [str(interpreter), str(HERE / f"{name}_job.py"), f"--brokers={brokers}", f"--topic={topic}"]
        argv += [f"--documents={documents}", f"--state={state}", *([f"--rows={rows}"] if rows else [])]
        with log.open("wb") as output:
            began = time.monotonic()
            process = subprocess.Popen(argv, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
            try:
                with Meter(lambda: [process.pid]).running() as meter:
                    # What the kernel has counted by the end: the meter may have missed the last quarter of a second.
                    _, status, used = os.wait4(process.pid, 0)
                    seconds = time.monotonic() - began
                process.returncode = os.waitstatus_to_exitcode(status)
            finally:
                if process.returncode is None:
                    process.kill()
                    process.wait()
        if process.returncode:
            lines = "\n".join(tail(log, 20))
            raise StackError(f"{name} ended with {process.returncode}:\n{lines}")
    return Figures.of(samples, seconds, used.ru_utime + used.ru_stime, meter.peak_bytes)


def read_rows(path: Path) -> list[tuple[str, str, int, float, float, float, float]]:
    """The rows that a peer has written: host, metric, start of the window (ms), count, sum, min, max."""
    with path.open(newline="") as file:
        return [
            (host, metric, int(time), float(count), float(total), float(low), float(high))
            for host, metric, time, count, total, low, high in csv.reader(file)
        ]
