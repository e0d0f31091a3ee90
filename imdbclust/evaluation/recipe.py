"""Recipes: a reduction and a clustering that can be fitted again, and how often that is done.

Every evaluation takes a `fit`: a function of an incidence matrix and a seed that returns a
:class:`Fitted` clustering. :meth:`Recipe.fit` is ours; clusterings of other libraries are
evaluated in the same way. Each fit starts from the matrix, never from a stored embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from imdbclust import wording
from imdbclust.base.errors import UserError
from imdbclust.clustering import EMPTY_CLUSTERS_ARE_FINE, Clustering, cluster_movies, make_model
from imdbclust.matrix import Incidence
from imdbclust.reduction import Embedding, make_svd, reduce_movies

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

TRAINED_SHARE = 0.8  # share of the movies in a subsample; the rest is held out
MANY = 20_000  # movies


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
    """The way from an incidence matrix to clusters: unfitted estimators, cloned for every fit.

    The attributes are those of :func:`~imdbclust.reduction.reduce_movies` and
    :func:`~imdbclust.clustering.cluster_movies`.
    """

    svd: BaseEstimator
    model: BaseEstimator
    weighting: str = "none"
    regularization: float = 0.4

    @classmethod
    def of(cls, embedding: Embedding, model: BaseEstimator) -> Recipe:
        """Return the recipe that made an embedding, followed by this clusterer."""
        made = embedding.settings
        svd = embedding.svd or make_svd(
            made["n_components"], weighting=made["weighting"], random_state=made["random_state"]
        )
        return cls(svd, model, made["weighting"], made["regularization"])

    @classmethod
    def from_parameters(cls, parameters: Mapping) -> Recipe:
        """Return the recipe of a dict with the parameters of the notebooks."""
        seed, weighting = parameters["random_state"], parameters["weighting"]
        svd = make_svd(parameters["n_components"], weighting=weighting, random_state=seed)
        names = ("algorithm", "n_clusters", "n_init", "max_iter", "tol", "reassignment_ratio")
        model = make_model(**{name: parameters[name] for name in names}, random_state=seed)
        return cls(svd, model, weighting, parameters["regularization"])

    @property
    def n_components(self) -> int:
        """Number of dimensions of the reduction."""
        return self.svd.n_components

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return self.model.n_clusters

    def with_(self, **changes: int) -> Recipe:
        """Return the recipe with other ``n_components``, ``n_clusters`` or ``n_init``."""
        svd, model = (_cloned(estimator, **changes) for estimator in (self.svd, self.model))
        return replace(self, svd=svd, model=model)

    def reduce(self, incidence: Incidence, random_state: int) -> Embedding:
        """Return the embedding of the recipe."""
        settings = {"weighting": self.weighting, "regularization": self.regularization}
        return reduce_movies(incidence, _cloned(self.svd, random_state=random_state), **settings)

    def cluster(self, embedding: Embedding, random_state: int) -> Clustering:
        """Return the clustering of the recipe."""
        return cluster_movies(embedding, _cloned(self.model, random_state=random_state))

    def fit(self, incidence: Incidence, random_state: int) -> Fitted:
        """Reduce and cluster."""
        embedding = self.reduce(incidence, random_state)
        return fitted(embedding, self.cluster(embedding, random_state))


def _cloned(estimator: BaseEstimator, **changes: int) -> BaseEstimator:
    """Return an unfitted clone with these parameters, except those that it does not have."""
    from sklearn.base import clone

    known = estimator.get_params()
    return clone(estimator).set_params(**{n: v for n, v in changes.items() if n in known})


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
        Shuffled matrices of each kind, each fitted on two subsamples; see :meth:`shuffles`.
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

    def shuffles(self, n_movies: int) -> int:
        """Return the number of shuffled matrices of each kind.

        From eight on, the limit of :func:`imdbclust.evaluation.nulls.compare_with_null` is within
        3.2 times the spread, which 1,000 real movies exceed. Three are enough for more than
        `MANY` movies, which exceed it by 50 times the spread: an effort with `max_movies` saves
        time there.
        """
        return min(self.n_shuffles, 3) if self.max_movies and n_movies > MANY else self.n_shuffles

    def why_not(self, recipe: Recipe, incidence: Incidence, clustering: Clustering) -> str:
        """Return the reason why the recipe is not evaluated; empty if it can be."""
        n_movies, n_actors = incidence.shape
        if not self.n_seeds:
            return wording.sentence("evaluation_off")
        if self.max_movies and n_movies > self.max_movies:
            return wording.sentence("too_many_to_evaluate", n_movies=n_movies)
        n_placed = int(clustering.placed.sum())
        n_trained = int(TRAINED_SHARE * min(n_placed, n_movies, n_actors))
        if n_trained <= recipe.n_components or n_placed < 5 * recipe.n_clusters:
            wanted = {"n_clusters": recipe.n_clusters, "n_components": recipe.n_components}
            wanted |= {"placed": n_placed, "actors": n_actors}
            return wording.sentence("too_few_to_evaluate", **wanted)
        return ""


EFFORTS = {
    "off": Effort(0, 0, 0, 0, 0),
    "quick": Effort(
        n_seeds=4, n_subsamples=4, n_shuffles=8, n_permutations=50, n_curve=2, max_movies=100_000
    ),
    "full": Effort(n_seeds=10, n_subsamples=10, n_shuffles=10, n_permutations=500, n_curve=6),
}
"""Values of the parameter ``evaluation``."""


class NotEvaluated(UserError):
    """The recipe cannot be fitted to a subsample, or no held-out movie has a cast."""


def in_threads(function: Callable, items: Iterable) -> list:
    """Return the results of a function for all items, in their order, computed on all cores.

    Every item has its own seed, so the results do not depend on the number of cores.
    """
    from joblib import Parallel, delayed

    with EMPTY_CLUSTERS_ARE_FINE:
        return Parallel(n_jobs=-1, prefer="threads")(delayed(function)(item) for item in items)
