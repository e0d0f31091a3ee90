"""Made-up films at any size, block by block: as JSON lines, or as IMDb's own dumps.

:mod:`imdbclust.datasets.made_up.sample` keeps its films in memory and close to the course's file.
Here memory grows by three bytes a movie only; troupes, careers and genres are of the same kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from imdbclust.base.errors import UserError
from imdbclust.datasets.imdb_tables import BASICS, FORMAT, NAMES, PRINCIPALS, RATINGS
from imdbclust.datasets.made_up import sample
from imdbclust.datasets.made_up.sample import FORENAMES, SURNAMES, ids
from imdbclust.datasets.tsv import NULL
from imdbclust.films.json_lines import encode_movie, gzip_or_plain

MOST = 10**9  # movies, actors or credits: ten times all of IMDb
YEARS, SPAN = (2000, 2022), 8  # a troupe makes its movies in SPAN consecutive years
BLOCK = 20_000  # number of movies, or actors, that are made together
TAIL, HEAD = 0.64, 10  # in every troupe, careers decrease as (rank + HEAD) ** -TAIL
FIRST_ID = {"tt": 9_900_001, "nm": 9_800_001}  # in dumps: ids of seven and of eight digits

TYPES = {"movie": 0.6, "tvEpisode": 0.2, "short": 0.12, "tvMovie": 0.05, "video": 0.03}
CATEGORIES = {
    "actor": 0.46, "actress": 0.3, "self": 0.09, "director": 0.06, "writer": 0.04,
    "producer": 0.03, "archive_footage": 0.02,
}  # fmt: skip
"""Shares of types and categories in dumps that are not clean."""

ODD_TITLES = ('"{}', '"{}" and Then', '{}"', "NA", "null", "nan", "'{}", "{}, \\N", "=1+{}", "#{}")
"""Titles on which readers fail."""

RARE = 0.01
"""Share of `ODD_TITLES`, titles for adults and people listed twice in dumps that are not clean."""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive movies; `first` is the number of the first one, from 0.

    A missing year is 0, a missing rating NaN, with 0 votes. `actors` has all casts in order, as
    numbers of actors, from 0.
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
    """Made-up films whose casts, genres and years come from planted troupes.

    Every movie has an actor, and every actor plays in at least one movie. The same arguments give
    the same films. An impossible size is a UserError.

    Parameters
    ----------
    n_credits : int, optional
        Number of pairs of a movie and an actor, by default in proportion to the course's file. A
        few percent fewer are made if casts are so large that actors would be duplicates.
    signal : float from 0 to 1
        Share of the credits, other than first appearances, that stay within the movie's troupe.
    genreless, unrated, undated : float from 0 to 1
        Share of the movies without genres, without a rating, without a year.
    """

    def __init__(
        self,
        n_movies: int = sample.COURSE_MOVIES,
        n_actors: int = sample.COURSE_ACTORS,
        n_credits: int | None = None,
        *,
        n_troupes: int = 16,
        signal: float = 0.9,
        genreless: float = 0.01,
        unrated: float = 0.05,
        undated: float = 0.02,
        random_state: int = 31337,
    ):
        sample.check_range("n_movies", n_movies, 1, MOST)
        sample.check_range("n_actors", n_actors, 1, MOST)
        sample.check_range("random_state", random_state, 0, 2**32 - 1)
        least = max(n_movies, n_actors)
        if n_credits is None:
            scale = max(n_movies / sample.COURSE_MOVIES, n_actors / sample.COURSE_ACTORS)
            n_credits = max(round(sample.COURSE_CREDITS * scale), least)
        if not least <= n_credits <= min(n_movies * n_actors, MOST):
            raise UserError(
                f"{n_credits:,} credits are impossible: {n_movies:,} movies and {n_actors:,} "
                f"actors have {least:,} to {min(n_movies * n_actors, MOST):,}"
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
        # actors are shared among troupes as places are; the product fits into 63 bits
        self._ends = np.cumsum(self._places) * n_actors // n_credits
        self._members = np.diff(self._ends, prepend=0)
        steps = range(int(0.618 * n_actors) + 1, 2 * n_actors + 2)
        self._mix = next(step for step in steps if math.gcd(step, n_actors) == 1)
        self._begins = rng.integers(YEARS[0], YEARS[1] - SPAN + 2, n_troupes)
        self._genres = sample.draw_genre_weights(n_troupes, rng)

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
            years = self._begins[troupe] + rng.integers(0, SPAN, n)
            ratings, votes = sample.draw_ratings(n, rng)
            yield Block(
                first=first,
                titles=sample.draw_titles(n, rng),
                years=np.where(dated, years, 0),
                ratings=np.where(rated, ratings, np.nan),
                votes=np.where(rated, votes, 0),
                genres=self._draw_genres(troupe, rng),
                cast_sizes=np.bincount(movie, minlength=n),
                actors=actors,
            )

    def actor_names(self, actors: np.ndarray) -> list[str]:
        """Return the names of actors, by number; the first six million are distinct."""
        return sample.full_names((actors * 1_000_003 + 7) % (len(FORENAMES) * len(SURNAMES)))

    def _casts(
        self, troupe: np.ndarray, sizes: np.ndarray, filled: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the credits (movie, actor) of a block, and update the `filled` places of troupes.

        A troupe's first appearances are spread evenly over all of its places, so that every actor
        appears and only the number of filled places has to be remembered.
        """
        movie = np.repeat(np.arange(len(troupe)), sizes)
        own = troupe[movie]
        order = np.argsort(own, kind="stable")
        starts = np.searchsorted(own[order], np.arange(len(filled)))
        place = np.empty(len(own), dtype=np.int64)
        place[order] = np.arange(len(own)) - starts[own[order]] + filled[own[order]]
        filled += np.bincount(own, minlength=len(filled))
        before, after = (n * self._members[own] // self._places[own] for n in (place, place + 1))
        first_time = after > before
        actor = np.where(first_time, self._ends[own] - self._members[own] + before, -1)
        again = np.flatnonzero(~first_time)
        for _ in range(6):
            actor[again] = self._draw(own[again], rng)
            again = sample.repeated(movie, actor, ~first_time)
            if not len(again):
                break
        kept = np.ones(len(actor), dtype=bool)
        kept[again] = False
        return movie[kept], (actor[kept] * self._mix) % self.n_actors

    def _draw(self, own: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw an actor for each place, from its own troupe or for guests from any."""
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
        has_genre = sample.draw_genres(self._genres[troupe], rng)
        has_genre[rng.random(len(troupe)) < self._genreless] = False
        names = iter(np.array(list(sample.GENRES), dtype=object)[np.nonzero(has_genre)[1]].tolist())
        return [tuple(islice(names, n)) for n in has_genre.sum(axis=1).tolist()]

    def write_corpus(self, path: Path) -> None:
        """Write the films as JSON lines, gzip where the name ends in ``.gz``."""
        with gzip_or_plain(path, level=6) as file:
            for block in self.blocks():
                names = self.actor_names(block.actors)
                actors = zip(ids("nm", block.actors + 1), names, strict=True)
                movie_ids = ids("tt", np.arange(len(block.titles)) + block.first + 1)
                columns = (block.cast_sizes, block.years, block.ratings, block.votes)
                numbers = (column.tolist() for column in columns)
                rows = zip(movie_ids, block.titles, block.genres, *numbers, strict=True)
                for movie_id, title, genres, n_cast, year, rating, votes in rows:
                    cast = list(islice(actors, n_cast))
                    known = {"year": year or None, "rating": rating if votes else None}
                    known["votes"] = votes or None
                    file.write(encode_movie(movie_id, title, genres, cast, **known))

    def write_dumps(self, folder: Path, *, clean: bool = False) -> None:
        """Write the films as four ``.tsv.gz`` files in IMDb's format.

        If they are clean, all titles are movies and all people act. Otherwise there are titles of
        many types and people of many `CATEGORIES`, and cases on which readers fail: `ODD_TITLES`,
        titles for adults, people listed twice for a title or missing from ``name.basics``.
        """
        with _dump_files(folder) as write:
            for number, block in enumerate(self.blocks()):
                rng = None if clean else np.random.default_rng([self._seed, 2, number])
                movie_ids = ids("tt", np.arange(len(block.titles)) + block.first + FIRST_ID["tt"])
                _write_titles(write, block, movie_ids, rng)
                _write_principals(write, block, movie_ids, rng)
            for number, first in enumerate(range(0, self.n_actors, BLOCK)):
                rng = np.random.default_rng([self._seed, 3, number])
                actors = np.arange(first, min(first + BLOCK, self.n_actors))
                if not clean:
                    actors = actors[rng.random(len(actors)) >= RARE / 5]
                born = [str(year) for year in rng.integers(1900, 2005, len(actors)).tolist()]
                known = ids("tt", actors % self.n_movies + FIRST_ID["tt"])
                names = self.actor_names(actors)
                people = ids("nm", actors + FIRST_ID["nm"])
                write(NAMES, people, names, born, NULL, "actor", known)


@contextmanager
def _dump_files(folder: Path) -> Iterator[Callable[..., None]]:
    """Give a function that adds rows to the four files; these appear together at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = {}
        for name, columns in FORMAT.items():
            path = folder / f"{name}.tsv.gz"
            files[name] = stack.enter_context(gzip_or_plain(path, level=5))
            files[name].write("\t".join(columns).encode() + b"\n")

        def write(name: str, *columns: Sequence[str] | str) -> None:
            """Add rows to a file; a column that is a single text is the same in all rows."""
            n = len(columns[0])
            full = [[column] * n if isinstance(column, str) else column for column in columns]
            lines = ("\t".join(row) + "\n" for row in zip(*full, strict=True))
            files[name].write("".join(lines).encode())

        yield write


def _write_titles(
    write: Callable, block: Block, movie_ids: list[str], rng: np.random.Generator | None
) -> None:
    """Write ``title.basics`` and ``title.ratings``; without `rng`, clean ones."""
    n, types, adult, titles = len(movie_ids), "movie", "0", block.titles
    if rng:
        types = rng.choice(list(TYPES), n, p=list(TYPES.values())).tolist()
        adult = np.where(rng.random(n) < RARE, "1", "0").tolist()
        titles = list(titles)
        for at in np.flatnonzero(rng.random(n) < RARE).tolist():
            titles[at] = ODD_TITLES[at % len(ODD_TITLES)].format(titles[at])
    years = [str(year) if year else NULL for year in block.years.tolist()]
    genres = [",".join(names) or NULL for names in block.genres]
    minutes = [str(70 + at % 60) for at in range(n)]
    write(BASICS, movie_ids, types, titles, titles, adult, years, NULL, minutes, genres)
    rated = np.flatnonzero(block.votes)
    numbers = (map(str, column[rated].tolist()) for column in (block.ratings, block.votes))
    write(RATINGS, [movie_ids[at] for at in rated.tolist()], *map(list, numbers))


def _write_principals(
    write: Callable, block: Block, movie_ids: list[str], rng: np.random.Generator | None
) -> None:
    """Write ``title.principals``; without `rng`, a clean one."""
    movie = np.repeat(np.arange(len(movie_ids)), block.cast_sizes)
    actors, category = block.actors, "actor"
    if rng:
        twice = np.flatnonzero(rng.random(len(actors)) < RARE)
        where = np.sort(np.concatenate([np.arange(len(actors)), twice]))
        movie, actors = movie[where], actors[where]
        category = rng.choice(list(CATEGORIES), len(where), p=list(CATEGORIES.values())).tolist()
    ordering = np.arange(len(movie)) - np.searchsorted(movie, movie) + 1
    roles = FORENAMES[(actors + movie) % len(FORENAMES)].tolist()
    characters = [f'["{role}"]' for role in roles]
    if rng:
        pairs, acting = zip(characters, category, strict=True), ("actor", "actress", "self")
        characters = [role if kind in acting else NULL for role, kind in pairs]
    titles, people = np.array(movie_ids)[movie].tolist(), ids("nm", actors + FIRST_ID["nm"])
    places = list(map(str, ordering.tolist()))
    write(PRINCIPALS, titles, places, people, category, NULL, characters)


def _sizes(n: int, size: int = BLOCK) -> list[int]:
    """Split a number into blocks of this size, and the rest."""
    return [size] * (n // size) + ([n % size] if n % size else [])
