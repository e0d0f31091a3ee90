"""How far clusters can be trusted: whether they come back, and what they tell of other movies.

Every function takes a `fit`: something that turns an incidence matrix and a seed into a
:class:`Fitted` clustering. Ours is :meth:`Recipe.fit`; those of other libraries are compared on
the same footing. All of them are refitted from the matrix on, never from a stored embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.clustering import EMPTY_CLUSTERS_ARE_FINE, UNPLACED, Clustering, cluster_movies
from imdbclust.evaluation.intervals import expected_calibration_error
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence, shuffle_casts
from imdbclust.probabilities import CastModel, mutual_information
from imdbclust.reduction import Embedding, reduce_movies

TRAINED_SHARE = 0.8
"""Share of the movies in a subsample; the others are held out."""

NO_BITS, NO_ARI = 0.02, 0.05
"""Up to so many held-out bits, or such an agreement of subsamples, there is no structure."""

ERA_WEIGHT = 16.0
"""So many movies smooth the shares of a cluster within a decade."""

MIN_STRATUM = 20
"""A year with fewer movies is too sparse to shuffle within; its decade is taken instead."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A clustering of some movies, and how it takes in others.

    Attributes
    ----------
    labels : ndarray of int, shape (n_movies,)
        0 to ``n_clusters - 1``, or `UNPLACED`.
    n_clusters : int
        Number of clusters.
    assign : callable
        Takes casts (csr_array, n_new x n_actors) and returns their labels.
    """

    labels: np.ndarray
    n_clusters: int
    assign: Callable[[sp.csr_array], np.ndarray]


Fit = Callable[[Incidence, int], Fitted]


@dataclass(frozen=True)
class Recipe:
    """All that leads from a matrix to clusters, as the parameters of the notebooks name it."""

    n_components: int
    weighting: str
    regularization: float
    algorithm: str
    n_clusters: int
    n_init: int
    max_iter: int
    tol: float
    reassignment_ratio: float

    @classmethod
    def of(cls, embedding: Embedding, **clustering: float | str) -> Recipe:
        """Return the recipe that made an embedding, with these parameters of the clustering."""
        settings = {key: embedding.settings[key] for key in _REDUCTION}
        return cls(**settings, **clustering)

    def reduce(self, incidence: Incidence, random_state: int) -> Embedding:
        """Return the embedding of the recipe."""
        settings = {key: getattr(self, key) for key in _REDUCTION}
        return reduce_movies(incidence, **settings, random_state=random_state)

    def cluster(self, embedding: Embedding, random_state: int) -> Clustering:
        """Return the clustering of the recipe."""
        settings = {key: getattr(self, key) for key in _CLUSTERING}
        return cluster_movies(embedding, **settings, random_state=random_state)

    def fit(self, incidence: Incidence, random_state: int) -> Fitted:
        """Reduce and cluster."""
        embedding = self.reduce(incidence, random_state)
        clustering = self.cluster(embedding, random_state)
        return fitted(embedding, clustering)


_REDUCTION = ("n_components", "weighting", "regularization")
_CLUSTERING = ("algorithm", "n_clusters", "n_init", "max_iter", "tol", "reassignment_ratio")


def fitted(embedding: Embedding, clustering: Clustering) -> Fitted:
    """Return a clustering as something that takes in other movies."""
    return Fitted(
        clustering.labels,
        clustering.n_clusters,
        lambda casts: clustering.nearest(embedding.transform(casts)),
    )


@dataclass(frozen=True)
class Effort:
    """How much is refitted for an evaluation.

    Attributes
    ----------
    n_seeds, n_subsamples : int
        Fits with other seeds; fits on subsamples of the movies. All pairs are compared.
    n_shuffles : int
        Shuffled matrices of each kind, each fitted twice.
    n_permutations : int
        Permutations of the labels within year and cast size.
    n_curve : int
        Subsamples on which the choice of `n_clusters` and `n_components` is tried.
    most_movies : int, optional
        Of more movies than that nothing is refitted, unless all the effort is asked for.
    """

    n_seeds: int
    n_subsamples: int
    n_shuffles: int
    n_permutations: int
    n_curve: int
    most_movies: int | None = None

    def why_not(self, recipe: Recipe, incidence: Incidence, clustering: Clustering) -> str:
        """Say why the recipe is not evaluated; empty if it can be."""
        if not self.n_seeds:
            return "the parameter evaluation is off"
        if self.most_movies and incidence.shape[0] > self.most_movies:
            return (
                f"of {incidence.shape[0]:,} movies each of the fits takes long, and a part of them "
                "would be another corpus; -p evaluation full does it all the same"
            )
        n_placed = int(clustering.placed.sum())
        trained = int(TRAINED_SHARE * min(n_placed, *incidence.shape))
        if trained <= recipe.n_components or n_placed < 5 * recipe.n_clusters:
            return (
                f"too few movies ({n_placed:,} placed) or actors ({incidence.shape[1]:,}) for "
                f"parts of them to make {recipe.n_clusters:,} clusters by "
                f"{recipe.n_components:,} components"
            )
        return ""


EFFORTS = {
    "off": Effort(0, 0, 0, 0, 0),
    "quick": Effort(
        n_seeds=4, n_subsamples=4, n_shuffles=1, n_permutations=50, n_curve=2, most_movies=100_000
    ),
    "full": Effort(n_seeds=10, n_subsamples=10, n_shuffles=10, n_permutations=500, n_curve=6),
}
"""What the parameter ``evaluation`` stands for."""


class NotEvaluated(ValueError):
    """A part of the movies, or a shuffle of their casts, is too poor for the recipe."""


# ---------------------------------------------------------------- stability


def over_seeds(
    fit: Fit, incidence: Incidence, whole: Fitted, *, n_seeds: int, random_state: int
) -> pd.DataFrame:
    """Fit with other seeds and compare all pairs.

    Parameters
    ----------
    fit : callable
        The recipe.
    incidence : Incidence
        The movies.
    whole : Fitted
        The fit with `random_state`, which is one of those compared.
    n_seeds : int
        Number of fits compared, that one included.
    random_state : int
        The seed; the others follow it.

    Returns
    -------
    DataFrame
        ``one``, ``other``, ``ari``: adjusted Rand index over the movies placed by both.

    References
    ----------
    Hubert and Arabie (1985), "Comparing partitions", Journal of Classification 2.
    """
    seeds = [random_state + number for number in range(1, n_seeds)]
    fits = [whole, *in_threads(lambda seed: fit(incidence, seed), seeds)]
    everything = np.arange(incidence.shape[0])
    return _agreement([(everything, one) for one in fits])


@dataclass(frozen=True, eq=False)
class Subsample:
    """A fit on a part of the movies.

    Attributes
    ----------
    trained, held_out : ndarray of int
        Positions of the movies that were fitted, and of the others.
    fit : Fitted
        Labels in the order of `trained`.
    """

    trained: np.ndarray
    held_out: np.ndarray
    fit: Fitted


def over_subsamples(
    fit: Fit,
    incidence: Incidence,
    *,
    n_subsamples: int,
    random_state: int,
    share: float = TRAINED_SHARE,
) -> tuple[list[Subsample], pd.DataFrame]:
    """Fit on random parts of the movies and compare all pairs on the movies that they share.

    Parameters
    ----------
    fit : callable
        The recipe.
    incidence : Incidence
        All movies.
    n_subsamples : int
        Number of parts; there are n (n - 1) / 2 pairs.
    random_state : int
        Seed of the draws, and of the fits, which differ in their seeds as well.
    share : float between 0 and 1
        Share of the movies in each part.

    Returns
    -------
    subsamples : list of Subsample
    pairs : DataFrame
        As of :func:`over_seeds`.

    References
    ----------
    Ben-Hur, Elisseeff and Guyon (2002), "A stability based method for discovering structure in
    clustered data", Pacific Symposium on Biocomputing.
    """
    splits = [
        _split(incidence.shape[0], share, random_state + number) for number in range(n_subsamples)
    ]
    subsamples = in_threads(
        lambda number: _fit_part(fit, incidence, *splits[number], random_state + number),
        range(n_subsamples),
    )
    return subsamples, _agreement([(part.trained, part.fit) for part in subsamples])


def _split(n_movies: int, share: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    shuffled = np.random.default_rng(random_state).permutation(n_movies)
    cut = round(share * n_movies)
    return np.sort(shuffled[:cut]), np.sort(shuffled[cut:])


def _fit_part(
    fit: Fit, incidence: Incidence, trained: np.ndarray, held_out: np.ndarray, random_state: int
) -> Subsample:
    try:
        return Subsample(trained, held_out, fit(incidence.select(trained), random_state))
    except ValueError as error:
        raise NotEvaluated(f"on {len(trained):,} of the movies, {error}") from error


def _agreement(fits: Sequence[tuple[np.ndarray, Fitted]]) -> pd.DataFrame:
    """Compare all pairs of fits, each given with the positions of its movies."""
    from sklearn.metrics import adjusted_rand_score

    rows = []
    for (one, (movies, fit)), (other, (movies_2, fit_2)) in combinations(enumerate(fits), 2):
        _, here, there = np.intersect1d(movies, movies_2, return_indices=True)
        labels, labels_2 = fit.labels[here], fit_2.labels[there]
        both = (labels != UNPLACED) & (labels_2 != UNPLACED)
        ari = adjusted_rand_score(labels[both], labels_2[both]) if both.any() else np.nan
        rows.append((one, other, ari))
    return pd.DataFrame(rows, columns=["one", "other", "ari"])


# ---------------------------------------------------------------- information


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What clusters tell about the genres of movies that were not fitted.

    Attributes
    ----------
    bits : DataFrame, genres x predictors
        Mean reduction of the log-loss (base 2) of "the movie has the genre" against
        Pr[genre], per held-out movie with a cast. The predictors: ``nearest`` (the cluster with
        the nearest center), ``posterior`` (all clusters, by Pr[cluster | cast]), ``decade``, and
        both with the decade.
    counts : DataFrame
        ``cluster``, ``genre``, ``trained``, ``trained_with``, ``new``, ``new_with``: movies of
        the cluster, and those with the genre, among the fitted and among the held-out movies.
    calibration : DataFrame
        ``predicted``, ``observed``, ``n``: predicted probabilities of genres in bins of equal
        count, and how often the genre was there.
    agreement : DataFrame of one row
        ``movies``, ``placed`` (share), ``nearest``, ``posterior``: share of the placed movies that
        get the cluster which they have in the fit of all movies; NaN where that is not given.
    """

    bits: pd.DataFrame
    counts: pd.DataFrame
    calibration: pd.DataFrame
    agreement: pd.DataFrame


