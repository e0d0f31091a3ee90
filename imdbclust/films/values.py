"""Parse the values of film files as people write them: years, ratings, votes, lists, names."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imdbclust.base.errors import UserError
from imdbclust.films.frames import LIMITS

NULL = "\\N"
NOT_KNOWN = frozenset(["", "\\n", "na", "n/a", "nan", "nat", "null", "none", "unknown", "-", "?"])
"""Texts of a missing number, in lower case."""

NOBODY = frozenset({"", "\\n", "n/a", "unknown", "-", "–"})
"""Placeholders for an actor, in lower case. ``NA``, ``None`` and ``Null`` are names."""

NO_GENRE = NOBODY | {"none", "(no genres listed)"}
"""Placeholders for a genre, in lower case."""

_YEAR = re.compile(r"(?<!\d)(?:1[89]|2[01])\d\d(?!\d)")
_DECIMAL = r"(\d{1,18}(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?"
_RATING = re.compile(rf"(?P<value>[+-]?{_DECIMAL})\s*(?:/\s*(?P<of>\d+)|(?P<percent>%))?")
_THOUSANDS = re.compile(r"\d{1,3}(?:(?P<sign>[,.' \u2009])\d{3})(?:(?P=sign)\d{3})*")
_VOTES = re.compile(r"(\d{1,18}(?:\.\d+)?)\s*([kKmM]?)")
_MANY = {"": 1, "k": 10**3, "m": 10**6}
JUNIOR = r"(?i),\s*((?:Jr|Sr|II|III|IV|Esq|Ph\.?D|M\.?D)\.?)\s*(,|$)"
"""A comma that belongs to a name, as in ``Lon Chaney, Jr.``, and what follows it."""


def parse_year(text: str) -> int | None:
    """Return the year in a text such as ``2001``, ``(2002)``, ``-2019``, ``2004–2006``, a date."""
    plain = re.sub(r"\.0+$", "", text)
    if re.fullmatch(r"\+?\d{1,4}", plain):
        return int(plain) or None
    found = None if re.fullmatch(r"[+-]?\d+\.\d+", plain) else _YEAR.search(text)
    return int(found[0]) if found else None


def parse_rating(text: str) -> float | None:
    """Return the rating from 0 to 10 in a text such as ``7.5``, ``7,5``, ``7.5/10``, ``75%``."""
    found = _RATING.fullmatch(text)
    if not found:
        return None
    value = float(found["value"].replace(",", "."))
    if found["of"]:
        value = value / int(found["of"]) * 10 if int(found["of"]) else -1
    elif found["percent"]:
        value /= 10
    low, high = LIMITS["rating"]
    return value if low <= value <= high else None


def parse_votes(text: str) -> int | None:
    """Return the number of votes in a text such as ``1086``, ``1,086``, ``12 345``, ``1.2K``."""
    text = text.replace("\u00a0", " ").replace("\u202f", " ")
    if found := _THOUSANDS.fullmatch(text):
        text = text.replace(found["sign"], "")
    found = _VOTES.fullmatch(text)
    if not found:
        return None
    value = float(found[1]) if "." in found[1] else int(found[1])
    value *= _MANY[found[2].lower()]
    if isinstance(value, float):
        value = round(value) if found[2] or value.is_integer() else -1
    return value if LIMITS["votes"][0] <= value <= LIMITS["votes"][1] else None


PARSERS: dict[str, Callable[[str], float | None]] = {
    "year": parse_year,
    "rating": parse_rating,
    "votes": parse_votes,
}


def parse_column(texts: pd.Series, key: str) -> tuple[pd.Series, pd.Series]:
    """Return the numbers in a column of texts, and which of its texts cannot be read.

    Each distinct text is parsed once. Placeholders are missing numbers, not unreadable texts.
    """
    codes, distinct = pd.factorize(texts)
    numbers = pd.array(
        [PARSERS[key](text) for text in distinct], "Float64" if key == "rating" else "Int64"
    )
    wrong = numbers.isna() & ~np.isin([text.lower() for text in distinct], list(NOT_KNOWN))
    values = pd.Series(numbers.take(codes, allow_fill=True), texts.index)
    return values, pd.Series(np.append(wrong, False)[codes], texts.index)


_ZERO_WIDTH = re.compile("[\u00ad\u200b\u2060\ufeff]")
_JOINERS = re.compile("[\u200c\u200d](?![^\u0000-\u024f])|(?<![^\u0000-\u024f])[\u200c\u200d]")


def fold(text: str) -> str:
    """Return a name in NFC with single spaces and without zero-width characters.

    Joiners stay between letters of scripts that need them.
    """
    text = _JOINERS.sub("", _ZERO_WIDTH.sub("", unicodedata.normalize("NFC", text)))
    return " ".join(text.split())


def fold_all(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return texts folded by :func:`fold`, and which of them changed; distinct ones once each."""
    coded = texts.dictionary_encode()
    distinct = coded.dictionary
    odd = pc.match_substring_regex(distinct, r"[^\x21-\x7e ]|  |^ | $").to_pylist()
    folded = [fold(t) if o else t for t, o in zip(distinct.to_pylist(), odd, strict=True)]
    folded = pa.array(folded, distinct.type).take(coded.indices)
    return folded, pc.fill_null(pc.not_equal(folded, texts), False)


