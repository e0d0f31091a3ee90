"""Clusters: recovered where there are any, not where there are none; files; profiles; centers."""

import numpy as np
import pandas as pd
import pytest
from corpora import (
    TOY_LABELS,
    clustered,
    clustered_corpora,
    clustering_of,
    recipe_of,
    reduced,
    toy_corpus,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN, AgglomerativeClustering, BisectingKMeans
from sklearn.metrics import adjusted_rand_score

from imdbclust.clustering import (
    UNPLACED,
    Clustering,
    cluster_movies,
    label_places,
    make_model,
    neighbouring_clusters,
    read_movie_to_cluster,
    typical_movies,
    write_movie_to_cluster,
)
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.load import CorpusBuilder
from imdbclust.matrix import build_incidence
from imdbclust.reduction import Embedding

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
    embedding = reduced(build_incidence(corpus), 2)
    found = clustered(embedding, n_clusters=2, **K_MEANS)
    return adjusted_rand_score(truth, found.labels)


def test_troupes_are_found_where_they_are_and_only_there():
    assert ari_of(mix=0.0) == 1.0
    assert ari_of(mix=1.0) < 0.2


def test_the_seed_decides_and_inertia_is_the_sum_of_squared_distances():
    corpus, _ = two_troupes(0.3)
    embedding = reduced(build_incidence(corpus), 3)
    one, two = (clustered(embedding, n_clusters=4, random_state=5, **K_MEANS) for _ in range(2))
    assert (one.labels == two.labels).all()
    distances = ((embedding.scores - one.centers[one.labels]) ** 2).sum()
    assert one.inertia == pytest.approx(distances, rel=1e-6)


@pytest.mark.parametrize("n_clusters", [0, 61])
def test_an_impossible_number_of_clusters_is_refused(n_clusters):
    corpus, _ = two_troupes(0.0)
    embedding = reduced(build_incidence(corpus), 2)
    with pytest.raises(ValueError, match="is impossible: there are 60 movies"):
        clustered(embedding, n_clusters=n_clusters, **K_MEANS)


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
        ("movie_id,cluster\na,1\na,2\n", "duplicate movie 'a'"),
        ("movie_id,cluster\na,one\n", "every cluster must be an integer"),
        ("movie_id,cluster\na,1.5\n", "every cluster must be an integer"),
    ],
)
def test_a_bad_movie_to_cluster_is_refused(text, pattern, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=pattern):
        read_movie_to_cluster(tmp_path / "t.csv")


def test_membership_counts_by_cluster():
    clustering = clustering_of(toy_corpus(), TOY_LABELS)
    counts = clustering.membership() @ build_incidence(toy_corpus()).matrix
    assert counts.toarray()[:, 0].tolist() == [3, 0, 0]  # Ada, of three movies in cluster 0
    assert counts.toarray().sum() == 12


def test_saved_and_read_back_it_is_the_same(tmp_path):
    clustering = clustering_of(toy_corpus(), TOY_LABELS)
    clustering.save(tmp_path)
    again = Clustering.load(tmp_path)
    assert (again.labels == clustering.labels).all()
    assert again.inertia == clustering.inertia
    assert again.movie_ids.equals(clustering.movie_ids)
    assert (tmp_path / "movie_to_cluster.csv").is_file()


# KMeans, which leaves movies unplaced

UNPLACED_LABELS = np.array([0, 0, 0, 1, 1, 1, UNPLACED, UNPLACED])


def space(scores, movie_ids=None):
    """Return an embedding of movies that lie at these places."""
    scores = np.array(scores, dtype=float)
    ids = pd.Index(movie_ids if movie_ids is not None else [f"m{n}" for n in range(len(scores))])
    components = np.eye(scores.shape[1])
    made = {"n_components": scores.shape[1], "weighting": "none"}
    actors = pd.Index([f"a{n}" for n in range(len(components))])
    ones = np.ones(len(components))
    return Embedding(scores, components, components, ones, ones, ids, actors, made)


def k_means(embedding, n_clusters, seed=0):
    options = K_MEANS | {"tol": 1e-9, "algorithm": "KMeans"}
    return clustered(embedding, n_clusters=n_clusters, random_state=seed, **options)


@pytest.fixture(scope="module")
def films():
    return make_filmography(600, 500, castless=0.05, random_state=4)


