"""Speed: pairs take turns, ratios are of pairs, commands are measured with all processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from imdbclust.base.paths import NOTEBOOKS
from imdbclust.bench import cores, peers, speed
from imdbclust.bench.costs import (
    BenchFailed,
    Comparison,
    Cost,
    Options,
    cost_of_command,
    take_turns,
)
from imdbclust.bench.page import write_part, write_speed_page
from imdbclust.bench.pandas_import import import_with_pandas
from imdbclust.bench.speed import check_same_corpus, measure_speed
from imdbclust.commands import cli
from imdbclust.datasets.imdb_dumps import import_dumps
from imdbclust.datasets.made_up.large import LargeSample
from imdbclust.running.pages.report import check_page
from imdbclust.running.parameters import declared_in, settings

STEPS = ("read", "matrix", "frame", "top ten", "reduce", "cluster", "table")

FOUND = Comparison("a loop", [Cost(1.0, 100.0), Cost(2.0, 110.0)], [Cost(4.0), Cost(20.0)], "so")


@pytest.fixture
def course_films(tmp_path):
    path = tmp_path / "films.jsonl"
    LargeSample(300, 500).write_corpus(path)
    return path


def test_ratios_are_of_pairs_not_of_medians():
    assert FOUND.row() == {
        "what": "a loop",
        "times_faster": 7.0,
        "least": 4.0,
        "most": 10.0,
        "seconds": 1.5,
        "seconds_of_other": 12.0,
        "memory_mb": 105.0,
        "memory_mb_of_other": None,
        "pairs": 2,
        "note": "so",
    }


def test_two_ways_take_turns_in_changing_order():
    order = []

    def way(name):
        return lambda: order.append(name) or Cost(1.0)

    found = take_turns("both", way("ours"), way("theirs"), runs=3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert len(found.ours) == len(found.theirs) == 3


def test_a_command_is_timed_with_the_memory_of_its_children():
    child = "import time; held = bytearray(60_000_000); time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = cost_of_command(["-c", parent])
    assert cost.seconds >= 1.5
    assert cost.memory_mb > 60


def test_a_command_that_fails_says_its_last_words():
    with pytest.raises(BenchFailed, match=r"ended with 3: .*no films"):
        cost_of_command(["-c", "print('no films'); raise SystemExit(3)"])


def test_results_and_page_are_written(tmp_path):
    write_part("run", "a run against a loop", [FOUND.row()], tmp_path)
    found = json.loads((tmp_path / "run.json").read_text())
    assert found["rows"] == [FOUND.row()]
    assert found["title"] == "a run against a loop"
    page = write_speed_page(tmp_path).read_text(encoding="utf-8")
    assert check_page(page, page="speed.html") == []
    assert "A run against a loop" in page
    assert "imdbclust run from an empty folder" in page
    assert (tmp_path / "run.csv").read_text().startswith("what,times_faster,least,most,seconds")


def test_every_part_has_a_function_that_measures():
    for name in speed.SPEED:
        assert callable((vars(speed) | vars(cores))[f"measure_{name}"]), name


def test_parts_are_listed_without_importing_anything_heavy():
    code = (
        "import sys, imdbclust.bench.speed;"
        "print({'numpy', 'pandas', 'psutil', 'papermill', 'nbclient'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (["swep"], "unknown part 'swep'; choose from"),
        (["sweep", "--runs", "0"], "--runs must be at least 1, not 0"),
    ],
)
def test_a_wrong_call_is_refused(call, sentence, capsys):
    assert cli.main(["bench", *call]) == cli.WRONG
    assert sentence in capsys.readouterr().err


# the parts, without what takes long


@pytest.fixture
def commands(monkeypatch):
    """The commands that parts would have run, a second each; papermill's reports are fixed."""
    called = []

    def cost(command, **_):
        called.append([str(word) for word in command[1:]])
        return Cost(1.0, 10.0 * len(called))

    def run(*, preset, parameters, out, name, **_):
        settings(preset, parameters)  # refuses what a run would refuse
        return out / name

    monkeypatch.setattr(speed, "cost_of_command", cost)
    monkeypatch.setattr("imdbclust.running.run.run", run)
    return called


def given(command):
    """Return the parameters that a call of papermill sets."""
    return json.loads(command[command.index("-y") + 1])


def test_a_run_takes_turns_with_papermill_and_nbconvert_on_each_notebook(films, commands):
    (comparison,) = speed.measure_run(Options(dataset=str(films), runs=1))
    ours, *theirs = commands
    assert ours[:4] == ["imdbclust", "run", "--preset", "seed"]
    assert ours[ours.index("--dataset") + 1] == str(films)
    assert [command[0] for command in theirs] == ["papermill", "jupyter"] * 5
    for notebook, command in zip(sorted(NOTEBOOKS.glob("0[1-5]*")), theirs[::2], strict=True):
        assert command[1] == str(notebook)
        known = {"dataset": str(films), "from_run": "stock", "evaluation": "off"}
        known |= {"map_max_movies": 0, "explorer": False}
        declared = known.keys() & declared_in(notebook).keys()
        assert given(command) == {name: known[name] for name in declared}
    assert [cost.seconds for cost in (*comparison.ours, *comparison.theirs)] == [1.0, 10.0]
    assert comparison.theirs[0].memory_mb == 110.0  # of the largest


