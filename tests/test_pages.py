"""The pages of a run: what readers get, what never gets in, and the gate that proves it."""

import base64
import copy
import html as markup
import json
import re
import shutil
import subprocess

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sklearn.cluster import KMeans

from imdbclust.display.render import BARE_ROWS, frame_html, sentence_html, table_html
from imdbclust.running.pages import cells, checks, filters
from imdbclust.running.pages import report as html
from imdbclust.running.publish import load_renderer
from imdbclust.wording import TERMS, run_findings

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)> & \"'"
SVG = base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg"/>').decode()
FIGURE = (
    f'<figure class="plot"><img src="data:image/svg+xml;base64,{SVG}" '
    'alt="Bars of cluster sizes"><figcaption>Sizes</figcaption></figure>'
)
TRACEBACK = ["\x1b[31mValueError\x1b[39m", f"----> 1 f()\n\x1b[31mValueError\x1b[0m: {HOSTILE}"]
CLEAN = (
    '<!doctype html><html lang="en"><head>'
    f'<meta http-equiv="Content-Security-Policy" content="{checks.policy()}"><style>'
    "a{background:url(data:x)}</style></head>"
    '<body><h1 id="a">T</h1><a href="https://example.org">out</a><a href="#a">up</a>'
    '<img src="data:image/png;base64,AA" alt="Sizes of the groups"></body></html>'
)


def shown(html_text):
    return new_output("display_data", {"text/html": html_text, "text/plain": "<Figure>"})


def code(source, *outputs, tags=()):
    cell = new_code_cell(source, outputs=list(outputs))
    cell.metadata["tags"] = list(tags)
    return cell


def save(folder, stage, *cells):
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    (folder / "notebooks").mkdir(exist_ok=True, parents=True)
    nbformat.write(new_notebook(cells=list(cells)), folder / "notebooks" / f"{stage}.ipynb")


def record(stage, status="done", **more):
    return {"stage": stage, "title": f"Question of {stage}?", "status": status, **more}


def make_manifest(**more):
    return {
        "format": 1,
        "name": "trial",
        "status": "done",
        "error": None,
        "started": "2025-11-24T00:13:07Z",
        "seconds": 131.2,
        "command": "imdbclust run -p n_clusters 12",
        "preset": "seed",
        "dataset": {"name": "tiny", "title": "Three films", "synthetic": False},
        "parameters": {},
        "stages": [],
        "versions": {"imdbclust": "0.1.0", "pandas": "3.1.1"},
        "commit": "0123456789abcdef",
        "dirty": True,
        **more,
    }


def render(folder, manifest):
    """Render and return the pages, parsed, by name."""
    written = html.render_run(folder, manifest)
    return {path.name: parse(path.read_text(encoding="utf-8")) for path in written}


def render_cells(folder, *cells, **more):
    """Render one notebook of these cells under a title; return its page."""
    save(folder, "01_load", new_markdown_cell("# A question?"), *cells)
    return render(folder, make_manifest(stages=[record("01_load")], **more))["01_load.html"]


def test_a_section_without_a_result_is_left_out(tmp_path):
    def done(source, *outputs, status="completed"):
        cell = code(source, *outputs)
        cell.metadata["papermill"] = {"status": status}
        return cell

    cells = [
        done("imports"),
        *(new_markdown_cell("## Full"), done("a"), done("b", shown("<p>said</p>"))),
        *(new_markdown_cell("## Empty"), done("c"), done("d")),
        *(new_markdown_cell("## Unfinished"), done("e"), done("f", status="pending")),
        new_markdown_cell("## Limits"),
    ]
    page = render_cells(tmp_path, *cells)
    assert [heading.get_text() for heading in page.find_all("h2")] == [
        "Full",
        "Unfinished",
        "Limits",
    ]
    assert "imports" in page.get_text()
    assert "Empty" not in page.get_text()


def parse(text):
    return BeautifulSoup(text, "html.parser")


