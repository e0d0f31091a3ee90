"""The process that warm kernels are forked from; run as a script, imported by nobody.

It imports the libraries that notebooks use and ipykernel, nothing of this package, and then
waits for requests. It has one thread: only then is a fork a sound copy. Each kernel is its child,
in a session of its own; how it ends is reported to whoever asked for it.

Nothing outlives its user. The server ends with the process that started it, whatever ends that
one, and takes the kernels and the folders with it that were put into its care; a kernel dies with
the server.

A request is one datagram on the control socket, as JSON, with file descriptors where it needs
some: ``fork`` (a socket for the answers, what is asked for as JSON, the kernel's stdout and
stderr), ``hold`` and ``release`` (a folder to be removed if the user dies).
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
import warnings
from typing import NamedTuple

PRELOAD = (
    "numpy",
    "pandas",
    "pandas.core.arrays.arrow.extension_types",
    "pandas.core.reshape.reshape",
    "pandas.io.formats.csvs",
    "pandas.io.formats.string",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.optimize",
    "scipy.sparse.csgraph",
    "scipy.sparse.linalg",
    "scipy.spatial",
    "scipy.special",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.decomposition",
    "sklearn.manifold",
    "sklearn.metrics",
    "sklearn.preprocessing",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin",
    "seaborn",
    "msgspec",
    "joblib",
    "tqdm.auto",
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "sqlite3",
    "tornado.platform.asyncio",
    "threadpoolctl",
)
"""Modules imported once, for all kernels; what is not installed is left out."""

INLINE = "module://matplotlib_inline.backend_inline"
"""The backend that ipykernel makes matplotlib's default."""

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
PATIENCE = 0.5
"""Seconds between two looks at whether the user is still there, should its socket not tell."""


class Server:
    """What the server knows: its user, its kernels, the folders in its care."""

    def __init__(self, control: socket.socket, user: int):
        self.control, self.user, self.pid = control, user, os.getpid()
        self.kernels: dict[int, socket.socket] = {}
        self.held: set[str] = set()
        self.selector = selectors.DefaultSelector()
        self.libc = ctypes.CDLL(None)
        self.pools = []
        self.added: dict[str, str] = {}

    # start

    def preload(self) -> None:
        """Import what kernels need; leave at once if the user dies meanwhile."""
        signal.signal(signal.SIGALRM, lambda *_: self.leave_if_orphaned())
        signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
        before = dict(os.environ)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in PRELOAD:
                with contextlib.suppress(ModuleNotFoundError):
                    importlib.import_module(name)
        self.added = {name: os.environ[name] for name in os.environ.keys() - before.keys()}
        if "threadpoolctl" in sys.modules:
            controller = sys.modules["threadpoolctl"].ThreadpoolController
            # found by name, which starts a program and may write a file, it would be the same
            getattr(controller, "_system_libraries", {}).setdefault("libc", self.libc)
            self.pools = controller().lib_controllers
        gc.collect()
        gc.freeze()  # a collection in a kernel need not touch, and so copy, what is shared
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    # requests

    def serve(self) -> Kernel:
        """Answer requests until the user is gone; returns in each kernel, with its request."""
        self.control.setblocking(False)
        self.selector.register(self.control, selectors.EVENT_READ, self.hear)
        while True:
            for key, _ in self.selector.select(PATIENCE):
                still = self.selector.get_map().get(key.fd) == key
                if still and (asked := key.data()):
                    return asked
            self.leave_if_orphaned()

    def hear(self) -> Kernel | None:
        """Carry out the next request; the result is not None only in a new kernel."""
        message, descriptors = receive(self.control)
        if not message:
            self.leave()
        if message["do"] == "hold":
            self.held.add(message["folder"])
        elif message["do"] == "release":
            self.held.discard(message["folder"])
        elif message["do"] == "fork":
            try:
                return self.fork(*descriptors)
            finally:
                for descriptor in descriptors[:2]:
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
        return None

    def fork(self, answers: int, asked: int, *streams: int) -> Kernel | None:
        """Make a kernel, unless this is no process to fork from."""
        line = socket.socket(fileno=os.dup(answers))
        with open(os.dup(asked), encoding="utf-8") as file:
            request = json.load(file)
        try:
            if (n_threads := len(os.listdir("/proc/self/task"))) != 1:
                raise OSError(f"the process to fork from has {n_threads} threads")
            pid = os.fork()
        except OSError as error:
            send(line, {"refused": str(error)})
            line.close()
        else:
            if pid == 0:
                self.separate()
                return Kernel(line, request, streams)
            line.setblocking(False)
            self.kernels[pid] = line
            pidfd = os.pidfd_open(pid)
            self.selector.register(pidfd, selectors.EVENT_READ, lambda: self.reap(pid, pidfd))
            self.selector.register(line, selectors.EVENT_READ, lambda: self.dismiss(pid))
        for stream in streams:
            os.close(stream)
        return None

    def reap(self, pid: int, pidfd: int) -> None:
        """Note that a kernel has ended, and tell its user how."""
        kill_group(pid)  # what it started and left; its number is not free before the next line
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        line = self.kernels.pop(pid)
        self.selector.unregister(pidfd)
        os.close(pidfd)
        if line in self.selector.get_map():
            self.selector.unregister(line)
        send(line, {"status": code})
        line.close()

    def dismiss(self, pid: int) -> None:
        """End a kernel whose user has let go of it."""
        self.selector.unregister(self.kernels[pid])
        kill_group(pid)

    # ends

    def leave_if_orphaned(self) -> None:
        """Leave if the user is gone, even where its sockets are still open elsewhere."""
        if os.getppid() != self.user:
            self.leave()

    def leave(self) -> None:
        """End, with all kernels, and remove the folders that nobody is left to remove."""
        self.control.setblocking(False)
        with contextlib.suppress(OSError, ValueError):  # what was said and not heard yet
            while (message := receive(self.control)[0]) is not None:
                if message["do"] == "hold":
                    self.held.add(message["folder"])
                elif message["do"] == "release":
                    self.held.discard(message["folder"])
        for pid in self.kernels:
            kill_group(pid)
        for pid in self.kernels:
            os.waitpid(pid, 0)
        for folder in self.held:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    # in a new kernel

    def separate(self) -> None:
        """Become a process of one's own, that shares nothing with the server but memory."""
        os.setsid()
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        self.libc.prctl(PR_SET_NAME, b"imdbclust-warm")
        if os.getppid() != self.pid:  # it died before its death could be noticed
            os._exit(1)
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, int):
                os.close(key.fileobj)
            else:
                key.fileobj.close()
        self.selector.close()
        self.kernels.clear()


