"""Evaluation: stability, held-out information and nulls, against planted truths and chance."""

import threading
import warnings
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import recipe_of
from corpora import clustering_of, toy_corpus
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mutual_info_score

from imdbclust import evaluation as ev
from imdbclust.clustering import EMPTY_CLUSTERS_ARE_FINE, UNPLACED
from imdbclust.datasets.made_up.sample import make_filmography, planted_troupes
from imdbclust.evaluation import held_out
from imdbclust.evaluation.held_out import (
    choose_window,
    genre_bits,
    joint_information,
    log_loss_gain,
    score_held_out,
    score_in_time,
    smoothed_shares,
    split_in_time,
)
from imdbclust.evaluation.intervals import pool_calibration
from imdbclust.evaluation.nulls import RARE, compare_with_null, era_codes, permuted_bits
from imdbclust.evaluation.overall import WITHOUT_FORM, Evaluation
from imdbclust.evaluation.recipe import Effort, Fitted
from imdbclust.evaluation.stability import compare_fits, over_seeds, over_subsamples
from imdbclust.load import CorpusBuilder
from imdbclust.matrix import build_incidence, shuffle_casts
from imdbclust.new_movies import genre_model
from imdbclust.new_movies.genre_model import Facts, GenreModel


@pytest.fixture(scope="module")
def sample():
    """Return 1,500 movies with eight planted troupes that the casts follow."""
    return make_filmography(1500, 1300, n_troupes=8, signal=0.95, castless=0.02, random_state=5)


@pytest.fixture(scope="module")
def incidence(sample):
    return build_incidence(sample.corpus)


PREDICTORS = (
    "nearest", "likeliest", "posterior",
    "decade", "decade_and_nearest", "decade_and_likeliest", "decade_and_posterior",
)  # fmt: skip

RECIPE = recipe_of("recommended").with_(n_clusters=8, n_init=4)


def with_labels(films, labels, n_clusters):
    """Return a fit that knows the label of every movie, fitted or held out."""
    ids = pd.Index(films.corpus.movies["movie_id"])
    casts = build_incidence(films.corpus).matrix
    keys = {row.tobytes(): label for row, label in zip(_rows(casts), labels, strict=True)}

    def fit(incidence, random_state):
        known = labels[ids.get_indexer(incidence.movie_ids)]
        return Fitted(
            known, n_clusters, lambda new: np.array([keys[row.tobytes()] for row in _rows(new)])
        )

    return fit


def truth_of(films):
    """Return a fit that knows every movie's troupe."""
    return with_labels(films, films.movie_troupe, 8)


def _rows(casts):
    return [np.sort(casts[[row]].indices) for row in range(casts.shape[0])]


def by_chance(n_clusters):
    """Return a fit that draws labels."""

    def fit(incidence, random_state):
        rng = np.random.default_rng(random_state)
        return Fitted(
            rng.integers(0, n_clusters, incidence.shape[0]),
            n_clusters,
            lambda casts: rng.integers(0, n_clusters, casts.shape[0]),
        )

    return fit


# stability


def test_the_truth_comes_back_with_any_seed_and_on_any_part(sample, incidence):
    fit = truth_of(sample)
    seeds = over_seeds(fit, incidence, fit(incidence, 0), n_seeds=3, random_state=0)
    assert seeds["ari"].tolist() == [1.0] * 3
    parts, pairs = over_subsamples(fit, incidence, n_subsamples=4, random_state=0)
    assert pairs["ari"].tolist() == [1.0] * 6
    for part in parts:
        assert len(part.trained) == 1200
        everything = np.sort(np.concatenate([part.trained, part.held_out]))
        assert everything.tolist() == list(range(1500))


def test_chance_does_not_come_back(incidence):
    fit = by_chance(8)
    seeds = over_seeds(fit, incidence, fit(incidence, 0), n_seeds=3, random_state=0)
    assert seeds["ari"].abs().max() < 0.02
    _, pairs = over_subsamples(fit, incidence, n_subsamples=3, random_state=0)
    assert pairs["ari"].abs().max() < 0.02


def test_unplaced_movies_are_left_out_of_a_comparison(incidence):
    labels = np.arange(incidence.shape[0]) % 4
    other = labels.copy()
    other[::3] = UNPLACED
    everything = np.arange(len(labels))
    fits = [(everything, Fitted(some, 4, None)) for some in (labels, other)]
    assert compare_fits(fits)["ari"].tolist() == [1.0]
    nowhere = np.full(len(labels), UNPLACED)
    fits = [(everything, Fitted(some, 4, None)) for some in (labels, nowhere)]
    assert compare_fits(fits)["ari"].isna().all()


# information


