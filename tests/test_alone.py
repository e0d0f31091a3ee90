"""Notebooks opened alone: which films and settings they take, and where they write."""

import json
import os
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import SMALL

from imdbclust import plots
from imdbclust.load import Corpus
from imdbclust.matrix import build_incidence
from imdbclust.running import alone, open_stage
from imdbclust.running.parameters import ParameterError, declared, declared_in, presets
from imdbclust.running.stages import notebook_of


@pytest.fixture
def own_reports(tmp_path, monkeypatch):
    monkeypatch.setenv("IMDBCLUST_REPORTS", str(tmp_path))
    return tmp_path


def opened(name, **values):
    """Open a notebook's stage; return it, and the notebook's variables."""
    defaults = {key: one.default for key, one in declared_in(notebook_of(name)).items()}
    namespace = defaults | values
    return open_stage(name, namespace), namespace


def finished_load(films):
    stage, _ = opened("load", dataset=str(films))
    stage.dataset().read().save(stage.writes)
    stage.finish()
    return stage


def finished_matrix(**values):
    stage, _ = opened("matrix", **values)
    build_incidence(Corpus.load(stage.reads("load"))).save(stage.writes)
    stage.finish()
    return stage


@pytest.fixture
def matrix(own_reports, films):
    """The second notebook, finished after the first one."""
    finished_load(films)
    return finished_matrix()


def test_a_notebook_reads_the_one_before_it_as_it_finished_last(own_reports, films, capsys):
    load = finished_load(films)
    matrix = finished_matrix()
    reduction, _ = opened("reduction")
    assert reduction.inputs == {"load": load.folder, "matrix": matrix.folder}
    shown = capsys.readouterr().out
    assert f"Films: {load.dataset().title}." in shown
    assert "Settings: those of 02_matrix, which finished last, at " in shown


def test_an_opening_that_did_not_finish_is_not_read(matrix):
    opened("matrix")
    reduction, _ = opened("reduction")
    assert reduction.inputs["matrix"] == matrix.folder


def test_an_opening_of_another_package_is_not_read(matrix, monkeypatch):
    monkeypatch.setattr(alone, "_package", lambda: {"imdbclust": "another"})
    assert alone._finished_last("matrix", {}) is None


def test_an_opening_with_another_value_of_a_shared_parameter_is_not_read(matrix):
    path = matrix.folder / alone.OPENING
    assert alone._finished_last("matrix", {"preview_rows": 5, "n_clusters": 3}) is not None
    assert alone._finished_last("matrix", {"preview_rows": 6}) is None
    opening = json.loads(path.read_text(encoding="utf-8"))
    opening["inputs"]["load"] = str(matrix.folder / "removed")
    path.write_text(json.dumps(opening), encoding="utf-8")
    assert alone._finished_last("matrix", {}) is None


def test_a_preset_fills_only_parameters_left_at_their_defaults(matrix, capsys):
    stage, variables = opened("reduction", preset="recommended", n_components=5)
    assert (variables["weighting"], variables["n_components"]) == ("degree", 5)
    assert stage.parameters["weighting"] == "degree"
    assert stage.inputs["matrix"] == matrix.folder
    shown = capsys.readouterr().out
    assert "Settings: the preset recommended. In this notebook, n_components = 5, w" in shown


def test_a_notebook_that_was_saved_with_another_preset_uses_it(matrix, tmp_path, monkeypatch):
    original = alone.notebook_of
    saved, text = tmp_path / "03_reduction.ipynb", original("reduction").read_text("utf-8")
    changed = text.replace('preset: str = \\"seed\\"', 'preset: str = \\"recommended\\"')
    assert changed != text
    saved.write_text(changed, encoding="utf-8")
    monkeypatch.setattr(
        alone, "notebook_of", lambda name: saved if name == "reduction" else original(name)
    )
    _, variables = opened("reduction", preset="recommended")
    assert variables["weighting"] == "degree"


def test_the_next_notebook_goes_on_with_the_preset(matrix):
    stage, _ = opened("reduction", preset="recommended")
    stage.finish()
    stage, variables = opened("clustering", n_clusters=8)
    assert variables["n_clusters"] == 8
    assert variables["algorithm"] == presets()["recommended"]["algorithm"] == "KMeans"


