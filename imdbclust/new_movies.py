"""Find the cluster of a new movie, from its cast, its genres, or both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted

from imdbclust.base.errors import UserError
from imdbclust.base.text import counted
from imdbclust.clustering import (
    UNPLACED,
    Clustering,
    Profiles,
    cluster_movies,
    make_model,
    profile_clusters,
)
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence, build_incidence
from imdbclust.probabilities import CastModel, Counts, count_movies, resolve_genre
from imdbclust.reduction import Embedding, make_svd, reduce_movies


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
        random_state: int = 31337,
    ):
        self.n_clusters, self.n_components = n_clusters, n_components
        self.weighting, self.regularization = weighting, regularization
        self.algorithm, self.n_init, self.max_iter, self.tol = algorithm, n_init, max_iter, tol
        self.reassignment_ratio, self.random_state = reassignment_ratio, random_state

    def fit(self, X: Corpus | Incidence, y: None = None) -> MovieClusters:  # noqa: N803
        """Cluster the movies of a corpus, or the rows of an incidence matrix.

        `y` is ignored. Raises ValueError if there are fewer movies than clusters or components,
        or if no actor plays in two movies.
        """
        if not isinstance(X, Corpus | Incidence):
            raise TypeError(f"X must be a Corpus or an Incidence, not {type(X).__name__}")
        self.corpus_ = X if isinstance(X, Corpus) else None
        weighting, seed = self.weighting, self.random_state
        self.embedding_ = reduce_movies(
            build_incidence(X) if isinstance(X, Corpus) else X,
            make_svd(self.n_components, weighting=weighting, random_state=seed),
            weighting=weighting,
            regularization=self.regularization,
        )
        names = ("algorithm", "n_clusters", "n_init", "max_iter", "tol", "reassignment_ratio")
        options = {name: getattr(self, name) for name in names}
        self.clustering_ = cluster_movies(self.embedding_, make_model(**options, random_state=seed))
        self.labels_ = self.clustering_.labels
        self.cluster_centers_ = self.clustering_.centers
        return self

    def predict(self, casts: Iterable[Iterable[str]] | Corpus | sp.csr_array) -> np.ndarray:
        """Return the cluster with the nearest center for each cast.

        Parameters
        ----------
        casts : list of lists of str, Corpus, or csr_array of shape (n_new, n_actors)
            Lists name the actors of each movie by id, or by a name that only one actor has. The
            columns of a matrix are the actors of the fitted one. Unknown actors are ignored.

        Returns
        -------
        ndarray of int32, shape (n_new,)
            -1 for a cast without an actor who links it to other movies, if such movies are not
            clustered (``MiniBatchKMeans`` clusters them).

        Raises
        ------
        AmbiguousActor
            Several actors have a name in one of the lists.
        """
        check_is_fitted(self)
        scores = self.embedding_.transform(self._matrix(casts))
        labels = self.clustering_.nearest(scores)
        if self.algorithm != "MiniBatchKMeans":
            labels[~scores.any(axis=1)] = UNPLACED
        return labels

    def profiles(self, *, n_titles: int = 5) -> Profiles:
        """Describe the clusters; see :func:`~imdbclust.clustering.profile_clusters`.

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
            movies, n_movies = (
                np.repeat(np.arange(len(rows)), [len(cast) for cast in rows]),
                len(rows),
            )
            actors = match_actors(known, pd.DataFrame({"actor_id": names, "name": names}))
            for name in names[actors < 0] if self.corpus_ is not None else ():
                find_actor(self.corpus_, name)
        found = actors >= 0
        where = (movies[found], actors[found])
        matrix = sp.csr_array((np.ones(found.sum()), where), shape=(n_movies, n_actors))
        matrix.data[:] = 1  # an actor listed twice counts once
        return matrix


class AmbiguousActor(UserError):
    """Several actors have the name; the message lists their ids and best-known movies."""


def find_actor(corpus: Corpus, actor: str) -> int | None:
    """Return the position of the actor with that id or unique name; None if unknown.

    Raises
    ------
    AmbiguousActor
        Several actors have the name.
    """
    found = corpus.find_actor(actor)
    if len(found) > 1:
        who = "\n".join(
            f"  {row.actor_id}: {counted(row.n_movies, 'movie')}, such as "
            f"{_best_known(corpus, row.Index)}"
            for row in found.itertuples()
        )
        raise AmbiguousActor(
            f"{actor!r} is the name of {len(found)} actors; give one of these ids:\n{who}"
        )
    return None if found.empty else int(found.index[0])


def _best_known(corpus: Corpus, actor: int, n: int = 3) -> str:
    """Return the movies with most votes of the actor at this position."""
    credits = corpus.credits
    movies = corpus.movies.iloc[credits.loc[credits["actor"] == actor, "movie"]]
    known = movies.sort_values("votes", ascending=False, kind="stable").head(n)
    return "; ".join(titled(row.title, row.year) for row in known.itertuples())


