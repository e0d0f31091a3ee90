"""Every sentence that a report can contain: findings, warnings, checks, captions, descriptions.

One module, so that one reader can proof-read it. Functions take numbers, names or small tables and
return text. For a figure they return the caption and the alternative text as keywords:
``stage.figure(axes, "years", **wording.movies_per_year(years))``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from imdbclust.base.text import counted

if TYPE_CHECKING:
    import pandas as pd

CAPTIONS = {
    # 01_load
    "corpus_size": "The corpus in numbers",
    "load_notes": "What was counted while reading",
    "problems": "Skipped records",
    "movies_per_year": "Movies per year",
    "genres": "Movies of each genre, and their share of all movies",
    "genres_per_movie": "Movies by number of genres",
    "cast_sizes": "Movies by number of listed actors",
    "top_actors": "The actors with the most movies",
    "leader_genres": "Movies of {actor} by genre",
    "actor_genre_counts": "Movies by actor and genre",
    # 02_matrix
    "matrix_preview": "The corners of the movie-by-actor matrix",
    "matrix_top_actors": "The actors with the most movies, from the column sums",
    "rank_frequency": "Movies per actor, by rank",
    "components": "Connected components by size",
    # 03_reduction
    "scree": "Singular values and the share that each component explains",
    "leading_actors": "The actors with the largest weights in each component",
    # 04_clustering
    "movie_to_cluster_titles": "The cluster of every movie",
    "cluster_profiles": "The clusters, largest first",
    "cluster_sizes": "Movies per cluster",
    "cluster_actors": "Over-represented actors of each cluster: counts, lift and its 95% interval",
    "cluster_genres": "Over-represented genres of each cluster: counts, lift and its 95% interval",
    "cluster_decades": "Movies by cluster and decade",
    "typical_movies": "Five typical and five borderline movies of each cluster",
    "neighbouring_clusters": "The nearest neighbour of each cluster",
    "map": "The points of the map",
    "stability": "Agreement (ARI) of pairs of fits, with other seeds and on random 80% subsamples "
    "(evaluation: {evaluation})",
    "stability_pairs": "Agreement (ARI) of every pair of fits",
    "information": "Bits of information about genres per movie, in-sample and for held-out movies",
    "information_by_genre": "The same for each genre; the genres add up to the table above",
    "nulls": "Results of the same recipe under each null",
    "split_in_time": "Bits of information about movies from {year} on",
    "choice": "Each measure on each subsample, for other numbers of clusters and components",
    "supported_n_clusters": "The number of clusters at which each measure is largest",
    # 05_probabilities
    "p_cluster": "Movies per cluster and Pr[cluster], largest first",
    "p_genre": "Movies of each genre and Pr[genre]",
    "p_genre_given_cluster": "Pr[genre | cluster]",
    "p_joint": "Pr[genre, cluster]",
    "p_cluster_given_genre": "Pr[cluster | genre], by Bayes' rule",
    "associations": "Pr[genre | cluster] and lift with {level:.0%} intervals; the pairs that "
    "deviate most from what the decade explains come first",
    "lift": "Lift of each genre in each cluster",
    "genre_information": "Bits of information about each genre that the cluster carries",
    "bayes_genre": "Bayes table for the genre {genre}",
    "bayes_genre_and_actor": "Bayes table for {genre} with {actor}",
    "new_movie": "Pr[cluster | evidence] for a new movie: {actor}, {genre}, or both",
    "new_movie_nearest": "The movies nearest to a new movie, given {actor}",
    "coverage": "Counts of held-out movies within their {level:.0%} predictive interval",
    "calibration": "Predicted and observed shares of genres",
    "new_movies": "Held-out movies: share placed, and share in the same cluster as in the full fit",
    "sample_titles": "Movies drawn from {cluster}, the most probable one given {genre}",
    "ratings": "Mean rating and votes of the rated movies of each cluster",
    "expected_rating": "Expected rating for {genre}",
    "mention_p_cluster": "Pr[cluster] of a genre mention",
    "mention_p_genre_given_cluster": "Pr[genre | cluster] of a genre mention",
    "mention_p_cluster_given_genre": "Pr[cluster | genre] of a genre mention",
    # 06_sweep
    "ranked_settings": "Settings by {metric} (mean over seeds), best first",
    "axis_importance": "Share of each metric's variance that an axis explains by itself",
    "agreement": "Agreement (ARI) of settings that differ on one axis only",
    "agreement_pairs": "Agreement (ARI) of every such pair",
    "failures": "Failed settings by error; the first of each links to its annotated notebook",
    "settings": "All settings",
    "executions": "Executions of each notebook",
}
"""Captions of tables, by the name of the CSV file."""

CHECKS = {
    # 01_load
    "records": "every record is a movie, a counted duplicate or a problem",
    "credits": "no actor is counted twice in a movie",
    "ids": "no two movies and no two actors share an id",
    # 02_matrix
    "ones": "the matrix has a one for every credit",
    "only_ones": "all stored values are ones",
    "row_sums": "the row sums are the cast sizes",
    "column_sums": "the largest column sums belong to the actors with the most movies",
    # 03_reduction
    "singular_values": "the singular values never increase",
    "castless_zero": "a movie without a cast has a zero vector",
    "order": "the vectors are in the order of the matrix rows",
    # 04_clustering
    "reads_back": "{file} reads back unchanged",
    "all_movies": "the cluster sizes add up to the number of movies",
    "castless_together": "all movies without a cast are in one group",
    # 05_probabilities
    "posterior": "the posterior of {genre} by Bayes' rule equals the direct count",
    "total_probability": "the joint probabilities add up to Pr[{genre}]",
    # 06_sweep
    "one_row": "every setting has one row",
    "executions": "the number of executions equals the number of distinct stages",
}
"""What is checked at the end of each notebook."""


def caption(table: str, **values: object) -> str:
    """Return the caption of a table, by the name of its CSV file."""
    return CAPTIONS[table].format(**values)


def check(name: str, **values: object) -> str:
    """Return what is checked."""
    return CHECKS[name].format(**values)


def cluster_name(cluster: float) -> str:
    """Return the name of a group within a sentence; -1 is the group of the unplaced movies."""
    return "no cluster (unplaced)" if cluster == -1 else f"cluster {cluster:.0f}"


def metric_name(metric: str) -> str:
    """Return the name of a metric within a sentence: ``held out bits``."""
    return metric.replace("_", " ")


# ---------------------------------------------------------------- 01_load


def corpus_size(title: str, n_movies: int, n_actors: int, n_credits: int) -> str:
    """Say how large the corpus is."""
    return (
        f"{title}: {counted(n_movies, 'movie')} and {counted(n_actors, 'actor')}, "
        f"linked by {counted(n_credits, 'credit')}."
    )


def skipped_records(n: int) -> str:
    """Say how many records were skipped."""
    if not n:
        return "No record was skipped."
    return counted(
        n, "record was skipped because it is unusable.", "unusable records were skipped."
    )


def movies_per_year(years: pd.DataFrame) -> dict[str, str]:
    """Describe the figure of movies per year, given ``year`` and ``movies``."""
    year, movies = years["year"], years["movies"]
    span = f"{year.min()}" if len(year) == 1 else f"{year.min()} to {year.max()}"
    busiest = movies.idxmax()
    return {
        "caption": f"Movies per year, {span}; n = {counted(movies.sum(), 'movie')} with a year.",
        "alt": f"Bar chart, one bar per year, {span}. The median year has "
        f"{counted(round(movies.median()), 'movie')}, the busiest ({year[busiest]}) "
        f"{movies[busiest]:,}.",
    }


def undated_movies(n: int) -> str:
    """Say how many movies have no year."""
    return (
        counted(n, "movie has no year.", "movies have no year.") if n else "Every movie has a year."
    )


def genres_per_movie(mean: float, n_without: int) -> str:
    """Say how many genres a movie has."""
    without = counted(n_without, "movie has no genre", "movies have no genre")
    rest = without if n_without else "Every movie has a genre"
    return f"A movie has {mean:.2f} genres on average. {rest}."


def cast_sizes(casts: pd.DataFrame, median: float) -> dict[str, str]:
    """Describe the figure of cast sizes, given ``actors_listed`` and ``movies``."""
    sizes, movies = casts["actors_listed"], casts["movies"]
    return {
        "caption": "Listed actors per movie; the number of movies is on a log scale; "
        f"n = {counted(movies.sum(), 'movie')}.",
        "alt": f"Bar chart. The most common number of listed actors is {sizes[movies.idxmax()]} "
        f"({counted(movies.max(), 'movie')}), the median {median:g}, the largest {sizes.max():,}.",
    }


def casts(median: float, n_castless: int) -> str:
    """Say how large the casts are."""
    castless = counted(n_castless, "movie lists no actor", "movies list no actor")
    actors = "actor" if median == 1 else "actors"
    rest = castless if n_castless else "Every movie lists an actor"
    return f"Half of the movies list at most {median:g} {actors}. {rest}."


def actor_genre_counts(n_actors: int, most: int) -> str:
    """Return the caption of the counts by actor and genre, which may leave out some actors."""
    limit = f" (the {most:,} actors with the most movies)" if n_actors > most else ""
    return caption("actor_genre_counts") + limit


def careers(leader: str, n_movies: int, n_single: int, n_actors: int) -> str:
    """Say who plays in most movies, and how many actors play in a single one."""
    play = "plays" if n_single == 1 else "play"
    single = f"{n_single:,} ({n_single / n_actors:.0%}) {play} in only one"
    return f"{leader} plays in {counted(n_movies, 'movie')}. Of all {n_actors:,} actors, {single}."


# ---------------------------------------------------------------- 02_matrix


def matrix_shape(n_movies: int, n_actors: int) -> str:
    """Say how large the matrix is."""
    rows, columns = counted(n_movies, "row"), counted(n_actors, "column")
    return f"The matrix has {rows} (movies) and {columns} (actors)."


def matrix_density(n_ones: int, n_cells: int, density: float) -> str:
    """Say how much of the matrix is one."""
    return f"{n_ones:,} of its {n_cells:,} cells are one: {density:.4%} of the matrix."


def rank_frequency(n_actors: int, most: int, n_tenth: int, at_tenth: int, share: float) -> dict:
    """Describe the figure of movies per actor by rank, with the first tenth of the actors."""
    return {
        "caption": "Movies per actor by the actor's rank, both axes logarithmic; "
        f"n = {counted(n_actors, 'actor')}.",
        "alt": f"A curve falls from {counted(most, 'movie')} at rank 1 to {at_tenth:,} at rank "
        f"{n_tenth:,}. The busiest tenth of the actors has {share:.0%} of all credits.",
    }


def credits_of_top_tenth(share: float) -> str:
    """Say how many of the credits belong to the busiest actors."""
    return f"The busiest tenth of the actors has {share:.0%} of all credits."


def components(n_largest: int, n_movies: int, n_isolated: int, n_castless: int) -> str:
    """Say how many movies are connected by shared actors."""
    isolated = counted(n_isolated, "movie shares", "movies share")
    castless = counted(n_castless, "has no cast", "have no cast")
    largest = f"{n_largest:,} of {counted(n_movies, 'movie')} ({n_largest / n_movies:.0%})"
    text = f"{largest} are connected through shared actors."
    if not n_isolated + n_castless:
        return text
    return (
        f"{text} {isolated} no actor with any other movie, and {castless}: their casts give no "
        "hint where they belong."
    )


# ---------------------------------------------------------------- 03_reduction


def share_kept(share: float, n_components: int, *, weighted: bool) -> str:
    """Say how much of the matrix the components keep."""
    if math.isnan(share):
        return "All casts are identical, so the matrix has no variance to keep."
    whole = "sum of squares of the weighted matrix" if weighted else "variance of the matrix"
    keep = counted(n_components, "component keeps", "components keep")
    few = " So few dimensions capture very little of who plays with whom." if share < 0.5 else ""
    return f"{keep} {share:.1%} of the {whole}.{few}"


def scree(values: Sequence[float], gap: int, n_movies: int, kept: str) -> dict[str, str]:
    """Describe the figure of singular values; `kept` is the sentence of :func:`share_kept`."""
    return {
        "caption": f"Singular values and cumulative share of {counted(len(values), 'component')}; "
        f"n = {counted(n_movies, 'movie')}.",
        "alt": f"Singular values fall from {values[0]:.3g} to {values[-1]:.3g}, most steeply after "
        f"component {gap}. {kept}",
    }


def empty_components(n_empty: int, n_components: int) -> str:
    """Say how many components are empty."""
    are = "is" if n_empty == 1 else "are"
    of_all = f"{n_empty:,} of {counted(n_components, 'component')}"
    return f"{of_all} {are} empty: the matrix has rank {n_components - n_empty:,}."


def eigengap(gap: int) -> str:
    """Say where the eigenvalues fall most steeply."""
    return f"The eigenvalues drop most steeply after component {gap} (the eigengap)."


def without_coordinates(n: int, *, weighted: bool) -> str:
    """Say how many movies have no coordinates, and why."""
    if not n:
        return "Every movie has coordinates."
    have = counted(n, "movie has", "movies have")
    link = ", or a cast without a link to the main body of movies" if weighted else ""
    return f"{have} no coordinates (no cast{link})."


def leading_actors(names: Sequence[str]) -> str:
    """Say who leads the first components."""
    return f"The first components are led by {', '.join(names)}."


def genre_map(n_shown: int, most_common: pd.Series) -> dict[str, str]:
    """Describe the map coloured by genre; `most_common` counts movies by genre."""
    colours = ", ".join(f"{genre} ({count:,})" for genre, count in most_common.items())
    movies = counted(n_shown, "movie")
    return {
        "caption": f"t-SNE map of {movies}, coloured by the rarest genre of each movie.",
        "alt": f"Scatter plot of {movies}."
        + (f" The most common colours are {colours}." if colours else ""),
    }


def map_size(n_shown: int, n_movies: int) -> str:
    """Say how many movies the map shows; 0 without a map."""
    if not n_shown:
        return (
            "No map was drawn: it needs 2 components, and 8 movies that are not all in one place."
        )
    return f"The map shows {n_shown:,} of {counted(n_movies, 'movie')}."


def nearest_movies(n_pairs: int, share: float, n_sampled: int = 0) -> str:
    """Say how many near movies share an actor; `n_sampled`: of how many, if not of all."""
    if not n_pairs:
        return "No two movies have coordinates, so no movie has neighbours."
    rest = " The rest are close through other movies in which their actors appear."
    sample = f" (for a sample of {counted(n_sampled, 'movie')})" if n_sampled else ""
    return (
        f"Among {counted(n_pairs, 'pair')} of a movie and one of its nearest movies{sample}, "
        f"{share:.0%} share an actor.{rest if share < 1 else ''}"
    )


# ---------------------------------------------------------------- 04_clustering


def cluster_sizes(sizes: pd.DataFrame, n_placed: int) -> dict[str, str]:
    """Describe the figure of cluster sizes, given ``label`` and ``movies``, largest first."""
    largest, smallest = sizes.iloc[0], sizes.iloc[-1]
    share, least = largest["movies"] / n_placed, smallest["movies"] / n_placed
    return {
        "caption": "Movies per cluster, named after over-represented actors and genres; "
        f"n = {counted(n_placed, 'movie')}.",
        "alt": f"Bar chart. The largest cluster is {largest['label']} with "
        f"{counted(largest['movies'], 'movie')} ({share:.0%}), the smallest {smallest['label']} "
        f"with {smallest['movies']:,} ({least:.1%}).",
    }


def clusters(sizes: pd.DataFrame, effective: float, n_unplaced: int) -> str:
    """Say how large the clusters are, given ``label`` and ``movies``, largest first."""
    most, least = sizes["movies"].iloc[0], sizes["movies"].iloc[-1]
    span = f"{least:,} to {counted(most, 'movie')}" if least < most else counted(most, "movie")
    each = " each" if least == most and len(sizes) > 1 else ""
    unplaced = counted(n_unplaced, "movie is", "movies are")
    return (
        f"{counted(len(sizes), 'cluster')} of {span}{each}, as diverse as {effective:.1f} clusters "
        f"of equal size. The largest, {sizes['label'].iloc[0]}, has "
        f"{most / sizes['movies'].sum():.0%} of the placed movies."
        + (f" {unplaced} unplaced." if n_unplaced else "")
    )


def empty_clusters(n_empty: int, n_clusters: int, n_positions: int, n_placed: int) -> str:
    """Say how many clusters have no movie, and why; empty if all have movies."""
    if not n_empty:
        return ""
    have = f"{n_empty:,} of {counted(n_clusters, 'cluster')} {'has' if n_empty == 1 else 'have'}"
    if n_positions >= n_clusters:
        centers = "its center" if n_empty == 1 else "their centers"
        return f"{have} no movie: when k-means stopped, no movie was nearest to {centers}."
    return (
        f"{have} no movie: the {counted(n_placed, 'placed movie')} have only "
        f"{counted(n_positions, 'distinct position')}."
    )


def strongest_genre(lift: float) -> str:
    """Report the strongest lift of a frequent genre; NaN if no genre is frequent."""
    if math.isnan(lift):
        return "No over-represented genre has at least 30 movies in a cluster."
    return f"The strongest lift of a genre with at least 30 movies in a cluster is {lift:.1f}."


def cluster_map(n_shown: int, n_drawn: int, largest: str, n_largest: int) -> dict[str, str]:
    """Describe the map coloured by cluster, with the largest of the clusters on it."""
    movies = counted(n_shown, "movie")
    return {
        "caption": f"t-SNE map of {movies}, coloured by cluster. Clusters were computed in the "
        "full space, not on the map.",
        "alt": f"Scatter plot of {movies} in {counted(n_drawn, 'cluster')}, labelled where each "
        f"is densest. The largest on the map is {largest} with {counted(n_largest, 'movie')}.",
    }


def not_evaluated(why: str) -> str:
    """Say that the clusters were not evaluated, and why."""
    return f"The reliability of the clusters was not evaluated: {why}."


def stability(
    ari_seeds: float, ari_subsamples: float, held_out: float, *, structured: bool, least_ari: float
) -> str:
    """Say how stable the clusters are.

    Parameters
    ----------
    ari_seeds, ari_subsamples : float
        Mean adjusted Rand index of refits with other seeds, and on subsamples.
    held_out : float
        Bits about genres of held-out movies.
    structured : bool
        Whether the clusters are more than noise.
    least_ari : float
        Agreement of subsamples below which clusters are noise.
    """
    if not ari_subsamples >= least_ari:
        agreement = "" if math.isnan(ari_subsamples) else f" (ARI {ari_subsamples:z.2f})"
        return f"The clusters are noise: different subsamples give different clusters{agreement}."
    if not structured:
        return (
            f"The clusters are unrelated to genres: they reappear in subsamples (ARI "
            f"{ari_subsamples:z.2f}), but carry {held_out:z.2f} bits about the genres of held-out "
            "movies."
        )
    words = ("hardly stable", "somewhat stable", "stable")
    word = words[int(ari_subsamples >= 0.4) + int(ari_subsamples >= 0.7)]
    return (
        f"The clusters are {word}: the adjusted Rand index (1 = identical, 0 = chance) is "
        f"{ari_subsamples:z.2f} between refits on random 80% subsamples, and {ari_seeds:z.2f} "
        "between refits with other seeds."
    )


def stability_warning(ari_subsamples: float, *, structured: bool) -> str:
    """Warn of clusters that are noise or hardly stable; empty if they are neither."""
    if not structured:
        return "These clusters say no more about genres than clusters of shuffled data."
    if ari_subsamples < 0.4:
        return "The clusters are hardly stable. Do not rely on any single one of them."
    return ""


def held_out_bits(bits: Mapping[str, float], spread: float) -> str:
    """Say what clusters predict about the genres of held-out movies.

    `bits` by ``nearest``, ``posterior``, ``decade``, ``beyond_decade`` and
    ``beyond_decade_posterior``; `spread`: standard deviation of ``nearest`` over subsamples.
    """
    return (
        f"For held-out movies, the nearest cluster carries {bits['nearest']:z.2f} bits about "
        f"genres (± {spread:z.2f} over subsamples), the posterior {bits['posterior']:z.2f}, the "
        f"decade alone {bits['decade']:z.2f}. Added to the decade, the nearest cluster contributes "
        f"{bits['beyond_decade']:z.2f} bits, the posterior {bits['beyond_decade_posterior']:z.2f}."
    )


def era(bits: float, by_era: float) -> str:
    """Say how much of the clusters' information about genres the era explains."""
    text = f"The clusters carry {bits:z.2f} bits about genres (in-sample). "
    remains = "when cluster labels are permuted within each year."
    if by_era >= bits:
        return f"{text}The era explains all of them (100%): {by_era:z.2f} bits remain {remains}"
    share = max(by_era / bits, 0.0)
    return (
        f"{text}The era explains {by_era:z.2f} of them ({share:.0%}): this much remains {remains}"
    )


