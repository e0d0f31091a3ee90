"""Data of the explorer page: complete, equal to the results, small, and stored as text."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from corpora import TOY_LABELS, clustering_of, reduced, toy_corpus

from imdbclust.clustering import UNPLACED, typical_movies
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.evaluation.profiles import profile_clusters
from imdbclust.load import CorpusBuilder
from imdbclust.matrix import build_incidence
from imdbclust.new_movies import Assigner
from imdbclust.new_movies.genre_model import Facts
from imdbclust.running.explorer_data import (
    EDGE,
    MAX_TEXT,
    NO_RATING,
    NOWHERE,
    RATING,
    SCALE,
    _joined,
    _shorter,
    pack_explorer_data,
    unpack_explorer_data,
)

COLORS = ("#000001", "#000002", "#000003")


def drawn(corpus, *, seed=0):
    """Return a map of the movies with a cast, at random places."""
    movies = np.flatnonzero(corpus.cast_sizes())
    places = np.random.default_rng(seed).uniform(-40, 70, (len(movies), 2))
    return pd.DataFrame({"movie": movies, "x": places[:, 0], "y": places[:, 1]})


def pack(corpus, labels, *, movie_map=None, levels=None, **options):
    incidence = build_incidence(corpus)
    embedding = reduced(incidence, 2)
    clustering = dataclasses.replace(
        clustering_of(corpus, labels, n_clusters=3), centers=np.eye(3, 2), levels=levels or {}
    )
    return pack_explorer_data(
        Assigner(corpus, incidence, embedding, clustering),
        profile_clusters(corpus, clustering, random_state=0),
        typical_movies(corpus, embedding, clustering),
        drawn(corpus) if movie_map is None else movie_map,
        colors=COLORS,
        **options,
    )


def rows_of(arrays, name, of=None):
    ends = np.cumsum(arrays[f"{name}_count"])
    return [part.tolist() for part in np.split(arrays[of or name], ends[:-1])]


def ids_of(header, kind="movie"):
    """Return ids as the page does: a digit says of which text the rest is the continuation."""
    texts = header["titles" if kind == "movie" else "names"]
    both = zip(header[f"{kind}_ids"], texts, strict=True)
    return [(text, text.replace(" ", "_"), "")[int(code[0])] + code[1:] for code, text in both]


@pytest.fixture
def toy():
    return unpack_explorer_data(pack(toy_corpus(), TOY_LABELS).packed)


def test_every_movie_has_its_facts(toy):
    header, arrays = toy
    place = {movie: k for k, movie in enumerate(ids_of(header))}
    assert sorted(place) == [f"m{n}" for n in range(1, 9)]
    # by votes, then by links, then by id
    assert ids_of(header) == ["m2", "m4", "m1", "m5", "m3", "m6", "m7", "m8"]
    assert header["titles"][place["m2"]] == "Two"
    assert arrays["year"][place["m2"]] == 1935
    assert arrays["year"][place["m6"]] == 0
    assert arrays["rating"][place["m2"]] == 8 * RATING
    assert arrays["rating"][place["m3"]] == NO_RATING
    genres = [[header["genres"][code] for code in row] for row in rows_of(arrays, "genre")]
    assert genres[place["m2"]] == ["Drama", "War"]
    assert arrays["group"][[place["m1"], place["m4"], place["m7"]]].tolist() == [0, 1, 2]
    casts = [[header["names"][code] for code in row] for row in rows_of(arrays, "cast")]
    assert casts[place["m2"]] == ["Ada", "Bo"]
    assert casts[place["m7"]] == []


def test_an_actor_has_movies_of_each_cluster_of_all_the_corpus(toy):
    header, arrays = toy
    assert ids_of(header, "actor") == ["a", "c", "b", "d", "x", "z"]  # by movies, then by id
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
    for k, movie in enumerate(ids_of(header)):
        wanted = chances[int(movie[1]) - 1]
        assert kept[k] == sorted(kept[k], reverse=True)
        for chance, group in zip(kept[k], groups[k], strict=True):
            assert chance / SCALE == pytest.approx(wanted[group], abs=1 / SCALE)
    assert kept[ids_of(header).index("m7")] == []  # no cast, no probabilities


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
        "expected": [of_movies[int(movie[1]) - 1] for movie in ids_of(header)],
        "alone": [of_actors[actors.index(actor)] for actor in ids_of(header, "actor")],
    }
    for kind, chances in wanted.items():
        for row, kept, codes in zip(
            chances, rows_of(arrays, kind), rows_of(arrays, kind, f"{kind}_genre"), strict=True
        ):
            assert kept == sorted(kept, reverse=True)
            assert np.array(kept) / SCALE == pytest.approx(row[codes], abs=0.0006)
            assert len(kept) == (row.round(3) >= 0.05).sum()
    ada = ids_of(header, "actor").index("a")
    codes = [header["genres"][code] for code in rows_of(arrays, "alone", "alone_genre")[ada]]
    counts = dict(zip(codes, rows_of(arrays, "alone", "alone_movies")[ada], strict=True))
    assert counts == {"Comedy": 0, "Drama": 2, "War": 2}


def test_places_are_those_of_the_map_and_y_is_downwards(toy):
    header, arrays = toy
    places = drawn(toy_corpus()).set_index("movie")
    width = (places.max() - places.min())[["x", "y"]].max()
    row = {movie: k for k, movie in enumerate(ids_of(header))}
    assert arrays["x"][row["m7"]] == arrays["y"][row["m7"]] == NOWHERE  # no cast
    kept = [row[f"m{movie + 1}"] for movie in places.index]
    x, y = (arrays[axis][kept].astype(int) for axis in "xy")
    for found, wanted in ((x, places["x"]), (y, -places["y"])):
        assert np.diff(found) == pytest.approx(np.diff(wanted) * EDGE / width, abs=1.01)
        # the map is in the middle
        assert found.min() == pytest.approx(EDGE - found.max(), abs=1)
    assert max(np.ptp(x), np.ptp(y)) == EDGE


def test_without_a_map_no_movie_has_a_place():
    empty = drawn(toy_corpus())[:0]
    header, arrays = unpack_explorer_data(pack(toy_corpus(), TOY_LABELS, movie_map=empty).packed)
    assert (arrays["x"] == NOWHERE).all()
    assert all(len(group) == 2 for level in header["levels"] for group in level["groups"])


def test_levels_have_names_and_the_places_of_their_labels():
    films = make_filmography(60, 40, random_state=1).corpus
    labels = np.arange(60) % 3
    levels = {
        "era": (labels > 0).astype(np.int32),
        "subgroup": (np.arange(60) % 6).astype(np.int32),
    }
    places = drawn(films)
    header, arrays = unpack_explorer_data(
        pack(films, labels, levels=levels, movie_map=places).packed
    )
    assert [level["level"] for level in header["levels"]] == ["era", "cluster", "subgroup"]
    assert [len(level["groups"]) for level in header["levels"]] == [2, 3, 6]
    row = films.movies.reset_index().set_index("movie_id").loc[ids_of(header), "index"]
    assert arrays["era"].tolist() == (levels["era"][row] + 1).tolist()
    spots = set(zip(arrays["x"].tolist(), arrays["y"].tolist(), strict=True))
    for level, sizes in zip(header["levels"], ([20, 40], [20] * 3, [10] * 6), strict=True):
        assert [group[1] for group in level["groups"]] == sizes
        assert all(tuple(group[2:]) in spots for group in level["groups"])  # at a movie


@pytest.mark.parametrize("largest", [0, 255, 256, 65_535, 65_536, 2**32 - 1])
def test_arrays_are_stored_in_as_few_bytes_as_they_need(largest):
    values = np.array([0, largest // 3, largest], np.uint64)
    header, arrays = unpack_explorer_data(_joined({}, {"one": values, "none": values[:0]}))
    assert arrays["one"].tolist() == values.tolist()
    assert len(arrays["none"]) == 0
    assert header["arrays"]["one"][0] == 1 + (largest > 255) + 2 * (largest > 65_535)


@pytest.mark.parametrize(
    ("name", "text", "stored"),
    [
        ("Ada", "Ada", "0"),
        ("The_Kid_(1921)", "The Kid", "1_(1921)"),
        ("tt01", "The Kid", "2tt01"),
        ("tt01", "", "2tt01"),
        ("", "x", "2"),
    ],
)
def test_ids_are_stored_without_their_titles(name, text, stored):
    assert _shorter(name, text) == stored


def test_clusters_are_described(toy):
    header, _ = toy
    first = header["clusters"][0]
    assert (first["cluster"], first["movies"], first["color"]) == (0, 3, COLORS[0])
    # Ada: 3 of 3 movies here, 3 of 8 in all, lift 8 / 3
    assert first["actors"][0] == ["Ada", 3, 3, 2.67]
    assert first["decades"] == [[1930, 2], [1940, 1]]
    assert {ids_of(header)[k] for k in first["typical"]} == {"m1", "m2", "m3"}


def test_unplaced_movies_are_the_last_group():
    labels = np.where(TOY_LABELS == 2, UNPLACED, TOY_LABELS)
    header, arrays = unpack_explorer_data(pack(toy_corpus(), labels).packed)
    last = header["clusters"][-1]
    assert (last["cluster"], last["movies"], last["color"]) == (UNPLACED, 2, None)
    place = ids_of(header).index("m7")
    assert arrays["group"][place] == len(header["clusters"]) - 1


def test_the_same_movies_give_the_same_bytes():
    assert pack(toy_corpus(), TOY_LABELS).packed == pack(toy_corpus(), TOY_LABELS).packed


def test_without_room_the_most_linked_movies_stay():
    whole = pack(toy_corpus(), TOY_LABELS)
    part = pack(toy_corpus(), TOY_LABELS, max_bytes=len(whole.packed) - 150)
    header, arrays = unpack_explorer_data(part.packed)
    assert 0 < part.n_movies < 8
    assert header["n_movies"] == 8
    # the others are points of the map, but for the one that has no place
    assert len(arrays["x"]) == len(arrays["year"]) == 7
    assert len(header["titles"]) == len(arrays["cast_count"]) == part.n_movies
    # links: m2 and m1 have 3, m4 and m5 have 3, m3 has 2
    assert "m7" not in ids_of(header)
    assert "m8" not in ids_of(header)
    ada = ids_of(header, "actor").index("a")
    assert rows_of(arrays, "career")[ada] == [3]  # of all movies, not of those here


def test_texts_survive_whole_but_for_length():
    builder = CorpusBuilder()
    titles = ["</script><script>", "a\0b\nc", "é\u202e🎬", "x" * 4000, "$$", ""]
    for n, title in enumerate(titles):
        builder.add(f"m{n}", title, ["Drama"], [("a", "Ada"), ("b", "Bo"), (f"p{n}", "P")])
    corpus = builder.build()
    header, _ = unpack_explorer_data(pack(corpus, [0, 0, 1, 1, 2, 2]).packed)
    shown = dict(zip(ids_of(header), header["titles"], strict=True))
    assert shown["m0"] == "</script><script>"
    assert shown["m1"] == "a␀b␊c"
    assert shown["m2"] == "é\u202e🎬"
    assert shown["m3"] == "x" * (MAX_TEXT - 1) + "…"
    assert shown["m5"] == ""
    assert pd.Series(ids_of(header)).is_unique
