"""Corpora out of frames, and several as one: checked, in one order, nothing lost silently."""

import json

import numpy as np
import pandas as pd
import pytest
from corpora import corpora, toy_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imdbclust.commands.cli import main
from imdbclust.load import Corpus, CorpusBuilder, CorpusError, read_corpus, write_corpus

TABLES = ("movies", "actors", "credits", "genres")
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def assert_same_films(one, other):
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


def frame(**columns):
    return pd.DataFrame(columns)


MOVIES = frame(movie_id=["m1", "m2"], title=["NA", "Two"], year=[1931, np.nan])
CREDITS = frame(movie_id=["m2", "m1", "m2"], actor_id=["b", "a", "a"])


# From frames


@QUICK
@given(corpus=corpora())
def test_the_frames_of_a_corpus_give_that_corpus(corpus):
    again = Corpus.from_frames(corpus.movies, corpus.credits, corpus.actors, corpus.genres)
    assert_same_films(corpus, again)
    assert len(again.problems) == 0


@QUICK
@given(corpus=corpora(), seed=st.integers(0, 99))
def test_ids_serve_as_well_as_row_numbers_in_any_order(corpus, seed):
    ids = corpus.movies["movie_id"]
    credits = frame(
        movie_id=ids.to_numpy()[corpus.credits["movie"]],
        actor_id=corpus.actors["actor_id"].to_numpy()[corpus.credits["actor"]],
        order=np.arange(corpus.n_credits),
    )
    credits = pd.concat([credits, credits.iloc[:2]]).sample(frac=1, random_state=seed)
    genres = frame(movie_id=ids.to_numpy()[corpus.genres["movie"]], genre=corpus.genres["genre"])
    again = Corpus.from_frames(corpus.movies, credits, corpus.actors, genres)
    assert again.n_credits == corpus.n_credits
    assert again.notes["repeated_credits"] == min(2, corpus.n_credits)
    credits = credits.drop_duplicates().sort_values("order")
    assert_same_films(corpus, Corpus.from_frames(corpus.movies, credits, corpus.actors, genres))


def test_films_by_hand():
    genres = frame(movie_id=["m2", "m2", "m1", "m1"], genre=["War", "War", "\\N", None])
    corpus = Corpus.from_frames(MOVIES, CREDITS, genres=genres)
    assert corpus.movies["title"].tolist() == ["NA", "Two"]
    assert corpus.movies["year"].tolist() == [1931, pd.NA]
    assert corpus.movies["rating"].isna().all()
    assert corpus.actors.to_numpy().tolist() == [["a", "a"], ["b", "b"]]
    assert corpus.credits.to_numpy().tolist() == [[0, 0], [1, 1], [1, 0]]
    assert corpus.genres.to_numpy().tolist() == [[1, "War"]]
    assert (corpus.notes["repeated_genres"], corpus.notes["empty_genres"]) == (1, 2)


def test_names_may_stand_beside_the_credits_and_the_first_stays():
    corpus = Corpus.from_frames(MOVIES, CREDITS.assign(name=["Bo", "Ada", "Eda"]))
    assert corpus.actors.to_numpy().tolist() == [["a", "Ada"], ["b", "Bo"]]
    assert corpus.notes["other_names"] == 1


def test_actors_who_play_in_nothing_are_left_out_and_counted():
    actors = frame(actor_id=["x", "b", "a"], name=["X", "B", "A"])
    corpus = Corpus.from_frames(MOVIES, CREDITS, actors)
    assert corpus.actors["actor_id"].tolist() == ["a", "b"]
    assert corpus.notes["unused_actors"] == 1


def test_index_other_columns_and_categories_mean_nothing():
    movies = MOVIES.assign(plot=["x", object()]).set_index(pd.Index([7, 7]))
    credits = CREDITS.astype("category").set_index(pd.Index([3, 1, 2]))
    assert_same_films(Corpus.from_frames(movies, credits), Corpus.from_frames(MOVIES, CREDITS))


def test_numbers_of_all_kinds_are_taken_exactly():
    movies, votes = frame(movie_id=list("abc"), title=list("abc")), [2**63 - 1, None, 3]
    for column in (pd.Series(votes, dtype=object), pd.array(votes, "Int64")):
        corpus = Corpus.from_frames(movies.assign(votes=column), CREDITS.iloc[:0])
        assert corpus.movies["votes"].tolist() == [2**63 - 1, pd.NA, 3]
    rating = pd.Series([np.float32(7.5), None, 8], dtype=object)
    corpus = Corpus.from_frames(movies.assign(votes=None, rating=rating), CREDITS.iloc[:0])
    assert corpus.movies["rating"].dropna().tolist() == [7.5, 8.0]


