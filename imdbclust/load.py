"""Read a film corpus: movies, actors, credits and genres, with every problem found on the way.

A corpus is a file of JSON lines, plain or gzip, one movie a line::

    {"imdb_id": "tt0000001", "title": "A Quiet Harbour", "genres": ["Drama"],
     "actors": [["nm0000001", "Ada Merrow"], ["nm0000002", "Jon Tallis"]],
     "year": 2001, "rating": {"avg": 6.4, "votes": 1200}}

``year`` and ``rating`` may be missing; an empty rating is a missing one, never 0.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated

import msgspec
import numpy as np
import pandas as pd
import scipy.sparse as sp

NO_GENRE = frozenset({"", "\\N"})
"""Genre values that stand for "no genre": the empty string and IMDb's null."""

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is not a movie; reading on would only fill the memory."""

LISTED_PROBLEMS = 20
"""So many problems are written out in full when a file is refused; the others are counted."""


class CorpusError(ValueError):
    """The corpus cannot be used; the message names file, line and field of every problem.

    Attributes
    ----------
    problems : list of Problem
        All of them, in the file's order.
    """

    def __init__(self, message: str, problems: Iterable[Problem] = ()):
        super().__init__(message)
        self.problems = list(problems)

    @classmethod
    def listing(cls, problems: list[Problem]) -> CorpusError:
        """Return the error for a file with bad records: the first in full, the others counted."""
        head = f"{len(problems):,} bad record{'s' if len(problems) > 1 else ''}:"
        lines = [head, *(f"  {problem}" for problem in problems[:LISTED_PROBLEMS])]
        if len(problems) > LISTED_PROBLEMS:
            lines.append(f"  … and {len(problems) - LISTED_PROBLEMS:,} more")
        lines.append('Mend them, or set them aside and count them with on_problem="skip".')
        return cls("\n".join(lines), problems)


@dataclass(frozen=True)
class Problem:
    """One record that cannot be used, and why.

    Attributes
    ----------
    file : str
        Name of the file, without its folder.
    line : int
        Line (or entry) in the file, counted from 1; 0 where the whole file is meant.
    field : str
        The field at fault, such as ``actors[3][1]``; empty where the whole record is.
    problem : str
        What is wrong, in words.
    """

    file: str
    line: int
    field: str
    problem: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.problem) if part)


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
        Records that were set aside: ``file``, ``line``, ``field``, ``problem``.
    notes : dict
        What reading counted: records, repeated credits, empty genres and the like.
    source : dict
        Where the films come from: name, title, licence, hash, whether they are synthetic.
    """

    movies: pd.DataFrame
    actors: pd.DataFrame
    credits: pd.DataFrame
    genres: pd.DataFrame
    problems: pd.DataFrame = field(default_factory=lambda: _problem_table([]))
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

    def actor_genre_counts(self) -> pd.DataFrame:
        """Count each actor's movies by genre.

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
        counts = (casts @ genres).tocoo()
        order = np.lexsort((counts.col, -counts.data, counts.row))
        return pd.DataFrame(
            {
                "actor_id": self.actors["actor_id"].to_numpy()[counts.row[order]],
                "name": self.actors["name"].to_numpy()[counts.row[order]],
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


class CorpusBuilder:
    """Collect movies one by one; the tables are made once, at the end.

    Repeated credits and genres count once, values in `NO_GENRE` are no genre, and of several
    names for one actor id the first stays. All of these are counted in ``notes``.
    """

    def __init__(self):
        self._movies: dict[str, int] = {}
        self._actors: dict[str, int] = {}
        self._genres: dict[str, int] = {}
        self._titles: list[str] = []
        self._years: list[int | None] = []
        self._ratings: list[float | None] = []
        self._votes: list[int | None] = []
        self._names: list[str] = []
        self._cast_sizes, self._credit_actors = array("i"), array("i")
        self._genres_per_movie, self._genre_codes = array("i"), array("i")
        self.notes = dict.fromkeys(
            ("repeated_credits", "empty_genres", "repeated_genres", "other_names"), 0
        )

    def __contains__(self, movie_id: str) -> bool:
        return movie_id in self._movies

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
    ) -> None:
        """Take in one movie, whose id must be new; `actors` are pairs of id and name."""
        if movie_id in self._movies:
            raise ValueError(f"the movie {movie_id!r} is there already")
        self._movies[movie_id] = len(self._movies)
        self._titles.append(title)
        self._years.append(year)
        self._ratings.append(rating)
        self._votes.append(votes)
        self._cast_sizes.append(self._add_cast(actors))
        self._genres_per_movie.append(self._add_genres(genres))

    def _add_cast(self, actors: Iterable[tuple[str, str]]) -> int:
        seen = set()
        for actor_id, name in actors:
            actor = self._actors.setdefault(actor_id, len(self._actors))
            if actor == len(self._names):
                self._names.append(name)
            elif self._names[actor] != name:
                self.notes["other_names"] += 1
            if actor in seen:
                self.notes["repeated_credits"] += 1
            else:
                seen.add(actor)
                self._credit_actors.append(actor)
        return len(seen)

    def _add_genres(self, genres: Iterable[str]) -> int:
        seen = set()
        for genre in genres:
            if genre in NO_GENRE:
                self.notes["empty_genres"] += 1
            elif genre in seen:
                self.notes["repeated_genres"] += 1
            else:
                seen.add(genre)
                self._genre_codes.append(self._genres.setdefault(genre, len(self._genres)))
        return len(seen)

    def build(self, *, problems: Iterable[Problem] = (), **notes: int) -> Corpus:
        """Return the corpus of all movies taken in; `notes` are added to the counts."""
        names = sorted(self._genres)
        position = np.empty(len(names), dtype=np.int64)
        position[[self._genres[name] for name in names]] = np.arange(len(names))
        codes = position[np.frombuffer(self._genre_codes, dtype=np.int32)]
        return Corpus(
            movies=pd.DataFrame(
                {
                    "movie_id": pd.array(list(self._movies), dtype="str"),
                    "title": pd.array(self._titles, dtype="str"),
                    "year": pd.array(self._years, dtype="Int64"),
                    "rating": np.array(self._ratings, dtype=float),
                    "votes": pd.array(self._votes, dtype="Int64"),
                }
            ),
            actors=pd.DataFrame(
                {
                    "actor_id": pd.array(list(self._actors), dtype="str"),
                    "name": pd.array(self._names, dtype="str"),
                }
            ),
            credits=pd.DataFrame(
                {
                    "movie": _rows(self._cast_sizes),
                    "actor": np.array(self._credit_actors, dtype=np.int32),
                }
            ),
            genres=pd.DataFrame(
                {
                    "movie": _rows(self._genres_per_movie),
                    "genre": pd.Categorical.from_codes(codes, categories=names),
                }
            ),
            problems=_problem_table(problems),
            notes=self.notes | notes,
        )


def read_corpus(path: str | Path, *, on_problem: str = "stop") -> Corpus:
    """Read a corpus of JSON lines, plain or gzip, one line at a time.

    Parameters
    ----------
    path : path
        The file; gzip is recognised by its content.
    on_problem : {"stop", "skip"}
        What to do with a record that cannot be used (no JSON, a missing or mistyped field, an
        id that was there before): stop at the end of the file and list all of them, or set
        them aside into ``corpus.problems``.

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
    if on_problem not in ("stop", "skip"):
        raise ValueError(f'on_problem is "stop" or "skip", not {on_problem!r}')
    builder, problems, lines = CorpusBuilder(), [], {}
    n_records = n_blank = 0
    for number, line in _numbered_lines(path):
        if not line.strip():
            n_blank += 1
            continue
        n_records += 1
        try:
            movie = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            problems.append(_explain(error, path.name, number, line))
            continue
        if movie.imdb_id in builder:
            seen = f"{movie.imdb_id!r} is there already, in line {lines[movie.imdb_id]}"
            problems.append(Problem(path.name, number, "imdb_id", seen))
            continue
        lines[movie.imdb_id] = number
        rating = movie.rating or _Rating()
        builder.add(
            movie.imdb_id,
            movie.title,
            movie.genres,
            movie.actors,
            year=movie.year,
            rating=rating.avg,
            votes=rating.votes,
        )
    if problems and on_problem == "stop":
        raise CorpusError.listing(problems)
    if not lines:
        what = f"none of its {n_records:,} records can be used" if n_records else "it is empty"
        raise CorpusError(f"{path.name}: no movie in this file: {what}", problems)
    return builder.build(problems=problems, records=n_records, blank_lines=n_blank)


