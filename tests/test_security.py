"""Security: values never run as code, pickles stay unread, paths and sockets stay private."""

import ast
import json
import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import stages_of
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from papermill.translators import translate_parameters

from imdbclust.base.disk import replacing
from imdbclust.base.paths import NOTEBOOKS, REPOSITORY
from imdbclust.clustering import Clustering
from imdbclust.commands import cli
from imdbclust.matrix import Incidence
from imdbclust.new_movies import GENRE_MODEL
from imdbclust.reduction import Embedding
from imdbclust.running.execute import _as_published
from imdbclust.running.kernels.provisioner import PrivateKernelManager
from imdbclust.running.parameters import ParameterError, check_values, declared, parse_values
from imdbclust.running.plan import PlannedStage
from imdbclust.running.store import unfinished

# Parameters are values


TEXTS = [name for name, one in declared().items() if one.type is str and not one.choices]
NASTY = st.sampled_from(
    ['"', "'", '"""', "'''", "\\", '\\"', "\\\\", "\n", "\r", "\t", "\0", "\ud800", "\u2028", "{x}",
     "\\N{BULLET}", "\\x22", "{{", "%s", "$x", "`", "#", ";", "__import__('os').abort()", "\x1a"]
)  # fmt: skip
ANY_TEXT = st.lists(NASTY | st.text(st.characters(), max_size=5), max_size=8).map("".join)
NUMBERS = st.integers(0, 2**32 - 1), st.floats(0, 1e308), st.booleans()


@examples(max_examples=150, deadline=None)
@given(
    values=st.fixed_dictionaries(
        {name: ANY_TEXT for name in TEXTS if name not in ("dataset", "from_run")}
        | dict(zip(("random_state", "tol", "explorer"), NUMBERS, strict=True))
    )
)
def test_a_notebook_gets_any_value_as_it_is_and_never_as_code(values):
    texts = [value for value in values.values() if isinstance(value, str)]
    if any(re.search("[\0\ud800-\udfff]", text) for text in texts):
        with pytest.raises(ParameterError, match="free of NUL and unpaired surrogates"):
            check_values(values)
        return
    checked = check_values(values)
    source = translate_parameters("python3", "python", checked, "Parameters")
    got = {}
    for line in ast.parse(source).body:
        assert isinstance(line, ast.Assign)
        [target] = line.targets
        got[target.id] = ast.literal_eval(line.value)
    assert got == values
    assert {name: type(value) for name, value in got.items()} == {
        name: type(value) for name, value in values.items()
    }


@examples(max_examples=100, deadline=None)
@given(
    name=ANY_TEXT
    | st.sampled_from(sorted(declared())).flatmap(lambda known: ANY_TEXT.map(known.__add__)),
)
def test_no_name_but_a_declared_one_reaches_a_notebook(name):
    if name in declared().keys() - {"dataset", "from_run"}:
        return
    for take in (lambda: parse_values([(name, "1")]), lambda: check_values({name: 1})):
        with pytest.raises(ParameterError):
            take()


def test_a_value_of_another_kind_is_refused():
    for value in (
        np.int64(5),
        np.float64(0.5),
        b"x",
        ("x",),
        ["x"],
        {"x": 1},
        {1},
        Path("x"),
        None,
    ):
        for name in ("n_clusters", "tol", "explorer", "form_tags"):
            if not (name == "tol" and type(value) is float):
                with pytest.raises(ParameterError):
                    check_values({name: value})
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ParameterError):
            check_values({"tol": value})


# Data never runs


MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib.load",
    "joblib.dump", "pandas.io.pickle",
}  # fmt: skip
"""Modules that no source imports."""

CALLS = {
    "eval", "exec", "compile", "__import__", "joblib.load", "os.system", "os.popen", "yaml.load",
    "yaml.full_load", "yaml.unsafe_load", "yaml.load_all", "tempfile.mktemp",
}  # fmt: skip
"""Functions that no source calls."""

METHODS = {"read_pickle", "to_pickle", "read_hdf", "to_hdf"}
"""Methods that no source calls, on any object."""

NEEDED = {
    "np.load": "allow_pickle=False",
    "yaml.compose": "Loader=yaml.SafeLoader",
}
"""Arguments that every such call needs."""

NEVER = {"shell=True", "allow_pickle=True", "verify=False"}
"""Arguments that no call has."""


