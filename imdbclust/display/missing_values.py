"""Why a value is missing: for every column of every table that may have gaps, in words.

A gap is a missing number or an empty text. What is said here stands below the table on its page,
and beside its file on the index of the run, but only where there is a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ROWS, REST = "no rows", "all other columns"
"""In place of a column: why there is no row at all, and why any column not named has gaps."""

_EMPTY_CLUSTER = "the cluster has no movie"
_NO_RATING = "no movie there has a rating"
_UNDEFINED = "no numbers are there to work it out from: too few movies, or all of them alike"
_FAILED = "the setting failed before this was measured, or it is not defined there"

EVERYWHERE = {"year": "the year is not known", "votes": "no votes are known"}
"""Reasons by column, in any table."""

REASONS: dict[str, dict[str, str]] = {
    "load_notes": {ROWS: "nothing out of the ordinary was read"},
    "problems": {ROWS: "no record had to be set aside"},
    "movies_per_year": {ROWS: "no movie has a year"},
    "leader_genres": {ROWS: "none of the actor's movies has a genre"},
    "scree": dict.fromkeys(
        ("share", "cumulative_share"), "all casts are alike, so there is no variance to share"
    ),
    "cluster_profiles": {
        "actors": "no actor is more frequent there than among all movies",
        "genres": "no genre is more frequent there than among all movies",
        "years": "none of its movies has a year",
        "titles": _EMPTY_CLUSTER,
    },
    "cluster_sizes": {"share": _EMPTY_CLUSTER},
    "cluster_actors": {ROWS: "no actor is more frequent in a cluster than among all movies"},
    "cluster_genres": {ROWS: "no genre is more frequent in a cluster than among all movies"},
    "cluster_decades": {ROWS: "no movie has a year"},
    "typical_movies": dict.fromkeys(("next_cluster", "next_distance"), "there is one cluster only"),
    "neighbouring_clusters": {ROWS: "there is one cluster only"},
    "map": {ROWS: "there is no map, as the notebook before says"},
    "stability": {
        "spread": "one pair has no spread",
        REST: "the fits have no placed movie in common",
    },
    "stability_pairs": {"ari": "the two fits have no placed movie in common"},
    "information": {REST: _UNDEFINED},
    "information_by_genre": {REST: _UNDEFINED},
    "nulls": {
        "spread": "there is one null only",
        "z": "there are fewer than five nulls, or they do not differ",
        "p": "there are fewer than five nulls",
        REST: _UNDEFINED,
    },
    "split_in_time": {REST: _UNDEFINED},
    "choice": {
        ROWS: "too few movies for any other number",
        "value": "not defined there: one cluster, or none with two movies",
    },
    "supported_n_clusters": {
        ROWS: "nothing could be measured",
        "at_chosen": "the chosen number itself could not be tried on parts of the movies",
    },
    "p_genre_given_cluster": {REST: _EMPTY_CLUSTER},
    "associations": {
        "lift_strata": "none is expected, so there is nothing to divide by",
        REST: _EMPTY_CLUSTER,
    },
    "lift": {REST: _EMPTY_CLUSTER},
    "bayes_genre": {"likelihood": _EMPTY_CLUSTER},
    "bayes_genre_and_actor": {
        "likelihood": _EMPTY_CLUSTER,
        "posterior": "no movie has both, so nothing follows from it",
    },
    "new_movie_nearest": {
        ROWS: "the cast, or the genre, leads to no movie with coordinates",
    },
    "coverage": {REST: "there are no movies to look at"},
    "new_movies": {REST: "no movie held out is placed"},
    "ratings": dict.fromkeys(("mean_rating", "mean_votes"), _NO_RATING),
    "expected_rating": {
        "through_clusters": "no movie of a cluster that has the genre is rated",
        "direct": "no movie of the genre is rated",
    },
    "mention_p_genre_given_cluster": {REST: "no movie of the cluster has a genre"},
    # of a sweep
    "ranked_settings": {
        ROWS: "no setting was finished",
        "spread": "one seed has no spread",
        REST: _FAILED,
    },
    "axis_importance": {ROWS: "no setting was finished", REST: "all settings have the same value"},
    "agreement": {ROWS: "no two settings differ on one axis only"},
    "agreement_pairs": {ROWS: "no two settings differ on one axis only"},
    "settings": {"error": "the setting did not fail", REST: _FAILED},
    "heat": {"spread": "one setting has no spread", REST: _FAILED},
}
"""Reasons by table and column."""


def gaps(column: pd.Series) -> pd.Series:
    """Tell of each value whether it is missing, or an empty text."""
    missing = column.isna()
    return missing if column.dtype.kind in "biuf" else missing | column.eq("").fillna(True)


def explained(frame: pd.DataFrame, table: str) -> list[str]:
    """Return why values are missing from a table, or all of its rows; empty where nothing is.

    Parameters
    ----------
    frame : DataFrame
        The table.
    table : str
        Its name.

    Returns
    -------
    list of str
        A sentence for each reason, with the columns that it is about.
    """
    reasons = EVERYWHERE | REASONS.get(table, {})
    if frame.empty:
        return [f"There are no rows: {reasons[ROWS]}."] if ROWS in reasons else []
    columns: dict[str, list[str]] = {}
    for place, name in enumerate(map(str, frame.columns)):
        reason = reasons.get(name, reasons.get(REST))
        if reason and gaps(frame.iloc[:, place]).any():
            columns.setdefault(reason, []).append(name)
    return [f"Missing in {_listed(names)}: {reason}." for reason, names in columns.items()]


def _listed(names: list[str], most: int = 8) -> str:
    more = [f"{len(names) - most:,} more"] if len(names) > most else []
    return ", ".join([*(name.replace("_", " ") for name in names[:most]), *more])
