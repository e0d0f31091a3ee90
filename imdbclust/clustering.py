"""Groups of movies: k-means in the reduced space, and what each group is made of."""

from __future__ import annotations

import csv
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.load import Corpus
from imdbclust.matrix import build_incidence
from imdbclust.reduction import NEAREST_DECIMALS, Embedding

MOVIE_TO_CLUSTER = "movie_to_cluster.csv"


UNPLACED = -1
"""The cluster of a movie whose cast tells nothing about where it belongs."""

ALGORITHMS = ("MiniBatchKMeans", "KMeans")


@dataclass(frozen=True, eq=False)
class Clustering:
    """Every movie's cluster.

    Attributes
    ----------
    labels : ndarray of int32, shape (n_movies,)
        The movies' clusters, 0 to ``n_clusters - 1``, in the embedding's order; `UNPLACED` for
        movies that no cluster was looked for.
    centers : ndarray of float64, shape (n_clusters, n_components)
        The clusters' centers in the reduced space.
    inertia : float
        Sum of the squared distances of the placed movies to the center of their cluster.
    movie_ids : Index
        Names of the entries of `labels`.
    """

    labels: np.ndarray
    centers: np.ndarray
    inertia: float
    movie_ids: pd.Index

    @property
    def n_clusters(self) -> int:
        """Number of clusters asked for; some may be empty."""
        return len(self.centers)

    @property
    def placed(self) -> np.ndarray:
        """Tell for each movie whether it is in a cluster, shape (n_movies,)."""
        return self.labels != UNPLACED

    @property
    def groups(self) -> pd.Index:
        """The clusters, and last `UNPLACED` if there are such movies: a partition of all movies."""
        unplaced = [] if self.placed.all() else [UNPLACED]
        return pd.Index([*range(self.n_clusters), *unplaced], name="cluster")

    @property
    def codes(self) -> np.ndarray:
        """Each movie's position in `groups`, shape (n_movies,)."""
        return np.where(self.placed, self.labels, self.n_clusters)

    def sizes(self) -> pd.Series:
        """Return the number of movies of each group, indexed by cluster."""
        groups = self.groups
        return pd.Series(np.bincount(self.codes, minlength=len(groups)), groups, name="movies")

    def membership(self) -> sp.csr_array:
        """Return the groups x movies matrix with 1 where the movie is in the group.

        Its product with a movies x anything matrix counts that thing by group.
        """
        n_movies = len(self.labels)
        ones, shape = np.ones(n_movies), (len(self.groups), n_movies)
        return sp.csr_array((ones, (self.codes, np.arange(n_movies))), shape=shape)

    def nearest(self, scores: np.ndarray) -> np.ndarray:
        """Return the cluster whose center is nearest to each movie.

        Parameters
        ----------
        scores : ndarray, shape (n_new, n_components)
            Coordinates in the space that was clustered.

        Returns
        -------
        ndarray of int32, shape (n_new,)
            Zero rows are `UNPLACED` where the clustering leaves such movies unplaced.
        """
        from sklearn.metrics import pairwise_distances_argmin

        labels = pairwise_distances_argmin(scores, self.centers).astype(np.int32)
        if not self.placed.all():
            labels[~scores.any(axis=1)] = UNPLACED
        return labels

    def to_frame(self) -> pd.DataFrame:
        """Return ``movie_id`` and ``cluster``, in the corpus' order."""
        return pd.DataFrame({"movie_id": self.movie_ids, "cluster": self.labels})

    def save(self, folder: Path) -> None:
        """Write ``movie_to_cluster.csv`` and the centers into an existing folder."""
        write_movie_to_cluster(self.to_frame(), folder / MOVIE_TO_CLUSTER)
        np.savez(
            folder / "clustering.npz",
            labels=self.labels,
            centers=self.centers,
            inertia=self.inertia,
        )
        pd.DataFrame({"movie_id": self.movie_ids}).to_parquet(folder / "movie_ids.parquet")

    @classmethod
    def load(cls, folder: Path) -> Clustering:
        """Read what :meth:`save` wrote."""
        with np.load(folder / "clustering.npz", allow_pickle=False) as arrays:
            return cls(
                labels=arrays["labels"],
                centers=arrays["centers"],
                inertia=float(arrays["inertia"]),
                movie_ids=pd.Index(pd.read_parquet(folder / "movie_ids.parquet")["movie_id"]),
            )


