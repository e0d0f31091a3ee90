"""Comparing settings: ranks, ties, importance and agreement, all solved by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from imdbclust import wording
from imdbclust.evaluation import sweeps as co


def results(rows, axes=("k", "random_state")):
    table = pd.DataFrame(rows, columns=[*axes, "genre_bits"])
    table.insert(0, "setting", range(1, len(table) + 1))
    return table.assign(status="done")


CLEAR = results([(4, 1, 1.0), (4, 2, 1.2), (8, 1, 2.0), (8, 2, 2.1), (16, 1, 1.5), (16, 2, 1.6)])
AXES = ("k", "random_state")


def test_settings_are_ranked_by_their_mean_over_seeds():
    ranked = co.rank_settings(CLEAR, AXES, "genre_bits")
    assert ranked["k"].tolist() == [8, 16, 4]
    assert ranked["mean"].tolist() == pytest.approx([2.05, 1.55, 1.1])
    assert ranked["spread"][0] == pytest.approx(np.std([2.0, 2.1], ddof=1))
    assert ranked["repeats"].tolist() == [2, 2, 2]


def best_of(ranked):
    """Return the sentence on the best of some settings, which is by genre bits."""
    tied = co.tied_with_best(ranked)
    return wording.best_setting(ranked, tied, co.varied(AXES), "genre_bits")


def test_the_best_is_named_with_its_spread_and_the_gap():
    said = best_of(co.rank_settings(CLEAR, AXES, "genre_bits"))
    assert said.startswith("By genre bits, k 8 is best: 2.05 ± 0.071 over 2 seeds.")
    assert said.endswith("The next best, k 16, is 0.5 lower.")


def test_what_differs_less_than_its_seeds_is_a_tie():
    table = results([(4, 1, 1.0), (4, 2, 1.4), (8, 1, 1.1), (8, 2, 1.5)])
    ranked = co.rank_settings(table, AXES, "genre_bits")
    assert co.tied_with_best(ranked)["k"].tolist() == [4]
    assert "It ties with k 4: " in best_of(ranked)


def test_one_setting_alone_or_none_has_no_runner_up():
    alone = CLEAR[CLEAR["k"] == 4]
    assert "It is the only setting" in best_of(co.rank_settings(alone, AXES, "genre_bits"))
    failed = co.rank_settings(CLEAR.assign(status="failed"), AXES, "genre_bits")
    assert "No setting finished" in best_of(failed)
    only_seeds = co.rank_settings(alone, ("random_state",), "genre_bits")
    assert only_seeds["repeats"].tolist() == [2]


def test_importance_of_axes_by_hand():
    table = results([(4, 1, 1.0), (4, 2, 1.0), (8, 1, 3.0), (8, 2, 3.0)])
    found = co.importance(table, AXES, ["genre_bits"]).set_index("axis")["genre_bits"]
    assert found["k"] == pytest.approx(1)
    assert found["random_state"] == pytest.approx(0)
    same = co.importance(table.assign(genre_bits=1.0), AXES, ["genre_bits"])
    assert same["genre_bits"].isna().all()


def test_agreement_of_repeats_and_of_neighbours():
    table = results([(4, 1, 1.0), (8, 1, 1.0), (16, 1, 1.0), (4, 2, 1.0)])
    labels = {
        "1": np.array([0, 0, 1, 1]),
        "2": np.array([1, 1, 0, 0]),
        "3": np.array([0, 1, 0, 1]),
        "4": np.array([0, 0, 1, 1]),
    }
    found, numbers = co.agreement_of_settings(table, labels, AXES)
    assert numbers.to_dict() == {"k": 2, "random_state": 1}
    pairs = {(row.axis, row.one, row.other): row.ari for row in found.itertuples()}
    assert set(pairs) == {("k", 1, 2), ("k", 2, 3), ("random_state", 1, 4)}
    assert pairs["k", 1, 2] == 1
    assert pairs["random_state", 1, 4] == 1
    assert pairs["k", 2, 3] < 0


def test_the_adjusted_rand_index_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    for n_one, n_other in ((5, 7), (1, 1), (1, 3), (40, 2)):
        one, other = (rng.integers(-1, n, 500).astype(np.int8) for n in (n_one, n_other))
        expected = adjusted_rand_score(one, other)
        assert co.adjusted_rand_index(one, other) == pytest.approx(expected, abs=1e-12)
        assert co.adjusted_rand_index(one, one) == 1
    alone = np.array([0])
    assert co.adjusted_rand_index(alone, alone) == adjusted_rand_score(alone, alone) == 1


def test_of_too_many_pairs_an_even_sample_is_compared_and_said_so(monkeypatch):
    table = results([(k, seed, 1.0) for k in (4, 8) for seed in range(9)])
    labels = {str(number): np.array([0, 0, 1, 1]) for number in table["setting"]}
    all_pairs, numbers = co.agreement_of_settings(table, labels, AXES)
    assert numbers.to_dict() == {"k": 9, "random_state": 72}
    assert len(all_pairs) == 81
    monkeypatch.setattr(co, "MAX_PAIRS", 36)
    pairs, numbers = co.agreement_of_settings(table, labels, AXES)
    assert numbers.to_dict() == {"k": 9, "random_state": 72}
    seeds = pairs[pairs["axis"] == "random_state"]
    assert len(seeds) == 36
    members = [frozenset(pair) for pair in zip(seeds["one"], seeds["other"], strict=True)]
    assert len(set(members)) == 36
    assert pd.concat([seeds["one"], seeds["other"]]).value_counts().tolist() == [4] * 18
    by_axis = pairs.groupby("axis").size().rename("pairs").reset_index()
    said = wording.sampled_pairs(by_axis, numbers, co.SEED)
    assert said == "An even sample was compared: 36 of 72 pairs of repeats."
    monkeypatch.setattr(co, "MAX_PAIRS", 3)
    pairs, numbers = co.agreement_of_settings(table, labels, AXES)
    assert pairs.groupby("axis").size().to_dict() == {"k": 3, "random_state": 2}
    assert wording.sampled_pairs(by_axis, {"k": 9, "random_state": 36}, co.SEED) == ""


def test_the_best_setting_is_the_best_repeat_of_the_best_mean():
    assert co.best_setting(CLEAR, AXES) == 4
    assert co.best_setting(CLEAR.assign(status="failed"), AXES) is None
    seeds = CLEAR[CLEAR["k"] == 4].drop(columns="k")
    assert co.best_setting(seeds, ["random_state"]) == 2
    # one lucky seed is not the best mean
    lucky = results([(4, 1, 9.0), (4, 2, 0.0), (8, 1, 5.0), (8, 2, 6.0)])
    assert co.best_setting(lucky, AXES) == 4


def test_the_metric_is_the_one_wanted_or_the_first_there_is():
    assert co.choose_metric(CLEAR) == "genre_bits"
    assert co.choose_metric(CLEAR.assign(held_out_bits=1.0)) == "held_out_bits"
    assert co.choose_metric(CLEAR.assign(held_out_bits=1.0), "genre_bits") == "genre_bits"
    with pytest.raises(ValueError, match="unknown metric 'beauty'; choose one of"):
        co.choose_metric(CLEAR, "beauty")
    assert co.choose_metric(CLEAR.drop(columns="genre_bits")) == co.ALWAYS


TWO = ("k", "rank", "random_state")
FOUR = results(
    [
        (4, 2, 1, 1.0),
        (4, 2, 2, 3.0),
        (8, 2, 1, 2.0),
        (8, 2, 2, 2.0),
        (4, 3, 1, 5.0),
        (8, 3, 1, 7.0),
    ],
    axes=TWO,
)


def test_a_grid_has_the_mean_of_every_pair_of_values_and_leads_to_its_first_setting():
    (cells,) = co.grid(FOUR, TWO, ["genre_bits"])
    assert cells[["row", "column", "mean", "settings", "first"]].to_numpy().tolist() == [
        [4, 2, 2.0, 2, 1],
        [4, 3, 5.0, 1, 5],
        [8, 2, 2.0, 2, 3],
        [8, 3, 7.0, 1, 6],
    ]
    assert cells["spread"][0] == pytest.approx(np.sqrt(2))
    assert np.isnan(cells["spread"][1])
    many = results([(k, rank, 1, 1.0) for k in range(13) for rank in (2, 3)], axes=TWO)
    assert co.grid(many, TWO, ["genre_bits"]) == []  # 13 values are too many for a heat map


def test_bands_have_a_line_for_each_value_of_the_shortest_other_axis():
    found = co.bands(FOUR, TWO, ["genre_bits"])
    assert found["axis"].unique().tolist() == ["k", "rank"]
    along_k = found[found["axis"] == "k"]
    assert along_k[["line", "x", "mean", "least", "most"]].to_numpy().tolist() == [
        ["rank 2", 4, 2.0, 1.0, 3.0],
        ["rank 2", 8, 2.0, 2.0, 2.0],
        ["rank 3", 4, 5.0, 5.0, 5.0],
        ["rank 3", 8, 7.0, 7.0, 7.0],
    ]
    alone = co.bands(CLEAR, AXES, ["genre_bits"])
    assert alone["line"].unique().tolist() == [""]


def test_what_matters_is_said_beside_what_is_chance():
    table = co.importance(CLEAR, AXES, ["genre_bits"])
    shares = table.set_index("axis")["genre_bits"]
    # means 1.1, 2.05, 1.55 of k and 1.5, 1.633 of the seed, about the mean 1.5667
    total = sum((value - 4.7 / 3) ** 2 for value in CLEAR["genre_bits"])
    assert shares["k"] == pytest.approx(
        2 * sum((value - 4.7 / 3) ** 2 for value in (1.1, 2.05, 1.55)) / total
    )
    assert wording.axis_importance(table, "genre_bits", co.SEED) == (
        "k explains the largest share of the variance of genre bits: 97%. The seed by itself "
        "explains 3%."
    )
    same = co.importance(CLEAR.assign(genre_bits=1.0), AXES, ["genre_bits"])
    said = wording.axis_importance(same, "genre_bits", co.SEED)
    assert said == "All settings have the same genre bits."


def test_agreement_of_the_seeds_stands_beside_each_setting():
    pairs = pd.DataFrame(
        [("random_state", 1, 2, 0.5), ("random_state", 3, 4, 0.7), ("k", 1, 3, 0.1)],
        columns=["axis", "one", "other", "ari"],
    )
    ranked = co.rank_settings(CLEAR, AXES, "genre_bits")
    found = co.with_agreement(ranked, pairs, CLEAR, AXES).set_index("k")["ari_of_seeds"]
    assert found[4] == 0.5
    assert found[8] == 0.7
    assert np.isnan(found[16])
    assert co.with_agreement(ranked, pairs[2:], CLEAR, AXES).equals(ranked)


def test_metrics_that_grow_by_themselves_are_told_so():
    assert "genre_bits" in co.IN_SAMPLE
    assert "held_out_bits" not in co.IN_SAMPLE
    varying = CLEAR.assign(silhouette=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], ari_seeds=0.5)
    assert co.shown_metrics(varying, "genre_bits") == ["genre_bits", "silhouette"]


def test_the_cheapest_setting_near_the_best_is_named():
    costs = FOUR.assign(
        genre_bits=[1.0, 1, 1, 1, 2.99, 3], seconds_a=[9, 9, 9, 9, 2, 30], seconds_b=1
    )
    found = co.costs(costs, "genre_bits")
    assert found == {"best": 6, "best_seconds": 31, "cheapest": 5, "cheapest_seconds": 3}
    said = wording.cost("genre_bits", found, {5: "k 8", 6: "k 16"})
    assert "(k 16) would take 31 s by itself" in said
    assert "(k 8) takes 3 s" in said
    assert co.costs(costs.assign(status="failed"), "genre_bits") == {}