def write_corpus(corpus: Corpus, path: str | Path) -> None:
    """Write a corpus as JSON lines, gzip where the name ends in ``.gz``; same corpus, same bytes.

    Reading the file gives the same tables.
    """
    path = Path(path)
    ids, names = corpus.actors["actor_id"].tolist(), corpus.actors["name"].tolist()
    pairs = list(zip(ids, names, strict=True))
    casts = np.split(corpus.credits["actor"].to_numpy(), np.cumsum(corpus.cast_sizes())[:-1])
    n_genres = np.bincount(corpus.genres["movie"], minlength=corpus.n_movies)
    genres = np.split(corpus.genres["genre"].to_numpy(), np.cumsum(n_genres)[:-1])
    encode = msgspec.json.Encoder().encode
    movies = corpus.movies.itertuples(index=False)
    with _gzip_or_plain(path) as file:
        for movie, cast, of_movie in zip(movies, casts, genres, strict=True):
            record = {
                "imdb_id": movie.movie_id,
                "title": movie.title,
                "genres": list(of_movie),
                "actors": [pairs[actor] for actor in cast],
            }
            if not pd.isna(movie.year):
                record["year"] = int(movie.year)
            rating = {}
            if not pd.isna(movie.rating):
                rating["avg"] = movie.rating
            if not pd.isna(movie.votes):
                rating["votes"] = int(movie.votes)
            file.write(encode(record | {"rating": rating}) + b"\n")


