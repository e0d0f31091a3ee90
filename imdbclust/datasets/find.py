"""Find films: named datasets, the user's own files, and the generated sample.

A dataset is searched for in ``data/`` and in the folder that the environment variable
``IMDBCLUST_DATA`` names, and downloaded only if it is in neither. A file counts only if it has the
registered hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from imdbclust.base.disk import file_sha256
from imdbclust.base.errors import DatasetError, UnknownDataset
from imdbclust.base.paths import DATA
from imdbclust.base.text import shown
from imdbclust.datasets.registry import IMDB, IMDB_DUMPS, WIKIPEDIA, Source

if TYPE_CHECKING:
    from imdbclust.load import Corpus

NAMES = ("auto", "imdb", "wikipedia", "sample")
ENDINGS = (".json", ".jsonl", ".ndjson")  # of corpus files, optionally followed by .gz
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".parquet")  # of tables of credits, likewise


@dataclass(frozen=True)
class Dataset:
    """Films that are available and can be read.

    `name` is registered or a file's, `licence` and `url` are empty if unknown. The `files` of the
    generated sample are empty. `why` is the reason for which ``auto`` chose the dataset.
    """

    name: str
    title: str
    read_files: Callable[..., Corpus]
    licence: str = ""
    url: str = ""
    files: tuple[Path, ...] = ()
    synthetic: bool = False
    why: str = ""

    @cached_property
    def sha256(self) -> str:
        """Hash of the one file, of the hashes of several files, or of the name of the sample."""
        hashes = [file_sha256(path) for path in self.files]
        if len(hashes) == 1:
            return hashes[0]
        return hashlib.sha256("\n".join(hashes or [self.name]).encode()).hexdigest()

    @property
    def address(self) -> str:
        """The name or path with which :func:`find_dataset` finds these films again."""
        return self.name if self.name in NAMES else str(self.files[0].absolute())

    def read(self, *, on_problem: str = "stop") -> Corpus:
        """Return the corpus; its ``source`` is :meth:`describe`. Errors are CorpusErrors."""
        return replace(self.read_files(on_problem=on_problem), source=self.describe())

    def describe(self) -> dict:
        """Return name, title, licence, address, hash and whether the films are made up."""
        described = ("name", "title", "licence", "url", "synthetic", "why", "sha256")
        return {key: getattr(self, key) for key in described}


def find_dataset(name: str = "auto", *, download: bool = True) -> Dataset:
    """Return the dataset of that name, or the corpus file at that path.

    `name` is ``imdb``, ``wikipedia``, ``sample``, a path to a ``.json`` or ``.jsonl`` file (also
    ``.gz``), or ``auto``: ``imdb`` or else ``wikipedia`` if available, else ``imdb`` downloaded,
    else ``sample``. `download` is whether a dataset that is not available may be downloaded.

    Raises
    ------
    DatasetError
        An unknown name, a missing file, a file without the registered hash, or a failed download.
    """
    if name == "sample":
        return made_up()
    if name in ("imdb", "wikipedia"):
        source = IMDB if name == "imdb" else WIKIPEDIA
        return _available(source) or _fetched(source, download=download)
    if name != "auto":
        return _own_file(name)
    if found := _available(IMDB) or _available(WIKIPEDIA):
        return found
    try:
        return _fetched(IMDB, download=download)
    except DatasetError as error:
        return made_up(why=f"No real films are available: {error}")


def fetch(name: str, *, to: Path | None = None) -> list[Path]:
    """Put the files of a named dataset into ``data/``: copied from a mirror, or downloaded.

    Every file is verified before it gets its name; valid existing files are kept. ``imdb-dumps``
    change every day; their addresses, hashes and dates are recorded in a manifest. `to` replaces
    ``data/``. An unknown name, or an unavailable or wrong file, is a DatasetError.
    """
    from imdbclust.datasets.download import fetch_changing, fetch_files

    sources = {source.name: source for source in (IMDB, WIKIPEDIA, IMDB_DUMPS)}
    if name not in sources:
        raise UnknownDataset(f"no dataset {name!r} to fetch; choose {' or '.join(sources)}")
    if name == IMDB_DUMPS.name:
        return fetch_changing(IMDB_DUMPS, to=to or DATA)
    return fetch_files(sources[name], to=to or DATA, mirror=mirror())


def mirror() -> Path | None:
    """Return the folder that ``IMDBCLUST_DATA`` names, if it is set."""
    folder = os.environ.get("IMDBCLUST_DATA")
    try:
        return Path(folder).expanduser() if folder else None
    except RuntimeError:
        raise DatasetError(f"IMDBCLUST_DATA is {folder!r}: no such home directory") from None


def made_up(why: str = "") -> Dataset:
    """Return made-up films of the size of the course's file."""

    def generate(*, on_problem: str) -> Corpus:
        from imdbclust.datasets.made_up.sample import make_filmography

        return make_filmography().corpus

    title = "Made-up films, of the size and shape of the course's file"
    return Dataset("sample", title, generate, licence="none needed", synthetic=True, why=why)


