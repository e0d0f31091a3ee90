"""Every sentence of a report, with numbers that make it singular, plural, empty or extreme."""

import ast
import inspect
import json
import math
import re
from string import Formatter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_english import STUMBLES

from imdbclust import wording
from imdbclust.base.paths import NOTEBOOKS, REPOSITORY

SOURCE = inspect.getsource(wording)
CODE = "\n".join(
    "".join(cell["source"])
    for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "code"
)


def frame(**columns):
    return pd.DataFrame(columns)


# the module


def test_no_text_has_a_pattern_that_readers_stumble_over():
    texts = {
        node.value
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert "The corpus in numbers" in texts
    assert {text for text in texts if STUMBLES.search(text)} == set()


def test_wording_imports_nothing_of_the_package_but_text():
    nodes = [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.ImportFrom)]
    ours = {node.module for node in nodes if node.module.startswith("imdbclust")}
    assert ours == {"imdbclust.base.text"}


def test_every_function_and_every_text_is_used():
    functions = {
        name
        for name, function in vars(wording).items()
        if inspect.isfunction(function) and function.__module__ == wording.__name__
    }
    public = {name for name in functions if not name.startswith("_")}
    called = set(re.findall(r"wording\.(\w+)\(", CODE))
    assert called <= public
    for path in (REPOSITORY / "imdbclust").rglob("*.py"):
        called |= set(re.findall(r"\b(\w+)\(", path.read_text(encoding="utf-8")))
    within = set(re.findall(r"(?<!def )\b(\w+)\(", SOURCE))
    assert functions - called - within == set()
    sources = (REPOSITORY / "imdbclust").rglob("*.py")
    package = "".join(
        path.read_text(encoding="utf-8") for path in sources if path.name != "wording.py"
    )
    for name in {**wording.CAPTIONS, **wording.CHECKS}:
        assert f'"{name}"' in CODE + package, name
    for name in wording.SENTENCES:
        assert re.search(rf'sentence\(\s*"{name}"', CODE + package), name
    for name in wording.FIGURES:
        assert f'figure("{name}"' in CODE, name


def test_captions_have_no_period_and_checks_no_capital():
    for text in wording.CAPTIONS.values():
        assert not text.endswith(".")
    for text in wording.CHECKS.values():
        assert text[0] in "{" or text[0].islower()
        assert not text.endswith(".")


@pytest.mark.parametrize(
    ("function", "texts"), [("caption", wording.CAPTIONS), ("check", wording.CHECKS)]
)
def test_captions_and_checks_take_values_as_text(function, texts):
    for name, text in texts.items():
        fields = {field for _, field, _, _ in Formatter().parse(text) if field}
        numbers = dict.fromkeys(fields & {"level", "most"}, 0.9)
        said = getattr(wording, function)(name, **dict.fromkeys(fields, "{x} | <b>") | numbers)
        assert said.count("{x} | <b>") == len(fields) - len(numbers)
    assert "90% intervals" in wording.caption("associations", level=0.9)


LABELS = {0: "#0 B", 3: "#3 A"}


def test_names_within_a_sentence():
    assert wording.cluster_name(3.0, LABELS) == "cluster #3 A"
    assert wording.cluster_name(-1, LABELS) == "the group of unplaced movies"
    assert wording.metric_name("held_out_bits") == "held out bits"


# 01_load


def test_corpus_size():
    size = {"n_movies": 2000, "n_actors": 1, "n_credits": 30}
    assert (
        wording.sentence("corpus_size", title="A", **size)
        == "A: 2,000 movies and 1 actor, linked by 30 credits."
    )


def test_no_part_is_not_mentioned():
    assert wording.part_of_films({}) == ""


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, ""), (1, "Skipped 1 unusable record."), (1200, "Skipped 1,200 unusable records.")],
)
def test_skipped_records(n, said):
    assert wording.skipped(n) == said


def test_movies_per_year():
    said = wording.movies_per_year(frame(year=[1950, 1951, 1952], movies=[3, 1000, 4]))
    assert said["caption"] == "Movies per year, 1950 to 1952; n = 1,007 movies with a year."
    assert said["alt"].endswith("The median year has 4 movies, the busiest (1951) 1,000.")
    alone = wording.movies_per_year(frame(year=[1950], movies=[1]))
    assert alone["caption"] == "Movies per year, 1950; n = 1 movie with a year."
    none = wording.movies_per_year(frame(year=[], movies=[]))
    assert none == {"caption": "No movie has a year, so no year can be drawn.", "alt": ""}


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "Every movie has a year."), (1, "1 movie has no year."), (2, "2 movies have no year.")],
)
def test_movies_without_a_year(n, said):
    assert wording.movies_without(n, "year") == said


