"""Reduce the incidence matrix: every movie becomes a short vector that keeps who plays together."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.base.layout import lay_out, near_in_cells, two_threads
from imdbclust.matrix import Incidence, read_ids, write_ids

if TYPE_CHECKING:
    from sklearn.decomposition import TruncatedSVD

WEIGHTINGS = ("none", "degree")

WALK = 3
"""Number of steps of the random walk between movies and actors, for the weighting ``degree``."""

ZERO = 1e-6
"""A vector shorter than this share of the longest one counts as zero: only rounding is left."""

NEAREST_DECIMALS = 9
"""Decimals to which coordinates and distances are rounded in the search for neighbours."""

PLACED_BY = 3
"""Number of neighbours on the map that give the place of a movie that was not laid out."""

MAP_DECIMALS = 3
"""Decimals of places on the map, which is about 100 wide."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Movies and actors in the reduced space.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_movies, n_components)
        Coordinates of the movies, rows in the order of the incidence matrix. With the weighting
        ``degree`` every row has length 1, or is zero if no actor links the movie to another.
    components : ndarray of float64, shape (n_components, n_actors)
        The right singular vectors: the weight of each actor in each component.
    loadings : ndarray of float64, shape (n_actors, n_components)
        The coordinates of a cast are the sum of its actors' rows (scaled to length 1 with
        ``degree``).
    singular_values : ndarray, shape (n_components,), in descending order
    explained_variance_ratio : ndarray, shape (n_components,)
        Share of the total variance of the matrix' columns that each component explains; with
        ``degree``, share of the weighted matrix' sum of squares. NaN if the variance is zero.
    movie_ids, actor_ids : Index
        Names of the rows of `scores` and of the columns of `components`.
    settings : dict
        The parameters: ``n_components``, ``weighting``, ``regularization``, ``random_state``.
    svd : TruncatedSVD, optional
        The fitted estimator; None after :meth:`load` and :meth:`first`.
    """

    scores: np.ndarray
    components: np.ndarray
    loadings: np.ndarray
    singular_values: np.ndarray
    explained_variance_ratio: np.ndarray
    movie_ids: pd.Index
    actor_ids: pd.Index
    settings: dict[str, int | float | str]
    svd: TruncatedSVD | None = None

    @property
    def n_components(self) -> int:
        """Number of dimensions."""
        return self.scores.shape[1]

    @property
    def placed(self) -> np.ndarray:
        """Whether each movie has coordinates that are not all zero, shape (n_movies,)."""
        return self.scores.any(axis=1)

    def first(self, n_components: int) -> Embedding:
        """Return the embedding in its first components only."""
        scores = self.scores[:, :n_components]
        return replace(
            self,
            scores=_to_length_1(scores) if self.settings["weighting"] == "degree" else scores,
            components=self.components[:n_components],
            loadings=self.loadings[:, :n_components],
            singular_values=self.singular_values[:n_components],
            explained_variance_ratio=self.explained_variance_ratio[:n_components],
            settings=self.settings | {"n_components": n_components},
            svd=None,
        )

    def transform(self, casts: sp.csr_array) -> np.ndarray:
        """Return the coordinates of other movies, computed from their casts.

        Parameters
        ----------
        casts : csr_array, shape (n_new, n_actors)
            1 where the actor plays; columns in the order of `actor_ids`.

        Returns
        -------
        ndarray of float64, shape (n_new, n_components)
            As `scores`. A fitted movie gets its own row, up to rounding.
        """
        if self.settings["weighting"] != "degree":
            return casts @ self.loadings
        return _to_length_1(casts @ self.loadings, np.linalg.norm(self.loadings, axis=1).max())

    def save(self, folder: Path) -> None:
        """Write arrays, ids and settings into an existing folder."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.loadings.base is self.components:  # the largest array; it is a view of the other
            del arrays["loadings"]
        np.savez(folder / "embedding.npz", **arrays)
        write_ids(folder, movie_id=self.movie_ids, actor_id=self.actor_ids)
        (folder / "settings.json").write_text(json.dumps(self.settings), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Embedding:
        """Read what :meth:`save` wrote."""
        with np.load(folder / "embedding.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        arrays.setdefault("loadings", arrays["components"].T)
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        movie_ids, actor_ids = read_ids(folder, "movie_id"), read_ids(folder, "actor_id")
        return cls(**arrays, movie_ids=movie_ids, actor_ids=actor_ids, settings=settings)


_ARRAYS = ("scores", "components", "loadings", "singular_values", "explained_variance_ratio")


def make_svd(n_components: int, *, weighting: str = "none", random_state: int) -> TruncatedSVD:
    """Return the unfitted truncated SVD for :func:`reduce_movies`.

    The weighting ``none`` uses scikit-learn's randomized solver. ``degree`` uses ARPACK, which is
    accurate to rounding, so that the order of movies and actors has no influence.
    """
    from sklearn.decomposition import TruncatedSVD

    check_weighting(weighting)
    solver = "randomized" if weighting == "none" else "arpack"
    return TruncatedSVD(n_components, algorithm=solver, random_state=random_state)


def check_weighting(weighting: str) -> None:
    """Raise ValueError if the weighting is unknown."""
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting must be one of {', '.join(WEIGHTINGS)}, not {weighting!r}")


def check_n_components(n_components: int, shape: tuple[int, int]) -> None:
    """Raise ValueError if a matrix of that shape cannot have that number of components."""
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
    svd: TruncatedSVD,
    *,
    weighting: str = "none",
    regularization: float = 0.4,
) -> Embedding:
    """Reduce the incidence matrix by truncated SVD, without centring.

    Parameters
    ----------
    incidence : Incidence
    svd : TruncatedSVD
        Unfitted, as from :func:`make_svd`. A clone of it is fitted.
    weighting : {"none", "degree"}
        ``none``: the plain 0/1 matrix; ``scores`` are the left singular vectors times the
        singular values. ``degree``: every 1 is divided by the square roots of the movie's cast
        size and of the actor's number of movies, both regularised, so that neither large casts
        nor prolific actors dominate. Actors of a single movie link it to no other, so they are
        left out of the SVD and get the place of their movie. Each component is weighted by its
        singular value to the power of `WALK` (the steps of a random walk between movies and
        actors, which damp weak connections), and every row is scaled to length 1. The order of
        rows and columns has no influence.
    regularization : float, at least 0
        For ``degree``: multiple of the mean degree that is added to the degrees before the
        square root.

    Returns
    -------
    Embedding
        Components in descending order of strength. Actors without a movie change nothing: their
        weights are 0.

    Raises
    ------
    ValueError
        The weighting is unknown, the matrix has fewer rows or columns than components or no 1
        in it, or, with ``degree``, no actor plays in two movies.

    References
    ----------
    Halko, Martinsson and Tropp (2011), "Finding structure with randomness", SIAM Review 53:2;
    as in ``sklearn.decomposition.TruncatedSVD``. ``degree``: Dhillon (2001), "Co-clustering
    documents and words using bipartite spectral graph partitioning", KDD; the regularisation:
    Chaudhuri, Chung and Tsiatas (2012), COLT, and Qin and Rohe (2013), NeurIPS; rows of length 1:
    Ng, Jordan and Weiss (2001), NeurIPS; the walk: Coifman and Lafon (2006),
    "Diffusion maps", Applied and Computational Harmonic Analysis 21.
    """
    from sklearn.base import clone

    check_weighting(weighting)
    svd = clone(svd)
    check_n_components(svd.n_components, incidence.shape)
    if not incidence.matrix.nnz:
        raise ValueError("no movie has an actor, so there is nothing to reduce")
    if not (known := incidence.movies_per_actor() > 0).all():
        how = {"weighting": weighting, "regularization": regularization}
        return _with_absent_actors(incidence, known, svd, **how)
    if weighting == "none":
        arrays = _reduce_plain(incidence, svd)
    else:
        arrays = _reduce_by_degree(incidence, svd, regularization)
    settings = {"n_components": svd.n_components, "weighting": weighting}
    settings |= {"regularization": regularization, "random_state": svd.random_state}
    return Embedding(*arrays, incidence.movie_ids, incidence.actor_ids, settings, svd)


def _with_absent_actors(
    incidence: Incidence, known: np.ndarray, svd: TruncatedSVD, **options: float | str
) -> Embedding:
    """Reduce a matrix in which only the `known` actors have a movie; the rest get zeros."""
    ids = incidence.actor_ids
    listed = Incidence(incidence.matrix[:, known], incidence.movie_ids, ids[known])
    found = reduce_movies(listed, svd, **options)
    components = np.zeros((found.n_components, len(known)))
    components[:, known] = found.components
    loadings = components.T  # the same array, which is stored once
    if options["weighting"] == "degree":
        loadings = np.zeros(loadings.shape)
        loadings[known] = found.loadings
    return replace(found, actor_ids=ids, components=components, loadings=loadings)


def _reduce_plain(incidence: Incidence, svd: TruncatedSVD) -> tuple[np.ndarray, ...]:
    """Fit `svd` and return the arrays of an embedding, in their order."""
    matrix, n_actors = incidence.matrix, incidence.shape[1]
    if n_actors == 1:  # scikit-learn needs two columns; a column of zeros changes nothing
        matrix = sp.csr_array(sp.hstack([matrix, sp.csr_array(matrix.shape)]))
    with np.errstate(invalid="ignore", divide="ignore"):  # identical casts have no variance
        scores = svd.fit_transform(matrix)
    shares = svd.explained_variance_ratio_
    components = svd.components_ if n_actors > 1 else svd.components_[:, :1]
    shares = np.where(np.isfinite(shares), shares, np.nan)
    return scores, components, components.T, svd.singular_values_, shares


def _reduce_by_degree(
    incidence: Incidence, svd: TruncatedSVD, regularization: float
) -> tuple[np.ndarray, ...]:
    """Fit `svd` to the weighted matrix and return the arrays of an embedding, in their order."""
    movies, actors = np.argsort(incidence.movie_ids), np.argsort(incidence.actor_ids)
    matrix = incidence.matrix[movies][:, actors]
    matrix.sort_indices()  # only sums in the same order are equal to the last bit
    cast_sizes, careers = matrix.sum(axis=1), matrix.sum(axis=0)
    links = careers > 1
    if not links.any():
        raise ValueError("no actor plays in two movies, so no movie is linked to another")
    mean_cast = cast_sizes[cast_sizes > 0].mean()
    of_movie = 1 / np.sqrt(np.maximum(cast_sizes, 1) + regularization * mean_cast)
    of_actor = 1 / np.sqrt(careers + regularization * careers.mean())
    weighted = sp.csr_array(sp.diags_array(of_movie) @ matrix @ sp.diags_array(of_actor))
    linking = sp.csr_array(weighted @ sp.diags_array(links.astype(float)))
    if links.sum() > svd.n_components:
        linking = linking[:, links]  # the other columns are zero, and ARPACK takes half of the time
    _fit_svd(svd, linking)
    values, right = svd.singular_values_, svd.components_
    # A'AV/S² is V again for actors that link movies, and the place of the movie for the rest
    components = (weighted.T @ (linking @ right.T) / np.maximum(values, ZERO) ** 2).T
    loadings = of_actor[:, None] * components.T * values ** (WALK - 1)
    back_to_movies, back_to_actors = np.argsort(movies), np.argsort(actors)
    scores = _to_length_1(matrix @ loadings, np.linalg.norm(loadings, axis=1).max())[back_to_movies]
    components, loadings = components[:, back_to_actors], loadings[back_to_actors]
    return scores, components, loadings, values, values**2 / (linking.data**2).sum()


def _fit_svd(svd: TruncatedSVD, matrix: sp.csr_array) -> None:
    """Fit `svd`; by a dense SVD if all components are wanted, which ARPACK cannot compute."""
    from sklearn.utils.extmath import svd_flip

    n_components = svd.n_components
    if n_components < min(matrix.shape):
        with np.errstate(invalid="ignore", divide="ignore"):  # in shares of variance, unused here
            svd.fit(matrix)
    else:
        left, values, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
        svd.singular_values_ = values[:n_components]
        svd.components_ = svd_flip(left, right)[1][:n_components]


def _to_length_1(scores: np.ndarray, longest: float = 1.0) -> np.ndarray:
    """Return the rows divided by their lengths; zero where `ZERO` of `longest` is not exceeded."""
    lengths = np.linalg.norm(scores, axis=1, keepdims=True)
    return np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > ZERO * longest)


