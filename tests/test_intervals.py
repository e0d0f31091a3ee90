"""Intervals: hand-solved cases, brute force, simulated coverage, and data without associations."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from imdbclust.evaluation import associations as assoc
from imdbclust.evaluation import intervals as iv

EXACT = {"rtol": 0, "atol": 1e-12}
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@st.composite
def shares(draw):
    """Return successes and trials of some cells."""
    trials = draw(st.lists(st.integers(0, 500), min_size=1, max_size=6))
    return np.array([draw(st.integers(0, n)) for n in trials]), np.array(trials)


def associations(has_genre, group, strata=None, n_groups=None, **settings):
    """Return the table for genres a, b, ... and groups 0, 1, ... of these arrays."""
    has_genre, group = np.asarray(has_genre), np.asarray(group)
    genres = pd.Index([chr(97 + genre) for genre in range(has_genre.shape[1])], dtype=object)
    strata = np.zeros(len(group), dtype=int) if strata is None else np.asarray(strata)
    groups = pd.RangeIndex(n_groups or group.max() + 1)
    args = sp.csr_array(has_genre), genres, group, groups, strata
    return assoc.association_table(*args, **settings)


def stratum(n_both, n_group, n_genre, n_movies, number=0):
    """Return genre, group 0 or 1, and stratum of movies with these counts."""
    group = np.repeat([1, 0], [n_group, n_movies - n_group])
    in_group = np.repeat([1, 0], [n_both, n_group - n_both])
    others = n_genre - n_both
    outside = np.repeat([1, 0], [others, n_movies - n_group - others])
    return np.concatenate([in_group, outside]), group, np.full(n_movies, number)


def strata_of(*numbers):
    """Return the movies of several strata, each given by four counts; one genre column."""
    parts = [stratum(*four, number=number) for number, four in enumerate(numbers)]
    genre, group, strata = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return genre[:, None], group, strata


def predictive_intervals(successes, trials, new_trials, *, prior=0.5, level=0.95):
    """Return the smallest and the largest new count that the coverage counts as covered."""
    ends = []
    for k, n, new in np.broadcast(successes, trials, new_trials):
        counts = np.arange(new + 1)
        covered = [
            iv.predictive_coverage(k, n, x, new, prior=prior, level=level)["covered"].iloc[-1] > 0
            for x in counts
        ]
        inside = counts[covered] if new else np.array([0])
        assert (np.diff(inside) == 1).all()
        ends.append((inside[0], inside[-1]))
    return np.array(ends).T


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_jeffreys_intervals_of_ten_movies():
    found = iv.share_intervals([0, 5, 10], [10, 10, 10])
    np.testing.assert_allclose(found.estimate, [0.5 / 11, 0.5, 10.5 / 11], **EXACT)
    np.testing.assert_allclose(found.low, [0, 0.223529, 0.782804], atol=1e-6)
    np.testing.assert_allclose(found.high, [0.217196, 0.776471, 1], atol=1e-6)
    assert found.low[0] == 0
    assert found.high[2] == 1


def test_intervals_solved_by_hand():
    no_movie = iv.share_intervals(0, 0)
    assert no_movie.low == pytest.approx(math.sin(math.pi * 0.0125) ** 2)
    assert no_movie.high == pytest.approx(math.sin(math.pi * 0.4875) ** 2)
    no_success = iv.share_intervals(0, 9, prior=1, level=0.9)
    assert no_success.high == pytest.approx(1 - 0.05 ** (1 / 10))


def test_shares_are_those_of_scipy_elementwise():
    successes, trials = np.array([[1, 7], [30, 999]]), np.array([[3, 9], [40, 1000]])
    found = iv.share_intervals(successes, trials, prior=0.8, level=0.9)
    posterior = stats.beta(successes + 0.8, trials - successes + 0.8)
    np.testing.assert_allclose(found.estimate, posterior.mean(), **CLOSE)
    np.testing.assert_allclose(found.low, posterior.ppf(0.05), **CLOSE)
    np.testing.assert_allclose(found.high, posterior.ppf(0.95), **CLOSE)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3, 1)])
def test_the_shape_is_kept(shape):
    ones = np.ones(shape, dtype=int)
    found = iv.share_intervals(ones, 2 * ones)
    assert found.estimate.shape == found.low.shape == found.high.shape == shape


@given(shares(), st.floats(0.001, 1000), st.floats(0.5, 0.999))
@settings(max_examples=150, deadline=None)
def test_the_mean_is_inside_and_failures_mirror_successes(case, prior, level):
    successes, trials = case
    found = iv.share_intervals(successes, trials, prior=prior, level=level)
    assert (found.low <= found.estimate).all()
    assert (found.estimate <= found.high).all()
    mirrored = iv.share_intervals(trials - successes, trials, prior=prior, level=level)
    np.testing.assert_allclose(mirrored.low, 1 - found.high, **CLOSE)
    np.testing.assert_allclose(mirrored.estimate, 1 - found.estimate, **CLOSE)


@given(shares(), st.integers(3, 50))
@settings(max_examples=100, deadline=None)
def test_more_data_are_narrower(case, times):
    successes, trials = (counts[case[1] > 0] for counts in case)
    one = iv.share_intervals(successes, trials)
    more = iv.share_intervals(successes * times, trials * times)
    assert (more.high - more.low < one.high - one.low).all()


@pytest.mark.parametrize(
    ("successes", "trials", "setting", "message"),
    [
        (3, 2, {}, "more successes than trials"),
        (-1, 2, {}, "successes must be integers of at least 0"),
        (0, -1, {}, "trials must be integers of at least 0"),
        (0.5, 2, {}, "successes must be integers"),
        (np.nan, 2, {}, "successes must be integers"),
        (1, 2, {"prior": 0}, "prior must be a positive number, not 0"),
        (1, 2, {"prior": np.nan}, "prior must be a positive number, not nan"),
        (1, 2, {"level": 1}, "level must be between 0 and 1, not 1"),
        (1, 2, {"level": 0.0}, "level must be between 0 and 1, not 0.0"),
    ],
)
def test_what_is_no_share_is_refused(successes, trials, setting, message):
    with pytest.raises(ValueError, match=message):
        iv.share_intervals(successes, trials, **setting)
    with pytest.raises(ValueError, match=message):
        iv.predictive_coverage(successes, trials, 1, 5, **setting)


WEIGHTS = st.lists(st.floats(1e-5, 1), min_size=8, max_size=8)


@given(st.lists(st.integers(0, 300), min_size=2, max_size=8), WEIGHTS, st.floats(0.5, 0.999))
@settings(max_examples=150, deadline=None)
def test_no_point_is_outside_its_interval(counts, weights, level):
    prior = np.array(weights[: len(counts)])
    prior /= prior.sum()  # a total weight of one pseudo-movie
    found = iv.dirichlet_intervals([counts, counts[::-1]], prior=prior, level=level)
    np.testing.assert_allclose(found.estimate.sum(axis=-1), 1, **EXACT)
    mirrored = iv.dirichlet_intervals(counts[::-1], prior=prior[::-1], level=level)
    np.testing.assert_allclose(found.low[0], mirrored.low[::-1], **EXACT)
    assert found.includes(found.estimate).all()
    np.testing.assert_allclose(found.estimate[0], (counts + prior) / (sum(counts) + 1), **CLOSE)
    if sum(counts):
        raw = np.array(counts) / sum(counts)
        assert found.includes(np.array([raw, raw[::-1]])).all()
        assert (found.low[0][raw == 0] == 0).all()
        assert (found.high[0][raw == 1] == 1).all()


def test_the_prior_of_clusters_has_a_fixed_weight_in_proportion_to_their_sizes():
    np.testing.assert_allclose(iv.cluster_prior([3, 0, 6]), np.array([10, 1, 19]) / 30, **EXACT)
    np.testing.assert_allclose(iv.cluster_prior([30, 10], weight=4), [128 / 44, 48 / 44], **EXACT)
    assert iv.cluster_prior([7]).tolist() == [1.0]
    # with half a pseudo-movie for each of 17 clusters, 5 of 5 movies were 5.5 of 13.5
    sure = iv.dirichlet_intervals([5] + [0] * 16, prior=iv.cluster_prior([100] * 17))
    assert sure.estimate[0] == pytest.approx((5 + 1 / 17) / 6)
    with pytest.raises(ValueError, match="shape"):
        iv.dirichlet_intervals([1, 2], prior=[1, 2, 3])
    with pytest.raises(ValueError, match="prior must be a positive number"):
        iv.dirichlet_intervals([1, 2], prior=np.array([1, 0]))


def test_a_share_of_many_is_marginally_beta():
    found = iv.dirichlet_intervals([6, 3, 1])
    np.testing.assert_allclose(found.estimate, np.array([6.5, 3.5, 1.5]) / 11.5, **EXACT)
    assert found.low[1] == pytest.approx(stats.beta.ppf(0.025, 3.5, 8))
    assert found.high[1] == pytest.approx(stats.beta.ppf(0.975, 3.5, 8))


@pytest.mark.parametrize("successes", [0, 4, 9])
def test_two_shares_are_a_share_and_its_rest(successes):
    both, one = iv.dirichlet_intervals([successes, 9 - successes]), iv.share_intervals(successes, 9)
    assert both.estimate[0] == pytest.approx(one.estimate)
    assert both.low[0] == pytest.approx(one.low)
    assert both.high[0] == pytest.approx(one.high)


def test_a_lone_share_is_1_and_none_is_refused():
    alone = iv.dirichlet_intervals([[0], [5]])
    assert (alone.estimate == 1).all()
    assert (alone.low == 1).all()
    assert (alone.high == 1).all()
    for nothing in (3, [], [[], []]):
        with pytest.raises(ValueError, match="at least one share"):
            iv.dirichlet_intervals(nothing)


def test_without_movies_and_with_a_uniform_prior_all_new_counts_are_as_likely():
    low, high = predictive_intervals(0, 0, [99, 39, 1, 0], prior=1)
    assert low.tolist() == [2, 0, 0, 0]
    assert high.tolist() == [97, 38, 1, 0]


@given(shares(), st.integers(0, 12), st.floats(0.2, 2), st.floats(0.5, 0.99))
@settings(max_examples=10, deadline=None)
def test_predictive_intervals_by_brute_force(case, new, prior, level):
    lows, highs = predictive_intervals(*case, new, prior=prior, level=level)
    for k, n, low, high in zip(*case, lows, highs, strict=True):
        cdf = np.cumsum([_beta_binomial(x, new, k + prior, n - k + prior) for x in range(new + 1)])
        for end, tail in ((low, (1 - level) / 2), (high, (1 + level) / 2)):
            assert cdf[end] >= tail - 1e-9
            assert end == 0 or cdf[end - 1] <= tail + 1e-9


def _beta_binomial(x, n, a, b):
    logs = [math.lgamma(n + 1), math.lgamma(x + a), math.lgamma(n - x + b), math.lgamma(a + b)]
    under = [math.lgamma(x + 1), math.lgamma(n - x + 1), math.lgamma(n + a + b)]
    return math.exp(sum(logs) - sum(under) - math.lgamma(a) - math.lgamma(b))


def test_predictive_intervals_of_many_movies_are_those_of_scipy():
    successes, trials = np.array([0, 3, 400, 9999]), np.array([10_000, 50, 1000, 10_000])
    law = stats.betabinom(10_000, successes + 0.5, trials - successes + 0.5)
    for ends, inward in ((law.ppf(0.025), 1), (law.ppf(0.975), -1)):
        for moved, covered in ((0, True), (inward, True), (-inward, False)):
            counts = (ends + moved).astype(int)
            for k, n, new in zip(successes, trials, counts, strict=True):
                if 0 <= new <= 10_000:
                    table = iv.predictive_coverage(k, n, new, 10_000)
                    assert table["covered"].iloc[-1] == covered


@pytest.mark.parametrize("new", [1, 7, 40, 99])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_randomised_coverage_is_the_level_on_average(new, level):
    every_count = np.arange(new + 1)
    table = iv.predictive_coverage(0, 0, every_count, new, prior=1, level=level)
    assert table["covered_randomised"].iloc[-1] == pytest.approx(level)
    assert table["covered"].iloc[-1] >= level


@pytest.mark.parametrize(
    ("count", "covered", "share"),
    [(1, 0, 0), (2, 1, 0.5), (3, 1, 1), (96, 1, 1), (97, 1, 0.5), (98, 0, 0)],
)
def test_coverage_of_one_count_by_hand(count, covered, share):
    row = iv.predictive_coverage(0, 0, count, 99, prior=1).iloc[-1]
    assert row["covered"] == covered
    assert row["covered_randomised"] == pytest.approx(share)


def test_coverage_of_simulated_counts(rng):
    theta = rng.beta(0.5, 0.5, size=(100, 40))
    trials, new_trials = rng.integers(0, 300, (2, 100, 40))
    successes, new = rng.binomial(trials, theta), rng.binomial(new_trials, theta)
    table = iv.predictive_coverage(successes, trials, new, new_trials)
    assert table.columns.tolist() == ["bin", "cells", "covered", "covered_randomised"]
    everything = table.set_index("bin").loc["all"]
    assert everything["cells"] == (new_trials > 0).sum() == table["cells"].iloc[:-1].sum()
    assert 0.93 < everything["covered_randomised"] < 0.97
    assert everything["covered"] > everything["covered_randomised"]
    assert (table["covered"] >= table["covered_randomised"]).all()


def test_coverage_notices_movies_of_another_kind(rng):
    trials = np.full(500, 200)
    successes, new = rng.binomial(trials, 0.2), rng.binomial(trials, 0.3)
    everything = iv.predictive_coverage(successes, trials, new, trials).iloc[-1]
    assert everything["covered_randomised"] < 0.6


def test_coverage_is_told_by_expected_count():
    new_trials = [99, 200, 99, 99, 0]
    table = iv.predictive_coverage([0, 1, 20, 99, 0], 100, [0, 2, 20, 98, 0], new_trials)
    assert table["bin"].tolist() == [
        "less than 1 movie expected",
        "1 to 9 movies expected",
        "10 to 99 movies expected",
        "all",
    ]
    assert table["cells"].tolist() == [1, 1, 2, 4]


def test_coverage_of_nothing():
    table = iv.predictive_coverage([1, 2], 5, 0, 0)
    assert table["bin"].tolist() == ["all"]
    assert table["cells"].tolist() == [0]
    assert table[["covered", "covered_randomised"]].isna().all(axis=None)


def test_two_strata_by_hand():
    row = associations(*strata_of((3, 4, 5, 10), (2, 3, 2, 6))).iloc[1]
    assert row["with_genre"] == 5
    assert row["expected"] == pytest.approx(4 * 5 / 10 + 3 * 2 / 6)
    assert row["z"] == pytest.approx(1.5 / math.sqrt(2 / 3 + 2 / 5))
    assert row["p_value"] == pytest.approx(2 * (50 * 4 + 5 * 12 + 5 * 4) / (210 * 20))
    assert row["lift_strata"] == pytest.approx(5 / 3)
    assert row["lift"] == pytest.approx((5 / 7) / (7 / 16))
    assert row["share"] == pytest.approx(5 / 7)


def test_movies_that_share_their_era_only_are_not_associated():
    movies = strata_of((40, 80, 50, 100), (2, 20, 10, 100))
    plain, by_era = associations(*movies[:2]).iloc[1], associations(*movies).iloc[1]
    assert plain["expected"] == pytest.approx(30)
    assert plain["flagged"]
    assert plain["lift"] == pytest.approx(1.4)
    assert by_era["expected"] == pytest.approx(42)
    assert by_era["lift_strata"] == pytest.approx(1)
    assert by_era["p_value"] == 1
    assert not by_era["flagged"]
    assert by_era["lift"] == plain["lift"]


@given(st.integers(4, 60), st.data())
@settings(max_examples=80, deadline=None)
def test_in_one_stratum_the_null_is_hypergeometric(n_movies, data):
    n_group, n_genre = data.draw(st.tuples(*[st.integers(1, n_movies - 1)] * 2))
    least = max(0, n_group + n_genre - n_movies)
    both = data.draw(st.integers(least, min(n_group, n_genre)))
    row = associations(*strata_of((both, n_group, n_genre, n_movies))).iloc[1]
    law = stats.hypergeom(n_movies, n_genre, n_group)
    assert row["expected"] == pytest.approx(law.mean())
    off = both - law.mean()
    z = math.copysign(max(abs(off) - 0.5, 0), off) / law.std()
    assert row["z"] == pytest.approx(z, abs=1e-9)
    assert row["p_value"] == pytest.approx(min(1, 2 * min(law.cdf(both), law.sf(both - 1))))


def test_many_movies_are_tested_by_the_normal_distribution():
    movies = strata_of((1080, 2000, 2000, 4000), (550, 1000, 1000, 2000))
    row = associations(*movies).iloc[1]
    variance = 1000 * 0.5 * 2000 / 3999 + 500 * 0.5 * 1000 / 1999
    assert variance > assoc.EXACT_BELOW
    assert row["z"] == pytest.approx(129.5 / math.sqrt(variance))
    assert row["p_value"] == pytest.approx(2 * stats.norm.sf(row["z"]))


def test_exact_and_normal_tails_meet_where_one_takes_over(monkeypatch):
    movies = strata_of((115, 200, 200, 400), (115, 200, 200, 400), (105, 200, 200, 400))
    exact = associations(*movies).iloc[1]
    monkeypatch.setattr(assoc, "EXACT_BELOW", 0.0)
    normal = associations(*movies).iloc[1]
    assert exact["z"] == normal["z"]
    assert exact["p_value"] != normal["p_value"]
    assert exact["p_value"] == pytest.approx(normal["p_value"], rel=0.05)


def test_a_single_movie_of_a_rare_genre_is_no_association():
    row = associations(*strata_of((1, 20, 1, 1000))).iloc[1]
    assert row["z"] > 3
    assert row["p_value"] == pytest.approx(2 * 20 / 1000)


def test_an_overwhelming_association_has_a_tiny_p_value_and_no_warning():
    row = associations(*strata_of((150, 150, 150, 3000), (0, 10, 0, 10))).iloc[1]
    assert 0 <= row["p_value"] < 1e-100
    assert row["flagged"]


def test_false_discoveries_by_hand():
    p_values = np.array([[0.01, 0.9], [0.02, 0.03]])
    q_values = assoc._false_discovery(p_values)
    np.testing.assert_allclose(q_values, [[0.04, 0.9], [0.04, 0.04]], **EXACT)


def test_flagged_are_those_that_benjamini_and_hochberg_reject(rng):
    group = rng.integers(0, 4, 600)
    has_genre = rng.random((600, 12)) < 0.2 + 0.06 * (group[:, None] == np.arange(12) % 6)
    for fdr in (0.01, 0.05, 0.3):
        table = associations(has_genre, group, fdr=fdr)
        p_values = np.sort(table["p_value"].to_numpy())
        passed = np.flatnonzero(p_values <= fdr * np.arange(1, 49) / 48)
        limit = p_values[passed[-1]] if len(passed) else -1
        assert (table["flagged"] == (table["p_value"] <= limit)).all()
    assert table["flagged"].any()
    assert not table["flagged"].all()


def test_where_nothing_is_associated_nothing_is_flagged():
    flagged, small = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        era = rng.integers(0, 5, 1500)
        group = np.minimum(rng.geometric(0.3, 1500) - 1 + era // 2, 6)
        chance = np.geomspace(0.4, 0.001, 15) * (1 + era[:, None] / 4)
        table = associations(rng.random((1500, 15)) < chance, group, era)
        flagged.append(table["flagged"].any())
        small.append((table["p_value"] <= 0.05).mean())
    assert sum(flagged) <= 3
    assert np.mean(small) <= 0.05


def test_the_era_alone_flags_much_if_it_is_not_held_fixed(rng):
    era = rng.integers(0, 5, 3000)
    group = np.minimum(rng.geometric(0.3, 3000) - 1 + era, 6)
    chance = np.linspace(0.05, 0.2, 10) * (1 + era[:, None])
    has_genre = rng.random((3000, 10)) < chance
    assert associations(has_genre, group)["flagged"].mean() > 0.5
    assert associations(has_genre, group, era)["flagged"].mean() < 0.05


def test_columns_and_rows_of_the_table():
    genre, group, strata = strata_of((3, 4, 5, 10), (2, 3, 2, 6))
    args = sp.csr_array(np.hstack([genre, 1 - genre])), pd.Index(["War", "Peace"]), group
    table = assoc.association_table(*args, pd.Index([7, -1, 3]), strata)
    assert table.columns.tolist() == [
        "genre", "cluster", "movies", "with_genre", "share", "mean", "low", "high",
        "lift", "lift_low", "lift_high", "expected", "lift_strata", "z",
        "p_value", "q_value", "flagged",
    ]  # fmt: skip
    assert table["genre"].tolist() == ["War"] * 3 + ["Peace"] * 3
    assert table["cluster"].tolist() == [7, -1, 3] * 2
    assert table["movies"].tolist() == [9, 7, 0] * 2
    assert table["with_genre"].tolist() == [2, 5, 0, 7, 2, 0]
    assert table["flagged"].dtype == bool


def test_an_empty_cluster_and_a_genre_of_no_movie():
    has_genre = np.array([[1, 0], [0, 0], [1, 0], [1, 0]])
    table = associations(has_genre, [0, 0, 1, 1], n_groups=3).set_index(["genre", "cluster"])
    lifts = ["lift", "lift_low", "lift_high"]
    empty, absent = table.xs(2, level="cluster"), table.loc["b"]
    assert empty[["share", "lift_strata", *lifts]].isna().all(axis=None)
    np.testing.assert_allclose(empty["low"], iv.share_intervals(0, 0).low)
    assert absent[["lift_strata", *lifts]].isna().all(axis=None)
    assert (absent["share"].iloc[:2] == 0).all()
    for nothing in (empty, absent):
        assert (nothing["expected"] == 0).all()
        assert (nothing["z"] == 0).all()
        assert (nothing["p_value"] == 1).all()
        assert not nothing["flagged"].any()
    assert table[lifts].loc["a"].iloc[:2].notna().all(axis=None)


@given(st.integers(0, 12), st.integers(0, 4), st.integers(1, 4), st.data())
@settings(max_examples=100, deadline=None)
def test_any_table_is_consistent_in_itself(n_movies, n_genres, n_groups, data):
    def drawn(largest, size):
        numbers = data.draw(st.lists(st.integers(0, largest), min_size=size, max_size=size))
        return np.array(numbers, dtype=int)

    has_genre = drawn(1, n_movies * n_genres).reshape(n_movies, n_genres)
    group, strata = drawn(n_groups - 1, n_movies), drawn(2, n_movies)
    table = associations(has_genre, group, strata, n_groups)
    assert len(table) == n_genres * n_groups
    for count in ("with_genre", "expected"):
        sums = table.groupby("genre")[count].sum()
        np.testing.assert_allclose(sums, has_genre.sum(axis=0), **CLOSE)
    assert table["p_value"].between(0, 1).all()
    assert (table["q_value"] >= table["p_value"] - 1e-12).all()
    assert (table["low"] <= table["mean"]).all()
    assert (table["mean"] <= table["high"]).all()
    known = table[table["lift"].notna()]
    assert (known["lift_low"] <= known["lift"] + 1e-12).all()
    assert (known["lift"] <= known["lift_high"] + 1e-12).all()
    assert known["lift_low"].notna().all()
    assert (known["lift_low"][known["with_genre"] == 0] == 0).all()


def test_lift_intervals_cover_lifts_drawn_from_the_prior(rng):
    inside, outside = rng.beta(0.5, 0.5, (2, 800))
    group = np.repeat([0, 1], [40, 120])
    has_genre = rng.random((160, 800)) < np.where(group[:, None] == 0, inside, outside)
    genres, groups = pd.RangeIndex(800), pd.RangeIndex(2)
    args = sp.csr_array(has_genre), genres, group, groups, np.zeros(160)
    table = assoc.association_table(*args)
    row = table[table["cluster"] == 0]
    lift = inside / (0.25 * inside + 0.75 * outside)
    known = row["lift"].notna()
    covered = row["lift_low"].le(lift) & row["lift_high"].ge(lift)
    assert 0.93 < covered[known].mean() < 0.98


def test_lift_intervals_of_many_movies_are_about_the_normal_ones():
    genre, group, _ = strata_of((600, 2000, 2000, 20_000))
    row = associations(genre, group).iloc[1]
    p_in, p_out, weight = 0.3, 1400 / 18_000, 0.1
    p_all = weight * p_in + (1 - weight) * p_out
    by_in, by_out = (1 - weight) * p_out / p_all**2, (1 - weight) * p_in / p_all**2
    variance = by_in**2 * p_in * (1 - p_in) / 2000 + by_out**2 * p_out * (1 - p_out) / 18_000
    assert row["lift"] == pytest.approx(3)
    assert row["lift_low"] == pytest.approx(3 - 1.96 * math.sqrt(variance), abs=0.02)
    assert row["lift_high"] == pytest.approx(3 + 1.96 * math.sqrt(variance), abs=0.02)


def test_lifts_at_their_ends():
    all_of_genre = associations(*strata_of((5, 10, 5, 50))).set_index("cluster")
    assert all_of_genre["lift"].tolist() == pytest.approx([0, 5])
    assert all_of_genre["lift_high"][1] == pytest.approx(5)
    assert all_of_genre["lift_low"][0] == 0
    everything = associations(np.array([[1], [0], [1]]), [0, 0, 0]).iloc[0]
    assert everything[["lift", "lift_low", "lift_high"]].tolist() == pytest.approx([1, 1, 1])


@given(st.integers(1, 200), st.data(), st.floats(0.01, 3), st.floats(0.5, 0.99))
@settings(max_examples=200, deadline=None)
def test_no_lift_is_outside_its_interval(n_movies, data, prior, level):
    n, m = (data.draw(st.integers(0, n_movies)) for _ in range(2))
    k = data.draw(st.integers(max(0, n + m - n_movies), min(n, m)))
    found = iv.lift_intervals(k, n, m, n_movies, prior=prior, level=level)
    if not n or not m:
        assert np.isnan([found.estimate, found.low, found.high]).all()
        return
    assert found.estimate == pytest.approx(k / n / (m / n_movies))
    assert 0 <= found.low <= found.estimate <= found.high
    assert found.high <= n_movies / n * (1 + 1e-12)  # all movies with the trait in the cluster


@pytest.mark.parametrize(
    ("k", "n", "m", "n_movies"),
    [(5, 100, 50, 1000), (50, 1000, 60, 10_000), (3, 2000, 2000, 20_000), (9, 10, 500, 1000)],
)
def test_lift_intervals_are_about_the_quantiles_of_the_ratio(k, n, m, n_movies, rng):
    inside = rng.beta(k + 0.5, n - k + 0.5, 200_000)
    outside = rng.beta(m - k + 0.5, n_movies - n - m + k + 0.5, 200_000)
    lifts = inside / (n / n_movies * inside + (1 - n / n_movies) * outside)
    found = iv.lift_intervals(k, n, m, n_movies)
    np.testing.assert_allclose(
        [found.low, found.high], np.quantile(lifts, [0.025, 0.975]), rtol=0.02
    )


@pytest.mark.parametrize("dtype", [bool, np.int8, float])
def test_the_type_of_the_genre_matrix_does_not_matter(dtype):
    genre, group, _ = strata_of((200, 300, 400, 1000))
    assert associations(genre.astype(dtype), group)["with_genre"].tolist() == [200, 200]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"has_genre": np.array([[2], [0]])}, "values other than 0 and 1"),
        ({"genres": pd.Index(["a", "b"])}, "1 columns of genres, but 2 names"),
        ({"group": np.array([0, 2])}, "not a position between 0 and 1"),
        ({"group": np.array([0, -1])}, "not a position"),
        ({"group": np.array([0])}, "2 movies, but groups of shape"),
        ({"strata": np.array([0, 1, 1])}, "strata of"),
        ({"fdr": 0}, "fdr must be between 0 and 1, not 0"),
        ({"level": 2}, "level must be between 0 and 1, not 2"),
        ({"prior": -1}, "prior must be a positive number, not -1"),
    ],
)
def test_a_table_of_what_does_not_fit_is_refused(change, message):
    fitting = {
        "has_genre": np.array([[1], [0]]),
        "genres": pd.Index(["a"]),
        "group": np.array([0, 1]),
        "groups": pd.Index([0, 1]),
        "strata": np.array([0, 0]),
    }
    with pytest.raises(ValueError, match=message):
        assoc.association_table(**fitting | change)


def error_of(table):
    """Return the expected calibration error: the mean distance of a bin's two means."""
    pooled = iv.pool_calibration(table)
    return np.average(pooled["error"].abs(), weights=pooled["n"])


