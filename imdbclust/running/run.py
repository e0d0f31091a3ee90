"""A run: five stages, each computed once, and a folder that people read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imdbclust import __version__
from imdbclust.base.disk import temporary
from imdbclust.base.paths import REPOSITORY, reports
from imdbclust.base.text import quoted
from imdbclust.datasets import find as datasets
from imdbclust.datasets.find import Dataset
from imdbclust.running.execute import (
    DatasetRef,
    ExecutionOptions,
    Outcome,
    execute_once,
    execute_stage,
)
from imdbclust.running.kernels.warm import start_early
from imdbclust.running.manifest import MANIFEST
from imdbclust.running.parameters import ParameterError, Value, declared, settings
from imdbclust.running.plan import PlannedStage, plan_stages, versions
from imdbclust.running.progress import Progress
from imdbclust.running.stages import READS, STAGES, cells_of
from imdbclust.running.store import (
    ARTIFACT,
    EXPLORER_DATA,
    NOTEBOOK,
    PART,
    TABLES,
    Store,
    discard,
    replace_folder,
    tidy,
    unfinished,
    write_json,
)

if TYPE_CHECKING:
    from imdbclust.load import Corpus

DEFAULT_PRESET = "seed"

NOT_NAMES = ("stages", "interactive", "bench")
"""Folders in ``reports/`` that are no runs."""


class RunFailed(RuntimeError):
    """A stage of a run failed; its folder, with the annotated notebook, is there.

    Attributes
    ----------
    folder : Path
        The run's folder.
    """

    def __init__(self, message: str, folder: Path):
        super().__init__(message)
        self.folder = folder


def run(
    *,
    dataset: str = "auto",
    preset: str = DEFAULT_PRESET,
    parameters: dict[str, Value] | None = None,
    name: str | None = None,
    out: Path | None = None,
    force: bool = False,
    options: ExecutionOptions | None = None,
    command: str = "",
) -> Path:
    """Execute the five notebooks and render their reports.

    Parameters
    ----------
    dataset : str
        As :func:`imdbclust.datasets.find.find_dataset`.
    preset : str
        Named set of parameters, from ``notebooks/presets.yml``.
    parameters : dict, optional
        Values that differ from the preset's.
    name : str, optional
        Name of the folder below `out`; made of dataset and preset if not given. A folder of
        that name is replaced once the run has ended.
    out : path, optional
        The folder for reports.
    force : bool
        Execute also what is there already.
    options : ExecutionOptions, optional
        How notebooks are executed: their time limit, and how kernels are started.
    command : str
        How the run was called, for the report.

    Returns
    -------
    Path
        The run's folder.

    Raises
    ------
    imdbclust.running.parameters.ParameterError, imdbclust.base.errors.DatasetError,
    imdbclust.load.CorpusError, imdbclust.running.kernels.warm.EngineError
        Something asked for is wrong; nothing was started.
    RunFailed
        A notebook failed. The folder says which, and keeps its annotated copy.
    """
    options = (options or ExecutionOptions()).resolved()
    values = settings(preset, parameters or {})
    found = datasets.find_dataset(dataset)
    name = check_name(f"{plain(found.name)}-{preset}" if name is None else name)
    out = reports() if out is None else Path(out).absolute()  # kernels work elsewhere
    check_out(out, name)
    planned, store = plan_stages(values, found), Store(out)
    if options.engine != "plain" and (force or not all(map(store.record, planned))):
        start_early()  # it imports while the films are read here
    check_possible(values, films_of(planned[0], store, found))
    tidy(out)
    if force:
        for stage in planned:
            discard(store.path(stage))
    manifest = new_manifest(name, preset, values, found, planned, command)
    began = time.monotonic()
    failure = _execute_all(planned, store, found, options, manifest["stages"])
    if failure:
        manifest |= {"status": "failed", "error": failure.error}
    manifest["seconds"] = round(time.monotonic() - began, 2)
    folder = assemble(out / name, manifest, planned, store, failure.notebook if failure else "")
    if manifest["error"]:
        raise RunFailed("{stage}: {type}: {message}".format_map(manifest["error"]), folder)
    return folder


def prepare(
    stage: str, shared: dict[str, Value], *, tell: Callable[[str], None]
) -> dict[str, Path]:
    """Make what a notebook opened alone reads, where it is not there yet.

    Parameters
    ----------
    stage : str
        The notebook's stage.
    shared : dict
        Its parameters; those that earlier stages declare too apply to them.
    tell : callable
        Takes a sentence on what is being made.

    Returns
    -------
    dict of Path
        Folders of the stages that it reads.
    """
    before = STAGES[STAGES.index(stage) - 1]
    found = datasets.find_dataset(str(shared.get("dataset", "auto")))
    planned = plan_stages(settings(DEFAULT_PRESET, shared), found, until=before)
    needed = _needed(READS[stage])
    store = Store(reports())
    for step in planned:
        if step.stage in needed and store.record(step) is None:
            tell(f"{step.name} is not there yet; it is made now, from {found.title} …")
            inputs = _folders(step, planned, store)
            execute_stage(step, store=store, inputs=inputs, films=DatasetRef.of(found))
    if found.synthetic:
        tell("The films are made up: no real ones are at hand.")
    return {step.stage: store.path(step) for step in planned if step.stage in READS[stage]}


def check_name(name: str) -> str:
    """Return a run's name if it can be that of a folder everywhere.

    Raises
    ------
    ParameterError
        If it cannot.
    """
    usual = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) and not name.endswith(".")
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    if not usual or reserved or name.lower() in NOT_NAMES:
        raise ParameterError(
            f"{quoted(name)} cannot be the name of a run: up to 64 letters, digits, dots, - and _, "
            f"beginning with a letter or digit, and not {', '.join(NOT_NAMES)}"
        )
    return name


def check_out(out: Path, name: str) -> None:
    """Raise unless a run's folder can be put below a folder for reports, before anything starts.

    Raises
    ------
    ParameterError
        Nothing can be written there, or what has that name is no run that may be replaced.
    """
    there = out / name
    try:
        str(there.absolute()).encode()  # notebooks say where they lie
        there.exists()  # raises where a name is too long
        for folder in (there.parent, Store(out).folder):
            while not os.path.lexists(folder):
                folder = folder.parent
            with temporary(folder, PART):
                pass  # the rights of a folder do not tell all
        foreign = os.path.lexists(there) and not (there / MANIFEST).is_file()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no Unicode"
        raise ParameterError(
            f"{out}: reports cannot be written there: {reason}; name another folder with --out"
        ) from None
    if foreign and not (there.is_dir() and not any(there.iterdir())):
        raise ParameterError(
            f"{there} is there and is no run, so it is not replaced; give another --name or --out"
        )


def new_manifest(
    name: str,
    preset: str,
    values: dict[str, Value],
    dataset: Dataset,
    planned: list[PlannedStage],
    command: str,
) -> dict:
    """Return the manifest of a run of which nothing has been executed yet."""
    usual = settings(preset, {})
    return {
        "format": 1,
        "name": name,
        "status": "done",
        "error": None,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "command": command,
        "preset": preset,
        "given": {name: value for name, value in values.items() if value != usual[name]},
        "dataset": dataset.describe(),
        "parameters": _described(values),
        "stages": [pending_entry(stage) for stage in planned],
        "versions": {"imdbclust": __version__, **versions()},
        **commit(),
    }


def films_of(load: PlannedStage, store: Store, dataset: Dataset) -> Corpus:
    """Return the films that a run is of, from its first stage if that is there already.

    Raises
    ------
    imdbclust.load.CorpusError
        Films that cannot be read.
    """
    from imdbclust.load import Corpus

    if store.record(load):
        return Corpus.load(store.path(load) / ARTIFACT)
    return dataset.read(on_problem=str(load.parameters["on_problem"]))


def check_possible(values: dict[str, Value], corpus: Corpus) -> None:
    """Raise if the films do not admit what is asked for, before anything is started.

    Raises
    ------
    ParameterError
        More clusters than movies, more components than the matrix has, an unknown genre, an
        unknown or ambiguous actor.
    imdbclust.load.CorpusError
        Films none of which has a genre.
    """
    from imdbclust.load import CorpusError
    from imdbclust.probabilities import resolve_actor, resolve_genre
    from imdbclust.reduction import check_n_components

    if corpus.genres.empty:
        raise CorpusError(
            "no movie has a genre, so there is nothing to say about genres "
            f"({corpus.n_movies:,} movies)"
        )
    try:
        check_n_components(values["n_components"], (corpus.n_movies, corpus.n_actors))
        _check_placeable(values, corpus)
        if values["target_genre"]:
            resolve_genre(corpus, values["target_genre"])
        if values["target_actor"]:
            resolve_actor(corpus, values["target_actor"])
    except ValueError as error:
        raise ParameterError(str(error)) from None


def _check_placeable(values: dict[str, Value], corpus: Corpus) -> None:
    """Raise ValueError if fewer movies can be clustered than there are to be clusters."""
    from imdbclust.clustering import check_n_clusters
    from imdbclust.matrix import linked_movies

    by_degree = values["weighting"] == "degree"
    linked = linked_movies(corpus)
    if by_degree and not linked.any():
        raise ValueError("no actor plays in two movies, so no movie is linked to another")
    placeable = linked if by_degree else corpus.cast_sizes() > 0
    everything = values["algorithm"] == "MiniBatchKMeans"
    check_n_clusters(values["n_clusters"], corpus.n_movies if everything else int(placeable.sum()))


def _execute_all(
    planned: list[PlannedStage],
    store: Store,
    dataset: Dataset,
    options: ExecutionOptions,
    entries: list[dict],
) -> Outcome | None:
    """Execute what is not there yet, noting in the manifest's entries how it went.

    Returns
    -------
    Outcome or None
        That of the stage that failed, if one did.
    """
    progress = Progress(planned)
    by_stage = {stage.stage: stage for stage in planned}
    try:
        if dataset.synthetic:
            progress.say(f"THE FILMS OF THIS RUN ARE MADE UP. {dataset.why}".strip())
        for stage, entry in zip(planned, entries, strict=True):
            progress.begin(stage)
            outcome = execute_once(
                stage,
                store=store,
                upstream={read: by_stage[read] for read in stage.inputs},
                films=DatasetRef.of(dataset),
                options=options,
                on_cell=progress.cell,
            )
            entry |= entry_of(outcome)
            if outcome.status == "failed":
                return outcome
            progress.end(stage, outcome)
    finally:
        progress.close()
    return None


_TOLD = (
    "kernel",
    "kernel_note",
    "seconds",
    "peak_memory_mb",
    "headlines",
    "findings",
    "warnings",
    "checks",
    "metrics",
    "tables",
)


def entry_of(outcome: Outcome) -> dict:
    """Return what a manifest says of a stage that was executed, or was there."""
    if outcome.status == "done":
        told = {key: outcome.record[key] for key in _TOLD}
        how = {"reused": outcome.reused, "replaced": outcome.replaced}
        return {"status": "done"} | how | told
    if outcome.status == "failed":
        return {"status": "failed", "seconds": round(outcome.seconds, 2)}
    return {}


def pending_entry(stage: PlannedStage) -> dict:
    """Return what a manifest says of a stage that has not been executed."""
    empty = {
        "headlines": [],
        "findings": [],
        "warnings": [],
        "checks": [],
        "metrics": {},
        "tables": [],
    }
    return {
        "stage": stage.name,
        "title": _title(stage),
        "status": "pending",
        "key": stage.key,
        "reused": False,
        "replaced": "",
        "seconds": None,
        "peak_memory_mb": None,
        "kernel": None,
        "kernel_note": "",
        **empty,
    }


def _title(stage: PlannedStage) -> str:
    return "".join(cells_of(stage.stage)[0]["source"]).splitlines()[0].lstrip("# ")


def _described(values: dict[str, Value]) -> dict[str, dict]:
    return {
        name: {
            "value": value,
            "default": declared()[name].default,
            "help": declared()[name].help,
            "stages": list(declared()[name].stages),
        }
        for name, value in values.items()
        if name not in ("dataset", "from_run")
    }


def _folders(stage: PlannedStage, planned: list[PlannedStage], store: Store) -> dict[str, Path]:
    return {step.stage: store.path(step) for step in planned if step.stage in stage.inputs}


def _needed(stages: tuple[str, ...]) -> set[str]:
    """Return these stages and all that they rest on."""
    return set(stages).union(*(_needed(READS[stage]) for stage in stages))


def assemble(
    folder: Path, manifest: dict, planned: list[PlannedStage], store: Store, failed_notebook: str
) -> Path:
    """Build the run's folder beside its place, render it, and put it there in one step.

    Parameters
    ----------
    folder : Path
        Where the run belongs.
    manifest : dict
        Its record; status and error of the rendering are added.
    planned : list of PlannedStage
        Its stages.
    store : Store
        Where they lie.
    failed_notebook : str
        The annotated notebook of the stage that failed; empty if none did.
    """
    from imdbclust.running.pages.report import RenderError, render_index

    with unfinished(folder.parent, folder.name) as new:
        (new / "notebooks").mkdir()
        (new / TABLES).mkdir()
        for stage, entry in zip(planned, manifest["stages"], strict=True):
            copy = new / "notebooks" / f"{stage.name}.ipynb"
            if entry["status"] == "done":
                there = store.path(stage)
                shutil.copyfile(there / NOTEBOOK, copy)
                shutil.copytree(there / TABLES, new / TABLES, dirs_exist_ok=True)
                for table in (there / ARTIFACT).glob("*.csv"):
                    shutil.copyfile(table, new / table.name)
            elif entry["status"] == "failed" and failed_notebook:
                copy.write_text(failed_notebook, encoding="utf-8", newline="\n")
        siblings = _siblings(folder, manifest)
        explorer_data = store.path(planned[-1]) / ARTIFACT / EXPLORER_DATA
        try:
            _render(new, manifest, siblings, explorer_data)
        except RenderError as error:  # not fit to be read, but nothing of it is thrown away
            about = {"stage": "report", "type": "RenderError", "message": str(error), "cell": None}
            manifest |= {"status": "failed", "error": manifest["error"] or about}
            with suppress(RenderError):
                _render(new, manifest, siblings, explorer_data)
        write_json(new / MANIFEST, manifest)
        new.chmod(0o755)
        replace_folder(new, folder)
        for sibling in siblings:
            others = [manifest, *(one for one in siblings if one is not sibling)]
            render_index(folder.parent / sibling["name"], sibling, others)
    return folder


def _render(folder: Path, manifest: dict, siblings: list[dict], explorer_data: Path) -> None:
    """Write all pages of a run; the explorer first, to which the others lead if it is there."""
    from imdbclust.running.pages.explorer import render_explorer
    from imdbclust.running.pages.report import render_run

    if manifest["stages"][-1]["status"] == "done" and explorer_data.is_file():
        render_explorer(folder, manifest, explorer_data)
    render_run(folder, manifest, siblings)


def _siblings(folder: Path, manifest: dict) -> list[dict]:
    """Return the manifests of the finished runs beside this one that differ in the preset alone."""

    def alike(one: dict) -> tuple:
        films = {key: value for key, value in one["dataset"].items() if key != "why"}
        return films, one["given"], one["status"]

    found = {}
    for path in sorted(folder.parent.glob(f"*/{MANIFEST}")):
        try:
            other = json.loads(path.read_text(encoding="utf-8"))
            here = path.parent != folder and other["name"] == path.parent.name
            if here and other["preset"] != manifest["preset"] and alike(other) == alike(manifest):
                found[other["preset"]] = other
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no run of ours, or of another version
    return list(found.values())


def commit() -> dict:
    """Return the commit of the repository and whether anything differs from it."""
    try:
        head, status = (
            subprocess.run(
                ["git", "-C", str(REPOSITORY), *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
    return {"commit": head, "dirty": bool(status)}


def plain(name: str) -> str:
    """Return the name of a dataset or a file as part of a folder's name."""
    stem = re.sub(r"(\.(json|jsonl|ndjson))?(\.gz)?$", "", name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-_")[:48] or "films"