def nulls(in_sample: float, of_era: float) -> dict[str, str]:
    """Describe the figure of the nulls."""
    bits = f"{in_sample:.2f} bits; with labels permuted within years: {of_era:.2f} bits"
    return {
        "caption": "Bits about genres, in-sample and held-out: nulls (bars) and observed (line).",
        "alt": f"Bar chart. Observed in-sample: {bits}.",
    }


def split_in_time(year: int, bits: float | None) -> str:
    """Say what clusters of earlier movies predict about later ones; None without a split."""
    if bits is None:
        return f"No split at {year}: one side has too few movies with a cast."
    return f"Clusters of movies before {year} carry {bits:z.2f} bits about movies from {year} on."


def supported_clusters(supported: pd.DataFrame, n_clusters: int) -> str:
    """Say which numbers of clusters the measures support, given ``measure`` and ``n_clusters``."""
    names = {
        "ari_subsamples": "agreement of subsamples",
        "held_out": "held-out bits",
        "silhouette": "silhouette",
    }
    best = dict(zip(supported["measure"], supported["n_clusters"], strict=True))
    if not best:
        return "No number of clusters could be tried."
    numbers = set(best.values())
    if len(numbers) == 1:
        return f"Among the numbers tried, all measures support {counted(*numbers, 'cluster')}."
    said = ", ".join(f"{number} by {names[measure]}" for measure, number in best.items())
    return (
        f"The measures disagree on the best number of clusters: {said}. No number is right by "
        f"itself; this run uses {n_clusters}."
    )


