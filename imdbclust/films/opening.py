"""Open files of films, plain or gzip."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from imdbclust.base.text import shown
from imdbclust.films.problems import CorpusError

MAX_EXPANSION = 200  # films expand 4 to 30 times; a larger factor is a zip bomb
FREE_BYTES = 64 * 2**20  # files that expand to at most this size are always accepted
LIMIT_VARIABLE = "IMDBCLUST_MAX_EXPANSION"  # environment variable that replaces MAX_EXPANSION


@contextmanager
def open_films(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading its bytes, decompressed if its content is gzip.

    A file that is missing, not a regular file, unreadable or damaged, that expands beyond the
    limit, or that changes while it is read is a CorpusError, on opening or reading.
    """
    try:
        _check_kind(path)
        with path.open("rb") as raw:
            before = os.fstat(raw.fileno())
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield io.BufferedReader(_Unpacked(raw, path.name), 2**18) if zipped else raw
            after = os.fstat(raw.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise CorpusError(f"{shown(path.name)}: the file changed while it was read")
    except FileNotFoundError:
        raise CorpusError(f"{shown(path)}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorpusError(f"{shown(path.name)}: the gzip data is damaged: {error}") from None
    except OSError as error:
        reason = error.strerror or error
        raise CorpusError(f"{shown(path)}: cannot be read: {reason}") from None


def _check_kind(path: Path) -> None:
    if "\0" in str(path):
        raise CorpusError(f"{shown(path)}: this cannot be the name of a file")
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise CorpusError(f"{shown(path)}: this is a folder; name a file in it")
    if not stat.S_ISREG(mode):
        what = "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
        raise CorpusError(f"{shown(path)}: this is {what}, not a file; save its content first")


class _Unpacked(io.RawIOBase):
    """The content of a gzip file; reading stops if it expands beyond the limit."""

    def __init__(self, raw: BinaryIO, name: str):
        self._raw, self._name, self._size = raw, name, 0
        self._file = gzip.GzipFile(fileobj=raw)
        try:
            self._limit = float(os.environ.get(LIMIT_VARIABLE) or MAX_EXPANSION)
        except ValueError:
            self._limit = 0.0
        if not self._limit > 0:
            raise CorpusError(f"{LIMIT_VARIABLE} must be a positive number")

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer) -> int:
        n = self._file.readinto(buffer)
        self._size += n
        if self._size > max(FREE_BYTES, self._limit * self._raw.tell()):
            raise CorpusError(
                f"{shown(self._name)}: expands to more than {self._limit:g} times its size, which "
                "looks like a zip bomb. If the file is genuine, unpack it first or raise "
                f"{LIMIT_VARIABLE}"
            )
        return n
