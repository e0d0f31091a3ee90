"""Execute one stage: run its notebook under papermill, and publish it only if it finished."""

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
from imdbclust.running.kernels.warm import (
    EngineError,
    chosen_engine,
    kernel_environment,
    sockets_parent,
)
from imdbclust.running.parameters import declared_in
from imdbclust.running.plan import PlannedStage
from imdbclust.running.sources import code_cells
from imdbclust.running.stages import notebook_of
from imdbclust.running.store import CONTEXT, DONE, NOTEBOOK, RECORD, Store, examine, write_json

if TYPE_CHECKING:
    from imdbclust.datasets.find import Dataset

KERNEL_LOG = "kernel.log"

GENRES = "genres"
"""Tag of the cells that are skipped if no movie has a genre."""

REPORT = "report"
"""Tag of the cells that are skipped for a setting without a report: they only show something."""


@dataclass(frozen=True)
class DatasetRef:
    """Where an execution finds the films, how they are read, and their hash; see ``Dataset``."""

    address: str | list[str]
    sha256: str
    request: dict = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetRef:
        """Return the reference to a dataset."""
        return cls(dataset.address, dataset.sha256, dataset.request)


@dataclass(frozen=True)
class ExecutionOptions:
    """Execution options; they never affect results.

    With the engine ``auto``, a plain kernel replaces one that cannot be forked, or that is lost
    because the process that it was forked from died.
    """

    timeout: float | None = None  # maximum number of seconds for a notebook
    engine: str = "auto"  # auto, warm or plain: how kernels are started
    memory_limit: int | None = None  # maximum number of bytes beyond those a kernel starts with

    def resolved(self) -> ExecutionOptions:
        """Return the options with ``auto`` replaced by the engine that will be used.

        It is an EngineError if the engine, a memory limit or a folder for sockets is not available
        on this system.
        """
        if self.memory_limit is not None and sys.platform != "linux":
            raise EngineError(f"a memory limit needs Linux; this is {sys.platform}")
        sockets_parent()
        return replace(self, engine=chosen_engine(self.engine))


class StageFailed(Failure):
    """A notebook failed.

    Attributes
    ----------
    error : dict
        ``stage``, ``type``, ``message`` and ``cell`` (id of the cell, or None).
    notebook : str
        The partly executed notebook as JSON; empty if it was not written.
    seconds : float
        Duration.
    server_lost : bool
        Whether the kernel died with the process that it was forked from, so that the notebook is
        not at fault.
    """

    def __init__(self, error: dict, notebook: str, seconds: float, *, server_lost: bool = False):
        super().__init__("{stage}: {type}: {message}".format_map(error))
        self.error, self.notebook, self.seconds = error, notebook, seconds
        self.server_lost = server_lost


def execute_stage(
    planned: PlannedStage,
    *,
    store: Store,
    inputs: dict[str, Path] | None = None,
    films: DatasetRef | None = None,
    options: ExecutionOptions | None = None,
    **callbacks: Callable | None,
) -> dict:
    """Execute a stage's notebook, publish its results, and return its record.

    Parameters
    ----------
    planned : PlannedStage
        The execution.
    store : Store
        Where to publish it.
    inputs : dict of Path, optional
        Folders of the stages to read; by default those in the store.
    films : DatasetRef, optional
        The films, for the stage that loads them.
    options : ExecutionOptions, optional
        Execution options.
    **callbacks
        ``on_cell`` is called after every cell, ``on_kernel`` with the manager of the kernel before
        the kernel is started.

    Raises
    ------
    StageFailed
        A cell failed, the kernel died, or the notebook ended without finishing. Nothing is
        published.
    """
    options = (options or ExecutionOptions()).resolved()
    inputs = store.inputs(planned) if inputs is None else inputs
    skipped = [GENRES] * _without_genres(inputs.get("load")) + [REPORT] * planned.bare
    context = {
        "inputs": {stage: str(folder) for stage, folder in inputs.items()},
        "films": asdict(films) if films else None,
        "bare": planned.bare,
        "skipped": skipped,
        "parameters": list(declared_in(notebook_of(planned.stage))),
    }
    try:
        return _attempt(planned, store, context, options, **callbacks)
    except StageFailed as failure:
        if not failure.server_lost or options.engine != "auto":
            raise
    note = "the process that kernels are forked from was killed"
    return _attempt(planned, store, context, replace(options, engine="plain"), note, **callbacks)


