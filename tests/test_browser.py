"""The pages of whole runs in a real browser, from disk, without a network."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe
import pandas as pd
import pytest
from chromium import launched, needs_chromium, playwright, visits
from hostile import HOSTILE, as_id, write_hostile_films

from imdbclust.display.csv_files import read_table
from imdbclust.display.render import MAX_TEXT, table_html
from imdbclust.films.values import fold
from imdbclust.running.pages.checks import SCRIPT

pytestmark = needs_chromium

WIDTHS = (360, 768, 1440)
QUICK = {"n_clusters": 6, "n_components": 8, "n_init": 4, "map_max_movies": 60}


def run_apart(out: Path, dataset: str, *presets: str, **parameters) -> Path:
    """Run in a process of its own, since the browser's loop occupies this one."""
    given = [part for key, value in parameters.items() for part in ("-p", key, str(value))]
    for preset in presets:
        command = ["-m", "imdbclust", "run", "--dataset", dataset, "--preset", preset]
        command += ["--accept", "--out", str(out), "--name", preset, *given]
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return out / presets[-1]


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory) -> Path:
    """A run in which every text of the corpus is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    write_hostile_films(folder / "films.jsonl")
    return run_apart(folder, str(folder / "films.jsonl"), "seed", evaluation="off", **QUICK)


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory) -> Path:
    """A run on the made-up films, evaluated, and one with the other preset in the same folder."""
    return run_apart(tmp_path_factory.mktemp("sample"), "sample", "seed", "recommended")


@pytest.fixture(scope="module")
def real_run(real_films, tmp_path_factory) -> Path:
    """A run on the real films."""
    folder = tmp_path_factory.mktemp("real")
    return run_apart(folder, real_films, "recommended", evaluation="off")


@pytest.fixture(scope="module")
def browser():
    with launched() as chromium:
        yield chromium


@pytest.fixture(
    scope="module",
    params=[
        "hostile_run",
        pytest.param("sample_run", marks=pytest.mark.slow),
        pytest.param("real_run", marks=pytest.mark.slow),
    ],
)
def folder(request, browser) -> Path:
    """The folder of a run: of made-up films, of hostile ones, of real ones."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def visit(browser):
    """Open a page; see :func:`chromium.visits`."""
    with visits(browser) as open_address:
        yield lambda path, *, width=1440, **options: open_address(
            path.as_uri(), width=width, **options
        )


def pages_of(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.html"))
    assert len(found) >= 6
    return found


OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true; })"
SIDEWAYS = """() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    return [...document.querySelectorAll("body *")]
        .filter(one => one.getBoundingClientRect().right > room + 1)
        .map(one => one.outerHTML.slice(0, 120)).slice(0, 3).concat("scrolls");
}"""


def test_pages_fetch_nothing_complain_of_nothing_and_fit_every_width(folder, visit):
    for path in pages_of(folder):
        page = visit(path)
        page.evaluate(OPEN_ALL)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(SIDEWAYS) == [], (path.name, width)
        asked = {url for url in page.requests if not url.startswith("data:")}
        assert asked == {path.as_uri()}
        assert page.trouble == [], path.name
        assert page.evaluate("window.hit") is None, path.name


def test_every_link_leads_somewhere_and_every_table_can_be_read(folder, visit):
    linked = set()
    for path in pages_of(folder):
        page = visit(path)
        for address in page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)"):
            parts = urlsplit(address)
            if parts.scheme in ("http", "https"):
                continue
            target = Path(unquote(parts.path))
            assert target.is_file(), (path.name, address)
            linked.add(target)
            if parts.fragment and "=" not in parts.fragment:  # with =: for the explorer
                ids = re.findall(r' id="([^"]+)"', target.read_text(encoding="utf-8"))
                assert unquote(parts.fragment) in ids, (path.name, address)
    tables = {path for path in linked if path.suffix == ".csv"}
    assert tables >= set((folder / "tables").glob("*.csv"))
    for table in tables:
        assert list(read_table(table).columns), table.name


def test_light_and_dark_follow_the_reader(folder, visit):
    colours = "() => ['backgroundColor', 'color'].map(c => getComputedStyle(document.body)[c])"
    for path in pages_of(folder):
        light, dark = (visit(path, scheme=one).evaluate(colours) for one in ("light", "dark"))
        assert light[0] == "rgb(255, 255, 255)"
        for paper, ink in (light, dark[::-1]):
            brightness = [sum(map(int, re.findall(r"\d+", one)[:3])) for one in (paper, ink)]
            assert brightness[0] > 500 > 250 > brightness[1], path.name


