"""Warm kernels: like plain ones in all but time, and gone when their user is."""

import asyncio
import contextlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from conftest import SMALL

from imdbclust.commands import cli
from imdbclust.datasets.find import find_dataset
from imdbclust.running.execute import DatasetRef, ExecutionOptions, StageFailed, execute_stage
from imdbclust.running.kernels import warm
from imdbclust.running.kernels.provisioner import PrivateKernelManager
from imdbclust.running.parameters import settings
from imdbclust.running.plan import plan_stages
from imdbclust.running.store import Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

QUICK = SMALL | {"n_init": 2, "evaluation": "off", "map_max_movies": 40}


class Kernel:
    """A kernel and a client of it, to be used within one event loop."""

    def __init__(self, engine="warm", **options):
        self.manager = PrivateKernelManager(engine=engine)
        self.options = {"env": warm.kernel_environment()} | options

    async def __aenter__(self):
        await self.manager._async_start_kernel(**self.options)
        self.client = self.manager.client()
        self.client.start_channels()
        await self.client.wait_for_ready(timeout=60)
        return self

    async def __aexit__(self, *_):
        self.client.stop_channels()
        await self.manager._async_shutdown_kernel()

    @property
    def provisioner(self):
        return self.manager.provisioner

    async def run(self, code):
        """Execute code; return what it printed, and all messages."""
        messages = []
        await self.client.execute_interactive(code, timeout=60, output_hook=messages.append)
        printed = [m["content"]["text"] for m in messages if m["msg_type"] == "stream"]
        return "".join(printed), messages


def answer(code, **options):
    """Return what a kernel prints."""

    async def ask():
        async with Kernel(**options) as kernel:
            return (await kernel.run(code))[0]

    return asyncio.run(ask())


def wait_for(happens, seconds=60.0):
    until = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return found


# the same as a plain kernel (whole runs: test_determinism)


SURROUNDINGS = """
import json, os, sys, numpy, sklearn.cluster, scipy.linalg, matplotlib, multiprocessing, tempfile
from threadpoolctl import threadpool_info
print(json.dumps({
    "environment": dict(os.environ),
    "cwd": os.getcwd(), "argv": sys.argv[:2], "path": sys.path, "flags": list(sys.flags),
    "temporary": tempfile.gettempdir(), "backend": matplotlib.get_backend(),
    "threads": sorted((pool["internal_api"], pool["num_threads"]) for pool in threadpool_info()),
    "signals": [str(os.getsid(0) == os.getpid()), str(os.getpgrp() == os.getpid())],
    "stdin": sys.stdin.name if hasattr(sys.stdin, "name") else "", "hash": hash("film"),
    "ours": [name for name in sys.modules if name.split(".")[0] == "imdbclust"],
}))
"""


