"""Parts of the benchmark that measure speed: two ways to the same result, taking turns.

Importing this module is cheap.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, product
from pathlib import Path

from imdbclust.base.paths import reports
from imdbclust.base.text import byte_size, counted
from imdbclust.bench import cores
from imdbclust.bench.costs import (
    BenchFailed,
    Comparison,
    Cost,
    Options,
    cost_of_call,
    cost_of_command,
    scratch,
    take_turns,
)

SPEED = {
    "import": "import-imdb compared with pandas, on the same dumps",
    "recipe": "the course's steps compared with its own code, at growing sizes",
    "kernels": "forked kernels compared with kernels started as usual",
    "rendering": "the pages of a run compared with nbconvert",
    "run": "a run compared with stock papermill and nbconvert",
    "sweep": "a sweep compared with a loop over stock papermill and nbconvert",
    "cores": "a run with the quick evaluation on all cores, or on one",
    "busy": "a run on a quiet machine, compared with one beside busy processes",
}
"""Parts that measure speed, and what each compares."""

SIZES, QUICK_SIZES = (1_000_000, 3_000_000, 10_000_000), (2_000, 6_000, 20_000)
"""Titles, people and rows of title.principals for the part ``import``."""

MOVIES, QUICK_MOVIES = {35_000: 3, 100_000: 2, 200_000: 1}, {400: 1, 800: 1}
"""Numbers of movies for the part ``recipe``, each with the maximum number of pairs."""

IMPORTS = "import numpy, pandas, scipy.stats, sklearn.cluster, matplotlib.pyplot, seaborn"
CELLS = {"a kernel with the libraries of the notebooks": IMPORTS, "an empty kernel": "1 + 1"}
"""Kernels of the part ``kernels``, and the cell that each executes."""

GRID = {"n_components": [8, 12, 16], "n_clusters": [8, 12, 16, 24, 32]}
QUICK_GRID = {"n_clusters": [8, 16]}
"""What the sweep for the part ``sweep`` varies, in addition to the seed."""

STOCK = "stock"
"""Name of the run whose stages the notebooks read under stock papermill."""

NBCONVERT = ("-m", "jupyter", "nbconvert", "--to", "html", "--log-level=ERROR")

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def measure_speed(parts: list[str], options: Options) -> Path:
    """Measure some parts, write the results of each; return the page of all that was measured.

    Raises
    ------
    BenchFailed
        A command failed, or two ways disagree about the result.
    """
    from imdbclust.bench.page import write_part, write_speed_page

    folder = (Path(options.out) if options.out else reports()) / "bench"
    for name in parts:
        measure = (vars(cores) | globals())[f"measure_{name}"]
        rows = [comparison.row() for comparison in measure(options)]
        table = write_part(name, SPEED[name], rows, folder)
        print(f"{name}: {SPEED[name]}\n{table}", flush=True)
    return write_speed_page(folder)


# ---------------------------------------------------------------- import


def measure_import(options: Options) -> list[Comparison]:
    """Import made-up dumps in both ways, and check that both give the same corpus."""
    from imdbclust.datasets.made_up.large import LargeSample

    sizes = QUICK_SIZES if options.quick else SIZES
    module = "imdbclust.bench.pandas_import"
    other = f"import sys, {module} as theirs; theirs.import_with_pandas(*sys.argv[1:])"
    with scratch() as folder:
        dumps, ours, theirs = (folder / name for name in ("dumps", "ours.jsonl", "theirs.jsonl"))
        LargeSample(*sizes).write_dumps(dumps)
        comparison = take_turns(
            "{:,} titles, {:,} people, {:,} principals".format(*sizes),
            partial(cost_of_command, ["-m", "imdbclust", "import-imdb", dumps, "--to", ours]),
            partial(cost_of_command, ["-c", other, dumps, theirs]),
            runs=min(options.runs, 3),  # one of them takes minutes
        )
        check_same_corpus(ours, theirs)
    return [comparison]


def check_same_corpus(ours: Path, theirs: Path) -> None:
    """Raise BenchFailed unless two files contain the same corpus."""
    from imdbclust.load import read_corpus

    one, other = read_corpus(ours), read_corpus(theirs)
    for table in ("movies", "actors", "credits", "genres"):
        if not getattr(one, table).equals(getattr(other, table)):
            raise BenchFailed(f"the two corpora differ in their {table}")


# ---------------------------------------------------------------- recipe


def measure_recipe(options: Options) -> list[Comparison]:
    """Measure the steps of the course at each size, and check that the clusters are the same."""
    from imdbclust.datasets.made_up.large import LargeSample
    from imdbclust.datasets.made_up.sample import COURSE_ACTORS, COURSE_MOVIES

    comparisons = []
    for n_movies, most in (QUICK_MOVIES if options.quick else MOVIES).items():
        with scratch() as folder:
            file, ours, course = (
                folder / name for name in ("films.jsonl", "ours.csv", "course.csv")
            )
            LargeSample(n_movies, n_movies * COURSE_ACTORS // COURSE_MOVIES).write_corpus(file)
            ways = [partial(cost_of_steps, table.stem, file, table) for table in (ours, course)]
            size = f"{n_movies:,} movies"
            whole = take_turns(f"all steps, {size}", *ways, runs=min(options.runs, most))
            if ours.read_bytes() != course.read_bytes():
                raise BenchFailed("the two ways do not give the same clusters")
        steps = list(whole.ours[0].steps)
        comparisons += [whole, _sum_of(whole, steps[:4], f"read to top ten, {size}")]
        comparisons += [_sum_of(whole, [step], f"{step}, {size}") for step in steps]
    return comparisons


def cost_of_steps(way: str, file: Path, table: Path) -> Cost:
    """Take the steps of the course in a process of their own, without the time for imports."""
    code = "import sys; from imdbclust.bench import peers; peers.time_steps(*sys.argv[1:])"
    times = table.with_suffix(".json")
    cost = cost_of_command(["-c", code, way, file, table, times], env=ONE_THREAD)
    steps = json.loads(times.read_text(encoding="utf-8"))
    return Cost(sum(steps.values()), cost.memory_mb, steps)


def _sum_of(whole: Comparison, steps: Sequence[str], what: str) -> Comparison:
    ours, theirs = (
        [Cost(sum(cost.steps[step] for step in steps)) for cost in costs]
        for costs in (whole.ours, whole.theirs)
    )
    return Comparison(what, ours, theirs)


# ---------------------------------------------------------------- kernels


def measure_kernels(options: Options) -> list[Comparison]:
    """Measure start, one cell and end of a kernel, forked and started as usual."""
    from imdbclust.running.kernels import warm

    if why := warm.impossible():
        raise BenchFailed(why)
    first = cost_of_call(use_kernel, "warm", "1")
    note = f"starting the process to fork from took {first.seconds:.1f} s, once"
    comparisons = []
    for what, cell in CELLS.items():
        ours, theirs = (partial(cost_of_call, use_kernel, one, cell) for one in ("warm", "plain"))
        comparisons.append(take_turns(what, ours, theirs, runs=options.runs, note=note))
    return comparisons


def use_kernel(engine: str, cell: str) -> None:
    """Start a kernel, execute a cell, shut the kernel down."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    from imdbclust.running.kernels.provisioner import PrivateKernelManager
    from imdbclust.running.kernels.warm import kernel_environment

    notebook = new_notebook(cells=[new_code_cell(cell)])
    client = NotebookClient(notebook, timeout=120, km=PrivateKernelManager(engine=engine))
    client.execute(env=kernel_environment(), cleanup_kc=True)


