"""What several commands share: exit codes, messages, parsers and options."""

from __future__ import annotations

import argparse
import inspect
import json
import math
import os
import resource
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

from imdbclust.base.errors import Failure, UserError
from imdbclust.base.paths import reports
from imdbclust.base.text import byte_size, counted, parse_memory, shown

if TYPE_CHECKING:
    from imdbclust.datasets.part import Part
    from imdbclust.datasets.tables import Reading
    from imdbclust.running.execute import ExecutionOptions

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130  # exit codes
MAX_FINDINGS = 4  # maximum number that is printed at the end of a run
MIN_FILES = 256  # open files; with fewer, kernels cannot be reached
MIN_ADDRESS_SPACE = 3 * 10**9  # bytes that the libraries reserve; with less they hang or crash
MIN_MEMORY = 500 * 10**6  # bytes that a kernel needs to import its libraries

LIMIT = "IMDBCLUST_STAGES_LIMIT"
"""Environment variable with the size of the stages above which a run recommends cleaning."""

Call = argparse.Namespace  # a parsed call
FILMS, PEOPLE = ("movie_id", "title", "genres", "year", "rating", "votes"), ("actor_id", "actor")
COLUMNS = (*FILMS, *PEOPLE, "category")
"""What a column of a film file can hold."""


class Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its error messages."""

    def error(self, message: str):
        """Print the usage and the message, and exit."""
        super().error(shown(message))


class CommandParser(Parser):
    """The parser of a command, whose help is the docstring of its module."""

    more_help: Callable[[], str] = str  # returns text after it, called when the help is printed

    def add_shared(self, add_options: Callable[[CommandParser], None]) -> None:
        """Add options that several commands have; the help shows the function's docstring."""
        add_options(self)
        options = inspect.getdoc(add_options).partition("\n\n")[2]
        self.description += indent(options, "  ") + "\n"

    def format_help(self) -> str:
        """Return the usage, the docstring and more."""
        return f"{self.format_usage()}\n{self.description}{self.more_help()}"


def say(text: str, code: int = DONE) -> int:
    """Print a message on standard error, and return the exit code."""
    print(f"imdbclust: {shown(text, keep=chr(10))}", file=sys.stderr)
    return code