def scree_table(embedding: Embedding) -> pd.DataFrame:
    """Return ``component`` (from 1), ``singular_value``, ``share``, ``cumulative_share``."""
    share, number = embedding.explained_variance_ratio, np.arange(1, embedding.n_components + 1)
    values = {"component": number, "singular_value": embedding.singular_values, "share": share}
    return pd.DataFrame(values | {"cumulative_share": np.cumsum(share)})


def largest_gap(singular_values: np.ndarray, *, least: int = 2) -> int:
    """Return the number of components, at least `least`, before the largest ratio of two values.

    References
    ----------
    von Luxburg (2007), "A tutorial on spectral clustering", Statistics and Computing 17,
    section 8.3 (eigengap).
    """
    before, after = singular_values[least - 1 : -1], singular_values[least:]
    ratios = np.divide(before, after, out=np.full_like(before, np.inf), where=after > 0)
    return int(np.argmax(ratios)) + least if len(ratios) else len(singular_values)


def n_dimensions(singular_values: np.ndarray) -> int:
    """Return the number of components that are not empty: the rank, if it is not larger."""
    return int((singular_values > ZERO * singular_values.max(initial=0.0)).sum())


def n_positions(scores: np.ndarray) -> int:
    """Return the number of distinct rows of coordinates, apart from rounding."""
    return len(np.unique(scores.round(NEAREST_DECIMALS) + 0.0, axis=0))