def _attempt(
    planned: PlannedStage,
    store: Store,
    context: dict,
    options: ExecutionOptions,
    note: str = "",
    **callbacks: Callable | None,
) -> dict:
    """Execute a stage's notebook once; see :func:`execute_stage`."""
    started = time.monotonic()
    kernel: dict = {}
    with store.attempt(planned) as attempt:
        scratch, token = attempt / "scratch", uuid.uuid4().hex
        scratch.mkdir()
        write_json(scratch / "context.json", context | {"token": token, "folder": str(attempt)})
        try:
            deadline = None if options.timeout is None else started + options.timeout
            how = {"skipped": context["skipped"], "deadline": deadline}
            if planned.bare and _run_as_script(planned, scratch, options, **how, **callbacks):
                kernel |= {"kernel": "warm", "why": ""}
            else:
                how |= callbacks | {"on_end": kernel.update}
                _run_papermill(planned, attempt, scratch, options, **how)
            done = _done(attempt, planned, token, context["skipped"])
        except Exception as error:
            about, text = _describe_failure(error, planned, attempt, options, kernel)
            seconds, lost = time.monotonic() - started, kernel.get("lost", False)
            raise StageFailed(about, text, seconds, server_lost=lost) from error
        try:
            shutil.rmtree(scratch)
        except OSError as error:  # with the path of the folder, not only that of an entry
            raise OSError(error.errno, error.strerror, str(scratch)) from error
        (attempt / DONE).unlink()
        if planned.bare:  # cells that were executed as a script have made none
            (attempt / NOTEBOOK).unlink(missing_ok=True)
        else:
            text = _as_published(attempt / NOTEBOOK, planned, times=False)
            (attempt / NOTEBOOK).write_text(text, encoding="utf-8", newline="\n")
        del done["token"]
        record = {
            "stage": planned.name,
            **done,
            "inputs": planned.inputs,
            "seconds": round(time.monotonic() - started, 2),
            "kernel": kernel["kernel"],
            "kernel_note": note or kernel["why"],
        }
        return store.publish(attempt, planned, record)


@dataclass(frozen=True)
class Outcome:
    """How an execution ended."""

    status: str  # done, failed, or skipped because an execution that it reads failed
    record: dict = field(default_factory=dict)  # of a finished execution
    reused: bool = False  # whether it was already finished
    replaced: str = ""  # what was wrong with a stored result that was recomputed
    error: dict = field(default_factory=dict)  # of a failed execution, as in StageFailed
    notebook: str = ""  # its annotated notebook
    seconds: float = 0.0  # its duration


def execute_once(planned: PlannedStage, *, store: Store, **options) -> Outcome:
    """Execute a stage unless it is finished; a failure is an outcome, not an exception.

    The options are those of :func:`execute_stage`.
    """
    record, wrong = examine(store.path(planned), planned.key)
    if record is not None:
        return Outcome("done", record, reused=True)
    try:
        record = execute_stage(planned, store=store, **options)
    except StageFailed as one:
        return Outcome("failed", error=one.error, notebook=one.notebook, seconds=one.seconds)
    return Outcome("done", record, replaced=wrong)


def _run_papermill(
    planned: PlannedStage, attempt: Path, scratch: Path, options: ExecutionOptions, **callbacks
) -> None:
    with quick_imports():
        from papermill import execute_notebook
        from papermill.engines import papermill_engines

    from imdbclust.running.kernels.engine import TruthfulEngine

    papermill_engines.register("imdbclust", TruthfulEngine)
    execute_notebook(
        _no_template(notebook_of(planned.stage)),
        _no_template(attempt / NOTEBOOK),
        parameters=planned.parameters,
        engine_name="imdbclust",
        kernel_name="python3",
        progress_bar=False,
        request_save_on_cell_execute=False,
        kernel_env=_environment(scratch),
        kernel_cwd=str(scratch),
        kernel_log=str(scratch / KERNEL_LOG),
        kernel_engine=options.engine,
        broken_off=str(attempt / NOTEBOOK),
        kernel_memory=options.memory_limit,
        **callbacks,
    )


def _environment(scratch: Path) -> dict[str, str]:
    paths = {CONTEXT: str(scratch / "context.json"), "IPYTHONDIR": str(scratch / "ipython")}
    return kernel_environment(**paths)


def _run_as_script(
    planned: PlannedStage,
    scratch: Path,
    options: ExecutionOptions,
    *,
    skipped: list[str],
    deadline: float | None,
    on_kernel: Callable | None = None,
    **_: object,
) -> bool:
    """Execute the cells of a notebook without a kernel, which takes a fraction of the time.

    Returns whether they ran to the end. If not, the notebook is to be executed as usual, which
    reports what is wrong.
    """
    if options.engine == "plain" or options.memory_limit is not None:
        return False
    from imdbclust.running.kernels.provisioner import run_script

    parts = []
    for source, tags in code_cells(notebook_of(planned.stage)):
        if not set(tags).intersection(skipped):
            parts.append(source)
        if "parameters" in tags:
            parts += [f"{name} = {value!r}" for name, value in planned.parameters.items()]
    script = scratch / f"{planned.name}.py"
    script.write_text("\n".join([*parts, ""]), encoding="utf-8")
    how = {"env": _environment(scratch), "cwd": scratch, "log": scratch / KERNEL_LOG}
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    return run_script(script, timeout=left, on_kernel=on_kernel, **how)


