"""Figures: labelled axes, the frame left alone, text drawn as text."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from imdbclust import plots

COUNTS = pd.DataFrame({"n": [0, 1, 2], "movies": [5, 30, 2]})
CLUSTERS = pd.DataFrame({"cluster": [0, 1], "label": ["Ca$h $$ A", "$x^$"], "movies": [3, 4]})
MAP = pd.DataFrame({"x": np.arange(12.0), "y": np.arange(12.0) ** 2, "cluster": [0, 1] * 6})
LIFT = pd.DataFrame([[1.0, 2.0], [0.0, np.nan]], index=pd.Index(["A", "B"], name="genre"))
LIFT.columns.name = "cluster"

CASES = {
    "years": lambda: plots.plot_movies_per_year(
        pd.DataFrame({"year": pd.array([1999, 2001], dtype="Int64"), "movies": [3, 4]})
    ),
    "counts": lambda: plots.plot_counts(COUNTS, x="n", y="movies"),
    "bars": lambda: plots.plot_bars(CLUSTERS, label="label", value="movies", xlabel="movies"),
    "ranks": lambda: plots.plot_rank_frequency(
        pd.DataFrame({"rank": [1, 2, 300], "n_movies": [90, 40, 1]})
    ),
    "scree": lambda: plots.plot_scree(
        pd.DataFrame(
            {"component": [1, 2], "singular_value": [3.0, 1.0], "cumulative_share": [0.2, 0.3]}
        )
    ),
    "map": lambda: plots.plot_map(MAP, group="cluster", colors=plots.cluster_colors(2)),
    "genre map": lambda: plots.plot_genre_map(
        MAP.assign(genre=["Ca$h", "$_$"] * 6), genres=["Ca$h"]
    ),
    "lift": lambda: plots.plot_lift(LIFT, LIFT.fillna(0).astype(int)),
    "bayes": lambda: plots.plot_bayes(CLUSTERS.assign(prior=[0.5, 0.5], posterior=[0.1, 0.9])),
    "ratings": lambda: plots.plot_ratings(
        pd.DataFrame({"cluster": [0, 0, 1], "rating": [5.0, 6.0, 7.0]})
    ),
}


@pytest.fixture(autouse=True)
def _style():
    plots.set_style()


@pytest.mark.parametrize("case", CASES)
def test_every_figure_labels_its_axes_and_can_be_drawn(case):
    axes = CASES[case]()
    axes.figure.canvas.draw()
    assert isinstance(axes, Axes)
    assert axes.get_xlabel()
    assert axes.get_ylabel() or case == "bars"
    labels = [text.get_text() for text in axes.get_xticklabels() + axes.get_yticklabels()]
    assert not [label for label in labels if "mathdefault" in label]


def test_text_with_dollars_is_no_formula():
    axes = CASES["bars"]()
    axes.figure.canvas.draw()
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert texts == CLUSTERS["label"].tolist()
    assert not any(text.get_parse_math() for text in axes.get_yticklabels())


def test_frames_are_left_alone():
    before = MAP.copy(), CLUSTERS.copy(), LIFT.copy()
    for draw in CASES.values():
        draw()
    for frame, copy in zip((MAP, CLUSTERS, LIFT), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_a_cluster_has_the_same_colour_whatever_their_number():
    assert plots.cluster_colors(40)[:16] == plots.cluster_colors(16)
    assert len(set(plots.cluster_colors(16))) == 16
