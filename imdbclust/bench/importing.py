"""Part ``import``: IMDb's dumps made into a corpus, beside the same with pandas."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from imdbclust.bench import BenchFailed
from imdbclust.bench.timing import Options, Part, cost_of_command, take_turns
from imdbclust.datasets.made_up.large import LargeSample

FULL = (1_000_000, 3_000_000, 10_000_000)
"""Titles, people and rows of title.principals (1 % more: some are listed twice)."""

QUICK = (2_000, 6_000, 20_000)

RUNS = 3
"""At most so many pairs: one of them takes minutes."""


def measure(options: Options, *, sizes: tuple[int, int, int] | None = None) -> Part:
    """Measure both on generated dumps.

    Parameters
    ----------
    options : Options
        ``dataset`` is not used.
    sizes : tuple of int, optional
        Titles, people, rows of title.principals.

    Raises
    ------
    BenchFailed
        One of them failed, or they do not give the same corpus.
    """
    sizes = sizes or (QUICK if options.quick else FULL)
    with tempfile.TemporaryDirectory(prefix="imdbclust-bench-") as folder:
        dumps = Path(folder) / "dumps"
        LargeSample(*sizes).write_dumps(dumps)
        files = {"ours": Path(folder) / "ours.jsonl", "theirs": Path(folder) / "theirs.jsonl"}
        ours = ["-m", "imdbclust", "import-imdb", dumps, "--to", files["ours"]]
        theirs = ["-m", "imdbclust.bench.pandas_importer", dumps, files["theirs"]]
        comparison = take_turns(
            f"{sizes[0]:,} titles, {sizes[1]:,} people, {sizes[2]:,} principals",
            lambda: cost_of_command([sys.executable, *ours]),
            lambda: cost_of_command([sys.executable, *theirs]),
            runs=min(options.runs, RUNS),
            note="whole processes, with the start of Python and the import of libraries",
        )
        check_same(files["ours"], files["theirs"])
    return Part(
        name="import",
        title="How long does it take to make a corpus of IMDb's dumps, and how much memory?",
        about=(
            "Made-up dumps with everything that real ones have. Ours: imdbclust import-imdb with "
            "its defaults. The other: pandas reads the four files whole, with the settings that "
            "leave titles as they are, joins and groups them, and writes movie by movie. Both end "
            "with the same corpus, which is checked."
        ),
        comparisons=[comparison],
    )


def check_same(ours: Path, theirs: Path) -> None:
    """Raise BenchFailed unless two files hold the same corpus."""
    from imdbclust.load import read_corpus

    one, other = read_corpus(ours), read_corpus(theirs)
    for table in ("movies", "actors", "credits", "genres"):
        if not getattr(one, table).equals(getattr(other, table)):
            raise BenchFailed(f"the two corpora differ in their {table}")
