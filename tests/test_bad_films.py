"""Bad films of every kind: each gets a sentence, a place and its exit code, never a traceback."""

import gzip
import json
import os
import re
import socket
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imdbclust.base.errors import UserError
from imdbclust.commands.cli import main
from imdbclust.datasets.find import find_dataset
from imdbclust.films import json_lines as jsonlines
from imdbclust.films import opening as files
from imdbclust.films.problems import CorpusError

GOOD = {
    "imdb_id": "tt1",
    "title": "A Quiet Harbour",
    "genres": ["Drama"],
    "actors": [["nm1", "Ada"]],
    "year": 2001,
    "rating": {"avg": 6.5, "votes": 12},
}


def film(**changes):
    return json.dumps({**GOOD, "imdb_id": "tt2", **changes}, ensure_ascii=False).encode()


def with_text(text):
    """Return a record into which a text was put as it is, after its id."""
    return b'{"imdb_id": "tt2", ' + text + b"}"


def rest(*keys):
    return ", ".join(f"{json.dumps(key)}: {json.dumps(GOOD[key])}" for key in keys).encode()


GOOD_LINE = json.dumps(GOOD).encode()
REST = rest("title", "genres", "actors")

BAD_RECORDS = {
    # line 2, between two good lines: field, message, kind
    "truncated": (b'{"imdb_id": "tt2", ', "", "not a JSON object", "not_json"),
    "prose": (b"once upon a time", "", "not a JSON object", "not_json"),
    "two on a line": (film() + film(imdb_id="tt3"), "", "trailing characters", "not_json"),
    "CR alone": (film() + b"\r" + film(imdb_id="tt3"), "", "CR alone", "not_json"),
    "comma at the end": (film()[:-1] + b",}", "", "trailing comma", "not_json"),
    "comment": (film() + b" // new", "", "not a JSON object", "not_json"),
    "single quotes": (b"{'imdb_id': 'tt2'}", "", "not a JSON object", "not_json"),
    "NUL": (b"\0" * 40, "", "not a JSON object", "not_json"),
    "NUL in a title": (with_text(b'"title": "a\0b"'), "", "invalid character", "not_json"),
    "control character": (with_text(b'"title": "a\x07b"'), "", "invalid", "not_json"),
    "Latin-1": (film(title="Caf?").replace(b"?", b"\xe9"), "", "not UTF-8", "not_utf8"),
    "lone surrogate": (with_text(b'"title": "\\ud800"'), "", "surrogate", "not_json"),
    "half a surrogate": (with_text(b'"title": "\\udc00 x"'), "", "surrogate", "not_json"),
    "deep": (b'{"a":' * 100_000, "", "nested too deeply", "too_deep"),
    "deep and whole": (
        with_text(REST + b', "x": ' + b"[" * 9_999 + b"]" * 9_999),
        "",
        "nested",
        "too_deep",
    ),
    "number": (b"7", "", "expected object, got int", "wrong_type"),
    "true": (b"true", "", "expected object, got bool", "wrong_type"),
    "null": (b"null", "", "expected object, got null", "wrong_type"),
    "text": (b'"tt2"', "", "expected object, got str", "wrong_type"),
    "array": (b"[]", "", "expected object, got array", "wrong_type"),
    "key twice": (with_text(REST + b', "title": "B"'), "title", "duplicate key", "repeated_key"),
    "id twice": (
        with_text(REST + b', "imdb_id": "tt3"'),
        "imdb_id",
        "duplicate key",
        "repeated_key",
    ),
    "key twice in a rating": (
        with_text(REST + b', "year": 1999, "rating": {"avg": 1, "avg": 2, "votes": 3}'),
        "avg",
        "duplicate key",
        "repeated_key",
    ),
    "no id": (b"{" + REST + b"}", "imdb_id", "missing", "missing"),
    "no title": (with_text(rest("genres", "actors")), "title", "missing", "missing"),
    "no genres": (with_text(rest("title", "actors")), "genres", "missing", "missing"),
    "no actors": (with_text(rest("title", "genres")), "actors", "missing", "missing"),
    "id null": (film(imdb_id=None), "imdb_id", "got null", "wrong_type"),
    "id empty": (film(imdb_id=""), "imdb_id", "length >= 1", "empty"),
    "id endless": (film(imdb_id="t" * 11_000), "imdb_id", "length <= 10000", "too_long"),
    "id there before": (
        film(imdb_id="tt1"),
        "imdb_id",
        "'tt1' is a duplicate of line 1",
        "repeated_movie",
    ),
    "id with a tab": (film(imdb_id="tt\t2"), "imdb_id", "control", "control_character"),
    "id with a NUL": (film(imdb_id="tt\0"), "imdb_id", "control", "control_character"),
    "id with a newline": (film(imdb_id="tt2\n"), "imdb_id", "control", "control_character"),
    "title null": (film(title=None), "title", "expected str, got null", "wrong_type"),
    "title an array": (film(title=["A"]), "title", "expected str, got array", "wrong_type"),
    "title empty": (film(title=""), "title", "length >= 1", "empty"),
    "title of a megabyte": (film(title="x" * 2**20), "title", "<= 10000", "too_long"),
    "genres an object": (film(genres={"a": 1}), "genres", "got object", "wrong_type"),
    "actors an object": (film(actors={"nm1": "A"}), "actors", "got object", "wrong_type"),
    "actors a text": (film(actors="Ada"), "actors", "got str", "wrong_type"),
    "actors objects": (film(actors=[{"id": 1}]), "actors[0]", "got object", "wrong_type"),
    "actor null": (film(actors=[["n", "A"], None]), "actors[1]", "got null", "wrong_type"),
    "actor of one": (film(actors=[["nm1"]]), "actors[0]", "length 2", "wrong_type"),
    "actor of three": (film(actors=[["n", "A", "B"]]), "actors[0]", "length 2", "wrong_type"),
    "actor nested": (film(actors=[[["n", "A"], "B"]]), "actors[0][0]", "got array", "wrong_type"),
    "actor id empty": (film(actors=[["", "A"]]), "actors[0][0]", "length >= 1", "empty"),
    "actor id with CR": (
        film(actors=[["n\r", "A"]]),
        "actors[0][0]",
        "control",
        "control_character",
    ),
    "name null": (film(actors=[["n", None]]), "actors[0][1]", "got null", "wrong_type"),
    "name empty": (film(actors=[["n", ""]]), "actors[0][1]", "length >= 1", "empty"),
}

