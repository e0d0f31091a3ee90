"""Import film files of any kind as a corpus file.

FILE is a table with one row per movie or per credit (CSV, TSV, xlsx, parquet),
JSON, lines such as "Film (2001)/Last, First/…", or a GraphML graph, plain or
compressed, or a SQLite or DuckDB database, or a folder. Tables of movies,
people and credits are joined by their keys. The content decides what it is.
What each column was taken for is printed, and every option below changes it.
Example: imdbclust import films.csv --to films.jsonl --actor "Played by"

options:
  --to FILE             corpus file to write, .jsonl or .jsonl.gz (required)
  --strict              write nothing if any row is unusable (default: skip it)
  --save-mapping FILE   write how the files were read, for --mapping (default: do
                        not write it)
"""

from functools import partial

from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("files", type=common.path, nargs="+", metavar="FILE")
    parser.add_argument("--to", type=common.path, required=True, metavar="FILE")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--save-mapping", type=common.path, metavar="FILE")
    for options in (
        common.accept_option,
        common.mapping_option,
        common.reading_options,
        common.part_options,
    ):
        parser.add_shared(options)


def execute(call: Call) -> None:
    """Import the files; print what was read, and the problems that were found."""
    from imdbclust.datasets.own_files import import_films
    from imdbclust.datasets.reading import write_mapping

    how = common.reading(call)
    with common.writing(call.to):
        report = import_films(
            call.files,
            call.to,
            how,
            part=common.part(call),
            accept=call.accept,
            on_problem="stop" if call.strict else "skip",
            tell=partial(print, flush=True),
        )
    if call.save_mapping:
        with common.writing(call.save_mapping):
            write_mapping(call.save_mapping, how, report.films)
    print(f"written: {call.to}")
