"""Every sentence that a report can contain: findings, warnings, checks, captions, descriptions.

One module, so that one reader can proof-read it. A text that only needs values filled in is in
`CAPTIONS`, `CHECKS`, `SENTENCES` or `FIGURES`; the rest are functions of numbers, names or small
tables. Figures have a caption and an alternative text: ``stage.figure(axes, "years", **text)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING

from imdbclust.base.text import counted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CAPTIONS = {
    # 01_load
    "columns": "The columns of the files, and what each was taken for",
    "corpus_size": "The corpus in numbers",
    "load_notes": "What was counted while reading",
    "problems": "Skipped records",
    "movies_per_year": "Movies per year",
    "genres": "Movies of each genre, and their share of all movies",
    "genres_per_movie": "Movies by number of genres",
    "cast_sizes": "Movies by number of listed actors",
    "top_actors": "The actors with the most movies",
    "leader_genres": "Movies of {actor} by genre",
    "actor_genre_counts": "Movies by actor and genre (at most the {most:,} actors with the most "
    "movies)",
    # 02_matrix
    "matrix_preview": "The corners of the movie-by-actor matrix",
    "rank_frequency": "Movies per actor, by rank",
    "components": "Connected components by size",
    # 03_reduction
    "scree": "Singular values and the share that each component explains",
    "leading_actors": "The actors with the largest weights in each component",
    # 04_clustering
    "movie_to_cluster_titles": "The cluster of every movie",
    "cluster_profiles": "The clusters, largest first",
    "cluster_sizes": "Movies per cluster",
    "level_tree": "The groups of all levels, each followed by the groups within it",
    "levels": "Stability and information of each level, with standard deviations (spread)",
    "cluster_actors": "Over-represented actors of each cluster: counts, lift and its 95% interval",
    "cluster_genres": "Over-represented genres of each cluster: counts, lift and its 95% interval",
    "cluster_decades": "Movies by cluster and decade",
    "typical_movies": "Five typical and five borderline movies of each cluster",
    "neighbouring_clusters": "The nearest neighbour of each cluster",
    "map": "The points of the map",
    "stability": "Agreement (ARI) of pairs of fits, with other seeds and on random 80% subsamples",
    "stability_pairs": "Agreement (ARI) of every pair of fits",
    "information": "Bits of information about genres per movie, summed over genres, in-sample and "
    "for held-out movies",
    "information_by_genre": "The same for each genre; the genres add up to the table above",
    "nulls": "Results of the same recipe under each null; p is at most 1 / (n + 1) where no null "
    "reaches the observed value",
    "split_in_time": "Bits of information about movies from {year} on, compared with the genre "
    "shares of all earlier movies, and beyond those of the last years",
    "choice": "Each measure on each subsample, for other numbers of clusters and components",
    "supported_n_clusters": "The number of clusters at which each measure is largest",
    # 05_probabilities
    "p_cluster": "Movies per cluster and Pr[cluster], counted, and its posterior mean with its "
    "{level:.0%} interval, largest first",
    "p_genre": "Movies of each genre and Pr[genre], counted, and its posterior mean with its "
    "{level:.0%} interval",
    "p_genre_given_cluster": "Pr[genre | cluster]",
    "p_joint": "Pr[genre, cluster]",
    "p_cluster_given_genre": "Pr[cluster | genre], by Bayes' rule",
    "associations": "Pr[genre | cluster] and lift with {level:.0%} intervals; the pairs that "
    "deviate most from what the decade explains come first",
    "lift": "Lift of each genre in each cluster",
    "genre_information": "Bits of information about each genre that the cluster carries",
    "bayes_genre": "Bayes table for the genre {genre}, counted, and the posterior mean with its "
    "{level:.0%} interval",
    "bayes_genre_and_actor": "Bayes table for {genre} with {actor}, counted, and the posterior "
    "mean with its {level:.0%} interval",
    "new_movie_genres": "Pr[genre | cast] for a new movie with {actor}, next to Pr[genre]: the "
    "actor's movies with the genre, and the bits of evidence that they are",
    "new_movie": "Pr[cluster | evidence] for a new movie: {actor}, {genre}, or both",
    "new_movie_nearest": "The movies nearest to a new movie, given {actor}",
    "coverage": "Counts of held-out movies within their {level:.0%} predictive interval",
    "calibration": "Predicted and observed shares of genres in ten bins of equal width, all parts "
    "together",
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

CORPUS_SIZE = (
    "known movies", "known actors", "credits", "movies without a cast", "movies without a genre",
    "movies with a rating",
)  # fmt: skip
"""Rows of the table ``corpus_size``."""

COLUMNS_READ = ("file", "column", "taken_for", "example")
"""Columns of the table of what columns were taken for."""

CHECKS = {
    # 01_load
    "records": "every record is a movie, a counted duplicate or a problem",
    "credits": "no actor is counted twice in a movie",
    "ids": "no two movies and no two actors share an id",
    "top_by_hand": "the longest career counted by hand is the first of the table",
    # 02_matrix
    "ones": "the matrix has a one for every credit",
    "only_ones": "all stored values are ones",
    "row_sums": "the row sums are the cast sizes",
    "matrix_by_hand": "the matrix built by hand equals the one that is saved",
    "column_sums": "the largest column sums belong to the actors with the most movies",
    # 03_reduction
    "singular_values": "the singular values never increase",
    "castless_zero": "a movie without a cast has a zero vector",
    "order": "the vectors are in the order of the matrix rows",
    # 04_clustering
    "reads_back": "movie_to_cluster.csv reads back unchanged",
    "all_movies": "the cluster sizes add up to the number of movies",
    "castless_together": "all movies without a cast are in one group",
    # 05_probabilities
    "posterior": "the posterior by Bayes' rule equals the direct count",
    "total_probability": "the joint probabilities add up to Pr[genre]",
    "intervals": "no point is outside its interval, in these tables and in those of {pairs} "
    "of a genre and an actor with at least 5 movies",
    # 06_sweep
    "one_row": "every setting has one row",
    "executions": "the number of executions equals the number of distinct stages",
}
"""What is checked at the end of each notebook."""

SENTENCES = {
    # 01_load
    "corpus_size": "{title}: {n_movies} and {n_actors}, linked by {n_credits}.",
    "casts": "The median number of listed actors is {median:g}.",
    # 02_matrix
    "matrix": "The matrix has {n_rows} (movies) and {n_columns} (actors). {ones:,} of its "
    "{cells:,} cells are one: {density:.4%} of the matrix.",
    "top_tenth": "The busiest tenth of the actors has {share:.0%} of all credits.",
    # 03_reduction
    "eigengap": "The eigenvalues drop most steeply after component {gap} (the eigengap).",
    "leading_actors": "The first components are led by {names}.",
    # 04_clustering
    "not_evaluated": "The reliability of the clusters was not evaluated: {why}.",
    "level_bits": "For held-out movies, the {level} that the cast makes likeliest carries "
    "{assigned:z.2f} bits about genres (± {assigned_spread:z.2f} over subsamples), "
    "{beyond_decade:z.2f} of them in addition to the decade; with Pr[{level} | cast], "
    "{posterior:z.2f} and {beyond_decade_posterior:z.2f}.",
    "no_split_in_time": "No split at {year}: one side has too few movies with a cast.",
    "recovery": "The clusters recover the planted troupes with ARI {ari:.2f}.",
    # 05_probabilities
    "genre_information": "A movie's cluster carries {summed:.2f} bits about its genres, summed "
    "over genres (in-sample). About the set of its genres, which has an entropy of {entropy:.2f} "
    "bits, it carries {bits:z.2f} bits: {raw:.2f}, minus {by_chance:.2f} that permuted clusters "
    "carry by chance.",
    "given_genre": "Given {genre}, {cluster} is the most probable: {best[mean]:.3f} ({level:.0%} "
    "interval {best[low]:.3f} to {best[high]:.3f}), compared with {best[prior]:.3f} when the genre "
    "is unknown.",
    "given_both": "Given {genre} with {actor} ({n_movies}), {cluster} has probability "
    "{best[mean]:.3f} ({level:.0%} interval {best[low]:.3f} to {best[high]:.3f}).",
    "no_posterior": "No movie is {genre} with {actor}, so the posterior is undefined (shown as "
    "dashes).",
    "genre_of_new_movie": "Given {case}, the most probable genre is {row.genre}: "
    "{row.p_genre:.3f}, compared with {row.overall:.3f} among all movies, and with "
    "{row.through_cluster:.3f} through the cluster only.",
    "given_another_genre": "Given {genre} as well, the most probable other genre is {row.genre}: "
    "{row.p_genre:.3f}.",
    "modelled_genres": "Pr[genre | cast] is learned for the {most} most frequent of {n:,} genres. "
    "The others keep their overall share.",
    "new_movie": "Given the {case}, {cluster} is the most probable ({probability:.3f}).",
    "coverage": "For held-out movies, the {level:.0%} intervals cover {all[covered_randomised]:.1%}"
    " of {n_counts} ({all[covered]:.1%} before correcting for discreteness). The worst bin is "
    '"{worst[bin]}": {worst[covered_randomised]:.1%} of {worst[cells]:,} counts.',
    "no_coverage": "The clustering was not evaluated, so there are no held-out movies.",
    "same_cluster": "Held-out movies get the same cluster as in the full fit in {nearest:.0%} of "
    "cases (nearest center) or {posterior:.0%} (posterior).",
    "expected_rating": "The expected rating for {genre} is {through_clusters:.2f} through its "
    "clusters, and {direct:.2f} directly.",
    "mixed_up": "Mixing both experiments gives posteriors for {genre} that add up to {total:.4f}, "
    "not 1.",
    "explorer": "On the page explore.html, {movies:,} of {n_movies} and {actors:,} of {n_actors} "
    "can be looked up.",
    "no_explorer": "This run has no such page, because the parameter explorer is false.",
    # 06_sweep
    "command": "Command: {command}",
    # a notebook opened alone
    "of_run": "Settings: those of the run {run} (preset {preset}).",
    "of_sweep": "Sweep: {name}.",
    "no_widgets": "A slider needs ipywidgets: pip install 'imdbclust[widgets]'.",
    "computed_first": "{notebook} is computed first, from {films}.",
    # why something was not evaluated
    "evaluation_off": "the parameter evaluation is off",
    "too_many_to_evaluate": "with {n_movies} every fit takes long, and a random subsample would be "
    "a different corpus; use -p evaluation full to evaluate it anyway",
    "too_few_to_evaluate": "too few movies ({placed:,} placed) or actors ({actors:,}) to fit "
    "subsamples with {n_clusters} and {n_components}",
    "subsample_not_fitted": "a subsample of {n_movies} cannot be fitted ({error})",
    "nothing_held_out": "no held-out movie has a cast ({n_movies} held out)",
}
"""Sentences that only need values filled in."""

FIGURES = {
    "rank_frequency": (
        "Movies per actor by the actor's rank, both axes logarithmic; n = {n_actors}.",
        "A curve falls from {n_movies} at rank 1 to {at_tenth:,} at rank {tenth:,}. {text}",
    ),
    "scree": (
        "Singular values and cumulative share of {n_components}; n = {n_movies}.",
        "Singular values fall from {first:.3g} to {last:.3g}, most steeply after component {gap}. "
        "{text}",
    ),
    "cost": ("Run time and {metric} of each setting; n = {n_settings}.", "{text}"),
}
"""Captions and alternative texts of figures."""

EXPLORER = {
    "genres_of_cast": "Which genres does the cast point to?",
    "genres_caption": "Pr[genre | cast], learned from {n_movies} of the actors, counted once for "
    "each actor; this movie is left out",
    "genres_of_actor": "Which genres does this actor point to?",
    "actor_caption": "Pr[genre | this actor alone], learned from {n_movies}",
    "no_genres": "No genre has a probability of 5% or more.",
    "cluster_of_cast": "Which cluster does the cast suggest?",
    "nearest": "The nearest movies on the map, nearest first",
    "no_nearest": "This movie, or every other movie on this page, is not on the map.",
    "no_link": "no common actor and no actors who played together",
    "no_years": "No movie has a year.",
    "only_actor": "Show only these movies on the map",
    "only": "Only",
    "untitled": "A movie without a title on this page",
    "picture": "Map of {n_movies:,} movies, each a point in the colour of one of {n_clusters} "
    "clusters. Movies that share actors are near each other.",
    "map_label": "Map of all movies. The tables on this page have the same clusters as text.",
    "map_help": "Drag to move. Turn the wheel, pinch, or press + and − to zoom. Drag with Shift, "
    "or press Select, to select movies. Keys on the map: arrows move, 0 shows the whole map, S "
    "selects the view, Enter opens the movie at the cross, Escape hides the cross.",
}
"""Sentences of the map and of its pages of movies, actors and clusters."""

MAIN_METRICS = (
    "n_clusters",
    "largest_share",
    "more_than_era",
    "ari_subsamples",
    "held_out_bits",
    "bits_beyond_decade",
)
"""The metrics by which presets are compared at first sight; the others are folded."""

METRICS = {
    "n_clusters": "clusters",
    "largest_share": "share of the placed movies in the largest cluster",
    "unplaced_share": "share of unplaced movies",
    "more_than_noise": "more than noise",
    "more_than_era": "more than eras",
    "ari_seeds": "agreement between seeds (ARI)",
    "ari_subsamples": "agreement between random subsamples (ARI)",
    "ari_shuffled": "the same for shuffled casts",
    "genre_bits": "bits about genres, in-sample, summed over genres",
    "genre_bits_of_era": "of these, explained by the era",
    "genre_bits_joint": "bits about the set of genres, in-sample, minus those by chance",
    "held_out_bits": "bits about held-out movies, most probable cluster",
    "held_out_bits_shuffled": "the same for shuffled casts",
    "held_out_bits_nearest": "bits about held-out movies, nearest cluster",
    "held_out_bits_posterior": "bits about held-out movies, Pr[cluster | cast]",
    "bits_of_decade": "bits of the decade alone",
    "bits_beyond_decade": "bits beyond the decade, most probable cluster",
    "bits_beyond_decade_posterior": "bits beyond the decade, Pr[cluster | cast]",
    "bits_of_last_years": "bits about later movies, genre shares of the last years",
    "bits_split_in_time": "bits about later movies, nearest cluster",
    "bits_beyond_last_years": "bits beyond the last years, Pr[cluster | cast]",
    "ari_truth": "agreement with the planted troupes (ARI)",
}
"""Labels of the metrics by which runs of different presets are compared."""

TRUST = {
    "ari_seeds": ("ARI (1 = identical, 0 = chance)", "refits with other seeds"),
    "ari_subsamples": ("ARI (1 = identical, 0 = chance)", "refits on random 80% of the movies"),
    "held_out": ("bits about genres of held-out movies", "most probable cluster"),
    "held_out_posterior": ("bits about genres of held-out movies", "Pr[cluster | cast]"),
    "beyond_decade_posterior": (
        "bits about genres of held-out movies",
        "Pr[cluster | cast], beyond the decade",
    ),
}
"""Scale and name of the measures in the figure of what can be trusted."""

VERDICTS = {
    "noise": "The clusters are noise: no measure is higher than chance explains on shuffled casts.",
    "era": "The clusters are more than noise, but not more than eras: no measure is higher than "
    "chance explains on casts shuffled within years.",
    "structure": "The clusters are more than noise and more than eras.",
    "undated": "The clusters are more than noise. All movies are of one era.",
    "unknown": "Too few shuffled casts were clustered to say whether the clusters are noise.",
}
"""What the clusters are more than, by :attr:`imdbclust.evaluation.overall.Evaluation.verdict`."""


def _empty_if_empty(describe: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
    """Let a description of a figure have empty texts if its table has no rows."""

    @wraps(describe)
    def described(table: pd.DataFrame, *arguments, **options) -> dict[str, str]:
        if table.empty:
            return {"caption": "", "alt": ""}
        return describe(table, *arguments, **options)

    return described


def caption(table: str, **values: object) -> str:
    """Return the caption of a table, by the name of its CSV file."""
    return CAPTIONS[table].format(**values)


def check(name: str, **values: object) -> str:
    """Return what is checked."""
    return CHECKS[name].format(**values)


def sentence(name: str, /, **values: object) -> str:
    """Return a sentence with its values; those called ``n_movies`` and the like get their noun."""
    return _filled(SENTENCES[name], values)


def figure(name: str, /, **values: object) -> dict[str, str]:
    """Return the ``caption`` and ``alt`` of a figure, with values as in :func:`sentence`."""
    described, alt = FIGURES[name]
    return {"caption": _filled(described, values), "alt": _filled(alt, values).rstrip()}


def _filled(template: str, values: Mapping[str, object]) -> str:
    """Fill in values; ``n_movies`` becomes ``1 movie`` or ``2,000 movies``."""
    texts = dict(values)
    for name, value in values.items():
        if name.startswith("n_"):
            texts[name] = counted(value, name[2:].removesuffix("s").replace("_", " "))
    return template.format(**texts)


def cluster_name(cluster: float, labels: Mapping[int, str]) -> str:
    """Return the name of a group within a sentence; -1 is the group of the unplaced movies."""
    return "the group of unplaced movies" if cluster == -1 else f"cluster {labels[int(cluster)]}"


def metric_name(metric: str) -> str:
    """Return the name of a metric within a sentence: ``held out bits``."""
    return metric.replace("_", " ")


# 01_load


def movies_without(n: int, what: str) -> str:
    """Say how many movies do not have a year, a genre or the like."""
    if not n:
        return f"Every movie has a {what}."
    return counted(n, f"movie has no {what}.", f"movies have no {what}.")


def part_of_films(part: Mapping[str, object]) -> str:
    """Return the sentence on the selected part of the films; empty if all films are used.

    `part` has what differs from all films.
    """
    if not part:
        return ""
    since, until = part.get("since"), part.get("until")
    years = f" from {since}" * bool(since) + f" until {until}" * bool(until)
    genres = f" of the genre {' or '.join(part.get('genres', ()))}" if part.get("genres") else ""
    kept = [f"movies{years}{genres}"] if years or genres else []
    if n := part.get("min_movies"):
        kept.append(f"actors who play in at least {n} of the selected movies")
    if n := part.get("min_cast"):
        kept.append(f"movies with at least {n} of these actors")
    return f"Only a part of the films is used: {', '.join(kept)}."


def skipped(n: int) -> str:
    """Warn of skipped records; empty if there are none."""
    return f"Skipped {counted(n, 'unusable record')}." if n else ""


def no_genres(n_genres: int) -> str:
    """Warn of films without genres; empty if they have genres."""
    return "" if n_genres else "No movie has a genre, so everything about genres is left out."


def genres_per_movie(mean: float, n_genreless: int) -> str:
    """Say how many genres a movie has on average; empty if no movie has one."""
    text = f"A movie has {mean:.2f} genres on average. {movies_without(n_genreless, 'genre')}"
    return text if mean else ""


def careers(leader: pd.Series, n_single: int, n_actors: int) -> str:
    """Say how unequal careers are; `leader` has ``name`` and ``n_movies`` of the busiest actor."""
    return (
        f"{leader['name']} plays in {counted(leader['n_movies'], 'movie')}. Only one movie is "
        f"listed for {n_single:,} of {counted(n_actors, 'actor')} ({n_single / n_actors:.0%})."
    )


def how_read(guesses: Sequence[str]) -> str:
    """Return the sentence on what the files do not state and was guessed; empty if nothing was."""
    return f"How the files were read: {'; '.join(guesses)}." if guesses else ""


def movies_per_year(years: pd.DataFrame) -> dict[str, str]:
    """Describe the figure of movies per year, given ``year`` and ``movies``."""
    year, movies = years["year"], years["movies"]
    if years.empty:
        return {"caption": "No movie has a year, so no year can be drawn.", "alt": ""}
    span = f"{year.min()}" if len(year) == 1 else f"{year.min()} to {year.max()}"
    busiest = movies.idxmax()
    return {
        "caption": f"Movies per year, {span}; n = {counted(movies.sum(), 'movie')} with a year.",
        "alt": f"Bar chart, one bar per year, {span}. The median year has "
        f"{counted(round(movies.median()), 'movie')}, the busiest ({year[busiest]}) "
        f"{movies[busiest]:,}.",
    }


def cast_sizes(casts: pd.DataFrame, median: float) -> dict[str, str]:
    """Describe the figure of cast sizes, given ``actors_listed`` and ``movies``."""
    sizes, movies = casts["actors_listed"], casts["movies"]
    return {
        "caption": "Listed actors per movie; the number of movies is on a log scale; "
        f"n = {counted(movies.sum(), 'movie')}.",
        "alt": f"Bar chart. The most common number of listed actors is {sizes[movies.idxmax()]} "
        f"({counted(movies.max(), 'movie')}), the median {median:g}, the largest {sizes.max():,}.",
    }


# 02_matrix


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


def matrix_block(block: np.ndarray, actors: Sequence[str], movies: Sequence[str]) -> dict[str, str]:
    """Describe the figure of a block of the matrix around its first actor."""
    ones, cells = int(block.sum()), block.size
    if not cells:
        return {"caption": "No actor is in the matrix.", "alt": "An empty figure."}
    others = ", ".join(actors[1:4])
    return {
        "caption": f"{actors[0]} and the actors of the same movies: {ones} of {cells} cells are 1 "
        f"({ones / cells:.0%}).",
        "alt": f"A block of the matrix with {counted(len(movies), 'movie')} and "
        f"{counted(len(actors), 'actor')}"
        + (
            f". The actors with the most movies in common with {actors[0]}: {others}."
            * bool(others)
        ),
    }


# 03_reduction


def share_kept(share: float, n_components: int, *, weighted: bool) -> str:
    """Say how much of the matrix the components keep."""
    if math.isnan(share):
        return "All casts are identical, so the matrix has no variance to keep."
    whole = "sum of squares of the weighted matrix" if weighted else "variance of the matrix"
    keep = counted(n_components, "component keeps", "components keep")
    few = " So few dimensions capture very little of who plays with whom." if share < 0.5 else ""
    return f"{keep} {share:.1%} of the {whole}.{few}"


def without_coordinates(n: int, *, weighted: bool) -> str:
    """Say how many movies have no coordinates, and why."""
    if not n:
        return "Every movie has coordinates."
    have = counted(n, "movie has", "movies have")
    link = ", or a cast without a link to the main body of movies" if weighted else ""
    return f"{have} no coordinates (no cast{link})."


def empty_components(rank: int, n_components: int) -> str:
    """Warn of components beyond the rank of the matrix; empty if there are none."""
    if rank == n_components:
        return ""
    of = counted(n_components, "component")
    return f"The matrix has rank {rank:,}, which leaves {n_components - rank:,} of {of} empty."


def map_size(n_shown: int, n_movies: int) -> str:
    """Say how many movies the map shows; empty without a map."""
    return f"The map shows {n_shown:,} of {counted(n_movies, 'movie')}." if n_shown else ""


def genre_map(n_shown: int, most_common: pd.Series) -> dict[str, str]:
    """Describe the map coloured by genre; `most_common` counts movies by genre."""
    if not n_shown:
        why = "it needs 2 components, and 8 movies that are not all in one place."
        return {"caption": f"No map was drawn: {why}", "alt": ""}
    colours = ", ".join(f"{genre} ({count:,})" for genre, count in most_common.items())
    movies = counted(n_shown, "movie")
    return {
        "caption": f"t-SNE map of {movies}"
        + (", coloured by the rarest genre of each movie." if colours else "."),
        "alt": f"Scatter plot of {movies}."
        + (f" The most common colours are {colours}." if colours else ""),
    }


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


# 04_clustering


@_empty_if_empty
def cluster_map(points: pd.DataFrame, labels: Mapping[int, str]) -> dict[str, str]:
    """Describe the map of clusters, given the ``cluster`` of each point."""
    sizes = points["cluster"].value_counts()
    largest, groups = sizes.index[0], counted(len(sizes), "cluster")
    return {
        "caption": f"{counted(len(points), 'movie')} in {groups}: movies with similar casts are "
        f"near each other. The largest cluster, {labels[largest]}, has {sizes.iloc[0]:,} of them. "
        "Clusters were computed in the full space, not on the map (t-SNE).",
        "alt": f"Scatter plot of {counted(len(points), 'movie')}, with the name of each cluster "
        "where it is densest: "
        + ", ".join(f"{labels[cluster]} {size:,}" for cluster, size in sizes.items())
        + ".",
    }


@_empty_if_empty
def choice(tried: pd.DataFrame, n_clusters: int) -> dict[str, str]:
    """Describe the figure of measures by the numbers of clusters and of components."""
    means = tried.groupby(["measure", "n_clusters"])["value"].mean().dropna().reset_index()
    ends = "; ".join(
        f"{measure.replace('_', ' ')} from {some['value'].iloc[0]:z.2f} "
        f"({some['n_clusters'].iloc[0]} clusters) to {some['value'].iloc[-1]:z.2f} "
        f"({some['n_clusters'].iloc[-1]})"
        for measure, some in means.groupby("measure")
    )
    return {
        "caption": "Measures by number of clusters (left) and of components (right), with their "
        f"range as bands. The dotted line is this run: {counted(n_clusters, 'cluster')}.",
        "alt": f"Line plots. {ends}.",
    }


def names_of_cluster(
    cluster: int, actors: Sequence[str], genre: str, years: tuple[int, int] | None
) -> tuple[str, str]:
    """Name a cluster: ``John Wayne, Gabby Hayes: Western, 1930s to 1940s``, short: ``John Wayne``.

    `genre` is empty if no genre may name the cluster; `years` are its first and last year.
    """
    if cluster == -1:
        return "unplaced: the cast does not tell", "unplaced"
    about = [genre] if genre else []
    if years:
        first, last = (year // 10 * 10 for year in years)
        about.append(f"{first}s" if first == last else f"{first}s to {last}s")
    who = ", ".join(actors[:2]) or "no actor stands out"
    return f"{who}: {', '.join(about)}" if about else who, [*actors[:1], *about, who][0]


def over_representation(genre: object) -> str:
    """Say how common a genre is, given ``name``, ``share`` and ``times`` the share elsewhere."""
    if math.isinf(genre.times):
        return f"{genre.name} {genre.share:.0%}, nowhere else"
    times = f"{genre.times:,.0f}" if genre.times >= 10 else f"{genre.times:.1f}".removesuffix(".0")
    return f"{genre.name} {genre.share:.0%}, {times} times as often as elsewhere"


def clusters(sizes: pd.DataFrame, effective: float, n_unplaced: int) -> str:
    """Say how large the clusters are, given ``label`` and ``movies``, largest first."""
    most, least = sizes["movies"].iloc[0], sizes["movies"].iloc[-1]
    span = f"{least:,} to {counted(most, 'movie')}" if least < most else counted(most, "movie")
    each = " each" if least == most and len(sizes) > 1 else ""
    unplaced = counted(n_unplaced, "movie is", "movies are")
    there = "There is" if len(sizes) == 1 else "There are"
    return (
        f"{there} {counted(len(sizes), 'cluster')} of {span}{each}, as diverse as {effective:.1f} "
        f"clusters of equal size. The largest, {sizes['label'].iloc[0]}, has "
        f"{most / sizes['movies'].sum():.0%} of the placed movies."
        + (f" {unplaced} unplaced." if n_unplaced else "")
    )


def empty_clusters(n_empty: int, n_clusters: int, n_positions: int, n_placed: int) -> str:
    """Say how many of `n_clusters` asked for have no movie, and why; empty if all have movies."""
    if not n_empty:
        return ""
    have = f"{n_empty:,} of {counted(n_clusters, 'cluster')} {'has' if n_empty == 1 else 'have'}"
    if n_positions != n_clusters - n_empty:
        groups = counted(n_clusters - n_empty, "group")
        return f"{have} no movie: when k-means stopped, it had found only {groups}."
    return (
        f"{have} no movie: the {counted(n_placed, 'placed movie')} have only "
        f"{counted(n_positions, 'distinct position')}."
    )


def levels(tree: pd.DataFrame) -> str:
    """Say how many groups each level has, given ``level`` and ``movies`` of each group."""
    sizes = tree.groupby("level", sort=False)["movies"].agg(["size", "min", "max"])
    said = [
        f"{counted(size, level)} of {least:,} to {counted(most, 'movie')}"
        for level, size, least, most in sizes.itertuples()
    ]
    return f"There are {', then '.join(said)}, each within one group of the level above."


def when_and_what(
    years: pd.DataFrame, genres: pd.DataFrame, labels: Mapping[int, str]
) -> dict[str, str]:
    """Describe the figure of that name, from the same tables.

    Its ``headline`` says what the clusters are; it is empty without years and genres.
    """
    known = years.dropna()
    medians = known.groupby("cluster")["year"].median().sort_values(kind="stable")
    foremost = {cluster: some.head(2) for cluster, some in genres.groupby("cluster", sort=False)}
    said, how, rows = [], [], []
    if len(medians):
        first, last = medians.index[0], medians.index[-1]
        ends = [f"{medians[one]:.0f} ({labels[one]})" for one in dict.fromkeys((first, last))]
        said.append(f"The median year of the clusters runs from {' to '.join(ends)}.")
        if len(ends) == 1:
            said = [f"The median year is {ends[0]}."]
        how.append("Ridges: movies by year, each as high as its busiest year.")
    if len(genres):
        tops = genres.sort_values("share", ascending=False, kind="stable").drop_duplicates("genre")
        clearest = ", ".join(
            f"{top.genre} ({top.share:.0%} of {labels[top.cluster]})"
            for top in tops.head(3).itertuples()
        )
        said.append(f"The clearest genres: {clearest}.")
        how.append("Dots: the most telling genres and their shares.")
    for cluster in medians.index if len(medians) else foremost:
        about = [f"median year {medians[cluster]:.0f}"] if len(medians) else []
        if cluster in foremost:
            about += [f"{one.genre} {one.share:.0%}" for one in foremost[cluster].itertuples()]
        rows.append(f"{labels[cluster]}: {', '.join(about)}")
    n = f"n = {counted(len(known), 'movie')} with a year."
    return {
        "headline": " ".join(said),
        "caption": " ".join([*said, *how, n]),
        "alt": f"Ridges and dots. {'; '.join(rows)}.",
    }


@_empty_if_empty
def standouts(table: pd.DataFrame, *, of: str, labels: Mapping[int, str]) -> dict[str, str]:
    """Describe the figure of lifts of actors or genres, from the same table; `of` is which."""
    top = table.loc[table["lift"].idxmax()]
    most = " This is the largest lift possible." if top["lift"] >= top["lift_high"] else ""
    firsts = table.groupby("cluster", sort=False)["name"].first()
    named = "; ".join(f"{labels[cluster]}: {name}" for cluster, name in firsts.items())
    return {
        "caption": f"The highest lift: {top['name']} is {top['lift']:,.1f} times as frequent in "
        f"{labels[top['cluster']]} as in all movies (95% interval {top['lift_low']:,.1f} to "
        f"{top['lift_high']:,.1f}).{most} Dots: the foremost {of} of each cluster; lines: 95% "
        "intervals.",
        "alt": f"Dot plot of lifts. The foremost {of.removesuffix('s')} of each cluster: {named}.",
    }


@_empty_if_empty
def tree(table: pd.DataFrame) -> dict[str, str]:
    """Describe the figure of groups within groups, from the table of the levels."""
    outer = table[table["level"] == table["level"].iloc[0]]
    largest = outer.loc[outer["movies"].idxmax()]
    sizes = "; ".join(f"{row.name.strip()}: {row.movies:,}" for row in outer.itertuples())
    return {
        "caption": f"{levels(table)} The largest {largest['level']}, {largest['name'].strip()}, "
        f"has {largest['share']:.0%} of the placed movies. Heights are numbers of movies.",
        "alt": f"Boxes within boxes. Movies of each {largest['level']}: {sizes}.",
    }


@_empty_if_empty
def trust(table: pd.DataFrame, verdict: str) -> dict[str, str]:
    """Describe the figure of measures beside those of shuffled casts, from the same table."""
    rows = []
    for measure, some in table.groupby("measure", sort=False):
        nulls = ", ".join(
            f"{one.null} {one.low:z.2f} to {one.high:z.2f}"
            for one in some.dropna(subset="low").itertuples()
        )
        rows.append(
            f"{measure}: {some['observed'].iloc[0]:z.2f}" + (f" ({nulls})" if nulls else "")
        )
    return {
        "caption": f"{VERDICTS[verdict]} Dots: observed, with the standard deviation over "
        "refits. Bands: the same recipe on shuffled casts, mean and two standard deviations.",
        "alt": f"Dots beside bands. {'; '.join(rows)}.",
    }


def strongest_genre(lift: float) -> str:
    """Report the strongest lift of a frequent genre; NaN if no genre is frequent."""
    if math.isnan(lift):
        return "No over-represented genre has at least 30 movies in a cluster."
    return f"The strongest lift of a genre with at least 30 movies in a cluster is {lift:.1f}."


def stability(
    verdict: str, above: Sequence[str], metrics: Mapping[str, float], spread: float
) -> str:
    """Say whether the clusters are noise, and how well they reappear.

    `verdict` is one of `VERDICTS`, `above` the measures above their limit on casts shuffled within
    years, `metrics` those of a run, `spread` the standard deviation of ``ari_subsamples``.
    """
    names = {"ari_subsamples": "agreement"}
    higher = sorted({names.get(one, "information about genres") for one in above})
    text = VERDICTS[verdict]
    if verdict == "structure":
        text += f" Higher than chance explains within years: {' and '.join(higher)}."
    if math.isnan(metrics["ari_subsamples"]):
        return text
    null, within = (
        f"shuffled casts: {metrics['ari_shuffled']:z.2f}",
        metrics["ari_shuffled_within_years"],
    )
    null += "" if math.isnan(within) else f", within years {within:z.2f}"
    return (
        f"{text} The adjusted Rand index (1 = identical, 0 = chance) is "
        f"{metrics['ari_subsamples']:z.2f} ± {spread:.2f} between refits on random 80% subsamples "
        f"({null}), and {metrics['ari_seeds']:z.2f} between refits with other "
        "seeds."
    )


def stability_warning(verdict: str, *, agree: bool) -> str:
    """Warn of clusters that say nothing or do not reappear; empty if they do.

    `agree`: refits agree better than on casts shuffled over all years.
    """
    warnings = {
        "noise": "These clusters are no more than those of shuffled casts.",
        "era": "These clusters say no more than the years of the movies.",
    }
    unstable = (
        "Refits on subsamples agree no better than on shuffled casts. Do not rely on any single "
        "cluster."
    )
    return warnings.get(verdict, "" if agree or verdict == "unknown" else unstable)


def held_out_bits(bits: Mapping[str, float], spread: float, shuffled: Mapping[str, float]) -> str:
    """Say what clusters carry about held-out movies, and which way to place a movie is better.

    `bits` is a row of the table of information, `spread` the standard deviation of ``likeliest``,
    `shuffled` has ``held_out`` and ``held_out_posterior`` on casts shuffled over all years.
    """
    gap = bits["likeliest"] - bits["nearest"]
    better = ", so that it predicts better here" if gap <= -0.005 else ""
    cast = bits.get("cast", math.nan)
    return (
        f"The most probable cluster of a held-out movie carries {bits['likeliest']:z.2f} bits "
        f"about its genres, summed over genres (± {spread:.2f} over subsamples; "
        f"{shuffled['held_out']:z.2f} for shuffled casts). All clusters, weighted by "
        f"Pr[cluster | cast], carry {bits['posterior']:z.2f} ({shuffled['held_out_posterior']:z.2f}"
        f" for shuffled casts). The cluster with the nearest center carries {bits['nearest']:z.2f}"
        f"{better}. The decade alone carries {bits['decade']:z.2f}; the most probable cluster adds "
        f"{bits['beyond_decade']:z.2f} to it, and Pr[cluster | cast] "
        f"{bits['beyond_decade_posterior']:z.2f}."
        + negative_bits(bits["likeliest"], bits["posterior"], bits["beyond_decade"])
        + ("" if math.isnan(cast) else f" The cast itself, without clusters, carries {cast:z.2f}.")
    )


def negative_bits(*bits: float) -> str:
    """Explain negative bits, after a space; empty if all are shown as 0 or more."""
    if not min(bits) < -0.005:
        return ""
    return (
        " Negative bits mean worse predictions than Pr[genre] alone: with few movies, estimates of "
        "the genre shares of each cluster are inaccurate. Shuffled casts have the same cost, so "
        "compare with them."
    )


def era(bits: float, by_era: float, p: float, n: int) -> str:
    """Say how much of the clusters' information about genres the era explains.

    p is that of the bits under `n` permutations within years.
    """
    text = f"The clusters carry {bits:z.2f} bits about genres (in-sample, summed over genres). "
    remains = "when cluster labels are permuted within each year."
    shown = f"at most 1/{n + 1:,}" if p * (n + 1) < 1.5 else f"{p:.2g}"
    remains += "" if math.isnan(p) else f" For the rest, p is {shown}."
    if by_era >= bits:
        return f"{text}The era explains all of them (100%): {by_era:z.2f} bits remain {remains}"
    share = max(by_era / bits, 0.0)
    return (
        f"{text}The era explains {by_era:z.2f} of them ({share:.0%}): this much remains {remains}"
    )


def split_in_time(table: pd.DataFrame, window: int, year: int) -> str:
    """Say what clusters of earlier movies add to the genre shares of the last years before a split.

    `table` and `window` are those of :class:`imdbclust.evaluation.held_out.InTime`.
    """
    rows = table.set_index("predictor")
    bits, added = rows["bits"], rows[rows.index.str.startswith("last_years_and_")]
    best = added.loc[added["bits"].idxmax()]
    gain, error = best["beyond_last_years"], best["standard_error"]
    lower = max(bits["nearest"], bits["posterior"]) <= bits["last_years"]
    compared = "not more" if lower else "more"
    return (
        f"The genre shares of the last {counted(window, 'year')} before {year} carry "
        f"{bits['last_years']:z.2f} bits about movies from {year} on, compared with the shares of "
        f"all earlier movies. Clusters of earlier movies alone carry {bits['nearest']:z.2f} "
        f"(nearest) and {bits['posterior']:z.2f} (Pr[cluster | cast]), {compared} than the last "
        f"years. Added to the last years, they contribute at best {gain:z.3f} bits (standard error "
        f"{error:.3f}){'' if gain > 2 * error else ': they add nothing'}."
    )


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


def castless_movies(n: int, cluster: float, labels: Mapping[int, str]) -> str:
    """Say where the movies without a cast are."""
    where = "unplaced" if cluster == -1 else f"in {cluster_name(cluster, labels)}"
    return f"{counted(n, 'movie without a cast is', 'movies without a cast are')} {where}."


# 05_probabilities


def most_probable_cluster(cluster: str, probability: float, placed: float) -> str:
    """Say how probable the largest cluster is, for any movie and for a placed one."""
    text = f"A movie picked uniformly is in {cluster} with probability {probability:.3f}"
    return f"{text}." if probability == placed else f"{text}, or {placed:.3f} if it is placed."


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


@_empty_if_empty
def genre_shares(table: pd.DataFrame, *, given: str, prior: str = "overall") -> dict[str, str]:
    """Describe the figure of Pr[genre | cast], from the same table; `given` names the cast."""
    top = table.loc[table["p_genre"].idxmax()]
    rows = "; ".join(
        f"{genre} {after:.0%}, before {before:.0%}"
        for genre, after, before in table[["genre", "p_genre", prior]].head(12).to_numpy()
    )
    return {
        "caption": f"Given {given}, a new movie has the genre {top['genre']} with probability "
        f"{top['p_genre']:.0%}; {top[prior]:.0%} of all movies have it.",
        "alt": f"Dot plot of Pr[genre | cast] and Pr[genre]. {rows}.",
    }


def icons(
    bayes: pd.DataFrame, *, genre: str, labels: Mapping[int, str], n: int = 1000
) -> dict[str, str]:
    """Describe the figure of Bayes' rule in squares, from the same Bayes table of a genre."""
    evidence = bayes["joint"].sum()
    if not evidence > 0:
        return {"caption": f"No movie is {genre}.", "alt": "No square is filled."}
    top = bayes.loc[bayes["joint"].idxmax()]
    rows = "; ".join(
        f"{labels[row.cluster]}: {n * row.joint:.0f} of {n * row.prior:.0f}"
        for row in bayes.itertuples()
        if row.prior > 0
    )
    return {
        "caption": f"{n:,} movies as squares: {n * evidence:.0f} of them are {genre} (filled), "
        f"{n * top['joint']:.0f} of these in {labels[top['cluster']]}. This is the posterior: "
        f"{top['joint'] / evidence:.0%}. The size of the block is the prior ({top['prior']:.0%}), "
        f"its filled part the likelihood ({top['joint'] / top['prior']:.0%}).",
        "alt": f"Blocks of squares. Filled squares of each cluster: {rows}.",
    }