def as_mask(values: pa.Array) -> np.ndarray:
    """Return an array of Booleans as a mask; missing ones are False."""
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)


def plain_key(texts: pa.Array) -> pa.Array:
    """Return texts in lower case without accents and punctuation; alike spellings become equal."""
    apart = pc.utf8_normalize(texts, "NFKD")
    return pc.utf8_lower(pc.replace_substring_regex(apart, r"\p{M}|[\s.'’\-]", ""))


def dated(titles: pd.Series, years: pd.Series) -> pd.Series:
    """Return titles with the year, such as ``Harbour (2001)``, where it is known."""
    return (titles + " (" + years.astype("str") + ")").where(years.notna(), titles).astype("str")


def check_unicode(value: object) -> None:
    """Raise UserError if a text in a value has an unpaired surrogate, which UTF-8 cannot encode."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise UserError("a text has an unpaired surrogate or is not UTF-8") from None


def decode_json(text: bytes) -> object:
    """Return a value of JSON, in which NaN and Infinity are missing; ValueError if invalid."""
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:  # msgspec accepts neither NaN nor numbers beyond its range
        try:
            value = json.loads(text, parse_constant=lambda name: None, parse_int=_parse_int)
            json.dumps(value, ensure_ascii=False).encode()  # refuses unpaired surrogates
        except (ValueError, RecursionError):
            raise error from None
        return value


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits)


_Text = Annotated[str, msgspec.Meta(min_length=1)]
ID_KEYS = ("id", "imdb_id", "person_id", "actor_id", "nconst", "imdbId", "_id")
NAME_KEYS = ("name", "actor", "actor_name", "primaryName", "fullName", "full_name", "title")


_pairs = msgspec.json.Decoder(list[tuple[_Text, _Text]])  # the most usual lists, at once
_names = msgspec.json.Decoder(list[_Text])


def nested_items(text: str) -> list[tuple[str | None, str]] | None:
    """Return id and name of each item of a list in a cell, JSON or Python; None if unreadable."""
    with suppress(msgspec.MsgspecError, RecursionError):
        return _pairs.decode(text)
    with suppress(msgspec.MsgspecError, RecursionError):
        return [(None, name) for name in _names.decode(text)]
    for decode in (msgspec.json.decode, ast.literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            return list(items_of(decode(text)))
    return None


def items_of(value: object) -> Iterator[tuple[str | None, str]]:
    """Yield id (or None) and name of each item: texts, pairs of id and name, objects."""
    if isinstance(value, dict):
        name = next((value[key] for key in NAME_KEYS if as_text(value.get(key))), None)
        if name is not None:
            ids = (as_text(value[key]) for key in ID_KEYS if key in value)
            yield next(filter(None, ids), None), as_text(name)
        elif all(isinstance(one, str) for one in value.values()):
            yield from value.items()
    elif isinstance(value, list | tuple | set):
        for one in value:
            if isinstance(one, list | tuple) and len(one) == 2 and isinstance(value, list):
                who, name = map(as_text, one)
                yield from [(who, name or who)] if who or name else []
            else:
                yield from items_of(one)
    elif text := as_text(value):
        yield None, text


def as_text(value: object) -> str | None:
    """Return a value of JSON as text; None for a missing one, and for a list or object."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**63 else repr(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else None