def test_held_out_bits_are_the_reduction_of_the_log_loss(sample, incidence):
    (part,), _ = over_subsamples(truth_of(sample), incidence, n_subsamples=1, random_state=3)
    scored = score_held_out(sample.corpus, incidence, part)
    genres = sample.corpus.genre_matrix()[0].toarray()
    has, troupe = genres[part.trained], sample.movie_troupe
    base = (has.sum(axis=0) + 0.5) / (len(has) + 1)
    gain, n = np.zeros(genres.shape[1]), 0
    for movie in part.held_out:
        if not incidence.cast_sizes()[movie]:
            continue
        alike = has[troupe[part.trained] == troupe[movie]]
        share = (alike.sum(axis=0) + base) / (len(alike) + 1)
        for genre, there in enumerate(genres[movie]):
            p, q = (share[genre], base[genre]) if there else (1 - share[genre], 1 - base[genre])
            gain[genre] += np.log2(p / q)
        n += 1
    np.testing.assert_allclose(scored.bits["nearest"], gain / n, atol=1e-12)
    assert scored.bits["nearest"].sum() > 1
    assert scored.agreement["movies"].tolist() == [n]


def test_the_cast_alone_is_a_predictor_where_it_is_asked_for(sample, incidence):
    (part,), _ = over_subsamples(truth_of(sample), incidence, n_subsamples=1, random_state=3)
    scored = score_held_out(sample.corpus, incidence, part, cast=True)
    without = score_held_out(sample.corpus, incidence, part)
    assert without.calibration_of_cast is None
    assert "cast" not in without.bits
    pd.testing.assert_frame_equal(scored.bits.drop(columns="cast"), without.bits)
    model = GenreModel.learn(incidence.matrix[part.trained], Facts.of(sample.corpus, part.trained))
    new = part.held_out[incidence.cast_sizes()[part.held_out] > 0]
    predicted = model.predict(incidence.matrix[new])
    genres = sample.corpus.genre_matrix()[0]
    base, has = smoothed_shares(genres[part.trained]), genres[new].toarray()
    ratio = np.where(has, predicted / base, (1 - predicted) / (1 - base))
    np.testing.assert_allclose(scored.bits["cast"], np.log2(ratio).mean(axis=0))
    assert scored.calibration_of_cast["n"].sum() == predicted.size


def test_every_predictor_by_plain_counting(sample, incidence):
    # troupe 7 is unplaced: a group like the rest
    corpus, troupe = sample.corpus, sample.movie_troupe
    fit = with_labels(sample, np.where(troupe == 7, UNPLACED, troupe), 7)
    (part,), _ = over_subsamples(fit, incidence, n_subsamples=1, random_state=2)
    scored = score_held_out(corpus, incidence, part).bits
    genres = corpus.genre_matrix()[0].toarray()
    casts, decades = incidence.matrix.toarray() > 0, ev.decade_codes(corpus)
    old = part.trained
    base = (genres[old].sum(axis=0) + 0.5) / (len(old) + 1)

    def shares(movies, prior, weight):
        return (genres[movies].sum(axis=0) + weight * prior) / (len(movies) + weight)

    by_group = [shares(old[troupe[old] == group], base, 1) for group in range(8)]
    by_decade = [shares(old[decades[old] == decade], base, 1) for decade in range(3)]
    by_both = {}
    for group in range(8):
        for decade in range(3):
            seen = (decades[old] == decade).sum()
            prior = (seen * by_decade[decade] + 16 * by_group[group]) / (seen + 16)
            cell = old[(troupe[old] == group) & (decades[old] == decade)]
            by_both[group, decade] = shares(cell, prior, 16)

    sizes = np.array([(troupe[old] == group).sum() for group in range(7)])
    p_group = (sizes + 0.5) / (sizes.sum() + 3.5)
    counts = np.stack([casts[old[troupe[old] == group]].sum(axis=0) for group in range(7)])

    def weights(cast):
        product, known = p_group.copy(), False
        for actor in np.flatnonzero(cast):
            career = counts[:, actor].sum()
            known |= career > 0
            product *= (counts[:, actor] + 2 * p_group) / (career + 2) / p_group
        return np.append(product / product.sum(), 0) if known else np.eye(8)[7]

    new = [movie for movie in part.held_out if casts[movie].any()]
    gains = {name: [] for name in PREDICTORS}
    for movie in new:
        own, now, given = troupe[movie], decades[movie], weights(casts[movie])
        likeliest = given.argmax()
        predicted = {
            "nearest": by_group[own],
            "likeliest": by_group[likeliest],
            "posterior": sum(given[group] * by_group[group] for group in range(8)),
            "decade": by_decade[now],
            "decade_and_nearest": by_both[own, now],
            "decade_and_likeliest": by_both[likeliest, now],
            "decade_and_posterior": sum(given[group] * by_both[group, now] for group in range(8)),
        }
        for name, p in predicted.items():
            odds = np.where(genres[movie] > 0, p / base, (1 - p) / (1 - base))
            gains[name].append(np.log2(odds))
    assert list(scored) == list(PREDICTORS)
    for name, gain in gains.items():
        np.testing.assert_allclose(scored[name], np.mean(gain, axis=0), atol=1e-10, err_msg=name)
    by_movie = score_held_out(corpus, incidence, part).movies
    assert list(by_movie) == list(PREDICTORS)
    np.testing.assert_allclose(by_movie.mean(), scored.sum(), atol=1e-12)
    assert len(by_movie) == len(new)


