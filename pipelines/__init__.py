"""The jobs: options -> build(pipeline, options) -> run; and the command line."""

import logging


def _worth_saying(record: logging.LogRecord) -> bool:
    # Beam says this at import wherever its Google Cloud extras are absent.
    return "apitools not found" not in record.getMessage()


logging.getLogger().addFilter(_worth_saying)
