"""Pr[genre | cast], learned from the other movies of the actors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.special import expit, logit

from imdbclust.base.processes import on_all_cores
from imdbclust.load import Corpus

GENRE_MODEL = "genre_model.npz"  # in the artifact of 02_matrix

STRENGTH = 4.0  # movies with the shares of all movies that are added to the record of an actor
MOST_GENRES = 100  # the most frequent genres are modelled; the others keep their overall share
N_ERAS = 9  # knots of the piecewise linear effect of the years of the actors' movies
BENDS = (-2.0, 0.0)  # log-odds where the slope of the calibration changes
RIDGE = 1.0  # penalty of a squared shift of log-odds, as in a logistic regression with C = 1
MANY = 5_000  # movies from which on the genres are fitted on all cores
DECIMALS = 6  # of coefficients, so that the order of movies and actors has no influence


@dataclass(frozen=True, eq=False)
class Facts:
    """Genres and years of movies whose casts are given separately.

    Attributes
    ----------
    genres : csr_array, shape (n_movies, n_genres)
        1 where the movie has the genre.
    years : ndarray of float, shape (n_movies,)
        NaN if unknown.
    """

    genres: sp.csr_array
    years: np.ndarray

    @classmethod
    def of(cls, corpus: Corpus, movies: np.ndarray | slice = slice(None)) -> Facts:
        """Return the facts of the movies of a corpus at these positions; by default, of all."""
        return cls(corpus.genre_matrix()[0][movies], years_of(corpus)[movies])


def years_of(corpus: Corpus) -> np.ndarray:
    """Return the year of each movie as float, NaN if unknown."""
    return corpus.movies["year"].astype("Float64").to_numpy(float, na_value=np.nan)


@dataclass(frozen=True, eq=False)
class GenreModel:
    """A model of Pr[genre | cast].

    The record of an actor is the share of his movies that have the genre, after adding `STRENGTH`
    movies with the shares of all movies. It speaks for the genre by its log-odds minus those of
    Pr[genre]. A logistic regression for each genre weighs these features of a cast:

    - the sum and the maximum over the actors of what their records speak for the genre;
    - the share of the genre in the movies of all actors together, after adding `STRENGTH` movies;
    - the logarithms of the number of known actors and of the number of their movies;
    - the mean year of these movies, with a piecewise linear effect.

    A second regression, piecewise linear in the resulting log-odds, calibrates them. A movie that
    the model learns from is left out of the records of its own actors; otherwise the records would
    contain the answer.

    A given genre shifts the log-odds of the other genres. The shift from one genre to another is
    fitted to the movies that have the first, given their casts; for an unknown cast, it is counted
    as in the record of an actor. The shifts of several given genres are added and
    divided by the root of their number, because given genres partly repeat each other.

    Time and memory grow with the number of genres. So only the `MOST_GENRES` most frequent ones
    are modelled; the others have too few movies for a regression.

    Attributes
    ----------
    base : ndarray, shape (n_genres,)
        Pr[genre], with half a movie added on either side.
    modelled : ndarray of int, shape (n_modelled,)
        Positions of the modelled genres, ascending.
    counts : ndarray, shape (n_actors, n_modelled)
        Movies of each actor that have the genre.
    careers, dated, years : ndarray, shape (n_actors,)
        Movies of each actor, those with a year, and the sum of their years after `middle`.
    middle : float
        The mean year of all movies, rounded.
    fitted : dict of ndarray
        ``eras``: knots, in years after `middle`; ``first`` and ``second``: a row of coefficients
        for each modelled genre, the intercept last; ``shifts``, shape (2, n_modelled, n_modelled):
        for unknown and for known casts, from the genre of the row to the genre of the column.

    References
    ----------
    Good (1985), "Weight of evidence: a brief survey", Bayesian Statistics 2; Platt (1999),
    "Probabilistic outputs for support vector machines", for the second regression.
    """

    base: np.ndarray
    modelled: np.ndarray
    counts: np.ndarray
    careers: np.ndarray
    dated: np.ndarray
    years: np.ndarray
    middle: float
    fitted: dict[str, np.ndarray]

    @classmethod
    def learn(cls, casts: sp.csr_array, facts: Facts) -> GenreModel:
        """Learn from movies with known genres.

        `casts` is 1 where the actor plays in the movie, shape (n_movies, n_actors). A genre keeps
        its overall share if the movies with a known cast all have it, or all lack it.
        """
        model = cls.with_fitted(casts, facts, {})
        eras, n_modelled = model._mean_years(casts, facts), len(model.modelled)
        knots = np.unique(np.quantile(eras, np.linspace(0, 1, N_ERAS)).round(DECIMALS))
        model.fitted["eras"] = knots
        known, features_of = model._features(casts, facts)
        genres, base = facts.genres[:, model.modelled].tocsc(), model.base[model.modelled]

        def fit(place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            has = genres[:, [place]].toarray().ravel()[known]
            features = features_of(place)
            first = _regression(features, has, base[place])
            bent = _slopes(_weighed(features, first))
            second = _never_falling(_regression(bent, has, base[place]))
            return first, second, _weighed(bent, second)

        each = on_all_cores if known.sum() > MANY else map
        found = list(each(fit, range(n_modelled)))
        first, second, log_odds = zip(*found, strict=True) if found else ((), (), ())
        log_odds = np.reshape(log_odds, (n_modelled, known.sum())).T.copy()
        both = (genres.T @ genres).toarray()
        shares = (both + STRENGTH * base) / (both.diagonal()[:, None] + STRENGTH)
        of_unknown = (logit(shares) - logit(base)).round(DECIMALS)
        model.fitted["first"] = np.reshape(first, (n_modelled, -1 if n_modelled else 1))
        model.fitted["second"] = np.reshape(second, (n_modelled, -1 if n_modelled else 1))
        model.fitted["shifts"] = np.stack([of_unknown, _shifts(log_odds, genres.tocsr()[known])])
        return model

    @classmethod
    def with_fitted(
        cls, casts: sp.csr_array, facts: Facts, fitted: dict[str, np.ndarray]
    ) -> GenreModel:
        """Return the model of the same movies, with the arrays that :meth:`learn` fitted."""
        n_movies, has_year = casts.shape[0], np.isfinite(facts.years)
        middle = float(facts.years[has_year].mean().round()) if has_year.any() else 0.0
        n_with_genre = facts.genres.sum(axis=0)
        modelled = np.sort(np.argsort(-n_with_genre, kind="stable")[:MOST_GENRES])
        return cls(
            base=(n_with_genre + 0.5) / (n_movies + 1),
            modelled=modelled,
            counts=(casts.T @ facts.genres[:, modelled]).toarray(),
            careers=casts.sum(axis=0),
            dated=casts.T @ has_year.astype(float),
            years=casts.T @ np.where(has_year, facts.years - middle, 0.0),
            middle=middle,
            fitted=fitted,
        )

    def save(self, path: Path) -> None:
        """Write the fitted arrays; the other attributes are counts of the movies."""
        np.savez(path, **self.fitted)

    @classmethod
    def load(cls, path: Path, casts: sp.csr_array, facts: Facts) -> GenreModel:
        """Read what :meth:`save` wrote, given the movies from which the model was learned."""
        with np.load(path, allow_pickle=False) as fitted:
            return cls.with_fitted(casts, facts, dict(fitted))

    def predict(
        self,
        casts: sp.csr_array,
        *,
        own: Facts | None = None,
        given: sp.csr_array | None = None,
    ) -> np.ndarray:
        """Return Pr[genre | cast, given genres] of the modelled genres.

        Parameters
        ----------
        casts : csr_array, shape (n_new, n_actors)
            1 where the actor plays.
        own : Facts, optional
            Facts of `casts`, if the model learned from them: each is then left out of the records
            of its actors.
        given : csr_array, shape (n_new, n_genres), optional
            1 where the movie is known to have the genre. Genres that are not modelled do not count.

        Returns
        -------
        ndarray, shape (n_new, n_modelled)
            1 for a given genre, and otherwise between 0 and 1. Without a known actor and a given
            genre, a row is `base`.
        """
        known, features_of = self._features(casts, own)
        log_odds = np.tile(logit(self.base[self.modelled]), (len(known), 1))
        for place in range(len(self.modelled)):
            bent = _slopes(_weighed(features_of(place), self.fitted["first"][place]))
            log_odds[known, place] = _weighed(bent, self.fitted["second"][place])
        if given is None:
            return expit(log_odds)
        given = given[:, self.modelled]
        n_given = np.maximum(given.sum(axis=1), 1)[:, None]
        unknown, of_known = (given @ shifts for shifts in self.fitted["shifts"])
        log_odds += np.where(known[:, None], of_known, unknown) / np.sqrt(n_given)
        return np.where(given.toarray() > 0, 1.0, expit(log_odds))

    def evidence(self, actors: np.ndarray) -> np.ndarray:
        """Return the bits of evidence of each actor, shape (len(actors), n_modelled).

        That is log2 of the odds of the genre in the actor's record, divided by the odds of
        Pr[genre]. The bits of several actors add up.
        """
        base = self.base[self.modelled]
        record = self.counts[actors] + STRENGTH * base
        share = record / (self.careers[actors] + STRENGTH)[:, None]
        return (logit(share) - logit(base)) / np.log(2)

    def _mean_years(self, casts: sp.csr_array, own: Facts | None) -> np.ndarray:
        """Return the mean year, after `middle`, of the movies of each cast and one of `middle`."""
        n_dated, total = casts @ self.dated, casts @ self.years
        if own is not None:
            has_year = np.isfinite(own.years)
            n_dated -= casts.sum(axis=1) * has_year
            total -= casts.sum(axis=1) * np.where(has_year, own.years - self.middle, 0.0)
        return total / (n_dated + 1)

    def _features(
        self, casts: sp.csr_array, own: Facts | None
    ) -> tuple[np.ndarray, Callable[[int], np.ndarray]]:
        """Return which casts have a known actor, and a function that returns their features.

        The function takes the place of a genre in `modelled`; its result has the shape
        (n_known, n_features).
        """
        careers = self.careers - (own is not None)
        movie = np.repeat(np.arange(casts.shape[0]), np.diff(casts.indptr))
        movie, actor = (values[careers[casts.indices] > 0] for values in (movie, casts.indices))
        known, starts, row = np.unique(movie, return_index=True, return_inverse=True)
        n_movies = np.bincount(row, careers[actor])
        knots = self.fitted["eras"]
        years = self._mean_years(casts, own)[known]
        common = [np.log1p(np.bincount(row)), np.log1p(n_movies)]
        common += [np.interp(years, knots, one) for one in np.eye(len(knots))[1:]]

        own_genres = None if own is None else own.genres[:, self.modelled].tocsc()

        def features_of(place: int) -> np.ndarray:
            base, with_genre = self.base[self.modelled[place]], self.counts[actor, place]
            if own_genres is not None:
                with_genre = with_genre - own_genres[:, [place]].toarray().ravel()[movie]
            shares = (with_genre + STRENGTH * base) / (careers[actor] + STRENGTH)
            speaks = logit(shares) - logit(base)
            pooled = (np.bincount(row, with_genre) + STRENGTH * base) / (n_movies + STRENGTH)
            most = np.maximum.reduceat(speaks, starts)
            return np.column_stack([np.bincount(row, speaks), most, pooled - base, *common])

        return np.bincount(known, minlength=casts.shape[0]) > 0, features_of


def _regression(features: np.ndarray, has: np.ndarray, base: float) -> np.ndarray:
    """Return the coefficients of a logistic regression, the intercept last."""
    from sklearn.linear_model import LogisticRegression

    if not 0 < has.sum() < len(has):
        return np.append(np.zeros(features.shape[1]), logit(base).round(DECIMALS))
    model = LogisticRegression(solver="newton-cholesky").fit(features, has)
    return np.append(model.coef_[0], model.intercept_).round(DECIMALS)


def _weighed(features: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    return features @ coefficients[:-1] + coefficients[-1]


def _slopes(log_odds: np.ndarray) -> np.ndarray:
    """Return the columns with which a regression is linear between `BENDS`; shape (n, 3)."""
    return np.column_stack([log_odds, *(np.maximum(log_odds - bend, 0) for bend in BENDS)])


def _never_falling(coefficients: np.ndarray) -> np.ndarray:
    """Return the coefficients of :func:`_slopes` and the intercept with no slope below 0.

    Where few movies have log-odds above the last bend, a fit to them may fall by chance.
    """
    slopes = np.maximum(np.cumsum(coefficients[:-1]), 0)
    return np.append(np.diff(slopes, prepend=0), coefficients[-1]).round(DECIMALS)


def _shifts(log_odds: np.ndarray, genres: sp.csr_array) -> np.ndarray:
    """Return the shift of the log-odds of each genre (column) among the movies of another (row).

    It is the coefficient of a logistic regression with the log-odds as offset, without intercept,
    by Newton's method.
    """
    shifts = np.zeros((genres.shape[1],) * 2)
    for given, shift in enumerate(shifts):
        movies = np.flatnonzero(genres[:, [given]].toarray())
        before, n_with = log_odds[movies], genres[movies].sum(axis=0)
        for _ in range(50):
            p = expit(before + shift)
            step = (n_with - p.sum(axis=0) - RIDGE * shift) / ((p * (1 - p)).sum(axis=0) + RIDGE)
            shift += np.clip(step, -2, 2)
            if np.abs(step).max(initial=0.0) < 1e-9:
                break
    return shifts.round(DECIMALS)
