"""The state file."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import StackError
from deploy.process import Identity
from deploy.state import State, load, save

NAMES = st.text(min_size=1, max_size=20)
STATES = st.builds(
    State,
    ports=st.dictionaries(NAMES, st.integers(1, 65535)),
    settings=st.dictionaries(NAMES, st.one_of(st.text(), st.integers(), st.dictionaries(NAMES, st.text()))),
    processes=st.dictionaries(
        NAMES, st.builds(Identity, st.integers(1, 2**22), st.floats(0, 2e9, allow_nan=False), st.text())
    ),
    versions=st.dictionaries(NAMES, st.text()),
)


@given(state=STATES)
def test_a_state_is_read_back_as_it_was_saved(state, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "state.json"
    save(path, state)
    assert load(path) == state


def test_an_absent_file_is_an_empty_state(tmp_path):
    assert load(tmp_path / "state.json") == State()


def test_saving_leaves_nothing_else_behind(tmp_path):
    save(tmp_path / "state.json", State())
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"format": 2, "ports": {}, "settings": {}, "processes": {}, "versions": {}}),
        json.dumps({"format": 1, "ports": {}, "settings": {}, "processes": {"kafka": {"pid": 1}}, "versions": {}}),
        json.dumps({"format": 1, "ports": {}, "settings": {}, "processes": [], "versions": {}}),
    ],
)
def test_a_file_that_is_not_ours_is_named_with_what_to_do(text, tmp_path):
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(StackError, match="is not a state file of this stack") as raised:
        load(path)
    assert str(path) in str(raised.value)
    assert "delete it" in str(raised.value)