def test_clusters_of_a_part_are_matched_to_those_of_all_movies(sample, incidence):
    other_numbers = (sample.movie_troupe * 3 + 1) % 8
    fit = with_labels(sample, other_numbers, 8)
    (part,), _ = over_subsamples(fit, incidence, n_subsamples=1, random_state=2)
    whole = truth_of(sample)(incidence, 0)
    agreement = score_held_out(sample.corpus, incidence, part, whole=whole).agreement.iloc[0]
    assert agreement["nearest"] == 1.0
    assert agreement["posterior"] > 0.9
    alone = score_held_out(sample.corpus, incidence, part).agreement.iloc[0]
    assert alone[["nearest", "posterior"]].isna().all()


def test_random_clusters_carry_no_bits(sample, incidence):
    (part,), _ = over_subsamples(by_chance(8), incidence, n_subsamples=1, random_state=3)
    scored = score_held_out(sample.corpus, incidence, part).bits.sum()
    n_shares = 7 * sample.corpus.genre_matrix()[0].shape[1]
    cost = n_shares / (2 * np.log(2) * len(part.trained))  # of estimating shares that do not differ
    assert -4 * cost < scored["nearest"] < 0.01
    assert -4 * cost < scored["decade_and_nearest"] - scored["decade"] < 0.01


def test_what_is_counted_of_held_out_movies_is_all_of_them(sample, incidence):
    (part,), _ = over_subsamples(RECIPE.fit, incidence, n_subsamples=1, random_state=3)
    whole = RECIPE.fit(incidence, 0)
    scored = score_held_out(sample.corpus, incidence, part, whole=whole)
    one = scored.counts[scored.counts["genre"] == scored.counts["genre"].iloc[0]]
    assert one["trained"].sum() == len(part.trained)
    assert one["new"].sum() == (incidence.cast_sizes()[part.held_out] > 0).sum()
    assert (scored.counts["new_with"] <= scored.counts["new"]).all()
    assert (scored.counts["trained_with"] <= scored.counts["trained"]).all()
    assert (
        scored.calibration["n"].sum() == one["new"].sum() * sample.corpus.genre_matrix()[0].shape[1]
    )
    agreement = scored.agreement.iloc[0]
    assert agreement["placed"] > 0.9
    assert agreement["nearest"] > 0.8
    assert agreement["posterior"] > 0.8


def test_for_an_unseen_decade_the_cluster_alone_predicts(sample, incidence):
    part = split_in_time(truth_of(sample), sample.corpus, incidence, year=2010, random_state=0)
    years = sample.corpus.movies["year"]
    assert (years.iloc[part.trained] < 2010).all()
    assert (years.iloc[part.held_out] >= 2010).all()
    scored = score_held_out(sample.corpus, incidence, part).bits.sum()
    assert scored["decade"] == pytest.approx(0, abs=1e-12)
    assert scored["decade_and_nearest"] == pytest.approx(scored["nearest"], abs=1e-9)


def corpus_of_years(shares):
    """Return 200 movies a year, and the share of them with the only genre; casts say nothing."""
    builder = CorpusBuilder()
    for year, share in shares.items():
        for number in range(200):
            genres = ["War"] if number < round(share * 200) else []
            actor = f"nm{number % 17}"
            builder.add(f"m{year}-{number}", "M", genres, [(actor, actor)], year=year)
    return builder.build()


def test_the_window_is_chosen_on_earlier_splits_only():
    rising = {year: 0.1 + 0.01 * (year - 1950) for year in range(1950, 2010)}
    corpus = corpus_of_years(rising)
    chosen = choose_window(corpus, build_incidence(corpus), 2000)
    assert chosen == 1  # of a rising share, the last year predicts best
    later = corpus_of_years(rising | dict.fromkeys(range(2000, 2010), 0.0))
    assert choose_window(later, build_incidence(later), 2000) == chosen
    level = corpus_of_years({year: 0.1 + 0.2 * (year % 2) for year in range(1950, 2010)})
    assert choose_window(level, build_incidence(level), 2000) > 1
    assert choose_window(corpus, build_incidence(corpus), 1960) == 20  # no earlier split


def test_the_baseline_of_a_split_in_time_is_the_last_years_before_it():
    rising = {year: 0.1 + 0.01 * (year - 1950) for year in range(1950, 2010)}
    corpus = corpus_of_years(rising)
    fit = by_chance(4)
    found = score_in_time(fit, corpus, build_incidence(corpus), year=2000, random_state=0)
    assert found.window == 1
    rows = found.bits.set_index("predictor")
    base = (200 * sum(rising[year] for year in range(1950, 2000)) + 0.5) / 10_001
    last, happened = (
        (200 * rising[1999] + base) / 201,
        np.mean([rising[y] for y in range(2000, 2010)]),
    )
    by_hand = happened * np.log2(last / base) + (1 - happened) * np.log2((1 - last) / (1 - base))
    assert rows.loc["last_years", "bits"] == pytest.approx(by_hand)
    assert rows.loc["last_years", "beyond_last_years"] == 0
    assert "decade" not in rows.index
    # clusters by chance add nothing
    for name in ("nearest", "posterior"):
        added = rows.loc[f"last_years_and_{name}"]
        assert added["beyond_last_years"] == pytest.approx(added["bits"] - by_hand)
        assert added["beyond_last_years"] < 2 * added["standard_error"]


