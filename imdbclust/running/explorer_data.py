"""Everything a reader may look up in a run, packed small: movies, actors, clusters, coordinates.

The explorer page embeds the packed data and unpacks it in the browser. Its layout, before
gzip: the length of the header as little-endian uint32, the header as JSON in UTF-8, then arrays,
each beginning at a multiple of 4. The header's ``arrays`` gives, for every array, its type
(``u2``, ``u4`` or ``i2``), where it begins after the header, and its length. Lists of
different lengths are two arrays: all values one after the other, and how many each row has.

The movies' coordinates are whole numbers of ``step``, a row a movie. The step is the same for all
components, so that distances keep their proportions, and the page finds the nearest movies of the
movie on view by them. A movie whose coordinates are all zero, also by rounding, is near to none.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.clustering import UNPLACED, Profiles, neighbouring_clusters
from imdbclust.matrix import most_linked_movies
from imdbclust.new_movies import Assigner
from imdbclust.reduction import Embedding

MANY = 50_000
"""Of more movies the most linked ones are packed."""

MAX_BYTES = 5_800_000
"""A packed data is no larger; base64 makes of it 7.7 MB of page."""

MAX_TEXT = 300
"""Characters of a title or name that are kept; the tables have all of them."""

SHOWN = 6
"""So many clusters of Pr[cluster | cast] are kept, the likeliest, if above `LEAST`."""

LEAST = 0.005

PLACES_SHARE = 0.56
"""Share of a data's bytes that coordinates may take, before gzip: 32 components of `MANY`
movies, or more components of fewer movies."""

LARGEST = 32_767
"""The largest coordinate, in steps."""

SCALE = 10_000
"""Probabilities are kept as whole parts of it, ratings as whole hundredths."""

NO_RATING = 65_535

# what a page cannot show as such is shown as the picture of it: NUL as ␀
_VISIBLE = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}


@dataclass(frozen=True, eq=False)
class ExplorerData:
    """A packed data, and what is in it.

    Attributes
    ----------
    packed : bytes
        The data; the same for the same input.
    n_movies, n_actors : int
        How many of each can be looked up.
    """

    packed: bytes
    n_movies: int
    n_actors: int


def pack_explorer_data(
    assigner: Assigner,
    profiles: Profiles,
    typical: pd.DataFrame,
    *,
    colors: Sequence[str],
    max_bytes: int = MAX_BYTES,
) -> ExplorerData:
    """Pack what a reader may look up.

    Parameters
    ----------
    assigner : Assigner
        Corpus, matrix, embedding and clustering of the run, with its model of casts.
    profiles : Profiles
        What the clusters are made of.
    typical : DataFrame
        As :func:`imdbclust.clustering.typical_movies`.
    colors : sequence of str
        The clusters' colours.
    max_bytes : int
        A larger data is packed again with fewer movies. There are at most `MANY`, the most
        linked ones. Of the embedding's components the first are kept, as many as
        `PLACES_SHARE` of it has room for; the page says how many if not all are.

    Returns
    -------
    ExplorerData
    """
    wanted = MANY
    leading = _leading(assigner.embedding, max_bytes)
    while True:
        movies = most_linked_movies(assigner.incidence, wanted)
        data = _pack(assigner, profiles, typical, leading, colors, movies)
        if len(data.packed) <= max_bytes or len(movies) <= 1:
            return data
        wanted = max(1, int(0.95 * len(movies) * max_bytes / len(data.packed)))


def unpack_explorer_data(packed: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the header and the arrays of a packed data, as the page does."""
    data = gzip.decompress(packed)
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    begin = 4 + length + (-length) % 4
    return header, {
        name: np.frombuffer(data, f"<{kind}", count, begin + offset)
        for name, (kind, offset, count) in header["arrays"].items()
    }


