"""Fewer dimensions: every movie as a short vector that keeps who plays together."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.matrix import Incidence

WEIGHTINGS = ("none", "degree")

WALK = 3
"""Steps between movies and actors after which the weighting ``degree`` looks where a walk is."""

ZERO = 1e-6
"""A vector so much shorter than the longest is taken for zero: what is left is rounding."""

NEAREST_DECIMALS = 9
"""Decimals of coordinates and distances that count where neighbours are looked for."""

TSNE_ITERATIONS = 500
"""Half as many as is usual: on the real films neighbours are as true (trustworthiness of 0.851
against 0.853 and of 0.995 against 0.996), in half the time."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Movies and actors in the reduced space.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_movies, n_components)
        The movies' coordinates, rows in the incidence matrix' order. With the weighting
        ``degree`` every row has length 1, or is zero where the cast tells nothing.
    components : ndarray of float64, shape (n_components, n_actors)
        The right singular vectors: how much each actor counts in each component.
    loadings : ndarray of float64, shape (n_actors, n_components)
        A cast's coordinates are the sum of its actors' rows (made as long as 1 with ``degree``).
    singular_values : ndarray, shape (n_components,)
        Falling.
    explained_variance_ratio : ndarray, shape (n_components,)
        Share of the variance of the matrix' columns that each component holds, or with
        ``degree`` of the weighted matrix' sum of squares; NaN where there is none.
    movie_ids, actor_ids : Index
        Names of the rows of `scores` and of the columns of `components`.
    settings : dict
        How it was made: ``n_components``, ``weighting``, ``regularization``, ``random_state``.
    """

    scores: np.ndarray
    components: np.ndarray
    loadings: np.ndarray
    singular_values: np.ndarray
    explained_variance_ratio: np.ndarray
    movie_ids: pd.Index
    actor_ids: pd.Index
    settings: dict[str, int | float | str]

    @property
    def n_components(self) -> int:
        """Number of dimensions."""
        return self.scores.shape[1]

    @property
    def placed(self) -> np.ndarray:
        """Tell for each movie whether its coordinates are not all zero, shape (n_movies,)."""
        return self.scores.any(axis=1)

    def first(self, n_components: int) -> Embedding:
        """Return the embedding in its first components only."""
        loadings = self.loadings[:, :n_components]
        scores = self.scores[:, :n_components]
        if self.settings["weighting"] == "degree":
            lengths = np.linalg.norm(scores, axis=1, keepdims=True)
            scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > ZERO)
        return replace(
            self,
            scores=scores,
            components=self.components[:n_components],
            loadings=loadings,
            singular_values=self.singular_values[:n_components],
            explained_variance_ratio=self.explained_variance_ratio[:n_components],
            settings=self.settings | {"n_components": n_components},
        )

    def transform(self, casts: sp.csr_array) -> np.ndarray:
        """Return the coordinates of other movies, by their casts.

        Parameters
        ----------
        casts : csr_array, shape (n_new, n_actors)
            1 where the actor plays; columns as `actor_ids`.

        Returns
        -------
        ndarray of float64, shape (n_new, n_components)
            As `scores`: of a movie that was fitted, its own row but for rounding.
        """
        scores = casts @ self.loadings
        return (
            _to_length_1(scores, self.loadings)
            if self.settings["weighting"] == "degree"
            else scores
        )

    def save(self, folder: Path) -> None:
        """Write arrays, ids and settings into an existing folder."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.loadings.base is self.components:  # the same numbers, and the largest of all
            del arrays["loadings"]
        np.savez(folder / "embedding.npz", **arrays)
        pd.DataFrame({"movie_id": self.movie_ids}).to_parquet(folder / "movie_ids.parquet")
        pd.DataFrame({"actor_id": self.actor_ids}).to_parquet(folder / "actor_ids.parquet")
        (folder / "settings.json").write_text(json.dumps(self.settings), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Embedding:
        """Read what :meth:`save` wrote."""
        with np.load(folder / "embedding.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
            arrays.setdefault("loadings", arrays["components"].T)
            return cls(
                **arrays,
                movie_ids=pd.Index(pd.read_parquet(folder / "movie_ids.parquet")["movie_id"]),
                actor_ids=pd.Index(pd.read_parquet(folder / "actor_ids.parquet")["actor_id"]),
                settings=json.loads((folder / "settings.json").read_text(encoding="utf-8")),
            )


_ARRAYS = ("scores", "components", "loadings", "singular_values", "explained_variance_ratio")


def check_n_components(n_components: int, shape: tuple[int, int]) -> None:
    """Raise ValueError if a matrix of that shape has no such number of components."""
    n_movies, n_actors = shape
    if not n_actors:
        raise ValueError(
            f"no movie has an actor, so there is nothing to reduce ({n_movies:,} movies, no actors)"
        )
    if not 1 <= n_components <= min(shape):
        raise ValueError(
            f"n_components = {n_components:,} is impossible: a matrix of {n_movies:,} movies and "
            f"{n_actors:,} actors has 1 to {min(shape):,} components"
        )


def reduce_movies(
    incidence: Incidence,
    *,
    n_components: int,
    random_state: int,
    weighting: str = "none",
    regularization: float = 0.4,
) -> Embedding:
    """Reduce the incidence matrix by truncated SVD, without centring.

    Parameters
    ----------
    incidence : Incidence
        Movies x actors, at least `n_components` of each.
    n_components : int
        Dimensions to keep.
    random_state : int
        Seed of the solver.
    weighting : {"none", "degree"}
        ``none``: the matrix of ones as it is, randomised solver; ``scores`` are the left
        singular vectors times the singular values. ``degree``: every 1 is divided by the root of
        the movie's cast size and of the actor's number of movies, both regularised, so that
        neither large casts nor prolific actors dominate. Actors of a single movie link it to no
        other; they are placed where their movie is. Each component is weighted by its singular
        value to the power of `WALK` (so many steps of a random walk between movies and actors,
        which damp what is weakly connected), and every row is brought to length 1. Does not
        depend on the order of rows and columns.
    regularization : float, at least 0
        For ``degree``: what is added to the degrees before the root, in mean degrees.

    Returns
    -------
    Embedding
        Components strongest first.

    Raises
    ------
    ValueError
        If the matrix has fewer rows or columns than `n_components`, or no 1 in it (with
        ``degree``: if no actor plays in two movies).

    References
    ----------
    Halko, Martinsson and Tropp (2011), "Finding structure with randomness", SIAM Review 53:2;
    as in ``sklearn.decomposition.TruncatedSVD``. ``degree``: Dhillon (2001), "Co-clustering
    documents and words using bipartite spectral graph partitioning", KDD; the regularisation:
    Chaudhuri, Chung and Tsiatas (2012), COLT, and Qin and Rohe (2013), NeurIPS; rows of length 1:
    Ng, Jordan and Weiss (2001), NeurIPS; the walk: Coifman and Lafon (2006),
    "Diffusion maps", Applied and Computational Harmonic Analysis 21.
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting is one of {', '.join(WEIGHTINGS)}, not {weighting!r}")
    check_n_components(n_components, incidence.shape)
    if not incidence.matrix.nnz:
        raise ValueError("no movie has an actor, so there is nothing to reduce")
    settings = {
        "n_components": n_components,
        "weighting": weighting,
        "regularization": regularization,
        "random_state": random_state,
    }
    reduce = _reduce_as_it_is if weighting == "none" else _reduce_by_degree
    return reduce(incidence, settings)


def _reduce_as_it_is(incidence: Incidence, settings: dict) -> Embedding:
    from sklearn.decomposition import TruncatedSVD

    svd = TruncatedSVD(settings["n_components"], random_state=settings["random_state"])
    matrix, n_actors = incidence.matrix, incidence.shape[1]
    if n_actors == 1:  # scikit-learn wants two columns; one of zeros changes nothing
        matrix = sp.csr_array(sp.hstack([matrix, sp.csr_array(matrix.shape)]))
    with np.errstate(invalid="ignore", divide="ignore"):  # all casts alike have no variance
        scores = svd.fit_transform(matrix)
    shares = svd.explained_variance_ratio_
    components = svd.components_ if n_actors > 1 else svd.components_[:, :1]
    return Embedding(
        scores=scores,
        components=components,
        loadings=components.T,
        singular_values=svd.singular_values_,
        explained_variance_ratio=np.where(np.isfinite(shares), shares, np.nan),
        movie_ids=incidence.movie_ids,
        actor_ids=incidence.actor_ids,
        settings=settings,
    )


def _reduce_by_degree(incidence: Incidence, settings: dict) -> Embedding:
    movies, actors = np.argsort(incidence.movie_ids), np.argsort(incidence.actor_ids)
    matrix = incidence.matrix[movies][:, actors]
    matrix.sort_indices()  # sums are the same to the last bit only in the same order
    cast_sizes, careers = matrix.sum(axis=1), matrix.sum(axis=0)
    links = careers > 1
    if not links.any():
        raise ValueError("no actor plays in two movies, so no movie is linked to another")
    added = settings["regularization"]
    of_movie = 1 / np.sqrt(np.maximum(cast_sizes, 1) + added * cast_sizes[cast_sizes > 0].mean())
    of_actor = 1 / np.sqrt(careers + added * careers.mean())
    weighted = sp.csr_array(sp.diags_array(of_movie) @ matrix @ sp.diags_array(of_actor))
    linking = sp.csr_array(weighted @ sp.diags_array(links.astype(float)))
    singular_values, right = _svd(linking, settings["n_components"], settings["random_state"])
    # A'AV/S² is V again for actors that link, and a place at their movie for the others
    components = (weighted.T @ (linking @ right.T) / np.maximum(singular_values, ZERO) ** 2).T
    loadings = of_actor[:, None] * components.T * singular_values ** (WALK - 1)
    back_to_movies, back_to_actors = np.argsort(movies), np.argsort(actors)
    return Embedding(
        scores=_to_length_1(matrix @ loadings, loadings)[back_to_movies],
        components=components[:, back_to_actors],
        loadings=loadings[back_to_actors],
        singular_values=singular_values,
        explained_variance_ratio=singular_values**2 / (linking.data**2).sum(),
        movie_ids=incidence.movie_ids,
        actor_ids=incidence.actor_ids,
        settings=settings,
    )


def _svd(matrix: sp.csr_array, n: int, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `n` largest singular values and the right singular vectors, to full accuracy."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.utils.extmath import svd_flip

    if n < min(matrix.shape):
        svd = TruncatedSVD(n, algorithm="arpack", random_state=random_state)
        with np.errstate(invalid="ignore", divide="ignore"):  # shares of variance, not used
            svd.fit(matrix)
        return svd.singular_values_, svd.components_
    left, values, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    return values[:n], svd_flip(left, right)[1][:n]


def _to_length_1(scores: np.ndarray, loadings: np.ndarray) -> np.ndarray:
    """Return the rows divided by their lengths; zero where all of the cast's loadings are."""
    lengths = np.linalg.norm(scores, axis=1, keepdims=True)
    told = lengths > ZERO * np.linalg.norm(loadings, axis=1).max()
    return np.divide(scores, lengths, out=np.zeros_like(scores), where=told)


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


def largest_gap(singular_values: np.ndarray, *, least: int = 2) -> int:
    """Return after how many components, at least `least`, the eigenvalues fall most in ratio.

    References
    ----------
    von Luxburg (2007), "A tutorial on spectral clustering", Statistics and Computing 17,
    section 8.3 (eigengap).
    """
    before, after = singular_values[least - 1 : -1], singular_values[least:]
    ratios = np.divide(before, after, out=np.full_like(before, np.inf), where=after > 0)
    return int(np.argmax(ratios)) + least if len(ratios) else len(singular_values)


def n_dimensions(singular_values: np.ndarray) -> int:
    """Return how many of the components hold anything: the rank, as far as they tell it."""
    return int((singular_values > ZERO * singular_values.max(initial=0.0)).sum())


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
    order = np.array([_largest(np.abs(row), n) for row in embedding.components])
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


def _largest(values: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the `n` largest values, largest first, of equal ones the first."""
    least = np.partition(values, max(len(values) - n, 0))[max(len(values) - n, 0)]
    among = np.flatnonzero(values >= least)
    return among[np.argsort(-values[among], kind="stable")][:n]


def sample_movies(embedding: Embedding, n: int, *, random_state: int) -> np.ndarray:
    """Return the positions of at most `n` movies, at random, by id whatever the rows' order.

    Movies whose scores are all (nearly) zero are left out: nothing tells where they lie.
    """
    lengths = np.linalg.norm(embedding.scores, axis=1)
    movies = np.argsort(embedding.movie_ids, kind="stable")
    movies = movies[lengths[movies] > ZERO * lengths.max(initial=0.0)]
    if len(movies) > n:
        rng = np.random.default_rng(random_state)
        movies = movies[np.sort(rng.choice(len(movies), size=n, replace=False))]
    return movies


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
        fewer than 8 movies can be laid out, if all of them lie on one spot (the library would
        crash), or if there is one component only.

    References
    ----------
    van der Maaten and Hinton (2008), "Visualizing data using t-SNE", JMLR 9; started from the
    principal components as Kobak and Berens (2019), Nature Communications 10:5416, advise.
    """
    movies = sample_movies(embedding, max_movies, random_state=random_state)
    place = np.empty((0, 2))
    spots = embedding.scores[movies].round(NEAREST_DECIMALS)
    if len(movies) < 8 or embedding.n_components < 2 or (spots == spots[:1]).all():
        movies = movies[:0]
    else:
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(movies) - 1) / 3)
        layout = TSNE(
            init="pca",
            perplexity=perplexity,
            max_iter=TSNE_ITERATIONS,
            random_state=random_state,
        )
        with _two_threads():
            place = layout.fit_transform(embedding.scores[movies])
    order = np.argsort(movies)
    return pd.DataFrame(
        {
            "movie": movies[order].astype(np.int32),
            "movie_id": embedding.movie_ids.to_numpy()[movies[order]],
            "x": place[order, 0],
            "y": place[order, 1],
        }
    )


def nearest_movies(
    embedding: Embedding, *, n: int = 5, queries: np.ndarray | None = None
) -> pd.DataFrame:
    """Return the movies that lie nearest to each of some movies in the reduced space.

    Distances are Euclidean, taken between scores rounded to 9 decimals, and themselves rounded
    so: equal casts, which lie on one spot but for rounding, are then equally near. Of equally
    near movies those with the smaller id come first, whatever the order of the rows.

    Parameters
    ----------
    embedding : Embedding
        The reduction.
    n : int
        Neighbours of each movie; fewer where there are no more movies.
    queries : ndarray of int, optional
        Positions of the movies whose neighbours are looked for, among all movies; all by default.
        A movie whose coordinates are all zero, as its cast tells nothing, has no neighbours and
        is nobody's.

    Returns
    -------
    DataFrame
        ``movie``, ``rank`` (from 1), ``neighbour`` (row numbers, int32) and ``distance``,
        by movie and rank.
    """
    scores = embedding.scores.round(NEAREST_DECIMALS)
    movies = np.argsort(embedding.movie_ids, kind="stable")
    movies = movies[scores[movies].any(axis=1)]
    scores = scores[movies]
    asked = np.arange(len(movies))
    if queries is not None:
        asked = np.flatnonzero(np.isin(movies, queries))
    n = min(n, len(movies) - 1)
    if n < 1 or not len(asked):
        return _nearest_frame(movies[:0], np.empty((0, 0), int), np.empty((0, 0)))
    candidates = _candidates(scores, asked, min(n + 5, len(movies)))
    away = _distances(scores[asked], scores[candidates])
    distance = np.where(candidates == asked[:, None], np.inf, away)
    order = np.lexsort((candidates, distance), axis=1)[:, :n]
    near = np.take_along_axis(candidates, order, axis=1)
    distance = np.take_along_axis(distance, order, axis=1)
    # movies as far as the last neighbour, but for rounding, may have been left out: look at all
    lengths = (scores**2).sum(axis=1)
    radius = distance[:, -1] + 10.0**-NEAREST_DECIMALS
    slack = 1e-8 * (lengths[asked] + radius**2)
    unsure = away.max(axis=1) ** 2 <= radius**2 + slack
    for row in np.flatnonzero(unsure) if candidates.shape[1] < len(movies) else ():
        others = _within(radius[row], scores[asked[row]], scores, lengths)
        others = others[others != asked[row]]
        all_away = _distances(scores[asked[[row]]], scores[None, others])[0]
        first = np.lexsort((others, all_away))[:n]
        near[row], distance[row] = others[first], all_away[first]
    return _nearest_frame(movies[asked], movies[near], distance)


def _candidates(scores: np.ndarray, asked: np.ndarray, n: int) -> np.ndarray:
    """Return the `n` rows nearest to each that is asked for, most often itself among them."""
    from sklearn.neighbors import NearestNeighbors

    brute = NearestNeighbors(n_neighbors=n, algorithm="brute").fit(scores)
    with _two_threads():
        return brute.kneighbors(scores[asked], return_distance=False)


def _two_threads():
    """Return a context in which OpenMP has two threads, on every machine.

    Kernels have one, for the last bits of sums depend on how many share the work. Two, always
    two, give everywhere the same as well.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(2, user_api="openmp")


def _within(
    radius: float, point: np.ndarray, others: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Return the positions of the points within a radius, or beyond it by rounding only.

    `lengths` are the sums of squares of `others`.
    """
    squares = lengths - 2 * (others @ point) + point @ point
    slack = 1e-9 * (lengths + point @ point)
    return np.flatnonzero(squares <= radius**2 + slack)


def _distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the rounded distances of n points, each to its own m others, shape (n, m)."""
    squares = np.zeros(others.shape[:2])
    for component in range(points.shape[1]):  # (n, m) at a time, not (n, m, n_components)
        squares += (points[:, [component]] - others[:, :, component]) ** 2
    return np.sqrt(squares).round(NEAREST_DECIMALS)


def _nearest_frame(movies: np.ndarray, near: np.ndarray, distance: np.ndarray) -> pd.DataFrame:
    n = near.shape[1]
    table = pd.DataFrame(
        {
            "movie": np.repeat(movies, n).astype(np.int32),
            "rank": np.tile(np.arange(1, n + 1), len(movies)).astype(np.int32),
            "neighbour": near.ravel().astype(np.int32),
            "distance": distance.ravel(),
        }
    )
    return table.sort_values(["movie", "rank"], ignore_index=True)
