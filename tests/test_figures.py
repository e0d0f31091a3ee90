"""Figures as SVG: on pages in the colours of the page, as files in black, the same bytes always."""

import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from imdbclust import plots
from imdbclust.base.colors import GROUND, INK
from imdbclust.display.figures import figure_html, figure_svg, inline_svg
from imdbclust.running.notebook import Stage
from imdbclust.running.pages.checks import check_page, policy

HOSTILE = "</svg><script>alert(1)</script>-->\"'&"


@pytest.fixture(autouse=True)
def _style():
    plots.set_style()


def drawn(label="a"):
    frame = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 0.0], "cluster": [0, 1]})
    places = pd.DataFrame({"x": [0.5], "y": [0.5], "cluster": [0], "label": [label]})
    return plots.plot_map(frame, places, group="cluster", colors=plots.cluster_colors(2))


def test_the_same_figure_gives_the_same_bytes():
    assert figure_svg(drawn().figure, name="map") == figure_svg(drawn().figure, name="map")


def test_a_file_is_a_document_of_its_own_in_black():
    svg = figure_svg(drawn(HOSTILE).figure, name="map")
    root = ElementTree.fromstring(svg)  # well-formed, with all prefixes declared
    assert (root.get("width"), root.get("height")) == ("345.6pt", "345.6pt")  # 4.8 inches
    assert INK in svg
    assert "currentColor" not in svg
    assert "alert" not in svg  # text is drawn, and matplotlib's comments are left out


def test_on_a_page_text_has_the_colour_of_the_page_and_no_ground_is_drawn():
    svg = inline_svg(figure_svg(drawn().figure, name="map"), alt="Two movies")
    assert "currentColor" in svg
    assert INK not in svg
    assert GROUND not in svg
    assert not re.search(r"fill: #fff", svg)
    assert 'role="img" aria-label="Two movies"' in svg
    assert "max-width:507px" in svg  # 1.1 times 4.8 inches


def test_several_figures_on_a_page_share_no_id_and_keep_their_references():
    figures = [
        figure_html(figure_svg(drawn().figure, name=name), name=name, alt=HOSTILE, caption=HOSTILE)
        for name in ("one", "two")
    ]
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
    page = f"<!doctype html><html><head>{head}</head><body><h1>x</h1>{''.join(figures)}"
    assert check_page(page, page="p.html") == []
    ids = set(re.findall(r' id="([^"]+)"', page))
    used = re.findall(r'(?:href="|url\()#([^")]+)', page)
    assert used
    assert set(used) <= ids


def test_a_stage_shows_writes_and_reports_a_figure(tmp_path, capsys):
    stage = Stage("clustering", {}, tmp_path, {})
    stage.figure(drawn(), "map", caption="A map.", alt="Two movies.", index=True)
    assert (tmp_path / "figures" / "map.svg").read_text(encoding="utf-8").startswith("<svg ")
    (reported,) = stage.reported["figures"]
    assert reported == {"name": "map", "caption": "A map.", "alt": "Two movies.", "index": True}
    assert not plt.get_fignums()
