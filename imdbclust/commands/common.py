"""What several commands share: exit codes, messages, parsers and options."""

from __future__ import annotations

import argparse
import inspect
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

from imdbclust.base.errors import Failure, UserError
from imdbclust.base.paths import reports
from imdbclust.base.text import byte_size, parse_memory, shown

if TYPE_CHECKING:
    from imdbclust.datasets.credits import TableOptions
    from imdbclust.running.execute import ExecutionOptions

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130  # exit codes
MIN_MEMORY = 500 * 10**6  # bytes that a kernel needs to import its libraries

LIMIT = "IMDBCLUST_STAGES_LIMIT"
"""Environment variable with the size of the stages above which a run recommends cleaning."""

Call = argparse.Namespace  # a parsed call


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

    --dataset NAME|FILE   films to use: imdb, wikipedia, sample, a .json or .jsonl
                          file (optionally .gz), or auto, which takes imdb or
                          wikipedia if available, else downloads imdb, else takes
                          sample (default: auto)
    """
    parser.add_argument("--dataset", default="auto", metavar="NAME|FILE")


def out_option(parser: CommandParser) -> None:
    """Add the option that names the folder for reports.

    --out DIR             folder for reports (default: the folder that
                          IMDBCLUST_REPORTS names, else reports/)
    """
    parser.add_argument("--out", type=path, metavar="DIR")


def execution_options(parser: CommandParser) -> None:
    """Add the options of commands that execute notebooks.

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
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--timeout", type=partial(number, unit="seconds"), metavar="SECONDS")
    parser.add_argument("--memory-limit", type=partial(memory, least=MIN_MEMORY), metavar="SIZE")
    parser.add_argument("--engine", choices=("auto", "warm", "plain"), default="auto")
    parser.set_defaults(resumable=True)


def execution(call: Call) -> ExecutionOptions:
    """Return the options of :func:`execution_options`."""
    from imdbclust.running.execute import ExecutionOptions

    return ExecutionOptions(call.timeout, call.engine, call.memory_limit)


def table_options(parser: CommandParser) -> None:
    """Add the options of commands that read a table of credits.

    --movie-id COLUMN     column with movie ids (default: title and year identify a
                          movie)
    --title COLUMN        column with titles
    --actor-id COLUMN     column with actor ids (default: names identify actors)
    --actor COLUMN        column with actor names
    --genres COLUMN       column with one or more genres
    --year COLUMN         column with years
    --rating COLUMN       column with ratings from 0 to 10
    --votes COLUMN        column with numbers of votes
    --separator C         character between cells, or tab (default: guessed from
                          the header)
    --genre-separator C   separator of genres within a cell (default: guessed)
    --encoding NAME       encoding of the file (default: utf-8, or utf-16 if there
                          is a byte order mark)

    By default, columns are recognised by their names.
    """
    for name in ("movie-id", "title", "actor-id", "actor", "genres", "year", "rating", "votes"):
        parser.add_argument(f"--{name}", metavar="COLUMN")
    for name, metavar in {"separator": "C", "genre-separator": "C", "encoding": "NAME"}.items():
        parser.add_argument(f"--{name}", metavar=metavar)


def table(call: Call) -> TableOptions:
    """Return the options of :func:`table_options`."""
    from imdbclust.datasets.credits import COLUMNS, TableOptions

    given = {key: getattr(call, key) for key in COLUMNS if getattr(call, key) is not None}
    separator = "\t" if call.separator in ("tab", "\\t") else call.separator
    return TableOptions(given, separator, call.genre_separator, call.encoding)


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
