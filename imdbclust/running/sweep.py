"""A sweep: many settings, every stage that they share executed once, and one table of results."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from imdbclust import __version__, datasets
from imdbclust.datasets import Dataset, file_sha256
from imdbclust.paths import reports
from imdbclust.running.execute import StageFailed, execute_stage
from imdbclust.running.html import render_sweep
from imdbclust.running.notebook import FLOAT_FORMAT
from imdbclust.running.parameters import ParameterError, Value
from imdbclust.running.plan import PlannedStage, plan_notebook, plan_stages, versions
from imdbclust.running.progress import SweepProgress
from imdbclust.running.run import (
    RunFailed,
    assemble,
    check_name,
    check_possible,
    commit,
    films_of,
    finished_entry,
    new_manifest,
    pending_entry,
)
from imdbclust.running.specification import Setting, Specification, read_specification
from imdbclust.running.stages import STAGES, notebook_of
from imdbclust.running.store import (
    NOTEBOOK,
    TABLES,
    Store,
    discard,
    replace_folder,
    write_json,
)

VOLATILE = ("seconds_", "peak_memory_mb_")
"""Beginnings of the columns of ``results.csv`` that differ between two sweeps of the same thing."""


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep executes.

    Attributes
    ----------
    specification : Specification
        The settings.
    dataset : Dataset
        Their films.
    stages : list of list of PlannedStage
        The five executions of each setting, in the settings' order.
    executions : dict of PlannedStage
        Each distinct one by its key; whatever one reads stands before it.
    """

    specification: Specification
    dataset: Dataset
    stages: list[list[PlannedStage]]
    executions: dict[str, PlannedStage]

    def summary(self, store: Store) -> pd.DataFrame:
        """Count, for each notebook, ``settings``, ``executions`` and those ``there`` already."""
        rows = []
        for stage in STAGES:
            planned = [one for one in self.executions.values() if one.stage == stage]
            there = sum(store.record(one) is not None for one in planned)
            name = notebook_of(stage).stem
            rows.append((name, len(self.stages), len(planned), there))
        return pd.DataFrame(rows, columns=["notebook", "settings", "executions", "there"])


def plan_sweep(specification: Specification, dataset: Dataset) -> SweepPlan:
    """Return the executions that the settings need, each once."""
    stages = [plan_stages(one.parameters, dataset) for one in specification.settings]
    executions = {
        planned.key: planned
        for number in range(len(STAGES))
        for planned in (setting[number] for setting in stages)
    }
    return SweepPlan(specification, dataset, stages, executions)


@dataclass(frozen=True)
class Outcome:
    """How an execution ended.

    Attributes
    ----------
    status : str
        ``done``, ``failed``, or ``skipped`` because something that it reads failed.
    record : dict
        The record of a finished execution.
    reused : bool
        Whether it was there already.
    error : dict
        Of a failed one, as :class:`~imdbclust.running.execute.StageFailed` has it.
    notebook : str
        The annotated notebook of a failed one.
    """

    status: str
    record: dict = field(default_factory=dict)
    reused: bool = False
    error: dict = field(default_factory=dict)
    notebook: str = ""


def execute_once(
    planned: PlannedStage,
    store: Store,
    dataset: Dataset,
    upstream: dict[str, PlannedStage],
    engine: str = "auto",
) -> Outcome:
    """Execute a stage unless it is there; a failure is an outcome, not an exception.

    Parameters
    ----------
    planned : PlannedStage
        What to execute.
    store : Store
        Where it belongs.
    dataset : Dataset
        The films.
    upstream : dict
        The executions that it reads, by stage.
    engine : {"auto", "warm", "plain"}
        As of :func:`imdbclust.running.execute.execute_stage`.
    """
    record = store.record(planned)
    if record is not None:
        return Outcome("done", record, reused=True)
    inputs = {stage: store.path(one) for stage, one in upstream.items()}
    try:
        record = execute_stage(planned, store=store, inputs=inputs, dataset=dataset, engine=engine)
    except StageFailed as failure:
        return Outcome("failed", error=failure.error, notebook=failure.notebook)
    return Outcome("done", record)


