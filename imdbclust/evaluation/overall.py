"""The whole evaluation of a recipe: stability, held-out information and nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from imdbclust import wording
from imdbclust.base.processes import Progress, together
from imdbclust.clustering import EMPTY_CLUSTERS_ARE_FINE, Clustering
from imdbclust.evaluation import nulls as nl
from imdbclust.evaluation.held_out import SUFFIXES, HeldOut, InTime, score_held_out, score_in_time
from imdbclust.evaluation.recipe import (
    EFFORTS,
    Effort,
    Fit,
    Fitted,
    NotEvaluated,
    Recipe,
)
from imdbclust.evaluation.stability import Subsample, compare_fits, random_subsample, seed_fits
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence
from imdbclust.probabilities import TOLERANCE
from imdbclust.reduction import Embedding

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
        :attr:`HeldOut.bits`, ``beyond_decade`` (decade and likeliest, minus decade),
        ``beyond_decade_nearest`` and ``beyond_decade_posterior``.
    by_genre : DataFrame
        The same for each genre, with its ``movies``.
    spread : dict of float
        Standard deviation over the subsamples of the bits of each predictor.
    held_out : list of HeldOut
        One for each subsample.
    in_time : InTime or None
        Fitted before a year, predicted from that year on.
    nulls : DataFrame
        As in :func:`imdbclust.evaluation.nulls.compare_with_nulls`.
    fits : list of Fitted
        The fits of all movies, one for each seed.
    parts : list of Subsample
        The fitted subsamples.
    effort : Effort
        The number of fits.
    why_not : str
        Why nothing was evaluated: the tables are empty then. Empty if it was.
    """

    pairs: pd.DataFrame
    information: pd.DataFrame
    by_genre: pd.DataFrame
    spread: dict[str, float]
    held_out: list[HeldOut]
    in_time: InTime | None
    nulls: pd.DataFrame
    fits: list[Fitted]
    parts: list[Subsample]
    effort: Effort
    why_not: str = ""

    @classmethod
    def without(cls, why_not: str) -> Evaluation:
        """Return the evaluation of a recipe that could not be evaluated, for this reason."""
        pairs = pd.DataFrame(columns=["over", "one", "other", "ari"])
        names = ["null", "measure", "n", "observed", "null_mean", "spread", "limit", "z", "p"]
        nulls = pd.DataFrame(columns=names)
        none = pd.DataFrame()
        return cls(pairs, none, none, {}, [], None, nulls, [], [], EFFORTS["off"], why_not)

    def ari(self, over: str) -> float:
        """Return the mean adjusted Rand index over ``seeds`` or ``subsamples``."""
        return float(self.pairs.loc[self.pairs["over"] == over, "ari"].mean())

    def bits(self, name: str, genres: str = "all") -> float:
        """Return one number of `information`."""
        return float(self.information.set_index("genres").loc[genres, name])

    def null(self, null: str, measure: str, value: str = "null_mean") -> float:
        """Return one value of `nulls`; NaN for a null or a measure that it does not have."""
        values = self.nulls.set_index(["null", "measure"])[value]
        return float(values.get((null, measure), np.nan))

    def trust(self) -> pd.DataFrame:
        """Return the measures that are compared with shuffled casts, and their ranges there.

        ``scale``, ``measure`` (in words), ``observed`` with its standard deviation ``spread``, and
        for each ``null`` a row with ``low`` and ``high``: its mean, minus and plus two standard
        deviations. A measure without a null has one row. Undefined measures are left out.
        """
        spreads = self.pairs.groupby("over")["ari"].std().add_prefix("ari_")
        spread = self.spread.get
        observed = {
            "ari_seeds": (self.ari("seeds"), spreads.get("ari_seeds")),
            "ari_subsamples": (self.ari("subsamples"), spreads.get("ari_subsamples")),
        }
        if not self.by_genre.empty:
            observed["held_out"] = self.bits("likeliest"), spread("likeliest")
            observed["held_out_posterior"] = self.bits("posterior"), spread("posterior")
            observed["beyond_decade_posterior"] = self.bits("beyond_decade_posterior"), None
        nulls = self.nulls[self.nulls["null"].isin([nl.SHUFFLED, nl.SHUFFLED_WITHIN_YEAR])]
        rows = []
        for name, (value, deviation) in observed.items():
            scale, measure = wording.TRUST[name]
            row = {"scale": scale, "measure": measure, "observed": value, "spread": deviation}
            own = nulls[(nulls["measure"] == name) & nulls["null_mean"].notna()]
            for null in own.itertuples():
                margin = 2 * np.nan_to_num(null.spread)
                ends = {"low": null.null_mean - margin, "high": null.null_mean + margin}
                rows.append(row | {"null": null.null} | ends)
            if own.empty:
                rows.append(row | {"null": None, "low": np.nan, "high": np.nan})
        trust = pd.DataFrame(rows).astype({"observed": float, "spread": float})
        return trust.dropna(subset="observed").reset_index(drop=True)

    def calibration(self) -> pd.DataFrame:
        """Return the calibration tables of all parts, with the columns ``predictor`` and ``part``.

        The predictors are Pr[cluster | cast], and Pr[genre | cast] without clusters.
        """
        tables = {}
        for part, one in enumerate(self.held_out):
            tables["through the cluster", part] = one.calibration
            tables["from the cast itself", part] = one.calibration_of_cast
        tables = pd.concat(tables, names=["predictor", "part"])
        return tables.reset_index(["predictor", "part"]).reset_index(drop=True)

    def save(self, folder: Path) -> None:
        """Write what the next notebook reads about held-out movies; nothing without a result."""
        if self.why_not:
            return
        counts = [one.counts.assign(part=part) for part, one in enumerate(self.held_out)]
        agreement = pd.concat([one.agreement for one in self.held_out]).mean().to_frame().T
        pd.concat(counts).to_parquet(folder / "held_out_counts.parquet", index=False)
        self.calibration().to_parquet(folder / "calibration.parquet", index=False)
        agreement.to_parquet(folder / "agreement.parquet")

    def above(self, null: str) -> list[str]:
        """Return the measures that are above their limit under a kind of shuffled casts."""
        rows = self.nulls[self.nulls["null"] == null]
        return rows.loc[rows["observed"] > rows["limit"] + TOLERANCE, "measure"].tolist()

    @property
    def verdict(self) -> str:
        """What the clusters are more than, by the nulls of this evaluation.

        ``noise`` if no measure is above its limit on casts shuffled over all years; ``era`` if
        one is, but none on casts shuffled within years; otherwise ``structure``, or ``undated``
        if all movies are of one era. It is ``unknown`` with fewer than three shuffles.
        """
        limits = self.nulls.groupby("null")["limit"].count()
        if not limits.get(nl.SHUFFLED, 0):
            return "unknown"
        if not self.above(nl.SHUFFLED):
            return "noise"
        if nl.SHUFFLED_WITHIN_YEAR not in limits:
            return "undated"
        return "structure" if self.above(nl.SHUFFLED_WITHIN_YEAR) else "era"

    def metrics(self) -> dict[str, float]:
        """Return the numbers by which recipes are compared.

        Without genres there are no bits; a recipe that was not evaluated has no numbers.
        """
        if self.why_not:
            return {}
        found = {"ari_seeds": self.ari("seeds"), "ari_subsamples": self.ari("subsamples")}
        kinds = {"shuffled": nl.SHUFFLED, "shuffled_within_years": nl.SHUFFLED_WITHIN_YEAR}
        for suffix, null in kinds.items():
            found[f"ari_{suffix}"] = self.null(null, "ari_subsamples")
        if self.verdict in ("noise", "era", "structure"):
            found["more_than_noise"] = self.verdict != "noise"
            found["more_than_era"] = self.verdict == "structure"
        if self.by_genre.empty:
            return found
        found["genre_bits"] = self.bits("in_sample")
        found["genre_bits_of_era"] = self.null(nl.WITHIN_YEAR, "bits")
        found["bits_of_decade"] = self.bits("decade")
        for name, suffix in SUFFIXES.items():
            found["held_out_bits" + suffix] = self.bits(name)
            found["bits_beyond_decade" + suffix] = self.bits("beyond_decade" + suffix)
        for suffix, null in kinds.items():
            found[f"held_out_bits_{suffix}"] = self.null(null, "held_out")
        return found


