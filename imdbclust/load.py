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
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Annotated

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp

from imdbclust.files import open_films, replacing
from imdbclust.frames import NO_GENRE, RATINGS, VOTES, YEARS, merged_tables, tables_from_frames
from imdbclust.problems import (
    CONTROL,
    EXAMPLES,
    MAX_TEXT,
    CorpusError,
    Findings,
    Problem,
    brief,
    check_on_problem,
    problem_table,
)
from imdbclust.terminal import shown

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is not a movie; reading on would only fill the memory."""

GIVE_UP = 10_000
"""If so many records stand at the beginning and none can be used, this is not a corpus."""

PACKED_TOGETHER = 200_000
"""So many credits are put away together while a corpus is collected."""


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
        findings = Findings()
        tables = tables_from_frames(movies, credits, actors, genres, findings)
        findings.stop_if(on_problem)
        if not len(tables["movies"]):
            raise CorpusError("movies: there is no row that can be used", findings.problems)
        return cls.of_tables(tables, findings, records=len(movies))

    @classmethod
    def of_tables(cls, tables: dict[str, pd.DataFrame], findings: Findings, **notes: int) -> Corpus:
        """Return the corpus of tables in its own order, with what was found on the way."""
        counts = {kind: findings.counts[kind] for kind in _COUNTED}
        more = {kind: n for kind, n in findings.counts.items() if n and kind not in counts}
        return cls(**tables, problems=problem_table(findings.problems), notes=counts | more | notes)

    def merge(
        self, *others: Corpus, names: Iterable[str] = (), findings: Findings | None = None
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
        findings : Findings, optional
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
        findings = findings or Findings()
        tables = merged_tables(
            [{name: getattr(part, name) for name in _TABLES[:4]} for part in parts],
            names,
            findings,
        )
        merged = self.of_tables(tables, findings)
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
    """Collect movies one by one; the tables are made once, at the end.

    Repeated credits and genres count once, values in `NO_GENRE` are no genre, and of several
    names for one actor id the first stays. All of these are counted in `findings`.

    Parameters
    ----------
    findings : Findings, optional
        Collects what is changed, with examples.
    cast : str
        What the field of actors is called in the file, for messages.
    """

    def __init__(self, findings: Findings | None = None, *, cast: str = "actors"):
        self.findings, self._cast = findings or Findings(), cast
        self._movies: dict[str, int] = {}
        self._genres: dict[str, int] = {}
        self._genre_lists: dict[tuple[str, ...], array] = {}
        self._titles: list[str] = []
        self._years: list[int | None] = []
        self._ratings: list[float | None] = []
        self._votes: list[int | None] = []
        self._ids: list[str] = []
        self._names: list[str] = []
        self._packed: tuple[list[pa.Array], list[pa.Array]] = ([], [])
        self._cast_sizes, self._lines = array("i"), array("q")
        self._genres_per_movie, self._genre_codes = array("i"), array("i")

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
        line: int = 0,
    ) -> None:
        """Take in one movie, whose id must be new; `actors` are pairs of id and name.

        `line` is where it stands in the file.
        """
        if movie_id in self._movies:
            raise ValueError(f"the movie {movie_id!r} is there already")
        self._movies[movie_id] = len(self._movies)
        self._titles.append(title)
        self._years.append(year)
        self._ratings.append(rating)
        self._votes.append(votes)
        self._lines.append(line)
        self._cast_sizes.append(self._add_cast(actors))
        self._genres_per_movie.append(self._add_genres(genres, line))

    def _add_cast(self, actors: Iterable[tuple[str, str]]) -> int:
        n_before = len(self._ids)
        for actor_id, name in actors:
            self._ids.append(actor_id)
            self._names.append(name)
        n_listed = len(self._ids) - n_before
        if len(self._ids) >= PACKED_TOGETHER:
            self._pack()
        return n_listed

    def _pack(self) -> None:
        """Put ids and names of credits away: as Python's strings they take four times as much."""
        for packed, texts in zip(self._packed, (self._ids, self._names), strict=True):
            packed.append(pa.array(texts, pa.large_string()))
            texts.clear()

    def _number_actors(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the tables of actors and of credits."""
        self._pack()
        ids, names = (pa.concat_arrays(packed).dictionary_encode() for packed in self._packed)
        actor, name = ids.indices.to_numpy(), names.indices.to_numpy()
        movie = _rows(self._cast_sizes)
        first = np.empty(len(ids.dictionary), dtype=np.int64)
        first[actor[::-1]] = np.arange(len(actor))[::-1]
        again = _repeats(movie.astype(np.int64) * len(first) + actor)
        other = name != name[first][actor]
        who, called = ids.dictionary, names.dictionary
        self._note(
            "other_names",
            other,
            movie,
            lambda at: (
                f"{called[name[at]].as_py()!r}: {who[actor[at]].as_py()!r} has the name "
                f"{called[name[first[actor[at]]]].as_py()!r}, which stays"
            ),
        )
        self._note(
            "repeated_credits",
            again,
            movie,
            lambda at: f"{who[actor[at]].as_py()!r} is in this cast already",
        )
        actors = {
            "actor_id": pd.array(who.to_pylist(), dtype="str"),
            "name": pd.array(called.take(pa.array(name[first])).to_pylist(), dtype="str"),
        }
        credits = {"movie": movie[~again], "actor": actor[~again].astype(np.int32)}
        return pd.DataFrame(actors), pd.DataFrame(credits)

    def _note(
        self, kind: str, where: np.ndarray, movie: np.ndarray, text: Callable[[int], str]
    ) -> None:
        """Count credits that were changed; the first are kept in full."""
        found = np.flatnonzero(where)
        for at in found[:EXAMPLES].tolist():
            place = at - np.searchsorted(movie, movie[at])
            field = f"{self._cast}[{place}]"
            self.findings.note(kind, self._lines[movie[at]], field, text(at))
        if len(found) > EXAMPLES:
            self.findings.counts[kind] += len(found) - EXAMPLES

    def _add_genres(self, genres: Iterable[str], line: int) -> int:
        given = tuple(genres)
        codes = self._genre_lists.get(given)  # few lists of genres are the list of many movies
        if codes is None:
            codes = array("i")
            for place, genre in enumerate(given):
                if genre in NO_GENRE:
                    text = f"{genre!r} is none"
                    self.findings.note("empty_genres", line, f"genres[{place}]", text)
                elif genre in given[:place]:
                    text = f"{genre!r} is there already"
                    self.findings.note("repeated_genres", line, f"genres[{place}]", text)
                else:
                    codes.append(self._genres.setdefault(genre, len(self._genres)))
            if len(codes) == len(given):
                self._genre_lists[given] = codes
        self._genre_codes.extend(codes)
        return len(codes)

    def build(self, **notes: int) -> Corpus:
        """Return the corpus of all movies taken in; `notes` are added to the counts."""
        names = sorted(self._genres)
        position = np.empty(len(names), dtype=np.int64)
        position[[self._genres[name] for name in names]] = np.arange(len(names))
        codes = position[np.frombuffer(self._genre_codes, dtype=np.int32)]
        actors, credits = self._number_actors()
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
            actors=actors,
            credits=credits,
            genres=pd.DataFrame(
                {
                    "movie": _rows(self._genres_per_movie),
                    "genre": pd.Categorical.from_codes(codes, categories=names),
                }
            ),
            problems=problem_table(self.findings.problems),
            notes={kind: self.findings.counts[kind] for kind in _COUNTED} | notes,
        )


def read_corpus(
    path: str | Path, *, on_problem: str = "stop", findings: Findings | None = None
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
    findings : Findings, optional
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
    findings = findings or Findings()
    findings.file, lines = shown(path.name), findings.lines
    builder = CorpusBuilder(findings)
    n_records = n_blank = 0
    for number, line in _numbered_lines(path):
        if not line.strip():
            n_blank += 1
            continue
        n_records += 1
        try:
            movie = _decoder.decode(line)
            if _is_suspicious(line, movie):
                _check_closely(line, movie)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            findings.set_aside(_explain(error, findings.file, number, line))
            if n_records == GIVE_UP and not lines:
                break
            continue
        if movie.imdb_id in builder:
            seen = f"{movie.imdb_id!r} is there already, in line {lines[movie.imdb_id]}"
            findings.set_aside(Problem(findings.file, number, "imdb_id", seen, "repeated_movie"))
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
            line=number,
        )
    findings.stop_if(on_problem)
    if not lines:
        raise _no_movie(findings, n_records)
    return builder.build(records=n_records, blank_lines=n_blank)


def _no_movie(findings: Findings, n_records: int) -> CorpusError:
    if not n_records:
        return CorpusError(f"{findings.file}: no movie in this file: it is empty")
    first = "\n  ".join(map(str, findings.problems[:3]))
    which = f"the first {n_records:,}" if n_records == GIVE_UP else f"its {n_records:,}"
    what = f"none of {which} records can be used, beginning with\n  {first}"
    return CorpusError(f"{findings.file}: no movie in this file: {what}", findings.problems)


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


def encode_movie(
    movie_id: str,
    title: str,
    genres: Sequence[str],
    actors: Sequence[tuple[str, str]],
    *,
    year: int | None = None,
    rating: float | None = None,
    votes: int | None = None,
) -> bytes:
    """Return the line of one movie in a corpus file, with its end."""
    record = {"imdb_id": movie_id, "title": title, "genres": genres, "actors": actors}
    if year is not None:
        record["year"] = year
    record["rating"] = {} if rating is None else {"avg": rating}
    if votes is not None:
        record["rating"]["votes"] = votes
    return _encoder.encode(record) + b"\n"


@contextmanager
def gzip_or_plain(path: Path, *, level: int = 9) -> Iterator[IO[bytes]]:
    """Open a file to write to, gzip where its name ends in ``.gz``; it is whole or not there."""
    with replacing(path) as raw:
        if path.suffix == ".gz":  # no name, no date: the same corpus gives the same bytes
            with gzip.GzipFile("", "wb", level, fileobj=raw, mtime=0) as file:
                yield file
        else:
            yield raw


_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
_Genre = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class _Rating(msgspec.Struct):
    avg: Annotated[float, msgspec.Meta(ge=RATINGS[0], le=RATINGS[1])] | None = None
    votes: Annotated[int, msgspec.Meta(ge=VOTES[0], le=VOTES[1])] | None = None


class _Movie(msgspec.Struct):
    imdb_id: _Text
    title: _Text
    genres: list[_Genre]
    actors: list[tuple[_Text, _Text]]
    year: Annotated[int, msgspec.Meta(ge=YEARS[0], le=YEARS[1])] | None = None
    rating: _Rating | None = None


_decoder = msgspec.json.Decoder(_Movie)
_encoder = msgspec.json.Encoder()

_KEYS = [f'"{name}"'.encode() for name in (*_Movie.__struct_fields__, *_Rating.__struct_fields__)]


class _Objection(msgspec.ValidationError):
    """What the decoder lets pass and we do not, with the kind of the problem."""

    def __init__(self, field: str, text: str, kind: str):
        super().__init__(text)
        self.field, self.kind = field, kind


def _repeats(values: np.ndarray) -> np.ndarray:
    """Tell for each value whether it was there before."""
    in_order = np.sort(values)
    if (in_order[1:] > in_order[:-1]).all():
        return np.zeros(len(values), dtype=bool)
    return pd.Series(values).duplicated().to_numpy()


def _rows(counts: array) -> np.ndarray:
    """Repeat each row number as often as its count says, as int32."""
    counts = np.array(counts, dtype=np.int64)
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a plain or gzip file with their numbers, none longer than allowed."""
    with open_films(path) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if number == 1:
                line = _check_start(line, path)
            if len(line) > MAX_LINE_BYTES:
                raise CorpusError(
                    f"{shown(path.name)}:{number}: a line of more than "
                    f"{MAX_LINE_BYTES // 2**20} MB is no movie; is this JSON lines?"
                )
            yield number, line


_STARTS = {
    b"\xff\xfe": "the text is UTF-16; save it as UTF-8",
    b"\xfe\xff": "the text is UTF-16; save it as UTF-8",
    b"PK\x03\x04": "a zip archive (as Excel workbooks are), not JSON lines",
    b"PAR1": "a parquet file; make a corpus of it with imdbclust import-credits",
    b"BZh": "packed with bzip2; unpack it or use gzip",
    b"\xfd7zXZ": "packed with xz; unpack it or use gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it or use gzip",
    b"%PDF": "a PDF, not JSON lines",
}
"""What files of other kinds begin with."""


def _check_start(first_line: bytes, path: Path) -> bytes:
    """Return the first line without a byte order mark; refuse what is plainly not JSON lines."""
    name = shown(path.name)
    for start, what in _STARTS.items():
        if first_line.startswith(start):
            raise CorpusError(f"{name}: {what}")
    first_line = first_line.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in first_line[:1000]:
        raise CorpusError(f"{name}: binary data or UTF-16, not JSON lines in UTF-8")
    start = first_line.strip()
    if start.startswith(b"["):
        raise CorpusError(f"{name}: a JSON array; one JSON object a line is expected")
    if start.startswith(b"<"):
        raise CorpusError(f"{name}: this looks like HTML or XML, not JSON lines")
    return first_line


def _is_suspicious(line: bytes, movie: _Movie) -> bool:
    """Tell whether a line may repeat a key or have control characters in it; few do."""
    rating = movie.rating
    n_keys = 4 + (movie.year is not None)
    if rating is not None:
        n_keys += 1 + (rating.avg is not None) + (rating.votes is not None)
    return line.count(b'":') > n_keys or b"\\" in line


def _may_repeat_keys(line: bytes) -> bool:
    return any(line.count(key) > 1 for key in _KEYS)


def _check_closely(line: bytes, movie: _Movie) -> None:
    """Raise where the decoder is more generous than we are: of equal keys it takes the last.

    Raises
    ------
    _Objection
        A key that is there twice, a control character in an id.
    """
    if _may_repeat_keys(line):
        json.loads(line, object_pairs_hook=_refuse_repeated_keys)
    ids = {"imdb_id": movie.imdb_id}
    ids |= {f"actors[{place}][0]": actor_id for place, (actor_id, _) in enumerate(movie.actors)}
    for where, text in ids.items():
        if _CONTROL.search(text):
            raise _Objection(where, f"has a control character: {brief(text)}", "control_character")


_CONTROL = re.compile(CONTROL)


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Objection(twice, "this key is there twice", "repeated_key")
    return seen


_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>\w+)`$")


def _explain(error: Exception, file: str, number: int, line: bytes) -> Problem:
    """Say in plain words what the decoder objects to."""
    if isinstance(error, RecursionError):
        return Problem(file, number, "", "nested too deeply to be a movie", "too_deep")
    if isinstance(error, UnicodeDecodeError) or _is_not_utf8(line):
        return Problem(file, number, "", "not UTF-8", "not_utf8")
    if isinstance(error, _Objection):
        return Problem(file, number, error.field, str(error), error.kind)
    if not isinstance(error, msgspec.ValidationError):
        what = str(error).replace("JSON is malformed: ", "")
        if _SURROGATE.search(line) and ("surrogate" in what or "truncated" in what):
            what = "half of a surrogate pair"
        elif b"\r" in line.rstrip(b"\r\n"):
            what += "; do its lines end in CR alone? LF or CR LF is expected"
        elif line.strip() == b"{":
            what += "; does it go on in other lines? One line a movie is expected"
        return Problem(file, number, "", f"not a JSON object: {what}", "not_json")
    return explain_mismatch(error, file, number)


def explain_mismatch(error: msgspec.ValidationError, file: str, number: int) -> Problem:
    """Return the problem of a record that is JSON but lacks a field or has another type in it."""
    match = _PLACE.match(str(error))
    what, where = match["what"], match["field"] or ""
    if missing := _MISSING.match(what):
        where = f"{where}.{missing['name']}" if where else missing["name"]
        return Problem(file, number, where, "missing", "missing")
    what = what[0].lower() + what[1:].replace("`", "")
    kind = next((kind for part, kind in _KINDS.items() if part in what), "wrong_type")
    return Problem(file, number, where, what, kind)


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

_KINDS = {
    "of length >= 1": "empty",
    "of length <= ": "too_long",
    ">= ": "out_of_range",
    "<= ": "out_of_range",
    "out of range": "out_of_range",
}
"""Kinds of problems by what the decoder's message has in it; the first that fits."""


def _is_not_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False