def execute_all(
    plan: SweepPlan,
    store: Store,
    on_outcome: Callable[[PlannedStage, Outcome], None],
    engine: str = "auto",
) -> dict[str, Outcome]:
    """Execute what a sweep needs, one after the other, and return the outcomes by key."""
    outcomes: dict[str, Outcome] = {}
    for key, planned in plan.executions.items():
        upstream = {stage: plan.executions[read] for stage, read in planned.inputs.items()}
        if all(outcomes[read].status == "done" for read in planned.inputs.values()):
            outcomes[key] = execute_once(planned, store, plan.dataset, upstream, engine)
        else:
            outcomes[key] = Outcome("skipped")
        on_outcome(planned, outcomes[key])
    return outcomes


def results_table(plan: SweepPlan, outcomes: dict[str, Outcome]) -> pd.DataFrame:
    """Return one row for each setting, in the order of the specification.

    Returns
    -------
    DataFrame
        ``setting`` (from 1), ``status``, ``preset``, the axes, every metric that the notebooks
        recorded, ``error``, the key of each stage, and last, for each stage, seconds and peak
        memory: columns that begin as `VOLATILE` says.
    """
    rows = []
    axes = [name for name in plan.specification.axes if name != "preset"]
    for number, (setting, stages) in enumerate(
        zip(plan.specification.settings, plan.stages, strict=True), start=1
    ):
        found = [outcomes[planned.key] for planned in stages]
        failed = next((one for one in found if one.status == "failed"), None)
        row = {
            "setting": number,
            "status": "failed" if failed else "done",
            "preset": setting.preset,
        }
        row |= {name: setting.parameters[name] for name in axes}
        for outcome in found:
            row |= {
                name: value
                for name, value in outcome.record.get("metrics", {}).items()
                if name not in row
            }
        row["error"] = "{stage}: {type}: {message}".format_map(failed.error) if failed else ""
        row |= {f"key_{planned.name}": planned.key for planned in stages}
        for planned, outcome in zip(stages, found, strict=True):
            row[f"seconds_{planned.name}"] = outcome.record.get("seconds")
            row[f"peak_memory_mb_{planned.name}"] = outcome.record.get("peak_memory_mb")
        rows.append(row)
    table = pd.DataFrame(rows)
    last = [name for name in table if name.startswith(("error", "key_", *VOLATILE))]
    first = list(dict.fromkeys(["setting", "status", "preset", *axes]))
    return table[[*first, *metrics_of(table, first), *last]]


