"""Join tables of movies, people, credits, genres and ratings by their keys into one table.

The joined table is one of credits: rows of movies without an actor first, then those of credits,
of genres and of ratings, each with the movie's id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imdbclust.datasets.columns import (
    ANYONE,
    COUNTERS,
    FIRST,
    LAST,
    NAMES,
    Columns,
    guess,
    listed,
    whole,
)
from imdbclust.datasets.tables import TEXT, Reading, Table, plain
from imdbclust.films.frames import LIMITS
from imdbclust.films.problems import CorpusError, ProblemLog

_OTHER_PEOPLE = re.compile(r"direct|writ|produc|crew|compos|editor|camera")
_MOVIES = re.compile("movie|film|title")
_CASTS = re.compile(r"star|cast|actor|role|principal|credit|play|perform|edge")
_PEOPLE = re.compile("actor|person|people|star|name|cast")
_GENRE_IDS = ("genreid", "categoryid")
_KIND = ("type", "kind", "category", "nodetype", "label", "labels", "class")


class _Part:
    """A table of a set, and which of its columns could refer to other tables."""

    def __init__(self, found: Columns, given: Mapping[str, Sequence[str]] = MappingProxyType({})):
        self.found, self.table = found, found.table
        self.word = plain(re.sub(r"\.\w+$", "", self.table.name))
        self.usual = {plain(name): name for name in reversed(self.table.names) if name}
        for key, names in given.items():
            self.usual |= {plain(key): name for name in names if name in self.table.names}

    def column(self, words: Sequence[str]) -> str | None:
        """Return the first column with one of these usual names."""
        return next((self.usual[word] for word in words if word in self.usual), None)

    def cells(self, column: str) -> pa.Array:
        """Return the cells of a column, as keys."""
        return whole(self.found.cells(column))

    def ref(self, kind: str, but: Sequence[str] = ("id",)) -> str | None:
        """Return the column that refers to movies or actors; None for another table."""
        return self.column([word for word in NAMES[kind].split() if word not in but])

    def keys(self, kind: str) -> list[str]:
        """Return the columns that may be keys of movies or of actors, best first."""
        words = [*NAMES[kind].split(), "id"]
        own = [word for word in self.usual if re.fullmatch(rf"{self.word.rstrip('s')}s?id", word)]
        return list(
            dict.fromkeys(self.usual[word] for word in [*own, *words] if word in self.usual)
        )

    def columns(self, *keys: str) -> dict[str, list[str]]:
        """Return columns by what they were taken for."""
        return {key: [self.found.name(key)] for key in keys if key in self.found}

    @property
    def has_credits(self) -> bool:
        """Whether the table says who plays in which movie."""
        movies = "title" in self.found or self.ref("movie_id")
        people = "actor" in self.found or self.ref("actor_id")
        others = _OTHER_PEOPLE.search(self.word) and not _CASTS.search(self.word)
        return bool(movies and people and not others)

    @property
    def has_movies(self) -> bool:
        """Whether the table is one of movies; a name alone may be a person's."""
        known = self.found.chosen.keys()
        sure = known & {"year", "genres", "rating", "votes"} or _MOVIES.search(self.word)
        return "title" in self.found and bool(sure or plain(self.found.name("title")) not in ANYONE)

    @property
    def names_people(self) -> list[str | None]:
        """The column, or two, with the names in a table of people; None in another table."""
        both = [self.column(FIRST), self.column(LAST)]
        return both if all(both) else [self.column([*NAMES["actor"].split(), *ANYONE, "label"])]


Plan = dict[_Part, dict[str, list[str]]]
"""Which columns of each table are joined, by the keys of `NAMES`.

Movies have ``title`` and ``movie_id``: the key to which other tables refer, then the id to use.
Credits have ``movie_id`` or ``title``, and ``actor_id`` or ``actor``. People have ``actor_id``, and
as ``actor`` their names or first and last names. Other tables have ``movie_id`` and values; a
``genre_id`` is one of a table that has ``genre_id`` and ``genres``.
"""


def is_graph(table: Table) -> bool:
    """Return whether a table is a list of edges."""
    return {"source", "target"} <= {plain(name) for name in table.names}