READ = {
    # records of other types after a good line: kinds of what is reported, and what is read
    "NaN": (with_text(REST + b', "rating": {"avg": NaN}'), [], {"rating": None}),
    "Infinity": (
        with_text(REST + b', "rating": {"avg": Infinity}'),
        [],
        {"rating": None},
    ),
    "id a number": (film(imdb_id=2), [], {"movie_id": "2"}),
    "title a number": (film(title=1917), [], {"title": "1917"}),
    "genres a text": (film(genres="Drama, War"), [], {"genres": ["Drama", "War"]}),
    "genres null": (film(genres=None), [], {"genres": []}),
    "genre a number": (film(genres=["War", 1]), [], {"genres": ["War", "1"]}),
    "genre null": (film(genres=[None]), [], {"genres": []}),
    "actors null": (film(actors=None), [], {"cast": []}),
    "actors texts": (film(actors=["Eda"]), ["names_for_ids"], {"cast": [["Eda", "Eda"]]}),
    "actors objects": (film(actors=[{"id": 5, "name": "E"}]), [], {"cast": [["5", "E"]]}),
    "actor id a number": (film(actors=[[1, "A"]]), [], {"cast": [["1", "A"]]}),
    "name a number": (film(actors=[["n", 5]]), [], {"cast": [["n", "5"]]}),
    "year a text": (film(year="1999"), [], {"year": 1999}),
    "year a float": (film(year=1999.0), [], {"year": 1999}),
    "year broken": (film(year=1999.5), ["unreadable_year"], {"year": None}),
    "year true": (film(year=True), ["unreadable_year"], {"year": None}),
    "year zero": (film(year=0), ["unreadable_year"], {"year": None}),
    "year negative": (film(year=-5), ["unreadable_year"], {"year": None}),
    "year far": (film(year=99_999), ["unreadable_year"], {"year": None}),
    "year of 5,000 digits": (
        with_text(REST + b', "year": ' + b"9" * 5_000),
        ["unreadable_year"],
        {"year": None},
    ),
    "rating a number": (film(rating=6.5), [], {"rating": 6.5, "votes": None}),
    "rating an array": (film(rating=[6, 5]), ["unreadable_rating"], {"rating": None}),
    "mean a text": (film(rating={"avg": "6,5"}), [], {"rating": 6.5}),
    "mean true": (film(rating={"avg": True}), ["unreadable_rating"], {"rating": None}),
    "mean too high": (film(rating={"avg": 10.1}), ["unreadable_rating"], {"rating": None}),
    "mean beyond floats": (
        with_text(REST + b', "rating": {"avg": 1e999}'),
        ["unreadable_rating"],
        {"rating": None},
    ),
    "votes negative": (film(rating={"votes": -1}), ["unreadable_votes"], {"votes": None}),
    "votes broken": (film(rating={"votes": 1.5}), ["unreadable_votes"], {"votes": None}),
    "votes a text": (film(rating={"votes": "1e3"}), ["unreadable_votes"], {"votes": None}),
    "votes beyond all": (film(rating={"votes": 2**63}), ["unreadable_votes"], {"votes": None}),
}

