"""Execute one stage: its notebook under papermill, checked, and published only if it finished."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imdbclust.base.errors import Failure
from imdbclust.base.paths import REPOSITORY
from imdbclust.base.text import byte_size
from imdbclust.running.imports import quick_imports
from imdbclust.running.kernels.warm import EngineError, chosen_engine, kernel_environment
from imdbclust.running.parameters import declared_in
from imdbclust.running.plan import PlannedStage
from imdbclust.running.stages import notebook_of
from imdbclust.running.store import CONTEXT, DONE, NOTEBOOK, Store, examine, write_json

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

    from imdbclust.datasets.find import Dataset

KERNEL_LOG = "kernel.log"


@dataclass(frozen=True)
class DatasetRef:
    """Where an execution finds the films, and which they must be.

    Attributes
    ----------
    address : str
        As :func:`imdbclust.datasets.find.find_dataset`.
    sha256 : str
        As :attr:`imdbclust.datasets.find.Dataset.sha256`.
    """

    address: str
    sha256: str

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetRef:
        """Return where a dataset lies."""
        return cls(dataset.address, dataset.sha256)


@dataclass(frozen=True)
class ExecutionOptions:
    """How executions are carried out; nothing of it changes what they find.

    Attributes
    ----------
    timeout : float, optional
        Seconds that a notebook may take.
    engine : {"auto", "warm", "plain"}
        How kernels are started; see :func:`imdbclust.running.kernels.warm.chosen_engine`. With
        ``auto`` a
        kernel that cannot be forked, or is lost because the process that it was forked from died,
        is replaced by a plain one.
    memory_limit : int, optional
        Bytes that a kernel may take beyond what it starts with.
    """

    timeout: float | None = None
    engine: str = "auto"
    memory_limit: int | None = None

    def resolved(self) -> ExecutionOptions:
        """Return the same with the engine that is meant.

        Raises
        ------
        imdbclust.running.kernels.warm.EngineError
            There is no such engine, or it or a limit of memory cannot be had here.
        """
        if self.memory_limit is not None and sys.platform != "linux":
            raise EngineError(f"memory is limited on Linux only, and this is {sys.platform}")
        return replace(self, engine=chosen_engine(self.engine))


class StageFailed(Failure):
    """A notebook did not come to its end.

    Attributes
    ----------
    error : dict
        ``stage``, ``type``, ``message`` and ``cell`` (id of the cell, or None).
    notebook : str
        The executed notebook as far as it came, as JSON; empty if there is none.
    seconds : float
        Time that it took.
    """

    def __init__(self, error: dict, notebook: str, seconds: float):
        super().__init__(f"{error['stage']}: {error['type']}: {error['message']}")
        self.error, self.notebook, self.seconds = error, notebook, seconds


def execute_stage(
    planned: PlannedStage,
    *,
    store: Store,
    inputs: dict[str, Path],
    films: DatasetRef | None = None,
    options: ExecutionOptions | None = None,
    on_cell: Callable[[], None] | None = None,
    on_kernel: Callable[[KernelManager], None] | None = None,
) -> dict:
    """Execute a stage's notebook and publish what it leaves.

    Parameters
    ----------
    planned : PlannedStage
        What to execute.
    store : Store
        Where to publish.
    inputs : dict of Path
        Folders of the stages to read.
    films : DatasetRef, optional
        For the stage that loads them.
    options : ExecutionOptions, optional
        How to.
    on_cell : callable, optional
        Called after every cell.
    on_kernel : callable, optional
        Called with the manager of the kernel before that is started.

    Returns
    -------
    dict
        The record of the execution. Its ``kernel`` says whether a ``warm`` or a ``plain`` one
        executed it, ``kernel_note`` why it was a plain one where a warm one was possible.

    Raises
    ------
    StageFailed
        A cell failed, the kernel died, or the notebook ended without finishing. Nothing is
        published.
    """
    options = (options or ExecutionOptions()).resolved()
    steps = (planned, store, inputs, films)
    callbacks = {"on_cell": on_cell, "on_kernel": on_kernel}
    try:
        return _attempt(*steps, options, callbacks)
    except _ServerLost as lost:
        if options.engine != "auto":
            raise lost.failure from lost.failure.__cause__
        note = "the process that kernels are forked from was killed"
        return _attempt(*steps, replace(options, engine="plain"), callbacks, note)


class _ServerLost(Exception):
    """A kernel died because the process that it was forked from did; no fault of the notebook."""

    def __init__(self, failure: StageFailed):
        super().__init__(str(failure))
        self.failure = failure


def _attempt(
    planned: PlannedStage,
    store: Store,
    inputs: dict[str, Path],
    films: DatasetRef | None,
    options: ExecutionOptions,
    callbacks: dict[str, Callable | None],
    note: str = "",
) -> dict:
    """Execute a stage's notebook once; see :func:`execute_stage`."""
    started = time.monotonic()
    about: dict = {}
    with store.attempt(planned) as attempt:
        context = {
            "token": uuid.uuid4().hex,
            "folder": str(attempt),
            "inputs": {stage: str(folder) for stage, folder in inputs.items()},
            "films": asdict(films) if films else None,
            "parameters": list(declared_in(notebook_of(planned.stage))),
        }
        scratch = attempt / "scratch"
        scratch.mkdir()
        write_json(scratch / "context.json", context)
        try:
            _run_papermill(planned, attempt, scratch, options, on_end=about.update, **callbacks)
            done = _done(attempt, planned, context["token"])
        except Exception as error:
            seconds = time.monotonic() - started
            failure = _failure(error, planned, attempt, options, about, seconds)
            if about.get("lost"):
                raise _ServerLost(failure) from error
            raise failure from error
        _remove(scratch)
        (attempt / DONE).unlink()
        notebook = attempt / NOTEBOOK
        text = _as_published(notebook, planned, times=False)
        notebook.write_text(text, encoding="utf-8", newline="\n")
        del done["token"]
        record = {
            "stage": planned.name,
            **done,
            "inputs": planned.inputs,
            "seconds": round(time.monotonic() - started, 2),
            "kernel": about["kernel"],
            "kernel_note": note or about["why"],
        }
        return store.publish(attempt, planned, record)


