"""A sweep: many settings, every stage that they share executed once, and one table of results."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from joblib import cpu_count

from imdbclust import __version__
from imdbclust.base.disk import file_sha256
from imdbclust.base.paths import reports
from imdbclust.datasets import find as datasets
from imdbclust.datasets.find import Dataset
from imdbclust.display.csv_files import write_table
from imdbclust.running.clean import in_use
from imdbclust.running.execute import (
    DatasetRef,
    ExecutionOptions,
    Outcome,
    StageFailed,
    execute_once,
    execute_stage,
)
from imdbclust.running.kernels.warm import start_early
from imdbclust.running.manifest import MANIFEST
from imdbclust.running.pages.report import render_sweep
from imdbclust.running.parameters import ParameterError, Value
from imdbclust.running.plan import PlannedStage, plan_notebook, plan_stages, versions
from imdbclust.running.progress import SweepProgress
from imdbclust.running.run import (
    RunFailed,
    assemble,
    check_name,
    check_out,
    check_possible,
    commit,
    entry_of,
    films_of,
    new_manifest,
    pending_entry,
    plain,
)
from imdbclust.running.specification import Setting, Specification, read_specification
from imdbclust.running.stages import STAGES, notebook_of
from imdbclust.running.store import (
    NOTEBOOK,
    TABLES,
    Store,
    discard,
    replace_folder,
    tidy,
    unfinished,
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

    def upstream(self, planned: PlannedStage) -> dict[str, PlannedStage]:
        """Return the executions that one reads, by stage."""
        return {stage: self.executions[key] for stage, key in planned.inputs.items()}

    def there(self, store: Store) -> dict[str, dict]:
        """Return the records of the executions that are there already, by key."""
        found = {key: store.record(planned) for key, planned in self.executions.items()}
        return {key: record for key, record in found.items() if record is not None}

    def summary(self, there: Collection[str]) -> pd.DataFrame:
        """Count, for each notebook, ``settings``, ``executions`` and those ``there`` already."""
        rows = []
        for stage in STAGES:
            keys = [key for key, one in self.executions.items() if one.stage == stage]
            n_there = sum(key in there for key in keys)
            rows.append((notebook_of(stage).stem, len(self.stages), len(keys), n_there))
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


class SettingReports(SweepProgress):
    """Progress of a sweep; the report of a setting is written as soon as it can be.

    Parameters
    ----------
    plan : SweepPlan
        What is executed.
    store : Store
        Where stages lie.
    folder : Path
        Where the reports belong; it is made.
    command : str
        How the sweep was called.

    Attributes
    ----------
    outcomes : dict of Outcome
        How the executions that have ended did, by key.
    """

    def __init__(self, plan: SweepPlan, store: Store, folder: Path, command: str):
        super().__init__(len(plan.executions))
        self.plan, self.store, self.folder, self.command = plan, store, folder, command
        self.outcomes: dict[str, Outcome] = {}
        self._waiting = [{planned.key for planned in stages} for stages in plan.stages]
        folder.mkdir()

    def ended(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Say how an execution ended, and write the reports that waited for it alone."""
        super().ended(planned, outcome)
        self.outcomes[planned.key] = outcome
        for place, waiting in enumerate(self._waiting):
            if planned.key in waiting:
                waiting.discard(planned.key)
                if not waiting:
                    self._write(place)

    def _write(self, place: int) -> None:
        setting, stages = self.plan.specification.settings[place], self.plan.stages[place]
        label = f"{place + 1:0{len(str(len(self.plan.stages)))}}"
        found = [self.outcomes[one.key] for one in stages]
        manifest = _manifest_of(label, setting, stages, self.plan.dataset, found, self.command)
        failed = next((one.notebook for one in found if one.notebook), "")
        assemble(self.folder / label, manifest, stages, self.store, failed)


