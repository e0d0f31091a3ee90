"""Read tab-separated text without quoting, as IMDb writes it: block by block, every line checked.

General readers lose lines of such files without a word: a title that begins with a quote swallows
the next column, a line with a field too many is cut, a damaged gzip file ends early. Here every
line has as many fields as the header, or is set aside and counted, and a damaged file is an error.
"""

from __future__ import annotations

import codecs
import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from imdbclust.base.text import shown
from imdbclust.films.problems import CorpusError, Problem

BLOCK_BYTES = 8 * 2**20
"""So much text is looked at together; the last line of a block goes on into the next one."""

READ_BYTES = 2**20
"""So much is read from the disk, and unpacked, at once."""

MAX_LINE_BYTES = 2**20
"""A longer line belongs to no such file; reading on would only fill the memory."""

LISTED_PROBLEMS = 100
"""So many lines that were set aside are kept with their number; the others are only counted."""

NULL = "\\N"
"""The one way in which these files say that a value is missing."""

TAB, NEWLINE = 9, 10


class TsvFile:
    """One tab-separated file, plain or gzip, and what was found while reading it.

    Parameters
    ----------
    path : path
        The file; gzip is recognised by its content.
    columns : sequence of str
        The columns to read; others are passed over, in whatever order they stand.
    progress : callable, optional
        Called with the number of bytes whenever some were read from the disk.

    Attributes
    ----------
    name : str
        What messages call it.
    rows : int
        Lines that were given out.
    set_aside : Counter
        Lines that were not, by what is wrong with them.
    problems : list of Problem
        The first `LISTED_PROBLEMS` of these.
    failure : CorpusError or None
        Why reading broke off: an engine that draws the batches may not pass the error on.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        *,
        progress: Callable[[int], object] = lambda n_bytes: None,
    ):
        self.path = Path(path)
        self.name = shown(self.path.name)
        self.columns = list(columns)
        self.rows = 0
        self.set_aside: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self.failure: CorpusError | None = None
        self.schema = pa.schema([*((name, pa.string()) for name in columns), ("line", pa.int64())])
        self._progress = progress
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hash of the bytes read so far: of the file, once all batches were drawn."""
        return self._sha256.hexdigest()

    def check_header(self) -> None:
        """Raise CorpusError if the file is missing, unreadable, damaged or lacks a column."""
        with closing(_text(self.path)) as pieces:
            self._header(next(pieces, b""))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the columns as text, null where the file says `NULL`, and ``line``, from 1.

        Raises
        ------
        CorpusError
            As :meth:`check_header`; a file that breaks off; one of whose lines none is good.
        """
        try:
            with closing(self._blocks()) as blocks, ThreadPoolExecutor(1) as reader:
                names, number = None, 2
                coming = reader.submit(next, blocks, b"")
                while block := coming.result():
                    coming = reader.submit(next, blocks, b"")
                    if names is None:
                        header, _, block = block.partition(b"\n")
                        names = self._header(header)
                        if not block:
                            continue
                    batch, n_lines = self._parse(block, names, number)
                    number += n_lines
                    self.rows += len(batch)
                    yield batch
            if names is None:
                self._header(b"")
            if self.set_aside and not self.rows:
                what = "; ".join(map(str, self.problems[:3]))
                raise CorpusError(f"{self.name}: no line goes with its header: {what}")
        except CorpusError as error:
            self.failure = error
            raise

    def _blocks(self) -> Iterator[bytes]:
        """Yield whole lines, many together, each with its end and without carriage returns."""
        rest, pieces, size = b"", [], 0
        for piece in _text(self.path, self._seen):
            pieces.append(piece)
            size += len(piece)
            if size < BLOCK_BYTES:
                continue
            block, _, rest = b"".join([rest, *pieces]).rpartition(b"\n")
            pieces, size = [], 0
            if len(rest) > MAX_LINE_BYTES:
                raise CorpusError(
                    f"{self.name}: a line of more than {MAX_LINE_BYTES // 2**20} MB; "
                    "is this a file of tab-separated text?"
                )
            if block:
                yield block.replace(b"\r\n", b"\n").removesuffix(b"\r") + b"\n"
        block = b"".join([rest, *pieces]).replace(b"\r\n", b"\n").removesuffix(b"\n")
        if block:
            yield block + b"\n"

    def _seen(self, data: bytes) -> None:
        self._sha256.update(data)
        self._progress(len(data))

    def _header(self, text: bytes) -> list[str]:
        """Return the names in the first line, once all that are asked for are among them."""
        name = self.name
        if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise CorpusError(f"{name}: the text is UTF-16; save it as UTF-8")
        line = text.removeprefix(codecs.BOM_UTF8).partition(b"\n")[0].rstrip(b"\r")
        names = line[:10_000].decode("utf-8", errors="replace").split("\t")
        missing = [column for column in self.columns if column not in names]
        if not line:
            raise CorpusError(f"{name}: it is empty")
        if missing:
            which = "column" if len(missing) == 1 else "columns"
            found = ", ".join(names)
            raise CorpusError(
                f"{name}: there is no {which} {', '.join(missing)}; its header reads: "
                f"{found[:200]}{'…' if len(found) > 200 else ''}"
            )
        for column in self.columns:
            if names.count(column) > 1:
                raise CorpusError(f"{name}: there are {names.count(column)} columns {column}")
        return names

    def _parse(self, block: bytes, names: list[str], number: int) -> tuple[pa.RecordBatch, int]:
        """Return the good lines of a block, whose first has this number, and how many it has."""
        n_lines = _count_regular(block, len(names))
        if n_lines is not None and b"\r" not in block and b"\0" not in block:
            try:
                lines = pa.array(np.arange(number, number + n_lines))
                return self._columns(block, names, lines), n_lines
            except pa.ArrowInvalid:  # text that is not UTF-8
                pass
        wanted = [names.index(column) for column in self.columns]
        good, lines = [], []
        every = block.split(b"\n")[:-1]
        for at, line in enumerate(every, start=number):
            if wrong := _what_is_wrong(line, names, wanted):
                field, reason, detail = wrong
                self.set_aside[reason] += 1
                if len(self.problems) < LISTED_PROBLEMS:
                    kind = reason.replace(" ", "_")
                    text = reason + detail
                    self.problems.append(Problem(self.name, at, field, text, kind))
            else:
                good.append(line.replace(b"\r", b" "))  # in a column that nobody reads
                lines.append(at)
        batch = self._columns(
            b"".join(line + b"\n" for line in good), names, pa.array(lines, pa.int64())
        )
        return batch, len(every)

    def _columns(self, block: bytes, names: list[str], lines: pa.Array) -> pa.RecordBatch:
        if not len(lines):
            return pa.RecordBatch.from_pylist([], self.schema)
        # a column that nobody asked for may have any name, even one twice
        unique = [name if name in self.columns else f"{at}" for at, name in enumerate(names)]
        table = csv.read_csv(
            pa.py_buffer(block),
            read_options=csv.ReadOptions(
                column_names=unique, block_size=len(block) + 1, use_threads=False
            ),
            parse_options=csv.ParseOptions(
                delimiter="\t", quote_char=False, escape_char=False, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                include_columns=self.columns,
                column_types=dict.fromkeys(self.columns, pa.string()),
                null_values=[NULL],
                strings_can_be_null=True,
            ),
        )
        table = table.append_column("line", lines).combine_chunks()
        return table.to_batches()[0].cast(self.schema)


def keep(
    batch: pa.RecordBatch, mask: pa.Array, otherwise: str, dropped: Counter[str]
) -> pa.RecordBatch:
    """Return the rows where `mask` is true; the others are counted under `otherwise`."""
    kept = batch.filter(pc.fill_null(mask, False))
    dropped[otherwise] += len(batch) - len(kept)
    return kept


def _text(path: Path, seen: Callable[[bytes], object] = len) -> Iterator[bytes]:
    """Yield the bytes of a plain or gzip file, unpacked; damage is an error."""
    try:
        with path.open("rb") as raw:
            data = raw.read(READ_BYTES)
            zipped = data.startswith(b"\x1f\x8b")
            unpack = zlib.decompressobj(wbits=31)
            while data:
                seen(data)
                if not zipped:
                    yield data
                while zipped and data:
                    if unpack.eof:  # another member, or zeros that fill up a tape's block
                        data = data.lstrip(b"\0")
                        if not data:
                            break
                        unpack = zlib.decompressobj(wbits=31)
                    yield unpack.decompress(data, BLOCK_BYTES)
                    data = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
                data = raw.read(READ_BYTES)
            if zipped:
                yield unpack.flush()
            if zipped and not unpack.eof:
                raise CorpusError(
                    f"{shown(path.name)}: the gzip data break off before their end; "
                    "download it again"
                )
    except zlib.error as error:
        what = str(error).rpartition(": ")[2]
        raise CorpusError(f"{shown(path.name)}: the gzip data are damaged ({what})") from None
    except FileNotFoundError:
        raise CorpusError(f"{shown(path)}: there is no such file") from None
    except OSError as error:
        raise CorpusError(f"{shown(path)}: cannot be read: {error.strerror or error}") from None


def _count_regular(block: bytes, n_fields: int) -> int | None:
    """Return the number of lines if every one has so many fields, else None."""
    text = np.frombuffer(block, dtype=np.uint8)
    separators = text[(text - np.uint8(TAB)) < 2]  # tab and newline are neighbours
    if len(separators) % n_fields:
        return None
    lines = separators.reshape(-1, n_fields)
    regular = (lines[:, -1] == NEWLINE).all() and (lines[:, :-1] == TAB).all()
    return len(lines) if regular else None


def _what_is_wrong(line: bytes, names: list[str], wanted: list[int]) -> tuple[str, str, str] | None:
    """Return field, reason and detail if a line cannot be used; None if it can."""
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
    return None