def test_genres_and_casts():
    assert wording.genres_per_movie(1.234, 1) == (
        "A movie has 1.23 genres on average. 1 movie has no genre."
    )
    assert wording.genres_per_movie(0.0, 8) == ""
    assert wording.no_genres(0).startswith("No movie has a genre, so ")
    assert wording.no_genres(2) == ""
    assert wording.movies_without(1, "genre") == "1 movie has no genre."
    assert wording.movies_without(2000, "genre") == "2,000 movies have no genre."
    assert wording.movies_without(0, "cast") == "Every movie has a cast."
    assert wording.sentence("casts", median=1.0) == "The median number of listed actors is 1."
    assert wording.sentence("casts", median=2.5).endswith(" is 2.5.")
    said = wording.cast_sizes(frame(actors_listed=[0, 3, 1500], movies=[1, 20, 2]), 3.0)
    assert said["caption"].endswith("n = 23 movies.")
    assert said["alt"] == (
        "Bar chart. The most common number of listed actors is 3 (20 movies), the median 3, "
        "the largest 1,500."
    )


def test_actors():
    assert wording.caption("actor_genre_counts", most=10_000) == (
        "Movies by actor and genre (at most the 10,000 actors with the most movies)"
    )
    leader = pd.Series({"name": "A", "n_movies": 1})
    assert wording.careers(leader, 2, 4) == (
        "A plays in 1 movie. Only one movie is listed for 2 of 4 actors (50%)."
    )


# 02_matrix


def test_matrix():
    size = {"n_rows": 1, "n_columns": 2000, "ones": 3, "cells": 1000, "density": 0.003}
    assert wording.sentence("matrix", **size) == (
        "The matrix has 1 row (movies) and 2,000 columns (actors). 3 of its 1,000 cells are one: "
        "0.3000% of the matrix."
    )
    top = wording.sentence("top_tenth", share=0.45)
    assert top == "The busiest tenth of the actors has 45% of all credits."
    curve = {"n_actors": 1, "n_movies": 1, "tenth": 1, "at_tenth": 1, "text": top}
    said = wording.figure("rank_frequency", **curve)
    assert "n = 1 actor." in said["caption"]
    assert said["alt"] == f"A curve falls from 1 movie at rank 1 to 1 at rank 1. {top}"


def test_components():
    assert wording.components(3000, 4000, 1, 2) == (
        "3,000 of 4,000 movies (75%) are connected through shared actors. 1 movie shares no actor "
        "with any other movie, and 2 have no cast: their casts give no hint where they "
        "belong."
    )
    assert "10 movies share no actor" in wording.components(1, 12, 10, 1)
    assert wording.components(4, 4, 0, 0) == (
        "4 of 4 movies (100%) are connected through shared actors."
    )


# 03_reduction


def test_share_kept():
    assert wording.share_kept(0.5, 1, weighted=False) == (
        "1 component keeps 50.0% of the variance of the matrix."
    )
    assert wording.share_kept(0.123, 12, weighted=True) == (
        "12 components keep 12.3% of the sum of squares of the weighted matrix. So few dimensions "
        "capture very little of who plays with whom."
    )
    assert wording.share_kept(math.nan, 2, weighted=True) == (
        "All casts are identical, so the matrix has no variance to keep."
    )


def test_scree():
    values = {"first": 10.0, "last": 1.25, "n_components": 3, "n_movies": 1}
    said = wording.figure("scree", gap=2, text="K.", **values)
    assert said["caption"].endswith("of 3 components; n = 1 movie.")
    assert said["alt"] == "Singular values fall from 10 to 1.25, most steeply after component 2. K."


def test_empty_components():
    assert wording.empty_components(32, 32) == ""
    assert wording.empty_components(29, 32) == (
        "The matrix has rank 29, which leaves 3 of 32 components empty."
    )
    said = wording.empty_components(0, 1)
    assert said.endswith("rank 0, which leaves 1 of 1 component empty.")
    assert "after component 4 (the" in wording.sentence("eigengap", gap=4)
    assert wording.sentence("leading_actors", names="A, B").endswith("are led by A, B.")


def test_without_coordinates():
    assert wording.without_coordinates(1, weighted=False) == (
        "1 movie has no coordinates (no cast)."
    )
    assert wording.without_coordinates(2, weighted=True) == (
        "2 movies have no coordinates (no cast, or a cast without a link to the main body of "
        "movies)."
    )
    assert wording.without_coordinates(0, weighted=True) == "Every movie has coordinates."


def test_map():
    said = wording.genre_map(1000, pd.Series({"War": 900, "Noir": 2}))
    assert said["caption"].startswith("t-SNE map of 1,000 movies, coloured by the rarest genre")
    assert said["alt"].endswith("The most common colours are War (900), Noir (2).")
    assert wording.genre_map(8, pd.Series(dtype=int))["alt"] == "Scatter plot of 8 movies."
    assert wording.map_size(8, 9) == "The map shows 8 of 9 movies."
    assert wording.map_size(0, 9) == ""
    none = wording.genre_map(0, pd.Series(dtype=int))
    assert none["caption"].startswith("No map was drawn: ")


