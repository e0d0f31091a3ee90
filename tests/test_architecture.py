"""The shape of the repository: who imports whom, one word a stage, one list of dependencies."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import yaml

from imdbclust.base.paths import NOTEBOOKS, REPOSITORY
from imdbclust.running.stages import READS, STAGES, notebook_of

PACKAGE = REPOSITORY / "imdbclust"
ORDER = ("load", "matrix", "reduction", "clustering", "probabilities")

ROOMS = {
    *ORDER,
    *("plots", "wording", "new_movies"),
    *("films", "datasets", "evaluation", "display", "running", "commands", "bench", "base"),
}
"""What stands at the root of the package, beside ``__init__`` and ``__main__``."""

MAY_IMPORT = {
    "base": set(),
    "films": {"base"},
    "load": {"base", "films"},
    "matrix": {"base", "load"},
    "reduction": {"base", "matrix"},
    "clustering": {"base", "load", "matrix", "reduction"},
    "probabilities": {"base", "load", "matrix", "clustering"},
    "plots": {"base"},
    "wording": {"base"},
    "new_movies": {"base", "wording", *ORDER},
    "datasets": {"base", "films", "load"},
    "display": {"base", "wording"},
    "evaluation": {"base", "display", "wording", "new_movies", *ORDER},
    "running": ROOMS - {"commands", "bench", "plots"},
    "bench": ROOMS - {"commands"},
    "commands": ROOMS,
    "__init__": ROOMS,
    "__main__": {"commands"},
}
"""The rooms from which each one may import; nothing imports from a room further along."""

MAX_LINES = 500
"""A longer module has to give its reason in its docstring: "One module, so that ..."."""


def modules() -> dict[str, Path]:
    """Return the path of every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def room_of(module: str) -> str:
    """Return the entry at the package's root that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def imported_by(module: str) -> set[str]:
    """Return the modules that one imports: at its top, in functions, for type checkers, lazily.

    A lazy re-export is a module's name, as a string, in a table of an ``__init__.py``.
    """
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in MODULES else node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return (names & MODULES.keys()) - {module, "imdbclust"}


IMPORTS = {module: imported_by(module) for module in MODULES}


def test_the_package_has_sixteen_rooms_and_no_more():
    entries = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert entries - {"__init__", "__main__", "__pycache__"} == ROOMS
    assert len(ROOMS) == 16


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_rooms_before_its_own(module):
    room = room_of(module)
    allowed = MAY_IMPORT[room] | {room}
    assert {one for one in IMPORTS[module] if room_of(one) not in allowed} == set()


def test_no_module_imports_itself_through_others():
    graph = TopologicalSorter(IMPORTS)
    try:
        graph.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_or_gives_its_reason(module):
    text = MODULES[module].read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_LINES or "One module, so that" in ast.get_docstring(
        ast.parse(text)
    )


@pytest.mark.parametrize("name", [name for name in MODULES if MODULES[name].stem == "__init__"])
def test_an_init_holds_a_docstring_and_lazy_exports_only(name):
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert functions <= {"__getattr__", "__dir__"}
    assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree))


def test_no_module_of_a_script_shadows_the_standard_library():
    for path in MODULES.values():
        if path.stem != "__init__" and "kernels" in path.parts:
            assert path.stem not in sys.stdlib_module_names, path


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
        "imdbclust, imdbclust.commands.cli",
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
    extras = project["optional-dependencies"]
    makefile = (REPOSITORY / "Makefile").read_text()
    locked = re.search(r"^EXTRAS := (.*)", makefile, re.MULTILINE)[1].split()
    assert {"dev", "bench", "workbooks", "graphs"} <= set(locked)  # else tests would be skipped
    wanted = project["dependencies"] + [one for name in locked for one in extras[name]]
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
