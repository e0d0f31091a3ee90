"""Nothing waits without a bound: each wait has a partner here that never answers."""

import fcntl
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from conftest import SMALL
from killing import Call

from imdbclust.base.errors import Failure
from imdbclust.commands import cli
from imdbclust.running import clean, workers
from imdbclust.running.kernels import warm
from imdbclust.running.parameters import ParameterError

LIMIT = ("import resource; resource.setrlimit(resource.RLIMIT_AS, (1_500_000 * 1024,) * 2);"
         "from imdbclust.commands import cli; import sys; sys.exit(cli.main())")  # fmt: skip


@contextmanager
def server(answer: bytes | None):
    """Give the port of a server that answers each connection with these bytes, or says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        open_ends = []

        def serve():
            while True:
                try:
                    end = listening.accept()[0]
                except OSError:
                    return
                open_ends.append(end)
                if answer is not None:
                    end.sendall(answer)
                if answer == b"":
                    end.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        for end in open_ends:
            end.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "no answer of Dask within 1 s"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "another kind of server"),
        (bytes(range(255, 0, -1)) * 40, "another kind of server"),
        (b"", ""),
    ],
    ids=["silent", "http", "garbage", "closing"],
)
def test_what_is_not_a_scheduler_is_refused_in_time(answer, reason, monkeypatch):
    monkeypatch.setattr(workers, "ANSWER_SECONDS", 1)
    workers._silence_dask()
    began = time.monotonic()
    with (
        server(answer) as port,
        pytest.raises(ParameterError, match=f"no scheduler answers at tcp://127.0.0.1:{port}: ")
        as refused,
    ):  # fmt: skip
        workers._check_scheduler(f"tcp://127.0.0.1:{port}")
    assert reason in str(refused.value)
    assert time.monotonic() - began < 60


@pytest.fixture
def lonely(monkeypatch):
    """A client of a scheduler that has no workers, and an execution that waits for one."""
    from distributed import Client, LocalCluster

    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(workers, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(workers, "ANSWER_SECONDS", 0.1)
    with LocalCluster(n_workers=0, **workers._CLUSTER) as cluster, Client(cluster) as client:
        yield client, client.submit(int)


def test_a_scheduler_whose_workers_have_left_is_given_up(lonely):
    client, future = lonely
    with pytest.raises(
        Failure, match=r"no workers are left, for 0\.3 s; what was finished is kept"
    ):
        list(workers._ended(client, [future]))


def test_a_scheduler_that_no_longer_answers_is_given_up(lonely, monkeypatch):
    client, future = lonely
    monkeypatch.setattr(client, "scheduler_info", lambda: time.sleep(2))
    with pytest.raises(
        Failure, match=r"the workers are lost, for 0\.3 s; what was finished is kept"
    ):
        list(workers._ended(client, [future]))


def test_a_connection_to_a_scheduler_that_is_lost_ends_a_sweep(lonely):
    client, future = lonely
    future.cancel()
    with pytest.raises(Failure, match="the scheduler of the workers has ended; what was finished"):
        list(workers._ended(client, [future]))


@pytest.fixture
def mute(tmp_path, monkeypatch):
    """Workers of this machine start, but never answer."""
    preload = tmp_path / "mute.py"
    preload.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setitem(workers._CLUSTER, "preload", [str(preload)])


def no_worker_is_left():
    until = time.monotonic() + 5
    while left := [one for one in multiprocessing.active_children() if "Dask" in one.name]:
        assert time.monotonic() < until, left
        time.sleep(0.05)
    return True


def test_workers_that_never_start_are_given_up(mute, films, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workers, "START_SECONDS", 1)
    spec = tmp_path / "grid.yml"
    spec.write_text("grid: {n_clusters: [4, 6]}")
    call = ["sweep", str(spec), "--dataset", str(films), "--out", str(tmp_path / "out")]
    began = time.monotonic()
    assert cli.main([*call, "--workers", "2"]) == cli.FAILED
    assert time.monotonic() - began < 15
    assert (
        "the workers of this machine do not start within 1 s; what was" in capsys.readouterr().err
    )
    assert no_worker_is_left()


def test_workers_that_never_start_do_not_stop_an_interrupt(mute):
    interrupt = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    interrupt.start()
    with pytest.raises(KeyboardInterrupt), workers._client(2, None):
        pass
    assert time.monotonic() - began < 15
    assert no_worker_is_left()


def test_workers_that_always_die_are_given_up(tmp_path, monkeypatch):
    preload = tmp_path / "dying.py"
    preload.write_text("import os\nos._exit(1)\n")
    monkeypatch.setitem(workers._CLUSTER, "preload", [str(preload)])
    monkeypatch.setattr(workers, "ALLOWED_DEATHS", 0)
    with pytest.raises(Failure, match="the workers of this machine cannot be started: "):
        workers._client(1, None).__enter__()
    assert no_worker_is_left()


def long_folder(parent, n_bytes, text):
    """Create a folder whose path has a number of bytes, if that of `parent` has fewer."""
    room = max(n_bytes - len(os.fsencode(parent)) - 1, 1)
    name = (text * n_bytes).encode()[:room].decode(errors="ignore").strip()
    folder = parent / f"{name:x<{room - len(name.encode()) + len(name)}}"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("n_bytes", range(40, 201, 8))
@pytest.mark.parametrize("text", ["x", "é %{0} 電影 "], ids=["ascii", "unicode"])
def test_sockets_work_with_a_temporary_folder_of_any_length(n_bytes, text, tmp_path, monkeypatch):
    folder = long_folder(tmp_path, n_bytes, text)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with warm.private_folder() as private, zmq.Context() as context, context.socket(zmq.REP) as end:
        assert (private.parent == folder) == (len(os.fsencode(folder)) <= warm.MAX_PARENT)
        assert private.stat().st_mode & 0o77 == 0
        end.bind(f"ipc://{private / 's-5'}")
    assert not private.exists()


@pytest.mark.slow
@pytest.mark.parametrize("n_bytes", [40, 88, 128, 200])
def test_a_run_works_with_a_temporary_folder_of_any_length(n_bytes, films, tmp_path):
    parent = Path(tempfile.mkdtemp(prefix="ic-", dir="/tmp"))
    folder, values = long_folder(parent, n_bytes, "é %{0} $x 電影 ع "), SMALL.items()
    words = [word for name, value in values for word in ("-p", name, str(value))]
    call = Call("run", "--dataset", films, *words, "--out", tmp_path / "out", temporary=folder)
    try:
        code, said = call.end()
        assert code == 0, said
        assert len(os.fsencode(folder)) == n_bytes
        assert len(list(tmp_path.glob("out/*/index.html"))) == 1
        assert list(folder.iterdir()) == call.nothing_is_left() == []
    finally:
        call.clear()
        parent.rmdir()


def test_without_any_short_folder_nothing_is_started(films, tmp_path, monkeypatch, capsys):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(warm, "SHORT", (str(tmp_path / "missing"),))
    call = ["run", "--dataset", str(films), "--out", str(tmp_path / "out")]
    assert cli.main(call) == cli.WRONG
    assert "set TMPDIR to a shorter one" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_kernel_that_does_not_start_keeps_nothing_waiting(films, tmp_path):
    """The sockets' paths are too long, as they once were for a long ``TMPDIR``."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    code = (
        "import sys, gc; from pathlib import Path\n"
        "from imdbclust.commands import cli; from imdbclust.running.kernels import warm\n"
        f"warm.sockets_parent = lambda: Path({str(folder)!r})\n"
        "code = cli.main(sys.argv[1:]); gc.collect(); sys.exit(code)"
    )
    call = ["run", "--dataset", str(films), "--out", str(tmp_path / "out"), "--engine", "plain"]
    values = [word for name, value in SMALL.items() for word in ("-p", name, str(value))]
    command = [sys.executable, "-c", code, *call, *values]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == cli.FAILED
    assert "01_load: ZMQError: File name too long" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(folder.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="the limit works on Linux only")