# ---------------------------------------------------------------- rendering, run, sweep


def measure_rendering(options: Options) -> list[Comparison]:
    """Render all pages of a run in this process, and its notebooks by nbconvert's command."""
    from imdbclust.running.pages.report import render_run
    from imdbclust.running.run import run

    parameters = {"evaluation": "off"}
    if options.quick:
        parameters |= {"n_clusters": 6, "n_components": 8, "n_init": 2}
    with scratch() as out:
        with contextlib.redirect_stdout(io.StringIO()):
            folder = run(dataset=options.dataset, parameters=parameters, name="rendered", out=out)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        notebooks = sorted((folder / "notebooks").glob("*.ipynb"))
        theirs = out / "nbconvert"
        comparison = take_turns(
            f"{len(notebooks) + 1} pages of a run",
            partial(cost_of_call, render_run, folder, manifest),
            partial(cost_of_command, [*NBCONVERT, "--output-dir", theirs, *notebooks]),
            runs=options.runs,
        )
        ours_size, theirs_size = (
            byte_size(sum(path.stat().st_size for path in pages.glob("*.html")))
            for pages in (folder, theirs)
        )
    return [replace(comparison, note=f"our pages have {ours_size}, nbconvert's {theirs_size}")]


def measure_run(options: Options) -> list[Comparison]:
    """Measure ``imdbclust run`` from an empty folder, against papermill and nbconvert.

    Without the evaluation and the map, which take the same time on both sides.
    """
    parameters = {"evaluation": "off", "map_max_movies": 0, "explorer": False}
    given = [["-p", f"{name}={value}".lower()] for name, value in parameters.items()]
    commands = {"a run": ["run", "--preset", "seed", *chain.from_iterable(given)]}
    return compare_with_stock(commands, "seed", [parameters], options, options.runs)


