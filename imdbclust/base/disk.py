"""Temporary files and folders: what a killed program left of them, the next one removes.

Whoever makes one holds a lock on it, which the system takes away when the maker ends, however that
happens. A name of the kind whose lock is free is therefore nobody's.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO

_ours: set[Path] = set()
"""What this process has made and not removed yet."""

DAY = 24 * 3600
RANDOM = "?" * 8
"""What `tempfile` puts between the beginning and the end of a name."""


@contextmanager
def temporary(
    parent: Path, prefix: str, suffix: str = "", *, folder: bool = True
) -> Iterator[Path]:
    """Give a temporary folder, or an empty file; it is gone afterwards unless it was renamed.

    What makers that were killed left under names of the same kind is removed first.
    """
    remove_abandoned(parent, f"{escape(prefix)}{RANDOM}{escape(suffix)}")
    while True:
        if folder:
            path = Path(tempfile.mkdtemp(suffix, prefix, parent))
        else:
            handle, name = tempfile.mkstemp(suffix, prefix, parent)
            os.close(handle)
            path = Path(name)
        _ours.add(path)
        with suppress(FileNotFoundError):  # taken for abandoned before it was locked
            lock = locked(path, unlockable=True)
            if lock is not None and path.exists():
                break
    try:
        yield path
    finally:
        _remove(path)
        _ours.discard(path)
        os.close(lock)


@atexit.register
def _remove_ours() -> None:
    """Remove what an interrupt left, that came before somebody saw to it."""
    for path in _ours:
        _remove(path)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ours.clear)


def remove_abandoned(parent: Path, pattern: str) -> set[Path]:
    """Remove files and folders whose makers were killed.

    Parameters
    ----------
    parent : path
        Where they lie.
    pattern : str
        What their names are like.

    Returns
    -------
    set of Path
        Those that are somebody's, and stay.
    """
    used = set()
    for path in parent.glob(pattern):
        with suppress(FileNotFoundError):
            about = path.lstat()
            ours = about.st_uid == os.geteuid()
            lock = locked(path, unlockable=time.time() - about.st_mtime > DAY) if ours else None
            if lock is None:
                used.add(path)
                continue
            _remove(path)
            os.close(lock)
    return used


def locked(path: Path, *, unlockable: bool) -> int | None:
    """Lock a file or folder until the descriptor is closed or its owner dies; None if it cannot be.

    Where a file system has no locks, `unlockable` says whether to take it all the same.

    Raises
    ------
    FileNotFoundError
        It is not there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError:  # a link, or somebody else's
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError) or not unlockable:
            os.close(descriptor)
            return None
    return descriptor


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name only when all is written."""
    path = path.resolve()
    if path.exists() and not path.is_file():  # a folder raises, a device takes what it is given
        with path.open("wb") as file:
            yield file
        return
    with part_of(path) as part, part.open("wb") as file:
        yield file


def beside(path: Path, *, folder: bool) -> AbstractContextManager[Path]:
    """Give an empty file or a folder for what becomes of a place; it is gone afterwards."""
    return temporary(path.parent, f".{path.name[:100]}.", ".part", folder=folder)


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Give an empty file beside a place; as it is at the end it takes the name, else it is gone."""
    with beside(path, folder=False) as part:
        yield part
        part.chmod(0o644)
        fsync(part)
        part.replace(path)
        fsync(path.parent)


def fsync(path: Path) -> None:
    """Have the disk keep the content of a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_all(folder: Path) -> None:
    """Have the disk keep a folder and all that is below it."""
    with ThreadPoolExecutor(8) as pool:  # the disk takes eight at once in the time of two
        list(pool.map(fsync, [*folder.rglob("*"), folder]))


CANNOT_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What systems and file systems say that cannot exchange two folders."""


def exchange(one: Path, other: Path) -> None:
    """Have two folders change their places in one step.

    Raises
    ------
    OSError
        One is not there, or `CANNOT_EXCHANGE`.
    """
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    here, in_one_step = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if renameat2(here, os.fsencode(one), here, os.fsencode(other), in_one_step):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
