"""Intervals of shares and lifts, and how well predictions agree with held-out movies.

The movies are treated as independent draws from a larger population of similar movies. A share
``k / n`` then has a posterior distribution, and a count among new movies a predictive one. The
clusters are taken as given: the intervals do not include that other movies might have led to
other clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imdbclust.probabilities import TOLERANCE

EXPECTED_BINS = {
    0: "less than 1 movie expected",
    1: "1 to 9 movies expected",
    10: "10 to 99 movies expected",
    100: "100 to 999 movies expected",
    1000: "1,000 or more movies expected",
}
"""Rows of :func:`predictive_coverage`, by the smallest expected count of each."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Posterior means of shares, or raw lifts, with equal-tailed credible intervals, of one shape.

    No estimate is outside its interval: where the posterior is so skewed that its mean is beyond a
    quantile, as for a prior far below 0.5, the interval ends at the mean.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def columns(self) -> dict[str, np.ndarray]:
        """Return the columns ``mean``, ``low`` and ``high`` of a table of shares."""
        return {"mean": self.estimate, "low": self.low, "high": self.high}

    def includes(self, points: np.ndarray) -> np.ndarray:
        """Return whether each point is in its interval, ends included."""
        return (self.low <= points + TOLERANCE) & (points <= self.high + TOLERANCE)


def share_intervals(successes, trials, *, prior: float = 0.5, level: float = 0.95) -> Interval:
    """Return the posterior mean and interval of a share, given successes in trials.

    The prior is Beta(prior, prior). `low` is 0 if no trial is a success, and `high` is 1 if all
    are, so that the interval includes raw shares of 0 and 1. Without trials, the interval is that
    of the prior. See Brown, Cai and DasGupta (2001), "Interval estimation for a binomial
    proportion", Statistical Science 16(2).

    The counts broadcast. A `prior` of 0.5 is Jeffreys' prior, 1 the uniform prior; `level` is the
    posterior probability of the interval. Raises ValueError if a count is negative or not an
    integer, there are more successes than trials, or `prior` or `level` is out of range.
    """
    successes, trials = _check_counts(successes, trials)
    check_settings(prior, level)
    return _beta_intervals(successes, trials - successes, prior, prior, level)


def dirichlet_intervals(counts, *, prior=0.5, level: float = 0.95) -> Interval:
    """Return posterior means and intervals of shares that sum to 1 along the last axis.

    The prior is Dirichlet with the weights `prior`: pseudo-movies of each kind, shape (n_shares,),
    or one number for all kinds. Each interval is marginal, with the ends of
    :func:`share_intervals`. A single share is exactly 1. See Gelman and others (2013), "Bayesian
    Data Analysis", 3rd edition, section 3.4.

    `counts`, shape (..., n_shares), are the movies of each kind; every movie is of one kind.
    Errors are those of :func:`share_intervals`, and a ValueError if `counts` has no share or
    `prior` another number of shares.
    """
    counts = _check_integers(counts, "counts")
    check_settings(prior, level)
    if counts.ndim == 0 or counts.shape[-1] == 0:
        raise ValueError("counts must have at least one share along the last axis")
    n_shares = counts.shape[-1]
    if n_shares == 1:
        return Interval(*np.ones((3, *counts.shape)))
    weights = np.broadcast_to(np.asarray(prior, dtype=float), n_shares)
    others = counts.sum(axis=-1, keepdims=True) - counts
    return _beta_intervals(counts, others, weights, weights.sum() - weights, level)


def cluster_prior(sizes, *, weight: float = 1.0) -> np.ndarray:
    """Return the prior of Pr[cluster | evidence], shape (n_clusters,): `weight` pseudo-movies.

    They are spread in proportion to Pr[cluster], estimated from the movies of each cluster and
    `weight` pseudo-movies in equal parts, so that an empty cluster has a small weight too. The
    prior of every cluster would outweigh rare evidence if it did not depend on their number.
    """
    sizes = np.asarray(sizes)
    return weight * dirichlet_intervals(sizes, prior=weight / len(sizes)).estimate


