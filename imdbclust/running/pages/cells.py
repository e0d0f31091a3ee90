"""The cells of an executed notebook, prepared for the template of its page.

Markdown becomes HTML here: its headings get ids for the table of contents, and its formulas become
MathML. Markdown that a cell made from data is escaped, and its dollar signs stay dollar signs.
"""

from __future__ import annotations

import re
from html import unescape
from itertools import chain, count
from xml.etree import ElementTree

from markupsafe import Markup, escape

from imdbclust.running.imports import quick_imports

with quick_imports():
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


ESTIMATOR = 'class="sk-top-container'
"""Mark of the HTML of scikit-learn's estimators. It needs a script, so pages show the text."""


class Outline:
    """The headings of a page: the title, and the id and text of each section."""

    def __init__(self):
        self.title = None
        self.entries = []
        self.ends_folded = False  # whether the last section is folded
        self._used = {"main", "error"}

    def add(self, text, level):
        """Add a heading, given as HTML; return the element for the text of the page."""
        text = Markup(text)  # noqa: S704
        if level == 1 and self.title is None:
            self.title = text  # the template shows it at the top
            return ""
        level = max(level, 2)  # a page has one h1
        slug = re.sub(r"[^a-z0-9]+", "-", text.striptags().lower()).strip("-") or "section"
        candidates = chain([slug], (f"{slug}-{number}" for number in count(2)))
        anchor = next(one for one in candidates if one not in self._used)
        self._used.add(anchor)
        if level == 2:
            self.entries.append((anchor, text.striptags()))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'


def prepare_cells(notebook) -> tuple[Outline, bool]:
    """Render the Markdown of a notebook in place, and merge cells that show nothing.

    Sections without a result are left out, such as that about ratings if no movie has one. A text
    cell with the tag ``folded`` folds its section, up to the next cell that begins with ``##``.

    Returns
    -------
    outline : Outline
        The headings of the notebook.
    failed : bool
        Whether a cell has an error among its outputs.
    """
    outline, failed = Outline(), False
    of_author = MarkdownWithMath(_Renderer(outline, escape=False))
    of_data = MarkdownWithMath(_Renderer(outline, escape=True))
    # papermill's own markers of an error repeat what the error box says
    notebook.cells = _merged(
        cell
        for cell in _with_results(notebook.cells)
        if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
    )
    fold = None  # the cell that begins the folded section
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            of_author.renderer.attachments = cell.get("attachments", {})
            rendered = of_author.render(cell.source)
            if cell.source.startswith("## "):
                within, fold = fold, _folded(cell)
                cell.metadata["ends_fold"], cell.metadata["begins_fold"] = bool(within), bool(fold)
                if fold:
                    heading, end, rendered = rendered.partition("</h2>\n")
                    cell.metadata["summary"] = Markup(heading + end)  # noqa: S704
            cell.metadata["rendered"] = Markup(rendered)  # noqa: S704
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                cell.metadata["failed"] = True
                if fold:
                    fold.metadata["unfolded"] = True
                output["anchor"] = "" if failed else "error"
                failed = True
            elif ESTIMATOR in output.get("data", {}).get("text/html", ""):
                del output.data["text/html"]
            elif "text/markdown" in output.get("data", {}):
                output.data.setdefault("text/html", of_data.render(output.data["text/markdown"]))
    outline.ends_folded = bool(fold)
    return outline, failed


def _folded(cell):
    """Return a cell that begins a folded section, or None."""
    return cell if "folded" in cell.metadata.get("tags", []) else None


def _with_results(cells):
    """Leave out sections whose code cells were all executed and show nothing."""
    sections = [[]]
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            sections.append([])
        sections[-1].append(cell)
    yield from sections[0]  # what the notebook is about, and its parameters
    for section in sections[1:]:
        code = [cell for cell in section if cell.cell_type == "code"]
        states = {cell.metadata.get("papermill", {}).get("status") for cell in code}
        if states != {"completed"} or any(cell.outputs for cell in code):
            yield from section


def _merged(cells):
    """Merge each code cell without outputs into the code cell after it."""
    merged = []
    for cell in cells:
        before = merged[-1] if merged else None
        if before and _is_plain_code(before) and not before.outputs and _is_plain_code(cell):
            cell.source = f"{before.source}\n\n{cell.source}".strip()
            merged.pop()
        merged.append(cell)
    return merged


def _is_plain_code(cell):
    special = {"parameters", "injected-parameters"}
    return cell.cell_type == "code" and not special.intersection(cell.metadata.get("tags", []))


class _Renderer(IPythonRenderer):
    """nbconvert's renderer of Markdown, with an outline and MathML."""

    def __init__(self, outline, *, escape):
        super().__init__(escape=escape, allow_harmful_protocols=False, exclude_anchor_links=True)
        self.outline = outline

    def heading(self, text, level, **attrs):
        return self.outline.add(text, level)

    def block_math(self, body):
        return f"$${escape(body)}$$" if self._escape else _formula(body)

    def inline_math(self, body):
        return f"${escape(body)}$" if self._escape else mathml(body)

    def latex_environment(self, name, body):
        formula = rf"\begin{{{name}}}{body}\end{{{name}}}"
        return str(escape(formula)) if self._escape else _formula(formula)


def _formula(formula):
    """Return a formula on a line of its own, which narrow screens can scroll."""
    box = '<span class="scroll" tabindex="0" role="group" aria-label="Formula">'
    return f"{box}{mathml(formula, block=True)}</span>"


def mathml(formula, *, block=False):
    """Return a LaTeX formula as MathML, which browsers display without a script.

    Raises
    ------
    ValueError
        The formula cannot be translated.
    """
    from latex2mathml.converter import convert_to_element

    try:
        tree = convert_to_element(formula, display="block" if block else "inline")
    except Exception as error:
        raise ValueError(f"the formula {formula!r} cannot be translated: {error!r}") from None
    for element in tree.iter():
        element.text = unescape(element.text or "")  # the library leaves entities in the tree
        if element.text.startswith("\\"):
            raise ValueError(f"the formula {formula!r} has the unknown command {element.text}")
    return ElementTree.tostring(tree, encoding="unicode")
