"""The graph of the stages, and their notebooks."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from imdbclust.base.errors import UserError
from imdbclust.base.paths import NOTEBOOKS

READS: dict[str, tuple[str, ...]] = {
    "load": (),
    "matrix": ("load",),
    "reduction": ("load", "matrix"),
    "clustering": ("load", "matrix", "reduction"),
    "probabilities": ("load", "matrix", "reduction", "clustering"),
}
"""The earlier stages that each stage reads."""

STAGES = tuple(READS)


@cache
def notebook_of(stage: str) -> Path:
    """Return the numbered notebook of a stage."""
    found = sorted(NOTEBOOKS.glob(f"[0-9][0-9]_{stage}.ipynb"))
    if len(found) != 1:
        raise UserError(
            f"expected one notebook NN_{stage}.ipynb in {NOTEBOOKS}; install the package again, "
            "or in a clone of the repository restore the notebooks"
        )
    return found[0]


def cells_of(stage: str) -> list[dict]:
    """Return the cells of a stage's source notebook."""
    return json.loads(notebook_of(stage).read_text(encoding="utf-8"))["cells"]
