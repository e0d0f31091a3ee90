"""IMDb's own dumps: what is read, what is dropped and why, and nothing changed on the way."""

import hashlib
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imdb_files import person, principal, put, rows_of, title

from imdbclust.base.text import parse_memory
from imdbclust.commands import cli
from imdbclust.datasets import find as datasets
from imdbclust.datasets import imdb_tables
from imdbclust.datasets.imdb_dumps import import_dumps
from imdbclust.datasets.imdb_tables import (
    BASICS,
    EVERYTHING,
    FORMAT,
    NAMES,
    PRINCIPALS,
    RATINGS,
    Selection,
)
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.load import Corpus, CorpusBuilder, CorpusError, read_corpus

TABLES = ("movies", "actors", "credits", "genres")


def names_in(folder):
    return [path.name for path in folder.iterdir()]


SMALL = {
    BASICS: [
        title("tt0000002", name='"Swing it" magistern', genres="Comedy,Musical"),
        title("tt0000001", name="NA", year="2010"),
        title("tt10000000", name='"open', genres="\\N"),
        title("tt0000003", kind="short"),
        title("tt0000004", adult="1"),
        title("tt0000005", year="\\N"),
        title("tt0000006", year="1999"),
        title("tt0000007", name="Nobody in it"),
        title("tt0000001", name="Once more"),
        title("tt0000009", name="\\N"),
    ],
    PRINCIPALS: [
        principal("tt0000001", 2, "nm0000001"),
        principal("tt0000001", 1, "nm0000002", "actress"),
        principal("tt0000001", 3, "nm0000001", "self"),
        principal("tt0000002", 1, "nm0000001"),
        principal("tt0000002", 4, "nm0000001", "actress"),
        principal("tt0000002", 2, "nm0000002", "archive_footage"),
        principal("tt0000002", 3, "nm12345678"),
        principal("tt10000000", 10, "nm0000002"),
        principal("tt10000000", 9, "nm12345678"),
        principal("tt10000000", 1, "nm0000005"),
        principal("tt0000003", 1, "nm0000001"),
        principal("tt0000006", 1, "nm0000005"),
        principal("tt0000002", 5, "\\N"),
    ],
    NAMES: [person("nm0000001", "null"), person("nm0000002", "Bo"), person("nm0000009", "Else")],
    RATINGS: [
        ["tt0000001", "7.1", "1200"],
        ["tt0000002", "nan", "many"],
        ["tt0000008", "5.0", "6"],
    ],
}


def same_tables(one: Corpus, other: Corpus):
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


@pytest.fixture
def dumps(tmp_path):
    return put(tmp_path / "dumps", SMALL)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "films.jsonl"


def test_the_small_dumps_by_hand(dumps, target):
    summary = import_dumps(dumps, target)
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert lines == [
        {
            "imdb_id": "tt0000001",
            "title": "NA",
            "genres": ["Drama"],
            "actors": [["nm0000002", "Bo"], ["nm0000001", "null"]],
            "year": 2010,
            "rating": {"avg": 7.1, "votes": 1200},
        },
        {
            "imdb_id": "tt0000002",
            "title": '"Swing it" magistern',
            "genres": ["Comedy", "Musical"],
            "actors": [["nm0000001", "null"], ["nm12345678", "nm12345678"]],
            "year": 2001,
            "rating": {},
        },
        {
            "imdb_id": "tt10000000",
            "title": '"open',
            "genres": [],
            "actors": [["nm12345678", "nm12345678"], ["nm0000002", "Bo"]],
            "year": 2001,
            "rating": {},
        },
    ]
    assert (summary.n_movies, summary.n_actors, summary.n_credits) == (3, 3, 6)
    assert summary.counts == {
        BASICS: {
            "rows read": 10,
            "dropped: other type": 1,
            "dropped: adult": 1,
            "dropped: duplicate id": 1,
            "dropped: other year": 1,
            "dropped: no title": 1,
            "dropped: no year": 1,
            "dropped: cast too small": 1,
            "kept": 3,
        },
        PRINCIPALS: {
            "rows read": 13,
            "dropped: other category": 2,
            "dropped: no person": 1,
            "dropped: title not selected": 2,
            "dropped: duplicate person in a title": 1,
            "dropped: actor with fewer than 2 movies, or title dropped": 1,
            "kept": 6,
        },
        NAMES: {"rows read": 3, "dropped: not an actor of the corpus": 1, "kept": 2},
        RATINGS: {"rows read": 3, "dropped: title not selected": 1, "kept": 2},
    }
    assert summary.notes["actors without a name: named by their id"] == 1
    assert summary.notes["invalid ratings: treated as missing"] == 1