def metrics_of(table: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return the columns that are neither settings nor keys, seconds, memory or errors."""
    about = ("setting", "status", "preset", *axes)
    others = ("error", "key_", *VOLATILE)
    return [name for name in table if name not in about and not name.startswith(others)]


class SweepFailed(RunFailed):
    """Some settings of a sweep failed; its folder, with the results of the others, is there."""


def prepare_sweep(
    path: Path,
    *,
    dataset: str | None = None,
    parameters: Mapping[str, Value] | None = None,
    out: Path | None = None,
) -> tuple[SweepPlan, Store]:
    """Read a specification, check every setting against the films, and plan the executions.

    Raises
    ------
    imdbclust.running.specification.SpecificationError
        The specification cannot be carried out.
    imdbclust.running.parameters.ParameterError
        The films do not admit a setting, which the message names.
    imdbclust.datasets.DatasetError, imdbclust.load.CorpusError
        The films cannot be had or read.
    """
    specification = read_specification(path, dataset=dataset, given=parameters)
    plan = plan_sweep(specification, datasets.find(specification.dataset))
    store = Store(Path(out) if out else reports())
    films = {}
    for setting, stages in zip(specification.settings, plan.stages, strict=True):
        load = stages[0]
        if load.key not in films:
            films[load.key] = films_of(load, store, plan.dataset)
        try:
            check_possible(setting.parameters, films[load.key])
        except ParameterError as error:
            raise ParameterError(f"{path}: {_named(setting)}: {error}") from None
    return plan, store


def sweep(
    plan: SweepPlan,
    store: Store,
    name: str,
    *,
    force: bool = False,
    command: str = "",
    engine: str = "auto",
) -> Path:
    """Execute a planned sweep, write its results and render a report for each setting.

    Parameters
    ----------
    plan : SweepPlan
        What is executed.
    store : Store
        Where stages lie; the sweep's folder is beside them.
    name : str
        Name of that folder. One of that name is replaced once the sweep has ended.
    force : bool
        Execute also what is there already.
    command : str
        How the sweep was called, for the report.
    engine : {"auto", "warm", "plain"}
        As of :func:`imdbclust.running.execute.execute_stage`.

    Returns
    -------
    Path
        The folder: ``results.csv`` and ``results.parquet``, ``index.html``, ``manifest.json``,
        ``specification.yml``, and the reports of each setting in ``settings/``.

    Raises
    ------
    SweepFailed
        Settings failed; the others are done.
    """
    if force:
        for planned in plan.executions.values():
            discard(store.path(planned))
    began = time.monotonic()
    progress = SweepProgress(len(plan.executions))

    def tell(planned: PlannedStage, outcome: Outcome) -> None:
        status = "shared" if outcome.reused else outcome.status
        progress.ended(planned, status, outcome.error.get("message", ""))

    try:
        outcomes = execute_all(plan, store, tell, engine)
    finally:
        progress.close()
    results = results_table(plan, outcomes)
    folder = _write(plan, store, check_name(name), results, outcomes, command, began, engine)
    n_failed = int((results["status"] == "failed").sum())
    if n_failed:
        raise SweepFailed(f"{n_failed} of {len(results)} settings failed", folder)
    return folder


def _named(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.axes.items())


def _write(plan, store, name, results, outcomes, command, began, engine) -> Path:
    """Build the sweep's folder beside its place and put it there in one step."""
    out = store.folder.parent
    new = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=out))
    try:
        (new / "settings").mkdir()
        width = len(str(len(results)))
        for number, (setting, stages) in enumerate(
            zip(plan.specification.settings, plan.stages, strict=True), start=1
        ):
            label = f"{number:0{width}}"
            found = [outcomes[one.key] for one in stages]
            manifest = _manifest_of(label, setting, stages, plan.dataset, found, command)
            failed = next((one.notebook for one in found if one.notebook), "")
            assemble(new / "settings" / label, manifest, stages, store, failed)
        results.to_csv(
            new / "results.csv", index=False, float_format=FLOAT_FORMAT, lineterminator="\n"
        )
        results.to_parquet(new / "results.parquet", index=False)
        (new / "specification.yml").write_text(plan.specification.text, encoding="utf-8")
        manifest = {
            "format": 1,
            "name": name,
            "status": "done",
            "command": command,
            "dataset": plan.dataset.describe(),
            "settings": len(results),
            "failed": int((results["status"] == "failed").sum()),
            "executions": plan.summary(store).to_dict("records"),
            "computed": sum(not one.reused for one in outcomes.values() if one.status == "done"),
            "axes": list(plan.specification.axes),
            "metrics": metrics_of(results, plan.specification.axes),
            "volatile_columns": list(VOLATILE),
            "versions": {"imdbclust": __version__, **versions()},
            "seconds": round(time.monotonic() - began, 2),
            "stages": [],
            **commit(),
        }
        write_json(new / "manifest.json", manifest)
        manifest["stages"] = [_look_at(new, plan, store, engine)]
        render_sweep(new, manifest)
        write_json(new / "manifest.json", manifest)
        new.chmod(0o755)
        replace_folder(new, out / name)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return out / name


def _manifest_of(label, setting, stages, dataset, outcomes, command) -> dict:
    """Return the manifest of a setting, as that of a run."""
    manifest = new_manifest(label, setting.preset, setting.parameters, dataset, stages, command)
    for entry, outcome in zip(manifest["stages"], outcomes, strict=True):
        if outcome.status == "done":
            entry |= finished_entry(outcome.record, reused=outcome.reused)
        elif outcome.status == "failed":
            entry["status"] = "failed"
            manifest |= {"status": "failed", "error": outcome.error}
    return manifest


def _look_at(folder: Path, plan: SweepPlan, store: Store, engine: str) -> dict:
    """Execute the notebook that looks at the sweep; return its entry for the manifest."""
    planned = plan_notebook("sweep", file_sha256(folder / "results.parquet"))
    record = store.record(planned) or execute_stage(
        planned, store=store, inputs={"sweep": folder}, dataset=plan.dataset, engine=engine
    )
    (folder / "notebooks").mkdir()
    there = store.path(planned)
    shutil.copyfile(there / NOTEBOOK, folder / "notebooks" / f"{planned.name}.ipynb")
    shutil.copytree(there / TABLES, folder / TABLES)
    return pending_entry(planned) | finished_entry(record, reused=False)


def run_sweep(path: Path, *, name: str | None = None, command: str = "", **options) -> Path:
    """Prepare and execute a sweep; see :func:`prepare_sweep` and :func:`sweep`."""
    plan, store = prepare_sweep(path, **options)
    return sweep(plan, store, name or f"sweep-{Path(path).stem}", command=command)
