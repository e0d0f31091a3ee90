"""Run many settings and compare them.

SPEC.yml lists the settings. Examples are small.yml and thesis.yml, which come
with the notebooks and are found by these names. A stage that several settings
share is executed once. The result is a table with one row per setting, a page
that compares them, and reports of settings: of all of them if there are at most
50, else of the best one, unless SPEC.yml says `reports: all`, `best` or `none`.
`imdbclust run --setting SWEEP/N` makes the report of setting N.

options:
  --dataset NAME|FILE   films to use (default: those of SPEC.yml)
  -p NAME=VALUE         fix a parameter, overriding SPEC.yml; may be repeated
  --name NAME           name of the sweep (default: sweep- and the file's name)
  --workers N           number of notebooks to execute in parallel (default:
                        number of cores)
  --scheduler ADDRESS   execute on the workers of this Dask scheduler, e.g.
                        tcp://10.0.0.1:8786 (default: on this machine)
  --dry-run             list the stages that would run and those already finished
"""

from pathlib import Path

from imdbclust.base.errors import UserError
from imdbclust.base.paths import NOTEBOOKS
from imdbclust.base.text import did_you_mean
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("specification", type=common.path, metavar="SPEC.yml")
    parser.add_argument("--dataset", metavar="NAME|FILE")
    parser.add_argument("--workers", type=int, metavar="N")
    parser.add_argument("--scheduler", metavar="ADDRESS")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_shared(common.execution_options)
    parser.add_shared(common.out_option)


def execute(call: Call) -> None:
    """Carry out a sweep, and print the path of its report."""
    from imdbclust.datasets.find import check_known

    check_known(call.dataset or ())
    paths = [path for path in NOTEBOOKS.glob("*.yml") if path.name != "presets.yml"]
    shipped = {Path(path.name): path for path in paths}
    if call.specification in shipped and not call.specification.exists():
        call.specification = shipped[call.specification]
    try:
        call.specification.stat()  # before the libraries are imported
    except OSError as error:
        hint = did_you_mean(str(call.specification), map(str, shipped), "give the path of a file")
        why = f"cannot be read: {error.strerror}"
        raise UserError(f"{call.specification}: {why}; {hint}") from None
    from imdbclust.running.parameters import parse_values
    from imdbclust.running.run import check_name
    from imdbclust.running.sweep import name_of, prepare_sweep, sweep

    with common.quietly(call.quiet), common.recommending_clean(call.out):
        name = check_name(name_of(call.specification) if call.name is None else call.name)
        parameters = parse_values(call.parameters)
        plan, store = prepare_sweep(
            call.specification, dataset=call.dataset, parameters=parameters, out=call.out
        )
        if call.dry_run:
            print(f"{len(plan.stages)} settings; {plan.reports()}")
            print(plan.summary(plan.finished(store)).to_string(index=False))
            return
        folder = sweep(
            plan,
            store,
            name,
            force=call.force,
            workers=call.workers,
            scheduler=call.scheduler,
            options=common.execution(call),
            command=call.command_line,
        )
        common.finished(folder, call)