def measure_sweep(options: Options) -> list[Comparison]:
    """Measure ``imdbclust sweep`` against a loop over papermill and nbconvert, one pair.

    The second row is the same sweep without reports. The notes have the core seconds of a setting.
    """
    import yaml

    from imdbclust.running.specification import ALL, NONE, read_specification

    grid, repeats = (QUICK_GRID, 2) if options.quick else (GRID, 4)
    specification = {
        "preset": "recommended",
        "parameters": {"evaluation": "off", "map_max_movies": 0, "explorer": False},
        "grid": grid | {"random_state": {"repeats": repeats}},
    }
    commands, rows = {}, []
    with scratch() as folder:
        for choice in (ALL, NONE):
            file = folder / f"{choice}.yml"
            file.write_text(yaml.safe_dump(specification | {"reports": choice}), encoding="utf-8")
            found = read_specification(file, dataset=options.dataset).settings
            commands[f"{counted(len(found), 'setting')}, reports: {choice}"] = ["sweep", file]
        settings = [one.parameters for one in found]
        for row in compare_with_stock(commands, found[0].preset, settings, options, 1):
            used = (row.ours[0].core_seconds or 0) / len(found)
            note = f"{row.note}; {used:.1f} core seconds a setting"
            if row.what.endswith(NONE):
                note += "; the loop draws and renders, the sweep does not"
            rows.append(replace(row, note=note))
    return rows


def compare_with_stock(
    commands: dict[str, list], preset: str, settings: list[dict], options: Options, runs: int
) -> list[Comparison]:
    """Compare commands with stock papermill and nbconvert, called for each notebook of a setting.

    The notebooks read the stages of a run that is made before and not timed: without it each would
    make what it reads. At most two settings are measured; their time is scaled to all. The first
    command and this loop take turns; the others are compared with the same measurements.
    """
    from imdbclust.datasets.find import find_dataset
    from imdbclust.running.run import run

    films, measured = find_dataset(options.dataset), [settings[0], settings[-1]][: len(settings)]
    scale = len(settings) / len(measured)
    note = f"{films.title}; the loop was measured on {counted(len(measured), 'setting')}"
    with scratch() as folder:
        made = {"preset": preset, "parameters": settings[0], "name": STOCK, "out": folder / STOCK}
        stock = run(dataset=films.address, **made).parent

        def ours(command: list) -> Cost:
            out = tempfile.mkdtemp(dir=folder)
            start = ["-m", "imdbclust", *command]
            return cost_of_command([*start, "--dataset", films.address, "--out", out])

        def theirs() -> Cost:
            cost = cost_of_stock(measured, stock, films.address)
            return replace(cost, seconds=scale * cost.seconds)

        (what, command), *others = commands.items()
        first = take_turns(what, partial(ours, command), theirs, runs=runs, note=note)
        return [first] + [
            Comparison(what, [ours(command) for _ in first.theirs], first.theirs, note)
            for what, command in others
        ]


def cost_of_stock(settings: list[dict], stock: Path, films: str) -> Cost:
    """Execute and render the five notebooks for each setting, as a user of stock papermill does.

    Each notebook gets the parameters that it declares. The folder `stock` has the run `STOCK`.
    """
    from imdbclust.running.parameters import FROM_RUN, declared_in
    from imdbclust.running.stages import STAGES, notebook_of

    env, costs = {"IMDBCLUST_REPORTS": str(stock)} | ONE_THREAD, []
    for setting, stage in product(settings, STAGES):
        notebook, values = notebook_of(stage), {**setting, "dataset": films, FROM_RUN: STOCK}
        executed = stock / notebook.name
        given = {name: values[name] for name in declared_in(notebook) if name in values}
        papermill = ["-m", "papermill", notebook, executed, "-y", json.dumps(given)]
        commands = (papermill, [*NBCONVERT, executed])
        costs += [cost_of_command(command, env=env) for command in commands]
    memory = [cost.memory_mb for cost in costs if cost.memory_mb]
    return Cost(sum(cost.seconds for cost in costs), max(memory, default=None))
