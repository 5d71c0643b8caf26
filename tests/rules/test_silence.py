"""An expression that is passed over for want of samples would have yielded nothing, and not failed either."""

from __future__ import annotations

import pytest

from rules.promql.parser import parse
from rules.silence import is_silent


@pytest.mark.parametrize(
    ("expr", "silent"),
    [
        ("gone", True),
        ("here", False),
        ("sum by (a) (rate(gone[5m]))", True),
        ("-(gone) * 2 > bool 1", True),
        ("2 / gone", True),
        ("max_over_time((gone > 1)[1h:1m])", True),
        ("gone or gone", True),
        ("gone or here", False),
        ("here and gone", False),
        ("gone * here", False),
        ("gone + vector(1)", False),
        ("absent(gone)", False),
        ("absent_over_time(gone[5m])", False),
        ("sum(absent(gone))", False),
        ("vector(1)", False),
        ("time()", False),
        ("vector(scalar(gone))", False),
        ("clamp_max(gone, scalar(here))", True),
        ("hour()", False),
        ("hour(gone)", True),
        # What fails whatever the data has to be evaluated to fail.
        ('count_values("not a label", gone)', False),
        ('label_replace(gone, "not a label", "", "", "")', False),
    ],
)
def test_what_is_silent(expr: str, silent: bool) -> None:
    assert is_silent(parse(expr), lambda selector: selector.name == "gone") is silent
