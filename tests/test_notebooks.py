"""The notebooks as sources, and executed in every way in which people execute them."""

import ast
import copy
import json
import os
import re
import statistics
import subprocess
import sys

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from nbstripout import strip_output

from imdbclust.base.paths import NOTEBOOKS, REPOSITORY
from imdbclust.running.parameters import declared
from imdbclust.running.stages import STAGES, notebook_of

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells_of(path, kind=None):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if kind in (None, cell["cell_type"])]


def source_of(cell):
    return "".join(cell["source"])


@each_notebook
def test_source_carries_no_outputs_and_a_portable_kernel(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    for cell in cells_of(path, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids))


@each_notebook
def test_exactly_one_cell_of_parameters_each_with_a_help(path):
    tagged = [cell for cell in cells_of(path) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    lines = source_of(tagged[0]).splitlines()
    assert all(re.fullmatch(r"\w+: (int|float|str|bool) = .+?  # .+", line) for line in lines)


@each_notebook
def test_cells_define_nothing(path):
    for cell in cells_of(path, "code"):
        nodes = ast.walk(ast.parse(source_of(cell)))
        assert not any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in nodes)


@each_notebook
def test_a_chapter_has_short_cells_between_much_text_and_no_branches(path):
    """A parameters cell may be longer; its lines count as code all the same."""
    cells = cells_of(path)
    lines = {
        cell["id"]: len([line for line in source_of(cell).splitlines() if line.strip()])
        for cell in cells_of(path, "code")
    }
    words = sum(len(source_of(cell).split()) for cell in cells_of(path, "markdown"))
    branches = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match)
    statements = [
        node for cell in cells_of(path, "code") for node in ast.parse(source_of(cell)).body
    ]
    assert not any(isinstance(node, branches) for node in statements)
    assert len(cells) <= 30
    assert statistics.median(lines.values()) <= 3
    assert max(n for name, n in lines.items() if name != "parameters") <= 10
    assert words / sum(lines.values()) >= 8


@each_notebook
def test_a_chapter_shows_formulas_and_bare_results_and_ends_with_exercises(path):
    texts = [source_of(cell) for cell in cells_of(path, "markdown")]
    assert any("$$" in text for text in texts)
    last = [ast.parse(source_of(cell)).body[-1] for cell in cells_of(path, "code")]
    bare = [one for one in last if isinstance(one, ast.Expr) and not _says(one.value)]
    assert len(bare) >= (1 if path == notebook_of("sweep") else 2)
    headings = [text.splitlines()[0] for text in texts]
    assert headings[-3:] == ["## Checks", "## Limits", "## Exercises"]
    assert re.findall(r"^\d(?=\. )", texts[-1], re.MULTILINE) == ["1", "2"]


def _says(node):
    """Return whether an expression is a call of the stage or of the style, which show something."""
    called = node.func if isinstance(node, ast.Call) else node
    return getattr(getattr(called, "value", None), "id", "") in ("stage", "plots")


@each_notebook
def test_every_sentence_stands_in_wording(path):
    for cell in cells_of(path, "code"):
        for node in ast.walk(ast.parse(source_of(cell))):
            if isinstance(node, ast.Assign):
                names = {getattr(target, "id", "") for target in node.targets}
                shown = [node.value] if names & {"caption", "alt", "text"} else []
            elif isinstance(node, ast.Call):
                method = getattr(node.func, "attr", "")
                shown = [word.value for word in node.keywords if word.arg in ("caption", "alt")]
                shown += node.args[:1] if method in ("say", "warn") else []
                shown += node.args[1:2] if method == "check" else []
            else:
                continue
            nodes = [node for value in shown for node in ast.walk(value)]
            assert not any(isinstance(node, ast.JoinedStr) for node in nodes), source_of(cell)
            texts = [node.value for node in nodes if isinstance(node, ast.Constant)]
            assert not [text for text in texts if " " in str(text)], source_of(cell)


@pytest.mark.parametrize("stage", STAGES)
def test_cells_that_only_a_report_needs_are_tagged_and_the_others_do_without_them(stage):
    tagged, others = [], []
    for cell in cells_of(notebook_of(stage), "code"):
        is_tagged = "report" in cell["metadata"].get("tags", [])
        (tagged if is_tagged else others).append(source_of(cell))
    assert not any(".metric(" in source for source in tagged)
    assert not any("plots.plot_" in source for source in others)
    bound = [_names(source, ast.Store) for source in (*tagged, *others)]
    only_tagged = set().union(*bound[: len(tagged)]) - set().union(*bound[len(tagged) :])
    for source in others:
        assert not _names(source, ast.Load) & only_tagged, source


