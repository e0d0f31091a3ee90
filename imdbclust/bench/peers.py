"""Other ways to the same end: clusterings of other libraries, and predictions that see genres.

Each peer is fitted on a matrix of casts and then takes in casts that it has not seen, so that all
of them can be held to the same splits as our own recipes. Peers of libraries that are not
installed are left out; scikit-network, leidenalg and igraph are optional, and the last two are
under the GNU General Public License.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np
import scipy.sparse as sp
from scipy.special import expit, logit

from imdbclust.clustering import UNPLACED
from imdbclust.evaluation.recipe import Fitted

N_COMPONENTS = 32
"""Dimensions of the embeddings that k-means clusters."""

N_INIT = 10
"""Random starts of every k-means, of which the best is kept."""

N_NEIGHBOURS, N_NEIGHBOUR_COMPONENTS = 100, 64
"""Neighbours that are asked for their genres, and dimensions of the space they live in."""

PRIOR_MOVIES = 4
"""So many movies of the base rates are added to those of each actor in naive Bayes."""

OPTIONAL = {"scikit-network": ("sknetwork",), "leidenalg": ("leidenalg", "igraph")}
"""The libraries that need not be installed, and what is imported of each."""


class PeerFailed(Exception):
    """A method finds no clusters in this matrix; the message is a sentence that says why."""


@dataclass(frozen=True)
class Peer:
    """A clustering method of another library.

    Attributes
    ----------
    name : str
        What stands in a table, such as ``NMF 16``.
    library : str
        Where the method comes from, as the library is called on the package index.
    fit : callable
        Takes casts (csr_array, n_movies x n_actors, ones and zeros) and a seed, returns
        :class:`Fitted`. Raises :class:`PeerFailed` if the method finds no clusters.
    slow : bool
        It takes several times as long as any other.
    """

    name: str
    library: str
    fit: Callable[[sp.csr_array, int], Fitted]
    slow: bool = False


@dataclass(frozen=True)
class Anchor:
    """A supervised prediction of genres: it learns from genres, so it is no clustering.

    Attributes
    ----------
    name : str
        What stands in a table.
    library : str
        Where the method comes from.
    predict : callable
        Takes the casts of the training movies (csr_array, n_movies x n_actors), their genres
        (csr_array, n_movies x n_genres, ones and zeros), the casts of new movies (csr_array,
        n_new x n_actors) and a seed. Returns the probability that a new movie has a genre,
        ndarray of float64, shape (n_new, n_genres).
    """

    name: str
    library: str
    predict: Callable[[sp.csr_array, sp.csr_array, sp.csr_array, int], np.ndarray]


def missing_libraries() -> list[str]:
    """Return the names of the optional libraries that are not installed."""
    return [
        library
        for library, modules in OPTIONAL.items()
        if any(find_spec(module) is None for module in modules)
    ]


def peers(n_clusters: int) -> list[Peer]:
    """Return the clustering methods of other libraries, as far as these are installed.

    New movies are folded into an embedding and get the cluster with the nearest center. Where
    a method puts both movies and actors into communities, a new movie gets the community for
    which its actors speak most, each with a weight of 1 over the number of their movies.

    The seed decides the result but for the spectral embedding of scikit-network, whose solver
    cannot be seeded: it converges, so only rounding differs.

    A movie of which no actor is known is `UNPLACED`, with two exceptions: the origin of the plain
    SVD is a place like any other, and in a graph that is not connected the spectral embedding of
    scikit-network adds weak links between all, so that there is a place for everyone.

    Parameters
    ----------
    n_clusters : int, at least 2
        Clusters to look for. Leiden finds its own number; of Louvain's communities the
        ``n_clusters - 1`` with most movies are kept, and the rest are joined to one.

    Returns
    -------
    list of Peer
        Those of scikit-learn first.

    References
    ----------
    tf-idf and SVD: Deerwester et al. (1990), "Indexing by latent semantic analysis", JASIS 41.
    NMF: Lee and Seung (1999), "Learning the parts of objects by non-negative matrix
    factorization", Nature 401. LDA: Blei, Ng and Jordan (2003), "Latent Dirichlet allocation",
    JMLR 3. Co-clusters: Dhillon (2001), "Co-clustering documents and words using bipartite
    spectral graph partitioning", KDD. scikit-network: Bonald, de Lara, Lutz and Charpentier (2020),
    JMLR 21:185; spectral embedding: Belkin and Niyogi (2003), "Laplacian eigenmaps for
    dimensionality reduction and data representation", Neural Computation 15, new rows as
    Bengio et al. (2003), "Out-of-sample extensions for LLE, Isomap, MDS, eigenmaps, and spectral
    clustering", NeurIPS. Louvain: Blondel, Guillaume, Lambiotte and Lefebvre (2008), "Fast
    unfolding of communities in large networks", J. Stat. Mech. P10008, with the modularity of
    Barber (2007), "Modularity and community detection in bipartite networks", Phys. Rev. E 76.
    Leiden: Traag, Waltman and van Eck (2019), "From Louvain to Leiden: guaranteeing
    well-connected communities", Scientific Reports 9:5233.
    """
    k = n_clusters
    found = [
        Peer(f"SVD {N_COMPONENTS}, k-means", "scikit-learn", partial(_svd, k)),
        Peer(f"tf-idf, SVD {N_COMPONENTS}, L2, k-means", "scikit-learn", partial(_tf_idf, k)),
        Peer(f"NMF {k}", "scikit-learn", partial(_nmf, k)),
        Peer(f"LDA {k}", "scikit-learn", partial(_lda, k), slow=True),
        Peer(f"spectral co-clustering {k}", "scikit-learn", partial(_coclusters, k)),
        Peer(f"spectral {N_COMPONENTS}, k-means", "scikit-network", partial(_spectral, k)),
        Peer(f"GSVD {N_COMPONENTS}, k-means", "scikit-network", partial(_gsvd, k)),
        Peer(f"Louvain, joined to {k}", "scikit-network", partial(_louvain, k)),
        Peer("Leiden, as many as found", "leidenalg", _leiden),
    ]
    missing = missing_libraries()
    return [peer for peer in found if peer.library not in missing]


def anchors() -> list[Anchor]:
    """Return the supervised predictions of genres: how much casts can tell at all.

    Base rates are the shares of the training movies, half a movie added on either side. They
    stand where all or none of the training movies have the genre, and where all actors of a movie
    are new.

    Returns
    -------
    list of Anchor
        Logistic regression on the cast: one for each genre, L2 penalty with C = 1. Naive Bayes on
        the cast: log odds of the genre plus the evidence of the known actors, each smoothed by
        `PRIOR_MOVIES`. Actors who play together are no independent witnesses, so the sum is
        divided by the root of their number: undivided, as in ``sklearn.naive_bayes``, it can be so
        sure of itself that its log-loss exceeds that of the base rates. Nearest neighbours: the
        share of the genre among them, one neighbour of the base rates added, by cosine in an SVD
        of the matrix divided by the roots of the degrees.

    References
    ----------
    Fan, Chang, Hsieh, Wang and Lin (2008), "LIBLINEAR: a library for large linear
    classification", JMLR 9. Hand and Yu (2001), "Idiot's Bayes: not so stupid after all?",
    International Statistical Review 69. Cover and Hart (1967), "Nearest neighbor pattern
    classification", IEEE Transactions on Information Theory 13.
    """
    return [
        Anchor(
            "logistic regression on the cast",
            "scikit-learn",
            partial(_predict, _logistic_regression),
        ),
        Anchor("naive Bayes on the cast, tempered", "numpy", partial(_predict, _naive_bayes)),
        Anchor(
            f"{N_NEIGHBOURS} nearest neighbours",
            "scikit-learn",
            partial(_predict, _nearest_neighbours),
        ),
    ]


# ---------------------------------------------------------------- embeddings and k-means


def _svd(n_clusters: int, matrix: sp.csr_array, random_state: int) -> Fitted:
    from sklearn.decomposition import TruncatedSVD

    _check_size(matrix)
    svd = TruncatedSVD(N_COMPONENTS, random_state=random_state).fit(matrix)
    scores = svd.transform(matrix)
    return _k_means(matrix, scores, svd.transform, n_clusters, random_state, all_placed=True)


def _tf_idf(n_clusters: int, matrix: sp.csr_array, random_state: int) -> Fitted:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    _check_size(matrix)
    svd = TruncatedSVD(N_COMPONENTS, random_state=random_state)
    model = make_pipeline(TfidfTransformer(), svd, Normalizer()).fit(matrix)
    scores = model.transform(matrix)
    return _k_means(matrix, scores, model.transform, n_clusters, random_state)


def _spectral(n_clusters: int, matrix: sp.csr_array, random_state: int) -> Fitted:
    """Cluster the bipartite spectral embedding; the library lets nobody seed its solver."""
    from sklearn.preprocessing import normalize
    from sknetwork.embedding import Spectral

    _check_size(matrix)
    model = Spectral(N_COMPONENTS).fit(sp.csr_matrix(matrix), force_bipartite=True)
    vectors, actors = model.eigenvectors_, model.eigenvectors_[matrix.shape[0] :]
    everywhere = abs(model.regularization) * model.regularized * vectors.mean(axis=0)

    def embed(casts: sp.csr_array) -> np.ndarray:
        # an eigenvector of the random walk is, but for its eigenvalue, the mean of its neighbours
        return normalize((casts @ actors + everywhere) / model.eigenvalues_)

    scores, all_placed = model.embedding_row_, model.regularized
    return _k_means(matrix, scores, embed, n_clusters, random_state, all_placed=all_placed)


def _gsvd(n_clusters: int, matrix: sp.csr_array, random_state: int) -> Fitted:
    from sknetwork.embedding import GSVD
    from sknetwork.linalg import LanczosSVD

    class SeededSVD(LanczosSVD):
        def fit(self, matrix, n_components):
            start = np.random.default_rng(random_state).normal(size=min(matrix.shape))
            return super().fit(matrix, n_components, start)

    _check_size(matrix)
    model = GSVD(N_COMPONENTS, solver=SeededSVD()).fit(sp.csr_matrix(matrix))

    def embed(casts: sp.csr_array) -> np.ndarray:
        return model.predict(sp.csr_matrix(casts)).reshape(casts.shape[0], -1)

    return _k_means(matrix, model.embedding_row_, embed, n_clusters, random_state)


def _check_size(matrix: sp.csr_array) -> None:
    """Raise PeerFailed if the matrix is too small for the embeddings."""
    if min(matrix.shape) <= N_COMPONENTS:
        size = "{:,} movies and {:,} actors".format(*matrix.shape)
        raise PeerFailed(f"{size} are too few for {N_COMPONENTS} dimensions.")


def _k_means(
    matrix: sp.csr_array,
    scores: np.ndarray,
    embed: Callable[[sp.csr_array], np.ndarray],
    n_clusters: int,
    random_state: int,
    *,
    all_placed: bool = False,
) -> Fitted:
    """Cluster an embedding; movies without any known actor are left out unless all have a place."""
    from sklearn.cluster import KMeans

    placed = _known(matrix, matrix) | all_placed
    if placed.sum() < n_clusters:
        raise PeerFailed(f"It places {placed.sum():,} movies, fewer than {n_clusters:,} clusters.")
    model = KMeans(n_clusters, n_init=N_INIT, random_state=random_state).fit(scores[placed])
    labels = np.full(len(placed), UNPLACED, dtype=np.int32)
    labels[placed] = model.labels_

    def assign(casts: sp.csr_array) -> np.ndarray:
        placed = _known(casts, matrix) | all_placed
        labels = np.full(len(placed), UNPLACED, dtype=np.int32)
        if placed.any():
            labels[placed] = model.predict(embed(casts[placed]))
        return labels

    return Fitted(labels, n_clusters, assign)


# ---------------------------------------------------------------- mixtures of parts


def _nmf(n_clusters: int, matrix: sp.csr_array, random_state: int) -> Fitted:
    from sklearn.decomposition import NMF

    model = NMF(n_clusters, max_iter=1000, random_state=random_state)
    labels = _strongest(model.fit_transform(matrix))
    return Fitted(labels, n_clusters, lambda casts: _strongest(model.transform(casts)))


def _lda(n_clusters: int, matrix: sp.csr_array, random_state: int) -> Fitted:
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(
        n_clusters, learning_method="online", batch_size=4096, random_state=random_state
    ).fit(matrix)

    def assign(casts: sp.csr_array) -> np.ndarray:
        return _strongest(model.transform(casts) * _known(casts, matrix)[:, None])

    return Fitted(assign(matrix), n_clusters, assign)


def _known(casts: sp.csr_array, matrix: sp.csr_array) -> np.ndarray:
    """Tell for each cast whether any of its actors plays in the movies of the matrix."""
    return casts @ (matrix.sum(axis=0) > 0) > 0


def _strongest(weights: np.ndarray) -> np.ndarray:
    """Return the column of each row's largest weight, `UNPLACED` where all are zero."""
    return np.where(weights.any(axis=1), weights.argmax(axis=1), UNPLACED).astype(np.int32)


