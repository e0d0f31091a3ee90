"""Compare two runs or two sweeps: in sentences, or byte by byte without what may differ."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from imdbclust.base.text import counted
from imdbclust.running.manifest import MANIFEST, NotARun, find_folder, read_manifest
from imdbclust.running.store import TABLES

MAX_TABLES = 12  # maximum number of differing tables that are listed; the rest are counted

OF_RUN = ("started", "seconds", "command")
OF_STAGE = ("seconds", "peak_memory_mb", "reused", "kernel", "kernel_note")
"""Keys of ``manifest.json``, and of each stage in it, that may differ."""

ON_PAGES = (
    r"(?<=<span>)\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC(?=</span>)",
    r'(?<=aria-label="Command"><code>)[^<]*(?=</code>)',
    r'(?:(?<=<span>)|(?<=<td class="number">)|(?<=run took ))'
    r"(?:under 0\.1 s|[\d.]+(?: s| min| h|[kMGT]B)\b)[^<]*(?=<)",
    r" <span>reused from an earlier run</span>",
    r"(?<=<td>)in (?:an earlier|this) run(?=</td>)",
    r'(?<=<time datetime=")[^<]*(?=</time>)',
)
"""Parts of pages that may differ: date, command, durations, memory, and what was reused."""

IN_ORDER_OF_FILE = ("top_actors", "matrix_top_actors", "matrix_preview")
"""Tables in which ties, or the choice of rows, follow the order of the film file.

So do the rows of all tables with one row for each movie or actor, and the random subsamples that
the parameter ``evaluation`` draws.
"""

FOLLOWS_LAST_DIGITS = ("map", "choice")
"""Tables that another processor, or number of threads, may change beyond rounding.

