r"""Read a table of credits, one row for each movie and actor: CSV, TSV, a spreadsheet's, parquet.

Every cell stays the text it is: a title ``NA`` is a title, an id ``007`` keeps its zeros. Only
surrounding spaces are removed; empty cells and IMDb's ``\N`` are missing values.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from imdbclust.base.text import quoted, shown
from imdbclust.films import frames
from imdbclust.films.checks import Rows
from imdbclust.films.opening import open_films
from imdbclust.films.problems import CONTROL, CorpusError, Problem, ProblemLog, check_on_problem
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
"""Usual names of columns, in lower case and without punctuation, by their content."""

SEPARATORS, GENRE_SEPARATORS = "\t;,|", "|;,"  # tried between cells, and between genres in a cell
HEAD_BYTES = 2**18  # maximum size of a table's header
MAX_ROWS = 200_000_000  # maximum number of rows of a parquet file
NULL = "\\N"
NO_NUMBER = frozenset({"na", "n/a", "nan", "null", "none", "-", "?"})  # a missing number


@dataclass(frozen=True)
class TableOptions:
    """How to read a table; everything that is not given is guessed and reported.

    `columns` are the names of columns by the keys of `COLUMNS`, `separator` is the character
    between cells, `genre_separator` the text between the genres in a cell. The default of
    `encoding` is UTF-8, or UTF-16 if there is a byte order mark.
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
) -> Corpus:
    """Read a table with one row for each movie and each actor in it.

    Parameters
    ----------
    path : path
        A text table such as CSV, plain or gzip, or parquet; the first row has the column names.
    on_problem : {"stop", "skip"}
        What to do with invalid rows: list them all in an error, or set them aside.
    problem_log : ProblemLog, optional
        Collects invalid rows, changes, contradictions and guesses; ``line`` is the row of the
        spreadsheet, with the header in row 1.

    Returns
    -------
    Corpus
        Movies and actors in order of first appearance. The first title, year and rating of a
        movie stay; other values are contradictions. Its genres are those of all of its rows. A row
        without an actor is a movie, possibly without a cast. Without a column of ids, title and
        year identify a movie, and the name identifies an actor.

    Raises
    ------
    CorpusError
        The file is not a table or lacks a column, there are invalid rows with
        ``on_problem="stop"``, or no row is valid.
    """
    path, options = Path(path), options or TableOptions()
    check_on_problem(on_problem)
    log = ProblemLog() if problem_log is None else problem_log
    log.file = shown(path.name)
    table = _Table(path, options, log)
    cells, rows = table.cells, table.rows
    rows.good &= ~np.logical_and.reduce([column.isna() for column in cells.values()])
    n_blank = int((~rows.good).sum())

    _refuse_open_quotes(table)
    columns = {key: _numbers(table, key, between) for key, between in frames.LIMITS.items()}
    columns["movie_id"] = _movie_ids(table, columns["year"])
    columns["title"] = cells.get("title", columns["movie_id"])
    _require_one(columns["title"], columns["movie_id"], table.called("title"), rows)
    actor_ids, names, has_cast = _actors(table)
    log.problems.sort(key=lambda problem: problem.line)
    log.stop_if(on_problem)
    if not rows.good.any():
        raise _no_movie(log, len(rows.good) - n_blank)

    every = frames.as_movies(columns)[rows.good]
    movie, _ = pd.factorize(every["movie_id"])
    movies = frames.first_known(every, movie)
    for key, where, text in frames.contradictions(every, movies, movie):
        rows.note(where, "contradictions", table.called(key), text)
    has_cast = has_cast & rows.good
    actor, actors = frames.first_names(actor_ids[has_cast], names[has_cast], rows)
    movie = pd.Series(movie, every.index)
    cast = pd.DataFrame({"movie": movie[has_cast[rows.good]], "actor": actor})
    genres = _genres(table, movie, options.genre_separator)
    silent = Rows("", 0, ProblemLog())  # every row of a movie may repeat its genres
    tables = frames.canonical(movies, actors, cast, rows, genres, silent)
    return Corpus.of_tables(
        tables,
        log,
        records=len(rows.good) - n_blank + log.counts["wrong_cells"],
        blank_lines=n_blank,
        castless_rows=len(every) - len(cast),
    )


