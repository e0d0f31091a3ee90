"""What may differ between two runs of the same thing, and how to compare all the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path

from imdbclust.running.manifest import MANIFEST

OF_RUN = ("started", "seconds", "command")
"""What of ``manifest.json`` says when, how fast and by which words a run was made."""

OF_STAGE = ("seconds", "peak_memory_mb", "reused", "kernel", "kernel_note")
"""The same of each of its stages: whether it was there already, and how it was executed."""

ON_PAGES = (
    r"(?<=<span>)\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC(?=</span>)",
    r'(?<=aria-label="Command"><code>)[^<]*(?=</code>)',
    r'(?:(?<=<span>)|(?<=<td class="number">)|(?<=run took ))'
    r"(?:under 0\.1 s|[\d.]+ (?:s|min|h|MB|GB)\b)[^<]*(?=<)",
    r" <span>reused from an earlier run</span>",
    r"(?<=<td>)in (?:an earlier|this) run(?=</td>)",
    r'(?<=<time datetime=")[^<]*(?=</time>)',
)
"""The same on its pages: the date, the command, times and memory, what was computed."""


IN_ORDER_OF_FILE = ("top_actors", "matrix_top_actors", "matrix_preview")
"""Tables in which ties, or the rows that are shown, follow the order of the film file.

So do the rows of all tables that have one for each movie or actor, and the random parts of the
movies that the parameter ``evaluation`` draws.
"""

FOLLOWS_LAST_DIGITS = ("map", "choice")
"""Tables that another processor, or number of threads, may change beyond rounding.

t-SNE leads a long way from where it starts. Of the many recipes that are compared to choose a
number of clusters, one may have a movie as near to one cluster as to another.
"""


def comparable(folder: Path) -> dict[str, bytes]:
    """Return the files of a run by name, without what may differ.

    Two runs of the same notebooks on the same films with the same parameters and name, by the same
    versions on the same machine, give equal results: tables, notebooks, pages, figures, manifest.
    What stands beside them on the index, runs of other presets, is part of it.

    Parameters
    ----------
    folder : Path
        The run's folder.
    """
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _without(path) for path in paths}


def _without(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name == MANIFEST:
        manifest = json.loads(content)
        stages = [_dropped(stage, OF_STAGE) for stage in manifest["stages"]]
        return json.dumps(_dropped(manifest, OF_RUN) | {"stages": stages}, indent=1).encode()
    if path.suffix == ".html":
        text = content.decode("utf-8")
        for pattern in ON_PAGES:
            text = re.sub(pattern, "", text)
        return text.encode("utf-8")
    return content


def _dropped(record: dict, names: tuple[str, ...]) -> dict:
    return {name: value for name, value in record.items() if name not in names}
