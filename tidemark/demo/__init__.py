"""``tidemark demo``: the metrics job on real input with no servers, and a report of what came out."""

from collections.abc import Sequence

from tidemark.demo.arguments import parser


def main(argv: Sequence[str]) -> int:
    """Run the demo that a command line describes; see :func:`tidemark.demo.cli.run`."""
    args = parser().parse_args(argv)
    # Not before: it imports Beam, and `--help` is to be there at once.
    from tidemark.demo.cli import run

    return run(args)
