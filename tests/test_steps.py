"""The steps of the notebooks 04 and 05, on a corpus that can be counted by hand."""

import pandas as pd
import pytest

from imdbclust import probabilities as pr
from imdbclust.evaluation.overall import Evaluation
from imdbclust.evaluation.profiles import profile_clusters
from imdbclust.evaluation.steps import clustering as of_clusters
from imdbclust.evaluation.steps import probabilities as steps

PRIOR = {"prior": 0.5, "level": 0.95}
LABELS = pd.Series({0: "#0 Ada", 1: "#1 Cy", 2: "#2 Xi", -1: "unplaced"})


def test_the_largest_cluster_and_its_posterior_mean_are_counted(counts):
    found = steps.clusters(counts, LABELS, **PRIOR)
    assert found.sentences == [
        "A movie picked uniformly is in cluster #0 Ada with probability 0.375."
    ]
    table = found.tables["p_cluster"]
    assert table["movies"].tolist() == [3, 3, 2]
    weight = 1 / 3  # of each of three clusters, one pseudo-movie in all
    assert table["mean"].tolist() == pytest.approx([(n + weight) / 9 for n in (3, 3, 2)])


def test_years_of_a_cluster_and_shares_of_its_genres_are_counted(corpus, clustering):
    profiles = profile_clusters(corpus, clustering, random_state=0)
    years, genres = of_clusters.when_and_what(corpus, clustering, profiles)
    assert years.groupby("cluster")["year"].agg(list).to_dict() == {
        0: [1931, 1935, 1940],
        1: [1999, 2001],
        2: [2005, 2010],
    }
    shares = genres.set_index(["cluster", "genre"])["share"]
    assert shares[0, "War"] == shares[1, "Comedy"] == 2 / 3
    assert shares[2, "Comedy"] == 1 / 2


def test_the_example_is_the_wanted_genre_or_the_most_telling_one(corpus, counts):
    chosen = steps.Example.choose(corpus, counts, "", "", "Silent, Short")
    assert chosen == steps.Example("War", "a", "Ada")
    wanted = steps.Example.choose(corpus, counts, "Comedy", "Bo", "")
    assert wanted == steps.Example("Comedy", "b", "Bo")
    formal = steps.Example.choose(corpus, counts, "", "", "War, Short")
    assert formal.genre != "War"


def test_genres_and_clusters_of_the_heat_map_are_in_the_order_of_their_years(
    corpus, clustering, counts
):
    pairs = steps.associate(corpus, clustering, fdr=0.05, **PRIOR)
    measures = steps.heat(counts, pairs, corpus, clustering)
    assert list(measures) == ["Share", "Joint", "Posterior", "Lift", "Beyond the decade"]
    for table in measures.values():
        assert table.index.tolist() == ["Drama", "War", "Comedy"]  # 1935, 1937.5, 2001
        assert table.columns.tolist() == [0, 1, 2]
    assert measures["Share"].loc["War"].tolist() == [2 / 3, 0, 0]
    assert measures["Posterior"].loc["Comedy"].tolist() == pytest.approx([0, 2 / 3, 1 / 3])
    # the 1930s have two Dramas and one War, both in cluster 0: as expected
    assert measures["Beyond the decade"].loc["Drama", 0] == 1


def test_a_genre_mention_and_a_movie_are_two_experiments(counts):
    found = steps.mentions(counts, "Comedy")
    mixed = (2 / 3 * 3 / 8 + 1 * 2 / 8) / (3 / 8)  # by mention, times by movie, over all mentions
    assert found.sentences == [
        f"Mixing both experiments gives posteriors for Comedy that add up to {mixed:.4f}, not 1."
    ]


def test_ratings_leave_out_movies_without_one(corpus, clustering):
    has_genre = pr.evidence(corpus, genre="Comedy")
    found = steps.ratings(corpus, clustering, "Comedy", has_genre)
    assert found.tables["ratings"]["mean_rating"].tolist() == [7.0, 4.0, 2.0]
    assert found.tables["expected_rating"]["direct"].item() == 3.0
    rated = steps.rated_movies(corpus, clustering, LABELS)
    assert rated["label"].tolist() == ["#0 Ada", "#0 Ada", "#1 Cy", "#2 Xi"]


def test_a_point_outside_its_interval_is_found(corpus, clustering, counts):
    tables = steps.tables_with_intervals(counts, LABELS, **PRIOR)
    holds, claim = steps.points_in_intervals(corpus, clustering, counts, tables, **PRIOR)
    assert holds
    assert "0 pairs" in claim
    wrong = tables[0].assign(mean=1.0)
    holds, _ = steps.points_in_intervals(corpus, clustering, counts, [wrong], **PRIOR)
    assert not holds


def test_what_was_not_evaluated_says_why_and_shows_nothing(corpus, clustering, tmp_path):
    found = Evaluation.without("there are too few movies")
    assert of_clusters.stability(found).warnings == [
        "The reliability of the clusters was not evaluated: there are too few movies."
    ]
    assert of_clusters.information(found).tables == {}
    assert of_clusters.later_movies(found, 2005).sentences == ()
    assert of_clusters.try_numbers(found, None, corpus, None, random_state=0).empty
    found.save(tmp_path)
    result, bins = steps.held_out(tmp_path, **PRIOR)
    assert result.sentences == [
        "The clustering was not evaluated, so there are no held-out movies."
    ]
    assert bins.empty


def test_movies_without_a_cast_have_one_home(corpus, clustering):
    assert of_clusters.castless(corpus, clustering, LABELS).sentences == [
        "1 movie without a cast is in cluster #2 Xi."
    ]
