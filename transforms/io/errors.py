"""Errors of outputs: one that a person has to mend, and one that may pass."""


class SinkError(Exception):
    """An output cannot be used as configured; the message says what to do. Trying again without doing it does not help."""


class Unavailable(RuntimeError):
    """An output took nothing for as long as retries were allowed: the bundle fails, and the same rows may be written again later."""
