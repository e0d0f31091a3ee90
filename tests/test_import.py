"""Any film file comes in right in one command, or is refused with a sentence."""

import gzip
import json

import pandas as pd
import pytest
from film_files import FILES, REFUSED, SETS, write_database

from imdbclust.commands.cli import main
from imdbclust.datasets.find import find_dataset
from imdbclust.load import Corpus, read_corpus
from imdbclust.wording import how_read, part_of_films


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Call a command within a folder; return the exit code and all that is said."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out + err

    return call


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def casts(corpus: Corpus) -> list[list[str]]:
    names = corpus.actors["name"].to_numpy()[corpus.credits["actor"]]
    of = pd.Series(names).groupby(corpus.credits["movie"].to_numpy()).agg(list)
    return [of.get(row, []) for row in range(corpus.n_movies)]


def genres(corpus: Corpus) -> list[list[str]]:
    of = corpus.genres["genre"].astype("str").groupby(corpus.genres["movie"]).agg(list)
    return [of.get(row, []) for row in range(corpus.n_movies)]


def known(values) -> list:
    return [None if pd.isna(value) else value for value in values]


def assert_right(corpus: Corpus, sizes, expected, said=""):
    movies = corpus.movies
    n_with_cast = int((corpus.cast_sizes() > 0).sum())
    assert (n_with_cast, corpus.n_actors, corpus.n_credits) == sizes
    found = {
        "ids": movies["movie_id"].tolist(),
        "titles": movies["title"].tolist(),
        "actor_ids": corpus.actors["actor_id"].tolist(),
        "genres": genres(corpus),
        **{name: known(movies[name]) for name in ("year", "rating", "votes")},
    }
    for name, value in expected.items():
        if name == "casts":
            assert casts(corpus)[: len(value)] == value
        elif name == "said":
            assert [word for word in value if word not in said] == []
        else:
            assert found[name] == value, name


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_kind_comes_in_right(run, tmp_path, name):
    content, sizes, expected = FILES[name]
    put(tmp_path, name, content)
    code, said = run("import", name, "--to", "to.jsonl")
    assert code == 0, said
    assert_right(read_corpus(tmp_path / "to.jsonl"), sizes, expected, said)
    assert run("check", name)[0] in (0, 1)


@pytest.mark.parametrize("name", SETS)
def test_a_set_of_files_is_joined(run, tmp_path, name):
    files, sizes, expected = SETS[name]
    for file, content in files.items():
        put(tmp_path / "set", file, content)
    code, said = run("import", "set", "--to", "to.jsonl")
    assert code == 0, said
    assert_right(read_corpus(tmp_path / "to.jsonl"), sizes, expected, said)
    code, said = run("import", *(f"set/{file}" for file in files), "--to", "again.jsonl")
    assert code == 0, said
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "to.jsonl").read_bytes()


@pytest.mark.parametrize("ending", ["db", "duckdb"])
@pytest.mark.parametrize("name", [name for name in SETS if "nodes" not in name])
def test_a_database_is_joined(run, tmp_path, name, ending):
    files, sizes, expected = SETS[name]
    write_database(tmp_path / f"films.{ending}", files)
    code, said = run("import", f"films.{ending}", "--to", "to.jsonl")
    assert code == 0, said
    assert_right(read_corpus(tmp_path / "to.jsonl"), sizes, expected, said)


@pytest.mark.parametrize("ending", ["db", "duckdb"])
def test_a_packed_database_is_read(run, tmp_path, ending):
    write_database(tmp_path / f"films.{ending}")
    put(tmp_path, "packed.gz", gzip.compress((tmp_path / f"films.{ending}").read_bytes()))
    assert run("import", "packed.gz", "--to", "to.jsonl")[0] == 0
    assert_right(read_corpus(tmp_path / "to.jsonl"), (3, 3, 5), {"year": [2001, 2002, 2003]})


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_cast_is_refused_with_what_to_do(run, tmp_path, name):
    content, words = REFUSED[name]
    put(tmp_path, name, content)
    for call in (("import", name, "--to", "to.jsonl"), ("check", name), ("run", "--dataset", name)):
        code, said = run(*call)
        assert code == 2, said
        assert [word for word in words if word not in said] == [], said
    assert not (tmp_path / "to.jsonl").exists()


def test_a_database_of_something_else_is_refused(run, tmp_path):
    tables = {"invoice.csv": "id,total\n1,9.99\n", "customer.csv": "id,email\n1,a@b.c\n"}
    write_database(tmp_path / "shop.db", tables)
    code, said = run("import", "shop.db", "--to", "to.jsonl")
    assert code == 2
    assert "no cast" in said
    assert "invoice" in said


