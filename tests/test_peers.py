"""Peers: planted troupes are recovered, other movies taken in; anchors beat the base rates."""

import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from imdbclust.bench import peers as module
from imdbclust.bench.peers import (
    OPTIONAL,
    Anchor,
    Peer,
    PeerFailed,
    anchors,
    missing_libraries,
    peers,
)
from imdbclust.clustering import UNPLACED
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.evaluation.recipe import Fitted
from imdbclust.matrix import build_incidence, shuffle_casts

K = 16

RECOVERED = {
    "SVD 32, k-means": 0.15,
    "tf-idf, SVD 32, L2, k-means": 0.80,
    "NMF 16": 0.80,
    "LDA 16": 0.05,
    "spectral co-clustering 16": 0.50,
    "spectral 32, k-means": 0.55,
    "GSVD 32, k-means": 0.90,
    "Louvain, joined to 16": 0.85,
    "Leiden, as many as found": 0.95,
}
"""What adjusted Rand index with the troupes each peer reaches at least: measured, less a margin."""

LIBRARY = dict.fromkeys(RECOVERED, "scikit-learn") | {
    "spectral 32, k-means": "scikit-network",
    "GSVD 32, k-means": "scikit-network",
    "Louvain, joined to 16": "scikit-network",
    "Leiden, as many as found": "leidenalg",
}

PLACES_ALL = {"SVD 32, k-means", "spectral 32, k-means"}
"""Peers that give every movie a cluster, also one without a cast."""


@pytest.fixture(scope="module")
def films():
    return make_filmography(600, 500, signal=0.95, random_state=3)


@pytest.fixture(scope="module")
def casts(films) -> sp.csr_array:
    return build_incidence(films.corpus).matrix


@pytest.fixture(scope="module", params=RECOVERED)
def peer(request) -> Peer:
    return named(request.param)


@pytest.fixture(scope="module")
def fitted(peer, casts) -> Fitted:
    return peer.fit(casts, 0)


@pytest.fixture(params=[anchor.name for anchor in anchors()])
def anchor(request) -> Anchor:
    return next(anchor for anchor in anchors() if anchor.name == request.param)


def named(name: str, n_clusters: int = K) -> Peer:
    """Return the peer of that name, skip the test if its library is not installed."""
    library = LIBRARY[name.replace(f" {n_clusters}", f" {K}")]
    if library in missing_libraries():
        pytest.skip(f"{library} is not installed")
    return next(peer for peer in peers(n_clusters) if peer.name == name)


def with_empty(casts: sp.csr_array) -> sp.csr_array:
    """Return the casts with the first movie's taken away, and that of all movies of one actor."""
    matrix = casts.toarray()
    matrix[0], matrix[:, 0] = 0, 0
    return sp.csr_array(matrix)


def test_all_peers_are_tested():
    assert {peer.name for peer in peers(K)} <= set(RECOVERED)
    assert {LIBRARY[peer.name] for peer in peers(K)} == set(LIBRARY.values()) - {
        *missing_libraries()
    }
    assert all(peer.library == LIBRARY[peer.name] for peer in peers(K))
    assert [peer.name for peer in peers(K) if peer.slow] == ["LDA 16"]


def test_peers_of_libraries_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert missing_libraries() == list(OPTIONAL)
    assert {peer.library for peer in peers(K)} == {"scikit-learn"}
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "igraph" else find_spec)
    assert missing_libraries() == ["leidenalg"]


def test_the_planted_troupes_are_recovered(peer, fitted, films):
    assert fitted.labels.shape == (600,)
    assert fitted.labels.dtype == np.int32
    assert set(fitted.labels) <= set(range(fitted.n_clusters))
    assert fitted.n_clusters == K
    assert adjusted_rand_score(films.movie_troupe, fitted.labels) > RECOVERED[peer.name]


def test_movies_that_were_fitted_are_assigned_where_they_are(fitted, casts):
    again = fitted.assign(casts)
    assert again.dtype == np.int32
    assert (again == fitted.labels).mean() > 0.9