@pytest.fixture(scope="module")
def embedding(films):
    return recipe_of("recommended").reduce(build_incidence(films.corpus), 1)


@pytest.fixture(scope="module")
def clustering(embedding):
    return k_means(embedding, 16)


def test_clusters_are_numbered_by_falling_size(clustering):
    sizes = clustering.sizes()
    assert sizes.index.tolist() == [*range(16), UNPLACED]
    assert sizes.drop(UNPLACED).is_monotonic_decreasing
    assert sizes.drop(UNPLACED).min() > 0


def test_unplaced_are_the_movies_that_lie_nowhere_and_no_others(films, embedding, clustering):
    assert ((clustering.labels == UNPLACED) == ~embedding.scores.any(axis=1)).all()
    assert (clustering.labels[films.corpus.cast_sizes() == 0] == UNPLACED).all()
    assert clustering.sizes()[UNPLACED] >= 30
    assert (clustering.placed == embedding.placed).all()


def test_groups_codes_sizes_and_membership_are_one_partition(films, clustering):
    sizes, member = clustering.sizes(), clustering.membership()
    assert sizes.sum() == films.corpus.n_movies
    assert sizes.index.equals(clustering.groups)
    assert (clustering.groups.to_numpy()[clustering.codes] == clustering.labels).all()
    assert member.shape == (17, films.corpus.n_movies)
    assert (member.sum(axis=0) == 1).all()
    assert member.sum(axis=1).tolist() == sizes.tolist()
    for place, cluster in enumerate(clustering.groups):
        assert (member.toarray()[place] == (clustering.labels == cluster)).all()


@given(clustered_corpora(), st.data())
@settings(max_examples=60, deadline=None)
def test_any_labels_some_of_them_unplaced_are_one_partition(case, data):
    corpus, clustering = case
    some = data.draw(st.lists(st.booleans(), min_size=corpus.n_movies, max_size=corpus.n_movies))
    labels = np.where(some, UNPLACED, clustering.labels)
    clustering = clustering_of(corpus, labels, clustering.n_clusters)
    assert clustering.sizes().sum() == corpus.n_movies
    assert (UNPLACED in clustering.groups) == any(some)
    assert (clustering.groups.to_numpy()[clustering.codes] == labels).all()
    assert clustering.membership().sum(axis=1).tolist() == clustering.sizes().tolist()


def test_groups_by_hand():
    clustering = clustering_of(toy_corpus(), UNPLACED_LABELS, n_clusters=3)
    assert clustering.sizes().to_dict() == {0: 3, 1: 3, 2: 0, UNPLACED: 2}
    assert clustering.codes.tolist() == [0, 0, 0, 1, 1, 1, 3, 3]
    assert clustering.placed.tolist() == [True] * 6 + [False] * 2
    assert (clustering_of(toy_corpus(), TOY_LABELS).groups == [0, 1, 2]).all()


def test_fitted_movies_are_nearest_to_the_center_of_their_cluster(embedding, clustering):
    again = clustering.nearest(embedding.scores)
    assert (again == clustering.labels).mean() > 0.998
    assert (again[~clustering.placed] == UNPLACED).all()
    assert again.dtype == np.int32
    for cluster in range(16):
        middle = embedding.scores[clustering.labels == cluster].mean(axis=0)
        np.testing.assert_allclose(clustering.centers[cluster], middle, atol=1e-6)
    placed = clustering.placed
    gone = embedding.scores[placed] - clustering.centers[clustering.labels[placed]]
    assert clustering.inertia == pytest.approx((gone**2).sum(), rel=1e-6)


def test_nearest_by_hand_and_nowhere_only_where_movies_may_lie_nowhere():
    places = [[0, 2], [0, 2.1], [0, 1.9], [3, 0], [3.1, 0]]
    new = [[0.1, 1.5], [2, 1], [0, 0]]
    assert k_means(space(places), 2).nearest(np.array(new)).tolist() == [0, 1, 0]
    with_nowhere = k_means(space([*places, [0, 0]]), 2)
    assert with_nowhere.labels.tolist() == [0, 0, 0, 1, 1, UNPLACED]
    assert with_nowhere.nearest(np.array(new)).tolist() == [0, 1, UNPLACED]


def test_the_order_of_movies_does_not_matter_to_k_means(embedding, clustering):
    order = np.random.default_rng(0).permutation(len(embedding.scores))
    mixed = space(embedding.scores[order], embedding.movie_ids[order])
    again = k_means(mixed, 16)
    assert (again.labels == clustering.labels[order]).all()
    assert (again.centers == clustering.centers).all()


