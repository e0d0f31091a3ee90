r"""Read a table of credits, one row for each movie and actor: CSV, TSV, a spreadsheet's, parquet.

Every cell is text and stays the text it is: a title ``NA`` is a title, an id ``007`` keeps its
zeros. Only spaces around cells go, empty cells and IMDb's ``\N`` are missing values.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from imdbclust.base.text import shown
from imdbclust.films.checks import Rows
from imdbclust.films.frames import (
    RATINGS,
    VOTES,
    YEARS,
    as_movies,
    canonical,
    contradictions,
    first_known,
    first_names,
)
from imdbclust.films.opening import open_films
from imdbclust.films.problems import (
    CONTROL,
    CorpusError,
    Problem,
    ProblemLog,
    brief,
    check_on_problem,
)
from imdbclust.load import Corpus

COLUMNS = {
    "movie_id": "movieid imdbid tconst filmid titleid id",
    "title": "title movietitle filmtitle primarytitle movie film moviename",
    "actor_id": "actorid nconst personid performerid castid",
    "actor": "actor actorname primaryname name performer star cast",
    "genres": "genres genre",
    "year": "year startyear releaseyear movieyear",
    "rating": "rating averagerating imdbrating",
    "votes": "votes numvotes imdbvotes",
}
"""What columns are usually called, in small letters and without signs, by what is in them."""

SEPARATORS, GENRE_SEPARATORS = "\t;,|", "|;,"
"""What may stand between cells, and between the genres of one cell, where nobody says."""

HEAD_BYTES = 2**18
"""The header of a table lies within so many bytes."""

MAX_ROWS = 200_000_000
"""A parquet file says how many rows it has; more are no credits."""

NULL = "\\N"
NO_NUMBER = frozenset({"na", "n/a", "nan", "null", "none", "-", "?"})
"""What stands for a missing number in spreadsheets, in small letters."""


@dataclass(frozen=True)
class TableOptions:
    """How to read a table; what is not given is guessed, and the guess told.

    Attributes
    ----------
    columns : dict of str to str
        Names of columns, by the keys of `COLUMNS`.
    separator : str, optional
        What stands between cells, one character.
    genre_separator : str, optional
        What stands between the genres of one cell.
    encoding : str, optional
        Name of the encoding; UTF-8, or UTF-16 where a byte order mark says so.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    genre_separator: str | None = None
    encoding: str | None = None