def choice(supported: str) -> dict[str, str]:
    """Describe the figure of the choice; `supported` is :func:`supported_clusters`."""
    axes = "number of clusters (left) and of components (right)"
    return {"caption": f"Measures by {axes}, with their range as bands.", "alt": supported}


def recovery(ari: float | None) -> str:
    """Say how well the clusters recover the planted troupes; None without a known truth."""
    if ari is None:
        return "These films are not made up, so no planted troupes are known."
    return f"The clusters recover the planted troupes with ARI {ari:.2f}."


def castless_movies(n: int, cluster: float) -> str:
    """Say where the movies without a cast are."""
    where = "unplaced" if cluster == -1 else f"in {cluster_name(cluster)}"
    return f"{counted(n, 'movie without a cast is', 'movies without a cast are')} {where}."


# ---------------------------------------------------------------- 05_probabilities


def most_probable_cluster(cluster: int, probability: float) -> str:
    """Say which cluster is most probable for any movie."""
    where = f"{cluster_name(cluster)} with probability {probability:.3f}"
    return f"A movie picked uniformly is in {where}."


def associations(n_flagged: int, n_pairs: int, n_rejected: int) -> str:
    """Say how many pairs of genre and cluster are associated beyond the decade.

    `n_rejected`: further pairs whose lift interval excludes 1.
    """
    are = "is" if n_flagged == 1 else "are"
    pairs = "pair has" if n_rejected == 1 else f"{n_rejected:,} pairs have"
    do = "does" if n_rejected == 1 else "do"
    rest = (
        f" Another {pairs} a lift interval that excludes 1 but {do} not survive the correction for "
        "multiple testing."
    )
    return (
        f"{n_flagged:,} of {counted(n_pairs, 'genre-cluster pair')} {are} over- or "
        f"under-represented beyond what the decade explains.{rest if n_rejected else ''}"
    )


