"""The fork server and its kernels, as seen by the process that uses them.

A process has one server, started with the first kernel or earlier. Its program is
:mod:`imdbclust.running.kernels.fork_server`. This module imports little, to start it quickly.
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
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from imdbclust.base.disk import temporary
from imdbclust.base.errors import UserError

FORKSERVER = Path(__file__).with_name("fork_server.py")
ENGINES = ("auto", "warm", "plain")  # kernels are forked if possible, always, or never
PRIVATE = "imdbclust-"  # prefix of folders for sockets
SHORT = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 (parents of private folders)
MAX_PARENT = 80  # bytes of a path, to which a private folder and a name add up to 24 of about 104
SET_BY_LIBRARIES = {
    "OMP_WAIT_POLICY": "passive",  # by this package
    "KMP_DUPLICATE_LIB_OK": "True",  # by scikit-learn, as the next one
    "KMP_INIT_AT_FORK": "FALSE",
}
"""Variables that imports set; kernels have them from the start, whatever was imported before."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# prefixes of variables that Python or a library reads only when it starts
_READ_AT_START = (
    "PYTHON", "LD_", "GLIBC_", "MALLOC_", "JE_ARROW_", "LANG", "LC_", "HOME", "XDG_", "MPLCONFIG",
    "MATPLOTLIB", "NPY_", "NUMPY_", "OPENBLAS_", "OMP_", "GOMP_", "KMP_", "MKL_", "BLIS_", "GOTO_",
    "SCIPY_", "SKLEARN_", "PANDAS_", "JOBLIB_", "ARROW_", "JUPYTER_", "IPYTHON",
)  # fmt: skip
_READ_LATER = ("IPYTHONDIR", "JUPYTER_DEFAULT_PROVISIONER_NAME")


class EngineError(UserError):
    """The engine is unknown or impossible on this system."""


class NoWarmKernel(RuntimeError):
    """A kernel cannot be forked; the message says why."""


class Server:
    """A fork server of this process, for kernels with a given environment.

    Kernels that differ in variables that are read only at the start cannot be forked from it.
    """

    def __init__(self, environment: dict[str, str]):
        self._ready = False
        self.why = ""  # why it cannot fork kernels; empty if it can or may be able to
        self.useless = False  # whether a new server would fail in the same way
        self.fixed = fixed_at_start(environment)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        one_thread = {
            name: value
            for name, value in environment.items()
            if not name.endswith("_NUM_THREADS") and name not in ("MPLBACKEND", "JPY_PARENT_PID")
        }
        one_thread |= dict.fromkeys((*THREAD_VARIABLES, "BLIS_NUM_THREADS"), "1")
        # pyarrow's allocator would start a thread when it is loaded
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

    def ready(self) -> bool:
        """Return whether its imports are finished; raise NoWarmKernel if it cannot fork kernels."""
        if not self._ready and not self.why:
            try:
                data = self._control.recv(4096)
            except BlockingIOError:
                return False
            except OSError:
                data = b""
            if not data:
                self._control.close()
                try:
                    killed = self.process.wait(10) < 0
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    killed = True
                self.why = "the fork server " + ("was killed" if killed else "did not start")
                self.why += self._last_words()
                self.useless = not killed
            elif (n_threads := json.loads(data)["ready"]) != 1:
                self.why, self.useless = f"the fork server has {n_threads} threads", True
            self._ready = not self.why
        if not self._ready:
            raise NoWarmKernel(self.why)
        return True

    def send(self, message: dict, descriptors: tuple[int, ...] = ()) -> None:
        """Send a message; raise OSError if the server has ended or does not listen."""
        data = json.dumps(message).encode()
        socket.send_fds(self._control, [data], descriptors, socket.MSG_NOSIGNAL)

    def stop(self) -> None:
        """End the server and its kernels; their folders stay until this process removes them."""
        with contextlib.suppress(OSError):
            self.send({"do": "stop"})
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
            *_, last = self._log.read().decode(errors="replace").strip().split("\n")
            return f": {last.strip()[:300]}" if last else ""
        return ""


_lock = threading.RLock()  # of the next two: with two servers, one would be lost
_server: Server | None = None
_held: set[str] = set()
_kernels: weakref.WeakSet[WarmProcess] = weakref.WeakSet()


def start_server(environment: dict[str, str]) -> Server:
    """Return this process's server; start it if it does not run, without waiting for its imports.

    Raises NoWarmKernel if forking is impossible.
    """
    global _server
    if why := impossible():
        raise NoWarmKernel(why)
    with _lock:
        if _server is not None and _server.useless:
            raise NoWarmKernel(_server.why)
        if _server is None or _server.process.poll() is not None:
            stop_server()
            try:
                _server = Server(environment)
                for folder in _held:
                    _server.send({"do": "hold", "folder": folder})
            except OSError as error:
                raise NoWarmKernel(f"the fork server did not start: {error}") from None
        return _server


def start_early() -> None:
    """Start the server if possible, so that it imports while this process does other things."""
    with contextlib.suppress(NoWarmKernel):
        start_server(kernel_environment())


def stop_server() -> None:
    """End this process's server and its kernels."""
    global _server
    with _lock:
        if _server is not None:
            _server.stop()
            _server = None


