"""Many settings of one sweep beside one another: which is best, by how much, and what matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

SEED = "random_state"
"""The axis whose values are repeats of one setting."""

PREFERRED = ("held_out_bits", "genre_bits", "ari_subsamples", "share_of_variance")
"""Metrics by which settings are ranked, the first that a sweep has."""


def choose_metric(results: pd.DataFrame, wanted: str = "") -> str:
    """Return the metric to rank by: the one wanted, or the first of `PREFERRED` that is there.

    Raises
    ------
    ValueError
        The results have no such number.
    """
    numbers = results.select_dtypes("number").columns
    if wanted:
        if wanted not in numbers:
            raise ValueError(
                f"the results have no number {wanted!r}; there is {', '.join(numbers)}"
            )
        return wanted
    found = [name for name in PREFERRED if name in numbers and results[name].notna().any()]
    if not found:
        raise ValueError(f"the results have none of the metrics {', '.join(PREFERRED)}")
    return found[0]


def varied(axes: Sequence[str]) -> list[str]:
    """Return the axes that are no repeats."""
    return [name for name in axes if name != SEED]


def rank_settings(results: pd.DataFrame, axes: Sequence[str], metric: str) -> pd.DataFrame:
    """Return mean and spread of a metric over the repeats of each setting, best first.

    Returns
    -------
    DataFrame
        The axes but for the seed, ``repeats``, ``mean``, ``spread`` (standard deviation over the
        repeats, NaN for one), ``least``, ``most``. Settings that failed are left out.
    """
    done = results[results["status"] == "done"].dropna(subset=metric)
    names = varied(axes)
    grouped = done.groupby(names or (lambda _: 0), sort=False, dropna=False)[metric]
    ranked = grouped.agg(repeats="size", mean="mean", spread="std", least="min", most="max")
    ranked = ranked.reset_index() if names else ranked.reset_index(drop=True)
    return ranked.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def is_tie(best: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Tell whether two settings cannot be told apart: their means differ by less than noise.

    Noise is two standard errors of the difference of the means, by Welch. Of single repeats
    nothing is known of noise: only equal means are then a tie.
    """
    errors = [one["spread"] ** 2 / one["repeats"] for one in (best, other)]
    noise = 2 * np.sqrt(np.nansum(errors))
    return bool(abs(best["mean"] - other["mean"]) <= noise)


def best_sentence(ranked: pd.DataFrame, axes: Sequence[str], metric: str) -> str:
    """Say which setting is best, with its spread, and how far the next is behind."""
    if ranked.empty:
        return "No setting was finished, so none is best."
    best, *others = ranked.to_dict("records")
    names = varied(axes)
    text = f"By {words(metric)}, {_setting(best, names)} is best: {best['mean']:.4g}"
    if best["repeats"] > 1:
        text += f" ± {best['spread']:.2g} over {best['repeats']} seeds"
    if not others:
        return f"{text}. There is no other setting."
    tied = [_setting(one, names) for one in others if is_tie(best, one)]
    if tied:
        more = f" and {len(tied) - 3} more" if len(tied) > 3 else ""
        named = "; ".join(tied[:3])
        return f"{text}. It is a tie with {named}{more}: they differ by less than their seeds do."
    gap = best["mean"] - others[0]["mean"]
    return f"{text}. The next, {_setting(others[0], names)}, is {gap:.2g} behind."


def axis_importance(results: pd.DataFrame, axes: Sequence[str], metric: str) -> pd.DataFrame:
    """Return what share of a metric's variance each axis explains by itself.

    Returns
    -------
    DataFrame
        ``axis``, ``levels``, ``share``: the variance of the means of the axis' levels over the
        variance of all settings (eta squared), largest first. Shares sum to less than 1 where
        axes work together.

    References
    ----------
    Fisher (1925), "Statistical methods for research workers", chapter 7 (the correlation ratio).
    """
    done = results[results["status"] == "done"].dropna(subset=metric)
    total = float(((done[metric] - done[metric].mean()) ** 2).sum())
    rows = []
    for axis in axes:
        levels = done.groupby(axis, dropna=False)[metric].transform("mean")
        between = float(((levels - done[metric].mean()) ** 2).sum())
        share = between / total if total > 0 else np.nan
        rows.append((axis, done[axis].nunique(dropna=False), share))
    table = pd.DataFrame(rows, columns=["axis", "levels", "share"])
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def agreement_of_settings(
    results: pd.DataFrame, labels: Mapping[int, np.ndarray], axes: Sequence[str]
) -> pd.DataFrame:
    """Compare the clusters of repeats, and of settings that are neighbours on one axis.

    Parameters
    ----------
    results : DataFrame
        With ``setting`` and the axes.
    labels : mapping
        Clusters of the movies, by setting.
    axes : sequence of str
        The sweep's axes.

    Returns
    -------
    DataFrame
        ``axis`` (the one that differs), ``one``, ``other`` (settings), ``ari``. Neighbours are
        next to one another among the axis' values, all else being equal.
    """
    from sklearn.metrics import adjusted_rand_score

    done = results[results["setting"].isin(list(labels))]
    rows = []
    for axis in axes:
        others = [name for name in axes if name != axis]
        groups = done.groupby(others, sort=False, dropna=False) if others else [((), done)]
        for _, group in groups:
            in_order = group.sort_values(axis)["setting"].tolist()
            pairs = combinations(in_order, 2) if axis == SEED else pairwise(in_order)
            for one, other in pairs:
                rows.append((axis, one, other, adjusted_rand_score(labels[one], labels[other])))
    return pd.DataFrame(rows, columns=["axis", "one", "other", "ari"])


def words(metric: str) -> str:
    """Turn the name of a metric into words."""
    return metric.replace("_", " ")


def _setting(row: Mapping[str, object], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in names) or "the one setting"
