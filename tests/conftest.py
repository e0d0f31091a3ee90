"""What all tests share: where things go, and one finished run of a small corpus."""

import json
import os
import signal
import sys
from pathlib import Path

import hypothesis
import matplotlib as mpl
import pytest
from corpora import TOY_LABELS, clustering_of, toy_corpus

from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.load import write_corpus
from imdbclust.probabilities import count_movies

mpl.use("Agg")

# `make test` tries the same examples every time; `make test-slow` looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("search")
hypothesis.settings.load_profile("same")

# A shell's background job is started with Ctrl-C ignored, and the commands that the tests
# interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Kernels are killed once their notebook is done, and the killed do not tell what they ran: where
# coverage is measured, they end by themselves.
if "COVERAGE_PROCESS_CONFIG" in os.environ:
    import papermill  # noqa: F401 (it has to be there before its engine is)

    from imdbclust.running.kernels.engine import TruthfulClient

    def _gracefully(self, *args, _init=TruthfulClient.__init__, **options):
        _init(self, *args, **options | {"shutdown_kernel": "graceful"})

    TruthfulClient.__init__ = _gracefully

LONG = ["test_faults", "test_kills", "test_degenerate"]
LONG += ["test_workers", "test_sweep", "test_warm", "test_wheel", "test_running"]
"""Files that take long; they come first, so that two processes of pytest end together."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


SMALL = {"n_clusters": 6, "n_components": 8, "n_init": 4, "map_max_movies": 60}
"""Parameters that make a run on a few hundred movies quick."""


def recipe_of(preset: str):
    """Return the recipe of a preset."""
    from imdbclust.evaluation.recipe import Recipe
    from imdbclust.running.parameters import settings

    return Recipe.from_parameters(settings(preset, {}))


@pytest.fixture(autouse=True)
def _no_open_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """A corpus file of 300 made-up movies, some of them without a cast."""
    path = tmp_path_factory.mktemp("films") / "films.jsonl"
    write_corpus(make_filmography(300, 240, castless=0.03, random_state=7).corpus, path)
    return path


@pytest.fixture(scope="session")
def finished_run(films, tmp_path_factory) -> Path:
    """The folder of a finished run on those films."""
    from imdbclust.running.run import run

    out = tmp_path_factory.mktemp("reports")
    what = {"dataset": str(films), "preset": "seed", "parameters": SMALL, "name": "small"}
    return run(**what, out=out, command="imdbclust run")


def stages_of(run: Path) -> list[Path]:
    """Return the folders of a run's stages; those of other runs may lie beside them."""
    stages = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["stages"]
    return [run.parent / "stages" / f"{stage['stage']}-{stage['key']}" for stage in stages]


@pytest.fixture(scope="session")
def recommended_run(films, finished_run) -> Path:
    """The folder of a run of the other preset, beside the first."""
    from imdbclust.running.run import run

    return run(
        dataset=str(films),
        preset="recommended",
        parameters=SMALL,
        name="small-recommended",
        out=finished_run.parent,
    )


@pytest.fixture(scope="session")
def real_films() -> str:
    """Name of the real films, if they are available."""
    if not os.environ.get("IMDBCLUST_DATA"):
        pytest.skip("no real films: IMDBCLUST_DATA does not name a folder with them")
    return "wikipedia"


@pytest.fixture(autouse=True)
def _claims_end_with_their_test():
    """Give up the stages that a notebook opened within this process claims until it exits."""
    yield
    if clean := sys.modules.get("imdbclust.running.clean"):
        clean._claims.close()


@pytest.fixture
def corpus():
    """The corpus that can be counted by hand; a module with other films has its own."""
    return toy_corpus()


@pytest.fixture
def clustering(corpus):
    return clustering_of(corpus, TOY_LABELS)


@pytest.fixture
def counts(corpus, clustering):
    return count_movies(corpus, clustering)
