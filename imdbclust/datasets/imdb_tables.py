"""The tables of an import of IMDb's dumps, joined by DuckDB: titles, credits, people, ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from imdbclust.base.disk import file_sha256
from imdbclust.base.text import counted
from imdbclust.datasets.part import Part
from imdbclust.datasets.tsv import NULL, TsvFile
from imdbclust.films.json_lines import encode_movie
from imdbclust.films.problems import MAX_TEXT, CorpusError, Problem

BASICS, PRINCIPALS = "title.basics", "title.principals"
NAMES, RATINGS = "name.basics", "title.ratings"

FORMAT = {
    name: columns.split()
    for name, columns in {
        BASICS: "tconst titleType primaryTitle originalTitle isAdult startYear endYear "
        "runtimeMinutes genres",
        PRINCIPALS: "tconst ordering nconst category job characters",
        NAMES: "nconst primaryName birthYear deathYear primaryProfession knownForTitles",
        RATINGS: "tconst averageRating numVotes",
    }.items()
}
"""The columns of each file, in IMDb's order."""

NEEDED = {
    BASICS: ("tconst", "titleType", "primaryTitle", "isAdult", "startYear", "genres"),
    PRINCIPALS: ("tconst", "ordering", "nconst", "category"),
    NAMES: ("nconst", "primaryName"),
    RATINGS: ("tconst", "averageRating", "numVotes"),
}
"""The columns that are read, in any order."""

READ = {
    BASICS: r"""
    CREATE TABLE judged AS
    SELECT tconst, title, nullif(year, 0) AS year, genres, CASE
        WHEN coalesce(tconst, '') = '' THEN 'no id'
        WHEN coalesce(title, '') = '' THEN 'no title'
        WHEN length(tconst) > $most OR length(title) > $most THEN 'text too long'
        WHEN regexp_matches(tconst, '[\x00-\x1f]') THEN 'control character in the id'
        WHEN row_number() OVER (PARTITION BY tconst ORDER BY line) > 1
            THEN 'duplicate id'
        WHEN $ranged AND coalesce(year, 0) = 0 THEN 'no year'
        WHEN $ranged AND year NOT BETWEEN $since AND $until THEN 'other year'
        WHEN len($genres) > 0
            AND NOT list_has_any(string_split(coalesce(genres, ''), ','), $genres)
            THEN 'other genre'
        END AS dropped,
        startYear IS NOT NULL AND coalesce(year, 0) = 0 AS bad_year
    FROM (
        SELECT tconst, primaryTitle AS title, startYear, genres, line,
            CASE WHEN regexp_full_match(startYear, '[0-9]{1,4}')
            THEN CAST(startYear AS INT) END AS year
        FROM rows
    )
    """,
    PRINCIPALS: """
    CREATE TABLE credits AS
    SELECT tconst, nconst, min(TRY_CAST(ordering AS INT)) AS ordering, min(line) AS line,
        count(*) AS n
    FROM rows SEMI JOIN titles USING (tconst) GROUP BY tconst, nconst
    """,
    NAMES: """
    CREATE TABLE names AS
    SELECT nconst, arg_min(primaryName, line) AS name, count(*) AS n
    FROM rows SEMI JOIN (SELECT DISTINCT nconst FROM credits) USING (nconst)
    GROUP BY nconst
    """,
    RATINGS: """
    CREATE TABLE ratings AS
    SELECT tconst,
        arg_min_null(CASE WHEN avg BETWEEN 0 AND 10 THEN avg END, line) AS rating,
        arg_min_null(CASE WHEN num >= 0 THEN num END, line) AS votes,
        count(*) AS n,
        count(*) FILTER (NOT coalesce(avg BETWEEN 0 AND 10, averageRating IS NULL)
            OR NOT coalesce(num >= 0, numVotes IS NULL)) AS bad
    FROM (
        SELECT *, TRY_CAST(averageRating AS DOUBLE) AS avg,
            CASE WHEN regexp_full_match(numVotes, '[0-9]+')
            THEN TRY_CAST(numVotes AS BIGINT) END AS num
        FROM rows SEMI JOIN titles USING (tconst)
    ) GROUP BY tconst
    """,
}
"""How the valid rows of each file become a table of the database."""

HAS_NAME = f"length(name) BETWEEN 1 AND {MAX_TEXT}"  # else a person is named by the id
ROUNDS = 8
"""Rounds in which DuckDB applies the minima to all credits; the rest is done in memory."""

