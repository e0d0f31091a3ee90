"""Information: what clusters say about the genres of movies, held-out or fitted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust import wording
from imdbclust.clustering import UNPLACED, Clustering
from imdbclust.evaluation.intervals import calibration_table
from imdbclust.evaluation.recipe import Fit, Fitted, NotEvaluated
from imdbclust.evaluation.stability import Subsample, fit_subsample
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence, one_hot
from imdbclust.new_movies.cast_model import CastModel
from imdbclust.new_movies.genre_model import Facts, GenreModel, years_of
from imdbclust.probabilities import mutual_information

MOST_CELLS = 1_000_000  # held-out movies x genres of a block, to bound the memory
ERA_WEIGHT = 16.0  # pseudo-movies that smooth the genre shares of a cluster within a decade

SUFFIXES = {"likeliest": "", "nearest": "_nearest", "posterior": "_posterior"}
"""Ends of the names of measures, by the way in which held-out movies are placed."""

WINDOWS = (1, 2, 3, 5, 10, 20)
"""Numbers of years before a split, of which :func:`choose_window` chooses one."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What clusters say about the genres of held-out movies.

    Attributes
    ----------
    bits : DataFrame, genres x predictors
        Mean reduction of the log-loss (base 2) of "the movie has the genre", compared with
        Pr[genre], per held-out movie with a cast. The predictors: ``nearest`` (the cluster with
        the nearest center), ``likeliest`` (the cluster with the largest Pr[cluster | cast]),
        ``posterior`` (all clusters, by Pr[cluster | cast]), ``decade``, and ``decade_and_nearest``,
        ``decade_and_likeliest``, ``decade_and_posterior``; and, if asked for, ``cast``: the other
        movies of the actors, without clusters.
    movies : DataFrame, held-out movies x predictors
        The same for each held-out movie, summed over genres.
    counts : DataFrame
        ``cluster``, ``genre``, ``trained``, ``trained_with``, ``new``, ``new_with``: movies of
        the cluster, and those with the genre, among the fitted and among the held-out movies.
    calibration : DataFrame, optional
        Predictions by ``posterior``, as in
        :func:`imdbclust.evaluation.intervals.calibration_table`, if all predictors are computed.
    agreement : DataFrame of one row
        ``movies``, ``placed`` (share), ``nearest``, ``posterior``: share of the placed movies that
        get the same cluster as in the fit of all movies; NaN without such a fit.
    calibration_of_cast : DataFrame, optional
        As `calibration`, of the predictor ``cast``.
    """

    bits: pd.DataFrame
    movies: pd.DataFrame
    counts: pd.DataFrame
    calibration: pd.DataFrame | None
    agreement: pd.DataFrame
    calibration_of_cast: pd.DataFrame | None = None


def score_held_out(
    corpus: Corpus,
    incidence: Incidence,
    part: Subsample,
    *,
    whole: Fitted | None = None,
    eras: np.ndarray | None = None,
    cast: bool = False,
    predictors: Collection[str] = (),
) -> HeldOut:
    """Predict the genres of a subsample's held-out movies from their casts alone.

    Pr[genre | cluster] is the share among the fitted movies of the cluster, smoothed by one
    pseudo-movie with the overall shares; Pr[genre | decade] likewise. Pr[genre | cluster, decade]
    is smoothed by `ERA_WEIGHT` pseudo-movies with the shares of the decade; the fewer fitted
    movies a decade has, the more the shares of the cluster replace them. Movies without a cast are
    left out. Movies that cannot be placed get the shares of the unplaced fitted movies. `whole`,
    a fit of all movies, serves to check whether a held-out movie gets the same cluster. `eras`,
    the number of each movie's era from 0, replaces its decade. With `cast`, a
    :class:`~imdbclust.new_movies.genre_model.GenreModel` is learned from the fitted movies, too.
    `predictors` names those whose bits are computed; by default, all. Raises NotEvaluated if no
    held-out movie has a cast.
    """
    genres, names = corpus.genre_matrix()
    casts, decades = incidence.matrix, decade_codes(corpus) if eras is None else eras
    new = part.held_out[incidence.cast_sizes()[part.held_out] > 0]
    if not len(new):
        raise NotEvaluated(wording.sentence("nothing_held_out", n_movies=len(part.held_out)))
    n_clusters = part.fit.n_clusters
    groups = _group_codes(part.fit.labels, n_clusters)
    nearest = _group_codes(part.fit.assign(casts[new]), n_clusters)
    model = CastModel.learn(casts[part.trained], part.fit.labels, n_clusters)
    posterior = model.posterior(casts[new])
    likeliest = posterior.argmax(axis=1)
    if cast:
        of_cast = GenreModel.learn(casts[part.trained], Facts.of(corpus, part.trained))
        from_cast = of_cast.predict(casts[new])

    n_groups, n_decades = n_clusters + 1, decades.max() + 1
    then, now = decades[part.trained], decades[new]
    seen = np.bincount(then, minlength=n_decades)[:, None]
    trained, held_out = genres[part.trained].tocsc(), genres[new].tocsc()
    each, bits, movies, tables = np.arange(len(new)), [], [], {"posterior": [], "cast": []}
    width = max(1, MOST_CELLS // len(new))
    for first in range(0, max(len(names), 1), width):
        block = slice(first, first + width)
        has_genre, happened = trained[:, block].tocsr(), held_out[:, block]
        base = smoothed_shares(has_genre)
        by_group = _shares(has_genre, groups, n_groups, base, 1.0)
        by_decade = _shares(has_genre, then, n_decades, base, 1.0)
        prior = (seen * by_decade + ERA_WEIGHT * by_group[:, None]) / (seen + ERA_WEIGHT)
        flat, cells = prior.reshape(n_groups * n_decades, -1), groups * n_decades + then
        by_both = _shares(has_genre, cells, len(flat), flat, ERA_WEIGHT)
        # the shares of a predictor, and which row of them is each movie's
        predicted = {
            "nearest": (by_group, nearest),
            "likeliest": (by_group, likeliest),
            "posterior": (posterior @ by_group, each),
            "decade": (by_decade, now),
            "decade_and_nearest": (by_both, nearest * n_decades + now),
            "decade_and_likeliest": (by_both, likeliest * n_decades + now),
            "decade_and_posterior": (_within_decades(posterior, by_both, now), each),
        }
        if cast:
            own = (of_cast.modelled >= first) & (of_cast.modelled < first + width)
            predicted["cast"] = np.tile(base, (len(new), 1)), each
            predicted["cast"][0][:, of_cast.modelled[own] - first] = from_cast[:, own]
        if not predictors:
            there = happened.toarray(order="C")
            for name in tables & predicted.keys():
                tables[name].append(calibration_table(predicted[name][0], there))
        wanted = predictors or predicted
        gains = {name: log_loss_gain(*predicted[name], base, happened) for name in wanted}
        bits.append(pd.DataFrame({name: gain[0] for name, gain in gains.items()}, names[block]))
        movies.append(pd.DataFrame({name: gain[1] for name, gain in gains.items()}))
    pooled = {name: pd.concat(some, ignore_index=True) for name, some in tables.items() if some}
    return HeldOut(
        bits=pd.concat(bits),
        movies=sum(movies[1:], movies[0]),
        counts=_counts(trained, groups, held_out, nearest, n_groups, names),
        calibration=pooled.get("posterior"),
        agreement=_agreement(part, whole, groups, new, nearest, posterior),
        calibration_of_cast=pooled.get("cast"),
    )


@dataclass(frozen=True, eq=False)
class InTime:
    """What clusters of earlier movies say about the genres of later ones.

    Attributes
    ----------
    bits : DataFrame
        ``predictor``; ``bits``, compared with the genre shares of all earlier movies;
        ``beyond_last_years``, the difference from the predictor ``last_years``;
        ``standard_error`` of that difference, over the later movies. ``last_years`` predicts the
        genre shares of the last `window` years before the split. ``last_years_and_nearest`` and
        the like predict those of the cluster in these years, smoothed as for decades.
    window : int
        Years, as in :func:`choose_window`.
    """

    bits: pd.DataFrame
    window: int


def score_in_time(
    fit: Fit, corpus: Corpus, incidence: Incidence, *, year: int, random_state: int
) -> InTime | None:
    """Fit the movies before a year, and predict those from it on; None as :func:`split_in_time`."""
    part = split_in_time(fit, corpus, incidence, year=year, random_state=random_state)
    if part is None:
        return None
    window = choose_window(corpus, incidence, year)
    late = (corpus.movies["year"] >= year - window).fillna(value=False).to_numpy(bool)
    movies = score_held_out(corpus, incidence, part, eras=late.astype(int)).movies
    movies = movies.rename(columns=lambda name: name.replace("decade", "last_years"))
    beyond = movies.sub(movies["last_years"], axis=0)
    table = {
        "bits": movies.mean(),
        "beyond_last_years": beyond.mean(),
        "standard_error": beyond.sem(),
    }
    return InTime(pd.DataFrame(table).rename_axis("predictor").reset_index(), window)


def split_in_time(
    fit: Fit, corpus: Corpus, incidence: Incidence, *, year: int, random_state: int
) -> Subsample | None:
    """Fit the movies before a year and hold out those from that year on; skip undated movies.

    The result is None if no later movie has a cast, or the earlier ones are too few for the recipe.
    """
    years = years_of(corpus)
    before, after = np.flatnonzero(years < year), np.flatnonzero(years >= year)
    if not incidence.cast_sizes()[after].any():
        return None
    try:
        return fit_subsample(fit, incidence, before, after, random_state)
    except NotEvaluated:
        return None


def choose_window(corpus: Corpus, incidence: Incidence, year: int) -> int:
    """Return the number of years before a split whose genre shares predict later movies best.

    It is the one of `WINDOWS` with the highest mean bits at the splits 10, 20 and 30 years before
    `year`, each for the movies with a cast in the ten years that follow. So no movie from `year`
    on is used. It is the longest if none of these splits has movies on both sides.
    """
    genres, years = corpus.genre_matrix()[0], years_of(corpus)
    with_cast = incidence.cast_sizes() > 0
    bits = []
    for split in (year - 10, year - 20, year - 30):
        before, new = years < split, (years >= split) & (years < split + 10) & with_cast
        if before.any() and new.any():
            base, one_row = smoothed_shares(genres[before]), np.zeros(new.sum(), dtype=int)
            late = [genres[before & (years >= split - window)] for window in WINDOWS]
            shares = [(some.sum(axis=0)[None] + base) / (some.shape[0] + 1) for some in late]
            gains = [log_loss_gain(share, one_row, base, genres[new])[0] for share in shares]
            bits.append(np.sum(gains, axis=1))
    return WINDOWS[int(np.argmax(np.mean(bits, axis=0)))] if bits else WINDOWS[-1]


def decade_codes(corpus: Corpus) -> np.ndarray:
    """Return the number of each movie's decade, from 0; the last is for movies without a year."""
    decades = (corpus.movies["year"] // 10).astype("Int64").fillna(10_000)
    return np.unique(decades.to_numpy(int), return_inverse=True)[1]


def genre_bits(labels: np.ndarray, genres: sp.csr_array) -> np.ndarray:
    """Return the mutual information of cluster and genre in bits, for each genre, in-sample.

    `labels` are the movies' clusters, `UNPLACED` being one more; `genres` is the movies x genres
    matrix of 0 and 1.
    """
    codes = labels - labels.min()
    sizes = np.bincount(codes)
    joint = (one_hot(codes, len(sizes)) @ genres).toarray().T
    return mutual_information(joint, sizes)


def joint_information(corpus: Corpus, clustering: Clustering) -> dict[str, float]:
    """Return what the cluster says about the set of genres of a movie, in bits.

    Returns
    -------
    dict
        ``entropy`` of the set; ``raw``, the mutual information of cluster and set, in-sample;
        ``by_chance``, its mean over all permutations of the clusters, computed exactly; ``bits``,
        the difference of the two, which is about 0 if cluster and genres are independent.

    References
    ----------
    Vinh, Epps and Bailey (2010), "Information theoretic measures for clusterings comparison",
    Journal of Machine Learning Research 11.
    """
    from scipy.stats import entropy
    from sklearn.metrics import mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

    genres, _ = corpus.genre_matrix()
    genres.sort_indices()
    sets = [genres.indices[start:end].tobytes() for start, end in pairwise(genres.indptr)]
    codes = pd.Series(sets, dtype=object).factorize()[0]
    table = contingency_matrix(clustering.codes, codes, sparse=True)
    raw = mutual_info_score(None, None, contingency=table) / np.log(2)
    by_chance = expected_mutual_information(table, len(codes)) / np.log(2)
    found = {"entropy": entropy(np.bincount(codes), base=2), "raw": raw, "by_chance": by_chance}
    return {name: float(bits) for name, bits in found.items()} | {"bits": float(raw - by_chance)}


def log_loss_gain(
    shares: np.ndarray, rows: np.ndarray, base: np.ndarray, happened: sp.sparray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the reduction of the log-loss (base 2) compared with `base`.

    Row `rows[i]` of `shares` (strictly between 0 and 1) has the predictions for the genres of movie
    ``i``. `happened` is the sparse movies x genres matrix of 0 and 1. The first array is the mean
    over movies, for each genre; the second the sum over genres, for each movie.
    """
    lacks = np.log2((1 - shares) / (1 - base))
    movies, genres = happened.nonzero()
    row = rows[movies]
    more = np.log2(shares[row, genres] / base[genres]) - lacks[row, genres]
    n_movies, n_genres = happened.shape
    by_genre = np.bincount(rows, minlength=len(shares)) @ lacks
    by_genre += np.bincount(genres, more, minlength=n_genres)
    by_movie = lacks.sum(axis=1)[rows] + np.bincount(movies, more, minlength=n_movies)
    return by_genre / n_movies, by_movie


def smoothed_shares(has_genre: sp.csr_array) -> np.ndarray:
    """Return Pr[genre], with half a pseudo-movie added on either side to avoid 0 and 1."""
    return (has_genre.sum(axis=0) + 0.5) / (has_genre.shape[0] + 1)


def _shares(
    has_genre: sp.csr_array, codes: np.ndarray, n_codes: int, prior: np.ndarray, weight: float
) -> np.ndarray:
    """Return Pr[genre | code], smoothed by `weight` pseudo-movies with the shares `prior`."""
    counts = (one_hot(codes, n_codes) @ has_genre).toarray()
    sizes = np.bincount(codes, minlength=n_codes)
    return (counts + weight * prior) / (sizes + weight)[:, None]


def _within_decades(posterior: np.ndarray, by_both: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return Pr[genre | cast, decade] of movies, from that of each group and decade."""
    predicted = np.empty((len(now), by_both.shape[1]))
    n_decades = len(by_both) // posterior.shape[1]
    for decade in np.unique(now):
        movies = now == decade
        predicted[movies] = posterior[movies] @ by_both[decade::n_decades]
    return predicted


def _group_codes(labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Return labels with `n_clusters` instead of `UNPLACED`."""
    return np.where(labels == UNPLACED, n_clusters, labels)


def _counts(trained, groups, held_out, nearest, n_groups, names) -> pd.DataFrame:
    """Return :attr:`HeldOut.counts`."""
    cluster = np.array([*range(n_groups - 1), UNPLACED])
    trained_with = (one_hot(groups, n_groups) @ trained).toarray(order="C")
    new_with = (one_hot(nearest, n_groups) @ held_out).toarray(order="C")
    return pd.DataFrame(
        {
            "cluster": np.repeat(cluster, len(names)),
            "genre": np.tile(names.to_numpy(), n_groups),
            "trained": np.repeat(np.bincount(groups, minlength=n_groups), len(names)),
            "trained_with": trained_with.ravel().astype(int),
            "new": np.repeat(np.bincount(nearest, minlength=n_groups), len(names)),
            "new_with": new_with.ravel().astype(int),
        }
    )


def _agreement(part, whole, groups, new, nearest, posterior) -> pd.DataFrame:
    """Match the clusters of a part to those of the whole fit; return :attr:`HeldOut.agreement`."""
    from scipy.optimize import linear_sum_assignment

    placed = nearest < part.fit.n_clusters
    shares = dict.fromkeys(("nearest", "posterior"), np.nan)
    if whole is not None:
        in_whole = _group_codes(whole.labels, whole.n_clusters)
        of_part = one_hot(groups, part.fit.n_clusters + 1)
        of_whole = one_hot(in_whole[part.trained], whole.n_clusters + 1)
        shared = (of_part @ of_whole.T).toarray()[:-1, :-1]
        rows, columns = linear_sum_assignment(shared, maximize=True)
        match = np.full(part.fit.n_clusters + 1, -2)
        match[rows] = columns
        both = placed & (whole.labels[new] != UNPLACED)
        for name, given in (("nearest", nearest), ("posterior", posterior.argmax(axis=1))):
            if both.any():
                shares[name] = (match[given[both]] == whole.labels[new][both]).mean()
    return pd.DataFrame([{"movies": len(new), "placed": placed.mean(), **shares}])
