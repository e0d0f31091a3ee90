"""Temporary files and folders: gone with their maker, removed by the next where it was killed."""

import os
import subprocess
import sys

import pytest

from imdbclust.base.disk import (
    cached_by_file,
    open_up,
    part_of,
    remove_abandoned,
    replacing,
    temporary,
)

KINDS = pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])


@KINDS
def test_it_is_there_meanwhile_and_gone_afterwards(folder, tmp_path):
    with temporary(tmp_path, ".films.", ".part", folder=folder) as path:
        assert path.is_dir() == folder
        assert path.stat().st_mode & 0o077 == 0
        assert list(tmp_path.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == []


@KINDS
def test_what_a_killed_maker_left_is_removed_by_the_next_of_its_kind_alone(folder, tmp_path):
    kept = [".films.jsonl.swp", ".films.jsonl.mine.part", ".other.abcd1234.part"]
    for name in kept:
        (tmp_path / name).touch()
    (tmp_path / ".films.jsonl.abcd1234.part").touch()
    (tmp_path / ".films.jsonl.abcd1235.part").mkdir()
    (tmp_path / ".films.jsonl.abcd1235.part" / "spilled").touch()
    (tmp_path / ".films.jsonl.abcd1236.part").symlink_to(tmp_path / ".other.abcd1234.part")
    with temporary(tmp_path, ".films.jsonl.", ".part", folder=folder) as path:
        left = {*kept, ".films.jsonl.abcd1236.part", path.name}
        assert {one.name for one in tmp_path.iterdir()} == left


def test_a_file_is_read_again_only_if_it_has_changed(tmp_path):
    calls, path = [], tmp_path / "names.txt"
    read = cached_by_file(lambda path: (calls.append(path), path.read_text())[1])
    path.write_text("one")
    assert (read(path), read(path)) == ("one", "one")
    path.write_text("three")
    assert read(path) == "three"
    assert calls == [path, path]
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read(path)


def test_what_somebody_works_in_stays(tmp_path):
    with temporary(tmp_path, "a-") as ours, temporary(tmp_path, "a-") as other:
        assert remove_abandoned(tmp_path, "a-*") == {ours, other}
        assert ours.is_dir()
        assert other.is_dir()


def test_a_file_that_got_its_name_keeps_it_although_a_killed_writer_was_there(tmp_path):
    (tmp_path / ".films.jsonl.abcd1234.part").write_text("half")
    with replacing(tmp_path / "films.jsonl") as file:
        file.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["films.jsonl"]
    assert (tmp_path / "films.jsonl").read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("end", "n_left"), [("raise SystemExit(130)", 0), ("os.kill(os.getpid(), 9)", 1)]
)
def test_a_process_that_ends_early_removes_its_folder_unless_killed(end, n_left, tmp_path):
    code = (
        "import os, pathlib, sys, threading, time; from imdbclust.base.disk import temporary\n"
        "made = temporary(pathlib.Path(sys.argv[1]), 'a-'); made.__enter__()\n"
        # somebody holds it to the end, so that it is not thrown away with what made it
        "threading.Thread(target=lambda _: time.sleep(60), args=(made,), daemon=True).start()\n"
    )
    subprocess.run([sys.executable, "-c", code + end, str(tmp_path)])
    assert len(list(tmp_path.iterdir())) == n_left
    assert remove_abandoned(tmp_path, "a-*") == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_user_stays(tmp_path):
    (tmp_path / "a-abcd1234").mkdir()
    os.chown(tmp_path / "a-abcd1234", 65534, 65534)
    assert remove_abandoned(tmp_path, "a-*") == {tmp_path / "a-abcd1234"}


@pytest.mark.parametrize(("mask", "of_file", "of_folder"), [(0o22, 0o644, 0o755),
    (0o77, 0o600, 0o700), (0o02, 0o664, 0o775)])  # fmt: skip
def test_the_umask_decides_who_may_read_what_is_finished(mask, of_file, of_folder, tmp_path):
    before = os.umask(mask)
    try:
        with part_of(tmp_path / "films.jsonl"):
            pass
        with temporary(tmp_path, ".part-") as folder:
            open_up(folder)
            folder.rename(tmp_path / "run")
    finally:
        os.umask(before)
    assert (tmp_path / "films.jsonl").stat().st_mode & 0o7777 == of_file
    assert (tmp_path / "run").stat().st_mode & 0o7777 == of_folder


def test_what_is_replaced_keeps_its_rights_and_a_folder_its_group(tmp_path):
    file, run = tmp_path / "films.jsonl", tmp_path / "run"
    file.touch()
    file.chmod(0o640)
    run.mkdir()
    run.chmod(0o2775)
    with part_of(file):
        pass
    with temporary(run, ".part-") as folder:  # it inherits the setgid bit
        open_up(folder, run)
        folder.rename(run / "new")
    assert file.stat().st_mode & 0o7777 == 0o640
    assert (run / "new").stat().st_mode & 0o7777 == 0o2775
