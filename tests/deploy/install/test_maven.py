"""Jars against their lock file."""

import hashlib

import pytest

from deploy.errors import IntegrityError
from deploy.install.maven import verify


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def locked(tmp_path):
    """A directory of two jars, and the lock that fits."""
    lib = tmp_path / "lib"
    lib.mkdir()
    jars = {"a.jar": b"A", "b.jar": b"B"}
    for name, content in jars.items():
        (lib / name).write_bytes(content)
    lock = tmp_path / "jars.sha256"
    lock.write_text("".join(f"{digest(content)}  {name}\n" for name, content in jars.items()))
    return lib, lock


def test_jars_that_fit_their_lock_pass(locked):
    verify(*locked)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lib: (lib / "a.jar").unlink(), "a.jar: missing"),
        (lambda lib: (lib / "c.jar").write_bytes(b"C"), "c.jar: not in the lock"),
        (lambda lib: (lib / "b.jar").write_bytes(b"X"), f"b.jar: SHA-256 {digest(b'X')}, expected {digest(b'B')}"),
    ],
)
def test_a_jar_that_does_not_fit_is_named(locked, change, message):
    lib, lock = locked
    change(lib)
    with pytest.raises(IntegrityError) as raised:
        verify(lib, lock)
    assert message in str(raised.value)
    assert str(lock) in str(raised.value)
