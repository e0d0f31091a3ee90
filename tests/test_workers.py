"""Sweeps on workers: the same results as in one process, even if processes are killed."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pandas as pd
import psutil
import pytest
from joblib import cpu_count
from killing import (
    Call,
    has_begun,
    interrupt,
    interrupt_twice,
    kill_all,
    kill_runner,
    terminate,
    unfinished,
    wait_for,
)

from imdbclust.base.waits import in_time
from imdbclust.commands import cli
from imdbclust.running import plan as planning
from imdbclust.running import sweep as sweeping

pytest.importorskip("distributed")

GRID = """
preset: recommended
parameters: {n_components: 8, n_init: 2, map_max_movies: 0, evaluation: "off"}
grid:
  n_clusters: [4, 6]
"""
N_EXECUTIONS = 7

chance = random.Random(31337)


def stable(folder):
    """Return the bytes of the results without the columns that a documented list names."""
    results = pd.read_csv(folder / "results.csv")
    kept = [name for name in results if not name.startswith(sweeping.VOLATILE)]
    return results[kept].to_csv(index=False)


def written(folder):
    path = folder / "grid.yml"
    path.write_text(GRID, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def undisturbed(films, tmp_path_factory):
    """Return the folder of a sweep that one process executed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return sweeping.run_sweep(written(folder), dataset=str(films), out=folder, workers=1)


@pytest.fixture
def calls(films):
    """Return what starts a sweep in a process of its own; nothing of it outlives the test."""
    started = []

    def start(out, *options, temporary=None):
        sweep = ("sweep", written(out), "--out", out, "--dataset", films)
        started.append(Call(*sweep, *options, temporary=temporary))
        return started[-1]

    yield start
    for call in started:
        call.clear()


def finished(out):
    return len(list((out / "stages").glob("0[1-5]_*/record.json")))


def test_a_worker_may_die_while_workers_are_prepared():
    from distributed.comm import CommClosedError

    from imdbclust.running import workers as distributed

    class Dying:
        deaths = 2

        def register_plugin(self, plugin):
            if self.deaths:
                self.deaths -= 1
                raise CommClosedError("the worker has died")
            self.plugin = plugin

    client = Dying()
    distributed._repeated(lambda: client.register_plugin("plugin"), CommClosedError)
    assert client.plugin == "plugin"


@pytest.mark.parametrize("n_lost", [2, None])
def test_an_outcome_that_a_lost_worker_does_not_send_is_waited_for_with_a_bound(
    n_lost, tmp_path, monkeypatch
):
    """A worker may die after it reported the end of an execution, before it sends the outcome."""
    from distributed import Client, Future, LocalCluster

    from imdbclust.running import workers as distributed

    for name, seconds in (("ANSWER", 5), ("PATIENCE", 0.2), ("CHECK", 0.1)):
        monkeypatch.setattr(distributed, f"{name}_SECONDS", seconds)
    how = {"n_workers": 1, "processes": False, "dashboard_address": None}
    result, asked = Future.result, []

    def send(self, timeout=None):
        asked.append(timeout)
        if self is future and (n_lost is None or len(asked) <= n_lost):
            raise TimeoutError
        return result(self, timeout=60)

    with LocalCluster(**how, local_directory=str(tmp_path)) as local, Client(local) as client:
        future, failing = client.submit(str, 1), client.submit(int, "x")
        monkeypatch.setattr(Future, "result", send)
        if n_lost is None:
            monkeypatch.setattr(client, "scheduler_info", lambda: {"workers": {}})
            with pytest.raises(distributed.NoWorkers, match=r"no workers are left, for 0\.2 s"):
                in_time(lambda: list(distributed._ended(client, [future])), 60)
        else:
            ended = dict(in_time(lambda: list(distributed._ended(client, [future, failing])), 60))
            assert (ended[future], type(ended[failing])) == ("1", ValueError)
    assert set(asked) == {5}


# who executes makes no difference


@pytest.mark.slow
def test_two_workers_of_this_machine_give_the_same_results(undisturbed, calls, tmp_path):
    call = calls(tmp_path, "--workers", "2")
    code, said = call.end()
    assert code == 0, said
    assert f"{N_EXECUTIONS} done" in said
    assert stable(tmp_path / "sweep-grid") == stable(undisturbed)
    assert call.nothing_is_left() == []
    assert unfinished(tmp_path) == []
    assert list(call.temporary.iterdir()) == []


