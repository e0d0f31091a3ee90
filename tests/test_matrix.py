"""The incidence matrix: what is in it, its names, its corners, its components, its shuffles."""

from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import pytest
from corpora import corpora, incidence_of, toy_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.load import CorpusBuilder
from imdbclust.matrix import (
    Incidence,
    build_incidence,
    busiest_block,
    find_components,
    linked_movies,
    most_linked_movies,
    shuffle_casts,
)


@pytest.fixture
def incidence():
    return build_incidence(toy_corpus())


def test_ones_stand_where_an_actor_plays(incidence):
    assert incidence.actor_ids.tolist() == ["a", "b", "c", "d", "z", "x"]
    expected = [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1],
    ]
    assert incidence.matrix.toarray().tolist() == expected
    assert incidence.matrix.has_sorted_indices
    assert incidence.density == 12 / 48


def test_a_block_is_around_a_busy_actor_and_has_many_ones(incidence):
    # a and c have three movies each; b and d share most of them, the third movies share none
    block, actors, movies = busiest_block(incidence, toy_corpus(), n_movies=2, n_actors=2)
    assert (actors, movies) == (["Ada", "Bo"], ["One", "Two"])
    assert block.tolist() == [[1, 1], [1, 1]]
    block, actors, movies = busiest_block(incidence, toy_corpus())
    assert (actors, movies) == (["Cy", "Di", "Ada"], ["Four", "Five", "Six"])  # 6 ones, not 5
    assert block.tolist() == [[1, 1, 0], [1, 1, 0], [1, 0, 1]]


def test_without_credits_a_block_is_empty():
    builder = CorpusBuilder()
    builder.add("m1", "One", [], [])
    corpus = builder.build()
    block, actors, movies = busiest_block(build_incidence(corpus), corpus)
    assert (block.size, actors, movies) == (0, [], [])


@given(corpora())
@settings(max_examples=60, deadline=None)
def test_on_any_corpus_the_matrix_is_binary_and_its_sums_are_the_degrees(corpus):
    incidence = build_incidence(corpus)
    dense = incidence.matrix.toarray()
    assert set(np.unique(dense)) <= {0.0, 1.0}
    assert (dense.sum(axis=1) == incidence.cast_sizes()).all()
    assert (dense.sum(axis=0) == incidence.movies_per_actor()).all()
    assert (incidence.cast_sizes() == corpus.cast_sizes()).all()
    assert incidence.matrix.nnz == corpus.n_credits


def test_the_frame_carries_both_ids(incidence):
    frame = incidence.to_frame()
    assert frame.shape == (8, 6)
    assert frame.loc["m6", "z"] == 1
    assert frame.sum().astype(int).to_dict() == {"a": 3, "b": 2, "c": 3, "d": 2, "z": 1, "x": 1}


def test_the_preview_shows_the_corners(incidence):
    preview = incidence.preview(2)
    assert preview.index.tolist() == ["m1", "m2", "…", "m7", "m8"]
    assert preview.columns.tolist() == ["a", "b", "…", "z", "x"]
    assert preview.loc["m8", "x"] == 1
    assert preview.loc["m1", "…"] == "…"
    assert preview.loc["…"].tolist() == ["…"] * 5
    assert incidence.preview(4).shape == (8, 6)


def test_the_preview_has_whole_numbers_and_five_of_each_end_unless_told_otherwise():
    preview = incidence_of(np.eye(12)).preview()
    assert preview.index.tolist() == ["m0", "m1", "m2", "m3", "m4", "…", *preview.index[-5:]]
    assert preview.shape == (11, 11)
    assert {type(cell) for cell in preview.to_numpy().ravel()} == {int, str}


def test_components_of_a_hand_solved_graph(incidence):
    components = find_components(incidence)
    assert components.sizes.tolist() == [3, 3, 1, 1]
    assert components.n_largest == 3
    assert components.n_isolated == 1
    assert components.n_castless == 1
    assert components.sizes.name == "n_movies"


def test_movies_without_a_cast_are_not_counted_as_isolated():
    components = find_components(incidence_of([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]))
    assert components.n_isolated == 3
    assert components.n_castless == 1


def test_a_chain_of_shared_actors_is_one_component():
    builder = CorpusBuilder()
    for number in range(5):
        builder.add(f"m{number}", "T", [], [(f"a{number}", "x"), (f"a{number + 1}", "y")])
    assert find_components(build_incidence(builder.build())).sizes.tolist() == [5]


