"""Every sentence that a report can contain: findings, captions, alternative texts, warnings.

One module, so that one reader can proof-read all of them.
"""

from __future__ import annotations

from imdbclust.base.text import counted

# why something was not evaluated


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


# the pages of a run

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
