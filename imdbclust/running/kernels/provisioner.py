"""Kernels of the running interpreter: their provisioner, which can fork them, manager and client.

The provisioner is registered as ``imdbclust-warm``, so other programs that use ``jupyter_client``
can have warm kernels, too: ``JUPYTER_DEFAULT_PROVISIONER_NAME=imdbclust-warm papermill …``. If a
kernel cannot be forked, a plain one is started instead.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import chain, repeat
from pathlib import Path

import zmq
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_core.utils import run_sync
from traitlets import Integer, Type, Unicode

from imdbclust.running.kernels import warm
from imdbclust.running.kernels.warm import NoWarmKernel, WarmProcess

START_TIMEOUT = 60.0  # seconds for the fork server to import its libraries and to fork a kernel
KILL_SECONDS = 10.0  # maximum wait for the end of a process that was killed
_BACKENDS = ("", "agg", "inline", "module://matplotlib_inline.backend_inline")


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel by forking, or as usual if that is impossible.

    Attributes
    ----------
    engine : {"auto", "warm", "plain"}
        Whether to fork if possible, always, or never.
    memory_limit : int or None
        Bytes that the kernel may allocate beyond its memory at the start.
    kernel : {"warm", "plain"}
        How the kernel was started.
    why : str
        Why it was not forked; empty if it was forked or `engine` is ``plain``.
    exit_code : int or None
        Return code as in :class:`subprocess.Popen`; None while unknown.
    peak : int
        Peak memory in bytes.
    """

    engine = Unicode("auto").tag(config=True)
    memory_limit = Integer(None, allow_none=True)
    kernel, why = "plain", ""
    exit_code: int | None = None
    peak = 0

    _forked: WarmProcess | None = None
    _folders: ExitStack | None = None

    @property
    def lost(self) -> bool:
        """Whether the kernel ended because the fork server died."""
        return self._forked is not None and self._forked.lost

    async def pre_launch(self, **kwargs):
        """Replace local ports, which any user can connect to, by sockets in a private folder."""
        manager = self.parent
        usual = manager and manager.transport == "tcp" and manager.ip in ("127.0.0.1", "localhost")
        if usual and not manager.shell_port and self.engine != "plain" and not warm.impossible():
            self._folders = ExitStack()
            private = self._folders.enter_context(warm.private_folder())
            manager.cache_ports = False
            manager.transport, manager.ip = "ipc", str(private / "s")
        return await super().pre_launch(**kwargs)

    async def cleanup(self, restart: bool = False) -> None:
        """Kill the kernel's child processes; remove the sockets after the last shutdown."""
        await super().cleanup(restart=restart)
        if self._forked is not None:  # then the fork server kills them
            self._forked.line.close()
        else:
            self._kill_group()
        if self._folders and not restart:
            self._folders.close()

    def kill_now(self) -> None:
        """Kill the kernel and wait for its end, without the event loop."""
        if self.process and self.process.poll() is None:
            self._kill_group()
            self.process.kill()
            self.process.wait()

    def _kill_group(self) -> None:
        if self.pgid and self.pgid != os.getpgrp():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pgid, signal.SIGKILL)

    async def launch_kernel(self, cmd: list[str], **kwargs):
        """Start a kernel; see the class."""
        self.kernel, self.why, self._forked = "plain", "", None
        if self.engine != "plain":
            try:
                self.process = self._forked = await _fork(cmd, **self._scrub_kwargs(kwargs))
            except NoWarmKernel as error:
                self.why = str(error)
                if self.engine == "warm":
                    raise NoWarmKernel(f"the kernel cannot be forked: {error}") from None
        if self._forked is None:
            await super().launch_kernel(cmd, **kwargs)
        else:
            # without a pgid, signals go through WarmProcess, which knows whether it has ended
            self.kernel, self.pid, self.pgid = "warm", self.process.pid, None
            self.cwd = kwargs.get("cwd") or Path.cwd()
        self.peak = _memory_of(self.pid, "VmHWM")  # the kernel may be gone before the next poll
        if self.memory_limit is not None:
            # memory that a forked kernel shares with the fork server does not count
            limit = _memory_of(self.pid, "VmData") + self.memory_limit
            with suppress(ProcessLookupError):  # it has ended
                resource.prlimit(self.pid, resource.RLIMIT_DATA, (limit, limit))
        return self.connection_info

    async def poll(self) -> int | None:
        """Return the kernel's return code, None while it runs, and record its memory."""
        code = await super().poll()
        if self.process and code is None:
            self.peak = max(self.peak, _memory_of(self.pid, "VmHWM"))
        elif self.process:
            self.exit_code = code
        return code


