from __future__ import annotations

import pytest

from services.kit.suggestions import did_you_mean, nearest

OURS = ("--input", "--kafka-config", "--precision")
BEAM = ("--region", "--job_name", "--inputs_of_others")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("--imput", "--input"),
        ("--INPUT", "--input"),
        ("--kafka_config", "--kafka-config"),
        ("--kafkaconfig", "--kafka-config"),
        # More like a word of the first group than of the second, or nearly so.
        ("--presicion", "--precision"),
        ("--input_of_others", "--inputs_of_others"),
        ("--regoin", "--region"),
        # Dashes are no likeness.
        ("--zzz", None),
        ("", None),
    ],
)
def test_the_nearest_word(word: str, found: str | None) -> None:
    assert nearest(word, OURS, BEAM) == found


def test_a_suggestion_ends_a_message() -> None:
    assert did_you_mean("lst", ("ls", "lag")) == "; did you mean ls?"
    assert did_you_mean("xyz", ("ls", "lag")) == ""
