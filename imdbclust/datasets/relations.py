"""Join tables of movies, people, credits, genres and ratings by their keys into one table.

The joined table is one of credits: rows of movies without an actor first, then those of credits,
of genres and of ratings, each with the movie's id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imdbclust.datasets.columns import ACTING, ANYONE, FIRST, LAST, NAMES, guess, listed
from imdbclust.datasets.tables import TEXT, Reading, Table, plain
from imdbclust.films.problems import CorpusError, ProblemLog

JOINED = ("movie_id", "title", "year", "rating", "votes", "genres", "actor_id", "actor")
_OTHER_PEOPLE = re.compile(r"direct|writ|produc|crew|compos|editor|camera")
_CASTS = re.compile(r"star|cast|actor|role|principal|credit|play|perform|edge")
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
        return None if name is None else _key(self.found.cells(name))

    def keys(self, kind: str) -> list[pa.Array]:
        """Return the columns that may be keys of movies or of actors, best first."""
        words = [*NAMES[kind].split(), "id"]
        own = [word for word in self.usual if re.fullmatch(rf"{self.word.rstrip('s')}s?id", word)]
        names = dict.fromkeys(self.usual[w] for w in [*own, *words] if w in self.usual)
        return [_key(self.found.cells(name)) for name in names]

    @property
    def refers_to_movie(self) -> bool:
        return any(word in self.usual for word in NAMES["movie_id"].split() if word != "id")

    @property
    def refers_to_person(self) -> bool:
        return any(word in self.usual for word in NAMES["actor_id"].split())

    @property
    def names_people(self) -> pa.Array | None:
        """The names of a table of people; None for another table."""
        first, last = self.column(FIRST), self.column(LAST)
        if first is not None and last is not None:
            joined = pc.binary_join_element_wise(
                first, last, pa.scalar(" ", TEXT), null_handling="skip"
            )
            return pc.if_else(pc.equal(joined, ""), None, joined)
        return self.column([*NAMES["actor"].split(), *ANYONE, "label"])


def _key(cells: pa.Array) -> pa.Array:
    """Return keys as texts, without the ``.0`` of whole numbers."""
    return pc.replace_substring_regex(cells, r"^(\d+)\.0$", r"\1")


def is_graph(table: Table) -> bool:
    """Return whether a table is a list of edges."""
    return {"source", "target"} <= {plain(name) for name in table.names}


def is_complete(table: Table, how: Reading) -> bool:
    """Return whether a table has movies with their cast by itself."""
    found = guess(table, {k: v for k, v in how.columns.items() if set(v) <= set(table.names)})
    return "title" in found and "actor" in found


def join(tables: Sequence[Table], name: str, how: Reading, log: ProblemLog) -> Table:
    """Return tables of movies, people and credits as one; what is missing is a CorpusError.

    A column that `how` names is that column of every table that has it.
    """
    given = {names[0]: key for key, names in how.columns.items() if len(names) == 1}
    if missing := given.keys() - {column for table in tables for column in table.names}:
        raise CorpusError(f"{name}: missing column {min(missing)!r} in all of its tables")
    for table in tables:
        columns = [given.get(column, column) for column in table.names]
        table.data = table.data.rename_columns(columns)
    parts = [_Part(table) for table in tables]
    edges = [part for part in parts if is_graph(part.table)]
    if edges:
        return _join_graph(edges[0], [part for part in parts if part not in edges], name, log)
    credits = [
        part
        for part in parts
        if (part.refers_to_movie or "title" in part.found)
        and (part.refers_to_person or "actor" in part.found)
        and not (_OTHER_PEOPLE.search(part.word) and not _CASTS.search(part.word))
    ]
    credits.sort(key=lambda part: ("actor" not in part.found, not _CASTS.search(part.word)))
    if not credits:
        every = "; ".join(f"{one.name} ({', '.join(one.names[:8])})" for one in tables[:12])
        raise CorpusError(
            f"{name}: no cast in it: none of its tables says which person plays in which movie: "
            f"{every}"
        )
    chosen, used = credits[0], [credits[0]]
    refs = chosen.column([w for w in NAMES["movie_id"].split() if w != "id"])
    if refs is None:
        refs = chosen.found.cells(chosen.found.name("title"))
    rows = []

    titled = [p for p in parts if p is not chosen and "title" in p.found and _movie_like(p)]
    movies, ids = _linked(titled, "movie_id", refs)
    if movies is None and "title" not in chosen.found:
        others = "; ".join(f"{one.table.name}: {listed(one.table)}" for one in parts[:9])
        raise CorpusError(
            f"{name}: no table of movies fits the movies of {chosen.table.name}; {others}"
        )
    own = ids
    if movies is not None:
        used.append(movies)
        best = movies.column([w for w in NAMES["movie_id"].split() if w not in ("id", "href")])
        own = ids if best is None else pc.coalesce(best, ids)
        rows.append(
            {"movie_id": own} | _values(movies, "title", "year", "rating", "votes", "genres")
        )
        log.guess(f"movies of {movies.table.name}, casts of {chosen.table.name}")

    people_refs = chosen.column(NAMES["actor_id"].split())
    cast = {"movie_id": _looked_up(refs, ids, own), "actor_id": people_refs}
    cast |= _values(chosen, *(("title", "year") if movies is None else ()), "actor")
    keep = _acting(chosen, log)
    if people_refs is not None and "actor" not in chosen.found:
        persons = [p for p in parts if p not in used and p.names_people is not None]
        people, person_ids = _linked(persons, "actor_id", people_refs)
        if people is not None:
            used.append(people)
            cast["actor"] = _looked_up(people_refs, person_ids, people.names_people)
            log.guess(f"names of {people.table.name}")
    rows.append({key: column.filter(keep) for key, column in cast.items() if column is not None})

    for part in parts:
        at = part.column([w for w in NAMES["movie_id"].split() if w != "id"])
        if part in used or at is None or part in credits:
            continue
        values = _values(part, "genres", "rating", "votes")
        if "genres" not in values and (genres := _genre_names(part, parts, used)) is not None:
            values["genres"] = genres
        if values and not part.refers_to_person:
            used.append(part)
            within = pc.is_in(at, refs if movies is None else ids)
            more = {"movie_id": _looked_up(at, ids, own)} | values
            rows.append({key: column.filter(within) for key, column in more.items()})
    if unused := [part.table.name for part in parts if part not in used]:
        log.guess(f"tables that are not used: {', '.join(unused)}")
    return _stacked(rows, name)


def _movie_like(part: _Part) -> bool:
    """Return whether a table with titles is one of movies: ``name`` alone may be a person's."""
    if plain(part.found.name("title")) not in ANYONE:
        return True
    more = {"year", "genres", "rating", "votes"} & part.found.chosen.keys()
    return bool(more) or bool(re.search(r"movie|film|title", part.word))


