"""Degenerate films: a sentence says which results cannot be computed, and why."""

import json
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from corpora import clustered, clustering_of, incidence_of, recipe_of, reduced, toy_corpus
from degenerate import (
    GO_THROUGH,
    LONERS,
    OF_NO_CAST,
    PAIRS,
    SEED_ONLY,
    USUAL,
    complaints,
    given,
    movie,
    text_of,
    troupes,
    write_films,
)

from imdbclust import evaluation as ev
from imdbclust import plots, wording
from imdbclust.base.paths import NOTEBOOKS, REPOSITORY
from imdbclust.commands import cli
from imdbclust.datasets.find import find_dataset
from imdbclust.display.missing_values import EVERYWHERE, REASONS, REST, ROWS, explained
from imdbclust.evaluation.held_out import score_held_out
from imdbclust.evaluation.stability import Subsample, over_subsamples
from imdbclust.matrix import build_incidence
from imdbclust.reduction import (
    map_movies,
    n_dimensions,
    n_positions,
    nearest_movies,
    scree_table,
)

PRESETS = ("seed", "recommended", "nested")


# whole runs

FIRST = [
    ("same cast", "seed"),
    ("no genres, no years, no ratings", "recommended"),
]
"""Runs that cover most cases; the rest are slow tests."""

RUNS = [
    (name, preset)
    for name in GO_THROUGH
    for preset in (PRESETS if name not in OF_NO_CAST else ["recommended"])
]
RUNS += [(name, "seed") for name in SEED_ONLY]


@pytest.mark.parametrize(
    ("name", "preset"),
    [pytest.param(*one, marks=() if one in FIRST else pytest.mark.slow) for one in RUNS],
)
def test_a_run_goes_through_and_gives_a_reason_for_all_that_is_missing(name, preset, tmp_path):
    records, parameters = (GO_THROUGH | SEED_ONLY)[name]
    call = ["run", "--dataset", str(write_films(records, tmp_path)), "--preset", preset]
    call += ["--accept", "--out", str(tmp_path), "--name", "run", *given(parameters)]
    assert cli.main(call) == cli.DONE
    assert complaints(tmp_path / "run") == []
    index = text_of(tmp_path / "run" / "index.html")
    for sentence in SAID.get(name, ()):
        assert sentence in index, sentence
    check_what_is_left_out(records, tmp_path / "run")
    if name == "two blocks":
        table = pd.read_csv(tmp_path / "run" / "movie_to_cluster.csv")
        assert pd.crosstab(table.index % 2, table["cluster"]).max(axis=1).tolist() == [30, 30]


def check_what_is_left_out(records, folder):
    """Check that what the films do not have is not on the pages, and that the rest is."""
    metrics = {}
    for stage in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["stages"]:
        metrics |= stage["metrics"]
    tables = {path.stem for path in (folder / "tables").glob("*.csv")}
    pages = "".join(text_of(path) for path in sorted(folder.glob("0*.html")))
    with_genres = any(record["genres"] for record in records)
    assert ("No movie has a genre, so everything about genres is left out." in pages) != with_genres
    assert ("p_genre" in tables) == with_genres
    assert ("Given a genre, which cluster?" in pages) == with_genres
    rated = any("avg" in record.get("rating", {}) for record in records)
    assert ("ratings" in tables) == rated
    assert ("Ratings, and another experiment" in pages) == (rated or with_genres)
    assert "planted" not in pages
    assert {"cluster_profiles", "cluster_actors", "p_cluster", "new_movie"} <= tables
    if not with_genres:
        assert [name for name in metrics if "bits" in name] == []
        assert ("ari_subsamples" in metrics) == ("stability" in tables)


SAID = {
    "no genres": [
        "everything about genres is left out. (in Load)",
        "Yes. Refitting on other 80% of the movies finds the same groups",
    ],
    "one actor": [
        "1 of 2 clusters has no movie: the 12 placed movies have only 1 distinct position."
    ],
    "same cast": [
        "The matrix has rank 1, which leaves 3 of 4 components empty.",
        "1 of 2 clusters has no movie: the 12 placed movies have only 1 distinct position.",
        "not evaluated: too few movies (12 placed) or actors (4) to fit subsamples with 2 clusters",
    ],
    "two casts": [
        "which leaves 2 of 4 components empty",
        "the 60 placed movies have only 2 distinct positions",
    ],
    "components above the rank": ["which leaves 5 of 8 components empty"],
    "one movie": ["All casts are identical, so the matrix has no variance", "(1 placed)"],
    "a genre of all": ["gives no hint of its genres: 0.01 bits"],
}
"""Sentences that the index of a run must contain."""


# runs that are refused before they start

SEED = ("--preset", "seed")


