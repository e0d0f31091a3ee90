"""Our recipes compared with other clusterings and supervised predictors, on the same subsamples.

Every recipe is fitted on all movies, again with other seeds, and on random subsamples. Agreement
and held-out information are measured by :mod:`imdbclust.evaluation`, as for our own reports.
Supervised predictors learn from the genres of the same subsamples: they show how much casts can
say about genres at all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import parallel_config

from imdbclust.base.paths import reports
from imdbclust.bench.costs import BenchFailed
from imdbclust.bench.page import write_csv, write_quality_page
from imdbclust.bench.peers import Method, clusterings, our_recipe, supervised
from imdbclust.clustering import UNPLACED, check_n_clusters
from imdbclust.datasets.find import find_dataset
from imdbclust.evaluation.held_out import genre_bits, log_loss_gain, score_held_out, smoothed_shares
from imdbclust.evaluation.recipe import TRAINED_SHARE, Fit
from imdbclust.evaluation.stability import Subsample, over_seeds, over_subsamples, split_movies
from imdbclust.load import Corpus, CorpusError
from imdbclust.matrix import Incidence, build_incidence, linked_movies
from imdbclust.reduction import check_n_components
from imdbclust.running.parameters import ParameterError, settings

OURS = ("seed", "recommended")
"""Presets that are compared with other methods."""

COLUMNS = (
    "recipe", "library", "ari_seeds", "ari_subsamples", "ari_subsamples_spread", "genre_bits",
    "held_out", "held_out_posterior", "beyond_decade", "beyond_decade_posterior",
    "largest_cluster", "unplaced", "n_clusters", "seconds", "note",
)  # fmt: skip
"""Columns of the CSV."""

PRINTED = ("ari_seeds", "ari_subsamples", "held_out", "held_out_posterior", "seconds")
"""Columns that are printed while the comparison runs."""

USUAL, QUICK = (3, 5), (2, 2)
"""Default numbers of seeds and of subsamples, and those with ``quick``."""

CERTAIN = 1e-6
"""Predicted probabilities are clipped this far from 0 and 1, which keeps the log-loss finite."""

BATCH_CELLS = 2**25
"""Maximum number of cells (movies x clusters x genres) that are predicted at a time."""


def compare_quality(
    *,
    dataset: str = "auto",
    n_seeds: int | None = None,
    n_subsamples: int | None = None,
    n_clusters: int = 16,
    named: Sequence[str] = (),
    quick: bool = False,
    out: Path | None = None,
    command: str = "",
) -> Path:
    """Compare all methods; write ``bench/quality.csv`` row by row, then ``bench/quality.html``.

    Parameters
    ----------
    dataset, out
        As for :func:`imdbclust.running.run.run`.
    n_seeds, n_subsamples : int, optional
        Fits of each method on all movies with different seeds, and on random subsamples; by
        default `USUAL`, or `QUICK` if `quick` is set.
    n_clusters : int
        Clusters to look for.
    named : sequence of str
        Compare only with methods that have one of these in their name or library, in any case.
    command : str
        The command line, for the page.

    Raises
    ------
    imdbclust.base.errors.UserError
        An argument or the dataset is wrong; nothing was started.
    imdbclust.running.pages.report.RenderError
        The page does not pass its checks.
    BenchFailed
        A method failed unexpectedly; the page has the results of the rest.
    """
    least = {"seeds": (n_seeds, 1), "subsamples": (n_subsamples, 2), "clusters": (n_clusters, 2)}
    for name, (value, low) in least.items():
        if value is not None and value < low:
            raise ParameterError(f"--{name} must be at least {low}, not {value}")
    usual = QUICK if quick else USUAL
    methods = compared_methods(n_clusters, named)
    found, values = find_dataset(dataset), settings(OURS[0], {})
    corpus = found.read(on_problem=str(values["on_problem"]))
    _check_films(corpus, n_clusters)
    effort = n_seeds or usual[0], n_subsamples or usual[1]
    films = Films(corpus, build_incidence(corpus), *effort, int(values["random_state"]))
    folder = (Path(out) if out else reports()) / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    csv, page = folder / "quality.csv", folder / "quality.html"
    page.unlink(missing_ok=True)  # it would show an older table
    rows = []
    write_csv(_table(rows), csv)
    width = max(len(method.name) for method in methods)
    print(f"{'recipe':<{width}}", *PRINTED, sep="  ")
    for method in methods:
        print(f"{method.name:<{width}}", end="  ", flush=True)
        rows.append(row := measure(method, films))
        write_csv(_table(rows), csv)
        cells = [f"{row[name]:>{len(name)}.3f}" for name in PRINTED]
        print(*cells, row["note"], sep="  ", flush=True)
    write_quality_page(
        _table(rows),
        page,
        run={"dataset": found.describe()},
        lead=lead_sentences(pd.DataFrame(rows)),
        decade=pd.DataFrame(rows)["decade"].max(),
        n_clusters=n_clusters,
        share=TRAINED_SHARE,
        films=films,
        command=command,
    )
    if broken := [f"{row['recipe']}: {row['broken']}" for row in rows if row["broken"]]:
        raise BenchFailed("\n".join(broken), page)
    return page


# ---------------------------------------------------------------- methods


def compared_methods(n_clusters: int, named: Sequence[str] = ()) -> list[Method]:
    """Return our presets, then the other clusterings, then the supervised predictors.

    Raises
    ------
    ParameterError
        A name that matches no method.
    """
    recipes = {name: our_recipe(name, n_clusters=n_clusters) for name in OURS}
    ours = [Method("ours", name, "imdbclust", recipe.fit) for name, recipe in recipes.items()]
    others = [*clusterings(n_clusters), *supervised()]

    def matching(name: str) -> list[Method]:
        return [method for method in others if name.casefold() in str(method).casefold()]

    for name in named:
        if not matching(name):
            known = "; ".join(map(str, others))
            raise ParameterError(f"no peer has {name!r} in its name; choose from: {known}")
    chosen = [method for name in named for method in matching(name)]
    return ours + [method for method in others if method in chosen or not named]


def _check_films(corpus: Corpus, n_clusters: int) -> None:
    """Raise a UserError if our recipes cannot be fitted on a subsample of the films."""
    if corpus.genres.empty:
        raise CorpusError("no movie has a genre, so information about genres cannot be measured")
    trained = round(TRAINED_SHARE * corpus.n_movies)
    try:
        check_n_clusters(n_clusters, round(TRAINED_SHARE * linked_movies(corpus).sum()))
        for name in OURS:
            n_components = settings(name, {})["n_components"]
            check_n_components(n_components, (trained, corpus.n_actors))
    except ValueError as error:
        raise ParameterError(f"on a subsample of the films {error}") from None


# ---------------------------------------------------------------- measurements


@dataclass(frozen=True)
class Films:
    """The movies, their matrix, and how each method is fitted.

    There are `n_seeds` fits on all movies with different seeds, and `n_subsamples` fits on random
    subsamples. `random_state` is the first seed of fits and subsamples, the same for all methods.
    """

    corpus: Corpus
    incidence: Incidence
    n_seeds: int
    n_subsamples: int
    random_state: int


def measure(method: Method, films: Films) -> dict:
    """Measure one method; what cannot be measured is NaN, and a note says why.

    Its fits run one after another, so that the seconds of each are its own. The keys are `COLUMNS`,
    ``kind``, ``decade`` (the bits of the decade alone) and ``broken`` (an unexpected error).
    """
    row = dict.fromkeys([*COLUMNS, "decade"], math.nan)
    row |= {"recipe": method.name, "library": method.library, "kind": method.kind}
    row |= {"note": "trained on genres" if method.kind == "supervised" else "", "broken": ""}
    seconds = []

    def timed_fit(*arguments):
        began = time.perf_counter()
        result = method.fit(*arguments)
        seconds.append(time.perf_counter() - began)
        return result

    measured = _measure_supervised if method.kind == "supervised" else _measure_clusters
    try:
        with parallel_config(backend="sequential"):
            for columns in measured(timed_fit, films):
                row |= columns
    except ModuleNotFoundError:
        row["note"] = "not installed: pip install imdbclust[bench]"
    except Exception as error:  # whatever another library raises; the rest is still measured
        row["broken"] = f"{type(error).__name__}: {error}"
        row["note"] = f"failed: {row['broken']}"
    if seconds:
        row["seconds"] = float(np.median(seconds))
    return row


def _measure_clusters(fit: Fit, films: Films) -> Iterator[dict]:
    """Yield the columns of a clustering, as they become known."""
    incidence, seed = films.incidence, films.random_state
    whole = fit(incidence, seed)
    sizes = np.bincount(whole.labels[whole.labels != UNPLACED])
    yield {
        "genre_bits": genre_bits(whole.labels, films.corpus.genre_matrix()[0]).sum(),
        "largest_cluster": sizes.max() / sizes.sum() if len(sizes) else math.nan,
        "unplaced": (whole.labels == UNPLACED).mean(),
        "n_clusters": int(np.count_nonzero(sizes)),
    }
    pairs = over_seeds(fit, incidence, whole, n_seeds=films.n_seeds, random_state=seed)
    yield {"ari_seeds": pairs["ari"].mean()}
    subsamples, pairs = over_subsamples(
        fit, incidence, n_subsamples=films.n_subsamples, random_state=seed
    )
    yield {"ari_subsamples": pairs["ari"].mean(), "ari_subsamples_spread": pairs["ari"].std()}
    bits = pd.DataFrame([_held_out_bits(films, subsample) for subsample in subsamples]).mean()
    yield {
        "held_out": bits["nearest"],
        "held_out_posterior": bits["posterior"],
        "beyond_decade": bits["decade_and_nearest"] - bits["decade"],
        "beyond_decade_posterior": bits["decade_and_posterior"] - bits["decade"],
        "decade": bits["decade"],
    }


def _held_out_bits(films: Films, subsample: Subsample) -> pd.Series:
    """Return the bits of each predictor, summed over genres; in batches to bound the memory."""
    corpus, incidence = films.corpus, films.incidence
    new = _with_cast(incidence, subsample.held_out)
    cells = (subsample.fit.n_clusters + 1) * corpus.genre_matrix()[0].shape[1]
    batches = np.array_split(new, max(1, math.ceil(len(new) * cells / BATCH_CELLS)))
    parts = [replace(subsample, held_out=batch) for batch in batches if len(batch)]
    scores = [score_held_out(corpus, incidence, part).bits.sum() for part in parts]
    bits = [len(part.held_out) * score for part, score in zip(parts, scores, strict=True)]
    return sum(bits) / len(new)


def _measure_supervised(predict: Callable, films: Films) -> Iterator[dict]:
    """Yield the held-out bits of a supervised predictor, on the subsamples of the clusterings."""
    genres, casts, bits = films.corpus.genre_matrix()[0], films.incidence.matrix, []
    for seed in range(films.random_state, films.random_state + films.n_subsamples):
        trained, held_out = split_movies(casts.shape[0], TRAINED_SHARE, seed)
        new = _with_cast(films.incidence, held_out)
        has_genre = genres[trained]
        predicted = predict(casts[trained], has_genre, casts[new], seed)
        predicted = np.clip(predicted, CERTAIN, 1 - CERTAIN)
        base, each = smoothed_shares(has_genre), np.arange(len(new))
        bits.append(log_loss_gain(predicted, each, base, genres[new])[0].sum())
    yield {"held_out": np.mean(bits)}


def _with_cast(incidence: Incidence, movies: np.ndarray) -> np.ndarray:
    return movies[incidence.cast_sizes()[movies] > 0]


# ---------------------------------------------------------------- results

FINDINGS = {
    "ari_subsamples": "Best agreement over subsamples (adjusted Rand index)",
    "bits": "Most information about the genres of held-out movies (bits per movie)",
}
"""What the findings compare."""

KINDS = {"ours": "our", "clustering": "other clustering", "supervised": "supervised"}
"""What the findings call the kinds of methods."""


def lead_sentences(rows: pd.DataFrame) -> list[str]:
    """Return the findings from the rows of :func:`measure`: the best method of each kind."""
    rows = rows.set_index("recipe")
    rows["bits"] = rows[["held_out", "held_out_posterior"]].max(axis=1)
    said = []
    for column, text in FINDINGS.items():
        values = rows[column].dropna()
        best = values.groupby(rows["kind"], sort=False).idxmax()
        parts = [f"{KINDS[kind]} {name} ({values[name]:.3f})" for kind, name in best.items()]
        if parts:
            said.append(f"{text}: {'; '.join(parts)}.")
    return said or ["No method could be measured on subsamples."]


def _table(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n_clusters": "Int64"})
