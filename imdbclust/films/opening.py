"""Open files of films, plain or compressed: gzip, bzip2, xz, a zip archive of one file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import zipfile
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
ZIP = b"PK\x03\x04"
COMPRESSED = {
    b"\x1f\x8b": ("gzip", lambda raw: gzip.GzipFile(fileobj=raw)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ": ("xz", lzma.LZMAFile),
    ZIP: ("zip", lambda raw: _only_member(raw)),
}
"""Name and opener of each kind of compression, by the first bytes of the file."""
DAMAGES = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile)


@contextmanager
def open_films(path: Path, *, unpack: bool = True) -> Iterator[IO[bytes]]:
    """Open a file for reading its bytes, decompressed if its content is compressed.

    With ``unpack=False`` the bytes are those of the file itself. A file that is missing, not a
    regular file, unreadable or damaged, that expands beyond the limit, or that changes while it is
    read is a CorpusError, on opening or reading. So is a zip archive of several files.
    """
    name = shown(path.name)
    try:
        _check_kind(path)
        with path.open("rb") as raw:
            before = os.fstat(raw.fileno())
            head = raw.read(8)
            raw.seek(0)
            kind = next((kind for kind in COMPRESSED if head.startswith(kind)), None)
            try:
                packed = unpack and kind is not None
                yield _buffered(COMPRESSED[kind][1](raw), raw, name) if packed else raw
            except (*DAMAGES, OSError, RuntimeError, NotImplementedError) as error:
                if kind is None or getattr(error, "errno", None):
                    raise
                what = f"the {COMPRESSED[kind][0]} data is damaged: {error}"
                raise CorpusError(f"{name}: {what}") from None
            after = os.fstat(raw.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise CorpusError(f"{name}: the file changed while it was read")
    except FileNotFoundError:
        raise CorpusError(f"{shown(path)}: no such file") from None
    except OSError as error:
        reason = error.strerror or error
        raise CorpusError(f"{shown(path)}: cannot be read: {reason}") from None


def zip_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files in a zip archive, without folders and the files that systems add."""
    members = [one for one in archive.infolist() if not one.is_dir()]
    hidden = ("__MACOSX/", ".")
    return [one for one in members if not one.filename.startswith(hidden)]


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, raw: BinaryIO) -> bytes:
    """Return the content of a file in a zip archive; errors are those of :func:`open_films`."""
    return _buffered(archive.open(member), raw, member.filename).read()


def _only_member(raw: BinaryIO) -> IO[bytes]:
    archive = zipfile.ZipFile(raw)
    members = zip_members(archive)
    if len(members) != 1:
        names = ", ".join(shown(one.filename) for one in members[:9])
        raise CorpusError(f"a zip archive of several files ({names}); unpack it")
    return archive.open(members[0])


def _buffered(file: IO[bytes], raw: BinaryIO, name: str) -> IO[bytes]:
    return io.BufferedReader(_Unpacked(file, raw, name), 2**18)


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
    """The content of a compressed file; reading stops if it expands beyond the limit."""

    def __init__(self, file: IO[bytes], raw: BinaryIO, name: str):
        self._file, self._raw, self._name, self._size = file, raw, name, 0
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
