"""``tidemark run JOB``: the jobs by name."""

from __future__ import annotations

from collections.abc import Sequence

from services.kit.commands import Command, dispatch, listing

JOBS: dict[str, Command] = {
    "metrics": Command(
        "pipelines.metrics",
        "roll up metrics through retention tiers, and evaluate rules on them",
        parser="pipelines.options.parsers:metrics_parser",
    ),
    "alerts": Command(
        "pipelines.alerts", "evaluate rules, without rollups", parser="pipelines.options.parsers:alerts_parser"
    ),
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
    return dispatch("tidemark run", JOBS, usage(), argv)
