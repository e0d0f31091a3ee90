"""The process that warm kernels are forked from, as seen by the one that wants them.

There is one such server a process, started when the first kernel is wanted or before; what it does
is in :mod:`imdbclust.running.kernels.fork_server`. Only the standard library is imported here.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from imdbclust.base.errors import UserError

FORKSERVER = Path(__file__).with_name("fork_server.py")
ENGINES = ("auto", "warm", "plain")
"""How kernels are started: forked where that is possible, always forked, never forked."""

PRIVATE = "imdbclust-"
"""How the names of folders for sockets begin."""

TRIM = "MALLOC_TRIM_THRESHOLD_"
"""Variable for the C library, which Dask sets for its workers."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_AT_START = (
    "PYTHON", "LD_", "GLIBC_", "MALLOC_", "JE_ARROW_", "LANG", "LC_", "HOME", "XDG_", "MPLCONFIG",
    "MATPLOTLIB", "NPY_", "NUMPY_", "OPENBLAS_", "OMP_", "GOMP_", "KMP_", "MKL_", "BLIS_", "GOTO_",
    "SCIPY_", "SKLEARN_", "PANDAS_", "JOBLIB_", "ARROW_", "JUPYTER_", "IPYTHON",
)  # fmt: skip
"""Beginnings of the variables that are read when Python or a library starts, and not again."""

_ANY_TIME = ("IPYTHONDIR", "JUPYTER_DEFAULT_PROVISIONER_NAME")


class EngineError(UserError):
    """The engine asked for is not there."""


class NoWarmKernel(RuntimeError):
    """No kernel can be forked; the message says why."""


