"""Atomic writes, and temporary files and folders that are removed even after a kill.

Every temporary file or folder is locked (flock) by the process that made it, and the system
releases the lock when that process ends, however it ends. A temporary name whose lock is free is
therefore abandoned, and the next process that makes one of the same kind removes it.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, wraps
from glob import escape
from pathlib import Path
from typing import IO, TypeVar

DAY = 24 * 3600
RANDOM = "?" * 8  # pattern of the random characters that tempfile puts into a name
CANNOT_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""Error codes of systems and file systems that do not support `exchange`."""

_Result = TypeVar("_Result")

_ours: set[Path] = set()  # temporary files and folders of this process that still exist


def cached_by_file(function: Callable[[Path], _Result]) -> Callable[[Path], _Result]:
    """Cache what a function reads from a file, until the file changes.

    The result is shared, so it must not be changed.
    """

    @cache
    def cached(path: Path, size: int, changed: int) -> _Result:
        return function(path)

    @wraps(function)
    def read(path: Path) -> _Result:
        about = path.stat()
        return cached(path, about.st_size, about.st_mtime_ns)

    return read


@contextmanager
def temporary(
    parent: Path, prefix: str, suffix: str = "", *, folder: bool = True
) -> Iterator[Path]:
    """Create a temporary folder, or an empty file; remove it at the end unless it was renamed.

    Abandoned ones of the same kind are removed first.
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
        with suppress(FileNotFoundError):  # removed as abandoned before it was locked
            lock = locked(path, unlockable=True)
            if lock is not None and path.exists():
                break
    try:
        yield path
    finally:
        os.close(lock)  # first: if the removal fails, the next process can still remove it
        _remove(path)
        _ours.discard(path)


@atexit.register
def _remove_ours() -> None:
    """Remove what is left if an interrupt came before a context manager could."""
    for path in _ours:
        _remove(path)


os.register_at_fork(after_in_child=_ours.clear)


def remove_abandoned(parent: Path, pattern: str) -> set[Path]:
    """Remove the temporary files and folders of killed processes, by a glob pattern.

    Those that are in use or belong to another user stay, and are returned.
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
    """Lock a file or folder until the returned descriptor is closed; None if it cannot be locked.

    If the file system has no locks, `unlockable` is whether to return a descriptor anyway. A
    missing file is a FileNotFoundError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError:  # a symbolic link, or the file of another user
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
    """Open a file for an atomic write: it is renamed to `path` when all is written."""
    path = path.resolve()
    if path.exists() and not path.is_file():  # a folder raises; a device is written to
        with path.open("wb") as file:
            yield file
        return
    with part_of(path) as part, part.open("wb") as file:
        yield file


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Create a temporary file next to `path`; rename it to `path` unless an error is raised."""
    with temporary(path.parent, f".{path.name[:100]}.", ".part", folder=False) as part:
        yield part
        open_up(part, path)
        fsync(part)
        part.replace(path)
        fsync(path.parent)


def open_up(path: Path, like: Path | None = None) -> None:
    """Give a temporary file or folder, which only its user could read, its final rights.

    These are the rights of `like` if that exists, else those that the umask leaves. A folder
    inherits its group where it did before.
    """
    mode = path.stat().st_mode
    rights = (0o777 if stat.S_ISDIR(mode) else 0o666) & ~_umask()
    if like is not None and like.exists():
        rights = stat.S_IMODE(like.stat().st_mode)
    path.chmod(rights | mode & stat.S_ISGID)


def _umask() -> int:
    """Return the umask of this process, without changing it where the system has `/proc`."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def fsync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_all(folder: Path) -> None:
    """Flush a folder and its contents to disk."""
    with ThreadPoolExecutor(8) as pool:  # eight together take as long as two one by one
        list(pool.map(fsync, [*folder.rglob("*"), folder]))


def exchange(one: Path, other: Path) -> None:
    """Exchange two folders atomically.

    It is an OSError if one of them does not exist or, with a code in `CANNOT_EXCHANGE`, if this is
    not supported.
    """
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if renameat2(here, os.fsencode(one), here, os.fsencode(other), swap):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
