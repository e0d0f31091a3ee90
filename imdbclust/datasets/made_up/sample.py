"""Make invented films with a planted truth: troupes of actors who play together.

Whoever measures a method needs films whose groups are known. Here each movie and each actor
belongs to a troupe, a troupe has its own genres and its own years, and one number, `signal`,
says how far the casts keep to the troupes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from imdbclust.load import Corpus

COURSE_MOVIES, COURSE_ACTORS, COURSE_CREDITS = 20_620, 33_609, 83_000
"""Size of the course's file; its credits are not published, so they are chosen to fit the rest."""

COURSE_TOP_CAREERS = (194, 98, 97, 88, 75, 71, 63, 63, 61, 61)
"""In how many movies of the course's file the ten most frequent actors play."""

COURSE_HOMONYMS = 193 / COURSE_ACTORS
"""Share of the actors of the course's file whose name an earlier actor has already."""

GENRES = {
    "Action": 12, "Adventure": 9, "Animation": 5, "Biography": 5, "Comedy": 30, "Crime": 12,
    "Documentary": 6, "Drama": 45, "Family": 6, "Fantasy": 6, "History": 4, "Horror": 12,
    "Music": 3, "Musical": 2, "Mystery": 7, "News": 0.5, "Reality-TV": 0.5, "Romance": 14,
    "Sci-Fi": 6, "Sport": 3, "Talk-Show": 0.5, "Thriller": 15, "War": 2, "Western": 1,
}  # fmt: skip
"""The genres, and how common each is where no troupe prefers it."""


