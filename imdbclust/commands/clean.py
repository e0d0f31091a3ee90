"""Remove finished stages that no run uses.

Stages are stored in the folder stages/ of the folder for reports. A stage is
kept if a run or a sweep uses it, if a running command or an open notebook
uses it, or if it was last used within the last days, because an interrupted
run continues from such stages. What killed commands left is removed, too.

`imdbclust run` and `imdbclust sweep` recommend this command when the stages
exceed 5GB, or the size that the environment variable IMDBCLUST_STAGES_LIMIT
sets, e.g. 20GB.

options:
  --dry-run             say what would be removed, and remove nothing
  --keep-days N         keep unused stages for N days after their last use
                        (default: 7)
"""

from functools import partial

from imdbclust.base.paths import reports
from imdbclust.base.text import byte_size, counted
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    days = partial(common.number, unit="days", zero=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--keep-days", type=days, default=7.0, metavar="N")
    parser.add_shared(common.out_option)
    parser.set_defaults(light=True)
    parser.set_defaults(interrupted="repeat the command to remove the rest")


def execute(call: Call) -> None:
    """Remove unused stages, and print how many and how large they were."""
    from imdbclust.running.clean import remove_unused

    out = call.out or reports()
    sizes = remove_unused(out, keep_days=call.keep_days, dry_run=call.dry_run)
    done = "would remove" if call.dry_run else "removed"
    print(f"{done} {counted(len(sizes), 'unused stage')}, {byte_size(sum(sizes.values()))}")
