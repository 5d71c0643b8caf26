"""How far shards have spoken, whatever the order in which their contributions come.

A contribution names the *place* where its shard's one before it ended: the last instant that the shard has reported, and how many *amendments*
it has made, contributions that report no new instant (what a change of rules asks of earlier ones, what was still unknown when the input
ended). Two contributions of a shard, of which the first comes last::

    (12:01, 0) -> (12:03, 0)    kept beyond the front, which is not known yet
    begins -> (12:01, 0)        the front is (12:03, 0): both are here, and nothing is missing between them
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.times import LONG_AGO
from transforms.alerts.messages import BEGINNING_MS, Contribution


class Place(NamedTuple):
    """Where a shard stands between two contributions; they follow each other in ascending order."""

    until_ms: int
    amendments: int


class ShardProgress:
    """The front of each shard: everything that it said up to there is here.

    What bounds the state: a place for each shard, and one for each contribution that has overtaken another one.
    """

    def __init__(self, shards: int) -> None:
        """Nothing is heard yet of so many shards."""
        self._shards = shards
        self._fronts: dict[int, Place] = {}
        self._beyond: dict[int, dict[Place, Place]] = {}

    def update(self, contribution: Contribution) -> None:
        """Take up a contribution; one that is known changes nothing."""
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
        """What all shards say of instants up to this one, and what is known at them, is here.

        Long ago if one has not been heard from its beginning on.
        """
        if len(self._fronts) < self._shards:
            return LONG_AGO
        return min(front.until_ms for front in self._fronts.values())

    def as_plain(self) -> dict[str, Any]:
        """In lists, dictionaries and numbers, for a checkpoint."""
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
        """What :meth:`as_plain` gave."""
        found = cls(shards)
        found._fronts = {shard: Place(*front) for shard, *front in plain["fronts"]}
        for shard, begin_ms, before, end_ms, after in plain["beyond"]:
            found._beyond.setdefault(shard, {})[Place(begin_ms, before)] = Place(end_ms, after)
        return found
