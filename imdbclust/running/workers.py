"""Executions on several workers with Dask: processes of this machine, or of a cluster.

Workers publish results in the store, a folder that they share; only the outcomes are sent back. All
workers execute the same code, so keys and results are the same as in one process.
"""

from __future__ import annotations

import asyncio
import logging
import math
import multiprocessing
import os
import signal
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import dask
from distributed import Client, Future, LocalCluster, Security, as_completed, get_worker, rpc
from distributed.comm import CommClosedError, get_address_host
from distributed.diagnostics.plugin import WorkerPlugin
from joblib import cpu_count

from imdbclust.base.disk import temporary
from imdbclust.base.errors import Failure
from imdbclust.base.text import shown
from imdbclust.base.waits import Result, in_time
from imdbclust.running.execute import DatasetRef, ExecutionOptions, Outcome, execute_once
from imdbclust.running.kernels.warm import PRIVATE, held, start_early
from imdbclust.running.parameters import ParameterError
from imdbclust.running.plan import PlannedStage, fingerprint
from imdbclust.running.progress import Watch
from imdbclust.running.store import Store

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

    from imdbclust.running.kernels.warm import WarmProcess

ALLOWED_DEATHS = 5  # worker deaths after which an execution counts as failed
WAIT_SECONDS = 30  # maximum wait for a worker, or for an answer of one
START_SECONDS = 60  # maximum wait for as many workers of this machine as it has cores
STOP_SECONDS = 10  # maximum wait for the workers to stop
ANSWER_SECONDS = 10  # maximum wait for the first answer of a scheduler
PATIENCE_SECONDS = 60  # maximum time without any sign of life of a worker
CHECK_SECONDS = 2  # between two looks for signs of life
POLL_SECONDS = 0.05  # between two looks for executions that have ended
TOPIC = "imdbclust"  # of Dask events
SHARE = "LOKY_MAX_CPU_COUNT"  # variable with the number of cores that a worker may use


RESUME = "what was finished is kept: start workers, and repeat the command to continue"


class NoWorkers(Failure):
    """All workers, or their scheduler, were lost while executions were left."""


def execute_on_workers(
    planned: list[PlannedStage],
    store: Store,
    films: DatasetRef,
    options: ExecutionOptions,
    watch: Watch,
    *,
    n_workers: int,
    scheduler: str | None = None,
) -> None:
    """Execute stages on workers, otherwise as :func:`imdbclust.running.run.execute_locally`.

    `n_workers` processes are started on this machine, unless `scheduler` is the address of one
    whose workers are used instead.

    Raises
    ------
    imdbclust.running.parameters.ParameterError
        The scheduler cannot be reached, has no workers, or has some with other versions.
    NoWorkers
        No worker started, or gave a sign of life for `PATIENCE_SECONDS`, or the scheduler ended.
    """
    token = uuid.uuid4().hex
    by_key = {stage.key: stage for stage in planned}

    def begin(event: tuple[float, dict]) -> None:
        if event[1]["token"] == token:
            watch.began(by_key[event[1]["key"]])

    with _client(n_workers, scheduler) as client:
        if scheduler:
            _check_workers(client, store)
        threads = Counter()
        for worker in _answer(client.scheduler_info)["workers"].values():
            threads[worker["host"]] += worker["nthreads"]
        plugin = SameVersion(fingerprint(), options.engine, threads)
        _repeated(lambda: _answer(lambda: client.register_plugin(plugin)), CommClosedError)
        client.subscribe_topic(TOPIC, begin)
        futures = {}
        for stage in planned:
            out = store.out.absolute()
            read = [futures[key] for key in stage.inputs.values() if key in futures]
            name = f"{stage.name}-{stage.key}-{token}"
            call = (_execute, stage, out, films, options, token, *read)
            futures[stage.key] = client.submit(*call, key=name, pure=False)
        keys = {future.key: key for key, future in futures.items()}
        try:
            for future, returned in _ended(client, list(futures.values())):
                stage = by_key[keys[future.key]]
                watch.ended(stage, _outcome(stage, returned, futures))
        finally:
            _stop(client, futures, token)


