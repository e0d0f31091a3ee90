"""Stages that are in use stay, whatever happens; the rest is removed, and the command says it."""

import fcntl
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from conftest import SMALL, stages_of

from imdbclust.base.errors import Failure
from imdbclust.commands import cli
from imdbclust.commands.common import recommending_clean
from imdbclust.running import clean as cleaning
from imdbclust.running import run as running
from imdbclust.running.clean import in_use, looks_like_a_run, remove_unused, stages_used_by
from imdbclust.running.manifest import NotARun
from imdbclust.running.stages import STAGES
from imdbclust.running.store import Store

OLD = time.time() - 30 * 24 * 3600
NOTEBOOKS = [f"{number:02}_{stage}" for number, stage in enumerate(STAGES, start=1)]
FILMS = {"title": "Films", "sha256": "0" * 64}
ABOUT = {"status": "done", "commit": None, "versions": {}, "dataset": FILMS}


def make_stage(out, name, *, old=True, size=1000):
    """Make the folder of a finished stage of a certain size, last used a month ago."""
    folder = out / "stages" / name
    (folder / "artifact").mkdir(parents=True)
    (folder / "artifact" / "data.bin").write_bytes(b"x" * (size - 2))
    (folder / "record.json").write_text("{}")
    if old:
        os.utime(folder / "record.json", (OLD, OLD))
    return folder


def make_run(out, number, *, name=None, **manifest):
    """Make the folder of a run whose five stages are its own, and those stages."""
    name = name or f"run-{number:02}"
    keys = [f"{number:010x}{place:010x}" for place in range(5)]
    names = [f"{notebook}-{key}" for notebook, key in zip(NOTEBOOKS, keys, strict=True)]
    for one in names:
        make_stage(out, one)
    stages = [
        {"stage": notebook, "key": key, "headlines": [], "findings": []}
        for notebook, key in zip(NOTEBOOKS, keys, strict=True)
    ]
    stages[3]["headlines"] = [f"Finding of {name}, which is a long sentence " * 5]
    about = ABOUT | {
        "preset": "seed",
        "parameters": {},
        "started": f"2026-01-{number % 28 + 1:02}T12:00:00+00:00",
        "stages": stages,
    }
    write_manifest(out / name, about | manifest)
    return set(names)


def write_manifest(folder, manifest):
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "01_load.html").write_text("page")
    (folder / "index.html").write_text("index")