def _names(source, context):
    """Return the names that a cell binds, or that it reads."""
    nodes = ast.walk(ast.parse(source))
    return {node.id for node in nodes if isinstance(node, ast.Name) and type(node.ctx) is context}


@each_notebook
def test_opens_with_a_question_and_takeaways_and_closes_with_limits(path):
    opening = source_of(cells_of(path)[0])
    assert re.match(r"# .+\?\n", opening)
    assert opening.count("\n- ") == 3
    assert "**Writes**" in opening
    headings = [source_of(cell).splitlines()[0] for cell in cells_of(path, "markdown")]
    assert {"## Checks", "## Limits"} <= set(headings)
    assert source_of(cells_of(path)[-1]).endswith("stage.finish()")


def test_outputs_are_stripped_before_a_commit_while_ids_and_tags_stay():
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    (entry,) = (hook["entry"] for hook in config["repos"][0]["hooks"] if hook["id"] == "nbstripout")
    _, *options = entry.split()
    keeps = {option.removeprefix("--").replace("-", "_"): True for option in options}
    source = nbformat.read(notebook_of("load"), as_version=4)
    executed = copy.deepcopy(source)
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text="said\n")]
            cell.execution_count = 1
    assert strip_output(executed, **{"keep_output": False, "keep_count": False} | keeps) == source


def test_jupyterlab_saves_sources_without_what_executing_adds(monkeypatch):
    from traitlets.config import Config

    monkeypatch.setattr(os, "environ", dict(os.environ))
    config, path = Config(), NOTEBOOKS / "jupyter_server_config.py"
    names = {"get_config": lambda: config, "__file__": str(path)}
    exec(compile(path.read_text(), path, "exec"), names)
    strip = config.FileContentsManager.pre_save_hook
    source = json.loads(notebook_of("load").read_text(encoding="utf-8"))
    executed = copy.deepcopy(source)
    executed["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    executed["metadata"]["language_info"] |= {"version": "3.13.1", "mimetype": "text/x-python"}
    for cell in executed["cells"]:
        cell["metadata"] |= {"trusted": True, "execution": {"iopub.status.busy": "now"}}
        if cell["cell_type"] == "code":
            cell |= {"outputs": [{"output_type": "stream"}], "execution_count": 3}
    strip({"type": "notebook", "content": executed}, path="notebooks/01_load.ipynb")
    assert executed == source
    strip({"type": "file", "content": "text"}, path="README.md")
    assert config.LabApp.news_url is None
    assert len(config.IdentityProvider.token) == 48


def test_every_parameter_says_what_it_is_for():
    assert all(parameter.help for parameter in declared().values())


@pytest.fixture(scope="module")
def own_reports(tmp_path_factory):
    """A folder for reports, so that what other tests made is not there."""
    return tmp_path_factory.mktemp("alone")


@pytest.fixture
def environment(own_reports, monkeypatch):
    monkeypatch.setenv("IMDBCLUST_REPORTS", str(own_reports))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "stage",  # by default one without earlier stages, and one that has them computed
    [
        one if one in ("load", "matrix") else pytest.param(one, marks=pytest.mark.slow)
        for one in STAGES
    ],
)
def test_opened_alone_and_run_from_top_to_bottom_as_jupyterlab_does(stage):
    """A fresh kernel in notebooks/, no run before: what is missing is made and said to be."""
    notebook = nbformat.read(notebook_of(stage), as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, resources=resources, kernel_name="python3", timeout=300).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert "Finished:" in str(notebook.cells[-1].outputs)
    said = str(next(cell for cell in notebook.cells if cell.id == "open").outputs)
    assert "Films: " in said
    assert "Settings: those of " in said


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("stage", "parameter"),
    [
        ("matrix", "preview_rows"),
        pytest.param("clustering", "n_clusters", marks=pytest.mark.slow),
    ],
)
def test_stock_papermill_runs_a_notebook_with_a_parameter(stage, parameter, own_reports, tmp_path):
    notebook = notebook_of(stage)
    command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb"]
    command += ["-p", parameter, "8", "--no-progress-bar"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300)
    records = (own_reports / "interactive").glob(f"{notebook.stem}-*/record.json")
    newest = max(records, key=lambda path: path.stat().st_mtime)
    record = json.loads(newest.read_text(encoding="utf-8"))
    assert record["parameters"][parameter] == 8
    assert record["metrics"].get(parameter, 8) == 8
    assert f"{parameter} = 8" in (tmp_path / "out.ipynb").read_text(encoding="utf-8")
