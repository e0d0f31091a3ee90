"""What is wrong with films that are read: one way to say it, to collect it and to count it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imdbclust.terminal import quoted, shown

LISTED_PROBLEMS = 20
"""So many problems are written out in full when a file is refused; the others are counted."""

EXAMPLES = 5
"""So many examples are kept of each kind of change and of doubt."""

KEPT_ROWS = 10_000
"""So many bad rows of each kind are kept of a table; the others are counted."""

MAX_TEXT = 10_000
"""No id, title or name is longer; what is longer is a damaged file."""

SET_ASIDE, CHANGED, DOUBTFUL = "set aside", "changed", "kept, look at it"

EFFECTS = {
    "repeated_credits": CHANGED,
    "empty_genres": CHANGED,
    "repeated_genres": CHANGED,
    "other_names": CHANGED,
    "contradictions": CHANGED,
    "gone_with_others": CHANGED,
    "unused_actors": CHANGED,
    "spaces_around": CHANGED,
    "odd_ids": DOUBTFUL,
    "ids_alike": DOUBTFUL,
}
"""What becomes of films by kind of finding; every other kind means that a record is set aside."""


class CorpusError(ValueError):
    """The corpus cannot be used; the message names file, line and field of every problem.

    Attributes
    ----------
    problems : list of Problem
        All of them, in the file's order; of a table the first of each kind.
    """

    def __init__(self, message: str, problems: Iterable[Problem] = ()):
        super().__init__(message)
        self.problems = list(problems)

    @classmethod
    def listing(cls, findings: Findings) -> CorpusError:
        """Return the error for a file with bad records: the first in full, the others counted."""
        n, problems = findings.n_set_aside, findings.problems
        head = f"{n:,} bad record{'s' if n > 1 else ''}:"
        lines = [head, *(f"  {problem}" for problem in problems[:LISTED_PROBLEMS])]
        if n > LISTED_PROBLEMS:
            lines.append(f"  … and {n - LISTED_PROBLEMS:,} more")
        lines.append('Mend them, or set them aside and count them with on_problem="skip".')
        return cls("\n".join(lines), problems)


@dataclass(frozen=True)
class Problem:
    """Something that is wrong in one place, such as a record that cannot be used.

    Attributes
    ----------
    file : str
        Name of the file, without its folder, or of the frame.
    line : int
        Line (or entry, or row of a table, its header being 1) in the file, counted from 1;
        0 where the whole file is meant, and in frames.
    field : str
        The field at fault, such as ``actors[3][1]``; empty where the whole record is.
    problem : str
        What is wrong, in words.
    kind : str
        The same in a word, to count by, such as ``wrong_type``.
    """

    file: str
    line: int
    field: str
    problem: str
    kind: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return shown(": ".join(part for part in (place, self.field, self.problem) if part))


class Findings:
    """Everything that was found in one file (or in some frames) while it was read.

    Attributes
    ----------
    file : str
        Name of the file that is being read.
    problems : list of Problem
        Records that were set aside: all of them, or the first `KEPT_ROWS` of a kind in a table.
    examples : list of Problem
        The first `EXAMPLES` of each kind of change and of doubt.
    counts : Counter
        How often each kind was found.
    lines : dict
        The line of each movie that was kept, by its id, where the file has one line a movie.
    """

    def __init__(self, file: str = ""):
        self.file = file
        self.problems: list[Problem] = []
        self.examples: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.lines: dict[str, int] = {}

    @property
    def n_set_aside(self) -> int:
        """Number of records that were set aside."""
        return sum(n for kind, n in self.counts.items() if kind not in EFFECTS)

    def add(self, other: Findings) -> None:
        """Take over what was found elsewhere, in another file."""
        self.problems += other.problems
        self.examples += other.examples
        self.counts += other.counts

    def of_kind(self, kind: str) -> list[Problem]:
        """Return the first findings of a kind, at most `EXAMPLES`."""
        found = self.examples if kind in EFFECTS else self.problems
        listed = [problem for problem in found if problem.kind == kind]
        return (listed or [p for p in self.problems if p.kind == kind])[:EXAMPLES]

    def set_aside(self, problem: Problem) -> None:
        """Count and keep the problem of a record that cannot be used."""
        self.counts[problem.kind] += 1
        self.problems.append(problem)

    def note(self, kind: str, line: int, field: str, text: str) -> None:
        """Count something that was changed or is doubtful; the first ones are kept in full."""
        self.counts[kind] += 1
        if self.counts[kind] <= EXAMPLES:
            self.examples.append(Problem(self.file, line, field, text, kind))

    def stop_if(self, on_problem: str) -> None:
        """Raise the error that lists what was set aside, where anything was, unless told to skip.

        Raises
        ------
        CorpusError
            With ``on_problem="stop"``, where a record was set aside.
        """
        if on_problem == "stop" and self.problems:
            raise CorpusError.listing(self)


class Rows:
    """The rows of a table, and which of them are still good.

    Parameters
    ----------
    name : str
        Name of the frame or of the file, for messages.
    n : int
        Number of rows.
    findings : Findings
        Where bad rows go to.
    lines : ndarray of int, shape (n,), optional
        The line of each row, for messages; without it positions, counted from 0, name them.

    Attributes
    ----------
    good : ndarray of bool, shape (n,)
        Rows that were not set aside.
    """

    def __init__(self, name: str, n: int, findings: Findings, lines: np.ndarray | None = None):
        self.name, self.findings = name, findings
        self.good = np.ones(n, dtype=bool)
        self._in_file = lines is not None
        self._origin = np.arange(n) if lines is None else lines

    def rest(self) -> Rows:
        """Return the good rows alone; messages still name them by where they were."""
        rest = Rows(self.name, int(self.good.sum()), self.findings)
        rest._in_file, rest._origin = self._in_file, self._origin[self.good]
        return rest

    def refuse(
        self, bad: np.ndarray, kind: str, column: str, text: str | Callable[[int], str]
    ) -> None:
        """Set aside the rows of a mask; `text` says why, or is asked for each position."""
        new = np.flatnonzero(np.asarray(bad, dtype=bool) & self.good)
        self.good[new] = False
        self._collect(self.findings.problems, KEPT_ROWS, new, kind, column, text)

    def note(
        self, where: np.ndarray, kind: str, column: str, text: str | Callable[[int], str]
    ) -> None:
        """Count rows, by position, that were changed; the first are kept in full."""
        self._collect(self.findings.examples, EXAMPLES, where, kind, column, text)

    def check_texts(self, texts: pd.Series, column: str, *, control: str = "\0") -> None:
        """Set aside rows whose text is missing, empty, too long or has control characters.

        `texts` has a text or nothing in each row; `control` is the pattern of what no text has:
        `CONTROL` in ids.
        """
        self.refuse(texts.isna(), "missing", column, "missing")
        self.refuse(texts == "", "empty", column, "empty")
        codes, distinct = pd.factorize(texts)  # each text is looked at once
        distinct = pd.Series(distinct, dtype="str")
        for bad, kind, text in (
            (distinct.str.len() > MAX_TEXT, "too_long", f"longer than {MAX_TEXT:,} characters"),
            (distinct.str.contains(control), "control_character", "has a control character"),
        ):
            if bad.any():
                self.refuse(np.append(bad.to_numpy(dtype=bool), False)[codes], kind, column, text)

    def _collect(
        self,
        into: list[Problem],
        most: int,
        where: np.ndarray,
        kind: str,
        column: str,
        text: str | Callable[[int], str],
    ) -> None:
        """Count findings, and keep them in full as long as there are not more of the kind."""
        if not len(where):
            return  # nothing is counted that was not found
        counts = self.findings.counts
        for row in where[: max(0, most - counts[kind])].tolist():
            origin = int(self._origin[row])
            what = text if isinstance(text, str) else text(row)
            if self._in_file:
                into.append(Problem(self.name, origin, column, what, kind))
            else:
                field = f"{column}, row {origin}" if column else f"row {origin}"
                into.append(Problem(self.name, 0, field, what, kind))
        counts[kind] += len(where)


def brief(value: object) -> str:
    """Return a value of a frame as Python writes it, cut where it is long."""
    return quoted(value.item() if isinstance(value, np.generic) else value)


CONTROL = r"[\x00-\x1f]"
"""Pattern of characters that no id has; titles and names only lack the first of them."""


def problem_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Return problems as a table with one row each."""
    rows = [(p.file, p.line, p.field, p.problem, p.kind) for p in problems]
    table = pd.DataFrame(rows, columns=["file", "line", "field", "problem", "kind"])
    return table.astype(dict.fromkeys(table.columns, "str") | {"line": "int64"})


def check_on_problem(on_problem: str) -> None:
    """Raise ValueError unless it is one of the two words."""
    if on_problem not in ("stop", "skip"):
        raise ValueError(f'on_problem is "stop" or "skip", not {on_problem!r}')
