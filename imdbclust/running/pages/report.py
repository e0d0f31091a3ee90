"""Executed notebooks and the manifest of a run, as pages for people.

The pages live in ``templates/report``, a template of nbconvert's own kind. This module prepares
what the templates show (headings, links, the place of an error), formats numbers for readers,
and holds the gate every page passes: nothing is fetched, nothing runs but the one script of ours
(``report.js``, known by its hash to the gate and to the page's own policy), every picture says
what it shows. Autoescape is on for all of it, so text from data stays text; only the ``text/html``
that our own kernel made is passed through.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from itertools import chain, count
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from imdbclust.base.disk import replacing
from imdbclust.base.errors import Failure
from imdbclust.display.render import TURNS
from imdbclust.running.imports import quick_imports

with quick_imports():
    import nbformat
    from nbconvert.exporters.templateexporter import TemplateExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

TEMPLATES = Path(__file__).parent / "templates"
MAX_BYTES = 2_000_000
EXPLORER = "explore.html"
SCRIPT = (TEMPLATES / "report" / "report.js").read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """Return the hash by which a content security policy knows an inline script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def policy(*scripts: str) -> str:
    """Return the content security policy of a page: it fetches nothing, runs only these."""
    rules = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    known = " ".join(f"'{script_hash(script)}'" for script in scripts)
    return f"{rules}; form-action 'none'" + (f"; script-src {known}" if known else "")


# What cannot be shown as text or as a described picture (scripts, widgets, TeX) is left out.
SHOWN_TYPES = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/plain")
OVERVIEW_HEADINGS = {
    "warnings": "Read this first",
    "presets": "Beside the other presets",
    "found": "What was found",
    "parameters": "Parameters",
    "files": "Tables and files",
    "cost": "Time and memory",
    "provenance": "Where this comes from",
}


class RenderError(Failure):
    """Pages are not fit to be read; the message names every page and problem.

    Attributes
    ----------
    problems : list of str
        One ``page: problem`` line each.
    """

    def __init__(self, problems):
        self.problems = list(problems)
        super().__init__("the report has problems:\n  " + "\n  ".join(self.problems))


def render_run(folder: Path, manifest: dict, siblings: Sequence[dict] = ()) -> list[Path]:
    """Write a page for every executed notebook of a run, and the index.

    Parameters
    ----------
    folder : Path
        The run's folder, with ``notebooks/*.ipynb``, ``tables/*.csv`` and the like in it.
    manifest : dict
        The run's record. What it does not say is left out of the pages.
    siblings : sequence of dict
        Records of runs to compare with on the index.

    Returns
    -------
    list of Path
        The pages written, in the order of the stages, the index last.

    Raises
    ------
    RenderError
        If a notebook cannot be read, or a page does not pass `check_page`. The pages are on
        disk all the same, so that the problem can be looked at.
    """
    folder = Path(folder)
    manifest = _with_explorer(folder, manifest)
    pages = pages_of(folder, manifest)
    written, problems = [], []
    for page in [*(one for one in pages if one["href"]), None]:
        href = page["href"] if page else "index.html"
        try:
            text = (
                _stage_page(folder, manifest, pages, page)
                if page
                else _index_page(folder, manifest, pages, siblings)
            )
        except (OSError, ValueError, nbformat.ValidationError) as error:
            problems.append(f"{href}: cannot be made: {error}")
            continue
        problems += check_page(text, page=href)
        # A lone surrogate in somebody's title must not cost the whole report.
        data = text.encode("utf-8", errors="replace")
        (folder / href).write_bytes(data)
        written.append(folder / href)
    if problems:
        raise RenderError(problems)
    return written


def render_sweep(folder: Path, manifest: dict) -> None:
    """Write the page of a sweep: its one notebook, as ``index.html``.

    Raises
    ------
    RenderError
        If the page does not pass `check_page`. It is on disk all the same.
    """
    (page,) = pages_of(folder, manifest)
    page |= {"href": "index.html", "alone": True}
    text = _stage_page(folder, manifest, [page], page)
    (folder / "index.html").write_bytes(text.encode("utf-8", errors="replace"))
    if problems := check_page(text, page="index.html"):
        raise RenderError(problems)


def render_index(folder: Path, manifest: dict, siblings: Sequence[dict]) -> None:
    """Write the index of a finished run anew, because runs to compare it with have come.

    Parameters are those of :func:`render_run`. A page that does not pass `check_page` is not
    written: the old index stays.
    """
    manifest = _with_explorer(folder, manifest)
    text = _index_page(folder, manifest, pages_of(folder, manifest), siblings)
    if not check_page(text, page="index.html"):
        with replacing(folder / "index.html") as file:
            file.write(text.encode("utf-8", errors="replace"))


