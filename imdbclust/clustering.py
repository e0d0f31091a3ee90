"""Cluster the movies in the reduced space, and find typical movies and neighbouring clusters."""

from __future__ import annotations

import csv
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.load import Corpus
from imdbclust.matrix import one_hot, read_ids, write_ids
from imdbclust.reduction import Embedding

if TYPE_CHECKING:
    from sklearn.base import ClusterMixin

MOVIE_TO_CLUSTER = "movie_to_cluster.csv"
CLUSTERING_FILE = "clustering.npz"

UNPLACED = -1
"""The label of a movie that is in no cluster: its cast does not link it to other movies."""

LEVELS = ("era", "subgroup")
"""The levels of a nested clustering around its clusters: groups of clusters, parts of clusters."""

MAX_PLACES = 4_000
"""Maximum number of points that are compared in the search for the place of a label."""

ALGORITHMS = ("MiniBatchKMeans", "KMeans", "nested")


@dataclass(frozen=True, eq=False)
class Clustering:
    """The cluster of every movie.

    Attributes
    ----------
    labels : ndarray of int32, shape (n_movies,)
        The cluster of each movie in the embedding: 0 to ``n_clusters - 1``, or `UNPLACED`.
    centers : ndarray of float64, shape (n_clusters, n_components)
        The cluster centers in the reduced space.
    inertia : float
        Sum of squared distances of the placed movies to their cluster center.
    movie_ids : Index
        Names of the entries of `labels`.
    model : estimator, optional
        The fitted scikit-learn estimator; None after :meth:`load`.
    levels : dict of ndarray of int32, shape (n_movies,)
        For a nested clustering, the group of each movie at the other `LEVELS`, from 0, or
        `UNPLACED`. Every cluster is within one ``era``, every ``subgroup`` within one cluster.
    """

    labels: np.ndarray
    centers: np.ndarray
    inertia: float
    movie_ids: pd.Index
    model: ClusterMixin | None = None
    levels: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def n_clusters(self) -> int:
        """Number of clusters, empty ones included."""
        return len(self.centers)

    @property
    def placed(self) -> np.ndarray:
        """Whether each movie is in a cluster, shape (n_movies,)."""
        return self.labels != UNPLACED

    @property
    def groups(self) -> pd.Index:
        """The clusters, followed by `UNPLACED` if there are such movies: a partition."""
        unplaced = [] if self.placed.all() else [UNPLACED]
        return pd.Index([*range(self.n_clusters), *unplaced], name="cluster")

    @property
    def codes(self) -> np.ndarray:
        """The position of each movie's cluster in `groups`, shape (n_movies,)."""
        return np.where(self.placed, self.labels, self.n_clusters)

    def sizes(self) -> pd.Series:
        """Return the number of movies of each group, indexed by cluster."""
        groups = self.groups
        return pd.Series(np.bincount(self.codes, minlength=len(groups)), groups, name="movies")

    def membership(self) -> sp.csr_array:
        """Return the one-hot groups x movies matrix; see :func:`imdbclust.matrix.one_hot`."""
        return one_hot(self.codes, len(self.groups))

    def nearest(self, scores: np.ndarray) -> np.ndarray:
        """Return the cluster with the nearest center for each row of scores, as int32.

        If the clustering has unplaced movies, rows of zeros are `UNPLACED`.
        """
        from sklearn.metrics import pairwise_distances_argmin

        labels = pairwise_distances_argmin(scores, self.centers).astype(np.int32)
        if not self.placed.all():
            labels[~scores.any(axis=1)] = UNPLACED
        return labels

    def at_level(self, level: str) -> Clustering:
        """Return the groups of one of the `levels` as clusters, without centers."""
        labels = self.levels[level]
        centers = np.zeros((labels.max(initial=UNPLACED) + 1, 0))
        return Clustering(labels, centers, np.nan, self.movie_ids)

    def to_frame(self) -> pd.DataFrame:
        """Return ``movie_id``, ``cluster`` and the other levels, in the order of the corpus."""
        return pd.DataFrame({"movie_id": self.movie_ids, "cluster": self.labels, **self.levels})

    def save(self, folder: Path) -> None:
        """Write ``movie_to_cluster.csv`` and the centers into an existing folder."""
        write_movie_to_cluster(self.to_frame(), folder / MOVIE_TO_CLUSTER)
        arrays = {"labels": self.labels, "centers": self.centers, "inertia": self.inertia}
        np.savez(folder / CLUSTERING_FILE, **arrays, **self.levels)
        write_ids(folder, movie_id=self.movie_ids)

    @classmethod
    def load(cls, folder: Path) -> Clustering:
        """Read what :meth:`save` wrote."""
        with np.load(folder / CLUSTERING_FILE, allow_pickle=False) as stored:
            labels, centers, inertia = (stored[name] for name in ("labels", "centers", "inertia"))
            levels = {level: stored[level] for level in LEVELS if level in stored}
        ids = read_ids(folder, "movie_id")
        return cls(labels, centers, float(inertia), ids, levels=levels)


