"""Associations of genres and clusters, tested against a null that keeps the era fixed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.evaluation.intervals import (
    check_settings,
    divide,
    lift_intervals,
    pmf_from_ratios,
    share_intervals,
)
from imdbclust.matrix import one_hot

EXACT_BELOW = 100.0  # variance below which counts are tested exactly, not by the normal tail


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
) -> pd.DataFrame:
    """Return how each genre is associated with each cluster, with intervals and p-values.

    The null hypothesis: among the movies of one stratum, genre and cluster are independent. The
    count of a genre in a cluster is then a sum of hypergeometric counts, one for each stratum.
    With decades as strata, a genre and a cluster that only share their era are not associated.
    See Mantel and Haenszel
    (1959), "Statistical aspects of the analysis of data from retrospective studies of disease",
    Journal of the National Cancer Institute 22(4).

    The p-value is two-sided: twice the smaller tail of the count, ends included. The tail is
    exact if the variance is below `EXACT_BELOW`, otherwise normal with a continuity correction.
    The normal tail alone would turn a single movie of a rare genre into an association. See
    Agresti (2013), "Categorical Data Analysis", 3rd edition, chapter 7.

    Parameters
    ----------
    has_genre : sparse array of 0 and 1, shape (n_movies, n_genres)
        Which movie has which genre.
    genres, groups : Index
        Names of the columns of `has_genre`; labels of the clusters, some of which may be empty.
    group, strata : ndarray, shape (n_movies,)
        Position in `groups` of each movie's cluster; each movie's stratum, such as its decade.
    prior, level
        As in :func:`imdbclust.evaluation.intervals.lift_intervals`.
    fdr : float
        False discovery rate of the flagged associations.

    Returns
    -------
    DataFrame
        One row for each genre and cluster, ordered by genre, then by cluster:

        - ``genre``, ``cluster``; ``movies`` in the cluster; ``with_genre``: those with the genre.
        - ``share``: raw, NaN for an empty cluster; ``mean``, ``low``, ``high``: its posterior.
        - ``lift``: raw Pr[genre | cluster] / Pr[genre]; ``lift_low``, ``lift_high``: see
          :func:`imdbclust.evaluation.intervals.lift_intervals`. NaN for an empty cluster or a
          genre of no movie.
        - ``expected``: `with_genre` expected under the null; ``lift_strata``: `with_genre` /
          `expected`, a lift compared with movies of the same strata, NaN if 0 is expected.
        - ``z``: `with_genre` - `expected`, moved 0.5 towards 0, in standard deviations of the
          null; 0 if the null allows only one count.
        - ``p_value``; ``q_value``: by Benjamini and Hochberg (1995), "Controlling the false
          discovery rate", Journal of the Royal Statistical Society B 57(1), over all rows;
          ``flagged``: whether `q_value` is at most `fdr`.

    Raises
    ------
    ValueError
        The shapes do not match, `has_genre` has values other than 0 and 1, a group is not a
        position in `groups`, or a setting is out of range.
    """
    genres, groups = pd.Index(genres), pd.Index(groups)
    check_settings(prior, level)
    if not 0 < fdr < 1:
        raise ValueError(f"fdr must be between 0 and 1, not {fdr!r}")
    with_genre, of_group, of_genre = _count_strata(has_genre, genres, group, groups, strata)
    expected, z, p_value = _against_null(with_genre, of_group, of_genre)
    movies, all_with_genre = of_group.sum(axis=0), of_genre.sum(axis=0)[:, None]
    options = {"prior": prior, "level": level}
    interval = share_intervals(with_genre, movies, **options)
    lift = lift_intervals(with_genre, movies, all_with_genre, movies.sum(), **options)
    q_value = _false_discovery(p_value)
    columns = {
        "movies": np.broadcast_to(movies, with_genre.shape),
        "with_genre": with_genre,
        "share": divide(with_genre, movies),
        **interval.columns(),
        "lift": lift.estimate,
        "lift_low": lift.low,
        "lift_high": lift.high,
        "expected": expected,
        "lift_strata": divide(with_genre, expected),
        "z": z,
        "p_value": p_value,
        "q_value": q_value,
        "flagged": q_value <= fdr,
    }
    keys = {"genre": genres.repeat(len(groups)), "cluster": np.tile(groups, len(genres))}
    return pd.DataFrame(keys | {name: values.ravel() for name, values in columns.items()})


def _count_strata(has_genre, genres, group, groups, strata) -> list[np.ndarray]:
    """Count movies (int64): genres x groups over all strata, strata x groups, strata x genres."""
    has_genre = sp.csr_array(has_genre)
    group, strata = np.asarray(group), np.asarray(strata)
    n_movies, n_genres = has_genre.shape
    if n_genres != len(genres):
        raise ValueError(f"{n_genres} columns of genres, but {len(genres)} names")
    if group.shape != (n_movies,) or strata.shape != (n_movies,):
        raise ValueError(
            f"{n_movies} movies, but groups of shape {group.shape}, strata of {strata.shape}"
        )
    if not np.isin(has_genre.data, (0, 1)).all():
        raise ValueError("has_genre has values other than 0 and 1")
    if not np.isin(group, np.arange(len(groups))).all():
        raise ValueError(f"a group is not a position between 0 and {len(groups) - 1}")
    known, strata = np.unique(strata, return_inverse=True)
    in_group = one_hot(group.astype(np.intp), len(groups))
    in_stratum = one_hot(strata, len(known))
    counts = (has_genre.T @ in_group.T, in_stratum @ in_group.T, in_stratum @ has_genre)
    return [count.toarray(order="C").astype(np.int64) for count in counts]


def _against_null(with_genre, of_group, of_genre) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the expected count, z and the two-sided p-value, each genres x groups."""
    from scipy.special import ndtr

    sizes = of_group.sum(axis=1)
    size = sizes[:, None].astype(float)
    expected = (of_genre / size).T @ of_group
    spread = of_genre * (size - of_genre) / (size**2 * np.maximum(size - 1, 1))
    variance = spread.T @ (of_group * (size - of_group))
    excess = with_genre - expected
    corrected = np.sign(excess) * np.maximum(np.abs(excess) - 0.5, 0.0)
    z = np.divide(corrected, np.sqrt(variance), out=np.zeros_like(excess), where=variance > 0)
    p_value = 2 * ndtr(-np.abs(z))
    exact = (variance > 0) & (variance < EXACT_BELOW)
    # stratum, its movies of the genre, and its movies; a stratum without the genre adds nothing
    strata = [
        [(one, int(marked[one]), int(sizes[one])) for one in np.flatnonzero(marked)]
        for marked in of_genre.T
    ]
    for group, drawn in enumerate(of_group.T.tolist()):
        hypergeometric = cache(_hypergeometric)  # rare genres repeat each other
        for genre in np.flatnonzero(exact[:, group]).tolist():
            counts = [hypergeometric(drawn[one], g, size) for one, g, size in strata[genre]]
            p_value[genre, group] = _exact_p_value(int(with_genre[genre, group]), counts)
    return expected, z, p_value


