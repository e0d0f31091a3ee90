"""Fonts of the system fill the gaps of the figures' own font, and right-to-left names stay put."""

import shutil
import warnings
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.textpath import TextPath

from imdbclust import plots, wording
from imdbclust.base import fonts
from imdbclust.base.text import isolated
from imdbclust.display.csv_files import table_csv
from imdbclust.display.figures import figure_svg
from imdbclust.display.render import sentence_html, table_html
from imdbclust.running import notebook
from imdbclust.running.notebook import Stage

HAN, ARABIC, HEBREW = "卧龙山", "ليلى نور", "נועם אור"


def make_font(path: Path, family: str, characters: str, *, style: str = "Regular", side=500):
    """Write a font in which every one of these characters is a square."""
    pen = TTGlyphPen(None)
    for step, corner in enumerate([(0, 0), (0, side), (side, side), (side, 0)]):
        (pen.lineTo if step else pen.moveTo)(corner)
    pen.closePath()
    empty, square = TTGlyphPen(None).glyph(), pen.glyph()
    names = [".notdef", *(f"u{ord(char):X}" for char in characters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(char): f"u{ord(char):X}" for char in characters})
    builder.setupGlyf({name: square if name != ".notdef" else empty for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": style})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Let the machine have the fonts of a folder, and nothing looked up yet."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    found = lambda: [str(path) for path in folder.iterdir()]  # noqa: E731
    monkeypatch.setattr(font_manager, "findSystemFonts", found)
    monkeypatch.setattr(fonts, "USED", used := fonts.Used())
    monkeypatch.setattr(notebook, "USED", used)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*font_manager.fontManager.ttflist])
    fonts._system_fonts.cache_clear()
    with mpl.rc_context():
        plots.set_style()
        yield folder
    fonts._system_fonts.cache_clear()


def figure_of(*labels: str):
    frame = pd.DataFrame({"what": labels, "times_faster": 1.0, "least": 0.5, "most": 2.0})
    return plots.plot_ratios(frame).figure


def test_characters_that_figures_have_need_no_other_font(machine, monkeypatch):
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: pytest.fail("was searched"))
    text = "Åsa, Ж, Ω"
    assert plots.drawable(text) == text
    assert fonts.Used() == fonts.USED