def test_a_warm_kernel_finds_what_a_plain_one_finds(tmp_path):
    environment = warm.kernel_environment(OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2", FILM="ß")
    environment |= {"TMPDIR": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython")}
    found = {
        engine: json.loads(
            answer(SURROUNDINGS, engine=engine, env=environment.copy(), cwd=str(tmp_path))
        )
        for engine in ("warm", "plain")
    }
    parents = {engine: one["environment"].pop("JPY_PARENT_PID") for engine, one in found.items()}
    assert parents["plain"] == str(os.getpid())
    assert parents["warm"] == str(warm._server.process.pid)
    assert found["warm"] == found["plain"]
    assert found["warm"]["threads"][0][1] == 2
    assert found["warm"]["ours"] == []
    assert json.loads(answer(SURROUNDINGS))["threads"][0][1] == 1


@pytest.mark.parametrize("engine", ["warm", "plain"])
def test_a_figure_comes_out_as_a_figure(engine):
    async def draw():
        async with Kernel(engine) as kernel:
            code = "import matplotlib.pyplot as plt; plt.plot([1, 2]); print(plt.get_backend())"
            return await kernel.run(code)

    printed, messages = asyncio.run(draw())
    assert printed.strip() in ("inline", "module://matplotlib_inline.backend_inline")
    shown = [m["content"]["data"] for m in messages if m["msg_type"] == "display_data"]
    assert ["image/png" in data for data in shown] == [True]


def test_no_two_kernels_draw_the_same():
    code = "import random, numpy, uuid; print(random.random(), numpy.random.rand(), uuid.uuid4())"
    drawn = [answer(code).split() for _ in range(3)]
    assert all(len(set(values)) == 3 for values in zip(*drawn, strict=True))


@pytest.mark.parametrize("engine", ["warm", "plain"])
def test_threads_of_a_kernel_that_wait_leave_their_core_to_others(engine, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert "passive" in answer("import os; print(os.environ['OMP_WAIT_POLICY'])", engine=engine)
    server = warm.start_server(warm.kernel_environment()).process.pid
    # the libraries read it when the server loads them
    assert b"OMP_WAIT_POLICY=passive" in Path(f"/proc/{server}/environ").read_bytes().split(b"\0")


def test_what_a_process_has_imported_makes_its_kernels_no_different(monkeypatch):
    for name in warm.SET_BY_LIBRARIES:
        monkeypatch.delenv(name, raising=False)
    before = warm.kernel_environment()
    code = (
        "import sys, json, os; from imdbclust.running.kernels import warm\n"
        "import sklearn.cluster, threadpoolctl, pandas, pyarrow, matplotlib.pyplot, duckdb\n"
        "print(json.dumps(warm.kernel_environment()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert warm.fixed_at_start(json.loads(done.stdout)) == warm.fixed_at_start(before)


def test_what_the_user_says_about_threads_counts(monkeypatch):
    theirs = {"OMP_WAIT_POLICY": "active", "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    assert theirs.items() <= warm.kernel_environment().items()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert warm.kernel_environment()["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("before", "value", "expected"),
    [("", None, "passive"), ("", "active", "active"), ("import sklearn;", None, "None")],
)
def test_importing_the_package_says_how_threads_wait(before, value, expected):
    environment = {name: text for name, text in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": value} if value else {}
    code = f"{before}import imdbclust, os; print(os.environ.get('OMP_WAIT_POLICY'))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_what_a_kernel_prints_outside_of_cells_goes_where_it_is_to(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        answer("import os; os.write(1, b'to stdout')", stdout=log, stderr=log, cwd=str(tmp_path))
        code = "import sys; sys.__stderr__.write('to the true stderr'); sys.__stderr__.flush()"
        answer(code, stdout=log, stderr=log)
    assert "to the true stderr" in (tmp_path / "log").read_text()


# signals and ends


def test_an_interrupt_reaches_the_cell_and_what_it_started():
    async def interrupt():
        async with Kernel() as kernel:
            code = "import subprocess; print('on'); subprocess.run(['sleep', '60'])"
            running = asyncio.create_task(kernel.run(code))
            await asyncio.sleep(0.5)
            began = time.monotonic()
            await kernel.manager._async_interrupt_kernel()
            _, messages = await running
            assert time.monotonic() - began < 10
            after = await kernel.run("print(1 + 1)")
            return [m["content"].get("ename") for m in messages], after[0]

    names, after = asyncio.run(interrupt())
    assert "KeyboardInterrupt" in names
    assert after == "2\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [("import os; os._exit(7)", 7), ("import os, signal; os.kill(os.getpid(), 9)", -9)],
)
def test_the_exit_status_of_a_kernel_is_reported(code, status):
    async def end():
        async with Kernel() as kernel:
            kernel.client.execute(code)
            while (found := await kernel.provisioner.poll()) is None:
                await asyncio.sleep(0.01)
            return found, kernel.provisioner.lost

    assert asyncio.run(end()) == (status, False)


def test_what_a_kernel_started_ends_with_it():
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    pid = int(answer(code))
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), seconds=30)


@pytest.fixture
def last_stage(films, tmp_path):
    """A stage to execute, and how: what it reads is there."""
    found, store = find_dataset(str(films)), Store(tmp_path / "out")
    planned = plan_stages(settings("seed", QUICK), found)
    return planned[0], {"store": store, "inputs": {}, "films": DatasetRef.of(found)}


@pytest.mark.slow
def test_a_stage_whose_server_is_killed_is_executed_by_a_plain_kernel(last_stage):
    planned, how = last_stage
    killed = []

    def kill_the_server():
        if not killed:
            killed.append(warm._server.process.pid)
            os.kill(killed[0], signal.SIGKILL)

    record = execute_stage(
        planned, **how, options=ExecutionOptions(engine="auto"), on_cell=kill_the_server
    )
    assert record["kernel"] == "plain"
    assert record["kernel_note"] == "the process that kernels are forked from was killed"
    assert [path.name for path in how["store"].folder.iterdir()] == [
        f"{planned.name}-{planned.key}"
    ]
    assert answer("print(1)") == "1\n"
    assert warm._server.process.pid != killed[0]


def test_a_warm_kernel_that_must_be_warm_fails_with_its_server(last_stage):
    planned, how = last_stage
    with pytest.raises(StageFailed, match="DeadKernelError"):
        execute_stage(
            planned,
            **how,
            options=ExecutionOptions(engine="warm"),
            on_cell=lambda: warm._server.process.kill(),
        )
    assert list(how["store"].folder.iterdir()) == []


# where it cannot be


@pytest.fixture
def no_server():
    """No server before and after."""
    warm.stop_server()
    yield
    warm.stop_server()


def kernel_and_reason(**options):
    async def start():
        async with Kernel(engine="auto", **options) as kernel:
            return kernel.provisioner.kernel, kernel.provisioner.why

    return asyncio.run(start())


def test_elsewhere_kernels_are_plain(monkeypatch, no_server, films, tmp_path, capsys):
    monkeypatch.setattr(warm.sys, "platform", "darwin")
    kernel, why = kernel_and_reason()
    assert kernel == "plain"
    assert why == "kernels can be forked on Linux only, and this is darwin"
    assert warm._server is None
    call = ["run", "--dataset", str(films), "--out", str(tmp_path), "--engine", "warm"]
    assert cli.main(call) == cli.WRONG
    assert "engine warm: kernels can be forked on Linux only" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_engine_in_the_environment_is_refused(monkeypatch, films, tmp_path, capsys):
    monkeypatch.setenv("IMDBCLUST_ENGINE", "steam")
    assert cli.main(["run", "--dataset", str(films), "--out", str(tmp_path)]) == cli.WRONG
    assert "unknown engine 'steam'; choose auto, warm or plain" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("raise SystemExit('no room')", "the fork server did not start: no room"),
        (
            "import threading; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
            "the fork server has 2 threads",
        ),
    ],
)
def test_a_server_that_is_no_use_is_done_without(change, reason, monkeypatch, no_server, tmp_path):
    script = tmp_path / "server.py"
    text = warm.FORKSERVER.read_text().replace("    server.preload()\n", f"    {change}\n")
    script.write_text(text)
    monkeypatch.setattr(warm, "FORKSERVER", script)
    assert kernel_and_reason() == ("plain", reason)
    server = warm._server
    assert kernel_and_reason() == ("plain", reason)
    assert warm._server is server