LISTED = {
    # valid records after a good line: message about line 2, kind
    "actor twice": (
        film(actors=[["n", "A"], ["n", "A"]]),
        "actors[1]",
        "duplicate actor 'n'",
        "repeated_credits",
    ),
    "genre twice": (
        film(genres=["War", "War"]),
        "genres[1]",
        "duplicate genre 'War'",
        "repeated_genres",
    ),
    "no genre": (film(genres=["\\N"]), "genres[0]", "is not a genre", "empty_genres"),
    "genre empty": (film(genres=["War", ""]), "genres[1]", "'' is not a genre", "empty_genres"),
    "other name": (film(actors=[["nm1", "Eda"]]), "actors[0]", "'Ada', which stays", "other_names"),
    "id of another case": (film(imdb_id="TT1"), "imdb_id", "nearly 'tt1'", "ids_alike"),
    "id with a space": (film(imdb_id="tt1 "), "imdb_id", "nearly 'tt1'", "ids_alike"),
    "id beginning with a space": (film(imdb_id=" tt2"), "imdb_id", "spaces around", "odd_ids"),
    "id with an unseen sign": (
        film(imdb_id="tt2\u200b"),
        "imdb_id",
        "invisible characters",
        "odd_ids",
    ),
    "id of wide letters": (film(imdb_id="ｔｔ１"), "imdb_id", "nearly 'tt1'", "ids_alike"),
    "actor of another case": (film(actors=[["NM1", "Ada"]]), "actors", "nearly 'nm1'", "ids_alike"),
    "actor decomposed": (
        film(actors=[["é", "E"], [unicodedata.normalize("NFD", "é"), "E"]]),
        "actors",
        "nearly 'é'",
        "ids_alike",
    ),
}

FINE = {
    "many actors": film(actors=[[f"n{n}", "A"] for n in range(10_000)]),
    "no cast": film(actors=[]),
    "no genres": film(genres=[]),
    "title NA": film(title="NA"),
    "title of markup": film(title="<script>alert(1)</script> $x^$ =1+1"),
    "title with a newline": film(title="Two\nlines"),
    "title that reads the other way": film(title="\u202egnirts"),
    "title with a line separator": film(title="a\u2028b\x85c"),
    "more fields": film(plot={"title": "imdb_id", "deep": [{"year": 1}]}),
    "a title like a key": film(title='"title": "year":'),
    "year null": film(year=None),
    "rating empty": film(rating={}),
    "year 1.0 as an integer": film(year=1),
    "carriage return at the end": film() + b"\r",
}

MB = 10**6

