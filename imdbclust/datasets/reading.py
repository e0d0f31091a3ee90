"""Read film files of any kind as a corpus, and judge whether the films can be what was meant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from msgspec.structs import replace as replace_struct

from imdbclust.base.errors import UserError
from imdbclust.base.text import counted, shown
from imdbclust.datasets.assemble import columns_of, corpus_of
from imdbclust.datasets.columns import NAMES, Columns
from imdbclust.datasets.kinds import NO_TABLES, SQLITE, read_tables
from imdbclust.datasets.part import Part, select
from imdbclust.datasets.relations import is_complete, is_graph, join
from imdbclust.datasets.tables import TEXT, Reading, Table, plain
from imdbclust.films.corpus_files import read_licence
from imdbclust.films.frames import merged_tables
from imdbclust.films.opening import open_films
from imdbclust.films.problems import CorpusError, ProblemLog, check_on_problem
from imdbclust.films.values import decode_json, fold_all, plain_key
from imdbclust.load import Corpus, read_corpus

MANY = 20  # number of movies from which shares are judged


class DoubtfulFilms(CorpusError):
    """The films were read, but they are hardly what was meant; the message says why."""


@dataclass
class Films:
    """Films as they were read: the corpus, its doubts, and what columns were taken for."""

    corpus: Corpus
    doubts: list[str] = field(default_factory=list)
    tables: list[Columns] = field(default_factory=list)

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
    return select(films.corpus, part) if part else films.corpus


def examine(
    files: Sequence[Path], how: Reading, log: ProblemLog, *, on_problem: str = "skip"
) -> Films:
    """Read film files as one corpus and judge it; errors are those of :func:`read_films`."""
    check_on_problem(on_problem)
    files = [one if one.name not in ("", "..") else one.resolve() for one in files]  # . has no name
    if len(files) == 1:
        log.file = shown(files[0].name)
    units: list[tuple[int, str, Corpus]] = []  # place of the file, name, films
    loose: list[tuple[int, Table]] = []
    columns: list[Columns] = []
    with _logs(log) as logs:
        for place, path in enumerate(files):
            logs.append(found := ProblemLog(shown(path.name)))
            if _is_corpus_file(path):
                corpus = read_corpus(path, on_problem=on_problem, problem_log=found, loose=True)
                notes = corpus.notes | {"rows_set_aside": len(corpus.problems)}
                about = {"notes": notes, "source": read_licence(path)}
                units.append((place, found.file, replace(_folded(corpus, found), **about)))
                continue
            for table in read_tables(path, how, found):
                table.log = found
                loose.append((place, table))
        for place, table in _whole_tables(loose, shown(files[0].name), how, log):
            if table.log is None:  # joined of the others
                for one in logs:
                    one.stop_if(on_problem)
                logs.append(ProblemLog())
                how = replace_struct(how, columns={k: v for k, v in how.columns.items() if not v})
            found = table.log or logs[-1]
            found.file = table.name
            for guess in table.guesses:
                found.guess(guess)
            columns.append(columns_of(table, how))
            for column, why in columns[-1].refused.items():
                found.guess(f"{column}: {why}")
            corpus = corpus_of(table, columns[-1], how, found, on_problem=on_problem)
            units.append((place, table.name, corpus))
    _, names, corpora = zip(*sorted(units, key=lambda unit: unit[0]), strict=True)
    doubts = _shared_under_other_ids(corpora, names)
    corpus, n_movies = corpora[0], sum(one.n_movies for one in corpora)
    if len(corpora) > 1:
        corpus = corpus.merge(*corpora[1:], names=names, problem_log=log)
    if how.unify:
        corpus = _unified(corpus, how.unify, log)
    again = corpus.notes.get("repeated_movies", 0) + n_movies - corpus.n_movies
    corpus = replace(corpus, notes=corpus.notes | {"repeated_movies": again})
    return Films(corpus, doubts or doubts_about(corpus), columns)


@contextmanager
def _logs(log: ProblemLog) -> Iterator[list[ProblemLog]]:
    """Collect the problems of several files, also if one of them cannot be used."""
    logs: list[ProblemLog] = []
    try:
        yield logs
    finally:
        for found in logs:
            log.add(found)


def _is_corpus_file(path: Path) -> bool:
    """Return whether a file has JSON lines for :func:`imdbclust.load.read_corpus`."""
    named_so = path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson"))
    if os.path.isdir(path):  # noqa: PTH112 (a name may be too long)
        return False
    try:
        with open_films(path) as file:
            lines = [file.readline(2**20) for _ in range(20)]
    except CorpusError:
        if named_so:
            raise
        return False
    lines = [line.removeprefix(b"\xef\xbb\xbf").strip() for line in lines]
    lines = [line for line in lines if line]
    if lines and lines[0].startswith((b"<", b"PAR1", SQLITE, *NO_TABLES)):
        return False
    for line in lines:
        try:
            record = decode_json(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.keys() & {"imdb_id", "title", "name", "Title"}:
            others = {plain(key) for key in record} & {*NAMES["actor"].split(), "credits"}
            ours = record.keys() >= {"imdb_id", "title"} and others <= {"actors"}
            return ours and not isinstance(record["imdb_id"], dict)
        if isinstance(record, list):
            return False
    return named_so and not any(mark in line for line in lines[:1] for mark in (b",", b"\t"))


def _whole_tables(
    tables: Sequence[tuple[int, Table]], name: str, how: Reading, log: ProblemLog
) -> Sequence[tuple[int, Table]]:
    """Return the tables that have films and casts; others are joined to them by their keys."""
    if len(tables) == 1 and not is_graph(tables[0][1]):
        return tables
    complete = [(place, table) for place, table in tables if is_complete(table, how)]
    if len(complete) < 2 and len(complete) < len(tables):
        return [(tables[0][0], join([table for _, table in tables], name, how, log))]
    if unused := [table.name for place, table in tables if (place, table) not in complete]:
        log.guess(f"tables that are not used: {', '.join(unused)}")
    return complete


def _folded(corpus: Corpus, log: ProblemLog) -> Corpus:
    """Return a corpus with the names of actors and genres folded; ids stay."""
    names, changed = fold_all(pa.array(corpus.actors["name"], TEXT))
    for row in np.flatnonzero(changed.to_numpy(False)):
        log.note("folded_names", 0, "actors", f"{corpus.actors['name'][row]!r} was folded")
    corpus = replace(
        corpus, actors=corpus.actors.assign(name=names.to_pandas().astype("str").to_numpy())
    )
    genres = pa.array(corpus.genres["genre"].cat.categories.astype("str"), TEXT)
    folded, changed = fold_all(genres)
    if not changed.to_numpy(False).any():
        return corpus
    spelling = dict(zip(genres.to_pylist(), folded.to_pylist(), strict=True))
    for one in genres.filter(changed).to_pylist():
        log.note("folded_genres", 0, "genres", f"{one!r} was folded")
    return _renamed(corpus, {"genres": spelling})


# Spellings


def _unified(corpus: Corpus, unify: Mapping[str, Mapping[str, str]], log: ProblemLog) -> Corpus:
    """Return a corpus in which other spellings, or ids, are replaced by the ones that stay."""
    known = {
        "actors": {*corpus.actors["actor_id"], *corpus.actors["name"]},
        "titles": {*corpus.movies["movie_id"], *corpus.movies["title"]},
        "genres": set(corpus.genres["genre"].astype("str")),
    }
    for what, spellings in unify.items():
        for spelling, kept in spellings.items():
            if spelling in known[what]:
                log.note("unified", 0, what, f"{spelling!r} was replaced by {kept!r}")
    return _renamed(corpus, unify)


def _renamed(corpus: Corpus, spellings: Mapping[str, Mapping[str, str]]) -> Corpus:
    movies, actors = corpus.movies.copy(), corpus.actors.copy()
    titles, people = spellings.get("titles", {}), spellings.get("actors", {})
    new = movies["title"].replace(dict(titles))
    dated = movies["title"] + " (" + movies["year"].astype("str") + ")"
    own = (movies["movie_id"] == dated) | (movies["movie_id"] == movies["title"])
    ids = (new + " (" + movies["year"].astype("str") + ")").where(movies["year"].notna(), new)
    movies["movie_id"] = movies["movie_id"].mask(own, ids).replace(dict(titles)).astype("str")
    movies["title"] = new.astype("str")
    for column in ("actor_id", "name"):
        actors[column] = actors[column].replace(dict(people)).astype("str")
    genres = corpus.genres.assign(
        genre=corpus.genres["genre"].astype("str").replace(dict(spellings.get("genres", {})))
    )
    genres["genre"] = genres["genre"].astype("category")
    part = {"movies": movies, "actors": actors, "credits": corpus.credits, "genres": genres}
    return replace(corpus, **merged_tables([part], [""], ProblemLog()))


def note_alike(corpus: Corpus, log: ProblemLog) -> None:
    """Note names, titles and genres that differ in case or accents only; they are kept."""
    year = corpus.movies["year"].astype("str").fillna("")
    genres = pd.Series(corpus.genres["genre"].cat.categories, dtype="str")
    for kind, field_name, texts, group in (
        ("names_alike", "actors", corpus.actors["name"], ""),
        ("titles_alike", "title", corpus.movies["title"], year),
        ("genres_alike", "genres", genres, ""),
    ):
        keys = plain_key(pa.array(texts, TEXT)).to_pandas().astype("str")
        if kind == "genres_alike":
            keys = keys.str.removesuffix("s")
        frame = pd.DataFrame({"text": texts.to_numpy(), "key": keys.to_numpy(), "group": group})
        frame = frame.drop_duplicates()
        first = frame.groupby(["key", "group"])["text"].transform("first")
        other = frame.assign(first=first)[first != frame["text"]]
        for text, kept in zip(other["text"], other["first"], strict=True):
            log.note(kind, 0, field_name, f"{text!r} is spelled like {kept!r}; they count as two")


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
    dated = corpus.movies[corpus.movies["year"].notna()]
    shared = dated.duplicated(["title", "year"], keep=False)
    if shared.sum() > 0.02 * corpus.n_movies:
        doubts.append(
            f"{counted(int(shared.sum()), 'movie')} of {corpus.n_movies:,} share title and year "
            f"with another id: {_some(dated[shared])}; is the column of movie ids right?"
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
    titles = [f"{one.title} ({one.year})" for one in movies.head(5).itertuples()]
    titles = list(dict.fromkeys(titles))
    return ", ".join(titles) + ", …" * (len(movies) > 5)


# Mappings


def read_mapping(path: Path, *, unify: bool = False) -> Reading:
    """Read a file that :func:`write_mapping` wrote, or one of spellings to `unify`.

    A file that cannot be read or is invalid is a UserError.
    """
    name = shown(path.name)
    try:
        text = path.read_text(encoding="utf-8")
        about = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (it makes texts only)
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{name}: not YAML: {str(error).splitlines()[0]}") from None
    return mapping_of({"unify": about} if unify else about, name)


def mapping_of(about: object, name: str) -> Reading:
    """Return how to read files from a mapping; UserError if it is invalid."""
    try:
        return msgspec.convert(about, Reading)
    except msgspec.ValidationError as error:
        raise UserError(f"{name}: not a mapping for film files: {error}") from None


def write_mapping(path: Path, how: Reading, films: Films) -> None:
    """Write how files were read, guesses included, as YAML that repeats it."""
    if len(films.tables) == 1:
        found = films.tables[0]
        columns = {key: list(found.chosen.get(key, ())) for key in NAMES}
        items = {"actor_separator": "actors", "genre_separator": "genres"}
        more = {key: found.separators.get(what) for key, what in items.items()}
        how = replace_struct(how, columns=columns, separator=found.table.separator, **more)
    text = json.dumps(msgspec.to_builtins(how), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
