"""What notebooks display, as HTML in which text from the data is always text.

Everything is escaped here, once; nothing is markup, script or mathematics because a title or a
name looks like it.
"""

from __future__ import annotations

import base64
import io
import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PLAIN_INTEGERS = (
    "year", "decade", "cluster", "component", "rank", "line", "since", "until", "random_state",
)  # fmt: skip
"""Columns whose whole numbers are names rather than amounts: no thousands separators."""


MAX_COLUMNS = 40
"""So many columns of a table are shown; nobody reads more, and all are in the CSV."""

UNPLACED, UNPLACED_NAME = -1, "unplaced"
"""The cluster of unplaced movies, and what readers see in its place."""


def sentence_html(text: str, kind: str) -> str:
    """Return a paragraph of the class `kind`: ``finding``, ``text``, ``check`` or ``warning``."""
    return f'<p class="{kind}">{escape(text)}</p>'


def text_html(text: str) -> str:
    """Return text as it stands, line by line."""
    return f'<pre class="stream" tabindex="0">{escape(text)}</pre>'


def table_html(
    frame: pd.DataFrame,
    *,
    caption: str,
    name: str,
    head: int | None = None,
    links: dict[str, list[str]] | None = None,
) -> str:
    """Return a table with caption, scoped headers and a link to its CSV.

    Parameters
    ----------
    frame : DataFrame
        The rows; the first column names them.
    caption : str
        What the table shows.
    name : str
        Name of the CSV, without ending.
    head : int, optional
        Show only so many rows; the caption says how many there are.
    links : dict, optional
        For a column, the relative address that each of its cells leads to.
    """
    shown = (frame if head is None else frame.head(head)).iloc[:, :MAX_COLUMNS]
    if len(shown) < len(frame):
        caption = f"{caption} (first {len(shown)} of {len(frame):,} rows)"
    if shown.shape[1] < frame.shape[1]:
        caption = f"{caption} (first {MAX_COLUMNS} of {frame.shape[1]:,} columns)"
    names = [str(column) for column in shown.columns]
    columns = [_column(shown.iloc[:, place], name) for place, name in enumerate(names)]
    for column, addresses in (links or {}).items():
        texts = columns[names.index(column)][1]
        linked = zip(texts, addresses, strict=False)
        texts[:] = [f'<a href="{escape(address)}">{text}</a>' for text, address in linked]
    header = "".join(
        f'<th scope="col"{css}>{escape(_heading(name))}</th>'
        for name, (css, _) in zip(names, columns, strict=True)
    )
    rows = "".join(
        f"<tr>{''.join(cells)}</tr>"
        for cells in zip(
            *(_cells(column, place) for place, column in enumerate(columns)), strict=True
        )
    )
    text, file = escape(caption), escape(name)
    return (
        f'<figure class="table" id="table-{file}">'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text}">'
        f"<table><caption>{text}</caption>"
        f"<thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<a class="csv" href="tables/{file}.csv">{file}.csv</a></figure>'
    )


def heat_html(cells: pd.DataFrame, *, caption: str, name: str, links: dict[int, str]) -> str:
    """Return a table whose cells are shaded by their value, each a link.

    Parameters
    ----------
    cells : DataFrame
        ``row_axis``, ``row``, ``column_axis``, ``column``, ``mean``, ``spread``, ``first``: one row
        a cell, as of :func:`imdbclust.comparison.grid`. What is missing is an empty cell.
    caption : str
        What the cells show.
    name : str
        Name of the CSV, without ending.
    links : dict
        Addresses by ``first``.
    """
    rows, columns = cells["row"].unique(), cells["column"].unique()
    at = {(one.row, one.column): one for one in cells.itertuples()}
    texts = dict(zip(at, format_column(cells["mean"]), strict=True))
    least, range_ = cells["mean"].min(), float(cells["mean"].max() - cells["mean"].min())

    def cell(row: object, column: object) -> str:
        one = at.get((row, column))
        if one is None or _is_missing(one.mean):
            return '<td class="number">–</td>'
        level = 100 * (one.mean - least) / range_ if range_ else 50
        spread = "" if _is_missing(one.spread) else f"<small>± {one.spread:.2g}</small>"
        return (
            f'<td class="number heat" style="--level: {level:.0f}%">'
            f'<a href="{escape(links[one.first])}">{texts[row, column]}</a>{spread}</td>'
        )

    row_axis, column_axis = (
        escape(_heading(cells[axis].iloc[0])) for axis in ("row_axis", "column_axis")
    )
    header = "".join(f'<th scope="col" class="number">{escape(str(one))}</th>' for one in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(str(row))}</th>'
        f"{''.join(cell(row, column) for column in columns)}</tr>"
        for row in rows
    )
    text, file = escape(caption), escape(name)
    return (
        f'<figure class="table" id="table-{file}">'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text}">'
        f"<table><caption>{text}</caption><thead>"
        f'<tr><td></td><th scope="colgroup" colspan="{len(columns)}">{column_axis}</th></tr>'
        f'<tr><th scope="col">{row_axis}</th>{header}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        f'<a class="csv" href="tables/{file}.csv">{file}.csv</a></figure>'
    )


def figure_html(figure: Figure, *, caption: str, alt: str, name: str) -> str:
    """Return a figure as an embedded SVG with a caption and a text alternative.

    The same figure gives the same bytes: no date, no random ids.
    """
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name, "savefig.bbox": "tight"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, dpi=150)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return (
        f'<figure class="plot" id="figure-{escape(name)}">'
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def format_column(column: pd.Series, name: str = "") -> list[str]:
    """Return a column's values as a reader wants them; text is not escaped here.

    Numbers that are not whole have as many decimals as give the column's largest four
    significant digits, at most six; what would then look like 0 and is not has an exponent.
    """
    if column.dtype.kind not in "iuf":
        return ["–" if _is_missing(value) else str(value) for value in column]
    whole = column.dtype.kind in "iu"
    if name == "cluster" and whole:
        return [UNPLACED_NAME if value == UNPLACED else str(value) for value in column]
    largest = 0.0 if whole or column.isna().all() else float(column.abs().max())
    decimals = 0
    if 0 < largest < 1000:
        decimals = min(6, 3 - math.floor(math.log10(largest)))
    return [
        "–"
        if _is_missing(value)
        else _number(value, decimals, plain=whole and name in PLAIN_INTEGERS)
        for value in column
    ]


def _heading(name: str) -> str:
    return UNPLACED_NAME if name == str(UNPLACED) else name.replace("_", " ")


def _number(value: float, decimals: int, *, plain: bool) -> str:
    if value == 0 or plain:
        return f"{value:g}" if value == 0 else f"{value:.0f}"
    if abs(value) < 0.5 * 10**-decimals:
        return f"{value:.1e}"
    return f"{value:,.{decimals}f}"


def _is_missing(value: object) -> bool:
    return value is None or (str(value) in ("nan", "<NA>") and not isinstance(value, str))


def _column(column: pd.Series, name: str) -> tuple[str, list[str]]:
    """Return the class of a column's cells and their contents, escaped."""
    texts = [escape(text) for text in format_column(column, name)]
    if column.dtype.kind in "iuf":
        return ' class="number"', texts
    return "", [f"<bdi>{text}</bdi>" for text in texts]


def _cells(column: tuple[str, list[str]], place: int) -> list[str]:
    css, texts = column
    tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
    return [f"<{tag}{scope}{css}>{text}</{tag}>" for text in texts]
