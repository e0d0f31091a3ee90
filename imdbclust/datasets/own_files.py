"""The user's own files: check them, convert a table to a corpus file, merge corpus files."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from imdbclust.base.disk import replacing
from imdbclust.base.text import counted, shown
from imdbclust.datasets.part import Part, select
from imdbclust.datasets.reading import Films, examine
from imdbclust.datasets.tables import TEXT, Reading
from imdbclust.films.corpus_files import check_ending, source_file
from imdbclust.films.problems import EFFECTS, SET_ASIDE, CorpusError, Problem, ProblemLog
from imdbclust.films.values import dated, plain_key
from imdbclust.load import Corpus, write_corpus

CLEAN, USABLE, UNUSABLE = 0, 1, 2


@dataclass(frozen=True)
class Report:
    """The result of reading some films: their name, problems and films.

    If they cannot be used, `films` is None and `error` says why. As text it has the doubts, what
    the columns of each table were taken for, the guesses, the first movies, the problems and the
    numbers of records and movies.
    """

    name: str
    problem_log: ProblemLog
    films: Films | None = None
    error: str = ""

    @property
    def exit_code(self) -> int:
        """0 without problems, 1 with problems or doubts, 2 if the films cannot be used."""
        if self.films is None:
            return UNUSABLE
        return USABLE if self.problem_log.counts.total() or self.films.doubts else CLEAN

    def as_dict(self) -> dict:
        """Return everything for programs."""
        return {
            "file": self.name,
            "exit_code": self.exit_code,
            "error": self.error,
            "doubts": self.films.doubts if self.films else [],
            "guesses": self.problem_log.guesses,
            **self._sizes(),
            "set_aside": self.problem_log.n_set_aside,
            "findings": [
                {"kind": kind, "effect": effect, "count": n, "examples": list(map(asdict, some))}
                for kind, effect, n, some in self._findings()
            ],
        }

    def __str__(self) -> str:
        log, lines, films = self.problem_log, [], self.films
        for found in films.tables if films else ():
            lines.append(f"{found.table.name}: {counted(len(found.table.lines), 'row')}")
            rows = [list(one.values())[1:] for one in found.described()]
            rows = [("column", "taken for", "example"), *rows]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        lines += [*log.guesses, ""] if lines or log.guesses else []
        if films:
            lines = [*(f"doubtful: {doubt}" for doubt in films.doubts), *lines]
            lines += ["first movies:", *_described(films.corpus, 5), ""]
        if log.counts.total():
            lines.append(f"{'kind':<20} {'effect':<18} {'count':>9}")
        for kind, effect, n, some in self._findings():
            lines.append(f"{kind.replace('_', ' '):<20} {effect:<18} {n:>9,}")
            lines += [f"    {problem}" for problem in some]
        return "\n".join([*lines, self._verdict()])

    def _verdict(self) -> str:
        if self.films is None:
            return f"cannot be used: {self.error}"
        sizes, n_set_aside = self._sizes(), self.problem_log.n_set_aside
        found = "clean" if self.exit_code == CLEAN else f"{n_set_aside or 'none'} set aside"
        records = counted(sizes.pop("records"), "record")
        size = ", ".join(counted(n, noun.removesuffix("s")) for noun, n in sizes.items())
        return f"{self.name}: {records} read, {found}: {size}"

    def _sizes(self) -> dict[str, int]:
        tables = ("movies", "actors", "credits")
        if self.films is None:
            return dict.fromkeys((*tables, "records"), 0)
        corpus = self.films.corpus
        sizes = {table: len(getattr(corpus, table)) for table in tables}
        return sizes | {"records": corpus.notes["records"]}

    def _findings(self) -> list[tuple[str, str, int, list[Problem]]]:
        """Return kind, effect, count and examples; kinds of records set aside are first."""
        log, found = self.problem_log, +self.problem_log.counts
        kinds = sorted(found, key=lambda kind: (kind in EFFECTS, -found[kind], kind))
        return [
            (kind, EFFECTS.get(kind, SET_ASIDE), found[kind], log.of_kind(kind)) for kind in kinds
        ]


def _described(corpus: Corpus, n: int) -> list[str]:
    """Return the first movies, with a cast if possible, with year, genres and cast as lines."""
    lines = []
    for row in np.argsort(corpus.cast_sizes() == 0, kind="stable")[:n].tolist():
        one = corpus.movies.iloc[[row]]
        title, one = dated(one["title"], one["year"]).item(), one.iloc[0]
        places = corpus.credits.loc[corpus.credits["movie"] == row, "actor"]
        cast = corpus.actors["name"].iloc[places[:8]].tolist() + ["…"] * (len(places) > 8)
        genres = corpus.genres.loc[corpus.genres["movie"] == row, "genre"].tolist()
        rating = f"rated {one.rating:g}" if pd.notna(one.rating) else ""
        votes = f" by {one.votes:,}" if rating and pd.notna(one.votes) else ""
        about = "; ".join(filter(None, [", ".join(genres), rating + votes]))
        cast = ", ".join(cast) or "no cast"
        lines.append(shown(f"  {title}{f' [{about}]' if about else ''}: {cast}"))
    return lines


def check_films(files: Sequence[Path], how: Reading | None = None) -> Report:
    """Read films and report all of their problems; files that cannot be used raise no error."""
    problem_log, name = ProblemLog(), _named(files)
    try:
        films = examine(files, how or Reading(), problem_log)
    except CorpusError as error:
        return Report(name, problem_log, error=shown(error, keep="\n"))
    _note_doubtful_ids(films.corpus, problem_log)
    _note_spellings(films.corpus, problem_log)
    return Report(name, problem_log, films)


def import_films(
    files: Sequence[Path],
    to: Path,
    how: Reading | None = None,
    *,
    part: Part | None = None,
    accept: bool = False,
    on_problem: str = "skip",
    tell: Callable[[Report], object] = lambda report: None,
) -> Report:
    """Convert film files to one corpus file; `tell` receives what was read, before any refusal.

    Files that cannot be used, or with ``on_problem="stop"`` have bad rows, or hold doubtful films
    without `accept`, are a CorpusError; a name of `to` that is not one of a corpus file is a
    DatasetError. If the file cannot be written, an existing file stays and OSError is raised. The
    licences of the files are written into the `source_file` of `to`.
    """
    check_ending(to)
    problem_log = ProblemLog()
    films = examine(files, how or Reading(), problem_log, on_problem=on_problem)
    if part:
        films.corpus = select(films.corpus, part)
    _note_spellings(films.corpus, problem_log)
    report = Report(_named(files), problem_log, films)
    tell(report)
    if not accept:
        films.stop_if_doubtful()
    with ExitStack() as stack:  # the description is complete before the films get their name
        if source := films.corpus.source:
            text = json.dumps(source, indent=1, ensure_ascii=False) + "\n"
            stack.enter_context(replacing(source_file(to))).write(text.encode())
        write_corpus(films.corpus, to)
    return report


def _named(files: Sequence[Path]) -> str:
    return " + ".join(shown(path.name or path.resolve().name) for path in files)


def _note_spellings(corpus: Corpus, log: ProblemLog) -> None:
    """Note names, titles and genres that differ in case or accents only; they are kept."""
    genres = pd.Series(corpus.genres["genre"].cat.categories, dtype="str")
    years = corpus.movies["year"].astype("str").fillna("")
    for kind, field, texts in (
        ("names_alike", "actors", corpus.actors["name"]),
        ("titles_alike", "title", corpus.movies["title"]),
        ("genres_alike", "genres", genres),
    ):
        keys = plain_key(pa.array(texts, TEXT)).to_pandas().astype("str")
        if field == "title":
            keys += " " + years
        elif field == "genres":
            keys = keys.str.removesuffix("s")
        _note_alike(log, kind, field, texts, keys, "is spelled like")


def _note_doubtful_ids(corpus: Corpus, log: ProblemLog) -> None:
    """Note ids that look like mistakes; they are kept as they are."""
    movies = corpus.movies["movie_id"]
    actors = corpus.actors["actor_id"].mask(corpus.actors["actor_id"] == corpus.actors["name"], "")
    first_movie = corpus.credits.drop_duplicates("actor")["movie"].to_numpy()  # actors' order
    lines = movies.map(log.lines).fillna(0).to_numpy(dtype=int)
    fields = ("imdb_id", "actors") if log.lines else ("movie_id", "actor_id")
    for ids, field, line in zip((movies, actors), fields, (lines, lines[first_movie]), strict=True):
        hidden = ids.map(lambda text: text != text.strip() or not text.isprintable())
        for row in np.flatnonzero(hidden.to_numpy(dtype=bool)).tolist():
            text = f"{ids[row]!r} has spaces around it or invisible characters"
            log.note("odd_ids", int(line[row]), field, text)
        keys = ids.map(lambda text: unicodedata.normalize("NFKC", text).casefold().strip())
        _note_alike(log, "ids_alike", field, ids, keys, "is nearly", line)


def _note_alike(
    log: ProblemLog,
    kind: str,
    field: str,
    texts: pd.Series,
    keys: pd.Series,
    says: str,
    lines: np.ndarray | None = None,
) -> None:
    """Note the texts that differ from the first one with the same key."""
    first = texts.groupby(keys).transform("first")
    for row in np.flatnonzero((texts != first) & (keys != "")).tolist():
        text = f"{texts[row]!r} {says} {first[row]!r}; they count as two"
        log.note(kind, 0 if lines is None else int(lines[row]), field, text)
