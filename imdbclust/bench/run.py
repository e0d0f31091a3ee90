"""The bench's part on runs: the five notebooks and their pages, against stock papermill."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from imdbclust.bench.sweep import loop_of_stock, make_stock
from imdbclust.bench.timing import Cost, Options, Part, cost_of_command, take_turns
from imdbclust.datasets import find as datasets
from imdbclust.running.specification import Setting

WITHOUT = {"evaluation": "off"}


def measure(options: Options) -> Part:
    """Measure ``imdbclust run`` from an empty folder against papermill and nbconvert."""
    found = datasets.find_dataset(options.dataset)
    with tempfile.TemporaryDirectory(prefix="imdbclust-bench-") as name:
        folder = Path(name)
        stock = make_stock(found, "seed", WITHOUT, folder)

        def ours() -> Cost:
            out = tempfile.mkdtemp(dir=folder)
            command = [sys.executable, "-m", "imdbclust", "run", "--dataset", found.address]
            return cost_of_command([*command, "--out", out, "-p", "evaluation", "off"])

        def theirs() -> Cost:
            setting = Setting({}, "seed", dict(WITHOUT))
            return loop_of_stock(setting, stock, found.address)

        runs = 1 if options.quick else options.runs
        comparison = take_turns("five notebooks and their pages", ours, theirs, runs=runs)
    about = (
        f"{found.title}, preset seed, without evaluation: imdbclust run from an empty folder, with "
        "its index and the start of the process that kernels are forked from; against the "
        "papermill command on each of the notebooks 01 to 05 and jupyter nbconvert --to html on "
        "each result. There a notebook reads the stages of a run made beforehand and not timed. "
        "Memory is that of all processes at one moment, at its peak."
    )
    return Part("run", "How long does a run take?", about, [comparison])
