"""Reasons for missing values, for every column of every table that may have any.

A value is missing if it is a missing number or an empty text. Pages show the reasons below a table,
and the index of a run next to its file, but only if values are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imdbclust.base.text import counted

if TYPE_CHECKING:
    import pandas as pd

# keys instead of a column: the reason for an empty table, and for all columns not listed
ROWS, REST = "no rows", "all other columns"

_EMPTY = "the cluster is empty"
_ONE_CLUSTER = "there is only one cluster"
_NO_RATING = "none of the movies has a rating"
_UNDEFINED = "undefined, because there are too few movies or they are all alike"
_FAILED = "the setting failed before this was measured, or it is undefined for the setting"

# reasons by column, for any table
EVERYWHERE = {"year": "the year is unknown", "votes": "the number of votes is unknown"}

# reasons by table and column
REASONS: dict[str, dict[str, str]] = {
    "columns": {ROWS: "the files have this project's own format", "example": "the column is empty"},
    "load_notes": {ROWS: "the input had no irregularities"},
    "problems": {ROWS: "no record was skipped"},
    "movies_per_year": {ROWS: "no movie has a year"},
    "genres": {ROWS: "no movie has a genre"},
    "actor_genre_counts": {ROWS: "no movie has a genre"},
    "leader_genres": {ROWS: "none of the actor's movies has a genre"},
    "scree": dict.fromkeys(("share", "cumulative_share"), "all casts are alike: no variance"),
    "cluster_profiles": {
        **dict.fromkeys(("genre", "genre_share"), "the name does not claim a genre"),
        "actors": "no actor is more frequent in the cluster than overall",
        "genres": "no genre is more frequent in the cluster than overall",
        "years": "none of its movies has a year",
        "titles": _EMPTY,
    },
    "cluster_sizes": {"share": _EMPTY, "share_of_placed": "unplaced movies are in no cluster"},
    "cluster_actors": {ROWS: "no actor is more frequent in a cluster than overall"},
    "cluster_genres": {ROWS: "no genre is more frequent in a cluster than overall"},
    "cluster_decades": {ROWS: "no movie has a year"},
    "typical_movies": dict.fromkeys(("next_cluster", "next_distance"), _ONE_CLUSTER),
    "neighbouring_clusters": {ROWS: _ONE_CLUSTER},
    "map": {ROWS: "the map could not be drawn; the reduction notebook says why"},
    "stability": {"spread": "a single pair has no spread", REST: "the fits share no placed movie"},
    "stability_pairs": {"ari": "the two fits share no placed movie"},
    "levels": {REST: f"no movie has a genre, or {_UNDEFINED}"},
    "information": {REST: _UNDEFINED},
    "information_by_genre": {REST: _UNDEFINED},
    "nulls": {
        "spread": "a single null model has no spread",
        "z": "there are fewer than five null models, or they are identical",
        "p": "there are fewer than five null models",
        REST: _UNDEFINED,
    },
    "split_in_time": {REST: _UNDEFINED},
    "choice": {
        ROWS: "there are too few movies for another number",
        "value": "undefined for one cluster, and if no cluster has two movies",
    },
    "supported_n_clusters": {
        ROWS: "nothing could be measured",
        "at_chosen": "the chosen number could not be tried on random subsamples",
    },
    "p_genre_given_cluster": {REST: _EMPTY},
    "associations": {"lift_strata": "the expected number of movies is zero", REST: _EMPTY},
    "lift": {REST: _EMPTY},
    "bayes_genre": {"likelihood": _EMPTY},
    "bayes_genre_and_actor": {"likelihood": _EMPTY, "posterior": "no movie has both"},
    "new_movie_nearest": {ROWS: "the cast and the genre lead to no movie with coordinates"},
    "coverage": {REST: "there are no held-out movies"},
    "new_movies": {REST: "no held-out movie is placed"},
    "ratings": dict.fromkeys(("mean_rating", "mean_votes"), _NO_RATING),
    "mention_p_genre_given_cluster": {REST: "no movie of the cluster has a genre"},
    # of a sweep
    "ranked_settings": {ROWS: "no setting finished", "spread": "one seed only", REST: _FAILED},
    "axis_importance": {ROWS: "no setting finished", REST: "all settings have the same value"},
    "agreement": {ROWS: "no two settings differ on one axis only"},
    "settings": {"error": "the setting did not fail", REST: _FAILED},
    "heat": {"spread": "a single setting has no spread", REST: _FAILED},
}


def is_missing(column: pd.Series) -> pd.Series:
    """Return for each value whether it is missing or an empty text."""
    missing = column.isna()
    return missing if column.dtype.kind in "biuf" else missing | column.eq("").fillna(True)


def explained(frame: pd.DataFrame, table: str) -> list[str]:
    """Return why the table of that name lacks values or rows.

    There is one sentence for each reason, with its columns.
    """
    reasons = EVERYWHERE | REASONS.get(table, {})
    if frame.empty:
        return [f"No rows: {reasons[ROWS]}."] if ROWS in reasons else []
    columns: dict[str, list[str]] = {}
    for place, name in enumerate(map(str, frame.columns)):
        reason = reasons.get(name, reasons.get(REST))
        if reason and is_missing(frame.iloc[:, place]).any():
            columns.setdefault(reason, []).append(name.replace("_", " "))
    return [f"Missing in {_listed(names)}: {reason}." for reason, names in columns.items()]


def _listed(names: list[str], limit: int = 8) -> str:
    text = ", ".join(names[:limit])
    return f"{text} and {counted(len(names) - limit, 'other')}" if len(names) > limit else text
