"""Profiles: what stands out in a cluster, the name that follows from it, and names of one's own."""

import json

import numpy as np
import pandas as pd
import pytest
from corpora import TOY_LABELS, clustering_of, toy_corpus

from imdbclust.base.errors import UserError
from imdbclust.clustering import UNPLACED
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.evaluation.profiles import (
    Profiles,
    parse_names,
    profile_clusters,
    read_names,
    standouts,
)
from imdbclust.load import CorpusBuilder

UNPLACED_LABELS = np.array([0, 0, 0, 1, 1, 1, UNPLACED, UNPLACED])


def test_standouts_by_hand():
    genres, names = toy_corpus().genre_matrix()
    clustering = clustering_of(toy_corpus(), TOY_LABELS)
    table = standouts(
        clustering.membership() @ genres, clustering.sizes(), genres.sum(axis=0), names
    )
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
    assert summary.loc[3, "name"] == "no actor stands out"
    assert summary["movies"].tolist() == [3, 3, 2, 0]
    assert set(summary.loc[1, "titles"].split("; ")) == {"Four", "Five", "Six"}
    assert summary.loc[3, "titles"] == ""
    assert profiles.decades[profiles.decades["cluster"] == 1]["movies"].sum() == 2


def test_a_clustering_of_other_movies_is_refused():
    corpus = make_filmography(8, 8, n_troupes=2, random_state=0).corpus
    with pytest.raises(ValueError, match="other movies"):
        profile_clusters(corpus, clustering_of(toy_corpus(), TOY_LABELS), random_state=0)


def test_unplaced_movies_have_a_profile_of_their_own_without_actors():
    clustering = clustering_of(toy_corpus(), UNPLACED_LABELS)
    profiles = profile_clusters(toy_corpus(), clustering, random_state=0)
    summary = profiles.summary.set_index("cluster")
    assert summary.index.tolist() == [0, 1, UNPLACED]
    assert summary.loc[UNPLACED, "name"] == "unplaced: the cast does not tell"
    assert summary.loc[UNPLACED, "movies"] == 2
    assert set(summary.loc[UNPLACED, "titles"].split("; ")) == {"Seven", "Eight"}
    assert UNPLACED not in set(profiles.actors["cluster"])
    assert profiles.decades["cluster"].tolist()[-2:] == [UNPLACED, UNPLACED]
    assert profiles.decades["cluster"].tolist()[0] == 0


def test_profiles_read_back_as_they_were_written_and_label_the_clusters(tmp_path):
    corpus = toy_corpus()
    labels = np.where(TOY_LABELS == 2, UNPLACED, TOY_LABELS)
    profiles = profile_clusters(corpus, clustering_of(corpus, labels), random_state=1)
    profiles.save(tmp_path)
    again = Profiles.load(tmp_path)
    for name in ("summary", "actors", "genres", "decades"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(profiles, name))
    assert again.labels()[0].startswith("#0 Ada, Bo: ")
    assert again.labels(short=True).to_dict() == {0: "#0 Ada", 1: "#1 Cy", UNPLACED: "unplaced"}


# names


