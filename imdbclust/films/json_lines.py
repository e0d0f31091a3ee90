"""Films as JSON lines, one movie a line: read many at once, problems told by line and field.

Lines without fault, nearly all of them, never become objects of Python: Arrow parses a block of
them into columns. Where anything about a block is out of the ordinary, its lines are decoded one by
one, and the verdict on a line does not depend on its neighbours.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import IO, Annotated

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.json import ParseOptions, ReadOptions, read_json

from imdbclust.base.disk import replacing
from imdbclust.base.text import shown
from imdbclust.films.frames import RATINGS, VOTES, YEARS
from imdbclust.films.opening import open_films
from imdbclust.films.problems import CONTROL, MAX_TEXT, CorpusError, Problem, ProblemLog, brief

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is not a movie; reading on would only fill the memory."""

BLOCK_BYTES = 8 * 2**20
"""So much of a file is parsed at once, by several threads."""

ROWS_TOGETHER = 256
"""So many movies that come one by one become columns: Python's garbage collector takes as long as
all the rest where it has many of their objects to look at."""

GIVE_UP = 10_000
"""If so many records stand at the beginning and none can be used, this is not a corpus."""

MAX_NESTED = 100
"""So many more brackets than films need may hide a nesting too deep for a careful look."""


@dataclass(frozen=True, eq=False)
class MovieColumns:
    """Movies as flat Arrow columns: texts are large strings, numbers may be missing.

    Attributes
    ----------
    movie_ids, titles, years, ratings, votes, lines : Array, one value a movie
        ``lines`` tells where in its file a movie stands.
    genre_sizes, cast_sizes : Array of int32, one value a movie
        How many genres and actors the movie lists.
    genres : Array, one value for each genre of each movie
    actor_ids, names : Array, one value for each actor of each movie
    """

    movie_ids: pa.Array
    titles: pa.Array
    years: pa.Array
    ratings: pa.Array
    votes: pa.Array
    lines: pa.Array
    genre_sizes: pa.Array
    cast_sizes: pa.Array
    genres: pa.Array
    actor_ids: pa.Array
    names: pa.Array

    @classmethod
    def of_rows(cls, rows: Sequence[tuple]) -> MovieColumns:
        """Return the columns of movies.

        Parameters
        ----------
        rows : sequence of tuple
            Of each movie: id, title, year, rating, votes, line, genres, and pairs of an actor's
            id and name.
        """
        columns = zip(*rows, strict=True) if rows else [()] * 8
        ids, titles, years, ratings, votes, lines, genres, casts = columns
        return cls(
            pa.array(ids, _TEXT),
            pa.array(titles, _TEXT),
            pa.array(years, pa.int64()),
            pa.array(ratings, pa.float64()),
            pa.array(votes, pa.int64()),
            pa.array(lines, pa.int64()),
            pa.array(map(len, genres), pa.int32()),
            pa.array(map(len, casts), pa.int32()),
            pa.array([genre for listed in genres for genre in listed], _TEXT),
            pa.array([actor_id for cast in casts for actor_id, _ in cast], _TEXT),
            pa.array([name for cast in casts for _, name in cast], _TEXT),
        )

    @classmethod
    def joined(cls, parts: Sequence[MovieColumns]) -> MovieColumns:
        """Return the movies of one or more parts, one after the other."""
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*map(pa.concat_arrays, columns))


