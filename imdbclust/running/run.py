"""A run: five stages, each computed once, and a folder of reports."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from imdbclust.base.disk import temporary
from imdbclust.base.errors import Failure
from imdbclust.base.paths import reports
from imdbclust.base.text import quoted
from imdbclust.datasets.find import Dataset, find_dataset
from imdbclust.running.clean import in_use
from imdbclust.running.execute import DatasetRef, ExecutionOptions, Outcome, execute_once
from imdbclust.running.kernels.warm import start_early
from imdbclust.running.parameters import DEFAULT_PRESET, ParameterError, Value, settings
from imdbclust.running.plan import PlannedStage, plan_stages
from imdbclust.running.progress import RunProgress, Watch
from imdbclust.running.publish import describe_settings, load_renderer, new_manifest, publish
from imdbclust.running.store import ARTIFACT, MANIFEST, PART, Store, discard, tidy

if TYPE_CHECKING:
    from imdbclust.load import Corpus

LOADING_SECONDS = 60  # maximum wait for the import of what renders pages
NOT_NAMES = ("stages", "interactive", "bench")  # folders in reports/ that are not runs


class RunFailed(Failure):
    """A stage of a run failed; the run's folder has the annotated notebook."""

    def __init__(self, error: dict | str, folder: Path):
        text = "{stage}: {type}: {message}"
        super().__init__(error if isinstance(error, str) else text.format_map(error))
        self.page = folder / "index.html"


def run(
    *,
    dataset: str | Sequence[str] = "auto",
    request: Mapping | None = None,
    preset: str = DEFAULT_PRESET,
    parameters: dict[str, Value] | None = None,
    name: str | None = None,
    within: str = "",
    out: Path | None = None,
    force: bool = False,
    options: ExecutionOptions | None = None,
    command: str = "",
) -> Path:
    """Execute the five notebooks and render their reports; return the run's folder.

    Parameters
    ----------
    dataset : str or sequence of str
        As for :func:`imdbclust.datasets.find.find_dataset`.
    request : mapping, optional
        Its ``mapping``, ``part`` and ``accept``.
    preset : str
        As in ``notebooks/presets.yml``.
    parameters : dict, optional
        Values that override the preset's.
    name : str, optional
        Name of the folder below `out`; by default made from dataset and preset. A run of that name
        is replaced when this one has ended.
    within : str
        Folder below `out` that the run's folder is in, such as ``sweep/settings``.
    out : path, optional
        The folder for reports.
    force : bool
        Re-run stages that are already finished.
    options : ExecutionOptions, optional
        Execution options.
    command : str
        The command line, for the report.

    Raises
    ------
    imdbclust.base.errors.UserError
        A parameter, the films or an option is wrong; nothing was started.
    RunFailed
        A notebook failed. The folder has the reports up to it, and its annotated copy.
    """
    options = (options or ExecutionOptions()).resolved()
    values = settings(preset, parameters or {})
    found = find_dataset(dataset, **(request or {}))
    name = check_name(f"{plain(found.name)}-{preset}" if name is None else name)
    store = Store(reports() if out is None else Path(out).absolute())  # kernels change directory
    check_out(store.out / within, name)
    planned = plan_stages(values, found)
    with in_use(store.folder, map(store.path, planned)):
        if options.engine != "plain" and (force or not all(map(store.record, planned))):
            start_early()  # kernels import their libraries while the films are read here
        check_possible(values, films_of(planned[0], store, found))
        clear(store, planned if force else ())
        manifest = new_manifest(name, found, command) | describe_settings(preset, values)
        began = time.monotonic()
        progress = RunProgress(planned)
        loading = Thread(target=load_renderer, daemon=True)  # while kernels compute
        loading.start()
        try:
            if found.synthetic:
                progress.say(f"THE FILMS OF THIS RUN ARE MADE UP. {found.why}".strip())
            execute_locally(planned, store, DatasetRef.of(found), options, progress)
        finally:
            progress.close()
        manifest["seconds"] = round(time.monotonic() - began, 2)
        loading.join(LOADING_SECONDS)  # two threads that import the same modules can fail
        made = manifest, planned, progress.outcomes, store
        folder = publish(store.out / within / name, *made, compare=not within)
    if manifest["error"]:
        raise RunFailed(manifest["error"], folder)
    return folder


