"""A disk that fails or a process that dies at the N-th operation, and notebooks that cost nothing.

Whatever is done to files is counted by standing in for the functions of :mod:`os` and :mod:`io`
that Python's own libraries call, too. Reading is not counted: it changes nothing.
"""

import builtins
import errno
import io
import json
import os
import re
import threading
import warnings
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import numpy as np

from imdbclust.base import disk
from imdbclust.running.store import ARTIFACT, DONE, NOTEBOOK, TABLES, write_json

KILL = 0
"""In place of an error: the process ends there, and nothing of it is carried out any more."""

ERRORS = (KILL, errno.ENOSPC, errno.EIO, errno.EACCES)

FILLS = ("open", "write", "mkdir", "fsync")
"""What fails on a full disk; renaming and removing do not."""

KILLED = 77
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Disk:
    """Stands in for the disk, as a context.

    Parameters
    ----------
    at : int
        The operation that fails, from 1; 0 for none.
    error : int
        With which number of :mod:`errno`, or `KILL`. A full disk stays full.

    Attributes
    ----------
    done : list of tuple
        Name of each operation, and its path or descriptor.
    """

    def __init__(self, at: int = 0, error: int = KILL):
        self.at, self.error = at, error
        self.done: list[tuple] = []
        self._lock = threading.Lock()
        self._stack = ExitStack()

    @property
    def reached(self) -> bool:
        """Whether the operation that was to fail was asked for."""
        return len(self.done) >= self.at

    def __enter__(self):
        self._real_open = io.open
        for name in ("mkdir", "rename", "replace", "unlink", "remove", "rmdir", "chmod", "link"):
            self._stand_in(os, name)
        self._stand_in(os, "fsync", name_of=self.path_of)
        self._stand_in(os, "open", counts=lambda _, flags, *more, **named: flags & WRITING)
        self._stand_in(disk, "exchange")
        if hasattr(os, "sendfile"):  # with which shutil copies
            self._stand_in(os, "sendfile", "write", name_of=self.path_of)
        for module in (io, builtins):
            self._stack.enter_context(mock.patch.object(module, "open", self._open))
        return self

    def __exit__(self, *error):
        self._stack.close()

    def _stand_in(
        self, module, name, called=None, counts=lambda *_, **__: True, name_of=lambda x: x
    ):
        real = getattr(module, name)

        def operation(*arguments, **named):
            if counts(*arguments, **named):
                self.before(called or name, name_of(arguments[0]))
            return real(*arguments, **named)

        self._stack.enter_context(mock.patch.object(module, name, operation))

    @staticmethod
    def path_of(descriptor: int) -> str:
        """Return the path of an open file, if the system tells."""
        try:
            return str(Path(f"/proc/self/fd/{descriptor}").readlink())
        except OSError:
            return str(descriptor)

    def before(self, what: str, where, meanwhile=lambda: None) -> None:
        """Count an operation; fail if it is to fail, having done `meanwhile`."""
        with self._lock:
            self.done.append((what, str(where)))
            number = len(self.done)
        full = self.error == errno.ENOSPC and number > self.at > 0 and what in FILLS
        if number != self.at and not full:
            return
        meanwhile()
        if self.error == KILL:
            os._exit(KILLED)
        named = () if what in ("write", "fsync") else (str(where),)
        raise OSError(self.error, os.strerror(self.error), *named)

    def _open(self, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **how):
        if not set(mode) & set("wax+"):
            return self._real_open(file, mode, buffering, encoding, errors, newline, **how)
        if not isinstance(file, int):
            self.before("open", file)
        raw = _File(file, mode.replace("b", "").replace("t", ""), **how)
        raw.disk = self
        if buffering == 0:
            return raw
        buffer = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding, errors, newline)


class _File(io.FileIO):
    """A file of which half is written before the disk is full."""

    disk: Disk

    def write(self, data):
        data = memoryview(data).cast("B")
        half = lambda: super(_File, self).write(data[: len(data) // 2])  # noqa: E731
        self.disk.before("write", self.name, half)
        return super().write(data)


def killed_at(number: int, act) -> bool:
    """Do something in a process that ends at an operation; tell whether it came to that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads do not matter here
        child = os.fork()
    if child == 0:
        try:
            with Disk(number, KILL):
                act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def notebooks_that_cost_nothing(planned, attempt, scratch, options, *, on_end, **_):
    """Leave, in place of papermill, what identifies the execution."""
    token = json.loads((scratch / "context.json").read_text(encoding="utf-8"))["token"]
    cell = {"cell_type": "code", "id": "a", "execution_count": 1, "metadata": {}, "outputs": []}
    title = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": f"# {planned.name}"}
    notebook = {
        "cells": [title, cell | {"source": f"key = '{planned.key}'"}],
        "metadata": {"papermill": {}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (attempt / NOTEBOOK).write_text(json.dumps(notebook), encoding="utf-8")
    (attempt / TABLES / f"{planned.stage}.csv").write_text(f"key\n{planned.key}\n")
    (attempt / ARTIFACT / "numbers.bin").write_bytes(planned.key.encode() * 1000)
    if planned.stage == "clustering":
        clusters = f"movie_id,cluster\n{planned.key},0\n"
        (attempt / ARTIFACT / "movie_to_cluster.csv").write_text(clusters)
        np.savez(attempt / ARTIFACT / "clustering.npz", labels=np.zeros(1, dtype=np.int32))
    reported = {"headlines": [], "findings": [], "warnings": [], "checks": [], "tables": []}
    done = {"token": token, "parameters": planned.parameters, "peak_memory_mb": 1.0, **reported}
    write_json(attempt / DONE, done | {"metrics": {}})
    on_end({"kernel": "plain", "why": ""})


def tree(folder) -> dict[str, bytes]:
    """Return the content of every file below a folder, and b"/" for every folder.

    The parts of a manifest that depend on how much was reused are left out.
    """
    return {
        path.relative_to(folder).as_posix(): content_of(path) for path in sorted(folder.rglob("*"))
    }


def content_of(path) -> bytes:
    """Return the content of a file, without what depends on how much was reused."""
    if path.is_dir():
        return b"/"
    content = path.read_bytes()
    if path.name == "manifest.json":
        content = re.sub(
            rb'"(reused|replaced|computed|there)": ("[^"]*"|\w+)', rb'"\1": 0', content
        )
    return content
