"""The bench of speed: pairs in turns, ratios of pairs, commands with all their processes."""

import json
import subprocess
import sys
from importlib import import_module

import pytest

from imdbclust import bench
from imdbclust.base.paths import NOTEBOOKS
from imdbclust.bench import BenchFailed
from imdbclust.bench.timing import (
    Comparison,
    Cost,
    Options,
    Part,
    cost_of_command,
    take_turns,
    write_page,
    write_part,
)
from imdbclust.commands import cli
from imdbclust.running.pages.report import check_page
from imdbclust.running.parameters import declared_in

FOUND = Comparison("a loop", [Cost(1.0, 100.0), Cost(2.0, 110.0)], [Cost(4.0), Cost(20.0)], "so")


def test_ratios_are_of_pairs_not_of_medians():
    assert FOUND.ratios == [4.0, 10.0]
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
    child = "import time; held = bytearray(60_000_000); time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = cost_of_command([sys.executable, "-c", parent])
    assert cost.seconds >= 0.5
    assert cost.memory_mb > 60


def test_a_command_that_fails_says_its_last_words():
    with pytest.raises(BenchFailed, match=r"ended with 3: .*no films"):
        cost_of_command([sys.executable, "-c", "print('no films'); raise SystemExit(3)"])


def test_results_and_page_are_written(tmp_path):
    write_part(Part("loops", "Is a loop slower?", "Both did it.", [FOUND]), tmp_path)
    found = json.loads((tmp_path / "loops.json").read_text())
    assert found["rows"][0]["times_faster"] == 7.0
    assert found["pairs"][0]["theirs"][1]["seconds"] == 20.0
    page = write_page(tmp_path).read_text(encoding="utf-8")
    assert check_page(page, page="speed.html") == []
    assert "Is a loop slower?" in page
    assert (tmp_path / "loops.csv").is_file()


def test_every_part_is_a_module_that_measures():
    for name in bench.SPEED:
        module = import_module(f"imdbclust.bench.{bench.MODULES.get(name, name)}")
        assert callable(module.measure), name


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (["swep"], "the bench has no part 'swep'; it has"),
        (["sweep", "--runs", "0"], "--runs is at least 1, not 0"),
    ],
)
def test_a_wrong_call_is_refused(call, sentence, capsys):
    assert cli.main(["bench", *call]) == cli.WRONG
    assert sentence in capsys.readouterr().err


# the parts, with all that takes long left out


@pytest.fixture
def commands(monkeypatch):
    """Commands that parts would have run, each in no more than a second; what papermill reads."""
    called = []

    def cost(command, **_):
        called.append(command[2:])
        return Cost(1.0, 10.0 * len(called))

    for part in ("run", "sweep", "rendering"):
        monkeypatch.setattr(import_module(f"imdbclust.bench.{part}"), "cost_of_command", cost)
    for part in ("run", "sweep"):
        monkeypatch.setattr(
            import_module(f"imdbclust.bench.{part}"),
            "make_stock",
            lambda found, preset, parameters, folder: folder / "stock",
        )
    return called


def given(command):
    """Return the parameters that a call of papermill sets."""
    return {command[at + 1]: command[at + 2] for at, word in enumerate(command) if word == "-p"}


def test_a_run_takes_turns_with_papermill_and_nbconvert_on_each_notebook(films, commands):
    (comparison,) = (
        import_module("imdbclust.bench.run")
        .measure(Options(dataset=str(films), quick=True))
        .comparisons
    )
    ours, *theirs = commands
    assert ours[:4] == ["imdbclust", "run", "--dataset", str(films)]
    assert [command[0] for command in theirs] == ["papermill", "jupyter"] * 5
    for notebook, command in zip(sorted(NOTEBOOKS.glob("0[1-5]*")), theirs[::2], strict=True):
        assert command[1] == str(notebook)
        known = {"dataset": str(films), "from_run": "stock", "evaluation": "off"}
        declared = known.keys() & declared_in(notebook).keys()
        assert given(command) == {name: known[name] for name in declared}
    assert [cost.seconds for cost in (*comparison.ours, *comparison.theirs)] == [1.0, 10.0]
    assert comparison.theirs[0].memory_mb == 110.0  # of the largest


