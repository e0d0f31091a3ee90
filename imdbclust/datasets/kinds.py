"""Read film files of every kind into tables of texts: the content decides, not the name's ending.

Libraries parse: pyarrow text tables and parquet, msgspec JSON, sqlite3 and DuckDB databases,
openpyxl workbooks, networkx GraphML.
"""

from __future__ import annotations

import io
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from imdbclust.base.text import shown
from imdbclust.datasets.delimited import read_text
from imdbclust.datasets.tables import TEXT, NoTable, Reading, Table, plain
from imdbclust.films.opening import ZIP, open_films, read_member, zip_members
from imdbclust.films.problems import CorpusError, Problem, ProblemLog
from imdbclust.films.values import as_text, decode_json

MAX_ROWS = 200_000_000  # maximum number of rows of a parquet file
SQLITE, DUCKDB, PARQUET = b"SQLite format 3\0", b"DUCK", b"PAR1"  # DuckDB's is at byte 8
ROWS_TOGETHER = 10_000  # converted together
MAX_DEPTH = 4  # of objects within objects whose fields become columns
NO_TABLES = {
    b"version https://git-lfs": "a Git LFS pointer, not the file; get the file: git lfs pull",
    b"\x89PNG": "a picture (PNG), not a table",
    b"\xff\xd8\xff": "a picture (JPEG), not a table",
    b"GIF8": "a picture (GIF), not a table",
    b"%PDF": "a PDF, not a table",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save it as CSV (UTF-8) or xlsx",
    b"Rar!": "a RAR archive; unpack it",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it",
}
"""Kinds of files that hold no table, by their first bytes."""


def read_tables(path: Path, how: Reading) -> list[Table]:
    """Return the tables of a file or a folder.

    A file that holds no table is a CorpusError that says what it is and what to do.
    """
    name = shown(path.name)
    if os.path.isdir(path):  # noqa: PTH112 (also where a name is too long)
        return _of_folder(path, how)
    with open_films(path, unpack=False) as raw:
        head = raw.peek(16)[:16]
        if head.startswith(ZIP):
            return _of_zip(raw, name, how)
    if read := _database_reader(head):
        return read(path, name)
    with open_films(path) as file:
        content = file.read()
    return _of_bytes(content, name, how)


def _of_folder(path: Path, how: Reading) -> list[Table]:
    hidden, described = ".", ".source.json"
    files = sorted(one for one in path.iterdir() if one.is_file())
    files = [one for one in files if one.name[0] != hidden and not one.name.endswith(described)]
    if any(one.name.startswith("title.basics.tsv") for one in files):
        raise CorpusError(f"{shown(path)}: IMDb's own dumps; read them with imdbclust import-imdb")
    tables, others = [], []
    for file in files:
        try:
            tables += read_tables(file, how)
        except NoTable as error:
            others.append(str(error))
    if not tables:
        what = "".join(f"\n  {one}" for one in others[:5]) or " it is empty"
        raise NoTable(f"{shown(path)}: no table in this folder:{what}")
    return tables


def _of_zip(raw: io.BufferedReader, name: str, how: Reading) -> list[Table]:
    with zipfile.ZipFile(raw) as archive:
        if "xl/workbook.xml" in archive.namelist():
            raw.seek(0)
            return _of_workbook(raw.read(), name)
        members = zip_members(archive)
        if not members:
            raise NoTable(f"{name}: a zip archive without files")
        names = [name] if len(members) == 1 else [shown(one.filename) for one in members]
        contents = [read_member(archive, one, raw) for one in members]
    found = (_of_bytes(one, name, how) for one, name in zip(contents, names, strict=True))
    return list(chain.from_iterable(found))