class Kernel(NamedTuple):
    """What a new kernel is to be: where to answer, what was asked for, its stdout and stderr."""

    line: socket.socket
    request: dict
    streams: tuple[int, ...]


def kill_group(pid: int) -> None:
    """Kill a kernel and what it started; before its session exists, the kernel alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def send(to: socket.socket, message: dict) -> None:
    """Send a message to whoever may not be there any more."""
    with contextlib.suppress(OSError):
        to.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)


def receive(control: socket.socket) -> tuple[dict | None, list[int]]:
    """Return the next request and its file descriptors; None if there will be none."""
    data, ancillary, _, _ = control.recvmsg(65536, socket.CMSG_SPACE(4 * 8))
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return (json.loads(data) if data else None), descriptors.tolist()


def become(kernel: Kernel, server: Server) -> None:
    """Take on what was asked for, as a new interpreter would have, and run ipykernel."""
    line, request, streams = kernel
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    os.environ.clear()
    # what libraries set when they are imported, they would set here too
    os.environ.update(server.added | request["env"], JPY_PARENT_PID=str(os.getppid()))
    os.chdir(request["cwd"])
    time.tzset()
    tempfile.tempdir = None
    importlib.invalidate_caches()
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "numpy" in sys.modules:  # the standard library sees to its own generator
        sys.modules["numpy"].random.seed()
    # imported again, it finds the shell that it is to set up
    sys.modules.pop("matplotlib_inline.backend_inline", None)
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rcParams["backend"] = os.environ.get("MPLBACKEND") or INLINE
    set_threads(server.pools)
    sys.orig_argv = list(request["cmd"])
    sys.argv = [importlib.util.find_spec("ipykernel_launcher").origin, *request["cmd"][3:]]
    send(line, {"pid": os.getpid()})
    line.close()
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(parent_handle=os.getppid())


def set_threads(pools: list) -> None:
    """Give thread pools the size that they would have taken from the environment when loaded."""
    cores = len(os.sched_getaffinity(0))
    for pool in pools:
        variables = {
            "openblas": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
            "mkl": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
            "blis": ("BLIS_NUM_THREADS", "OMP_NUM_THREADS"),
        }.get(pool.internal_api, ("OMP_NUM_THREADS",))
        asked = (os.environ.get(name, "").split(",")[0].strip() for name in variables)
        wanted = next((int(text) for text in asked if text.isdigit() and int(text)), cores)
        if pool.get_num_threads() != wanted:
            pool.set_num_threads(wanted)


def main() -> None:
    """Serve the process that started this one; come back as a kernel, or not at all."""
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder of this script, where a plain kernel would not look
    server = Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
    server.preload()
    send(server.control, {"ready": len(os.listdir("/proc/self/task"))})
    become(server.serve(), server)


if __name__ == "__main__":
    main()
