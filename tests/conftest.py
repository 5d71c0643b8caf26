"""For all tests."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

_FEW = 15

# A machine that is busy with something else is no failure.
settings.register_profile("untimed", deadline=None)
if "MUTANT_UNDER_TEST" in os.environ:
    # Of `make mutants`: few examples, and the same ones each time, so that a mutant that survives once does so again.
    settings.register_profile(
        "mutants",
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=_FEW,
        # The smallest example is of no use to a machine, and takes most of the time.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")
    _made = settings.__init__

    def _with_few_examples(self: settings, parent: settings | None = None, **given: Any) -> None:
        _made(self, parent, **{**given, "max_examples": min(given.get("max_examples", _FEW), _FEW)})

    settings.__init__ = _with_few_examples  # type: ignore[method-assign]
else:
    settings.load_profile("untimed")