def test_a_quote_that_never_closes_can_be_read_as_text(run, tmp_path):
    put(tmp_path, "open_quote.csv", REFUSED["open_quote.csv"][0])
    code, said = run("import", "open_quote.csv", "--to", "to.jsonl", "--quote", "none")
    assert code == 0, said
    assert_right(read_corpus(tmp_path / "to.jsonl"), (5, 3, 5), {})


def test_a_quote_in_a_table_without_quoting_swallows_nothing(run, tmp_path):
    rows = [f"tt{n}\tFilm {n}\t2001\tnm{n % 97}\tName {n % 97}" for n in range(60_000)]
    rows[30_000] = rows[30_000].replace("Film", '"Film')
    put(
        tmp_path,
        "big.tsv",
        "tconst\tprimaryTitle\tstartYear\tnconst\tprimaryName\n" + "\n".join(rows),
    )
    code, said = run("import", "big.tsv", "--to", "to.jsonl", "--accept")
    assert code == 0, said
    assert read_corpus(tmp_path / "to.jsonl").n_movies == 60_000


BYID = "imdb_id,title,year,actor\ntt0000001,Harbour,2001,Ann Ames\ntt0000002,Meadow,2002,Ann Ames\n"
BYTITLE = "title,year,actor\nHarbour,2001,Bob Burr\nMeadow,2002,Ann Ames\n"


@pytest.mark.parametrize("command", ["import", "merge"])
def test_the_same_films_under_two_ids_are_not_called_clean(run, tmp_path, command):
    put(tmp_path, "byid.csv", BYID)
    put(tmp_path, "bytitle.csv", BYTITLE)
    code, said = run(command, "byid.csv", "bytitle.csv", "--to", "to.jsonl")
    assert (code, (tmp_path / "to.jsonl").exists()) == (2, False)
    assert "Harbour (2001), Meadow (2002)" in said
    assert "--accept" in said
    code, said = run(command, "byid.csv", "bytitle.csv", "--to", "to.jsonl", "--accept")
    assert code == 0
    assert_right(read_corpus(tmp_path / "to.jsonl"), (4, 2, 4), {})


# Doubts


def wide(n: int, cell="{0}-{1}") -> str:
    """Return movies with a cast in a cell that no separator splits."""
    rows = [f"Film {k},{1950 + k},{cell.format(f'Ann {k}', f'Bob {k}')}\n" for k in range(n)]
    return "title,year,cast\n" + "".join(rows)


@pytest.mark.parametrize(
    ("content", "doubt"),
    [
        (wide(30), "30 of 30 movies have one actor, and 30 of 30 actors play in one movie"),
        (
            "imdb_id,title,year,actor\n"
            + "".join(f"tt{k},Film {k % 29},2001,Ann Ames\n" for k in range(30)),
            "2 movies of 30 share title and year with another id: Film 0 (2001)",
        ),
        ("title,actor\nA,B\n,C\n,D\n", "2 rows cannot be used, more than the 1 that can"),
    ],
    ids=["one actor", "two ids", "set aside"],
)
def test_doubtful_films_are_never_called_clean(run, tmp_path, content, doubt):
    put(tmp_path, "films.csv", content)
    for call in (("import", "films.csv", "--to", "to.jsonl"), ("run", "--dataset", "films.csv")):
        code, said = run(*call, *(("-p", "on_problem", "skip") if call[0] == "run" else ()))
        assert (code, doubt in said) == (2, True), said
        if call[0] == "import":  # first why, then what the columns were taken for
            assert said.startswith(f"doubtful: {doubt}")
            assert "taken for" in said
    assert not (tmp_path / "to.jsonl").exists()
    code, said = run("check", "films.csv")
    assert (code, f"doubtful: {doubt}" in said) == (1, True)
    assert run("import", "films.csv", "--to", "to.jsonl", "--accept")[0] == 0
    assert (tmp_path / "to.jsonl").exists()


def test_nineteen_films_are_too_few_for_doubts(run, tmp_path):
    put(tmp_path, "films.csv", wide(19))
    assert run("import", "films.csv", "--to", "to.jsonl")[0] == 0


# Guesses that can be changed


