"""The data of the explorer page: the map, movies, actors and clusters, packed small.

The page embeds the packed data and unpacks it in the browser. The layout before gzip: the length of
the header as little-endian uint32, the header as JSON in UTF-8, then arrays. The header's
``arrays`` gives the bytes of an item of every array and its length. An array is stored in byte
planes: the lowest byte of every item, then the next one, which gzip compresses better. Lists of
different lengths are two arrays: the concatenated values, and the length of each list.

The first movies are those with a title, by prominence; arrays such as ``x``, ``y``, ``group`` and
``year`` go on with movies that are only points of the map. ``x`` and ``y`` are from 0 to `EDGE`;
`NOWHERE` marks a movie that is not on the map.
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
from imdbclust.clustering import (
    UNPLACED,
    label_places,
    neighbouring_clusters,
    typical_movies,
)
from imdbclust.display.result import Result
from imdbclust.evaluation.profiles import Profiles, profile_clusters
from imdbclust.matrix import most_linked_movies
from imdbclust.new_movies.assigner import Assigner
from imdbclust.new_movies.genre_model import Facts

MAX_MOVIES = 100_000  # the most linked ones have titles and casts
MAX_POINTS = 1_000_000  # the most linked ones are on the map
MAX_BYTES = 8_800_000  # of packed data, 11.7 MB as base64
MAX_TEXT = 300  # characters of a title or name; the tables have the full text

# Pr[cluster | cast] is kept for the likeliest clusters, if it is not too small
MAX_CLUSTERS, MIN_PROBABILITY = 6, 0.005

# Pr[genre | cast] likewise
MAX_GENRES, MIN_GENRE_PROBABILITY = 5, 0.05

SCALE = 1_000  # probabilities are integer multiples of 1 / `SCALE`
EDGE, NOWHERE = 65_534, 65_535
NO_RATING = 255  # ratings are multiples of 1 / `RATING`
RATING = 25

# control characters are replaced by their pictures, NUL by ␀
_VISIBLE = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}


@dataclass(frozen=True, eq=False)
class ExplorerData:
    """Packed data of the explorer page, with its numbers of movies and actors."""

    packed: bytes
    n_movies: int
    n_actors: int


def write_explorer_data(
    stage, assigner: Assigner, profiles: Profiles, colors: Sequence[str]
) -> Result:
    """Write the data of the map of all movies, unless the parameter says otherwise.

    `stage` is that of 05_probabilities; see :class:`imdbclust.running.notebook.Stage`.
    """
    if not stage.parameters["explorer"]:
        return Result(sentences=[wording.sentence("no_explorer")])
    corpus = assigner.corpus
    typical = typical_movies(corpus, assigner.embedding, assigner.clustering)
    movie_map = pd.read_parquet(stage.reads("reduction") / "map.parquet")
    looks = {"colors": colors, "form_tags": str(stage.parameters["form_tags"]).split(", ")}
    data = pack_explorer_data(assigner, profiles, typical, movie_map, **looks)
    (stage.writes / "explorer_data.gz").write_bytes(data.packed)
    packed = {"movies": data.n_movies, "n_movies": corpus.n_movies}
    packed |= {"actors": data.n_actors, "n_actors": corpus.n_actors}
    return Result(sentences=[wording.sentence("explorer", **packed)])


def pack_explorer_data(
    assigner: Assigner,
    profiles: Profiles,
    typical: pd.DataFrame,
    movie_map: pd.DataFrame,
    *,
    colors: Sequence[str],
    form_tags: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
) -> ExplorerData:
    """Pack the data of the explorer page; the same input gives the same bytes.

    Parameters
    ----------
    assigner, profiles
        Stages of the run with its model of casts, and the description of its clusters.
    typical : DataFrame
        Result of :func:`imdbclust.clustering.typical_movies`.
    movie_map : DataFrame
        Result of :func:`imdbclust.reduction.map_movies`; empty without a map.
    colors : sequence of str
        The clusters' colours.
    form_tags : sequence of str
        Genres that do not name an era or a subgroup.
    max_bytes : int
        Maximum size of the packed data. Movies lose their titles and casts until it fits, the
        least linked first.
    """
    incidence, points = assigner.incidence, _scaled(movie_map)
    levels = _levels(assigner, profiles, points, form_tags)
    drawn = np.intersect1d(most_linked_movies(incidence, MAX_POINTS), points.index)
    n_titles, last = min(assigner.corpus.n_movies, MAX_MOVIES), (0, 0)
    while True:
        titled = _by_prominence(assigner, most_linked_movies(incidence, n_titles))
        order = titled, np.setdiff1d(drawn, titled)
        data = _pack(assigner, profiles, typical, points, levels, colors, *order)
        size = len(data.packed)
        if size <= max_bytes or n_titles <= 1:
            return data
        # from the second time on, without what points take that have no title; the size of a few
        # titles is not proportional to their number
        per_title = max((size - last[1]) / (n_titles - last[0]), 1.0)
        last, least = (n_titles, size), n_titles * max_bytes / size / 2
        n_titles = max(1, int(max(n_titles - 1.05 * (size - max_bytes) / per_title, least)))


def unpack_explorer_data(packed: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the header and the arrays of packed data, as the page does."""
    data = gzip.decompress(packed)
    length = int.from_bytes(data[:4], "little")
    header, offset, arrays = json.loads(data[4 : 4 + length]), 4 + length, {}
    for name, (size, n) in header["arrays"].items():
        planes = np.frombuffer(data, np.uint8, size * n, offset).reshape(size, n)
        arrays[name] = np.ascontiguousarray(planes.T).view(f"<u{size}").ravel()
        offset += size * n
    return header, arrays


