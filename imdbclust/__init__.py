"""Cluster movies by who plays in them, and measure what the clusters say about genres and actors.

The five stages, in the order of the data, are the modules ``load``, ``matrix``, ``reduction``,
``clustering`` and ``probabilities``; the notebook of the same name explains each. The names in
`_EXPORTS` are imported when they are first used, so that ``import imdbclust`` is light.

The import sets ``OMP_WAIT_POLICY=passive`` unless the variable is set: threads of OpenMP that wait
for others then leave their core to other processes. By default they spin, and one busy core makes
t-SNE several times slower. OpenMP reads the variable when it is loaded, so after
``import sklearn`` the setting comes too late and is left out.
"""

import os
import sys

from imdbclust.base.lazy import lazy

__version__ = "0.1.0"

if "sklearn" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_EXPORTS = {
    "MovieClusters": "imdbclust.evaluation.estimator",
    "comparable": "imdbclust.running.diff",
    "read_corpus": "imdbclust.load",
    "read_films": "imdbclust.datasets.reading",
    "read_table": "imdbclust.display.csv_files",
}

__getattr__ = lazy(__name__, _EXPORTS)


def __dir__() -> list[str]:
    return [*globals(), *_EXPORTS]
