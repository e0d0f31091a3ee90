"""Rows of a table that is being checked: which are valid, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from imdbclust.films.problems import EXAMPLES, MAX_TEXT, Problem, ProblemLog

KEPT_ROWS = 10_000  # maximum number of bad rows of each kind that are kept; the rest are counted
Text = str | Callable[[int], str]  # what is wrong with some rows, or a function that says it of one


class Rows:
    """The rows of a table, and which of them are still valid.

    `good` is a mask of the rows that were not set aside. Messages use `name`, that of the frame or
    file, or an array with the name of each row; and `lines`, the line of each row, or by default
    its position, from 0. `field` returns the field of a row; by default it is the column.
    """

    def __init__(
        self,
        name,
        n: int,
        problem_log: ProblemLog,
        lines: np.ndarray | None = None,
        field: Callable[[int], str] | None = None,
    ):
        self.name, self.problem_log, self._lines, self._field = name, problem_log, lines, field
        self.good = np.ones(n, dtype=bool)

    def refuse(self, bad: np.ndarray, kind: str, column: str, text: Text) -> None:
        """Set aside the rows of a mask."""
        new = np.flatnonzero(np.asarray(bad, dtype=bool) & self.good)
        self.good[new] = False
        self.report(new, kind, column, text)

    def report(self, where: np.ndarray, kind: str, column: str, text: Text) -> None:
        """Record the problems of rows, given by position, without setting them aside."""
        self._collect(self.problem_log.problems, KEPT_ROWS, where, kind, column, text)

    def note(self, where: np.ndarray, kind: str, column: str, text: Text) -> None:
        """Count changed rows, given by position; the first `EXAMPLES` are kept in full."""
        self._collect(self.problem_log.examples, EXAMPLES, where, kind, column, text)

    def check_texts(self, texts: pd.Series, column: str, *, control: str = "\0") -> None:
        """Set aside rows whose text is missing, empty or too long or has control characters.

        `control` is the pattern of forbidden characters: `CONTROL` for ids.
        """
        self.refuse(texts.isna(), "missing", column, "missing")
        self.refuse(texts == "", "empty", column, "empty")
        codes, distinct = pd.factorize(texts)  # each distinct text is checked once
        distinct = pd.Series(distinct, dtype="str")
        for bad, kind, text in (
            (distinct.str.len() > MAX_TEXT, "too_long", f"longer than {MAX_TEXT:,} characters"),
            (distinct.str.contains(control), "control_character", "has a control character"),
        ):
            if bad.any():
                self.refuse(np.append(bad.to_numpy(dtype=bool), False)[codes], kind, column, text)

    def _collect(
        self, into: list[Problem], most: int, where: np.ndarray, kind: str, column: str, text: Text
    ) -> None:
        """Count problems; keep them in full up to `most` of a kind."""
        if not len(where):
            return  # counts has no kind that was not found
        counts = self.problem_log.counts
        for row in where[: max(0, most - counts[kind])].tolist():
            name = self.name if isinstance(self.name, str) else self.name[row]
            line, field = 0, f"{column}, row {row}" if column else f"row {row}"
            if self._lines is not None:
                line, field = int(self._lines[row]), self._field(row) if self._field else column
            into.append(
                Problem(name, line, field, text if isinstance(text, str) else text(row), kind)
            )
        counts[kind] += len(where)


def problem_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Return problems as a table with one row each."""
    rows = [(p.file, p.line, p.field, p.problem, p.kind) for p in problems]
    table = pd.DataFrame(rows, columns=["file", "line", "field", "problem", "kind"])
    return table.astype(dict.fromkeys(table.columns, "str") | {"line": "int64"})
