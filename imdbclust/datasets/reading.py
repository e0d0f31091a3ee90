"""Read film files of any kind as a corpus, and judge whether the films can be what was meant."""

from __future__ import annotations

import json
import os
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import msgspec
import pandas as pd
import yaml
from msgspec.structs import replace as replace_struct

from imdbclust.base.disk import replacing
from imdbclust.base.errors import UserError
from imdbclust.base.text import counted, shown
from imdbclust.datasets.assemble import corpus_of
from imdbclust.datasets.columns import NAMES, Columns, guess, recognise
from imdbclust.datasets.kinds import NO_TABLES, PARQUET, SQLITE, read_tables
from imdbclust.datasets.part import Part, select
from imdbclust.datasets.relations import is_graph, join
from imdbclust.datasets.tables import Reading, Table, plain
from imdbclust.films.corpus_files import read_licence
from imdbclust.films.frames import merged_tables
from imdbclust.films.opening import open_films
from imdbclust.films.problems import CorpusError, ProblemLog, check_on_problem
from imdbclust.films.values import dated, decode_json
from imdbclust.load import Corpus, read_corpus

MANY = 20  # number of movies from which shares are judged


class DoubtfulFilms(CorpusError):
    """The films were read, but they are hardly what was meant; the message says why."""


@dataclass
class Films:
    """Films as they were read: the corpus, its doubts, and what columns were taken for.

    `tables` are those of the files; `joined` is whether they were joined by their keys.
    """

    corpus: Corpus
    doubts: list[str] = field(default_factory=list)
    tables: list[Columns] = field(default_factory=list)
    joined: bool = False

    def stop_if_doubtful(self) -> None:
        """Raise `DoubtfulFilms` if the films are hardly what was meant."""
        if self.doubts:
            raise DoubtfulFilms(
                "\n".join([*self.doubts, "If the films are right as they are, use --accept."])
            )


def read_films(
    *files: str | Path,
    how: Reading | None = None,
    part: Part | None = None,
    accept: bool = False,
    on_problem: str = "stop",
    problem_log: ProblemLog | None = None,
) -> Corpus:
    """Read film files of any kind as one corpus.

    Parameters
    ----------
    *files : path
        Files, folders or databases: CSV, TSV, lines with slashes, JSON, parquet, xlsx, SQLite,
        DuckDB, GraphML, plain or compressed. The content decides, not the name's ending. Tables of
        movies, people and credits are joined by their keys; files that have casts of their own are
        merged.
    how : Reading, optional
        How to read them; what is not given is guessed.
    part : Part, optional
        Which films to keep.
    accept : bool
        Whether to return films that are hardly what was meant.
    on_problem : {"stop", "skip"}
        For unusable rows: raise an error that lists them, or set them aside.
    problem_log : ProblemLog, optional
        Collects the rows set aside, changes and guesses.

    Raises
    ------
    CorpusError
        A file holds no films, cannot be read or has unusable rows; the message says what it is and
        what to do.
    DoubtfulFilms
        The films are hardly what was meant, such as whole casts read as one actor.
    """
    log = problem_log or ProblemLog()
    films = examine([Path(file) for file in files], how or Reading(), log, on_problem=on_problem)
    if not accept:
        films.stop_if_doubtful()
    columns = [row for one in films.tables for row in one.described()]
    source = films.corpus.source | {"columns": columns, "guesses": log.guesses}
    corpus = replace(films.corpus, source=source)
    return select(corpus, part) if part else corpus


def examine(
    files: Sequence[Path], how: Reading, log: ProblemLog, *, on_problem: str = "skip"
) -> Films:
    """Read film files as one corpus and judge it; errors are those of :func:`read_films`."""
    check_on_problem(on_problem)
    files = [one if one.name not in ("", "..") else one.resolve() for one in files]  # . has no name
    if len(files) == 1:
        log.file = shown(files[0].name)
    units: list[tuple[int, str, Corpus]] = []  # place of the file, name, films
    tables: list[tuple[int, Table]] = []
    columns: list[Columns] = []
    logs: list[ProblemLog] = []
    try:
        for place, path in enumerate(files):
            if _is_corpus_file(path):
                logs.append(found := ProblemLog(shown(path.name)))
                corpus = read_corpus(path, on_problem=on_problem, problem_log=found, loose=True)
                notes = corpus.notes | {"rows_set_aside": len(corpus.problems)}
                corpus = replace(corpus, notes=notes, source=read_licence(path))
                units.append((place, found.file, corpus))
            else:
                tables += [(place, table) for table in read_tables(path, how)]
        logs += [table.log for _, table in tables]
        for place, found in _recognised(tables, how, shown(files[0].name), on_problem):
            columns.append(found)
            logs += [found.table.log] * bool(found.joined)
            units.append((place, found.table.name, corpus_of(found, how, on_problem)))
    finally:
        for found in logs:
            log.add(found)
    _, names, corpora = zip(*sorted(units, key=lambda unit: unit[0]), strict=True)
    doubts = _shared_under_other_ids(corpora, names)
    corpus, n_movies = corpora[0], sum(one.n_movies for one in corpora)
    if len(corpora) > 1:
        corpus = corpus.merge(*corpora[1:], names=names, problem_log=log)
    if how.unify:
        corpus = _unified(corpus, how.unify, log)
    again = corpus.notes.get("repeated_movies", 0) + n_movies - corpus.n_movies
    corpus = replace(corpus, notes=corpus.notes | {"repeated_movies": again})
    parts = [part for one in columns for part in one.joined or [one]]
    return Films(corpus, doubts or doubts_about(corpus), parts, any(one.joined for one in columns))


