"""The bench: our recipes beside clusterings of other libraries, on the same parts of the movies.

Every recipe is fitted on all movies, again with other seeds, and on parts of the movies; what it
then tells of the movies left out is measured by :mod:`imdbclust.evaluation`, as for our own
reports. Predictions that saw genres when they were fitted are told the same movies: how much casts
can tell at all.
"""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from imdbclust import __version__
from imdbclust.base.paths import reports
from imdbclust.bench import BenchFailed
from imdbclust.bench.peers import Anchor, Peer, PeerFailed, anchors, missing_libraries, peers
from imdbclust.clustering import UNPLACED, check_n_clusters
from imdbclust.datasets import find as datasets
from imdbclust.datasets.find import Dataset
from imdbclust.evaluation.held_out import genre_bits, score_held_out
from imdbclust.evaluation.recipe import TRAINED_SHARE, Fit, Fitted, Recipe
from imdbclust.evaluation.stability import Subsample, over_seeds, over_subsamples
from imdbclust.load import Corpus, CorpusError
from imdbclust.matrix import Incidence, build_incidence, linked_movies
from imdbclust.reduction import check_n_components
from imdbclust.running.parameters import ParameterError, settings

OURS = ("seed", "recommended")
"""The presets that are compared with the peers."""

COLUMNS = {
    "recipe": "recipe",
    "library": "library",
    "ari_seeds": "agreement over seeds (ARI)",
    "ari_subsamples": "agreement over parts of the movies (ARI)",
    "ari_subsamples_spread": "its spread over pairs of parts",
    "genre_bits": "bits about genres, in-sample",
    "held_out": "bits about movies not seen, by the nearest cluster",
    "held_out_posterior": "bits about movies not seen, by Pr[cluster | cast]",
    "beyond_decade": "bits beyond the decade, by the nearest cluster",
    "beyond_decade_posterior": "bits beyond the decade, by Pr[cluster | cast]",
    "largest_cluster": "largest cluster, share of placed movies",
    "unplaced": "unplaced, share of all movies",
    "n_clusters": "clusters found",
    "seconds": "seconds a fit (median)",
    "note": "note",
}
"""Columns of the CSV, and what they are called on the page."""

GROUPS = {
    "ours": "Our recipes",
    "peer": "Clusterings of other libraries",
    "anchor": "Predictions that saw genres",
}
"""Kinds of recipes, in the order of the table, and what they are called on the page."""

USUAL, QUICK = {"n_seeds": 3, "n_subsamples": 5}, {"n_seeds": 2, "n_subsamples": 2}
"""Fits of each recipe where nothing else is asked for."""

SLOW = {"n_seeds": 1, "n_subsamples": 2}
"""Fits of a slow recipe, at most."""

CERTAIN = 1e-6
"""No probability is taken to be nearer to 0 or 1: nobody is infinitely wrong."""

BATCH_CELLS = 2**25
"""Movies are predicted in batches of at most so many numbers, where clusters are many."""


@dataclass(frozen=True)
class Effort:
    """How many fits are compared: with other seeds, and on parts of the movies."""

    n_seeds: int
    n_subsamples: int


