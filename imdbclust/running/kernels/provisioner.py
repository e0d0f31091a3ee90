"""Kernels forked from a process that has imported the libraries already.

The provisioner can be used by whatever starts kernels with ``jupyter_client``: it is registered
as ``imdbclust-warm``, so that ``JUPYTER_DEFAULT_PROVISIONER_NAME=imdbclust-warm papermill …`` uses
it as well. Whatever stands in the way of a warm kernel, a plain one is started instead.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Integer, Unicode

from imdbclust.base.disk import temporary
from imdbclust.running.kernels.warm import (
    PRIVATE,
    NoWarmKernel,
    WarmProcess,
    held,
    impossible,
    start_server,
    what_is_fixed,
)

START_TIMEOUT = 60.0
"""Seconds in which a server has to have imported its libraries, and a kernel to be forked."""

_BACKENDS = ("", "agg", "inline", "module://matplotlib_inline.backend_inline")


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel by forking, or as usual where that cannot be.

    Attributes
    ----------
    engine : {"auto", "warm", "plain"}
        Whether to fork where possible, always, or never.
    memory_limit : int or None
        Bytes that the kernel may take beyond what it starts with.
    kernel : {"warm", "plain"}
        How the kernel was started.
    why : str
        Why it was not forked; empty if it was, or was not to be.
    exit_code : int or None
        How it ended, as of :class:`subprocess.Popen`; None as long as that is not known.
    peak : int
        Most bytes that it was seen to use.
    """

    engine = Unicode("auto").tag(config=True)
    memory_limit = Integer(None, allow_none=True)
    kernel = Unicode("plain")
    why = Unicode()
    exit_code: int | None = None
    peak = 0

    _forked: WarmProcess | None = None
    _folders: ExitStack | None = None

    @property
    def lost(self) -> bool:
        """Whether the kernel ended because the process that it was forked from did."""
        return self._forked is not None and self._forked.lost

    async def pre_launch(self, **kwargs):
        """Prepare a start: sockets in a private folder rather than ports that all can speak to."""
        manager = self.parent
        usual = manager and manager.transport == "tcp" and manager.ip in ("127.0.0.1", "localhost")
        if usual and not manager.shell_port and self.engine != "plain" and not impossible():
            self._folders = ExitStack()
            private = self._folders.enter_context(temporary(Path(tempfile.gettempdir()), PRIVATE))
            self._folders.enter_context(held(private))
            manager.cache_ports = False
            manager.transport, manager.ip = "ipc", str(private / "s")
        return await super().pre_launch(**kwargs)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the sockets, and what it started and left, once the kernel is gone for good."""
        await super().cleanup(restart=restart)
        if self._forked is not None:  # its server ends what it started
            self._forked.line.close()
        else:
            self._kill_group()
        if self._folders and not restart:
            self._folders.close()

    def end_at_once(self) -> None:
        """Kill the kernel and wait for its end, whatever became of the event loop."""
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
        connection = await self._launch(cmd, **kwargs)
        self.peak = _memory_of(self.pid, "VmHWM")  # it may be gone before anybody looks again
        if self.memory_limit is not None:
            _limit_memory(self.pid, self.memory_limit)
        return connection

    async def _launch(self, cmd: list[str], **kwargs):
        self.kernel, self.why, self._forked = "plain", "", None
        if self.engine == "plain":
            return await super().launch_kernel(cmd, **kwargs)
        try:
            self.process = self._forked = await _fork(cmd, **self._scrub_kwargs(kwargs))
        except NoWarmKernel as error:
            self.why = str(error)
            if self.engine == "warm":
                raise NoWarmKernel(f"no kernel can be forked: {error}") from None
            return await super().launch_kernel(cmd, **kwargs)
        self.kernel = "warm"
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd") or Path.cwd()
        return self.connection_info

    async def poll(self) -> int | None:
        """Return how the kernel ended; None while it runs. On the way, look at its memory."""
        if not self.process:
            return await super().poll()
        code = await super().poll()
        if code is None:
            self.peak = max(self.peak, _memory_of(self.pid, "VmHWM"))
        else:
            self.exit_code = code
        return code

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel's group, unless the kernel has ended."""
        if isinstance(self.process, WarmProcess):
            self.process.send_signal(signum)
        else:
            await super().send_signal(signum)

    async def wait(self) -> int | None:
        """Wait until the kernel has ended, and return how."""
        if not isinstance(self.process, WarmProcess):
            return await super().wait()
        while (code := self.process.poll()) is None:
            await asyncio.sleep(0.005)
        self.process = None
        return code


