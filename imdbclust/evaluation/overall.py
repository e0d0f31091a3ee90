"""The whole evaluation of a recipe: stability, held-out information and nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from imdbclust.clustering import Clustering
from imdbclust.evaluation.held_out import HeldOut, genre_bits, score_held_out, split_in_time
from imdbclust.evaluation.nulls import WITHIN_YEAR, compare_with_nulls
from imdbclust.evaluation.recipe import Effort, Fit, Fitted, in_threads
from imdbclust.evaluation.stability import over_seeds, over_subsamples
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence

NO_BITS, NO_ARI = 0.02, 0.05
"""Clusters with at most these held-out bits, or a lower ARI of subsamples, have no structure."""

WITHOUT_FORM = "without form tags"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of refitting a recipe.

    Attributes
    ----------
    pairs : DataFrame
        ``over`` (``seeds`` or ``subsamples``), ``one``, ``other``, ``ari``.
    information : DataFrame
        ``genres`` (``all``, or without the form tags), then bits: ``in_sample``, the columns of
        :attr:`HeldOut.bits`, ``beyond_decade`` (decade and nearest, minus decade) and
        ``beyond_decade_posterior``.
    by_genre : DataFrame
        The same for each genre, with its ``movies``.
    spread : dict of float
        Standard deviation over the subsamples of the bits of each predictor.
    held_out : list of HeldOut
        One for each subsample.
    in_time : HeldOut or None
        Fitted before a year, predicted from that year on.
    nulls : DataFrame
        As in :func:`imdbclust.evaluation.nulls.compare_with_nulls`.
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
    """Refit a recipe with other seeds, on random subsamples and on shuffled casts.

    Parameters
    ----------
    effort : Effort
        The number of fits; at least one seed and two subsamples.
    whole : Fitted, optional
        The fit of all movies with the seed `random_state`, to avoid repeating it.
    form_tags : sequence of str
        Genres that name a form or an era rather than content, such as ``Silent``.
    split_year : int
        Movies before it are fitted, later ones predicted.

    Raises
    ------
    NotEvaluated
        A subsample cannot be clustered, or none of its held-out movies has a cast.
    """
    whole = whole or fit(incidence, random_state)
    usual = {"random_state": random_state}
    seeds = over_seeds(fit, incidence, whole, n_seeds=effort.n_seeds, **usual)
    parts, subsamples = over_subsamples(fit, incidence, n_subsamples=effort.n_subsamples, **usual)
    held_out = in_threads(
        lambda part: score_held_out(corpus, incidence, part, whole=whole, cast=True), parts
    )
    later = split_in_time(fit, corpus, incidence, year=split_year, **usual)
    genres, _ = corpus.genre_matrix()
    by_genre = sum(part.bits for part in held_out) / len(held_out)
    by_genre.insert(0, "in_sample", genre_bits(whole.labels, genres))
    by_genre["beyond_decade"] = by_genre["decade_and_nearest"] - by_genre["decade"]
    by_genre["beyond_decade_posterior"] = by_genre["decade_and_posterior"] - by_genre["decade"]
    content = by_genre[~by_genre.index.isin(form_tags)]
    information = pd.DataFrame({"all": by_genre.sum(), WITHOUT_FORM: content.sum()}).T
    by_genre.insert(0, "movies", genres.sum(axis=0).astype(int))
    observed = {
        "bits": information.loc["all", "in_sample"],
        "held_out": information.loc["all", "nearest"],
        "held_out_posterior": information.loc["all", "posterior"],
        "ari_subsamples": subsamples["ari"].mean(),
    }
    pairs = pd.concat([seeds.assign(over="seeds"), subsamples.assign(over="subsamples")])
    return Evaluation(
        pairs=pairs[["over", "one", "other", "ari"]],
        information=information.rename_axis("genres").reset_index(),
        by_genre=by_genre.sort_values("nearest", ascending=False).reset_index(),
        spread=pd.DataFrame([part.bits.sum() for part in held_out]).std(ddof=1).to_dict(),
        held_out=held_out,
        in_time=score_held_out(corpus, incidence, later) if later else None,
        nulls=compare_with_nulls(
            fit, corpus, incidence, effort, labels=whole.labels, observed=observed, **usual
        ),
    )


def has_structure(held_out: float, ari_subsamples: float) -> bool:
    """Return whether clusters are more than a division of noise, by `NO_BITS` and `NO_ARI`."""
    return held_out > NO_BITS and ari_subsamples >= NO_ARI


def recovery(truth: pd.Series | None, clustering: Clustering) -> float | None:
    """Return the adjusted Rand index between the true groups and the clusters of placed movies.

    `truth` has the true group of each movie by its id; if it is None, so is the result.
    """
    from sklearn.metrics import adjusted_rand_score

    if truth is None:
        return None
    placed = clustering.placed
    true_groups = truth[clustering.movie_ids[placed]]
    return float(adjusted_rand_score(true_groups, clustering.labels[placed]))
