"""The command line: assembles the commands, and turns errors into messages and exit codes.

Exit codes: 0 done; 1 something failed, and the message says what; 2 the call or the input is wrong,
and nothing was started; 130 interrupted. `check` and `diff` document their own.
"""

from __future__ import annotations

import importlib.machinery
import io
import os
import re
import shlex
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path

from imdbclust import __version__
from imdbclust.base.errors import Failure, UserError
from imdbclust.base.paths import reports
from imdbclust.base.text import shown
from imdbclust.commands import (
    assign,
    bench,
    check,
    clean,
    completion,
    diff,
    fetch,
    import_films,
    import_imdb,
    merge,
    open_report,
    run,
    runs,
    sample,
    sweep,
)
from imdbclust.commands.common import (
    DONE,
    FAILED,
    INTERRUPTED,
    WRONG,
    Call,
    CommandParser,
    Parser,
    check_limits,
    say,
)

COMMANDS = {
    "run": run,
    "sweep": sweep,
    "runs": runs,
    "open": open_report,
    "diff": diff,
    "assign": assign,
    "clean": clean,
    "check": check,
    "import": import_films,
    "import-imdb": import_imdb,
    "merge": merge,
    "fetch": fetch,
    "sample": sample,
    "bench": bench,
    "completion": completion,
}
"""The commands, each a module with `add_options` and `execute`, in the order of the help."""


def program() -> int:
    """Entry point; keeps the exit status intact during shutdown."""
    sys.unraisablehook = partial(_interrupt_again, sys.unraisablehook)
    try:
        return main()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        # Python remembers an interrupt that came within exec, which dataclasses call, until the
        # next exec. Without this one, `python -m imdbclust` would end by SIGINT.
        exec("")  # noqa: S102


def main(arguments: list[str] | None = None) -> int:
    """Execute a command and return its exit code."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape what the encoding lacks
            stream.reconfigure(errors="backslashreplace")
    try:
        words = sys.argv[1:] if arguments is None else arguments
        call = _parser().parse_args(_pairs(words))
    except SystemExit:
        _flush()
        raise
    except UserError as error:  # the help of a command lists what files say
        return say(str(error), WRONG)
    call.command_line = _to_publish(words)
    interrupt = _Interrupt()
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # ignored in the background
        signal.signal(signal.SIGINT, interrupt)
    try:
        try:
            if not call.light:
                check_limits()
            code = call.execute(call) or DONE
            return code if _flush() else FAILED
        finally:
            # no call, so no interrupt comes in between; this process ends now
            interrupt.ended = arguments is None
    except KeyboardInterrupt:
        return _interrupted(call)
    except BrokenPipeError:
        _flush()
        return FAILED
    except Exception as error:
        if interrupt.came:  # a library has turned the interrupt into another error
            return _interrupted(call)
        if isinstance(error, UserError):
            return say(str(error), WRONG)
        if isinstance(error, Failure):
            return say(f"{error}\nreport: {error.page}" if error.page else str(error), FAILED)
        if isinstance(error, OSError):
            return say(_describe(error, call), FAILED)
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    """Write the traceback of a fault of this program to a file, and say where it is."""
    text = shown(error)[:300] or "no message"
    where = "no file could be written for the traceback"
    with suppress(OSError):
        how = {"mode": "w", "encoding": "utf-8", "errors": "backslashreplace"}
        ends = {"prefix": "imdbclust-error-", "suffix": ".log"}
        with tempfile.NamedTemporaryFile(delete=False, **how, **ends) as log:
            log.writelines(traceback.format_exception(error))
        where = f"the traceback is in {log.name}"
    return say(f"unexpected error: {type(error).__name__}: {text}; {where}", FAILED)


def _open_closed_streams() -> None:
    """Replace standard streams that the caller has closed by ones that are empty."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w" if number else "r", encoding="utf-8")  # noqa: PTH123, SIM115
            try:
                os.fstat(number)
            except OSError:  # child processes need the descriptor
                os.dup2(stream.fileno(), number)
            setattr(sys, name, stream)