def _limit_memory(pid: int, n_bytes: int) -> None:
    """Have a process fail that asks for so much memory beyond what it has; without effect if gone.

    What a forked kernel has got from the process that it was forked from does not count.
    """
    import resource

    most = _memory_of(pid, "VmData") + n_bytes
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


def _memory_of(pid: int, what: str) -> int:
    """Return the bytes that Linux tells of a process; 0 where it tells nothing."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith(f"{what}:"))
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
    """Return a forked kernel.

    Raises
    ------
    NoWarmKernel
        It cannot be had, or would not be what was asked for.
    """
    cwd = os.path.abspath(cwd or os.getcwd())  # noqa: PTH100, PTH109
    _check_same_interpreter(cmd)
    if independent or other or stdin is not None:
        raise NoWarmKernel("the kernel is to be started in a way that a fork cannot be")
    if env.get("MPLBACKEND", "").lower() not in _BACKENDS:
        raise NoWarmKernel("MPLBACKEND names another backend than that of notebooks")
    if Path(cwd, "matplotlibrc").exists():
        raise NoWarmKernel(f"there is a matplotlibrc in {cwd}")
    paths = env.get("PYTHONPATH")
    if paths and not all(map(os.path.isabs, paths.split(os.pathsep))):
        raise NoWarmKernel("PYTHONPATH has relative paths")
    try:
        streams = [_descriptor(stdout, 1), _descriptor(stderr, 2)]
    except (ValueError, AttributeError, OSError):
        raise NoWarmKernel("the kernel is to write to pipes") from None
    server = start_server(env)
    fixed = what_is_fixed(env)
    differ = [
        name
        for name in sorted(fixed.keys() | server.fixed.keys())
        if fixed.get(name) != server.fixed.get(name)
    ]
    if differ:
        raise NoWarmKernel(f"{differ[0]} is not what it was when the process to fork from started")
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
        server.tell({"do": "fork"}, (theirs.fileno(), request, *streams))
        theirs.close()
        while not process.pid:
            process.hear()
            if process.refused or process.returncode is not None:
                raise NoWarmKernel(process.refused or "the process to fork from, or the fork, died")
            await _pause(until)
    except BaseException as error:
        ours.close()
        if isinstance(error, OSError):
            raise NoWarmKernel(f"the process to fork from does not answer: {error}") from None
        raise
    finally:
        os.close(request)
        theirs.close()
    return process


async def _pause(until: float) -> None:
    if time.monotonic() > until:
        raise NoWarmKernel("the process to fork from does not answer")
    await asyncio.sleep(0.002)


def _check_same_interpreter(cmd: list[str]) -> None:
    """Raise unless a command runs ipykernel under this very interpreter."""
    if [*cmd[:3]] != [sys.executable, "-m", "ipykernel_launcher"]:
        raise NoWarmKernel("the kernel is not ipykernel under the interpreter that starts it")


def _descriptor(stream: object, usual: int) -> int:
    """Return the file descriptor of a stream as of :class:`subprocess.Popen`."""
    number = usual if stream is None else stream if isinstance(stream, int) else stream.fileno()
    if number < 0:
        raise ValueError(number)
    os.fstat(number)
    return number
