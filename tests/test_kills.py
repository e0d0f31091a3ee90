"""Commands that are killed at random moments: nothing is lost, half written or left behind."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import SMALL
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

from imdbclust.commands import cli
from imdbclust.running.store import Store, examine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

WAYS = {
    kill_runner: -signal.SIGKILL,
    kill_all: -signal.SIGKILL,
    interrupt: cli.INTERRUPTED,
    interrupt_twice: cli.INTERRUPTED,
    terminate: cli.INTERRUPTED,
}
"""Ways to end a command, with the exit code that follows."""


# an interrupt that comes at a bad moment


BAD_MOMENTS = {
    "exec": "exec('raise KeyboardInterrupt')",
    "callback": "weakref.finalize(type('Film', (), {})(), signal.raise_signal, 2); time.sleep(60)",
}


def end_of(tmp_path, code):
    """Run a command in a process that has run `code` before; return its exit code and errors."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import signal, time, weakref\nfrom imdbclust.commands import cli, diff\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "imdbclust", "diff", "one", "other"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("moment", BAD_MOMENTS)
def test_whenever_an_interrupt_comes_the_command_ends_with_the_documented_code(moment, tmp_path):
    execute = f"def execute(call): {BAD_MOMENTS[moment]}\ndiff.execute = execute\n"
    code, said = end_of(tmp_path, execute)
    assert re.fullmatch("imdbclust: interrupted.*\n", said)
    assert code == cli.INTERRUPTED


@pytest.mark.parametrize("code", [cli.DONE, cli.WRONG, cli.INTERRUPTED])
def test_an_interrupt_after_the_end_of_a_command_changes_nothing(code, tmp_path):
    execute = "signal.raise_signal(2)" if code == cli.INTERRUPTED else code
    ended = end_of(
        tmp_path,
        f"diff.execute = lambda call: {execute}\n"
        "usual = cli.main\n"
        "cli.main = lambda: (usual(), signal.raise_signal(2))[0]\n",
    )
    assert ended == (code, "imdbclust: interrupted\n" * (code == cli.INTERRUPTED))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_tidied_up_after_an_interrupt_is_not_cut_short_by_another(
    number, monkeypatch, capsys
):
    done = []

    def diff(call):
        try:
            signal.raise_signal(number)
        finally:
            try:
                {}["missing"]
            except KeyError:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
            # as if it came while a native library is imported
            cli._native_imports.patient(signal.raise_signal)(signal.SIGINT)
            done.append("tidied up")

    monkeypatch.setattr("imdbclust.commands.diff.execute", diff)
    assert cli.main(["diff", "one", "other"]) == cli.INTERRUPTED
    assert done == ["tidied up"]
    with pytest.raises(KeyboardInterrupt):  # the next one counts again
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_of_which_a_library_makes_another_error_is_one(monkeypatch, capsys):
    def diff(call):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("the extension cannot be loaded") from None

    monkeypatch.setattr("imdbclust.commands.diff.execute", diff)
    assert cli.main(["diff", "one", "other"]) == cli.INTERRUPTED
    assert capsys.readouterr().err.startswith("imdbclust: interrupted")


def test_a_command_that_runs_in_the_background_is_not_interrupted_by_ctrl_c(monkeypatch, capsys):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(
            "imdbclust.commands.diff.execute", lambda call: signal.raise_signal(signal.SIGINT) or 0
        )
        assert cli.main(["diff", "one", "other"]) == cli.DONE
    finally:
        signal.signal(signal.SIGINT, before)


