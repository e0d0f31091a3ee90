"""The same films and parameters give the same results, whatever the environment.

Elsewhere: warm and plain kernels (test_warm), sweeps on one and two workers and on a cluster
(test_workers), settings of a sweep and single runs (test_sweep), threads of an evaluation
(test_evaluation), the order of rows, columns and lines (test_reduction, test_clustering).
"""

import json
import os
import platform
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL
from corpora import recipe_of
from degenerate import given, movie, troupes, write_films
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from imdbclust import probabilities as pr
from imdbclust.commands import cli
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.display.csv_files import read_table
from imdbclust.evaluation.profiles import profile_clusters
from imdbclust.load import read_corpus
from imdbclust.matrix import build_incidence
from imdbclust.reduction import map_movies
from imdbclust.running import diff
from imdbclust.running.diff import comparable
from imdbclust.running.pages.filters import FILTERS

PRESETS = ("seed", "recommended", "nested")


# whole runs


def run_elsewhere(films, out, *, name, preset="recommended", cwd=None, **environment):
    """Return the folder of a run that a process of its own made."""
    command = [sys.executable, "-m", "imdbclust", "run", "--dataset", str(films), "--name", name]
    command += ["--preset", preset, "--out", str(out), *given(SMALL)]
    subprocess.run(
        command, cwd=cwd, env=os.environ | environment, check=True, timeout=300, capture_output=True
    )
    return out / name


def differing(one, other):
    """Return the names of files that are not the same in two folders, or in one of them only."""
    one, other = comparable(one), comparable(other)
    return sorted(name for name in one | other if one.get(name) != other.get(name))


@pytest.fixture(scope="module")
def base(films, tmp_path_factory):
    """Return a run of each preset, without other runs in its folder."""
    return {
        preset: run_elsewhere(films, tmp_path_factory.mktemp(preset), name="run", preset=preset)
        for preset in PRESETS
    }


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "changed",
    [
        # several changes in one run: none of them may change a byte
        {
            "PYTHONHASHSEED": "1",
            "TZ": "America/Caracas",
            "LC_ALL": "C",
            "COLUMNS": "40",
            "cwd": "/",
        },
        {"PYTHONHASHSEED": "0", "LC_ALL": "de_DE.UTF-8", "IMDBCLUST_ENGINE": "plain"},
    ],
    ids=("surroundings", "engine"),
)
def test_no_byte_follows_the_environment(preset, changed, films, base, tmp_path):
    folder = run_elsewhere(films, tmp_path, name="run", preset=preset, **changed)
    assert differing(folder, base[preset]) == []
    assert len(comparable(folder)) > 60


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_threads_and_processors_change_no_label_and_no_more_than_rounding(
    preset, films, base, tmp_path
):
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    changed = threads | {"OPENBLAS_CORETYPE": "Nehalem"}  # the oldest of those that are tested
    folder = run_elsewhere(films, tmp_path, name="run", preset=preset, **changed)
    csv = "movie_to_cluster.csv"
    assert (folder / csv).read_bytes() == (base[preset] / csv).read_bytes()
    names = sorted(path.name for path in (folder / "tables").glob("*.csv"))
    for name in names:
        if name.removesuffix(".csv") not in diff.FOLLOWS_LAST_DIGITS:
            one, other = (read_table(run / "tables" / name) for run in (folder, base[preset]))
            pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=1e-9, atol=1e-9)
    assert len(names) > 50
    one, other = (read_table(run / "tables" / "choice.csv") for run in (folder, base[preset]))
    near = np.isclose(one.pop("value"), other.pop("value"), rtol=1e-9, atol=1e-9, equal_nan=True)
    pd.testing.assert_frame_equal(one, other)
    assert near.mean() >= 0.9


def test_what_differs_is_left_out_and_nothing_else(finished_run, tmp_path):
    compared = comparable(finished_run)
    manifest = json.loads(compared["manifest.json"])
    assert not manifest.keys() & set(diff.OF_RUN)
    assert not {key for stage in manifest["stages"] for key in stage} & set(diff.OF_STAGE)
    assert manifest["dataset"]["sha256"]
    unchanged = [name for name in compared if compared[name] == (finished_run / name).read_bytes()]
    assert sorted(compared.keys() - set(unchanged)) == sorted(
        ["manifest.json", "index.html", *(f"{stage['stage']}.html" for stage in manifest["stages"])]
    )
    for name in compared.keys() - set(unchanged) - {"manifest.json"}:
        length = len((finished_run / name).read_bytes())
        assert length - 1000 < len(compared[name]) < length