def _remove(folder: Path) -> None:
    """Remove a folder; an error says where it lies, not only what in it could not be removed."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


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
    replaced : str
        What was wrong with what was there, if it had to be executed anew for that.
    error : dict
        Of a failed one, as :class:`StageFailed` has it.
    notebook : str
        The annotated notebook of a failed one.
    seconds : float
        Time that a failed one took.
    """

    status: str
    record: dict = field(default_factory=dict)
    reused: bool = False
    replaced: str = ""
    error: dict = field(default_factory=dict)
    notebook: str = ""
    seconds: float = 0.0


def execute_once(
    planned: PlannedStage, *, store: Store, upstream: dict[str, PlannedStage], **options
) -> Outcome:
    """Execute a stage unless it is there; a failure is an outcome, not an exception.

    Parameters
    ----------
    planned : PlannedStage
        What to execute.
    store : Store
        Where it belongs.
    upstream : dict
        The executions that it reads, by stage.
    **options
        As :func:`execute_stage`.
    """
    record, wrong = examine(store.path(planned), planned.key)
    if record is not None:
        return Outcome("done", record, reused=True)
    inputs = {stage: store.path(one) for stage, one in upstream.items()}
    try:
        record = execute_stage(planned, store=store, inputs=inputs, **options)
    except StageFailed as failure:
        return Outcome(
            "failed", error=failure.error, notebook=failure.notebook, seconds=failure.seconds
        )
    return Outcome("done", record, replaced=wrong)


def _run_papermill(
    planned: PlannedStage, attempt: Path, scratch: Path, options: ExecutionOptions, **callbacks
) -> None:
    with quick_imports():
        from papermill import execute_notebook
        from papermill.engines import papermill_engines

    from imdbclust.running.kernels.engine import TruthfulEngine

    papermill_engines.register("imdbclust", TruthfulEngine)
    environment = kernel_environment(
        **{CONTEXT: str(scratch / "context.json"), "IPYTHONDIR": str(scratch / "ipython")}
    )
    # papermill fills {} in paths from the parameters; braces in our own paths are not meant
    execute_notebook(
        _no_template(notebook_of(planned.stage)),
        _no_template(attempt / NOTEBOOK),
        parameters=planned.parameters,
        engine_name="imdbclust",
        kernel_name="python3",
        progress_bar=False,
        request_save_on_cell_execute=False,
        kernel_env=environment,
        kernel_cwd=str(scratch),
        kernel_log=str(scratch / KERNEL_LOG),
        kernel_engine=options.engine,
        broken_off=str(attempt / NOTEBOOK),
        kernel_memory=options.memory_limit,
        deadline=None if options.timeout is None else time.monotonic() + options.timeout,
        **callbacks,
    )


