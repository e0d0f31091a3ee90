"""Join tables of movies, people, credits, genres and ratings by their keys into one table.

The joined table is one of credits: rows of movies without an actor first, then those of credits,
of genres and of ratings, each with the movie's id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

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


def _word(table: Table) -> str:
    """Return the name of a table in lower case, without its ending."""
    return plain(re.sub(r"\.\w+$", "", table.name))


def _ref(part: Columns, kind: str, but: Sequence[str] = ("id",)) -> str | None:
    """Return the column that refers to movies or actors; None for another table."""
    return part.first([word for word in NAMES[kind].split() if word not in but])


def _keys(part: Columns, kind: str) -> list[str]:
    """Return the columns that may be keys of movies or of actors, best first."""
    stem = _word(part.table).rstrip("s")
    own = [word for word in part.usual if re.fullmatch(rf"{stem}s?id", word)]
    words = [*own, *NAMES[kind].split(), "id"]
    return list(dict.fromkeys(part.usual[word] for word in words if word in part.usual))


def _taken(part: Columns, *keys: str) -> dict[str, list[str]]:
    """Return columns by what they were taken for."""
    return {key: [part.name(key)] for key in keys if key in part}


def _has_credits(part: Columns) -> bool:
    """Return whether a table says who plays in which movie."""
    movies = "title" in part or _ref(part, "movie_id")
    people = "actor" in part or _ref(part, "actor_id")
    word = _word(part.table)
    return bool(movies and people and (_CASTS.search(word) or not _OTHER_PEOPLE.search(word)))


def _has_movies(part: Columns) -> bool:
    """Return whether a table is one of movies; a name alone may be a person's."""
    sure = {"year", "genres", "rating", "votes"} & part.chosen.keys()
    sure = sure or _MOVIES.search(_word(part.table))
    return "title" in part and bool(sure or plain(part.name("title")) not in ANYONE)


def _names_people(part: Columns) -> list[str | None]:
    """Return the column, or two, with the names in a table of people; None in another table."""
    both = [part.first(FIRST), part.first(LAST)]
    return both if all(both) else [part.first([*NAMES["actor"].split(), *ANYONE, "label"])]


Plan = dict[Columns, dict[str, list[str]]]
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
    given = {plain(key): names for key, names in how.columns.items()}
    for one in found:
        one.usual |= {
            word: n for word, names in given.items() for n in names if n in one.table.names
        }
    parts, nodes = found, []
    if edges := [part for part in parts if is_graph(part.table)]:
        nodes = [part for part in parts if part not in edges]
        parts = _parts_of_graph(edges[0], nodes, name, log)
    known = {part.table.name: part for part in [*nodes, *parts]}
    if missing := how.tables.keys() - known:
        raise CorpusError(f"{name}: missing table {min(missing)!r}; its tables: {', '.join(known)}")
    plan = {}
    for table, columns in how.tables.items():
        columns = {key: names for key, names in columns.items() if names}
        if columns and known[table] in parts:
            plan[known[table]] = columns
    if not plan:
        plan = _plan(parts, name, log)
    for part, columns in plan.items():
        used = {*chain(*columns.values())}
        for column, why in part.refused.items():
            if column not in used and plain(column) not in COUNTERS:
                log.guess(f"{part.table.name}: {column}: {why}")
    rows = _rows(plan, name)
    data = pa.concat_tables(map(pa.table, rows), promote_options="default")
    lines = [np.arange(1, len(next(iter(part.values()))) + 1) for part in rows]
    read_as = tables[0].read_as if all(one.read_as == tables[0].read_as for one in tables) else {}
    table = Table(name, data, np.concatenate(lines), read_as, log=log)
    chosen = {key: (key,) for key in data.column_names if how.columns.get(key) != []}
    separators = {}  # of the items in a cell, in whatever table
    joined = {part: part.chosen for part in nodes} | plan
    joined = [replace(p, chosen=one, separators=separators) for p, one in joined.items()]
    return Columns(table, chosen, joined=joined, separators=separators)