def join(found: Sequence[Columns], name: str, how: Reading) -> Columns:
    """Return tables of movies, people and credits as one; what is missing is a CorpusError.

    A column that `how` names is that column of every table that has it. If `how` names tables,
    their columns are those, and other tables are not used.
    """
    tables, log = [one.table for one in found], ProblemLog()
    if missing := {*chain(*how.columns.values())}.difference(*(one.names for one in tables)):
        raise CorpusError(f"{name}: missing column {min(missing)!r} in all of its tables")
    parts, nodes = [_Part(one, how.columns) for one in found], []
    if edges := [part for part in parts if is_graph(part.table)]:
        nodes = [part for part in parts if part not in edges]
        parts = _parts_of_graph(edges[0], nodes, name, log)
    known = {part.table.name: part for part in [*nodes, *parts]}
    if missing := how.tables.keys() - known:
        raise CorpusError(f"{name}: missing table {min(missing)!r}; its tables: {', '.join(known)}")
    plan = {known[one]: dict(columns) for one, columns in how.tables.items()}
    plan = {part: columns for part, columns in plan.items() if part in parts}
    if not plan:
        plan = _plan(parts, name, log)
    for part, columns in plan.items():
        for column in part.found.refused.keys() - {*chain(*columns.values())}:
            if plain(column) not in COUNTERS:
                log.guess(f"{part.table.name}: {column}: {part.found.refused[column]}")
    rows = _rows(plan, name)
    data = pa.concat_tables(map(pa.table, rows), promote_options="default")
    lines = [np.arange(1, len(next(iter(part.values()))) + 1) for part in rows]
    read_as = tables[0].read_as if all(one.read_as == tables[0].read_as for one in tables) else {}
    table = Table(name, data, np.concatenate(lines), read_as, log=log)
    chosen = {key: (key,) for key in data.column_names if how.columns.get(key) != []}
    separators = {}  # of the items in a cell, in whatever table
    joined = {part: part.found.chosen for part in nodes} | plan
    joined = [replace(p.found, chosen=one, separators=separators) for p, one in joined.items()]
    return Columns(table, chosen, joined=joined, separators=separators)


def _plan(parts: Sequence[_Part], name: str, log: ProblemLog) -> Plan:
    """Return which tables are joined by which columns, judged by their names and values."""
    credits = [part for part in parts if part.has_credits]
    credits.sort(key=lambda part: ("actor" not in part.found, not _CASTS.search(part.word)))
    if not credits:
        tables = [part.table for part in parts[:12]]
        every = "; ".join(f"{one.name} ({', '.join(one.names[:8])})" for one in tables)
        raise CorpusError(
            f"{name}: no cast in it: none of its tables says which person plays in which movie: "
            f"{every}"
        )
    chosen = credits[0]
    plan, cast = {}, chosen.columns("actor", "category")
    movie, title = chosen.ref("movie_id"), chosen.columns("title").get("title", [None])[0]
    titled = [part for part in parts if part is not chosen and part.has_movies]
    movies, key = _linked(titled, "movie_id", chosen, movie or title)
    if movies is not None:
        best = movies.ref("movie_id", but=("id", "href")) or key
        about = movies.columns("title", "year", "rating", "votes", "genres")
        plan[movies] = {"movie_id": [key, best]} | about
        cast["movie_id"] = [movie or title]
        log.guess(f"movies are read from {movies.table.name}, casts from {chosen.table.name}")
    elif title:
        cast |= ({"movie_id": [movie]} if movie else {}) | chosen.columns("title", "year")
    else:
        others = "; ".join(f"{one.table.name}: {listed(one.table)}" for one in parts[:9])
        raise CorpusError(
            f"{name}: no table of movies fits the movies of {chosen.table.name}; {others}"
        )
    plan[chosen] = cast
    if person := chosen.ref("actor_id"):
        cast["actor_id"] = [person]
        named = [part for part in parts if part not in plan and all(part.names_people)]
        people, key = _linked(named, "actor_id", chosen, person)
        if people is not None and "actor" not in cast:
            plan[people] = {"actor_id": [key], "actor": people.names_people}
            log.guess(f"names are read from {people.table.name}")
    for part in parts:
        movie = part.ref("movie_id")
        if part in plan or part in credits or movie is None or part.ref("actor_id"):
            continue
        values = part.columns("genres", "rating", "votes")
        if "genres" not in values and (genre := part.column(_GENRE_IDS)):
            for other in parts:
                key, names = other.column([*_GENRE_IDS, "id"]), other.column(["genre", *ANYONE])
                if other is not part and re.search("genre|categor", other.word) and key and names:
                    plan[other] = {"genre_id": [key], "genres": [names]}
                    values["genre_id"] = [genre]
        if values:
            plan[part] = {"movie_id": [movie]} | values
    if unused := [part.table.name for part in parts if part not in plan]:
        log.guess(f"tables that are not used: {', '.join(unused)}")
    return plan