@contextmanager
def cluster(folder):
    """Start a scheduler and two workers by hand, as the README says; give address and processes."""
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    local = ["--local-directory", str(folder)]
    address = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    commands = [[*dask, "scheduler", *address, "--scheduler-file", str(file)]]
    commands += [
        [
            *dask,
            "worker",
            "--scheduler-file",
            str(file),
            "--nthreads",
            "1",
            "--no-dashboard",
            *local,
        ]
    ] * 2
    processes = [subprocess.Popen(command, **quiet) for command in commands]
    try:
        wait_for(lambda: file.is_file() and file.read_text())
        yield json.loads(file.read_text())["address"], processes
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(30)


@pytest.mark.slow
def test_an_external_scheduler_gives_the_same_results_and_refuses_other_versions(
    undisturbed, films, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    with cluster(tmp_path) as (address, _):
        call = ["sweep", str(written(tmp_path)), "--dataset", str(films), "--out", str(out)]
        with monkeypatch.context() as patch:
            ours = planning.fingerprint() | {"imdbclust": "9.9", "numpy": "0.1"}
            patch.setattr("imdbclust.running.workers.fingerprint", lambda: ours)
            assert cli.main([*call, "--scheduler", address]) == cli.WRONG
        said = capsys.readouterr().err
        assert "would not give the same results: imdbclust" in said
        assert "instead of 9.9, numpy" in said
        assert finished(out) == 0
        assert cli.main([*call, "--scheduler", address]) == cli.DONE
    assert stable(out / "sweep-grid") == stable(undisturbed)
    assert unfinished(out) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "sign", "sentence"),
    [
        (1, signal.SIGKILL, "no workers are left, for 10 s; what was finished is kept"),
        (1, signal.SIGSTOP, "no worker answers, for 10 s; what was finished is kept"),
        (0, signal.SIGKILL, "the scheduler of the workers has ended; what was finished is kept"),
    ],
)
def test_a_sweep_ends_when_all_workers_or_the_scheduler_are_lost(
    first, sign, sentence, films, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("imdbclust.running.workers.PATIENCE_SECONDS", 10)
    out = tmp_path / "out"
    call = ["sweep", str(written(tmp_path)), "--dataset", str(films), "--out", str(out)]
    lost = []
    with cluster(tmp_path) as (address, processes):

        def lose():
            wait_for(lambda: finished(out))
            lost.extend(psutil.Process(one.pid) for one in processes[first:])
            lost.extend(child for one in lost[:] for child in one.children(recursive=True))
            for one in lost:
                with suppress(psutil.Error):
                    one.send_signal(sign)

        thread = threading.Thread(target=lose)
        thread.start()
        try:
            assert cli.main([*call, "--scheduler", address]) == cli.FAILED
        finally:
            thread.join()
            for one in lost:
                with suppress(psutil.Error):
                    one.send_signal(signal.SIGCONT)
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert finished(out)


@pytest.mark.slow
def test_workers_of_a_scheduler_share_the_cores_of_their_machine(tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    from imdbclust.running import workers as distributed

    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    share = str(max(1, cpu_count() // 2))
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**how, local_directory=str(tmp_path)) as local, Client(local) as client:
        host = next(iter(client.scheduler_info()["workers"].values()))["host"]
        plugin = distributed.SameVersion(planning.fingerprint(), "plain", {host: 2})
        client.register_plugin(plugin)
        assert set(client.run(os.getenv, "LOKY_MAX_CPU_COUNT").values()) == {share}
        client.unregister_worker_plugin(plugin.name)
        assert set(client.run(os.getenv, "LOKY_MAX_CPU_COUNT").values()) == {None}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--workers", "0"], "--workers must be at least 1, not 0"),
        (
            ["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"],
            "give --workers or --scheduler, not both",
        ),
        (["--scheduler", "nonsense://x"], "no scheduler answers at nonsense://x"),
        (["--scheduler", "tcp://127.0.0.1:1"], "no scheduler answers at tcp://127.0.0.1:1"),
        (["--timeout", "0"], "'0' is not a positive number of seconds"),
    ],
)
def test_workers_that_cannot_be_are_refused(
    options, sentence, films, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("imdbclust.running.workers.WAIT_SECONDS", 1)
    call = ["sweep", str(written(tmp_path)), "--dataset", str(films), "--out", str(tmp_path)]
    try:
        code = cli.main([*call, *options])
    except SystemExit as error:  # argparse's own
        code = error.code
    assert code == cli.WRONG
    assert sentence in capsys.readouterr().err
    assert finished(tmp_path) == 0


def test_without_dask_there_is_one_worker_or_a_sentence(films, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweeping, "find_spec", lambda name: None)
    assert sweeping._check_workers(None, None) == 1
    call = ["sweep", str(written(tmp_path)), "--dataset", str(films), "--out", str(tmp_path)]
    assert cli.main([*call, "--workers", "2"]) == cli.WRONG
    assert "pip install 'imdbclust[cluster]'" in capsys.readouterr().err


def test_a_notebook_that_takes_too_long_fails_and_is_reported(films, tmp_path, capsys):
    call = ["sweep", str(written(tmp_path)), "--dataset", str(films), "--out", str(tmp_path)]
    assert cli.main([*call, "--workers", "1", "--timeout", "0.001"]) == cli.FAILED
    assert "01_load failed: the notebook takes longer than the 0.001 s" in capsys.readouterr().err
    results = pd.read_csv(tmp_path / "sweep-grid" / "results.csv")
    assert results["status"].tolist() == ["failed"] * 2
    page = (tmp_path / "sweep-grid" / "index.html").read_text(encoding="utf-8")
    assert "No setting finished, so no setting is best." in page
    assert "CellTimeoutError" in page


# processes that are killed


def kill_one(call, kind):
    """Kill a process of a kind at a random moment; tell whether there was one."""
    time.sleep(chance.uniform(0, 1))
    until = time.monotonic() + 600
    while not (found := getattr(call, kind)()):
        assert time.monotonic() < until, "waited in vain"
        if call.process.poll() is not None:
            return False
        time.sleep(0.02)
    with suppress(psutil.Error):
        chance.choice(found).kill()
    return True


def has_finished(call, out, wanted):
    return call.process.poll() is not None or finished(out) >= wanted


def goes_on_and_ends_well(calls, out, undisturbed, temporary=None):
    """Give the same command again: it ends well, as if nothing had been."""
    again = calls(out, "--workers", "2", temporary=temporary)
    code, said = again.end()
    assert code == 0, said
    assert "Traceback" not in said
    assert stable(out / "sweep-grid") == stable(undisturbed)
    assert again.nothing_is_left() == []
    assert unfinished(out) == []
    assert list(again.temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("times", [6])
def test_a_worker_that_is_killed_loses_nothing(times, undisturbed, calls, tmp_path):
    killed = 0
    while killed < times:
        out = tmp_path / str(killed)
        out.mkdir()
        call = calls(out, "--workers", "2")
        for _ in range(min(3, times - killed)):
            killed += kill_one(call, "workers")
        code, said = call.end()
        assert code == 0, said
        assert "Traceback" not in said
        assert stable(out / "sweep-grid") == stable(undisturbed)
        assert call.nothing_is_left() == []
        assert unfinished(out) == []


@pytest.mark.slow
@pytest.mark.parametrize("times", [6])
def test_a_kernel_that_is_killed_fails_its_settings_and_the_same_command_mends_them(
    times, undisturbed, calls, tmp_path
):
    killed = 0
    while killed < times:
        out = tmp_path / str(killed)
        out.mkdir()
        call = calls(out, "--workers", "2")
        for _ in range(min(3, times - killed)):
            killed += kill_one(call, "kernels")
        code, said = call.end()
        assert code in (0, 1), said  # 0: they had just finished
        assert "Traceback" not in said
        assert call.nothing_is_left() == []
        goes_on_and_ends_well(calls, out, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [2])
def test_a_sweep_that_is_stopped_leaves_nothing_and_goes_on(rounds, undisturbed, calls, tmp_path):
    for number in range(rounds):
        out, temporary = tmp_path / str(number), None
        out.mkdir()
        once_or_twice = chance.choice([interrupt, interrupt_twice])
        ways = [(kill_all, -9), (once_or_twice, 130), (kill_runner, -9), (terminate, 130)]
        chance.shuffle(ways)
        for how, code in ways:
            call = calls(out, "--workers", "2", temporary=temporary)
            temporary = call.temporary
            wait_for(has_begun, call)
            wait_for(has_finished, call, out, min(finished(out) + 1, N_EXECUTIONS))
            time.sleep(chance.uniform(0, 1))
            how(call)
            ended, said = call.end()
            just_finished = ended == 0 and finished(out) == N_EXECUTIONS
            assert ended == code or just_finished, said
            assert "Traceback" not in said
            assert call.nothing_is_left() == []
            if ended == 130:
                assert "repeat the command to continue" in said
                assert list(temporary.iterdir()) == unfinished(out) == []
        goes_on_and_ends_well(calls, out, undisturbed, temporary)
