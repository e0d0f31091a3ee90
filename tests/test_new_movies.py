"""New movies: from casts and genres to clusters and genres, and the command that does it."""

import io
import re
import shutil
from dataclasses import replace

import hypothesis
import numpy as np
import pandas as pd
import pytest
from conftest import recipe_of
from corpora import clustering_of, corpora, reduced, toy_corpus
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from imdbclust.base.errors import UserError
from imdbclust.base.paths import REPOSITORY
from imdbclust.clustering import UNPLACED, Clustering
from imdbclust.commands import cli
from imdbclust.datasets.find import find_dataset
from imdbclust.evaluation.estimator import MovieClusters
from imdbclust.load import CorpusBuilder, write_corpus
from imdbclust.matrix import build_incidence
from imdbclust.new_movies import AmbiguousActor, Assigner
from imdbclust.new_movies.assigner import smoothed_p_genre_given_cluster
from imdbclust.probabilities import count_movies
from imdbclust.reduction import Embedding
from imdbclust.running.parameters import settings


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
    assert found.cluster == 0
    assert found.genres.sort_values("through_cluster")["genre"].iloc[-1] == "Drama"


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
    assert found.given == ("Comedy",)
    assert found.genres["genre"].iloc[0] == "Comedy"  # stays in the list, with probability 1
    assert found.genres["p_genre"].iloc[0] == 1
    assert found.nearest.empty
    assert found.cluster == found.p_cluster.idxmax() == 1


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
    said = describe(found, {0: "zero", 1: "one"})
    assert "Six" in said
    assert "<NA>" not in said


def test_unknown_actors_are_named_and_count_for_nothing(toy):
    found = toy.assign(["Bo", "Nobody", "Dix"])
    assert found.unknown == {"Nobody": "", "Dix": "did you mean Di (2 movies)?"}
    pd.testing.assert_series_equal(found.p_cluster, toy.assign(["Bo"]).p_cluster)
    pd.testing.assert_frame_equal(found.genres, toy.assign(["Bo"]).genres)


def test_where_nothing_is_known_the_call_is_refused(toy):
    with pytest.raises(UserError, match=r"^no actor is called 'Nobody'$"):
        toy.assign(["Nobody"])
    by_genre = toy.assign(["Nobody"], ["drama"])
    assert by_genre.unknown == {"Nobody": ""}
    pd.testing.assert_frame_equal(by_genre.genres, toy.assign(genres=["Drama"]).genres)