@pytest.mark.slow
def test_no_rule_of_axe_is_broken(folder, visit):
    try:
        checker = axe.script()
    except axe.NoAxe as error:
        pytest.skip(str(error))
    for path in pages_of(folder):
        page = visit(path, width=768)
        page.evaluate(OPEN_ALL)
        page.evaluate(checker)
        for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=scheme)
            options = {"resultTypes": ["violations"], **rules}
            found = page.evaluate("options => axe.run(options)", options)
            broken = [
                (one["id"], node["html"][:200], node["failureSummary"])
                for one in found["violations"]
                for node in one["nodes"][:3]
            ]
            assert broken == [], (path.name, scheme)
            assert found["testEngine"]["version"] == axe.VERSION


BLOCK = "document.activeElement.closest('.card') || document.activeElement"
"""The focused element, or the card around it: cards stand side by side."""


def test_the_keyboard_reaches_the_content_first_and_sees_where_it_is(folder, visit):
    page = visit(folder / "index.html")
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    assert skip.evaluate("one => one === document.activeElement")
    assert skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = "() => getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"
        seen.append(page.evaluate(f"({BLOCK}).getBoundingClientRect().top + scrollY"))
    assert seen == sorted(seen)


# Tables


def column(table, place: int) -> list[str]:
    cells = f"rows => rows.filter(r => !r.hidden).map(r => r.cells[{place}].textContent)"
    return table.locator("tbody tr").evaluate_all(cells)


def test_a_long_table_is_sorted_and_filtered_by_keyboard(hostile_run, visit):
    page = visit(hostile_run / "01_load.html")
    page.evaluate(OPEN_ALL)
    figure = page.locator("#table-movies_per_year")
    years, movies = (column(figure, place) for place in (0, 1))
    assert years == sorted(years)
    assert movies != sorted(movies, key=int)

    head = figure.locator("th", has_text="movies")
    figure.locator("input").focus()
    for _ in range(4):  # the window of the table, the headers, and a link to the file
        page.keyboard.press("Tab")
        if head.locator("button").evaluate("one => one === document.activeElement"):
            break
    assert head.locator("button").evaluate("one => one === document.activeElement")
    states = [head.get_attribute("aria-sort")]
    orders = []
    for key in ("Enter", "Space", "Enter"):
        page.keyboard.press(key)
        states.append(head.get_attribute("aria-sort"))
        orders.append(column(figure, 1))
    assert states == ["none", "ascending", "descending", "none"]
    assert orders == [sorted(movies, key=int), sorted(movies, key=int, reverse=True), movies]

    figure.locator("input").focus()
    page.keyboard.type("200")
    found = [year for year, n in zip(years, movies, strict=True) if "200" in f"{year} {n}"]
    assert 0 < len(found) < len(years)
    assert column(figure, 0) == found
    output = figure.locator("output")
    assert output.text_content() == f"{len(found)} of {len(years)} rows"
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    assert column(figure, 0) == years
    assert output.text_content() == f"{len(years)} rows"
    assert page.trouble == []


def test_numbers_are_sorted_as_numbers_and_what_is_missing_stands_last(visit, tmp_path):
    values = [3.0, None, 1e-7, 1200.0, -4.0, 0.25, None, 10.0, 9.0]
    frame = pd.DataFrame({"name": list("ihgfedcba"), "value": values})
    table = table_html(frame, caption="Values", name="values")
    text = f"<!doctype html>{table}<script>{SCRIPT}</script>"
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    page = visit(tmp_path / "page.html")
    assert page.locator("input").count() == 0  # nine rows are seen at a glance
    head = page.locator("thead button", has_text="value")
    head.click()
    shown = column(page.locator("table"), 1)
    assert [float(one.replace(",", "")) for one in shown[:7]] == sorted(v for v in values if v)
    assert shown[7:] == ["–", "–"]
    head.click()
    assert column(page.locator("table"), 1) == [*shown[6::-1], "–", "–"]


def test_without_javascript_pages_are_complete(folder, visit):
    for path in pages_of(folder):
        page = visit(path, java_script_enabled=False)
        assert page.locator("thead button, .tools").count() == 0
        tables = page.locator("table.full")
        for number in range(tables.count()):
            assert tables.nth(number).locator("tbody tr").count() > 8
    fold = page.locator("main details:visible").first
    assert not fold.evaluate("one => one.open")
    fold.locator("summary").click()
    assert fold.evaluate("one => one.open")


# Hostile text


def as_shown(text: str) -> str:
    """Return how a page has a text: controls as their pictures, long ones cut."""
    pictures = {code: 0x2400 + code for code in range(32) if code not in (9, 10)}
    pictures |= dict.fromkeys([*range(0x80, 0xA0), 0xFFFE, 0xFFFF], 0xFFFD)
    tail = f"… ({len(text):,} characters)" if len(text) > MAX_TEXT else ""
    return (text[:MAX_TEXT] + tail).translate(pictures)