def test_calibration_by_hand():
    table = iv.calibration_table([[0.8, 0.2], [0.2, 0.9]], [[1, 0], [1, 1]], n_bins=2)
    assert table.columns.tolist() == ["bin", "predicted", "happened", "n"]
    assert table["bin"].tolist() == [0, 1]
    np.testing.assert_allclose(table["predicted"], [0.4, 1.7], **EXACT)
    assert table["happened"].tolist() == [1, 2]
    assert table["n"].tolist() == [2, 2]
    pooled = iv.pool_calibration(table)
    np.testing.assert_allclose(pooled["predicted"], [0.2, 0.85], **EXACT)
    np.testing.assert_allclose(pooled["error"], [0.3, 0.15], **EXACT)
    assert error_of(table) == pytest.approx(0.5 * 0.3 + 0.5 * 0.15)


def test_bins_have_equal_width_and_those_without_predictions_are_left_out():
    table = iv.calibration_table([0, 0.0999, 0.1, 0.95, 1], [0, 0, 0, 1, 1])
    assert table["bin"].tolist() == [0, 1, 9]
    assert table["n"].tolist() == [2, 1, 2]
    assert iv.pool_calibration(iv.calibration_table([], [])).empty


def test_parts_are_pooled_by_the_number_of_their_predictions(rng):
    predicted = rng.random(1000)
    happened = rng.random(1000) < predicted
    parts = [iv.calibration_table(predicted[rows], happened[rows]) for rows in np.split(
        np.arange(1000), [100, 500])]  # fmt: skip
    pooled = iv.pool_calibration(pd.concat(parts, ignore_index=True))
    together = iv.pool_calibration(iv.calibration_table(predicted, happened))
    pd.testing.assert_frame_equal(pooled, together)


