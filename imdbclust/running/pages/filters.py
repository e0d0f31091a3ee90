"""The templates' environment: filters that format values for readers.

Autoescape is on, so text from data stays text. Only ``text/html`` that our own kernel made is
passed through.
"""

from __future__ import annotations

import base64
import functools
import re
from datetime import UTC, datetime

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from imdbclust.base.text import byte_size, counted, isolated
from imdbclust.display.render import BIDI_CONTROLS
from imdbclust.running.imports import quick_imports
from imdbclust.running.pages.checks import SCRIPT, TEMPLATES, policy
from imdbclust.wording import part_of_films

with quick_imports():
    from nbconvert.exporters.templateexporter import TemplateExporter

# other types (scripts, widgets, TeX) are left out: they are neither text nor pictures with a text
SHOWN_TYPES = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/plain")


def number(value):
    """Format a measured value: ``35,253``, ``0.1235``, ``yes``."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def seconds(value):
    """Format a duration: ``3.2 s``, ``31 s``, ``2 min 5 s``, ``1 h 3 min``."""
    if value < 9.95:
        return "under 0.1 s" if value < 0.1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def when(stamp):
    """Format a time stamp: ``24 November 2025, 00:13 UTC``."""
    try:
        moment = datetime.fromisoformat(str(stamp))
    except ValueError:
        return str(stamp)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def stage_label(stage):
    """Return the label of a stage: ``Clustering`` for ``04_clustering``."""
    return re.sub(r"^\d+_", "", stage).replace("_", " ").capitalize()


def plain(text):
    """Remove colours, control characters and overwritten lines, such as those of progress bars."""
    text = "" if text is None else str(text)
    text = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)", "", text)
    if "\r" in text:
        lines = text.split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    text = text.translate(BIDI_CONTROLS)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)


@functools.lru_cache(maxsize=1000)  # the reports of a sweep show the same code
def _highlight(code):
    """Highlight Python; the colours are in the style sheet."""
    return Markup(highlight(plain(code), PythonLexer(), HtmlFormatter(nowrap=True)))  # noqa: S704


FILTERS = {
    "number": number,
    "seconds": seconds,
    "memory": lambda megabytes: byte_size(megabytes * 1e6),
    "when": when,
    "words": lambda name: name.removeprefix("n_").replace("_", " "),
    "stage_label": stage_label,
    "plain": plain,
    "sentence": lambda text: isolated(plain(text)),
    "literal": repr,
    "counted": counted,
    "part_of_films": part_of_films,
    "highlight": _highlight,
    "base64": lambda text: base64.b64encode(text.encode()).decode("ascii"),
    "filter_data_type": lambda data: [kind for kind in SHOWN_TYPES if kind in data][:1],
}


@functools.cache
def exporter():
    """Return the exporter of notebooks; its environment renders all other pages."""
    made = TemplateExporter(
        template_name="report",
        extra_template_basedirs=[str(TEMPLATES)],
        file_extension=".html",
        filters=FILTERS,
        optimistic_validation=True,  # once, not after each preprocessor
    )
    environment = made.environment
    environment.autoescape = True
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.globals |= {"script": Markup(SCRIPT), "policy": policy(SCRIPT)}  # noqa: S704
    environment.tests["web"] = lambda url: str(url).startswith(("https://", "http://"))
    return made
