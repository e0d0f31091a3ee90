"""The command line: what each command of ``imdbclust`` takes, and its exit code.

Exit codes: 0 done; 1 something failed, and it says what; 2 the call or the input is wrong, and
nothing was started; 130 interrupted. Those of ``check`` are 0 clean, 1 usable, 2 unusable.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from imdbclust import __version__
from imdbclust.base.text import parse_memory, shown

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130

LEAST_MEMORY = 500 * 10**6
"""Less is not enough for a kernel to import its libraries."""


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints a terminal may get, whatever was typed."""

    def error(self, message: str):
        super().error(shown(message))


class _RunParser(_Parser):
    """The parser of ``run``: its help lists the notebooks' parameters, read only when asked for."""

    def format_help(self) -> str:
        from imdbclust.running.parameters import FROM_RUN, declared, presets

        skipped = (FROM_RUN, "dataset")
        lines = ["parameters (-p NAME VALUE):"]
        for name, parameter in declared().items():
            if name not in skipped:
                lines += [f"  {line}" for line in parameter.describe().splitlines()]
        lines.append(f"presets: {', '.join(presets())} (notebooks/presets.yml)")
        return super().format_help() + "\n" + "\n".join(lines) + "\n"


def program() -> int:
    """Be the program: carry out a command, and let nothing change how it ended."""
    sys.unraisablehook = partial(_interrupt_again, sys.unraisablehook)
    try:
        return main()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        # Python remembers an interrupt within exec, which modules with dataclasses call, until
        # the next exec; else, run with -m, it would end by SIGINT instead of the exit code
        exec("")  # noqa: S102


def main(arguments: list[str] | None = None) -> int:
    """Carry out a command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding lacks is written out
            stream.reconfigure(errors="backslashreplace")
    try:
        call = _parser().parse_args(arguments)
    except SystemExit:
        _flush()
        raise
    call.command_line = _to_publish(sys.argv[1:] if arguments is None else arguments)
    heard: list[int] = []
    interrupt = partial(_interrupt, heard)
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is in the background
        signal.signal(signal.SIGINT, interrupt)
    try:
        code = call.carry_out(call)
        return code if _flush() else FAILED
    except KeyboardInterrupt:
        return _interrupted(call)
    except BrokenPipeError:
        _flush()
        return FAILED
    except Exception as error:
        if heard:
            return _interrupted(call)  # a library has made another error of it
        if isinstance(error, OSError):
            return _say(_told(error, call), FAILED)
        raise


def _to_publish(words: list[str]) -> str:
    """Return a call as reports tell it: of paths elsewhere only the last name, no user's name."""

    def told(word: str) -> str:
        option, sign, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
        elsewhere = value.startswith(("/", "~")) or ".." in Path(value).parts
        return option + sign + (Path(value).name if elsewhere else value)

    return shlex.join(["imdbclust", *map(told, words)])


def _flush() -> bool:
    """Print what is still to be printed; return whether somebody reads it."""
    try:
        print(end="", flush=True)
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # Python would try once more at its end, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _interrupted(call: argparse.Namespace) -> int:
    _silence_loops()
    if call.carry_out in (_run, _sweep):
        _tidy(call.out)
    return _say(
        "interrupted; finished stages are kept, the same command goes on from there", INTERRUPTED
    )


def _told(error: OSError, call: argparse.Namespace) -> str:
    """Say what the disk, or whatever else is outside of us, refused, and what can be done."""
    from imdbclust.base.paths import reports

    place = error.filename or getattr(call, "out", None) or getattr(call, "to", None) or reports()
    goes_on = call.carry_out in (_run, _sweep)
    advice = "; finished stages are kept: mend this, and the same command goes on from there"
    return f"{place}: {error.strerror or error}{advice if goes_on else ''}"


