"""Open the report of a run in the browser, and print its address.

RUN is the name of a run or sweep, or its folder; by default, the latest.

options:
"""

import difflib
import webbrowser

from imdbclust.base.paths import reports
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser
from imdbclust.commands.runs import list_runs


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("run", nargs="?", metavar="RUN")
    parser.add_shared(common.out_option)


def execute(call: Call) -> None:
    """Print the address of a report, and open it."""
    from imdbclust.running.manifest import NotARun, find_folder

    out = call.out or reports()
    found = [one.folder for one in list_runs(out)]
    if call.run is None and not found:
        raise NotARun(f"no runs in {out}; create one with `imdbclust run`")
    try:
        folder = found[0] if call.run is None else find_folder(call.run, out)
    except NotARun as error:
        close = difflib.get_close_matches(call.run[:100], [one.name for one in found], n=1)
        raise NotARun(f"{error}; did you mean {close[0]}?" if close else str(error)) from None
    page = (folder / "index.html").resolve()
    if not page.is_file():
        raise NotARun(f"{page} is missing; run {folder.name!r} again first")
    print(page.as_uri(), flush=True)
    if not webbrowser.open(page.as_uri()):
        common.say("no browser found; open the address above in one")
