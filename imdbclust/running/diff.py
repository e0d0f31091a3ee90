"""What differs between two runs: settings, versions, films, clusters, tables, results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from imdbclust.running.manifest import NotARun, find_folder, read_manifest
from imdbclust.running.store import TABLES

MOST = 12
"""So many differences of one kind are listed; of the rest only the number is told."""


def describe_difference(one: str, other: str, *, out: Path | None = None) -> list[str]:
    """Say in sentences what differs between two runs, or two sweeps.

    Parameters
    ----------
    one, other : str
        Names of runs in the folder for reports, or their folders.
    out : path, optional
        The folder for reports.

    Returns
    -------
    list of str
        A line a difference, first what was asked for, then what came of it; empty where both
        say the same. Times, memory and the moment they ran are not compared.

    Raises
    ------
    NotARun
        There is no such run, one is a run and the other a sweep, or a file of one is damaged.
    """
    folders = [find_folder(name, out) for name in (one, other)]
    manifests = [read_manifest(folder) for folder in folders]
    if len({"settings" in manifest for manifest in manifests}) > 1:
        raise NotARun(f"{one} and {other} cannot be compared: one is a run, the other a sweep")
    lines = [*_settings(*manifests), *_listed("version", *(m["versions"] for m in manifests))]
    lines += _films(*(manifest["dataset"] for manifest in manifests))
    if manifests[0]["commit"] != manifests[1]["commit"]:
        lines.append("commit: {} and {}".format(*((m["commit"] or "none")[:12] for m in manifests)))
    if manifests[0]["status"] != manifests[1]["status"]:
        lines.append("status: {} and {}".format(*(m["status"] for m in manifests)))
    if "settings" in manifests[0]:
        return lines + list(_results(*folders))
    return lines + list(_labels(*folders)) + list(_tables(*(folder / TABLES for folder in folders)))


def _settings(one: dict, other: dict) -> list[str]:
    """Compare presets and parameters of runs, or axes of sweeps."""
    if "settings" in one:
        return _listed("axis", *(dict.fromkeys(m["axes"], "there") for m in (one, other)))
    lines = _listed("preset", *({"preset": m["preset"]} for m in (one, other)))
    values = ({name: told["value"] for name, told in m["parameters"].items()} for m in (one, other))
    return lines + _listed("parameter", *values)


def _films(one: dict, other: dict) -> list[str]:
    if one["sha256"] == other["sha256"]:
        return []
    told = (f"{films['title']} ({films['sha256'][:12]})" for films in (one, other))
    return [f"films: {' and '.join(told)}"]


def _listed(what: str, one: dict, other: dict) -> list[str]:
    return [
        f"{what} {name}: {_value(one, name)} and {_value(other, name)}"
        for name in {**one, **other}
        if one.get(name) != other.get(name) or (name in one) != (name in other)
    ]


def _value(values: dict, name: str) -> str:
    return repr(values[name]) if name in values else "none"


def _labels(one: Path, other: Path) -> Iterator[str]:
    """Compare clusters on the movies that both runs have."""
    from sklearn.metrics import adjusted_rand_score

    from imdbclust.clustering import MOVIE_TO_CLUSTER, read_movie_to_cluster

    paths = [folder / MOVIE_TO_CLUSTER for folder in (one, other)]
    there = [path.is_file() for path in paths]
    if not all(there):
        if any(there):
            yield f"{MOVIE_TO_CLUSTER}: only in the {'first' if there[0] else 'second'}"
        return
    left, right = (
        _read(read_movie_to_cluster, path).set_index("movie_id")["cluster"] for path in paths
    )
    shared = left.index.intersection(right.index)
    if len(shared) < max(len(left), len(right)):
        yield f"movies: {len(left):,} and {len(right):,}, of which {len(shared):,} are in both"
    left, right = left[shared], right[shared]
    moved = int((left != right).sum())
    if moved:
        ari = adjusted_rand_score(left, right)
        yield (
            f"clusters: adjusted Rand index {ari:.4f}; {moved:,} of {len(shared):,} movies have "
            "another number"
        )


def _tables(one: Path, other: Path) -> Iterator[str]:
    names = {folder: {path.stem for path in folder.glob("*.csv")} for folder in (one, other)}
    for name in sorted(names[one] ^ names[other]):
        yield f"table {name}: only in {'the first' if name in names[one] else 'the second'}"
    shared = (f"{name}.csv" for name in sorted(names[one] & names[other]))
    differing = [
        name for name in shared if (one / name).read_bytes() != (other / name).read_bytes()
    ]
    for name in differing[:MOST]:
        yield f"table {Path(name).stem}: {_how_tables_differ(one / name, other / name)}"
    if len(differing) > MOST:
        yield f"and {len(differing) - MOST} more tables differ"


def _how_tables_differ(one: Path, other: Path) -> str:
    left, right = (
        _read(pd.read_csv, path, keep_default_na=False, na_values=[""]) for path in (one, other)
    )
    if list(left) != list(right):
        return "other columns"
    if len(left) != len(right):
        return f"{len(left):,} and {len(right):,} rows"
    numbers = left.select_dtypes("number").columns.intersection(
        right.select_dtypes("number").columns
    )
    apart = (left[numbers] - right[numbers]).abs().to_numpy()
    largest = float(np.nanmax(apart)) if np.isfinite(apart).any() else 0.0
    texts = left.columns.difference(numbers)
    n_texts = int((left[texts].astype(str) != right[texts].astype(str)).to_numpy().sum())
    return f"numbers differ by at most {largest:.3g}, {n_texts:,} texts differ"


def _results(one: Path, other: Path) -> Iterator[str]:
    """Compare the rows of two sweeps that have the same settings."""
    from imdbclust.running.sweep import VOLATILE

    tables = [_read(pd.read_csv, folder / "results.csv") for folder in (one, other)]
    left, right = (
        table[[name for name in table if not name.startswith((*VOLATILE, "key_"))]]
        for table in tables
    )
    if list(left) != list(right) or len(left) != len(right):
        sizes = (
            f"{len(table):,} settings with {table.shape[1]} columns" for table in (left, right)
        )
        yield f"results: {' and '.join(sizes)}"
        return
    for name in left:
        differing = int((left[name].astype(str) != right[name].astype(str)).sum())
        if differing:
            yield f"results: {name} differs in {differing:,} of {len(left):,} settings"


def _read(read: Callable[..., pd.DataFrame], path: Path, **how) -> pd.DataFrame:
    try:
        return read(path, **how)
    except (OSError, ValueError) as error:
        raise NotARun(f"{path} is damaged: {error}") from None
