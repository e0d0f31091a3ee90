"""One heat map for several measures: numbers, shades and a switch that works without a script."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from chromium import launched, needs_chromium, visits

from imdbclust.display.heat_switch import heat_switch_html

HOSTILE = "</style><script>alert(1)</script>"
SHARES = pd.DataFrame([[0.4, 0.0], [0.04, np.nan]], index=["Drama", HOSTILE], columns=[0, 1])
LIFTS = pd.DataFrame([[1.0, 0.0], [2.0, 16.0]], index=SHARES.index, columns=SHARES.columns)
TABLES = {"Share": SHARES, "Lift": LIFTS}


def switch():
    labels = {0: "#0 Ada", 1: HOSTILE}
    return heat_switch_html(TABLES, caption="Genres & clusters", name="heat", labels=labels)


def test_every_cell_has_a_number_of_each_measure_with_its_shade():
    page = BeautifulSoup(switch(), "html.parser")
    assert not page.find("script")
    assert [one.get_text() for one in page.select("tbody th")] == ["Drama", HOSTILE]
    assert [one.get_text() for one in page.select("thead th")] == ["#0 Ada", HOSTILE]
    seen = {
        measure: [(one.get_text(), one["class"][2], one["style"]) for one in page.select(f".v{k}")]
        for k, measure in enumerate(TABLES)
    }
    assert seen["Share"] == [
        ("40%", "a", "--l:0.60"),
        ("0%", "a", "--l:0.00"),
        ("4.0%", "a", "--l:0.06"),
        ("–", "a", "--l:0.00"),
    ]
    assert seen["Lift"] == [
        ("1.0", "a", "--l:0.00"),
        ("0", "a", "--l:0.60"),  # below 1 in one colour, above in the other
        ("2.0", "b", "--l:0.20"),
        ("16", "b", "--l:0.60"),  # as dark as 8
    ]


@needs_chromium
@pytest.mark.slow
def test_the_switch_works_by_keyboard_and_without_a_script(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{switch()}", encoding="utf-8")
    with launched() as browser, visits(browser) as visit:
        page = visit(path.as_uri(), width=390, java_script_enabled=False)
        cells = page.locator("td .v:visible")
        assert cells.all_text_contents() == ["40%", "0%", "4.0%", "–"]
        page.get_by_label("Share", exact=True).focus()
        page.keyboard.press("ArrowRight")
        assert cells.all_text_contents() == ["1.0", "0", "2.0", "16"]