NONE = ("", NULL)  # entries of a list of genres that are not genres
Filters = dict[str, Callable[[pa.RecordBatch], pa.Array]]


@dataclass(frozen=True, kw_only=True)
class Selection(Part):
    """Which titles and people of the dumps go into the corpus.

    Attributes
    ----------
    types : tuple of str
        Types of titles, such as ``movie``, ``tvMovie``, ``short``; empty for all.
    categories : tuple of str
        Categories of people, such as ``actor``, ``self``, ``director``; empty for all.
    adult : bool
        Whether to include titles for adults.
    """

    types: tuple[str, ...] = ("movie",)
    since: int | None = 2000
    until: int | None = 2022
    categories: tuple[str, ...] = ("actor", "actress")
    adult: bool = False
    min_movies: int = 2
    min_cast: int = 1


EVERYTHING = Selection(
    types=(), since=None, until=None, categories=(), adult=True, min_movies=1, min_cast=0
)
"""All titles and all people."""


@dataclass
class Summary:
    """What an import read, kept and dropped.

    `counts` has for each file the number of rows that were read, that were kept, and that were
    dropped for each reason; `notes` has other counts. `problems` are the first invalid lines,
    `rounds` is the number of times that the minima were applied until nothing changed, and
    `inputs` has name, size, hash and date of each file.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    n_movies: int = 0
    n_actors: int = 0
    n_credits: int = 0
    rounds: int = 0
    inputs: list[dict] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the summary for a terminal."""
        rows = [(name, what, n) for name, steps in self.counts.items() for what, n in steps.items()]
        rows += [("", what, n) for what, n in self.notes.items() if n]
        width = max(len(f"{n:,}") for *_, n in rows)
        names = ["", *(name for name, *_ in rows)]
        lines = [
            f"{'' if name == last else name:17} {n:>{width},}  {what}"
            for last, (name, what, n) in zip(names, rows, strict=False)
        ]
        lines += [f"  {problem}" for problem in self.problems[:5]]
        sizes = {"movie": self.n_movies, "actor": self.n_actors, "credit": self.n_credits}
        return [*lines, f"corpus: {', '.join(counted(n, noun) for noun, n in sizes.items())}"]


