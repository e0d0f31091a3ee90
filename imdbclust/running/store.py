"""Finished stages on disk: published by one atomic rename, used only if their hashes match.

``<out>/stages/04_clustering-<key>/`` has ``notebook.ipynb``, ``tables/``, ``figures/``,
``artifact/`` and ``record.json``, which is written last and holds the hash of every other file.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imdbclust.base import disk
from imdbclust.base.disk import RANDOM, file_sha256, remove_abandoned, temporary
from imdbclust.running.kernels.warm import PRIVATE, held, sockets_parent
from imdbclust.running.plan import FORMAT, PlannedStage
from imdbclust.running.stages import notebook_of

RECORD = "record.json"
NOTEBOOK = "notebook.ipynb"
ARTIFACT = "artifact"
TABLES = "tables"
FIGURES = "figures"
MANIFEST = "manifest.json"
LABELS = "labels.npz"  # of a sweep: the clusters of the movies by setting

EXPLORER_DATA = "explorer_data.gz"  # for the explorer page, in the artifact of the last notebook
DONE = "done.json"  # a notebook writes it when it finishes
PART = ".part-"  # prefix of the names of unfinished folders

CONTEXT = "IMDBCLUST_STAGE"
"""Environment variable with the path of the context that the runner writes for a kernel."""


def nothing_reported() -> dict:
    """Return what a notebook has reported when it begins; it fills this, the record keeps it."""
    lists = {name: [] for name in ("headlines", "findings", "warnings", "checks")}
    return {**lists, "metrics": {}, "tables": [], "figures": [], "fonts": []}


class Store:
    """The finished stages below a folder for reports, in its subfolder ``stages``."""

    def __init__(self, out: Path):
        self.out = Path(out)
        self.folder = self.out / "stages"

    def path(self, planned: PlannedStage) -> Path:
        """Return the folder of an execution, whether it is finished or not."""
        return self.folder / f"{planned.name}-{planned.key}"

    def inputs(self, planned: PlannedStage) -> dict[str, Path]:
        """Return the folders of the executions that one reads, by stage."""
        keys = planned.inputs.items()
        return {stage: self.folder / f"{notebook_of(stage).stem}-{key}" for stage, key in keys}

    def record(self, planned: PlannedStage) -> dict | None:
        """Return the record of a finished, undamaged execution, or None."""
        return examine(self.path(planned), planned.key)[0]

    @contextmanager
    def attempt(self, planned: PlannedStage) -> Iterator[Path]:
        """Give a temporary folder for an execution; it is removed unless it is published."""
        with unfinished(self.folder, f"{planned.name}-{planned.key}") as folder:
            for part in (ARTIFACT, TABLES):
                (folder / part).mkdir()
            yield folder

    def publish(self, attempt: Path, planned: PlannedStage, record: dict) -> dict:
        """Rename a finished attempt to the execution's folder, and return the complete record.

        If another process has published the same key in the meantime, its result is kept.
        """
        record = {"format": FORMAT, "key": planned.key, **record, "files": hashes(attempt)}
        write_json(attempt / RECORD, record)
        disk.open_up(attempt)
        disk.fsync_all(attempt)
        target = self.path(planned)
        if target.exists() and self.record(planned) is None:
            discard(target)  # damaged, or from another version
        try:
            attempt.rename(target)
        except OSError:
            if (existing := self.record(planned)) is not None:
                return existing
            raise
        disk.fsync(self.folder)
        return record


def examine(folder: Path, key: str) -> tuple[dict | None, str]:
    """Return the record of an execution if all its files are unchanged.

    Otherwise return None and what is wrong: an empty text if the folder does not exist.
    """
    if not folder.exists():
        return None, ""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        found = hashes(folder)
    except (OSError, ValueError, RecursionError):
        return None, "the stored stage cannot be read"
    if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
        return None, f"the stored {RECORD} is not a valid record"
    if record.get("format") != FORMAT:
        return None, "the stored stage is of another version"
    if record.get("key") != key:
        return None, "the stored stage is of another execution"
    written = record["files"]
    if changed := sorted(n for n in written.keys() | found if written.get(n) != found.get(n)):
        how = "is missing" if changed[0] not in found else "was modified"
        return None, f"stored {changed[0]} {how}"
    return record, ""


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder by relative name, except the record."""
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / RECORD
    }


@contextmanager
def unfinished(parent: Path, name: str) -> Iterator[Path]:
    """Give a folder to be filled and then renamed; it is removed if it was not renamed.

    The folder is locked while its process is alive, so that :func:`tidy` leaves it alone.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with temporary(parent, f"{PART}{name}-") as folder, held(folder):
        yield folder


def tidy(out: Path, *, patience: float = 3.0) -> None:
    """Remove the unfinished folders and sockets of runs and sweeps that were killed.

    It keeps trying for `patience` seconds: a kernel whose runner was killed may still write.
    """
    until = time.monotonic() + patience
    for folder in (Path(out), Store(out).folder):
        used = remove_abandoned(folder, f"{PART}*")
        while not used.issuperset(folder.glob(f"{PART}*")) and time.monotonic() < until:
            time.sleep(0.05)
            used = remove_abandoned(folder, f"{PART}*")
    for parent in {Path(tempfile.gettempdir()), sockets_parent()}:
        for kind in ("", "dask-"):
            remove_abandoned(parent, f"{PRIVATE}{kind}{RANDOM}")


def discard(folder: Path) -> None:
    """Remove a folder; it is renamed first, so that its name never has only a part of it."""
    if folder.exists():
        with unfinished(folder.parent, f"{folder.name}-gone") as aside:
            folder.rename(aside / folder.name)


def replace_folder(new: Path, target: Path) -> None:
    """Replace a folder by a finished one in one atomic step; an OSError leaves it unchanged.

    The old folder takes the place of `new`. On a file system that cannot exchange folders, the old
    one is moved away first, and moved back if the new one cannot be renamed.
    """
    disk.fsync_all(new)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file has this name", str(target))
    try:
        disk.exchange(new, target)
    except FileNotFoundError:
        new.rename(target)
    except OSError as error:
        if error.errno not in disk.CANNOT_EXCHANGE:
            raise
        with unfinished(target.parent, f"{target.name}-gone") as aside:
            target.rename(aside / target.name)
            try:
                new.rename(target)
            except OSError:
                (aside / target.name).rename(target)
                raise
    disk.fsync(target.parent)


def write_json(path: Path, data: dict) -> None:
    """Write a JSON file atomically."""
    part = path.with_name(f".{path.name}.part")
    # an unpaired surrogate, as in a file name that is not Unicode, becomes a JSON escape
    with part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        json.dump(data, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