PREDICTORS = ("nearest", "posterior", "decade", "decade_and_nearest", "decade_and_posterior")


def tell_held_out(
    corpus: Corpus, incidence: Incidence, part: Subsample, *, whole: Fitted | None = None
) -> HeldOut:
    """Predict the genres of a subsample's held-out movies from their casts alone.

    Pr[genre | cluster] is the share among the fitted movies of the cluster, smoothed by one
    movie of the overall shares, and so is Pr[genre | decade]. Pr[genre | cluster, decade] is
    smoothed by `ERA_WEIGHT` movies of the decade's shares, which for a decade hardly seen give way
    to the cluster's. Movies without a cast are left out. Those that cannot be placed have the
    shares of the unplaced movies.

    Parameters
    ----------
    corpus : Corpus
        All movies.
    incidence : Incidence
        Their matrix.
    part : Subsample
        A fit on some of them.
    whole : Fitted, optional
        A fit on all movies, to see whether a held-out movie gets its cluster there.

    Returns
    -------
    HeldOut
    """
    genres, names = corpus.genre_matrix()
    decades = decade_codes(corpus)
    casts = incidence.matrix
    new = part.held_out[incidence.cast_sizes()[part.held_out] > 0]
    if not len(new):
        raise NotEvaluated(f"of {len(part.held_out):,} movies held out none has a cast")
    has_genre, base = genres[part.trained], _smoothed_shares(genres[part.trained])
    model = CastModel.learn(casts[part.trained], part.fit.labels, part.fit.n_clusters)
    groups = _codes(part.fit.labels, part.fit.n_clusters)
    nearest = _codes(part.fit.assign(casts[new]), part.fit.n_clusters)
    posterior = model.posterior(casts[new])

    n_groups, n_decades = part.fit.n_clusters + 1, decades.max() + 1
    by_group = _shares(has_genre, groups, n_groups, base, 1.0)
    by_decade = _shares(has_genre, decades[part.trained], n_decades, base, 1.0)
    cells = groups * n_decades + decades[part.trained]
    seen = np.bincount(decades[part.trained], minlength=n_decades)[:, None]
    prior = (seen * by_decade + ERA_WEIGHT * by_group[:, None]) / (seen + ERA_WEIGHT)
    prior = prior.reshape(n_groups * n_decades, -1)
    by_both = _shares(has_genre, cells, n_groups * n_decades, prior, ERA_WEIGHT)
    by_both = by_both.reshape(n_groups, n_decades, -1)
    now = decades[new]
    predicted = {
        "nearest": by_group[nearest],
        "posterior": posterior @ by_group,
        "decade": by_decade[now],
        "decade_and_nearest": by_both[nearest, now],
        "decade_and_posterior": np.einsum("mg,gmd->md", posterior, by_both[:, now]),
    }
    happened = genres[new].toarray()
    bits = {name: _gain(values, base, happened) for name, values in predicted.items()}
    return HeldOut(
        bits=pd.DataFrame(bits, index=names),
        counts=_count_both(has_genre, groups, happened, nearest, n_groups, names),
        calibration=expected_calibration_error(predicted["posterior"], happened)[1],
        agreement=_compare_with_whole(part, whole, new, nearest, posterior),
    )