def check_n_clusters(n_clusters: int, n_movies: int) -> None:
    """Raise ValueError if there are fewer movies than clusters."""
    if not 1 <= n_clusters <= n_movies:
        raise ValueError(
            f"n_clusters = {n_clusters:,} is impossible: there are {n_movies:,} movies to cluster"
        )


def make_model(
    algorithm: str,
    *,
    n_clusters: int,
    n_init: int,
    max_iter: int,
    tol: float,
    reassignment_ratio: float = 0.01,
    random_state: int,
) -> ClusterMixin:
    """Return the unfitted ``MiniBatchKMeans`` or ``KMeans`` for :func:`cluster_movies`.

    The parameters are those of ``sklearn.cluster``; `reassignment_ratio` is for
    ``MiniBatchKMeans`` only. ``nested`` divides movies by ``KMeans`` at each level. Raises
    ValueError for another algorithm.
    """
    from sklearn import cluster

    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}, not {algorithm!r}")
    options = {"n_init": n_init, "max_iter": max_iter, "tol": tol, "random_state": random_state}
    if algorithm != "MiniBatchKMeans":
        return cluster.KMeans(n_clusters, **options)
    return cluster.MiniBatchKMeans(n_clusters, reassignment_ratio=reassignment_ratio, **options)


def cluster_movies(embedding: Embedding, model: ClusterMixin) -> Clustering:
    """Cluster the movies by their scores.

    ``MiniBatchKMeans`` clusters all movies, those with zero coordinates too, and its clusters keep
    scikit-learn's numbers, so that the labels can be compared with those of another program with
    the same recipe. Every other estimator clusters the placed movies only; its clusters are
    numbered by descending size, those of equal size by their smallest movie id, and the order of
    the movies has no influence.

    Parameters
    ----------
    embedding : Embedding
    model : estimator
        An unfitted clusterer of scikit-learn that sets ``labels_``, as from :func:`make_model`. A
        clone of it is fitted. Without ``cluster_centers_`` the centers are the means of the
        clusters. Movies with negative labels (the noise of DBSCAN) are `UNPLACED`.

    Raises
    ------
    ValueError
        There are fewer movies to cluster than clusters, or the estimator finds no cluster. If
        the movies have fewer distinct places than there are clusters, some clusters are empty.

    References
    ----------
    Sculley (2010), "Web-scale k-means clustering", WWW (``MiniBatchKMeans``); Lloyd (1982),
    "Least squares quantization in PCM", IEEE Transactions on Information Theory 28 (``KMeans``).
    """
    from sklearn.base import clone
    from sklearn.cluster import MiniBatchKMeans

    order = np.argsort(embedding.movie_ids)  # the same whatever the order of the rows
    every = isinstance(model, MiniBatchKMeans)
    movies = slice(None) if every else order[embedding.placed[order]]
    scores = embedding.scores[movies]
    n_clusters = model.get_params().get("n_clusters")
    check_n_clusters(1 if n_clusters is None else n_clusters, len(scores))
    with EMPTY_CLUSTERS_ARE_FINE:
        model = clone(model).fit(scores)
    found, centers = model.labels_, _centers(model, scores)
    if not len(centers):
        raise ValueError(f"{type(model).__name__} found no cluster among {len(scores):,} movies")
    inertia = getattr(model, "inertia_", None)
    if inertia is None:
        inertia = ((scores - centers[found])[found >= 0] ** 2).sum()
    if not every:
        sizes = np.bincount(found[found >= 0], minlength=len(centers))
        first = np.full(len(centers), len(found))  # the first movie of each cluster, by id
        np.minimum.at(first, found[found >= 0], np.flatnonzero(found >= 0))
        by_size = np.lexsort((first, -sizes))
        centers = centers[by_size]
        found = np.where(found >= 0, np.argsort(by_size)[found], UNPLACED)
    labels = np.full(len(order), UNPLACED, dtype=np.int32)
    labels[movies] = found
    return Clustering(labels, centers, float(inertia), embedding.movie_ids, model)


