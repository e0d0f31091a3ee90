"""What commands and calls cost, measured in turns: time, memory and processor time.

The speed of a machine drifts, and two ways that take turns see the same drift. What counts is the
ratio of each pair and the median of these ratios. Importing this module is cheap.
"""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from imdbclust.base.errors import Failure

RUNS = 5
"""Default number of pairs."""

POLL_SECONDS = 0.1
"""Minimum time between two measurements of memory."""


class BenchFailed(Failure):
    """A measurement failed.

    Attributes
    ----------
    page : Path, optional
        The page of what was measured nevertheless.
    """

    def __init__(self, message: str, page: Path | None = None):
        super().__init__(message)
        self.page = page


@dataclass(frozen=True)
class Options:
    """Options of all parts.

    Slow parts measure fewer pairs than `runs`. With `quick`, sizes are small: this checks that
    everything works, but the numbers mean little. `out` is the folder for reports.
    """

    dataset: str | Sequence[str] = "auto"
    runs: int = RUNS
    out: Path | None = None
    quick: bool = False

    @property
    def films(self) -> list[str]:
        """The dataset as arguments of a command."""
        return ["--dataset", *([self.dataset] if isinstance(self.dataset, str) else self.dataset)]


@dataclass(frozen=True)
class Cost:
    """What one way took: wall time, and the peak memory of all its processes together.

    `core_seconds` is the processor time of all processes, of the system's too.

    Memory is in units of 10**6 bytes: the sum of proportional set sizes, or of resident set sizes
    where the system has no proportional ones. `steps` has the seconds of steps that were timed.
    """

    seconds: float
    memory_mb: float | None = None
    steps: dict[str, float] = field(default_factory=dict)
    core_seconds: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two ways to the same result, measured pair by pair: a row of the table."""

    what: str
    ours: list[Cost]
    theirs: list[Cost]
    note: str = ""

    def row(self) -> dict:
        """Return medians, and the range of the ratios: the other time divided by ours, by pair."""
        own, other = ([cost.seconds for cost in costs] for costs in (self.ours, self.theirs))
        ratios = [theirs / ours for ours, theirs in zip(own, other, strict=True)]
        return {
            "what": self.what,
            "times_faster": statistics.median(ratios),
            "least": min(ratios),
            "most": max(ratios),
            "seconds": statistics.median(own),
            "seconds_of_other": statistics.median(other),
            "memory_mb": _median_memory(self.ours),
            "memory_mb_of_other": _median_memory(self.theirs),
            "pairs": len(ratios),
            "note": self.note,
        }


def take_turns(
    what: str, ours: Callable[[], Cost], theirs: Callable[[], Cost], *, runs: int, note: str = ""
) -> Comparison:
    """Measure two ways in turns; every other pair begins with the other way."""
    costs = {"ours": [], "other": []}
    for pair in range(runs):
        ways = [("ours", ours), ("other", theirs)]
        for name, way in ways if pair % 2 == 0 else reversed(ways):
            costs[name].append(way())
            seconds = costs[name][-1].seconds
            print(f"  {what}: {name} {seconds:.1f} s", file=sys.stderr, flush=True)
    return Comparison(what, costs["ours"], costs["other"], note)


def cost_of_call(function: Callable, *arguments) -> Cost:
    """Time a call within this process."""
    began = time.perf_counter()
    function(*arguments)
    return Cost(time.perf_counter() - began)


def cost_of_command(arguments: Sequence[object], *, env: Mapping[str, str] | None = None) -> Cost:
    """Measure a call of Python with these arguments, and all processes that it starts.

    Raises
    ------
    BenchFailed
        The exit status is not 0; the message has the last lines of output.
    """
    began, ended, used = time.perf_counter(), threading.Event(), _core_seconds()
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    )
    with ThreadPoolExecutor(1) as pool:
        memory = pool.submit(_peak_memory, process.pid, ended)
        try:
            output, _ = process.communicate()
            seconds = time.perf_counter() - began
        finally:
            process.kill()
            ended.set()
    if process.returncode:
        last = " | ".join(output.strip().splitlines()[-3:])
        command = " ".join(map(str, arguments))
        raise BenchFailed(f"python {command} ended with {process.returncode}: {last}")
    return Cost(
        seconds, memory.result() / 10**6 or None, core_seconds=round(_core_seconds() - used, 2)
    )


def _core_seconds() -> float:
    """Return the processor time of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_memory(pid: int, ended: threading.Event) -> int:
    """Return the peak of the memory of a process and its descendants in bytes."""
    import psutil

    peak = 0
    while True:
        began, total = time.perf_counter(), 0
        with contextlib.suppress(psutil.Error):
            for one in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
                with contextlib.suppress(psutil.Error):  # it has just ended
                    memory = one.memory_full_info()
                    total += getattr(memory, "pss", 0) or memory.rss
        peak = max(peak, total)
        # measuring takes time from what is measured: a twentieth of it at most
        if ended.wait(max(POLL_SECONDS, 20 * (time.perf_counter() - began))):
            return peak


def _median_memory(costs: Sequence[Cost]) -> float | None:
    known = [cost.memory_mb for cost in costs if cost.memory_mb is not None]
    return statistics.median(known) if known else None


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="imdbclust-bench-") as folder:
        yield Path(folder)