def predictive_coverage(
    successes, trials, new_successes, new_trials, *, prior: float = 0.5, level: float = 0.95
) -> pd.DataFrame:
    """Return the share of counts among new movies that are within their predictive intervals.

    A new count is beta-binomial: the share is drawn from its posterior, then the count from the
    share. Each end of the interval is the smallest count whose distribution function reaches
    ``(1 - level) / 2`` and ``(1 + level) / 2``. See Gelman and others (2013), "Bayesian Data
    Analysis", 3rd edition, chapter 2.

    Since counts are integers, an interval covers more than `level`, above all if few movies are
    expected. ``covered_randomised`` corrects for that. With F the predictive distribution function
    and x the new count, the randomised probability integral transform u is uniform between
    F(x - 1) and F(x). The table has the probability that u is between ``(1 - level) / 2`` and
    ``(1 + level) / 2``. No random numbers are drawn; the expected value is exactly `level` if the
    model is right. See Czado, Gneiting and Held (2009), "Predictive model assessment for count
    data", Biometrics 65(4).

    The four counts broadcast; errors are those of :func:`share_intervals`. `level` is the minimum
    predictive probability of an interval, ends included.

    The columns are ``bin``, ``cells``, ``covered`` and ``covered_randomised``, with one row for
    each bin of `EXPECTED_BINS` that has cells, by the expected new count, and a last row ``all``.
    Cells without new movies are left out. The last row has NaN if no cell remains.
    """
    old = _check_counts(successes, trials)
    new = _check_counts(new_successes, new_trials)
    check_settings(prior, level)
    cells = [counts.ravel() for counts in np.broadcast_arrays(*old, *new)]
    successes, trials, new_successes, new_trials = (cell[cells[3] > 0] for cell in cells)
    tails = (1 - level) / 2, (1 + level) / 2
    alike = np.stack([successes, trials, new_trials, new_successes])
    alike, place = np.unique(alike, axis=1, return_inverse=True)  # rare genres repeat each other
    ends = [
        (cdf[count - 1] if count else 0.0, cdf[count])
        for cdf, count in zip(_predictive_cdfs(*alike[:3], prior), alike[3], strict=True)
    ]
    # Pr[less than the new count], and with it
    below, up_to = np.array(ends).reshape(-1, 2).T[:, place.ravel()]
    covered = (up_to >= tails[0] - TOLERANCE) & (below < tails[1] - TOLERANCE)
    within = np.minimum(up_to, tails[1]) - np.maximum(below, tails[0])
    randomised = np.nan_to_num(divide(within.clip(min=0), up_to - below))
    expected = new_trials * (successes + prior) / (trials + 2 * prior)
    bins = np.searchsorted(list(EXPECTED_BINS), expected, side="right") - 1
    table = pd.DataFrame({"bin": bins, "covered": covered, "covered_randomised": randomised})
    names = [*EXPECTED_BINS.values(), "all"]
    by_bin = pd.concat([table, table.assign(bin=len(EXPECTED_BINS))]).groupby("bin")
    means = by_bin.mean().reindex([*np.unique(bins), len(EXPECTED_BINS)])
    means.insert(0, "cells", by_bin.size().reindex(means.index, fill_value=0).astype(int))
    return means.rename(index=dict(enumerate(names))).rename_axis("bin").reset_index()


