"""Check film files and list their problems.

FILE is a film file of any kind, as for `imdbclust import`. What each column was
taken for and the first movies are printed. For each kind of problem, the number
of occurrences and the first of them are listed, with line and field. The exit
code is 0 without problems, 1 if the films are usable despite problems or are
doubtful, and 2 if they are unusable.

options:
"""

from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("files", type=common.path, nargs="+", metavar="FILE")
    parser.add_shared(common.json_option)
    parser.add_shared(common.mapping_option)
    parser.add_shared(common.reading_options)


def execute(call: Call) -> int:
    """Check the files, and print the problems."""
    from imdbclust.datasets.own_files import check_films

    report = check_films(call.files, common.reading(call))
    if call.json:
        common.print_json(report.as_dict())
    else:
        print(report)
    return report.exit_code
