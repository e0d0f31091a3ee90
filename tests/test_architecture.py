"""The shape of the repository: who imports whom, one word a stage, one list of dependencies."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from imdbclust.base.paths import NOTEBOOKS, REPOSITORY
from imdbclust.running.stages import READS, STAGES, notebook_of

PACKAGE = REPOSITORY / "imdbclust"
ORDER = ("load", "matrix", "reduction", "clustering", "probabilities")


def imported_by(path):
    """Return the modules of the package that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imdbclust"):
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {name[1] for name in names if name[0] == "imdbclust" and len(name) > 1}
    return found - {"__version__", "paths"}


BEFORE = ("terminal", "problems", "rows", "temporary", "files", "frames", "jsonlines")
"""Modules that reading films is made of."""

AFTER = ("intervals", "evaluation", "assignment", "comparison", "catalogue")
"""Modules that look at what the stages did; no stage's module knows them."""


@pytest.mark.parametrize("module", BEFORE + ORDER + AFTER)
def test_a_module_imports_only_those_before_it(module):
    modules = BEFORE + ORDER + AFTER
    before = set(modules[: modules.index(module)])
    if module == "evaluation":
        before.add("datasets")  # only the generated films have a truth to compare with
    assert imported_by(PACKAGE / f"{module}.py") <= before


def test_plots_import_no_stage():
    assert imported_by(PACKAGE / "plots.py") == set()


def test_no_dataset_imports_the_runner_or_a_later_stage():
    for path in (PACKAGE / "datasets").glob("*.py"):
        assert imported_by(path) <= {*BEFORE, "load", "datasets"}, path.name


def test_every_stage_has_a_notebook_a_module_and_a_test():
    assert STAGES == ORDER
    for number, stage in enumerate(STAGES, start=1):
        assert notebook_of(stage).name == f"{number:02}_{stage}.ipynb"
        assert (PACKAGE / f"{stage}.py").is_file()
        assert (REPOSITORY / "tests" / f"test_{stage}.py").is_file()


def test_every_notebook_is_a_stage():
    assert {path.stem[3:] for path in NOTEBOOKS.glob("*.ipynb")} == {*STAGES, "sweep"}


def test_stages_read_only_what_stands_before_them():
    for stage, reads in READS.items():
        assert set(reads) <= set(STAGES[: STAGES.index(stage)])


@pytest.mark.parametrize(
    "modules",
    [
        "imdbclust, imdbclust.cli",
        # an interrupted command tidies up with it, when half a library may have been imported
        "imdbclust.running.store",
    ],
)
def test_importing_the_package_imports_nothing_heavy(modules):
    code = (
        f"import sys, {modules};"
        "heavy = {'pandas', 'numpy', 'sklearn', 'matplotlib', 'papermill'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_environment_names_python_pip_and_this_package_only():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert re.fullmatch(r"python=3\.\d+\.\d+", python)
    assert pip == "pip"
    assert packages == {"pip": ["-e ."]}


def test_the_lock_pins_everything_with_hashes_and_names_no_host():
    lock = (REPOSITORY / "requirements.lock").read_text()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    for name in (re.match(r"[A-Za-z0-9-]+", requirement)[0] for requirement in wanted):
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name
    assert "://" not in lock
    assert "index" not in lock.replace("python-index", "")
    pins = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)


def test_the_fallback_installer_is_pinned_like_the_rest():
    uv = (REPOSITORY / "requirements-uv.lock").read_text()
    assert uv.split()[0] in (REPOSITORY / "requirements.lock").read_text().split()


def test_what_git_checks_before_a_commit_is_what_make_lint_checks_and_needs_no_internet():
    makefile = (REPOSITORY / "Makefile").read_text()
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    checked = [line.split("$(BIN)/")[1].split(" -")[0].split(" .")[0] for line in lint.splitlines()]
    hooks = []
    for source in yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]:
        assert source["repo"] == "local"
        hooks += source["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["entry"].removeprefix(".venv/bin/").split(" -")[0] for hook in hooks] == checked
