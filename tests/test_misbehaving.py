"""Notebooks that misbehave: failures are never published, time limits hold, nothing is left."""

import json
import re
import signal
import sys
import time
from pathlib import Path

import nbformat
import papermill  # noqa: F401 (it imports the engine, which cannot come first)
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from test_pages import make_manifest, record, render

from imdbclust.commands import cli
from imdbclust.running import execute, plan
from imdbclust.running.execute import ExecutionOptions, StageFailed, execute_stage
from imdbclust.running.kernels import engine as engines
from imdbclust.running.kernels.engine import CUT, MAX_PRINTED
from imdbclust.running.plan import PlannedStage
from imdbclust.running.store import NOTEBOOK, Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

OPEN = "from imdbclust.running import open_stage; stage = open_stage('load', globals())"
FINISH = "stage.finish()"
ENGINES = ("warm", "plain")


@pytest.fixture
def run_cells(tmp_path, monkeypatch):
    """Return what executes a notebook of a few cells as a stage, and gives it back executed."""
    path, store = tmp_path / "01_load.ipynb", Store(tmp_path / "out")
    for module in (execute, plan):
        monkeypatch.setattr(module, "notebook_of", lambda stage: path)

    def run(*cells, **options):
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = new_notebook(
            cells=[new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
        )
        nbformat.write(notebook, path)
        planned = PlannedStage("load", "0" * 20, {})
        execute_stage(planned, store=store, inputs={}, options=ExecutionOptions(**options))
        return nbformat.read(store.path(planned) / NOTEBOOK, as_version=4)

    run.store = store
    return run


def failure_of(run_cells, *cells, **options):
    """Execute a notebook that fails; return the failure when nothing of it is left."""
    with pytest.raises(StageFailed) as failure:
        run_cells(*cells, **options)
    assert list(run_cells.store.folder.iterdir()) == []
    return failure.value


def is_there(pid):
    """Tell whether a process lives; one that has ended may not have been waited for yet."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pid, seconds=30):
    until = time.monotonic() + seconds
    while is_there(pid):
        assert time.monotonic() < until, f"{pid} lives on"
        time.sleep(0.02)


# notebooks that end early

ENDS = {
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", "killed, possibly out of memory while using"),
    "SIGSEGV": ("import os; os.kill(os.getpid(), 11)", "ended by SIGSEGV while using"),
    "os._exit(0)": ("import os; os._exit(0)", "it exited with status 0"),
    "sys.exit(0)": ("import sys; sys.exit(0)", "without finishing"),
    "exit()": ("exit()", "without finishing|it exited with status 0"),
    "thread": (
        "import threading; t = threading.Thread(target=open, args=('/none',)); t.start(); t.join()",
        "without finishing",
    ),
}
"""How a cell may end its kernel, and the message that describes it."""


@pytest.mark.parametrize(
    ("end", "engine"),
    [
        pytest.param(end, engine, marks=pytest.mark.slow)
        if engine == "plain" and end in ("SIGSEGV", "exit()", "thread")
        else (end, engine)
        for end in ENDS
        for engine in ENGINES
    ],
)
def test_no_end_of_a_kernel_is_taken_for_success(end, engine, run_cells):
    code, message = ENDS[end]
    failure = failure_of(run_cells, "1 + 1", code, engine=engine)
    assert re.search(message, failure.error["message"])
    if end.startswith(("SIG", "os")):
        cells = json.loads(failure.notebook)["cells"]
        states = [cell["metadata"]["papermill"]["status"] for cell in cells]
        assert states == ["completed", "failed"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_notebook_that_finishes_is_published_and_what_it_started_ends(
    engine, run_cells, tmp_path
):
    start = f"import subprocess; p = subprocess.Popen(['sleep', '600']); open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))"  # noqa: E501
    notebook = run_cells(OPEN, start, FINISH, engine=engine)
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3]
    wait_until_gone((tmp_path / "pid").read_text())


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_kernel_started_ends_with_it_however_it_dies(engine, run_cells, tmp_path):
    start = f"import os, subprocess; p = subprocess.Popen(['sleep', '600']); open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))"  # noqa: E501
    failure = failure_of(run_cells, start, "os._exit(0)", engine=engine)
    assert failure.error["type"] == "DeadKernelError"
    wait_until_gone((tmp_path / "pid").read_text())


# no end

DEAF = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_kernel_deaf_to_signals_ends_at_the_time_limit(
    engine, run_cells, tmp_path, monkeypatch, capfd
):
    note = f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    left = iter([90, 90, 1])  # for each cell, so that it is not the start that takes too long
    monkeypatch.setattr(engines, "_seconds_to", lambda deadline: next(left))
    began = time.monotonic()
    failure = failure_of(run_cells, note, "print('on')", DEAF, engine=engine, timeout=90)
    assert time.monotonic() - began < 90
    assert failure.error["type"] == "CellTimeoutError"
    assert failure.error["message"] == (
        "the notebook takes longer than the 90 s that --timeout allows"
    )
    wait_until_gone((tmp_path / "pid").read_text())
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("engine", ["plain", "warm"])
def test_a_kernel_that_starts_when_an_interrupt_comes_is_gone_before_its_folders_are(
    engine, run_cells, monkeypatch
):
    kernels = []

    def interrupt(client):
        kernels.append(client.km.provisioner)
        raise KeyboardInterrupt

    monkeypatch.setattr(engines.TruthfulClient, "start_new_kernel_client", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_cells(OPEN, FINISH, engine=engine)
    assert [kernel.process.poll() for kernel in kernels] == [-signal.SIGKILL]
    assert list(run_cells.store.folder.iterdir()) == []


def test_a_cell_that_asks_for_input_fails_at_once(run_cells):
    failure = failure_of(run_cells, "input('Your name? ')")
    assert failure.error["type"] == "StdinNotImplementedError"


# floods


@pytest.mark.parametrize(
    "flood",
    [
        "for number in range(30_000): print(number)",
        "print('film' * MAX)",
        "import sys; sys.stderr.write('film' * MAX)",
        "import IPython.display as d\nfor number in range(MAX_OUTPUTS + 9): d.display(number)",
        pytest.param("for number in range(10**6): print(number)", marks=pytest.mark.slow),
        pytest.param(
            "for number in range(10**5): print(number, flush=True)", marks=pytest.mark.slow
        ),
    ],
)
def test_a_flood_of_output_is_cut_with_a_note_in_notebook_and_page(
    flood, run_cells, tmp_path, monkeypatch
):
    if "flush" not in flood:
        monkeypatch.setattr(engines, "MAX_OUTPUTS", 60)
    sizes = f"MAX, MAX_OUTPUTS = {MAX_PRINTED}, {engines.MAX_OUTPUTS}"
    notebook = run_cells(OPEN, sizes, flood, "print('after')", FINISH)
    outputs = notebook.cells[2].outputs
    assert outputs[-1].text == CUT
    assert sum(output.get("text") == CUT for output in outputs) == 1
    assert len(outputs) <= engines.MAX_OUTPUTS + 2
    printed = "".join(output.get("text", "") for output in outputs[:-1])
    assert len(printed) == MAX_PRINTED or len(outputs) == engines.MAX_OUTPUTS + 1
    assert notebook.cells[3].outputs[0].text == "after\n"
    folder = tmp_path / "report"
    (folder / "notebooks").mkdir(parents=True)
    nbformat.write(notebook, folder / "notebooks" / "01_load.ipynb")
    pages = render(folder, make_manifest(stages=[record("01_load")]))
    assert CUT.strip() in pages["01_load.html"].get_text()


def test_what_is_printed_in_parts_is_one_output(run_cells):
    code = (
        "import sys, time\n"
        "for part in ('a', 'b\\n', 'c\\n'): print(part, end='', flush=True); time.sleep(0.05)\n"
        "print('d', file=sys.stderr, flush=True)\n"
        "print('e')"
    )
    outputs = run_cells(OPEN, code, FINISH).cells[1].outputs
    assert [(output.name, output.text) for output in outputs] == [
        ("stdout", "ab\nc\n"),
        ("stderr", "d\n"),
        ("stdout", "e\n"),
    ]


def test_of_a_cell_that_clears_what_it_shows_nothing_is_cut(run_cells):
    code = (
        "from IPython.display import clear_output\n"
        f"for number in range(4): print('x' * {MAX_PRINTED // 2}); clear_output()\n"
        "print('end')"
    )
    notebook = run_cells(OPEN, code, FINISH)
    assert [output.text for output in notebook.cells[1].outputs] == ["end\n"]


# memory


@pytest.mark.parametrize("engine", ENGINES)
def test_a_kernel_that_wants_too_much_memory_fails_and_says_of_what_limit(engine, run_cells):
    greedy = "block = bytes(3 * 10**9)"
    failure = failure_of(run_cells, OPEN, greedy, engine=engine, memory_limit=10**9)
    assert failure.error["type"] == "MemoryError"
    assert failure.error["message"].endswith("; --memory-limit is 1GB")


def test_within_its_limit_of_memory_a_notebook_goes_well(run_cells):
    run_cells(OPEN, "import numpy; numpy.ones(5 * 10**7).sum()", FINISH, memory_limit=10**9)


@pytest.mark.parametrize("command", ["run", "sweep"])
@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ("lots", "memory must be a number and a unit, e.g. 2GB, not 'lots'"),
        ("400MB", "memory must be at least 500MB, not 400MB"),
    ],
)
def test_a_limit_of_memory_that_cannot_be_is_refused(command, size, sentence, capsys):
    call = [command, *(["grid.yml"] if command == "sweep" else []), "--memory-limit", size]
    with pytest.raises(SystemExit) as refused:
        cli.main(call)
    assert refused.value.code == cli.WRONG
    assert sentence in capsys.readouterr().err


def test_where_memory_cannot_be_limited_it_is_said(films, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(execute.sys, "platform", "darwin")
    call = ["run", "--dataset", str(films), "--out", str(tmp_path), "--memory-limit", "2GB"]
    assert cli.main(call) == cli.WRONG
    assert "a memory limit needs Linux; this is darwin" in capsys.readouterr().err


# whose kernels


def test_sockets_of_kernels_are_their_owners_alone(run_cells, tmp_path, monkeypatch):
    import tempfile

    temporary = Path(tempfile.mkdtemp(prefix="ic-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    seen = f"""
import pathlib
modes = [path.stat().st_mode & 0o777 for path in pathlib.Path({str(temporary)!r}).iterdir()]
assert modes == [0o700], modes
"""
    run_cells(OPEN, seen, FINISH, engine="plain")
    assert list(temporary.iterdir()) == []
    temporary.rmdir()