def profile(genres: list[list[str]], *, years=1950, **options):
    """Return the profile of cluster 0, the first ten of twenty movies with these genres."""
    builder = CorpusBuilder()
    for number, tags in enumerate(genres):
        cast = [(f"a{number // 10}", f"Actor {number // 10}"), ("b", "Everyone")]
        builder.add(f"m{number:02}", f"Movie {number}", tags, cast, year=years)
    clustering = clustering_of(builder.build(), np.arange(20) // 10)
    profiles = profile_clusters(builder.build(), clustering, random_state=0, **options)
    return profiles.summary.iloc[0]


def of_ten(n: int, genre: str) -> list[list[str]]:
    return [[genre]] * n + [[]] * (10 - n)


@pytest.mark.parametrize(
    ("inside", "outside", "name", "share", "said"),
    [
        (3, 0, "Actor 0: Noir, 1950s", 0.3, "Noir 30%, nowhere else"),
        (2, 0, "Actor 0: 1950s", np.nan, "Noir 20%, nowhere else"),
        (8, 2, "Actor 0: Noir, 1950s", 0.8, "Noir 80%, 4 times as often as elsewhere"),
        (6, 4, "Actor 0: Noir, 1950s", 0.6, "Noir 60%, 1.5 times as often as elsewhere"),
        (2, 1, "Actor 0: 1950s", np.nan, "Noir 20%, 2 times as often as elsewhere"),
        (5, 5, "Actor 0: 1950s", np.nan, ""),
        (5, 9, "Actor 0: 1950s", np.nan, ""),
        (0, 0, "Actor 0: 1950s", np.nan, ""),
    ],
)
def test_a_genre_names_a_cluster_that_has_it_often_and_more_often_than_elsewhere(
    inside, outside, name, share, said
):
    found = profile([*of_ten(inside, "Noir"), *of_ten(outside, "Noir")])
    assert found["name"] == name
    assert found["genre"] == ("Noir" if share > 0 else "")
    assert found["genre_share"] == pytest.approx(share, nan_ok=True)
    assert found["genres"] == said


def test_a_form_names_no_cluster():
    films = [*of_ten(9, "Silent"), *of_ten(1, "Silent")]
    assert profile(films)["name"] == "Actor 0: 1950s"
    assert profile(films)["genres"] == "Silent 90%, 9 times as often as elsewhere"
    assert profile(films, form_tags=("Short",))["name"] == "Actor 0: Silent, 1950s"
    both = [["Silent", "Drama"]] * 4 + [[]] * 6 + of_ten(2, "Drama")
    assert profile(both)["name"] == "Actor 0: Drama, 1950s"


def test_names_without_genres_and_years_are_those_of_the_actors():
    assert profile([[]] * 20, years=None)["name"] == "Actor 0"


@pytest.mark.parametrize("seed", range(5))
def test_names_do_not_follow_the_order_of_the_file(seed):
    order = np.random.default_rng(seed).permutation(24)
    builder = CorpusBuilder()
    # four actors of each cluster are equals; two are namesakes, and ids contradict names
    for number in order:
        cluster, place = divmod(int(number), 12)
        cast = [(f"id{9 - place % 4}-{cluster}", f"Name {max(place % 4, 1)} of {cluster}")]
        builder.add(f"m{number:02}", "Movie", ["Noir" if cluster else "War"], cast, year=1950)
    profiles = profile_clusters(
        builder.build(), clustering_of(builder.build(), order // 12), random_state=0
    )
    assert profiles.summary["name"].tolist() == [
        "Name 1 of 0, Name 1 of 0: War, 1950s",
        "Name 1 of 1, Name 1 of 1: Noir, 1950s",
    ]
    ranked = profiles.actors[profiles.actors["cluster"] == 0]["name"].tolist()
    assert ranked == ["Name 1 of 0", "Name 1 of 0", "Name 2 of 0", "Name 3 of 0"]


# names of one's own


def test_own_names_replace_ours_and_claim_no_genre():
    corpus, own = toy_corpus(), {1: "Laughs"}
    clustering = clustering_of(corpus, UNPLACED_LABELS)
    profiles = profile_clusters(corpus, clustering, names=own, random_state=0)
    assert profiles.labels().tolist()[1:] == ["#1 Laughs", "unplaced: the cast does not tell"]
    assert profiles.labels(short=True).tolist() == ["#0 Ada", "#1 Laughs", "unplaced"]
    assert profiles.summary["genre"].tolist() == ["War", "", ""]


@pytest.mark.parametrize(
    "text",
    [
        'cluster,name\n1,Laughs\n0,"Wars, mostly"\n',
        '\ufeffname,cluster,note\r\nLaughs,1,x\r\n"Wars, mostly", 0 ,\r\n',
        '{"cluster": 1, "name": "Laughs"}\n\n{"name": "Wars, mostly", "cluster": "0"}\n',
    ],
)
def test_names_are_read_from_csv_and_json_lines(text, tmp_path):
    (tmp_path / "names").write_text(text, encoding="utf-8", newline="")
    assert parse_names(read_names(tmp_path / "names"), 2) == {1: "Laughs", 0: "Wars, mostly"}
    assert parse_names("", 2) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster,name\n2,A\n", "unknown cluster '2'; the clusters are numbered 0 to 1"),
        ("cluster,name\n-1,A\n", "unknown cluster '-1'"),
        ("cluster,name\n1.5,A\n", "unknown cluster '1.5'"),
        ("cluster,name\n01,A\n", "unknown cluster '01'"),
        ("cluster,name\n1,A\n1,A\n", "cluster 1 has two names"),
        ("cluster,name\n1,\n", "'' cannot be the name of cluster 1"),
        ("cluster,name\n1,A\tB\n", "cannot be the name of cluster 1"),
        (f"cluster,name\n1,{'A' * 81}\n", "longer than 80 characters"),
        ("clusters,name\n1,A\n", "the column cluster is missing; did you mean 'clusters'?"),
        ("cluster\n1\n", "the column name is missing"),
        ("cluster,name\n1,A,B\n", "every row must have a cluster and a name"),
        ("cluster,name\n1\n", "the column name is missing"),
        ('{"cluster": 1, "name": 5}', "5 cannot be the name of cluster 1"),
        ('{"cluster": 1, "nmae": "A"}', "the column name is missing; did you mean 'nmae'?"),
        ('{"cluster": 1, "name": "A"}\n[1]', "every row must have a cluster and a name"),
        ('{"cluster": 1', "neither CSV nor JSON lines"),
        ('cluster,name\n1,"A\n', "neither CSV nor JSON lines"),
        ("", "no name in this file"),
        (b"cluster,name\n1,\xff\n", "neither CSV nor JSON lines"),
        (None, "cannot be read: No such file"),
    ],
)
def test_wrong_files_of_names_are_refused(text, message, tmp_path):
    path = tmp_path / "names"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as raised:
        parse_names(read_names(path), 2)
    assert message in str(raised.value)


@pytest.mark.parametrize("text", ["1", "[]", "[[1, 2]]", "{", '"a"', "[" * 100_000])
def test_a_parameter_that_is_no_object_is_refused(text):
    with pytest.raises(UserError, match="names must be a JSON object"):
        parse_names(text, 2)


def test_the_parameter_keeps_what_the_file_says(tmp_path):
    (tmp_path / "names").write_text("cluster,name\n3,Amélie et les autres\n", encoding="utf-8")
    text = read_names(tmp_path / "names")
    assert json.loads(text) == {"3": "Amélie et les autres"}
    assert "Amélie" in text