def test_a_thread_that_appears_later_forbids_the_fork(monkeypatch, no_server, tmp_path):
    script = tmp_path / "server.py"
    line = "if (n_threads := len(os.listdir("
    text = warm.FORKSERVER.read_text()
    assert line in text
    script.write_text(text.replace(line, "if (n_threads := 1 + len(os.listdir("))
    monkeypatch.setattr(warm, "FORKSERVER", script)
    assert kernel_and_reason() == ("plain", "the fork server has 2 threads")


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"PYTHONUTF8": "1"}, "PYTHONUTF8 has changed since"),
        ({"MPLBACKEND": "QtAgg"}, "MPLBACKEND is not the backend"),
        ({"PYTHONPATH": "here"}, "PYTHONPATH contains relative paths"),
    ],
)
def test_what_a_fork_could_not_be_is_started_as_usual(environment, reason):
    answer("1")
    kernel, why = kernel_and_reason(env=warm.kernel_environment(**environment))
    assert kernel == "plain"
    assert why.startswith(reason)


# many, and their ends


def descriptors(pid):
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def memory(pid):
    """Return the memory that a process has to itself, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if "Private_" in line) / 1024


@pytest.mark.parametrize("n_kernels", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_kernels_in_a_row_leak_nothing(n_kernels):
    async def start_and_end():
        async with Kernel() as kernel:
            await kernel.run("x = 1")

    def state():
        return [descriptors(pid) for pid in (os.getpid(), warm._server.process.pid)]

    def all_ended():  # memory that the server shares with a kernel counts half
        pid = warm._server.process.pid
        return not Path(f"/proc/{pid}/task/{pid}/children").read_text()

    for _ in range(3):
        asyncio.run(start_and_end())
    wait_for(all_ended)
    before, memory_before = state(), memory(warm._server.process.pid)
    for _ in range(n_kernels):
        asyncio.run(start_and_end())
    wait_for(all_ended)
    assert state() == before
    if "COVERAGE_PROCESS_CONFIG" not in os.environ:  # what a server ran is kept in its memory
        assert memory(warm._server.process.pid) - memory_before < 4
    assert len(warm._held) == 0


def test_threads_that_start_servers_at_once_get_the_same_one(no_server):
    """A second server would be lost at once, and remove the folders of the first one's kernels."""
    everyone = threading.Barrier(8)

    def start(_):
        everyone.wait()
        return warm.start_server(warm.kernel_environment()).process.pid

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(8)))) == 1


