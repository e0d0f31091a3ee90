"""Small corpora for the tests: one made by hand, and a hypothesis strategy for any."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import strategies as st

from imdbclust.clustering import Clustering, cluster_movies, make_model
from imdbclust.evaluation.recipe import Recipe
from imdbclust.load import Corpus, CorpusBuilder
from imdbclust.matrix import Incidence
from imdbclust.reduction import Embedding, make_svd, reduce_movies
from imdbclust.running.parameters import settings


def toy_corpus() -> Corpus:
    """Eight movies; A and B play together, C and D too; a homonym, a castless movie, and more.

    Clusters of the tests: ``TOY_LABELS``.
    """
    builder = CorpusBuilder()
    a, b, c, d = ("a", "Ada"), ("b", "Bo"), ("c", "Cy"), ("d", "Di")
    other_ada, alone = ("z", "Ada"), ("x", "Xi")
    builder.add("m1", "One", ["Drama"], [a, b], year=1931, rating=6.0, votes=10)
    builder.add("m2", "Two", ["Drama", "War"], [b, a], year=1935, rating=8.0, votes=30)
    builder.add("m3", "Three", ["War"], [a], year=1940)
    builder.add("m4", "Four", ["Comedy"], [c, d], year=1999, rating=4.0, votes=20)
    builder.add("m5", "Five", ["Comedy", "Drama"], [d, c], year=2001)
    builder.add("m6", "Six", [], [c, other_ada], year=None)
    builder.add("m7", "Seven", ["Comedy"], [], year=2005, rating=2.0, votes=0)
    builder.add("m8", "Eight", [], [alone], year=2010)
    return builder.build()


TOY_LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2])


def clustering_of(corpus: Corpus, labels, n_clusters: int | None = None) -> Clustering:
    """Return a clustering with these labels; its centers mean nothing."""
    labels = np.asarray(labels, dtype=np.int32)
    n_clusters = n_clusters or int(labels.max()) + 1
    movie_ids = pd.Index(corpus.movies["movie_id"])
    return Clustering(labels, np.zeros((n_clusters, 1)), 0.0, movie_ids)


def incidence_of(rows) -> Incidence:
    """Return the matrix with these rows of ones and zeros; movies m0, m1, ..., actors a0, ..."""
    matrix = sp.csr_array(np.array(rows, dtype=float))
    movies, actors = (
        pd.Index([f"{kind}{number}" for number in range(n)])
        for kind, n in zip("ma", matrix.shape, strict=True)
    )
    return Incidence(matrix, movies, actors)


def reordered(incidence: Incidence, seed: int) -> tuple[Incidence, np.ndarray]:
    """Return the same movies and actors in another order, and the movies' positions before."""
    rng = np.random.default_rng(seed)
    movies, actors = (rng.permutation(n) for n in incidence.shape)
    matrix = sp.csr_array(incidence.matrix[movies][:, actors])
    matrix.sort_indices()
    return Incidence(matrix, incidence.movie_ids[movies], incidence.actor_ids[actors]), movies


def reduced(incidence: Incidence, n_components: int, *, random_state=0, **options) -> Embedding:
    """Return the reduction of a matrix by our SVD; `options` are a weighting and the like."""
    weighting = options.get("weighting", "none")
    svd = make_svd(n_components, weighting=weighting, random_state=random_state)
    return reduce_movies(incidence, svd, **options)


def clustered(embedding: Embedding, algorithm="MiniBatchKMeans", **options) -> Clustering:
    """Return the clustering by one of our models; `options` are its parameters."""
    usual = {"n_init": 10, "max_iter": 100, "tol": 0.0, "random_state": 0}
    return cluster_movies(embedding, make_model(algorithm, **usual | options))


def recipe_of(preset: str, **changes) -> Recipe:
    """Return the recipe of a preset of the notebooks, with changes."""
    return Recipe.from_parameters(settings(preset, {}) | changes)


@st.composite
def corpora(draw) -> Corpus:
    """Any small corpus: castless, genreless and unrated movies, repeated credits and genres."""
    builder = CorpusBuilder()
    actors = st.lists(st.sampled_from("abcdefg"), max_size=5)
    genres = st.lists(st.sampled_from(["Drama", "War", "Comedy", "", "\\N"]), max_size=4)
    for number in range(draw(st.integers(1, 12))):
        cast = [(actor, actor.upper()) for actor in draw(actors)]
        rating = draw(st.none() | st.floats(0, 10))
        year = draw(st.none() | st.integers(1900, 2030))
        builder.add(f"m{number}", f"Movie {number}", draw(genres), cast, year=year, rating=rating)
    return builder.build()


@st.composite
def clustered_corpora(draw) -> tuple[Corpus, Clustering]:
    """Return any small corpus and any labels for it, with empty clusters too."""
    corpus = draw(corpora())
    n_clusters = draw(st.integers(1, 5))
    label = st.integers(0, n_clusters - 1)
    labels = draw(st.lists(label, min_size=corpus.n_movies, max_size=corpus.n_movies))
    return corpus, clustering_of(corpus, labels, n_clusters)
