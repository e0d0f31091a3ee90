"""Films as JSON lines, one movie a line: decoded by msgspec, problems named by line and field."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import IO, Annotated, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from imdbclust.base.disk import replacing
from imdbclust.base.text import byte_size, shown
from imdbclust.films.frames import LIMITS
from imdbclust.films.opening import open_films
from imdbclust.films.problems import CONTROL, MAX_TEXT, CorpusError, Problem, ProblemLog, brief
from imdbclust.films.values import NOT_KNOWN, PARSERS, as_text, decode_json, fold_all, items_of

MAX_LINE_BYTES = 16 * 10**6  # a longer line is not a movie and would only fill the memory
GIVE_UP = 10_000  # reading stops if none of this many records at the beginning is valid
ROWS_TOGETHER = 256
"""Number of movies that are converted to columns together. If more of them stayed Python objects,
garbage collection would take as long as all the rest."""

_TEXT, _INT, _SIZE = pa.large_string(), pa.int64(), pa.int32()
_TYPES = (_TEXT, _TEXT, _INT, pa.float64(), _INT, _INT, _SIZE, _SIZE, _TEXT, _TEXT, _TEXT)
"""Types of the fields of `MovieColumns`."""


class MovieColumns(NamedTuple):
    """Movies as flat Arrow columns: texts are large strings, numbers may be missing.

    The first eight have one value a movie: ``lines`` is its line in the file, the sizes are its
    numbers of genres and of actors. The last three have one value for each genre or actor of each
    movie.
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
        """Return the columns of movies: id, title, year, rating, votes, line, genres, actors."""
        *values, genres, casts = zip(*rows, strict=True) if rows else [()] * 8
        pairs = list(chain.from_iterable(casts))
        values += [list(map(len, genres)), list(map(len, casts)), chain.from_iterable(genres)]
        values += [(actor_id for actor_id, _ in pairs), (name for _, name in pairs)]
        return cls(*map(pa.array, values, _TYPES))

    @classmethod
    def joined(cls, parts: Sequence[MovieColumns]) -> MovieColumns:
        """Return the movies of one or more parts, in order."""
        return cls(*map(pa.concat_arrays, zip(*parts, strict=True)))