def _exact_p_value(count: int, counts: list[tuple[int, np.ndarray]]) -> float:
    """Return twice the smaller tail of a sum of counts, at most 1."""
    smallest, pmf = 0, np.ones(1)
    for first, one in counts:
        smallest += first
        if len(one) > 1:
            pmf = np.convolve(pmf, one)
    at = count - smallest
    lower, upper = pmf[: max(at + 1, 0)].sum(), pmf[max(at, 0) :].sum()
    return min(1.0, 2 * min(lower, upper))


def _hypergeometric(n: int, g: int, size: int) -> tuple[int, np.ndarray]:
    """Return the first likely count of marked movies among those drawn, and the pmf from it on.

    Counts less likely than the mode by a factor of 1e-250 are left out, to save time.
    """
    first, last = max(0, n + g - size), min(n, g)
    x = np.arange(first, last, dtype=float)
    pmf = pmf_from_ratios((n - x) * (g - x) / ((x + 1) * (size - n - g + x + 1)))
    likely = np.flatnonzero(pmf > 1e-250 * pmf.max())
    return first + int(likely[0]), pmf[likely[0] : likely[-1] + 1]


def _false_discovery(p_value: np.ndarray) -> np.ndarray:
    from scipy.stats import false_discovery_control

    if p_value.size == 0:
        return p_value
    return false_discovery_control(p_value.ravel(), method="bh").reshape(p_value.shape)