def _of_bytes(content: bytes, name: str, how: Reading) -> list[Table]:
    for start, what in NO_TABLES.items():
        if content.startswith(start):
            raise NoTable(f"{name}: {what}")
    if read := _database_reader(content):  # it was packed
        with TemporaryDirectory() as folder:
            (path := Path(folder) / "films").write_bytes(content)
            return read(path, name)
    if content.startswith(PARQUET):
        return [_of_parquet(content, name)]
    start = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        if b"graphml" in start:
            return _of_graphml(content, name)
        raise NoTable(f"{name}: this looks like HTML or XML, not a table; download the file itself")
    if start.startswith((b"{", b"[")):
        return list(_of_json(content, name))
    return [read_text(content, name, how)]


# Databases, parquet, workbooks, graphs


def _database_reader(start: bytes) -> Callable[[Path, str], list[Table]] | None:
    if start.startswith(SQLITE):
        return _of_sqlite
    return _of_duckdb if start[8:12] == DUCKDB else None


@contextmanager
def _reading(name: str, what: str, *, package: str = "") -> Iterator[None]:
    """Say what is wrong with a file if a library, or an optional `package`, does not read it."""
    try:
        yield
    except CorpusError:
        raise
    except ImportError:
        raise NoTable(
            f"{name}: {what}, which {package} reads, and this is not installed: "
            f"pip install {package}, or save the table as CSV (UTF-8)"
        ) from None
    except Exception as error:  # libraries raise errors of any kind for damaged files
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise CorpusError(f"{name}: {what} that cannot be read: {reason}") from None


def _of_sqlite(path: Path, name: str) -> list[Table]:
    query, tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid", []
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with _reading(name, "a SQLite database"), closing(sqlite3.connect(uri, uri=True)) as base:
        for (table,) in base.execute(query).fetchall():
            quoted = table.replace('"', '""')
            rows = base.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608
            names = [shown(column[0]) for column in rows.description]
            schema = pa.schema([(str(place), TEXT) for place in range(len(names))])
            batches = []  # if all rows stayed objects, garbage collection would take most time
            while some := rows.fetchmany(ROWS_TOGETHER):
                columns = [_texts_of(values) for values in zip(*some, strict=True)]
                batches.append(pa.record_batch(columns, schema=schema))
            data = pa.Table.from_batches(batches, schema).rename_columns(names)
            tables.append(Table(shown(table), data, np.arange(1, len(data) + 1)))
    return tables


def _texts_of(values: Sequence[object]) -> pa.Array:
    """Return values of SQLite, of any types, as texts."""
    with suppress(pa.ArrowException):
        return pa.array(values, TEXT)
    with suppress(pa.ArrowException):
        numbers = pa.array(values)
        if pa.types.is_integer(numbers.type):
            return numbers.cast(TEXT)
    return pa.array(map(as_text, values), TEXT)


def _of_duckdb(path: Path, name: str) -> list[Table]:
    import duckdb

    extensions = ("autoinstall_known_extensions", "autoload_known_extensions")
    config = dict.fromkeys(("enable_external_access", *extensions), False)
    query = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY table_oid"
    with (
        _reading(name, "a DuckDB database"),
        duckdb.connect(str(path), read_only=True, config=config) as base,
    ):
        found = [table for (table,) in base.execute(query).fetchall()]
        return [_of_arrow(base.table(f'"{t}"').to_arrow_table(), t) for t in found]


def _of_parquet(content: bytes, name: str) -> Table:
    with _reading(name, "a parquet file"):
        parquet = pyarrow.parquet.ParquetFile(pa.py_buffer(content))
        if parquet.metadata.num_rows > MAX_ROWS:
            raise CorpusError(f"{name}: more than {MAX_ROWS:,} rows")
        return _of_arrow(parquet.read(), name)


def _of_arrow(table: pa.Table, name: str) -> Table:
    """Return an Arrow table with all of its values as texts; its first row counts as the second."""
    texts = [_texts(column) for column in table.columns]
    data = pa.table(texts, names=table.column_names)
    return Table(shown(name), data, np.arange(2, len(data) + 2))


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind) or pa.types.is_union(kind):
        encode = msgspec.json.Encoder(enc_hook=str).encode
        values = (None if one is None else encode(one).decode() for one in column.to_pylist())
        return pa.chunked_array([pa.array(values, TEXT)])
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    text = column.cast(TEXT)
    text.validate(full=True)  # a file may claim that bytes are UTF-8
    return text


