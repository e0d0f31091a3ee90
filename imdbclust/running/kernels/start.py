"""Kernels of this very interpreter, in private: how they are started, and spoken to.

Whether one is warm or plain is the business of :mod:`imdbclust.running.kernels.provisioner`.
"""

from __future__ import annotations

import os
import queue
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from itertools import chain, repeat
from pathlib import Path

import zmq
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from traitlets import Integer, Type, Unicode

from imdbclust.base.disk import temporary
from imdbclust.running.kernels.provisioner import WarmProvisioner
from imdbclust.running.kernels.warm import PRIVATE, held

RETRY_MILLISECONDS = 5


class PromptClient(AsyncKernelClient):
    """A client that goes on as soon as the kernel is ready, instead of waiting for its silence."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # the kernel may not be listening yet; by default it is tried again after 0.1 s
        self.context.setsockopt(zmq.RECONNECT_IVL, RETRY_MILLISECONDS)

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until a request is answered on all channels.

        Raises
        ------
        RuntimeError
            The kernel died, or did not answer in time.
        """
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        for patience in chain((0.02, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4), repeat(1)):
            asked = self.kernel_info()
            with suppress(queue.Empty):
                # heard here only if outputs, too, will be: the subscription takes a moment
                while not _ends(await self.iopub_channel.get_msg(timeout=patience), asked):
                    pass
                while (reply := await self.shell_channel.get_msg(timeout=1)) and (
                    reply["parent_header"].get("msg_id") != asked
                ):
                    pass
                self._handle_kernel_info_reply(reply)
                return
            if not await self._async_is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > until:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    wait_for_ready = _async_wait_for_ready


def _ends(message: dict, request: str) -> bool:
    """Return whether a message says that the kernel is done with a request."""
    of_it = message["parent_header"].get("msg_id") == request
    return of_it and message["content"].get("execution_state") == "idle"


class PrivateKernelManager(AsyncKernelManager):
    """A kernel of this very interpreter, spoken to through sockets in a private folder.

    Whatever kernels are installed under the name ``python3``, it is this environment's; and
    sockets in a folder of one's own need no ports, for which parallel kernels would race.

    Attributes
    ----------
    engine : {"auto", "warm", "plain"}
    memory_limit : int or None
        As of :class:`imdbclust.running.kernels.provisioner.WarmProvisioner`.
    """

    engine = Unicode("auto")
    memory_limit = Integer(None, allow_none=True)
    client_factory = Type(PromptClient)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._folders = ExitStack()
        self.private = self._folders.enter_context(temporary(Path(tempfile.gettempdir()), PRIVATE))
        self._folders.enter_context(held(self.private))
        self.connection_file = str(self.private / "kernel.json")
        if os.name == "posix":
            self.transport = "ipc"
            self.ip = str(self.private / "s")

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel to start: ipykernel under the interpreter that runs this."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")

    async def _async_pre_start_kernel(self, **kwargs):
        """Prepare a kernel that is forked, if it can be."""
        if self.provisioner is None:
            self.provisioner = WarmProvisioner(
                kernel_spec=self.kernel_spec,
                parent=self,
                engine=self.engine,
                memory_limit=self.memory_limit,
            )
        return await super()._async_pre_start_kernel(**kwargs)

    async def _async_wait(self, pollinterval: float = 0.1) -> None:
        """Wait for the kernel to end; look often, for it takes a few milliseconds."""
        await super()._async_wait(pollinterval=min(pollinterval, 0.005))

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        """Remove the sockets as well, once the kernel is gone for good."""
        await super()._async_cleanup_resources(restart=restart)
        if not restart:
            self._folders.close()

    cleanup_resources = run_sync(_async_cleanup_resources)