def test_other_movies_are_assigned_to_their_troupe(peer, films, casts):
    trained, new = np.arange(600) % 5 != 0, np.arange(600) % 5 == 0
    labels = peer.fit(casts[trained], 0).assign(casts[new])
    assert labels.shape == (120,)
    placed = labels != UNPLACED
    assert placed.mean() > 0.95
    found = adjusted_rand_score(films.movie_troupe[new][placed], labels[placed])
    assert found > 0.6 * RECOVERED[peer.name]


def test_nothing_is_found_in_shuffled_casts(peer, films):
    shuffled = shuffle_casts(build_incidence(films.corpus), random_state=0)
    labels = peer.fit(shuffled.matrix, 0).labels
    assert abs(adjusted_rand_score(films.movie_troupe, labels)) < 0.03


def test_the_seed_decides(peer, casts):
    one, two = peer.fit(casts, 5), peer.fit(casts, 5)
    assert one.labels.tolist() == two.labels.tolist()
    assert one.assign(casts).tolist() == two.assign(casts).tolist()


def test_movies_without_a_cast_and_actors_without_a_movie(peer, casts):
    matrix = with_empty(casts)
    fitted = peer.fit(matrix, 0)
    empty = np.diff(matrix.indptr) == 0
    assert empty[0]
    assert (fitted.labels != UNPLACED).tolist() == (~empty | (peer.name in PLACES_ALL)).tolist()
    nobody = sp.csr_array((2, 500))
    stranger = sp.csr_array(np.eye(1, 500))
    for unknown in (nobody, stranger):
        labels = fitted.assign(unknown)
        assert labels.shape == (unknown.shape[0],)
        assert (labels != UNPLACED).all() == (peer.name in PLACES_ALL)


def test_one_movie_alone_is_assigned_as_among_others(fitted, casts):
    assert fitted.assign(casts[[7]]) == fitted.assign(casts)[7]


def test_no_peer_changes_the_matrix_or_warns(peer, casts):
    before = casts.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        peer.fit(casts, 1).assign(casts)
    assert (before != casts).nnz == 0
    assert casts.indices.dtype == before.indices.dtype


def test_one_co_cluster_of_all_movies_is_a_failure(monkeypatch, casts):
    class AllInOne:
        def __init__(self, n_clusters, *, random_state):
            self.row_labels_, self.column_labels_ = np.zeros(600, int), np.zeros(500, int)

        def fit(self, matrix):
            return self

    monkeypatch.setattr("sklearn.cluster.SpectralCoclustering", AllInOne)
    with pytest.raises(PeerFailed, match="All movies are in one co-cluster"):
        named("spectral co-clustering 16").fit(casts, 0)


def test_co_clusters_that_cannot_be_computed_are_a_failure():
    with pytest.raises(
        PeerFailed, match=r"The co-clusters cannot be computed: n_clusters .*[^.]\.$"
    ):
        named("spectral co-clustering 16").fit(sp.csr_array(np.eye(5)), 0)


@pytest.mark.parametrize("name", [name for name in RECOVERED if "k-means" in name])
def test_too_small_a_matrix_is_a_failure(name, casts):
    with pytest.raises(PeerFailed, match="600 movies and 32 actors are too few for 32 dimensions"):
        named(name).fit(casts[:, :32], 0)


def test_too_few_movies_with_a_place_are_a_failure():
    matrix = np.zeros((50, 40))
    matrix[:5, :40] = np.kron(np.eye(5), np.ones(8))
    with pytest.raises(PeerFailed, match="It places 5 movies, fewer than 16 clusters"):
        named("tf-idf, SVD 32, L2, k-means").fit(sp.csr_array(matrix), 0)


