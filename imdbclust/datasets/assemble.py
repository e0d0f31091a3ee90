"""Assemble a corpus of the rows of a table, one a movie or one a credit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imdbclust.base.text import counted, quoted
from imdbclust.datasets.columns import (
    ACTING,
    Columns,
    cast_paths,
    guess,
    listed,
    no_cast,
    year_in_title,
)
from imdbclust.datasets.tables import TEXT, Reading, Table
from imdbclust.films import frames
from imdbclust.films.checks import Rows
from imdbclust.films.problems import CONTROL, CorpusError, ProblemLog
from imdbclust.films.values import (
    JUNIOR,
    NO_GENRE,
    NOBODY,
    fold_all,
    nested_items,
    parse_column,
)
from imdbclust.load import Corpus

KEPT_COMMA = "\ue000"  # stands for a comma within a name while a cell is split


def columns_of(table: Table, how: Reading) -> Columns:
    """Return what the columns of a table hold; without movies or actors it is a CorpusError."""
    found = guess(table, how.columns)
    if "movie_id" not in found and "title" not in found and "actor" not in found:
        message = f"{table.name}: no cast in it, and no movies: Set --movie-id or --title"
        raise _with_paths(table, f"{message}, and --actor; {listed(table)}")
    if "movie_id" not in found and "title" not in found:
        message = f"{table.name}: which column has the title? Set --movie-id or --title"
        raise _with_paths(table, f"{message}; {listed(table)}")
    if "actor_id" not in found and "actor" not in found:
        raise _with_paths(table, no_cast(table, found))
    return found


def _with_paths(table: Table, message: str) -> CorpusError:
    if table.records:
        root = table.name if "." not in table.name else ""
        paths = ", ".join(cast_paths(table.records, root)).lstrip(".")
        where = f"; what looks like a cast is at {paths}" if paths else ""
        return CorpusError(f"{table.name}: JSON that is not of films{where}. {message}")
    return CorpusError(message)


def corpus_of(
    table: Table, found: Columns, how: Reading, log: ProblemLog, *, on_problem: str = "stop"
) -> Corpus:
    """Return the films of a table, one row a movie or one row a credit.

    Movies and actors are in order of first appearance. The first title, year and rating of a movie
    stay; other values are contradictions. Its genres are those of all of its rows. A row without
    an actor is a movie, possibly without a cast. Without a column of ids, title and year identify
    a movie, and the name identifies an actor. A year, rating or number of votes that cannot be
    read is missing and counted.

    Invalid rows with ``on_problem="stop"``, and no valid row, are a CorpusError.
    """
    rows = Rows(log.file, len(table.lines), log, table.lines)
    _note_spaces(found, rows)
    used = [found.cells(name) for names in found.chosen.values() for name in names]
    blank = np.logical_and.reduce([one.is_null().to_numpy(False) for one in used])
    rows.good, n_blank = ~blank, int(blank.sum())
    columns = {key: _numbers(found, key, rows) for key in frames.LIMITS}
    titles = found.series("title") if "title" in found else None
    if titles is not None and "year" not in found and (parts := year_in_title(titles)) is not None:
        log.guess("titles end in a year, which was read as the year")
        titles, years = parts[0].fillna(titles), parts[1].dropna().astype(int)
        columns["year"] = years.reindex(titles.index).astype("Int64")
    columns["movie_id"] = ids = _movie_ids(found, titles, columns["year"], rows)
    columns["title"] = ids if titles is None else titles
    _require_one(columns["title"], ids, found.name("title"), rows)
    of_row, actor_ids, names, items = _cast(found, ids, how, rows)
    genre_of_row, genres = _genres(found, how, rows)
    log.problems.sort(key=lambda problem: problem.line)
    log.stop_if(on_problem)
    if not rows.good.any():
        raise _no_movie(log, len(blank) - n_blank)

    unrated = columns["votes"].eq(0) & columns["rating"].eq(0)
    columns["rating"] = columns["rating"].mask(unrated.fillna(False))
    every = frames.as_movies(columns)[rows.good]
    movie, _ = pd.factorize(every["movie_id"])
    movies = frames.first_known(every, movie)
    for key, where, text in frames.contradictions(every, movies, movie):
        rows.note(where, "contradictions", found.name(key), text)
    movie_of_row = np.full(len(rows.good), -1)
    movie_of_row[rows.good] = movie
    kept = items.good & (movie_of_row[of_row] >= 0)
    actor, actors = frames.first_names(actor_ids[kept], names[kept], items)
    cast = {"movie": movie_of_row[of_row[kept]], "actor": actor}
    cast = pd.DataFrame(cast, index=np.flatnonzero(kept))
    tagged = pd.DataFrame({"movie": movie_of_row[genre_of_row], "genre": genres})
    tagged = tagged[tagged["movie"] >= 0].drop_duplicates(ignore_index=True)
    silent = Rows("", 0, ProblemLog())  # every row of a movie may repeat its genres
    tables = frames.canonical(movies, actors, cast, items, tagged, silent)
    return Corpus.of_tables(
        tables,
        log,
        records=len(blank) - n_blank + table.n_wrong,
        blank_lines=n_blank,
        rows_set_aside=len(blank) - n_blank + table.n_wrong - len(every),
        repeated_movies=len(every) - len(movies),
    )


def _no_movie(log: ProblemLog, n_rows: int) -> CorpusError:
    what = f"none of its {n_rows:,} rows can be used" if n_rows else "no row below the header"
    first = "".join(f"\n  {problem}" for problem in log.problems[:3])
    what += f", beginning with{first}" if first else ""
    return CorpusError(f"{log.file}: no movie in this table: {what}", log.problems)


def _note_spaces(found: Columns, rows: Rows) -> None:
    for name in dict.fromkeys(name for names in found.chosen.values() for name in names):
        given = found.table.data[name].combine_chunks()
        changed = pc.not_equal(given, pc.utf8_trim_whitespace(given))
        where = np.flatnonzero(pc.fill_null(changed, False).to_numpy(False))
        rows.note(where, "spaces_around", name, "removed spaces around the text")


def _numbers(found: Columns, key: str, rows: Rows) -> pd.Series:
    """Return a column of numbers; texts that cannot be read are missing, and counted."""
    if key not in found:
        return pd.Series(pd.NA, index=range(len(rows.good)), dtype="Int64")
    texts = found.series(key)
    values, unreadable = found.numbers.get(key) or parse_column(texts, key)
    where = np.flatnonzero(unreadable & rows.good)
    what = f"cannot be read as {key}; counts as missing"
    rows.note(
        where, f"unreadable_{key}", found.name(key), lambda row: f"{quoted(texts[row])} {what}"
    )
    return values


def _movie_ids(found: Columns, titles: pd.Series | None, year: pd.Series, rows: Rows) -> pd.Series:
    """Return the id of each row's movie; without a column of ids, its title and year."""
    log, own = rows.problem_log, None
    if titles is not None:
        own = _on_one_line(titles)
        own = (own + " (" + year.astype("str") + ")").where(year.notna(), own)
    if "movie_id" in found:
        ids = _whole(found.series("movie_id"))
        if own is None:
            log.guess("no column has titles: the ids stand for them")
        elif ids.hasnans and ids.dropna().duplicated().mean() < 0.05:
            missing = np.flatnonzero(ids.isna() & own.notna())
            text = "missing; title and year stand for it"
            rows.note(missing, "missing_ids", found.name("movie_id"), text)
            ids = ids.fillna(own)
    else:
        ids = own
        what = "titles and years" if year.notna().any() else "titles"
        log.guess(f"no column has ids of movies: {what} stand for them")
    rows.check_texts(ids, found.name("movie_id"), control=CONTROL)
    return ids


