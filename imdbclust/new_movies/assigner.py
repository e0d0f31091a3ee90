"""The genres that a new cast points to, its cluster and the nearest movies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.base.errors import UserError
from imdbclust.base.text import counted
from imdbclust.clustering import UNPLACED, Clustering
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence
from imdbclust.new_movies.actors import find_actor, match_actors, similar_actors
from imdbclust.new_movies.genre_model import GENRE_MODEL, Facts, GenreModel
from imdbclust.new_movies.levels import LevelModel
from imdbclust.probabilities import Counts, count_movies, resolve_genre
from imdbclust.reduction import Embedding


@dataclass(frozen=True, eq=False)
class Assignment:
    """The evidence about a new movie, its genres and its cluster.

    Attributes
    ----------
    actors : DataFrame
        The known actors: ``actor_id``, ``name``, ``n_movies``.
    unknown : dict of str
        Actors that are not in the corpus, which are ignored, each with a question such as ``did
        you mean Ada (3 movies)?``, or an empty text.
    genres : DataFrame
        ``genre``, ``p_genre`` (Pr[genre | evidence], by
        :class:`~imdbclust.new_movies.genre_model.GenreModel`), ``overall`` (Pr[genre]),
        ``with_genre`` and ``bits`` (sums of those in `speakers`), ``through_cluster``
        (Pr[genre | evidence] if the evidence counts only by the cluster) and ``given``, by
        descending probability; given genres have probability 1.
    speakers : DataFrame
        ``genre``, ``name``, ``with_genre``, ``n_movies``, ``bits``: the evidence of each known
        actor for each modelled genre, by descending bits within the genre.
    p_cluster : Series
        Pr[cluster | evidence], over clusters and the unplaced movies; sums to 1.
    levels : dict of int
        The group at the other levels of a nested clustering, by the name of the level: that
        around the most probable cluster, and the most probable one within it.
    nearest : DataFrame
        The nearest movies in the reduced space: ``movie_id``, ``title``, ``year``, ``cluster``,
        ``distance``, ``shared_actors``. Empty if the cast has no coordinates.
    """

    actors: pd.DataFrame
    unknown: dict[str, str]
    genres: pd.DataFrame
    speakers: pd.DataFrame
    p_cluster: pd.Series
    levels: dict[str, int]
    nearest: pd.DataFrame

    @property
    def cluster(self) -> int:
        """The most probable cluster, or `UNPLACED`."""
        return int(self.p_cluster.idxmax())

    @property
    def given(self) -> tuple[str, ...]:
        """The given genres."""
        return tuple(self.genres.loc[self.genres["given"], "genre"])


class Assigner:
    """Find genres and clusters of new movies from a finished clustering.

    Parameters
    ----------
    corpus, incidence, embedding, clustering
        Stages of one run: they have the same movies in the same order.
    prior : float
        Number of movies with and without the genre that are added to each cluster, for
        Pr[genre | cluster].
    genre_model : path, optional
        File of a model of genres that was learned from these movies. By default it is learned
        when it is needed.
    """

    def __init__(
        self,
        corpus: Corpus,
        incidence: Incidence,
        embedding: Embedding,
        clustering: Clustering,
        *,
        prior: float = 0.5,
        genre_model: Path | None = None,
    ):
        self.corpus, self.incidence = corpus, incidence
        self.embedding, self.clustering = embedding, clustering
        self.counts, self._n_movies = count_movies(corpus, clustering), corpus.movies_per_actor()
        self.p_genre_given_cluster = smoothed_p_genre_given_cluster(self.counts, prior=prior)
        self._levels = LevelModel(incidence.matrix, clustering)
        self.model = self._levels.clusters
        self._stored = genre_model

    @cached_property
    def genre_model(self) -> GenreModel:
        """The model of Pr[genre | cast]."""
        movies = self.incidence.matrix, Facts.of(self.corpus)
        return GenreModel.load(self._stored, *movies) if self._stored else GenreModel.learn(*movies)

    def assign(
        self, actors: Sequence[str] = (), genres: Sequence[str] = (), *, n_nearest: int = 10
    ) -> Assignment:
        """Find genres and cluster of a movie with these actors and genres.

        For the cluster, :class:`~imdbclust.new_movies.cast_model.CastModel` weighs the evidence of
        known actors; genres are taken as independent of the cast given the cluster. With genres
        alone, Pr[cluster | genres] includes the unplaced movies.

        `actors` are ids, or names that only one actor has; `n_nearest` is the maximum number of
        nearest movies to return.

        Raises
        ------
        UserError
            No actors and no genres are given, a genre is unknown, or nothing that is given is
            known; with similar names.
        AmbiguousActor
            Several actors have a name.
        """
        if not actors and not genres:
            raise UserError("give at least one actor or one genre to assign by")
        genres = [resolve_genre(self.corpus, genre) for genre in genres]
        found = {actor: find_actor(self.corpus, actor) for actor in actors}
        unknown = {actor: self._question(actor) for actor, n in found.items() if n is None}
        places = list(dict.fromkeys(place for place in found.values() if place is not None))
        if not places and not genres:
            said = [f"no actor is called {actor!r}; {ask}" for actor, ask in unknown.items()]
            raise UserError("\n".join(text.removesuffix("; ") for text in said))
        cast = _matrix([0] * len(places), sorted(places), (1, self.incidence.shape[1]))
        names = self.counts.genres.index
        codes = sorted(set(names.get_indexer(genres)))
        given = _matrix([0] * len(codes), codes, (1, len(names)))
        p_cluster = self._p_clusters(cast, given)[0]
        speakers = self._speakers(np.array(places, dtype=int))
        sums = speakers.groupby("genre")[["with_genre", "bits"]].sum().reindex(names, fill_value=0)
        p_genre = self.genre_model.base.copy()
        p_genre[codes] = 1.0
        p_genre[self.genre_model.modelled] = self.genre_model.predict(cast, given=given)[0]
        columns = {
            "genre": names,
            "p_genre": p_genre,
            "overall": (self.counts.genres / self.counts.n_movies).to_numpy(),
            "with_genre": sums["with_genre"].to_numpy(),
            "bits": sums["bits"].to_numpy(),
            "through_cluster": self.p_genre_given_cluster.to_numpy() @ p_cluster,
            "given": given.toarray()[0] > 0,
        }
        table = pd.DataFrame(columns).sort_values("p_genre", ascending=False, kind="stable")
        scores = self.embedding.transform(cast)
        groups, around = self.clustering.groups, self._outside(cast, p_cluster[None])
        return Assignment(
            actors=self.corpus.actors.iloc[places].assign(n_movies=self._n_movies[places]),
            unknown=unknown,
            genres=table.reset_index(drop=True),
            speakers=speakers,
            p_cluster=pd.Series(p_cluster, groups, name="p_cluster"),
            levels={level: int(one) for level, (one,) in around.items()},
            nearest=self._nearest(cast, scores[0], n_nearest),
        )

    def assign_all(self, movies: Corpus) -> pd.DataFrame:
        """Assign every movie of another corpus, by its cast and its genres.

        Actors are matched by :func:`~imdbclust.new_movies.actors.match_actors`. Unknown actors
        and genres are ignored and listed.

        Returns
        -------
        DataFrame
            ``movie_id``, ``title``, ``cluster`` (the most probable), ``era`` and ``subgroup`` of a
            nested clustering, ``probability`` (of the cluster), ``genres_expected`` (the three most
            probable of the other genres), ``known_actors``, ``unknown``.
        """
        names, n_movies = self.counts.genres.index, movies.n_movies
        place_of = match_actors(self.corpus.actors, movies.actors)
        tags = movies.genres["genre"].astype(str)
        actors, genres = place_of[movies.credits["actor"]], names.get_indexer(tags)
        in_cast, tagged = (frame["movie"].to_numpy() for frame in (movies.credits, movies.genres))
        known, used = actors >= 0, genres >= 0
        casts = _matrix(in_cast[known], actors[known], (n_movies, self.incidence.shape[1]))
        given = _matrix(tagged[used], genres[used], (n_movies, len(names)))
        p_cluster = self._p_clusters(casts, given)
        n_actors, n_genres = casts.sum(axis=1).astype(int), given.sum(axis=1).astype(int)
        modelled = self.genre_model.modelled
        p_genre, has = self.genre_model.predict(casts, given=given), given[:, modelled]
        others = np.where(has.toarray() > 0, -1.0, p_genre)
        first = np.argsort(-others, axis=1, kind="stable")[:, :3]
        n_others = len(modelled) - has.sum(axis=1).astype(int)
        expected = [
            "; ".join(names[modelled[codes[:n]]]) if some else ""
            for codes, n, some in zip(first, n_others, n_actors + n_genres > 0, strict=True)
        ]
        who = movies.actors["name"].to_numpy()[movies.credits["actor"]]
        where = np.append(in_cast[~known], tagged[~used])
        missing = pd.Series(np.append(who[~known], tags[~used]), where).groupby(level=0)
        missing = missing.agg("; ".join).reindex(range(n_movies))
        table = movies.movies[["movie_id", "title"]].assign(
            cluster=self.clustering.groups.to_numpy()[p_cluster.argmax(axis=1)],
            **self._outside(casts, p_cluster),
            probability=p_cluster.max(axis=1),
            genres_expected=expected,
            known_actors=n_actors,
            unknown=missing.fillna("").to_numpy(),
        )
        return table.reset_index(drop=True)

    def _question(self, actor: str) -> str:
        """Return ``did you mean Ada (3 movies)?``; empty if no actor has a similar name."""
        similar = similar_actors(self.corpus, actor).itertuples()
        names = [f"{one.name} ({counted(one.n_movies, 'movie')})" for one in similar]
        return f"did you mean {' or '.join(names)}?" if names else ""

    def _p_clusters(self, casts: sp.csr_array, given: sp.csr_array) -> np.ndarray:
        """Return Pr[cluster | cast, genres] of movies, shape (n_movies, n_groups).

        `given` is 1 where the movie has the genre, shape (n_movies, n_genres).
        """
        groups, n_clusters = self.clustering.groups, self.clustering.n_clusters
        likelihood = np.exp(given @ np.log(self.p_genre_given_cluster.to_numpy()))
        posterior = self.model.posterior(casts, likelihood[:, :n_clusters])[:, : len(groups)]
        known, by_genre = casts @ self.model.known.astype(float) > 0, given.sum(axis=1) > 0
        joint = likelihood * self.counts.clusters.to_numpy()
        alone = ~known & by_genre
        posterior[alone] = joint[alone] / joint[alone].sum(axis=1, keepdims=True)
        if UNPLACED in groups:
            posterior[~known & ~by_genre] = np.arange(len(groups)) == n_clusters
        return posterior

    def _outside(self, casts: sp.csr_array, p_cluster: np.ndarray) -> dict[str, np.ndarray]:
        """Return the groups of movies at the levels other than that of the clusters."""
        clusters = self.clustering.groups.to_numpy()[p_cluster.argmax(axis=1)]
        found = self._levels.place(casts, clusters)
        return {level: groups for level, groups in found.items() if level != "cluster"}

    def _speakers(self, actors: np.ndarray) -> pd.DataFrame:
        model = self.genre_model
        names = self.counts.genres.index[model.modelled]
        columns = {
            "genre": np.tile(names, len(actors)),
            "name": np.repeat(self.corpus.actors["name"].to_numpy()[actors], len(names)),
            "with_genre": model.counts[actors].ravel().astype(int),
            "n_movies": np.repeat(self._n_movies[actors], len(names)),
            "bits": model.evidence(actors).ravel(),
        }
        order = {"by": ["genre", "bits", "name"], "ascending": [True, False, True]}
        return pd.DataFrame(columns).sort_values(**order, ignore_index=True)

    def _nearest(self, cast: sp.csr_array, scores: np.ndarray, n: int) -> pd.DataFrame:
        placed = np.flatnonzero(self.embedding.placed if n and scores.any() else [])
        distances = np.linalg.norm(self.embedding.scores[placed] - scores, axis=1)
        shared = (self.incidence.matrix[placed] @ cast.T).toarray().ravel().astype(int)
        order = np.lexsort((-shared, distances.round(9)))[:n]
        movies = placed[order]
        table = self.corpus.movies.iloc[movies][["movie_id", "title", "year"]]
        about = {"distance": distances[order], "shared_actors": shared[order]}
        table = table.assign(cluster=self.clustering.labels[movies], **about)
        return table.reset_index(drop=True)


def _matrix(rows: Sequence[int], columns: Sequence[int], shape: tuple[int, int]) -> sp.csr_array:
    """Return the matrix with ones at these places; a repeated place counts once."""
    matrix = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    matrix.data[:] = 1
    return matrix


def smoothed_p_genre_given_cluster(counts: Counts, *, prior: float = 0.5) -> pd.DataFrame:
    """Return a smoothed Pr[genre | cluster], which is never 0 or 1, genres x clusters.

    ``2 * prior`` movies with the overall shares are added to each cluster, so that a small
    cluster is weak evidence and an empty one has no weight.
    """
    overall = (counts.genres + prior) / (counts.n_movies + 2 * prior)
    return counts.joint.add(2 * prior * overall, axis=0) / (counts.clusters + 2 * prior)


def load_assigner(folders: dict[str, Path]) -> Assigner:
    """Return the assigner of a run from the artifact folders of its stages.

    The model of genres is learned anew if the folder of `matrix` does not have it.
    """
    stored = folders["matrix"] / GENRE_MODEL
    return Assigner(
        Corpus.load(folders["load"]),
        Incidence.load(folders["matrix"]),
        Embedding.load(folders["reduction"]),
        Clustering.load(folders["clustering"]),
        genre_model=stored if stored.is_file() else None,
    )