def _no_template(path: Path) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")


def _done(attempt: Path, planned: PlannedStage, token: str) -> dict:
    """Return what the notebook wrote last, if it really did and with the values asked for."""
    try:
        done = json.loads((attempt / DONE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RuntimeError("the notebook ended without finishing; did a cell exit?") from None
    cells = json.loads((attempt / NOTEBOOK).read_text(encoding="utf-8"))["cells"]
    skipped = [
        cell for cell in cells if cell["cell_type"] == "code" and not cell["execution_count"]
    ]
    if done["token"] != token or skipped:
        raise RuntimeError("the notebook finished without running all of its cells")
    for name, value in planned.parameters.items():
        got = done["parameters"][name]
        if (type(got), got) != (type(value), value):
            raise RuntimeError(f"{name} was to be {value!r}, but the notebook ran with {got!r}")
    return done


def _failure(
    error: Exception,
    planned: PlannedStage,
    attempt: Path,
    options: ExecutionOptions,
    kernel: dict,
    seconds: float,
) -> StageFailed:
    notebook = attempt / NOTEBOOK
    text = ""
    with suppress(OSError, ValueError):  # there is none yet, or the disk was full meanwhile
        text = _as_published(notebook, planned, times=True)
    kind = getattr(error, "ename", type(error).__name__)
    message = getattr(error, "evalue", str(error)) or "no message"
    if kind == "DeadKernelError":
        message += f" ({_told_death(kernel, attempt / 'scratch' / KERNEL_LOG)})"
    if options.memory_limit and (kind == "DeadKernelError" or kind.endswith("MemoryError")):
        message += f"; --memory-limit allows it {byte_size(options.memory_limit)}"
    if kind == "CellTimeoutError":
        message = f"the notebook takes longer than the {options.timeout:g} s that --timeout allows"
    message = _without_places(message.replace(f"{attempt}/", ""))
    about = {"stage": planned.name, "type": kind, "message": message, "cell": _failed_cell(text)}
    return StageFailed(about, text, seconds)


def _told_death(kernel: dict, log: Path) -> str:
    """Say how a kernel died, and what it printed last outside of its cells."""
    code, peak = kernel.get("exit_code"), kernel.get("peak", 0)
    used = f", when it used {byte_size(peak)}" if peak else ""
    if code == -signal.SIGKILL:
        told = [f"killed, perhaps for want of memory{used}"]
    elif code is not None and code < 0:
        told = [f"ended by {signal.Signals(-code).name}{used}"]
    else:
        told = [f"it ended itself with exit code {code}"] if code is not None else []
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.is_file() else []
    if said := [line.strip() for line in lines if line.strip()]:
        told.append(f"it last said: {said[-1][:500]}")
    return "; ".join(told) or "nobody knows how"


def _failed_cell(notebook: str) -> str | None:
    cells = json.loads(notebook)["cells"] if notebook else []
    for cell in cells:
        if cell["metadata"].get("papermill", {}).get("status") == "failed":
            return cell.get("id")
    return None


def _without_places(text: str) -> str:
    """Return a text in which no file is named by where it lies on this machine."""
    places = {sys.prefix, sys.base_prefix, str(REPOSITORY), str(Path.home())}
    for place in sorted(places, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(f"{place}/", "…/")
    return text


def _as_published(notebook: Path, planned: PlannedStage, *, times: bool) -> str:
    """Return a notebook without the paths of this machine, which papermill writes down.

    Without `times` what differs each time is left out too, the times of the cells and the id of the
    cell put in: the same execution then leaves the same bytes. The time of all is in the record.
    """
    content = json.loads(notebook.read_text(encoding="utf-8"))
    content["metadata"]["papermill"]["input_path"] = f"notebooks/{planned.name}.ipynb"
    content["metadata"]["papermill"]["output_path"] = NOTEBOOK
    for about in () if times else (content, *content["cells"]):
        about["metadata"].pop("execution", None)
        for name in ("start_time", "end_time", "duration"):
            about["metadata"].get("papermill", {}).pop(name, None)
        if "injected-parameters" in about["metadata"].get("tags", []):
            about["id"] = "injected-parameters"
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return _without_places(text.replace(f"{notebook.parent}/", "")) + "\n"
