"""Progress in the terminal: a bar, or lines where standard error is not a terminal."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection
from itertools import chain
from statistics import mean

from imdbclust.base.terminal import terminal_bar
from imdbclust.running.execute import Outcome
from imdbclust.running.plan import PlannedStage
from imdbclust.running.stages import cells_of

SHARES = {"load": 9, "matrix": 2, "reduction": 26, "clustering": 49, "probabilities": 14}
"""Percent of the time of a run, measured on 36,115 movies with a quick evaluation."""

EVALUATION = {"off": 0.2, "full": 8}
"""How much longer a stage takes with another evaluation."""

_LAYOUT = "{percentage:3.0f} %|{bar}| {elapsed}"


class Watch:
    """Follows executions, and keeps their outcomes by key."""

    def __init__(self, total: float, before: str, after: str):
        self.outcomes: dict[str, Outcome] = {}
        # without smoothing, the time left is by the average speed since the start
        how = {"bar_format": f"{before}{_LAYOUT}{after}", "leave": False, "smoothing": 0}
        self._bar = terminal_bar(total=total, **how)

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

    def began(self, planned: PlannedStage) -> None:
        """Show what is being executed."""
        self._bar.set_description_str(planned.name)

    def cell(self) -> None:
        """Report that a cell has been executed."""

    def ended(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Report how an execution ended, or that it was reused."""
        self.outcomes[planned.key] = outcome


class RunProgress(Watch):
    """Progress of a run: its bar counts cells, with more weight in stages that take longer."""

    def __init__(self, planned: list[PlannedStage]):
        self._shares = {stage.name: _share(stage) for stage in planned}
        self._step = self._ended = 0.0
        super().__init__(sum(self._shares.values()), "{desc:<24} ", ", about {remaining} left")

    def began(self, planned: PlannedStage) -> None:
        """Show what is being executed."""
        super().began(planned)
        self._step = self._shares[planned.name] / len(cells_of(planned.stage))

    def cell(self) -> None:
        """Advance the bar."""
        self._bar.update(self._step)

    def ended(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Print or show how an execution ended."""
        super().ended(planned, outcome)
        if outcome.reused:  # it says nothing about the time that the others take
            self._bar.total -= self._shares[planned.name]
            self._bar.refresh()
        else:  # cells may have been skipped
            self._ended += self._shares[planned.name]
            self._bar.update(self._ended - self._bar.n)
        if outcome.status == "done":
            how = "reused" if outcome.reused else f"{outcome.record['seconds']:.1f} s"
            self.say(f"  {planned.name:<20} {how}{_why(outcome)}")


class SweepProgress(Watch):
    """Progress of a sweep: its bar counts executions; without a bar, a line for each tenth."""

    def __init__(self, planned: Collection[PlannedStage]):
        self._total, self._running = len(planned), set()
        self._counts = {"done": 0, "reused": 0, "failed": 0, "skipped": 0}
        self._left = Counter(one.stage for one in planned)
        self._seconds: dict[str, list[float]] = {}  # of the executions of each stage so far
        self._began = time.monotonic()
        super().__init__(self._total, "{desc} ", "{postfix}")

    def began(self, planned: PlannedStage) -> None:
        """Show how many stages are being executed."""
        self._running.add(planned.key)
        self._bar.set_description_str(self._summary())

    def ended(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Print or show how an execution ended."""
        super().ended(planned, outcome)
        self._running.discard(planned.key)
        self._counts["reused" if outcome.reused else outcome.status] += 1
        self._left[planned.stage] -= 1
        if outcome.status == "done" and not outcome.reused:
            self._seconds.setdefault(planned.stage, []).append(outcome.record["seconds"])
        if left := self.seconds_left(time.monotonic() - self._began):
            text = f"about {self._bar.format_interval(left)} left"
            self._bar.set_postfix_str(text, refresh=False)
        if outcome.status == "failed":
            self.say(f"  {planned.name} failed: {outcome.error['message']}")
        elif outcome.replaced:
            self.say(f"  {planned.name} done{_why(outcome)}")
        self._bar.set_description_str(self._summary())
        self._bar.update()
        ended = len(self.outcomes)
        if self._bar.disable and ended * 10 // self._total > (ended - 1) * 10 // self._total:
            self.say(f"  {ended} of {self._total} stages: {self._summary()}")

    def seconds_left(self, elapsed: float) -> float | None:
        """Return the estimated time to the end of the sweep; None before an execution has ended.

        Executions of a stage take as long as those so far, those of an unknown stage as long as the
        average one, and as many run in parallel as so far.
        """
        spent = list(chain.from_iterable(self._seconds.values()))
        if not sum(spent):
            return None
        means = {stage: mean(seconds) for stage, seconds in self._seconds.items()}
        work = sum(n * means.get(stage, mean(spent)) for stage, n in self._left.items())
        return work * elapsed / sum(spent)

    def _summary(self) -> str:
        counts = {"running": len(self._running), **self._counts}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _share(planned: PlannedStage) -> float:
    """Return about how long a stage takes, compared with the others of a run."""
    share = SHARES.get(planned.stage, 10)
    return share * EVALUATION.get(planned.parameters.get("evaluation"), 1)


def _why(outcome: Outcome) -> str:
    return f" (recomputed: {outcome.replaced})" if outcome.replaced else ""
