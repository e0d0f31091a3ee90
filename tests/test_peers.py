"""Other methods: planted troupes are recovered, new movies assigned, base rates beaten."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from imdbclust.bench import peers as module
from imdbclust.bench.peers import Method, clusterings, supervised
from imdbclust.clustering import UNPLACED
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.evaluation.recipe import Fitted
from imdbclust.matrix import Incidence, build_incidence, shuffle_casts

K = 16

RECOVERED = {
    "tf-idf, SVD 32, L2, k-means": 0.80,
    "NMF 16": 0.80,
    "spectral 32, k-means": 0.55,
    "Leiden, as many as found": 0.95,
}
"""Minimum adjusted Rand index with the troupes: measured, less a margin."""

LIBRARY = dict.fromkeys(RECOVERED, "scikit-learn") | {
    "spectral 32, k-means": "scikit-network",
    "Leiden, as many as found": "leidenalg",
}

MODULES = {"scikit-learn": "sklearn", "scikit-network": "sknetwork", "leidenalg": "leidenalg"}

PLACES_ALL = {"spectral 32, k-means"}
"""Methods that give every movie a cluster, also one without a cast."""


@pytest.fixture(scope="module")
def films():
    return make_filmography(600, 500, signal=0.95, random_state=3)


@pytest.fixture(scope="module")
def casts(films) -> sp.csr_array:
    return build_incidence(films.corpus).matrix


@pytest.fixture(scope="module", params=RECOVERED)
def peer(request) -> Method:
    return named(request.param)


@pytest.fixture(scope="module")
def fitted(peer, casts) -> Fitted:
    return peer.fit(as_incidence(casts), 0)


@pytest.fixture(params=supervised(), ids=lambda method: method.name)
def anchor(request) -> Method:
    return request.param


def named(name: str) -> Method:
    """Return the method of that name; skip the test if its library is not installed."""
    pytest.importorskip(MODULES[LIBRARY[name]])
    return next(method for method in clusterings(K) if method.name == name)


def as_incidence(casts: sp.csr_array) -> Incidence:
    return Incidence(casts, *(pd.RangeIndex(size) for size in casts.shape))


def with_empty(casts: sp.csr_array) -> sp.csr_array:
    """Return the casts with the first movie's taken away, and that of all movies of one actor."""
    matrix = casts.toarray()
    matrix[0], matrix[:, 0] = 0, 0
    return sp.csr_array(matrix)


def test_all_methods_are_tested():
    assert {method.name: method.library for method in clusterings(K)} == LIBRARY
    assert {method.kind for method in clusterings(K)} == {"clustering"}
    assert {method.kind for method in supervised()} == {"supervised"}


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
    labels = peer.fit(as_incidence(casts[trained]), 0).assign(casts[new])
    assert labels.shape == (120,)
    placed = labels != UNPLACED
    assert placed.mean() > 0.95
    found = adjusted_rand_score(films.movie_troupe[new][placed], labels[placed])
    assert found > 0.6 * RECOVERED[peer.name]


def test_nothing_is_found_in_shuffled_casts(peer, films):
    shuffled = shuffle_casts(build_incidence(films.corpus), random_state=0)
    labels = peer.fit(shuffled, 0).labels
    assert abs(adjusted_rand_score(films.movie_troupe, labels)) < 0.03


def test_the_seed_decides(peer, casts):
    one, two = (peer.fit(as_incidence(casts), 5) for _ in range(2))
    assert one.labels.tolist() == two.labels.tolist()
    assert one.assign(casts).tolist() == two.assign(casts).tolist()


