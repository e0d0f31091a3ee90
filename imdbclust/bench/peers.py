"""Methods whose quality is compared: our recipes, other clusterings, supervised predictors.

A clustering is fitted on an incidence matrix and assigns new casts, so that it can be evaluated on
the same subsamples as our own recipes. scikit-network, leidenalg and igraph are optional; the last
two are under the GNU General Public License. All methods but one are deterministic given the seed:
the solver of scikit-network's spectral embedding cannot be seeded, but it converges, so only
rounding differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.special import expit, logit
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import NMF, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, normalize

from imdbclust.clustering import UNPLACED, write_movie_to_cluster
from imdbclust.evaluation.held_out import smoothed_shares
from imdbclust.evaluation.recipe import Fitted, Recipe
from imdbclust.load import read_corpus
from imdbclust.matrix import Incidence, build_incidence
from imdbclust.running.parameters import settings

SEED = 31337
KMEANS = {"n_clusters": 16, "n_init": 128, "max_iter": 2048, "tol": 0.5, "reassignment_ratio": 0.5}
"""The course's seed and parameters of its ``MiniBatchKMeans``."""

N_COMPONENTS = 32
"""Dimensions of the embeddings that k-means clusters."""

N_INIT = 10
"""Random starts of k-means; the best is kept."""

N_NEIGHBOURS, N_NEIGHBOUR_COMPONENTS = 100, 64
"""Neighbours whose genres are averaged, and dimensions of their embedding."""

PRIOR_MOVIES = 4
"""Movies with the base rates that naive Bayes adds to those of each actor."""

Predict = Callable[[sp.csr_array, sp.csr_array, sp.csr_array, int], np.ndarray]


@dataclass(frozen=True)
class Method:
    """A row of the comparison.

    Attributes
    ----------
    kind : str
        ``ours``, ``clustering`` or ``supervised``.
    name : str
        What the table shows, such as ``NMF 16``.
    library : str
        Name of the library on the package index.
    fit : callable
        A clustering takes an incidence matrix and a seed and returns :class:`Fitted`; it raises
        ModuleNotFoundError if the library is not installed. A supervised method takes the casts of
        the training movies (csr_array, n_movies x n_actors), their genres (csr_array,
        n_movies x n_genres), the casts of new movies (csr_array, n_new x n_actors) and a seed; it
        returns the probability of each genre, ndarray of float64, shape (n_new, n_genres).
    """

    kind: str
    name: str
    library: str
    fit: Callable[[Incidence, int], Fitted] | Predict

    def __str__(self) -> str:
        return f"{self.name} ({self.library})"


def our_recipe(preset: str, **changes: int) -> Recipe:
    """Return the recipe of a preset, with some parameters changed."""
    return Recipe.from_parameters(settings(preset, changes))


def clusterings(n_clusters: int) -> list[Method]:
    """Return the clusterings of other libraries, installed or not.

    New movies are projected into an embedding and get the cluster with the nearest center. A
    community contains both movies and actors; a new movie gets the community with the largest
    vote of its actors, each weighted by 1 over the number of their movies.

    A movie without a known actor is `UNPLACED`. The exception is the spectral embedding: if the
    graph is not connected, it adds weak links between all nodes and so places every movie.

    Parameters
    ----------
    n_clusters : int, at least 2
        Clusters to look for. Leiden finds its own number.

    References
    ----------
    tf-idf and SVD: Deerwester et al. (1990), "Indexing by latent semantic analysis", JASIS 41.
    NMF: Lee and Seung (1999), "Learning the parts of objects by non-negative matrix
    factorization", Nature 401. Spectral embedding: Belkin and Niyogi (2003), "Laplacian eigenmaps
    for dimensionality reduction and data representation", Neural Computation 15; new rows as
    Bengio et al. (2003), "Out-of-sample extensions for LLE, Isomap, MDS, eigenmaps, and spectral
    clustering", NeurIPS. Leiden: Traag, Waltman and van Eck (2019), "From Louvain
    to Leiden: guaranteeing well-connected communities", Scientific Reports 9:5233.
    """
    found = [
        (f"tf-idf, SVD {N_COMPONENTS}, L2, k-means", "scikit-learn", partial(_tf_idf, n_clusters)),
        (f"NMF {n_clusters}", "scikit-learn", partial(_nmf, n_clusters)),
        (f"spectral {N_COMPONENTS}, k-means", "scikit-network", partial(_spectral, n_clusters)),
        ("Leiden, as many as found", "leidenalg", _leiden),
    ]
    return [Method("clustering", *one) for one in found]


