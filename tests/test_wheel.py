"""The wheel works by itself: installed into a fresh environment, used in an empty folder."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from imdbclust.base.paths import NOTEBOOKS, REPOSITORY

pytestmark = pytest.mark.slow
SMALL = ("-p", "n_clusters", "6", "-p", "n_components", "8", "-p", "n_init", "2",
         "-p", "evaluation", "off", "-p", "map_max_movies", "40")  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    assert list(folder.glob("imdbclust-*.tar.gz"))
    [path] = folder.glob("imdbclust-*.whl")
    return path


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory) -> Path:
    """Install the program in a new, read-only environment, with the libraries of this one."""
    environment = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
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


def call(program, folder, *words):
    names = ("PYTHONPATH", "IMDBCLUST_DATA", "IMDBCLUST_REPORTS", "COVERAGE_PROCESS_CONFIG")
    environment = {name: text for name, text in os.environ.items() if name not in names}
    environment |= {"HOME": str(folder.parent), "BROWSER": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("XDG_DATA_HOME", None)
    command = [str(program), *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


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


def test_the_installed_program_works_in_an_empty_folder(program, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    films = call(program, folder, "sample", "--to", "films.jsonl", "--movies", 300, "--actors", 240)
    assert films.returncode == 0, films.stderr
    run = call(program, folder, "run", "--dataset", "films.jsonl", *SMALL)
    assert run.returncode == 0, run.stderr
    page = folder / "reports" / "films-recommended" / "index.html"
    assert page.is_file()
    assert str(page) in run.stdout
    assert '"commit": null' in page.with_name("manifest.json").read_text()
    opened = call(program, folder, "open")
    assert (opened.returncode, opened.stdout) == (0, f"{page.as_uri()}\n")
    assigned = call(program, folder, "assign", "--genre", "Drama")
    assert assigned.returncode == 0, assigned.stderr
    assert "cluster: #" in assigned.stdout
    plan = call(program, folder, "sweep", "small.yml", "--dataset", "films.jsonl", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "4 settings" in plan.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["films.jsonl", "reports"]