def test_the_loop_of_a_sweep_is_measured_on_two_settings_and_scaled(films, commands):
    options = Options(dataset=str(films), quick=True, runs=1)
    comparison, without = speed.measure_sweep(options)
    ours, *theirs, last = commands
    assert ours[:2] == ["imdbclust", "sweep"]
    clusterings = [command for command in theirs if "04_clustering" in command[1]]
    papermill = [command for command in clusterings if command[0] == "papermill"]
    assert [given(command)["n_clusters"] for command in papermill] == [8, 16]
    assert comparison.what == "4 settings, reports: all"
    assert comparison.theirs == without.theirs == [Cost(40.0, 210.0)]
    assert without.what == "4 settings, reports: none"
    assert last[:2] == ["imdbclust", "sweep"]
    assert without.note.endswith("; the loop draws and renders, the sweep does not")


def test_a_run_is_measured_on_one_core_and_beside_busy_processes(films, monkeypatch):
    called = []

    def cost(command, env=None):
        called.append((env, len(psutil.Process().children())))
        stage = Path(command[command.index("--out") + 1]) / "stages" / "04_clustering-1"
        stage.mkdir(parents=True)
        (stage / "record.json").write_text('{"stage": "04_clustering", "seconds": 3.0}')
        return Cost(5.0)

    monkeypatch.setattr(cores, "cost_of_command", cost)
    before = len(psutil.Process().children())
    options = Options(dataset=[str(films)], runs=1)
    whole, chapter = cores.measure_cores(options)
    assert [cost.seconds for cost in (*whole.ours, *chapter.ours)] == [5.0, 3.0]
    assert [env for env, _ in called] == [{}, {"LOKY_MAX_CPU_COUNT": "1"}]
    del called[:]
    rows = cores.measure_busy(options)
    assert [row.what for row in rows] == [f"no busy process, or {n}" for n in (1, 2, 4)]
    assert [n - before for _, n in called] == [0, 1, 0, 2, 0, 4]
    assert len(psutil.Process().children()) == before


@pytest.mark.slow
def test_large_rows_are_measured_once_and_their_files_are_kept(films, tmp_path, capsys):
    call = ["bench", "large", "--quick", "--dataset", str(films), "--out", str(tmp_path)]
    assert cli.main(call) == cli.DONE
    rows = json.loads((tmp_path / "bench" / "large" / "large.json").read_text())["rows"]
    assert [row["what"].split(",")[0] for row in rows] == [
        "4 settings",
        "a run of 400 movies",
        "import-imdb of 2",
    ]
    for row in rows:
        assert row["core_seconds"] > 0.2
        assert row["memory_mb"] > 10
    assert rows[0]["of_each"] == rows[0]["core_seconds"] / 4
    kept = sorted(path.name for path in (tmp_path / "bench" / "made-up").iterdir())
    assert kept == ["400-300-1600.jsonl", "dumps-2000-6000-20000"]


def test_pages_take_turns_with_nbconvert_on_the_same_notebooks(tmp_path, commands, monkeypatch):
    (tmp_path / "manifest.json").write_text('{"name": "rendered"}')
    (tmp_path / "index.html").write_bytes(b"x" * 2_000_000)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_load.ipynb").touch()
    rendered = []
    monkeypatch.setattr("imdbclust.running.run.run", lambda **_: tmp_path)
    monkeypatch.setattr(
        "imdbclust.running.pages.report.render_run", lambda *arguments: rendered.append(arguments)
    )
    (comparison,) = speed.measure_rendering(Options(quick=True, runs=1))
    assert rendered == [(tmp_path, {"name": "rendered"})]
    assert commands[0][:2] == ["jupyter", "nbconvert"]
    assert commands[0][-1] == str(tmp_path / "notebooks" / "01_load.ipynb")
    assert comparison.what == "2 pages of a run"
    assert "our pages have 2MB" in comparison.note


def test_kernels_are_forked_and_plain_in_turns(monkeypatch):
    started = []
    monkeypatch.setattr(speed, "use_kernel", lambda *arguments: started.append(arguments))
    monkeypatch.setattr("imdbclust.running.kernels.warm.impossible", lambda: "")
    comparisons = speed.measure_kernels(Options(runs=2))
    assert [one.what for one in comparisons] == list(speed.CELLS)
    turns = ["warm", "plain", "plain", "warm"]
    assert [engine for engine, _ in started] == ["warm", *turns, *turns]
    assert [cell for _, cell in started[1::4]] == list(speed.CELLS.values())
    monkeypatch.setattr("imdbclust.running.kernels.warm.impossible", lambda: "this is not Linux")
    with pytest.raises(BenchFailed, match="not Linux"):
        speed.measure_kernels(Options())