def make_sweep(out, number, n_settings):
    """Make a sweep: each setting has stages of its own, and the sweep one of its sixth notebook."""
    name = f"sweep-{number}"
    settings = [
        make_run(out / name / "settings" / "stages", 1000 * number + place, name="../" + str(place))
        for place in range(n_settings)
    ]
    (out / "stages").mkdir(exist_ok=True)
    for path in (out / name / "settings" / "stages" / "stages").iterdir():
        path.rename(out / "stages" / path.name)
    shutil.rmtree(out / name / "settings" / "stages")
    rows = [dict(name.split("-") for name in sorted(names)) for names in settings]
    lines = [["setting", *(f"key_{notebook}" for notebook in NOTEBOOKS)]]
    lines += [[str(place), *(row[one] for one in NOTEBOOKS)] for place, row in enumerate(rows, 1)]
    (out / name / "results.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    own = {"stage": "06_sweep", "key": f"{number:020x}", "headlines": [], "findings": ["Best: 8."]}
    manifest = ABOUT | {"stages": [own], "settings": n_settings, "axes": []}
    (out / name / "manifest.json").write_text(json.dumps(manifest))
    (out / name / "06_sweep.html").write_text("page")
    make_stage(out, f"06_sweep-{number:020x}")
    return set().union(*settings, {f"06_sweep-{number:020x}"})


def make_unused(out, n):
    names = [f"{NOTEBOOKS[number % 5]}-ff{number:018x}" for number in range(n)]
    for number, name in enumerate(names):
        make_stage(out, name, size=1000 + number)
    return set(names)


def make_reports(out, n_runs, n_unused):
    """Make a folder for reports; return it, the stages in use and the unused ones."""
    used = set().union(*(make_run(out, number) for number in range(1, n_runs + 1)))
    return out, used | make_sweep(out, 1, 3), make_unused(out, n_unused)


@pytest.fixture
def reports(tmp_path):
    return make_reports(tmp_path / "reports", n_runs=4, n_unused=10)


@pytest.fixture
def many_reports(tmp_path):
    return make_reports(tmp_path / "reports", n_runs=20, n_unused=100)


def stages_in(out):
    return {path.name for path in (out / "stages").iterdir()}


def clean(out, *words):
    return cli.main(["clean", "--out", str(out), *words])


# what is removed


def test_it_removes_what_no_run_uses_and_says_so(many_reports, capsys):
    out, used, _ = many_reports
    before = cleaning.folder_size(out)
    assert clean(out, "--dry-run") == cli.DONE
    assert capsys.readouterr().out == "would remove 100 unused stages, 105kB\n"
    assert cleaning.folder_size(out) == before
    assert clean(out) == cli.DONE
    assert capsys.readouterr().out == "removed 100 unused stages, 105kB\n"
    assert before - cleaning.folder_size(out) == 100 * 1000 + sum(range(100))
    assert stages_in(out) == used
    assert clean(out) == cli.DONE
    assert capsys.readouterr().out == "removed 0 unused stages, 0kB\n"


def test_a_real_run_still_has_all_its_stages(finished_run, tmp_path, capsys):
    out = tmp_path / "reports"
    for folder in (*stages_of(finished_run), finished_run):
        shutil.copytree(folder, out / folder.relative_to(finished_run.parent))
    unused = make_unused(out, 3)
    assert set(remove_unused(out, keep_days=0)) == unused
    assert cli.main(["assign", "small", "--out", str(out), "--genre", "Drama"]) == cli.DONE


def test_without_the_run_its_stages_are_removed(reports):
    out, used, _ = reports
    gone = stages_used_by(out / "run-02")
    shutil.rmtree(out / "run-02")
    remove_unused(out)
    assert stages_in(out) == used - gone


def test_all_settings_of_a_sweep_count_even_if_their_reports_were_removed(reports):
    out, used, _ = reports
    shutil.rmtree(out / "sweep-1" / "settings" / "1")
    remove_unused(out)
    assert stages_in(out) == used


def test_stages_that_were_used_lately_stay(tmp_path):
    make_stage(tmp_path, "01_load-aa")
    make_stage(tmp_path, "02_matrix-bb", old=False)
    two_days = time.time() - 2 * 24 * 3600
    os.utime(make_stage(tmp_path, "03_reduction-cc") / "record.json", (two_days, two_days))
    assert set(remove_unused(tmp_path)) == {"01_load-aa"}
    assert set(remove_unused(tmp_path, keep_days=1)) == {"03_reduction-cc"}
    assert set(remove_unused(tmp_path, keep_days=0)) == {"02_matrix-bb"}


def test_only_stages_are_removed(tmp_path):
    (tmp_path / "stages" / "thesis").mkdir(parents=True)
    (tmp_path / "stages" / "01_load-notes.txt").write_text("mine")
    (tmp_path / "stages" / "01_load-aa.bak").mkdir()
    assert remove_unused(tmp_path, keep_days=0) == {}
    assert stages_in(tmp_path) == {"thesis", "01_load-notes.txt", "01_load-aa.bak"}


def test_a_folder_without_stages_is_left_as_it_is(tmp_path, capsys):
    assert clean(tmp_path / "nowhere") == cli.DONE
    assert capsys.readouterr().out == "removed 0 unused stages, 0kB\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "week", ""])
def test_a_bad_number_of_days_is_refused(days, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        clean(tmp_path, f"--keep-days={days}")
    assert stop.value.code == cli.WRONG
    assert f"{days!r} is not a number of days" in capsys.readouterr().err


# damaged runs


DAMAGED = {
    "an empty manifest": ("run-03/manifest.json", ""),
    "half a manifest": ("run-03/manifest.json", '{"stages": ['),
    "no stages": ("run-03/manifest.json", "{}"),
    "a stage elsewhere": ("run-03/manifest.json", '{"stages": [{"stage": "../x", "key": "ab"}]}'),
    "brackets": ("run-03/manifest.json", "[" * 100_000),
    "no UTF-8": ("run-03/manifest.json", b"\xff\xfe"),
    "no manifest": ("run-03/manifest.json", None),
    "the manifest of a setting": ("sweep-1/settings/1/manifest.json", "null"),
    "no results": ("sweep-1/results.csv", None),
    "a row of results less": ("sweep-1/results.csv", "setting,key_01_load\n1,ab\n"),
    "results without keys": ("sweep-1/results.csv", "setting\n1\n2\n3\n"),
}


@pytest.mark.parametrize(("name", "content"), DAMAGED.values(), ids=DAMAGED)
def test_nothing_is_removed_while_a_run_is_damaged(name, content, reports, capsys):
    out, used, unused = reports
    if content is None:
        (out / name).unlink()
    else:
        (out / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert clean(out) == cli.WRONG
    said = capsys.readouterr()
    assert str(out / name.rsplit("/", 1)[0]) in said.err
    assert "nothing was removed" in said.err
    assert not said.out
    assert stages_in(out) == used | unused


def test_a_cut_table_of_results_is_refused(reports):
    out, *_ = reports
    path = out / "sweep-1" / "results.csv"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(NotARun, match=r"results\.csv is incomplete"):
        remove_unused(out)


def test_folders_that_are_plainly_not_runs_do_not_matter(reports):
    out, used, _ = reports
    (out / "thesis").mkdir()
    (out / "web").mkdir()
    (out / "web" / "manifest.json").write_text('{"short_name": "app"}')
    (out / "bench").mkdir()
    (out / "bench" / "index.html").write_text("page")
    assert not any(map(looks_like_a_run, (out / "thesis", out / "web", out / "bench")))
    remove_unused(out)
    assert stages_in(out) == used


# commands that run meanwhile


CLAIM = """
import sys, time
from pathlib import Path
from imdbclust.running.clean import in_use
with in_use(Path(sys.argv[1]), [Path(sys.argv[1]) / name for name in sys.argv[2:]]):
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_what_a_living_process_has_claimed_stays_until_it_ends(reports):
    out, used, unused = reports
    wanted = sorted(unused)[:7]
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(out / "stages"), *wanted, "05_probabilities-00"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "claimed\n"
        assert set(remove_unused(out, keep_days=0)) == unused - set(wanted)
        assert {name for name in stages_in(out) if not name.startswith(".")} == used | set(wanted)
    finally:
        process.kill()
        process.communicate()
    [left] = (out / "stages").glob(".use-*")
    assert set(json.loads(left.read_text())) >= set(wanted)
    # nothing but their age protects the stages of a killed command
    assert remove_unused(out, keep_days=7) == {}
    assert set(remove_unused(out, keep_days=0)) == set(wanted)
    assert stages_in(out) == used


def test_a_claim_makes_its_stages_used_now(tmp_path):
    stage = make_stage(tmp_path, "01_load-aa")
    with in_use(tmp_path / "stages", [stage, tmp_path / "stages" / "02_matrix-bb"]):
        assert remove_unused(tmp_path, keep_days=0) == {}
    assert remove_unused(tmp_path) == {}
    assert set(remove_unused(tmp_path, keep_days=0)) == {"01_load-aa"}


def test_a_claim_leaves_no_folder_that_it_made(tmp_path):
    with in_use(tmp_path / "a" / "stages", []):
        assert (tmp_path / "a" / "stages").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_cannot_be_read_stops_the_cleaning(tmp_path):
    stage = make_stage(tmp_path, "01_load-aa")
    with in_use(tmp_path / "stages", []):
        [claim] = (tmp_path / "stages").glob(".use-*")
        claim.write_text("{")
        with pytest.raises(Failure, match="nothing was removed"):
            remove_unused(tmp_path)
    assert stage.is_dir()


def claim(out):
    with in_use(out / "stages", []):
        pass


@pytest.mark.parametrize("wanted", [claim, remove_unused])
def test_the_wait_for_the_lock_is_bounded(wanted, tmp_path, monkeypatch):
    make_stage(tmp_path, "01_load-aa")
    monkeypatch.setattr(cleaning, "PATIENCE", 0.2)
    holder = os.open(tmp_path / "stages", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with pytest.raises(Failure, match="has been locked by another command for"):
            wanted(tmp_path)
    finally:
        os.close(holder)
    assert stages_in(tmp_path) == {"01_load-aa"}


def test_where_a_file_system_has_no_locks_claims_count_for_a_day(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    stage = make_stage(tmp_path, "01_load-aa")
    with in_use(tmp_path / "stages", [stage]):
        assert remove_unused(tmp_path, keep_days=0) == {}
        [claim] = (tmp_path / "stages").glob(".use-*")
        os.utime(claim, (OLD, OLD))
        assert set(remove_unused(tmp_path, keep_days=0)) == {"01_load-aa"}


def test_a_run_claims_its_stages_before_it_looks_for_them(films, finished_run, monkeypatch):
    out = finished_run.parent
    wanted = {path.name for path in stages_of(finished_run)}
    seen = []

    def record(self, planned, examine=Store.record):
        claims = [json.loads(path.read_text()) for path in (out / "stages").glob(".use-*")]
        seen.append(wanted <= set().union(*claims))
        return examine(self, planned)

    monkeypatch.setattr(Store, "record", record)
    before = [(path / "record.json").stat().st_mtime for path in stages_of(finished_run)]
    running.run(dataset=str(films), preset="seed", parameters=SMALL, name="again", out=out)
    shutil.rmtree(out / "again")
    assert seen
    assert all(seen)
    after = [(path / "record.json").stat().st_mtime for path in stages_of(finished_run)]
    assert all(one < other for one, other in zip(before, after, strict=True))
    assert not list((out / "stages").glob(".use-*"))


# killed in the middle


def whole(stage):
    return (stage / "record.json").is_file() and (stage / "artifact" / "data.bin").is_file()


def test_killed_in_the_middle_it_leaves_whole_stages_and_the_next_one_finishes(many_reports):
    out, used, unused = many_reports
    chance = random.Random(7)
    command = [sys.executable, "-m", "imdbclust", "clean", "--out", str(out)]
    began = time.monotonic()
    subprocess.run([*command, "--dry-run"], check=True, capture_output=True)
    usual = time.monotonic() - began
    n_killed = 0
    for attempt in range(8):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if attempt % 2:
            time.sleep(usual * chance.uniform(0.5, 1.3))
        else:  # as soon as it has moved something aside
            until = time.monotonic() + 20
            while process.poll() is None and time.monotonic() < until:
                with suppress(FileNotFoundError):  # removed while it was listed
                    if any((out / "stages").glob(".part-*/0*")):
                        break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        n_killed += process.returncode == -signal.SIGKILL
        stages = [path for path in (out / "stages").iterdir() if not path.name.startswith(".")]
        assert all(map(whole, stages))
        assert {path.name for path in stages} >= used
        if {path.name for path in stages} == used:
            for name in unused:
                make_stage(out, name)
    assert n_killed >= 2
    remove_unused(out)
    assert stages_in(out) == used
    assert all(whole(out / "stages" / name) for name in used)


# recommending it


def test_a_run_recommends_it_beyond_the_limit(films, finished_run, monkeypatch, capsys):
    monkeypatch.setenv("IMDBCLUST_STAGES_LIMIT", "2kB")
    small = [word for name, value in SMALL.items() for word in ("-p", name, str(value))]
    call = ["run", "--dataset", str(films), "--out", str(finished_run.parent), "--name", "again"]
    assert cli.main([*call, "--preset", "seed", *small]) == cli.DONE
    shutil.rmtree(finished_run.parent / "again")
    sentence = r"the stages in .*stages take [\d.]+MB, more than 2kB; `imdbclust clean` removes"
    assert re.search(sentence, capsys.readouterr().err)


@pytest.mark.parametrize(("limit", "recommended"), [("9kB", True), ("10kB", False), ("", False)])
def test_the_limit_is_what_the_variable_says(limit, recommended, tmp_path, monkeypatch, capsys):
    make_stage(tmp_path, "01_load-aa", size=9500)
    monkeypatch.setenv("IMDBCLUST_STAGES_LIMIT", limit)
    with recommending_clean(tmp_path):
        pass
    assert bool(capsys.readouterr().err) == recommended


# runs and open


def test_runs_are_listed_newest_first(reports, capsys, monkeypatch):
    out, *_ = reports
    monkeypatch.setenv("COLUMNS", "100")
    when = f"{datetime(2026, 1, 5, 12, tzinfo=UTC).astimezone():%Y-%m-%d %H:%M}"
    (out / "run-03" / "manifest.json").write_text("{")
    (out / "web").mkdir()
    (out / "web" / "manifest.json").write_text('{"short_name": "app"}')
    assert cli.main(["runs", "--out", str(out)]) == cli.DONE
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["NAME", "WHEN", "FILMS", "PRESET", "SIZE", "FIRST", "FINDING"]
    assert len(said) == 1 + 5
    assert all(len(line) <= 100 for line in said)
    rows = {line.split()[0]: line for line in said[1:]}
    pattern = rf"run-04 +{when} +Films +seed +[\d.]+kB +Finding of run-04, .*…$"
    assert re.match(pattern, rows["run-04"])
    assert re.search(r"Films +3 settings +[\d.]+kB +Best: 8\.$", rows["sweep-1"])
    assert "damaged: " in rows["run-03"]
    runs = [line.split()[0] for line in said if line.startswith("run-") and "-03" not in line]
    assert runs == sorted(runs, reverse=True)


def test_without_runs_it_says_how_to_make_one(tmp_path, capsys):
    assert cli.main(["runs", "--out", str(tmp_path)]) == cli.DONE
    assert "no runs in" in capsys.readouterr().err
    assert cli.main(["open", "--out", str(tmp_path)]) == cli.WRONG
    assert "create one with `imdbclust run`" in capsys.readouterr().err


@pytest.mark.parametrize("browser", [True, False])
def test_a_report_is_opened_in_the_browser_and_its_address_printed(
    browser, reports, capsys, monkeypatch
):
    out, *_ = reports
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or browser)
    assert cli.main(["open", "run-02", "--out", str(out)]) == cli.DONE
    said = capsys.readouterr()
    assert said.out == f"{(out / 'run-02' / 'index.html').as_uri()}\n"
    assert opened == [said.out.strip()]
    assert ("no browser" in said.err) == (not browser)


def test_the_latest_report_is_opened_by_default(reports, capsys, monkeypatch):
    out, *_ = reports
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    shutil.rmtree(out / "sweep-1")
    assert cli.main(["open", "--out", str(out)]) == cli.DONE
    assert "/run-04/index.html" in capsys.readouterr().out


def test_an_unknown_run_is_refused_with_a_suggestion(reports, capsys, monkeypatch):
    out, *_ = reports
    monkeypatch.setattr("webbrowser.open", lambda address: pytest.fail("opened"))
    assert cli.main(["open", "rum-02", "--out", str(out)]) == cli.WRONG
    assert "did you mean run-02?" in capsys.readouterr().err
    (out / "run-01" / "index.html").unlink()
    assert cli.main(["open", "run-01", "--out", str(out)]) == cli.WRONG
    assert "index.html is missing; run 'run-01' again first" in capsys.readouterr().err
