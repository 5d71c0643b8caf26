from __future__ import annotations

import re
from pathlib import Path

from schemas.aggregates import AGGREGATES

DOCS = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text()


def test_the_docs_list_every_aggregate() -> None:
    (table,) = re.findall(r"^\| value \| type \| meaning \|\n\|[-|]+\|\n((?:\|.*\n)+)", DOCS, re.MULTILINE)
    assert table == "".join(f"| `{each.name}` | {each.kind.value} | {each.meaning} |\n" for each in AGGREGATES)


def test_no_two_aggregates_share_a_name() -> None:
    names = [each.name for each in AGGREGATES]
    assert len(set(names)) == len(names)
