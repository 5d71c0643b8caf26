"""What a persisted form is: its versions, where it lies, and the one error for a version that is not read."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from schemas.errors import FAILURE, UserError

VERSION_ATTRIBUTE = b"version"
"""Where Arrow streams hold a version, in the metadata of their schema."""

VERSION_KEY = "version"
"""Where JSON objects hold a version."""


class Mark(str, Enum):
    """How bytes show the version of their form."""

    BYTE = "a byte at the head"
    ATTRIBUTE = "the attribute `version` of an Arrow stream; without it, the columns and attributes that are there"
    KEY = "the key `version` of a JSON object; without it, version 1"
    LENGTH = "the length"
    FIXED = "nothing: it stays as it is, since state is found by it"
    CONTENT_TYPE = "the header `content-type`"
    FORMAT = "`tidemark.format` in a Parquet file, `format` in the file of a run"
    NONE = "nothing: the store's own format"


class State(NamedTuple):
    """State of a step, as a savepoint holds it.

    Attributes:
        step: its label.
        cells: cells and bags; ``bucket*`` stands for all buckets. ``key`` is the key of the state; a step that reads without an end has
            ``element`` and ``restriction``.
    """

    step: str
    cells: tuple[str, ...]


class Topic(NamedTuple):
    """Records of a topic: the default name, what the key is, and the headers; one with a fixed value as ``name: value``."""

    name: str
    key: str
    headers: tuple[str, ...]


class Files(NamedTuple):
    """Files by the pattern of their names."""

    pattern: str


class Server(NamedTuple):
    """Rows of a server."""

    name: str


class Inside(NamedTuple):
    """A part of another form, by its name."""

    form: str


class Flow(NamedTuple):
    """Elements between two steps. They do not outlive a restart; workers of one job run one release."""

    steps: str


Place = State | Topic | Files | Server | Inside | Flow


class VersionError(UserError, ValueError):
    """Bytes of a version that this release does not read. The message says what was found, where, what is read, and what to do.

    A command ends with it. In a job's state it fails the bundle.
    """

    status = FAILURE


class Form(NamedTuple):
    """A persisted form.

    Attributes:
        name: also of its example in tests/golden.
        places: where its bytes are.
        writer, readers: modules.
        version: that is written.
        older: versions that are read besides.
        mark: how bytes show the version.
    """

    name: str
    places: tuple[Place, ...]
    writer: str
    readers: tuple[str, ...]
    version: int = 1
    older: tuple[int, ...] = ()
    mark: Mark = Mark.ATTRIBUTE

    @property
    def reads(self) -> tuple[int, ...]:
        """All versions that are read, ascending."""
        return (*self.older, self.version)

    def refusal(self, found: int | str | None, where: str = "") -> VersionError:
        """The error for what was found; ``where`` is more exact than :attr:`places`, a directory for example."""
        where = where or " or ".join(map(place_text, self.places))
        return VersionError(
            f"{where}: {self.name} {_found(found)}; this release reads {_versions(self.reads)}: {_advice(self, found)}"
        )

    def check(self, found: int | None, where: str = "") -> None:
        """Check the version that bytes show.

        Raises:
            VersionError: it is not read.
        """
        if found not in self.reads:
            raise self.refusal(found, where)

    def check_attribute(self, attributes: Mapping[bytes, bytes] | None) -> None:
        """Check the version in the metadata of an Arrow stream, if there is one.

        Raises:
            VersionError: it is not read.
        """
        if attributes and VERSION_ATTRIBUTE in attributes:
            text = attributes[VERSION_ATTRIBUTE].decode(errors="replace")
            if not text.isdecimal():
                raise self.refusal(f"of version {text!r}")
            self.check(int(text))

    def check_key(self, plain: Any) -> None:
        """Check the version in a JSON object, if there is one.

        Raises:
            VersionError: it is not read, or this is no object.
        """
        if not isinstance(plain, Mapping):
            raise self.refusal("that is no JSON object")
        if VERSION_KEY in plain:
            found = plain[VERSION_KEY]
            if not isinstance(found, int):
                raise self.refusal(f"of version {found!r}")
            self.check(found)


def place_text(place: Place) -> str:
    """A place in words."""
    match place:
        case State(step, cells):
            return f"state {', '.join(f'`{cell}`' for cell in cells)} of the step {step}"
        case Topic(name):
            return f"topic {name}"
        case Files(pattern):
            return f"files {pattern}"
        case Server(name):
            return name
        case Inside(form):
            return f"inside {form}"
        case Flow(steps):
            return f"between steps: {steps}"


def _found(found: int | str | None) -> str:
    if isinstance(found, str):
        return found
    return "without a version" if found is None else f"of version {found}"


def _versions(numbers: tuple[int, ...]) -> str:
    if len(numbers) == 1:
        return f"version {numbers[0]}"
    return f"versions {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _advice(form: Form, found: int | str | None) -> str:
    stored = isinstance(form.places[0], Files)
    instead = "name another directory" if stored else "start the job without its savepoint, at a time (--start)"
    if isinstance(found, int) and found > form.version:
        return f"a newer release wrote it; upgrade Tidemark, also on the workers, or {instead}"
    if isinstance(found, int) and found > 0:
        return f"an older release wrote it; use that release, or {instead}"
    return f"it is damaged, or something else wrote it; {instead}"