def impossible() -> str:
    """Return why kernels cannot be forked on this system; empty if they can."""
    if sys.platform != "linux":
        return f"kernels can be forked on Linux only, and this is {sys.platform}"
    if not hasattr(os, "pidfd_open") or not hasattr(os, "memfd_create"):
        return "this Python or Linux is too old to fork kernels"
    return ""


def sockets_parent() -> Path:
    """Return a folder in which the paths of sockets are short enough for the system.

    That is the usual folder for temporary files or, if its path is too long or not Unicode, one of
    `SHORT`. It is an EngineError if none of them can be written to.
    """
    usual = Path(tempfile.gettempdir())
    for folder in (usual, *map(Path, SHORT)):
        with contextlib.suppress(UnicodeEncodeError):
            fits = len(str(folder.absolute()).encode()) <= MAX_PARENT
            if fits and os.access(folder, os.W_OK | os.X_OK):
                return folder
    raise EngineError(
        f"sockets need a folder whose path has at most {MAX_PARENT} characters, and {usual} is "
        "longer; set TMPDIR to a shorter one"
    )


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Give a temporary folder for sockets, which only this user can open."""
    with temporary(sockets_parent(), PRIVATE) as folder, held(folder):
        yield folder


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Have the server remove a folder if this process is killed while it uses the folder."""
    with _lock:
        _held.add(str(folder))
        _notify("hold", folder)
    try:
        yield folder
    finally:
        with _lock:
            _held.discard(str(folder))
            _notify("release", folder)


def _notify(action: str, folder: Path) -> None:
    if _server is not None and _server.process.poll() is None:
        with contextlib.suppress(OSError):
            _server.send({"do": action, "folder": str(folder)})


def _forget() -> None:
    """In a fork of this process, give up the server and kernels of the parent."""
    global _server, _lock
    _lock = threading.RLock()  # another thread of the parent may have had it
    if _server is not None:
        _server._control.close()
        _server.process.returncode = 0  # it is not a child of this process
    for kernel in list(_kernels):
        kernel.line.close()
    _server = None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(stop_server)


def fixed_at_start(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables and library versions that a running server can no longer change."""
    fixed = {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_AT_START)
        and not name.endswith("_NUM_THREADS")
        and name not in _READ_LATER
        and value
    }
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    if site.ENABLE_USER_SITE:
        libraries.add(site.getusersitepackages())
    for folder in libraries:
        with contextlib.suppress(OSError):
            fixed[folder] = str(Path(folder).stat().st_mtime_ns)
    return fixed


class WarmProcess:
    """A forked kernel with the interface of :class:`subprocess.Popen` that provisioners use."""

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket):
        self.line, self.pid = line, 0
        self.returncode: int | None = None
        self.lost = False  # whether it ended because its server did
        self.refused = ""  # why the server did not fork it
        _kernels.add(self)

    def receive(self) -> None:
        """Process the messages of the server that have arrived."""
        while self.returncode is None and not self.refused:
            try:
                data = self.line.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            message = json.loads(data) if data else {}
            self.pid = message.get("pid", self.pid)
            self.refused = message.get("refused", "")
            self.returncode = message.get("status")
            if not data:
                self.lost, self.returncode = True, -signal.SIGKILL
                self._kill_group(signal.SIGKILL)
        self.line.close()

    def poll(self) -> int | None:
        """Return the return code, negative for a signal; None while the kernel runs."""
        self.receive()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the return code or raise subprocess.TimeoutExpired."""
        while self.poll() is None:
            if not select.select([self.line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("warm kernel", timeout)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel and its child processes."""
        if self.poll() is None:
            self._kill_group(signum)

    def kill(self) -> None:
        """Kill the kernel."""
        self.send_signal(signal.SIGKILL)

    def _kill_group(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.pid:
                os.killpg(self.pid, signum)


def kernel_environment(**extra: str) -> dict[str, str]:
    """Return the environment of a kernel: no user site-packages, fixed hashes, one thread.

    With one thread, results are the same on machines with any number of cores, and kernels can run
    in parallel. The variables in `THREAD_VARIABLES` override it. Where code asks for more threads,
    those that wait leave their core to other processes, unless ``OMP_WAIT_POLICY`` is set.
    """
    environment = dict(os.environ)
    # Dask has its workers return freed memory at once; kernels would take a third longer with that
    environment.pop("MALLOC_TRIM_THRESHOLD_", None)
    environment.pop("MPLBACKEND", None)  # figures use the backend of notebooks
    for name in THREAD_VARIABLES:
        environment.setdefault(name, "1")
    for name, value in SET_BY_LIBRARIES.items():
        environment.setdefault(name, value)
    return environment | {"PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", **extra}


def chosen_engine(engine: str = "auto") -> str:
    """Return an engine; ``auto`` is replaced by the variable ``IMDBCLUST_ENGINE`` if it is set.

    Raises EngineError if it is unknown, or if it is ``warm`` and kernels cannot be forked.
    """
    if engine == "auto":
        engine = os.environ.get("IMDBCLUST_ENGINE") or "auto"
    if engine not in ENGINES:
        raise EngineError(f"unknown engine {engine!r}; choose auto, warm or plain")
    if engine == "warm" and (why := impossible()):
        raise EngineError(f"engine warm: {why}")
    return engine