@dataclass(frozen=True, eq=False)
class Filmography:
    """Invented films, and the troupes they were made from.

    Attributes
    ----------
    corpus : Corpus
        The films, as :func:`imdbclust.load.read_corpus` would give them; ``source`` is empty.
    movie_troupe : ndarray of int, shape (n_movies,)
        The troupe of each movie, in the order of ``corpus.movies``.
    actor_troupe : ndarray of int, shape (n_actors,)
        The troupe of each actor, in the order of ``corpus.actors``.
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
    """Make a corpus of invented films whose casts, genres and years come from planted troupes.

    The default has the marginals of the course's file. A corpus of another size is scaled: casts
    of four on average, larger ones where the actors would otherwise not have their 2.5 movies
    each, and careers as uneven as the default's.

    Parameters
    ----------
    n_movies, n_actors : int
        Number of movies and of actors; every actor plays in at least one movie.
    n_troupes : int, at most `n_movies`
        Number of troupes, 16 if there are as many movies; the largest has about three times the
        movies of the smallest.
    signal : float from 0 to 1
        Probability that a credit is filled from the movie's own troupe, not from all actors.
        At 0 the casts tell nothing about the troupes. (A career too long for its troupe goes on in
        another one, which shows where troupes are small.)
    since, until : int
        First and last year; each troupe makes its movies in a third of this time.
    castless, genreless, unrated : float from 0 to 1
        Share of the movies without a cast (less than 1), without genres, without a rating.
    homonyms : float from 0 to 1
        Share of the actors who bear the name of another one.
    random_state : int
        Seed: the same arguments give the same films.

    Returns
    -------
    Filmography
        The corpus, actors in order of first appearance, and the troupe of each movie and actor.

    Raises
    ------
    ValueError
        An argument outside of its range.
    """
    n_troupes = max(1, min(16, n_movies)) if n_troupes is None else n_troupes
    _check_sizes(n_movies, n_actors, n_troupes, since, until, random_state)
    _check_shares(
        signal=signal, castless=castless, genreless=genreless, unrated=unrated, homonyms=homonyms
    )
    rng = np.random.default_rng(random_state)
    movie_troupe = _draw_troupes(n_movies, n_troupes, rng)
    cast_sizes, careers = _draw_degrees(n_movies, n_actors, castless, rng)
    movie, actor, actor_troupe = _fill_casts(movie_troupe, cast_sizes, careers, signal, rng)
    genres = _draw_genres(movie_troupe, genreless, rng)
    corpus = Corpus(
        movies=_draw_movies(movie_troupe, since, until, unrated, rng),
        actors=pd.DataFrame(
            {"actor_id": _ids("nm", n_actors), "name": _draw_names(n_actors, homonyms, rng)}
        ),
        credits=pd.DataFrame({"movie": movie, "actor": actor}),
        genres=genres,
        notes=dict.fromkeys(
            ("repeated_credits", "repeated_genres", "other_names", "blank_lines"), 0
        )
        | {"empty_genres": n_movies - genres["movie"].nunique(), "records": n_movies},
    )
    return Filmography(corpus, movie_troupe, actor_troupe)


def planted_troupes(corpus: Corpus) -> pd.Series | None:
    """Return the troupe of each movie of the dataset ``sample``, by movie id.

    The result is None for any other dataset: the true groups of its movies are unknown.
    """
    if corpus.source.get("name") != "sample":
        return None
    films = make_filmography()
    return pd.Series(films.movie_troupe, index=films.corpus.movies["movie_id"], name="troupe")


def _check_sizes(
    n_movies: int, n_actors: int, n_troupes: int, since: int, until: int, random_state: int
) -> None:
    if n_movies < 1:
        raise ValueError(f"n_movies is at least 1, not {n_movies}")
    most = len(FORENAMES) * len(SURNAMES)
    if not 1 <= n_actors <= most:
        raise ValueError(f"n_actors is between 1 and {most:,} (so many names), not {n_actors}")
    if not 1 <= n_troupes <= n_movies:
        raise ValueError(f"n_troupes is between 1 and n_movies ({n_movies}), not {n_troupes}")
    if not 1 <= since <= until <= 9999:
        raise ValueError(f"years run from since to until within 1..9999, not {since}..{until}")
    check_random_state(random_state)


def check_random_state(random_state: int) -> None:
    """Raise ValueError unless a number can be a seed."""
    if not 0 <= random_state < 2**32:
        raise ValueError(f"random_state is 0 to {2**32 - 1}, not {random_state}")


def _check_shares(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is between 0 and 1, not {share}")
    if shares["castless"] == 1:
        raise ValueError("castless is less than 1: some movie has to have the actors")


def _draw_troupes(n_movies: int, n_troupes: int, rng: np.random.Generator) -> np.ndarray:
    """Return the troupe of each movie; no troupe is empty."""
    weights = rng.permutation(np.geomspace(1, 3, n_troupes))
    others = rng.choice(n_troupes, n_movies - n_troupes, p=weights / weights.sum())
    return rng.permutation(np.concatenate([np.arange(n_troupes), others]))


def _draw_degrees(
    n_movies: int, n_actors: int, castless: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cast size of each movie and the number of movies of each actor: equal sums."""
    with_cast = rng.permutation(n_movies)[int(castless * n_movies) :]
    scale = max(len(with_cast) / COURSE_MOVIES, n_actors / COURSE_ACTORS)
    n_credits = min(round(COURSE_CREDITS * scale), len(with_cast) * n_actors)
    cast_sizes = np.zeros(n_movies, dtype=np.int64)
    breadth = rng.gamma(18, size=len(with_cast))  # so even that co-actor pairs are the course's
    cast_sizes[with_cast] = allot(n_credits, breadth, n_actors)
    head = np.array(COURSE_TOP_CAREERS)[:n_actors] + 0.5  # half-way: safe from rounding down
    tail = head[-1] * (70 / np.arange(71, 61 + n_actors)) ** 0.6415  # Zipf-Mandelbrot from 61 on
    careers = allot(n_credits, np.concatenate([head, tail]), len(with_cast))
    return cast_sizes, careers


def allot(total: int, weights: np.ndarray, most: int) -> np.ndarray:
    """Split `total` in proportion to `weights` into whole numbers from 1 to `most`.

    It has to fit: ``len(weights) <= total <= len(weights) * most``.
    """

    def shares(scale: float) -> np.ndarray:
        return np.clip(weights * scale, 1, most).astype(np.int64)

    low, high = 0.0, total / weights.min() + 1
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if shares(middle).sum() <= total else (low, middle)
    parts, larger = shares(low), shares(high)
    missing = total - parts.sum()  # some that grow at the same scale, as far as they fit in
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

    All places in casts, ordered by troupe, stand beside all engagements of the actors in random
    order: so the actors fall into troupes that have as many engagements as places. Then each
    place draws from its troupe's engagements, or else is a guest's, drawn from all the others'.
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
    """Swap actors who stand twice in a cast with others: of the troupe, or else of any.

    What no swap mends, as in a corpus with hardly an actor more than a cast needs, is left out.
    """
    starts, ends = np.searchsorted(troupe, troupe, "left"), np.searchsorted(troupe, troupe, "right")
    for attempt in range(60):
        repeats = _repeats(movie, actor)
        if not len(repeats):
            break
        own = attempt < 30
        partners = rng.integers(
            starts[repeats] if own else 0, ends[repeats] if own else len(actor), len(repeats)
        )
        partners, first = np.unique(partners, return_index=True)
        free = ~np.isin(partners, repeats)  # no place takes part in two swaps
        here, there = repeats[first][free], partners[free]
        actor[here], actor[there] = actor[there], actor[here]
    repeats = _repeats(movie, actor)
    return np.delete(movie, repeats), np.delete(actor, repeats)


