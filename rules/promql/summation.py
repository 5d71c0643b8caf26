"""Addition of columns of numbers with the rounding errors kept, to be added at the end.

This is Neumaier's variant of Kahan's summation, as ``kahansum.Inc`` of Prometheus has it, so that sums agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rules.promql.values import Floats

SAFE = 1e300

Increment = Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]
"""``(increment, sum, compensation)`` to the new sum and compensation."""


def increment(more: Floats, total: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """One addition that also holds where a sum overflows, or is infinite from the start."""
    new = total + more
    error = np.where(np.abs(total) >= np.abs(more), (total - new) + more, (more - new) + total)
    return new, np.where(np.isinf(new), 0.0, lost + error)


def increment_number(more: float, total: float, lost: float) -> tuple[float, float]:
    """:func:`increment` of single numbers, which is slow work for arrays."""
    new = total + more
    if abs(new) == np.inf:
        return new, 0.0
    return new, lost + ((total - new) + more if abs(total) >= abs(more) else (more - new) + total)


def quick_increment(more: Floats, total: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """One addition of numbers that cannot overflow: Knuth's exact error, which is Neumaier's without its comparison."""
    new = total + more
    part = new - total
    error = new - part
    np.subtract(total, error, out=error)
    np.subtract(more, part, out=part)
    error += part
    error += lost
    return new, error


def incrementer(values: Floats, longest: int, power: int = 1) -> Increment:
    """The quicker of the two when sums of ``longest`` of the values, raised to a power, stay finite."""
    largest = float(np.abs(values).max(initial=1.0))
    # Not true either when there is a NaN.
    return quick_increment if largest < (SAFE / max(longest, 1)) ** (1 / power) else increment
