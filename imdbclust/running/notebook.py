"""What a notebook needs while it is executed: where to read and write, how to show, how to finish.

A notebook opened alone gets its inputs from :mod:`imdbclust.running.alone`.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from imdbclust import wording
from imdbclust.base.errors import DatasetError
from imdbclust.base.fonts import USED
from imdbclust.base.text import counted
from imdbclust.datasets import find as datasets
from imdbclust.display import render as show
from imdbclust.display.csv_files import write_table
from imdbclust.display.figures import figure_html, figure_svg
from imdbclust.display.heat_switch import heat_switch_html
from imdbclust.display.missing_values import explained, is_missing
from imdbclust.running.parameters import ParameterError, Value, declared_in
from imdbclust.running.stages import READS, notebook_of
from imdbclust.running.store import (
    ARTIFACT,
    CONTEXT,
    DONE,
    FIGURES,
    LABELS,
    MANIFEST,
    RECORD,
    TABLES,
    nothing_reported,
    write_json,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from imdbclust.display.result import Result
    from imdbclust.display.widgets import Bar

MADE_BY = {
    "load": ("imdbclust.load", "Corpus"),
    "matrix": ("imdbclust.matrix", "Incidence"),
    "reduction": ("imdbclust.reduction", "Embedding"),
    "clustering": ("imdbclust.clustering", "Clustering"),
}
"""The class of what a stage makes, and its module."""


def open_stage(name: str, namespace: dict) -> Stage:
    """Begin a stage from within its notebook.

    `name` is the stage's word, `namespace` the notebook's ``globals()``, which hold the declared
    parameters. The runner provides the inputs. In a notebook opened alone,
    :func:`imdbclust.running.alone.open_alone` finds or computes them, and the parameters that are
    in effect are written to `namespace`.
    """
    return _opened(Stage, name, namespace)


def open_sweep(namespace: dict) -> SweepStage:
    """Begin the notebook of a sweep.

    The runner provides the sweep. In a notebook opened alone it is the one that ``from_sweep``
    names; otherwise the newest in the folder for reports, or the small one, computed now.
    """
    return _opened(SweepStage, "sweep", namespace)


@dataclass(eq=False)
class Stage:
    """A stage that is being executed, by the runner or by a person in JupyterLab."""

    name: str  # the stage's word
    parameters: dict[str, Value]  # checked
    folder: Path  # where the stage writes
    inputs: dict[str, Path]  # folders of the stages that it reads
    context: dict = field(default_factory=dict)  # from the runner; empty without one
    reported: dict = field(default_factory=nothing_reported)  # so far
    _bar: Bar | None = field(default=None, init=False)  # of a long step
    _missing: set[str] = field(default_factory=set, init=False)  # characters without a font

    @property
    def writes(self) -> Path:
        """The folder for this stage's artifact."""
        return self.folder / ARTIFACT

    def reads(self, stage: str) -> Path:
        """Return the folder of the artifact of an earlier stage that this one reads."""
        if stage not in READS[self.name]:
            raise KeyError(f"{self.name} reads {', '.join(READS[self.name])}, not {stage}")
        return self.inputs[stage] / ARTIFACT

    def load(self) -> list:
        """Return what the earlier stages made, in their order: corpus, incidence and so on."""
        loaded = []
        for stage in READS[self.name]:
            module, kind = MADE_BY[stage]
            loaded.append(getattr(import_module(module), kind).load(self.reads(stage)))
        return loaded

    def dataset(self) -> datasets.Dataset:
        """Return the films to load: those that the runner found, or those of ``dataset``.

        Why they were chosen, and that they are only a part, is shown.
        """
        found = self._found_films()
        self.warn(found.why)
        self.say(wording.part_of_films(found.request.get("part", {})), finding=True)
        return found

    def _found_films(self) -> datasets.Dataset:
        films = self.context.get("films")
        if not films:
            return datasets.find_dataset(str(self.parameters["dataset"]))
        found = datasets.find_dataset(films["address"], download=False, **films["request"])
        if found.sha256 != films["sha256"]:
            raise DatasetError(
                f"the films at {films['address']} have changed since the run was planned: "
                f"their hash is {found.sha256}, not {films['sha256']}"
            )
        return found

    def say(self, text: str, *, finding: bool = False) -> None:
        """Show a sentence; the run's index repeats a `finding`.

        An empty text is not shown: there is nothing to say.
        """
        if not text:
            return
        if finding:
            self.reported["findings"].append(text)
        self._display(show.sentence_html(text, "finding" if finding else "text"), text)

    def warn(self, text: str) -> None:
        """Show a warning, which the index repeats at the top; an empty text is not shown."""
        if not text:
            return
        self.reported["warnings"].append(text)
        self._display(show.sentence_html(text, "warning"), f"Warning: {text}")

    def check(self, holds: bool, claim: str) -> None:
        """Show a claim that holds; raise AssertionError if it does not."""
        if not holds:
            raise AssertionError(f"this does not hold: {claim}")
        self.reported["checks"].append(claim)
        self._display(show.sentence_html(claim, "check"), f"Holds: {claim}")

    def checks(self, claims: Iterable[str]) -> None:
        """Show claims that hold."""
        for claim in claims:
            self.check(True, claim)

    def text(self, text: str) -> None:
        """Show preformatted text."""
        self._display(show.text_html(text), text)

    def metric(self, **values: float) -> None:
        """Record numbers by name, for the manifest and for sweeps."""
        self.reported["metrics"] |= {name: _builtin(value) for name, value in values.items()}

    def table(
        self,
        frame: pd.DataFrame,
        name: str,
        *,
        caption: str,
        head: int | None = None,
        columns: list[str] | None = None,
        links: dict[str, list[str]] | None = None,
        fold: bool = False,
    ) -> None:
        """Show a table, or its first `head` rows, and write all of it as ``tables/<name>.csv``.

        `columns` limits the columns that are shown; those without any value are not, nor ids of
        actors that are their names. `links` and `fold` are as in
        :func:`imdbclust.display.render.table_html`. The index is not part of the table: reset it if
        it has information. The notes on missing values are in
        :mod:`imdbclust.display.missing_values`; an empty table is shown as its note alone.
        """
        if frame.empty:
            for note in self._write_table(frame, name, caption):
                self._display(show.sentence_html(f"{caption}. {note}", "text", name=name), note)
            return
        shown = frame[columns] if columns else frame
        known = [not is_missing(column).all() for _, column in shown.items()]
        shown = shown.loc[:, known]
        if "name" in shown and shown["name"].equals(shown.get("actor_id")):
            shown = shown.drop(columns="actor_id")
        about = {"caption": caption, "name": name, "notes": self._write_table(frame, name, caption)}
        html = show.table_html(shown, head=head, links=links, fold=fold, **about)
        text = [shown.head(head or 10).to_string(index=False), *about["notes"]]
        self._display(self._located(html), "\n".join(text))

    def _display(self, html: str, text: str) -> None:
        from IPython.display import display

        if not self.context:
            from imdbclust.running.alone import dressed

            html = dressed(html)
        display({"text/html": html, "text/plain": text}, raw=True)

    def _located(self, html: str) -> str:
        """Make links to CSV files relative to the notebook; on a page they already are."""
        if self.context:
            return html
        at = os.path.relpath(self.folder / TABLES, Path.cwd())
        return html.replace('href="tables/', f'href="{quote(Path(at).as_posix())}/')

    def _write_table(
        self, frame: pd.DataFrame, name: str, caption: str, kind: str | None = None
    ) -> list[str]:
        """Write a table, and return the reasons for its missing values."""
        write_table(frame, self.folder / TABLES / f"{name}.csv")
        missing = explained(frame, kind or name)
        about = {"name": name, "caption": caption, "rows": len(frame), "missing": missing}
        self.reported["tables"].append(about)
        return missing

    def show(self, result: Result) -> None:
        """Show a result: its sentences, then its tables, folded; and record its numbers."""
        self.metric(**result.metrics)
        for text in result.findings:
            self.say(text, finding=True)
        for text in result.sentences:
            self.say(text)
        for text in result.warnings:
            self.warn(text)
        for name, frame in result.tables.items():
            about = {"caption": wording.caption(name, **result.values), "fold": True}
            self.table(frame, name, head=10, columns=result.columns.get(name), **about)

    def figure(
        self,
        axes: Axes | None,
        name: str,
        *,
        caption: str,
        alt: str,
        index: bool = False,
        headline: str = "",
    ) -> None:
        """Show the figure that the axes belong to, with a caption and a text alternative.

        It is also written as ``figures/<name>.svg``. With `index`, the run's index shows it, too;
        it begins with the `headline`, which the caption repeats. Without axes nothing is shown. If
        the axes are empty, only the caption is.
        """
        if axes is None:
            return
        self.reported["headlines"] += [headline] if headline else []
        import matplotlib.pyplot as plt

        if not any(one.has_data() for one in axes.figure.axes):
            plt.close(axes.figure)
            self.say(caption)
            return
        about = {"caption": caption, "alt": alt, "name": f"{self.name}-{name}"}
        svg = figure_svg(axes.figure, name=about["name"])
        plt.close(axes.figure)
        figures = self.folder / FIGURES
        figures.mkdir(exist_ok=True)
        (figures / f"{name}.svg").write_text(svg, encoding="utf-8", newline="\n")
        self.reported["figures"].append(about | {"name": name, "index": index})
        self._display(figure_html(svg, **about), f"Figure: {caption} {alt}")
        self.reported["fonts"] = sorted(USED.families)
        if USED.missing - self._missing:
            self.say(wording.missing_characters(USED.missing - self._missing))
            self._missing |= USED.missing

    def heat_switch(
        self,
        tables: Mapping[str, pd.DataFrame],
        name: str,
        *,
        caption: str,
        labels: Mapping[object, str],
    ) -> None:
        """Show tables with the same rows and columns as one heat map, with a switch between them.

        See :func:`imdbclust.display.heat_switch.heat_switch_html`. No CSV is written.
        """
        html = heat_switch_html(tables, caption=caption, name=name, labels=labels)
        text = [f"{label}\n{table.iloc[:10].to_string()}" for label, table in tables.items()]
        self._display(html, "\n".join([caption, *text[:1]]))

    def slider(
        self, name: str, values: Sequence[float], value: float, draw: Callable[[float], Axes]
    ) -> None:
        """Show a figure for each value of a slider in JupyterLab, and nothing on a page.

        The arguments are those of :func:`imdbclust.display.widgets.slider`.
        """
        if not self.context:
            from imdbclust.display.widgets import slider

            slider(name, values, value, draw)

    def progress(self, done: int, total: int) -> None:
        """Count a finished part of a long step, by a bar in a notebook that was opened by hand."""
        if self.context:
            return
        if self._bar is None:
            from imdbclust.display.widgets import Bar

            self._bar = Bar(total)
        self._bar.advance()
        if done == total:
            self._bar = None

    def finish(self) -> None:
        """Record that the notebook reached its end; only then are its results used."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak_mb = peak / (2**20 if sys.platform == "darwin" else 2**10)
        done = {
            "token": self.context.get("token"),
            "parameters": self.parameters,
            "peak_memory_mb": round(peak_mb, 1),
            **self.reported,
        }
        write_json(self.folder / (DONE if self.context else RECORD), done)
        tables, checks = (counted(len(self.reported[f"{one}s"]), one) for one in ("table", "check"))
        text = f"Finished: {tables} written, {checks} passed"
        where = "" if self.context else f" in {self.folder}"
        self._display(show.sentence_html(f"{text}{where}.", "stamp"), text)


class BareStage(Stage):
    """A stage of a setting without a report: it records numbers, and shows nothing."""

    def _display(self, html: str, text: str) -> None:
        pass

    def table(self, frame: pd.DataFrame, name: str, **about: object) -> None:
        """Write no table."""


@dataclass(eq=False)
class SweepStage(Stage):
    """The notebook that compares the settings of a sweep."""

    sweep: dict = field(init=False)  # its manifest
    results: pd.DataFrame = field(init=False)  # one row a setting, see running.sweep.results_table
    axes: list[str] = field(init=False)  # what varies, the seed last
    metrics: list[str] = field(init=False)  # columns that the notebooks measured
    done: pd.DataFrame = field(init=False)  # the rows of the finished settings
    executions: pd.DataFrame = field(init=False)  # see running.sweep.SweepPlan.summary

    def __post_init__(self):
        import pandas as pd

        self.folder_of_sweep = self.inputs["sweep"]
        self.sweep = json.loads((self.folder_of_sweep / MANIFEST).read_text(encoding="utf-8"))
        self.axes, self.metrics = self.sweep["axes"], self.sweep["metrics"]
        self.results = pd.read_parquet(self.folder_of_sweep / "results.parquet")
        if "genre_bits" not in self.results:  # no setting was finished, so there are no metrics
            self.results = self.results.assign(genre_bits=math.nan)
        self.done = self.results[self.results["status"] == "done"]
        self.executions = pd.DataFrame(self.sweep["executions"])

    def labels(self) -> Mapping[str, np.ndarray]:
        """Return the clusters of the movies by the number of the setting, read when asked for."""
        import numpy as np

        return np.load(self.folder_of_sweep / LABELS, allow_pickle=False)

    def links(self, numbers: Iterable[int]) -> list[str]:
        """Return the addresses of the reports of settings, empty for those without a report."""
        return self.results.set_index("setting")["report"].loc[list(numbers)].tolist()

    def say(self, text: str, *, finding: bool = False, headline: bool = False) -> None:
        """Show a sentence, as :meth:`Stage.say`; the page of a sweep shows a `headline` on top."""
        if headline and self.context:
            self.reported["headlines"].append(text)
        else:
            super().say(text, finding=finding or headline)

    def heat_maps(self, tables: list[pd.DataFrame]) -> None:
        """Show tables of :func:`imdbclust.evaluation.sweeps.grid`, cells linked to settings."""
        for cells in tables:
            about = cells.iloc[0][["metric", "row_axis", "column_axis"]]
            caption, name = wording.heat(*about), "_".join(["heat", *about])
            notes = self._write_table(cells, name, caption, "heat")
            links = dict(zip(cells["first"], self.links(cells["first"]), strict=True))
            html = show.heat_html(cells, caption=caption, name=name, links=links, notes=notes)
            text = cells[["row", "column", "mean"]].to_string(index=False)
            self._display(self._located(html), text)


def _opened(kind: type[Stage], name: str, namespace: dict) -> Stage:
    context = {}
    if CONTEXT in os.environ:
        context = json.loads(Path(os.environ[CONTEXT]).read_text(encoding="utf-8"))
    declared = context["parameters"] if context else declared_in(notebook_of(name))
    missing = [one for one in declared if one not in namespace]
    if missing:
        raise ParameterError(f"run the parameters cell first: {missing[0]} is not set")
    values = {one: namespace[one] for one in declared}
    _show_bare(on_page=bool(context))
    if not context:
        from imdbclust.running.alone import check_injected, open_alone

        check_injected(namespace, declared)
        opening = open_alone(name, values)
        namespace.update(opening.parameters)
        stage = kind(name, opening.parameters, opening.folder, opening.inputs)
        stage._display(show.sentence_html(opening.stamp, "stamp"), opening.stamp)
        return stage
    inputs = {stage: Path(folder) for stage, folder in context["inputs"].items()}
    kind = BareStage if context.get("bare") else kind
    return kind(name, values, Path(context["folder"]), inputs, context)


def _show_bare(*, on_page: bool) -> None:
    """Let cells that end with a frame show it as :func:`show.frame_html` does.

    An estimator is shown as text on a page, because scikit-learn's own view of it runs a script.
    """
    import pandas as pd
    from IPython import get_ipython

    if shell := get_ipython():
        html = shell.display_formatter.formatters["text/html"]
        html.for_type(pd.DataFrame, show.frame_html)
        if on_page:
            text = lambda estimator: show.text_html(repr(estimator))  # noqa: E731
            html.for_type_by_name("sklearn.base", "BaseEstimator", text)


def _builtin(value: float) -> float | int | None:
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value
