"""Finished stages on disk: they appear by one rename and are believed only if their hashes hold.

``<out>/stages/04_clustering-<key>/`` holds ``notebook.ipynb``, ``tables/``, ``artifact/`` and,
written last, ``record.json`` with the hash of every other file.
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
from imdbclust.running.kernels.warm import PRIVATE, held
from imdbclust.running.plan import FORMAT, PlannedStage

RECORD = "record.json"
NOTEBOOK = "notebook.ipynb"
ARTIFACT = "artifact"
TABLES = "tables"

EXPLORER_DATA = "explorer_data.gz"
"""What the last notebook leaves, in its artifact, for the explorer page."""

CONTEXT = "IMDBCLUST_STAGE"
"""Environment variable with the path of the context that the runner gives a kernel."""

DONE = "done.json"
"""What a notebook writes last, so that the runner knows that it came to its end."""

PART = ".part-"
"""How the names of folders begin that are still being made."""


class Store:
    """The stages below one folder for reports.

    Parameters
    ----------
    out : path
        The folder for reports; ``stages`` below it is made when something is published.
    """

    def __init__(self, out: Path):
        self.folder = Path(out) / "stages"

    def path(self, planned: PlannedStage) -> Path:
        """Return where an execution lies, or would."""
        return self.folder / f"{planned.name}-{planned.key}"

    def record(self, planned: PlannedStage) -> dict | None:
        """Return the record of a finished execution; None if there is none that is sound."""
        return examine(self.path(planned), planned.key)[0]

    @contextmanager
    def attempt(self, planned: PlannedStage) -> Iterator[Path]:
        """Give a temporary folder for an execution; it is gone afterwards unless published."""
        with unfinished(self.folder, f"{planned.name}-{planned.key}") as folder:
            for part in (ARTIFACT, TABLES):
                (folder / part).mkdir()
            yield folder

    def publish(self, attempt: Path, planned: PlannedStage, record: dict) -> dict:
        """Turn a finished attempt into the execution's folder, and return its full record.

        If another process published the same key meanwhile, its result stays.
        """
        record = {"format": FORMAT, "key": planned.key, **record, "files": hashes(attempt)}
        write_json(attempt / RECORD, record)
        attempt.chmod(0o755)
        disk.fsync_all(attempt)
        target = self.path(planned)
        if target.exists() and self.record(planned) is None:
            discard(target)  # damaged, or from another version
        try:
            attempt.rename(target)
        except OSError:
            if (there := self.record(planned)) is not None:
                return there
            raise
        disk.fsync(self.folder)
        return record


def examine(folder: Path, key: str) -> tuple[dict | None, str]:
    """Return the record of an execution whose files are as they were left.

    Else None, and what is wrong with what lies there; empty if nothing does.
    """
    if not folder.exists():
        return None, ""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        found = hashes(folder)
    except (OSError, ValueError, RecursionError):
        return None, "it cannot be read"
    if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
        return None, f"its {RECORD} is none"
    if record.get("format") != FORMAT:
        return None, "it is of another version"
    if record.get("key") != key:
        return None, "it is of another execution"
    told = record["files"]
    if odd := sorted(n for n in told.keys() | found if told.get(n) != found.get(n)):
        how = "missing" if odd[0] not in found else "not what was written"
        return None, f"{odd[0]} is {how}"
    return record, ""


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, its record apart, by relative name."""
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / RECORD
    }


@contextmanager
def unfinished(parent: Path, name: str) -> Iterator[Path]:
    """Give a folder to make something in, to be renamed when finished; else it is gone afterwards.

    It is locked as long as its maker lives, whatever becomes of it, so that
    :func:`tidy` knows whether anybody still works in it.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with temporary(parent, f"{PART}{name}-") as folder, held(folder):
        yield folder


def tidy(out: Path, *, patience: float = 3.0) -> None:
    """Remove what killed runs and sweeps left: folders that they were killed in, and sockets.

    Parameters
    ----------
    out : path
        The folder for reports. Where somebody works in a folder, it stays.
    patience : float
        Seconds to try for: a kernel whose runner was killed may write for a moment longer.
    """
    until = time.monotonic() + patience
    for folder in (Path(out), Store(out).folder):
        used = remove_abandoned(folder, f"{PART}*")
        while not used.issuperset(folder.glob(f"{PART}*")) and time.monotonic() < until:
            time.sleep(0.05)
            used = remove_abandoned(folder, f"{PART}*")
    for kind in ("", "dask-"):
        remove_abandoned(Path(tempfile.gettempdir()), f"{PRIVATE}{kind}{RANDOM}")


def discard(folder: Path) -> None:
    """Remove a folder so that at no moment a part of it lies under its name."""
    if folder.exists():
        with unfinished(folder.parent, f"{folder.name}-gone") as aside:
            folder.rename(aside / folder.name)


def replace_folder(new: Path, target: Path) -> None:
    """Put a finished folder in the place of another, so that at any moment one of both is there.

    The other takes the place of `new`. Where a file system cannot exchange folders, the other is
    removed, and comes back if the new one cannot take its place.

    Raises
    ------
    OSError
        What lies there is no folder, or the disk fails; what was there is there.
    """
    disk.fsync_all(new)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "there is a file of this name", str(target))
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
    """Write JSON so that the file is either whole or not there."""
    part = path.with_name(f".{path.name}.part")
    # half a character, as of a file's name that is no Unicode, becomes what JSON writes for it
    with part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        json.dump(data, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
