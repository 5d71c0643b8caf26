"""A plugin of pytest: few examples of each property, the same ones each time, and a failing one is not made smaller. A mutant would cost minutes.

python -m pytest -p tests.mutants.few_examples tests/transforms/alerts
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings

EXAMPLES = 5
_SETTINGS = "_hypothesis_internal_use_settings"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set this for all that are collected; hypothesis has no option that goes before a test's own settings."""
    for item in items:
        test = getattr(item, "obj", None)
        test = getattr(test, "__func__", test)
        own = getattr(test, _SETTINGS, None)
        if own is not None:
            setattr(
                test,
                _SETTINGS,
                settings(
                    own,
                    max_examples=min(own.max_examples, EXAMPLES),
                    derandomize=True,
                    database=None,
                    phases=(Phase.explicit, Phase.generate),
                ),
            )