def supervised() -> list[Method]:
    """Return predictors that learn from genres: they show how much casts can say at all.

    Base rates are the shares of genres among the training movies, smoothed. They are predicted
    for genres that all or none of the training movies have, and for movies without a known actor.

    Logistic regression: one for each genre, L2 penalty with C = 1. Naive Bayes: log odds of the
    genre plus the evidence of the known actors, smoothed by `PRIOR_MOVIES`. Actors who play
    together are not independent, so the sum is divided by the square root of their number;
    undivided, as in ``sklearn.naive_bayes``, its log-loss can exceed that of the base rates.
    Nearest neighbours: the mean of their genres and of one movie with the base rates, by cosine
    in an SVD of the tf-idf matrix.

    References
    ----------
    Fan, Chang, Hsieh, Wang and Lin (2008), "LIBLINEAR: a library for large linear
    classification", JMLR 9. Hand and Yu (2001), "Idiot's Bayes: not so stupid after all?",
    International Statistical Review 69. Cover and Hart (1967), "Nearest neighbor pattern
    classification", IEEE Transactions on Information Theory 13.
    """
    found = [
        ("logistic regression on the cast", "scikit-learn", _logistic_regression),
        ("naive Bayes on the cast, tempered", "numpy", _naive_bayes),
        (f"{N_NEIGHBOURS} nearest neighbours", "scikit-learn", _nearest_neighbours),
    ]
    return [
        Method("supervised", name, library, partial(_predict, predict))
        for name, library, predict in found
    ]


# ---------------------------------------------------------------- clusterings


def _tf_idf(n_clusters: int, incidence: Incidence, random_state: int) -> Fitted:
    model = _semantic_space(N_COMPONENTS, random_state).fit(incidence.matrix)
    return _k_means(incidence.matrix, model.transform, n_clusters, random_state)


def _spectral(n_clusters: int, incidence: Incidence, random_state: int) -> Fitted:
    from sknetwork.embedding import Spectral

    model = Spectral(N_COMPONENTS).fit(sp.csr_matrix(incidence.matrix), force_bipartite=True)
    vectors, actors = model.eigenvectors_, model.eigenvectors_[incidence.shape[0] :]
    everywhere = abs(model.regularization) * model.regularized * vectors.mean(axis=0)

    def embed(casts: sp.csr_array) -> np.ndarray:
        # an entry of an eigenvector is the mean of its neighbours, divided by the eigenvalue
        return normalize((casts @ actors + everywhere) / model.eigenvalues_)

    placed = model.regularized
    return _k_means(incidence.matrix, embed, n_clusters, random_state, all_placed=placed)


def _semantic_space(n_components: int, random_state: int) -> Pipeline:
    """Return an unfitted pipeline: tf-idf, SVD, rows of length 1."""
    svd = TruncatedSVD(n_components, random_state=random_state)
    return make_pipeline(TfidfTransformer(), svd, Normalizer())


def _k_means(
    matrix: sp.csr_array,
    embed: Callable[[sp.csr_array], np.ndarray],
    n_clusters: int,
    random_state: int,
    *,
    all_placed: bool = False,
) -> Fitted:
    """Cluster the embedding of the movies with a known actor, or of all movies."""
    placed = _known(matrix, matrix) | all_placed
    model = KMeans(n_clusters, n_init=N_INIT, random_state=random_state)
    model.fit(embed(matrix[placed]))

    def assign(casts: sp.csr_array) -> np.ndarray:
        placed = _known(casts, matrix) | all_placed
        labels = np.full(len(placed), UNPLACED, dtype=np.int32)
        if placed.any():
            labels[placed] = model.predict(embed(casts[placed]))
        return labels

    return Fitted(assign(matrix), n_clusters, assign)


