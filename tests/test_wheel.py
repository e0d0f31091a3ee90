"""The wheel works by itself, for a user who may not write to where it is installed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import pytest

from imdbclust.base.paths import NOTEBOOKS, REPOSITORY

NOBODY = 65534
SMALL = ("-p", "n_clusters", "6", "-p", "n_components", "8", "-p", "n_init", "2",
         "-p", "evaluation", "off", "-p", "map_max_movies", "40")  # fmt: skip
SWEEP = """\
preset: recommended
parameters: {n_components: 8, n_init: 2, evaluation: "off", map_max_movies: 40}
grid: {n_clusters: [4, 6]}
reports: none
"""
"""The settings of the run, and another one: stages of the run are used again."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    assert list(folder.glob("imdbclust-*.tar.gz"))
    [path] = folder.glob("imdbclust-*.whl")
    return path


@pytest.fixture(scope="module")
def user() -> dict:
    """Options of subprocess that give up the rights of root."""
    rights = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return rights if os.geteuid() == 0 else {}


@pytest.fixture(scope="module")
def place(user) -> Path:
    """A folder that all may read: those of pytest are for root only."""
    with tempfile.TemporaryDirectory(prefix="wheel-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def interpreter(user) -> str:
    """An interpreter of this version that can be used without root, with these libraries."""
    libraries = {"PYTHONPATH": sysconfig.get_path("purelib")}
    system = shutil.which(f"python{sysconfig.get_python_version()}", path="/usr/local/bin:/usr/bin")
    for python in (os.path.realpath(sys.executable), system):
        call = [python, "-c", "import numpy, sys; sys.exit(sys.argv[1] not in sys.version)"]
        how = {"env": libraries, "cwd": "/", "capture_output": True}
        with_version = [*call, f"{sysconfig.get_python_version()}."]
        try:
            if python and not subprocess.run(with_version, check=False, **how, **user).returncode:
                return python
        except OSError:
            continue
    pytest.skip("only root can use this interpreter or its libraries")


@pytest.fixture(scope="module")
def program(wheel, place, interpreter) -> Path:
    """Install the program in a new, read-only environment, with the libraries of this one."""
    environment = place / "venv"
    subprocess.run([interpreter, "-m", "venv", "--without-pip", str(environment)], check=True)
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--offline"]
    python = environment / "bin" / "python"
    subprocess.run([*install, "--python", str(python), str(wheel)], check=True)
    [packages] = environment.glob("lib/python3*/site-packages")
    # a line of a .pth file does not make the editable installation in that folder visible
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (environment / "share").symlink_to(Path(sysconfig.get_path("data")) / "share")  # templates
    subprocess.run(["chmod", "-R", "a-w", str(environment)], check=True)
    yield environment / "bin" / "imdbclust"
    subprocess.run(["chmod", "-R", "u+w", str(environment)], check=True)


@pytest.fixture
def call(program, place, user):
    """Call the program in an empty folder of a user who is not root."""
    folder = place / "home" / "empty"
    folder.mkdir(parents=True)
    names = ("PYTHONPATH", "IMDBCLUST_DATA", "IMDBCLUST_REPORTS", "COVERAGE_PROCESS_CONFIG",
             "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")  # fmt: skip
    environment = {name: text for name, text in os.environ.items() if name not in names}
    environment |= {"HOME": str(folder.parent), "BROWSER": "true"}
    if user:
        for one in (folder.parent, folder):
            os.chown(one, NOBODY, NOBODY)

    def call_it(*words):
        how = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
        return subprocess.run([str(program), *map(str, words)], check=False, **how, **user)

    call_it.folder = folder
    return call_it


def test_the_wheel_has_the_notebooks_and_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(one for one in names if one.endswith("/METADATA"))).decode()
    shipped = {f"imdbclust/notebooks/{path.name}" for path in NOTEBOOKS.glob("0?_*.ipynb")}
    assert len(shipped) == 6
    assert shipped | {"imdbclust/notebooks/presets.yml", "imdbclust/py.typed"} <= names
    assert not [one for one in names if one.startswith("tests/") or "/.ipynb_checkpoints" in one]
    assert "Classifier: Private :: Do Not Upload" in metadata
    assert "License" not in metadata
    assert "Project-URL" not in metadata


def test_the_installed_program_works_in_an_empty_folder(call, program):
    folder = call.folder
    films = call("sample", "--to", "films.jsonl", "--movies", 300, "--actors", 240)
    assert films.returncode == 0, films.stderr
    run = call("run", "--dataset", "films.jsonl", *SMALL)
    assert run.returncode == 0, run.stderr
    assert "arning" not in run.stderr
    page = folder / "reports" / "films-recommended" / "index.html"
    assert page.is_file()
    assert str(page) in run.stdout
    manifest = json.loads(page.with_name("manifest.json").read_text())
    assert manifest["commit"] is None
    if sys.platform == "linux":  # a busy machine may take too long to start the fork server
        notes = {stage["kernel_note"] for stage in manifest["stages"] if stage["kernel"] != "warm"}
        assert notes <= {"the fork server does not answer"}
    opened = call("open")
    assert (opened.returncode, opened.stdout) == (0, f"{page.as_uri()}\n")
    assigned = call("assign", "--genre", "Drama")
    assert assigned.returncode == 0, assigned.stderr
    assert "cluster: #" in assigned.stdout
    plan = call("sweep", "small.yml", "--dataset", "films.jsonl", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "4 settings" in plan.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["films.jsonl", "reports"]
    (folder / "two.yml").write_text(SWEEP)
    sweep = call("sweep", "two.yml", "--dataset", "films.jsonl", "--workers", 1)
    assert sweep.returncode == 0, sweep.stderr
    assert "arning" not in sweep.stderr
    assert str(folder / "reports" / "sweep-two" / "index.html") in sweep.stdout
    assert len(list((folder / "reports" / "stages").glob("0[45]_*"))) == 4
    made = [path for path in folder.rglob("*") if path.name not in ("two.yml", "empty")]
    assert len({path.stat().st_uid for path in made}) == 1
    assert not list(program.parents[1].rglob("__pycache__"))