@pytest.mark.parametrize("seed", range(5))
def test_clusters_of_equal_size_are_numbered_by_their_smallest_movie_id(seed):
    corners = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [0, -1]], dtype=float)
    order = np.random.default_rng(seed).permutation(15)
    ids = np.array([f"m{number:02}" for number in range(15)])
    found = k_means(space(corners[order % 5], pd.Index(ids[order])), 4)
    assert dict(zip(ids[order], found.labels, strict=True)) == {
        name: [1, 2, 3, 0, 0][number % 5] for number, name in enumerate(ids)
    }


def test_planted_troupes_are_found_by_k_means(films, clustering):
    placed = clustering.placed
    assert adjusted_rand_score(films.movie_troupe[placed], clustering.labels[placed]) > 0.8


@pytest.mark.parametrize("n_clusters", [0, 5])
def test_more_clusters_than_placed_movies_are_refused(n_clusters):
    embedding = space([[1, 0], [2, 0], [0, 1], [0, 2], [0, 0]])
    with pytest.raises(ValueError, match="is impossible: there are 4 movies to cluster"):
        k_means(embedding, n_clusters)
    assert k_means(embedding, 4).sizes().to_dict() == {0: 1, 1: 1, 2: 1, 3: 1, UNPLACED: 1}


def test_an_unknown_algorithm_is_refused(embedding):
    with pytest.raises(
        ValueError, match="must be one of MiniBatchKMeans, KMeans, nested, not 'DBSCAN'"
    ):
        clustered(embedding, n_clusters=2, **K_MEANS | {"algorithm": "DBSCAN"})


def test_the_fitted_model_is_kept_and_the_given_one_left_alone(embedding, tmp_path):
    model = make_model("KMeans", n_clusters=4, n_init=2, max_iter=50, tol=0.0, random_state=3)
    found = cluster_movies(embedding, model)
    assert not hasattr(model, "labels_")
    assert found.model.get_params() == model.get_params()
    assert found.inertia == found.model.inertia_
    found.save(tmp_path)
    assert Clustering.load(tmp_path).model is None


@pytest.mark.parametrize(
    "model",
    [AgglomerativeClustering(3), BisectingKMeans(3, random_state=0), DBSCAN(eps=1, min_samples=2)],
    ids=lambda model: type(model).__name__,
)
def test_any_clusterer_of_scikit_learn_may_take_the_place_of_k_means(model):
    middles = np.repeat([[9.0, 0], [0, 9], [-9, -9], [0, 0]], [3, 9, 6, 1], axis=0)
    scores = middles + np.linspace(0, 0.1, 19)[:, None] * middles
    found = cluster_movies(space(scores), model)
    assert found.labels.tolist() == [2] * 3 + [0] * 9 + [1] * 6 + [UNPLACED]
    for cluster in range(3):
        middle = scores[found.labels == cluster].mean(axis=0)
        np.testing.assert_allclose(found.centers[cluster], middle, atol=1e-12)
    gone = scores[found.placed] - found.centers[found.labels[found.placed]]
    assert found.inertia == pytest.approx((gone**2).sum())


def test_movies_that_a_clusterer_takes_for_noise_are_unplaced():
    scores = [[1, 0], [1.1, 0], [0, 1], [0, 1.1], [0, 1.2], [50, 50]]
    found = cluster_movies(space(scores), DBSCAN(eps=0.3, min_samples=2))
    assert found.labels.tolist() == [1, 1, 0, 0, 0, UNPLACED]
    np.testing.assert_allclose(found.centers, [[0, 1.1], [1.05, 0]])


def test_a_clusterer_that_finds_no_cluster_is_refused():
    with pytest.raises(ValueError, match="DBSCAN found no cluster among 3 movies"):
        cluster_movies(space([[0.0, 9], [9, 0], [-9, -9]]), DBSCAN(eps=0.1))


def test_unplaced_movies_stand_in_the_file_and_come_back(embedding, clustering, tmp_path):
    clustering.save(tmp_path)
    table = read_movie_to_cluster(tmp_path / "movie_to_cluster.csv")
    assert table["cluster"].tolist() == clustering.labels.tolist()
    assert (table["cluster"] == UNPLACED).sum() == clustering.sizes()[UNPLACED]
    assert ",-1\n" in (tmp_path / "movie_to_cluster.csv").read_text()
    again = Clustering.load(tmp_path)
    assert again.groups.equals(clustering.groups)
    assert (again.nearest(embedding.scores) == clustering.nearest(embedding.scores)).all()


