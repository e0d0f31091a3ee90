"""Text on a terminal: what people type, and what it may get, whatever that came from."""

from __future__ import annotations

import re

GIGABYTE = 10**9
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": GIGABYTE, "t": 10**12}


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


def parse_memory(text: str, *, least: int = GIGABYTE) -> int:
    """Return the bytes that a text like ``2GB`` or ``1500 MB`` means.

    Raises
    ------
    ValueError
        Anything else, or less than is needed at least.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", text, re.IGNORECASE)
    if not match:
        raise ValueError(f"memory is a number and a unit, such as 2GB, not {text!r}")
    n_bytes = int(float(match[1]) * _UNITS[match[2].lower()])
    if n_bytes < least:
        raise ValueError(f"memory is at least {told_memory(least)}, not {text.strip()}")
    return n_bytes


def told_memory(n_bytes: int) -> str:
    """Return a number of bytes as people write it."""
    unit = "GB" if n_bytes >= GIGABYTE else "MB"
    return f"{n_bytes / (GIGABYTE if unit == 'GB' else 10**6):.3g}{unit}"