REFUSED = {
    # whole files: message
    "empty": (b"", "it is empty"),
    "blank lines": (b"\n \r\n\t\n", "it is empty"),
    "only a mark": (b"\xef\xbb\xbf", "it is empty"),
    "empty gzip": (gzip.compress(b""), "it is empty"),
    "UTF-16": (GOOD_LINE.decode().encode("utf-16"), "UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": (GOOD_LINE.decode().encode("utf-16-le"), "binary data or UTF-16"),
    "UTF-32": (GOOD_LINE.decode().encode("utf-32"), "UTF-16"),
    "binary": (bytes(range(256)) * 9, "binary data"),
    "NULs": (b"\0" * 5_000, "binary data"),
    "zip": (b"PK\x03\x04" + b"x" * 99, "the zip data is damaged"),
    "parquet": (b"PAR1" + b"x" * 99, "a parquet file that cannot be read"),
    "bzip2": (b"BZh91AY&SY", "the bzip2 data is damaged"),
    "xz": (b"\xfd7zXZ\0\0", "the xz data is damaged"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04", "zstd; unpack it"),
    "PDF": (b"%PDF-1.4\n", "a PDF"),
    "HTML": (b"\n <html>404</html>".lstrip(b"\n"), "HTML"),
    "JSON of texts": (b'["tt1", "tt2"]', "without a list of objects"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid 1\n", "git lfs pull"),
    "gzip cut": (gzip.compress(GOOD_LINE * 99)[:-12], "gzip data is damaged"),
    "gzip of two bytes": (b"\x1f\x8b", "gzip data is damaged"),
    "gzip of rubbish": (b"\x1f\x8b" + b"rubbish" * 9, "gzip data is damaged"),
    "gzip with a wrong sum": (gzip.compress(GOOD_LINE)[:-8] + b"\0" * 8, "gzip data is damaged"),
    "gzip with a tail": (gzip.compress(GOOD_LINE) + b"tail", "gzip data is damaged"),
    "gzip in gzip": (gzip.compress(gzip.compress(GOOD_LINE)), "none of|binary data"),
    "only bad records": (b"{}\n7\n", "none of its 2 records can be used"),
    "rubbish without end": (b"x\n" * 10_001, "none of the first 10,000 records can be used"),
}

TABLES = {
    # tables of credits: exit code, field or nothing, message
    "title NA": (b"title,actor\nNA,null\n", 0, "", ""),
    "zeros at the front": (b"id,title,actor\n007,A,B\n", 0, "", ""),
    "mark": (b"\xef\xbb\xbftitle,actor\nA,B\n", 0, "", ""),
    "Excel in UTF-16": ("title\tactor\r\nÉ\tB\r\n".encode("utf-16"), 0, "", ""),
    "Excel with sep": (b"sep=;\r\ntitle;actor;rating\r\nA;B;7,1\r\n", 0, "", ""),
    "quoted newline": (b'title,actor\n"A\nB",C\n', 0, "", ""),
    "blank lines": (b"title,actor\n\nA,B\n\n", 0, "", ""),
    "no actor": (b"title,actor\nA,\n", 0, "", ""),
    "gzip": (gzip.compress(b"title,actor\nA,B\n"), 0, "", ""),
    "row twice": (b"title,actor\nA,B\nA,B\n", 1, "", "duplicate actor 'B'"),
    "spaces": (b"title,actor\nA, B\n", 1, "actor", "spaces around"),
    "two titles": (b"id,title,actor\n1,A,B\n1,C,D\n", 1, "title", "contradicts 'A'"),
    "two years": (b"title,actor,year,id\nA,B,1999,1\nA,D,2000,1\n", 1, "year", "contradicts 1999"),
    "two names": (b"title,actor_id,actor\nA,1,B\nC,1,D\n", 1, "name", "'B', which stays"),
    "cell missing": (b"title,actor\nA,B\nC\n", 1, "", "1 cells where the header has 2"),
    "cell too many": (b"title,actor\nA,B\nC,D,E\n", 1, "", "3 cells where"),
    "no title": (b"title,actor\nA,B\n,D\n", 1, "title", "missing"),
    "no id": (b"id,title,actor\n1,A,B\n,C,D\n", 1, "id", "missing"),
    "no actor id": (b"title,actor_id,actor\nA,1,B\nC,,D\n", 1, "actor_id", "missing"),
    "year a word": (b"title,actor,year\nA,B,x\nC,D,1999\n", 1, "year", "'x' cannot be read"),
    "year far": (b"title,actor,year\nA,B,19999\nC,D,1999\n", 1, "year", "'19999' cannot be"),
    "rating comma": (b'title,actor,rating\nA,B,"7,1"\nC,D,8\n', 0, "", ""),
    "rating high": (b"title,actor,rating\nA,B,11\nC,D,8\n", 1, "rating", "'11' cannot be read"),
    "votes negative": (b"title,actor,votes\nA,B,-1\nC,D,8\n", 1, "votes", "'-1' cannot be"),
    "NUL": (b"title,actor\n" + b"A,B\n" * 300 + b"C\0,D\n", 1, "title", "control character"),
    "open quote": (b'title,actor\nA,B\nC,"D\nE,F\nG,H\n', 2, "", "csv:3: .*swallows 2 lines"),
    "long cell": (
        b"title,actor\nA,B\nC," + b"x" * 11_000 + b"\n",
        1,
        "actor",
        "longer than 10,000",
    ),
    "empty": (b"", 2, "", "it is empty"),
    "header only": (b"title,actor\n", 2, "", "no row below the header"),
    "one column": (b"title\nA\n", 2, "", "has one column; set --separator"),
    "no such columns": (b"foo,bar\n1,2\n", 2, "", "by --movie-id or --title, .* its columns: foo"),
    "no actors": (b"title,bar\n1,2\n", 2, "", "by --actor-id or --actor; its columns"),
    "columns twice": (b"title,title,actor\n1,2,3\n", 2, "", "duplicate column 'title'"),
    "titles twice beside ids": (
        b"id,title,title,actor\n5,1,2,3\n8,2,2,4\n",
        2,
        "",
        "duplicate column 'title'",
    ),
    "Latin-1": ("title,actor\nCafé,B\n".encode("latin-1"), 0, "", ""),
    "half Latin-1": (
        "title,actor\néé,B\n".encode() + "é,B\n".encode("latin-1"),
        2,
        "",
        "csv:3: the text is not UTF-8.*--encoding",
    ),
    "broken UTF-16": ("title,actor\nA,B\n".encode("utf-16")[:-1], 2, "", "not utf-16|UTF"),
    "workbook": (b"PK\x03\x04" + b"x" * 99, 2, "", "the zip data is damaged"),
    "HTML": (b"<html>", 2, "", "HTML or XML"),
    "binary": (b"\0\1\2" * 99, 2, "", "binary data"),
    "gzip cut": (gzip.compress(b"title,actor\nA,B\n")[:-9], 2, "", "gzip data is damaged"),
}


def test_there_are_enough_bad_files():
    tables = (BAD_RECORDS, READ, LISTED, FINE, REFUSED, TABLES)
    assert sum(map(len, tables)) >= 165


@pytest.fixture
def check(tmp_path, capsys):
    """Check a file and return the exit code and what is said for programs."""

    def run(path, *more):
        capsys.readouterr()
        code = main(["check", str(path), "--json", *more])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        report = json.loads(out)
        assert report["exit_code"] == code
        return code, report

    return run


@pytest.fixture
def say(capsys):
    """Check a file and return what a reader sees of it, which no terminal minds."""

    def run(path):
        capsys.readouterr()
        main(["check", str(path)])
        out, err = capsys.readouterr()
        assert all(c.isprintable() or c == "\n" for c in out + err)
        return out

    return run


@pytest.fixture
def to(tmp_path):
    return tmp_path / "merged.jsonl.gz"


def assert_reported(report, line, field, pattern, kind):
    [entry] = [found for found in report["findings"] if found["kind"] == kind]
    reported = [(e["file"], e["line"], e["field"]) for e in entry["examples"]]
    assert ("films.jsonl", line, field) in reported
    example = entry["examples"][reported.index(("films.jsonl", line, field))]
    assert re.search(re.escape(pattern), example["problem"])


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("line", "field", "says", "kind"), BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_bad_record_is_set_aside_and_the_rest_usable(
    tmp_path, check, to, capsys, line, field, says, kind
):
    last = json.dumps({**GOOD, "imdb_id": "tt9"}).encode()
    path = write(tmp_path / "films.jsonl", b"\n".join([GOOD_LINE, line, last]))
    code, report = check(path)
    assert (code, report["movies"], report["set_aside"], report["records"]) == (1, 2, 1, 3)
    assert_reported(report, 2, field, says, kind)
    assert main(["merge", str(path), "--to", str(to), "--strict"]) == 2
    assert f"films.jsonl:2: {field}".removesuffix(": ") in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["films.jsonl"]


@pytest.mark.parametrize(("line", "kinds", "expected"), READ.values(), ids=READ)
def test_a_record_of_other_types_is_read(tmp_path, check, to, line, kinds, expected):
    path = write(tmp_path / "films.jsonl", GOOD_LINE + b"\n" + line + b"\n")
    code, report = check(path)
    assert (code, report["movies"], report["set_aside"]) == (int(bool(kinds)), 2, 0)
    assert [found["kind"] for found in report["findings"]] == kinds
    assert main(["merge", str(path), "--to", str(to), "--strict", "--accept"]) == 0
    record = json.loads(gzip.decompress(to.read_bytes()).splitlines()[1])
    read = {
        "movie_id": record["imdb_id"],
        "title": record["title"],
        "genres": record["genres"],
        "cast": record["actors"],
        "year": record.get("year"),
        "rating": record["rating"].get("avg"),
        "votes": record["rating"].get("votes"),
    }
    assert read | expected == read


@pytest.mark.parametrize(("line", "field", "says", "kind"), LISTED.values(), ids=LISTED)
def test_what_is_changed_or_doubtful_is_listed(tmp_path, check, line, field, says, kind):
    path = write(tmp_path / "films.jsonl", GOOD_LINE + b"\n" + line + b"\n")
    code, report = check(path)
    assert (code, report["movies"], report["set_aside"]) == (1, 2, 0)
    assert_reported(report, 2, field, says, kind)


@pytest.mark.parametrize("line", FINE.values(), ids=FINE)
def test_what_is_only_unusual_is_clean(tmp_path, check, line):
    code, report = check(write(tmp_path / "films.jsonl", GOOD_LINE + b"\n" + line + b"\n"))
    assert (code, report["movies"], report["findings"]) == (0, 2, [])


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_not_a_corpus_is_unusable(tmp_path, check, to, content, says):
    path = write(tmp_path / "films.jsonl", content)
    code, report = check(path)
    assert (code, report["movies"]) == (2, 0)
    assert "films.jsonl" in report["error"]
    assert re.search(says, report["error"])
    assert main(["merge", str(path), "--to", str(to)]) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["films.jsonl"]


@pytest.mark.parametrize(("content", "code", "field", "says"), TABLES.values(), ids=TABLES)
def test_tables_of_credits_are_checked_alike(tmp_path, check, to, content, code, field, says):
    path = write(
        tmp_path / ("films.csv.gz" if content[:2] == b"\x1f\x8b" else "films.csv"), content
    )
    found, report = check(path)
    assert found == code, report
    if code == 1:
        reported = [e for f in report["findings"] for e in f["examples"] if e["field"] == field]
        assert any(re.search(says, e["problem"]) and e["line"] >= 2 for e in reported), report
    if code == 2:
        assert path.name in report["error"]
        assert re.search(says, report["error"]), report["error"]
    assert main(["import-credits", str(path), "--to", str(to)]) == (2 if code == 2 else 0)
    assert to.exists() == (code < 2)
    assert not list(tmp_path.glob(".*"))


def test_members_of_gzip_one_after_the_other_are_one_file(tmp_path, check):
    members = gzip.compress(GOOD_LINE + b"\n") + gzip.compress(film())
    assert check(write(tmp_path / "films.jsonl.gz", members))[1]["movies"] == 2


def test_a_report_for_readers_lists_kinds_places_and_totals(tmp_path, say):
    twice = film(actors=[["nm1", "Ada"], ["nm1", "Ada"]])
    path = write(tmp_path / "films.jsonl", b"\n".join([GOOD_LINE, twice, b"{}", b"7", b"\x1b[31m"]))
    assert say(path).splitlines() == [
        "doubtful: 3 rows cannot be used, more than the 2 that can",
        "first movies:",
        "  A Quiet Harbour (2001) [Drama; rated 6.5 by 12]: Ada",
        "  A Quiet Harbour (2001) [Drama; rated 6.5 by 12]: Ada",
        "",
        "kind                 effect                 count",
        "missing              set aside                  1",
        "    films.jsonl:3: imdb_id: missing",
        "not json             set aside                  1",
        "    films.jsonl:5: not a JSON object: invalid character (byte 0)",
        "wrong type           set aside                  1",
        "    films.jsonl:4: expected object, got int",
        "repeated credits     changed                    1",
        "    films.jsonl:2: actors[1]: duplicate actor 'nm1'",
        "films.jsonl: 5 records read, 3 set aside: 2 movies, 1 actor, 2 credits",
    ]


@pytest.mark.parametrize("name", ['a "quoted" name.jsonl', "two\nlines.jsonl", "\x1b[31mred.jsonl"])
def test_names_of_files_do_not_reach_the_terminal_as_they_are(tmp_path, say, name):
    assert "1 movie," in say(write(tmp_path / name, GOOD_LINE))
    assert "cannot be used" in say(write(tmp_path / name, b"x"))


def test_names_that_are_not_unicode_are_shown(tmp_path, check):
    path = tmp_path / os.fsdecode(b"\xff.jsonl")
    assert check(write(path, GOOD_LINE))[0] == 0


def test_what_is_not_a_file_is_unusable(tmp_path, check):
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    expected = {
        tmp_path: "no table in this folder",
        tmp_path / "none.jsonl": "no such file",
        tmp_path / "none.csv": "no such file",
        tmp_path / "pipe.jsonl": "this is a pipe",
        tmp_path / "dangling": "no such file",
        tmp_path / "loop": "cannot be read",
        tmp_path / ("x" * 300): "cannot be read",
        tmp_path / "none" / "films.jsonl": "no such file",
        "/dev/null": "a device",
        "/dev/zero": "a device",
        "films\0.jsonl": "cannot be the name of a file",
    }
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(tmp_path)  # the name of a socket may not be long
        listening.bind("socket")
        expected["socket"] = "device or socket"
        for path, says in expected.items():
            code, report = check(path)
            assert (code, says in report["error"]) == (2, True), (path, report)
        for path in expected:
            with pytest.raises(UserError):
                find_dataset(str(path)).read()


def test_a_file_that_may_not_be_read_is_unusable(tmp_path, check):
    path = write(tmp_path / "films.jsonl", GOOD_LINE)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    code, report = check(path)
    assert (code, "cannot be read: Permission denied" in report["error"]) == (2, True)


def test_an_error_of_the_disk_is_reported(tmp_path, check, monkeypatch):
    path = write(tmp_path / "films.jsonl", GOOD_LINE)

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "_check_kind", broken)
    assert check(path)[1]["error"].endswith("cannot be read: Input/output error")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = write(tmp_path / "films.jsonl", GOOD_LINE + b"\n")
    reading = files.open_films(path)
    reading.__enter__().read()
    path.write_bytes(GOOD_LINE * 2)
    with pytest.raises(CorpusError, match="changed while it was read"):
        reading.__exit__(None, None, None)


@pytest.fixture
def small_limits(monkeypatch):
    monkeypatch.setattr(files, "FREE_BYTES", MB)


@pytest.mark.parametrize("name", ["films.jsonl.gz", "films.csv.gz"])
def test_gzip_that_grows_without_measure_is_refused(tmp_path, check, small_limits, name):
    line = b"\n" * (4 * MB) if "jsonl" in name else b"title,actor\n" + b"A,B\n" * MB
    path = write(tmp_path / name, gzip.compress(line))
    code, report = check(path)
    assert code == 2
    assert "more than 200 times its size" in report["error"]
    assert files.LIMIT_VARIABLE in report["error"]


def test_the_limit_on_growing_can_be_raised(tmp_path, check, small_limits, monkeypatch):
    path = write(tmp_path / "films.jsonl.gz", gzip.compress(GOOD_LINE + b"\n" * (2 * MB)))
    assert check(path)[0] == 2
    monkeypatch.setenv(files.LIMIT_VARIABLE, "2000")
    assert check(path)[0] == 0
    monkeypatch.setenv(files.LIMIT_VARIABLE, "plenty")
    assert "must be a positive number" in check(path)[1]["error"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_line_without_end_is_refused(tmp_path, check, monkeypatch, pack):
    monkeypatch.setattr(jsonlines, "MAX_LINE_BYTES", MB)
    path = write(tmp_path / "films.jsonl", pack(GOOD_LINE + b"\n" + os.urandom(MB).hex().encode()))
    code, report = check(path)
    assert (code, "films.jsonl:2: a line of more than 1MB" in report["error"]) == (2, True)


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path, monkeypatch, capsys):
    path, to = write(tmp_path / "films.jsonl", GOOD_LINE), write(tmp_path / "to.jsonl", b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert main(["merge", str(path), "--to", str(to)]) == 1
    assert "to.jsonl: cannot be written: No space left" in capsys.readouterr().err
    assert to.read_bytes() == b"before"
    assert not list(tmp_path.glob(".*"))


# Anything


QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from([*GOOD, "plot"])


@st.composite
def mutated(draw, content):
    """Return some bytes with a few cut out, changed or put in."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        end = place + draw(st.integers(0, 6))
        content[place:end] = draw(st.binary(max_size=6))
    return bytes(content)


FILM_LINES = b"\n".join(
    film(imdb_id=f"tt{n}", actors=[["n1", "A"], [f"n{n}", "B"]]) for n in range(4)
)
CELLS = b'movie_id,title,actor,genres,year\n1,A,B,Drama|War,1999\n1,A,"C\nD",,\n2,NA,B,War,2000\n'


def assert_checked(tmp_path, check, name, content):
    """Check some content: the code fits what is reported, and what is usable can be written."""
    path, to = write(tmp_path / name, content), tmp_path / "to.jsonl"
    code, report = check(path)
    assert code in (0, 1, 2)
    assert (code == 2) == bool(report["error"]) == (report["movies"] == 0)
    assert (code == 0) <= (report["findings"] == [])
    to.unlink(missing_ok=True)
    call = ["merge", str(path), "--to", str(to), "--accept"]
    assert main(call) == (2 if code == 2 else 0)
    if code < 2:
        again, second = check(to)
        assert again < 2
        assert {k: second[k] for k in ("movies", "actors", "credits", "set_aside")} == {
            k: report[k] for k in ("movies", "actors", "credits")
        } | {"set_aside": 0}
    assert to.exists() == (code < 2)


@QUICK
@given(
    content=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))
)
@pytest.mark.parametrize("name", ["films.jsonl", "films.csv", "films.parquet"])
def test_any_bytes(tmp_path, check, name, content):
    assert_checked(tmp_path, check, name, content)


@QUICK
@given(
    records=st.lists(
        JSON
        | st.dictionaries(KEYS, JSON)
        | st.tuples(KEYS, JSON).map(lambda c: {**GOOD, c[0]: c[1]}),
        max_size=4,
    )
)
def test_any_json(tmp_path, check, records):
    lines = "\n".join(map(json.dumps, records)).encode()
    assert_checked(tmp_path, check, "films.jsonl", lines)


@QUICK
@given(content=mutated(FILM_LINES) | mutated(gzip.compress(FILM_LINES, mtime=0)))
def test_any_damage_to_films(tmp_path, check, content):
    assert_checked(tmp_path, check, "films.jsonl", content)


@QUICK
@given(content=mutated(CELLS) | mutated(gzip.compress(CELLS, mtime=0)))
def test_any_damage_to_a_table(tmp_path, check, content):
    assert_checked(tmp_path, check, "films.csv", content)
