"""New movies: from casts and genres to clusters and genres, and the command that does it."""

import io

import numpy as np
import pandas as pd
import pytest
from conftest import recipe_of
from corpora import clustering_of, corpora, toy_corpus
from hypothesis import given
from hypothesis import strategies as st

from imdbclust.clustering import UNPLACED, Clustering
from imdbclust.commands import cli
from imdbclust.datasets.find import find_dataset
from imdbclust.load import CorpusBuilder, write_corpus
from imdbclust.matrix import build_incidence
from imdbclust.new_movies import AmbiguousActor, Assigner, smoothed_p_genre_given_cluster
from imdbclust.probabilities import count_movies
from imdbclust.reduction import Embedding, reduce_movies


def embedding_of(corpus) -> Embedding:
    """Return an embedding that puts every movie where its number of actors is."""
    incidence = build_incidence(corpus)
    loadings = np.ones((corpus.n_actors, 1))
    return Embedding(
        scores=incidence.matrix @ loadings,
        components=loadings.T,
        loadings=loadings,
        singular_values=np.ones(1),
        explained_variance_ratio=np.ones(1),
        movie_ids=incidence.movie_ids,
        actor_ids=incidence.actor_ids,
        settings={"weighting": "none"},
    )


def assigner_of(corpus, labels, n_clusters=None) -> Assigner:
    clustering = clustering_of(corpus, labels, n_clusters)
    return Assigner(corpus, build_incidence(corpus), embedding_of(corpus), clustering)


@pytest.fixture(scope="module")
def toy() -> Assigner:
    return assigner_of(toy_corpus(), [0, 0, 0, 1, 1, 1, UNPLACED, UNPLACED], 2)


def test_an_actor_points_to_the_cluster_of_his_movies(toy):
    found = toy.assign(["Bo"])
    assert found.actors["actor_id"].tolist() == ["b"]
    # two movies of cluster 0, and two added ones shared out as all placed movies are
    assert found.p_cluster[0] == pytest.approx(3 / 4)
    assert found.p_cluster[1] == pytest.approx(1 / 4)
    assert found.p_cluster[UNPLACED] == 0
    assert found.p_genre.index[0] == "Drama"


def test_several_actors_multiply(toy):
    found = toy.assign(["Bo", "Di"])
    assert found.p_cluster[0] == pytest.approx(0.5)
    both = toy.assign(["a", "Bo"])
    odds = (4 / 1) * (3 / 1)  # of a: (3 + 1) / 5 against 1 / 5; of b: 3 / 4 against 1 / 4
    assert both.p_cluster[0] == pytest.approx(odds / (1 + odds))


def test_genre_alone_is_the_posterior_over_all_groups(toy):
    found = toy.assign(genres=["Comedy"])
    joint = toy.p_genre_given_cluster.loc["Comedy"] * toy.counts.clusters
    np.testing.assert_allclose(found.p_cluster, joint / joint.sum())
    assert found.p_cluster[UNPLACED] > 0
    assert "Comedy" not in found.p_genre.index
    assert found.nearest.empty
    assert found.cluster == UNPLACED


def test_a_genre_weighs_in_beside_the_cast(toy):
    without, with_genre = toy.assign(["Bo"]), toy.assign(["Bo"], ["Comedy"])
    assert with_genre.p_cluster[1] > without.p_cluster[1]
    odds = (
        3 * toy.p_genre_given_cluster.loc["Comedy", 0] / toy.p_genre_given_cluster.loc["Comedy", 1]
    )
    assert with_genre.p_cluster[0] == pytest.approx(odds / (1 + odds))


def test_an_actor_given_by_name_and_by_id_counts_once(toy):
    once, twice = toy.assign(["Bo"]), toy.assign(["Bo", "b"])
    pd.testing.assert_series_equal(twice.p_cluster, once.p_cluster)
    assert twice.actors["actor_id"].tolist() == ["b"]


def test_a_genre_given_twice_counts_once(toy):
    once = toy.assign(["Bo"], ["Comedy"]).p_cluster
    pd.testing.assert_series_equal(toy.assign(["Bo"], ["Comedy"] * 2).p_cluster, once)


def test_the_text_leaves_out_a_year_that_is_not_known(toy):
    from imdbclust.commands.assign import describe

    found = toy.assign(["Cy", "z"])
    assert "Six" in found.nearest["title"].tolist()
    said = describe(found, toy, {0: "zero", 1: "one"})
    assert "Six" in said
    assert "<NA>" not in said


