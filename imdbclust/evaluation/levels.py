"""The levels of a nested clustering: how they lie within each other, and what each is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from imdbclust.base.processes import on_all_cores
from imdbclust.clustering import Clustering
from imdbclust.evaluation.held_out import score_held_out
from imdbclust.evaluation.overall import Evaluation
from imdbclust.evaluation.profiles import profile_clusters
from imdbclust.evaluation.recipe import Fitted
from imdbclust.evaluation.stability import compare_fits
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence

INDENT = "\u2003"
"""Space before a name for each level above it; browsers do not collapse it."""


def level_names(clustering: Clustering) -> list[str]:
    """Return the levels of a clustering, from the outermost; only ``cluster`` if it is flat."""
    order = ("era", "cluster", "subgroup")
    return [level for level in order if level == "cluster" or level in clustering.levels]


def level_tree(corpus: Corpus, clustering: Clustering, **options) -> pd.DataFrame:
    """Return the groups of all levels, each followed by those within it.

    `options` are those of :func:`~imdbclust.evaluation.profiles.profile_clusters`; ``names`` are
    for the clusters.

    Returns
    -------
    DataFrame
        ``path``: the places, from 1, of the group and of those around it, such as ``2.3``;
        ``level``; ``number``: the group's number in ``movie_to_cluster.csv``; ``name``, indented by
        level; ``movies``; ``share`` of the placed movies. No rows if there is only one level.
    """
    levels, table = level_names(clustering), clustering.to_frame()[clustering.placed]
    names, rows, paths = options.pop("names", None), [], {(): ""}
    for depth, level in enumerate(levels if clustering.levels else []):
        at = clustering if level == "cluster" else clustering.at_level(level)
        own = {"names": names} if level == "cluster" else {}
        summary = profile_clusters(corpus, at, **options, **own).summary
        called = INDENT * depth + summary.set_index("cluster")["name"]
        places: dict[tuple, int] = {}
        for group, movies in table.groupby(levels[: depth + 1]).size().items():
            group = group if isinstance(group, tuple) else (group,)
            places[group[:-1]] = places.get(group[:-1], 0) + 1
            paths[group] = f"{paths[group[:-1]]}.{places[group[:-1]]}".lstrip(".")
            rows.append((group, paths[group], level, group[-1], called[group[-1]], movies))
    columns = ["group", "path", "level", "number", "name", "movies"]
    tree = pd.DataFrame(sorted(rows), columns=columns).drop(columns="group")
    return tree.assign(share=tree["movies"] / len(table))


def measure_levels(
    found: Evaluation, corpus: Corpus, incidence: Incidence, clustering: Clustering
) -> pd.DataFrame:
    """Measure stability and held-out information of every level, from one set of refits.

    Returns
    -------
    DataFrame
        ``level``, ``groups``, ``largest_share`` of the placed movies, then means, each followed by
        its standard deviation (``_spread``) over pairs of fits or over subsamples: ``ari_seeds``,
        ``ari_subsamples``; bits about genres of held-out movies by ``assigned`` (likeliest) group
        and by ``posterior``; the same ``beyond_decade`` and ``beyond_decade_posterior``.
    """
    rows = []
    for level in level_names(clustering):
        at = clustering if level == "cluster" else clustering.at_level(level)
        parts = [replace(part, fit=_at(part.fit, level)) for part in found.parts]
        held_out = found.held_out
        if level != "cluster":
            held_out = on_all_cores(lambda part: score_held_out(corpus, incidence, part), parts)
        bits = pd.DataFrame([part.bits.sum(min_count=1) for part in held_out])
        everything = np.arange(corpus.n_movies)
        measures = {
            "ari_seeds": compare_fits([(everything, _at(fit, level)) for fit in found.fits])["ari"],
            "ari_subsamples": compare_fits([(part.trained, part.fit) for part in parts])["ari"],
            "assigned": bits["likeliest"],
            "posterior": bits["posterior"],
            "beyond_decade": bits["decade_and_likeliest"] - bits["decade"],
            "beyond_decade_posterior": bits["decade_and_posterior"] - bits["decade"],
        }
        sizes = np.bincount(at.labels[at.placed])
        row = {"level": level, "groups": len(sizes), "largest_share": sizes.max() / sizes.sum()}
        for name, values in measures.items():
            row |= {name: values.mean(), f"{name}_spread": values.std()}
        rows.append(row)
    return pd.DataFrame(rows)


def _at(fit: Fitted, level: str) -> Fitted:
    return fit if level == "cluster" else fit.levels[level]