@pytest.mark.parametrize("engine", ["warm", "plain"])
def test_a_kernel_executes_its_cell_and_ends(engine, tmp_path):
    mark = tmp_path / "mark"
    speed.use_kernel(engine, f"import os; open({str(mark)!r}, 'w').write(str(os.getpid()))")
    pid = int(mark.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.fixture
def recipe(monkeypatch):
    """Ways of the recipe that take a second for each 100 movies and step, and do nothing."""
    change = SimpleNamespace(table=lambda way, n_movies: f"{n_movies} movies")

    def cost(command, env):
        assert env["OMP_NUM_THREADS"] == "1"
        way, file, table, times = command[2:]
        n_movies = len(file.read_text().splitlines())
        table.write_text(change.table(way, n_movies))
        steps = dict.fromkeys(STEPS, n_movies / 100)
        steps["read"] *= 1 if way == "ours" else 4
        times.write_text(json.dumps(steps))
        return Cost(99.0, 5.0)

    monkeypatch.setattr(speed, "QUICK_MOVIES", {100: 1, 300: 1})
    monkeypatch.setattr(speed, "cost_of_command", cost)
    return change


def test_the_recipe_is_measured_step_by_step_at_every_size(recipe):
    rows = {one.what: one.row() for one in speed.measure_recipe(Options(runs=1, quick=True))}
    assert len(rows) == 2 * (2 + len(STEPS))
    assert rows["read, 100 movies"]["times_faster"] == 4.0
    assert rows["cluster, 300 movies"]["seconds_of_other"] == 3.0
    assert rows["read to top ten, 300 movies"]["seconds"] == 4 * 3.0
    assert rows["all steps, 300 movies"]["seconds"] == 7 * 3.0
    assert rows["all steps, 300 movies"]["memory_mb"] == 5.0
    assert rows["read, 300 movies"]["memory_mb"] is None


def test_a_recipe_that_finds_other_clusters_is_not_measured(recipe):
    recipe.table = lambda way, n_movies: way
    with pytest.raises(BenchFailed, match="do not give the same clusters"):
        speed.measure_recipe(Options(runs=1, quick=True))


def test_results_are_on_the_page_and_in_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "measure_run", lambda options: [FOUND])
    page = measure_speed(["run"], Options(out=tmp_path))
    assert page == tmp_path / "bench" / "speed.html"
    assert "a loop" in page.read_text(encoding="utf-8")
    assert json.loads((page.parent / "run.json").read_text())["rows"] == [FOUND.row()]
    title, heading, row = capsys.readouterr().out.splitlines()
    assert title == f"run: {speed.SPEED['run']}"
    assert heading.split()[:5] == ["what", "times_faster", "least", "most", "seconds"]
    assert row.split()[2:6] == ["7.00", "4.00", "10.00", "1.50"]


# the two ways, on real input


@pytest.mark.parametrize("way", ["ours", "course"])
def test_the_steps_of_the_course_are_timed_one_by_one(way, course_films, tmp_path):
    table, times = tmp_path / "table.csv", tmp_path / "times.json"
    peers.time_steps(way, str(course_films), str(table), str(times))
    assert tuple(json.loads(times.read_text())) == STEPS
    assert table.read_bytes().count(b"\n") == 301


def test_the_steps_of_the_course_and_ours_give_the_same_table(course_films, tmp_path):
    tables = []
    for way in ("ours", "course"):
        peers.time_steps(way, course_films, tmp_path / f"{way}.csv", tmp_path / "times.json")
        tables.append((tmp_path / f"{way}.csv").read_bytes())
    assert tables[0] == tables[1]


def test_pandas_makes_the_same_corpus_of_dumps(tmp_path):
    LargeSample(1_000, 2_000, 8_000).write_dumps(tmp_path / "dumps")
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    import_dumps(tmp_path / "dumps", ours)
    import_with_pandas(tmp_path / "dumps", theirs)
    check_same_corpus(ours, theirs)
    lines = theirs.read_text(encoding="utf-8").splitlines(keepends=True)
    theirs.write_text("".join(lines[1:]), encoding="utf-8")
    with pytest.raises(BenchFailed, match="the two corpora differ in their movies"):
        check_same_corpus(ours, theirs)


@pytest.mark.slow
def test_imports_are_measured(monkeypatch):
    monkeypatch.setattr(speed, "QUICK_SIZES", (500, 900, 3_000))
    (comparison,) = speed.measure_import(Options(runs=1, quick=True))
    row = comparison.row()
    assert row["pairs"] == 1
    assert row["memory_mb"] > 10
    assert row["seconds"] > 0


@pytest.mark.slow
def test_the_recipe_is_measured(monkeypatch):
    monkeypatch.setattr(speed, "QUICK_MOVIES", {200: 1, 400: 1})
    rows = [one.row() for one in speed.measure_recipe(Options(runs=1, quick=True))]
    assert len(rows) == 2 * (2 + len(STEPS))
    whole = [row for row in rows if row["what"].startswith("all steps")]
    assert all(row["memory_mb"] > 10 for row in whole)
