"""Probabilities: the published table, hand-solved cases, and what must hold on any corpus."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from corpora import TOY_LABELS, clustered_corpora, clustering_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from imdbclust import probabilities as pr
from imdbclust.evaluation.intervals import cluster_prior, dirichlet_intervals
from imdbclust.load import CorpusBuilder
from imdbclust.new_movies.cast_model import CastModel

EXACT = {"rtol": 0, "atol": 1e-12}

PUBLISHED_SIZES = {
    6: 4119, 2: 3616, 0: 3507, 13: 1551, 1: 1380, 3: 1252, 8: 1072, 4: 845,
    14: 750, 7: 638, 10: 553, 9: 483, 5: 318, 12: 295, 11: 194, 15: 47,
}  # fmt: skip
PUBLISHED_SHARES = [
    0.199758, 0.175364, 0.170078, 0.075218, 0.066925, 0.060718, 0.051988, 0.040980,
    0.036372, 0.030941, 0.026819, 0.023424, 0.015422, 0.014306, 0.009408, 0.002279,
]  # fmt: skip


def test_the_published_sizes_give_the_published_table():
    shares = pr.p_cluster(pd.Series(PUBLISHED_SIZES))
    assert shares.index.tolist() == list(PUBLISHED_SIZES)
    assert shares.round(6).tolist() == PUBLISHED_SHARES


def test_hand_solved_counts(counts):
    assert counts.clusters.tolist() == [3, 3, 2]
    assert counts.genres.to_dict() == {"Comedy": 3, "Drama": 3, "War": 2}
    assert counts.joint.loc["Drama"].tolist() == [2, 1, 0]
    assert counts.n_movies == 8
    assert counts.genres.name == "movies"
    assert {counts.genres.dtype, *counts.joint.dtypes} == {np.dtype(int)}


def test_genres_of_unplaced_movies_are_counted_as_those_of_a_group(corpus):
    counts = pr.count_movies(corpus, clustering_of(corpus, TOY_LABELS - 1, n_clusters=2))
    assert counts.joint.loc["Drama"].to_dict() == {-1: 2, 0: 1, 1: 0}
    assert pr.p_cluster(counts.clusters).name == "p_cluster"


def test_hand_solved_bayes(clustering, corpus):
    table = pr.evidence_table(clustering, pr.evidence(corpus, genre="Drama"))
    np.testing.assert_allclose(table["prior"], [3 / 8, 3 / 8, 2 / 8], **EXACT)
    np.testing.assert_allclose(table["likelihood"], [2 / 3, 1 / 3, 0], **EXACT)
    np.testing.assert_allclose(table["joint"], [2 / 8, 1 / 8, 0], **EXACT)
    np.testing.assert_allclose(table["posterior"], [2 / 3, 1 / 3, 0], **EXACT)
    assert table["with_evidence"].tolist() == [2, 1, 0]
    assert table["movies"].tolist() == [3, 3, 2]
    columns = ["movies", "with_evidence", "prior", "likelihood", "joint", "posterior"]
    assert table.columns.tolist() == columns


def test_series_and_tables_have_names(counts, clustering, corpus):
    has = pr.evidence(corpus, genre="War")
    series = pr.p_evidence_given_cluster(clustering, has), pr.count_posterior(clustering, has)
    assert [one.name for one in series] == ["likelihood", "posterior"]
    assert pr.p_genre(counts).name == "p_genre"
    assert pr.p_cluster_given_genre(counts).index.name == "genre"


def test_unplaced_movies_are_a_group_of_their_own_for_every_evidence(corpus):
    clustering = clustering_of(corpus, TOY_LABELS - 1, n_clusters=2)
    has = pr.evidence(corpus, genre="Comedy")
    found = {-1: 0, 0: 2 / 3, 1: 1 / 3}
    assert pr.count_posterior(clustering, has).to_dict() == found
    assert pr.evidence_table(clustering, has)["posterior"].to_dict() == pytest.approx(found)


@pytest.mark.parametrize(
    ("way", "says"),
    [
        ("count_posterior", "Pr[cluster | evidence] by Bayes' rule differs from the direct count"),
        ("p_cluster", "the total probability over clusters is not Pr[evidence]"),
    ],
)
def test_a_bayes_table_that_does_not_agree_with_counting_is_refused(
    clustering, corpus, monkeypatch, way, says
):
    has = pr.evidence(corpus, genre="Drama")
    right = getattr(pr, way)
    wrong = pd.Series([3 / 7, 3 / 7, 1 / 7])  # drama is not in the last: the posterior is the same
    monkeypatch.setattr(
        pr, way, lambda *given: wrong if way == "p_cluster" else right(*given) + 1e-9
    )
    with pytest.raises(ArithmeticError, match=f"^{re.escape(says)}$"):
        pr.evidence_table(clustering, has)


def test_hand_solved_lift(counts):
    assert pr.lift(counts).loc["War"].tolist() == pytest.approx([(2 / 3) / (2 / 8), 0, 0])


@given(clustered_corpora())
@settings(max_examples=80, deadline=None)
def test_on_any_corpus_tables_agree_with_each_other_and_with_counting(case):
    corpus, clustering = case
    counts = pr.count_movies(corpus, clustering)
    prior = pr.p_cluster(counts.clusters)
    posterior = pr.p_cluster_given_genre(counts)
    likelihood = pr.p_genre_given_cluster(counts)
    np.testing.assert_allclose(prior.sum(), 1, **EXACT)
    np.testing.assert_allclose(posterior.sum(axis=1), 1, **EXACT)
    for genre in counts.genres.index:
        has = pr.evidence(corpus, genre=genre)
        by_hand = [(has & (clustering.labels == c)).sum() / has.sum() for c in prior.index]
        np.testing.assert_allclose(posterior.loc[genre], by_hand, **EXACT)
        total = (likelihood.loc[genre].fillna(0) * prior).sum()
        np.testing.assert_allclose(total, has.mean(), **EXACT)
        np.testing.assert_allclose(pr.p_joint(counts).loc[genre].sum(), has.mean(), **EXACT)
    assert len(pr.check_tables(counts)) == 5


@given(clustered_corpora())
@settings(max_examples=40, deadline=None)
def test_on_any_corpus_genre_and_actor_together_are_counted(case):
    corpus, clustering = case
    for actor in corpus.actors["actor_id"]:
        for genre in corpus.genres["genre"].cat.categories:
            has = pr.evidence(corpus, genre=genre, actor=actor)
            table = pr.evidence_table(clustering, has)
            assert table["with_evidence"].sum() == has.sum()
            np.testing.assert_allclose(table["joint"].sum(), has.mean(), **EXACT)
            if has.any():
                np.testing.assert_allclose(table["posterior"].sum(), 1, **EXACT)
            else:
                assert table["posterior"].isna().all()


@given(clustered_corpora())
@settings(max_examples=40, deadline=None)
def test_the_mention_experiment_is_consistent_in_itself(case):
    counts = pr.count_movies(*case)
    if counts.genres.empty:
        with pytest.raises(ValueError, match="no movie has a genre"):
            pr.mention_probabilities(counts)
        return
    mentions = pr.mention_probabilities(counts)
    np.testing.assert_allclose(mentions.p_cluster.sum(), 1, **EXACT)
    np.testing.assert_allclose(mentions.p_genre.sum(), 1, **EXACT)
    np.testing.assert_allclose(mentions.p_genre_given_cluster.sum().replace(0, 1), 1, **EXACT)
    np.testing.assert_allclose(mentions.p_cluster_given_genre.sum(axis=1), 1, **EXACT)
    likelihood = mentions.p_genre_given_cluster.fillna(0)
    total = (likelihood * mentions.p_cluster).sum(axis=1)
    np.testing.assert_allclose(total, mentions.p_genre, **EXACT)


def test_the_two_experiments_mixed_up_give_no_probabilities(counts):
    mentions = pr.mention_probabilities(counts)
    joint = mentions.p_genre_given_cluster.loc["Drama"] * pr.p_cluster(counts.clusters)
    assert abs(joint.sum() / mentions.p_genre["Drama"] - 1) > 0.05


def test_hand_solved_mentions(counts):
    # eight mentions: Comedy twice in cluster 1, once in 2; Drama twice in 0, once in 1; War in 0
    mentions = pr.mention_probabilities(counts)
    assert mentions.p_cluster.to_dict() == {0: 4 / 8, 1: 3 / 8, 2: 1 / 8}
    assert mentions.p_genre.to_dict() == {"Comedy": 3 / 8, "Drama": 3 / 8, "War": 2 / 8}
    assert mentions.p_genre_given_cluster.loc["Drama"].tolist() == [2 / 4, 1 / 3, 0]
    assert mentions.p_cluster_given_genre.loc["Drama"].tolist() == [2 / 3, 1 / 3, 0]
    assert (mentions.p_cluster.name, mentions.p_genre.name) == ("p_cluster", "p_genre")


def test_without_genres_no_mention_can_be_picked(corpus, clustering):
    nothing = corpus.genres.iloc[:0].assign(genre=pd.Categorical([]))
    genreless = type(corpus)(corpus.movies, corpus.actors, corpus.credits, nothing)
    with pytest.raises(ValueError, match=r"^no movie has a genre, so no mention can be picked$"):
        pr.mention_probabilities(pr.count_movies(genreless, clustering))


@pytest.mark.parametrize("table", ["p_joint", "p_genre", "p_cluster_given_genre"])
def test_the_checks_notice_a_table_that_is_off(counts, monkeypatch, table):
    right = getattr(pr, table)
    monkeypatch.setattr(pr, table, lambda counts: right(counts) + 1e-9)
    with pytest.raises(ArithmeticError, match="does not hold"):
        pr.check_tables(counts)


def test_the_checks_say_what_was_checked(counts):
    assert pr.check_tables(counts) == [
        "Pr[cluster] sums to 1 over clusters",
        "Pr[cluster | genre] sums to 1 over clusters, for every genre",
        "Pr[cluster | genre] by Bayes equals the count of the genre's movies in the cluster over "
        "the genre's movies",
        "the sum of Pr[genre | cluster] Pr[cluster] over clusters equals Pr[genre]",
        "Pr[genre, cluster] summed over clusters equals Pr[genre]",
    ]


def test_bayes_table_refuses_what_is_no_probability():
    prior = pd.Series([0.5, 0.5])
    with pytest.raises(ValueError, match="not to 1"):
        pr.bayes_table(prior * 0.9, prior)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        pr.bayes_table(prior, pd.Series([0.5, 1.5]))
    with pytest.raises(ValueError, match="different clusters"):
        pr.bayes_table(prior, pd.Series([0.5, 0.5], index=[1, 2]))


def test_evidence_by_actor_id_or_name(corpus):
    assert pr.evidence(corpus, actor="b").tolist() == [True, True] + [False] * 6
    assert (pr.evidence(corpus, actor="Bo") == pr.evidence(corpus, actor="b")).all()
    assert pr.evidence(corpus, genre="War", actor="b").sum() == 1


def test_an_ambiguous_name_lists_the_ids(corpus):
    with pytest.raises(ValueError, match=r"2 actors; give an id: a \(3 movies\), z \(1 movie\)"):
        pr.resolve_actor(corpus, "Ada")


def test_an_unknown_genre_of_thousands_lists_some():
    builder = CorpusBuilder()
    builder.add("m", "M", [f"tag {number:04d}" for number in range(2_000)], [("a", "Ada")])
    with pytest.raises(ValueError, match=r"are tag 0000, tag 0001, .*, tag 0049, …$"):
        pr.resolve_genre(builder.build(), "Opera")


def test_unknown_genre_and_actor_are_named(corpus):
    with pytest.raises(ValueError, match="genre 'Opera'; the genres are Comedy, Drama, War"):
        pr.evidence(corpus, genre="Opera")
    with pytest.raises(ValueError, match="no actor has the id or the name 'Nobody'"):
        pr.evidence(corpus, actor="Nobody")


def test_another_corpus_is_refused(corpus, clustering):
    movies = corpus.movies.iloc[::-1].reset_index(drop=True)
    other = type(corpus)(movies, corpus.actors, corpus.credits, corpus.genres)
    with pytest.raises(ValueError, match="other movies"):
        pr.count_movies(other, clustering)


@given(clustered_corpora(), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_pairs_of_genre_and_actor_by_plain_counting(case, least):
    corpus, clustering = case
    found = pr.count_pairs(corpus, clustering, least=least)
    by_hand = []
    for genre in corpus.genres["genre"].cat.categories:
        for actor in corpus.actors["actor_id"]:
            has = pr.evidence(corpus, genre=genre, actor=actor)
            if has.sum() >= least:
                by_hand.append(pr.evidence_table(clustering, has)["with_evidence"].tolist())
    assert found.tolist() == by_hand
    assert found.shape[1] == len(clustering.groups)
    prior = cluster_prior(clustering.sizes())
    shares = found / found.sum(axis=1, keepdims=True)
    for level in (0.8, 0.95):
        intervals = dirichlet_intervals(found, prior=prior, level=level)
        assert intervals.includes(intervals.estimate).all()
        assert intervals.includes(shares).all()


@given(clustered_corpora())
@settings(max_examples=30, deadline=None)
def test_genre_information_is_mutual_information_in_bits(case):
    corpus, clustering = case
    table = pr.genre_information(pr.count_movies(corpus, clustering)).set_index("genre")
    for genre, row in table.iterrows():
        has = pr.evidence(corpus, genre=genre)
        expected = mutual_info_score(has, clustering.labels) / np.log(2)
        assert row["bits"] == pytest.approx(expected, abs=1e-9)
        assert row["bits"] <= row["entropy"] + 1e-12


def test_hand_solved_genre_information_by_falling_bits_then_by_name():
    builder = CorpusBuilder()
    for number, genres in enumerate(["BC", "BC", "AC", "AC"]):
        builder.add(f"m{number}", "T", genres, [])
    corpus = builder.build()
    counts = pr.count_movies(corpus, clustering_of(corpus, [0, 0, 1, 1]))
    expected = {"genre": ["A", "B", "C"], "movies": [2, 2, 4], "bits": [1.0, 1.0, 0.0]}
    expected["entropy"] = [1.0, 1.0, 0.0]
    assert pr.genre_information(counts).to_dict(orient="list") == expected
    assert pr.genre_information(counts).index.tolist() == [0, 1, 2]


def test_ratings_are_of_rated_movies_only(corpus, clustering):
    ratings = pr.ratings_by_cluster(corpus, clustering).set_index("cluster")
    assert ratings["rated"].tolist() == [2, 1, 1]
    assert ratings["mean_rating"].tolist() == [7.0, 4.0, 2.0]
    assert ratings["mean_votes"].tolist() == [20.0, 20.0, 0.0]


def test_an_empty_cluster_has_no_movies_and_no_rating(corpus):
    ratings = pr.ratings_by_cluster(corpus, clustering_of(corpus, TOY_LABELS, n_clusters=4))
    assert ratings.columns.tolist() == ["cluster", "movies", "rated", "mean_rating", "mean_votes"]
    assert ratings["movies"].tolist() == [3, 3, 2, 0]
    assert ratings["rated"].tolist() == [2, 1, 1, 0]
    assert ratings[["movies", "rated"]].dtypes.tolist() == [int, int]
    assert ratings.loc[3, ["mean_rating", "mean_votes"]].isna().all()


def test_a_cluster_without_ratings_does_not_lower_the_rating_expected(corpus, clustering):
    movies = corpus.movies.assign(rating=corpus.movies["rating"].where(TOY_LABELS != 1))
    some_rated = type(corpus)(movies, corpus.actors, corpus.credits, corpus.genres)
    has = pr.evidence(some_rated, genre="Drama")
    expected = pr.expected_rating(some_rated, clustering, has)
    assert expected == {"through_clusters": pytest.approx(7.0), "direct": 7.0, "rated": 2}


def test_expected_rating_by_hand(corpus, clustering):
    expected = pr.expected_rating(corpus, clustering, pr.evidence(corpus, genre="Drama"))
    assert expected["through_clusters"] == pytest.approx(2 / 3 * 7 + 1 / 3 * 4)
    assert expected["direct"] == 7.0
    assert expected["rated"] == 2


def test_nothing_rated_gives_no_rating(corpus, clustering):
    movies = corpus.movies.assign(rating=np.nan)
    unrated = type(corpus)(movies, corpus.actors, corpus.credits, corpus.genres)
    expected = pr.expected_rating(unrated, clustering, np.ones(8, dtype=bool))
    assert np.isnan(expected["through_clusters"])
    assert np.isnan(expected["direct"])


def test_sample_of_movies_is_seeded_and_from_those_marked(corpus):
    among = TOY_LABELS == 1
    drawn = pr.sample_movies(corpus, among, n=2, random_state=3)
    assert len(drawn) == 2
    assert set(drawn["movie_id"]) <= {"m4", "m5", "m6"}
    pd.testing.assert_frame_equal(drawn, pr.sample_movies(corpus, among, n=2, random_state=3))
    assert len(pr.sample_movies(corpus, among, n=9, random_state=3)) == 3


def test_a_sample_is_of_ten_different_movies_unless_told_otherwise():
    builder = CorpusBuilder()
    for number in range(14):
        builder.add(f"m{number}", f"T{number}", [], [], year=1900 + number)
    drawn = pr.sample_movies(builder.build(), np.ones(14, dtype=bool), random_state=0)
    assert drawn.columns.tolist() == ["movie_id", "title", "year"]
    assert drawn.index.tolist() == list(range(10))
    assert drawn["movie_id"].is_unique


@given(st.integers(1, 6), st.integers(1, 60), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_mutual_information_is_that_of_scikit_learn(n_clusters, n_movies, seed):
    rng = np.random.default_rng(seed)
    labels, has = rng.integers(0, n_clusters, n_movies), rng.random((n_movies, 3)) < rng.random(3)
    sizes = np.bincount(labels, minlength=n_clusters)
    joint = np.stack([np.bincount(labels[column], minlength=n_clusters) for column in has.T])
    expected = [mutual_info_score(labels, column) / np.log(2) for column in has.T]
    np.testing.assert_allclose(pr.mutual_information(joint, sizes), expected, atol=1e-9)


def test_mutual_information_by_hand():
    # all of cluster 0 and none of cluster 1: one bit; half of each: none; no movie: none
    joint = np.array([[4, 0], [2, 2], [0, 0]])
    np.testing.assert_allclose(pr.mutual_information(joint, np.array([4, 4])), [1, 0, 0], **EXACT)


# from a cast to clusters

CASTS = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]
"""Ada in two movies of cluster 0, Bo in one of each; Cy only where the movie is unplaced."""


def sparse(rows):
    return sp.csr_array(np.array(rows, dtype=float))


@pytest.fixture
def model():
    return CastModel.learn(sparse(CASTS), np.array([0, 0, 1, -1]), 2, strength=2.0)


def test_hand_solved_cast_model(model):
    # prior: (2 + 1/2) / (3 + 1) = 5/8; Ada: (2 + 2 * 5/8) / (2 + 2) = 13/16 of her in cluster 0
    np.testing.assert_allclose(model.prior, [5 / 8, 3 / 8], **EXACT)
    ada, bo = [13 / 16, 3 / 16], [(1 + 5 / 4) / 4, (1 + 3 / 4) / 4]
    factors = np.exp(model.log_factors)
    np.testing.assert_allclose(factors[0], np.array(ada) / model.prior, **EXACT)
    np.testing.assert_allclose(factors[1], np.array(bo) / model.prior, **EXACT)
    np.testing.assert_allclose(factors[2], [1, 1], **EXACT)
    assert model.known.tolist() == [True, True, False]


def test_hand_solved_posterior(model):
    casts = sparse([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]])
    found = model.posterior(casts)
    both = np.array([13 / 16 * 9 / 16 / (5 / 8), 3 / 16 * 7 / 16 / (3 / 8)])
    both = both / both.sum()
    expected = [
        [13 / 16, 3 / 16, 0],  # one actor: Pr[cluster | actor] itself
        [9 / 16, 7 / 16, 0],
        [*both, 0],
        [13 / 16, 3 / 16, 0],  # an unknown actor counts for nothing
        [0, 0, 1],
        [0, 0, 1],
    ]
    np.testing.assert_allclose(found, expected, **EXACT)


def test_other_evidence_multiplies(model):
    casts = sparse([[1, 0, 0], [0, 0, 1]])
    likelihood = np.array([0.1, 0.6])
    found = model.posterior(casts, likelihood)
    with_ada = np.array([13 / 16, 3 / 16]) * likelihood
    alone = np.array([5 / 8, 3 / 8]) * likelihood
    np.testing.assert_allclose(found[0], [*(with_ada / with_ada.sum()), 0], **EXACT)
    np.testing.assert_allclose(found[1], [*(alone / alone.sum()), 0], **EXACT)
    np.testing.assert_allclose(model.posterior(casts, 7 * likelihood), found, **EXACT)


def test_evidence_that_a_cluster_never_has_rules_it_out(model):
    found = model.posterior(sparse([[1, 0, 0], [0, 0, 1]]), np.array([0.0, 0.6]))
    np.testing.assert_allclose(found, [[0, 1, 0], [0, 1, 0]], **EXACT)


def test_two_movies_are_added_to_an_actors_unless_told_otherwise(model):
    assumed = CastModel.learn(sparse(CASTS), np.array([0, 0, 1, -1]), 2)
    assert (assumed.log_factors == model.log_factors).all()


def test_an_actor_of_one_movie_is_known():
    assert CastModel.learn(sparse([[1, 0]]), np.array([0]), 1).known.tolist() == [True, False]


def test_the_more_movies_an_actor_has_the_more_certain_is_the_cluster():
    certain = []
    for n_movies in (1, 2, 5, 50):
        casts = sparse([[1, 0]] * n_movies + [[0, 1]] * 50)
        labels = np.repeat([0, 1], [n_movies, 50])
        model = CastModel.learn(casts, labels, 2)
        certain.append(np.exp(model.log_factors[0] + np.log(model.prior))[0])
    assert certain == sorted(certain)
    assert certain[0] < 0.4
    assert certain[-1] > 0.97


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_for_any_casts_probabilities_sum_to_1(data):
    seed, n_clusters = data.draw(st.integers(0, 10_000)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(seed)
    n_movies, n_actors = rng.integers(1, 40, 2)
    casts = sparse(rng.random((n_movies, n_actors)) < rng.random())
    labels = rng.integers(-1, n_clusters, n_movies)
    model = CastModel.learn(casts, labels, n_clusters, strength=rng.uniform(0.01, 5))
    new = sparse(rng.random((8, n_actors)) < rng.random())
    given_too = rng.uniform(1e-9, 1, n_clusters) if data.draw(st.booleans()) else None
    found = model.posterior(new, given_too)
    assert found.shape == (8, n_clusters + 1)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, **EXACT)
    placed = new.toarray()[:, model.known].any(axis=1) | (given_too is not None)
    assert (found[:, -1] == ~placed).all()


def test_a_long_cast_of_prolific_actors_neither_overflows_nor_becomes_nan():
    casts = sparse(np.repeat(np.eye(2), 300, axis=0).repeat(100, axis=1))
    model = CastModel.learn(casts, np.repeat([0, 1], 300), 2)
    found = model.posterior(sparse(np.ones((1, 200))))
    np.testing.assert_allclose(found, [[0.5, 0.5, 0]], rtol=0, atol=1e-9)
    alone = model.posterior(sparse([[1] * 100 + [0] * 100]))
    np.testing.assert_allclose(alone, [[1, 0, 0]], **EXACT)


def test_a_movie_beside_one_with_an_endless_cast_keeps_its_probabilities():
    casts = sparse(np.repeat(np.eye(2), 30, axis=0).repeat(1500, axis=1))
    model = CastModel.learn(casts, np.repeat([0, 1], 30), 2)
    endless, short = np.zeros((2, 3000))
    endless[:1500], short[-1] = 1, 1
    both = model.posterior(sparse([endless, short]))
    np.testing.assert_allclose(both[1:], model.posterior(sparse([short])), **EXACT)


@given(clustered_corpora())
@settings(max_examples=30, deadline=None)
def test_posteriors_of_all_genres_at_once_are_those_of_each_table(case):
    counts = pr.count_movies(*case)
    found = pr.p_cluster_given_genre(counts)
    likelihood = pr.p_genre_given_cluster(counts)
    for genre in counts.genres.index:
        one = pr.bayes_table(pr.p_cluster(counts.clusters), likelihood.loc[genre])["posterior"]
        assert found.loc[genre].tolist() == one.tolist()
    assert found.columns.equals(counts.joint.columns)
    assert found.index.name == "genre"