def _whole(ids: pd.Series) -> pd.Series:
    """Return ids without the ``.0`` that data frames add to whole numbers with gaps."""
    known = pa.array(ids.dropna(), TEXT)
    whole = pc.all(pc.ends_with(known, ".0")).as_py() if len(known) else False
    if whole and pc.all(pc.match_substring_regex(known, r"^\d+\.0$")).as_py():
        return ids.str.removesuffix(".0")
    return ids


def _on_one_line(texts: pd.Series) -> pd.Series:
    """Return titles as ids: folded, on one line."""
    folded, _ = fold_all(pa.array(texts, TEXT))
    return folded.to_pandas().astype("str").set_axis(texts.index)


def _require_one(texts: pd.Series, ids: pd.Series, column: str, rows: Rows) -> None:
    """Check texts; set aside the rows of an id if none of them has a text."""
    if texts.hasnans:
        known = pa.array(ids[texts.notna() & rows.good].unique(), TEXT)
        has_text = pc.is_in(pa.array(ids, TEXT), known).to_numpy(False)
        rows.refuse(~has_text, "missing", column, "missing")
    rows.check_texts(texts.fillna("-"), column)


# Casts and genres


def _cast(
    found: Columns, movie_ids: pd.Series, how: Reading, rows: Rows
) -> tuple[np.ndarray, pd.Series, pd.Series, Rows]:
    """Return the row, actor id and name of each credit, and the `Rows` of the credits."""
    log, n = rows.problem_log, len(rows.good)
    acts = np.ones(n, dtype=bool)
    if "category" in found:
        category = found.series("category")
        acts = category.str.lower().isin(ACTING).to_numpy(dtype=bool)
        others = ", ".join(sorted(category[~acts].dropna().unique())[:5])
        if others:
            log.guess(f"{counted(int((~acts).sum()), 'row')} of other people left out: {others}")
    if "actor" not in found:
        log.guess("no column has names of actors: the ids stand for them")
        ids = found.cells(found.chosen["actor_id"][0])
        parts = [(np.arange(n), ids, ids)]
    else:
        repeated = bool(movie_ids.duplicated().mean() > 0.05)
        parts = [
            _items(found, name, "actors", how.actor_separator, rows, long=repeated)
            for name in found.chosen["actor"]
        ]
    of_row = np.concatenate([part[0] for part in parts])
    order = np.argsort(of_row, kind="stable")
    of_row = of_row[order]
    names = pa.chunked_array([part[2] for part in parts], TEXT).combine_chunks().take(order)
    own = pa.nulls(len(names), TEXT)
    if any(part[1] is not None for part in parts):
        every = [pa.nulls(len(p[2]), TEXT) if p[1] is None else p[1] for p in parts]
        own = pa.chunked_array(every, TEXT).combine_chunks().take(order)
    elif "actor_id" in found and "actor" in found:
        of_row, names, own = _ids_of_items(found, of_row, names, how, rows)
    keep = (acts & rows.good)[of_row] & ~pc.and_(own.is_null(), names.is_null()).to_numpy(False)
    of_row, names, own = of_row[keep], names.filter(keep), own.filter(keep)
    items = Rows(log.file, len(names), log, rows._lines[of_row])
    names, changed = fold_all(names)
    where, text = np.flatnonzero(changed.to_numpy(False)), "spaces or characters were folded"
    items.note(where, "folded_names", found.name("actor"), text)
    nobody = pc.is_in(pc.utf8_lower(names), pa.array(sorted(NOBODY), TEXT)).to_numpy(False)
    items.note(np.flatnonzero(nobody), "placeholders", found.name("actor"), "not an actor")
    if own.null_count == len(own) or "actor_id" not in found:
        if own.null_count:
            which = "no column has ids of actors"
            if own.null_count < len(own):
                which = f"{counted(own.null_count, 'credit')} without the id of the actor"
            log.guess(f"{which}: names stand for them, so equal names are one actor")
        own = pc.coalesce(own, names)
    ids = _whole(own.to_pandas().astype("str"))
    names = names.to_pandas().astype("str")
    items.good &= ~nobody
    items.check_texts(ids.mask(nobody, "-"), found.name("actor_id"), control=CONTROL)
    names = names.fillna(names.where(items.good).groupby(ids).transform("first"))
    if "actor_id" in found:
        items.check_texts(names.fillna(ids).mask(nobody, "-"), found.name("actor"))
        names = names.fillna(ids)
    return of_row, ids, names, items


