"""The engine and a real Prometheus 3 agree on 10,000 random queries over random data."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.errors import StackError
from deploy.install.cache import install
from deploy.install.recipes import PROMETHEUS3
from tests.oracle.compare import DEFAULT_CASES, DEFAULT_SEED, compare

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def test_random_queries_agree(tmp_path: Path) -> None:
    try:
        install(PROMETHEUS3)
    except StackError as error:
        pytest.skip(str(error))
    report = compare(tmp_path, DEFAULT_CASES, DEFAULT_SEED)
    shown = [f"{found.smallest}: {found.smallest_words}" for found in report.differences[:10]]
    assert shown == []
    assert report.cases == DEFAULT_CASES
    # Queries that find nothing, or fail on both sides, would agree without testing much.
    assert report.outcomes["rows"] > 0.6 * DEFAULT_CASES
