"""Choice: which numbers of clusters and components the measures support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from imdbclust.base.processes import on_all_cores
from imdbclust.clustering import EMPTY_CLUSTERS_ARE_FINE, Clustering
from imdbclust.evaluation.held_out import score_held_out
from imdbclust.evaluation.recipe import TRAINED_SHARE, Fitted, Recipe
from imdbclust.evaluation.stability import Subsample, compare_fits, split_movies
from imdbclust.load import Corpus
from imdbclust.matrix import Incidence
from imdbclust.reduction import Embedding


def curves(
    recipe: Recipe,
    corpus: Corpus,
    incidence: Incidence,
    *,
    n_clusters: Sequence[int],
    n_components: Sequence[int],
    n_subsamples: int,
    random_state: int,
) -> pd.DataFrame:
    """Measure other numbers of clusters and of components on subsamples.

    A subsample is reduced once, to the largest of `n_components`; smaller numbers use its first
    components. k-means has at most 5 starts here.

    One of the two numbers is varied at a time; the other is the recipe's. Numbers that are
    impossible on a subsample are left out, and so are other numbers of components for a nested
    recipe, whose eras and clusters follow from reductions of their own. The subsamples are those of
    :func:`imdbclust.evaluation.stability.over_subsamples`.

    The columns are ``n_clusters``, ``n_components``, ``measure`` (``ari_subsamples``,
    ``held_out``, ``silhouette``) and ``value``, with one row for each pair of subsamples or each
    subsample.
    """
    pairs = [(k, recipe.n_components) for k in n_clusters]
    if recipe.varies_components:
        pairs += [(recipe.n_clusters, d) for d in n_components if d != recipe.n_components]
    quick = recipe.with_(n_init=min(recipe.model.n_init, 5), n_subgroups=0)

    def one(seed: int) -> dict[tuple[int, int], tuple[np.ndarray, Fitted, float, float]]:
        trained, held_out = split_movies(incidence.shape[0], TRAINED_SHARE, seed)
        part_of_matrix = incidence.select(trained)
        most = min(len(trained), part_of_matrix.n_listed)
        possible = [(k, d) for k, d in pairs if d <= most]
        if not possible:
            return {}
        wide = quick.with_(n_components=max(d for _, d in possible))
        embedding = wide.reduce(part_of_matrix, seed)
        found = {}
        for k, d in possible:
            part = embedding.first(d)
            if k <= part.placed.sum():
                with_k = wide.with_(n_clusters=k, n_components=d)
                clustering = with_k.cluster(part, seed, part_of_matrix)
                fit = with_k.fitted(part, clustering, part_of_matrix)
                part_fit = Subsample(trained, held_out, fit)
                scored = score_held_out(corpus, incidence, part_fit, predictors=["likeliest"])
                score = silhouette(part, clustering, random_state=random_state)
                labels = replace(fit, assign=None)  # without the embedding, which is large
                found[k, d] = trained, labels, scored.bits["likeliest"].sum(), score
        return found

    with EMPTY_CLUSTERS_ARE_FINE:
        results = on_all_cores(one, [random_state + number for number in range(n_subsamples)])
    rows = []
    for k, d in pairs:
        parts = [found[k, d] for found in results if (k, d) in found]
        ari = compare_fits([part[:2] for part in parts])["ari"]
        rows += [(k, d, "ari_subsamples", value) for value in ari]
        rows += [(k, d, "held_out", part[2]) for part in parts if len(corpus.genres)]
        rows += [(k, d, "silhouette", part[3]) for part in parts]
    return pd.DataFrame(rows, columns=["n_clusters", "n_components", "measure", "value"])


def supported_clusters(tried: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return the number of clusters that each measure of :func:`curves` supports.

    The columns are ``measure``, ``n_clusters`` (where its mean is largest), ``value`` (that mean),
    and ``at_chosen``, the mean at the recipe's number of clusters.
    """
    same_rank = tried[tried["n_components"] == recipe.n_components].dropna()
    means = same_rank.groupby(["measure", "n_clusters"])["value"].mean()
    rows = [
        (measure, some.idxmax()[1], some.max(), some.get((measure, recipe.n_clusters), np.nan))
        for measure, some in means.groupby("measure")
    ]
    return pd.DataFrame(rows, columns=["measure", "n_clusters", "value", "at_chosen"])


def silhouette(embedding: Embedding, clustering: Clustering, *, random_state: int) -> float:
    """Return the mean silhouette of at most 2,000 placed movies; NaN where it is undefined.

    See Rousseeuw (1987), "Silhouettes", Journal of Computational and Applied Mathematics 20.
    """
    from sklearn.metrics import silhouette_score

    placed = np.flatnonzero(clustering.placed)
    rng = np.random.default_rng(random_state)
    some = rng.choice(placed, size=min(2000, len(placed)), replace=False)
    labels = clustering.labels[some]
    if not 2 <= len(np.unique(labels)) < len(labels):
        return np.nan
    return float(silhouette_score(embedding.scores[some], labels))


def effective_clusters(sizes: Sequence[int]) -> float:
    """Return the effective number of clusters: the exponential of the entropy of their sizes.

    See Hill (1973), "Diversity and evenness", Ecology 54 (order 1).
    """
    shares = np.asarray(sizes, dtype=float)
    shares = shares[shares > 0] / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