def _is_corpus_file(path: Path) -> bool:
    """Return whether a file has JSON lines for :func:`imdbclust.load.read_corpus`."""
    named_so = path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson"))
    if os.path.isdir(path):  # noqa: PTH112 (a name may be too long)
        return False
    try:
        with open_films(path) as file:
            lines = [file.readline(2**20).removeprefix(BOM_UTF8).strip() for _ in range(20)]
    except CorpusError:
        if named_so:
            raise
        return False
    for line in lines:
        with suppress(ValueError):
            record = decode_json(line)
            if isinstance(record, list):
                return False
            if isinstance(record, dict) and record.keys() & {"imdb_id", "title", "name", "Title"}:
                others = {plain(key) for key in record} & {*NAMES["actor"].split(), "credits"}
                ours = record.keys() >= {"imdb_id", "title"} and others <= {"actors"}
                return ours and not isinstance(record["imdb_id"], dict)
    first = next(filter(None, lines), b"")
    other = first.startswith((b"<", b"[", PARQUET, SQLITE, *NO_TABLES))
    return named_so and not other and (first[:1] == b"{" or not {*b",\t"} & {*first})


def _recognised(
    tables: Sequence[tuple[int, Table]], how: Reading, name: str, on_problem: str
) -> Sequence[tuple[int, Columns]]:
    """Return the tables that have films and casts; others are joined to them by their keys."""

    def guessed(table: Table, *, only: bool) -> Columns:
        given = how.columns
        if how.tables:
            given = dict.fromkeys(NAMES, ()) | how.tables.get(table.name, {})
        elif only:  # the columns that it has
            given = {key: names for key, names in given.items() if {*names} <= {*table.names}}
        return guess(table, given)

    if len(tables) == 1 and not is_graph(tables[0][1]):
        return [(tables[0][0], recognise(guessed(tables[0][1], only=False)))]
    found = [(place, guessed(table, only=True)) for place, table in tables]
    complete = [one for one in found if "title" in one[1] and "actor" in one[1]]
    if len(complete) < 2 and len(complete) < len(tables):
        for _, table in tables:
            table.log.stop_if(on_problem)
        return [(tables[0][0], join([one for _, one in found], name, how))]
    if unused := [one[1].table.name for one in found if one not in complete]:
        complete[0][1].table.log.guess(f"tables that are not used: {', '.join(unused)}")
    return [(place, recognise(guessed(one.table, only=False))) for place, one in complete]


# Spellings


def _unified(corpus: Corpus, unify: Mapping[str, Mapping[str, str]], log: ProblemLog) -> Corpus:
    """Return a corpus in which other spellings, or ids, are replaced by the ones that stay."""
    movies, actors = corpus.movies, corpus.actors
    genres = corpus.genres.assign(genre=corpus.genres["genre"].astype("str"))
    known = {
        "actors": {*actors["actor_id"], *actors["name"]},
        "titles": {*movies["movie_id"], *movies["title"]},
        "genres": set(genres["genre"]),
    }
    for what, spellings in unify.items():
        for spelling, kept in spellings.items():
            if spelling in known[what]:
                log.note("unified", 0, what, f"{spelling!r} was replaced by {kept!r}")
    of_actors, of_titles, of_genres = (dict(unify.get(key, {})) for key in known)
    ids, title, year = movies["movie_id"], movies["title"], movies["year"]
    new = title.replace(of_titles)
    ids = ids.mask(ids == dated(title, year), dated(new, year)).replace(of_titles)
    part = {"movies": movies.assign(movie_id=ids, title=new), "actors": actors.replace(of_actors)}
    part |= {"credits": corpus.credits, "genres": genres.replace({"genre": of_genres})}
    return replace(corpus, **merged_tables([part], [""], ProblemLog()))