def calibration(pooled: Mapping[str, pd.DataFrame], errors: Mapping[str, float]) -> str:
    """Say how far predictions are from what is observed, given the pooled bins of each predictor.

    `errors` are the mean absolute errors of the predictions above 0.1.
    """
    said = []
    for predictor, bins in pooled.items():
        who, sure = predictor.capitalize(), bins[bins["n"] >= 30]
        if sure.empty or math.isnan(errors[predictor]):
            said.append(f"{who}: too few predictions above 0.1 to say how good they are.")
            continue
        worst = sure.loc[sure["error"].abs().idxmax()]
        said.append(
            f"{who}: predictions above 0.1 are on average {errors[predictor]:.3f} away from the "
            "observed share. The worst bin with at least 30 predictions predicts "
            f"{worst['predicted']:.3f}, and {worst['observed']:.3f} is observed "
            f"({worst['n']:,.0f} predictions)."
        )
    return " ".join(said)


def calibration_figure(bins: pd.DataFrame) -> dict[str, str]:
    """Describe the figure of predicted and observed shares, from its pooled bins."""
    said = [
        f"{predictor}: " + ", ".join(f"{one.predicted:.2f} {one.observed:.2f}" for one in rows)
        for predictor, rows in (
            (predictor, some.itertuples())
            for predictor, some in bins.groupby("predictor", sort=False)
        )
    ]
    return {
        "caption": "Dots on the diagonal keep their promise: of the predictions near 30%, 30% came "
        "true. Through the cluster: Pr[cluster | cast]; from the cast itself: Pr[genre | cast].",
        "alt": f"Scatter plot of predicted and observed shares. {'; '.join(said)}.",
    }


