"""Pr[genre | cast]: solved by hand, calibrated, free of the answer, the same in any order."""

import hypothesis
import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from corpora import corpora, toy_corpus
from hypothesis import given
from scipy.special import expit, logit

from imdbclust.datasets.find import find_dataset
from imdbclust.evaluation.held_out import smoothed_shares
from imdbclust.evaluation.stability import split_movies
from imdbclust.load import Corpus
from imdbclust.matrix import build_incidence, shuffle_casts
from imdbclust.new_movies import genre_model
from imdbclust.new_movies.genre_model import STRENGTH, Facts, GenreModel


def learned(corpus: Corpus) -> GenreModel:
    return GenreModel.learn(build_incidence(corpus).matrix, Facts.of(corpus))


@pytest.fixture(scope="module")
def corpus(films) -> Corpus:
    return find_dataset(str(films)).read()


@pytest.fixture(scope="module")
def model(corpus) -> GenreModel:
    return learned(corpus)


def test_all_cores_fit_the_same_model_as_one(corpus, model, monkeypatch):
    monkeypatch.setattr(genre_model, "MANY", 0)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    found = learned(corpus).fitted
    assert found.keys() == model.fitted.keys()
    for name, array in found.items():
        assert array.tobytes() == model.fitted[name].tobytes()


def test_the_evidence_of_an_actor_is_that_of_his_record():
    model = learned(toy_corpus())  # genres: Comedy, Drama, War; actors: a, b, c, d, z, x
    assert model.base.tolist() == [3.5 / 9, 3.5 / 9, 2.5 / 9]
    assert model.counts[:2].tolist() == [[0, 2, 2], [0, 2, 1]]
    assert model.careers.tolist() == [3, 2, 3, 2, 1, 1]
    record = (2 + STRENGTH * 3.5 / 9) / (3 + STRENGTH)  # of Ada for Drama
    odds = record / (1 - record) / (3.5 / 5.5)
    assert model.evidence(np.array([0]))[0, 1] == pytest.approx(np.log2(odds))
    assert model.evidence(np.array([0]))[0, 0] < 0 < model.evidence(np.array([0]))[0, 2]


def test_the_features_of_a_cast_are_those_counted_by_hand():
    corpus = toy_corpus()
    model, casts = learned(corpus), build_incidence(corpus).matrix
    own = Facts.of(corpus)
    known, features_of = model._features(casts, own)
    # z, in m6, and x, in m8, play in one movie only; m7 has no cast
    assert known.tolist() == [True] * 6 + [False] * 2
    base = 3.5 / 9

    def log_odds(n_with, n):
        share = (n_with + STRENGTH * base) / (n + STRENGTH)
        return np.log(share / (1 - share)) - np.log(base / (1 - base))

    # Drama in m1: without m1 Ada has 1 of 2 and Bo 1 of 1; in m2 the same
    ada, bo = log_odds(1, 2), log_odds(1, 1)
    pooled = (2 + STRENGTH * base) / (3 + STRENGTH) - base
    first = features_of(1)[0]
    assert first[:5] == pytest.approx([ada + bo, max(ada, bo), pooled, np.log(3), np.log(4)])
    years = model._mean_years(casts, own) + model.middle
    assert years[0] == pytest.approx((1935 + 1940 + 1935 + model.middle) / 4)


def test_a_movie_is_left_out_of_the_records_of_its_actors(corpus, model):
    casts, facts = build_incidence(corpus).matrix, Facts.of(corpus)
    movie = np.flatnonzero(casts.sum(axis=1) > 3)[0]
    rest = np.delete(np.arange(corpus.n_movies), movie)
    without = GenreModel.with_fitted(casts[rest], Facts.of(corpus, rest), model.fitted)
    # the records of another model, with the base shares and the middle year of this one
    same = {name: getattr(model, name) for name in ("base", "modelled", "middle", "fitted")}
    records = {name: getattr(without, name) for name in ("counts", "careers", "dated")}
    years = without.years + without.dated * (without.middle - model.middle)
    again = GenreModel(**same, **records, years=years)
    own = Facts(facts.genres[[movie]], facts.years[[movie]])
    np.testing.assert_allclose(
        model.predict(casts[[movie]], own=own), again.predict(casts[[movie]]), atol=1e-12
    )


