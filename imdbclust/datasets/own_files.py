"""The user's own files: check them, convert a table to a corpus file, merge corpus files."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imdbclust.base.disk import replacing
from imdbclust.base.text import counted, shown
from imdbclust.datasets.part import Part, select
from imdbclust.datasets.reading import Films, examine, note_alike
from imdbclust.datasets.tables import Reading
from imdbclust.films.corpus_files import check_ending, source_file
from imdbclust.films.problems import EFFECTS, SET_ASIDE, CorpusError, Problem, ProblemLog
from imdbclust.load import Corpus, write_corpus

CLEAN, USABLE, UNUSABLE = 0, 1, 2


@dataclass(frozen=True)
class Report:
    """The result of reading some films: their name, problems and corpus.

    If they cannot be used, `corpus` is None and `error` says why.
    """

    name: str
    problem_log: ProblemLog
    corpus: Corpus | None = None
    error: str = ""
    films: Films | None = None

    @property
    def exit_code(self) -> int:
        """0 without problems, 1 with problems or doubts, 2 if the films cannot be used."""
        if self.corpus is None:
            return UNUSABLE
        return USABLE if self.problem_log.counts.total() or self.doubts else CLEAN

    @property
    def doubts(self) -> list[str]:
        """Why the films are hardly what was meant."""
        return self.films.doubts if self.films else []

    def columns(self) -> str:
        """Return what the columns of each table were taken for, and the guesses, as text."""
        lines = []
        for found in self.films.tables if self.films else ():
            lines.append(f"{found.table.name}: {counted(len(found.table.lines), 'row')}")
            lines += found.describe()
        return "\n".join([*lines, *self.problem_log.guesses])

    def movies(self, n: int = 5) -> str:
        """Return the first movies with year, genres and cast as text."""
        corpus, lines = self.corpus, []
        for row, one in enumerate(corpus.movies.head(n).itertuples()):
            places = corpus.credits.loc[corpus.credits["movie"] == row, "actor"]
            cast = corpus.actors["name"].iloc[places[:8]].tolist() + ["…"] * (len(places) > 8)
            genres = corpus.genres.loc[corpus.genres["movie"] == row, "genre"].tolist()
            title = f"{one.title} ({one.year})" if pd.notna(one.year) else one.title
            rating = f"rated {one.rating:g}" if pd.notna(one.rating) else ""
            votes = f" by {one.votes:,}" if rating and pd.notna(one.votes) else ""
            about = "; ".join(filter(None, [", ".join(genres), rating + votes]))
            cast = ", ".join(cast) or "no cast"
            lines.append(shown(f"  {title}{f' [{about}]' if about else ''}: {cast}"))
        return "\n".join(lines)

    def as_dict(self) -> dict:
        """Return everything for programs."""
        return {
            "file": self.name,
            "exit_code": self.exit_code,
            "error": self.error,
            "doubts": self.doubts,
            "guesses": self.problem_log.guesses,
            **self._sizes(),
            "set_aside": self.problem_log.n_set_aside,
            "findings": [
                {
                    "kind": kind,
                    "effect": effect,
                    "count": count,
                    "examples": [
                        {"file": p.file, "line": p.line, "field": p.field, "problem": p.problem}
                        for p in examples
                    ],
                }
                for kind, effect, count, examples in self._findings()
            ],
        }

    def __str__(self) -> str:
        findings = self._findings()
        lines = [f"{'kind':<20} {'effect':<18} {'count':>9}"] if findings else []
        for kind, effect, count, examples in findings:
            lines.append(f"{kind.replace('_', ' '):<20} {effect:<18} {count:>9,}")
            lines += [f"    {problem}" for problem in examples]
        doubts = [f"doubtful: {doubt}" for doubt in self.doubts]
        return "\n".join([*doubts, *lines, self._verdict()])

    def _verdict(self) -> str:
        if self.corpus is None:
            return f"cannot be used: {self.error}"
        sizes, n_set_aside = self._sizes(), self.problem_log.n_set_aside
        found = "clean" if self.exit_code == CLEAN else f"{n_set_aside or 'none'} set aside"
        records = counted(sizes.pop("records"), "record")
        size = ", ".join(counted(n, noun.removesuffix("s")) for noun, n in sizes.items())
        return f"{self.name}: {records} read, {found}: {size}"

    def _sizes(self) -> dict[str, int]:
        tables = ("movies", "actors", "credits")
        if self.corpus is None:
            return dict.fromkeys((*tables, "records"), 0)
        sizes = {table: len(getattr(self.corpus, table)) for table in tables}
        return sizes | {"records": self.corpus.notes["records"]}

    def _findings(self) -> list[tuple[str, str, int, list[Problem]]]:
        """Return kind, effect, count and examples; kinds of records set aside are first."""
        log, found = self.problem_log, self.problem_log.counts
        kinds = sorted(found, key=lambda kind: (kind in EFFECTS, -found[kind], kind))
        return [
            (kind, EFFECTS.get(kind, SET_ASIDE), found[kind], log.of_kind(kind))
            for kind in kinds
            if found[kind]
        ]


def check_films(files: Sequence[Path], how: Reading | None = None) -> Report:
    """Read films and report all of their problems; files that cannot be used raise no error."""
    problem_log, name = ProblemLog(), _named(files)
    try:
        films = examine(files, how or Reading(), problem_log)
    except CorpusError as error:
        return Report(name, problem_log, error=shown(error, keep="\n"))
    _note_doubtful_ids(films.corpus, problem_log)
    note_alike(films.corpus, problem_log)
    return Report(name, problem_log, films.corpus, films=films)


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
    """Convert film files to one corpus file; `tell` receives what was read before it is written.

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
    note_alike(films.corpus, problem_log)
    report = Report(_named(files), problem_log, films.corpus, films=films)
    if not accept:
        films.stop_if_doubtful()
    tell(report)
    with ExitStack() as stack:  # the description is complete before the films get their name
        if source := films.corpus.source:
            text = json.dumps(source, indent=1, ensure_ascii=False) + "\n"
            stack.enter_context(replacing(source_file(to))).write(text.encode())
        write_corpus(films.corpus, to)
    return report