def test_nearest_movies():
    assert wording.nearest_movies(5000, 0.85, 1000).startswith(
        "Among 5,000 pairs of a movie and one of its nearest movies (for a sample of 1,000 "
        "movies), 85% share an actor. The rest "
    )
    assert "(for a sample" not in wording.nearest_movies(5, 0.5)
    assert wording.nearest_movies(2, 1.0).endswith("100% share an actor.")
    assert wording.nearest_movies(0, math.nan).startswith("No two movies have coordinates")


# 04_clustering


SIZES = frame(label=["#1 A", "#0 B"], movies=[3000, 1000])


def test_clusters():
    assert wording.clusters(SIZES, 1.755, 0) == (
        "There are 2 clusters of 1,000 to 3,000 movies, as diverse as 1.8 clusters of equal size. "
        "The largest, #1 A, has 75% of the placed movies."
    )
    assert wording.clusters(SIZES, 2, 1).endswith(" 1 movie is unplaced.")
    assert wording.clusters(SIZES, 2, 2000).endswith(" 2,000 movies are unplaced.")
    assert wording.clusters(SIZES[1:], 1, 0).startswith("There is 1 cluster of 1,000 movies, ")
    assert wording.clusters(frame(label="A", movies=[1, 1]), 2, 0).startswith(
        "There are 2 clusters of 1 movie each, "
    )


def test_empty_clusters():
    assert wording.empty_clusters(0, 3, 3, 12) == ""
    assert wording.empty_clusters(1, 3, 3, 12) == (
        "1 of 3 clusters has no movie: when k-means stopped, it had found only 2 groups."
    )
    assert wording.empty_clusters(2, 3, 4, 12).endswith("it had found only 1 group.")
    assert wording.empty_clusters(2, 3, 1, 12) == (
        "2 of 3 clusters have no movie: the 12 placed movies have only 1 distinct position."
    )
    assert wording.empty_clusters(1, 3, 2, 12).endswith("have only 2 distinct positions.")
    # groups that were divided further than the positions of all movies allow
    assert wording.empty_clusters(3, 9, 5, 9).endswith("it had found only 6 groups.")


def test_genres_of_clusters():
    assert wording.strongest_genre(5.26).endswith("with at least 30 movies in a cluster is 5.3.")
    assert wording.strongest_genre(math.nan).startswith("No over-represented genre has")


def test_cluster_map():
    points = frame(cluster=[3] * 900 + [0] * 100, x=0.0, y=0.0)
    said = wording.cluster_map(points, LABELS)
    assert said["caption"].startswith("1,000 movies in 2 clusters: movies with similar casts")
    assert "The largest cluster, #3 A, has 900 of them." in said["caption"]
    assert said["alt"].endswith("#3 A 900, #0 B 100.")
    assert wording.cluster_map(points[:0], LABELS) == {"caption": "", "alt": ""}


def test_choice():
    tried = frame(measure="held_out", n_clusters=[4, 4, 8], n_components=2, value=[0.1, 0.3, 0.5])
    said = wording.choice(tried, 8)
    assert said["caption"].endswith("The dotted line is this run: 8 clusters.")
    assert said["alt"] == "Line plots. held out from 0.20 (4 clusters) to 0.50 (8)."
    assert wording.choice(tried[:0], 8)["caption"] == ""


NAMES = ("ari_subsamples", "ari_seeds", "ari_shuffled", "ari_shuffled_within_years")
ARI = dict(zip(NAMES, (0.801, 0.9, 0.029, 0.66), strict=True))


@pytest.mark.parametrize(
    ("verdict", "above", "starts"),
    [
        ("noise", [], "The clusters are noise: no measure is higher than chance explains on "),
        ("era", [], "The clusters are more than noise, but not more than eras: no measure is "),
        (
            "structure",
            ["held_out", "bits_on_parts", "ari_subsamples"],
            "The clusters are more than noise and more than eras. Higher than chance explains "
            "within years: agreement and information about genres. The adjusted Rand index",
        ),
        ("structure", ["ari_subsamples"], "The clusters are more than noise and more than eras. "),
        ("undated", [], "The clusters are more than noise. All movies are of one era."),
        ("unknown", [], "Too few shuffled casts were clustered to say whether the clusters are "),
    ],
)
def test_stability(verdict, above, starts):
    said = wording.stability(verdict, above, ARI, 0.04)
    assert said.startswith(starts)
    assert said.endswith(
        "0.80 ± 0.04 between refits on random 80% subsamples (shuffled casts: 0.03, within years "
        "0.66), and 0.90 between refits with other seeds."
    )
    undated = wording.stability(verdict, above, ARI | {NAMES[3]: math.nan}, 0.04)
    assert "(shuffled casts: 0.03), and" in undated
    unknown = wording.stability(verdict, above, ARI | {NAMES[0]: math.nan}, math.nan)
    assert said.startswith(unknown)
    assert "nan" not in unknown + undated
    assert "-0.00" not in wording.stability(verdict, above, dict.fromkeys(NAMES, -0.001), 0)