def test_a_saved_mapping_repeats_what_was_read(run, tmp_path):
    put(tmp_path, "a.csv", "Film;Who;Seen;rating\nHarbour;Ann Ames + Bob Burr;2001;7\n")
    put(tmp_path, "b.csv", "Film;Who;Seen;rating\nMeadow;Ann Ames + Cy Cole;2002;8\n")
    options = ("--actor", "Who", "--year", "Seen", "--rating", "none", "--actor-separator", "+")
    code, said = run("import", "a.csv", "--to", "a.jsonl", *options, "--save-mapping", "m.yml")
    assert code == 0, said
    assert_right(read_corpus(tmp_path / "a.jsonl"), (1, 2, 2), {"rating": [None], "year": [2001]})
    for command in ("import", "merge"):
        assert run(command, "b.csv", "--to", "b.jsonl", "--mapping", "m.yml")[0] == 0
        expected = {"casts": [["Ann Ames", "Cy Cole"]], "rating": [None], "year": [2002]}
        assert_right(read_corpus(tmp_path / "b.jsonl"), (1, 2, 2), expected)


@pytest.mark.parametrize("source", ["set", "set.db"])
@pytest.mark.parametrize("name", SETS)
def test_a_saved_mapping_repeats_how_tables_were_joined(run, tmp_path, monkeypatch, name, source):
    for file, content in SETS[name][0].items():
        put(tmp_path / "set", file, content)
    write_database(tmp_path / "set.db", SETS[name][0])
    code, said = run("import", source, "--to", "a.jsonl", "--save-mapping", "m.yml")
    assert code == 0, said
    monkeypatch.setattr("imdbclust.datasets.relations._plan", None)  # nothing is guessed again
    code, said = run("import", source, "--to", "b.jsonl", "--mapping", "m.yml")
    assert code == 0, said
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()


def test_a_mapping_of_tables_is_changed_by_hand(run, tmp_path):
    for file, content in SETS["relational"][0].items():
        put(tmp_path / "set", file, content)
    assert run("import", "set", "--to", "a.jsonl", "--save-mapping", "m.yml")[0] == 0
    how = json.loads((tmp_path / "m.yml").read_text())
    assert how["tables"]["people.csv"] == {"actor_id": ["id"], "actor": ["name"]}
    assert how["tables"]["stars.csv"] == {"movie_id": ["movie_id"], "actor_id": ["person_id"]}
    assert (how["separator"], how["actor_separator"]) == (",", "none")
    del how["tables"]["genres.csv"]
    put(tmp_path, "m.yml", json.dumps(how))
    assert run("import", "set", "--to", "b.jsonl", "--mapping", "m.yml")[0] == 0
    assert_right(read_corpus(tmp_path / "b.jsonl"), (3, 3, 5), {"genres": [[], [], []]})
    for table, columns, says in (
        ("cast.csv", {"actor": ["name"]}, "missing table 'cast.csv'; its tables: genres.csv"),
        ("people.csv", {"actor": ["Name"]}, "people.csv: missing column 'Name'"),
        ("stars.csv", {"movie_id": ["movie_id"]}, "no table is used that has movies and actors"),
    ):
        tables = how["tables"] | {table: columns}
        put(tmp_path, "m.yml", json.dumps(how | {"tables": tables}))
        code, said = run("import", "set", "--to", "c.jsonl", "--mapping", "m.yml")
        assert (code, says in said) == (2, True), said


@pytest.mark.parametrize(
    ("table", "columns", "key"),
    [
        ("movies.csv", {"title": ["title"]}, "movie_id"),
        ("people.csv", {"actor": ["name"]}, "actor_id"),
        ("people.csv", {"actor_id": ["id"]}, "actor"),
        ("genres.csv", {"genres": ["genre"]}, "genre_id"),
        ("genres.csv", {"genre_id": ["movie_id"], "genres": []}, "genres"),
        ("stars.csv", {"movie_id": ["movie_id"], "actor": ["person_id"]}, "actor_id"),
    ],
)
def test_a_mapping_of_tables_that_cannot_be_joined_is_refused(run, tmp_path, table, columns, key):
    for file, content in SETS["relational"][0].items():
        put(tmp_path / "set", file, content)
    tables = {
        "people.csv": {"actor_id": ["id"], "actor": ["name"]},
        "stars.csv": {"movie_id": ["movie_id"], "actor_id": ["person_id"]},
    }
    put(tmp_path, "m.yml", json.dumps({"tables": tables | {table: columns}}))
    code, said = run("import", "set", "--to", "to.jsonl", "--mapping", "m.yml")
    assert (code, f"set: the mapping names no column of {table} for {key}" in said) == (2, True)