def lift_intervals(
    inside, cluster_movies, trait_movies, n_movies: int, *, prior: float = 0.5, level: float = 0.95
) -> Interval:
    """Return the lifts of traits, such as genres or actors, in clusters.

    A lift is the share in the cluster divided by the share in all movies. It follows from the
    ratio of the shares inside and outside the cluster; the cluster's share of the movies is taken
    as known. The interval of the ratio is computed in closed form from the intervals of the two
    shares, those of :func:`share_intervals`. It includes the raw lift. See Donner and Zou (2012),
    "Closed-form confidence intervals for functions of the normal mean and standard deviation",
    Statistical Methods in Medical Research 21(4), and Laud (2017), "Equal-tailed confidence
    intervals for comparison of rates", Pharmaceutical Statistics 16(5).

    If all movies with the trait are in the cluster, `high` is the raw lift; if none are, `low` is.
    All three are NaN for an empty cluster, or a trait of no movie.

    Parameters
    ----------
    inside, cluster_movies, trait_movies : array_like of int
        Movies of the cluster that have the trait; movies of the cluster; movies that have the
        trait. The shapes broadcast.
    n_movies : int
        All movies.
    prior, level : float
        As in :func:`share_intervals`.
    """
    counts = (np.asarray(some) for some in (inside, cluster_movies, trait_movies))
    inside, cluster_movies, trait_movies = np.broadcast_arrays(*counts)
    weight = cluster_movies / max(n_movies, 1)
    raw = divide(divide(inside, cluster_movies), trait_movies / max(n_movies, 1))
    bounds = []
    for successes, trials in (
        (inside, cluster_movies),
        (trait_movies - inside, n_movies - cluster_movies),
    ):
        share = np.nan_to_num(divide(successes, trials))
        interval = share_intervals(successes, trials, prior=prior, level=level)
        ends = np.minimum(interval.low, share), np.maximum(interval.high, share)
        bounds.append((share, *(end * (2 * share - end) for end in ends)))
    (one, one_low, one_high), (other, other_low, other_high) = bounds
    both = one * other
    low = divide(one_low, both + np.sqrt(np.maximum(both**2 - one_low * other_high, 0)))
    # the inverse of the upper end, which is infinite if no movie outside may have the trait
    inverse = divide(other_low, both + np.sqrt(np.maximum(both**2 - one_high * other_low, 0)))
    low = low / (weight * low + 1 - weight)
    high = divide(1.0, weight + (1 - weight) * inverse)
    low = np.where((inside == 0) | (cluster_movies == n_movies), raw, low)
    high = np.where((inside == trait_movies) | (cluster_movies == n_movies), raw, high)
    known = np.where(np.isnan(raw), np.nan, 1.0)
    return Interval(raw, np.minimum(low, raw) * known, np.maximum(high, raw) * known)


def calibration_table(predicted, happened, *, n_bins: int = 10) -> pd.DataFrame:
    """Sort predictions into bins of equal width, and add up what was predicted and what happened.

    `predicted` are probabilities, `happened` outcomes of 0 or 1, of one shape; otherwise a
    ValueError is raised. The columns are ``bin`` (from 0), ``predicted`` (sum of the predictions),
    ``happened`` (number of outcomes that are 1) and ``n`` (predictions), with one row for each bin
    that has predictions, in ascending order. Tables of several parts can be joined;
    :func:`pool_calibration` compares the two columns.
    """
    predicted, happened = np.asarray(predicted, dtype=float), np.asarray(happened, dtype=float)
    if predicted.shape != happened.shape:
        raise ValueError(f"shapes differ: {predicted.shape} predicted, {happened.shape} happened")
    if not ((predicted >= 0) & (predicted <= 1)).all():
        raise ValueError("a prediction is not between 0 and 1")
    if not np.isin(happened, (0, 1)).all():
        raise ValueError("an outcome is neither 0 nor 1")
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins!r}")
    bins = np.minimum((predicted.ravel() * n_bins).astype(int), n_bins - 1)
    n = np.bincount(bins, minlength=n_bins)
    sums = {
        "bin": np.arange(n_bins),
        "predicted": np.bincount(bins, predicted.ravel(), minlength=n_bins),
        "happened": np.bincount(bins, happened.ravel(), minlength=n_bins),
        "n": n,
    }
    return pd.DataFrame(sums)[n > 0].reset_index(drop=True)


