"""Measure speed, and compare the quality of clusters with other libraries.

PART is one of the parts listed below; by default, all that measure speed.
Speed is measured as the ratio of two alternatives that take turns.

options:
  --quick               use small sizes and few fits, to test the bench itself
  --runs N              speed: number of pairs to measure (default: 5)
  --seeds N             quality: number of fits of all movies (default: 3)
  --subsamples N        quality: number of fits of subsamples (default: 5)
  --clusters K          quality: number of clusters (default: 16)
  --peer NAME           quality: compare only with methods whose name contains
                        NAME; may be repeated (default: all)
"""

from imdbclust.base.errors import UserError
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser

QUALITY = "quality"  # the part that compares clusters
LARGE = "large"  # the part that takes an hour


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--quick", action="store_true")
    for name in ("runs", "seeds", "subsamples"):
        parser.add_argument(f"--{name}", type=int, metavar="N")
    parser.add_argument("--clusters", type=int, default=16, metavar="K")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME")
    parser.add_shared(common.dataset_option)
    parser.add_shared(common.out_option)
    parser.set_defaults(interrupted="finished parts are kept in the folder bench")
    parser.more_help = _list_parts


def _list_parts() -> str:
    from imdbclust.bench.speed import SPEED

    parts = SPEED | {
        LARGE: "1,000 settings, 700,000 movies, dumps of IMDb's size; takes an hour",
        QUALITY: "clusters of our recipes and of other libraries",
    }
    listed = "\n".join(f"  {name:<10} {about}" for name, about in parts.items())
    return f"\nparts (by default, all but {LARGE} and {QUALITY}):\n{listed}\n"


def execute(call: Call) -> None:
    """Measure, and print the paths of the pages with the results."""
    from imdbclust.bench.costs import RUNS, Options
    from imdbclust.bench.quality import compare_quality
    from imdbclust.bench.speed import SPEED, measure_speed

    known = (*SPEED, LARGE, QUALITY)
    if unknown := [name for name in call.parts if name not in known]:
        raise UserError(f"unknown part {unknown[0]!r}; choose from {', '.join(known)}")
    if call.runs is not None and call.runs < 1:
        raise UserError(f"--runs must be at least 1, not {call.runs}")
    if speed := [name for name in call.parts or SPEED if name in SPEED]:
        runs = call.runs or (2 if call.quick else RUNS)
        page = measure_speed(speed, Options(call.dataset, runs, call.out, call.quick))
        print(f"page: {page}")
    if LARGE in call.parts:
        from imdbclust.bench.large import measure_large

        measure_large(Options(call.dataset, 1, call.out, call.quick))
    if QUALITY in call.parts:
        page = compare_quality(
            dataset=call.dataset,
            n_seeds=call.seeds,
            n_subsamples=call.subsamples,
            n_clusters=call.clusters,
            named=call.peer,
            quick=call.quick,
            out=call.out,
            command=call.command_line,
        )
        print(f"page: {page}")