@dataclass(frozen=True)
class Contender:
    """A row of the table, before anything is measured.

    Attributes
    ----------
    kind : str
        One of `GROUPS`.
    name, library : str
        What stands in the table.
    fit : callable
        Takes an incidence matrix and a seed, as of
        :mod:`imdbclust.evaluation.recipe`; or predicts, as
        :attr:`imdbclust.bench.peers.Anchor.predict`. None if it cannot be measured.
    effort : Effort
        Fits that are compared.
    note : str
        What the table says beside the numbers.
    """

    kind: str
    name: str
    library: str
    fit: Callable | None
    effort: Effort
    note: str = ""

    @property
    def n_fits(self) -> int:
        """How many fits it takes to measure it."""
        if self.fit is None:
            return 0
        of_all = 0 if self.kind == "anchor" else self.effort.n_seeds
        return of_all + self.effort.n_subsamples


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
    """Measure all recipes, write ``bench/quality.csv`` row by row, then ``bench/quality.html``.

    Parameters
    ----------
    dataset : str
        As :func:`imdbclust.datasets.find.find_dataset`.
    n_seeds, n_subsamples : int, optional
        Fits of each recipe with other seeds, and on parts of the movies; as of `USUAL`, or of
        `QUICK` where that is asked for.
    n_clusters : int
        Clusters to look for.
    named : sequence of str
        Compare only with peers and anchors that have one of these in their name or library,
        whatever the case.
    quick : bool
        Fewer fits, and no slow peers.
    out : path, optional
        The folder for reports.
    command : str
        How the bench was called, for the page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    imdbclust.running.parameters.ParameterError, imdbclust.base.errors.DatasetError,
    imdbclust.load.CorpusError
        Something asked for is wrong; nothing was started.
    imdbclust.running.pages.report.RenderError
        The page is not fit to be read.
    BenchFailed
        Recipes broke with an error that is none of their own; all else is there.
    """
    _check_numbers(n_seeds, n_subsamples, n_clusters)
    usual = QUICK if quick else USUAL
    effort = Effort(n_seeds or usual["n_seeds"], n_subsamples or usual["n_subsamples"])
    chosen = contenders(n_clusters, effort, named=named, quick=quick)
    found, values = datasets.find_dataset(dataset), settings(OURS[0], {})
    corpus = found.read(on_problem=str(values["on_problem"]))
    _check_films(corpus, n_clusters)
    incidence, seed = build_incidence(corpus), int(values["random_state"])
    folder = (Path(out) if out else reports()) / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    csv, page = folder / "quality.csv", folder / "quality.html"
    page.unlink(missing_ok=True)  # it would be of another table
    began, rows = time.monotonic(), []
    _write_csv(_as_table(rows), csv)
    with _Terminal(chosen) as terminal:
        for contender in chosen:
            terminal.begin(contender)
            rows.append(measure(contender, corpus, incidence, random_state=seed, tell=terminal.fit))
            _write_csv(_as_table(rows), csv)
            terminal.end(rows[-1])
    about = {
        "effort": effort,
        "n_clusters": n_clusters,
        "n_movies": corpus.n_movies,
        "n_actors": corpus.n_actors,
        "random_state": seed,
        "share": TRAINED_SHARE,
        "seconds": time.monotonic() - began,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "command": command,
        **_machine(),
    }
    write_page(_as_table(rows), found, about, page)
    broken = [f"{row['recipe']}: {row['broken']}" for row in rows if row["broken"]]
    if broken:
        raise BenchFailed("\n".join(broken), page)
    return page


# ---------------------------------------------------------------- who is compared


def contenders(
    n_clusters: int, effort: Effort, *, named: Sequence[str] = (), quick: bool = False
) -> list[Contender]:
    """Return who is measured: our presets, the peers, what is not installed, the anchors.

    Raises
    ------
    ParameterError
        A name that is in none of the peers' and anchors'.
    """
    ours = [_preset(name, n_clusters, effort) for name in OURS]
    others = [_peer(peer, effort, quick=quick) for peer in peers(n_clusters)]
    others += [
        Contender(
            "peer",
            f"peers of {library}",
            library,
            None,
            effort,
            note="not installed: pip install imdbclust[bench]",
        )
        for library in missing_libraries()
    ]
    others += [_anchor(anchor, effort) for anchor in anchors()]
    for name in named:
        if not any(_is_named(one, name) for one in others):
            known = "; ".join(one.name for one in others)
            raise ParameterError(f"no peer has {name!r} in its name; there are: {known}")
    return ours + [
        one for one in others if not named or any(_is_named(one, name) for name in named)
    ]


def _is_named(contender: Contender, text: str) -> bool:
    return text.casefold() in f"{contender.name}\n{contender.library}".casefold()


def _preset(name: str, n_clusters: int, effort: Effort) -> Contender:
    values = settings(name, {})
    fit = Recipe.from_parameters(values | {"n_clusters": n_clusters}).fit
    return Contender("ours", name, "imdbclust", fit, effort)


def _peer(peer: Peer, effort: Effort, *, quick: bool) -> Contender:
    def fit(incidence: Incidence, random_state: int) -> Fitted:
        return peer.fit(incidence.matrix, random_state)

    if not peer.slow:
        return Contender("peer", peer.name, peer.library, fit, effort)
    if quick:
        return Contender("peer", peer.name, peer.library, None, effort, "slow: left out")
    few = Effort(
        min(effort.n_seeds, SLOW["n_seeds"]), min(effort.n_subsamples, SLOW["n_subsamples"])
    )
    return Contender(
        "peer", peer.name, peer.library, fit, few, note="slow: one seed, two subsamples"
    )


def _anchor(anchor: Anchor, effort: Effort) -> Contender:
    note = "saw the genres of the movies fitted"
    return Contender("anchor", anchor.name, anchor.library, anchor.predict, effort, note)