def _silence_loops() -> None:
    """Have Python say nothing of an event loop that the interrupt left half made.

    Such a loop fails to close when it is thrown away, and a traceback would be printed.
    """
    usual = sys.unraisablehook

    def hook(about: sys.UnraisableHookArgs) -> None:
        if getattr(about.object, "__qualname__", "") != "BaseEventLoop.__del__":
            usual(about)

    sys.unraisablehook = hook


def _tidy(out: Path | None) -> None:
    """Remove what is left unfinished, also by one killed before."""
    from imdbclust.base.paths import reports
    from imdbclust.running.store import tidy

    with suppress(KeyboardInterrupt, OSError):
        tidy(out or reports())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="imdbclust",
        description="Groups of movies by who plays in them, and what they tell.",
        epilog="exit codes: 0 done, 1 something failed, 2 the call or the input is wrong",
    )
    parser.add_argument("--version", action="version", version=f"imdbclust {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands)
    _add_sweep(commands)
    _add_fetch(commands)
    _add_import_imdb(commands)
    _add_sample(commands)
    _add_check(commands)
    _add_import_credits(commands)
    _add_merge(commands)
    _add_assign(commands)
    _add_diff(commands)
    _add_bench(commands)
    return parser


def _add_run(commands) -> None:
    text = "execute the five notebooks and render their reports"
    commands._parser_class, usual = _RunParser, commands._parser_class
    parser = commands.add_parser("run", help=text, description=text + ".")
    commands._parser_class = usual
    _add_dataset(parser)
    parser.add_argument("--preset", default="seed", help="named set of parameters (default: seed)")
    _add_execution(
        parser,
        parameter="set a parameter of the notebooks, see below",
        name="name of the run (default: dataset and preset)",
    )
    parser.set_defaults(carry_out=_run)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset",
        default="auto",
        metavar="NAME|PATH",
        help="imdb, wikipedia, sample, a .json/.jsonl file (also .gz), or auto (default): the "
        "first of imdb and wikipedia that is at hand, else imdb downloaded, else sample",
    )


def _add_execution(parser: argparse.ArgumentParser, *, parameter: str, name: str) -> None:
    """Add the options of commands that execute notebooks."""
    parser.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help=f"{parameter}; may be given many times",
    )
    parser.add_argument("--name", help=name)
    parser.add_argument("--out", type=_path, help="folder for reports (default: reports/)")
    parser.add_argument("--force", action="store_true", help="execute also what is there already")
    parser.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="how long a notebook may take"
    )
    parser.add_argument(
        "--memory-limit",
        type=_memory,
        metavar="SIZE",
        help="memory that a notebook may take, such as 2GB; what asks for more fails (on Linux)",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "warm", "plain"),
        default="auto",
        help="how kernels are started: warm, forked from a process that has imported the "
        "libraries; plain; or auto, warm where that works (default; IMDBCLUST_ENGINE sets another)",
    )


def _path(text: str) -> Path:
    if not text:  # where a variable of a shell is not set, this would be the current folder
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _memory(text: str) -> int:
    try:
        return parse_memory(text, least=LEAST_MEMORY)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_sweep(commands) -> None:
    text = "run many settings, each shared stage once, and compare them"
    parser = commands.add_parser(
        "sweep",
        help=text,
        description=text + ".",
        epilog="specifications to start from: notebooks/small.yml, notebooks/thesis.yml",
    )
    parser.add_argument("specification", type=_path, metavar="SPEC.yml", help="what to try")
    parser.add_argument("--dataset", metavar="NAME|PATH", help="films, in place of the file's")
    _add_execution(
        parser,
        parameter="fix a parameter, in place of the file's",
        name="name of the sweep (default: sweep- and the file's name)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="notebooks executed at the same time (default: as many as there are cores)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="execute on the workers of this Dask scheduler, e.g. tcp://10.0.0.1:8786",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be executed, and what is there"
    )
    parser.set_defaults(carry_out=_sweep)


def _add_fetch(commands) -> None:
    text = "download a named dataset into data/, verified"
    parser = commands.add_parser("fetch", help=text, description=text + ".")
    parser.add_argument("name", metavar="NAME", help="imdb, wikipedia or imdb-dumps")
    parser.set_defaults(carry_out=_fetch)