@pytest.mark.parametrize("year", [1, 9999])
def test_a_split_with_an_empty_side_returns_none(year, sample, incidence):
    found = split_in_time(RECIPE.fit, sample.corpus, incidence, year=year, random_state=0)
    assert found is None


def test_a_split_with_too_few_movies_before_the_year_returns_none():
    corpus = make_filmography(300, 240, since=2004, random_state=7).corpus
    assert (corpus.movies["year"] < 2005).sum() == 2
    found = split_in_time(RECIPE.fit, corpus, build_incidence(corpus), year=2005, random_state=0)
    assert found is None


def test_in_sample_bits_are_mutual_information():
    corpus = toy_corpus()
    labels = np.array([0, 0, 1, 1, 1, UNPLACED, 0, UNPLACED])
    genres, _ = corpus.genre_matrix()
    by_hand = [mutual_info_score(labels, has) / np.log(2) for has in genres.toarray().T]
    np.testing.assert_allclose(genre_bits(labels, genres), by_hand, atol=1e-12)


def test_joint_information_is_about_the_set_of_genres_and_corrected_for_chance(sample):
    corpus = sample.corpus
    clustering = clustering_of(corpus, sample.movie_troupe)
    found = joint_information(corpus, clustering)
    genres, _ = corpus.genre_matrix()
    sets = np.array(["".join(map(str, row)) for row in genres.toarray().astype(int)])
    assert found["raw"] == pytest.approx(mutual_info_score(sample.movie_troupe, sets) / np.log(2))
    shares = pd.Series(sets).value_counts(normalize=True)
    assert found["entropy"] == pytest.approx(-(shares * np.log2(shares)).sum())
    rng = np.random.default_rng(0)
    permuted = [
        mutual_info_score(rng.permutation(sample.movie_troupe), sets) / np.log(2) for _ in range(50)
    ]
    assert found["by_chance"] == pytest.approx(np.mean(permuted), rel=0.02)
    assert found["bits"] == pytest.approx(found["raw"] - found["by_chance"])
    by_chance = clustering_of(corpus, rng.permutation(sample.movie_troupe))
    assert abs(joint_information(corpus, by_chance)["bits"]) < 0.05


def test_decades_and_eras_of_movies():
    builder = CorpusBuilder()
    years = [1931, 1935, None, 1999, *[2001] * 3]
    for number, year in enumerate(years):
        builder.add(f"m{number}", "M", ["Drama"], [], year=year)
    corpus = builder.build()
    assert ev.decade_codes(corpus).tolist() == [0, 0, 3, 1, 2, 2, 2]
    eras = era_codes(corpus, least=3)
    assert eras[0] == eras[1]  # both years are sparse, the decade is one
    assert (eras[4:] == 2001).all()
    assert len({eras[0], eras[2], eras[3], eras[4]}) == 4


# nulls


def test_labels_that_follow_the_strata_lose_nothing_by_permutation():
    genres = sp.csr_array((np.arange(300) % 2).reshape(-1, 1).astype(float))
    labels = np.arange(300) % 2
    usual = {"n_permutations": 20, "random_state": 0}
    same = permuted_bits(labels, genres, strata=labels, **usual)
    np.testing.assert_allclose(same, 1.0)
    mixed = permuted_bits(labels, genres, strata=np.zeros(300, dtype=int), **usual)
    assert mixed.max() < 0.05


def test_labels_that_have_nothing_to_do_with_strata_have_the_same_mean_by_permutation():
    rng = np.random.default_rng(0)
    genres = sp.csr_array((rng.random((400, 6)) < 0.3).astype(float))
    strata, usual = rng.integers(0, 9, 400), {"n_permutations": 100, "random_state": 0}
    observed = [
        genre_bits(np.random.default_rng(seed).integers(0, 5, 400), genres).sum()
        for seed in range(100)
    ]
    labels = rng.integers(0, 5, 400)
    permuted = permuted_bits(labels, genres, strata, **usual)
    assert permuted.mean() == pytest.approx(np.mean(observed), rel=0.1)
    assert len(np.unique(permuted)) > 90
    assert (permuted == permuted_bits(labels, genres, strata, **usual)).all()


def test_comparison_with_a_null_by_hand():
    found = compare_with_null(3.0, [1.0, 1.0, 2.0, 2.0, 4.0])
    assert found["null_mean"] == 2.0
    assert found["spread"] == pytest.approx(np.sqrt(6 / 4))
    assert found["z"] == pytest.approx(1 / np.sqrt(6 / 4))
    assert found["p"] == pytest.approx(2 / 6)
    few = compare_with_null(3.0, [1.0])
    assert few["null_mean"] == 1.0
    assert np.isnan([few["spread"], few["z"], few["p"]]).all()
    assert np.isnan(compare_with_null(3.0, [2.0] * 5)["z"])


