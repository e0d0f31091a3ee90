"""Made-up films with known groups: troupes of actors who play together.

A method can be measured only on films whose groups are known. Here each movie and each actor
belongs to a troupe, a troupe has its own genres and years, and one number, `signal`, is how much
the casts keep to the troupes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from imdbclust.base.errors import UserError
from imdbclust.films.frames import as_movies
from imdbclust.load import Corpus

COURSE_MOVIES, COURSE_ACTORS, COURSE_CREDITS = 20_620, 33_609, 83_000
"""Size of the course's file. Its number of credits is not published; this one fits the rest."""

COURSE_TOP_CAREERS = (194, 98, 97, 88, 75, 71, 63, 63, 61, 61)  # movies of ten frequent actors
COURSE_HOMONYMS = 193 / COURSE_ACTORS  # share of the actors who have the name of an earlier one

GENRES = {
    "Action": 12, "Adventure": 9, "Animation": 5, "Biography": 5, "Comedy": 30, "Crime": 12,
    "Documentary": 6, "Drama": 45, "Family": 6, "Fantasy": 6, "History": 4, "Horror": 12,
    "Music": 3, "Musical": 2, "Mystery": 7, "News": 0.5, "Reality-TV": 0.5, "Romance": 14,
    "Sci-Fi": 6, "Sport": 3, "Talk-Show": 0.5, "Thriller": 15, "War": 2, "Western": 1,
}  # fmt: skip
"""The genres, and the weight of each in a troupe that does not prefer it."""


@dataclass(frozen=True, eq=False)
class Filmography:
    """Made-up films, and the troupes of their movies and actors, in the order of the corpus.

    The corpus is as :func:`imdbclust.load.read_corpus` would return it, with an empty ``source``.
    """

    corpus: Corpus
    movie_troupe: np.ndarray
    actor_troupe: np.ndarray


def make_filmography(
    n_movies: int = COURSE_MOVIES,
    n_actors: int = COURSE_ACTORS,
    *,
    n_troupes: int | None = None,
    signal: float = 0.9,
    since: int = 2000,
    until: int = 2022,
    castless: float = 0.0,
    genreless: float = 0.01,
    unrated: float = 0.05,
    homonyms: float = COURSE_HOMONYMS,
    random_state: int = 31337,
) -> Filmography:
    """Make a corpus of films whose casts, genres and years come from planted troupes.

    The default has the marginals of the course's file. Other sizes are scaled: casts have four
    actors on average, or more if actors would otherwise have fewer than 2.5 movies each, and
    careers are as uneven as in the default. Every actor plays in at least one movie. The same
    arguments give the same films. An argument out of its range is a UserError.

    Parameters
    ----------
    n_troupes : int, at most `n_movies`
        Number of troupes, by default 16 or fewer; the largest has about three times the movies of
        the smallest.
    signal : float from 0 to 1
        Probability that a credit is filled from the movie's own troupe, not from all actors.
        At 0 the casts carry no information about the troupes. (A career too long for its troupe
        continues in another one, which is noticeable in small troupes.)
    since, until : int
        First and last year; each troupe makes its movies in a third of this time.
    castless, genreless, unrated : float from 0 to 1
        Share of the movies without a cast (less than 1), without genres, without a rating.
    homonyms : float from 0 to 1
        Share of the actors who have the name of another one.

    Returns
    -------
    Filmography
        The corpus, with actors in order of first appearance, and the troupes.
    """
    n_troupes = max(1, min(16, n_movies)) if n_troupes is None else n_troupes
    check_range("n_movies", n_movies, 1)
    check_range("n_actors", n_actors, 1, len(FORENAMES) * len(SURNAMES))
    check_range("n_troupes", n_troupes, 1, n_movies)
    check_range("since", since, 1, 9999)
    check_range("until", until, since, 9999)
    check_range("random_state", random_state, 0, 2**32 - 1)
    shares = {"castless": castless, "genreless": genreless, "unrated": unrated}
    for name, share in {"signal": signal, "homonyms": homonyms, **shares}.items():
        check_range(name, share, 0, 1)
    if castless == 1:
        raise UserError("castless must be less than 1: some movie needs to have the actors")
    rng = np.random.default_rng(random_state)
    movie_troupe = _draw_troupes(n_movies, n_troupes, rng)
    cast_sizes, careers = _draw_degrees(n_movies, n_actors, castless, rng)
    movie, actor, actor_troupe = _fill_casts(movie_troupe, cast_sizes, careers, signal, rng)
    genres = _draw_genres(movie_troupe, genreless, rng)
    movies = _draw_movies(movie_troupe, since, until, unrated, rng)
    names = _draw_names(n_actors, homonyms, rng)
    actors = {"actor_id": ids("nm", range(1, n_actors + 1)), "name": names}
    none = ("repeated_credits", "repeated_genres", "other_names", "blank_lines")
    n_genreless = n_movies - genres["movie"].nunique()
    corpus = Corpus(
        movies=movies,
        actors=pd.DataFrame(actors, dtype="str"),
        credits=pd.DataFrame({"movie": movie, "actor": actor}),
        genres=genres,
        notes=dict.fromkeys(none, 0) | {"empty_genres": n_genreless, "records": n_movies},
    )
    return Filmography(corpus, movie_troupe, actor_troupe)


