"""Several measures of the same rows and columns as one heat map, with a switch between them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from imdbclust.display.render import readable

if TYPE_CHECKING:
    import jinja2
    import pandas as pd

RATIOS = ("Lift", "Beyond the decade")
"""Measures that are ratios: shaded from 1 in both directions, by their logarithm, up to 8."""

# the switch works without a script; a browser without :has shows the first measure
_SWITCH = """
<figure class="table switch" id="table-{{ name }}">
<style>
.switch .v{display:none;padding:.3em .4em;text-align:right}.switch .v0{display:block}
.switch .a{background:rgb(31 134 163/var(--l))}.switch .b{background:rgb(208 96 63/var(--l))}
{% for measure in measures %}
#table-{{ name }}:has(#{{ name }}-{{ loop.index0 }}:checked) .v{display:none}
#table-{{ name }}:has(#{{ name }}-{{ loop.index0 }}:checked) .v{{ loop.index0 }}{display:block}
{% endfor %}
</style>
<div class="measures" role="radiogroup" aria-label="{{ caption }}">
{% for measure in measures %}
<label><input type="radio" name="{{ name }}" id="{{ name }}-{{ loop.index0 }}"
{{- ' checked' if loop.first }}> {{ measure }}</label>
{% endfor %}
</div>
<div class="scroll" tabindex="0" role="region" aria-label="{{ caption }}">
<table><caption>{{ caption }}</caption><thead><tr><td></td>
{%- for heading in headings %}<th scope="col">{{ heading }}</th>{% endfor %}</tr></thead><tbody>
{% for heading, cells in rows %}
<tr><th scope="row">{{ heading }}</th>
{%- for cell in cells %}<td>{{ cell | safe }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div></figure>"""


def heat_switch_html(
    tables: Mapping[str, pd.DataFrame],
    *,
    caption: str,
    name: str,
    labels: Mapping[object, str],
) -> str:
    """Return a table with a number of each measure in every cell, of which one is shown.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By the name of the measure, in the order of the switch; all have the same rows and columns.
        Shares and probabilities are shown in percent and shaded up to the largest; those of
        `RATIOS` are shown as they are.
    caption, name : str
        As in :func:`imdbclust.display.render.table_html`; there is no CSV.
    labels : mapping
        Headings of the columns.
    """
    first = next(iter(tables.values()))
    parts = [
        _measured(table.to_numpy(dtype=float), f"v v{place}", ratio=label in RATIOS)
        for place, (label, table) in enumerate(tables.items())
    ]
    cells = ["".join(of_cell) for of_cell in zip(*parts, strict=True)]
    width = first.shape[1]
    return _template().render(
        name=name,
        caption=readable(caption),
        measures=list(tables),
        headings=[readable(str(labels[column])) for column in first.columns],
        rows=[
            (readable(str(row)), cells[place * width : (place + 1) * width])
            for place, row in enumerate(first.index)
        ],
    )


def _measured(values: np.ndarray, css: str, *, ratio: bool) -> list[str]:
    """Return an element for every value, row by row; its shade is stronger for larger values."""
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = np.log2(values) / 3 if ratio else values / np.nanmax(values, initial=1e-12)
    levels = np.nan_to_num(0.6 * levels.clip(-1, 1)).ravel()
    sides = np.where((levels > 0) & ratio, "b", "a")
    return [
        f'<span class="{css} {side}" style="--l:{abs(level):.2f}">{_number(value, ratio)}</span>'
        for value, level, side in zip(values.ravel(), levels, sides, strict=True)
    ]


def _number(value: float, ratio: bool) -> str:
    """Return a share in percent, or a ratio, with about two digits."""
    if np.isnan(value):
        return "–"
    shown = value if ratio else 100 * value
    digits = f"{shown:,.0f}" if shown >= 9.95 or shown == 0 else f"{shown:.1f}"
    return digits if ratio else f"{digits}%"


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    return jinja2.Environment(autoescape=True, trim_blocks=True).from_string(_SWITCH)
