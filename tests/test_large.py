"""Made-up films at any size: the sizes asked for, the same bytes, and files as IMDb has them."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdbclust.commands import cli
from imdbclust.datasets.imdb_dumps import import_dumps
from imdbclust.datasets.imdb_tables import EVERYTHING, FORMAT
from imdbclust.datasets.made_up import large
from imdbclust.datasets.made_up.large import LargeSample
from imdbclust.load import read_corpus


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(large, "BLOCK", 100)


def credits(films):
    """Return all casts, as a list of arrays of actors."""
    casts = []
    for block in films.blocks():
        casts += np.split(block.actors, np.cumsum(block.cast_sizes)[:-1])
    return casts


@settings(max_examples=40, deadline=None)
@given(
    n_movies=st.integers(1, 400),
    n_actors=st.integers(1, 400),
    more=st.integers(0, 500),
    n_troupes=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_keeps_the_rules(n_movies, n_actors, more, n_troupes, seed):
    n_credits = min(max(n_movies, n_actors) + more, n_movies * n_actors)
    films = LargeSample(n_movies, n_actors, n_credits, n_troupes=n_troupes, random_state=seed)
    casts = credits(films)
    assert len(casts) == n_movies
    assert all(len(set(cast)) == len(cast) for cast in casts)
    assert set(np.concatenate(casts)) == set(range(n_actors))
    assert sum(map(len, casts)) <= n_credits


def test_sizes_are_those_asked_for_where_casts_are_small(small_blocks):
    casts = credits(LargeSample(2_000, 4_000, 12_000))
    assert sum(map(len, casts)) == pytest.approx(12_000, rel=0.01)
    careers = np.sort(np.bincount(np.concatenate(casts)))[::-1]
    assert careers[0] > 5 * np.median(careers)


def test_casts_keep_to_troupes_as_far_as_the_signal_says(small_blocks):
    pairs = {}
    for signal in (0.0, 1.0):
        films = LargeSample(2_000, 1_000, 10_000, n_troupes=8, signal=signal)
        home = films._troupe
        by_actor = {}
        for movie, cast in enumerate(credits(films)):
            for actor in cast:
                by_actor.setdefault(actor, []).append(home[movie])
        same = [np.mean(np.array(troupes) == troupes[0]) for troupes in by_actor.values()]
        pairs[signal] = np.mean(same)
    assert pairs[1.0] > 0.99
    assert pairs[0.0] < 0.5


def test_the_same_bytes_again_and_other_ones_by_another_seed(tmp_path, small_blocks):
    files = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.gz", "c.jsonl.gz")]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        LargeSample(300, 500, random_state=seed).write_corpus(file)
    first, again, other = (file.read_bytes() for file in files)
    assert first == again
    assert first != other


def test_the_corpus_is_clean_and_complete(tmp_path, small_blocks):
    LargeSample(550, 700, 2_000, genreless=0.1, unrated=0.2, undated=0.3).write_corpus(
        tmp_path / "films.jsonl"
    )
    corpus = read_corpus(tmp_path / "films.jsonl")
    assert (corpus.n_movies, corpus.n_actors) == (550, 700)
    assert corpus.notes["repeated_credits"] == corpus.notes["other_names"] == 0
    assert corpus.actors["name"].is_unique
    assert corpus.movies["year"].isna().mean() == pytest.approx(0.3, abs=0.06)
    assert corpus.movies["rating"].isna().mean() == pytest.approx(0.2, abs=0.06)
    assert corpus.movies["year"].dropna().between(2000, 2022).all()


def test_clean_dumps_hold_the_same_films_as_the_corpus(tmp_path, small_blocks):
    films = LargeSample(250, 400, 900)
    films.write_corpus(tmp_path / "films.jsonl")
    films.write_dumps(tmp_path / "dumps", clean=True)
    import_dumps(tmp_path / "dumps", tmp_path / "imported.jsonl", EVERYTHING)
    one, other = read_corpus(tmp_path / "films.jsonl"), read_corpus(tmp_path / "imported.jsonl")
    assert one.movies.drop(columns="movie_id").equals(other.movies.drop(columns="movie_id"))
    assert one.credits.equals(other.credits)
    assert one.genres.equals(other.genres)
    assert one.actors["name"].equals(other.actors["name"])
    assert other.movies["movie_id"].str.len().isin([9, 10]).all()


def test_dumps_have_what_makes_readers_stumble(tmp_path, small_blocks, monkeypatch):
    monkeypatch.setattr(large, "RARE", 0.2)
    LargeSample(300, 400, 1_200).write_dumps(tmp_path)
    rows = {}
    for name, columns in FORMAT.items():
        lines = gzip.decompress((tmp_path / f"{name}.tsv.gz").read_bytes()).decode().split("\n")
        assert lines[0].split("\t") == list(columns)
        rows[name] = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:-1]]
    titles, principals = rows["title.basics"], rows["title.principals"]
    assert {"movie", "tvEpisode"} <= {row["titleType"] for row in titles}
    assert {"NA", "null"} <= {row["primaryTitle"] for row in titles}
    assert any(row["primaryTitle"].startswith('"') for row in titles)
    assert any(row["startYear"] == "\\N" for row in titles)
    assert any(row["genres"] == "\\N" for row in titles)
    assert any(row["isAdult"] == "1" for row in titles)
    assert {"self", "archive_footage"} <= {row["category"] for row in principals}
    people = {row["nconst"] for row in principals}
    assert people - {row["nconst"] for row in rows["name.basics"]}
    credited = [(row["tconst"], row["nconst"]) for row in principals]
    assert len(set(credited)) < len(credited)
    places = [(row["tconst"], row["ordering"]) for row in principals]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (5, 5, 4), (5, 5, 26)])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match=r"must be from 1 to|credits are impossible"):
        LargeSample(*sizes)


def test_the_command_makes_small_samples_as_ever_and_others_in_blocks(tmp_path, capsys):
    from imdbclust.datasets.made_up.sample import make_filmography
    from imdbclust.load import write_corpus

    small = [*["sample", "--movies", "60", "--actors", "90", "--random-state", "3", "--to"]]
    assert cli.main([*small, str(tmp_path / "a.jsonl")]) == 0
    write_corpus(make_filmography(60, 90, random_state=3).corpus, tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert cli.main([*small, str(tmp_path / "c.jsonl"), "--credits", "200"]) == 0
    assert read_corpus(tmp_path / "c.jsonl").n_movies == 60
    assert cli.main([*small, str(tmp_path / "d"), "--format", "dumps", "--clean"]) == 0
    assert len(list((tmp_path / "d").iterdir())) == 4
    assert cli.main([*small, str(tmp_path / "e.jsonl"), "--credits", "3"]) == 2
    assert "credits are impossible" in capsys.readouterr().err
    assert not (tmp_path / "e.jsonl").exists()
