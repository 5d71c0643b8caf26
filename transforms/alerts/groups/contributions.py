"""What the second stage has received from shards: their progress, and changes by late samples that do not count yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.times import LONG_AGO
from transforms.alerts.fragments.partials import Partials
from transforms.alerts.groups.progress import ShardProgress
from transforms.alerts.messages import Contribution, Part


class ReceivedContributions:
    """The contributions received so far.

    Attributes:
        newest_ms: the newest event time that any shard knows.
        first_reported_ms: the first evaluation time that shards reported before any was evaluated; None if they reported none.
        waiting: parts that count from a later evaluation time on, in the order in which they do.
    """

    def __init__(self, shards: int, progress: Mapping[str, Any] | None = None) -> None:
        """Start empty, or restore the progress of so many shards (:meth:`progress`)."""
        self.newest_ms = LONG_AGO
        self.first_reported_ms: int | None = None
        self.waiting: list[Part] = []
        self._progress = ShardProgress(shards) if progress is None else ShardProgress.from_plain(progress, shards)

    @property
    def complete_ms(self) -> int:
        """See :attr:`transforms.alerts.groups.progress.ShardProgress.complete_ms`."""
        return self._progress.complete_ms

    def progress(self) -> Any:
        """The progress of shards, for a checkpoint."""
        return self._progress.as_plain()

    def take_up(self, contribution: Contribution, *, begun: bool) -> list[Partials]:
        """Take a contribution. Returns its first reports, which count at once.

        Args:
            contribution: of a shard.
            begun: whether anything was evaluated yet.
        """
        self.newest_ms = max(self.newest_ms, contribution.newest_ms)
        self._progress.update(contribution)
        if not begun:
            # Revisions of earlier evaluation times become known later, and must not count by arriving in the same bundle.
            first = [int(part.partials.times[0]) for part in contribution.parts if not part.partials.revision]
            times = [contribution.until_ms, *first]
            self.first_reported_ms = (
                min(times) if self.first_reported_ms is None else min(self.first_reported_ms, *times)
            )
        self.waiting += [part for part in contribution.parts if part.partials.revision > 0]
        self.waiting.sort(key=lambda each: (each.effective_ms, each.partials.shard, each.partials.revision))
        return [part.partials for part in contribution.parts if part.partials.revision <= 0]

    def known(self, time_ms: int) -> list[Part]:
        """Take out the parts that count at an evaluation time."""
        known = [part for part in self.waiting if part.effective_ms <= time_ms]
        self.waiting = self.waiting[len(known) :]
        return known

    def earliest_ms(self, first: int | None) -> int:
        """The first time that shards have reported, including changes by late samples up to the first evaluation time."""
        late = [
            int(part.partials.times[0]) for part in self.waiting if first is not None and part.effective_ms <= first
        ]
        return min([self.first_reported_ms or 0, *late])