@pytest.mark.parametrize(
    ("choice", "movies"),
    [
        (Selection(), "1 2 10000000"),
        (Selection(types=("short",), min_movies=1), "3"),
        (Selection(adult=True, min_movies=1, min_cast=0), "1 2 4 7 10000000"),
        (Selection(since=None, until=None, min_movies=1, min_cast=0), "1 2 5 6 7 10000000"),
        (Selection(since=None, until=2005, min_movies=1, min_cast=0), "2 6 7 10000000"),
        (Selection(since=2010, until=None, min_movies=1), "1"),
        (Selection(genres=("Musical",), min_movies=1), "2"),
        (Selection(genres=("Music", "Drama"), min_movies=1), "1"),
        (Selection(categories=("self",), min_movies=1), "1"),
        (Selection(min_movies=1, min_cast=3), "10000000"),
        (EVERYTHING, "1 2 3 4 5 6 7 10000000"),
    ],
)
def test_what_is_chosen_is_taken(dumps, target, choice, movies):
    import_dumps(dumps, target, choice)
    ids = read_corpus(target).movies["movie_id"].str[2:].astype(int)
    assert sorted(ids) == [int(movie) for movie in movies.split()]


def test_minima_are_applied_until_nothing_changes(tmp_path, target):
    # movies 1 to 3 share a, b and c; the others hang on as a chain whose end gives way
    casts = ["abc", "abc", "abd", "de", "ef"]
    rows = {
        BASICS: [title(f"tt{number}") for number in range(1, 6)],
        PRINCIPALS: [
            principal(f"tt{number}", place, actor)
            for number, cast in enumerate(casts, start=1)
            for place, actor in enumerate(cast)
        ],
        NAMES: [],
        RATINGS: [],
    }
    summary = import_dumps(
        put(tmp_path / "dumps", rows), target, Selection(min_movies=2, min_cast=2)
    )
    corpus = read_corpus(target)
    assert corpus.movies["movie_id"].tolist() == ["tt1", "tt2", "tt3"]
    assert corpus.cast_sizes().tolist() == [3, 3, 2]
    assert set(corpus.actors["actor_id"]) == set("abc")
    assert summary.rounds > 2


def chains(folder, n_links, rng):
    """Write films of 40 random casts, and of chains whose ends give way one link a round."""
    casts = [[f"nm{actor}" for actor in rng.choice(15, 3, replace=False)] for _ in range(40)]
    for start in (1_000, 50_000):
        casts += [[f"nm{link}", f"nm{link + 1}"] for link in range(start, start + n_links)]
    order = rng.permutation(len(casts))
    rows = {
        BASICS: [title(f"tt{number}") for number in range(len(casts))],
        PRINCIPALS: [
            principal(f"tt{number}", place, actor)
            for number in order
            for place, actor in enumerate(casts[number])
        ],
        NAMES: [],
        RATINGS: [],
    }
    return put(folder, rows)


def test_chains_are_taken_apart_in_memory_as_by_repeated_statements(tmp_path, target, monkeypatch):
    folder = chains(tmp_path / "dumps", 25, np.random.default_rng(0))
    for choice in (Selection(min_cast=2), Selection(min_movies=3, min_cast=2), Selection()):
        monkeypatch.setattr(imdb_tables, "ROUNDS", 10**9)
        slow = import_dumps(folder, target, choice)
        lines = target.read_bytes()
        monkeypatch.setattr(imdb_tables, "ROUNDS", 1)
        quick = import_dumps(folder, target, choice)
        assert target.read_bytes() == lines
        assert (quick.rounds, quick.counts) == (slow.rounds, slow.counts)
    assert read_corpus(target).n_movies == 90  # with casts of one, no chain gives way
    assert slow.rounds == 2