def test_an_observed_value_is_above_its_null_only_by_what_is_rare_there():
    found = compare_with_null(3.0, [1.0, 1.0, 2.0])
    margin = stats.t.ppf(0.95, 2) * np.sqrt(1 / 3) * np.sqrt(4 / 3)
    assert found["limit"] == pytest.approx(4 / 3 + margin)
    assert np.isnan(compare_with_null(3.0, [1.0, 2.0])["limit"])
    assert compare_with_null(3.0, [2.0] * 3)["limit"] == 2.0
    rng = np.random.default_rng(0)
    for n in (3, 5, 10):  # whatever their number, chance alone is above the limit as rarely
        nulls = rng.normal(size=(2000, n + 1))
        above = [one[0] > compare_with_null(one[0], one[1:])["limit"] for one in nulls]
        assert np.mean(above) == pytest.approx(RARE, abs=0.015)


def evaluation_with(nulls):
    """Return an evaluation with rows of null, measure, observed and limit."""
    table = pd.DataFrame(nulls, columns=["null", "measure", "observed", "limit"])
    return Evaluation(None, None, None, {}, [], None, table, [], [], None)


def test_trust_puts_measures_beside_the_ranges_of_their_nulls():
    pairs = pd.DataFrame({"over": ["seeds", "subsamples", "subsamples"], "ari": [0.9, 0.6, 0.8]})
    bits = {"likeliest": 1.2, "posterior": 1.3, "beyond_decade_posterior": np.nan}
    information = pd.DataFrame([{"genres": "all", **bits}])
    nulls = pd.DataFrame(
        [
            (OVER_ALL, "ari_subsamples", 0.1, 0.05),
            (WITHIN, "ari_subsamples", 0.5, np.nan),
            (OVER_ALL, "held_out", -0.2, 0.1),
            (ev.WITHIN_YEAR, "bits", 1.0, 0.1),
        ],
        columns=["null", "measure", "null_mean", "spread"],
    )
    spread = {"likeliest": 0.03}
    found = Evaluation(
        pairs, information, information, spread, [], None, nulls, [], [], None
    ).trust()
    names = ["refits with other seeds", "refits on random 80% of the movies"]
    names += ["most probable cluster", "Pr[cluster | cast]"]
    assert found["measure"].drop_duplicates().tolist() == names  # what is undefined is left out
    assert found["null"].dropna().tolist() == [OVER_ALL, WITHIN, OVER_ALL]
    expected = [
        [0.9, np.nan, np.nan, np.nan],
        [0.7, np.sqrt(0.02), 0.0, 0.2],
        [0.7, np.sqrt(0.02), 0.5, 0.5],
        [1.2, 0.03, -0.4, 0.0],
        [1.3, np.nan, np.nan, np.nan],
    ]
    numbers = found[["observed", "spread", "low", "high"]].to_numpy()
    np.testing.assert_allclose(numbers, expected, atol=1e-12)


WITHIN, OVER_ALL = ev.SHUFFLED_WITHIN_YEAR, ev.SHUFFLED


@pytest.mark.parametrize(
    ("nulls", "verdict", "above"),
    [
        ([(WITHIN, "bits", 1, 0.5), (OVER_ALL, "bits", 1, 0.1)], "structure", ["bits"]),
        ([(WITHIN, "bits", 0.4, 0.5), (OVER_ALL, "bits", 0.4, 0.1)], "era", ["bits"]),
        ([(WITHIN, "bits", 1, 0.5), (OVER_ALL, "bits", 1, 1)], "noise", []),
        # negative bits far above those of shuffled casts are not noise
        ([(WITHIN, "bits", -0.15, 0.1), (OVER_ALL, "bits", -0.15, -0.4)], "era", ["bits"]),
        ([(OVER_ALL, "bits", 1, 2), (OVER_ALL, "ari", 0.5, 0.4)], "undated", ["ari"]),
        ([(WITHIN, "bits", 1, np.nan), (OVER_ALL, "bits", 1, np.nan)], "unknown", []),
        ([(OVER_ALL, "bits", 0, 0), (OVER_ALL, "ari", np.nan, 0.1)], "noise", []),
    ],
)
def test_verdicts_by_hand(nulls, verdict, above):
    found = evaluation_with(nulls)
    assert found.verdict == verdict
    assert found.above(OVER_ALL) == above
    assert np.isnan(found.null(ev.WITHIN_YEAR, "bits", "limit"))


SOME = Effort(n_seeds=1, n_subsamples=3, n_shuffles=5, n_permutations=5, n_casts=1, n_curve=0)
SMALL = RECIPE.with_(n_clusters=4, n_components=6, n_init=2)


@pytest.fixture(scope="module")
def few():
    """Return 700 movies with four planted troupes, and their matrix."""
    films = make_filmography(700, 500, n_troupes=4, signal=0.95, random_state=5)
    return films, build_incidence(films.corpus)


@pytest.fixture(scope="module")
def dated(few):
    """Return the movies with years such that troupe and year are one."""
    films, _ = few
    movies = films.corpus.movies.assign(year=pd.array(1900 + 15 * films.movie_troupe, "Int16"))
    return replace(films.corpus, movies=movies)


