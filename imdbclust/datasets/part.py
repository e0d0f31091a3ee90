"""A part of the films: of some years, of some genres, with minima of movies and of actors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from msgspec import to_builtins

from imdbclust.base.errors import UserError
from imdbclust.films.frames import canonical
from imdbclust.films.problems import CorpusError
from imdbclust.films.values import check_unicode
from imdbclust.load import Corpus

MOST = 10**9  # for minima


@dataclass(frozen=True)
class Part:
    """Which movies and actors to keep.

    Attributes
    ----------
    since, until : int or None
        First and last year; with either one, movies without a year are left out.
    genres : tuple of str
        Keep movies with at least one of these genres; empty for all.
    min_movies : int
        Keep actors with at least this number of the selected movies.
    min_cast : int
        Keep movies with at least this number of these actors.
    """

    since: int | None = None
    until: int | None = None
    genres: tuple[str, ...] = ()
    min_movies: int = 1
    min_cast: int = 0

    def __post_init__(self):
        check_unicode(self)
        for name, year in (("since", self.since), ("until", self.until)):
            if year is not None and not 1 <= year <= 9999:
                raise UserError(f"{name} must be a year from 1 to 9999, not {year}")
        if (self.since or 1) > (self.until or 9999):
            raise UserError(f"since ({self.since}) must not be after until ({self.until})")
        for name, n, least in (("min-movies", self.min_movies, 1), ("min-cast", self.min_cast, 0)):
            if not least <= n <= MOST:
                raise UserError(f"{name} must be at least {least} and at most {MOST:,}, not {n}")

    def __bool__(self) -> bool:
        return self != type(self)()

    def as_dict(self) -> dict:
        """Return what differs from all films."""
        every = to_builtins(type(self)())
        return {name: value for name, value in to_builtins(self).items() if value != every[name]}


def select(corpus: Corpus, part: Part) -> Corpus:
    """Return the selected part of a corpus, in the same order.

    Years and genres are applied first, then the minima repeatedly until both hold. An unknown
    genre is a UserError, and a part without a movie a CorpusError.
    """
    movies = np.ones(corpus.n_movies, dtype=bool)
    if part.since is not None or part.until is not None:
        between = corpus.movies["year"].between(part.since or 1, part.until or 9999)
        movies &= between.fillna(False).to_numpy(dtype=bool)
    if part.genres:
        known = {name.casefold(): name for name in corpus.genres["genre"].cat.categories}
        if unknown := [name for name in part.genres if name.casefold() not in known]:
            names = ", ".join(sorted(known.values())[:30])
            raise UserError(f"unknown genre {unknown[0]!r}; the films have {names}")
        wanted = corpus.genres["genre"].isin([known[name.casefold()] for name in part.genres])
        movies &= np.bincount(corpus.genres["movie"][wanted], minlength=len(movies)) > 0
    movie, actor = (corpus.credits[name].to_numpy() for name in ("movie", "actor"))
    credits, before = movies[movie], -1
    while before != (before := int(credits.sum())):
        careers = np.bincount(actor[credits], minlength=corpus.n_actors)
        credits &= careers[actor] >= part.min_movies
        casts = np.bincount(movie[credits], minlength=len(movies))
        movies &= casts >= part.min_cast
        credits &= movies[movie]
    if not movies.any():
        raise CorpusError("no movie is in the selected part of the films; select more")
    cast, tagged = corpus.credits[credits], corpus.genres[movies[corpus.genres["movie"]]]
    row_of = np.cumsum(movies) - 1
    cast, tagged = (frame.assign(movie=row_of[frame["movie"]]) for frame in (cast, tagged))
    tables = canonical(corpus.movies[movies], corpus.actors, cast, tagged)
    notes = corpus.notes | {"not_selected": int((~movies).sum())}
    return replace(corpus, **tables, notes=notes)
