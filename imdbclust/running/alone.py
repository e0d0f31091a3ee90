"""A notebook opened alone, without the runner: find its inputs, or compute them now.

Every opening has a folder of its own, ``<reports>/interactive/<notebook>-XXXXXXXX``, so that
notebooks that are executed at the same time never meet. Its record is written last, atomically.
"""

from __future__ import annotations

import ast
import json
import re
import tempfile
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

from imdbclust import wording
from imdbclust.base.disk import DAY, open_up
from imdbclust.base.paths import NOTEBOOKS, reports
from imdbclust.datasets.find import find_dataset
from imdbclust.display.widgets import Bar
from imdbclust.running.clean import use_until_exit
from imdbclust.running.execute import DatasetRef, execute_stage
from imdbclust.running.manifest import NotARun, find_folder, read_manifest, stage_folder
from imdbclust.running.pages.checks import SCRIPT
from imdbclust.running.parameters import (
    ALONE,
    COURSE_PRESET,
    DATASET,
    FROM_RUN,
    PRESET,
    ParameterError,
    Value,
    declared,
    declared_in,
    presets,
    settings,
    unknown_parameter,
)
from imdbclust.running.plan import fingerprint, plan_stages
from imdbclust.running.stages import READS, STAGES, cells_of, notebook_of
from imdbclust.running.store import ARTIFACT, RECORD, TABLES, Store, discard, write_json

KEPT = 10
"""Number of finished openings of a notebook that are kept; the next one may read the newest."""

TELLING = ("weighting", "n_components", "algorithm", "n_clusters")
"""Parameters that are named even if they have their defaults, which an editor may have changed."""

OPENING = "opening.json"  # what an opening reads, its settings, and the versions
MARKS = {
    "finding": "padding-left: 1em; border-left: 3px solid #2a9d8f; font-weight: 500",
    "warning": "padding: .5em 1em; border-left: 4px solid #d79921",
    "check": "opacity: .8",
    "stamp": "opacity: .7; font-size: .9em",
}
"""Styles of what a stage says, for notebooks, which have no style sheet of ours."""

_TOOLS = """<style>
.jp-RenderedHTMLCommon .full thead button {{ all: unset; cursor: pointer; }}
</style><script>(() => {{
{functions}
const within = document.currentScript.parentElement;
within.querySelectorAll("table.full").forEach((table) => addTools(table, Math.random()));
}})();</script>"""

INJECTED = "# Parameters\n"  # how papermill begins the cell that sets parameters


CHOOSES = {PRESET: COURSE_PRESET, FROM_RUN: ""}
"""Parameters that choose the values of others, with their defaults in the sources."""


@dataclass(frozen=True)
class Opening:
    """What a notebook opened alone works with."""

    parameters: dict[str, Value]  # in effect
    folder: Path  # where it writes
    inputs: dict[str, Path]  # folders of the stages that it reads
    stamp: str  # of which films and settings it speaks


@dataclass(frozen=True)
class _Source:
    """Where a notebook's inputs are from, and its parameters that were left at their defaults."""

    values: Mapping[str, Value]  # of parameters, also of earlier notebooks
    inputs: dict[str, Path]
    said: str  # as a sentence; empty if they are those of the preset


