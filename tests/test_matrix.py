"""The incidence matrix: what is in it, its names, its corners, its components."""

import numpy as np
import pandas as pd
import pytest
from corpora import corpora, toy_corpus
from hypothesis import given, settings

from imdbclust.load import CorpusBuilder
from imdbclust.matrix import Incidence, build_incidence, find_components


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
    assert incidence.preview(4).shape == (8, 6)


def test_components_of_a_hand_solved_graph(incidence):
    components = find_components(incidence)
    assert components.sizes.tolist() == [3, 3, 1, 1]
    assert components.n_largest == 3
    assert components.n_isolated == 1
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
    with pytest.raises(ValueError, match="does not go with 7 movie ids"):
        Incidence(incidence.matrix, incidence.movie_ids[1:], incidence.actor_ids)


def test_a_corpus_without_credits_has_an_empty_matrix():
    builder = CorpusBuilder()
    builder.add("m", "T", [], [])
    incidence = build_incidence(builder.build())
    assert incidence.shape == (1, 0)
    assert incidence.density == 0
    assert pd.Series(incidence.cast_sizes()).tolist() == [0]