def _ended(client: Client, futures: list[Future]) -> Iterator[tuple[Future, Outcome | Exception]]:
    """Yield executions as they end, each with what it returned or raised.

    Raises
    ------
    NoWorkers
        The workers or the scheduler are lost.
    """
    completed, beats, alive = as_completed(futures), {}, time.monotonic()
    checked, lost = alive, "the workers are lost"
    while not completed.is_empty():
        if completed.has_ready():
            future = next(completed)
            if returned := _returned(future):
                yield future, returned
                continue
            completed.add(future)
        time.sleep(POLL_SECONDS)
        if (now := time.monotonic()) < checked + CHECK_SECONDS:
            continue
        with suppress(OSError, TimeoutError):  # the scheduler may be lost
            found = in_time(client.scheduler_info, ANSWER_SECONDS)["workers"]
            last = {address: worker["last_seen"] for address, worker in found.items()}
            lost = "no worker answers" if last else "no workers are left"
            if last and last != beats:
                alive = now
            beats = last
        checked = time.monotonic()
        if checked - alive > PATIENCE_SECONDS:
            raise NoWorkers(f"{lost}, for {PATIENCE_SECONDS} s; {RESUME}")


def _returned(future: Future) -> Outcome | Exception | None:
    """Return what an execution returned or raised.

    None means that the worker died before it sent the outcome; Dask then repeats the execution.
    """
    try:
        return future.result(timeout=ANSWER_SECONDS)
    except CancelledError:
        raise NoWorkers(f"the scheduler of the workers has ended; {RESUME}") from None
    except OSError as error:  # TimeoutError and CommClosedError are OSErrors
        return error if future.status == "error" else None
    except Exception as error:
        return error


def _answer(ask: Callable[[], Result]) -> Result:
    """Return an answer of the scheduler or of its workers; NoWorkers if it does not come."""
    try:
        return in_time(ask, WAIT_SECONDS)
    except TimeoutError:
        raise NoWorkers(
            f"the scheduler or a worker does not answer within {WAIT_SECONDS} s; {RESUME}"
        ) from None


def _outcome(
    stage: PlannedStage, returned: Outcome | Exception, futures: dict[str, Future]
) -> Outcome:
    """Return how an execution ended."""
    if isinstance(returned, Outcome):
        return returned
    read = [futures[key] for key in stage.inputs.values() if key in futures]
    if any(one.status == "error" for one in read):
        return Outcome("skipped")
    kind, message = type(returned).__name__, str(returned)
    if kind == "KilledWorker":
        message = f"{ALLOWED_DEATHS + 1} workers died while they executed it"
    error = {"stage": stage.name, "type": kind, "message": message, "cell": None}
    return Outcome("failed", error=error)


_CLUSTER = {
    "threads_per_worker": 1,
    "host": "127.0.0.1",
    # encrypted and authenticated: anyone who can connect to a worker can run arbitrary code
    "protocol": "tls",
    "security": True,
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": None,
    "memory_limit": 0,  # kernels are processes of their own
    "silence_logs": logging.CRITICAL,
    "preload": [__name__],
}
"""How workers are started on this machine."""


def _repeated(act: Callable, error: type[Exception]) -> object:
    """Repeat what fails because a worker died, up to `ALLOWED_DEATHS` times."""
    for _ in range(ALLOWED_DEATHS):
        with suppress(error):
            return act()
    return act()