def test_movies_without_a_cast_and_actors_without_a_movie(peer, casts):
    matrix = with_empty(casts)
    fitted = peer.fit(as_incidence(matrix), 0)
    empty = np.diff(matrix.indptr) == 0
    assert empty[0]
    assert (fitted.labels != UNPLACED).tolist() == (~empty | (peer.name in PLACES_ALL)).tolist()
    no_cast = sp.csr_array((2, 500))
    stranger = sp.csr_array(np.eye(1, 500))
    for unknown in (no_cast, stranger):
        labels = fitted.assign(unknown)
        assert labels.shape == (unknown.shape[0],)
        assert (labels != UNPLACED).all() == (peer.name in PLACES_ALL)


def test_one_movie_alone_is_assigned_as_among_others(fitted, casts):
    assert fitted.assign(casts[[7]]) == fitted.assign(casts)[7]


def test_no_peer_changes_the_matrix_or_warns(peer, casts):
    before = casts.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        peer.fit(as_incidence(casts), 1).assign(casts)
    assert (before != casts).nnz == 0
    assert casts.indices.dtype == before.indices.dtype


def test_the_vote_of_actors_weighs_one_over_their_movies():
    casts = sp.csr_array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    community = np.array([5, 5, 5, 7, 8, 5, 7, 9])  # of five movies, then of three actors
    fitted = module._communities(as_incidence(casts), community)
    assert fitted.n_clusters == 2
    assert fitted.labels.tolist() == [0, 0, 0, 1, UNPLACED]
    new = sp.csr_array([[1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]])
    assert fitted.assign(new).tolist() == [1, 0, UNPLACED, UNPLACED]


# ---------------------------------------------------------------- supervised


def log_loss(happened: np.ndarray, probabilities: np.ndarray) -> float:
    return -(happened * np.log2(probabilities) + (1 - happened) * np.log2(1 - probabilities)).mean()


def test_anchors_beat_the_base_rates_on_held_out_movies(anchor, films, casts):
    genres, _ = films.corpus.genre_matrix()
    trained, new = np.arange(600) % 5 != 0, np.arange(600) % 5 == 0
    probabilities = anchor.fit(casts[trained], genres[trained], casts[new], 0)
    assert probabilities.shape == (120, genres.shape[1])
    assert (probabilities >= 0).all()
    assert (probabilities <= 1).all()
    base = np.tile(module.smoothed_shares(genres[trained]), (120, 1))
    happened = genres[new].toarray()
    assert log_loss(happened, probabilities) < 0.97 * log_loss(happened, base)


def test_anchors_say_nothing_from_shuffled_casts(anchor, films):
    genres, _ = films.corpus.genre_matrix()
    casts = shuffle_casts(build_incidence(films.corpus), random_state=0).matrix
    trained, new = np.arange(600) % 5 != 0, np.arange(600) % 5 == 0
    probabilities = anchor.fit(casts[trained], genres[trained], casts[new], 0)
    base = np.tile(module.smoothed_shares(genres[trained]), (120, 1))
    happened = genres[new].toarray()
    assert log_loss(happened, probabilities) > 0.99 * log_loss(happened, base)


def test_genres_of_all_or_of_none_have_their_base_rates(anchor, films, casts):
    genres = films.corpus.genre_matrix()[0].toarray()[:, :3]
    genres[:, 0], genres[:, 1] = 0, 1
    probabilities = anchor.fit(casts, sp.csr_array(genres), casts[:20], 0)
    assert probabilities[:, 0] == pytest.approx(0.5 / 601)
    assert probabilities[:, 1] == pytest.approx(600.5 / 601)
    assert len(np.unique(probabilities[:, 2])) > 2


def test_unknown_casts_have_the_base_rates(anchor, films, casts):
    genres, _ = films.corpus.genre_matrix()
    matrix = with_empty(casts)
    unknown = sp.csr_array(np.vstack([np.zeros(500), np.eye(1, 500)]))
    probabilities = anchor.fit(matrix, genres, unknown, 0)
    base = np.tile(module.smoothed_shares(genres), (2, 1))
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
    one, two = (anchor.fit(matrix, genres, matrix, 0) for matrix in (casts, wide))
    assert one == pytest.approx(two)