def check_n_clusters(n_clusters: int, n_movies: int) -> None:
    """Raise ValueError if there are fewer movies than clusters."""
    if not 1 <= n_clusters <= n_movies:
        raise ValueError(
            f"n_clusters = {n_clusters:,} is impossible: there are {n_movies:,} movies to cluster"
        )


def cluster_movies(
    embedding: Embedding,
    *,
    n_clusters: int,
    n_init: int,
    max_iter: int,
    tol: float,
    random_state: int,
    algorithm: str = "MiniBatchKMeans",
    reassignment_ratio: float = 0.01,
) -> Clustering:
    """Cluster the movies by k-means on their scores.

    Parameters
    ----------
    embedding : Embedding
        The movies in the reduced space.
    n_clusters, n_init, max_iter, tol, random_state
        As in ``sklearn.cluster``.
    algorithm : {"MiniBatchKMeans", "KMeans"}
        ``MiniBatchKMeans`` clusters every movie, also those whose coordinates are all zero, and
        numbers the clusters as scikit-learn does, so that the labels can be compared with those
        of another program that runs the same recipe. ``KMeans`` leaves movies with zero
        coordinates `UNPLACED`, numbers the clusters by falling size, and does not depend on the
        order of the movies.
    reassignment_ratio
        As in ``sklearn.cluster.MiniBatchKMeans``, which alone uses it.

    Returns
    -------
    Clustering

    Raises
    ------
    ValueError
        If there are fewer movies to cluster than clusters. Where movies lie on fewer distinct
        spots than there are clusters, the other clusters are empty.

    References
    ----------
    Sculley (2010), "Web-scale k-means clustering", WWW (``MiniBatchKMeans``); Lloyd (1982),
    "Least squares quantization in PCM", IEEE Transactions on Information Theory 28 (``KMeans``).
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm is one of {', '.join(ALGORITHMS)}, not {algorithm!r}")
    usual = {"n_clusters": n_clusters, "n_init": n_init, "max_iter": max_iter, "tol": tol}
    if algorithm == "KMeans":
        return _cluster_placed(embedding, random_state=random_state, **usual)
    from sklearn.cluster import MiniBatchKMeans

    check_n_clusters(n_clusters, len(embedding.scores))
    with EMPTY_CLUSTERS_ARE_FINE:
        model = MiniBatchKMeans(
            **usual, reassignment_ratio=reassignment_ratio, random_state=random_state
        ).fit(embedding.scores)
    return Clustering(
        labels=model.labels_,
        centers=model.cluster_centers_,
        inertia=float(model.inertia_),
        movie_ids=embedding.movie_ids,
    )


def _cluster_placed(embedding: Embedding, *, n_clusters: int, **options) -> Clustering:
    from sklearn.cluster import KMeans

    order = np.argsort(embedding.movie_ids)  # the same whatever the order of the file
    movies = order[embedding.placed[order]]
    check_n_clusters(n_clusters, len(movies))
    with EMPTY_CLUSTERS_ARE_FINE:
        model = KMeans(n_clusters, **options).fit(embedding.scores[movies])
    by_size = np.argsort(-np.bincount(model.labels_, minlength=n_clusters), kind="stable")
    labels = np.full(len(order), UNPLACED, dtype=np.int32)
    labels[movies] = np.argsort(by_size)[model.labels_]
    return Clustering(
        labels=labels,
        centers=model.cluster_centers_[by_size],
        inertia=float(model.inertia_),
        movie_ids=embedding.movie_ids,
    )


class _WithoutConvergenceWarning:
    """Ignore scikit-learn's warning of fewer distinct points than clusters, in any thread.

    What it warns of, empty clusters, is in the sizes. :class:`warnings.catch_warnings` is for one
    thread at a time; here the first who enters sets the filter, and the last who leaves resets it.
    Whoever starts threads enters before: what other libraries do to the filters in one of them
    could undo what was set in another.
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
    """Write the columns ``movie_id`` and ``cluster`` as CSV."""
    # csv leaves a carriage return without quotes, and readers take it for the end of a line
    broken = table["movie_id"].astype("str").str.contains("\r", regex=False).any()
    quoting = csv.QUOTE_NONNUMERIC if broken else csv.QUOTE_MINIMAL
    columns = table[["movie_id", "cluster"]]
    columns.to_csv(path, index=False, lineterminator="\n", quoting=quoting)


