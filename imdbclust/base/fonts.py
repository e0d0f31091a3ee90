"""Fonts of the system for characters that the font of figures lacks.

matplotlib's own font has Latin, Greek, Cyrillic, Arabic and Hebrew letters. Other characters are
looked up in the fonts of the system, and only if a figure has such characters. The fonts are always
searched in the same order, so that a character has the same font in every figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REGULAR = ("Regular", "Book", "Roman", "Normal", "Medium")
"""Styles of fonts that are used."""

FIRST = ("Noto Sans", "Noto", "")
"""Beginnings of the names of fonts, in the order in which they are searched."""

BLANK = ("Color Emoji", "Last Resort", "LastResort", "Adobe Blank")
"""Fonts with bitmaps, or with the same picture for every character."""


@dataclass
class Used:
    """What was looked up in this process: families that were found, and characters without one."""

    families: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)


USED = Used()


def has_glyph(char: str) -> bool:
    """Return whether figures can show a character.

    A font of the system that has it is added to the fonts of all texts made later, and of the
    figures given to :func:`use_fonts`.
    """
    if ord(char) in _own_characters():
        return True
    for family, path, characters in _system_fonts():
        if ord(char) in characters:
            if family not in USED.families:
                _add(family, path)
            return True
    USED.missing.add(char)
    return False


def use_fonts(figure: Figure) -> None:
    """Use the fonts that were found for all texts of a figure, also for those made before."""
    if USED.families:
        from matplotlib.text import Text

        for text in figure.findobj(Text):
            text.set_family(_families())


def _add(family: str, path: str) -> None:
    import matplotlib as mpl
    from matplotlib import font_manager

    font_manager.fontManager.addfont(path)  # its list is made once, and may lack newer fonts
    USED.families.add(family)
    mpl.rcParams["font.family"] = _families()


def _families() -> list[str]:
    return ["sans-serif", *(one for one, *_ in _system_fonts() if one in USED.families)]


@cache
def _own_characters() -> frozenset[int]:
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=["sans-serif"]))
    return frozenset(font_manager.get_font(path).get_charmap())


@cache
def _system_fonts() -> list[tuple[str, str, frozenset[int]]]:
    """Return family, path and characters of each font, in the order in which they are searched.

    Only outlines of regular weight count. Of files with the same family, the first by its path is
    used. Unreadable files are left out.
    """
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    found: dict[str, tuple[str, str, frozenset[int]]] = {}
    for path in sorted(font_manager.findSystemFonts()):
        try:
            font = FT2Font(path)
            characters = frozenset(font.get_charmap())
        except (OSError, RuntimeError, ValueError):
            continue
        name, regular = font.family_name, font.style_name in REGULAR and not font.style_flags
        if font.scalable and regular and not any(blank in name for blank in BLANK):
            found.setdefault(name, (name, path, characters))

    def place(name: str) -> tuple[int, str]:
        return next(at for at, start in enumerate(FIRST) if name.startswith(start)), name

    return [found[name] for name in sorted(found, key=place)]