def _pack(assigner, profiles, typical, leading, colors, movies: np.ndarray) -> ExplorerData:
    corpus, clustering = assigner.corpus, assigner.clustering
    casts = assigner.incidence.matrix[movies]
    careers = assigner.incidence.movies_per_actor()
    actors = np.flatnonzero(np.bincount(casts.indices, minlength=len(careers)))
    # the best-known come first: matches are shown in this order
    movies, actors = _by_prominence(assigner, movies), _actors_by_prominence(assigner, actors)
    table = corpus.movies.iloc[movies]
    arrays = {
        "year": table["year"].fillna(0).clip(0, 65_535).to_numpy(np.uint16),
        "rating": (table["rating"] * 100).round().fillna(NO_RATING).to_numpy(np.uint16),
        "group": clustering.codes[movies].astype(np.uint16),
    }
    arrays |= _lists("cast", _renumbered(assigner.incidence.matrix[movies], actors), np.uint32)
    genres, genre_names = corpus.genre_matrix()
    arrays |= _lists("genre", genres[movies], np.uint16)
    places, step = quantise(leading.scores[movies])
    arrays["place"] = places.ravel()
    arrays |= _posteriors(assigner, movies)
    arrays |= _careers(assigner, actors)
    people = corpus.actors.iloc[actors]
    header = {
        "n_movies": corpus.n_movies,
        "n_actors": corpus.n_actors,
        "n_placed": int(clustering.placed.sum()),
        "scale": SCALE,
        "step": step,
        "n_components": assigner.embedding.n_components,
        "movie_ids": _texts(table["movie_id"]),
        "titles": _texts(table["title"]),
        "actor_ids": _texts(people["actor_id"]),
        "names": _texts(people["name"]),
        "genres": _texts(genre_names),
        "clusters": _clusters(assigner, profiles, typical, colors, movies),
    }
    return ExplorerData(_joined(header, arrays), len(movies), len(actors))


def _by_prominence(assigner: Assigner, movies: np.ndarray) -> np.ndarray:
    """Order movies by falling votes, then by how linked they are, then by id."""
    table = assigner.corpus.movies.iloc[movies]
    links = assigner.incidence.matrix[movies] @ (assigner.incidence.movies_per_actor() - 1.0)
    votes = table["votes"].fillna(0).to_numpy(np.int64)
    by_id = np.argsort(table["movie_id"].to_numpy(), kind="stable")
    return movies[by_id[np.lexsort((-links[by_id], -votes[by_id]))]]


def _actors_by_prominence(assigner: Assigner, actors: np.ndarray) -> np.ndarray:
    """Order actors by falling number of movies, then by id."""
    careers = assigner.incidence.movies_per_actor()[actors]
    by_id = np.argsort(assigner.incidence.actor_ids[actors], kind="stable")
    return actors[by_id[np.argsort(-careers[by_id], kind="stable")]]


def _renumbered(matrix: sp.csr_array, columns: np.ndarray) -> sp.csr_array:
    """Return the matrix with these columns only, in this order."""
    chosen = sp.csr_array(matrix[:, columns])
    chosen.sort_indices()
    return chosen


def _lists(name: str, matrix: sp.csr_array, kind: type) -> dict[str, np.ndarray]:
    """Return the columns of each row of a sparse matrix, in the order in which they are stored."""
    return {
        name: matrix.indices.astype(kind),
        f"{name}_count": np.diff(matrix.indptr).astype(np.uint16),
    }


def _leading(embedding: Embedding, max_bytes: int) -> Embedding:
    """Return the embedding in as many of its first components as there is room for."""
    n_movies = min(len(embedding.scores), MANY)
    room = int(PLACES_SHARE * max_bytes) // (np.dtype(np.int16).itemsize * n_movies)
    return embedding if room >= embedding.n_components else embedding.first(max(1, room))


