"""``tidemark run JOB``: the jobs by name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

JOBS = {
    "metrics": ("pipelines.metrics", "roll up metrics through retention tiers, and evaluate rules on them"),
    "alerts": ("pipelines.alerts", "evaluate rules, without rollups"),
}


def main(argv: Sequence[str]) -> int:
    """Run a job; 2 for one that does not exist."""
    if argv and argv[0] in JOBS:
        return int(importlib.import_module(JOBS[argv[0]][0]).main(argv[1:]))
    asked = bool(argv) and argv[0] in ("-h", "--help")
    lines = ["usage: tidemark run JOB [OPTIONS]", "", *(f"  {name:<8} {text}" for name, (_, text) in JOBS.items()), ""]
    lines.append("`tidemark run JOB --help` tells a job's options.")
    print("\n".join(lines), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2
