"""Reading films: what counts, what is a problem, and that what is written reads back equal."""

import gzip
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from corpora import toy_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imdbclust.films import json_lines as jsonlines
from imdbclust.films.json_lines import MovieColumns
from imdbclust.load import Corpus, CorpusBuilder, CorpusError, read_corpus, write_corpus

TABLES = ("movies", "actors", "credits", "genres", "problems")


def movie(movie_id="tt1", title="A Quiet Harbour", genres=("Drama",), actors=(), **more):
    return {"imdb_id": movie_id, "title": title, "genres": genres, "actors": actors, **more}


def without(field):
    return {name: value for name, value in movie("tt2").items() if name != field}


def as_bytes(record):
    return record if isinstance(record, bytes) else json.dumps(record).encode()


def assert_same_tables(one, other):
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


@pytest.fixture
def written(tmp_path):
    """Write records, or lines as they are, into a file and return its path."""

    def write(*records, name="films.jsonl", end=b"\n"):
        path = tmp_path / name
        path.write_bytes(b"".join(as_bytes(record) + end for record in records))
        return path

    return write


# Counting


def test_a_credit_listed_twice_counts_once(written):
    ada, jon = ["nm1", "Ada"], ["nm2", "Jon"]
    corpus = read_corpus(written(movie(actors=[ada, jon, ada, ada])))
    assert corpus.n_credits == 2
    assert corpus.notes["repeated_credits"] == 2


def test_a_genre_listed_twice_counts_once(written):
    corpus = read_corpus(written(movie(genres=["War", "Drama", "War"])))
    assert corpus.genres["genre"].tolist() == ["War", "Drama"]
    assert corpus.notes["repeated_genres"] == 1


@pytest.mark.parametrize("nothing", ["", "\\N"])
def test_a_value_for_no_genre_is_none(written, nothing):
    corpus = read_corpus(written(movie("tt1", genres=[nothing]), movie("tt2")))
    assert corpus.genres["movie"].tolist() == [1]
    assert corpus.genres["genre"].cat.categories.tolist() == ["Drama"]
    assert corpus.notes["empty_genres"] == 1


@pytest.mark.parametrize("more", [{}, {"rating": {}}, {"rating": None}, {"rating": {"avg": None}}])
def test_an_empty_rating_is_missing_not_zero(written, more):
    corpus = read_corpus(written(movie("tt1", **more), movie("tt2", rating={"avg": 0, "votes": 0})))
    assert np.isnan(corpus.movies["rating"][0])
    assert corpus.movies["votes"][0] is pd.NA
    assert corpus.movies.loc[1, ["rating", "votes"]].tolist() == [0.0, 0]


def test_a_mean_of_ratings_leaves_out_the_unrated(written):
    corpus = read_corpus(written(movie("tt1", rating={"avg": 8.0}), movie("tt2", rating={})))
    assert corpus.movies["rating"].mean() == 8.0


def test_votes_may_be_missing_beside_a_mean_and_are_exact_however_many(written):
    rated, voted = {"avg": 7.5}, {"avg": 7.5, "votes": 2**63 - 1}
    corpus = read_corpus(written(movie("tt1", rating=rated), movie("tt2", rating=voted)))
    assert corpus.movies["votes"].tolist() == [pd.NA, 2**63 - 1]


def test_a_missing_year_stays_missing(written):
    corpus = read_corpus(written(movie("tt1"), movie("tt2", year=1931), movie("tt3", year=None)))
    assert corpus.movies["year"].tolist() == [pd.NA, 1931, pd.NA]


def test_a_castless_movie_is_kept(written):
    corpus = read_corpus(written(movie("tt1"), movie("tt2", actors=[["nm1", "Ada"]])))
    assert corpus.movies["movie_id"].tolist() == ["tt1", "tt2"]
    assert corpus.cast_sizes().tolist() == [0, 1]