def test_louvain_joins_all_but_the_largest_communities():
    blocks = [sp.coo_array(np.ones((size, 4))) for size in (9, 8, 3, 2, 2)]
    casts = sp.csr_array(sp.block_diag(blocks))
    fitted = named("Louvain, joined to 3", n_clusters=3).fit(casts, 0)
    assert fitted.n_clusters == 3
    assert fitted.labels.tolist() == [0] * 9 + [1] * 8 + [2] * 7
    assert fitted.assign(casts).tolist() == fitted.labels.tolist()


def test_the_vote_of_actors_weighs_one_over_their_movies():
    casts = sp.csr_array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]])
    assign = module._vote_of_actors(casts, np.array([0, 1, UNPLACED]), 2)
    new = sp.csr_array([[1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]])
    assert assign(new).tolist() == [1, 0, UNPLACED, UNPLACED]


# ---------------------------------------------------------------- anchors


def log_loss(happened: np.ndarray, probabilities: np.ndarray) -> float:
    return -(happened * np.log2(probabilities) + (1 - happened) * np.log2(1 - probabilities)).mean()


def test_anchors_beat_the_base_rates_on_held_out_movies(anchor, films, casts):
    genres, _ = films.corpus.genre_matrix()
    trained, new = np.arange(600) % 5 != 0, np.arange(600) % 5 == 0
    probabilities = anchor.predict(casts[trained], genres[trained], casts[new], 0)
    assert probabilities.shape == (120, genres.shape[1])
    assert (probabilities >= 0).all()
    assert (probabilities <= 1).all()
    base = np.tile(module._base_rates(genres[trained]), (120, 1))
    happened = genres[new].toarray()
    assert log_loss(happened, probabilities) < 0.97 * log_loss(happened, base)


def test_anchors_tell_nothing_from_shuffled_casts(anchor, films):
    genres, _ = films.corpus.genre_matrix()
    casts = shuffle_casts(build_incidence(films.corpus), random_state=0).matrix
    trained, new = np.arange(600) % 5 != 0, np.arange(600) % 5 == 0
    probabilities = anchor.predict(casts[trained], genres[trained], casts[new], 0)
    base = np.tile(module._base_rates(genres[trained]), (120, 1))
    happened = genres[new].toarray()
    assert log_loss(happened, probabilities) > 0.99 * log_loss(happened, base)


def test_genres_of_all_or_of_none_have_their_base_rates(anchor, films, casts):
    genres = films.corpus.genre_matrix()[0].toarray()[:, :3]
    genres[:, 0], genres[:, 1] = 0, 1
    probabilities = anchor.predict(casts, sp.csr_array(genres), casts[:20], 0)
    assert probabilities[:, 0] == pytest.approx(0.5 / 601)
    assert probabilities[:, 1] == pytest.approx(600.5 / 601)
    assert len(np.unique(probabilities[:, 2])) > 2


def test_unknown_casts_have_the_base_rates(anchor, films, casts):
    genres, _ = films.corpus.genre_matrix()
    matrix = with_empty(casts)
    unknown = sp.csr_array(np.vstack([np.zeros(500), np.eye(1, 500)]))
    probabilities = anchor.predict(matrix, genres, unknown, 0)
    base = np.tile(module._base_rates(genres), (2, 1))
    assert probabilities == pytest.approx(base)


def test_naive_bayes_adds_up_the_evidence():
    train = sp.csr_array([[1, 0], [1, 0], [0, 1], [0, 1]])
    has_genre = sp.csr_array([[1], [1], [0], [0]])
    found = module._naive_bayes(train, has_genre, sp.csr_array([[1, 0], [1, 1]]), 0)
    assert found[0, 0] == pytest.approx((2 / 0.5 + 4) / (2 / 0.5 + 8))
    assert found[1, 0] == pytest.approx(0.5)


def test_an_anchor_takes_indices_of_any_width(anchor, films, casts):
    genres, _ = films.corpus.genre_matrix()
    wide = casts.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    one, two = (anchor.predict(matrix, genres, matrix, 0) for matrix in (casts, wide))
    assert one == pytest.approx(two)