def _add_import_imdb(commands) -> None:
    text = "make a corpus of IMDb's own dumps"
    parser = commands.add_parser(
        "import-imdb",
        help=text,
        description=text + ": of title.basics, title.principals, name.basics and title.ratings, "
        "each .tsv or .tsv.gz. Movies are sorted by id, titles stay exactly as they stand.",
        epilog="the dumps, for personal and non-commercial use: imdbclust fetch imdb-dumps",
    )
    parser.add_argument("folder", type=_path, metavar="DIR", help="folder with the dumps")
    parser.add_argument(
        "--to", type=_path, required=True, metavar="FILE", help=".jsonl or .jsonl.gz"
    )
    parser.add_argument(
        "--type", default="movie", metavar="T,…", help="types of titles, or all (movie)"
    )
    parser.add_argument("--since", type=int, default=2000, metavar="YEAR", help="(2000)")
    parser.add_argument("--until", type=int, default=2022, metavar="YEAR", help="(2022)")
    parser.add_argument(
        "--any-year", action="store_true", help="all years, and titles without a year too"
    )
    parser.add_argument(
        "--categories",
        default="actor,actress",
        metavar="C,…",
        help="in which capacity people count, or all (actor,actress)",
    )
    parser.add_argument(
        "--min-movies",
        type=int,
        default=2,
        metavar="N",
        help="an actor counts who plays in so many of the titles (2)",
    )
    parser.add_argument(
        "--min-cast",
        type=int,
        default=1,
        metavar="N",
        help="a title is taken that has so many of these actors; 0: also without a cast (1); "
        "both minima are applied until nothing changes",
    )
    parser.add_argument(
        "--genre",
        action="append",
        default=[],
        metavar="G",
        help="only titles of this genre; may be given many times",
    )
    parser.add_argument("--adult", action="store_true", help="titles for adults too")
    parser.add_argument(
        "--memory", default="2GB", metavar="SIZE", help="memory to stay below (2GB)"
    )
    parser.set_defaults(carry_out=_import_imdb)


def _add_sample(commands) -> None:
    text = "write made-up films, at any size"
    parser = commands.add_parser(
        "sample",
        help=text,
        description=text + ". Up to 100,000 movies and 200,000 actors they are made at once, with "
        "the marginals of the course's file; beyond, with --credits and as dumps, block by block.",
    )
    parser.add_argument(
        "--to", type=_path, required=True, metavar="FILE|DIR", help=".jsonl, .jsonl.gz, or a folder"
    )
    parser.add_argument("--movies", type=int, default=20_620, metavar="N", help="(20620)")
    parser.add_argument("--actors", type=int, default=33_609, metavar="N", help="(33609)")
    parser.add_argument("--credits", type=int, metavar="N", help="(as the course's file has)")
    parser.add_argument("--random-state", type=int, default=31337, metavar="S", help="(31337)")
    parser.add_argument(
        "--format",
        choices=("jsonl", "dumps"),
        default="jsonl",
        help="dumps: a folder with four files as IMDb has them, for import-imdb (jsonl)",
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        help="dumps of nothing but movies and actors, without what makes readers stumble",
    )
    parser.set_defaults(carry_out=_sample)


def _add_check(commands) -> None:
    text = "read films and say everything that is wrong with them"
    parser = commands.add_parser(
        "check",
        help=text,
        description=text + ": by kind, how often, and the first of each with line and field.",
        epilog="exit codes: 0 clean, 1 usable with what is listed, 2 unusable",
    )
    parser.add_argument("file", type=_path, metavar="FILE", help="a corpus or a table of credits")
    parser.add_argument("--json", action="store_true", help="for programs")
    _add_table_options(parser)
    parser.set_defaults(carry_out=_check)


