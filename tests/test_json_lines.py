"""JSON lines: each line is judged by itself, whatever surrounds it."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imdbclust.films import json_lines as jsonlines
from imdbclust.films.json_lines import MovieColumns, MovieLines, encode_movie
from imdbclust.films.problems import ProblemLog

CASTS = [[("n1", "Ada"), ("n2", "B\tc")], [], [("n1", "Ada"), ("n3", "Élise"), ("n1", "Ada")]]
LINES = [
    encode_movie("m1", "One", ["Drama"], CASTS[0], year=1931, rating=6.5, votes=10),
    encode_movie("m2", "Zw\u00f6lf {2}, [3]", ["Drama", "War"], CASTS[1], year=None),
    encode_movie("m3", 'A "title": \\', [], CASTS[2], year=1999, votes=3),
    b'{"imdb_id": "m4", "title": "\\u00c9", "genres": [], "actors": [], "year": null, '
    b'"more": [{}]}\n',
]
GOOD = b"".join(LINES).removesuffix(b"\n")

PIECES = [
    *(
        b"null",
        b"{}",
        b"[]",
        b"[null]",
        b'["a"]',
        b'["a","b","c"]',
        b'""',
        b"true",
        b"NaN",
        b"1e400",
    ),
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\r", b"\t", b"\0", b"\xff"),
    *(b"-0", b"1.0", b"007", b"9" * 30, b"\\u0000", b"\\ud83d", b"\\udc00", b"\xed\xa0\x80", b"//"),
    *(b'"title":"again",', b'"titl\\u0065":"again",', b'"year":1,', b'"rating":{"avg":-1},'),
]


def read(lines, problem_log):
    """Return everything that reading some lines gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonlines, "_lines", lambda _: iter(lines))
        reader = MovieLines(None, problem_log)
        columns = MovieColumns.joined([MovieColumns.of_rows([]), *reader])
    values = {name: column.to_pylist() for name, column in columns._asdict().items()}
    problems = [(one.line, one.field, one.problem, one.kind) for one in problem_log.problems]
    return values, problems, problem_log.lines, reader.n_records, reader.n_blank


def lines_of(block):
    return block.removesuffix(b"\n").split(b"\n")


def test_lines_without_fault_are_all_read():
    for block in (GOOD, GOOD + b"\n", GOOD.replace(b"\n", b"\r\n")):
        log = ProblemLog("films")
        _, problems, lines, *counts = read(lines_of(block), log)
        assert (problems, lines, counts) == ([], {"m1": 1, "m2": 2, "m3": 3, "m4": 4}, [4, 0])


@st.composite
def damaged(draw):
    """Return lines with a few small changes."""
    lines = [LINES[at] for at in draw(st.lists(st.integers(0, len(LINES) - 1), max_size=4))]
    block = b"".join(lines).removesuffix(b"\n")
    for _ in range(draw(st.integers(0, 3))):
        at, length = draw(st.integers(0, len(block))), draw(st.integers(0, 12))
        block = block[:at] + draw(st.sampled_from([b"", *PIECES])) + block[at + length :]
    return block


@settings(max_examples=400, deadline=None)
@given(block=damaged())
@example(block=GOOD)
@example(block=LINES[0] + LINES[1] + LINES[0].removesuffix(b"\n"))
@example(block=GOOD.replace(b"\n", b" null\n"))
@example(block=GOOD.replace(b"\n", b""))
@example(block=GOOD.replace(b"6.5", b"NaN"))
@example(block=GOOD.replace(b'"more": [', b'"more": [' + b"[" * 5000 + b"]" * 5000 + b","))
@example(block=GOOD.replace(b"[{}]", b"9" * 5000))
def test_the_verdict_on_a_line_does_not_depend_on_other_lines(block):
    values, problems, found, n_records, n_blank = read(lines_of(block), ProblemLog("films"))
    alone = {}
    for number, line in enumerate(lines_of(block), start=1):
        alone[number] = read([line], ProblemLog("films"))
    first = {}
    for number, (_, _, lines, *_) in alone.items():
        for movie_id in lines:
            first.setdefault(movie_id, number)
    assert found == first
    kept = [alone[number][0] for number in first.values()]
    for name in values.keys() - {"lines"}:
        assert repr(values[name]) == repr([value for one in kept for value in one[name]])
    duplicates = {number for number, one in alone.items() if one[2]} - set(first.values())
    expected = {number: one[1][0][1:] for number, one in alone.items() if one[1]}
    assert {line: rest for line, *rest in problems if rest[2] != "repeated_movie"} == {
        number: list(rest) for number, rest in expected.items()
    }
    assert {line for line, *rest in problems if rest[2] == "repeated_movie"} == duplicates
    assert n_records == sum(one[3] for one in alone.values())
    assert n_blank == sum(one[4] for one in alone.values())


def test_columns_are_the_same_however_many_rows_are_converted_together(monkeypatch):
    whole = read(lines_of(GOOD), ProblemLog("films"))
    monkeypatch.setattr(jsonlines, "ROWS_TOGETHER", 3)
    assert read(lines_of(GOOD), ProblemLog("films")) == whole


@pytest.mark.parametrize("value", [b"null", b"1", b'"text"', b"[]", b"true", b'{"title": null}'])
@pytest.mark.parametrize("where", ["alone", "before", "after", "in the same line", "between"])
def test_values_that_are_no_movie_crash_nothing(value, where):
    block = {
        "alone": value,
        "before": value + b"\n" + GOOD,
        "after": GOOD + b"\n" + value,
        "in the same line": GOOD + b" " + value,
        "between": LINES[0] + value + b"\n" + LINES[1].removesuffix(b"\n"),
    }[where]
    problem_log = ProblemLog("films")
    read(lines_of(block), problem_log)
    assert problem_log.n_set_aside == 1


@pytest.mark.parametrize("colon", [b":", b" :", b" : "])
def test_a_repeated_key_is_noticed_however_it_is_written(colon):
    twice = b'{"imdb_id":"a","imdb_id"%b"b","title":"t","genres":[],"actors":[]}' % colon
    for line in (twice, twice.replace(b'"imdb_id":"a"', b'"imdb\\u005fid":"a"')):
        problem_log = ProblemLog("films")
        read([line], problem_log)
        assert [problem.kind for problem in problem_log.problems] == ["repeated_key"]


def test_numbers_without_end_are_read_past():
    line = json.dumps(json.loads(LINES[2]) | {"more": 1}).encode()
    problem_log = ProblemLog("films")
    read([line.replace(b'"more": 1', b'"more": ' + b"1" * 10_000)], problem_log)
    assert problem_log.lines == {"m3": 1}


def test_movies_become_flat_columns():
    problem_log = ProblemLog("films")
    values = read(lines_of(GOOD), problem_log)[0]
    assert values["movie_ids"] == ["m1", "m2", "m3", "m4"]
    assert values["cast_sizes"] == [2, 0, 3, 0]
    assert values["genre_sizes"] == [1, 2, 0, 0]
    assert values["actor_ids"] == ["n1", "n2", "n1", "n3", "n1"]
    assert values["years"] == [1931, None, 1999, None]
    assert values["ratings"] == [6.5, None, None, None]
    assert values["votes"] == [10, None, 3, None]
    assert values["lines"] == [1, 2, 3, 4]
