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

from imdbclust.base.paths import reports
from imdbclust.base.text import byte_size, counted, shown
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


@dataclass(frozen=True)
class Listed:
    """A run or a sweep."""

    folder: Path
    when: datetime  # start; for sweeps and damaged runs, when the manifest was written
    films: str = ""  # title
    preset: str = ""  # or number of settings
    finding: str = ""  # the first


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_shared(common.json_option)
    parser.add_shared(common.out_option)
    parser.set_defaults(light=True)


def execute(call: Call) -> None:
    """Print the table."""
    from imdbclust.running.clean import folder_size

    found = list_runs(out := call.out or reports())
    if call.json:
        common.print_json(
            [
                {
                    "name": one.folder.name,
                    "folder": str(one.folder),
                    "when": one.when.isoformat(),
                    "films": one.films,
                    "preset": one.preset,
                    "bytes": folder_size(one.folder),
                    "finding": one.finding,
                }
                for one in found
            ]
        )
        return
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
    from imdbclust.running.manifest import INVALID, decode_manifest

    when = datetime.fromtimestamp(path.stat().st_mtime)
    try:
        manifest = decode_manifest(path.parent)
        if "started" in manifest:
            when = datetime.fromisoformat(manifest["started"])
    except INVALID as error:
        return Listed(path.parent, when.astimezone(), finding=f"damaged: {error}")
    findings = common.found(manifest)
    if manifest["status"] != "done":
        findings.insert(0, manifest["status"])
    is_sweep = "settings" in manifest
    preset = counted(manifest["settings"], "setting") if is_sweep else manifest["preset"]
    films = manifest["dataset"]["title"]
    return Listed(path.parent, when.astimezone(), films, preset, (findings or [""])[0])
