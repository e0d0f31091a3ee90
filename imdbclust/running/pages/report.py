"""The HTML pages of runs, of settings and of sweeps, from executed notebooks and a manifest.

The templates are in ``templates/report``. :mod:`imdbclust.running.pages.cells` prepares notebooks
for them, :mod:`imdbclust.running.pages.filters` formats values, and every page is checked by
:func:`imdbclust.running.pages.checks.check_page`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup, escape

from imdbclust.base.disk import replacing
from imdbclust.base.text import isolated
from imdbclust.display.figures import figure_html
from imdbclust.running.imports import quick_imports
from imdbclust.running.pages.cells import prepare_cells
from imdbclust.running.pages.checks import MAX_BYTES, SCRIPT, RenderError, check_page
from imdbclust.running.pages.filters import exporter, stage_label
from imdbclust.running.store import FIGURES
from imdbclust.wording import MAIN_METRICS, METRICS, TERMS, run_findings

with quick_imports():
    import nbformat

EXPLORER = "explore.html"


def render_run(folder: Path, manifest: dict, siblings: Sequence[dict] = ()) -> list[Path]:
    """Write a page for every executed notebook of a run, and the index.

    Parameters
    ----------
    folder : Path
        The run's folder, with ``notebooks/*.ipynb`` and ``tables/*.csv``.
    manifest : dict
        The run's manifest. Pages omit what it does not contain.
    siblings : sequence of dict
        Manifests of runs to compare with on the index.

    Returns
    -------
    list of Path
        The written pages in the order of the stages, the index last.

    Raises
    ------
    RenderError
        A notebook cannot be read, or a page fails `check_page`. The pages are written anyway, for
        inspection.
    """
    manifest = _with_explorer(folder, manifest)
    pages = pages_of(folder, manifest)
    renderers = {
        page["href"]: partial(_stage_page, folder, manifest, pages, page)
        for page in pages
        if page["href"]
    }
    renderers["index.html"] = partial(_index_page, folder, manifest, pages, siblings)
    written, problems = [], []
    for name, render in renderers.items():
        try:
            text = render()
        except (OSError, ValueError, nbformat.ValidationError) as error:
            problems.append(f"{name}: cannot be rendered: {error}")
            continue
        written.append(folder / name)
        problems += _write(folder / name, text)
    if problems:
        raise RenderError(problems)
    return written


def render_sweep(folder: Path, manifest: dict) -> None:
    """Write the page of a sweep: its one notebook, as ``index.html``.

    A page that fails `check_page` is written, too; then this raises RenderError.
    """
    (page,) = pages_of(folder, manifest)
    page |= {"href": "index.html", "alone": True}
    if problems := _write(folder / "index.html", _stage_page(folder, manifest, [page], page)):
        raise RenderError(problems)


def render_index(folder: Path, manifest: dict, siblings: Sequence[dict]) -> None:
    """Update the index of a finished run, because there are new runs to compare it with.

    A page that fails `check_page` does not replace the old index.
    """
    manifest = _with_explorer(folder, manifest)
    text = _index_page(folder, manifest, pages_of(folder, manifest), siblings)
    if not check_page(text, page="index.html"):
        with replacing(folder / "index.html") as file:
            file.write(_encoded(text))


def render_page(
    template: str,
    path: Path,
    *,
    scripts: Sequence[str] = (SCRIPT,),
    max_bytes: int = MAX_BYTES,
    **context,
) -> Path:
    """Write a page from one of the templates; `scripts` and `max_bytes` are for `check_page`.

    A page that fails its checks is written, too; then this raises RenderError.
    """
    text = exporter().environment.get_template(template).render(**context)
    if problems := _write(path, text, scripts=scripts, max_bytes=max_bytes):
        raise RenderError(problems)
    return path


def _write(path, text, **limits):
    """Write a page and return its problems."""
    path.write_bytes(_encoded(text))
    return check_page(text, page=path.name, **limits)


def _encoded(text):
    return text.encode("utf-8", errors="replace")  # a title may have an unpaired surrogate


def _with_explorer(folder, manifest):
    """Return a manifest with the address of the run's explorer, or None without one."""
    return {**manifest, "explorer": _link(folder, EXPLORER)}


