"""The list of films that can be downloaded: addresses, hashes, licences."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from imdbclust.base.disk import file_sha256


@dataclass(frozen=True)
class Entry:
    """One file of a source: its path below ``data/`` or a mirror, its address and its hash.

    The algorithm of the hash is "sha256", "git blob id" (the SHA-1 of ``blob <size>``, a NUL and
    the content, as on a git host), or "none" for files that change.
    """

    path: str
    url: str
    algorithm: str
    digest: str

    def verify(self, path: Path) -> bool:
        """Return whether a file has the registered content."""
        if self.algorithm == "sha256":
            return file_sha256(path) == self.digest
        blob = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: blob).hexdigest() == self.digest


@dataclass(frozen=True)
class Source:
    """A named dataset on the internet."""

    name: str
    title: str
    licence: str
    url: str
    entries: tuple[Entry, ...]

    def paths_in(self, folder: Path) -> list[Path]:
        """Return the paths of the files below a folder, in order."""
        return [folder / entry.path for entry in self.entries]


_IMDB_FILE = "imdb_movies_2000to2022.prolific.json"
_IMDB_URL = (
    "https://raw.githubusercontent.com/cbuntain/umd.inst414/"
    f"6c513a6b952c489f0a00a9e7902754b1d5f3c6f2/data/{_IMDB_FILE}"
)
_IMDB_LICENCE = (
    "Information courtesy of IMDb (https://www.imdb.com). Used with permission. "
    "Personal and non-commercial use only."
)

IMDB = Source(
    name="imdb",
    title="IMDb movies 2000 to 2022 with prolific actors, the course's file",
    licence=_IMDB_LICENCE,
    url="https://github.com/cbuntain/umd.inst414",
    entries=(
        Entry(_IMDB_FILE, _IMDB_URL, "git blob id", "19492534a602f84109992c1c2b950281af652c27"),
    ),
)

_WIKIPEDIA_URL = (
    "https://raw.githubusercontent.com/prust/wikipedia-movie-data/"
    "91ae721d3672e8ef4f15b213c763a634250ef61a"
)
_WIKIPEDIA_FILES = {
    "movies-1900s.json": "5a42dfc3ff83ab30e3982f93f1164114b41e99e73c632c2321a87772959793e5",
    "movies-1910s.json": "4672fe20aeddfe1c52464efc804ee3091f9e4b5fd385401ff0ce48cf8d367573",
    "movies-1920s.json": "cb892518d2ffda4f2f11a0bd56f28b102fd0d47e5ae1ba2b2e4cb4e964f8127a",
    "movies-1930s.json": "b2ffc5608cbeff231408433ad43f873d422b914bebdf408ebe18427c09a9dcb2",
    "movies-1940s.json": "b4d96fc8b7c36f406e489b6fc017de03dd6a10f4c89a84d2a2a46af74e8b49a3",
    "movies-1950s.json": "8f566bfec734e93f19f688598e82239556401bde63c226510d71190b30855298",
    "movies-1960s.json": "a2450179f0744c07960a7840b9a86b5e0d733f7c0136a4ebcb804a63de9dc0a1",
    "movies-1970s.json": "f9abef01840fc70afd148906c7985fa5548ab1f473520dfa6623a3a397bc4ce3",
    "movies-1980s.json": "21d0f3c203f77169bb6508225aad4740816a3d7efd9e3bac82e3b812d0569672",
    "movies-1990s.json": "facf24e3297937022285d064cc069e8bbe02581c3248a87f0b377c045b4fb61d",
    "movies-2000s.json": "66140e41fe6c79cbb325b6566f156e27fe032a42175f224dfff1b71aa9630207",
    "movies-2010s.json": "e218edfdd8453cdd938fcb8b07b6b177474b3b18361e3422fdd6480d7e3bf9f9",
    "movies-2020s.json": "505f0f56ecdca7a2643fb3a811399b885f837e2cbfa9ee95a24b9018073e3eb3",
}

WIKIPEDIA = Source(
    name="wikipedia",
    title="US films 1900 to 2023 from Wikipedia",
    licence="Collected by prust/wikipedia-movie-data (MIT); the texts of Wikipedia are CC BY-SA.",
    url="https://github.com/prust/wikipedia-movie-data",
    entries=tuple(
        Entry(f"wikipedia-movie-data/{name}", f"{_WIKIPEDIA_URL}/{name}", "sha256", digest)
        for name, digest in _WIKIPEDIA_FILES.items()
    ),
)

IMDB_DUMPS = Source(
    name="imdb-dumps",
    title="The four dumps of IMDb that import-imdb reads; they change every day",
    licence=_IMDB_LICENCE,
    url="https://developer.imdb.com/non-commercial-datasets/",
    entries=tuple(
        Entry(f"imdb-dumps/{name}.tsv.gz", f"https://datasets.imdbws.com/{name}.tsv.gz", "none", "")
        for name in ("title.basics", "title.principals", "name.basics", "title.ratings")
    ),
)