def test_stability_warning():
    assert wording.stability_warning("structure", agree=True) == ""
    assert wording.stability_warning("undated", agree=True) == ""
    assert wording.stability_warning("unknown", agree=False) == ""
    assert "Do not rely on any" in wording.stability_warning("structure", agree=False)
    assert "shuffled casts" in wording.stability_warning("noise", agree=False)
    assert "no more than the years" in wording.stability_warning("era", agree=True)


BITS = {
    "nearest": 1.161,
    "likeliest": 1.17,
    "posterior": 1.3,
    "decade": 0.85,
    "beyond_decade": 0.35,
    "beyond_decade_nearest": 0.34,
    "beyond_decade_posterior": -0.001,
}


def test_held_out_bits():
    shuffled = {"held_out": -0.42, "held_out_posterior": -0.001}
    said = wording.held_out_bits(pd.Series(BITS), 0.018, shuffled)
    assert said.startswith(
        "The most probable cluster of a held-out movie carries 1.17 bits about its genres, summed "
        "over genres (± 0.02 over subsamples; -0.42 for shuffled casts). All clusters, weighted by "
        "Pr[cluster | cast], carry 1.30 (0.00 for shuffled casts). The cluster with the nearest "
        "center carries 1.16. The decade alone carries "
    )
    assert said.endswith("most probable cluster adds 0.35 to it, and Pr[cluster | cast] 0.00.")
    few = wording.held_out_bits(
        BITS | {"nearest": -0.31, "likeliest": -0.32, "cast": 2.09}, 0.1, shuffled
    )
    assert "carries -0.31, so that it predicts better here. The decade" in few
    same = wording.held_out_bits(BITS | {"nearest": BITS["likeliest"] + 0.0004}, 0.1, shuffled)
    assert "with the nearest center carries 1.17. The decade" in same
    assert few.endswith(" The cast itself, without clusters, carries 2.09.")
    assert "Negative bits mean worse predictions than Pr[genre] alone" in few


def test_era():
    said = wording.era(1.236, 0.84, 1 / 51, 50)
    assert "(in-sample, summed over genres). The era explains 0.84 of them (68%): this m" in said
    assert said.endswith("permuted within each year. For the rest, p is at most 1/51.")
    assert wording.era(1.236, 0.84, 2 / 51, 50).endswith(" For the rest, p is 0.039.")
    assert wording.era(1.236, 0.84, math.nan, 3).endswith("within each year.")
    assert "explains all of them (100%): 0.30 bits remain when" in wording.era(0.2, 0.3, 1, 50)
    assert "explains all of them (100%): 0.05 bits remain when" in wording.era(0.0, 0.05, 1, 50)
    assert "-0.00" not in wording.era(-1e-9, -1e-8, 1, 50)
    assert "(0%)" in wording.era(0.5, -0.1, 1, 50)


def later_movies(nearest, gain, error):
    """Return a table of what clusters say about later movies; the last years carry 1.16 bits."""
    added = ["last_years_and_nearest", "last_years_and_posterior"]
    return frame(
        predictor=["nearest", "posterior", "last_years", *added],
        bits=[nearest, 0.9565, 1.1608, 1.1608 + gain, 1.1],
        beyond_last_years=[nearest - 1.1608, -0.2043, 0, gain, -0.0608],
        standard_error=[0.02, 0.02, 0, error, error],
    )


def test_split_in_time():
    assert wording.split_in_time(later_movies(0.9896, 0.0017, 0.0119), 10, 2005) == (
        "The genre shares of the last 10 years before 2005 carry 1.16 bits about movies from 2005 "
        "on, compared with the shares of all earlier movies. Clusters of earlier movies alone "
        "carry 0.99 (nearest) and 0.96 (Pr[cluster | cast]), not more than the last years. Added "
        "to the last years, they contribute at best 0.002 bits (standard error 0.012): they add "
        "nothing."
    )
    said = wording.split_in_time(later_movies(1.3, 0.2, 0.01), 1, 2005)
    assert "the last 1 year before 2005" in said
    assert ", more than the last years." in said
    assert said.endswith("at best 0.200 bits (standard error 0.010).")
    assert "-0.000" not in wording.split_in_time(later_movies(0, -0.0001, 0.01), 5, 2005)
    assert wording.sentence("no_split_in_time", year=2005) == (
        "No split at 2005: one side has too few movies with a cast."
    )