def test_a_cast_without_a_known_actor_gets_the_overall_shares(model):
    nobody = sp.csr_array((2, len(model.careers)))
    np.testing.assert_allclose(model.predict(nobody), [model.base] * 2)


def gain(predicted: np.ndarray, base: np.ndarray, happened: np.ndarray) -> float:
    """Return the bits per movie, summed over genres, that predictions gain on overall shares."""
    ratio = np.where(happened, predicted / base, (1 - predicted) / (1 - base))
    return float(np.log2(ratio).sum(axis=1).mean())


def films_of_known_odds(n_movies: int, n_actors: int) -> tuple[sp.csr_array, Facts, np.ndarray]:
    """Return casts and facts of movies, and the probabilities from which genres were drawn."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(1, 5, n_movies)
    where = np.repeat(np.arange(n_movies), sizes), rng.integers(0, n_actors, sizes.sum())
    casts = sp.csr_array((np.ones(sizes.sum()), where), shape=(n_movies, n_actors))
    casts.data[:] = 1
    tendencies = rng.normal(0, 1.5, (n_actors, 3))
    odds = casts @ tendencies / np.sqrt(sizes)[:, None] - [0, 1, 2]
    has = rng.random(odds.shape) < expit(odds)
    return casts, Facts(sp.csr_array(has.astype(float)), np.full(n_movies, np.nan)), expit(odds)


def test_held_out_movies_are_predicted_well_and_calibrated():
    casts, facts, true = films_of_known_odds(6000, 400)
    old, new = split_movies(6000, 0.8, 1)
    model = GenreModel.learn(casts[old], Facts(facts.genres[old], facts.years[old]))
    predicted, happened = model.predict(casts[new]), facts.genres[new].toarray()
    base = smoothed_shares(facts.genres[old])
    assert gain(predicted, base, happened) > 0.6 * gain(true[new], base, happened) > 0.3
    bins = (predicted * 10).astype(int).ravel()
    n = np.bincount(bins, minlength=10)
    assert n.min() > 30
    error = np.bincount(bins, (predicted - happened).ravel(), minlength=10) / n
    variance = np.bincount(bins, (predicted * (1 - predicted)).ravel(), minlength=10)
    assert (np.abs(error) <= np.maximum(0.02, 3 * np.sqrt(variance) / n)).all()


def test_shuffled_casts_predict_nothing(corpus):
    """Without leaving each movie out of its records, this would look like knowledge."""
    casts = shuffle_casts(build_incidence(corpus), random_state=3).matrix
    old, new = split_movies(corpus.n_movies, 0.8, 3)
    model = GenreModel.learn(casts[old], Facts.of(corpus, old))
    genres = corpus.genre_matrix()[0]
    happened = genres[new].toarray()
    assert gain(model.predict(casts[new]), smoothed_shares(genres[old]), happened) < 0.05


def test_a_given_genre_improves_the_other_genres_of_held_out_movies(corpus):
    casts, genres = build_incidence(corpus).matrix, corpus.genre_matrix()[0]
    old, new = split_movies(corpus.n_movies, 0.8, 5)
    model = GenreModel.learn(casts[old], Facts.of(corpus, old))
    rows, given_genres = genres[new].nonzero()
    one = sp.csr_array((np.ones(len(rows)), (np.arange(len(rows)), given_genres)))
    one.resize((len(rows), genres.shape[1]))
    happened, others = genres[new].toarray()[rows], one.toarray() == 0
    without = model.predict(casts[new][rows])
    with_one = model.predict(casts[new][rows], given=one)
    assert (with_one[~others] == 1).all()

    def loss(p: np.ndarray) -> float:
        return -np.log2(np.where(happened > 0, p, 1 - p))[others].sum() / len(rows)

    assert loss(with_one) < loss(without)


def test_several_given_genres_add_up_and_are_divided_by_the_root_of_their_number(model):
    nobody = sp.csr_array((1, len(model.careers)))
    two = sp.csr_array(np.eye(len(model.base))[[0]] + np.eye(len(model.base))[[1]])
    shift = model.fitted["shifts"][0][:2].sum(axis=0) / np.sqrt(2)
    wanted = expit(logit(model.base) + shift)
    np.testing.assert_allclose(model.predict(nobody, given=two)[0, 2:], wanted[2:])


def test_a_genre_given_alone_is_counted():
    model = learned(toy_corpus())
    nobody = sp.csr_array((1, len(model.careers)))
    war = sp.csr_array([[0.0, 0.0, 1.0]])
    drama = (1 + STRENGTH * 3.5 / 9) / (2 + STRENGTH)  # 1 of the 2 movies with War
    assert model.predict(nobody, given=war)[0, 1] == pytest.approx(drama, abs=1e-6)


def test_the_order_of_movies_and_actors_has_no_influence(corpus, model):
    rng = np.random.default_rng(8)
    casts = build_incidence(corpus).matrix
    movies, actors = (rng.permutation(n) for n in casts.shape)
    other = casts[movies][:, actors]
    again = GenreModel.learn(other, Facts.of(corpus, movies))
    for name, fitted in model.fitted.items():
        np.testing.assert_allclose(again.fitted[name], fitted, atol=2e-6)
    predicted = again.predict(other)
    np.testing.assert_allclose(predicted, model.predict(casts)[movies], atol=1e-6)


def test_a_calibration_never_falls(model):
    slopes = np.cumsum(model.fitted["second"][:, :-1], axis=1)
    assert (slopes >= -1e-6).all()


def test_what_was_saved_predicts_the_same(corpus, model, tmp_path):
    casts = build_incidence(corpus).matrix
    model.save(tmp_path / "model.npz")
    again = GenreModel.load(tmp_path / "model.npz", casts, Facts.of(corpus))
    np.testing.assert_array_equal(again.predict(casts), model.predict(casts))
    assert (tmp_path / "model.npz").stat().st_size < 50_000


@given(corpus=corpora())
@hypothesis.settings(deadline=None, max_examples=30)
def test_any_corpus_gives_probabilities(corpus):
    model, facts = learned(corpus), Facts.of(corpus)
    casts = build_incidence(corpus).matrix
    for options in ({}, {"own": facts}, {"given": facts.genres}):
        predicted = model.predict(casts, **options)
        assert predicted.shape == facts.genres.shape
        assert ((predicted > 0) & (predicted <= 1)).all()
    assert (model.predict(casts) < 1).all()


def test_only_the_most_frequent_genres_are_modelled(corpus, model, monkeypatch):
    monkeypatch.setattr(genre_model, "MOST_GENRES", 3)
    casts, genres = build_incidence(corpus).matrix, Facts.of(corpus).genres
    few = learned(corpus)
    most = np.argsort(-genres.sum(axis=0), kind="stable")[:3]
    assert few.modelled.tolist() == sorted(most)
    assert few.counts.shape == (corpus.n_actors, 3)
    assert few.fitted["shifts"].shape == (2, 3, 3)
    np.testing.assert_array_equal(few.base, model.base)
    np.testing.assert_array_equal(few.predict(casts), model.predict(casts)[:, few.modelled])
    actors = np.arange(5)
    np.testing.assert_array_equal(few.evidence(actors), model.evidence(actors)[:, few.modelled])
    # a given genre counts if it is modelled, and only then
    nobody, given = sp.csr_array((len(model.base), corpus.n_actors)), np.eye(len(model.base))
    found = few.predict(nobody, given=sp.csr_array(given))
    others = np.setdiff1d(np.arange(len(model.base)), few.modelled)
    np.testing.assert_allclose(found[others], [few.base[few.modelled]] * len(others))
    assert (found[few.modelled] == 1).sum(axis=1).tolist() == [1, 1, 1]