# commands that write films


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Return a folder with a corpus and dumps of a few thousand made-up films."""
    folder = tmp_path_factory.mktemp("sources")
    sizes = ["--movies", "2000", "--actors", "3000"]
    assert cli.main(["sample", "--to", str(folder / "films.jsonl"), *sizes]) == 0
    dumps = ["--format", "dumps", "--to", str(folder / "dumps")]
    assert cli.main(["sample", *dumps, *sizes]) == 0
    return folder


CONTENT = random.Random(0).randbytes(2**18)

FETCH = """
import sys
from pathlib import Path
from imdbclust.commands import cli
from imdbclust.datasets import find as datasets
from imdbclust.datasets import download
from imdbclust.datasets.registry import Entry, Source
address, digest, folder = sys.argv[1:4]
entry = Entry("films.jsonl", f"{address}/films.jsonl", "sha256", digest)
datasets.IMDB = Source("imdb", "Films", "none", address, (entry,))
datasets.DATA = Path(folder)
download.SCHEMES = ("http://127.0.0.1:",)
del sys.argv[1:4]
raise SystemExit(cli.program())
"""


class SlowAnswer(BaseHTTPRequestHandler):
    """Sends a file in pieces, with pauses."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        for start in range(0, len(CONTENT), 2**15):
            try:
                self.wfile.write(CONTENT[start : start + 2**15])
            except OSError:
                return
            time.sleep(0.05)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def slow_server():
    """Address of a server on this machine that sends slowly."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowAnswer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def command_of(name, sources, target, slow_server):
    """Return a command that writes a file of films, and what Python has to run for it."""
    if name == "fetch":
        digest = hashlib.sha256(CONTENT).hexdigest()
        return ["fetch", "imdb"], ("-c", FETCH, slow_server, digest, str(target.parent))
    films = str(sources / "films.jsonl")
    commands = {
        "sample": ["--movies", "2500", "--actors", "3000"],
        "merge": [films, films],
        "import-imdb": [str(sources / "dumps")],
        "import": [films],
    }
    return [name, *commands[name], "--to", str(target)], ("-m", "imdbclust")


@pytest.mark.slow
@pytest.mark.parametrize("times", [10])
@pytest.mark.parametrize("name", ["sample", "merge", "import-imdb", "fetch"])
def test_a_file_of_films_is_complete_or_missing_after_any_command_is_killed(
    name, times, sources, slow_server, tmp_path
):
    chance = random.Random(f"{name} {times}")
    expected = CONTENT
    if name != "fetch":
        command, _ = command_of(name, sources, tmp_path / "films.jsonl", slow_server)
        assert cli.main(command) == cli.DONE
        expected = (tmp_path / "films.jsonl").read_bytes()
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "films.jsonl"
    command, start = command_of(name, sources, target, slow_server)
    killed, window, temporary = 0, 1.5, None
    while killed < times:
        target.unlink(missing_ok=True)
        left = set(folder.glob(".*"))  # by one that was killed for good, until one gets to writing
        call = Call(*command, start=start, temporary=temporary)
        temporary = call.temporary
        try:
            wait_for(has_begun, call)
            if chance.random() < 0.6:
                wait_for(lambda: call.process.poll() is not None or list(folder.glob(".*")))  # noqa: B023
            time.sleep(chance.uniform(0, window))
            how = chance.choice(list(WAYS))
            how(call)
            code, said = call.end()
            assert code in (WAYS[how], cli.DONE), said
            assert "Traceback" not in said
            assert call.nothing_is_left() == []
            if code == cli.DONE:
                window *= 0.7
            killed += code != cli.DONE
            assert not target.exists() or target.read_bytes() == expected
            if code == cli.INTERRUPTED:
                assert set(folder.glob(".*")) <= left
                assert "interrupted" in said
        finally:
            call.stop()
    call = Call(*command, start=start, temporary=temporary)
    code, said = call.end()
    assert code == cli.DONE, said
    assert target.read_bytes() == expected
    left = {"films.jsonl", *(["films.jsonl.source.json"] if name == "import-imdb" else [])}
    assert {path.name for path in folder.iterdir()} == left
    assert list(temporary.iterdir()) == []
    call.clear()


# runs

RUN = ["--preset", "seed", *(text for pair in SMALL.items() for text in ("-p", *map(str, pair)))]


def tables_of(folder):
    """Return the bytes of all CSV files of a run."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.csv")}


def victims(call, chance):
    """Return what kills somebody of a run, and the exit codes that may follow."""
    kind = chance.choice(["way", "way", "kernels", "servers"])
    if kind == "way":
        how = chance.choice(list(WAYS))
        return how, {WAYS[how]}

    def kill(call):
        for process in getattr(call, kind)():
            process.kill()

    # a plain kernel takes over where the server was killed
    return kill, {cli.FAILED} if kind == "kernels" else {cli.FAILED, cli.DONE}


