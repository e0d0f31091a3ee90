"""Part ``recipe``: the preset ``seed`` beside the steps of the course, at growing sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imdbclust.bench import BenchFailed
from imdbclust.bench.timing import Comparison, Cost, Options, Part
from imdbclust.clustering import MOVIE_TO_CLUSTER
from imdbclust.datasets.made_up.large import LargeSample
from imdbclust.datasets.made_up.sample import COURSE_ACTORS, COURSE_MOVIES

FULL = (35_000, 100_000, 200_000)
QUICK = (400, 800)

RUNS = {35_000: 3, 100_000: 2}
"""At most so many pairs of a size; of larger ones a single pair takes minutes."""

ENDS = {
    "file to matrix, frame and top ten": ("read", "matrix", "frame", "top ten"),
    "file to table of clusters": (
        "read", "matrix", "frame", "top ten", "reduce", "cluster", "table",
    ),
}  # fmt: skip
"""What is summed up, beside the single steps."""


def measure(options: Options, *, sizes: Sequence[int] | None = None) -> Part:
    """Measure both at each size.

    Parameters
    ----------
    options : Options
        ``dataset`` is not used.
    sizes : sequence of int, optional
        Numbers of movies; actors and credits grow as the movies do.

    Raises
    ------
    BenchFailed
        One of them failed, or they do not put every movie into the same cluster.
    """
    sizes = sizes or (QUICK if options.quick else FULL)
    taken = {}
    with tempfile.TemporaryDirectory(prefix="imdbclust-bench-") as name:
        folder = Path(name)
        for n_movies in sizes:
            file = folder / "films.jsonl"
            LargeSample(n_movies, n_movies * COURSE_ACTORS // COURSE_MOVIES).write_corpus(file)
            runs = min(options.runs, RUNS.get(n_movies, 1))
            taken[n_movies] = [_pair(file, folder, number) for number in range(runs)]
    comparisons = []
    for what, steps in [*ENDS.items(), *((step, (step,)) for step in ENDS[list(ENDS)[-1]])]:
        rows = [
            Comparison(
                f"{what}, {n_movies:,} movies",
                *([_cost(pair[way], steps) for pair in pairs] for way in ("ours", "course")),
            )
            for n_movies, pairs in taken.items()
        ]
        comparisons += [*rows[:-1], _with_growth(rows, sizes)]
    return Part(
        name="recipe",
        title="How long do the steps of the course take, in its way and in ours?",
        about=(
            "Made-up films, actors and credits in proportion to the course's file. The other: a "
            "dict of sets, a list-of-lists matrix filled cell by cell, a sparse frame with a "
            "column for each actor, its column sums. Ours shows the corners of the same frame. "
            "SVD, k-means and their seeds are the same, and so are all labels, which is checked. "
            "The import of libraries is left out; one thread for linear algebra."
        ),
        comparisons=comparisons,
    )


def _pair(file: Path, folder: Path, number: int) -> dict[str, dict]:
    """Run both ways, in an order that changes, and compare their tables."""
    ways = ("ours", "course") if number % 2 == 0 else ("course", "ours")
    found = {way: _run(way, file, folder) for way in ways}
    tables = [(folder / way / MOVIE_TO_CLUSTER).read_text(encoding="utf-8") for way in ways]
    if tables[0] != tables[1]:
        raise BenchFailed("the two ways do not give the same clusters")
    return found


def _run(way: str, file: Path, folder: Path) -> dict:
    (folder / way).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "imdbclust.bench.recipe_steps", way, file, folder / way]
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | threads)
    if done.returncode:
        last = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise BenchFailed(f"the way {way} ended with {done.returncode}: {last}")
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"  {way}: {sum(found['seconds'].values()):.1f} s", file=sys.stderr, flush=True)
    return found


def _cost(found: dict, steps: Sequence[str]) -> Cost:
    whole = len(steps) > 1
    seconds = sum(found["seconds"][step] for step in steps)
    return Cost(seconds, found["memory_mb"] if whole and "table" in steps else None)


def _with_growth(rows: Sequence[Comparison], sizes: Sequence[int]) -> Comparison:
    """Return the last row, with a note how both have grown since the first."""
    from dataclasses import replace

    first, last = rows[0].row(), rows[-1].row()
    note = (
        f"{sizes[-1] / sizes[0]:.1f} times the movies take "
        f"{last['seconds'] / first['seconds']:.1f} times as long in our way, and "
        f"{last['seconds_of_other'] / first['seconds_of_other']:.1f} times in the other"
    )
    return replace(rows[-1], note=note) if len(sizes) > 1 else rows[-1]
