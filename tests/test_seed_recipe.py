"""The steps of the course notebook, run beside ours: same matrix, same labels, same shares."""

import numpy as np
import pytest
from scipy.sparse import lil_matrix
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD

from imdbclust.clustering import cluster_movies, make_model
from imdbclust.datasets.find import find_dataset
from imdbclust.matrix import build_incidence
from imdbclust.probabilities import p_cluster
from imdbclust.reduction import make_svd, reduce_movies

K_MEANS = {"n_clusters": 16, "n_init": 128, "max_iter": 2048, "tol": 0.5}
K_MEANS |= {"reassignment_ratio": 0.5, "random_state": 31337}


def movies_and_actors(corpus):
    """Return what the course keeps: a dict of movies to sets of actors, and a dict of actors."""
    names = dict(zip(corpus.actors["actor_id"], corpus.actors["name"], strict=True))
    casts = {movie: set() for movie in corpus.movies["movie_id"]}
    ids, actor_ids = corpus.movies["movie_id"].to_numpy(), list(names)
    for movie, actor in corpus.credits.itertuples(index=False):
        casts[ids[movie]].add(actor_ids[actor])
    return casts, names


def courses_matrix(corpus):
    casts, names = movies_and_actors(corpus)
    column = {actor: place for place, actor in enumerate(names)}
    matrix = lil_matrix((len(casts), len(names)), dtype=float)
    for row, cast in enumerate(casts.values()):
        for actor in cast:
            matrix[row, column[actor]] = 1.0
    return matrix


@pytest.mark.parametrize("name", ["sample", "wikipedia"])
def test_same_matrix_labels_and_probabilities(name, request):
    corpus = find_dataset(
        request.getfixturevalue("real_films") if name == "wikipedia" else name
    ).read()

    theirs = courses_matrix(corpus)
    reduced = TruncatedSVD(n_components=32, random_state=31337).fit_transform(theirs)
    model = MiniBatchKMeans(**K_MEANS).fit(reduced)
    counts = np.unique_counts(model.labels_)
    shares = dict(zip(counts.values, counts.counts / len(model.labels_), strict=True))

    ours = build_incidence(corpus)
    assert (theirs.tocsr() != ours.matrix).nnz == 0
    embedding = reduce_movies(ours, make_svd(32, random_state=31337))
    assert (embedding.scores == reduced).all()
    clustering = cluster_movies(embedding, make_model("MiniBatchKMeans", **K_MEANS))
    assert (clustering.labels == model.labels_).all()
    assert p_cluster(clustering.sizes()).loc[list(shares)].to_dict() == shares
