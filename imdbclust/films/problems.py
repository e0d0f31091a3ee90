"""Problems found while reading films: how they are described, collected and counted.

This module imports no library, because an interrupted command needs it while it cleans up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from imdbclust.base.errors import UserError
from imdbclust.base.text import counted, quoted, shown

LISTED_PROBLEMS = 20  # maximum number in the error message of a file; the rest are only counted
EXAMPLES = 5  # maximum number that is kept of each kind of change and of doubtful value
MAX_TEXT = 10_000  # maximum length of an id, a title or a name
CONTROL = r"[\x00-\x1f]"  # not allowed in ids; only NUL is not allowed in titles and names

SET_ASIDE, CHANGED, DOUBTFUL = "set aside", "changed", "kept, look at it"

EFFECTS = {
    kind: effect
    for effect, kinds in {
        CHANGED: "repeated_credits empty_genres repeated_genres other_names contradictions "
        "gone_with_others unused_actors spaces_around folded_names folded_genres placeholders "
        "unreadable_year unreadable_rating unreadable_votes unreadable_list missing_ids "
        "names_for_ids unified",
        DOUBTFUL: "odd_ids ids_alike names_alike titles_alike genres_alike",
    }.items()
    for kind in kinds.split()
}
"""Effect of each kind of problem on the films; with any other kind the record is set aside."""


class CorpusError(UserError):
    """The corpus cannot be used; the message names file, line and field of every problem.

    Attributes
    ----------
    problems : list of Problem
        All of them, in the file's order; for a table, the first of each kind.
    """

    def __init__(self, message: str, problems: Iterable[Problem] = ()):
        super().__init__(message)
        self.problems = list(problems)


@dataclass(frozen=True)
class Problem:
    """Something that is wrong in one place, such as an invalid record.

    Attributes
    ----------
    file : str
        Name of the file, without its folder, or of the frame.
    line : int
        Line, entry or table row in the file, counted from 1 (the header of a table is row 1);
        0 for the whole file, and in frames.
    field : str
        The invalid field, such as ``actors[3][1]``; empty for the whole record.
    problem : str
        Description of the problem.
    kind : str
        Category of the problem, used for counting, such as ``wrong_type``.
    """

    file: str
    line: int
    field: str
    problem: str
    kind: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return shown(": ".join(part for part in (place, self.field, self.problem) if part))


class ProblemLog:
    """Everything that was found while reading one file (or some frames).

    `file` is the name of the file.

    Attributes
    ----------
    problems : list of Problem
        Records that were set aside; for a table, at most `imdbclust.films.checks.KEPT_ROWS` of
        each kind.
    examples : list of Problem
        The first `EXAMPLES` of each kind of change and of doubtful value.
    counts : Counter
        Number of problems of each kind.
    lines : dict
        The line of each movie that was kept, by its id, if the file has one line a movie.
    guesses : list of str
        What the file does not state and was guessed, as sentences.
    """

    def __init__(self, file: str = ""):
        self.file = file
        self.problems: list[Problem] = []
        self.examples: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.lines: dict[str, int] = {}
        self.guesses: list[str] = []

    @property
    def n_set_aside(self) -> int:
        """Number of records that were set aside."""
        return sum(n for kind, n in self.counts.items() if kind not in EFFECTS)

    def add(self, other: ProblemLog) -> None:
        """Add the problems of another file."""
        self.problems += other.problems
        self.examples += other.examples
        self.counts += other.counts
        self.guesses = list(dict.fromkeys(self.guesses + other.guesses))
        self.lines |= other.lines

    def of_kind(self, kind: str) -> list[Problem]:
        """Return the first problems of a kind, at most `EXAMPLES`."""
        found = self.examples if kind in EFFECTS else self.problems
        listed = [problem for problem in found if problem.kind == kind]
        return (listed or [p for p in self.problems if p.kind == kind])[:EXAMPLES]

    def set_aside(self, problem: Problem) -> None:
        """Record the problem of an invalid record."""
        self.counts[problem.kind] += 1
        self.problems.append(problem)

    def note(self, kind: str, line: int, field: str, text: str) -> None:
        """Count a change or a doubtful value; the first `EXAMPLES` are kept in full."""
        self.counts[kind] += 1
        if self.counts[kind] <= EXAMPLES:
            self.examples.append(Problem(self.file, line, field, text, kind))

    def guess(self, sentence: str) -> None:
        """Record a guess."""
        self.guesses.append(sentence)

    def stop_if(self, on_problem: str) -> None:
        """Raise a CorpusError for the records set aside if `on_problem` is "stop".

        It lists the first and counts the rest.
        """
        n = self.n_set_aside
        if on_problem == "stop" and self.problems:
            lines = [f"{counted(n, 'bad record')}:"]
            lines += [f"  {problem}" for problem in self.problems[:LISTED_PROBLEMS]]
            if n > LISTED_PROBLEMS:
                lines.append(f"  … and {n - LISTED_PROBLEMS:,} more")
            lines.append('Fix them, or skip and count them with on_problem="skip".')
            raise CorpusError("\n".join(lines), self.problems)


def brief(value: object) -> str:
    """Return the truncated repr of a value of a frame; a NumPy scalar looks like Python's."""
    return quoted(value.item() if getattr(value, "ndim", 1) == 0 else value)


def check_on_problem(on_problem: str) -> None:
    """Raise ValueError unless `on_problem` is "stop" or "skip"."""
    if on_problem not in ("stop", "skip"):
        raise ValueError(f'on_problem must be "stop" or "skip", not {on_problem!r}')
