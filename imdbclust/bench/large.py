"""Rows of the benchmark that take long: they are measured once, and compared with nothing.

The made-up files that they read are kept, so that they are made once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imdbclust.base.disk import temporary
from imdbclust.base.paths import reports
from imdbclust.bench.costs import Options, cost_of_command
from imdbclust.running.store import PART

SETTINGS = {
    "n_components": [6, 8, 10, 12, 14, 16, 20, 24, 28, 32],
    "n_clusters": [4, 6, 8, 10, 12, 16, 20, 24, 28, 32],
}
QUICK_SETTINGS = {"n_clusters": [4, 6]}
"""What the sweep varies, in addition to the seed."""

CREDITS, QUICK_CREDITS = (700_000, 1_500_000, 5_000_000), (400, 300, 1_600)
"""Movies, actors and credits of the run."""

TITLES, QUICK_TITLES = (11_000_000, 14_000_000, 95_000_000), (2_000, 6_000, 20_000)
"""Titles, people and rows of title.principals of the dumps: IMDb's own numbers."""


@dataclass(frozen=True)
class Row:
    """A command, and by what its cost is divided."""

    what: str
    command: list[object]
    n: int = 1  # number of settings
    note: str = ""


def measure_large(options: Options) -> list[dict]:
    """Measure a sweep, a run and an import of many films; return a row for each.

    The columns are ``what``, ``seconds``, ``core_seconds`` (of all processes), ``of_each`` (core
    seconds a setting), ``memory_mb`` (peak of all processes together) and ``note``. The made-up
    files are in the folder ``bench/made-up``, the results in ``bench/large``.

    Raises
    ------
    imdbclust.bench.costs.BenchFailed
        A command failed.
    """
    from imdbclust.bench.page import write_part

    folder = (Path(options.out) if options.out else reports()) / "bench"
    rows = []
    for row in (_sweep, _run, _import):
        with temporary(_made(folder), PART) as scratch:
            one = row(options, folder / "made-up", scratch)
            print(f"  {one.what} …", flush=True)
            cost = cost_of_command(["-m", "imdbclust", *one.command])
        rows.append(
            {
                "what": one.what,
                "seconds": cost.seconds,
                "core_seconds": cost.core_seconds,
                "of_each": cost.core_seconds / one.n,
                "memory_mb": cost.memory_mb,
                "note": one.note,
            }
        )
        print(write_part("large", "Commands on many films", rows, _made(folder / "large")))
    return rows


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _kept(path: Path, make: Callable[[Path], object]) -> Path:
    """Return a made-up file or folder; it is made if it does not exist."""
    if not path.exists():
        with temporary(_made(path.parent), PART) as scratch:
            make(scratch / path.name)
            (scratch / path.name).rename(path)
    return path


def _sweep(options: Options, made: Path, out: Path) -> Row:
    import yaml

    grid, repeats = (QUICK_SETTINGS, 2) if options.quick else (SETTINGS, 10)
    specification = {
        "preset": "recommended",
        "parameters": {"evaluation": "off", "explorer": False},
        "grid": grid | {"random_state": {"repeats": repeats}},
        "reports": "best",
    }
    file = out / "grid.yml"
    file.write_text(yaml.safe_dump(specification), encoding="utf-8")
    n = repeats * math.prod(map(len, grid.values()))
    command = ["sweep", file, *options.films, "--out", out]
    return Row(f"{n:,} settings", command, n, "evaluation off, reports: best")


def _run(options: Options, made: Path, out: Path) -> Row:
    from imdbclust.datasets.made_up.large import LargeSample

    sizes = QUICK_CREDITS if options.quick else CREDITS
    name = "{}-{}-{}.jsonl".format(*sizes)
    film_file = _kept(made / name, lambda path: LargeSample(*sizes).write_corpus(path))
    command = ["run", "--dataset", film_file, "--preset", "seed", "-p", "evaluation", "off"]
    command += ["--accept"]  # made-up titles repeat, which looks like a mistake
    what = "a run of {:,} movies, {:,} actors, {:,} credits".format(*sizes)
    return Row(what, [*command, "--out", out], note="preset seed, evaluation off, with the map")


def _import(options: Options, made: Path, out: Path) -> Row:
    from imdbclust.datasets.made_up.large import LargeSample

    sizes = QUICK_TITLES if options.quick else TITLES
    name = "dumps-{}-{}-{}".format(*sizes)
    dumps = _kept(made / name, lambda path: LargeSample(*sizes).write_dumps(path))
    what = "import-imdb of {:,} titles, {:,} people, {:,} principals".format(*sizes)
    return Row(what, ["import-imdb", dumps, "--to", out / "films.jsonl"])
