"""Small files in the format of IMDb's dumps, written by hand or from a corpus."""

import gzip

import pandas as pd

from imdbclust.datasets.imdb_tables import BASICS, FORMAT, NAMES, PRINCIPALS, RATINGS
from imdbclust.load import Corpus


def title(tconst, kind="movie", name="A Film", adult="0", year="2001", genres="Drama"):
    return [tconst, kind, name, name, adult, year, "\\N", "90", genres]


def principal(tconst, ordering, nconst, category="actor"):
    return [tconst, str(ordering), nconst, category, "\\N", '["Someone"]']


def person(nconst, name):
    return [nconst, name, "1950", "\\N", "actor", "\\N"]


def put(folder, rows, *, zipped=True, headers=None, end="\n"):
    """Write the four files; `headers` replaces the names of columns."""
    folder.mkdir(exist_ok=True)
    for name, columns in FORMAT.items():
        lines = ["\t".join(row) for row in [(headers or {}).get(name, columns), *rows[name]]]
        content = "".join(line + end for line in lines).encode()
        path = folder / f"{name}.tsv{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


def rows_of(corpus: Corpus) -> dict[str, list[list[str]]]:
    """Return the rows of the four files: all titles as movies, all people as actors."""

    def text(number):
        return "\\N" if pd.isna(number) else str(number)

    rows = {name: [] for name in FORMAT}
    tags = corpus.genres.astype({"genre": str}).groupby("movie")["genre"].agg(",".join)
    for row, movie in enumerate(corpus.movies.itertuples()):
        about = {"name": movie.title, "year": text(movie.year), "genres": tags.get(row, "\\N")}
        rows[BASICS].append(title(movie.movie_id, **about))
        if pd.notna(movie.rating) or pd.notna(movie.votes):
            rows[RATINGS].append([movie.movie_id, text(movie.rating), text(movie.votes)])
    movie_ids, actor_ids = corpus.movies["movie_id"], corpus.actors["actor_id"]
    places = corpus.credits.groupby("movie").cumcount() + 1
    for (movie, actor), place in zip(corpus.credits.to_numpy(), places, strict=True):
        rows[PRINCIPALS].append(principal(movie_ids[movie], place, actor_ids[actor]))
    rows[NAMES] = [person(actor.actor_id, actor.name) for actor in corpus.actors.itertuples()]
    return rows
