"""Read a film corpus: movies, actors, credits and genres, with every problem found on the way.

A corpus is a file of JSON lines, plain or gzip, one movie a line::

    {"imdb_id": "tt0000001", "title": "A Quiet Harbour", "genres": ["Drama"],
     "actors": [["nm0000001", "Ada Merrow"], ["nm0000002", "Jon Tallis"]],
     "year": 2001, "rating": {"avg": 6.4, "votes": 1200}}

``year`` and ``rating`` may be missing; an empty rating is a missing one, never 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from imdbclust.base.text import shown
from imdbclust.films.checks import problem_table
from imdbclust.films.frames import NO_GENRE, merged_tables, tables_from_frames
from imdbclust.films.json_lines import (
    GIVE_UP,
    ROWS_TOGETHER,
    MovieColumns,
    MovieLines,
    encode_movie,
    gzip_or_plain,
)
from imdbclust.films.problems import EXAMPLES, CorpusError, ProblemLog, check_on_problem


@dataclass(frozen=True, eq=False)
class Corpus:
    """Movies and who plays in them, as tables in the file's order.

    Attributes
    ----------
    movies : DataFrame
        One row a movie: ``movie_id``, ``title``, ``year`` (Int64, may be missing), ``rating``
        (mean, 0 to 10, NaN where unrated), ``votes`` (Int64, may be missing).
    actors : DataFrame
        One row an actor in order of first appearance: ``actor_id``, ``name``.
    credits : DataFrame
        One row for each movie and each actor in it: ``movie`` and ``actor``, as int32 row
        numbers into the two tables above; ordered by movie, then as listed.
    genres : DataFrame
        One row for each movie and each of its genres: ``movie`` (int32 row number) and
        ``genre`` (categorical, categories sorted).
    problems : DataFrame
        Records that were set aside, and contradictions between corpora that were merged:
        ``file``, ``line``, ``field``, ``problem``, ``kind``.
    notes : dict
        What reading counted: records, repeated credits, empty genres and the like.
    source : dict
        Where the films come from: name, title, licence, hash, whether they are synthetic.
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
        """Number of known movies, castless ones included."""
        return len(self.movies)

    @property
    def n_actors(self) -> int:
        """Number of known actors."""
        return len(self.actors)

    @property
    def n_credits(self) -> int:
        """Number of pairs of a movie and an actor who plays in it."""
        return len(self.credits)

    def cast_sizes(self) -> np.ndarray:
        """Return the number of actors of each movie, shape (n_movies,)."""
        return np.bincount(self.credits["movie"], minlength=self.n_movies)

    def movies_per_actor(self) -> np.ndarray:
        """Return the number of movies of each actor, shape (n_actors,)."""
        return np.bincount(self.credits["actor"], minlength=self.n_actors)

    def genre_matrix(self) -> tuple[sp.csr_array, pd.Index]:
        """Return which movie has which genre.

        Returns
        -------
        matrix : csr_array of float64, shape (n_movies, n_genres)
            1 where the movie has the genre. A movie without genres is an empty row.
        names : Index
            The genres, sorted; one a column.
        """
        names = pd.Index(self.genres["genre"].cat.categories, name="genre")
        ones = np.ones(len(self.genres))
        where = (self.genres["movie"].to_numpy(), self.genres["genre"].cat.codes.to_numpy())
        return sp.csr_array((ones, where), shape=(self.n_movies, len(names))), names

    def top_actors(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` actors with most movies: ``actor_id``, ``name``, ``n_movies``.

        Ties stand in the order of first appearance.
        """
        counts = self.movies_per_actor()
        order = np.argsort(-counts, kind="stable")[:n]
        return self.actors.iloc[order].assign(n_movies=counts[order]).reset_index(drop=True)

    def actor_genre_counts(self, *, most: int | None = None) -> pd.DataFrame:
        """Count each actor's movies by genre.

        Parameters
        ----------
        most : int, optional
            Count only for so many actors, those with most movies.

        Returns
        -------
        DataFrame
            ``actor_id``, ``name``, ``genre``, ``n_movies``: one row for each pair that occurs,
            actors in the corpus' order, an actor's genres by falling count, then by name.
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
        of_actor = actors[counts.row[order]]
        return pd.DataFrame(
            {
                "actor_id": self.actors["actor_id"].to_numpy()[of_actor],
                "name": self.actors["name"].to_numpy()[of_actor],
                "genre": names.to_numpy()[counts.col[order]],
                "n_movies": counts.data[order].astype(int),
            }
        )

    def find_actor(self, actor: str) -> pd.DataFrame:
        """Return the actors of that id, or else of that name, with their number of movies.

        Several rows mean that the name is ambiguous; none, that it is unknown.
        """
        known = self.actors.assign(n_movies=self.movies_per_actor())
        by_id = known[known["actor_id"] == actor]
        return by_id if len(by_id) else known[known["name"] == actor]

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
        """Return the corpus of frames that were made by hand or read from elsewhere.

        Parameters
        ----------
        movies : DataFrame
            One row a movie: ``movie_id``, ``title``, and where known ``year``, ``rating``
            (0 to 10) and ``votes``; missing values are missing, never 0.
        credits : DataFrame
            One row for each movie and each actor in it: ``movie_id`` and ``actor_id``, or, as
            in a corpus, ``movie`` and ``actor``, row numbers from 0 into the other frames.
        actors : DataFrame, optional
            One row an actor: ``actor_id``, ``name``. Without it names are those of a column
            ``name`` of `credits`, else the ids.
        genres : DataFrame, optional
            One row for each movie and each of its genres: ``movie_id`` (or ``movie``) and
            ``genre``.
        on_problem : {"stop", "skip"}
            What to do with rows that cannot be used: stop and list them, or set them aside into
            ``corpus.problems``.

        Returns
        -------
        Corpus
            Movies in the order given, casts in the order of `credits`, actors in order of first
            appearance; those who play in no movie are left out. Other columns are ignored, and
            so is the index. The frames of a corpus give that corpus.

        Raises
        ------
        CorpusError
            A frame without a column that it needs or with another type in it; bad rows with
            ``on_problem="stop"``, named by frame, column and position; no movie at all.
        """
        check_on_problem(on_problem)
        problem_log = ProblemLog()
        tables = tables_from_frames(movies, credits, actors, genres, problem_log)
        problem_log.stop_if(on_problem)
        if not len(tables["movies"]):
            raise CorpusError("movies: there is no row that can be used", problem_log.problems)
        return cls.of_tables(tables, problem_log, records=len(movies))

    @classmethod
    def of_tables(
        cls, tables: dict[str, pd.DataFrame], problem_log: ProblemLog, **notes: int
    ) -> Corpus:
        """Return the corpus of tables in its own order, with what was found on the way."""
        counts = {kind: problem_log.counts[kind] for kind in _COUNTED}
        more = {kind: n for kind, n in problem_log.counts.items() if n and kind not in counts}
        return cls(
            **tables, problems=problem_table(problem_log.problems), notes=counts | more | notes
        )

    def merge(
        self, *others: Corpus, names: Iterable[str] = (), problem_log: ProblemLog | None = None
    ) -> Corpus:
        """Return the films of several corpora as one corpus.

        A movie that several know of, by its id, has all their actors and genres. Of its titles
        and years the first known stays; rating and votes are those of the first corpus that
        has a rating. Values that are not the one kept are contradictions: rows of
        ``corpus.problems`` with both values, counted in ``notes["contradictions"]``. Of several
        names of an actor the first stays.

        Parameters
        ----------
        *others : Corpus
            What is merged into this corpus, whose films stand first.
        names : iterable of str, optional
            What to call the corpora in contradictions; without it the titles of their sources,
            or their numbers.
        problem_log : ProblemLog, optional
            Collects the contradictions.

        Returns
        -------
        Corpus
            Movies in order of first appearance. Merging in steps gives the same tables. Notes
            are summed; the licences of the sources are all named.
        """
        parts = (self, *others)
        names = list(names) or [
            str(part.source.get("title") or f"corpus {number}")
            for number, part in enumerate(parts, start=1)
        ]
        if len(names) != len(parts):
            raise ValueError(f"{len(parts)} corpora are merged, but {len(names)} names are given")
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
        """Write the tables as parquet and the rest as JSON into an existing folder."""
        for name in _TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        text = json.dumps({"notes": self.notes, "source": self.source}, indent=1, sort_keys=True)
        (folder / "corpus.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        """Read what :meth:`save` wrote."""
        about = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        tables["genres"] = tables["genres"].astype({"genre": "category"})  # lost where empty
        return cls(**tables, **about)


_TABLES = ("movies", "actors", "credits", "genres", "problems")

_COUNTED = ("repeated_credits", "empty_genres", "repeated_genres", "other_names")
"""What reading changes, and every corpus says how often, even if never."""


def _joined_sources(sources: list[dict]) -> dict:
    """Return one description of several sources: each value that any of them has, once."""
    joined = {}
    for key in dict.fromkeys(key for source in sources for key in source):
        values = list(dict.fromkeys(source[key] for source in sources if source.get(key)))
        if len(values) > 1 and all(isinstance(value, str) for value in values):
            joined[key] = "; ".join(values)
        else:
            joined[key] = values[0] if values else ""
    return joined


class CorpusBuilder:
    """Collect movies; the tables are made once, at the end.

    Repeated credits and genres count once, values in `NO_GENRE` are no genre, and of several
    names for one actor id the first stays. All of these are counted in `problem_log`.

    Parameters
    ----------
    problem_log : ProblemLog, optional
        Collects what is changed, with examples.
    cast : str
        What the field of actors is called in the file, for messages.
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
        """Take in one movie, whose id must be new; `actors` are pairs of id and name.

        `line` is where it stands in the file.
        """
        if movie_id in self._known:
            raise ValueError(f"the movie {movie_id!r} is there already")
        self._known.add(movie_id)
        movie = (movie_id, title, year, rating, votes, line, tuple(genres), tuple(actors))
        self._rows.append(movie)
        if len(self._rows) >= ROWS_TOGETHER:
            self._pack()

    def add_columns(self, columns: MovieColumns) -> None:
        """Take in many movies, whose ids must be new; :meth:`build` finds out."""
        if self._rows:
            self._pack()
        self._parts.append(columns)

    def _pack(self) -> None:
        """Put movies away as columns."""
        self._parts.append(MovieColumns.of_rows(self._rows))
        self._rows.clear()

    def build(self, **notes: int) -> Corpus:
        """Return the corpus of all movies taken in; `notes` are added to the counts.

        Raises
        ------
        ValueError
            A movie was taken in twice.
        """
        self._pack()
        movies = MovieColumns.joined(self._parts)
        if pc.count_distinct(movies.movie_ids).as_py() < len(movies.movie_ids):
            raise ValueError("a movie is there twice")
        actors, credits = self._number_actors(movies)
        return Corpus(
            movies=pd.DataFrame(
                {
                    "movie_id": _texts(movies.movie_ids),
                    "title": _texts(movies.titles),
                    "year": _whole_numbers(movies.years),
                    "rating": movies.ratings.to_numpy(zero_copy_only=False),
                    "votes": _whole_numbers(movies.votes),
                }
            ),
            actors=actors,
            credits=credits,
            genres=self._number_genres(movies),
            problems=problem_table(self.problem_log.problems),
            notes={kind: self.problem_log.counts[kind] for kind in _COUNTED} | notes,
        )

    def _number_actors(self, movies: MovieColumns) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the tables of actors and of credits."""
        ids, names = movies.actor_ids.dictionary_encode(), movies.names
        actor, movie = ids.indices.to_numpy(), _rows(movies.cast_sizes)
        who = ids.dictionary
        first = np.empty(len(who), dtype=np.int64)
        first[actor[::-1]] = np.arange(len(actor))[::-1]
        called = names.take(pa.array(first))
        other = pc.not_equal(called.take(ids.indices), names).to_numpy(zero_copy_only=False)
        again = _repeats(movie.astype(np.int64) * len(who) + actor)
        note = partial(self._note, movie=movie, lines=movies.lines, column=self._cast)
        note(
            "other_names",
            other,
            text=lambda at: (
                f"{names[at].as_py()!r}: {who[actor[at]].as_py()!r} has the name "
                f"{called[actor[at]].as_py()!r}, which stays"
            ),
        )
        note(
            "repeated_credits",
            again,
            text=lambda at: f"{who[actor[at]].as_py()!r} is in this cast already",
        )
        actors = {"actor_id": _texts(who), "name": _texts(called)}
        credits = {"movie": movie[~again], "actor": actor[~again].astype(np.int32)}
        return pd.DataFrame(actors), pd.DataFrame(credits)

    def _number_genres(self, movies: MovieColumns) -> pd.DataFrame:
        genres = movies.genres.dictionary_encode()
        given, names = genres.indices.to_numpy(), genres.dictionary.to_pylist()
        movie = _rows(movies.genre_sizes)
        none = np.array([name in NO_GENRE for name in names], dtype=bool)[given]
        again = _repeats(movie.astype(np.int64) * len(names) + given) & ~none
        note = partial(self._note, movie=movie, lines=movies.lines, column="genres")
        note("empty_genres", none, text=lambda at: f"{names[given[at]]!r} is none")
        note("repeated_genres", again, text=lambda at: f"{names[given[at]]!r} is there already")
        kept = ~(none | again)
        known = sorted(set(names) - NO_GENRE)
        place = {name: number for number, name in enumerate(known)}
        position = np.array([place.get(name, -1) for name in names], dtype=np.int64)
        return pd.DataFrame(
            {
                "movie": movie[kept],
                "genre": pd.Categorical.from_codes(position[given[kept]], categories=known),
            }
        )

    def _note(
        self,
        kind: str,
        where: np.ndarray,
        *,
        movie: np.ndarray,
        lines: pa.Array,
        column: str,
        text: Callable[[int], str],
    ) -> None:
        """Count values that were changed; the first are kept in full."""
        found = np.flatnonzero(where)
        for at in found[:EXAMPLES].tolist():
            field = f"{column}[{at - np.searchsorted(movie, movie[at])}]"
            self.problem_log.note(kind, lines[int(movie[at])].as_py(), field, text(at))
        if len(found) > EXAMPLES:
            self.problem_log.counts[kind] += len(found) - EXAMPLES


def read_corpus(
    path: str | Path, *, on_problem: str = "stop", problem_log: ProblemLog | None = None
) -> Corpus:
    """Read a corpus of JSON lines, plain or gzip, one line at a time.

    Parameters
    ----------
    path : path
        The file; gzip is recognised by its content.
    on_problem : {"stop", "skip"}
        What to do with a record that cannot be used (no JSON, a missing or mistyped field, a
        key or an id that was there before): stop at the end of the file and list all of them,
        or set them aside into ``corpus.problems``.
    problem_log : ProblemLog, optional
        Collects what is set aside or changed, for those who want to know more than the corpus
        tells.

    Returns
    -------
    Corpus
        Movies in the file's order, actors in order of first appearance.

    Raises
    ------
    CorpusError
        A bad record with ``on_problem="stop"``; whatever `on_problem`, a file that is missing,
        unreadable, damaged or without a single usable movie.
    """
    path = Path(path)
    check_on_problem(on_problem)
    problem_log = problem_log or ProblemLog()
    problem_log.file = shown(path.name)
    builder, movies = CorpusBuilder(problem_log), MovieLines(path, problem_log)
    for columns in movies:
        builder.add_columns(columns)
    problem_log.stop_if(on_problem)
    if not problem_log.lines:
        raise _no_movie(problem_log, movies.n_records)
    return builder.build(records=movies.n_records, blank_lines=movies.n_blank)


def _no_movie(problem_log: ProblemLog, n_records: int) -> CorpusError:
    if not n_records:
        return CorpusError(f"{problem_log.file}: no movie in this file: it is empty")
    first = "\n  ".join(map(str, problem_log.problems[:3]))
    which = f"the first {n_records:,}" if n_records == GIVE_UP else f"its {n_records:,}"
    what = f"none of {which} records can be used, beginning with\n  {first}"
    return CorpusError(f"{problem_log.file}: no movie in this file: {what}", problem_log.problems)


def write_corpus(corpus: Corpus, path: str | Path) -> None:
    """Write a corpus as JSON lines, gzip where the name ends in ``.gz``; same corpus, same bytes.

    Reading the file gives the same tables. The file is whole or, on an error, as it was before.
    """
    path = Path(path)
    ids, names = corpus.actors["actor_id"].tolist(), corpus.actors["name"].tolist()
    pairs = list(zip(ids, names, strict=True))
    casts = np.split(corpus.credits["actor"].to_numpy(), np.cumsum(corpus.cast_sizes())[:-1])
    n_genres = np.bincount(corpus.genres["movie"], minlength=corpus.n_movies)
    genres = np.split(corpus.genres["genre"].to_numpy(), np.cumsum(n_genres)[:-1])
    movies = corpus.movies.itertuples(index=False)
    with gzip_or_plain(path) as file:
        for movie, cast, of_movie in zip(movies, casts, genres, strict=True):
            record = encode_movie(
                movie.movie_id,
                movie.title,
                list(of_movie),
                [pairs[actor] for actor in cast],
                year=None if pd.isna(movie.year) else int(movie.year),
                rating=None if pd.isna(movie.rating) else movie.rating,
                votes=None if pd.isna(movie.votes) else int(movie.votes),
            )
            file.write(record)


def _repeats(values: np.ndarray) -> np.ndarray:
    """Tell for each value whether it was there before."""
    in_order = np.sort(values)
    if (in_order[1:] > in_order[:-1]).all():
        return np.zeros(len(values), dtype=bool)
    return pd.Series(values).duplicated().to_numpy()


def _rows(counts: pa.Array) -> np.ndarray:
    """Repeat each row number as often as its count says, as int32."""
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts.to_numpy())


def _texts(values: pa.Array) -> pd.Series:
    return pd.Series(values.to_pandas(), dtype="str")


def _whole_numbers(values: pa.Array) -> pd.Series:
    """Return whole numbers, some of which may be missing, as Int64."""
    missing = values.is_null().to_numpy(zero_copy_only=False)
    return pd.Series(pd.arrays.IntegerArray(values.fill_null(1).to_numpy().copy(), missing))