def judged(corpus, incidence):
    return ev.evaluate(SMALL.fit, corpus, incidence, SOME, random_state=0)


def test_planted_troupes_are_more_than_noise_and_eras(few):
    films, incidence = few
    found = judged(films.corpus, incidence)
    assert found.verdict == "structure"
    # what is observed on parts is compared with parts
    parts, pairs = over_subsamples(SMALL.fit, incidence, n_subsamples=3, random_state=0)
    genres, _ = films.corpus.genre_matrix()
    bits = [genre_bits(part.fit.labels, genres[part.trained]).sum() for part in parts]
    observed = found.nulls.set_index(["null", "measure"])["observed"]
    assert observed[OVER_ALL, "bits_on_parts"] == pytest.approx(np.mean(bits))
    assert observed[OVER_ALL, "ari_subsamples"] == pytest.approx(pairs["ari"].mean())
    assert observed[ev.WITHIN_YEAR, "bits"] == pytest.approx(found.bits("in_sample"))
    assert (found.nulls["n"] == 5).all()
    # five measures share the probability of a false alarm
    row = found.nulls.set_index(["null", "measure"]).loc[(OVER_ALL, "ari_subsamples")]
    margin = stats.t.ppf(1 - RARE / 5, 4) * row["spread"] * np.sqrt(6 / 5)
    assert row["limit"] == pytest.approx(row["null_mean"] + margin)


@pytest.mark.parametrize("seed", [1, 2])
def test_casts_shuffled_over_all_years_are_noise(seed, few):
    films, incidence = few
    found = judged(films.corpus, shuffle_casts(incidence, random_state=seed))
    assert found.verdict == "noise"
    assert found.metrics()["more_than_noise"] is False


def test_casts_shuffled_within_years_are_no_more_than_eras(few, dated):
    _, incidence = few
    assert judged(dated, incidence).verdict == "era"
    shuffled = shuffle_casts(incidence, random_state=1, strata=era_codes(dated))
    assert judged(dated, shuffled).verdict == "era"


def test_movies_of_one_era_are_not_shuffled_within_it(few):
    films, incidence = few
    undated = films.corpus.movies.assign(year=pd.array([pd.NA] * 700, "Int16"))
    found = judged(replace(films.corpus, movies=undated), incidence)
    assert found.verdict == "undated"
    assert WITHIN not in found.nulls["null"].tolist()
    assert "more_than_era" not in found.metrics()
    assert found.in_time is None


def test_movies_without_genres_are_judged_by_their_agreement(few):
    films, incidence = few
    genres = films.corpus.genres[:0].copy()
    genres["genre"] = genres["genre"].cat.remove_unused_categories()
    corpus = replace(films.corpus, genres=genres)
    found = judged(corpus, incidence)
    assert found.verdict == "structure"
    assert found.above(WITHIN) == ["ari_subsamples"]
    assert judged(corpus, shuffle_casts(incidence, random_state=1)).verdict == "noise"


def test_fewer_shuffles_of_many_movies_only_where_time_is_saved():
    assert [ev.EFFORTS["quick"].shuffles(n) for n in (19_999, 20_000)] == [8, 3]
    assert [ev.EFFORTS["full"].shuffles(n) for n in (19_999, 20_000)] == [10, 10]


# whole evaluations


def test_an_evaluation_is_whole_and_the_same_twice(sample, incidence):
    effort = Effort(
        n_seeds=2, n_subsamples=2, n_shuffles=1, n_permutations=10, n_casts=1, n_curve=1
    )
    options = {"form_tags": ["Western"], "split_year": 2010, "random_state": 3}
    one, two = (
        ev.evaluate(RECIPE.fit, sample.corpus, incidence, effort, **options) for _ in range(2)
    )
    assert one.metrics() == two.metrics()
    assert all(np.isfinite(value) for value in one.metrics().values())
    assert one.ari("subsamples") > 0.7
    assert one.bits("likeliest") > 10 * one.null(OVER_ALL, "held_out")
    assert one.verdict == "unknown"
    assert one.null(ev.WITHIN_YEAR, "bits") < one.bits("in_sample")
    totals = one.by_genre.drop(columns=["genre", "movies"]).sum()
    for name, value in totals.items():
        assert one.bits(name) == pytest.approx(value)
    western = one.by_genre.set_index("genre").loc["Western", "nearest"]
    without = one.bits("nearest") - one.bits("nearest", WITHOUT_FORM)
    assert without == pytest.approx(western)
    assert one.in_time is not None


def test_genres_of_the_same_movies_are_in_order_of_their_names(few, monkeypatch):
    films, incidence = few
    genres = films.corpus.genres.astype({"genre": str})
    of_drama = genres[genres["genre"] == "Drama"]
    twins = [of_drama.assign(genre=f"Drama {number}") for number in range(12)]
    genres = pd.concat([genres, *twins]).sort_values("movie").astype({"genre": "category"})
    rng = np.random.default_rng(0)

    def rounded(*values):
        by_genre, by_movie = log_loss_gain(*values)
        return by_genre + rng.uniform(-1e-15, 1e-15, len(by_genre)), by_movie

    monkeypatch.setattr(held_out, "log_loss_gain", rounded)
    order = judged(replace(films.corpus, genres=genres), incidence).by_genre["genre"]
    alike = [name for name in order if name.startswith("Drama")]
    assert len(alike) == 13
    assert alike == sorted(alike)


