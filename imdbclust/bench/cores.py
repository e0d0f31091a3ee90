"""Parts of the benchmark that measure what cores do: all or one of them, and busy ones."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from imdbclust.bench.costs import Comparison, Cost, Options, cost_of_command, scratch, take_turns

BUSY, QUICK_BUSY = (1, 2, 4), (1,)
"""Numbers of busy processes for the part ``busy``."""

ONE_CORE = {"LOKY_MAX_CPU_COUNT": "1"}
CHAPTER = "04_clustering"


def measure_cores(options: Options) -> list[Comparison]:
    """Measure the chapter on clusters with its quick evaluation, on all cores and on one."""
    command = ["-p", "evaluation", "quick", "-p", "map_max_movies", "0", "-p", "explorer", "false"]
    ways = (partial(_cost_of_run, command, options, env) for env in ({}, ONE_CORE))
    whole = take_turns("a run with the quick evaluation", *ways, runs=min(options.runs, 3))
    chapter = (
        [replace(cost, seconds=cost.steps[CHAPTER]) for cost in costs]
        for costs in (whole.ours, whole.theirs)
    )
    return [whole, Comparison(f"its chapter {CHAPTER}", *chapter)]


def measure_busy(options: Options) -> list[Comparison]:
    """Measure a run with the map of all movies, alone and beside busy processes."""
    command = ["-p", "evaluation", "off"]

    def beside(n_busy: int) -> Cost:
        with _busy(n_busy):
            return _cost_of_run(command, options)

    return [
        take_turns(
            f"no busy process, or {n}", partial(beside, 0), partial(beside, n), runs=options.runs
        )
        for n in (QUICK_BUSY if options.quick else BUSY)
    ]


def _cost_of_run(
    parameters: Sequence[str], options: Options, env: dict[str, str] | None = None
) -> Cost:
    """Measure a run from an empty folder; the steps are its chapters."""
    with scratch() as out:
        command = ["-m", "imdbclust", "run", *options.films, "--out", out]
        cost = cost_of_command([*command, "--preset", "recommended", *parameters], env=env)
        records = [
            json.loads(path.read_text(encoding="utf-8"))
            for path in out.glob("stages/*/record.json")
        ]
    return replace(cost, steps={record["stage"]: record["seconds"] for record in records})


@contextlib.contextmanager
def _busy(n: int) -> Iterator[None]:
    """Keep processes busy that do nothing useful."""
    loop = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(loop, stdin=subprocess.DEVNULL) for _ in range(n)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
