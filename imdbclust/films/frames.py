"""A corpus' tables out of loose frames: checked, in one order, repetitions counted once; merging.

Everything here works on whole columns; no loop runs over movies or credits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imdbclust.films.checks import KEPT_ROWS, Rows
from imdbclust.films.problems import CONTROL, EXAMPLES, CorpusError, Problem, ProblemLog, brief

NO_GENRE = frozenset({"", "\\N"})
"""Genre values that stand for "no genre": the empty string and IMDb's null."""

YEARS, RATINGS, VOTES = (1, 9999), (0, 10), (0, 2**63 - 1)
"""What a year, a rating and a number of votes lie between."""

Tables = Mapping[str, pd.DataFrame]
"""The tables of a corpus: movies, actors, credits, genres."""


@dataclass(frozen=True)
class _Known:
    """The movies or actors that rows of other frames may speak of.

    Attributes
    ----------
    ids : Index
        Id of each good row.
    rows : ndarray of int
        Number, among the good rows, of each row of the frame as it was given; -1 where it was
        set aside.
    gone : Index
        Ids of rows that were set aside.
    """

    ids: pd.Index
    rows: np.ndarray
    gone: pd.Index

    @classmethod
    def of(cls, ids: pd.Series, good: np.ndarray) -> _Known:
        gone = pd.Index(ids[~good].dropna().astype("str").unique())
        kept = pd.Index(ids[good].astype("str"))
        return cls(kept, np.where(good, np.cumsum(good) - 1, -1), gone.difference(kept))


def tables_from_frames(
    movies: pd.DataFrame,
    credits: pd.DataFrame,
    actors: pd.DataFrame | None,
    genres: pd.DataFrame | None,
    problem_log: ProblemLog,
) -> Tables:
    """Return the tables of a corpus; see :meth:`imdbclust.load.Corpus.from_frames`.

    Rows that cannot be used go into `problem_log`.

    Raises
    ------
    CorpusError
        A frame that is none, or lacks a column, or has a column of another type.
    """
    movies, known_movies = _checked_movies(movies, problem_log)
    rows = Rows("credits", _length(credits, "credits"), problem_log)
    movie = _rows_of(credits, rows, "movie", known_movies)
    if actors is None:
        actor, actors = _actors_of(credits, rows)
    else:
        actors, known_actors = _checked_actors(actors, problem_log)
        actor = _rows_of(credits, rows, "actor", known_actors)
    if genres is None:
        genres = pd.DataFrame({"movie_id": [], "genre": []}, dtype="str")
    tags = Rows("genres", _length(genres, "genres"), problem_log)
    tagged = _rows_of(genres, tags, "movie", known_movies)
    genre = _texts(genres, "genre", tags)
    return canonical(
        movies,
        actors,
        (movie[rows.good], actor[rows.good], rows.rest()),
        (tagged[tags.good], genre[tags.good], tags.rest()),
    )


def canonical(
    movies: pd.DataFrame,
    actors: pd.DataFrame,
    credits: tuple[np.ndarray, np.ndarray, Rows],
    genres: tuple[np.ndarray, pd.Series, Rows],
) -> Tables:
    """Return the tables in a corpus' order: credits by movie, actors by first appearance.

    Parameters
    ----------
    movies, actors : DataFrame
        The columns of a corpus' tables.
    credits : tuple of ndarray of int, ndarray of int, Rows
        Rows of the two tables, and where they stand; a pair that is there twice counts once.
    genres : tuple of ndarray of int, Series of texts, Rows
        Rows of the movies, and a genre of each; values in `NO_GENRE`, and missing ones, are none.
    """
    movie, actor, rows = credits
    first = _first_of_pairs(movie, actor, len(actors))
    ids = movies["movie_id"].array
    who = actors["actor_id"].array
    rows.note(
        np.flatnonzero(~first),
        "repeated_credits",
        "",
        lambda row: f"{who[actor[row]]!r} is in the cast of {ids[movie[row]]!r} already",
    )
    cast_of, cast = _by_movie(movie[first], actor[first])
    cast, played = pd.factorize(cast)
    if unused := len(actors) - len(played):
        rows.problem_log.counts["unused_actors"] += unused

    tagged, names, rows = genres
    empty = names.isna().to_numpy(dtype=bool) | names.isin(NO_GENRE).to_numpy(dtype=bool)
    rows.note(np.flatnonzero(empty), "empty_genres", "", "no genre")
    tagged, rows.good = tagged[~empty], ~empty
    rows = rows.rest()
    codes, names = pd.factorize(names[~empty].astype("str"), sort=True)
    first = _first_of_pairs(tagged, codes, len(names))
    rows.note(
        np.flatnonzero(~first),
        "repeated_genres",
        "",
        lambda row: f"{ids[tagged[row]]!r} has the genre already",
    )
    genre_of, codes = _by_movie(tagged[first], codes[first])
    return {
        "movies": movies.reset_index(drop=True),
        "actors": actors.iloc[played].reset_index(drop=True),
        "credits": pd.DataFrame(
            {"movie": cast_of.astype(np.int32), "actor": cast.astype(np.int32)}
        ),
        "genres": pd.DataFrame(
            {
                "movie": genre_of.astype(np.int32),
                "genre": pd.Categorical.from_codes(codes, categories=names.tolist()),
            }
        ),
    }


