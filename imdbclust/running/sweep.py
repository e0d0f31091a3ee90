"""A sweep: many settings, every stage that they share computed once, one table of results."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import pandas as pd
from joblib import cpu_count

from imdbclust.base.disk import file_sha256, open_up
from imdbclust.base.paths import reports
from imdbclust.base.text import counted, quoted
from imdbclust.clustering import CLUSTERING_FILE
from imdbclust.datasets.find import Dataset, find_dataset
from imdbclust.display.csv_files import write_table
from imdbclust.evaluation import sweeps as comparison
from imdbclust.running.clean import in_use
from imdbclust.running.execute import DatasetRef, ExecutionOptions, Outcome, execute_once
from imdbclust.running.kernels.warm import start_early
from imdbclust.running.manifest import find_folder, read_manifest
from imdbclust.running.pages.report import render_sweep
from imdbclust.running.parameters import DATASET, ParameterError, Value
from imdbclust.running.plan import PlannedStage, plan_notebook, plan_stages
from imdbclust.running.progress import RunProgress, SweepProgress
from imdbclust.running.publish import (
    copy_stage,
    describe_settings,
    new_manifest,
    publish,
    stage_entry,
)
from imdbclust.running.run import (
    RunFailed,
    check_name,
    check_out,
    check_possible,
    clear,
    execute_locally,
    films_of,
    plain,
    run,
)
from imdbclust.running.specification import (
    ALL,
    BEST,
    MAX_REPORTS,
    Specification,
    read_specification,
)
from imdbclust.running.stages import STAGES, notebook_of
from imdbclust.running.store import (
    ARTIFACT,
    LABELS,
    MANIFEST,
    Store,
    replace_folder,
    tidy,
    unfinished,
    write_json,
)
from imdbclust.wording import planned_reports

VOLATILE = ("seconds_", "peak_memory_mb_")
"""Prefixes of the columns of ``results.csv`` that differ when a sweep is repeated."""

_LAST = ("error", "report", "key_", *VOLATILE)  # prefixes of its last columns


@dataclass(frozen=True)
class SweepPlan:
    """The executions of a sweep."""

    specification: Specification
    dataset: Dataset
    stages: list[list[PlannedStage]]  # the five executions of each setting
    executions: dict[str, PlannedStage]  # each once, by its key, after those that it reads

    def finished(self, store: Store) -> dict[str, dict]:
        """Return the records of the finished executions, by key."""
        found = {key: store.record(planned) for key, planned in self.executions.items()}
        return {key: record for key, record in found.items() if record is not None}

    def reports(self) -> str:
        """Say which settings get a report, and why."""
        one = self.specification
        return planned_reports(one.reports, MAX_REPORTS, by_default=one.by_default)

    def summary(self, finished: Collection[str]) -> pd.DataFrame:
        """Count, for each notebook, settings, executions, and those that are finished."""
        rows = []
        for stage in STAGES:
            of_stage = [one for one in self.executions.values() if one.stage == stage]
            keys = {one.base_key for one in of_stage}
            there = {one.base_key for one in of_stage if one.key in finished}
            counts = (len(self.stages), len(keys), len(there))
            rows.append((notebook_of(stage).stem, *counts))
        return pd.DataFrame(rows, columns=["notebook", "settings", "executions", "there"])


def plan_sweep(
    specification: Specification, dataset: Dataset, store: Store | None = None
) -> SweepPlan:
    """Return the executions that the settings need, each once.

    Unless all settings get a report, they are executed without one, except those stages that
    `store` already has with one.
    """
    stages = [plan_stages(one.parameters, dataset) for one in specification.settings]
    if specification.reports != ALL:
        stages = [_without_report(some, store) for some in stages]
    executions = {one.key: one for same_stage in zip(*stages, strict=True) for one in same_stage}
    return SweepPlan(specification, dataset, stages, executions)


def _without_report(stages: list[PlannedStage], store: Store | None) -> list[PlannedStage]:
    found: dict[str, PlannedStage] = {}
    for one in stages:
        read = {stage: found[stage] for stage in one.inputs}
        whole = store is not None and store.path(one).is_dir()
        if not whole or any(other.bare for other in read.values()):
            one = one.as_bare({stage: other.key for stage, other in read.items()})
        found[one.stage] = one
    return list(found.values())


class SettingReports(SweepProgress):
    """Progress of a sweep that publishes the report of a setting when its last stage has ended.

    Settings that failed always get a report, with the notebook up to the failure.
    """

    def __init__(self, plan: SweepPlan, store: Store, folder: Path, command: str):
        super().__init__(plan.executions.values())
        self.plan, self.store, self.folder = plan, store, folder
        self.reported: set[int] = set()  # positions of the settings that have a report
        self.error: dict | None = None  # of the report of the best setting
        self.manifest = new_manifest("", plan.dataset, command)
        self._waiting = [{planned.key for planned in stages} for stages in plan.stages]
        self._places = defaultdict(list)  # of the settings that need an execution
        for place, stages in enumerate(plan.stages):
            for planned in stages:
                self._places[planned.key].append(place)
        folder.mkdir()

    def ended(self, planned: PlannedStage, outcome: Outcome) -> None:
        """Report how an execution ended, and publish the settings that are complete with it."""
        super().ended(planned, outcome)
        for place in self._places[planned.key]:
            self._waiting[place].discard(planned.key)
            if not self._waiting[place]:
                stages = self.plan.stages[place]
                failed = any(self.outcomes[one.key].status != "done" for one in stages)
                if failed or self.plan.specification.reports == ALL:
                    self.publish(place, stages, self.outcomes)

    def publish(
        self, place: int, stages: list[PlannedStage], outcomes: Mapping[str, Outcome]
    ) -> dict:
        """Write the report of the setting at this position, and return its manifest."""
        setting = self.plan.specification.settings[place]
        name = setting_name(place + 1, len(self.plan.stages))
        about = {"name": name} | describe_settings(setting.preset, setting.parameters)
        manifest = {**self.manifest, **about}
        publish(self.folder / name, manifest, stages, outcomes, self.store, compare=False)
        self.reported.add(place)
        return manifest


def results_table(plan: SweepPlan, outcomes: dict[str, Outcome]) -> pd.DataFrame:
    """Return one row for each setting, in the order of the specification.

    The columns are ``setting`` (from 1), ``status``, ``preset``, the axes, every metric that the
    notebooks recorded, ``error``, the key of each stage, and for each stage seconds and peak
    memory: columns with the prefixes `VOLATILE`.
    """
    rows = []
    axes = [name for name in plan.specification.axes if name != "preset"]
    for setting, stages in zip(plan.specification.settings, plan.stages, strict=True):
        found = {planned.name: outcomes[planned.key] for planned in stages}
        error = next((one.error for one in found.values() if one.status == "failed"), None)
        row = {"setting": len(rows) + 1, "status": "failed" if error else "done"}
        row |= {"preset": setting.preset, **{name: setting.parameters[name] for name in axes}}
        for outcome in found.values():
            metrics = outcome.record.get("metrics", {})
            row |= {name: value for name, value in metrics.items() if name not in row}
        row["error"] = "{stage}: {type}: {message}".format_map(error) if error else ""
        row |= {f"key_{planned.name}": planned.base_key for planned in stages}
        for name, outcome in found.items():
            row[f"seconds_{name}"] = outcome.record.get("seconds")
            row[f"peak_memory_mb_{name}"] = outcome.record.get("peak_memory_mb")
        rows.append(row)
    table = pd.DataFrame(rows)
    first = ["setting", "status", "preset", *axes]
    last = [name for name in table if name.startswith(_LAST)]
    return table[[*first, *metrics_of(table, axes), *last]]


def metrics_of(table: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return the columns of a table of results that the notebooks measured."""
    about = {"setting", "status", "preset", *axes}
    return [name for name in table if name not in about and not name.startswith(_LAST)]


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
    imdbclust.base.errors.UserError
        The specification is invalid, the films are not available or not readable, or a setting,
        which the message names, is impossible for the films.
    """
    specification = read_specification(path, dataset=dataset, given=parameters)
    store = Store(reports() if out is None else Path(out).absolute())
    plan = plan_sweep(specification, find_dataset(specification.dataset), store)
    films = {}
    for setting, (load, *_) in zip(specification.settings, plan.stages, strict=True):
        if load.key not in films:
            films[load.key] = films_of(load, store, plan.dataset)
        try:
            check_possible(setting.parameters, films[load.key])
        except ParameterError as error:
            named = ", ".join(f"{name} {value}" for name, value in setting.axes.items())
            raise ParameterError(f"{path}: {named}: {error}") from None
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
    plan, store
        As :func:`prepare_sweep` returns them.
    name : str
        Name of the sweep's folder. A sweep of that name is replaced when this one has ended.
    workers : int, optional
        Number of processes that execute notebooks; by default the number of cores. 1 is this
        process.
    scheduler : str, optional
        Address of a Dask scheduler whose workers execute the notebooks instead.
    force, options, command
        As :func:`imdbclust.running.run.run`.

    Returns the folder: ``results.csv`` and ``results.parquet``, ``index.html``, ``manifest.json``,
    ``specification.yml``, and the reports of each setting in ``settings/``.

    Raises
    ------
    imdbclust.base.errors.UserError
        Workers or kernels are not available, or would not give the same results.
    RunFailed
        Some settings failed; the folder has the results of the rest.
    """
    check_out(store.out, check_name(name))
    n_workers = _check_workers(workers, scheduler)
    options = (options or ExecutionOptions()).resolved()
    began = time.monotonic()
    with in_use(store.folder, map(store.path, plan.executions.values())):
        clear(store, plan.executions.values() if force else ())
        try:
            with unfinished(store.out, name) as new:
                watch = SettingReports(plan, store, new / "settings", command)
                _execute(watch, options, n_workers, scheduler)
                if plan.specification.reports == BEST:
                    _report_best(watch, options)
                manifest = _write(name, watch, began, replace(options, timeout=None))
                replace_folder(new, store.out / name)
        finally:
            tidy(store.out)
    error = manifest["error"]
    if manifest["failed"] and not error:
        error = f"{manifest['failed']} of {counted(manifest['settings'], 'setting')} failed"
    if error:
        raise RunFailed(error, store.out / name)
    return store.out / name


