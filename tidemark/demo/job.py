"""Where the demo keeps its things, and the metrics job as a process that works on them."""

from __future__ import annotations

import glob
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipelines.result import counts_of
from schemas.errors import FAILURE, UserError
from transforms.accounting import Balance

MARKER = ".tidemark-demo"
"""The file by which a folder is known to be an earlier demo's, and may be replaced."""

_SHOWN_LOG_LINES = 15


class DemoFailed(UserError):
    """The demo cannot go on; the message says why and what to do."""

    status = FAILURE


@dataclass(frozen=True)
class Folder:
    """The output folder, and the folders in it."""

    root: Path

    @property
    def inputs(self) -> Path:
        """Newline-delimited records, as generated and sampled."""
        return self.root / "input"

    @property
    def store(self) -> Path:
        """The Parquet store (:mod:`transforms.io.parquet.store`)."""
        return self.root / "store"

    @property
    def dead_letters(self) -> Path:
        """Records that could not be read, as newline-delimited JSON."""
        return self.root / "dead-letters"

    @property
    def late(self) -> Path:
        """Samples that came too late, as JSON scrape documents."""
        return self.root / "late"

    @property
    def rules(self) -> Path:
        """The rule files, one a source."""
        return self.root / "rules"

    @property
    def alerts(self) -> Path:
        """Alert events as newline-delimited JSON, a folder a source."""
        return self.root / "alerts"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"

    def prepare(self) -> None:
        """Make it, in place of an earlier run's.

        Raises:
            DemoFailed: there is something else of that name.
            OSError: it cannot be made.
        """
        if self.root.exists():
            if not self.root.is_dir() or (any(self.root.iterdir()) and not (self.root / MARKER).exists()):
                raise DemoFailed(f"{self.root} is there and is not an earlier demo's; choose another with --output")
            shutil.rmtree(self.root)
        for folder in (self.inputs, self.store, self.dead_letters, self.late, self.rules, self.alerts):
            folder.mkdir(parents=True)
        (self.root / MARKER).touch()


class Job:
    """The metrics job over some of the inputs, in a process of its own, so that it does not hold up the sampling.

    Args:
        name: of its configuration (``NAME.yaml`` in the folder), its rules, its alerts, its log and its balance.
        inputs: files of the folder's inputs, as a glob pattern.
    """

    def __init__(self, folder: Folder, name: str, inputs: str) -> None:
        self._name = name
        self._log = folder.root / f"{name}.log"
        self._summary = folder.root / f"{name}-balance.json"
        args = [
            # One pattern, so that each file is a partition of its own among the others.
            f"--input=file:{glob.escape(str(folder.inputs))}/{inputs}",
            f"--output=parquet:{folder.store}",
            f"--config={folder.root / name}.yaml",
            f"--dead-letter=file:{folder.dead_letters}",
            f"--late=file:{folder.late}",
            # The demo shows what a stream makes of late data, and of a day that some clocks may have yet to reach.
            "--file-watermark=events",
            "--max-future=none",
            f"--rules={folder.rules / name}.yml",
            f"--alerts=file:{folder.alerts / name}",
            "--runner=DirectRunner",
            # A worker measures all that it caches, which here takes longer than reading it again.
            "--max_cache_memory_usage_mb=0",
            f"--summary-json={self._summary}",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.metrics", *args], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        """Wait for its end, so long at most."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def balance(self) -> Balance:
        """The balance of the job that has ended; waits for that.

        Raises:
            DemoFailed: it ended without one.
        """
        status = self._process.wait()
        if not self._summary.exists():
            last = "\n".join(self._log.read_text(errors="replace").splitlines()[-_SHOWN_LOG_LINES:])
            raise DemoFailed(f"the job {self._name} ended with status {status}; {self._log} ends with:\n{last}")
        return Balance(counts_of(json.loads(self._summary.read_text())))

    def stop(self) -> None:
        """End it, if it still runs."""
        if self.running:
            self._process.terminate()
            self._process.wait()
