"""Progress bars in a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

USUAL_WIDTH = 80  # of a terminal that does not know its width


def terminal_bar(**options: object) -> tqdm:
    """Return a progress bar of tqdm, which is disabled unless standard error is a terminal."""
    from tqdm import tqdm

    width = USUAL_WIDTH
    with suppress(OSError, ValueError):  # not a terminal, or closed
        width = os.get_terminal_size(sys.stderr.fileno()).columns or USUAL_WIDTH
    return tqdm(disable=None, ncols=width, **options)
