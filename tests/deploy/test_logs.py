"""Showing logs."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.logs import show, tail

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cs"])), max_size=30)


@given(lines=LINES, count=st.integers(1, 40))
def test_tail_is_the_end_of_the_file(lines, count, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "tail.log"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert tail(path, count) == lines[-count:]


def test_tail_of_a_large_file_reads_its_end_only(tmp_path):
    path = tmp_path / "log"
    path.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert tail(path, 3) == ["line 99997", "line 99998", "line 99999"]


def test_tail_of_an_absent_file_is_empty(tmp_path):
    assert tail(tmp_path / "log", 3) == []


def test_one_log_has_no_prefix_and_several_have(tmp_path):
    (tmp_path / "a").write_text("1\n2\n")
    (tmp_path / "b").write_text("3\n")
    one, two = io.StringIO(), io.StringIO()
    show({"a": tmp_path / "a"}, 1, stream=one)
    show({"a": tmp_path / "a", "longer": tmp_path / "b"}, 5, stream=two)
    assert one.getvalue() == "2\n"
    assert two.getvalue().splitlines() == ["a      | 1", "a      | 2", "longer | 3"]


@pytest.fixture
def followed(tmp_path, monkeypatch):
    """Follows a log through steps, each a function that changes the file; returns what was shown."""
    monkeypatch.setattr("deploy.logs.POLL_SECONDS", 0)
    path = tmp_path / "log"

    def follow(*steps):
        shown, pending = io.StringIO(), iter(steps)

        def again():
            step = next(pending, None)
            if step:
                step(path)
            return step is not None

        show({"part": path}, 10, follow=True, stream=shown, again=again)
        return shown.getvalue().splitlines()

    return follow


def append(text):
    def step(path):
        with path.open("a") as file:
            file.write(text)

    return step


def test_following_shows_whole_lines_as_they_are_appended(followed):
    assert followed(append("one\nhal"), append("f\n"), append("three\n")) == ["one", "half", "three"]


def test_following_a_log_that_was_started_over(followed):
    assert followed(append("old line\n"), lambda path: path.write_text("new\n")) == ["old line", "new"]


def test_following_shows_what_was_there_before_once(followed, tmp_path):
    (tmp_path / "log").write_text("before\n")
    assert followed(append("after\n")) == ["before", "after"]