def render_page(
    template: str,
    path: Path,
    *,
    scripts: Sequence[str] = (SCRIPT,),
    max_bytes: int = MAX_BYTES,
    **context,
) -> Path:
    """Write a page of its own, made of one of the templates.

    What the page may have and how large it may be is as in :func:`check_page`.

    Raises
    ------
    RenderError
        If the page does not pass `check_page`. It is on disk all the same.
    """
    text = _exporter().environment.get_template(template).render(**context)
    path.write_bytes(text.encode("utf-8", errors="replace"))
    if problems := check_page(text, page=path.name, scripts=scripts, max_bytes=max_bytes):
        raise RenderError(problems)
    return path


def _with_explorer(folder, manifest):
    """Return a run's record with the address of its explorer, if it has one."""
    return {**manifest, "explorer": _link(folder, EXPLORER)}


def pages_of(folder: Path, manifest: dict) -> list[dict]:
    """List the stages in order; those without an executed notebook have no ``href``."""
    pages = []
    for number, record in enumerate(manifest.get("stages", []), start=1):
        stage = record["stage"]
        executed = (folder / "notebooks" / f"{stage}.ipynb").is_file()
        pages.append(
            {
                "stage": stage,
                "number": number,
                "label": stage_label(stage),
                "title": record.get("title") or stage_label(stage),
                "href": f"{stage}.html" if executed else None,
                "record": record,
            }
        )
    return pages


def _stage_page(folder, manifest, pages, page):
    """Render one executed notebook."""
    notebook = nbformat.read(folder / "notebooks" / f"{page['stage']}.ipynb", as_version=4)
    outline = _Outline()
    failed_cell = _prepare(notebook, outline)
    linked = [one for one in pages if one["href"]]
    at = linked.index(page)
    title = outline.title or Markup.escape(page["title"])
    error = manifest.get("error") or {}
    error = error if error.get("stage") == page["stage"] else {}
    failed = failed_cell or page["record"].get("status") == "failed"
    context = {
        "run": manifest,
        "pages": pages,
        "here": page,
        "title": title,
        "title_text": title.striptags(),
        "toc": outline.entries,
        "error": failed and {**error, "in_cell": failed_cell},
        "previous": linked[at - 1] if at else None,
        "next": linked[at + 1] if at + 1 < len(linked) else None,
    }
    return _exporter().from_notebook_node(notebook, resources={"page": context})[0]


