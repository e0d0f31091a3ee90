"""Tables of credits become corpora: every cell stays what it is, every guess is reported."""

import gzip
import json

import pandas as pd
import pytest
from corpora import corpora, toy_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imdbclust.commands.cli import main
from imdbclust.datasets.find import find_dataset
from imdbclust.datasets.reading import examine
from imdbclust.datasets.tables import Reading
from imdbclust.films.problems import ProblemLog
from imdbclust.load import CorpusError, read_corpus

TABLES = ("movies", "actors", "credits", "genres")


@pytest.fixture
def read(tmp_path):
    """Read a table from bytes or lines; returns the corpus, its problems and the guesses."""

    def read_table(content, name="films.csv", on_problem="stop", **options):
        path, problem_log = tmp_path / name, ProblemLog()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        films = examine([path], Reading(**options), problem_log, on_problem=on_problem)
        return films.corpus, problem_log, problem_log.guesses

    return read_table


def films(corpus):
    """Return each movie's title, cast and genres."""
    names = corpus.actors["name"].to_numpy()[corpus.credits["actor"]]
    cast = pd.Series(names).groupby(corpus.credits["movie"].to_numpy()).agg(list)
    genres = corpus.genres["genre"].astype("str").groupby(corpus.genres["movie"]).agg(list)
    return {
        title: (cast.get(row, []), genres.get(row, []))
        for row, title in enumerate(corpus.movies["title"])
    }


TABLE = "movie_id,title,actor_id,actor,genres,year\n"


def test_rows_of_a_movie_become_one_movie(read):
    corpus, problem_log, _ = read(
        TABLE + "007,NA,01,Ada,Drama|War,1999\n007,NA,02,null,Drama|War,1999\n08,nan,01,Ada,,\n"
    )
    assert films(corpus) == {"NA": (["Ada", "null"], ["Drama", "War"]), "nan": (["Ada"], [])}
    assert corpus.movies["movie_id"].tolist() == ["007", "08"]
    assert corpus.actors["actor_id"].tolist() == ["01", "02"]
    assert corpus.movies["year"].tolist() == [1999, pd.NA]
    assert problem_log.counts.total() == 0
    assert corpus.notes["records"] == 3


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_guessed_and_reported(read, separator):
    corpus, _, guesses = read("title,actor\nA,B\n".replace(",", separator))
    assert films(corpus) == {"A": (["B"], [])}
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    assert guesses[0] == f"cells are separated by {names[separator]}"


def test_a_separator_that_is_given_is_not_guessed(read):
    corpus, _, guesses = read("title:actor\nA,1:B\n", separator=":")
    assert films(corpus) == {"A,1": (["B"], [])}
    assert not any("cells are separated" in sentence for sentence in guesses)
    with pytest.raises(CorpusError, match="must be one character"):
        read("title,actor\n", separator=", ")


@pytest.mark.parametrize(
    ("cells", "genres"),
    [
        ("Drama|War", ["Drama", "War"]),
        ("Drama; War;", ["Drama", "War"]),
        ("Sci-Fi, Drama", ["Sci-Fi", "Drama"]),
        ("Sci-Fi, Drama|War", ["Sci-Fi, Drama", "War"]),
        ("Drama", ["Drama"]),
        ("Drama|Drama|", ["Drama"]),
    ],
)
def test_genres_of_a_cell_are_split(read, cells, genres):
    corpus, problem_log, guesses = read(f'title\tactor\tgenres\nA\tB\t"{cells}"\n')
    assert films(corpus)["A"][1] == genres
    assert problem_log.counts.total() == 0
    assert any("genres in a cell" in sentence for sentence in guesses) == (cells != "Drama")


def test_a_separator_of_genres_may_be_given(read):
    corpus, *_ = read("title,actor,genres\nA,B,War/Drama|Noir\n", genre_separator="/")
    assert films(corpus)["A"][1] == ["War", "Drama|Noir"]


def test_every_row_of_a_movie_may_name_other_genres(read):
    corpus, problem_log, _ = read("title,actor,genre\nA,B,War\nA,C,Drama\nA,D,War\n")
    assert films(corpus) == {"A": (["B", "C", "D"], ["War", "Drama"])}
    assert problem_log.counts.total() == 0


def test_columns_are_guessed_from_their_names_and_reported(read):
    corpus, _, _ = read("tconst,Primary Title,nconst,primaryName,startYear,Plot\n1,A,2,B,3,x\n")
    assert corpus.movies[["movie_id", "title", "year"]].to_numpy().tolist() == [["1", "A", 3]]
    assert corpus.actors.to_numpy().tolist() == [["2", "B"]]


def test_columns_that_are_given_are_not_guessed(read):
    columns = {"title": ["Film title"], "actor": ["Played by"]}
    corpus, _, _ = read("Film title,actor,Played by\nA,B,C\n", columns=columns)
    assert films(corpus) == {"A": (["C"], [])}