def test_supported_clusters():
    table = frame(measure=["silhouette", "held_out", "ari_subsamples"], n_clusters=[4, 8, 4])
    assert wording.supported_clusters(table, 16) == (
        "The measures disagree on the best number of clusters: 4 by silhouette, 8 by held-out "
        "bits, 4 by agreement of subsamples. No number is right by itself; this run uses 16."
    )
    assert wording.supported_clusters(table.assign(n_clusters=4), 16) == (
        "Among the numbers tried, all measures support 4 clusters."
    )
    assert wording.supported_clusters(table[1:2].assign(n_clusters=1), 16).endswith(
        "all measures support 1 cluster."
    )
    assert wording.supported_clusters(table[:0], 16) == "No number of clusters could be tried."


def test_truth_and_castless_movies():
    assert wording.sentence("recovery", ari=0.934) == (
        "The clusters recover the planted troupes with ARI 0.93."
    )
    assert wording.castless_movies(1, -1, LABELS) == "1 movie without a cast is unplaced."
    assert wording.castless_movies(2000, 3, LABELS) == (
        "2,000 movies without a cast are in cluster #3 A."
    )


# 05_probabilities


def test_associations():
    assert wording.associations(204, 697, 305) == (
        "204 of 697 genre-cluster pairs are over- or under-represented beyond what the decade "
        "explains. Another 305 pairs have a lift interval that excludes 1 but do not survive the "
        "correction for multiple testing."
    )
    assert wording.associations(1, 1, 1) == (
        "1 of 1 genre-cluster pair is over- or under-represented beyond what the decade explains. "
        "Another pair has a lift interval that excludes 1 but does not survive the correction for "
        "multiple testing."
    )
    assert wording.associations(0, 12, 0) == (
        "0 of 12 genre-cluster pairs are over- or under-represented beyond what the decade "
        "explains."
    )


def test_heat_map_of_genres():
    pairs = {"genre": ["Noir", "War", "Short"], "cluster": [3, 0, -1], "with_genre": [40, 29, 90]}
    pairs |= {"lift": [5.26, 9.0, 20.0], "lift_strata": [2.04, 8.0, 15.0], "flagged": True}
    assert wording.genres_by_cluster(frame(**pairs), LABELS).startswith(
        "Noir is 5.3 times as frequent in #3 A as in all movies, and 2.0 times as frequent as the "
        "decades explain. Genres and clusters are in the order"
    )
    said = wording.genres_by_cluster(frame(**pairs | {"flagged": False}), LABELS)
    assert said.startswith("No genre stands out in a cluster beyond what the decade explains.")


BEST = pd.Series(
    {"cluster": 3, "prior": 0.1234, "posterior": 0.83, "mean": 0.8126, "low": 0.7, "high": 0.9}
)


def test_bayes():
    best = {"best": BEST, "level": 0.95}
    assert wording.sentence("given_genre", genre="War", cluster="cluster 3", **best) == (
        "Given War, cluster 3 is the most probable: 0.813 (95% interval 0.700 to 0.900), compared "
        "with 0.123 when the genre is unknown."
    )
    given = {"genre": "War", "actor": "A"}
    found = {"cluster": wording.cluster_name(-1, LABELS), **best}
    assert wording.sentence("given_both", n_movies=1, **given, **found) == (
        "Given War with A (1 movie), the group of unplaced movies has probability 0.813 (95% "
        "interval 0.700 to 0.900)."
    )
    assert "(2,000 movies)" in wording.sentence("given_both", n_movies=2000, **given, **found)
    assert wording.sentence("no_posterior", **given).startswith("No movie is War with A")
    found = {"cluster": "cluster 3", "probability": 0.5}
    assert wording.sentence("new_movie", case="genre alone", **found) == (
        "Given the genre alone, cluster 3 is the most probable (0.500)."
    )
    row = SimpleNamespace(genre="Horror", p_genre=0.74, overall=0.048, through_cluster=0.031)
    assert wording.sentence("genre_of_new_movie", case="Bela Lugosi", row=row) == (
        "Given Bela Lugosi, the most probable genre is Horror: 0.740, compared with 0.048 among "
        "all movies, and with 0.031 through the cluster only."
    )
    assert wording.sentence("given_another_genre", genre="War", row=row) == (
        "Given War as well, the most probable other genre is Horror: 0.740."
    )
    assert wording.most_probable_cluster("cluster #3 A", 0.5, 0.525) == (
        "A movie picked uniformly is in cluster #3 A with probability 0.500, or 0.525 if it is "
        "placed."
    )
    assert wording.most_probable_cluster("cluster #3 A", 0.5, 0.5).endswith("probability 0.500.")
    jointly = {"bits": 0.962, "entropy": 6.716, "raw": 1.245, "by_chance": 0.283}
    assert wording.sentence("genre_information", summed=1.2356, **jointly) == (
        "A movie's cluster carries 1.24 bits about its genres, summed over genres (in-sample). "
        "About the set of its genres, which has an entropy of 6.72 bits, it carries 0.96 bits: "
        "1.25, minus 0.28 that permuted clusters carry by chance."
    )