def execute_locally(
    plan: SweepPlan,
    wanted: Iterable[PlannedStage],
    store: Store,
    options: ExecutionOptions,
    watch: SettingReports,
) -> None:
    """Execute stages in this process, one after the other.

    Parameters
    ----------
    plan : SweepPlan
        What they are part of.
    wanted : iterable of PlannedStage
        Those that are not there yet, whatever one reads before it.
    store : Store
        Where they belong.
    options : ExecutionOptions
        How.
    watch : SettingReports
        What is told how each ended.
    """
    films = DatasetRef.of(plan.dataset)
    for planned in wanted:
        upstream = plan.upstream(planned)
        if any(watch.outcomes[one.key].status != "done" for one in upstream.values()):
            outcome = Outcome("skipped")
        else:
            watch.began(planned.key)
            outcome = execute_once(
                planned, store=store, upstream=upstream, films=films, options=options
            )
        watch.ended(planned, outcome)


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
    imdbclust.base.errors.DatasetError, imdbclust.load.CorpusError
        The films cannot be had or read.
    """
    specification = read_specification(path, dataset=dataset, given=parameters)
    plan = plan_sweep(specification, datasets.find_dataset(specification.dataset))
    store = Store(reports() if out is None else Path(out).absolute())
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
    workers: int | None = None,
    scheduler: str | None = None,
    options: ExecutionOptions | None = None,
    command: str = "",
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
    workers : int, optional
        Processes that execute notebooks at the same time, as many as there are cores if not
        given; 1 is this process.
    scheduler : str, optional
        Address of a Dask scheduler whose workers execute them instead.
    options : ExecutionOptions, optional
        How notebooks are executed: their time limit, and how kernels are started.
    command : str
        How the sweep was called, for the report.

    Returns
    -------
    Path
        The folder: ``results.csv`` and ``results.parquet``, ``index.html``, ``manifest.json``,
        ``specification.yml``, and the reports of each setting in ``settings/``.

    Raises
    ------
    imdbclust.running.parameters.ParameterError, imdbclust.running.kernels.warm.EngineError
        There are no such workers or kernels, or they would not give the same results.
    SweepFailed
        Settings failed; the others are done.
    """
    name, out = check_name(name), store.folder.parent
    check_out(out, name)
    n_workers, options = (
        _check_workers(workers, scheduler),
        (options or ExecutionOptions()).resolved(),
    )
    with in_use(store.folder, map(store.path, plan.executions.values())):
        tidy(out)
        if force:
            for planned in plan.executions.values():
                discard(store.path(planned))
        began = time.monotonic()
        there = plan.there(store)
        wanted = [planned for key, planned in plan.executions.items() if key not in there]
        try:
            with unfinished(out, name) as new:
                watch = SettingReports(plan, store, new / "settings", command)
                try:
                    for key, record in there.items():
                        watch.ended(plan.executions[key], Outcome("done", record, reused=True))
                    todo = (plan, wanted, store, options, watch)
                    if wanted and options.engine != "plain":
                        start_early()  # also for the notebook that looks at the sweep
                    if wanted and (scheduler or n_workers > 1):
                        from imdbclust.running.workers import execute_on_workers

                        n_workers = min(n_workers, len(wanted))
                        execute_on_workers(*todo, n_workers=n_workers, scheduler=scheduler)
                    else:
                        execute_locally(*todo)
                finally:
                    watch.close()
                results = results_table(plan, watch.outcomes)
                error = _write(
                    new, plan, store, name, results, watch.outcomes, command, began, options
                )
                replace_folder(new, out / name)
        finally:
            tidy(out)
    folder = out / name
    if error:
        raise SweepFailed("{stage}: {type}: {message}".format_map(error), folder)
    n_failed = int((results["status"] == "failed").sum())
    if n_failed:
        raise SweepFailed(f"{n_failed} of {len(results)} settings failed", folder)
    return folder


def _named(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.axes.items())


def _check_workers(workers: int | None, scheduler: str | None) -> int:
    """Return how many processes of this machine execute notebooks.

    Raises
    ------
    ParameterError
        What executes elsewhere than in this process is not installed, or is asked for twice.
    """
    if scheduler == "":
        raise ParameterError("--scheduler is an address, such as tcp://10.0.0.1:8786, not empty")
    if workers and scheduler:
        raise ParameterError("give --workers or --scheduler, not both")
    if workers is not None and workers < 1:
        raise ParameterError(f"--workers is at least 1, not {workers}")
    n_workers = workers or cpu_count()
    if find_spec("distributed") is None:
        if scheduler or (workers or 1) > 1:
            raise ParameterError("more workers need Dask: pip install 'imdbclust[cluster]'")
        return 1
    return n_workers


