"""What 04_clustering says about its clusters, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from imdbclust import wording
from imdbclust.clustering import (
    UNPLACED,
    Clustering,
    cluster_movies,
    neighbouring_clusters,
    typical_movies,
)
from imdbclust.display.result import Result
from imdbclust.evaluation import nulls as nl
from imdbclust.evaluation.choice import (
    curves,
    effective_clusters,
    silhouette,
    supported_clusters,
)
from imdbclust.evaluation.intervals import lift_intervals
from imdbclust.evaluation.levels import measure_levels
from imdbclust.evaluation.overall import Evaluation, recovery
from imdbclust.evaluation.profiles import Profiles
from imdbclust.evaluation.recipe import Recipe
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence
from imdbclust.new_movies.genre_model import MOST_GENRES
from imdbclust.reduction import Embedding, n_positions

if TYPE_CHECKING:
    from sklearn.base import ClusterMixin

TRIED = (4, 8, 12, 16, 24, 32)
"""Numbers of clusters and of components that are tried besides those of the recipe."""


def measure_sizes(
    embedding: Embedding, clustering: Clustering, *, random_state: int
) -> dict[str, float]:
    """Return measures of how compact, how far apart and how large the clusters are."""
    movies = clustering.sizes().drop(UNPLACED, errors="ignore")
    n_placed = movies.sum()
    return {
        "inertia": clustering.inertia,
        "silhouette": silhouette(embedding, clustering, random_state=random_state),
        "effective_clusters": effective_clusters(movies),
        "n_clusters": clustering.n_clusters,
        "largest_share": movies.max() / n_placed,
        "smallest_share": movies.min() / n_placed,
        "unplaced_share": 1 - n_placed / len(clustering.labels),
    }


def sizes(
    corpus: Corpus,
    embedding: Embedding,
    clustering: Clustering,
    profiles: Profiles,
    n_clusters: int,
) -> Result:
    """Say how large the clusters are; the tables describe them, largest first.

    Fewer than the `n_clusters` asked for may have movies; a nested recipe leaves out the others.
    """
    summary = profiles.summary.sort_values(
        "movies", ascending=False, kind="stable", ignore_index=True
    )
    placed = summary[summary["cluster"] != UNPLACED]
    n_placed = int(clustering.placed.sum())
    shares = placed["movies"] / n_placed
    effective = effective_clusters(placed["movies"])
    n_empty = n_clusters - int((placed["movies"] > 0).sum())
    labelled = placed.assign(label=placed["cluster"].map(profiles.labels()))
    positions = n_positions(embedding.scores[clustering.placed])
    empty = wording.empty_clusters(n_empty, n_clusters, positions, n_placed)
    table = summary[["cluster", "name", "movies"]].assign(share_of_placed=shares)
    return Result(
        findings=[wording.clusters(labelled, effective, corpus.n_movies - n_placed)],
        warnings=[empty] if empty else [],
        tables={"cluster_profiles": summary, "cluster_sizes": table},
        columns={"cluster_profiles": summary.columns.drop("short_name").tolist()},
    )


def when_and_what(
    corpus: Corpus, clustering: Clustering, profiles: Profiles
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return when the movies of each cluster were made, and what they are.

    Returns
    -------
    years : DataFrame
        ``cluster``, ``year``: one row for each placed movie with a year.
    genres : DataFrame
        ``cluster``, ``genre``, ``share`` of the cluster's movies: its over-represented genres, the
        foremost first.
    """
    years = pd.DataFrame({"cluster": clustering.labels, "year": corpus.movies["year"]})
    years = years[clustering.placed].dropna().astype(int)
    genres = profiles.genres[profiles.genres["cluster"] != UNPLACED]
    share = genres["n_in_cluster"] / genres["cluster"].map(clustering.sizes())
    genres = genres.assign(share=share).rename(columns={"name": "genre"})
    return years, genres[["cluster", "genre", "share"]].reset_index(drop=True)


