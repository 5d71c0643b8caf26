"""Errors of inputs and outputs: those that a person has to mend, and one that may pass."""

from schemas.errors import UserError


class InputError(UserError):
    """An input cannot be read as configured; the message says what to do."""


class SinkError(UserError):
    """An output cannot be used as configured; the message says what to do. Trying again without doing it does not help."""


class Unavailable(RuntimeError):
    """An output took nothing for as long as retries were allowed: the bundle fails, and the same rows may be written again later."""
