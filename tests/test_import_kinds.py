"""A corpus that is written as a film file of any kind and read again is the same corpus."""

import bz2
import csv
import gzip
import io
import json
import lzma
import sqlite3
import sys

import pandas as pd
import pytest
from corpora import corpora, toy_corpus
from film_files import RELATIONAL, zipped
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from imdbclust.base.errors import UserError
from imdbclust.datasets.reading import examine, mapping_of, read_films
from imdbclust.datasets.tables import Reading
from imdbclust.films.problems import CorpusError, ProblemLog
from imdbclust.films.values import fold, parse_rating, parse_votes, parse_year

SOME = settings(
    max_examples=8,
    derandomize=True,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": lambda content: zipped(films__txt=content),
}


def records_of(corpus) -> list[dict]:
    """Return the movies of a corpus with their genres and the names of their casts."""
    names = [f"{name} Person" for name in corpus.actors["name"]]
    found = []
    for row, one in enumerate(corpus.movies.itertuples()):
        cast = corpus.credits.loc[corpus.credits["movie"] == row, "actor"]
        genres = corpus.genres.loc[corpus.genres["movie"] == row, "genre"]
        about = {"imdb_id": one.movie_id, "title": one.title}
        about["year"] = None if pd.isna(one.year) else int(one.year)
        about["rating"] = None if pd.isna(one.rating) else float(one.rating)
        found.append(about | {"cast": [names[a] for a in cast], "genres": list(genres)})
    return found


def read(path, **how):
    corpus = examine([path], Reading(**how), ProblemLog()).corpus
    names = corpus.actors["name"].tolist()
    corpus.actors["name"] = [name.removesuffix(" Person") for name in names]
    return records_of(corpus)


