"""Recipes: a reduction and a clustering that can be fitted again, and how often that is done.

Every evaluation takes a `fit`: a function of an incidence matrix and a seed that returns a
:class:`Fitted` clustering. :meth:`Recipe.fit` is ours; clusterings of other libraries are
evaluated in the same way. Each fit starts from the matrix, never from a stored embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp

from imdbclust import wording
from imdbclust.base.errors import UserError
from imdbclust.clustering import EMPTY_CLUSTERS_ARE_FINE, Clustering, cluster_movies
from imdbclust.matrix import Incidence
from imdbclust.reduction import Embedding, reduce_movies

TRAINED_SHARE = 0.8
"""Share of the movies in a subsample; the rest is held out."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A clustering of some movies, and how it takes in others.

    Attributes
    ----------
    labels : ndarray of int, shape (n_movies,)
        0 to ``n_clusters - 1``, or `UNPLACED`.
    n_clusters : int
        Number of clusters.
    assign : callable
        Takes casts (csr_array, n_new x n_actors) and returns their labels.
    """

    labels: np.ndarray
    n_clusters: int
    assign: Callable[[sp.csr_array], np.ndarray]


Fit = Callable[[Incidence, int], Fitted]


@dataclass(frozen=True)
class Recipe:
    """All that leads from a matrix to clusters, as the parameters of the notebooks name it."""

    n_components: int
    weighting: str
    regularization: float
    algorithm: str
    n_clusters: int
    n_init: int
    max_iter: int
    tol: float
    reassignment_ratio: float

    @classmethod
    def of(cls, embedding: Embedding, **clustering: float | str) -> Recipe:
        """Return the recipe that made an embedding, with these parameters of the clustering."""
        settings = {key: embedding.settings[key] for key in _REDUCTION}
        return cls(**settings, **clustering)

    def reduce(self, incidence: Incidence, random_state: int) -> Embedding:
        """Return the embedding of the recipe."""
        settings = {key: getattr(self, key) for key in _REDUCTION}
        return reduce_movies(incidence, **settings, random_state=random_state)

    def cluster(self, embedding: Embedding, random_state: int) -> Clustering:
        """Return the clustering of the recipe."""
        settings = {key: getattr(self, key) for key in _CLUSTERING}
        return cluster_movies(embedding, **settings, random_state=random_state)

    def fit(self, incidence: Incidence, random_state: int) -> Fitted:
        """Reduce and cluster."""
        embedding = self.reduce(incidence, random_state)
        clustering = self.cluster(embedding, random_state)
        return fitted(embedding, clustering)


_REDUCTION = ("n_components", "weighting", "regularization")
_CLUSTERING = ("algorithm", "n_clusters", "n_init", "max_iter", "tol", "reassignment_ratio")


def fitted(embedding: Embedding, clustering: Clustering) -> Fitted:
    """Return a clustering as something that takes in other movies."""
    return Fitted(
        clustering.labels,
        clustering.n_clusters,
        lambda casts: clustering.nearest(embedding.transform(casts)),
    )


@dataclass(frozen=True)
class Effort:
    """Number of fits of an evaluation.

    Attributes
    ----------
    n_seeds, n_subsamples : int
        Fits of all movies with different seeds; fits of random subsamples. All pairs are compared.
    n_shuffles : int
        Shuffled matrices of each kind, each fitted on two subsamples.
    n_permutations : int
        Permutations of the labels within each kind of strata.
    n_curve : int
        Subsamples on which other values of `n_clusters` and `n_components` are tried.
    max_movies : int, optional
        Maximum number of movies; larger corpora are not evaluated.
    """

    n_seeds: int
    n_subsamples: int
    n_shuffles: int
    n_permutations: int
    n_curve: int
    max_movies: int | None = None

    def why_not(self, recipe: Recipe, incidence: Incidence, clustering: Clustering) -> str:
        """Return the reason why the recipe is not evaluated; empty if it can be."""
        n_movies, n_actors = incidence.shape
        if not self.n_seeds:
            return wording.evaluation_off()
        if self.max_movies and n_movies > self.max_movies:
            return wording.too_many_to_evaluate(n_movies)
        n_placed = int(clustering.placed.sum())
        n_trained = int(TRAINED_SHARE * min(n_placed, n_movies, n_actors))
        if n_trained <= recipe.n_components or n_placed < 5 * recipe.n_clusters:
            return wording.too_few_to_evaluate(
                n_placed, n_actors, n_clusters=recipe.n_clusters, n_components=recipe.n_components
            )
        return ""


EFFORTS = {
    "off": Effort(0, 0, 0, 0, 0),
    "quick": Effort(
        n_seeds=4, n_subsamples=4, n_shuffles=1, n_permutations=50, n_curve=2, max_movies=100_000
    ),
    "full": Effort(n_seeds=10, n_subsamples=10, n_shuffles=10, n_permutations=500, n_curve=6),
}
"""Values of the parameter ``evaluation``."""


class NotEvaluated(UserError):
    """The recipe cannot be fitted to a subsample, or no held-out movie has a cast."""


_Item, _Result = TypeVar("_Item"), TypeVar("_Result")


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return the results of a function for all items, in their order, computed on all cores.

    The libraries release Python's global interpreter lock. Every item has its own seed, so the
    results do not depend on the number of cores.
    """
    from joblib import Parallel, delayed

    with EMPTY_CLUSTERS_ARE_FINE:
        return Parallel(n_jobs=-1, prefer="threads")(delayed(function)(item) for item in items)
