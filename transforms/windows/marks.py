"""The watermarks of partitions as windows receive them: a window fires once every partition has passed its end.

A source sends a mark behind each block of a partition: the watermark that the partition had before the block, and the one that it has after it
(:mod:`transforms.machines.watermarks`). Here a mark becomes an element for each window that ended in between, and each shard. It follows all
elements of that window that the partition sends in time, since elements stay in order on the way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from transforms.machines import watermarks
from transforms.machines.watermarks import LAUNCH, Watermarks
from transforms.windows.content import Key

MOST_WINDOWS = 4
"""How many windows a mark names: the last ones. A block of few series may span a hundred windows, and naming them all for each shard would cost
more than the samples do. The others wait for the runner's watermark."""

_MARK = b"\0"


def elements_of(mark: bytes, shards: int, window_ms: int) -> Iterator[tuple[bytes, bytes]]:
    """The elements for windows that a source's mark becomes, each with its key.

    Args:
        mark: the data of the mark.
        shards: how many there are.
        window_ms: the length of windows.
    """
    moved = watermarks.decode(mark)
    before, after = moved[0], moved[-1]
    element = _MARK + watermarks.encode([after])
    for window in ended(before.watermark_ms, after.watermark_ms, window_ms):
        for shard in range(shards):
            yield Key(shard, window).encode(), element


def ended(before_ms: int, after_ms: int, window_ms: int) -> range:
    """The starts of the windows that end after one watermark and not after another: the last :data:`MOST_WINDOWS` of them."""
    last = after_ms - after_ms % window_ms
    first = max(before_ms - before_ms % window_ms + window_ms, last - (MOST_WINDOWS - 1) * window_ms)
    return range(first - window_ms, last, window_ms)


def is_mark(element: bytes) -> bool:
    """Whether an element of a window is a mark. No wire form of rows begins with a zero."""
    return element.startswith(_MARK)


def stored(element: bytes) -> bytes:
    """A mark as the state of a window keeps it."""
    return element[len(_MARK) :]


def all_passed(kept: Iterable[bytes], sources: Collection[int], end_ms: int) -> bool:
    """Whether the marks of a window say that all partitions of all sources have passed a time.

    Args:
        kept: as :func:`stored` gave them.
        sources: the numbers of the sources.
        end_ms: the time.
    """
    return Watermarks(sources, b"".join((watermarks.encode([LAUNCH]), *kept))).complete_ms >= end_ms


class Progress:
    """The newest marks of partitions that came to any window here: a cheap answer to whether it is worth looking at those of one window.

    It is no more than that. Windows of several workers may come here, and after a failure partitions may be behind what is here.
    """

    def __init__(self, sources: Collection[int]) -> None:
        """Nothing has come from these sources."""
        self._newest = Watermarks(sources)
        self._newest.update([LAUNCH], _always)

    def passed(self, element: bytes, end_ms: int) -> bool:
        """Take a mark. Whether all partitions have passed a time, as far as is known here."""
        self._newest.update(watermarks.decode(stored(element)), _always)
        return self._newest.complete_ms >= end_ms


def _always(before: int, after: int) -> bool:
    return True
