"""Where a new movie belongs: from its cast, its genres, or both, to clusters and genres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.base.errors import UserError
from imdbclust.clustering import UNPLACED, Clustering
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence
from imdbclust.probabilities import CastModel, Counts, count_movies, resolve_genre
from imdbclust.reduction import Embedding


class AmbiguousActor(UserError):
    """A name that several actors have; the message lists their ids and best-known movies."""


@dataclass(frozen=True, eq=False)
class Assignment:
    """What is known of a new movie, and what follows.

    Attributes
    ----------
    actors : DataFrame
        The known ones: ``actor_id``, ``name``, ``n_movies``.
    genres : tuple of str
        The genres given.
    unknown : tuple of str
        Actors that no movie has; they count for nothing.
    cluster : int
        The cluster with the center nearest to the cast; `UNPLACED` if the cast tells nothing.
    p_cluster : Series
        Pr[cluster | evidence], over clusters and the unplaced movies; sums to 1.
    p_genre : Series
        Pr[genre | evidence], through the clusters, falling; without the genres given.
    nearest : DataFrame
        The movies nearest in the reduced space: ``movie_id``, ``title``, ``year``, ``cluster``,
        ``distance``, ``shared_actors``. Empty if the cast tells nothing.
    """

    actors: pd.DataFrame
    genres: tuple[str, ...]
    unknown: tuple[str, ...]
    cluster: int
    p_cluster: pd.Series
    p_genre: pd.Series
    nearest: pd.DataFrame


class Assigner:
    """Takes new movies in, by a finished clustering.

    Parameters
    ----------
    corpus, incidence, embedding, clustering
        Of the same movies, in the same order.
    prior : float
        Movies added with and without a genre to those of a cluster, for Pr[genre | cluster].
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
        self.counts = count_movies(corpus, clustering)
        self.p_genre_given_cluster = smoothed_p_genre_given_cluster(self.counts, prior=prior)
        self.model = CastModel.learn(incidence.matrix, clustering.labels, clustering.n_clusters)

    def assign(
        self, actors: Sequence[str] = (), genres: Sequence[str] = (), *, n_nearest: int = 10
    ) -> Assignment:
        """Say where a movie with these actors and genres belongs.

        With a known actor the evidence is weighed by :class:`~imdbclust.probabilities.CastModel`,
        the genres counting as independent of the cast given the cluster. With genres alone,
        Pr[cluster | genres] is over the unplaced movies as well. With neither, the movie is
        unplaced.

        Parameters
        ----------
        actors : sequence of str
            Ids, or names that one actor has.
        genres : sequence of str
            Genres that occur in the corpus.
        n_nearest : int
            So many nearest movies are returned.

        Raises
        ------
        ValueError
            Neither actors nor genres are given, or a genre occurs nowhere.
        AmbiguousActor
            A name that several actors have.
        """
        if not actors and not genres:
            raise ValueError("give at least one actor or one genre to assign by")
        genres = tuple(dict.fromkeys(resolve_genre(self.corpus, genre) for genre in genres))
        found = {actor: self.find_actor(actor) for actor in actors}
        unknown = tuple(actor for actor, place in found.items() if place is None)
        places = list(dict.fromkeys(place for place in found.values() if place is not None))
        cast = self._cast(places)
        p_cluster = self._p_cluster(cast, genres)
        shares = self.p_genre_given_cluster @ p_cluster
        return Assignment(
            actors=self.corpus.actors.iloc[places].assign(
                n_movies=self.corpus.movies_per_actor()[places]
            ),
            genres=genres,
            unknown=unknown,
            cluster=int(self.clustering.nearest(self.embedding.transform(cast))[0])
            if places
            else UNPLACED,
            p_cluster=p_cluster,
            p_genre=shares.drop(list(genres)).sort_values(ascending=False).rename("p_genre"),
            nearest=self._nearest(cast, n_nearest),
        )

    def assign_all(self, movies: Corpus) -> pd.DataFrame:
        """Assign every movie of another corpus, by its cast and its genres.

        Actors count if their id is known, or else if one known actor has their name; genres, if
        they occur. Nothing here is fatal: what is not known is listed.

        Returns
        -------
        DataFrame
            ``movie_id``, ``title``, ``cluster`` (nearest center), ``likeliest`` (cluster of the
            largest Pr[cluster | evidence]), ``probability``, ``p_unplaced``, ``genres_expected``
            (the three likeliest that it does not have), ``known_actors``, ``unknown``.
        """
        casts = movies.credits.groupby("movie")["actor"].agg(list)
        genres = movies.genres.groupby("movie")["genre"].agg(list)
        known_genres = set(self.corpus.genres["genre"].cat.categories)
        rows = []
        for movie, (movie_id, title) in enumerate(
            zip(movies.movies["movie_id"], movies.movies["title"], strict=True)
        ):
            people = movies.actors.iloc[casts.get(movie, [])]
            ids, missing = self._known_of(people)
            wanted = [genre for genre in genres.get(movie, []) if genre in known_genres]
            missing += [genre for genre in genres.get(movie, []) if genre not in known_genres]
            about = {"movie_id": movie_id, "title": title}
            rows.append(about | self._row(ids, wanted) | {"unknown": "; ".join(missing)})
        return pd.DataFrame(rows)

    def find_actor(self, actor: str) -> int | None:
        """Return the position of the actor who has that id or, alone, that name; None if unknown.

        Raises
        ------
        AmbiguousActor
            Several have the name.
        """
        found = self.corpus.find_actor(actor)
        if len(found) > 1:
            who = "\n".join(
                f"  {row.actor_id}: {amount(row.n_movies)}, such as "
                f"{self._best_known(row.actor_id)}"
                for row in found.itertuples()
            )
            raise AmbiguousActor(
                f"{actor!r} is the name of {len(found)} actors; give one of these ids:\n{who}"
            )
        if found.empty:
            return None
        return int(np.flatnonzero(self.corpus.actors["actor_id"] == found["actor_id"].iloc[0])[0])

    def _best_known(self, actor_id: str, n: int = 3) -> str:
        place = np.flatnonzero(self.corpus.actors["actor_id"] == actor_id)[0]
        credits = self.corpus.credits
        movies = self.corpus.movies.iloc[credits.loc[credits["actor"] == place, "movie"]]
        known = movies.sort_values("votes", ascending=False, kind="stable").head(n)
        return "; ".join(titled(row.title, row.year) for row in known.itertuples())

    def _known_of(self, people: pd.DataFrame) -> tuple[list[str], list[str]]:
        """Return the known ids of some actors, and the names of the unknown ones."""
        ids = set(self.corpus.actors["actor_id"])
        known, missing = [], []
        for actor_id, name in zip(people["actor_id"], people["name"], strict=True):
            namesakes = self.corpus.actors.loc[self.corpus.actors["name"] == name, "actor_id"]
            if actor_id in ids:
                known.append(actor_id)
            elif len(namesakes) == 1:
                known.append(namesakes.iloc[0])
            else:
                missing.append(name)
        return list(dict.fromkeys(known)), missing

    def _row(self, ids: list[str], genres: list[str]) -> dict[str, object]:
        if not ids and not genres:
            p_cluster, expected = self._p_cluster(self._cast([]), []), []
            cluster = UNPLACED
        else:
            found = self.assign(ids, genres, n_nearest=0)
            cluster, p_cluster = found.cluster, found.p_cluster
            expected = found.p_genre.index[:3].tolist()
        return {
            "cluster": cluster,
            "likeliest": p_cluster.idxmax(),
            "probability": p_cluster.max(),
            "p_unplaced": p_cluster.get(UNPLACED, 0.0),
            "genres_expected": "; ".join(expected),
            "known_actors": len(ids),
        }

    def _cast(self, places: Iterable[int]) -> sp.csr_array:
        places = sorted(places)
        where = (np.zeros(len(places), dtype=int), places)
        return sp.csr_array((np.ones(len(places)), where), shape=(1, self.incidence.shape[1]))

    def _p_cluster(self, cast: sp.csr_array, genres: Sequence[str]) -> pd.Series:
        groups = self.clustering.groups
        likelihood = self.p_genre_given_cluster.loc[list(genres)].prod(axis=0)
        told = bool((cast @ self.model.known.astype(float))[0])
        if told or not genres:
            of_clusters = likelihood.to_numpy()[: self.clustering.n_clusters] if genres else None
            posterior = self.model.posterior(cast, of_clusters)[0]
            if not told and UNPLACED not in groups:
                posterior = self.model.prior
            return pd.Series(posterior[: len(groups)], groups, name="p_cluster")
        joint = likelihood * self.counts.clusters
        return (joint / joint.sum()).rename("p_cluster")

    def _nearest(self, cast: sp.csr_array, n: int) -> pd.DataFrame:
        scores = self.embedding.transform(cast)[0]
        placed = np.flatnonzero(self.embedding.placed if scores.any() else [])
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
    """Return a title with its year, where that is known."""
    return f"{title} ({year})" if pd.notna(year) else title


def amount(n_movies: int) -> str:
    """Return ``1 movie``, ``12 movies``."""
    return f"{n_movies:,} movie{'s' * (n_movies != 1)}"


def smoothed_p_genre_given_cluster(counts: Counts, *, prior: float = 0.5) -> pd.DataFrame:
    """Return Pr[genre | cluster] that is never 0 or 1, genres x clusters.

    ``2 * prior`` movies of the overall shares are added to each cluster, so that a cluster of
    few movies says little and an empty one says nothing.
    """
    overall = (counts.genres + prior) / (counts.n_movies + 2 * prior)
    added = np.outer(2 * prior * overall, np.ones(len(counts.clusters)))
    return (counts.joint + added) / (counts.clusters + 2 * prior)


def load_assigner(folders: dict[str, Path]) -> Assigner:
    """Return the assigner of a run, by the folders of the artifacts of its stages."""
    return Assigner(
        Corpus.load(folders["load"]),
        Incidence.load(folders["matrix"]),
        Embedding.load(folders["reduction"]),
        Clustering.load(folders["clustering"]),
    )
