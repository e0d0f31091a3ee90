"""Read tab-separated text without quoting, as IMDb writes it: block by block, every line checked.

General readers silently lose lines of such files: a title that begins with a quote swallows the
next column, a line with an extra field is cut. Here every line has as many fields as the header,
or is set aside and counted.
"""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from pyarrow import csv

from imdbclust.base.text import byte_size, shown
from imdbclust.films.opening import open_films
from imdbclust.films.problems import CorpusError, Problem

BLOCK_BYTES = 8 * 2**20  # read together; a block ends with a whole line
PARSED_BYTES = 64 * 2**20  # parsed together; no row may be longer
PLAIN = {"quote_char": False, "escape_char": False, "ignore_empty_lines": False}
MAX_LINE_BYTES = 10**6  # a longer line is not from such a file and would only fill the memory
LISTED_PROBLEMS = 100  # maximum number of bad lines that are kept; the rest are only counted
NULL = "\\N"  # the text that means a missing value
TAB, NEWLINE = 9, 10


class TsvFile:
    """One tab-separated file, plain or gzip, and the problems found while reading it.

    Parameters
    ----------
    path : path
        The file; gzip is recognised by its content.
    columns : sequence of str
        The columns to read, in any order; others are ignored.
    progress : callable, optional
        Called with the number of bytes that were read from the disk since the last call.

    Attributes
    ----------
    name : str
        Name of the file in messages.
    rows : int
        Number of lines that were returned.
    set_aside : Counter
        Number of lines that were set aside, by reason.
    problems : list of Problem
        The first `LISTED_PROBLEMS` of these.
    failure : BaseException or None
        The error that ended reading: a database that consumes the batches may replace it.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], progress: Callable[[int], object] = bool
    ):
        self.path = Path(path)
        self.name = shown(self.path.name)
        self.columns = list(columns)
        self.rows = 0
        self.set_aside: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self.failure: BaseException | None = None
        self.schema = pa.schema([*((name, pa.string()) for name in columns), ("line", pa.int64())])
        self._progress = progress

    def check_header(self) -> None:
        """Raise CorpusError if the file is missing, unreadable, damaged or lacks a column."""
        with open_films(self.path) as file:
            self._header(file)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the columns as text, null for `NULL`, and ``line``, from 1.

        Errors are those of :meth:`check_header`; a truncated file or one without a valid line is
        a CorpusError, too.
        """
        try:
            with (
                open_films(self.path) as file,
                closing(self._blocks(file)) as blocks,
                ThreadPoolExecutor(1) as reader,
            ):
                names, number = self._header(file), 2
                coming = reader.submit(next, blocks, b"")
                while block := coming.result():
                    coming = reader.submit(next, blocks, b"")
                    batch, n_lines = self._parse(block, names, number)
                    number += n_lines
                    self.rows += len(batch)
                    yield batch
            if self.set_aside and not self.rows:
                first = "; ".join(map(str, self.problems[:3]))
                raise CorpusError(f"{self.name}: no line matches the header: {first}")
        except (Exception, KeyboardInterrupt) as error:
            self.failure = error
            raise

    def _blocks(self, file: IO[bytes]) -> Iterator[bytes]:
        """Yield blocks of whole lines; every line ends with a newline, without carriage return."""
        before = 0
        while block := file.read(BLOCK_BYTES):
            block += file.readline(MAX_LINE_BYTES + 1)
            if len(block) - block.rfind(b"\n", 0, -1) > MAX_LINE_BYTES + 1:
                raise CorpusError(
                    f"{self.name}: a line of more than {byte_size(MAX_LINE_BYTES)}; "
                    "is this tab-separated text?"
                )
            position = os.lseek(file.fileno(), 0, os.SEEK_CUR)
            self._progress(position - before)
            before = position
            yield block.removesuffix(b"\n").replace(b"\r\n", b"\n").removesuffix(b"\r") + b"\n"

    def _header(self, file: IO[bytes]) -> list[str]:
        """Return the names in the first line, which must include all requested columns."""
        line = file.readline(MAX_LINE_BYTES)
        if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise CorpusError(f"{self.name}: the text is UTF-16; save it as UTF-8")
        line = line.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
        if not line:
            raise CorpusError(f"{self.name}: it is empty")
        names = line[:10_000].decode("utf-8", errors="replace").split("\t")
        missing = [column for column in self.columns if column not in names]
        if missing:
            found = ", ".join(names)
            raise CorpusError(
                f"{self.name}: missing {'column' if len(missing) == 1 else 'columns'} "
                f"{', '.join(missing)}; its header is: "
                f"{found[:200]}{'…' if len(found) > 200 else ''}"
            )
        for column in self.columns:
            if names.count(column) > 1:
                raise CorpusError(f"{self.name}: duplicate column {column}")
        return names

    def _parse(self, block: bytes, names: list[str], number: int) -> tuple[pa.RecordBatch, int]:
        """Return the valid lines of a block, and its number of lines; `number` is the first's."""
        n_lines = count_regular(block, len(names))
        if n_lines is not None and b"\r" not in block and b"\0" not in block:
            try:
                return self._columns(block, names, np.arange(number, number + n_lines)), n_lines
            except pa.ArrowInvalid:  # not UTF-8
                pass
        wanted = [names.index(column) for column in self.columns]
        good, lines = [], []
        every = block.split(b"\n")[:-1]
        for at, line in enumerate(every, start=number):
            field, reason, detail = _problem_of(line, names, wanted)
            if reason:
                self.set_aside[reason] += 1
                if len(self.problems) < LISTED_PROBLEMS:
                    kind = reason.replace(" ", "_")
                    self.problems.append(Problem(self.name, at, field, reason + detail, kind))
            else:
                good.append(line.replace(b"\r", b" "))  # in a column that is not read
                lines.append(at)
        block = b"".join(line + b"\n" for line in good)
        return self._columns(block, names, np.array(lines, np.int64)), len(every)

    def _columns(self, block: bytes, names: list[str], lines: np.ndarray) -> pa.RecordBatch:
        if not len(lines):
            return pa.RecordBatch.from_pylist([], self.schema)
        # columns that are not read may have any name, including duplicates
        unique = [name if name in self.columns else f"{at}" for at, name in enumerate(names)]
        options = csv.ParseOptions(delimiter="\t", **PLAIN)
        more = {"null_values": [NULL], "strings_can_be_null": True, "include_columns": self.columns}
        table = parse(block, unique, options, pa.string(), **more)
        table = table.append_column("line", pa.array(lines)).combine_chunks()
        return table.to_batches()[0].cast(self.schema)


