"""HTML of what notebooks display, in which text from the data is always text.

Everything is escaped here, once: a title or a name never becomes markup, script or mathematics.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from imdbclust.base.text import isolated

if TYPE_CHECKING:
    import jinja2
    import pandas as pd

# columns of integers that are names rather than amounts: no thousands separators
PLAIN_INTEGERS = (
    "year", "decade", "cluster", "component", "rank", "line", "since", "until", "random_state",
)  # fmt: skip

# limits of a page; the CSV has all columns and characters
MAX_COLUMNS, MAX_TEXT = 40, 200
BARE_ROWS = 10  # of a frame that a cell shows bare
MAX_ROWS = 200  # of a table that is shown completely although it has a `head`
SORTED_FROM = 9  # minimum number of rows of a complete table that readers can sort
UNPLACED, UNPLACED_NAME = -1, "unplaced"

# for `str.translate`: removes what changes the direction of the text after it
BIDI_CONTROLS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])

# control characters get their pictures; others that HTML does not allow get a question mark
_PICTURES = (
    {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
    | {0x7F: 0x2421}
    | dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], 0xFFFD)
)

# JupyterLab aligns whole tables to the right and has no style sheet of ours
_TABLE = """
{% set scrolls = rows | length > n_visible %}
<figure class="table{{ ' folded' if fold }}" id="table-{{ name }}">
<style>.jp-RenderedHTMLCommon .table :is(th,td,caption):not(.number){text-align:left}</style>
{% if fold %}<details><summary>{{ caption }}</summary>{% endif %}
<div class="scroll" tabindex="0" role="region" aria-label="{{ caption }}"
{% if scrolls %}style="max-height:{{ 2 * n_visible + 6 }}em;overflow:auto"{% endif %}>
<table {{ 'class=full' if sortable }}>
{%- if not fold %}<caption>{{ caption }}</caption>{% endif %}<thead>
{% if column_axis %}
<tr><td></td><th scope="colgroup" colspan="{{ columns | length - 1 }}">{{ column_axis }}</th></tr>
{% endif %}
<tr>{% for heading, css, _ in columns %}<th scope="col"{{ css | safe }}>{{ heading }}</th>
{%- endfor %}</tr>
</thead><tbody>
{% for row in rows %}
<tr {{ 'class=more' if loop.index > n_visible }}>{{ row | safe }}</tr>
{% else %}
<tr class="none"><td colspan="{{ columns | length or 1 }}">none</td></tr>
{% endfor %}
</tbody></table></div>
{% if scrolls %}
<p class="printed" hidden>The first {{ n_visible }} of {{ rows | length }} rows.</p>
{% endif %}
{% for note in notes %}<p class="note">{{ note }}</p>{% endfor %}
{% if fold %}</details>{% endif %}
<a class="csv" href="tables/{{ name }}.csv">{{ name }}.csv</a></figure>"""


def sentence_html(text: str, kind: str, *, name: str = "") -> str:
    """Return a paragraph of the class `kind`: ``finding``, ``text``, ``check`` or ``warning``.

    `name` is that of the empty table of which the text speaks; links to the table lead to it.
    """
    prefix = "<strong>Warning:</strong> " if kind == "warning" else ""
    anchor = f' id="table-{name}"' if name else ""
    return f'<p class="{kind}"{anchor}>{prefix}{escape(readable(text))}</p>'


def text_html(text: str) -> str:
    """Return preformatted text."""
    return f'<pre class="stream" tabindex="0">{escape(readable(text))}</pre>'


def readable(text: str) -> str:
    """Return text with control characters made visible and without changes of direction.

    Names in right-to-left scripts do not move the numbers next to them.
    """
    return isolated(text.translate(_PICTURES | BIDI_CONTROLS))


def table_html(
    frame: pd.DataFrame,
    *,
    caption: str,
    name: str,
    head: int | None = None,
    links: dict[str, list[str]] | None = None,
    notes: Sequence[str] = (),
    fold: bool = False,
) -> str:
    """Return a table with a caption, scoped headers and a link to its CSV.

    Parameters
    ----------
    frame : DataFrame
        The rows; the first column names them.
    caption : str
        What the table shows.
    name : str
        Name of the CSV, without the extension.
    head : int, optional
        Number of visible rows. Up to `MAX_ROWS` rows, the rest can be scrolled to within the table;
        of a longer table only the CSV has the rest, as the caption says.
    links : dict, optional
        By column, the relative address that each cell links to; empty for a cell without a link.
    notes : sequence of str
        Sentences below the table, such as reasons for missing values.
    fold : bool
        Show only the caption and the link until the reader unfolds the table.
    """
    complete = head is None or len(frame) <= MAX_ROWS
    shown = (frame if complete else frame.head(head)).iloc[:, :MAX_COLUMNS]
    if not complete:
        caption += f" (first {len(shown)} of {len(frame):,} rows)"
    if shown.shape[1] < frame.shape[1]:
        caption += f" (first {MAX_COLUMNS} of {frame.shape[1]:,} columns)"
    columns = [
        _column(column, str(key), first=place == 0, links=(links or {}).get(str(key), ()))
        for place, (key, column) in enumerate(shown.items())
    ]
    return _render_table(
        columns,
        name=name,
        caption=caption,
        notes=notes,
        n_visible=len(shown) if head is None else head,
        sortable=complete and len(shown) >= SORTED_FROM,
        fold=fold,
    )


def frame_html(frame: pd.DataFrame) -> str:
    """Return a frame that a cell shows bare: its first `BARE_ROWS` rows with their names.

    Texts are text, never markup or mathematics, as in :func:`table_html`.
    """
    shown = frame.iloc[:BARE_ROWS, :MAX_COLUMNS]
    levels = map(shown.index.get_level_values, range(shown.index.nlevels))
    parts = [level.to_series() for level in levels]
    parts += [shown.iloc[:, place] for place in range(shown.shape[1])]
    columns = [
        _column(part, "" if part.name is None else str(part.name), first=place == 0, links=())
        for place, part in enumerate(parts)
    ]
    heads = "".join(
        f'<th scope="col"{css}>{escape(heading)}</th>' if heading else "<td></td>"
        for heading, css, _ in columns
    )
    rows = zip(*(cells for *_, cells in columns), strict=True)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    size = f"{len(frame):,} rows × {frame.shape[1]:,} columns"
    note = f'<p class="note">{size}</p>' if shown.shape < frame.shape else ""
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table class="bare">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def heat_html(
    cells: pd.DataFrame,
    *,
    caption: str,
    name: str,
    links: dict[int, str],
    notes: Sequence[str] = (),
) -> str:
    """Return a table whose cells are shaded by their value and link to a page.

    Parameters
    ----------
    cells : DataFrame
        ``row_axis``, ``row``, ``column_axis``, ``column``, ``mean``, ``spread``, ``first``: one row
        for each cell, from :func:`imdbclust.evaluation.sweeps.grid`. Other cells are empty.
    links : dict
        Addresses by ``first``; an empty one makes no link.
    caption, name, notes
        See :func:`table_html`.
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
            f"{_linked(texts[row, column], links[one.first])}{spread}</td>"
        )

    row_axis, column_axis = (_heading(cells[axis].iloc[0]) for axis in ("row_axis", "column_axis"))
    shown = [(row_axis, "", [f'<th scope="row">{escape(str(row))}</th>' for row in rows])]
    for column in columns:
        shown.append((str(column), ' class="number"', [cell(row, column) for row in rows]))
    about = {"name": name, "caption": caption, "notes": notes, "column_axis": column_axis}
    return _render_table(shown, n_visible=len(rows), **about)


