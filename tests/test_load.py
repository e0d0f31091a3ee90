"""Reading a corpus: every rule, every problem with its place, and nothing lost on the way."""

import gzip
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdbclust import load
from imdbclust.load import Corpus, CorpusError, read_corpus, write_corpus

GOOD = {
    "imdb_id": "tt1",
    "title": "One",
    "genres": ["Drama"],
    "actors": [["nm1", "Ada"], ["nm2", "Bo"]],
    "year": 2001,
    "rating": {"avg": 6.5, "votes": 10},
}


def changed(**fields):
    return {key: value for key, value in (GOOD | fields).items() if value is not ...}


@pytest.fixture
def written(tmp_path):
    """Write lines (objects as JSON, bytes as they are) and return the file."""

    def write(*lines, name="films.jsonl"):
        path = tmp_path / name
        encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        path.write_bytes(b"\n".join(encoded) + b"\n")
        return path

    return write


def same(one: Corpus, other: Corpus) -> None:
    for table in ("movies", "actors", "credits", "genres", "problems"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


def test_tables_stand_in_the_files_order(written):
    second = changed(imdb_id="tt0", title="Two", actors=[["nm9", "Zed"], ["nm1", "Ada"]])
    corpus = read_corpus(written(GOOD, second))
    assert corpus.movies["movie_id"].tolist() == ["tt1", "tt0"]
    assert corpus.actors["actor_id"].tolist() == ["nm1", "nm2", "nm9"]
    assert list(corpus.credits.itertuples(index=False, name=None)) == [
        (0, 0), (0, 1), (1, 2), (1, 0),
    ]  # fmt: skip
    assert (corpus.n_movies, corpus.n_actors, corpus.n_credits) == (2, 3, 4)


def test_gzip_is_recognised_by_its_content(written, tmp_path):
    plain = written(GOOD, changed(imdb_id="tt2"))
    zipped = tmp_path / "other.jsonl"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    same(read_corpus(plain), read_corpus(zipped))


def test_an_actor_listed_twice_counts_once(written):
    corpus = read_corpus(written(changed(actors=[["nm1", "Ada"], ["nm1", "Ada L."]])))
    assert corpus.n_credits == 1
    assert corpus.notes["repeated_credits"] == 1
    assert corpus.notes["other_names"] == 1
    assert corpus.actors["name"].tolist() == ["Ada"]


def test_the_empty_string_and_backslash_n_are_no_genre(written):
    corpus = read_corpus(written(changed(genres=["", "War", "\\N", "War", "Drama"])))
    assert corpus.genres["genre"].tolist() == ["War", "Drama"]
    assert corpus.notes["empty_genres"] == 2
    assert corpus.notes["repeated_genres"] == 1


@pytest.mark.parametrize("rating", [{}, None, {"avg": None, "votes": None}, ...])
def test_an_empty_rating_is_missing_and_never_0(written, rating):
    movies = read_corpus(written(changed(rating=rating))).movies
    assert movies["rating"].isna().all()
    assert movies["votes"].isna().all()


def test_a_movie_without_actors_is_kept(written):
    corpus = read_corpus(written(changed(actors=[]), changed(imdb_id="tt2")))
    assert corpus.cast_sizes().tolist() == [0, 2]


def test_titles_are_text_whatever_they_look_like(written):
    titles = ["NA", "null", "1917", "nan", "Line\u2028break", "=1+1", "Ca$h $$"]
    records = [changed(imdb_id=f"tt{i}", title=title) for i, title in enumerate(titles)]
    assert read_corpus(written(*records)).movies["title"].tolist() == titles


def test_blank_lines_crlf_and_a_byte_order_mark_do_no_harm(written):
    line = json.dumps(GOOD).encode()
    corpus = read_corpus(written(b"\xef\xbb\xbf" + line + b"\r", b"", b"  "))
    assert corpus.n_movies == 1
    assert corpus.notes["blank_lines"] == 2


BAD = [
    (b"nonsense", "", "not a JSON object"),
    (b'{"imdb_id": "tt5"', "", "not a JSON object"),
    (b"5", "", "expected object, got int"),
    (b"null", "", "expected object, got null"),
    (json.dumps(GOOD).encode().replace(b"One", b"\xff\xfe"), "", "not UTF-8"),
    (b'{"x":' + b"[" * 100_000, "", "nested too deeply"),
    (changed(imdb_id=...), "imdb_id", "missing"),
    (changed(title=...), "title", "missing"),
    (changed(genres=...), "genres", "missing"),
    (changed(actors=...), "actors", "missing"),
    (changed(imdb_id=7), "imdb_id", "expected str, got int"),
    (changed(imdb_id=""), "imdb_id", "length >= 1"),
    (changed(title=1917), "title", "expected str, got int"),
    (changed(genres="Drama"), "genres", "expected array, got str"),
    (changed(genres=[1]), "genres[0]", "expected str, got int"),
    (changed(actors={}), "actors", "expected array"),
    (changed(actors=[["nm1", "A"], ["nm2"]]), "actors[1]", "length 2"),
    (changed(actors=[["nm1", None]]), "actors[0][1]", "expected str, got null"),
    (changed(year="1999"), "year", "got str"),
    (changed(year=0), "year", ">= 1"),
    (changed(rating=7), "rating", "got int"),
    (changed(rating={"avg": "7,1"}), "rating.avg", "got str"),
    (changed(rating={"avg": 11}), "rating.avg", "<= 10"),
    (changed(rating={"votes": -1}), "rating.votes", ">= 0"),
    (json.dumps(GOOD).replace("6.5", "NaN").encode(), "", "not a JSON object"),
]


@pytest.mark.parametrize(("line", "field", "pattern"), BAD)
def test_a_bad_record_is_named_by_file_line_and_field(written, line, field, pattern):
    path = written(changed(imdb_id="tt9"), line)
    with pytest.raises(CorpusError) as caught:
        read_corpus(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.field) == ("films.jsonl", 2, field)
    assert pattern in problem.problem
    assert str(problem) in str(caught.value)


def test_skip_sets_bad_records_aside_and_counts_them(written):
    path = written(GOOD, *(line for line, _, _ in BAD), changed(imdb_id="tt2"))
    corpus = read_corpus(path, on_problem="skip")
    assert corpus.movies["movie_id"].tolist() == ["tt1", "tt2"]
    assert corpus.problems["line"].tolist() == list(range(2, len(BAD) + 2))
    assert corpus.notes["records"] == corpus.n_movies + len(corpus.problems)


def test_the_same_id_twice_names_the_line_of_the_first(written):
    with pytest.raises(
        CorpusError, match=r"films.jsonl:2: imdb_id: 'tt1' is there already, in line 1"
    ):
        read_corpus(written(GOOD, changed(title="Other")))


def test_of_many_problems_the_first_are_listed_and_the_rest_counted(written):
    with pytest.raises(CorpusError) as caught:
        read_corpus(written(*[b"x"] * 23))
    text = str(caught.value)
    assert text.startswith("23 bad records:")
    assert "films.jsonl:20:" in text
    assert "films.jsonl:21:" not in text
    assert "and 3 more" in text


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (b"", "no movie in this file: it is empty"),
        (b"\n\n", "no movie in this file: it is empty"),
        (b'[{"imdb_id": "tt1"}]', "a JSON array"),
        (b"<!DOCTYPE html><html>", "looks like HTML"),
        ("\ufeff{}".encode("utf-16-le"), "UTF-16"),
        (gzip.compress(b"{}" * 5000)[:-20], "gzip data is damaged"),
        (gzip.compress(b"{}\n")[:-8] + b"\0" * 8, "gzip data is damaged"),
    ],
)
def test_a_file_that_is_no_corpus_is_refused(tmp_path, content, pattern):
    path = tmp_path / "films.jsonl"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=pattern):
        read_corpus(path, on_problem="skip")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="there is no such file"):
        read_corpus(tmp_path / "none.jsonl")
    with pytest.raises(CorpusError, match="cannot be read"):
        read_corpus(tmp_path)


