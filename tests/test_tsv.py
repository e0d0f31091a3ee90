"""Tab-separated text without quoting: lines are read as they stand, or set aside by number."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdbclust.datasets import tsv
from imdbclust.datasets.tsv import TsvFile
from imdbclust.load import CorpusError

HEADER = b"tconst\ttitle\tyear\n"


@pytest.fixture
def read(tmp_path):
    """Write bytes into a file; return it, read, and its rows (title, line)."""

    def read_file(content, columns=("tconst", "title", "year"), name="films.tsv"):
        path = tmp_path / name
        path.write_bytes(content)
        file = TsvFile(path, columns)
        return file, [row for batch in file.batches() for row in batch.to_pylist()]

    return read_file


@pytest.mark.parametrize(
    "title",
    [
        '"Swing it" magistern', '"open', 'closed"', "'", "NA", "null", "nan", "NULL", "N", "\\\\N",
        " spaces ", "a\\tb", "# no comment", "=1+1", "1917", "true", "\u2028", "\x85", "\x0b", "",
        "\ufeff",
    ],
)  # fmt: skip
def test_a_title_stays_as_it_stands(read, title):
    _, rows = read(HEADER + f"tt1\t{title}\t1999\ntt2\tNext\t2000\n".encode())
    assert [row["title"] for row in rows] == [title, "Next"]


def test_only_one_text_is_the_null(read):
    _, rows = read(HEADER + b"tt1\t\\N\t\\N\n")
    assert rows == [{"tconst": "tt1", "title": None, "year": None, "line": 2}]


def test_columns_are_found_by_name_and_others_passed_over(read):
    file, rows = read(b"new\tyear\tnew\ttconst\n\xff\t1999\tx\ttt1\n", ("tconst", "year"))
    assert rows == [{"tconst": "tt1", "year": "1999", "line": 2}]
    assert (file.rows, file.set_aside.total()) == (1, 0)


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        (b"tt2\tshort", "", "wrong number of fields: 2, the header has 3"),
        (b"tt2\tlong\t1\t2", "", "wrong number of fields: 4, the header has 3"),
        (b"tt2\tbad \xff\t1999", "title", "not UTF-8"),
        (b"tt2\tlone \r return\t1999", "title", "a carriage return or a NUL"),
        (b"tt2\tnul \0\t1999", "title", "a carriage return or a NUL"),
        (b"", "", "empty line"),
    ],
)
def test_a_bad_line_is_set_aside_with_its_number(read, line, field, reason):
    file, rows = read(HEADER + b"tt1\tA\t1\n" + line + b"\ntt3\tC\t3\n")
    assert [(row["tconst"], row["line"]) for row in rows] == [("tt1", 2), ("tt3", 4)]
    (problem,) = file.problems
    assert (problem.file, problem.line) == ("films.tsv", 3)
    assert (problem.field, problem.problem) == (field, reason)
    assert file.set_aside.total() == 1


def test_what_nobody_reads_does_no_harm(read):
    _, rows = read(HEADER + b"tt1\tbad \xff \0 \r\t1\ntt2\tB\t2\n", ("tconst",))
    assert [(row["tconst"], row["line"]) for row in rows] == [("tt1", 2), ("tt2", 3)]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("zipped", [True, False])
def test_ends_of_lines_marks_and_gzip_make_no_difference(read, end, last, mark, zipped):
    content = mark + end.join([HEADER.strip(), b"tt1\tA\t1", b"tt2\tB\t2"]) + (end if last else b"")
    file, rows = read(gzip.compress(content, mtime=0) if zipped else content)
    assert [list(row.values()) for row in rows] == [["tt1", "A", "1", 2], ["tt2", "B", "2", 3]]
    assert not file.set_aside


def test_several_members_and_zeros_at_the_end_are_gzip(read):
    content = gzip.compress(HEADER, mtime=0) + gzip.compress(b"tt1\tA\t1\n") + b"\0" * 512
    assert len(read(content)[1]) == 1


PACKED = gzip.compress(HEADER + b"tt1\tA\t1\n" * 5000, mtime=0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PACKED[: len(PACKED) // 2], "the gzip data is damaged: .* ended before"),
        (PACKED[:-3], "the gzip data is damaged: .* ended before"),
        (PACKED[:-7] + b"x" + PACKED[-6:], "the gzip data is damaged"),
        (PACKED[:-2] + b"xy", "the gzip data is damaged"),
        (PACKED + b"more", "the gzip data is damaged"),
        (b"", "it is empty"),
        (gzip.compress(b"", mtime=0), "it is empty"),
        (HEADER.decode().encode("utf-16"), "UTF-16"),
        (b"tconst\ttitle\tstartYear\n", "missing column year; its header is: tconst, title"),
        (b"<html>\n", "missing columns tconst, title, year"),
        (b"tconst\ttitle\tyear\tyear\n", "duplicate column year"),
        (HEADER + b"a\tb\na\n", r"no line matches the header: films.tsv:2: wrong number"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(read, content, words):
    with pytest.raises(CorpusError, match=words) as caught:
        read(content)
    assert str(caught.value).startswith("films.tsv")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="no such file"):
        TsvFile(tmp_path / "no.tsv", ["a"]).check_header()
    with pytest.raises(CorpusError, match="this is a folder"):
        TsvFile(tmp_path, ["a"]).check_header()


def test_a_line_without_end_is_given_up(read, monkeypatch):
    monkeypatch.setattr(tsv, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(tsv, "MAX_LINE_BYTES", 2000)
    with pytest.raises(CorpusError, match="a line of more than"):
        read(gzip.compress(HEADER + b"x" * 100_000, mtime=0))


def test_an_engine_that_swallows_errors_can_ask_for_them(read, tmp_path):
    file = TsvFile(tmp_path / "films.tsv", ["a"])
    with pytest.raises(CorpusError):
        read(b"b\n", ("a",))
    with pytest.raises(CorpusError):
        list(file.batches())
    assert "missing column a" in str(file.failure)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(text, min_size=3, max_size=3), min_size=1, max_size=30),
    block=st.integers(1, 200),
)
def test_blocks_of_any_size_give_the_same_lines(tmp_path_factory, rows, block):
    path = tmp_path_factory.getbasetemp() / "blocks.tsv"
    lines = ["\t".join(row) for row in rows]
    path.write_bytes(HEADER + "".join(f"{line}\n" for line in lines).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tsv, "BLOCK_BYTES", block)
        found = [
            row
            for batch in TsvFile(path, ["tconst", "title", "year"]).batches()
            for row in batch.to_pylist()
        ]
    nulled = [[None if field == "\\N" else field for field in row] for row in rows]
    assert [list(row.values()) for row in found] == [
        [*row, line] for line, row in enumerate(nulled, start=2)
    ]