def _prepare(notebook, outline):
    """Render the Markdown of a notebook in place; tell whether a cell holds its error."""
    ours = MarkdownWithMath(_Renderer(outline, escape=False))
    theirs = MarkdownWithMath(_Renderer(outline, escape=True))  # made of data by some cell
    failed = False
    # papermill's own markers of an error repeat, in big red letters, what the error box says
    notebook.cells = [
        cell
        for cell in notebook.cells
        if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
    ]
    notebook.cells = _joined(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            ours.renderer.attachments = cell.get("attachments", {})
            cell.metadata["rendered"] = Markup(ours.render(cell.source))  # noqa: S704
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                cell.metadata["failed"] = True
                output["anchor"] = "" if failed else "error"
                failed = True
            elif "text/markdown" in output.get("data", {}):
                output.data.setdefault("text/html", theirs.render(output.data["text/markdown"]))
    return failed


def _joined(cells):
    """Put code that shows nothing into one fold with the code after it."""
    joined = []
    for cell in cells:
        before = joined[-1] if joined else None
        if before and _is_plain_code(before) and not before.outputs and _is_plain_code(cell):
            cell.source = f"{before.source}\n\n{cell.source}".strip()
            joined.pop()
        joined.append(cell)
    return joined


def _is_plain_code(cell):
    about = {"parameters", "injected-parameters"}
    return cell.cell_type == "code" and not about.intersection(cell.metadata.get("tags", []))


class _Outline:
    """The headings of a page: one title, the sections, an id for each."""

    def __init__(self):
        self.title = None
        self.entries = []
        self._used = {"main", "error"}

    def add(self, text, level):
        """Take in a heading whose inline Markdown is rendered; return its HTML."""
        text = Markup(text)  # noqa: S704
        if level == 1 and self.title is None:
            self.title = text  # the page's template shows it
            return ""
        level = max(level, 2)  # a page has one h1
        slug = re.sub(r"[^a-z0-9]+", "-", text.striptags().lower()).strip("-") or "section"
        candidates = chain([slug], (f"{slug}-{again}" for again in count(2)))
        anchor = next(one for one in candidates if one not in self._used)
        self._used.add(anchor)
        if level == 2:
            self.entries.append((anchor, text.striptags()))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown, with the headings handed to an outline."""

    def __init__(self, outline, *, escape):
        super().__init__(escape=escape, allow_harmful_protocols=False, exclude_anchor_links=True)
        self.outline = outline

    def heading(self, text, level, **attrs):
        return self.outline.add(text, level)

    # What an author writes as a formula becomes one; in what a cell made of data, a dollar sign
    # is a dollar sign.

    def block_math(self, body):
        return f"$${escape(body)}$$" if self._escape else mathml(body, block=True)

    def inline_math(self, body):
        return f"${escape(body)}$" if self._escape else mathml(body)

    def latex_environment(self, name, body):
        formula = rf"\begin{{{name}}}{body}\end{{{name}}}"
        return str(escape(formula)) if self._escape else mathml(formula, block=True)


def mathml(formula, *, block=False):
    """Return a formula in LaTeX as MathML, which browsers draw by themselves.

    Raises
    ------
    ValueError
        If it cannot be translated.
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


COMPARED = {
    "n_clusters": "clusters",
    "largest_share": "share of the largest cluster",
    "unplaced_share": "share of unplaced movies",
    "ari_seeds": "agreement over seeds (ARI)",
    "ari_subsamples": "agreement over parts of the movies (ARI)",
    "genre_bits": "bits about genres, in-sample",
    "genre_bits_of_era": "of these explained by the era",
    "held_out_bits": "bits about movies not seen, by the nearest cluster",
    "held_out_bits_posterior": "bits about movies not seen, by Pr[cluster | cast]",
    "bits_of_decade": "bits that the decade alone tells",
    "bits_beyond_decade": "bits beyond the decade, by the nearest cluster",
    "bits_beyond_decade_posterior": "bits beyond the decade, by Pr[cluster | cast]",
    "bits_split_in_time": "bits about later movies",
    "ari_truth": "agreement with the planted troupes (ARI)",
}
"""Metrics by which runs of different presets are compared, and what they are called."""


def _metrics(run):
    """Return all metrics of a run by name."""
    told = [stage.get("metrics") or {} for stage in run.get("stages", [])]
    return {name: value for some in told for name, value in some.items()}


def lead(run):
    """Return what a run found, in one or two sentences; empty if it did not come that far."""
    found = {name: value for name, value in _metrics(run).items() if value is not None}
    if not {"n_clusters", "n_movies"} <= found.keys():
        return ""
    n_movies, placed = found["n_movies"], 1 - found.get("unplaced_share", 0)
    who = f"{n_movies:,}" if placed == 1 else f"{round(placed * n_movies):,} of {n_movies:,}"
    text = f"{who} movies form {found['n_clusters']} clusters by who plays in them"
    ari, bits = found.get("ari_subsamples"), found.get("held_out_bits")
    beyond = found.get("bits_beyond_decade")
    if ari is None:
        in_sample = found.get("genre_bits")
        tell = "" if in_sample is None else f", which tell {in_sample:z.2f} bits about their genres"
        return f"{text}{tell}. How far they can be trusted was not evaluated."
    text += (
        f"; found anew on parts of the movies they agree by {ari:z.2f} "
        "(adjusted Rand index: 1 is the same, 0 is chance)."
    )
    if bits is not None:
        text += (
            f" The cluster in which a cast puts a movie not seen before tells {bits:z.2f} bits "
            "about its genres"
        )
        text += "." if beyond is None else f", {beyond:z.2f} beyond what its decade tells."
    return text


def _compare(runs):
    """Return the name of each metric that any of the runs has, with the value of each run."""
    metrics = [_metrics(run) for run in runs]
    return [
        (label, [some.get(name) for some in metrics])
        for name, label in COMPARED.items()
        if any(some.get(name) is not None for some in metrics)
    ]


def _index_page(folder, manifest, pages, siblings=()):
    """Render the overview of a run."""
    dataset = manifest.get("dataset") or {}
    parameters = manifest.get("parameters") or {}
    warned = (
        manifest.get("status") == "failed"
        or dataset.get("synthetic")
        or any(page["record"].get("warnings") for page in pages)
    )
    unused = {"warnings"} if not warned else set()
    unused |= {"parameters"} if not parameters else set()
    unused |= {"presets"} if not siblings else set()
    runs = sorted([manifest, *siblings], key=lambda run: str(run.get("preset")))
    failed_stage = (manifest.get("error") or {}).get("stage")
    counts = (pages[0]["record"].get("metrics") or {}).items() if pages else ()
    changed = [k for k, one in parameters.items() if one.get("value") != one.get("default")]
    given = manifest.get("given") or {}
    context = {
        "run": manifest,
        "pages": pages,
        "headings": OVERVIEW_HEADINGS,
        "toc": [entry for entry in OVERVIEW_HEADINGS.items() if entry[0] not in unused],
        "title": f"{manifest.get('name')}: {dataset.get('title')}",
        "warned": warned,
        "lead": lead(manifest),
        "presets": [{**run, "here": run is manifest, "lead": lead(run)} for run in runs],
        "compared": _compare(runs) if siblings else None,
        "failed_page": next((page for page in pages if page["stage"] == failed_stage), None),
        "changed": {name: parameters[name] for name in changed},
        "unchanged": {name: one for name, one in parameters.items() if name not in changed},
        "given": given,
        "records": ", ".join(f"{number(v)} {words(k)}" for k, v in counts if k.startswith("n_")),
        "set_aside": _set_aside(pages),
        "seeds": {name: one["value"] for name, one in parameters.items() if "random" in name},
        "tables": [
            {**table, "page": page, "href": _link(folder, f"tables/{table['name']}.csv")}
            for page in pages
            for table in page["record"].get("tables") or []
        ],
        "files": _files(folder, pages),
    }
    return _exporter().environment.get_template("run.html.j2").render(context)


def _set_aside(pages):
    """Return how many records could not be used and the page that lists them, if it is known."""
    for page in pages:
        for table in page["record"].get("tables") or []:
            if table["name"] == "problems":
                return {"rows": table["rows"], "page": page}
    return None


def _files(folder, pages):
    """List what else a reader may open: address, name and description of each file there is."""
    files = [("movie_to_cluster.csv", "the cluster of every movie")]
    files += [
        (f"notebooks/{page['stage']}.ipynb", f"{page['label']}, the notebook as it ran")
        for page in pages
    ]
    linked = [(_link(folder, name), name, text) for name, text in files]
    return [one for one in linked if one[0]]


def _link(folder, name):
    """Return the address of a file of the run, or None if it is not there."""
    return quote(name) if (folder / name).is_file() else None


@functools.cache
def _exporter():
    """Build the one exporter; its environment also renders the index."""
    exporter = TemplateExporter(
        template_name="report",
        extra_template_basedirs=[str(TEMPLATES)],
        file_extension=".html",
        filters=FILTERS,
        optimistic_validation=True,  # once, not after each preprocessor
    )
    environment = exporter.environment
    environment.autoescape = True
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.globals |= {"script": Markup(SCRIPT), "policy": policy(SCRIPT)}  # noqa: S704
    environment.tests["web"] = lambda url: str(url).startswith(("https://", "http://"))
    return exporter


def number(value):
    """Write a measured value for a reader: ``35,253``, ``0.1235``, ``yes``."""
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
    """Write a duration: ``3.2 s``, ``31 s``, ``2 min 5 s``, ``1 h 3 min``."""
    if value < 9.95:
        return "under 0.1 s" if value < 0.1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def memory(megabytes):
    """Write an amount of memory: ``211 MB``, ``1.4 GB``."""
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1024:.1f} GB"


