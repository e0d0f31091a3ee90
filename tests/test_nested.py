"""The nested recipe: levels within each other, found where they are planted; files; new movies."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL
from corpora import clustering_of, corpora, incidence_of, recipe_of, reordered, toy_corpus
from hypothesis import given, settings
from sklearn.metrics import adjusted_rand_score

from imdbclust import MovieClusters, read_table
from imdbclust import evaluation as ev
from imdbclust.clustering import UNPLACED, Clustering, read_movie_to_cluster, write_movie_to_cluster
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.evaluation.levels import INDENT, level_names
from imdbclust.evaluation.recipe import Effort, NestedRecipe, count_eras, share_out
from imdbclust.evaluation.stability import compare_fits
from imdbclust.load import CorpusBuilder
from imdbclust.matrix import build_incidence
from imdbclust.new_movies import LevelModel
from imdbclust.new_movies.cast_model import CastModel
from imdbclust.running.run import run

LEVELS = ("era", "cluster", "subgroup")


def nested(n_clusters, *, n_eras=1, n_subgroups=0, n_components=8) -> NestedRecipe:
    recipe = recipe_of("nested", n_eras=n_eras, n_subgroups=n_subgroups, n_components=n_components)
    return recipe.with_(n_clusters=n_clusters, n_init=4)


def planted(n_movies=320, seed=0):
    """Return movies of two eras of two troupes of two halves, and the half of each movie."""
    rng = np.random.default_rng(seed)
    builder, halves = CorpusBuilder(), np.arange(n_movies) % 8
    for movie, half in enumerate(halves):
        cast = [f"h{half}-{one}" for one in rng.choice(6, 3, replace=False)]
        cast += [f"t{half // 2}-{one}" for one in rng.choice(6, 2, replace=False)]
        cast += [f"e{half // 4}-{rng.integers(8)}"]
        if movie % 20 == 0:
            cast.append("everywhere")
        people = [(actor, actor.upper()) for actor in cast]
        year = 1930 + 50 * (half // 4) + movie % 10
        builder.add(f"m{movie:03}", f"T{movie}", [f"G{half // 2}"], people, year=year)
    return builder.build(), halves


@pytest.fixture(scope="module")
def troupes():
    corpus, halves = planted()
    incidence = build_incidence(corpus)
    return corpus, incidence, halves


@pytest.fixture(scope="module")
def divided(troupes) -> Clustering:
    return nested(4, n_eras=2, n_subgroups=8).divide(troupes[1], 0)


def labels_at(clustering: Clustering, level: str) -> np.ndarray:
    return clustering.labels if level == "cluster" else clustering.levels[level]


def check_levels(clustering: Clustering) -> None:
    """Check that the levels are within each other, without gaps, and in their order."""
    table = clustering.to_frame()
    levels = [level for level in LEVELS if level in table]
    for level in levels:
        assert labels_at(clustering, level).dtype == np.int32
        assert ((table[level] == UNPLACED) == ~clustering.placed).all()
        placed = table.loc[clustering.placed, level]
        assert sorted(placed.unique()) == list(range(placed.max() + 1))
    for outer, inner in pairwise(levels):
        assert len(table[[outer, inner]].drop_duplicates()) == table[inner].nunique()
    sizes = clustering.sizes().drop(UNPLACED, errors="ignore").to_numpy()
    assert (np.diff(sizes) <= 0).all()
    if "subgroup" in levels:
        groups = table[clustering.placed].groupby(["cluster", "subgroup"]).size().reset_index()
        assert groups["subgroup"].is_monotonic_increasing
        falling = groups.groupby("cluster")[0].apply(lambda one: (one.diff().dropna() <= 0).all())
        assert falling.all()


def test_planted_levels_are_found(troupes, divided):
    halves = troupes[2]
    for level, truth in zip(LEVELS, (halves // 4, halves // 2, halves), strict=True):
        assert adjusted_rand_score(truth, labels_at(divided, level)) >= 0.95, level
    check_levels(divided)


def test_the_number_of_eras_follows_the_years():
    century = pd.Series([*range(1900, 2001)] + [pd.NA] * 7, dtype="Int64")
    assert count_eras(century) == 4  # (1995 - 1905) / 25 = 3.6
    assert count_eras(century[:60]) == 2  # 53.1 / 25
    assert count_eras(pd.Series([2000] * 9, dtype="Int64")) == 1
    assert count_eras(pd.Series([pd.NA], dtype="Int64")) == count_eras(None) == 1


def test_parts_go_to_the_group_with_most_roots_of_movies_a_part():
    sizes = np.array([900, 400, 100])  # roots 30, 20, 10
    assert share_out(sizes, 3).tolist() == [1, 1, 1]
    assert share_out(sizes, 4).tolist() == [2, 1, 1]
    assert share_out(sizes, 5).tolist() == [2, 2, 1]
    assert share_out(sizes, 6).tolist() == [3, 2, 1]
    assert share_out(sizes, 2).tolist() == [1, 1, 1]  # every group has a part


def test_with_one_era_the_clusters_are_those_of_the_flat_recipe(troupes):
    incidence = troupes[1]
    recipe, flat = nested(4, n_subgroups=8), recipe_of("recommended", n_components=8)
    found = recipe.divide(incidence, 3)
    expected = flat.with_(n_clusters=4, n_init=4)
    expected = expected.cluster(expected.reduce(incidence, 3), 3)
    assert (found.labels == expected.labels).all()
    assert list(found.levels) == ["subgroup"]
    check_levels(found)
    assert not nested(4).divide(incidence, 3).levels


def test_the_order_of_rows_and_columns_changes_no_level(troupes, divided):
    other, movies = reordered(troupes[1], 5)
    again = nested(4, n_eras=2, n_subgroups=8).divide(other, 0)
    for level in LEVELS:
        assert (labels_at(divided, level)[movies] == labels_at(again, level)).all()


def test_a_group_with_fewer_components_than_parts_has_fewer_parts():
    troupe = np.eye(6)[[0, 0, 1, 1, 2, 2]]  # three pairs of movies: three components
    clones = np.ones((6, 3))  # one cast: one component
    rows = np.block([[troupe, np.zeros((6, 3))], [np.zeros((6, 6)), clones]])
    rows[:6, 5] = 1  # links the three pairs
    recipe = nested(2, n_subgroups=12, n_components=2)
    found = recipe.divide(incidence_of(rows), 0)
    subgroups = found.levels["subgroup"]
    assert adjusted_rand_score([0] * 6 + [1] * 6, found.labels) == 1
    assert len(set(subgroups[6:])) == 1
    assert adjusted_rand_score([0, 0, 1, 1, 2, 2], subgroups[:6]) == 1


@pytest.mark.parametrize("n_eras", [1, 2])
def test_levels_of_the_unweighted_matrix_are_possible(troupes, n_eras):
    recipe = recipe_of("seed", algorithm="nested", n_eras=n_eras, n_subgroups=8, n_components=8)
    found = recipe.with_(n_clusters=4, n_init=1).divide(troupes[1], 0)
    check_levels(found)


def test_too_few_movies_are_refused_with_the_numbers():
    incidence = incidence_of(np.kron(np.eye(3), np.ones((2, 2))))  # three pairs of movies
    with pytest.raises(ValueError, match="n_clusters = 9 is impossible: there are 6 movies to"):
        nested(9, n_eras=3).divide(incidence, 0)
    with pytest.raises(ValueError, match="no actor plays in two movies"):
        nested(2, n_eras=2).divide(incidence_of(np.eye(5)), 0)


@settings(max_examples=20, deadline=None)
@given(corpora())
def test_any_corpus_has_consistent_levels_or_is_refused(corpus):
    incidence = build_incidence(corpus)
    for n_eras in (1, 3):
        recipe = nested(3, n_eras=n_eras, n_subgroups=7, n_components=2).with_(n_init=1)
        try:
            found = recipe.divide(incidence, 1)
        except ValueError as error:
            if not re.search(r"impossible|no actor|no movie", str(error)):
                raise
        else:
            check_levels(found)


def test_files_keep_the_levels(divided, tmp_path):
    clustering = replace(divided, inertia=1.5)
    clustering.save(tmp_path)
    table = read_movie_to_cluster(tmp_path / "movie_to_cluster.csv")
    assert list(table) == ["movie_id", "cluster", "era", "subgroup"]
    pd.testing.assert_frame_equal(table, clustering.to_frame(), check_dtype=False)
    again = Clustering.load(tmp_path)
    for level in LEVELS:
        assert (labels_at(again, level) == labels_at(clustering, level)).all()
    assert list(again.levels) == ["era", "subgroup"]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("movie_id,cluster,era\na,0,0\nb,0,1\n", "cluster 0 is in more than one era"),
        ("movie_id,cluster,subgroup\na,0,5\nb,1,5\n", "subgroup 5 is in more than one cluster"),
        ("movie_id,cluster,subgroup\na,0,x\n", "every subgroup must be an integer"),
    ],
)
def test_levels_that_cannot_be_are_refused(text, pattern, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=pattern):
        read_movie_to_cluster(tmp_path / "t.csv")


def test_a_flat_clustering_has_no_further_columns(tmp_path):
    flat = clustering_of(toy_corpus(), [0, 0, 0, 1, 1, 1, 2, 2])
    write_movie_to_cluster(flat.to_frame(), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith("movie_id,cluster\nm1,0\n")


# new movies


def by_hand() -> tuple[np.ndarray, Clustering]:
    """Return casts of actors a to d, and clusters 0 (subgroups 0, 1) and 1 (2), with eras."""
    rows = [[1, 0, 0, 0]] * 4 + [[0, 1, 0, 0]] * 3 + [[0, 0, 1, 0]] * 2
    labels = np.array([0] * 7 + [1] * 2, dtype=np.int32)
    incidence = incidence_of(rows)
    levels = {
        "era": np.array([1] * 7 + [0] * 2, dtype=np.int32),
        "subgroup": np.array([0] * 4 + [1] * 3 + [2] * 2, dtype=np.int32),
    }
    clustering = Clustering(labels, np.zeros((2, 0)), 0.0, incidence.movie_ids, levels=levels)
    return incidence.matrix, clustering


def test_new_movies_get_a_group_at_every_level():
    casts, clustering = by_hand()
    model = LevelModel(casts, clustering)
    new = incidence_of([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    found = model.place(new.matrix)
    assert found["cluster"].tolist() == [0, 0, 1, -1, -1]
    assert found["era"].tolist() == [1, 1, 0, -1, -1]
    assert found["subgroup"].tolist() == [0, 1, 2, -1, -1]
    given_cluster = model.place(new.matrix, np.array([1, 0, 0, 0, -1]))
    assert given_cluster["subgroup"].tolist() == [2, 1, 0, 0, -1]  # 0: the largest of cluster 0
    assert given_cluster["era"].tolist() == [0, 1, 1, 1, -1]


def test_the_subgroup_is_within_the_cluster_even_if_another_is_likelier():
    rows = [[1, 1]] * 3 + [[1, 0]] * 2 + [[0, 1]] * 4
    labels = np.array([0] * 3 + [0] * 2 + [1] * 4, dtype=np.int32)
    levels = {"subgroup": np.array([0] * 3 + [1] * 2 + [2] * 4, dtype=np.int32)}
    incidence = incidence_of(rows)
    clustering = Clustering(labels, np.zeros((2, 0)), 0.0, incidence.movie_ids, levels=levels)
    cast = incidence_of([[0, 1]]).matrix
    assert CastModel.learn(incidence.matrix, levels["subgroup"], 3).posterior(cast).argmax() == 2
    found = LevelModel(incidence.matrix, clustering).place(cast, np.array([0]))
    assert found["subgroup"].tolist() == [0]


def test_fits_take_in_other_movies_by_the_largest_posterior(troupes):
    incidence = troupes[1]
    recipe = nested(4, n_eras=2, n_subgroups=8)
    trained = incidence.select(np.arange(0, 320, 2))
    fit, new = recipe.fit(trained, 0), incidence.matrix[1::2]
    posterior = CastModel.learn(trained.matrix, fit.labels, 4).posterior(new)
    assert (fit.assign(new) == posterior.argmax(axis=1)).all()
    assert set(fit.levels) == {"era", "subgroup"}
    both = pd.DataFrame({"cluster": fit.assign(new), "era": fit.levels["era"].assign(new)})
    assert len(both.drop_duplicates()) == 4


def test_the_estimator_fits_levels_and_predicts_by_cast(troupes):
    corpus, incidence, halves = troupes
    options = {"algorithm": "nested", "n_init": 4, "n_components": 8, "random_state": 0}
    model = MovieClusters(4, **options, n_subgroups=8).fit(corpus)
    assert list(model.clustering_.levels) == ["era", "subgroup"]  # 1930 to 1989: two eras
    assert adjusted_rand_score(halves // 2, model.labels_) >= 0.95
    assert (model.predict(incidence.matrix) == model.labels_).mean() >= 0.95
    flat = MovieClusters(4, **options, n_subgroups=0).fit(incidence)
    assert not flat.clustering_.levels  # a matrix has no years


# the levels in reports


def test_the_tree_has_every_group_after_the_one_around_it(troupes, divided):
    corpus = troupes[0]
    tree = ev.level_tree(corpus, divided, random_state=0, names={2: "Mine"})
    paths = ["1", "1.1", "1.1.1", "1.1.2", "1.2", "1.2.1", "1.2.2"]
    assert tree["path"].tolist()[:7] == paths
    assert len(tree) == 2 + 4 + 8
    table = divided.to_frame()
    for row in tree.itertuples():
        depth = row.path.count(".")
        assert row.level == LEVELS[depth]
        assert row.movies == (table[row.level] == row.number).sum()
        assert row.name.count(INDENT) == depth
    assert tree["share"].iloc[0] == tree["movies"].iloc[0] / 320
    mine = tree[tree["name"] == INDENT + "Mine"]
    assert mine[["level", "number"]].to_numpy().tolist() == [["cluster", 2]]


def test_the_levels_are_measured_on_the_refits_of_the_evaluation():
    corpus = make_filmography(200, 160, random_state=7).corpus
    incidence = build_incidence(corpus)
    recipe = nested(4, n_eras=2, n_subgroups=8).with_(n_init=1)
    effort = Effort(n_seeds=3, n_subsamples=3, n_shuffles=1, n_permutations=5, n_casts=1, n_curve=1)
    whole = recipe.cluster(recipe.reduce(incidence, 1), 1, incidence)
    found = ev.evaluate(recipe.fit, corpus, incidence, effort, random_state=1)
    table = ev.measure_levels(found, corpus, incidence, whole).set_index("level")
    assert table.index.tolist() == level_names(whole) == list(LEVELS)
    middle = table.loc["cluster"]
    assert middle["ari_seeds"] == pytest.approx(found.ari("seeds"))
    assert middle["ari_subsamples"] == pytest.approx(found.ari("subsamples"))
    assert middle["assigned"] == pytest.approx(found.bits("likeliest"))
    assert middle["beyond_decade_posterior"] == pytest.approx(found.bits("beyond_decade_posterior"))
    assert middle["assigned_spread"] == pytest.approx(found.spread["likeliest"])
    inner = [(part.trained, part.fit.levels["subgroup"]) for part in found.parts]
    ari = compare_fits(inner)["ari"]
    assert table.loc["subgroup", "ari_subsamples"] == pytest.approx(ari.mean())
    assert table.loc["subgroup", "ari_subsamples_spread"] == pytest.approx(ari.std())
    sizes = np.bincount(whole.levels["era"][whole.placed])
    assert table.loc["era", "groups"] == len(sizes)
    assert table.loc["era", "largest_share"] == sizes.max() / sizes.sum()


def test_a_nested_recipe_is_not_tried_with_other_components():
    corpus = make_filmography(200, 160, random_state=7).corpus
    incidence = build_incidence(corpus)
    options = {"n_clusters": [4, 6], "n_components": [4, 8], "n_subsamples": 2, "random_state": 1}
    tried = ev.curves(nested(4, n_eras=2), corpus, incidence, **options)
    pairs = tried[["n_clusters", "n_components"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [[4, 8], [6, 8]]
    one_era = ev.curves(nested(4), corpus, incidence, **options)
    assert set(one_era["n_components"]) == {4, 8}


def test_the_centers_are_the_means_of_the_clusters(troupes):
    incidence = troupes[1]
    recipe = nested(4, n_eras=2)
    embedding = recipe.reduce(incidence, 0)
    found = recipe.cluster(embedding, 0, incidence)
    for cluster in range(4):
        inside = embedding.scores[found.labels == cluster]
        np.testing.assert_allclose(found.centers[cluster], inside.mean(axis=0))
    away = embedding.scores - found.centers[found.labels]
    assert found.inertia == pytest.approx((away**2).sum())


@pytest.mark.slow
def test_a_run_of_the_preset_shows_all_levels(films, tmp_path):
    parameters = SMALL | {"n_eras": 2, "n_subgroups": 12}
    folder = run(dataset=str(films), preset="nested", parameters=parameters, out=tmp_path)
    table = read_movie_to_cluster(folder / "movie_to_cluster.csv")
    assert list(table) == ["movie_id", "cluster", "era", "subgroup"]
    tree, levels = (
        read_table(folder / "tables" / f"{name}.csv") for name in ("level_tree", "levels")
    )
    assert tree["level"].value_counts().to_dict() == {"era": 2, "cluster": 6, "subgroup": 12}
    assert levels["level"].tolist() == ["era", "cluster", "subgroup"]
    stages = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["stages"]
    metrics = next(one["metrics"] for one in stages if one["stage"] == "04_clustering")
    middle = levels.set_index("level").loc["cluster"]
    assert middle["ari_subsamples"] == pytest.approx(metrics["ari_subsamples"])
    assert middle["posterior"] == pytest.approx(metrics["held_out_bits_posterior"])
    page = (folder / "04_clustering.html").read_text(encoding="utf-8")
    assert "There are 2 eras of" in page
