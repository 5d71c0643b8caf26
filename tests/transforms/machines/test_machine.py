"""What stays in memory between bundles counts only while the state has the same token."""

from __future__ import annotations

from transforms.machines.machine import TOKEN_BYTES, Memory, new_token


def test_what_was_put_is_taken_once_under_its_own_token() -> None:
    memory = Memory[str]()
    assert memory.take("k", b"1") is None
    memory.put("k", b"1", "one")
    memory.put("l", b"2", "two")
    assert memory.take("k", b"1") == "one"
    assert memory.take("k", b"1") is None
    assert memory.take("l", b"2") == "two"


def test_under_another_token_it_is_forgotten() -> None:
    memory = Memory[str]()
    memory.put("k", b"1", "one")
    assert memory.take("k", b"2") is None
    assert memory.take("k", b"1") is None
    memory.put("k", b"1", "one")
    memory.put("k", b"2", "two")
    assert memory.take("k", b"2") == "two"


def test_no_two_tokens_are_the_same() -> None:
    tokens = {new_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    assert {len(token) for token in tokens} == {TOKEN_BYTES} == {8}