def _check_workers(workers: int | None, scheduler: str | None) -> int:
    """Return the number of processes of this machine that execute notebooks."""
    if scheduler == "":
        raise ParameterError("--scheduler must be an address, e.g. tcp://10.0.0.1:8786, not empty")
    if workers and scheduler:
        raise ParameterError("give --workers or --scheduler, not both")
    if workers is not None and workers < 1:
        raise ParameterError(f"--workers must be at least 1, not {workers}")
    if find_spec("distributed") is None:
        if scheduler or (workers or 1) > 1:
            raise ParameterError("more workers need Dask: pip install 'imdbclust[cluster]'")
        return 1
    return workers or cpu_count()


def _execute(
    watch: SettingReports, options: ExecutionOptions, n_workers: int, scheduler: str | None
) -> None:
    plan, store = watch.plan, watch.store
    finished = plan.finished(store)
    remaining = [planned for key, planned in plan.executions.items() if key not in finished]
    todo = (remaining, store, DatasetRef.of(plan.dataset), options, watch)
    n_workers = min(n_workers, len(remaining))
    try:
        if plan.specification.reports != ALL:
            watch.say(f"  {plan.reports()}")
        for key, record in finished.items():
            watch.ended(plan.executions[key], Outcome("done", record, reused=True))
        if remaining and options.engine != "plain":
            start_early()  # also for the notebook of the sweep
        if remaining and (scheduler or n_workers > 1):
            from imdbclust.running.workers import execute_on_workers

            execute_on_workers(*todo, n_workers=n_workers, scheduler=scheduler)
        else:
            execute_locally(*todo)
    finally:
        watch.close()