def evaluate(
    fit: Fit,
    corpus: Corpus,
    incidence: Incidence,
    effort: Effort,
    *,
    whole: Fitted | None = None,
    fit_clusters: Fit | None = None,
    form_tags: Sequence[str] = (),
    split_year: int = 2005,
    progress: Progress = lambda done, total: None,
    random_state: int,
) -> Evaluation:
    """Refit a recipe with other seeds, on random subsamples and on shuffled casts.

    Parameters
    ----------
    effort : Effort
        The number of fits; at least one seed and two subsamples.
    whole : Fitted, optional
        The fit of all movies with the seed `random_state`, to avoid repeating it.
    fit_clusters : callable, optional
        The same fit without other levels, for shuffled casts and the split in time.
    form_tags : sequence of str
        Genres that name a form or an era rather than content, such as ``Silent``.
    split_year : int
        Movies before it are fitted, later ones predicted.
    progress : callable
        Called with the number of finished parts, and that of all parts.

    Raises
    ------
    NotEvaluated
        A subsample cannot be clustered, or none of its held-out movies has a cast.
    """
    whole, fit_clusters = whole or fit(incidence, random_state), fit_clusters or fit
    usual, n_casts = {"random_state": random_state}, effort.n_casts
    late = partial(score_in_time, fit_clusters, corpus, incidence, year=split_year, **usual)

    def subsample(number: int) -> tuple[Subsample, HeldOut]:
        part, cast = random_subsample(fit, incidence, random_state + number), number < n_casts
        return part, score_held_out(corpus, incidence, part, whole=whole, cast=cast)

    permutations = nl.permuted_labels(corpus, incidence, effort, whole.labels, **usual)
    shuffled, scored, fits, (in_time,), permuted = together(  # those that take longest come first
        nl.shuffled_casts(fit_clusters, corpus, incidence, effort, **usual),
        [partial(subsample, number) for number in range(effort.n_subsamples)],
        seed_fits(fit, incidence, n_seeds=effort.n_seeds, **usual),
        [late],
        list(permutations.values()),
        progress=progress,
    )
    fits = [whole, *fits]
    seeds = compare_fits([(np.arange(corpus.n_movies), one) for one in fits])
    parts, held_out = (list(values) for values in zip(*scored, strict=True))
    subsamples = compare_fits([(part.trained, part.fit) for part in parts])
    genres, _ = corpus.genre_matrix()
    by_genre = pd.concat([part.bits for part in held_out]).groupby(level=0, sort=False).mean()
    by_genre.insert(0, "in_sample", nl.genre_bits(whole.labels, genres))
    for name, suffix in SUFFIXES.items():
        by_genre["beyond_decade" + suffix] = by_genre["decade_and_" + name] - by_genre["decade"]
    content = by_genre[~by_genre.index.isin(form_tags)]
    information = {"all": by_genre.sum(min_count=1), WITHOUT_FORM: content.sum(min_count=1)}
    information = pd.DataFrame(information).T
    by_genre.insert(0, "movies", genres.sum(axis=0).astype(int))
    # genres of the same movies, which differ in no more than rounding, by name
    order = by_genre["likeliest"].sort_index().round(9).sort_values(ascending=False, kind="stable")
    scores = pd.DataFrame([part.bits.sum() for part in held_out])
    observed = nl.measure_parts(corpus, parts, subsamples, scores)
    observed["bits"] = nl.genre_bits(whole.labels, genres).sum()
    permuted = dict(zip(permutations, permuted, strict=True))
    nulls = nl.compare_with_nulls(observed, permuted, shuffled)
    pairs = pd.concat([seeds.assign(over="seeds"), subsamples.assign(over="subsamples")])
    return Evaluation(
        pairs=pairs[["over", "one", "other", "ari"]],
        information=information.rename_axis("genres").reset_index(),
        by_genre=by_genre.loc[order.index].reset_index(),
        spread=scores.std(ddof=1).to_dict(),
        held_out=held_out,
        in_time=in_time,
        nulls=nulls if len(by_genre) else nulls[nulls["measure"] == "ari_subsamples"],
        fits=fits,
        parts=parts,
        effort=effort,
    )


def evaluate_run(
    recipe: Recipe,
    corpus: Corpus,
    incidence: Incidence,
    embedding: Embedding,
    clustering: Clustering,
    *,
    evaluation: str,
    **options,
) -> Evaluation:
    """Evaluate the recipe of a run; what cannot be evaluated says why, in its ``why_not``.

    `evaluation` is one of `EFFORTS`; `options` are those of :func:`evaluate`. The embedding and the
    clustering are the recipe's, of all movies with the seed `random_state`.
    """
    effort = EFFORTS[evaluation]
    if why_not := effort.why_not(recipe, incidence, clustering):
        return Evaluation.without(why_not)
    whole = recipe.fitted(embedding, clustering, incidence)
    options |= {"whole": whole, "fit_clusters": recipe.fit_clusters}
    try:
        with EMPTY_CLUSTERS_ARE_FINE:
            return evaluate(recipe.fit, corpus, incidence, effort, **options)
    except NotEvaluated as reason:
        return Evaluation.without(str(reason))


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
