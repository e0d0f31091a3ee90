"""The executions that a run needs, and the key that identifies each of them."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from imdbclust import __version__
from imdbclust.running.parameters import Value, declared_in
from imdbclust.running.sources import all_sources, code_cells, modules_hash
from imdbclust.running.stages import READS, STAGES, notebook_of

if TYPE_CHECKING:
    from imdbclust.datasets.find import Dataset

FORMAT = 1
"""Version of the layout of a finished stage; increase it when the layout changes."""

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "matplotlib", "seaborn")
"""Libraries on which numbers and figures depend; their versions are part of every key."""


BARE = "b"
"""Suffix of the keys of executions without a report.

They compute the same numbers, but their folders lack the notebook, tables and figures, so they are
stored apart from those with one. Keys are hexadecimal, and so is the suffix.
"""


@dataclass(frozen=True)
class PlannedStage:
    """One execution that a run needs."""

    stage: str  # the stage's word
    key: str  # identifies the execution: the same key has the same result
    parameters: dict[str, Value]  # values of the parameters that its notebook declares
    inputs: dict[str, str] = field(default_factory=dict)  # keys of what it reads, by stage
    bare: bool = False  # whether it skips the cells that only a report needs

    @property
    def name(self) -> str:
        """Name of the notebook, e.g. ``04_clustering``."""
        return notebook_of(self.stage).stem

    @property
    def base_key(self) -> str:
        """The key, which is the same with and without a report."""
        return self.key.removesuffix(BARE) if self.bare else self.key

    def as_bare(self, inputs: dict[str, str]) -> PlannedStage:
        """Return this execution without a report; it reads executions with these keys."""
        return replace(self, key=self.key + BARE, inputs=inputs, bare=True)


def plan_stages(settings: dict[str, Value], dataset: Dataset) -> list[PlannedStage]:
    """Return the five executions for these settings, in order.

    Each stage takes the settings that its notebook declares. The hash and the name of the films are
    part of the keys, their path is not.
    """
    planned: dict[str, PlannedStage] = {}
    for stage in STAGES:
        declared = declared_in(notebook_of(stage))
        parameters = {name: settings[name] for name in declared if name in settings}
        if "dataset" in parameters:
            parameters["dataset"] = dataset.name
        inputs = {read: planned[read].key for read in READS[stage]}
        films = dataset.describe() | {"why": ""} if not inputs else None
        key = _key(stage, parameters, inputs=inputs, films=films)
        planned[stage] = PlannedStage(stage, key, parameters, inputs)
    return list(planned.values())


def plan_notebook(stage: str, results: str) -> PlannedStage:
    """Return the execution of a notebook that reads the results with this hash."""
    declared = declared_in(notebook_of(stage)).values()
    parameters = {one.name: one.default for one in declared if not one.name.startswith("from_")}
    return PlannedStage(stage, _key(stage, parameters, results=results), parameters)


def _key(stage: str, parameters: dict[str, Value], **read: object) -> str:
    """Return the key of a stage's execution with these parameters and inputs."""
    cells = code_cells(notebook_of(stage))
    ingredients = {
        "format": FORMAT,
        "stage": stage,
        "code": cells,
        "modules": modules_hash("\n".join(source for source, _ in cells)),
        "parameters": parameters,
        "versions": versions(),
        **read,
    }
    text = json.dumps(ingredients, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries on which results depend."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python} | {library: version(library) for library in LIBRARIES}


def fingerprint() -> dict[str, str]:
    """Return everything that must be equal on all workers of a sweep."""
    return {"imdbclust": __version__, **all_sources(), **versions()}
