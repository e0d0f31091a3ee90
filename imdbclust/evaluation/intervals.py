"""How sure the probabilities are: intervals, tests against a null, and checks on new movies.

The movies at hand are taken as a sample of movies like them, each drawn without regard to the
others. A share ``k / n`` then has a posterior, and a count among new movies has a predictive
distribution. The groups of movies are taken as given: that other movies might have led to other
groups is not part of any interval here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imdbclust.probabilities import TOLERANCE

EXACT_BELOW = 100.0
"""A count whose variance is below this is tested exactly, not by the normal distribution."""

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
    """What is known of some shares: arrays of one shape.

    Attributes
    ----------
    mean : ndarray of float
        Posterior means.
    low, high : ndarray of float
        Ends of the equal-tailed credible intervals. Where the posterior is very skewed, as for
        a prior far below 0.5, the mean may lie outside.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def share_intervals(successes, trials, *, prior: float = 0.5, level: float = 0.95) -> Interval:
    """Return what ``successes`` of ``trials`` movies tell about a share.

    The prior is Beta(prior, prior). Where no trial is a success, `low` is 0, and where all are,
    `high` is 1, so that raw shares of 0 and 1 are inside. Without trials, the interval is the
    prior's.

    Parameters
    ----------
    successes, trials : array_like of int
        Counts of any shapes that broadcast.
    prior : float
        0.5 is Jeffreys' prior, 1 the uniform one.
    level : float
        Posterior probability of the interval.

    Returns
    -------
    Interval
        Of the shape that the counts broadcast to.

    Raises
    ------
    ValueError
        If a count is negative or not whole, there are more successes than trials, `prior` is not
        positive, or `level` is not between 0 and 1.

    References
    ----------
    Brown, Cai and DasGupta (2001), "Interval estimation for a binomial proportion",
    Statistical Science 16(2).
    """
    successes, trials = _shares_of_counts(successes, trials)
    _check_settings(prior, level)
    return _beta_intervals(successes, trials - successes, prior, prior, level)


def dirichlet_intervals(counts, *, prior: float = 0.5, level: float = 0.95) -> Interval:
    """Return what counts tell about shares that sum to 1 along the last axis.

    The prior is Dirichlet with `prior` for each share. The interval of a share is its marginal
    one, with the ends of :func:`share_intervals`; a lone share is 1 for sure.

    Parameters
    ----------
    counts : array_like of int, shape (..., n_shares)
        Movies of each kind; every movie is of one kind.
    prior : float
        0.5 is Jeffreys' prior, 1 the uniform one.
    level : float
        Posterior probability of each interval.

    Returns
    -------
    Interval
        Shape of `counts`; the means sum to 1 along the last axis.

    Raises
    ------
    ValueError
        If a count is negative or not whole, `counts` has no axis or no share, `prior` is not
        positive, or `level` is not between 0 and 1.

    References
    ----------
    Gelman and others (2013), "Bayesian Data Analysis", 3rd edition, section 3.4.
    """
    counts = _whole(counts, "counts")
    _check_settings(prior, level)
    if counts.ndim == 0 or counts.shape[-1] == 0:
        raise ValueError("there is no share to find")
    others = counts.sum(axis=-1, keepdims=True) - counts
    if counts.shape[-1] == 1:
        ones = np.ones(counts.shape)
        return Interval(ones, ones.copy(), ones.copy())
    return _beta_intervals(counts, others, prior, prior * (counts.shape[-1] - 1), level)