BAD_ROWS = {
    "movies: movie_id, row 1: 'm1' is a duplicate of row 0": {
        "movies": MOVIES.assign(movie_id=["m1", "m1"])
    },
    "movies: movie_id, row 1: missing": {"movies": MOVIES.assign(movie_id=["m1", None])},
    "movies: movie_id, row 1: empty": {"movies": MOVIES.assign(movie_id=["m1", ""])},
    "movies: movie_id, row 1: expected text, got int: 5": {
        "movies": MOVIES.assign(movie_id=["m1", 5])
    },
    "movies: movie_id, row 1: has a control character": {
        "movies": MOVIES.assign(movie_id=["m1", "m\n2"])
    },
    "movies: title, row 1: longer than 10,000 characters": {
        "movies": MOVIES.assign(title=["A", "x" * 10_001])
    },
    "movies: title, row 1: missing": {"movies": MOVIES.assign(title=["A", np.nan])},
    "movies: year, row 1: expected a number from 1 to 9,999, got 10000": {
        "movies": MOVIES.assign(year=[1, 10_000])
    },
    "movies: year, row 1: expected a whole number, got 1999.5": {
        "movies": MOVIES.assign(year=[1, 1999.5])
    },
    "movies: year, row 1: expected a number, got str: '1999'": {
        "movies": MOVIES.assign(year=[1, "1999"])
    },
    "movies: rating, row 1: expected a number from 0 to 10, got inf": {
        "movies": MOVIES.assign(rating=[1, np.inf])
    },
    "movies: votes, row 1: expected a number from 0": {"movies": MOVIES.assign(votes=[1, -1])},
    "movies: votes, row 1: expected a number from 0 ": {"movies": MOVIES.assign(votes=[1, 2**70])},
    "credits: movie_id, row 1: 'm9' is not in the frame movies": {
        "credits": CREDITS.assign(movie_id=["m2", "m9", "m2"])
    },
    "credits: actor_id, row 2: missing": {"credits": CREDITS.assign(actor_id=["b", "a", None])},
    "credits: actor_id, row 1: 'a' is not in the frame actors": {
        "credits": CREDITS.iloc[:2],
        "actors": frame(actor_id=["b"], name=["B"]),
    },
    "credits: movie, row 1: expected a number from 0 to 1, got 2": {
        "credits": frame(movie=[0, 2], actor=[0, 0]),
        "actors": frame(actor_id=["b"], name=["B"]),
    },
    "credits: actor, row 1: missing": {
        "credits": frame(movie=[0, 1], actor=[0, None]),
        "actors": frame(actor_id=["b"], name=["B"]),
    },
    "actors: name, row 1: empty": {"actors": frame(actor_id=["b", "c", "a"], name=["B", "", "A"])},
    "actors: actor_id, row 2: 'b' is a duplicate of row 0": {
        "actors": frame(actor_id=["b", "a", "b"], name=["B", "A", "C"])
    },
    "genres: movie_id, row 0: 'm9' is not in": {"genres": frame(movie_id=["m9"], genre=["War"])},
    "genres: genre, row 1: expected text, got int": {
        "genres": frame(movie_id=["m1", "m1"], genre=["War", 1])
    },
}


@pytest.mark.parametrize(("says", "frames"), BAD_ROWS.items(), ids=BAD_ROWS)
def test_a_bad_row_is_named_by_frame_column_and_position(says, frames):
    frames = {"movies": MOVIES, "credits": CREDITS} | frames
    with pytest.raises(CorpusError, match="bad record") as caught:
        Corpus.from_frames(**frames)
    first, *others = caught.value.problems  # such as credits of an invalid movie
    assert str(first).startswith(says)
    assert {problem.kind for problem in others} <= {"unknown_movie"}
    assert says in str(caught.value)


BAD_FRAMES = {
    "movies: a DataFrame is expected, not dict": {"movies": {}},
    "movies: missing column title; its columns: movie_id": {"movies": MOVIES[["movie_id"]]},
    "movies: missing column movie_id; it is the index: use reset_index()": {
        "movies": MOVIES.set_index("movie_id")
    },
    "movies: duplicate column title": {"movies": pd.concat([MOVIES, MOVIES[["title"]]], axis=1)},
    "movies: the column movie_id has values of type int64 (integer); texts are expected": {
        "movies": MOVIES.assign(movie_id=[1, 2])
    },
    "movies: the column year has values of type": {"movies": MOVIES.assign(year=["1", "2"])},
    "movies: the column year has values of type bool": {"movies": MOVIES.assign(year=[True, True])},
    "movies: the column year has values of type datetime64": {
        "movies": MOVIES.assign(year=pd.to_datetime(["1999-01-01"] * 2))
    },
    "credits: missing column movie_id": {"credits": CREDITS[["actor_id"]]},
    "credits: missing column actor_id": {"credits": CREDITS[["movie_id"]]},
    "credits: the column actor has row numbers; give the frame actors": {
        "credits": frame(movie=[0], actor=[0])
    },
    "genres: missing column genre": {"genres": frame(movie_id=["m1"])},
    "movies: no usable row": {"movies": MOVIES.iloc[:0], "credits": CREDITS[:0]},
}


