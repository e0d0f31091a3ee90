"""Recipes: a reduction and a clustering that can be fitted again, and how often that is done.

Every evaluation takes a `fit`: a function of an incidence matrix and a seed that returns a
:class:`Fitted` clustering. :meth:`Recipe.fit` is ours; clusterings of other libraries are
evaluated in the same way. Each fit starts from the matrix, never from a stored embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust import wording
from imdbclust.base.errors import UserError
from imdbclust.clustering import (
    UNPLACED,
    Clustering,
    check_n_clusters,
    cluster_movies,
    make_model,
)
from imdbclust.matrix import Incidence, one_hot
from imdbclust.new_movies import LevelModel
from imdbclust.reduction import Embedding, make_svd, n_dimensions, reduce_movies

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

TRAINED_SHARE = 0.8  # share of the movies in a subsample; the rest is held out
MANY = 20_000  # movies

YEARS_OF_AN_ERA = 25  # of the span from which the number of eras follows

MORE_COMPONENTS = 4  # components of the reduction of a group, in addition to one for each part


@dataclass(frozen=True, eq=False)
class Fitted:
    """A clustering of some movies, and how it takes in others.

    Attributes
    ----------
    labels : ndarray of int, shape (n_movies,)
        0 to ``n_clusters - 1``, or `UNPLACED`.
    n_clusters : int
        Number of clusters.
    assign : callable, optional
        Takes casts (csr_array, n_new x n_actors) and returns their labels.
    levels : dict of Fitted
        The other levels of a nested clustering, by name.
    """

    labels: np.ndarray
    n_clusters: int
    assign: Callable[[sp.csr_array], np.ndarray] | None
    levels: Mapping[str, Fitted] = field(default_factory=dict)


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

    varies_components = True
    """Whether another number of components changes the clusters."""

    @classmethod
    def of(
        cls,
        embedding: Embedding,
        model: BaseEstimator,
        *,
        algorithm: str = "",
        years: pd.Series | None = None,
        n_eras: int = 0,
        n_subgroups: int = 0,
    ) -> Recipe:
        """Return the recipe that made an embedding, followed by this clusterer.

        If `algorithm` is ``nested``, the recipe has levels; see :meth:`nested`.
        """
        made = embedding.settings
        svd = embedding.svd or make_svd(
            made["n_components"], weighting=made["weighting"], random_state=made["random_state"]
        )
        flat = cls(svd, model, made["weighting"], made["regularization"])
        return flat.nested(years, n_eras, n_subgroups) if algorithm == "nested" else flat

    @classmethod
    def from_parameters(cls, parameters: Mapping, years: pd.Series | None = None) -> Recipe:
        """Return the recipe of a dict with the parameters of the notebooks.

        The `years` of the movies are for the number of eras of a nested recipe.
        """
        seed, weighting = parameters["random_state"], parameters["weighting"]
        svd = make_svd(parameters["n_components"], weighting=weighting, random_state=seed)
        names = ("algorithm", "n_clusters", "n_init", "max_iter", "tol", "reassignment_ratio")
        model = make_model(**{name: parameters[name] for name in names}, random_state=seed)
        flat = cls(svd, model, weighting, parameters["regularization"])
        if parameters["algorithm"] != "nested":
            return flat
        return flat.nested(years, parameters["n_eras"], parameters["n_subgroups"])

    def nested(self, years: pd.Series | None, n_eras: int, n_subgroups: int) -> NestedRecipe:
        """Return the recipe with levels; without a number of eras, their number by `years`."""
        n_eras = n_eras or count_eras(years)
        return NestedRecipe(
            self.svd, self.model, self.weighting, self.regularization, n_eras, n_subgroups
        )

    @property
    def n_components(self) -> int:
        """Number of dimensions of the reduction."""
        return self.svd.n_components

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return self.model.n_clusters

    def with_(self, **changes: int) -> Recipe:
        """Return the recipe with other ``n_components``, ``n_clusters`` and the like."""
        svd, model = (_cloned(estimator, **changes) for estimator in (self.svd, self.model))
        own = {name: changes[name] for name in self.__dataclass_fields__ if name in changes}
        return replace(self, svd=svd, model=model, **own)

    def reduce(self, incidence: Incidence, random_state: int) -> Embedding:
        """Return the embedding of the recipe."""
        settings = {"weighting": self.weighting, "regularization": self.regularization}
        return reduce_movies(incidence, _cloned(self.svd, random_state=random_state), **settings)

    def cluster(
        self, embedding: Embedding, random_state: int, incidence: Incidence | None = None
    ) -> Clustering:
        """Return the clustering of the recipe; a nested one needs the matrix, too."""
        return cluster_movies(embedding, _cloned(self.model, random_state=random_state))

    def fit(self, incidence: Incidence, random_state: int) -> Fitted:
        """Reduce and cluster."""
        embedding = self.reduce(incidence, random_state)
        return fitted(embedding, self.cluster(embedding, random_state))

    def fit_clusters(self, incidence: Incidence, random_state: int) -> Fitted:
        """Reduce and cluster, without subgroups."""
        return self.fit(incidence, random_state)

    def fitted(self, embedding: Embedding, clustering: Clustering, incidence: Incidence) -> Fitted:
        """Return what the recipe made as something that takes in other movies."""
        return fitted(embedding, clustering)


@dataclass(frozen=True)
class NestedRecipe(Recipe):
    """A few eras, clusters within each era, and subgroups within each cluster.

    The movies of a group are reduced by themselves: actors who play in two eras do not link them
    there, so that what remains is who plays with whom within an era.

    1. The movies are reduced to four components an era, and k-means divides them into eras. With
       one era, this step is left out, and the clusters are those of the flat recipe.
    2. Each era is to have its share of the clusters; see :func:`share_out`. Its movies alone are
       reduced, to `MORE_COMPONENTS` more components than it has clusters, and divided by k-means.
    3. Each cluster is divided in the same way into its share of the subgroups.

    A group whose casts link its movies in fewer components than it is to have parts is divided into
    as many parts as components; with fewer than two, it stays whole. A movie that no actor links
    within its group gets the largest part. New movies are placed by
    :class:`~imdbclust.new_movies.LevelModel`.

    Attributes
    ----------
    n_eras : int
        Number of eras, at most the number of clusters.
    n_subgroups : int
        Number of subgroups, at least one in each cluster; 0 for none.

    References
    ----------
    The division of a group by an embedding of its own: Li et al. (2022), "Hierarchical community
    detection by recursive partitioning", Journal of the American Statistical Association 117.
    """

    n_eras: int = 1
    n_subgroups: int = 0

    @property
    def varies_components(self) -> bool:
        """Whether another number of components changes the clusters."""
        return min(self.n_eras, self.n_clusters) == 1

    def divide(self, incidence: Incidence, random_state: int) -> Clustering:
        """Return the clusters and the other levels; the clusters have no centers.

        Raises ValueError if fewer movies are linked than there are clusters, or none.
        """
        n_eras = min(self.n_eras, self.n_clusters)
        most = self.n_components
        if n_eras > 1:
            most = min(4 * n_eras, incidence.shape[0], incidence.n_listed)
        embedding = self.with_(n_components=most).reduce(incidence, random_state)
        check_n_clusters(self.n_clusters, int(embedding.placed.sum()))
        levels = {}
        if n_eras == 1:
            labels = Recipe.cluster(self, embedding, random_state).labels
        else:
            parts = Recipe.cluster(self.with_(n_clusters=n_eras), embedding, random_state)
            levels["era"] = parts.labels
            labels = self._within(incidence, parts.labels, self.n_clusters, random_state)
            labels = _by_size(labels)
        if self.n_subgroups:
            levels["subgroup"] = self._within(incidence, labels, self.n_subgroups, random_state)
        centers = np.zeros((labels.max() + 1, 0))
        return Clustering(labels, centers, np.nan, incidence.movie_ids, levels=levels)

    def _within(
        self, incidence: Incidence, groups: np.ndarray, n_parts: int, random_state: int
    ) -> np.ndarray:
        """Divide each group; return the parts by group, then by descending size."""
        labels = np.full(len(groups), UNPLACED, dtype=np.int32)
        sizes = np.bincount(groups[groups >= 0])
        for group, n in enumerate(share_out(sizes, min(n_parts, sizes.sum()))):
            movies = np.flatnonzero(groups == group)
            parts = self._divide_one(incidence.select(movies), n, random_state)
            labels[movies] = labels.max() + 1 + parts
        return labels

    def _divide_one(self, incidence: Incidence, n_parts: int, random_state: int) -> np.ndarray:
        """Return the part of each movie of one group, from 0, by descending size."""
        n_linking = int((incidence.movies_per_actor() > 1).sum())
        most = min(n_parts + MORE_COMPONENTS, incidence.shape[0], n_linking)
        if min(most, n_parts) > 1:
            embedding = self.with_(n_components=most).reduce(incidence, random_state)
            rank, n_linked = n_dimensions(embedding.singular_values), int(embedding.placed.sum())
            n_parts = min(n_parts, rank, n_linked)
            if n_parts > 1:
                inner = self.with_(n_clusters=n_parts)
                labels = Recipe.cluster(inner, embedding, random_state).labels
                return np.maximum(labels, 0)  # nothing links an unplaced movie to a smaller part
        return np.zeros(incidence.shape[0], dtype=np.int32)

    def cluster(
        self, embedding: Embedding, random_state: int, incidence: Incidence | None = None
    ) -> Clustering:
        """Return the clusters and the other levels of the movies of a matrix.

        The centers are the means of the clusters in the embedding.
        """
        clustering = self.divide(incidence, random_state)
        placed, labels = clustering.placed, clustering.labels
        scores = embedding.scores[placed]
        member = one_hot(labels[placed], clustering.n_clusters)
        centers = (member @ scores) / member.sum(axis=1)[:, None]
        inertia = float(((scores - centers[labels[placed]]) ** 2).sum())
        return replace(clustering, centers=centers, inertia=inertia)

    def fit(self, incidence: Incidence, random_state: int) -> Fitted:
        """Divide the movies at all levels."""
        return fitted_by_cast(incidence, self.divide(incidence, random_state))

    def fit_clusters(self, incidence: Incidence, random_state: int) -> Fitted:
        """Divide the movies into eras and clusters, without subgroups."""
        return replace(self, n_subgroups=0).fit(incidence, random_state)

    def fitted(self, embedding: Embedding, clustering: Clustering, incidence: Incidence) -> Fitted:
        """Return what the recipe made as something that takes in other movies by their casts."""
        return fitted_by_cast(incidence, clustering)


def count_eras(years: pd.Series | None) -> int:
    """Return the number of eras of movies: one for each `YEARS_OF_AN_ERA`, 1 without any year.

    The span is that of the middle 90 % of the movies with a year.
    """
    known = pd.Series(dtype=float) if years is None else years.dropna().astype(float)
    if known.empty:
        return 1
    first, last = np.quantile(known, [0.05, 0.95])
    return max(1, round((last - first) / YEARS_OF_AN_ERA))


def share_out(sizes: np.ndarray, n_parts: int) -> np.ndarray:
    """Return the number of parts of each group: one each, then one by one to the group with most.

    Most is the largest square root of its `sizes` for each part that it has already; the first
    among equals.
    """
    parts = np.ones(len(sizes), dtype=int)
    while parts.sum() < n_parts:
        parts[np.argmax(np.sqrt(sizes) / parts)] += 1
    return parts


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Return the labels numbered by descending size of the groups; equal sizes keep their order."""
    order = np.argsort(-np.bincount(labels[labels >= 0]), kind="stable")
    return np.where(labels >= 0, np.argsort(order)[labels], UNPLACED).astype(np.int32)