def dangers(source: str) -> list[str]:
    """Return the names in a source that run data or could run it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += {alias.name for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found += (names | {node.module}) & MODULES
        elif isinstance(node, ast.Call):
            if ast.unparse(node) == "exec('')":
                continue  # runs nothing
            called, said = ast.unparse(node.func), {ast.unparse(one) for one in node.keywords}
            found += {called} & CALLS | {called.rpartition(".")[2]} & METHODS | said & NEVER
            if called in NEEDED and NEEDED[called] not in said:
                found.append(called)
    return found


def test_no_source_runs_data_or_reads_pickles():
    sources = {
        path: path.read_text(encoding="utf-8") for path in REPOSITORY.glob("imdbclust/**/*.py")
    }
    for path in NOTEBOOKS.glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources[path] = "\n".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"
        )
    assert len(sources) > 60
    found = {path.name: dangers(source) for path, source in sources.items() if dangers(source)}
    # results of processes that were forked for an evaluation; nothing is read from a file
    assert found.pop("processes.py") == ["cloudpickle"]
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "joblib.load(x)", "eval(x)", "exec(x)",
        "os.system(x)", "yaml.load(x)", "yaml.load(x, Loader=yaml.Loader)", "np.load(x)",
        "np.load(x, allow_pickle=True)", "pd.read_pickle(x)",
        "frame.to_pickle(x)", "subprocess.run(x, shell=True)", "requests.get(x, verify=False)",
        "tempfile.mktemp()", "yaml.compose(x, Loader=yaml.Loader)", "yaml.compose(x)",
    ],
)  # fmt: skip
def test_the_search_for_such_sources_finds(source):
    assert dangers(source)


class Payload:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("stage", "kind"),
    [("02_matrix", Incidence), ("03_reduction", Embedding), ("04_clustering", Clustering)],
)
def test_a_pickle_in_an_artifact_is_not_opened(stage, kind, finished_run, tmp_path):
    [artifact] = [one / "artifact" for one in stages_of(finished_run) if one.name.startswith(stage)]
    copy = shutil.copytree(artifact, tmp_path / "artifact")
    kind.load(copy)  # as it was left, it is read
    [path] = (one for one in copy.glob("*.npz") if one.name != GENRE_MODEL)
    trap = tmp_path / "trap"
    packed = np.array([Payload(trap)], dtype=object)
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    np.savez(path, **dict.fromkeys(names, packed))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        kind.load(copy)
    assert not trap.exists()
    with np.load(path, allow_pickle=True) as arrays:
        _ = arrays[names[0]]
    assert trap.exists()  # or the test would show nothing


# What is private


def test_sockets_and_unfinished_folders_are_for_their_owner_alone(tmp_path, monkeypatch):
    before = os.umask(0)
    try:
        manager = PrivateKernelManager()
        private = manager.private
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert Path(manager.connection_file).parent == private
        assert Path(manager.ip).parent == private
        with unfinished(tmp_path, "run") as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with replacing(tmp_path / "new.jsonl") as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    finally:
        os.umask(before)
        manager.cleanup_resources()
    assert not private.exists()
    assert stat.S_IMODE((tmp_path / "new.jsonl").stat().st_mode) == 0o666  # as that umask says


def test_a_run_contains_no_path_of_the_machine_that_made_it(finished_run, films):
    places = {str(REPOSITORY), sys.prefix, f"{Path.home()}/", tempfile.gettempdir() + "/"}
    host = socket.gethostname()
    places |= {str(films), *([host] if len(host) > 5 else [])}
    paths = [path for path in finished_run.rglob("*") if path.is_file()]
    paths += [path for path in finished_run.parent.glob("stages/*/**/*") if path.is_file()]
    assert len(paths) > 100
    for path in paths:
        content = path.read_bytes()
        assert not [place for place in places if place.encode() in content], path


@pytest.mark.parametrize(
    ("words", "published"),
    [
        (
            ["run", "--dataset", "/home/ann/my films.jsonl"],
            "imdbclust run --dataset 'my films.jsonl'",
        ),
        (["run", "--out=/home/ann/r", "--name", "a"], "imdbclust run --out=r --name a"),
        (["run", "--dataset", "../../ann/f.jsonl"], "imdbclust run --dataset f.jsonl"),
        (["run", "--out", "~ann/r"], "imdbclust run --out r"),
        (["run", "--dataset", "data/f.jsonl"], "imdbclust run --dataset data/f.jsonl"),
        (["sweep", "tcp://10.0.0.1:8786"], "imdbclust sweep tcp://10.0.0.1:8786"),
        (["run", "-p", "target_actor", "A/B"], "imdbclust run -p target_actor A/B"),
    ],
)
def test_a_command_is_published_without_the_folders_of_its_files(words, published):
    assert cli._to_publish(words) == published


def test_a_failed_notebook_contains_no_path_either(tmp_path):
    attempt = tmp_path / "attempt"
    attempt.mkdir()
    lines = [
        f"File {sys.prefix}/lib/python3.11/site-packages/x.py:3, in f()",
        f"File \x1b[32m{REPOSITORY}/imdbclust/load.py:12\x1b[39m, in g()",
        f"FileNotFoundError: {attempt}/artifact/x, {Path.home()}/films.jsonl",
    ]
    output = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": lines}
    cell = {"cell_type": "code", "metadata": {}, "source": "", "outputs": [output]}
    path = attempt / "notebook.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {"papermill": {}}}))
    text = _as_published(path, PlannedStage("load", "", {}), times=False)
    for place in (sys.prefix, str(REPOSITORY), str(Path.home()) + "/", str(tmp_path)):
        assert place not in text
    assert "…/lib/python3.11/site-packages/x.py:3" in text
    assert "artifact/x" in text


@pytest.mark.slow
def test_jupyterlab_is_started_for_this_machine_and_with_a_token(tmp_path):
    make = shutil.which("make")
    if not make:
        pytest.skip("make is not installed")
    printed = subprocess.run(
        [make, "-n", "lab"], cwd=REPOSITORY, stdout=-1, text=True, check=True
    ).stdout
    [start] = [line for line in printed.splitlines() if "jupyter lab" in line]
    careless = "\n".join(
        ("c.ServerApp.ip = '0.0.0.0'", "c.ServerApp.allow_remote_access = True",
         "c.ServerApp.allow_origin = '*'", "c.ServerApp.disable_check_xsrf = True",
         "c.IdentityProvider.token = ''")
    )  # fmt: skip
    for name in ("jupyter_config", "jupyter_server_config", "jupyter_lab_config"):
        (tmp_path / f"{name}.py").write_text(careless)
    words = shlex.split(start)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "jupyterlab", *words[1:], "--show-config-json"],
        cwd=REPOSITORY,
        env={k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
        | {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path)},
        stdout=-1,
        stderr=-1,
        text=True,
        timeout=120,
    )
    config = json.loads(done.stdout[done.stdout.index("{") :])
    server = config["ServerApp"]
    assert server["ip"] == "localhost"
    assert len(config["IdentityProvider"]["token"]) >= 32
    assert (server["allow_remote_access"], server["allow_origin"]) == (False, "")
    assert server["disable_check_xsrf"] is False
