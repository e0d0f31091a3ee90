"""Check a file of films and list its problems.

FILE is a corpus file or a table of credits. For each kind of problem, the
number of occurrences and the first of them are listed, with line and field.
The exit code is 0 without problems, 1 if the file is usable despite its
problems, and 2 if it is unusable.

options:
  --json                print JSON for programs
"""

import json

from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", type=common.path, metavar="FILE")
    parser.add_argument("--json", action="store_true")
    parser.add_shared(common.table_options)


def execute(call: Call) -> int:
    """Check the file, and print the problems."""
    from imdbclust.datasets.own_files import check_films

    report = check_films(call.file, common.table(call))
    for sentence in () if call.json else report.problem_log.guesses:
        common.say(sentence)
    print(json.dumps(report.as_dict(), indent=1) if call.json else report)
    return report.exit_code
