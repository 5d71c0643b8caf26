from __future__ import annotations

import pytest

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL
from transforms.io.files.content_types import content_type_of, suffix_of


@pytest.mark.parametrize(
    ("path", "suffix", "content_type"),
    [
        ("a/b.lp", ".lp", LINE_PROTOCOL),
        ("CPU.LP.GZ", ".lp", LINE_PROTOCOL),
        ("x.line", ".line", LINE_PROTOCOL),
        ("x.influx", ".influx", LINE_PROTOCOL),
        ("x.json", ".json", JSON_SCRAPE),
        ("x.jsonl.gz", ".jsonl", JSON_SCRAPE),
        ("x.ndjson", ".ndjson", JSON_SCRAPE),
        ("x.lp.txt", ".txt", None),
        ("a.lp/x", "", None),
        ("x.gz", "", None),
        ("x.gz.lp", ".lp", LINE_PROTOCOL),
    ],
)
def test_the_end_of_a_name_says_the_format(path: str, suffix: str, content_type: str | None) -> None:
    assert (suffix_of(path), content_type_of(path)) == (suffix, content_type)