class MovieLines:
    """The movies of a plain or gzip file of JSON lines; iterating over it reads them.

    Parameters
    ----------
    path : path
        The file.
    problem_log : ProblemLog
        Collects what is set aside, and the line of each movie that is kept.

    Yields
    ------
    MovieColumns
        Movies that can be used, in the file's order, none of them twice.

    Raises
    ------
    CorpusError
        On iterating: a file that is missing, unreadable or damaged, or is none of text.

    Attributes
    ----------
    n_records, n_blank : int
        Lines with something in them, and without, as far as they were read: the rest of a file
        whose first `GIVE_UP` records are of no use is left alone.
    """

    def __init__(self, path: Path, problem_log: ProblemLog):
        self._path, self._findings = path, problem_log
        self.n_records = self.n_blank = 0

    def __iter__(self) -> Iterator[MovieColumns]:
        for first, n_lines, block in _blocks_of_lines(self._path):
            columns = _parse_together(block, n_lines, first)
            if columns is not None and self._are_new(columns):
                self.n_records += n_lines
                yield columns
            else:
                rows = self._decode_one_by_one(block, first)
                while some := list(islice(rows, ROWS_TOGETHER)):
                    yield MovieColumns.of_rows(some)
            if self._is_hopeless():
                break

    def _are_new(self, columns: MovieColumns) -> bool:
        """Take note of movies, unless one of them was there before."""
        seen, ids = self._findings.lines, columns.movie_ids.to_pylist()
        if len(set(ids)) < len(ids) or not seen.keys().isdisjoint(ids):
            return False
        seen.update(zip(ids, columns.lines.to_pylist(), strict=True))
        return True

    def _is_hopeless(self) -> bool:
        return self.n_records >= GIVE_UP and not self._findings.lines

    def _decode_one_by_one(self, block: bytes, first: int) -> Iterator[tuple]:
        """Yield the rows of usable movies; what is wrong with the others is collected."""
        problem_log, seen = self._findings, self._findings.lines
        for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), first):
            if not line.strip():
                self.n_blank += 1
                continue
            self.n_records += 1
            try:
                movie = _decoder.decode(line)
                _check_closely(line, movie)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                problem_log.set_aside(_explain(error, problem_log.file, number, line))
                if self._is_hopeless():
                    return
                continue
            movie_id, rating = movie.imdb_id, movie.rating or _UNRATED
            if movie_id in seen:
                text = f"{movie_id!r} is there already, in line {seen[movie_id]}"
                problem = Problem(problem_log.file, number, "imdb_id", text, "repeated_movie")
                problem_log.set_aside(problem)
                continue
            seen[movie_id] = number
            known = (movie.year, rating.avg, rating.votes)
            yield movie_id, movie.title, *known, number, movie.genres, movie.actors


def _n_lines(block: bytes) -> int:
    return block.count(b"\n") + (not block.endswith(b"\n"))


def _blocks_of_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield the lines of a plain or gzip file, many at once: the first's number, how many, all."""
    with open_films(path) as file:
        first = 1
        while block := file.read(min(BLOCK_BYTES, MAX_LINE_BYTES)):
            block += file.readline(MAX_LINE_BYTES + 1)
            if len(block) - block.rfind(b"\n", 0, -1) - 1 > MAX_LINE_BYTES:
                number = first + block.count(b"\n", 0, -1)
                raise CorpusError(
                    f"{shown(path.name)}:{number}: a line of more than "
                    f"{MAX_LINE_BYTES // 2**20} MB is no movie; is this JSON lines?"
                )
            if first == 1:
                block = _check_start(block, path)
            n_lines = _n_lines(block)
            yield first, n_lines, block
            first += n_lines


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


def _check_start(block: bytes, path: Path) -> bytes:
    """Return the first lines without a byte order mark; refuse what is plainly not JSON lines."""
    name = shown(path.name)
    for start, what in _STARTS.items():
        if block.startswith(start):
            raise CorpusError(f"{name}: {what}")
    block = block.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in block[:1000].split(b"\n")[0]:
        raise CorpusError(f"{name}: binary data or UTF-16, not JSON lines in UTF-8")
    start = block.split(b"\n", 1)[0].strip()
    if start.startswith(b"["):
        raise CorpusError(f"{name}: a JSON array; one JSON object a line is expected")
    if start.startswith(b"<"):
        raise CorpusError(f"{name}: this looks like HTML or XML, not JSON lines")
    return block


_TEXT = pa.large_string()

_OPTIONS = ParseOptions(
    explicit_schema=pa.schema(
        {
            "imdb_id": _TEXT,
            "title": _TEXT,
            "genres": pa.list_(_TEXT),
            "actors": pa.list_(pa.list_(_TEXT)),
            "year": pa.int64(),
            "rating": pa.struct({"avg": pa.float64(), "votes": pa.int64()}),
        }
    ),
    unexpected_field_behavior="ignore",
)


