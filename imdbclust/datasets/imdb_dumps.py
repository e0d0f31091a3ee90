"""Make a corpus of IMDb's own dumps: four files of tab-separated text, at any size.

The dumps (https://developer.imdb.com/non-commercial-datasets/) are ``title.basics``,
``title.principals``, ``name.basics`` and ``title.ratings``, as ``.tsv`` or ``.tsv.gz``. They are
read block by block (:mod:`imdbclust.datasets.tsv`), joined by DuckDB within a bounded memory, and
written movie by movie, sorted by id: the same files and options give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from imdbclust import __version__
from imdbclust.base.disk import beside, replacing
from imdbclust.base.text import shown
from imdbclust.datasets.find import check_ending
from imdbclust.datasets.registry import IMDB_DUMPS
from imdbclust.datasets.tsv import NULL, TsvFile, keep
from imdbclust.films.json_lines import encode_movie, gzip_or_plain
from imdbclust.films.problems import MAX_TEXT, CorpusError, Problem
from imdbclust.load import Corpus

BASICS, PRINCIPALS = "title.basics", "title.principals"
NAMES, RATINGS = "name.basics", "title.ratings"

FORMAT = {
    BASICS: (
        "tconst", "titleType", "primaryTitle", "originalTitle", "isAdult", "startYear", "endYear",
        "runtimeMinutes", "genres",
    ),
    PRINCIPALS: ("tconst", "ordering", "nconst", "category", "job", "characters"),
    NAMES: (
        "nconst", "primaryName", "birthYear", "deathYear", "primaryProfession", "knownForTitles",
    ),
    RATINGS: ("tconst", "averageRating", "numVotes"),
}  # fmt: skip
"""The columns of each file, in IMDb's order."""

NEEDED = {
    BASICS: ("tconst", "titleType", "primaryTitle", "isAdult", "startYear", "genres"),
    PRINCIPALS: ("tconst", "ordering", "nconst", "category"),
    NAMES: ("nconst", "primaryName"),
    RATINGS: ("tconst", "averageRating", "numVotes"),
}
"""The columns that are read, wherever they stand."""

MEMORY = 2 * 10**9
"""Bytes that an import may take, unless told otherwise."""

DUCKDB_SHARE = 0.3
"""DuckDB's part of these. Python, its libraries and blocks of text take half a gigabyte, and what
DuckDB has in hand goes beyond its limit at times."""


@dataclass(frozen=True)
class Selection:
    """Which titles and which people of the dumps become the corpus.

    Attributes
    ----------
    types : tuple of str
        Types of titles, such as ``movie``, ``tvMovie``, ``short``; none for all.
    since, until : int or None
        First and last year; where one is given, titles without a year are left out.
    categories : tuple of str
        In which capacity people count, such as ``actor``, ``self``, ``director``; none for all.
    genres : tuple of str
        Titles that have at least one of these; none for all.
    adult : bool
        Whether titles for adults are taken too.
    min_movies : int
        An actor counts who plays in so many of the titles taken.
    min_cast : int
        A title is taken that has so many of the actors who count.
    """

    types: tuple[str, ...] = ("movie",)
    since: int | None = 2000
    until: int | None = 2022
    categories: tuple[str, ...] = ("actor", "actress")
    genres: tuple[str, ...] = ()
    adult: bool = False
    min_movies: int = 2
    min_cast: int = 1

    def __post_init__(self):
        for name in ("since", "until"):
            year = getattr(self, name)
            if year is not None and not 1 <= year <= 9999:
                raise ValueError(f"{name} is a year from 1 to 9999, not {year}")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError(f"no year is since {self.since} and until {self.until}")
        if self.min_movies < 1:
            raise ValueError(f"min-movies is at least 1, not {self.min_movies}")
        if self.min_cast < 0:
            raise ValueError(f"min-cast is at least 0, not {self.min_cast}")


EVERYTHING = Selection(
    types=(), since=None, until=None, categories=(), adult=True, min_movies=1, min_cast=0
)
"""All titles and all people."""


