"""Papermill's engine, with statuses that are true and a private kernel.

Stock papermill marks every cell as completed, even those that never ran, if the kernel dies, a cell
takes too long or the process is interrupted. This engine marks the cell that was running as failed,
and the cells after it stay pending.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress

from jupyter_core.utils import ensure_event_loop
from traitlets import Any, Integer, Unicode

from imdbclust.running.imports import quick_imports
from imdbclust.running.kernels.provisioner import PrivateKernelManager

with quick_imports():
    from nbclient.exceptions import CellExecutionError, CellTimeoutError
    from nbformat import NotebookNode
    from nbformat.v4 import new_output
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine
    from papermill.iorw import write_ipynb


IOPUB_SECONDS = 30  # to wait for outputs after the end of a cell

# limits of a cell: number of outputs, of printed characters, and of characters in total
MAX_OUTPUTS, MAX_PRINTED, MAX_SHOWN = 1_000, 100_000, 20_000_000
CUT = f"\n… truncated: limits are {MAX_OUTPUTS:,} outputs and {MAX_PRINTED:,} printed characters\n"

# silent, because the outcome of an execution reports errors
logger = logging.getLogger("imdbclust.kernels")
logger.addHandler(logging.NullHandler())
logger.propagate = False


class TruthfulClient(PapermillNotebookClient):
    """Papermill's client; a cell that failed is never recorded as completed."""

    on_cell = Any(None, allow_none=True)
    on_kernel = Any(None, allow_none=True)
    skipped = Any(())
    kernel_engine = Unicode("auto")
    kernel_memory = Integer(None, allow_none=True)
    manager: PrivateKernelManager | None = None

    def create_kernel_manager(self) -> PrivateKernelManager:
        """Return a manager of a kernel of this interpreter."""
        self.km = self.manager = PrivateKernelManager(
            config=self.config, engine=self.kernel_engine, memory_limit=self.kernel_memory
        )
        if self.on_kernel:
            self.on_kernel(self.km)
        return self.km

    def output(
        self, outs: list[NotebookNode], msg: dict, display_id: str | None, cell_index: int
    ) -> NotebookNode | None:
        """Keep the output of a cell up to the limits, and mark where it was truncated."""
        if msg["msg_type"] == "error":
            return super().output(outs, msg, display_id, cell_index)
        if outs and outs[-1].get("text") == CUT:
            return None
        printed = [len(out["text"]) for out in outs if "text" in out]
        shown = sum(_size(out) for out in outs) + _size(msg["content"])
        room = MAX_PRINTED - sum(printed)
        text = msg["content"].get("text", "")
        if len(outs) >= MAX_OUTPUTS or len(text) > room or shown > MAX_SHOWN:
            if len(outs) < MAX_OUTPUTS and text[:room]:
                outs.append(new_output("stream", name=msg["content"]["name"], text=text[:room]))
                _join(outs)
            outs.append(new_output("stream", name="stderr", text=CUT))
            return None
        output = super().output(outs, msg, display_id, cell_index)
        _join(outs)
        return output

    def papermill_execute_cells(self) -> None:
        """Execute the cells in order, up to the first that fails."""
        for index, cell in enumerate(self.nb.cells):
            self.nb_man.cell_start(cell, index)
            try:
                if not set(cell.metadata.get("tags", ())).intersection(self.skipped):
                    self.execute_cell(cell, index)
            except BaseException as error:
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                self.nb_man.cell_complete(cell, cell_index=index)
                if isinstance(error, CellExecutionError):
                    break
                # the event loop would print a traceback for each task that the kernel's end breaks
                ensure_event_loop().set_exception_handler(lambda loop, context: None)
                raise
            self.nb_man.cell_complete(cell, cell_index=index)
            if self.on_cell:
                self.on_cell()


def _join(outs: list[NotebookNode]) -> None:
    """Join the last output with the one before if both were printed to the same stream.

    A kernel sends what is printed in parts, as it has time; JupyterLab joins them, too.
    """
    if len(outs) > 1 and "name" in outs[-1] and outs[-1]["name"] == outs[-2].get("name"):
        outs[-2]["text"] += outs.pop()["text"]


def _size(output: dict) -> int:
    """Return the number of characters of an output, or of the content of its message."""
    data = output.get("data", {}).values()
    return len(output.get("text", "")) + sum(len(str(content)) for content in data)


class TruthfulEngine(NBClientEngine):
    """Papermill engine ``imdbclust``: :class:`TruthfulClient` instead of papermill's own."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man,
        kernel_name,
        *,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        kernel_env: dict[str, str] | None = None,
        kernel_cwd: str | None = None,
        kernel_log: str | None = None,
        broken_off: str | None = None,
        deadline: float | None = None,
        on_end: Callable[[dict], None] | None = None,
        **options,
    ):
        """Execute the notebook of `nb_man`.

        Parameters beyond papermill's:

        - `kernel_env`, `kernel_cwd`: the whole environment and the working directory of the kernel
        - `kernel_log`: a file for what its process prints outside of cells
        - `kernel_engine`, `kernel_memory`: see :class:`PrivateKernelManager`
        - `broken_off`: a file for the unfinished notebook if its kernel dies or takes too long
        - `deadline`: the time of :func:`time.monotonic` at which the running cell fails
        - `on_kernel`: called with the kernel's manager before the kernel starts
        - `on_cell`: called after each cell
        - `skipped`: tags of cells that are not executed
        - `on_end`: called with the kernel's `kernel`, `why`, `lost`, `exit_code` and `peak`, see
          :class:`~imdbclust.running.kernels.provisioner.WarmProvisioner`
        """
        client = TruthfulClient(  # papermill's options and ours that the client knows
            nb_man,
            timeout=execution_timeout,
            timeout_func=None if deadline is None else lambda _: _seconds_to(deadline),
            startup_timeout=start_timeout,
            kernel_name=kernel_name,
            log=logger,
            iopub_timeout=IOPUB_SECONDS,
            **{name: options[name] for name in options.keys() & TruthfulClient.class_trait_names()},
            shutdown_kernel="immediate",  # a notebook has written its results by then
        )
        start = {"env": kernel_env, "cwd": kernel_cwd}
        start = {name: value for name, value in start.items() if value}
        try:
            with open(kernel_log or os.devnull, "ab") as log:  # noqa: PTH123 (devnull is a string)
                return client.execute(stdout=log, stderr=log, **start)
        except Exception:
            if broken_off:
                write_ipynb(nb_man.nb, broken_off)
            raise
        except BaseException:
            # kill it before its folders are removed: a starting kernel would create others
            if client.manager and client.manager.provisioner:
                client.manager.provisioner.kill_now()
                with suppress(Exception):  # the interrupt may have left the event loop in any state
                    client.manager.cleanup_resources()
            raise
        finally:
            if client.manager:  # else the context of a kernel that did not start waits for ever
                with suppress(Exception):
                    client.manager.context.destroy(linger=0)
            if on_end and client.manager and client.manager.provisioner:
                names = ("kernel", "why", "lost", "exit_code", "peak")
                on_end({name: getattr(client.manager.provisioner, name) for name in names})


def _seconds_to(deadline: float) -> int:
    """Return the seconds that a cell may take; raise CellTimeoutError after the deadline."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise CellTimeoutError("no time is left")
    return math.ceil(left)
