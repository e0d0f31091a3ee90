"""A notebook opened alone, without the runner: find its inputs, or compute them now."""

from __future__ import annotations

import json
from pathlib import Path

from imdbclust import wording
from imdbclust.base.paths import NOTEBOOKS, reports
from imdbclust.datasets.find import find_dataset
from imdbclust.running.clean import use_until_exit
from imdbclust.running.execute import DatasetRef, execute_stage
from imdbclust.running.manifest import NotARun, find_folder, read_manifest, stage_folder
from imdbclust.running.parameters import (
    COURSE_PRESET,
    DATASET,
    FROM_RUN,
    ParameterError,
    Value,
    declared_in,
    settings,
)
from imdbclust.running.plan import plan_stages
from imdbclust.running.stages import READS, STAGES, notebook_of
from imdbclust.running.store import ARTIFACT, TABLES, Store, discard


def prepare_alone(
    name: str, values: dict[str, Value]
) -> tuple[dict[str, Value], Path, dict[str, Path]]:
    """Return the checked parameters, the folder and the inputs of a notebook opened alone."""
    declared = declared_in(notebook_of(name))
    parameters = {key: declared[key].check(value) for key, value in values.items()}
    if name == "sweep":
        inputs = {"sweep": _sweep(str(parameters["from_sweep"]))}
    elif not READS[name]:
        inputs = {}
    elif parameters[FROM_RUN]:
        inputs = _inputs_of_run(name, str(parameters[FROM_RUN]))
    else:
        inputs = _computed(name, parameters)
    folder = reports() / "interactive" / notebook_of(name).stem
    discard(folder)
    for part in (ARTIFACT, TABLES):
        (folder / part).mkdir(parents=True)
    return parameters, folder, inputs


def settings_alone(
    name: str, parameters: dict[str, Value], folder: Path, inputs: dict[str, Path]
) -> str:
    """Return which films and settings a notebook opened alone speaks of."""
    declared = declared_in(notebook_of(name))
    own = {key: value for key, value in parameters.items() if key not in (DATASET, FROM_RUN)}
    changed = {key: value for key, value in own.items() if value != declared[key].default}
    if name == STAGES[0]:
        return wording.opened_alone(f"the dataset {parameters[DATASET]}", changed)
    films = json.loads((inputs[STAGES[0]] / ARTIFACT / "corpus.json").read_text(encoding="utf-8"))
    run = str(parameters[FROM_RUN])
    preset = read_manifest(find_folder(run))["preset"] if run else ""
    return wording.opened_alone(films["source"]["title"], changed, run=run, preset=preset)


def _computed(name: str, parameters: dict[str, Value]) -> dict[str, Path]:
    """Compute the stages that a notebook reads, unless they are finished; return their folders.

    Parameters that earlier stages declare too, such as ``random_state``, apply to them; all others
    have their defaults.
    """
    shared = {key: value for key, value in parameters.items() if key != FROM_RUN}
    found, store = find_dataset(str(shared.get("dataset", "auto"))), Store(reports())
    planned = plan_stages(settings(COURSE_PRESET, shared), found)
    needed = [step for step in planned if step.stage in READS[name]]
    folders = {step.stage: store.path(step) for step in needed}
    use_until_exit(store.folder, folders.values())
    for step in needed:
        if store.record(step) is None:
            print(f"{step.name} is computed first, from {found.title} …", flush=True)
            execute_stage(step, store=store, films=DatasetRef.of(found))
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


def _inputs_of_run(name: str, run: str) -> dict[str, Path]:
    """Return the folders of the stages to read, from a run."""
    try:
        folder = find_folder(run)
        manifest = read_manifest(folder)
        found = {stage: stage_folder(folder, manifest, stage) for stage in READS[name]}
    except NotARun as error:
        raise ParameterError(f"{FROM_RUN}: {error}") from None
    use_until_exit(Store(folder.parent).folder, found.values())
    return found