def _centers(model: ClusterMixin, scores: np.ndarray) -> np.ndarray:
    """Return the centers of a fitted estimator: its own, or else the means of its clusters."""
    if hasattr(model, "cluster_centers_"):
        return model.cluster_centers_
    inside = model.labels_ >= 0
    member = one_hot(model.labels_[inside], model.labels_.max(initial=-1) + 1)
    return (member @ scores[inside]) / member.sum(axis=1)[:, None]


class _WithoutConvergenceWarning:
    """Ignore scikit-learn's warning of fewer distinct points than clusters, in any thread.

    :class:`warnings.catch_warnings` is not thread-safe, so the first thread to enter sets the
    filter and the last to leave resets it. Enter before starting threads: a library may change
    the filters in one of them and undo what another has set.
    """

    def __init__(self):
        self._lock, self._inside, self._caught = threading.Lock(), 0, None

    def __enter__(self):
        from sklearn.exceptions import ConvergenceWarning

        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", "Number of distinct", ConvergenceWarning)

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


EMPTY_CLUSTERS_ARE_FINE = _WithoutConvergenceWarning()


def write_movie_to_cluster(table: pd.DataFrame, path: str | Path) -> None:
    """Write the columns ``movie_id``, ``cluster`` and those of `LEVELS` as CSV."""
    # csv does not quote a carriage return, which readers then take as the end of the line
    broken = table["movie_id"].astype("str").str.contains("\r", regex=False).any()
    quoting = csv.QUOTE_NONNUMERIC if broken else csv.QUOTE_MINIMAL
    columns = table[["movie_id", "cluster", *_levels_of(table)]]
    columns.to_csv(path, index=False, lineterminator="\n", quoting=quoting)


def read_movie_to_cluster(path: str | Path) -> pd.DataFrame:
    """Read ``movie_id``, ``cluster`` and `LEVELS`; every id stays text, such as ``NA`` and ``007``.

    Raises ValueError if a column is missing, a movie is duplicate, a group is not an integer, or a
    group is not within one group of the level above.
    """
    name = Path(path).name
    table = pd.read_csv(path, dtype={"movie_id": "str"}, keep_default_na=False)
    missing = {"movie_id", "cluster"} - set(table.columns)
    if missing:
        raise ValueError(f"{name}: the column {min(missing)} is missing")
    levels = _levels_of(table)
    for level in ("cluster", *levels):
        if not pd.api.types.is_integer_dtype(table[level]) and len(table):
            raise ValueError(f"{name}: every {level} must be an integer")
    repeated = table["movie_id"][table["movie_id"].duplicated()]
    if len(repeated):
        raise ValueError(f"{name}: duplicate movie {repeated.iloc[0]!r}")
    for level in levels:
        inner, outer = ("cluster", level) if level == "era" else (level, "cluster")
        homes = table[[inner, outer]].drop_duplicates()[inner]
        if homes.duplicated().any():
            divided = homes[homes.duplicated()].iloc[0]
            raise ValueError(f"{name}: {inner} {divided} is in more than one {outer}")
    return table[["movie_id", "cluster", *levels]]


def _levels_of(table: pd.DataFrame) -> list[str]:
    return [level for level in LEVELS if level in table]