class _Table:
    """The columns that are used, as texts with missing values, by the keys of `COLUMNS`."""

    def __init__(self, path: Path, options: TableOptions, log: ProblemLog):
        read = _read_parquet if path.suffix == ".parquet" else _read_text
        table, lines, self.separator = read(path, options, log)
        self.width = table.num_columns
        self.columns = _chosen(table.column_names, options.columns, log)
        self.log, self.rows = log, Rows(log.file, len(lines), log, lines)
        named = self.columns.items()
        self.cells = {key: _cells(table[name], name, self.rows) for key, name in named}

    def called(self, key: str) -> str:
        """Return the name of a column, or of the column that it is derived from."""
        other = {"movie_id": "title", "actor_id": "actor", "title": "movie_id", "actor": "actor_id"}
        return self.columns.get(key) or self.columns[other[key]]


def _no_movie(log: ProblemLog, n_rows: int) -> CorpusError:
    what = f"none of its {n_rows:,} rows can be used" if n_rows else "no row below the header"
    first = "".join(f"\n  {problem}" for problem in log.problems[:3])
    what += f", beginning with{first}" if first else ""
    return CorpusError(f"{log.file}: no movie in this table: {what}", log.problems)


# Files


def _read_parquet(
    path: Path, options: TableOptions, log: ProblemLog
) -> tuple[pa.Table, np.ndarray, None]:
    with open_films(path) as file:
        try:
            parquet = pyarrow.parquet.ParquetFile(file)
            if parquet.metadata.num_rows > MAX_ROWS:
                raise CorpusError(f"{log.file}: more than {MAX_ROWS:,} rows")
            table = parquet.read()
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise CorpusError(f"{log.file}: not a valid parquet file: {reason}") from None
    return table, np.arange(2, table.num_rows + 2), None


def _read_text(
    path: Path, options: TableOptions, log: ProblemLog
) -> tuple[pa.Table, np.ndarray, str]:
    """Return the cells below the header, the number of each row and the separator."""
    encoding, separator, names, n_before = _header(path, options, log)
    wrong: list[int] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row.number)
        if row.number > n_before:
            what = f"{row.actual_columns} cells where the header has {row.expected_columns}"
            log.set_aside(Problem(log.file, row.number, "", what, "wrong_cells"))
        return "skip"

    if encoding == "utf-8":
        _check_utf8(path, log.file)
    keys = [str(place) for place in range(len(names))]  # names may have duplicates
    texts = dict.fromkeys(keys, pa.large_string())
    try:
        with open_films(path) as file:
            table = pyarrow.csv.read_csv(
                file,
                # with threads, rows have no numbers
                pyarrow.csv.ReadOptions(use_threads=False, encoding=encoding, column_names=keys),
                pyarrow.csv.ParseOptions(
                    delimiter=separator,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=note,
                ),
                pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=False),
            )
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{log.file}: {str(error).splitlines()[0]}") from None
    except UnicodeError as error:
        raise CorpusError(f"{log.file}: the text is not {encoding}: {error.reason}") from None
    lines = np.setdiff1d(np.arange(1, table.num_rows + len(wrong) + 1), wrong, assume_unique=True)
    below = int(np.searchsorted(lines, n_before + 1, side="right"))
    return table.slice(below).rename_columns(names), lines[below:], separator


