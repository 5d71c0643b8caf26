"""Durations as Prometheus prints and computes with them; ``schemas.times`` reads them."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from schemas.times import UNITS


def format_duration(milliseconds: int) -> str:
    """The text Prometheus gives a duration: years and weeks only where they are whole, so 90 days are ``90d``; a minus leads a negative one."""
    parts, rest = ["-"] if milliseconds < 0 else [], abs(milliseconds)
    for unit, size in UNITS.items():
        if unit in "yw" and rest % size:
            continue
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


@overload
def seconds(milliseconds: int) -> float: ...
@overload
def seconds(milliseconds: NDArray[np.int64]) -> NDArray[np.float64]: ...
def seconds(milliseconds: Any) -> Any:
    """A duration, or many of them, in seconds, rounded as Go does it (``Duration.Seconds``): whole seconds and the rest apart."""
    whole, rest = divmod(milliseconds, 1_000)
    return whole + rest / 1_000