@pytest.mark.parametrize("call", [["run"], ["assign", "--genre", "Drama"], ["check", "x.csv"]])
def test_too_little_address_space_is_said_before_libraries_hang(call, tmp_path):
    command = [sys.executable, "-c", LIMIT, *call]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == cli.WRONG
    assert "`ulimit -v` limits this process to 1.54GB of address space" in done.stderr
    assert done.stderr.count("\n") == 1


def test_enough_address_space_or_no_limit_is_fine(monkeypatch):
    from imdbclust.commands.common import MIN_ADDRESS_SPACE, check_limits

    for limit in (resource.RLIM_INFINITY, MIN_ADDRESS_SPACE):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        check_limits()


@pytest.mark.parametrize(("hard", "code"), [(64, cli.WRONG), (1024, cli.DONE)])
def test_few_open_files_are_said_or_raised(hard, code, tmp_path):
    """What a program opens beyond the limit would end in a message of a library, or in abort."""
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (32, {hard}));"
        "from imdbclust.commands import cli; import sys; sys.exit(cli.main())"
    )
    film = tmp_path / "films.csv"
    film.write_text("title,actor\nA,X Y\nB,Z W\n")
    command = [sys.executable, "-c", program, "check", str(film)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    said = "`ulimit -n` limits this process to 64 open files, and 256 are needed"
    assert (said in done.stderr) == (code == cli.WRONG)


def test_a_lock_that_another_process_keeps_ends_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(clean, "PATIENCE", 0.3)
    stages = tmp_path / "stages"
    stages.mkdir()
    holder = os.open(stages, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        assert cli.main(["clean", "--out", str(tmp_path)]) == cli.FAILED
    finally:
        os.close(holder)
    assert "has been locked by another command for 0.3 seconds" in capsys.readouterr().err


def test_a_fork_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    import asyncio

    from imdbclust.running.kernels import provisioner

    mute = tmp_path / "mute.py"
    mute.write_text("import time; time.sleep(600)")
    warm.stop_server()
    monkeypatch.setattr(warm, "FORKSERVER", mute)
    monkeypatch.setattr(provisioner, "START_TIMEOUT", 0.3)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "x"]
    try:
        with pytest.raises(warm.NoWarmKernel, match="the fork server does not answer"):
            asyncio.run(provisioner._fork(command, env=warm.kernel_environment(), stdout=2))
    finally:
        warm._server.process.kill()
        warm.stop_server()


def test_git_that_hangs_costs_a_run_its_commit_only(tmp_path, monkeypatch):
    from imdbclust.running import publish

    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(publish, "GIT_SECONDS", 0.2)
    assert publish.commit() == {"commit": None, "dirty": None}


def test_pipes_are_not_read_as_films(tmp_path, capsys):
    pipe = tmp_path / "films.jsonl"
    os.mkfifo(pipe)
    assert cli.main(["check", str(pipe)]) == 2
    assert "this is a pipe, not a file" in capsys.readouterr().out