def _check_numbers(n_seeds: int | None, n_subsamples: int | None, n_clusters: int) -> None:
    least = {"seeds": (n_seeds, 1), "subsamples": (n_subsamples, 2), "clusters": (n_clusters, 2)}
    for name, (value, low) in least.items():
        if value is not None and value < low:
            raise ParameterError(f"--{name} is at least {low}, not {value}")


def _check_films(corpus: Corpus, n_clusters: int) -> None:
    """Raise if our recipes cannot be fitted on a part of the films."""
    if corpus.genres.empty:
        raise CorpusError("no movie has a genre, so there is nothing to say about genres")
    trained = round(TRAINED_SHARE * corpus.n_movies)
    try:
        check_n_clusters(n_clusters, round(TRAINED_SHARE * linked_movies(corpus).sum()))
        for name in OURS:
            n_components = settings(name, {})["n_components"]
            check_n_components(n_components, (trained, corpus.n_actors))
    except ValueError as error:
        raise ParameterError(f"on a part of the films {error}") from None


# ---------------------------------------------------------------- measuring


def measure(
    contender: Contender,
    corpus: Corpus,
    incidence: Incidence,
    *,
    random_state: int,
    tell: Callable[[], None] = lambda: None,
) -> dict:
    """Measure one recipe; what it cannot be measured by stays empty, and a note says why.

    Its fits run one after another, so that none takes another's time.

    Parameters
    ----------
    contender : Contender
        The recipe.
    corpus : Corpus
        The movies.
    incidence : Incidence
        Their matrix.
    random_state : int
        Seed of fits and parts, the same for all recipes.
    tell : callable
        Called after every fit.

    Returns
    -------
    dict
        The columns of `COLUMNS`; ``kind``; ``decade``, the bits that the decade alone tells; and
        ``broken``, an error that is no :class:`imdbclust.bench.peers.PeerFailed`, or an empty text.
    """
    from joblib import parallel_config

    row = dict.fromkeys([*COLUMNS, "decade"], np.nan)
    row |= {"recipe": contender.name, "library": contender.library, "kind": contender.kind}
    row |= {"n_clusters": None, "note": contender.note, "broken": ""}
    if contender.fit is None:
        return row
    watch = _Stopwatch(contender.fit, tell)
    measured = _of_anchor if contender.kind == "anchor" else _of_clusters
    usual = {"effort": contender.effort, "random_state": random_state}
    try:
        with parallel_config(backend="sequential"):
            for columns in measured(watch, corpus, incidence, **usual):
                row |= columns
    except Exception as error:  # of any library whatever; the others go on
        reason = str(error)
        if not isinstance(error, PeerFailed):
            row["broken"] = reason = f"{type(error).__name__}: {error}"
        row["note"] = "; ".join(filter(None, [contender.note, f"fails: {reason}"]))
    if watch.seconds:
        row["seconds"] = float(np.median(watch.seconds))
    return row


class _Stopwatch:
    """Calls a function and notes how long each call took."""

    def __init__(self, function: Callable, tell: Callable[[], None]):
        self.function, self.tell = function, tell
        self.seconds: list[float] = []

    def __call__(self, *arguments):
        began = time.perf_counter()
        result = self.function(*arguments)
        self.seconds.append(time.perf_counter() - began)
        self.tell()
        return result


def _of_clusters(
    fit: Fit, corpus: Corpus, incidence: Incidence, *, effort: Effort, random_state: int
) -> Iterator[dict]:
    """Yield the columns of a clustering, as they become known."""
    genres, _ = corpus.genre_matrix()
    whole = fit(incidence, random_state)
    sizes = np.bincount(whole.labels[whole.labels != UNPLACED])
    yield {
        "genre_bits": genre_bits(whole.labels, genres).sum(),
        "largest_cluster": sizes.max() / sizes.sum() if len(sizes) else np.nan,
        "unplaced": (whole.labels == UNPLACED).mean(),
        "n_clusters": int(np.count_nonzero(sizes)),
    }
    usual = {"random_state": random_state}
    pairs = over_seeds(fit, incidence, whole, n_seeds=effort.n_seeds, **usual)
    yield {"ari_seeds": pairs["ari"].mean()}
    parts, pairs = over_subsamples(fit, incidence, n_subsamples=effort.n_subsamples, **usual)
    yield {
        "ari_subsamples": pairs["ari"].mean(),
        "ari_subsamples_spread": pairs["ari"].std(ddof=1),
    }
    told = pd.DataFrame([_tell(corpus, incidence, part) for part in parts]).mean()
    yield {
        "held_out": told["nearest"],
        "held_out_posterior": told["posterior"],
        "beyond_decade": told["decade_and_nearest"] - told["decade"],
        "beyond_decade_posterior": told["decade_and_posterior"] - told["decade"],
        "decade": told["decade"],
    }