# ---------------------------------------------------------------- communities of movies and actors


def _coclusters(n_clusters: int, matrix: sp.csr_array, random_state: int) -> Fitted:
    from sklearn.cluster import SpectralCoclustering

    movies = np.flatnonzero(matrix.sum(axis=1))
    actors = np.flatnonzero(matrix.sum(axis=0))
    model = SpectralCoclustering(n_clusters, random_state=random_state)
    try:
        model.fit(matrix[movies][:, actors])
    except (ValueError, ArithmeticError, RuntimeError) as error:
        reason = str(error).rstrip(".")
        raise PeerFailed(f"The co-clusters cannot be computed: {reason}.") from error
    if len(np.unique(model.row_labels_)) == 1:
        raise PeerFailed("All movies are in one co-cluster.")
    labels, of_actor = (np.full(n, UNPLACED, dtype=np.int32) for n in matrix.shape)
    labels[movies], of_actor[actors] = model.row_labels_, model.column_labels_
    return Fitted(labels, n_clusters, _vote_of_actors(matrix, of_actor, n_clusters))


def _louvain(n_clusters: int, matrix: sp.csr_array, random_state: int) -> Fitted:
    from sknetwork.clustering import Louvain

    model = Louvain(shuffle_nodes=True, random_state=random_state)
    model.fit(sp.csr_matrix(matrix), force_bipartite=True)
    return _communities(matrix, model.labels_row_, model.labels_col_, at_most=n_clusters)


