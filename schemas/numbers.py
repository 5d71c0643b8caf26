"""Numbers as people write them: ASCII digits, and nothing that a float or an integer of 64 bits cannot hold.

Python itself reads more than is meant: ``1_000``, digits of any script, ``1e400`` as infinity.
"""

from __future__ import annotations

import math
import re

_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?(?:nan|inf)", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_SHOWN = 60


def decimal(text: str) -> float:
    """A finite decimal number.

    Raises:
        ValueError: the text is none, or it is out of the range of a 64-bit float.
    """
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"a number is wanted, not {_shown(text)}")
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{_shown(text)} is out of the range of a 64-bit float")
    return value


def sample_value(text: str) -> float:
    """A decimal number, or what is no finite one as Prometheus, InfluxDB and Python's libraries write it: ``NaN``, ``+Inf``, ``-inf``, ...

    Raises:
        ValueError: as :func:`decimal`.
    """
    return float(text) if _SPECIAL.fullmatch(text) else decimal(text)


def whole(text: str) -> int:
    """A whole number of at most 18 decimal digits.

    Raises:
        ValueError: the text is none.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"a whole number is wanted, not {_shown(text)}")
    return int(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