def test_unknown_actors_are_named_and_count_for_nothing(toy):
    found = toy.assign(["Bo", "Nobody"])
    assert found.unknown == ("Nobody",)
    pd.testing.assert_series_equal(found.p_cluster, toy.assign(["Bo"]).p_cluster)
    nobody = toy.assign(["Nobody"])
    assert nobody.p_cluster[UNPLACED] == 1
    assert nobody.cluster == UNPLACED


def test_where_no_movie_is_unplaced_an_unknown_cast_leaves_the_prior():
    everywhere = assigner_of(toy_corpus(), [0, 0, 0, 1, 1, 1, 1, 1])
    found = everywhere.assign(["Nobody"])
    np.testing.assert_allclose(found.p_cluster, everywhere.model.prior)


def test_an_ambiguous_name_lists_ids_and_best_known_movies(toy):
    with pytest.raises(AmbiguousActor, match="2 actors") as caught:
        toy.assign(["Ada"])
    said = str(caught.value)
    assert "a: 3 movies, such as Two (1935); One (1931); Three (1940)" in said
    assert "z: 1 movie, such as Six" in said
    assert toy.assign(["z"]).actors["name"].tolist() == ["Ada"]


def test_nothing_given_or_an_unknown_genre_is_refused(toy):
    with pytest.raises(ValueError, match="at least one actor or one genre"):
        toy.assign()
    with pytest.raises(ValueError, match="no movie has the genre 'Opera'"):
        toy.assign(genres=["Opera"])


def test_nearest_movies_come_by_distance_then_by_shared_actors(toy):
    found = toy.assign(["Bo", "Di"], n_nearest=4).nearest
    assert found["distance"].is_monotonic_increasing
    assert found["distance"].tolist() == [0, 0, 0, 0]  # all have two actors
    assert found["shared_actors"].tolist() == [1, 1, 1, 1]
    assert set(found["title"]) == {"One", "Two", "Four", "Five"}


@given(corpus=corpora(), data=st.data())
def test_whatever_is_given_probabilities_are_probabilities(corpus, data):
    labels = data.draw(
        st.lists(st.integers(-1, 2), min_size=corpus.n_movies, max_size=corpus.n_movies)
    )
    assigner = assigner_of(corpus, labels, 3)
    actors = data.draw(st.lists(st.sampled_from("abcxyz"), max_size=4))
    genres = data.draw(
        st.lists(st.sampled_from(list(corpus.genres["genre"].cat.categories) or [None]))
    )
    genres = [genre for genre in dict.fromkeys(genres) if genre]
    if not actors and not genres:
        return
    found = assigner.assign(actors, genres)
    assert found.p_cluster.sum() == pytest.approx(1)
    assert found.p_cluster.between(0, 1).all()
    assert found.p_genre.between(0, 1).all()
    assert list(found.p_cluster.index) == list(assigner.clustering.groups)


def test_smoothed_shares_are_never_0_or_1():
    corpus = toy_corpus()
    counts = count_movies(corpus, clustering_of(corpus, [0, 0, 0, 1, 1, 1, 2, 2], 4))
    shares = smoothed_p_genre_given_cluster(counts)
    assert (shares > 0).all(axis=None)
    assert (shares < 1).all(axis=None)
    overall = (counts.genres + 0.5) / (counts.n_movies + 1)
    np.testing.assert_allclose(shares[3], overall)  # nothing is known of an empty cluster
    assert shares.loc["Drama", 0] == pytest.approx((2 + overall["Drama"]) / 4)


def test_a_corpus_of_new_movies_becomes_a_table(toy):
    builder = CorpusBuilder()
    builder.add("n1", "By id", ["Drama"], [("b", "Somebody")], year=None)
    builder.add("n2", "By name", [], [("other", "Bo")], year=None)
    builder.add("n3", "Ambiguous", [], [("q", "Ada")], year=None)
    builder.add("n4", "Nothing known", ["Opera"], [], year=None)
    found = toy.assign_all(builder.build()).set_index("movie_id")
    assert found["known_actors"].tolist() == [1, 1, 0, 0]
    assert found.loc["n2", "likeliest"] == 0
    assert found.loc["n2", "probability"] == pytest.approx(3 / 4)
    assert found.loc["n3", "unknown"] == "Ada"
    assert found.loc["n4", "unknown"] == "Opera"
    assert found.loc[["n3", "n4"], "likeliest"].tolist() == [UNPLACED] * 2
    assert found.loc[["n3", "n4"], "p_unplaced"].tolist() == [1.0, 1.0]
    assert "Drama" not in found.loc["n1", "genres_expected"]


