"""Text that a terminal may get, whatever it came from."""

from __future__ import annotations


def shown(text: object, *, keep: str = "") -> str:
    """Return a text with what no terminal should get (control characters, halves) written out."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def is_unicode(text: str) -> bool:
    """Return whether a text can be written in UTF-8: it has no half of a character."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def quoted(value: object) -> str:
    """Return a value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
