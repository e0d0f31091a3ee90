"""What a run needs to execute, and the key by which each execution is known."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

from imdbclust import __version__
from imdbclust.base.paths import NOTEBOOKS, REPOSITORY
from imdbclust.datasets.find import Dataset
from imdbclust.running.parameters import FROM_RUN, Value, declared_in
from imdbclust.running.stages import READS, STAGES, notebook_of

FORMAT = 1
"""Raised when what a stage leaves is laid out differently, so that old results are not read."""

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "matplotlib", "seaborn")
"""Libraries on which numbers and figures depend; their versions are part of every key."""

_NO_INFLUENCE = (
    "__main__.py",
    "bench/",
    "commands/",
    "running/diff.py",
    "running/workers.py",
    "running/pages/",
    "running/progress.py",
    "running/specification.py",
)
"""Modules that no stage's result depends on."""


@dataclass(frozen=True)
class PlannedStage:
    """One execution that a run needs.

    Attributes
    ----------
    stage : str
        The stage's word.
    key : str
        What identifies the execution: same key, same result.
    parameters : dict
        The values that its notebook declares.
    inputs : dict
        Keys of the executions whose artifacts it reads, by stage.
    """

    stage: str
    key: str
    parameters: dict[str, Value]
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the notebook, e.g. ``04_clustering``."""
        return notebook_of(self.stage).stem


def plan_stages(
    settings: dict[str, Value], dataset: Dataset, *, until: str = STAGES[-1]
) -> list[PlannedStage]:
    """Return the executions for these settings, in order, up to and with the stage `until`.

    Parameters
    ----------
    settings : dict
        A value for every parameter; each stage takes those that its notebook declares.
    dataset : Dataset
        The films. Their hash and name, not their place, are part of the keys.
    until : str
        The last stage wanted.
    """
    planned: dict[str, PlannedStage] = {}
    for stage in STAGES[: STAGES.index(until) + 1]:
        notebook = notebook_of(stage)
        parameters = {name: settings[name] for name in declared_in(notebook) if name != FROM_RUN}
        if "dataset" in parameters:
            parameters["dataset"] = dataset.name
        inputs = {read: planned[read].key for read in READS[stage]}
        ingredients = {
            "format": FORMAT,
            "stage": stage,
            "notebook": _sources(notebook),
            "parameters": parameters,
            "inputs": inputs,
            "films": dataset.describe() | {"why": ""} if not inputs else None,
            "code": code_hash(),
            "versions": versions(),
        }
        planned[stage] = PlannedStage(stage, _digest(ingredients), parameters, inputs)
    return list(planned.values())


def plan_notebook(stage: str, results: str) -> PlannedStage:
    """Return the execution of a notebook that looks at results, known by their hash."""
    notebook = notebook_of(stage)
    declared = declared_in(notebook).values()
    parameters = {one.name: one.default for one in declared if not one.name.startswith("from_")}
    ingredients = {
        "format": FORMAT,
        "stage": stage,
        "notebook": _sources(notebook),
        "parameters": parameters,
        "results": results,
        "code": code_hash(),
        "versions": versions(),
    }
    return PlannedStage(stage, _digest(ingredients), parameters)


@cache
def code_hash() -> str:
    """Return the hash of the package's sources that results depend on."""
    package = REPOSITORY / "imdbclust"
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not name.startswith(_NO_INFLUENCE):
            digest.update(f"{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def fingerprint() -> dict[str, str]:
    """Return all that has to be the same wherever executions of one sweep are carried out."""
    notebooks = hashlib.sha256()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebooks.update(json.dumps([path.name, _sources(path)]).encode())
    return {
        "imdbclust": __version__,
        "sources of imdbclust": code_hash(),
        "notebooks": notebooks.hexdigest(),
        **versions(),
    }


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python} | {library: version(library) for library in LIBRARIES}


def _sources(notebook: Path) -> list[str]:
    """Return the cells' texts: prose too, for a report must not show yesterday's sentences."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell["cell_type"] + "\n" + "".join(cell["source"]) for cell in cells]


def _digest(ingredients: dict) -> str:
    text = json.dumps(ingredients, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