# centers, and what lies near them


@pytest.fixture
def plane():
    """Return the toy's movies in a plane: centers (0, 0), (10, 0), (0, 30); m8 lies nowhere."""
    scores = [[1, 0], [0, 1], [4, 0], [11, 0], [11, 0], [7, 0], [0, 30], [0, 0]]
    labels = np.array([0, 0, 0, 1, 1, 1, 2, UNPLACED], dtype=np.int32)
    ids = toy_corpus().movies["movie_id"]
    centers = np.array([[0.0, 0], [10, 0], [0, 30]])
    return space(scores, ids), Clustering(labels, centers, 0.0, pd.Index(ids))


def test_typical_and_borderline_movies_by_hand(plane):
    table = typical_movies(toy_corpus(), *plane, n=2)
    rows = table.set_index(["cluster", "kind"])
    # One and Two lie 1 from their center; Two has more votes, 30 to 10
    assert rows.loc[(0, "typical"), "movie_id"].tolist() == ["m2", "m1"]
    assert rows.loc[(0, "borderline"), "movie_id"].tolist() == ["m3", "m1"]
    # Four and Five lie on one spot; Five has no votes at all
    assert rows.loc[(1, "typical"), "movie_id"].tolist() == ["m4", "m5"]
    assert rows.loc[(1, "borderline"), "movie_id"].tolist() == ["m6", "m4"]
    assert rows.loc[[(2, "typical")], "movie_id"].tolist() == ["m7"]
    assert rows.loc[[(2, "borderline")], "movie_id"].tolist() == ["m7"]
    assert table["cluster"].tolist() == sorted(table["cluster"])
    assert UNPLACED not in set(table["cluster"])
    border = rows.loc[(0, "borderline")].iloc[0]
    assert (border["title"], border["year"]) == ("Three", 1940)
    assert border["distance"] == pytest.approx(4)
    assert (border["next_cluster"], border["next_distance"]) == (1, pytest.approx(6))
    assert rows.loc[[(2, "typical")], "next_cluster"].tolist() == [0]
    assert rows.loc[[(2, "typical")], "next_distance"].tolist() == pytest.approx([30])


def test_typical_movies_are_at_most_so_many_of_a_kind(films, embedding, clustering):
    table = typical_movies(films.corpus, embedding, clustering, n=3)
    assert table.groupby(["cluster", "kind"]).size().unique().tolist() == [3]
    assert (table["next_distance"] >= table["distance"] - 1e-9).all()
    assert (table["next_cluster"] != table["cluster"]).all()


def test_one_cluster_has_typical_movies_and_nothing_next_to_it(plane):
    embedding, clustering = plane
    labels = np.where(clustering.placed, 0, UNPLACED)
    alone = Clustering(labels, clustering.centers[:1], 0.0, clustering.movie_ids)
    table = typical_movies(toy_corpus(), embedding, alone, n=1)
    assert table["movie_id"].tolist() == ["m2", "m2"]
    assert table[["next_cluster", "next_distance"]].isna().all(axis=None)
    assert neighbouring_clusters(alone).empty
    assert list(neighbouring_clusters(alone)) == ["cluster", "neighbour", "distance"]


def test_neighbours_by_hand(plane):
    table = neighbouring_clusters(plane[1])
    assert table["cluster"].tolist() == [0, 1, 2]
    assert table["neighbour"].tolist() == [1, 0, 0]
    assert table["distance"].tolist() == pytest.approx([10, 10, 30])


def test_a_label_belongs_where_its_group_is_densest():
    points = pd.DataFrame(
        {
            "x": [0.0, 0.1, 0.2, 0.1, 9.0, 10.0, 5.0, 5.0],
            "y": [0.0, 0.1, 0.0, 0.05, 9.0, 10.0, 5.0, 5.0],
            "cluster": [0] * 6 + [1] * 2,
        }
    )
    places = label_places(points, pd.Series({0: "#0 A", 1: "#1 B"}))
    assert places["label"].tolist() == ["#0 A"]  # the other has too few points
    assert places["x"].iloc[0] < 1  # not the mean, where none of its points lies
