"""Fewer dimensions: every movie as a short vector that keeps who plays together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imdbclust.matrix import Incidence


@dataclass(frozen=True, eq=False)
class Embedding:
    """Movies and actors in the reduced space.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_movies, n_components)
        The movies' coordinates, rows in the incidence matrix' order.
    components : ndarray of float64, shape (n_components, n_actors)
        The right singular vectors: how much each actor counts in each component.
    singular_values : ndarray, shape (n_components,)
        Falling.
    explained_variance_ratio : ndarray, shape (n_components,)
        Share of the variance of the matrix' columns that each component holds; NaN where the
        matrix has no variance (all casts alike).
    movie_ids, actor_ids : Index
        Names of the rows of `scores` and of the columns of `components`.
    """

    scores: np.ndarray
    components: np.ndarray
    singular_values: np.ndarray
    explained_variance_ratio: np.ndarray
    movie_ids: pd.Index
    actor_ids: pd.Index

    @property
    def n_components(self) -> int:
        """Number of dimensions."""
        return self.scores.shape[1]

    def save(self, folder: Path) -> None:
        """Write arrays and ids into an existing folder."""
        np.savez(
            folder / "embedding.npz",
            allow_pickle=False,
            **{name: getattr(self, name) for name in _ARRAYS},
        )
        pd.DataFrame({"movie_id": self.movie_ids}).to_parquet(folder / "movie_ids.parquet")
        pd.DataFrame({"actor_id": self.actor_ids}).to_parquet(folder / "actor_ids.parquet")

    @classmethod
    def load(cls, folder: Path) -> Embedding:
        """Read what :meth:`save` wrote."""
        with np.load(folder / "embedding.npz", allow_pickle=False) as arrays:
            return cls(
                **{name: arrays[name] for name in _ARRAYS},
                movie_ids=pd.Index(pd.read_parquet(folder / "movie_ids.parquet")["movie_id"]),
                actor_ids=pd.Index(pd.read_parquet(folder / "actor_ids.parquet")["actor_id"]),
            )


_ARRAYS = ("scores", "components", "singular_values", "explained_variance_ratio")


def check_n_components(n_components: int, shape: tuple[int, int]) -> None:
    """Raise ValueError if a matrix of that shape has no such number of components."""
    n_movies, n_actors = shape
    if not 1 <= n_components <= min(shape):
        raise ValueError(
            f"n_components = {n_components:,} is impossible: a matrix of {n_movies:,} movies and "
            f"{n_actors:,} actors has 1 to {min(shape):,} components"
        )


def reduce_movies(incidence: Incidence, *, n_components: int, random_state: int) -> Embedding:
    """Reduce the incidence matrix by truncated SVD, without centring.

    Parameters
    ----------
    incidence : Incidence
        Movies x actors, at least `n_components` of each.
    n_components : int
        Dimensions to keep.
    random_state : int
        Seed of the randomised solver.

    Returns
    -------
    Embedding
        ``scores`` are the left singular vectors times the singular values, strongest first.

    Raises
    ------
    ValueError
        If the matrix has fewer rows or columns than `n_components`, or no 1 in it.

    References
    ----------
    Halko, Martinsson and Tropp (2011), "Finding structure with randomness", SIAM Review 53:2;
    as in ``sklearn.decomposition.TruncatedSVD``.
    """
    from sklearn.decomposition import TruncatedSVD

    check_n_components(n_components, incidence.shape)
    if not incidence.matrix.nnz:
        raise ValueError("no movie has an actor, so there is nothing to reduce")
    svd = TruncatedSVD(n_components=n_components, random_state=random_state)
    with np.errstate(invalid="ignore"):  # all casts alike: no variance, its shares are NaN
        scores = svd.fit_transform(incidence.matrix)
    return Embedding(
        scores=scores,
        components=svd.components_,
        singular_values=svd.singular_values_,
        explained_variance_ratio=svd.explained_variance_ratio_,
        movie_ids=incidence.movie_ids,
        actor_ids=incidence.actor_ids,
    )


def scree_table(embedding: Embedding) -> pd.DataFrame:
    """Return ``singular_value``, ``share`` and ``cumulative_share`` of the variance a component.

    Components are numbered from 1.
    """
    share = embedding.explained_variance_ratio
    return pd.DataFrame(
        {
            "component": np.arange(1, embedding.n_components + 1),
            "singular_value": embedding.singular_values,
            "share": share,
            "cumulative_share": np.cumsum(share),
        }
    )


def leading_actors(embedding: Embedding, names: pd.Series, *, n: int = 5) -> pd.DataFrame:
    """Return the `n` actors with the largest absolute loading of each component.

    Parameters
    ----------
    embedding : Embedding
        The reduction.
    names : Series, length n_actors
        Names of the actors, in the columns' order.
    n : int
        Actors a component.

    Returns
    -------
    DataFrame
        ``component`` (from 1), ``rank`` (from 1), ``actor_id``, ``name``, ``loading``.
    """
    if len(names) != len(embedding.actor_ids):
        raise ValueError(f"{len(names)} names for {len(embedding.actor_ids)} actors")
    order = np.argsort(-np.abs(embedding.components), axis=1, kind="stable")[:, :n]
    component, rank = np.indices(order.shape)
    actors = order.ravel()
    return pd.DataFrame(
        {
            "component": component.ravel() + 1,
            "rank": rank.ravel() + 1,
            "actor_id": embedding.actor_ids.to_numpy()[actors],
            "name": names.to_numpy()[actors],
            "loading": embedding.components[component.ravel(), actors],
        }
    )


def map_movies(embedding: Embedding, *, max_movies: int, random_state: int) -> pd.DataFrame:
    """Lay the movies out in two dimensions by t-SNE of the reduced matrix.

    Movies whose scores are all (nearly) zero are left out: they would lie on one spot.

    Parameters
    ----------
    embedding : Embedding
        The reduction.
    max_movies : int
        At most so many movies are laid out; of more, a random sample is.
    random_state : int
        Seed of the sample and of the layout.

    Returns
    -------
    DataFrame
        ``movie`` (row number), ``movie_id``, ``x``, ``y``, in the corpus' order. Empty if
        fewer than 8 movies can be laid out.

    References
    ----------
    van der Maaten and Hinton (2008), "Visualizing data using t-SNE", JMLR 9; started from the
    principal components as Kobak and Berens (2019), Nature Communications 10:5416, advise.
    """
    from sklearn.manifold import TSNE

    lengths = np.linalg.norm(embedding.scores, axis=1)
    movies = np.flatnonzero(lengths > 1e-6 * lengths.max(initial=0.0))
    if len(movies) > max_movies:
        rng = np.random.default_rng(random_state)
        movies = np.sort(rng.choice(movies, size=max_movies, replace=False))
    place = np.empty((0, 2))
    if len(movies) < 8 or embedding.n_components < 2:
        movies = movies[:0]
    else:
        perplexity = min(30.0, (len(movies) - 1) / 3)
        layout = TSNE(init="pca", perplexity=perplexity, random_state=random_state)
        place = layout.fit_transform(embedding.scores[movies])
    return pd.DataFrame(
        {
            "movie": movies.astype(np.int32),
            "movie_id": embedding.movie_ids.to_numpy()[movies],
            "x": place[:, 0],
            "y": place[:, 1],
        }
    )