def text_of(element):
    return " ".join(element.get_text().split())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A failed run of five stages, everything from outside hostile."""
    folder = tmp_path_factory.mktemp("run")
    frame = pd.DataFrame({"title": [HOSTILE, "Ba$$in $x^$"], "films": [1, 2]})
    save(
        folder,
        "01_load",
        new_markdown_cell("# Who is *in* the corpus?\n\nText.\n\n- a takeaway"),
        code("n_clusters: int = 16  # groups", tags=["parameters"]),
        code("# Parameters\nn_clusters = 12\n", tags=["injected-parameters"]),
        new_markdown_cell("## Limits\n\n### Deeper\n\n# Another title"),
        code(
            "show(x)",
            shown('<p class="finding">3 films.</p>'),
            shown(FIGURE),
            new_output("execute_result", {"text/html": frame.to_html(), "text/plain": "t"}),
            new_output("stream", name="stdout", text=f"\x1b[1m{HOSTILE}\x1b[0m {'x' * 900}\n"),
            new_output("stream", name="stderr", text="\r 10%|#  |\r100%|###|\ndone\x07\n"),
        ),
        new_markdown_cell("## Limits"),
        code(""),
    )
    wide = pd.DataFrame([range(1_000_000, 1_000_040)])
    save(folder, "02_matrix", new_markdown_cell("# Short"), code("w", shown(wide.to_html())))
    failing = code(
        "f()", new_output("error", ename="ValueError", evalue=HOSTILE, traceback=TRACEBACK)
    )
    save(folder, "04_clustering", new_markdown_cell("# Which films?"), code("g()"), failing)
    (folder / "tables").mkdir()
    (folder / "tables" / "p_cluster.csv").write_text("cluster,p\n")
    (folder / "movie_to_cluster.csv").write_text("movie_id,cluster\n")
    manifest = make_manifest(
        name=f"run {HOSTILE}",
        status="failed",
        error={"stage": "04_clustering", "type": "ValueError", "message": HOSTILE, "cell": None},
        dataset={
            "name": "sample",
            "title": HOSTILE,
            "licence": HOSTILE,
            "url": "javascript:alert(1)",
            "sha256": "9f" * 32,
            "synthetic": True,
        },
        parameters={
            "n_clusters": {"value": 12, "default": 16, "help": HOSTILE, "stages": ["01_load"]},
            "random_state": {"value": 7, "default": 7, "help": "seed", "stages": []},
            "tol": {"value": 0.5, "default": 0.5, "help": "when to stop", "stages": ["01_load"]},
        },
        stages=[
            record(
                "01_load",
                reused=True,
                key="ab12cd34ef56ab78",
                seconds=3.21,
                peak_memory_mb=210.4,
                findings=[f"3 films {HOSTILE}"],
                warnings=[f"No genre {HOSTILE}"],
                checks=[f"Holds {HOSTILE}"],
                metrics={"n_movies": 35253, "share_full": 0.123456, HOSTILE: HOSTILE},
                tables=[
                    {"name": "p_cluster", "caption": f"Pr {HOSTILE}", "rows": 1600},
                    {"name": "problems", "caption": "Set aside", "rows": 2},
                    {"name": "../gone", "caption": "Absent", "rows": 1},
                ],
            ),
            record("02_matrix", seconds=0.01),
            record("03_reduction", findings=["Its notebook was not kept."]),
            record("04_clustering", "failed", seconds=75),
            record("05_probabilities", "pending", seconds=None, peak_memory_mb=None, key=None),
        ],
    )
    return folder, manifest


@pytest.fixture(scope="module")
def pages(run):
    return render(*run)


# The pages of a run


def test_there_is_a_page_per_notebook_and_links_lead_to_existing_ones(run, pages):
    assert list(pages) == ["01_load.html", "02_matrix.html", "04_clustering.html", "index.html"]
    for page in pages.values():
        for link in page.find_all("a", href=re.compile(r"^(?!https?:|#table-|tables/)")):
            name, _, anchor = link["href"].partition("#")
            assert not name or (run[0] / name).is_file()
            if anchor and not anchor.startswith("table-"):
                assert (pages[name] if name else page).find(id=anchor)


def test_pages_are_complete_documents(pages):
    for page in pages.values():
        assert page.html["lang"] == "en"
        first = page.head.find(True)
        assert first["http-equiv"] == "Content-Security-Policy"
        assert "default-src 'none'" in first["content"]
        assert first["content"].endswith(f"script-src '{checks.script_hash(checks.SCRIPT)}'")
        assert [script.string for script in page.find_all("script")] == [checks.SCRIPT]
        assert len(page.find_all("h1")) == len(page.find_all("main")) == 1
        assert page.find("header")
        assert page.find("footer")
        assert page.find("a", class_="skip")["href"] == f"#{page.main['id']}"
        labels = [nav["aria-label"] for nav in page.find_all("nav")]
        assert "Pages of this run" in labels
        assert len(page.find_all(attrs={"aria-current": "page"})) == 1


def test_title_is_made_of_the_heading_and_the_run(run, pages):
    page = pages["01_load.html"]
    assert text_of(page.h1) == "Who is in the corpus?"
    assert page.h1.em
    wanted = f"Who is in the corpus? – {run[1]['name']} – imdbclust"
    assert text_of(page.title) == wanted


def test_stage_without_heading_takes_the_title_of_the_manifest(tmp_path):
    save(tmp_path, "01_load", new_markdown_cell("Text only"))
    page = render(tmp_path, make_manifest(stages=[record("01_load")]))["01_load.html"]
    assert text_of(page.h1) == "Question of 01_load?"


def test_contents_list_the_sections_once_each(pages):
    page = pages["01_load.html"]
    wide, narrow = (page.select(f"nav.toc.{kind} a") for kind in ("wide", "narrow"))
    entries = [(a["href"], text_of(a)) for a in wide]
    assert entries == [
        ("#limits", "Limits"),
        ("#another-title", "Another title"),
        ("#limits-2", "Limits"),
    ]
    assert [(a["href"], text_of(a)) for a in narrow] == entries
    assert [h["id"] for h in page.main.find_all("h2")] == [href[1:] for href, _ in entries]


def test_code_that_shows_nothing_is_folded_with_the_code_after_it(tmp_path):
    text = shown("<p>shown</p>")
    cells = [code("a"), code("b"), code("c", text), code("d", text), code("e")]
    page = render_cells(tmp_path, code("p = 1", tags=["parameters"]), *cells)
    folds = [fold.pre.get_text().split() for fold in page.select("details.code")]
    assert folds == [["p", "=", "1"], ["a", "b", "c"], ["d"], ["e"]]


def test_formulas_of_authors_are_mathml_and_dollars_of_data_are_dollars(tmp_path):
    formulas = r"So $\frac{a}{b} < c$ and\n\n$$\sum_i p_i = 1$$\n\n\begin{matrix}a\end{matrix}"
    data = new_output("display_data", {"text/markdown": r"Ca$h, $\frac{1}{2}$ $$x$$"})
    page = render_cells(tmp_path, new_markdown_cell(formulas), code("1", data))
    (inline, block, matrix) = page.find_all("math")
    assert inline["display"] == "inline"
    assert [child.name for child in inline.mfrac.find_all(True)] == ["mrow", "mi", "mrow", "mi"]
    assert inline.find_all("mo")[-1].get_text() == "<"
    assert block["display"] == "block"
    assert block.parent["class"] == ["scroll"]  # it may be wider than a narrow screen
    assert matrix.mtable
    assert text_of(page.select_one(".output")) == r"Ca$h, $\frac{1}{2}$ $$x$$"


@pytest.mark.parametrize("formula", [r"$\nosuchcommand x$", "$x^$"])
def test_a_formula_that_cannot_be_shown_fails_the_page(tmp_path, formula):
    with pytest.raises(checks.RenderError, match="the formula"):
        render_cells(tmp_path, new_markdown_cell(formula))


def test_nothing_in_a_formula_is_markup(tmp_path):
    formula = r"$\text{</math><script>alert(1)</script>} <img src=x>$"
    page = render_cells(tmp_path, new_markdown_cell(formula))
    assert not page.find("img")
    assert len(page.find_all("script")) == 1
    assert "<script>alert(1)</script>" in page.math.get_text()


def test_previous_and_next_skip_stages_without_a_page(pages):
    links = pages["02_matrix.html"].select("nav.pager a")
    assert [a["href"] for a in links] == ["01_load.html", "04_clustering.html"]
    ends = pages["01_load.html"].select("nav.pager a"), pages["04_clustering.html"].select(".next")
    assert ends[0][0]["href"] == ends[1][0]["href"] == "index.html"


def test_code_and_parameters_are_folded(pages):
    folded = pages["01_load.html"].select("details.code")
    names = ["Default parameters", "Parameters of this run", "Code"]
    assert [text_of(one.summary) for one in folded] == names
    assert not any(one.has_attr("open") for one in folded)
    assert "n_clusters = 12" in text_of(folded[1])
    assert folded[1].select("span.mi")


def test_outputs_of_our_helpers_are_kept_as_they_are(pages):
    page = pages["01_load.html"]
    assert text_of(page.find("p", class_="finding")) == "3 films."
    picture = page.find("img")
    assert picture["alt"] == "Bars of cluster sizes"
    assert picture["src"].startswith("data:image/svg+xml;base64,")
    assert page.find("table", class_="dataframe").find_parent(role="group")["tabindex"] == "0"


def test_streams_are_readable(pages):
    out, err = pages["01_load.html"].select("pre.stream")
    assert out.get_text().startswith(HOSTILE)
    assert err.get_text() == "100%|###|\ndone\n"


def test_an_estimator_of_scikit_learn_is_shown_as_text(tmp_path):
    model = KMeans(n_clusters=3)
    html, text = model._repr_html_(), repr(model)
    assert cells.ESTIMATOR in html
    output = new_output("execute_result", {"text/html": html, "text/plain": text})
    page = render_cells(tmp_path, code("model", output))
    assert text_of(page.select_one("pre.stream")) == "KMeans(n_clusters=3)"


def folded(source):
    cell = new_markdown_cell(source)
    cell.metadata["tags"] = ["folded"]
    return cell


def test_a_folded_section_ends_where_the_next_begins(tmp_path):
    cells = [
        new_markdown_cell("## Open"),
        code("a", shown("<p>one</p>")),
        folded("## Method *and* more\n\nText."),
        code("b", shown("<p>two</p>")),
        new_markdown_cell("### Deeper"),
        new_markdown_cell("## Open again"),
        code("c", shown("<p>three</p>")),
        folded("## Last"),
        code("d", shown("<p>four</p>")),
    ]
    page = render_cells(tmp_path, *cells)
    first, last = page.select("details.section")
    assert text_of(first.summary) == "Method and more"
    assert first.summary.h2["id"] == "method-and-more"
    assert [text_of(one) for one in first.find_all(["p", "h3"])] == ["Text.", "two", "Deeper"]
    assert [text_of(one) for one in last.find_all("p")] == ["four"]
    assert not last.find("nav")
    assert not first.has_attr("open")
    assert "method-and-more" in [link["href"][1:] for link in page.select(".toc.wide a")]


def test_a_folded_section_with_an_error_is_open(tmp_path):
    failing = code("f()", new_output("error", ename="E", evalue="e", traceback=[]))
    page = render_cells(tmp_path, folded("## Method"), failing)
    assert page.select_one("details.section").has_attr("open")


def test_a_bare_frame_names_its_index():
    frame = pd.DataFrame({"n": [1]}, index=pd.Index(["<b>"], name="genre"))
    page = parse(frame_html(frame))
    assert [text_of(one) for one in page.select("thead th")] == ["genre", "n"]
    assert [text_of(one) for one in page.select("tbody tr > *")] == ["<b>", "1"]
    pairs = frame.set_axis(pd.MultiIndex.from_tuples([(1, 2)]))
    page = parse(frame_html(pairs))
    assert [text_of(one) for one in page.select("thead tr > *")] == ["", "", "n"]
    assert [one.name for one in page.select("thead tr > *")] == ["td", "td", "th"]
    assert page.find(role="region") is None  # a page may have several frames


def test_a_folded_table_shows_its_caption_and_its_file():
    page = parse(table_html(pd.DataFrame({"a": [1]}), caption="C & D", name="t", fold=True))
    figure = page.find("figure", id="table-t")
    assert text_of(figure.details.summary) == "C & D"
    assert not figure.details.has_attr("open")
    assert figure.details.find("td") is None
    assert figure.details.find("th", scope="row").get_text() == "1"
    assert figure.find("a", class_="csv").find_parent("details") is None


def test_an_error_is_open_and_can_be_linked_to(pages):
    page = pages["04_clustering.html"]
    box = page.find(id="error")
    assert text_of(box.find(class_="error-type")) == "ValueError"
    assert box.find(class_="error-message").get_text() == HOSTILE
    assert "----> 1 f()" in box.pre.get_text()
    assert "The cells below were not run." in text_of(box)
    assert box.find_parent(class_="cell").find("details", class_="code").has_attr("open")
    assert page.select_one("main > p.error a")["href"] == "#error"
    hrefs = [a["href"] for a in pages["index.html"].select("#warnings ~ .error a")]
    assert hrefs == ["04_clustering.html#error"]


def test_two_errors_in_a_page_have_one_anchor(tmp_path):
    error = new_output("error", ename="E", evalue="", traceback=[])
    page = render_cells(tmp_path, code("a", error, copy.deepcopy(error)), code("b", error))
    assert len(page.find_all(id="error")) == 1
    assert len(page.select("section.error")) == 3


def test_a_failure_without_a_traceback_is_reported(tmp_path):
    save(tmp_path, "01_load", new_markdown_cell("# T"), code("a"))
    manifest = make_manifest(
        status="failed",
        error={"stage": "01_load", "type": "DeadKernelError", "message": "Kernel died"},
        stages=[record("01_load", "failed"), record("02_matrix", "pending")],
    )
    pages = render(tmp_path, manifest)
    assert "Kernel died" in text_of(pages["01_load.html"].find(id="error"))
    (tmp_path / "notebooks" / "01_load.ipynb").unlink()
    index = render(tmp_path, manifest)["index.html"]
    assert not index.select("section .error a")
    assert "Kernel died" in text_of(index)


def test_markers_of_papermill_are_left_out(tmp_path):
    marker = new_markdown_cell('<span id="papermill-error-cell" style="color:red">boom</span>')
    marker.metadata["tags"] = ["papermill-error-cell-tag"]
    assert "boom" not in text_of(render_cells(tmp_path, marker))


def test_nothing_of_notebook_chrome_is_left(pages):
    for page in pages.values():
        text = page.get_text()
        assert not re.search(r"(In|Out)\s?\[\s?\d*\s?\]:|¶|No description has been", text)
        assert "\x1b" not in text


# What comes from outside stays text


def test_hostile_text_stays_text(pages):
    for name, page in pages.items():
        assert [script.string for script in page.find_all("script")] == [checks.SCRIPT], name
        assert not page.find("img", src="x"), name
        assert HOSTILE in page.get_text(), name
    index = pages["index.html"]
    assert not index.find("a", href=re.compile("javascript"))
    assert "javascript:alert(1)" in text_of(index)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"application/javascript": "alert(1)", "text/plain": "plain"}, "plain"),
        ({"application/vnd.jupyter.widget-view+json": {}, "text/plain": "<w>"}, "<w>"),
        ({"text/latex": "$x$", "text/plain": "an x"}, "an x"),
        ({"text/markdown": "<script>alert(1)</script> *a*"}, "<script>alert(1)</script> *a*"),
        ({"text/markdown": "[a](javascript:alert)"}, "a"),
        ({"application/javascript": "alert(1)"}, ""),
    ],
)
def test_other_outputs_never_run(tmp_path, data, expected):
    page = render_cells(tmp_path, code("1", new_output("display_data", data)))
    page.find("details", class_="code").decompose()
    assert text_of(page.find(class_="cell")) == expected


@pytest.mark.parametrize("kind", ["image/png", "image/svg+xml"])
def test_bare_pictures_need_a_description(tmp_path, kind):
    output = new_output("display_data", {kind: "iVBO"}, metadata={kind: {"alt": 'A "bar"'}})
    assert render_cells(tmp_path, code("1", output)).img["alt"] == 'A "bar"'
    output.metadata.clear()
    with pytest.raises(checks.RenderError, match=r"01_load\.html: a picture without a descr"):
        render_cells(tmp_path, code("1", output))


def test_a_lone_surrogate_does_not_cost_the_report(tmp_path):
    page = render_cells(tmp_path, name="bad \ud800 name")
    assert "bad ? name" in text_of(page.title)


# The overview


def test_warnings_come_first_and_lead_to_their_page(pages):
    index = pages["index.html"]
    assert index.main.find("h2")["id"] == "warnings"
    boxes = index.select("#warnings ~ .box")
    assert [text_of(box)[:12] for box in boxes] == ["The run fail", "Made-up film", "No genre </t"]
    assert boxes[2].a["href"] == "01_load.html"
    assert "Made-up films" in text_of(pages["02_matrix.html"].main)


def test_a_run_without_warnings_has_no_such_section(tmp_path):
    save(tmp_path, "01_load", new_markdown_cell("# T"))
    index = render(tmp_path, make_manifest(stages=[record("01_load")]))["index.html"]
    assert not index.find(id="warnings")
    assert "Made-up" not in text_of(index)
    links = [a["href"] for a in index.select("nav.toc.wide a")]
    assert links == [f"#{h2['id']}" for h2 in index.find_all("h2")]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, []),
        (
            {"n_clusters": 1, "genre_bits": 1.236, "ari_subsamples": None},
            [
                "1 cluster by shared cast holds 12,345 movies.",
                "Short films.",
                "Unknown: the clusters were not evaluated.",
            ],
        ),
        (
            {
                "n_clusters": 16,
                "largest_share": 0.166,
                "ari_subsamples": 0.853,
                "held_out_bits": 1.16,
                "bits_beyond_decade": 0.34,
                "unplaced_share": 345 / 12345,
            },
            [
                "16 clusters by shared cast hold 12,000 of 12,345 movies; the largest cluster has "
                "17% of them.",
                "Short films.",
                "Mostly. Refitting on other 80% of the movies finds nearly the same groups: the "
                "adjusted Rand index is 0.85.",
                "The cluster of a movie that was held out gives hints of its genres: 1.16 bits. To "
                "the decade it adds 0.34.",
            ],
        ),
        (
            {
                "n_clusters": 16,
                "eras_found": 1,
                "subgroups_found": 64,
                "more_than_noise": True,
                "more_than_era": True,
                "ari_subsamples": 0.32,
                "ari_shuffled": 0.34,
                "held_out_bits": 0.57,
                "bits_beyond_decade": 0.17,
                "bits_of_decade": 1.02,
            },
            [
                "1 era, 16 clusters, 64 subgroups by shared cast hold 12,345 movies.",
                "Short films.",
                "Hardly. Refitting on other 80% of the movies finds other groups: the adjusted "
                "Rand index is 0.32, and 0.34 for shuffled casts. As a whole, the clusters "
                "are more than noise and more than eras.",
                "The cluster of a movie that was held out gives hints of its genres: 0.57 bits. To "
                "the decade alone (1.02 bits) it adds 0.17.",
            ],
        ),
        (
            {
                "n_clusters": 2,
                "more_than_noise": False,
                "more_than_era": False,
                "ari_subsamples": 0.92,
            },
            [
                "2 clusters by shared cast hold 12,345 movies.",
                "Short films.",
                "No. Refitting on other 80% of the movies finds the same groups: the adjusted "
                "Rand index is 0.92. The clusters are noise: no measure is higher than chance "
                "explains on shuffled casts.",
            ],
        ),
        (
            {
                "n_clusters": 16,
                "more_than_noise": True,
                "more_than_era": False,
                "ari_subsamples": 0.364,
                "ari_shuffled": 0.278,
                "held_out_bits": -0.312,
                "held_out_bits_shuffled": -0.663,
            },
            [
                "16 clusters by shared cast hold 12,345 movies.",
                "Short films.",
                "Hardly. Refitting on other 80% of the movies finds other groups: the adjusted "
                "Rand index is 0.36, and 0.28 for shuffled casts. As a whole, the clusters "
                "are more than noise, but not more than eras: no measure is higher than chance "
                "explains on casts shuffled within years.",
                "The cluster of a movie that was held out gives no hint of its genres: -0.31 bits "
                "(-0.66 for shuffled casts). Negative bits mean worse predictions than Pr[genre] "
                "alone: with few movies, estimates of the genre shares of each cluster are "
                "inaccurate. Shuffled casts have the same cost, so compare with them.",
            ],
        ),
        (
            {"n_clusters": 2, "held_out_bits": 0.0139, "held_out_bits_shuffled": 0.0139},
            [
                "2 clusters by shared cast hold 12,345 movies.",
                "Short films.",
                "Unknown: the clusters were not evaluated.",
                "The cluster of a movie that was held out gives no hint of its genres: 0.01 bits "
                "(0.01 for shuffled casts).",
            ],
        ),
    ],
)
def test_the_index_says_what_is_known_and_no_more(found, expected):
    stages = [{"metrics": {"n_movies": 12345}}, {"metrics": found, "headlines": ["Short films."]}]
    assert list(run_findings(stages).values()) == expected


def test_the_index_explains_each_term_once(tmp_path):
    found = {"n_clusters": 2, "ari_subsamples": 0.5, "held_out_bits": 1, "bits_beyond_decade": 0.34}
    found |= {"n_movies": 12345, "ari_shuffled": 0.1}
    manifest = make_manifest(stages=[record("01_load", metrics=found)])
    index = render(tmp_path, manifest)["index.html"]
    terms = index.select(".lead button.term")
    named = ["clusters", "adjusted Rand index", "shuffled casts", "held out", "bits"]
    assert [one.get_text() for one in terms] == named
    for one in terms:
        explained = index.find(id=one["popovertarget"])
        assert explained.has_attr("popover")
        assert explained.get_text() == one["title"] == TERMS[one.get_text()]
        explained.extract()
    shown = [text_of(one) for one in index.select(".lead li")]
    answers = run_findings(manifest["stages"]).items()
    assert shown == [f"{question} {answer}" for question, answer in answers]


def test_the_index_shows_the_figures_that_a_notebook_marks(tmp_path):
    (tmp_path / "figures").mkdir()
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="345.6pt" height="9pt"></svg>'
    (tmp_path / "figures" / "map.svg").write_text(svg)
    about = {"caption": f"A map {HOSTILE}", "alt": f"Alt {HOSTILE}"}
    figures = [
        {"name": "map", "index": True, **about},
        {"name": "other", "index": False, **about},
        {"name": "gone", "index": True, **about},
    ]
    index = render(tmp_path, make_manifest(stages=[record("01_load", figures=figures)]))[
        "index.html"
    ]
    (figure,) = index.select(".figures figure")
    assert figure.svg["aria-label"] == about["alt"]
    assert figure.figcaption.get_text() == about["caption"]


def test_the_index_knows_no_zero_below_zero():
    names = ("ari_subsamples", "held_out_bits", "bits_beyond_decade")
    found = {"n_movies": 12345, "n_clusters": 2, **dict.fromkeys(names, -0.001)}
    assert "-0.00" not in " ".join(run_findings([{"metrics": found}]).values())


def test_findings_are_grouped_by_stage(pages):
    cards = pages["index.html"].select("article.card")
    assert [card.h3.a["href"] if card.h3.a else None for card in cards] == [
        "01_load.html",
        "02_matrix.html",
        None,
        "04_clustering.html",
        None,
    ]
    assert cards[0].p.find_next("p").get_text() == f"3 films {HOSTILE}"
    assert text_of(cards[0].find(class_="facts")) == (
        "Done 3.2 s 210MB of memory reused from an earlier run"
    )
    numbers = {text_of(d.dt): text_of(d.dd) for d in cards[0].select(".numbers > div")}
    assert numbers["movies"] == "35,253"
    assert numbers["share full"] == "0.1235"
    assert text_of(cards[4].find(class_="status")) == "Not run"
    assert text_of(cards[0].summary) == "3 metrics, 1 check"


def test_changed_parameters_are_marked_in_words(pages):
    changed, folded = pages["index.html"].select(
        "summary:has(#parameters) ~ .scroll, summary:has(#parameters) ~ details"
    )
    (row,) = changed.select("tbody tr")
    assert [text_of(cell) for cell in row.find_all("td")] == ["12", "16", "by preset seed", "Load"]
    assert text_of(row.th) == f"n_clusters {' '.join(HOSTILE.split())}"
    assert text_of(folded.summary) == "2 parameters at the default"
    assert [text_of(row.th.code) for row in folded.select("tbody tr")] == ["random_state", "tol"]
    assert "1 of 3 parameters differs from the default." in text_of(pages["index.html"])


def test_parameters_set_by_hand_are_distinguished_from_the_preset(tmp_path):
    one = {"value": 1, "default": 2, "help": "", "stages": []}
    manifest = make_manifest(parameters={"a": one, "b": one}, given={"b": 1}, preset="own")
    marks = render(tmp_path, manifest)["index.html"].select(
        "summary:has(#parameters) ~ .scroll .mark"
    )
    assert [text_of(mark) for mark in marks] == ["by preset own", "by hand"]


def test_files_are_linked_where_they_exist(pages):
    index = pages["index.html"]
    links = {a["href"] for a in index.select("summary:has(#files) ~ * a")}
    assert {"tables/p_cluster.csv", "movie_to_cluster.csv", "notebooks/01_load.ipynb"} <= links
    assert not any("gone.csv" in link or "03_reduction" in link for link in links)
    assert "1,600" in text_of(index)


def test_provenance_says_where_it_comes_from(pages):
    facts = {text_of(d.dt): text_of(d.dd) for d in pages["index.html"].select(".provenance > div")}
    assert facts["Records"] == "35,253 movies; 2 skipped"
    assert facts["Seed"] == "random_state = 7"
    assert facts["Code"] == "commit 0123456789ab with uncommitted changes"
    assert facts["SHA-256 of the data"] == "9f" * 32
    assert facts["Started"] == "24 November 2025, 00:13 UTC"
    footer = text_of(pages["01_load.html"].footer)
    assert "preset seed, stage 01_load ab12cd34ef56" in footer
    assert "pandas 3.1.1" in footer


def test_a_web_address_is_a_link(tmp_path):
    dataset = {"title": "F", "url": "https://example.org/?a=1&b"}
    index = render(tmp_path, make_manifest(dataset=dataset))["index.html"]
    link = index.find("a", href="https://example.org/?a=1&b")
    assert "noopener" in link["rel"]


def test_a_manifest_that_says_little_is_enough(tmp_path):
    index = render(tmp_path, {"name": "n", "dataset": {"title": "F"}, "status": "done"})
    assert text_of(index["index.html"].h1) == "n: F"


def test_same_input_same_bytes(run, pages):
    folder, manifest = run
    before = {path.name: path.read_bytes() for path in folder.glob("*.html")}
    kept = copy.deepcopy(manifest)
    html.render_run(folder, manifest)
    assert {path.name: path.read_bytes() for path in folder.glob("*.html")} == before
    assert manifest == kept
    assert not any(b"\r" in data for data in before.values())


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (filters.number, 35253, "35,253"),
        (filters.number, 35253.4, "35,253"),
        (filters.number, 0.00001234, "1.234e-05"),
        (filters.number, True, "yes"),
        (filters.number, None, "–"),
        (filters.number, float("nan"), "nan"),
        (filters.seconds, 0.01, "under 0.1 s"),
        (filters.seconds, 9.96, "10 s"),
        (filters.seconds, 59.7, "1 min 0 s"),
        (filters.seconds, 3790, "1 h 3 min"),
        (filters.FILTERS["memory"], 1433.6, "1.43GB"),
        (filters.when, "2025-11-24T01:13:00+01:00", "24 November 2025, 00:13 UTC"),
        (filters.when, "yesterday", "yesterday"),
        (filters.stage_label, "04_clustering", "Clustering"),
        (filters.plain, "\x1b]8;;http://x\x1b\\a\x1b[38;5;9mb\x1b[0m\x00\r\nc", "ab\nc"),
        (filters.plain, None, ""),
    ],
)
def test_values_are_written_for_readers(write, value, expected):
    assert write(value) == expected


# The gate


def test_a_clean_page_passes_the_gate():
    assert checks.check_page(CLEAN, page="p.html") == []


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ('<img src="https://a/b.png" alt="Bars of sizes">', "img loads 'https://a/b.png'"),
        ('<img src="b.png" alt="Bars of sizes">', "img loads 'b.png'"),
        ('<img srcset="b.png 2x" alt="Bars of sizes">', "img loads"),
        ('<link rel="stylesheet" href="//cdn/x.css">', "link loads '//cdn/x.css'"),
        ("<style>@import 'x.css';</style>", "a style sheet loads"),
        ("<style>a{b:url( 'http://x/y' )}</style>", "a style sheet loads"),
        ('<p style="background:url(http://x)">', "the style of p loads"),
        ("<svg aria-label=x><use xlink:href='http://x#y'/></svg>", "use loads"),
        ("<svg><path d=M0,0/></svg>", "a drawing without a description"),
        ("<script>1</script>", "an unknown script: '1'"),
        ("<script type=module>1</script>", "an unknown script"),
        (f"<script>{checks.SCRIPT} alert(1)</script>", "an unknown script"),
        ("<script src='data:text/javascript,1'></script>", "an external script"),
        ("<iframe srcdoc=x></iframe>", "the element iframe"),
        ('<meta http-equiv="Refresh" content="0;url=http://x">', "meta refresh"),
        ('<a href=" java\nscript:alert(1)">x</a>', "a runs"),
        ('<p onclick="f()">', "p has the handler onclick"),
        ('<td class="x>" onclick=f()>', "td has the handler onclick"),
        ("<td class=x onclick>", "td has the handler onclick"),
        ('<img src="data:image/png;base64,A">', "without a description"),
        ('<img src="data:image/png;base64,A" alt=" ">', "without a description"),
        (
            '<img src="data:x" alt="No description has been provided for this image">',
            "without a description",
        ),
        ('<p id="a">', "duplicate id 'a'"),
        ("<h1>again</h1>", "2 h1 headings"),
        (f"<p>{'é' * 1_000_001}</p>", "2.0 MB, more than 2 MB"),
    ],
)
def test_the_gate_finds(added, problem):
    (found,) = checks.check_page(CLEAN.replace("</body>", f"{added}</body>"), page="p.html")
    assert found.startswith("p.html: ")
    assert problem in found


def test_the_gate_lets_data_pass_that_no_browser_runs():
    data = "<script type='application/json'>{}</script></body>"
    assert checks.check_page(CLEAN.replace("</body>", data), page="p.html") == []


@pytest.mark.parametrize(
    "old", ['<meta http-equiv="Content-Security-Policy"', "default-src 'none'"]
)
def test_the_gate_wants_a_policy_before_anything_else(old):
    for page in (CLEAN.replace(old, "<meta "), CLEAN.replace("<head>", "<head><title>t</title>")):
        (found,) = checks.check_page(page, page="p.html")
        assert found == "p.html: no content security policy at the top"


def test_the_gate_wants_a_heading():
    (found,) = checks.check_page(CLEAN.replace("h1", "h2"), page="p.html")
    assert found == "p.html: 0 h1 headings instead of one"


def test_bad_pages_are_all_named_and_kept_for_inspection(tmp_path):
    save(tmp_path, "01_load", new_markdown_cell("# T"), code("a", shown("<script>1</script>")))
    save(tmp_path, "02_matrix", new_markdown_cell("# T"))
    (tmp_path / "notebooks" / "02_matrix.ipynb").write_text("{torn")
    save(tmp_path, "03_reduction", new_markdown_cell('# T\n\n<b id="main">x</b>'))
    stages = [record("01_load"), record("02_matrix"), record("03_reduction")]
    with pytest.raises(checks.RenderError) as raised:
        html.render_run(tmp_path, make_manifest(stages=stages))
    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        "01_load.html",
        "02_matrix.html",
        "03_reduction.html",
    ]
    assert all(problem in str(raised.value) for problem in raised.value.problems)
    assert (tmp_path / "03_reduction.html").is_file()
    assert (tmp_path / "index.html").is_file()


# How it looks


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_hold_contrast(scheme):
    css = (checks.TEMPLATES / "report" / "report.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", css.split(":root {")[1 + scheme]))
    on_page = ["text", "muted", "accent", "bad", "code"]
    on_soft = [*on_page, "keyword", "string", "comment", "literal", "name"]
    pairs = [(ink, "bg") for ink in on_page] + [(ink, "soft") for ink in on_soft]
    pairs += [(ink, f"{ink}-soft") for ink in ("accent", "warn", "bad")]
    pairs += [("text", f"{box}-soft") for box in ("accent", "warn", "bad")]
    pairs += [("muted", "bad-soft")]
    for ink, paper in pairs:
        assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)


def test_every_class_of_the_highlighter_that_we_colour_exists():
    css = (checks.TEMPLATES / "report" / "report.css").read_text(encoding="utf-8")
    page = filters.FILTERS["highlight"]('def f(a: int = 1):  # why\n    return "a" or None')
    for kind in set(re.findall(r'class="(\w+)"', page)) - {"n", "p", "o", "w", "nf"}:
        assert re.search(rf"\.{kind}\b", css), kind


MEASURE = """
onload = () => {
  const sizes = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument;
    page.querySelectorAll("details").forEach(one => { one.open = true; });
    return [page.documentElement.scrollWidth, frame.contentWindow.innerWidth,
            page.querySelector("h1").textContent];
  });
  document.title = JSON.stringify(sizes);
};
"""


def test_no_page_scrolls_sideways_on_a_phone(run, pages, tmp_path):
    """Pages in frames as wide as a phone, measured from outside: their CSP runs no script."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs chromium")
    too_wide = CLEAN.replace("<h1", '<div style="width:900px">wide</div><h1')
    texts = [too_wide, *((run[0] / name).read_text(encoding="utf-8") for name in pages)]
    frames = "".join(f'<iframe width="360" srcdoc="{markup.escape(t)}"></iframe>' for t in texts)
    outer = tmp_path / "outer.html"
    outer.write_text(f"<meta charset=utf-8>{frames}<script>{MEASURE}</script>", encoding="utf-8")
    options = "headless no-sandbox disable-gpu disable-quic no-first-run disable-sync"
    options += " disable-background-networking disable-component-update dump-dom"
    dom = subprocess.run(
        [
            chromium,
            *(f"--{option}" for option in options.split()),
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}",
            outer.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    (broken, *sizes) = json.loads(parse(dom).title.string)
    assert broken[0] > broken[1]
    for name, (width, room, title) in zip(pages, sizes, strict=True):
        assert width <= room, name
        assert title == pages[name].h1.get_text(), name


def test_a_frame_that_a_cell_shows_bare_is_a_table_with_its_index():
    frame = pd.DataFrame({"title": ["$a$ <b>", "c\x00"], "share": [0.25, None]}, index=[7, 8])
    table = BeautifulSoup(frame_html(frame.rename_axis("movie")), "html.parser")
    rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
    assert rows == [["movie", "title", "share"], ["7", "$a$ <b>", "0.2500"], ["8", "c␀", "–"]]
    assert table.find("p") is None
    long = frame_html(pd.concat([frame] * BARE_ROWS))
    assert long.count("<tr>") == BARE_ROWS + 1
    assert f"{2 * BARE_ROWS} rows × 2 columns" in long
    levels = frame.set_index("title", append=True)
    assert frame_html(levels).count("<th scope=") == 2 + 2


def test_a_very_wide_table_is_cut_and_says_so():
    frame = pd.DataFrame({f"c{number}": [number] for number in range(100)})
    shown = table_html(frame, caption="Wide", name="wide")
    assert "Wide (first 40 of 100 columns)" in shown
    assert shown.count("<th ") == 41
    assert "c39" in shown
    assert "c40" not in shown


def table(n_rows, head=None):
    frame = pd.DataFrame({"rank": range(n_rows)})
    return parse(table_html(frame, caption="Ranks", name="ranks", head=head))


def test_a_long_table_is_there_whole_in_a_window_and_can_be_sorted():
    page = table(200, head=5)
    assert len(page.select("tbody tr")) == 200
    assert len(page.select("tbody tr.more")) == 195
    assert "full" in page.table["class"]
    assert "max-height" in page.find(class_="scroll")["style"]
    assert text_of(page.caption) == "Ranks"
    assert text_of(page.find(class_="printed")) == "The first 5 of 200 rows."


def test_of_a_very_long_table_the_first_rows_are_there_and_cannot_be_sorted():
    page = table(1201, head=5)
    assert len(page.select("tbody tr")) == 5
    assert not page.table.has_attr("class")
    assert text_of(page.caption) == "Ranks (first 5 of 1,201 rows)"
    assert not page.find(class_="scroll").has_attr("style")


@pytest.mark.parametrize(("n_rows", "head"), [(8, None), (5, 8), (9, None)])
def test_a_short_table_needs_neither(n_rows, head):
    page = table(n_rows, head=head)
    assert page.table.has_attr("class") == (n_rows > 8)
    assert not page.select(".more, .printed, .scroll[style]")


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<img src=x onerror=a()>", "&lt;"])
def test_text_in_a_cell_a_heading_and_a_caption_is_text(text):
    page = parse(table_html(pd.DataFrame({text: [text]}), caption=text, name="n"))
    assert not page.find(["script", "img"])
    assert (text_of(page.tbody), page.th.get_text()) == (text, text)
    assert text in page.caption.get_text()


def test_a_table_without_rows_says_none():
    page = parse(table_html(pd.DataFrame({"a": [], "b": []}), caption="No", name="no"))
    assert text_of(page.tbody) == "none"
    assert page.td["colspan"] == "2"


def test_very_long_text_is_cut_with_its_length():
    frame = pd.DataFrame({"title": ["x" * 4000], "y" * 300: [1]})
    page = parse(table_html(frame, caption="T", name="t"))
    assert text_of(page.tbody.th) == "x" * 200 + "… (4,000 characters)"
    assert text_of(page.thead.find_all("th")[1]) == "y" * 200 + "… (300 characters)"


def test_a_warning_says_that_it_is_one():
    page = parse(sentence_html("Few films.", "warning"))
    assert text_of(page.p) == "Warning: Few films."


def test_control_characters_are_to_be_seen_and_nothing_turns_a_sentence_round():
    shown = parse(sentence_html("a\x00b\u202ec\u2067 \x1b\x7f\x85", "text")).get_text()
    assert shown == "a\u2400bc \u241b\u2421\ufffd"
    frame = pd.DataFrame({"title": ["\x00\u202eabc"]})
    cell = parse(table_html(frame, caption="T", name="t")).tbody.bdi
    assert cell.get_text() == "\u2400\u202eabc"  # turned round within its cell only


def test_unplaced_movies_are_called_so():
    frame = pd.DataFrame({"cluster": [0, -1], "-1": [0.5, 0.25]})
    shown = table_html(frame, caption="Clusters", name="clusters")
    assert shown.count("unplaced") == 2
    assert ">-1<" not in shown


def test_templates_are_compiled_before_pages_are_rendered(tmp_path):
    cache = filters.exporter().environment.cache
    cache.clear()
    load_renderer()
    loaded = set(cache.keys())
    save(tmp_path, "01_load", code("1 + 1"))
    html.render_run(tmp_path, make_manifest(stages=[record("01_load")]))
    assert {name for _, name in set(cache.keys()) - loaded} == {"report.css"}
