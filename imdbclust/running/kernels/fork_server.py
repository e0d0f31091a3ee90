"""The process that warm kernels are forked from; it runs as a script and is never imported.

It imports the libraries of the notebooks and ipykernel, nothing of this package, and then waits for
requests. It has one thread, because only then is a fork a sound copy. Each kernel is its child, in
its own session. The server reports to the process that requested a kernel how the kernel ended.

Nothing outlives its user, the process that started the server. The server ends with its user,
however that ends, kills the kernels, and removes the folders that it holds; a kernel dies with the
server.

A request is one datagram of JSON on the control socket, with file descriptors if it needs any:
``fork`` (a socket for the answers, a file with the request, the kernel's stdout and stderr),
``hold`` and ``release`` (a folder to remove if the user dies), ``stop`` (the user goes on alone).
"""

from __future__ import annotations

import array
import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
import warnings

# modules to import once for all kernels; those that are not installed are skipped
PRELOAD = (
    "numpy", "scipy.optimize", "scipy.sparse.csgraph", "scipy.sparse.linalg", "scipy.spatial",
    "scipy.special", "scipy.stats", "pandas", "pandas.core.arrays.arrow.extension_types",
    "pandas.core.reshape.reshape", "pandas.io.formats.csvs", "pandas.io.formats.string",
    "pyarrow.dataset", "pyarrow.parquet", "sqlite3", "msgspec", "joblib", "threadpoolctl",
    "sklearn.cluster", "sklearn.decomposition", "sklearn.manifold", "sklearn.metrics",
    "sklearn.preprocessing", "matplotlib.pyplot", "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg", "seaborn", "jinja2", "tqdm.auto", "tornado.platform.asyncio",
    "PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin", "ipykernel.kernelapp", "ipykernel.debugger", "ipykernel.ipkernel",
    "ipykernel.zmqshell", "IPython.core.completer", "IPython.core.completerlib",
    "IPython.core.debugger", "IPython.core.oinspect", "IPython.extensions.storemagic",
)  # fmt: skip
INLINE = "module://matplotlib_inline.backend_inline"  # matplotlib's default backend in a kernel
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
CHECK_INTERVAL = 0.5  # seconds between checks whether the user runs, if its socket stays open
END_SECONDS = 5.0  # for the user to end after its socket is closed

# of a new kernel: the socket for the answer, the request, the descriptors of stdout and stderr
Kernel = tuple[socket.socket, dict, tuple[int, ...]]


class Server:
    """State of the server: its user, its kernels, the folders that it holds."""

    def __init__(self, control: socket.socket, user: int):
        self.control, self.user, self.pid = control, user, os.getpid()
        self.kernels: dict[int, socket.socket] = {}
        self.held: set[str] = set()
        self.selector = selectors.DefaultSelector()
        self.libc = ctypes.CDLL(None)
        self.pools = []
        self.environment = dict(os.environ)

    # start

    def preload(self) -> None:
        """Import what kernels need; exit at once if the user dies meanwhile."""
        signal.signal(signal.SIGALRM, lambda *_: self.leave_if_orphaned())
        signal.setitimer(signal.ITIMER_REAL, CHECK_INTERVAL, CHECK_INTERVAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in PRELOAD:
                with contextlib.suppress(ModuleNotFoundError):
                    importlib.import_module(name)
        if "threadpoolctl" in sys.modules:
            controller = sys.modules["threadpoolctl"].ThreadpoolController
            # the same library as by a search, which starts a program and may write a file
            getattr(controller, "_system_libraries", {}).setdefault("libc", self.libc)
            self.pools = controller().lib_controllers
        gc.collect()
        gc.freeze()  # so that garbage collection in a kernel does not copy shared memory
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def set_by_libraries(self) -> dict[str, str]:
        """Return the environment variables that libraries set when they were imported."""
        before = self.environment
        return {name: text for name, text in os.environ.items() if before.get(name) != text}

    # requests

    def serve(self) -> Kernel:
        """Answer requests until the user is gone; return only in a new kernel, with its request."""
        self.control.setblocking(False)
        self.selector.register(self.control, selectors.EVENT_READ, self.receive)
        while True:
            for key, _ in self.selector.select(CHECK_INTERVAL):
                registered = self.selector.get_map().get(key.fd) == key
                if registered and (kernel := key.data()):
                    return kernel
            self.leave_if_orphaned()

    def receive(self) -> Kernel | None:
        """Carry out the next request; the result is not None only in a new kernel."""
        message, descriptors = receive(self.control)
        if not message or message["do"] == "stop":
            self.leave(stopped=bool(message))
        if message["do"] != "fork":
            self.hold_or_release(message)
            return None
        try:
            return self.fork(*descriptors)
        finally:
            for descriptor in descriptors[:2]:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def hold_or_release(self, message: dict) -> None:
        """Add or remove a folder that is to be removed if the user dies."""
        if message["do"] == "hold":
            self.held.add(message["folder"])
        elif message["do"] == "release":
            self.held.discard(message["folder"])

    def fork(self, answers: int, request_file: int, *streams: int) -> Kernel | None:
        """Fork a kernel, unless this process has several threads."""
        line = socket.socket(fileno=os.dup(answers))
        with open(os.dup(request_file), encoding="utf-8") as file:
            request = json.load(file)
        try:
            if (n_threads := len(os.listdir("/proc/self/task"))) != 1:
                raise OSError(f"the fork server has {n_threads} threads")
            pid = os.fork()
        except OSError as error:
            send(line, {"refused": str(error)})
            line.close()
        else:
            if pid == 0:
                self.separate()
                return line, request, streams
            line.setblocking(False)
            self.kernels[pid] = line
            pidfd = os.pidfd_open(pid)
            self.selector.register(pidfd, selectors.EVENT_READ, lambda: self.reap(pid, pidfd))
            self.selector.register(line, selectors.EVENT_READ, lambda: self.dismiss(pid))
        for stream in streams:
            os.close(stream)
        return None

    def reap(self, pid: int, pidfd: int) -> None:
        """Report to its user how a kernel ended."""
        kill_group(pid)  # its child processes; its pid is not reused before the next line
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        line = self.kernels.pop(pid)
        self.selector.unregister(pidfd)
        os.close(pidfd)
        if line in self.selector.get_map():
            self.selector.unregister(line)
        send(line, {"status": code})
        line.close()

    def dismiss(self, pid: int) -> None:
        """Kill a kernel whose user has closed its socket."""
        self.selector.unregister(self.kernels[pid])
        kill_group(pid)

    # ends

    def leave_if_orphaned(self) -> None:
        """Exit if the user has ended, even if another process has its sockets open."""
        if os.getppid() != self.user:
            self.leave()

    def leave(self, *, stopped: bool = False) -> None:
        """Kill all kernels and exit; remove the held folders if the user has ended.

        A user that lives may have another server, whose kernels use the folders.
        """
        self.control.setblocking(False)
        with contextlib.suppress(OSError, ValueError):  # requests that have not been read yet
            while (message := receive(self.control)[0]) is not None:
                self.hold_or_release(message)
        for pid in self.kernels:
            kill_group(pid)
        for pid in self.kernels:
            os.waitpid(pid, 0)
        until = time.monotonic() + (0 if stopped else END_SECONDS)
        while os.getppid() == self.user and time.monotonic() < until:
            time.sleep(0.01)  # the socket of a process that is killed is closed before its end
        for folder in self.held if os.getppid() != self.user else ():
            shutil.rmtree(folder, ignore_errors=True)
        # matplotlib makes a folder of its own where that of the user cannot be written to
        if own := self.set_by_libraries().get("MPLCONFIGDIR"):
            shutil.rmtree(own, ignore_errors=True)
        os._exit(0)

    # in a new kernel

    def separate(self) -> None:
        """Detach this process from the server."""
        os.setsid()
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        self.libc.prctl(PR_SET_NAME, b"imdbclust-warm")
        if os.getppid() != self.pid:  # the server died before prctl
            os._exit(1)
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, int):
                os.close(key.fileobj)
            else:
                key.fileobj.close()
        self.selector.close()
        self.kernels.clear()