# Doubts


def doubts_about(corpus: Corpus) -> list[str]:
    """Return why films are hardly what was meant, as sentences."""
    doubts = []
    n_bad, n_records = (corpus.notes.get(key, 0) for key in ("rows_set_aside", "records"))
    n_kept = n_records - n_bad
    if n_bad > n_kept:
        doubts.append(f"{counted(n_bad, 'row')} cannot be used, more than the {n_kept:,} that can")
    if corpus.n_movies < MANY:
        return doubts
    casts, careers = corpus.cast_sizes(), corpus.movies_per_actor()
    n_cast = int((casts > 0).sum())
    single, once = int((casts == 1).sum()), int((careers == 1).sum())
    if single > 0.9 * n_cast and once > 0.9 * corpus.n_actors:
        doubts.append(
            f"{single:,} of {counted(n_cast, 'movie')} have one actor, and {once:,} of "
            f"{counted(corpus.n_actors, 'actor')} play in one movie; if a cell holds several "
            f"actors, such as {corpus.actors['name'][0]!r}, set --actor-separator"
        )
    known = corpus.movies[corpus.movies["year"].notna()]
    shared = known.duplicated(["title", "year"], keep=False)
    if shared.sum() > 0.02 * corpus.n_movies:
        doubts.append(
            f"{counted(int(shared.sum()), 'movie')} of {corpus.n_movies:,} share title and year "
            f"with another id: {_some(known[shared])}; is the column of movie ids right?"
        )
    return doubts


def _shared_under_other_ids(corpora: Sequence[Corpus], names: Sequence[str]) -> list[str]:
    """Return for each two files which movies are in both under other ids, if many are."""
    doubts = []
    for (one, name), (other, other_name) in combinations(zip(corpora, names, strict=True), 2):
        both = one.movies.merge(other.movies.dropna(subset="year"), on=["title", "year"])
        both = both[both["movie_id_x"] != both["movie_id_y"]]
        both = both[~both["movie_id_x"].isin(other.movies["movie_id"])]
        both = both.drop_duplicates("movie_id_x")
        if len(both) and len(both) >= 0.05 * min(one.n_movies, other.n_movies):
            doubts.append(
                f"{counted(len(both), 'movie')} are in {name} and in {other_name} under other ids: "
                f"{_some(both)}"
            )
    return doubts


def _some(movies: pd.DataFrame) -> str:
    titles = dated(movies["title"], movies["year"]).head(5).unique()
    return ", ".join(titles) + ", …" * (len(movies) > 5)


# Mappings


def read_mapping(path: Path, *, unify: bool = False) -> Reading:
    """Read a file that :func:`write_mapping` wrote, or one of spellings to `unify`.

    A file that cannot be read or is invalid is a UserError.
    """
    name = shown(path.name)
    try:
        text = path.read_text(encoding="utf-8")
        about = yaml.BaseLoader(text).get_single_data()  # texts only
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{name}: not YAML: {str(error).splitlines()[0]}") from None
    return mapping_of({"unify": about} if unify else about, name)


def mapping_of(about: object, name: str) -> Reading:
    """Return how to read files from a mapping; UserError if it is invalid."""
    try:
        return msgspec.convert(about, Reading)
    except UnicodeEncodeError:  # of a key
        raise UserError(f"{name}: a key has an unpaired surrogate") from None
    except msgspec.ValidationError as error:
        raise UserError(f"{name}: not a mapping for film files: {error}") from None


def write_mapping(path: Path, how: Reading, films: Films) -> None:
    """Write how files were read, guesses included, as YAML that repeats it."""

    def same(values: Iterable[Mapping[str, str]], key: str) -> str | None:
        found = {one.get(key) for one in values}
        return found.pop() if len(found) == 1 else None

    tables, texts = films.tables, [one.table.read_as for one in films.tables]
    more = {key: same(texts, key) for key in ("separator", "quote", "encoding")}
    for key, what in (("actor_separator", "actors"), ("genre_separator", "genres")):
        more[key] = same((one.separators for one in tables), what)
    more = {key: one for key, one in more.items() if one}
    columns = {one.table.name: {k: list(v) for k, v in one.chosen.items()} for one in tables}
    if len(columns) == 1 and not films.joined:
        more["columns"] = {key: [] for key in NAMES} | columns.popitem()[1]
    elif columns:
        more |= {"columns": {}, "tables": columns}
    how = replace_struct(how, **more)
    text = json.dumps(msgspec.to_builtins(how), indent=1, ensure_ascii=False)
    with replacing(path) as file:
        file.write(f"{text}\n".encode())