def with_lift_intervals(
    standouts: pd.DataFrame, clustering: Clustering, n_movies: int
) -> pd.DataFrame:
    """Return a table of :func:`~imdbclust.evaluation.profiles.standouts` with intervals of lift."""
    sizes = standouts["cluster"].map(clustering.sizes())
    lift = lift_intervals(standouts["n_in_cluster"], sizes, standouts["n_in_all"], n_movies)
    return standouts.assign(lift_low=lift.low, lift_high=lift.high)


def standouts(actors: pd.DataFrame, genres: pd.DataFrame, profiles: Profiles) -> Result:
    """Say which actors and genres are over-represented, given their tables with intervals."""
    strongest = genres.loc[genres["n_in_cluster"] >= 30, "lift"].max()
    tables = {"cluster_actors": actors, "cluster_decades": profiles.decades}
    if genres.empty:
        return Result(tables=tables)
    text = wording.strongest_genre(strongest)
    return Result(sentences=[text], tables=tables | {"cluster_genres": genres})


def examples(
    corpus: Corpus,
    embedding: Embedding,
    clustering: Clustering,
    profiles: Profiles,
    points: pd.DataFrame,
) -> Result:
    """Show the cluster of every movie, typical and borderline movies, neighbours, and the map.

    `points` are those of :func:`imdbclust.clustering.clusters_on_map`.
    """
    titled = clustering.to_frame().assign(title=corpus.movies["title"])
    typical = typical_movies(corpus, embedding, clustering)
    named = profiles.summary.set_index("cluster")["name"]
    neighbours = neighbouring_clusters(clustering)
    neighbours.insert(1, "name", neighbours["cluster"].map(named))
    neighbours["name_of_neighbour"] = neighbours["neighbour"].map(named)
    return Result(
        tables={
            "movie_to_cluster_titles": titled,
            "typical_movies": typical,
            "neighbouring_clusters": neighbours,
            "map": points.drop(columns="movie"),
        },
        columns={"typical_movies": typical.columns.drop("movie_id").tolist()},
    )


def stability(found: Evaluation) -> Result:
    """Say whether the clusters reappear and whether they are noise, or why this is unknown."""
    if found.why_not:
        return Result(warnings=[wording.sentence("not_evaluated", why=found.why_not)])
    summaries = found.pairs.groupby("over", sort=False)["ari"]
    spread = summaries.agg(pairs="size", mean="mean", spread="std", least="min", most="max")
    of_parts = found.pairs.loc[found.pairs["over"] == "subsamples", "ari"].std()
    agree = "ari_subsamples" in found.above(nl.SHUFFLED)
    warning = wording.stability_warning(found.verdict, agree=agree)
    above = found.above(nl.SHUFFLED_WITHIN_YEAR)
    return Result(
        findings=[wording.stability(found.verdict, above, found.metrics(), of_parts)],
        warnings=[warning] if warning else [],
        tables={"stability": spread.reset_index(), "stability_pairs": found.pairs},
        metrics=found.metrics(),
    )


def information(found: Evaluation) -> Result:
    """Say what clusters carry about genres of held-out movies, and how much of it is the era."""
    if found.by_genre.empty:
        return Result(tables={} if found.why_not else {"nulls": found.nulls})
    of_all = found.information.set_index("genres").loc["all"]
    shuffled = found.nulls[found.nulls["null"] == nl.SHUFFLED].set_index("measure")["null_mean"]
    bits, of_era = found.bits("in_sample"), found.null(nl.WITHIN_YEAR, "bits")
    p, n = (found.null(nl.WITHIN_YEAR, "bits", value) for value in ("p", "n"))
    numbers = {"most": MOST_GENRES, "n": len(found.by_genre)}
    few = len(found.by_genre) <= MOST_GENRES
    return Result(
        sentences=[] if few else [wording.sentence("modelled_genres", **numbers)],
        findings=[
            wording.held_out_bits(of_all, found.spread["likeliest"], shuffled),
            wording.era(bits, of_era, p, int(n)),
        ],
        tables={
            "information": found.information,
            "information_by_genre": found.by_genre,
            "nulls": found.nulls,
        },
    )


