"""Nulls: what a recipe finds where the labels or the casts are shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from imdbclust.evaluation.held_out import genre_bits, score_held_out
from imdbclust.evaluation.recipe import Effort, Fit
from imdbclust.evaluation.stability import Subsample, compare_fits, random_subsample
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence, shuffle_casts

MIN_STRATUM = 20  # movies of a year to shuffle within it; sparser years use their decade

WITHIN_YEAR = "labels permuted within years"
WITHIN_YEAR_AND_CAST = "labels permuted within years and cast sizes"
SHUFFLED = "casts shuffled"
SHUFFLED_WITHIN_YEAR = "casts shuffled within years"

SCORED = ("likeliest", "posterior", "decade", "decade_and_posterior")
"""Predictors of which :func:`measure_parts` uses the bits."""

RARE = 0.05
"""Probability that shuffled casts, or permuted labels, have any measure above its limit."""


def permuted_labels(
    corpus: Corpus, incidence: Incidence, effort: Effort, labels: np.ndarray, random_state: int
) -> dict[str, Callable[[], np.ndarray]]:
    """Return a function for each null of permuted labels: :func:`permuted_bits`, of `labels`."""
    genres, era = corpus.genre_matrix()[0], era_codes(corpus)
    era_and_cast = era * 100 + np.minimum(incidence.cast_sizes(), 10)
    usual = {"n_permutations": effort.n_permutations, "random_state": random_state}
    strata = {WITHIN_YEAR: era, WITHIN_YEAR_AND_CAST: era_and_cast}
    return {
        null: partial(permuted_bits, labels, genres, groups, **usual)
        for null, groups in strata.items()
    }


def shuffled_casts(
    fit: Fit, corpus: Corpus, incidence: Incidence, effort: Effort, random_state: int
) -> list[Callable[[], dict[str, str | float]]]:
    """Return functions that measure a recipe on shuffled casts, where chance alone links movies.

    Each shuffles the casts once, fits two subsamples, and returns the ``null`` and the measures of
    :func:`measure_parts`. If all movies are of one era, casts are not shuffled within years.
    """
    era = era_codes(corpus)
    kinds = {SHUFFLED_WITHIN_YEAR: era} if len(np.unique(era)) > 1 else {}

    def one(null: str, strata: np.ndarray | None, seed: int) -> dict[str, str | float]:
        shuffled = shuffle_casts(incidence, random_state=seed, strata=strata)
        parts = [random_subsample(fit, shuffled, seed + number) for number in range(2)]
        pairs = compare_fits([(part.trained, part.fit) for part in parts])
        held_out = [score_held_out(corpus, shuffled, part, predictors=SCORED) for part in parts]
        scores = [one.bits.sum() for one in held_out]
        return {"null": null} | measure_parts(corpus, parts, pairs, pd.DataFrame(scores))

    numbers = range(1, effort.shuffles(corpus.n_movies) + 1)
    seeds = [random_state + 1000 * number for number in numbers]
    kinds |= {SHUFFLED: None}
    return [partial(one, *kind, seed) for seed in seeds for kind in kinds.items()]


def compare_with_nulls(
    observed: Mapping[str, float],
    permuted: Mapping[str, np.ndarray],
    shuffled: Sequence[Mapping[str, str | float]],
) -> pd.DataFrame:
    """Compare the results of a recipe with permuted labels and with shuffled casts.

    `observed` has the measures of :func:`measure_parts` without a shuffle, and ``bits``, the
    information of the clusters of all movies about genres. `permuted` and `shuffled` are the
    results of :func:`permuted_labels` and :func:`shuffled_casts`. The columns are ``null``,
    ``measure``, ``n`` (shuffles), then the values of :func:`compare_with_null`.
    """
    found = [(null, "bits", values) for null, values in permuted.items()]
    for null, table in pd.DataFrame(shuffled).groupby("null", sort=False):
        found += [(null, *column) for column in table.drop(columns="null").items()]
    rows = []
    for null, measure, values in found:
        rare = RARE / sum(null == other for other, _, _ in found)
        compared = compare_with_null(observed[measure], values, rare=rare)
        rows.append({"null": null, "measure": measure, "n": len(values)} | compared)
    return pd.DataFrame(rows)


def measure_parts(
    corpus: Corpus, parts: Sequence[Subsample], pairs: pd.DataFrame, scores: pd.DataFrame
) -> dict[str, float]:
    """Return the means over fits of subsamples that are compared with those of shuffled casts.

    `scores` has the bits of each predictor, summed over genres, one row for each part. The keys:
    ``bits_on_parts`` (in-sample), ``held_out`` (most probable cluster), ``held_out_posterior``,
    ``beyond_decade_posterior``, ``ari_subsamples``. Without genres there is only the last.
    """
    genres, _ = corpus.genre_matrix()
    found = {}
    if genres.shape[1]:
        bits = [genre_bits(part.fit.labels, genres[part.trained]).sum() for part in parts]
        found["bits_on_parts"] = np.mean(bits)
        beyond = scores["decade_and_posterior"] - scores["decade"]
        found["held_out"] = scores["likeliest"].mean()
        found["held_out_posterior"] = scores["posterior"].mean()
        found["beyond_decade_posterior"] = beyond.mean()
    return found | {"ari_subsamples": pairs["ari"].mean()}


def permuted_bits(labels, genres, strata, *, n_permutations: int, random_state: int) -> np.ndarray:
    """Return the in-sample bits of labels permuted within strata, summed over genres.

    The result has one value for each permutation.
    """
    target, bits = np.argsort(strata, kind="stable"), np.empty(n_permutations)
    for number in range(n_permutations):
        draw = np.random.default_rng(random_state + number).random(len(labels))
        permuted = np.empty_like(labels)
        permuted[target] = labels[np.lexsort((draw, strata))]
        bits[number] = genre_bits(permuted, genres).sum()
    return bits


def compare_with_null(
    observed: float, null: Iterable[float], *, rare: float = RARE
) -> dict[str, float]:
    """Return ``observed``, ``null_mean``, ``spread`` (standard deviation), ``limit``, ``z``, ``p``.

    A value above the limit has the probability `rare` under the null, by Student's t distribution,
    if values under the null are normal. The fewer nulls, the farther the limit is from their mean;
    it is NaN for fewer than three. :func:`compare_with_nulls` divides `RARE` by the number of
    measures, after Bonferroni.

    p is (1 + nulls at least as large) / (1 + nulls): never 0, and limited by the number of nulls.
    z and p are NaN for fewer than five nulls, too few to estimate them. See Phipson and Smyth
    (2010), "Permutation p-values should never be zero", Statistical Applications in Genetics and
    Molecular Biology 9, and Geisser (1993), "Predictive inference", section 2.
    """
    from scipy.special import stdtrit

    null = np.asarray(list(null), dtype=float)
    n, enough = len(null), len(null) >= 5
    mean = null.mean() if n else np.nan
    spread = null.std(ddof=1) if n > 1 else np.nan
    margin = stdtrit(n - 1, 1 - rare) * spread * np.sqrt(1 + 1 / n) if n >= 3 else np.nan
    return {
        "observed": observed,
        "null_mean": mean,
        "spread": spread,
        "limit": mean + margin,
        "z": (observed - mean) / spread if enough and spread > 0 else np.nan,
        "p": (1 + (null >= observed).sum()) / (1 + n) if enough else np.nan,
    }


def era_codes(corpus: Corpus, *, least: int = MIN_STRATUM) -> np.ndarray:
    """Return a number for each movie's year, or for its decade if the year has few movies."""
    years = corpus.movies["year"].astype("Int64").fillna(-10).to_numpy(int)
    _, place, sizes = np.unique(years, return_inverse=True, return_counts=True)
    return np.where(sizes[place] >= least, years, -(years // 10) - 10_000)