def match_actors(known: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Return the position of each of the other actors among the known ones; -1 if unknown.

    Both frames have ``actor_id`` and ``name``. An actor is matched by id, or else by a name that
    only one known actor has.
    """
    by_id = pd.Index(known["actor_id"]).get_indexer(others["actor_id"])
    unique = known["name"].drop_duplicates(keep=False)
    by_name = np.append(unique.index, -1)[pd.Index(unique).get_indexer(others["name"])]
    return np.where(by_id >= 0, by_id, by_name)


@dataclass(frozen=True, eq=False)
class Assignment:
    """The evidence about a new movie, and its clusters and genres.

    Attributes
    ----------
    actors : DataFrame
        The known actors: ``actor_id``, ``name``, ``n_movies``.
    genres : tuple of str
        The given genres.
    unknown : tuple of str
        Actors that are not in the corpus; they are ignored.
    cluster : int
        The cluster with the center nearest to the cast; `UNPLACED` if no actor is known.
    p_cluster : Series
        Pr[cluster | evidence], over clusters and the unplaced movies; sums to 1.
    p_genre : Series
        Pr[genre | evidence], through the clusters, in descending order; without the given genres.
    nearest : DataFrame
        The nearest movies in the reduced space: ``movie_id``, ``title``, ``year``, ``cluster``,
        ``distance``, ``shared_actors``. Empty if the cast has no coordinates.
    """

    actors: pd.DataFrame
    genres: tuple[str, ...]
    unknown: tuple[str, ...]
    cluster: int
    p_cluster: pd.Series
    p_genre: pd.Series
    nearest: pd.DataFrame


class Assigner:
    """Assign new movies to the clusters of a finished clustering.

    Parameters
    ----------
    corpus, incidence, embedding, clustering
        Of the same movies, in the same order.
    prior : float
        Number of movies with and without the genre that are added to each cluster, for
        Pr[genre | cluster].
    """

    def __init__(
        self,
        corpus: Corpus,
        incidence: Incidence,
        embedding: Embedding,
        clustering: Clustering,
        *,
        prior: float = 0.5,
    ):
        self.corpus, self.incidence = corpus, incidence
        self.embedding, self.clustering = embedding, clustering
        self.counts, self._n_movies = count_movies(corpus, clustering), corpus.movies_per_actor()
        self.p_genre_given_cluster = smoothed_p_genre_given_cluster(self.counts, prior=prior)
        self.model = CastModel.learn(incidence.matrix, clustering.labels, clustering.n_clusters)

    def assign(
        self, actors: Sequence[str] = (), genres: Sequence[str] = (), *, n_nearest: int = 10
    ) -> Assignment:
        """Find the clusters of a movie with these actors and genres.

        With a known actor, :class:`~imdbclust.probabilities.CastModel` weighs the evidence; the
        genres are taken as independent of the cast given the cluster. With genres alone,
        Pr[cluster | genres] includes the unplaced movies. With neither, the movie is unplaced.

        Parameters
        ----------
        actors : sequence of str
            Ids, or names that only one actor has.
        genres : sequence of str
            Genres of the corpus.
        n_nearest : int
            Maximum number of nearest movies to return.

        Raises
        ------
        UserError
            No actors and no genres are given, or a genre is unknown.
        AmbiguousActor
            Several actors have a name.
        """
        if not actors and not genres:
            raise UserError("give at least one actor or one genre to assign by")
        genres = tuple(dict.fromkeys(resolve_genre(self.corpus, genre) for genre in genres))
        found = {actor: find_actor(self.corpus, actor) for actor in actors}
        unknown = tuple(actor for actor, place in found.items() if place is None)
        places = list(dict.fromkeys(place for place in found.values() if place is not None))
        return self._assign(places, genres, unknown, n_nearest)

    def _assign(
        self, places: list[int], genres: tuple[str, ...], unknown: tuple[str, ...], n_nearest: int
    ) -> Assignment:
        cast = self._cast(places)
        p_cluster = self._p_cluster(cast, genres)
        shares = (self.p_genre_given_cluster @ p_cluster).drop(list(genres))
        actors = self.corpus.actors.iloc[places]
        scores = self.embedding.transform(cast)
        return Assignment(
            actors=actors.assign(n_movies=self._n_movies[places]),
            genres=genres,
            unknown=unknown,
            cluster=int(self.clustering.nearest(scores)[0]) if places else UNPLACED,
            p_cluster=p_cluster,
            p_genre=shares.sort_values(ascending=False).rename("p_genre"),
            nearest=self._nearest(cast, n_nearest),
        )

    def assign_all(self, movies: Corpus) -> pd.DataFrame:
        """Assign every movie of another corpus, by its cast and its genres.

        Actors are matched by :func:`match_actors`. Unknown actors and genres are ignored and
        listed.

        Returns
        -------
        DataFrame
            ``movie_id``, ``title``, ``cluster`` (nearest center), ``likeliest`` (cluster of the
            largest Pr[cluster | evidence]), ``probability``, ``p_unplaced``, ``genres_expected``
            (the three likeliest of the other genres), ``known_actors``, ``unknown``.
        """
        casts = movies.credits.groupby("movie")["actor"].agg(list)
        genres = movies.genres.groupby("movie")["genre"].agg(list)
        known_genres = set(self.corpus.genres["genre"].cat.categories)
        place_of = match_actors(self.corpus.actors, movies.actors)
        names = movies.actors["name"].to_numpy()
        rows = []
        for movie, (movie_id, title) in enumerate(
            zip(movies.movies["movie_id"], movies.movies["title"], strict=True)
        ):
            cast, tags = casts.get(movie, []), genres.get(movie, [])
            places = list(dict.fromkeys(int(place) for place in place_of[cast] if place >= 0))
            wanted = tuple(genre for genre in tags if genre in known_genres)
            unknown = [names[actor] for actor in cast if place_of[actor] < 0]
            unknown += [genre for genre in tags if genre not in known_genres]
            found = self._assign(places, wanted, (), 0)
            rows.append(
                {
                    "movie_id": movie_id,
                    "title": title,
                    "cluster": found.cluster,
                    "likeliest": found.p_cluster.idxmax(),
                    "probability": found.p_cluster.max(),
                    "p_unplaced": found.p_cluster.get(UNPLACED, 0.0),
                    "genres_expected": "; ".join(
                        found.p_genre.index[:3] if places or wanted else ()
                    ),
                    "known_actors": len(places),
                    "unknown": "; ".join(unknown),
                }
            )
        return pd.DataFrame(rows)

    def _cast(self, places: Iterable[int]) -> sp.csr_array:
        places = sorted(places)
        where = (np.zeros(len(places), dtype=int), places)
        return sp.csr_array((np.ones(len(places)), where), shape=(1, self.incidence.shape[1]))

    def _p_cluster(self, cast: sp.csr_array, genres: Sequence[str]) -> pd.Series:
        groups = self.clustering.groups
        likelihood = self.p_genre_given_cluster.loc[list(genres)].prod(axis=0)
        placed = bool((cast @ self.model.known.astype(float))[0])
        if placed or not genres:
            of_clusters = likelihood.to_numpy()[: self.clustering.n_clusters] if genres else None
            posterior = self.model.posterior(cast, of_clusters)[0]
            if not placed and UNPLACED not in groups:
                posterior = self.model.prior
            return pd.Series(posterior[: len(groups)], groups, name="p_cluster")
        joint = likelihood * self.counts.clusters
        return (joint / joint.sum()).rename("p_cluster")

    def _nearest(self, cast: sp.csr_array, n: int) -> pd.DataFrame:
        scores = self.embedding.transform(cast)[0]
        placed = np.flatnonzero(self.embedding.placed if n and scores.any() else [])
        distances = np.linalg.norm(self.embedding.scores[placed] - scores, axis=1)
        shared = (self.incidence.matrix[placed] @ cast.T).toarray().ravel().astype(int)
        order = np.lexsort((-shared, distances.round(9)))[:n]
        movies = placed[order]
        return (
            self.corpus.movies.iloc[movies][["movie_id", "title", "year"]]
            .assign(
                cluster=self.clustering.labels[movies],
                distance=distances[order],
                shared_actors=shared[order],
            )
            .reset_index(drop=True)
        )


def titled(title: str, year: object) -> str:
    """Return a title with its year, if that is known."""
    return f"{title} ({year})" if pd.notna(year) else title


def smoothed_p_genre_given_cluster(counts: Counts, *, prior: float = 0.5) -> pd.DataFrame:
    """Return a smoothed Pr[genre | cluster], which is never 0 or 1, genres x clusters.

    ``2 * prior`` movies with the overall shares are added to each cluster, so that a small
    cluster is weak evidence and an empty one has no weight.
    """
    overall = (counts.genres + prior) / (counts.n_movies + 2 * prior)
    added = np.outer(2 * prior * overall, np.ones(len(counts.clusters)))
    return (counts.joint + added) / (counts.clusters + 2 * prior)


def load_assigner(folders: dict[str, Path]) -> Assigner:
    """Return the assigner of a run from the artifact folders of its stages."""
    return Assigner(
        Corpus.load(folders["load"]),
        Incidence.load(folders["matrix"]),
        Embedding.load(folders["reduction"]),
        Clustering.load(folders["clustering"]),
    )