def _pack(assigner, profiles, typical, points, levels, colors, movies, rest) -> ExplorerData:
    corpus, clustering = assigner.corpus, assigner.clustering
    casts = assigner.incidence.matrix[movies]
    # by number of movies, most first, then by id
    actors = np.unique(casts.indices)
    careers = assigner.incidence.movies_per_actor()[actors]
    ids = np.asarray(assigner.incidence.actor_ids, object)[actors]
    actors = actors[np.lexsort((ids, -careers))]
    casts = casts[:, actors]
    casts.sort_indices()
    both = np.concatenate([movies, rest])
    table, places = corpus.movies.iloc[both], points.reindex(both, fill_value=NOWHERE)
    arrays = {
        "year": table["year"].fillna(0).clip(0, 65_535).to_numpy(np.uint16),
        "rating": (table["rating"] * RATING).round().fillna(NO_RATING).to_numpy(np.uint16),
        "group": clustering.codes[both],
        "x": places["x"].to_numpy(np.uint16),
        "y": places["y"].to_numpy(np.uint16),
    }
    arrays |= {level: codes[both] + 1 for level, codes in clustering.levels.items()}
    genres, genre_names = corpus.genre_matrix()
    arrays |= _lists("genre", genres[both])
    arrays |= _lists("cast", casts)
    arrays |= _posteriors(assigner, movies)
    arrays |= _careers(assigner, actors)
    arrays |= _genres_expected(assigner, movies, actors)
    table, people = table[: len(movies)], corpus.actors.iloc[actors]
    titles, names = list(map(_text, table["title"])), list(map(_text, people["name"]))
    header = {
        "n_movies": corpus.n_movies,
        "n_actors": corpus.n_actors,
        "n_placed": int(clustering.placed.sum()),
        "scale": SCALE,
        "rating_scale": RATING,
        "movie_ids": list(map(_shorter, map(_text, table["movie_id"]), titles)),
        "titles": titles,
        "actor_ids": list(map(_shorter, map(_text, people["actor_id"]), names)),
        "names": names,
        "genres": list(map(_text, genre_names)),
        "texts": wording.EXPLORER,
        "clusters": _clusters(assigner, profiles, typical, colors, movies),
        "levels": levels,
    }
    return ExplorerData(_joined(header, arrays), len(movies), len(actors))


def _scaled(movie_map: pd.DataFrame) -> pd.DataFrame:
    """Return ``x`` and ``y`` from 0 to `EDGE`, y downwards, in the same unit, by row number."""
    at = movie_map.set_index("movie")[["x", "y"]] * [1, -1]
    low, high = at.min(), at.max()
    width = max((high - low).max(), 1e-9) if len(at) else 1.0
    return ((at - (low + high - width) / 2) * (EDGE / width)).round().astype(int)


def _levels(
    assigner: Assigner, profiles: Profiles, points: pd.DataFrame, form_tags: Sequence[str]
) -> list[dict]:
    """Return the levels from the outermost, each with its groups.

    A group has a name, a number of movies, and the place of its label (None without one).
    """
    found, clustering = [], assigner.clustering
    for level in ("era", "cluster", "subgroup"):
        if level == "cluster":
            at, summary = clustering, profiles.summary
        elif level in clustering.levels:
            at = clustering.at_level(level)
            options = {"form_tags": form_tags, "random_state": 0}
            summary = profile_clusters(assigner.corpus, at, **options).summary
        else:
            continue
        frame = points.assign(cluster=at.labels[points.index])
        frame = frame[frame["cluster"] != UNPLACED]
        names = summary.set_index("cluster")["name"]
        spots = label_places(frame, names).set_index("cluster")[["x", "y"]]
        groups = [
            [
                _text(names[code]),
                int(size),
                *map(int, spots.loc[code] if code in spots.index else ()),
            ]
            for code, size in at.sizes().drop(UNPLACED, errors="ignore").items()
        ]
        found.append({"level": level, "groups": groups})
    return found


