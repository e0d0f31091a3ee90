"""What notebooks display, as HTML in which text from the data is always text.

Everything is escaped here, once; nothing is markup, script or mathematics because a title or a
name looks like it.
"""

from __future__ import annotations

import base64
import io
import math
import re
import warnings
from collections.abc import Sequence
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

MAX_ROWS = 200
"""A table with a `head` is on the page as a whole, in a window, up to so many rows."""

LAB_STYLE = (
    "<style>.jp-RenderedHTMLCommon .table :is(th,td,caption):not(.number){text-align:left}</style>"
)
"""JupyterLab sets all of a table to the right; only its numbers belong there."""

MAX_TEXT = 200
"""So many characters of a cell are shown; all are in the CSV."""

SORTED_FROM = 9
"""With so many rows or more, a table that is on the page as a whole can be sorted there."""

DOTS_PER_INCH = 150
"""Of the parts of a figure that are images."""

UNPLACED, UNPLACED_NAME = -1, "unplaced"
"""The cluster of unplaced movies, and what readers see in its place."""


# what turns the direction of the text that follows, up to the end of its paragraph
TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
# characters that are not shown, or not allowed in HTML: their pictures, else a question mark
_PICTURES = (
    {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
    | {0x7F: 0x2421}
    | dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], 0xFFFD)
)


def readable(text: str) -> str:
    """Return text in which control characters are to be seen, and none turns what follows it."""
    return text.translate(_PICTURES | TURNS)


def sentence_html(text: str, kind: str) -> str:
    """Return a paragraph of the class `kind`: ``finding``, ``text``, ``check`` or ``warning``."""
    said = "<strong>Warning:</strong> " if kind == "warning" else ""
    return f'<p class="{kind}">{said}{escape(readable(text))}</p>'


def text_html(text: str) -> str:
    """Return text as it stands, line by line."""
    return f'<pre class="stream" tabindex="0">{escape(readable(text))}</pre>'


def table_html(
    frame: pd.DataFrame,
    *,
    caption: str,
    name: str,
    head: int | None = None,
    links: dict[str, list[str]] | None = None,
    notes: Sequence[str] = (),
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
        Have so many rows in sight. Up to `MAX_ROWS` rows the others are reached by scrolling
        within the table; of a longer one they are in the CSV only, as the caption says.
    links : dict, optional
        For a column, the relative address that each of its cells leads to.
    notes : sequence of str
        Sentences below the table, such as why values are missing.
    """
    whole = head is None or len(frame) <= MAX_ROWS
    shown = (frame if whole else frame.head(head)).iloc[:, :MAX_COLUMNS]
    caption = readable(caption)
    if not whole:
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
        f'<th scope="col"{css}>{escape(readable(_cut(_heading(name))))}</th>'
        for name, (css, _) in zip(names, columns, strict=True)
    )
    cells = zip(*(_cells(column, place) for place, column in enumerate(columns)), strict=True)
    in_sight = len(shown) if head is None else head
    rows = "".join(
        f"<tr{' class=more' if place >= in_sight else ''}>{''.join(row)}</tr>"
        for place, row in enumerate(cells)
    )
    if frame.empty:
        rows = f'<tr class="none"><td colspan="{max(len(names), 1)}">none</td></tr>'
    window = printed = ""
    if len(shown) > in_sight:  # styled here, since JupyterLab has not the pages' style sheet
        window = f' style="max-height:{2 * in_sight + 6}em;overflow:auto"'
        printed = f'<p class="printed" hidden>The first {in_sight} of {len(frame):,} rows.</p>'
    full = ' class="full"' if whole and len(shown) >= SORTED_FROM else ""
    text, file = escape(caption), escape(name)
    return (
        f'<figure class="table" id="table-{file}">{LAB_STYLE}'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text}"{window}>'
        f"<table{full}><caption>{text}</caption>"
        f"<thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>{printed}{_notes(notes)}"
        f'<a class="csv" href="tables/{file}.csv">{file}.csv</a></figure>'
    )


def _notes(notes: Sequence[str]) -> str:
    return "".join(f'<p class="note">{escape(readable(note))}</p>' for note in notes)


def heat_html(
    cells: pd.DataFrame,
    *,
    caption: str,
    name: str,
    links: dict[int, str],
    notes: Sequence[str] = (),
) -> str:
    """Return a table whose cells are shaded by their value, each a link.

    Parameters
    ----------
    cells : DataFrame
        ``row_axis``, ``row``, ``column_axis``, ``column``, ``mean``, ``spread``, ``first``: one row
        a cell, as of :func:`imdbclust.evaluation.sweeps.grid`. What is missing is an empty cell.
    caption : str
        What the cells show.
    name : str
        Name of the CSV, without ending.
    links : dict
        Addresses by ``first``.
    notes : sequence of str
        Sentences below the table.
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
        f"<tbody>{body}</tbody></table></div>{_notes(notes)}"
        f'<a class="csv" href="tables/{file}.csv">{file}.csv</a></figure>'
    )