@pytest.mark.parametrize(
    ("records", "arguments", "sentence"),
    [
        (
            [movie(number, []) for number in range(60)],
            (),
            "no movie has an actor, so there is nothing to reduce (60 movies, no actors)",
        ),
        ([movie(0, [1, 2])], ("--preset", "recommended", "-p", "n_components", "1"), "no actor"),
        (
            troupes(5),
            (*SEED, "-p", "n_components", "3"),
            "n_clusters = 16 is impossible: there are 5",
        ),
        (troupes(5), SEED, "n_components = 32 is impossible: a matrix of 5 movies and"),
        (troupes(60, 1), ("-p", "n_components", "11"), "of 60 movies and 10 actors has 1 to 10"),
        (LONERS, ("--preset", "recommended"), "no actor plays in two movies"),
        (
            [*PAIRS, *LONERS],
            ("--preset", "recommended", "-p", "n_clusters", "7"),
            "n_clusters = 7 is impossible: there are 6 movies to cluster",
        ),
        (troupes(genres=[]), given(USUAL | {"target_genre": "War"}), "no movie has a genre"),
        ([*troupes(), *troupes()[:40]], (), "40 bad records"),
    ],
)
def test_a_run_that_cannot_be_is_refused_with_the_numbers(
    records, arguments, sentence, tmp_path, capsys
):
    path = write_films(records, tmp_path)
    call = ["run", "--dataset", str(path), "--accept", "--out", str(tmp_path / "out"), *arguments]
    assert cli.main(call) == cli.WRONG
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_repeated_ids_are_set_aside_if_that_is_asked_for(tmp_path):
    path = write_films([*troupes(), *troupes()[:40]], tmp_path)
    corpus = find_dataset(str(path)).read(on_problem="skip")
    assert (corpus.n_movies, len(corpus.problems)) == (60, 40)


# reduction


@pytest.fixture
def alike():
    """Twelve movies with one cast of four, after both weightings."""
    incidence = incidence_of(np.ones((12, 4)))
    return [reduced(incidence, 3, weighting=weighting) for weighting in ("none", "degree")]


def test_movies_that_all_lie_on_one_spot_have_no_map(alike):
    for embedding in alike:
        assert map_movies(embedding, max_movies=100, random_state=0).empty
        assert (nearest_movies(embedding)["distance"] == 0).all()


def test_two_spots_make_a_map():
    incidence = incidence_of([[1, 1, 0, 0]] * 6 + [[0, 0, 1, 1]] * 6)
    embedding = reduced(incidence, 2)
    places = map_movies(embedding, max_movies=100, random_state=0)
    assert np.isfinite(places[["x", "y"]]).all(axis=None)


def test_components_beyond_the_rank_are_counted(alike):
    assert [n_dimensions(embedding.singular_values) for embedding in alike] == [1, 1]
    assert n_dimensions(np.zeros(3)) == 0


def test_share_kept_is_reported_even_without_variance(alike):
    kept = [float(embedding.explained_variance_ratio.sum()) for embedding in alike]
    assert wording.share_kept(kept[0], 3, weighted=False).startswith("All casts are identical")
    assert (
        wording.share_kept(kept[1], 3, weighted=True)
        == "3 components keep 100.0% of the sum of squares of the weighted matrix."
    )
    drawn = plots.plot_scree(scree_table(alike[0]))
    assert [text.get_text() for text in drawn.figure.axes[1].texts] == ["no variance to keep"]


def test_a_single_actor_is_one_component():
    incidence = incidence_of([[1], [1], [0]])
    embedding = reduced(incidence, 1)
    assert embedding.scores.ravel() == pytest.approx([1, 1, 0])
    assert embedding.components == pytest.approx(np.ones((1, 1)))
    assert embedding.transform(incidence.matrix) == pytest.approx(embedding.scores)


# clustering


@pytest.mark.parametrize("algorithm", ["MiniBatchKMeans", "KMeans"])
def test_fewer_spots_than_clusters_leave_clusters_empty_without_a_warning(alike, algorithm):
    options = {"n_clusters": 3, "n_init": 2, "max_iter": 10, "tol": 0.0, "random_state": 0}
    clustering = clustered(alike[0], algorithm=algorithm, **options)
    assert sorted(clustering.sizes()) == [0, 0, 12]
    assert wording.empty_clusters(2, 3, n_positions(alike[0].scores), 12) == (
        "2 of 3 clusters have no movie: the 12 placed movies have only 1 distinct position."
    )
    all_in_one = clustering_of_all_in_one(alike[0])
    n_empty = int((all_in_one.sizes() == 0).sum())
    assert wording.empty_clusters(n_empty, 1, n_positions(alike[0].scores), 12) == ""


def clustering_of_all_in_one(embedding):
    return clustered(
        embedding, n_clusters=1, n_init=1, max_iter=5, tol=0.0, random_state=0, algorithm="KMeans"
    )