def _parser() -> Parser:
    parser = Parser(
        prog="imdbclust",
        description="Cluster movies by cast, and report what the clusters say about genres.",
        epilog="exit codes: 0 done, 1 something failed, 2 the call or the input is wrong",
    )
    parser.add_argument("--version", action="version", version=f"imdbclust {__version__}")
    commands = parser.add_subparsers(
        metavar="COMMAND", required=True, title="commands", parser_class=CommandParser
    )
    for name, module in COMMANDS.items():
        summary = module.__doc__.partition(".\n")[0]
        about = {"help": summary[0].lower() + summary[1:], "description": module.__doc__}
        command = commands.add_parser(name, **about)
        command.set_defaults(execute=module.execute, light=False, interrupted="", resumable=False)
        module.add_options(command)
    parser.set_defaults(commands=dict(commands.choices))
    commands.choices["import-credits"] = commands.choices["import"]  # until the next release
    return parser


def _pairs(words: list[str]) -> list[str]:
    """Return the words of a call with ``-p NAME=VALUE`` as ``-p NAME VALUE``."""
    found: list[str] = []
    for word in words:
        pair = re.fullmatch(r"([\w-]+)=(.*)", word, re.DOTALL) if found[-1:] == ["-p"] else None
        found += pair.groups() if pair else [word]
    return found


def _to_publish(words: list[str]) -> str:
    """Return a call as reports show it: absolute paths without their folders and user names."""

    def published(word: str) -> str:
        option, sign, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
        elsewhere = value.startswith(("/", "~")) or ".." in Path(value).parts
        return option + sign + (Path(value).name if elsewhere else value)

    return shlex.join(["imdbclust", *map(published, words)])


def _flush() -> bool:
    """Flush standard output; return False if its reader has gone."""
    try:
        print(end="", flush=True)
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # Python would flush again on exit, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _interrupted(call: Call) -> int:
    """Remove unfinished folders, those of killed commands too, and say how to continue."""
    from imdbclust.running.store import tidy

    _silence_loops()
    if call.resumable:
        call.interrupted = "finished stages are kept; repeat the command to continue"
        with suppress(KeyboardInterrupt, OSError):
            tidy(call.out or reports())
    return say("; ".join(filter(None, ("interrupted", call.interrupted))), INTERRUPTED)


def _describe(error: OSError, call: Call) -> str:
    place = error.filename or getattr(call, "out", None) or getattr(call, "to", None) or reports()
    advice = "; finished stages are kept: fix this, then repeat the command to continue"
    return f"{place}: {error.strerror or error}{advice if call.resumable else ''}"


def _silence_loops() -> None:
    """Print no traceback of an event loop that was interrupted while created and cannot close."""
    usual = sys.unraisablehook

    def hook(about: sys.UnraisableHookArgs) -> None:
        if getattr(about.object, "__qualname__", "") != "BaseEventLoop.__del__":
            usual(about)

    sys.unraisablehook = hook


def _interrupt_again(usual: Callable, about: sys.UnraisableHookArgs) -> None:
    """Repeat an interrupt that came within a callback, where it has no effect."""
    if issubclass(about.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        usual(about)


class _NativeImports:
    """Lets interrupts wait while the main thread imports a native library, which may abort."""

    def __init__(self):
        self.depth, self.waiting = 0, False
        loader = importlib.machinery.ExtensionFileLoader
        if not hasattr(loader.exec_module, "__wrapped__"):
            loader.create_module = self.patient(loader.create_module)
            loader.exec_module = self.patient(loader.exec_module)

    def patient(self, load: Callable) -> Callable:
        """Return a method of a loader that raises KeyboardInterrupt only when it has ended."""

        @wraps(load)
        def loaded(*args: object) -> object:
            if threading.current_thread() is not threading.main_thread():
                return load(*args)
            self.depth += 1
            try:
                return load(*args)
            finally:
                self.depth -= 1
                if self.waiting and not self.depth:
                    self.waiting = False
                    raise KeyboardInterrupt

        return loaded


_native_imports = _NativeImports()


class _Interrupt:
    """Raises KeyboardInterrupt for a signal, until the program has nothing left but to end.

    Nor is it raised while another one is being handled: cleaning up is not interrupted.
    """

    came = ended = False

    def __call__(self, *_: object) -> None:
        self.came = True
        error = sys.exc_info()[1]
        while error and not isinstance(error, KeyboardInterrupt):
            error = error.__context__
        if error or self.ended:
            return
        if _native_imports.depth:
            _native_imports.waiting = True
        else:
            raise KeyboardInterrupt
