"""Lay out points in the plane by t-SNE; the bytes do not depend on the number of threads."""

from __future__ import annotations

import numpy as np

PERPLEXITY, EXAGGERATED, REFINED = 10.0, 100, 150
"""Perplexity of the map, and its iterations with early exaggeration and after it.

On the real films, 88 % of the ten movies nearest on the map are among the 50 nearest in the
embedding (12 components). Perplexity 15 gives the same and takes longer; 100 more iterations raise
it to 89 %.
"""

CELL = 2
"""Width of the cells in which repulsion is interpolated, in units of the map.

The default of openTSNE, 1, takes half as long again and gives 89 %.
"""

N_JOBS, FEW = 2, 5_000
"""Number of threads that make the map of more movies than `FEW`; fewer movies need one thread only.

The bytes of the map do not depend on it."""

EACH, AROUND = 200, 8
"""Number of spots for each cell, and number of cells in which a query's neighbours are searched."""


def lay_out(spots: np.ndarray, random_state: int) -> np.ndarray:
    """Return the places of points after t-SNE, shape (n, 2), for `spots` of shape (n, n_dims)."""
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(spots) - 1) / 3)
    n_near = min(int(3 * perplexity), len(spots) - 1)
    near, n_jobs = neighbours(spots, n_near), N_JOBS if len(spots) > FEW else 1
    tsne = TSNE(
        early_exaggeration_iter=EXAGGERATED,
        n_iter=REFINED,
        ints_in_interval=CELL,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    with threadpool_limits(1, user_api="blas"):  # the last bits depend on the number of threads
        known = PrecomputedNeighbors(*near)
        affinities = PerplexityBasedNN(knn_index=known, perplexity=perplexity, n_jobs=n_jobs)
        return np.asarray(tsne.fit(spots, affinities=affinities))


def neighbours(
    spots: np.ndarray, n: int, queries: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and distances of the `n` spots nearest to each query, or to each spot."""
    from sklearn.neighbors import NearestNeighbors

    with two_threads():  # beyond 15 dimensions, where no tree is searched
        found = NearestNeighbors(n_neighbors=n, n_jobs=N_JOBS).fit(spots)
        distances, rows = found.kneighbors(queries)
    return rows, distances


def near_in_cells(spots: np.ndarray, n: int, queries: np.ndarray) -> np.ndarray:
    """Return the rows of `n` spots that are near each query, shape (n_queries, n).

    They are the nearest spots within the `AROUND` cells around the query, not always the nearest of
    all. A cell consists of the spots that are nearest to the same one of some spots, one of `EACH`.
    Searching all spots for each of 600,000 movies takes minutes.
    """
    centers = np.unique(spots[::EACH], axis=0)
    around, _ = neighbours(centers, min(AROUND, len(centers)), centers)
    cell, asked = (neighbours(centers, 1, some)[0].ravel() for some in (spots, queries))
    rows = np.empty((len(queries), n), dtype=np.intp)
    for number, cells in enumerate(around):
        own, found = asked == number, np.flatnonzero(np.isin(cell, cells))
        if own.any():
            rows[own] = found[neighbours(spots[found], n, queries[own])[0]]
    return rows


def two_threads():
    """Return a context in which OpenMP has two threads, on every machine.

    The last bits of sums depend on the number of threads, so kernels have one. A fixed number of
    two is reproducible as well.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(2, user_api="openmp")
