"""Time and memory of two ways to the same end, taken in turns, so that their ratio can be trusted.

A machine's speed drifts while one measures; two commands that take turns see the same drift. What
counts is the ratio of each pair, and of these the median; seconds are told beside it.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from imdbclust import __version__
from imdbclust.base.paths import reports
from imdbclust.bench import BenchFailed
from imdbclust.running.store import write_json

RUNS = 5
"""Pairs that are measured where nothing else is asked for."""

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Options:
    """What all parts are told.

    Attributes
    ----------
    dataset : str
        As :func:`imdbclust.datasets.find.find_dataset`.
    runs : int
        Pairs to measure; a part may take fewer where one of them takes minutes, and says so.
    out : Path, optional
        The folder for reports.
    quick : bool
        Small sizes, to see that all works; the numbers mean little.
    """

    dataset: str = "auto"
    runs: int = RUNS
    out: Path | None = None
    quick: bool = False

    @property
    def folder(self) -> Path:
        """Where results are written."""
        return (Path(self.out) if self.out else reports()) / "bench"


@dataclass(frozen=True)
class Cost:
    """What something took.

    Attributes
    ----------
    seconds : float
        Wall time.
    memory_mb : float, optional
        Peak over all its processes: the sum of their proportional set sizes (where the system
        tells it, else of their resident set sizes), looked at up to ten times a second.
    """

    seconds: float
    memory_mb: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two ways to the same end, and what they took.

    Attributes
    ----------
    what : str
        The end.
    ours, theirs : list of Cost
        Pair by pair.
    note : str
        What a reader has to know beside the numbers.
    """

    what: str
    ours: list[Cost]
    theirs: list[Cost]
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """How many times longer theirs took, pair by pair."""
        return [
            other.seconds / own.seconds for own, other in zip(self.ours, self.theirs, strict=True)
        ]

    def row(self) -> dict:
        """Return what a table says: medians, and the range of the ratios."""
        return {
            "what": self.what,
            "times_faster": statistics.median(self.ratios),
            "least": min(self.ratios),
            "most": max(self.ratios),
            "seconds": statistics.median(one.seconds for one in self.ours),
            "seconds_of_other": statistics.median(one.seconds for one in self.theirs),
            "memory_mb": _median_memory(self.ours),
            "memory_mb_of_other": _median_memory(self.theirs),
            "pairs": len(self.ratios),
            "note": self.note,
        }


@dataclass(frozen=True)
class Part:
    """What one part of the bench found.

    Attributes
    ----------
    name : str
        The module's name.
    title : str
        What is compared, as a question.
    about : str
        How it was measured, for a reader.
    comparisons : list of Comparison
        One row of the table each.
    """

    name: str
    title: str
    about: str
    comparisons: list[Comparison] = field(default_factory=list)


def take_turns(
    what: str,
    ours: Callable[[], Cost],
    theirs: Callable[[], Cost],
    *,
    runs: int = RUNS,
    note: str = "",
) -> Comparison:
    """Measure two ways in turns, the order changing from pair to pair."""
    own, other = [], []
    for pair in range(runs):
        steps = [(ours, own), (theirs, other)]
        for way, costs in steps if pair % 2 == 0 else reversed(steps):
            costs.append(way())
            _say(f"{what}: {'ours' if costs is own else 'other'} {costs[-1].seconds:.1f} s")
    return Comparison(what, own, other, note)


def cost_of_call(function: Callable, *arguments) -> Cost:
    """Time a call within this process."""
    began = time.perf_counter()
    function(*arguments)
    return Cost(time.perf_counter() - began)


