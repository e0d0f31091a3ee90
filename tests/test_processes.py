"""Parts of a computation in forked processes: results, errors, deaths, interruptions."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import pytest

from imdbclust.base.errors import UserError
from imdbclust.base.processes import WorkerDied, on_all_cores, together

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")


@pytest.fixture(autouse=True)
def three_cores(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()


def test_results_are_in_the_order_of_the_items_from_several_processes():
    before = children()
    found = on_all_cores(lambda item: (item * 2, os.getpid(), lambda: item), range(7))
    assert [double for double, _, _ in found] == [0, 2, 4, 6, 8, 10, 12]
    assert [made() for _, _, made in found] == list(range(7))  # lambdas are pickled
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert children() == before
    assert on_all_cores(abs, []) == []
    assert together([lambda: 1], [], [lambda: 2, lambda: 3]) == [[1], [], [2, 3]]


def test_libraries_have_one_thread_in_each_process():
    from threadpoolctl import threadpool_info

    found = on_all_cores(lambda _: [pool["num_threads"] for pool in threadpool_info()], range(2))
    assert {n for pools in found for n in pools} == {1}


def test_one_core_and_threads_that_are_not_the_main_one_fork_nothing(monkeypatch):
    def call() -> None:
        found.extend(on_all_cores(lambda _: os.getpid(), "ab"))

    found: list[int] = []
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    call()
    assert found == [os.getpid()] * 4


def test_a_forked_process_forks_no_others():
    found = on_all_cores(lambda _: (os.getpid(), on_all_cores(lambda _: os.getpid(), "ab")), "ab")
    assert all(inner == [outer] * 2 for outer, inner in found)


def test_the_error_of_the_first_item_is_raised_as_without_processes():
    def fail(item: int) -> None:
        if item > 1:
            time.sleep(0.2 if item == 2 else 0)
            raise (UserError if item == 2 else ValueError)(f"item {item}")

    with pytest.raises(UserError, match="item 2"):
        on_all_cores(fail, range(6))


def test_a_killed_process_is_an_error_with_advice():
    before = children()  # of earlier tests
    with pytest.raises(WorkerDied, match="LOKY_MAX_CPU_COUNT=1"):
        on_all_cores(lambda item: os.kill(os.getpid(), signal.SIGKILL) if item else 0, range(4))
    assert set(children()) <= set(before)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_an_interrupted_or_killed_parent(signum):
    code = (
        "import os, time, joblib\n"
        "from imdbclust.base.processes import on_all_cores\n"
        "joblib.cpu_count = lambda: 2\n"
        "on_all_cores(lambda _: (os.write(1, b'%d\\n' % os.getpid()), time.sleep(600)), range(2))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-3) as parent:
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        parent.send_signal(signum)
        parent.wait(60)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("n_items", [1, 5])
def test_progress_is_reported_after_every_item(n_items):
    seen = []
    on_all_cores(lambda item: item, range(n_items), lambda *numbers: seen.append(numbers))
    assert seen == [(done, n_items) for done in range(1, n_items + 1)]