def _plan(parts: Sequence[Columns], name: str, log: ProblemLog) -> Plan:
    """Return which tables are joined by which columns, judged by their names and values."""
    credits = [part for part in parts if _has_credits(part)]
    credits.sort(key=lambda part: ("actor" not in part, not _CASTS.search(_word(part.table))))
    if not credits:
        every = [f"{one.table.name} ({', '.join(one.table.names[:8])})" for one in parts[:12]]
        raise CorpusError(
            f"{name}: no cast in it: none of its tables says which person plays in which movie: "
            f"{'; '.join(every)}"
        )
    chosen = credits[0]
    plan, cast = {}, _taken(chosen, "actor", "category")
    movie, title = _ref(chosen, "movie_id"), _taken(chosen, "title").get("title", [None])[0]
    titled = [part for part in parts if part is not chosen and _has_movies(part)]
    movies, key = _linked(titled, "movie_id", chosen, movie or title)
    if movies is not None:
        best = _ref(movies, "movie_id", but=("id", "href")) or key
        about = _taken(movies, "title", "year", "rating", "votes", "genres")
        plan[movies] = {"movie_id": [key, best]} | about
        cast["movie_id"] = [movie or title]
        log.guess(f"movies are read from {movies.table.name}, casts from {chosen.table.name}")
    elif title:
        cast |= ({"movie_id": [movie]} if movie else {}) | _taken(chosen, "title", "year")
    else:
        others = "; ".join(f"{one.table.name}: {listed(one.table)}" for one in parts[:9])
        raise CorpusError(
            f"{name}: no table of movies fits the movies of {chosen.table.name}; {others}"
        )
    plan[chosen] = cast
    if person := _ref(chosen, "actor_id"):
        cast["actor_id"] = [person]
        named = [part for part in parts if part not in plan and all(_names_people(part))]
        people, key = _linked(named, "actor_id", chosen, person)
        if people is not None and "actor" not in cast:
            plan[people] = {"actor_id": [key], "actor": _names_people(people)}
            log.guess(f"names are read from {people.table.name}")
    for part in parts:
        movie = _ref(part, "movie_id")
        if part in plan or part in credits or movie is None or _ref(part, "actor_id"):
            continue
        values = _taken(part, "genres", "rating", "votes")
        if "genres" not in values and (genre := part.first(_GENRE_IDS)):
            for other in (one for one in parts if re.search("genre|categor", _word(one.table))):
                key, names = other.first([*_GENRE_IDS, "id"]), other.first(["genre", *ANYONE])
                if other is not part and key and names:
                    plan[other] = {"genre_id": [key], "genres": [names]}
                    values["genre_id"] = [genre]
        if values:
            plan[part] = {"movie_id": [movie]} | values
    if unused := [part.table.name for part in parts if part not in plan]:
        log.guess(f"tables that are not used: {', '.join(unused)}")
    return plan


_NEEDED = {
    "movies": ("movie_id",), "people": ("actor_id", "actor"), "genres": ("genre_id", "genres")
}  # fmt: skip
"""The columns of each role without which tables cannot be joined."""


def _role(columns: Iterable[str]) -> str:
    """Return what a table of a plan has, by the keys of its columns."""
    if {"actor_id", "actor"}.isdisjoint(columns):
        return "movies" if "title" in columns else "values" if "movie_id" in columns else "genres"
    return "people" if {"movie_id", "title"}.isdisjoint(columns) else "credits"