def quantise(coordinates: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coordinates as whole numbers of a step, and the step.

    Parameters
    ----------
    coordinates : ndarray of float64, shape (n_movies, n_components)

    Returns
    -------
    places : ndarray of int16, shape (n_movies, n_components)
        ``places * step`` is off by half a step at most.
    step : float
        The largest coordinate is `LARGEST` steps; 0 if all are zero.
    """
    step = float(np.abs(coordinates).max(initial=0.0)) / LARGEST
    if step == 0:
        return np.zeros(coordinates.shape, np.int16), step
    return np.rint(coordinates / step).astype(np.int16), step


def _posteriors(assigner: Assigner, movies: np.ndarray) -> dict[str, np.ndarray]:
    """Return Pr[cluster | cast] of each movie: the likeliest clusters, falling."""
    chances = assigner.model.posterior(assigner.incidence.matrix[movies])
    chances = chances[:, : assigner.clustering.n_clusters]  # of an unplaced one nothing is known
    first = np.argsort(-chances, axis=1, kind="stable")[:, :SHOWN]
    values = np.take_along_axis(chances, first, axis=1)
    kept = values >= LEAST
    return {
        "posterior": (values[kept] * SCALE).round().astype(np.uint16),
        "posterior_group": first[kept].astype(np.uint16),
        "posterior_count": kept.sum(axis=1).astype(np.uint16),
    }


def _careers(assigner: Assigner, actors: np.ndarray) -> dict[str, np.ndarray]:
    """Return in how many movies of each group an actor plays, of all movies of the corpus."""
    member = assigner.clustering.membership()
    counts = sp.csr_array((member @ assigner.incidence.matrix).T)[actors]
    counts.sort_indices()
    return {
        "career": counts.data.astype(np.uint16),
        "career_group": counts.indices.astype(np.uint16),
        "career_count": np.diff(counts.indptr).astype(np.uint16),
    }


def _clusters(assigner, profiles, typical, colors, movies) -> list[dict]:
    """Describe each group of the clustering, in its order: the unplaced movies last."""
    place = pd.Series(np.arange(len(movies)), assigner.corpus.movies["movie_id"].iloc[movies])
    summary = profiles.summary.set_index("cluster")
    nearest = neighbouring_clusters(assigner.clustering).set_index("cluster")["neighbour"]
    kinds = typical[typical["kind"] == "typical"].groupby("cluster")["movie_id"]
    typical_ids = {cluster: ids.tolist() for cluster, ids in kinds}
    found = []
    for group, cluster in enumerate(assigner.clustering.groups):
        about = summary.loc[cluster]
        found.append(
            {
                "cluster": int(cluster),
                "name": _text(about["name"]),
                "color": None if cluster == UNPLACED else colors[group],
                "movies": int(about["movies"]),
                "years": about["years"],
                "nearest": int(nearest[cluster]) if cluster in nearest.index else None,
                "actors": _standouts(profiles.actors, cluster),
                "genres": _standouts(profiles.genres, cluster),
                "decades": _decades(profiles.decades, cluster),
                "typical": [
                    int(place[movie])
                    for movie in typical_ids.get(cluster, [])
                    if movie in place.index
                ],
            }
        )
    return found


def _standouts(table: pd.DataFrame, cluster: int) -> list[list]:
    """Return name, movies in the cluster, movies in all, and lift of what stands out."""
    rows = table[table["cluster"] == cluster].itertuples()
    return [
        [_text(row.name), int(row.n_in_cluster), int(row.n_in_all), round(float(row.lift), 2)]
        for row in rows
    ]


def _decades(table: pd.DataFrame, cluster: int) -> list[list[int]]:
    rows = table[table["cluster"] == cluster].itertuples()
    return [[int(row.decade), int(row.movies)] for row in rows]


def _texts(values: pd.Series | pd.Index) -> list[str]:
    return [_text(value) for value in values]


def _text(value: object) -> str:
    text = str(value).translate(_VISIBLE)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _joined(header: dict, arrays: dict[str, np.ndarray]) -> bytes:
    """Return header and arrays as one compressed block; the same input gives the same bytes."""
    parts, offset, places = [], 0, {}
    for name, array in arrays.items():
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        places[name] = [array.dtype.str[1:], offset, len(array)]
        parts.append(data + b"\0" * (-len(data) % 4))
        offset += len(parts[-1])
    text = json.dumps(header | {"arrays": places}, ensure_ascii=False, separators=(",", ":"))
    head = text.encode("utf-8", errors="replace")  # a lone surrogate must not cost the rest
    start = len(head).to_bytes(4, "little") + head + b"\0" * (-len(head) % 4)
    return gzip.compress(start + b"".join(parts), compresslevel=6, mtime=0)
