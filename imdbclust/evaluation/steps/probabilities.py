"""What 05_probabilities says about genres, actors and new movies, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imdbclust import probabilities as pr
from imdbclust import wording
from imdbclust.clustering import UNPLACED, Clustering
from imdbclust.display.result import Result
from imdbclust.evaluation import intervals
from imdbclust.evaluation.associations import association_table
from imdbclust.evaluation.held_out import decade_codes, joint_information
from imdbclust.load import Corpus
from imdbclust.new_movies import Assigner
from imdbclust.new_movies.assigner import Assignment
from imdbclust.new_movies.genre_model import MOST_GENRES


def clusters(counts: pr.Counts, labels: pd.Series, *, prior: float, level: float) -> Result:
    """Say how probable each cluster is, with the intervals of its share."""
    p_cluster = pr.p_cluster(counts.clusters)
    of_all = intervals.dirichlet_intervals(
        counts.clusters, prior=2 * prior / len(p_cluster), level=level
    )
    table = pd.DataFrame({"movies": counts.clusters, "p_cluster": p_cluster}).reset_index()
    table = table.assign(**of_all.columns())
    placed = p_cluster.drop(UNPLACED, errors="ignore")
    cluster = wording.cluster_name(placed.idxmax(), labels)
    text = wording.most_probable_cluster(cluster, placed.max(), placed.max() / placed.sum())
    by_size = table.sort_values("movies", ascending=False, ignore_index=True)
    return Result(
        sentences=[text],
        tables={"p_cluster": by_size},
        values={"level": level},
    )


def genres(counts: pr.Counts, *, prior: float, level: float) -> Result:
    """Show how probable each genre is, with the interval of its share, most frequent first."""
    of_all = intervals.share_intervals(counts.genres, counts.n_movies, prior=prior, level=level)
    table = pd.DataFrame({"movies": counts.genres, "p_genre": pr.p_genre(counts)}).reset_index()
    table = table.assign(**of_all.columns())
    by_size = table.sort_values("movies", ascending=False, ignore_index=True)
    return Result(tables={"p_genre": by_size}, values={"level": level})


def by_genre_and_cluster(counts: pr.Counts) -> dict[str, pd.DataFrame]:
    """Return the tables of genres x clusters by name, the most frequent genre first."""
    order = counts.genres.sort_values(ascending=False).index
    tables = {
        "p_genre_given_cluster": pr.p_genre_given_cluster(counts),
        "p_joint": pr.p_joint(counts),
        "p_cluster_given_genre": pr.p_cluster_given_genre(counts),
        "lift": pr.lift(counts),
    }
    return {name: table.loc[order] for name, table in tables.items()}


def genre_tables(counts: pr.Counts) -> Result:
    """Show the tables of :func:`by_genre_and_cluster`."""
    tables = by_genre_and_cluster(counts)
    return Result(tables={name: table.reset_index() for name, table in tables.items()})


def heat(
    counts: pr.Counts,
    associations: pd.DataFrame,
    corpus: Corpus,
    clustering: Clustering,
) -> dict[str, pd.DataFrame]:
    """Return the tables of the heat map by measure: genres and clusters by their median years.

    Only the 24 most frequent genres are shown, and clusters that have movies.
    """
    tables = by_genre_and_cluster(counts)
    beyond = associations.set_index(["genre", "cluster"])["lift_strata"].unstack()  # noqa: PD010
    named = {
        "Share": tables["p_genre_given_cluster"],
        "Joint": tables["p_joint"],
        "Posterior": tables["p_cluster_given_genre"],
        "Lift": tables["lift"],
        "Beyond the decade": beyond,
    }
    shown = tables["lift"].index[:24]
    years = corpus.movies["year"].astype("Float64")
    of_cluster = years.groupby(clustering.labels).median().sort_values(kind="stable").index
    of_genre = years.iloc[corpus.genres["movie"]].groupby(corpus.genres["genre"].to_numpy())
    of_genre = of_genre.median().reindex(shown).sort_values(kind="stable").index
    columns = [one for one in of_cluster if one != UNPLACED]
    return {measure: table.loc[of_genre, columns] for measure, table in named.items()}


def associate(
    corpus: Corpus, clustering: Clustering, *, prior: float, level: float, fdr: float
) -> pd.DataFrame:
    """Return :func:`~imdbclust.evaluation.associations.association_table` within each decade.

    The pairs that deviate most from what the decades explain come first.
    """
    has_genre, names = corpus.genre_matrix()
    groups = clustering.codes, clustering.groups
    options = {"prior": prior, "level": level, "fdr": fdr}
    table = association_table(has_genre, names, *groups, decade_codes(corpus), **options)
    return table.sort_values("z", ascending=False, key=abs, ignore_index=True)


def associations(table: pd.DataFrame, level: float) -> Result:
    """Say how many genres and clusters are associated beyond what the decades explain."""
    flagged = table["flagged"]
    apart = table["lift_low"].gt(1) | table["lift_high"].lt(1)
    shown = ["genre", "cluster", "movies", "with_genre", "expected", "share", "mean", "low", "high"]
    shown += ["lift", "lift_low", "lift_high", "flagged"]
    numbers = int(flagged.sum()), len(table), int((apart & ~flagged).sum())
    return Result(
        findings=[wording.associations(*numbers)],
        tables={"associations": table},
        columns={"associations": shown},
        values={"level": level},
        metrics={"n_flagged": numbers[0]},
    )


def information(corpus: Corpus, clustering: Clustering, counts: pr.Counts) -> Result:
    """Say how many bits about its genres the cluster of a movie carries."""
    table = pr.genre_information(counts)
    summed, jointly = float(table["bits"].sum()), joint_information(corpus, clustering)
    return Result(
        findings=[wording.sentence("genre_information", summed=summed, **jointly)],
        tables={"genre_information": table},
        metrics={"genre_bits": summed, "genre_bits_joint": jointly["bits"]},
    )


def with_intervals(
    bayes: pd.DataFrame, counts: pr.Counts, *, prior: float, level: float
) -> pd.DataFrame:
    """Return a Bayes table with posterior means and intervals, from its ``with_evidence``."""
    of_cluster = intervals.cluster_prior(counts.clusters, weight=2 * prior)
    found = intervals.dirichlet_intervals(bayes["with_evidence"], prior=of_cluster, level=level)
    return bayes.reset_index().assign(**found.columns())


def given_genre(bayes: pd.DataFrame, labels: pd.Series, genre: str, level: float) -> Result:
    """Say which cluster is most probable given a genre."""
    best = bayes.loc[bayes["mean"].argmax()]
    about = {"genre": genre, "level": level}
    cluster = wording.cluster_name(best["cluster"], labels)
    return Result(
        findings=[wording.sentence("given_genre", cluster=cluster, best=best, **about)],
        tables={"bayes_genre": bayes},
        values=about,
    )


def given_both(bayes: pd.DataFrame, labels: pd.Series, example: Example, level: float) -> Result:
    """Say which cluster is most probable given a genre and an actor."""
    about = {"genre": example.genre, "actor": example.actor}
    values = about | {"level": level}
    if n_movies := int(bayes["with_evidence"].sum()):
        best = bayes.loc[bayes["mean"].argmax()]
        best_of = {"cluster": wording.cluster_name(best["cluster"], labels), "best": best}
        text = wording.sentence("given_both", n_movies=n_movies, **values, **best_of)
        said = {"findings": [text]}
    else:
        said = {"sentences": [wording.sentence("no_posterior", **about)]}
    return Result(tables={"bayes_genre_and_actor": bayes}, values=values, **said)


@dataclass(frozen=True)
class Example:
    """The genre and the actor of the examples.

    Attributes
    ----------
    genre : str or None
        None if no movie has a genre.
    actor_id : str or None
        None if no actor plays in a movie of the genre.
    actor : str
        The name of the actor, or ``no actor``.
    """

    genre: str | None
    actor_id: str | None
    actor: str

    @classmethod
    def choose(
        cls,
        corpus: Corpus,
        counts: pr.Counts,
        genre: str,
        actor: str,
        form_tags: str,
    ) -> Example:
        """Return the wanted genre and actor (id or name); where one is empty, one is chosen.

        The genre is that of :func:`imdbclust.probabilities.example_genre`, not one of `form_tags`
        (separated by a comma and a space); the actor is the busiest one of the genre.
        """
        genre = pr.example_genre(counts, genre, form_tags=form_tags.split(", "))
        has_genre = pr.evidence(corpus, genre=genre)
        played = corpus.credits["actor"][has_genre[corpus.credits["movie"]]]
        careers = corpus.actors["actor_id"].iloc[played].value_counts().sort_index()
        busiest = careers.idxmax() if len(careers) else None
        actor_id = pr.resolve_actor(corpus, actor) if actor else busiest
        name = corpus.find_actor(actor_id)["name"].iloc[0] if actor_id else "no actor"
        return cls(genre, actor_id, name)

    def assign(self, assigner: Assigner) -> dict[str, Assignment]:
        """Assign new movies with the genre alone, the actor alone, and both; by case."""
        genres, actors = ([one] if one else [] for one in (self.genre, self.actor_id))
        cases = {
            "genre alone": ([], genres),
            "actor alone": (actors, []),
            "actor and genre": (actors, genres) if actors and genres else ([], []),
        }
        return {case: assigner.assign(*given) for case, given in cases.items() if any(given)}


def pointed_to(found: Mapping[str, Assignment]) -> pd.DataFrame:
    """Return the genres of a new movie with the actor alone, or else with the genre alone."""
    alone = found.get("actor alone", found.get("genre alone"))
    return alone.genres.drop(columns="given")


def genres_of_new_movie(example: Example, found: Mapping[str, Assignment]) -> Result:
    """Say which genres the cast of a new movie points to, and what a given genre changes."""
    alone = found.get("actor alone", found.get("genre alone"))
    said = []
    for row in alone.genres[~alone.genres["given"]].head(1).itertuples():
        case = example.actor if example.actor_id else example.genre
        said.append(wording.sentence("genre_of_new_movie", case=case, row=row))
    others = found["actor and genre"].genres if "actor and genre" in found else alone.genres[:0]
    more = [
        wording.sentence("given_another_genre", genre=example.genre, row=row)
        for row in others[~others["given"]].head(1).itertuples()
    ]
    if len(alone.genres) > MOST_GENRES:
        numbers = {"most": MOST_GENRES, "n": len(alone.genres)}
        more.append(wording.sentence("modelled_genres", **numbers))
    return Result(
        findings=said,
        sentences=more,
        tables={"new_movie_genres": alone.genres.drop(columns="given")},
        values={"actor": example.actor},
    )


def cluster_of_new_movie(
    example: Example, found: Mapping[str, Assignment], labels: pd.Series
) -> Result:
    """Say to which cluster a new movie belongs, and which movies are nearest."""
    posteriors = pd.DataFrame({case: one.p_cluster for case, one in found.items()})
    said = [
        wording.sentence(
            "new_movie",
            case=case,
            cluster=wording.cluster_name(one.cluster, labels),
            probability=one.p_cluster.max(),
        )
        for case, one in found.items()
    ]
    alone = found.get("actor alone", found.get("genre alone"))
    return Result(
        sentences=[" ".join(said)],
        tables={"new_movie": posteriors.reset_index(), "new_movie_nearest": alone.nearest},
        values={"actor": example.actor, "genre": example.genre or "no genre"},
    )


def held_out(folder: Path, *, prior: float, level: float) -> tuple[Result, pd.DataFrame]:
    """Say whether intervals and probabilities hold for held-out movies.

    `folder` has what :meth:`~imdbclust.evaluation.overall.Evaluation.save` wrote. The second result
    are the pooled bins of predictions, by ``predictor``; without rows if nothing was evaluated.
    """
    if not (folder / "held_out_counts.parquet").is_file():
        nothing = pd.DataFrame(columns=["predictor", "bin", "predicted", "observed", "n"])
        return Result(sentences=[wording.sentence("no_coverage")]), nothing
    counts, parts, agreement = (
        pd.read_parquet(folder / f"{name}.parquet")
        for name in ("held_out_counts", "calibration", "agreement")
    )
    numbers = [counts[name] for name in ("trained_with", "trained", "new_with", "new")]
    coverage = intervals.predictive_coverage(*numbers, prior=prior, level=level)
    by_predictor = parts.groupby("predictor", sort=False)
    pooled = {predictor: intervals.pool_calibration(some) for predictor, some in by_predictor}
    errors = {predictor: intervals.calibration_error(bins) for predictor, bins in pooled.items()}
    said = [wording.calibration(pooled, errors)]
    same = agreement.iloc[0]
    if pd.notna(same["nearest"]):
        said.append(wording.sentence("same_cluster", **same))
    *bins, covered = coverage.to_dict("records")
    bins = [one for one in bins if one["cells"] >= 30]
    worst = max(bins, key=lambda one: abs(one["covered_randomised"] - level), default=covered)
    values = {"level": level, "n_counts": covered["cells"], "all": covered, "worst": worst}
    bins = pd.concat(pooled, names=["predictor"]).reset_index("predictor")
    result = Result(
        findings=[wording.sentence("coverage", **values)],
        sentences=said,
        tables={"coverage": coverage, "calibration": bins, "new_movies": agreement},
        values={"level": level},
        metrics={
            "coverage": covered["covered"],
            "coverage_randomised": covered["covered_randomised"],
            "calibration_error_above_tenth": errors["through the cluster"],
        },
    )
    return result, bins


def sample(
    corpus: Corpus,
    clustering: Clustering,
    bayes: pd.DataFrame,
    labels: pd.Series,
    genre: str,
    *,
    n: int,
    random_state: int,
) -> Result:
    """Show titles drawn from the cluster that is most probable given the genre."""
    cluster = int(bayes["cluster"][bayes["mean"].argmax()])
    inside = clustering.labels == cluster
    titles = pr.sample_movies(corpus, inside, n=n, random_state=random_state)
    return Result(
        tables={"sample_titles": titles},
        values={"cluster": wording.cluster_name(cluster, labels), "genre": genre},
    )


def rated_movies(corpus: Corpus, clustering: Clustering, labels: pd.Series) -> pd.DataFrame:
    """Return ``rating``, ``cluster`` and ``label`` of the placed movies with a rating."""
    rated = corpus.movies[["rating"]].assign(cluster=clustering.labels).dropna()
    rated = rated[rated["cluster"] != UNPLACED].sort_values("cluster", kind="stable")
    return rated.assign(label=rated["cluster"].map(labels))


def ratings(
    corpus: Corpus, clustering: Clustering, genre: str | None, has_genre: np.ndarray
) -> Result:
    """Say how the clusters are rated, and the movies of a genre; empty without ratings."""
    if corpus.movies["rating"].isna().all():
        return Result()
    tables = {"ratings": pr.ratings_by_cluster(corpus, clustering)}
    expected = pr.expected_rating(corpus, clustering, has_genre)
    if genre is None or not expected["rated"]:
        return Result(tables=tables)
    tables["expected_rating"] = pd.DataFrame([{"genre": genre, **expected}])
    said = wording.sentence("expected_rating", genre=genre, **expected)
    return Result(findings=[said], tables=tables, values={"genre": genre})


def mentions(counts: pr.Counts, genre: str) -> Result:
    """Show the probabilities of a genre mention, and what mixing both experiments leads to."""
    order = counts.genres.sort_values(ascending=False).index
    found = pr.mention_probabilities(counts)
    mixed = found.p_genre_given_cluster.loc[genre].fillna(0) * pr.p_cluster(counts.clusters)
    total = mixed.sum() / found.p_genre[genre]
    tables = {
        "mention_p_cluster": found.p_cluster.rename("p_cluster_of_mention"),
        "mention_p_genre_given_cluster": found.p_genre_given_cluster.loc[order],
        "mention_p_cluster_given_genre": found.p_cluster_given_genre.loc[order],
    }
    return Result(
        sentences=[wording.sentence("mixed_up", genre=genre, total=total)],
        tables={name: table.reset_index() for name, table in tables.items()},
    )


def tables_with_intervals(
    counts: pr.Counts, labels: pd.Series, *, prior: float, level: float
) -> list[pd.DataFrame]:
    """Return the tables of :func:`clusters` and :func:`genres`."""
    bayes_prior = {"prior": prior, "level": level}
    results = clusters(counts, labels, **bayes_prior), genres(counts, **bayes_prior)
    return [table for result in results for table in result.tables.values()]


def points_in_intervals(
    corpus: Corpus,
    clustering: Clustering,
    counts: pr.Counts,
    tables: Sequence[pd.DataFrame],
    *,
    prior: float,
    level: float,
) -> tuple[bool, str]:
    """Return whether no point is outside its interval, and the claim.

    That is checked for `tables` with ``mean``, ``low`` and ``high``, and for the clusters of all
    pairs of a genre and an actor with at least 5 movies. There the raw shares are in the intervals,
    too, unless the prior is stronger than Jeffreys'.
    """
    pairs = pr.count_pairs(corpus, clustering)
    of_cluster = intervals.cluster_prior(counts.clusters, weight=2 * prior)
    of_pairs = intervals.dirichlet_intervals(pairs, prior=of_cluster, level=level)
    shown = [intervals.Interval(*(one[name] for name in ("mean", "low", "high"))) for one in tables]
    holds = all(one.includes(one.estimate).all() for one in [*shown, of_pairs])
    if prior <= 0.5:
        shares = pairs / pairs.sum(axis=1, keepdims=True)
        holds = holds and bool(of_pairs.includes(shares).all())
    return bool(holds), wording.check("intervals", pairs=f"{len(pairs):,} pairs")
