"""Import a table of credits as a corpus file.

TABLE has one row per movie and actor. It is CSV, TSV or the export of a
spreadsheet, plain or gzip, or parquet. Its first row names the columns.
Example: imdbclust import-credits films.csv --to films.jsonl --actor "Played by"

options:
  --to FILE             corpus file to write, .jsonl or .jsonl.gz (required)
  --strict              write nothing if any row is unusable (default: skip it)
"""

from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("table", type=common.path, metavar="TABLE")
    parser.add_argument("--to", type=common.path, required=True, metavar="FILE")
    parser.add_argument("--strict", action="store_true")
    parser.add_shared(common.table_options)


def execute(call: Call) -> None:
    """Import the table, and print the problems that were found."""
    from imdbclust.datasets.own_files import import_credits

    how = {"on_problem": "stop" if call.strict else "skip", "tell": common.say}
    with common.writing(call.to):
        print(import_credits(call.table, call.to, common.table(call), **how))
    print(f"written: {call.to}")
