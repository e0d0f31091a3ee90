"""Figures as SVG: for pages, where they follow light and dark, and as files for papers.

The same figure gives the same bytes: no date, no random ids, three decimals.
"""

from __future__ import annotations

import io
import re
import warnings
from html import escape
from typing import TYPE_CHECKING

from imdbclust.base.colors import GROUND, INK
from imdbclust.base.fonts import use_fonts
from imdbclust.display.render import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150  # resolution of the rasterised parts of a figure
ZOOM = 1.1  # maximum size of a figure on a page, relative to its own
WIDE = 5.5  # inches; on a narrow screen, wider figures are scrolled instead of shrunk

# a page's background: that of a report, of JupyterLab, or white
_BACKGROUND = "var(--bg, var(--jp-layout-color0, #fff))"
_PROLOGUE = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_STYLE = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_ROOT = re.compile(r'<svg[^>]*? width="([\d.]+)pt" height="([\d.]+)pt"[^>]*>', re.DOTALL)
_ID, _REFERENCE = re.compile(r' id="([^"]*)"'), re.compile(r'(href="#|url\(#)([^")]*)')


def figure_svg(figure: Figure, *, name: str) -> str:
    """Return a figure as an SVG document with a transparent ground.

    Text is drawn as outlines, so a figure looks the same with any fonts. Rasterised parts have a
    resolution of `DOTS_PER_INCH`. Ids begin with `name`, so that a page can have several figures.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    use_fonts(figure)
    file = io.BytesIO()
    figure.dpi = DOTS_PER_INCH
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # characters that the font lacks are drawn as boxes; the tables have them as text
        warnings.filterwarnings("ignore", r"(Glyph|Matplotlib currently does not support)")
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})
    svg = _STYLE.sub("", _PROLOGUE.sub("", file.getvalue().decode("utf-8")))
    svg = re.sub(r"(\.\d{3})\d+", r"\1", svg)
    targets = dict.fromkeys(target for _, target in _REFERENCE.findall(svg))
    ids = {target: f"{name}-{number}" for number, target in enumerate(targets)}
    svg = _ID.sub(lambda one: f' id="{ids[one[1]]}"' if one[1] in ids else "", svg)
    svg = _REFERENCE.sub(lambda one: one[1] + ids[one[2]], svg)
    width, height = (float(side) for side in _ROOT.search(svg).groups())
    root = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}pt" height="{height:g}pt" '
        'stroke-linejoin="round" stroke-linecap="butt">'
    )
    lines = _ROOT.sub(root, svg, count=1).splitlines()
    return "\n".join(line.strip() for line in lines if line.strip()) + "\n"


def inline_svg(svg: str, *, alt: str) -> str:
    """Return the document of :func:`figure_svg` as an element of a page.

    Its text has the colour of the page's text; it is as wide as the page, at most `ZOOM` times its
    own width.
    """
    points = float(_ROOT.search(svg).group(1))
    style = f"display:block;width:100%;height:auto;max-width:{points * 4 / 3 * ZOOM:.0f}px"
    about = f' style="{style}" role="img" aria-label="{escape(readable(alt))}"'
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', lambda _: about, svg, count=1)
    return svg.replace(INK, "currentColor").replace(GROUND, _BACKGROUND)


def figure_html(svg: str, *, caption: str, alt: str, name: str) -> str:
    """Return a figure of :func:`figure_svg` with a caption and a text alternative."""
    wide = " wide" if float(_ROOT.search(svg).group(1)) > 72 * WIDE else ""
    return (
        f'<figure class="plot{wide}" id="figure-{escape(name)}">'
        f'<div class="scroll" tabindex="0" role="group" aria-label="Figure">'
        f"{inline_svg(svg, alt=alt)}</div>"
        f"<figcaption>{escape(readable(caption))}</figcaption></figure>"
    )
