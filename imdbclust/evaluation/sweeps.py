"""Compare the settings of a sweep: which is best, by how much, and which axes matter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice, pairwise

import numpy as np
import pandas as pd

from imdbclust.base.errors import UserError

SEED = "random_state"  # the axis whose values are repeats of a setting
PREFERRED = ("held_out_bits", "genre_bits", "ari_subsamples", "share_of_variance")
"""Metrics to rank settings by, in order of preference."""

ALWAYS = "genre_bits"  # the metric of `PREFERRED` that every finished setting has
IN_SAMPLE = ("genre_bits", "share_of_variance")
"""Metrics that always grow with the number of clusters or components."""

SHOWN = (*PREFERRED, "ari_seeds", "silhouette", "largest_share")
"""Metrics shown next to the one that ranks, if the sweep has them."""

MAX_PAIRS = 1_000
"""Maximum number of pairs of settings that are compared along an axis."""

MAX_LEVELS = 12  # maximum number of values of an axis of a heat map


def choose_metric(results: pd.DataFrame, wanted: str = "") -> str:
    """Return the metric to rank by: `wanted`, or else the first of `PREFERRED` that has values.

    It is `ALWAYS` if no setting was finished. Raises UserError if the results have no metric
    `wanted`.
    """
    numbers = results.select_dtypes("number").columns
    if wanted and wanted not in numbers:
        raise UserError(f"unknown metric {wanted!r}; choose one of {', '.join(numbers)}")
    valued = (name for name in PREFERRED if name in numbers and results[name].notna().any())
    return wanted or next(valued, ALWAYS)


def shown_metrics(results: pd.DataFrame, chosen: str) -> list[str]:
    """Return up to four metrics to show: the chosen one, then those of `SHOWN` that vary."""
    numbers = results.select_dtypes("number")
    varying = [name for name in SHOWN if name in numbers and len(numbers[name].unique()) > 1]
    return list(dict.fromkeys([chosen, *varying]))[:4]


def varied(axes: Sequence[str]) -> list[str]:
    """Return the axes other than the seed."""
    return [name for name in axes if name != SEED]


def rank_settings(results: pd.DataFrame, axes: Sequence[str], metric: str) -> pd.DataFrame:
    """Return the mean and spread of a metric over the repeats of each setting, best first.

    The columns are the axes without the seed, ``repeats``, ``mean``, ``spread`` (standard deviation
    over the repeats, NaN for one), ``least``, ``most``. Failed settings are left out.
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
    """Add ``ari_of_seeds`` to ranked settings: how well the clusters of their repeats agree.

    `ranked` is from :func:`rank_settings`, `pairs` from :func:`agreement_of_settings`.
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
    """Return a table for each pair of axes and each metric: its mean at each pair of values.

    The columns are ``row_axis``, ``row``, ``column_axis``, ``column``, ``metric``, ``mean``,
    ``spread`` (NaN for one setting), ``settings`` (their number) and ``first`` (the first of
    them). Axes with more than `MAX_LEVELS` values are left out.
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
            cells = cells.rename_axis(["row", "column"]).reset_index()
            cells.insert(0, "row_axis", row)
            cells.insert(2, "column_axis", column)
            cells.insert(4, "metric", metric)
            tables.append(cells)
    return tables


