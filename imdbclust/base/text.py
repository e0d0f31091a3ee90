"""Parse user input, format numbers, and make text safe to print."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

_RTL = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]"
_RIGHT_TO_LEFT = re.compile(rf"{_RTL}+(?:\s+{_RTL}+)*")
MAX_NAMED = 8  # maximum number of names that a message lists
GIGABYTE = 10**9
MOST_MEMORY = 10**18  # bytes; the system's own limits have 63 bits
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": GIGABYTE, "t": 10**12}


def shown(text: object, *, keep: str = "") -> str:
    """Return text with control characters and unpaired surrogates escaped, except `keep`."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def folded(text: str) -> str:
    """Return text without case, accents and repeated spaces, to compare names."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return ``did you mean X?`` if a known name resembles `name`, else `otherwise`.

    By default `otherwise` lists known names, at most `MAX_NAMED` of them. Case and accents do not
    count.
    """
    names = {folded(one): one for one in known}
    if close := difflib.get_close_matches(folded(name[:100]), names, n=1, cutoff=0.7):
        return f"did you mean {shown(names[close[0]])}?"
    listed = [shown(one) for one in names.values()]
    if len(listed) > MAX_NAMED:
        listed[MAX_NAMED - 1 :] = [f"one of {len(listed) - MAX_NAMED + 1:,} others"]
    return otherwise or f"choose {' or '.join(listed)}"


def is_unicode(text: str) -> bool:
    """Return whether text can be encoded in UTF-8, that is, has no unpaired surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def isolated(text: str) -> str:
    """Return text in which right-to-left words change the order of nothing around them.

    Each sequence of them is enclosed in the characters U+2068 and U+2069. Without these, a name in
    Arabic or Hebrew would exchange its place with the numbers next to it. See Unicode Standard
    Annex 9, "Unicode bidirectional algorithm".
    """
    return _RIGHT_TO_LEFT.sub("\u2068\\g<0>\u2069", text)


def quoted(value: object) -> str:
    """Return the repr of a value, truncated to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 movie``, ``2,000 movies``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def parse_memory(text: str, *, least: int = GIGABYTE, what: str = "memory") -> int:
    """Return the number of bytes in a text such as ``2GB`` or ``1500 MB``.

    Parameters
    ----------
    text : str
        A number and a decimal unit; upper and lower case are equal.
    least : int
        Smallest number of bytes allowed.
    what : str
        What the size is of, for the error message.

    Raises
    ------
    ValueError
        The text has another form, or the size is less than `least` or more than `MOST_MEMORY`.
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d+)?)\s*([kmgt]?)b?\s*", text, re.IGNORECASE)
    if not match:
        raise ValueError(f"{what} must be a number and a unit, e.g. 2GB, not {quoted(text)}")
    n_bytes = int(float(match[1]) * _UNITS[match[2].lower()])
    if n_bytes < least:
        raise ValueError(f"{what} must be at least {byte_size(least)}, not {text.strip()}")
    if n_bytes > MOST_MEMORY:
        raise ValueError(f"{what} must be at most {byte_size(MOST_MEMORY)}, not {text.strip()}")
    return n_bytes


def byte_size(n_bytes: int) -> str:
    """Return a number of bytes in decimal units: ``12kB``, ``512MB``, ``2.5GB``."""
    size = n_bytes / 1000
    for unit in ("kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g}{unit}"
        size /= 1000
    return f"{size:.3g}TB"