def _tell(corpus: Corpus, incidence: Incidence, part: Subsample) -> pd.Series:
    """Return the bits of each predictor, summed over genres; in batches if clusters are many."""
    new = part.held_out[incidence.cast_sizes()[part.held_out] > 0]
    cells = (part.fit.n_clusters + 1) * corpus.genre_matrix()[0].shape[1]
    batches = np.array_split(new, max(1, math.ceil(len(new) * cells / BATCH_CELLS)))
    bits = [
        len(batch) * score_held_out(corpus, incidence, replace(part, held_out=batch)).bits.sum()
        for batch in batches
        if len(batch)
    ]
    return sum(bits) / len(new)


def _of_anchor(
    predict: Callable, corpus: Corpus, incidence: Incidence, *, effort: Effort, random_state: int
) -> Iterator[dict]:
    """Yield what a prediction that saw genres tells of the same movies as the clusters."""
    genres, _ = corpus.genre_matrix()
    splits, _ = over_subsamples(
        _no_clusters, incidence, n_subsamples=effort.n_subsamples, random_state=random_state
    )
    bits = []
    for number, part in enumerate(splits):
        new = part.held_out[incidence.cast_sizes()[part.held_out] > 0]
        seen = genres[part.trained]
        casts, seed = incidence.matrix, random_state + number
        predicted = predict(casts[part.trained], seen, casts[new], seed)
        bits.append(_gain(predicted, seen, genres[new].toarray()).sum())
    yield {"held_out": np.mean(bits)}


def _no_clusters(incidence: Incidence, random_state: int) -> Fitted:
    """Put all movies into one cluster: for the parts that all recipes are fitted on."""
    zeros = partial(np.zeros, dtype=np.int32)
    return Fitted(zeros(incidence.shape[0]), 1, lambda casts: zeros(casts.shape[0]))


def _gain(predicted: np.ndarray, seen, happened: np.ndarray) -> np.ndarray:
    """Return the mean reduction of log2-loss for each genre, as clusters are measured.

    It is against the shares of the movies seen, half a movie added on either side.
    """
    base = (seen.sum(axis=0) + 0.5) / (seen.shape[0] + 1)
    predicted = np.clip(predicted, CERTAIN, 1 - CERTAIN)
    won = happened * np.log2(predicted / base)
    lost = (1 - happened) * np.log2((1 - predicted) / (1 - base))
    return (won + lost).mean(axis=0)


# ---------------------------------------------------------------- sentences


def lead_sentences(table: pd.DataFrame) -> list[str]:
    """Say which recipe is most stable, which tells most, and how far ours is from the anchors.

    Parameters
    ----------
    table : DataFrame
        One row a recipe, as of :func:`measure`.

    Returns
    -------
    list of str
    """
    bits = table[["held_out", "held_out_posterior"]].max(axis=1)
    table = table.assign(bits=bits).set_index("recipe")
    saw_genres = table["kind"] == "anchor"
    clusters, anchored = table[~saw_genres], table[saw_genres]
    if clusters["ari_subsamples"].isna().all() or clusters["bits"].isna().all():
        return ["No clustering could be measured on parts of the movies."]
    stable = _best(clusters, "ari_subsamples", "an adjusted Rand index of {:.3f}")
    telling = _best(clusters, "bits", "{:.3f} bits a movie")
    said = [
        f"Most stable on parts of the movies is {stable}.",
        f"What tells most of the genres of movies not seen is {telling}.",
    ]
    ours = clusters.loc[clusters["kind"] == "ours", "bits"]
    if ours.notna().any() and anchored["bits"].max() > 0:
        most = anchored["bits"].max()
        said.append(
            f"Casts can tell at least {most:.3f} bits: {anchored['bits'].idxmax()}, which saw "
            f"genres when it was fitted, reaches as much; our {ours.idxmax()} reaches "
            f"{ours.max() / most:.0%} of it."
        )
    return said


