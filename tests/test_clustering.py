"""Clusters: recovered where there are any, not where there are none; files; profiles."""

import numpy as np
import pandas as pd
import pytest
from corpora import TOY_LABELS, clustering_of, toy_corpus
from sklearn.metrics import adjusted_rand_score

from imdbclust.clustering import (
    Clustering,
    cluster_movies,
    membership,
    profile_clusters,
    read_movie_to_cluster,
    standouts,
    write_movie_to_cluster,
)
from imdbclust.datasets.sample import make_filmography
from imdbclust.load import CorpusBuilder
from imdbclust.matrix import build_incidence
from imdbclust.reduction import reduce_movies

K_MEANS = {"n_init": 10, "max_iter": 100, "tol": 0.0, "reassignment_ratio": 0.01}


def two_troupes(mix: float, seed: int = 0):
    """Return 60 movies of two troupes of four actors; `mix` of the casts come from anywhere."""
    rng = np.random.default_rng(seed)
    builder, truth = CorpusBuilder(), np.arange(60) % 2
    for movie, troupe in enumerate(truth):
        pool = np.arange(8) if rng.random() < mix else np.arange(4) + 4 * troupe
        cast = [(f"a{actor}", f"A{actor}") for actor in rng.choice(pool, 3, replace=False)]
        builder.add(f"m{movie}", f"T{movie}", [], cast)
    return builder.build(), truth


def ari_of(mix: float) -> float:
    corpus, truth = two_troupes(mix)
    embedding = reduce_movies(build_incidence(corpus), n_components=2, random_state=0)
    found = cluster_movies(embedding, n_clusters=2, random_state=0, **K_MEANS)
    return adjusted_rand_score(truth, found.labels)


def test_troupes_are_found_where_they_are_and_only_there():
    assert ari_of(mix=0.0) == 1.0
    assert ari_of(mix=1.0) < 0.2


def test_the_seed_decides_and_inertia_is_the_sum_of_squared_distances():
    corpus, _ = two_troupes(0.3)
    embedding = reduce_movies(build_incidence(corpus), n_components=3, random_state=0)
    one, two = (
        cluster_movies(embedding, n_clusters=4, random_state=5, **K_MEANS) for _ in range(2)
    )
    assert (one.labels == two.labels).all()
    distances = ((embedding.scores - one.centers[one.labels]) ** 2).sum()
    assert one.inertia == pytest.approx(distances, rel=1e-6)


@pytest.mark.parametrize("n_clusters", [0, 61])
def test_an_impossible_number_of_clusters_is_refused(n_clusters):
    corpus, _ = two_troupes(0.0)
    embedding = reduce_movies(build_incidence(corpus), n_components=2, random_state=0)
    with pytest.raises(ValueError, match="is impossible: there are 60 movies"):
        cluster_movies(embedding, n_clusters=n_clusters, random_state=0, **K_MEANS)


def test_sizes_count_empty_clusters_too():
    clustering = clustering_of(toy_corpus(), TOY_LABELS, n_clusters=4)
    assert clustering.sizes().to_dict() == {0: 3, 1: 3, 2: 2, 3: 0}


def test_movie_to_cluster_keeps_every_id_as_it_is(tmp_path):
    ids = ["NA", "007", "null", 'a "quoted", one', "", "tt1"]
    table = pd.DataFrame({"movie_id": ids, "cluster": [0, 1, 2, 3, 4, 5]})
    write_movie_to_cluster(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith("movie_id,cluster\nNA,0\n007,1\n")
    again = read_movie_to_cluster(tmp_path / "t.csv")
    assert again["movie_id"].tolist() == ids
    assert again["cluster"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("movie,cluster\na,1\n", "t.csv: the column movie_id is missing"),
        ("movie_id,cluster\na,1\na,2\n", "the movie 'a' stands there twice"),
        ("movie_id,cluster\na,one\n", "every cluster has to be a whole number"),
        ("movie_id,cluster\na,1.5\n", "every cluster has to be a whole number"),
    ],
)
def test_a_bad_movie_to_cluster_is_refused(text, pattern, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=pattern):
        read_movie_to_cluster(tmp_path / "t.csv")


def test_membership_counts_by_cluster():
    counts = membership(TOY_LABELS, 3) @ build_incidence(toy_corpus()).matrix
    assert counts.toarray()[:, 0].tolist() == [3, 0, 0]  # Ada, of three movies in cluster 0
    assert counts.toarray().sum() == 12


def test_standouts_by_hand():
    genres, names = toy_corpus().genre_matrix()
    sizes = clustering_of(toy_corpus(), TOY_LABELS).sizes()
    table = standouts(membership(TOY_LABELS, 3) @ genres, sizes, genres.sum(axis=0), names)
    drama = table[(table["cluster"] == 0) & (table["name"] == "Drama")].iloc[0]
    assert drama["lift"] == pytest.approx((2 / 3) / (3 / 8))
    assert (drama["n_in_cluster"], drama["n_in_all"]) == (2, 3)
    assert table[table["cluster"] == 0]["name"].tolist() == ["War", "Drama"]
    assert (table["lift"] > 1).all()


def test_profiles_name_a_cluster_by_what_stands_out():
    profiles = profile_clusters(
        toy_corpus(), clustering_of(toy_corpus(), TOY_LABELS, n_clusters=4), random_state=0
    )
    summary = profiles.summary.set_index("cluster")
    assert summary.loc[0, "name"] == "Ada, Bo: War, 1930s"
    assert summary.loc[3, "name"] == "no actor stands out: no genre stands out"
    assert summary["movies"].tolist() == [3, 3, 2, 0]
    assert set(summary.loc[1, "titles"].split("; ")) == {"Four", "Five", "Six"}
    assert summary.loc[3, "titles"] == ""
    assert profiles.decades[profiles.decades["cluster"] == 1]["movies"].sum() == 2


def test_a_clustering_of_other_movies_is_refused():
    corpus = make_filmography(8, 8, n_troupes=2, random_state=0).corpus
    with pytest.raises(ValueError, match="other movies"):
        profile_clusters(corpus, clustering_of(toy_corpus(), TOY_LABELS), random_state=0)


def test_saved_and_read_back_it_is_the_same(tmp_path):
    clustering = clustering_of(toy_corpus(), TOY_LABELS)
    clustering.save(tmp_path)
    again = Clustering.load(tmp_path)
    assert (again.labels == clustering.labels).all()
    assert again.inertia == clustering.inertia
    assert again.movie_ids.equals(clustering.movie_ids)
    assert (tmp_path / "movie_to_cluster.csv").is_file()
