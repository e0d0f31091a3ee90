"""Whatever the disk does: what was published stays or the new is whole, and a sentence says why.

Every operation on files fails once, in every way, and the process is killed there: at the N-th
for N = 1, 2, ... Each case makes one of two things in the place of the other.
"""

import errno
import functools
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import pytest
from faults import ERRORS, KILL, Disk, killed_at, notebooks_that_cost_nothing, tree
from imdb_files import put, rows_of

from imdbclust.base import disk
from imdbclust.base.paths import REPOSITORY
from imdbclust.commands import cli
from imdbclust.datasets import download, imdb_dumps, imdb_tables
from imdbclust.datasets import find as datasets
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.datasets.registry import Entry, Source
from imdbclust.load import write_corpus
from imdbclust.running import execute, parameters, plan, publish, run, sources, store, sweep
from imdbclust.running.pages import report as html
from imdbclust.running.store import PART, RECORD

NUMBERS = "artifact/numbers.bin"

N_POINTS = 500
"""Minimum number of operations that fail, in all cases together."""


class StandingClock(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, zone):
        return cls(2024, 5, 1, tzinfo=zone)


@pytest.fixture(scope="module")
def cheap():
    """Notebooks and pages that cost nothing, and a clock that stands still."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _make_cheap(monkeypatch)
        yield


def _make_cheap(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # it is counted only: no test loses power
    monkeypatch.setattr(execute, "_run_papermill", notebooks_that_cost_nothing)
    for module in (execute, plan, run):
        if hasattr(module, "declared_in"):
            monkeypatch.setattr(module, "declared_in", functools.cache(parameters.declared_in))
    monkeypatch.setattr(plan, "code_cells", functools.cache(plan.code_cells))
    monkeypatch.setattr(parameters, "presets", functools.cache(parameters.presets))
    monkeypatch.setattr(parameters, "declared", functools.cache(parameters.declared))
    for module in (run, sweep):
        monkeypatch.setattr(module, "films_of", lambda *_: None)
        monkeypatch.setattr(module, "check_possible", lambda *_: None)
    monkeypatch.setattr(publish, "commit", dict)
    for module in (execute, run, sweep):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.0))
    for module in (publish, download, imdb_dumps, imdb_tables):
        monkeypatch.setattr(module, "datetime", StandingClock)
    monkeypatch.setattr(html, "_stage_page", lambda *_: "page")
    monkeypatch.setattr(html, "_index_page", page_that_says_little)
    monkeypatch.setattr(html, "check_page", lambda *_, **__: [])
    monkeypatch.setattr(sweep, "render_sweep", lambda new, _: (new / "index.html").write_text("i"))


def page_that_says_little(folder, manifest, pages, siblings):
    keys = [entry["key"] for one in (manifest, *siblings) for entry in one["stages"]]
    return f"{keys} {sorted(path.name for path in folder.glob('*.csv'))}"


# what is made, the one (0) or the other (1), by a command whose exit code is returned


def films(path, seed=0):
    write_corpus(make_filmography(20, 20, random_state=seed).corpus, path)


def make_run(root, which, name="a", preset="seed"):
    call = ["run", "--dataset", str(root / "films.jsonl"), "--out", str(root / "out")]
    call += ["--name", name, "--preset", preset, "--engine", "plain"]
    return cli.main([*call, "-p", "n_clusters", str(6 + which)])


def prepare_runs(root):
    """Run the other preset, so that its index is made anew whenever there is one beside it."""
    films(root / "films.jsonl")
    for which in (0, 1):
        make_run(root, which, f"b{which}", "recommended")


def damage_stages(root):
    for path in (root / "out" / "stages").glob("05*/artifact/numbers.bin"):
        path.write_bytes(b"damaged")


def prepare_sweeps(root):
    films(root / "films.jsonl")
    for which in (0, 1):
        (root / f"s{which}.yml").write_text(f"grid: {{n_clusters: [{4 + which}]}}\n")


def make_sweep(root, which):
    call = ["sweep", str(root / f"s{which}.yml"), "--dataset", str(root / "films.jsonl")]
    call += ["--out", str(root / "out"), "--name", "s", "--workers", "1", "--engine", "plain"]
    return cli.main(call)


def make_sample(root, which, to="films.jsonl.gz", *more):
    size = ("--movies", "20", "--actors", "20", "--random-state", str(which))
    return cli.main(["sample", "--to", str(root / to), *size, *more])


def prepare_films(root):
    for which in (0, 1):
        films(root / f"in{which}.jsonl", which)
        about = {"licence": f"terms {which}", "url": f"at {which}"}
        (root / f"in{which}.jsonl.source.json").write_text(json.dumps(about))
        (root / f"in{which}.csv").write_text(f"title,actor\nA{which},B\nC,B\n")
        corpus = make_filmography(20, 20, random_state=which).corpus
        put(root / f"dumps{which}", rows_of(corpus))


def make_merged(root, which):
    return cli.main(["merge", str(root / f"in{which}.jsonl"), "--to", str(root / "to.jsonl")])


def make_of_table(root, which):
    return cli.main(["import", str(root / f"in{which}.csv"), "--to", f"{root}/to.jsonl"])


def make_of_dumps(root, which):
    call = ["import-imdb", str(root / f"dumps{which}"), "--to", str(root / "to.jsonl")]
    return cli.main([*call, "--any-year", "--min-movies", "1", "--min-cast", "0"])


def make_fetched(root, which):
    content = f"films {which}".encode() * 100
    digest = hashlib.sha256(content).hexdigest()
    entry = Entry("wiki/a.json", "https://example.invalid/a.json", "sha256", digest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "DATA", root / "data")
        patch.setattr(datasets, "IMDB", Source("imdb", "", "terms", "at", (entry,)))
        patch.setattr(download, "download", lambda url, path: path.write_bytes(content))
        return cli.main(["fetch", "imdb"])


def make_changing(root, which):
    entries = (Entry("d/a.gz", "https://x.invalid/a", "none", ""),)
    content = gzip.compress(b"dump %d" % which, mtime=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "DATA", root / "data")
        patch.setattr(datasets, "IMDB_DUMPS", Source("imdb-dumps", "", "t", "at", entries))
        patch.setattr(download, "FRESH", timedelta(0))
        patch.setattr(download, "download", lambda url, path, most: path.write_bytes(content))
        return cli.main(["fetch", "imdb-dumps"])


def nothing(root):
    pass


@dataclass(frozen=True)
class Case:
    """Something that is published.

    Attributes
    ----------
    prepare, make : callable
        Lay out what is read; make the one or the other in the place of the other or the one.
    whole : str
        Patterns of the folders and files that each appear at once.
    stride : int
        In the default suite, only every `stride`-th operation fails.
    damage, damaged
        Spoil something before it is made, and the pattern of what is spoilt and may be gone.
    """

    prepare: Callable
    make: Callable
    whole: str
    stride: int = 1
    damage: Callable = nothing
    damaged: str = ""

    def pieces(self, found):
        """Group the files of a tree by what appears at once; what is in the making is left out."""
        patterns = [pattern.split("/") for pattern in self.whole.split()]
        pieces = {}
        for name, content in found.items():
            parts = name.split("/")
            for pattern in patterns:
                head = parts[: len(pattern)]
                place = "/".join(head)
                named = fnmatch(place, "/".join(pattern)) and "/." not in f"/{place}"
                if len(head) == len(pattern) and named:
                    pieces.setdefault(place, {})[name] = content
        return pieces


CASES = {
    "run": Case(prepare_runs, make_run, "out/a out/stages/*", 5),
    "stage": Case(
        prepare_runs, make_run, "out/a out/stages/*", 12, damage_stages, "out/stages/05*"
    ),
    "sweep": Case(prepare_sweeps, make_sweep, "out/s out/stages/*", 24),
    "sample": Case(nothing, make_sample, "films.jsonl.gz"),
    "dumps": Case(
        nothing, lambda root, which: make_sample(root, which, "d", "--format", "dumps"), "d/*"
    ),
    "merge": Case(prepare_films, make_merged, "to.jsonl*"),
    "table": Case(prepare_films, make_of_table, "to.jsonl"),
    "import": Case(prepare_films, make_of_dumps, "to.jsonl*", 6),
    "fetch": Case(nothing, make_fetched, "data/*/*"),
    "changing": Case(nothing, make_changing, "data/*/*"),
}


@pytest.fixture(scope="module", params=CASES)
def made(request, cheap, tmp_path_factory):
    """A case that has made both, what is there then, and the operations of each."""
    case, tmp_path = CASES[request.param], tmp_path_factory.mktemp(request.param)
    case.prepare(tmp_path)
    trees, operations = {}, {}
    for which in (0, 1, 0, 1):
        case.damage(tmp_path)
        with Disk() as disk:
            assert case.make(tmp_path, which) == cli.DONE
        trees[which], operations[which] = tree(tmp_path), disk.done
    return case, tmp_path, trees, operations


def disturb(case, root, which, number, error, said):
    """Make something while an operation fails; return the exit code, or None."""
    if error == KILL:
        assert killed_at(number, lambda: case.make(root, which))
        return None
    said()
    with Disk(number, error) as disk:
        code = case.make(root, which)
    assert disk.reached
    text = said().err
    assert "Traceback" not in text
    if code != cli.DONE:
        assert code == (cli.WRONG if "cannot be written there" in text else cli.FAILED)
        assert [line for line in text.splitlines() if line.startswith("imdbclust: ")]
        assert os.strerror(error) in text
        assert str(root) in text
    return code


def is_failed_run(piece, error):
    """Tell whether this is a whole report that says which error of the disk it was."""
    manifest = next((text for name, text in piece.items() if name.endswith("manifest.json")), "{}")
    manifest = json.loads(manifest)
    whole = any(name.endswith("index.html") for name in piece)
    failed = whole and manifest.get("status") == "failed"
    return failed and error and os.strerror(error) in manifest["error"]["message"]


def try_points(made, error, numbers, said):
    """Have operations fail, one each time, and go on; return how many were."""
    case, root, trees, operations = made
    which = 0
    assert case.make(root, 1) == cli.DONE
    for number in numbers:
        case.damage(root)
        code = disturb(case, root, which, number, error, said)
        there = case.pieces(tree(root))
        assert case.make(root, which) == cli.DONE
        at = (number, *operations[which][number - 1])
        assert tree(root) == trees[which], at
        before, after = case.pieces(trees[1 - which]), case.pieces(trees[which])
        assert code != cli.DONE or there == after, at
        for name in before.keys() | there.keys():
            piece = there.get(name)
            if not fnmatch(name, case.damaged):
                same = piece in (before.get(name), after[name])
                assert same or is_failed_run(piece, error), (at, name)
            elif piece not in (None, before.get(name), after[name]):
                assert is_damaged(piece), (at, name)
        which = 1 - which
    return len(numbers)


def is_damaged(piece):
    return b"damaged" in piece.values()


def numbers_of(made, error):
    """Return the operations that fail in the default suite: with each error others."""
    case, _, _, operations = made
    return range(1 + ERRORS.index(error) % case.stride, count_of(operations) + 1, case.stride)


def count_of(operations):
    return min(map(len, operations.values()))


by_error = pytest.mark.parametrize(
    "error", ERRORS, ids=[errno.errorcode.get(error, "KILL") for error in ERRORS]
)
TRIED = {}


@by_error
def test_whatever_fails_what_was_there_stays_or_the_new_is_whole(made, error, capsys, request):
    TRIED[request.node.name] = try_points(made, error, numbers_of(made, error), capsys.readouterr)


def test_enough_operations_failed(request):
    if len(TRIED) < len(CASES) * len(ERRORS):
        pytest.skip("not all cases were run")
    assert sum(TRIED.values()) >= N_POINTS


@pytest.mark.slow
@by_error
def test_every_operation_may_fail(made, error, capsys):
    every = range(1, count_of(made[3]) + 1)
    assert try_points(made, error, every, capsys.readouterr) == len(every)


def test_files_are_on_the_disk_before_they_get_their_names_and_these_before_it_is_reported(made):
    """A kill cannot see it, a loss of power can."""
    for done in made[3].values():
        published = 0
        for number, (what, where) in enumerate(done):
            *parents, name = Path(where).parts
            being_made = any(
                part.startswith(PART) for part in parents
            )  # unfinished folders are not read
            if what not in ("replace", "rename", "exchange") or being_made or name[0] != ".":
                continue
            before = {path for act, path in done[:number] if act == "fsync"}
            after = {path for act, path in done[number:] if act == "fsync"}
            gone = {path for act, path in done[:number] if act in ("rmdir", "unlink")}
            inside = {
                path
                for act, path in done[:number]
                if act in ("open", "mkdir") and path.startswith(f"{where}/")
            }
            inside = {path for path in inside - gone if not path.endswith(".part")}
            assert bool(inside) == (what != "replace")
            assert inside | {where} <= before
            assert str(Path(where).parent) in after
            published += 1
        assert published


# what somebody, or the disk, did to what was published


@pytest.fixture
def ran(cheap, tmp_path):
    """A run that has ended, beside stages of another, and the folder of its clustering."""
    films(tmp_path / "films.jsonl")
    for which in (1, 0, 0):
        assert make_run(tmp_path, which) == cli.DONE
    return tmp_path, stage_of(tmp_path)


def stage_of(root, stage=3):
    entry = json.loads((root / "out" / "a" / "manifest.json").read_text())["stages"][stage]
    return root / "out" / "stages" / f"{entry['stage']}-{entry['key']}"


def entries_of(root):
    return json.loads((root / "out" / "a" / "manifest.json").read_text())["stages"]


def change(path, how):
    content = bytearray(path.read_bytes())
    path.write_bytes(how(content))


def flip(content):
    content[len(content) // 2] ^= 1
    return content


def swap(folder):
    """Put what another run left into the place of a stage."""
    [other] = (path for path in folder.parent.glob("04*") if path != folder)
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


def of_another_version(record):
    return json.dumps(json.loads(record) | {"format": plan.FORMAT + 1}).encode()


DAMAGE = {
    "flipped": (lambda at: change(at / NUMBERS, flip), f"stored {NUMBERS} was modified"),
    "cut": (
        lambda at: change(at / NUMBERS, lambda old: old[:-1]),
        f"stored {NUMBERS} was modified",
    ),
    "emptied": (lambda at: change(at / NUMBERS, lambda _: b""), f"stored {NUMBERS} was modified"),
    "gone": (lambda at: (at / NUMBERS).unlink(), f"{NUMBERS} is missing"),
    "added": (lambda at: (at / "extra.csv").touch(), "stored extra.csv was modified"),
    "swapped": (swap, "the stored stage is of another execution"),
    "no record": (lambda at: (at / RECORD).unlink(), "the stored stage cannot be read"),
    "a cut record": (
        lambda at: change(at / RECORD, lambda old: old[:40]),
        "the stored stage cannot be read",
    ),
    "an empty record": (
        lambda at: (at / RECORD).write_bytes(b""),
        "the stored stage cannot be read",
    ),
    "binary record": (
        lambda at: (at / RECORD).write_bytes(b"\xff\x00"),
        "the stored stage cannot be read",
    ),
    "a list": (
        lambda at: (at / RECORD).write_text("[]"),
        "the stored record.json is not a valid record",
    ),
    "no hashes": (
        lambda at: (at / RECORD).write_text("{}"),
        "the stored record.json is not a valid record",
    ),
    "other version": (lambda at: change(at / RECORD, of_another_version), "of another version"),
    "a file": (
        lambda at: (shutil.rmtree(at), at.write_text("x")),
        "the stored stage cannot be read",
    ),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_recomputed_and_reported(damage, says, ran, capsys):
    root, folder = ran
    undamaged = tree(root)
    damage(folder)
    capsys.readouterr()
    assert make_run(root, 0) == cli.DONE
    assert re.search(rf"04_clustering .*\(recomputed: .*{says}\)", capsys.readouterr().err)
    entries = entries_of(root)
    assert [entry["reused"] for entry in entries] == [True, True, True, False, True]
    assert says in entries[3]["replaced"]
    assert not any(entry["replaced"] for entry in entries[:3] + entries[4:])
    assert tree(root) == undamaged


def test_a_sweep_reports_what_is_damaged(ran, capsys):
    root, _ = ran
    prepare_sweeps(root)
    assert make_sweep(root, 0) == cli.DONE
    [matrix] = (root / "out" / "stages").glob("02*")
    change(matrix / NUMBERS, flip)
    capsys.readouterr()
    assert make_sweep(root, 0) == cli.DONE
    assert f"02_matrix done (recomputed: stored {NUMBERS} was modified)" in capsys.readouterr().err
    manifest = json.loads((root / "out/s/settings/1/manifest.json").read_text())
    assert NUMBERS in manifest["stages"][1]["replaced"]


@pytest.mark.parametrize("years", [-30, 30], ids=["past", "future"])
def test_no_clock_decides_what_is_computed(years, ran):
    root, _ = ran
    now = root.stat().st_mtime
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, times=(now, now + years * 365 * 86400 - number * 1000))
    assert make_run(root, 0) == cli.DONE
    assert all(entry["reused"] for entry in entries_of(root))


def test_other_films_under_the_same_name_are_read(ran):
    root, _ = ran
    films(root / "films.jsonl", seed=5)
    assert make_run(root, 0) == cli.DONE
    assert not any(entry["reused"] for entry in entries_of(root))


@pytest.mark.parametrize(("kind", "n_reused"), [("code", 3), ("markdown", 5)])
def test_an_edited_notebook_is_executed_again_unless_only_its_text_has_changed(
    kind, n_reused, ran, tmp_path, monkeypatch
):
    root, _ = ran
    real, edited = plan.notebook_of("clustering"), tmp_path / "04_clustering.ipynb"
    notebook = json.loads(real.read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == kind)
    cell["source"] = ["x = 1\n", *cell["source"]]
    edited.write_text(json.dumps(notebook), encoding="utf-8")
    monkeypatch.setattr(plan, "code_cells", sources.code_cells)
    replaced = {"clustering": edited}
    notebook_of = plan.notebook_of
    monkeypatch.setattr(plan, "notebook_of", lambda stage: replaced.get(stage, notebook_of(stage)))
    assert make_run(root, 0) == cli.DONE
    assert [entry["reused"] for entry in entries_of(root)] == [*[True] * n_reused, *[False] * 2][:5]


@pytest.mark.parametrize(
    ("edited", "first"),
    [
        ("reduction.py", 2),
        ("films/problems.py", 0),
        ("load.py", 0),
        ("running/execute.py", 0),
        ("running/pages/report.py", 5),
        ("running/pages/templates/report/index.html.j2", 5),
        ("running/alone.py", 5),
        ("running/sweep.py", 5),
        ("commands/cli.py", 5),
        ("bench/__init__.py", 5),
    ],
)
def test_an_edited_file_of_the_package_is_followed_by_the_stages_that_import_it(
    edited, first, ran, monkeypatch, tmp_path
):
    """The stages from the `first` on are executed again, and no others."""
    root, _ = ran
    shutil.copytree(REPOSITORY / "imdbclust", tmp_path / "imdbclust")
    monkeypatch.setattr(sources, "PACKAGE", tmp_path / "imdbclust")
    forget_sources()
    try:
        with (tmp_path / "imdbclust" / edited).open("a") as file:
            file.write("\n# more\n")
        assert make_run(root, 0) == cli.DONE
    finally:
        forget_sources()
    reused = [entry["reused"] for entry in entries_of(root)]
    assert reused == [place < first for place in range(5)]


def forget_sources():
    for function in (sources.modules_hash, sources._imports_of, sources._file, sources._lazy):
        function.cache_clear()


# places that cannot be


def test_below_a_file_there_can_be_no_reports(ran, capsys):
    root, _ = ran
    (root / "file").write_text("mine")
    call = ["run", "--dataset", str(root / "films.jsonl"), "--out", str(root / "file" / "reports")]
    assert cli.main([*call, "--engine", "plain"]) == cli.WRONG
    [line] = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith(f"imdbclust: {root / 'file' / 'reports'}: reports cannot be written")
    assert "Not a directory; choose another folder" in line
    assert (root / "file").read_text() == "mine"


def test_a_file_of_the_name_of_a_run_stays(ran, capsys):
    root, _ = ran
    (root / "out" / "mine").write_text("mine")
    assert make_run(root, 0, "mine") == cli.WRONG
    assert f"{root / 'out' / 'mine'} exists and is not a run" in capsys.readouterr().err
    assert (root / "out" / "mine").read_text() == "mine"


@pytest.mark.parametrize("stage", ["load", "reduction", "probabilities"])
def test_a_folder_that_somebody_removes_meanwhile_fails_the_run_and_no_more(
    stage, ran, monkeypatch, capsys
):
    root, _ = ran
    whole = tree(root / "out" / "a")

    def removed(planned, attempt, *more, **options):
        if planned.stage == stage:
            shutil.rmtree(root / "out")
        return notebooks_that_cost_nothing(planned, attempt, *more, **options)

    shutil.rmtree(root / "out")
    with monkeypatch.context() as patch:
        patch.setattr(execute, "_run_papermill", removed)
        assert make_run(root, 0) == cli.FAILED
    said = capsys.readouterr().err
    assert "No such file or directory" in said
    assert str(root / "out") in said
    assert "Traceback" not in said
    assert make_run(root, 0) == cli.DONE
    assert tree(root / "out" / "a") == whole


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS], ids=["file system", "system"])
def test_where_folders_cannot_be_exchanged_they_are_replaced_all_the_same(code, ran, monkeypatch):
    root, _ = ran
    zero = tree(root / "out" / "a")

    def cannot(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(disk, "exchange", cannot)
    assert make_run(root, 1) == cli.DONE
    one = tree(root / "out" / "a")
    assert one != zero
    real = os.rename

    def not_there(old, new):
        if str(new) == str(root / "out" / "a") and "-gone-" not in str(old):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", not_there)
        assert make_run(root, 0) == cli.FAILED
    assert tree(root / "out" / "a") == one
    assert not list((root / "out").glob(f"{PART}*"))


# a disk that is full, or that may only be read


@pytest.fixture(params=["run", "sweep", "sample", "merge", "table", "import"])
def on_its_own_disk(request, cheap, tmp_path):
    """A case on a small disk of its own, where one can be had."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    try:
        case = CASES[request.param]
        case.prepare(disk)
        for which in (0, 1, 0, 1):
            assert case.make(disk, which) == cli.DONE
        yield case, disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@contextmanager