def leading_actors(embedding: Embedding, names: pd.Series, *, n: int = 5) -> pd.DataFrame:
    """Return the `n` actors with the largest absolute weight in each component.

    `names` are those of the actors, in the order of the columns. The result has ``component`` and
    ``rank`` (both from 1), ``actor_id``, ``name`` and ``loading``.
    """
    if len(names) != len(embedding.actor_ids):
        raise ValueError(f"{len(names)} names for {len(embedding.actor_ids)} actors")
    rows = embedding.components
    order = np.array([pd.Series(np.abs(row)).nlargest(n).index for row in rows])
    component, rank = np.indices(order.shape)
    actors = order.ravel()
    return pd.DataFrame(
        {
            "component": component.ravel() + 1,
            "rank": rank.ravel() + 1,
            "actor_id": embedding.actor_ids.to_numpy()[actors],
            "name": names.to_numpy()[actors],
            "loading": rows[component.ravel(), actors],
        }
    )


def sample_movies(embedding: Embedding, n: int, *, random_state: int) -> np.ndarray:
    """Return the positions of `n` random movies with a place, whatever the order of the rows."""
    lengths = np.linalg.norm(embedding.scores, axis=1)
    movies = np.argsort(embedding.movie_ids, kind="stable")
    movies = movies[lengths[movies] > ZERO * lengths.max(initial=0.0)]
    if len(movies) > n:
        rng = np.random.default_rng(random_state)
        movies = movies[np.sort(rng.choice(len(movies), size=n, replace=False))]
    return movies


