"""Import IMDb's own dumps as a corpus file.

DIR contains title.basics, title.principals, name.basics and title.ratings,
each as .tsv or .tsv.gz. `imdbclust fetch imdb-dumps` downloads them; IMDb
licenses them for personal and non-commercial use. Movies are sorted by id.
Titles are not changed.

options:
  --to FILE             corpus file to write, .jsonl or .jsonl.gz (required)
  --type T,…            types of titles, or all (default: movie)
  --since YEAR          first year (default: 2000)
  --until YEAR          last year (default: 2022)
  --any-year            keep all years, and titles without a year
  --categories C,…      jobs of the people to keep, or all (default: actor,actress)
  --min-movies N        keep actors with at least N of the selected titles
                        (default: 2)
  --min-cast N          keep titles with at least N of these actors; 0 keeps titles
                        without a cast (default: 1). Both limits are applied
                        repeatedly until they hold.
  --genre G             keep only titles of this genre; may be repeated (default:
                        all genres)
  --adult               keep adult titles (default: leave them out)
  --memory SIZE         memory limit, at least 1GB (default: 2GB)
"""

import argparse

from imdbclust.base.text import shown
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("folder", type=common.path, metavar="DIR")
    parser.add_argument("--to", type=common.path, required=True, metavar="FILE")
    parser.add_argument("--type", type=_names, default="movie", metavar="T,…")
    parser.add_argument("--since", type=int, default=2000, metavar="YEAR")
    parser.add_argument("--until", type=int, default=2022, metavar="YEAR")
    parser.add_argument("--any-year", action="store_true")
    parser.add_argument("--categories", type=_names, default="actor,actress", metavar="C,…")
    parser.add_argument("--min-movies", type=int, default=2, metavar="N")
    parser.add_argument("--min-cast", type=int, default=1, metavar="N")
    parser.add_argument("--genre", action="append", default=[], metavar="G")
    parser.add_argument("--adult", action="store_true")
    parser.add_argument("--memory", type=common.memory, default="2GB", metavar="SIZE")
    parser.set_defaults(interrupted="nothing was written")


def _names(text: str) -> tuple[str, ...]:
    """Parse names separated by commas; ``all`` gives an empty tuple."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError("the list is empty; use all to select everything")
    return () if names == ("all",) else names


def execute(call: Call) -> None:
    """Import the dumps, and print what was kept."""
    from imdbclust.datasets.imdb_dumps import Selection, import_dumps, source_file

    with common.user_values(), common.writing(call.to):
        selection = Selection(
            types=call.type,
            since=None if call.any_year else call.since,
            until=None if call.any_year else call.until,
            categories=call.categories,
            genres=tuple(call.genre),
            adult=call.adult,
            min_movies=call.min_movies,
            min_cast=call.min_cast,
        )
        summary = import_dumps(call.folder, call.to, selection, memory=call.memory)
    print(shown("\n".join(summary.lines()), keep="\n"))
    print(f"{call.to}; what it was made of: {source_file(call.to)}")