def when(stamp):
    """Write a time of the manifest for a reader: ``24 November 2025, 00:13 UTC``."""
    try:
        moment = datetime.fromisoformat(str(stamp))
    except ValueError:
        return str(stamp)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def words(name):
    """Turn the name of a number into words: ``n_movies`` into ``movies``."""
    return name.removeprefix("n_").replace("_", " ")


def stage_label(stage):
    """Turn the name of a stage into a word: ``04_clustering`` into ``Clustering``."""
    return re.sub(r"^\d+_", "", stage).replace("_", " ").capitalize()


def plain(text):
    """Keep only what a reader can read: no colours, no control characters, no redrawn lines."""
    text = "" if text is None else str(text)
    text = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)", "", text)
    if "\r" in text:  # a progress bar
        lines = text.split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    text = text.translate(TURNS)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)


@functools.lru_cache(maxsize=1000)  # the reports of a sweep show the same code
def _highlight(code):
    """Mark up Python; the colours are in the style sheet."""
    return Markup(highlight(plain(code), PythonLexer(), HtmlFormatter(nowrap=True)))  # noqa: S704


FILTERS = {
    "number": number,
    "seconds": seconds,
    "memory": memory,
    "when": when,
    "words": words,
    "stage_label": stage_label,
    "plain": plain,
    "literal": repr,
    "amount": lambda count, noun: f"{count} {noun}" + "s" * (count != 1),
    "highlight": _highlight,
    "base64": lambda text: base64.b64encode(text.encode()).decode("ascii"),
    "filter_data_type": lambda data: [kind for kind in SHOWN_TYPES if kind in data][:1],
}