@contextmanager
def _client(n_workers: int, scheduler: str | None) -> Iterator[Client]:
    """Connect to a scheduler, or start one with workers that end with this process."""
    _silence_dask()
    config = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        "distributed.comm.timeouts.connect": f"{WAIT_SECONDS}s",
    }
    with (
        temporary(Path(tempfile.gettempdir()), f"{PRIVATE}dask-") as private,
        held(private),
        dask.config.set({"temporary-directory": str(private), **config}),
    ):
        if scheduler:
            _check_scheduler(scheduler)
            with Client(scheduler, timeout=WAIT_SECONDS) as client:
                yield client
            return
        with _started(n_workers, private) as cluster, Client(cluster) as client:
            yield client


def _started(n_workers: int, private: Path) -> LocalCluster:
    """Start workers on this machine; NoWorkers if they do not start in time, or die."""
    how = {"n_workers": n_workers, "local_directory": str(private)}
    how |= _CLUSTER | {"env": {SHARE: _share(n_workers)}}
    seconds = START_SECONDS * math.ceil(n_workers / cpu_count())
    try:
        return _repeated(lambda: _start(how, seconds), RuntimeError)
    except TimeoutError:
        reason = f"do not start within {seconds} s"
    except RuntimeError as error:
        reason = f"cannot be started: {error}"
    raise NoWorkers(f"the workers of this machine {reason}; {RESUME}")


def _start(how: dict, seconds: float) -> LocalCluster:
    """Start a scheduler and workers, or raise TimeoutError; after an error no process is left."""
    before, clusters, ended = set(multiprocessing.active_children()), [], threading.Event()

    def start() -> None:
        # a terminal sends Ctrl-C to the workers, too; only the main thread must react to it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            clusters.append(LocalCluster(**how))
        finally:
            ended.set()

    try:
        in_time(start, seconds)
        return clusters.pop()
    except BaseException:
        until = time.monotonic() + STOP_SECONDS
        while True:  # others may be started after these
            for process in set(multiprocessing.active_children()) - before:
                process.kill()
            if ended.wait(POLL_SECONDS) or time.monotonic() > until:
                break
        with suppress(Exception):
            in_time(lambda: [cluster.close() for cluster in clusters], STOP_SECONDS)
        raise


