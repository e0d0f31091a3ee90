"""Where films come from: named datasets, files of one's own, and the generated sample.

A dataset is looked for in ``data/`` and in the folder that the environment variable
``IMDBCLUST_DATA`` names, and is downloaded only where it is in neither. Whatever the place, a
file counts only when its hash is the registered one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
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

ENDINGS = (".json", ".jsonl", ".ndjson")
"""Names of corpus files end in these, or in these and .gz."""

TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".parquet")
"""Names of tables of credits end in these, or in these and .gz."""


@dataclass(frozen=True)
class Dataset:
    """Films that are at hand and can be read.

    Attributes
    ----------
    name : str
        Registered name, or the file's name.
    title : str
        What the films are, for readers.
    licence, url : str
        Terms of use and address; empty where unknown.
    files : tuple of Path
        The files to read; none for the generated sample.
    synthetic : bool
        Whether the films are made up.
    why : str
        Why this dataset was taken, where ``auto`` chose it.
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
        """Hash of the films: of the one file, of the files' hashes, or of the generator's name."""
        hashes = [file_sha256(path) for path in self.files]
        if len(hashes) == 1:
            return hashes[0]
        return hashlib.sha256("\n".join(hashes or [self.name]).encode()).hexdigest()

    @property
    def address(self) -> str:
        """The name or path with which :func:`find_dataset` finds these films again."""
        named = self.name in NAMES
        return self.name if named else str(self.files[0].absolute())

    def read(self, *, on_problem: str = "stop") -> Corpus:
        """Return the corpus, with ``source`` saying where it comes from.

        Raises
        ------
        imdbclust.load.CorpusError
            As :func:`imdbclust.load.read_corpus`.
        """
        from dataclasses import replace

        return replace(self.read_files(on_problem=on_problem), source=self.describe())

    def describe(self) -> dict:
        """Return name, title, licence, address, hash and whether the films are made up."""
        described = ("name", "title", "licence", "url", "synthetic", "why", "sha256")
        return {key: getattr(self, key) for key in described}


def find_dataset(name: str = "auto", *, download: bool = True) -> Dataset:
    """Return the dataset of that name, or the corpus file at that path.

    Parameters
    ----------
    name : str
        ``imdb``, ``wikipedia``, ``sample``, a path to a ``.json`` or ``.jsonl`` file (also
        ``.gz``), or ``auto``: ``imdb`` if it is at hand, else ``wikipedia`` if it is, else
        ``imdb`` downloaded, else ``sample``.
    download : bool
        Whether what is not at hand may be downloaded.

    Raises
    ------
    DatasetError
        An unknown name, a missing file, a file with another hash than the registered one, or
        a download that did not succeed.
    """
    if name == "auto":
        return _find_auto(download=download)
    if name == "sample":
        return made_up()
    if name in ("imdb", "wikipedia"):
        source = IMDB if name == "imdb" else WIKIPEDIA
        return _at_hand(source) or _fetched(source, download=download)
    return _own_file(name)


def fetch(name: str, *, to: Path | None = None) -> list[Path]:
    """Put the files of a named dataset into ``data/``: copied from a mirror, else downloaded.

    Every file is verified before it gets its name; files that are there already are kept.
    ``imdb-dumps`` change every day: there, what was had is recorded instead, in a manifest.
    `to` is another folder than ``data/``.

    Raises
    ------
    DatasetError
        An unknown name, or a file that cannot be had or has another hash.
    """
    from imdbclust.datasets.download import fetch_changing, fetch_files

    sources = {source.name: source for source in (IMDB, WIKIPEDIA, IMDB_DUMPS)}
    if name not in sources:
        raise UnknownDataset(
            f"there is no dataset {name!r} to fetch; choose {' or '.join(sources)}"
        )
    if name == IMDB_DUMPS.name:
        return fetch_changing(IMDB_DUMPS, to=to or DATA)
    return fetch_files(sources[name], to=to or DATA, mirror=mirror())