def read_movie_to_cluster(path: str | Path) -> pd.DataFrame:
    """Read ``movie_id,cluster``; every id stays the text it is, also ``NA`` and ``007``.

    Raises
    ------
    ValueError
        If a column is missing, a movie stands twice, or a cluster is no whole number.
    """
    name = Path(path).name
    table = pd.read_csv(path, dtype={"movie_id": "str"}, keep_default_na=False)
    missing = {"movie_id", "cluster"} - set(table.columns)
    if missing:
        raise ValueError(f"{name}: the column {sorted(missing)[0]} is missing")
    if not pd.api.types.is_integer_dtype(table["cluster"]) and len(table):
        raise ValueError(f"{name}: every cluster has to be a whole number")
    if table["movie_id"].duplicated().any():
        twice = table.loc[table["movie_id"].duplicated(), "movie_id"].iloc[0]
        raise ValueError(f"{name}: the movie {twice!r} stands there twice")
    return table[["movie_id", "cluster"]]


def standouts(
    counts: sp.csr_array, sizes: pd.Series, totals: np.ndarray, names: pd.Index, *, n: int = 5
) -> pd.DataFrame:
    """Return the `n` things by which each cluster stands out against all movies.

    Parameters
    ----------
    counts : csr_array, shape (n_clusters, n_things)
        Movies of the cluster that have the thing (an actor, a genre).
    sizes : Series, length n_clusters
        Movies of the cluster.
    totals : ndarray, shape (n_things,)
        Movies that have the thing.
    names : Index, length n_things
        What the things are called.
    n : int
        At most so many a cluster.

    Returns
    -------
    DataFrame
        ``cluster``, ``rank`` (from 1), ``name``, ``n_in_cluster``, ``n_in_all``, ``lift``:
        the share within the cluster over the share in all movies. Only lifts above 1, ordered
        by the bits of evidence ``n_in_cluster * log2(lift)``: lift alone would put things
        seen once on top, counts alone the same big names everywhere.
    """
    pairs = sp.coo_array(counts)
    n_movies = sizes.sum()
    lift = pairs.data * n_movies / (sizes.to_numpy()[pairs.row] * totals[pairs.col])
    table = pd.DataFrame(
        {
            "cluster": sizes.index.to_numpy()[pairs.row],
            "name": names.to_numpy()[pairs.col],
            "n_in_cluster": pairs.data.astype(int),
            "n_in_all": totals[pairs.col].astype(int),
            "lift": lift,
            "bits": pairs.data * np.log2(lift),
            "place": pairs.row,
            "thing": pairs.col,
        }
    )
    table = table[table["lift"] > 1].sort_values(
        ["place", "bits", "thing"], ascending=[True, False, True]
    )
    table.insert(1, "rank", table.groupby("cluster").cumcount() + 1)
    return table[table["rank"] <= n].drop(columns=["bits", "place", "thing"]).reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Profiles:
    """What the clusters are made of.

    Attributes
    ----------
    summary : DataFrame
        One row a cluster: ``cluster``, ``name`` (short, made of what stands out), ``movies``,
        ``actors``, ``genres`` (the foremost standouts), ``years`` (middle half) and ``titles``
        (a seeded sample).
    actors, genres : DataFrame
        Standouts with counts and lift, as :func:`standouts`.
    decades : DataFrame
        ``cluster``, ``decade``, ``movies``; movies without a year are not in it.
    """

    summary: pd.DataFrame
    actors: pd.DataFrame
    genres: pd.DataFrame
    decades: pd.DataFrame

    def labels(self, *, short: bool = False) -> pd.Series:
        """Return each cluster's label, by number: ``#3 John Wayne, Gabby Hayes: Western, 1930s``.

        Short: ``#3 John Wayne``, with the first genre where no actor stands out.
        """
        names = self.summary.set_index("cluster")["name"]
        if short:
            foremost = [
                table[table["rank"] == 1].set_index("cluster")["name"]
                for table in (self.actors, self.genres)
            ]
            names = pd.concat(foremost).groupby(level=0).first().reindex(names.index, fill_value="")
            names[names.index == UNPLACED] = "unplaced"
        numbers = np.where(names.index == UNPLACED, "", "#" + names.index.astype(str) + " ")
        return (numbers + names).str.strip().rename("label")

    def save(self, folder: Path) -> None:
        """Write the tables into an existing folder."""
        for name in ("summary", "actors", "genres", "decades"):
            getattr(self, name).to_parquet(folder / f"profile_{name}.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> Profiles:
        """Read what :meth:`save` wrote."""
        names = ("summary", "actors", "genres", "decades")
        return cls(*(pd.read_parquet(folder / f"profile_{name}.parquet") for name in names))


def profile_clusters(
    corpus: Corpus, clustering: Clustering, *, n_titles: int = 5, random_state: int
) -> Profiles:
    """Describe every cluster by its actors, genres, decades and some of its titles.

    Parameters
    ----------
    corpus : Corpus
        The movies that were clustered, in the same order.
    clustering : Clustering
        Their clusters.
    n_titles : int
        Titles to draw from each cluster.
    random_state : int
        Seed of that draw.

    Raises
    ------
    ValueError
        If the clustering is of other movies.
    """
    check_same_movies(corpus, clustering)
    sizes = clustering.sizes()
    member = clustering.membership()
    casts = build_incidence(corpus).matrix
    genre_matrix, genre_names = corpus.genre_matrix()
    by_id = np.argsort(corpus.actors["actor_id"], kind="stable")  # whatever the file's order
    actor_names = pd.Index(corpus.actors["name"])[by_id]
    careers = corpus.movies_per_actor()[by_id]
    actors = standouts(member @ casts[:, by_id], sizes, careers, actor_names)
    actors = actors[actors["cluster"] != UNPLACED].copy()  # they stand in no other movie
    genres = standouts(member @ genre_matrix, sizes, genre_matrix.sum(axis=0), genre_names)
    years = [_middle_years(corpus, clustering, cluster) for cluster in sizes.index]
    summary = pd.DataFrame({"cluster": sizes.index, "movies": sizes.to_numpy()})
    for name, table in (("actors", actors), ("genres", genres)):
        foremost = _joined(table)
        summary[name] = [foremost.get(cluster, "") for cluster in sizes.index]
    summary["years"] = [f"{span[0]} to {span[1]}" if span else "" for span in years]
    summary["titles"] = _sample_titles(corpus, clustering, n_titles, random_state)
    names = [
        _name_of(
            actors.loc[actors["cluster"] == cluster, "name"].tolist(),
            genres.loc[genres["cluster"] == cluster, "name"].tolist(),
            years[place],
        )
        if cluster != UNPLACED
        else "unplaced: the cast does not tell"
        for place, cluster in enumerate(sizes.index)
    ]
    summary.insert(1, "name", names)
    return Profiles(summary, actors, genres, _decades(corpus, clustering))


def typical_movies(
    corpus: Corpus, embedding: Embedding, clustering: Clustering, *, n: int = 5
) -> pd.DataFrame:
    """Return the movies nearest to their cluster's center, and those between two clusters.

    Parameters
    ----------
    corpus, embedding, clustering
        Of the same movies, in the same order.
    n : int
        Movies of each kind a cluster; among equal ones those with more votes come first.

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
    table["steps"] = table["distance"].round(6)  # equal casts lie on one spot, but for rounding
    by_votes = table.sort_values(["votes", "movie_id"], ascending=[False, True])
    kinds = {"typical": "steps", "borderline": "margin"}
    chosen = [
        by_votes.sort_values(order, kind="stable").groupby("cluster").head(n).assign(kind=kind)
        for kind, order in kinds.items()
    ]
    columns = ["cluster", "kind", "movie_id", "title", "year", "distance", "next_cluster"]
    found = pd.concat(chosen).sort_values(["cluster", "kind"], ascending=[True, False])
    if clustering.n_clusters == 1:
        found[["next_cluster", "next_distance"]] = pd.NA
    return found[[*columns, "next_distance"]].reset_index(drop=True)


def label_places(
    frame: pd.DataFrame, labels: pd.Series, *, group: str = "cluster", least: int = 5
) -> pd.DataFrame:
    """Return where on a map each group is densest: where its label belongs.

    Parameters
    ----------
    frame : DataFrame
        The map's points: ``x``, ``y`` and the column `group`.
    labels : Series
        The groups' labels.
    group : str
        Column of the groups.
    least : int
        Groups with fewer points get no label.

    Returns
    -------
    DataFrame
        The column `group`, ``label``, ``x``, ``y``: the point with most points of its group
        within a twentieth of the map's width; by group.
    """
    from scipy.spatial import KDTree

    radius = (frame["x"].max() - frame["x"].min()) / 20
    rows = []
    for code, points in frame.groupby(group):
        if len(points) >= least:
            spots = points[["x", "y"]].to_numpy()
            near = KDTree(spots).query_ball_point(spots, radius, return_length=True)
            rows.append((code, labels[code], *spots[near.argmax()]))
    return pd.DataFrame(rows, columns=[group, "label", "x", "y"])


def neighbouring_clusters(clustering: Clustering) -> pd.DataFrame:
    """Return each cluster's nearest other: ``cluster``, ``neighbour``, ``distance`` of centers."""
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(clustering.centers)
    np.fill_diagonal(distances, np.inf)
    table = {"cluster": np.arange(clustering.n_clusters), "neighbour": distances.argmin(axis=1)}
    found = pd.DataFrame(table | {"distance": distances.min(axis=1)})
    return found[np.isfinite(found["distance"])].reset_index(drop=True)


def n_positions(embedding: Embedding, clustering: Clustering) -> int:
    """Return the number of distinct positions of the placed movies."""
    scores = embedding.scores[clustering.placed].round(NEAREST_DECIMALS) + 0.0
    return len(np.unique(scores, axis=0))


def check_same_movies(corpus: Corpus, clustering: Clustering) -> None:
    """Raise ValueError unless the clustering is of the corpus' movies, in the same order."""
    if not clustering.movie_ids.equals(pd.Index(corpus.movies["movie_id"])):
        raise ValueError("the clustering is of other movies than the corpus, or of another order")


def _joined(table: pd.DataFrame, n: int = 3) -> pd.Series:
    first = table[table["rank"] <= n]
    return first.groupby("cluster")["name"].agg(", ".join)


def _name_of(actors: list[str], genres: list[str], years: tuple[int, int] | None) -> str:
    """Return e.g. ``John Wayne, Gabby Hayes: Western, 1930s to 1940s``."""
    who = ", ".join(actors[:2]) or "no actor stands out"
    about = [", ".join(genres[:1]) or "no genre stands out"]
    if years:
        first, last = (year // 10 * 10 for year in years)
        about.append(f"{first}s" if first == last else f"{first}s to {last}s")
    return f"{who}: {', '.join(about)}"


def _middle_years(corpus: Corpus, clustering: Clustering, cluster: int) -> tuple[int, int] | None:
    """Return the first and last year of the middle half of a cluster's movies."""
    years = corpus.movies["year"][clustering.labels == cluster].dropna()
    if not len(years):
        return None
    first, last = np.quantile(years, [0.25, 0.75])
    return round(first), round(last)


def _sample_titles(
    corpus: Corpus, clustering: Clustering, n_titles: int, random_state: int
) -> list[str]:
    rng = np.random.default_rng(random_state)
    by_id = np.argsort(corpus.movies["movie_id"], kind="stable")  # whatever the file's order
    titles = corpus.movies["title"].to_numpy()[by_id]
    drawn = []
    for cluster in clustering.groups:
        movies = np.flatnonzero(clustering.labels[by_id] == cluster)
        some = rng.choice(movies, size=min(n_titles, len(movies)), replace=False)
        drawn.append("; ".join(titles[np.sort(some)]))
    return drawn


def _decades(corpus: Corpus, clustering: Clustering) -> pd.DataFrame:
    table = pd.DataFrame(
        {"cluster": clustering.labels, "decade": corpus.movies["year"] // 10 * 10}
    ).dropna()
    counts = table.value_counts(["cluster", "decade"]).rename("movies").reset_index()
    counts = counts.sort_values(["cluster", "decade"])
    unplaced = counts["cluster"] == UNPLACED
    return pd.concat([counts[~unplaced], counts[unplaced]], ignore_index=True)
