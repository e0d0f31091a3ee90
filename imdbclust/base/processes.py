"""Independent parts of a computation on all cores, in forked processes.

k-means and ARPACK run Python code between short computations, so that threads wait for each other.
Forked processes do not, and they have the arrays of this process without copying them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

from imdbclust.base.errors import UserError

PR_SET_PDEATHSIG = 1

_forked = False  # whether this process was forked by on_all_cores


class WorkerDied(UserError):
    """A forked process was killed, such as for lack of memory."""


Progress = Callable[[int, int], None]
"""Called with the number of finished items, and that of all items."""


def on_all_cores(
    function: Callable, items: Iterable, progress: Progress = lambda done, total: None
) -> list:
    """Return the results of a function for all items, in their order, computed on all cores.

    The number of cores is that of ``joblib.cpu_count``, which respects CPU affinity, the limits of
    containers and the variable ``LOKY_MAX_CPU_COUNT``. Not more processes are forked than the
    available memory has room for, if each takes as much as this one. Libraries have one thread in
    each process, so the results do not depend on the number of cores. They are pickled.

    The processes end with this function, also by an interruption, and with this process. A process
    that was forked here forks no others. Outside the main thread and on systems other than Linux,
    threads are used instead.

    Raises
    ------
    WorkerDied
        A process was killed.
    Exception
        What the function raised for the first of the items for which it raised anything.
    """
    from joblib import Parallel, cpu_count, delayed
    from threadpoolctl import threadpool_limits

    items, main = list(items), threading.current_thread() is threading.main_thread()
    with threadpool_limits(1):
        if not (main and sys.platform == "linux"):
            jobs = (delayed(function)(item) for item in items)
            return Parallel(n_jobs=-1, prefer="threads")(jobs)
        n_processes = 1 if _forked else min(cpu_count(), len(items))
        if n_processes > 1:
            n_processes = min(n_processes, 1 + _room())
        if n_processes < 2:
            results = []
            for item in items:
                results.append(function(item))
                progress(len(results), len(items))
            return results
        return _in_processes(function, items, n_processes, progress)


def together(
    *groups: Sequence[Callable], progress: Progress = lambda done, total: None
) -> list[list]:
    """Call all functions of all groups as :func:`on_all_cores`; return the results by group."""
    calls = [call for group in groups for call in group]
    results = iter(on_all_cores(lambda call: call(), calls, progress))
    return [[next(results) for _ in group] for group in groups]


def _room() -> int:
    """Return how many processes as large as this one fit into the available memory."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(kilobytes) * 1024 // (int(pages) * os.sysconf("SC_PAGE_SIZE"))


def _in_processes(function: Callable, items: list, n_processes: int, progress: Progress) -> list:
    results: dict[int, tuple] = {}
    waiting, processes = iter(range(len(items))), {}
    try:
        for _ in range(n_processes):
            line, pid = _fork(function, items)
            processes[line] = pid
        busy = list(processes)
        for line in busy:
            line.send(next(waiting))
        while busy:
            for line in wait(busy):
                number, *results[number] = _receive(line)
                progress(len(results), len(items))
                if not results[number][0]:
                    waiting = iter(())  # all items before the failed one have been given out
                following = next(waiting, None)
                if following is None:
                    busy.remove(line)
                else:
                    line.send(following)
    finally:
        for line, pid in processes.items():
            line.close()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    for number in sorted(results):
        done, result = results[number]
        if not done:
            raise result
    return [results[number][1] for number in range(len(items))]


def _receive(line: Connection) -> tuple[int, bool, object]:
    """Return the number of an item, whether the function returned, and its result or error."""
    try:
        return line.recv()
    except (EOFError, ConnectionError):
        raise WorkerDied(
            "a process was killed, perhaps for lack of memory; "
            "LOKY_MAX_CPU_COUNT=1 computes everything in one process"
        ) from None


def _fork(function: Callable, items: list) -> tuple[Connection, int]:
    """Fork a process that computes the items whose numbers it receives; return line and id."""
    ours, theirs = Pipe()
    parent = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process may have threads
        pid = os.fork()
    if pid:
        theirs.close()
        return ours, pid
    try:
        globals()["_forked"] = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        ours.close()
        sys.stdout = sys.stderr = sys.__stderr__  # those of a notebook have threads
        while os.getppid() == parent:
            number = theirs.recv()
            theirs.send_bytes(_outcome(function, items[number], number))
    finally:
        os._exit(0)


def _outcome(function: Callable, item: object, number: int) -> bytes:
    import cloudpickle  # for lambdas in results

    try:
        return cloudpickle.dumps((number, True, function(item)))
    except Exception as error:
        if not isinstance(error, UserError):
            error.add_note(traceback.format_exc())
        return cloudpickle.dumps((number, False, error))
