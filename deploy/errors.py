"""What can go wrong with the local stack; every message says where it is and what to do next."""

from __future__ import annotations

from schemas.errors import FAILURE, UserError


class StackError(UserError):
    """A failure a person can act on: the command line prints its message and exits with status 1."""

    status = FAILURE


class UnknownPart(StackError):
    """A part was named that the stack does not have."""


class MissingTools(StackError):
    """Programs that an install or a part needs are not on PATH."""


class InstallFailed(StackError):
    """A download or a build did not finish; the message names its log."""


class IntegrityError(InstallFailed):
    """What was downloaded is not what the committed hashes say."""


class PortInUse(StackError):
    """A port that a part wants is held by another process."""


class PartFailed(StackError):
    """A part ended, or did not answer before its deadline."""
