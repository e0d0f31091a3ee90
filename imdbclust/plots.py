"""Figures: a tidy frame in, Axes out; nothing is computed or saved here.

Every function makes a new figure and labels its axes with units. Figures are `WIDTH` inches wide,
so that a telephone can show them, and have a transparent ground. One module, so that all figures
share its style and its helpers. Functions of tables without rows return None.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox

from imdbclust.base.colors import GROUND, INK
from imdbclust.base.fonts import has_glyph
from imdbclust.base.text import isolated

WIDTH = 4.8  # inches
ACCENT, SECOND, QUIET = "#1f86a3", "#d0603f", "#8f99a5"  # readable on white and on black

# text.parse_math: a title with two dollar signs is not a formula
STYLE = {
    **dict.fromkeys(["figure.facecolor", "axes.facecolor", "legend.facecolor"], "none"),
    "axes.edgecolor": QUIET,
    **dict.fromkeys(["axes.spines.top", "axes.spines.right", "text.parse_math"], False),
    **dict.fromkeys(["axes.axisbelow", "axes.grid"], True),
    "grid.color": QUIET,
    "grid.alpha": 0.3,
    **dict.fromkeys(["axes.labelcolor", "text.color", "xtick.color", "ytick.color"], INK),
    "font.size": 9,
    "axes.titlesize": 9,
    **dict.fromkeys(["xtick.labelsize", "ytick.labelsize", "legend.fontsize"], 8),
    "axes.titlelocation": "left",
    "svg.fonttype": "path",
}

PALETTE = (
    "#0000ff", "#d88900", "#00d8ff", "#9d0062", "#00b176", "#897689", "#ffb1b1", "#3b4e89",
    "#8900c4", "#4e7600", "#9d9dff", "#ff27c4", "#89d814", "#eb003b", "#6262ff", "#763b00",
)  # fmt: skip
"""16 colours, which repeat with other markers.

