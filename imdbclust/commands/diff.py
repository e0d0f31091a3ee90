"""Compare two runs, or two sweeps.

RUN is the name of a run or sweep, or its folder. Parameters, versions, films,
clusters and tables are compared. Times and memory are not. The exit code is 0
without differences, and 1 with differences.

options:
"""

from imdbclust.base.text import shown
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("one", metavar="RUN")
    parser.add_argument("other", metavar="RUN")
    parser.add_shared(common.json_option)
    parser.add_shared(common.out_option)


def execute(call: Call) -> int:
    """Compare the runs, and print a line for each difference."""
    from imdbclust.running.manifest import find_folder

    for name in (call.one, call.other):
        find_folder(name, call.out)  # first: the answer to a misspelt name comes at once
    from imdbclust.running.diff import describe_difference

    lines = describe_difference(call.one, call.other, out=call.out)
    if call.json:
        common.print_json({"differences": lines})
    else:
        print(shown("\n".join(lines), keep="\n") or "nothing differs")
    return common.FAILED if lines else common.DONE