def _leiden(matrix: sp.csr_array, random_state: int) -> Fitted:
    """Find communities of the bipartite graph by its ordinary modularity."""
    import igraph
    import leidenalg

    n_movies, n_actors = matrix.shape
    movie, actor = matrix.nonzero()
    edges = np.column_stack([movie, actor + n_movies]).tolist()
    graph = igraph.Graph(n_movies + n_actors, edges)
    partition = leidenalg.find_partition(
        graph, leidenalg.ModularityVertexPartition, seed=random_state
    )
    labels = np.array(partition.membership)
    return _communities(matrix, labels[:n_movies], labels[n_movies:], at_most=len(partition))


def _communities(
    matrix: sp.csr_array, of_movie: np.ndarray, of_actor: np.ndarray, *, at_most: int
) -> Fitted:
    """Rank communities by their movies; from the `at_most`-th on they are one cluster."""
    with_cast = _known(matrix, matrix)
    sizes = np.bincount(of_movie[with_cast], minlength=max(of_movie.max(), of_actor.max()) + 1)
    rank = np.argsort(np.argsort(-sizes, kind="stable"))
    cluster = np.where(sizes > 0, np.minimum(rank, at_most - 1), UNPLACED)
    labels = np.where(with_cast, cluster[of_movie], UNPLACED).astype(np.int32)
    n_clusters = min(int(np.count_nonzero(sizes)), at_most)
    return Fitted(labels, n_clusters, _vote_of_actors(matrix, cluster[of_actor], n_clusters))