def lift(shape: tuple[int, int], n_flagged: int, n_movies: int, strongest: str) -> dict[str, str]:
    """Describe the heat map of lift; `strongest` is :func:`strongest_lift` or empty."""
    return {
        "caption": "Lift of the most frequent genres. Numbers in the cells count movies; * marks "
        "an association that the decade does not explain and that survives the correction; "
        f"n = {counted(n_movies, 'movie')}.",
        "alt": f"Heat map of {counted(shape[0], 'genre')} by {counted(shape[1], 'cluster')}; "
        f"{counted(n_flagged, 'cell has', 'cells have')} an asterisk. {strongest}".rstrip(),
    }


def strongest_lift(value: float, genre: str, label: str) -> str:
    """Say which lift of a frequent genre is strongest."""
    return f"The strongest lift with at least 30 movies is {value:.1f}, {genre} in {label}."


def genre_information(bits: float, entropy: float) -> str:
    """Say how much the cluster says about genres, and how much it could."""
    text = f"A movie's cluster carries {bits:.2f} bits about its genres (in-sample)."
    return f"{text} The entropy of all genres is {entropy:.2f} bits."


def bayes_figure(genre: str, label: str, best: pd.Series, level: float, n: int) -> dict[str, str]:
    """Describe the figure of a Bayes table; `best` has ``prior`` and ``posterior``."""
    return {
        "caption": f"Prior and posterior of each cluster given {genre}, with {level:.0%} "
        f"intervals; n = {counted(n, 'movie')}.",
        "alt": f"Bar chart. Given {genre}, the most probable cluster is {label}: its prior is "
        f"{best['prior']:.3f}, its posterior {best['posterior']:.3f}.",
    }


