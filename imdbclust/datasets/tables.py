"""Tables of texts, which every reader of film files returns, and how to read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from imdbclust.base.text import shown
from imdbclust.films.problems import CorpusError, ProblemLog
from imdbclust.films.values import check_unicode

TEXT = pa.large_string()
CALLED = {
    "\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", "/": "slashes", "\n": "newlines"
}  # fmt: skip


class NoTable(CorpusError):
    """A file holds no table; the message says what it is and what to do."""


Key = Literal[
    "movie_id", "title", "actor_id", "actor", "genres", "year", "rating", "votes", "category"
]
"""What a column can hold."""
KeyOfSet = Literal[Key, "genre_id"]


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How to read film files; everything that is not given is guessed and reported.

    `columns` are names of columns, none for a value that no column has. `separator` is the
    character between cells, `quote` the one around them, or ``none``. The default of `encoding` is
    UTF-8, or UTF-16 if there is a byte order mark, or cp1252 if the text is not UTF-8.
    `actor_separator` and `genre_separator` are the texts between the items of one cell, or
    ``none``. `tables` has the columns of each table of a set, by its name. `unify` has the spelling
    that replaces other spellings of names, titles and genres.
    """

    columns: dict[Key, list[str]] = {}
    tables: dict[str, dict[KeyOfSet, list[str]]] = {}
    separator: str | None = None
    quote: str | None = None
    encoding: str | None = None
    actor_separator: str | None = None
    genre_separator: str | None = None
    unify: dict[Literal["actors", "titles", "genres"], dict[str, str]] = {}

    def __post_init__(self):
        check_unicode(self)


@dataclass(eq=False)
class Table:
    """A table of texts with missing values, of a file or a database; nested values are JSON.

    `lines` has the line of each row in the file, for messages; `log` has the unreadable lines, and
    how the table was read. `read_as` has the options of a :class:`Reading` that repeat the guesses
    about a text. `records` are those of JSON.
    """

    name: str
    data: pa.Table
    lines: np.ndarray
    read_as: dict[str, str] = field(default_factory=dict)
    records: Sequence[dict] = ()
    log: ProblemLog = field(default_factory=ProblemLog)

    def __post_init__(self):
        self.log.file = self.name

    @classmethod
    def of_texts(
        cls,
        name: str,
        columns: Mapping[str, Iterable[str | None]] | pd.DataFrame,
        *,
        first: int = 1,
        **more,
    ) -> Table:
        """Return a table of these columns, whose rows are numbered from `first`."""
        texts = [pa.array(list(one), TEXT, from_pandas=True) for _, one in columns.items()]
        data = pa.table(texts, names=[shown(str(key)) for key in columns])
        return cls(shown(name), data, np.arange(first, first + len(data)), **more)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return self.data.column_names


def plain(name: str) -> str:
    """Return the name of a column in lower case and without punctuation."""
    return re.sub(r"[\W_]", "", name).lower()