@pytest.mark.parametrize("n_processes", [1, 3])
def test_an_evaluation_does_not_depend_on_the_number_of_processes(
    n_processes, sample, incidence, monkeypatch
):
    effort = Effort(n_seeds=2, n_subsamples=3, n_shuffles=2, n_permutations=6, n_casts=1, n_curve=1)
    usual = ev.evaluate(RECIPE.fit, sample.corpus, incidence, effort, random_state=3)
    monkeypatch.setattr(joblib, "cpu_count", lambda: n_processes)
    again = ev.evaluate(RECIPE.fit, sample.corpus, incidence, effort, random_state=3)
    pd.testing.assert_frame_equal(again.pairs, usual.pairs)
    pd.testing.assert_frame_equal(again.by_genre, usual.by_genre)
    pd.testing.assert_frame_equal(again.nulls, usual.nulls)


def test_the_recipe_of_an_embedding_is_the_one_that_made_it(incidence):
    embedding = RECIPE.reduce(incidence, 3)
    for made in (embedding, replace(embedding, svd=None)):  # as fitted, and as loaded
        again = ev.Recipe.of(made, RECIPE.model)
        wanted = RECIPE.svd.get_params() | {"random_state": 3}
        assert again.svd.get_params() == wanted
        assert again.model is RECIPE.model
        assert (again.weighting, again.regularization) == ("degree", 0.4)
    one = ev.fitted(embedding, RECIPE.cluster(embedding, 3))
    two = again.fit(incidence, 3)
    assert (one.labels == two.labels).all()
    assert (one.assign(incidence.matrix) == two.assign(incidence.matrix)).all()


def test_curves_leave_out_components_that_a_part_has_not():
    films = make_filmography(38, 45, n_troupes=3, random_state=1)
    incidence = build_incidence(films.corpus)
    recipe = RECIPE.with_(n_clusters=3, n_components=8)
    clustering = recipe.cluster(recipe.reduce(incidence, 1), 1)
    assert not ev.EFFORTS["quick"].why_not(recipe, incidence, clustering)
    numbers = {"n_clusters": [3], "n_components": [4, 8, 32]}  # a part has 30 movies
    tried = ev.curves(recipe, films.corpus, incidence, **numbers, n_subsamples=2, random_state=1)
    assert set(tried["n_components"]) == {4, 8}
    numbers["n_components"], wide = [32], recipe.with_(n_components=32)
    assert ev.curves(wide, films.corpus, incidence, **numbers, n_subsamples=2, random_state=1).empty


def test_what_each_measure_supports_by_hand():
    rows = [
        (4, 12, "held_out", 1.0),
        (4, 12, "held_out", 2.0),
        (8, 12, "held_out", 3.0),
        (8, 12, "silhouette", 0.1),
        (4, 12, "silhouette", 0.3),
        (16, 12, "silhouette", np.nan),
        (4, 99, "held_out", 50.0),  # with other components: does not count
    ]
    tried = pd.DataFrame(rows, columns=["n_clusters", "n_components", "measure", "value"])
    recipe = RECIPE.with_(n_clusters=8, n_components=12)
    found = ev.supported_clusters(tried, recipe).set_index("measure")
    assert found.loc["held_out"].tolist() == [8, 3.0, 3.0]
    assert found.loc["silhouette"].tolist() == [4, 0.3, 0.1]
    other = ev.supported_clusters(tried, recipe.with_(n_clusters=4)).set_index("measure")
    assert other.loc["held_out"].tolist() == [8, 3.0, 1.5]
    nowhere = ev.supported_clusters(tried, recipe.with_(n_clusters=5))
    assert nowhere["at_chosen"].isna().all()


def test_curves_try_each_number_on_each_part(sample, incidence):
    tried = ev.curves(
        RECIPE,
        sample.corpus,
        incidence,
        n_clusters=[4, 8, 5000],
        n_components=[6, 12],
        n_subsamples=2,
        random_state=0,
    )
    values = tried.groupby(["n_clusters", "n_components", "measure"])["value"].size()
    assert values.loc[(8, 12, "ari_subsamples")] == 1
    assert values.loc[(8, 12, "held_out")] == 2
    assert values.loc[(8, 6, "silhouette")] == 2
    assert 5000 not in tried["n_clusters"].to_numpy()
    supported = ev.supported_clusters(tried, RECIPE)
    assert set(supported["n_clusters"]) <= {4, 8}
    assert supported.set_index("measure").loc["held_out", "n_clusters"] == 8


def test_effective_number_of_clusters():
    assert ev.effective_clusters([5, 5, 5, 5]) == pytest.approx(4)
    assert ev.effective_clusters([7, 0]) == pytest.approx(1)
    assert 1 < ev.effective_clusters([90, 10]) < 2


