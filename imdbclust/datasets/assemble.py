"""Assemble a corpus of the rows of a table, one a movie or one a credit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imdbclust.base.text import counted, quoted
from imdbclust.datasets.columns import ACTING, Columns, year_in_title
from imdbclust.datasets.tables import CALLED, TEXT, Reading
from imdbclust.films import frames
from imdbclust.films.checks import Rows
from imdbclust.films.problems import CONTROL, CorpusError, ProblemLog
from imdbclust.films.values import JUNIOR, NO_GENRE, NOBODY, as_mask, dated, fold_all, nested_items
from imdbclust.load import Corpus

KEPT_COMMA = "\ue000"  # stands for a comma within a name while a cell is split


def corpus_of(found: Columns, how: Reading, on_problem: str) -> Corpus:
    """Return the films of a table, one row a movie or one row a credit.

    Movies and actors are in order of first appearance. The first title, year and rating of a movie
    stay; other values are contradictions. Its genres are those of all of its rows. A row without
    an actor is a movie, possibly without a cast. Without a column of ids, title and year identify
    a movie, and the name identifies an actor. A year, rating or number of votes that cannot be
    read is missing and counted.

    Invalid rows with ``on_problem="stop"``, and no valid row, are a CorpusError.
    """
    table, log = found.table, found.table.log
    rows, n_wrong = Rows(table.name, len(table.lines), log, table.lines), log.n_set_aside
    blank = ~rows.good
    for name in dict.fromkeys(chain(*found.chosen.values())):
        changed = as_mask(pc.not_equal(table.data[name], found.cells(name)))
        rows.note(np.flatnonzero(changed), "spaces_around", name, "removed spaces around the text")
        rows.good &= found.cells(name).is_null().to_numpy(zero_copy_only=False)
    rows.good, blank = ~rows.good, rows.good
    n_rows = len(blank) - int(blank.sum())
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
    tags = _genres(found, how, rows)
    log.problems.sort(key=lambda problem: problem.line)
    log.stop_if(on_problem)
    if not rows.good.any():
        raise _no_movie(log, n_rows)

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
    tagged = pd.DataFrame({"movie": movie_of_row[tags["row"]], "genre": tags["name"].to_pandas()})
    tables = frames.canonical(movies, actors, cast, tagged[tagged["movie"] >= 0], items)
    return Corpus.of_tables(
        tables,
        log,
        records=n_rows + n_wrong,
        blank_lines=int(blank.sum()),
        rows_set_aside=n_rows + n_wrong - len(every),
        repeated_movies=len(every) - len(movies),
    )


def _no_movie(log: ProblemLog, n_rows: int) -> CorpusError:
    what = f"none of its {n_rows:,} rows can be used" if n_rows else "no row below the header"
    what += ", beginning with" * bool(log.problems)
    what += "".join(f"\n  {problem}" for problem in log.problems[:3])
    return CorpusError(f"{log.file}: no movie in this table: {what}", log.problems)


def _numbers(found: Columns, key: str, rows: Rows) -> pd.Series:
    """Return a column of numbers; texts that cannot be read are missing, and counted."""
    if key not in found:
        return pd.Series(pd.NA, index=range(len(rows.good)), dtype="Int64")
    texts, (values, unreadable) = found.series(key), found.numbers(key)
    where, kind = np.flatnonzero(unreadable & rows.good), f"unreadable_{key}"
    what = f"cannot be read as {key}; counts as missing"
    rows.note(where, kind, found.name(key), lambda row: f"{quoted(texts[row])} {what}")
    return values


def _movie_ids(found: Columns, titles: pd.Series | None, year: pd.Series, rows: Rows) -> pd.Series:
    """Return the id of each row's movie; without a column of ids, its title and year."""
    log = rows.problem_log

    def own() -> pd.Series:  # on one line
        return dated(fold_all(pa.array(titles, TEXT))[0].to_pandas().astype("str"), year)

    if "movie_id" not in found:
        what, ids = "titles and years" if year.notna().any() else "titles", own()
        log.guess(f"no column has ids of movies: {what} stand for them")
    else:
        ids = found.ids("movie_id").to_pandas().astype("str")
        if titles is None:
            log.guess("no column has titles: the ids stand for them")
        elif ids.hasnans and ids.dropna().duplicated().mean() < 0.05:
            missing, text = ids.isna() & titles.notna(), "missing; title and year stand for it"
            rows.note(np.flatnonzero(missing), "missing_ids", found.name("movie_id"), text)
            ids = ids.fillna(own())
    rows.check_texts(ids, found.name("movie_id"), control=CONTROL)
    return ids