@pytest.mark.parametrize("on_problem", ["stop", "skip"])
@pytest.mark.parametrize(("says", "frames"), BAD_FRAMES.items(), ids=BAD_FRAMES)
def test_a_bad_frame_is_refused_whatever_is_done_with_rows(says, frames, on_problem):
    with pytest.raises(CorpusError) as caught:
        Corpus.from_frames(**{"movies": MOVIES, "credits": CREDITS} | frames, on_problem=on_problem)
    assert str(caught.value).startswith(says)


def test_skip_sets_rows_aside_and_what_belongs_to_them():
    movies = frame(movie_id=["m0", "m1", "m2"], title=["", "A", "B"])
    actors = frame(actor_id=["x", "y"], name=["", "Y"])
    credits = frame(movie=[0, 1, 2, 2], actor=[1, 0, 1, 1])
    genres = frame(movie_id=["m0", "m2", "m9"], genre=["War", "War", "War"])
    corpus = Corpus.from_frames(movies, credits, actors, genres, on_problem="skip")
    assert corpus.movies["movie_id"].tolist() == ["m1", "m2"]
    assert corpus.credits.to_numpy().tolist() == [[1, 0]]
    assert corpus.actors["actor_id"].tolist() == ["y"]
    assert corpus.genres["movie"].tolist() == [1]
    assert corpus.problems[["file", "field", "kind"]].to_numpy().tolist() == [
        ["movies", "title, row 0", "empty"],
        ["actors", "name, row 0", "empty"],
        ["genres", "movie_id, row 2", "unknown_movie"],
    ]
    assert corpus.notes["gone_with_others"] == 3
    assert corpus.notes["repeated_credits"] == 1


# Merging


def one_movie(movie_id="m", cast="ab", genres=("War",), **more):
    builder = CorpusBuilder()
    title = more.pop("title", "One")
    builder.add(movie_id, title, genres, [(actor, actor.upper()) for actor in cast], **more)
    return builder.build()


def test_a_movie_of_both_has_all_actors_and_genres():
    merged = one_movie(cast="ab").merge(one_movie(cast="cb", genres=("Drama", "War")))
    assert merged.n_movies == 1
    assert merged.actors["actor_id"].tolist() == ["a", "b", "c"]
    assert merged.genres["genre"].tolist() == ["War", "Drama"]
    assert merged.genres["genre"].cat.categories.tolist() == ["Drama", "War"]
    assert merged.notes["repeated_credits"] == 0
    assert len(merged.problems) == 0


def test_contradictions_are_listed_with_both_values_and_the_first_stays():
    one = one_movie(title="One", year=1999, rating=6.0, votes=10)
    other = one_movie(title="Uno", year=2000, rating=7.0, votes=99)
    merged = one.merge(other, one, names=["here", "there", "again"])
    assert merged.movies.to_numpy().tolist() == [["m", "One", 1999, 6.0, 10]]
    assert merged.problems[["file", "field", "problem", "kind"]].to_numpy().tolist() == [
        ["there", "title", "movie 'm': 'Uno' contradicts 'One', which was kept", "contradictions"],
        ["there", "year", "movie 'm': 2000 contradicts 1999, which was kept", "contradictions"],
        ["there", "rating", "movie 'm': 7.0 contradicts 6.0, which was kept", "contradictions"],
    ]
    assert merged.notes["contradictions"] == 3


def test_what_the_first_does_not_know_the_next_may_tell():
    merged = one_movie(votes=5).merge(one_movie(year=1999), one_movie(rating=7.0, year=1999))
    assert merged.movies["year"].tolist() == [1999]
    assert merged.movies["rating"].tolist() == [7.0]
    assert merged.movies["votes"].tolist() == [pd.NA]  # those 5 belong to no known rating
    assert len(merged.problems) == 0


def test_of_several_names_of_an_actor_the_first_stays_in_merging_too():
    builder = CorpusBuilder()
    builder.add("n", "Two", [], [("a", "Another")])
    merged = one_movie().merge(builder.build())
    assert merged.actors["name"].tolist() == ["A", "B"]
    assert merged.notes["other_names"] == 1