def test_too_few_movies_are_not_evaluated():
    corpus = toy_corpus()
    clustering = clustering_of(corpus, [0, 0, 0, 1, 1, 1, 2, 2])
    why = ev.EFFORTS["quick"].why_not(RECIPE, build_incidence(corpus), clustering)
    assert "too few" in why
    assert "off" in ev.EFFORTS["off"].why_not(RECIPE, build_incidence(corpus), clustering)
    few = replace(ev.EFFORTS["quick"], max_movies=7)
    why = few.why_not(RECIPE, build_incidence(corpus), clustering)
    assert why.startswith("with 8 movies every fit takes long")


def test_every_name_of_the_room_is_found():
    assert all(getattr(ev, name) is not None for name in ev._LAZY)
    with pytest.raises(AttributeError, match="no attribute 'evaluated'"):
        ev.evaluated  # noqa: B018


# the planted truth


def recovered(films, name):
    recipe = recipe_of(name)
    incidence = build_incidence(films.corpus)
    return recipe.cluster(recipe.reduce(incidence, 31337), 31337)


def test_recommended_recovers_the_planted_troupes_and_the_seed_recipe_does_not():
    films = make_filmography()
    truth = planted_troupes(replace(films.corpus, source={"name": "sample"}))
    found = {name: ev.recovery(truth, recovered(films, name)) for name in ("recommended", "seed")}
    assert found["recommended"] >= 0.8
    assert found["recommended"] >= 3 * found["seed"]


def test_only_the_sample_has_a_truth():
    films = make_filmography(300, 240, n_troupes=4, random_state=2)
    clustering = clustering_of(films.corpus, films.movie_troupe)
    assert planted_troupes(films.corpus) is None
    assert ev.recovery(None, clustering) is None
    truth = pd.Series(films.movie_troupe, index=films.corpus.movies["movie_id"])
    assert ev.recovery(truth, clustering) == 1
    assert ev.recovery(truth[::-1], clustering) == 1  # by id, not by position


@pytest.mark.slow
def test_recovery_falls_smoothly_with_the_signal():
    from sklearn.metrics import adjusted_rand_score

    found = []
    for signal in (0.9, 0.8, 0.7, 0.6, 0.5, 0.2):
        films = make_filmography(8000, 12000, signal=signal, random_state=4)
        clustering = recovered(films, "recommended")
        placed = clustering.placed
        found.append(adjusted_rand_score(films.movie_troupe[placed], clustering.labels[placed]))
    falls = -np.diff(found)
    assert found[0] > 0.7
    assert found[-1] < 0.1
    assert falls.min() > -0.02
    assert falls.max() < 0.4


def test_what_a_library_does_to_warnings_in_one_thread_lets_none_out_in_another():
    entered, inside, left = threading.Event(), threading.Event(), threading.Event()

    def library():
        with warnings.catch_warnings():
            entered.set()
            inside.wait(5)
        left.set()

    def fit():
        entered.wait(5)
        with EMPTY_CLUSTERS_ARE_FINE:
            inside.set()
            left.wait(5)
            warnings.warn("Number of distinct clusters", ConvergenceWarning, stacklevel=1)

    with EMPTY_CLUSTERS_ARE_FINE:
        joblib.Parallel(n_jobs=2, prefer="threads")(
            joblib.delayed(call)() for call in (library, fit)
        )
    assert left.is_set()


def test_genres_are_predicted_in_blocks_of_bounded_size(sample, incidence, monkeypatch):
    (part,), _ = over_subsamples(truth_of(sample), incidence, n_subsamples=1, random_state=3)
    monkeypatch.setattr(genre_model, "MOST_GENRES", 5)
    whole = score_held_out(sample.corpus, incidence, part, cast=True)
    n_new, sizes = len(whole.movies), []

    def gain(shares, rows, base, happened):
        sizes.append(shares.size)
        return log_loss_gain(shares, rows, base, happened)

    monkeypatch.setattr(held_out, "log_loss_gain", gain)
    monkeypatch.setattr(held_out, "MOST_CELLS", 2 * n_new)
    blocks = score_held_out(sample.corpus, incidence, part, cast=True)
    n_genres = len(whole.bits)
    assert max(sizes) == 2 * n_new < n_genres * n_new
    n_decades = len(set(ev.decade_codes(sample.corpus)))
    n_rows = 3 * n_new + 2 * 9 + n_decades + 2 * 9 * n_decades  # a group is a cluster or unplaced
    assert sum(sizes) == n_genres * n_rows
    pd.testing.assert_frame_equal(blocks.bits, whole.bits)
    pd.testing.assert_frame_equal(blocks.movies, whole.movies)
    pd.testing.assert_frame_equal(blocks.counts, whole.counts)
    for name in ("calibration", "calibration_of_cast"):
        one, other = getattr(blocks, name), getattr(whole, name)
        pd.testing.assert_frame_equal(pool_calibration(one), pool_calibration(other))
    # genres that are not modelled keep their share, so the cast says nothing about them
    assert (whole.bits["cast"].abs() > 1e-12).sum() == 5
