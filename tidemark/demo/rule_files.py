"""The demo's own alert rules, one file a source (:mod:`tidemark.report.payload`), and those given in their place."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tidemark.demo.job import DemoFailed
from tidemark.report.alerts import AlertsError, read_rules

NAMES = ("fleet", "computer")
"""Of the files, which are those of the sources."""


def texts(fleet: Path | None) -> dict[str, str]:
    """The rule files by name.

    Args:
        fleet: a file to take for the fleet's in place of the demo's own.

    Raises:
        DemoFailed: that file has errors.
        OSError: it cannot be read.
    """
    found = {name: (files("tidemark.demo") / "rules" / f"{name}.yml").read_text(encoding="utf-8") for name in NAMES}
    if fleet is not None:
        try:
            found["fleet"] = fleet.read_text(encoding="utf-8")
            read_rules(found["fleet"], str(fleet))
        except UnicodeDecodeError as error:
            raise DemoFailed(f"{fleet}: not UTF-8: {error}") from None
        except AlertsError as error:
            raise DemoFailed(f"the rules have errors:\n{error}") from None
    return found