def _named(files: Sequence[Path]) -> str:
    return " + ".join(shown(path.name or path.resolve().name) for path in files)


def _note_doubtful_ids(corpus: Corpus, problem_log: ProblemLog) -> None:
    """Note ids that look like mistakes; they are kept as they are."""
    movies = corpus.movies["movie_id"]
    actors = corpus.actors["actor_id"].mask(corpus.actors["actor_id"] == corpus.actors["name"], "")
    first_movie = corpus.credits.drop_duplicates("actor")["movie"].to_numpy()  # actors' order
    lines = movies.map(problem_log.lines).fillna(0).to_numpy(dtype=int)
    fields = ("imdb_id", "actors") if problem_log.lines else ("movie_id", "actor_id")
    for ids, field, line in zip((movies, actors), fields, (lines, lines[first_movie]), strict=True):
        hidden = ids.map(lambda text: text != text.strip() or not text.isprintable())
        for row in np.flatnonzero(hidden.to_numpy(dtype=bool)).tolist():
            text = f"{ids[row]!r} has spaces around it or invisible characters"
            problem_log.note("odd_ids", int(line[row]), field, text)
        plain = ids.map(lambda text: unicodedata.normalize("NFKC", text).casefold().strip())
        again = (plain.duplicated() & (plain != "")).to_numpy(dtype=bool)
        first = pd.Series(ids.array, index=plain.array)[~again]
        for row in np.flatnonzero(again).tolist():
            text = f"{ids[row]!r} is nearly {first[plain[row]]!r}; they count as two"
            problem_log.note("ids_alike", int(line[row]), field, text)