def _report_best(watch: SettingReports, options: ExecutionOptions) -> None:
    """Execute the best setting again with everything that a report needs, and render it."""
    plan, store = watch.plan, watch.store
    results = results_table(plan, watch.outcomes)
    best = comparison.best_setting(results, plan.specification.axes)
    if best is None or best - 1 in watch.reported:
        return
    stages = plan_stages(plan.specification.settings[best - 1].parameters, plan.dataset)
    progress = RunProgress(stages)
    with in_use(store.folder, map(store.path, stages)):
        try:
            execute_locally(stages, store, DatasetRef.of(plan.dataset), options, progress)
        finally:
            progress.close()
        watch.error = watch.publish(best - 1, stages, progress.outcomes)["error"]


def _write_labels(plan: SweepPlan, outcomes: Mapping[str, Outcome], store: Store, to: Path) -> None:
    """Write the clusters of the movies, an array for each finished setting, named by its number.

    The file is one that :func:`numpy.load` reads, array by array.
    """
    with ZipFile(to, "w", ZIP_DEFLATED) as file:
        for number, (*_, clustering, _) in enumerate(plan.stages, start=1):
            if outcomes[clustering.key].status == "done":
                path = store.path(clustering) / ARTIFACT / CLUSTERING_FILE
                with np.load(path, allow_pickle=False) as made:
                    labels = made["labels"]
                buffer = BytesIO()
                np.save(buffer, labels.astype(np.min_scalar_type(-1 - labels.max())))
                # with the time that NumPy's own archives have, so that the bytes do not differ
                file.writestr(ZipInfo(f"{number}.npy"), buffer.getvalue(), ZIP_DEFLATED)


