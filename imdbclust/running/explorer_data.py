"""The data of the explorer page: movies, actors, clusters and coordinates, packed small.

The page embeds the packed data and unpacks it in the browser. The layout before gzip: the length of
the header as little-endian uint32, the header as JSON in UTF-8, then arrays, each starting at a
multiple of 4. The header's ``arrays`` gives the type (``u2``, ``u4`` or ``i2``) of every array, its
offset after the header, and its length. Lists of different lengths are two arrays: the concatenated
values, and the length of each list.

The movies' coordinates are integer multiples of ``step``, one row for each movie. All components
have the same step, so distances keep their proportions, and the page finds nearest movies by them.
Movies whose coordinates are all zero, possibly after rounding, have no neighbours.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust import wording
from imdbclust.clustering import UNPLACED, neighbouring_clusters
from imdbclust.evaluation.profiles import Profiles
from imdbclust.matrix import most_linked_movies
from imdbclust.new_movies.assigner import Assigner
from imdbclust.new_movies.genre_model import Facts

MAX_MOVIES = 50_000  # the most linked ones are packed
MAX_BYTES = 5_800_000  # of packed data, 7.7 MB as base64
MAX_TEXT = 300  # characters of a title or name; the tables have the full text

# Pr[cluster | cast] is kept for the likeliest clusters, if it is not too small
MAX_CLUSTERS, MIN_PROBABILITY = 6, 0.005

# Pr[genre | cast] likewise
MAX_GENRES, MIN_GENRE_PROBABILITY = 5, 0.05

# maximum share of coordinates in the data before gzip: 32 components of `MAX_MOVIES` movies, or
# more components of fewer movies
COORDINATES_SHARE = 0.56
LARGEST = 32_767  # the largest coordinate, in steps
SCALE = 10_000  # probabilities are integer multiples of 1 / `SCALE`, ratings of 0.01
NO_RATING = 65_535

# control characters are replaced by their pictures, NUL by ␀
_VISIBLE = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}


@dataclass(frozen=True, eq=False)
class ExplorerData:
    """Packed data of the explorer page, with its numbers of movies and actors."""

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
    """Pack the data of the explorer page; the same input gives the same bytes.

    Parameters
    ----------
    assigner, profiles
        Stages of the run with its model of casts, and the description of its clusters.
    typical : DataFrame
        Result of :func:`imdbclust.clustering.typical_movies`.
    colors : sequence of str
        The clusters' colours.
    max_bytes : int
        Maximum size of the packed data. Movies are omitted until it fits, the least linked first.
        Only the leading components of the embedding are kept if `COORDINATES_SHARE` of this size
        has no room for all.
    """
    n_movies = min(assigner.corpus.n_movies, MAX_MOVIES)
    room = int(COORDINATES_SHARE * max_bytes) // (np.dtype(np.int16).itemsize * n_movies)
    leading = assigner.embedding
    if room < leading.n_components:
        leading = leading.first(max(1, room))
    while True:
        movies = most_linked_movies(assigner.incidence, n_movies)
        data = _pack(assigner, profiles, typical, leading, colors, movies)
        if len(data.packed) <= max_bytes or len(movies) <= 1:
            return data
        n_movies = max(1, int(0.95 * len(movies) * max_bytes / len(data.packed)))


def unpack_explorer_data(packed: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the header and the arrays of packed data, as the page does."""
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
    movies = _by_prominence(assigner, movies)
    casts = assigner.incidence.matrix[movies]
    # by number of movies, most first, then by id
    actors = np.unique(casts.indices)
    careers = assigner.incidence.movies_per_actor()[actors]
    ids = np.asarray(assigner.incidence.actor_ids, object)[actors]
    actors = actors[np.lexsort((ids, -careers))]
    casts = casts[:, actors]
    casts.sort_indices()
    table = corpus.movies.iloc[movies]
    arrays = {
        "year": table["year"].fillna(0).clip(0, 65_535).to_numpy(np.uint16),
        "rating": (table["rating"] * 100).round().fillna(NO_RATING).to_numpy(np.uint16),
        "group": clustering.codes[movies].astype(np.uint16),
    }
    arrays |= _lists("cast", casts, np.uint32)
    genres, genre_names = corpus.genre_matrix()
    arrays |= _lists("genre", genres[movies], np.uint16)
    places, step = quantise(leading.scores[movies])
    arrays["place"] = places.ravel()
    arrays |= _posteriors(assigner, movies)
    arrays |= _careers(assigner, actors)
    arrays |= _genres_expected(assigner, movies, actors)
    people = corpus.actors.iloc[actors]
    header = {
        "n_movies": corpus.n_movies,
        "n_actors": corpus.n_actors,
        "n_placed": int(clustering.placed.sum()),
        "scale": SCALE,
        "step": step,
        "n_components": assigner.embedding.n_components,
        "movie_ids": list(map(_text, table["movie_id"])),
        "titles": list(map(_text, table["title"])),
        "actor_ids": list(map(_text, people["actor_id"])),
        "names": list(map(_text, people["name"])),
        "genres": list(map(_text, genre_names)),
        "texts": wording.EXPLORER,
        "clusters": _clusters(assigner, profiles, typical, colors, movies),
    }
    return ExplorerData(_joined(header, arrays), len(movies), len(actors))


