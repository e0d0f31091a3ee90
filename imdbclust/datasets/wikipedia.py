"""Read the decade files of US films that were collected from Wikipedia.

Each file is one JSON array of films with ``title``, ``year``, ``cast`` (names), ``genres`` and
``href`` (the film's page). Several entries with one page are one film, listed again for a
re-release or in two years; the first entry is kept, the rest are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import msgspec

from imdbclust.base.text import shown
from imdbclust.films.json_lines import explain_mismatch
from imdbclust.films.opening import open_films
from imdbclust.films.problems import CorpusError, ProblemLog, check_on_problem
from imdbclust.load import Corpus, CorpusBuilder

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Film(msgspec.Struct):
    title: _Text
    year: Annotated[int, msgspec.Meta(ge=1, le=9999)]
    cast: list[_Text]
    genres: list[str]
    href: str | None = None


def read_wikipedia(paths: Iterable[Path], *, on_problem: str = "stop") -> Corpus:
    """Read the decade files, in the order given.

    `on_problem` is as for :func:`imdbclust.load.read_corpus`; ``line`` of a problem is the number
    of the entry. A file that is not a JSON array is a CorpusError.

    Returns
    -------
    Corpus
        A movie's id is its page, or its title and year if it has none. An actor's id is the
        name, so that two people with one name count as one. Duplicate entries are counted in
        ``notes["repeated_movies"]``.
    """
    check_on_problem(on_problem)
    problem_log, n_records, n_repeated = ProblemLog(), 0, 0
    builder = CorpusBuilder(problem_log, cast="cast")
    for path in paths:
        problem_log.file = shown(path.name)
        for number, entry in enumerate(_entries(path), start=1):
            n_records += 1
            try:
                film = msgspec.convert(entry, _Film)
            except msgspec.ValidationError as error:
                problem_log.set_aside(explain_mismatch(error, problem_log.file, number))
                continue
            movie_id = movie_id_of(film.title, film.year, film.href)
            if movie_id in builder:
                n_repeated += 1
                continue
            cast = [(name, name) for name in film.cast]
            builder.add(movie_id, film.title, film.genres, cast, year=film.year, line=number)
    problem_log.stop_if(on_problem)
    if n_records == problem_log.n_set_aside:
        raise CorpusError("no film in these files", problem_log.problems)
    return builder.build(records=n_records, repeated_movies=n_repeated)


def movie_id_of(title: str, year: int, href: str | None) -> str:
    """Return a film's id: its page if it has one, else its title and year."""
    return unquote(href) if href else f"{title.replace(' ', '_')}_({year}, no page)"


def _entries(path: Path) -> list:
    with open_films(path) as file:
        text = file.read()
    try:
        entries = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CorpusError(f"{shown(path.name)}: not JSON: {error}") from None
    if not isinstance(entries, list):
        raise CorpusError(f"{shown(path.name)}: one JSON array of films is expected")
    return entries