def mirror() -> Path | None:
    """Return the folder that ``IMDBCLUST_DATA`` names, if it names one."""
    folder = os.environ.get("IMDBCLUST_DATA")
    try:
        return Path(folder).expanduser() if folder else None
    except RuntimeError:
        raise DatasetError(f"IMDBCLUST_DATA is {folder!r}, which is nobody's home") from None


def made_up(why: str = "") -> Dataset:
    """Return the made-up films of the size of the course's file."""

    def generate(*, on_problem: str) -> Corpus:
        from imdbclust.datasets.made_up.sample import make_filmography

        return make_filmography().corpus

    title = "Made-up films, of the size and shape of the course's file"
    return Dataset("sample", title, generate, licence="none needed", synthetic=True, why=why)


def _find_auto(*, download: bool) -> Dataset:
    found = _at_hand(IMDB) or _at_hand(WIKIPEDIA)
    if found:
        return found
    try:
        return _fetched(IMDB, download=download)
    except DatasetError as error:
        return made_up(why=f"No real films are at hand: {error}")


def _at_hand(source: Source) -> Dataset | None:
    """Return a source whose files are all there, verified; None where some are missing."""
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
    if not download:
        raise DatasetError(f"the dataset {source.name} is not at hand; {_advice(source)}")
    try:
        return _dataset(source, fetch(source.name, to=DATA))
    except DatasetError as error:
        raise DatasetError(f"{error}; {_advice(source)}") from None


def _advice(source: Source) -> str:
    where = source.entries[0].path
    return f"put {where} into data/ or into a folder that IMDBCLUST_DATA names"


def _dataset(source: Source, paths: list[Path]) -> Dataset:
    def read(*, on_problem: str) -> Corpus:
        if source is IMDB:
            from imdbclust.load import read_corpus

            return read_corpus(paths[0], on_problem=on_problem)
        from imdbclust.datasets.wikipedia import read_wikipedia

        return read_wikipedia(paths, on_problem=on_problem)

    about = {"licence": source.licence, "url": source.url}
    return Dataset(source.name, source.title, read, files=tuple(paths), **about)


def read_films(path: Path, **how) -> Corpus:
    """Read films of one's own: a table of credits where the name says so, else JSON lines.

    Parameters
    ----------
    path : path
        The file.
    **how
        As :func:`imdbclust.datasets.credits.read_credits`; ``options`` and ``tell`` are for
        tables only.

    Raises
    ------
    imdbclust.load.CorpusError
        As the two readers.
    """
    if is_table(path):
        from imdbclust.datasets.credits import read_credits

        return read_credits(path, **how)
    from imdbclust.load import read_corpus

    return read_corpus(path, **{key: how[key] for key in how if key not in ("options", "tell")})


def is_table(path: Path) -> bool:
    """Tell whether a name is that of a table of credits."""
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
        there = bool(name) and path.exists()
    except (OSError, RuntimeError):  # a name too long, an unknown home
        there = False
    if not there:
        known = ", ".join(NAMES)
        raise DatasetError(f"no dataset and no file is called {name!r}; datasets are {known}")
    if is_table(path):
        raise DatasetError(
            f"{path.name}: a table of credits; make a corpus of it first: "
            f"imdbclust import-credits {path.name} --to films.jsonl"
        )
    try:
        with open_films(path):
            pass
    except CorpusError as error:
        raise DatasetError(str(error)) from None
    check_ending(path)

    def read(*, on_problem: str) -> Corpus:
        from imdbclust.load import read_corpus

        return read_corpus(path, on_problem=on_problem)

    about, called = licence_beside(path), shown(path.name)
    return Dataset(called, f"films of the file {called}", read, files=(path,), **about)


def licence_beside(path: Path) -> dict[str, str]:
    """Return licence and address from ``<file>.source.json``, which importers write."""
    beside = path.with_name(path.name + ".source.json")
    if not beside.is_file():
        return {}
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{beside}: not JSON: {error}") from None
    if not isinstance(about, dict):
        raise DatasetError(f"{beside}: a JSON object with licence and url is expected")
    return {key: str(about[key]) for key in ("licence", "url") if key in about}
