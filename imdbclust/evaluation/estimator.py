"""The recipe as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted

from imdbclust.clustering import UNPLACED
from imdbclust.evaluation.profiles import Profiles, profile_clusters
from imdbclust.evaluation.recipe import Recipe
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence, build_incidence
from imdbclust.new_movies import find_actor, match_actors


class MovieClusters(ClusterMixin, BaseEstimator):
    """Cluster movies by their casts: truncated SVD followed by k-means.

    The defaults are those of the preset ``recommended``.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    n_components : int
        Number of dimensions that the SVD keeps.
    weighting, regularization
        Weighting of the matrix; see :func:`~imdbclust.reduction.reduce_movies`.
    algorithm, n_init, max_iter, tol, reassignment_ratio
        The clusterer; see :func:`~imdbclust.clustering.make_model`.
    n_eras, n_subgroups
        For ``nested``; see :class:`~imdbclust.evaluation.recipe.NestedRecipe`. Without a number of
        eras, the years of the corpus decide; an incidence matrix, which has none, has one era.
    random_state : int
        Seed of the SVD, of k-means and of the sample of titles.

    Attributes
    ----------
    labels_ : ndarray of int32, shape (n_movies,)
        Cluster of each movie; -1 if its cast does not link it to other movies.
    cluster_centers_ : ndarray, shape (n_clusters, n_components)
    embedding_ : Embedding
    clustering_ : Clustering
    corpus_ : Corpus or None
        The movies; None if fitted on an incidence matrix.

    Examples
    --------
    >>> from imdbclust import MovieClusters, read_corpus
    >>> corpus = read_corpus("films.jsonl.gz")
    >>> model = MovieClusters(n_clusters=16).fit(corpus)
    >>> model.profiles().labels()
    >>> model.predict([["John Wayne", "Gabby Hayes"]])
    """

    def __init__(
        self,
        n_clusters: int = 16,
        n_components: int = 12,
        *,
        weighting: str = "degree",
        regularization: float = 0.4,
        algorithm: str = "KMeans",
        n_init: int = 10,
        max_iter: int = 300,
        tol: float = 1e-4,
        reassignment_ratio: float = 0.5,
        n_eras: int = 0,
        n_subgroups: int = 64,
        random_state: int = 31337,
    ):
        self.n_clusters, self.n_components = n_clusters, n_components
        self.weighting, self.regularization = weighting, regularization
        self.algorithm, self.n_init, self.max_iter, self.tol = algorithm, n_init, max_iter, tol
        self.reassignment_ratio, self.random_state = reassignment_ratio, random_state
        self.n_eras, self.n_subgroups = n_eras, n_subgroups

    def fit(self, X: Corpus | Incidence, y: None = None) -> MovieClusters:  # noqa: N803
        """Cluster the movies of a corpus, or the rows of an incidence matrix.

        `y` is ignored. Raises ValueError if there are fewer movies than clusters or components,
        or if no actor plays in two movies.
        """
        if not isinstance(X, Corpus | Incidence):
            raise TypeError(f"X must be a Corpus or an Incidence, not {type(X).__name__}")
        self.corpus_ = X if isinstance(X, Corpus) else None
        incidence = build_incidence(X) if isinstance(X, Corpus) else X
        years = X.movies["year"] if isinstance(X, Corpus) else None
        recipe = Recipe.from_parameters(self.get_params(), years)
        self.embedding_ = recipe.reduce(incidence, self.random_state)
        self.clustering_ = recipe.cluster(self.embedding_, self.random_state, incidence)
        self._fitted = recipe.fitted(self.embedding_, self.clustering_, incidence)
        self.labels_ = self.clustering_.labels
        self.cluster_centers_ = self.clustering_.centers
        return self

    def predict(self, casts: Iterable[Iterable[str]] | Corpus | sp.csr_array) -> np.ndarray:
        """Return the cluster with the nearest center for each cast: int32 of shape (n_new,).

        ``nested`` has the likeliest cluster instead. It is -1 for a cast without an actor who links
        it to other movies, if such movies are not clustered (``MiniBatchKMeans`` clusters them).

        Parameters
        ----------
        casts : list of lists of str, Corpus, or csr_array of shape (n_new, n_actors)
            Lists name the actors of each movie by id, or by name; a name that several actors have
            raises AmbiguousActor. The columns of a matrix are the actors of the fitted one.
            Unknown actors are ignored.
        """
        check_is_fitted(self)
        if self.algorithm == "nested":
            return self._fitted.assign(self._matrix(casts))
        scores = self.embedding_.transform(self._matrix(casts))
        labels = self.clustering_.nearest(scores)
        if self.algorithm != "MiniBatchKMeans":
            labels[~scores.any(axis=1)] = UNPLACED
        return labels

    def profiles(self, *, n_titles: int = 5) -> Profiles:
        """Describe the clusters; see :func:`~imdbclust.evaluation.profiles.profile_clusters`.

        Raises ValueError if fitted on an incidence matrix, which has no names or titles.
        """
        check_is_fitted(self)
        if self.corpus_ is None:
            raise ValueError("profiles need names and titles: fit on a Corpus, not on an Incidence")
        options = {"n_titles": n_titles, "random_state": self.random_state}
        return profile_clusters(self.corpus_, self.clustering_, **options)

    def _matrix(self, casts: Iterable[Iterable[str]] | Corpus | sp.csr_array) -> sp.csr_array:
        n_actors = len(self.embedding_.actor_ids)
        if sp.issparse(casts):
            if casts.shape[1] != n_actors:
                raise ValueError(f"casts has {casts.shape[1]:,} columns, not {n_actors:,}")
            return sp.csr_array(casts)
        known = pd.DataFrame({"actor_id": self.embedding_.actor_ids})
        known["name"] = known["actor_id"] if self.corpus_ is None else self.corpus_.actors["name"]
        if isinstance(casts, Corpus):
            movies, n_movies = casts.credits["movie"].to_numpy(), casts.n_movies
            actors = match_actors(known, casts.actors)[casts.credits["actor"]]
        else:
            rows = [cast if isinstance(cast, str) else list(cast) for cast in casts]
            if any(isinstance(cast, str) for cast in rows):
                raise TypeError("casts must be a list of lists of actors, such as [['nm0000001']]")
            names = pd.Series([actor for cast in rows for actor in cast], dtype="str")
            movies, n_movies = np.repeat(np.arange(len(rows)), list(map(len, rows))), len(rows)
            actors = match_actors(known, pd.DataFrame({"actor_id": names, "name": names}))
            for name in names[actors < 0] if self.corpus_ is not None else ():
                find_actor(self.corpus_, name)
        found = actors >= 0
        where = (movies[found], actors[found])
        matrix = sp.csr_array((np.ones(found.sum()), where), shape=(n_movies, n_actors))
        matrix.data[:] = 1  # an actor listed twice counts once
        return matrix