def genres_by_cluster(associations: pd.DataFrame, labels: Mapping[int, str]) -> str:
    """Return the caption of the heat map of genres and clusters, given their associations."""
    order = "Genres and clusters are in the order of their median years."
    sure = associations[associations["flagged"] & associations["with_genre"].ge(30)]
    sure = sure[sure["cluster"] != -1]
    if sure.empty:
        return f"No genre stands out in a cluster beyond what the decade explains. {order}"
    top = sure.loc[sure["lift_strata"].idxmax()]
    return (
        f"{top['genre']} is {top['lift']:.1f} times as frequent in {labels[top['cluster']]} as in "
        f"all movies, and {top['lift_strata']:.1f} times as frequent as the decades explain. "
        f"{order}"
    )


@_empty_if_empty
def ratings(rated: pd.DataFrame, labels: Mapping[int, str]) -> dict[str, str]:
    """Describe the figure of ratings, given ``rating`` and ``cluster`` of the rated movies."""
    means = rated.groupby("cluster")["rating"].mean()
    low, high = means.idxmin(), means.idxmax()
    return {
        "caption": f"Mean ratings range from {means[low]:.2f} ({labels[low]}) to "
        f"{means[high]:.2f} ({labels[high]}). Boxes: quartiles; lines: range without outliers; "
        f"n = {counted(len(rated), 'rated movie')}.",
        "alt": f"Box plots of {counted(len(means), 'cluster')}: "
        + ", ".join(f"{labels[cluster]} {mean:.2f}" for cluster, mean in means.items())
        + ".",
    }


