"""Find runs and sweeps by name, and read their manifests back, checked."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

import msgspec

from imdbclust.base.errors import UserError
from imdbclust.base.paths import reports
from imdbclust.base.text import did_you_mean
from imdbclust.running.stages import notebook_of
from imdbclust.running.store import MANIFEST, Store, examine

INVALID = (OSError, ValueError, RecursionError, msgspec.MsgspecError)
"""Errors of :func:`decode_manifest`."""


class NotARun(UserError):
    """The run or sweep does not exist, or its files are damaged."""


class _Films(TypedDict):
    title: str
    sha256: str


class _Stage(TypedDict):
    stage: Annotated[str, msgspec.Meta(pattern=r"^\d\d_[a-z]+$")]
    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]+$")]
    status: NotRequired[str]
    headlines: NotRequired[list[str]]
    tables: NotRequired[list[dict]]
    figures: NotRequired[list[dict]]
    findings: NotRequired[list[str]]


class _Parameter(TypedDict):
    value: str | float | int | bool


class _Common(TypedDict):
    status: str
    commit: str | None
    versions: dict[str, str]
    dataset: _Films
    stages: list[_Stage]
    started: NotRequired[str]


class _Run(_Common):
    preset: str
    parameters: dict[str, _Parameter]


class _Sweep(_Common):
    settings: int
    axes: list[str]
    films: NotRequired[str | list[str]]
    request: NotRequired[dict]
    given: NotRequired[dict[str, str | float | int | bool]]


def find_folder(name: str, out: Path | None = None) -> Path:
    """Return the folder of a run or sweep, by its name in the folder for reports or by its path.

    Raises
    ------
    NotARun
        The run or sweep does not exist.
    """
    parent = Path(out) if out else reports()
    for folder in (parent / name, Path(name)):
        with suppress(OSError):  # a name that is too long, or a loop of links
            if name and (folder / MANIFEST).is_file():
                return folder
    known = sorted(path.parent.name for path in parent.glob(f"*/{MANIFEST}"))
    hint = did_you_mean(name, known) if known else "create one with `imdbclust run`"
    raise NotARun(f"no run called {name!r} in {parent} and no such folder; {hint}")


def decode_manifest(folder: Path) -> dict:
    """Return the manifest of a run or sweep; raise one of the errors `INVALID` otherwise."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    is_sweep = isinstance(manifest, dict) and "settings" in manifest
    msgspec.convert(manifest, _Sweep if is_sweep else _Run)
    return manifest


def read_manifest(folder: Path) -> dict:
    """Return the manifest of a run or sweep; raise NotARun if it is not a valid one."""
    try:
        return decode_manifest(folder)
    except INVALID as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise NotARun(f"{folder / MANIFEST} is not a valid manifest of a run: {reason}") from None


def stage_folder(folder: Path, manifest: dict, stage: str) -> Path:
    """Return the folder of a stage of a run; its files are unchanged.

    Raises
    ------
    NotARun
        The stage is not finished, or one of its files was changed, truncated or removed.
    """
    name = notebook_of(stage).stem
    keys = {entry["stage"]: entry["key"] for entry in manifest["stages"]}
    found = Store(folder.parent).folder / f"{name}-{keys.get(name)}"
    if name not in keys or not found.is_dir():
        raise NotARun(f"the run {folder.name!r} has no finished stage {stage}; run it again first")
    if examine(found, keys[name])[0] is None:
        raise NotARun(f"{found} is damaged; run {folder.name!r} again first")
    return found
