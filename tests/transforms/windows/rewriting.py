"""Windows that write their buckets at once, whatever came: the model that :class:`transforms.windows.machine.WindowMachine` must not differ from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from transforms.machines.machine import Cells, Machine, Out, Timer, Timers
from transforms.windows import machine as window_algorithm
from transforms.windows.content import Key
from transforms.windows.machine import PANES, WindowSettings

BUCKETS = [f"bucket{index:02d}" for index in range(16)]


class Rewriting(Machine):
    """Merges, emits and writes buckets at each timer. Its state besides them is in plain text."""

    CELLS = ("panes", "number")
    BAGS = ("pending", "late", *BUCKETS)

    settings: WindowSettings

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> tuple[Out, ...]:
        of = self.settings
        window = Key.decode(key).window
        end = window + of.window_ms + of.after_ms
        expiry = end + of.lateness_ms
        reached, late = of.content.attributes(element)
        timers.at(expiry, "expire")
        if late or (of.after_ms and reached >= end):
            cells.append("late", element)
            delay = of.late_pane_delay_ms
            due = min(max((reached // delay + 1) * delay if delay else reached, end), expiry)
            timers.at(due, f"late{due}")
        else:
            cells.append("pending", element)
            timers.at(end, "on_time")
            if of.fold_ms:
                fold = ((max(reached, window) + of.lateness_ms) // of.fold_ms + 1) * of.fold_ms
                if fold < end:
                    timers.at(fold, f"fold{fold}")
        return ()

    def fire(self, key: bytes, timer: Timer, cells: Cells, timers: Timers) -> Iterator[Out]:
        of, content, last = self.settings, self.settings.content, timer.tag == "expire"
        stored = cells.read("panes")
        panes, number = int(stored or 0), int(cells.read("number") or 1)
        fold = timer.tag.startswith("fold")
        elements = cells.read_bag("pending") + ([] if fold else cells.read_bag("late"))
        if fold and (not elements or panes):
            return
        if not elements and (stored is None or panes):
            if last:
                self._clear(cells)
            return
        arrivals = [content.arrival(data) for data in elements]
        touched = [0] if number == 1 else sorted({int(b) for rows in arrivals for b in content.buckets(rows, number)})
        kept = [content.load(data) for bucket in touched for data in cells.read_bag(BUCKETS[bucket])]
        whole = kept[0] if len(kept) == 1 else content.rows(content.merge(None, kept).rows) if kept else None
        merge = content.merge(whole, arrivals)
        pane = None
        if not fold:
            for name, count in merge.counted.items():
                self.count(name, count)
            for name, texts in merge.noted.items():
                self.noted.setdefault(name, set()).update(texts)
            pane = content.pane(merge.rows, Key.decode(key), panes, timer.time_ms)
        if pane is not None:
            self.count(f"{'corrections' if panes else 'panes'}.{of.name}")
            self.count(f"rows.{of.name}", pane.rows)
            yield Out(timer.time_ms, PANES, pane.data)
        if last:
            self._clear(cells)
            return
        cells.replace("pending", [])
        if not fold:
            cells.replace("late", [])
        if of.lateness_ms:
            rows = content.prune(merge.rows, timer.time_ms)
            if not fold and not panes:
                number = min(16, max(1, len(rows) // window_algorithm.ROWS_PER_BUCKET))
                touched = list(range(number))
            place = content.buckets(rows, number)
            for bucket in touched:
                found = rows if number == 1 else rows.take(np.flatnonzero(place == bucket))
                cells.replace(BUCKETS[bucket], [content.dump(found)])
        fired = panes if fold else panes + (pane is not None or not panes)
        cells.write("panes", b"%d" % fired)
        cells.write("number", b"%d" % number)

    def _clear(self, cells: Cells) -> None:
        for bag in self.BAGS:
            cells.replace(bag, [])
        for cell in self.CELLS:
            cells.clear(cell)