def _nmf(n_clusters: int, incidence: Incidence, random_state: int) -> Fitted:
    model = NMF(n_clusters, max_iter=1000, random_state=random_state)

    def strongest(weights: np.ndarray) -> np.ndarray:
        labels = np.where(weights.any(axis=1), weights.argmax(axis=1), UNPLACED)
        return labels.astype(np.int32)

    labels = strongest(model.fit_transform(incidence.matrix))
    return Fitted(labels, n_clusters, lambda casts: strongest(model.transform(casts)))


def _leiden(incidence: Incidence, random_state: int) -> Fitted:
    """Find communities of movies and actors: those of the bipartite graph by its modularity."""
    import igraph
    import leidenalg

    n_movies, n_actors = incidence.shape
    movie, actor = incidence.matrix.nonzero()
    edges = np.column_stack([movie, actor + n_movies]).tolist()
    graph = igraph.Graph(n_movies + n_actors, edges)
    partition = leidenalg.find_partition(
        graph, leidenalg.ModularityVertexPartition, seed=random_state
    )
    return _communities(incidence, np.array(partition.membership))


def _communities(incidence: Incidence, community: np.ndarray) -> Fitted:
    """Return the clustering by communities of movies, then actors; each has a number."""
    n_movies = incidence.shape[0]
    with_cast = incidence.cast_sizes() > 0
    found, codes = np.unique(community[:n_movies][with_cast], return_inverse=True)
    labels = np.full(n_movies, UNPLACED, dtype=np.int32)
    labels[with_cast] = codes
    n_played, of_actor = incidence.movies_per_actor(), community[n_movies:]
    voters = np.flatnonzero((n_played > 0) & np.isin(of_actor, found))
    where = (voters, np.searchsorted(found, of_actor[voters]))
    votes = sp.csr_array((1 / n_played[voters], where), shape=(len(of_actor), len(found)))

    def assign(casts: sp.csr_array) -> np.ndarray:
        sums = sp.csr_array(casts @ votes)
        labels = np.asarray(sums.argmax(axis=1)).ravel()
        return np.where(np.diff(sums.indptr) > 0, labels, UNPLACED).astype(np.int32)

    return Fitted(labels, len(found), assign)


# ---------------------------------------------------------------- supervised predictors


def _predict(
    predict: Predict,
    train: sp.csr_array,
    has_genre: sp.csr_array,
    new: sp.csr_array,
    random_state: int,
) -> np.ndarray:
    """Predict what the method can predict, and the base rates for the rest."""
    probabilities = np.tile(smoothed_shares(has_genre), (new.shape[0], 1))
    counts = has_genre.sum(axis=0)
    genres = np.flatnonzero((counts > 0) & (counts < has_genre.shape[0]))
    movies = np.flatnonzero(_known(new, train))
    if len(genres) and len(movies):
        found = predict(train, has_genre[:, genres], new[movies], random_state)
        probabilities[np.ix_(movies, genres)] = found
    return probabilities


def _known(casts: sp.csr_array, matrix: sp.csr_array) -> np.ndarray:
    """Return for each cast whether any of its actors plays in a movie of the matrix."""
    return casts @ (matrix.sum(axis=0) > 0) > 0


def _logistic_regression(
    train: sp.csr_array, has_genre: sp.csr_array, new: sp.csr_array, random_state: int
) -> np.ndarray:
    # liblinear takes 32-bit indices only; building a matrix anew chooses them
    train, new = (sp.csr_matrix((m.data, m.indices, m.indptr), m.shape) for m in (train, new))
    model = LogisticRegression(solver="liblinear", random_state=random_state)
    fits = (model.fit(train, has_it) for has_it in has_genre.toarray().T)
    return np.column_stack([fit.predict_proba(new)[:, 1] for fit in fits])


