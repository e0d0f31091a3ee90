"""What notebooks display, as HTML in which text from the data is always text.

Everything is escaped here, once; nothing is markup, script or mathematics because a title or a
name looks like it.
"""

from __future__ import annotations

import base64
import io
import math
import numbers
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PLAIN_INTEGERS = ("year", "decade", "cluster", "component", "rank", "line", "since", "until")
"""Columns whose whole numbers are names rather than amounts: no thousands separators."""


def sentence_html(text: str, kind: str) -> str:
    """Return a paragraph of the class `kind`: ``finding``, ``text``, ``check`` or ``warning``."""
    return f'<p class="{kind}">{escape(text)}</p>'


def table_html(frame: pd.DataFrame, *, caption: str, name: str, head: int | None = None) -> str:
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
    """
    shown = frame if head is None else frame.head(head)
    if len(shown) < len(frame):
        caption = f"{caption} (first {len(shown)} of {len(frame):,} rows)"
    columns = [str(column) for column in frame.columns]
    numeric = [_is_numeric(frame.iloc[:, place]) for place in range(len(columns))]
    header = "".join(
        f'<th scope="col"{_CLASS[number]}>{escape(column.replace("_", " "))}</th>'
        for column, number in zip(columns, numeric, strict=True)
    )
    rows = "".join(
        f"<tr>{_cells(row, columns, numeric)}</tr>"
        for row in shown.itertuples(index=False, name=None)
    )
    text, file = escape(caption), escape(name)
    return (
        f'<figure class="table" id="table-{file}"><figcaption>{text}</figcaption>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text}">'
        f"<table><caption>{text}</caption>"
        f"<thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>"
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


def format_cell(value: object, column: str = "") -> str:
    """Return a value as a reader wants it; text is not escaped here."""
    if value is None or value != value or str(value) == "<NA>":
        return "–"
    if isinstance(value, (bool, str)):
        return str(value)
    if isinstance(value, numbers.Integral):
        plain = column in PLAIN_INTEGERS
        return str(value) if plain else f"{value:,}"
    if isinstance(value, numbers.Real):
        return format_number(float(value))
    return str(value)


def format_number(value: float) -> str:
    """Return a number with four significant digits, without exponents in the usual range."""
    if math.isinf(value) or value == 0:
        return f"{value:g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) < 1e-4:
        return f"{value:.2e}"
    decimals = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 6)}f}"


_CLASS = {True: ' class="num"', False: ""}


def _cells(row: tuple, columns: list[str], numeric: list[bool]) -> str:
    cells = []
    for place, (value, column, number) in enumerate(zip(row, columns, numeric, strict=True)):
        text = escape(format_cell(value, column))
        text = text if number else f"<bdi>{text}</bdi>"
        tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
        cells.append(f"<{tag}{scope}{_CLASS[number]}>{text}</{tag}>")
    return "".join(cells)


def _is_numeric(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf" and column.dtype.name != "category"