class MovieLines:
    """The movies of a file of JSON lines; iterating over it reads them.

    With `loose`, values of other types are accepted: years, ratings and votes as texts or floats,
    ids and titles as numbers, actors as texts or objects, NaN. A year, rating or number of votes
    that cannot be read is missing and noted. Names and genres are folded, which is noted, too.

    It yields `MovieColumns` of valid movies with distinct ids, in the file's order. `problem_log`
    collects skipped records, and the line of each valid movie. A file that is missing, unreadable,
    damaged or not a text file is a CorpusError.

    Attributes
    ----------
    n_records, n_blank : int
        Number of lines with and without content that were read. Reading stops after `GIVE_UP`
        records if all of them are invalid.
    """

    def __init__(self, path: Path, problem_log: ProblemLog, *, loose: bool = False):
        self._path, self._problem_log, self._loose = path, problem_log, loose
        self.n_records = self.n_blank = 0

    def __iter__(self) -> Iterator[MovieColumns]:
        rows = self._rows()
        while some := list(islice(rows, ROWS_TOGETHER)):
            movies = MovieColumns.of_rows(some)
            yield self._folded(movies) if self._loose else movies

    def _rows(self) -> Iterator[tuple]:
        """Yield the rows of valid movies; collect the problems of the rest."""
        problem_log, seen = self._problem_log, self._problem_log.lines
        for number, line in enumerate(_lines(self._path), start=1):
            if not line.strip():
                self.n_blank += 1
                continue
            self.n_records += 1
            try:
                movie = self._movie(line, number)
                _check_closely(line, movie, seen)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                problem_log.set_aside(_explain(error, problem_log.file, number, line))
                if self.n_records >= GIVE_UP and not seen:
                    return
                continue
            seen[movie.imdb_id] = number
            rating = movie.rating or _UNRATED
            known = (movie.year, rating.avg, rating.votes)
            yield movie.imdb_id, movie.title, *known, number, movie.genres, movie.actors

    def _folded(self, movies: MovieColumns) -> MovieColumns:
        """Return movies with the names of their actors and genres folded; ids stay."""
        for column, sizes in (("names", movies.cast_sizes), ("genres", movies.genre_sizes)):
            given = getattr(movies, column)
            folded, changed = fold_all(given)
            movies = movies._replace(**{column: folded})
            ends = np.cumsum(sizes)
            for at in np.flatnonzero(changed.to_numpy(zero_copy_only=False)):
                line = movies.lines[np.searchsorted(ends, at, side="right")].as_py()
                text = f"{given[at].as_py()!r} was folded"
                self._problem_log.note(f"folded_{column}", line, column, text)
        return movies

    def _movie(self, line: bytes, number: int) -> _Movie:
        """Decode a line, if necessary by :func:`_loosened`."""
        try:
            return _decoder.decode(line)
        except (msgspec.MsgspecError, RecursionError):
            record = None
            with suppress(ValueError):
                record = decode_json(line) if self._loose else None
            if not isinstance(record, dict):
                raise
        record, notes = _loosened(record)
        movie = msgspec.convert(record, _Movie)
        for kind, field, text in notes:
            self._problem_log.note(kind, number, field, text)
        return movie


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a plain or gzip file without their ends."""
    with open_films(path) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise CorpusError(
                    f"{shown(path.name)}:{number}: a line of more than "
                    f"{byte_size(MAX_LINE_BYTES)} cannot be a movie; is this JSON lines?"
                )
            yield (_checked_start(line, path) if number == 1 else line).removesuffix(b"\n")


def _checked_start(line: bytes, path: Path) -> bytes:
    """Return the first line without a byte order mark; refuse other kinds of files."""
    name = shown(path.name)
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CorpusError(f"{name}: the text is UTF-16; save it as UTF-8")
    line = line.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in line[:1000]:
        raise CorpusError(f"{name}: binary data or UTF-16, not JSON lines in UTF-8")
    if line.strip().startswith((b"[", b"<")):
        array = b"[" in line[:9]
        what = "a JSON array; one JSON object a line" if array else "HTML or XML; JSON lines"
        raise CorpusError(f"{name}: this looks like {what} is expected")
    return line


_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
_Genre = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


_within = {key: msgspec.Meta(ge=low, le=high) for key, (low, high) in LIMITS.items()}


class _Rating(msgspec.Struct):
    avg: Annotated[float, _within["rating"]] | None = None
    votes: Annotated[int, _within["votes"]] | None = None


class _Movie(msgspec.Struct):
    imdb_id: _Text
    title: _Text
    genres: list[_Genre]
    actors: list[tuple[_Text, _Text]]
    year: Annotated[int, _within["year"]] | None = None
    rating: _Rating | None = None


_UNRATED = _Rating()
_decoder, _encoder = msgspec.json.Decoder(_Movie), msgspec.json.Encoder()
_KEYS = [f'"{name}"'.encode() for name in (*_Movie.__struct_fields__, *_Rating.__struct_fields__)]


_LISTS = ("genres", "actors")


def _loosened(record: dict) -> tuple[dict, list[tuple[str, str, str]]]:
    """Return a record with the types of a corpus file, and notes: kind, field and text."""
    notes, rating = [], record.get("rating")
    rating = rating if isinstance(rating, dict) else {"avg": rating}
    numbers = {}
    for key, field, value in (
        ("year", "year", record.get("year")),
        ("rating", "rating.avg", rating.get("avg")),
        ("votes", "rating.votes", rating.get("votes")),
    ):
        text = as_text(value)
        numbers[key] = PARSERS[key](text) if text else None
        known = value is not None and (text is None or text.lower() not in NOT_KNOWN)
        if known and numbers[key] is None:
            text = f"{brief(value)} cannot be read as {key}; counts as missing"
            notes.append((f"unreadable_{key}", field, text))
    found = record | {"year": numbers["year"]}
    found["rating"] = {"avg": numbers["rating"], "votes": numbers["votes"]}
    for key in ("imdb_id", "title"):
        if type(record.get(key)) in (int, float):
            found[key] = as_text(record[key])
    genres, actors = ([] if record.get(key, ()) is None else record.get(key) for key in _LISTS)
    if isinstance(genres, str):
        genres = [one.strip() for one in re.split(r"[|;,]", genres)]
    if isinstance(genres, list):
        found["genres"] = [name for _, name in items_of(genres) if name]
    if isinstance(actors, list) and all(map(_is_actor, actors)):
        cast = list(items_of(actors))
        found["actors"] = [(who or name, name) for who, name in cast]
        for _, name in (pair for pair in cast if not pair[0]):
            notes.append(("names_for_ids", "actors", f"{name!r} has no id: names stand for ids"))
    return found, notes


def _is_actor(value: object) -> bool:
    """Return whether a value is a name, a pair of id and name, or an object with a name."""
    if isinstance(value, list):
        return len(value) == 2 and all(as_text(one) for one in value)
    return bool(as_text(value)) if not isinstance(value, dict) else bool(list(items_of(value)))


class _Objection(msgspec.ValidationError):
    """A fault that the decoder accepts, with its field and the kind of the problem."""

    def __init__(self, field: str, text: str, kind: str):
        super().__init__(text)
        self.field, self.kind = field, kind


def _check_closely(line: bytes, movie: _Movie, seen: dict[str, int]) -> None:
    """Raise `_Objection` for a duplicate key, a control character in an id, a duplicate movie."""
    has_escapes = b"\\" in line
    if has_escapes or any(line.count(key) > 1 for key in _KEYS):
        json.loads(line, object_pairs_hook=_refuse_duplicate_keys, parse_int=float)
    if has_escapes:
        actor_ids = {f"actors[{at}][0]": actor_id for at, (actor_id, _) in enumerate(movie.actors)}
        ids = {"imdb_id": movie.imdb_id, **actor_ids}
        for where, text in ids.items():
            if re.search(CONTROL, text):
                what = f"has a control character: {brief(text)}"
                raise _Objection(where, what, "control_character")
    if (movie_id := movie.imdb_id) in seen:
        text = f"{movie_id!r} is a duplicate of line {seen[movie_id]}"
        raise _Objection("imdb_id", text, "repeated_movie")


def _refuse_duplicate_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Objection(twice, "duplicate key", "repeated_key")
    return seen


_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>\w+)`$")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _explain(error: Exception, file: str, number: int, line: bytes) -> Problem:
    """Return the problem of a line that the decoder rejects."""
    if isinstance(error, RecursionError):
        return Problem(file, number, "", "nested too deeply to be a movie", "too_deep")
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as wrong:
        error = wrong
    if isinstance(error, UnicodeDecodeError):
        return Problem(file, number, "", "not UTF-8", "not_utf8")
    if isinstance(error, _Objection):
        return Problem(file, number, error.field, str(error), error.kind)
    if not isinstance(error, msgspec.ValidationError):
        what = str(error).replace("JSON is malformed: ", "")
        if _SURROGATE.search(line) and ("surrogate" in what or "truncated" in what):
            what = "an unpaired surrogate"
        elif b"\r" in line.rstrip(b"\r\n"):
            what += "; do its lines end in CR alone? LF or CR LF is expected"
        elif line.strip() == b"{":
            what += "; is the object spread over several lines? One line a movie is expected"
        return Problem(file, number, "", f"not a JSON object: {what}", "not_json")
    return explain_mismatch(error, file, number)


def explain_mismatch(error: msgspec.ValidationError, file: str, number: int) -> Problem:
    """Return the problem of a JSON record with a missing field or a wrong type."""
    match = _PLACE.match(str(error))
    what, where = match["what"], match["field"] or ""
    if missing := _MISSING.match(what):
        where = f"{where}.{missing['name']}" if where else missing["name"]
        return Problem(file, number, where, "missing", "missing")
    what = what[0].lower() + what[1:].replace("`", "")
    kind = next((kind for part, kind in _KINDS.items() if part in what), "wrong_type")
    return Problem(file, number, where, what, kind)


_KINDS = {
    "of length >= 1": "empty",
    "of length <= ": "too_long",
    ">= ": "out_of_range",
    "<= ": "out_of_range",
    "out of range": "out_of_range",
}
"""Kinds of problems by a part of the decoder's message; the first match counts."""


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
    """Return the line of one movie in a corpus file, including the newline."""
    record = {"imdb_id": movie_id, "title": title, "genres": genres, "actors": actors}
    if year is not None:
        record["year"] = year
    record["rating"] = {} if rating is None else {"avg": rating}
    if votes is not None:
        record["rating"]["votes"] = votes
    return _encoder.encode(record) + b"\n"


@contextmanager
def gzip_or_plain(path: Path, *, level: int = 9) -> Iterator[IO[bytes]]:
    """Open a file for an atomic write, gzip if its name ends in ``.gz``."""
    with replacing(path) as raw:
        if path.suffix == ".gz":  # no name, no date: same corpus, same bytes
            with gzip.GzipFile("", "wb", level, fileobj=raw, mtime=0) as file:
                yield file
        else:
            yield raw