@pytest.mark.slow
def test_a_server_that_ends_leaves_the_folders_of_a_user_that_lives(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer("1")
    with warm.private_folder() as folder:
        server, began = warm._server, time.monotonic()
        warm.stop_server()
        assert folder.exists()
        assert server.process.returncode == 0
        assert time.monotonic() - began < 15
        answer("1")
        server = warm._server
        server._control.close()  # as if it were lost
        assert server.process.wait(15) == 0
        assert folder.exists()
    assert not folder.exists()


@pytest.mark.parametrize("name", ["HOME", "MPLCONFIGDIR"])
def test_a_folder_that_matplotlib_makes_ends_with_the_server(
    name, no_server, tmp_path, monkeypatch
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for usual in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(usual, raising=False)
    monkeypatch.setenv(name, "/proc/nowhere")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TMPDIR", str(temporary))
    found = {answer("import matplotlib; print(matplotlib.get_cachedir())") for _ in range(2)}
    assert found == {f"{folder}\n" for folder in temporary.iterdir()}  # a kernel removes nothing
    assert len(found) == 1
    warm.stop_server()
    assert not list(temporary.iterdir())


def test_kernels_of_several_threads_share_one_server():
    with ThreadPoolExecutor(4) as pool:
        printed = list(pool.map(lambda _: answer("import os; print(os.getppid())"), range(4)))
    assert set(printed) == {f"{warm._server.process.pid}\n"}


USER = """
import asyncio, json, sys
from test_warm import Kernel, warm
async def main():
    async with Kernel() as kernel:
        private = str(kernel.manager.private)
        pids = [warm._server.process.pid, kernel.provisioner.pid]
        print(json.dumps({"pids": pids, "private": private}), flush=True)
        sys.stdin.readline()
        print((await kernel.run("print(40 + 2)"))[0], end="", flush=True)
asyncio.run(main())
"""


@pytest.mark.slow
def test_two_users_at_once_do_not_meet():
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    users = [
        subprocess.Popen([sys.executable, "-c", USER], env=environment, **pipes) for _ in range(2)
    ]
    with users[0], users[1]:
        about = [json.loads(user.stdout.readline()) for user in users]
        assert len({pid for one in about for pid in one["pids"]}) == 4
        folders = [Path(one["private"]) for one in about]
        assert folders[0] != folders[1]
        assert all(stat.S_IMODE(folder.stat().st_mode) & 0o777 == 0o700 for folder in folders)
        users[0].kill()
        gone = [folders[0], *(Path(f"/proc/{pid}") for pid in about[0]["pids"])]
        wait_for(lambda: not any(path.exists() for path in gone), seconds=30)
        assert users[1].communicate("\n", timeout=60)[0] == "42\n"
        assert users[1].returncode == 0
    assert not folders[1].exists()


@pytest.mark.parametrize("victim", ["server", "kernel"])
@pytest.mark.slow
@pytest.mark.parametrize("n_times", [12])
def test_a_server_or_kernel_killed_at_any_moment_is_reported_truly(victim, n_times, last_stage):
    planned, how = last_stage
    answer("1")
    moments = random.Random(n_times)
    for _ in range(n_times):
        started = threading.Event()
        manager = []

        def note(one, manager=manager, started=started):
            manager.append(one)
            started.set()

        def kill(manager=manager, started=started):
            started.wait()
            time.sleep(moments.uniform(0, 1.5))
            with contextlib.suppress(ProcessLookupError, AttributeError, TypeError):
                if victim == "server":
                    warm._server.process.kill()
                else:
                    os.kill(manager[0].provisioner.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        outcome = ""
        try:
            record = execute_stage(
                planned, **how, options=ExecutionOptions(engine="auto"), on_kernel=note
            )
            outcome = record["kernel"]
        except StageFailed as failure:
            outcome = failure.error["type"]
            assert victim == "kernel"
        killer.join()
        assert outcome in ("warm", "plain", "DeadKernelError", "RuntimeError")
        left = {path.name for path in how["store"].folder.iterdir()}
        assert left <= {f"{planned.name}-{planned.key}"}
        assert not any(one.private.exists() for one in manager)
        for path in how["store"].folder.iterdir():
            path.rename(path.with_name("gone"))
            subprocess.run(["rm", "-r", path.with_name("gone")], check=True)


# others that start kernels


@pytest.mark.slow
def test_stock_papermill_gets_warm_kernels_through_private_sockets(tmp_path):
    code = (
        "import os; from pathlib import Path\n"
        "print(Path(f'/proc/{os.getppid()}/cmdline').read_text().split('\\0')[1])\n"
        "import matplotlib.pyplot as plt; plt.plot([1, 2]);"
    )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code)], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--log-output"],
        cwd=tmp_path,
        env=os.environ
        | {"JUPYTER_DEFAULT_PROVISIONER_NAME": "imdbclust-warm", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "without encryption" not in done.stderr
    outputs = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[0].outputs
    assert outputs[0].text.strip().endswith("fork_server.py")
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.ipynb", "out.ipynb"]


def test_what_kernels_import_is_not_imported_to_start_them():
    code = (
        "import sys, imdbclust.running.parameters as p, imdbclust.running.execute;"
        "p.declared(); import imdbclust.running.kernels.engine, imdbclust.running.pages.report;"
        "print(sorted({'rfc3987_syntax', 'lark', 'seaborn', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