def _no_template(path: Path) -> str:
    """Escape the braces in a path, which papermill would fill from the parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _without_genres(load: Path | None) -> bool:
    """Return whether the stage that loaded the films, if any is read, found no genre."""
    if load is not None:
        with suppress(OSError, ValueError):  # the notebook reports what it cannot read
            record = json.loads((load / RECORD).read_text(encoding="utf-8"))
            return record["metrics"].get("n_genres") == 0
    return False


def _done(attempt: Path, planned: PlannedStage, token: str, skipped: list[str]) -> dict:
    """Return what the notebook wrote when it finished; RuntimeError if it did not run as asked.

    Only cells with a tag in `skipped` may be skipped.
    """
    try:
        done = json.loads((attempt / DONE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RuntimeError("the notebook ended without finishing; did a cell exit?") from None
    cells = []
    if (attempt / NOTEBOOK).is_file():
        cells = json.loads((attempt / NOTEBOOK).read_text(encoding="utf-8"))["cells"]
    left = [
        cell
        for cell in cells
        if cell["cell_type"] == "code"
        and not cell["execution_count"]
        and not set(cell["metadata"].get("tags", ())).intersection(skipped)
    ]
    if done["token"] != token or left:
        raise RuntimeError("the notebook finished without running all of its cells")
    for name, value in planned.parameters.items():
        used = done["parameters"][name]
        if (type(used), used) != (type(value), value):
            raise RuntimeError(f"{name} was set to {value!r}, but the notebook ran with {used!r}")
    return done


def _describe_failure(
    error: Exception, planned: PlannedStage, attempt: Path, options: ExecutionOptions, kernel: dict
) -> tuple[dict, str]:
    """Return the error of a stage, and the notebook as far as it was executed."""
    text = ""
    with suppress(OSError, ValueError):  # not written yet, or cut off by a full disk
        text = _as_published(attempt / NOTEBOOK, planned, times=True)
    kind = getattr(error, "ename", type(error).__name__)
    message = getattr(error, "evalue", str(error)) or "no message"
    if died := kind == "DeadKernelError":
        message += f" ({_describe_death(kernel, attempt / 'scratch' / KERNEL_LOG)})"
    if options.memory_limit and (died or kind.endswith("MemoryError")):
        message += f"; --memory-limit is {byte_size(options.memory_limit)}"
    if kind == "CellTimeoutError":
        message = f"the notebook takes longer than the {options.timeout:g} s that --timeout allows"
    message = _without_local_paths(message.replace(f"{attempt}/", ""))
    cells = json.loads(text)["cells"] if text else []
    states = {cell.get("id"): cell["metadata"].get("papermill", {}).get("status") for cell in cells}
    cell = next((name for name, state in states.items() if state == "failed"), None)
    return {"stage": planned.name, "type": kind, "message": message, "cell": cell}, text


def _describe_death(kernel: dict, log: Path) -> str:
    """Say how a kernel died, and the last line that it printed outside of its cells."""
    code, peak = kernel.get("exit_code"), kernel.get("peak", 0)
    used = f" while using {byte_size(peak)}" if peak else ""
    if code is None:
        parts = []
    elif code == -signal.SIGKILL:
        parts = [f"killed, possibly out of memory{used}"]
    elif code < 0:
        parts = [f"ended by {signal.Signals(-code).name}{used}"]
    else:
        parts = [f"it exited with status {code}"]
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if last := text.strip().rpartition("\n")[2].strip():
        parts.append(f"its last output: {last[:500]}")
    return "; ".join(parts) or "cause unknown"


def _without_local_paths(text: str) -> str:
    """Shorten paths of this machine in a text to what follows the installation or the home."""
    places = {sys.prefix, sys.base_prefix, str(REPOSITORY), str(Path.home())}
    for place in sorted(places, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(f"{place}/", "…/")
    return text


def _as_published(notebook: Path, planned: PlannedStage, *, times: bool) -> str:
    """Return an executed notebook without the paths of this machine, which papermill records.

    Without `times`, the times of cells and the random id of the injected cell are dropped too, so
    that repeating an execution gives the same bytes.
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
    return _without_local_paths(text.replace(f"{notebook.parent}/", "")) + "\n"
