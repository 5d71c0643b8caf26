"""Values in remarks as Go writes them, which is how Prometheus words its own."""

from __future__ import annotations

import math


def general(value: float) -> str:
    """Go's ``%g``: the shortest digits that read back the same, an exponent from a million on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    mantissa = f"{value!r}".partition("e")[0]
    digits = mantissa.lstrip("-").replace(".", "").lstrip("0").rstrip("0") or "0"
    power = int(f"{value:.16e}".partition("e")[2]) if value else 0
    if -4 <= power < 6 or not value:
        text = f"{value:.{max(len(digits) - 1 - power, 0)}f}"
        return text
    return f"{value:.{len(digits) - 1}e}"
