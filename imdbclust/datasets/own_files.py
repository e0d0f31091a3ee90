"""The user's own files: check them, convert a table to a corpus file, merge corpus files."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from imdbclust.base.disk import replacing
from imdbclust.base.text import counted, shown
from imdbclust.datasets.credits import TableOptions, read_credits
from imdbclust.datasets.find import check_ending, read_films, read_licence, source_file
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

    @property
    def exit_code(self) -> int:
        """0 if there are no problems, 1 if there are some, 2 if the films cannot be used."""
        if self.corpus is None:
            return UNUSABLE
        return USABLE if self.problem_log.counts.total() else CLEAN

    def as_dict(self) -> dict:
        """Return everything for programs."""
        return {
            "file": self.name,
            "exit_code": self.exit_code,
            "error": self.error,
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
        return "\n".join([*lines, self._verdict()])

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


def check_films(path: str | Path, options: TableOptions | None = None) -> Report:
    """Read films and report all of their problems; a file that cannot be used raises no error.

    The file is a corpus file or a table of credits; `options` are those of a table.
    """
    path, problem_log = Path(path), ProblemLog()
    name = shown(path.name)
    try:
        corpus = read_films(path, options, on_problem="skip", problem_log=problem_log)
    except CorpusError as error:
        return Report(name, problem_log, error=shown(error, keep="\n"))
    _note_doubtful_ids(corpus, problem_log)
    return Report(name, problem_log, corpus)


def import_credits(
    table: Path,
    to: Path,
    options: TableOptions | None = None,
    *,
    on_problem: str = "skip",
    tell: Callable[[str], object] = lambda text: None,
) -> Report:
    """Convert a table of credits to a corpus file; `tell` receives every guess.

    A table that cannot be used, or with ``on_problem="stop"`` has bad rows, is a CorpusError; a
    name of `to` that is not one of a corpus file is a DatasetError. If the file cannot be written,
    an existing file stays and OSError is raised.
    """
    check_ending(to)
    problem_log = ProblemLog(tell=tell)
    corpus = read_credits(table, options, on_problem=on_problem, problem_log=problem_log)
    write_corpus(corpus, to)
    return Report(shown(table.name), problem_log, corpus)


def merge_files(files: Sequence[Path], to: Path, *, on_problem: str = "skip") -> Report:
    """Merge corpus files into one, and write their licences into its `source_file`.

    Errors are those of :func:`import_credits`.
    """
    check_ending(to)
    corpora, problem_log = [], ProblemLog()
    for path in files:
        found = ProblemLog()
        corpus = read_films(path, on_problem=on_problem, problem_log=found)
        problem_log.add(found)
        corpora.append(replace(corpus, source=read_licence(path)))
    names = [shown(path.name) for path in files]
    merged = corpora[0].merge(*corpora[1:], names=names, problem_log=problem_log)
    with ExitStack() as stack:  # the description is complete before the films get their name
        if merged.source:
            text = json.dumps(merged.source, indent=1, ensure_ascii=False) + "\n"
            stack.enter_context(replacing(source_file(to))).write(text.encode())
        write_corpus(merged, to)
    return Report(" + ".join(names), problem_log, merged)


def _note_doubtful_ids(corpus: Corpus, problem_log: ProblemLog) -> None:
    """Note ids that look like mistakes; they are kept as they are."""
    movies, actors = corpus.movies["movie_id"], corpus.actors["actor_id"]
    first_movie = corpus.credits.drop_duplicates("actor")["movie"].to_numpy()  # actors' order
    lines = movies.map(problem_log.lines).fillna(0).to_numpy(dtype=int)
    fields = ("imdb_id", "actors") if problem_log.lines else ("movie_id", "actor_id")
    for ids, field, line in zip((movies, actors), fields, (lines, lines[first_movie]), strict=True):
        hidden = ids.map(lambda text: text != text.strip() or not text.isprintable())
        for row in np.flatnonzero(hidden.to_numpy(dtype=bool)).tolist():
            text = f"{ids[row]!r} has spaces around it or invisible characters"
            problem_log.note("odd_ids", int(line[row]), field, text)
        plain = ids.map(lambda text: unicodedata.normalize("NFKC", text).casefold().strip())
        again = plain.duplicated().to_numpy()
        first = pd.Series(ids.array, index=plain.array)[~again]
        for row in np.flatnonzero(again).tolist():
            text = f"{ids[row]!r} is nearly {first[plain[row]]!r}; they count as two"
            problem_log.note("ids_alike", int(line[row]), field, text)
