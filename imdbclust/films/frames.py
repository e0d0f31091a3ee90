"""Build a corpus' tables from frames: checked, in one order, duplicates counted once; merging.

Everything here works on whole columns; no loop runs over movies or credits. The index of a frame
that is passed on is the position of each row in its `Rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from imdbclust.films.checks import Rows
from imdbclust.films.problems import CONTROL, CorpusError, ProblemLog, brief

NO_GENRE = frozenset({"", "\\N"})  # the empty string and IMDb's null
LIMITS = {"year": (1, 9999), "rating": (0, 10), "votes": (0, 2**63 - 1)}
Tables = Mapping[str, pd.DataFrame]  # of a corpus: movies, actors, credits, genres


class _Known:
    """The movies or actors that rows of other frames may refer to.

    `ids` are the ids of valid rows, `gone` those of rows that were set aside. `rows` has the
    number of each row of the frame among the valid ones; -1 if it was set aside.
    """

    def __init__(self, ids: pd.Series, good: np.ndarray):
        self.ids = pd.Index(ids[good].astype("str"))
        self.gone = pd.Index(ids[~good].dropna().astype("str").unique()).difference(self.ids)
        self.rows = np.where(good, np.cumsum(good) - 1, -1)


def tables_from_frames(
    movies: pd.DataFrame,
    credits: pd.DataFrame,
    actors: pd.DataFrame | None,
    genres: pd.DataFrame | None,
    problem_log: ProblemLog,
) -> Tables:
    """Return the tables of a corpus; see :meth:`imdbclust.load.Corpus.from_frames`.

    Invalid rows are recorded in `problem_log`. A frame that is not a DataFrame, lacks a column or
    has a column of a wrong type is a CorpusError.
    """
    movies, known_movies = _checked(movies, "movie", "title", LIMITS, problem_log)
    movies = as_movies(movies)
    rows = _rows(credits, "credits", problem_log)
    movie = _references(credits, rows, "movie", known_movies)
    if actors is None:
        if "actor_id" not in credits.columns and "actor" in credits.columns:
            raise CorpusError("credits: the column actor has row numbers; give the frame actors")
        ids = _texts(credits, "actor_id", rows)
        rows.check_texts(ids, "actor_id", control=CONTROL)
        names = _texts(credits, "name", rows) if "name" in credits.columns else ids
        rows.check_texts(names, "name")
        actor, actors = first_names(ids[rows.good], names[rows.good], rows)
    else:
        actors, known_actors = _checked(actors, "actor", "name", {}, problem_log)
        actor = _references(credits, rows, "actor", known_actors)[rows.good]
    if genres is None:
        genres = pd.DataFrame({"movie_id": [], "genre": []}, dtype="str")
    tags = _rows(genres, "genres", problem_log)
    tagged = _references(genres, tags, "movie", known_movies)
    tagged = pd.DataFrame({"movie": tagged, "genre": _texts(genres, "genre", tags)})
    good = np.flatnonzero(rows.good)
    cast = pd.DataFrame({"movie": movie[good], "actor": actor}, index=good)
    return canonical(movies, actors, cast, tagged[tags.good], rows, tags)


def canonical(
    movies: pd.DataFrame,
    actors: pd.DataFrame,
    credits: pd.DataFrame,
    genres: pd.DataFrame,
    rows: Rows | None = None,
    tags: Rows | None = None,
) -> Tables:
    """Return the tables in a corpus' order: credits by movie, actors by first appearance.

    `credits` has ``movie`` and ``actor``, as row numbers into the first two; `genres` has
    ``movie``, as row number, and ``genre``, a text. Duplicates count once, missing genres and
    those in `NO_GENRE` are left out. `rows` and `tags` are the rows of both, for messages; without
    them, duplicates are not counted.
    """
    rows, tags = (one or Rows("", 0, ProblemLog()) for one in (rows, tags))
    ids, who, again = actors["actor_id"].array, credits["actor"], credits.duplicated()
    twice = credits.index[again]
    rows.note(twice, "repeated_credits", "", lambda row: f"duplicate actor {ids[who[row]]!r}")
    cast = credits[~again].sort_values("movie", kind="stable")
    actor, played = pd.factorize(cast["actor"])
    if unused := len(actors) - len(played):
        rows.problem_log.counts["unused_actors"] += unused
    cast = pd.DataFrame({"movie": cast["movie"].to_numpy(), "actor": actor})

    empty = genres["genre"].isna() | genres["genre"].isin(NO_GENRE)
    of = genres["genre"]
    tags.note(genres.index[empty], "empty_genres", "", lambda row: f"{of[row]!r} is not a genre")
    again = genres.duplicated() & ~empty
    twice = genres.index[again]
    tags.note(twice, "repeated_genres", "", lambda row: f"duplicate genre {of[row]!r}")
    tagged = genres[~(again | empty)].sort_values("movie", kind="stable")
    codes, names = pd.factorize(tagged["genre"].astype("str"), sort=True)
    genre = pd.Categorical.from_codes(codes, categories=names.tolist())
    return {
        "movies": movies.reset_index(drop=True),
        "actors": actors.iloc[played].reset_index(drop=True),
        "credits": cast.astype("int32"),
        "genres": pd.DataFrame({"movie": tagged["movie"].to_numpy(np.int32), "genre": genre}),
    }


def merged_tables(parts: Sequence[Tables], names: Sequence[str], problem_log: ProblemLog) -> Tables:
    """Return the tables of several corpora as one; see :meth:`imdbclust.load.Corpus.merge`.

    `names` are the names of the corpora in messages about contradictions.
    """

    def joined(table: str) -> tuple[pd.DataFrame, Rows, np.ndarray]:
        """Return the rows of all corpora, their `Rows`, and where each corpus begins."""
        sizes = [len(part[table]) for part in parts]
        n = sum(sizes)
        rows = Rows(np.repeat(np.array(names, object), sizes), n, problem_log, np.zeros(n, int))
        frame = pd.concat([part[table] for part in parts], ignore_index=True)
        return frame, rows, np.cumsum([0, *sizes])

    every, rows, first_movies = joined("movies")
    movie_of, _ = pd.factorize(every["movie_id"])
    movies = first_known(every, movie_of)
    for column, where, text in contradictions(every, movies, movie_of):
        rows.report(where, "contradictions", column, text)
    every, rows, first_actors = joined("actors")
    actor_of, actors = first_names(every["actor_id"], every["name"], rows)

    def renumbered(table: str, column: str, firsts: np.ndarray, number: np.ndarray) -> np.ndarray:
        numbers = [part[table][column] + first for part, first in zip(parts, firsts, strict=False)]
        return number[np.concatenate(numbers)]

    players = renumbered("credits", "actor", first_actors, actor_of)
    cast = {"movie": renumbered("credits", "movie", first_movies, movie_of), "actor": players}
    names = np.concatenate([part["genres"]["genre"].astype("str") for part in parts])
    genres = {"movie": renumbered("genres", "movie", first_movies, movie_of), "genre": names}
    # without rows: a credit that several corpora have is not a duplicate
    return canonical(movies, actors, pd.DataFrame(cast), pd.DataFrame(genres))


def first_known(every: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return one row a movie: the first known title and year; rating and votes of one source.

    `rows` has the row of the result for each row of `every`.
    """
    known = every.groupby(rows)[["movie_id", "title", "year"]].first().reset_index(drop=True)
    worth = np.where(every["rating"].notna(), 0, np.where(every["votes"].notna(), 1, 2))
    order = np.lexsort((worth, rows))  # stable: the first of equals
    best = order[np.searchsorted(rows[order], np.arange(len(known)))]
    return known.join(every[["rating", "votes"]].iloc[best].reset_index(drop=True))


