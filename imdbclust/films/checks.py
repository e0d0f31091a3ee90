"""Rows of a table that are looked through: which are good, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from imdbclust.films.problems import EXAMPLES, MAX_TEXT, Problem, ProblemLog

KEPT_ROWS = 10_000
"""So many bad rows of each kind are kept of a table; the others are counted."""


class Rows:
    """The rows of a table, and which of them are still good.

    Parameters
    ----------
    name : str
        Name of the frame or of the file, for messages.
    n : int
        Number of rows.
    problem_log : ProblemLog
        Where bad rows go to.
    lines : ndarray of int, shape (n,), optional
        The line of each row, for messages; without it positions, counted from 0, name them.

    Attributes
    ----------
    good : ndarray of bool, shape (n,)
        Rows that were not set aside.
    """

    def __init__(self, name: str, n: int, problem_log: ProblemLog, lines: np.ndarray | None = None):
        self.name, self.problem_log = name, problem_log
        self.good = np.ones(n, dtype=bool)
        self._in_file = lines is not None
        self._origin = np.arange(n) if lines is None else lines

    def rest(self) -> Rows:
        """Return the good rows alone; messages still name them by where they were."""
        rest = Rows(self.name, int(self.good.sum()), self.problem_log)
        rest._in_file, rest._origin = self._in_file, self._origin[self.good]
        return rest

    def refuse(
        self, bad: np.ndarray, kind: str, column: str, text: str | Callable[[int], str]
    ) -> None:
        """Set aside the rows of a mask; `text` says why, or is asked for each position."""
        new = np.flatnonzero(np.asarray(bad, dtype=bool) & self.good)
        self.good[new] = False
        self._collect(self.problem_log.problems, KEPT_ROWS, new, kind, column, text)

    def note(
        self, where: np.ndarray, kind: str, column: str, text: str | Callable[[int], str]
    ) -> None:
        """Count rows, by position, that were changed; the first are kept in full."""
        self._collect(self.problem_log.examples, EXAMPLES, where, kind, column, text)

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
        counts = self.problem_log.counts
        for row in where[: max(0, most - counts[kind])].tolist():
            origin = int(self._origin[row])
            what = text if isinstance(text, str) else text(row)
            if self._in_file:
                into.append(Problem(self.name, origin, column, what, kind))
            else:
                field = f"{column}, row {origin}" if column else f"row {origin}"
                into.append(Problem(self.name, 0, field, what, kind))
        counts[kind] += len(where)


def problem_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Return problems as a table with one row each."""
    rows = [(p.file, p.line, p.field, p.problem, p.kind) for p in problems]
    table = pd.DataFrame(rows, columns=["file", "line", "field", "problem", "kind"])
    return table.astype(dict.fromkeys(table.columns, "str") | {"line": "int64"})