def test_a_column_that_is_not_there_is_named_with_those_that_are(read):
    with pytest.raises(CorpusError, match=r"films\.csv: missing column 'Name'; .*: title, x$"):
        read("title,x\nA,B\n", columns={"actor": ["Name"]})


def test_without_ids_title_and_year_and_name_stand_for_them(read):
    corpus, _, guesses = read("title,actor,year\nA,B,1999\nA,C,1999.0\nA,B,2000\nD,B,NA\n")
    assert corpus.movies["movie_id"].tolist() == ["A (1999)", "A (2000)", "D"]
    assert corpus.actors["actor_id"].tolist() == ["B", "C"]
    assert "no column has ids of movies: titles and years stand for them" in guesses
    assert any("names stand for them, so equal names are one actor" in text for text in guesses)


def test_without_titles_or_names_the_ids_stand_for_them(read):
    corpus, _, guesses = read("movie_id,actor_id\n1,2\n")
    assert films(corpus) == {"1": (["2"], [])}
    assert sum("the ids stand for them" in sentence for sentence in guesses) == 2


def test_a_row_without_an_actor_is_a_movie(read):
    corpus, problem_log, _ = read("title,actor\nA,\nB,\nB,C\n")
    assert films(corpus) == {"A": ([], []), "B": (["C"], [])}
    assert problem_log.counts.total() == 0


def test_a_title_or_name_that_one_row_has_serves_the_others(read):
    corpus, problem_log, _ = read(TABLE + "1,,01,,,\n1,A,01,Ada,,1999\n2,B,01,,,\n")
    assert films(corpus) == {"A": (["Ada"], []), "B": (["Ada"], [])}
    assert corpus.movies["year"].tolist() == [1999, pd.NA]
    assert +problem_log.counts == {"repeated_credits": 1}


def test_contradictions_are_listed_and_the_first_stays(read):
    corpus, problem_log, _ = read(
        TABLE + "1,A,01,Ada,War,1999\n1,B,02,Bo,War,2000\n1,A,03,C,,1999\n"
    )
    assert corpus.movies[["title", "year"]].to_numpy().tolist() == [["A", 1999]]
    assert [str(problem) for problem in problem_log.examples] == [
        "films.csv:3: title: movie '1': 'B' contradicts 'A', which was kept",
        "films.csv:3: year: movie '1': 2000 contradicts 1999, which was kept",
    ]


def test_lines_are_rows_of_the_spreadsheet(read):
    table = 'title,actor\n"A\nB",C\n\nshort\n,nameless\nlong,er,row\n,last\n'
    _, problem_log, _ = read(table, on_problem="skip")
    assert [(problem.line, problem.kind) for problem in problem_log.problems] == [
        (4, "wrong_cells"),
        (5, "missing"),
        (6, "wrong_cells"),
        (7, "missing"),
    ]


@pytest.mark.parametrize("before", ["sep=,\r\n", "\r\n\r\n", "\n"])
def test_what_stands_before_the_header_is_counted_too(read, before):
    n_before = before.count("\n")
    _, problem_log, _ = read(before + "title,actor\r\nA,B\r\nC\r\n,D\r\n", on_problem="skip")
    assert [problem.line for problem in problem_log.problems] == [n_before + 3, n_before + 4]


def test_lines_hold_in_a_table_of_many_blocks(read):
    rows = [f"title {n},actor {n}\n" for n in range(120_000)]
    rows[50_000], rows[110_000] = "short\n", ",nameless\n"
    _, problem_log, _ = read("title,actor\n" + "".join(rows), on_problem="skip")
    assert [problem.line for problem in problem_log.problems] == [50_002, 110_002]


def test_stop_lists_every_row(read):
    with pytest.raises(CorpusError, match=r"2 bad records:\n  films.csv:2: .*\n  films.csv:4: "):
        read("title,actor,year\n,B,x\nC,D,1\nE\n")


def test_numbers_of_a_spreadsheet(read):
    table = "title;actor;year;rating;votes\nA;B;1999.0;7,25;1000\nC;D;n/a;-;\nE;F;2001;8;5.0\n"
    corpus, problem_log, _ = read(table)
    assert corpus.movies["year"].tolist() == [1999, pd.NA, 2001]
    assert corpus.movies["rating"].dropna().tolist() == [7.25, 8.0]
    assert corpus.movies["votes"].tolist() == [1000, pd.NA, 5]
    assert problem_log.counts.total() == 0


def test_an_encoding_may_be_given(read):
    table = "title,actor\nCafé,Zoë\n"
    assert films(read(table.encode("cp1252"), encoding="cp1252")[0]) == {"Café": (["Zoë"], [])}
    assert films(read(table, encoding="UTF8")[0]) == {"Café": (["Zoë"], [])}
    corpus, _, guesses = read(table.encode("cp1252"))
    assert films(corpus) == {"Café": (["Zoë"], [])}
    assert any("is not UTF-8 (line 2): read as cp1252" in sentence for sentence in guesses)
    for encoding in ("klingon", "rot13"):
        with pytest.raises(CorpusError, match=f"unknown encoding '{encoding}'"):
            read(table, encoding=encoding)