def _rows(plan: Plan, name: str) -> list[dict[str, pa.Array]]:
    """Return the rows of movies, then of credits, then of other tables, joined by a plan."""
    movies = credits = people = genres = None
    for part, columns in plan.items():
        if {"actor_id", "actor"}.isdisjoint(columns):
            movies = part if "title" in columns else movies
            genres = part if "movie_id" not in columns else genres
        elif {"movie_id", "title"}.isdisjoint(columns):
            people = part
        else:
            credits = part
    if credits is None:
        raise CorpusError(f"{name}: no cast in it: no table is used that has movies and actors")

    def cells(part: _Part, key: str) -> pa.Array:
        read = part.cells if key.endswith("_id") else part.found.cells
        return read(plan[part][key][0])

    rows = {part: {key: cells(part, key) for key in columns} for part, columns in plan.items()}
    ids = own = None
    if movies is not None:
        ids = rows[movies]["movie_id"]
        own = rows[movies]["movie_id"] = pc.coalesce(
            movies.cells(plan[movies]["movie_id"][-1]), ids
        )
    if people is not None:
        names = [people.found.cells(column) for column in plan[people]["actor"]]
        names = pc.binary_join_element_wise(*names, pa.scalar(" ", TEXT), null_handling="skip")
        names = pc.if_else(pc.equal(names, ""), None, names)
        who = rows[credits]["actor_id"]
        rows[credits]["actor"] = _looked_up(who, rows[people]["actor_id"], names)
    known = rows[credits].get("movie_id", rows[credits].get("title")) if movies is None else ids
    for part in rows.keys() - {movies, people, genres}:
        values = rows[part]
        if "genre_id" in values:
            of_id = (rows[genres]["genre_id"], rows[genres]["genres"]) if genres else (None, None)
            values["genres"] = _looked_up(values.pop("genre_id"), *of_id)
        if "movie_id" in values:
            within = pc.is_in(values["movie_id"], known)
            values["movie_id"] = _looked_up(values["movie_id"], ids, own)
            if part is not credits:
                rows[part] = {key: column.filter(within) for key, column in values.items()}
    others = [part for part in rows if part not in (movies, credits, people, genres)]
    return [rows[part] for part in (movies, credits, *others) if part is not None]


def _linked(parts: Sequence[_Part], kind: str, of: _Part, column: str) -> tuple[_Part | None, str]:
    """Return the table, and its key, that has most of the values in a column of another table."""
    best, wanted = (0.0, None, ""), of.cells(column).drop_null().unique()
    usual = _MOVIES if kind == "movie_id" else _PEOPLE
    for part in sorted(parts, key=lambda part: not usual.search(part.word)):
        for key in part.keys(kind):
            cells = part.cells(key)
            share = pc.mean(pc.is_in(wanted, cells)).as_py() or 0.0
            if share > best[0] and cells.null_count < len(cells):
                best = (share, part, key)
    return best[1:]


def _looked_up(refs: pa.Array, keys: pa.Array | None, values: pa.Array | None) -> pa.Array:
    """Return the value of the key that each reference is; a reference without one stays."""
    return refs if keys is None else pc.coalesce(values.take(pc.index_in(refs, keys)), refs)


def _parts_of_graph(
    edges: _Part, others: Sequence[_Part], name: str, log: ProblemLog
) -> list[_Part]:
    """Return the credits that edges are, and the movies and people that nodes are."""
    ends = {"movieid": "source", "personid": "target"}
    pairs = pd.DataFrame({key: edges.cells(edges.usual[word]) for key, word in ends.items()})
    nodes = next((part for part in others if "id" in part.usual), None)
    if nodes is None:
        log.guess("Source is taken for the title, Target for the actor")
        tables = {"credits": pairs.set_axis(["title", "actor"], axis=1)}
        return [_Part(guess(Table.of_texts(*one), {})) for one in tables.items()]
    columns = {"id": nodes.usual["id"], "title": nodes.column(["label", "name", "title", "id"])}
    columns |= {key: one[0] for key, one in nodes.columns(*LIMITS, "genres").items()}
    about = pd.DataFrame({key: nodes.cells(column) for key, column in columns.items()})
    about["title"] = about["title"].fillna(about["id"])
    for word in (word for word in _KIND if word in nodes.usual):
        kind = nodes.cells(nodes.usual[word]).to_pandas().astype("str").str.lower()
        is_movie = kind.str.contains(_MOVIES).fillna(False)
        if 0 < is_movie.mean() < 1:
            movies = set(about["id"][is_movie])
            break
    else:
        movies = set(pairs["movieid"])
        if movies & set(pairs["personid"]):
            raise CorpusError(
                f"{name}: no cast in it: the edges do not join movies with actors; a column of the "
                "nodes such as type, with movie and actor, says which node is which"
            )
        log.guess("the nodes in Source are taken for movies, those in Target for actors")
    flipped = ~pairs["movieid"].isin(movies)
    pairs[flipped] = pairs[flipped][["personid", "movieid"]].to_numpy()
    pairs = pairs[pairs["movieid"].isin(movies) & ~pairs["personid"].isin(movies)]
    is_movie = about["id"].isin(movies)
    people = about[~is_movie][["id", "title"]].rename(columns={"title": "name"})
    tables = {"credits": pairs, "movies": about[is_movie], "people": people}
    return [_Part(guess(Table.of_texts(*one), {})) for one in tables.items()]
