"""Figures: a tidy frame in, Axes out; nothing is computed or saved here.

Every function makes a new figure and labels its axes with units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

INK, ACCENT, SECOND, QUIET = "#1f2933", "#1f6f8b", "#c8553d", "#b8c1cc"

# text.parse_math: a title with two dollar signs is not a formula
STYLE = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#8a94a0",
    **dict.fromkeys(["axes.spines.top", "axes.spines.right", "text.parse_math"], False),
    **dict.fromkeys(["axes.axisbelow", "axes.grid"], True),
    "grid.color": "#e6eaee",
    **dict.fromkeys(["axes.labelcolor", "text.color", "xtick.color", "ytick.color"], INK),
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "svg.fonttype": "path",
}

PALETTE = (
    "#004ec4", "#b1d800", "#eb4e4e", "#621427", "#00d8ff", "#7689ff", "#898989", "#ebb1c4",
    "#4e0089", "#764e00", "#b12776", "#4e8914", "#003b4e", "#00c489", "#d89d27", "#d862c4",
)  # fmt: skip
"""16 colours, which repeat with other markers.

A search maximised the distance of the two nearest colours, for readers with normal sight and for
those without one kind of cone (distances in Oklab, Björn Ottosson 2020; dichromacy simulated as in
Machado, Oliveira and Fernandes 2009), and also the distance within the first k colours. Not all
readers can tell 16 colours apart, so clusters have their number or name wherever they are drawn.
"""

MARKERS = ("o", "^", "s", "D")


def set_style() -> None:
    """Use the style of this module for all figures of the session."""
    mpl.rcParams.update(STYLE)


def cluster_colors(n_clusters: int) -> list[str]:
    """Return a colour for each cluster, the same one in every figure."""
    return [PALETTE[cluster % len(PALETTE)] for cluster in range(n_clusters)]


def plot_movies_per_year(frame: pd.DataFrame) -> Axes:
    """Draw ``movies`` by ``year``."""
    ax = _new(8, 3)
    ax.bar(frame["year"].astype(int), frame["movies"], width=0.9, color=ACCENT)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(visible=False, axis="x")
    ax.set(xlabel="year", ylabel="movies")
    return ax


def plot_counts(frame: pd.DataFrame, *, x: str, y: str) -> Axes:
    """Draw the counts `y` over the integers `x` as bars, the counts on a log axis."""
    ax = _new(8, 3)
    ax.bar(frame[x], frame[y], width=0.9, color=ACCENT)
    ax.set_yscale("log")
    _number_plainly(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(visible=False, axis="x")
    ax.set(xlabel=x.replace("_", " "), ylabel=f"{y.replace('_', ' ')} (log scale)")
    return ax


def plot_bars(
    frame: pd.DataFrame,
    *,
    label: str,
    value: str,
    xlabel: str,
    colors: Sequence[str] | None = None,
) -> Axes:
    """Draw `value` of each `label` as horizontal bars with their numbers, first row on top."""
    ax = _new(9, 0.6 + 0.28 * len(frame))
    rows = _label_rows(ax, frame[label])
    bars = ax.barh(rows, frame[value], color=colors or ACCENT, height=0.75)
    whole = frame[value].dtype.kind in "iu"
    ax.bar_label(bars, fmt="{:,.0f}" if whole else "{:.3g}", padding=3, fontsize=9)
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if whole:
        _number_plainly(ax.xaxis)
    ax.set_xlabel(xlabel)
    return ax


def plot_rank_frequency(frame: pd.DataFrame) -> Axes:
    """Draw ``n_movies`` of actors over their ``rank``, both axes logarithmic."""
    ax = _new(6, 4)
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
    _, (ax, second) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    second.plot(frame["component"], 100 * frame["cumulative_share"], color=SECOND, marker=".")
    second.set(xlabel="components kept", ylabel="variance kept (%)", ylim=(0, None))
    if frame["cumulative_share"].isna().all():
        middle = {"ha": "center", "va": "center", "transform": second.transAxes}
        second.text(0.5, 0.5, "no variance to keep", **middle)
    ax.plot(frame["component"], frame["singular_value"], color=ACCENT, marker=".")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="component", ylabel="singular value", ylim=(0, None))
    if gap is not None and gap < len(frame):
        ax.axvline(gap + 0.5, color=INK, linewidth=1, linestyle=":", label="largest gap")
        ax.legend(frameon=False)
    return ax


def plot_map(
    frame: pd.DataFrame, places: pd.DataFrame, *, group: str, colors: Sequence[str]
) -> Axes:
    """Draw movies at ``x`` and ``y``, coloured by the integer column `group`.

    The points are an image within the figure. The ``label`` of each of the `places` is at its
    ``x`` and ``y``, or as near as possible without covering another label; then a line connects
    the two.
    """
    ax = _new_map()
    points = {"s": 10, "alpha": 0.8, "linewidths": 0, "rasterized": True}
    for turn, marker in enumerate(MARKERS):
        some = frame[frame[group] // len(PALETTE) % len(MARKERS) == turn]
        shades = [colors[code] for code in some[group]]
        ax.scatter(some["x"], some["y"], c=shades, marker=marker, **points)
    _as_map(ax, frame)
    _label_apart(ax, places, [colors[code] for code in places[group]])
    return ax


def _as_map(ax: Axes, frame: pd.DataFrame) -> None:
    """Set up the axes of a map, which has no units."""
    ax.grid(visible=False)
    ax.margins(0.04)
    ax.spines[:].set(visible=True, color=QUIET)
    text = f"n = {len(frame):,} movies"
    ax.text(1, -0.012, text, transform=ax.transAxes, ha="right", va="top", fontsize=9)
    ax.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)", xticks=[], yticks=[])


def _label_apart(ax: Axes, places: pd.DataFrame, colors: Sequence[str], rounds: int = 1000) -> None:
    """Write labels at their places, moved apart until they do not overlap."""
    if not len(places):
        return
    box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.85, "linewidth": 1.2}
    texts = [
        ax.text(
            place.x, place.y, drawable(place.label, 28), ha="center", va="center", fontsize=9,
            bbox=box | {"edgecolor": color}, zorder=4,
        )
        for place, color in zip(places.itertuples(), colors, strict=True)
    ]  # fmt: skip
    renderer = ax.figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts]
    half = np.array([[box.width, box.height] for box in boxes]) / 2 + 4
    start = np.array([[(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2] for box in boxes])
    frame = ax.get_window_extent(renderer)
    low, high = np.array([frame.x0, frame.y0]) + half, np.array([frame.x1, frame.y1]) - half
    at = np.clip(start, low, np.maximum(low, high))
    tilt = np.arange(len(at))[:, None] * [0.011, 0.007]  # separates labels at the same place
    for _ in range(rounds):
        apart = (at + tilt)[:, None] - (at + tilt)[None]
        overlap = half[:, None] + half[None] - np.abs(apart)
        overlap[np.arange(len(at)), np.arange(len(at))] = 0
        touching = (overlap > 0).all(axis=2)
        if not touching.any():
            break
        along = np.where(overlap[..., [0]] < overlap[..., [1]], [1.0, 0.0], [0.0, 1.0])
        push = np.sign(apart) * overlap * along * touching[..., None]
        at = np.clip(at + 0.35 * push.sum(axis=1), low, np.maximum(low, high))
    to_data = ax.transData.inverted()
    for text, begin, end, color in zip(texts, start, at, colors, strict=True):
        text.set_position(to_data.transform(end))
        if np.hypot(*(end - begin)) > 12:
            line = to_data.transform([begin, end])
            ax.plot(*line.T, color=color, linewidth=1.2, zorder=3)
            ax.plot(*line[:1].T, "o", color=color, markeredgecolor="white", markersize=5, zorder=3)


def plot_genre_map(frame: pd.DataFrame, *, genres: Sequence[str]) -> Axes:
    """Draw movies at ``x`` and ``y``; each of the listed genres has a colour.

    Without movies, the axes stay empty.
    """
    ax = _new_map()
    if frame.empty:
        return ax
    others = frame[~frame["genre"].isin(genres)]
    points = {"s": 9, "linewidths": 0, "rasterized": True}
    ax.scatter(others["x"], others["y"], color=QUIET, alpha=0.5, label="other", **points)
    for genre, color in zip(genres, PALETTE, strict=False):
        some, name = frame[frame["genre"] == genre], drawable(genre, 24)
        ax.scatter(some["x"], some["y"], color=color, alpha=0.8, label=name, **points)
    _as_map(ax, frame)
    ax.legend(markerscale=3, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def plot_lift(
    frame: pd.DataFrame, counts: pd.DataFrame, *, flagged: pd.DataFrame | None = None
) -> Axes:
    """Draw a heat map of lifts (rows x columns) with the counts in the cells.

    Cells that are `flagged` have an asterisk. The colour is log2 of the lift, clipped at 8; white
    is a lift of 1 or unknown. Long column names are vertical.
    """
    import seaborn as sns

    ax = _new(2.5 + 0.5 * frame.shape[1], 2.5 + 0.3 * frame.shape[0])
    with np.errstate(divide="ignore"):
        shade = np.log2(frame).clip(-3, 3)
    texts = counts.map(lambda count: f"{count:,}" if count < 10_000 else f"{count / 1000:.0f}k")
    if flagged is not None:
        texts += flagged.map(lambda flag: "*" if flag else "")
    colors = {"cmap": "RdBu_r", "vmin": -3, "vmax": 3, "linewidths": 0.5}
    bar = {"label": "lift (log scale)", "ticks": range(-3, 4)}
    # the texts fit into their cells; measuring each for the layout would take long
    small = {"fontsize": 7, "in_layout": False}
    # seaborn would draw the figure to check tick labels for overlaps
    no_ticks = {"xticklabels": False, "yticklabels": False}
    options = colors | no_ticks | {"cbar_kws": bar, "annot_kws": small}
    sns.heatmap(shade, annot=texts, fmt="", ax=ax, **options)
    ax.collections[0].colorbar.set_ticklabels(["⅛", "¼", "½", "1", "2", "4", "8"])
    ax.set(xlabel=frame.columns.name, ylabel=frame.index.name)
    names = [[drawable(name, 28) for name in labels] for labels in (frame.columns, frame.index)]
    upright = max(map(len, names[0])) > 4
    ax.set_xticks(np.arange(len(names[0])) + 0.5, names[0], rotation=90 if upright else 0)
    ax.set_yticks(np.arange(len(names[1])) + 0.5, names[1])
    return ax


def plot_bayes(frame: pd.DataFrame, *, label: str, colors: Sequence[str]) -> Axes:
    """Draw the posterior ``mean`` of each row as a bar and its ``prior`` as a mark, first on top.

    ``low`` and ``high`` are the ends of its interval, drawn as a whisker.
    """
    ax = _new(9, 1 + 0.3 * len(frame))
    rows = _label_rows(ax, frame[label])
    ax.barh(rows, frame["mean"], color=colors, height=0.7, label="posterior mean")
    middle, half = (frame["low"] + frame["high"]) / 2, (frame["high"] - frame["low"]) / 2
    whiskers = {"fmt": "none", "ecolor": INK, "elinewidth": 1, "capsize": 2, "zorder": 3}
    ax.errorbar(middle, rows, xerr=half, label="interval", **whiskers)
    ax.plot(
        frame["prior"], rows, "D", color="white", markeredgecolor=INK, markersize=5, zorder=4,
        label="prior: Pr[cluster]",
    )  # fmt: skip
    handles, names = ax.get_legend_handles_labels()
    ax.legend(handles, names, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    ax.set(xlabel="probability", xlim=(0, None))
    return ax


def plot_calibration(frame: pd.DataFrame) -> Axes:
    """Draw the ``observed`` share over the ``predicted`` probability, and the diagonal.

    Every ``predictor`` has points of its own.
    """
    ax = _new(4.5, 4)
    top = float(frame[["predicted", "observed"]].to_numpy().max(initial=0.01)) * 1.05
    ax.plot([0, top], [0, top], color=QUIET, linewidth=1.5, label="as predicted")
    for place, (name, some) in enumerate(frame.groupby("predictor", sort=False)):
        points = {"s": 16, "color": (ACCENT, SECOND)[place], "marker": "os"[place]}
        ax.scatter(some["predicted"], some["observed"], label=name, **points)
    ax.legend(frameon=False)
    ax.set(xlabel="predicted probability of a genre", ylabel="share that has it")
    return ax


def plot_nulls(frame: pd.DataFrame) -> Axes:
    """Draw ``null_mean`` of each ``null`` as bars, and ``observed`` as a line, by ``measure``."""
    measures = frame["measure"].unique()
    _, axes = plt.subplots(
        1, len(measures), figsize=(9, 2.2), layout="constrained", sharey=True, squeeze=False
    )
    names = frame["null"].unique().tolist()
    for ax, measure in zip(axes[0], measures, strict=True):
        some = frame[frame["measure"] == measure]
        rows = [names.index(name) for name in some["null"]]
        ax.barh(rows, some["null_mean"], xerr=some["spread"].fillna(0), color=QUIET, height=0.7)
        ax.axvline(some["observed"].iloc[0], color=SECOND, linewidth=2, label="observed")
        _label_rows(ax, names)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        title = "in-sample" if measure == "bits" else measure.replace("_", " ")
        ax.set(xlabel="bits about genres", title=title)
        if not (some[["null_mean", "observed"]] < 0).any(axis=None):
            ax.set_xlim(0, None)
    axes[0][-1].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
    return axes[0][0]


def plot_ranked(frame: pd.DataFrame, *, xlabel: str) -> Axes:
    """Draw the ``mean`` of each ``setting`` as a dot, with its ``spread``, first on top."""
    ax = _new(7, 0.8 + 0.3 * len(frame))
    if frame.empty:
        return ax
    rows = _label_rows(ax, frame["setting"])
    spread = frame["spread"].fillna(0)
    ax.errorbar(frame["mean"], rows, xerr=spread, fmt="o", color=ACCENT, capsize=3)
    ax.plot(frame["mean"].head(1), rows[:1], "o", color=SECOND, markersize=8)
    ax.set_xlabel(xlabel)
    return ax


def plot_bands(frame: pd.DataFrame) -> Axes:
    """Draw ``mean`` and range over ``x``, one line per ``line``.

    There is one panel for each ``axis`` and ``metric``.
    """
    panels = list(frame.groupby(["axis", "metric"], sort=False))
    rows, columns = max(1, -(-len(panels) // 2)), min(2, max(1, len(panels)))
    size = {"figsize": (8, 2.6 * rows), "layout": "constrained"}
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
    ax = _new(6, 3.2)
    if frame.empty:
        return ax
    ax.scatter(frame[x], frame[y], s=24, color=ACCENT, alpha=0.7, linewidths=0)
    ax.margins(0.1)
    ax.set(xlabel="seconds of all five stages in sequence", ylabel=y.replace("_", " "))
    return ax


def plot_ratios(frame: pd.DataFrame) -> Axes:
    """Draw ``times_faster`` of each ``what`` as bars, with the range ``least`` to ``most``."""
    ax = _new(7, 0.8 + 0.32 * len(frame))
    places = _label_rows(ax, frame["what"])
    ax.barh(places, frame["times_faster"], color=ACCENT, height=0.6)
    ax.hlines(places, frame["least"], frame["most"], color=INK, linewidth=1.5)
    ax.axvline(1, color=SECOND, linewidth=1)
    ax.set_xscale("log")
    _number_plainly(ax.xaxis, "{x:g}")
    ax.set_xlabel("times faster (log scale); line: range over pairs")
    return ax


def plot_choice(frame: pd.DataFrame, *, n_clusters: int, n_components: int) -> Axes:
    """Draw each ``measure`` over ``n_clusters`` and over ``n_components``, with its range.

    A line marks the chosen numbers.
    """
    labels = {
        "ari_subsamples": "ARI of subsamples",
        "held_out": "bits, held-out",
        "silhouette": "silhouette",
    }
    if not frame.empty:  # a measure may be missing, such as bits without genres
        labels = {name: labels[name] for name in labels if name in set(frame["measure"])}
    _, axes = plt.subplots(
        len(labels),
        2,
        figsize=(9, 2 * len(labels)),
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
            values = some[some["measure"] == measure].groupby(x)["value"]
            spread = values.agg(["mean", "min", "max"])
            ax.fill_between(spread.index, spread["min"], spread["max"], color=ACCENT, alpha=0.2)
            ax.plot(spread.index, spread["mean"], color=ACCENT, marker="o", markersize=4)
            ax.axvline(chosen, color=SECOND, linewidth=1, linestyle=":")
            ax.set_ylabel(label)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        column[-1].set_xlabel(x.replace("n_", "number of "))
    for ax in axes[:, 1]:
        ax.set_ylabel("")
    return axes[0][0]


def plot_ratings(frame: pd.DataFrame, *, label: str, colors: Sequence[str]) -> Axes:
    """Draw box plots of ``rating`` for each `label`, in order of appearance, first on top."""
    by_label = frame.groupby(label, sort=False)["rating"]
    ax = _new(9, 0.8 + 0.3 * len(by_label))
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
    for box, color in zip(boxes["boxes"], colors, strict=True):
        box.set(facecolor=color, edgecolor=INK)
    ax.set(xlabel="rating (0 to 10): quartiles, and range without outliers")
    return ax


def drawable(text: object, length: int = 80) -> str:
    """Return a text as it can be drawn: shortened, on one line, without missing glyphs.

    A character without a glyph (control characters, most emoji) becomes U+FFFD, or nothing if it
    is invisible. Tables and texts of the page show it in full.
    """
    known = _glyphs()
    shown = "".join(
        char if ord(char) in known else "\N{REPLACEMENT CHARACTER}"
        for char in " ".join(str(text).split())
        if char.isprintable() or char == " "
    )
    return shown if len(shown) <= length else shown[: length - 1] + "…"


@cache
def _glyphs() -> frozenset[int]:
    """Return the code points that the font can draw."""
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties())
    return frozenset(font_manager.get_font(path).get_charmap())


def _number_plainly(axis: Axis, text: str = "{x:,.0f}") -> None:
    """Label an axis with plain numbers; log axes have formulas, which the style does not draw."""
    axis.set_major_formatter(StrMethodFormatter(text))
    axis.set_minor_formatter(NullFormatter())


def _label_rows(ax: Axes, labels: Iterable[object]) -> np.ndarray:
    """Label the rows of a horizontal figure, the first on top, and return their places."""
    texts = [drawable(text) for text in labels]
    rows = np.arange(len(texts))
    ax.set_yticks(rows, texts)
    ax.set_ylim(len(texts) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    return rows


def _new(width: float, height: float) -> Axes:
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _new_map() -> Axes:
    """Return square axes at a fixed place."""
    return plt.figure(figsize=(8, 8)).add_axes((0.04, 0.04, 0.92, 0.92))