def read_credits(
    path: str | Path,
    options: TableOptions | None = None,
    *,
    on_problem: str = "stop",
    problem_log: ProblemLog | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Corpus:
    """Read a table with one row for each movie and each actor in it.

    Parameters
    ----------
    path : path
        A CSV or similar, plain or gzip, or parquet; the first row names the columns.
    options : TableOptions, optional
        Names of columns and separators.
    on_problem : {"stop", "skip"}
        What to do with rows that cannot be used: list them all, or set them aside.
    problem_log : ProblemLog, optional
        Collects what is set aside, changed and contradictory; ``line`` is the row of the
        spreadsheet, its header being 1.
    tell : callable, optional
        Is given every guess, as a sentence.

    Returns
    -------
    Corpus
        Movies and actors in order of first appearance. Of several titles, years, ratings of a
        movie the first stays, the others are contradictions; its genres are those of all its
        rows. A row without an actor is a movie, maybe without a cast. Where no column has ids,
        movies are known by title and year and actors by name.

    Raises
    ------
    CorpusError
        A file that is no table, a column that is not there, bad rows with
        ``on_problem="stop"``, no usable row at all.
    """
    path, options = Path(path), options or TableOptions()
    check_on_problem(on_problem)
    problem_log = problem_log or ProblemLog()
    problem_log.file = shown(path.name)
    table = _open_table(path, options, problem_log, tell)
    cells, rows = table.cells, table.rows
    rows.good &= ~np.logical_and.reduce([column.isna() for column in cells.values()])
    n_blank = int((~rows.good).sum())

    _refuse_open_quotes(table)
    limits = {"year": YEARS, "rating": RATINGS, "votes": VOTES}
    columns = {key: _numbers(table, key, between) for key, between in limits.items()}
    columns["movie_id"] = _movie_ids(table, columns["year"], tell)
    columns["title"] = cells.get("title", columns["movie_id"])
    _require_one(columns["title"], columns["movie_id"], table.called("title"), rows)
    actor_id, name, has_cast = _actors(table, tell)
    problem_log.problems.sort(key=lambda problem: problem.line)
    problem_log.stop_if(on_problem)
    if not rows.good.any():
        raise _no_movie(problem_log, len(rows.good) - n_blank)

    good = rows.good
    every = as_movies(columns, good)
    movie, _ = pd.factorize(every["movie_id"])
    movies = first_known(every, movie)
    rows = rows.rest()
    for key, where, say in contradictions(every, movies, movie):
        rows.note(where, "contradictions", table.called(key), say)
    has_cast = has_cast[good]
    rows.good = has_cast
    rows = rows.rest()
    actor, actors = first_names(
        actor_id[good][has_cast].reset_index(drop=True),
        name[good][has_cast].reset_index(drop=True),
        rows,
    )
    credits = (movie[has_cast], actor, rows)
    genres = _genres(table, movie, good, options.genre_separator, tell)
    tables = canonical(movies, actors, credits, genres)
    return Corpus.of_tables(
        tables,
        problem_log,
        records=len(good) - n_blank + problem_log.counts["wrong_cells"],
        blank_lines=n_blank,
        castless_rows=int((~has_cast).sum()),
    )


@dataclass(frozen=True)
class _Table:
    """The columns that are used, as texts with missing values, by the keys of `COLUMNS`."""

    cells: dict[str, pd.Series]
    rows: Rows
    columns: dict[str, str]
    separator: str | None
    width: int

    def called(self, key: str) -> str:
        """Return the name of a column; where it is derived from another, that of the other."""
        other = {"movie_id": "title", "actor_id": "actor", "title": "movie_id", "actor": "actor_id"}
        return self.columns.get(key) or self.columns[other[key]]


def _open_table(
    path: Path, options: TableOptions, problem_log: ProblemLog, tell: Callable[[str], None]
) -> _Table:
    read = _read_parquet if path.suffix == ".parquet" else _read_text
    table, lines, separator = read(path, options, problem_log, tell)
    columns = _chosen(table.column_names, options.columns, problem_log.file, tell)
    rows = Rows(problem_log.file, len(lines), problem_log, lines)
    cells = {key: _cells(table[name], name, rows) for key, name in columns.items()}
    return _Table(cells, rows, columns, separator, table.num_columns)


def _no_movie(problem_log: ProblemLog, n_rows: int) -> CorpusError:
    what = f"none of its {n_rows:,} rows can be used" if n_rows else "no row below the header"
    first = "".join(f"\n  {problem}" for problem in problem_log.problems[:3])
    what += f", beginning with{first}" if first else ""
    return CorpusError(f"{problem_log.file}: no movie in this table: {what}", problem_log.problems)


# Files


def _read_parquet(
    path: Path, options: TableOptions, problem_log: ProblemLog, tell: Callable[[str], None]
) -> tuple[pa.Table, np.ndarray, None]:
    with open_films(path) as file:
        try:
            parquet = pyarrow.parquet.ParquetFile(file)
            if parquet.metadata.num_rows > MAX_ROWS:
                raise CorpusError(f"{problem_log.file}: more than {MAX_ROWS:,} rows")
            table = parquet.read()
        except (pa.ArrowException, OSError) as error:
            what = str(error).splitlines()[0]
            raise CorpusError(f"{problem_log.file}: no sound parquet file: {what}") from None
    return table, np.arange(2, table.num_rows + 2), None


def _read_text(
    path: Path, options: TableOptions, problem_log: ProblemLog, tell: Callable[[str], None]
) -> tuple[pa.Table, np.ndarray, str]:
    """Return the cells below the header, the number of each row and the separator."""
    encoding, separator, names, n_before = _header(path, options, problem_log.file, tell)
    wrong: list[int] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row.number)
        if row.number > n_before:
            what = f"{row.actual_columns} cells where the header has {row.expected_columns}"
            problem_log.set_aside(Problem(problem_log.file, row.number, "", what, "wrong_cells"))
        return "skip"

    keys = [str(place) for place in range(len(names))]  # names may be there twice
    try:
        with open_films(path) as file:
            table = pyarrow.csv.read_csv(
                _Checked(file, problem_log.file) if encoding == "utf-8" else file,
                pyarrow.csv.ReadOptions(
                    use_threads=False,  # else rows have no numbers
                    encoding=encoding,
                    column_names=keys,
                ),
                pyarrow.csv.ParseOptions(
                    delimiter=separator,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=note,
                ),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(keys, pa.large_string()), strings_can_be_null=False
                ),
            )
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{problem_log.file}: {str(error).splitlines()[0]}") from None
    except UnicodeError as error:
        raise CorpusError(
            f"{problem_log.file}: the text is not {encoding}: {error.reason}"
        ) from None
    lines = np.arange(1, table.num_rows + len(wrong) + 1)
    lines = np.setdiff1d(lines, wrong, assume_unique=True)
    below = int(np.searchsorted(lines, n_before + 1, side="right"))
    return table.slice(below).rename_columns(names), lines[below:], separator