def given_genre(genre: str, best: pd.Series) -> str:
    """Say which cluster is most probable; `best` has ``cluster``, ``prior``, ``posterior``."""
    return (
        f"Given {genre}, {cluster_name(best['cluster'])} is the most probable: "
        f"{best['posterior']:.3f}, compared with {best['prior']:.3f} when the genre is unknown."
    )


def given_both(genre: str, actor: str, n: int, best: pd.Series) -> str:
    """Say which cluster is most probable given genre and actor, from `n` movies."""
    cluster = f"{cluster_name(best['cluster'])} has probability {best['posterior']:.3f}"
    return f"Given {genre} with {actor} ({counted(n, 'movie')}), {cluster}."


def no_posterior(genre: str, actor: str) -> str:
    """Say why a Bayes table has no posterior."""
    return f"No movie is {genre} with {actor}, so the posterior is undefined (shown as dashes)."


def new_movie(case: str, cluster: int, probability: float) -> str:
    """Say where a new movie belongs; `case` is what is known of it, such as ``genre alone``."""
    return f"Given {case}: {cluster_name(cluster)} (probability {probability:.3f})."


def coverage(covered: pd.Series, level: float) -> str:
    """Say how many counts of held-out movies are in their predictive intervals."""
    counts = counted(int(covered["cells"]), "count")
    return (
        f"For held-out movies, the {level:.0%} intervals cover {covered['covered_randomised']:.1%} "
        f"of {counts} ({covered['covered']:.1%} before correcting for discreteness)."
    )