def test_of_several_names_of_an_actor_the_first_stays(written):
    path = written(
        movie("tt1", actors=[["nm1", "Ada"]]), movie("tt2", actors=[["nm1", "Ada Merrow"]])
    )
    corpus = read_corpus(path)
    assert corpus.actors["name"].tolist() == ["Ada"]
    assert corpus.notes["other_names"] == 1


def test_two_actors_of_one_name_stay_two(written):
    corpus = read_corpus(written(movie(actors=[["nm1", "Ada"], ["nm2", "Ada"]])))
    assert (corpus.n_actors, corpus.n_credits) == (2, 2)


def test_movies_and_actors_keep_the_order_of_the_file(written):
    one, two, three = ["nm9", "C"], ["nm1", "B"], ["nm5", "A"]
    path = written(movie("tt9", actors=[one, two]), movie("tt1", actors=[three, one]))
    corpus = read_corpus(path)
    assert corpus.movies["movie_id"].tolist() == ["tt9", "tt1"]
    assert corpus.actors["actor_id"].tolist() == ["nm9", "nm1", "nm5"]
    assert corpus.credits.to_numpy().tolist() == [[0, 0], [0, 1], [1, 2], [1, 0]]


@pytest.mark.parametrize("title", ["NA", "null", "None", "nan", "1917", " ", "Æon Ωmega 電影"])
def test_titles_stay_the_text_they_are(written, title):
    corpus = read_corpus(written(movie(title=title)))
    assert corpus.movies["title"].tolist() == [title]
    assert not corpus.movies["title"].isna().any()


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085"])
def test_only_newlines_part_lines(written, separator):
    record = movie(title=f"Rain{separator}Again")
    corpus = read_corpus(written(json.dumps(record, ensure_ascii=False).encode()))
    assert corpus.movies["title"].tolist() == [f"Rain{separator}Again"]


def test_fields_nobody_asked_for_are_ignored(written):
    assert read_corpus(written(movie(plot={"long": ["story"]}))).n_movies == 1


# Problems with records

BAD_LINES = {
    "truncated": (b'{"imdb_id": "tt2", ', "", "not a JSON object"),
    "prose": (b"once upon a time", "", "not a JSON object"),
    "two objects": (as_bytes(movie("tt2")) * 2, "", "not a JSON object"),
    "lone surrogate": (as_bytes(movie("tt2", "\ud800")), "", "not a JSON object.*surrogate"),
    "not UTF-8": (as_bytes(movie("tt2", "?")).replace(b"?", b"\xff"), "", "not UTF-8"),
    "endlessly nested": (b'{"a":' * 100_000, "", "nested too deeply"),
    "NaN": (b'{"imdb_id": "tt2", "rating": {"avg": NaN}}', "", "not a JSON object"),
    "array": (b"[1, 2]", "", "expected object, got array"),
    "number": (b"7", "", "expected object, got int"),
    "null": (b"null", "", "expected object, got null"),
    "id missing": (without("imdb_id"), "imdb_id", "^missing$"),
    "title missing": (without("title"), "title", "^missing$"),
    "genres missing": (without("genres"), "genres", "^missing$"),
    "actors missing": (without("actors"), "actors", "^missing$"),
    "id number": (movie(2), "imdb_id", "expected str, got int"),
    "id empty": (movie(""), "imdb_id", "length >= 1"),
    "id repeated": (movie("tt1"), "imdb_id", "'tt1' is a duplicate of line 1"),
    "title null": (movie("tt2", None), "title", "expected str, got null"),
    "title number": (movie("tt2", 1917), "title", "expected str, got int"),
    "genres text": (movie("tt2", genres="Drama"), "genres", "expected array, got str"),
    "genre null": (movie("tt2", genres=["War", None]), "genres[1]", "expected str, got null"),
    "actors object": (movie("tt2", actors={}), "actors", "expected array, got object"),
    "actor text": (movie("tt2", actors=["Ada"]), "actors[0]", "expected array, got str"),
    "actor alone": (movie("tt2", actors=[["nm1"]]), "actors[0]", "length 2"),
    "actor of three": (movie("tt2", actors=[["nm1", "A", "B"]]), "actors[0]", "length 2"),
    "name number": (
        movie("tt2", actors=[["nm1", "A"], ["nm2", 5]]),
        "actors[1][1]",
        "expected str, got int",
    ),
    "actor id null": (movie("tt2", actors=[[None, "A"]]), "actors[0][0]", "expected str, got null"),
    "actor id empty": (movie("tt2", actors=[["", "A"]]), "actors[0][0]", "length >= 1"),
    "year text": (movie("tt2", year="1999"), "year", "expected int.*got str"),
    "year broken": (movie("tt2", year=1999.5), "year", "expected int.*got float"),
    "year zero": (movie("tt2", year=0), "year", ">= 1"),
    "year far": (movie("tt2", year=10_000), "year", "<= 9999"),
    "rating number": (movie("tt2", rating=6.5), "rating", "expected object.*got float"),
    "mean text": (movie("tt2", rating={"avg": "6"}), "rating.avg", "expected float.*got str"),
    "mean too high": (movie("tt2", rating={"avg": 10.1}), "rating.avg", "<= 10"),
    "votes negative": (movie("tt2", rating={"votes": -1}), "rating.votes", ">= 0"),
    "votes beyond int64": (movie("tt2", rating={"votes": 2**63}), "rating.votes", "<="),
}


