"""Find films: named datasets, the user's own files, and the generated sample.

A dataset is searched for in ``data/`` and in the folder that the environment variable
``IMDBCLUST_DATA`` names, and downloaded only if it is in neither. A file counts only if it has the
registered hash.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from imdbclust.base.disk import file_sha256
from imdbclust.base.errors import DatasetError, UnknownDataset
from imdbclust.base.paths import DATA
from imdbclust.base.text import did_you_mean, shown
from imdbclust.datasets.registry import IMDB, IMDB_DUMPS, WIKIPEDIA, Source
from imdbclust.films.corpus_files import read_licence

if TYPE_CHECKING:
    from imdbclust.load import Corpus

READ_AS = ("columns", "guesses")  # of a corpus' source: how its files were read
NAMES = ("auto", "imdb", "wikipedia", "sample")


@dataclass(frozen=True)
class Dataset:
    """Films that are available and can be read.

    `name` is registered or a file's, `licence` and `url` are empty if unknown. The `files` of the
    generated sample are empty. `why` is the reason for which ``auto`` chose the dataset. `request`
    has the other arguments of :func:`find_dataset` that find these films again: ``mapping``,
    ``part`` and ``accept``.
    """

    name: str
    title: str
    read_files: Callable[..., Corpus]
    licence: str = ""
    url: str = ""
    files: tuple[Path, ...] = ()
    synthetic: bool = False
    why: str = ""
    places: tuple[str, ...] = ()
    request: dict = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """Hash of the one file, of the hashes of several files, or of the name of the sample."""
        hashes = [file_sha256(path) for path in self.files]
        if len(hashes) == 1:
            return hashes[0]
        return hashlib.sha256("\n".join(hashes or [self.name]).encode()).hexdigest()

    @property
    def address(self) -> str | list[str]:
        """The name or paths with which :func:`find_dataset` finds these films again."""
        if self.name in NAMES and not self.places:
            return self.name
        return self.places[0] if len(self.places) == 1 else list(self.places)

    def read(self, *, on_problem: str = "stop") -> Corpus:
        """Return the corpus; its ``source`` is :meth:`describe` and how files were read.

        Errors are CorpusErrors.
        """
        corpus = self.read_files(on_problem=on_problem)
        if part := self.request.get("part"):
            from imdbclust.datasets.part import Part, select

            corpus = select(corpus, Part(**part))
        read_as = {key: corpus.source[key] for key in READ_AS if key in corpus.source}
        return replace(corpus, source=self.describe() | read_as)

    def describe(self) -> dict:
        """Return name, title, licence, address, hash, whether they are made up, and the request."""
        described = ("name", "title", "licence", "url", "synthetic", "why", "sha256")
        return {key: getattr(self, key) for key in described} | self.request


def find_dataset(
    name: str | Sequence[str] = "auto",
    *,
    download: bool = True,
    mapping: Mapping | None = None,
    part: Mapping | None = None,
    accept: bool = False,
) -> Dataset:
    """Return the dataset of that name, or the films at that path or these paths.

    `name` is ``imdb``, ``wikipedia``, ``sample``, one or more paths of film files of any kind, or
    ``auto``: ``imdb`` or else ``wikipedia`` if available, else ``imdb`` downloaded, else
    ``sample``. `download` is whether a dataset that is not available may be downloaded. `mapping`
    says how files are read (:func:`imdbclust.datasets.reading.mapping_of`), `part` has the fields
    of a :class:`imdbclust.datasets.part.Part`, and `accept` takes files with doubtful films.

    Raises
    ------
    DatasetError
        An unknown name, a missing file, a file without the registered hash, or a failed download.
    """
    given = {"mapping": mapping, "part": part, "accept": accept}
    request = {key: value for key, value in given.items() if value}
    names = [name] if isinstance(name, str) else list(name)
    if len(names) == 1 and names[0] in NAMES:
        if mapping:
            raise DatasetError(f"a mapping is for files; {names[0]} is read without one")
        return replace(_named(names[0], download=download), request=request)
    if unread := [one for one in names if one in NAMES]:
        raise DatasetError(f"{unread[0]} is a dataset by itself; it is not joined with files")
    return replace(_own_files(names, mapping or {}, accept=accept), request=request)


def check_known(name: str | Sequence[str]) -> list[Path]:
    """Return the paths among the names of datasets and files; no file is opened.

    UnknownDataset is raised for a name that is neither a dataset's nor a file's.
    """
    paths = []
    for one in [name] if isinstance(name, str) else name:
        if one in NAMES:
            continue
        try:
            path = Path(one).expanduser()
            exists = bool(one) and path.exists()
            paths.append(path if path.name not in ("", "..") else path.resolve())  # . has no name
        except (OSError, RuntimeError, ValueError):  # too long, no home directory, or with a NUL
            exists = False
        if not exists:
            hint = did_you_mean(one, NAMES, f"datasets are {', '.join(NAMES)}")
            raise UnknownDataset(f"no dataset and no file is called {one!r}; {hint}")
    return paths


def _named(name: str, *, download: bool) -> Dataset:
    if name == "sample":
        return made_up()
    if name in ("imdb", "wikipedia"):
        source = IMDB if name == "imdb" else WIKIPEDIA
        return _available(source) or _fetched(source, download=download)
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
        raise UnknownDataset(f"no dataset {name!r} to fetch; {did_you_mean(name, sources)}")
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
            from imdbclust.load import read_corpus

            return read_corpus(paths[0], on_problem=on_problem)
        from imdbclust.datasets.wikipedia import read_wikipedia

        return read_wikipedia(paths, on_problem=on_problem)

    about = {"licence": source.licence, "url": source.url}
    return Dataset(source.name, source.title, read, files=tuple(paths), **about)


def _own_files(names: Sequence[str], mapping: Mapping, *, accept: bool) -> Dataset:
    """Return the films of files, folders and databases; they are read when `read` is called."""
    found = check_known(names)
    from imdbclust.datasets.reading import mapping_of, read_films
    from imdbclust.films.opening import open_films
    from imdbclust.films.problems import CorpusError

    files = []
    for path in found:
        folder = path.is_dir()
        files += sorted(one for one in path.rglob("*") if one.is_file()) if folder else [path]
    try:
        for file in files:
            with open_films(file, unpack=False):
                pass
    except CorpusError as error:
        raise DatasetError(str(error)) from None
    read = partial(read_films, *found, how=mapping_of(mapping, "mapping"), accept=accept)
    title = " and ".join(shown(path.name) for path in found)
    kind = "folder" if all(path.is_dir() for path in found) else "file"
    about = read_licence(found[0]) if [kind] * len(found) == ["file"] else {}
    return Dataset(
        title if len(found) == 1 else "films",
        f"Films of the {kind}{'s' * (len(found) > 1)} {title}",
        read,
        files=tuple(files),
        places=tuple(str(path.absolute()) for path in found),
        **about,
    )
