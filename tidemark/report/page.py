"""A page that is one file: its styles, scripts and data within, asking nothing of any network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import NamedTuple


class Static(NamedTuple):
    """A file in the folder ``static`` of a package."""

    package: str
    name: str

    def text(self) -> str:
        return (files(self.package) / "static" / self.name).read_text(encoding="utf-8")


def fill(template: Static, styles: Sequence[Static], scripts: Sequence[Static], data: str, **others: str) -> str:
    """The page as text: ``$styles``, ``$scripts``, ``$data`` (JSON) and others put into a template."""
    return Template(template.text()).substitute(
        styles="\n".join(each.text() for each in styles),
        scripts="\n".join(each.text() for each in scripts),
        # Of JSON only strings hold this character; written so, none of them can end the script element or begin a comment in it.
        data=data.replace("<", "\\u003c"),
        **others,
    )