def no_coverage() -> str:
    """Say why the coverage is unknown."""
    return "The clustering was not evaluated, so there are no held-out movies."


def calibration(n_points: int, error: float) -> dict[str, str]:
    """Describe the figure of the calibration."""
    points = counted(n_points, "point")
    return {
        "caption": "Predicted probability of a genre, and share of held-out movies that have it.",
        "alt": f"{points}, on average {error:.4f} away from the diagonal of perfect predictions.",
    }


def same_cluster(nearest: float, posterior: float) -> str:
    """Say how often held-out movies get the cluster that they have in the full fit."""
    shares = f"{nearest:.0%} of cases (nearest center) or {posterior:.0%} (posterior)"
    return f"Held-out movies get the same cluster as in the full fit in {shares}."


def ratings(n_rated: int, means: pd.Series, labels: Mapping[int, str]) -> dict[str, str]:
    """Describe the figure of ratings; `means` by cluster."""
    low, high = means.idxmin(), means.idxmax()
    return {
        "caption": "Ratings per cluster: quartiles, and range without outliers; "
        f"n = {counted(n_rated, 'rated movie')}.",
        "alt": f"Box plots of {counted(len(means), 'cluster')}. Mean ratings range from "
        f"{means[low]:.2f} ({labels[low]}) to {means[high]:.2f} ({labels[high]}).",
    }


