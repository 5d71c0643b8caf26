"""Replacements for what a pattern matches, as Go's ``regexp`` expands them (``Regexp.Expand``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


def expand(template: str, groups: Sequence[str | None], names: Mapping[str, int]) -> str:
    """A replacement with ``$1``, ``$name`` and ``${name}`` filled in; unknown groups are empty, ``$$`` is ``$``.

    A name after ``$`` is as long as it can be: ``$1x`` is the group ``1x``.

    Args:
        groups: what the whole pattern matched, and each of its groups; None for one that matched nothing.
        names: the number of each named group.
    """

    def fill(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        if name.isdecimal() and name.isascii():
            # Go takes digits as a number, unless they start with a needless zero.
            number = int(name) if len(name) < 9 and (name == "0" or name[0] != "0") else len(groups)
        else:
            number = names.get(name, len(groups))
        return (groups[number] or "") if number < len(groups) else ""

    return _REFERENCE.sub(fill, template) if "$" in template else template