A search maximised the distance of the two nearest colours, for readers with normal sight and for
those without one kind of cone (distances in Oklab, Björn Ottosson 2020; dichromacy simulated as in
Machado, Oliveira and Fernandes 2009), and also the distance within the first k colours. All
colours have a contrast of 1.7 with white, and of 2 with the ground of a dark page. Not all readers
can tell 16 colours apart, so clusters have their number or name wherever they are drawn.
"""

MARKERS = ("o", "^", "s", "D")

MOST_ROWS = 24  # clusters in a figure with a row for each
GENRES_SHOWN = 2  # for each cluster
SMOOTHED = 1.5  # years, standard deviation
SQUARES_PER_LINE = 50


def _none_if_empty(draw: Callable[..., Axes]) -> Callable[..., Axes | None]:
    """Let a function return None, without a figure, if its table has no rows."""

    @wraps(draw)
    def drawn(frame: pd.DataFrame, *arguments, **options) -> Axes | None:
        return None if frame.empty else draw(frame, *arguments, **options)

    return drawn


def set_style() -> None:
    """Use the style of this module for all figures of the session."""
    mpl.rcParams.update(STYLE)


def cluster_colors(n_clusters: int) -> list[str]:
    """Return a colour for each cluster, the same one in every figure."""
    return [PALETTE[cluster % len(PALETTE)] for cluster in range(n_clusters)]


def plot_counts(frame: pd.DataFrame, *, x: str, y: str, log: bool = True) -> Axes:
    """Draw the counts `y` over the integers `x` as bars, the counts on a log axis if `log`."""
    ax = _new(2.2)
    ax.bar(frame[x].astype(int), frame[y], width=0.9, color=ACCENT)
    if log:
        ax.set_yscale("log")
    _number_plainly(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(visible=False, axis="x")
    scale = " (log scale)" if log else ""
    ax.set(xlabel=x.replace("_", " "), ylabel=f"{y.replace('_', ' ')}{scale}")
    return ax


def plot_rank_frequency(frame: pd.DataFrame) -> Axes:
    """Draw ``n_movies`` of actors over their ``rank``, both axes logarithmic."""
    ax = _new(3.2)
    ax.loglog(frame["rank"], frame["n_movies"], color=ACCENT, linewidth=2)
    for axis in (ax.xaxis, ax.yaxis):
        _number_plainly(axis)
    ax.grid(visible=True, which="both")
    ax.set(xlabel="rank of the actor", ylabel="movies of the actor")
    return ax


def plot_scree(frame: pd.DataFrame, *, gap: int | None = None) -> Axes:
    """Draw ``singular_value`` by ``component``, and ``cumulative_share`` in a second panel.

    A line marks the largest gap, after component `gap`.
    """
    _, (ax, second) = plt.subplots(1, 2, figsize=(WIDTH, 2.3), layout="constrained")
    second.plot(frame["component"], 100 * frame["cumulative_share"], color=SECOND, marker=".")
    second.set(xlabel="components kept", ylabel="variance kept (%)", ylim=(0, None))
    if frame["cumulative_share"].isna().all():
        middle = {"ha": "center", "va": "center", "transform": second.transAxes}
        second.text(0.5, 0.5, "no variance to keep", **middle)
    ax.plot(frame["component"], frame["singular_value"], color=ACCENT, marker=".")
    for one in (ax, second):
        one.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.set(xlabel="component", ylabel="singular value", ylim=(0, None))
    if gap is not None and gap < len(frame):
        ax.axvline(gap + 0.5, color=INK, linewidth=1, linestyle=":", label="largest gap")
        ax.legend(frameon=False)
    return ax


@_none_if_empty
def plot_map(
    frame: pd.DataFrame, places: pd.DataFrame, *, group: str, colors: Sequence[str]
) -> Axes:
    """Draw movies at ``x`` and ``y``, coloured by the integer column `group`.

    The points are an image within the figure. The ``label`` of each of the `places` is at its
    ``x`` and ``y``, or as near as possible without covering another label; then a line connects
    the two. Labels of small groups that find no room are left out.
    """
    ax = _new_map()
    points = _points(len(frame))
    for turn, marker in enumerate(MARKERS):
        some = frame[frame[group] // len(PALETTE) % len(MARKERS) == turn]
        shades = [colors[code] for code in some[group]]
        ax.scatter(some["x"], some["y"], c=shades, marker=marker, **points)
    _as_map(ax, frame)
    sizes = places[group].map(frame[group].value_counts()).fillna(0)
    places = places.loc[sizes.sort_values(ascending=False, kind="stable").index]
    _label_apart(ax, places, [colors[code] for code in places[group]])
    return ax


def _points(n: int) -> dict[str, object]:
    """Return the options of a scatter plot of that number of movies: the more, the smaller."""
    return {
        "s": float(np.clip(30_000 / max(n, 1), 1, 10)),
        "alpha": 0.7,
        "linewidths": 0,
        "rasterized": True,
    }


def _as_map(ax: Axes, frame: pd.DataFrame) -> None:
    """Set up the axes of a map, which has no units."""
    ax.grid(visible=False)
    ax.margins(0.03)
    ax.spines[:].set(visible=True, color=QUIET)
    text = f"n = {len(frame):,} movies"
    ax.text(1, -0.012, text, transform=ax.transAxes, ha="right", va="top", fontsize=8)
    ax.set(xticks=[], yticks=[])
    ax.set_xlabel("t-SNE 1 (no unit)", fontsize=8, labelpad=2)
    ax.set_ylabel("t-SNE 2 (no unit)", fontsize=8, labelpad=2)


def _label_apart(ax: Axes, places: pd.DataFrame, colors: Sequence[str], rounds: int = 400) -> None:
    """Write labels at their places, moved apart until they do not overlap.

    Where this is impossible, the last of the `places` are left out.
    """
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())  # fixed, or lines would change them
    box = {"boxstyle": "round,pad=0.15", "facecolor": GROUND, "alpha": 0.8, "linewidth": 0.9}
    middle = {"ha": "center", "va": "center", "fontsize": 7.5, "zorder": 4}
    texts = [
        ax.text(
            place.x, place.y, drawable(place.label, 24), bbox=box | {"edgecolor": color}, **middle
        )
        for place, color in zip(places.itertuples(), colors, strict=True)
    ]
    # of outlines, as in the file: the renderer for the screen would measure texts too narrow
    measure = text_to_path.get_text_width_height_descent
    sizes = [measure(text.get_text(), text.get_fontproperties(), ismath=False) for text in texts]
    half = np.array(sizes).reshape(-1, 3)[:, :2] * ax.figure.dpi / 72 / 2 + 3
    start = ax.transData.transform(places[["x", "y"]].to_numpy(dtype=float))
    frame = ax.get_window_extent()
    area = (frame.width * frame.height) / 3
    most = int((np.cumsum(4 * half.prod(axis=1)) < area).sum())
    for n_drawn in range(most, -1, -1):
        at = _apart(start[:n_drawn], half[:n_drawn], frame, rounds)
        if at is not None:
            break
    for text in texts[n_drawn:]:
        text.remove()
    to_data = ax.transData.inverted()
    for text, begin, end, color in zip(texts, start, at, colors, strict=False):
        text.set_position(to_data.transform(end))
        if np.hypot(*(end - begin)) > 12:
            line = to_data.transform([begin, end])
            ax.plot(*line.T, color=color, linewidth=1, zorder=3)
            ax.plot(*line[:1].T, "o", color=color, markeredgecolor=GROUND, markersize=4, zorder=3)


def _apart(start: np.ndarray, half: np.ndarray, frame: Bbox, rounds: int) -> np.ndarray | None:
    """Return the middles of boxes moved apart from `start`, within a frame; None if impossible.

    All are in pixels, shape (n_boxes, 2); `half` has half the width and height of each box.
    """
    low, high = np.array([frame.x0, frame.y0]) + half, np.array([frame.x1, frame.y1]) - half
    at = np.clip(start, low, np.maximum(low, high))
    tilt = np.arange(len(at))[:, None] * [0.011, 0.007]  # separates labels at the same place
    for _ in range(rounds):
        apart = (at + tilt)[:, None] - (at + tilt)[None]
        overlap = half[:, None] + half[None] - np.abs(apart)
        overlap[np.arange(len(at)), np.arange(len(at))] = 0
        touching = (overlap > 0.5).all(axis=2)  # half a pixel of the margin
        if not touching.any():
            return at
        along = np.where(overlap[..., [0]] < overlap[..., [1]], [1.0, 0.0], [0.0, 1.0])
        push = np.sign(apart) * overlap * along * touching[..., None]
        at = np.clip(at + 0.35 * push.sum(axis=1), low, np.maximum(low, high))
    return None


def plot_when_and_what(
    years: pd.DataFrame,
    genres: pd.DataFrame,
    *,
    labels: Mapping[int, str],
    colors: Sequence[str],
) -> Axes:
    """Draw when each cluster's movies were made, and what they are.

    Parameters
    ----------
    years : DataFrame
        ``cluster`` and ``year``, one row for each movie.
    genres : DataFrame
        ``cluster``, ``genre`` and ``share`` of the cluster's movies, the most telling genres of
        each cluster first; the first `GENRES_SHOWN` of them are drawn.
    labels, colors
        By cluster. Short labels are enough, because years and genres are drawn.

    Returns
    -------
    Axes
        A row for each of the `MOST_ROWS` largest clusters, ordered by their median years. Its ridge
        has the height of one row at its busiest year, smoothed over `SMOOTHED` years. Without years
        there are only genres, and the reverse; None without both.
    """
    known = years.dropna()
    sizes = (
        known["cluster"].value_counts(sort=False)
        if len(known)
        else genres["cluster"].value_counts()
    )
    clusters = sizes.sort_values(ascending=False, kind="stable").index[:MOST_ROWS]
    medians = known.groupby("cluster")["year"].median().reindex(clusters).astype(float)
    clusters = medians.sort_values(kind="stable").index
    shown = genres[genres["cluster"].isin(clusters)].groupby("cluster").head(GENRES_SHOWN)
    parts = [part for part, table in (("when", known), ("what", shown)) if len(table)]
    if not parts:
        return None
    _, axes = plt.subplots(
        1, len(parts), figsize=(WIDTH, 0.7 + 0.33 * len(clusters)), layout="constrained",
        sharey=True, squeeze=False, gridspec_kw={"width_ratios": [1, 1.1][: len(parts)]},
    )  # fmt: skip
    axes = dict(zip(parts, axes[0], strict=True))
    if "when" in axes:
        _draw_ridges(axes["when"], known, clusters, colors)
    if "what" in axes:
        _draw_shares(axes["what"], shown, clusters, colors)
    first = axes[parts[0]]
    _label_rows(first, [labels[cluster] for cluster in clusters])
    first.set_ylim(len(clusters) - 0.5, -1.1)
    for ax in axes.values():
        ax.tick_params(axis="y", length=0)
    return first


def _draw_ridges(
    ax: Axes, years: pd.DataFrame, clusters: Iterable[int], colors: Sequence[str]
) -> None:
    """Draw the number of movies by year, one ridge on each row, as high as one row at most."""
    first, last = int(years["year"].min()) - 3, int(years["year"].max()) + 3
    offsets = np.arange(-8, 9)
    kernel = np.exp(-0.5 * (offsets / SMOOTHED) ** 2)
    for row, cluster in enumerate(clusters):
        own = years.loc[years["cluster"] == cluster, "year"].to_numpy(dtype=int)
        counts = np.bincount(own - first, minlength=last - first + 1)
        ridge = np.convolve(counts, kernel, mode="full")[8:-8]
        height = row + 0.4 - 1.15 * ridge / max(ridge.max(), 1)
        at = np.arange(first, last + 1)
        color, above = colors[cluster], {"zorder": 2 + row / 100}
        ax.fill_between(at, row + 0.4, height, color=color, alpha=0.75, linewidth=0, **above)
        outline = np.where(ridge > 0.005 * ridge.max(), height, np.nan)
        ax.plot(at, outline, color=GROUND, linewidth=0.8, **above)
    ax.set(xlim=(first, last), xlabel="year", title="when")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    ax.grid(visible=False, axis="y")


def _draw_shares(ax: Axes, genres: pd.DataFrame, clusters: pd.Index, colors: Sequence[str]) -> None:
    """Draw the shares of genres as dots with their names, the rows of a cluster close together."""
    place = genres["cluster"].map({cluster: row for row, cluster in enumerate(clusters)})
    rank = genres.groupby("cluster").cumcount()
    rows = place + 0.42 * (rank - (GENRES_SHOWN - 1) / 2)
    shades = [colors[cluster] for cluster in genres["cluster"]]
    percent = 100 * genres["share"]
    ax.hlines(rows, 0, percent, color=shades, linewidth=1, alpha=0.6)
    ax.scatter(percent, rows, c=shades, s=14, linewidths=0, zorder=3)
    for x, y, genre in zip(percent, rows, genres["genre"], strict=True):
        _name_dot(ax, x, y, f"{drawable(genre, 16)} {x:.0f}%", left=x > 55)
    ax.set(xlim=(0, 100), xlabel="% of the cluster's movies", title="what")
    ax.set_xticks([0, 50, 100])
    ax.grid(visible=False, axis="y")


def _name_dot(ax: Axes, x: float, y: float, text: str, *, left: bool) -> None:
    """Write a text beside a dot."""
    side = {"xytext": (-4 if left else 4, 0), "ha": "right" if left else "left"}
    ground = {"boxstyle": "square,pad=0.05", "facecolor": GROUND, "linewidth": 0}
    ax.annotate(
        text, (x, y), textcoords="offset points", va="center", fontsize=7.5, in_layout=False,
        bbox=ground, zorder=2.5, **side,
    )  # fmt: skip


@_none_if_empty
def plot_standouts(
    table: pd.DataFrame,
    *,
    of: str,
    labels: Mapping[int, str],
    colors: Sequence[str],
    per_cluster: int = 3,
) -> Axes:
    """Draw the lift of actors or genres that stand out in each cluster, with its interval.

    `table` has ``cluster``, ``name``, ``lift``, ``lift_low`` and ``lift_high``, the foremost of
    each cluster first; `of` is ``actors`` or ``genres``; `labels` and `colors` are by cluster. The
    clusters are in the order of their first row, at most `MOST_ROWS`.
    """
    clusters = table["cluster"].unique()[:MOST_ROWS]
    shown = table[table["cluster"].isin(clusters)].groupby("cluster").head(per_cluster)
    place = shown["cluster"].map({cluster: row for row, cluster in enumerate(clusters)})
    step = 0.82 / per_cluster
    rows = place + step * (shown.groupby("cluster").cumcount() - (per_cluster - 1) / 2)
    ax = _new(0.7 + 0.12 * per_cluster * max(len(clusters), 1))
    shades = [colors[cluster] for cluster in shown["cluster"]]
    ax.hlines(rows, shown["lift_low"], shown["lift_high"], color=shades, linewidth=1.2, alpha=0.7)
    ax.scatter(shown["lift"], rows, c=shades, s=14, linewidths=0, zorder=3)
    ax.set_xscale("log")
    if len(shown):
        low, high = shown["lift_low"].clip(lower=0.1).min(), shown["lift_high"].max()
        span = max(high / low, 4)
        ax.set_xlim(low * span**-0.04, high * span**0.04)
        middle = np.sqrt(low * high)
        for one, row in zip(shown.itertuples(), rows, strict=True):
            left = one.lift > middle
            at = one.lift_low if left else one.lift_high
            _name_dot(ax, at, row, drawable(one.name, 24), left=left)
    _number_plainly(ax.xaxis, "{x:g}")
    _label_rows(ax, [labels[cluster] for cluster in clusters])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"lift of {of} (log scale) with its interval")
    return ax


@_none_if_empty
def plot_tree(tree: pd.DataFrame) -> Axes:
    """Draw groups within groups: a column for each level, as high as a group has movies.

    `tree` has ``path`` (``2.3`` is within ``2``), ``level``, ``name`` and ``movies``, each group
    followed by those within it. Names are written where they fit, or their first actors.
    """
    height = 4.8
    ax = plt.figure(figsize=(WIDTH, height)).add_axes((0.005, 0.005, 0.99, 0.955))
    levels = list(tree["level"].unique())
    widths = {1: [1.0], 2: [0.4, 0.6], 3: [0.24, 0.38, 0.38]}[len(levels)]
    starts, total = np.cumsum([0, *widths]), tree.loc[tree["level"] == levels[0], "movies"].sum()
    tops: dict[str, float] = {"": 0.0}  # where the next group within this one begins
    for one in tree.itertuples():
        parent, depth = one.path.rpartition(".")[0], levels.index(one.level)
        top, share = tops[parent], one.movies / max(total, 1)
        tops[parent], tops[one.path] = top + share, top
        color = PALETTE[(int(one.path.split(".")[0]) - 1) % len(PALETTE)]
        x, width = starts[depth], widths[depth]
        face = (*to_rgb(color), 0.5 - 0.15 * depth)
        ax.add_patch(Rectangle((x, top), width, share, facecolor=face, edgecolor=GROUND))
        room = int(0.955 * height * share * 72 / 8.5)  # lines of text
        if room:
            name = _with_glyphs(one.name.strip())
            actors = name.split(": ")[0]
            shape = {"width": int(width * WIDTH * 72 / 4.3), "max_lines": room, "placeholder": "…"}
            texts = [
                textwrap.fill(text, **shape)
                for text in (*[name] * (room > 1), actors, actors.split(", ")[0])
            ]
            text = next((text for text in texts if not text.endswith("…")), texts[-1])
            text = _isolated_lines(text)
            at = (x + 0.008, top + share / 2)
            ax.text(*at, text, va="center", fontsize=7, linespacing=1.05, clip_on=True)
    ax.set(xlim=(0, 1), ylim=(1, 0), yticks=[], xticks=starts[:-1] + 0.008)
    ax.set_xticklabels([f"{level}s" for level in levels], ha="left")
    ax.tick_params(axis="x", length=0, labeltop=True, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return ax


@_none_if_empty
def plot_trust(trust: pd.DataFrame) -> Axes:
    """Draw measures beside what the same recipe gives on shuffled casts.

    `trust` is the table of :meth:`imdbclust.evaluation.overall.Evaluation.trust`. A panel has the
    measures of one scale: a dot is the observed value with its standard deviation, a band is the
    range of a null.
    """
    rows = trust.drop_duplicates("measure")
    scales = rows["scale"].value_counts(sort=False)
    height = 0.9 * len(scales) + 0.42 * len(rows)
    figure, axes = plt.subplots(
        len(scales), figsize=(WIDTH, height), layout="constrained", squeeze=False,
        height_ratios=scales + 1,
    )  # fmt: skip
    shades = dict(zip(trust["null"].dropna().unique(), (0.55, 0.25), strict=False))
    handles = {}
    for ax, scale in zip(axes[:, 0], scales.index, strict=True):
        own = rows[rows["scale"] == scale]
        places = dict(zip(own["measure"], _label_rows(ax, own["measure"]), strict=True))
        nulls = trust[(trust["scale"] == scale) & trust["low"].notna()]
        for null, some in nulls.groupby("null", sort=False):
            band = {"left": some["low"], "height": 0.7, "color": QUIET, "alpha": shades[null]}
            at = some["measure"].map(places)
            ax.barh(at, some["high"] - some["low"], label=null, **band)
        ax.errorbar(
            own["observed"], own["measure"].map(places), xerr=own["spread"].fillna(0), fmt="o",
            color=SECOND, markersize=5, capsize=2, label="observed", zorder=4,
        )  # fmt: skip
        for one in own.itertuples():
            at = (one.observed, places[one.measure] - 0.3)
            ax.annotate(f"{one.observed:z.2f}", at, ha="center", va="bottom", fontsize=7.5)
        low, high = ax.get_xlim()
        ax.set(xlabel=scale, xlim=(min(low, 0), max(high, 1) if scale.startswith("ARI") else high))
        ax.set_ylim(len(own) - 0.5, -0.8)
        ax.axvline(0, color=QUIET, linewidth=0.8)
        handles |= dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    place = {"loc": "outside upper left", "ncols": 2, "frameon": False}
    figure.legend(handles.values(), handles.keys(), **place)
    return axes[-1][0]


@_none_if_empty
def plot_genre_shares(table: pd.DataFrame, *, prior: str = "overall", most: int = 12) -> Axes:
    """Draw ``p_genre`` given a cast beside the share of the ``genre`` among all movies.

    `prior` is the column with that share. The first `most` rows are drawn, the first on top.
    """
    shown = table.head(most)
    ax = _new(0.8 + 0.24 * len(shown))
    rows = _label_rows(ax, shown["genre"])
    before, after = 100 * shown[prior], 100 * shown["p_genre"]
    ax.hlines(rows, before, after, color=ACCENT, linewidth=1.5, alpha=0.5)
    ax.scatter(
        before, rows, s=26, facecolors=GROUND, edgecolors=QUIET, label="all movies", zorder=3
    )
    ax.scatter(after, rows, s=30, color=ACCENT, label="given the cast", zorder=4)
    ax.set(xlabel="probability (%)", xlim=(-2, None))
    ax.legend(loc="lower right", frameon=False)
    return ax


def plot_icons(
    bayes: pd.DataFrame, *, labels: Mapping[int, str], colors: Sequence[str], n: int = 1000
) -> Axes:
    """Draw `n` movies as squares, a block for each cluster; those with the evidence are filled.

    `bayes` has ``cluster``, ``prior`` and ``joint``. Squares are rounded by largest remainders, so
    that they add up: the size of a block is the prior, its filled part the likelihood, and its
    part of all filled squares the posterior.
    """
    squares = _rounded(bayes["prior"], n)
    filled = np.minimum(_rounded(bayes["joint"], round(n * bayes["joint"].sum())), squares)
    shown = np.flatnonzero(squares)
    lines = -(-squares[shown] // SQUARES_PER_LINE)
    starts = np.cumsum([0, *(lines + 1.1)])
    cell = 0.058  # inches
    figure = plt.figure(figsize=(WIDTH, cell * (starts[-1] + 1)))
    width = SQUARES_PER_LINE * cell / WIDTH
    ax = figure.add_axes((0.99 - width, 0, width, 1))
    # squares are the dashes of thick lines, in multiples of their width
    size = 0.75 * cell * 72
    dashes = {"linewidth": size, "linestyle": (0, (1, 72 * cell / size - 1))}
    for row, start in zip(shown, starts, strict=False):
        color = _color(colors, bayes["cluster"].iloc[row])
        for line, first in enumerate(range(0, squares[row], SQUARES_PER_LINE)):
            last = min(squares[row], first + SQUARES_PER_LINE)
            change = min(max(filled[row], first), last)
            for begin, end, alpha in ((first, change, 1), (change, last, 0.3)):
                if begin < end:
                    ends = np.array([begin, end - 0.25]) - first + 0.125
                    ax.plot(ends, [start + line + 0.5] * 2, color=color, alpha=alpha, **dashes)
    texts = [
        f"{drawable(labels[cluster], 22)}  {of}/{n}"
        for cluster, of, n in zip(
            bayes["cluster"].iloc[shown], filled[shown], squares[shown], strict=True
        )
    ]
    ax.set_yticks(starts[:-1] + lines / 2, texts)
    ax.set(xlim=(0, SQUARES_PER_LINE), ylim=(starts[-1], -0.5), xticks=[])
    ax.tick_params(axis="y", length=0, labelsize=7.5)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return ax


def _color(colors: Sequence[str], cluster: int) -> str:
    """Return the colour of a cluster; the unplaced movies have none of their own."""
    return colors[cluster] if cluster >= 0 else QUIET


def _rounded(shares: pd.Series, n: int) -> np.ndarray:
    """Return whole numbers in the proportion of `shares` that add up to `n`."""
    exact = shares.fillna(0).to_numpy(dtype=float)
    exact = n * exact / max(exact.sum(), 1e-12)
    whole = np.floor(exact).astype(int)
    rest = np.argsort(whole - exact, kind="stable")[: max(n - whole.sum(), 0)]
    whole[rest] += exact[rest] > 0
    return whole


def plot_matrix_block(block: np.ndarray, actors: Sequence[str], movies: Sequence[str]) -> Axes:
    """Draw a block of the incidence matrix: a filled square where the actor plays in the movie.

    The column of the first actor, around whom the block was chosen, has another colour.
    """
    n_movies, n_actors = block.shape
    ax = _new(1.3 + 0.2 * n_movies)
    for (row, column), value in np.ndenumerate(block):
        color = SECOND if column == 0 else ACCENT
        ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7, in_layout=False)
        if value:
            square = {"facecolor": (*to_rgb(color), 0.55), "linewidth": 0}
            ax.add_patch(Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, zorder=0.5, **square))
    ax.set(xlim=(-0.5, max(n_actors, 1) - 0.5), ylim=(max(n_movies, 1) - 0.5, -0.5))
    ax.set_yticks(range(n_movies), [drawable(title, 26) for title in movies])
    ax.set_xticks(
        range(n_actors),
        [drawable(name, 22) for name in actors],
        rotation=45,
        ha="left",
        rotation_mode="anchor",
    )
    ax.tick_params(length=0, labeltop=True, labelbottom=False, labelsize=7.5)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return ax


def plot_genre_map(frame: pd.DataFrame, *, genres: Sequence[str]) -> Axes:
    """Draw movies at ``x`` and ``y``; each of the listed genres has a colour.

    Without movies, the axes stay empty.
    """
    ax = _new_map()
    if frame.empty:
        return ax
    others = frame[~frame["genre"].isin(genres)]
    points = _points(len(frame))
    ax.scatter(others["x"], others["y"], color=QUIET, label="other", **points)
    for genre, color in zip(genres, PALETTE, strict=False):
        some, name = frame[frame["genre"] == genre], drawable(genre, 24)
        ax.scatter(some["x"], some["y"], color=color, label=name, **points)
    _as_map(ax, frame)
    box = {"frameon": True, "facecolor": GROUND, "framealpha": 0.8, "edgecolor": QUIET}
    size = 16 / points["s"] ** 0.5 / 3
    ax.legend(markerscale=size, fontsize=7.5, loc="best", handletextpad=0.2, **box)
    return ax


@_none_if_empty
def plot_calibration(frame: pd.DataFrame) -> Axes:
    """Draw the ``observed`` share over the ``predicted`` probability, and the diagonal.

    Every ``predictor`` has points of its own.
    """
    ax = _new(3.8)
    top = float(frame[["predicted", "observed"]].to_numpy().max(initial=0.01)) * 1.05
    ax.plot([0, top], [0, top], color=QUIET, linewidth=1.5, label="as predicted")
    for place, (name, some) in enumerate(frame.groupby("predictor", sort=False)):
        points = {"s": 16, "color": (ACCENT, SECOND)[place], "marker": "os"[place]}
        ax.scatter(some["predicted"], some["observed"], label=name, **points)
    ax.legend(frameon=False)
    ax.set(xlabel="predicted probability of a genre", ylabel="share that has it")
    return ax


def plot_ranked(frame: pd.DataFrame, *, xlabel: str) -> Axes:
    """Draw the ``mean`` of each ``setting`` as a dot, with its ``spread``, first on top."""
    ax = _new(0.8 + 0.24 * max(len(frame), 1))
    if frame.empty:
        return ax
    rows = _label_rows(ax, frame["setting"])
    spread = frame["spread"].fillna(0)
    ax.errorbar(frame["mean"], rows, xerr=spread, fmt="o", color=ACCENT, capsize=3)
    ax.plot(frame["mean"].head(1), rows[:1], "o", color=SECOND, markersize=8)
    ax.set_xlabel(xlabel)
    return ax


@_none_if_empty
def plot_bands(frame: pd.DataFrame) -> Axes:
    """Draw ``mean`` and range over ``x``, one line per ``line``.

    There is one panel for each ``axis`` and ``metric``.
    """
    panels = list(frame.groupby(["axis", "metric"], sort=False))
    rows, columns = max(1, -(-len(panels) // 2)), min(2, max(1, len(panels)))
    size = {"figsize": (WIDTH, 2 * rows), "layout": "constrained"}
    _, axes = plt.subplots(rows, columns, squeeze=False, **size)
    for ax, ((axis, metric), panel) in zip(axes.flat, panels, strict=False):
        values = panel["x"].infer_objects().drop_duplicates()
        numeric = values.dtype.kind in "iuf"
        places = {value: value if numeric else place for place, value in enumerate(values)}
        lines = panel.groupby("line", sort=False)
        for color, (line, found) in zip(cluster_colors(len(lines)), lines, strict=True):
            x = found["x"].map(places)
            ax.fill_between(x, found["least"], found["most"], color=color, alpha=0.2, linewidth=0)
            ax.plot(x, found["mean"], color=color, marker="o", markersize=4, label=line)
        ax.set(xlabel=axis, ylabel=metric.replace("_", " "))
        if len(places) <= 12:
            ax.set_xticks(list(places.values()), [str(value) for value in places])
        if panel["line"].any():
            ax.legend(frameon=False, fontsize=8)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    return axes[0][0]


def plot_cost(frame: pd.DataFrame, *, x: str, y: str) -> Axes:
    """Draw `y` of each setting over its run time `x` in seconds."""
    ax = _new(2.8)
    if frame.empty:
        return ax
    ax.scatter(frame[x], frame[y], s=24, color=ACCENT, alpha=0.7, linewidths=0)
    ax.margins(0.1)
    ax.set(xlabel="seconds of all five stages in sequence", ylabel=y.replace("_", " "))
    return ax


def plot_ratios(frame: pd.DataFrame) -> Axes:
    """Draw ``times_faster`` of each ``what`` as bars, with the range ``least`` to ``most``."""
    ax = _new(0.8 + 0.34 * len(frame))
    places = _label_rows(ax, frame["what"])
    ax.barh(places, frame["times_faster"], color=ACCENT, height=0.6)
    ax.hlines(places, frame["least"], frame["most"], color=INK, linewidth=1.5)
    ax.axvline(1, color=SECOND, linewidth=1)
    ax.set_xscale("log")
    _number_plainly(ax.xaxis, "{x:g}")
    ax.set_xlabel("times faster (log scale); line: range over pairs")
    return ax


@_none_if_empty
def plot_choice(frame: pd.DataFrame, *, n_clusters: int, n_components: int) -> Axes:
    """Draw each ``measure`` over ``n_clusters`` and over ``n_components``, with its range.

    A line marks the chosen numbers.
    """
    labels = {
        "ari_subsamples": "ARI of subsamples",
        "held_out": "bits, held-out",
        "silhouette": "silhouette",
    }
    # a measure may be missing, such as bits without genres
    labels = {name: labels[name] for name in labels if name in set(frame["measure"])}
    _, axes = plt.subplots(
        len(labels),
        2,
        figsize=(WIDTH, 1.5 * len(labels)),
        layout="constrained",
        sharex="col",
        sharey="row",
    )
    columns = {
        "n_clusters": (frame[frame["n_components"] == n_components], n_clusters),
        "n_components": (frame[frame["n_clusters"] == n_clusters], n_components),
    }
    for (x, (some, chosen)), column in zip(columns.items(), axes.T, strict=True):
        for (measure, label), ax in zip(labels.items(), column, strict=True):
            values = some[some["measure"] == measure]
            look = {"color": ACCENT, "marker": "o", "markersize": 4, "markeredgewidth": 0}
            sns.lineplot(values, x=x, y="value", errorbar=("pi", 100), ax=ax, **look)
            ax.axvline(chosen, color=SECOND, linewidth=1, linestyle=":")
            ax.set_ylabel(label)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        column[-1].set_xlabel(x.replace("n_", "number of "))
    for ax in axes[:, 1]:
        ax.set_ylabel("")
    return axes[0][0]


@_none_if_empty
def plot_ratings(frame: pd.DataFrame, *, colors: Sequence[str]) -> Axes:
    """Draw box plots of ``rating`` for each ``label``, in order of appearance, first on top.

    `colors` are by ``cluster``.
    """
    by_label = frame.groupby("label", sort=False)["rating"]
    ax = _new(0.8 + 0.34 * len(by_label))
    boxes = ax.boxplot(
        [values.to_numpy() for _, values in by_label],
        orientation="horizontal",
        widths=0.65,
        showfliers=False,
        medianprops={"color": INK, "linewidth": 2.5},
        patch_artist=True,
        positions=_label_rows(
            ax, [f"{drawable(name, 60)} (n = {len(some):,})" for name, some in by_label]
        ),
        manage_ticks=False,
    )
    for box, cluster in zip(boxes["boxes"], frame["cluster"].unique(), strict=True):
        box.set(facecolor=colors[cluster], edgecolor=INK)
    ax.set(xlabel="rating (0 to 10): quartiles, and range without outliers")
    return ax


def drawable(text: object, length: int = 80) -> str:
    """Return a text as it can be drawn: shortened, on one line, without missing glyphs.

    A character without a glyph (see :mod:`imdbclust.base.fonts`) becomes U+FFFD, or nothing if it
    is invisible. Tables and texts of the page show it in full. Names in right-to-left scripts do
    not move the numbers next to them.
    """
    shown = _with_glyphs(text)
    return isolated(shown if len(shown) <= length else shown[: length - 1] + "…")


def _two_lines(text: object, width: int = 27) -> str:
    """Return a text as it can be drawn, on at most two lines of that number of characters."""
    shown = textwrap.fill(_with_glyphs(text), width, max_lines=2, placeholder="…")
    return _isolated_lines(shown)


def _isolated_lines(text: str) -> str:
    return "\n".join(map(isolated, text.split("\n")))


def _with_glyphs(text: object) -> str:
    """Return a text on one line, with U+FFFD for missing glyphs."""
    return "".join(
        char if has_glyph(char) else "\N{REPLACEMENT CHARACTER}"
        for char in " ".join(str(text).split())
        if char.isprintable()
    )


def _number_plainly(axis: Axis, text: str = "{x:,.0f}") -> None:
    """Label an axis with plain numbers; log axes have formulas, which the style does not draw."""
    axis.set_major_formatter(StrMethodFormatter(text))
    axis.set_minor_formatter(NullFormatter())


def _label_rows(ax: Axes, labels: Iterable[object]) -> np.ndarray:
    """Label the rows of a horizontal figure, the first on top, and return their places."""
    texts = [_two_lines(text) for text in labels]
    rows = np.arange(len(texts))
    ax.set_yticks(rows, texts)
    ax.set_ylim(len(texts) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    return rows


def _new(height: float, width: float = WIDTH) -> Axes:
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _new_map() -> Axes:
    """Return square axes at a fixed place."""
    return plt.figure(figsize=(WIDTH, WIDTH)).add_axes((0.045, 0.045, 0.945, 0.945))