def test_an_endless_line_is_not_read_to_its_end(written, monkeypatch):
    monkeypatch.setattr(load, "MAX_LINE_BYTES", 100)
    with pytest.raises(CorpusError, match=r"films.jsonl:2: a line of more than"):
        read_corpus(written(b'{"a": 1}', b"x" * 5000), on_problem="skip")


def test_another_on_problem_is_refused(written):
    with pytest.raises(ValueError, match="stop"):
        read_corpus(written(GOOD), on_problem="ignore")


def test_most_frequent_actors_ties_in_order_of_appearance(written):
    records = [
        changed(imdb_id="a", actors=[["x", "X"], ["y", "Y"]]),
        changed(imdb_id="b", actors=[["z", "Z"], ["y", "Y"]]),
        changed(imdb_id="c", actors=[["z", "Z"]]),
    ]
    top = read_corpus(written(*records)).top_actors(2)
    assert top[["actor_id", "n_movies"]].to_numpy().tolist() == [["y", 2], ["z", 2]]


def test_genres_of_each_actor_are_counted(written):
    records = [
        changed(imdb_id="a", genres=["War", "Drama"], actors=[["x", "X"]]),
        changed(imdb_id="b", genres=["War"], actors=[["y", "Y"], ["x", "X"]]),
        changed(imdb_id="c", genres=[], actors=[["y", "Y"]]),
    ]
    counts = read_corpus(written(*records)).actor_genre_counts()
    assert counts[["actor_id", "genre", "n_movies"]].to_numpy().tolist() == [
        ["x", "War", 2], ["x", "Drama", 1], ["y", "War", 1],
    ]  # fmt: skip


