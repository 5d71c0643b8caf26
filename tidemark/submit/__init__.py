"""``tidemark submit``: a job on the local stack's Flink, its addresses filled in; and its stop with a savepoint."""

from collections.abc import Sequence

from services.kit.suggestions import did_you_mean
from tidemark.submit import arguments


def main(argv: Sequence[str]) -> int:
    """Run the command that a command line describes; see :func:`tidemark.submit.job.run`."""
    parser = arguments.parser()
    args, rest = parser.parse_known_args(list(argv))
    if args.stop == bool(args.job):
        parser.error("write a job to run it, or --stop to stop it")
    if args.stop and rest:
        near = did_you_mean(rest[0].partition("=")[0], parser.options)
        parser.error(f"--stop takes no options of the job: {' '.join(rest)}{near}")
    # Not before: it imports Beam, and `--help` is to be there at once.
    from tidemark.submit.job import run

    return run(args, rest)
