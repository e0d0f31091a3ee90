"""The invented films: are they what they claim to be, and is their truth there to be found?"""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import normalize

from imdbclust.datasets.made_up.sample import GENRES, make_filmography
from imdbclust.load import Corpus, read_corpus, write_corpus

TABLES = ("movies", "actors", "credits", "genres", "problems")


def casts(corpus):
    where = (corpus.credits["movie"], corpus.credits["actor"])
    return sp.csr_array((np.ones(corpus.n_credits), where), (corpus.n_movies, corpus.n_actors))


def recovery(films, n_troupes):
    """Adjusted Rand index of normalised spectral clusters, among movies tied to another one."""
    incidence = casts(films.corpus)
    cast, career = incidence.sum(axis=1), incidence.sum(axis=0)
    rows = sp.diags_array(1 / np.sqrt(cast + cast.mean() / 4))
    columns = sp.diags_array(1 / np.sqrt(career + career.mean() / 4))
    svd = TruncatedSVD(n_troupes, algorithm="arpack", random_state=0)
    embedding = normalize(svd.fit_transform(sp.csr_matrix(rows @ incidence @ columns)))
    labels = KMeans(n_troupes, n_init=10, random_state=0).fit_predict(embedding)
    placed = incidence @ (career > 1) > 0
    return adjusted_rand_score(films.movie_troupe[placed], labels[placed])


def same_tables(one, other):
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


@pytest.fixture(scope="module")
def films():
    return make_filmography()


def test_default_has_the_marginals_of_the_course_file(films):
    corpus = films.corpus
    assert (corpus.n_movies, corpus.n_actors) == (20_620, 33_609)
    assert corpus.top_actors()["n_movies"].tolist() == [194, 98, 97, 88, 75, 71, 63, 63, 61, 61]
    assert corpus.actors["name"].nunique() == 33_416
    incidence = casts(corpus)
    pairs = ((incidence.T @ incidence).nnz - corpus.n_actors) / 2
    assert pairs == pytest.approx(136_086, rel=0.02)


def test_default_has_24_genres_one_to_three_a_movie_and_some_movies_without(films):
    corpus = films.corpus
    assert corpus.genres["genre"].cat.categories.tolist() == sorted(GENRES)
    assert corpus.genres["genre"].nunique() == 24
    assert not corpus.genres.duplicated().any()
    per_movie = np.bincount(corpus.genres["movie"], minlength=corpus.n_movies)
    assert set(per_movie) == {0, 1, 2, 3}
    assert corpus.notes["empty_genres"] == (per_movie == 0).sum() == 206


def test_default_ratings_are_missing_for_some_and_never_zero(films):
    movies = films.corpus.movies
    assert movies["rating"].isna().sum() == 1_031
    assert (movies["rating"].isna() == movies["votes"].isna()).all()
    assert movies["rating"].min() >= 1
    assert movies["rating"].max() <= 10


def test_source_is_left_to_the_caller(films):
    assert films.corpus.source == {}


def test_troupes_differ_in_size_years_and_genres(films):
    corpus, troupe = films.corpus, films.movie_troupe
    sizes = np.bincount(troupe)
    assert len(sizes) == 16
    assert 2 < sizes.max() / sizes.min() < 4.5
    years = corpus.movies["year"].astype(int).groupby(troupe).agg(["min", "max"])
    assert years["min"].min() >= 2000
    assert years["max"].max() <= 2022
    assert (years["max"] - years["min"]).max() == 7
    assert years["min"].nunique() > 4
    tags = pd.crosstab(troupe[corpus.genres["movie"]], corpus.genres["genre"], normalize="index")
    preferred = np.sort(tags, axis=1)[:, -3:].sum(axis=1)
    assert preferred.min() > 0.6
    assert preferred.max() < 0.95


@pytest.mark.parametrize("signal", [0, 0.5, 1])
def test_signal_is_the_share_of_credits_filled_from_the_troupe(signal):
    films = make_filmography(4_000, 6_000, n_troupes=5, signal=signal)
    credits = films.corpus.credits
    at_home = films.movie_troupe[credits["movie"]] == films.actor_troupe[credits["actor"]]
    sizes = np.bincount(films.movie_troupe) / films.corpus.n_movies
    by_chance = (sizes**2).sum()
    assert at_home.mean() == pytest.approx(signal + (1 - signal) * by_chance, abs=0.02)


def test_recovery_falls_smoothly_with_the_signal():
    signals = (1, 0.9, 0.8, 0.7, 0.6, 0)
    found = [recovery(make_filmography(3_000, 4_900, n_troupes=6, signal=s), 6) for s in signals]
    assert found[0] > 0.97
    assert found[1] > 0.85
    assert abs(found[-1]) < 0.02
    steps = -np.diff(found)
    assert (steps > 0).all()
    assert steps[:-1].max() < 0.4


