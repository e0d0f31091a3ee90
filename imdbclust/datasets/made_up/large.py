"""Made-up films at any size, block by block: as JSON lines, or as IMDb's own dumps.

:mod:`imdbclust.datasets.made_up.sample` holds its films in memory and keeps close to the course's
file.
Here nothing grows with the films but three bytes a movie; troupes, careers and genres are of the
same kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from imdbclust.datasets.imdb_tables import BASICS, NAMES, PRINCIPALS, RATINGS
from imdbclust.datasets.made_up.dumps import DumpWriter
from imdbclust.datasets.made_up.sample import (
    ADJECTIVES,
    COURSE_ACTORS,
    COURSE_CREDITS,
    COURSE_MOVIES,
    ENDINGS,
    FORENAMES,
    GENRES,
    NOUNS,
    SURNAMES,
    check_random_state,
    draw_distinct,
)
from imdbclust.datasets.tsv import NULL
from imdbclust.films.json_lines import encode_movie, gzip_or_plain

MOST = 10**9
"""Ten times all of IMDb; casts and troupes of all movies are kept in memory."""

BLOCK = 20_000
"""Movies, or actors, that are made at once."""

TAIL, HEAD = 0.64, 10
"""Careers fall with the rank as ``(rank + HEAD) ** -TAIL``, in every troupe."""

FIRST_ID = {"tt": 9_900_001, "nm": 9_800_001}
"""The dumps' ids begin here, so that some have seven digits and some eight."""

TYPES = {"movie": 0.6, "tvEpisode": 0.2, "short": 0.12, "tvMovie": 0.05, "video": 0.03}
CATEGORIES = {
    "actor": 0.46, "actress": 0.3, "self": 0.09, "director": 0.06, "writer": 0.04,
    "producer": 0.03, "archive_footage": 0.02,
}  # fmt: skip
"""How common types and categories are in the dumps that have all of them."""

ODD_TITLES = ('"{}', '"{}" and Then', '{}"', "NA", "null", "nan", "'{}", "{}, \\N", "=1+{}", "#{}")
"""Titles on which readers fail; in the dumps, one of a hundred is among them."""

RARE = 0.01
"""Share of the titles for adults, of odd titles, of people listed twice or without a name."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some of the movies, in order.

    Attributes
    ----------
    first : int
        Number of the first one, from 0.
    titles : list of str
    years, votes : ndarray of int
        The year is 0 where it is missing, the votes where the movie is not rated.
    ratings : ndarray of float
        NaN where missing.
    genres : list of tuple of str
    cast_sizes : ndarray of int
    actors : ndarray of int
        All casts, one after the other: numbers of actors, from 0.
    """

    first: int
    titles: list[str]
    years: np.ndarray
    ratings: np.ndarray
    votes: np.ndarray
    genres: list[tuple[str, ...]]
    cast_sizes: np.ndarray
    actors: np.ndarray