def _naive_bayes(
    train: sp.csr_array, has_genre: sp.csr_array, new: sp.csr_array, random_state: int
) -> np.ndarray:
    base, n_movies = smoothed_shares(has_genre), train.sum(axis=0)
    with_genre = (train.T @ has_genre).toarray()
    without = n_movies[:, None] - with_genre
    evidence = np.log(with_genre / base + PRIOR_MOVIES)
    evidence -= np.log(without / (1 - base) + PRIOR_MOVIES)
    n_known = new @ (n_movies > 0)
    return expit(logit(base) + (new @ evidence) / np.sqrt(n_known)[:, None])


def _nearest_neighbours(
    train: sp.csr_array, has_genre: sp.csr_array, new: sp.csr_array, random_state: int
) -> np.ndarray:
    placed = np.flatnonzero(train.sum(axis=1))
    model = _semantic_space(min(N_NEIGHBOUR_COMPONENTS, *train.shape), random_state)
    scores = model.fit_transform(train[placed])
    k = min(N_NEIGHBOURS, len(placed))
    # between vectors of length 1 the nearest are those with the largest cosine
    search = KNeighborsRegressor(k, algorithm="brute").fit(scores, has_genre[placed].toarray())
    return (k * search.predict(model.transform(new)) + smoothed_shares(has_genre)) / (k + 1)


# ---------------------------------------------------------------- the steps of the course


def time_steps(way: str, file: str, target: str, times: str) -> None:
    """Take the steps of the course in one way, ``ours`` or ``course``.

    The table of movies and clusters is written as CSV, the seconds of each step as JSON.
    """
    take_steps = {"ours": _our_steps, "course": _course_steps}[way]
    steps, seconds = take_steps(our_recipe("seed"), Path(file), Path(target)), {}
    began = time.perf_counter()
    for step in steps:
        seconds[step] = time.perf_counter() - began
        began = time.perf_counter()
    Path(times).write_text(json.dumps(seconds), encoding="utf-8")


def _our_steps(recipe: Recipe, file: Path, target: Path) -> Iterator[str]:
    corpus = read_corpus(file)
    yield "read"
    incidence = build_incidence(corpus)
    yield "matrix"
    incidence.preview()
    yield "frame"
    corpus.top_actors()
    yield "top ten"
    embedding = recipe.reduce(incidence, SEED)
    yield "reduce"
    clustering = recipe.cluster(embedding, SEED)
    yield "cluster"
    write_movie_to_cluster(clustering.to_frame(), target)
    yield "table"


def _course_steps(recipe: Recipe, file: Path, target: Path) -> Iterator[str]:
    """Take the steps as the course's notebook does: nothing here is made faster."""
    names, genres_of, casts = {}, {}, {}
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            movie = json.loads(line)
            casts[movie["imdb_id"]] = {actor for actor, _ in movie["actors"]}
            for actor, name in movie["actors"]:
                names[actor] = name
                counts = genres_of.setdefault(actor, {})
                for genre in movie["genres"]:
                    counts[genre] = counts.get(genre, 0) + 1
    yield "read"
    matrix = sp.lil_matrix((len(casts), len(names)), dtype=float)
    column = {actor: number for number, actor in enumerate(names)}
    for row, cast in enumerate(casts.values()):
        for actor in cast:
            matrix[row, column[actor]] = 1.0
    yield "matrix"
    frame = pd.DataFrame.sparse.from_spmatrix(matrix, index=list(casts), columns=list(names))
    yield "frame"
    frame.sum(axis=0).sort_values().tail(10)
    yield "top ten"
    reduced = TruncatedSVD(recipe.n_components, random_state=SEED).fit_transform(matrix)
    yield "reduce"
    model = MiniBatchKMeans(random_state=SEED, **KMEANS).fit(reduced)
    yield "cluster"
    rows = zip(frame.index, model.labels_, strict=True)
    pd.DataFrame(rows, columns=["movie_id", "cluster"]).to_csv(target, index=False)
    yield "table"
