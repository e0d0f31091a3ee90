"""Import IMDb's own dumps, four files of tab-separated text of any size, into a corpus file.

The dumps (https://developer.imdb.com/non-commercial-datasets/) are ``title.basics``,
``title.principals``, ``name.basics`` and ``title.ratings``, as ``.tsv`` or ``.tsv.gz``. They are
read block by block (:mod:`imdbclust.datasets.tsv`), joined by DuckDB within a memory limit, and
written movie by movie, sorted by id: the same files and options give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from imdbclust import __version__
from imdbclust.base.disk import replacing, temporary
from imdbclust.base.errors import UserError
from imdbclust.base.terminal import terminal_bar
from imdbclust.base.text import is_unicode, shown
from imdbclust.datasets.imdb_tables import FORMAT, NEEDED, RATINGS, DumpTables, Selection, Summary
from imdbclust.datasets.registry import IMDB_DUMPS
from imdbclust.datasets.tsv import TsvFile
from imdbclust.films.corpus_files import check_ending, source_file
from imdbclust.films.json_lines import gzip_or_plain
from imdbclust.films.problems import CorpusError

MEMORY = 2 * 10**9  # default memory limit of an import, in bytes
DUCKDB_SHARE = 0.3
"""DuckDB's share of the memory limit. Python, its libraries and blocks of text take half a
gigabyte, and DuckDB exceeds its own limit at times."""


def import_dumps(
    folder: Path,
    target: Path,
    choice: Selection | None = None,
    *,
    memory: int = MEMORY,
    threads: int | None = None,
) -> Summary:
    """Import the dumps in a folder into a corpus file, and write ``<file>.source.json``.

    Titles are kept as they are. Movies are sorted by id, casts by ``ordering``. A person listed
    twice for one title counts once; a person missing from ``name.basics`` is named by the id. The
    minima of `choice` are applied repeatedly until both hold.

    Parameters
    ----------
    folder : path
        Contains ``title.basics``, ``title.principals``, ``name.basics`` and optionally
        ``title.ratings``, each as ``.tsv`` or ``.tsv.gz``.
    target : path
        The corpus file, gzip if its name ends in ``.gz``; it is written atomically.
    choice : Selection, optional
        Which titles and people to keep.
    memory : int
        Memory limit in bytes; larger tables are spilled to the folder of `target`.
    threads : int, optional
        Threads of DuckDB; all cores by default.

    Returns
    -------
    Summary
        What was read, kept and dropped, and why.

    Raises
    ------
    CorpusError
        A file is missing, damaged or without a column; no title is left.
    UserError
        The target's name is not that of a corpus file, or a text is not Unicode.
    OSError
        The corpus cannot be written.
    """
    target, choice = Path(target), choice or Selection()
    check_ending(target)
    if not is_unicode(str(target)):  # DuckDB cannot spill there
        raise UserError(f"{shown(target)}: the path is not UTF-8; write to another file")
    with _interruptible(), ExitStack() as stack:
        paths = find_dumps(folder)
        for name, path in paths.items():
            TsvFile(path, NEEDED[name]).check_header()
        work = stack.enter_context(temporary(target.parent, f".{target.name[:100]}.", ".part"))
        total = sum(path.stat().st_size for path in paths.values())
        bar = stack.enter_context(terminal_bar(total=total, unit="B", unit_scale=True))
        base = stack.enter_context(_database(work, memory, threads))
        tables = DumpTables(base, paths, choice, bar)
        tables.read_all()
        bar.set_description("writing")
        lines = hashlib.sha256()
        file = stack.enter_context(gzip_or_plain(target, level=6))
        for record in tables.records():
            lines.update(record)
            file.write(record)
        about = _manifest(tables.summary, choice, target) | {"sha256_of_lines": lines.hexdigest()}
        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        stack.enter_context(replacing(source_file(target))).write(text.encode())
    return tables.summary


def find_dumps(folder: Path) -> dict[str, Path]:
    """Return the path of each of the dumps in a folder; ``title.ratings`` is optional.

    If another file is missing, or one exists both as ``.tsv`` and ``.tsv.gz``, it is a CorpusError.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):  # noqa: PTH112 (also where a name is too long)
        raise CorpusError(f"{shown(folder)}: no such folder")
    found, missing = {}, []
    for name in FORMAT:
        paths = [folder / f"{name}{end}" for end in (".tsv", ".tsv.gz")]
        if all(path.exists() for path in paths):
            what = f"{name} exists as .tsv and as .tsv.gz; remove one of them"
            raise CorpusError(f"{shown(folder)}: {what}")
        if path := next(filter(Path.exists, paths), None):
            found[name] = path
        elif name != RATINGS:
            missing.append(f"{name}.tsv.gz")
    if missing:
        raise CorpusError(f"{shown(folder)}: missing {' and '.join(missing)} (or .tsv)")
    return found


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt after an interrupt, whatever error DuckDB turns it into."""
    seen, usual = [], {}

    def handle(number, frame):
        seen.append(number)
        usual[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):
                usual[number] = handler
                signal.signal(number, handle)
    try:
        yield
    except Exception:
        if seen:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextmanager
def _database(work: Path, memory: int, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory database that spills to `work` and never uses the network."""
    config = {
        "memory_limit": f"{int(memory * DUCKDB_SHARE) // 10**6}MB",
        "temp_directory": str(work / "spilled"),
        "threads": threads or os.cpu_count() or 1,
        "preserve_insertion_order": False,  # rows have line numbers
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    base = duckdb.connect(":memory:", config=config)
    try:
        yield base
    except duckdb.OutOfMemoryException as error:
        reason = str(error).partition("\n")[0]
        raise CorpusError(
            f"not enough memory or disk space ({reason}); raise the limit with --memory"
        ) from None
    except duckdb.IOException as error:
        raise OSError(0, str(error).partition("\n")[0]) from None
    finally:
        base.close()


def _manifest(summary: Summary, choice: Selection, target: Path) -> dict:
    return {
        "licence": IMDB_DUMPS.licence,
        "url": IMDB_DUMPS.url,
        "made_by": f"imdbclust {__version__}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "file": target.name,
        "inputs": summary.inputs,
        "options": asdict(choice),
        "counts": summary.counts,
        "notes": summary.notes,
        "rounds": summary.rounds,
        "corpus": {
            "movies": summary.n_movies, "actors": summary.n_actors, "credits": summary.n_credits,
        },
        "problems": [str(problem) for problem in summary.problems],
    }  # fmt: skip