def _linked(
    parts: Sequence[_Part], kind: str, refs: pa.Array
) -> tuple[_Part | None, pa.Array | None]:
    """Return the table, and its key, that has most of the values that another table refers to."""
    best, wanted = (0.0, None, None), refs.drop_null().unique()
    usual = r"movie|film|title" if kind == "movie_id" else r"actor|person|people|star|name|cast"
    for part in sorted(parts, key=lambda part: not re.search(usual, part.word)):
        for key in part.keys(kind):
            share = pc.mean(pc.is_in(wanted, key)).as_py() or 0.0
            if share > best[0] and key.null_count < len(key):
                best = (share, part, key)
    return best[1:]


def _values(part: _Part, *keys: str) -> dict[str, pa.Array]:
    """Return the cells of a table by what they were taken for."""
    return {key: part.found.cells(part.found.name(key)) for key in keys if key in part.found}


def _looked_up(refs: pa.Array, keys: pa.Array | None, values: pa.Array | None) -> pa.Array:
    """Return the value of the key that each reference is; a reference without one stays."""
    return refs if keys is None else pc.coalesce(values.take(pc.index_in(refs, keys)), refs)


def _acting(part: _Part, log: ProblemLog) -> np.ndarray:
    if "category" not in part.found:
        return np.ones(len(part.table.lines), dtype=bool)
    category = pc.utf8_lower(part.found.cells(part.found.name("category")))
    acts = pc.is_in(category, pa.array(sorted(ACTING), TEXT)).to_numpy(zero_copy_only=False)
    log.guess(f"only rows of actors by {part.found.name('category')}")
    return acts


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


def _join_graph(edges: _Part, others: Sequence[_Part], name: str, log: ProblemLog) -> Table:
    """Return a list of edges between movies and actors, and the table of nodes if there is one."""
    one, other = edges.column(["source"]), edges.column(["target"])
    nodes = next((part for part in others if "id" in part.usual), None)
    if nodes is None:
        log.guess("Source is taken for the title, Target for the actor")
        return _stacked([{"title": one, "actor": other}], name)
    ids, names = nodes.column(["id"]), nodes.column(["label", "name", "title"])
    kinds = [word for word in _KIND if word in nodes.usual]
    is_movie = {}
    for word in kinds:
        kind = pc.utf8_lower(nodes.column([word]))
        movie = pc.fill_null(pc.match_substring_regex(kind, r"movie|film|title"), False)
        if pc.any(movie).as_py() and not pc.all(movie).as_py():
            is_movie = dict(zip(ids.to_pylist(), movie.to_pylist(), strict=True))
            break
    sources, targets = one.to_pylist(), other.to_pylist()
    if not is_movie:
        if set(sources) & set(targets):
            raise CorpusError(
                f"{name}: no cast in it: the edges do not join movies with actors; a column of the "
                "nodes such as type, with movie and actor, says which node is which"
            )
        is_movie = dict.fromkeys(sources, True)
        log.guess("the nodes in Source are taken for movies, those in Target for actors")
    flipped = [not is_movie.get(a, False) for a in sources]
    pairs = [(b, a) if f else (a, b) for a, b, f in zip(sources, targets, flipped, strict=True)]
    pairs = [(a, b) for a, b in pairs if is_movie.get(a) and not is_movie.get(b)]
    known = dict(zip(ids.to_pylist(), (ids if names is None else names).to_pylist(), strict=True))
    mask = pa.array([bool(is_movie.get(node)) for node in ids.to_pylist()])
    movies = {"movie_id": ids, "title": ids if names is None else names}
    movies |= _values(nodes, "year", "rating", "votes", "genres")
    cast = {
        "movie_id": pa.array([a for a, _ in pairs], TEXT),
        "actor_id": pa.array([b for _, b in pairs], TEXT),
        "actor": pa.array([known.get(b) or b for _, b in pairs], TEXT),
    }
    return _stacked([{key: column.filter(mask) for key, column in movies.items()}, cast], name)


def _stacked(rows: Sequence[dict[str, pa.Array]], name: str) -> Table:
    """Return rows with different columns as one table."""
    keys = [key for key in JOINED if any(key in part for part in rows)]
    lengths = [len(next(iter(part.values()))) for part in rows]
    columns = {
        key: pa.chunked_array(
            [part.get(key, pa.nulls(n, TEXT)) for part, n in zip(rows, lengths, strict=True)], TEXT
        )
        for key in keys
    }
    return Table(name, pa.table(columns), np.concatenate([np.arange(1, n + 1) for n in lengths]))