def _memory_of(pid: int, field: str) -> int:
    """Return a field of ``/proc/<pid>/status`` in bytes; 0 if it is unknown."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith(f"{field}:"))
        return int(line.split()[1]) * 1024
    return 0


async def _fork(
    cmd: list[str],
    *,
    env: dict[str, str],
    cwd: str | None = None,
    stdin=None,
    stdout=None,
    stderr=None,
    independent: bool = False,
    **other,
) -> WarmProcess:
    """Fork a kernel, or raise NoWarmKernel if that is impossible or gives a different kernel.

    A command of the interpreter and one file is a script, which runs instead of a kernel.
    """
    cwd = os.path.abspath(cwd or os.getcwd())  # noqa: PTH100, PTH109
    is_script = len(cmd) == 2 and cmd[0] == sys.executable
    if not is_script and cmd[:3] != [sys.executable, "-m", "ipykernel_launcher"]:
        raise NoWarmKernel("the kernel is not ipykernel under the running interpreter")
    if independent or other or stdin is not None:
        raise NoWarmKernel("a forked kernel does not support these options of its start")
    if env.get("MPLBACKEND", "").lower() not in _BACKENDS:
        raise NoWarmKernel("MPLBACKEND is not the backend of notebooks")
    if Path(cwd, "matplotlibrc").exists():
        raise NoWarmKernel(f"{cwd} contains a matplotlibrc")
    paths = env.get("PYTHONPATH")
    if paths and not all(map(os.path.isabs, paths.split(os.pathsep))):
        raise NoWarmKernel("PYTHONPATH contains relative paths")
    try:
        streams = [_descriptor(stdout, 1), _descriptor(stderr, 2)]
    except (ValueError, AttributeError, OSError):
        raise NoWarmKernel("the kernel's output goes to pipes") from None
    server = warm.start_server(env)
    fixed = warm.fixed_at_start(env)
    if changed := sorted({name for name, _ in server.fixed.items() ^ fixed.items()}):
        raise NoWarmKernel(f"{changed[0]} has changed since the fork server started")
    until = time.monotonic() + START_TIMEOUT
    while not server.ready():
        await _pause(until)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    process = WarmProcess(ours)
    request = os.memfd_create("kernel")
    try:
        with open(request, "w", encoding="utf-8", closefd=False) as file:
            json.dump({"cmd": cmd, "env": env, "cwd": cwd}, file)
        os.lseek(request, 0, os.SEEK_SET)
        server.send({"do": "fork"}, (theirs.fileno(), request, *streams))
        theirs.close()
        while not process.pid:
            process.receive()
            if process.refused or process.returncode is not None:
                raise NoWarmKernel(process.refused or "the fork server or the kernel died")
            await _pause(until)
    except BaseException as error:
        ours.close()
        if isinstance(error, OSError):
            raise NoWarmKernel(f"the fork server does not answer: {error}") from None
        raise
    finally:
        os.close(request)
        theirs.close()
    return process


def run_script(
    script: Path,
    *,
    env: dict[str, str],
    cwd: Path,
    log: Path,
    timeout: float | None = None,
    on_kernel: Callable | None = None,
) -> bool:
    """Run a script in a fork of the fork server, which has imported the libraries.

    Parameters
    ----------
    script : Path
        The script.
    env, cwd
        Environment and working directory, as of a kernel.
    log : Path
        File for what the script prints.
    timeout : float, optional
        Seconds after which it is killed.
    on_kernel : callable, optional
        Called with the process.

    Returns whether it ran to its end; not if it failed, was killed, or cannot be forked.
    """
    with log.open("ab") as file:
        streams = {"stdout": file, "stderr": file}
        try:
            process = asyncio.run(_fork([sys.executable, str(script)], env=env, cwd=cwd, **streams))
        except NoWarmKernel:
            return False
    try:
        if on_kernel:
            on_kernel(process)
        return process.wait(timeout) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        process.wait(KILL_SECONDS)
        process.line.close()


async def _pause(until: float) -> None:
    if time.monotonic() > until:
        raise NoWarmKernel("the fork server does not answer")
    await asyncio.sleep(0.002)


def _descriptor(stream: object, default: int) -> int:
    """Return the file descriptor of a stream as in :class:`subprocess.Popen`."""
    number = default if stream is None else stream if isinstance(stream, int) else stream.fileno()
    os.fstat(number)  # an OSError for a pipe, which has a negative number
    return number


class PromptClient(AsyncKernelClient):
    """A client that is ready as soon as the kernel is, instead of after a second of silence."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # milliseconds between attempts to connect to a kernel that does not listen yet
        self.context.setsockopt(zmq.RECONNECT_IVL, 5)

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait for an answer on all channels; raise RuntimeError if it does not come in time."""
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        for patience in chain((0.02, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4), repeat(1)):
            request = self.kernel_info()
            with suppress(queue.Empty):
                # iopub first: once it answers, its subscription works and no output can be lost
                state = None
                while state != "idle":
                    message = await self.iopub_channel.get_msg(timeout=patience)
                    if message["parent_header"].get("msg_id") == request:
                        state = message["content"].get("execution_state")
                reply = None
                while reply is None or reply["parent_header"].get("msg_id") != request:
                    reply = await self.shell_channel.get_msg(timeout=1)
                self._handle_kernel_info_reply(reply)
                return
            if not await self._async_is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > until:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    wait_for_ready = _async_wait_for_ready


class PrivateKernelManager(AsyncKernelManager):
    """Manages a kernel of the running interpreter through sockets in a private folder.

    Kernels installed under the name ``python3`` are ignored. Sockets need no ports, so parallel
    kernels cannot take each other's. `engine` and `memory_limit` are those of
    :class:`WarmProvisioner`.
    """

    engine = Unicode("auto")
    memory_limit = Integer(None, allow_none=True)
    client_factory = Type(PromptClient)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._folders = ExitStack()
        self.private = self._folders.enter_context(warm.private_folder())
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
