"""Guess what each column of a table holds, by its name and its values, and report the guesses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imdbclust.base.text import quoted, shown
from imdbclust.datasets.tables import CALLED, TEXT, Table, plain
from imdbclust.films.problems import CorpusError
from imdbclust.films.values import NULL, PARSERS, parse_column

NAMES = {
    "title": "title movietitle filmtitle primarytitle seriestitle showtitle movie film moviename "
    "filmname titlename originaltitle",
    "actor_id": "actorid nconst personid performerid starid imdbnameid nameid peopleid castid",
    "actor": "cast creditscast actors actor castnames actorname actornames primaryname performers "
    "performer starring stars star castmembers topcast maincast leadactors actress playedby "
    "personname person",
    "genres": "genres genre listedin moviegenre moviegenres genrenames genrename maingenre",
    "year": "year startyear releaseyear releasedyear movieyear titleyear yearofrelease "
    "yearreleased releasedate originalreleasedate datepublished releasedon released premiered",
    "rating": "rating averagerating imdbrating imdbscore ratingavg ratingaverage voteaverage "
    "avgvote avgrating averagevote imdbratings userrating rank score",
    "votes": "votes numvotes imdbvotes votecount noofvotes numvotedusers numberofvotes ratingvotes "
    "ratingcount numratings totalvotes",
    "category": "category job department role knownfordepartment",
    "movie_id": "imdbid tconst imdbtitleid titleid movieid filmid showid ttid titleimdbid tmdbid "
    "moviekey href id",
}
"""Usual names of columns, in lower case and without punctuation, by what the column holds.

Ids of movies are last, because titles and years tell whether a column ``id`` counts rows."""

ANYONE = ("name", "fullname")  # of a movie or of a person: it depends on the other columns
FIRST, LAST = ("firstname", "fname"), ("lastname", "lname", "surname")
COUNTERS = ("id", "index", "no", "nr", "rank", "sno", "href")
ACTING = frozenset(["actor", "actress", "acting", "cast", "actors", "performer", "star"])
"""Categories of people who act, in lower case."""

_NUMBERED = re.compile(
    r"(?:top|lead|main)?(?:actor|actress|star|cast|castmember|performer)s?"
    r"(?:(\d+)(?:name)?|name(\d+))"
)
_NUMBERS = r"^[\d\s.,/%:★*+-]+$"
_YEAR_IN_TITLE = r"^(.+?)\s*\((\d{4})\)$"


@dataclass(eq=False)
class Columns:
    """What the columns of a table were taken for: their names by the keys of `NAMES`.

    `refused` says for a column with a usual name why it was not taken. `joined` are the tables of
    which the table was joined. `separators` are those of the items in a cell, or ``none``.
    """

    table: Table
    chosen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    joined: list[Columns] = field(default_factory=list)
    separators: dict[str, str] = field(default_factory=dict)
    trimmed: dict[str, pa.Array] = field(default_factory=dict)
    parsed: dict[tuple[str, str], tuple[pd.Series, pd.Series]] = field(default_factory=dict)

    @cached_property
    def usual(self) -> dict[str, str]:
        """The names of columns by how :func:`plain` writes them, the first of equal ones."""
        return {plain(name): name for name in reversed(self.table.names) if name}

    def first(self, words: Sequence[str]) -> str | None:
        """Return the first column with one of these usual names."""
        return next((self.usual[word] for word in words if word in self.usual), None)

    def __contains__(self, key: str) -> bool:
        return bool(self.chosen.get(key))

    def name(self, key: str) -> str:
        """Return the name of the first column of a key, or of the one that stands for it."""
        other = {"movie_id": "title", "actor_id": "actor", "title": "movie_id", "actor": "actor_id"}
        return (self.chosen.get(key) or self.chosen.get(other.get(key)) or (key,))[0]

    def cells(self, name: str) -> pa.Array:
        r"""Return a column without surrounding spaces; empty cells and ``\N`` are missing."""
        if name not in self.trimmed:
            column = self.table.data[name].combine_chunks()
            text = pc.utf8_trim_whitespace(column)
            empty = pc.is_in(text, pa.array(["", NULL], text.type))
            self.trimmed[name] = pc.if_else(empty, None, text)
        return self.trimmed[name]

    def series(self, key: str) -> pd.Series:
        """Return the cells of a key's column as a Series of texts."""
        return self.cells(self.chosen[key][0]).to_pandas().astype("str")

    def keys(self, name: str) -> pa.Array:
        """Return a column without the ``.0`` that data frames add to whole numbers."""
        cells = self.cells(name)
        some = pc.any(pc.ends_with(cells, ".0")).as_py()
        return pc.replace_substring_regex(cells, r"^(\d+)\.0$", r"\1") if some else cells

    def ids(self, key: str) -> pa.Array:
        """Return a key's column as ids."""
        return self.keys(self.chosen[key][0])

    def numbers(self, key: str, name: str = "") -> tuple[pd.Series, pd.Series]:
        """Return the values of ``year``, ``rating`` or ``votes``, and which cannot be read."""
        name = name or self.chosen[key][0]
        if (key, name) not in self.parsed:
            texts = self.cells(name).to_pandas().astype("str")
            self.parsed[key, name] = parse_column(texts, key)
        return self.parsed[key, name]

    def described(self) -> list[dict[str, str]]:
        """Return for each column what it was taken for, and an example."""
        kinds = {
            name: "actors" if key == "actor" else key.replace("_", " ")
            for key, names in self.chosen.items()
            for name in names
        }
        rows = []
        for name in dict.fromkeys(self.table.names):
            known = self.cells(name).drop_null() if self.table.names.count(name) == 1 else []
            examples = (cell for cell in map(str, known[:1000]) if cell not in ("[]", "{}"))
            example, kind = next(examples, ""), kinds.get(name, "not used")
            if (separator := self.separators.get(kind, "none")) != "none":
                kind += f", separated by {CALLED.get(separator, separator)}"
            example = example if len(example) < 50 else example[:49] + "…"
            row = {"file": self.table.name, "column": name or "(no name)"}
            row |= {"taken_for": kind, "example": example}
            rows.append({key: shown(value) for key, value in row.items()})
        return rows