def sound(out):
    """Check that a report is whole if it is there, and that whatever stage is there is sound."""
    for stage in Store(out).folder.iterdir():
        if not stage.name.startswith("."):
            key = stage.name.rpartition("-")[2]
            assert examine(stage, key)[0] is not None
    if (out / "small").exists():
        manifest = json.loads((out / "small" / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["status"] in ("done", "failed")
        assert bool(manifest["error"]) == (manifest["status"] == "failed")
        assert (out / "small" / "index.html").read_text(encoding="utf-8").endswith("</html>\n")


def ends_as_if_nothing_had_been(command, temporary, out, whole):
    """Check that a command that was killed goes on to the same tables, and leaves nothing else."""
    call = Call(*command, temporary=temporary)
    code, said = call.end()
    assert code == cli.DONE, said
    assert tables_of(out / "small") == tables_of(whole)
    assert unfinished(out) == []
    assert list(temporary.iterdir()) == []
    call.clear()


@pytest.mark.slow
@pytest.mark.parametrize("times", [20])
def test_a_run_killed_at_any_moment_goes_on_and_gives_the_same_bytes(
    times, films, finished_run, tmp_path
):
    chance, out = random.Random(times), tmp_path / "out"
    stages = shutil.ignore_patterns("03_*", "05_*")
    shutil.copytree(finished_run.parent / "stages", out / "stages", ignore=stages)
    command = ["run", "--dataset", films, "--out", out, "--name", "small", *RUN]
    killed, temporary = 0, None
    while killed < times:
        engine = chance.choice(["warm", "plain"])
        call = Call(*command, "--engine", engine, temporary=temporary)
        temporary = call.temporary
        left = {*temporary.iterdir(), *unfinished(out)}
        try:
            wait_for(has_begun, call)
            how, codes = victims(call, chance)
            if chance.random() < 0.6:
                wait_for(lambda: call.process.poll() is not None or unfinished(out))  # noqa: B023
            time.sleep(chance.uniform(0, 3))
            how(call)
            code, said = call.end()
            assert code in codes | {cli.DONE}, said
            assert "Traceback" not in said
            assert call.nothing_is_left() == []
            if code == cli.INTERRUPTED:
                assert list(temporary.iterdir()) == unfinished(out) == []
            if engine == "warm" and how is kill_runner:  # its server tidies up
                wait_for(lambda: {*temporary.iterdir(), *unfinished(out)} <= left, seconds=30)  # noqa: B023
            sound(out)
            killed += code != cli.DONE
            if code == cli.DONE:
                for folder in out.glob("stages/0[35]_*"):
                    shutil.rmtree(folder)
        finally:
            call.stop()
    ends_as_if_nothing_had_been(command, temporary, out, finished_run)


@pytest.mark.slow
@pytest.mark.parametrize("times", [10])
def test_a_report_written_anew_is_the_old_or_the_new_one(times, films, finished_run, tmp_path):
    chance, out = random.Random(times), tmp_path / "out"
    shutil.copytree(finished_run.parent / "stages", out / "stages")
    command = ["run", "--dataset", films, "--out", out, "--name", "small", *RUN]
    shutil.copytree(finished_run, out / "small")
    killed, temporary, window = 0, None, 1.5
    while killed < times:
        call = Call(*command, temporary=temporary)
        temporary = call.temporary
        try:
            wait_for(has_begun, call)
            if chance.random() < 0.7:
                wait_for(lambda: call.process.poll() is not None or unfinished(out))  # noqa: B023
            time.sleep(chance.uniform(0, window))
            how = chance.choice(list(WAYS))
            how(call)
            code, said = call.end()
            assert code in (WAYS[how], cli.DONE), said
            assert "Traceback" not in said
            assert call.nothing_is_left() == []
            sound(out)
            killed += code != cli.DONE
            window *= 0.7 if code == cli.DONE else 1
        finally:
            call.stop()
    ends_as_if_nothing_had_been(command, temporary, out, finished_run)