def pool_calibration(parts: pd.DataFrame) -> pd.DataFrame:
    """Compare predicted and observed shares of all parts together.

    `parts` has the rows of :func:`calibration_table` of one or more parts. The columns are ``bin``,
    ``predicted`` (mean), ``observed`` (share of outcomes that are 1), ``error`` (`observed` -
    `predicted`) and ``n``. See Nguyen and O'Connor (2015), "Posterior calibration and exploratory
    analysis for natural language processing models", EMNLP.
    """
    sums = parts.groupby("bin", as_index=False)[["predicted", "happened", "n"]].sum()
    predicted, observed = sums["predicted"] / sums["n"], sums["happened"] / sums["n"]
    return sums[["bin"]].assign(
        predicted=predicted, observed=observed, error=observed - predicted, n=sums["n"].astype(int)
    )


def calibration_error(bins: pd.DataFrame) -> float:
    """Return the mean absolute ``error`` of the predictions above 0.1; NaN without such."""
    above = bins[bins["predicted"] > 0.1]
    n = above["n"].sum()
    return float((above["error"].abs() * above["n"]).sum() / n) if n else np.nan


def _beta_intervals(successes, failures, prior_success, prior_failure, level) -> Interval:
    from scipy.special import betaincinv

    alpha, beta = np.broadcast_arrays(successes + prior_success, failures + prior_failure)
    seen = successes + failures > 0
    # large tables have few different counts
    distinct, place = np.unique(alpha + 1j * beta, return_inverse=True)
    low, high = (
        betaincinv(distinct.real, distinct.imag, probability)[place].reshape(alpha.shape)
        for probability in ((1 - level) / 2, (1 + level) / 2)
    )
    mean = np.asarray(alpha / (alpha + beta))
    return Interval(
        estimate=mean,
        low=np.minimum(np.where(seen & (successes == 0), 0.0, low), mean),
        high=np.maximum(np.where(seen & (failures == 0), 1.0, high), mean),
    )


def _predictive_cdfs(successes, trials, new_trials, prior) -> Iterator[np.ndarray]:
    """Yield each cell's beta-binomial distribution function at 0 to ``new_trials``."""
    for k, n, new in zip(successes, trials, new_trials, strict=True):
        x = np.arange(new, dtype=float)
        ratios = (new - x) * (x + k + prior) / ((x + 1) * (new - x - 1 + n - k + prior))
        yield np.cumsum(pmf_from_ratios(ratios))


def pmf_from_ratios(ratios: np.ndarray) -> np.ndarray:
    """Return probabilities that sum to 1, each the previous one times a ratio."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    pmf = np.exp(logs - logs.max())
    return pmf / pmf.sum()


def divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the divisor is 0."""
    one, other = np.broadcast_arrays(np.asarray(one, dtype=float), other)
    return np.divide(one, other, out=np.full(one.shape, np.nan), where=other != 0)


def _check_integers(counts, name: str) -> np.ndarray:
    counts = np.asarray(counts)
    as_float = counts.astype(float)
    if not (np.isfinite(as_float) & (as_float >= 0) & (as_float == np.rint(as_float))).all():
        raise ValueError(f"{name} must be integers of at least 0")
    return counts.astype(np.int64)


def _check_counts(successes, trials) -> list[np.ndarray]:
    """Return both counts as int64, of one shape; raise unless they are valid."""
    checked = _check_integers(successes, "successes"), _check_integers(trials, "trials")
    successes, trials = np.broadcast_arrays(*checked)
    if (successes > trials).any():
        raise ValueError("there are more successes than trials")
    return [successes, trials]


def check_settings(prior, level: float) -> None:
    """Raise ValueError unless a prior and the probability of an interval are valid."""
    if not (np.isfinite(prior) & (np.asarray(prior) > 0)).all():
        raise ValueError(f"prior must be a positive number, not {prior!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level!r}")