def _cloned(estimator: BaseEstimator, **changes: int) -> BaseEstimator:
    """Return an unfitted clone with these parameters, except those that it does not have."""
    from sklearn.base import clone

    known = estimator.get_params()
    return clone(estimator).set_params(**{n: v for n, v in changes.items() if n in known})


def fitted(embedding: Embedding, clustering: Clustering) -> Fitted:
    """Return a clustering as something that takes in other movies; it keeps the loadings only."""
    empty = {"scores": embedding.scores[:0], "components": embedding.components[:0], "svd": None}
    small = replace(embedding, **empty)
    assign = lambda casts: clustering.nearest(small.transform(casts))  # noqa: E731
    return Fitted(clustering.labels, clustering.n_clusters, assign)


def fitted_by_cast(incidence: Incidence, clustering: Clustering) -> Fitted:
    """Return a nested clustering as something that takes in other movies, by their casts."""

    def place(level: str, casts: sp.csr_array) -> np.ndarray:
        return LevelModel(incidence.matrix, clustering).place(casts)[level]

    at = {"cluster": clustering.labels, **clustering.levels}
    found = {name: Fitted(one, one.max() + 1, partial(place, name)) for name, one in at.items()}
    return replace(found.pop("cluster"), levels=found)


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
    n_casts : int
        Subsamples on which Pr[genre | cast] is learned without clusters, at most `n_subsamples`.
    n_curve : int
        Subsamples on which other values of `n_clusters` and `n_components` are tried.
    max_movies : int, optional
        Maximum number of movies; larger corpora are not evaluated.
    """

    n_seeds: int
    n_subsamples: int
    n_shuffles: int
    n_permutations: int
    n_casts: int
    n_curve: int
    max_movies: int | None = None

    def shuffles(self, n_movies: int) -> int:
        """Return the number of shuffled matrices of each kind.

        From eight on, the limit of :func:`imdbclust.evaluation.nulls.compare_with_null` is within
        3.2 times the spread, which 1,000 real movies exceed. Three are enough from `MANY` movies
        on, which exceed it by 50 times the spread: an effort with `max_movies` saves time there.
        """
        return min(self.n_shuffles, 3) if self.max_movies and n_movies >= MANY else self.n_shuffles

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
    "off": Effort(0, 0, 0, 0, 0, 0),
    "quick": Effort(
        4, 4, n_shuffles=8, n_permutations=50, n_casts=2, n_curve=2, max_movies=100_000
    ),
    "full": Effort(10, 10, n_shuffles=10, n_permutations=500, n_casts=10, n_curve=6),
}
"""Values of the parameter ``evaluation``."""


class NotEvaluated(UserError):
    """The recipe cannot be fitted to a subsample, or no held-out movie has a cast."""
