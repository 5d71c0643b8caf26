"""Generated rules over generated samples come to the same in the stage and in a real Prometheus, samples in disorder or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parity.compare import compare

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.mark.parametrize("seed", [3, 5, 6])
def test_generated_rules(seed: int, tmp_path: Path) -> None:
    found = compare(seed, tmp_path)
    assert min(found.prometheus.count(state) for state in ("pending", "firing", "resolved", "inactive")) >= 15
    assert found.stage.corrections == 0
    assert found.differences == []
    assert found.corrections >= 10
    assert found.disordered == []