def contradictions(
    every: pd.DataFrame, kept: pd.DataFrame, rows: np.ndarray
) -> Iterator[tuple[str, np.ndarray, Callable[[int], str]]]:
    """Yield each column in which known values differ from the kept ones, where, and a message.

    `rows` has the row of `kept` for each row of `every`.
    """
    for column in ("title", "year", "rating"):
        values, others = pd.Series(kept[column].array[rows], every.index), every[column]
        differs = (values != others) & values.notna() & others.notna()

        def text(row: int, values=values, others=others) -> str:
            kept, other = brief(values[row]), brief(others[row])
            return f"movie {every['movie_id'][row]!r}: {other} contradicts {kept}, which was kept"

        if differs.any():
            yield column, every.index[differs.to_numpy(dtype=bool)], text


def _checked(
    frame: pd.DataFrame, what: str, text: str, limits: Mapping, problem_log: ProblemLog
) -> tuple[pd.DataFrame, _Known]:
    """Return the valid movies or actors: ids, a column of texts, and numbers within limits."""
    rows, key = _rows(frame, f"{what}s", problem_log), f"{what}_id"
    columns = {name: _texts(frame, name, rows) for name in (key, text)}
    ids = columns[key]
    rows.check_texts(ids, key, control=CONTROL)
    rows.check_texts(columns[text], text)
    for name, between in limits.items():
        columns[name] = _numbers(frame, name, rows, between, whole=name != "rating")
    first = ids[rows.good].drop_duplicates()
    row_of = pd.Series(first.index, index=first.array)
    again, says = ~ids.index.isin(first.index), "is a duplicate of row"
    rows.refuse(again, f"repeated_{what}", key, lambda n: f"{ids[n]!r} {says} {row_of[ids[n]]}")
    table = pd.DataFrame(columns)[rows.good].reset_index(drop=True)
    return table, _Known(ids, rows.good)