@SOME
@given(
    corpus=corpora(),
    cells=st.sampled_from(",;\t|"),
    items=st.sampled_from(["|", ";", ", "]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    pack=st.sampled_from(list(PACK)),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_one_row_a_movie(tmp_path, corpus, cells, items, quoting, encoding, pack, end):
    records, text = records_of(corpus), io.StringIO()
    rows = csv.writer(text, delimiter=cells, quoting=quoting, lineterminator=end)
    rows.writerow(records[0])
    for one in records:
        lists = {key: items.join(one[key]) for key in ("cast", "genres")}
        rows.writerow((one | lists).values())
    path = tmp_path / f"films.txt{pack}"
    path.write_bytes(PACK[pack](text.getvalue().encode(encoding)))
    assert read(path) == records


@SOME
@given(corpus=corpora(), width=st.integers(5, 8), ending=st.sampled_from(["csv", "parquet"]))
def test_several_columns_of_actors(tmp_path, corpus, width, ending):
    records = records_of(corpus)
    frame = pd.DataFrame(records).drop(columns="cast")
    frame["genres"] = frame["genres"].map("|".join)
    for place in range(width):
        frame[f"Actor {place + 1}"] = [
            one["cast"][place] if place < len(one["cast"]) else None for one in records
        ]
    path = tmp_path / f"films.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    assert read(path) == records


def as_objects(record: dict) -> dict:
    """Return a record with objects for actors and genres, as film APIs give them."""
    cast = [{"id": name, "name": name, "character": "x"} for name in record["cast"]]
    genres = [{"id": 1, "name": name} for name in record["genres"]]
    return record | {"cast": [], "credits": {"cast": cast}, "genres": genres}


SHAPES = {
    "array": lambda records: json.dumps(records),
    "indented": lambda records: json.dumps(records, indent=2),
    "lines": lambda records: "\n".join(map(json.dumps, records)),
    "within": lambda records: json.dumps({"page": 1, "films": records}),
    "columns": lambda records: pd.DataFrame(records).to_json(),
    "by id": lambda records: json.dumps({one["imdb_id"]: one for one in records}),
    "objects": lambda records: "\n".join(
        json.dumps({k: v for k, v in as_objects(one).items() if k != "cast"}) for one in records
    ),
    "pandas lines": lambda records: pd.DataFrame(records).to_json(orient="records", lines=True),
    "split": lambda records: pd.DataFrame(records).to_json(orient="split"),
}


@SOME
@given(corpus=corpora(), shape=st.sampled_from(list(SHAPES)), pack=st.sampled_from(list(PACK)))
def test_json_of_any_shape(tmp_path, corpus, shape, pack):
    records = records_of(corpus)
    path = tmp_path / f"films{pack}"
    path.write_bytes(PACK[pack](SHAPES[shape](records).encode()))
    again = read(path)
    for one in (*records, *again):  # pandas writes ten digits
        one["rating"] = None if one["rating"] is None else round(one["rating"], 6)
    assert again == records


@SOME
@given(corpus=corpora(), kind=st.sampled_from(["folder", "db", "duckdb"]))
def test_tables_joined_by_keys(tmp_path_factory, corpus, kind):
    if not corpus.n_credits:
        return
    folder = tmp_path_factory.mktemp("set")
    ids = corpus.movies["movie_id"].to_numpy()
    tables = {
        "movies": corpus.movies.rename(columns={"movie_id": "id"})[["id", "title", "year"]],
        "people": pd.DataFrame(
            {"id": corpus.actors["actor_id"], "name": corpus.actors["name"] + " Person"}
        ),
        "stars": pd.DataFrame(
            {
                "movie_id": ids[corpus.credits["movie"]],
                "person_id": corpus.actors["actor_id"].to_numpy()[corpus.credits["actor"]],
            }
        ),
        "genres": pd.DataFrame(
            {
                "movie_id": ids[corpus.genres["movie"]],
                "genre": corpus.genres["genre"].astype("str"),
            }
        ),
        "ratings": pd.DataFrame({"movie_id": ids, "rating": corpus.movies["rating"]}),
    }
    path = folder
    if kind == "folder":
        for name, frame in tables.items():
            frame.to_csv(folder / f"{name}.csv", index=False)
    elif kind == "db":
        path = folder / "films"
        base = sqlite3.connect(path)
        for name, frame in tables.items():
            frame.to_sql(name, base, index=False)
        base.close()
    else:
        import duckdb

        path = folder / "films"
        with duckdb.connect(str(path)) as base:
            for name, frame in tables.items():
                base.register("frame", frame.astype(object).where(frame.notna(), None))
                base.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
                base.unregister("frame")
    assert read(path) == records_of(corpus)


def test_a_database_may_mix_types(tmp_path):
    with sqlite3.connect(tmp_path / "films") as base:
        base.execute("CREATE TABLE films (title, year, rating, poster, actor)")
        rows = [
            ("Harbour", 2001, 7.5, b"\xff\xd8", "Ann Ames"),
            (1917, "2019", "8/10", None, b"Bob Burr"),
            ("River", 2003.0, None, None, "[2]"),
        ]
        base.executemany("INSERT INTO films VALUES (?, ?, ?, ?, ?)", rows)
    base.close()
    log = ProblemLog()
    corpus = examine([tmp_path / "films"], Reading(), log).corpus
    assert corpus.movies["title"].tolist() == ["Harbour", "1917", "River"]
    assert corpus.movies["year"].tolist() == [2001, 2019, 2003]
    assert corpus.movies["rating"].tolist()[:2] == [7.5, 8.0]
    assert corpus.actors["name"].tolist()[::2] == ["Ann Ames", "[2]"]  # a name, not a list
    assert "actors in a cell are lists or objects" not in log.guesses


# Values


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2001", 2001), ("2001.0", 2001), ("(2002)", 2002), ("-2019", 2019), ("I 2003", 2003),
        ("2004–2006", 2004), ("2001-05-06", 2001), ("May 6, 2001", 2001), ("TV Movie 2019", 2019),
        ("06/05/2001", 2001), ("3", 3), ("0", None), ("1999.5", None), ("99999", None), ("x", None),
        ("2001-10-27T00:00:00.000", 2001), ("-5", None),
    ],
)  # fmt: skip
def test_years(text, year):
    assert parse_year(text) == year


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("7.5", 7.5), ("7,5", 7.5), ("7.5/10", 7.5), ("75%", 7.5), ("3.5/5", 7.0), ("75/100", 7.5),
        ("8", 8.0), ("PG-13", None), ("11", None), ("-1", None), ("7/0", None), ("R", None),
    ],
)  # fmt: skip
def test_ratings(text, rating):
    assert parse_rating(text) == rating


