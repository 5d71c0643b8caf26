"""The jobs and their command lines: parse options, build the pipeline, run it."""

import logging


def _is_relevant(record: logging.LogRecord) -> bool:
    # Beam logs this at import if its Google Cloud extras are absent.
    return "apitools not found" not in record.getMessage()


logging.getLogger().addFilter(_is_relevant)