def test_held_out_movies():
    covered = {"bin": "all", "cells": 2788, "covered": 0.976, "covered_randomised": 0.951}
    worst = {"bin": "100 to 999 movies expected", "cells": 108, "covered_randomised": 0.918}
    bins = {"level": 0.95, "all": covered, "worst": worst}
    assert wording.sentence("coverage", n_counts=2788, **bins) == (
        "For held-out movies, the 95% intervals cover 95.1% of 2,788 counts (97.6% before "
        'correcting for discreteness). The worst bin is "100 to 999 movies expected": 91.8% of '
        "108 counts."
    )
    assert wording.sentence("same_cluster", nearest=0.87, posterior=0.851).endswith(
        "87% of cases (nearest center) or 85% (posterior)."
    )


def test_a_notebook_opened_alone_names_films_and_settings():
    assert wording.opened_alone("A", "seed", {}) == (
        "Films: A. Settings: those of the course (preset seed)."
    )
    assert wording.opened_alone("A", "nested", {"n": 8, "t": "x"}) == (
        "Films: A. Settings: the preset nested. In this notebook, n = 8, t = 'x'."
    )
    of_run = wording.sentence("of_run", run="k23", preset="recommended")
    assert wording.opened_alone("A", "seed", {}, of_run) == (
        "Films: A. Settings: those of the run k23 (preset recommended)."
    )
    assert wording.of_last("04_clustering", "14:03", {"n": 8}) == (
        "Settings: those of 04_clustering, which finished last, at 14:03, with n = 8."
    )


def test_calibration():
    bins = frame(predicted=[0.02, 0.751, 0.9], observed=[0.01, 0.8, 0.4], n=[9000, 30, 29])
    bins["error"] = bins["observed"] - bins["predicted"]
    said = wording.calibration({"pred": bins}, {"pred": 0.0123})
    assert said == (
        "Pred: predictions above 0.1 are on average 0.012 away from the observed share. The worst "
        "bin with at least 30 predictions predicts 0.751, and 0.800 is observed (30 predictions)."
    )
    pairs = wording.calibration_figure(bins.assign(predictor="pred"))["alt"]
    assert pairs.endswith("observed shares. pred: 0.02 0.01, 0.75 0.80, 0.90 0.40.")
    unknown = "Pred: too few predictions above 0.1 to say how good they are."
    assert wording.calibration({"pred": bins[2:]}, {"pred": 0.5}) == unknown
    assert wording.calibration({"pred": bins[:1]}, {"pred": np.nan}) == unknown


def test_ratings():
    rated = frame(cluster=[0, 0, 3], rating=[6.0, 6.2, 5.5])
    said = wording.ratings(rated, LABELS)
    assert said["caption"].startswith("Mean ratings range from 5.50 (#3 A) to 6.10 (#0 B).")
    assert said["caption"].endswith("n = 3 rated movies.")
    assert said["alt"] == "Box plots of 2 clusters: #0 B 6.10, #3 A 5.50."
    means = {"through_clusters": 6.213, "direct": 6.35}
    assert wording.sentence("expected_rating", genre="War", **means) == (
        "The expected rating for War is 6.21 through its clusters, and 6.35 directly."
    )


def test_mixed_up_and_explorer():
    said = wording.sentence("mixed_up", genre="Sci-Fi", total=1.07016)
    assert said.endswith("add up to 1.0702, not 1.")
    size = {"movies": 1, "n_movies": 1, "actors": 2, "n_actors": 3000}
    assert wording.sentence("explorer", **size) == (
        "On the page explore.html, 1 of 1 movie and 2 of 3,000 actors can be looked up."
    )


# 06_sweep


RANKED = frame(k=[8, 16, 4, 2, 32], mean=[2.05, 2.0, 1.9, 1.8, 1.0], repeats=2, spread=0.0707)


SHORT = {0: "#0 Ada", 1: "#1 Bo", -1: "unplaced"}


def test_when_and_what():
    years = frame(cluster=[0, 0, 1], year=[1930, 1932, None])
    genres = frame(cluster=[0, 1], genre=["Noir", "War"], share=[0.3, 0.25])
    headline = (
        "The median year is 1931 (#0 Ada). The clearest genres: Noir (30% of #0 Ada), War (25% of "
        "#1 Bo)."
    )
    assert wording.when_and_what(years, genres, SHORT) == {
        "headline": headline,
        "caption": f"{headline} Ridges: movies by year, each as high as its busiest year. Dots: "
        "the most telling genres and their shares. n = 2 movies with a year.",
        "alt": "Ridges and dots. #0 Ada: median year 1931, Noir 30%.",
    }
    two = wording.when_and_what(years.fillna(1900), genres, SHORT)["headline"]
    assert two.startswith("The median year of the clusters runs from 1900 (#1 Bo) to 1931 (#0 Ada)")
    assert wording.when_and_what(years[:0], genres[:0], SHORT)["headline"] == ""
    without_years = wording.when_and_what(years[:0], genres, SHORT)
    assert without_years["alt"] == "Ridges and dots. #0 Ada: Noir 30%; #1 Bo: War 25%."
    without_genres = wording.when_and_what(years, genres[:0], SHORT)
    assert without_genres["alt"] == "Ridges and dots. #0 Ada: median year 1931."