@contextmanager
def _gzip_or_plain(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as raw:
        if path.suffix == ".gz":  # no name, no date: the same corpus gives the same bytes
            with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
                yield file
        else:
            yield raw


_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Rating(msgspec.Struct):
    avg: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    votes: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


class _Movie(msgspec.Struct):
    imdb_id: _Text
    title: _Text
    genres: list[str]
    actors: list[tuple[_Text, _Text]]
    year: Annotated[int, msgspec.Meta(ge=1, le=9999)] | None = None
    rating: _Rating | None = None


_decoder = msgspec.json.Decoder(_Movie)


def _rows(counts: array) -> np.ndarray:
    """Repeat each row number as often as its count says, as int32."""
    counts = np.array(counts, dtype=np.int64)
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def _problem_table(problems: Iterable[Problem]) -> pd.DataFrame:
    rows = [(p.file, p.line, p.field, p.problem) for p in problems]
    table = pd.DataFrame(rows, columns=["file", "line", "field", "problem"])
    return table.astype({"file": "str", "line": "int64", "field": "str", "problem": "str"})


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a plain or gzip file with their numbers, none longer than allowed."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if zipped else raw as file:
                number = 0
                while line := file.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    if number == 1:
                        line = _check_encoding(line, path)
                    if len(line) > MAX_LINE_BYTES:
                        raise CorpusError(
                            f"{path.name}:{number}: a line of more than "
                            f"{MAX_LINE_BYTES // 2**20} MB is no movie; is this JSON lines?"
                        )
                    yield number, line
    except FileNotFoundError:
        raise CorpusError(f"{path}: there is no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorpusError(f"{path.name}: the gzip data is damaged: {error}") from None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror or error}") from None


def _check_encoding(first_line: bytes, path: Path) -> bytes:
    """Return the first line without a byte order mark; refuse what is plainly not UTF-8 JSON."""
    if first_line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CorpusError(f"{path.name}: the text is UTF-16; save it as UTF-8")
    first_line = first_line.removeprefix(b"\xef\xbb\xbf")
    start = first_line.lstrip()[:1]
    if start == b"[":
        raise CorpusError(f"{path.name}: a JSON array; one JSON object a line is expected")
    if start == b"<":
        raise CorpusError(f"{path.name}: this looks like HTML or XML, not JSON lines")
    return first_line


_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>\w+)`$")


def _explain(error: Exception, file: str, number: int, line: bytes) -> Problem:
    """Say in plain words what the decoder objects to."""
    if isinstance(error, RecursionError):
        return Problem(file, number, "", "nested too deeply to be a movie")
    if isinstance(error, UnicodeDecodeError) or _is_not_utf8(line):
        return Problem(file, number, "", "not UTF-8")
    if not isinstance(error, msgspec.ValidationError):
        what = str(error).replace("JSON is malformed: ", "")
        return Problem(file, number, "", f"not a JSON object: {what}")
    return explain_mismatch(error, file, number)


def explain_mismatch(error: msgspec.ValidationError, file: str, number: int) -> Problem:
    """Return the problem of a record that is JSON but lacks a field or has another type in it."""
    match = _PLACE.match(str(error))
    what, where = match["what"], match["field"] or ""
    if missing := _MISSING.match(what):
        where = f"{where}.{missing['name']}" if where else missing["name"]
        return Problem(file, number, where, "missing")
    return Problem(file, number, where, what[0].lower() + what[1:].replace("`", ""))


def _is_not_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False
