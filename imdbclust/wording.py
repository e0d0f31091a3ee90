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
