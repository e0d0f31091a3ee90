"""Execute the notebooks: parameters, keys, kernels, records, runs, reports.

The stages know nothing of this. A notebook uses one thing from here,
:func:`open_stage` or :func:`open_sweep`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imdbclust.running.notebook import Stage, SweepStage


def open_sweep(namespace: dict) -> SweepStage:
    """Begin the notebook of a sweep; see :class:`imdbclust.running.notebook.SweepStage`.

    Parameters
    ----------
    namespace : dict
        The notebook's ``globals()``, out of which the declared parameters are read.
    """
    from imdbclust.running.notebook import SweepStage

    return SweepStage.open_sweep(namespace)


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
