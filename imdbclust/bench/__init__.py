"""The bench: what ``imdbclust bench`` measures, a module for each part.

`quality` compares what our clusters are worth with those of other libraries. The parts of `SPEED`
compare seconds and memory, always as ratios of two ways that took turns in one run.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from imdbclust.base.errors import Failure

if TYPE_CHECKING:
    from imdbclust.bench.timing import Options

SPEED = {
    "import": "IMDb's dumps made into a corpus, beside pandas",
    "recipe": "the steps of the course, in its way and in ours, at growing sizes",
    "kernels": "a kernel forked from a warm process beside one started as usual",
    "rendering": "the pages of a run beside nbconvert",
    "run": "a run beside stock papermill and nbconvert on the same notebooks",
    "sweep": "a sweep against the loop over stock papermill and nbconvert",
}
"""Parts that measure speed, and what they compare."""

MODULES = {"import": "importing"}
"""Modules of this package that have another name than their part."""


class BenchFailed(Failure):
    """Something that was to be measured broke.

    Attributes
    ----------
    page : Path, optional
        The page of what did not.
    """

    def __init__(self, message: str, page: Path | None = None):
        super().__init__(message)
        self.page = page


def measure_speed(parts: list[str], options: Options) -> Path:
    """Measure some parts one after the other; return the page that shows all that was measured.

    Each module has a function ``measure`` that takes :class:`~imdbclust.bench.timing.Options` and
    returns a :class:`~imdbclust.bench.timing.Part`. What a part found is written as soon as it
    is there.
    """
    from imdbclust.bench.timing import tell, write_page, write_part

    for name in parts:
        measure: Callable = import_module(f"imdbclust.bench.{MODULES.get(name, name)}").measure
        part = measure(options)
        write_part(part, options.folder)
        tell(part)
    return write_page(options.folder)