def _by_prominence(assigner: Assigner, movies: np.ndarray) -> np.ndarray:
    """Order movies as search results are: by votes and then links, most first, then by id."""
    table = assigner.corpus.movies.iloc[movies]
    links = assigner.incidence.matrix[movies] @ (assigner.incidence.movies_per_actor() - 1.0)
    votes = table["votes"].fillna(0).to_numpy(np.int64)
    ids = table["movie_id"].to_numpy(object)
    return movies[np.lexsort((ids, -links, -votes))]


def _lists(name: str, matrix: sp.csr_array, kind: type) -> dict[str, np.ndarray]:
    """Return the column indices of each row of a sparse matrix, in stored order."""
    return {
        name: matrix.indices.astype(kind),
        f"{name}_count": np.diff(matrix.indptr).astype(np.uint16),
    }


def quantise(coordinates: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coordinates as integer multiples of a step, and the step.

    The multiples are int16 of the same shape; times the step they differ from `coordinates` by at
    most half a step. The largest coordinate is `LARGEST` steps; the step is 0 if all are zero.
    """
    step = float(np.abs(coordinates).max(initial=0.0)) / LARGEST
    if step == 0:
        return np.zeros(coordinates.shape, np.int16), step
    return np.rint(coordinates / step).astype(np.int16), step


def _posteriors(assigner: Assigner, movies: np.ndarray) -> dict[str, np.ndarray]:
    """Return Pr[cluster | cast] of each movie for its likeliest clusters, in falling order."""
    chances = assigner.model.posterior(assigner.incidence.matrix[movies])
    chances = chances[:, : assigner.clustering.n_clusters]  # without the unplaced group
    return _largest("posterior", "group", chances, MAX_CLUSTERS, MIN_PROBABILITY)[0]


def _genres_expected(
    assigner: Assigner, movies: np.ndarray, actors: np.ndarray
) -> dict[str, np.ndarray]:
    """Return Pr[genre | cast] of each movie, which is left out, and Pr[genre | actor alone].

    `MAX_GENRES` genres are kept of each, in falling order, with three decimals to save space.
    ``alone_movies`` is the number of the actor's movies that have the genre.
    """
    model, matrix = assigner.genre_model, assigner.incidence.matrix
    of_movies = model.predict(matrix[movies], own=Facts.of(assigner.corpus, movies)).round(3)
    one_actor = sp.eye_array(matrix.shape[1], format="csr")[actors]
    least = MAX_GENRES, MIN_GENRE_PROBABILITY
    arrays, _ = _largest("expected", "genre", of_movies, *least)
    alone, kept = _largest("alone", "genre", model.predict(one_actor).round(3), *least)
    n_movies = model.counts[actors[kept], alone["alone_genre"]].astype(np.uint16)
    return arrays | alone | {"alone_movies": n_movies}


def _largest(
    name: str, code: str, chances: np.ndarray, most: int, least: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the largest probabilities of each row, in falling order, and the row of each."""
    first = np.argsort(-chances, axis=1, kind="stable")[:, :most]
    values = np.take_along_axis(chances, first, axis=1)
    kept = values >= least
    arrays = {
        name: (values[kept] * SCALE).round().astype(np.uint16),
        f"{name}_{code}": first[kept].astype(np.uint16),
        f"{name}_count": kept.sum(axis=1).astype(np.uint16),
    }
    return arrays, kept.nonzero()[0]


def _careers(assigner: Assigner, actors: np.ndarray) -> dict[str, np.ndarray]:
    """Return the number of movies of each actor in each group, counting all movies."""
    member = assigner.clustering.membership()
    counts = sp.csr_array((member @ assigner.incidence.matrix).T)[actors]
    counts.sort_indices()
    return {
        "career": counts.data.astype(np.uint16),
        "career_group": counts.indices.astype(np.uint16),
        "career_count": np.diff(counts.indptr).astype(np.uint16),
    }


def _clusters(assigner, profiles, typical, colors, movies) -> list[dict]:
    """Describe each group of the clustering in its order, the unplaced movies last."""
    place = pd.Series(np.arange(len(movies)), assigner.corpus.movies["movie_id"].iloc[movies])
    summary = profiles.summary.set_index("cluster")
    nearest = neighbouring_clusters(assigner.clustering).set_index("cluster")["neighbour"]
    typical = typical[(typical["kind"] == "typical") & typical["movie_id"].isin(place.index)]
    found = []
    for group, cluster in enumerate(assigner.clustering.groups):
        profile, decades = summary.loc[cluster], _of(cluster, profiles.decades)
        found.append(
            {
                "cluster": int(cluster),
                "name": _text(profile["name"]),
                "color": None if cluster == UNPLACED else colors[group],
                "movies": int(profile["movies"]),
                "years": profile["years"],
                "nearest": int(nearest[cluster]) if cluster in nearest.index else None,
                "actors": _overrepresented(_of(cluster, profiles.actors)),
                "genres": _overrepresented(_of(cluster, profiles.genres)),
                "decades": [[int(row.decade), int(row.movies)] for row in decades.itertuples()],
                "typical": [int(place[movie]) for movie in _of(cluster, typical)["movie_id"]],
            }
        )
    return found


def _of(cluster: int, table: pd.DataFrame) -> pd.DataFrame:
    return table[table["cluster"] == cluster]


def _overrepresented(table: pd.DataFrame) -> list[list]:
    """Return name, movies in the cluster, movies overall, and lift of each row."""
    return [
        [_text(row.name), int(row.n_in_cluster), int(row.n_in_all), round(float(row.lift), 2)]
        for row in table.itertuples()
    ]


def _text(value: object) -> str:
    text = str(value).translate(_VISIBLE)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _joined(header: dict, arrays: dict[str, np.ndarray]) -> bytes:
    """Compress header and arrays; the same input gives the same bytes."""
    parts, offset, places = [], 0, {}
    for name, array in arrays.items():
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        places[name] = [array.dtype.str[1:], offset, len(array)]
        parts.append(data + b"\0" * (-len(data) % 4))
        offset += len(parts[-1])
    text = json.dumps(header | {"arrays": places}, ensure_ascii=False, separators=(",", ":"))
    head = text.encode("utf-8", errors="replace")  # texts may have unpaired surrogates
    start = len(head).to_bytes(4, "little") + head + b"\0" * (-len(head) % 4)
    return gzip.compress(start + b"".join(parts), compresslevel=6, mtime=0)