def test_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path):
    files = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        write_corpus(make_filmography(300, 400, random_state=seed).corpus, file)
    first, again, other = (file.read_bytes() for file in files)
    assert first == again
    assert first != other


@pytest.mark.parametrize("castless", [0, 0.1])
def test_reading_what_was_written_gives_equal_tables(tmp_path, castless):
    corpus = make_filmography(500, 700, castless=castless, homonyms=0.1).corpus
    write_corpus(corpus, tmp_path / "films.json.gz")
    back = read_corpus(tmp_path / "films.json.gz")
    same_tables(corpus, back)
    # the writer leaves the empty genre out, so only this count is not the same
    assert back.notes == corpus.notes | {"empty_genres": 0}
    assert (corpus.cast_sizes() == 0).sum() == castless * 500


def test_homonyms_are_different_actors_of_one_name():
    actors = make_filmography(100, 200, homonyms=0.25).corpus.actors
    assert actors["name"].nunique() == 150
    assert actors["actor_id"].is_unique
    assert make_filmography(100, 200, homonyms=0).corpus.actors["name"].is_unique


def test_ids_have_seven_digits(films):
    assert films.corpus.movies["movie_id"].iloc[[0, -1]].tolist() == ["tt0000001", "tt0020620"]
    assert films.corpus.actors["actor_id"].iloc[[0, -1]].tolist() == ["nm0000001", "nm0033609"]


def test_smaller_corpora_keep_uneven_careers():
    careers = np.sort(make_filmography(200, 150).corpus.movies_per_actor())[::-1]
    assert careers[0] == pytest.approx(2 * careers[1], abs=2)
    assert careers[0] > 4 * np.median(careers)


def test_casts_grow_when_there_are_many_actors():
    corpus = make_filmography(10, 1_000, n_troupes=2).corpus
    assert corpus.cast_sizes().mean() > 200
    assert corpus.movies_per_actor().min() == 1
    assert corpus.movies_per_actor().max() == 10


def test_everything_missing_is_a_corpus_too():
    corpus = make_filmography(20, 30, unrated=1, genreless=1).corpus
    assert corpus.movies["rating"].isna().all()
    assert len(corpus.genres) == 0
    assert corpus.notes["empty_genres"] == 20


@settings(deadline=None)
@given(
    n_movies=st.integers(1, 40),
    n_actors=st.integers(1, 60),
    n_troupes=st.integers(1, 5),
    signal=st.floats(0, 1),
    castless=st.floats(0, 0.99),
    random_state=st.integers(0, 2**32 - 1),
)
def test_any_size_keeps_the_rules(n_movies, n_actors, n_troupes, signal, castless, random_state):
    n_troupes = min(n_troupes, n_movies)
    films = make_filmography(
        n_movies,
        n_actors,
        n_troupes=n_troupes,
        signal=signal,
        castless=castless,
        random_state=random_state,
    )
    corpus, credits = films.corpus, films.corpus.credits
    assert isinstance(corpus, Corpus)
    assert (corpus.n_movies, corpus.n_actors) == (n_movies, n_actors)
    assert corpus.movies_per_actor().min() >= 1
    assert (corpus.cast_sizes() == 0).sum() == int(castless * n_movies)
    assert not credits.duplicated().any()
    assert credits["movie"].is_monotonic_increasing
    assert credits["actor"].unique().tolist() == list(range(n_actors))
    assert set(films.movie_troupe) == set(range(n_troupes))
    assert len(films.actor_troupe) == n_actors
    assert set(films.actor_troupe) <= set(range(n_troupes))
    assert corpus.movies["year"].between(2000, 2022).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_movies": 0}, "n_movies must be at least 1, not 0"),
        ({"n_actors": 0}, "n_actors must be from 1 to"),
        ({"n_actors": 10**9}, "n_actors must be from 1 to"),
        ({"n_troupes": 0}, "n_troupes must be from 1 to 20,620, not 0"),
        ({"n_movies": 3, "n_troupes": 4}, "n_troupes must be from 1 to 3, not 4"),
        ({"signal": 1.1}, "signal must be from 0 to 1, not 1.1"),
        ({"signal": float("nan")}, "signal must be from 0 to 1, not nan"),
        ({"unrated": -0.1}, "unrated must be from 0 to 1"),
        ({"castless": 1}, "castless must be less than 1"),
        ({"since": 2010, "until": 2009}, "until must be from 2010 to 9999, not 2009"),
    ],
)
def test_arguments_out_of_range_are_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_filmography(**arguments)
