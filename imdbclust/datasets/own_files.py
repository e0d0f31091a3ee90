"""Films of one's own, file by file: check them, make a corpus of a table, merge corpora."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from imdbclust.base.disk import replacing
from imdbclust.base.text import shown
from imdbclust.datasets.credits import TableOptions
from imdbclust.datasets.find import check_ending, licence_beside, read_films
from imdbclust.films.problems import EFFECTS, SET_ASIDE, CorpusError, ProblemLog
from imdbclust.load import Corpus, write_corpus

CLEAN, USABLE, UNUSABLE = 0, 1, 2


@dataclass(frozen=True)
class Report:
    """What reading some films found.

    Attributes
    ----------
    name : str
        What was read.
    problem_log : ProblemLog
        What was set aside, changed or is doubtful.
    corpus : Corpus or None
        The films; None where they cannot be used.
    error : str
        Why they cannot be used.
    told : list of str
        What was guessed on the way.
    """

    name: str
    problem_log: ProblemLog
    corpus: Corpus | None = None
    error: str = ""
    told: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 where nothing was found, 1 where something was, 2 where the films cannot be used."""
        if self.corpus is None:
            return UNUSABLE
        return USABLE if self.problem_log.counts.total() else CLEAN

    def as_dict(self) -> dict:
        """Return everything for programs."""
        counts = {"movies": 0, "actors": 0, "credits": 0, "records": 0}
        if self.corpus is not None:
            counts = self._counts()
        return {
            "file": self.name,
            "exit_code": self.exit_code,
            "error": self.error,
            "guesses": self.told,
            **counts,
            "set_aside": self.problem_log.n_set_aside,
            "findings": [
                {
                    "kind": kind,
                    "effect": EFFECTS.get(kind, SET_ASIDE),
                    "count": count,
                    "examples": [
                        {"file": p.file, "line": p.line, "field": p.field, "problem": p.problem}
                        for p in self.problem_log.of_kind(kind)
                    ],
                }
                for kind, count in self._kinds()
            ],
        }

    def __str__(self) -> str:
        kinds = self._kinds()
        lines = [f"{'kind':<20} {'what became of it':<18} {'count':>9}"] if kinds else []
        for kind, count in kinds:
            effect = EFFECTS.get(kind, SET_ASIDE)
            lines.append(f"{kind.replace('_', ' '):<20} {effect:<18} {count:>9,}")
            lines += [f"    {problem}" for problem in self.problem_log.of_kind(kind)]
        return "\n".join([*lines, self._verdict()])

    def _verdict(self) -> str:
        if self.corpus is None:
            return f"cannot be used: {self.error}"
        counts = self._counts()
        size = ", ".join(f"{counts[what]:,} {what}" for what in ("movies", "actors", "credits"))
        records, aside = counts["records"], self.problem_log.n_set_aside
        found = "clean" if self.exit_code == CLEAN else f"{aside or 'none'} set aside"
        return f"{self.name}: {records:,} records read, {found}: {size}"

    def _counts(self) -> dict[str, int]:
        corpus = self.corpus
        return {
            "movies": corpus.n_movies,
            "actors": corpus.n_actors,
            "credits": corpus.n_credits,
            "records": corpus.notes["records"],
        }

    def _kinds(self) -> list[tuple[str, int]]:
        """Return kinds and counts: what was set aside first, then by falling count."""
        found = [(kind, n) for kind, n in self.problem_log.counts.items() if n]
        return sorted(found, key=lambda kind: (kind[0] in EFFECTS, -kind[1], kind[0]))


def check_films(path: str | Path, options: TableOptions | None = None) -> Report:
    """Read films and report everything that is wrong with them, whatever it is.

    Parameters
    ----------
    path : path
        A corpus file or a table of credits.
    options : TableOptions, optional
        How to read a table.
    """
    path, problem_log, told = Path(path), ProblemLog(), []
    name = shown(path.name)
    how = {
        "on_problem": "skip",
        "problem_log": problem_log,
        "options": options,
        "tell": told.append,
    }
    try:
        corpus = read_films(path, **how)
    except CorpusError as error:
        return Report(name, problem_log, error=shown(error, keep="\n"), told=told)
    _doubt_ids(corpus, problem_log)
    return Report(name, problem_log, corpus, told=told)


def import_credits(
    table: Path,
    to: Path,
    options: TableOptions | None = None,
    *,
    on_problem: str = "skip",
    tell: Callable[[str], None] = lambda text: None,
) -> Report:
    """Make a corpus file of a table of credits.

    Raises
    ------
    CorpusError
        A table that cannot be used; with ``on_problem="stop"``, one with bad rows.
    DatasetError
        A name of a corpus file that no reader would know.
    OSError
        A file that cannot be written; what was there before stays.
    """
    from imdbclust.datasets.credits import read_credits

    check_ending(to)
    problem_log = ProblemLog()
    corpus = read_credits(table, options, on_problem=on_problem, problem_log=problem_log, tell=tell)
    write_corpus(corpus, to)
    return Report(shown(table.name), problem_log, corpus)


def merge_files(files: Sequence[Path], to: Path, *, on_problem: str = "skip") -> Report:
    """Merge corpus files into one; what they say of the licence goes beside it.

    Raises
    ------
    CorpusError, DatasetError, OSError
        As :func:`import_credits`.
    """
    check_ending(to)
    corpora, problem_log = [], ProblemLog()
    for path in files:
        found = ProblemLog()
        corpus = read_films(path, on_problem=on_problem, problem_log=found)
        problem_log.add(found)
        corpora.append(replace(corpus, source=licence_beside(path)))
    names = [shown(path.name) for path in files]
    merged = corpora[0].merge(*corpora[1:], names=names, problem_log=problem_log)
    with ExitStack() as stack:  # what lies beside is written before the films get their name
        if merged.source:
            text = json.dumps(merged.source, indent=1, ensure_ascii=False) + "\n"
            beside = to.with_name(to.name + ".source.json")
            stack.enter_context(replacing(beside)).write(text.encode())
        write_corpus(merged, to)
    return Report(" + ".join(names), problem_log, merged)


def _doubt_ids(corpus: Corpus, problem_log: ProblemLog) -> None:
    """Note ids that look like mistakes: they are kept as they are."""
    movies, actors = corpus.movies["movie_id"], corpus.actors["actor_id"]
    first_movie = corpus.credits.drop_duplicates("actor")["movie"].to_numpy()  # actors' order
    lines = np.array([problem_log.lines.get(movie_id, 0) for movie_id in movies])
    called = ("imdb_id", "actors") if problem_log.lines else ("movie_id", "actor_id")
    for ids, name, line in (
        (movies, called[0], lines),
        (actors, called[1], lines[first_movie]),
    ):
        odd = ids.map(lambda text: text != text.strip() or not text.isprintable())
        for row in np.flatnonzero(odd.to_numpy(dtype=bool)).tolist():
            text = f"{ids[row]!r} has spaces around it or signs that nobody sees"
            problem_log.note("odd_ids", int(line[row]), name, text)
        plain = ids.map(lambda text: unicodedata.normalize("NFKC", text).casefold().strip())
        first = pd.Series(ids.array, index=plain.array)[~plain.duplicated().to_numpy()]
        for row in np.flatnonzero(plain.duplicated().to_numpy()).tolist():
            text = f"{ids[row]!r} is nearly {first[plain[row]]!r}; they count as two"
            problem_log.note("ids_alike", int(line[row]), name, text)