@pytest.mark.parametrize(
    ("text", "votes"),
    [
        ("1086", 1086), ("1,086", 1086), ("12 345", 12345), ("1.2K", 1200), ("1.2M", 1_200_000),
        ("1.234.567", 1234567), ("12\u00a0345", 12345), ("5.0", 5), ("-1", None), ("1.5", None),
        ("$5.16M", None), ("1,2,3", None), ("9" * 30, None),
    ],
)  # fmt: skip
def test_votes(text, votes):
    assert parse_votes(text) == votes


def test_names_are_folded_but_joiners_of_other_scripts_stay():
    assert fold(" Pene\u0301lope\u00a0 \u200bCruz\ufeff ") == "Penélope Cruz"
    assert fold("Ann\u200d \u200cAmes") == "Ann Ames"
    assert fold("می\u200cخواهم") == "می\u200cخواهم"


# Traps


def test_no_quote_swallows_rows_at_any_size(tmp_path):
    path = tmp_path / "films.csv"
    rows = [f'Film {n},2001,"Name {n % 97}"\n' for n in range(30_000)]
    rows[20_000] = 'Film 20000,2001,"Name\n'
    path.write_text("title,year,actor\n" + "".join(rows))
    with pytest.raises(CorpusError, match=r"films\.csv:20002: a quote that is never closed"):
        read_films(path)
    rows[20_000] = 'Film 20000,2001,"Two\nlines, of a ""name"""\n'
    path.write_text("title,year,actor\n" + "".join(rows))
    assert read_films(path).n_movies == 30_000


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_header_may_be_of_any_length(tmp_path, quote):
    path = tmp_path / "films.csv"
    path.write_text(f"title,actor,{quote}{'x' * 200_000}{quote}\nHarbour,Ann Ames,\n")
    assert read_films(path).movies["title"].tolist() == ["Harbour"]


@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"{", b"[1]", b"{}", b"[[]]", b"<x>", b"a"])
@pytest.mark.parametrize("name", ["films", "films.jsonl", "films.db", "films.parquet"])
def test_what_is_nothing_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=name):
        read_films(tmp_path / name)


@pytest.mark.parametrize(
    "start", [b"SQLite format 3\0", b"PAR1", b"PK\3\4", b"BZh9", b"\xfd7zXZ\0"]
)
def test_damaged_files_are_refused(tmp_path, start):
    (tmp_path / "films").write_bytes(start + bytes(range(256)) * 9)
    with pytest.raises(CorpusError, match="films"):
        read_films(tmp_path / "films")
    (tmp_path / "films").write_bytes(bytes(8) + b"DUCK" + bytes(range(256)) * 99)
    with pytest.raises(CorpusError, match="a DuckDB database that cannot be read"):
        read_films(tmp_path / "films")


def test_titles_that_end_in_a_year_may_contradict_each_other(tmp_path):
    path = tmp_path / "films.csv"
    path.write_text("movie_id,title,actor\n1,A (2001),Ann Ames\n1,A (2002),Bob Burr\n")
    log = ProblemLog()
    corpus = examine([path], Reading(), log).corpus
    assert corpus.movies[["title", "year"]].to_numpy().tolist() == [["A", 2001]]
    assert log.counts["contradictions"] == 1


def test_a_mapping_repeats_the_guesses():
    how = mapping_of({"columns": {"title": ["Film"], "rating": []}, "separator": ";"}, "mapping")
    assert how == Reading({"title": ["Film"], "rating": []}, separator=";")
    for wrong in (7, {"colums": {}}, {"columns": {"name": ["x"]}}, {"unify": {"a": {}}}):
        with pytest.raises(UserError, match="mapping: not a mapping for film files"):
            mapping_of(wrong, "mapping")


def test_the_toy_films_in_a_corpus_file_stay_themselves(tmp_path):
    from imdbclust.load import write_corpus

    write_corpus(toy_corpus(), tmp_path / "films.jsonl")
    again = read_films(tmp_path / "films.jsonl")
    for table in ("movies", "actors", "credits", "genres"):
        pd.testing.assert_frame_equal(getattr(again, table), getattr(toy_corpus(), table))


