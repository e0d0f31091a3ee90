"""The reduction: against a dense SVD, seeded, and at the edges."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from corpora import toy_corpus

from imdbclust.datasets.sample import make_filmography
from imdbclust.matrix import Incidence, build_incidence
from imdbclust.reduction import Embedding, leading_actors, map_movies, reduce_movies, scree_table


def incidence_of(rows):
    matrix = sp.csr_array(np.array(rows, dtype=float))
    movies, actors = (
        pd.Index([f"{kind}{i}" for i in range(n)])
        for kind, n in zip("ma", matrix.shape, strict=True)
    )
    return Incidence(matrix, movies, actors)


@pytest.fixture(scope="module")
def films():
    return build_incidence(make_filmography(300, 240, castless=0.03, random_state=7).corpus)


@pytest.fixture(scope="module")
def embedding(films):
    return reduce_movies(films, n_components=8, random_state=1)


def test_hand_solved_two_blocks_have_known_singular_values():
    # three movies of one couple, two movies of another actor: sqrt(3 * 2) and sqrt(2)
    incidence = incidence_of([[1, 1, 0]] * 3 + [[0, 0, 1]] * 2)
    embedding = reduce_movies(incidence, n_components=2, random_state=0)
    np.testing.assert_allclose(embedding.singular_values, [6**0.5, 2**0.5])
    np.testing.assert_allclose(np.abs(embedding.scores[0]), [2**0.5, 0], atol=1e-12)
    np.testing.assert_allclose(np.abs(embedding.scores[4]), [0, 1], atol=1e-12)


def test_it_is_the_dense_svd_up_to_sign():
    rng = np.random.default_rng(0)
    incidence = incidence_of(rng.random((30, 20)) < 0.3)
    embedding = reduce_movies(incidence, n_components=4, random_state=0)
    left, values, _ = np.linalg.svd(incidence.matrix.toarray())
    np.testing.assert_allclose(embedding.singular_values, values[:4], rtol=1e-3)
    agreement = np.abs((embedding.scores / embedding.singular_values * left[:, :4]).sum(axis=0))
    assert (agreement > 0.95).all()


def test_values_fall_and_movies_without_a_cast_are_zero(films, embedding):
    assert (np.diff(embedding.singular_values) <= 0).all()
    castless = films.cast_sizes() == 0
    assert castless.any()
    assert not embedding.scores[castless].any()


def test_the_seed_decides(films, embedding):
    again = reduce_movies(films, n_components=8, random_state=1)
    other = reduce_movies(films, n_components=8, random_state=2)
    assert (again.scores == embedding.scores).all()
    assert (other.scores != embedding.scores).any()


@pytest.mark.parametrize("n_components", [0, -1, 4, 100])
def test_an_impossible_number_of_components_is_refused(n_components):
    with pytest.raises(ValueError, match=r"5 movies and 3 actors has 1 to 3 components"):
        reduce_movies(incidence_of([[1, 1, 0]] * 5), n_components=n_components, random_state=0)


def test_a_matrix_without_ones_is_refused():
    with pytest.raises(ValueError, match="no movie has an actor"):
        reduce_movies(incidence_of(np.zeros((3, 3))), n_components=1, random_state=0)


def test_casts_all_alike_have_no_variance_to_share_and_no_warning():
    embedding = reduce_movies(incidence_of([[1, 1]] * 4), n_components=1, random_state=0)
    assert np.isnan(embedding.explained_variance_ratio).all()
    np.testing.assert_allclose(embedding.singular_values, [8**0.5])


def test_scree_accumulates(embedding):
    scree = scree_table(embedding)
    assert scree["component"].tolist() == list(range(1, 9))
    assert scree["cumulative_share"].iloc[-1] == pytest.approx(scree["share"].sum())


def test_leading_actors_are_those_with_the_largest_loadings():
    incidence = incidence_of([[1, 1, 0]] * 3 + [[0, 0, 1]] * 2)
    embedding = reduce_movies(incidence, n_components=2, random_state=0)
    leading = leading_actors(embedding, pd.Series(["Ada", "Bo", "Cy"]), n=1)
    assert leading["name"].iloc[1] == "Cy"
    assert leading["name"].iloc[0] in ("Ada", "Bo")
    with pytest.raises(ValueError, match="2 names for 3 actors"):
        leading_actors(embedding, pd.Series(["Ada", "Bo"]))


def test_the_map_is_a_seeded_sample_without_zero_vectors(films, embedding):
    first = map_movies(embedding, max_movies=50, random_state=3)
    assert len(first) == 50
    assert first["movie"].is_monotonic_increasing
    assert (films.cast_sizes()[first["movie"]] > 0).all()
    assert np.isfinite(first[["x", "y"]]).all(axis=None)
    pd.testing.assert_frame_equal(first, map_movies(embedding, max_movies=50, random_state=3))


def test_too_few_movies_make_an_empty_map(embedding):
    assert len(map_movies(embedding, max_movies=5, random_state=3)) == 0
    assert len(map_movies(embedding, max_movies=0, random_state=3)) == 0


def test_saved_and_read_back_it_is_the_same(embedding, tmp_path):
    embedding.save(tmp_path)
    again = Embedding.load(tmp_path)
    assert (again.scores == embedding.scores).all()
    assert (again.components == embedding.components).all()
    assert again.movie_ids.equals(embedding.movie_ids)
    assert again.n_components == 8


def test_the_toy_reduces(tmp_path):
    embedding = reduce_movies(build_incidence(toy_corpus()), n_components=3, random_state=0)
    assert embedding.scores.shape == (8, 3)