def _write(name: str, watch: SettingReports, began: float, options: ExecutionOptions) -> dict:
    """Write the results, the manifest and the page of a sweep; return the manifest."""
    new, plan, outcomes, store = watch.folder.parent, watch.plan, watch.outcomes, watch.store
    results = results_table(plan, outcomes)
    names = (setting_name(number, len(results)) for number in results["setting"])
    pages = [f"settings/{name}/index.html" for name in names]
    reported = [place in watch.reported for place in range(len(results))]
    results["report"] = np.where(reported, pages, "")
    _write_labels(plan, outcomes, store, new / LABELS)
    write_table(results, new / "results.csv")
    results.to_parquet(new / "results.parquet", index=False)
    (new / "specification.yml").write_text(plan.specification.text, encoding="utf-8")
    reused = [key for key, outcome in outcomes.items() if outcome.reused]
    manifest = watch.manifest | {
        "name": name,
        "settings": len(results),
        "reports": plan.specification.reports,
        "given": plan.specification.given,
        "films": plan.dataset.address,
        "request": plan.dataset.request,
        "failed": int((results["status"] == "failed").sum()),
        "executions": plan.summary(reused).to_dict("records"),
        "computed": sum(one.status == "done" for one in outcomes.values()) - len(reused),
        "axes": list(plan.specification.axes),
        "metrics": metrics_of(results, plan.specification.axes),
        "volatile_columns": list(VOLATILE),
        "seconds": round(time.monotonic() - began, 2),
        "stages": [],
    }
    write_json(new / MANIFEST, manifest)  # the notebook reads it
    planned = plan_notebook("sweep", file_sha256(new / "results.parquet"))
    (new / "notebooks").mkdir()
    with in_use(store.folder, [store.path(planned)]):
        outcome = execute_once(planned, store=store, inputs={"sweep": new}, options=options)
        if outcome.status == "failed" and not outcome.notebook:  # a page needs one
            source = notebook_of(planned.stage).read_text(encoding="utf-8")
            outcome = replace(outcome, notebook=source)
        copy_stage(planned, outcome, store, new)
    manifest |= {"stages": [stage_entry(planned, outcome)], "error": outcome.error or watch.error}
    render_sweep(new, manifest)
    write_json(new / MANIFEST, manifest)
    open_up(new, watch.store.out / name)
    return manifest


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


def run_setting(name: str, *, out: Path | None = None, dataset: str | None = None, **how) -> Path:
    """Execute one setting of a sweep with everything that a report needs; return its folder.

    Parameters
    ----------
    name : str
        Name of the sweep and number of the setting: ``SWEEP/N``.
    out : path, optional
        The folder for reports.
    dataset : str, optional
        The films of the sweep, if they have been moved.
    **how
        ``force``, ``options`` and ``command`` as in :func:`imdbclust.running.run.run`.

    Raises
    ------
    imdbclust.base.errors.UserError
        The sweep or the setting does not exist, the films have changed, or an option is wrong.
    RunFailed
        A notebook failed.
    """
    sweep_name, _, number = name.rpartition("/")
    folder = find_folder(sweep_name or number, out)
    manifest = read_manifest(folder)
    if "given" not in manifest:
        raise ParameterError(f"{folder} is not a sweep of this version; give --setting SWEEP/N")
    films = find_dataset(dataset or manifest["films"], **manifest["request"])
    if films.sha256 != manifest["dataset"]["sha256"]:
        raise ParameterError(
            f"the films of the sweep {folder.name!r} have changed since; give those it used by "
            "--dataset, or repeat the sweep"
        )
    found = read_specification(
        folder / "specification.yml", dataset=films.name, given=manifest["given"]
    ).settings
    names = [setting_name(place + 1, len(found)) for place in range(len(found))]
    place = int(number) - 1 if re.fullmatch(r"[0-9]{1,9}", number) else -1
    if not sweep_name or not 0 <= place < len(found):
        raise ParameterError(
            f"the sweep {folder.name!r} has no setting {quoted(number if sweep_name else '')}; "
            f"its settings are {folder.name}/{names[0]} to {folder.name}/{names[-1]}"
        )
    return run(
        dataset=films.address,
        request=manifest["request"],
        preset=found[place].preset,
        parameters={k: v for k, v in found[place].parameters.items() if k != DATASET},
        name=names[place],
        within=f"{folder.name}/settings",
        out=folder.parent,
        **how,
    )


def setting_name(number: int, n_settings: int) -> str:
    """Return the name of a setting, which is that of its folder: its number, with leading zeros."""
    return f"{number:0{len(str(n_settings))}}"


def name_of(path: Path) -> str:
    """Return the default name of a sweep."""
    return f"sweep-{plain(Path(path).stem)}"