def predictive_intervals(
    successes, trials, new_trials, *, prior: float = 0.5, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return between which counts the successes among new movies are expected.

    The count of `new_trials` movies is beta-binomial: the share is drawn from its posterior, then
    the count from the share. Each end is the smallest count whose distribution function reaches
    ``(1 - level) / 2`` and ``(1 + level) / 2``.

    Parameters
    ----------
    successes, trials, new_trials : array_like of int
        Counts of any shapes that broadcast.
    prior : float
        As in :func:`share_intervals`.
    level : float
        Least predictive probability of the interval, ends included.

    Returns
    -------
    low, high : ndarray of int
        Of the shape that the counts broadcast to; 0 and 0 where there is no new trial.

    Raises
    ------
    ValueError
        As :func:`share_intervals`, and if `new_trials` is negative or not whole.

    References
    ----------
    Gelman and others (2013), "Bayesian Data Analysis", 3rd edition, chapter 2.
    """
    successes, trials = _shares_of_counts(successes, trials)
    cells = np.broadcast_arrays(successes, trials, _whole(new_trials, "new_trials"))
    _check_settings(prior, level)
    low, high = np.zeros((2, cells[0].size), dtype=np.int64)
    for cell, cdf in enumerate(_predictive_cdfs(*cells, prior)):
        low[cell], high[cell] = _ends(cdf, level)
    return low.reshape(cells[0].shape), high.reshape(cells[0].shape)


def predictive_coverage(
    successes, trials, new_successes, new_trials, *, prior: float = 0.5, level: float = 0.95
) -> pd.DataFrame:
    """Return how often the counts among new movies are within their predictive intervals.

    An interval of whole counts covers more than `level`, and the more so the fewer movies are
    expected. ``covered_randomised`` takes that out. With F the predictive distribution function
    and x the new count, the value u of the randomised probability integral transform is uniform
    between F(x - 1) and F(x). Counted is the probability that u is between ``(1 - level) / 2``
    and ``(1 + level) / 2``. Nothing is drawn, and the expected value is `level` exactly if the
    model is right.

    Parameters
    ----------
    successes, trials : array_like of int
        The counts that the intervals come from.
    new_successes, new_trials : array_like of int
        The counts held against them. All four are of shapes that broadcast.
    prior, level : float
        As in :func:`predictive_intervals`.

    Returns
    -------
    DataFrame
        ``bin``, ``cells``, ``covered``, ``covered_randomised``: a row for each bin of
        `EXPECTED_BINS` that has cells, by the expected new count, and a last row ``all``. Cells
        without new movies are left out; NaN where no cell is left.

    Raises
    ------
    ValueError
        As :func:`predictive_intervals`, also for the new counts.

    References
    ----------
    Czado, Gneiting and Held (2009), "Predictive model assessment for count data",
    Biometrics 65(4).
    """
    old = _shares_of_counts(successes, trials)
    new = _shares_of_counts(new_successes, new_trials)
    _check_settings(prior, level)
    cells = [counts.ravel() for counts in np.broadcast_arrays(*old, *new)]
    successes, trials, new_successes, new_trials = (cell[cells[3] > 0] for cell in cells)
    covered, randomised = np.zeros((2, new_trials.size))
    cdfs = _predictive_cdfs(successes, trials, new_trials, prior)
    for cell, (cdf, count) in enumerate(zip(cdfs, new_successes, strict=True)):
        low, high = _ends(cdf, level)
        covered[cell] = low <= count <= high
        randomised[cell] = _share_within(cdf, count, level)
    expected = new_trials * (successes + prior) / (trials + 2 * prior)
    table = pd.DataFrame(
        {
            "bin": np.searchsorted(list(EXPECTED_BINS), expected, side="right") - 1,
            "covered": covered,
            "covered_randomised": randomised,
        }
    )
    everything = _coverage(table.assign(bin="all"), ["all"])
    by_bin = _coverage(table, sorted(table["bin"].unique()))
    names = np.array(list(EXPECTED_BINS.values()), dtype=object)
    by_bin["bin"] = names[by_bin["bin"].to_numpy(dtype=int)]
    return pd.concat([by_bin, everything], ignore_index=True) if len(by_bin) else everything


def association_table(
    has_genre,
    genres: pd.Index,
    group: np.ndarray,
    groups: pd.Index,
    strata: np.ndarray,
    *,
    prior: float = 0.5,
    level: float = 0.95,
    fdr: float = 0.05,
    n_draws: int = 4000,
    random_state: int,
) -> pd.DataFrame:
    """Return how each genre goes with each cluster, with intervals, and against a null.

    The null: among the movies of one stratum, genre and cluster are unrelated. A genre's count
    in a cluster is then a sum of hypergeometric counts, one for each stratum. With the decades
    as strata, a genre and a cluster that only share their era are not associated. With one
    stratum for all movies, it is the ordinary null of independence.

    The p-value is two-sided: twice the smaller tail of the count, ends included. The tail is
    exact where the variance is below `EXACT_BELOW`, and else normal with a continuity correction.
    The normal tail alone would make a single movie of a rare genre look like an association.

    Parameters
    ----------
    has_genre : sparse array of 0 and 1, shape (n_movies, n_genres)
        Which movie has which genre.
    genres : Index
        Names of the columns of `has_genre`.
    group : ndarray of int, shape (n_movies,)
        Position in `groups` of each movie's cluster.
    groups : Index
        Labels of the clusters; some may have no movie.
    strata : ndarray, shape (n_movies,)
        Stratum of each movie, such as a code of its decade.
    prior, level : float
        As in :func:`share_intervals`.
    fdr : float
        Share of false ones allowed among the flagged.
    n_draws : int
        Posterior draws for the interval of each lift.
    random_state : int
        Seed of these draws.

    Returns
    -------
    DataFrame
        A row for each genre and cluster, clusters in order within genres in order:

        - ``genre``, ``cluster``; ``movies`` in the cluster; ``with_genre`` of these.
        - ``share``: raw, NaN for an empty cluster; ``mean``, ``low``, ``high``: the share by
          :func:`share_intervals`.
        - ``lift``: raw Pr[genre | cluster] over Pr[genre]; ``lift_low``, ``lift_high``: ends of
          its credible interval, from independent posteriors inside and outside the cluster, the
          cluster's share of the movies taken as known. Where all movies of the genre or none are
          in the cluster, the end beside the raw lift is the raw lift. NaN for an empty cluster
          or a genre of no movie.
        - ``expected``: `with_genre` expected under the null; ``lift_strata``: `with_genre` over
          `expected`, a lift against movies of the same strata, NaN where 0 is expected.
        - ``z``: `with_genre` less `expected`, drawn 0.5 towards 0, in standard deviations of the
          null; 0 where the null allows one count only.
        - ``p_value``; ``q_value``: by Benjamini and Hochberg over all rows; ``flagged``: whether
          `q_value` is at most `fdr`.

    Raises
    ------
    ValueError
        If the shapes do not fit, `has_genre` holds anything but 0 and 1, a group is not a
        position in `groups`, or a setting is out of range.

    References
    ----------
    Mantel and Haenszel (1959), "Statistical aspects of the analysis of data from retrospective
    studies of disease", Journal of the National Cancer Institute 22(4).
    Agresti (2013), "Categorical Data Analysis", 3rd edition, chapter 7, on the exact test.
    Benjamini and Hochberg (1995), "Controlling the false discovery rate", Journal of the Royal
    Statistical Society B 57(1).
    """
    genres, groups = pd.Index(genres), pd.Index(groups)
    _check_settings(prior, level)
    if not 0 < fdr < 1:
        raise ValueError(f"fdr is {fdr!r}, not between 0 and 1")
    if n_draws < 1:
        raise ValueError(f"n_draws is {n_draws!r}, not at least 1")
    null = _count_strata(has_genre, genres, group, groups, strata)
    with_genre, movies = null.with_genre, null.movies
    expected = null.expected()
    z, p_value = _against_null(null)
    interval = share_intervals(with_genre, movies, prior=prior, level=level)
    lift = lift_intervals(
        with_genre,
        movies,
        null.genre_movies[:, None],
        movies.sum(),
        prior=prior,
        level=level,
        n_draws=n_draws,
        random_state=random_state,
    )
    q_value = _false_discovery(p_value)
    columns = {
        "movies": np.broadcast_to(movies, with_genre.shape),
        "with_genre": with_genre,
        "share": _divide(with_genre, movies),
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "lift": lift.raw,
        "lift_low": lift.low,
        "lift_high": lift.high,
        "expected": expected,
        "lift_strata": _divide(with_genre, expected),
        "z": z,
        "p_value": p_value,
        "q_value": q_value,
        "flagged": q_value <= fdr,
    }
    table = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    table.insert(0, "genre", genres.repeat(len(groups)))
    table.insert(1, "cluster", groups.take(np.tile(np.arange(len(groups)), len(genres))))
    return table


@dataclass(frozen=True, eq=False)
class LiftInterval:
    """What is known of some lifts: arrays of one shape, NaN where there is no lift.

    Attributes
    ----------
    raw : ndarray of float
        Shares in the cluster over shares in all movies.
    low, high : ndarray of float
        Ends of the equal-tailed credible intervals.
    """

    raw: np.ndarray
    low: np.ndarray
    high: np.ndarray


def lift_intervals(
    inside,
    cluster_movies,
    thing_movies,
    n_movies: int,
    *,
    prior: float = 0.5,
    level: float = 0.95,
    n_draws: int = 4000,
    random_state: int,
) -> LiftInterval:
    """Return lifts of things, such as genres or actors, in clusters.

    The shares inside and outside of the cluster have independent Beta posteriors; the cluster's
    share of the movies is taken as known. Quantiles are those of draws. Where all movies of the
    thing or none are in the cluster, the end beside the raw lift is the raw lift.

    Parameters
    ----------
    inside : array_like of int
        Movies of the cluster that have the thing.
    cluster_movies, thing_movies : array_like of int
        Movies of the cluster; movies that have the thing. All three of shapes that broadcast.
    n_movies : int
        All movies.
    prior, level : float
        As in :func:`share_intervals`.
    n_draws : int
        Posterior draws of each lift.
    random_state : int
        Seed of these draws.

    Returns
    -------
    LiftInterval
        NaN for an empty cluster or a thing of no movie.
    """
    counts = (np.asarray(some) for some in (inside, cluster_movies, thing_movies))
    inside, cluster_movies, thing_movies = np.broadcast_arrays(*counts)
    rng = np.random.default_rng(random_state)
    raw = _divide(_divide(inside, cluster_movies), thing_movies / max(n_movies, 1)).ravel()
    ends = np.full((2, inside.size), np.nan)
    cells = zip(inside.flat, cluster_movies.flat, thing_movies.flat, strict=True)
    for cell, (k, n, m) in enumerate(cells):
        share_in = rng.beta(k + prior, n - k + prior, n_draws)
        share_out = rng.beta(m - k + prior, n_movies - n - m + k + prior, n_draws)
        weight = n / max(n_movies, 1)
        share = weight * share_in + (1 - weight) * share_out
        draws = np.divide(share_in, share, out=np.ones_like(share), where=share > 0)
        ends[:, cell] = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    low = np.where(inside.ravel() == 0, raw, ends[0])
    high = np.where(inside.ravel() == thing_movies.ravel(), raw, ends[1])
    unknown = np.isnan(raw)
    low[unknown] = high[unknown] = np.nan
    return LiftInterval(*(values.reshape(inside.shape) for values in (raw, low, high)))


def expected_calibration_error(
    predicted, happened, *, n_bins: int = 20
) -> tuple[float, pd.DataFrame]:
    """Return how far predicted probabilities are from what happened.

    Predictions are sorted into bins of about equal counts. Equal predictions stay together, so
    there may be fewer bins than asked for.

    Parameters
    ----------
    predicted : array_like of float
        Probabilities, of any shape.
    happened : array_like of bool, or of 0 and 1
        What happened, same shape.
    n_bins : int
        Most bins.

    Returns
    -------
    error : float
        Mean over all predictions of the distance between the two means of their bin.
    table : DataFrame
        ``predicted`` (mean), ``observed`` (share that happened), ``n``; a row for each bin, by
        rising prediction.

    Raises
    ------
    ValueError
        If there is no prediction, the shapes differ, a prediction is no probability, an outcome
        is neither 0 nor 1, or `n_bins` is not positive.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI. Nguyen and O'Connor (2015), "Posterior calibration and exploratory analysis
    for natural language processing models", EMNLP, on bins of equal counts.
    """
    predicted, happened = np.asarray(predicted, dtype=float), np.asarray(happened, dtype=float)
    if predicted.shape != happened.shape:
        raise ValueError(f"shapes differ: {predicted.shape} predicted, {happened.shape} happened")
    if predicted.size == 0:
        raise ValueError("there is no prediction")
    if not ((predicted >= 0) & (predicted <= 1)).all():
        raise ValueError("a prediction is not between 0 and 1")
    if not np.isin(happened, (0, 1)).all():
        raise ValueError("an outcome is neither 0 nor 1")
    if n_bins < 1:
        raise ValueError(f"n_bins is {n_bins!r}, not at least 1")
    _, which, ties = np.unique(predicted.ravel(), return_inverse=True, return_counts=True)
    middle = np.cumsum(ties) - ties / 2
    bins = (middle * n_bins / predicted.size).astype(int)[which]
    pairs = pd.DataFrame({"predicted": predicted.ravel(), "observed": happened.ravel()})
    means = pairs.groupby(bins).mean()
    n = np.bincount(bins)[means.index]
    table = means.assign(n=n).reset_index(drop=True)
    error = ((table["predicted"] - table["observed"]).abs() * table["n"]).sum() / predicted.size
    return float(error), table


@dataclass(frozen=True, eq=False)
class _StrataCounts:
    """Counts behind the null: within each stratum, of clusters and of genres.

    Attributes
    ----------
    with_genre : ndarray of int64, shape (n_genres, n_groups)
        Movies of each genre in each cluster, over all strata.
    of_group : ndarray of int64, shape (n_strata, n_groups)
        Movies of each cluster in each stratum.
    of_genre : ndarray of int64, shape (n_strata, n_genres)
        Movies of each genre in each stratum.
    sizes : ndarray of int64, shape (n_strata,)
        Movies of each stratum; none is empty.
    """

    with_genre: np.ndarray
    of_group: np.ndarray
    of_genre: np.ndarray
    sizes: np.ndarray

    @property
    def movies(self) -> np.ndarray:
        return self.of_group.sum(axis=0)

    @property
    def genre_movies(self) -> np.ndarray:
        return self.of_genre.sum(axis=0)

    def expected(self) -> np.ndarray:
        return (self.of_genre / self.sizes[:, None]).T @ self.of_group

    def variance(self) -> np.ndarray:
        sizes = self.sizes[:, None].astype(float)
        scale = sizes**2 * np.maximum(sizes - 1, 1)
        spread = self.of_genre * (sizes - self.of_genre) / scale
        return spread.T @ (self.of_group * (sizes - self.of_group))


def _count_strata(has_genre, genres, group, groups, strata) -> _StrataCounts:
    import scipy.sparse as sp

    has_genre = sp.csr_array(has_genre).astype(np.int64)
    group, strata = np.asarray(group), np.asarray(strata)
    n_movies, n_genres = has_genre.shape
    if n_genres != len(genres):
        raise ValueError(f"{n_genres} columns of genres, but {len(genres)} names")
    if group.shape != (n_movies,) or strata.shape != (n_movies,):
        raise ValueError(
            f"{n_movies} movies, but groups of shape {group.shape}, strata of {strata.shape}"
        )
    if not np.isin(has_genre.data, (0, 1)).all():
        raise ValueError("has_genre holds something other than 0 and 1")
    if not np.isin(group, np.arange(len(groups))).all():
        raise ValueError(f"a group is not a position between 0 and {len(groups) - 1}")
    known, strata = np.unique(strata, return_inverse=True)
    in_group = _one_hot(group.astype(np.intp), len(groups))
    in_stratum = _one_hot(strata, len(known))
    return _StrataCounts(
        with_genre=(has_genre.T @ in_group).toarray(),
        of_group=(in_stratum.T @ in_group).toarray(),
        of_genre=(in_stratum.T @ has_genre).toarray(),
        sizes=np.bincount(strata, minlength=len(known)),
    )


def _one_hot(positions: np.ndarray, n_columns: int):
    import scipy.sparse as sp

    ones = np.ones(len(positions), dtype=np.int64)
    rows = np.arange(len(positions))
    return sp.csr_array((ones, (rows, positions)), shape=(len(positions), n_columns))


def _against_null(null: _StrataCounts) -> tuple[np.ndarray, np.ndarray]:
    """Return z and the two-sided p-value of each count, genres x groups."""
    from scipy.special import ndtr

    variance = null.variance()
    off = null.with_genre - null.expected()
    towards_0 = np.sign(off) * np.maximum(np.abs(off) - 0.5, 0.0)
    z = np.divide(towards_0, np.sqrt(variance), out=np.zeros_like(off), where=variance > 0)
    p_value = 2 * ndtr(-np.abs(z))
    for genre, group in np.argwhere((variance > 0) & (variance < EXACT_BELOW)):
        p_value[genre, group] = _exact_p_value(
            null.with_genre[genre, group],
            null.of_group[:, group],
            null.of_genre[:, genre],
            null.sizes,
        )
    return z, p_value


def _exact_p_value(count: int, drawn: np.ndarray, marked: np.ndarray, sizes: np.ndarray) -> float:
    """Return twice the smaller tail of a sum of hypergeometric counts, at most 1."""
    smallest, pmf = 0, np.ones(1)
    for n, g, size in zip(drawn, marked, sizes, strict=True):
        first, one = _hypergeometric(n, g, size)
        smallest, pmf = smallest + first, np.convolve(pmf, one)
    at = count - smallest
    lower, upper = pmf[: max(at + 1, 0)].sum(), pmf[max(at, 0) :].sum()
    return min(1.0, 2 * min(lower, upper))


def _hypergeometric(n: int, g: int, size: int) -> tuple[int, np.ndarray]:
    """Return the first likely count of marked movies among those drawn, and the pmf from there.

    What is less likely than the mode by 1e-250 is left out: it costs time and changes no result.
    """
    first, last = max(0, n + g - size), min(n, g)
    x = np.arange(first, last, dtype=float)
    pmf = _pmf_from_ratios((n - x) * (g - x) / ((x + 1) * (size - n - g + x + 1)))
    likely = np.flatnonzero(pmf > 1e-250 * pmf.max())
    return first + int(likely[0]), pmf[likely[0] : likely[-1] + 1]


def _false_discovery(p_value: np.ndarray) -> np.ndarray:
    from scipy.stats import false_discovery_control

    if p_value.size == 0:
        return p_value
    return false_discovery_control(p_value.ravel(), method="bh").reshape(p_value.shape)


def _beta_intervals(successes, failures, prior_success, prior_failure, level) -> Interval:
    from scipy.special import betaincinv

    alpha, beta = successes + prior_success, failures + prior_failure
    seen = successes + failures > 0
    low = betaincinv(alpha, beta, (1 - level) / 2)
    high = betaincinv(alpha, beta, (1 + level) / 2)
    return Interval(
        mean=np.asarray(alpha / (alpha + beta)),
        low=np.where(seen & (successes == 0), 0.0, low),
        high=np.where(seen & (failures == 0), 1.0, high),
    )


def _predictive_cdfs(successes, trials, new_trials, prior) -> Iterator[np.ndarray]:
    """Yield each cell's beta-binomial distribution function at 0 to ``new_trials``."""
    cells = (successes.ravel(), trials.ravel(), new_trials.ravel())
    for k, n, new in zip(*cells, strict=True):
        x = np.arange(new, dtype=float)
        ratios = (new - x) * (x + k + prior) / ((x + 1) * (new - x - 1 + n - k + prior))
        yield np.cumsum(_pmf_from_ratios(ratios))


def _pmf_from_ratios(ratios: np.ndarray) -> np.ndarray:
    """Return the probabilities of which each is the one before times a ratio; they sum to 1."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    pmf = np.exp(logs - logs.max())
    return pmf / pmf.sum()


def _ends(cdf: np.ndarray, level: float) -> np.ndarray:
    """Return the smallest counts at which a distribution function reaches both tails."""
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    return np.minimum(np.searchsorted(cdf, tails - TOLERANCE), len(cdf) - 1)


def _share_within(cdf: np.ndarray, count: int, level: float) -> float:
    """Return the share of the step of `cdf` at `count` that lies between the tails."""
    bottom, top = (cdf[count - 1] if count else 0.0), cdf[count]
    within = min(top, (1 + level) / 2) - max(bottom, (1 - level) / 2)
    return max(within, 0.0) / (top - bottom) if top > bottom else 0.0


def _coverage(table: pd.DataFrame, bins: list) -> pd.DataFrame:
    by_bin = table.groupby("bin")
    means = by_bin[["covered", "covered_randomised"]].mean().reindex(bins)
    means.insert(0, "cells", by_bin.size().reindex(bins, fill_value=0).astype(int))
    return means.rename_axis("bin").reset_index()


def _divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the divisor is 0."""
    one, other = np.broadcast_arrays(np.asarray(one, dtype=float), other)
    return np.divide(one, other, out=np.full(one.shape, np.nan), where=other != 0)


def _whole(counts, name: str) -> np.ndarray:
    counts = np.asarray(counts)
    as_float = counts.astype(float)
    if not (np.isfinite(as_float) & (as_float >= 0) & (as_float == np.rint(as_float))).all():
        raise ValueError(f"{name} has something negative or not whole")
    return counts.astype(np.int64)


def _shares_of_counts(successes, trials) -> list[np.ndarray]:
    """Return both as whole counts of one shape, checked."""
    successes, trials = _whole(successes, "successes"), _whole(trials, "trials")
    successes, trials = np.broadcast_arrays(successes, trials)
    if (successes > trials).any():
        raise ValueError("there are more successes than trials")
    return [successes, trials]


def _check_settings(prior: float, level: float) -> None:
    if not (np.isfinite(prior) and prior > 0):
        raise ValueError(f"prior is {prior!r}, not a positive number")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}, not between 0 and 1")
