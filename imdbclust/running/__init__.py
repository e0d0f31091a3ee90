"""Execute the notebooks: parameters, keys, kernels, records, runs, sweeps and their reports.

A notebook needs only :func:`open_stage`, or :func:`open_sweep`, from here.
"""

from imdbclust.base.lazy import lazy

_LAZY = {"open_stage": "imdbclust.running.notebook", "open_sweep": "imdbclust.running.notebook"}

__getattr__ = lazy(__name__, _LAZY)