def bands(results: pd.DataFrame, axes: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Return the mean and range of metrics at each value of each axis but the seed.

    The columns are ``axis``, ``metric``, ``line`` (values of the other axis that has the fewest;
    empty if there are no others), ``x``, ``mean``, ``least``, ``most``.
    """
    done = results[results["status"] == "done"]
    tables = [_bands(done, axes, axis, metrics).assign(axis=axis) for axis in varied(axes)]
    columns = ["axis", "metric", "line", "x", "mean", "least", "most"]
    return (
        pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    )


def _bands(
    done: pd.DataFrame, axes: Sequence[str], axis: str, metrics: Sequence[str]
) -> pd.DataFrame:
    """Return the bands along one axis."""
    others = [name for name in varied(axes) if name != axis and 1 < done[name].nunique() <= 6]
    by = min(others, key=lambda name: done[name].nunique(), default=None)
    line = f"{by} " + done[by].astype(str) if by else pd.Series("", index=done.index)
    long = done.assign(line=line, x=done[axis]).melt(["line", "x"], metrics, var_name="metric")
    long = long.dropna(subset="value")
    grouped = long.groupby(["metric", "line", "x"], sort=True)["value"]
    return grouped.agg(mean="mean", least="min", most="max").reset_index()


def tied_with_best(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return the settings that tie with the best, which is the first of `ranked`.

    Their means differ by at most two standard errors of the difference, by Welch. The errors are
    unknown for settings with one repeat each; then only equal means are a tie.
    """
    errors = (ranked["spread"] ** 2 / ranked["repeats"]).fillna(0)
    noise = 2 * np.sqrt(errors.head(1).sum() + errors)
    gap = ranked["mean"].max() - ranked["mean"]
    return ranked[gap <= noise].iloc[1:]


def best_setting(results: pd.DataFrame, axes: Sequence[str]) -> int | None:
    """Return the number of the best setting; None if no setting has a value to rank by.

    It is the best of the repeats of the setting with the best mean.
    """
    metric = choose_metric(results)
    if metric not in results or (ranked := rank_settings(results, axes, metric)).empty:
        return None
    done = results[results["status"] == "done"]
    if names := varied(axes):
        done = done.merge(ranked.head(1)[names])
    return int(done.loc[done[metric].idxmax(), "setting"])


def agreement_of_settings(
    results: pd.DataFrame, labels: Mapping[str, np.ndarray], axes: Sequence[str]
) -> tuple[pd.DataFrame, pd.Series]:
    """Compare the clusters of repeats, and of settings that are neighbours on one axis.

    Neighbours have successive values of one axis and equal values of the rest. At most `MAX_PAIRS`
    pairs are compared along an axis, evenly spread over the settings and their repeats.

    Parameters
    ----------
    results : DataFrame
        Finished settings.
    labels : mapping of arrays
        The clusters of the movies, by the number of the setting as a text.
    axes : sequence of str
        What varies.

    Returns
    -------
    pairs : DataFrame
        ``axis`` (the one that differs), ``one``, ``other`` (settings) and ``ari``, the adjusted
        Rand index.
    numbers : Series
        The number of all pairs by axis, those that were not compared included.
    """
    rows, numbers = [], {}
    for axis in axes:
        others = [name for name in axes if name != axis]
        groups = results.groupby(others, sort=False, dropna=False) if others else [((), results)]
        members = [group.sort_values(axis)["setting"].tolist() for _, group in groups]
        if axis == SEED:
            most = max(1, MAX_PAIRS // len(members))
            numbers[axis] = sum(math.comb(len(group), 2) for group in members)
            pairs = [pair for group in members for pair in _repeats(group, most)]
        else:
            pairs = [pair for group in members for pair in pairwise(group)]
            numbers[axis] = len(pairs)
        if len(pairs) > MAX_PAIRS:
            pairs = [pairs[place * len(pairs) // MAX_PAIRS] for place in range(MAX_PAIRS)]
        for one, other in pairs:
            ari = adjusted_rand_index(labels[str(one)], labels[str(other)])
            rows.append((axis, one, other, ari))
    return pd.DataFrame(rows, columns=["axis", "one", "other", "ari"]), pd.Series(numbers)


def adjusted_rand_index(one: np.ndarray, other: np.ndarray) -> float:
    """Return the adjusted Rand index of two clusterings of the same movies, numbered from -1.

    The same as :func:`sklearn.metrics.adjusted_rand_score`, which sorts the movies and takes ten
    times as long. See Hubert and Arabie (1985), "Comparing partitions", Journal of Classification
    2.
    """
    n_others = int(other.max()) + 2
    cells = (one.astype(np.intp) + 1) * n_others + other + 1
    table = np.bincount(cells, minlength=(int(one.max()) + 2) * n_others).reshape(-1, n_others)
    counts = (table, table.sum(axis=1), table.sum(axis=0), np.array([len(one)]))
    both, first, second, pairs = (float((count * (count - 1.0)).sum()) for count in counts)
    expected = first * second / pairs if pairs else 0.0
    most = (first + second) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def _repeats(settings: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Yield at most this many pairs of settings, in which all of them occur about equally often."""
    if (n := len(settings)) * (n - 1) // 2 <= most:
        return combinations(settings, 2)
    in_turns = (
        (settings[place], settings[(place + step) % n])
        for step in range(1, n // 2 + 1)
        for place in range(n)
    )
    return islice(in_turns, most)


def importance(results: pd.DataFrame, axes: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Return the share of each metric's variance that each axis explains on its own.

    The columns are ``axis`` and the metrics. A share is the variance of the means at the axis'
    values over the variance of all settings (eta squared); shares sum to less than 1 if axes
    interact, and are NaN if all settings have the same value. See Fisher (1925), "Statistical
    methods for research workers", chapter 7 (the correlation ratio).
    """
    done = results[results["status"] == "done"]
    shares = {name: [_explained(done, axis, name) for axis in axes] for name in metrics}
    return pd.DataFrame({"axis": list(axes)} | shares)


def _explained(done: pd.DataFrame, axis: str, metric: str) -> float:
    done = done.dropna(subset=metric)
    mean = done[metric].mean()
    total = float(((done[metric] - mean) ** 2).sum())
    levels = done.groupby(axis, dropna=False)[metric].transform("mean")
    between = float(((levels - mean) ** 2).sum())
    return round(between / total, 12) if total > 0 else np.nan


def total_seconds(results: pd.DataFrame) -> pd.Series:
    """Return the seconds of each setting, all five stages included."""
    return results.filter(regex="^seconds_").sum(axis=1, min_count=1)


def costs(results: pd.DataFrame, metric: str) -> dict[str, float]:
    """Return what the best setting costs, and the cheapest within one per cent of it.

    The keys are ``best`` and ``cheapest`` (numbers of settings), ``best_seconds`` and
    ``cheapest_seconds``; the dict is empty if no setting finished.
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
    """Return spreads with rounding errors replaced by 0."""
    return spread.where(spread.isna() | (spread > 1e-12), 0.0)