def _parse_together(block: bytes, n_lines: int, first: int) -> MovieColumns | None:
    """Return the movies of some lines, the first of which has the number `first`.

    The result is None unless every line is one movie, without fault as the decoder of single
    lines sees it. It may be None all the same; then that decoder decides.
    """
    if not _has_one_object_a_line(block, n_lines) or not _is_utf8(block):
        return None
    try:
        table = read_json(
            pa.BufferReader(block),
            read_options=ReadOptions(block_size=max(len(block) // 8, 2**16)),
            parse_options=_OPTIONS,
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != n_lines:
        return None
    ids, titles, genres, casts, years, ratings = (
        table[name].combine_chunks() for name in _OPTIONS.explicit_schema.names
    )
    pairs, listed = casts.flatten(), genres.flatten()
    lists = (ids, titles, genres, casts, pairs, listed, pairs.flatten())
    if any(values.null_count for values in lists) or not _are_pairs(pairs):
        return None
    if _n_brackets(block) > 4 * n_lines + len(pairs) + MAX_NESTED:
        return None
    columns = MovieColumns(
        ids,
        titles,
        years,
        pc.struct_field(ratings, "avg"),
        pc.struct_field(ratings, "votes"),
        pa.array(np.arange(first, first + n_lines)),
        pc.list_value_length(genres),
        pc.list_value_length(casts),
        listed,
        pc.list_element(pairs, 0),
        pc.list_element(pairs, 1),
    )
    return columns if _are_within_limits(columns, has_escapes=b"\\" in block) else None


def _has_one_object_a_line(block: bytes, n_lines: int) -> bool:
    """Tell whether lines are objects, if they are JSON; Arrow crashes on values that are none.

    Nor does it mind where lines end.
    """
    return (
        block.startswith(b"{")
        and block.count(b"}\n{") + block.count(b"}\r\n{") == n_lines - 1
        and not _MORE_BEHIND.search(block)
    )


_MORE_BEHIND = re.compile(rb"\}[ \t\r]*[^ \t\r\n,\]}]")
"""What an object's end is followed by only in a text, or where another value stands behind it."""


def _are_pairs(lists: pa.Array) -> bool:
    return bool((np.diff(lists.offsets.to_numpy()) == 2).all())


def _n_brackets(block: bytes) -> int:
    return block.count(b"[") + block.count(b"{")


def _are_within_limits(columns: MovieColumns, *, has_escapes: bool) -> bool:
    """Tell whether texts are as long, and numbers as large, as they may be."""
    ids = (columns.movie_ids, columns.actor_ids)
    texts = (*ids, columns.titles, columns.names, columns.genres)
    return (
        all(_lie_within(pc.binary_length(each), (1, MAX_TEXT)) for each in texts[:4])
        and _lie_within(pc.binary_length(columns.genres), (0, MAX_TEXT))
        and _lie_within(columns.years, YEARS)
        and _lie_within(columns.ratings, RATINGS)
        and _lie_within(columns.votes, VOTES)
        # unescaped, a control character is an error anyway
        and not (has_escapes and any(_has_control(each) for each in ids))
    )


def _lie_within(values: pa.Array, limits: tuple[int, int]) -> bool:
    """Tell whether all values that are there, NaN among them, lie within limits."""
    there = values.drop_null().to_numpy()
    return bool(((limits[0] <= there) & (there <= limits[1])).all())


def _has_control(texts: pa.Array) -> bool:
    return pc.any(pc.match_substring_regex(texts, CONTROL)).as_py() or False


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


_UNRATED = _Rating()

_decoder = msgspec.json.Decoder(_Movie)

_KEYS = [f'"{name}"'.encode() for name in (*_Movie.__struct_fields__, *_Rating.__struct_fields__)]


class _Objection(msgspec.ValidationError):
    """What the decoder lets pass and we do not, with the kind of the problem."""

    def __init__(self, field: str, text: str, kind: str):
        super().__init__(text)
        self.field, self.kind = field, kind


def _check_closely(line: bytes, movie: _Movie) -> None:
    """Raise where the decoder is more generous than we are: of equal keys it takes the last.

    Raises
    ------
    _Objection
        A key that is there twice, a control character in an id.
    """
    has_escapes = b"\\" in line
    if has_escapes or any(line.count(key) > 1 for key in _KEYS):
        json.loads(line, object_pairs_hook=_refuse_repeated_keys, parse_int=float)
    if has_escapes:
        ids = {"imdb_id": movie.imdb_id}
        ids |= {f"actors[{place}][0]": pair[0] for place, pair in enumerate(movie.actors)}
        for where, text in ids.items():
            if _CONTROL.search(text):
                what = f"has a control character: {brief(text)}"
                raise _Objection(where, what, "control_character")


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
    if isinstance(error, UnicodeDecodeError) or not _is_utf8(line):
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


def _is_utf8(text: bytes) -> bool:
    try:
        text.isascii() or text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_encoder = msgspec.json.Encoder()


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
