"""The error of a command's user."""

from __future__ import annotations

MISTAKE = 2
"""Exit status of a command whose options, or the files that they name, are wrong."""
FAILURE = 1
"""Exit status of a command that could not do its work: a server does not answer, a file cannot be read."""


class UserError(Exception):
    """An error that the person who runs a command can fix. The message says where it is and what to do.

    A command ends with it in one place, :func:`services.kit.commands.reported`, which prints the message without a traceback. Every other
    error is a defect.

    Attributes:
        status: the command's exit status; a subclass has its own default.
    """

    status: int = MISTAKE

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status
