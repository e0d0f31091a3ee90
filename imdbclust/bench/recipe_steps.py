"""The steps of the part ``recipe``, each timed: in our way, and in the way of the course.

``python -m imdbclust.bench.recipe_steps WAY FILE FOLDER`` prints seconds and peak memory as JSON.
Importing libraries is not timed.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import lil_matrix
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD

from imdbclust.clustering import MOVIE_TO_CLUSTER, cluster_movies, make_model
from imdbclust.load import read_corpus
from imdbclust.matrix import build_incidence
from imdbclust.reduction import make_svd, reduce_movies

SEED = 31337
KMEANS = {"n_clusters": 16, "n_init": 128, "max_iter": 2048, "tol": 0.5, "reassignment_ratio": 0.5}
COMPONENTS = 32

STEPS = ("read", "matrix", "frame", "top ten", "reduce", "cluster", "table")


def run_ours(file: Path, folder: Path, timed: Callable) -> None:
    """Take the steps with this package; the frame is the one that is shown."""
    corpus = timed("read", lambda: read_corpus(file))
    incidence = timed("matrix", lambda: build_incidence(corpus))
    timed("frame", incidence.preview)
    timed("top ten", corpus.top_actors)
    svd = make_svd(COMPONENTS, random_state=SEED)
    embedding = timed("reduce", lambda: reduce_movies(incidence, svd))
    model = make_model("MiniBatchKMeans", random_state=SEED, **KMEANS)
    found = timed("cluster", lambda: cluster_movies(embedding, model))
    timed("table", lambda: found.save(folder))


def run_course(file: Path, folder: Path, timed: Callable) -> None:
    """Take the course's steps: a dict of sets, a list-of-lists matrix, a frame of all of it."""
    names, _genres_of, casts = timed("read", lambda: _read(file))
    matrix = timed("matrix", lambda: _fill(names, casts))
    frame = timed(
        "frame",
        lambda: pd.DataFrame.sparse.from_spmatrix(matrix, index=list(casts), columns=list(names)),
    )
    timed("top ten", lambda: frame.sum(axis=0).sort_values().tail(10))
    svd = TruncatedSVD(n_components=COMPONENTS, random_state=SEED)
    reduced = timed("reduce", lambda: svd.fit_transform(matrix))
    model = MiniBatchKMeans(random_state=SEED, **KMEANS)
    timed("cluster", lambda: model.fit(reduced))
    timed("table", lambda: _write(frame.index, model.labels_, folder / MOVIE_TO_CLUSTER))


def _read(file: Path) -> tuple[dict, dict, dict]:
    names, genres_of, casts = {}, {}, {}
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            movie = json.loads(line)
            for actor, name in movie["actors"]:
                names[actor] = name
            for actor, _ in movie["actors"]:
                counts = genres_of.setdefault(actor, {})
                for genre in movie["genres"]:
                    counts[genre] = counts.get(genre, 0) + 1
            casts[movie["imdb_id"]] = {actor for actor, _ in movie["actors"]}
    return names, genres_of, casts


def _fill(names: dict, casts: dict) -> lil_matrix:
    column = {actor: number for number, actor in enumerate(names)}
    matrix = lil_matrix((len(casts), len(names)), dtype=float)
    for row, cast in enumerate(casts.values()):
        for actor in cast:
            matrix[row, column[actor]] = 1.0
    return matrix


def _write(movies: pd.Index, labels: np.ndarray, path: Path) -> None:
    rows = zip(movies, labels, strict=True)
    pd.DataFrame(rows, columns=["movie_id", "cluster"]).to_csv(path, index=False)


def main(way: str, file: Path, folder: Path) -> None:
    """Take the steps and print what each took."""
    seconds = {}

    def timed(step: str, function: Callable):
        began = time.perf_counter()
        found = function()
        seconds[step] = time.perf_counter() - began
        return found

    {"ours": run_ours, "course": run_course}[way](file, folder, timed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps({"seconds": seconds, "memory_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