def merged_tables(parts: Sequence[Tables], names: Sequence[str], problem_log: ProblemLog) -> Tables:
    """Return the tables of several corpora as one; see :meth:`imdbclust.load.Corpus.merge`.

    `names` stand for the corpora in contradictions, which go into `problem_log` as problems.
    """
    every = pd.concat([part["movies"] for part in parts], ignore_index=True)
    movie_rows, _ = pd.factorize(every["movie_id"])
    movies = first_known(every, movie_rows)
    ends = np.cumsum([len(part["movies"]) for part in parts])
    for column, where, say in contradictions(every, movies, movie_rows):
        room = max(0, KEPT_ROWS - problem_log.counts["contradictions"])
        for row in where[:room].tolist():
            name = names[np.searchsorted(ends, row, side="right")]
            problem_log.problems.append(Problem(name, 0, column, say(row), "contradictions"))
        problem_log.counts["contradictions"] += len(where)

    everyone = pd.concat([part["actors"] for part in parts], ignore_index=True)
    actor_rows, _ = pd.factorize(everyone["actor_id"])
    actors = everyone.drop_duplicates("actor_id").reset_index(drop=True)
    names_kept = actors["name"].array[actor_rows]
    other = np.flatnonzero(np.asarray(everyone["name"].array != names_kept, dtype=bool))
    part_of = np.cumsum([len(part["actors"]) for part in parts])
    for row in other[:EXAMPLES].tolist():
        problem_log.file = names[np.searchsorted(part_of, row, side="right")]
        text = f"{everyone['name'][row]!r}: {everyone['actor_id'][row]!r} has the name "
        problem_log.note("other_names", 0, "name", f"{text}{names_kept[row]!r}, which stays")
    problem_log.counts["other_names"] += len(other[EXAMPLES:])

    def united(table: str, column: str, rows: np.ndarray, of: str) -> np.ndarray:
        """Return a column of row numbers, which become those of the merged table."""
        starts = np.cumsum([0, *(len(part[of]) for part in parts)])
        numbers = [
            rows[start + part[table][column].to_numpy(dtype=np.int64)]
            for start, part in zip(starts, parts, strict=False)
        ]
        return np.concatenate(numbers)

    genres = pd.concat([part["genres"]["genre"].astype("str") for part in parts], ignore_index=True)
    silent = ProblemLog()  # a credit that several corpora know of is repeated in none
    cast_of = united("credits", "movie", movie_rows, "movies")
    return canonical(
        movies,
        actors,
        (
            cast_of,
            united("credits", "actor", actor_rows, "actors"),
            Rows("", len(cast_of), silent),
        ),
        (
            united("genres", "movie", movie_rows, "movies"),
            genres,
            Rows("", len(genres), silent),
        ),
    )


