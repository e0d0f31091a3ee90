"""Merge film files.

Each FILE is a film file of any kind, as for `imdbclust import`. Movies with the
same id become one movie with all their actors and genres. Where files
contradict each other, the first file takes precedence. What each column was
taken for and the first movies are printed.

options:
  --to FILE             corpus file to write, .jsonl or .jsonl.gz (required)
  --strict              write nothing if any record is unusable (default: skip it)
"""

from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("files", type=common.path, nargs="+", metavar="FILE")
    parser.add_argument("--to", type=common.path, required=True, metavar="FILE")
    parser.add_argument("--strict", action="store_true")
    parser.add_shared(common.accept_option)
    parser.add_shared(common.mapping_option)


def execute(call: Call) -> None:
    """Merge the files; print what was read, and the problems that were found."""
    from imdbclust.datasets.own_files import import_films

    problems = {"accept": call.accept, "on_problem": "stop" if call.strict else "skip"}
    with common.writing(call.to):
        import_films(call.files, call.to, common.reading(call), tell=print, **problems)
    print(f"written: {call.to}")