def later_movies(found: Evaluation, split_year: int) -> Result:
    """Say what clusters of earlier movies add to what the last years say about later movies."""
    if found.by_genre.empty:
        return Result()
    if not found.in_time:
        return Result(sentences=[wording.sentence("no_split_in_time", year=split_year)])
    table = found.in_time.bits
    bits, beyond = (table.set_index("predictor")[name] for name in ("bits", "beyond_last_years"))
    return Result(
        findings=[wording.split_in_time(table, found.in_time.window, split_year)],
        tables={"split_in_time": table},
        values={"year": split_year},
        metrics={
            "bits_split_in_time": bits["nearest"],
            "bits_of_last_years": bits["last_years"],
            "bits_split_in_time_posterior": bits["posterior"],
            "bits_beyond_last_years": beyond["last_years_and_posterior"],
        },
    )


def sizes_with(embedding: Embedding, model: ClusterMixin) -> Callable[[int], pd.DataFrame]:
    """Return a function of ``n_clusters``: ``cluster`` and ``movies`` with that number."""
    from sklearn.base import clone

    def sizes(n_clusters: int) -> pd.DataFrame:
        other = clone(model).set_params(n_clusters=n_clusters)
        return cluster_movies(embedding, other).sizes().rename_axis("cluster").reset_index()

    return sizes


def try_numbers(
    found: Evaluation, recipe: Recipe, corpus: Corpus, incidence: Incidence, *, random_state: int
) -> pd.DataFrame:
    """Return :func:`~imdbclust.evaluation.choice.curves` of the numbers `TRIED`.

    The table is empty if the recipe was not evaluated.
    """
    if found.why_not:
        return pd.DataFrame(columns=["n_clusters", "n_components", "measure", "value"])
    return curves(
        recipe,
        corpus,
        incidence,
        n_clusters=sorted({*TRIED, recipe.n_clusters}),
        n_components=sorted({*TRIED, recipe.n_components}),
        n_subsamples=found.effort.n_curve,
        random_state=random_state,
    )


def choice(tried: pd.DataFrame, recipe: Recipe) -> Result:
    """Say which numbers of clusters the measures support."""
    if tried.empty:
        return Result()
    supported = supported_clusters(tried, recipe)
    return Result(
        sentences=[wording.supported_clusters(supported, recipe.n_clusters)],
        tables={"supported_n_clusters": supported, "choice": tried},
    )


def tree(table: pd.DataFrame) -> Result:
    """Show the groups of each level, given :func:`imdbclust.evaluation.levels.level_tree`."""
    if table.empty:
        return Result()
    n_groups = table["level"].value_counts()
    found = {f"{level}s_found": n_groups[level] for level in n_groups.index.drop("cluster")}
    return Result(tables={"level_tree": table}, metrics=found)


def levels(
    found: Evaluation, corpus: Corpus, incidence: Incidence, clustering: Clustering
) -> Result:
    """Say what each level is worth; empty if there is only one, or nothing was evaluated."""
    if found.why_not or not clustering.levels:
        return Result()
    table = measure_levels(found, corpus, incidence, clustering)
    rows = table.to_dict("records") if len(corpus.genres) else []
    said = [wording.sentence("level_bits", **row) for row in rows]
    return Result(sentences=said, tables={"levels": table})


def planted(truth: pd.Series | None, clustering: Clustering) -> Result:
    """Say whether the groups were found from which made-up films were made."""
    ari = recovery(truth, clustering)
    if ari is None:
        return Result()
    return Result(findings=[wording.sentence("recovery", ari=ari)], metrics={"ari_truth": ari})


def castless(corpus: Corpus, clustering: Clustering, labels: pd.Series) -> Result:
    """Say where the movies without a cast are."""
    homes = clustering.labels[corpus.cast_sizes() == 0]
    said = [wording.castless_movies(len(homes), homes[0], labels)] if len(homes) else []
    return Result(sentences=said)
