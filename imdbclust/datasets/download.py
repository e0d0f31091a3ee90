"""Get registered files: from a local mirror if it has them, else over https, always verified."""

from __future__ import annotations

import json
import queue
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from tqdm import tqdm

from imdbclust.base.disk import file_sha256, part_of
from imdbclust.base.errors import DatasetError
from imdbclust.base.text import shown
from imdbclust.datasets.registry import Entry, Source

SCHEMES = ("https://",)
"""Beginnings of addresses that are asked for anything."""

PATIENCE = 5.0
"""Seconds to wait for the first answer of a host, and between two pieces of a file."""

MAX_BYTES = 2**30
"""No registered file is larger; a longer answer is not the file."""

MAX_CHANGING_BYTES = 8 * 2**30
"""The same for files that change, and grow."""

FRESH = timedelta(hours=12)
"""A file that changes every day is not downloaded again for so long."""


def fetch_files(source: Source, *, to: Path, mirror: Path | None = None) -> list[Path]:
    """Put all files of a source into a folder and return their paths, in order.

    Raises
    ------
    DatasetError
        A file that cannot be had, is not the registered one or cannot be written; nothing
        unverified stays.
    """
    targets = source.paths_in(to)
    for entry, target in zip(source.entries, targets, strict=True):
        if target.is_file() and entry.verify(target):
            continue
        copy = mirror / entry.path if mirror else None
        try:
            with _verified(entry, target) as part:
                if copy and copy.is_file():
                    shutil.copyfile(copy, part)
                else:
                    download(entry.url, part)
        except OSError as error:
            raise DatasetError(f"{target}: cannot be written: {error.strerror or error}") from None
    return targets


def fetch_changing(source: Source, *, to: Path) -> list[Path]:
    """Put files that change every day into a folder, and say in a manifest what was had when.

    ``manifest.json`` beside them has address, size, SHA-256 and time of each file; it is written
    after each of them, so that an interrupted download goes on with the next file: those of the
    last `FRESH` are kept.

    Raises
    ------
    DatasetError
        A file that cannot be had, is not gzip or cannot be written.
    """
    targets = source.paths_in(to)
    manifest = targets[0].with_name("manifest.json")
    known = _known_files(manifest)
    for entry, target in zip(source.entries, targets, strict=True):
        if _is_fresh(target, known.get(target.name)):
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part_of(target) as part:
                download(entry.url, part, most=MAX_CHANGING_BYTES)
                with part.open("rb") as file:
                    if file.read(2) != b"\x1f\x8b":
                        raise DatasetError(f"{entry.url} is no gzip file; it was not kept")
                known[target.name] = {
                    "url": entry.url,
                    "bytes": part.stat().st_size,
                    "sha256": file_sha256(part),
                    "date": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            about = {"licence": source.licence, "url": source.url, "files": known}
            with part_of(manifest) as part:
                part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise DatasetError(f"{target}: cannot be written: {error.strerror or error}") from None
    return targets


def _known_files(manifest: Path) -> dict[str, dict]:
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_fresh(path: Path, known: dict | None) -> bool:
    """Tell whether a file is the one that was downloaded lately."""
    if not known or not path.is_file() or path.stat().st_size != known.get("bytes"):
        return False
    age = datetime.now(UTC) - datetime.fromisoformat(known["date"])
    lately = timedelta(0) <= age < FRESH  # and not by a clock that was ahead
    return lately and file_sha256(path) == known["sha256"]


def download(url: str, path: Path, *, patience: float = PATIENCE, most: int | None = None) -> None:
    """Write what lies at an https address into a file, with a progress bar on a terminal.

    Raises
    ------
    DatasetError
        Another address than one of https, one that leads elsewhere, no connection within
        `patience` seconds, an answer other than 200, a file that breaks off or has more than
        `most` bytes (`MAX_BYTES`).
    """
    if not url.startswith(SCHEMES):
        raise DatasetError(f"{url} is no address of https")
    try:
        with (
            _open(url, patience) as answer,
            path.open("wb") as file,
            tqdm(
                desc=Path(url).name,
                total=int(answer.headers.get("Content-Length", 0)) or None,
                unit="B",
                unit_scale=True,
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):
            answer.raise_for_status()
            if answer.is_redirect:
                where = shown(answer.headers["Location"])
                raise DatasetError(f"{url} leads elsewhere, to {where}; it was not followed")
            for block in answer.iter_content(2**16):
                bar.update(file.write(block))
                if file.tell() > (most or MAX_BYTES):
                    raise DatasetError(f"{url} is larger than any registered file")
    except requests.RequestException as error:
        raise DatasetError(f"{url} cannot be downloaded ({_reason(error)})") from None


def _open(url: str, patience: float) -> requests.Response:
    """Ask for an address; give up in time even where looking the host up takes forever."""
    answers: queue.Queue = queue.Queue()

    def ask() -> None:
        try:
            answers.put(requests.get(url, stream=True, timeout=patience, allow_redirects=False))
        except requests.RequestException as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=patience)
    except queue.Empty:
        raise requests.ConnectTimeout(f"no answer within {patience:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _reason(error: requests.RequestException) -> str:
    """Say in a few words why: the errors of requests repeat address and objects at length."""
    if isinstance(error, requests.HTTPError):
        return f"the server says {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return "no connection"


@contextmanager
def _verified(entry: Entry, target: Path) -> Iterator[Path]:
    """Give a temporary path; what was written there gets its name only if the hash is right."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with part_of(target) as part:
        yield part
        if not entry.verify(part):
            raise DatasetError(
                f"{target.name}: what was received is not the registered file "
                f"(its {entry.algorithm} is not {entry.digest}); it was not kept"
            )