def check_range(name: str, value: float, low: float, high: float | None = None) -> None:
    """Raise UserError unless a value is within its limits."""
    if not low <= value <= (value if high is None else high):
        limits = [f"{limit:,}" if limit > 9999 else str(limit) for limit in (low, high or 0)]
        limits = f"at least {limits[0]}" if high is None else f"from {limits[0]} to {limits[1]}"
        raise UserError(f"{name} must be {limits}, not {value}")


def planted_troupes(corpus: Corpus) -> pd.Series | None:
    """Return the troupe of each movie of the dataset ``sample``, by movie id.

    The result is None for any other dataset: the true groups of its movies are unknown.
    """
    if corpus.source.get("name") != "sample":
        return None
    films = make_filmography()
    return pd.Series(films.movie_troupe, index=films.corpus.movies["movie_id"], name="troupe")


def _draw_troupes(n_movies: int, n_troupes: int, rng: np.random.Generator) -> np.ndarray:
    """Return the troupe of each movie; every troupe has one."""
    weights = rng.permutation(np.geomspace(1, 3, n_troupes))
    rest = rng.choice(n_troupes, n_movies - n_troupes, p=weights / weights.sum())
    return rng.permutation(np.concatenate([np.arange(n_troupes), rest]))


def _draw_degrees(
    n_movies: int, n_actors: int, castless: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cast size of each movie and the number of movies of each actor, of equal sums."""
    with_cast = rng.permutation(n_movies)[int(castless * n_movies) :]
    scale = max(len(with_cast) / COURSE_MOVIES, n_actors / COURSE_ACTORS)
    n_credits = min(round(COURSE_CREDITS * scale), len(with_cast) * n_actors)
    cast_sizes = np.zeros(n_movies, dtype=np.int64)
    breadth = rng.gamma(18, size=len(with_cast))  # gives the course's number of co-actor pairs
    cast_sizes[with_cast] = allot(n_credits, breadth, n_actors)
    head = np.array(COURSE_TOP_CAREERS)[:n_actors] + 0.5  # safe from rounding down
    tail = head[-1] * (70 / np.arange(71, 61 + n_actors)) ** 0.6415  # Zipf-Mandelbrot from 61 on
    careers = allot(n_credits, np.concatenate([head, tail]), len(with_cast))
    return cast_sizes, careers


def allot(total: int, weights: np.ndarray, most: int) -> np.ndarray:
    """Split `total` in proportion to `weights` into whole numbers from 1 to `most`.

    This needs ``len(weights) <= total <= len(weights) * most``.
    """

    def shares(scale: float) -> np.ndarray:
        return np.clip(weights * scale, 1, most).astype(np.int64)

    low, high = 0.0, total / weights.min() + 1
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if shares(middle).sum() <= total else (low, middle)
    parts, larger = shares(low), shares(high)
    missing = total - parts.sum()  # shared among those that grow at the same scale
    parts[np.flatnonzero(larger > parts)[:missing]] += 1
    return parts


def _fill_casts(
    movie_troupe: np.ndarray,
    cast_sizes: np.ndarray,
    careers: np.ndarray,
    signal: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the credits (movie, actor), ordered by movie, and the troupe of each actor.

    All places in casts, ordered by troupe, are aligned with all engagements of the actors in
    random order, so that each troupe has as many engagements as places. Then each place draws from
    its troupe's engagements, or else from those of all guests.
    """
    by_troupe = np.argsort(movie_troupe, kind="stable")
    movie = np.repeat(by_troupe, cast_sizes[by_troupe])
    troupe = movie_troupe[movie]
    hired = rng.permutation(len(careers))
    ends = np.cumsum(careers[hired])
    actor_troupe = np.empty(len(careers), dtype=np.int64)
    actor_troupe[hired] = troupe[ends - (careers[hired] + 1) // 2]  # at the middle of the career

    actor = np.repeat(hired, careers[hired])
    actor = actor[np.lexsort((rng.random(len(actor)), troupe))]
    guest = rng.random(len(actor)) >= signal
    actor[guest] = rng.permutation(actor[guest])
    movie, actor = _without_repeats(movie, actor, troupe, rng)

    order = np.argsort(movie, kind="stable")
    actor, appearance = pd.factorize(actor[order])  # numbered by first appearance
    return movie[order].astype(np.int32), actor.astype(np.int32), actor_troupe[appearance]


def _without_repeats(
    movie: np.ndarray, actor: np.ndarray, troupe: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Swap duplicates in a cast with other actors: of the troupe, or else of any.

    Duplicates that no swap resolves, as with hardly more actors than a cast needs, are dropped.
    """
    starts, ends = np.searchsorted(troupe, troupe, "left"), np.searchsorted(troupe, troupe, "right")
    for attempt in range(60):
        repeats = repeated(movie, actor)
        if not len(repeats):
            break
        low, high = (starts[repeats], ends[repeats]) if attempt < 30 else (0, len(actor))
        partners = rng.integers(low, high, len(repeats))
        partners, first = np.unique(partners, return_index=True)
        free = ~np.isin(partners, repeats)  # no place takes part in two swaps
        one, other = repeats[first][free], partners[free]
        actor[one], actor[other] = actor[other], actor[one]
    repeats = repeated(movie, actor)
    return np.delete(movie, repeats), np.delete(actor, repeats)


def repeated(movie: np.ndarray, actor: np.ndarray, *last: np.ndarray) -> np.ndarray:
    """Return the places of duplicate credits; of equal ones, the least by `last` stays."""
    order = np.lexsort((*last, actor, movie))
    same = (np.diff(movie[order]) == 0) & (np.diff(actor[order]) == 0)
    return order[1:][same]


def _draw_genres(
    movie_troupe: np.ndarray, genreless: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the table of genres: one to three a movie, mostly the three its troupe prefers."""
    n_movies = len(movie_troupe)
    weights = draw_genre_weights(movie_troupe.max() + 1, rng)
    has_genre = draw_genres(weights[movie_troupe], rng)
    has_genre[rng.permutation(n_movies)[: int(genreless * n_movies)]] = False
    movie, genre = np.nonzero(has_genre)
    used, codes = np.unique(genre, return_inverse=True)
    categories = np.array(list(GENRES))[used].tolist()
    genre = pd.Categorical.from_codes(codes, categories=categories)
    return pd.DataFrame({"movie": movie.astype(np.int32), "genre": genre})


def draw_genre_weights(n_troupes: int, rng: np.random.Generator) -> np.ndarray:
    """Return how much each troupe prefers each genre, shape (n_troupes, n_genres)."""
    common = np.array(list(GENRES.values())) / sum(GENRES.values())
    weights = np.tile(np.sqrt(common), (n_troupes, 1))
    return common + _draw_distinct(weights, np.full(n_troupes, 3), rng)


def draw_genres(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a mask of one to three genres for each row of weights."""
    return _draw_distinct(weights, rng.choice([1, 2, 3], len(weights), p=[0.3, 0.35, 0.35]), rng)


def _draw_distinct(weights: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a mask of `sizes` columns of each row, at most three, drawn by weight.

    This is Gumbel's trick for sampling without replacement: the largest of noisy log weights.
    """
    scores = np.log(weights) + rng.gumbel(size=weights.shape)
    largest = np.sort(np.partition(scores, -3, axis=1)[:, -3:], axis=1)
    return scores >= largest[np.arange(len(sizes)), 3 - sizes][:, np.newaxis]


def _draw_movies(
    movie_troupe: np.ndarray, since: int, until: int, unrated: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the table of movies: ids, titles, years by troupe, ratings."""
    n_movies, n_troupes = len(movie_troupe), movie_troupe.max() + 1
    span = (until - since) // 3 + 1
    begins = rng.integers(since, until - span + 2, n_troupes)
    years = begins[movie_troupe] + rng.integers(0, span, n_movies)
    rating, votes = draw_ratings(n_movies, rng)
    votes = pd.array(votes, dtype="Int64")
    missing = rng.permutation(n_movies)[: int(unrated * n_movies)]
    rating[missing], votes[missing] = np.nan, pd.NA
    numbers = {"year": years, "rating": rating, "votes": votes}
    titles = draw_titles(n_movies, rng)
    return as_movies({"movie_id": ids("tt", range(1, n_movies + 1)), "title": titles, **numbers})


def draw_ratings(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return ratings and votes of movies."""
    ratings = np.clip(rng.normal(6.2, 1.1, n), 1, 10).round(1)
    return ratings, rng.lognormal(7, 1.8, n).astype(np.int64) + 5


def draw_titles(n: int, rng: np.random.Generator) -> list[str]:
    """Return titles of movies; some are duplicates."""
    adjective, noun, ending = (rng.choice(table, n) for table in (ADJECTIVES, NOUNS, ENDINGS))
    return ("The " + adjective + " " + noun + ending).tolist()


def _draw_names(n_actors: int, homonyms: float, rng: np.random.Generator) -> list[str]:
    """Return a name for each actor; names other than those of homonyms are distinct."""
    n_distinct = max(1, n_actors - round(homonyms * n_actors))
    names = rng.choice(len(FORENAMES) * len(SURNAMES), n_distinct, replace=False)
    again = rng.choice(names, n_actors - n_distinct)
    return full_names(rng.permutation(np.concatenate([names, again])))


def full_names(numbers: np.ndarray) -> list[str]:
    """Return the names with these numbers, below the number of all names."""
    forename, surname = np.divmod(numbers, len(SURNAMES))
    return (FORENAMES[forename] + " " + SURNAMES[surname]).tolist()


def ids(prefix: str, numbers: Iterable[int]) -> list[str]:
    """Return ids as IMDb writes them, of at least seven digits."""
    return [f"{prefix}{number:07d}" for number in np.asarray(numbers).tolist()]


def _joined(*parts: str) -> np.ndarray:
    """Return the distinct texts made of one word of each part, as an array of objects."""
    texts = map("".join, product(*(part.split() for part in parts)))
    return np.array(list(dict.fromkeys(texts)), dtype=object)


FORENAMES = _joined(
    "A Be Co Da E Fi Ga Hi I Jo Ka Lu Mi No O Pe Qui Ro Sa Ti U Ve Wi Xa Y Zo",
    "bel dric la lo mar na nel ric ra sko ta ven vi wyn",
)
SURNAMES = _joined(
    "Al Bar Bren Cal Cor Dan Dor El Fal Fen Gar Gil Hal Har Hol Ing Kal Kel Lan Lor Mar Mer "
    "Nor Ol Pel Pen Quil Ral Ros Sel Sten Tal Tor Ul Val Ver Wal Wen Yar Zel",
    "a an be da de e en i in ka lo mi o or ra ro ta ti u vi",
    "berg by cott dahl dell dine field ford gate land lin low mont more nard quist row sen ski "
    "stam ter thorn vale well wick",
)
ADJECTIVES = _joined(
    "Amber Bitter Blue Borrowed Broken Burning Crooked Distant Early Empty Falling Final Frozen "
    "Gentle Golden Green Hidden Hollow Idle Lonely Long Lost Narrow Northern Open Pale Paper "
    "Patient Quiet Restless Scarlet Second Secret Silver Slow Stolen Sudden Velvet White Wild"
)
NOUNS = _joined(
    "Alibi Anchor Autumn Balcony Bargain Bridge Carnival Circus Coast Corridor Crossing Dance "
    "Departure Detour Dream Echo Ferry Fire Garden Ghost Harbour Harvest Highway Horizon Hotel "
    "Island Journey Lantern Letter Lighthouse Market Mirror Moon Mountain Night Orchard Parade "
    "Promise Rain Reunion River Road Rumour Season Secret Shadow Signal Station Storm Stranger "
    "Summer Theatre Tide Train Verdict Visitor Voyage Waltz Wedding Winter"
)
ENDINGS = np.array(
    ["", " at Dawn", " of Glass", " of Stone", " in Spring", " of the North", " by the Sea"],
    dtype=object,
)
