"""Find the actors of a new movie by id or name."""

from __future__ import annotations

import difflib

import numpy as np
import pandas as pd

from imdbclust.base.errors import UserError
from imdbclust.base.text import counted, folded
from imdbclust.load import Corpus

MAX_COMPARED = 30_000  # names of the actors with most movies are compared with a misspelt one
MAX_SIMILAR = 3


class AmbiguousActor(UserError):
    """Several actors have the name; the message lists their ids and best-known movies."""


def find_actor(corpus: Corpus, actor: str) -> int | None:
    """Return the position of the actor with that id or unique name; None if unknown.

    Raises AmbiguousActor if several actors have the name.
    """
    found = corpus.find_actor(actor)
    if len(found) > 1:
        lines = [f"{actor!r} is the name of {len(found)} actors; give one of these ids:"]
        for row in found.itertuples():
            places = corpus.credits.loc[corpus.credits["actor"] == row.Index, "movie"]
            movies = corpus.movies.iloc[places].sort_values("votes", ascending=False, kind="stable")
            known = "; ".join(titled(one.title, one.year) for one in movies.head(3).itertuples())
            lines.append(f"  {row.actor_id}: {counted(row.n_movies, 'movie')}, such as {known}")
        raise AmbiguousActor("\n".join(lines))
    return None if found.empty else int(found.index[0])


def similar_actors(corpus: Corpus, actor: str) -> pd.DataFrame:
    """Return up to `MAX_SIMILAR` actors with a similar name: ``name``, ``n_movies``.

    These are the actors whose names have all the given words, or else similar names, or else a
    similar last name; those with most movies first.
    """
    busiest = corpus.top_actors(MAX_COMPARED).sort_values(
        ["n_movies", "actor_id"], ascending=[False, True], kind="stable"
    )
    names, wanted = busiest["name"].map(folded), folded(actor[:100])
    words = set(wanted.split())
    found = np.array([bool(words) and words <= set(name.split()) for name in names], dtype=bool)
    for compared in (names, names.map(lambda name: name.rpartition(" ")[2])):
        if not found.any():
            close = difflib.get_close_matches(wanted, compared.unique(), n=MAX_SIMILAR, cutoff=0.8)
            found = compared.isin(close).to_numpy()
    return busiest.loc[found, ["name", "n_movies"]].head(MAX_SIMILAR).reset_index(drop=True)


def match_actors(known: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Return the position of each of the other actors among the known ones; -1 if unknown.

    Both frames have ``actor_id`` and ``name``. An actor is matched by id, or else by a name that
    only one known actor has, or else by such a name without regard to case and accents.
    """
    places = pd.Index(known["actor_id"]).get_indexer(others["actor_id"])
    for form in (str, folded):
        unknown = np.flatnonzero(places < 0)
        unique = known["name"].map(form).drop_duplicates(keep=False)
        asked = others["name"].iloc[unknown].map(form)
        places[unknown] = np.append(unique.index, -1)[pd.Index(unique).get_indexer(asked)]
    return places


def titled(title: str, year: object) -> str:
    """Return a title with its year, if that is known."""
    return f"{title} ({year})" if pd.notna(year) else title