def _require_one(texts: pd.Series, ids: pd.Series, column: str, rows: Rows) -> None:
    """Check texts; set aside the rows of an id if none of them has a text."""
    if texts.hasnans:
        movie, _ = pd.factorize(ids)
        has_text = np.bincount(movie + 1, texts.notna() & rows.good) > 0
        rows.refuse(~has_text[movie + 1], "missing", column, "missing")
    rows.check_texts(texts.fillna("-"), column)


# Casts and genres: tables of row, id (possibly missing) and name of each item


def _cast(
    found: Columns, movie_ids: pd.Series, how: Reading, rows: Rows
) -> tuple[np.ndarray, pd.Series, pd.Series, Rows]:
    """Return the row, actor id and name of each credit, and the `Rows` of the credits."""
    log = rows.problem_log
    if "actor" in found:
        long = bool(movie_ids.duplicated().mean() > 0.05)
        items = _items(found, "actor", "actors", how.actor_separator, rows, long=long)
        if "actor_id" in found and items["id"].null_count == len(items):
            items = _with_ids(found, items, how, rows)
    else:
        log.guess("no column has names of actors: the ids stand for them")
        ids = found.ids("actor_id")
        items = pa.table({"row": np.arange(len(ids)), "id": ids, "name": ids})
    unnamed = pc.and_(pc.is_null(items["id"]), pc.is_null(items["name"]))
    items = items.filter(rows.good[items["row"]] & ~as_mask(unnamed))
    if "category" in found:
        category = found.series("category")
        others = ~category.str.lower().isin(ACTING).to_numpy(dtype=bool)[items["row"]]
        if others.any():
            jobs = category.iloc[items["row"].filter(others)].dropna().unique()
            what = counted(int(others.sum()), "credit")
            log.guess(f"{what} of other people left out: {', '.join(sorted(jobs)[:5])}")
        items = items.filter(~others)
    items = _tidied(items, "actors", found.name("actor"), rows)
    own, names = items["id"], items["name"]
    if own.null_count == len(own) or "actor_id" not in found:
        if own.null_count:
            which = "no column has ids of actors"
            if own.null_count < len(own):
                which = f"{counted(own.null_count, 'credit')} without the id of the actor"
            log.guess(f"{which}: names stand for them, so equal names are one actor")
        own = pc.coalesce(own, names)
    of_row = items["row"].to_numpy()
    credits = Rows(log.file, len(items), log, found.table.lines[of_row])
    ids, names = (texts.to_pandas().astype("str") for texts in (own, names))
    credits.check_texts(ids, found.name("actor_id"), control=CONTROL)
    if names.hasnans:
        names = names.fillna(names.where(credits.good).groupby(ids).transform("first")).fillna(ids)
    credits.check_texts(names, found.name("actor"))
    return of_row, ids, names, credits


def _with_ids(found: Columns, items: pa.Table, how: Reading, rows: Rows) -> pa.Table:
    """Return credits with ids: of each row's only one, or split as its names are."""
    name, separator = found.name("actor_id"), found.separators["actors"]
    of_row, n_columns = items["row"].to_numpy(), len(found.chosen["actor"])
    if separator == "none" and n_columns == 1 and len(of_row) == len(np.unique(of_row)):
        ids, names = found.ids("actor_id"), found.cells(found.name("actor"))
        return pa.table({"row": np.arange(len(ids)), "id": ids, "name": names})
    ids = _items(found, "actor_id", "actor ids", how.actor_separator or separator, rows)
    if np.array_equal(ids["row"], of_row):
        return items.set_column(1, "id", ids["name"])
    rows.problem_log.guess(f"{name} has other numbers of items than the names: it is not used")
    found.chosen["actor_id"] = ()
    return items


