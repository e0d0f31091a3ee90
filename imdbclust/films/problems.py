"""What is wrong with films that are read: one way to say it, to collect it and to count it.

Nothing here needs a library: what an interrupted command still has to tidy up needs it, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from imdbclust.base.errors import UserError
from imdbclust.base.text import quoted, shown

LISTED_PROBLEMS = 20
"""So many problems are written out in full when a file is refused; the others are counted."""

EXAMPLES = 5
"""So many examples are kept of each kind of change and of doubt."""

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


class CorpusError(UserError):
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
    def listing(cls, problem_log: ProblemLog) -> CorpusError:
        """Return the error for a file with bad records: the first in full, the others counted."""
        n, problems = problem_log.n_set_aside, problem_log.problems
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


class ProblemLog:
    """Everything that was found in one file (or in some frames) while it was read.

    Attributes
    ----------
    file : str
        Name of the file that is being read.
    problems : list of Problem
        Records that were set aside: all of them, or of a table the first of each kind, as
        `imdbclust.rows.KEPT_ROWS` says.
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

    def add(self, other: ProblemLog) -> None:
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


def brief(value: object) -> str:
    """Return a value of a frame as Python writes it, cut where it is long."""
    return quoted(value.item() if getattr(value, "ndim", 1) == 0 else value)  # numpy's numbers


CONTROL = r"[\x00-\x1f]"
"""Pattern of characters that no id has; titles and names only lack the first of them."""


def check_on_problem(on_problem: str) -> None:
    """Raise ValueError unless it is one of the two words."""
    if on_problem not in ("stop", "skip"):
        raise ValueError(f'on_problem is "stop" or "skip", not {on_problem!r}')