def _of_workbook(content: bytes, name: str) -> list[Table]:
    with _reading(name, "an Excel workbook", package="openpyxl"):
        sheets = pd.read_excel(
            io.BytesIO(content), sheet_name=None, dtype="str", keep_default_na=False
        )
    return [Table.of_texts(title, one, first=2) for title, one in sheets.items() if len(one)]


def _of_graphml(content: bytes, name: str) -> list[Table]:
    with _reading(name, "GraphML", package="networkx"):
        import networkx

        graph = networkx.read_graphml(io.BytesIO(content))
    nodes = [{"id": node, **about} for node, about in graph.nodes(data=True)]
    edges = [{"source": one, "target": other} for one, other in graph.edges()]
    return [_of_records("nodes", nodes), _of_records("edges", edges)]


# JSON


def _of_json(content: bytes, name: str) -> Iterator[Table]:
    """Yield the tables of JSON: of one array or object, or of objects one a line."""
    content, lines, log = content.removeprefix(b"\xef\xbb\xbf"), [], ProblemLog(name)
    try:
        value = decode_json(content)
    except ValueError as whole:
        value = []
        for number, line in enumerate(content.split(b"\n"), start=1):
            try:
                if line.strip() and isinstance(record := decode_json(line), dict):
                    value.append(record)
                    lines.append(number)
            except ValueError as error:
                what = f"not a JSON object: {error}"
                log.set_aside(Problem(name, number, "", what, "not_json"))
        if log.n_set_aside > len(value):
            raise CorpusError(f"{name}: not JSON: {whole}") from None
    found = list(_lists_of_records(value, ""))
    if not found:
        raise NoTable(f"{name}: JSON without a list of objects, so without films")
    for path, records in found:
        table = _of_records(path or name, records)
        if lines:
            table.lines, table.log = np.array(lines), log
        yield table


def _lists_of_records(value: object, path: str) -> Iterator[tuple[str, list[dict]]]:
    """Yield the lists of objects in a value, and their paths."""
    if isinstance(value, list):
        if records := [one for one in value if isinstance(one, dict)]:
            yield path, records
    elif isinstance(value, dict) and value and path.count(".") < MAX_DEPTH:
        inner = list(value.values())
        if _is_titled(value) and not all(isinstance(one, dict) for one in inner):
            yield path, [value]
        elif isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
            keys, rows = [str(key) for key in value["columns"]], value["data"]
            yield path, [dict(zip(keys, row, strict=False)) for row in rows]
        elif all(isinstance(one, dict) for one in inner) and _is_titled(inner[0]):
            yield path, [{"id": key, **one} for key, one in value.items()]
        elif all(isinstance(one, dict) for one in inner) and _is_titled(value):
            keys = dict.fromkeys(key for one in inner for key in one)
            yield path, [{name: value[name].get(key) for name in value} for key in keys]
        else:
            for key, one in value.items():
                yield from _lists_of_records(one, f"{path}.{key}" if path else key)


def _is_titled(record: dict) -> bool:
    return not {"title", "name", "film"}.isdisjoint(map(plain, record))


def _of_records(name: str, records: Sequence[dict]) -> Table:
    flat = [dict(_fields(record, "")) for record in records]
    keys = dict.fromkeys(key for one in flat for key in one)
    columns = {key: [one.get(key) for one in flat] for key in keys}
    return Table.of_texts(name, columns, records=records)


def _fields(record: dict, path: str) -> Iterator[tuple[str, str | None]]:
    """Yield the fields of an object as texts, those of objects within it by their paths."""
    for key, value in record.items():
        if isinstance(value, dict) and path.count(".") < MAX_DEPTH:
            yield from _fields(value, f"{path}{key}.")
        elif isinstance(value, dict | list):
            yield f"{path}{key}", msgspec.json.encode(value).decode()
        else:
            yield f"{path}{key}", as_text(value)
