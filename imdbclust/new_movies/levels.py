"""New movies in a nested clustering: their group at every level."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from imdbclust.clustering import UNPLACED, Clustering
from imdbclust.new_movies.cast_model import CastModel


class LevelModel:
    """Where new movies belong at all levels of a nested clustering, from their casts.

    The cluster of a new movie is the likeliest one by a :class:`CastModel`. Its era is that of the
    cluster. Its subgroup is the likeliest of the cluster's subgroups, by a second such model.
    Without other levels, only the cluster is found.

    Parameters
    ----------
    casts : csr_array, shape (n_movies, n_actors)
        1 where the actor plays in the movie.
    clustering : Clustering
        The clustering of these movies, in the same order.
    """

    def __init__(self, casts: sp.csr_array, clustering: Clustering):
        labels, levels = clustering.labels, clustering.levels
        self.clusters = CastModel.learn(casts, labels, clustering.n_clusters)
        self.era_of_cluster = self.subgroups = None
        if "era" in levels:
            self.era_of_cluster = _parents(labels, levels["era"], clustering.n_clusters)
        if "subgroup" in levels:
            subgroups, n_subgroups = levels["subgroup"], clustering.at_level("subgroup").n_clusters
            self.cluster_of_subgroup = _parents(subgroups, labels, n_subgroups)
            self.subgroups = CastModel.learn(casts, subgroups, n_subgroups)

    def place(
        self, casts: sp.csr_array, clusters: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Return the group of each new movie at each level, by the name of the level.

        Parameters
        ----------
        casts : csr_array, shape (n_new, n_actors)
            1 where the actor plays; a cast without a known actor is `UNPLACED`.
        clusters : ndarray of int, shape (n_new,), optional
            The clusters of the movies, if they are known.
        """
        if clusters is None:
            clusters = self.clusters.posterior(casts).argmax(axis=1)
            clusters[clusters == len(self.clusters.prior)] = UNPLACED
        placed, found = clusters != UNPLACED, {"cluster": clusters}
        if self.era_of_cluster is not None:
            found["era"] = np.where(placed, self.era_of_cluster[clusters], UNPLACED)
        if self.subgroups is not None:
            inside = self.cluster_of_subgroup == clusters[:, None]
            chances = np.where(inside, self.subgroups.posterior(casts)[:, :-1], -1)
            found["subgroup"] = np.where(placed, chances.argmax(axis=1), UNPLACED)
        return {level: groups.astype(np.int32) for level, groups in found.items()}


def _parents(inner: np.ndarray, outer: np.ndarray, n_inner: int) -> np.ndarray:
    """Return the outer group of each inner one, from the groups of all movies."""
    parents, placed = np.full(n_inner, UNPLACED), inner >= 0
    parents[inner[placed]] = outer[placed]
    return parents
