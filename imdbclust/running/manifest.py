"""What runs and sweeps left, found by name and read back; believed only as far as it is sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, TypedDict

import msgspec

from imdbclust.base.errors import UserError
from imdbclust.base.paths import reports
from imdbclust.running.stages import notebook_of
from imdbclust.running.store import Store, examine

MANIFEST = "manifest.json"


class NotARun(UserError):
    """There is no run or sweep of that name, or what it left is damaged."""


class _Films(TypedDict):
    title: str
    sha256: str


class _Stage(TypedDict):
    stage: Annotated[str, msgspec.Meta(pattern=r"^\d\d_[a-z]+$")]
    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]+$")]


class _Parameter(TypedDict):
    value: str | float | int | bool


class _Common(TypedDict):
    status: str
    commit: str | None
    versions: dict[str, str]
    dataset: _Films
    stages: list[_Stage]


class _Run(_Common):
    preset: str
    parameters: dict[str, _Parameter]


class _Sweep(_Common):
    settings: int
    axes: list[str]


def find_folder(name: str, out: Path | None = None) -> Path:
    """Return the folder of a run or sweep: of that name in the folder for reports, or at that path.

    Raises
    ------
    NotARun
        There is none.
    """
    parent = Path(out) if out else reports()
    for folder in (parent / name, Path(name)):
        if name and _is_file(folder / MANIFEST):
            return folder
    there = sorted(path.parent.name for path in parent.glob(f"*/{MANIFEST}"))
    hint = f"there is {', '.join(there)}" if there else "`imdbclust run` makes one"
    raise NotARun(f"there is no run {name!r} in {parent}, and no folder of that name; {hint}")


def read_manifest(folder: Path) -> dict:
    """Return the manifest of a run or sweep.

    Raises
    ------
    NotARun
        It cannot be read, or something in it is not what a manifest has there.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        is_sweep = isinstance(manifest, dict) and "settings" in manifest
        msgspec.convert(manifest, _Sweep if is_sweep else _Run)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise NotARun(f"{path} is no manifest of a run: {reason}") from None
    return manifest


def stage_folder(folder: Path, manifest: dict, stage: str) -> Path:
    """Return where a run's execution of a stage lies, its files being those that were left there.

    Raises
    ------
    NotARun
        It is not there, or some file of it was changed, cut or lost.
    """
    name = notebook_of(stage).stem
    keys = {entry["stage"]: entry["key"] for entry in manifest["stages"]}
    lies = Store(folder.parent).folder / f"{name}-{keys.get(name)}"
    if name not in keys or not lies.is_dir():
        raise NotARun(f"the run {folder.name!r} has no finished stage {stage}; run it again first")
    if examine(lies, keys[name])[0] is None:
        raise NotARun(f"{lies} is damaged; run {folder.name!r} again first")
    return lies


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long, a loop of links
        return False