def test_the_loop_of_a_sweep_is_measured_on_two_settings_and_scaled(films, commands):
    (comparison,) = (
        import_module("imdbclust.bench.sweep")
        .measure(Options(dataset=str(films), quick=True, runs=1))
        .comparisons
    )
    ours, *theirs = commands
    assert ours[:2] == ["imdbclust", "sweep"]
    clusterings = [command for command in theirs if "04_clustering" in command[1]]
    assert [given(command)["n_clusters"] for command in clusterings] == ["8", "16"]
    assert comparison.what == "4 settings"
    assert comparison.theirs == [Cost(40.0, 210.0)]


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
    part = import_module("imdbclust.bench.rendering").measure(Options(quick=True))
    assert rendered == [(tmp_path, {"name": "rendered"})]
    assert commands[0][:2] == ["jupyter", "nbconvert"]
    assert commands[0][-1] == str(tmp_path / "notebooks" / "01_load.ipynb")
    assert part.comparisons[0].what == "2 pages of a run"
    assert "Ours have 2.0 MB together" in part.about


def test_kernels_are_forked_and_plain_in_turns(monkeypatch):
    kernels = import_module("imdbclust.bench.kernels")
    started = []

    async def start(engine, cell):
        started.append((engine, cell))

    monkeypatch.setattr(kernels, "_kernel", start)
    monkeypatch.setattr(kernels.warm, "impossible", lambda: "")
    part = kernels.measure(Options(runs=2))
    assert [one.what for one in part.comparisons] == list(kernels.CELLS)
    turns = ["warm", "plain", "plain", "warm"]
    assert [engine for engine, _ in started] == ["warm", *turns, *turns]
    assert [cell for _, cell in started[1::4]] == list(kernels.CELLS.values())
    monkeypatch.setattr(kernels.warm, "impossible", lambda: "this is no Linux")
    with pytest.raises(BenchFailed, match="no Linux"):
        kernels.measure(Options())


@pytest.fixture
def recipe(monkeypatch):
    """The part on the recipe; its ways take a second for each 100 movies a step, and do nothing."""
    module = import_module("imdbclust.bench.recipe")

    def run(command, **_):
        way, file, folder = command[3:]
        n_movies = len(file.read_text().splitlines())
        (folder / module.MOVIE_TO_CLUSTER).write_text(f"{n_movies} movies")
        seconds = dict.fromkeys(module.ENDS["file to table of clusters"], n_movies / 100)
        seconds["read"] *= 1 if way == "ours" else 4
        told = json.dumps({"seconds": seconds, "memory_mb": 5.0})
        return subprocess.CompletedProcess(command, 0, f"said\n{told}\n", "")

    monkeypatch.setattr(module.subprocess, "run", run)
    return module


def test_the_recipe_is_measured_step_by_step_and_how_it_grows(recipe):
    part = recipe.measure(Options(runs=1), sizes=(100, 300))
    rows = {one.what: one.row() for one in part.comparisons}
    assert rows["read, 100 movies"]["times_faster"] == 4.0
    assert rows["cluster, 300 movies"]["seconds_of_other"] == 3.0
    assert rows["file to table of clusters, 300 movies"]["seconds"] == 7 * 3.0
    assert rows["file to table of clusters, 300 movies"]["memory_mb"] == 5.0
    assert rows["read, 300 movies"]["memory_mb"] is None
    assert rows["read, 300 movies"]["note"].startswith("3.0 times the movies take 3.0 times as")
    assert rows["read, 100 movies"]["note"] == ""


def test_a_recipe_that_breaks_or_finds_other_clusters_is_no_measurement(recipe, monkeypatch):
    right = recipe.subprocess.run

    def other_clusters(command, **options):
        done = right(command, **options)
        (command[5] / recipe.MOVIE_TO_CLUSTER).write_text(command[3])
        return done

    monkeypatch.setattr(recipe.subprocess, "run", other_clusters)
    with pytest.raises(BenchFailed, match="do not give the same clusters"):
        recipe.measure(Options(runs=1), sizes=(100,))
    broken = subprocess.CompletedProcess([], 3, "", "one\ntwo\n")
    monkeypatch.setattr(recipe.subprocess, "run", lambda *_, **__: broken)
    with pytest.raises(BenchFailed, match=r"the way ours ended with 3: one \| two"):
        recipe.measure(Options(runs=1), sizes=(100,))


def test_what_a_part_found_is_on_the_page_and_in_the_terminal(tmp_path, monkeypatch, capsys):
    part = Part("run", "How long?", "about it", [FOUND])
    monkeypatch.setattr(import_module("imdbclust.bench.run"), "measure", lambda options: part)
    page = bench.measure_speed(["run"], Options(out=tmp_path))
    assert page.parent == tmp_path / "bench"
    assert "about it" in page.read_text(encoding="utf-8")
    assert json.loads((page.parent / "run.json").read_text())["rows"] == [FOUND.row()]
    said = capsys.readouterr().out
    assert "  a loop     7.0 times faster (4.0 to 10.0): 1.50 s against 12.00 s\n" in said