# 06_sweep


def setting_names(settings: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return what each setting is called: by the values in the columns `names`."""
    return [_setting(row, names) for row in settings.to_dict("records")]


def _setting(row: Mapping[str, object], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in names) or "the only setting"


def best_setting(
    ranked: pd.DataFrame, tied: pd.DataFrame, names: Sequence[str], metric: str
) -> str:
    """Say which setting is best by a metric, and by how much.

    `ranked` has ``mean``, ``spread`` and ``repeats``, best first; `tied` are those of its rows that
    tie with the best; `names` are the columns that name a setting.
    """
    if ranked.empty:
        return "No setting finished, so no setting is best."
    best, *others = ranked.to_dict("records")
    text = f"By {metric_name(metric)}, {_setting(best, names)} is best: {best['mean']:.4g}"
    if best["repeats"] > 1:
        text += f" ± {best['spread']:.2g} over {best['repeats']} seeds"
    note = negative_bits(best["mean"]) if "bits" in metric else ""
    if not others:
        return f"{text}. It is the only setting.{note}"
    if len(tied):
        named = "; ".join(_setting(one, names) for one in tied.head(3).to_dict("records"))
        more = f" and {len(tied) - 3} more" if len(tied) > 3 else ""
        return f"{text}. It ties with {named}{more}: they differ by less than their seeds do.{note}"
    gap = best["mean"] - others[0]["mean"]
    return f"{text}. The next best, {_setting(others[0], names)}, is {gap:.2g} lower.{note}"


def ranked_settings(shown: pd.DataFrame, n_ranked: int, metric: str) -> dict[str, str]:
    """Describe the figure of settings, given ``setting`` and ``mean`` of those shown, best first.

    `n_ranked` is the number of all settings.
    """
    if shown.empty:
        return {"caption": "No setting can be drawn.", "alt": ""}
    of = "" if n_ranked == len(shown) else f", the first {len(shown)}"
    best, last = shown.iloc[0], shown.iloc[-1]
    return {
        "caption": f"Settings by {metric_name(metric)}, best first: mean and standard deviation "
        f"over seeds; n = {counted(n_ranked, 'setting')}{of}.",
        "alt": f"Dots with whiskers. {best['setting']} has {best['mean']:.3g}, "
        f"{last['setting']} has {last['mean']:.3g}.",
    }


def in_sample(metric: str, metrics: Sequence[str]) -> str:
    """Warn of a metric that is one of the in-sample `metrics`; empty if it is not."""
    if metric not in metrics:
        return ""
    return (
        f"The metric {metric_name(metric)} is measured in-sample and grows by itself with the "
        "number of clusters or components. To choose these numbers, sweep with evaluation quick or "
        "full, which measure on held-out movies."
    )


def failed_settings(n_failed: int, n_settings: int) -> str:
    """Warn of failed settings; empty if all finished."""
    if not n_failed:
        return ""
    return f"{n_failed:,} of {counted(n_settings, 'setting')} failed; the errors are listed below."


def settings(n_settings: int, n_done: int, axes: Sequence[str], n_executions: int) -> str:
    """Say how many settings a sweep has, and what became of them."""
    over = f" over {', '.join(axes)}" if axes else ""
    return (
        f"{counted(n_settings, 'setting')}{over}: {n_done:,} finished, {n_settings - n_done:,} "
        f"failed. {counted(n_executions, 'notebook was', 'notebooks were')} executed."
    )


def planned_reports(reports: str, most: int, *, by_default: bool) -> str:
    """Say which settings of a sweep get a report, and why; the default is all of up to `most`."""
    who = {"all": "every setting", "best": "the best setting only", "none": "no setting"}[reports]
    text = f"reports: {reports} ({who} gets a report"
    if not by_default:
        return f"{text}, as the file says)"
    size = f"at most {most}" if reports == "all" else f"more than {most}"
    return f"{text}, because the sweep has {size} settings; the key reports in the file changes it)"


def setting_reports(sweep: str, reports: str) -> str:
    """Say how to get the report of a setting that has none; empty if every setting has one."""
    if reports == "all":
        return ""
    who = "Only the best setting has" if reports == "best" else "No setting has"
    return (
        f"{who} a report, apart from settings that failed. The command imdbclust run --setting "
        f"{sweep}/N makes the report of setting N."
    )


def sampled_pairs(table: pd.DataFrame, n_pairs: Mapping[str, int], seed: str) -> str:
    """Say along which axes only a part of the pairs was compared; empty if all were.

    `table` is that of :func:`agreements`, `n_pairs` the number of all pairs by axis.
    """
    parts = [
        f"{row.pairs:,} of {counted(n_pairs[row.axis], 'pair')} "
        + ("of repeats" if row.axis == seed else f"of neighbouring values of {row.axis}")
        for row in table.itertuples()
        if row.pairs < n_pairs[row.axis]
    ]
    return f"An even sample was compared: {', '.join(parts)}." if parts else ""


def axis_importance(table: pd.DataFrame, metric: str, seed: str) -> str:
    """Say which ``axis`` matters most, given its share of the variance of the metric.

    `seed` is the axis of repeats.
    """
    shares, name = table.set_index("axis")[metric].dropna(), metric_name(metric)
    if shares.empty:
        return f"All settings have the same {name}."
    top = shares.idxmax()
    text = f"{top} explains the largest share of the variance of {name}: {shares[top]:.0%}."
    if seed in shares and top != seed:
        text += f" The seed by itself explains {shares[seed]:.0%}."
    return text


def bands(lines: pd.DataFrame, metric: str, n_settings: int) -> dict[str, str]:
    """Describe the figure of metrics along the axes, from those of all axes."""
    said = []
    for axis, line in lines[lines["metric"] == metric].groupby("axis", sort=False):
        means = line["mean"]
        said.append(
            f"The mean of {metric_name(metric)} ranges from {means.min():.3g} to "
            f"{means.max():.3g}; it is highest at {axis} {line['x'][means.idxmax()]}."
        )
    if not said:
        return {"caption": "No parameter but the seed was varied.", "alt": ""}
    return {
        "caption": "Metrics at each value of the varied parameters: mean and range over all "
        f"settings with it; n = {counted(n_settings, 'setting')}.",
        "alt": " ".join(said),
    }


def heat(metric: str, rows: str, columns: str) -> str:
    """Return the caption of a heat map of a metric over two axes."""
    return f"Mean {metric_name(metric)} by {rows} and {columns}"


def agreements(table: pd.DataFrame, seed: str) -> str:
    """Say how well settings agree that differ on one ``axis``; `seed` is the axis of repeats.

    `table` has ``mean`` and ``pairs`` of each axis.
    """
    said = []
    for row in table.itertuples():
        repeats = "Repeats with other seeds"
        who = repeats if row.axis == seed else f"Neighbouring values of {row.axis}"
        said.append(f"{who} agree with ARI {row.mean:.2f} ({counted(row.pairs, 'pair')}).")
    return " ".join(said)


def cost(metric: str, costs: Mapping[str, float], names: Mapping[int, str]) -> str:
    """Say what the best setting costs, and the cheapest that is nearly as good.

    `costs`: ``best`` and ``cheapest`` (numbers of settings), ``best_seconds`` and
    ``cheapest_seconds``; empty if no setting finished. `names` are those of the settings, by
    number.
    """
    if not costs:
        return "No setting finished, so the cost is unknown."
    text = (
        f"The setting with the highest {metric_name(metric)} ({names[costs['best']]}) would take "
        f"{costs['best_seconds']:.0f} s by itself. "
    )
    if costs["best"] == costs["cheapest"]:
        return f"{text}No cheaper setting is within 1% of it."
    return (
        f"{text}The cheapest within 1% of it ({names[costs['cheapest']]}) takes "
        f"{costs['cheapest_seconds']:.0f} s."
    )


# a notebook opened alone, and the pages of a run


def opened_alone(films: str, preset: str, values: Mapping[str, object], source: str = "") -> str:
    """Say which films and settings a notebook opened alone speaks of.

    `values` are parameters of the notebook to name, `source` says where its inputs are from, if
    they are not those of the `preset`.
    """
    of_course = "those of the course (preset seed)" if preset == "seed" else f"the preset {preset}"
    text = f"Films: {films}. {source or f'Settings: {of_course}.'}"
    return f"{text} In this notebook, {_assigned(values)}." if values else text


def of_last(notebook: str, when: str, values: Mapping[str, object]) -> str:
    """Say that a notebook opened alone reads what the one before it left."""
    where = f", with {_assigned(values)}" if values else ""
    return f"Settings: those of {notebook}, which finished last, at {when}{where}."


def missing_characters(characters: Iterable[str], most: int = 20) -> str:
    """Say which characters figures cannot show, and what helps."""
    shown = sorted(characters)
    more = f" and {len(shown) - most:,} others" if len(shown) > most else ""
    return (
        f"Figures show \N{REPLACEMENT CHARACTER} instead of {' '.join(shown[:most])}{more}, "
        "because this machine has no font for them; install one, such as Noto (Debian and Ubuntu: "
        "apt install fonts-noto), and run again with --force."
    )


def _assigned(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())


HOW_MANY, WHAT, TRUSTED, SAY = (
    "How many groups?",
    "What are they?",
    "Can they be trusted?",
    "What do casts say about genres?",
)
"""The questions that the index of a run answers first."""

_AGREEMENT = (
    (0.9, "Yes", "the same"),
    (0.7, "Mostly", "nearly the same"),
    (0.4, "Partly", "partly the same"),
    (-1.0, "Hardly", "other"),
)


def run_findings(stages: Sequence[Mapping]) -> dict[str, str]:
    """Return what a run found: an answer to each question that it answers, for film buffs.

    `stages` are the records of its notebooks in a manifest. Without clusters there are no answers.
    """
    metrics = [stage.get("metrics") or {} for stage in stages]
    found = {name: value for some in metrics for name, value in some.items() if value is not None}
    if not {"n_clusters", "n_movies"} <= found.keys():
        return {}
    whats = [text for stage in stages for text in stage.get("headlines") or ()]
    answers = {HOW_MANY: _how_many(found), WHAT: " ".join(whats), TRUSTED: _trusted(found)}
    if "held_out_bits" in found:
        answers[SAY] = _said_about_genres(found)
    return {question: answer for question, answer in answers.items() if answer}


def _how_many(found: Mapping[str, float]) -> str:
    n_movies, placed = found["n_movies"], 1 - found.get("unplaced_share", 0)
    movies = f"{n_movies:,}" if placed == 1 else f"{round(placed * n_movies):,} of {n_movies:,}"
    levels = {"era": "eras_found", "cluster": "n_clusters", "subgroup": "subgroups_found"}
    groups = ", ".join(counted(found[n], one) for one, n in levels.items() if n in found)
    hold = "holds" if groups == "1 cluster" else "hold"
    text = f"{groups} by shared cast {hold} {movies} {'movie' if n_movies == 1 else 'movies'}"
    if "largest_share" in found and groups != "1 cluster":
        text += f"; the largest cluster has {found['largest_share']:.0%} of them"
    return f"{text}."


def _trusted(found: Mapping[str, float]) -> str:
    agreement, null = found.get("ari_subsamples"), found.get("ari_shuffled")
    if agreement is None:
        return "Unknown: the clusters were not evaluated."
    noise = not found.get("more_than_noise", True)
    word, same = next((word, same) for least, word, same in _AGREEMENT if agreement >= least)
    shuffled = "" if null is None else f", and {null:z.2f} for shuffled casts"
    text = (
        f"{'No' if noise else word}. Refitting on other 80% of the movies finds {same} groups: the "
        f"adjusted Rand index is {agreement:z.2f}{shuffled}."
    )
    if "more_than_noise" in found:
        verdict = VERDICTS[_VERDICT_OF[found["more_than_noise"] + found["more_than_era"]]]
        if word == "Hardly" and not noise:
            verdict = f"As a whole, {verdict[0].lower()}{verdict[1:]}"
        text += f" {verdict}"
    return text


def _said_about_genres(found: Mapping[str, float]) -> str:
    bits, beyond = found["held_out_bits"], found.get("bits_beyond_decade", 0)
    null, decade = found.get("held_out_bits_shuffled"), found.get("bits_of_decade")
    hints = "no hint" if bits - max(null or 0, 0) < 0.005 else "hints"
    shuffled = "" if null is None else f" ({null:z.2f} for shuffled casts)"
    alone = "" if decade is None else f" alone ({decade:z.2f} bits)"
    text = (
        f"The cluster of a movie that was held out gives {hints} of its genres: {bits:z.2f} bits"
        f"{shuffled}."
    )
    text += f" To the decade{alone} it adds {beyond:z.2f}." if beyond > 0.005 else ""
    return text + negative_bits(bits, beyond)


_VERDICT_OF = ("noise", "era", "structure")

TERMS = {
    "clusters": "Groups of movies with similar casts. They are found from the casts alone; genres, "
    "years and ratings are used only to describe them. A cluster is called by its number and the "
    "actor who stands out most.",
    "adjusted Rand index": "How similar two groupings of the same movies are: 1 means identical "
    "groups, 0 means no more agreement than by chance.",
    "shuffled casts": "The same movies with actors exchanged at random: every movie keeps the size "
    "of its cast, every actor the number of movies. What is found there is due to chance.",
    "bits": "A measure of information, here summed over genres. One bit is the answer to one "
    "question of yes or no where both are equally probable.",
    "held out": "Not used to find the clusters, so that predictions about them are an honest test.",
    "eras": "Groups of years: actors work together because they live at the same time.",
}
"""Technical terms of the index, explained to readers who point at them."""