def test_every_hostile_text_is_on_the_page_as_text(hostile_run, visit):
    page = visit(hostile_run / "01_load.html")
    genres = page.locator("#table-genres tbody bdi").all_text_contents()
    assert set(genres) == {as_shown(fold(text)) for text in HOSTILE} | {"Drama"}


def test_no_hostile_text_is_lost_in_a_file(hostile_run):
    titles = read_table(hostile_run / "tables" / "movie_to_cluster_titles.csv", dtype="str")
    assert set(titles["title"]) == set(HOSTILE)
    assert set(titles["movie_id"]) >= {
        f"m{place} {as_id(text)}" for place, text in enumerate(HOSTILE)
    }
    counts = read_table(hostile_run / "tables" / "actor_genre_counts.csv", dtype="str")
    assert set(counts["name"]) >= set(map(fold, HOSTILE))
    assert set(counts["genre"]) == {*map(fold, HOSTILE), "Drama"}


def test_no_cell_of_a_file_is_a_formula(hostile_run):
    for path in (hostile_run / "tables").glob("*.csv"):
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
        for cell in [*table.columns, *table.to_numpy().ravel()]:
            number = re.fullmatch(r"-?[\d.]+(e[+-]\d+)?", cell)
            assert number or not cell.startswith(tuple("=+-@\t\r\n＝")), (path.name, cell)


# JupyterLab


@pytest.fixture
def lab(tmp_path):
    """Address of a JupyterLab started as `make lab` starts it, with its own folder for reports."""
    sources = Path(__file__).parents[1]
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    # as in the Makefile, but without opening a browser or reading the user's settings
    (target,) = re.findall(
        r"^\t@\$\(BIN\)/jupyter (lab .*)$", (sources / "Makefile").read_text(), re.M
    )
    command = [sys.executable, "-m", "jupyter", *target.split(), "--no-browser"]
    command += [f"--ServerApp.port={port}", "--IdentityProvider.token=secret", "--allow-root"]
    command += ["--LabApp.expose_app_in_browser=True"]  # as `jupyterapp`
    copy = tmp_path / "repository"
    copy.mkdir()
    own = {"IMDBCLUST_DATA": str(tmp_path / "none"), "IMDBCLUST_REPORTS": str(copy / "reports")}
    for kind in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        own[f"JUPYTER_{kind}"] = str(tmp_path / kind)
    shutil.copytree(sources / "notebooks", copy / "notebooks")
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=copy, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield f"http://127.0.0.1:{port}/lab/tree/notebooks/05_probabilities.ipynb?token=secret"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.slow
def test_in_jupyterlab_a_notebook_runs_from_top_to_bottom(lab, browser, tmp_path):
    """Open 05 without earlier artifacts, Run All: figures and tables appear, no error.

    What is shown is not what is saved: the file stays without outputs.
    """
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    for _ in range(60):
        with contextlib.suppress(playwright.Error):
            page.goto(lab)
            break
        page.wait_for_timeout(1000)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=120_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    for _ in range(990):
        page.wait_for_timeout(1000)
        shown = page.evaluate("jupyterapp.shell.currentWidget.context.model.toJSON().cells")
        outputs = [one for cell in shown for one in cell.get("outputs", [])]
        if "Finished:" in str(outputs) or any(one["output_type"] == "error" for one in outputs):
            break
    assert [one for one in outputs if one["output_type"] == "error"] == []
    assert "Finished:" in str(outputs[-1])
    assert [one for one in outputs if one.get("name") == "stderr"] == []
    shown = "".join("".join(one.get("data", {}).get("text/html", "")) for one in outputs)
    links = re.findall(r'class="csv" href="([^"]+)"', shown)
    assert len(links) >= 10
    path = tmp_path / "repository" / "notebooks" / "05_probabilities.ipynb"
    for address in links:
        assert (path.parent / unquote(address)).is_file(), address
    # what is seen: every cell is drawn only once it comes into sight
    seen = {"table": 0, "svg[role=img]": 0}
    panel = page.locator(".jp-WindowedPanel-outer")
    panel.evaluate("one => one.scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    for _ in range(200):
        for kind in seen:
            drawn = page.locator(f".jp-RenderedHTMLCommon figure {kind}:visible")
            seen[kind] += drawn.count()
        moved = panel.evaluate(
            "one => { const at = one.scrollTop; one.scrollBy(0, 900); return one.scrollTop - at; }"
        )
        page.wait_for_timeout(400)
        if not moved:
            break
    assert seen["table"] >= 10
    assert seen["svg[role=img]"] >= 2
    before = path.stat().st_mtime_ns
    page.keyboard.press("Control+s")
    for _ in range(30):
        page.wait_for_timeout(500)
        if path.stat().st_mtime_ns != before:
            break
    saved = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert path.stat().st_mtime_ns != before
    assert [one for cell in saved for one in cell.get("outputs", [])] == []
