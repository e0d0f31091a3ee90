"""Tables as CSV files that programs read exactly and spreadsheets open safely.

Spreadsheets run a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula
(https://owasp.org/www-community/attacks/CSV_Injection). Such a text is written with an apostrophe
in front, which marks it as text. :func:`read_table` removes the apostrophe, so reading returns what
was written. Numbers, also negative ones, are not changed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FLOAT_FORMAT = "%.12g"  # 12 significant digits are precise enough and the same on all machines

# texts that already have apostrophes get one more, so that removing one restores any text
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guard(text: str) -> str:
    """Return a text, with an apostrophe in front if a spreadsheet would treat it as a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguard(text: str) -> str:
    """Undo :func:`guard`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def table_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV without its index, with 12 significant digits and guarded texts."""
    safe = _texts(frame, guard)
    for place, dtype in enumerate(safe.dtypes):
        if dtype == "float64":  # much faster than the `float_format` of pandas
            numbers = safe.iloc[:, place].tolist()
            safe.isetitem(place, ["" if one != one else FLOAT_FORMAT % one for one in numbers])
    written = partial(safe.to_csv, index=False, float_format=FLOAT_FORMAT, lineterminator="\n")
    text = written()
    # the csv module does not quote a carriage return, and readers treat it as the end of a line
    return written(quoting=csv.QUOTE_ALL) if "\r" in text else text


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; see :func:`table_csv`."""
    # UTF-8 cannot encode unpaired surrogates; they become question marks
    path.write_bytes(table_csv(frame).encode("utf-8", errors="replace"))


def read_table(path: Path, **options) -> pd.DataFrame:
    """Read a table that a run wrote, with its original texts.

    `options` are those of :func:`pandas.read_csv`. By default, ``NA`` and the like are texts; an
    empty cell is a missing value in a column of numbers, and the empty text in a column of texts.
    """
    import pandas as pd

    options = {"keep_default_na": False, "na_values": [""], **options}
    frame = pd.read_csv(path, **options)
    texts = [name for name in frame if frame[name].dtype.kind == "O"]
    return _texts(frame.fillna(dict.fromkeys(texts, "")), unguard)


def _texts(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a table with every text changed, including its header.

    `change` is :func:`guard` or :func:`unguard`: texts without a formula stay as they are.
    """

    def changed(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    table = frame.set_axis([changed(name) for name in frame.columns], axis=1)
    for place, dtype in enumerate(frame.dtypes):
        column = frame.iloc[:, place]
        # Arrow searches its texts much faster than Python does
        if dtype == "str" and not column.str.match(_FORMULA.pattern).any():
            continue
        if dtype.kind == "O":
            table.isetitem(place, column.astype(object).map(changed))
    return table
