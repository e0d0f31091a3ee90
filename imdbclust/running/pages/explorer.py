"""The page on which a reader looks up movies, actors and clusters of a run."""

from __future__ import annotations

import base64
from pathlib import Path

from markupsafe import Markup

from imdbclust.running.explorer_data import unpack_catalogue
from imdbclust.running.pages import report as html

MAX_BYTES = 8_000_000

SCRIPT = (html.TEMPLATES / "report" / "explore.js").read_text(encoding="utf-8")

TABLES = {
    "movie_to_cluster_titles": "the cluster of every movie",
    "cluster_profiles": "the clusters",
    "cluster_actors": "actors that stand out",
    "p_cluster_given_genre": "Pr[cluster | genre]",
}
"""Tables to which a reader without JavaScript is sent, and what they are called."""


def render_explorer(folder: Path, manifest: dict, catalogue: Path) -> Path:
    """Write the explorer page of a run.

    Parameters
    ----------
    folder : Path
        The run's folder, with its tables in it.
    manifest : dict
        The run's record.
    catalogue : Path
        The packed catalogue; see :func:`imdbclust.running.explorer_data.pack_catalogue`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    imdbclust.running.pages.report.RenderError
        If the page does not pass `html.check_page`. It is on disk all the same.
    """
    packed = catalogue.read_bytes()
    header, _ = unpack_catalogue(packed)
    n_movies = len(header["titles"])
    scripts = (html.SCRIPT, SCRIPT)
    return html.render_page(
        "explore.html.j2",
        folder / html.EXPLORER,
        scripts=scripts,
        max_bytes=MAX_BYTES,
        run=manifest | {"explorer": html.EXPLORER},
        pages=html.pages_of(folder, manifest),
        n_movies=n_movies,
        n_actors=len(header["names"]),
        left_out=header["n_movies"] - n_movies,
        tables=[
            (f"tables/{name}.csv", text)
            for name, text in TABLES.items()
            if (folder / "tables" / f"{name}.csv").is_file()
        ],
        rules=html.policy(*scripts),
        catalogue=Markup(base64.b64encode(packed).decode("ascii")),  # noqa: S704
        explorer_script=Markup(SCRIPT),  # noqa: S704
    )