def _write(
    new: Path,
    plan: SweepPlan,
    store: Store,
    name: str,
    results: pd.DataFrame,
    outcomes: dict[str, Outcome],
    command: str,
    began: float,
    options: ExecutionOptions,
) -> dict | None:
    """Write what a sweep leaves beside its settings; return the error of its page, if any."""
    write_table(results, new / "results.csv")
    results.to_parquet(new / "results.parquet", index=False)
    (new / "specification.yml").write_text(plan.specification.text, encoding="utf-8")
    reused = [key for key, outcome in outcomes.items() if outcome.reused]
    manifest = {
        "format": 1,
        "name": name,
        "status": "done",
        "command": command,
        "dataset": plan.dataset.describe(),
        "settings": len(results),
        "failed": int((results["status"] == "failed").sum()),
        "executions": plan.summary(reused).to_dict("records"),
        "computed": sum(one.status == "done" for one in outcomes.values()) - len(reused),
        "axes": list(plan.specification.axes),
        "metrics": metrics_of(results, plan.specification.axes),
        "volatile_columns": list(VOLATILE),
        "versions": {"imdbclust": __version__, **versions()},
        "seconds": round(time.monotonic() - began, 2),
        "stages": [],
        **commit(),
    }
    write_json(new / MANIFEST, manifest)
    planned, looked = _look_at(new, store, replace(options, timeout=None))
    manifest["stages"] = [pending_entry(planned) | entry_of(looked)]
    manifest["error"] = looked.error or None
    render_sweep(new, manifest)
    write_json(new / MANIFEST, manifest)
    new.chmod(0o755)
    return manifest["error"]


def _manifest_of(label, setting, stages, dataset, outcomes, command) -> dict:
    """Return the manifest of a setting, as that of a run."""
    manifest = new_manifest(label, setting.preset, setting.parameters, dataset, stages, command)
    for entry, outcome in zip(manifest["stages"], outcomes, strict=True):
        entry |= entry_of(outcome)
        if outcome.status == "failed":
            manifest |= {"status": "failed", "error": outcome.error}
    return manifest


def _look_at(folder: Path, store: Store, options: ExecutionOptions) -> tuple[PlannedStage, Outcome]:
    """Execute the notebook that looks at the sweep, and put what it leaves into the folder."""
    planned = plan_notebook("sweep", file_sha256(folder / "results.parquet"))
    (folder / "notebooks").mkdir()
    notebook = folder / "notebooks" / f"{planned.name}.ipynb"
    with in_use(store.folder, [store.path(planned)]):
        try:
            record = store.record(planned) or execute_stage(
                planned, store=store, inputs={"sweep": folder}, options=options
            )
        except StageFailed as failure:
            source = notebook_of(planned.stage).read_text(encoding="utf-8")
            notebook.write_text(failure.notebook or source, encoding="utf-8", newline="\n")
            return planned, Outcome("failed", error=failure.error, seconds=failure.seconds)
        there = store.path(planned)
        shutil.copyfile(there / NOTEBOOK, notebook)
        shutil.copytree(there / TABLES, folder / TABLES)
    return planned, Outcome("done", record)


def run_sweep(
    path: Path,
    *,
    dataset: str | None = None,
    out: Path | None = None,
    name: str | None = None,
    **options,
) -> Path:
    """Prepare and execute a sweep; see :func:`prepare_sweep` and :func:`sweep`."""
    plan, store = prepare_sweep(path, dataset=dataset, out=out)
    return sweep(plan, store, name_of(path) if name is None else name, **options)


def name_of(path: Path) -> str:
    """Return the name of a sweep that was not given one, by the name of its specification."""
    return f"sweep-{plain(Path(path).stem)}"