def full(disk):
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(2**12)):
            pass
    yield
    ballast.unlink()


@contextmanager
def read_only(disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


STATES = {"full": (full, errno.ENOSPC), "read only": (read_only, errno.EROFS)}


@pytest.mark.parametrize(("state", "error"), STATES.values(), ids=STATES)
def test_a_disk_that_takes_nothing_leaves_what_was_there(state, error, on_its_own_disk, capsys):
    case, disk = on_its_own_disk
    before = tree(disk)
    with state(disk):
        capsys.readouterr()
        code = case.make(disk, 0)
        said = capsys.readouterr().err
    assert code == (cli.WRONG if "cannot be written there" in said else cli.FAILED)
    assert tree(disk) == before
    line = said.splitlines()[-1]
    assert line.startswith(f"imdbclust: {disk}")
    assert os.strerror(error) in line
    assert case.make(disk, 0) == cli.DONE
    assert case.make(disk, 1) == cli.DONE
    assert tree(disk) == before


# what a killed one leaves


def test_only_abandoned_files_and_folders_are_removed(tmp_path):
    (tmp_path / f"{PART}x-killed" / "artifact").mkdir(parents=True)
    (tmp_path / ".to.jsonl.0123abcd.part").write_bytes(b"killed")
    to = tmp_path / "to.jsonl"
    with store.unfinished(tmp_path, "x") as used, disk.replacing(to) as first:
        first.write(b"first")
        with disk.replacing(to) as second:
            second.write(b"second")
        assert to.read_bytes() == b"second"
        store.tidy(tmp_path, patience=0)
        assert used.is_dir()
        assert len(list(tmp_path.iterdir())) == 3
    assert to.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [to]


# two at once


@contextmanager
def another_process(act):
    """Do something in a process beside this one; it has to succeed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 99
        try:
            code = act()
        finally:
            os._exit(code)
    yield
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_of_two_runs_with_one_name_one_is_there_whole_at_any_moment(ran):
    root, _ = ran
    wholes = {}
    for which in (1, 0):
        make_run(root, which)
        wholes[which] = tree(root / "out" / "a")
    ended = root / "ended"

    def again():
        codes = {make_run(root, 1) for _ in range(8)}
        ended.touch()
        return max(codes)

    with another_process(again):
        while not ended.exists():
            assert make_run(root, 0) == cli.DONE
            assert (root / "out" / "a" / "manifest.json").is_file()
    assert tree(root / "out" / "a") in wholes.values()
    assert not list((root / "out").glob(f"{PART}*"))


def test_two_sweeps_at_once_share_stages_and_each_is_whole(ran):
    root, _ = ran
    prepare_sweeps(root)
    shutil.rmtree(root / "out")
    (root / "s2.yml").write_text("grid: {n_clusters: [4, 5, 6]}\n")
    call = ["sweep", str(root / "s2.yml"), "--dataset", str(root / "films.jsonl")]
    call += ["--out", str(root / "out"), "--workers", "1", "--engine", "plain"]
    with another_process(lambda: cli.main([*call, "--name", "one"])):
        assert cli.main([*call, "--name", "other"]) == cli.DONE
    alone = ["--name", "alone", "--out", str(root / "alone")]
    assert cli.main([*call, *alone]) == cli.DONE
    results = (root / "alone" / "alone" / "results.csv").read_bytes()
    for name in ("one", "other"):
        assert (root / "out" / name / "results.csv").read_bytes() == results
    assert tree(root / "out" / "stages") == tree(root / "alone" / "stages")
    assert not list((root / "out").rglob(f"{PART}*"))