def open_alone(name: str, values: dict[str, Value]) -> Opening:
    """Check the parameters of a notebook opened alone, and provide its inputs and its folder.

    Parameters that have their defaults take the values of the run `from_run`, of the `preset`, or
    of the notebook before this one as it finished last; the inputs are from there, too. What was
    not computed yet is computed now.
    """
    declared = declared_in(notebook_of(name))
    checked = {key: declared[key].check(value) for key, value in values.items()}
    if name not in READS:
        folder = _sweep(str(checked["from_sweep"]))
        said = wording.sentence("of_sweep", name=folder.name)
        return Opening(checked, _new_folder(name), {"sweep": folder}, said)
    # a notebook that is saved with another preset or run has it as the default, too
    sources = {key: one.default for key, one in declared.items()} | CHOOSES
    own = {key: value for key, value in checked.items() if value != sources[key]}
    found = _source(name, own, str(checked.get(DATASET, "auto")))
    parameters = checked | {key: found.values[key] for key in found.values.keys() & checked} | own
    films = f"the dataset {parameters.get(DATASET)}"
    if found.inputs:
        about = found.inputs[STAGES[0]] / ARTIFACT / "corpus.json"
        films = json.loads(about.read_text(encoding="utf-8"))["source"]["title"]
    usual = {key: one.default for key, one in declared.items()} | found.values
    shown = _telling(parameters, usual)
    preset = str(parameters.get(PRESET, COURSE_PRESET))
    folder = _new_folder(name)
    inputs = {stage: str(one) for stage, one in found.inputs.items()}
    reached = _without({**found.values, **parameters}, ALONE)
    opening = {"inputs": inputs, "settings": reached, "package": _package()}
    write_json(folder / OPENING, opening)
    stamp = wording.opened_alone(films, preset, shown, found.said)
    return Opening(parameters, folder, found.inputs, stamp)


def _telling(parameters: Mapping[str, Value], usual: Mapping[str, Value]) -> dict[str, Value]:
    """Return the parameters to name: those that are `TELLING` or not as usual."""
    return {
        key: value
        for key, value in parameters.items()
        if key not in (DATASET, *ALONE) and (key in TELLING or value != usual.get(key, value))
    }


def _without(values: Mapping[str, Value], names: Collection[str]) -> dict[str, Value]:
    return {key: value for key, value in values.items() if key not in names}


def dressed(html: str) -> str:
    """Return what a stage shows as it is in JupyterLab: sentences marked, tables sortable."""
    for kind, style in MARKS.items():
        html = re.sub(f'^<p class="{kind}"', rf'\g<0> style="{style}"', html)
    html = re.sub('^(<p class="check"[^>]*>)', r"\1✓ ", html)
    if "<table class=full" in html:
        functions, _, _ = SCRIPT.partition("document.querySelectorAll")
        html += _TOOLS.format(functions=functions.replace('"use strict";', ""))
    return html


def check_injected(namespace: Mapping[str, object], declared: Collection[str]) -> None:
    """Raise ParameterError if papermill has set a parameter that the notebook does not declare."""
    for source in namespace.get("In", ()):
        if not source.startswith(INJECTED):
            continue
        nodes = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
        for name in (target.id for node in nodes for target in node.targets):
            if name not in declared:
                raise unknown_parameter(name, declared, f"choose one of {', '.join(declared)}")


def _source(name: str, own: Mapping[str, Value], dataset: str) -> _Source:
    """Return where a stage's inputs are from; `own` parameters differ from their defaults."""
    if run := str(own.get(FROM_RUN, "")):
        if PRESET in own:
            raise ParameterError(f"give {FROM_RUN} or {PRESET}, not both")
        return _of_run(name, run)
    preset = str(own.get(PRESET, COURSE_PRESET))
    given = {key: value for key, value in own.items() if key not in (DATASET, *ALONE)}
    wanted = settings(preset, given)
    if not READS[name]:
        return _Source(presets()[preset], {}, "")
    usual = settings(preset, {})
    recipe = {*TELLING, *chain.from_iterable(presets().values())} if PRESET in own else set()
    asked = {key: wanted[key] for key in recipe | given.keys()}
    if last := _finished_last(STAGES[STAGES.index(name) - 1], asked):
        return replace(last, values=last.values | usual, said="") if PRESET in own else last
    return _Source(usual, _computed(name, wanted, dataset), "")


def _of_run(name: str, run: str) -> _Source:
    """Return the parameters of a run, and the folders of its stages that a notebook reads."""
    try:
        folder = find_folder(run)
        manifest = read_manifest(folder)
        found = {stage: stage_folder(folder, manifest, stage) for stage in READS[name]}
    except NotARun as error:
        raise ParameterError(f"{FROM_RUN}: {error}") from None
    use_until_exit(Store(folder.parent).folder, found.values())
    values = {key: one["value"] for key, one in manifest["parameters"].items()}
    return _Source(values, found, wording.sentence("of_run", run=run, preset=manifest["preset"]))