def split_in_time(
    fit: Fit, corpus: Corpus, incidence: Incidence, *, year: int, random_state: int
) -> Subsample | None:
    """Fit the movies before a year; those from it on are held out.

    Movies without a year are left out of both. None if there is nothing to predict, or if the
    earlier movies are too few for the recipe.
    """
    years = corpus.movies["year"].astype("Float64").to_numpy(float, na_value=np.nan)
    before, after = np.flatnonzero(years < year), np.flatnonzero(years >= year)
    if not incidence.cast_sizes()[after].any():
        return None
    try:
        return _fit_part(fit, incidence, before, after, random_state)
    except ValueError:  # fewer movies than clusters or components
        return None


def decade_codes(corpus: Corpus) -> np.ndarray:
    """Return a number from 0 on for each movie's decade; the last is for movies without a year."""
    decades = (corpus.movies["year"] // 10).astype("Int64").fillna(10_000)
    return np.unique(decades.to_numpy(int), return_inverse=True)[1]


def era_codes(corpus: Corpus, *, least: int = MIN_STRATUM) -> np.ndarray:
    """Return a number for each movie's year, or for its decade where the year has few movies."""
    years = corpus.movies["year"].astype("Int64").fillna(-10).to_numpy(int)
    _, place, sizes = np.unique(years, return_inverse=True, return_counts=True)
    return np.where(sizes[place] >= least, years, -(years // 10) - 10_000)


def genre_bits(labels: np.ndarray, genres: sp.csr_array) -> np.ndarray:
    """Return the mutual information of cluster and genre in bits, for each genre, in-sample.

    Parameters
    ----------
    labels : ndarray of int, shape (n_movies,)
        Clusters; `UNPLACED` counts as one more.
    genres : csr_array, shape (n_movies, n_genres)
        1 where the movie has the genre.
    """
    codes = labels - labels.min()
    sizes = np.bincount(codes)
    joint = (_indicator(codes, len(sizes)) @ genres).toarray().T
    return mutual_information(joint, sizes)


def _gain(predicted: np.ndarray, base: np.ndarray, happened: np.ndarray) -> np.ndarray:
    """Return the mean reduction of log2-loss for each genre."""
    won = happened * np.log2(predicted / base)
    lost = (1 - happened) * np.log2((1 - predicted) / (1 - base))
    return (won + lost).mean(axis=0)


def _smoothed_shares(has_genre: sp.csr_array) -> np.ndarray:
    """Return Pr[genre], half a movie added on either side so that none is 0 or 1."""
    return (has_genre.sum(axis=0) + 0.5) / (has_genre.shape[0] + 1)


def _shares(
    has_genre: sp.csr_array, codes: np.ndarray, n_codes: int, prior: np.ndarray, weight: float
) -> np.ndarray:
    counts = (_indicator(codes, n_codes) @ has_genre).toarray()
    sizes = np.bincount(codes, minlength=n_codes)
    return (counts + weight * prior) / (sizes + weight)[:, None]


def _indicator(codes: np.ndarray, n_codes: int) -> sp.csr_array:
    where = (codes, np.arange(len(codes)))
    return sp.csr_array((np.ones(len(codes)), where), shape=(n_codes, len(codes)))


def _codes(labels: np.ndarray, n_clusters: int) -> np.ndarray:
    return np.where(labels == UNPLACED, n_clusters, labels)


def _count_both(has_genre, groups, happened, nearest, n_groups, names) -> pd.DataFrame:
    trained = (_indicator(groups, n_groups) @ has_genre).toarray()
    new = _indicator(nearest, n_groups) @ happened
    cluster = np.array([*range(n_groups - 1), UNPLACED])
    return pd.DataFrame(
        {
            "cluster": np.repeat(cluster, len(names)),
            "genre": np.tile(names.to_numpy(), n_groups),
            "trained": np.repeat(np.bincount(groups, minlength=n_groups), len(names)),
            "trained_with": trained.ravel().astype(int),
            "new": np.repeat(np.bincount(nearest, minlength=n_groups), len(names)),
            "new_with": new.ravel().astype(int),
        }
    )


def _compare_with_whole(part, whole, new, nearest, posterior) -> pd.DataFrame:
    """Match the part's clusters to those of the whole fit, and see what the new movies get."""
    from scipy.optimize import linear_sum_assignment

    placed = nearest < part.fit.n_clusters
    about = {"movies": len(new), "placed": placed.mean() if len(new) else np.nan}
    shares = dict.fromkeys(("nearest", "posterior"), np.nan)
    if whole is not None:
        table = np.zeros((part.fit.n_clusters + 1, whole.n_clusters + 1))
        codes = _codes(part.fit.labels, part.fit.n_clusters)
        np.add.at(table, (codes, _codes(whole.labels[part.trained], whole.n_clusters)), 1)
        rows, columns = linear_sum_assignment(-table[:-1, :-1])
        same = np.full(part.fit.n_clusters + 1, -2)
        same[rows] = columns
        both = placed & (whole.labels[new] != UNPLACED)
        for name, given in (("nearest", nearest), ("posterior", posterior.argmax(axis=1))):
            if both.any():
                shares[name] = (same[given[both]] == whole.labels[new][both]).mean()
    return pd.DataFrame([about | shares])


# ---------------------------------------------------------------- nulls


def under_shuffles(
    fit: Fit,
    corpus: Corpus,
    incidence: Incidence,
    *,
    strata: Mapping[str, np.ndarray | None],
    n_shuffles: int,
    random_state: int,
) -> pd.DataFrame:
    """Evaluate the recipe on shuffled casts: what it finds where there is nothing to find.

    Parameters
    ----------
    fit, corpus, incidence
        The recipe and the movies.
    strata : mapping
        Kinds of shuffle: their names, and within what movies trade actors, as in
        :func:`imdbclust.matrix.shuffle_casts`. With years, the era is kept.
    n_shuffles : int
        Shuffled matrices of each kind. Each is fitted on two subsamples.
    random_state : int
        Seed.

    Returns
    -------
    DataFrame
        One row a shuffle: ``null``, ``bits`` (in-sample), ``held_out``, ``held_out_posterior``,
        ``ari_subsamples``.
    """
    genres, _ = corpus.genre_matrix()

    def one(job: tuple[str, int]) -> dict[str, float | str]:
        null, seed = job
        shuffled = shuffle_casts(incidence, random_state=seed, strata=strata[null])
        parts, pairs = over_subsamples(fit, shuffled, n_subsamples=2, random_state=seed)
        told = [tell_held_out(corpus, shuffled, part).bits.sum() for part in parts]
        bits = [genre_bits(part.fit.labels, genres[part.trained]).sum() for part in parts]
        return {
            "null": null,
            "bits": np.mean(bits),
            "held_out": np.mean([some["nearest"] for some in told]),
            "held_out_posterior": np.mean([some["posterior"] for some in told]),
            "ari_subsamples": pairs["ari"].mean(),
        }

    seeds = [random_state + 1000 * (number + 1) for number in range(n_shuffles)]
    columns = ["null", "bits", "held_out", "held_out_posterior", "ari_subsamples"]
    jobs = [(null, seed) for seed in seeds for null in strata]
    return pd.DataFrame(in_threads(one, jobs), columns=columns)


def permuted_bits(
    labels: np.ndarray,
    genres: sp.csr_array,
    strata: np.ndarray,
    *,
    n_permutations: int,
    random_state: int,
) -> np.ndarray:
    """Return the in-sample bits of labels permuted within strata, summed over genres.

    Returns
    -------
    ndarray, shape (n_permutations,)
        What clusters would tell that follow the strata alone.
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

    p is (1 + nulls at least as large) / (1 + nulls): never 0, and no smaller than their number
    admits. z and p are NaN for fewer than five nulls, which tell nothing of their spread.

    References
    ----------
    Phipson and Smyth (2010), "Permutation p-values should never be zero", Statistical
    Applications in Genetics and Molecular Biology 9.
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


def recovery(corpus: Corpus, clustering: Clustering) -> float | None:
    """Return how well the clusters recover the troupes planted in the generated sample.

    Returns
    -------
    float or None
        Adjusted Rand index between troupes and clusters of the placed movies; None for films
        that are not the sample's, of which nobody knows the truth.
    """
    from sklearn.metrics import adjusted_rand_score

    from imdbclust.datasets.made_up.sample import make_filmography

    if corpus.source.get("name") != "sample":
        return None
    troupes = make_filmography().movie_troupe
    return float(
        adjusted_rand_score(troupes[clustering.placed], clustering.labels[clustering.placed])
    )


# ---------------------------------------------------------------- the number of clusters


def curves(
    recipe: Recipe,
    corpus: Corpus,
    incidence: Incidence,
    *,
    n_clusters: Sequence[int],
    n_components: Sequence[int],
    n_subsamples: int,
    random_state: int,
) -> pd.DataFrame:
    """Try other numbers of clusters and of components, on subsamples.

    A subsample is reduced once, to the largest of `n_components`; fewer components are its first
    ones. k-means has 5 starts here, whatever the recipe says.

    Returns
    -------
    DataFrame
        ``n_clusters``, ``n_components``, ``measure`` (``ari_subsamples``, ``held_out``,
        ``silhouette``), ``value``: one row for each pair of subsamples or each subsample.
    """
    part_shape = (round(TRAINED_SHARE * incidence.shape[0]), incidence.shape[1])
    pairs = [(k, recipe.n_components) for k in n_clusters]
    pairs += [(recipe.n_clusters, d) for d in n_components if d != recipe.n_components]
    pairs = [(k, d) for k, d in pairs if d <= min(part_shape)]
    largest = max(d for _, d in pairs)
    wide = replace(recipe, n_components=largest, n_init=min(recipe.n_init, 5))

    def one(number: int) -> dict[tuple[int, int], tuple[Subsample, float]]:
        trained, held_out = _split(incidence.shape[0], TRAINED_SHARE, random_state + number)
        embedding = wide.reduce(incidence.select(trained), random_state + number)
        found = {}
        for k, d in pairs:
            part = embedding.first(d)
            if k > part.placed.sum():
                continue
            clustering = replace(wide, n_clusters=k).cluster(part, random_state + number)
            fit = Subsample(trained, held_out, fitted(part, clustering))
            found[k, d] = fit, silhouette(part, clustering, random_state=random_state)
        return found

    results = in_threads(one, range(n_subsamples))
    rows = []
    for k, d in pairs:
        parts = [found[k, d] for found in results if (k, d) in found]
        fits = [(part.trained, part.fit) for part, _ in parts]
        values = {
            "ari_subsamples": _agreement(fits)["ari"].tolist(),
            "held_out": [
                tell_held_out(corpus, incidence, part).bits["nearest"].sum() for part, _ in parts
            ],
            "silhouette": [value for _, value in parts],
        }
        rows += [(k, d, measure, value) for measure, some in values.items() for value in some]
    return pd.DataFrame(rows, columns=["n_clusters", "n_components", "measure", "value"])


def silhouette(
    embedding: Embedding, clustering: Clustering, *, random_state: int, n_movies: int = 2000
) -> float:
    """Return the mean silhouette of a sample of the placed movies; NaN where it has no meaning.

    References
    ----------
    Rousseeuw (1987), "Silhouettes", Journal of Computational and Applied Mathematics 20.
    """
    from sklearn.metrics import silhouette_score

    placed = np.flatnonzero(clustering.placed)
    rng = np.random.default_rng(random_state)
    some = rng.choice(placed, size=min(n_movies, len(placed)), replace=False)
    labels = clustering.labels[some]
    if not 2 <= len(np.unique(labels)) < len(labels):
        return np.nan
    return float(silhouette_score(embedding.scores[some], labels))


def effective_clusters(sizes: Sequence[int]) -> float:
    """Return the effective number of clusters: the exponential of the entropy of their sizes.

    References
    ----------
    Hill (1973), "Diversity and evenness", Ecology 54 (order 1).
    """
    shares = np.asarray(sizes, dtype=float)
    shares = shares[shares > 0] / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


# ---------------------------------------------------------------- all of it


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What refitting a recipe showed.

    Attributes
    ----------
    pairs : DataFrame
        ``over`` (``seeds`` or ``subsamples``), ``one``, ``other``, ``ari``.
    information : DataFrame
        ``genres`` (``all``, or without the form tags), ``in_sample``, then the bits of each of
        `PREDICTORS`, then ``beyond_decade`` (decade and nearest, less decade) and
        ``beyond_decade_posterior``.
    by_genre : DataFrame
        The same for each genre, with its ``movies``.
    spread : dict of float
        Standard deviation over the subsamples of the bits of each predictor.
    held_out : list of HeldOut
        One for each subsample.
    in_time : HeldOut or None
        Fitted before a year, predicted from it on.
    nulls : DataFrame
        ``null``, ``measure``, ``n``, and what :func:`compare_with_null` returns.
    """

    pairs: pd.DataFrame
    information: pd.DataFrame
    by_genre: pd.DataFrame
    spread: dict[str, float]
    held_out: list[HeldOut]
    in_time: HeldOut | None
    nulls: pd.DataFrame

    def ari(self, over: str) -> float:
        """Return the mean adjusted Rand index over ``seeds`` or ``subsamples``."""
        return float(self.pairs.loc[self.pairs["over"] == over, "ari"].mean())

    def bits(self, name: str, genres: str = "all") -> float:
        """Return one number of `information`."""
        return float(self.information.set_index("genres").loc[genres, name])

    def null(self, null: str, measure: str) -> float:
        """Return the mean of a measure under a null."""
        return float(self.nulls.set_index(["null", "measure"]).loc[(null, measure), "null_mean"])

    def metrics(self) -> dict[str, float]:
        """Return the numbers by which recipes are compared."""
        return {
            "ari_seeds": self.ari("seeds"),
            "ari_subsamples": self.ari("subsamples"),
            "genre_bits": self.bits("in_sample"),
            "genre_bits_of_era": self.null(WITHIN_YEAR, "bits"),
            "held_out_bits": self.bits("nearest"),
            "held_out_bits_posterior": self.bits("posterior"),
            "bits_of_decade": self.bits("decade"),
            "bits_beyond_decade": self.bits("beyond_decade"),
            "bits_beyond_decade_posterior": self.bits("beyond_decade_posterior"),
        }


WITHIN_YEAR = "labels permuted within years"
WITHIN_YEAR_AND_CAST = "labels permuted within years and cast sizes"
SHUFFLED = "casts shuffled"
SHUFFLED_WITHIN_YEAR = "casts shuffled within years"


def evaluate(
    fit: Fit,
    corpus: Corpus,
    incidence: Incidence,
    effort: Effort,
    *,
    whole: Fitted | None = None,
    form_tags: Sequence[str] = (),
    split_year: int = 2005,
    random_state: int,
) -> Evaluation:
    """Refit a recipe with other seeds, on parts of the movies and on shuffled casts.

    Parameters
    ----------
    fit : callable
        The recipe.
    corpus : Corpus
        The movies.
    incidence : Incidence
        Their matrix.
    effort : Effort
        How much is refitted; at least one seed and two subsamples.
    whole : Fitted, optional
        The fit of all movies with `random_state`, if it is there already.
    form_tags : sequence of str
        Genres that name a form or an era rather than content, such as ``Silent``.
    split_year : int
        Movies before it are fitted, the others predicted.
    random_state : int
        Seed of all of it.

    Returns
    -------
    Evaluation

    Raises
    ------
    NotEvaluated
        A part of the movies cannot be clustered, or leaves none with a cast to predict.
    """
    whole = whole or fit(incidence, random_state)
    usual = {"random_state": random_state}
    seeds = over_seeds(fit, incidence, whole, n_seeds=effort.n_seeds, **usual)
    parts, subsamples = over_subsamples(fit, incidence, n_subsamples=effort.n_subsamples, **usual)
    held_out = in_threads(lambda part: tell_held_out(corpus, incidence, part, whole=whole), parts)
    later = split_in_time(fit, corpus, incidence, year=split_year, **usual)
    genres, _ = corpus.genre_matrix()
    by_genre = sum(told.bits for told in held_out) / len(held_out)
    by_genre.insert(0, "in_sample", genre_bits(whole.labels, genres))
    _add_differences(by_genre)
    content = by_genre[~by_genre.index.isin(form_tags)]
    information = pd.DataFrame({"all": by_genre.sum(), WITHOUT_FORM: content.sum()}).T
    by_genre.insert(0, "movies", genres.sum(axis=0).astype(int))
    nulls = _compare_with_nulls(
        fit,
        corpus,
        incidence,
        effort,
        labels=whole.labels,
        observed={
            "bits": information.loc["all", "in_sample"],
            "held_out": information.loc["all", "nearest"],
            "held_out_posterior": information.loc["all", "posterior"],
            "ari_subsamples": subsamples["ari"].mean(),
        },
        random_state=random_state,
    )
    totals = pd.DataFrame([told.bits.sum() for told in held_out])
    return Evaluation(
        pairs=pd.concat([seeds.assign(over="seeds"), subsamples.assign(over="subsamples")])[
            ["over", "one", "other", "ari"]
        ],
        information=information.rename_axis("genres").reset_index(),
        by_genre=by_genre.sort_values("nearest", ascending=False).reset_index(),
        spread=totals.std(ddof=1).to_dict(),
        held_out=held_out,
        in_time=tell_held_out(corpus, incidence, later) if later else None,
        nulls=nulls,
    )


WITHOUT_FORM = "without form tags"


def _add_differences(bits: pd.DataFrame) -> None:
    bits["beyond_decade"] = bits["decade_and_nearest"] - bits["decade"]
    bits["beyond_decade_posterior"] = bits["decade_and_posterior"] - bits["decade"]


def _compare_with_nulls(
    fit, corpus, incidence, effort, *, labels, observed, random_state
) -> pd.DataFrame:
    genres, _ = corpus.genre_matrix()
    era = era_codes(corpus)
    cast_sizes = np.minimum(incidence.cast_sizes(), 10)
    strata = {WITHIN_YEAR: era, WITHIN_YEAR_AND_CAST: era * 100 + cast_sizes}
    rows = []
    for null, codes in strata.items():
        bits = permuted_bits(
            labels, genres, codes, n_permutations=effort.n_permutations, random_state=random_state
        )
        about = {"null": null, "measure": "bits", "n": len(bits)}
        rows.append(about | compare_with_null(observed["bits"], bits))
    shuffles = under_shuffles(
        fit,
        corpus,
        incidence,
        strata={SHUFFLED_WITHIN_YEAR: era, SHUFFLED: None},
        n_shuffles=effort.n_shuffles,
        random_state=random_state,
    )
    for null, some in shuffles.groupby("null", sort=False):
        for measure, values in some.drop(columns="null").items():
            about = {"null": null, "measure": measure, "n": len(values)}
            rows.append(about | compare_with_null(observed[measure], values))
    return pd.DataFrame(rows)


def supported_clusters(tried: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return the number of clusters that each measure of :func:`curves` supports.

    Returns
    -------
    DataFrame
        ``measure``, ``n_clusters`` (where its mean is largest), ``value`` there, and
        ``at_chosen``: the mean at the recipe's number of clusters.
    """
    of_k = tried[tried["n_components"] == recipe.n_components].dropna()
    means = of_k.groupby(["measure", "n_clusters"])["value"].mean()
    rows = [
        {
            "measure": measure,
            "n_clusters": some.idxmax()[1],
            "value": some.max(),
            "at_chosen": some.get((measure, recipe.n_clusters), np.nan),
        }
        for measure, some in means.groupby("measure")
    ]
    return pd.DataFrame(rows, columns=["measure", "n_clusters", "value", "at_chosen"])


def has_structure(held_out: float, ari_subsamples: float) -> bool:
    """Tell whether clusters are more than a cut through noise, by `NO_BITS` and `NO_ARI`."""
    return held_out > NO_BITS and ari_subsamples >= NO_ARI


_Item, _Result = TypeVar("_Item"), TypeVar("_Result")


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Apply a function to all items, on all cores, in their order.

    The libraries compute outside of Python's lock; every item has its own seed, so the results
    do not depend on the number of cores.
    """
    from joblib import Parallel, delayed

    with EMPTY_CLUSTERS_ARE_FINE:
        return Parallel(n_jobs=-1, prefer="threads")(delayed(function)(item) for item in items)
