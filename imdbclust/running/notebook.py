"""The one helper of a notebook: where to read, where to write, how to show, when it is finished."""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from imdbclust.base.paths import NOTEBOOKS, reports
from imdbclust.datasets import find as datasets
from imdbclust.display import render as show
from imdbclust.display.csv_files import write_table
from imdbclust.display.missing_values import explained
from imdbclust.running.clean import use_until_exit
from imdbclust.running.manifest import MANIFEST, NotARun, find_folder, read_manifest, stage_folder
from imdbclust.running.parameters import FROM_RUN, ParameterError, Value, declared_in
from imdbclust.running.stages import READS, notebook_of
from imdbclust.running.store import (
    ARTIFACT,
    CONTEXT,
    DONE,
    RECORD,
    TABLES,
    Store,
    discard,
    write_json,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(eq=False)
class Stage:
    """A stage being executed, by the runner or by a person in JupyterLab.

    Attributes
    ----------
    name : str
        The stage's word.
    parameters : dict
        The values of the notebook's parameters, checked.
    folder : Path
        Where the stage writes.
    inputs : dict of Path
        Folders of the stages that it reads.
    """

    name: str
    parameters: dict[str, Value]
    folder: Path
    inputs: dict[str, Path]
    context: dict = field(default_factory=dict)
    told: dict = field(
        default_factory=lambda: {
            "headlines": [],
            "findings": [],
            "warnings": [],
            "checks": [],
            "metrics": {},
            "tables": [],
        }
    )

    @classmethod
    def open(cls, name: str, namespace: dict) -> Stage:
        """Begin a stage; see :func:`imdbclust.running.open_stage`.

        Under the runner the inputs are given. In a notebook opened alone they are those of the
        run that the parameter ``from_run`` names, or else of the default settings, made now if
        they are not there yet.
        """
        if CONTEXT in os.environ:
            context = json.loads(Path(os.environ[CONTEXT]).read_text(encoding="utf-8"))
            parameters = _values(context["parameters"], namespace)  # checked by the runner
            inputs = {stage: Path(folder) for stage, folder in context["inputs"].items()}
            return cls(name, parameters, Path(context["folder"]), inputs, context)
        declared = declared_in(notebook_of(name))
        values = _values(declared, namespace)
        parameters = {key: declared[key].check(value) for key, value in values.items()}
        inputs = (
            _sweep_to_look_at(parameters)
            if name == "sweep"
            else _inputs_of_run(name, parameters) or _default_inputs(name, parameters)
        )
        folder = reports() / "interactive" / notebook_of(name).stem
        discard(folder)
        for part in (ARTIFACT, TABLES):
            (folder / part).mkdir(parents=True)
        return cls(name, parameters, folder, inputs)

    @property
    def writes(self) -> Path:
        """The folder for this stage's artifact."""
        return self.folder / ARTIFACT

    def reads(self, stage: str) -> Path:
        """Return the folder of the artifact of an earlier stage.

        Raises
        ------
        KeyError
            The graph of the stages does not say that this one reads that one.
        """
        if stage not in READS[self.name]:
            raise KeyError(f"{self.name} reads {', '.join(READS[self.name])}, not {stage}")
        return self.inputs[stage] / ARTIFACT

    def dataset(self) -> datasets.Dataset:
        """Return the films to load: those the runner found, or those of ``dataset``."""
        films = self.context.get("films")
        if not films:
            return datasets.find_dataset(str(self.parameters["dataset"]))
        found = datasets.find_dataset(films["address"], download=False)
        if found.sha256 != films["sha256"]:
            raise datasets.DatasetError(
                f"the films at {films['address']} are not those that the run was planned for: "
                f"their hash is {found.sha256}, not {films['sha256']}"
            )
        return found

    def say(self, text: str, *, finding: bool = False, headline: bool = False) -> None:
        """Show a sentence; a `finding` is repeated on the run's index, a `headline` leads it."""
        if finding:
            self.told["findings"].append(text)
        if headline:
            self.told["headlines"].append(text)
        kind = "finding" if finding or headline else "text"
        _display(show.sentence_html(text, kind), text)

    def warn(self, text: str) -> None:
        """Show a warning, which the index repeats on top."""
        self.told["warnings"].append(text)
        _display(show.sentence_html(text, "warning"), f"Warning: {text}")

    def check(self, holds: bool, claim: str) -> None:
        """Fail unless the claim holds; show it where it does.

        Raises
        ------
        AssertionError
            If it does not.
        """
        if not holds:
            raise AssertionError(f"this does not hold: {claim}")
        self.told["checks"].append(claim)
        _display(show.sentence_html(claim, "check"), f"Holds: {claim}")

    def text(self, text: str) -> None:
        """Show text as it stands, line by line."""
        _display(show.text_html(text), text)

    def metric(self, **values: float) -> None:
        """Record numbers by name, for the manifest and for sweeps."""
        self.told["metrics"] |= {name: _builtin(value) for name, value in values.items()}

    def table(
        self,
        frame: pd.DataFrame,
        name: str,
        *,
        caption: str,
        head: int | None = None,
        columns: list[str] | None = None,
        links: dict[str, list[str]] | None = None,
    ) -> None:
        """Show a table, or its first `head` rows, and write all of it as ``tables/<name>.csv``.

        Of a wide one only some `columns` may be shown; `links` are as in
        :func:`imdbclust.display.render.table_html`. The index is not part of the table: reset
        it where it says something. Why values are missing stands in
        :mod:`imdbclust.display.missing_values`, and is said where some are.
        """
        shown = frame[columns] if columns else frame
        notes = self._write_table(frame, name, caption)
        html = show.table_html(
            shown, caption=caption, name=name, head=head, links=links, notes=notes
        )
        text = [shown.head(head or 10).to_string(index=False), *notes]
        _display(self._located(html), "\n".join(text))

    def _located(self, html: str) -> str:
        """Let links to CSV files lead to where they lie, seen from the notebook."""
        if self.context:
            return html  # a page has them beside it
        at = os.path.relpath(self.folder / TABLES, Path.cwd())
        return html.replace('href="tables/', f'href="{quote(Path(at).as_posix())}/')

    def _write_table(
        self, frame: pd.DataFrame, name: str, caption: str, kind: str | None = None
    ) -> list[str]:
        """Write a table, and return why values are missing from it."""
        write_table(frame, self.folder / TABLES / f"{name}.csv")
        missing = explained(frame, kind or name)
        about = {"name": name, "caption": caption, "rows": len(frame), "missing": missing}
        self.told["tables"].append(about)
        return missing

    def figure(self, axes: Axes, name: str, *, caption: str, alt: str) -> None:
        """Show the figure that the axes belong to, with a caption and a text alternative."""
        import matplotlib.pyplot as plt

        html = show.figure_html(axes.figure, caption=caption, alt=alt, name=f"{self.name}-{name}")
        plt.close(axes.figure)
        _display(html, f"Figure: {caption} {alt}")

    def finish(self) -> None:
        """Say that the notebook came to its end; only now does what it wrote count."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak_mb = peak / (2**20 if sys.platform == "darwin" else 2**10)
        done = {
            "token": self.context.get("token"),
            "parameters": self.parameters,
            "peak_memory_mb": round(peak_mb, 1),
            **self.told,
        }
        write_json(self.folder / (DONE if self.context else RECORD), done)
        where = "" if self.context else f" in {self.folder}"
        n_tables = len(self.told["tables"])
        text = f"Finished: {n_tables} tables written, {len(self.told['checks'])} checks hold"
        _display(show.sentence_html(text + where + ".", "stamp"), text)


@dataclass(eq=False)
class SweepStage(Stage):
    """The notebook that looks at a sweep.

    Attributes
    ----------
    folder_of_sweep : Path
        Where the sweep's results lie.
    sweep : dict
        Its manifest.
    results : DataFrame
        One row a setting; see :func:`imdbclust.running.sweep.results_table`.
    axes : list of str
        What varies, the seed last.
    metrics : list of str
        The columns of the results with what the notebooks measured.
    """

    folder_of_sweep: Path = Path()
    sweep: dict = field(default_factory=dict)
    results: pd.DataFrame | None = None
    axes: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)

    @classmethod
    def open_sweep(cls, namespace: dict) -> SweepStage:
        """Begin the notebook; see :func:`imdbclust.running.open_sweep`.

        Under the runner the sweep is given. Opened alone it is the one that ``from_sweep`` names,
        or else the newest in the folder for reports, or else the small one, made now.
        """
        import pandas as pd

        from imdbclust.evaluation.sweeps import ALWAYS

        stage = cls.open("sweep", namespace)
        stage.folder_of_sweep = stage.inputs["sweep"]
        manifest = stage.folder_of_sweep / MANIFEST
        stage.sweep = json.loads(manifest.read_text(encoding="utf-8"))
        results = pd.read_parquet(stage.folder_of_sweep / "results.parquet")
        # where nothing was finished there are no metrics
        stage.results = results if ALWAYS in results else results.assign(**{ALWAYS: math.nan})
        stage.axes, stage.metrics = stage.sweep["axes"], stage.sweep["metrics"]
        return stage

    def setting(self, number: int) -> Path:
        """Return the folder of a setting's reports."""
        return self.folder_of_sweep / self.address(number)

    def address(self, number: int) -> str:
        """Return the address of a setting's folder, from the sweep's."""
        return f"settings/{number:0{len(str(len(self.results)))}}"

    def heat(self, cells: pd.DataFrame, *, caption: str) -> None:
        """Show a table of :func:`imdbclust.evaluation.sweeps.grid`, cells linked to settings."""
        told = cells.iloc[0]
        name = f"heat_{told['metric']}_{told['row_axis']}_{told['column_axis']}"
        notes = self._write_table(cells, name, caption, "heat")
        links = {number: f"{self.address(number)}/index.html" for number in cells["first"]}
        html = show.heat_html(cells, caption=caption, name=name, links=links, notes=notes)
        _display(self._located(html), cells[["row", "column", "mean"]].to_string(index=False))


def _values(names: Iterable[str], namespace: dict) -> dict[str, Value]:
    """Return the values of a notebook's parameters."""
    missing = [name for name in names if name not in namespace]
    if missing:
        raise ParameterError(f"run the parameters cell first: {missing[0]} is not set")
    return {name: namespace[name] for name in names}


def _sweep_to_look_at(parameters: dict[str, Value]) -> dict[str, Path]:
    """Return the folder of the sweep that is named, or of the newest, or of one made now."""
    named = str(parameters["from_sweep"])
    found = sorted(reports().glob("*/results.parquet"), key=lambda path: path.stat().st_mtime)
    folders = [path.parent for path in found]
    if named:
        folders = [folder for folder in folders if folder.name == named]
        if not folders:
            raise ParameterError(f"from_sweep: there is no sweep {named!r} in {reports()}")
    if folders:
        return {"sweep": folders[-1]}
    from imdbclust.running.sweep import run_sweep

    show_progress("There is no sweep yet; the small one is made now …")
    return {"sweep": run_sweep(NOTEBOOKS / "small.yml")}


def _inputs_of_run(name: str, parameters: dict[str, Value]) -> dict[str, Path] | None:
    """Return the folders of the stages to read, of the run that ``from_run`` names."""
    run = parameters.get(FROM_RUN)
    if not run or not READS[name]:
        return None
    try:
        folder = find_folder(str(run))
        manifest = read_manifest(folder)
        found = {stage: stage_folder(folder, manifest, stage) for stage in READS[name]}
        use_until_exit(Store(folder.parent).folder, found.values())
        return found
    except NotARun as error:
        raise ParameterError(f"{FROM_RUN}: {error}") from None


def _default_inputs(name: str, parameters: dict[str, Value]) -> dict[str, Path]:
    """Return the folders of the stages to read, made now if need be.

    Earlier stages take this notebook's value of a parameter that they share with it, such as
    ``random_state``; all others are the defaults.
    """
    if not READS[name]:
        return {}
    from imdbclust.running.run import prepare

    shared = {key: value for key, value in parameters.items() if key != FROM_RUN}
    return prepare(name, shared, tell=lambda text: show_progress(text))


def show_progress(text: str) -> None:
    """Say what is going on while earlier stages are made."""
    print(text, flush=True)


def _display(html: str, text: str) -> None:
    """Show HTML, with plain text for whoever cannot."""
    from IPython.display import display

    display({"text/html": html, "text/plain": text}, raw=True)


def _builtin(value: float) -> float | int | None:
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value