def expected_rating(genre: str, through_clusters: float, direct: float) -> str:
    """Say which rating is expected for a genre."""
    means = f"{through_clusters:.2f} through its clusters, and {direct:.2f} directly"
    return f"The expected rating for {genre} is {means}."


def no_expected_rating(genre: str, n_rated: int) -> str:
    """Say why no rating is expected for a genre."""
    return f"No movie of the genre {genre} has a rating." if n_rated else "No movie has a rating."


def mixed_up(genre: str, total: float) -> str:
    """Say to what the posteriors add up if the two experiments are mixed up."""
    return (
        f"Mixing both experiments gives posteriors for {genre} that add up to {total:.4f}, not 1."
    )


def explorer(n_movies: int, of_movies: int, n_actors: int, of_actors: int) -> str:
    """Say how much can be looked up on the explorer's page."""
    actors = f"{n_actors:,} of {counted(of_actors, 'actor')}"
    return f"{n_movies:,} of {counted(of_movies, 'movie')} and {actors} can be looked up there."


def no_explorer() -> str:
    """Say why the explorer's page is missing."""
    return "This run has no such page, because the parameter explorer is false."


# ---------------------------------------------------------------- 06_sweep


def _setting(row: Mapping[str, object], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in names) or "the only setting"


def best_setting(
    ranked: pd.DataFrame, tied: pd.DataFrame, names: Sequence[str], metric: str
) -> str:
    """Say which setting is best, and by how much.

    Parameters
    ----------
    ranked, tied : DataFrame
        Settings with ``mean``, ``spread`` and ``repeats``, best first, and those of them that tie
        with the best.
    names : sequence of str
        Columns that name a setting.
    metric : str
        The metric by which they are ranked.
    """
    if ranked.empty:
        return "No setting finished, so no setting is best."
    best, *others = ranked.to_dict("records")
    text = f"By {metric_name(metric)}, {_setting(best, names)} is best: {best['mean']:.4g}"
    if best["repeats"] > 1:
        text += f" ± {best['spread']:.2g} over {best['repeats']} seeds"
    if not others:
        return f"{text}. It is the only setting."
    if len(tied):
        named = "; ".join(_setting(one, names) for one in tied.head(3).to_dict("records"))
        more = f" and {len(tied) - 3} more" if len(tied) > 3 else ""
        return f"{text}. It ties with {named}{more}: they differ by less than their seeds do."
    gap = best["mean"] - others[0]["mean"]
    return f"{text}. The next best, {_setting(others[0], names)}, is {gap:.2g} lower."


def in_sample_metric(metric: str) -> str:
    """Warn of choosing settings by a metric that is measured in-sample."""
    return (
        f"The metric {metric_name(metric)} is measured in-sample and grows by itself with the "
        "number of clusters or components. To choose these numbers, sweep with evaluation quick or "
        "full, which measure on held-out movies."
    )


def settings(n_settings: int, n_done: int, axes: Sequence[str], n_executions: int) -> str:
    """Say how many settings a sweep has, and what became of them."""
    over = f" over {', '.join(axes)}" if axes else ""
    return (
        f"{counted(n_settings, 'setting')}{over}: {n_done:,} finished, {n_settings - n_done:,} "
        f"failed. {counted(n_executions, 'notebook was', 'notebooks were')} executed."
    )


def failed_settings(n_failed: int, n_settings: int) -> str:
    """Warn of failed settings."""
    return f"{n_failed:,} of {counted(n_settings, 'setting')} failed; the errors are listed below."


def no_failures() -> str:
    """Say that no setting failed."""
    return "No setting failed."


def heat_map(metric: str, rows: str, columns: str) -> str:
    """Return the caption of a heat map."""
    return f"{metric_name(metric).capitalize()} by {rows} and {columns}"


def axis_importance(shares: pd.Series, metric: str, seed: str) -> str:
    """Say which axis matters most, given the shares of variance by axis; `seed` is an axis."""
    shares = shares.dropna()
    if shares.empty:
        return f"All settings have the same {metric_name(metric)}."
    top = shares.idxmax()
    text = f"{top} explains most of the variance of {metric_name(metric)}: {shares[top]:.0%}."
    if seed in shares and top != seed:
        text += f" The seed by itself explains {shares[seed]:.0%}."
    return text


def bands(axis: str, lines: pd.DataFrame, metric: str, n_settings: int) -> dict[str, str]:
    """Describe the figure of metrics along an axis, given ``x`` and ``mean`` of the chosen one."""
    means = lines["mean"]
    return {
        "caption": f"Metrics at each value of {axis}: mean and range over all settings with it; "
        f"n = {counted(n_settings, 'setting')}.",
        "alt": f"The mean of {metric_name(metric)} ranges from {means.min():.3g} to "
        f"{means.max():.3g}; it is highest at {axis} {lines['x'][means.idxmax()]}.",
    }