def parse(
    content: bytes, names: Sequence[str], options: csv.ParseOptions, kind: pa.DataType, **more
) -> pa.Table:
    """Return delimited text as columns of texts; `more` are options of their conversion."""
    # with threads, rows have no numbers
    read = csv.ReadOptions(use_threads=False, column_names=names, block_size=PARSED_BYTES)
    convert = csv.ConvertOptions(column_types=dict.fromkeys(names, kind), **more)
    return csv.read_csv(pa.py_buffer(content), read, options, convert)


def count_regular(block: bytes, n_fields: int) -> int | None:
    """Return the number of lines if each of them has `n_fields` fields, else None."""
    text = np.frombuffer(block, dtype=np.uint8)
    separators = text[(text - np.uint8(TAB)) < 2]  # tab and newline have adjacent codes
    if len(separators) % n_fields:
        return None
    lines = separators.reshape(-1, n_fields)
    regular = (lines[:, -1] == NEWLINE).all() and (lines[:, :-1] == TAB).all()
    return len(lines) if regular else None


def _problem_of(line: bytes, names: list[str], wanted: list[int]) -> tuple[str, str, str]:
    """Return field, reason and detail if a line is invalid, else empty texts."""
    if not line:
        return "", "empty line", ""
    fields = line.split(b"\t")
    if len(fields) != len(names):
        return "", "wrong number of fields", f": {len(fields)}, the header has {len(names)}"
    for at in wanted:
        if b"\r" in fields[at] or b"\0" in fields[at]:
            return names[at], "a carriage return or a NUL", ""
        try:
            fields[at].decode("utf-8")
        except UnicodeDecodeError:
            return names[at], "not UTF-8", ""
    return "", "", ""
