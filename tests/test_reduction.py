"""The reduction: against a dense SVD, seeded, whatever the order, at the edges."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from corpora import corpora, incidence_of, recipe_of, reduced, reordered, toy_corpus
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from imdbclust.base import layout
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.load import read_corpus, write_corpus
from imdbclust.matrix import Incidence, build_incidence
from imdbclust.reduction import (
    WALK,
    Embedding,
    largest_gap,
    leading_actors,
    make_svd,
    map_movies,
    n_positions,
    nearest_movies,
    reduce_movies,
    sample_movies,
    scree_table,
)

CLOSE = {"rtol": 0, "atol": 1e-9}


@pytest.fixture(scope="module")
def films():
    return build_incidence(make_filmography(300, 240, castless=0.03, random_state=7).corpus)


@pytest.fixture(scope="module")
def embedding(films):
    return reduced(films, 8, random_state=1)


def by_degree(incidence, n_components=8, **options):
    return reduced(incidence, n_components, weighting="degree", **{"random_state": 1} | options)


@pytest.fixture(scope="module")
def weighted(films):
    return by_degree(films)


CHAIN = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]]
"""Five movies: actors 0 to 2 link the first four; actor 3 plays once; the last has no cast."""


def linked(rows, regularization):
    """Return the weighted matrix without the actors of one movie, by the formula, dense."""
    rows = np.array(rows, dtype=float)
    cast_sizes, careers = rows.sum(axis=1), rows.sum(axis=0)
    of_movie = np.maximum(cast_sizes, 1) + regularization * cast_sizes[cast_sizes > 0].mean()
    of_actor = careers + regularization * careers[careers > 0].mean()
    return rows / np.sqrt(np.outer(of_movie, of_actor)) * (careers > 1)


def test_hand_solved_two_blocks_have_known_singular_values():
    # three movies of one couple, two movies of another actor: sqrt(3 * 2) and sqrt(2)
    incidence = incidence_of([[1, 1, 0]] * 3 + [[0, 0, 1]] * 2)
    embedding = reduced(incidence, 2)
    np.testing.assert_allclose(embedding.singular_values, [6**0.5, 2**0.5])
    np.testing.assert_allclose(np.abs(embedding.scores[0]), [2**0.5, 0], atol=1e-12)
    np.testing.assert_allclose(np.abs(embedding.scores[4]), [0, 1], atol=1e-12)


def test_it_is_the_dense_svd_up_to_sign():
    rng = np.random.default_rng(0)
    incidence = incidence_of(rng.random((30, 20)) < 0.3)
    embedding = reduced(incidence, 4)
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
    again = reduced(films, 8, random_state=1)
    other = reduced(films, 8, random_state=2)
    assert (again.scores == embedding.scores).all()
    assert (other.scores != embedding.scores).any()


@pytest.mark.parametrize("weighting", ["none", "degree"])
def test_the_fitted_svd_is_kept_and_the_given_one_left_alone(films, weighting, tmp_path):
    svd = make_svd(5, weighting=weighting, random_state=9)
    found = reduce_movies(films, svd, weighting=weighting, regularization=0.3)
    assert not hasattr(svd, "components_")
    assert found.svd.get_params() == svd.get_params()
    assert (found.svd.singular_values_ == found.singular_values).all()
    wanted = {"n_components": 5, "weighting": weighting, "regularization": 0.3, "random_state": 9}
    assert found.settings == wanted
    assert found.first(2).svd is None
    found.save(tmp_path)
    assert Embedding.load(tmp_path).svd is None


@pytest.mark.parametrize("n_components", [0, -1, 4, 100])
def test_an_impossible_number_of_components_is_refused(n_components):
    with pytest.raises(ValueError, match=r"5 movies and 3 actors has 1 to 3 components"):
        reduced(incidence_of([[1, 1, 0]] * 5), n_components)


def test_a_matrix_without_ones_is_refused():
    with pytest.raises(ValueError, match="no movie has an actor"):
        reduced(incidence_of(np.zeros((3, 3))), 1)


def test_casts_all_alike_have_no_variance_to_share_and_no_warning():
    embedding = reduced(incidence_of([[1, 1]] * 4), 1)
    assert np.isnan(embedding.explained_variance_ratio).all()
    np.testing.assert_allclose(embedding.singular_values, [8**0.5])


def test_scree_accumulates(embedding):
    scree = scree_table(embedding)
    assert scree["component"].tolist() == list(range(1, 9))
    assert scree["cumulative_share"].iloc[-1] == pytest.approx(scree["share"].sum())


def test_leading_actors_are_those_with_the_largest_loadings():
    incidence = incidence_of([[1, 1, 0]] * 3 + [[0, 0, 1]] * 2)
    embedding = reduced(incidence, 2)
    leading = leading_actors(embedding, pd.Series(["Ada", "Bo", "Cy"]), n=1)
    assert leading["name"].iloc[1] == "Cy"
    assert leading["name"].iloc[0] in ("Ada", "Bo")
    with pytest.raises(ValueError, match="2 names for 3 actors"):
        leading_actors(embedding, pd.Series(["Ada", "Bo"]))


def test_the_map_shows_every_movie_with_a_place(films, embedding):
    places = map_movies(embedding, max_movies=1000, random_state=3)
    assert places["movie"].tolist() == np.flatnonzero(embedding.placed).tolist()
    assert places["movie_id"].tolist() == embedding.movie_ids[places["movie"]].tolist()
    assert (films.cast_sizes()[places["movie"]] > 0).all()
    assert np.isfinite(places[["x", "y"]]).all(axis=None)
    assert len(places) == n_positions(places[["x", "y"]].to_numpy()) > 250


def test_the_map_is_seeded_and_does_not_depend_on_the_number_of_threads(embedding, monkeypatch):
    first = map_movies(embedding, max_movies=1000, random_state=3)
    pd.testing.assert_frame_equal(first, map_movies(embedding, max_movies=1000, random_state=3))
    monkeypatch.setattr(layout, "FEW", 0)
    again = map_movies(embedding, max_movies=1000, random_state=3)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    other = map_movies(embedding, max_movies=1000, random_state=4)
    assert not first["x"].equals(other["x"])


def test_movies_near_on_the_map_are_near_in_the_reduced_space():
    films = make_filmography(500, 350, random_state=11).corpus
    embedding = reduced(build_incidence(films), 12, weighting="degree")
    places = map_movies(embedding, max_movies=500, random_state=3)
    scores = embedding.scores[places["movie"]]
    on_map = NearestNeighbors(n_neighbors=10).fit(places[["x", "y"]].to_numpy()).kneighbors()[1]
    in_space = NearestNeighbors(n_neighbors=50).fit(scores).kneighbors()[1]
    both = zip(on_map, in_space, strict=True)
    found = np.mean([np.isin(drawn, true).mean() for drawn, true in both])
    shuffled = np.random.default_rng(0).permutation(in_space)
    both = zip(on_map, shuffled, strict=True)
    by_chance = np.mean([np.isin(drawn, true).mean() for drawn, true in both])
    assert found > 0.85
    assert by_chance < 0.2


def test_beyond_the_maximum_movies_get_the_median_place_of_their_neighbours(embedding):
    places = map_movies(embedding, max_movies=100, random_state=3).set_index("movie")
    drawn = sample_movies(embedding, 100, random_state=3)
    assert len(drawn) == 100
    assert len(places) == embedding.placed.sum()
    away = np.linalg.norm(embedding.scores[:, None] - embedding.scores[drawn], axis=2)
    checked = 0
    for movie in np.setdiff1d(places.index, drawn):
        nearest = np.sort(away[movie])
        if nearest[3] - nearest[2] > 1e-6:  # the third is not tied with the fourth
            three = places.loc[drawn[np.argsort(away[movie])[:3]]]
            median = three[["x", "y"]].median()
            assert places.loc[movie, ["x", "y"]].to_numpy(float) == pytest.approx(median, abs=1e-3)
            checked += 1
    assert checked > 100


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
    embedding = reduced(build_incidence(toy_corpus()), 3)
    assert embedding.scores.shape == (8, 3)


# weighted by degree


@pytest.mark.parametrize("regularization", [0.0, 0.4, 2.0])
def test_hand_solved_weighting_by_degree(regularization):
    matrix = linked(CHAIN, regularization)
    if not regularization:
        # 2 actors of 2 and 3 movies in the first cast of 2; the mean cast is 9 / 4, unused
        np.testing.assert_allclose(matrix[0], [1 / 2, 1 / 6**0.5, 0, 0], **CLOSE)
    values = np.linalg.svd(matrix, compute_uv=False)
    for n_components in (2, 3, 4):
        found = by_degree(
            incidence_of(CHAIN), n_components=n_components, regularization=regularization
        )
        np.testing.assert_allclose(found.singular_values, values[:n_components], **CLOSE)
        shares = values[:n_components] ** 2 / (matrix**2).sum()
        np.testing.assert_allclose(found.explained_variance_ratio, shares, **CLOSE)


def test_rows_are_the_walk_in_the_weighted_matrix_brought_to_length_1():
    # all rows have length 1, so their products are the cosines of the walk's places
    rows = np.array(CHAIN[:4])
    rows[3, 3] = 0  # every actor links: left singular vectors alone give the scores
    left, values, _ = np.linalg.svd(linked(rows, 0.4), full_matrices=False)
    places = (left * values**WALK)[:, :2]
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    found = by_degree(incidence_of(rows), n_components=2).scores
    np.testing.assert_allclose(found @ found.T, places @ places.T, **CLOSE)


def test_an_actor_of_one_movie_stands_on_the_side_of_the_movie():
    left, values, _ = np.linalg.svd(linked(CHAIN, 0.4), full_matrices=False)
    place = (left * values)[3, :2]
    found = by_degree(incidence_of(CHAIN), n_components=2)
    alone, others = found.transform(sp.csr_array([[0.0, 0, 0, 1], [1.0, 1, 0, 0]]))
    np.testing.assert_allclose(np.abs(alone), np.abs(place) / np.linalg.norm(place), **CLOSE)
    assert alone @ found.scores[3] > 0.9 > 0.8 > others @ found.scores[3]


@given(corpora(), st.integers(1, 4), st.floats(0, 3))
@settings(max_examples=100, deadline=None)
def test_on_any_corpus_rows_have_length_1_or_are_zero_where_the_cast_tells_nothing(
    corpus, n_components, regularization
):
    incidence = build_incidence(corpus)
    careers = incidence.movies_per_actor()
    assume(n_components <= min(incidence.shape))
    assume((careers > 1).any())
    assume(len(np.unique(incidence.matrix.toarray(), axis=0)) > 1)
    every = by_degree(incidence, min(incidence.shape), regularization=regularization)
    linking = incidence.matrix @ (careers > 1).astype(float) > 0
    assert (every.placed == linking).all()
    found = by_degree(incidence, n_components, regularization=regularization)
    lengths = np.linalg.norm(found.scores, axis=1)
    np.testing.assert_allclose(lengths[found.placed], 1, **CLOSE)
    assert not lengths[~found.placed].any()
    assert not found.placed[~linking].any()
    np.testing.assert_allclose(found.transform(incidence.matrix), found.scores, **CLOSE)


@pytest.mark.parametrize("weighting", ["none", "degree"])
@pytest.mark.parametrize("where", [0, 100, -1])
def test_actors_without_a_movie_change_no_fit(films, weighting, where):
    n_absent, n_actors = 57, films.shape[1]
    place = np.arange(n_actors) + n_absent * (np.arange(n_actors) >= where)
    if where < 0:
        place = np.arange(n_actors)
    wide = sp.csr_array(
        (films.matrix.data, place[films.matrix.indices], films.matrix.indptr),
        shape=(films.shape[0], n_actors + n_absent),
    )
    ids = np.array([f"absent{number}" for number in range(n_actors + n_absent)], dtype=object)
    ids[place] = films.actor_ids
    one, other = (
        reduced(incidence, 8, weighting=weighting, random_state=1)
        for incidence in (films, Incidence(wide, films.movie_ids, pd.Index(ids)))
    )
    for name in ("scores", "singular_values", "explained_variance_ratio"):
        assert (getattr(one, name) == getattr(other, name)).all()
    absent = np.setdiff1d(np.arange(len(ids)), place)
    assert (other.loadings[place] == one.loadings).all()
    assert (other.components[:, place] == one.components).all()
    assert not other.loadings[absent].any()
    assert other.transform(wide).tobytes() == one.transform(films.matrix).tobytes()


def test_movies_are_unplaced_exactly_where_nobody_links_them(films, weighted):
    linking = films.matrix @ (films.movies_per_actor() > 1).astype(float) > 0
    assert (films.cast_sizes() == 0).any()
    assert (weighted.placed == linking).all()
    np.testing.assert_allclose(np.linalg.norm(weighted.scores[linking], axis=1), 1, **CLOSE)


def test_fitted_casts_are_transformed_to_their_own_rows(films, embedding, weighted):
    for fitted in (embedding, weighted):
        np.testing.assert_allclose(fitted.transform(films.matrix), fitted.scores, **CLOSE)
        assert not fitted.transform(sp.csr_array((2, films.shape[1]))).any()


def test_the_first_components_are_those_of_a_smaller_reduction(films, weighted):
    for n_components in (1, 3, 8):
        first, fitted = weighted.first(n_components), by_degree(films, n_components)
        assert first.settings == fitted.settings
        assert first.n_components == n_components
        for name in ("scores", "singular_values", "explained_variance_ratio", "loadings"):
            one, other = getattr(first, name), getattr(fitted, name)
            np.testing.assert_allclose(one, other, err_msg=name, rtol=0, atol=1e-8)
        np.testing.assert_allclose(first.components, fitted.components, rtol=0, atol=1e-8)
        np.testing.assert_allclose(first.transform(films.matrix), first.scores, **CLOSE)


def test_without_weighting_the_first_components_are_cut_off_as_they_are(embedding):
    first = embedding.first(3)
    assert (first.scores == embedding.scores[:, :3]).all()
    assert first.settings["n_components"] == 3
    assert embedding.n_components == 8


def test_as_many_components_as_there_can_be():
    rng = np.random.default_rng(0)
    rows = rng.random((12, 7)) < 0.4
    found = by_degree(incidence_of(rows), n_components=7)
    np.testing.assert_allclose(
        found.singular_values, np.linalg.svd(linked(rows, 0.4), compute_uv=False), **CLOSE
    )
    # the solver of a few components and the one of all agree but for signs, which mean nothing
    one, other = found.first(6).scores, by_degree(incidence_of(rows), n_components=6).scores
    np.testing.assert_allclose(one @ one.T, other @ other.T, **CLOSE)


@pytest.mark.parametrize("n_components", [0, 5, 100])
def test_by_degree_too_an_impossible_number_of_components_is_refused(n_components):
    with pytest.raises(ValueError, match="a matrix of 5 movies and 4 actors has 1 to 4 components"):
        by_degree(incidence_of(CHAIN), n_components=n_components)


def test_by_degree_movies_that_nobody_links_are_refused():
    with pytest.raises(ValueError, match="no actor plays in two movies, so no movie is linked"):
        by_degree(incidence_of(np.eye(3)), n_components=1)
    with pytest.raises(ValueError, match="no movie has an actor"):
        by_degree(incidence_of(np.zeros((3, 3))), n_components=1)


def test_an_unknown_weighting_is_refused():
    with pytest.raises(ValueError, match="weighting must be one of none, degree, not 'tfidf'"):
        reduced(incidence_of(CHAIN), 1, weighting="tfidf")


def test_by_degree_casts_all_alike_lie_on_one_spot_without_a_warning():
    found = by_degree(incidence_of([[1, 1]] * 4), n_components=1)
    np.testing.assert_allclose(np.abs(found.scores), 1)


def test_by_degree_saved_and_read_back_it_is_the_same(weighted, films, tmp_path):
    weighted.save(tmp_path)
    again = Embedding.load(tmp_path)
    names = ("scores", "components", "loadings", "singular_values", "explained_variance_ratio")
    for name in names:
        assert (getattr(again, name) == getattr(weighted, name)).all()
    assert again.settings == {
        "n_components": 8,
        "weighting": "degree",
        "regularization": 0.4,
        "random_state": 1,
    }
    assert again.actor_ids.equals(weighted.actor_ids)
    assert (again.transform(films.matrix) == weighted.transform(films.matrix)).all()


# the order of the file


@pytest.fixture(scope="module")
def mixed():
    return make_filmography(600, 550, signal=0.6, castless=0.02, random_state=3)


def labels_by_id(corpus, recipe):
    incidence = build_incidence(corpus)
    clustering = recipe.cluster(recipe.reduce(incidence, 31337), 31337)
    return clustering.to_frame().set_index("movie_id")["cluster"].sort_index()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_movies_and_actors_does_not_matter_by_degree(mixed, seed):
    incidence, recipe = build_incidence(mixed.corpus), recipe_of("recommended")
    other, movies = reordered(incidence, seed)
    one, two = recipe.reduce(incidence, 5), recipe.reduce(other, 5)
    np.testing.assert_allclose(two.scores, one.scores[movies], **CLOSE)
    assert two.movie_ids.equals(one.movie_ids[movies])
    labels, labels_2 = recipe.cluster(one, 5).labels[movies], recipe.cluster(two, 5).labels
    assert adjusted_rand_score(labels, labels_2) == 1.0
    assert (labels == labels_2).all()


def test_the_order_of_movies_and_actors_makes_no_difference_in_the_last_bit_by_degree(mixed):
    incidence, recipe = build_incidence(mixed.corpus), recipe_of("recommended")
    other, movies = reordered(incidence, 4)
    one, two = recipe.reduce(incidence, 5), recipe.reduce(other, 5)
    np.testing.assert_array_equal(two.scores, one.scores[movies])


def test_the_order_of_the_file_does_not_matter_to_the_recommended_recipe(mixed, tmp_path):
    rng = np.random.default_rng(0)
    write_corpus(mixed.corpus, tmp_path / "films.jsonl")
    lines = (tmp_path / "films.jsonl").read_text(encoding="utf-8").splitlines()
    lines = [turned_round(lines[place]) for place in rng.permutation(len(lines))]
    (tmp_path / "shuffled.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shuffled = read_corpus(tmp_path / "shuffled.jsonl")
    assert shuffled.movies["movie_id"].tolist() != mixed.corpus.movies["movie_id"].tolist()
    assert shuffled.actors["actor_id"].tolist() != mixed.corpus.actors["actor_id"].tolist()
    recipe = recipe_of("recommended")
    one, two = labels_by_id(mixed.corpus, recipe), labels_by_id(shuffled, recipe)
    assert adjusted_rand_score(one, two) == 1.0
    pd.testing.assert_series_equal(one, two)


def turned_round(line):
    """Return the line of a movie with its cast in the opposite order."""
    movie = json.loads(line)
    return json.dumps(movie | {"actors": movie["actors"][::-1]})


# the eigengap


@pytest.mark.parametrize(
    ("values", "gap"),
    [
        ([5, 4, 3.9, 1, 0.9], 3),
        ([5, 4, 1, 0.9, 0.8], 2),
        ([5, 1, 0.9, 0.8, 0.2], 4),  # the gap after the first does not count
        ([3, 2, 1], 2),
        ([3, 2], 2),
        ([3], 1),
    ],
)
def test_hand_solved_gaps(values, gap):
    assert largest_gap(np.array(values, dtype=float)) == gap


def test_the_gap_may_be_looked_for_from_the_first_component_on():
    assert largest_gap(np.array([5, 1, 0.9, 0.8]), least=1) == 1


def test_components_that_are_not_there_make_the_gap():
    assert largest_gap(np.array([3.0, 2.0, 1.0, 0.0, 0.0])) == 3


def test_planted_troupes_make_a_gap_at_their_number():
    films = make_filmography(900, 800, n_troupes=6, signal=0.97, random_state=2).corpus
    found = by_degree(build_incidence(films), n_components=12)
    assert largest_gap(found.singular_values) == 6


def brute_force(embedding, n, queries):
    """Return the neighbours of each query by looking at all pairs, one by one."""
    scores = embedding.scores.round(9)
    placed = np.flatnonzero(scores.any(axis=1)).tolist()
    found = {}
    for movie in set(placed) & set(queries.tolist()):
        away = [
            (round(float(np.sqrt(((scores[movie] - scores[other]) ** 2).sum())), 9), other)
            for other in placed
            if other != movie
        ]
        away.sort(key=lambda pair: (pair[0], embedding.movie_ids[pair[1]]))
        if away:
            found[movie] = away[:n]
    return found


def embedding_of(scores, ids=None):
    scores = np.asarray(scores, dtype=float)
    empty = np.empty((0, scores.shape[1]))
    names = pd.Index(ids if ids is not None else [f"m{n:04}" for n in range(len(scores))])
    none = np.empty(0)
    return Embedding(scores, empty.T, empty, none, none, names, pd.Index([]), {})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=1, max_size=40),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_nearest_movies_are_those_of_brute_force_ties_by_id(points, n, random):
    """Points of a small lattice: ties everywhere, many movies on one spot, some at zero."""
    ids = [f"m{k}" for k in range(len(points))]
    random.shuffle(ids)
    embedding = embedding_of(points, ids)
    queries = np.arange(0, len(points), 1 + (len(points) > 20))
    table = nearest_movies(embedding, n=n, queries=queries)
    wanted = brute_force(embedding, n, queries)
    found = {
        movie: list(zip(rows["distance"], rows["neighbour"], strict=True))
        for movie, rows in table.groupby("movie")
    }
    assert found == wanted
    assert (table.groupby("movie")["rank"].diff().dropna() == 1).all()


def test_nearest_movies_of_many_dimensions_are_those_of_brute_force():
    rng = np.random.default_rng(3)
    embedding = embedding_of(rng.normal(size=(150, 20)))
    table = nearest_movies(embedding, n=4)
    wanted = brute_force(embedding, 4, np.arange(150))
    for movie, rows in table.groupby("movie"):
        assert rows["neighbour"].tolist() == [other for _, other in wanted[movie]]


def test_nearest_movies_do_not_depend_on_the_order_of_the_rows():
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 3, size=(60, 3)).astype(float)
    ids = np.array([f"m{k:02}" for k in range(60)])
    order = rng.permutation(60)
    there = [
        nearest_movies(embedding_of(scores[some], ids[some]), n=3) for some in (slice(None), order)
    ]
    named = [
        {(names[row.movie], row.rank): names[row.neighbour] for row in table.itertuples()}
        for table, names in zip(there, (ids, ids[order]), strict=True)
    ]
    assert named[0] == named[1]


def test_neighbours_of_a_sample_are_theirs_among_all():
    """Half of the movies on few spots, so that more are equally near than are looked at first."""
    rng = np.random.default_rng(6)
    scores = np.vstack([rng.normal(size=(60, 3)), rng.integers(0, 2, size=(60, 3))])
    embedding = embedding_of(scores)
    sampled = sample_movies(embedding, 40, random_state=1)
    assert len(sampled) == 40
    whole = nearest_movies(embedding, n=4)
    part = nearest_movies(embedding, n=4, queries=sampled)
    wanted = whole[whole["movie"].isin(sampled)].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, wanted)
    assert nearest_movies(embedding, queries=np.flatnonzero(~scores.any(axis=1))).empty


def test_a_sample_has_coordinates_and_does_not_depend_on_the_order_of_the_rows():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(50, 3)) * (np.arange(50) % 5 > 0)[:, None]
    ids = np.array([f"m{k:02}" for k in range(50)])
    order = rng.permutation(50)
    one = sample_movies(embedding_of(scores, ids), 20, random_state=3)
    other = sample_movies(embedding_of(scores[order], ids[order]), 20, random_state=3)
    assert scores[one].any(axis=1).all()
    assert ids[one].tolist() == ids[order][other].tolist()
    assert len(sample_movies(embedding_of(scores, ids), 100, random_state=3)) == 40


def test_a_movie_alone_has_no_neighbours():
    table = nearest_movies(embedding_of([[0.0, 0.0], [1.0, 0.0]]), n=3)
    assert table.empty
    assert list(table) == ["movie", "rank", "neighbour", "distance"]


def test_neighbours_in_cells_are_mostly_the_nearest_of_all():
    rng = np.random.default_rng(5)
    centers = rng.normal(size=(40, 6))
    spots, queries = (
        centers[rng.integers(0, 40, n)] + 0.1 * rng.normal(size=(n, 6)) for n in (6_000, 500)
    )
    near = layout.near_in_cells(spots, 3, queries)
    exact, _ = layout.neighbours(spots, 3, queries)
    same = np.mean([np.isin(one, other).mean() for one, other in zip(near, exact, strict=True)])
    assert same > 0.95
    assert (layout.near_in_cells(np.repeat(spots[:4], 1_000, axis=0), 3, spots[:4]) < 4_000).all()