def map_movies(embedding: Embedding, *, max_movies: int, random_state: int) -> pd.DataFrame:
    """Map the movies to two dimensions, by t-SNE of the reduced matrix.

    At most `max_movies` are laid out, a random sample of a larger corpus. The other movies get the
    median place of `PLACED_BY` near ones, as :func:`imdbclust.base.layout.near_in_cells` finds
    them. The result has the same bytes for any number of threads and any order of the rows.

    Returns
    -------
    DataFrame
        ``movie`` (row number), ``movie_id``, ``x``, ``y`` (no unit, to `MAP_DECIMALS`), in the
        order of the corpus, without the movies whose scores are (nearly) zero: they would all be
        one point. It is empty if `max_movies` or the number of movies with a place is below 8, if
        all have the same place, or if there is only one component.

    References
    ----------
    van der Maaten and Hinton (2008), "Visualizing data using t-SNE", JMLR 9; initialised with the
    principal components, as Kobak and Berens (2019), Nature Communications 10:5416, recommend;
    interpolated as in Linderman et al. (2019), Nature Methods 16; by openTSNE, Policar, Strazar
    and Zupan (2024), Journal of Statistical Software 109:3.
    """
    movies = sample_movies(embedding, len(embedding.movie_ids), random_state=random_state)
    spots = embedding.scores[movies].round(NEAREST_DECIMALS)
    drawn = np.isin(movies, sample_movies(embedding, max_movies, random_state=random_state))
    if drawn.sum() < 8 or embedding.n_components < 2 or (spots[drawn] == spots[drawn][:1]).all():
        movies, place = movies[:0], np.empty((0, 2))
    else:
        place = np.empty((len(movies), 2))
        place[drawn] = lay_out(spots[drawn], random_state)
        if not drawn.all():
            near = near_in_cells(spots[drawn], PLACED_BY, spots[~drawn])
            place[~drawn] = np.median(place[drawn][near], axis=1)
    order = np.argsort(movies)
    return pd.DataFrame(
        {
            "movie": movies[order].astype(np.int32),
            "movie_id": embedding.movie_ids.to_numpy()[movies[order]],
            "x": place[order, 0].round(MAP_DECIMALS),
            "y": place[order, 1].round(MAP_DECIMALS),
        }
    )


