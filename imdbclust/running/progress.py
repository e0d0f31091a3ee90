"""Progress in the terminal: a bar, or lines where standard error is not a terminal."""

from __future__ import annotations

import sys

from imdbclust.running.execute import Outcome
from imdbclust.running.plan import PlannedStage
from imdbclust.running.stages import cells_of

_LAYOUT = "{percentage:3.0f} %|{bar}| {elapsed}, about {remaining} left"


class Watch:
    """Follows executions, and keeps their outcomes by key."""

    def __init__(self, total: int, layout: str):
        from tqdm import tqdm

        self.outcomes: dict[str, Outcome] = {}
        # without a terminal, None disables the bar
        self._bar = tqdm(total=total, disable=None, bar_format=layout + _LAYOUT, leave=False)

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
    """Progress of a run: its bar counts cells."""

    def __init__(self, planned: list[PlannedStage]):
        self._cells = {stage.name: len(cells_of(stage.stage)) for stage in planned}
        super().__init__(sum(self._cells.values()), "{desc:<24} ")

    def cell(self) -> None:
        """Advance the bar."""
        self._bar.update()

    def ended(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Print or show how an execution ended."""
        super().ended(planned, outcome)
        if outcome.reused:
            self._bar.update(self._cells[planned.name])
        if outcome.status == "done":
            how = "reused" if outcome.reused else f"{outcome.record['seconds']:.1f} s"
            self.say(f"  {planned.name:<20} {how}{_why(outcome)}")


class SweepProgress(Watch):
    """Progress of a sweep: its bar counts executions; without a bar, a line for each tenth."""

    def __init__(self, total: int):
        self._total, self._running = total, set()
        self._counts = {"done": 0, "reused": 0, "failed": 0, "skipped": 0}
        super().__init__(total, "{desc} ")

    def began(self, planned: PlannedStage) -> None:
        """Show how many stages are being executed."""
        self._running.add(planned.key)
        self._bar.set_description_str(self._summary())

    def ended(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Print or show how an execution ended."""
        super().ended(planned, outcome)
        self._running.discard(planned.key)
        self._counts["reused" if outcome.reused else outcome.status] += 1
        if outcome.status == "failed":
            self.say(f"  {planned.name} failed: {outcome.error['message']}")
        elif outcome.replaced:
            self.say(f"  {planned.name} done{_why(outcome)}")
        self._bar.set_description_str(self._summary())
        self._bar.update()
        ended = len(self.outcomes)
        if self._bar.disable and ended * 10 // self._total > (ended - 1) * 10 // self._total:
            self.say(f"  {ended} of {self._total} stages: {self._summary()}")

    def _summary(self) -> str:
        counts = {"running": len(self._running), **self._counts}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _why(outcome: Outcome) -> str:
    return f" (recomputed: {outcome.replaced})" if outcome.replaced else ""
