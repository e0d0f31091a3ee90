"""Write films as four files in the format of IMDb's dumps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from imdbclust.datasets.imdb_tables import BASICS, FORMAT, NAMES, NONE, PRINCIPALS, RATINGS
from imdbclust.datasets.tsv import NULL
from imdbclust.films.json_lines import gzip_or_plain
from imdbclust.load import Corpus


class DumpWriter:
    """A context that writes the four files; they appear together at its end.

    The folder is created if it does not exist. The files are ``.tsv.gz``, as IMDb's, or ``.tsv``.
    """

    def __init__(self, folder: Path, *, zipped: bool = True):
        self.folder, self._zipped = Path(folder), zipped

    def __enter__(self) -> DumpWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._files = {}
            for name, columns in FORMAT.items():
                path = self.folder / f"{name}.tsv{'.gz' if self._zipped else ''}"
                self._files[name] = stack.enter_context(gzip_or_plain(path, level=5))
                self._files[name].write("\t".join(columns).encode() + b"\n")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self._stack.__exit__(*error)

    def write(self, name: str, *columns: Sequence[str] | str) -> None:
        """Add rows to one file, a key of `FORMAT`.

        The columns are in the file's order; a single text is repeated in all rows.
        """
        n_rows = next(len(column) for column in columns if not isinstance(column, str))
        full = [[column] * n_rows if isinstance(column, str) else column for column in columns]
        lines = ("\t".join(row) + "\n" for row in zip(*full, strict=True))
        self._files[name].write("".join(lines).encode())


def write_dumps(corpus: Corpus, folder: Path, *, zipped: bool = True) -> None:
    """Write a corpus as four files in IMDb's format: all titles as movies, all people as actors.

    Importing them with :data:`imdbclust.datasets.imdb_tables.EVERYTHING` gives the same corpus
    with movies sorted by id. A text that this format cannot represent, because it has no quotes,
    is a ValueError: one with a tab or a line break, the empty text, the null, a genre with a comma.
    """
    movies, actors, credits = corpus.movies, corpus.actors, corpus.credits
    for texts in (movies["movie_id"], movies["title"], actors["actor_id"], actors["name"]):
        _check_texts(texts)
    _check_texts(corpus.genres["genre"].cat.categories, also=",")
    joined = corpus.genres.astype({"genre": str}).groupby("movie")["genre"].agg(",".join)
    genres = joined.reindex(range(corpus.n_movies), fill_value=NULL).tolist()
    ids, titles = movies["movie_id"].tolist(), movies["title"].tolist()
    years, actor_ids = _numbers(movies["year"]), actors["actor_id"]
    ordering = _numbers(credits.groupby("movie").cumcount() + 1)
    cast = (movies["movie_id"][credits["movie"]].tolist(), ordering)
    cast += (actor_ids[credits["actor"]].tolist(), "actor", NULL, NULL)
    rated = movies[movies["rating"].notna() | movies["votes"].notna()]
    ratings, votes = _numbers(rated["rating"]), _numbers(rated["votes"])
    with DumpWriter(folder, zipped=zipped) as files:
        files.write(BASICS, ids, "movie", titles, titles, "0", years, NULL, NULL, genres)
        files.write(PRINCIPALS, *cast)
        files.write(NAMES, actor_ids.tolist(), actors["name"].tolist(), NULL, NULL, "actor", NULL)
        files.write(RATINGS, rated["movie_id"].tolist(), ratings, votes)


def _numbers(numbers: pd.Series) -> list[str]:
    return [NULL if pd.isna(number) else str(number) for number in numbers]


def _check_texts(texts: Iterable[str], also: str = "") -> None:
    for text in texts:
        if text in NONE or any(sign in text for sign in "\t\n\r\0" + also):
            raise ValueError(f"the format of the dumps cannot represent the text {text!r}")
