"""How rules are evaluated, and the names of what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.evaluation.program import Settings
from schemas.series import DEFAULT_TARGET_LABELS

CONTRIBUTIONS = "contributions"


EVENTS = "events"


SAMPLES = "samples"


@dataclass(frozen=True)
class EvaluationSettings:
    """How rules are evaluated.

    Attributes:
        files: texts of the rule files to begin with, by name.
        program: settings of evaluation that rule files do not hold.
        target_labels: the labels that make up a target part.
        shards: of the rules' first stage; fixed for the life of a job's state.
        grace_ms: how far the watermark must be past an evaluation time before it is evaluated.
        late_ms: how far before the watermark that overtook it a sample may lie (:attr:`schemas.batch.SampleBatch.overtaken`), at most.
        bounded: the input ends: nothing is evaluated after its newest sample.
        sources: numbers of the inputs, if all send partition watermarks (:mod:`transforms.machines.watermarks`), and elements stay in order from
            there to shards. Empty if not; evaluation times then wait for the runner's watermark.
        max_series: how many series a shard keeps; those that are new beyond it are refused, and counted.
    """

    files: Mapping[str, str]
    program: Settings = field(default_factory=Settings)
    target_labels: frozenset[str] = DEFAULT_TARGET_LABELS
    shards: int = 4
    grace_ms: int = 0
    late_ms: int = 361_000
    bounded: bool = False
    sources: frozenset[int] = frozenset()
    max_series: int = 1_000_000


SELECTORS = "rules.selectors"
"""The set of the selectors that have found series (:func:`rules.planning.no_data.selector_key`), which bounded runs note."""


METRICS = "rules.metrics"
"""The set of the names of metrics that rules received, likewise."""


LABELS = "rules.labels"
"""The set of what labels there are of metrics that a selector asks for and does not find, likewise
(:meth:`rules.planning.catalogue.Catalogue.texts`)."""


MAX_METRICS = 1_000
"""Names of metrics that a shard notes at the end of a bundle."""