def figure_html(figure: Figure, *, caption: str, alt: str, name: str) -> str:
    """Return a figure as an embedded SVG with a caption and a text alternative.

    Lines and text are vectors, drawn as outlines, so that a figure looks the same whatever fonts
    the reader has; what is rasterised has `DOTS_PER_INCH`. The same figure gives the same bytes:
    no date, no random ids.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file, about = io.BytesIO(), {"Date": None, "Creator": None}
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # a title in a script that the font lacks is drawn as boxes; the tables have it as text
        warnings.filterwarnings("ignore", r"(Glyph|Matplotlib currently does not support)")
        if figure.get_layout_engine():  # all is in its place; savefig would draw it twice
            figure.dpi = DOTS_PER_INCH
            FigureCanvasSVG(figure).print_svg(file, metadata=about)
        else:
            figure.savefig(
                file, format="svg", metadata=about, dpi=DOTS_PER_INCH, bbox_inches="tight"
            )
    svg = file.getvalue()
    width, height = (
        round(float(side) * 4 / 3) for side in _SVG_SIZE.search(svg.decode("utf-8")).groups()
    )
    data = base64.b64encode(svg).decode("ascii")
    caption, alt = escape(readable(caption)), escape(readable(alt))
    return (
        f'<figure class="plot" id="figure-{escape(name)}">'
        f'<div class="scroll" tabindex="0" role="group" aria-label="Figure">'
        f'<img src="data:image/svg+xml;base64,{data}" width="{width}" height="{height}" '
        f'alt="{alt}"></div><figcaption>{caption}</figcaption></figure>'
    )


_SVG_SIZE = re.compile(r'<svg[^>]*? width="([\d.]+)pt" height="([\d.]+)pt"', re.DOTALL)
"""Width and height of a figure, in points."""


def format_column(column: pd.Series, name: str = "") -> list[str]:
    """Return a column's values as a reader wants them; text is not escaped here.

    Numbers that are not whole have as many decimals as give the column's largest four
    significant digits, at most six; what would then look like 0 and is not has an exponent.
    """
    if column.dtype.kind == "b":
        return ["yes" if value else "no" for value in column]
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
    if isinstance(value, str):
        return not value
    return value is None or str(value) in ("nan", "<NA>")


def _column(column: pd.Series, name: str) -> tuple[str, list[str]]:
    """Return the class of a column's cells and their contents, escaped."""
    texts = format_column(column, name)
    if column.dtype.kind in "iuf":
        return ' class="number"', texts
    # long texts get room, or they stand one word a line where there are many columns
    long = any(len(text) > 24 for text in texts)
    css = ' class="long"' if long else ""
    return css, [f"<bdi>{escape(_cut(text).translate(_PICTURES))}</bdi>" for text in texts]


def _cut(text: str) -> str:
    """Shorten what nobody reads in a table, and say how long it is."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text):,} characters)"


def _cells(column: tuple[str, list[str]], place: int) -> list[str]:
    css, texts = column
    tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
    return [f"<{tag}{scope}{css}>{text}</{tag}>" for text in texts]
