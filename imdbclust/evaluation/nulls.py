"""Nulls: what a recipe finds where the labels or the casts are shuffled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from imdbclust.evaluation.held_out import genre_bits, score_held_out
from imdbclust.evaluation.recipe import Effort, Fit, in_threads
from imdbclust.evaluation.stability import over_subsamples
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence, shuffle_casts

MIN_STRATUM = 20  # movies of a year to shuffle within it; sparser years use their decade

WITHIN_YEAR = "labels permuted within years"
WITHIN_YEAR_AND_CAST = "labels permuted within years and cast sizes"
SHUFFLED = "casts shuffled"
SHUFFLED_WITHIN_YEAR = "casts shuffled within years"


def compare_with_nulls(
    fit: Fit,
    corpus: Corpus,
    incidence: Incidence,
    effort: Effort,
    *,
    labels: np.ndarray,
    observed: Mapping[str, float],
    random_state: int,
) -> pd.DataFrame:
    """Compare the results of a recipe with permuted labels and with shuffled casts.

    `labels` are the clusters of all movies, `observed` the measures without a shuffle: ``bits``
    (in-sample), ``held_out``, ``held_out_posterior`` and ``ari_subsamples``. The columns are
    ``null``, ``measure``, ``n`` (shuffles), then the values of :func:`compare_with_null`.
    """
    genres, _ = corpus.genre_matrix()
    era = era_codes(corpus)
    era_and_cast = era * 100 + np.minimum(incidence.cast_sizes(), 10)
    found = []
    for null, strata in ((WITHIN_YEAR, era), (WITHIN_YEAR_AND_CAST, era_and_cast)):
        usual = {"n_permutations": effort.n_permutations, "random_state": random_state}
        found.append((null, "bits", permuted_bits(labels, genres, strata, **usual)))
    kinds = {SHUFFLED_WITHIN_YEAR: era, SHUFFLED: None}
    seeds = [random_state + 1000 * (number + 1) for number in range(effort.n_shuffles)]
    shuffles = _under_shuffles(fit, corpus, incidence, kinds, seeds)
    for null, table in shuffles.groupby("null", sort=False):
        found += [(null, *column) for column in table.drop(columns="null").items()]
    rows = [
        {"null": null, "measure": measure, "n": len(values)}
        | compare_with_null(observed[measure], values)
        for null, measure, values in found
    ]
    return pd.DataFrame(rows)


def _under_shuffles(fit, corpus, incidence, strata, seeds) -> pd.DataFrame:
    """Measure a recipe on shuffled casts, where any structure is due to chance.

    `strata` has the groups of movies within which actors are exchanged, by the name of the null.
    There is a row for each null and seed; each matrix is fitted on two subsamples.
    """
    genres, _ = corpus.genre_matrix()

    def one(job: tuple[str, int]) -> tuple:
        null, seed = job
        shuffled = shuffle_casts(incidence, random_state=seed, strata=strata[null])
        parts, pairs = over_subsamples(fit, shuffled, n_subsamples=2, random_state=seed)
        scores = [score_held_out(corpus, shuffled, part).bits.sum() for part in parts]
        bits = [genre_bits(part.fit.labels, genres[part.trained]).sum() for part in parts]
        held_out = (np.mean([some[name] for some in scores]) for name in ("nearest", "posterior"))
        return null, np.mean(bits), *held_out, pairs["ari"].mean()

    columns = ["null", "bits", "held_out", "held_out_posterior", "ari_subsamples"]
    jobs = [(null, seed) for seed in seeds for null in strata]
    return pd.DataFrame(in_threads(one, jobs), columns=columns)


def permuted_bits(labels, genres, strata, *, n_permutations: int, random_state: int) -> np.ndarray:
    """Return the in-sample bits of labels permuted within strata, summed over genres.

    The result has one value for each permutation.
    """

    def one(seed: int) -> float:
        draw = np.random.default_rng(seed).random(len(labels))
        order, target = np.lexsort((draw, strata)), np.argsort(strata, kind="stable")
        permuted = np.empty_like(labels)
        permuted[target] = labels[order]
        return genre_bits(permuted, genres).sum()

    seeds = [random_state + number for number in range(n_permutations)]
    return np.array(in_threads(one, seeds))


def compare_with_null(observed: float, null: Iterable[float]) -> dict[str, float]:
    """Return ``observed``, ``null_mean``, ``spread`` (standard deviation), ``z`` and ``p``.

    p is (1 + nulls at least as large) / (1 + nulls): never 0, and limited by the number of nulls.
    z and p are NaN for fewer than five nulls, too few to estimate their spread. See Phipson and
    Smyth (2010), "Permutation p-values should never be zero", Statistical Applications in
    Genetics and Molecular Biology 9.
    """
    null = np.asarray(list(null), dtype=float)
    enough = len(null) >= 5
    spread = null.std(ddof=1) if len(null) > 1 else np.nan
    return {
        "observed": observed,
        "null_mean": null.mean() if len(null) else np.nan,
        "spread": spread,
        "z": (observed - null.mean()) / spread if enough and spread > 0 else np.nan,
        "p": (1 + (null >= observed).sum()) / (1 + len(null)) if enough else np.nan,
    }


def era_codes(corpus: Corpus, *, least: int = MIN_STRATUM) -> np.ndarray:
    """Return a number for each movie's year, or for its decade if the year has few movies."""
    years = corpus.movies["year"].astype("Int64").fillna(-10).to_numpy(int)
    _, place, sizes = np.unique(years, return_inverse=True, return_counts=True)
    return np.where(sizes[place] >= least, years, -(years // 10) - 10_000)