def as_movies(columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return these columns as a table of movies with a corpus' types."""
    types = {"movie_id": "str", "title": "str", "year": "Int64", "rating": float, "votes": "Int64"}
    return pd.DataFrame({name: columns[name] for name in types}).astype(types)


def first_names(ids: pd.Series, names: pd.Series, rows: Rows) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the actor of each row, as a row number into the second, and the table of actors.

    If the rows of an actor have several names, the first one stays.
    """
    codes, _ = pd.factorize(ids)
    table = pd.DataFrame({"actor_id": ids, "name": names}, dtype="str")
    table = table.drop_duplicates("actor_id").reset_index(drop=True)
    first = table["name"].take(codes).set_axis(ids.index)

    def text(row: int) -> str:
        return f"{names[row]!r}: {ids[row]!r} has the name {first[row]!r}, which stays"

    rows.note(ids.index[(names != first).to_numpy(dtype=bool)], "other_names", "name", text)
    return codes, table


def _references(frame: pd.DataFrame, rows: Rows, what: str, known: _Known) -> np.ndarray:
    """Return which movie or actor each row refers to, by id or by row number.

    Rows with an unknown reference are set aside, and so are rows that refer to a row which was.
    """
    column = f"{what}_id"
    if column not in frame.columns and what in frame.columns:
        column = what
        numbers = _numbers(frame, what, rows, (0, len(known.rows) - 1), whole=True)
        rows.refuse(numbers.isna(), "missing", what, "missing")
        found = np.append(known.rows, -1)[numbers.fillna(-1).to_numpy(dtype=np.int64)]
        gone = found < 0
    else:
        ids = _texts(frame, column, rows)
        rows.refuse(ids.isna(), "missing", column, "missing")
        found, gone = known.ids.get_indexer(ids), ids.isin(known.gone).to_numpy(dtype=bool)
        text = f"is not in the frame {what}s"
        unknown = (found < 0) & ~gone
        rows.refuse(unknown, f"unknown_{what}", column, lambda row: f"{ids[row]!r} {text}")
    gone = np.flatnonzero(gone & rows.good)
    rows.note(gone, "gone_with_others", column, f"the {what} was set aside")
    rows.good[gone] = False
    return found


def _rows(frame: object, name: str, problem_log: ProblemLog) -> Rows:
    if not isinstance(frame, pd.DataFrame):
        raise CorpusError(f"{name}: a DataFrame is expected, not {type(frame).__name__}")
    return Rows(name, len(frame), problem_log)


def _column(frame: pd.DataFrame, column: str, rows: Rows) -> tuple[pd.Series, str]:
    """Return a column by position, ignoring the frame's index, and what is in it."""
    if column not in frame.columns:
        names = ", ".join(map(str, frame.columns)) or "none"
        hint = "; it is the index: use reset_index()" if column in frame.index.names else ""
        raise CorpusError(f"{rows.name}: missing column {column}{hint}; its columns: {names}")
    values = frame[column]
    if isinstance(values, pd.DataFrame):
        raise CorpusError(f"{rows.name}: duplicate column {column}")
    values = values.reset_index(drop=True)
    return values, pd.api.types.infer_dtype(values, skipna=True)


def _texts(frame: pd.DataFrame, column: str, rows: Rows) -> pd.Series:
    """Return a column of texts, which may be missing; rows with other values are set aside."""
    values, kind = _column(frame, column, rows)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
        kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "empty" or values.isna().all():
        return pd.Series(None, index=values.index, dtype="str")
    if kind.startswith("mixed"):
        values = _without_other_types(values, column, rows, str, "text")
    elif kind != "string":
        raise CorpusError(
            f"{rows.name}: the column {column} has values of type {values.dtype} ({kind}); texts "
            f'are expected, so that leading zeros stay: astype("str")'
        )
    return values.astype("str")


def _numbers(
    frame: pd.DataFrame, column: str, rows: Rows, limits: tuple[int, int], *, whole: bool
) -> pd.Series:
    """Return a column of numbers, all missing if the frame lacks it.

    Rows with other values, or with numbers outside of the limits, are set aside.
    """
    dtype = "Int64" if whole else "Float64"
    if column not in frame.columns:
        return pd.Series(pd.NA, index=range(len(frame)), dtype=dtype)
    values, kind = _column(frame, column, rows)
    if not kind.startswith("mixed") and kind not in ("integer", "floating", "empty"):
        raise CorpusError(
            f"{rows.name}: the column {column} has values of type {values.dtype} ({kind}); "
            "numbers are expected: pd.to_numeric"
        )
    given = values
    if values.dtype == object:
        numbers = int | float | np.integer | np.floating
        values = _without_other_types(values, column, rows, numbers, "a number")
        listed = [
            None if pd.isna(value) else value if abs(value) < 2**63 else -1  # below every limit
            for value in values
        ]
        values = pd.Series(pd.array(listed, dtype=None if values.notna().any() else "Int64"))
    low, high = limits
    bad = (values.notna() & ~values.between(low, high).fillna(True)).to_numpy(dtype=bool)
    text = f"expected a number from {low:,} to {high:,}, got"
    rows.refuse(bad, "out_of_range", column, lambda row: f"{text} {brief(given[row])}")
    values = values.mask(bad)
    if whole and not pd.api.types.is_integer_dtype(values.dtype):
        broken = (values.notna() & (values % 1 != 0).fillna(False)).to_numpy(dtype=bool)
        text = "expected a whole number, got"
        rows.refuse(broken, "wrong_type", column, lambda row: f"{text} {brief(given[row])}")
        values = values.mask(broken)
    return values.astype(dtype)


def _without_other_types(
    values: pd.Series, column: str, rows: Rows, types: object, expected: str
) -> pd.Series:
    """Return a column of objects without those of other types, whose rows are set aside."""
    fits = values.map(lambda value: isinstance(value, types) and not isinstance(value, bool))
    wrong = values.notna().to_numpy(dtype=bool) & ~fits.to_numpy(dtype=bool)

    def text(row: int) -> str:
        return f"expected {expected}, got {type(values[row]).__name__}: {brief(values[row])}"

    rows.refuse(wrong, "wrong_type", column, text)
    return values.mask(wrong)