def guess(table: Table, given: Mapping[str, Sequence[str]]) -> Columns:
    """Return what the columns of a table hold; those that are `given` are not guessed.

    A column that is duplicate, or given and missing, is a CorpusError.
    """
    found, names = Columns(table), table.names

    def choose(key: str, wanted: Sequence[str]) -> None:
        for name in wanted:
            if names.count(name) != 1:
                what = "duplicate" if name in names else "missing"
                raise CorpusError(f"{table.name}: {what} column {name!r}; {listed(table)}")
        found.chosen[key] = tuple(wanted)

    for key, wanted in given.items():
        choose(key, wanted)
    usual = found.usual

    def free(words: Sequence[str]) -> list[str]:
        taken = {name for names in found.chosen.values() for name in names}
        return [usual[word] for word in words if word in usual and usual[word] not in taken]

    def fitting(key: str, words: Sequence[str]) -> Iterator[str]:
        for name in free(words):
            if why := _unfit(found, key, name):
                found.refused[name] = why
            else:
                yield name

    title = free([*NAMES["title"].split(), *ANYONE])
    if "actor" not in given:
        matches = {word: match for word in usual if (match := _NUMBERED.fullmatch(word))}
        numbered = sorted(matches, key=lambda word: (int("".join(matches[word].groups(""))), word))
        actors = list(fitting("actor", numbered or NAMES["actor"].split()))
        if not numbered:
            actors = actors[:1]
        if not actors and title and (people := free(ANYONE)) and people[0] != title[0]:
            actors = people[:1]
        if actors:
            choose("actor", actors)
    for key, words in NAMES.items():
        words = words.split() + list(ANYONE) * (key == "title")
        if key not in {*found.chosen, "actor"} and (name := next(fitting(key, words), None)):
            choose(key, [name])
    return found


def listed(table: Table) -> str:
    """Return the names of a table's columns for a message."""
    return f"its columns: {', '.join(table.names[:40])}"


