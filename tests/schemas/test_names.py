from __future__ import annotations

import pytest

from schemas.names import (
    MAX_NAME_BYTES,
    MAX_TOPIC_LENGTH,
    check_bucket,
    check_folder,
    check_label,
    check_topic,
    text_of,
)


@pytest.mark.parametrize("name", ["1m", "one minute", "a.b", "x+y", "\u00fc", "a" * MAX_NAME_BYTES])
def test_a_name_that_can_be_a_folder(name: str) -> None:
    check_folder("tiers", name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "../x", "a/b", "a\\b", "-a", "a ", "a.", "a\n", "a" * (MAX_NAME_BYTES + 1)]
)
def test_a_name_that_leads_out_of_its_folder_or_hides(name: str) -> None:
    with pytest.raises(ValueError, match=r"^tiers: .* cannot be a name"):
        check_folder("tiers", name)


@pytest.mark.parametrize("name", ["host", "k8s.node/name", "\u00fc", "__name"])
def test_any_text_can_be_a_label(name: str) -> None:
    check_label("target_labels", name)


@pytest.mark.parametrize("name", ["", "__name__"])
def test_no_label(name: str) -> None:
    with pytest.raises(ValueError, match=r"^target_labels: .* cannot be the name of a label"):
        check_label("target_labels", name)


@pytest.mark.parametrize("name", ["metrics.raw", "a", "a-b_c", "...", "a" * MAX_TOPIC_LENGTH])
def test_a_topic(name: str) -> None:
    check_topic("--input", name)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "\u00fc", "a" * (MAX_TOPIC_LENGTH + 1)])
def test_no_topic(name: str) -> None:
    with pytest.raises(ValueError, match=r"^--input: .* cannot be a topic"):
        check_topic("--input", name)


@pytest.mark.parametrize("name", ["", " ", "_internal", "a\nb"])
def test_no_bucket(name: str) -> None:
    check_bucket("tiers", "rollup_1m")
    with pytest.raises(ValueError, match=r"^tiers: .* cannot be a bucket"):
        check_bucket("tiers", name)


def test_a_number_is_its_digits_and_a_truth_value_is_no_text() -> None:
    assert (text_of("tiers", 5), text_of("tiers", "x")) == ("5", "x")
    for value in (True, None, 1.5):
        with pytest.raises(ValueError, match=r"^tiers: a text is wanted, not "):
            text_of("tiers", value)
