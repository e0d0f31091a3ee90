"""Any film file comes in right in one command, or is refused with a sentence."""


import pandas as pd
import pytest
from film_files import FILES, REFUSED, SETS, write_database

from imdbclust.commands.cli import main
from imdbclust.load import Corpus, read_corpus


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