class _Checked(io.RawIOBase):
    """A file whose bytes are UTF-8: told in time, before rows of other bytes reach a parser."""

    def __init__(self, file: IO[bytes], name: str):
        self._file, self._name, self._n_before = file, name, 1
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        n = self._file.readinto(buffer)
        data = bytes(memoryview(buffer)[:n])
        try:
            self._decoder.decode(data, final=not n)
        except UnicodeDecodeError as error:
            line = self._n_before + error.object[: error.start].count(b"\n")
            raise CorpusError(
                f"{self._name}:{line}: the text is not UTF-8; save it as that, or say --encoding "
                "(cp1252 is usual)"
            ) from None
        self._n_before += data.count(b"\n")
        return n


def _header(
    path: Path, options: TableOptions, name: str, tell: Callable[[str], None]
) -> tuple[str, str, list[str], int]:
    """Return encoding, separator, names of the columns, and how many lines stand before these."""
    with open_films(path) as file:
        head = file.read(HEAD_BYTES)
        file.read(1)
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding = options.encoding or ("utf-16" if utf16 else "utf-8")
    try:
        text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
        encoding = codecs.lookup(encoding).name
    except (LookupError, ValueError):  # also encodings that are not of texts
        raise CorpusError(f"{encoding!r} is no encoding; utf-8 and cp1252 are usual") from None
    if not text.strip():
        raise CorpusError(f"{name}: no movie in this table: it is empty")
    if "\0" in text[:1000] or head.startswith((b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0")):
        raise CorpusError(
            f"{name}: binary data, not a table of text; save a workbook as CSV (UTF-8)"
        )
    if text.lstrip()[:1] in ("<", "{", "["):
        raise CorpusError(f"{name}: this looks like HTML or JSON, not a table")
    n_before = text[: -len(text.lstrip("\r\n"))].count("\n")
    text = text.lstrip("\r\n")
    first, _, rest = text.partition("\n")
    said = re.fullmatch(r"sep=(.)\r?", first)  # Excel writes and reads this
    if said:
        n_before, text = n_before + 1, rest
    separator = options.separator or (said and said[1]) or _guess_separator(text, name, tell)
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise CorpusError(f"the separator {separator!r} has to be one character, such as , or ;")
    names = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    return encoding, separator, [shown(name.strip()) for name in names], n_before


def _guess_separator(text: str, name: str, tell: Callable[[str], None]) -> str:
    header = text.splitlines()[0]
    separator = max(SEPARATORS, key=header.count)
    if separator not in header:
        raise CorpusError(f"{name}: the header {brief(header)} has one column; say --separator")
    tell(f"cells are separated by {'a tab' if separator == chr(9) else separator}")
    return separator


def _chosen(
    names: list[str], given: Mapping[str, str], file: str, tell: Callable[[str], None]
) -> dict[str, str]:
    """Return the name of each column that is used, given or guessed from what is usual."""
    chosen = dict(given)
    plain = {re.sub(r"[\W_]", "", name).lower(): name for name in reversed(names)}
    for key, usual in COLUMNS.items():
        free = (plain[word] for word in usual.split() if word in plain)
        guess = next((name for name in free if name not in chosen.values()), None)
        if key not in chosen and guess is not None:
            chosen[key] = guess
    there = f"its columns: {', '.join(names)}"
    for name in chosen.values():
        if names.count(name) != 1:
            what = "there are several columns" if name in names else "there is no column"
            raise CorpusError(f"{file}: {what} {name!r}; {there}")
    for keys, option in (
        (("movie_id", "title"), "--movie-id or --title"),
        (("actor_id", "actor"), "--actor-id or --actor"),
    ):
        if not chosen.keys() & set(keys):
            raise CorpusError(f"{file}: which column has the {keys[-1]}? Say {option}; {there}")
    if guessed := {key: chosen[key] for key in COLUMNS if key in chosen and key not in given}:
        named = ", ".join(f"{key} is {name!r}" for key, name in guessed.items())
        tell(f"columns, by their names: {named}")
    if unused := [name for name in names if name not in chosen.values()]:
        tell(f"columns that are not used: {', '.join(unused)}")
    return chosen


def _cells(column: pa.ChunkedArray, name: str, rows: Rows) -> pd.Series:
    r"""Return a column as texts without spaces around; empty cells and ``\N`` are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type) and pc.all(pc.equal(column, pc.floor(column))).as_py():
        column = column.cast(pa.int64())  # years beside missing ones
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.binary_join(column, GENRE_SEPARATORS[0])
    try:
        column = column.cast(pa.large_string())
    except pa.ArrowException:
        raise CorpusError(
            f"{rows.name}: the column {name} has values of type {column.type}, not texts or numbers"
        ) from None
    trimmed = pc.utf8_trim_whitespace(column)
    changed = pc.fill_null(pc.not_equal(column, trimmed), False).to_numpy()
    rows.note(np.flatnonzero(changed), "spaces_around", name, "spaces around were left out")
    missing = pc.is_in(trimmed, pa.array(["", NULL], trimmed.type))
    return pc.if_else(missing, None, trimmed).to_pandas().astype("str").reset_index(drop=True)


# Columns


def _refuse_open_quotes(table: _Table) -> None:
    """Set aside rows with a cell that has whole rows in it: its quote was never closed."""
    if table.separator is None:
        return
    for key, texts in table.cells.items():
        several = np.flatnonzero(texts.str.contains("\n", regex=False).fillna(False))
        bad = np.zeros(len(texts), dtype=bool)
        for row in several.tolist():
            after = texts[row].splitlines()[1:]
            bad[row] = any(line.count(table.separator) >= table.width - 1 for line in after)
        text = "has whole rows of the table in it; is a quote not closed?"
        table.rows.refuse(bad, "open_quote", table.columns[key], text)


def _movie_ids(table: _Table, year: pd.Series, tell: Callable[[str], None]) -> pd.Series:
    """Return the id of each row's movie, from its title and year where no column has ids."""
    cells, name = table.cells, table.called("movie_id")
    if "movie_id" in cells:
        ids = cells["movie_id"]
        if "title" not in cells:
            tell("no column has titles: the ids stand for them")
    else:
        ids = _as_ids(cells["title"])
        ids = (ids + " (" + year.astype("str") + ")").where(year.notna(), ids)
        what = "titles and years" if "year" in cells else "titles"
        tell(f"no column has ids of movies: {what} stand for them")
    table.rows.check_texts(ids, name, control=CONTROL)
    return ids


def _as_ids(texts: pd.Series) -> pd.Series:
    """Return ids made of titles or names: on one line."""
    return texts.str.replace(r"\s*[\t\n\v\f\r]\s*", " ", regex=True)


def _require_one(texts: pd.Series, ids: pd.Series, column: str, rows: Rows) -> None:
    """Check texts; set aside the rows of ids for which no row has any."""
    there = texts.notna() & rows.good
    rows.refuse(~ids.isin(ids[there].unique()), "missing", column, "missing")
    rows.check_texts(texts.fillna("-"), column)


def _actors(table: _Table, tell: Callable[[str], None]) -> tuple[pd.Series, pd.Series, np.ndarray]:
    """Return id and name of each row's actor, and which rows have one."""
    cells, rows = table.cells, table.rows
    if "actor_id" not in cells:
        tell("no column has ids of actors: names stand for them, so equal names are one actor")
    elif "actor" not in cells:
        tell("no column has names of actors: the ids stand for them")
    ids = cells["actor_id"] if "actor_id" in cells else _as_ids(cells["actor"])
    names = cells.get("actor", ids)
    has_cast = (ids.notna() | names.notna()).to_numpy(dtype=bool)
    rows.check_texts(ids.where(has_cast, "-"), table.called("actor_id"), control=CONTROL)
    _require_one(names.where(has_cast, "-"), ids, table.called("actor"), rows)
    known = names.where(rows.good).groupby(ids).transform("first")
    return ids, names.fillna(known), has_cast


def _numbers(table: _Table, key: str, limits: tuple[int, int]) -> pd.Series:
    """Return a column of numbers; rows with other texts in it are set aside."""
    if key not in table.cells:
        return pd.Series(pd.NA, index=range(len(table.rows.good)), dtype="Int64")
    texts, column = table.cells[key], table.columns[key]
    texts = texts.mask(texts.str.lower().isin(NO_NUMBER))
    if key == "rating":
        plain = texts.str.replace(",", ".") if table.separator not in (None, ",") else texts
        pattern = r"[+-]?(\d{1,18}\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
        what = "a number"
    else:
        plain = texts.str.replace(r"\.0+$", "", regex=True)
        pattern = r"[+-]?\d{1,18}"
        what = "a whole number"
    number = plain.str.fullmatch(pattern).fillna(False).to_numpy(dtype=bool)
    number = number & texts.notna().to_numpy()
    values = pd.Series(pd.NA, index=texts.index, dtype="Float64" if key == "rating" else "Int64")
    values[number] = plain[number].astype(float if key == "rating" else "int64")
    low, high = limits
    inside = ((values >= low) & (values <= high)).fillna(False).to_numpy(dtype=bool)

    def say(row: int) -> str:
        return f"expected {what} from {low:,} to {high:,}, got {brief(texts[row])}"

    table.rows.refuse(texts.notna() & ~number, "wrong_type", column, say)
    table.rows.refuse(number & ~inside, "out_of_range", column, say)
    return values.where(inside)


def _genres(
    table: _Table,
    movie: np.ndarray,
    good: np.ndarray,
    separator: str | None,
    tell: Callable[[str], None],
) -> tuple[np.ndarray, pd.Series, Rows]:
    """Return the movie and the genre of each pair; every row of a movie may name its genres."""
    silent = ProblemLog()  # that each row of a movie names its genres is no repetition
    if "genres" not in table.cells:
        return np.empty(0, dtype=np.int64), pd.Series([], dtype="str"), Rows("", 0, silent)
    pairs = pd.DataFrame({"movie": movie, "genre": table.cells["genres"][good].array})
    pairs = pairs.dropna().drop_duplicates()
    if separator is None:
        distinct = pd.Series(pairs["genre"].unique(), dtype="str")
        used = [s for s in GENRE_SEPARATORS if distinct.str.contains(s, regex=False).any()]
        if used:
            separator = used[0]
            tell(f"genres in a cell are separated by {separator}")
    if separator:
        pairs["genre"] = pairs["genre"].str.split(separator, regex=False)
        pairs = pairs.explode("genre")
        pairs["genre"] = pairs["genre"].astype("str").str.strip()
    return pairs["movie"].to_numpy(), pairs["genre"], Rows("", len(pairs), silent)