@pytest.fixture(scope="module")
def stars() -> Assigner:
    builder = CorpusBuilder()
    casts = ["Humphrey Bogart"] * 3 + ["Sam Bogart", "Élise Müller", "Ann Bogarde"]
    for n, name in enumerate(casts):
        builder.add(f"m{n}", f"M{n}", ["Drama", "Sci-Fi"][: 1 + n % 2], [(name, name)])
    builder.add("n1", "N1", ["Drama"], [("e1", "Elise Muller"), ("Humphrey Bogart", "-")])
    return assigner_of(builder.build(), [0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("typed", "question"),
    [
        ("bogart", "did you mean Humphrey Bogart (4 movies) or Sam Bogart (1 movie)?"),
        ("Humphry Bogart", "did you mean Humphrey Bogart (4 movies)?"),
        ("X. Bogarde", "did you mean Ann Bogarde (1 movie)?"),
        ("muller", "did you mean Elise Muller (1 movie) or Élise Müller (1 movie)?"),
        ("Zzz Qqq", None),
        ("", None),
    ],
)
def test_a_misspelt_actor_is_suggested_with_most_movies_first(typed, question, stars):
    with pytest.raises(UserError) as caught:
        stars.assign([typed])
    wanted = f"no actor is called {typed!r}" + (f"; {question}" if question else "")
    assert str(caught.value) == wanted


def test_case_and_accents_do_not_count_unless_they_tell_names_apart(stars):
    def who(*names):
        return stars.assign(names).actors["name"].tolist()

    assert who("HUMPHREY bogart") == ["Humphrey Bogart"]
    assert who("élise müller") == ["Élise Müller"]
    assert who("elise MULLER") == ["Elise Muller"]
    with pytest.raises(AmbiguousActor, match="'Elise Müller' is the name of 2 actors"):
        stars.assign(["Elise Müller"])
    assert stars.assign(genres=["sci-FI"]).given == ("Sci-Fi",)
    with pytest.raises(UserError, match=r"no movie has the genre 'SciFi'; did you mean Sci-Fi\?"):
        stars.assign(genres=["SciFi"])


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
@hypothesis.settings(deadline=None, max_examples=25)
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
    if not genres and not set(actors) & set(corpus.actors["actor_id"]):
        with pytest.raises(UserError, match="no actor is called"):
            assigner.assign(actors)
        return
    found = assigner.assign(actors, genres)
    assert found.p_cluster.sum() == pytest.approx(1)
    assert found.p_cluster.between(0, 1).all()
    assert found.genres["p_genre"].between(0, 1).all()
    assert found.genres["through_cluster"].between(0, 1).all()
    assert (found.genres["p_genre"] == 1).tolist() == found.genres["given"].tolist()
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
    builder.add("n5", "Genre known", ["Comedy", "Opera"], [("r", "Nobody")], year=None)
    found = toy.assign_all(builder.build()).set_index("movie_id")
    assert found["known_actors"].tolist() == [1, 1, 0, 0, 0]
    assert found["cluster"].tolist() == [0, 0, UNPLACED, UNPLACED, 1]
    assert found.loc["n2", "probability"] == pytest.approx(3 / 4)
    assert found.loc[["n3", "n4"], "probability"].tolist() == [1.0, 1.0]
    assert found["unknown"].tolist() == ["", "", "Ada", "Opera", "Nobody; Opera"]
    assert found["genres_expected"].tolist()[2:4] == ["", ""]
    for movie, words in (("n1", (["b"], ["Drama"])), ("n5", ([], ["Comedy"]))):
        one = toy.assign(*words)
        rest = one.genres[~one.genres["given"]]
        assert found.loc[movie, "genres_expected"].split("; ") == rest["genre"].tolist()
        assert found.loc[movie, "probability"] == pytest.approx(one.p_cluster.max(), abs=1e-12)
        assert found.loc[movie, "cluster"] == one.cluster


def test_an_actor_known_by_id_and_by_name_is_one_known_actor(toy):
    builder = CorpusBuilder()
    builder.add("n1", "Twice", [], [("b", "Bo"), ("other", "Bo")], year=None)
    assert toy.assign_all(builder.build())["known_actors"].tolist() == [1]


def test_held_back_movies_get_the_cluster_that_they_had(films):
    corpus = find_dataset(str(films)).read()
    incidence = build_incidence(corpus)
    recipe = recipe_of("recommended")
    embedding = reduced(incidence, 8, weighting="degree", random_state=1)
    clustering: Clustering = recipe.cluster(embedding, 1)
    assigner = Assigner(corpus, incidence, embedding, clustering)
    without_genres = replace(corpus, genres=corpus.genres.iloc[:0])
    table = assigner.assign_all(without_genres)
    placed = clustering.placed
    assert (table["cluster"][placed] == clustering.labels[placed]).mean() > 0.95
    assert (table["cluster"][~placed] == UNPLACED).all()


# the estimator


@pytest.fixture(scope="module")
def corpus(films):
    return find_dataset(str(films)).read()


@pytest.fixture(scope="module")
def fitted(corpus) -> MovieClusters:
    return MovieClusters(n_clusters=6, n_components=8).fit(corpus)


def test_the_estimator_has_the_parameters_of_the_recommended_preset():
    recommended = settings("recommended", {})
    for name, value in MovieClusters().get_params().items():
        assert value == recommended[name], name


def test_the_estimator_gives_the_clusters_of_the_recipe(corpus, fitted):
    recipe = recipe_of("recommended").with_(n_clusters=6, n_components=8)
    wanted = recipe.fit(build_incidence(corpus), 31337)
    assert (fitted.labels_ == wanted.labels).all()
    assert (fitted.cluster_centers_ == fitted.clustering_.centers).all()
    assert fitted.embedding_.n_components == 8


def test_the_estimator_is_cloned_and_its_parameters_set_like_any_of_scikit_learn(corpus, fitted):
    again = clone(fitted).set_params(n_clusters=3)
    assert not hasattr(again, "labels_")
    assert again.fit_predict(corpus).max() == 2
    assert fitted.get_params()["n_clusters"] == 6
    with pytest.raises(NotFittedError):
        clone(fitted).predict([["nm1"]])
    with pytest.raises(TypeError, match="X must be a Corpus or an Incidence, not list"):
        clone(fitted).fit([[1, 0]])


def test_fitted_movies_are_predicted_to_be_where_they_are(corpus, fitted):
    incidence = build_incidence(corpus)
    names = corpus.actors["actor_id"].to_numpy()
    casts = [names[row.indices].tolist() for row in incidence.matrix]
    for movies in (corpus, casts, incidence.matrix):
        assert (fitted.predict(movies) == fitted.labels_).all()
    by_matrix = clone(fitted).fit(incidence)
    assert (by_matrix.predict(casts) == fitted.labels_).all()
    seed = MovieClusters(4, 8, weighting="none", algorithm="MiniBatchKMeans", n_init=3).fit(corpus)
    assert (seed.predict(corpus) == seed.labels_).all()
    assert seed.labels_.min() == 0


def test_casts_are_given_by_ids_or_names_and_unknown_actors_are_ignored(corpus, fitted):
    first = corpus.top_actors(2)
    by_id, by_name = [first[column].tolist() for column in ("actor_id", "name")]
    found = fitted.predict([by_id, by_name, [*by_name, "Somebody Else"], by_id * 2])
    assert (found == found[0]).all()
    assert found[0] >= 0
    assert fitted.predict([["Somebody Else"], []]).tolist() == [UNPLACED] * 2


def test_a_corpus_of_other_movies_is_predicted_by_ids_and_else_by_names(corpus, fitted):
    first = corpus.actors.iloc[0]
    builder = CorpusBuilder()
    builder.add("n1", "By id", [], [(first["actor_id"], "Anybody")])
    builder.add("n2", "By name", [], [("other id", first["name"])])
    builder.add("n3", "Unknown", [], [("another", "Anybody Else")])
    wanted = fitted.predict([[first["actor_id"]]])[0]
    assert fitted.predict(builder.build()).tolist() == [wanted, wanted, UNPLACED]


def test_bad_casts_are_refused():
    model = MovieClusters(2, 2, weighting="none").fit(toy_corpus())
    with pytest.raises(AmbiguousActor, match="'Ada' is the name of 2 actors"):
        model.predict([["Bo", "Ada"]])
    for text in ("abc", ["abc"]):
        with pytest.raises(TypeError, match="casts must be a list of lists"):
            model.predict(text)
    with pytest.raises(ValueError, match="casts has 3 columns, not 6"):
        model.predict(build_incidence(toy_corpus()).matrix[:, :3])


def test_clusters_are_described_if_there_are_names(corpus, fitted):
    profiles = fitted.profiles(n_titles=2)
    assert profiles.summary["movies"].sum() == corpus.n_movies
    assert profiles.labels().index.tolist() == [*range(6), UNPLACED]
    with pytest.raises(ValueError, match="fit on a Corpus"):
        clone(fitted).fit(build_incidence(corpus)).profiles()


def test_the_package_exports_what_a_reader_of_the_readme_imports():
    import imdbclust
    from imdbclust.load import read_corpus

    assert imdbclust.MovieClusters is MovieClusters
    assert imdbclust.read_corpus is read_corpus
    assert {"comparable", "read_table"} < set(dir(imdbclust))
    assert callable(imdbclust.read_table)
    assert callable(imdbclust.comparable)
    assert callable(imdbclust.read_films)
    with pytest.raises(AttributeError, match="has no attribute 'read_film'"):
        imdbclust.read_film  # noqa: B018


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
    parts = ["Pr[genre | evidence] (Pr[genre])", f"given  {genre}", "through the cluster only"]
    places = [said.index(part) for part in [*parts, "cluster: #", "nearest movies"]]
    assert places == sorted(places)
    assert re.search(rf"given  {genre}: {actor} [\d,]+ of [\d,]+ movies, [+-]\d+\.\d bits", said)


def test_the_command_names_who_is_unknown(recommended_run, films, capsys):
    actor, _ = actor_and_genre(films)
    assert call(recommended_run, "--actor", "Nobody At All", "--actor", actor) == cli.DONE
    assert "unknown, counts for nothing: Nobody At All\n" in capsys.readouterr().out
    assert call(recommended_run, "--actor", actor[1:]) == cli.WRONG
    assert f"; did you mean {actor} (" in capsys.readouterr().err


def test_the_latest_run_answers_if_none_is_named(recommended_run, films, capsys):
    actor, _ = actor_and_genre(films)
    words = ["assign", "--out", str(recommended_run.parent), "--actor", actor]
    assert cli.main(words) == cli.DONE
    said = capsys.readouterr()
    latest = re.fullmatch(r"imdbclust: the latest run is (.+)\n", said.err)[1]
    assert (recommended_run.parent / latest / "manifest.json").is_file()
    assert call(recommended_run.parent / latest, "--actor", actor) == cli.DONE
    assert capsys.readouterr().out == said.out
    assert cli.main(["assign", "--out", str(films.parent / "empty"), "--actor", actor]) == cli.WRONG


def test_a_stored_model_of_genres_answers_like_a_learned_one(recommended_run, films, tmp_path):
    from imdbclust.commands.assign import _load, _stage_folders

    folders = _stage_folders(str(recommended_run), None)
    without = shutil.copytree(folders["matrix"], tmp_path / "matrix")
    (without / "artifact" / "genre_model.npz").unlink()
    stored, learned = _load(folders), _load(folders | {"matrix": without})
    assert stored._stored.is_file()
    assert learned._stored is None
    answers = [one.assign(actor_and_genre(films)[:1]).genres for one in (stored, learned)]
    pd.testing.assert_frame_equal(*answers)


def test_the_command_gives_a_table_for_a_file(finished_run, films, capsys):
    assert call(finished_run, "--file", str(films)) == cli.DONE
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["movie_id"].tolist() == find_dataset(str(films)).read().movies["movie_id"].tolist()
    assert table["probability"].between(0, 1).all()


def test_the_command_reads_a_file_as_its_mapping_says(finished_run, tmp_path, capsys):
    films, mapping = tmp_path / "films.csv", tmp_path / "how.yml"
    films.write_text("Called,Seen in it\nHarbour,Nobody At All\n", encoding="utf-8")
    mapping.write_text("columns: {title: [Called], actor: [Seen in it]}\n", encoding="utf-8")
    assert call(finished_run, "--file", str(films), "--mapping", str(mapping)) == cli.DONE
    said = capsys.readouterr().out
    table = pd.read_csv(io.StringIO(said))
    assert table["title"].tolist() == ["Harbour"]
    assert table["unknown"].tolist() == ["Nobody At All"]


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
    assert "no run called 'nowhere'" in said
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
    assert table["cluster"].tolist()[:6] == [0, 0, 0, 1, 1, 1]


def test_the_lines_of_python_in_the_readme_run_as_they_are(films, tmp_path, monkeypatch, capsys):
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    shutil.copyfile(films, tmp_path / "films.jsonl")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    printed = capsys.readouterr().out
    assert printed.split()[:3] == ["cluster", "name", "movies"]
    assert printed.endswith("[-1]\n")  # actors of real films are unknown among made-up ones