def test_standouts_of_clusters():
    table = frame(cluster=[0, 0, 1], name=["A", "B", "C"], lift=[2.0, 3.25, 1.5])
    table = table.assign(lift_low=table["lift"] / 2, lift_high=table["lift"] * 2)
    assert wording.standouts(table, of="actors", labels=SHORT) == {
        "caption": "The highest lift: B is 3.2 times as frequent in #0 Ada as in all movies (95% "
        "interval 1.6 to 6.5). Dots: the foremost actors of each cluster; lines: 95% intervals.",
        "alt": "Dot plot of lifts. The foremost actor of each cluster: #0 Ada: A; #1 Bo: C.",
    }
    all_of_it = wording.standouts(table.assign(lift_high=table["lift"]), of="actors", labels=SHORT)
    assert "to 3.2). This is the largest lift possible. Dots" in all_of_it["caption"]


def test_tree_of_levels():
    table = frame(
        level=["era", "cluster", "era", "cluster"],
        name=["Old", "\u2003A", "New", "\u2003B"],
        movies=[10, 10, 30, 30],
        share=[0.25, 0.25, 0.75, 0.75],
    )
    assert wording.tree(table) == {
        "caption": "There are 2 eras of 10 to 30 movies, then 2 clusters of 10 to 30 movies, each "
        "within one group of the level above. The largest era, New, has 75% of the placed movies. "
        "Heights are numbers of movies.",
        "alt": "Boxes within boxes. Movies of each era: Old: 10; New: 30.",
    }


def test_trust():
    table = frame(
        measure=["seeds", "subsamples", "subsamples"],
        observed=[0.9, 0.8, 0.8],
        null=[None, "casts shuffled", "casts shuffled within years"],
        low=[math.nan, -0.001, 0.5],
        high=[math.nan, 0.1, 0.7],
    )
    text = wording.trust(table, "era")
    assert text["caption"].startswith(f"{wording.VERDICTS['era']} Dots: observed")
    assert text["alt"] == (
        "Dots beside bands. seeds: 0.90; subsamples: 0.80 (casts shuffled 0.00 to 0.10, casts "
        "shuffled within years 0.50 to 0.70)."
    )


def test_genres_of_a_cast_in_a_figure():
    table = frame(genre=["War", "Noir"], p_genre=[0.1, 0.9], overall=[0.2, 0.3])
    assert wording.genre_shares(table, given="Ada") == {
        "caption": "Given Ada, a new movie has the genre Noir with probability 90%; 30% of all "
        "movies have it.",
        "alt": "Dot plot of Pr[genre | cast] and Pr[genre]. War 10%, before 20%; Noir 90%, before "
        "30%.",
    }


def test_squares_of_bayes_rule():
    bayes = frame(cluster=[0, 1, -1], prior=[0.5, 0.5, 0.0], joint=[0.05, 0.15, 0.0])
    assert wording.icons(bayes, genre="Noir", labels=SHORT, n=100) == {
        "caption": "100 movies as squares: 20 of them are Noir (filled), 15 of these in #1 Bo. "
        "This is the posterior: 75%. The size of the block is the prior (50%), its filled part the "
        "likelihood (30%).",
        "alt": "Blocks of squares. Filled squares of each cluster: #0 Ada: 5 of 50; #1 Bo: 15 of "
        "50.",
    }
    nothing = wording.icons(bayes.assign(joint=0.0), genre="Noir", labels=SHORT)
    assert nothing["caption"] == "No movie is Noir."


def test_a_block_of_the_matrix():
    block = np.array([[1, 1], [1, 0]])
    assert wording.matrix_block(block, ["Ada", "Bo"], ["One", "Two"]) == {
        "caption": "Ada and the actors of the same movies: 3 of 4 cells are 1 (75%).",
        "alt": "A block of the matrix with 2 movies and 2 actors. The actors with the most movies "
        "in common with Ada: Bo.",
    }
    assert wording.matrix_block(np.zeros((0, 0)), [], [])["caption"] == "No actor is in the matrix."