def _repeats(movie: np.ndarray, actor: np.ndarray) -> np.ndarray:
    """Return the places of credits that an earlier place has already."""
    order = np.lexsort((actor, movie))
    same = (np.diff(movie[order]) == 0) & (np.diff(actor[order]) == 0)
    return order[1:][same]


def _draw_genres(
    movie_troupe: np.ndarray, genreless: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the table of genres: one to three a movie, mostly the three its troupe prefers."""
    n_movies, n_troupes = len(movie_troupe), movie_troupe.max() + 1
    common = np.array(list(GENRES.values())) / sum(GENRES.values())
    evened = np.tile(np.sqrt(common), (n_troupes, 1))
    weights = common + draw_distinct(evened, np.full(n_troupes, 3), rng)
    n_genres = rng.choice([1, 2, 3], n_movies, p=[0.3, 0.35, 0.35])
    has_genre = draw_distinct(weights[movie_troupe], n_genres, rng)
    has_genre[rng.permutation(n_movies)[: int(genreless * n_movies)]] = False
    movie, genre = np.nonzero(has_genre)
    used, codes = np.unique(genre, return_inverse=True)
    names = np.array(list(GENRES))[used].tolist()
    return pd.DataFrame(
        {
            "movie": movie.astype(np.int32),
            "genre": pd.Categorical.from_codes(codes, categories=names),
        }
    )


def draw_distinct(weights: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw so many columns from each row, without replacement, by weight; at most three.

    Returns
    -------
    ndarray of bool, shape of `weights`
        Which columns were drawn (by Gumbel's trick: the largest of noisy log weights).
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
    rating = np.clip(rng.normal(6.2, 1.1, n_movies), 1, 10).round(1)
    votes = pd.array(rng.lognormal(7, 1.8, n_movies).astype(np.int64) + 5, dtype="Int64")
    missing = rng.permutation(n_movies)[: int(unrated * n_movies)]
    rating[missing], votes[missing] = np.nan, pd.NA
    return pd.DataFrame(
        {
            "movie_id": _ids("tt", n_movies),
            "title": _draw_titles(n_movies, rng),
            "year": pd.array(years, dtype="Int64"),
            "rating": rating,
            "votes": votes,
        }
    )


def _draw_titles(n_movies: int, rng: np.random.Generator) -> ExtensionArray:
    """Return a title for each movie; as in life, some are taken twice."""
    words = [rng.choice(table, n_movies) for table in (ADJECTIVES, NOUNS, ENDINGS)]
    return _texts("The " + words[0] + " " + words[1] + words[2])


def _draw_names(n_actors: int, homonyms: float, rng: np.random.Generator) -> ExtensionArray:
    """Return a name for each actor, distinct ones but for the homonyms."""
    n_distinct = max(1, n_actors - round(homonyms * n_actors))
    names = rng.choice(len(FORENAMES) * len(SURNAMES), n_distinct, replace=False)
    again = rng.choice(names, n_actors - n_distinct)
    forename, surname = np.divmod(rng.permutation(np.concatenate([names, again])), len(SURNAMES))
    return _texts(FORENAMES[forename] + " " + SURNAMES[surname])


def _ids(prefix: str, n: int) -> ExtensionArray:
    return _texts([f"{prefix}{number:07d}" for number in range(1, n + 1)])


def _texts(texts: Iterable[str]) -> ExtensionArray:
    return pd.array(list(texts), dtype="str")


def _joined(*parts: str) -> np.ndarray:
    """Return all texts made of one word of each part, each once, as an array of objects."""
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
