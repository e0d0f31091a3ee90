"""Data of the explorer page: complete, equal to the results, small, and stored as text."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from corpora import TOY_LABELS, clustering_of, reduced, toy_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from imdbclust.clustering import UNPLACED, typical_movies
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.evaluation.profiles import profile_clusters
from imdbclust.load import CorpusBuilder
from imdbclust.matrix import build_incidence
from imdbclust.new_movies import Assigner
from imdbclust.new_movies.genre_model import Facts
from imdbclust.reduction import Embedding, nearest_movies
from imdbclust.running.explorer_data import (
    COORDINATES_SHARE,
    LARGEST,
    MAX_TEXT,
    NO_RATING,
    SCALE,
    pack_explorer_data,
    quantise,
    unpack_explorer_data,
)

COLORS = ("#000001", "#000002", "#000003")


def pack(corpus, labels, *, n_components=2, weighting="none", **options):
    incidence = build_incidence(corpus)
    embedding = reduced(incidence, n_components, weighting=weighting)
    clustering = dataclasses.replace(
        clustering_of(corpus, labels, n_clusters=3), centers=np.eye(3, n_components)
    )
    return pack_explorer_data(
        Assigner(corpus, incidence, embedding, clustering),
        profile_clusters(corpus, clustering, random_state=0),
        typical_movies(corpus, embedding, clustering),
        colors=COLORS,
        **options,
    )


def rows_of(arrays, name, of=None):
    ends = np.cumsum(arrays[f"{name}_count"])
    return [part.tolist() for part in np.split(arrays[of or name], ends[:-1])]


@pytest.fixture
def toy():
    return unpack_explorer_data(pack(toy_corpus(), TOY_LABELS).packed)


def test_every_movie_has_its_facts(toy):
    header, arrays = toy
    place = {movie: k for k, movie in enumerate(header["movie_ids"])}
    assert sorted(place) == [f"m{n}" for n in range(1, 9)]
    # by votes, then by links, then by id
    assert header["movie_ids"] == ["m2", "m4", "m1", "m5", "m3", "m6", "m7", "m8"]
    assert header["titles"][place["m2"]] == "Two"
    assert arrays["year"][place["m2"]] == 1935
    assert arrays["year"][place["m6"]] == 0
    assert arrays["rating"][place["m2"]] == 800
    assert arrays["rating"][place["m3"]] == NO_RATING
    genres = [[header["genres"][code] for code in row] for row in rows_of(arrays, "genre")]
    assert genres[place["m2"]] == ["Drama", "War"]
    assert arrays["group"][[place["m1"], place["m4"], place["m7"]]].tolist() == [0, 1, 2]
    casts = [[header["names"][code] for code in row] for row in rows_of(arrays, "cast")]
    assert casts[place["m2"]] == ["Ada", "Bo"]
    assert casts[place["m7"]] == []


def test_an_actor_has_movies_of_each_cluster_of_all_the_corpus(toy):
    header, arrays = toy
    assert header["actor_ids"] == ["a", "c", "b", "d", "x", "z"]  # by movies, then by id
    counts = rows_of(arrays, "career")
    groups = rows_of(arrays, "career", "career_group")
    assert (groups[0], counts[0]) == ([0], [3])
    assert (groups[1], counts[1]) == ([1], [3])


def test_the_probabilities_are_those_of_the_model(toy):
    header, arrays = toy
    corpus = toy_corpus()
    clustering = clustering_of(corpus, TOY_LABELS)
    incidence = build_incidence(corpus)
    embedding = reduced(incidence, 2)
    model = Assigner(corpus, incidence, embedding, clustering).model
    chances = model.posterior(incidence.matrix)
    kept = rows_of(arrays, "posterior")
    groups = rows_of(arrays, "posterior", "posterior_group")
    for k, movie in enumerate(header["movie_ids"]):
        wanted = chances[int(movie[1]) - 1]
        assert kept[k] == sorted(kept[k], reverse=True)
        for chance, group in zip(kept[k], groups[k], strict=True):
            assert chance / SCALE == pytest.approx(wanted[group], abs=1 / SCALE)
    assert kept[header["movie_ids"].index("m7")] == []  # no cast, no probabilities


def test_the_genres_of_casts_are_those_of_the_model(toy):
    header, arrays = toy
    corpus = toy_corpus()
    incidence = build_incidence(corpus)
    clustering = clustering_of(corpus, TOY_LABELS)
    model = Assigner(corpus, incidence, reduced(incidence, 2), clustering).genre_model
    of_movies = model.predict(incidence.matrix, own=Facts.of(corpus))  # each left out itself
    of_actors = model.predict(sp.eye_array(corpus.n_actors, format="csr"))
    actors = corpus.actors["actor_id"].tolist()
    wanted = {
        "expected": [of_movies[int(movie[1]) - 1] for movie in header["movie_ids"]],
        "alone": [of_actors[actors.index(actor)] for actor in header["actor_ids"]],
    }
    for kind, chances in wanted.items():
        for row, kept, codes in zip(
            chances, rows_of(arrays, kind), rows_of(arrays, kind, f"{kind}_genre"), strict=True
        ):
            assert kept == sorted(kept, reverse=True)
            assert np.array(kept) / SCALE == pytest.approx(row[codes], abs=0.0006)
            assert len(kept) == (row.round(3) >= 0.05).sum()
    ada = header["actor_ids"].index("a")
    codes = [header["genres"][code] for code in rows_of(arrays, "alone", "alone_genre")[ada]]
    counts = dict(zip(codes, rows_of(arrays, "alone", "alone_movies")[ada], strict=True))
    assert counts == {"Comedy": 0, "Drama": 2, "War": 2}


def places_of(header, arrays):
    return arrays["place"].reshape(len(header["titles"]), -1)


def test_coordinates_are_those_of_the_embedding_to_half_a_step(toy):
    header, arrays = toy
    places = places_of(header, arrays)
    embedding = reduced(build_incidence(toy_corpus()), 2)
    wanted = embedding.scores[[int(movie[1]) - 1 for movie in header["movie_ids"]]]
    assert np.abs(places).max() == LARGEST
    # half a step, but for the rounding of the product
    assert np.abs(places * header["step"] - wanted).max() <= 0.5000001 * header["step"]
    one, two = (places[header["movie_ids"].index(movie)] for movie in ("m1", "m2"))
    assert (one == two).all()  # the same cast
    assert not places[header["movie_ids"].index("m7")].any()  # no cast
    assert header["n_components"] == places.shape[1] == 2


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 8),
    st.integers(-12, 12),
    st.integers(0, 2**32 - 1),
)
def test_quantised_coordinates_are_off_by_half_a_step_at_most(n, size, power, seed):
    scores = np.random.default_rng(seed).normal(size=(n, size)) * 10.0**power
    places, step = quantise(scores)
    assert places.dtype == np.int16
    assert np.abs(places).max() == LARGEST
    assert np.abs(places * step - scores).max() <= 0.5000001 * step


def test_coordinates_that_are_all_zero_stay_zero():
    places, step = quantise(np.zeros((3, 2)))
    assert (places.tolist(), step) == ([[0, 0]] * 3, 0)


def test_neighbours_of_points_well_apart_are_those_before_quantising():
    rng = np.random.default_rng(7)
    scores = rng.uniform(-1, 1, size=(200, 6)) * [4, 2, 1, 1, 0.5, 0.5]
    names = pd.Index([f"m{k:03}" for k in range(len(scores))])
    none = np.empty(0)
    before, after = (
        nearest_movies(Embedding(places, none, none, none, none, names, pd.Index([]), {}), n=6)
        for places in (scores, quantise(scores)[0].astype(float))
    )
    # a distance is off by a step for each component at most, so that two may come nearer by two
    safe = 2 * quantise(scores)[1] * np.sqrt(scores.shape[1])
    apart = (np.diff(before["distance"].to_numpy().reshape(200, 6)) > safe).all(axis=1)
    assert apart.mean() > 0.9
    same = (before["neighbour"] == after["neighbour"]).to_numpy().reshape(200, 6)
    assert same[apart, :5].all()


def test_of_many_components_the_first_are_kept_as_room_allows():
    films = make_filmography(200, 120, random_state=1).corpus
    labels = np.arange(200) % 3
    for weighting in ("none", "degree"):
        packed = pack(films, labels, n_components=40, weighting=weighting, max_bytes=14_000).packed
        header, arrays = unpack_explorer_data(packed)
        assert len(packed) <= 14_000
        places = places_of(header, arrays)
        assert 1 <= places.shape[1] < header["n_components"] == 40
        assert arrays["place"].nbytes <= COORDINATES_SHARE * 14_000
        embedding = reduced(build_incidence(films), 40, weighting=weighting).first(places.shape[1])
        rows = films.movies.reset_index().set_index("movie_id").loc[header["movie_ids"], "index"]
        away = np.abs(places * header["step"] - embedding.scores[rows])
        assert away.max() <= 0.5000001 * header["step"]


def test_clusters_are_described(toy):
    header, _ = toy
    first = header["clusters"][0]
    assert (first["cluster"], first["movies"], first["color"]) == (0, 3, COLORS[0])
    # Ada: 3 of 3 movies here, 3 of 8 in all, lift 8 / 3
    assert first["actors"][0] == ["Ada", 3, 3, 2.67]
    assert first["decades"] == [[1930, 2], [1940, 1]]
    assert {header["movie_ids"][k] for k in first["typical"]} == {"m1", "m2", "m3"}


def test_unplaced_movies_are_the_last_group():
    labels = np.where(TOY_LABELS == 2, UNPLACED, TOY_LABELS)
    header, arrays = unpack_explorer_data(pack(toy_corpus(), labels).packed)
    last = header["clusters"][-1]
    assert (last["cluster"], last["movies"], last["color"]) == (UNPLACED, 2, None)
    place = header["movie_ids"].index("m7")
    assert arrays["group"][place] == len(header["clusters"]) - 1


def test_the_same_movies_give_the_same_bytes():
    assert pack(toy_corpus(), TOY_LABELS).packed == pack(toy_corpus(), TOY_LABELS).packed


def test_without_room_the_most_linked_movies_stay():
    whole = pack(toy_corpus(), TOY_LABELS)
    part = pack(toy_corpus(), TOY_LABELS, max_bytes=len(whole.packed) - 150)
    header, arrays = unpack_explorer_data(part.packed)
    assert 0 < part.n_movies < 8
    assert header["n_movies"] == 8
    # links: m2 and m1 have 3, m4 and m5 have 3, m3 has 2
    assert "m7" not in header["movie_ids"]
    assert "m8" not in header["movie_ids"]
    assert places_of(header, arrays).shape == (part.n_movies, 2)
    ada = header["actor_ids"].index("a")
    assert rows_of(arrays, "career")[ada] == [3]  # of all movies, not of those here


def test_texts_survive_whole_but_for_length():
    builder = CorpusBuilder()
    titles = ["</script><script>", "a\0b\nc", "é\u202e🎬", "x" * 4000, "$$", ""]
    for n, title in enumerate(titles):
        builder.add(f"m{n}", title, ["Drama"], [("a", "Ada"), ("b", "Bo"), (f"p{n}", "P")])
    corpus = builder.build()
    header, _ = unpack_explorer_data(pack(corpus, [0, 0, 1, 1, 2, 2]).packed)
    shown = dict(zip(header["movie_ids"], header["titles"], strict=True))
    assert shown["m0"] == "</script><script>"
    assert shown["m1"] == "a␀b␊c"
    assert shown["m2"] == "é\u202e🎬"
    assert shown["m3"] == "x" * (MAX_TEXT - 1) + "…"
    assert shown["m5"] == ""
    assert pd.Series(header["movie_ids"]).is_unique