def test_an_actor_is_found_by_id_before_name(written):
    record = changed(actors=[["nm1", "Ada"], ["nm2", "Ada"], ["Ada", "Cy"]])
    corpus = read_corpus(written(record))
    assert corpus.find_actor("Ada")["actor_id"].tolist() == ["Ada"]
    assert corpus.find_actor("nm2")["name"].tolist() == ["Ada"]
    assert len(corpus.find_actor("Nobody")) == 0


def test_saved_and_read_back_it_is_the_same(written, tmp_path):
    corpus = read_corpus(written(GOOD, b"x", changed(imdb_id="b", rating={})), on_problem="skip")
    corpus.save(tmp_path)
    same(corpus, Corpus.load(tmp_path))
    assert Corpus.load(tmp_path).notes == corpus.notes


# text as JSON can carry it: no lone surrogates
_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_records = st.lists(
    st.fixed_dictionaries(
        {
            "imdb_id": _text,
            "title": _text,
            "genres": st.lists(_text | st.sampled_from(["", "\\N"]), max_size=3),
            "actors": st.lists(st.tuples(st.sampled_from("abcdé"), _text), max_size=4),
            "rating": st.just({}) | st.fixed_dictionaries({"avg": st.floats(0, 10)}),
        },
        optional={"year": st.integers(1, 9999)},
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda record: record["imdb_id"],
)


@given(_records)
@settings(max_examples=100, deadline=None)
def test_any_corpus_written_and_read_again_is_the_same(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("any")
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    corpus = read_corpus(folder / "a.jsonl")
    listed = sum(len(record["actors"]) for record in records)
    assert listed == corpus.n_credits + corpus.notes["repeated_credits"]
    write_corpus(corpus, folder / "b.jsonl")
    write_corpus(corpus, folder / "b.jsonl.gz")
    again = read_corpus(folder / "b.jsonl")
    same(corpus, again)
    same(corpus, read_corpus(folder / "b.jsonl.gz"))
    write_corpus(again, folder / "c.jsonl.gz")
    assert (folder / "b.jsonl.gz").read_bytes() == (folder / "c.jsonl.gz").read_bytes()
