"""The page on which a reader looks up movies, actors and clusters of a run."""

from __future__ import annotations

import base64
from pathlib import Path

from markupsafe import Markup

from imdbclust.running.explorer_data import unpack_explorer_data
from imdbclust.running.pages.checks import SCRIPT, TEMPLATES, policy
from imdbclust.running.pages.report import EXPLORER, pages_of, render_page

MAX_BYTES = 8_000_000

EXPLORER_SCRIPT = (TEMPLATES / "report" / "explore.js").read_text(encoding="utf-8")


def render_explorer(folder: Path, manifest: dict, data: Path) -> Path:
    """Write the explorer page of a run into its folder, which has its tables; return the page.

    `data` is a file of :func:`imdbclust.running.explorer_data.pack_explorer_data`. A page that
    fails its checks is written, too; then this raises RenderError.
    """
    packed = data.read_bytes()
    header, _ = unpack_explorer_data(packed)
    n_movies = len(header["titles"])
    scripts = (SCRIPT, EXPLORER_SCRIPT)
    return render_page(
        "explore.html.j2",
        folder / EXPLORER,
        scripts=scripts,
        max_bytes=MAX_BYTES,
        run=manifest | {"explorer": EXPLORER},
        pages=pages_of(folder, manifest),
        n_movies=n_movies,
        n_actors=len(header["names"]),
        left_out=header["n_movies"] - n_movies,
        tables=[path.stem for path in (folder / "tables").glob("*.csv")],
        rules=policy(*scripts),
        explorer_data=Markup(base64.b64encode(packed).decode("ascii")),  # noqa: S704
        explorer_script=Markup(EXPLORER_SCRIPT),  # noqa: S704
    )