HALF = "not a mapping for film files: a text has an unpaired surrogate or is not UTF-8"


@pytest.mark.parametrize(
    ("option", "odd", "about"),
    [
        ("--mapping", {"separator": "\ud800"}, HALF),
        ("--mapping", {"columns": {"\ud800": []}}, "a key has an unpaired surrogate"),
        ("--unify", {"actors": {"X Y": "\ud800"}}, HALF),
    ],
)
def test_half_a_character_in_a_mapping_is_an_error(run, tmp_path, option, odd, about):
    put(tmp_path, "a.csv", "title,actor\nA,X Y\n")
    put(tmp_path, "m.yml", json.dumps(odd))
    code, said = run("import", "a.csv", "--to", "a.jsonl", option, "m.yml")
    assert (code, said) == (2, f"imdbclust: m.yml: {about}\n")


def test_a_saved_mapping_repeats_how_a_text_was_read(run, tmp_path):
    content = 'title;actor\nCafé "Nord";Ann Ames, Bob Burr\n'.encode("cp1252")
    put(tmp_path, "a.csv", content.replace(b"Caf", b'"Caf'))
    options = ("--actor-separator", "none", "--quote", "none")
    call = ("import", "a.csv", "--to", "to.jsonl")
    assert run(*call, *options, "--save-mapping", "m.yml")[0] == 0
    how = json.loads((tmp_path / "m.yml").read_text())
    read_as = {"separator": ";", "quote": "none", "encoding": "cp1252", "actor_separator": "none"}
    assert how | read_as == how
    said = run(*call, "--mapping", "m.yml")[1]
    assert "cp1252" not in said
    expected = {"titles": ['"Café "Nord"'], "casts": [["Ann Ames, Bob Burr"]]}
    assert_right(read_corpus(tmp_path / "to.jsonl"), (1, 1, 1), expected)


def test_columns_of_joined_tables_may_be_given(run, tmp_path):
    put(tmp_path / "set", "movies.csv", "id,headline,seen\n1,Harbour,2001\n2,Meadow,2002\n")
    put(tmp_path / "set", "people.csv", "id,stage name\n11,Ann Ames\n12,Bob Burr\n")
    put(tmp_path / "set", "stars.csv", "who,what\n11,1\n12,1\n11,2\n")
    options = ("--title", "headline", "--year", "seen", "--actor", "stage name")
    call = ("import", "set", "--to", "to.jsonl", *options)
    code, said = run(*call, "--actor-id", "who", "--movie-id", "what")
    assert code == 0, said
    expected = {"titles": ["Harbour", "Meadow"], "year": [2001, 2002]}
    expected["casts"] = [["Ann Ames", "Bob Burr"], ["Ann Ames"]]
    assert_right(read_corpus(tmp_path / "to.jsonl"), (2, 2, 3), expected)
    code, said = run(*call, "--actor-id", "whom")
    assert (code, "missing column 'whom' in all of its tables" in said) == (2, True)


def test_several_columns_of_actors_may_be_given(run, tmp_path):
    put(tmp_path, "films.csv", "title,hero,villain\nHarbour,Ann Ames,Bob Burr\nMeadow,Ann Ames,\n")
    call = ("import", "films.csv", "--to", "to.jsonl", "--actor", "hero", "--actor", "villain")
    assert run(*call)[0] == 0
    assert_right(
        read_corpus(tmp_path / "to.jsonl"), (2, 2, 3), {"casts": [["Ann Ames", "Bob Burr"]]}
    )


def test_spellings_are_listed_and_merged(run, tmp_path):
    put(
        tmp_path,
        "films.csv",
        "title,year,actor,genre\nAmélie,2001,Ann Ames,Sport\nAmelie,2001,ann ames,Sports\n",
    )
    said = run("check", "films.csv")[1]
    for line in ("names alike", "titles alike", "genres alike", "'Sports' is spelled like 'Sport'"):
        assert line in said
    put(
        tmp_path,
        "same.yml",
        "actors: {ann ames: Ann Ames}\ngenres: {Sports: Sport}\ntitles: {Amelie: Amélie}\n",
    )
    assert run("import", "films.csv", "--to", "to.jsonl", "--unify", "same.yml")[0] == 0
    expected = {"ids": ["Amélie (2001)"], "genres": [["Sport"]], "casts": [["Ann Ames"]]}
    assert_right(read_corpus(tmp_path / "to.jsonl"), (1, 1, 1), expected)