def test_best_setting():
    none, one = RANKED[:0], RANKED[:1]
    assert wording.best_setting(RANKED, none, ["k"], "genre_bits") == (
        "By genre bits, k 8 is best: 2.05 ± 0.071 over 2 seeds. The next best, k 16, is 0.05 lower."
    )
    assert wording.best_setting(RANKED, RANKED[1:2], ["k"], "genre_bits").endswith(
        "It ties with k 16: they differ by less than their seeds do."
    )
    assert "It ties with k 16; k 4; k 2: " in wording.best_setting(RANKED, RANKED[1:4], ["k"], "m")
    assert "k 16; k 4; k 2 and 1 more: " in wording.best_setting(RANKED, RANKED[1:], ["k"], "m")
    negative = wording.best_setting(one.assign(mean=-0.3), none, ["k"], "held_out_bits")
    assert "It is the only setting. Negative bits mean worse predictions than" in negative
    assert wording.best_setting(one.assign(repeats=1), none, [], "m") == (
        "By m, the only setting is best: 2.05. It is the only setting."
    )
    assert (
        wording.best_setting(none, none, ["k"], "m")
        == "No setting finished, so no setting is best."
    )


def test_settings():
    assert wording.settings(4, 3, ["k", "random_state"], 1) == (
        "4 settings over k, random_state: 3 finished, 1 failed. 1 notebook was executed."
    )
    assert wording.settings(1, 1, [], 2000) == (
        "1 setting: 1 finished, 0 failed. 2,000 notebooks were executed."
    )
    assert wording.failed_settings(0, 4) == ""
    assert wording.failed_settings(1, 4).startswith("1 of 4 settings failed; ")
    assert wording.in_sample("held_out_bits", ["genre_bits"]) == ""
    said = wording.in_sample("genre_bits", ["genre_bits"])
    assert said.startswith("The metric genre bits is measured in")


def test_settings_are_called_by_what_varies():
    assert wording.setting_names(RANKED[:2], ["k", "repeats"]) == [
        "k 8, repeats 2", "k 16, repeats 2",
    ]  # fmt: skip
    assert wording.setting_names(RANKED[:1], []) == ["the only setting"]
    shown = RANKED[:2].assign(setting=["k 8", "k 16"])
    said = wording.ranked_settings(shown, 4, "genre_bits")
    assert "n = 4 settings, the first 2." in said["caption"]
    assert said["alt"] == "Dots with whiskers. k 8 has 2.05, k 16 has 2."
    assert wording.ranked_settings(shown[:0], 0, "m")["caption"] == "No setting can be drawn."


def test_axes():
    assert wording.heat("held_out_bits", "k", "d") == "Mean held out bits by k and d"
    shares = frame(axis=["k", "random_state"], genre_bits=[0.9, 0.031])
    assert wording.axis_importance(shares, "genre_bits", "random_state") == (
        "k explains the largest share of the variance of genre bits: 90%. The seed by itself "
        "explains 3%."
    )
    assert wording.axis_importance(shares[1:], "genre_bits", "random_state") == (
        "random_state explains the largest share of the variance of genre bits: 3%."
    )
    unknown = shares.assign(genre_bits=math.nan)
    assert wording.axis_importance(unknown, "genre_bits", "random_state") == (
        "All settings have the same genre bits."
    )
    lines = frame(axis="k", metric="genre_bits", x=[4, 8], mean=[1.0, 2.5])
    said = wording.bands(lines, "genre_bits", 1)
    assert said["caption"].endswith("n = 1 setting.")
    assert wording.bands(lines[:0], "genre_bits", 1)["alt"] == ""
    assert said["alt"] == "The mean of genre bits ranges from 1 to 2.5; it is highest at k 8."


def test_agreement_of_settings():
    table = frame(axis=["random_state", "k"], mean=[0.912, 0.5], pairs=[1, 2000])
    assert wording.agreements(table, "random_state") == (
        "Repeats with other seeds agree with ARI 0.91 (1 pair). "
        "Neighbouring values of k agree with ARI 0.50 (2,000 pairs)."
    )
    assert wording.agreements(table[:0], "random_state") == ""


def test_cost():
    costs = {"best": 6, "best_seconds": 31.2, "cheapest": 5, "cheapest_seconds": 3.0}
    names = {5: "k 4", 6: "k 8"}
    assert wording.cost("genre_bits", costs, names) == (
        "The setting with the highest genre bits (k 8) would take 31 s by itself. The cheapest "
        "within 1% of it (k 4) takes 3 s."
    )
    alone = wording.cost("genre_bits", costs | {"cheapest": 6}, names)
    assert alone.endswith("would take 31 s by itself. No cheaper setting is within 1% of it.")
    assert wording.cost("genre_bits", {}, names) == "No setting finished, so the cost is unknown."
    assert wording.figure("cost", metric="genre bits", n_settings=4, text="C.") == {
        "caption": "Run time and genre bits of each setting; n = 4 settings.",
        "alt": "C.",
    }


# why something was not evaluated


def test_reasons():
    counts = {"placed": 12, "actors": 2000, "n_clusters": 1, "n_components": 4}
    assert wording.sentence("too_few_to_evaluate", **counts) == (
        "too few movies (12 placed) or actors (2,000) to fit subsamples with 1 cluster and 4 "
        "components"
    )
    assert wording.sentence("too_many_to_evaluate", n_movies=200_000).startswith(
        "with 200,000 movies every fit takes long, "
    )