def test_saved_and_read_back_it_is_the_same(incidence, tmp_path):
    incidence.save(tmp_path)
    again = Incidence.load(tmp_path)
    assert (again.matrix != incidence.matrix).nnz == 0
    assert again.movie_ids.equals(incidence.movie_ids)
    assert again.actor_ids.equals(incidence.actor_ids)


def test_a_matrix_with_other_names_is_refused(incidence):
    with pytest.raises(ValueError, match="does not match 7 movie ids"):
        Incidence(incidence.matrix, incidence.movie_ids[1:], incidence.actor_ids)


def test_a_corpus_without_credits_has_an_empty_matrix():
    builder = CorpusBuilder()
    builder.add("m", "T", [], [])
    incidence = build_incidence(builder.build())
    assert incidence.shape == (1, 0)
    assert incidence.density == 0
    assert pd.Series(incidence.cast_sizes()).tolist() == [0]


# some of the movies


def test_selected_movies_keep_their_rows_and_names_and_all_actors(incidence):
    part = incidence.select(np.array([5, 0]))
    assert part.movie_ids.tolist() == ["m6", "m1"]
    assert part.actor_ids.equals(incidence.actor_ids)
    assert part.matrix.toarray().tolist() == [[0, 0, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0]]
    assert part.matrix.has_sorted_indices
    assert part.movies_per_actor().tolist() == [1, 1, 1, 0, 1, 0]
    assert incidence.shape == (8, 6)


# shuffled casts


@pytest.fixture(scope="module")
def many():
    return make_filmography(2000, 2200, random_state=1)


@st.composite
def stratified(draw):
    """Return the matrix of any small corpus, with strata, and a seed."""
    incidence = build_incidence(draw(corpora().filter(lambda corpus: corpus.n_credits > 0)))
    n_movies = incidence.shape[0]
    strata = draw(st.lists(st.integers(-3, 3), min_size=n_movies, max_size=n_movies))
    return incidence, np.array(strata), draw(st.integers(0, 10_000))


@given(stratified())
@settings(max_examples=60, deadline=None)
def test_shuffled_casts_have_the_sizes_and_careers_that_they_had(case):
    incidence, _, seed = case
    before = incidence.matrix.toarray()
    shuffled = shuffle_casts(incidence, random_state=seed)
    dense = shuffled.matrix.toarray()
    assert (dense.sum(axis=1) == before.sum(axis=1)).all()
    assert (dense.sum(axis=0) == before.sum(axis=0)).all()
    assert set(np.unique(dense)) <= {0.0, 1.0}
    assert set(np.unique(shuffled.matrix.data)) <= {1.0}
    assert shuffled.matrix.has_sorted_indices
    assert shuffled.movie_ids.equals(incidence.movie_ids)
    assert shuffled.actor_ids.equals(incidence.actor_ids)
    assert (incidence.matrix.toarray() == before).all()


@given(stratified())
@settings(max_examples=60, deadline=None)
def test_within_strata_every_career_stays_in_its_strata(case):
    incidence, strata, seed = case
    before = incidence.matrix.toarray()
    dense = shuffle_casts(incidence, random_state=seed, strata=strata).matrix.toarray()
    assert (dense.sum(axis=1) == before.sum(axis=1)).all()
    assert dense.max(initial=0) <= 1
    for stratum in np.unique(strata):
        inside = strata == stratum
        assert (dense[inside].sum(axis=0) == before[inside].sum(axis=0)).all()
        if inside.sum() == 1:  # nobody to trade with
            assert (dense[inside] == before[inside]).all()


def test_without_credits_there_is_nothing_to_shuffle():
    shuffled = shuffle_casts(incidence_of(np.zeros((3, 2))), random_state=0)
    assert shuffled.matrix.toarray().tolist() == [[0, 0]] * 3


def test_a_shuffle_leaves_few_credits_where_they_were(many):
    incidence = build_incidence(many.corpus)
    before = incidence.matrix.copy()
    shuffled = shuffle_casts(incidence, random_state=0)
    kept = shuffled.matrix.multiply(incidence.matrix).sum() / incidence.matrix.nnz
    # what drawing by cast size and career alone would keep
    by_chance = (incidence.movies_per_actor() ** 2).sum() / incidence.matrix.nnz**2
    by_chance *= incidence.cast_sizes().mean()
    assert kept < by_chance + 0.01
    assert kept < 0.02
    assert (incidence.matrix != before).nnz == 0