t-SNE amplifies rounding errors. Among the many recipes compared to choose a number of clusters,
one may have a movie that is equally near to two clusters.
"""


def comparable(folder: Path) -> dict[str, bytes]:
    """Return the files of a run's folder by name, without what may differ.

    Two runs of the same notebooks on the same films with the same parameters and name, by the same
    versions on the same machine, give equal results: tables, notebooks, pages, figures, manifest.
    The index also lists the runs of other presets in the same folder.
    """
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _constant_part(path) for path in paths}


def _constant_part(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name == MANIFEST:
        manifest = json.loads(content)
        stages = [_without(stage, OF_STAGE) for stage in manifest["stages"]]
        return json.dumps(_without(manifest, OF_RUN) | {"stages": stages}, indent=1).encode()
    if path.suffix == ".html":
        return re.sub("|".join(ON_PAGES), "", content.decode("utf-8")).encode("utf-8")
    return content


def _without(record: dict, names: tuple[str, ...]) -> dict:
    return {name: value for name, value in record.items() if name not in names}


def describe_difference(one: str, other: str, *, out: Path | None = None) -> list[str]:
    """Describe the differences of two runs or two sweeps, each a name in `out` or a folder.

    There is one line for each difference, first of the settings, then of the results. Times and
    memory are not compared.

    Raises
    ------
    NotARun
        A run does not exist, one is a run and the other a sweep, or a file is damaged.
    """
    folders = [find_folder(name, out) for name in (one, other)]
    manifests = [read_manifest(folder) for folder in folders]
    if len({"settings" in manifest for manifest in manifests}) > 1:
        raise NotARun(f"{one} and {other} cannot be compared: one is a run, the other a sweep")
    left, right = map(_facts, manifests)
    lines = [
        f"{name}: {left.get(name, 'none')} and {right.get(name, 'none')}"
        for name in {**left, **right}
        if left.get(name) != right.get(name)
    ]
    if "settings" in manifests[0]:
        return [*lines, *_results(*folders)]
    return [*lines, *_labels(*folders), *_tables(*(folder / TABLES for folder in folders))]


def _facts(manifest: dict) -> dict[str, str]:
    """Return what a run or a sweep was made from, by name."""
    if "settings" in manifest:
        facts = {f"axis {name}": "varied" for name in manifest["axes"]}
    else:
        parameters = manifest["parameters"].items()
        facts = {"preset": repr(manifest["preset"])}
        facts |= {f"parameter {name}": repr(about["value"]) for name, about in parameters}
    facts |= {f"version {name}": repr(value) for name, value in manifest["versions"].items()}
    films = manifest["dataset"]
    facts["films"] = f"{films['title']} ({films['sha256'][:12]})"
    return facts | {"commit": (manifest["commit"] or "none")[:12], "status": manifest["status"]}


def _labels(one: Path, other: Path) -> Iterator[str]:
    """Compare clusters on the movies that both runs have."""
    from sklearn.metrics import adjusted_rand_score

    from imdbclust.clustering import MOVIE_TO_CLUSTER, read_movie_to_cluster

    paths = [folder / MOVIE_TO_CLUSTER for folder in (one, other)]
    exist = [path.is_file() for path in paths]
    if exist[0] != exist[1]:
        yield f"{MOVIE_TO_CLUSTER}: only in the {'first' if exist[0] else 'second'}"
    if not all(exist):
        return
    left, right = (_read(read_movie_to_cluster, path) for path in paths)
    both = left.merge(right, on="movie_id")
    if len(both) < max(len(left), len(right)):
        yield f"movies: {len(left):,} and {len(right):,}; {len(both):,} are in both"
    if moved := int((both["cluster_x"] != both["cluster_y"]).sum()):
        ari = adjusted_rand_score(both["cluster_x"], both["cluster_y"])
        yield (
            f"clusters: adjusted Rand index {ari:.4f}; {moved:,} of {len(both):,} movies have "
            "another number"
        )


def _tables(one: Path, other: Path) -> Iterator[str]:
    left, right = ({path.name: path for path in folder.glob("*.csv")} for folder in (one, other))
    for name in sorted(left.keys() ^ right.keys()):
        where = "the first" if name in left else "the second"
        yield f"table {name.removesuffix('.csv')}: only in {where}"
    pairs = [(left[name], right[name]) for name in sorted(left.keys() & right.keys())]
    differing = [pair for pair in pairs if pair[0].read_bytes() != pair[1].read_bytes()]
    for pair in differing[:MAX_TABLES]:
        yield f"table {pair[0].stem}: {_how_tables_differ(*pair)}"
    if len(differing) > MAX_TABLES:
        yield f"{len(differing) - MAX_TABLES} more tables differ"


def _how_tables_differ(one: Path, other: Path) -> str:
    how = {"keep_default_na": False, "na_values": [""]}
    left, right = (_read(pd.read_csv, path, **how) for path in (one, other))
    if list(left) != list(right):
        return "other columns"
    if len(left) != len(right):
        return f"{len(left):,} and {len(right):,} rows"
    numbers = [name for name in left if all(is_numeric_dtype(one[name]) for one in (left, right))]
    apart = (left[numbers] - right[numbers]).abs().to_numpy()
    largest = float(np.nanmax(apart)) if np.isfinite(apart).any() else 0.0
    texts = [table.drop(columns=numbers).astype(str).fillna("") for table in (left, right)]
    n_texts = int((texts[0] != texts[1]).to_numpy().sum())
    verb = "differs" if n_texts == 1 else "differ"
    return f"numbers differ by at most {largest:.3g}, {counted(n_texts, 'text')} {verb}"


def _results(one: Path, other: Path) -> Iterator[str]:
    """Compare the rows of two sweeps that have the same settings."""
    from imdbclust.running.sweep import VOLATILE

    how = {"dtype": "str", "keep_default_na": False}
    tables = [_read(pd.read_csv, folder / "results.csv", **how) for folder in (one, other)]
    left, right = (
        table[[name for name in table if not name.startswith((*VOLATILE, "key_"))]]
        for table in tables
    )
    if list(left) != list(right) or len(left) != len(right):
        sizes = (
            f"{counted(len(table), 'setting')} with {counted(table.shape[1], 'column')}"
            for table in (left, right)
        )
        yield f"results: {' and '.join(sizes)}"
        return
    for name, differing in (left != right).sum().items():
        if differing:
            yield f"results: {name} differs in {differing:,} of {counted(len(left), 'setting')}"


def _read(read: Callable[..., pd.DataFrame], path: Path, **how) -> pd.DataFrame:
    try:
        return read(path, **how)
    except (OSError, ValueError) as error:
        raise NotARun(f"{path} is damaged: {error}") from None