def typical_movies(
    corpus: Corpus, embedding: Embedding, clustering: Clustering, *, n: int = 5
) -> pd.DataFrame:
    """Return the movies nearest to their cluster center, and those between two clusters.

    There are `n` of each kind per cluster; ties are resolved by the number of votes.

    Returns
    -------
    DataFrame
        ``cluster``, ``kind`` (``typical`` or ``borderline``), ``movie_id``, ``title``, ``year``,
        ``distance`` to the center, ``next_cluster`` and ``next_distance``: the second nearest.
    """
    from sklearn.metrics import pairwise_distances

    placed = np.flatnonzero(clustering.placed)
    distances = pairwise_distances(embedding.scores[placed], clustering.centers)
    rows, own = np.arange(len(placed)), clustering.labels[placed]
    distance = distances[rows, own].copy()
    distances[rows, own] = np.inf
    table = corpus.movies.loc[placed, ["movie_id", "title", "year", "votes"]].assign(
        cluster=own,
        distance=distance,
        next_cluster=distances.argmin(axis=1),
        next_distance=distances.min(axis=1),
    )
    table["margin"] = table["next_distance"] - table["distance"]
    table["steps"] = table["distance"].round(6)  # identical casts differ by rounding errors only
    by_votes = table.sort_values(["votes", "movie_id"], ascending=[False, True])
    kinds = {"typical": "steps", "borderline": "margin"}
    chosen = [
        by_votes.sort_values(order, kind="stable").groupby("cluster").head(n).assign(kind=kind)
        for kind, order in kinds.items()
    ]
    found = pd.concat(chosen).sort_values(["cluster", "kind"], ascending=[True, False])
    if clustering.n_clusters == 1:
        found[["next_cluster", "next_distance"]] = pd.NA
    columns = ["cluster", "kind", "movie_id", "title", "year", "distance"]
    return found[[*columns, "next_cluster", "next_distance"]].reset_index(drop=True)


def clusters_on_map(
    folder: Path, clustering: Clustering, labels: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the points of the map that 03_reduction wrote, and the places of labels on it.

    The points have ``movie``, the position in the corpus, ``x``, ``y`` and ``cluster``; unplaced
    movies are left out. For the places see :func:`label_places`.
    """
    points = pd.read_parquet(folder / "map.parquet")
    points["cluster"] = clustering.labels[points["movie"]]
    points = points[points["cluster"] != UNPLACED]
    return points, label_places(points, labels)


def label_places(frame: pd.DataFrame, labels: pd.Series, *, least: int = 5) -> pd.DataFrame:
    """Return the place of each cluster's label on a map, where the cluster is densest.

    `frame` has the points of the map: ``x``, ``y`` and ``cluster``. Clusters with fewer than
    `least` points get no label. The result has ``cluster``, ``label``, ``x`` and ``y``: the point
    with most points of its cluster within an eighth of the width of the map. Of a large cluster,
    `MAX_PLACES` points or fewer are compared.
    """
    from scipy.spatial import KDTree

    radius = (frame["x"].max() - frame["x"].min()) / 8
    rows = []
    for code, points in frame.groupby("cluster"):
        if len(points) >= least:
            spots = points[["x", "y"]].to_numpy()[:: -(-len(points) // MAX_PLACES)]
            near = KDTree(spots).query_ball_point(spots, radius, return_length=True)
            rows.append((code, labels[code], *spots[near.argmax()]))
    return pd.DataFrame(rows, columns=["cluster", "label", "x", "y"])


def neighbouring_clusters(clustering: Clustering) -> pd.DataFrame:
    """Return the nearest other center of each: ``cluster``, ``neighbour``, ``distance``."""
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(clustering.centers)
    np.fill_diagonal(distances, np.inf)
    table = {"cluster": np.arange(clustering.n_clusters), "neighbour": distances.argmin(axis=1)}
    found = pd.DataFrame(table | {"distance": distances.min(axis=1)})
    return found[np.isfinite(found["distance"])].reset_index(drop=True)


def castless_together(corpus: Corpus, clustering: Clustering) -> bool:
    """Return whether all movies without a cast are in one group."""
    return len(np.unique(clustering.labels[corpus.cast_sizes() == 0])) <= 1


def check_same_movies(corpus: Corpus, clustering: Clustering) -> None:
    """Raise ValueError unless the clustering has the movies of the corpus, in the same order."""
    if not clustering.movie_ids.equals(pd.Index(corpus.movies["movie_id"])):
        raise ValueError("the clustering has other movies than the corpus, or another order")