def first_known(every: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return one row a movie: title and year the first known; rating and votes of one corpus."""
    known = every.groupby(rows)[["movie_id", "title", "year"]].first().reset_index(drop=True)
    worth = np.where(every["rating"].notna(), 0, np.where(every["votes"].notna(), 1, 2))
    order = np.lexsort((worth, rows))  # stable: of equals the first
    best = order[np.searchsorted(rows[order], np.arange(len(known)))]
    return known.join(every[["rating", "votes"]].iloc[best].reset_index(drop=True))


def contradictions(
    every: pd.DataFrame, kept: pd.DataFrame, rows: np.ndarray
) -> Iterator[tuple[str, np.ndarray, Callable[[int], str]]]:
    """Yield each column in which known values are not the kept ones, where, and how to say it.

    `rows` is the row of `kept` that each row of `every` became.
    """
    ids = every["movie_id"].array
    for column in ("title", "year", "rating"):
        values, others = kept[column].array[rows], every[column].array
        differs = np.flatnonzero(~np.asarray(pd.isna(values) | pd.isna(others), dtype=bool))
        differs = differs[np.asarray(values[differs] != others[differs], dtype=bool)]

        def say(row: int, values=values, others=others) -> str:
            kept, other = brief(values[row]), brief(others[row])
            return f"of {ids[row]!r}: {other} contradicts {kept}, which was kept"

        if len(differs):
            yield column, differs, say


def _checked_movies(movies: pd.DataFrame, problem_log: ProblemLog) -> tuple[pd.DataFrame, _Known]:
    rows = Rows("movies", _length(movies, "movies"), problem_log)
    columns = {name: _texts(movies, name, rows) for name in ("movie_id", "title")}
    rows.check_texts(columns["movie_id"], "movie_id", control=CONTROL)
    rows.check_texts(columns["title"], "title")
    for name, limits in (("year", YEARS), ("rating", RATINGS), ("votes", VOTES)):
        columns[name] = _numbers(movies, name, rows, limits, whole=name != "rating")
    _refuse_repeated(columns["movie_id"], "movie_id", "repeated_movie", rows)
    return as_movies(columns, rows.good), _Known.of(columns["movie_id"], rows.good)


def as_movies(columns: Mapping[str, pd.Series], good: np.ndarray) -> pd.DataFrame:
    """Return the good rows of these columns as a corpus' table of movies."""
    table = pd.DataFrame(columns)[good].reset_index(drop=True)
    types = {"movie_id": "str", "title": "str", "year": "Int64", "rating": float, "votes": "Int64"}
    return table.astype(types)


def _checked_actors(actors: pd.DataFrame, problem_log: ProblemLog) -> tuple[pd.DataFrame, _Known]:
    rows = Rows("actors", _length(actors, "actors"), problem_log)
    ids, names = _texts(actors, "actor_id", rows), _texts(actors, "name", rows)
    rows.check_texts(ids, "actor_id", control=CONTROL)
    rows.check_texts(names, "name")
    _refuse_repeated(ids, "actor_id", "repeated_actor", rows)
    table = pd.DataFrame({"actor_id": ids, "name": names})[rows.good].astype("str")
    return table.reset_index(drop=True), _Known.of(ids, rows.good)


def _actors_of(credits: pd.DataFrame, rows: Rows) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the actor of each credit, and the actors: those that the credits name themselves."""
    if "actor_id" not in credits.columns and "actor" in credits.columns:
        raise CorpusError("credits: the column actor has row numbers, but there is no frame actors")
    ids = _texts(credits, "actor_id", rows)
    rows.check_texts(ids, "actor_id", control=CONTROL)
    names = _texts(credits, "name", rows) if "name" in credits.columns else ids
    rows.check_texts(names, "name")
    return first_names(ids, names, rows)


def first_names(ids: pd.Series, names: pd.Series, rows: Rows) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the actor of each row, and the actors with the first name that a good row gives."""
    codes, distinct = pd.factorize(ids.where(rows.good))
    table = pd.DataFrame({"actor_id": ids, "name": names})[rows.good]
    table = table.drop_duplicates("actor_id").astype("str").reset_index(drop=True)
    if len(distinct):
        first = table["name"].array[codes]
        other = rows.good & np.asarray(names.astype("str").array != first, dtype=bool)
        rows.note(
            np.flatnonzero(other),
            "other_names",
            "name",
            lambda row: f"{names[row]!r}: {ids[row]!r} has the name {first[row]!r}, which stays",
        )
    return codes, table


def _rows_of(frame: pd.DataFrame, rows: Rows, what: str, known: _Known) -> np.ndarray:
    """Return which movie or actor each row speaks of, by id or by row number.

    Rows that speak of none are set aside; those of one that was set aside go with it.
    """
    by_id = f"{what}_id"
    if by_id not in frame.columns and what in frame.columns:
        column = what
        numbers = _numbers(frame, what, rows, (0, len(known.rows) - 1), whole=True)
        rows.refuse(numbers.isna(), "missing", what, "missing")
        found = np.append(known.rows, -1)[numbers.fillna(-1).to_numpy(dtype=np.int64)]
        gone = found < 0
    else:
        column, ids = by_id, _texts(frame, by_id, rows)
        rows.refuse(ids.isna(), "missing", by_id, "missing")
        codes, distinct = pd.factorize(ids)
        distinct = pd.Index(distinct)
        found = np.append(known.ids.get_indexer(distinct), -1)[codes]
        gone = np.append(distinct.isin(known.gone), False)[codes]
        text = f"is not in the frame {what}s"
        unknown = (found < 0) & ~gone
        rows.refuse(unknown, f"unknown_{what}", by_id, lambda row: f"{ids[row]!r} {text}")
    gone = np.flatnonzero(gone & rows.good)
    rows.note(gone, "gone_with_others", column, f"the {what} was set aside")
    rows.good[gone] = False
    return found


def _refuse_repeated(ids: pd.Series, column: str, kind: str, rows: Rows) -> None:
    good = ids[rows.good]
    repeated = np.zeros(len(ids), dtype=bool)
    repeated[good.index[good.duplicated()]] = True
    if repeated.any():
        first = good.drop_duplicates()
        row_of = pd.Series(first.index, index=first.array)
        rows.refuse(
            repeated,
            kind,
            column,
            lambda row: f"{ids[row]!r} is there already, in row {row_of[ids[row]]}",
        )


def _length(frame: object, name: str) -> int:
    if not isinstance(frame, pd.DataFrame):
        raise CorpusError(f"{name}: a DataFrame is expected, not {type(frame).__name__}")
    return len(frame)


def _column(frame: pd.DataFrame, column: str, rows: Rows) -> pd.Series:
    """Return a column by position; the index of the frame means nothing."""
    if column not in frame.columns:
        there = ", ".join(map(str, frame.columns)) or "none"
        hint = "; it is the index: use reset_index()" if column in frame.index.names else ""
        raise CorpusError(f"{rows.name}: there is no column {column}{hint}; its columns: {there}")
    values = frame[column]
    if isinstance(values, pd.DataFrame):
        raise CorpusError(f"{rows.name}: there are several columns {column}")
    return values.reset_index(drop=True)


def _texts(frame: pd.DataFrame, column: str, rows: Rows) -> pd.Series:
    """Return a column of texts, some of which may be missing; others than texts are set aside."""
    values = _column(frame, column, rows)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "empty" or values.isna().all():
        return pd.Series(None, index=values.index, dtype="str")
    if kind.startswith("mixed"):
        wrong = ~values.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
        _refuse_types(wrong & values.notna().to_numpy(), values, column, rows, "text")
        values = values.mask(wrong)
    elif kind != "string":
        raise CorpusError(
            f"{rows.name}: the column {column} has values of type {values.dtype} ({kind}); texts "
            f'are expected, so that zeros at the front stay: astype("str")'
        )
    return values.astype("str")


def _numbers(
    frame: pd.DataFrame, column: str, rows: Rows, limits: tuple[int, int], *, whole: bool
) -> pd.Series:
    """Return a column of numbers, all missing where there is none; wrong ones are set aside."""
    if column not in frame.columns:
        return pd.Series(pd.NA, index=range(len(frame)), dtype="Int64" if whole else "Float64")
    values = _column(frame, column, rows)
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind.startswith("mixed"):
        wrong = ~values.map(_is_number).to_numpy(dtype=bool) & values.notna().to_numpy()
        _refuse_types(wrong, values, column, rows, "a number")
        values = values.mask(wrong)
    elif kind not in ("integer", "floating", "empty"):
        raise CorpusError(
            f"{rows.name}: the column {column} has values of type {values.dtype} ({kind}); "
            "numbers are expected: pd.to_numeric"
        )
    if values.dtype == object:
        values = _without_objects(values)
    if kind == "empty":
        values = values.astype("Int64")
    low, high = limits
    bad = ~((values >= low) & (values <= high)).fillna(True).to_numpy(dtype=bool)
    bad &= values.notna().to_numpy()
    given, text = frame[column].array, f"expected a number from {low:,} to {high:,}, got"
    rows.refuse(bad, "out_of_range", column, lambda row: f"{text} {brief(given[row])}")
    values = values.mask(bad)
    if not whole:
        return values.astype("Float64")
    if not pd.api.types.is_integer_dtype(values.dtype):
        broken = (values % 1 != 0).fillna(False).to_numpy(dtype=bool) & values.notna().to_numpy()
        text = "expected a whole number, got"
        rows.refuse(broken, "wrong_type", column, lambda row: f"{text} {brief(values[row])}")
        values = values.mask(broken)
    return values.astype("Int64")


def _without_objects(values: pd.Series) -> pd.Series:
    """Return numbers and missing values of a column of objects as integers where they are such."""
    whole = values[values.notna()].map(lambda value: isinstance(value, int | np.integer)).all()
    numbers = [
        None if missing else -1 if abs(value) >= 2**63 else value  # -1: below every limit
        for value, missing in zip(values, values.isna(), strict=True)
    ]
    return pd.Series(pd.array(numbers, dtype="Int64" if whole else "Float64"), index=values.index)


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating)
    return number and not isinstance(value, bool)


def _refuse_types(
    wrong: np.ndarray, values: pd.Series, column: str, rows: Rows, expected: str
) -> None:
    rows.refuse(
        wrong,
        "wrong_type",
        column,
        lambda row: f"expected {expected}, got {type(values[row]).__name__}: {brief(values[row])}",
    )


def _first_of_pairs(one: np.ndarray, other: np.ndarray, n_other: int) -> np.ndarray:
    """Tell of each pair of numbers whether it is there for the first time."""
    pairs = one.astype(np.int64) * max(n_other, 1) + other
    return ~pd.Series(pairs).duplicated().to_numpy()


def _by_movie(movie: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(movie, kind="stable")
    return movie[order], other[order]
