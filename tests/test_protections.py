"""Every protection is worth a test: taken away, one of the default suite fails.

Each is taken away in a copy of the repository, and only the test that has to notice is run there.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from imdbclust.base.paths import REPOSITORY

PARTS = ("imdbclust", "tests", "notebooks", "pyproject.toml", "README.md", "data/README.md")


@dataclass(frozen=True)
class Protection:
    """A piece of the source that protects from something.

    Attributes
    ----------
    file : str
        Where it stands, once.
    piece, without : str
        It, and what stands there when it is taken away.
    test : str
        What has to fail then.
    """

    file: str
    piece: str
    without: str
    test: str


ON_DISK = (
    "tests/test_faults.py::"
    "test_files_are_on_the_disk_before_they_get_their_names_and_these_before_it_is_reported"
)
FAULTS = (
    "tests/test_faults.py::test_whatever_fails_what_was_there_stays_or_the_new_is_whole[{}-KILL]"
)
REFUSED = "tests/test_running.py::test_what_cannot_work_is_refused_before_it_starts[{}]"
WRONG = "tests/test_running.py::test_a_wrong_value_is_refused_with_a_sentence[{}]"
DAMAGED = "tests/test_faults.py::test_what_is_damaged_is_recomputed_and_reported[{}]"

PROTECTIONS = {
    "a file is renamed when it is whole": Protection(
        "imdbclust/base/disk.py",
        'with part_of(path) as part, part.open("wb") as file:',
        'with path.open("wb") as file:',
        FAULTS.format("sample"),
    ),
    "a run takes the place of another in one step": Protection(
        "imdbclust/running/store.py",
        "        disk.exchange(new, target)\n",
        "        discard(target)\n        new.rename(target)\n",
        FAULTS.format("run"),
    ),
    "hashes of artifacts": Protection(
        "imdbclust/running/store.py",
        "sorted(n for n in written.keys() | found if written.get(n) != found.get(n)):",
        "[]:",
        DAMAGED.format("flipped"),
    ),
    "keys of artifacts": Protection(
        "imdbclust/running/store.py",
        'if record.get("key") != key:',
        "if False:",
        DAMAGED.format("swapped"),
    ),
    "names of runs": Protection(
        "imdbclust/running/run.py",
        "if not usual or reserved or name.lower() in NOT_NAMES:",
        "if False:",
        REFUSED.format("arguments6-cannot be the name of a run"),
    ),
    "names of parameters": Protection(
        "imdbclust/running/parameters.py",
        "if name not in parameters or name in ALONE:",
        "if False:",
        WRONG.format("n_cluster-8-did you mean n_clusters"),
    ),
    "ranges of parameters": Protection(
        "imdbclust/running/parameters.py",
        "self.low <= value <= self.high and math.isfinite(value)",
        "True",
        WRONG.format("n_clusters-0-at least 1, not 0"),
    ),
    "movies are clustered in the order of their ids": Protection(
        "imdbclust/clustering.py",
        "order = np.argsort(embedding.movie_ids)",
        "order = np.arange(len(embedding.movie_ids))",
        "tests/test_clustering.py::test_the_order_of_movies_does_not_matter_to_k_means",
    ),
    "movies and actors are reduced in the order of their ids": Protection(
        "imdbclust/reduction.py",
        "movies, actors = np.argsort(incidence.movie_ids), np.argsort(incidence.actor_ids)",
        "movies, actors = (np.arange(n) for n in incidence.matrix.shape)",
        "tests/test_reduction.py::test_the_order_of_movies_and_actors_makes_no_difference_in_the_last_bit_by_degree",
    ),
    "no mathematics in figures": Protection(
        "imdbclust/plots.py",
        '["axes.spines.top", "axes.spines.right", "text.parse_math"], False)',
        '["axes.spines.top", "axes.spines.right"], False)',
        "tests/test_plots.py::test_text_with_dollars_is_no_formula",
    ),
    "text in tables is escaped": Protection(
        "imdbclust/display/render.py",
        "escape(_cut(text).translate(_PICTURES))",
        "_cut(text).translate(_PICTURES)",
        "tests/test_pages.py::test_text_in_a_cell_a_heading_and_a_caption_is_text",
    ),
    "no formulas in CSV": Protection(
        "imdbclust/display/csv_files.py",
        "safe = _texts(frame, guard)",
        "safe = frame",
        "tests/test_csv_files.py::test_a_table_of_hostile_text_comes_back",
    ),
    "a file is on the disk before its name": Protection(
        "imdbclust/base/disk.py",
        "        fsync(part)\n",
        "",
        f"{ON_DISK}[sample]",
    ),
    "a name is on the disk before it is reported": Protection(
        "imdbclust/base/disk.py",
        "        fsync(path.parent)\n",
        "",
        f"{ON_DISK}[sample]",
    ),
    "a stage is on the disk before its name": Protection(
        "imdbclust/running/store.py",
        "        disk.fsync_all(attempt)\n",
        "",
        f"{ON_DISK}[stage]",
    ),
    "the name of a stage is on the disk before it is reported": Protection(
        "imdbclust/running/store.py",
        "        disk.fsync(self.folder)\n",
        "",
        f"{ON_DISK}[stage]",
    ),
    "a run is on the disk before its name": Protection(
        "imdbclust/running/store.py",
        "    disk.fsync_all(new)\n",
        "",
        f"{ON_DISK}[run]",
    ),
    "the name of a run is on the disk before it is reported": Protection(
        "imdbclust/running/store.py",
        "    disk.fsync(target.parent)\n",
        "",
        f"{ON_DISK}[run]",
    ),
    "gzip that grows without measure": Protection(
        "imdbclust/films/opening.py",
        "if self._size > max(FREE_BYTES, self._limit * self._raw.tell()):",
        "if False:",
        "tests/test_bad_films.py::test_gzip_that_grows_without_measure_is_refused[films.jsonl.gz]",
    ),
    "a lock on what is being made": Protection(
        "imdbclust/base/disk.py",
        "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "        pass\n",
        "tests/test_faults.py::test_only_abandoned_files_and_folders_are_removed",
    ),
    "errors of the disk are sentences": Protection(
        "imdbclust/commands/cli.py",
        "            return say(_describe(error, call), FAILED)\n",
        "            raise\n",
        "tests/test_faults.py::"
        "test_whatever_fails_what_was_there_stays_or_the_new_is_whole[run-ENOSPC]",
    ),
}


@pytest.mark.parametrize("one", PROTECTIONS.values(), ids=PROTECTIONS)
def test_each_piece_stands_once_in_the_source_and_its_test_is_there(one):
    assert (REPOSITORY / one.file).read_text(encoding="utf-8").count(one.piece) == 1
    file, name = re.match(r"(.+)::(\w+)", one.test).groups()
    assert f"\ndef {name}(" in (REPOSITORY / file).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the repository in which all the tests of the table pass."""
    folder = tmp_path_factory.mktemp("repository")
    for part in PARTS:
        there = REPOSITORY / part
        if there.is_dir():
            shutil.copytree(there, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif there.exists():
            (folder / part).parent.mkdir(exist_ok=True)
            shutil.copyfile(there, folder / part)
    tests = sorted({one.test for one in PROTECTIONS.values()})
    assert run_tests(folder, *tests) == pytest.ExitCode.OK
    return folder


def run_tests(folder, *tests):
    """Run some tests of a copy, and return the exit code of pytest."""
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-x",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, *tests],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    print(done.stdout[-2000:])
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("one", PROTECTIONS.values(), ids=PROTECTIONS)
def test_without_it_a_test_fails(one, copy):
    path = copy / one.file
    with_it = path.read_text(encoding="utf-8")
    path.write_text(with_it.replace(one.piece, one.without), encoding="utf-8")
    try:
        assert run_tests(copy, one.test) == pytest.ExitCode.TESTS_FAILED
    finally:
        path.write_text(with_it, encoding="utf-8")
