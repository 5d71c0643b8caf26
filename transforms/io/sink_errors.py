"""The error that a person has to mend."""


class SinkError(Exception):
    """An output cannot be used as configured; the message says what to do. Trying again without doing it does not help."""
