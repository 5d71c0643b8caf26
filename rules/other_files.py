"""Files that stand beside rule files and are none: unit tests, configurations, Kubernetes objects."""

from __future__ import annotations

import re

_OTHER = re.compile(r"^(tests|rule_files|scrape_configs|evaluation_interval|apiVersion|repos)[ \t]*:", re.MULTILINE)
_GROUPS = re.compile(r"^[\"']?groups[\"']?[ \t]*:", re.MULTILINE)


def is_other(text: str) -> bool:
    """Whether a file that a search came upon is of another kind, by the keys at its top: a broken rule file is not."""
    return _OTHER.search(text) is not None and _GROUPS.search(text) is None