def test_a_font_of_the_system_draws_what_the_own_font_lacks(machine):
    before = figure_svg(figure_of("a " + HAN), name="x")
    assert plots.drawable(HAN) == "\ufffd" * 3
    assert fonts.USED.missing == set(HAN)
    fonts._system_fonts.cache_clear()
    make_font(machine / "b.ttf", "Squares", HAN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plots.drawable(HAN) == HAN
        after = figure_svg(figure_of("a " + HAN), name="x")
        figure_of("a " + HAN).canvas.draw()  # matplotlib would warn of a missing glyph
    assert fonts.USED.families == {"Squares"}
    assert after != before


def test_tick_labels_and_texts_made_before_use_the_font_too(machine):
    make_font(machine / "b.ttf", "Squares", HAN)
    figure, ax = plt.subplots()
    ax.set_yticks([0], ["x"])
    text = ax.text(0, 0, "y")
    assert fonts.has_glyph(HAN[0])
    fonts.use_fonts(figure)
    for one in (text, *ax.get_yticklabels()):
        assert one.get_fontfamily() == ["sans-serif", "Squares"]


def test_a_character_has_the_same_font_whatever_else_is_drawn(machine):
    make_font(machine / "a.ttf", "Alpha", "卧龙")
    make_font(machine / "z.ttf", "Noto Sans Z", "龙山")
    make_font(machine / "n.ttf", "Noto Serif N", "龙卧")
    for order in (HAN, HAN[::-1]):
        fonts.USED.families.clear()
        assert all(map(fonts.has_glyph, order))
        assert mpl.rcParams["font.family"] == ["sans-serif", "Noto Sans Z", "Noto Serif N"]


def test_fonts_that_show_nothing_or_are_damaged_are_left_out(machine):
    make_font(machine / "a.ttf", "Bold", HAN, style="Bold")
    make_font(machine / "c.ttf", "Some Color Emoji", HAN)
    (machine / "d.ttf").write_bytes(b"no font")
    shutil.copy(font_manager.findfont("DejaVu Sans"), machine / "e.ttf")
    assert not any(map(fonts.has_glyph, HAN))
    assert fonts.Used(missing=set(HAN)) == fonts.USED


def test_a_page_says_once_which_characters_figures_lack(machine, tmp_path, monkeypatch):
    make_font(machine / "b.ttf", "Squares", "山")
    said, stage = [], Stage("clustering", {}, tmp_path, {})
    monkeypatch.setattr(stage, "say", said.append)
    for name in ("one", "two"):
        axes = figure_of("a " + HAN).axes[0]
        stage.figure(axes, name, caption="C.", alt="A.")
    assert said == [wording.missing_characters("卧龙")]
    assert stage.reported["fonts"] == ["Squares"]


def test_a_long_list_of_missing_characters_is_shortened():
    said = wording.missing_characters({chr(0x4E00 + n) for n in range(1_025)})
    assert " 丁 " in said
    assert said.count("\u4e13") == 1  # the twentieth
    assert "\u4e14" not in said
    assert "and 1,005 others" in said


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#3 Ada: 1930s", "#3 Ada: 1930s"),
        (f"#3 {ARABIC}: 1930s", f"#3 \u2068{ARABIC}\u2069: 1930s"),
        (f"{ARABIC}, {HEBREW} 12%", f"\u2068{ARABIC}\u2069, \u2068{HEBREW}\u2069 12%"),
        (f"{HEBREW} {ARABIC}", f"\u2068{HEBREW} {ARABIC}\u2069"),
    ],
)
def test_right_to_left_names_are_isolated_on_pages_and_in_figures(text, wanted):
    assert isolated(text) == wanted
    assert plots.drawable(text) == wanted
    assert sentence_html(text, "text") == f'<p class="text">{wanted}</p>'
    assert "\u2068" not in table_csv(pd.DataFrame({"a": [text]}))


def test_a_right_to_left_name_stays_between_the_numbers_next_to_it():
    number = TextPath((0, 0), "#3").vertices[:-1]
    drawn = TextPath((0, 0), plots.drawable(f"#3 {HEBREW} 12%")).vertices
    assert drawn[: len(number)] == pytest.approx(number, abs=1e-6)  # at the left
    plain = TextPath((0, 0), f"#3 {HEBREW} 12%").vertices
    assert not np.allclose(plain[: len(number)], number)  # without isolation, at the right
    percent = TextPath((0, 0), "%").vertices[:-1]
    assert np.ptp(drawn[-len(percent) - 1 : -1, 0]) == pytest.approx(np.ptp(percent[:, 0]))
    assert drawn[:, 0].max() == pytest.approx(drawn[-len(percent) - 1 : -1, 0].max())


def test_a_cell_that_begins_with_a_number_is_from_left_to_right():
    frame = pd.DataFrame({"label": [f"#0 {HEBREW}", f"{HEBREW} 3", "#1 Ada"]})
    html = table_html(frame, caption="C", name="c")
    assert f'<bdi dir="ltr">#0 \u2068{HEBREW}\u2069</bdi>' in html
    assert f"<bdi>{HEBREW} 3</bdi>" in html  # a title has the direction of its script
    assert "<bdi>#1 Ada</bdi>" in html


def test_both_lines_of_a_long_label_are_isolated():
    label = f"#3 {HEBREW} {ARABIC} {HEBREW} {ARABIC}"
    lines = plots._two_lines(label).split("\n")
    assert len(lines) == 2
    assert all(line.count("\u2068") == line.count("\u2069") == 1 for line in lines)