def test_a_long_chain_takes_no_statement_for_each_link(tmp_path, target, monkeypatch):
    folder = chains(tmp_path / "dumps", 2_000, np.random.default_rng(0))
    asked, one = [], imdb_tables.DumpTables._row
    monkeypatch.setattr(
        imdb_tables.DumpTables, "_row", lambda self, sql: asked.append(sql) or one(self, sql)
    )
    summary = import_dumps(folder, target, Selection(min_cast=2))
    assert summary.rounds == 1_001  # both ends of a chain give way, and the last round checks
    assert len(asked) < 20
    assert read_corpus(target).n_movies == 40


def test_ratings_may_be_missing(dumps, target):
    (dumps / "title.ratings.tsv.gz").unlink()
    summary = import_dumps(dumps, target)
    assert read_corpus(target).movies["rating"].isna().all()
    assert summary.notes["title.ratings is missing: movies without a rating"] == 3


def test_added_and_reordered_columns_make_no_difference(tmp_path, target):
    import_dumps(put(tmp_path / "usual", SMALL), target)
    usual = target.read_bytes()
    rows = {name: [[*row[::-1], "new"] for row in lines] for name, lines in SMALL.items()}
    headers = {name: [*columns[::-1], "added"] for name, columns in FORMAT.items()}
    import_dumps(put(tmp_path / "other", rows, headers=headers, zipped=False, end="\r\n"), target)
    assert target.read_bytes() == usual


@pytest.mark.parametrize("name", list(FORMAT))
def test_a_renamed_column_is_named_with_its_file(tmp_path, target, name):
    column = imdb_tables.NEEDED[name][-1]
    renamed = ["other" if other == column else other for other in FORMAT[name]]
    folder = put(tmp_path / "dumps", SMALL, headers={name: renamed})
    with pytest.raises(CorpusError, match=rf"^{name}\.tsv\.gz: missing column {column};"):
        import_dumps(folder, target)
    assert not target.exists()


@pytest.mark.parametrize("name", list(FORMAT))
def test_a_file_cut_short_is_refused_and_leaves_nothing(dumps, target, name):
    path = dumps / f"{name}.tsv.gz"
    path.write_bytes(path.read_bytes()[:-5])
    target.write_text("older\n")
    with pytest.raises(
        CorpusError, match=rf"^{name}\.tsv\.gz: the gzip data is damaged: .* ended before"
    ):
        import_dumps(dumps, target)
    assert set(names_in(target.parent)) == {"dumps", "films.jsonl"}
    assert target.read_text() == "older\n"


def test_missing_and_doubled_files_are_named(dumps, target):
    (dumps / "title.basics.tsv").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"title\.basics exists as \.tsv and as \.tsv\.gz"):
        import_dumps(dumps, target)
    for name in ("title.basics.tsv", "title.basics.tsv.gz", "name.basics.tsv.gz"):
        (dumps / name).unlink()
    with pytest.raises(CorpusError, match=r"missing title\.basics\.tsv\.gz and name\.basics"):
        import_dumps(dumps, target)
    with pytest.raises(CorpusError, match="no such folder"):
        import_dumps(dumps / "no", target)


def test_bad_lines_are_counted_and_named(tmp_path, target):
    rows = SMALL | {BASICS: [["tt0000000", "short"], *SMALL[BASICS]]}
    summary = import_dumps(put(tmp_path / "dumps", rows), target)
    assert summary.counts[BASICS]["rows read"] == 11
    assert summary.counts[BASICS]["dropped: wrong number of fields"] == 1
    assert [str(problem) for problem in summary.problems] == [
        "title.basics.tsv.gz:2: wrong number of fields: 2, the header has 9"
    ]


def test_no_title_left_is_said_with_the_reasons(dumps, target):
    with pytest.raises(CorpusError, match=r"no title is left .*other year"):
        import_dumps(dumps, target, Selection(since=2030, until=2031))