def test_pages_say_when_and_how_fast_and_this_is_what_is_left_out(tmp_path):
    page = (
        f"<p><span>0.8 s</span> <span>{FILTERS['memory'](211)} of memory</span>"
        f" <span>1 h 3 min</span> <span>{FILTERS['memory'](1433.6)} of memory</span>"
        " <span>reused from an earlier run</span> <span>5 January 2026, 00:13 UTC</span></p>"
        '<td class="number">under 0.1 s</td><td class="number">254MB</td>'
        "<td>in this run</td><p>The whole run took 5.2 s.</p>"
        '<pre tabindex="0" aria-label="Command"><code>imdbclust run</code></pre>'
        '<time datetime="2026-01-05T00:13:00+00:00">5 January 2026, 00:13 UTC</time>'
    )
    data = '<td class="number">5</td><td>12 s of silence</td><td class="number">0.81</td>'
    (tmp_path / "a.html").write_text(page + data, encoding="utf-8")
    assert comparable(tmp_path)["a.html"].decode() == (
        "<p><span></span> <span></span> <span></span> <span></span> <span></span></p>"
        '<td class="number"></td><td class="number"></td><td></td><p>The whole run took </p>'
        '<pre tabindex="0" aria-label="Command"><code></code></pre>'
        f'<time datetime="</time>{data}'
    )


# threads and processors


FITTED = """
import sys

import numpy as np
from test_determinism import found_by_all
from threadpoolctl import threadpool_info

kinds = {pool.get("architecture") for pool in threadpool_info()} - {None}
np.savez(sys.argv[1], kinds=sorted(kinds), **found_by_all())
"""


def found_by_all():
    """Return what the recipes find in some films, by name."""
    incidence, found = build_incidence(make_filmography(400, 350, random_state=5).corpus), {}
    for preset in PRESETS:
        recipe = recipe_of(preset, n_init=4)
        embedding = recipe.reduce(incidence, 3)
        clustering = recipe.cluster(embedding, 3, incidence)
        for name in ("labels", "centers"):
            found[f"{preset}_{name}"] = getattr(clustering, name)
        for name in ("scores", "singular_values", "loadings"):
            found[f"{preset}_{name}"] = getattr(embedding, name)
    return found


def assert_close(one, other):
    assert one.keys() == other.keys()
    for name in one:
        if name.endswith("labels"):
            assert (one[name] == other[name]).all(), name
        np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-9, err_msg=name)


on_x86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="names processors of this kind"
)


