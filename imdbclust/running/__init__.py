"""Execute the notebooks: parameters, keys, kernels, records, runs, reports.

The stages know nothing of this. A notebook uses one thing from here, :func:`open_stage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imdbclust.running.notebook import Stage


def open_stage(name: str, namespace: dict) -> Stage:
    """Begin a stage from within its notebook; see :class:`imdbclust.running.notebook.Stage`.

    Parameters
    ----------
    name : str
        The stage's word, e.g. ``clustering``.
    namespace : dict
        The notebook's ``globals()``, out of which the declared parameters are read.
    """
    from imdbclust.running.notebook import Stage

    return Stage.open(name, namespace)
