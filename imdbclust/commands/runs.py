"""List runs and sweeps, newest first.

Each row has the name, local date and time, films, preset, size on disk and
first finding of a run or sweep.

options:
"""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import shorten
from typing import NotRequired, TypedDict

from imdbclust.base.paths import reports
from imdbclust.base.text import byte_size, counted, shown
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


class _Stage(TypedDict):
    headlines: list[str]
    findings: list[str]


class _Films(TypedDict):
    title: str


class _Manifest(TypedDict):
    status: str
    dataset: _Films
    stages: list[_Stage]
    preset: NotRequired[str]
    settings: NotRequired[int]
    started: NotRequired[datetime]


@dataclass(frozen=True)
class Listed:
    """A run or a sweep.

    Attributes
    ----------
    folder : Path
        Its folder.
    when : datetime
        When it started; for sweeps and damaged runs, when the manifest was written.
    films, preset, finding : str
        Title of the films, preset or number of settings, and first finding.
    """

    folder: Path
    when: datetime
    films: str = ""
    preset: str = ""
    finding: str = ""


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_shared(common.out_option)


def execute(call: Call) -> None:
    """Print the table."""
    from imdbclust.running.clean import folder_size

    found = list_runs(out := call.out or reports())
    if not found:
        common.say(f"no runs in {out}; create one with `imdbclust run`")
        return
    rows = [("NAME", "WHEN", "FILMS", "PRESET", "SIZE", "FIRST FINDING")]
    for one in found:
        when, size = f"{one.when:%Y-%m-%d %H:%M}", byte_size(folder_size(one.folder))
        films = shorten(one.films, 32, placeholder="…")
        rows.append((one.folder.name, when, films, one.preset, size, one.finding))
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    columns = shutil.get_terminal_size((1000, 24)).columns  # a file gets whole sentences
    widths[-1] = max(20, columns - sum(widths[:-1]) - 2 * len(widths[:-1]))
    for *cells, finding in rows:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=False))
        print(f"{line}  {shorten(finding, widths[-1], placeholder='…')}".rstrip())


def list_runs(out: Path) -> list[Listed]:
    """Return the runs and sweeps in a folder for reports, newest first."""
    from imdbclust.running.clean import looks_like_a_run
    from imdbclust.running.manifest import MANIFEST

    paths = [path for path in out.glob(f"*/{MANIFEST}") if looks_like_a_run(path.parent)]
    return sorted(map(_read, paths), key=lambda one: (one.when, one.folder.name), reverse=True)


def _read(path: Path) -> Listed:
    import msgspec

    when = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        return Listed(path.parent, when, finding=f"damaged: {error}")
    findings = [text for stage in manifest["stages"] for text in stage["headlines"]]
    findings += [text for stage in manifest["stages"] for text in stage["findings"]]
    if manifest["status"] != "done":
        findings.insert(0, manifest["status"])
    n_settings = manifest.get("settings")
    preset = manifest.get("preset", "") if n_settings is None else counted(n_settings, "setting")
    if "started" in manifest:
        when = manifest["started"].astimezone()
    return Listed(path.parent, when, manifest["dataset"]["title"], preset, (findings or [""])[0])
