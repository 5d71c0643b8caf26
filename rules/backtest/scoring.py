"""How well alerts meet what is known of the past: labelled windows found, false alarms, and how long it took.

An alert *concerns* a labelled series if its labels fit the series' matchers (the metric name apart, which alerts do not carry) and its rule
reads the series' metric. A window is *found* by an alert that concerns its series and fires at an evaluation time in it, both ends included; it may
have begun before. A firing episode is a *false alarm* if it concerns labelled series and fires in none of their windows. Episodes that
concern no labelled series are neither right nor wrong: they are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from rules.backtest.run import Backtest, Episode
from rules.evaluation.alerts import Labels
from rules.evaluation.program import Prepared
from rules.planning.reach import Reach, Selector
from rules.promql.labels import METRIC_NAME
from rules.promql.matchers import predicate
from rules.promql.syntax import ast

Window = tuple[int, int]
"""First and last evaluation time, in milliseconds, both included."""


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """A series, or several, of which it is known when something was wrong.

    Attributes:
        title: what to call it.
        matchers: of the series.
        windows: when something was wrong; none is knowledge too.
    """

    title: str
    matchers: Selector
    windows: tuple[Window, ...] = ()

    def within(self, start_ms: int, end_ms: int) -> LabelledSeries:
        """With the windows only that overlap a range."""
        kept = tuple(each for each in self.windows if each[0] <= end_ms and each[1] >= start_ms)
        return LabelledSeries(self.title, self.matchers, kept)

    def fits(self, labels: Labels) -> bool:
        """Whether the labels of an alert are those of the series, as far as alerts carry them."""
        known = dict(labels)
        return all(predicate(it)(known.get(it.name, "")) for it in self.matchers if it.name != METRIC_NAME)

    def seen_by(self, reach: Reach) -> bool:
        """Whether a rule reads the series' metric."""
        named = [it.value for it in self.matchers if it.name == METRIC_NAME and it.op is ast.MatchOp.EQUAL]
        return all(map(reach.sees, named))


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one rule, or of all together.

    Attributes:
        windows: labelled windows of series whose metric is read; in the total, all of them.
        found: how many of them were found.
        episodes: firing episodes that concern labelled series.
        false_alarms: how many of them fired in no window.
        unlabelled: firing episodes that concern no labelled series.
        unread: how many of the windows are of series whose metric is not read; counted in the total only.
        delays_ms: for each found window, from its beginning to the first firing evaluation time in it.
    """

    windows: int = 0
    found: int = 0
    episodes: int = 0
    false_alarms: int = 0
    unlabelled: int = 0
    unread: int = 0
    delays_ms: tuple[int, ...] = ()

    @property
    def recall(self) -> float | None:
        """Found windows of all; None if there are none."""
        return self.found / self.windows if self.windows else None

    @property
    def precision(self) -> float | None:
        """Episodes that are no false alarms, of those that concern labelled series; None if there are none."""
        return 1 - self.false_alarms / self.episodes if self.episodes else None

    @property
    def median_delay_ms(self) -> float | None:
        return median(self.delays_ms) if self.delays_ms else None


def score(found: Backtest, labelled: Sequence[LabelledSeries]) -> tuple[Score, dict[int, Score]]:
    """The score of all rules together, where a window is found if any of them finds it, and of each alerting rule by position.

    Windows that do not overlap the range of the backtest are left out.
    """
    inside = [each.within(found.start_ms, found.end_ms) for each in labelled]
    fired = [each for each in found.episodes if each.fired]
    rules = {rule.position: _score(found, [rule], inside, fired) for rule in found.alerts}
    return _score(found, found.alerts, inside, fired, every=True), rules


def fires_in(episode: Episode, window: Window) -> bool:
    """Whether an episode fires at an evaluation time of a window."""
    if episode.firing_since is None or episode.firing_since > window[1]:
        return False
    return episode.until > window[0] or (episode.ended_at is None and episode.until == window[0])


def _score(
    found: Backtest,
    rules: Iterable[Prepared],
    labelled: Sequence[LabelledSeries],
    fired: Sequence[Episode],
    *,
    every: bool = False,
) -> Score:
    positions = {rule.position for rule in rules}
    own = [each for each in fired if each.rule.position in positions]
    right: set[int] = set()
    concerned: set[int] = set()
    windows, unread = 0, 0
    delays: list[int] = []
    for series in labelled:
        seen = {at for at in positions if series.seen_by(found.reaches[at])}
        if not seen and not every:
            continue
        about = [at for at, each in enumerate(own) if each.rule.position in seen and series.fits(each.labels)]
        concerned.update(about)
        windows += len(series.windows)
        unread += 0 if seen else len(series.windows)
        for window in series.windows:
            hits = [at for at in about if fires_in(own[at], window)]
            right.update(hits)
            if hits:
                delays.append(min(max((own[at].firing_since or 0) - window[0], 0) for at in hits))
    return Score(
        windows,
        len(delays),
        len(concerned),
        len(concerned - right),
        len(own) - len(concerned),
        unread,
        tuple(delays),
    )