def test_notes_problems_and_sources_of_all_stay(tmp_path):
    path = tmp_path / "films.jsonl"
    write_corpus(one_movie(), path)
    path.write_bytes(path.read_bytes() + b"{}\n")
    broken = read_corpus(path, on_problem="skip")
    broken.source.update({"title": "T", "licence": "free", "synthetic": False})
    other = one_movie("n")
    other.source.update({"title": "U", "licence": "free"})
    merged = broken.merge(other)
    assert merged.problems["kind"].tolist() == ["missing"]
    assert merged.notes["records"] == 2
    assert merged.source == {"title": "T; U", "licence": "free", "synthetic": ""}
    with pytest.raises(ValueError, match="2 corpora to merge, but 1 name"):
        broken.merge(other, names=["a"])


@st.composite
def variants(draw):
    """Any small corpus whose movies and actors others may have, with other values."""
    builder = CorpusBuilder()
    for movie in draw(st.lists(st.sampled_from("mnop"), max_size=4, unique=True)) or ["m"]:
        builder.add(
            movie,
            draw(st.sampled_from(["One", "Two"])),
            draw(st.lists(st.sampled_from(["War", "Drama", "Noir"]), max_size=2)),
            [(a, draw(st.sampled_from("XY"))) for a in draw(st.lists(st.sampled_from("abcd")))],
            year=draw(st.sampled_from([None, 1, 2])),
            rating=draw(st.sampled_from([None, 1.0, 2.0])),
            votes=draw(st.sampled_from([None, 1, 2])),
        )
    return builder.build()


@QUICK
@given(a=variants(), b=variants(), c=variants())
def test_merging_in_steps_gives_the_same_films(a, b, c):
    at_once = a.merge(b, c)
    assert_same_films(at_once, a.merge(b).merge(c))
    assert_same_films(at_once, a.merge(b.merge(c)))


@QUICK
@given(a=variants(), b=variants())
def test_merging_unites_casts_and_genres_whatever_the_order(a, b):
    def known(corpus):
        ids = corpus.movies["movie_id"].to_numpy()
        cast = zip(
            ids[corpus.credits["movie"]],
            corpus.actors["actor_id"].to_numpy()[corpus.credits["actor"]],
            strict=True,
        )
        tags = zip(ids[corpus.genres["movie"]], corpus.genres["genre"], strict=True)
        return set(ids), set(cast), set(tags)

    merged = a.merge(b)
    both = [one | other for one, other in zip(known(a), known(b), strict=True)]
    assert list(known(merged)) == both == list(known(b.merge(a)))
    values = pd.concat([a.movies, b.movies]).drop_duplicates(["movie_id", "title"])
    n_titles = values["movie_id"].duplicated().sum()
    assert (merged.problems["field"] == "title").sum() == n_titles


@QUICK
@given(corpus=corpora())
def test_merging_a_corpus_with_itself_changes_nothing(corpus):
    merged = corpus.merge(corpus)
    assert_same_films(corpus, merged)
    assert len(merged.problems) == 0


# The command


def test_files_are_merged_with_their_licences(tmp_path, capsys):
    one, two, to = (tmp_path / f"{name}.jsonl" for name in ("one", "two", "to"))
    write_corpus(toy_corpus(), one)
    write_corpus(one_movie("m1", title="Uno", cast="q"), two)
    about = {"licence": "CC0", "url": "https://example.invalid"}
    (tmp_path / "two.jsonl.source.json").write_text(json.dumps(about))
    assert main(["merge", str(one), str(two), "--to", str(to)]) == 0
    out = capsys.readouterr().out
    assert "two.jsonl: title: movie 'm1': 'Uno' contradicts 'One', which was kept" in out
    assert f"9 records read, none set aside: 8 movies, 7 actors, 13 credits\nwritten: {to}" in out
    assert_same_films(toy_corpus().merge(read_corpus(two)), read_corpus(to))
    assert json.loads((tmp_path / "to.jsonl.source.json").read_text()) == about


def test_merging_may_replace_a_file_that_it_reads(tmp_path):
    path = tmp_path / "films.jsonl"
    write_corpus(toy_corpus(), path)
    before = path.read_bytes()
    assert main(["merge", str(path), str(path), "--to", str(path)]) == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("to", "code", "says"),
    [
        ("films.csv", 2, "films.csv: a corpus file ends in .json, .jsonl, .ndjson"),
        ("none/films.jsonl", 1, "cannot be written: No such file or directory"),
        ("folder.jsonl", 1, "cannot be written: Is a directory"),
    ],
)
def test_where_nothing_can_be_written_it_is_told(tmp_path, capsys, to, code, says):
    (tmp_path / "folder.jsonl").mkdir()
    write_corpus(toy_corpus(), tmp_path / "toy.jsonl")
    assert main(["merge", str(tmp_path / "toy.jsonl"), "--to", str(tmp_path / to)]) == code
    assert says in capsys.readouterr().err