def agreement(axis: str, mean: float, n_pairs: int, seed: str) -> str:
    """Say how well settings agree that differ on one axis; `seed` is the axis of repeats."""
    who = "Repeats with other seeds" if axis == seed else f"Neighbouring values of {axis}"
    return f"{who} agree with ARI {mean:.2f} ({counted(n_pairs, 'pair')})."


def cost(metric: str, costs: Mapping[str, float]) -> str:
    """Say what the best setting costs, and the cheapest that is nearly as good.

    `costs`: ``best`` and ``cheapest`` (numbers of settings), ``best_seconds`` and
    ``cheapest_seconds``; empty if no setting finished.
    """
    if not costs:
        return "No setting finished, so the cost is unknown."
    return (
        f"The setting with the highest {metric_name(metric)} (number {costs['best']:.0f}) would "
        f"take {costs['best_seconds']:.0f} s by itself. The cheapest within 1% of it (number "
        f"{costs['cheapest']:.0f}) takes {costs['cheapest_seconds']:.0f} s."
    )


def cost_figure(metric: str, n_settings: int, text: str) -> dict[str, str]:
    """Describe the figure of the metric over time; `text` is :func:`cost`."""
    name, n = metric_name(metric).capitalize(), counted(n_settings, "setting")
    return {"caption": f"{name} of each setting by its run time; n = {n}.", "alt": text}


def command(text: str) -> str:
    """Say by which command the sweep was made."""
    return f"Command: {text}"


# ---------------------------------------------------------------- why it was not evaluated


def evaluation_off() -> str:
    """Return why nothing is refitted if the parameter ``evaluation`` is off."""
    return "the parameter evaluation is off"


def too_many_to_evaluate(n_movies: int) -> str:
    """Return why a large corpus is not evaluated by default."""
    return (
        f"with {n_movies:,} movies every fit takes long, and a random subsample would be a "
        "different corpus; use -p evaluation full to evaluate it anyway"
    )


def too_few_to_evaluate(n_placed: int, n_actors: int, *, n_clusters: int, n_components: int) -> str:
    """Return why a small corpus cannot be evaluated."""
    return (
        f"too few movies ({n_placed:,} placed) or actors ({n_actors:,}) to fit subsamples with "
        f"{counted(n_clusters, 'cluster')} and {counted(n_components, 'component')}"
    )


def subsample_not_fitted(n_movies: int, error: Exception) -> str:
    """Return which subsample could not be fitted, and why."""
    return f"a subsample of {counted(n_movies, 'movie')} cannot be fitted ({error})"


def nothing_held_out(n_movies: int) -> str:
    """Return why held-out movies cannot be predicted."""
    return f"no held-out movie has a cast ({counted(n_movies, 'movie')} held out)"


# ---------------------------------------------------------------- pages of a run

METRICS = {
    "n_clusters": "clusters",
    "largest_share": "share of the largest cluster",
    "unplaced_share": "share of unplaced movies",
    "ari_seeds": "agreement between seeds (ARI)",
    "ari_subsamples": "agreement between random subsamples (ARI)",
    "genre_bits": "bits about genres, in-sample",
    "genre_bits_of_era": "of these, explained by the era",
    "held_out_bits": "bits about held-out movies, nearest cluster",
    "held_out_bits_posterior": "bits about held-out movies, Pr[cluster | cast]",
    "bits_of_decade": "bits of the decade alone",
    "bits_beyond_decade": "bits beyond the decade, nearest cluster",
    "bits_beyond_decade_posterior": "bits beyond the decade, Pr[cluster | cast]",
    "bits_split_in_time": "bits about later movies",
    "ari_truth": "agreement with the planted troupes (ARI)",
}
"""Labels of the metrics by which runs of different presets are compared."""


def run_summary(metrics: dict) -> str:
    """Return the result of a run in up to three sentences; empty if it has no clusters yet."""
    found = {name: value for name, value in metrics.items() if value is not None}
    if not {"n_clusters", "n_movies"} <= found.keys():
        return ""
    n_movies, placed = found["n_movies"], 1 - found.get("unplaced_share", 0)
    movies = f"{n_movies:,}" if placed == 1 else f"{round(placed * n_movies):,} of {n_movies:,}"
    text = f"{movies} movies fall into {counted(found['n_clusters'], 'cluster')} by shared cast"
    if "ari_subsamples" not in found:
        if "genre_bits" in found:
            text += f", with {found['genre_bits']:z.2f} bits about genres in-sample"
        return f"{text}. Stability was not evaluated."
    text += (
        ". Refits on random subsamples agree with an adjusted Rand index of "
        f"{found['ari_subsamples']:z.2f} (1 = identical, 0 = chance)."
    )
    if "held_out_bits" in found:
        text += (
            " For held-out movies, the cluster predicted from the cast carries "
            f"{found['held_out_bits']:z.2f} bits about genres"
        )
        if "bits_beyond_decade" in found:
            text += f" and adds {found['bits_beyond_decade']:z.2f} bits to those of the decade"
        text += "."
    return text