def execute_locally(
    planned: Iterable[PlannedStage],
    store: Store,
    films: DatasetRef,
    options: ExecutionOptions,
    watch: Watch,
) -> None:
    """Execute stages in this process, one after the other, each after those that it reads.

    A stage that reads a failed one is skipped; `watch` follows the executions.
    """
    for stage in planned:
        outcome = Outcome("skipped")
        if all(watch.outcomes[key].status == "done" for key in stage.inputs.values()):
            watch.began(stage)
            how = {"films": films, "options": options, "on_cell": watch.cell}
            outcome = execute_once(stage, store=store, **how)
        watch.ended(stage, outcome)


def clear(store: Store, unwanted: Iterable[PlannedStage]) -> None:
    """Remove the unfinished folders of killed processes, and the stages to be executed again."""
    tidy(store.out)
    for stage in unwanted:
        discard(store.path(stage))


def check_name(name: str) -> str:
    """Return the name of a run; ParameterError unless it is a valid folder name on every system."""
    usual = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?<!\.)", name)
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    if not usual or reserved or name.lower() in NOT_NAMES:
        raise ParameterError(
            f"{quoted(name)} cannot be the name of a run; use up to 64 letters, digits, dots, - "
            f"and _, beginning with a letter or digit, and not {', '.join(NOT_NAMES)}"
        )
    return name


def check_out(out: Path, name: str) -> None:
    """Check, before anything starts, that a run can be written to a folder for reports.

    It is a ParameterError if the folder is not writable, or what has that name is not a run.
    """
    target = out / name
    try:
        str(target.absolute()).encode()  # notebooks record their paths
        target.exists()  # raises if a name is too long
        for folder in (target.parent, Store(out).folder):
            while not os.path.lexists(folder):
                folder = folder.parent
            with temporary(folder, PART):
                pass  # permissions alone do not show whether a folder is writable
        foreign = os.path.lexists(target) and not (target / MANIFEST).is_file()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is not Unicode"
        raise ParameterError(
            f"{out}: reports cannot be written there: {reason}; choose another folder with --out"
        ) from None
    if foreign and not (target.is_dir() and not any(target.iterdir())):
        raise ParameterError(
            f"{target} exists and is not a run, so it is not replaced; choose another --name or "
            "--out"
        )


def films_of(load: PlannedStage, store: Store, dataset: Dataset) -> Corpus:
    """Return the films of a run, from its first stage if that is already finished."""
    from imdbclust.load import Corpus

    if store.record(load):
        return Corpus.load(store.path(load) / ARTIFACT)
    return dataset.read(on_problem=str(load.parameters["on_problem"]))


def check_possible(values: dict[str, Value], corpus: Corpus) -> None:
    """Check the parameters against the films, before anything starts.

    Raises
    ------
    ParameterError
        More clusters than movies, more components than the matrix has, a name for an unknown
        cluster, an unknown genre, or an unknown or ambiguous actor.
    """
    from imdbclust.clustering import check_n_clusters
    from imdbclust.evaluation.profiles import parse_names
    from imdbclust.matrix import linked_movies
    from imdbclust.probabilities import resolve_actor, resolve_genre
    from imdbclust.reduction import check_n_components

    by_degree, linked = values["weighting"] == "degree", linked_movies(corpus)
    n_movies = int((linked if by_degree else corpus.cast_sizes() > 0).sum())
    if values["algorithm"] == "MiniBatchKMeans":
        n_movies = corpus.n_movies
    try:
        check_n_components(values["n_components"], (corpus.n_movies, corpus.n_actors))
        if by_degree and not linked.any():
            raise ParameterError("no actor plays in two movies, so no movies are linked")
        check_n_clusters(values["n_clusters"], n_movies)
        parse_names(values["names"], values["n_clusters"])
        if values["target_genre"]:
            resolve_genre(corpus, values["target_genre"])
        if values["target_actor"]:
            resolve_actor(corpus, values["target_actor"])
    except ValueError as error:
        raise ParameterError(str(error)) from None


def plain(name: str) -> str:
    """Return the name of a dataset or a file as part of a folder's name."""
    stem = re.sub(r"(\.\w{2,7})?(\.(gz|bz2|xz|zip))?$", "", name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-_")[:48] or "films"
