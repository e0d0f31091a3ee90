"""Join tables of movies, people, credits, genres and ratings by their keys into one table.

The joined table is one of credits: rows of movies without an actor first, then those of credits,
of genres and of ratings, each with the movie's id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imdbclust.datasets.columns import ANYONE, FIRST, LAST, NAMES, guess, listed, whole
from imdbclust.datasets.tables import TEXT, Reading, Table, plain
from imdbclust.films.frames import LIMITS
from imdbclust.films.problems import CorpusError, ProblemLog

_OTHER_PEOPLE = re.compile(r"direct|writ|produc|crew|compos|editor|camera")
_MOVIES = re.compile("movie|film|title")
_CASTS = re.compile(r"star|cast|actor|role|principal|credit|play|perform|edge")
_PEOPLE = re.compile("actor|person|people|star|name|cast")
_KIND = ("type", "kind", "category", "nodetype", "label", "labels", "class")


class _Part:
    """A table of a set, and which of its columns could refer to other tables."""

    def __init__(self, table: Table):
        self.table = table
        self.word = plain(re.sub(r"\.\w+$", "", table.name))
        self.found = guess(table, {})
        self.usual = {plain(name): name for name in reversed(table.names) if name}

    def column(self, words: Sequence[str]) -> pa.Array | None:
        """Return the cells of the first column with one of these usual names."""
        name = next((self.usual[word] for word in words if word in self.usual), None)
        return None if name is None else whole(self.found.cells(name))

    def refs(self, kind: str, but: Sequence[str] = ("id",)) -> pa.Array | None:
        """Return the column that refers to movies or actors; None for another table."""
        return self.column([word for word in NAMES[kind].split() if word not in but])

    def keys(self, kind: str) -> list[pa.Array]:
        """Return the columns that may be keys of movies or of actors, best first."""
        words = [*NAMES[kind].split(), "id"]
        own = [word for word in self.usual if re.fullmatch(rf"{self.word.rstrip('s')}s?id", word)]
        names = dict.fromkeys(self.usual[w] for w in [*own, *words] if w in self.usual)
        return [whole(self.found.cells(name)) for name in names]

    def values(self, *keys: str) -> dict[str, pa.Array]:
        """Return the cells of columns by what they were taken for."""
        return {key: self.found.cells(self.found.name(key)) for key in keys if key in self.found}

    @property
    def has_credits(self) -> bool:
        """Whether the table says who plays in which movie."""
        movies = "title" in self.found or self.refs("movie_id") is not None
        people = "actor" in self.found or self.refs("actor_id") is not None
        others = _OTHER_PEOPLE.search(self.word) and not _CASTS.search(self.word)
        return movies and people and not others

    @property
    def has_movies(self) -> bool:
        """Whether the table is one of movies; a name alone may be a person's."""
        known = self.found.chosen.keys()
        sure = known & {"year", "genres", "rating", "votes"} or _MOVIES.search(self.word)
        return "title" in self.found and bool(sure or plain(self.found.name("title")) not in ANYONE)

    @property
    def names_people(self) -> pa.Array | None:
        """The names of a table of people; None for another table."""
        first, last = self.column(FIRST), self.column(LAST)
        if first is not None and last is not None:
            space = pa.scalar(" ", TEXT)
            return pc.binary_join_element_wise(first, last, space, null_handling="skip")
        return self.column([*NAMES["actor"].split(), *ANYONE, "label"])


def is_graph(table: Table) -> bool:
    """Return whether a table is a list of edges."""
    return {"source", "target"} <= {plain(name) for name in table.names}


def is_complete(table: Table, how: Reading) -> bool:
    """Return whether a table has movies with their cast by itself."""
    found = guess(table, {k: v for k, v in how.columns.items() if set(v) <= set(table.names)})
    return "title" in found and "actor" in found