def check_page(
    html: str, *, page: str, scripts: Sequence[str] = (SCRIPT,), max_bytes: int = MAX_BYTES
) -> list[str]:
    """Say what keeps a page from being read anywhere, by anyone.

    Parameters
    ----------
    html : str
        The page.
    page : str
        Its name, put before every problem.
    scripts : sequence of str
        The inline scripts that it may have, to the letter.
    max_bytes : int
        The size that it may have.

    Returns
    -------
    list of str
        Every problem once; empty for a good page.
    """
    gate = _Gate(scripts)
    gate.feed(html)
    gate.close()
    if not gate.has_policy:
        gate.problems.append("no content security policy at its top")
    if gate.headings != 1:
        gate.problems.append(f"{gate.headings} h1 headings instead of one")
    if (size := len(html.encode("utf-8", errors="replace"))) > max_bytes:
        gate.problems.append(f"{size / 1e6:.1f} MB, more than {max_bytes / 1e6:.0f} MB")
    return [f"{page}: {problem}" for problem in dict.fromkeys(gate.problems)]


class _Gate(HTMLParser):
    """Collects the problems of a page while reading it."""

    LOADING = frozenset({"src", "srcset", "poster", "background", "data", "ping", "xlink:href"})
    LIVE = frozenset({"iframe", "frame", "object", "embed", "applet", "base", "form"})
    # nbconvert's and others' stand-ins for a description
    EMPTY_ALTS = frozenset(
        {"", "no description has been provided for this image", "image", "figure", "plot"}
    )
    FETCHING_CSS = re.compile(r"@import|url\(\s*[\"']?(?!data:|#)[^\s\"')]+", re.IGNORECASE)

    def __init__(self, scripts):
        super().__init__()
        self.problems, self.headings, self.has_policy = [], 0, False
        self._scripts, self._ids, self._within, self._before = scripts, set(), "", ""

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        self._within = tag if tag in ("style", "script") else ""
        self.headings += tag == "h1"
        if self._before == "head" and tag == "meta":
            is_policy = values.get("http-equiv", "").lower() == "content-security-policy"
            self.has_policy = is_policy and "default-src 'none'" in values.get("content", "")
        self._before = tag
        if tag == "script":
            # data that no browser runs
            self._within = "" if values.get("type") == "application/json" else "script"
            if "src" in values:
                self.problems.append(f"a script that is not on the page: {values['src'][:60]!r}")
        if tag in self.LIVE:
            self.problems.append(f"a {tag} element")
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.problems.append("sends the reader elsewhere (meta refresh)")
        if tag == "img" and values.get("alt", "").strip().lower() in self.EMPTY_ALTS:
            self.problems.append(f"a picture without a description: {values.get('src', '')[:60]!r}")
        if "id" in values and values["id"] in self._ids:
            self.problems.append(f"the id {values['id']!r} twice")
        self._ids.add(values.get("id"))
        for name, value in values.items():
            self._check_attribute(tag, name, value)

    def _check_attribute(self, tag, name, value):
        """Refuse what fetches or runs."""
        if name in self.LOADING or name == "href":
            address = "".join(value.split()).lower()
            loads = name != "href" or tag not in ("a", "area")
            if loads and not address.startswith(("data:", "#")):
                self.problems.append(f"{tag} loads {value[:80]!r}")
            if name == "href" and address.startswith(("javascript:", "vbscript:")):
                self.problems.append(f"{tag} runs {value[:80]!r}")
        if name.startswith("on"):
            self.problems.append(f"{tag} has the handler {name}")
        if name == "style" and self.FETCHING_CSS.search(value):
            self.problems.append(f"the style of {tag} loads {value[:80]!r}")

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, data):
        if self._within == "script" and data not in self._scripts:
            self.problems.append(f"a script that is not ours: {data[:60]!r}")
        if self._within == "style" and (found := self.FETCHING_CSS.search(data)):
            self.problems.append(f"a style sheet loads {found.group()[:80]!r}")