def _rows(plan: Plan, name: str) -> list[dict[str, pa.Array]]:
    """Return the rows of movies, then of credits, then of other tables, joined by a plan."""
    roles = {_role(columns): part for part, columns in plan.items()}
    movies, credits, people, genres = map(roles.get, ("movies", "credits", "people", "genres"))
    if credits is None:
        raise CorpusError(f"{name}: no cast in it: no table is used that has movies and actors")
    for role, part in roles.items():
        needed = ("actor_id",) if part is credits and people else _NEEDED.get(role, ())
        if missing := [key for key in needed if key not in plan[part]]:
            what = f"the mapping names no column of {part.table.name} for {missing[0]}"
            raise CorpusError(f"{name}: {what}, by which tables are joined")

    def cells(part: Columns, key: str) -> pa.Array:
        read = part.keys if key.endswith("_id") else part.cells
        return read(plan[part][key][0])

    rows = {part: {key: cells(part, key) for key in columns} for part, columns in plan.items()}
    films, cast = rows.pop(movies, {}), rows.pop(credits)
    named, genre = rows.pop(people, {}), rows.pop(genres, {})
    ids = own = films.get("movie_id")
    if films:
        own = films["movie_id"] = pc.coalesce(movies.keys(plan[movies]["movie_id"][-1]), ids)
    if named:
        names = [people.cells(column) for column in plan[people]["actor"]]
        names = pc.binary_join_element_wise(*names, pa.scalar(" ", TEXT), null_handling="skip")
        names = pc.if_else(pc.equal(names, ""), None, names)
        cast["actor"] = _looked_up(cast["actor_id"], named["actor_id"], names)
    known = ids if films else cast.get("movie_id", cast.get("title"))
    others = []
    for values in (cast, *rows.values()):
        if "genre_id" in values:
            found = _looked_up(values.pop("genre_id"), genre.get("genre_id"), genre.get("genres"))
            values["genres"] = found
        if "movie_id" in values:
            within = pc.is_in(values["movie_id"], known)
            values["movie_id"] = _looked_up(values["movie_id"], ids, own)
            if values is not cast:
                values = {key: column.filter(within) for key, column in values.items()}
        others.append(values)
    return [films, *others] if films else others


def _linked(
    parts: Sequence[Columns], kind: str, of: Columns, column: str
) -> tuple[Columns | None, str]:
    """Return the table, and its key, that has most of the values in a column of another table."""
    best, wanted = (0.0, None, ""), of.keys(column).drop_null().unique()
    usual = _MOVIES if kind == "movie_id" else _PEOPLE
    for part in sorted(parts, key=lambda part: not usual.search(_word(part.table))):
        for key in _keys(part, kind):
            cells = part.keys(key)
            share = pc.mean(pc.is_in(wanted, cells)).as_py() or 0.0
            if share > best[0] and cells.null_count < len(cells):
                best = (share, part, key)
    return best[1:]


def _looked_up(refs: pa.Array, keys: pa.Array | None, values: pa.Array | None) -> pa.Array:
    """Return the value of the key that each reference is; a reference without one stays."""
    return refs if keys is None else pc.coalesce(values.take(pc.index_in(refs, keys)), refs)


def _parts_of_graph(
    edges: Columns, others: Sequence[Columns], name: str, log: ProblemLog
) -> list[Columns]:
    """Return the credits that edges are, and the movies and people that nodes are."""
    ends = {"movieid": "source", "personid": "target"}
    pairs = pd.DataFrame({key: edges.keys(edges.usual[word]) for key, word in ends.items()})
    nodes = next((part for part in others if "id" in part.usual), None)
    if nodes is None:
        log.guess("Source is taken for the title, Target for the actor")
        tables = {"credits": pairs.set_axis(["title", "actor"], axis=1)}
        return [guess(Table.of_texts(*one), {}) for one in tables.items()]
    columns = {"id": nodes.usual["id"], "title": nodes.first(["label", "name", "title", "id"])}
    columns |= {key: nodes.name(key) for key in (*LIMITS, "genres") if key in nodes}
    about = pd.DataFrame({key: nodes.keys(column) for key, column in columns.items()})
    about["title"] = about["title"].fillna(about["id"])
    for word in (word for word in _KIND if word in nodes.usual):
        kind = nodes.keys(nodes.usual[word]).to_pandas().astype("str").str.lower()
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
    return [guess(Table.of_texts(*one), {}) for one in tables.items()]
