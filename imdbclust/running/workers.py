"""Executions on several workers with Dask: processes of this machine, or those of a cluster.

What a worker executes goes into the store, a folder that all of them share; only how it ended comes
back. The same code runs everywhere, so the keys are the same, and so are the results.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import dask
from distributed import Client, LocalCluster, as_completed, get_worker
from distributed.comm import CommClosedError
from distributed.diagnostics.plugin import WorkerPlugin

from imdbclust.base.disk import temporary
from imdbclust.running.execute import DatasetRef, ExecutionOptions, Outcome, execute_once
from imdbclust.running.kernels.warm import PRIVATE, held, start_early
from imdbclust.running.parameters import ParameterError
from imdbclust.running.plan import PlannedStage, fingerprint
from imdbclust.running.store import Store

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

    from imdbclust.running.sweep import SettingReports, SweepPlan

ALLOWED_DEATHS = 5
"""So often a worker may die over an execution before that counts as failed."""

WAIT_SECONDS = 30
"""So long a scheduler and its first worker are waited for."""

TOPIC = "imdbclust"


def execute_on_workers(
    plan: SweepPlan,
    wanted: list[PlannedStage],
    store: Store,
    options: ExecutionOptions,
    watch: SettingReports,
    *,
    n_workers: int,
    scheduler: str | None = None,
) -> None:
    """Execute stages on workers.

    Parameters
    ----------
    plan, wanted, store, options, watch
        As :func:`imdbclust.running.sweep.execute_here`.
    n_workers : int
        How many processes of this machine to start.
    scheduler : str, optional
        Address of a scheduler that has workers, instead of those.

    Raises
    ------
    imdbclust.running.parameters.ParameterError
        The scheduler cannot be reached, has no workers, or has some with other versions.
    """
    token = uuid.uuid4().hex
    with _client(n_workers, scheduler) as client:
        if scheduler:
            _check_workers(client, store)
        _prepare_workers(client, SameVersion(fingerprint(), options.engine))
        client.subscribe_topic(TOPIC, lambda event: _heed(event[1], token, watch))
        films, futures = DatasetRef.of(plan.dataset), {}
        for planned in wanted:
            upstream = plan.upstream(planned)
            futures[planned.key] = client.submit(
                _execute,
                planned,
                store.folder.parent.absolute(),
                upstream,
                films,
                options,
                token,
                *(futures[one.key] for one in upstream.values() if one.key in futures),
                key=f"{planned.name}-{planned.key}-{token}",
                pure=False,
            )
        try:
            _gather(wanted, futures, watch)
        finally:
            _stop(client, futures, token)


def _prepare_workers(client: Client, plugin: SameVersion) -> None:
    """Have all workers take in a plugin; once more where one dies meanwhile."""
    for attempt in range(ALLOWED_DEATHS + 1):
        try:
            client.register_plugin(plugin)
            return
        except CommClosedError:
            if attempt == ALLOWED_DEATHS:
                raise


def _gather(wanted: list[PlannedStage], futures: dict, watch: SettingReports) -> None:
    """Wait for all executions, telling of each as it ends."""
    planned_of = {future.key: one for one, future in zip(wanted, futures.values(), strict=True)}
    for future in as_completed(futures.values()):
        planned = planned_of[future.key]
        if future.status == "finished":
            outcome = future.result()
        elif any(
            futures[key].status == "error" for key in planned.inputs.values() if key in futures
        ):
            outcome = Outcome("skipped")
        else:
            outcome = Outcome("failed", error=_told(future.exception(), planned))
        watch.ended(planned, outcome)


def _told(error: BaseException, planned: PlannedStage) -> dict:
    """Turn what went wrong outside of a notebook into what is told of a failed stage."""
    kind, message = type(error).__name__, str(error)
    if kind == "KilledWorker":
        message = f"{ALLOWED_DEATHS + 1} workers died while they executed it"
    return {"stage": planned.name, "type": kind, "message": message, "cell": None}


# ---------------------------------------------------------------- workers


@contextmanager
def _client(n_workers: int, scheduler: str | None) -> Iterator[Client]:
    """Connect to a scheduler, or start one with workers that end with this process."""
    options = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        "distributed.comm.timeouts.connect": f"{WAIT_SECONDS}s",
    }
    _be_quiet()
    with (
        temporary(Path(tempfile.gettempdir()), f"{PRIVATE}dask-") as private,
        held(private),
        dask.config.set({"temporary-directory": str(private), **options}),
    ):
        if scheduler:
            try:
                client = Client(scheduler, timeout=WAIT_SECONDS)
            except (OSError, ValueError) as error:
                raise ParameterError(f"no scheduler answers at {scheduler}: {error}") from None
            with client:
                yield client
            return
        cluster = _local_cluster(n_workers, str(private))
        with cluster, Client(cluster) as client:
            yield client


def _local_cluster(n_workers: int, folder: str) -> LocalCluster:
    """Start workers on this machine; once more where one dies while it starts."""
    # a terminal sends Ctrl-C to the workers, too; it is this process that ends them
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for attempt in range(ALLOWED_DEATHS + 1):
            try:
                return LocalCluster(
                    n_workers=n_workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    # encrypted and authenticated: who talks to a worker can have it run anything
                    protocol="tls",
                    security=True,
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address=None,
                    memory_limit=0,  # kernels are processes of their own
                    local_directory=folder,
                    silence_logs=logging.CRITICAL,
                    preload=[__name__],
                )
            except RuntimeError:
                if attempt == ALLOWED_DEATHS:
                    raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def dask_setup(worker: object) -> None:
    """Have a worker of this machine not heed Ctrl-C; Dask calls this in each that is started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _be_quiet() -> None:
    """Have Dask log nothing where an execution's own outcome says what went wrong."""
    for name in ("distributed", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class SameVersion(WorkerPlugin):
    """Lets no worker begin that would not give the same results.

    Parameters
    ----------
    wanted : dict
        As :func:`imdbclust.running.plan.fingerprint`.
    engine : {"auto", "warm", "plain"}
        How kernels will be started; the worker prepares for it.
    """

    name = "imdbclust-same-version"

    def __init__(self, wanted: dict[str, str], engine: str):
        self.wanted, self.engine = wanted, engine

    def setup(self, worker) -> None:
        """Raise where this worker's versions are others."""
        if told := differences(self.wanted, fingerprint()):
            raise RuntimeError(f"this worker is refused: {told}")
        if self.engine != "plain":
            start_early()


def differences(ours: dict[str, str], theirs: dict[str, str]) -> str:
    """Say in what two fingerprints differ; empty where in nothing."""
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return ", ".join(
        f"{name} {_short(theirs.get(name))} instead of {_short(ours.get(name))}" for name in names
    )


def _short(version: str | None) -> str:
    return (version or "none")[:12]


def _check_workers(client: Client, store: Store) -> None:
    """Raise where a scheduler has no workers, or some that would not give the same results."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError:
        raise ParameterError(
            f"the scheduler has no workers; start one: dask worker {client.scheduler.address}"
        ) from None
    ours = fingerprint()
    for address, theirs in client.run(_fingerprint_there, on_error="return").items():
        told = theirs if isinstance(theirs, Exception) else differences(ours, theirs)
        if told:
            raise ParameterError(
                f"the worker {address} would not give the same results: {told}; start it from the "
                "same commit, in an environment made of the same requirements.lock"
            )
    out = store.folder.parent.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".seen-by-all-", dir=out) as file:
        for address, seen in client.run(_is_file, file.name).items():
            if not seen:
                raise ParameterError(
                    f"the worker {address} does not see the folder {out}; give --out a folder "
                    "that all machines share under the same path"
                )


def _fingerprint_there() -> dict[str, str]:
    return fingerprint()


def _is_file(path: str) -> bool:
    return Path(path).is_file()


# ---------------------------------------------------------------- what workers do

_KERNELS: dict[str, list[KernelManager]] = {}
"""Kernels that this worker has started, by the sweep's token."""

_STOPPED: set[str] = set()
_LOCK = threading.Lock()


def _execute(
    planned: PlannedStage,
    out: Path,
    upstream: dict[str, PlannedStage],
    films: DatasetRef,
    options: ExecutionOptions,
    token: str,
    *read: Outcome,
) -> Outcome:
    """Execute a stage on a worker, unless something that it reads failed."""
    if any(outcome.status != "done" for outcome in read):
        return Outcome("skipped")
    _be_quiet()
    get_worker().log_event(TOPIC, {"token": token, "key": planned.key})
    return execute_once(
        planned,
        store=Store(out),
        upstream=upstream,
        films=films,
        options=options,
        on_kernel=lambda kernel: _remember(kernel, token),
    )


def _heed(event: dict, token: str, watch: SettingReports) -> None:
    if event["token"] == token:
        watch.began(event["key"])


def _remember(kernel: KernelManager, token: str) -> None:
    with _LOCK:
        if token in _STOPPED:
            raise RuntimeError("the sweep was stopped")
        _KERNELS.setdefault(token, []).append(kernel)


def _stop(client: Client, futures: dict, token: str) -> None:
    """Have the workers give up what they still execute; all is done in an undisturbed sweep."""
    left = [future for future in futures.values() if not future.done()]
    if left:
        with suppress(Exception):  # the workers may be gone already
            client.cancel(left, force=True)
            client.run(_stop_there, token)


def _stop_there(token: str) -> None:
    """Kill the kernels of a sweep, so that what waits for them fails and tidies up."""
    with _LOCK:
        _STOPPED.add(token)
        kernels = _KERNELS.pop(token, [])
    for kernel in kernels:
        with suppress(ProcessLookupError, AttributeError, TypeError):  # ended, or not yet begun
            os.kill(kernel.provisioner.pid, signal.SIGKILL)
