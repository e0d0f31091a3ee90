"""Wait for what may never answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_time(act: Callable[[], Result], seconds: float) -> Result:
    """Return the result of a function, or raise TimeoutError even if the system hangs in it.

    The function is called in another thread, which goes on after a TimeoutError.
    """
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(act())
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(timeout=seconds)
