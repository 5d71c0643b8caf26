"""``tidemark run JOB``: the jobs by name."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.options.parsers import PARSERS
from services.kit.commands import Command, dispatch, listing

JOBS: dict[str, Command] = {
    "metrics": Command("pipelines.metrics", "roll up metrics through retention tiers, and evaluate rules on them"),
    "alerts": Command("pipelines.alerts", "evaluate rules, without rollups"),
}


def usage() -> str:
    """The overview printed by ``tidemark run --help``."""
    return (
        f"usage: tidemark run JOB [OPTIONS]\n\n{listing(JOBS)}\n\n"
        "examples:\n"
        "  tidemark run metrics --input=file:cpu.lp --output=parquet:store\n"
        "  tidemark run alerts --rules=rules/ --input=file:cpu.lp --alerts=file:alerts\n"
        "\n`tidemark run JOB --help` shows a job's options and more examples."
    )


def main(argv: Sequence[str]) -> int:
    """Run a job; 2 for one that does not exist."""
    name, *rest = [*argv[1:], "--help"] if argv[:1] == ["help"] and len(argv) > 1 else [*argv, ""]
    if name in PARSERS and {"-h", "--help"} & {*rest}:
        # The job itself would import Beam first, which takes longer than a person waits for help.
        PARSERS[name]().print_help()
        return 0
    return dispatch("tidemark run", JOBS, usage(), argv)
