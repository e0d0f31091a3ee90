"""Claim stages that are in use, and remove those that are not.

A stage below ``<out>/stages`` is in use if the manifest of a run or sweep names it, if a running
command has claimed it, or for some days after it was last used, so that an interrupted run can be
continued.

A command claims its stages before it examines which of them exist. A claim is a file
``stages/.use-XXXXXXXX`` with the names of the stages. Its process holds a lock (flock) on it, which
ends with the process, so the claim of a killed command does not count. A claim is written under a
shared lock on the folder ``stages``. :func:`remove_unused` holds the exclusive lock while it looks
for unused stages and moves them aside, and deletes them afterwards.
"""

from __future__ import annotations

import atexit
import csv
import fcntl
import json
import math
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from imdbclust.base.disk import DAY, RANDOM, open_up, remove_abandoned, temporary
from imdbclust.base.errors import Failure
from imdbclust.running.manifest import INVALID, NotARun, decode_manifest
from imdbclust.running.plan import BARE
from imdbclust.running.stages import STAGES
from imdbclust.running.store import RECORD, Store, tidy, unfinished

CLAIM = ".use-"  # prefix of the names of claims
PATIENCE = 60.0  # seconds to wait for the lock on the stages

_STAGE = re.compile(r"\d\d_[a-z]+-[0-9a-f]+")


@contextmanager
def in_use(folder: Path, stages: Iterable[Path]) -> Iterator[None]:
    """Claim stages, so that they are not removed meanwhile; those that exist count as used now.

    `folder` is the folder ``stages``; it is made if necessary, and removed afterwards if it is
    empty.
    """
    stages = list(stages)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary(folder, CLAIM, folder=False) as claim:
            with _locked(folder, fcntl.LOCK_SH):
                claim.write_text(json.dumps([path.name for path in stages]), encoding="utf-8")
                open_up(claim)
            for path in stages:
                with suppress(OSError):
                    os.utime(path / RECORD)
            yield
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


_claims = ExitStack()
atexit.register(_claims.close)


def use_until_exit(folder: Path, stages: Iterable[Path]) -> None:
    """Claim stages until this process ends or claims others; see :func:`in_use`."""
    _claims.close()
    with suppress(OSError):  # a folder that cannot be written to cannot be cleaned either
        _claims.enter_context(in_use(folder, stages))


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """Hold a shared or exclusive lock on a folder, except where the file system has no locks."""
    descriptor = os.open(folder, os.O_RDONLY)
    until = time.monotonic() + PATIENCE
    try:
        while not _take_lock(descriptor, kind):
            if time.monotonic() > until:
                raise Failure(
                    f"{folder} has been locked by another command for {PATIENCE:g} seconds; "
                    "try again later"
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _take_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:  # without locks, the age of claims and stages protects them
        return not isinstance(error, BlockingIOError)
    return True


def remove_unused(out: Path, *, keep_days: float = 7, dry_run: bool = False) -> dict[str, int]:
    """Remove stages that are not in use, and what killed commands left.

    Returns the size of each stage in bytes, by name. A stage counts as used for `keep_days` after
    its last use. With `dry_run`, nothing is removed.

    Raises
    ------
    NotARun
        What a run uses is unknown because its manifest is damaged; nothing was removed.
    Failure
        A claim cannot be read, or another command holds the lock; nothing was removed.
    """
    folder = Store(out).folder
    if not folder.is_dir():
        return {}
    if dry_run:
        with _locked(folder, fcntl.LOCK_EX):
            return {path.name: folder_size(path) for path in _unused(out, keep_days)}
    tidy(out)
    with unfinished(folder, "clean") as aside:
        with _locked(folder, fcntl.LOCK_EX):
            for path in _unused(out, keep_days):
                with suppress(FileNotFoundError):  # another command has just discarded it
                    path.rename(aside / path.name)
        sizes = {path.name: folder_size(path) for path in sorted(aside.iterdir())}
        for name in sizes:
            shutil.rmtree(aside / name)
    return sizes


def _unused(out: Path, keep_days: float) -> list[Path]:
    folder = Store(out).folder
    used = _claimed(folder)  # first: a run writes its manifest before it gives up its claim
    for path in sorted(out.iterdir()):
        if path.is_dir() and path != folder and not path.name.startswith("."):
            used |= stages_used_by(path)
    before = time.time() - keep_days * DAY if keep_days else math.inf
    unused = []
    for path in sorted(folder.iterdir()):
        if _STAGE.fullmatch(path.name) and path.name not in used:
            dated = path / RECORD if (path / RECORD).exists() else path
            if dated.stat().st_mtime < before:
                unused.append(path)
    return unused


def _claimed(folder: Path) -> set[str]:
    claimed: set[str] = set()
    for path in remove_abandoned(folder, f"{CLAIM}{RANDOM}"):
        try:
            # a claim is empty while its command waits for the lock; it will not see removed stages
            claimed |= set(json.loads(path.read_text(encoding="utf-8") or "[]"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError) as error:
            raise Failure(f"{path}: cannot be read ({error}); nothing was removed") from None
    return claimed


def stages_used_by(folder: Path) -> set[str]:
    """Return the names of the stages that a run or sweep uses; empty if the folder is neither.

    Raises
    ------
    NotARun
        It is a run or sweep, but its manifest or its results are damaged.
    """
    try:
        manifest = decode_manifest(folder)
        used = {f"{entry['stage']}-{entry['key']}" for entry in manifest["stages"]}
        if "settings" in manifest:
            used |= _keys_of(folder / "results.csv", manifest["settings"])
            for setting in sorted((folder / "settings").iterdir()):
                used |= stages_used_by(setting)
    except NotARun:
        raise
    except (*INVALID, csv.Error) as error:
        if not isinstance(error, PermissionError) and not looks_like_a_run(folder):
            return set()
        raise NotARun(
            f"{folder}: the stages that this run uses are unknown ({error}); nothing was removed. "
            "Repeat the run, or move its folder away"
        ) from None
    return used


def looks_like_a_run(folder: Path) -> bool:
    """Return whether a folder has the pages or notebooks of a run, a setting or a sweep."""
    patterns = ("[0-9][0-9]_*.html", "notebooks/[0-9][0-9]_*.ipynb")
    return any(any(folder.glob(pattern)) for pattern in patterns)


def _keys_of(results: Path, n_settings: int) -> set[str]:
    """Return the names of the stages of all settings of a sweep; ValueError if any are missing."""
    with results.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    columns = [name for name in (rows[0] if rows else ()) if name.startswith("key_")]
    found = {f"{name.removeprefix('key_')}-{row[name]}" for row in rows for name in columns}
    found |= {f"{name}{BARE}" for name in found}  # settings may have no report
    complete = len(rows) == n_settings and len(columns) == len(STAGES)
    if not complete or not all(map(_STAGE.fullmatch, found)):
        raise ValueError(f"{results} is incomplete")
    return found


def folder_size(folder: Path) -> int:
    """Return the number of bytes in the files below a folder; 0 if it does not exist."""
    size = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):  # removed meanwhile
                size += (Path(parent) / name).lstat().st_size
    return size