def test_the_manifest_says_what_the_corpus_was_made_of(dumps, target):
    import_dumps(dumps, target, Selection(min_cast=2))
    about = json.loads((target.parent / "films.jsonl.source.json").read_text(encoding="utf-8"))
    basics = about["inputs"][0]
    packed = (dumps / "title.basics.tsv.gz").read_bytes()
    assert (basics["file"], basics["bytes"]) == ("title.basics.tsv.gz", len(packed))
    assert basics["sha256"] == hashlib.sha256(packed).hexdigest()
    assert about["sha256_of_lines"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert about["options"]["min_cast"] == 2
    assert about["counts"][BASICS]["kept"] == about["corpus"]["movies"]
    licence = datasets.find_dataset(str(target)).describe()["licence"]
    assert licence.startswith("Information courtesy of IMDb (https://www.imdb.com). Used with")


def test_same_files_same_bytes_whatever_the_threads(tmp_path):
    put(tmp_path / "dumps", rows_of(make_filmography(400, 500).corpus))
    targets = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.gz")]
    for threads, path in enumerate(targets, start=1):
        import_dumps(tmp_path / "dumps", path, threads=threads, memory=10**9)
    assert targets[0].read_bytes() == targets[1].read_bytes()


def test_an_interruption_leaves_nothing(dumps, target, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(imdb_tables, "encode_movie", interrupt)
    with pytest.raises(KeyboardInterrupt):
        import_dumps(dumps, target)
    assert names_in(target.parent) == ["dumps"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_signal_leaves_nothing(tmp_path, number):
    from imdbclust.datasets.made_up.large import LargeSample

    LargeSample(60_000, 200_000, 900_000).write_dumps(tmp_path / "dumps")
    command = [sys.executable, "-m", "imdbclust", "import-imdb", str(tmp_path / "dumps")]
    command += ["--to", str(tmp_path / "films.jsonl")]
    for delay in (0.3, 0.6, 1.2):
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while not any(name.startswith(".films") for name in names_in(tmp_path)):
            time.sleep(0.01)  # until there is something that could stay
        time.sleep(delay)
        running.send_signal(number)
        _, said = running.communicate()
        if running.returncode == 0:  # it was done before
            break
        assert running.returncode == 130
        assert said.strip() == "imdbclust: interrupted; nothing was written"
        assert names_in(tmp_path) == ["dumps"]


# Round trip

ODD = [
    '"Swing it" magistern', '"open', "NA", "null", "nan", "None", "\\\\N", "N", "=1+1", "#1",
    " spaces ", "1917", "'", "a\\tb", "\u2028", "\ufeff", "Ünïcödé", "true", "<b>", ",", "\\",
]  # fmt: skip
texts = st.sampled_from(ODD) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), min_size=1, max_size=9
).filter(lambda text: text != "\\N")


@st.composite
def corpora(draw):
    """Return any small corpus that the dumps can represent, movies sorted by id."""
    builder = CorpusBuilder()
    ids = draw(st.lists(st.integers(1, 10**8), min_size=1, max_size=6, unique=True))
    names = draw(st.lists(texts, min_size=1, max_size=5))
    for movie_id in sorted(f"tt{number:07d}" for number in ids):
        cast = draw(st.lists(st.integers(0, len(names) - 1), unique=True, max_size=4))
        rating = draw(st.none() | st.floats(0, 10))
        builder.add(
            movie_id,
            draw(texts),
            draw(st.lists(st.sampled_from(["Drama", "Sci-Fi", "NA"]), unique=True, max_size=3)),
            [(f"nm{actor + 9_999_998:07d}", names[actor]) for actor in cast],
            year=draw(st.none() | st.integers(1, 9999)),
            rating=rating,
            votes=None if rating is None else draw(st.none() | st.integers(0, 2**63 - 1)),
        )
    return builder.build()


def with_traps(rows, draw):
    """Add what must not change the corpus of movies and actors."""
    known = [row[0] for row in rows[BASICS]]
    people = [row[0] for row in rows[NAMES]]
    rows[BASICS] += [title("tt0", kind="tvEpisode"), title("tt00", adult="1"), ["tt000", "short"]]
    rows[PRINCIPALS] += [principal("tt0", 1, "nm0"), principal("tt00", 1, "nm0"), ["tt", "1"]]
    rows[PRINCIPALS] += [
        principal(movie, place, person_id, category)
        for movie in draw(st.lists(st.sampled_from(known), max_size=3))
        for place, person_id, category in [
            (1, "nm0", "self"),
            (2, "nm00", "archive_footage"),
            (3, "\\N", "actor"),
        ]
    ]
    of_cast = [row for row in rows[PRINCIPALS] if row[0] in known and row[2] in people]
    if of_cast:
        again = draw(st.lists(st.sampled_from(of_cast), max_size=3))
        rows[PRINCIPALS] += [principal(row[0], 99, row[2], "actress") for row in again]
    rows[NAMES] += [person("nm0", "Nobody"), person("nm00", "No one"), ["nm000"]]
    rows[RATINGS] += [["tt0", "1.0", "5"], ["tt0000", "9.9", "9"]]
    for name in (PRINCIPALS, NAMES, RATINGS):
        rows[name] = draw(st.permutations(rows[name]))
    return rows


@settings(max_examples=25, deadline=None)
@given(corpus=corpora(), data=st.data())
def test_written_as_dumps_and_imported_it_is_the_same_corpus(tmp_path_factory, corpus, data):
    folder = tmp_path_factory.mktemp("round")
    rows, choice = rows_of(corpus), EVERYTHING
    if data.draw(st.booleans()):
        rows = with_traps(rows, data.draw)
        choice = Selection(since=None, until=None, min_movies=1, min_cast=0)
    zipped, end = data.draw(st.booleans()), data.draw(st.sampled_from(["\n", "\r\n"]))
    put(folder / "dumps", rows, zipped=zipped, end=end)
    import_dumps(folder / "dumps", folder / "films.jsonl", choice)
    same_tables(read_corpus(folder / "films.jsonl"), corpus)


# The command line


def test_the_command_imports_and_says_what_it_did(dumps, target, capsys):
    assert cli.main(["import-imdb", str(dumps), "--to", str(target)]) == 0
    said = capsys.readouterr().out
    assert "corpus: 3 movies, 3 actors, 6 credits" in said
    assert "dropped: other year" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--since", "2010", "--until", "2009"], "since (2010) must not be after until (2009)"),
        (["--since", "0"], "since must be a year from 1 to 9999"),
        (["--min-movies", "0"], "min-movies must be at least 1"),
        (["--min-cast", "-1"], "min-cast must be at least 0"),
        (["--genre", "Nothing"], "no title is left"),
    ],
)
def test_a_wrong_call_is_refused_in_words(dumps, target, capsys, options, words):
    assert cli.main(["import-imdb", str(dumps), "--to", str(target), *options]) == 2
    assert words in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize(
    ("memory", "words"),
    [("lots", "memory must be a number and a unit"), ("10MB", "memory must be at least 1GB")],
)
def test_an_amount_of_memory_is_checked_when_the_call_is_read(dumps, target, capsys, memory, words):
    with pytest.raises(SystemExit) as ended:
        cli.main(["import-imdb", str(dumps), "--to", str(target), "--memory", memory])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert not target.exists()


def test_a_name_that_is_no_corpus_and_a_folder_that_is_not_there(dumps, tmp_path, capsys):
    assert cli.main(["import-imdb", str(dumps), "--to", str(tmp_path / "films.csv")]) == 2
    assert "films.csv: a corpus file ends in" in capsys.readouterr().err
    assert cli.main(["import-imdb", str(dumps), "--to", str(tmp_path / "no/films.jsonl")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_all_types_and_any_year_can_be_asked_for(dumps, target):
    options = "--type all --categories all --any-year --adult --min-movies 1 --min-cast 0"
    assert cli.main(["import-imdb", str(dumps), "--to", str(target), *options.split()]) == 0
    assert read_corpus(target).n_movies == 8


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("2GB", 2 * 10**9), ("1500 mb", 1_500_000_000), ("1.5g", 1_500_000_000), ("2T", 2 * 10**12)],
)
def test_memory_is_read_with_its_unit(text, n_bytes):
    assert parse_memory(text) == n_bytes
