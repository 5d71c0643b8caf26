"""How far shards have reported, in whatever order their contributions arrive.

A contribution names the *place* where the shard's previous one ended: the last evaluation time that the shard has reported, and how many *amendments*
it has made. An amendment is a contribution that reports no new evaluation time: values of earlier times for changed rules, or late samples that still
waited when the input ended. Two contributions of a shard that arrive in reverse order::

    (12:01, 0) -> (12:03, 0)    kept beyond the front, which is not known yet
    begins -> (12:01, 0)        the front is (12:03, 0): both are here, and nothing is missing between them
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.times import LONG_AGO
from transforms.alerts.messages import BEGINNING_MS, Contribution


class Place(NamedTuple):
    """The position of a shard between two contributions. Places are ordered."""

    until_ms: int
    amendments: int


class ShardProgress:
    """The front of each shard: all its contributions up to there have arrived.

    What bounds the state: a place for each shard, and one for each contribution that has overtaken another one.
    """

    def __init__(self, shards: int) -> None:
        """Start with no contributions of so many shards."""
        self._shards = shards
        self._fronts: dict[int, Place] = {}
        self._beyond: dict[int, dict[Place, Place]] = {}

    def update(self, contribution: Contribution) -> None:
        """Take a contribution. One that is known changes nothing."""
        shard = contribution.shard
        end = Place(contribution.until_ms, contribution.amendments)
        front = self._fronts.get(shard)
        if contribution.after_ms == BEGINNING_MS:
            front = end if front is None else max(front, end)
        elif front is None or end > front:
            begin = Place(contribution.after_ms, contribution.amendments - contribution.is_amendment)
            pieces = self._beyond.setdefault(shard, {})
            pieces[begin] = max(end, pieces.get(begin, end))
        if front is not None:
            self._fronts[shard] = self._joined(shard, front)

    def _joined(self, shard: int, front: Place) -> Place:
        """The front after all pieces that go on from it."""
        pieces = self._beyond.pop(shard, {})
        for begin in sorted(pieces):
            if begin > front:
                break
            front = max(front, pieces.pop(begin))
        if pieces:
            self._beyond[shard] = pieces
        return front

    @property
    def complete_ms(self) -> int:
        """The evaluation time up to which all contributions of all shards have arrived.

        ``LONG_AGO`` if the first contribution of a shard is missing.
        """
        if len(self._fronts) < self._shards:
            return LONG_AGO
        return min(front.until_ms for front in self._fronts.values())

    def as_plain(self) -> dict[str, Any]:
        """The progress as lists, dictionaries and numbers, for a checkpoint."""
        return {
            "fronts": [[shard, *front] for shard, front in sorted(self._fronts.items())],
            "beyond": [
                [shard, *begin, *end]
                for shard, pieces in sorted(self._beyond.items())
                for begin, end in sorted(pieces.items())
            ],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], shards: int) -> ShardProgress:
        """Restore the result of :meth:`as_plain`."""
        found = cls(shards)
        found._fronts = {shard: Place(*front) for shard, *front in plain["fronts"]}
        for shard, begin_ms, before, end_ms, after in plain["beyond"]:
            found._beyond.setdefault(shard, {})[Place(begin_ms, before)] = Place(end_ms, after)
        return found
