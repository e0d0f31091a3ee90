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


ALWAYS = "genre_bits"
"""The metric of `PREFERRED` that every finished run has."""


def choose_metric(results: pd.DataFrame, wanted: str = "") -> str:
    """Return the metric to rank by: the one wanted, or the first of `PREFERRED` that is there.

    Where nothing was finished, so that there is none, it is the one that every run has.

    Raises
    ------
    ValueError
        The results have no number of the name that is wanted.
    """
    numbers = results.select_dtypes("number").columns
    if wanted:
        if wanted not in numbers:
            raise ValueError(
                f"the results have no number {wanted!r}; there is {', '.join(numbers)}"
            )
        return wanted
    found = [name for name in PREFERRED if name in numbers and results[name].notna().any()]
    return found[0] if found else ALWAYS


IN_SAMPLE = ("genre_bits", "share_of_variance")
"""Metrics that grow by themselves with the number of clusters or components."""

SHOWN = (*PREFERRED, "ari_seeds", "silhouette", "largest_share")
"""Metrics that are looked at beside the one that ranks, as far as a sweep has them."""

MAX_LEVELS = 12
"""An axis with more values is no side of a heat map: nobody reads it."""


def shown_metrics(results: pd.DataFrame, chosen: str, most: int = 4) -> list[str]:
    """Return the metrics worth a look: the chosen one, then those of `SHOWN` that vary."""
    numbers = results.select_dtypes("number")
    varying = [name for name in SHOWN if name in numbers and len(numbers[name].unique()) > 1]
    return list(dict.fromkeys([chosen, *varying]))[:most]


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
    ranked["spread"] = _without_noise(ranked["spread"])
    ranked = ranked.reset_index() if names else ranked.reset_index(drop=True)
    return ranked.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def with_agreement(
    ranked: pd.DataFrame, pairs: pd.DataFrame, results: pd.DataFrame, axes: Sequence[str]
) -> pd.DataFrame:
    """Add to ranked settings ``ari_of_seeds``: how far the clusters of their repeats agree.

    Parameters
    ----------
    ranked : DataFrame
        As :func:`rank_settings`.
    pairs : DataFrame
        As :func:`agreement_of_settings`.
    results : DataFrame
        With ``setting`` and the axes.
    axes : sequence of str
        The sweep's axes.
    """
    names = varied(axes)
    seeds = pairs[pairs["axis"] == SEED]
    if seeds.empty:
        return ranked
    if not names:
        return ranked.assign(ari_of_seeds=seeds["ari"].mean())
    of_pairs = seeds.merge(results[["setting", *names]], left_on="one", right_on="setting")
    means = of_pairs.groupby(names, dropna=False)["ari"].mean().rename("ari_of_seeds")
    return ranked.merge(means.reset_index(), on=names, how="left")


def grid(results: pd.DataFrame, axes: Sequence[str], metrics: Sequence[str]) -> list[pd.DataFrame]:
    """Return, for each pair of axes and each metric, its mean at each pair of their values.

    Returns
    -------
    list of DataFrame
        Each with the columns ``row_axis``, ``row``, ``column_axis``, ``column``, ``metric``,
        ``mean``, ``spread`` (NaN for one setting), ``settings`` and ``first`` (the first of these
        settings). Axes with more than `MAX_LEVELS` values are left out.
    """
    done = results[results["status"] == "done"]
    names = [name for name in varied(axes) if 1 < done[name].nunique() <= MAX_LEVELS]
    tables = []
    for row, column in combinations(names, 2):
        for metric in metrics:
            cells = done.groupby([row, column], sort=True).agg(
                mean=(metric, "mean"),
                spread=(metric, "std"),
                settings=("setting", "size"),
                first=("setting", "min"),
            )
            cells["spread"] = _without_noise(cells["spread"])
            cells = cells.reset_index().rename(columns={row: "row", column: "column"})
            cells.insert(0, "row_axis", row)
            cells.insert(2, "column_axis", column)
            cells.insert(4, "metric", metric)
            tables.append(cells)
    return tables


def bands(
    results: pd.DataFrame, axes: Sequence[str], axis: str, metrics: Sequence[str]
) -> pd.DataFrame:
    """Return mean and range of metrics at each value of an axis, by the values of another.

    Returns
    -------
    DataFrame
        ``line`` (values of the other axis with the fewest, empty where there is none), ``x``,
        ``metric``, ``mean``, ``least``, ``most``.
    """
    done = results[results["status"] == "done"]
    others = [name for name in varied(axes) if name != axis and 1 < done[name].nunique() <= 6]
    by = min(others, key=lambda name: done[name].nunique(), default=None)
    line = f"{by} " + done[by].astype(str) if by else pd.Series("", index=done.index)
    long = done.assign(line=line, x=done[axis]).melt(["line", "x"], metrics, var_name="metric")
    long = long.dropna(subset="value")
    grouped = long.groupby(["metric", "line", "x"], sort=True)["value"]
    return grouped.agg(mean="mean", least="min", most="max").reset_index()


def is_tie(best: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Tell whether two settings cannot be told apart: their means differ by less than noise.

    Noise is two standard errors of the difference of the means, by Welch. Of single repeats
    nothing is known of noise: only equal means are then a tie.
    """
    errors = [one["spread"] ** 2 / one["repeats"] for one in (best, other)]
    noise = 2 * np.sqrt(np.nansum(errors))
    return bool(abs(best["mean"] - other["mean"]) <= noise)


def tied_with_best(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return the settings that tie with the best, which is the first of `ranked`."""
    rows = ranked.to_dict("records")
    tied = [place > 0 and is_tie(rows[0], row) for place, row in enumerate(rows)]
    return ranked[np.array(tied, dtype=bool)]


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
        share = round(between / total, 12) if total > 0 else np.nan
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


def importance(results: pd.DataFrame, axes: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Return :func:`axis_importance` of several metrics: a row an axis, a column a metric."""
    shares = {name: axis_importance(results, axes, name).set_index("axis") for name in metrics}
    table = pd.DataFrame({name: share["share"] for name, share in shares.items()}, index=list(axes))
    return table.rename_axis("axis").reset_index()


def total_seconds(results: pd.DataFrame) -> pd.Series:
    """Return the seconds of all five stages of each setting: what it would take alone."""
    return results.filter(regex="^seconds_").sum(axis=1, min_count=1)


def costs(results: pd.DataFrame, metric: str) -> dict[str, float]:
    """Return what the best setting costs, and the cheapest within one per cent of it.

    Returns
    -------
    dict of float
        ``best`` and ``cheapest`` (numbers of settings), ``best_seconds`` and
        ``cheapest_seconds``; empty if no setting finished.
    """
    done = results[results["status"] == "done"].assign(seconds=total_seconds).dropna(subset=metric)
    if done.empty:
        return {}
    best = done.loc[done[metric].idxmax()]
    near = done[done[metric] >= best[metric] - 0.01 * abs(best[metric])]
    cheapest = near.loc[near["seconds"].idxmin()]
    return {
        "best": best["setting"],
        "best_seconds": best["seconds"],
        "cheapest": cheapest["setting"],
        "cheapest_seconds": cheapest["seconds"],
    }


def _without_noise(spread: pd.Series) -> pd.Series:
    """Return spreads in which what is only rounding is 0."""
    return spread.where(spread.isna() | (spread > 1e-12), 0.0)
