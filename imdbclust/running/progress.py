"""Progress in the terminal: one bar where somebody watches, one line a stage where nobody does."""

from __future__ import annotations

import sys

from imdbclust.running.execute import Outcome
from imdbclust.running.plan import PlannedStage
from imdbclust.running.stages import cells_of


class _Bar:
    """A bar where somebody watches; lines can be said above it, or in its place."""

    def __init__(self, total: int, layout: str):
        from tqdm import tqdm

        self._watched = sys.stderr.isatty()
        self._bar = tqdm(total=total, disable=not self._watched, bar_format=layout, leave=False)

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._watched:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


class Progress(_Bar):
    """Tell how far a run is.

    Parameters
    ----------
    planned : list of PlannedStage
        All stages of the run.
    """

    def __init__(self, planned: list[PlannedStage]):
        self._cells = {stage.name: _count_cells(stage) for stage in planned}
        layout = "{desc:<24} {percentage:3.0f} %|{bar}| {elapsed}, about {remaining} left"
        super().__init__(sum(self._cells.values()), layout)

    def begin(self, planned: PlannedStage) -> None:
        """Say that a stage begins."""
        self._bar.set_description_str(planned.name)

    def cell(self) -> None:
        """Say that a cell is done."""
        self._bar.update()

    def end(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Say that a stage is done, or was there."""
        if outcome.reused:
            self._bar.update(self._cells[planned.name])
        how = "there already" if outcome.reused else f"{outcome.record['seconds']:.1f} s"
        self.say(f"  {planned.name:<20} {how}{_why(outcome)}")


class SweepProgress(_Bar):
    """Tell how far a sweep is: one bar where somebody watches, a line each tenth where not.

    Parameters
    ----------
    total : int
        Executions of the sweep.
    """

    def __init__(self, total: int):
        self._total, self._running = total, set()
        self._counts = {"done": 0, "shared": 0, "failed": 0, "skipped": 0}
        super().__init__(
            total, "{desc} {percentage:3.0f} %|{bar}| {elapsed}, about {remaining} left"
        )

    def began(self, key: str) -> None:
        """Say that an execution is under way."""
        self._running.add(key)
        self._bar.set_description_str(self._told())

    def ended(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Say how an execution ended, or that its result was there already."""
        self._running.discard(planned.key)
        self._counts["shared" if outcome.reused else outcome.status] += 1
        if outcome.status == "failed":
            self.say(f"  {planned.name} failed: {outcome.error['message']}")
        elif outcome.replaced:
            self.say(f"  {planned.name} done{_why(outcome)}")
        self._bar.set_description_str(self._told())
        self._bar.update()
        ended = sum(self._counts.values())
        if not self._watched and (ended * 10 // self._total) > ((ended - 1) * 10 // self._total):
            self.say(f"  {ended} of {self._total} stages: {self._told()}")

    def _told(self) -> str:
        counts = {"running": len(self._running), **self._counts}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _why(outcome: Outcome) -> str:
    return f", anew: of what was there, {outcome.replaced}" if outcome.replaced else ""


def _count_cells(planned: PlannedStage) -> int:
    return len(cells_of(planned.stage))