def _best(clusters: pd.DataFrame, column: str, unit: str) -> str:
    """Say who has the largest value, and who has it of the others, or else of ours."""
    own = clusters["kind"] == "ours"
    best = clusters[column].idxmax()
    rest, whose = (clusters[~own], "the others") if own[best] else (clusters[own], "ours")
    name = f"our {best}" if own[best] else f"{best} of {clusters.loc[best, 'library']}"
    said = f"{name}, with {unit.format(clusters.loc[best, column])}"
    if rest[column].isna().all():
        return said
    return f"{said}; of {whose} it is {rest[column].idxmax()}, with {rest[column].max():.3f}"


# ---------------------------------------------------------------- what is written and printed


def _as_table(rows: list[dict]) -> pd.DataFrame:
    columns = [*COLUMNS, "kind", "decade", "broken"]
    return pd.DataFrame(rows, columns=columns).astype({"n_clusters": "Int64"})


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write the rows there are, in one step, so that none is ever there by half."""
    part = path.with_name(f".{path.name}.part")
    table[list(COLUMNS)].to_csv(part, index=False, float_format="%.6g", lineterminator="\n")
    part.replace(path)


def write_page(table: pd.DataFrame, dataset: Dataset, about: dict, path: Path) -> None:
    """Write the page of a finished table.

    Parameters
    ----------
    table : DataFrame
        One row a recipe, as of :func:`measure`.
    dataset : Dataset
        The films.
    about : dict
        How it was measured.
    path : path
        The page; the CSV lies beside it, under the same name.

    Raises
    ------
    imdbclust.running.pages.report.RenderError
        The page does not pass :func:`imdbclust.running.pages.report.check_page`. It is written
        all the same, so that the problem can be looked at.
    """
    from imdbclust.display.render import format_column
    from imdbclust.running.pages.report import render_page

    texts = pd.DataFrame({name: format_column(table[name], name) for name in COLUMNS})
    render_page(
        "bench.html.j2",
        path,
        run={"dataset": dataset.describe()},
        lead=lead_sentences(table),
        columns=COLUMNS,
        numbers=[name for name in COLUMNS if pd.api.types.is_numeric_dtype(table[name])],
        groups=[
            (heading, texts[table["kind"] == kind].to_dict("records"))
            for kind, heading in GROUPS.items()
        ],
        csv=path.with_suffix(".csv").name,
        decade=table["decade"].dropna().tolist(),
        **about,
    )


SHOWN = {
    "ari_seeds": "seeds",
    "ari_subsamples": "parts",
    "genre_bits": "genres",
    "held_out": "unseen",
    "held_out_posterior": "by cast",
    "largest_cluster": "largest",
    "unplaced": "unplaced",
    "n_clusters": "clusters",
    "seconds": "seconds",
}
"""Columns that the terminal shows, and what it calls them."""


class _Terminal:
    """Prints a line for each recipe, and shows a bar of the fits where somebody watches."""

    def __init__(self, chosen: Sequence[Contender]):
        from tqdm import tqdm

        self._width = max(len(contender.name) for contender in chosen)
        self._until = 0
        self._bar = tqdm(
            total=sum(contender.n_fits for contender in chosen),
            disable=not sys.stderr.isatty(),
            bar_format="{desc} {percentage:3.0f} %|{bar}| {elapsed}, about {remaining} left",
            leave=False,
        )
        self._print("recipe", SHOWN.values(), "")

    def __enter__(self) -> _Terminal:
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def begin(self, contender: Contender) -> None:
        self._until += contender.n_fits
        self._bar.set_description_str(contender.name)

    def fit(self) -> None:
        self._bar.update()

    def end(self, row: dict) -> None:
        self._bar.update(self._until - self._bar.n)  # fits that a failure spared
        self._print(row["recipe"], (_short(row[name]) for name in SHOWN), row["note"])

    def _print(self, name: str, cells: Iterable[str], note: str) -> None:
        numbers = " ".join(f"{cell:>8}" for cell in cells)
        self._bar.write(f"{name:<{self._width}} {numbers}  {note}".rstrip())
        sys.stdout.flush()


def _short(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _machine() -> dict[str, int | str]:
    """Return the number of cores, and what the environment says of threads."""
    from joblib import cpu_count

    return {"cores": cpu_count(), "threads": os.environ.get("OMP_NUM_THREADS", "")}


def _versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries compared, as far as installed."""
    found = {"imdbclust": __version__, "python": platform.python_version()}
    for library in ("numpy", "scipy", "scikit-learn", "scikit-network", "leidenalg", "igraph"):
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found
