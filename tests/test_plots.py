"""Figures: labelled axes, the frame left alone, text drawn as text."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG

from imdbclust import plots

COUNTS = pd.DataFrame({"n": [0, 1, 2], "movies": [5, 30, 2]})
CLUSTERS = pd.DataFrame({"cluster": [0, 1], "label": ["Ca$h $$ A", "$x^$"], "movies": [3, 4]})
MAP = pd.DataFrame({"x": np.arange(12.0), "y": np.arange(12.0) ** 2, "cluster": [0, 1] * 6})
PLACES = pd.DataFrame({"cluster": [0, 1], "label": ["#0 Ca$h", "#1 $x$"], "x": 3.0, "y": 9.0})

LABELS = {0: "#0 Ca$h $$ A", 1: "#1 $x$", -1: "unplaced"}
BY_CLUSTER = {"labels": LABELS, "colors": plots.cluster_colors(2)}
YEARS = pd.DataFrame({"cluster": [1, 1, 0], "year": pd.array([1930, 1931, 1999], dtype="Int64")})
SHARES = pd.DataFrame({"cluster": [0, 1, 1], "genre": ["A", "$_$", "B"], "share": [0.9, 0.5, 0.1]})
STANDOUTS = pd.DataFrame(
    {"cluster": [0, 0, 1], "name": ["A", "$_$", "B"], "lift": [2.0, 90.0, 3.0]}
)
STANDOUTS = STANDOUTS.assign(lift_low=STANDOUTS["lift"] / 2, lift_high=STANDOUTS["lift"] * 2)
TREE = pd.DataFrame(
    {
        "path": ["1", "1.1", "2", "2.1", "2.2"],
        "level": ["era", "cluster", "era", "cluster", "cluster"],
        "name": ["Old", "\u2003Ca$h", "New", "\u2003$x$", "\u2003C"],
        "movies": [10, 10, 30, 29, 1],
    }
)
BAYES = pd.DataFrame({"cluster": [0, 1, -1], "prior": [0.5, 0.3, 0.2], "joint": [0.1, 0.25, 0]})
TRUST = pd.DataFrame(
    {
        "scale": ["ARI", "ARI", "bits"],
        "measure": ["seeds", "subsamples", "cluster"],
        "observed": [0.9, 0.8, 1.2],
        "spread": [0.1, 0.1, np.nan],
        "null": [None, "casts shuffled", "casts shuffled"],
        "low": [np.nan, 0.0, 0.1],
        "high": [np.nan, 0.1, 0.3],
    }
)
CAST = pd.DataFrame({"genre": ["Ca$h", "B"], "p_genre": [0.9, 0.1], "overall": [0.2, 0.3]})


def ratios(frame):
    """Return a table for a figure whose rows have the labels of a frame."""
    return frame.rename(columns={"label": "what", "movies": "times_faster"}).assign(least=1, most=5)


CASES = {
    "when and what": lambda: plots.plot_when_and_what(YEARS, SHARES, **BY_CLUSTER),
    "only when": lambda: plots.plot_when_and_what(YEARS, SHARES[:0], **BY_CLUSTER),
    "only what": lambda: plots.plot_when_and_what(YEARS[:0], SHARES, **BY_CLUSTER),
    "standouts": lambda: plots.plot_standouts(STANDOUTS, of="actors", **BY_CLUSTER),
    "trust": lambda: plots.plot_trust(TRUST),
    "genre shares": lambda: plots.plot_genre_shares(CAST),
    "years": lambda: plots.plot_counts(
        pd.DataFrame({"year": pd.array([1999, 2001], dtype="Int64"), "movies": [3, 4]}),
        x="year",
        y="movies",
        log=False,
    ),
    "counts": lambda: plots.plot_counts(COUNTS, x="n", y="movies"),
    "ranks": lambda: plots.plot_rank_frequency(
        pd.DataFrame({"rank": [1, 2, 300], "n_movies": [90, 40, 1]})
    ),
    "scree": lambda: plots.plot_scree(
        pd.DataFrame(
            {"component": [1, 2], "singular_value": [3.0, 1.0], "cumulative_share": [0.2, 0.3]}
        )
    ),
    "map": lambda: plots.plot_map(MAP, PLACES, group="cluster", colors=plots.cluster_colors(2)),
    "genre map": lambda: plots.plot_genre_map(
        MAP.assign(genre=["Ca$h", "$_$"] * 6), genres=["Ca$h"]
    ),
    "ratios": lambda: plots.plot_ratios(ratios(CLUSTERS)),
    "ratings": lambda: plots.plot_ratings(
        pd.DataFrame(
            {"label": ["#0 Ca$h", "#0 Ca$h", "#1"], "cluster": [0, 0, 1], "rating": [5.0, 6.0, 7.0]}
        ),
        colors=plots.cluster_colors(2),
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
    rows = axes.yaxis.get_inverted() and [text.get_text() for text in axes.get_yticklabels()]
    assert axes.get_ylabel() or all(rows or [""]), case
    labels = [text.get_text() for text in axes.get_xticklabels() + axes.get_yticklabels()]
    assert not [label for label in labels if "mathdefault" in label]


def test_clusters_are_in_the_order_of_their_years_with_the_shares_of_their_genres():
    axes = CASES["when and what"]()
    axes.figure.canvas.draw()
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == [LABELS[1], LABELS[0]]
    dots = axes.figure.axes[1].collections[-1].get_offsets()
    assert dots[:, 0].tolist() == [90, 50, 10]  # percent, in the order of the table
    assert np.round(dots[:, 1]).tolist() == [1, 0, 0]  # the rows of clusters 0, 1, 1
    names = [text.get_text() for text in axes.figure.axes[1].texts]
    assert names == ["A 90%", "$_$ 50%", "B 10%"]


def test_without_years_and_genres_nothing_is_drawn():
    assert plots.plot_when_and_what(YEARS[:0], SHARES[:0], **BY_CLUSTER) is None


def test_standouts_are_at_their_lifts_and_named():
    axes = CASES["standouts"]()
    assert axes.collections[-1].get_offsets()[:, 0].tolist() == [2, 90, 3]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.texts] == ["A", "$_$", "B"]


def test_a_tree_is_as_high_as_its_movies():
    axes = plots.plot_tree(TREE)
    boxes = [(one.get_x(), one.get_y(), one.get_height()) for one in axes.patches]
    expected = [
        (0, 0, 0.25),
        (0.4, 0, 0.25),
        (0, 0.25, 0.75),
        (0.4, 0.25, 0.725),
        (0.4, 0.975, 0.025),
    ]
    np.testing.assert_allclose(boxes, expected, atol=1e-12)
    assert [text.get_text() for text in axes.texts][:2] == ["Old", "Ca$h"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["eras", "clusters"]


def test_squares_add_up_to_prior_and_joint():
    axes = plots.plot_icons(BAYES, n=100, **BY_CLUSTER)
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert texts == ["#0 Ca$h $$ A  10/50", "#1 $x$  25/30", "unplaced  0/20"]
    drawn = {1: 0, 0.3: 0}
    for line in axes.lines:
        begin, end = line.get_xdata()
        drawn[line.get_alpha()] += round(end - begin + 0.25)
    assert drawn == {1: 35, 0.3: 65}
    assert plots._rounded(pd.Series([1, 1, 1]), 100).tolist() == [34, 33, 33]


def test_trust_has_a_band_for_each_null_and_a_dot_for_each_measure():
    axes = CASES["trust"]()
    first, second = axes.figure.axes
    bands = [(one.get_x(), one.get_width()) for one in first.patches + second.patches]
    np.testing.assert_allclose(bands, [(0, 0.1), (0.1, 0.2)])
    assert [text.get_text() for text in first.texts + second.texts] == ["0.90", "0.80", "1.20"]


def test_a_block_of_the_matrix_shows_its_ones():
    axes = plots.plot_matrix_block(np.array([[1, 0], [1, 1]]), ["A", "$B"], ["M", "N$"])
    squares = [(round(one.get_x() + 0.46), round(one.get_y() + 0.44)) for one in axes.patches]
    assert squares == [(0, 0), (0, 1), (1, 1)]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["A", "$B"]
    plots.plot_matrix_block(np.zeros((0, 0)), [], []).figure.canvas.draw()


def test_text_with_dollars_is_no_formula():
    axes = CASES["ratios"]()
    axes.figure.canvas.draw()
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert texts == CLUSTERS["label"].tolist()
    assert not any(text.get_parse_math() for text in axes.get_yticklabels())


def test_frames_are_left_alone():
    before = MAP.copy(), CLUSTERS.copy(), PLACES.copy()
    for draw in CASES.values():
        draw()
    for frame, copy in zip((MAP, CLUSTERS, PLACES), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_a_cluster_has_the_same_colour_whatever_their_number():
    assert plots.cluster_colors(40)[:16] == plots.cluster_colors(16)
    assert len(set(plots.cluster_colors(16))) == 16


# Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color
# vision deficiency", IEEE TVCG 15:6, severity 1.0: in linear RGB
SIGHTS = {
    "all colours": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def nearest_colors(colors, sight):
    """Return the smallest distance of two colours in Oklab, as that sight sees them."""
    rgb = np.array([[int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)] for color in colors])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(sight), 0, 1)
    to_cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    lab = np.cbrt(seen @ np.transpose(to_cones)) @ np.transpose(to_lab)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return apart[np.triu_indices(len(colors), 1)].min()


@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_of_clusters_stay_apart_for_every_kind_of_sight(sight):
    everyday = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2"]
    least = 0.15 if sight == "all colours" else 0.075
    assert nearest_colors(plots.PALETTE, SIGHTS[sight]) > least
    assert nearest_colors(plots.PALETTE[:4], SIGHTS[sight]) > 0.18
    if sight == "no green cones":  # the measure tells: matplotlib's own are hardly apart
        assert nearest_colors(everyday, SIGHTS[sight]) < 0.05


def luminance(color):
    rgb = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("color", [*plots.PALETTE, plots.ACCENT, plots.SECOND, plots.QUIET])
def test_every_colour_can_be_seen_on_a_light_and_on_a_dark_page(color):
    assert 1.05 / (luminance(color) + 0.05) > 1.7  # contrast with white, by WCAG 2
    assert (luminance(color) + 0.05) / (luminance("#14181e") + 0.05) > 2


def overlapping(axes):
    """Return pairs of labels that cover each other as the file has them, and all their boxes."""
    figure = axes.figure
    figure.dpi = 72
    renderer = RendererSVG(*figure.bbox.size, io.StringIO())
    boxes = []
    for text in axes.texts:
        if text.get_text().startswith("#"):
            text.update_bbox_position_size(renderer)
            boxes.append(text.get_bbox_patch().get_window_extent(renderer))
    return [
        (one, other)
        for place, one in enumerate(boxes)
        for other in boxes[:place]
        if one.overlaps(other)
    ], boxes


@pytest.mark.parametrize("n", [2, 16, 40])
def test_labels_on_a_map_do_not_cover_each_other(n):
    rng = np.random.default_rng(n)
    points = pd.DataFrame(rng.normal(size=(10 * n, 2)), columns=["x", "y"])
    points["cluster"] = np.arange(10 * n) % n
    # all labels want to be near the middle, the first two on the very same spot
    places = pd.DataFrame(rng.normal(scale=0.3, size=(n, 2)), columns=["x", "y"])
    places.iloc[1] = places.iloc[0]
    places = places.assign(cluster=range(n), label=[f"#{k} The Three Stooges" for k in range(n)])
    axes = plots.plot_map(points, places, group="cluster", colors=plots.cluster_colors(n))
    covered, boxes = overlapping(axes)
    assert covered == []
    assert len(boxes) == n if n <= 16 else 16 < len(boxes) < n  # there is room for some only
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


def test_labels_side_by_side_are_measured_as_they_are_drawn():
    points = pd.DataFrame({"x": [-1.0, 0, 1], "y": [-1.0, 0, 1], "cluster": [0, 1, 2]})
    places = points.assign(x=[-0.54, 0, 0.54], y=0.0, label="#14 The Three Stooges")
    axes = plots.plot_map(points, places, group="cluster", colors=plots.cluster_colors(3))
    covered, boxes = overlapping(axes)
    assert (covered, len(boxes)) == ([], 3)


def test_more_clusters_than_colours_differ_by_their_markers():
    points = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "cluster": [0, 16]})
    axes = plots.plot_map(points, PLACES[:0], group="cluster", colors=plots.cluster_colors(17))
    drawn = [dots for dots in axes.collections if len(dots.get_offsets())]
    assert len(drawn) == 2
    shapes = [dots.get_paths()[0].vertices.shape for dots in drawn]
    assert shapes[0] != shapes[1]


def test_what_the_font_lacks_is_marked_and_never_warned_of():
    text = "A\u200e\u202eé\0 🎬 \U000f0000\n\tB" + "x" * 200
    shown = plots.drawable(text)
    assert shown.startswith("Aé ")
    assert shown.endswith("…")
    assert len(shown) == 80
    frame = CLUSTERS.assign(label=[text, "映画"])
    plots.plot_ratios(ratios(frame)).figure.canvas.draw()
