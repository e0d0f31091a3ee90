"""Cluster films: execute the five notebooks and write a report.

The report is a folder of HTML pages, tables and executed notebooks. Stages
that are already finished for the same films, parameters and code are reused,
so an interrupted run continues where it stopped when it is repeated.

options:
  --preset NAME         named set of parameters, see below (default:
                        recommended)
  -p NAME=VALUE         set a parameter, see below; may be repeated
  --names FILE          names of clusters of your own: CSV with the columns cluster
                        and name, or JSON lines with these keys (default: names
                        of actors, decades and common genres)
  --name NAME           name of the run (default: dataset and preset)
  --setting SWEEP/N     make the report of setting N of a sweep (default: a run with
                        the parameters given here)
"""

from contextlib import suppress

from imdbclust.base.errors import UserError
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser

RECOMMENDED = "recommended"  # the default preset


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--preset", default=RECOMMENDED, metavar="NAME")
    parser.add_argument("--setting", metavar="SWEEP/N")
    parser.add_argument("--names", type=common.path, metavar="FILE")
    parser.add_shared(common.execution_options)
    parser.add_shared(common.dataset_option)
    parser.add_shared(common.mapping_option)
    parser.add_shared(common.accept_option)
    parser.add_shared(common.part_options)
    parser.add_shared(common.out_option)
    parser.more_help = list_parameters


def list_parameters() -> str:
    """Return the part of the help that lists parameters and presets."""
    from imdbclust.running.parameters import ALONE, declared, presets

    lines = ["", "parameters (-p NAME=VALUE or -p NAME VALUE):"]
    for name, parameter in declared().items():
        if name not in (*ALONE, "dataset"):
            lines += [f"  {line}" for line in parameter.describe().splitlines()]
    lines += ["", f"presets: {', '.join(presets())} (notebooks/presets.yml)", ""]
    return "\n".join(lines)


def execute(call: Call) -> None:
    """Carry out a run, and print the path of its report."""
    from imdbclust.datasets.find import check_known
    from imdbclust.running.parameters import check_preset, parse_values

    check_preset(call.preset)  # names first: the answer to a misspelt one comes at once
    check_known(call.dataset)
    if call.setting is not None:
        run_setting(call)
        return
    from imdbclust.base.paths import reports
    from imdbclust.running.kernels.warm import start_early
    from imdbclust.running.run import run
    from imdbclust.running.store import Store

    options = common.execution(call)
    with suppress(OSError):  # of a path that cannot be one, which is refused later
        if options.engine != "plain" and not Store(call.out or reports()).folder.is_dir():
            start_early()  # nothing is finished: kernels load libraries while films are found
    if call.names:
        from imdbclust.evaluation.profiles import read_names

        call.parameters.append(("names", read_names(call.names)))
    with common.quietly(call.quiet), common.recommending_clean(call.out):
        folder = run(
            dataset=call.dataset,
            request=common.request(call),
            preset=call.preset,
            parameters=parse_values(call.parameters),
            name=call.name,
            out=call.out,
            force=call.force,
            options=options,
            command=call.command_line,
        )
        common.finished(folder, call)


def run_setting(call: Call) -> None:
    """Make the report of a setting of a sweep, and print its path."""
    from imdbclust.running.manifest import find_folder

    find_folder(call.setting.rpartition("/")[0] or call.setting, call.out)
    options = {"-p": call.parameters, "--names": call.names, "--name": call.name}
    options |= {"--preset": call.preset != RECOMMENDED, "--mapping": call.mapping}
    options |= {"options that select films": any(common.request(call).values())}
    if given := [name for name, value in options.items() if value]:
        raise UserError(f"give --setting or {given[0]}, not both")
    from imdbclust.running import sweep

    with common.quietly(call.quiet), common.recommending_clean(call.out):
        folder = sweep.run_setting(
            call.setting,
            dataset=None if call.dataset == "auto" else call.dataset,
            out=call.out,
            force=call.force,
            options=common.execution(call),
            command=call.command_line,
        )
        common.finished(folder, call)
