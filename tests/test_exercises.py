"""The answers that the exercises of the notebooks give, computed again on the made-up films."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import logit
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

from imdbclust import probabilities as pr
from imdbclust import reduction as rd
from imdbclust.clustering import cluster_movies, make_model
from imdbclust.datasets.find import find_dataset
from imdbclust.evaluation import sweeps
from imdbclust.matrix import Incidence, build_incidence, find_components
from imdbclust.running.parameters import declared
from imdbclust.running.stages import cells_of


def answers(stage):
    """Return the answers that the exercises of a notebook give."""
    (cell,) = [cell for cell in cells_of(stage) if cell["id"] == "exercises"]
    return re.findall(r"Answer: (.+)\.$", "".join(cell["source"]), re.MULTILINE)


@pytest.fixture(scope="module")
def corpus():
    return find_dataset("sample").read()


@pytest.fixture(scope="module")
def incidence(corpus):
    return build_incidence(corpus)


def test_of_the_first_chapter(corpus):
    careers = corpus.credits["actor"].value_counts()
    busy = careers[careers >= 10].sum() / careers.sum()
    movies = corpus.genres.groupby("genre", observed=True)["movie"].agg(set)
    both = len(movies["Crime"] & movies["Drama"]) / len(movies["Crime"])
    dramas = len(movies["Drama"]) / corpus.n_movies
    expected = [f"{100 * busy:.1f} %", f"{100 * both:.1f} %, compared with {100 * dramas:.1f} %"]
    assert answers("load") == expected


def test_of_the_matrix(incidence):
    pairs = sp.triu(incidence.matrix @ incidence.matrix.T, k=1).nnz
    few = incidence.movies_per_actor() <= 20
    rest = Incidence(incidence.matrix[:, few], incidence.movie_ids, incidence.actor_ids[few])
    left, all_ = find_components(rest).n_largest, find_components(incidence).n_largest
    compared = f"{left:,}, compared with {all_:,} with all actors"
    assert answers("matrix") == [f"{pairs:,} pairs", compared]


@pytest.mark.slow
def test_of_the_reduction(incidence):
    embedding = rd.reduce_movies(incidence, rd.make_svd(32, random_state=31337))
    by_hand = incidence.matrix[[0]] @ embedding.components.T
    difference = np.abs(by_hand - embedding.scores[0]).max()
    enough = int((rd.scree_table(embedding)["cumulative_share"] >= 0.01).argmax()) + 1
    assert difference < 0.000001
    assert answers("reduction") == ["less than 0.000001", str(enough)]


def test_of_the_sweep():
    apart = 2 * np.sqrt(0.02**2 / 5 + 0.02**2 / 5)
    ranked = pd.DataFrame({"spread": 0.02, "repeats": 5, "mean": [1, 1 - apart + 1e-9, 0.97]})
    assert sweeps.tied_with_best(ranked).index.tolist() == [1]
    values = pd.DataFrame({"axis": [1, 1, 2, 2], "bits": [0, 2, 2, 4], "status": "done"})
    explained = sweeps.importance(values, ["axis"], ["bits"])["bits"].item()
    assert answers("sweep") == [f"more than {apart:.4f}", f"{100 * explained:.0f} %"]


@pytest.mark.slow
def test_of_the_clusters_and_the_probabilities(corpus, incidence):
    embedding = rd.reduce_movies(incidence, rd.make_svd(32, random_state=31337))
    recipe = {name: one.default for name, one in declared().items()}
    names = ("algorithm", "n_clusters", "n_init", "max_iter", "tol", "reassignment_ratio")
    model = make_model(**{name: recipe[name] for name in names}, random_state=31337)
    clustering = cluster_movies(embedding, model)
    doubled = clone(model).fit(2 * embedding.scores)
    factor = doubled.inertia_ / clustering.inertia
    changed = (doubled.labels_ != clustering.labels).mean()
    similar = adjusted_rand_score(corpus.movies["year"] // 10, clustering.labels)
    assert answers("clustering") == [f"{factor:g}, and {100 * changed:.0f} %", f"{similar:.2f}"]
    crime = pd.Series(clustering.labels[pr.evidence(corpus, genre="Crime")])
    largest = crime.value_counts(normalize=True).max()
    record = (2 + 4 * 0.05) / (2 + 4)
    bits = (logit(record) - logit(0.05)) / np.log(2)
    assert answers("probabilities") == [f"{100 * largest:.1f} %", f"{bits:.2f} bits"]