def _vote_of_actors(
    matrix: sp.csr_array, of_actor: np.ndarray, n_clusters: int
) -> Callable[[sp.csr_array], np.ndarray]:
    """Return what gives a cast the cluster of its actors, each weighing 1 over their movies."""
    careers = np.bincount(matrix.indices, minlength=matrix.shape[1])
    voters = np.flatnonzero((careers > 0) & (of_actor != UNPLACED))
    votes = sp.csr_array(
        (1 / careers[voters], (voters, of_actor[voters])), shape=(matrix.shape[1], n_clusters)
    )

    def assign(casts: sp.csr_array) -> np.ndarray:
        sums = sp.csr_array(casts @ votes)
        labels = np.asarray(sums.argmax(axis=1)).ravel()
        return np.where(np.diff(sums.indptr) > 0, labels, UNPLACED).astype(np.int32)

    return assign


# ---------------------------------------------------------------- predictions that see the genres


def _predict(
    method: Callable[[sp.csr_array, sp.csr_array, sp.csr_array, int], np.ndarray],
    train: sp.csr_array,
    has_genre: sp.csr_array,
    new: sp.csr_array,
    random_state: int,
) -> np.ndarray:
    """Predict by the method what it can predict, and the rest by the base rates."""
    probabilities = np.tile(_base_rates(has_genre), (new.shape[0], 1))
    counts = has_genre.sum(axis=0)
    genres = np.flatnonzero((counts > 0) & (counts < has_genre.shape[0]))
    movies = np.flatnonzero(_known(new, train))
    if len(genres) and len(movies):
        found = method(train, has_genre[:, genres], new[movies], random_state)
        probabilities[np.ix_(movies, genres)] = found
    return probabilities