def kill_group(pid: int) -> None:
    """Kill a kernel and its session, which may not exist yet."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def send(to: socket.socket, message: dict) -> None:
    """Send a message; the recipient may have ended."""
    with contextlib.suppress(OSError):
        to.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)


def receive(control: socket.socket) -> tuple[dict | None, list[int]]:
    """Return the next request and its file descriptors; None at the end."""
    data, ancillary, _, _ = control.recvmsg(65536, socket.CMSG_SPACE(4 * 8))
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return (json.loads(data) if data else None), descriptors.tolist()


def become(kernel: Kernel, server: Server) -> None:
    """Set up this process as a new interpreter would be, and run ipykernel."""
    line, request, streams = kernel
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    atexit.unregister(shutil.rmtree)  # the folder of matplotlib is the server's
    environment = server.set_by_libraries() | request["env"]
    os.environ.clear()
    os.environ.update(environment, JPY_PARENT_PID=str(os.getppid()))
    os.chdir(request["cwd"])
    time.tzset()
    tempfile.tempdir = None
    importlib.invalidate_caches()
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "numpy" in sys.modules:  # the standard library reseeds its own generator
        sys.modules["numpy"].random.seed()
    # to be imported again, so that it finds the shell that it sets up
    sys.modules.pop("matplotlib_inline.backend_inline", None)
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rcParams["backend"] = os.environ.get("MPLBACKEND") or INLINE
    if "pandas" in sys.modules:  # imported outside of a kernel, it looks for a terminal instead
        sys.modules["pandas"].set_option("display.max_columns", 20)
    set_threads(server.pools)
    sys.orig_argv = list(request["cmd"])
    send(line, {"pid": os.getpid()})
    line.close()
    if len(request["cmd"]) == 2:
        run_script(request["cmd"][1])
    sys.argv = [importlib.util.find_spec("ipykernel_launcher").origin, *request["cmd"][3:]]
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(parent_handle=os.getppid())


def run_script(path: str) -> None:
    """Run a script instead of a kernel, and exit with status 0, or 1 after an exception."""
    sys.argv, status = [path], 1
    try:
        runpy.run_path(path, run_name="__main__")
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def set_threads(pools: list) -> None:
    """Set the sizes of thread pools from the environment, as the libraries do when loaded."""
    cores = len(os.sched_getaffinity(0))
    for pool in pools:
        variables = {
            "openblas": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
            "mkl": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
            "blis": ("BLIS_NUM_THREADS", "OMP_NUM_THREADS"),
        }.get(pool.internal_api, ("OMP_NUM_THREADS",))
        texts = (os.environ.get(name, "").split(",")[0].strip() for name in variables)
        n_threads = next((int(text) for text in texts if text.isdigit() and int(text)), cores)
        if pool.get_num_threads() != n_threads:
            pool.set_num_threads(n_threads)


def main() -> None:
    """Serve the process that started this one; `serve` returns only in a kernel."""
    if not sys.flags.safe_path:
        del sys.path[0]  # this script's folder; ipykernel_launcher removes its first entry, too
    server = Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
    server.preload()
    send(server.control, {"ready": len(os.listdir("/proc/self/task"))})
    become(server.serve(), server)


if __name__ == "__main__":
    main()