def _unfit(found: Columns, key: str, name: str) -> str:
    """Return why a column cannot hold what its name says; the empty text if it can."""
    if found.table.names.count(name) != 1:
        return ""
    cells = found.cells(name)
    if key in PARSERS:
        values, unreadable = found.numbers(key, name)
        if unreadable.sum() > values.notna().sum():
            example = cells[int(unreadable.idxmax())].as_py()
            return f"it holds texts such as {quoted(example)}, so it is not read as {key}"
    elif key == "actor":
        known = cells.drop_null()
        numbers = pc.match_substring_regex(known, _NUMBERS)
        if len(known) and pc.mean(numbers).as_py() > 0.5:
            example = known.filter(numbers)[0].as_py()
            return f"it holds numbers such as {quoted(example)}, so it is not read as actors"
    elif key == "category":
        acting = pc.is_in(pc.utf8_lower(cells.drop_null()), pa.array(sorted(ACTING), TEXT))
        if not (pc.mean(acting).as_py() or 0) > 0.05:
            return "few of its values are such as actor"
    if key in ("movie_id", "rating") and plain(name) in COUNTERS:
        if _counts_rows(found.keys(name)):
            return f"it counts the rows, so it is not read as {key.replace('_', ' ')}"
        if (
            key == "movie_id"
            and "title" in found
            and pc.count_distinct(cells).as_py() == len(cells)
        ):
            year = found.numbers("year")[0] if "year" in found else 0
            rows = pd.DataFrame({"title": found.series("title"), "year": year})
            if rows.duplicated().sum() > 0.1 * len(rows):
                return "it differs in every row of a movie, so it is not read as movie id"
    return ""


def _counts_rows(cells: pa.Array) -> bool:
    """Return whether the values are the whole numbers from 0 or 1, each once."""
    digits = pc.match_substring_regex(cells, r"^[0-9]{1,9}$")
    if not len(cells) or not pc.all(pc.fill_null(digits, False)).as_py():
        return False
    numbers = np.sort(cells.cast(pa.int64()).to_numpy())
    return numbers[0] in (0, 1) and np.array_equal(numbers - numbers[0], np.arange(len(numbers)))


def year_in_title(titles: pd.Series) -> pd.DataFrame | None:
    """Return titles and years apart if titles end like ``Harbour (2001)``; None if they do not."""
    parts = titles.str.extract(_YEAR_IN_TITLE)
    known = titles.notna().sum()
    return parts if known and parts[0].notna().sum() >= 0.8 * known else None


def recognise(found: Columns) -> Columns:
    """Return the columns of a table; without movies or actors they are a CorpusError."""
    table, name = found.table, found.table.name
    refused = [f"{column}: {why}" for column, why in found.refused.items()]
    has_actors = "actor_id" in found or "actor" in found
    if "movie_id" in found or "title" in found:
        if has_actors:
            table.log.guesses += refused
            return found
        why = f" ({'; '.join(refused)})" if refused else ""
        what = (
            f"no cast in it: no column of actors{why}. A table of movies needs those of people and "
            "of credits (which person plays in which movie), and a table of people those of movies "
            f"and of credits: imdbclust import {name} MORE CREDITS --to films.jsonl. Otherwise "
            "name the column by --actor-id or --actor"
        )
    elif has_actors:
        what = "which column has the title? Name it by --movie-id or --title"
    else:
        what = "no cast in it, and no movies: name columns by --movie-id or --title, and --actor"
    message = f"{name}: {what}; {listed(table)}"
    if table.records:
        root = f"{name}[]" if "." not in name else "[]"
        paths = dict.fromkeys(path for one in table.records[:100] for path in cast_paths(one, root))
        paths = ", ".join(list(paths)[:5])
        where = f"; what looks like a cast is at {paths}" if paths else ""
        message = f"{name}: JSON that is not of films{where}. {message}"
    raise CorpusError(message)


def cast_paths(value: object, path: str, depth: int = 0) -> Iterator[str]:
    """Yield the paths to values in JSON that look like casts, by their names."""
    if isinstance(value, dict):
        for key, one in value.items():
            if plain(key) in NAMES["actor"].split() and isinstance(one, list | str | dict):
                yield shown(f"{path}.{key}")
            elif depth < 8:
                yield from cast_paths(one, f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for one in value[:20]:
            yield from cast_paths(one, f"{path}[]", depth + 1)