def nearest_movies(
    embedding: Embedding, *, n: int = 5, queries: np.ndarray | None = None
) -> pd.DataFrame:
    """Return the nearest neighbours of movies in the reduced space.

    Distances are Euclidean, between scores rounded to 9 decimals, and are rounded to as many:
    identical casts, whose scores differ by rounding errors only, are then equally near. Ties are
    resolved by the smaller id, whatever the order of the rows.

    Parameters
    ----------
    n : int
        Number of neighbours of each movie; fewer if the corpus has no more.
    queries : ndarray of int, optional
        Positions of the movies whose neighbours are searched, among all movies; all by default.
        A movie whose coordinates are all zero has no neighbours and is not a neighbour.

    Returns
    -------
    DataFrame
        ``movie``, ``rank`` (from 1), ``neighbour`` (row numbers, int32), ``distance``; in order.
    """
    from sklearn.neighbors import NearestNeighbors

    scores = embedding.scores.round(NEAREST_DECIMALS)
    movies = np.argsort(embedding.movie_ids, kind="stable")
    movies = movies[scores[movies].any(axis=1)]
    scores = scores[movies]
    asked = np.flatnonzero(np.isin(movies, movies if queries is None else queries))
    n = min(n, len(movies) - 1)
    if n < 1 or not len(asked):
        return _nearest_frame(movies[:0], np.empty((0, 0), int), np.empty((0, 0)))
    brute = NearestNeighbors(n_neighbors=min(n + 5, len(movies)), algorithm="brute").fit(scores)
    with two_threads():
        candidates = brute.kneighbors(scores[asked], return_distance=False)
    away = _distances(scores[asked], scores[candidates])
    distance = np.where(candidates == asked[:, None], np.inf, away)
    order = np.lexsort((candidates, distance), axis=1)[:, :n]
    near = np.take_along_axis(candidates, order, axis=1)
    distance = np.take_along_axis(distance, order, axis=1)
    # a movie as far as the last neighbour, up to rounding, may be missing: search all movies
    lengths = (scores**2).sum(axis=1)
    radius = distance[:, -1] + 10.0**-NEAREST_DECIMALS
    slack = 1e-8 * (lengths[asked] + radius**2)
    unsure = away.max(axis=1) ** 2 <= radius**2 + slack
    for row in np.flatnonzero(unsure) if candidates.shape[1] < len(movies) else ():
        point = scores[asked[row]]
        squares = lengths - 2 * (scores @ point) + point @ point
        slack = 1e-9 * (lengths + point @ point)
        others = np.flatnonzero(squares <= radius[row] ** 2 + slack)
        others = others[others != asked[row]]
        all_away = _distances(scores[asked[[row]]], scores[None, others])[0]
        first = np.lexsort((others, all_away))[:n]
        near[row], distance[row] = others[first], all_away[first]
    return _nearest_frame(movies[asked], movies[near], distance)


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
            "movie": np.repeat(movies, n),
            "rank": np.tile(np.arange(1, n + 1), len(movies)),
            "neighbour": near.ravel(),
        },
        dtype=np.int32,
    )
    table["distance"] = distance.ravel()
    return table.sort_values(["movie", "rank"], ignore_index=True)