@on_x86
@pytest.mark.parametrize("kind", ["Nehalem", pytest.param("Haswell", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_another_processor_and_another_number_of_threads_find_the_same(kind, tmp_path):
    path = tmp_path / "found.npz"
    changed = {"OPENBLAS_CORETYPE": kind, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)} | changed
    subprocess.run([sys.executable, "-c", FITTED, str(path)], env=environment, check=True)
    with np.load(path) as arrays:
        found = dict(arrays)
    assert found.pop("kinds").tolist() == [kind]
    with threadpool_limits(1):
        assert_close(found, found_by_all())


def test_one_and_two_threads_find_the_same():
    found = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            found.append(found_by_all())
    assert_close(*found)


# the order of the file


def shuffled(records, seed):
    """Return the records, their casts and their genres in another order."""
    rng = random.Random(seed)
    turned = [
        one | {"actors": one["actors"][::-1], "genres": one["genres"][::-1]} for one in records
    ]
    rng.shuffle(turned)
    return turned


def placed(records, folder, preset="recommended", **changes):
    """Return corpus, embedding and clustering of some records."""
    folder.mkdir(exist_ok=True)
    corpus = read_corpus(write_films(records, folder))
    changes = {"n_clusters": 3, "n_components": 4, "n_init": 5} | changes
    recipe, incidence = recipe_of(preset, **changes), build_incidence(corpus)
    embedding = recipe.reduce(incidence, 7)
    return corpus, embedding, recipe.cluster(embedding, 7, incidence)


def labels_of(found):
    """Return the clusters by movie, movies in the order of their ids."""
    return found[2].to_frame().set_index("movie_id")["cluster"].sort_index()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_what_is_drawn_and_what_stands_out_does_not_follow_the_file(seed, tmp_path):
    one = placed(troupes(), tmp_path / "one")
    other = placed(shuffled(troupes(), seed), tmp_path / "other")
    assert one[0].actors["actor_id"].tolist() != other[0].actors["actor_id"].tolist()
    profiles = [profile_clusters(found[0], found[2], random_state=1) for found in (one, other)]
    for name in ("summary", "actors", "genres", "decades"):
        pd.testing.assert_frame_equal(getattr(profiles[0], name), getattr(profiles[1], name))
    samples, maps = [], []
    for corpus, embedding, clustering in (one, other):
        samples.append(
            pr.sample_movies(corpus, clustering.labels == 0, n=5, random_state=1).astype(str)
        )
        drawn = map_movies(embedding, max_movies=20, random_state=1).drop(columns="movie")
        maps.append(drawn.sort_values("movie_id", ignore_index=True))
    pd.testing.assert_frame_equal(*samples)
    pd.testing.assert_frame_equal(*maps, check_exact=True)


@pytest.mark.slow
def test_no_table_of_the_recommended_preset_follows_the_order_of_the_file(films, tmp_path):
    records = [json.loads(line) for line in films.read_text(encoding="utf-8").splitlines()]
    folders = []
    for place, some in enumerate((records, shuffled(records, 4))):
        (tmp_path / str(place)).mkdir()
        path = write_films(some, tmp_path / str(place))
        call = ["run", "--dataset", str(path), "--preset", "recommended", "--name", "run"]
        call += ["--out", str(path.parent), *given(SMALL | {"evaluation": "off"})]
        assert cli.main(call) == cli.DONE
        folders.append(path.parent / "run")
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*.csv"))
    by_row = {"movie_to_cluster", "movie_to_cluster_titles", "map", "actor_genre_counts"}
    for name in files:
        lines = [(folder / name).read_text(encoding="utf-8").splitlines() for folder in folders]
        if name.stem in by_row:
            lines = [sorted(some) for some in lines]
        if name.stem not in diff.IN_ORDER_OF_FILE:
            assert lines[0] == lines[1], name
    assert len(files) > 40


# other films that must not make a difference


@pytest.mark.parametrize("seed", range(3))
def test_every_movie_twice_makes_the_same_groups(seed, tmp_path):
    records = shuffled(troupes(), seed)
    twice = [*records, *(one | {"imdb_id": f"x{one['imdb_id']}"} for one in records)]
    one, two = (labels_of(placed(some, tmp_path / str(len(some)))) for some in (records, twice))
    copies = two[two.index.str.startswith("x")].rename(index=lambda name: name[1:])
    assert adjusted_rand_score(one, two[one.index]) == 1.0
    assert (copies[one.index] == two[one.index]).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_movie_without_a_cast_changes_no_other(seed, tmp_path):
    records = shuffled(troupes(), seed)
    one = placed(records, tmp_path / "one")
    more = placed([*records, movie(999, [])], tmp_path / "more")
    np.testing.assert_allclose(more[1].scores[:-1], one[1].scores, atol=1e-9)
    assert not more[1].scores[-1].any()
    assert (more[2].labels[:-1] == one[2].labels).all()
    assert more[2].labels[-1] == -1


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", range(3))
def test_an_actor_seen_once_makes_the_same_groups(seed, preset, tmp_path):
    records = shuffled(troupes(), seed)
    more = [records[0] | {"actors": [*records[0]["actors"], ["b", "B"]]}, *records[1:]]
    one, two = (
        labels_of(placed(some, tmp_path / name, preset))
        for name, some in (("one", records), ("more", more))
    )
    assert adjusted_rand_score(one, two) == 1.0


@pytest.mark.parametrize("preset", PRESETS)
def test_other_names_of_actors_change_no_bit(preset, tmp_path):
    renamed = [
        one | {"actors": [[actor, f"N {name[::-1]}"] for actor, name in one["actors"]]}
        for one in troupes()
    ]
    one, two = (
        placed(some, tmp_path / name, preset)
        for name, some in (("one", troupes()), ("two", renamed))
    )
    assert one[1].scores.tobytes() == two[1].scores.tobytes()
    assert one[2].labels.tobytes() == two[2].labels.tobytes()
    assert one[2].centers.tobytes() == two[2].centers.tobytes()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("n_blocks", [2, 3, 4])
def test_blocks_without_a_common_actor_are_found(preset, n_blocks, tmp_path):
    records = troupes(80, n_blocks)
    changes = {"n_clusters": n_blocks, "n_components": n_blocks}
    corpus, _, clustering = placed(records, tmp_path, preset, **changes)
    assert adjusted_rand_score(np.arange(80) % n_blocks, clustering.labels) == 1.0
    counts = pr.count_movies(corpus, clustering)
    for table, axis in ((pr.p_cluster_given_genre(counts), 1), (pr.p_cluster(counts.clusters), 0)):
        assert np.abs(np.asarray(table).sum(axis=axis) - 1).max() <= 1e-12