class DumpTables:
    """The tables of one import: titles, then credits, then their people and ratings."""

    def __init__(
        self, base: duckdb.DuckDBPyConnection, paths: dict[str, Path], choice: Selection, bar: tqdm
    ):
        self.base, self.paths, self.choice, self.bar = base, paths, choice, bar
        self.summary = Summary()

    def read_all(self) -> None:
        """Read all files and apply the minima."""
        self._titles()
        self._credits()
        self._apply_minima()
        self._names()
        self._ratings()

    def _row(self, sql: str) -> tuple[int, ...]:
        return tuple(int(n or 0) for n in self.base.execute(sql).fetchall()[0])

    def _read(self, name: str, filters: Filters, **values) -> tuple[int, Counter[str]]:
        """Read one file: its valid rows are the table ``rows`` of the statement in `READ`.

        `filters` has a mask of the rows to keep for each reason to drop the rest; `values` are
        those of parameters in the statement. Returns the number of valid rows, and the number
        dropped for each reason.
        """
        file, dropped = TsvFile(self.paths[name], NEEDED[name], self.bar.update), Counter()

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in file.batches():
                for reason, mask in filters.items():
                    kept = batch.filter(pc.fill_null(mask(batch), False))
                    dropped[reason] += len(batch) - len(kept)
                    batch = kept
                yield batch

        self.bar.set_description(name)
        self.base.register("rows", pa.RecordBatchReader.from_batches(file.schema, batches()))
        try:
            self.base.execute(READ[name], values)
        except duckdb.Error as error:
            raise file.failure or error from None
        finally:
            self.base.unregister("rows")
        self.summary.counts[name] = {"rows read": file.rows + file.set_aside.total()}
        self._drop(name, dict(sorted(file.set_aside.items())))
        self.summary.problems += file.problems
        stat = file.path.stat()
        date = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
        about = {"file": file.path.name, "bytes": stat.st_size, "sha256": file_sha256(file.path)}
        self.summary.inputs.append(about | {"date": date})
        return file.rows, dropped

    def _drop(self, name: str, reasons: dict[str, int], **kept: int) -> None:
        """Record how many rows of a file were dropped, and finally how many were `kept`."""
        dropped = {f"dropped: {reason}": n for reason, n in reasons.items() if n}
        self.summary.counts[name] |= dropped | kept

    def _titles(self) -> None:
        choice, filters = self.choice, {}
        if choice.types:
            filters["other type"] = lambda rows: pc.is_in(rows["titleType"], pa.array(choice.types))
        if not choice.adult:
            filters["adult"] = lambda rows: pc.not_equal(pc.fill_null(rows["isAdult"], ""), "1")
        years = {"since": choice.since or 1, "until": choice.until or 9999}
        years["ranged"] = choice.since is not None or choice.until is not None
        genres = list(choice.genres)
        _, dropped = self._read(BASICS, filters, genres=genres, most=MAX_TEXT, **years)
        reasons = self.base.execute(
            "SELECT dropped, count(*) FROM judged WHERE dropped IS NOT NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
        self._drop(BASICS, dropped + Counter(dict(reasons)))
        (bad,) = self._row("SELECT count(*) FROM judged WHERE bad_year AND dropped IS NULL")
        self.summary.notes["invalid years: treated as missing"] = bad
        kept = "SELECT tconst, title, year, genres FROM judged WHERE dropped IS NULL"
        self.base.execute(f"CREATE TABLE titles AS {kept}; DROP TABLE judged")

    def _credits(self) -> None:
        filters, categories = {}, pa.array(self.choice.categories, pa.string())
        if len(categories):
            filters["other category"] = lambda rows: pc.is_in(rows["category"], categories)
        filters["no person"] = lambda rows: pc.not_equal(pc.fill_null(rows["nconst"], ""), "")
        n_rows, dropped = self._read(PRINCIPALS, filters)
        valid = r"length(nconst) < 100 AND NOT regexp_matches(nconst, '[\x00-\x1f]')"
        n, n_valid, n_credits = self._row(
            f"SELECT sum(n), sum(n) FILTER ({valid}), count(*) FILTER ({valid}) FROM credits"
        )
        self.base.execute(f"DELETE FROM credits WHERE NOT ({valid})")
        dropped["title not selected"] = n_rows - dropped.total() - n
        dropped["invalid id"] = n - n_valid
        dropped["duplicate person in a title"] = n_valid - n_credits
        self._drop(PRINCIPALS, dropped)

    def _apply_minima(self) -> None:
        """Drop actors with too few movies and movies with too few actors until none is left."""
        minima = {"nconst": self.choice.min_movies, "tconst": self.choice.min_cast}
        sizes = "SELECT (SELECT count(*) FROM titles), (SELECT count(*) FROM credits)"
        n_titles, n_credits = self._row(sizes)
        before, left = None, n_credits
        while left != before and max(minima.values()) > 1:
            if self.summary.rounds == ROUNDS:
                self._peel(minima)
                break
            before = left
            self.summary.rounds += 1
            for column, least in minima.items():
                if least > 1:
                    enough = f"SELECT {column} FROM credits GROUP BY 1 HAVING count(*) >= {least}"
                    self._keep("credits", f"({enough}) USING ({column})")
            _, left = self._row(sizes)
        left = self._row(sizes)[1]
        if self.choice.min_cast:
            self._keep("titles", "credits USING (tconst)")
        summary, few = self.summary, f"actor with fewer than {self.choice.min_movies} movies"
        summary.n_movies, summary.n_credits = self._row(sizes)
        (summary.n_actors,) = self._row("SELECT count(DISTINCT nconst) FROM credits")
        n_small = n_titles - summary.n_movies
        self._drop(BASICS, {"cast too small": n_small}, kept=summary.n_movies)
        self._drop(PRINCIPALS, {f"{few}, or title dropped": n_credits - left}, kept=left)
        if not summary.n_movies:
            why = "; ".join(f"{n:,} {what}" for what, n in summary.counts[BASICS].items())
            raise CorpusError(f"no title is left ({why}); select more titles")

    def _keep(self, table: str, other: str) -> None:
        """Keep the rows of a table that have a partner in another one."""
        self.base.execute(f"CREATE OR REPLACE TABLE {table} AS FROM {table} SEMI JOIN {other}")

    def _peel(self, minima: dict[str, int]) -> None:
        """Apply the minima until nothing changes, in time linear in the number of credits.

        A long chain of movies and actors loses a few links a round, so a round must not read all
        credits.
        """
        table = self.base.sql("SELECT nconst, tconst FROM credits").to_arrow_table()
        coded = {name: pc.dictionary_encode(table[name].combine_chunks()) for name in minima}
        codes = {name: column.indices.to_numpy() for name, column in coded.items()}
        rows_of = {name: _Groups(column) for name, column in codes.items()}
        n = {name: np.bincount(column) for name, column in codes.items()}
        changed = {name: np.arange(len(counts)) for name, counts in n.items()}
        alive, n_gone = np.ones(len(table), dtype=bool), 1
        while n_gone:
            self.summary.rounds += 1
            n_gone = 0
            for name, other in (("nconst", "tconst"), ("tconst", "nconst")):
                few = changed[name][n[name][changed[name]] < minima[name]]
                rows = rows_of[name].of(few)
                rows = rows[alive[rows]]
                alive[rows], n[name][few] = False, 0
                fewer, n_fewer = np.unique(codes[other][rows], return_counts=True)
                n[other][fewer] -= n_fewer
                changed[name], n_gone = changed[name][:0], n_gone + len(rows)
                changed[other] = np.union1d(changed[other], fewer)
        for name, counts in n.items():
            gone = pa.table({name: coded[name].dictionary.filter(pa.array(counts == 0))})
            self.base.register("gone", gone)
            self.base.execute(f"DELETE FROM credits WHERE {name} IN (SELECT {name} FROM gone)")
            self.base.unregister("gone")

    def _names(self) -> None:
        n_valid, _ = self._read(NAMES, {})
        named = f"count(*) FILTER ({HAS_NAME})"
        n_known, n_rows, n_named = self._row(f"SELECT count(*), sum(n), {named} FROM names")
        dropped = {"not an actor of the corpus": n_valid - n_rows, "duplicate id": n_rows - n_known}
        self._drop(NAMES, dropped, kept=n_known)
        n_unnamed = self.summary.n_actors - n_named
        self.summary.notes["actors without a name: named by their id"] = n_unnamed

    def _ratings(self) -> None:
        if RATINGS not in self.paths:
            self.base.execute("CREATE TABLE ratings (tconst VARCHAR, rating DOUBLE, votes BIGINT)")
            n_movies = self.summary.n_movies
            self.summary.notes["title.ratings is missing: movies without a rating"] = n_movies
            return
        n_valid, _ = self._read(RATINGS, {})
        n_rated, n_rows, bad = self._row("SELECT count(*), sum(n), sum(bad) FROM ratings")
        dropped = {"title not selected": n_valid - n_rows, "duplicate id": n_rows - n_rated}
        self._drop(RATINGS, dropped, kept=n_rated)
        self.summary.notes["invalid ratings: treated as missing"] = bad

    def records(self) -> Iterator[bytes]:
        """Yield the lines of the corpus: movies sorted by id, casts by ``ordering``."""
        casts = f"""
            SELECT c.nconst, CASE WHEN {HAS_NAME} THEN name ELSE c.nconst END
            FROM credits c LEFT JOIN names USING (nconst)
            ORDER BY c.tconst, c.ordering NULLS LAST, c.line
        """
        movies = """
            SELECT tconst, title, coalesce(genres, ''), coalesce(n_cast, 0), year, rating, votes
            FROM titles
            LEFT JOIN (SELECT tconst, count(*) AS n_cast FROM credits GROUP BY 1) USING (tconst)
            LEFT JOIN ratings USING (tconst)
            ORDER BY tconst
        """
        pairs, rows = (_rows(self.base.cursor().sql(query)) for query in (casts, movies))
        for movie_id, title, genres, n_cast, year, rating, votes in rows:
            listed = [genre for genre in dict.fromkeys(genres.split(",")) if genre not in NONE]
            cast = list(islice(pairs, n_cast))
            yield encode_movie(movie_id, title, listed, cast, year=year, rating=rating, votes=votes)


class _Groups:
    """The rows of a column of codes, by code."""

    def __init__(self, codes: np.ndarray):
        self._rows = np.argsort(codes, kind="stable")
        self._ends = np.cumsum(np.bincount(codes))

    def of(self, some: np.ndarray) -> np.ndarray:
        """Return the rows with these codes."""
        ends = self._ends[some]
        sizes = ends - np.where(some > 0, self._ends[some - 1], 0)
        skipped = np.repeat(ends - np.cumsum(sizes), sizes)
        return self._rows[skipped + np.arange(sizes.sum())]


def _rows(relation: duckdb.DuckDBPyRelation) -> Iterator[tuple]:
    batches = relation.to_arrow_reader(50_000)
    columns = ([column.to_pylist() for column in batch.columns] for batch in batches)
    return chain.from_iterable(zip(*batch, strict=True) for batch in columns)
