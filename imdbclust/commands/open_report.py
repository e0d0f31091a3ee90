"""Open the report of a run in the browser, and print its address.

RUN is the name of a run or sweep, or its folder; by default, the latest.

options:
"""

import webbrowser

from imdbclust.base.paths import reports
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser
from imdbclust.commands.runs import list_runs


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("run", nargs="?", metavar="RUN")
    parser.add_shared(common.out_option)
    parser.set_defaults(light=True)


def execute(call: Call) -> None:
    """Print the address of a report, and open it."""
    from imdbclust.running.manifest import NotARun, find_folder

    out = call.out or reports()
    if call.run is not None:
        folder = find_folder(call.run, out)
    elif found := list_runs(out):
        folder = found[0].folder
    else:
        raise NotARun(f"no runs in {out}; create one with `imdbclust run`")
    page = (folder / "index.html").resolve()
    if not page.is_file():
        raise NotARun(f"{page} is missing; run {folder.name!r} again first")
    print(page.as_uri(), flush=True)
    if not webbrowser.open(page.as_uri()):
        common.say("no browser found; open the address above in one")
