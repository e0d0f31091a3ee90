"""The one list of films that can be downloaded: addresses, hashes, licences."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One file of a source.

    Attributes
    ----------
    path : str
        Where it lies below ``data/`` or a mirror.
    url : str
        Where it is downloaded from.
    algorithm : {"sha256", "git blob id", "none"}
        What `digest` is. A git blob id is the SHA-1 over ``blob <size>``, a NUL and the
        content, which is how a git host names the file; none where a file changes all the time.
    digest : str
        In hexadecimal.
    """

    path: str
    url: str
    algorithm: str
    digest: str

    def verify(self, path: Path) -> bool:
        """Tell whether a file has the registered content."""
        if self.algorithm == "sha256":
            digest = hashlib.sha256()
        else:
            digest = hashlib.sha1(usedforsecurity=False)
            digest.update(b"blob %d\0" % path.stat().st_size)
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
        return digest.hexdigest() == self.digest


@dataclass(frozen=True)
class Source:
    """A named dataset that lies on the internet."""

    name: str
    title: str
    licence: str
    url: str
    entries: tuple[Entry, ...]

    def paths_in(self, folder: Path) -> list[Path]:
        """Return where the files would lie below a folder, in order."""
        return [folder / entry.path for entry in self.entries]


_IMDB_COMMIT = "6c513a6b952c489f0a00a9e7902754b1d5f3c6f2"
_IMDB_FILE = "imdb_movies_2000to2022.prolific.json"

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
        Entry(
            _IMDB_FILE,
            f"https://raw.githubusercontent.com/cbuntain/umd.inst414/{_IMDB_COMMIT}/data/{_IMDB_FILE}",
            "git blob id",
            "19492534a602f84109992c1c2b950281af652c27",
        ),
    ),
)

_WIKIPEDIA_URL = (
    "https://raw.githubusercontent.com/prust/wikipedia-movie-data/"
    "91ae721d3672e8ef4f15b213c763a634250ef61a"
)
_WIKIPEDIA_HASHES = {
    "1900s": "5a42dfc3ff83ab30e3982f93f1164114b41e99e73c632c2321a87772959793e5",
    "1910s": "4672fe20aeddfe1c52464efc804ee3091f9e4b5fd385401ff0ce48cf8d367573",
    "1920s": "cb892518d2ffda4f2f11a0bd56f28b102fd0d47e5ae1ba2b2e4cb4e964f8127a",
    "1930s": "b2ffc5608cbeff231408433ad43f873d422b914bebdf408ebe18427c09a9dcb2",
    "1940s": "b4d96fc8b7c36f406e489b6fc017de03dd6a10f4c89a84d2a2a46af74e8b49a3",
    "1950s": "8f566bfec734e93f19f688598e82239556401bde63c226510d71190b30855298",
    "1960s": "a2450179f0744c07960a7840b9a86b5e0d733f7c0136a4ebcb804a63de9dc0a1",
    "1970s": "f9abef01840fc70afd148906c7985fa5548ab1f473520dfa6623a3a397bc4ce3",
    "1980s": "21d0f3c203f77169bb6508225aad4740816a3d7efd9e3bac82e3b812d0569672",
    "1990s": "facf24e3297937022285d064cc069e8bbe02581c3248a87f0b377c045b4fb61d",
    "2000s": "66140e41fe6c79cbb325b6566f156e27fe032a42175f224dfff1b71aa9630207",
    "2010s": "e218edfdd8453cdd938fcb8b07b6b177474b3b18361e3422fdd6480d7e3bf9f9",
    "2020s": "505f0f56ecdca7a2643fb3a811399b885f837e2cbfa9ee95a24b9018073e3eb3",
}

WIKIPEDIA = Source(
    name="wikipedia",
    title="US films 1900 to 2023 from Wikipedia",
    licence="Collected by prust/wikipedia-movie-data (MIT); the texts of Wikipedia are CC BY-SA.",
    url="https://github.com/prust/wikipedia-movie-data",
    entries=tuple(
        Entry(
            f"wikipedia-movie-data/movies-{decade}.json",
            f"{_WIKIPEDIA_URL}/movies-{decade}.json",
            "sha256",
            digest,
        )
        for decade, digest in _WIKIPEDIA_HASHES.items()
    ),
)

IMDB_DUMPS = Source(
    name="imdb-dumps",
    title="IMDb's own dumps, the four that import-imdb reads; they change every day",
    licence=_IMDB_LICENCE,
    url="https://developer.imdb.com/non-commercial-datasets/",
    entries=tuple(
        Entry(f"imdb-dumps/{name}.tsv.gz", f"https://datasets.imdbws.com/{name}.tsv.gz", "none", "")
        for name in ("title.basics", "title.principals", "name.basics", "title.ratings")
    ),
)