@pytest.mark.parametrize(("line", "field", "pattern"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_record_is_a_problem_with_file_line_and_field(written, line, field, pattern):
    path = written(movie("tt1"), b"", line, movie("tt3"))
    with pytest.raises(CorpusError, match=pattern.strip("^$")) as caught:
        read_corpus(path)
    [problem] = caught.value.problems
    assert (problem.file, problem.line, problem.field) == ("films.jsonl", 3, field)
    assert pd.Series([problem.problem]).str.contains(pattern).all()
    assert f"films.jsonl:3: {field}".removesuffix(": ") in str(caught.value)
    assert "`" not in problem.problem


@pytest.mark.parametrize("line", [line for line, _, _ in BAD_LINES.values()], ids=BAD_LINES)
def test_skip_sets_a_bad_record_aside_and_reads_the_others(written, line):
    path = written(movie("tt1"), line, movie("tt3"))
    corpus = read_corpus(path, on_problem="skip")
    assert corpus.movies["movie_id"].tolist() == ["tt1", "tt3"]
    assert corpus.problems["line"].tolist() == [2]


def test_of_a_repeated_id_the_first_record_stays(written):
    path = written(movie("tt1", "First"), movie("tt1", "Second", actors=[["nm1", "Ada"]]))
    corpus = read_corpus(path, on_problem="skip")
    assert corpus.movies["title"].tolist() == ["First"]
    assert corpus.n_actors == 0


def test_an_id_that_only_a_bad_record_had_is_free(written):
    corpus = read_corpus(written(movie("tt1", None), movie("tt1")), on_problem="skip")
    assert (corpus.n_movies, len(corpus.problems)) == (1, 1)


def test_reading_stops_only_at_the_end_with_every_problem_listed(written):
    path = written(b"{", movie("tt1"), without("title"), movie("tt1"), movie("tt2"), b"}")
    with pytest.raises(CorpusError, match="4 bad records") as caught:
        read_corpus(path)
    assert [problem.line for problem in caught.value.problems] == [1, 3, 4, 6]
    assert 'on_problem="skip"' in str(caught.value)


@pytest.mark.parametrize(("n_bad", "more"), [(1, None), (20, None), (21, "1"), (1220, "1,200")])
def test_twenty_problems_are_written_out_and_the_rest_counted(written, n_bad, more):
    with pytest.raises(CorpusError) as caught:
        read_corpus(written(movie("tt1"), *[b"{"] * n_bad))
    head, *lines, advice = str(caught.value).splitlines()
    assert head == f"{n_bad:,} bad record{'s' * (n_bad > 1)}:"
    assert len(caught.value.problems) == n_bad
    assert [line.split(": ")[0] for line in lines[:20]] == [
        f"  films.jsonl:{number}" for number in range(2, min(n_bad, 20) + 2)
    ]
    assert lines[20:] == ([f"  … and {more} more"] if more else [])
    assert "skip" in advice


def test_records_are_movies_and_problems(written):
    lines = [line for line, _, _ in BAD_LINES.values()]
    corpus = read_corpus(written(movie("tt1"), *lines, b"", movie("tt3")), on_problem="skip")
    assert corpus.notes["records"] == corpus.n_movies + len(corpus.problems) == len(lines) + 2
    assert corpus.problems["line"].is_monotonic_increasing


def test_a_clean_file_has_an_empty_table_of_problems(written):
    problems = read_corpus(written(movie())).problems
    assert len(problems) == 0
    assert problems.columns.tolist() == ["file", "line", "field", "problem", "kind"]


def test_another_word_than_stop_and_skip_is_refused(written):
    with pytest.raises(ValueError, match="'ignore'"):
        read_corpus(written(movie()), on_problem="ignore")


# Files


@pytest.mark.parametrize("name", ["films.jsonl", "films.jsonl.gz", "films"])
def test_plain_and_gzip_read_alike_whatever_the_name(written, name):
    path = written(movie("tt1", actors=[["nm1", "Ada"]]), b"", movie("tt2"), name=name)
    plain = read_corpus(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    zipped = read_corpus(path)
    assert_same_tables(plain, zipped)
    assert plain.notes == zipped.notes


def test_blank_lines_are_counted_and_passed_over(written):
    corpus = read_corpus(written(b"", movie("tt1"), b"  \t", movie("tt2"), b"", b""))
    assert (corpus.n_movies, corpus.notes["blank_lines"], corpus.notes["records"]) == (2, 4, 2)


def test_windows_line_ends_are_fine(written):
    corpus = read_corpus(written(movie("tt1"), b"", movie("tt2"), end=b"\r\n"))
    assert corpus.movies["movie_id"].tolist() == ["tt1", "tt2"]


def test_the_last_line_needs_no_end(written):
    assert read_corpus(written(as_bytes(movie("tt1")) + b"\n", movie("tt2"), end=b"")).n_movies == 2


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_byte_order_mark_is_fine(tmp_path, pack):
    path = tmp_path / "films.jsonl"
    path.write_bytes(pack(b"\xef\xbb\xbf" + as_bytes(movie())))
    assert read_corpus(path).n_movies == 1


REFUSED = {
    "UTF-16 LE": (json.dumps(movie()).encode("utf-16"), "UTF-16; save it as UTF-8"),
    "UTF-16 BE": (b"\xfe\xff" + json.dumps(movie()).encode("utf-16-be"), "UTF-16"),
    "JSON array": (json.dumps([movie()], indent=1).encode(), "a JSON array; one JSON object"),
    "HTML": (b"\n".join([b"  <!DOCTYPE html>", b"<p>404</p>"]), "HTML"),
    "empty": (b"", "no movie in this file: it is empty"),
    "only blank lines": (b"\n\r\n \n", "no movie in this file: it is empty"),
    "only a mark": (b"\xef\xbb\xbf", "no movie in this file: it is empty"),
    "empty gzip": (gzip.compress(b""), "no movie in this file: it is empty"),
    "gzip cut": (gzip.compress(as_bytes(movie()))[:-9], "gzip data is damaged"),
    "gzip header only": (b"\x1f\x8b", "gzip data is damaged"),
    "gzip of rubbish": (b"\x1f\x8b" + b"rubbish" * 9, "gzip data is damaged"),
    "gzip with a tail": (gzip.compress(as_bytes(movie())) + b"tail", "gzip data is damaged"),
}


@pytest.mark.parametrize("on_problem", ["stop", "skip"])
@pytest.mark.parametrize(("content", "pattern"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_corpus_is_refused_by_name(tmp_path, content, pattern, on_problem):
    path = tmp_path / "films.jsonl"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=f"films.jsonl: .*{pattern}"):
        read_corpus(path, on_problem=on_problem)


def test_gzip_with_a_changed_byte_is_refused(tmp_path):
    path = tmp_path / "films.jsonl.gz"
    packed = bytearray(gzip.compress(as_bytes(movie())))
    packed[-6] ^= 1  # in the checksum
    path.write_bytes(packed)
    with pytest.raises(CorpusError, match="damaged"):
        read_corpus(path)


def test_a_file_without_any_usable_record_is_refused_even_with_skip(written):
    with pytest.raises(CorpusError, match="none of its 2 records can be used") as caught:
        read_corpus(written(b"{", b"}"), on_problem="skip")
    assert len(caught.value.problems) == 2


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.jsonl: no such file"):
        read_corpus(tmp_path / "none.jsonl")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="this is a folder"):
        read_corpus(tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_huge_line_is_refused_before_it_is_read_whole(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(jsonlines, "MAX_LINE_BYTES", 10**6)
    path = tmp_path / "films.jsonl"
    path.write_bytes(pack(as_bytes(movie()) + b"\n" + b'{"title": "' + b"a" * 10**6))
    with pytest.raises(CorpusError, match=r"films\.jsonl:2: a line of more than 1MB"):
        read_corpus(path, on_problem="skip")


def test_a_line_of_just_the_allowed_length_is_read(written, monkeypatch):
    monkeypatch.setattr(jsonlines, "MAX_LINE_BYTES", len(as_bytes(movie())) + 1)
    assert read_corpus(written(movie())).n_movies == 1


# Asking a corpus


@pytest.fixture(scope="module")
def toy() -> Corpus:
    return toy_corpus()


def test_top_actors_with_as_many_movies_stand_by_first_appearance(toy):
    top = toy.top_actors(5)
    assert top["actor_id"].tolist() == ["a", "c", "b", "d", "z"]
    assert top["n_movies"].tolist() == [3, 3, 2, 2, 1]


def test_top_actors_of_more_than_there_are_gives_all(toy):
    assert len(toy.top_actors(100)) == toy.n_actors == 6


def test_actor_genre_counts_by_hand(toy):
    rows = toy.actor_genre_counts().drop(columns="name").to_numpy().tolist()
    assert rows == [
        ["a", "Drama", 2],
        ["a", "War", 2],
        ["b", "Drama", 2],
        ["b", "War", 1],
        ["c", "Comedy", 2],
        ["c", "Drama", 1],
        ["d", "Comedy", 2],
        ["d", "Drama", 1],
    ]


def test_genre_matrix_has_an_empty_row_for_a_movie_without_genres(toy):
    matrix, names = toy.genre_matrix()
    assert names.tolist() == ["Comedy", "Drama", "War"]
    assert matrix.toarray()[[1, 5]].tolist() == [[0, 1, 1], [0, 0, 0]]


def test_cast_sizes_and_careers_sum_to_the_credits(toy):
    assert toy.cast_sizes().tolist() == [2, 2, 1, 2, 2, 2, 0, 1]
    assert toy.movies_per_actor().sum() == toy.cast_sizes().sum() == toy.n_credits


def test_an_actor_is_found_by_id(toy):
    assert toy.find_actor("a")[["actor_id", "name", "n_movies"]].to_numpy().tolist() == [
        ["a", "Ada", 3]
    ]


def test_an_actor_is_found_by_name(toy):
    assert toy.find_actor("Bo")["actor_id"].tolist() == ["b"]


def test_an_ambiguous_name_gives_all_who_have_it(toy):
    assert toy.find_actor("Ada")["actor_id"].tolist() == ["a", "z"]


def test_an_unknown_actor_gives_no_row(toy):
    assert len(toy.find_actor("Nobody")) == 0


def test_an_id_goes_before_a_name():
    builder = CorpusBuilder()
    builder.add("m1", "One", [], [("x", "y"), ("y", "z")])
    assert builder.build().find_actor("y")["actor_id"].tolist() == ["y"]


def test_a_movie_is_taken_in_once_whichever_way():
    one = MovieColumns.of_rows([("m", "One", None, None, None, 1, ("Drama",), (("a", "Ada"),))])
    builder = CorpusBuilder()
    builder.add_columns(one)
    assert builder.build().movies["movie_id"].tolist() == ["m"]
    builder.add_columns(one)
    with pytest.raises(ValueError, match="duplicate movie id"):
        builder.build()


def test_a_builder_refuses_an_id_twice():
    builder = CorpusBuilder()
    builder.add("m1", "One", [], [])
    with pytest.raises(ValueError, match="'m1'"):
        builder.add("m1", "Two", [], [])


# Round trips


def test_saving_and_loading_changes_nothing(written, tmp_path):
    path = written(
        movie("tt1", actors=[["nm1", "Ada"]], year=1931, rating={"avg": 6.1, "votes": 9}),
        b"{",
        movie("tt2", "NA", genres=["War", "", "Drama"]),
    )
    corpus = read_corpus(path, on_problem="skip")
    corpus.source["title"] = "films – made up"
    corpus.save(tmp_path)
    again = Corpus.load(tmp_path)
    assert_same_tables(corpus, again)
    assert (again.notes, again.source) == (corpus.notes, corpus.source)


@pytest.mark.parametrize("bare", [movie(genres=[]), movie()], ids=["no genre", "no actor"])
def test_saving_and_loading_keeps_empty_tables_usable(written, tmp_path, bare):
    corpus = read_corpus(written(bare))
    corpus.save(tmp_path)
    again = Corpus.load(tmp_path)
    assert_same_tables(corpus, again)
    assert again.genre_matrix()[0].shape == (1, len(bare["genres"]))
    assert len(again.actor_genre_counts()) == 0


@pytest.mark.parametrize("name", ["films.jsonl", "films.jsonl.gz"])
def test_writing_and_reading_changes_nothing(toy, tmp_path, name):
    write_corpus(toy, tmp_path / name)
    assert_same_tables(toy, read_corpus(tmp_path / name))


def test_only_a_name_in_gz_is_written_as_gzip(toy, tmp_path):
    plain, zipped = tmp_path / "films.jsonl", tmp_path / "films.jsonl.gz"
    write_corpus(toy, plain)
    write_corpus(toy, zipped)
    assert gzip.decompress(zipped.read_bytes()) == plain.read_bytes()
    assert len(plain.read_bytes().splitlines()) == toy.n_movies


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_writing_twice_gives_the_same_bytes_even_under_another_name(toy, tmp_path, ending):
    one, two = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    write_corpus(toy, one)
    write_corpus(toy, two)
    assert one.read_bytes() == two.read_bytes()  # nor has gzip a date or a name in it


def test_a_missing_rating_is_written_as_an_empty_one(written, tmp_path):
    write_corpus(read_corpus(written(movie())), tmp_path / "again.jsonl")
    assert json.loads((tmp_path / "again.jsonl").read_text()) == movie(
        genres=["Drama"], actors=[], rating={}
    )


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6
)
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
PEOPLE = st.tuples(st.sampled_from(["nm1", "nm2", "nm3", "nm\u2028", "1917"]), TEXT)
RATINGS = st.fixed_dictionaries(
    {}, optional={"avg": st.none() | st.floats(0, 10), "votes": st.integers(0, 2**63 - 1)}
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "imdb_id": IDS,
            "title": TEXT,
            "genres": st.lists(st.sampled_from(["", "\\N", "War", "Krimi"]) | TEXT, max_size=4),
            "actors": st.lists(PEOPLE, max_size=5),
        },
        optional={"year": st.none() | st.integers(1, 9999), "rating": st.none() | RATINGS},
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda record: record["imdb_id"],
)
QUICK = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUICK
@given(records=RECORDS, ascii_only=st.booleans())
def test_any_records_are_read_as_they_are(tmp_path, records, ascii_only):
    path = tmp_path / "any.jsonl"
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    path.write_bytes("\n".join(lines).encode())
    corpus = read_corpus(path)
    assert corpus.movies["movie_id"].tolist() == [record["imdb_id"] for record in records]
    assert corpus.movies["title"].tolist() == [record["title"] for record in records]
    for number, record in enumerate(records):
        cast = corpus.credits["actor"][corpus.credits["movie"] == number]
        ids = dict.fromkeys(actor_id for actor_id, _ in record["actors"])
        assert corpus.actors["actor_id"].iloc[cast].tolist() == list(ids)
        genres = corpus.genres["genre"][corpus.genres["movie"] == number].tolist()
        assert genres == [
            genre for genre in dict.fromkeys(record["genres"]) if genre not in ("", "\\N")
        ]
        avg, votes = ((record.get("rating") or {}).get(key) for key in ("avg", "votes"))
        row = corpus.movies.iloc[number]
        assert (row["rating"] == avg) if avg is not None else np.isnan(row["rating"])
        assert (row["votes"] == votes) if votes is not None else row["votes"] is pd.NA


@QUICK
@given(records=RECORDS)
def test_any_credits_add_up(tmp_path, records):
    path = tmp_path / "any.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    corpus = read_corpus(path)
    listed = sum(len(record["actors"]) for record in records)
    assert corpus.n_credits + corpus.notes["repeated_credits"] == listed
    assert corpus.cast_sizes().sum() == corpus.movies_per_actor().sum() == corpus.n_credits
    assert not corpus.credits.duplicated().any()
    counts = Counter(a for record in records for a in {a for a, _ in record["actors"]})
    top = corpus.top_actors(corpus.n_actors)
    assert dict(zip(top["actor_id"], top["n_movies"], strict=True)) == counts


@QUICK
@given(records=RECORDS, ending=st.sampled_from(["jsonl", "jsonl.gz"]))
def test_any_corpus_is_written_and_saved_without_loss(tmp_path, records, ending):
    path = tmp_path / f"any.{ending}"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    corpus = read_corpus(path)
    write_corpus(corpus, path)
    assert_same_tables(corpus, read_corpus(path))
    corpus.save(tmp_path)
    assert_same_tables(corpus, Corpus.load(tmp_path))


@QUICK
@given(lines=st.lists(st.binary(max_size=30) | st.integers(1, 3), max_size=12))
def test_any_bytes_are_movies_or_problems_or_refused(tmp_path, lines):
    path = tmp_path / "any.jsonl"
    content = [as_bytes(movie(f"tt{x}")) if isinstance(x, int) else x for x in lines]
    path.write_bytes(b"\n".join(content))
    try:
        corpus = read_corpus(path, on_problem="skip")
    except CorpusError:
        return
    assert corpus.notes["records"] == corpus.n_movies + len(corpus.problems)


def test_a_nul_in_a_title_a_name_or_a_genre_is_text(tmp_path):
    path = tmp_path / "films.jsonl"
    path.write_bytes(as_bytes(movie(title="a\0b", actors=[["n1", "c\0d"]], genres=["e\0f"])))
    corpus = read_corpus(path)
    assert corpus.movies["title"].tolist() == ["a\0b"]
    assert corpus.actors["name"].tolist() == ["c\0d"]
    assert corpus.genres["genre"].tolist() == ["e\0f"]
    assert len(corpus.problems) == 0
