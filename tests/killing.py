"""Commands in processes of their own, to be killed: who belongs to them, and what they leave."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

import psutil

from imdbclust.running.store import PART

MARK = "IMDBCLUST_TEST_MARK"
"""Environment variable by which all processes of a call are found again, whoever started them."""


class Call:
    """A command in a process of its own, with a temporary folder and a mark of its own.

    Parameters
    ----------
    *arguments : str or path
        The command line, without ``imdbclust``.
    start : sequence of str
        What Python runs.
    temporary : path, optional
        The folder for temporary files, to share one with another call.
    """

    def __init__(self, *arguments, start=("-m", "imdbclust"), temporary=None):
        self.mark = uuid.uuid4().hex
        # the system's own: paths of sockets have to be short
        self.temporary = temporary or Path(tempfile.mkdtemp(prefix="ic-", dir="/tmp"))
        self.process = subprocess.Popen(
            [sys.executable, *start, *map(str, arguments)],
            env=os.environ | {MARK: self.mark, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def everyone(self):
        """Return all processes of this call that live."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark:
                    found.append(process)
        return found

    def runner(self):
        return [psutil.Process(self.process.pid)]

    def workers(self):
        return [one for one in self.everyone() if _is(one, "multiprocessing", "spawn_main")]

    def kernels(self):
        """Return plain kernels, and those that a fork server has forked."""
        return [
            one
            for one in self.everyone()
            if _is(one, "ipykernel_launcher", "-f")
            or (_is(one, "fork_server.py") and _is(one.parent(), "fork_server.py"))
        ]

    def servers(self):
        """Return the processes that kernels are forked from."""
        return [
            one
            for one in self.everyone()
            if _is(one, "fork_server.py") and not _is(one.parent(), "fork_server.py")
        ]

    def end(self):
        said, _ = self.process.communicate(timeout=900)
        return self.process.returncode, said

    def nothing_is_left(self):
        """Wait 30 seconds at most until no process of it lives; return what is left."""
        until = time.monotonic() + 30
        while (left := self.everyone()) and time.monotonic() < until:
            time.sleep(0.1)
        return [process.cmdline() for process in left if process.is_running()]

    def stop(self):
        """End what is left of it."""
        kill_all(self)
        self.process.communicate(timeout=60)

    def clear(self):
        """End what is left of it, and remove its temporary folder."""
        self.stop()
        shutil.rmtree(self.temporary, ignore_errors=True)


def _is(process, *words):
    with suppress(psutil.Error, AttributeError):  # it has just ended, or its parent has
        line = " ".join(process.cmdline())
        return all(word in line for word in words)
    return False


def wait_for(found, *arguments, seconds=600):
    """Return what `found` finds, as soon as it finds something."""
    until = time.monotonic() + seconds
    while not (there := found(*arguments)):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return there


def unfinished(out):
    return [path.name for path in (out, out / "stages") for path in path.glob(f"{PART}*")]


def has_begun(call):
    """Whether a command has come to where it heeds signals; before, Python itself answers them."""
    with suppress(psutil.Error, OSError):
        status = Path(f"/proc/{call.process.pid}/status").read_text()
        caught = int(status.split("SigCgt:")[1].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)
    return True


# ways to end a call


def kill_all(call):
    for process in call.everyone():
        with suppress(psutil.Error):
            process.kill()


def kill_runner(call):
    call.process.kill()


def interrupt(call):
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(call.process.pid, signal.SIGINT)


def interrupt_twice(call):
    interrupt(call)
    time.sleep(0.02)
    interrupt(call)


def terminate(call):
    call.process.terminate()
