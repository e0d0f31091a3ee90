"""The folder of a run: its manifest, its notebooks and tables, and its rendered pages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from imdbclust import __version__
from imdbclust.base.disk import open_up
from imdbclust.base.paths import REPOSITORY
from imdbclust.datasets.find import Dataset
from imdbclust.running.execute import Outcome
from imdbclust.running.manifest import INVALID, decode_manifest
from imdbclust.running.parameters import DATASET, Value, declared, settings
from imdbclust.running.plan import PlannedStage, versions
from imdbclust.running.stages import cells_of
from imdbclust.running.store import (
    ARTIFACT,
    EXPLORER_DATA,
    FIGURES,
    MANIFEST,
    NOTEBOOK,
    TABLES,
    Store,
    nothing_reported,
    replace_folder,
    unfinished,
    write_json,
)

GIT_SECONDS = 10  # maximum wait for an answer of git


def new_manifest(name: str, dataset: Dataset, command: str) -> dict:
    """Return what the manifests of runs and of sweeps have in common."""
    return {
        "format": 1,
        "name": name,
        "status": "done",
        "error": None,
        "seconds": 0.0,
        "command": command,
        "dataset": dataset.describe(),
        "versions": {"imdbclust": __version__, **versions()},
        **commit(),
    }


def describe_settings(preset: str, values: dict[str, Value]) -> dict:
    """Return the part of the manifest of a run that gives its start and its parameters."""
    usual = settings(preset, {})
    parameters = {
        name: {
            "value": values[name],
            "default": parameter.default,
            "help": parameter.help,
            "stages": list(parameter.stages),
        }
        for name, parameter in declared().items()
        if name in values and name != DATASET
    }
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "preset": preset,
        "given": {name: value for name, value in values.items() if value != usual[name]},
        "parameters": parameters,
    }


def stage_entry(planned: PlannedStage, outcome: Outcome) -> dict:
    """Return the entry of a stage in a manifest; ``pending`` unless it is done or failed."""
    entry = {
        "stage": planned.name,
        "title": "".join(cells_of(planned.stage)[0]["source"]).splitlines()[0].lstrip("# "),
        "status": "pending",
        "key": planned.key,
        "reused": False,
        "replaced": "",
        "seconds": None,
        "peak_memory_mb": None,
        "kernel": None,
        "kernel_note": "",
        **nothing_reported(),
    }
    if outcome.status == "done":
        entry |= {name: value for name, value in outcome.record.items() if name in entry}
        entry |= {"status": "done", "reused": outcome.reused, "replaced": outcome.replaced}
    elif outcome.status == "failed":
        entry |= {"status": "failed", "seconds": round(outcome.seconds, 2)}
    return entry


def commit(folder: Path = REPOSITORY) -> dict:
    """Return the commit of this project's files, and whether they differ from that commit.

    Both are None if the project is not a repository of its own, such as an installed package or a
    folder in another repository.
    """
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    how = {"cwd": folder, "env": environment, "timeout": GIT_SECONDS}
    how |= {"capture_output": True, "text": True, "check": True}
    own = "imdbclust/__init__.py"
    try:
        # the name is relative to the root of the repository that the file is in
        name = subprocess.run(["git", "ls-files", "--full-name", "--", own], **how).stdout.strip()
        head = subprocess.run(["git", "rev-parse", "HEAD"], **how).stdout.strip()
        changes = subprocess.run(["git", "status", "--porcelain"], **how).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        name = ""
    return (
        {"commit": head, "dirty": bool(changes)} if name == own else {"commit": None, "dirty": None}
    )


def publish(
    folder: Path,
    manifest: dict,
    planned: list[PlannedStage],
    outcomes: dict[str, Outcome],
    store: Store,
    *,
    compare: bool = True,
) -> Path:
    """Build the folder of a run, render its pages, and replace the old folder in one step.

    The outcomes, by key, are added to the manifest, and the error of the rendering if it fails.
    Stages without an outcome are pending. Unless `compare` is false, the run and those of other
    presets in the same folder are compared on the index of each.
    """
    from imdbclust.running.pages.report import RenderError, render_index

    ended = [(stage, outcomes.get(stage.key, Outcome("pending"))) for stage in planned]
    manifest["stages"] = [stage_entry(*one) for one in ended]
    with unfinished(folder.parent, folder.name) as new:
        for part in ("notebooks", TABLES):
            (new / part).mkdir()
        for stage, outcome in ended:
            if outcome.status == "failed":
                manifest |= {"status": "failed", "error": outcome.error}
            if (outcome.status == "done" and not stage.bare) or outcome.notebook:
                copy_stage(stage, outcome, store, new)
        siblings = _siblings(folder, manifest) if compare else []
        explorer_data = store.path(planned[-1]) / ARTIFACT / EXPLORER_DATA
        try:
            try:
                _render(new, manifest, siblings, explorer_data)
            except (OSError, RenderError):
                raise
            except Exception:
                if not siblings:
                    raise
                siblings = []  # one of their manifests is damaged
                _render(new, manifest, siblings, explorer_data)
        except RenderError as error:  # the faulty pages are kept, so that they can be examined
            about = {"stage": "report", "type": "RenderError", "message": str(error), "cell": None}
            manifest |= {"status": "failed", "error": manifest["error"] or about}
            with suppress(RenderError):
                _render(new, manifest, siblings, explorer_data)
        write_json(new / MANIFEST, manifest)
        open_up(new, folder)
        replace_folder(new, folder)
        for sibling in siblings:
            others = [manifest, *(one for one in siblings if one is not sibling)]
            with suppress(Exception):  # a damaged neighbour costs this run nothing
                render_index(folder.parent / sibling["name"], sibling, others)
    return folder


def load_renderer() -> None:
    """Import and compile what renders pages; later, that takes no time.

    Errors are left to the rendering.
    """
    with suppress(Exception):
        from imdbclust.running.pages.filters import exporter

        for name in ("base/null", "display_priority", "parts", "index.html", "run.html"):
            exporter().environment.get_template(f"{name}.j2")


def copy_stage(planned: PlannedStage, outcome: Outcome, store: Store, folder: Path) -> None:
    """Copy the notebook, the tables and the figures of an execution into the folder of a report."""
    text = outcome.notebook
    if outcome.status == "done":
        finished = store.path(planned)
        text = (finished / NOTEBOOK).read_text(encoding="utf-8")
        for part in (TABLES, FIGURES):
            if (finished / part).is_dir():
                shutil.copytree(finished / part, folder / part, dirs_exist_ok=True)
        for table in (finished / ARTIFACT).glob("*.csv"):
            shutil.copyfile(table, folder / table.name)
    content = json.loads(text)
    content["cells"] = with_current_text(content["cells"], cells_of(planned.stage))
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    path = folder / "notebooks" / f"{planned.name}.ipynb"
    path.write_text(text, encoding="utf-8", newline="\n")


def with_current_text(executed: list[dict], source: list[dict]) -> list[dict]:
    """Return the executed cells of a notebook with the text cells of its source.

    A key does not depend on text cells, so those of a reused notebook may be old. The executed
    cells are returned unchanged if they are not those of the source, as in a truncated notebook.
    """
    groups, marks = [], []  # a code cell, with the cells that papermill added to it
    for cell in executed:
        tags = cell["metadata"].get("tags", [])
        if "papermill-error-cell-tag" in tags:
            marks.append(cell)
        elif "injected-parameters" in tags and groups:
            groups[-1].append(cell)
        elif cell["cell_type"] == "code":
            groups.append([*marks, cell])
            marks = []
    if len(groups) != sum(cell["cell_type"] == "code" for cell in source):
        return executed
    code = iter(groups)
    merged = (next(code) if cell["cell_type"] == "code" else [cell] for cell in source)
    return [cell for group in merged for cell in group]


def _render(folder: Path, manifest: dict, siblings: list[dict], explorer_data: Path) -> None:
    """Write all pages of a run; the explorer first, because the others link to it."""
    from imdbclust.running.pages.explorer import render_explorer
    from imdbclust.running.pages.report import render_run

    if manifest["stages"][-1]["status"] == "done" and explorer_data.is_file():
        render_explorer(folder, manifest, explorer_data)
    render_run(folder, manifest, siblings)


def _siblings(folder: Path, manifest: dict) -> list[dict]:
    """Return the manifests of runs in the same folder that differ from this one only in preset."""

    def compared(one: dict) -> tuple:
        films = {key: value for key, value in one["dataset"].items() if key != "why"}
        return films, one["given"], one["status"]

    found = {}
    for path in sorted(folder.parent.glob(f"*/{MANIFEST}")):
        with suppress(*INVALID, KeyError, TypeError, AttributeError):  # not a run, or an older one
            other = decode_manifest(path.parent)
            own = path.parent == folder or other["name"] != path.parent.name
            if own or other["preset"] == manifest["preset"]:
                continue
            if compared(other) == compared(manifest):
                found[other["preset"]] = other
    return list(found.values())