# Parquet


@pytest.fixture
def parquet(tmp_path):
    def read_frame(**columns):
        pd.DataFrame(columns).to_parquet(tmp_path / "films.parquet")
        return examine([tmp_path / "films.parquet"], Reading(), ProblemLog()).corpus

    return read_frame


def test_parquet_is_read_with_numbers_categories_and_lists(parquet):
    corpus = parquet(
        id=[7, 7],
        title=pd.Categorical(["NA", "NA"]),
        actor=["Ada", None],
        genres=[["War", "Drama"], ["War"]],
        year=[1999.0, None],
        rating=[7.5, None],
    )
    assert films(corpus) == {"NA": (["Ada"], ["War", "Drama"])}
    assert corpus.movies.to_numpy().tolist() == [["7", "NA", 1999, 7.5, pd.NA]]


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = tmp_path / "films.parquet"
    path.write_bytes(b"PAR1" + b"x" * 99 + b"PAR1")
    with pytest.raises(CorpusError, match=r"films\.parquet: a parquet file that cannot be read"):
        examine([path], Reading(), ProblemLog())


def test_parquet_cells_of_any_type_end_in_no_traceback(parquet):
    corpus = parquet(title=["A", "B"], actor=["C", "D"], year=[float("inf"), 1e300])
    assert corpus.movies["year"].tolist() == [pd.NA, pd.NA]
    corpus = parquet(title=["A", "B"], actor=["C", "D"], genres=[[1, 2], [3]])
    assert films(corpus)["A"][1] == ["1", "2"]
    corpus = parquet(title=["A", "B"], actor=["C", "D"], genres=[[["x"], ["y"]], None])
    assert films(corpus)["A"][1] == ["x", "y"]
    with pytest.raises(CorpusError, match="a parquet file that cannot be read"):
        parquet(title=[b"\xff\xfe", b"x"], actor=["C", "D"])


# Round trips


def credits_table(corpus):
    """Return a corpus as a table of credits; castless movies have a row without an actor."""
    movies = corpus.movies.assign(
        genres=corpus.genres["genre"].astype("str").groupby(corpus.genres["movie"]).agg("|".join)
    )
    cast = corpus.actors.iloc[corpus.credits["actor"]].set_index(corpus.credits["movie"])
    return movies.join(cast, how="left")


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(corpus=corpora(), kind=st.sampled_from(["csv", "tsv", "csv.gz", "parquet"]))
def test_a_corpus_written_as_a_table_is_that_corpus_again(tmp_path, corpus, kind):
    table, path = credits_table(corpus), tmp_path / f"films.{kind}"
    if kind == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t" if kind == "tsv" else ",", index=False)
    how = Reading({"actor": ["name"]}, actor_separator="\n", genre_separator="|")
    again = examine([path], how, ProblemLog()).corpus
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(corpus, name), getattr(again, name))


# The command


def test_one_command_makes_a_corpus_that_runs_know(tmp_path, capsys):
    table, to = tmp_path / "films.csv", tmp_path / "films.jsonl.gz"
    credits_table(toy_corpus()).to_csv(table, index=False)
    assert main(["import", str(table), "--to", str(to), "--actor", "name"]) == 0
    out = capsys.readouterr().out
    assert "13 records read, clean: 8 movies, 6 actors, 12 credits" in out
    assert find_dataset(str(to)).read().n_movies == 8
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(toy_corpus(), name), getattr(read_corpus(to), name))


def test_what_was_set_aside_is_reported_and_strict_writes_nothing(tmp_path, capsys):
    table, to = tmp_path / "films.tsv", tmp_path / "films.jsonl"
    table.write_text("Film\tStar\tSeen\nA\tB\t1999\n\tC\t\nD\tE\t2001\n")
    call = ["import-credits", str(table), "--to", str(to), "--year", "Seen", "--title", "Film"]
    assert main([*call, "--strict"]) == 2
    assert "films.tsv:3: Film: missing" in capsys.readouterr().err
    assert not to.exists()
    assert main(call) == 0
    assert "3 records read, 1 set aside: 2 movies, 2 actors, 2 credits" in capsys.readouterr().out
    assert json.loads(to.read_text().splitlines()[0])["imdb_id"] == "A (1999)"


def test_a_packed_table_is_a_dataset(tmp_path):
    (tmp_path / "films.csv.gz").write_bytes(gzip.compress(b"title,actor\nA,B\n"))
    assert films(find_dataset(str(tmp_path / "films.csv.gz")).read()) == {"A": (["B"], [])}
