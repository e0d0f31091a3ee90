"""Settings beside one another: ranks, ties, what matters, agreement; all by hand."""

import numpy as np
import pandas as pd
import pytest

from imdbclust import comparison as co


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


def test_the_best_is_named_with_its_spread_and_the_gap():
    said = co.best_sentence(co.rank_settings(CLEAR, AXES, "genre_bits"), AXES, "genre_bits")
    assert said.startswith("By genre bits, k 8 is best: 2.05 ± 0.071 over 2 seeds.")
    assert said.endswith("The next, k 16, is 0.5 behind.")


def test_what_differs_less_than_its_seeds_is_a_tie():
    table = results([(4, 1, 1.0), (4, 2, 1.4), (8, 1, 1.1), (8, 2, 1.5)])
    said = co.best_sentence(co.rank_settings(table, AXES, "genre_bits"), AXES, "genre_bits")
    assert "tie with k 4" in said


def test_one_setting_alone_or_none_has_no_runner_up():
    alone = CLEAR[CLEAR["k"] == 4]
    assert "no other setting" in co.best_sentence(
        co.rank_settings(alone, AXES, "genre_bits"), AXES, "genre_bits"
    )
    failed = co.rank_settings(CLEAR.assign(status="failed"), AXES, "genre_bits")
    assert "No setting was finished" in co.best_sentence(failed, AXES, "genre_bits")
    only_seeds = co.rank_settings(alone, ("random_state",), "genre_bits")
    assert only_seeds["repeats"].tolist() == [2]


def test_importance_of_axes_by_hand():
    table = results([(4, 1, 1.0), (4, 2, 1.0), (8, 1, 3.0), (8, 2, 3.0)])
    found = co.axis_importance(table, AXES, "genre_bits").set_index("axis")["share"]
    assert found["k"] == pytest.approx(1)
    assert found["random_state"] == pytest.approx(0)
    same = co.axis_importance(table.assign(genre_bits=1.0), AXES, "genre_bits")
    assert same["share"].isna().all()


def test_agreement_of_repeats_and_of_neighbours():
    table = results([(4, 1, 1.0), (8, 1, 1.0), (16, 1, 1.0), (4, 2, 1.0)])
    labels = {
        1: np.array([0, 0, 1, 1]),
        2: np.array([1, 1, 0, 0]),
        3: np.array([0, 1, 0, 1]),
        4: np.array([0, 0, 1, 1]),
    }
    found = co.agreement_of_settings(table, labels, AXES)
    pairs = {(row.axis, row.one, row.other): row.ari for row in found.itertuples()}
    assert set(pairs) == {("k", 1, 2), ("k", 2, 3), ("random_state", 1, 4)}
    assert pairs["k", 1, 2] == 1
    assert pairs["random_state", 1, 4] == 1
    assert pairs["k", 2, 3] < 0


def test_the_metric_is_the_one_wanted_or_the_first_there_is():
    assert co.choose_metric(CLEAR) == "genre_bits"
    assert co.choose_metric(CLEAR.assign(held_out_bits=1.0)) == "held_out_bits"
    assert co.choose_metric(CLEAR.assign(held_out_bits=1.0), "genre_bits") == "genre_bits"
    with pytest.raises(ValueError, match="no number 'beauty'"):
        co.choose_metric(CLEAR, "beauty")
    with pytest.raises(ValueError, match="none of the metrics"):
        co.choose_metric(CLEAR.drop(columns="genre_bits"))