def test_what_was_understood_is_shown(run, tmp_path):
    put(tmp_path, "films.csv", FILES["wide_comma.csv"][0])
    lines = run("import", "films.csv", "--to", "to.jsonl")[1].splitlines()
    assert lines[:7] == [
        "films.csv: 3 rows",
        "  column  taken for                    example",
        "  Title   title                        Harbour",
        "  Year    year                         2001",
        "  Genre   genres, separated by commas  Drama,Crime",
        "  Actors  actors, separated by commas  Ann Ames, Bob Burr",
        "  Rating  rating                       7.1",
    ]
    assert "  Harbour (2001) [Drama, Crime; rated 7.1 by 100]: Ann Ames, Bob Burr" in lines
    assert lines[-2:] == [
        "films.csv: 3 records read, clean: 3 movies, 4 actors, 7 credits",
        "written: to.jsonl",
    ]


def test_what_was_understood_is_kept_with_the_films(tmp_path):
    for file, content in SETS["relational"][0].items():
        put(tmp_path / "set", file, content)
    source = find_dataset(str(tmp_path / "set")).read().source
    taken = {(row["file"], row["column"]): row["taken_for"] for row in source["columns"]}
    assert source["title"] == "Films of the folder set"
    assert taken["people.csv", "name"] == "actors"
    assert taken["people.csv", "birth"] == "not used"
    assert taken["stars.csv", "person_id"] == "actor id"
    assert "cells are separated by commas" in source["guesses"]
    said = "How the files were read: cells are separated by commas; names are read from people.csv."
    assert how_read(["cells are separated by commas", "names are read from people.csv"]) == said


def test_refused_columns_are_named_in_the_order_of_the_keys(tmp_path):
    put(tmp_path / "set", "films.csv", "movie_id,title,year,rating,votes\n1,Harbour,x,y,z\n")
    put(tmp_path / "set", "cast.csv", "movie_id,actor\n1,Ann Ames\n")
    guesses = find_dataset(str(tmp_path / "set")).read().source["guesses"]
    refused = [one.split(": ")[1] for one in guesses if one.startswith("films.csv: ")]
    assert refused == ["year", "rating", "votes"]


# A part of the films


PART = (
    "title,year,actor,genre\nA,2001,Ann Ames,War\nA,2001,Bob Burr,War\nB,2002,Ann Ames,Drama\n"
    "C,1990,Ann Ames,War\nD,,Ann Ames,War\nE,2003,Cy Cole,War\n"
)


@pytest.mark.parametrize(
    ("options", "titles", "sizes"),
    [
        (("--since", "2001"), ["A", "B", "E"], (3, 3, 4)),
        (("--until", "2001"), ["A", "C"], (2, 2, 3)),
        (("--genre", "drama"), ["B"], (1, 1, 1)),
        (("--genre", "War", "--since", "2001"), ["A", "E"], (2, 3, 3)),
        (("--min-movies", "2"), ["A", "B", "C", "D", "E"], (4, 1, 4)),
        (("--min-movies", "2", "--min-cast", "1"), ["A", "B", "C", "D"], (4, 1, 4)),
    ],
)
def test_a_part_of_the_films_is_selected(run, tmp_path, options, titles, sizes):
    put(tmp_path, "films.csv", PART)
    assert run("import", "films.csv", "--to", "to.jsonl", *options)[0] == 0
    assert_right(read_corpus(tmp_path / "to.jsonl"), sizes, {"titles": titles})


def test_a_part_that_does_not_exist_is_refused(run, tmp_path):
    put(tmp_path, "films.csv", PART)
    for options, says in (
        (("--since", "2050"), "no movie is in the selected part"),
        (("--genre", "Opera"), "unknown genre 'Opera'; the films have Drama, War"),
        (("--min-cast", "-1"), "min-cast must be at least 0"),
        (("--min-movies", "9" * 50), "min-movies must be at least 1 and at most 1,000,000,000"),
    ):
        code, said = run("import", "films.csv", "--to", "to.jsonl", *options)
        assert (code, says in said) == (2, True), said


def test_a_part_is_another_dataset_and_described(tmp_path):
    path = put(tmp_path, "films.csv", PART)
    part = {"since": 2001}
    found = find_dataset(str(path), part=part)
    assert found.read().movies["title"].tolist() == ["A", "B", "E"]
    assert found.describe()["part"] == part
    assert part_of_films(part) == "Only a part of the films is used: movies from 2001."