@dataclass
class Summary:
    """What an import read, kept and dropped.

    Attributes
    ----------
    counts : dict
        For each file and each step, in order, the number of its rows: of those read, each is
        kept or dropped for one reason.
    notes : dict
        Other things that were counted.
    problems : list of Problem
        The first lines that were set aside.
    n_movies, n_actors, n_credits : int
        The corpus.
    rounds : int
        How often the minima were applied until nothing changed.
    inputs : list of dict
        Name, size, hash and date of each file.
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
        lines, last = [], None
        for name, what, n in rows:
            lines.append(f"{'' if name == last else name:17} {n:>{width},}  {what}")
            last = name
        lines += [f"  {problem}" for problem in self.problems[:5]]
        return [
            *lines,
            f"corpus: {self.n_movies:,} movies, {self.n_actors:,} actors, "
            f"{self.n_credits:,} credits",
        ]


def import_dumps(
    folder: Path,
    target: Path,
    choice: Selection = Selection(),
    *,
    memory: int = MEMORY,
    threads: int | None = None,
) -> Summary:
    """Make a corpus file of the dumps in a folder, and ``<file>.source.json`` beside it.

    Titles are kept exactly as they stand. Movies are sorted by id, casts by ``ordering``; a person
    listed twice for one title counts once, and who is missing from ``name.basics`` is called by
    the id. `choice`'s minima are applied until nothing changes: what is left has both.

    Parameters
    ----------
    folder : path
        With ``title.basics``, ``title.principals``, ``name.basics`` and perhaps
        ``title.ratings``, each ``.tsv`` or ``.tsv.gz``.
    target : path
        The corpus file, gzip where it ends in ``.gz``; it appears when it is whole.
    choice : Selection
        What is taken.
    memory : int
        Bytes to stay below; what does not fit is put on the disk beside `target` meanwhile.
    threads : int, optional
        Threads of DuckDB; all cores by default.

    Returns
    -------
    Summary
        What was read, kept and dropped, and why.

    Raises
    ------
    CorpusError
        A file that is missing, damaged, or without a column; no title left.
    DatasetError
        A name that is none of a corpus file.
    OSError
        The corpus cannot be written.
    """
    target = Path(target)
    check_ending(target)
    summary = Summary()
    with _interruptible(), ExitStack() as stack:
        paths = find_dumps(folder)
        for name, path in paths.items():
            TsvFile(path, NEEDED[name]).check_header()
        work = stack.enter_context(beside(target, folder=True))
        total = sum(path.stat().st_size for path in paths.values())
        bar = stack.enter_context(
            tqdm(total=total, unit="B", unit_scale=True, disable=not sys.stderr.isatty())
        )
        base = stack.enter_context(_database(work, memory, threads))
        job = _Import(base, paths, choice, summary, bar)
        job.take_in()
        bar.set_description("writing")
        lines = hashlib.sha256()
        file = stack.enter_context(gzip_or_plain(target, level=6))
        for record in job.records():
            lines.update(record)
            file.write(record)
        about = _manifest(summary, choice, target) | {"sha256_of_lines": lines.hexdigest()}
        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        stack.enter_context(replacing(source_file(target))).write(text.encode())
    return summary


def source_file(target: Path) -> Path:
    """Return where the manifest of a corpus file lies."""
    return target.with_name(target.name + ".source.json")


def find_dumps(folder: Path) -> dict[str, Path]:
    """Return the path of each of the dumps in a folder; ``title.ratings`` may be missing.

    Raises
    ------
    CorpusError
        One of the other files is missing, or one is there plain and packed.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):  # noqa: PTH112 (also where a name is too long)
        raise CorpusError(f"{shown(folder)}: there is no such folder")
    found, missing = {}, []
    for name in FORMAT:
        here = [folder / f"{name}{end}" for end in (".tsv", ".tsv.gz")]
        here = [path for path in here if path.exists()]
        if len(here) > 1:
            raise CorpusError(
                f"{shown(folder)}: {name} is there twice, .tsv and .tsv.gz; remove one"
            )
        if here:
            found[name] = here[0]
        elif name != RATINGS:
            missing.append(f"{name}.tsv.gz")
    if missing:
        raise CorpusError(f"{shown(folder)}: there is no {' and no '.join(missing)} (or .tsv)")
    return found


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let an interruption be one, whatever error DuckDB and its stream make of it."""
    seen = []

    def noting(usual):
        def handle(number, frame):
            seen.append(number)
            usual(number, frame)

        return handle

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(usual := signal.getsignal(number)):
                before[number] = signal.signal(number, noting(usual))
    try:
        yield
    except Exception:
        if seen:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


@contextmanager
def _database(work: Path, memory: int, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory that spills into `work` and asks no network."""
    config = {
        "memory_limit": f"{int(memory * DUCKDB_SHARE) // 10**6}MB",
        "temp_directory": str(work / "spilled"),
        "threads": threads or os.cpu_count() or 1,
        "preserve_insertion_order": False,  # rows carry their line
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    base = duckdb.connect(":memory:", config=config)
    try:
        yield base
    except duckdb.OutOfMemoryException as error:
        what = str(error).partition("\n")[0]
        raise CorpusError(
            f"the memory or the disk does not suffice ({what}); give more with --memory"
        ) from None
    except duckdb.IOException as error:
        raise OSError(0, str(error).partition("\n")[0]) from None
    finally:
        base.close()


class _Import:
    """The tables of one import: titles, then credits, then the people and ratings of these."""

    def __init__(
        self,
        base: duckdb.DuckDBPyConnection,
        paths: dict[str, Path],
        choice: Selection,
        summary: Summary,
        bar: tqdm,
    ):
        self.base, self.paths, self.choice, self.summary, self.bar = (
            base, paths, choice, summary, bar,
        )  # fmt: skip

    def take_in(self) -> None:
        self._titles()
        self._credits()
        self._apply_minima()
        self._names()
        self._ratings()

    def _row(self, sql: str) -> tuple[int, ...]:
        return tuple(int(n or 0) for n in self.base.execute(sql).fetchall()[0])

    def _count(self, sql: str) -> int:
        return self._row(sql)[0]

    def _read(self, name: str, sql: str, batches: Iterable[pa.RecordBatch], file: TsvFile) -> None:
        """Carry out a statement that reads the table ``rows``: the batches of one file."""
        self.bar.set_description(name)
        rows = pa.RecordBatchReader.from_batches(file.schema, batches)
        self.base.register("rows", rows)
        try:
            self.base.execute(sql)
        except duckdb.Error:
            if file.failure:  # in its own words, not in DuckDB's
                raise file.failure from None
            raise
        finally:
            self.base.unregister("rows")
        steps = self.summary.counts.setdefault(name, {})
        steps["rows read"] = file.rows + file.set_aside.total()
        for what, n in sorted(file.set_aside.items()):
            steps[f"dropped: {what}"] = n
        self.summary.problems += file.problems
        stat = file.path.stat()
        date = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
        about = {"file": file.path.name, "bytes": stat.st_size, "sha256": file.sha256}
        self.summary.inputs.append(about | {"date": date})

    def _file(self, name: str) -> TsvFile:
        return TsvFile(self.paths[name], NEEDED[name], progress=self.bar.update)

    def _titles(self) -> None:
        file, choice, dropped = self._file(BASICS), self.choice, Counter()

        def candidates() -> Iterator[pa.RecordBatch]:
            for batch in file.batches():
                if choice.types:
                    of_type = pc.is_in(batch["titleType"], pa.array(choice.types))
                    batch = keep(batch, of_type, "of another type", dropped)
                if not choice.adult:
                    fit = pc.not_equal(pc.fill_null(batch["isAdult"], ""), "1")
                    batch = keep(batch, fit, "adult", dropped)
                yield batch

        text = "SELECT tconst, primaryTitle AS title, startYear, genres, line FROM rows"
        self._read(BASICS, f"CREATE TABLE candidates AS {text}", candidates(), file)
        ranged = choice.since is not None or choice.until is not None
        since, until = choice.since or 1, choice.until or 9999
        self.base.execute(
            r"""
            CREATE TABLE judged AS
            SELECT tconst, title, nullif(year, 0) AS year, genres, CASE
                WHEN coalesce(tconst, '') = '' THEN 'without an id'
                WHEN coalesce(title, '') = '' THEN 'without a title'
                WHEN length(tconst) > $most OR length(title) > $most THEN 'too long a text'
                WHEN regexp_matches(tconst, '[\x00-\x1f]') THEN 'a control character in the id'
                WHEN row_number() OVER (PARTITION BY tconst ORDER BY line) > 1
                    THEN 'an id that was there before'
                WHEN $ranged AND coalesce(year, 0) = 0 THEN 'without a year'
                WHEN $ranged AND year NOT BETWEEN $since AND $until THEN 'of another year'
                WHEN len($genres) > 0
                    AND NOT list_has_any(string_split(coalesce(genres, ''), ','), $genres)
                    THEN 'of another genre'
                END AS dropped,
                startYear IS NOT NULL AND coalesce(year, 0) = 0 AS odd_year
            FROM (
                SELECT *, CASE WHEN regexp_full_match(startYear, '[0-9]{1,4}')
                    THEN CAST(startYear AS INT) END AS year
                FROM candidates
            )
            """,
            {
                "ranged": ranged,
                "since": since,
                "until": until,
                "genres": list(choice.genres),
                "most": MAX_TEXT,
            },
        )
        reasons = self.base.execute(
            "SELECT dropped, count(*) FROM judged WHERE dropped IS NOT NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
        odd = self._count("SELECT count(*) FROM judged WHERE odd_year AND dropped IS NULL")
        self.base.execute(
            """
            CREATE TABLE titles AS
            SELECT tconst, title, year, genres FROM judged WHERE dropped IS NULL;
            DROP TABLE candidates;
            DROP TABLE judged
            """
        )
        self._drop(BASICS, dropped + Counter(dict(reasons)))
        self.summary.notes["titles whose year is no year: it counts as missing"] = odd

    def _drop(self, name: str, reasons: Counter) -> None:
        steps = self.summary.counts[name]
        for what, n in reasons.items():
            if n:
                steps[f"dropped: {what}"] = n

    def _credits(self) -> None:
        file, categories, dropped = self._file(PRINCIPALS), self.choice.categories, Counter()

        def wanted() -> Iterator[pa.RecordBatch]:
            for batch in file.batches():
                if categories:
                    as_asked = pc.is_in(batch["category"], pa.array(categories))
                    batch = keep(batch, as_asked, "in another category", dropped)
                somebody = pc.not_equal(pc.fill_null(batch["nconst"], ""), "")
                yield keep(batch, somebody, "without a person", dropped)

        self._read(
            PRINCIPALS,
            """
            CREATE TABLE credits AS
            SELECT tconst, nconst, min(TRY_CAST(ordering AS INT)) AS ordering, min(line) AS line,
                count(*) AS n
            FROM rows SEMI JOIN titles USING (tconst) GROUP BY tconst, nconst
            """,
            wanted(),
            file,
        )
        of_titles = self._count("SELECT sum(n) FROM credits")
        dropped["of a title that is not taken"] = file.rows - dropped.total() - of_titles
        sound = r"length(nconst) < 100 AND NOT regexp_matches(nconst, '[\x00-\x1f]')"
        unsound = self._count(f"SELECT sum(n) FROM credits WHERE NOT ({sound})")
        if unsound:
            self.base.execute(f"DELETE FROM credits WHERE NOT ({sound})")
        dropped["an id that is none"] = unsound
        n_credits = self._count("SELECT count(*) FROM credits")
        dropped["a person again in one title"] = of_titles - unsound - n_credits
        self._drop(PRINCIPALS, dropped)

    def _apply_minima(self) -> None:
        """Leave out actors with too few movies and movies with too few actors, until none is."""
        n_titles = self._count("SELECT count(*) FROM titles")
        n_credits = self._count("SELECT count(*) FROM credits")
        few = {"nconst": self.choice.min_movies, "tconst": self.choice.min_cast}
        left, before = n_credits, None
        while left != before and max(few.values()) > 1:
            before = left
            self.summary.rounds += 1
            for who, least in few.items():
                if least > 1:
                    self.base.execute(
                        f"""
                        CREATE OR REPLACE TABLE credits AS
                        SELECT * FROM credits
                        SEMI JOIN (SELECT {who} FROM credits GROUP BY 1 HAVING count(*) >= $least)
                        USING ({who})
                        """,
                        {"least": least},
                    )
            left = self._count("SELECT count(*) FROM credits")
        if self.choice.min_cast:
            self.base.execute(
                """
                CREATE OR REPLACE TABLE titles AS
                SELECT * FROM titles SEMI JOIN credits USING (tconst)
                """
            )
        summary = self.summary
        summary.n_movies, summary.n_credits = self._count("SELECT count(*) FROM titles"), left
        summary.n_actors = self._count("SELECT count(DISTINCT nconst) FROM credits")
        self._drop(BASICS, Counter({"with too small a cast": n_titles - summary.n_movies}))
        few_movies = f"of an actor with fewer than {self.choice.min_movies} movies"
        self._drop(PRINCIPALS, Counter({f"{few_movies}, or of such a title": n_credits - left}))
        summary.counts[BASICS]["kept"] = summary.n_movies
        summary.counts[PRINCIPALS]["kept"] = left
        if not summary.n_movies:
            why = "; ".join(f"{n:,} {what}" for what, n in summary.counts[BASICS].items())
            raise CorpusError(f"no title is left ({why}); choose less narrowly")

    def _names(self) -> None:
        self.base.execute("CREATE TABLE people AS SELECT DISTINCT nconst FROM credits")
        file = self._file(NAMES)
        self._read(
            NAMES,
            """
            CREATE TABLE names AS
            SELECT nconst, arg_min(primaryName, line) AS name, count(*) AS n
            FROM rows SEMI JOIN people USING (nconst) GROUP BY nconst
            """,
            file.batches(),
            file,
        )
        n_known, n_rows = self._row("SELECT count(*), sum(n) FROM names")
        again = n_rows - n_known
        other = {"not an actor of the corpus": file.rows - n_rows}
        self._drop(NAMES, Counter(other | {"an id that was there before": again}))
        self.summary.counts[NAMES]["kept"] = n_known
        unnamed = self._count(
            "SELECT count(*) FROM names "
            f"WHERE coalesce(length(name), 0) NOT BETWEEN 1 AND {MAX_TEXT}"
        )
        self.summary.notes["actors without a name: called by their id"] = (
            self.summary.n_actors - n_known + unnamed
        )

    def _ratings(self) -> None:
        self.base.execute(
            """
            CREATE TABLE ratings
            (tconst VARCHAR, rating DOUBLE, votes BIGINT, n BIGINT, odd BIGINT)
            """
        )
        if RATINGS in self.paths:
            file = self._file(RATINGS)
            self._read(
                RATINGS,
                """
                INSERT INTO ratings
                SELECT tconst,
                    arg_min_null(CASE WHEN rating BETWEEN 0 AND 10 THEN rating END, line),
                    arg_min_null(CASE WHEN votes >= 0 THEN votes END, line),
                    count(*),
                    count(*) FILTER (NOT coalesce(rating BETWEEN 0 AND 10, averageRating IS NULL)
                        OR NOT coalesce(votes >= 0, numVotes IS NULL))
                FROM (
                    SELECT *, TRY_CAST(averageRating AS DOUBLE) AS rating,
                        CASE WHEN regexp_full_match(numVotes, '[0-9]+')
                        THEN TRY_CAST(numVotes AS BIGINT) END AS votes
                    FROM rows SEMI JOIN titles USING (tconst)
                ) GROUP BY tconst
                """,
                file.batches(),
                file,
            )
            n_rated, n_rows, odd = self._row("SELECT count(*), sum(n), sum(odd) FROM ratings")
            other = {"of a title that is not taken": file.rows - n_rows}
            again = {"an id that was there before": n_rows - n_rated}
            self._drop(RATINGS, Counter(other | again))
            self.summary.counts[RATINGS]["kept"] = n_rated
            self.summary.notes["ratings that are no rating: they count as missing"] = odd
        else:
            self.summary.notes["title.ratings is not there: movies without a rating"] = (
                self.summary.n_movies
            )

    def records(self) -> Iterator[bytes]:
        """Yield the lines of the corpus, movies sorted by id, casts in the order of the list."""
        casts = self.base.cursor().sql(
            f"""
            SELECT c.nconst,
                CASE WHEN length(name) BETWEEN 1 AND {MAX_TEXT} THEN name ELSE c.nconst END
            FROM credits c LEFT JOIN names USING (nconst)
            ORDER BY c.tconst, c.ordering NULLS LAST, c.line
            """
        )
        movies = self.base.sql(
            """
            SELECT tconst, title, coalesce(genres, ''), coalesce(n_cast, 0), year, rating, votes
            FROM titles
            LEFT JOIN (SELECT tconst, count(*) AS n_cast FROM credits GROUP BY 1) USING (tconst)
            LEFT JOIN ratings USING (tconst)
            ORDER BY tconst
            """
        )
        pairs = _rows(casts)
        for movie_id, title, genres, n_cast, year, rating, votes in _rows(movies):
            of_movie = [genre for genre in dict.fromkeys(genres.split(",")) if genre not in NONE]
            cast = list(islice(pairs, n_cast))
            yield encode_movie(
                movie_id, title, of_movie, cast, year=year, rating=rating, votes=votes
            )


NONE = ("", NULL)
"""Entries of a list of genres that are no genre."""


def _rows(relation: duckdb.DuckDBPyRelation) -> Iterator[tuple]:
    batches = relation.to_arrow_reader(50_000)
    columns = ([column.to_pylist() for column in batch.columns] for batch in batches)
    return chain.from_iterable(zip(*batch, strict=True) for batch in columns)


def _manifest(summary: Summary, choice: Selection, target: Path) -> dict:
    return {
        "licence": IMDB_DUMPS.licence,
        "url": IMDB_DUMPS.url,
        "made_by": f"imdbclust {__version__}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "file": target.name,
        "inputs": summary.inputs,
        "options": asdict(choice),
        "counts": summary.counts,
        "notes": summary.notes,
        "rounds": summary.rounds,
        "corpus": {
            "movies": summary.n_movies, "actors": summary.n_actors, "credits": summary.n_credits,
        },
        "problems": [str(problem) for problem in summary.problems],
    }  # fmt: skip


class DumpWriter:
    """Write the four files in IMDb's format; as a context, they appear together at its end.

    Parameters
    ----------
    folder : path
        Where they go; it is made if it is not there.
    zipped : bool
        ``.tsv.gz``, as IMDb has them, or ``.tsv``.
    """

    def __init__(self, folder: Path, *, zipped: bool = True):
        self.folder, self._zipped = Path(folder), zipped
        self._stack = ExitStack()

    def __enter__(self) -> DumpWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._files = {}
            for name, columns in FORMAT.items():
                path = self.folder / f"{name}.tsv{'.gz' if self._zipped else ''}"
                self._files[name] = stack.enter_context(gzip_or_plain(path, level=5))
                self._files[name].write("\t".join(columns).encode() + b"\n")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self._stack.__exit__(*error)

    def write(self, name: str, *columns: Sequence[str] | str) -> None:
        """Add rows to one file.

        Parameters
        ----------
        name : str
            One of `FORMAT`.
        columns : sequences of str, or str
            In the file's order; one text stands for a whole column of it.
        """
        n_rows = next(len(column) for column in columns if not isinstance(column, str))
        full = [[column] * n_rows if isinstance(column, str) else column for column in columns]
        if n_rows:
            lines = "\n".join(map("\t".join, zip(*full, strict=True)))
            self._files[name].write(lines.encode() + b"\n")


def write_dumps(corpus: Corpus, folder: Path, *, zipped: bool = True) -> None:
    """Write a corpus as four files in IMDb's format: movies, and all actors as ``actor``.

    Importing them again with :data:`EVERYTHING` gives the same corpus, movies sorted by id.

    Raises
    ------
    ValueError
        A text that this format cannot hold, which knows no quotes: one with a tab or an end of a
        line in it, the empty one, the null, or a genre with a comma.
    """
    movies, credits = corpus.movies, corpus.credits
    for texts in (movies["movie_id"], movies["title"], *corpus.actors.items()):
        texts = texts[1] if isinstance(texts, tuple) else texts
        _check_texts(texts.tolist())
    genre_names = corpus.genres["genre"].cat.categories.tolist()
    _check_texts(genre_names, also=",")
    joined = corpus.genres.astype({"genre": str}).groupby("movie")["genre"].agg(",".join)
    genres = joined.reindex(range(corpus.n_movies), fill_value=NULL).tolist()
    ids = movies["movie_id"].tolist()
    titles, actor_ids = movies["title"].tolist(), corpus.actors["actor_id"].tolist()
    starts = pd.Series(range(len(credits))).groupby(credits["movie"].to_numpy()).cumcount() + 1
    with DumpWriter(folder, zipped=zipped) as files:
        files.write(
            BASICS, ids, "movie", titles, titles, "0", _texts(movies["year"]), NULL, NULL, genres
        )
        files.write(
            PRINCIPALS,
            [ids[movie] for movie in credits["movie"]],
            [str(place) for place in starts],
            [actor_ids[actor] for actor in credits["actor"]],
            "actor",
            NULL,
            NULL,
        )
        names = corpus.actors["name"].tolist()
        files.write(NAMES, actor_ids, names, NULL, NULL, "actor", NULL)
        rated = movies[movies["rating"].notna() | movies["votes"].notna()]
        files.write(
            RATINGS, rated["movie_id"].tolist(), _texts(rated["rating"]), _texts(rated["votes"])
        )


def _texts(numbers: pd.Series) -> list[str]:
    return [NULL if pd.isna(number) else str(number) for number in numbers]


def _check_texts(texts: list[str], also: str = "") -> None:
    for text in texts:
        if text in NONE or any(sign in text for sign in "\t\n\r\0" + also):
            raise ValueError(f"the dumps' format cannot hold the text {text!r}")