def test_from_run_shows_the_run_with_its_parameters(finished_run, monkeypatch, capsys):
    monkeypatch.setenv("IMDBCLUST_REPORTS", str(finished_run.parent))
    stage, variables = opened("reduction", from_run="small", random_state=5)
    assert variables["n_components"] == SMALL["n_components"] != 32
    assert variables["random_state"] == 5
    assert stage.inputs["matrix"].parent == finished_run.parent / "stages"
    shown = capsys.readouterr().out
    assert "Settings: those of the run small (preset seed). In this notebook, n_comp" in shown


def test_a_run_and_a_preset_exclude_each_other(own_reports):
    with pytest.raises(ParameterError, match="give from_run or preset, not both"):
        opened("reduction", from_run="small", preset="nested")


@pytest.mark.parametrize(
    ("name", "hint"), [("n_component", "did you mean n_components?"), ("xyz", "choose one of ")]
)
def test_a_misspelt_parameter_of_papermill_is_refused(own_reports, name, hint):
    history = ["", "n_components: int = 32", f"# Parameters\nrandom_state = 1\n{name} = 12\n"]
    with pytest.raises(ParameterError) as error:
        opened("reduction", In=history)
    assert str(error.value).startswith(f"unknown parameter {name!r}; {hint}")


def test_every_opening_has_a_folder_of_its_own_and_few_old_ones_are_kept(own_reports, films):
    stages = [finished_load(films) for _ in range(alone.KEPT + 1)]
    for number, stage in enumerate(stages):  # the clock may be coarse
        os.utime(stage.folder / "record.json", ns=(number, number))
    assert len({stage.folder for stage in stages}) == len(stages)
    opened("load", dataset=str(films))
    left = sorted((own_reports / "interactive").glob("01_load-*/record.json"))
    assert left == sorted(stage.folder / "record.json" for stage in stages[1:])


def test_every_preset_can_be_chosen_in_a_notebook():
    assert declared()["preset"].choices == tuple(presets())


def test_what_is_said_is_marked_and_long_tables_can_be_sorted(matrix, capsys):
    capsys.readouterr()
    matrix.say("A.", finding=True)
    matrix.check(True, "b")
    short, long = (pd.DataFrame({"n": range(n)}) for n in (3, 30))
    matrix.table(short, "short", caption="S")
    shown = capsys.readouterr().out
    assert "border-left: 3px" in shown
    assert ">✓ b</p>" in shown
    assert "<script>" not in shown
    matrix.table(long, "long", caption="L")
    shown = capsys.readouterr().out
    assert shown.count("addTools(table, Math.random())") == 1
    assert "{{" not in shown


def test_without_ipywidgets_a_sentence_replaces_the_slider(matrix, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr("IPython.display.display", lambda html: print(html.data))
    matrix.slider("n_clusters", [4, 8], 8, draw=None)
    assert "A slider needs ipywidgets: pip install" in capsys.readouterr().out
    matrix.context["token"] = "a run"
    matrix.slider("n_clusters", [4, 8], 8, draw=None)
    assert capsys.readouterr().out == ""


def test_the_slider_draws_the_nearest_value_first_and_again_when_it_is_moved(matrix, monkeypatch):
    made = {}

    class Control:
        def __init__(self, **about):
            self.value = about["value"]
            made["control"] = self

        def observe(self, function, names):
            self.moved = function

    widgets = SimpleNamespace(
        SelectionSlider=Control, HTML=SimpleNamespace, VBox=lambda parts: parts[1]
    )
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setattr("IPython.display.display", lambda box: made.update(box=box))
    drawn = []

    def draw(value):
        drawn.append(value)
        return plots.plot_counts(pd.DataFrame({"n": [1950], "movies": [value]}), x="n", y="movies")

    matrix.slider("n_clusters", [4, 8], 9, draw)
    assert "n_clusters = 8" in made["box"].value
    made["control"].value = 4
    made["control"].moved({})
    assert drawn == [8, 4]
    assert "n_clusters = 4" in made["box"].value