def test_true_probabilities_are_calibrated_and_others_are_not(rng):
    predicted = rng.random((400, 50))
    happened = rng.random((400, 50)) < predicted
    assert error_of(iv.calibration_table(predicted, happened)) < 0.02
    assert error_of(iv.calibration_table(predicted**2, happened)) > 0.1


@pytest.mark.parametrize(
    ("predicted", "happened", "n_bins", "message"),
    [
        ([0.5], [1, 0], 5, "shapes differ"),
        ([1.5], [1], 5, "not between 0 and 1"),
        ([np.nan], [1], 5, "not between 0 and 1"),
        ([0.5], [2], 5, "neither 0 nor 1"),
        ([0.5], [1], 0, "n_bins must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(predicted, happened, n_bins, message):
    with pytest.raises(ValueError, match=message):
        iv.calibration_table(predicted, happened, n_bins=n_bins)


def test_what_thousands_of_rare_genres_share_is_computed_once(monkeypatch):
    rng = np.random.default_rng(0)
    n_movies, n_genres = 400, 1_500
    movies = np.repeat(np.arange(n_movies), 4)
    pairs = np.unique(np.stack([movies, rng.integers(0, n_genres, len(movies))]), axis=1)
    has_genre = sp.csr_array((np.ones(pairs.shape[1]), pairs), shape=(n_movies, n_genres))
    group, strata = rng.integers(0, 3, n_movies), rng.integers(0, 4, n_movies)
    asked, one = [], assoc._hypergeometric
    monkeypatch.setattr(assoc, "_hypergeometric", lambda *case: asked.append(case) or one(*case))
    table = assoc.association_table(
        has_genre, pd.RangeIndex(n_genres), group, pd.RangeIndex(3), strata
    )
    assert len(asked) == len(set(asked)) < 100 < n_genres  # 3 groups, 4 strata, small counts
    row = table.sample(1, random_state=1).iloc[0]
    pmf = np.ones(1)
    with_genre = has_genre[:, [int(row["genre"])]].toarray().ravel() > 0
    for stratum in range(4):
        inside = strata == stratum
        of_genre, drawn = with_genre[inside].sum(), (group[inside] == row["cluster"]).sum()
        counts = np.arange(of_genre + 1)
        pmf = np.convolve(pmf, stats.hypergeom(inside.sum(), of_genre, drawn).pmf(counts))
    at = int(row["with_genre"])
    assert row["p_value"] == pytest.approx(min(1, 2 * min(pmf[: at + 1].sum(), pmf[at:].sum())))


def test_equal_cells_have_one_predictive_distribution(monkeypatch):
    cells, one = [], iv._predictive_cdfs

    def counted(successes, *others):
        cells.append(len(successes))
        return one(successes, *others)

    monkeypatch.setattr(iv, "_predictive_cdfs", counted)
    rare = np.repeat([0, 1, 2], [5_000, 3_000, 2_000])
    table = iv.predictive_coverage(rare, 50, rare, 10)
    assert cells == [3]
    apart = iv.predictive_coverage([0, 1, 2], 50, [0, 1, 2], 10)
    assert table["cells"].iloc[-1] == 10_000
    each = [iv.predictive_coverage(k, 50, k, 10)["covered_randomised"].iloc[-1] for k in range(3)]
    assert table["covered_randomised"].iloc[-1] == pytest.approx(np.dot(each, [0.5, 0.3, 0.2]))
    assert apart["covered_randomised"].iloc[-1] == pytest.approx(np.mean(each))