def _check_utf8(path: Path, name: str) -> None:
    """Raise CorpusError for the first line that is not UTF-8; pyarrow would not name the line."""
    with open_films(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                raise CorpusError(
                    f"{name}:{number}: the text is not UTF-8; save it as UTF-8, or set "
                    "--encoding (often cp1252)"
                ) from None


def _header(path: Path, options: TableOptions, log: ProblemLog) -> tuple[str, str, list[str], int]:
    """Return encoding, separator, names of the columns, and the number of lines before these."""
    name = log.file
    with open_films(path) as file:
        head = file.read(HEAD_BYTES)
        file.read(1)
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding = options.encoding or ("utf-16" if utf16 else "utf-8")
    try:
        text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
        encoding = codecs.lookup(encoding).name
    except (LookupError, ValueError):  # includes codecs that are not text encodings
        raise CorpusError(f"unknown encoding {encoding!r}; try utf-8 or cp1252") from None
    if not text.strip():
        raise CorpusError(f"{name}: no movie in this table: it is empty")
    if "\0" in text[:1000] or head.startswith((b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0")):
        raise CorpusError(f"{name}: binary data, not a text table; save a workbook as CSV (UTF-8)")
    if text.lstrip()[:1] in ("<", "{", "["):
        raise CorpusError(f"{name}: this looks like HTML or JSON, not a table")
    n_before = text[: -len(text.lstrip("\r\n"))].count("\n")
    text = text.lstrip("\r\n")
    first, _, rest = text.partition("\n")
    declared = re.fullmatch(r"sep=(.)\r?", first)  # Excel writes and reads this
    if declared:
        n_before, text = n_before + 1, rest
    separator = options.separator or (declared and declared[1])
    if not separator:
        header = text.splitlines()[0]
        separator = max(SEPARATORS, key=header.count)
        if separator not in header:
            raise CorpusError(
                f"{name}: the header {quoted(header)} has one column; set --separator"
            )
        log.guess(f"cells are separated by {'a tab' if separator == chr(9) else separator}")
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise CorpusError(f"the separator must be one character, such as , or ;, not {separator!r}")
    names = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    return encoding, separator, [shown(name.strip()) for name in names], n_before


def _chosen(names: list[str], given: Mapping[str, str], log: ProblemLog) -> dict[str, str]:
    """Return the name of each column that is used, given or guessed from usual names."""
    chosen = dict(given)
    plain = {re.sub(r"[\W_]", "", name).lower(): name for name in reversed(names)}
    for key, usual in COLUMNS.items():
        free = (plain[word] for word in usual.split() if word in plain)
        guess = next((name for name in free if name not in chosen.values()), None)
        if key not in chosen and guess is not None:
            chosen[key] = guess
    columns = f"its columns: {', '.join(names)}"
    for name in chosen.values():
        if names.count(name) != 1:
            what = "duplicate" if name in names else "missing"
            raise CorpusError(f"{log.file}: {what} column {name!r}; {columns}")
    for what in ("movie_id", "title"), ("actor_id", "actor"):
        if not chosen.keys() & set(what):
            options = " or ".join(f"--{key.replace('_', '-')}" for key in what)
            raise CorpusError(
                f"{log.file}: which column has the {what[1]}? Set {options}; {columns}"
            )
    if guessed := [key for key in COLUMNS if key in chosen and key not in given]:
        named = ", ".join(f"{key} is {chosen[key]!r}" for key in guessed)
        log.guess(f"columns, by their names: {named}")
    if unused := [name for name in names if name not in chosen.values()]:
        log.guess(f"unused columns: {', '.join(unused)}")
    return chosen


def _cells(column: pa.ChunkedArray, name: str, rows: Rows) -> pd.Series:
    r"""Return a column as texts without surrounding spaces; empty cells and ``\N`` are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type) and pc.all(pc.equal(column, pc.floor(column))).as_py():
        column = column.cast(pa.int64())  # a column of years with missing values
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
    rows.note(np.flatnonzero(changed), "spaces_around", name, "removed spaces around the text")
    missing = pc.is_in(trimmed, pa.array(["", NULL], trimmed.type))
    return pc.if_else(missing, None, trimmed).to_pandas().astype("str").reset_index(drop=True)


# Columns


def _refuse_open_quotes(table: _Table) -> None:
    """Set aside rows with a cell that contains whole rows, because its quote was never closed."""
    if table.separator is None:
        return
    for key, texts in table.cells.items():
        several = np.flatnonzero(texts.str.contains("\n", regex=False).fillna(False))
        bad = np.zeros(len(texts), dtype=bool)
        for row in several.tolist():
            after = texts[row].splitlines()[1:]
            bad[row] = any(line.count(table.separator) >= table.width - 1 for line in after)
        text = "contains whole rows of the table; is a quote not closed?"
        table.rows.refuse(bad, "open_quote", table.columns[key], text)


def _movie_ids(table: _Table, year: pd.Series) -> pd.Series:
    """Return the id of each row's movie; without a column of ids, its title and year."""
    cells = table.cells
    if "movie_id" in cells:
        ids = cells["movie_id"]
        if "title" not in cells:
            table.log.guess("no column has titles: the ids stand for them")
    else:
        ids = _as_ids(cells["title"])
        ids = (ids + " (" + year.astype("str") + ")").where(year.notna(), ids)
        what = "titles and years" if "year" in cells else "titles"
        table.log.guess(f"no column has ids of movies: {what} stand for them")
    table.rows.check_texts(ids, table.called("movie_id"), control=CONTROL)
    return ids


def _as_ids(texts: pd.Series) -> pd.Series:
    """Return titles or names on one line, as ids."""
    return texts.str.replace(r"\s*[\t\n\v\f\r]\s*", " ", regex=True)


def _require_one(texts: pd.Series, ids: pd.Series, column: str, rows: Rows) -> None:
    """Check texts; set aside the rows of an id if none of them has a text."""
    found = texts.notna() & rows.good
    rows.refuse(~ids.isin(ids[found].unique()), "missing", column, "missing")
    rows.check_texts(texts.fillna("-"), column)


def _actors(table: _Table) -> tuple[pd.Series, pd.Series, np.ndarray]:
    """Return id and name of each row's actor, and which rows have one."""
    cells, rows = table.cells, table.rows
    if "actor_id" not in cells:
        table.log.guess(
            "no column has ids of actors: names stand for them, so equal names are one actor"
        )
    elif "actor" not in cells:
        table.log.guess("no column has names of actors: the ids stand for them")
    ids = cells["actor_id"] if "actor_id" in cells else _as_ids(cells["actor"])
    names = cells.get("actor", ids)
    has_cast = (ids.notna() | names.notna()).to_numpy(dtype=bool)
    rows.check_texts(ids.where(has_cast, "-"), table.called("actor_id"), control=CONTROL)
    _require_one(names.where(has_cast, "-"), ids, table.called("actor"), rows)
    known = names.where(rows.good).groupby(ids).transform("first")
    return ids, names.fillna(known), has_cast


def _numbers(table: _Table, key: str, limits: tuple[int, int]) -> pd.Series:
    """Return a column of numbers; rows with other texts in it are set aside."""
    whole = key != "rating"
    if key not in table.cells:
        return pd.Series(pd.NA, index=range(len(table.rows.good)), dtype="Int64")
    texts, column = table.cells[key], table.columns[key]
    texts = texts.mask(texts.str.lower().isin(NO_NUMBER))
    if whole:
        plain = texts.str.replace(r"\.0+$", "", regex=True)
        pattern = r"[+-]?\d{1,18}"
    else:
        plain = texts if table.separator in (None, ",") else texts.str.replace(",", ".")
        pattern = r"[+-]?(\d{1,18}\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
    number = plain.str.fullmatch(pattern).fillna(False).to_numpy(dtype=bool)
    values = pd.Series(pd.NA, index=texts.index, dtype="Int64" if whole else "Float64")
    values[number] = plain[number].astype("int64" if whole else float)
    inside = values.between(*limits).fillna(False).to_numpy(dtype=bool)

    def text(row: int) -> str:
        what = f"a {'whole ' if whole else ''}number from {limits[0]:,} to {limits[1]:,}"
        return f"expected {what}, got {quoted(texts[row])}"

    table.rows.refuse(texts.notna() & ~number, "wrong_type", column, text)
    table.rows.refuse(number & ~inside, "out_of_range", column, text)
    return values.where(inside)


def _genres(table: _Table, movie: pd.Series, separator: str | None) -> pd.DataFrame:
    """Return each pair of a movie and one of its genres once, with new row numbers as index."""
    if "genres" not in table.cells:
        return pd.DataFrame({"movie": [], "genre": []}).astype({"movie": int, "genre": "str"})
    pairs = pd.DataFrame({"movie": movie, "genre": table.cells["genres"][movie.index]})
    pairs = pairs.dropna().drop_duplicates()
    if separator is None:
        distinct = pd.Series(pairs["genre"].unique(), dtype="str")
        used = [s for s in GENRE_SEPARATORS if distinct.str.contains(s, regex=False).any()]
        if used:
            separator = used[0]
            table.log.guess(f"genres in a cell are separated by {separator}")
    if separator:
        pairs["genre"] = pairs["genre"].str.split(separator, regex=False)
        pairs = pairs.explode("genre")
        pairs["genre"] = pairs["genre"].astype("str").str.strip()
    return pairs.reset_index(drop=True)
