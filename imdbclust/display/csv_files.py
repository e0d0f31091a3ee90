"""Tables as CSV files that programs read exactly and spreadsheets open safely.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula and runs it
(https://owasp.org/www-community/attacks/CSV_Injection). A title that begins so gets an apostrophe
in front of it, which spreadsheets show as text. :func:`read_table` takes it away again, so what
was written comes back. Numbers stay numbers, negative ones too.
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

FLOAT_FORMAT = "%.12g"
"""Digits of a number in a CSV: enough for any use, few enough to be the same on any machine."""

# apostrophes before what needs one are doubled up, so that taking one away is always right
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guard(text: str) -> str:
    """Return text with an apostrophe before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguard(text: str) -> str:
    """Return what :func:`guard` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def table_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV: no index, 12 significant digits, text guarded."""
    safe = _texts(frame, guard)
    written = partial(safe.to_csv, index=False, float_format=FLOAT_FORMAT, lineterminator="\n")
    text = written()
    # csv leaves a bare carriage return without quotes, and readers take it for the end of a line
    return written(quoting=csv.QUOTE_ALL) if "\r" in text else text


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as :func:`table_csv` has it."""
    # a lone half of a surrogate pair, which UTF-8 does not have, becomes a question mark
    path.write_bytes(table_csv(frame).encode("utf-8", errors="replace"))


def read_table(path: Path, **options) -> pd.DataFrame:
    """Read a table that a run wrote, every text as it was.

    Parameters
    ----------
    path : Path
        The file.
    **options
        For :func:`pandas.read_csv`. Without any, ``NA`` and the like are text; an empty cell is
        missing in a column of numbers, and the empty text in one of texts.
    """
    import pandas as pd

    options = {"keep_default_na": False, "na_values": [""], **options}
    frame = pd.read_csv(path, **options)
    texts = [name for name in frame if frame[name].dtype.kind == "O"]
    return _texts(frame.fillna(dict.fromkeys(texts, "")), unguard)


def _texts(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return the table with every text in it changed, those of the header too."""
    import pandas as pd

    def changed(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    columns = (frame.iloc[:, place] for place in range(frame.shape[1]))
    table = pd.DataFrame(
        {
            place: column.astype(object).map(changed) if column.dtype.kind == "O" else column
            for place, column in enumerate(columns)
        },
        index=frame.index,
    )
    return table.set_axis([changed(name) for name in frame.columns], axis=1)