def join(tables: Sequence[Table], name: str, how: Reading) -> Table:
    """Return tables of movies, people and credits as one; what is missing is a CorpusError.

    A column that `how` names is that column of every table that has it.
    """
    given = {names[0]: key for key, names in how.columns.items() if len(names) == 1}
    if missing := given.keys() - {column for table in tables for column in table.names}:
        raise CorpusError(f"{name}: missing column {min(missing)!r} in all of its tables")
    for table in tables:
        columns = [given.get(column, column) for column in table.names]
        table.data = table.data.rename_columns(columns)
    parts, log = [_Part(table) for table in tables], ProblemLog()
    if edges := [part for part in parts if is_graph(part.table)]:
        parts = _parts_of_graph(edges[0], [part for part in parts if part not in edges], name, log)
    credits = [part for part in parts if part.has_credits]
    credits.sort(key=lambda part: ("actor" not in part.found, not _CASTS.search(part.word)))
    if not credits:
        every = "; ".join(f"{one.name} ({', '.join(one.names[:8])})" for one in tables[:12])
        raise CorpusError(
            f"{name}: no cast in it: none of its tables says which person plays in which movie: "
            f"{every}"
        )
    chosen, used, rows = credits[0], [credits[0]], []
    titles = chosen.values("title").get("title")
    refs = titles if (refs := chosen.refs("movie_id")) is None else refs
    titled = [part for part in parts if part is not chosen and part.has_movies]
    movies, ids = _linked(titled, "movie_id", refs)
    own = ids
    if movies is not None:
        used.append(movies)
        if (best := movies.refs("movie_id", but=("id", "href"))) is not None:
            own = pc.coalesce(best, ids)
        rows.append({"movie_id": own} | movies.values("title", "year", "rating", "votes", "genres"))
        log.guess(f"movies of {movies.table.name}, casts of {chosen.table.name}")
    elif "title" not in chosen.found:
        others = "; ".join(f"{one.table.name}: {listed(one.table)}" for one in parts[:9])
        raise CorpusError(
            f"{name}: no table of movies fits the movies of {chosen.table.name}; {others}"
        )

    cast = {"movie_id": _looked_up(refs, ids, own)}
    if movies is None:
        cast = (cast if refs is not titles else {}) | chosen.values("title", "year")
    cast |= chosen.values("actor", "category")
    if (people_refs := chosen.refs("actor_id")) is not None:
        cast["actor_id"] = people_refs
        named = [part for part in parts if part not in used and part.names_people is not None]
        people, person_ids = _linked(named, "actor_id", people_refs)
        if people is not None and "actor" not in cast:
            used.append(people)
            cast["actor"] = _looked_up(people_refs, person_ids, people.names_people)
            log.guess(f"names of {people.table.name}")
    rows.append(cast)

    for part in parts:
        at = part.refs("movie_id")
        if part in [*used, *credits] or at is None or part.refs("actor_id") is not None:
            continue
        values = part.values("genres", "rating", "votes")
        if "genres" not in values and (genres := _genre_names(part, parts, used)) is not None:
            values["genres"] = genres
        if values:
            used.append(part)
            within = pc.is_in(at, refs if movies is None else ids)
            more = {"movie_id": _looked_up(at, ids, own)} | values
            rows.append({key: column.filter(within) for key, column in more.items()})
    if unused := [part.table.name for part in parts if part not in used]:
        log.guess(f"tables that are not used: {', '.join(unused)}")
    data = pa.concat_tables(map(pa.table, rows), promote_options="default")
    lines = [np.arange(1, len(next(iter(part.values()))) + 1) for part in rows]
    return Table(name, data, np.concatenate(lines), log=log)


def _linked(
    parts: Sequence[_Part], kind: str, refs: pa.Array
) -> tuple[_Part | None, pa.Array | None]:
    """Return the table, and its key, that has most of the values that another table refers to."""
    best, wanted = (0.0, None, None), refs.drop_null().unique()
    usual = _MOVIES if kind == "movie_id" else _PEOPLE
    for part in sorted(parts, key=lambda part: not usual.search(part.word)):
        for key in part.keys(kind):
            share = pc.mean(pc.is_in(wanted, key)).as_py() or 0.0
            if share > best[0] and key.null_count < len(key):
                best = (share, part, key)
    return best[1:]


def _looked_up(refs: pa.Array, keys: pa.Array | None, values: pa.Array | None) -> pa.Array:
    """Return the value of the key that each reference is; a reference without one stays."""
    return refs if keys is None else pc.coalesce(values.take(pc.index_in(refs, keys)), refs)


def _genre_names(part: _Part, parts: Sequence[_Part], used: list[_Part]) -> pa.Array | None:
    """Return the genre of each row if a table of genres has the names by an id."""
    words = ("genreid", "categoryid")
    refs = part.column(words)
    for other in parts if refs is not None else ():
        ids, names = other.column([*words, "id"]), other.column(["genre", *ANYONE])
        if other is not part and re.search("genre|categor", other.word) and names is not None:
            used.append(other)
            return _looked_up(refs, ids, names)
    return None


def _parts_of_graph(
    edges: _Part, others: Sequence[_Part], name: str, log: ProblemLog
) -> list[_Part]:
    """Return the credits that edges are, and the movies and people that nodes are."""
    pairs = pd.DataFrame(
        {"movieid": edges.column(["source"]), "personid": edges.column(["target"])}
    )
    nodes = next((part for part in others if "id" in part.usual), None)
    if nodes is None:
        log.guess("Source is taken for the title, Target for the actor")
        return [_Part(Table.of_texts("edges", pairs.set_axis(["title", "actor"], axis=1)))]
    names = nodes.column(["label", "name", "title"])
    about = pd.DataFrame({"id": nodes.column(["id"])} | nodes.values(*LIMITS, "genres"))
    about["title"] = about["id"] if names is None else names.to_pandas()
    for word in (word for word in _KIND if word in nodes.usual):
        kind = nodes.column([word]).to_pandas().astype("str").str.lower()
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
    return [_Part(Table.of_texts(*one)) for one in tables.items()]