# Optional libraries


@pytest.mark.parametrize("package", ["openpyxl", "networkx"])
def test_an_optional_library_that_is_missing_is_named(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    content = {
        "openpyxl": zipped(**{"xl/workbook__xml": "<workbook>"}),
        "networkx": b'<?xml version="1.0"?><graphml/>',
    }
    (tmp_path / "films").write_bytes(content[package])
    with pytest.raises(CorpusError, match=f"not installed: pip install {package}, or save"):
        read_films(tmp_path / "films")


def test_workbooks(tmp_path):
    pytest.importorskip("openpyxl")
    movies = pd.DataFrame(
        {
            "Title": ["Harbour", "1917", "NA"],
            "Year": [2001, None, 2003],
            "Rating": [7.5, 8, None],
            "Premiere": pd.to_datetime(["2001-10-27", None, "2003-01-02"]),
            "Cast": ["Ann Ames, Bob Burr", "Ann Ames, Cy Cole", "Cy Cole, Bob Burr, Ann Ames"],
        }
    )
    with pd.ExcelWriter(tmp_path / "films.xlsx") as book:
        movies.to_excel(book, sheet_name="Films", index=False)
        pd.DataFrame().to_excel(book, sheet_name="Empty")
    corpus = examine([tmp_path / "films.xlsx"], Reading(), ProblemLog()).corpus
    assert corpus.movies["title"].tolist() == ["Harbour", "1917", "NA"]
    assert corpus.movies["year"].tolist() == [2001, pd.NA, 2003]
    assert corpus.movies["rating"].tolist()[:2] == [7.5, 8.0]
    assert (corpus.n_actors, corpus.n_credits) == (3, 7)


def test_sheets_of_a_workbook_are_joined(tmp_path):
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "films.xlsx") as book:
        for name, text in RELATIONAL.items():
            sheet = pd.read_csv(io.StringIO(text))
            sheet.to_excel(book, sheet_name=name.removesuffix(".csv"), index=False)
    corpus = examine([tmp_path / "films.xlsx"], Reading(), ProblemLog()).corpus
    assert corpus.movies["title"].tolist() == ["Harbour", "Meadow", "River"]
    assert corpus.movies["year"].tolist() == [2001, 2002, 2003]
    assert (corpus.n_actors, corpus.n_credits, len(corpus.genres)) == (3, 5, 3)


def test_damaged_workbooks_are_refused(tmp_path):
    pytest.importorskip("openpyxl")
    (tmp_path / "films.xlsx").write_bytes(zipped(**{"xl/workbook__xml": "<workbook>"}))
    with pytest.raises(CorpusError, match=r"films\.xlsx: an Excel workbook that cannot be read"):
        read_films(tmp_path / "films.xlsx")


@pytest.mark.parametrize("flipped", [False, True])
def test_graphs(tmp_path, flipped):
    networkx = pytest.importorskip("networkx")
    graph = networkx.Graph()
    for movie, year in (("Harbour", 2001), ("Meadow", 2002)):
        graph.add_node(movie, kind="movie", year=year)
    for movie, actor in (("Harbour", "Ann"), ("Harbour", "Bob"), ("Meadow", "Ann")):
        graph.add_node(actor, kind="actor", label=f"{actor} Burr")
        graph.add_edge(*((actor, movie) if flipped else (movie, actor)))
    networkx.write_graphml(graph, tmp_path / "films.graphml")
    corpus = examine([tmp_path / "films.graphml"], Reading(), ProblemLog()).corpus
    assert corpus.movies[["movie_id", "year"]].to_numpy().tolist() == [
        ["Harbour", 2001],
        ["Meadow", 2002],
    ]
    assert corpus.actors["name"].tolist() == ["Ann Burr", "Bob Burr"]
    assert corpus.credits.to_numpy().tolist() == [[0, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("body", ["", "<graph/>", "<graph edgedefault='undirected'/>"])
def test_graphs_without_films_are_refused(tmp_path, body):
    pytest.importorskip("networkx")
    start = '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    (tmp_path / "films.graphml").write_text(f"{start}{body}</graphml>")
    with pytest.raises(CorpusError, match=r"films\.graphml"):
        read_films(tmp_path / "films.graphml")