def test_one_round_of_trades_leaves_about_half_where_they_were(many):
    incidence = build_incidence(many.corpus)
    shuffled = shuffle_casts(incidence, random_state=0, n_rounds=1)
    kept = shuffled.matrix.multiply(incidence.matrix).sum() / incidence.matrix.nnz
    assert kept == pytest.approx(0.5, abs=0.03)


def test_casts_are_mixed_longer_over_all_movies_than_within_strata(many):
    incidence = build_incidence(many.corpus)
    strata = np.arange(incidence.shape[0]) % 3
    for within, rounds in ((None, 40), (strata, 20)):
        usual, same = (
            shuffle_casts(incidence, random_state=0, strata=within, **options).matrix
            for options in ({}, {"n_rounds": rounds})
        )
        assert (usual != same).nnz == 0
    unmoved = shuffle_casts(incidence, random_state=0, n_rounds=0).matrix
    assert (unmoved != incidence.matrix).nnz == 0


def test_the_seed_decides_about_a_shuffle(many):
    incidence = build_incidence(many.corpus)
    one, again, other = (shuffle_casts(incidence, random_state=s).matrix for s in (4, 4, 5))
    assert (one != again).nnz == 0
    assert (one != other).nnz > incidence.matrix.nnz


def test_troupes_are_gone_after_a_shuffle_but_years_stay(many):
    incidence = build_incidence(many.corpus)
    years = many.corpus.movies["year"].to_numpy(int)
    same_troupe = many.movie_troupe[:, None] == many.actor_troupe

    def at_home(matrix):
        return same_troupe[matrix.nonzero()].mean()

    free = shuffle_casts(incidence, random_state=0).matrix
    within = shuffle_casts(incidence, random_state=0, strata=years).matrix
    assert at_home(incidence.matrix) > 0.85
    assert at_home(free) < 0.12
    # a year has the movies of some troupes only: more of its credits are at home by chance
    assert at_home(free) + 0.05 < at_home(within) < 0.6


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 0], [0, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 1, 0], [1, 0, 1], [0, 1, 0]],
        [[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]],
    ],
)
def test_all_shuffles_of_a_tiny_matrix_are_about_equally_frequent(rows):
    incidence = incidence_of(rows)
    n_seeds = 500
    found = Counter(
        tuple(shuffle_casts(incidence, random_state=seed).matrix.toarray().astype(int).ravel())
        for seed in range(n_seeds)
    )
    possible = [cells for cells in product((0, 1), repeat=np.size(rows)) if alike(cells, rows)]
    assert set(found) == set(possible)
    assert chisquare([found[cells] for cells in possible]).pvalue > 0.001


def alike(cells, rows):
    """Tell whether the cells have the row and column sums of the rows."""
    one, other = np.reshape(cells, np.shape(rows)), np.array(rows)
    return all((one.sum(axis=axis) == other.sum(axis=axis)).all() for axis in (0, 1))


def test_the_most_linked_movies_have_casts_that_play_much(incidence):
    # m1 and m2: Ada twice more, Bo once more; m4, m5: 2 + 1; m3: 2; m6: 2; m7, m8: none
    assert most_linked_movies(incidence, 4).tolist() == [0, 1, 3, 4]
    assert most_linked_movies(incidence, 5).tolist() == [0, 1, 2, 3, 4]
    assert most_linked_movies(incidence, 8).tolist() == list(range(8))


def test_of_equally_linked_movies_those_with_the_smaller_ids_are_taken():
    n_movies = 200
    matrix = incidence_of(np.eye(n_movies // 2).repeat(2, axis=0)).matrix
    names = np.random.default_rng(0).permutation([f"m{number:03}" for number in range(n_movies)])
    taken = most_linked_movies(Incidence(matrix, pd.Index(names), pd.RangeIndex(n_movies // 2)), 90)
    assert sorted(names[taken]) == [f"m{number:03}" for number in range(90)]


def test_linked_movies_share_an_actor_with_another():
    builder = CorpusBuilder()
    for number, cast in enumerate(["a", "ab", "c", ""]):
        builder.add(f"m{number}", "T", [], [(actor, actor) for actor in cast])
    assert linked_movies(builder.build()).tolist() == [True, True, False, False]