def _ids_of_items(
    found: Columns, of_row: np.ndarray, names: pa.Array, how: Reading, rows: Rows
) -> tuple[np.ndarray, pa.Array, pa.Array]:
    """Return row, name and id of each credit: of each row's only one, or split as its names are."""
    name, separator = found.chosen["actor_id"][0], found.separators.get("actors")
    if not separator and len(found.chosen["actor"]) == 1 and len(of_row) == len(np.unique(of_row)):
        return np.arange(len(rows.good)), found.cells(found.name("actor")), found.cells(name)
    id_row, _, ids = _items(found, name, "actor ids", how.actor_separator or separator, rows)
    if np.array_equal(id_row, of_row):
        return of_row, names, ids
    rows.problem_log.guess(f"{name} has other numbers of items than the names: it is not used")
    found.chosen["actor_id"] = ()
    return of_row, names, pa.nulls(len(of_row), TEXT)


def _genres(found: Columns, how: Reading, rows: Rows) -> tuple[np.ndarray, pd.Series]:
    """Return row and name of each genre."""
    if "genres" not in found:
        return np.zeros(0, dtype=int), pd.Series([], dtype="str")
    of_row, _, names = _items(found, found.chosen["genres"][0], "genres", how.genre_separator, rows)
    names, changed = fold_all(names)
    column, at = found.name("genres"), of_row[changed.to_numpy(False)]
    rows.note(at, "folded_genres", column, "spaces or characters were folded")
    nothing = pc.is_in(pc.utf8_lower(names), pa.array(sorted(NO_GENRE), TEXT)).to_numpy(False)
    rows.note(of_row[nothing], "placeholders", column, "not a genre")
    return of_row[~nothing], names.filter(~nothing).to_pandas().astype("str")


