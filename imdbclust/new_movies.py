"""Find the cluster of a new movie, from its cast, its genres, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.base.errors import UserError
from imdbclust.base.text import counted
from imdbclust.clustering import UNPLACED, Clustering
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence
from imdbclust.probabilities import CastModel, Counts, count_movies, resolve_genre
from imdbclust.reduction import Embedding


class AmbiguousActor(UserError):
    """Several actors have the name; the message lists their ids and best-known movies."""


def find_actor(corpus: Corpus, actor: str) -> int | None:
    """Return the position of the actor with that id or unique name; None if unknown.

    Raises AmbiguousActor if several actors have the name.
    """
    found = corpus.find_actor(actor)
    if len(found) > 1:
        lines = [f"{actor!r} is the name of {len(found)} actors; give one of these ids:"]
        for row in found.itertuples():
            places = corpus.credits.loc[corpus.credits["actor"] == row.Index, "movie"]
            movies = corpus.movies.iloc[places].sort_values("votes", ascending=False, kind="stable")
            known = "; ".join(titled(one.title, one.year) for one in movies.head(3).itertuples())
            lines.append(f"  {row.actor_id}: {counted(row.n_movies, 'movie')}, such as {known}")
        raise AmbiguousActor("\n".join(lines))
    return None if found.empty else int(found.index[0])


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

        `actors` are ids, or names that only one actor has; `n_nearest` is the maximum number of
        nearest movies to return.

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
        where = (np.zeros(len(places), dtype=int), sorted(places))
        cast = sp.csr_array((np.ones(len(places)), where), shape=(1, self.incidence.shape[1]))
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
            nearest=self._nearest(cast, scores[0], n_nearest),
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
        for movie, about in enumerate(movies.movies.itertuples()):
            cast, tags = casts.get(movie, []), genres.get(movie, [])
            places = list(dict.fromkeys(int(place) for place in place_of[cast] if place >= 0))
            wanted = tuple(genre for genre in tags if genre in known_genres)
            unknown = [names[actor] for actor in cast if place_of[actor] < 0]
            unknown += [genre for genre in tags if genre not in known_genres]
            found = self._assign(places, wanted, (), 0)
            expected = found.p_genre.index[:3] if places or wanted else ()
            rows.append(
                {
                    "movie_id": about.movie_id,
                    "title": about.title,
                    "cluster": found.cluster,
                    "likeliest": found.p_cluster.idxmax(),
                    "probability": found.p_cluster.max(),
                    "p_unplaced": found.p_cluster.get(UNPLACED, 0.0),
                    "genres_expected": "; ".join(expected),
                    "known_actors": len(places),
                    "unknown": "; ".join(unknown),
                }
            )
        return pd.DataFrame(rows)

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

    def _nearest(self, cast: sp.csr_array, scores: np.ndarray, n: int) -> pd.DataFrame:
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
    return counts.joint.add(2 * prior * overall, axis=0) / (counts.clusters + 2 * prior)


def load_assigner(folders: dict[str, Path]) -> Assigner:
    """Return the assigner of a run from the artifact folders of its stages."""
    return Assigner(
        Corpus.load(folders["load"]),
        Incidence.load(folders["matrix"]),
        Embedding.load(folders["reduction"]),
        Clustering.load(folders["clustering"]),
    )


class LevelModel:
    """Where new movies belong at all levels of a nested clustering, from their casts.

    The cluster of a new movie is the likeliest one by a :class:`CastModel`. Its era is that of the
    cluster. Its subgroup is the likeliest of the cluster's subgroups, by a second such model.
    Without other levels, only the cluster is found.

    Parameters
    ----------
    casts : csr_array, shape (n_movies, n_actors)
        1 where the actor plays in the movie.
    clustering : Clustering
        Of these movies, in the same order.
    """

    def __init__(self, casts: sp.csr_array, clustering: Clustering):
        labels, levels = clustering.labels, clustering.levels
        self.clusters = CastModel.learn(casts, labels, clustering.n_clusters)
        self.era_of_cluster = self.subgroups = None
        if "era" in levels:
            self.era_of_cluster = _parents(labels, levels["era"], clustering.n_clusters)
        if "subgroup" in levels:
            subgroups, n_subgroups = levels["subgroup"], clustering.at_level("subgroup").n_clusters
            self.cluster_of_subgroup = _parents(subgroups, labels, n_subgroups)
            self.subgroups = CastModel.learn(casts, subgroups, n_subgroups)

    def place(
        self, casts: sp.csr_array, clusters: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Return the group of each new movie at each level, by the name of the level.

        Parameters
        ----------
        casts : csr_array, shape (n_new, n_actors)
            1 where the actor plays; a cast without a known actor is `UNPLACED`.
        clusters : ndarray of int, shape (n_new,), optional
            The clusters of the movies, if they are known.
        """
        if clusters is None:
            clusters = self.clusters.posterior(casts).argmax(axis=1)
            clusters[clusters == len(self.clusters.prior)] = UNPLACED
        placed, found = clusters != UNPLACED, {"cluster": clusters}
        if self.era_of_cluster is not None:
            found["era"] = np.where(placed, self.era_of_cluster[clusters], UNPLACED)
        if self.subgroups is not None:
            inside = self.cluster_of_subgroup == clusters[:, None]
            chances = np.where(inside, self.subgroups.posterior(casts)[:, :-1], -1)
            found["subgroup"] = np.where(placed, chances.argmax(axis=1), UNPLACED)
        return {level: groups.astype(np.int32) for level, groups in found.items()}


def _parents(inner: np.ndarray, outer: np.ndarray, n_inner: int) -> np.ndarray:
    """Return the outer group of each inner one, from the groups of all movies."""
    parents, placed = np.full(n_inner, UNPLACED), inner >= 0
    parents[inner[placed]] = outer[placed]
    return parents
