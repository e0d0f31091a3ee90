"""Read a film corpus: movies, actors, credits and genres, and report every problem.

A corpus file has JSON lines, plain or gzip, with one movie per line::

    {"imdb_id": "tt0000001", "title": "A Quiet Harbour", "genres": ["Drama"],
     "actors": [["nm0000001", "Ada Merrow"], ["nm0000002", "Jon Tallis"]],
     "year": 2001, "rating": {"avg": 6.4, "votes": 1200}}

``year`` and ``rating`` are optional; an empty rating is missing, not 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from imdbclust.base.text import counted, folded, shown
from imdbclust.films.checks import Rows, problem_table
from imdbclust.films.frames import canonical, first_names, merged_tables, tables_from_frames
from imdbclust.films.json_lines import (
    GIVE_UP,
    ROWS_TOGETHER,
    MovieColumns,
    MovieLines,
    encode_movie,
    gzip_or_plain,
)
from imdbclust.films.problems import CorpusError, ProblemLog, check_on_problem


@dataclass(frozen=True, eq=False)
class Corpus:
    """Movies, actors, credits and genres as tables, in the order of the file.

    Attributes
    ----------
    movies : DataFrame
        One row per movie: ``movie_id``, ``title``, ``year`` (Int64, optional), ``rating`` (mean,
        0 to 10, NaN if unrated), ``votes`` (Int64, optional).
    actors : DataFrame
        One row per actor in order of first appearance: ``actor_id``, ``name``.
    credits : DataFrame
        One row per movie and actor: ``movie`` and ``actor``, as int32 row numbers into the two
        tables above; ordered by movie, then as listed.
    genres : DataFrame
        One row per movie and genre: ``movie`` (int32 row number) and ``genre`` (categorical,
        categories sorted).
    problems : DataFrame
        Skipped records, and contradictions between merged corpora: ``file``, ``line``, ``field``,
        ``problem``, ``kind``.
    notes : dict
        Counts from reading: records, repeated credits, empty genres and the like.
    source : dict
        Origin of the films: name, title, licence, hash, whether they are made up.
    """

    movies: pd.DataFrame
    actors: pd.DataFrame
    credits: pd.DataFrame
    genres: pd.DataFrame
    problems: pd.DataFrame = field(default_factory=lambda: problem_table([]))
    notes: dict[str, int] = field(default_factory=dict)
    source: dict = field(default_factory=dict)

    @property
    def n_movies(self) -> int:
        """Number of movies, including those without a cast."""
        return len(self.movies)

    @property
    def n_actors(self) -> int:
        """Number of actors."""
        return len(self.actors)

    @property
    def n_credits(self) -> int:
        """Number of pairs of a movie and an actor."""
        return len(self.credits)

    def cast_sizes(self) -> np.ndarray:
        """Return the number of actors of each movie, shape (n_movies,)."""
        return np.bincount(self.credits["movie"], minlength=self.n_movies)

    def movies_per_actor(self) -> np.ndarray:
        """Return the number of movies of each actor, shape (n_actors,)."""
        return np.bincount(self.credits["actor"], minlength=self.n_actors)

    def genre_matrix(self) -> tuple[sp.csr_array, pd.Index]:
        """Return the movies x genres matrix, and the sorted names of its columns.

        It is a csr_array of float64 with 1 where the movie has the genre.
        """
        names = pd.Index(self.genres["genre"].cat.categories, name="genre")
        ones = np.ones(len(self.genres))
        where = (self.genres["movie"].to_numpy(), self.genres["genre"].cat.codes.to_numpy())
        return sp.csr_array((ones, where), shape=(self.n_movies, len(names))), names

    def top_actors(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` actors with most movies, by first appearance if these are equal."""
        counts = self.movies_per_actor()
        order = np.argsort(-counts, kind="stable")[:n]
        return self.actors.iloc[order].assign(n_movies=counts[order]).reset_index(drop=True)

    def actor_genre_counts(self, *, most: int | None = None) -> pd.DataFrame:
        """Count the movies of each actor by genre; of the `most` prolific actors if that is given.

        Returns
        -------
        DataFrame
            ``actor_id``, ``name``, ``genre``, ``n_movies``: one row per pair with movies, actors
            in the order of the corpus, genres by descending count, then by name.
        """
        genres, names = self.genre_matrix()
        casts = sp.csr_array(
            (np.ones(self.n_credits), (self.credits["actor"], self.credits["movie"])),
            shape=(self.n_actors, self.n_movies),
        )
        actors = np.arange(self.n_actors)
        if most is not None and most < self.n_actors:
            actors = np.sort(np.argsort(-self.movies_per_actor(), kind="stable")[:most])
        counts = (casts[actors] @ genres).tocoo()
        order = np.lexsort((counts.col, -counts.data, counts.row))
        table = self.actors.iloc[actors[counts.row[order]]].reset_index(drop=True)
        genre, n_movies = names.to_numpy()[counts.col[order]], counts.data[order].astype(int)
        return table.assign(genre=genre, n_movies=n_movies)

    def find_actor(self, actor: str) -> pd.DataFrame:
        """Return the actors with that id, or else with that name, and their number of movies.

        If no name is equal, case does not count; then accents do not count either. Several rows
        mean that the name is ambiguous; an empty table, that it is unknown.
        """
        known = self.actors.assign(n_movies=self.movies_per_actor())
        found = known[known["actor_id"] == actor]
        for form in (str, str.casefold, folded):
            found = found if len(found) else known[known["name"].map(form) == form(actor)]
        return found

    @classmethod
    def from_frames(
        cls,
        movies: pd.DataFrame,
        credits: pd.DataFrame,
        actors: pd.DataFrame | None = None,
        genres: pd.DataFrame | None = None,
        *,
        on_problem: str = "stop",
    ) -> Corpus:
        """Return the corpus of frames made by hand or read from elsewhere.

        Parameters
        ----------
        movies : DataFrame
            One row per movie: ``movie_id``, ``title``, and optionally ``year``, ``rating``
            (0 to 10) and ``votes``; missing values are missing, not 0.
        credits : DataFrame
            One row per movie and actor: ``movie_id`` and ``actor_id`` or, as in a corpus,
            ``movie`` and ``actor``, row numbers from 0 into the other frames.
        actors : DataFrame, optional
            One row per actor: ``actor_id``, ``name``. Without it the names are the column
            ``name`` of `credits`, or else the ids.
        genres : DataFrame, optional
            One row per movie and genre: ``movie_id`` (or ``movie``) and ``genre``.
        on_problem : {"stop", "skip"}
            For unusable rows: raise an error that lists them, or skip them and list them in
            ``corpus.problems``.

        Returns
        -------
        Corpus
            Movies in the given order, casts in the order of `credits`, actors in order of first
            appearance, without those who play in no movie. Other columns and the index are
            ignored. The frames of a corpus give the same corpus.

        Raises
        ------
        CorpusError
            A required column is missing or has another type; there are unusable rows and
            ``on_problem="stop"``, each listed by frame, column and position; or no movie is usable.
        """
        check_on_problem(on_problem)
        problem_log = ProblemLog()
        tables = tables_from_frames(movies, credits, actors, genres, problem_log)
        problem_log.stop_if(on_problem)
        if not len(tables["movies"]):
            raise CorpusError("movies: no usable row", problem_log.problems)
        return cls.of_tables(tables, problem_log, records=len(movies))

    @classmethod
    def of_tables(
        cls, tables: dict[str, pd.DataFrame], problem_log: ProblemLog, **notes: int
    ) -> Corpus:
        """Return the corpus of tables in a corpus' order, with the problems found."""
        counts = {kind: problem_log.counts[kind] for kind in _COUNTED}
        more = {kind: n for kind, n in problem_log.counts.items() if n and kind not in counts}
        return cls(
            **tables, problems=problem_table(problem_log.problems), notes=counts | more | notes
        )

    def merge(
        self, *others: Corpus, names: Iterable[str] = (), problem_log: ProblemLog | None = None
    ) -> Corpus:
        """Return the films of several corpora as one corpus.

        A movie in several corpora, by its id, gets the actors and genres of all. The first known
        title and year are kept; rating and votes are from the first corpus that has a rating.
        Values that differ from the kept ones are contradictions: rows of ``corpus.problems`` with
        both values, counted in ``notes["contradictions"]``. The first name of an actor is kept.

        Parameters
        ----------
        *others : Corpus
            Corpora to merge into this one, whose films come first.
        names : iterable of str, optional
            Names of the corpora in contradictions; by default the titles of their sources, or
            their numbers.
        problem_log : ProblemLog, optional
            Collects the contradictions.

        Returns
        -------
        Corpus
            Movies in order of first appearance. Merging step by step gives the same tables. Notes
            are summed and the licences of all sources are named.
        """
        parts = (self, *others)
        names = list(names) or [
            str(part.source.get("title") or f"corpus {number}")
            for number, part in enumerate(parts, start=1)
        ]
        if len(names) != len(parts):
            raise ValueError(f"{len(parts)} corpora to merge, but {counted(len(names), 'name')}")
        problem_log = problem_log or ProblemLog()
        tables = merged_tables(
            [{name: getattr(part, name) for name in _TABLES[:4]} for part in parts],
            names,
            problem_log,
        )
        merged = self.of_tables(tables, problem_log)
        notes = dict.fromkeys(key for part in (*parts, merged) for key in part.notes)
        return replace(
            merged,
            problems=pd.concat([part.problems for part in (*parts, merged)], ignore_index=True),
            notes={key: sum(part.notes.get(key, 0) for part in (*parts, merged)) for key in notes},
            source=_joined_sources([part.source for part in parts]),
        )

    def save(self, folder: Path) -> None:
        """Write the tables as parquet and everything else as JSON into an existing folder."""
        for name in _TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        text = json.dumps({"notes": self.notes, "source": self.source}, indent=1, sort_keys=True)
        (folder / "corpus.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        """Read what :meth:`save` wrote."""
        about = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        tables["genres"] = tables["genres"].astype({"genre": "category"})  # lost if empty
        return cls(**tables, **about)


_TABLES = ("movies", "actors", "credits", "genres", "problems")

_COUNTED = ("repeated_credits", "empty_genres", "repeated_genres", "other_names")
"""Kinds of changes that every corpus counts, even if the count is 0."""


def _joined_sources(sources: list[dict]) -> dict:
    """Return one description of several sources, with each value once."""
    joined = {}
    for key in dict.fromkeys(key for source in sources for key in source):
        values = list(dict.fromkeys(source[key] for source in sources if source.get(key)))
        if len(values) > 1 and all(isinstance(value, str) for value in values):
            joined[key] = "; ".join(values)
        else:
            joined[key] = values[0] if values else ""
    return joined


class CorpusBuilder:
    """Collect movies and build their tables at the end.

    Repeated credits and genres count once, values in `NO_GENRE` are dropped, and the first of
    several names for one actor id is kept. `problem_log` counts these changes.

    Parameters
    ----------
    problem_log : ProblemLog, optional
        Collects the changes, with examples.
    cast : str
        Name of the field of actors in the file, for messages.
    """

    def __init__(self, problem_log: ProblemLog | None = None, *, cast: str = "actors"):
        self.problem_log, self._cast = problem_log or ProblemLog(), cast
        self._known: set[str] = set()
        self._rows: list[tuple] = []
        self._parts: list[MovieColumns] = []

    def __contains__(self, movie_id: str) -> bool:
        return movie_id in self._known

    def add(
        self,
        movie_id: str,
        title: str,
        genres: Iterable[str],
        actors: Iterable[tuple[str, str]],
        *,
        year: int | None = None,
        rating: float | None = None,
        votes: int | None = None,
        line: int = 0,
    ) -> None:
        """Add a movie with a new id; `actors` are pairs of id and name, `line` is its line."""
        if movie_id in self._known:
            raise ValueError(f"duplicate movie {movie_id!r}")
        self._known.add(movie_id)
        fields = (movie_id, title, year, rating, votes, line, tuple(genres), tuple(actors))
        self._rows.append(fields)
        if len(self._rows) >= ROWS_TOGETHER:
            self._pack()

    def add_columns(self, columns: MovieColumns) -> None:
        """Add many movies with new ids; :meth:`build` checks the ids."""
        if self._rows:
            self._pack()
        self._parts.append(columns)

    def _pack(self) -> None:
        """Convert the collected rows to columns."""
        self._parts.append(MovieColumns.of_rows(self._rows))
        self._rows.clear()

    def build(self, **notes: int) -> Corpus:
        """Return the corpus; `notes` are added to its counts. A duplicate movie is a ValueError."""
        self._pack()
        columns = MovieColumns.joined(self._parts)
        if pc.count_distinct(columns.movie_ids).as_py() < len(columns.movie_ids):
            raise ValueError("duplicate movie id")
        movies = _table(
            movie_id=columns.movie_ids,
            title=columns.titles,
            year=columns.years,
            rating=columns.ratings,
            votes=columns.votes,
        )
        cast, credits = self._rows_of(columns, columns.cast_sizes, self._cast)
        actor_ids, names = (_table(text=one)["text"] for one in (columns.actor_ids, columns.names))
        credits["actor"], actors = first_names(actor_ids, names, cast)
        tags, genres = self._rows_of(columns, columns.genre_sizes, "genres")
        genres["genre"] = columns.genres.dictionary_encode().to_pandas()
        tables = canonical(movies, actors, credits, genres, cast, tags)
        counts = {kind: self.problem_log.counts[kind] for kind in _COUNTED}
        return Corpus(
            **tables, problems=problem_table(self.problem_log.problems), notes=counts | notes
        )

    def _rows_of(
        self, movies: MovieColumns, sizes: pa.Array, field: str
    ) -> tuple[Rows, pd.DataFrame]:
        """Return the rows of the actors or genres of all movies, and the movie of each."""
        sizes = sizes.to_numpy()
        movie = np.repeat(np.arange(len(sizes)), sizes)
        first = np.cumsum(sizes) - sizes
        log, lines = self.problem_log, movies.lines.to_numpy()[movie]
        rows = Rows(
            log.file, len(movie), log, lines, lambda at: f"{field}[{at - first[movie[at]]}]"
        )
        return rows, pd.DataFrame({"movie": movie})


def read_corpus(
    path: str | Path,
    *,
    on_problem: str = "stop",
    problem_log: ProblemLog | None = None,
    loose: bool = False,
) -> Corpus:
    """Return a corpus of JSON lines: movies in the file's order, actors by first appearance.

    Parameters
    ----------
    path : path
    on_problem : {"stop", "skip"}
        For unusable records (invalid JSON, a missing or mistyped field, a duplicate key or id):
        raise an error that lists them, or skip and list them in ``corpus.problems``.
    problem_log : ProblemLog, optional
        Collects skipped and changed records.
    loose : bool
        Whether to read values of other types, such as a year that is a text.

    Raises
    ------
    CorpusError
        There are unusable records and ``on_problem="stop"``; or the file is missing, unreadable,
        damaged or without a usable movie.
    """
    path = Path(path)
    check_on_problem(on_problem)
    problem_log = problem_log or ProblemLog()
    problem_log.file = shown(path.name)
    builder, movies = CorpusBuilder(problem_log), MovieLines(path, problem_log, loose=loose)
    for columns in movies:
        builder.add_columns(columns)
    problem_log.stop_if(on_problem)
    if not problem_log.lines:
        raise _no_movie(problem_log, movies.n_records)
    return builder.build(records=movies.n_records, blank_lines=movies.n_blank)


def _no_movie(problem_log: ProblemLog, n_records: int) -> CorpusError:
    if not n_records:
        return CorpusError(f"{problem_log.file}: no movie in this file: it is empty")
    which = f"the first {n_records:,}" if n_records == GIVE_UP else f"its {n_records:,}"
    first = "\n  ".join(map(str, problem_log.problems[:3]))
    what = f"none of {which} records can be used, beginning with\n  {first}"
    return CorpusError(f"{problem_log.file}: no movie in this file: {what}", problem_log.problems)


def write_corpus(corpus: Corpus, path: str | Path) -> None:
    """Write a corpus as JSON lines, with gzip if the name ends in ``.gz``; the bytes are stable.

    Reading the file gives the same tables. The file is replaced atomically.
    """
    path = Path(path)
    pairs = list(corpus.actors[["actor_id", "name"]].itertuples(index=False, name=None))
    casts = map(pairs.__getitem__, corpus.credits["actor"].tolist())
    genres = iter(corpus.genres["genre"].tolist())
    n_genres = np.bincount(corpus.genres["movie"], minlength=corpus.n_movies).tolist()
    movies = corpus.movies.astype(object).where(corpus.movies.notna(), None)
    sizes = zip(n_genres, corpus.cast_sizes().tolist(), strict=True)
    with gzip_or_plain(path) as file:
        for one, (n_tags, n_cast) in zip(movies.itertuples(), sizes, strict=True):
            lists = list(islice(genres, n_tags)), list(islice(casts, n_cast))
            numbers = {"year": one.year, "rating": one.rating, "votes": one.votes}
            file.write(encode_movie(one.movie_id, one.title, *lists, **numbers))


def _table(**columns: pa.Array) -> pd.DataFrame:
    """Return columns as a frame; integers, which may be missing, are Int64."""
    return pa.table(columns).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