def _finished_last(before: str, asked: Mapping[str, Value]) -> _Source | None:
    """Return the notebook `before` as it finished last, opened alone by this package.

    None if it was never finished, or if one of its settings is not as `asked`.
    """
    package, earlier = _package(), {notebook_of(one).stem for one in (*READS[before], before)}
    theirs = {key for key, one in declared().items() if earlier & set(one.stages)}
    for folder in _finished(before):
        with suppress(OSError, ValueError):  # removed or damaged
            about = json.loads((folder / OPENING).read_text(encoding="utf-8"))
            values = about["settings"]
            inputs = {stage: Path(one) for stage, one in about["inputs"].items()}
            inputs[before] = folder
            present = all((one / ARTIFACT).is_dir() for one in inputs.values())
            same = all(values[key] == asked[key] for key in asked.keys() & theirs & values.keys())
            if present and same and about["package"] == package:
                when = datetime.fromtimestamp((folder / RECORD).stat().st_mtime)
                usual = {key: one.default for key, one in declared().items()}
                shown = _telling(values, usual)
                shown = {key: value for key, value in shown.items() if key in theirs}
                said = wording.of_last(notebook_of(before).stem, f"{when:%H:%M}", shown)
                return _Source(values, inputs, said)
    return None


def _package() -> dict[str, str]:
    """Return the versions on which the results of an opening depend, without the notebooks."""
    return {name: value for name, value in fingerprint().items() if name != "notebooks"}


def _finished(stage: str) -> list[Path]:
    """Return the folders of the finished openings of a notebook, the newest first."""
    found = (reports() / "interactive").glob(f"{notebook_of(stage).stem}-*/{RECORD}")
    return [path.parent for path in sorted(found, key=lambda path: -path.stat().st_mtime_ns)]


def _new_folder(name: str) -> Path:
    """Make the folder of an opening, and remove old ones of the same notebook."""
    parent, stem = reports() / "interactive", notebook_of(name).stem
    parent.mkdir(parents=True, exist_ok=True)
    for folder in parent.glob(f"{stem}-*"):
        with suppress(OSError):  # another process removes it, too
            if not (folder / RECORD).exists() and folder.stat().st_mtime < time.time() - 7 * DAY:
                discard(folder)
    for folder in _finished(name)[KEPT:]:
        with suppress(OSError):
            discard(folder)
    folder = Path(tempfile.mkdtemp(prefix=f"{stem}-", dir=parent))
    open_up(folder)
    for part in (ARTIFACT, TABLES):
        (folder / part).mkdir()
    return folder


def _computed(name: str, values: dict[str, Value], dataset: str) -> dict[str, Path]:
    """Compute the stages that a notebook reads, unless they are finished; return their folders."""
    found, store = find_dataset(dataset), Store(reports())
    needed = [step for step in plan_stages(values, found) if step.stage in READS[name]]
    folders = {step.stage: store.path(step) for step in needed}
    use_until_exit(store.folder, folders.values())
    for step in needed:
        if store.record(step) is None:
            about = {"notebook": step.name, "films": found.title}
            text = wording.sentence("computed_first", **about)
            bar = Bar(len(cells_of(step.stage)), text)
            execute_stage(step, store=store, films=DatasetRef.of(found), on_cell=bar.advance)
    if found.synthetic:
        print("The films are made up: no real films are available.", flush=True)
    return folders


def _sweep(name: str) -> Path:
    """Return the folder of a sweep: the named one, or the newest, or the small one."""
    found = sorted(reports().glob("*/results.parquet"), key=lambda path: path.stat().st_mtime)
    folders = [path.parent for path in found if name in ("", path.parent.name)]
    if folders:
        return folders[-1]
    if name:
        raise ParameterError(f"from_sweep: no sweep called {name!r} in {reports()}")
    from imdbclust.running.sweep import run_sweep

    print("There are no sweeps yet; the small one is computed now …", flush=True)
    return run_sweep(NOTEBOOKS / "small.yml")
