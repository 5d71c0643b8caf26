"""The refusal of a version that is not read: what was found, where, what is read, and what to do."""

from __future__ import annotations

import pickle

import pytest

from schemas.errors import FAILURE, UserError
from schemas.forms.model import Files, Form, Inside, Mark, State, VersionError

KEPT = Form("chunk", (State("Shards", ("chunks", "rest")), Inside("base")), "w", ("r",), version=3, older=(2,))
STORE = Form("store", (Files("*.parquet"),), "w", ("r",), mark=Mark.FORMAT)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            4,
            "chunk of version 4; this release reads versions 2 and 3: a newer release wrote it; "
            "upgrade Tidemark, also on the workers, or start the job without its savepoint, at a time (--start)",
        ),
        (
            1,
            "chunk of version 1; this release reads versions 2 and 3: an older release wrote it; "
            "use that release, or start the job without its savepoint, at a time (--start)",
        ),
        (
            0,
            "chunk of version 0; this release reads versions 2 and 3: it is damaged, or something else wrote it; "
            "start the job without its savepoint, at a time (--start)",
        ),
    ],
)
def test_a_version_that_is_not_read_is_refused(found: int, message: str) -> None:
    with pytest.raises(VersionError) as caught:
        KEPT.check(found)
    assert str(caught.value) == f"state `chunks`, `rest` of the step Shards or inside base: {message}"


def test_a_store_is_named_and_needs_no_savepoint() -> None:
    with pytest.raises(VersionError, match=r"^/data/store: store of version 2; .* or name another directory$"):
        STORE.check(2, "/data/store")


@pytest.mark.parametrize("found", [2, 3])
def test_versions_that_are_read_are_not_refused(found: int) -> None:
    KEPT.check(found)
    KEPT.check_attribute({b"version": str(found).encode()})
    KEPT.check_key({"version": found})


def test_bytes_without_a_version_are_of_one_that_had_none() -> None:
    KEPT.check_attribute(None)
    KEPT.check_attribute({b"late": b"1"})
    KEPT.check_key({"files": {}})


@pytest.mark.parametrize(("text", "found"), [(b"4", "4"), (b"1", "1"), (b"x", "'x'")])
def test_the_attribute_of_a_stream_is_checked(text: bytes, found: str) -> None:
    with pytest.raises(VersionError, match=f"chunk of version {found}; this release reads"):
        KEPT.check_attribute({b"version": text})


@pytest.mark.parametrize(
    ("plain", "found"),
    [({"version": 4}, "of version 4"), ({"version": "3"}, "of version '3'"), ([], "that is no JSON object")],
)
def test_the_key_of_an_object_is_checked(plain: object, found: str) -> None:
    with pytest.raises(VersionError, match=f"chunk {found}; this release reads"):
        KEPT.check_key(plain)


def test_the_error_survives_its_way_between_processes() -> None:
    error = KEPT.refusal(None)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "chunk without a version; " in str(error)


def test_a_command_ends_with_it() -> None:
    assert isinstance(KEPT.refusal(4), UserError)
    assert KEPT.refusal(4).status == FAILURE