def test_an_actor_known_by_id_and_by_name_is_one_known_actor(toy):
    builder = CorpusBuilder()
    builder.add("n1", "Twice", [], [("b", "Bo"), ("other", "Bo")], year=None)
    assert toy.assign_all(builder.build())["known_actors"].tolist() == [1]


def test_held_back_movies_get_the_cluster_that_they_had(films):
    corpus = find_dataset(str(films)).read()
    incidence = build_incidence(corpus)
    recipe = recipe_of("recommended")
    embedding = reduce_movies(incidence, n_components=8, weighting="degree", random_state=1)
    clustering: Clustering = recipe.cluster(embedding, 1)
    assigner = Assigner(corpus, incidence, embedding, clustering)
    table = assigner.assign_all(corpus)
    placed = clustering.placed
    assert (table["cluster"][placed] == clustering.labels[placed]).all()
    assert (table["cluster"][~placed] == UNPLACED).all()


# the command


def call(run, *words):
    return cli.main(["assign", run.name, "--out", str(run.parent), *words])


def actor_and_genre(films):
    corpus = find_dataset(str(films)).read()
    return corpus.top_actors(1)["name"][0], corpus.genres["genre"].value_counts().index[0]


def test_the_command_answers_for_an_actor_and_a_genre(recommended_run, films, capsys):
    actor, genre = actor_and_genre(films)
    assert call(recommended_run, "--actor", actor, "--genre", genre) == cli.DONE
    said = capsys.readouterr().out
    assert said.startswith(f"evidence: {actor} (")
    for part in ("Pr[cluster | evidence]", "Pr[genre | evidence]", "nearest movies", "#"):
        assert part in said


def test_the_command_names_who_is_unknown(recommended_run, capsys):
    assert call(recommended_run, "--actor", "Nobody At All") == cli.DONE
    said = capsys.readouterr().out
    assert "unknown, counts for nothing: Nobody At All" in said
    assert "1.000  unplaced" in said


def test_the_command_gives_a_table_for_a_file(finished_run, films, capsys):
    assert call(finished_run, "--file", str(films)) == cli.DONE
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["movie_id"].tolist() == find_dataset(str(films)).read().movies["movie_id"].tolist()
    assert table["probability"].between(0, 1).all()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give --actor and --genre"),
        (["--genre", "Opera"], "no movie has the genre 'Opera'"),
        (["--file", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--actor", "A", "--file", "x.jsonl"], "or else --file"),
    ],
)
def test_the_command_refuses_with_a_sentence(words, sentence, finished_run, capsys):
    assert call(finished_run, *words) == cli.WRONG
    said = capsys.readouterr()
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert not said.out


def test_the_command_lists_an_ambiguous_name(tmp_path, capsys, monkeypatch):
    from imdbclust.commands import assign as answers

    toy = assigner_of(toy_corpus(), [0, 0, 0, 1, 1, 1, UNPLACED, UNPLACED], 2)
    monkeypatch.setattr(answers, "_stage_folders", lambda run, out: {})
    monkeypatch.setattr(answers, "_load", lambda stages: toy)
    assert cli.main(["assign", "toy", "--out", str(tmp_path), "--actor", "Ada"]) == cli.WRONG
    assert "give one of these ids:\n  a: 3 movies" in capsys.readouterr().err


def test_an_unknown_run_is_refused_with_those_there_are(finished_run, capsys):
    call_it = ["assign", "nowhere", "--out", str(finished_run.parent), "--actor", "A"]
    assert cli.main(call_it) == cli.WRONG
    said = capsys.readouterr().err
    assert "there is no run 'nowhere'" in said
    assert finished_run.name in said


def test_a_run_without_its_stages_is_refused(tmp_path, finished_run, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "manifest.json").write_bytes((finished_run / "manifest.json").read_bytes())
    assert cli.main(["assign", str(gone), "--actor", "A"]) == cli.WRONG
    assert "no finished stage load" in capsys.readouterr().err


def test_a_written_corpus_can_be_assigned_again(toy, tmp_path):
    path = tmp_path / "toy.jsonl"
    write_corpus(toy_corpus(), path)
    from imdbclust.load import read_corpus

    table = toy.assign_all(read_corpus(path))
    assert table["likeliest"].tolist()[:6] == [0, 0, 0, 1, 1, 1]