def _items(
    found: Columns, column: str, what: str, separator: str | None, rows: Rows, *, long: bool = False
) -> tuple[np.ndarray, pa.Array | None, pa.Array]:
    """Return the row, id (None without ids) and name of each item in the cells of a column."""
    log, cells = rows.problem_log, found.cells(column)
    of_row = np.flatnonzero(cells.is_valid().to_numpy(False))
    cells = cells.drop_null()
    nested = pc.match_substring_regex(cells, r"(?s)^\s*[\[{].*[\]}]\s*$")
    nested = nested.to_numpy(False)
    plain = cells.filter(~nested)
    placeholders = NO_GENRE if what == "genres" else NOBODY
    nothing = pc.is_in(pc.utf8_lower(plain), pa.array(sorted(placeholders), TEXT))
    plain = pc.if_else(nothing, "-", plain)  # so that N/A has no slash
    if separator is None and len(plain):
        separator = _separator(plain.unique(), what, long=long)
        if separator:
            word = {",": "commas", "|": "bars", ";": "semicolons", "/": "slashes"}.get(separator)
            log.guess(f"{what} in a cell are separated by {word or repr(separator)}")
    if separator:
        found.separators[what] = separator
        if separator == ",":
            plain = pc.replace_substring_regex(plain, JUNIOR, KEPT_COMMA + r"\1\2")
        lists = pc.split_pattern(plain, separator)
        plain_row = of_row[~nested][pc.list_parent_indices(lists).to_numpy()]
        plain = pc.replace_substring(pc.list_flatten(lists), KEPT_COMMA, ", ")
        plain = pc.utf8_trim_whitespace(plain)
        some = pc.not_equal(plain, "").to_numpy(False)
        plain, plain_row = plain.filter(some), plain_row[some]
    else:
        plain_row = of_row[~nested]
    if not nested.any():
        return plain_row, None, plain
    log.guess(f"{what} in a cell are lists or objects")
    rows_of_lists, ids, names = [], [], []
    for row, text in zip(of_row[nested].tolist(), cells.filter(nested).to_pylist(), strict=True):
        items = nested_items(text)
        if items is None:
            if not {'"', "'"} & set(text):  # a name such as [a]
                items = [(None, text)]
            else:
                rows.note(np.array([row]), "unreadable_list", column, f"not a list: {quoted(text)}")
                continue
        rows_of_lists += [row] * len(items)
        ids += [item[0] for item in items]
        names += [item[1] for item in items]
    every = np.concatenate([plain_row, np.array(rows_of_lists, dtype=int)])
    order = np.argsort(every, kind="stable")
    names = pa.chunked_array([plain, pa.array(names, TEXT)]).combine_chunks().take(order)
    if not any(ids):
        return every[order], None, names
    ids = pa.chunked_array([pa.nulls(len(plain), TEXT), pa.array(ids, TEXT)]).combine_chunks()
    return every[order], ids.take(order), names


def _separator(distinct: pa.Array, what: str, *, long: bool) -> str | None:
    """Return the text between the items of a cell, judged by all distinct cells."""

    def share(part: str) -> float:
        return pc.mean(pc.match_substring(distinct, part)).as_py()

    for separator in "|;":
        if share(separator):
            return separator
    if what == "genres":
        return "," if share(",") else "/" if share("/") >= 0.2 else None
    protected = pc.replace_substring_regex(distinct, JUNIOR, r"\1\2")
    commas = protected.filter(pc.match_substring(protected, ","))
    if len(commas) > (0.5 if long else 0.05) * len(distinct):
        one = pc.mean(pc.equal(pc.count_substring(commas, ","), 1)).as_py()
        single = pc.mean(pc.match_substring_regex(commas, r"^[^\s,]+,")).as_py()
        if one < 0.9 or single < 0.6:
            return ","
    for separator in "/\n":
        if share(separator) >= 0.2:
            return separator
    return None