def cost_of_command(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Cost:
    """Time a command and all processes that it starts, its output kept for an error's sake.

    Raises
    ------
    BenchFailed
        It ended with another exit code than 0.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    peak = _Peak(process.pid)
    try:
        said, _ = process.communicate()
    finally:
        process.kill()
        memory = peak.stop()
    seconds = time.perf_counter() - began
    if process.returncode:
        last = " | ".join(said.strip().splitlines()[-3:])
        raise BenchFailed(f"{' '.join(map(str, command))} ended with {process.returncode}: {last}")
    return Cost(seconds, memory)


class _Peak:
    """Looks at the memory of a process and its descendants until it is told to stop."""

    def __init__(self, pid: int):
        import psutil

        self._psutil, self._process, self._peak = psutil, psutil.Process(pid), 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float | None:
        self._ended.set()
        self._thread.join()
        return self._peak / 2**20 or None

    def _watch(self) -> None:
        while True:
            began = time.perf_counter()
            self._peak = max(self._peak, self._now())
            # to look takes time from what is measured: a twentieth of it at most
            looked = time.perf_counter() - began
            if self._ended.wait(max(POLL_SECONDS, 20 * looked)):
                return

    def _now(self) -> int:
        total = 0
        try:
            everyone = [self._process, *self._process.children(recursive=True)]
        except self._psutil.Error:
            return 0
        for process in everyone:
            try:
                told = process.memory_full_info()
            except self._psutil.Error:
                continue  # it has just ended
            total += getattr(told, "pss", 0) or told.rss
        return total


def machine() -> dict[str, object]:
    """Describe the machine, as far as it matters for speed; no name of it or of its user."""
    import psutil

    return {
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "imdbclust": __version__,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def write_part(part: Part, folder: Path) -> Path:
    """Write what a part found as ``<name>.json``, in the place of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part.name}.json"
    found = {
        "name": part.name,
        "title": part.title,
        "about": part.about,
        "rows": [comparison.row() for comparison in part.comparisons],
        "pairs": [asdict(comparison) for comparison in part.comparisons],
        "machine": machine(),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(path, found)
    return path


def tell(part: Part) -> None:
    """Print what a part found."""
    width = max(len(one.what) for one in part.comparisons)
    print(part.title)
    for row in (one.row() for one in part.comparisons):
        memory = ""
        if row["memory_mb"] and row["memory_mb_of_other"]:
            memory = f", {row['memory_mb']:,.0f} MB against {row['memory_mb_of_other']:,.0f} MB"
        print(
            f"  {row['what']:<{width}}  {row['times_faster']:6.1f} times faster "
            f"({row['least']:.1f} to {row['most']:.1f}): {row['seconds']:.2f} s against "
            f"{row['seconds_of_other']:.2f} s{memory}"
        )
    sys.stdout.flush()


def write_page(folder: Path) -> Path:
    """Write ``speed.html`` with all parts whose results lie in the folder.

    Raises
    ------
    imdbclust.running.pages.report.RenderError
        The page is not fit to be read.
    """
    import matplotlib.pyplot as plt
    import pandas as pd

    from imdbclust import plots
    from imdbclust.display.csv_files import write_table
    from imdbclust.display.render import figure_html, table_html
    from imdbclust.running.pages.report import render_page

    plots.set_style()
    parts = []
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        frame = pd.DataFrame(found["rows"])
        write_table(frame, folder / f"{found['name']}.csv")
        best = frame.loc[frame["times_faster"].idxmax()]
        alt = (
            f"{len(frame)} bars; the longest is {best['what']}, {best['times_faster']:.1f} times "
            "faster."
        )
        axes = plots.plot_ratios(frame)
        caption = f"{found['title']} Times faster: median of pairs, and their range."
        figure = figure_html(axes.figure, caption=caption, alt=alt, name=f"speed-{found['name']}")
        shown = frame.dropna(axis="columns", how="all")
        table = table_html(shown, caption=found["title"], name=found["name"])
        plt.close(axes.figure)
        parts.append({**found, "figure": figure, "table": table.replace("tables/", "")})
    return render_page("speed.html.j2", folder / "speed.html", measured=parts)


def _median_memory(costs: Sequence[Cost]) -> float | None:
    known = [one.memory_mb for one in costs if one.memory_mb is not None]
    return statistics.median(known) if known else None


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
