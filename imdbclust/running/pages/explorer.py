"""The page with the map of all movies, on which a reader looks up movies, actors and clusters."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from markupsafe import Markup

from imdbclust import wording
from imdbclust.running.explorer_data import EDGE, NOWHERE, unpack_explorer_data
from imdbclust.running.pages.checks import SCRIPT, TEMPLATES, policy
from imdbclust.running.pages.report import EXPLORER, pages_of, render_page

MAX_BYTES = 12_000_000
PICTURE_SIDE = 640
"""Width and height in pixels of the picture of the map for readers without JavaScript."""

EXPLORER_SCRIPT = "".join(
    (TEMPLATES / "report" / name).read_text(encoding="utf-8")
    for name in ("explore_map.js", "explore.js")
)


def render_explorer(folder: Path, manifest: dict, data: Path) -> Path:
    """Write the explorer page of a run into its folder, which has its tables; return the page.

    `data` is a file of :func:`imdbclust.running.explorer_data.pack_explorer_data`. A page that
    fails its checks is written, too; then this raises RenderError.
    """
    packed = data.read_bytes()
    header, arrays = unpack_explorer_data(packed)
    n_movies, picture = len(header["titles"]), picture_of_map(header, arrays)
    clusters = [one for one in header["clusters"] if one["color"] and one["movies"]]
    size = {"n_movies": int((arrays["x"] != NOWHERE).sum()), "n_clusters": len(clusters)}
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
        n_points=len(arrays["x"]) - n_movies,
        left_out=header["n_movies"] - n_movies,
        clusters=clusters,
        texts=header["texts"],
        picture=base64.b64encode(picture).decode("ascii"),
        picture_alt=wording.EXPLORER["picture"].format(**size),
        tables=[path.stem for path in (folder / "tables").glob("*.csv")],
        rules=policy(*scripts),
        explorer_data=Markup(base64.b64encode(packed).decode("ascii")),  # noqa: S704
        explorer_script=Markup(EXPLORER_SCRIPT),  # noqa: S704
    )


def picture_of_map(header: dict, arrays: dict[str, np.ndarray]) -> bytes:
    """Return a PNG of the map in the clusters' colours on a transparent ground; empty without one.

    `header` and `arrays` are those of
    :func:`imdbclust.running.explorer_data.unpack_explorer_data`.
    """
    from PIL import Image

    drawn = np.flatnonzero(arrays["x"] != NOWHERE)[::-1]  # the best known movies last
    if not len(drawn):
        return b""
    groups = [one["color"] or "#898989" for one in header["clusters"]]
    colors, codes = np.unique(groups, return_inverse=True)
    row, column = (arrays[axis][drawn].astype(int) * (PICTURE_SIDE - 2) // EDGE for axis in "yx")
    pixels = np.zeros((PICTURE_SIDE, PICTURE_SIDE), np.uint8)
    for down, right in np.ndindex(2, 2):
        pixels[row + down, column + right] = codes[arrays["group"][drawn]] + 1
    image = Image.fromarray(pixels)
    image.putpalette([0, 0, 0, *bytes.fromhex("".join(color[1:] for color in colors))])
    file = io.BytesIO()
    image.save(file, "PNG", transparency=0, optimize=True)
    return file.getvalue()
