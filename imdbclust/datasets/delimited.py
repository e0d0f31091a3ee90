"""Read delimited text: CSV, TSV with and without quoting, exports of spreadsheets, slashes.

General readers silently lose rows of such files: a quote that is never closed swallows all rows
after it. Here every quote is checked before the text is parsed by pyarrow.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv

from imdbclust.base.text import counted, quoted, shown
from imdbclust.datasets.tables import CALLED, TEXT, NoTable, Reading, Table
from imdbclust.datasets.tsv import PLAIN, count_regular, parse
from imdbclust.films.problems import CorpusError, Problem, ProblemLog

SEPARATORS = "\t;,|"  # tried between cells
HEAD_BYTES = 2**18  # maximum size of a table's header
csv.field_size_limit(HEAD_BYTES)  # a header is one cell for a separator that it does not have

_LINE_OF_MOVIE = re.compile(
    r"(?P<title>[^\t|]+?) ?\((?P<year>\d{4}|\?{4})(?:/[IVX]+)?\)(?P<sep>[/|\t;])(?P<cast>.+)"
)


def read_text(content: bytes, name: str, how: Reading) -> Table:
    """Return the rows of a text; unreadable lines are set aside."""
    log = ProblemLog(name)
    content, encoding = _as_utf8(content, how, log)
    read_as = {"encoding": encoding} if encoding else {}
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    head = content[:HEAD_BYTES].decode(errors="ignore")
    if not head.strip():
        raise CorpusError(f"{name}: no movie in this table: it is empty")
    if "\0" in head[:1000]:
        raise NoTable(f"{name}: binary data, not a text table; save a workbook as CSV (UTF-8)")
    if not how.separator and (table := _lines_of_movies(content, head, log)):
        table.read_as |= read_as
        return table
    n_before = head[: -len(head.lstrip("\r\n"))].count("\n")
    head = head.lstrip("\r\n")
    declared = re.match(r"sep=(.)\r?(\n|$)", head)  # Excel writes and reads this
    if declared:
        n_before, head = n_before + 1, head[declared.end() :]
    separator = how.separator or (declared and declared[1])
    if not separator:
        separator = max(SEPARATORS, key=lambda one: len(_cells(head, one)))
        if len(_cells(head, separator)) < 2:
            header = quoted(head.splitlines()[0])
            raise NoTable(f"{name}: the header {header} has one column; set --separator")
        log.guess(f"cells are separated by {CALLED[separator]}")
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0':
        raise CorpusError(f"the separator must be one character, such as , or ;, not {separator!r}")
    names = [shown(one.strip()) for one in _cells(head, separator)]
    options = _quoting(content, separator, names, head, how, log)
    data, lines = _parse(content, names, n_before, options, log)
    read_as["separator"] = separator
    if options.quote_char or b'"' in content:
        read_as["quote"] = options.quote_char or "none"
    return Table(name, data, lines, read_as, log=log)


def _cells(text: str, separator: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])


def _as_utf8(content: bytes, how: Reading, log: ProblemLog) -> tuple[bytes, str]:
    """Return text in UTF-8 without a byte order mark, and its encoding if it has another one."""
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = how.encoding or ("utf-16" if utf16 else "utf-8")
    try:
        b"a,b".decode(encoding, errors="replace")  # fails with codecs that are not of texts
        encoding = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise CorpusError(f"unknown encoding {encoding!r}; try utf-8 or cp1252") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode(encoding)
        if encoding == "utf-8":
            return content, how.encoding or ""
        return text.removeprefix("\ufeff").encode(), encoding
    except UnicodeError as error:
        if how.encoding or utf16:
            raise CorpusError(
                f"{log.file}: the text is not {encoding}: {getattr(error, 'reason', error)}"
            ) from None
        at = content[: error.start].count(b"\n") + 1
    text = content.decode(errors="replace")
    if text.count("\ufffd") < sum(map(len, re.findall(r"[^\x00-\x7f]", text))) / 2:
        raise CorpusError(
            f"{log.file}:{at}: the text is not UTF-8 in this line; save it as UTF-8, or set "
            "--encoding"
        )
    log.guess(f"the text is not UTF-8 (line {at}): read as cp1252; --encoding changes this")
    try:
        return content.decode("cp1252").encode(), "cp1252"
    except UnicodeError:
        return content.decode("latin-1").encode(), "latin-1"


def _lines_of_movies(content: bytes, head: str, log: ProblemLog) -> Table | None:
    """Return the table of lines such as ``Film (2001)/Last, First/…``; None for other texts."""
    lines = [line for line in head.splitlines()[:50] if line.strip()]
    found = [_LINE_OF_MOVIE.fullmatch(line) for line in lines]
    if sum(map(bool, found)) < 0.9 * len(lines):
        return None
    separator = next(filter(None, found))["sep"]
    rows = []
    for line in content.decode().splitlines():
        if match := _LINE_OF_MOVIE.fullmatch(line):
            cast = json.dumps([one.strip() for one in match["cast"].split(separator)])
            rows.append((match["title"], match["year"], cast))
        else:
            rows.append((line.strip("/|;\t "), None, None))
    log.guess(f"each line is a title, a year and a cast, separated by {CALLED[separator]}")
    columns = dict(zip(("title", "year", "cast"), zip(*rows, strict=True), strict=True))
    return Table.of_texts(log.file, columns, log=log)


# Quotes


def _quoting(
    content: bytes, separator: str, names: list[str], head: str, how: Reading, log: ProblemLog
) -> pyarrow.csv.ParseOptions:
    """Return how to parse the text; a quote that is never closed is a CorpusError.

    Tab-separated text without quoting is recognised by its quotes: if they do not stand around
    whole cells, or around no cell that needs them, they are part of the text.
    """
    quote = '"' if how.quote is None else how.quote
    if quote != "none" and (
        len(quote) != 1 or not quote.isascii() or quote in "\r\n\0" + separator
    ):
        raise CorpusError(f"the quote must be one character, or none, not {quote!r}")
    options = {"delimiter": separator} | PLAIN
    off = pyarrow.csv.ParseOptions(**options)
    mark = quote.encode()
    if quote == "none" or mark not in content:
        return off
    text = content.replace(b'\\"', b"\\'") if quote == '"' else content
    escaped = text != content and b'""' not in text
    text = text if escaped else content
    cell = _IN_QUOTES.replace(b"Q", re.escape(mark)).replace(b"S", re.escape(separator.encode()))
    rest = re.sub(cell, b"", text)
    fine, several = mark not in rest, rest.count(b"\n") < text.count(b"\n")
    if separator == "\t" and how.quote is None:
        few = text.count(mark) < 2 * (text.rstrip().count(b"\n"))
        needless = few and b'""' not in text and quote not in head.partition("\n")[0]
        if not fine or (needless and count_regular(text.strip(b"\r\n") + b"\n", len(names))):
            log.guess("quotes are part of the text; --quote '\"' changes this")
            return off
    if not fine:
        several = _find_open_quote(text, mark, separator.encode(), log.file)
    options |= {"quote_char": quote, "escape_char": "\\" if escaped else False}
    return pyarrow.csv.ParseOptions(newlines_in_values=several, **options)


_IN_QUOTES = rb"Q(?<![^S\r\n]Q)[^Q]*+(?:QQ[^Q]*+)*+Q(?![^S\r\n])"
"""A cell in quotes Q between separators S; within it, two quotes stand for one."""


def _find_open_quote(text: bytes, quote: bytes, separator: bytes, name: str) -> bool:
    """Return whether a cell has several lines; a quote that is never closed is a CorpusError."""
    begins = re.compile(rb"(?:\A|(?<=[%b\r\n]))%b" % (re.escape(separator), re.escape(quote)))
    inside = re.compile(rb"[^Q]*(?:QQ[^Q]*)*".replace(b"Q", re.escape(quote)))
    several, at = False, 0
    while begin := begins.search(text, at):
        end = inside.match(text, begin.end()).end()
        n_lines = text.count(b"\n", begin.end(), end) - (text[-1:] == b"\n" and end == len(text))
        closed = text[end + 1 : end + 2] in (b"", b"\r", b"\n", separator)
        if end == len(text) or (n_lines and not closed):
            line = text.count(b"\n", 0, begin.start()) + 1
            raise CorpusError(
                f"{name}:{line}: a quote that is never closed swallows "
                f"{counted(n_lines, 'line')}; close it, or read quotes as text: --quote none"
            )
        several |= n_lines > 0
        at = end + 1
    return several


def _parse(
    content: bytes,
    names: list[str],
    n_before: int,
    options: pyarrow.csv.ParseOptions,
    log: ProblemLog,
) -> tuple[pa.Table, np.ndarray]:
    """Return the rows below the header, and the line of each."""
    wrong: list[int] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row.number)
        if row.number > n_before:
            what = f"{row.actual_columns} cells where the header has {row.expected_columns}"
            log.set_aside(Problem(log.file, row.number, "", what, "wrong_cells"))
        return "skip"

    options.invalid_row_handler = note
    keys = [str(place) for place in range(len(names))]  # names may have duplicates
    try:
        table = parse(content, keys, options, TEXT)
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{log.file}: {str(error).splitlines()[0]}") from None
    lines = np.setdiff1d(np.arange(1, table.num_rows + len(wrong) + 1), wrong, assume_unique=True)
    below = int(np.searchsorted(lines, n_before + 1, side="right"))
    return table.slice(below).rename_columns(names), lines[below:]