def check_limits() -> None:
    """Raise UserError if the system denies this process what the libraries need.

    The soft limit of open files is raised if the hard limit allows it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < MIN_FILES:
        if resource.RLIM_INFINITY != hard < MIN_FILES:
            raise UserError(
                f"`ulimit -n` limits this process to {counted(hard, 'open file')}, and "
                f"{MIN_FILES} are needed; raise the limit"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (MIN_FILES, hard))
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if resource.RLIM_INFINITY != limit < MIN_ADDRESS_SPACE:
        raise UserError(
            f"`ulimit -v` limits this process to {byte_size(limit)} of address space, and the "
            f"libraries need {byte_size(MIN_ADDRESS_SPACE)}; raise the limit, or remove it and "
            "limit the notebooks of a run by --memory-limit"
        )


def path(text: str) -> Path:
    """Parse a path."""
    if not text:  # an unset shell variable must not mean the current folder
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def number(text: str, *, unit: str, zero: bool = False) -> float:
    """Parse a positive number, or 0 if `zero` allows it."""
    with suppress(ValueError):
        value = float(text)
        if 0 < value < math.inf or (zero and value == 0):
            return value
    kind = "" if zero else "positive "
    raise argparse.ArgumentTypeError(f"{text!r} is not a {kind}number of {unit}")


def memory(text: str, **limits: int) -> int:
    """Parse an amount of memory."""
    try:
        return parse_memory(text, **limits)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def dataset_option(parser: CommandParser) -> None:
    """Add the option that selects the films.

    --dataset NAME|FILE…  films to use: imdb, wikipedia, sample, film files of any
                          kind (see imdbclust import), or auto, which takes imdb or
                          wikipedia if available, else downloads imdb, else takes
                          sample (default: auto)
    """
    parser.add_argument("--dataset", nargs="+", default="auto", metavar="NAME|FILE")


def out_option(parser: CommandParser) -> None:
    """Add the option that names the folder for reports.

    --out DIR             folder for reports (default: the folder that
                          IMDBCLUST_REPORTS names, else reports/)
    """
    parser.add_argument("--out", type=path, metavar="DIR")


def json_option(parser: CommandParser) -> None:
    """Add the option for programs that read the output.

    --json                print JSON for programs
    """
    parser.add_argument("--json", action="store_true")


def print_json(value: object) -> None:
    """Print a value as JSON, with escapes for all but ASCII characters; NaN becomes null."""
    from msgspec import to_builtins

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {str(name): plain(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        value = value.item() if hasattr(value, "item") else value
        return None if value != value or value is None else to_builtins(value)

    print(json.dumps(plain(value), indent=1))


@contextmanager
def quietly(quiet: bool) -> Iterator[None]:
    """Discard what is said meanwhile on standard error if `quiet`; errors are raised as usual."""
    if not quiet:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):  # noqa: PTH123
        yield


def finished(folder: Path, call: Call) -> None:
    """Print the findings of a run or sweep, the path of its report and how to open it."""
    page = folder / "index.html"
    if call.quiet:
        print(page)
        return
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for text in found(manifest)[:MAX_FINDINGS]:
        print(shown(text))
    where = f" --out {shlex.quote(str(call.out))}" if call.out else ""
    out = Path(call.out or reports()).absolute()
    name = folder.relative_to(out) if folder.is_relative_to(out) else folder
    print(f"open it with: imdbclust open {shlex.quote(str(name))}{where}")
    print(f"report: {page}")


def found(manifest: dict) -> list[str]:
    """Return what a run or sweep found, from its manifest, the most important first."""
    from imdbclust.wording import run_findings

    stages, kinds = manifest["stages"], ("headlines", "findings")
    answers = run_findings(stages).items()
    return [f"{question} {answer}" for question, answer in answers] or list(
        dict.fromkeys(text for kind in kinds for stage in stages for text in stage.get(kind, ()))
    )


def execution_options(parser: CommandParser) -> None:
    """Add the options of commands that execute notebooks.

    --quiet               print the path of the report only, and errors
    --force               re-run stages that are already finished
    --timeout SECONDS     stop a notebook after this many seconds (default: no
                          limit)
    --memory-limit SIZE   memory limit per notebook, e.g. 2GB; beyond it the
                          notebook fails (Linux only; default: no limit)
    --engine ENGINE       how to start kernels: warm forks them from a process that
                          has already imported the libraries, plain starts new
                          processes, auto is warm where possible (default:
                          IMDBCLUST_ENGINE if set, else auto)
    """
    pair = {"nargs": 2, "action": "append", "default": [], "metavar": ("NAME", "VALUE")}
    parser.add_argument("-p", dest="parameters", **pair)
    parser.add_argument("--name")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--timeout", type=partial(number, unit="seconds"), metavar="SECONDS")
    parser.add_argument("--memory-limit", type=partial(memory, least=MIN_MEMORY), metavar="SIZE")
    parser.add_argument("--engine", choices=("auto", "warm", "plain"), default="auto")
    parser.set_defaults(resumable=True)


def execution(call: Call) -> ExecutionOptions:
    """Return the options of :func:`execution_options`."""
    from imdbclust.running.execute import ExecutionOptions

    return ExecutionOptions(call.timeout, call.engine, call.memory_limit)


def reading_options(parser: CommandParser) -> None:
    """Add the options of commands that read film files of any kind.

    --movie-id COLUMN     column with movie ids (default: title and year identify a
                          movie)
    --title COLUMN        column with titles
    --actor-id COLUMN     column with actor ids (default: names identify actors)
    --actor COLUMN        column with actor names; may be repeated
    --genres COLUMN       column with one or more genres
    --year COLUMN         column with years
    --rating COLUMN       column with ratings from 0 to 10
    --votes COLUMN        column with numbers of votes
    --category COLUMN     column with the job of a person; rows of others than
                          actors are left out
    --actor-separator C   separator of actors within a cell, or none (default:
                          guessed)
    --genre-separator C   separator of genres within a cell, or none (default:
                          guessed)
    --separator C         character between cells, or tab (default: guessed)
    --quote C             character around cells, or none (default: guessed)
    --encoding NAME       encoding of the text (default: guessed)
    --unify FILE          YAML file with the spelling to keep, by spelling, under
                          actors, titles and genres (default: keep all)

    With none as COLUMN a value is not read. By default, columns are recognised by
    their names and values.
    """
    for name in COLUMNS:
        action = "append" if name == "actor" else "store"
        parser.add_argument(f"--{name.replace('_', '-')}", action=action, metavar="COLUMN")
    for name in ("actor-separator", "genre-separator", "separator", "quote"):
        parser.add_argument(f"--{name}", metavar="C")
    parser.add_argument("--encoding", metavar="NAME")
    parser.add_argument("--unify", type=path, metavar="FILE")


def mapping_option(parser: CommandParser) -> None:
    """Add the option that repeats how files were read.

    --mapping FILE        read files as FILE says, which imdbclust import
                          --save-mapping writes (default: guess)
    """
    parser.add_argument("--mapping", type=path, metavar="FILE")


def accept_option(parser: CommandParser) -> None:
    """Add the option that takes doubtful films.

    --accept              take films that are hardly what was meant, such as whole
                          casts that were read as one actor (default: refuse them)
    """
    parser.add_argument("--accept", action="store_true")


def part_options(parser: CommandParser) -> None:
    """Add the options that select a part of the films.

    --since YEAR          first year (default: all years)
    --until YEAR          last year; with either one, movies without a year are left
                          out (default: all years)
    --genre G             keep only movies of this genre; may be repeated (default:
                          all genres)
    --min-movies N        keep actors with at least N of the selected movies
                          (default: 1)
    --min-cast N          keep movies with at least N of these actors; both limits
                          are applied repeatedly until they hold (default: 0)
    """
    parser.add_argument("--since", type=int, metavar="YEAR")
    parser.add_argument("--until", type=int, metavar="YEAR")
    parser.add_argument("--genre", action="append", default=[], metavar="G")
    parser.add_argument("--min-movies", type=int, default=1, metavar="N")
    parser.add_argument("--min-cast", type=int, default=0, metavar="N")


def part(call: Call) -> Part:
    """Return the options of :func:`part_options`."""
    from imdbclust.datasets.part import Part

    minima = {"min_movies": call.min_movies, "min_cast": call.min_cast}
    return Part(call.since, call.until, tuple(call.genre), **minima)


def reading(call: Call) -> Reading:
    """Return the options of :func:`reading_options` and :func:`mapping_option`."""
    from msgspec.structs import replace

    from imdbclust.datasets.reading import read_mapping
    from imdbclust.datasets.tables import Reading

    how = read_mapping(call.mapping) if call.mapping else Reading()
    columns = dict(how.columns)
    for key in COLUMNS:
        if given := getattr(call, key, None):
            names = [given] if isinstance(given, str) else given
            columns[key] = [] if names == ["none"] else names
    texts = ("actor_separator", "genre_separator", "separator", "quote", "encoding")
    more = {name: getattr(call, name) for name in texts if getattr(call, name, None)}
    if more.get("separator") in ("tab", "\\t"):
        more["separator"] = "\t"
    if getattr(call, "unify", None):
        more["unify"] = read_mapping(call.unify, unify=True).unify
    return replace(how, columns=columns, **more)


def request(call: Call) -> dict:
    """Return the options of a run that say how films are read and which of them are used."""
    from msgspec import to_builtins

    mapping = to_builtins(reading(call)) if call.mapping else {}
    return {"mapping": mapping, "part": part(call).as_dict(), "accept": call.accept}


@contextmanager
def user_values() -> Iterator[None]:
    """Turn a ValueError, with which a library function rejects the user's values, into an error."""
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Name the file to be written in the message of a disk error."""
    try:
        yield
    except OSError as error:
        raise Failure(f"{file}: cannot be written: {error.strerror or error}") from error


@contextmanager
def recommending_clean(out: Path | None) -> Iterator[None]:
    """Recommend `imdbclust clean` afterwards if the finished stages exceed the limit."""
    from imdbclust.running.clean import folder_size
    from imdbclust.running.store import Store

    with user_values():
        limit = parse_memory(os.environ.get(LIMIT) or "5GB", least=0, what=LIMIT)
    yield
    folder = Store(out or reports()).folder
    if (size := folder_size(folder)) > limit:
        say(
            f"the stages in {folder} take {byte_size(size)}, more than {byte_size(limit)}; "
            "`imdbclust clean` removes those that no run uses"
        )