def _share(n_threads: int) -> str:
    """Return the number of cores for each of the threads that execute notebooks on a machine."""
    return str(max(1, cpu_count() // n_threads))


def _check_scheduler(address: str) -> None:
    """Raise ParameterError unless a Dask scheduler answers in time at an address.

    Dask would wait for ever for the answer of another kind of server.
    """

    async def ask() -> dict:
        how = Security().get_connection_args("client")
        async with rpc(address, connection_args=how, timeout=ANSWER_SECONDS) as scheduler:
            return await scheduler.identity()

    def answer() -> dict:
        return asyncio.run(asyncio.wait_for(ask(), ANSWER_SECONDS))

    try:  # an answer that is not Dask's may keep the event loop busy
        if in_time(answer, ANSWER_SECONDS + 2)["type"] == "Scheduler":
            return
        reason = "it is not a scheduler"
    except (MemoryError, ValueError) as error:  # an answer that was taken for a huge size
        reason = f"another kind of server answers, or the address is wrong: {error}"
    except TimeoutError:
        reason = f"no answer of Dask within {ANSWER_SECONDS} s"
    except Exception as error:
        reason = str(error) or type(error).__name__
    raise ParameterError(f"no scheduler answers at {address}: {shown(reason)[:300]}")


def dask_setup(worker: object) -> None:
    """Make a worker of this machine ignore Ctrl-C; Dask calls this in each worker it starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _silence_dask() -> None:
    """Stop Dask from logging errors, which the outcomes report."""
    for name in ("distributed", "distributed.client", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class SameVersion(WorkerPlugin):
    """Refuses workers that would not give the same results, also those that join later.

    `expected` is a :func:`imdbclust.running.plan.fingerprint`; each worker prepares for `engine`.
    The evaluation of a recipe uses several cores: `threads`, the number of executions at a time on
    each machine, gives each worker its share of them.
    """

    name = "imdbclust-same-version"

    def __init__(self, expected: dict[str, str], engine: str, threads: Mapping[str, int]):
        self.expected, self.engine, self.threads = expected, engine, threads
        self.sets_share = False

    def setup(self, worker) -> None:
        """Raise RuntimeError if this worker has other versions."""
        if found := _differences(self.expected):
            raise RuntimeError(f"this worker is refused: {found}")
        if SHARE not in os.environ:
            here = self.threads.get(get_address_host(worker.address), 0)
            os.environ[SHARE] = _share(max(here, worker.state.nthreads))
            self.sets_share = True
        if self.engine != "plain":
            start_early()

    def teardown(self, worker) -> None:
        """Forget the share, which another sweep may divide in another way."""
        if self.sets_share:
            os.environ.pop(SHARE, None)


def _differences(expected: dict[str, str]) -> str:
    """Describe how the fingerprint of this process differs from the expected one."""
    found = fingerprint()
    return ", ".join(
        f"{name} {found.get(name, 'none'):.12} instead of {expected.get(name, 'none'):.12}"
        for name in {**expected, **found}
        if expected.get(name) != found.get(name)
    )


def _check_workers(client: Client, store: Store) -> None:
    """Check that a scheduler has workers, of the same versions, that share the store's folder."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError:
        raise ParameterError(
            f"the scheduler has no workers; start one: dask worker {client.scheduler.address}"
        ) from None
    ours = fingerprint()
    found_by = _answer(lambda: client.run(_differences, ours, on_error="return"))
    for address, found in found_by.items():
        if found:
            raise ParameterError(
                f"the worker {address} would not give the same results: {found}; start it from the "
                "same commit, in an environment made from the same requirements.lock"
            )
    out = store.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".seen-by-all-", dir=out) as file:
        for address, seen in _answer(lambda: client.run(os.path.isfile, file.name)).items():
            if not seen:
                raise ParameterError(
                    f"the worker {address} does not see the folder {out}; give --out a folder "
                    "that all machines share under the same path"
                )


_KERNELS: dict[str, list[KernelManager | WarmProcess]] = {}
"""Kernels and scripts that this worker has started, by the sweep's token."""

_STOPPED: set[str] = set()
_LOCK = threading.Lock()


def _execute(
    planned: PlannedStage,
    out: Path,
    films: DatasetRef,
    options: ExecutionOptions,
    token: str,
    *read: Outcome,
) -> Outcome:
    """Execute a stage on a worker, unless an execution that it reads failed."""
    if any(outcome.status != "done" for outcome in read):
        return Outcome("skipped")
    _silence_dask()
    get_worker().log_event(TOPIC, {"token": token, "key": planned.key})

    def remember(kernel: KernelManager | WarmProcess) -> None:
        with _LOCK:
            if token in _STOPPED:
                raise RuntimeError("the sweep was stopped")
            _KERNELS.setdefault(token, []).append(kernel)

    how = {"films": films, "options": options, "on_kernel": remember}
    return execute_once(planned, store=Store(out), **how)


def _stop(client: Client, futures: dict, token: str) -> None:
    """Stop the executions that have not ended; after an undisturbed sweep there are none."""
    if left := [future for future in futures.values() if not future.done()]:
        with suppress(Exception):  # the workers may have ended already
            in_time(lambda: client.cancel(left, force=True), STOP_SECONDS)
            in_time(lambda: client.run(_kill_kernels, token), STOP_SECONDS)


def _kill_kernels(token: str) -> None:
    """Kill the kernels of a sweep on this worker, so that their executions fail and clean up."""
    with _LOCK:
        _STOPPED.add(token)
        kernels = _KERNELS.pop(token, [])
    for kernel in kernels:
        with suppress(ProcessLookupError, AttributeError, TypeError):  # ended, or not yet started
            os.kill(getattr(kernel, "provisioner", kernel).pid, signal.SIGKILL)