def _logistic_regression(
    train: sp.csr_array, has_genre: sp.csr_array, new: sp.csr_array, random_state: int
) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, solver="liblinear", random_state=random_state)
    train, new = _with_short_indices(train), _with_short_indices(new)
    columns = [
        model.fit(train, has_it).predict_proba(new)[:, 1] for has_it in has_genre.toarray().T
    ]
    return np.column_stack(columns)


def _naive_bayes(
    train: sp.csr_array, has_genre: sp.csr_array, new: sp.csr_array, random_state: int
) -> np.ndarray:
    base, careers = _base_rates(has_genre), train.sum(axis=0)
    with_genre = (train.T @ has_genre).toarray()
    without = careers[:, None] - with_genre
    evidence = np.log(with_genre / base + PRIOR_MOVIES)
    evidence -= np.log(without / (1 - base) + PRIOR_MOVIES)
    n_known = new @ (careers > 0)
    return expit(logit(base) + (new @ evidence) / np.sqrt(n_known)[:, None])


def _with_short_indices(matrix: sp.csr_array) -> sp.csr_array:
    """Return the matrix with 32-bit indices, the only ones that liblinear takes."""
    indices, indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return sp.csr_array((matrix.data, indices, indptr), shape=matrix.shape)


def _nearest_neighbours(
    train: sp.csr_array, has_genre: sp.csr_array, new: sp.csr_array, random_state: int
) -> np.ndarray:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    cast_sizes, careers = train.sum(axis=1), train.sum(axis=0)
    of_movie = 1 / np.sqrt(cast_sizes + cast_sizes.mean())
    of_actor = 1 / np.sqrt(careers + careers.mean())
    weighted = sp.csr_array(sp.diags_array(of_movie) @ train @ sp.diags_array(of_actor))
    n_components = min(N_NEIGHBOUR_COMPONENTS, *train.shape)
    svd = TruncatedSVD(n_components, random_state=random_state).fit(weighted)
    loadings = of_actor[:, None] * svd.components_.T
    placed = np.flatnonzero(cast_sizes)
    k = min(N_NEIGHBOURS, len(placed))
    # between vectors of length 1 the nearest are those of the largest cosine
    search = NearestNeighbors(n_neighbors=k, algorithm="brute")
    search.fit(normalize(train[placed] @ loadings))
    neighbours = placed[search.kneighbors(normalize(new @ loadings), return_distance=False)]
    starts = np.arange(len(neighbours) + 1) * k
    member = sp.csr_array(
        (np.ones(neighbours.size), neighbours.ravel(), starts),
        shape=(len(neighbours), train.shape[0]),
    )
    return ((member @ has_genre).toarray() + _base_rates(has_genre)) / (k + 1)


def _base_rates(has_genre: sp.csr_array) -> np.ndarray:
    """Return the share of the movies that have each genre, half a movie added on either side."""
    return (has_genre.sum(axis=0) + 0.5) / (has_genre.shape[0] + 1)
