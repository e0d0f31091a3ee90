"""Stability: whether the same clusters come back with other seeds and on random subsamples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from imdbclust import wording
from imdbclust.base.processes import together
from imdbclust.clustering import UNPLACED
from imdbclust.evaluation.recipe import TRAINED_SHARE, Fit, Fitted, NotEvaluated
from imdbclust.matrix import Incidence


@dataclass(frozen=True, eq=False)
class Subsample:
    """Positions of fitted and of held-out movies, and the fit, with labels as in `trained`."""

    trained: np.ndarray
    held_out: np.ndarray
    fit: Fitted


def over_seeds(
    fit: Fit, incidence: Incidence, whole: Fitted, *, n_seeds: int, random_state: int
) -> pd.DataFrame:
    """Fit all movies with different seeds and compare all pairs of fits.

    The result is that of :func:`compare_fits`. The `n_seeds` fits have consecutive seeds; the
    first, with the seed `random_state`, is `whole`.
    """
    (fits,) = together(seed_fits(fit, incidence, n_seeds=n_seeds, random_state=random_state))
    return compare_fits([(np.arange(incidence.shape[0]), one) for one in (whole, *fits)])


def seed_fits(
    fit: Fit, incidence: Incidence, *, n_seeds: int, random_state: int
) -> list[Callable[[], Fitted]]:
    """Return functions that fit all movies, one for each of `n_seeds` seeds but the first."""
    return [partial(fit, incidence, random_state + number) for number in range(1, n_seeds)]


def over_subsamples(
    fit: Fit, incidence: Incidence, *, n_subsamples: int, random_state: int
) -> tuple[list[Subsample], pd.DataFrame]:
    """Fit random subsamples and compare all pairs of fits on the movies that they share.

    See Ben-Hur, Elisseeff and Guyon (2002), "A stability based method for discovering structure
    in clustered data", Pacific Symposium on Biocomputing.

    The result is the fits and that of :func:`compare_fits`. `random_state` is the first of
    consecutive seeds; each is for the draw and the fit of one subsample. Raises NotEvaluated if a
    subsample cannot be fitted.
    """
    seeds = [random_state + number for number in range(n_subsamples)]
    (parts,) = together([partial(random_subsample, fit, incidence, seed) for seed in seeds])
    return parts, compare_fits([(part.trained, part.fit) for part in parts])


def random_subsample(fit: Fit, incidence: Incidence, random_state: int) -> Subsample:
    """Draw and fit a subsample; raise :class:`NotEvaluated` if it cannot be fitted."""
    movies = split_movies(incidence.shape[0], TRAINED_SHARE, random_state)
    return fit_subsample(fit, incidence, *movies, random_state)


def split_movies(n_movies: int, share: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted positions of a random share of the movies, and of the rest."""
    shuffled = np.random.default_rng(random_state).permutation(n_movies)
    cut = round(share * n_movies)
    return np.sort(shuffled[:cut]), np.sort(shuffled[cut:])


def fit_subsample(
    fit: Fit, incidence: Incidence, trained: np.ndarray, held_out: np.ndarray, random_state: int
) -> Subsample:
    """Fit some of the movies; raise :class:`NotEvaluated` if that is impossible."""
    try:
        return Subsample(trained, held_out, fit(incidence.select(trained), random_state))
    except ValueError as error:
        reason = wording.sentence("subsample_not_fitted", n_movies=len(trained), error=error)
        raise NotEvaluated(reason) from error


def compare_fits(fits: Sequence[tuple[np.ndarray, Fitted]]) -> pd.DataFrame:
    """Return the agreement of all pairs of fits, each given with the positions of its movies.

    The columns are ``one``, ``other`` and ``ari``, the adjusted Rand index over the movies that
    both fits place (NaN without such movies). See Hubert and Arabie (1985), "Comparing
    partitions", Journal of Classification 2.
    """
    from sklearn.metrics import adjusted_rand_score

    rows = []
    for (one, (movies_1, fit_1)), (other, (movies_2, fit_2)) in combinations(enumerate(fits), 2):
        _, shared_1, shared_2 = np.intersect1d(movies_1, movies_2, return_indices=True)
        labels_1, labels_2 = fit_1.labels[shared_1], fit_2.labels[shared_2]
        both = (labels_1 != UNPLACED) & (labels_2 != UNPLACED)
        ari = adjusted_rand_score(labels_1[both], labels_2[both]) if both.any() else np.nan
        rows.append((one, other, ari))
    return pd.DataFrame(rows, columns=["one", "other", "ari"])