def _render_table(columns: list[tuple], *, caption: str, notes: Sequence[str], **context) -> str:
    """Fill the template; a column has a heading, its class attribute, and its cells as HTML."""
    return _table_template().render(
        columns=columns,
        rows=["".join(row) for row in zip(*(cells for *_, cells in columns), strict=True)],
        caption=readable(caption),
        notes=map(readable, notes),
        **context,
    )


@functools.cache
def _table_template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    return environment.from_string(_TABLE)


def format_column(column: pd.Series, name: str = "") -> list[str]:
    """Return a column's values as text for readers, not escaped.

    Fractional numbers have as many decimals as give the column's largest value four significant
    digits, at most six. Smaller values that would look like 0 have an exponent.
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
    plain = whole and name in PLAIN_INTEGERS
    return [
        "–" if _is_missing(value) else _number(value, decimals, plain=plain) for value in column
    ]


def _heading(name: str) -> str:
    return UNPLACED_NAME if name == str(UNPLACED) else name.replace("_", " ")


def _number(value: float, decimals: int, *, plain: bool) -> str:
    if value == 0 or plain:
        return f"{value:.0f}"
    if abs(value) < 0.5 * 10**-decimals:
        return f"{value:.1e}"
    return f"{value:,.{decimals}f}"


def _is_missing(value: object) -> bool:
    if isinstance(value, str):
        return not value
    return value is None or str(value) in ("nan", "<NA>")


def _column(column: pd.Series, name: str, *, first: bool, links: Sequence[str]) -> tuple:
    """Return the heading of a column, its class attribute, and its cells as HTML."""
    texts = format_column(column, name)
    if column.dtype.kind in "iuf":
        kind = "number"
    else:  # long texts get a minimum width, or many columns would break them after every word
        kind = "long" if any(len(text) > 24 for text in texts) else ""
        texts = [_bdi(escape(_cut(text).translate(_PICTURES))) for text in texts]
    if links:
        linked = zip(texts, links, strict=False)
        texts = [_linked(text, address) for text, address in linked]
    css = f' class="{kind}"' if kind else ""
    tag, scope = ("th", ' scope="row"') if first else ("td", "")
    cells = [f"<{tag}{scope}{css}>{text}</{tag}>" for text in texts]
    return readable(_cut(_heading(name))), css, cells


def _linked(html: str, address: str) -> str:
    return f'<a href="{escape(address)}">{html}</a>' if address else html


def _bdi(html: str) -> str:
    """Return a text with its own direction, which is that of its first word.

    A text such as a number and a name is always from left to right, because the number would
    exchange its place with a right-to-left name.
    """
    mixed = isolated(html)
    if mixed == html or mixed.startswith("\u2068"):
        return f"<bdi>{html}</bdi>"
    return f'<bdi dir="ltr">{mixed}</bdi>'


def _cut(text: str) -> str:
    """Shorten a text to `MAX_TEXT` characters and append its length."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text):,} characters)"
