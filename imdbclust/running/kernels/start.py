"""A kernel of the running interpreter with sockets in a private folder, and its client.

:mod:`imdbclust.running.kernels.provisioner` decides whether the kernel is warm or plain.
"""

from __future__ import annotations

import queue
import sys
import time
from contextlib import ExitStack, suppress
from itertools import chain, repeat

import zmq
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from traitlets import Integer, Type, Unicode

from imdbclust.running.kernels.provisioner import WarmProvisioner
from imdbclust.running.kernels.warm import private_folder

RECONNECT_MILLISECONDS = 5


class PromptClient(AsyncKernelClient):
    """A client that is ready as soon as the kernel is, instead of after a second of silence."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # the kernel may not listen yet; the default interval is 0.1 s
        self.context.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MILLISECONDS)

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait for the answer to a request on all channels.

        Raises
        ------
        RuntimeError
            The kernel died, or did not answer in time.
        """
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        for patience in chain((0.02, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4), repeat(1)):
            request = self.kernel_info()
            with suppress(queue.Empty):
                # iopub first: once it answers, its subscription works and no output can be lost
                while not _ends(await self.iopub_channel.get_msg(timeout=patience), request):
                    pass
                while (reply := await self.shell_channel.get_msg(timeout=1)) and (
                    reply["parent_header"].get("msg_id") != request
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
    """Return whether a message reports that the kernel has finished a request."""
    answers = message["parent_header"].get("msg_id") == request
    return answers and message["content"].get("execution_state") == "idle"


class PrivateKernelManager(AsyncKernelManager):
    """Manages a kernel of the running interpreter through sockets in a private folder.

    Kernels installed under the name ``python3`` are ignored. Sockets need no ports, so parallel
    kernels cannot take each other's.

    Attributes
    ----------
    engine : {"auto", "warm", "plain"}
    memory_limit : int or None
        See :class:`imdbclust.running.kernels.provisioner.WarmProvisioner`.
    """

    engine = Unicode("auto")
    memory_limit = Integer(None, allow_none=True)
    client_factory = Type(PromptClient)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._folders = ExitStack()
        self.private = self._folders.enter_context(private_folder())
        self.connection_file = str(self.private / "kernel.json")
        self.transport, self.ip = "ipc", str(self.private / "s")

    @property
    def kernel_spec(self) -> KernelSpec:
        """Specification of ipykernel under the running interpreter."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")

    async def _async_pre_start_kernel(self, **kwargs):
        """Use :class:`WarmProvisioner`."""
        if self.provisioner is None:
            self.provisioner = WarmProvisioner(
                kernel_spec=self.kernel_spec,
                parent=self,
                engine=self.engine,
                memory_limit=self.memory_limit,
            )
        return await super()._async_pre_start_kernel(**kwargs)

    async def _async_wait(self, pollinterval: float = 0.1) -> None:
        """Wait for the end of the kernel; poll often, because it takes only milliseconds."""
        await super()._async_wait(pollinterval=min(pollinterval, 0.005))

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        """Also remove the private folder after the last shutdown."""
        await super()._async_cleanup_resources(restart=restart)
        if not restart:
            self._folders.close()

    cleanup_resources = run_sync(_async_cleanup_resources)