def test_clusters_that_the_search_left_empty_are_not_laid_to_the_casts():
    corpus = toy_corpus()
    embedding = reduced(build_incidence(corpus), 3)
    clustering = clustering_of(corpus, [0, 0, 0, 1, 1, 1, 1, 1], n_clusters=3)
    assert clustering.sizes().tolist() == [3, 5, 0]
    found = n_positions(embedding.scores[clustering.placed])
    assert "when k-means stopped" in wording.empty_clusters(1, 3, found, 8)


def test_threads_leave_the_filters_of_warnings_as_they_were(alike):
    before = list(warnings.filters)
    options = {"n_clusters": 3, "n_init": 1, "max_iter": 5, "tol": 0.0, "algorithm": "KMeans"}
    failures = []

    def work(seed):
        try:
            for _ in range(5):
                clustered(alike[0], random_state=seed, **options)
        except Warning as warning:
            failures.append(warning)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(warnings.filters) == before


# evaluation


def test_subsamples_that_cannot_be_clustered_give_a_reason(tmp_path):
    path = write_films([*PAIRS[:2], *LONERS], tmp_path)
    corpus = find_dataset(str(path), accept=True).read()
    recipe = recipe_of("recommended", n_components=1, n_clusters=1, n_init=1)
    with pytest.raises(
        ev.NotEvaluated,
        match=r"a subsample of 45 movies cannot be fitted \(no actor plays in two movies",
    ):
        over_subsamples(recipe.fit, build_incidence(corpus), n_subsamples=6, random_state=0)


def test_numbers_of_components_that_a_subsample_cannot_have_are_left_out(tmp_path):
    path = write_films([*troupes(), movie(999, range(100))], tmp_path)
    corpus = find_dataset(str(path), accept=True).read()
    incidence, recipe = build_incidence(corpus), recipe_of("recommended", **USUAL)
    options = {"n_clusters": [3], "n_components": [4, 20, 32], "n_subsamples": 8}
    tried = ev.curves(recipe, corpus, incidence, **options, random_state=0)
    found = tried[tried["measure"] == "silhouette"].groupby("n_components")["value"].count()
    assert found[[4, 20]].tolist() == [8, 8]
    assert 0 < found[32] < 8  # only those with the large cast have over 30 actors


def test_subsamples_that_leave_no_movie_to_predict_give_a_reason():
    corpus = toy_corpus()
    incidence = build_incidence(corpus)
    everything, castless = np.arange(8), np.array([6])
    recipe = recipe_of("seed", n_components=2, n_clusters=2, n_init=1)
    fit = recipe.fit(incidence, 0)
    part = Subsample(everything, castless, fit)
    with pytest.raises(ev.NotEvaluated, match=r"no held-out movie has a cast \(1 movie held out\)"):
        score_held_out(corpus, incidence, part)


# reasons


def test_every_reason_is_of_a_table_that_a_notebook_shows():
    steps = REPOSITORY / "imdbclust" / "evaluation" / "steps"
    paths = [*NOTEBOOKS.glob("*.ipynb"), *steps.glob("*.py")]
    shown = "".join(path.read_text(encoding="utf-8").replace('\\"', '"') for path in paths)
    names = [name for name in REASONS if name != "heat"]
    assert [name for name in names if f'"{name}"' not in shown] == []


def test_reasons_are_given_for_gaps_and_for_nothing_else():
    frame = pd.DataFrame({"cluster": [0, 1], "mean_rating": [np.nan, 5.0], "year": [1, 2]})
    assert explained(frame, "ratings") == [
        "Missing in mean rating: none of the movies has a rating."
    ]
    assert explained(frame[1:], "ratings") == []
    assert explained(frame[:0], "problems") == ["No rows: no record was skipped."]
    texts = pd.DataFrame({"cluster": [0], "actors": [""], "titles": ["A"], "year": [pd.NA]})
    assert explained(texts, "cluster_profiles") == [
        f"Missing in actors: {REASONS['cluster_profiles']['actors']}.",
        f"Missing in year: {EVERYWHERE['year']}.",
    ]
    wide = pd.DataFrame({str(column): [np.nan] for column in range(12)})
    (said,) = explained(wide, "lift")
    assert said == f"Missing in 0, 1, 2, 3, 4, 5, 6, 7 and 4 others: {REASONS['lift'][REST]}."
    assert ROWS not in REASONS["lift"]


def test_a_finished_run_has_no_gap_without_a_reason(finished_run, recommended_run):
    for folder in (finished_run, recommended_run):
        assert complaints(folder) == []
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        missing = [table["missing"] for stage in manifest["stages"] for table in stage["tables"]]
        assert any(missing)
        assert not all(missing)
