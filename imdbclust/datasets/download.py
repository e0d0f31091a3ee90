"""Get registered files: copied from a local mirror, or downloaded over https; always verified."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from imdbclust.base.disk import file_sha256, part_of
from imdbclust.base.errors import DatasetError
from imdbclust.base.terminal import terminal_bar
from imdbclust.base.text import byte_size, shown
from imdbclust.base.waits import in_time
from imdbclust.datasets.registry import Source

SCHEMES = ("https://",)  # allowed beginnings of addresses
PATIENCE = 5.0  # seconds to wait for the first answer of a host, and between two pieces of a file
BLOCK_BYTES, BLOCK_SECONDS = 2**16, 30.0  # a block that takes longer comes too slowly
MAX_BYTES = 2**30  # maximum size of a registered file; a longer answer is not the file
MAX_CHANGING_BYTES = 8 * 2**30  # maximum size of a file that changes
FRESH = timedelta(hours=12)  # age at which a file that changes is downloaded again


def fetch_files(source: Source, *, to: Path, mirror: Path | None = None) -> list[Path]:
    """Put all files of a source into a folder and return their paths, in order.

    A file that is unavailable, has another hash or cannot be written is a DatasetError; unverified
    files are not kept.
    """
    targets = source.paths_in(to)
    for entry, target in zip(source.entries, targets, strict=True):
        if target.is_file() and entry.verify(target):
            continue
        with _written(target) as part:
            if mirror and (mirror / entry.path).is_file():
                shutil.copyfile(mirror / entry.path, part)
            else:
                download(entry.url, part)
            if not entry.verify(part):
                raise DatasetError(
                    f"{target.name}: the received file is not the registered file "
                    f"(its {entry.algorithm} is not {entry.digest}); it was not kept"
                )
    return targets


def fetch_changing(source: Source, *, to: Path) -> list[Path]:
    """Put files that change every day into a folder, and describe them in a manifest.

    ``manifest.json`` next to the files has address, size, SHA-256 and time of each. It is written
    after each file, so that an interrupted download continues with the next one; files younger
    than `FRESH` are kept. A file that is unavailable, not gzip or cannot be written is a
    DatasetError.
    """
    targets = source.paths_in(to)
    manifest = targets[0].with_name("manifest.json")
    try:
        known = dict(json.loads(manifest.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    for entry, target in zip(source.entries, targets, strict=True):
        if _is_fresh(target, known.get(target.name)):
            continue
        with _written(target) as part:
            download(entry.url, part, most=MAX_CHANGING_BYTES)
            with part.open("rb") as file:
                if file.read(2) != b"\x1f\x8b":
                    raise DatasetError(f"{entry.url} is not a gzip file; it was not kept")
            known[target.name] = {
                "url": entry.url,
                "bytes": part.stat().st_size,
                "sha256": file_sha256(part),
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        about = {"licence": source.licence, "url": source.url, "files": known}
        with _written(manifest) as part:
            part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return targets


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    """Give a temporary path, which is renamed to the target at the end."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part_of(target) as part:
            yield part
    except OSError as error:
        raise DatasetError(f"{target}: cannot be written: {error.strerror or error}") from None


def _is_fresh(path: Path, known: dict | None) -> bool:
    """Return whether a file is the one that was downloaded recently."""
    if not known or not path.is_file() or path.stat().st_size != known.get("bytes"):
        return False
    age = datetime.now(UTC) - datetime.fromisoformat(known["date"])
    # a negative age comes from a clock that was ahead
    return timedelta(0) <= age < FRESH and file_sha256(path) == known["sha256"]


def download(url: str, path: Path, *, patience: float = PATIENCE, most: int | None = None) -> None:
    """Download an https address into a file, with a progress bar on a terminal.

    It is a DatasetError if the address is not https or redirects, the host does not answer within
    `patience` seconds, the status is not 200, a block comes too slowly (`BLOCK_SECONDS`), or the
    file is truncated or has more than `most` bytes (default: `MAX_BYTES`).
    """
    if not url.startswith(SCHEMES):
        raise DatasetError(f"{url} is not an https address")
    options = {"stream": True, "allow_redirects": False}
    try:
        asked = in_time(lambda: requests.get(url, timeout=patience, **options), patience)
        with asked as answer, path.open("wb") as file:
            answer.raise_for_status()
            if answer.is_redirect:
                where = shown(answer.headers["Location"])
                raise DatasetError(f"{url} redirects to {where}; the redirect was not followed")
            total = int(answer.headers.get("Content-Length", 0)) or None
            bar = {"desc": Path(url).name, "total": total, "unit": "B", "unit_scale": True}
            with terminal_bar(**bar) as bar:
                for block in _blocks(answer):
                    bar.update(file.write(block))
                    if file.tell() > (most or MAX_BYTES):
                        raise DatasetError(f"{url} is larger than any registered file")
    except (requests.RequestException, TimeoutError) as error:
        late = isinstance(error, (requests.Timeout, TimeoutError))
        reason = "no answer in time" if late else "no connection"
        if isinstance(error, requests.HTTPError):
            reason = f"HTTP status {error.response.status_code}"
        raise DatasetError(f"{url} cannot be downloaded ({reason})") from None


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    """Give an answer block by block; a DatasetError if one of them takes too long."""
    blocks = answer.iter_content(BLOCK_BYTES)
    try:
        while block := in_time(lambda: next(blocks, b""), BLOCK_SECONDS):
            yield block
    except TimeoutError:
        reason = f"less than {byte_size(BLOCK_BYTES)} arrived in {BLOCK_SECONDS:g} seconds"
        raise DatasetError(f"{answer.url} cannot be downloaded ({reason})") from None
    finally:  # end a read in the other thread, for which closing the answer would wait
        closed = suppress(OSError, ValueError, AttributeError)  # all has been read
        with closed, socket.socket(fileno=os.dup(answer.raw.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
