"""The bench's part on sweeps: shared stages once, against the loop that papermill leaves us."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import yaml

from imdbclust.bench.timing import Cost, Options, Part, cost_of_command, take_turns
from imdbclust.datasets import find as datasets
from imdbclust.datasets.find import Dataset
from imdbclust.running.parameters import FROM_RUN, Value, declared_in
from imdbclust.running.run import run
from imdbclust.running.specification import Setting, read_specification
from imdbclust.running.stages import STAGES, notebook_of

GRID = {
    "preset": "recommended",
    "parameters": {"evaluation": "off", "map_max_movies": 300, "explorer": False},
    "grid": {
        "n_components": [8, 12, 16],
        "n_clusters": [8, 12, 16, 24, 32],
        "random_state": {"repeats": 4},
    },
}
"""The sweep of 60 settings that is measured."""

QUICK_GRID = GRID | {"grid": {"n_clusters": [8, 16], "random_state": {"repeats": 2}}}

STOCK = "stock"
"""Name of the run whose stages the loop's notebooks read."""


def measure(options: Options) -> Part:
    """Measure ``imdbclust sweep`` against the loop, once each: both take minutes."""
    with tempfile.TemporaryDirectory(prefix="imdbclust-bench-") as name:
        folder = Path(name)
        specification = folder / "grid.yml"
        grid = QUICK_GRID if options.quick else GRID
        specification.write_text(yaml.safe_dump(grid), encoding="utf-8")
        found = datasets.find_dataset(options.dataset)
        settings = read_specification(specification, dataset=found.address).settings
        looped = [settings[0], settings[-1]]
        stock = make_stock(found, GRID["preset"], GRID["parameters"], folder)

        def ours() -> Cost:
            out = Path(tempfile.mkdtemp(dir=folder))
            command = [sys.executable, "-m", "imdbclust", "sweep", str(specification)]
            return cost_of_command([*command, "--dataset", found.address, "--out", str(out)])

        def theirs() -> Cost:
            costs = [loop_of_stock(setting, stock, found.address) for setting in looped]
            seconds = sum(cost.seconds for cost in costs) * len(settings) / len(looped)
            return Cost(seconds, max(cost.memory_mb or 0.0 for cost in costs) or None)

        runs = min(options.runs, 2 if options.quick else 1)
        note = f"the loop was measured on {len(looped)} settings and scaled to {len(settings)}"
        what = f"{len(settings)} settings"
        comparison = take_turns(what, ours, theirs, runs=runs, note=note)
    return Part(
        "sweep", "How long does a sweep take?", _about(found.title, len(settings)), [comparison]
    )


def _about(films: str, n_settings: int) -> str:
    return (
        f"{n_settings} settings over {films}: imdbclust sweep with its reports, all workers of "
        "this machine, from an empty folder; against the loop that calls, for each setting, the "
        "papermill command on the notebooks 01 to 05 and jupyter nbconvert --to html on each "
        "result. There a notebook reads the stages of one run of that preset, made beforehand, "
        "not timed: papermill by itself hands nothing on. Both without evaluation and explorer."
    )


def make_stock(films: Dataset, preset: str, parameters: dict[str, Value], folder: Path) -> Path:
    """Make the run whose stages the notebooks of the loop read; return the folder for reports.

    Without it a notebook alone would make what it reads, within the time that is measured.
    """
    return run(
        dataset=films.address, preset=preset, parameters=parameters, name=STOCK, out=folder / STOCK
    ).parent


def loop_of_stock(setting: Setting, reports: Path, films: str) -> Cost:
    """Execute and render the five notebooks of one setting as a user of stock papermill does.

    Parameters
    ----------
    setting : Setting
        What to execute.
    reports : path
        As :func:`make_stock` returns it.
    films : str
        As :func:`imdbclust.datasets.find.find_dataset`.
    """
    environment = os.environ | {
        "IMDBCLUST_REPORTS": str(reports),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    values = setting.parameters | {"dataset": films, FROM_RUN: STOCK}
    costs = []
    for stage in STAGES:
        notebook = notebook_of(stage)
        given = [
            part
            for name in declared_in(notebook)
            if name in values
            for part in ("-p", name, str(values[name]))
        ]
        done = reports / notebook.name
        papermill = [sys.executable, "-m", "papermill", str(notebook), str(done), *given]
        nbconvert = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", str(done)]
        costs += [cost_of_command(command, env=environment) for command in (papermill, nbconvert)]
    memory = [cost.memory_mb for cost in costs if cost.memory_mb]
    return Cost(sum(cost.seconds for cost in costs), max(memory, default=None))