class Server:
    """A fork server of this process.

    Parameters
    ----------
    environment : dict
        Of the kernels; those that differ in what is read at start cannot be forked from it.

    Attributes
    ----------
    why : str
        Why it is of no use; empty as long as it may be.
    useless : bool
        Whether another one would be of no use either.
    """

    def __init__(self, environment: dict[str, str]):
        self.why, self._ready, self.useless = "", False, False
        self.fixed = what_is_fixed(environment)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        one_thread = {
            name: value
            for name, value in environment.items()
            if not name.endswith("_NUM_THREADS") and name not in ("MPLBACKEND", "JPY_PARENT_PID")
        }
        one_thread |= dict.fromkeys(_THREADS, "1")
        # pyarrow's allocator would start a thread as soon as it is loaded
        one_thread["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, str(FORKSERVER), str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                env=one_thread,
                cwd="/",
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def ready(self) -> bool:
        """Return whether kernels can be forked by now.

        Raises
        ------
        NoWarmKernel
            They never will.
        """
        if not self._ready and not self.why:
            try:
                said = self._control.recv(4096)
            except BlockingIOError:
                return False
            except OSError:
                said = b""
            n_threads = json.loads(said)["ready"] if said else None
            if n_threads is None:
                self._control.close()
                killed = self.process.wait(10) < 0
                self.why = f"the process to fork from {'was killed' if killed else 'did not start'}"
                self.why += self._last_words()
                self.useless = not killed
            elif n_threads != 1:
                self.why = f"the process to fork from has {n_threads} threads"
                self.useless = True
            self._ready = not self.why
        if not self._ready:
            raise NoWarmKernel(self.why)
        return True

    def tell(self, message: dict, descriptors: tuple[int, ...] = ()) -> None:
        """Send a message.

        Raises
        ------
        OSError
            The server is gone, or does not listen.
        """
        data = json.dumps(message).encode()
        socket.send_fds(self._control, [data], descriptors, socket.MSG_NOSIGNAL)

    def stop(self) -> None:
        """End the server, with the kernels that are left."""
        self._control.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def _last_words(self) -> str:
        with contextlib.suppress(ValueError):
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").split("\n")
            if said := [line.strip() for line in lines if line.strip()]:
                return f": {said[-1][:300]}"
        return ""


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
_server: Server | None = None
_held: set[str] = set()
_kernels: weakref.WeakSet[WarmProcess] = weakref.WeakSet()


def start_server(environment: dict[str, str]) -> Server:
    """Return this process's server; it is started now if it is not there.

    Nobody waits for it here: starting it early lets it import while other things are done.

    Raises
    ------
    NoWarmKernel
        There can be none.
    """
    global _server
    if why := impossible():
        raise NoWarmKernel(why)
    if _server is not None and _server.useless:
        raise NoWarmKernel(_server.why)  # as it would be again
    if _server is None or not _server.alive:
        stop_server()
        try:
            _server = Server(environment)
            for folder in _held:
                _server.tell({"do": "hold", "folder": folder})
        except OSError as error:
            raise NoWarmKernel(f"the process to fork from did not start: {error}") from None
    return _server


def start_early() -> None:
    """Have the server, if there can be one, import while this process does other things."""
    with contextlib.suppress(NoWarmKernel):
        start_server(kernel_environment())


def stop_server() -> None:
    """End this process's server, if there is one, with its kernels."""
    global _server
    if _server is not None:
        _server.stop()
        _server = None


def impossible() -> str:
    """Return why no kernel can be forked on this system; empty where one can."""
    if sys.platform != "linux":
        return f"kernels are forked on Linux only, and this is {sys.platform}"
    if not hasattr(os, "pidfd_open") or not hasattr(os, "memfd_create"):
        return "this Python or this Linux is too old for forked kernels"
    return ""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Have a folder removed if this process is killed meanwhile; see :func:`hold`."""
    hold(folder)
    try:
        yield folder
    finally:
        release(folder)


def hold(folder: Path) -> None:
    """Have the server, now or once there is one, remove a folder if this process is killed."""
    _held.add(str(folder))
    _mention("hold", folder)


def release(folder: Path) -> None:
    """End what :func:`hold` began."""
    _held.discard(str(folder))
    _mention("release", folder)


def _mention(what: str, folder: Path) -> None:
    if _server is not None and _server.alive:
        with contextlib.suppress(OSError):
            _server.tell({"do": what, "folder": str(folder)})


def _forget() -> None:
    """Let go, in a process forked from this one, of what is not its own."""
    global _server
    if _server is not None:
        _server._control.close()
        _server.process.returncode = 0  # not a child of this process: nothing to wait for
    for kernel in list(_kernels):
        kernel.line.close()
    _server = None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(stop_server)


def what_is_fixed(environment: dict[str, str]) -> dict[str, str]:
    """Return what cannot be changed any more once a server has started."""
    variables = {
        name: value
        for name, value in environment.items()
        if name.startswith(_AT_START)
        and not name.endswith("_NUM_THREADS")
        and name not in _ANY_TIME
        and value
    }
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    if site.ENABLE_USER_SITE:
        libraries.add(site.getusersitepackages())
    for folder in libraries:
        with contextlib.suppress(OSError):
            variables[folder] = str(Path(folder).stat().st_mtime_ns)
    return variables


class WarmProcess:
    """A forked kernel, with what :class:`jupyter_client.provisioning.LocalProvisioner` uses.

    Attributes
    ----------
    returncode : int or None
        As of :class:`subprocess.Popen`.
    lost : bool
        Whether it ended because its server did.
    """

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket):
        self.line, self.pid = line, 0
        self.returncode: int | None = None
        self.lost = False
        self.refused = ""
        _kernels.add(self)

    def hear(self) -> None:
        """Take in what the server has to say."""
        while self.returncode is None and not self.refused:
            try:
                said = self.line.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            message = json.loads(said) if said else {}
            self.pid = message.get("pid", self.pid)
            self.refused = message.get("refused", "")
            self.returncode = message.get("status")
            if not said:
                self.lost, self.returncode = True, -signal.SIGKILL
                self._kill_group(signal.SIGKILL)
        self.line.close()

    def poll(self) -> int | None:
        """Return how the kernel ended, negative for a signal; None while it runs."""
        self.hear()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return how it was.

        Raises
        ------
        subprocess.TimeoutExpired
            The kernel still runs.
        """
        while self.poll() is None:
            if not select.select([self.line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("warm kernel", timeout)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel and what it started."""
        if self.poll() is None:
            self._kill_group(signum)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the kernel."""
        self.send_signal(signal.SIGKILL)

    def _kill_group(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.pid:
                os.killpg(self.pid, signum)


def kernel_environment(**extra: str) -> dict[str, str]:
    """Return the environment of a kernel: nothing of the user's set-up, one thread, fixed hashes.

    One thread a kernel gives the same bytes on every machine with as many cores as it likes,
    and lets kernels run side by side. Who wants more sets the variables of `THREAD_VARIABLES`.

    A Dask worker is told to give freed memory back to the system at once (`TRIM`); in its kernels
    that would cost a third of the time.
    """
    environment = dict(os.environ)
    environment.pop(TRIM, None)
    environment.pop("MPLBACKEND", None)  # figures are drawn as notebooks draw them
    for name in THREAD_VARIABLES:
        environment.setdefault(name, "1")
    return environment | {"PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", **extra}


def chosen_engine(asked: str = "auto") -> str:
    """Return the engine asked for; where that is ``auto``, what ``IMDBCLUST_ENGINE`` says, if any.

    Raises
    ------
    EngineError
        There is no such engine, or no kernel can be forked where that is asked for.
    """
    engine = asked if asked != "auto" else os.environ.get("IMDBCLUST_ENGINE") or "auto"
    if engine not in ENGINES:
        raise EngineError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    if engine == "warm" and (why := impossible()):
        raise EngineError(f"engine warm: {why}")
    return engine