def pages_of(folder: Path, manifest: dict) -> list[dict]:
    """Return a record of every stage's page; ``href`` is None without an executed notebook."""
    pages = []
    for number, record in enumerate(manifest.get("stages", []), start=1):
        stage = record["stage"]
        label = stage_label(stage)
        executed = (folder / "notebooks" / f"{stage}.ipynb").is_file()
        page = {"stage": stage, "number": number, "label": label, "record": record}
        page["title"] = record.get("title") or label
        page["href"] = f"{stage}.html" if executed else None
        pages.append(page)
    return pages


def _stage_page(folder, manifest, pages, page):
    """Render one executed notebook."""
    notebook = nbformat.read(folder / "notebooks" / f"{page['stage']}.ipynb", as_version=4)
    outline, failed_cell = prepare_cells(notebook)
    context = {"run": manifest, "pages": pages, "here": page, "failed_cell": failed_cell}
    context |= {
        "title": outline.title or page["title"],
        "toc": outline.entries,
        "ends_folded": outline.ends_folded,
    }
    return exporter().from_notebook_node(notebook, resources={"page": context})[0]


def _index_page(folder, manifest, pages, siblings=()):
    """Render the overview of a run."""
    runs = []
    for run in (manifest, *siblings):
        metrics = {}
        for stage in run.get("stages", []):
            metrics |= stage.get("metrics") or {}
        lead = run_findings(run.get("stages", []))
        about = {"here": run is manifest, "metrics": metrics, "lead": lead}
        runs.append(run | about)
    parameters = manifest.get("parameters") or {}
    labels = {
        name: label
        for name, label in METRICS.items()
        if siblings and any(run["metrics"].get(name) is not None for run in runs)
    }
    changed = {k: one for k, one in parameters.items() if one.get("value") != one.get("default")}
    return (
        exporter()
        .environment.get_template("run.html.j2")
        .render(
            run=manifest,
            pages=pages,
            lead=_explained(runs[0]["lead"]),
            figures=_figures(folder, pages),
            presets=sorted(runs, key=lambda run: str(run.get("preset"))),
            metrics=[
                {name: label for name, label in labels.items() if (name in MAIN_METRICS) == main}
                for main in (True, False)
            ],
            changed=changed,
            unchanged={name: one for name, one in parameters.items() if name not in changed},
            tables=[
                table | {"page": page}
                for page in pages
                for table in page["record"].get("tables") or []
            ],
            link=partial(_link, folder),
        )
    )


def _figures(folder, pages):
    """Return the figures that the index shows, as HTML."""
    found = []
    for page in pages:
        for one in page["record"].get("figures") or []:
            path = folder / FIGURES / f"{one['name']}.svg"
            if one["index"] and path.is_file():
                svg = path.read_text(encoding="utf-8")
                about = {"caption": one["caption"], "alt": one["alt"], "name": one["name"]}
                found.append(Markup(figure_html(svg, **about)))  # noqa: S704
    return found


def _explained(answers):
    """Return answers as HTML; the first mention of each of `TERMS` opens its explanation."""
    left, found = dict(TERMS), {}
    for question, sentence in answers.items():
        html = str(escape(isolated(sentence)))
        for term in list(left):
            number = list(TERMS).index(term)
            button = (
                f'<button type="button" class="term" popovertarget="term-{number}" '
                f'title="{escape(left[term])}">{term}</button>'
                f'<span popover class="box" id="term-{number}">{escape(left[term])}</span>'
            )
            # not within an earlier explanation
            parts = re.split(rf"(<button.*?</span>)|\b({term})\b", html, maxsplit=0)
            for place in range(2, len(parts), 3):
                if parts[place]:
                    parts[place] = button
                    del left[term]
                    break
            html = "".join(part or "" for part in parts)
        found[question] = Markup(html)  # noqa: S704
    return found


def _link(folder, name):
    """Return the address of a file of the run, or None if it does not exist."""
    return quote(name) if (folder / name).is_file() else None