def _available(source: Source) -> Dataset | None:
    """Return a source if all of its files exist, and verify them; None if one is missing."""
    for folder in filter(None, (DATA, mirror())):
        paths = source.paths_in(folder)
        if all(path.is_file() for path in paths):
            for path, entry in zip(paths, source.entries, strict=True):
                if not entry.verify(path):
                    raise DatasetError(
                        f"{path}: not the registered file of the dataset {source.name} "
                        f"(its {entry.algorithm} is not {entry.digest}); remove or replace it"
                    )
            return _dataset(source, paths)
    return None


def _fetched(source: Source, *, download: bool) -> Dataset:
    where = source.entries[0].path
    advice = f"put {where} into data/ or into a folder that IMDBCLUST_DATA names"
    if not download:
        raise DatasetError(f"the dataset {source.name} is not available; {advice}")
    try:
        return _dataset(source, fetch(source.name, to=DATA))
    except DatasetError as error:
        raise DatasetError(f"{error}; {advice}") from None


def _dataset(source: Source, paths: list[Path]) -> Dataset:
    def read(*, on_problem: str) -> Corpus:
        if source is IMDB:
            return read_films(paths[0], on_problem=on_problem)
        from imdbclust.datasets.wikipedia import read_wikipedia

        return read_wikipedia(paths, on_problem=on_problem)

    about = {"licence": source.licence, "url": source.url}
    return Dataset(source.name, source.title, read, files=tuple(paths), **about)


def read_films(path: Path, options=None, **more) -> Corpus:
    """Read the user's films: a table of credits if its name ends like one, else JSON lines.

    `options` are the :class:`imdbclust.datasets.credits.TableOptions` of a table; `more` are
    ``on_problem`` and ``problem_log``, as for :func:`imdbclust.load.read_corpus`.
    """
    if is_table(path):
        from imdbclust.datasets.credits import read_credits

        return read_credits(path, options, **more)
    from imdbclust.load import read_corpus

    return read_corpus(path, **more)


def is_table(path: Path) -> bool:
    """Return whether a name is that of a table of credits."""
    return Path(path.name.removesuffix(".gz")).suffix.lower() in TABLE_ENDINGS


def check_ending(path: Path) -> None:
    """Raise DatasetError unless a name is that of a corpus file."""
    if Path(path.name.removesuffix(".gz")).suffix not in ENDINGS:
        raise DatasetError(
            f"{path.name}: a corpus file ends in {', '.join(ENDINGS)} or these + .gz"
        )


def _own_file(name: str) -> Dataset:
    from imdbclust.films.opening import open_films
    from imdbclust.films.problems import CorpusError

    try:
        path = Path(name).expanduser()
        exists = bool(name) and path.exists()
    except (OSError, RuntimeError):  # the name is too long, or the home directory unknown
        exists = False
    if not exists:
        known = ", ".join(NAMES)
        raise DatasetError(f"no dataset and no file is called {name!r}; datasets are {known}")
    if is_table(path):
        raise DatasetError(
            f"{path.name}: a table of credits; convert it first: "
            f"imdbclust import-credits {path.name} --to films.jsonl"
        )
    try:
        with open_films(path):
            pass
    except CorpusError as error:
        raise DatasetError(str(error)) from None
    check_ending(path)
    about, name = read_licence(path), shown(path.name)
    read = partial(read_films, path)
    return Dataset(name, f"films of the file {name}", read, files=(path,), **about)


def source_file(path: Path) -> Path:
    """Return the path of ``<file>.source.json``, in which importers describe a corpus file."""
    return path.with_name(path.name + ".source.json")


def read_licence(path: Path) -> dict[str, str]:
    """Return licence and address of a corpus file from its `source_file`, if that exists."""
    path = source_file(path)
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path}: not JSON: {error}") from None
    if not isinstance(about, dict):
        raise DatasetError(f"{path}: a JSON object with licence and url is expected")
    return {key: str(about[key]) for key in ("licence", "url") if key in about}