def _add_import_credits(commands) -> None:
    text = "make a corpus of a table with one row for each movie and actor"
    parser = commands.add_parser(
        "import-credits",
        help=text,
        description=text + ": CSV, TSV or what a spreadsheet exports, plain or gzip, or parquet.",
        epilog='example: imdbclust import-credits films.csv --to films.jsonl --actor "Played by"',
    )
    parser.add_argument(
        "table", type=_path, metavar="TABLE", help="its first row names the columns"
    )
    _add_output(parser, strict="write nothing unless every row can be used")
    _add_table_options(parser)
    parser.set_defaults(carry_out=_import_credits)


def _add_merge(commands) -> None:
    text = "unite corpora: movies of one id have all their actors and genres"
    parser = commands.add_parser(
        "merge",
        help=text,
        description=text + ". Where they contradict each other, the first file is believed.",
    )
    parser.add_argument(
        "files", type=_path, nargs="+", metavar="FILE", help="corpora, or tables of credits"
    )
    _add_output(parser, strict="write nothing unless every record can be used")
    parser.set_defaults(carry_out=_merge)


def _add_output(parser: argparse.ArgumentParser, *, strict: str) -> None:
    parser.add_argument(
        "--to", type=_path, required=True, metavar="FILE", help=".jsonl or .jsonl.gz"
    )
    parser.add_argument("--strict", action="store_true", help=strict)


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that read a table of credits."""
    group = parser.add_argument_group("columns of a table (guessed from their names)")
    for option, help_ in {
        "movie-id": "ids of movies; else title and year stand for them",
        "title": "titles",
        "actor-id": "ids of actors; else names stand for them",
        "actor": "names of actors",
        "genres": "one genre or several",
        "year": "years",
        "rating": "ratings from 0 to 10",
        "votes": "numbers of votes",
    }.items():
        group.add_argument(f"--{option}", metavar="COLUMN", help=help_)
    group.add_argument("--separator", metavar="C", help="between cells (guessed from the header)")
    group.add_argument("--genre-separator", metavar="C", help="between genres of a cell (guessed)")
    group.add_argument("--encoding", metavar="NAME", help="(utf-8, or utf-16 with a mark)")


def _add_assign(commands) -> None:
    text = "say where new movies belong, by the clusters of a run"
    parser = commands.add_parser(
        "assign",
        help=text,
        description=text + ": by their cast, their genres, or both.",
        epilog='example: imdbclust assign wikipedia-seed --actor "John Wayne" --genre Western',
    )
    parser.add_argument("run", metavar="RUN", help="name of a run, or its folder")
    parser.add_argument(
        "--actor",
        action="append",
        default=[],
        metavar="ID|NAME",
        help="an actor of the movie; may be given many times, unknown ones are named",
    )
    parser.add_argument(
        "--genre", action="append", default=[], metavar="G", help="a genre of the movie; also many"
    )
    parser.add_argument(
        "--file", type=_path, metavar="FILE", help="a corpus of new movies instead: a table, as CSV"
    )
    parser.add_argument("--out", type=_path, help="folder for runs (default: reports/)")
    parser.set_defaults(carry_out=_assign)


def _add_diff(commands) -> None:
    text = "say what differs between two runs, or two sweeps"
    parser = commands.add_parser(
        "diff",
        help=text,
        description=text + ": parameters, versions, films, clusters, tables.",
        epilog="exit code 1 where something differs",
    )
    for name in ("one", "other"):
        parser.add_argument(name, metavar="RUN", help="name of a run, or its folder")
    parser.add_argument("--out", type=_path, help="folder for reports (default: reports/)")
    parser.set_defaults(carry_out=_diff)


def _add_bench(commands) -> None:
    from imdbclust.bench import SPEED

    text = "measure speed, as ratios, and how our recipes compare with other libraries"
    listed = "\n".join(f"  {name:<10} {about}" for name, about in SPEED.items())
    parser = commands.add_parser(
        "bench",
        help=text,
        description=text + ".",
        epilog=f"parts that measure speed (all of them if none is named):\n{listed}\n"
        "  quality    what clusters of our recipes are worth beside those of other libraries",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to measure, see below")
    _add_dataset(parser)
    parser.add_argument("--out", type=_path, help="folder for reports (default: reports/)")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and few fits, to see that all works"
    )
    speed = parser.add_argument_group("speed")
    speed.add_argument("--runs", type=int, metavar="N", help="pairs to measure (5)")
    quality = parser.add_argument_group("quality")
    quality.add_argument("--seeds", type=int, metavar="N", help="fits of all movies (3)")
    quality.add_argument("--subsamples", type=int, metavar="N", help="fits of parts of them (5)")
    quality.add_argument("--clusters", type=int, default=16, metavar="K", help="(16)")
    quality.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME",
        help="compare only with those that have this in their name; may be given many times",
    )
    parser.set_defaults(carry_out=_bench)


def _run(call: argparse.Namespace) -> int:
    from imdbclust.base.errors import DatasetError
    from imdbclust.load import CorpusError
    from imdbclust.running.execute import ExecutionOptions
    from imdbclust.running.kernels.warm import EngineError
    from imdbclust.running.parameters import ParameterError, parse_values
    from imdbclust.running.run import RunFailed, run
    from imdbclust.running.stages import MissingNotebook

    try:
        folder = run(
            dataset=call.dataset,
            preset=call.preset,
            parameters=parse_values(call.parameters),
            name=call.name,
            out=call.out,
            force=call.force,
            options=ExecutionOptions(call.timeout, call.engine, call.memory_limit),
            command=call.command_line,
        )
    except (ParameterError, DatasetError, CorpusError, MissingNotebook, EngineError) as error:
        return _say(str(error), WRONG)
    except RunFailed as error:
        return _say(f"{error}\nthe report of the failed run: {error.folder / 'index.html'}", FAILED)
    print(f"report: {folder / 'index.html'}")
    return DONE


def _sweep(call: argparse.Namespace) -> int:
    from imdbclust.base.errors import DatasetError
    from imdbclust.load import CorpusError
    from imdbclust.running.execute import ExecutionOptions
    from imdbclust.running.kernels.warm import EngineError
    from imdbclust.running.parameters import ParameterError, parse_values
    from imdbclust.running.run import check_name
    from imdbclust.running.specification import SpecificationError
    from imdbclust.running.stages import MissingNotebook
    from imdbclust.running.sweep import SweepFailed, name_of, prepare_sweep, sweep

    try:
        name = check_name(name_of(call.specification) if call.name is None else call.name)
        plan, store = prepare_sweep(
            call.specification,
            dataset=call.dataset,
            parameters=parse_values(call.parameters),
            out=call.out,
        )
        if call.dry_run:
            print(f"{len(plan.stages)} settings")
            print(plan.summary(plan.there(store)).to_string(index=False))
            return DONE
        folder = sweep(
            plan,
            store,
            name,
            force=call.force,
            workers=call.workers,
            scheduler=call.scheduler,
            options=ExecutionOptions(call.timeout, call.engine, call.memory_limit),
            command=call.command_line,
        )
    except (
        SpecificationError,
        ParameterError,
        DatasetError,
        CorpusError,
        MissingNotebook,
        EngineError,
    ) as error:
        return _say(str(error), WRONG)
    except SweepFailed as error:
        return _say(f"{error}\nthe report of the sweep: {error.folder / 'index.html'}", FAILED)
    print(f"report: {folder / 'index.html'}")
    return DONE


def _fetch(call: argparse.Namespace) -> int:
    from imdbclust.base.errors import DatasetError, UnknownDataset
    from imdbclust.datasets.find import fetch

    try:
        for path in fetch(call.name):
            print(path)
    except DatasetError as error:
        return _say(str(error), WRONG if isinstance(error, UnknownDataset) else FAILED)
    return DONE


def _import_imdb(call: argparse.Namespace) -> int:
    try:
        return _import_dumps(call)
    except KeyboardInterrupt:
        return _say("interrupted; nothing was written", INTERRUPTED)


def _import_dumps(call: argparse.Namespace) -> int:
    from imdbclust.datasets.imdb_dumps import Selection, import_dumps, source_file
    from imdbclust.load import CorpusError

    def listed(text: str, option: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        if not names:
            raise ValueError(f"{option} names none; all takes all")
        return () if names == ("all",) else names

    try:
        choice = Selection(
            types=listed(call.type, "--type"),
            since=None if call.any_year else call.since,
            until=None if call.any_year else call.until,
            categories=listed(call.categories, "--categories"),
            genres=tuple(call.genre),
            adult=call.adult,
            min_movies=call.min_movies,
            min_cast=call.min_cast,
        )
        summary = import_dumps(call.folder, call.to, choice, memory=parse_memory(call.memory))
    except (ValueError, CorpusError) as error:
        return _say(str(error), WRONG)
    except OSError as error:
        return _say(f"{call.to}: cannot be written: {error.strerror or error}", FAILED)
    print(shown("\n".join(summary.lines()), keep="\n"))
    print(f"{call.to}; what it was made of: {source_file(call.to)}")
    return DONE


def _sample(call: argparse.Namespace) -> int:
    from imdbclust.datasets.find import check_ending

    sizes = (call.movies, call.actors)
    at_once = call.movies <= 100_000 and call.actors <= 200_000 and call.credits is None
    try:
        if call.format == "jsonl":
            check_ending(call.to)
        if call.format == "jsonl" and at_once:
            from imdbclust.datasets.made_up.sample import make_filmography
            from imdbclust.load import write_corpus

            write_corpus(make_filmography(*sizes, random_state=call.random_state).corpus, call.to)
        else:
            from imdbclust.datasets.made_up.large import LargeSample

            films = LargeSample(*sizes, call.credits, random_state=call.random_state)
            if call.format == "dumps":
                films.write_dumps(call.to, clean=call.clean)
            else:
                films.write_corpus(call.to)
    except ValueError as error:
        return _say(str(error), WRONG)
    except OSError as error:
        return _say(f"{call.to}: cannot be written: {error.strerror}", FAILED)
    except KeyboardInterrupt:
        return _say("interrupted; nothing was written", INTERRUPTED)
    print(f"{call.movies:,} movies, {call.actors:,} actors: {call.to}")
    return DONE


def _check(call: argparse.Namespace) -> int:
    import json

    from imdbclust.datasets.own_files import check_films

    report = check_films(call.file, _table_options(call))
    if call.json:
        print(json.dumps(report.as_dict(), indent=1))
    else:
        for sentence in report.problem_log.guesses:
            _say(sentence)
        print(report)
    return report.exit_code


def _import_credits(call: argparse.Namespace) -> int:
    from imdbclust.datasets.own_files import import_credits

    return _written(
        call.to,
        lambda: import_credits(
            call.table, call.to, _table_options(call), on_problem=_on_problem(call), tell=_say
        ),
    )


def _merge(call: argparse.Namespace) -> int:
    from imdbclust.datasets.own_files import merge_files

    return _written(call.to, lambda: merge_files(call.files, call.to, on_problem=_on_problem(call)))


def _written(to: Path, write: Callable[[], object]) -> int:
    """Write a corpus file, and print the report of what went into it."""
    from imdbclust.base.errors import DatasetError
    from imdbclust.load import CorpusError

    try:
        print(write())
    except (CorpusError, DatasetError) as error:
        return _say(str(error), WRONG)
    except OSError as error:
        return _say(f"{to}: cannot be written: {error.strerror or error}", FAILED)
    print(f"written: {to}")
    return DONE


def _on_problem(call: argparse.Namespace) -> str:
    return "stop" if call.strict else "skip"


def _table_options(call: argparse.Namespace):
    from imdbclust.datasets.credits import COLUMNS, TableOptions

    given = {key: getattr(call, key) for key in COLUMNS if getattr(call, key) is not None}
    separator = "\t" if call.separator in ("tab", "\\t") else call.separator
    return TableOptions(given, separator, call.genre_separator, call.encoding)


def _assign(call: argparse.Namespace) -> int:
    from imdbclust.commands.assign import assign_file, assign_one
    from imdbclust.load import CorpusError
    from imdbclust.running.stages import MissingNotebook

    if "" in call.actor:
        return _say("--actor is an id or a name, not empty", WRONG)
    if bool(call.file) == bool(call.actor or call.genre):
        return _say("give --actor or --genre (or many of them), or else --file", WRONG)
    try:
        if call.file:
            print(assign_file(call.run, call.file, out=call.out), end="")
        else:
            print(shown(assign_one(call.run, call.actor, call.genre, out=call.out), keep="\n"))
    except (ValueError, CorpusError, MissingNotebook) as error:
        return _say(str(error), WRONG)
    return DONE


def _diff(call: argparse.Namespace) -> int:
    from imdbclust.running.diff import describe_difference
    from imdbclust.running.manifest import NotARun

    try:
        lines = describe_difference(call.one, call.other, out=call.out)
    except NotARun as error:
        return _say(str(error), WRONG)
    print(shown("\n".join(lines), keep="\n") or "nothing differs")
    return FAILED if lines else DONE


def _bench(call: argparse.Namespace) -> int:
    from imdbclust.base.errors import DatasetError
    from imdbclust.bench import SPEED, BenchFailed, measure_speed
    from imdbclust.bench.timing import RUNS, Options
    from imdbclust.load import CorpusError
    from imdbclust.running.pages.report import RenderError
    from imdbclust.running.parameters import ParameterError
    from imdbclust.running.run import RunFailed
    from imdbclust.running.stages import MissingNotebook

    speed = [name for name in call.parts or SPEED if name != "quality"]
    known = (*SPEED, "quality")
    if unknown := [name for name in call.parts if name not in known]:
        return _say(f"the bench has no part {unknown[0]!r}; it has {', '.join(known)}", WRONG)
    if call.runs is not None and call.runs < 1:
        return _say(f"--runs is at least 1, not {call.runs}", WRONG)
    try:
        if speed:
            runs = call.runs or (2 if call.quick else RUNS)
            options = Options(call.dataset, runs, call.out, call.quick)
            print(f"page: {measure_speed(speed, options)}")
        if "quality" in call.parts:
            print(f"page: {_compare_quality(call)}")
    except (ParameterError, DatasetError, CorpusError, MissingNotebook) as error:
        return _say(str(error), WRONG)
    except BenchFailed as error:
        where = f"\nthe page of the others: {error.page}" if error.page else ""
        return _say(f"{error}{where}", FAILED)
    except (RenderError, RunFailed) as error:
        return _say(str(error), FAILED)
    except KeyboardInterrupt:
        return _say("interrupted; what was finished is in the folder bench", INTERRUPTED)
    return DONE


def _compare_quality(call: argparse.Namespace) -> Path:
    from imdbclust.bench.quality import compare_quality

    return compare_quality(
        dataset=call.dataset,
        n_seeds=call.seeds,
        n_subsamples=call.subsamples,
        n_clusters=call.clusters,
        named=call.peer,
        quick=call.quick,
        out=call.out,
        command=call.command_line,
    )


def _say(text: str, code: int = DONE) -> int:
    print(f"imdbclust: {shown(text, keep=chr(10))}", file=sys.stderr)
    return code


def _interrupt_again(usual: Callable, about: sys.UnraisableHookArgs) -> None:
    """Interrupt a moment later, if an interrupt came within a callback, where it has no effect."""
    if issubclass(about.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        usual(about)


def _interrupt(heard: list[int], number: int, _) -> None:
    """Interrupt, unless this is being done already: what is tidied up then, is to the end."""
    heard.append(number)
    error = sys.exc_info()[1]
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    if not error:
        raise KeyboardInterrupt