def _by_prominence(assigner: Assigner, movies: np.ndarray) -> np.ndarray:
    """Order movies as search results are: by votes and then links, most first, then by id."""
    table = assigner.corpus.movies.iloc[movies]
    links = assigner.incidence.matrix[movies] @ (assigner.incidence.movies_per_actor() - 1.0)
    votes = table["votes"].fillna(0).to_numpy(np.int64)
    ids = table["movie_id"].to_numpy(object)
    return movies[np.lexsort((ids, -links, -votes))]


def _lists(name: str, matrix: sp.csr_array) -> dict[str, np.ndarray]:
    """Return the column indices of each row of a sparse matrix, in stored order."""
    return {name: matrix.indices, f"{name}_count": np.diff(matrix.indptr)}


def _posteriors(assigner: Assigner, movies: np.ndarray) -> dict[str, np.ndarray]:
    """Return Pr[cluster | cast] of each movie for its likeliest clusters, in falling order."""
    chances = assigner.model.posterior(assigner.incidence.matrix[movies])
    chances = chances[:, : assigner.clustering.n_clusters]  # without the unplaced group
    return _largest("posterior", "group", chances, MAX_CLUSTERS, MIN_PROBABILITY)[0]


def _genres_expected(
    assigner: Assigner, movies: np.ndarray, actors: np.ndarray
) -> dict[str, np.ndarray]:
    """Return Pr[genre | cast] of each movie, which is left out, and Pr[genre | actor alone].

    `MAX_GENRES` genres are kept of each, in falling order.
    ``alone_movies`` is the number of the actor's movies that have the genre.
    """
    model, matrix = assigner.genre_model, assigner.incidence.matrix
    of_movies = model.predict(matrix[movies], own=Facts.of(assigner.corpus, movies))
    one_actor = sp.eye_array(matrix.shape[1], format="csr")[actors]
    least = MAX_GENRES, MIN_GENRE_PROBABILITY
    arrays, _ = _largest("expected", "genre", of_movies, *least)
    alone, kept = _largest("alone", "genre", model.predict(one_actor), *least)
    alone["alone_movies"] = model.counts[actors[kept], alone["alone_genre"]]
    for name, found in (("expected_genre", arrays), ("alone_genre", alone)):
        found[name] = model.modelled[found[name]]
    return arrays | alone


def _largest(
    name: str, code: str, chances: np.ndarray, most: int, least: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the largest probabilities of each row, in falling order, and the row of each."""
    first = np.argsort(-chances, axis=1, kind="stable")[:, :most]
    values = np.take_along_axis(chances, first, axis=1)
    kept = values >= least
    arrays = {
        name: (values[kept] * SCALE).round().astype(np.uint16),
        f"{name}_{code}": first[kept],
        f"{name}_count": kept.sum(axis=1),
    }
    return arrays, kept.nonzero()[0]


def _careers(assigner: Assigner, actors: np.ndarray) -> dict[str, np.ndarray]:
    """Return the number of movies of each actor in each group, counting all movies."""
    member = assigner.clustering.membership()
    counts = sp.csr_array((member @ assigner.incidence.matrix).T)[actors]
    counts.sort_indices()
    return {
        "career": counts.data.astype(np.uint32),
        "career_group": counts.indices,
        "career_count": np.diff(counts.indptr),
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


def _shorter(name: str, text: str) -> str:
    """Return an id without the text that it begins with, as many do; a digit says how."""
    for how, start in enumerate((text, text.replace(" ", "_"))):
        if start and name.startswith(start):
            return f"{how}{name[len(start) :]}"
    return f"2{name}"


def _joined(header: dict, arrays: dict[str, np.ndarray]) -> bytes:
    """Compress header and arrays; the same input gives the same bytes."""
    parts, sizes = [], {}
    for name, array in arrays.items():
        size = np.min_scalar_type(int(array.max(initial=0))).itemsize
        planes = array.astype(f"<u{size}").view(np.uint8).reshape(len(array), size).T
        parts.append(planes.tobytes())
        sizes[name] = size, len(array)
    text = json.dumps(header | {"arrays": sizes}, ensure_ascii=False, separators=(",", ":"))
    head = text.encode("utf-8", errors="replace")  # texts may have unpaired surrogates
    start = len(head).to_bytes(4, "little") + head
    # level 9 takes five times as long and saves one percent
    return gzip.compress(start + b"".join(parts), compresslevel=6, mtime=0)