def _genres(found: Columns, how: Reading, rows: Rows) -> pa.Table:
    if "genres" not in found:
        return _ITEMS.empty_table()
    items = _items(found, "genres", "genres", how.genre_separator, rows)
    return _tidied(items, "genres", found.name("genres"), rows)


_ITEMS = pa.schema([("row", pa.int64()), ("id", TEXT), ("name", TEXT)])
_PLACEHOLDERS = {"genres": pa.array(sorted(NO_GENRE), TEXT)}
_NOBODY = pa.array(sorted(NOBODY), TEXT)


def _tidied(items: pa.Table, what: str, column: str, rows: Rows) -> pa.Table:
    """Return items with folded names, and without placeholders."""
    names, changed = fold_all(items["name"].combine_chunks())
    nothing = as_mask(pc.is_in(pc.utf8_lower(names), _PLACEHOLDERS.get(what, _NOBODY)))
    of_row, kind = items["row"].to_numpy(), "folded_genres" if what == "genres" else "folded_names"
    rows.note(of_row[as_mask(changed)], kind, column, "spaces or characters were folded")
    text = "not a genre" if what == "genres" else "not an actor"
    rows.note(of_row[nothing], "placeholders", column, text)
    return items.set_column(2, "name", names).filter(~nothing)


def _items(
    found: Columns, key: str, what: str, separator: str | None, rows: Rows, *, long: bool = False
) -> pa.Table:
    """Return the items in the cells of the columns of a key, in the order of the rows."""
    parts = (_split(found, name, what, separator, rows, long=long) for name in found.chosen[key])
    items = pa.concat_tables(chain.from_iterable(parts)).combine_chunks()
    return items.take(np.argsort(items["row"].to_numpy(), kind="stable"))


def _split(
    found: Columns, column: str, what: str, separator: str | None, rows: Rows, *, long: bool
) -> Iterator[pa.Table]:
    """Yield the items of cells of text, then those of cells with lists."""
    log, cells = rows.problem_log, found.cells(column)
    row, cells = np.flatnonzero(cells.is_valid()), cells.drop_null()
    nested = as_mask(pc.match_substring_regex(cells, r"(?s)^\s*[\[{].*[\]}]\s*$"))
    names, of_row = cells.filter(~nested), row[~nested]
    nothing = pc.is_in(pc.utf8_lower(names), _PLACEHOLDERS.get(what, _NOBODY))
    names = pc.if_else(nothing, "-", names)  # so that N/A has no slash
    if separator is None and len(names):
        separator = _separator(names.unique(), what, long=long)
        if separator:
            log.guess(f"{what} in a cell are separated by {CALLED[separator]}")
    if separator or what not in found.separators:
        found.separators[what] = separator or "none"
    if separator and separator != "none":
        if separator == ",":
            names = pc.replace_substring_regex(names, JUNIOR, KEPT_COMMA + r"\1\2")
        lists = pc.split_pattern(names, separator)
        of_row = of_row[pc.list_parent_indices(lists)]
        names = pc.replace_substring(pc.list_flatten(lists), KEPT_COMMA, ", ")
        names = pc.utf8_trim_whitespace(names)
        some = as_mask(pc.not_equal(names, ""))
        names, of_row = names.filter(some), of_row[some]
    yield pa.table([of_row, pa.nulls(len(names), TEXT), names], schema=_ITEMS)
    rows_of_items, ids, names, read = [], [], [], False
    for at, text in zip(row[nested].tolist(), cells.filter(nested).to_pylist(), strict=True):
        items = nested_items(text)
        plain = {'"', "'"}.isdisjoint(text)
        if plain and (items is None or (what == "actors" and len(items) == 1)):
            items = [(None, text)]  # a name such as [a] or [2]
        elif items is None:
            rows.note(np.array([at]), "unreadable_list", column, f"not a list: {quoted(text)}")
        else:
            read = True
        for who, name in items or ():
            rows_of_items.append(at)
            ids.append(who)
            names.append(name)
    if read:
        log.guess(f"{what} in a cell are lists or objects")
    yield pa.table([rows_of_items, ids, names], schema=_ITEMS)


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