class LargeSample:
    """Invented films whose casts, genres and years come from planted troupes.

    Parameters
    ----------
    n_movies, n_actors : int
        Every movie has an actor, and every actor plays in at least one movie.
    n_credits : int, optional
        Pairs of a movie and an actor, at least as many as either; as the course's file by default.
        Some hundredths fewer come out where casts are so large that they would repeat an actor.
    n_troupes : int
        Number of troupes.
    signal : float from 0 to 1
        Share of the credits, beside first appearances, that stay within the movie's troupe.
    since, until : int
        First and last year; each troupe makes its movies in a third of this time.
    genreless, unrated, undated : float from 0 to 1
        Share of the movies without genres, without a rating, without a year.
    random_state : int
        Seed: the same arguments give the same films.

    Raises
    ------
    ValueError
        A size that is impossible.
    """

    def __init__(
        self,
        n_movies: int = COURSE_MOVIES,
        n_actors: int = COURSE_ACTORS,
        n_credits: int | None = None,
        *,
        n_troupes: int = 16,
        signal: float = 0.9,
        since: int = 2000,
        until: int = 2022,
        genreless: float = 0.01,
        unrated: float = 0.05,
        undated: float = 0.02,
        random_state: int = 31337,
    ):
        scale = max(n_movies / COURSE_MOVIES, n_actors / COURSE_ACTORS)
        if n_credits is None:
            n_credits = max(round(COURSE_CREDITS * scale), n_movies, n_actors)
        if min(n_movies, n_actors) < 1:
            raise ValueError("there is at least one movie and one actor")
        if max(n_movies, n_actors, n_credits) > MOST:
            raise ValueError(f"there are at most {MOST:,} movies, actors and credits")
        check_random_state(random_state)
        if not max(n_movies, n_actors) <= n_credits <= n_movies * n_actors:
            raise ValueError(
                f"{n_credits:,} credits are impossible: {n_movies:,} movies and {n_actors:,} "
                f"actors have {max(n_movies, n_actors):,} to {n_movies * n_actors:,}"
            )
        self.n_movies, self.n_actors, self.n_credits = n_movies, n_actors, n_credits
        self._signal, self._unrated, self._undated = signal, unrated, undated
        self._genreless, self._seed = genreless, random_state
        rng = np.random.default_rng([random_state, 0])
        share = rng.permutation(np.geomspace(1, 3, n_troupes))
        parts = [rng.choice(n_troupes, n, p=share / share.sum()) for n in _sizes(n_movies)]
        self._troupe = np.concatenate([part.astype(np.uint16) for part in parts])
        self._cast_sizes = np.ones(n_movies, dtype=np.uint16)
        for n in _sizes(n_credits - n_movies, 50 * BLOCK):
            more = np.bincount(rng.integers(0, n_movies, n), minlength=n_movies)
            self._cast_sizes += more.astype(np.uint16)
        self._places = np.bincount(self._troupe, self._cast_sizes, n_troupes).astype(np.int64)
        exact = np.cumsum(self._places) * n_actors  # Python's integers are not needed below 2**63
        self._ends = exact // n_credits  # actors fall into troupes as places do
        self._members = np.diff(self._ends, prepend=0)
        self._mix = next(
            step for step in range(int(0.618 * n_actors) + 1, 2 * n_actors + 2)
            if math.gcd(step, n_actors) == 1
        )  # fmt: skip
        span = (until - since) // 3 + 1
        self._span, self._begins = span, rng.integers(since, until - span + 2, n_troupes)
        common = np.array(list(GENRES.values())) / sum(GENRES.values())
        evened = np.tile(np.sqrt(common), (n_troupes, 1))
        self._genres = common + draw_distinct(evened, np.full(n_troupes, 3), rng)

    def blocks(self) -> Iterator[Block]:
        """Yield all movies, `BLOCK` at a time."""
        filled = np.zeros(len(self._places), dtype=np.int64)
        for number, first in enumerate(range(0, self.n_movies, BLOCK)):
            rng = np.random.default_rng([self._seed, 1, number])
            troupe = self._troupe[first : first + BLOCK].astype(np.int64)
            sizes = self._cast_sizes[first : first + BLOCK].astype(np.int64)
            movie, actors = self._casts(troupe, sizes, filled, rng)
            n = len(troupe)
            rated, dated = rng.random(n) >= self._unrated, rng.random(n) >= self._undated
            years = self._begins[troupe] + rng.integers(0, self._span, n)
            ratings = np.clip(rng.normal(6.2, 1.1, n), 1, 10).round(1)
            votes = rng.lognormal(7, 1.8, n).astype(np.int64) + 5
            words = [rng.choice(table, n) for table in (ADJECTIVES, NOUNS, ENDINGS)]
            yield Block(
                first=first,
                titles=("The " + words[0] + " " + words[1] + words[2]).tolist(),
                years=np.where(dated, years, 0),
                ratings=np.where(rated, ratings, np.nan),
                votes=np.where(rated, votes, 0),
                genres=self._draw_genres(troupe, rng),
                cast_sizes=np.bincount(movie, minlength=n),
                actors=actors,
            )

    def actor_names(self, actors: np.ndarray) -> list[str]:
        """Return the names of actors, by their numbers; distinct for the first six millions."""
        n_names = len(FORENAMES) * len(SURNAMES)
        forename, surname = np.divmod((actors * 1_000_003 + 7) % n_names, len(SURNAMES))
        return (FORENAMES[forename] + " " + SURNAMES[surname]).tolist()

    def _casts(
        self, troupe: np.ndarray, sizes: np.ndarray, filled: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the credits (movie, actor) of a block; `filled` places of troupes go on.

        A troupe's first appearances are spread evenly over all of its places, so that nobody is
        left out and nothing need be remembered but how many places were filled.
        """
        movie = np.repeat(np.arange(len(troupe)), sizes)
        own = troupe[movie]
        order = np.argsort(own, kind="stable")
        starts = np.searchsorted(own[order], np.arange(len(filled)))
        place = np.empty(len(own), dtype=np.int64)
        place[order] = np.arange(len(own)) - starts[own[order]] + filled[own[order]]
        filled += np.bincount(own, minlength=len(filled))
        before, after = (
            step * self._members[own] // self._places[own] for step in (place, place + 1)
        )
        first_time = after > before
        actor = np.where(first_time, self._ends[own] - self._members[own] + before, -1)
        again = np.flatnonzero(~first_time)
        for _ in range(6):
            actor[again] = self._draw(own[again], rng)
            order = np.lexsort((~first_time, actor, movie))
            same = (np.diff(movie[order]) == 0) & (np.diff(actor[order]) == 0)
            again = order[1:][same]
            if not len(again):
                break
        kept = np.ones(len(actor), dtype=bool)
        kept[again] = False
        return movie[kept], (actor[kept] * self._mix) % self.n_actors

    def _draw(self, own: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw an actor for each place: of its own troupe, or else of any."""
        guest = rng.random(len(own)) >= self._signal
        anywhere = rng.integers(0, self.n_actors, len(own))
        troupe = np.where(guest, np.searchsorted(self._ends, anywhere, side="right"), own)
        size = np.maximum(self._members[troupe], 1)
        power = 1 - TAIL
        low, high = HEAD**power, (size + HEAD) ** power
        rank = (low + rng.random(len(own)) * (high - low)) ** (1 / power) - HEAD
        rank = np.clip(rank.astype(np.int64), 0, size - 1)
        return np.minimum(self._ends[troupe] - self._members[troupe] + rank, self.n_actors - 1)

    def _draw_genres(self, troupe: np.ndarray, rng: np.random.Generator) -> list[tuple[str, ...]]:
        n_genres = rng.choice([1, 2, 3], len(troupe), p=[0.3, 0.35, 0.35])
        has_genre = draw_distinct(self._genres[troupe], n_genres, rng)
        has_genre[rng.random(len(troupe)) < self._genreless] = False
        names = np.array(list(GENRES), dtype=object)[np.nonzero(has_genre)[1]].tolist()
        names = iter(names)
        return [tuple(islice(names, n)) for n in has_genre.sum(axis=1).tolist()]

    def write_corpus(self, path: Path) -> None:
        """Write the films as JSON lines, gzip where the name ends in ``.gz``."""
        with gzip_or_plain(Path(path), level=6) as file:
            for block in self.blocks():
                file.write(b"".join(self._records(block)))

    def _records(self, block: Block) -> Iterator[bytes]:
        ids, names = _ids("nm", block.actors + 1), self.actor_names(block.actors)
        pairs = zip(ids, names, strict=True)
        movie_ids = _ids("tt", np.arange(len(block.titles)) + block.first + 1)
        columns = (block.cast_sizes, block.years, block.ratings, block.votes)
        numbers = zip(*(column.tolist() for column in columns), strict=True)
        for movie_id, title, genres, (n_cast, year, rating, votes) in zip(
            movie_ids, block.titles, block.genres, numbers, strict=True
        ):
            yield encode_movie(
                movie_id,
                title,
                genres,
                list(islice(pairs, n_cast)),
                year=year or None,
                rating=rating if votes else None,
                votes=votes or None,
            )

    def write_dumps(self, folder: Path, *, clean: bool = False, zipped: bool = True) -> None:
        """Write the films as four files in IMDb's format.

        Parameters
        ----------
        folder : path
            Where the files go.
        clean : bool
            Whether all titles are movies and all people act. Otherwise titles are of many types,
            people of many `CATEGORIES`, and there is what makes readers stumble: `ODD_TITLES`,
            titles for adults, people listed twice for a title or missing from ``name.basics``.
        zipped : bool
            ``.tsv.gz`` or ``.tsv``.
        """
        with DumpWriter(folder, zipped=zipped) as files:
            for number, block in enumerate(self.blocks()):
                rng = np.random.default_rng([self._seed, 2, number])
                self._dump_titles(files, block, None if clean else rng)
                self._dump_principals(files, block, None if clean else rng)
            for number, first in enumerate(range(0, self.n_actors, BLOCK)):
                rng = np.random.default_rng([self._seed, 3, number])
                actors = np.arange(first, min(first + BLOCK, self.n_actors))
                if not clean:
                    actors = actors[rng.random(len(actors)) >= RARE / 5]
                ids = _ids("nm", actors + FIRST_ID["nm"])
                born = [str(year) for year in rng.integers(1900, 2005, len(actors)).tolist()]
                known = [f"{_id('tt', FIRST_ID['tt'] + n)}" for n in actors % self.n_movies]
                files.write(NAMES, ids, self.actor_names(actors), born, NULL, "actor", known)

    def _dump_titles(
        self, files: DumpWriter, block: Block, rng: np.random.Generator | None
    ) -> None:
        n = len(block.titles)
        ids = _ids("tt", np.arange(n) + block.first + FIRST_ID["tt"])
        types, adult, titles = "movie", "0", block.titles
        if rng:
            types = rng.choice(list(TYPES), n, p=list(TYPES.values())).tolist()
            adult = np.where(rng.random(n) < RARE, "1", "0").tolist()
            odd = np.flatnonzero(rng.random(n) < RARE).tolist()
            titles = list(titles)
            for at in odd:
                titles[at] = ODD_TITLES[at % len(ODD_TITLES)].format(titles[at])
        years = [str(year) if year else NULL for year in block.years.tolist()]
        genres = [",".join(names) or NULL for names in block.genres]
        minutes = [str(70 + at % 60) for at in range(n)]
        files.write(BASICS, ids, types, titles, titles, adult, years, NULL, minutes, genres)
        rated = np.flatnonzero(block.votes)
        files.write(
            RATINGS,
            [ids[at] for at in rated.tolist()],
            [str(rating) for rating in block.ratings[rated].tolist()],
            [str(votes) for votes in block.votes[rated].tolist()],
        )

    def _dump_principals(
        self, files: DumpWriter, block: Block, rng: np.random.Generator | None
    ) -> None:
        movie = np.repeat(np.arange(len(block.titles)), block.cast_sizes)
        actors, category = block.actors, "actor"
        if rng:
            twice = np.flatnonzero(rng.random(len(actors)) < RARE)
            where = np.sort(np.concatenate([np.arange(len(actors)), twice]))
            movie, actors = movie[where], actors[where]
            category = rng.choice(list(CATEGORIES), len(where), p=list(CATEGORIES.values()))
            category = category.tolist()
        starts = np.searchsorted(movie, movie)
        roles = FORENAMES[(actors + movie) % len(FORENAMES)].tolist()
        characters = [f'["{role}"]' for role in roles]
        if rng:
            acting = ("actor", "actress", "self")
            characters = [
                role if kind in acting else NULL
                for role, kind in zip(characters, category, strict=True)
            ]
        ids = np.array(_ids("tt", np.arange(len(block.titles)) + block.first + FIRST_ID["tt"]))
        files.write(
            PRINCIPALS,
            ids[movie].tolist(),
            [str(place) for place in (np.arange(len(movie)) - starts + 1).tolist()],
            _ids("nm", actors + FIRST_ID["nm"]),
            category,
            NULL,
            characters,
        )


def _sizes(n: int, size: int = BLOCK) -> list[int]:
    """Split a number into blocks of this size, and the rest."""
    return [size] * (n // size) + ([n % size] if n % size else [])


def _id(prefix: str, number: int) -> str:
    return f"{prefix}{number:07d}"


def _ids(prefix: str, numbers: np.ndarray) -> list[str]:
    return [f"{prefix}{number:07d}" for number in numbers.tolist()]
